// Services whose provider stands before their pools: no answer of DNS shows where users land, so real requests to the service's own name do.
import { afterEach, describe, expect, test } from 'vitest';
import { createConvergeWatcher } from '../../src/converge/watcher.ts';
import { seenKey } from '../../src/coordinate/keys.ts';
import type { Route, Seen } from '../../src/model.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual } from '../virtual.ts';
import { ALL, clusterOf, fakeNet, NO_EU, NS1, poolOf, REGIONS, RESOLVER, routingOf, START_WALL_MS, serviceOf } from './fixture.ts';

const WEB = 'web.example.test';
/** The provider's own address. */
const EDGE = '203.0.113.200';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const stage = () => {
  const virtual = createVirtual({ startWallMs: START_WALL_MS, seed: 7 });
  const process = virtual.spawn('us-east');
  const net = fakeNet(virtual);
  net.serves.set(RESOLVER, [[EDGE]]);
  net.behind.set(EDGE, REGIONS);
  const store = openEmbedded({ file: ':memory:', ports: virtual.ports });
  const landings: string[] = [];
  const log = recordingLog();
  const watcher = createConvergeWatcher({
    ports: process.ports,
    log,
    store,
    region: 'us-east',
    replica: 'a',
    boot: 'boot-1',
    dnsQuery: net.dnsQuery,
    httpGet: net.httpGet,
    onLanding: (service, fence) => landings.push(`${service} ${fence}`),
  });
  stops.push(async () => {
    await watcher.stop();
    await store.close();
  });
  const pools = REGIONS.map((region) => poolOf(region, { answers: [] }));
  const cluster = clusterOf([serviceOf({ pools })]);
  return {
    virtual,
    net,
    log,
    landings,
    show: (fence: number, route: Route): void => watcher.update({ cluster, routing: routingOf({ [WEB]: { fence, route } }) }),
    seen: async () => ((await store.get({ keys: [seenKey('us-east', 'a')] })).kvs[0]?.value as Seen | undefined)?.services[WEB],
  };
};

describe('a drain behind a proxy', () => {
  test('has landed once twenty requests in a row met no region without a share; no server is asked for t5', async () => {
    const { virtual, net, show, seen, landings } = stage();
    show(7, NO_EU);
    await virtual.advance(10_000);
    expect(landings).toEqual([]);
    expect((await seen())?.because).toContain('answered by eu-west, which has no share');
    const changedAtMs = virtual.now();
    net.behind.set(EDGE, ['us-east', 'ap-south']);
    await virtual.advanceUntil(() => landings.length > 0, 10_000);
    await virtual.advance(200);
    const entry = await seen();
    expect(entry).toMatchObject({ authoritativeAgeMs: null, because: 'landed' });
    // The instant is that of the first of them.
    expect(virtual.now() - (entry?.landedAgeMs ?? 0)).toBeLessThan(changedAtMs + 2000);
    expect(net.asked.get(NS1)).toBeUndefined();
  });

  test('is taken back when a request lands there again', async () => {
    const { virtual, net, show, seen, log } = stage();
    net.behind.set(EDGE, ['us-east', 'ap-south']);
    show(7, NO_EU);
    await virtual.advance(6000);
    expect((await seen())?.landedAgeMs).not.toBeNull();
    net.behind.set(EDGE, REGIONS);
    await virtual.advance(60_000);
    expect((await seen())?.landedAgeMs).toBeNull();
    expect(log.lines.some(({ event }) => event === 'converge.drift')).toBe(true);
  });

  test('is not seen where the replies name no region, or nobody resolves the name', async () => {
    const { virtual, net, show, seen, landings } = stage();
    net.serves.set(RESOLVER, [[]]);
    show(7, NO_EU);
    await virtual.advance(5000);
    expect((await seen())?.because).toContain('answers without an address');
    net.serves.set(RESOLVER, null);
    await virtual.advance(10_000);
    expect((await seen())?.because).toContain('no answer within');
    expect(landings).toEqual([]);
  });
});

test('a weight change behind a proxy is judged by presence: every region with a share worth the name has served a request', async () => {
  const { virtual, net, show, seen, landings } = stage();
  net.behind.set(EDGE, ['us-east', 'ap-south']);
  show(8, ALL);
  await virtual.advance(30_000);
  expect(landings).toEqual([]);
  expect((await seen())?.because).toBe('good answers, not for long enough yet');
  net.behind.set(EDGE, ['us-east', 'ap-south', 'us-east', 'eu-west']);
  await virtual.advance(2000);
  expect(landings).toEqual([`${WEB} 8`]);
});
