// The coordinator's loop: one linearizable read, one pure decision, one guarded transaction; then what follows the commit. Whoever holds the leader
// record coordinates; its staleness is judged on each candidate's own monotonic clock, and no safety hangs on it: every write is guarded.
// An ambiguous transaction is never repeated; the next read shows whether it happened.
import { createHash } from 'node:crypto';
import { decide } from '../decide/decide.ts';
import type { Decision } from '../decide/snapshot.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Incident, Leader, Routing } from '../model.ts';
import { type Ports, sleep } from '../ports.ts';
import { type Op, type Store, StoreAmbiguousError, type TxnResult } from '../store/store.ts';
import { createTimekeeper } from './cluster-time.ts';
import { auditKey, incidentKey, KEYS, outboxKey } from './keys.ts';
import { type RecordCache, SIGHT_QUERY, type Sight, sightOf } from './read.ts';
import { createRevisionClock } from './revision-clock.ts';

export interface CoordinatorOptions {
  ports: Ports;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  boot: string;
  /** May this region coordinate? Asked at each campaign. */
  candidate: () => boolean;
  /** After every read, by holder and standby alike. */
  onSight: (sight: Sight, nowMs: number) => void;
  /** After a committed decision. */
  onDecision: (decision: NonNullable<Decision['next']>, decision0: Decision) => void;
  onRole: (role: Role) => void;
  /** Cluster time and the holder's duties after the decision, at every turn of a term: measuring, housekeeping. Bounded by the caller. */
  onTurn: (sight: Sight, nowMs: number, term: Term) => Promise<void>;
}

/** What became of a transaction of the holder. */
type Guarded = 'done' | 'refused' | 'unknown';

export type Role = { role: 'coordinator'; epoch: number } | { role: 'standby'; epoch: number };

/** The right to act, to be proved again by `renew` right before each outside write. */
export interface Term {
  epoch: number;
  /** Guarded renewal: true iff this process still holds the leader record now. */
  renew(): Promise<boolean>;
  /** A transaction guarded on the leader record as this term last wrote it. */
  commit(conditions: readonly { key: string; mod: number }[], ops: readonly Op[]): Promise<boolean>;
  nowMs(): number;
}

export interface Coordinator {
  /** The loop's best knowledge of cluster time; wall clock before the first read. */
  nowMs(): number;
  role(): Role;
  lastSight(): Sight | null;
  /** The present term, if this process coordinates. */
  term(): Term | null;
  /** Something changed: look again now. */
  wake(): void;
  /**
   * Gives the record up after repeated provider failure, and lets the others go first for a minute. Nothing happens when no other region may
   * coordinate, or within 20 s of the last time: whoever cannot write still decides, and when all have tried in vain somebody has to.
   */
  abdicate(because: string): Promise<void>;
  /** Ends the loop; releases the record so that nobody has to wait for it to go stale. */
  stop(): Promise<void>;
}

const TICK_MS = 500;
/** The last turn and giving the record up take this long at most: a store out of reach must not keep the process. */
const STOP_MS = 1000;
/** Watch events closer than this are one. */
const COALESCE_MS = 10;
const CAMPAIGN_SPREAD_MS = 300;
/** So long after giving up, a process lets others go first, by this much: a preference, no safety hangs on it. */
const ABDICATED_MS = 60_000;
const YIELD_MS = 2000;
const ABDICATE_EVERY_MS = 20_000;
/** Prefixes whose changes are evidence; others (our own bookkeeping) do not wake the loop. */
const WAKING = ['vote/', 'beat/', KEYS.override, KEYS.members];

