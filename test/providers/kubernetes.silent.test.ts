// A service whose pools' Deployments live in clusters of their own, when one of those clusters cannot be read: the outage this provider exists for. Each turn is
// the publisher's own: read, plan, write what differs.
import { describe, expect, test } from 'vitest';
import { stateHash } from '../../providers/fence.ts';
import type { Applied, Change, Fence, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import type { Fetch } from '../../src/http.ts';
import type { AppliedRecord } from '../../src/model.ts';
import { type Step, stepFor } from '../../src/publish/plan.ts';
import { PROVIDER_TIMEOUT_MS } from '../../src/publish/round.ts';
import {
  type ApiWorld,
  api,
  DEPLOYMENTS,
  deploymentBody,
  deploymentEntries,
  objectOf,
  openKubernetes,
  standInWorld,
} from './kubernetes.fixture.ts';

const deadline = (): AbortSignal => AbortSignal.timeout(PROVIDER_TIMEOUT_MS);

/** How a cluster fails: each answers a request, or never. */
type Trouble = (signal: AbortSignal) => Promise<unknown>;

const never: Trouble = (signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
const refusing: Trouble = () => Promise.reject(new TypeError('fetch failed: connect ECONNREFUSED'));
const answering =
  (status: number, body: string): Trouble =>
  async () =>
    new Response(body, { status, headers: { 'content-type': 'application/json' } });

const TROUBLES = [
  ['never answers', never],
  ['refuses the connection', refusing],
  ['answers by a proxy that has lost it', answering(503, '<html>Service Unavailable</html>')],
  ['takes the token no more', answering(401, '{"kind":"Status","message":"Unauthorized"}')],
  ['answers with a page of somebody else', answering(200, '<html>Welcome</html>')],
] as const;

interface World extends AsyncDisposable {
  /** By pool. */
  clusters: Readonly<Record<string, ApiWorld & { calls: Awaited<ReturnType<typeof standInWorld>>['calls'] }>>;
  /** Each writer with its own view: pools whose clusters fail for it. */
  writer(troubles?: Map<string, Trouble>, service?: ProviderService, latencyMs?: number): Provider;
  replicas(): Promise<Readonly<Record<string, number>>>;
  /** Changing calls that were taken. */
  writes(): number;
}

/** One cluster per pool, each with the pool's Deployment. */
const worldOf = async (service: ProviderService, replicas: Readonly<Record<string, number>>): Promise<World> => {
  const clusters = Object.fromEntries(
    await Promise.all(service.pools.map(async ({ pool }) => [pool, await standInWorld()] as const)),
  ) as World['clusters'];
  for (const { pool } of service.pools)
    await clusters[pool]!.call('POST', DEPLOYMENTS, deploymentBody(`${objectOf(service)}-${pool}`, replicas[pool]));
  const opened: Provider[] = [];
  return {
    clusters,
    writer(troubles = new Map(), about = service, latencyMs = 0) {
      const wrap =
        (fetch: Fetch): Fetch =>
        async (url, init) => {
          const [pool] = Object.entries(clusters).find(([, { url: base }]) => String(url).startsWith(`${base}/`))!;
          const trouble = troubles.get(pool);
          if (trouble !== undefined) return (await trouble(init?.signal as AbortSignal)) as never;
          if (latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, latencyMs));
          return fetch(url, init);
        };
      const provider = openKubernetes(clusters, { [about.service]: { deployments: deploymentEntries(about, (pool) => pool) } }, wrap);
      opened.push(provider);
      return provider;
    },
    async replicas() {
      const entries = service.pools.map(async ({ pool }) => {
        const body = await clusters[pool]!.call('GET', `${DEPLOYMENTS}/${objectOf(service)}-${pool}`);
        return [pool, (body as ReturnType<typeof deploymentBody>).spec.replicas] as const;
      });
      return Object.fromEntries(await Promise.all(entries));
    },
    writes: () =>
      Object.values(clusters)
        .flatMap(({ calls }) => calls())
        .filter(({ method, path, status }) => method === 'PATCH' && status === 200 && !path.includes('dryRun')).length,
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((provider) => provider.close()));
      await Promise.all(Object.values(clusters).map((cluster) => cluster[Symbol.asyncDispose]()));
    },
  };
};

const sharing = (...shares: readonly number[]): ProviderService => ({
  ...api,
  pools: api.pools.map((pool, at) => ({ ...pool, share: shares[at] ?? 0 })),
});
/** Of the pools eu-west, us-east and ap-south. */
const EVERYWHERE = sharing(500, 300, 200);
const WITHOUT_EU = sharing(0, 600, 400);

let nonces = 0;
const fenceOf = (desired: ProviderService, v: number): Fence => ({
  v,
  epoch: 1,
  writer: 'us-east/a',
  nonce: `n${++nonces}`,
  hash: stateHash(desired),
});
const readOne = async (provider: Provider, desired: ProviderService): Promise<ReadBack> =>
  (await provider.read([desired], deadline())).get(desired.service)!;
const applying = (provider: Provider, change: Change): Promise<Applied> => provider.apply([change], deadline());

