// What replicas measured, folded: whose word counts, what is unknown, what helps, and what a recovery waits for.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shippedObjectives } from '../../src/config/objectives.ts';
import { matrixOf, recoveryIn } from '../../src/objectives/matrix.ts';
import type { MatrixCell, MeasuredBy, MeasuredCell, PlatformMatrix } from '../../src/objectives/model.ts';
import { dependenciesOf, objectivesOf } from '../../src/objectives/objective.ts';
import type { Recovery } from '../../src/runbook/kind.ts';
import type { ObjectiveConfig, PlatformConfig } from '../../src/runbook/platform.ts';
import { cold, EAST, hot, WEST } from '../runbook/platforms.ts';
import { by, cell, NOW_MS, SHIPPED, shop } from './fixture.ts';

const matrix = (records: readonly MeasuredBy[], platform: PlatformConfig = shop): PlatformMatrix =>
  matrixOf(platform, SHIPPED, records, NOW_MS);
const postgres = (records: readonly MeasuredBy[], from = WEST, to = EAST): MatrixCell => {
  const found = matrix(records).cells.find((each) => each.objective === 'postgres' && each.from === from && each.to === to);
  if (found === undefined) throw new Error('there is no such cell');
  return found;
};
const withOwn = (...objectives: readonly ObjectiveConfig[]): PlatformConfig => ({ ...shop, objectives });

describe('what a platform is held to', () => {
  test('the shipped ones, with what it says differently, without what is off, and its own', () => {
    const platform = withOwn(
      { name: 'rtt', off: true },
      { name: 'postgres', maxMs: 50, role: 'recovery' },
      { name: 'waits', preset: 'core', system: 'metrics' },
      { name: 'queue', kind: 'promql', maxMs: 900, query: 'q', unit: 'ms', system: { [EAST]: 'metrics-east' } },
    );
    const all = objectivesOf(SHIPPED, platform);
    expect(all.map(({ name, maxMs, role }) => [name, maxMs, role])).toEqual([
      ['postgres', 50, 'recovery'],
      ['waits', 2_000, 'recovery'],
      ['queue', 900, 'advice'],
    ]);
    expect(all[1]?.query).toEqual({ query: 'core_ms', unit: 'ms' });
    const measured = all
      .flatMap((each) => dependenciesOf(platform, each))
      .map(({ objective, of, to, system }) => [objective, of, to, system]);
    expect(measured).toEqual([
      ['postgres', 'orders', EAST, 'sql-east'],
      ['postgres', 'orders', WEST, 'sql-west'],
      ['waits', 'waits', EAST, 'metrics'],
      ['waits', 'waits', WEST, 'metrics'],
      ['queue', 'queue', EAST, 'metrics-east'],
    ]);
  });

  test('a query of its own is asked in place of a shipped preset, and a chosen preset in place of a shipped query', () => {
    const own = objectivesOf(SHIPPED, withOwn({ name: 'waits', query: 'mine', unit: 'ms', system: 'm' }));
    expect(own.find(({ name }) => name === 'waits')?.query).toEqual({ query: 'mine', unit: 'ms' });
    const shipped: readonly ObjectiveConfig[] = [{ ...SHIPPED[2]!, query: 'shipped', unit: 's' }];
    expect(objectivesOf(shipped, withOwn({ name: 'waits', preset: 'core' }))[0]?.query).toEqual({ query: 'core_ms', unit: 'ms' });
  });

  test('frontends: those of its own clusters, or those that are named beside the cloud', () => {
    const frontends = (platform: PlatformConfig) =>
      dependenciesOf(platform, objectivesOf(SHIPPED, platform)[0]!).map(({ to, system }) => [to, system]);
    const both = [
      [EAST, 'temporal-us-east'],
      [WEST, 'temporal-eu-west'],
    ];
    expect(frontends(hot)).toEqual(both);
    expect(frontends(cold)).toEqual(both);
    const [{ frontend: _frontend, ...alone }] = cold.namespaces as [PlatformConfig['namespaces'][number]];
    expect(frontends({ ...cold, namespaces: [alone] })).toEqual([]);
  });

  test('the numbers of the guide, as they are shipped', () => {
    const all = objectivesOf(shippedObjectives(), shop);
    expect(Object.fromEntries(all.map(({ name, maxMs, role }) => [name, `${maxMs} ${role}`]))).toEqual({
      'temporal-round-trip': '150 advice',
      postgres: '100 gate',
      'workflow-schedule-to-start': '2000 recovery',
      'activity-schedule-to-start': '3000 recovery',
      'replication-lag': '30000 gate',
      llm: '4000 advice',
      'agent-step': '8000 advice',
    });
    expect(all.find(({ name }) => name === 'postgres')?.remedies).toHaveLength(3);
    expect(all.find(({ name }) => name === 'temporal-round-trip')?.quantile).toBe(0.5);
  });
});

