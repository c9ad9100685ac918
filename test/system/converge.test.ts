// t4, t5 and t6 of a drain as three vantages see it: a real zone, a real unbound with its cache, real applications that name their region.
import dgram from 'node:dgram';
import { expect, test } from 'vitest';
import { builtin } from '../../providers/builtin/index.ts';
import { serveBuiltin } from '../../providers/builtin/server.ts';
import { stateHash } from '../../providers/fence.ts';
import { createConvergeDuties } from '../../src/converge/duties.ts';
import { createConvergeWatcher } from '../../src/converge/watcher.ts';
import type { Term } from '../../src/coordinate/coordinator.ts';
import { appliedKey, incidentKey, KEYS, seenKey } from '../../src/coordinate/keys.ts';
import { type RecordCache, SIGHT_QUERY, sightOf } from '../../src/coordinate/read.ts';
import { createRevisionClock } from '../../src/coordinate/revision-clock.ts';
import { query } from '../../src/dns/exchange.ts';
import { serveApp } from '../../src/drill/app.ts';
import type { AppliedRecord, ClusterConfig, Incident, Route, Routing, Seen } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { desiredOf } from '../../src/publish/plan.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { clusterOf, incidentOf, poolOf, REGIONS, routingOf, serviceOf } from '../converge/fixture.ts';
import { recordingLog } from '../recording-log.ts';
import { startUnbound, type Unbound } from './unbound.ts';

const ZONE = 'example.test';
const WEB = `web.${ZONE}`;
const EU = '127.0.0.2';
const US = '127.0.0.3';
const BOTH: Route = { 'eu-west': 500, 'us-east': 500 };
const ONLY_US: Route = { 'eu-west': 0, 'us-east': 1000 };
const TTL_S = 2;
/** Far above what anything here takes; the machine may be busy. */
const PATIENCE = { timeout: 60_000, interval: 100 };

