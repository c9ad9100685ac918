// A region's prober as it runs: the schedule and the runner feed the pure vantage machine; its votes and beats go to the store; the other regions' beats
// come back as hints. Decides nothing itself. Every write concerns this replica's own two records.

import { beatKey, KEYS, placeOf, voteKey } from '../coordinate/keys.ts';
import { errorText } from '../errors.ts';
import type { SelfFacts } from '../health/abstain.ts';
import { electorateOf, VOTERS_MIN, vantagesOf } from '../health/electorate.ts';
import { confirmEveryMs, faultsFor, quorumOf } from '../health/timing.ts';
import { newOwn, type Own, observe, type VantageInput, type VantageRules, type Watched } from '../health/vantage.ts';
import type { Log } from '../log.ts';
import {
  type Beat,
  type ClusterConfig,
  type EndpointKey,
  type EndpointName,
  endpointKey,
  type Outcome,
  type ProbeSpec,
  type TargetId,
  targetId,
  type Vote,
} from '../model.ts';
import type { Ports, Timer } from '../ports.ts';
import type { Op, Store } from '../store/store.ts';
import { createRunner, type Runner } from './runner.ts';
import { originOf, phaseMs } from './schedule.ts';

export interface VantageOptions {
  ports: Ports;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  boot: string;
  /** One look with the policy's deadlines. Never rejects for what the world does. */
  look: (spec: ProbeSpec, cluster: ClusterConfig, signal: AbortSignal) => Promise<Outcome>;
  /** Every finished look, for metrics. */
  onLook: (key: EndpointKey, spec: ProbeSpec, outcome: Outcome, lateByMs: number) => void;
  onVote: (vote: Vote) => void;
}

export interface Vantage {
  /** Takes a configuration; the same version again changes nothing. */
  configure(cluster: ClusterConfig): void;
  /** Facts of a self-check. */
  facts(facts: SelfFacts): void;
  vote(): Vote | null;
  stop(): Promise<void>;
}

interface Watching extends Watched {
  spec: ProbeSpec;
  phaseMs: number;
}

const ENDPOINTS: readonly EndpointName[] = ['healthz', 'readyz'];
/** Probes in flight over all targets; far above what a schedule needs, far below the descriptor limit. */
const IN_FLIGHT_MAX = 4000;
/** A start later than this makes the look invalid. */
const LATE_MS = 250;
const WRITE_RETRY_MS = 500;

/** What this region looks at, with phases that spread targets evenly and stagger the vantages. Pure. */
export const watchedBy = (cluster: ClusterConfig, region: string): readonly Watching[] =>
  cluster.services.flatMap((service) =>
    service.pools.flatMap((pool) =>
      pool.targets.flatMap((target): Watching[] => {
        const vantages = vantagesOf(cluster, pool, target);
        const vantageIndex = vantages.indexOf(region);
        if (vantageIndex < 0) return [];
        const id: TargetId = targetId(service.name, pool.name, target.name);
        const voters = electorateOf(cluster, service.name, pool.name, target.name).length;
        const k = faultsFor(cluster.policy, quorumOf(Math.max(voters, 1)));
        const endpoints = ENDPOINTS.filter((e) => target[e] !== undefined);
        return endpoints.flatMap((endpoint, index): Watching[] => {
          const spec = target[endpoint];
          if (spec === undefined) return [];
          return [
            {
              key: endpointKey(id, endpoint),
              target: id,
              endpoint,
              home: pool.region === region,
              rule: { k, spanMs: cluster.policy.faultSpanMs },
              spec,
              phaseMs: phaseMs({
                target: id,
                vantageIndex,
                vantages: vantages.length,
                endpointIndex: index === 0 ? 0 : 1,
                endpoints: endpoints.length === 1 ? 1 : 2,
                intervalMs: cluster.policy.intervalMs,
              }),
            },
          ];
        });
      }),
    ),
  );

const rulesOf = (cluster: ClusterConfig, watched: readonly Watching[]): VantageRules => ({
  configVersion: cluster.version,
  watched,
  confirmEveryMs: confirmEveryMs(cluster.policy),
  burstMs: cluster.policy.burstMs,
  intervalMs: cluster.policy.intervalMs,
  beatMs: cluster.policy.beatMs,
});

