// What people and machines are told of a move's price: from the records of the store, for platforms, plans, pages and gauges.
import { expect, test } from 'vitest';
import type { LagRecord, Tiers } from '../../../src/runbook/facts.ts';
import { newsOf } from '../../../src/runbook/news.ts';
import type { DatabaseConfig, PlatformConfig } from '../../../src/runbook/platform.ts';
import { newRun } from '../../../src/runbook/run.ts';
import { databasesOf, gaugesOf, lossesTo, lossOf, type TierRecords } from '../../../src/runbook/tiers/loss.ts';
import { clusterWith, platformOf, START_MS, STORY } from '../rig.ts';

const site = { system: 'p', sql: 's', poolers: [], address: 'db:5432' };
const database = (name: string, regions: readonly string[]): DatabaseConfig => ({
  name,
  sites: Object.fromEntries(regions.map((region) => [region, site])),
  services: [],
  lag: { maxMs: 30_000, maxBytes: 64e6, maxAgeMs: 60_000, onUnknown: 'ask' },
  fence: { rung: 'lease', graceMs: 60_000 },
});
const PLATFORM: PlatformConfig = {
  ...platformOf({ regions: ['eu', 'us', 'ap'] }),
  databases: [database('orders', ['eu', 'us']), database('users', ['eu', 'us', 'ap'])],
};
const TIERS: Tiers = {
  version: 2,
  nonce: 'n',
  databases: { 'shop/orders': { writer: 'eu', provedAtMs: START_MS - 9, because: 'a row was written' } },
};
const LAGS: LagRecord = {
  atMs: START_MS - 4_000,
  nonce: 'n',
  databases: {
    // The writer’s own entry is from when it was a standby.
    orders: { us: { ms: 3_200, bytes: 48e6, atMs: START_MS - 4_000 }, eu: { ms: 1, bytes: 1, atMs: 0 } },
    users: { ap: { ms: null, bytes: 12, atMs: START_MS - 300_000 } },
  },
};
const RECORDS: TierRecords = { tiers: TIERS, lagsOf: (name) => (name === 'shop' ? LAGS : null), nowMs: START_MS };

test('a platform says where each database is proved, and how far its standbys are behind', () => {
  expect(databasesOf(PLATFORM, RECORDS)).toEqual([
    {
      database: 'orders',
      writer: 'eu',
      provedAtMs: START_MS - 9,
      because: 'a row was written',
      split: null,
      settled: null,
      fenced: [],
      unproved: null,
      standbys: [
        {
          region: 'us',
          lagMs: 3_200,
          lagBytes: 48e6,
          measuredAtMs: START_MS - 4_000,
          because: 'expected loss now: 3.2 s / 48 MB, measured 4 s ago',
        },
      ],
    },
    {
      database: 'users',
      writer: null,
      provedAtMs: null,
      because: 'no row was written and read back yet',
      split: null,
      settled: null,
      fenced: [],
      unproved: null,
      standbys: [expect.objectContaining({ region: 'ap', because: 'expected loss now: an unknown time / 12 B, measured 5 min ago' })],
    },
  ]);
  const split = { ...TIERS.databases['shop/orders'], split: { regions: ['eu', 'us'], atMs: 1, because: 'both take writes' } };
  const torn = databasesOf(PLATFORM, { ...RECORDS, tiers: { ...TIERS, databases: { 'shop/orders': split } } as Tiers });
  expect(torn[0]).toMatchObject({ split: ['eu', 'us'], because: 'both take writes' });
});

test('a move costs what the standby there lacks; where it is proved already nothing; what was never measured is said', () => {
  expect(lossesTo(PLATFORM, 'us', RECORDS)).toEqual([
    'orders: expected loss now: 3.2 s / 48 MB, measured 4 s ago',
    'users: expected loss now: unknown, since it was never measured',
  ]);
  expect(lossesTo(PLATFORM, 'eu', RECORDS)).toEqual(['users: expected loss now: unknown, since it was never measured']);
  expect(lossesTo(platformOf({}), 'us', RECORDS)).toEqual([]);
});

test('the page of a run that begins carries it', () => {
  const run = newRun(
    {
      id: 'r1',
      platform: 'shop',
      model: 'active-hot',
      purpose: 'failover',
      mode: 'ungraceful',
      from: 'eu',
      to: 'us',
      cause: { kind: 'seen', because: 'eu is down' },
      because: 'eu is down',
      plan: STORY,
      askMs: 1,
      persons: 0,
      by: [],
      nonce: 'n',
    },
    START_MS,
  );
  const teller = { cluster: clusterWith(PLATFORM), region: 'us', replica: 'a', nowMs: START_MS };
  const told = (lossOfRun?: (each: typeof run) => string | null) =>
    newsOf(null, run, { ...teller, ...(lossOfRun === undefined ? {} : { lossOf: lossOfRun }) })[0]?.summary;
  expect(told((each) => lossOf(each, PLATFORM, RECORDS))).toContain(
    'eu is down; orders: expected loss now: 3.2 s / 48 MB, measured 4 s ago; users:',
  );
  expect(told((each) => lossOf(each, platformOf({}), RECORDS))).not.toContain('loss');
  expect(told()).not.toContain('loss');
});

test('gauges have one line per site', () => {
  const gauges = gaugesOf(PLATFORM, RECORDS);
  expect(gauges).toHaveLength(5);
  expect(gauges.slice(0, 2)).toEqual([
    { platform: 'shop', database: 'orders', region: 'eu', writer: true, lagMs: null, lagBytes: null, lagAgeMs: null },
    { platform: 'shop', database: 'orders', region: 'us', writer: false, lagMs: 3_200, lagBytes: 48e6, lagAgeMs: 4_000 },
  ]);
});

test('what has no row says why and for how long, and one that stands on a word says whose', () => {
  const unproved = { 'shop/users': { region: 'eu', because: 'permission denied', sinceMs: RECORDS.nowMs - 180_000, atMs: 1, told: null } };
  const word = { by: 'ana', reason: 'us burnt down', atMs: RECORDS.nowMs - 1_000, before: null };
  const orders = { writer: 'eu', provedAtMs: 0, because: 'settled by ana', settled: word, fenced: ['us'] };
  const tiers: Tiers = { version: 2, nonce: 'n', databases: { 'shop/orders': orders }, unproved };
  expect(databasesOf(PLATFORM, { ...RECORDS, tiers })).toMatchObject([
    { database: 'orders', writer: 'eu', settled: { by: 'ana', reason: 'us burnt down' }, fenced: ['us'], unproved: null },
    { because: 'permission denied, for 3 min', settled: null, unproved: { region: 'eu', because: 'permission denied, for 3 min' } },
  ]);
  // What the store did not take is known where it was seen.
  const here = new Map([['shop/users', { ...unproved['shop/users'], because: 'the store refused' }]]);
  expect(databasesOf(PLATFORM, { ...RECORDS, tiers, unproved: here })[1]).toMatchObject({
    unproved: { because: 'the store refused, for 3 min' },
  });
  // A proof that came after it was written leaves nothing of it.
  const proved = { 'shop/users': { writer: 'eu', provedAtMs: 1, because: 'a row' } };
  expect(databasesOf(PLATFORM, { ...RECORDS, tiers: { ...tiers, databases: proved } })[1]).toMatchObject({
    unproved: null,
    because: 'a row',
  });
});