describe('the matrix', () => {
  test('every region beside every dependency, unknown until somebody has measured it', () => {
    const { cells, objectives } = matrix([]);
    expect(cells.map(({ objective, from, to }) => `${objective} ${from} ${to}`)).toEqual([
      `rtt ${EAST} ${EAST}`,
      `rtt ${WEST} ${EAST}`,
      `rtt ${EAST} ${WEST}`,
      `rtt ${WEST} ${WEST}`,
      `postgres ${EAST} ${EAST}`,
      `postgres ${WEST} ${EAST}`,
      `postgres ${EAST} ${WEST}`,
      `postgres ${WEST} ${WEST}`,
    ]);
    expect(cells.every(({ verdict, ageMs, ms }) => verdict === 'unknown' && ageMs === null && ms === null)).toBe(true);
    expect(cells[0]?.because).toBe(`nobody in ${EAST} has measured it in the last 60 s`);
    expect(objectives.map(({ name, measured }) => [name, measured])).toEqual([
      ['rtt', true],
      ['postgres', true],
      ['waits', false],
    ]);
  });

  test('a query is about the region that asks, and no other', () => {
    const platform = withOwn({ name: 'waits', system: 'metrics' });
    const found = matrix([by(WEST, [cell({ objective: 'waits', of: 'waits', to: WEST, ms: 1_999, samples: 1 })])], platform).cells.filter(
      ({ objective }) => objective === 'waits',
    );
    expect(found.map(({ from, to, verdict }) => [from, to, verdict])).toEqual([
      [EAST, EAST, 'unknown'],
      [WEST, WEST, 'good'],
    ]);
  });

  test.each([
    ['below the bound', {}, 'good', 'p95 20 ms; below 100 ms is wanted'],
    ['at the bound', { ms: 100 }, 'breach', 'p95 100 ms; below 100 ms is wanted'],
    ['some lost, and the rest fast', { lost: 1 }, 'good', 'p95 20 ms; below 100 ms is wanted; 1 of the last 20 got no answer'],
    ['most lost', { ms: null, lost: 4, because: 'refused' }, 'breach', '4 of the last 20 got no answer (refused); below 100 ms is wanted'],
    ['too few', { samples: 2 }, 'unknown', '2 looks so far, 3 are wanted'],
    ['too few, although fast or lost', { samples: 2, lost: 2, ms: null }, 'unknown', '2 looks so far, 3 are wanted'],
    ['not asked', { samples: 0, ms: null, because: 'no system is named' }, 'unknown', 'no system is named'],
  ] as const)('%s', (_name, over, verdict, because) => {
    expect(postgres([by(WEST, [cell(over)])])).toMatchObject({ verdict, because });
  });

  test('what was measured too long ago is unknown, by its record and its last look together', () => {
    const at = (atMs: number, agoMs: number) => postgres([by(WEST, [cell({ agoMs })], { atMs })]).verdict;
    expect(at(NOW_MS - 50_000, 10_000)).toBe('good');
    expect(at(NOW_MS - 50_000, 10_001)).toBe('unknown');
    expect(at(NOW_MS - 60_001, 0)).toBe('unknown');
    // A clock ahead of ours makes nothing fresher than new.
    expect(postgres([by(WEST, [cell({ agoMs: 0 })], { atMs: NOW_MS + 5_000 })]).ageMs).toBe(0);
  });

  test('of several replicas one that sees it over its bound counts, then one that sees it hold', () => {
    const good = by(WEST, [cell()], { replica: 'a' });
    const bad = by(WEST, [cell({ ms: 150 })], { replica: 'b' });
    const blind = by(WEST, [cell({ samples: 0, ms: null, because: 'no system' })], { replica: 'c' });
    expect(postgres([good, bad, blind])).toMatchObject({ verdict: 'breach', ms: 150 });
    expect(postgres([blind, good]).verdict).toBe('good');
    expect(postgres([blind]).verdict).toBe('unknown');
    expect(postgres([by(EAST, [cell({ ms: 150 })])]).verdict).toBe('unknown');
  });

  test('beside a breach between two regions: what it takes within the other, and what helps', () => {
    const far = by(WEST, [cell({ ms: 182 })]);
    const near = by(EAST, [cell({ ms: 130 })]);
    expect(postgres([far, near])).toMatchObject({
      because: `p95 182 ms; below 100 ms is wanted; within ${EAST} it takes 130 ms`,
      remedies: ['pin tools'],
    });
    expect(postgres([far, near], EAST)).toMatchObject({ verdict: 'breach', because: 'p95 130 ms; below 100 ms is wanted', remedies: [] });
    expect(postgres([by(WEST, [cell()])]).remedies).toEqual([]);
  });

  test('whatever is written there, each field is judged, and only what is fresh, enough and below is good', () => {
    const value = fc.option(fc.double({ min: 0, max: 300, noNaN: true }), { nil: null });
    const written = fc.record({
      region: fc.constantFrom(EAST, WEST, 'elsewhere'),
      replica: fc.constantFrom('a', 'b'),
      atMs: fc.integer({ min: NOW_MS - 90_000, max: NOW_MS + 1_000 }),
      to: fc.constantFrom(EAST, WEST, 'gone'),
      ms: value,
      samples: fc.nat(20),
      lost: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(written, { maxLength: 8 }), (all) => {
        const records = all.map(({ region, replica, atMs, ...rest }) => by(region, [cell({ ...rest, agoMs: 0 })], { replica, atMs }));
        const { cells } = matrix(records);
        expect(cells).toHaveLength(8);
        for (const found of cells.filter(({ verdict }) => verdict === 'good')) {
          expect(found.ms).toBeLessThan(found.maxMs);
          expect(found.ageMs).toBeLessThanOrEqual(60_000);
          expect(found.samples).toBeGreaterThanOrEqual(3);
        }
        expect(matrix(records.toReversed()).cells.map(({ verdict }) => verdict)).toEqual(cells.map(({ verdict }) => verdict));
      }),
    );
  });
});

