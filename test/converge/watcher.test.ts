import { afterEach, describe, expect, test } from 'vitest';
import { createConvergeWatcher } from '../../src/converge/watcher.ts';
import { seenKey } from '../../src/coordinate/keys.ts';
import type { ClusterConfig, Routing, Seen } from '../../src/model.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type Store, StoreAmbiguousError } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual, type Virtual } from '../virtual.ts';
import { ALL, addressOf, clusterOf, fakeNet, NO_EU, NS1, NS2, REGIONS, RESOLVER, routingOf, START_WALL_MS, serviceOf } from './fixture.ts';

const [EU, US, AP] = REGIONS.map(addressOf) as [string, string, string];
const WEB = 'web.example.test';
const BEFORE = [[EU], [US], [AP]];
const AFTER = [[US], [AP]];

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const stage = (services = [serviceOf()]) => {
  const virtual = createVirtual({ startWallMs: START_WALL_MS, seed: 7 });
  const process = virtual.spawn('us-east');
  const net = fakeNet(virtual);
  for (const ns of [NS1, NS2]) net.serves.set(ns, BEFORE);
  net.caches.set(RESOLVER, { from: NS1, ttlMs: 10_000 });
  const log = recordingLog();
  const embedded = openEmbedded({ file: ':memory:', ports: virtual.ports });
  let writes = 0;
  const faults: ('before' | 'after')[] = [];
  const store: Store = {
    clusterId: embedded.clusterId,
    get: (query) => embedded.get(query),
    watch: (prefix, onEvent) => embedded.watch(prefix, onEvent),
    close: () => embedded.close(),
    async txn(txn) {
      writes += 1;
      const fault = faults.shift();
      if (fault === 'before') throw new StoreAmbiguousError('lost on the way');
      const result = await embedded.txn(txn);
      if (fault === 'after') throw new StoreAmbiguousError('the reply was lost');
      return result;
    },
  };
  const landings: string[] = [];
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
    // Whatever is under way ends by its signal; the virtual clock has to turn for nobody.
    await watcher.stop();
    expect(virtual.pendingTimers()).toBe(0);
    await embedded.close();
  });
  const cluster = clusterOf(services);
  const show = (routing: Routing, config: ClusterConfig = cluster): void => watcher.update({ cluster: config, routing });
  const record = async (): Promise<Seen | undefined> =>
    (await embedded.get({ keys: [seenKey('us-east', 'a')] })).kvs[0]?.value as Seen | undefined;
  /** The record of one service, with its ages turned into instants of the virtual clock; correct if it was written just now. */
  const seen = async (name = WEB) => {
    const entry = (await record())?.services[name];
    if (entry === undefined) throw new Error(`nothing is reported of ${name}`);
    return entry;
  };
  return { virtual, net, log, cluster, show, seen, record, landings, watcher, faults, writes: () => writes };
};

const shown = (fence: number, route = NO_EU): Routing => routingOf({ [WEB]: { fence, route } });

/** Lets a route land, and advances to a moment when everything is written. */
const landed = async (virtual: Virtual, landings: readonly string[], count = 1): Promise<void> => {
  await virtual.advanceUntil(() => landings.length >= count, 60_000);
  await virtual.advance(200);
};

