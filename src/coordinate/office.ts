// The office of coordinator: the leader record, from the campaign to giving it up. How long the record has stood is judged on each candidate's own
// monotonic clock, and no safety hangs on it: whoever holds the office guards every write with the revision that its own last write gave the record.
// No transaction is ever sent again; one whose reply was lost is found by the nonce it wrote. Decides nothing about routes.
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Leader } from '../model.ts';
import { type Ports, sleep } from '../ports.ts';
import { type Op, type Store, StoreAmbiguousError, type TxnResult } from '../store/store.ts';
import { KEYS } from './keys.ts';
import type { Looked } from './look.ts';
import type { Sight } from './read.ts';

export type Role = { role: 'coordinator'; epoch: number } | { role: 'standby'; epoch: number };

/** The right to act, to be proved again by `renew` right before each outside write. */
export interface Term {
  epoch: number;
  /** Guarded renewal: true iff this process still holds the leader record now. */
  renew(): Promise<boolean>;
  /** A transaction guarded on the leader record as this term last wrote it. */
  commit(conditions: readonly Condition[], ops: readonly Op[]): Promise<boolean>;
  nowMs(): number;
  /** Monotonic instant at which this process took office. */
  heldSinceMs: number;
}

export type Condition = { key: string; mod: number };

/** What is to be written, and under which conditions beside the leader record's. */
export interface Draft {
  conditions: readonly Condition[];
  ops: readonly Op[];
}

/** What became of a transaction of the holder: `unknown` may have happened or happen yet, `refused` did and will not. */
export type Guarded = 'done' | 'refused' | 'unknown';

export interface OfficeOptions {
  ports: Ports;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  boot: string;
  /** May this process coordinate? Asked at each campaign. `last`: only when nobody else has wanted it for a while. */
  candidate: () => Candidacy;
  /** A term begins, from this sight. */
  onTerm: (sight: Sight) => void;
  onRole: (role: Role) => void;
  /** A transaction was answered at this revision. */
  saw: (rev: number) => void;
  nowMs: () => number;
}

export type Candidacy = 'yes' | 'last' | 'no';

export interface Office {
  role(): Role;
  /** The present term, if this process coordinates. */
  term(): Term | null;
  /** What a look shows of the record: keeps the office, finds one that was won in doubt, or loses it. */
  see(looked: Looked): void;
  /** Campaigns if this process may and the record has stood for long enough. True: the office is won. */
  stand(sight: Sight): Promise<boolean>;
  /** Until the record has stood for so long that this process would campaign, ms from 0; Infinity: it does not mean to. As of the last `stand`. */
  standsInMs(): number;
  /** A guarded transaction that goes before all that wait, drafted when its turn has come; null: there is nothing to write after all. It renews. */
  act(draft: () => Promise<Draft | null>, what: string): Promise<Guarded>;
  /** Since the record was last written by this term, ms. */
  sinceRenewalMs(): number;
  abdicate(because: string): Promise<void>;
  /** Gives the record up, so that nobody has to wait for it to go stale. */
  release(): Promise<void>;
  /** No more campaigns. */
  stop(): void;
  /** Ends transactions under way. */
  cut(): void;
}

const CAMPAIGN_SPREAD_MS = 300;
/** So long after giving up, a process lets others go first, by this much: a preference, no safety hangs on it. */
const ABDICATED_MS = 60_000;
const YIELD_MS = 2000;
const ABDICATE_EVERY_MS = 20_000;
/** Who should not coordinate does so all the same when nobody else has taken the office for so long. */
const LAST_MS = 20_000;
/**
 * Before a configuration is known. The lease (`policy.leaseMs`) has to outlast an election of the store: two election timeouts, a renewal and two round
 * trips. 6 s do for an election timeout of 1.5 s (round trips up to 150 ms); with one of 2.5 s (up to 300 ms) 8 s are needed.
 */
const LEASE_MS = 6000;
const RENEW_MS = 1500;
/** A holder that is alive has renewed by so much more than a renewal's span after the store answers again: a request that hangs, a look, a reply. */
const REVIVE_MS = 1000;
/** Transactions in doubt at once; they all wait for the same revision, so at most one can happen. */
const DOUBTS_MAX = 32;

interface Held {
  epoch: number;
  sinceMs: number;
  leader: Leader;
  mod: number;
  renewedAtMs: number;
}

