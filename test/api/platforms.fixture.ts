// Platforms with data, language models and budgets, as the records of the store have them, read by the production code.
import { type PlatformStatus, platformsNow } from '../../src/api/platform-status.ts';
import type { LlmRecord } from '../../src/llm/chain.ts';
import type { BudgetsRecord } from '../../src/objectives/duty.ts';
import type { LagRecord, TierState, Tiers } from '../../src/runbook/facts.ts';
import type { LlmConfig, PlatformConfig } from '../../src/runbook/platform.ts';
import type { KeyValue } from '../../src/store/store.ts';
import { databaseOf, EAST, WEST } from '../runbook/platforms.ts';
import { NOW_MS } from './fixture.ts';
import { platform } from './runs.fixture.ts';

export const CHAIN: LlmConfig = {
  systems: { [WEST]: 'health-west', [EAST]: 'health-east' },
  section: 'llm',
  active: 'active',
  chain: ['openrouter', 'azure'],
  churn: { switches: 3, windowMs: 600_000 },
};

export const shopWith = (given: Partial<PlatformConfig> = {}): PlatformConfig =>
  platform('shop', { regions: [WEST, EAST], databases: [databaseOf('orders')], llm: CHAIN, ...given });

export interface Records {
  tiers?: Readonly<Record<string, TierState>>;
  lag?: Partial<LagRecord>;
  llm?: Partial<LlmRecord>;
  budgets?: Partial<BudgetsRecord>;
}

export const provedIn = (writer: string | null, given: Partial<TierState> = {}): TierState => ({
  writer,
  provedAtMs: NOW_MS - 86_400_000,
  because: 'a row was written and read back',
  ...given,
});

/** Measured four seconds ago. */
export const behind = (ms: number, bytes: number, agoMs = 4_000): LagRecord['databases'][string][string] => ({
  ms,
  bytes,
  atMs: NOW_MS - agoMs,
});

/** Each on that provider for twelve minutes, seen twenty seconds ago. */
export const on = (west: string, east: string, given: Partial<LlmRecord> = {}): LlmRecord => {
  const known = (provider: string) => ({ provider, sinceAtMs: NOW_MS - 720_000 });
  const look = (provider: string) => ({ provider, because: `on ${provider}`, atMs: NOW_MS - 20_000 });
  return {
    regions: { [WEST]: known(west), [EAST]: known(east) },
    switches: {},
    told: [],
    looks: { [WEST]: look(west), [EAST]: look(east) },
    nonce: 'n',
    ...given,
  };
};

/** As a replica sees it; the records are of the platform shop. */
export const seenOf = (platforms: readonly PlatformConfig[], { tiers = {}, lag, llm, budgets }: Records): readonly PlatformStatus[] => {
  const kv = (key: string, value: unknown): readonly KeyValue[] => (value === undefined ? [] : [{ key, value, mod: 1 }]);
  const kvs = [
    ...kv('lag/shop', lag && { atMs: NOW_MS, nonce: 'n', databases: {}, ...lag }),
    ...kv('llm/shop', llm && { regions: {}, switches: {}, told: [], nonce: 'n', ...llm }),
    ...kv('budgets/shop', budgets && { told: [], nonce: 'n', ...budgets }),
  ];
  const record: Tiers = { version: 1, nonce: 'n', databases: tiers };
  return platformsNow({ platforms }, { tiers: record, has: (prefix) => kvs.filter(({ key }) => key.startsWith(prefix)) }, NOW_MS);
};

/** All is as it should be. */
export const CALM: Records = {
  tiers: { 'shop/orders': provedIn(WEST) },
  lag: { databases: { orders: { [EAST]: behind(400, 1_200_000) } } },
  llm: on('openrouter', 'openrouter'),
};
