// gate.promql against a real Prometheus: values, nothing, NaN, samples that are old, series that disagree, refusals; and backups, as audits ask for their age.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DeadlineError } from '../../src/ports.ts';
import type { BackupFacts, Unseen } from '../../src/runbook/facts.ts';
import type { BackupConfig } from '../../src/runbook/platform.ts';
import { backupFacts } from '../../src/runbook/prometheus/backup.ts';
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
      // As exporters of backups have them: pgBackRest's an age, kube-state-metrics a time, CloudNativePG's 0 where there is none.
      'backup_age_seconds{backup_type="full"} 90000',
      'backup_age_seconds{backup_type="incr"} 3600',
      `dump_time ${Math.round(Date.now() / 1000) - 7200}`,
      'none_yet 0',
      `dump_time_ms ${Date.now()}`,
      `old_lag 12.5 ${Math.round(Date.now() - OLD_S * 1000)}`,
      '',
    ].join('\n'),
  );
  const shows = async (query: string): Promise<boolean> =>
    (await (await fetch(`${server.url}/api/v1/query?query=${query}`)).text()).includes('12.5');
  await until('a scrape', async () => (await shows('old_lag')) && (await shows('lag_seconds')));
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

describe('how old a backup is, on a real Prometheus', () => {
  const ask = async (query: string, value: BackupConfig['value'], maxAgeMs = 300_000): Promise<BackupFacts | Unseen> =>
    backupFacts(value, await judge(query, { max: Number.MAX_VALUE, maxAgeMs }), Date.now());
  const hours = async (query: string, value: BackupConfig['value']): Promise<readonly number[]> => {
    const facts = await ask(query, value);
    return 'unseen' in facts ? [] : [facts.youngestMs, facts.oldestMs].map((ms) => Math.round(ms / 360_000) / 10);
  };

  test('an age, the least of several, an age that the query works out, and a time', async () => {
    expect(await hours('backup_age_seconds{backup_type="full"}', 'age')).toEqual([25, 25]);
    expect(await hours('min(backup_age_seconds)', 'age')).toEqual([1, 1]);
    expect(await hours('backup_age_seconds', 'age')).toEqual([1, 25]);
    expect(await hours('time() - dump_time', 'age')).toEqual([2, 2]);
    expect(await hours('max(dump_time)', 'timestamp')).toEqual([2, 2]);
    expect(await hours('none_yet', 'timestamp')).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });

  test.each([
    ['gone_backup', 'age', 'no series'],
    ['gone_backup or vector(0)', 'age', 'how old its samples are'],
    ['odd', 'timestamp', 'NaN'],
    ['dump_time', 'age', 'value: timestamp'],
    ['dump_time_ms', 'timestamp', 'ahead of our clock'],
    ['backup_age_seconds', 'timestamp', 'is it an age'],
    ['lag_seconds - 100', 'age', 'no age'],
  ] as const)('%s as %s is not known: %s', async (query, value, because) => {
    expect(await ask(query, value)).toEqual({ unseen: expect.stringContaining(because) });
  });

  test('a sample that nobody renews is not known, whatever it says', async () => {
    expect(await ask('old_lag', 'age')).toMatchObject({ youngestMs: 12_500 });
    expect(await ask('old_lag', 'age', 60_000)).toEqual({ unseen: expect.stringMatching(/old, at most 60 s/) });
  });
});