describe('a drain', () => {
  test('is seen at the authoritative servers when the last one serves it, and lands when the cache has let the old answer go', async () => {
    const { virtual, net, show, seen, landings } = stage();
    show(shown(6, ALL));
    await landed(virtual, landings);
    expect(await seen()).toMatchObject({ fence: 6, because: 'landed' });

    // The resolver holds the drained address for its ten seconds from now on.
    await virtual.advance(15_000);
    net.cached(RESOLVER, [EU]);

    show(shown(7));
    await virtual.advance(1_000);
    expect(await seen()).toMatchObject({ fence: 7, authoritativeAgeMs: null, landedAgeMs: null });
    net.serves.set(NS1, AFTER);
    await virtual.advance(1_000);
    expect((await seen()).authoritativeAgeMs).toBeNull();
    const changedAtMs = virtual.now();
    net.serves.set(NS2, AFTER);
    await virtual.advance(1_200);
    const half = await seen();
    expect(half.authoritativeAgeMs).not.toBeNull();
    expect(half.landedAgeMs).toBeNull();
    expect(landings).toEqual([`${WEB} 6`]);

    await landed(virtual, landings, 2);
    const whole = await seen();
    expect(whole).toMatchObject({ fence: 7, because: 'landed' });
    const authoritativeAtMs = virtual.now() - (whole.authoritativeAgeMs ?? 0);
    const landedAtMs = virtual.now() - (whole.landedAgeMs ?? 0);
    // A round begins within half a second of the change; the record was written within a quarter of a second.
    expect(authoritativeAtMs).toBeGreaterThanOrEqual(changedAtMs);
    expect(authoritativeAtMs).toBeLessThan(changedAtMs + 1_000);
    expect(landedAtMs).toBeGreaterThan(authoritativeAtMs + 4_000);
    expect(landedAtMs).toBeLessThan(authoritativeAtMs + 11_000);
  });

  test('does not land while one authoritative answer in twenty is the drained one', async () => {
    const { virtual, net, show, seen, landings } = stage();
    net.serves.set(NS1, AFTER);
    net.serves.set(NS2, [...Array.from({ length: 9 }, () => AFTER).flat(), [US], [EU]]);
    show(shown(7));
    await virtual.advance(30_000);
    expect(await seen()).toMatchObject({
      authoritativeAgeMs: null,
      because: expect.stringContaining(`authoritative ${NS2}: still answers ${EU}`),
    });
    net.serves.set(NS2, AFTER);
    await landed(virtual, landings);
    expect((await seen()).authoritativeAgeMs).not.toBeNull();
  });

  test('a dead authoritative server keeps t5 open, and users are believed only after a whole TTL of good answers', async () => {
    const { virtual, net, show, seen, landings } = stage([serviceOf({ ttlS: 30 })]);
    net.serves.set(NS1, AFTER);
    net.serves.set(NS2, null);
    show(shown(7));
    await virtual.advance(29_000);
    expect(await seen()).toMatchObject({
      authoritativeAgeMs: null,
      landedAgeMs: null,
      because: expect.stringContaining(`authoritative ${NS2}`),
    });
    await landed(virtual, landings);
    const { authoritativeAgeMs, landedAgeMs } = await seen();
    expect(authoritativeAgeMs).toBeNull();
    // The instant is that of the first good answer, not that of the proof.
    expect(landedAgeMs).toBeGreaterThan(29_000);
  });

  test('a dead resolver keeps t6 open and is named', async () => {
    const { virtual, net, show, seen, landings } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    net.caches.delete(RESOLVER);
    net.serves.set(RESOLVER, null);
    show(shown(7));
    await virtual.advance(20_000);
    const entry = await seen();
    expect(entry.authoritativeAgeMs).not.toBeNull();
    expect(entry).toMatchObject({ landedAgeMs: null, because: expect.stringContaining(`resolver ${RESOLVER}: `) });
    expect(entry.because).toContain('no answer within 1000 ms');
    expect(landings).toEqual([]);
  });

  test('does not land while requests are answered by the region that was drained', async () => {
    const { virtual, net, show, seen, landings } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    net.answering.set(US, 'eu-west');
    net.answering.set(AP, 'eu-west');
    show(shown(7));
    await virtual.advance(5_000);
    expect((await seen()).because).toMatch(/request to 192\.0\.2\.[23]: answered by eu-west, which has no share/);
    net.answering.set(US, 'us-east');
    net.answering.set(AP, 'ap-south');
    await landed(virtual, landings);
  });

  test('does not land while nobody answers requests, or the reply names no region', async () => {
    const { virtual, net, show, seen } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    for (const address of [US, AP]) net.answering.set(address, null);
    show(shown(7));
    await virtual.advance(10_000);
    expect(await seen()).toMatchObject({ landedAgeMs: null, because: expect.stringContaining('no answer within 2000 ms') });
  });
});

test('an error page of the right region is no landing', async () => {
  const { virtual, net, show, seen, landings } = stage();
  for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
  net.status = 503;
  show(shown(7));
  await virtual.advance(6_000);
  expect((await seen()).because).toMatch(/request to 192\.0\.2\.[23]: (us-east|ap-south) answered 503/);
  expect(landings).toEqual([]);
  net.status = 200;
  await landed(virtual, landings);
});

test('a round that was under way when the route moved on tells nothing of either route', async () => {
  const { virtual, net, show, landings } = stage();
  for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
  show(shown(7));
  // The second round, which would prove it, begins at 500 ms and takes 10.
  await virtual.advance(505);
  show(shown(8));
  await virtual.advance(400);
  expect(landings).toEqual([]);
  await landed(virtual, landings);
  expect(landings).toEqual([`${WEB} 8`]);
});