export const createOffice = (options: OfficeOptions): Office => {
  const { ports, store, log } = options;
  const stopped = new AbortController();
  const cut = new AbortController();
  let held: Held | null = null;
  let role: Role = { role: 'standby', epoch: 0 };
  /** Leader records sent: `flying` until the reply, `doubtful` when there was none. */
  const sent = new Map<string, 'flying' | 'doubtful'>();
  /** The record as it stands: since when, and for how long before this process could not look. */
  let watched: { mod: number; sinceMs: number; blindMs: number } | null = null;
  let lastSentAtMs: number | null = null;
  let abdicatedAtMs = Number.NEGATIVE_INFINITY;
  let others = false;
  let standsAtMs = Number.POSITIVE_INFINITY;

  const mono = (): number => ports.clock.monoMs();

  const setRole = (next: Role): void => {
    if (next.role === role.role && next.epoch === role.epoch) return;
    role = next;
    options.onRole(next);
  };

  // ---- transactions: one at a time, since each guards on the revision that the last one made ----

  const waiting: (() => Promise<void>)[] = [];
  let busy = false;
  const serially = <T>(work: () => Promise<T>, urgent = false): Promise<T> =>
    new Promise((resolve, reject) => {
      const job = (): Promise<void> => work().then(resolve, reject);
      if (urgent) waiting.unshift(job);
      else waiting.push(job);
      void runAll();
    });
  const runAll = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await job();
    busy = false;
  };

  /** Writes a leader record; null when nobody knows whether it was written. */
  const write = async (leader: Leader, conditions: readonly Condition[], ops: readonly Op[], what: string): Promise<TxnResult | null> => {
    sent.set(leader.nonce, 'flying');
    try {
      const result = await store.txn({ if: conditions, then: [...ops, { put: KEYS.leader, value: leader }] }, cut.signal);
      options.saw(result.rev);
      sent.delete(leader.nonce);
      return result;
    } catch (error) {
      const ambiguous = error instanceof StoreAmbiguousError;
      if (ambiguous && sent.has(leader.nonce)) sent.set(leader.nonce, 'doubtful');
      else sent.delete(leader.nonce);
      const [oldest] = sent.keys();
      if (sent.size > DOUBTS_MAX && oldest !== undefined) sent.delete(oldest);
      // Definite or ambiguous, the next look tells; it is never sent again.
      log.warn('store.txn', { what, ambiguous, because: errorText(error) });
      return null;
    }
  };

  const guarded = async ({ conditions, ops }: Draft, what: string): Promise<Guarded> => {
    const office = held;
    if (office === null) return 'refused';
    const leader: Leader = { ...office.leader, n: office.leader.n + 1, nonce: ports.random.hex(8) };
    const result = await write(leader, [{ key: KEYS.leader, mod: office.mod }, ...conditions], ops, what);
    // In doubt or refused: the next look says who holds the record.
    if (result === null) return 'unknown';
    if (!result.ok || held !== office) return 'refused';
    held = { ...office, leader, mod: result.rev, renewedAtMs: mono() };
    return 'done';
  };

  const term: Term = {
    get epoch() {
      return held?.epoch ?? 0;
    },
    get heldSinceMs() {
      return held?.sinceMs ?? mono();
    },
    renew: () => serially(async () => (await guarded({ conditions: [], ops: [] }, 'renew')) === 'done'),
    commit: (conditions, ops) => serially(async () => (await guarded({ conditions, ops }, 'commit')) === 'done'),
    nowMs: options.nowMs,
  };

  // ---- who holds it ----

  const take = (sight: Sight, leader: Leader, mod: number): void => {
    options.onTerm(sight);
    sent.clear();
    held = { epoch: leader.epoch, sinceMs: mono(), leader, mod, renewedAtMs: mono() };
    setRole({ role: 'coordinator', epoch: leader.epoch });
    log.info('coordinator.took_over', { epoch: leader.epoch });
  };

  const leave = (epoch: number, because: string): void => {
    log.warn('coordinator.lost', { epoch: role.epoch, because });
    held = null;
    sent.clear();
    setRole({ role: 'standby', epoch });
  };

  const watch = ({ sight, sentAtMs, arrivedAtMs, restored }: Looked): void => {
    const mod = sight.mod(KEYS.leader);
    if (restored) watched = null;
    if (watched?.mod !== mod) {
      // Before the first look nothing is known: then the record stands since now.
      const blindMs = lastSentAtMs === null || restored ? 0 : arrivedAtMs - lastSentAtMs;
      watched = { mod, sinceMs: arrivedAtMs, blindMs };
    }
    lastSentAtMs = sentAtMs;
  };

  const see = (looked: Looked): void => {
    watch(looked);
    const { sight, restored } = looked;
    const { leader } = sight;
    others = sight.cluster?.regions.some((r) => r.coordinator && r.name !== options.region) === true;
    const mod = sight.mod(KEYS.leader);
    const doubt = leader === null || leader.released ? undefined : sent.get(leader.nonce);
    if (held === null) {
      // To wait for one's own record to go stale would cost a lease.
      if (doubt === 'doubtful' && leader !== null) take(sight, leader, mod);
      else setRole({ role: 'standby', epoch: leader?.epoch ?? 0 });
      return;
    }
    // A look from before our own last write shows nothing of it.
    if (sight.rev < held.mod && !restored) return;
    if ((leader?.nonce === held.leader.nonce && mod === held.mod) || doubt === 'flying') return;
    if (doubt === 'doubtful' && leader !== null && leader.epoch === held.epoch) {
      held = { ...held, leader, mod };
      sent.clear();
    } else leave(leader?.epoch ?? 0, restored ? 'the store was restored' : 'another instance holds the leader record');
  };

  // ---- campaign ----

  const isOwnRegion = (leader: Leader): boolean => leader.region === options.region;
  const isOwn = (leader: Leader): boolean => isOwnRegion(leader) && leader.replica === options.replica && leader.boot === options.boot;

  /** How long an unreleased record has to stand: the lease, or what is left of it when it may be as old as the time in which we could not look. */
  const lapseMs = (sight: Sight, blindMs: number): number => {
    const { leaseMs, renewMs } = sight.cluster?.policy ?? { leaseMs: LEASE_MS, renewMs: RENEW_MS };
    return blindMs <= renewMs ? leaseMs : Math.min(leaseMs, Math.max(leaseMs - blindMs, renewMs + REVIVE_MS));
  };

  /**
   * How long the record has to stand before this process wants it. A missing one has been missing for as long as we have looked: whoever comes first
   * wins. What a region gave up the others take first, then its other replicas, and last who did so: they share its way out.
   */
  const patienceMs = (sight: Sight, blindMs: number, candidacy: Candidacy): number => {
    const { leader } = sight;
    const gone = leader === null || leader.released;
    const base = (gone ? 0 : lapseMs(sight, blindMs)) + (candidacy === 'last' ? LAST_MS : 0);
    const recently = mono() - abdicatedAtMs < ABDICATED_MS;
    if (recently) return base + YIELD_MS * (leader !== null && isOwn(leader) ? 2 : 1);
    return others && leader?.released === true && isOwnRegion(leader) ? base + YIELD_MS : base;
  };

  const stand = async (sight: Sight): Promise<boolean> => {
    const candidacy = held !== null || watched === null || sight.cluster === null ? 'no' : options.candidate();
    standsAtMs =
      watched === null || candidacy === 'no' ? Number.POSITIVE_INFINITY : watched.sinceMs + patienceMs(sight, watched.blindMs, candidacy);
    if (mono() < standsAtMs) return false;
    await sleep(ports.timers, ports.random.unit() * CAMPAIGN_SPREAD_MS, stopped.signal).catch(() => undefined);
    if (stopped.signal.aborted) return false;
    const leader: Leader = {
      region: options.region,
      replica: options.replica,
      boot: options.boot,
      epoch: (sight.leader?.epoch ?? 0) + 1,
      n: 0,
      nonce: ports.random.hex(8),
      released: false,
    };
    const result = await write(leader, [{ key: KEYS.leader, mod: sight.mod(KEYS.leader) }], [], 'campaign');
    if (result?.ok === true) take(sight, leader, result.rev);
    return held !== null;
  };

  const release = (): Promise<void> =>
    serially(async () => {
      const office = held;
      if (office === null) return;
      // At once: by the time the reply comes this process may be in office again.
      held = null;
      sent.clear();
      setRole({ role: 'standby', epoch: office.epoch });
      const leader: Leader = { ...office.leader, released: true, n: office.leader.n + 1, nonce: ports.random.hex(8) };
      await write(leader, [{ key: KEYS.leader, mod: office.mod }], [], 'release');
    });

  return {
    role: () => role,
    term: () => (held === null ? null : term),
    see,
    stand,
    standsInMs: () => Math.max(0, standsAtMs - mono()),
    act: (draft, what) =>
      serially(async () => {
        const drafted = await draft();
        return drafted === null ? 'refused' : guarded(drafted, what);
      }, true),
    sinceRenewalMs: () => (held === null ? 0 : mono() - held.renewedAtMs),
    async abdicate(because) {
      if (!others || mono() - abdicatedAtMs < ABDICATE_EVERY_MS) return;
      abdicatedAtMs = mono();
      log.error('coordinator.abdicated', { because });
      await release();
    },
    release,
    stop: () => stopped.abort(new Error('stopping')),
    cut: () => cut.abort(new Error('stopping')),
  };
};
