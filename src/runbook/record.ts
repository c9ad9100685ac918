// The record of a run, as the replica that carries it out writes it: by compare-and-write, one change after another, and never twice for one revision without
// having read what became of it. A write whose reply was lost is found by its nonce.
import { platformKey, runKey } from '../coordinate/keys.ts';
import { errorText, Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ClusterConfig } from '../model.ts';
import { type Ports, sleep, withDeadline } from '../ports.ts';
import { type KeyValue, type Store, StoreDefiniteError } from '../store/store.ts';
import { countOf, draftOf } from './commit.ts';
import type { Executor as Claim, PlatformRecord, Run, Span } from './model.ts';
import { advance, isEnded, type RunEvent } from './run.ts';

const STORE_MS = 2_500;
/** Tries of one change of a record, when others write it too or the store is in doubt. */
const TRIES_MAX = 6;
const STORE_AGAIN_MS = 300;

/** This replica is not, or no longer, the one. */
export class Lost extends Error {
  override readonly name = 'Lost';
}

export interface Known {
  run: Run;
  mod: number;
}

/** A record that is this replica's to write. */
export interface Held {
  id: string;
  /** As last written or read; null: to be read. */
  known: Known | null;
  writtenAtMs: number;
  /** Writes go one after another. */
  last: Promise<unknown>;
}

export interface Written {
  run: Run;
  /** What stood before; the same object as `run` when there was nothing to change. */
  before: Run;
  /** Monotonic, right before the transaction that made it so was sent. */
  sentAtMs: number;
}

/** `unknown`: it may have happened, or may happen yet. */
type Sent = { rev: number } | 'refused' | 'unknown';

export interface RecordOptions {
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  boot: string;
  cluster: () => ClusterConfig | null;
  /** Cluster time. */
  nowMs: () => number;
  metrics: Pick<Metrics, 'runbookStep' | 'runbookEnded'>;
  estimateOf?: (run: Run) => Span | null;
  lossOf?: (run: Run) => string | null;
}

export interface RunRecords {
  /** Claimed by this very process. */
  isMine(run: Run): boolean;
  /** Under the deadline of the store. */
  read(what: string, query: { keys: readonly string[] } | { prefixes: readonly string[] }): Promise<readonly KeyValue[]>;
  /** Makes it this replica's own. null: somebody was faster, or nobody knows. */
  claim(known: Known): Promise<Held | null>;
  /** One change, tried again on what others have made of the record meanwhile. Throws Lost when it is not this replica's any more. */
  change(held: Held, of: (run: Run) => Run): Promise<Written>;
  tell(held: Held, event: RunEvent): Promise<Written>;
}

/** A record as it was read or written just now. */
export const heldOf = (known: Known, writtenAtMs: number): Held => ({ id: known.run.id, known, writtenAtMs, last: Promise.resolve() });

