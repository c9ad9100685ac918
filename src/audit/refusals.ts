// Credentials that were not accepted, folded into the journal: at most one entry per replica and minute, and one an hour when they go on and on, so that
// whoever guesses passwords can neither fill the store nor push what others did out of the journal. Best effort: an entry that cannot be written is in the log, and nobody who asks waits for it.
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Ports, type Timer, withDeadline } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { append } from './append.ts';
import type { Draft } from './journal.ts';

/** Calls of one address that were refused. `because` quotes nothing of the credentials. */
export interface RefusedCalls {
  address: string;
  how: string;
  count: number;
  because: string;
}

export interface RefusalJournalOptions {
  store: Store;
  ports: Pick<Ports, 'timers' | 'random'>;
  log: Log;
  region: string;
  replica: string;
  /** Cluster time. */
  nowMs: () => number;
}

export interface RefusalJournal {
  /** Returns at once. */
  refused(calls: readonly RefusedCalls[]): void;
  /** Writes what is left, within two seconds. */
  stop(): Promise<void>;
}

/** An attack is seen soon, and its end a minute later. */
const STOP_MS = 2_000;
const FIRST_AFTER_MS = 2_000;
const EVERY_MIN_MS = 60_000;
/** The gap doubles up to this while refusals go on, and is a minute again after one without any. */
const EVERY_MAX_MS = 3_600_000;
/** Addresses told apart in one entry; the rest counts as `others`. */
const ADDRESSES_MAX = 50;
const TEXT_MAX = 120;

/** Several calls as one row per address and way, most calls first. Pure. */
export const foldRefusals = (calls: readonly RefusedCalls[]): readonly RefusedCalls[] => {
  const rows = new Map<string, RefusedCalls>();
  let named = 0;
  const add = (call: RefusedCalls): void => {
    const key = `${call.address}\n${call.how}`;
    const before = rows.get(key);
    const isOthers = call.address === 'others';
    const room = before !== undefined || named < ADDRESSES_MAX || isOthers;
    if (room && before === undefined && !isOthers) named += 1;
    if (!room) add({ ...call, address: 'others', how: 'several', because: 'several reasons' });
    else
      rows.set(key, {
        address: call.address.slice(0, TEXT_MAX),
        how: call.how.slice(0, TEXT_MAX),
        count: (before?.count ?? 0) + call.count,
        because: call.because.slice(0, TEXT_MAX),
      });
  };
  calls.forEach(add);
  return [...rows.values()].sort((a, b) => b.count - a.count);
};

export const createRefusalJournal = ({ store, ports, log, region, replica, nowMs }: RefusalJournalOptions): RefusalJournal => {
  let waiting: readonly RefusedCalls[] = [];
  let timer: Timer | null = null;
  let gapMs = EVERY_MIN_MS;
  let writing: Promise<void> = Promise.resolve();

  const write = async (): Promise<void> => {
    const calls = waiting;
    waiting = [];
    if (calls.length === 0) return;
    const count = calls.reduce((sum, call) => sum + call.count, 0);
    const addresses = new Set(calls.map(({ address }) => address)).size;
    const draft: Draft = {
      kind: 'auth.refused',
      by: `${region}/${replica}`,
      how: 'service',
      because: `${count} call${count === 1 ? '' : 's'} with credentials that were not accepted, from ${addresses} address${addresses === 1 ? '' : 'es'}`,
      detail: { calls },
      atMs: nowMs(),
      nonce: ports.random.hex(8),
    };
    await append(store, ports, draft).catch((error: unknown) =>
      log.warn('audit.unwritten', { because: errorText(error), lost: draft.because }),
    );
  };
  /** Armed while there is something to write, and for a gap after each entry. */
  const arm = (afterMs: number): void => {
    timer = ports.timers.after(
      afterMs,
      () => {
        timer = null;
        if (waiting.length === 0) {
          gapMs = EVERY_MIN_MS;
          return;
        }
        writing = write();
        arm(gapMs);
        gapMs = Math.min(gapMs * 2, EVERY_MAX_MS);
      },
      { background: true },
    );
  };
  return {
    refused(calls) {
      waiting = foldRefusals([...waiting, ...calls]);
      if (timer === null) arm(FIRST_AFTER_MS);
    },
    async stop() {
      timer?.cancel();
      timer = null;
      await withDeadline(ports.timers, STOP_MS, 'the last entry', () => writing.then(write)).catch((error: unknown) =>
        log.warn('audit.unwritten', { because: errorText(error) }),
      );
    },
  };
};
