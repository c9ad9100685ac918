// Forecasts held against what then happened: the same region dies in a world of the production code on virtual time, after it was asked what would follow.
import { expect, test } from 'vitest';
import { type Sight, snapshotOf } from '../../src/coordinate/read.ts';
import type { Override, OverrideScope, Page, Route } from '../../src/model.ts';
import { type Forecast, forecast } from '../../src/whatif/forecast.ts';
import type { Hypothesis } from '../../src/whatif/hypothesis.ts';
import { duration, type Named, optionsFrom } from '../world/line.ts';
import { World } from '../world.ts';

interface Happened {
  atMs: number;
  because: string;
  routes: Readonly<Record<string, Route>>;
}

/** Ages are of the day; everything else of a sentence must come true. */
const ageless = (sentence: string): string =>
  sentence.replace(/first fault [\d.]+ s ago/g, 'first fault some time ago').replace(/again in \d+ s/g, 'again in a while');

const routesOf = (services: Readonly<Record<string, { route: Route }>>): Happened['routes'] =>
  Object.fromEntries(Object.entries(services).map(([name, { route }]) => [name, route]));

/** Lets the world settle and `prepare` it, asks what would follow, lets it happen, and tells of both. */
const foreseen = async (
  named: Named,
  suppose: (nowMs: number) => readonly Hypothesis[],
  happen: (world: World) => Promise<void>,
  prepare: (world: World) => Promise<void> = async () => undefined,
): Promise<{ askedAtMs: number; told: Forecast; happened: readonly Happened[]; pages: readonly Page[] }> => {
  let seen: { sight: Sight; nowMs: number } | null = null;
  const happened: Happened[] = [];
  const pages: Page[] = [];
  const world = new World(optionsFrom(named), {
    sight: (_who, sight, nowMs, leads) => {
      if (leads) seen = { sight, nowMs };
    },
    decision: (atMs, routing) => void happened.push({ atMs, because: routing.because, routes: routesOf(routing.services) }),
    page: (_atMs, page) => void pages.push(page),
  });
  await world.start();
  await world.run(60_000);
  await prepare(world);
  const { sight, nowMs } = seen as unknown as { sight: Sight; nowMs: number };
  const snapshot = snapshotOf(sight, { epoch: 1, by: world.coordinatorPlace() ?? '', nonce: 'n' });
  if (snapshot === null) throw new Error('no cluster is known');
  const told = forecast(snapshot, suppose(nowMs), { nowMs, horizonMs: 120_000 });
  const askedAtMs = world.now();
  happened.length = 0;
  pages.length = 0;
  await happen(world);
  return { askedAtMs, told, happened, pages };
};

const lost =
  (...regions: readonly string[]) =>
  async (world: World): Promise<void> => {
    for (const region of regions) {
      world.health(region, ['healthz', 'readyz'], 'hang');
      world.kill(region);
    }
    await world.run(duration('2m'));
  };

const down = (...regions: readonly string[]): readonly Hypothesis[] => regions.map((region) => ({ kind: 'region-down', region }));

const cases: readonly { name: string; named: Named; regions: readonly string[] }[] = [
  { name: 'one region of three', named: { regions: 'a,b,c' }, regions: ['b'] },
  { name: 'the region of 100/0 that carries everything', named: { regions: 'a,b,c', weights: '100,0,0' }, regions: ['a'] },
  { name: 'the first in line', named: { regions: 'a,b,c', steering: 'priority' }, regions: ['a'] },
  {
    name: 'several replicas and targets, twenty services',
    named: { regions: 'a,b,c', replicas: '2', targets: '3', count: '20' },
    regions: ['c'],
  },
  { name: 'two regions and a witness', named: { regions: 'a,b,w', weights: '1,1,-1' }, regions: ['b'] },
  { name: 'two voters', named: { regions: 'a,b', vote: 'a,b' }, regions: ['b'] },
  // Of this seed: in others the first is decided before the last vote on the second is read, and does not tell that it waits.
  { name: 'two regions of five, one after the other', named: { regions: 'a,b,c,d,e', seed: '2' }, regions: ['d', 'e'] },
  { name: 'two of three at once, which nobody is left to judge', named: { regions: 'a,b,c' }, regions: ['b', 'c'] },
  { name: 'advice', named: { regions: 'a,b,c', mode: 'advise' }, regions: ['b'] },
];

