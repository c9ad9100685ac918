// What alerts are told: whose votes count, ages, checks, and what ends when. What is not known is absent, since a zero would say that all is well.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { HealthFacts } from '../../src/api/health-detail.ts';
import { statusDocument } from '../../src/api/status.ts';
import { lineOf } from '../../src/auth/token-file.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Vote } from '../../src/model.ts';
import { gaugesOf, measureHealth } from '../../src/serve/health-gauges.ts';
import type { Part } from '../../src/serve/part.ts';
import { cluster, healthFacts, heardOf, REGIONS, statusInput } from '../api/fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-gauges-'));
afterAll(() => rmSync(folder, { recursive: true }));

const heard = (region: string, ageMs: number, self: Vote['self'] = { state: 'ok' }, replica = 'a') => ({
  ...heardOf(region, ageMs, { self }),
  replica,
});
const ABSTAINS: Vote['self'] = { state: 'abstain', because: 'its anchors do not answer' };
const factsWith = (votes: readonly ReturnType<typeof heard>[], given: Partial<HealthFacts> = {}): HealthFacts =>
  healthFacts({ status: statusDocument(statusInput({ votes })), ...given });

/** What `/metrics` says of one name, by its labels. */
const shown = async (facts: HealthFacts, name: string, config: object = {}): Promise<Record<string, number>> => {
  const metrics = createMetrics();
  let monoMs = 0;
  const clock = { monoMs: () => monoMs++, wallMs: () => 0 };
  measureHealth({ metrics, config, context: { ports: { clock } } } as unknown as Part, () => facts);
  const lines = (await metrics.text())
    .split('\n')
    .filter((line) => line.startsWith(`tidegate_${name}{`) || line.startsWith(`tidegate_${name} `));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(`tidegate_${name}`.length, at), Number(line.slice(at + 1))];
    }),
  );
};

test('a vantage speaks when any of its replicas does, abstains when all do that are heard, and is silent when none is', () => {
  const { vantages, votesNeeded, votesSpare } = gaugesOf(
    factsWith([
      heard('eu-west', 500, ABSTAINS, 'a'),
      heard('eu-west', 500, undefined, 'b'),
      heard('us-east', 500, ABSTAINS),
      heard('ap-south', 60_000),
    ]),
  );
  expect(vantages).toEqual([
    { vantage: 'eu-west', state: 'speaks' },
    { vantage: 'us-east', state: 'abstains' },
    { vantage: 'ap-south', state: 'silent' },
  ]);
  expect(votesNeeded).toBe(2);
  expect(votesSpare).toBe(-1);
});

test('what may fall silent is told of the electorate that has the fewest to spare', async () => {
  const regions = ['sa-east', 'af-south'].map((name) => ({ name, vote: true, coordinator: true, anchors: [] }));
  const [first, ...others] = cluster.services;
  if (first === undefined) throw new Error('the fixture has changed');
  const pools = first.pools.map((pool) => ({ ...pool, targets: pool.targets.map((target) => ({ ...target, from: REGIONS })) }));
  const five = { ...cluster, regions: [...cluster.regions, ...regions] };
  const votes = ['eu-west', 'us-east', 'sa-east', 'af-south'].map((region) => heard(region, 500));
  expect(await shown(factsWith(votes, { cluster: five }), 'votes_spare')).toEqual({ '': 1 });
  const three = { ...five, services: [{ ...first, pools }, ...others] };
  expect(await shown(factsWith(votes, { cluster: three }), 'votes_spare')).toEqual({ '': 0 });
});

test('each state is one line of 1 and two of 0', async () => {
  const states = await shown(factsWith([heard('eu-west', 500)]), 'vantage_state');
  expect(Object.keys(states)).toHaveLength(9);
  expect(Object.entries(states).filter(([, value]) => value === 1)).toEqual([
    ['{vantage="eu-west",state="speaks"}', 1],
    ['{vantage="us-east",state="silent"}', 1],
    ['{vantage="ap-south",state="silent"}', 1],
  ]);
});

test('the checks of the health document are there by value', async () => {
  const store = { ...healthFacts().store, answeredAgoMs: 9000 };
  const checks = await shown(factsWith([heard('eu-west', 500)], { store }), 'health_check');
  expect(checks[`{check="store:answeredAgo",component="${store.kind}"}`]).toBe(2);
  expect(checks['{check="eventLoop:delay",component=""}']).toBe(0);
  expect(await shown(factsWith([], { store }), 'store_answer_age_seconds')).toEqual({ '': 9 });
});

