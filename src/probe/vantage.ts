// A region's prober as it runs: the schedule and the runner feed the pure vantage machine with looks at what this replica owns; its votes and beats go to
// the store (voice.ts), the others' come back as hints (ears.ts), and its siblings decide with it who owns what (siblings.ts). Decides nothing itself.
import { createVerifier, type Signer, type Verifier } from '../coordinate/signing.ts';
import type { SelfFacts } from '../health/abstain.ts';
import { configHash } from '../health/config-hash.ts';
import { VOTERS_MIN } from '../health/electorate.ts';
import { goneAfterMs } from '../health/timing.ts';
import { type Company, newOwn, type Own, observe, type VantageInput } from '../health/vantage.ts';
import type { VantageRules } from '../health/watched.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig, EndpointKey, Outcome, ProbeSpec, Vote } from '../model.ts';
import type { Ports, Timer } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { createEars } from './ears.ts';
import { createRunner, type Runner } from './runner.ts';
import { originOf } from './schedule.ts';
import { createSiblings } from './siblings.ts';
import { createVoice } from './voice.ts';
import { rulesOf, type Watching, watchedBy } from './watching.ts';

export interface VantageOptions {
  ports: Ports;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  boot: string;
  /** Signs votes and beats; without one they go unsigned. */
  signer?: Signer | null;
  /** The program's own, told in beats; absent: they do not say. */
  version?: string;
  /** Verifies what others have signed; absent: one of its own. */
  verifier?: Verifier;
  /** One look with the policy's deadlines. Never rejects for what the world does. */
  look: (spec: ProbeSpec, cluster: ClusterConfig, signal: AbortSignal) => Promise<Outcome>;
  /** Every finished look, for metrics. */
  onLook: (key: EndpointKey, spec: ProbeSpec, outcome: Outcome, lateByMs: number) => void;
  onVote: (vote: Vote) => void;
  /** Everything the machine takes in, before it does: for a recording. */
  onInput?: (input: VantageInput) => void;
  /** Another process speaks under this region and replica: this one is mute from now on, and has no business to run. */
  onNameTaken?: (because: string) => void;
  /** The store holds other content under the version held here, or an older version: this vantage abstains until that ends. Once per conflict. */
  onConfigConflict?: (because: string) => void;
}

export interface Vantage {
  /**
   * Takes a configuration read at revision `rev` of the store. The one that is held already changes nothing, and so does one read before it. Another
   * content under the same version is refused, and so is a lower version: the vantage keeps what it has, and abstains.
   */
  configure(cluster: ClusterConfig, rev?: number): void;
  /** Facts of a self-check. */
  facts(facts: SelfFacts): void;
  vote(): Vote | null;
  /** Age in ms of the start of the first failed probe of the endpoint's current streak; null: none. */
  firstFaultAgeMs(key: EndpointKey): number | null;
  /** Tells the others that this replica stops, so that they need not wait to see it gone. */
  stop(): Promise<void>;
}

/** Looks in flight: 5,000 targets that all hang at default settings have 4,000 that were due, and there is room for as many confirmations. */
const IN_FLIGHT_MAX = 8000;
/** A start later than this makes the look invalid. */
const LATE_MS = 250;