for (const { name, named, regions } of cases)
  test(`what was foreseen of a region's death came true: ${name}`, async () => {
    const { told, happened, pages } = await foreseen(named, () => down(...regions), lost(...regions));
    const moved = happened.filter(({ because }) => because.includes('traffic leaves'));
    const steps = told.steps.filter(({ changes }) => changes.length > 0);
    expect(steps.map(({ because }) => ageless(because))).toEqual(moved.map(({ because }) => ageless(because)));
    const last = happened.at(-1)?.routes ?? null;
    if (last !== null) expect(Object.fromEntries(told.services.map(({ service, after }) => [service, after]))).toEqual(last);
    expect(told.pages.map(({ type }) => type)).toEqual(pages.map(({ type }) => type).filter((type) => !type.startsWith('provider.')));
  }, 60_000);

test('of a quiet world nothing is foreseen, and nothing happens', async () => {
  const { told, happened } = await foreseen(
    { regions: 'a,b,c' },
    () => [],
    (world) => world.run(duration('2m')),
  );
  expect([told.steps, happened]).toEqual([[], []]);
});

// ---- orders, and the rules that judge them ----

interface Ordered {
  name: string;
  named?: Named;
  prepare?: (world: World) => Promise<void>;
  kind: Override['kind'];
  scope: OverrideScope;
  ttlMs: number;
  startsInMs?: number;
  more?: Pick<Override, 'weights' | 'breakGlass' | 'approval'>;
  /** The rule that refuses it. */
  refusedBy?: string;
  /** At least so many decisions follow. */
  decisions: number;
}

/** Settings as a `cluster` line says them. */
const rules = (settings: object): Named => ({ rules: JSON.stringify(settings).replaceAll(' ', '_') });

const CONTROLS = { controls: ['web/a', 'web/b', 'web/c'] };
const COUNTING = { threshold: 1, inverted: false, waitPeriodMs: 0 };
const b = { region: 'b' };

