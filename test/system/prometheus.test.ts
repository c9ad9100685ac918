// gate.promql against a real Prometheus: values, nothing, NaN, samples that are old, series that disagree, refusals.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DeadlineError } from '../../src/ports.ts';
import { type Harness, type StepWorld, startHarness } from '../contract/step.contract.ts';
import { type PrometheusServer, startPrometheus } from './prometheus.ts';
import { until } from './until.ts';

const OLD_S = 100;
let server: PrometheusServer;

beforeAll(async () => {
  server = await startPrometheus(() =>
    [
      'lag_seconds 12.5',
      'lag_by_shard{shard="a"} 12.5',
      'lag_by_shard{shard="b"} 50',
      'odd NaN',
      `old_lag 12.5 ${Math.round(Date.now() - OLD_S * 1000)}`,
      '',
    ].join('\n'),
  );
  await until('a scrape', async () => (await (await fetch(`${server.url}/api/v1/query?query=old_lag`)).text()).includes('12.5'));
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

type Spec = StepWorld<'gate.promql'>['spec'];
const gate = (given: Omit<Spec, 'system' | 'maxAgeMs'> & { maxAgeMs?: number }): Promise<Harness<'gate.promql'>> =>
  startHarness('gate.promql', async () => ({
    spec: { system: 'metrics', maxAgeMs: 60_000, ...given },
    systems: { metrics: { kind: 'prometheus', url: server.url } },
    files: {},
    secrets: [],
    settle: () => undefined,
    effects: () => 0,
    meets: () => undefined,
    asked: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }));
const judge = async (query: string, given: Partial<Spec> = {}) => {
  await using h = await gate({ query, max: 30, ...given });
  return await h.read();
};

describe('gate.promql on a real Prometheus', () => {
  test('a value within the bounds and one beyond', async () => {
    expect(await judge('lag_seconds')).toMatchObject({
      is: 'reached',
      because: expect.stringMatching(/^query on metrics: 12\.5, expected at most 30, [\d.]+ s old$/),
    });
    expect(await judge('max(lag_by_shard)')).toMatchObject({ is: 'pending', because: expect.stringContaining('50, expected at most 30') });
    expect(await judge('max(lag_by_shard) # the worst', { max: 50 })).toMatchObject({ is: 'reached' });
    expect(await judge('vector(12.5)', { min: 12.5, max: 12.5 })).toMatchObject({ is: 'reached' });
  });

  test.each([
    ['no_such_metric', 'no series'],
    ['lag_seconds > 100', 'no series'],
    ['vector(0) / 0', 'is NaN'],
    ['vector(1) / 0', 'is Infinity'],
    ['odd', 'is NaN'],
    ['12', 'is a scalar'],
    ['"text"', 'is a string'],
    ['lag_seconds[1m]', 'is a matrix'],
    ['lag_by_shard', '1 of 2 series'],
    ['lag_seconds{', 'answered 400: '],
  ])('%s is unknown: %s', async (query, because) => {
    expect(await judge(query)).toMatchObject({ is: 'unknown', because: expect.stringContaining(because) });
  });

  test.each([
    'old_lag',
    'max(old_lag)',
    'old_lag + 1',
    'max by (job) (max_over_time(old_lag{job="test"}[3m]))',
    'lag_seconds + on(job) old_lag - 12.5',
  ])('an old sample is unknown, also within an expression: %s', async (query) => {
    expect(await judge(query)).toMatchObject({ is: 'unknown', because: expect.stringMatching(/old, at most/) });
    expect(await judge(query, { maxAgeMs: 150_000 })).toMatchObject({ is: 'reached' });
  });

  test('a default is no evidence, and what is made of no series is as old as its answer', async () => {
    expect(await judge('no_such_metric or vector(0)')).toMatchObject({ is: 'unknown', because: expect.stringContaining('how old') });
    expect(await judge('vector(0)')).toMatchObject({ is: 'reached' });
  });

  test('the age that is told is the sample’s', async () => {
    const { because } = await judge('old_lag', { maxAgeMs: 150_000 });
    const ageS = Number(/, ([\d.]+) s old$/.exec(because)?.[1]);
    expect(ageS).toBeGreaterThanOrEqual(OLD_S);
    expect(ageS).toBeLessThan(OLD_S + 10);
  });

  test('one that is stopped is unknown within the deadline', async () => {
    await using h = await gate({ query: 'lag_seconds', max: 30 });
    expect(await h.read()).toMatchObject({ is: 'reached' });
    server.signal('SIGSTOP');
    try {
      const stop = new AbortController();
      const reading = h.read({}, stop.signal);
      stop.abort(new DeadlineError('the step', 100));
      expect(await reading).toMatchObject({ is: 'unknown' });
    } finally {
      server.signal('SIGCONT');
    }
  });
});
