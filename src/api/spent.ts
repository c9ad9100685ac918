// What orders leave beside themselves, and when it goes: that a one-time credential was used, and what a request was answered. Each is worth something for
// hours only, and nobody may come by again to take it out, so the coordinator does: oldest first, a few per transaction.
import { type Used, usedKey } from '../auth/once.ts';
import type { Term } from '../coordinate/coordinator.ts';
import { askedKey, KEYS } from '../coordinate/keys.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { KeyValue, Store } from '../store/store.ts';
import { ASKED_MS, type AskedList } from './asked.ts';

/** A use is remembered so long beyond its credential's end: a replica whose clock is behind takes it until then. */
export const SKEW_MS = 3_600_000;
/** Removed in one transaction. */
export const AT_ONCE = 50;
/** Looks are so far apart, unless the last one left some to remove. */
const EVERY_MS = 10 * 60_000;
const STORE_MS = 2_000;
const USED = usedKey('');

const expiryOf = (value: unknown): number => {
  const expiresAtMs = (value as Partial<Used> | null)?.expiresAtMs;
  // What is none of ours stays: to take away that something was used is the worse mistake.
  return typeof expiresAtMs === 'number' ? expiresAtMs : Number.POSITIVE_INFINITY;
};

/** The uses that go now, first expired first. `nowMs`: cluster time. Pure. */
export const usesToRemove = (uses: readonly KeyValue[], nowMs: number): readonly KeyValue[] =>
  uses
    .map((use) => ({ use, expiresAtMs: expiryOf(use.value) }))
    .filter(({ expiresAtMs }) => nowMs >= expiresAtMs + SKEW_MS)
    .sort((a, b) => a.expiresAtMs - b.expiresAtMs)
    .slice(0, AT_ONCE)
    .map(({ use }) => use);

/** The answers that go now; the list has them oldest first. Pure. */
export const answersToRemove = ({ items }: AskedList, nowMs: number): AskedList['items'] =>
  items.filter(({ atMs }) => nowMs - atMs >= ASKED_MS).slice(0, AT_ONCE);

export interface SpentDutyOptions {
  store: Pick<Store, 'get'>;
  ports: Pick<Ports, 'timers'>;
  log: Log;
}

export interface SpentDuty {
  /** Once per turn of a term. Returns at once; at most one removal is under way. */
  turn(nowMs: number, term: Pick<Term, 'commit'>): void;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export const createSpentDuty = ({ store, ports, log }: SpentDutyOptions): SpentDuty => {
  let work: Promise<void> | null = null;
  /** Cluster time before which there is no need to look. */
  let notBeforeMs = 0;

  /** Each is removed as it was read or not at all. True: as many as go at once. */
  const removeUses = async (nowMs: number, term: Pick<Term, 'commit'>, signal: AbortSignal): Promise<boolean> => {
    const gone = usesToRemove((await store.get({ prefixes: [USED] }, signal)).kvs, nowMs);
    if (gone.length === 0) return false;
    const isDone = await term.commit(
      gone.map(({ key, mod }) => ({ key, mod })),
      gone.map(({ key }) => ({ del: key })),
    );
    if (isDone) log.info('spent.removed', { what: 'uses of one-time credentials', removed: gone.length });
    return isDone && gone.length === AT_ONCE;
  };

  /** Guarded on the list, as every order with a key is. */
  const removeAnswers = async (nowMs: number, term: Pick<Term, 'commit'>, signal: AbortSignal): Promise<boolean> => {
    const [record] = (await store.get({ keys: [KEYS.asked] }, signal)).kvs;
    const list = record?.value as AskedList | undefined;
    if (record === undefined || !Array.isArray(list?.items)) return false;
    const gone = new Set(answersToRemove(list, nowMs));
    if (gone.size === 0) return false;
    const left: AskedList = { items: list.items.filter((item) => !gone.has(item)) };
    const ops = [{ put: KEYS.asked, value: left }, ...[...gone].map(({ hash }) => ({ del: askedKey(hash) }))];
    const isDone = await term.commit([{ key: KEYS.asked, mod: record.mod }], ops);
    if (isDone) log.info('spent.removed', { what: 'answers to keys', removed: gone.size });
    return isDone && gone.size === AT_ONCE;
  };

  const run = async (nowMs: number, term: Pick<Term, 'commit'>): Promise<void> => {
    for (const [what, remove] of [
      ['uses', removeUses],
      ['answers', removeAnswers],
    ] as const)
      await withDeadline(ports.timers, STORE_MS, `removing old ${what}`, (signal) => remove(nowMs, term, signal)).then(
        (isMore) => {
          if (isMore) notBeforeMs = 0;
        },
        (error: unknown) => log.warn('spent.unremoved', { what, because: errorText(error) }),
      );
  };

  return {
    turn(nowMs, term) {
      if (work !== null || nowMs < notBeforeMs) return;
      notBeforeMs = nowMs + EVERY_MS;
      work = run(nowMs, term).finally(() => {
        work = null;
      });
    },
    idle: async () => {
      await work;
    },
  };
};