export const createVantage = (options: VantageOptions): Vantage => {
  const { ports, store, log } = options;
  const myVote = voteKey(options.region, options.replica);
  const myBeat = beatKey(options.region, options.replica);
  let cluster: ClusterConfig | null = null;
  let own: Own | null = null;
  let runner: Runner | null = null;
  let specs: ReadonlyMap<EndpointKey, ProbeSpec> = new Map();
  let timer: Timer | null = null;
  /** When this process wants to run next at the latest. */
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let stopping = false;
  const stopped = new AbortController();
  let loopDelayMs = 0;
  let unsentVote: Vote | null = null;
  let unsentBeat: Beat | null = null;
  let writing: Promise<void> | null = null;
  let mods: { vote: number; beat: number } | null = null;

  const mono = (): number => ports.clock.monoMs();

  const feed = (input: VantageInput): void => {
    if (own === null || stopping) return;
    // Whatever wakes a process that stood still comes before its timers: it must not repeat, as if it were fresh, what it believed before.
    if (mono() - wakeAtMs > LATE_MS) take(own, { kind: 'late' });
    take(own, input);
  };

  const take = (before: Own, input: VantageInput): void => {
    const step = observe(before, input, mono());
    own = step.own;
    for (const key of step.probes) runner?.probeNow(key);
    if (step.vote !== undefined) {
      unsentVote = step.vote;
      options.onVote(step.vote);
    }
    if (step.beat !== undefined) {
      unsentBeat = step.beat(loopDelayMs, ports.clock.wallMs());
      flush();
    }
    arm(step.wakeAtMs);
  };

  const arm = (atMs: number): void => {
    timer?.cancel();
    wakeAtMs = Math.max(atMs, mono());
    timer = ports.timers.after(Math.max(1, atMs - mono()), () => feed({ kind: 'tick' }));
  };

  // ---- writing: one transaction at a time, always the newest content, guarded so that a late write of ours cannot undo a newer one ----

  const flush = (): void => {
    writing ??= write().finally(() => {
      writing = null;
      if (unsentBeat !== null && !stopping) flush();
    });
  };

  const write = async (): Promise<void> => {
    const vote = unsentVote;
    const beat = unsentBeat;
    if (beat === null) return;
    unsentVote = null;
    unsentBeat = null;
    try {
      mods ??= await readMods();
      const then: Op[] = [...(vote === null ? [] : [{ put: myVote, value: vote }]), { put: myBeat, value: beat }];
      const conditions = [
        { key: myVote, mod: mods.vote },
        { key: myBeat, mod: mods.beat },
      ];
      const result = await store.txn({ if: conditions, then }, stopped.signal);
      if (!result.ok) throw new Error('our own records changed since we wrote them');
      mods = { vote: vote === null ? mods.vote : result.rev, beat: result.rev };
    } catch (error) {
      // In doubt or refused: learn the revisions again and write the newest content. Until then this vantage goes stale, which is safe.
      mods = null;
      unsentVote ??= vote;
      if (stopping) return;
      log.warn('vantage.write', { because: errorText(error) });
      ports.timers.after(WRITE_RETRY_MS, () => retry(beat));
    }
  };

  const retry = (beat: Beat): void => {
    if (stopping || own === null) return;
    unsentBeat ??= { ...beat, seq: own.vote.seq };
    unsentVote ??= own.vote;
    flush();
  };

  const readMods = async (): Promise<{ vote: number; beat: number }> => {
    const { kvs } = await store.get({ keys: [myVote, myBeat] }, stopped.signal);
    const mod = (key: string): number => kvs.find((kv) => kv.key === key)?.mod ?? 0;
    return { vote: mod(myVote), beat: mod(myBeat) };
  };

  // ---- the others: hints for bursts, and votes to compare our own with ----

  let listening = false;
  let listenAgain = false;
  const heardAt = new Map<string, { mod: number; atMs: number }>();

  const listen = async (): Promise<void> => {
    if (listening) {
      listenAgain = true;
      return;
    }
    listening = true;
    try {
      const { kvs } = await store.get({ keys: [KEYS.members], prefixes: ['beat/', 'vote/'] }, stopped.signal);
      const members = kvs.find((kv) => kv.key === KEYS.members);
      if (members !== undefined) configure(members.value as ClusterConfig);
      const fresh = new Set<string>();
      for (const kv of kvs) {
        if (!kv.key.startsWith('beat/') || placeOf(kv.key).region === options.region) continue;
        const beat = kv.value as Beat;
        const known = heardAt.get(kv.key);
        if (known?.mod !== kv.mod) {
          heardAt.set(kv.key, { mod: kv.mod, atMs: mono() });
          // The first sight of a beat may be old; only one that changed while we watched is a hint.
          if (known !== undefined) feed({ kind: 'hints', from: placeOf(kv.key).region, keys: Object.keys(beat.suspects) });
        }
        if (mono() - (heardAt.get(kv.key)?.atMs ?? 0) <= (cluster?.policy.freshMs ?? 0)) fresh.add(kv.key.slice('beat/'.length));
      }
      const votes = kvs
        .filter((kv) => kv.key.startsWith('vote/') && fresh.has(kv.key.slice('vote/'.length)))
        .map((kv) => ({ region: placeOf(kv.key).region, vote: kv.value as Vote }));
      feed({ kind: 'others', votes });
    } catch (error) {
      if (!stopping) log.warn('vantage.listen', { because: errorText(error) });
    } finally {
      listening = false;
      if (listenAgain && !stopping) {
        listenAgain = false;
        void listen();
      }
    }
  };

  const isForeign = (key: string): boolean =>
    (key.startsWith('beat/') || key.startsWith('vote/')) && placeOf(key).region !== options.region;
  const watch = store.watch('', (event) => {
    if (event.kind === 'resync' || event.keys.some((key) => key === KEYS.members || isForeign(key))) void listen();
  });
  // The watch is a hint: a slow look makes sure that silence of the watch is not taken for silence of the others.
  let slow: Timer | null = null;
  const lookAgain = (): void => {
    void listen();
    slow = ports.timers.after(cluster?.policy.beatMs ?? 2500, lookAgain);
  };
  lookAgain();

  const configure = (next: ClusterConfig): void => {
    if (stopping || (cluster !== null && cluster.version === next.version)) return;
    const watched = watchedBy(next, options.region);
    const cadenceChanged =
      cluster === null ||
      cluster.policy.intervalMs !== next.policy.intervalMs ||
      cluster.policy.timeoutMs !== next.policy.timeoutMs ||
      cluster.policy.suspectAfterMs !== next.policy.suspectAfterMs;
    cluster = next;
    specs = new Map(watched.map((w) => [w.key, w.spec]));
    const rules = rulesOf(next, watched);
    if (own === null) own = newOwn(options.boot, options.replica, rules, mono());
    if (cadenceChanged) {
      void runner?.stop();
      runner = start(next);
    }
    runner?.setEntries(watched.map((w) => ({ key: w.key, phaseMs: w.phaseMs })));
    log.info('vantage.configured', {
      version: next.version,
      endpoints: watched.length,
      voters: next.regions.filter((r) => r.vote).length,
      needed: VOTERS_MIN,
    });
    feed({ kind: 'rules', rules });
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
      probe: async (key, _startedAtMs, signal) => {
        const spec = specs.get(key);
        return spec === undefined ? { saw: 'nothing', detail: 'no longer configured' } : options.look(spec, config, signal);
      },
      onObservation: (observation, lateByMs) => {
        const spec = specs.get(observation.key);
        if (spec !== undefined) options.onLook(observation.key, spec, observation.outcome, lateByMs);
        feed({ kind: 'look', observation, late: lateByMs > LATE_MS });
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
    async stop() {
      stopping = true;
      // A beat under way is of no more use to anybody.
      stopped.abort(new Error('stopping'));
      watch.close();
      timer?.cancel();
      slow?.cancel();
      await runner?.stop();
      await writing;
    },
  };
};