/** One turn of the publisher. `applied`: what the store says of the last write. */
const turn = async (
  provider: Provider,
  desired: ProviderService,
  v: number,
  applied: AppliedRecord | null = null,
): Promise<{ step: Step; back: ReadBack; outcome: Applied | null }> => {
  const back = await readOne(provider, desired);
  const step = stepFor({ desired, fence: fenceOf(desired, v), applied }, back, provider);
  return { step, back, outcome: step.kind === 'write' ? await applying(provider, step.change) : null };
};

/** All three in at fence 1, by a writer that sees everything. */
const settled = async (world: World): Promise<void> => {
  expect((await turn(world.writer(), EVERYWHERE, 1)).outcome).toMatchObject({ outcome: 'applied' });
};

const ALL_IN = { 'eu-west': 3, 'us-east': 3, 'ap-south': 3 };

describe('a cluster that cannot be read, of a pool that is to be out', () => {
  test.each(TROUBLES)('%s: the others are written, it is said, and nothing is written again while that lasts', async (_what, trouble) => {
    await using world = await worldOf(api, ALL_IN);
    const standby = sharing(1000, 0, 0);
    expect((await turn(world.writer(), standby, 1)).outcome).toMatchObject({ outcome: 'applied' });
    expect(await world.replicas()).toEqual({ 'eu-west': 3, 'us-east': 0, 'ap-south': 0 });
    const writer = world.writer(new Map([['eu-west', trouble]]));
    const first = await turn(writer, WITHOUT_EU, 2);
    expect(first.back).toMatchObject({ fence: { v: 1 }, shares: null, leftOut: expect.stringContaining('pool eu-west') });
    expect(first.back.unread).toBeUndefined();
    expect(first.outcome).toMatchObject({ outcome: 'applied' });
    expect(await world.replicas()).toEqual({ 'eu-west': 3, 'us-east': 3, 'ap-south': 3 });
    const written = world.writes();
    for (let round = 0; round < 2; round++) {
      const again = await turn(writer, WITHOUT_EU, 2);
      expect(again.step.kind).toBe('done');
      expect(again.back).toMatchObject({ shares: writer.quantise(WITHOUT_EU), foreign: [], leftOut: expect.any(String) });
    }
    expect(world.writes()).toBe(written);
  });

  test('returns with its old replicas: that is drift, it is brought into line, and then there is nothing to do', async () => {
    await using world = await worldOf(api, ALL_IN);
    await settled(world);
    const troubles = new Map<string, Trouble>([['eu-west', refusing]]);
    const writer = world.writer(troubles);
    expect((await turn(writer, WITHOUT_EU, 2)).outcome).toMatchObject({ outcome: 'applied' });
    troubles.clear();
    const back = await turn(writer, WITHOUT_EU, 2);
    expect(back.step).toMatchObject({ kind: 'write', why: 'drift', because: expect.stringContaining('eu-west serves 333 instead of 0') });
    expect(back.back.leftOut).toBeUndefined();
    expect(back.outcome).toMatchObject({ outcome: 'applied' });
    expect(await world.replicas()).toEqual({ ...ALL_IN, 'eu-west': 0 });
    expect((await turn(writer, WITHOUT_EU, 2)).step.kind).toBe('done');
  });

  test('a stale writer loses, though the cluster of the first pool is the silent one', async () => {
    await using world = await worldOf(api, ALL_IN);
    await settled(world);
    const silent = new Map<string, Trouble>([['eu-west', refusing]]);
    const [slow, quick] = [world.writer(silent), world.writer(silent)];
    const onlyUs = sharing(0, 1000, 0);
    const previous = await readOne(slow, onlyUs);
    expect((await turn(quick, WITHOUT_EU, 3)).outcome).toMatchObject({ outcome: 'applied' });
    const before = await world.replicas();
    const written = world.writes();
    // It read before the other wrote: the object refuses it.
    expect(await applying(slow, { desired: onlyUs, fence: fenceOf(onlyUs, 2), previous })).toMatchObject({ outcome: 'conflict' });
    // And it reads anew: the highest fence of those that answer is above its own.
    expect((await turn(slow, onlyUs, 2)).step).toMatchObject({ kind: 'ahead', fence: { v: 3 } });
    const fresh = await readOne(slow, onlyUs);
    expect(await applying(slow, { desired: onlyUs, fence: fenceOf(onlyUs, 2), previous: fresh })).toMatchObject({ outcome: 'conflict' });
    expect(await world.replicas()).toEqual(before);
    expect(world.writes()).toBe(written);
  });

  test('a stale writer for whom everything answers loses to one that wrote without the silent cluster', async () => {
    await using world = await worldOf(api, ALL_IN);
    await settled(world);
    const slow = world.writer();
    const onlyUs = sharing(0, 1000, 0);
    const previous = await readOne(slow, onlyUs);
    expect((await turn(world.writer(new Map([['eu-west', refusing]])), WITHOUT_EU, 3)).outcome).toMatchObject({ outcome: 'applied' });
    expect(await applying(slow, { desired: onlyUs, fence: fenceOf(onlyUs, 2), previous })).toMatchObject({ outcome: 'conflict' });
    expect(await world.replicas()).toEqual(ALL_IN);
  });

  test('what has just been configured and carries no fence lets nobody in while those that may carry one are silent', async () => {
    const old: ProviderService = { ...api, pools: api.pools.slice(0, 2) };
    await using world = await worldOf(api, { ...ALL_IN, 'ap-south': 0 });
    expect((await turn(world.writer(new Map(), old), old, 7)).outcome).toMatchObject({ outcome: 'applied' });
    const silent = new Map<string, Trouble>([
      ['eu-west', refusing],
      ['us-east', refusing],
    ]);
    const onlyAp = sharing(0, 0, 1000);
    const blind = world.writer(silent);
    await expect(readOne(blind, onlyAp)).rejects.toThrow(/no Deployment that answers carries a fence.*pool eu-west/s);
    expect(await world.replicas()).toEqual({ ...ALL_IN, 'ap-south': 0 });
    // One of the old ones is enough.
    silent.delete('us-east');
    expect((await readOne(blind, onlyAp)).fence?.v).toBe(7);
    const stale = { desired: onlyAp, fence: fenceOf(onlyAp, 5), previous: await readOne(blind, onlyAp) };
    expect(await applying(blind, stale)).toMatchObject({ outcome: 'conflict' });
    expect((await turn(blind, onlyAp, 8)).outcome).toMatchObject({ outcome: 'applied' });
    expect(await world.replicas()).toEqual({ 'eu-west': 3, 'us-east': 0, 'ap-south': 3 });
  });

  test('that is wanted in, nothing can be promised: it is unread, and so is a reading that names no route', async () => {
    await using world = await worldOf(api, ALL_IN);
    await settled(world);
    const blind = world.writer(new Map([['eu-west', refusing]]));
    await expect(readOne(blind, EVERYWHERE)).rejects.toThrow(/ECONNREFUSED/);
    await expect(readOne(blind, sharing())).rejects.toThrow(/ECONNREFUSED/);
    // Read while it was to be out, and then wanted in: not written either.
    const previous = await readOne(blind, WITHOUT_EU);
    const written = world.writes();
    expect(await applying(blind, { desired: EVERYWHERE, fence: fenceOf(EVERYWHERE, 2), previous })).toMatchObject({
      outcome: 'undecided',
      because: expect.stringContaining('pool eu-west'),
    });
    expect(world.writes()).toBe(written);
  });

  test('an object of one service that is gone is told of that service alone', async () => {
    await using world = await worldOf(api, ALL_IN);
    await settled(world);
    const gone = world.writer(new Map([['ap-south', answering(404, '{"kind":"Status","message":"not found"}')]]));
    expect(await readOne(gone, sharing(600, 400, 0))).toMatchObject({
      leftOut: expect.stringMatching(/pool ap-south: .*api-ap-south in ap-south: not found \(404\); compare/),
    });
  });
});