export const createVantage = (options: VantageOptions): Vantage => {
  const { ports, store, log, region, replica, boot, verifier = createVerifier() } = options;
  let cluster: ClusterConfig | null = null;
  /** Revision at which the configuration held was last seen in the store. */
  let clusterRev = 0;
  let conflict: string | null = null;
  /** Events may have been missed, the store may be another: what contradicts the configuration held is judged by the next own read. */
  let unsure = false;
  let own: Own | null = null;
  let runner: Runner | null = null;
  /** What the runner was given. */
  let scheduled: VantageRules | null = null;
  let watched: ReadonlyMap<EndpointKey, Watching> = new Map();
  let timer: Timer | null = null;
  /** When this process wants to run next at the latest. */
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let stopping = false;
  let loopDelayMs = 0;
  let seenRev = 0;
  let company: Company = { peers: [replica], elder: null, spellOut: false };

  const mono = (): number => ports.clock.monoMs();
  const saw = (rev: number): void => {
    seenRev = Math.max(seenRev, rev);
  };

  /** Whatever wakes a process that stood still comes before its timers: it must not repeat, as if it were fresh, what it believed before. */
  const awake = (): void => {
    if (own !== null && !stopping && mono() - wakeAtMs > LATE_MS) take(own, { kind: 'late' });
  };

  const feed = (input: VantageInput): void => {
    if (own === null || stopping) return;
    awake();
    take(own, input);
  };

  const take = (before: Own, input: VantageInput): void => {
    options.onInput?.(input);
    const step = observe(before, input, mono());
    own = step.own;
    schedule(own.rules);
    for (const key of step.probes) runner?.probeNow(key);
    if (step.vote !== undefined) options.onVote(step.vote);
    const { beat } = step;
    if (beat !== undefined) voice.say(step.vote ?? null, () => beat(mono(), loopDelayMs, ports.clock.wallMs()));
    arm(step.wakeAtMs);
  };

  const arm = (atMs: number): void => {
    // Most inputs change nothing of when to wake next.
    if (timer !== null && atMs === wakeAtMs) return;
    timer?.cancel();
    wakeAtMs = Math.max(atMs, mono());
    timer = ports.timers.after(Math.max(1, atMs - mono()), () => {
      timer = null;
      feed({ kind: 'tick' });
    });
  };

  /** The runner looks at what is owned, and at nothing else. */
  const schedule = (rules: VantageRules): void => {
    if (rules === scheduled || runner === null) return;
    scheduled = rules;
    runner.setEntries(rules.watched.map(({ key }) => ({ key, phaseMs: watched.get(key)?.phaseMs ?? 0 })));
  };

  const voice = createVoice({
    ports,
    store,
    log,
    region,
    replica,
    boot,
    goneMs: () => (cluster === null ? Number.POSITIVE_INFINITY : goneAfterMs(cluster.policy)),
    cluster: () => cluster?.name ?? '',
    signer: options.signer ?? null,
    ...(options.version === undefined ? {} : { version: options.version }),
    saw,
    seenRev: () => seenRev,
    onWriting: awake,
    onNameTaken: (because) => options.onNameTaken?.(because),
  });

  const meet = (next: Partial<Company>): void => {
    company = { ...company, ...next };
    feed({ kind: 'company', company });
  };

  const siblings = createSiblings({
    ports,
    store,
    log,
    region,
    replica,
    verifier,
    cluster: () => cluster,
    saw,
    onCompany(found) {
      meet(found);
      // Not a word before it knows whom it shares with: two that claim everything would silence each other.
      voice.open();
    },
  });

  const ears = createEars({
    ports,
    store,
    log,
    region,
    verifier,
    cluster: () => cluster,
    saw,
    onMembers(members, rev) {
      unsure = false;
      configure(members, rev);
    },
    onAdopted() {
      cluster = null;
      clusterRev = 0;
      seenRev = 0;
    },
    onHints: (from, keys) => feed({ kind: 'hints', from, keys }),
    onOthers: (votes) => feed({ kind: 'others', votes }),
    onElders(spellOut) {
      if (spellOut !== company.spellOut) meet({ spellOut });
    },
  });

  const watch = store.watch('', (event) => {
    if (event.kind === 'resync') unsure = true;
    ears.notice(event);
    if (event.kind === 'resync' || event.keys.some(siblings.isSibling)) siblings.look();
  });

  /** Why `next` cannot take the place of what is held; null: it can. */
  const objection = (held: ClusterConfig, next: ClusterConfig): string | null => {
    if (next.version > held.version || (next.version === held.version && configHash(next) === configHash(held))) return null;
    const [here, there] = [held, next].map((c) => `version ${c.version} with content ${configHash(c)}`);
    const advice =
      next.version === held.version ? 'votes on two contents of one version are never mixed' : 'the store seems to have lost a newer one';
    return `this replica holds configuration ${here}, the store ${there}: ${advice}; apply a configuration with a higher version`;
  };

  const dispute = (because: string | null): void => {
    const before = conflict;
    conflict = because;
    if (because === before) return;
    feed({ kind: 'conflict', because });
    if (because === null) return;
    log.error('vantage.config_conflict', { because });
    if (before === null) options.onConfigConflict?.(because);
  };

  const configure = (next: ClusterConfig, rev = Number.POSITIVE_INFINITY): void => {
    if (stopping || (next === cluster && conflict === null)) return;
    const held = cluster;
    if (held !== null) {
      // Two rooms read the store: what one has read earlier may arrive later.
      if (rev < clusterRev) return;
      const because = objection(held, next);
      if (because !== null && unsure) return;
      if (because !== null || next.version === held.version) {
        dispute(because);
        return;
      }
    }
    dispute(null);
    if (Number.isFinite(rev)) clusterRev = rev;
    hold(held, next);
  };

  const hold = (held: ClusterConfig | null, next: ClusterConfig): void => {
    const list = watchedBy(next, region);
    cluster = next;
    watched = new Map(list.map((w) => [w.key, w]));
    const rules = rulesOf(next, list);
    own ??= newOwn(boot, replica, rules, mono());
    const cadence = ({ policy }: ClusterConfig): string => [policy.intervalMs, policy.timeoutMs, policy.suspectAfterMs].join();
    if (runner === null || held === null || cadence(held) !== cadence(next)) {
      void runner?.stop();
      runner = start(next);
      scheduled = null;
    }
    log.info('vantage.configured', {
      version: next.version,
      endpoints: list.length,
      voters: next.regions.filter((r) => r.vote).length,
      needed: VOTERS_MIN,
    });
    feed({ kind: 'rules', rules });
    siblings.look();
  };

  const start = (config: ClusterConfig): Runner => {
    const { intervalMs, timeoutMs, suspectAfterMs } = config.policy;
    return createRunner({
      ports,
      intervalMs,
      timeoutMs,
      suspectAfterMs,
      lateMs: LATE_MS,
      // Phases are offsets into the interval of the wall clock, read once: so vantages on different machines stagger.
      originMonoMs: originOf(mono(), ports.clock.wallMs(), intervalMs),
      concurrencyMax: IN_FLIGHT_MAX,
      probe(key, _startedAtMs, signal) {
        const spec = watched.get(key)?.spec;
        return spec === undefined
          ? Promise.resolve({ saw: 'nothing', detail: 'no longer configured' })
          : options.look(spec, config, signal);
      },
      onObservation: (observation, lateByMs, scheduled) => {
        const spec = watched.get(observation.key)?.spec;
        if (spec !== undefined) options.onLook(observation.key, spec, observation.outcome, lateByMs);
        feed({ kind: 'look', observation, late: lateByMs > LATE_MS, scheduled });
      },
      onPending: (key, startedAtMs) => feed({ kind: 'pending', key, startedAtMs }),
    });
  };

  return {
    configure,
    facts(facts) {
      loopDelayMs = facts.loopDelayP99Ms;
      feed({ kind: 'self', facts });
    },
    vote: () => own?.vote ?? null,
    firstFaultAgeMs(key) {
      const firstFaultAtMs = own?.opinions.get(key)?.firstFaultAtMs ?? null;
      return firstFaultAtMs === null ? null : mono() - firstFaultAtMs;
    },
    async stop() {
      stopping = true;
      watch.close();
      ears.stop();
      siblings.stop();
      timer?.cancel();
      await Promise.all([runner?.stop(), voice.stop()]);
    },
  };
};
