// Forecasts against the core they run: they change nothing that they are given, skip no second in which something would happen, and never leave a route empty.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '../../src/decide/decide.ts';
import type { Snapshot } from '../../src/decide/snapshot.ts';
import type { Heard } from '../../src/health/chamber.ts';
import type { Override } from '../../src/model.ts';
import { type Forecast, forecast, forecasting, HORIZON_MAX_MS, STEPS_MAX } from '../../src/whatif/forecast.ts';
import { type Hypothesis, imagine } from '../../src/whatif/hypothesis.ts';
import { matrix } from '../../src/whatif/matrix.ts';
import { type Council, deepFreeze, seated } from '../decide/council.ts';
import { busy, clusters, frozen, play, REGIONS } from '../decide/histories.ts';
import { clusterOf } from '../world.ts';

const orderOf = (kind: Override['kind'], scope: Override['scope'], nowMs: number, fields: Partial<Override> = {}): Override => ({
  id: 'supposed',
  kind,
  scope,
  reason: 'works',
  owner: 'ana',
  createdAtMs: nowMs,
  expiresAtMs: nowMs + 3_600_000,
  ...fields,
});

const snapshotOf = (council: Council): Snapshot => council.snapshot(council.heard({}));
const changesOf = ({ steps }: Forecast) => steps.flatMap(({ changes }) => changes);