describe('what is not configured is not measured, and said', () => {
  test('without authoritative servers there is no t5', async () => {
    const { virtual, net, show, seen, landings } = stage([serviceOf({ ttlS: 5, converge: { authoritative: [] } })]);
    net.serves.set(NS1, AFTER);
    show(shown(7));
    await landed(virtual, landings);
    expect(await seen()).toMatchObject({
      authoritativeAgeMs: null,
      because: 'landed; no authoritative servers configured: t5 is not measured',
    });
    expect(net.asked.get(NS2)).toBeUndefined();
  });

  test('without resolvers the authoritative servers stand for them', async () => {
    const { virtual, net, show, landings } = stage([serviceOf({ converge: { resolvers: [] } })]);
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    show(shown(7));
    await landed(virtual, landings);
    expect(net.asked.get(RESOLVER)).toBeUndefined();
  });

  test('without anything nothing is asked', async () => {
    const service = serviceOf({ converge: { authoritative: [], resolvers: [] } });
    const { request: _, ...converge } = service.converge;
    const { virtual, net, show, seen } = stage([{ ...service, converge }]);
    show(shown(7));
    await virtual.advance(60_000);
    expect(net.asked.size).toBe(0);
    expect((await seen()).because).toBe(
      'no authoritative servers configured: t5 is not measured; no resolvers and no request configured: t6 is not measured',
    );
  });

  test('services that nothing is written for are not looked at', async () => {
    const { virtual, net, show, record } = stage([serviceOf(), serviceOf({ name: 'api.example.test' })]);
    show(routingOf({ [WEB]: { fence: 7, route: NO_EU, mode: 'advise' }, 'api.example.test': { fence: 0, route: NO_EU } }));
    await virtual.advance(10_000);
    expect(net.asked.size).toBe(0);
    expect((await record())?.services ?? {}).toEqual({});
  });
});

describe('after landing', () => {
  test('a drained address that shows up again is drift: logged once, reported, and over when it is gone', async () => {
    const { virtual, net, log, show, seen, landings } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    show(shown(7));
    await landed(virtual, landings);
    net.serves.set(NS2, BEFORE);
    await virtual.advance(60_000);
    expect(log.of('converge.drift').map((line) => line.fields)).toEqual([
      { service: WEB, fence: 7, because: `authoritative ${NS2}: still answers ${EU}` },
    ]);
    expect(await seen()).toMatchObject({ authoritativeAgeMs: null, because: expect.stringContaining(`still answers ${EU}`) });
    net.serves.set(NS2, AFTER);
    await virtual.advance(2_000);
    const healed = await seen();
    expect(healed.because).toBe('landed');
    expect(healed.authoritativeAgeMs).toBeLessThan(3_000);
  });

  test('drift long after landing is looked into at once, not at the pace of what never landed', async () => {
    const { virtual, net, log, show, landings } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    show(shown(7));
    await landed(virtual, landings);
    await virtual.advance(3_600_000);
    net.serves.set(NS2, BEFORE);
    await virtual.advanceUntil(() => log.of('converge.drift').length > 0, 60_000);
    const before = net.asked.get(RESOLVER) ?? 0;
    await virtual.advance(10_000);
    expect((net.asked.get(RESOLVER) ?? 0) - before).toBeGreaterThanOrEqual(19);
  });

  test('a strange answer of a resolver is drift', async () => {
    const { virtual, net, log, show, seen, landings } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    show(shown(7));
    await landed(virtual, landings);
    net.caches.delete(RESOLVER);
    net.serves.set(RESOLVER, [['198.51.100.7']]);
    await virtual.advance(60_000);
    expect(log.of('converge.drift')[0]?.fields).toMatchObject({ because: `resolver ${RESOLVER}: answers 198.51.100.7, which no pool has` });
    expect((await seen()).landedAgeMs).toBeNull();
  });

  test('silence is no drift: what held goes on holding, and the silent one is named', async () => {
    const { virtual, net, log, show, seen, landings } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    show(shown(7));
    await landed(virtual, landings);
    net.serves.set(NS2, null);
    await virtual.advance(120_000);
    expect(log.of('converge.drift')).toEqual([]);
    const entry = await seen();
    expect(entry.landedAgeMs).toBeGreaterThan(60_000);
    expect(entry.because).toContain(`authoritative ${NS2}`);
  });

  test('the looks are few: a service costs about one round in half a minute', async () => {
    const { virtual, net, show, landings } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    show(shown(7));
    await landed(virtual, landings);
    const before = net.asked.get(NS2) ?? 0;
    await virtual.advance(600_000);
    const rounds = ((net.asked.get(NS2) ?? 0) - before) / 5;
    expect(rounds).toBeGreaterThanOrEqual(13);
    expect(rounds).toBeLessThanOrEqual(41);
  });

  test('a newer fence is measured anew, a newer configuration too', async () => {
    const { virtual, net, show, seen, landings, cluster } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    show(shown(7));
    await landed(virtual, landings);
    show(shown(8));
    await virtual.advance(60);
    expect(await seen()).toMatchObject({ fence: 8, landedAgeMs: null });
    await landed(virtual, landings, 2);
    show(shown(8), { ...cluster, version: 2 });
    await landed(virtual, landings, 3);
    expect(landings).toEqual([`${WEB} 7`, `${WEB} 8`, `${WEB} 8`]);
  });
});

