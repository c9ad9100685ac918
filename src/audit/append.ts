// Appends to the journal what is no part of another transaction. A lost race is tried again behind the new head, a few times; a try whose reply was lost
// is found by its nonce, so that no act is recorded twice.
import { journalKey } from '../coordinate/keys.ts';
import { Fault } from '../errors.ts';
import { type Ports, withDeadline } from '../ports.ts';
import { type Store, StoreDefiniteError } from '../store/store.ts';
import { appendOps, type Draft, type Head, type JournalEntry, readHead } from './journal.ts';

/** Tries before giving up to others that append. */
export const ATTEMPTS_MAX = 8;
const STORE_MS = 2_000;

/** True iff an entry with this nonce is among the last ones before `head`. Throws what the store throws. */
const isAppended = async (store: Pick<Store, 'get'>, head: Pick<Head, 'n'>, nonce: string, signal?: AbortSignal): Promise<boolean> => {
  const keys = Array.from({ length: Math.min(head.n, LOOK_BACK) }, (_, i) => journalKey(head.n - i));
  const { kvs } = await store.get({ keys }, signal);
  return kvs.some(({ value }) => (value as JournalEntry).nonce === nonce);
};
/** As many others can have appended between a try and the look for it. */
const LOOK_BACK = 64;

/** Throws what the store throws, Fault ERR_STALE when others came first each time, ERR_UNDECIDED when nobody knows whether it was written. */
export const append = async (store: Store, ports: Pick<Ports, 'timers'>, draft: Draft): Promise<void> => {
  const bounded = <T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(ports.timers, STORE_MS, what, work);
  let doubt: unknown = null;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const head = await bounded('reading the journal', (signal) => readHead(store, signal));
    if (doubt !== null && (await bounded('reading the journal', (signal) => isAppended(store, head, draft.nonce, signal)))) return;
    const { conditions, ops } = appendOps(head, draft);
    try {
      const { ok } = await bounded('writing the journal', (signal) => store.txn({ if: conditions, then: ops }, signal));
      if (ok) return;
    } catch (error) {
      if (error instanceof StoreDefiniteError && doubt === null) throw error;
      doubt ??= error;
    }
  }
  throw doubt === null
    ? new Fault('ERR_STALE', `the journal was written by others in each of ${ATTEMPTS_MAX} tries; nothing was written`)
    : new Fault('ERR_UNDECIDED', 'the store broke off while the journal was written; nobody knows whether it was', { cause: doubt });
};