describe('a quiet cluster', () => {
  const council = seated(clusterOf(['a', 'b', 'c'], [{ name: 'web' }, { name: 'api' }]));
  const { nowMs } = council;

  test('without hypotheses nothing happens', () => {
    const { steps, pages, refusals, notes, services } = forecast(snapshotOf(council), [], { nowMs });
    expect({ steps, pages, refusals }).toEqual({ steps: [], pages: [], refusals: [] });
    expect(notes).toEqual(['nothing is under way']);
    expect(services.map(({ service, writes, converge }) => ({ service, writes, converge }))).toEqual([
      { service: 'web', writes: [], converge: null },
      { service: 'api', writes: [], converge: null },
    ]);
  });

  test('a region that dies loses its traffic at once, with its sentence, its page and what each provider would serve', () => {
    const told = forecast(snapshotOf(council), [{ kind: 'region-down', region: 'b' }], {
      nowMs,
      quantise: (provider, _service, route) => (provider === 'memory' ? { ...route, quantised: 1 } : null),
    });
    expect(told.steps.map(({ afterMs, v, because }) => ({ afterMs, v, because }))).toEqual([
      {
        afterMs: 0,
        v: (council.routing?.v ?? 0) + 1,
        because: expect.stringMatching(/^b down: 2 of 3 vantages \(needs 2\), first fault [\d.]+ s ago; traffic leaves$/),
      },
    ]);
    expect(told.pages).toEqual([{ severity: 'critical', type: 'region.drained', summary: expect.stringContaining('b down') }]);
    expect(told.services[0]).toMatchObject({
      service: 'web',
      after: { a: 500, b: 0, c: 500 },
      writes: [{ provider: 'memory', after: { a: 500, b: 0, c: 500, quantised: 1 } }],
      converge: { source: 'worst-case', samples: 0 },
    });
    expect(told.notes.join()).toMatch(/times count from the votes of a quorum/);
  });

  test('the coordinator dies with its region, and another region takes over; with no other, nobody decides', () => {
    expect(forecast(snapshotOf(council), [{ kind: 'region-down', region: 'a' }], { nowMs }).notes.join()).toMatch(
      /another region takes over first/,
    );
    const alone = seated({
      ...council.cluster,
      regions: council.cluster.regions.map((r) => ({ ...r, coordinator: r.name === 'a' })),
    });
    const told = forecast(snapshotOf(alone), [{ kind: 'region-down', region: 'a' }], { nowMs: alone.nowMs });
    expect(told.steps).toEqual([]);
    expect(told.notes.join()).toMatch(/nobody decides, and the last route stays/);
  });

  test('a vantage that is cut moves nothing; two of three that are cut let nothing be decided', () => {
    const one = forecast(snapshotOf(council), [{ kind: 'vantage-cut', region: 'c' }], { nowMs });
    expect(one.steps).toEqual([]);
    const two = forecast(
      snapshotOf(council),
      [
        { kind: 'vantage-cut', region: 'b' },
        { kind: 'vantage-cut', region: 'c' },
        { kind: 'pool-down', service: 'web', pool: 'b' },
      ],
      { nowMs },
    );
    expect(two.steps).toEqual([]);
    expect(two.notes.join()).toMatch(/1 of 3 vantages speak, a majority is 2/);
  });

  test('a target whose voters are cut is told by its own majority: all vantages may have one while it has none', () => {
    const five = ['a', 'b', 'c', 'd', 'e'];
    const cluster = clusterOf(five, [{ name: 'web' }]);
    const from = (pool: (typeof cluster.services)[number]['pools'][number]) => ({
      ...pool,
      targets: pool.targets.map((target) => ({ ...target, from: ['a', 'b', 'c'] })),
    });
    const narrow = seated({ ...cluster, services: cluster.services.map((each) => ({ ...each, pools: each.pools.map(from) })) });
    const cut = (...regions: readonly string[]): string =>
      forecast(
        snapshotOf(narrow),
        regions.map((region): Hypothesis => ({ kind: 'vantage-cut', region })),
        { nowMs: narrow.nowMs },
      ).notes.join();
    expect(cut('a', 'b')).toMatch(/1 of 3 vantages of web\/\S+ speak, a majority is 2: nothing there moves by health/);
    expect(cut('c', 'd', 'e')).not.toMatch(/a majority is/);
  });

  test('a pool that dies concerns its service alone', () => {
    const told = forecast(snapshotOf(council), [{ kind: 'pool-down', service: 'api', pool: 'a' }], { nowMs });
    expect(changesOf(told)).toEqual([{ service: 'api', before: { a: 334, b: 333, c: 333 }, after: { a: 0, b: 500, c: 500 } }]);
  });

  test('an order is obeyed when it begins, and its end is planned anew, not snapped back', () => {
    const order = orderOf('drain', { region: 'c' }, nowMs, { startsAtMs: nowMs + 30_500, expiresAtMs: nowMs + 90_000 });
    const told = forecast(snapshotOf(council), [{ kind: 'override', override: order }], { nowMs, horizonMs: 600_000 });
    const moves = told.steps.filter(({ changes }) => changes.length > 0).map(({ afterMs, changes }) => [afterMs, changes[0]?.after.c]);
    expect(moves[0]).toEqual([31_000, 0]);
    expect(moves[1]?.[0]).toBe(90_000);
    expect(moves[1]?.[1]).toBeGreaterThan(0);
    expect(moves[1]?.[1]).toBeLessThan(333);
    expect(moves.at(-1)?.[1]).toBe(333);
  });

  test('an order that begins and ends within a moment is not skipped over', () => {
    const order = orderOf('drain', { region: 'c' }, nowMs, { startsAtMs: nowMs + 100_000, expiresAtMs: nowMs + 102_000 });
    const told = forecast(snapshotOf(council), [{ kind: 'override', override: order }], { nowMs });
    expect(told.steps[0]?.afterMs).toBe(100_000);
  });

  test('what holds a pool out is taken back', () => {
    const drained = seated(council.cluster);
    drained.order('works', 'drain', { region: 'b' });
    drained.see({}, 500);
    const told = forecast(snapshotOf(drained), [{ kind: 'override-gone', id: 'works' }], { nowMs: drained.nowMs });
    expect(told.steps[0]?.because).toBe('b: the drain by a human ended');
    const nobody = forecast(snapshotOf(drained), [{ kind: 'override-gone', id: 'other' }], { nowMs: drained.nowMs });
    expect(nobody.steps).toEqual([]);
    expect(nobody.notes).toContain('no override is called "other": taking it back changes nothing');
  });

  test('with two voters nothing moves, and that is said', () => {
    const two = seated(clusterOf(['a', 'b'], [{ name: 'web' }]));
    const told = forecast(snapshotOf(two), [{ kind: 'pool-down', service: 'web', pool: 'b' }], { nowMs: two.nowMs });
    expect(told.services[0]?.writes).toEqual([]);
    expect(told.notes).toContain('with 2 voters (needs 3) nothing of web moves by itself: it is only advised and paged');
  });

  test('a second region waits for its turn', () => {
    const five = seated(clusterOf(['a', 'b', 'c', 'd', 'e'], [{ name: 'web' }]));
    const both = ['d', 'e'].map((region): Hypothesis => ({ kind: 'region-down', region }));
    const told = forecast(snapshotOf(five), both, { nowMs: five.nowMs });
    expect(told.holds).toContainEqual(expect.objectContaining({ hold: 'pacing' }));
    const drains = told.steps.filter(({ changes }) => changes.length > 0).map(({ afterMs }) => afterMs);
    expect(drains).toEqual([0, five.cluster.policy.pacingMs]);
  });

  test('capacity that is left is that of the tightest pool', () => {
    const known = seated({
      ...council.cluster,
      services: council.cluster.services.map((s) => ({
        ...s,
        load: 900,
        pools: s.pools.map((p) => ({ ...p, capacity: p.name === 'a' ? 400 : 1000 })),
      })),
    });
    const before = forecast(snapshotOf(known), [], { nowMs: known.nowMs }).services[0]?.capacity;
    expect(before).toMatchObject({ load: 900, capacity: 2400, leftPercent: 24.8, source: 'configured' });
    const after = forecast(snapshotOf(known), [{ kind: 'region-down', region: 'b' }], { nowMs: known.nowMs }).services[0]?.capacity;
    expect(after).toMatchObject({ leftPercent: -12.5, because: 'a would carry 450 of the 400 that it bears (configured)' });
  });

  test('the matrix has every region, and of each the services that something happens to', () => {
    const { regions } = matrix(snapshotOf(council), { nowMs });
    expect(regions.map(({ region, forecast: f }) => [region, f.services.map(({ service }) => service)])).toEqual(
      ['a', 'b', 'c'].map((region) => [region, ['web', 'api']]),
    );
  });

  test('whoever drives it may end it early, and that is said', () => {
    const run = forecasting(snapshotOf(council), [{ kind: 'region-down', region: 'b' }], { nowMs, horizonMs: HORIZON_MAX_MS });
    run.next(true);
    const { done, value } = run.next(false);
    expect(done).toBe(true);
    expect((value as Forecast).steps.length).toBe(1);
    expect((value as Forecast).notes.join()).toMatch(/cut short after 0 s: it took longer than a forecast may/);
  });
});

