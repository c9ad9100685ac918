// Pages, a channel that does as it is told, and a store whose transactions can be made to go wrong; on virtual time.

import type { Page } from '../../src/model.ts';
import type { Channel, Delivery, Notice } from '../../src/paging/channel.ts';
import { noticeOf } from '../../src/paging/message.ts';
import type { Ports } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store, TxnResult } from '../../src/store/store.ts';

export const pageOf = (id: string, given: Partial<Page> = {}): Page => ({
  id,
  dedupKey: `tidegate/test/${id}`,
  type: 'region.down',
  severity: 'critical',
  summary: `eu-west down: 3 of 4 vantages (needs 3) [${id}]`,
  detail: { region: 'eu-west' },
  atMs: 0,
  v: 1,
  delivered: [],
  nonce: 'n',
  ...given,
});

/** What people are told of a page, without a link. */
export const noticed = (page: Page): Notice => noticeOf(page, { cluster: 'test', baseUrl: null });

export interface Told {
  id: string;
  /** Virtual time. */
  atMs: number;
}

export interface ScriptedChannel extends Channel {
  readonly told: Told[];
  /** What the next tries meet; afterwards all is accepted. */
  readonly next: ((page: Page, signal: AbortSignal) => Promise<Delivery>)[];
}

export const scripted = (name: string, now: () => number): ScriptedChannel => {
  const told: Told[] = [];
  const next: ScriptedChannel['next'] = [];
  return {
    name,
    places: [],
    told,
    next,
    deliver({ page }, signal) {
      told.push({ id: page.id, atMs: now() });
      const step = next.shift();
      return step === undefined ? Promise.resolve({ sent: true, receipt: 'ok' }) : step(page, signal);
    },
  };
};

export const failing =
  (given: { afterMs?: number } = {}) =>
  async (): Promise<Delivery> => ({ sent: false, retry: true, because: 'busy', ...given });
export const refusing = async (): Promise<Delivery> => ({ sent: false, retry: false, because: 'gone' });

export type Trouble = (run: () => Promise<TxnResult>) => Promise<TxnResult>;

export interface PageStore {
  store: Store;
  /** What happens to the next transactions that write pages. */
  troubles: Trouble[];
  /** While `now` nothing is read; `asked`: how often somebody has tried. */
  deaf: { now: boolean; asked: number };
  put(...pages: Page[]): Promise<void>;
  pages(): Promise<Page[]>;
  page(id: string): Promise<Page | undefined>;
}

export const openPages = (ports: Ports): PageStore => {
  const embedded = openEmbedded({ file: ':memory:', ports });
  const troubles: Trouble[] = [];
  const deaf = { now: false, asked: 0 };
  const unheard = (): Promise<never> => {
    deaf.asked++;
    return Promise.reject(new Error('no answer'));
  };
  const store: Store = {
    clusterId: embedded.clusterId,
    get: (query, signal) => (deaf.now ? unheard() : embedded.get(query, signal)),
    txn: (txn, signal) => (troubles.shift() ?? ((run) => run()))(() => embedded.txn(txn, signal)),
    watch: (prefix, onEvent) => embedded.watch(prefix, onEvent),
    close: () => embedded.close(),
  };
  const pages = async (): Promise<Page[]> => (await embedded.get({ prefixes: ['outbox/'] })).kvs.map(({ value }) => value as Page);
  return {
    store,
    troubles,
    deaf,
    async put(...list) {
      await embedded.txn({ if: [], then: list.map((page) => ({ put: `outbox/${page.id}`, value: page })) });
    },
    pages,
    page: async (id) => (await embedded.get({ keys: [`outbox/${id}`] })).kvs[0]?.value as Page | undefined,
  };
};
