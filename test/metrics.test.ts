import { describe, expect, test } from 'vitest';
import { createMetrics } from '../src/metrics.ts';
import type { PoolTally } from '../src/model.ts';
import { tallyOf } from './health/votes.ts';

/** Value of a sample by its full name with labels; NaN when it is not there. */
const sample = (text: string, name: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1) ?? Number.NaN,
  );

const tally = (target: string, verdict: 'up' | 'down'): PoolTally => tallyOf('eu', { targets: [{ target, verdict, endpoints: {} }] });

describe('histograms', () => {
  test('count exactly at the goals: 30 s of detection and 60 s of convergence are bucket edges', async () => {
    const metrics = createMetrics();
    for (const ms of [29_999, 30_000, 30_001]) metrics.detection(ms);
    for (const ms of [59_999, 60_000, 60_001]) metrics.convergence(ms);
    const text = await metrics.text();
    expect(sample(text, 'tidegate_detection_duration_seconds_bucket{le="30"}')).toBe(2);
    expect(sample(text, 'tidegate_convergence_duration_seconds_bucket{le="60"}')).toBe(2);
  });

  test('take milliseconds and show seconds, and are not broken by what is no duration', async () => {
    const metrics = createMetrics();
    metrics.storeRequest('txn', 250);
    metrics.storeRequest('txn', -5);
    metrics.storeRequest('txn', Number.NaN);
    const text = await metrics.text();
    expect(sample(text, 'tidegate_store_request_duration_seconds_sum{op="txn"}')).toBeCloseTo(0.25);
    expect(sample(text, 'tidegate_store_request_duration_seconds_count{op="txn"}')).toBe(2);
  });
});

describe('gauges of the state', () => {
  test('show one verdict as 1 and the others as 0, and forget what left the configuration', async () => {
    const metrics = createMetrics();
    const show = (tallies: readonly PoolTally[]) => metrics.state({ tallies, routing: null, overrides: null, nowMs: 0 });
    show([tally('web/eu/a', 'down')]);
    const before = await metrics.text();
    expect(sample(before, 'tidegate_target_verdict{service="web",pool="eu",target="a",verdict="down"}')).toBe(1);
    expect(sample(before, 'tidegate_target_verdict{service="web",pool="eu",target="a",verdict="up"}')).toBe(0);
    show([tally('web/eu/b', 'up')]);
    const after = await metrics.text();
    expect(after).not.toContain('target="a"');
    expect(sample(after, 'tidegate_target_verdict{service="web",pool="eu",target="b",verdict="up"}')).toBe(1);
  });

  test('keep names that a reader of the text would take for its own signs', async () => {
    const metrics = createMetrics();
    const tallies = [{ ...tally('a"b\\c/eu/x\ny', 'up'), service: 'a"b\\c' }];
    metrics.state({ tallies, routing: null, overrides: null, nowMs: 0 });
    const text = await metrics.text();
    expect(sample(text, String.raw`tidegate_target_verdict{service="a\"b\\c",pool="eu",target="x\ny",verdict="up"}`)).toBe(1);
  });

  test('count the gray targets of each pool', async () => {
    const metrics = createMetrics();
    metrics.state({ tallies: [{ ...tally('web/eu/a', 'up'), gray: 2 }], routing: null, overrides: null, nowMs: 0 });
    expect(sample(await metrics.text(), 'tidegate_pool_gray_targets{service="web",pool="eu"}')).toBe(2);
  });

  test('show when each path was proven last by a micro-drill, and how long the phases took of those that came through', async () => {
    const metrics = createMetrics();
    const microDrills = [
      { provider: 'dns', provenAtMs: 1_800_000_000_500, isStale: true, isHeld: false },
      { provider: 'new', provenAtMs: null, isStale: false, isHeld: true },
      { provider: 'far', provenAtMs: null, isStale: false, isHeld: null },
    ];
    metrics.state({ tallies: [], routing: null, overrides: null, microDrills, nowMs: 0 });
    metrics.proven('dns', 'authoritative', 2400);
    const text = await metrics.text();
    expect(sample(text, 'tidegate_microdrill_last_success_timestamp_seconds{provider="dns"}')).toBe(1_800_000_000.5);
    expect(sample(text, 'tidegate_microdrill_last_success_timestamp_seconds{provider="new"}')).toBe(0);
    expect(text.split('\n').filter((line) => /^tidegate_microdrill_(stale|held)/.test(line))).toEqual([
      'tidegate_microdrill_stale{provider="dns"} 1',
      'tidegate_microdrill_stale{provider="new"} 0',
      'tidegate_microdrill_stale{provider="far"} 0',
      'tidegate_microdrill_held{provider="dns"} 0',
      'tidegate_microdrill_held{provider="new"} 1',
    ]);
    expect(sample(text, 'tidegate_microdrill_duration_seconds_sum{provider="dns",phase="authoritative"}')).toBeCloseTo(2.4);
  });

  test('count overrides in force, not those that have expired', async () => {
    const metrics = createMetrics();
    const item = { kind: 'drain', scope: { region: 'eu' }, reason: 'r', owner: 'o', createdAtMs: 0 } as const;
    const items = [
      { ...item, id: 'a', expiresAtMs: 10 },
      { ...item, id: 'b', expiresAtMs: 1_000 },
    ];
    metrics.state({ tallies: [], routing: null, overrides: { version: 1, nonce: '', items }, nowMs: 500 });
    const text = await metrics.text();
    expect(sample(text, 'tidegate_override_active{kind="drain"}')).toBe(1);
    expect(sample(text, 'tidegate_override_active{kind="stop"}')).toBe(0);
  });
});