test('before a configuration is known nothing is said of votes and versions, and a store that never answered is infinitely old', async () => {
  const store = { ...healthFacts().store, answeredAgoMs: Number.POSITIVE_INFINITY };
  const blank = healthFacts({ status: null, cluster: null, fleet: null, store });
  for (const name of ['vantage_state', 'votes_needed', 'votes_spare', 'config_version', 'clock_skew_seconds', 'pages_waiting'])
    expect(await shown(blank, name), name).toEqual({});
  expect(await shown(blank, 'store_answer_age_seconds')).toEqual({ '': Number.NaN });
  const text = await (async () => {
    const metrics = createMetrics();
    measureHealth(
      { metrics, config: {}, context: { ports: { clock: { monoMs: () => 0, wallMs: () => 0 } } } } as unknown as Part,
      () => blank,
    );
    return metrics.text();
  })();
  expect(text).toContain('tidegate_store_answer_age_seconds +Inf');
  expect(text).toContain('tidegate_health_check{check="configuration:version",component=""} 2');
});

test('pages that wait are told by who delivers', async () => {
  const facts = factsWith([]);
  const { clusterTimeMs } = facts.status ?? { clusterTimeMs: 0 };
  const paging = { ...facts.paging, pages: 3, oldestAtMs: clusterTimeMs - 90_000 };
  expect(await shown({ ...facts, paging }, 'pages_waiting')).toEqual({ '': 3 });
  expect(await shown({ ...facts, paging }, 'pages_oldest_age_seconds')).toEqual({ '': 90 });
  expect(await shown({ ...facts, paging: { ...paging, pages: null } }, 'pages_waiting')).toEqual({});
});

test('a database of which two take writes is split, and one that is proved nowhere is not proved', async () => {
  const each = { platform: 'shop', because: 'b', settled: null, unproved: null, standbys: [] };
  const databases = [
    { ...each, database: 'orders', writer: 'eu-west', split: null },
    { ...each, database: 'stock', writer: null, split: null },
    { ...each, database: 'users', writer: 'eu-west', split: ['eu-west', 'us-east'] },
  ];
  const facts = factsWith([], { databases });
  expect(Object.values(await shown(facts, 'data_split'))).toEqual([0, 0, 1]);
  expect(Object.values(await shown(facts, 'data_proved'))).toEqual([1, 0, 0]);
});

const issue = (days: number, name: string): string => {
  const out = join(folder, `${name}-${days}.pem`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-keyout', join(folder, 'key')];
  execFileSync('openssl', ['req', '-x509', ...key, '-days', String(days), '-subj', `/CN=${name}`, '-out', out], { stdio: 'ignore' });
  return out;
};
const bundle = (name: string, ...files: readonly string[]): string => {
  const out = join(folder, name);
  writeFileSync(out, files.map((file) => readFileSync(file, 'utf8')).join(''));
  return out;
};
const daysLeft = (ends: Record<string, number>): readonly [string, number][] =>
  Object.entries(ends).map(([what, seconds]) => [what, Math.round((seconds - Date.now() / 1000) / 86_400)]);

test('of certificates in one file under one subject the first to end is shown; a file that is missing is none of its business', async () => {
  const certFile = bundle('both.pem', issue(10, 'store'), issue(400, 'store'));
  const ends = await shown(factsWith([]), 'credential_expires_timestamp_seconds', {
    store: { tls: { certFile, caFile: join(folder, 'none') } },
  });
  expect(daysLeft(ends)).toEqual([['{what="certificate CN=store of store.tls.certFile"}', 10]]);
});

test('of the authorities in a bundle the last to end is shown: the old one stays in it while one replaces another', async () => {
  const caFile = bundle('authorities.pem', issue(10, 'old-ca'), issue(400, 'new-ca'), issue(30, 'other-ca'));
  const ends = await shown(factsWith([]), 'credential_expires_timestamp_seconds', {
    store: { tls: { caFile } },
    api: { tls: { clientCaFile: caFile } },
  });
  expect(daysLeft(ends).toSorted()).toEqual([
    ['{what="certificate CN=new-ca of api.tls.clientCaFile"}', 400],
    ['{what="certificate CN=new-ca of store.tls.caFile"}', 400],
  ]);
});

test('of tokens the first end to come is told, and nothing but the key of their file: /metrics is open to anybody', async () => {
  const tokensFile = join(folder, 'tokens');
  const line = (name: string, hash: string, expiresAtMs: number): string =>
    lineOf({ name, hash: hash.repeat(64), role: 'admin', services: null, expiresAtMs });
  // It is 1970 here; one has ended before.
  writeFileSync(tokensFile, line('ana', 'a', 90_000_000) + line('bob', 'b', 80_000_000) + line('eve', 'c', -1000), { mode: 0o600 });
  const ends = await shown(factsWith([]), 'credential_expires_timestamp_seconds', { api: { tokensFile } });
  expect(ends).toEqual({ '{what="token of api.tokensFile"}': 80_000 });
});
