// The coordinator's loop: one linearizable read, one pure decision, one guarded transaction; then what follows the commit. Whether this process may
// decide at all is office.ts; what counts as evidence is read.ts. An ambiguous transaction is never repeated; a later look shows whether it happened.
import { decisionHash } from '../audit/lines.ts';
import { convergenceInShort } from '../converge/timings.ts';
import { decide } from '../decide/decide.ts';
import type { Decision } from '../decide/snapshot.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Routing } from '../model.ts';
import { type Ports, sleep } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { createTimekeeper } from './cluster-time.ts';
import { auditKey, incidentKey, KEYS, outboxKey } from './keys.ts';
import { createLooker, type Looked } from './look.ts';
import { type Candidacy, createOffice, type Draft, type Role, type Term } from './office.ts';
import { type Sight, snapshotOf } from './read.ts';
import type { Verifier } from './signing.ts';

export type { Role, Term } from './office.ts';

export interface CoordinatorOptions {
  ports: Ports;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  boot: string;
  /** Verifies what others have signed; absent: one of its own. */
  verifier?: Verifier;
  /** May this region coordinate? Asked at each campaign. */
  candidate: () => Candidacy;
  /** After every read, by holder and standby alike. */
  onSight: (sight: Sight, nowMs: number) => void;
  /** After a committed decision. */
  onDecision: (decision: NonNullable<Decision['next']>, decision0: Decision) => void;
  onRole: (role: Role) => void;
  /** Cluster time and the holder's duties after the decision, at every turn of a term: measuring, housekeeping. Bounded by the caller. */
  onTurn: (sight: Sight, nowMs: number, term: Term) => Promise<void>;
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

/** Who coordinates looks at least this often: time alone changes what is to be decided. */
const TICK_MS = 500;
/** While a drain is on its way to its users: when they have left is known as exactly as the store is looked at often. */
const MEASURING_TICK_MS = 200;
/** Whoever waits for the office needs no more than to know the route and that the office is held; when it may be vacant, it looks at that very moment. */
const STANDBY_TICK_MS = 1000;
/** A decision on a look that arrived longer ago is not sent: the store is looked at again, and it is decided afresh. */
const SIGHT_MAX_MS = 500;
/** The last turn and giving the record up take this long at most: a store out of reach must not keep the process. */
const STOP_MS = 1000;
/** Watch events closer than this are one. */
const COALESCE_MS = 10;
/**
 * Keys whose changes are looked at at once. Others are our own bookkeeping, or, as most beats, say that nothing has changed: a beat makes what its region
 * has said count for longer, and that is soon enough with the next tick.
 */
const WAKING: readonly string[] = [KEYS.override, KEYS.members, KEYS.adopted, KEYS.tiers];

/** A decision with the transaction that makes it true. */
interface Drafted extends Draft {
  next: NonNullable<Decision['next']>;
  decision: Decision;
}

/** Decision, audit record, incidents and pages in one transaction, on the condition that nothing it rests on has changed. */
const draftOf = (s: Sight, decision: Decision, next: NonNullable<Decision['next']>): Drafted => {
  const routing: Routing = { ...next.routing, auditHash: decisionHash(next.audit) };
  const guards = [KEYS.routing, KEYS.override, KEYS.members, KEYS.tiers, ...decision.uses, ...next.incidents.map((i) => incidentKey(i.id))];
  return {
    decision,
    next: { ...next, routing },
    conditions: guards.map((key) => ({ key, mod: s.mod(key) })),
    ops: [
      { put: KEYS.routing, value: routing },
      { put: auditKey(routing.v), value: next.audit },
      ...next.incidents.map((i) => ({ put: incidentKey(i.id), value: i })),
      ...next.pages.map((p) => ({ put: outboxKey(p.id), value: p })),
      ...(next.overrides === undefined ? [] : [{ put: KEYS.override, value: next.overrides }]),
    ],
  };
};

export const createCoordinator = (options: CoordinatorOptions): Coordinator => {
  const { ports, store, log } = options;
  const time = createTimekeeper(ports.clock);
  const looker = createLooker(options);
  const office = createOffice({ ...options, onTerm: time.begin, saw: looker.saw, nowMs: time.nowMs });
  const stopped = new AbortController();
  let wakeUp: (() => void) | null = null;
  let woken = false;
  let inDoubt: Drafted | null = null;
  let sight: Sight | null = null;

  const wake = (): void => {
    woken = true;
    wakeUp?.();
  };
  /** The leader record concerns those who wait for it: its holder writes it all the time. */
  const wakes = (key: string): boolean =>
    WAKING.includes(key) || key.startsWith('vote/') || (key === KEYS.leader && office.term() === null);
  const watch = store.watch('', (event) => {
    if (event.kind === 'resync' || event.keys.some(wakes)) wake();
  });

  const isMeasuring = (): boolean => {
    const goals = sight?.cluster?.goals;
    if (sight === null || goals === undefined) return false;
    return sight.incidents.some((i) => i.closedAtMs === null && convergenceInShort(i, goals, time.nowMs()).judgement === 'pending');
  };

  const tickMs = (): number => {
    if (office.term() !== null) return isMeasuring() ? MEASURING_TICK_MS : TICK_MS;
    const { renewMs = STANDBY_TICK_MS } = sight?.cluster?.policy ?? {};
    const standsInMs = office.standsInMs();
    // It should stand by now, and could not: the store is out of reach, or took no campaign. It is asked no more often for that.
    if (standsInMs === 0) return TICK_MS;
    // More often than the record is renewed: in a longer time without a look its holder may have died and nobody would know when.
    return Math.min(STANDBY_TICK_MS, (renewMs * 2) / 3, standsInMs);
  };

  /** Resolves at the next tick or wake-up, whichever is first. */
  const pause = async (): Promise<void> => {
    if (!woken) {
      await new Promise<void>((resolve) => {
        const tick = ports.timers.after(tickMs(), resolve);
        wakeUp = () => {
          tick.cancel();
          resolve();
        };
      });
      wakeUp = null;
      if (woken && !stopped.signal.aborted) await sleep(ports.timers, COALESCE_MS);
    }
    woken = false;
  };

  /** Looks at the store, and takes in what it shows. null: it did not answer, or this process stops. */
  const look = async (): Promise<Looked | null> => {
    const looked = await looker.look(stopped.signal);
    if (looked === null || stopped.signal.aborted) return null;
    sight = looked.sight;
    office.see(looked);
    const term = office.term();
    if (term === null || looked.restored) inDoubt = null;
    if (term === null) time.keep(sight);
    else time.catchUp(sight);
    options.onSight(sight, time.nowMs());
    return looked;
  };

  const judge = (s: Sight, term: Term): Drafted | null => {
    const snapshot = snapshotOf(s, { epoch: term.epoch, by: `${options.region}/${options.replica}`, nonce: ports.random.hex(8) });
    const decision = snapshot === null ? null : decide(snapshot, time.nowMs());
    return decision?.next === undefined ? null : draftOf(s, decision, decision.next);
  };

  const judgeAgain = async (): Promise<Drafted | null> => {
    const looked = await look();
    const term = office.term();
    return looked === null || term === null ? null : judge(looked.sight, term);
  };

  const turn = async ({ sight: s, arrivedAtMs }: Looked, term: Term): Promise<void> => {
    if (s.cluster === null) return;
    const at = time.nowMs();
    const drafted = judge(s, term);
    if (drafted !== null) await commit(drafted, arrivedAtMs + SIGHT_MAX_MS);
    else if (office.sinceRenewalMs() >= s.cluster.policy.renewMs) await term.renew();
    if (office.term() !== null && !stopped.signal.aborted) await options.onTurn(s, at, term);
  };

  const commit = async (first: Drafted, untilMs: number): Promise<void> => {
    let drafted: Drafted | null = first;
    const done = await office.act(async () => {
      if (ports.clock.monoMs() > untilMs) drafted = await judgeAgain();
      return drafted;
    }, 'decide');
    // Refused means thrown away: the world has moved on, and the next read decides afresh. In doubt, the next reads tell.
    inDoubt = done === 'unknown' ? drafted : null;
    if (done === 'done' && drafted !== null) {
      options.onDecision(drafted.next, drafted.decision);
      // When what it moves has arrived is known from looks that show it.
      woken = true;
    }
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
    const looked = await look();
    if (looked === null) return;
    const term = office.term();
    if (term !== null) {
      findDoubted(looked.sight);
      await turn(looked, term);
    } else if (await office.stand(looked.sight)) woken = true;
  };

  const loop = (async () => {
    while (!stopped.signal.aborted) {
      try {
        await step();
      } catch (error) {
        // A broken invariant of the core: nothing was written, the last route stays, and somebody has to see it.
        log.error('coordinator.step', { because: errorText(error), stack: error instanceof Error ? error.stack : undefined });
      }
      await pause();
    }
  })();

  return {
    nowMs: time.nowMs,
    role: office.role,
    lastSight: () => sight,
    term: office.term,
    wake,
    abdicate: office.abdicate,
    async stop() {
      stopped.abort(new Error('stopping'));
      office.stop();
      watch.close();
      wake();
      const ended = loop.then(office.release);
      const patience = ports.timers.after(STOP_MS, office.cut);
      await ended;
      patience.cancel();
    },
  };
};