describe('what a recovery waits for', () => {
  const platform = withOwn({ name: 'waits', system: 'metrics' });
  const recovery = (records: readonly MeasuredBy[], of: PlatformConfig = platform, maxAgeMs = 60_000): Recovery =>
    recoveryIn(of, WEST, maxAgeMs, records, NOW_MS, SHIPPED);
  const gaps = (...given: Parameters<typeof recovery>): readonly string[] => recovery(...given).gaps;
  const waits = (ms: number) => cell({ objective: 'waits', of: 'waits', to: WEST, ms, samples: 1 });

  test('of role recovery for what is not seen to hold in that region, measured or not', () => {
    expect(gaps([])).toEqual([`waits in ${WEST}: nobody in ${WEST} has measured it in the last 60 s`]);
    expect(gaps([by(WEST, [waits(2_400)])])).toEqual([`waits in ${WEST}: the query says 2400 ms; below 2000 ms is wanted`]);
    expect(gaps([by(WEST, [waits(400)])])).toEqual([]);
    expect(gaps([by(WEST, [waits(400)])], platform, 2_000)).toHaveLength(1);
  });

  test('of role gate only while it is seen over its bound there, and of advice never', () => {
    const local = (over: object) =>
      by(WEST, [waits(400), cell({ to: WEST, ...over }), cell({ objective: 'rtt', of: 'tenants', to: WEST, ms: 900 })]);
    expect(gaps([local({ samples: 0, ms: null })])).toEqual([]);
    expect(gaps([local({ ms: 101 })])).toEqual([`postgres orders in ${WEST}: p95 101 ms; below 100 ms is wanted`]);
    // From there to the region that was left, or from elsewhere, it may take what it takes.
    expect(gaps([by(WEST, [waits(400), cell({ to: EAST, ms: 900 })]), by(EAST, [cell({ to: WEST, ms: 900 })])])).toEqual([]);
  });

  test('the last looks alone count, and all of them have to be young enough: what was lost or fast before that says nothing', () => {
    const local = (over: Partial<MeasuredCell>) => [by(WEST, [waits(400), cell({ to: WEST, ...over })])];
    const wellNow = { ms: 20, samples: 3, lost: 0, agoMs: 25_000 };
    expect(recovery(local({ ms: null, lost: 2, lately: wellNow }))).toEqual({ gaps: [], seen: 2, of: 2 });
    expect(recovery(local({ ms: null, lost: 2, lately: wellNow }), platform, 27_000)).toEqual({ gaps: [], seen: 2, of: 2 });
    // The first of them is from before.
    expect(recovery(local({ lately: wellNow }), platform, 26_999)).toEqual({ gaps: [], seen: 1, of: 2 });
    expect(recovery(local({ lately: { ...wellNow, ms: null, lost: 1 } })).gaps).toEqual([
      `postgres orders in ${WEST}: 1 of the last 3 got no answer; below 100 ms is wanted`,
    ]);
    expect(recovery(local({ samples: 2, ms: 900, lately: null }))).toEqual({ gaps: [], seen: 1, of: 2 });
  });

  test('of a query that is named for another region only: it is unknown in this one, and so a gap', () => {
    const partly = withOwn({ name: 'waits', system: { [EAST]: 'metrics' } });
    const because = `no system is named that could be asked in ${WEST}`;
    expect(recovery([], partly)).toEqual({ gaps: [`waits in ${WEST}: ${because}`], seen: 0, of: 2 });
    expect(matrix([], partly).cells.at(-1)).toMatchObject({ from: WEST, to: WEST, verdict: 'unknown', because });
  });

  test('nothing where nothing is measured by which it could be told', () => {
    expect(gaps([], shop)).toEqual([]);
    expect(recovery([], shop)).toEqual({ gaps: [], seen: 0, of: 1 });
  });
});