test('many pools over slow links are read and written within one call of the publisher', async () => {
  const names = Array.from({ length: 12 }, (_, at) => `r${String(at).padStart(2, '0')}`);
  const wide: ProviderService = {
    ...api,
    pools: names.map((pool) => ({ pool, region: pool, share: 0, configuredShare: 83, answers: [] })),
  };
  const inFirst = (count: number): ProviderService => ({
    ...wide,
    pools: wide.pools.map((pool, at) => ({ ...pool, share: at < count ? Math.floor(1000 / count) : 0 })),
  });
  const half = { ...wide, pools: inFirst(6).pools.map((pool, at) => ({ ...pool, share: at < 6 ? 0 : 166 })) };
  await using world = await worldOf(wide, {});
  const slow = world.writer(new Map(), wide, 250);
  expect((await turn(slow, inFirst(6), 1)).outcome).toMatchObject({ outcome: 'applied' });
  expect((await turn(slow, half, 2)).outcome).toMatchObject({ outcome: 'applied' });
  expect(await world.replicas()).toEqual(Object.fromEntries(names.map((pool, at) => [pool, at < 6 ? 0 : 3])));
});

test('a cluster that never answers takes no time from the services of the others, nor does a second one', async () => {
  await using world = await worldOf(api, ALL_IN);
  const many = Array.from(
    { length: 30 },
    (_, at): ProviderService => ({ ...api, service: `s${at}.tide.test`, pools: [api.pools[Math.floor(at / 10)]!] }),
  );
  const services = Object.fromEntries(
    many.map((service) => [service.service, { deployments: deploymentEntries({ ...service, service: api.service }, (pool) => pool) }]),
  );
  const wrap =
    (fetch: Fetch): Fetch =>
    (url, init) =>
      String(url).startsWith(world.clusters['ap-south']!.url) ? fetch(url, init) : (never(init?.signal as AbortSignal) as never);
  const provider = openKubernetes(world.clusters, services, wrap);
  const found = await provider.read(many, AbortSignal.timeout(2500));
  expect(many.map(({ service }) => found.get(service)?.unread === undefined)).toEqual(many.map((_, at) => at >= 20));
  await provider.close();
});
