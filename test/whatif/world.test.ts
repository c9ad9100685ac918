// Forecasts held against what then happened: the same region dies in a world of the production code on virtual time, after it was asked what would follow.
import { expect, test } from 'vitest';
import { type Sight, snapshotOf } from '../../src/coordinate/read.ts';
import type { Page, Route } from '../../src/model.ts';
import { type Forecast, forecast } from '../../src/whatif/forecast.ts';
import type { Hypothesis } from '../../src/whatif/hypothesis.ts';
import { duration, type Named, optionsFrom } from '../world/line.ts';
import { World } from '../world.ts';

interface Happened {
  because: string;
  routes: Readonly<Record<string, Route>>;
}

/** Ages are of the day; everything else of a sentence must come true. */
const ageless = (sentence: string): string => sentence.replace(/first fault [\d.]+ s ago/g, 'first fault some time ago');

const routesOf = (services: Readonly<Record<string, { route: Route }>>): Happened['routes'] =>
  Object.fromEntries(Object.entries(services).map(([name, { route }]) => [name, route]));

/** Lets the world settle, asks what would follow, lets it happen, and tells of both. */
const foreseen = async (
  named: Named,
  hypotheses: readonly Hypothesis[],
  happen: (world: World) => Promise<void>,
): Promise<{ told: Forecast; happened: readonly Happened[]; pages: readonly Page[] }> => {
  let seen: { sight: Sight; nowMs: number } | null = null;
  const happened: Happened[] = [];
  const pages: Page[] = [];
  const world = new World(optionsFrom(named), {
    sight: (_who, sight, nowMs, leads) => {
      if (leads) seen = { sight, nowMs };
    },
    decision: (_atMs, routing) => void happened.push({ because: routing.because, routes: routesOf(routing.services) }),
    page: (_atMs, page) => void pages.push(page),
  });
  await world.start();
  await world.run(60_000);
  const { sight, nowMs } = seen as unknown as { sight: Sight; nowMs: number };
  const snapshot = snapshotOf(sight, { epoch: 1, by: world.coordinatorPlace() ?? '', nonce: 'n' });
  if (snapshot === null) throw new Error('no cluster is known');
  const told = forecast(snapshot, hypotheses, { nowMs, horizonMs: 120_000 });
  happened.length = 0;
  pages.length = 0;
  await happen(world);
  return { told, happened, pages };
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
  { name: 'two regions of five, one after the other', named: { regions: 'a,b,c,d,e' }, regions: ['d', 'e'] },
  { name: 'two of three at once, which nobody is left to judge', named: { regions: 'a,b,c' }, regions: ['b', 'c'] },
  { name: 'advice', named: { regions: 'a,b,c', mode: 'advise' }, regions: ['b'] },
];

for (const { name, named, regions } of cases)
  test(`what was foreseen of a region's death came true: ${name}`, async () => {
    const { told, happened, pages } = await foreseen(named, down(...regions), lost(...regions));
    const moved = happened.filter(({ because }) => because.includes('traffic leaves'));
    const steps = told.steps.filter(({ changes }) => changes.length > 0);
    expect(steps.map(({ because }) => ageless(because))).toEqual(moved.map(({ because }) => ageless(because)));
    const last = happened.at(-1)?.routes ?? null;
    if (last !== null) expect(Object.fromEntries(told.services.map(({ service, after }) => [service, after]))).toEqual(last);
    expect(told.pages.map(({ type }) => type)).toEqual(pages.map(({ type }) => type).filter((type) => !type.startsWith('provider.')));
  }, 60_000);

test('of a quiet world nothing is foreseen, and nothing happens', async () => {
  const { told, happened } = await foreseen({ regions: 'a,b,c' }, [], (world) => world.run(duration('2m')));
  expect([told.steps, happened]).toEqual([[], []]);
});