describe('labels', () => {
  test('stay bounded: past the limit new ones are counted as other', async () => {
    const metrics = createMetrics();
    for (let i = 0; i < 6_000; i += 1) metrics.page(`channel-${i}`, 'sent');
    const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('tidegate_pages_total{'));
    expect(lines).toHaveLength(5_001);
    expect(lines.at(-1)).toBe('tidegate_pages_total{channel="other",outcome="other"} 1000');
  });

  test('every metric has the prefix, help, and a name in base units', async () => {
    const text = await createMetrics('1.2.3').text();
    const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    expect(names.length).toBeGreaterThanOrEqual(18);
    for (const [, name, type] of names) {
      expect(name).toMatch(/^tidegate_/);
      expect(name, name).not.toMatch(/_(ms|milliseconds|percent)(_|$)/);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      if (type === 'counter') expect(name).toMatch(/_total$/);
      expect(text).toContain(`# HELP ${name} `);
    }
    expect(text).toContain(`tidegate_build_info{version="1.2.3",node="${process.version}"} 1`);
  });
});

test('of a gate: answers by form, its age, whether it sees the store; nothing where there is none', async () => {
  const metrics = createMetrics();
  expect(await metrics.text()).not.toMatch(/tidegate_gate_age_seconds\{/);
  metrics.gateRequest('survivor', 'drain');
  metrics.gateRequest('survivor', 'drain');
  metrics.gateRequest('origin', 'keep');
  let ageS: number | null = null;
  metrics.gate(() => ({ ageS, seesStore: ageS !== null, drained: 2 }));
  const never = await metrics.text();
  expect(never).toContain('tidegate_gate_age_seconds{gate="own"} +Inf');
  expect(sample(never, 'tidegate_gate_sees_store{gate="own"}')).toBe(0);
  ageS = 1.5;
  const text = await metrics.text();
  expect(sample(text, 'tidegate_gate_requests_total{form="survivor",answer="drain"}')).toBe(2);
  expect(sample(text, 'tidegate_gate_requests_total{form="origin",answer="keep"}')).toBe(1);
  expect(sample(text, 'tidegate_gate_age_seconds{gate="own"}')).toBe(1.5);
  expect(sample(text, 'tidegate_gate_sees_store{gate="own"}')).toBe(1);
  expect(sample(text, 'tidegate_gate_drained_pools{gate="own"}')).toBe(2);
});

describe('the API', () => {
  test('is timed by route, method and code; what strangers make up is one label', async () => {
    const metrics = createMetrics();
    metrics.apiRequest({ route: '/v1/overrides/:id', method: 'PUT', code: 200, tookMs: 20 });
    for (let n = 0; n < 50; n++) metrics.apiRequest({ route: null, method: `M${n}`, code: 404, tookMs: 1 });
    const text = await metrics.text();
    expect(sample(text, 'tidegate_api_request_duration_seconds_bucket{le="0.02",route="/v1/overrides/:id",method="PUT",code="200"}')).toBe(
      1,
    );
    expect(sample(text, 'tidegate_api_request_duration_seconds_count{route="other",method="other",code="404"}')).toBe(50);
  });
});

describe('orders and versions', () => {
  test('each order in force has its line, each that has not expired its instant', async () => {
    const metrics = createMetrics();
    const item = { scope: { region: 'eu' }, reason: 'r', owner: 'o', createdAtMs: 0 } as const;
    const items = [
      { ...item, id: 'now', kind: 'evacuate', expiresAtMs: 60_000 },
      { ...item, id: 'later', kind: 'drain', startsAtMs: 50_000, expiresAtMs: 90_000, drill: true },
      { ...item, id: 'unagreed', kind: 'pin', approval: { by: null, atMs: null }, expiresAtMs: 90_000 },
      { ...item, id: 'over', kind: 'drain', expiresAtMs: 5000 },
    ] as const;
    metrics.state({ tallies: [], routing: null, overrides: { version: 1, nonce: 'n', items }, nowMs: 10_000 });
    const text = await metrics.text();
    expect(text.match(/tidegate_override_active_info\{id="(.*?)"/g)).toEqual(['tidegate_override_active_info{id="now"']);
    expect(sample(text, 'tidegate_override_active{kind="evacuate"}')).toBe(1);
    expect(sample(text, 'tidegate_override_active{kind="pin"}')).toBe(0);
    expect(sample(text, 'tidegate_override_expires_timestamp_seconds{id="now",kind="evacuate"}')).toBe(60);
    expect(sample(text, 'tidegate_override_expires_timestamp_seconds{id="later",kind="drain"}')).toBe(90);
    expect(text).not.toContain('id="over"');
  });

  test('one version is no skew, and neither is none', async () => {
    const metrics = createMetrics();
    for (const [versions, skew] of [
      [0, 0],
      [1, 0],
      [3, 2],
    ] as const) {
      metrics.state({ tallies: [], routing: null, overrides: null, versions, nowMs: 0 });
      expect(sample(await metrics.text(), 'tidegate_version_skew')).toBe(skew);
    }
  });
});

test('systems around: one line each, 1 while it cannot be used', async () => {
  const metrics = createMetrics();
  expect(await metrics.text()).not.toMatch(/tidegate_system_failing\{/);
  let isFailing = true;
  metrics.systems(() => [{ name: 'ledger', isFailing }]);
  expect(sample(await metrics.text(), 'tidegate_system_failing{system="ledger"}')).toBe(1);
  isFailing = false;
  expect(sample(await metrics.text(), 'tidegate_system_failing{system="ledger"}')).toBe(0);
});

test('data tiers: where each is proved, and lags as far as they were measured', async () => {
  const metrics = createMetrics();
  const at = (region: string, writer: boolean, lagMs: number | null) => {
    const lag = lagMs === null ? { lagMs, lagBytes: null, lagAgeMs: null } : { lagMs, lagBytes: 48e6, lagAgeMs: 4_000 };
    return { platform: 'shop', database: 'orders', region, writer, ...lag };
  };
  metrics.data(() => [at('eu', true, null), at('us', false, 3_200)]);
  const text = await metrics.text();
  const of = (name: string, region: string) => sample(text, `tidegate_data_${name}{platform="shop",database="orders",region="${region}"}`);
  expect([of('writer', 'eu'), of('writer', 'us')]).toEqual([1, 0]);
  expect([of('lag_seconds', 'us'), of('lag_bytes', 'us'), of('lag_age_seconds', 'us')]).toEqual([3.2, 48e6, 4]);
  expect(text).not.toMatch(/tidegate_data_lag_seconds\{[^}]*region="eu"/);
});
