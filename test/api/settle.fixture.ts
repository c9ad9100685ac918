// An API by which databases are settled: the settler of production over a store, and a platform with one database in two regions.
import { createSettleDesk } from '../../src/api/settle-desk.ts';
import { KEYS, looksKey } from '../../src/coordinate/keys.ts';
import { realPorts } from '../../src/ports.ts';
import type { LooksRecord, TierState } from '../../src/runbook/facts.ts';
import { createSettler } from '../../src/runbook/tiers/settler.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { accessOf, cluster, NOW_MS, type Opened, openApi, principal, putRecord, type Trouble, troubled, viewOf } from './fixture.ts';
import { platform } from './runs.fixture.ts';

const site = (region: string) => ({ system: `p-${region}`, sql: `s-${region}`, poolers: [], address: `${region}:5432` });
const ORDERS = {
  name: 'orders',
  sites: { 'eu-west': site('eu-west'), 'us-east': site('us-east') },
  services: ['web.example.test'],
  lag: { maxMs: 30_000, maxBytes: 64e6, maxAgeMs: 30_000, onUnknown: 'ask' as const },
  fence: { rung: 'lease' as const, graceMs: 60_000 },
};
export const ABOUT = { ...cluster, platforms: [platform('shop', { regions: ['eu-west', 'us-east'], databases: [ORDERS] })] };
export const SPLIT: TierState = {
  writer: 'eu-west',
  provedAtMs: NOW_MS - 600_000,
  because: 'a row was written',
  split: { regions: ['eu-west', 'us-east'], atMs: NOW_MS - 60_000, because: 'both' },
};

export interface Settleable extends Opened {
  /** What happens to the next transactions. */
  settleTroubles: Trouble[];
  /** Of records, as this replica has measured it. */
  ages: Map<string, number>;
  state(): Promise<TierState | undefined>;
  known(state: TierState): Promise<void>;
  put(key: string, value: unknown): Promise<void>;
  seen(looks: Readonly<Record<string, 'writes' | 'reads'>>): Promise<void>;
  all<T>(prefix: string): Promise<readonly T[]>;
}

const ACCESS = accessOf(
  principal('ana'),
  principal('vic', { role: 'viewer' }),
  principal('ola', { services: ['api.example.test'] }),
  principal('own', { services: ['web.example.test'] }),
  principal('glass', { how: 'break-glass', once: { id: 'bg', expiresAtMs: NOW_MS + 1 } }),
);

/** `as`: everybody is this one; absent: who the bearer token says. */
export const openSettleable = (as?: string): Settleable => {
  const ports = realPorts();
  const settleTroubles: Trouble[] = [];
  const ages = new Map<string, number>();
  const embedded = openEmbedded({ file: ':memory:', ports });
  const store = troubled(embedded, settleTroubles);
  const settler = createSettler({
    store,
    ports,
    region: 'eu-west',
    replica: 'a',
    clusterNowMs: () => NOW_MS,
    ageMs: (key) => ages.get(key) ?? null,
  });
  const api = openApi({
    access: as === undefined ? ACCESS : { identify: async () => principal(as) },
    view: viewOf({ cluster: () => ABOUT }),
    settles: createSettleDesk({ settler }),
  });
  return {
    ...api,
    settleTroubles,
    ages,
    async state() {
      const { kvs } = await store.get({ keys: [KEYS.tiers] });
      return (kvs[0]?.value as { databases: Record<string, TierState> } | undefined)?.databases['shop/orders'];
    },
    async known(state) {
      await putRecord(embedded, KEYS.members, ABOUT);
      await putRecord(embedded, KEYS.tiers, { version: 7, nonce: 'n', databases: { 'shop/orders': state } });
    },
    put: (key, value) => putRecord(embedded, key, value),
    seen: (looks) =>
      putRecord(embedded, looksKey('shop'), {
        atMs: NOW_MS,
        nonce: 'n',
        databases: { orders: Object.fromEntries(Object.entries(looks).map(([region, is]) => [region, { is, atMs: NOW_MS - 2_000 }])) },
      } satisfies LooksRecord),
    async all<T>(prefix: string) {
      return (await store.get({ prefixes: [prefix] })).kvs.map(({ value }) => value as T);
    },
    async close() {
      await api.close();
      await embedded.close();
    },
  };
};
