// What a gate makes of Prometheus' answers. A real one answers in test/system/prometheus.test.ts.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judged } from '../../../src/runbook/prometheus/gate.ts';
import { agesQuery, selectorsOf } from '../../../src/runbook/prometheus/selectors.ts';
import type { Result } from '../../../src/runbook/prometheus/system.ts';
import { startHarness } from '../../contract/step.contract.ts';
import { startGateWorld } from './world.ts';

const NOW_MS = 1_790_000_000_000;
const NOW_S = NOW_MS / 1000;
const spec = { system: 'metrics', query: 'lag', min: 1, max: 30, maxAgeMs: 60_000 };
const vector = (...values: readonly string[]): Result => ({ type: 'vector', series: values.map((text) => ({ value: [NOW_S, text] })) });
const taken = (ageS: number, count = 1): Result => vector(...Array.from({ length: count }, () => String(NOW_S - ageS)));
const judge = (found: Result, sampled: Result | null = taken(2)) => judged(spec, found, sampled, NOW_MS);

describe('gate.promql', () => {
  test.each([
    ['1', 'reached'],
    ['30', 'reached'],
    ['0.999', 'pending'],
    ['30.001', 'pending'],
    ['-5', 'pending'],
    ['NaN', 'unknown'],
    ['+Inf', 'unknown'],
    ['-Inf', 'unknown'],
    ['', 'unknown'],
    ['twelve', 'unknown'],
    ['1e1', 'reached'],
  ] as const)('a value of %s is %s: both bounds included', (text, is) => {
    expect(judge(vector(text))).toMatchObject({ is });
  });

  test('the sentence has the value, the bound and the age', () => {
    expect(judge(vector('12.34567'), taken(4)).because).toBe('query on metrics: 12.3457, expected 1 to 30, 4 s old');
    const { max: _, ...least } = spec;
    expect(judged(least, vector('0'), taken(0), NOW_MS).because).toContain('0, expected at least 1, 0 s old');
  });

  test('nothing, another kind of answer, and a sample without a time are unknown', () => {
    expect(judge(vector())).toMatchObject({ is: 'unknown', because: expect.stringContaining('no series') });
    expect(judge({ type: 'scalar' }, null)).toMatchObject({ is: 'unknown', because: expect.stringContaining('is a scalar') });
    expect(judge(vector('5'), vector())).toMatchObject({ is: 'unknown' });
    expect(judge(vector('5'), { type: 'scalar' })).toMatchObject({ is: 'unknown' });
    expect(judge(vector('5'), null)).toMatchObject({ is: 'reached', because: expect.stringContaining(' 0 s old') });
    expect(judge(vector('5'), vector('NaN'))).toMatchObject({ is: 'unknown' });
  });

  test('a sample that is too old, an answer that is, and one from the future are unknown', () => {
    expect(judge(vector('5'), taken(60))).toMatchObject({ is: 'reached' });
    expect(judge(vector('5'), taken(61))).toMatchObject({ is: 'unknown', because: expect.stringContaining('61 s old, at most 60 s') });
    const cached: Result = { type: 'vector', series: [{ value: [NOW_S - 90, '5'] }] };
    expect(judge(cached)).toMatchObject({ is: 'unknown', because: expect.stringContaining('90 s old') });
    expect(judge(vector('5'), taken(-20))).toMatchObject({ is: 'unknown', because: expect.stringContaining('ahead of our clock') });
  });

  test('several series: all good is good, none is not, and where they disagree nobody knows', () => {
    expect(judge(vector('5', '6'), taken(1, 2))).toMatchObject({ is: 'reached', because: expect.stringContaining('5 to 6 over 2 series') });
    expect(judge(vector('50', '60'), taken(1, 2))).toMatchObject({ is: 'pending' });
    expect(judge(vector('5', '60'), taken(1, 2))).toMatchObject({ is: 'unknown', because: expect.stringContaining('1 of 2 series') });
    expect(judge(vector('5', 'NaN'), taken(1, 2))).toMatchObject({ is: 'unknown' });
    // The oldest of them counts.
    expect(judge(vector('5', '6'), vector(String(NOW_S - 1), String(NOW_S - 99)))).toMatchObject({ is: 'unknown' });
  });

  test('never good but for fresh numbers that are all within the bounds', () => {
    const text = fc.oneof(fc.double().map(String), fc.string(), fc.constantFrom('NaN', '+Inf', '10', '20'));
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 4 }),
        fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { maxLength: 4 }),
        (texts, ages) => {
          const sampled = vector(...ages.map((ageS) => String(NOW_S - ageS)));
          const { is } = judge(vector(...texts), sampled);
          const isGood = texts.length > 0 && texts.every((one) => Number(one) >= 1 && Number(one) <= 30);
          const isFresh = ages.length > 0 && ages.every((ageS) => ageS <= 60.001);
          if (is === 'reached') expect([isGood, isFresh]).toEqual([true, true]);
        },
      ),
    );
  });
});

test('a refusal is told by its status', async () => {
  await using h = await startHarness('gate.promql', startGateWorld);
  Object.assign(h.world.files, { [Object.keys(h.world.files)[0]!]: 'another-token' });
  expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringMatching(/it answered 401$/) });
});

describe('what a query is made of', () => {
  test.each([
    ['lag_seconds', ['lag_seconds']],
    ['ns:lag:p95{region="eu",q=~"a|b}"} > 1', ['ns:lag:p95{region="eu",q=~"a|b}"}']],
    ['{__name__="lag", job=\'x{y\'}', ['{__name__="lag", job=\'x{y\'}']],
    ['{"my.lag", `a`="b"}', ['{"my.lag", `a`="b"}']],
    ['lag {a="b"} [5m] offset 1h', ['lag{a="b"}']],
    ['max by (region, pod) (lag) / on(region) group_left(x) sum(rate(total[5m])) without (pod)', ['lag', 'total']],
    ['sum by(le) (rate(b_bucket[1m:10s]))', ['b_bucket']],
    ['SUM BY (a) (x) AND y unless bool z == NaN or 1e3 > inf', ['x', 'y', 'z']],
    ['histogram_quantile(0.95, lag_bucket) # of other_metric\n+ "text_of other"', ['lag_bucket']],
    ['lag @ start() + lag @ 1600000000', ['lag']],
    ['-lag ^ 2 % 0x1F + 5m', ['lag']],
    ['vector(1) * time()', []],
    ['absent(up == 0)', ['up']],
  ] as const)('%s', (query, selectors) => {
    expect(selectorsOf(query)).toEqual(selectors);
  });

  test('is asked for in one query, and in none when there is nothing to ask for', () => {
    expect(agesQuery('a{b="c"} / d')).toBe(
      'label_replace(min(timestamp(a{b="c"})), "selector", "0", "", "") or label_replace(min(timestamp(d)), "selector", "1", "", "")',
    );
    expect(agesQuery('vector(1)')).toBeNull();
    expect(() => agesQuery(Array.from({ length: 17 }, (_, at) => `m${at}`).join(' + '))).toThrow('17 selectors');
  });

  test('reading ends whatever the text is', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'ab(){}[]"\'`\\#\n 1by,') }), (query) => Array.isArray(selectorsOf(query))));
  });
});