export const createCoordinator = (options: CoordinatorOptions): Coordinator => {
  const { ports, store, log } = options;
  const revisions = createRevisionClock();
  const time = createTimekeeper(ports.clock);
  const cache: RecordCache = new Map();
  const stopped = new AbortController();
  /** Ends transactions that take longer than stopping may. */
  const cut = new AbortController();
  let wakeUp: (() => void) | null = null;
  let woken = false;
  let held: { epoch: number; leader: Leader; mod: number; renewedAtMs: number } | null = null;
  let inDoubt: { next: NonNullable<Decision['next']>; decision: Decision } | null = null;
  let watched: { mod: number; sinceMs: number } | null = null;
  let abdicatedAtMs = Number.NEGATIVE_INFINITY;
  let role: Role = { role: 'standby', epoch: 0 };
  let sight: Sight | null = null;
  /** A campaign whose outcome is not known. */
  let candidacy: Leader | null = null;

  const mono = (): number => ports.clock.monoMs();

  const wake = (): void => {
    woken = true;
    wakeUp?.();
  };
  const watch = store.watch('', (event) => {
    if (event.kind === 'resync' || event.keys.some((key) => WAKING.some((prefix) => key.startsWith(prefix)))) wake();
  });

  const setRole = (next: Role): void => {
    if (next.role === role.role && next.epoch === role.epoch) return;
    role = next;
    options.onRole(next);
  };

  /** Resolves at the next tick or wake-up, whichever is first. */
  const pause = async (ms: number): Promise<void> => {
    if (!woken) {
      const controller = new AbortController();
      wakeUp = () => controller.abort();
      if (stopped.signal.aborted) return;
      await sleep(ports.timers, ms, controller.signal).catch(() => undefined);
      wakeUp = null;
      if (woken && !stopped.signal.aborted) await sleep(ports.timers, COALESCE_MS).catch(() => undefined);
    }
    woken = false;
  };

  const txn = async (conditions: readonly { key: string; mod: number }[], then: readonly Op[], what: string): Promise<TxnResult | null> => {
    try {
      return await store.txn({ if: conditions, then }, cut.signal);
    } catch (error) {
      // Definite or ambiguous, the next read tells; it is never sent again.
      log.warn('store.txn', { what, ambiguous: error instanceof StoreAmbiguousError, because: errorText(error) });
      return null;
    }
  };

  const look = async (): Promise<Sight | null> => {
    const sentAtMs = mono();
    try {
      const read = await store.get(SIGHT_QUERY, stopped.signal);
      const arrivedAtMs = mono();
      revisions.sample(sentAtMs, arrivedAtMs, read.rev, ports.clock.wallMs());
      return sightOf(read, revisions, arrivedAtMs, cache);
    } catch (error) {
      if (!stopped.signal.aborted) log.warn('store.get', { because: errorText(error) });
      return null;
    }
  };

  // ---- campaign ----

  const isOwn = (leader: Leader | null): leader is Leader =>
    leader !== null && leader.region === options.region && leader.replica === options.replica && leader.boot === options.boot;
  const isMine = (leader: Leader | null): boolean => isOwn(leader) && !leader.released;

  const leaseMs = (s: Sight): number => s.cluster?.policy.leaseMs ?? 6000;

  /** How long the record has to stand unchanged before this process wants it. Whoever gave up yields, and most of all who did so last. */
  const patienceMs = (s: Sight): number => {
    // A missing record has been missing for as long as we have looked; whoever comes first wins the transaction.
    const lapseMs = s.leader === null || s.leader.released ? 0 : leaseMs(s);
    if (mono() - abdicatedAtMs >= ABDICATED_MS) return lapseMs;
    return lapseMs + YIELD_MS * (isOwn(s.leader) ? 2 : 1);
  };

  const mayCampaign = (s: Sight): boolean => {
    const mod = s.mod(KEYS.leader);
    if (watched === null || watched.mod !== mod) watched = { mod, sinceMs: mono() };
    return options.candidate() && s.cluster !== null && mono() - watched.sinceMs >= patienceMs(s);
  };

  const campaign = async (s: Sight): Promise<void> => {
    await sleep(ports.timers, ports.random.unit() * CAMPAIGN_SPREAD_MS);
    const leader: Leader = {
      region: options.region,
      replica: options.replica,
      boot: options.boot,
      epoch: (s.leader?.epoch ?? 0) + 1,
      n: 0,
      nonce: ports.random.hex(8),
      released: false,
    };
    const result = await txn([{ key: KEYS.leader, mod: s.mod(KEYS.leader) }], [{ put: KEYS.leader, value: leader }], 'campaign');
    candidacy = result === null ? leader : null;
    if (result?.ok === true) takeOffice(s, leader, result.rev);
  };

  const takeOffice = (s: Sight, leader: Leader, mod: number): void => {
    time.begin(s);
    candidacy = null;
    held = { epoch: leader.epoch, leader, mod, renewedAtMs: mono() };
    setRole({ role: 'coordinator', epoch: leader.epoch });
    log.info('coordinator.took_over', { epoch: leader.epoch });
  };

  /** A campaign whose reply was lost is found by its nonce; to wait for its own record to go stale would cost a lease. */
  const findCandidacy = (s: Sight): void => {
    if (candidacy !== null && s.leader?.nonce === candidacy.nonce) takeOffice(s, s.leader, s.mod(KEYS.leader));
  };

  const leaveOffice = (because: string): void => {
    if (held !== null) log.warn('coordinator.lost', { epoch: held.epoch, because });
    held = null;
    inDoubt = null;
    watched = null;
    setRole({ role: 'standby', epoch: sight?.leader?.epoch ?? role.epoch });
  };

  // ---- a term ----

  const renewal = (leader: Leader): Leader => ({ ...leader, n: leader.n + 1, nonce: ports.random.hex(8) });

  const guarded = async (conditions: readonly { key: string; mod: number }[], ops: readonly Op[], what: string): Promise<Guarded> => {
    const office = held;
    if (office === null) return 'refused';
    const leader = renewal(office.leader);
    const result = await txn([{ key: KEYS.leader, mod: office.mod }, ...conditions], [...ops, { put: KEYS.leader, value: leader }], what);
    // In doubt or refused: the next read says who holds the record.
    if (result === null) return 'unknown';
    if (!result.ok || held !== office) return 'refused';
    held = { ...office, leader, mod: result.rev, renewedAtMs: mono() };
    return 'done';
  };

  const term: Term = {
    get epoch() {
      return held?.epoch ?? 0;
    },
    renew: () => serially(async () => (await guarded([], [], 'renew')) === 'done'),
    commit: (conditions, ops) => serially(async () => (await guarded(conditions, ops, 'commit')) === 'done'),
    nowMs: time.nowMs,
  };

  // Renewals of this process must not race each other: each guards on the revision that the last one made.
  let tail: Promise<unknown> = Promise.resolve();
  const serially = <T>(work: () => Promise<T>): Promise<T> => {
    const next = tail.then(work, work);
    tail = next.catch(() => undefined);
    return next;
  };

  /** Does the record as read belong to this term? Only this boot writes it in this epoch, so a newer revision is our own write that seemed lost. */
  const confirmOffice = (s: Sight): boolean => {
    if (held === null) return false;
    if (!isMine(s.leader) || s.leader?.epoch !== held.epoch) return false;
    const mod = s.mod(KEYS.leader);
    if (mod > held.mod) held = { ...held, leader: s.leader, mod };
    return true;
  };

  const turn = async (s: Sight): Promise<void> => {
    if (s.cluster === null || held === null) return;
    const at = time.nowMs();
    const decision = decide(
      {
        cluster: s.cluster,
        routing: s.routing,
        overrides: s.overrides,
        heard: s.heard,
        incidents: s.incidents.filter((i) => i.closedAtMs === null),
        epoch: held.epoch,
        by: `${options.region}/${options.replica}`,
        nonce: ports.random.hex(8),
      },
      at,
    );
    if (decision.next !== undefined) await commit(s, decision, decision.next);
    else if (mono() - held.renewedAtMs >= s.cluster.policy.renewMs) await term.renew();
    if (held !== null && !stopped.signal.aborted) await options.onTurn(s, at, term);
  };

  const commit = async (s: Sight, decision: Decision, next: NonNullable<Decision['next']>): Promise<void> => {
    const auditHash = createHash('sha256').update(JSON.stringify(next.audit)).digest('hex');
    const routing: Routing = { ...next.routing, auditHash };
    const guards = [KEYS.routing, KEYS.override, KEYS.members, ...decision.uses, ...next.incidents.map((i: Incident) => incidentKey(i.id))];
    const ops: Op[] = [
      { put: KEYS.routing, value: routing },
      { put: auditKey(routing.v), value: next.audit },
      ...next.incidents.map((i): Op => ({ put: incidentKey(i.id), value: i })),
      ...next.pages.map((p): Op => ({ put: outboxKey(p.id), value: p })),
      ...(next.overrides === undefined ? [] : [{ put: KEYS.override, value: next.overrides }]),
    ];
    const done = await serially(() =>
      guarded(
        guards.map((key) => ({ key, mod: s.mod(key) })),
        ops,
        'decide',
      ),
    );
    // Refused means thrown away: the world has moved on, and the next read decides afresh. In doubt, the next reads tell.
    inDoubt = done === 'unknown' ? { next: { ...next, routing }, decision } : null;
    if (done === 'done') options.onDecision({ ...next, routing }, decision);
    // A store that could not take it is not asked again at once: it may be full, or gone.
    if (done === 'refused') woken = true;
  };

  /** A commit whose reply was lost is found by its nonce, as late as it may have happened: what follows a decision must not wait for the next one. */
  const findDoubted = (s: Sight): void => {
    if (inDoubt === null || s.routing?.nonce !== inDoubt.next.routing.nonce) return;
    const { next, decision } = inDoubt;
    inDoubt = null;
    options.onDecision(next, decision);
  };

  const step = async (): Promise<void> => {
    const seen = await look();
    if (seen === null || stopped.signal.aborted) return;
    sight = seen;
    if (held !== null && !(await serially(async () => confirmOffice(seen)))) leaveOffice('another instance holds the leader record');
    if (held === null) findCandidacy(seen);
    if (held === null) time.keep(seen);
    options.onSight(seen, time.nowMs());
    if (held !== null) {
      findDoubted(seen);
      await turn(seen);
    } else {
      setRole({ role: 'standby', epoch: seen.leader?.epoch ?? 0 });
      if (mayCampaign(seen)) {
        await campaign(seen);
        if (held !== null) woken = true;
      }
    }
  };

  const loop = (async () => {
    while (!stopped.signal.aborted) {
      try {
        await step();
      } catch (error) {
        // A broken invariant of the core: nothing was written, the last route stays, and somebody has to see it.
        log.error('coordinator.step', { because: errorText(error), stack: error instanceof Error ? error.stack : undefined });
      }
      await pause(TICK_MS);
    }
  })();

  const release = async (): Promise<void> => {
    await serially(async () => {
      const office = held;
      held = null;
      if (office === null) return;
      await txn(
        [{ key: KEYS.leader, mod: office.mod }],
        [{ put: KEYS.leader, value: { ...office.leader, released: true, n: office.leader.n + 1, nonce: ports.random.hex(8) } }],
        'release',
      );
    });
  };

  return {
    nowMs: time.nowMs,
    role: () => role,
    lastSight: () => sight,
    term: () => (held === null ? null : term),
    wake,
    async abdicate(because) {
      const others = sight?.cluster?.regions.some((r) => r.coordinator && r.name !== options.region) === true;
      if (!others || mono() - abdicatedAtMs < ABDICATE_EVERY_MS) return;
      abdicatedAtMs = mono();
      log.error('coordinator.abdicated', { because });
      await release();
      setRole({ role: 'standby', epoch: role.epoch });
    },
    async stop() {
      stopped.abort(new Error('stopping'));
      watch.close();
      wake();
      const ended = loop.then(release);
      const patience = ports.timers.after(STOP_MS, () => cut.abort(new Error('stopping')));
      await ended;
      patience.cancel();
    },
  };
};
