// Guarded writes of what operators submit: read, judge, write on the revisions that were read. Acknowledged only after the commit. A lost race is judged
// again, a few times; a write whose reply was lost is left to the judge, who recognises it by its effect. Every try is guarded on what it read, so of
// several tries in doubt at most one can ever take effect.
import { Fault } from '../errors.ts';
import { DeadlineError, type Ports, withDeadline } from '../ports.ts';
import { type KeyValue, type Op, type Store, StoreDefiniteError } from '../store/store.ts';

/** What was read, at one revision. */
export interface Records {
  kvs: readonly KeyValue[];
  value<T>(key: string): T | undefined;
  /** 0: there is none. */
  mod(key: string): number;
}

/** What to do with it: nothing, since it already is as asked or nothing is to be written; or a transaction, guarded on the revisions of `on`. */
export type Step<T> = { done: T } | { on: readonly string[]; ops: readonly Op[]; result: T };

export interface Submission<T> {
  /** For sentences: `the overrides`. */
  what: string;
  keys: readonly string[];
  /** What is judged whole, at the same revision: few records, since all of them are read at each try. */
  prefixes?: readonly string[];
  /** Sees whether an earlier write of this very submission is in doubt. Throws a Fault to refuse. */
  judge(records: Records, doubt: boolean): Step<T>;
}

export interface Ledger {
  /** Throws Fault ERR_STORE_UNREACHABLE. */
  read(what: string, keys: readonly string[]): Promise<Records>;
  /** All records under a prefix, which may be many. Throws as `read` does. */
  readAll(what: string, prefix: string): Promise<Records>;
  /** Throws what the judge throws, ERR_STORE_UNREACHABLE (nothing was written), ERR_UNDECIDED (nobody knows), ERR_STALE (others were always faster). */
  commit<T>(submission: Submission<T>): Promise<T>;
}

const ATTEMPTS_MAX = 5;
const STORE_MS = 1_500;
const ALL_MS = 5_000;
/** All tries together: an answer leaves before a stopping process gives up on open requests. */
const COMMIT_MS = 3_000;

const recordsOf = (kvs: readonly KeyValue[]): Records => {
  const byKey = new Map(kvs.map((kv) => [kv.key, kv]));
  return {
    kvs,
    // A record is written only here and by decisions, of the type that its key stands for.
    value: <T>(key: string) => byKey.get(key)?.value as T | undefined,
    mod: (key) => byKey.get(key)?.mod ?? 0,
  };
};

export const createLedger = ({ store, ports }: { store: Store; ports: Pick<Ports, 'clock' | 'timers'> }): Ledger => {
  const bounded = <T>(what: string, untilMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(ports.timers, Math.round(Math.max(1, Math.min(STORE_MS, untilMs - ports.clock.monoMs()))), what, work);

  const readUntil = async (what: string, keys: readonly string[], untilMs: number, prefixes: readonly string[] = []): Promise<Records> => {
    const { kvs } = await bounded(`reading ${what}`, untilMs, (signal) => store.get({ keys, prefixes }, signal));
    return recordsOf(kvs);
  };

  const write = async (
    what: string,
    records: Records,
    { on, ops }: { on: readonly string[]; ops: readonly Op[] },
    untilMs: number,
  ): Promise<'committed' | 'lost' | 'doubt'> => {
    try {
      const conditions = on.map((key) => ({ key, mod: records.mod(key) }));
      const { ok } = await bounded(`writing ${what}`, untilMs, (signal) => store.txn({ if: conditions, then: ops }, signal));
      return ok ? 'committed' : 'lost';
    } catch (error) {
      if (error instanceof StoreDefiniteError) throw unreachable(error);
      return 'doubt';
    }
  };

  return {
    read: (what, keys) =>
      readUntil(what, keys, ports.clock.monoMs() + STORE_MS).catch((error: unknown) => {
        throw unreachable(error);
      }),

    readAll: (what, prefix) =>
      withDeadline(ports.timers, ALL_MS, `reading ${what}`, (signal) => store.get({ prefixes: [prefix] }, signal)).then(
        ({ kvs }) => recordsOf(kvs),
        (error: unknown) => {
          throw unreachable(error);
        },
      ),

    async commit({ what, keys, prefixes, judge }) {
      const untilMs = ports.clock.monoMs() + COMMIT_MS;
      let doubt = false;
      for (let attempt = 0; attempt < ATTEMPTS_MAX && ports.clock.monoMs() < untilMs; attempt += 1) {
        const records = await readUntil(what, keys, untilMs, prefixes).catch((error: unknown) => {
          throw doubt ? undecided(what) : unreachable(error);
        });
        const step = judge(records, doubt);
        if ('done' in step) return step.done;
        const outcome = await write(what, records, step, untilMs).catch((error: unknown) => {
          throw doubt ? undecided(what) : error;
        });
        if (outcome === 'committed') return step.result;
        doubt ||= outcome === 'doubt';
      }
      if (doubt) throw undecided(what);
      throw new Fault('ERR_STALE', `${what} were changed by others in each of ${ATTEMPTS_MAX} tries; nothing was written: send it again`);
    },
  };
};

const unreachable = (error: unknown): Fault =>
  new Fault(
    'ERR_STORE_UNREACHABLE',
    error instanceof DeadlineError
      ? `the store did not answer within ${error.afterMs} ms; nothing was written: try again, or use another replica`
      : 'the store refused or is out of reach; nothing was written: GET /api/health/detail says why; try again, or use another replica',
    { cause: error },
  );

const undecided = (what: string): Fault =>
  new Fault(
    'ERR_UNDECIDED',
    `the store broke off while writing: what was asked may or may not stand. Read ${what}, then send it again; that is safe`,
  );