const start = async ({ more = [] as readonly string[] } = {}) => {
  const ports = realPorts();
  const stack = new AsyncDisposableStack();
  const onEnd = (end: () => Promise<unknown>): void => stack.defer(async () => void (await end()));
  const token = 'c0ffee-of-the-operator';
  const zone = await serveBuiltin({
    ports,
    zoneName: ZONE,
    dns: { host: '127.0.0.1', port: 0 },
    control: { host: '127.0.0.1', port: 0 },
    token,
  });
  onEnd(zone.close);
  const provider = builtin.open(
    { kind: 'builtin', zone: ZONE, control: { host: '127.0.0.1', port: zone.controlPort }, tokenFile: 'unread' },
    { ports, secret: () => token },
  );
  onEnd(provider.close);
  const unbound: Unbound = await startUnbound([{ zone: ZONE, host: '127.0.0.1', port: zone.dnsPort }]);
  stack.use(unbound);
  const us = await serveApp({ host: US, port: 0, region: 'us-east' });
  onEnd(us.close);
  const eu = await serveApp({ host: EU, port: us.port, region: 'eu-west' });
  onEnd(eu.close);
  const store = openEmbedded({ file: ':memory:', ports });
  onEnd(() => store.close());

  const service = serviceOf({
    name: WEB,
    ttlS: TTL_S,
    pools: [poolOf('eu-west', { answers: [EU] }), poolOf('us-east', { answers: [US] })],
    converge: {
      authoritative: [`127.0.0.1:${zone.dnsPort}`, ...more],
      resolvers: [`${unbound.host}:${unbound.port}`],
      request: { port: us.port, path: '/' },
    },
  });
  const cluster: ClusterConfig = clusterOf([service]);
  const log = recordingLog();
  const watchers = REGIONS.map((region) => createConvergeWatcher({ ports, log, store, region, replica: 'a', boot: 'b' }));
  for (const watcher of watchers) onEnd(watcher.stop);

  const put = async (key: string, value: unknown): Promise<void> => void (await store.txn({ if: [], then: [{ put: key, value }] }));
  const nowMs = (): number => Math.round(ports.clock.wallMs());
  await put(KEYS.members, cluster);

  /** Commits a route, shows it to the vantages, writes it to the provider; answers the routing record. */
  const publish = async (fence: number, route: Route): Promise<Routing> => {
    const routing: Routing = { ...routingOf({ [WEB]: { fence, route } }), atMs: nowMs() };
    await put(KEYS.routing, routing);
    for (const watcher of watchers) watcher.update({ cluster, routing });
    const desired = desiredOf(service, routing.services[WEB]!);
    const previous = (await provider.read([desired], AbortSignal.timeout(30_000))).get(WEB)!;
    const written = { v: fence, epoch: 1, writer: 'test', nonce: `n${fence}`, hash: stateHash(desired) };
    const applied = await provider.apply([{ desired, fence: written, previous }], AbortSignal.timeout(30_000));
    expect(applied).toEqual({ outcome: 'applied' });
    await put(appliedKey('local', WEB), { fence, atMs: nowMs(), outcome: 'applied', because: '' } satisfies AppliedRecord);
    return routing;
  };

  const seenBy = async (region: string) =>
    ((await store.get({ keys: [seenKey(region, 'a')] })).kvs[0]?.value as Seen | undefined)?.services[WEB];
  const allSee = async (fence: number, what: 'authoritativeAgeMs' | 'landedAgeMs'): Promise<boolean> => {
    const entries = await Promise.all(REGIONS.map(seenBy));
    return entries.every((entry) => entry?.fence === fence && entry[what] !== null);
  };

  // The coordinator's turns, on the real store: what it reads, and a term that nobody contests.
  const revisions = createRevisionClock();
  const cache: RecordCache = new Map();
  const duties = createConvergeDuties({ log, detection: () => undefined, convergence: () => undefined, missed: () => undefined });
  const term: Term = {
    epoch: 1,
    heldSinceMs: 0,
    renew: async () => true,
    nowMs,
    commit: async (conditions, ops) => (await store.txn({ if: conditions, then: ops })).ok,
  };
  const turn = async (): Promise<void> => {
    const instant = () => ({ monoMs: ports.clock.monoMs(), wallMs: ports.clock.wallMs() });
    const sent = instant();
    const read = await store.get(SIGHT_QUERY);
    const arrived = instant();
    revisions.sample(sent, arrived, read.rev);
    const sight = sightOf(read, revisions, arrived.monoMs, cache);
    const heard = REGIONS.map((region) => ({ region, replica: 'a', key: '', vote: {} as never, beat: null, ageMs: 0 }));
    await duties.turn({ ...sight, heard }, nowMs(), term);
  };
  const incident = async (): Promise<Incident> => (await store.get({ keys: [incidentKey(incidentOf().id)] })).kvs[0]?.value as Incident;

  /** Waits until the cache has just learned that users go to `address`. */
  const cacheHolds = (address: string) =>
    expect
      .poll(
        async () => {
          const reply = await query({ ports, server: unbound, name: WEB, type: 'A', timeoutMs: 5000, recursionDesired: true });
          return reply.answers.map(({ ttlS, data }) => `${data} for ${ttlS} s`);
        },
        { ...PATIENCE, interval: 10 },
      )
      .toEqual([`${address} for ${TTL_S} s`]);

  return {
    unbound,
    log,
    put,
    publish,
    seenBy,
    allSee,
    turn,
    incident,
    cacheHolds,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};

test('a drain: acknowledged, then answered by the zone, then landed when the cache has let go; seen alike by three vantages', {
  timeout: 180_000,
}, async () => {
  await using world = await start();
  await world.publish(1, BOTH);
  await expect.poll(() => world.allSee(1, 'landedAgeMs'), PATIENCE).toBe(true);

  await world.cacheHolds(EU);
  const opened = await world.publish(2, ONLY_US);
  await world.put(incidentKey(incidentOf().id), incidentOf({ services: [WEB], v: 2, t3AtMs: opened.atMs }));
  await expect
    .poll(async () => {
      await world.turn();
      return (await world.incident()).published[WEB]?.t6AtMs;
    }, PATIENCE)
    .toBeDefined();
  const { t4AtMs, t5AtMs, t6AtMs } = (await world.incident()).published[WEB] ?? {};
  expect(t4AtMs).toBeGreaterThanOrEqual(opened.atMs);
  expect(t5AtMs).toBeGreaterThanOrEqual(opened.atMs);
  expect(t6AtMs).toBeGreaterThan(t5AtMs ?? Number.POSITIVE_INFINITY);
  expect((t6AtMs ?? 0) - opened.atMs).toBeGreaterThan(500);
  expect(await world.seenBy('ap-south')).toMatchObject({ fence: 2, because: 'landed' });
  expect(world.log.of('converge.drift')).toEqual([]);
});

test('unbound killed: the zone answers the route, but nobody claims that users landed, and each says why', {
  timeout: 180_000,
}, async () => {
  await using world = await start();
  await world.publish(1, BOTH);
  await expect.poll(() => world.allSee(1, 'landedAgeMs'), PATIENCE).toBe(true);
  await world.unbound.kill();
  await world.publish(2, ONLY_US);
  await expect.poll(() => world.allSee(2, 'authoritativeAgeMs'), PATIENCE).toBe(true);
  for (const region of REGIONS) {
    await expect
      .poll(async () => (await world.seenBy(region))?.because, PATIENCE)
      .toContain(`resolver ${world.unbound.host}:${world.unbound.port}: `);
    expect((await world.seenBy(region))?.landedAgeMs).toBeNull();
  }
});

for (const delayMs of [null, 1_500])
  test(`an authoritative server that ${delayMs === null ? 'never answers' : 'answers after its deadline'}: t5 is not claimed`, {
    timeout: 180_000,
  }, async () => {
    await using second = await startSecond(delayMs);
    await using world = await start({ more: [`127.0.0.1:${second.port}`] });
    await world.publish(1, ONLY_US);
    for (const region of REGIONS) {
      await expect.poll(async () => (await world.seenBy(region))?.because, PATIENCE).toContain(`authoritative 127.0.0.1:${second.port}: `);
      expect(await world.seenBy(region)).toMatchObject({ fence: 1, authoritativeAgeMs: null });
    }
    expect(second.asked()).toBeGreaterThan(0);
  });

/** A second name server that hears every question, and answers none or each one late with an echo of it. */
const startSecond = async (delayMs: number | null) => {
  const socket = dgram.createSocket('udp4');
  const timers = new Set<NodeJS.Timeout>();
  let asked = 0;
  socket.on('message', (packet, from) => {
    asked += 1;
    if (delayMs === null) return;
    const reply = Buffer.from(packet);
    reply.writeUInt16BE(0x8400, 2);
    const timer = setTimeout(() => {
      timers.delete(timer);
      socket.send(reply, from.port, from.address);
    }, delayMs);
    timers.add(timer);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    port: socket.address().port,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      await new Promise<void>((resolve) => socket.close(resolve));
    },
  };
};
