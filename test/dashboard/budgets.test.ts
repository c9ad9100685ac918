// What dependencies take against what they may: the API's own matrix and health document as rows, three-valued, worst first.
import { describe, expect, test } from 'vitest';
import { healthDetail } from '../../src/api/health-detail.ts';
import type { ObjectiveCell, PlatformObjectives } from '../../src/client/schema.ts';
import { budgetRows, cellName, cellText, databaseTrouble, healthRows, lossText, regionsOf } from '../../src/dashboard/page/records.ts';
import { matrixOf } from '../../src/objectives/matrix.ts';
import { healthFacts } from '../api/fixture.ts';
import { CALM, provedIn, type Records, seenOf, shopWith } from '../api/platforms.fixture.ts';
import { by, cell, NOW_MS, SHIPPED, shop } from '../objectives/fixture.ts';
import { EAST, WEST } from '../runbook/platforms.ts';

describe('the matrix', () => {
  const measured = [by(WEST, [cell({ ms: 182 })]), by(EAST, [cell({ ms: 11 })])];
  const matrix = matrixOf(shop, SHIPPED, measured, NOW_MS) as unknown as PlatformObjectives;

  test('has a row for each dependency, and in it what each region measured', () => {
    const rows = budgetRows(matrix);
    const east = rows.find(({ objective, to }) => objective === 'postgres' && to === EAST);
    expect(east).toMatchObject({ of: 'orders', maxMs: 100, role: 'gate' });
    expect([east?.cells.get(WEST)?.verdict, east?.cells.get(EAST)?.verdict]).toEqual(['breach', 'good']);
    // Nobody measured the other Temporal: it has a row all the same, and nothing in it is good.
    const rtt = rows.filter(({ objective }) => objective === 'rtt');
    expect(rtt.length).toBeGreaterThan(0);
    expect(rtt.flatMap(({ cells }) => [...cells.values()].map(({ verdict }) => verdict)).every((verdict) => verdict === 'unknown')).toBe(
      true,
    );
  });

  test('every cell has its place exactly once', () => {
    const placed = budgetRows(matrix).flatMap(({ cells }) => [...cells.values()]);
    expect(placed).toHaveLength(matrix.cells.length);
    expect(new Set(placed)).toEqual(new Set(matrix.cells));
    expect(regionsOf(matrix).toSorted()).toEqual([WEST, EAST].toSorted());
  });

  test('what each region asks of its own Prometheus is one row', () => {
    const own = (region: string): ObjectiveCell => ({
      ...(matrix.cells[0] as ObjectiveCell),
      objective: 'waits',
      of: 'waits',
      from: region,
      to: region,
    });
    const rows = budgetRows({ ...matrix, cells: [own(WEST), own(EAST)] });
    expect(rows.map(({ objective, to, cells }) => [objective, to, [...cells.keys()]])).toEqual([['waits', null, [WEST, EAST]]]);
  });

  test('a figure that is not there is said to be missing, and why', () => {
    const told = { samples: 20, lost: 18, ms: null };
    expect(cellText({ ...told, verdict: 'breach' })).toBe('18 of 20 no answer');
    expect(cellText({ ...told, verdict: 'unknown' })).toBe('not measured');
    expect(cellText({ ...told, ms: 182, verdict: 'breach' })).toBe('182 ms');
    expect(cellName({ objective: 'postgres', of: 'orders', from: WEST, to: EAST })).toBe('postgres orders in us-east, from eu-west');
    expect(cellName({ objective: 'llm', of: 'llm', from: EAST, to: EAST })).toBe('llm within us-east');
  });
});

test('health: what fails first, then what warns, each with its value and unit; nothing is left out', () => {
  const facts = healthFacts({
    store: { ...healthFacts().store, answeredAgoMs: 12_000, complaint: 'no leader', lastTookMs: { get: null, txn: 1_400 } },
  });
  const detail = healthDetail(facts, () => '2026-11-22T03:12:00Z');
  const rows = healthRows(detail);
  expect(rows).toHaveLength(Object.values(detail.checks).flat().length);
  expect(rows.map(({ state }) => state)).toEqual(
    rows.map(({ state }) => state).toSorted((a, b) => ['fail', 'warn', 'pass'].indexOf(a) - ['fail', 'warn', 'pass'].indexOf(b)),
  );
  expect(rows[0]).toMatchObject({ name: 'store:answeredAgo', id: 'etcd', state: 'fail', value: '12 s' });
  expect(rows[0]?.because).toContain('no leader');
  expect(rows.find(({ name, id }) => name === 'store:responseTime' && id === 'txn')).toMatchObject({ state: 'warn', value: '1400 ms' });
  expect(rows.find(({ name, id }) => name === 'store:responseTime' && id === 'get')?.value).toBe('not known');
  expect(rows.find(({ name }) => name === 'vote:counted')?.value).toBe('yes');
});

describe('data', () => {
  const seen = (records: Records) => {
    const [database] = seenOf([shopWith()], records)[0]?.databases ?? [];
    if (database === undefined) throw new Error('the fixture has a database');
    return database;
  };

  test('a loss reads as the API says it', () => {
    const [standby] = seen({
      ...CALM,
      lag: { databases: { orders: { [EAST]: { ms: 3_200, bytes: 48_000_000, atMs: NOW_MS } } } },
    }).standbys;
    expect(lossText(standby as NonNullable<typeof standby>)).toBe('3.2 s / 48 MB');
    expect(standby?.because).toContain('3.2 s / 48 MB');
    expect(lossText({ lagMs: null, lagBytes: null })).toBe('an unknown time / unknown bytes');
    expect(lossText({ lagMs: 400, lagBytes: 1_200_000 })).toBe('400 ms / 1.2 MB');
  });

  test('a writer that is proved is no trouble; a split, a lost proof, no proof yet and a human’s word are', () => {
    expect(databaseTrouble(seen(CALM))).toBeNull();
    const split = { atMs: NOW_MS, regions: [WEST, EAST], because: 'both take writes' };
    expect(databaseTrouble(seen({ tiers: { 'shop/orders': provedIn(WEST, { split }) } }))).toEqual({
      state: 'fail',
      says: 'eu-west and us-east both take writes: no route of its services moves',
    });
    expect(databaseTrouble(seen({ tiers: { 'shop/orders': provedIn(null) } }))?.state).toBe('fail');
    expect(databaseTrouble(seen({}))).toEqual({ state: 'warn', says: 'proved writable nowhere: no row was written and read back yet' });
    const settled = { by: 'ana', reason: 'eu-west burnt down', atMs: NOW_MS, before: null };
    expect(databaseTrouble(seen({ tiers: { 'shop/orders': provedIn(EAST, { settled }) } }))).toEqual({
      state: 'warn',
      says: 'by the word of ana: eu-west burnt down',
    });
  });
});
