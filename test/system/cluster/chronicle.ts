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

export interface Chronicle {
  readonly latest: Moment | null;
  /** Every page that was ever seen in the outbox, as last seen. */
  readonly pages: ReadonlyMap<string, Page>;
  /** Every reason to abstain, by replica, with its instant. */
  readonly abstentions: readonly { atMs: number; replica: string; because: string }[];
  /** The first moment from now on that `fits`. Rejects at the deadline with the last moment. */
  next(what: string, fits: (moment: Moment) => boolean, withinMs: number): Promise<Moment>;
  stop(): Promise<void>;
}

const ROUND_MS = 250;

export const keepChronicle = (store: Store): Chronicle => {
  const pages = new Map<string, Page>();
  const abstentions: { atMs: number; replica: string; because: string }[] = [];
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
    for (const [replica, { self }] of votes) {
      const before = latest?.votes.get(replica)?.self;
      if (self.state === 'abstain' && !(before?.state === 'abstain' && before.because === self.because))
        abstentions.push({ atMs, replica, because: self.because });
    }
    const beats = new Map(under('beat/').map(({ key, mod }) => [key.slice('beat/'.length), mod]));
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
