// The big world is what it says, every time, and what it tells of its changes can be looked up.
import { expect, test } from 'vitest';
import { overviewDocument } from '../../src/api/overview.ts';
import { listen } from '../api/events.fixture.ts';
import { BIG, openBigWorld } from './big-world.ts';

const SMALL = { services: 12, regions: 6 };

test('200 services in 20 regions are the same each time', async () => {
  await using one = await openBigWorld({ frozen: true });
  await using other = await openBigWorld({ frozen: true });
  const [first, second] = [overviewDocument(one.input()), overviewDocument(other.input())];
  expect(second).toEqual(first);
  expect([first.services.length, first.regions.length, first.incidents.length, first.overrides.items.length]).toEqual([
    BIG.services,
    BIG.regions,
    20,
    30,
  ]);
  expect(one.sight().incidents).toHaveLength(50);
  expect(first.regions.filter(({ pools }) => pools.down > 0).map(({ name }) => name)).toEqual(['region-04', 'region-12']);
});

test('a region dies and comes back; each is told, and is in the overview that is asked for then', async () => {
  await using world = await openBigWorld({ size: SMALL, frozen: true });
  const reader = await listen(world.port);
  const cardOf = async (name: string) => {
    const { regions } = (await (await fetch(`${world.url}/v1/overview`)).json()) as ReturnType<typeof overviewDocument>;
    return regions.find((each) => each.name === name);
  };
  try {
    const v = world.v();
    await world.die('region-02');
    await reader.until((frames) => frames.some(({ event, data }) => event === 'decision.made' && data.data.v === v + 1));
    expect(await cardOf('region-02')).toMatchObject({ state: 'silent', pools: { down: 12 }, sharesSum: { actual: 0 } });
    await world.comeBack('region-02');
    await reader.until((frames) => frames.some(({ data }) => data.data.v === v + 2));
    expect(await cardOf('region-02')).toMatchObject({ state: 'ok', pools: { up: 12 } });
    await world.silence('region-02');
    expect(await cardOf('region-02')).toMatchObject({ state: 'silent', pools: { up: 12 }, doubts: 0 });
  } finally {
    reader.close();
  }
});

test('it can be driven, and an order that is given to it is seen', async () => {
  await using world = await openBigWorld({ size: SMALL });
  const reader = await listen(world.port);
  try {
    const stop = world.drive(50);
    await reader.until((frames) => frames.filter(({ event }) => event === 'decision.made').length >= 5);
    await stop();
    expect(reader.frames.map(({ event }) => event)).not.toContain('stream.closed');
    expect(world.sight().overrides?.items).toHaveLength(30);
  } finally {
    reader.close();
  }
});