describe('whatever the state', () => {
  const hypotheses = (nowMs: number): fc.Arbitrary<readonly Hypothesis[]> => {
    const region = fc.constantFrom(...REGIONS);
    return fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('region-down' as const), region }),
        fc.record({ kind: fc.constant('pool-down' as const), service: fc.constantFrom('s0', 's1', 's2'), pool: region }),
        fc.record({ kind: fc.constant('vantage-cut' as const), region }),
        fc.record({ kind: fc.constant('override-gone' as const), id: fc.constantFrom('o0', 'o1', 'o2') }),
        fc
          .record({
            kind: fc.constantFrom<Override['kind']>('drain', 'freeze', 'stop'),
            pool: region,
            startMs: fc.integer({ min: 0, max: 90_000 }),
            ttlMs: fc.integer({ min: 1000, max: 90_000 }),
          })
          .map(({ kind, pool, startMs, ttlMs }): Hypothesis => {
            const override = orderOf(kind, { region: pool }, nowMs, { startsAtMs: nowMs + startMs, expiresAtMs: nowMs + startMs + ttlMs });
            return { kind: 'override', override };
          }),
      ),
      { maxLength: 3 },
    );
  };
  const HORIZON_MS = 150_000;

  /** The same, asked at every second. */
  const bySeconds = (snapshot: Snapshot, supposed: readonly Hypothesis[], nowMs: number) => {
    const { heard, overrides, by } = imagine(snapshot, supposed);
    let state = { routing: snapshot.routing, overrides, incidents: snapshot.incidents };
    const steps: { afterMs: number; because: string; changes: unknown }[] = [];
    const startMs = Math.max(nowMs, snapshot.routing?.atMs ?? 0);
    for (let ms = 0; ms <= HORIZON_MS && by !== null && steps.length < STEPS_MAX; ms += 1000) {
      const { next } = decide({ ...snapshot, ...state, heard: heard(ms), by, nonce: `what-if-${steps.length}` }, startMs + ms);
      if (next === undefined) continue;
      steps.push({ afterMs: ms, because: next.routing.because, changes: next.audit.changes.map(({ because: _, ...change }) => change) });
      const book = new Map([...state.incidents, ...next.incidents].map((i) => [i.id, i]));
      state = {
        routing: next.routing,
        overrides: next.overrides ?? state.overrides,
        incidents: [...book.values()].filter((i) => i.closedAtMs === null),
      };
    }
    return steps;
  };

  const inSomeState = (check: (snapshot: Snapshot, supposed: readonly Hypothesis[], nowMs: number) => void): void => {
    fc.assert(
      fc.property(clusters, fc.oneof(busy, frozen), fc.nat(60), fc.gen(), (cluster, moments, upTo, g) => {
        let last: readonly Heard[] = [];
        const council = play(cluster, moments.slice(0, upTo + 5), ({ heard }) => {
          last = heard;
        });
        const snapshot = council.snapshot(last);
        check(snapshot, g(hypotheses, council.nowMs), council.nowMs);
      }),
      { numRuns: 150 },
    );
  };

  test('it skips no second in which something would happen', () => {
    inSomeState((snapshot, supposed, nowMs) => {
      const { steps } = forecast(snapshot, supposed, { nowMs, horizonMs: HORIZON_MS });
      expect(steps.map(({ afterMs, because, changes }) => ({ afterMs, because, changes }))).toEqual(bySeconds(snapshot, supposed, nowMs));
    });
  }, 120_000);

  test('it changes nothing that it is given, and no route that it foresees is empty', () => {
    inSomeState((snapshot, supposed, nowMs) => {
      const copy = structuredClone(snapshot);
      const told = forecast(deepFreeze(snapshot), deepFreeze(supposed), { nowMs, horizonMs: HORIZON_MS });
      expect(snapshot).toEqual(copy);
      for (const { after } of changesOf(told)) {
        expect(Object.values(after).reduce((sum, share) => sum + share, 0)).toBe(1000);
        expect(Object.values(after).every((share) => share >= 0)).toBe(true);
      }
    });
  }, 120_000);
});