const orderCases: readonly Ordered[] = [
  { name: 'a drain that ends', kind: 'drain', scope: b, ttlMs: 30_000, decisions: 3 },
  { name: 'a drain that begins later', kind: 'drain', scope: b, ttlMs: 30_000, startsInMs: 25_000, decisions: 3 },
  {
    name: 'a dead pool put in, and what follows when that ends',
    prepare: async (world) => {
      world.health('b', ['healthz', 'readyz'], 'hang');
      await world.run(30_000);
    },
    kind: 'force-in',
    scope: b,
    ttlMs: 40_000,
    decisions: 2,
  },
  {
    name: 'a dead pool put in that would carry everything',
    named: { weights: '100,0,0' },
    prepare: async (world) => {
      world.health('a', ['healthz', 'readyz'], 'hang');
      await world.run(30_000);
    },
    kind: 'force-in',
    scope: { region: 'a' },
    ttlMs: 40_000,
    refusedBy: 'never-empty',
    decisions: 2,
  },
  { name: 'pinned shares', kind: 'pin', scope: { service: 'web' }, ttlMs: 40_000, more: { weights: { a: 900, c: 100 } }, decisions: 3 },
  { name: 'a region evacuated', kind: 'evacuate', scope: b, ttlMs: 40_000, decisions: 3 },
  { name: 'the coordinator’s region evacuated', kind: 'evacuate', scope: { region: 'c' }, ttlMs: 40_000, decisions: 3 },
  {
    name: 'capacity, by a report',
    named: rules({ load: 300, capacities: { a: 400, b: 400, c: 400 }, capacity: { headroomPercent: 90 } }),
    prepare: async (world) => {
      await world.hand.report('web', 900, { a: 400, b: 400, c: 400 }, 60_000);
      await world.run(5_000);
    },
    kind: 'drain',
    scope: b,
    ttlMs: 600_000,
    refusedBy: 'capacity',
    decisions: 2,
  },
  {
    name: 'velocity, until the window has passed',
    named: rules({ velocity: { percent: 50, windowMs: 60_000 } }),
    prepare: async (world) => {
      await world.hand.order('first', 'pin', { service: 'web' }, 600_000, 'ana', 'works', { weights: { a: 600, b: 400 } });
      await world.run(5_000);
    },
    kind: 'drain',
    scope: b,
    ttlMs: 600_000,
    refusedBy: 'velocity',
    decisions: 2,
  },
  {
    name: 'a freeze window, until it closes',
    named: rules({
      'freeze-windows': { windows: [{ name: 'quiet', cron: '13 3 * * *', timezone: 'UTC', durationMs: 90_000, drains: false }] },
    }),
    prepare: (world) => world.run(5_000),
    kind: 'drain',
    scope: b,
    ttlMs: 600_000,
    refusedBy: 'freeze-windows',
    decisions: 2,
  },
  {
    name: 'an assertion',
    named: rules({ assertion: { rules: [{ ...COUNTING, name: 'all', type: 'AND', ...CONTROLS }] } }),
    kind: 'drain',
    scope: b,
    ttlMs: 60_000,
    refusedBy: 'assertion',
    decisions: 2,
  },
  {
    name: 'an assertion that two persons pass by break-glass',
    named: rules({ assertion: { rules: [{ ...COUNTING, name: 'all', type: 'AND', ...CONTROLS }] } }),
    kind: 'drain',
    scope: b,
    ttlMs: 50_000,
    more: { breakGlass: true, approval: { by: 'boris', atMs: 0 } },
    decisions: 3,
  },
  {
    name: 'a gate',
    named: {
      ...rules({ gating: { rules: [{ ...COUNTING, name: 'gate', type: 'OR', gates: ['web/a'], targets: ['web/b'] }] } }),
      weights: '0,1,1',
    },
    kind: 'drain',
    scope: b,
    ttlMs: 60_000,
    refusedBy: 'gating',
    decisions: 2,
  },
];

/** A forecast looks at every second, a coordinator twice as often and over wires. */
const CLOSE_MS = 2500;

for (const { name, named = {}, prepare, kind, scope, ttlMs, startsInMs, more = {}, refusedBy, decisions } of orderCases)
  test(`what was foreseen of an order came true: ${name}`, async () => {
    const suppose = (nowMs: number): readonly Hypothesis[] => {
      const beginsAtMs = nowMs + (startsInMs ?? 0);
      const start = startsInMs === undefined ? {} : { startsAtMs: beginsAtMs };
      const times = { createdAtMs: nowMs, expiresAtMs: beginsAtMs + ttlMs, ...start };
      return [{ kind: 'override', override: { id: 'o', kind, scope, reason: 'works', owner: 'ana', ...times, ...more } }];
    };
    const extras = { ...more, ...(startsInMs === undefined ? {} : { startsInMs }) };
    const { askedAtMs, told, happened, pages } = await foreseen(
      { regions: 'a,b,c', ...named },
      suppose,
      async (world) => {
        await world.hand.order('o', kind, scope, ttlMs, 'ana', 'works', extras);
        await world.run(120_000);
      },
      prepare,
    );
    expect(happened.map(({ because }) => ageless(because))).toEqual(told.steps.map(({ because }) => ageless(because)));
    for (const [i, { afterMs }] of told.steps.entries())
      expect(Math.abs((happened[i]?.atMs ?? 0) - askedAtMs - afterMs)).toBeLessThan(CLOSE_MS);
    expect(Object.fromEntries(told.services.map(({ service, after }) => [service, after]))).toEqual(happened.at(-1)?.routes);
    // Pages of one decision have no order.
    const written = pages.map(({ type }) => type).filter((type) => !type.startsWith('provider.'));
    expect(told.pages.map(({ type }) => type).sort()).toEqual(written.sort());
    expect([...new Set(told.refusals.map(({ rule }) => rule))]).toEqual(refusedBy === undefined ? [] : [refusedBy]);
    expect(happened.length).toBeGreaterThanOrEqual(decisions);
  }, 60_000);
