// What the store said, and when: read again at each hint and each quarter of a second, from outside every region. Keeps what happened only for a moment.
import type { Leader, Page, Routing, Vote } from '../../../src/model.ts';
import type { Store } from '../../../src/store/store.ts';

/** One linearizable read. `atMs` is the instant of its arrival, by this process's clock. */
export interface Moment {
  atMs: number;
  routing: Routing | null;
  leader: Leader | null;
  votes: ReadonlyMap<string, Vote>;
  /** Revisions of the beats, by replica. */
  beats: ReadonlyMap<string, number>;
}

export interface Abstention {
  replica: string;
  because: string;
  fromMs: number;
  toMs: number;
}

export interface Chronicle {
  readonly latest: Moment | null;
  /** Every page that was ever seen in the outbox, as last seen. */
  readonly pages: ReadonlyMap<string, Page>;
  /** Every time a replica kept its vote, from when it was seen to when it was last seen. */
  readonly abstentions: readonly Abstention[];
  /** The first moment from now on that `fits`. Rejects at the deadline with the last moment. */
  next(what: string, fits: (moment: Moment) => boolean, withinMs: number): Promise<Moment>;
  stop(): Promise<void>;
}

const ROUND_MS = 250;
/** Two beats. */
const SILENT_MS = 5000;

export const keepChronicle = (store: Store): Chronicle => {
  const pages = new Map<string, Page>();
  const abstentions: Abstention[] = [];
  const spoke = new Map<string, { mod: number | undefined; atMs: number }>();
  const listeners = new Set<(moment: Moment) => void>();
  let latest: Moment | null = null;
  let stopping = false;
  let wake = (): void => undefined;
  const watch = store.watch('', () => wake());

  const look = async (): Promise<void> => {
    const { kvs } = await store.get({ keys: ['routing', 'leader'], prefixes: ['vote/', 'beat/', 'outbox/'] });
    const atMs = performance.now();
    const under = (prefix: string) => kvs.filter(({ key }) => key.startsWith(prefix));
    const value = <T>(key: string): T | null => (kvs.find((kv) => kv.key === key)?.value as T | undefined) ?? null;
    for (const { key, value: page } of under('outbox/')) pages.set(key, page as Page);
    const votes = new Map(under('vote/').map(({ key, value: vote }) => [key.slice('vote/'.length), vote as Vote]));
    const beats = new Map(under('beat/').map(({ key, mod }) => [key.slice('beat/'.length), mod]));
    for (const [replica, { self }] of votes) {
      if (spoke.get(replica)?.mod !== beats.get(replica)) spoke.set(replica, { mod: beats.get(replica), atMs });
      // The last vote of a dead replica stays as it was.
      if (self.state !== 'abstain' || atMs - (spoke.get(replica)?.atMs ?? 0) > SILENT_MS) continue;
      const last = abstentions.findLast((each) => each.replica === replica);
      // It kept its vote in the moment before as well: it has lasted.
      if (last !== undefined && last.toMs === latest?.atMs) last.toMs = atMs;
      else abstentions.push({ replica, because: self.because, fromMs: atMs, toMs: atMs });
    }
    latest = { atMs, routing: value('routing'), leader: value('leader'), votes, beats };
    for (const listener of listeners) listener(latest);
  };

  const loop = (async () => {
    while (!stopping) {
      const hinted = new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, ROUND_MS);
      });
      await look().catch(() => undefined);
      await hinted;
    }
  })();

  return {
    get latest() {
      return latest;
    },
    pages,
    abstentions,
    next: (what, fits, withinMs) =>
      new Promise((resolve, reject) => {
        const end = (): void => {
          clearTimeout(timer);
          listeners.delete(listener);
        };
        const listener = (moment: Moment): void => {
          if (!fits(moment)) return;
          end();
          resolve(moment);
        };
        const timer = setTimeout(() => {
          end();
          const { routing, leader } = latest ?? {};
          reject(new Error(`waited ${withinMs} ms for: ${what}; last: ${routing?.because} by ${leader?.region}/${leader?.replica}`));
        }, withinMs);
        listeners.add(listener);
        if (latest !== null && performance.now() - latest.atMs < ROUND_MS) listener(latest);
      }),
    async stop() {
      stopping = true;
      wake();
      watch.close();
      await loop;
    },
  };
};