/** `ending`: nothing is tried again any more. */
export const createRunRecords = (options: RecordOptions, ending: AbortSignal): RunRecords => {
  const { ports, store, log, region, replica, boot, nowMs, metrics } = options;
  const mono = (): number => ports.clock.monoMs();
  const isMine = ({ executor }: Run): boolean => executor?.boot === boot && executor.region === region && executor.replica === replica;
  const claimOf = (n: number): Claim => ({ region, replica, boot, n });
  const bound = <T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(ports.timers, STORE_MS, what, work);
  const read: RunRecords['read'] = async (what, query) => (await bound(`reading ${what}`, (signal) => store.get(query, signal))).kvs;

  const readRun = async (id: string): Promise<Known | null> => {
    const [kv] = await read(`run ${id}`, { keys: [runKey(id)] });
    return kv === undefined ? null : { run: kv.value as Run, mod: kv.mod };
  };

  const readPlatform = async (name: string): Promise<KeyValue | undefined> =>
    (await read(`platform ${name}`, { keys: [platformKey(name)] }))[0];

  const send = async (before: Known, after: Run): Promise<Sent> => {
    const cluster = options.cluster();
    if (cluster === null) return 'refused';
    const platform = isEnded(after) ? await readPlatform(after.platform) : undefined;
    const draft = draftOf(
      {
        run: before.run,
        mod: before.mod,
        platform: (platform?.value as PlatformRecord | undefined) ?? null,
        platformMod: platform?.mod ?? 0,
      },
      after,
      {
        cluster,
        region,
        replica,
        nowMs: Math.round(nowMs()),
        ...(options.estimateOf === undefined ? {} : { estimateOf: options.estimateOf }),
        ...(options.lossOf === undefined ? {} : { lossOf: options.lossOf }),
      },
    );
    try {
      const { ok, rev } = await bound(`writing run ${after.id}`, (signal) => store.txn({ if: draft.conditions, then: draft.ops }, signal));
      return ok ? { rev } : 'refused';
    } catch (error) {
      log.warn('runbook.store', { run: after.id, because: errorText(error) });
      return error instanceof StoreDefiniteError ? 'refused' : 'unknown';
    }
  };

  /** One change, tried again on what others have made of the record meanwhile. Never sent twice for one revision without having read what became of it. */
  const changed = async (held: Held, change: (run: Run) => Run): Promise<Written> => {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      if (tries > 0) await sleep(ports.timers, STORE_AGAIN_MS * ports.random.unit(), ending);
      const before = held.known ?? (await readRun(held.id).catch(() => undefined));
      if (before === undefined) continue;
      if (before === null || !isMine(before.run)) throw new Lost();
      held.known = before;
      const next = change(before.run);
      if (next === before.run) return { run: next, before: next, sentAtMs: mono() };
      const after = {
        ...next,
        ...(isMine(next) ? { executor: claimOf((before.run.executor?.n ?? 0) + 1) } : {}),
        nonce: ports.random.hex(8),
      };
      const sentAtMs = mono();
      held.known = null;
      const rev = await revIf(await send(before, after).catch((): 'unknown' => 'unknown'), after);
      if (rev === null) continue;
      held.known = { run: after, mod: rev };
      held.writtenAtMs = sentAtMs;
      counted(before.run, after);
      return { run: after, before: before.run, sentAtMs };
    }
    throw new Fault('ERR_STORE_UNREACHABLE', `run ${held.id}: the store took no change in ${TRIES_MAX} tries`);
  };

  /** A write whose reply was lost is found by its nonce; null: it is not there, now. */
  const revOf = async ({ id, nonce }: Run): Promise<number | null> => {
    const found = await readRun(id).catch(() => null);
    return found?.run.nonce === nonce ? found.mod : null;
  };

  const revIf = async (sent: Sent, after: Run): Promise<number | null> =>
    sent === 'unknown' ? revOf(after) : sent === 'refused' ? null : sent.rev;

  const counted = (before: Run, after: Run): void => {
    const { steps, ended } = countOf(before, after);
    for (const { kind, tookMs } of steps) metrics.runbookStep(kind, tookMs);
    if (ended !== null) {
      metrics.runbookEnded(after.platform, ended);
      log.info('runbook.ended', { run: after.id, state: ended, because: after.because });
    }
  };

  const change = (held: Held, of: (run: Run) => Run): Promise<Written> => {
    const turn = held.last.then(() => changed(held, of));
    held.last = turn.catch(() => undefined);
    return turn;
  };

  return {
    isMine,
    read,
    async claim(known) {
      const { run } = known;
      const after: Run = { ...run, executor: claimOf((run.executor?.n ?? 0) + 1), nonce: ports.random.hex(8) };
      const sentAtMs = mono();
      const mod = await revIf(await send(known, after), after);
      return mod === null ? null : heldOf({ run: after, mod }, sentAtMs);
    },
    change,
    tell: (held, event) => change(held, (run) => advance(run, event, nowMs())),
  };
};