describe('bounds', () => {
  test('fifty services at once: never more questions under way than eight services ask, and all land', async () => {
    const services = Array.from({ length: 50 }, (_, at) => serviceOf({ name: `s${at}.example.test` }));
    const { virtual, net, show, landings } = stage(services);
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    show(routingOf(Object.fromEntries(services.map((service) => [service.name, { fence: 7, route: NO_EU }]))));
    await virtual.advanceUntil(() => landings.length === 50, 60_000);
    expect(net.mostAtOnce).toBeGreaterThan(20);
    expect(net.mostAtOnce).toBeLessThanOrEqual(8 * (2 * 19 + 1));
  });

  test('a route that never lands is looked at less after five minutes, and reported less', async () => {
    const { virtual, net, show, writes } = stage();
    show(shown(7));
    await virtual.advance(60_000);
    const [asked, written] = [net.asked.get(RESOLVER) ?? 0, writes()];
    expect(asked).toBeGreaterThan(100);
    expect(written).toBeGreaterThan(10);
    expect(written).toBeLessThan(20);
    await virtual.advance(300_000);
    const [askedBefore, writtenBefore] = [net.asked.get(RESOLVER) ?? 0, writes()];
    await virtual.advance(60_000);
    expect((net.asked.get(RESOLVER) ?? 0) - askedBefore).toBeLessThanOrEqual(13);
    expect(writes() - writtenBefore).toBeLessThanOrEqual(3);
  });

  test('a server that gives the old route is asked once per round, not twenty times', async () => {
    const { virtual, net, show } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, [[EU]]);
    show(shown(7));
    await virtual.advance(10_000);
    expect(net.asked.get(NS2)).toBeLessThanOrEqual(21);
  });

  test('stopping ends questions and requests under way', async () => {
    const { virtual, net, show, watcher } = stage();
    net.serves.set(NS1, null);
    net.caches.set(RESOLVER, { from: NS2, ttlMs: 10_000 });
    for (const address of [EU, US, AP]) net.answering.set(address, null);
    show(shown(7));
    await virtual.advance(300);
    await watcher.stop();
    expect(virtual.pendingTimers()).toBe(0);
    show(shown(8));
    expect(virtual.pendingTimers()).toBe(0);
  });
});

describe('the record', () => {
  test('is written again after a write in doubt, whichever way that went', async () => {
    for (const fault of ['before', 'after'] as const) {
      const { virtual, net, show, seen, landings, faults, log } = stage();
      for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
      faults.push(fault);
      show(shown(7));
      await landed(virtual, landings);
      await virtual.advance(2_000);
      expect((await seen()).landedAgeMs).not.toBeNull();
      expect(log.of('converge.write')).toHaveLength(1);
    }
  });

  test('is not written by update alone: the same sight again changes nothing', async () => {
    const { virtual, net, show, writes, landings } = stage();
    for (const ns of [NS1, NS2]) net.serves.set(ns, AFTER);
    show(shown(7));
    await landed(virtual, landings);
    await virtual.advance(100_000);
    const before = writes();
    for (let at = 0; at < 100; at += 1) {
      show(shown(7));
      await virtual.advance(500);
    }
    expect(writes() - before).toBeLessThanOrEqual(3);
  });
});
