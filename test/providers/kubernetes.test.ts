// The parts of the kubernetes provider that its contract suite does not show: what a patch says, in which order Deployments change, whose refusal it was,
// and which credentials are taken. Over stand-ins; what only a real API server can prove is in test/system/kubernetes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatFence, stateHash } from '../../providers/fence.ts';
import {
  canSpare,
  deploymentShares,
  deploymentSteps,
  deploymentsBack,
  routeBack,
  routeShape,
  routeShares,
} from '../../providers/kubernetes/convert.ts';
import type { Change, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import type { Fetch } from '../../src/http.ts';
import { openCluster } from '../../src/kubernetes.ts';
import {
  api,
  createObjects,
  DEPLOYMENTS,
  deploymentBody,
  deploymentEntries,
  JSON_PATCH,
  kubeconfigText,
  objectOf,
  openKubernetes,
  ROUTES,
  routeBody,
  routeEntry,
  standInWorld,
  web,
} from './kubernetes.fixture.ts';

const patience = (): AbortSignal => AbortSignal.timeout(30_000);

const sharing = (service: ProviderService, ...shares: readonly number[]): ProviderService => ({
  ...service,
  pools: service.pools.map((pool, at) => ({ ...pool, share: shares[at] ?? 0 })),
});

let nonces = 0;
const changeTo = (desired: ProviderService, v: number, previous: ReadBack): Change => ({
  desired,
  fence: { v, epoch: 1, writer: 'eu-west/a', nonce: `n${++nonces}`, hash: stateHash(desired) },
  previous,
});
const readOne = async (provider: Provider, service: ProviderService): Promise<ReadBack> =>
  (await provider.read([service], patience())).get(service.service)!;

const entriesOf = (service: ProviderService, mode: 'httpRoute' | 'deployments') => ({
  [service.service]: mode === 'httpRoute' ? { httpRoute: routeEntry(service) } : { deployments: deploymentEntries(service) },
});

describe('an HTTPRoute', () => {
  test('weights are thousandths, and only those that change are in the patch, each beside the name it belongs to', async () => {
    await using world = await standInWorld();
    await createObjects(world, 'httpRoute', [api]);
    const provider = openKubernetes({ here: world }, entriesOf(api, 'httpRoute'));
    const first = changeTo(api, 1, await readOne(provider, api));
    expect(await provider.apply([first], patience())).toMatchObject({ outcome: 'applied' });
    const second = changeTo(sharing(api, 0, 800, 200), 2, await readOne(provider, api));
    expect(await provider.apply([second], patience())).toMatchObject({ outcome: 'applied' });
    const body = (await world.call('GET', `${ROUTES}/api`)) as ReturnType<typeof routeBody>;
    expect(body.spec.rules[0]!.backendRefs.map(({ weight }) => weight)).toEqual([0, 800, 200]);
    expect(body.spec.hostnames).toEqual(['api.tide.test']);
    const paths = (
      world
        .calls()
        .filter(({ method }) => method === 'PATCH')
        .at(-1)!.body as { op: string; path: string }[]
    ).map(({ op, path }) => `${op} ${path}`);
    expect(paths).toEqual([
      'test /metadata/annotations/tidegate.dev~1fence',
      'replace /metadata/annotations/tidegate.dev~1fence',
      'test /spec/rules/0/backendRefs/0/name',
      'replace /spec/rules/0/backendRefs/0/weight',
      'test /spec/rules/0/backendRefs/1/name',
      'replace /spec/rules/0/backendRefs/1/weight',
    ]);
    await provider.close();
  });

  test('an edit that touches neither fence nor names does not stop a write that was read before it', async () => {
    await using world = await standInWorld();
    await createObjects(world, 'httpRoute', [web]);
    const provider = openKubernetes({ here: world }, entriesOf(web, 'httpRoute'));
    expect(await provider.apply([changeTo(web, 1, await readOne(provider, web))], patience())).toMatchObject({ outcome: 'applied' });
    const previous = await readOne(provider, web);
    await world.call('PATCH', `${ROUTES}/web`, [{ op: 'add', path: '/metadata/labels', value: { team: 'web' } }], JSON_PATCH);
    expect(await provider.apply([changeTo(sharing(web, 0, 1000), 2, previous)], patience())).toMatchObject({ outcome: 'applied' });
    await provider.close();
  });

  test('backends that moved since they were read are not mistaken for one another: nothing is written, and it is no conflict', async () => {
    await using world = await standInWorld();
    await createObjects(world, 'httpRoute', [web]);
    const provider = openKubernetes({ here: world }, entriesOf(web, 'httpRoute'));
    expect(await provider.apply([changeTo(web, 1, await readOne(provider, web))], patience())).toMatchObject({ outcome: 'applied' });
    const previous = await readOne(provider, web);
    const ops = [{ op: 'add', path: '/spec/rules/0/backendRefs/0', value: { name: 'new', weight: 0 } }];
    const moved = await world.call('PATCH', `${ROUTES}/web`, ops, JSON_PATCH);
    expect(await provider.apply([changeTo(sharing(web, 0, 1000), 2, previous)], patience())).toMatchObject({ outcome: 'fatal' });
    expect(await world.call('GET', `${ROUTES}/web`)).toEqual(moved);
    expect(await provider.apply([changeTo(sharing(web, 0, 1000), 2, await readOne(provider, web))], patience())).toMatchObject({
      outcome: 'applied',
    });
    await provider.close();
  });

  test('a backend of no pool, which stays, is no reason to write again: the fence is not counted up for it', async () => {
    await using world = await standInWorld();
    await createObjects(world, 'httpRoute', [web]);
    const provider = openKubernetes({ here: world }, entriesOf(web, 'httpRoute'));
    expect(await provider.apply([changeTo(web, 1, await readOne(provider, web))], patience())).toMatchObject({ outcome: 'applied' });
    const op = { op: 'add', path: '/spec/rules/0/backendRefs/-', value: { name: 'canary', port: 8080, weight: 5 } };
    const before = await world.call('PATCH', `${ROUTES}/web`, [op], JSON_PATCH);
    const again = changeTo(web, 1, await readOne(provider, web));
    expect(again.previous.foreign).toEqual(['backend canary weight 5']);
    expect(await provider.apply([again], patience())).toMatchObject({ outcome: 'applied' });
    expect(await world.call('GET', `${ROUTES}/web`)).toEqual(before);
    await provider.close();
  });

  test('an annotation that is no fence of ours blocks every write, and stays', async () => {
    await using world = await standInWorld();
    await createObjects(world, 'httpRoute', [web]);
    const annotations = { 'tidegate.dev/fence': 'hands off' };
    const before = await world.call(
      'PATCH',
      `${ROUTES}/web`,
      [{ op: 'add', path: '/metadata/annotations', value: annotations }],
      JSON_PATCH,
    );
    const provider = openKubernetes({ here: world }, entriesOf(web, 'httpRoute'));
    expect(await provider.apply([changeTo(web, 9, await readOne(provider, web))], patience())).toMatchObject({
      outcome: 'conflict',
      because: expect.stringContaining('"hands off" stands where the fence belongs'),
    });
    expect(await world.call('GET', `${ROUTES}/web`)).toEqual(before);
    await provider.close();
  });

  test('a route that does not fit its entry is an error of reading that says where', () => {
    const bodyOf = (change: (body: ReturnType<typeof routeBody>) => unknown) =>
      routeShape.parse({ ...(change(routeBody(web)) as object), metadata: { resourceVersion: '7' } });
    const read = (
      entry: Partial<ReturnType<typeof routeEntry>>,
      change: (body: ReturnType<typeof routeBody>) => unknown = (body) => body,
    ) => routeBack(web, { ...routeEntry(web), ...entry }, bodyOf(change));
    expect(() => read({ rule: 3 })).toThrow(/has no rule 3/);
    expect(() => read({ backends: { 'eu-west': 'web-eu-west', 'us-east': 'nobody' } })).toThrow(
      /has 0 backends "nobody" .* for pool us-east/,
    );
    // Without a weight it is one.
    expect(read({}, (body) => JSON.parse(JSON.stringify(body).replaceAll(',"weight":0', ''))).shares).toEqual({
      'eu-west': 500,
      'us-east': 500,
    });
  });

  test('what is promised is what is written: whole thousandths, all of them, whatever the shares', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 2, maxLength: 2 }), ([one, two]) => {
        fc.pre(one! + two! > 0);
        const shares = routeShares(sharing(web, one!, two!));
        expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBe(1000);
        expect(shares['eu-west'] === 0).toBe(one === 0);
      }),
    );
  });
});

describe('a Deployment per pool', () => {
  const stateOf = (replicas: readonly number[], fences: readonly (string | null)[] = []): ReadBack =>
    deploymentsBack(
      api,
      deploymentEntries(api),
      new Map(
        api.pools.map(({ pool }, at) => [
          pool,
          {
            metadata: { resourceVersion: '7', ...(fences[at] == null ? {} : { annotations: { 'tidegate.dev/fence': fences[at] } }) },
            spec: { replicas: replicas[at]! },
          },
        ]),
      ),
    );

  test('at no instant fewer pools are in than before or after, and every Deployment takes the fence before or with its change', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(4), { minLength: 3, maxLength: 3 }),
        fc.array(fc.nat(1000), { minLength: 3, maxLength: 3 }),
        // Those of a phase in any order.
        fc.boolean(),
        (replicas, shares, isReversed) => {
          fc.pre(shares.some((share) => share > 0));
          const desired = sharing(api, ...shares);
          const change = changeTo(desired, 2, stateOf(replicas));
          const { checks, phases } = deploymentSteps(change, deploymentEntries(api));
          const writes = phases.flatMap((phase) => (isReversed ? phase.toReversed() : phase));
          expect(phases[0]).toHaveLength(1);
          const counts = new Map(api.pools.map(({ pool }, at) => [pool, replicas[at]!]));
          const inside = (): number => [...counts.values()].filter((count) => count > 0).length;
          const before = inside();
          const after = Object.values(deploymentShares(desired)).filter((share) => share > 0).length;
          const guarded = new Set<string>();
          expect(writes[0]?.pool).toBe('eu-west');
          for (const { pool, ops } of writes) {
            if (ops.some(({ path, op }) => op !== 'test' && path.startsWith('/metadata/annotations'))) guarded.add(pool);
            expect(guarded.has(pool)).toBe(true);
            const scaled = ops.find(({ path }) => path === '/spec/replicas');
            if (scaled !== undefined) counts.set(pool, scaled.value as number);
            expect(inside()).toBeGreaterThanOrEqual(Math.min(before, after));
          }
          expect(guarded.size).toBe(3);
          expect(checks.map(({ pool }) => pool)).toEqual(api.pools.map(({ pool }) => pool));
          for (const [pool, share] of Object.entries(deploymentShares(desired))) expect(counts.get(pool)! > 0).toBe(share > 0);
        },
      ),
    );
  });

  test('whichever pools are left out of those that are to be out, what is written and what is read then agree, and no more pools go out than before or after', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(4), { minLength: 3, maxLength: 3 }),
        fc.array(fc.constantFrom(0, 100, 500, 1000), { minLength: 3, maxLength: 3 }),
        fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
        fc.boolean(),
        (replicas, shares, silent, isReversed) => {
          fc.pre(shares.some((share) => share > 0));
          const desired = sharing(api, ...shares);
          const leftOut = new Map(
            api.pools.flatMap(({ pool }, at) => (silent[at] === true && canSpare(desired, pool) ? [[pool, 'it is silent'] as const] : [])),
          );
          const isThere = ({ pool }: { pool: string }) => !leftOut.has(pool);
          const counts = new Map(api.pools.map(({ pool }, at) => [pool, replicas[at]!]));
          const old = formatFence(changeTo(api, 1, stateOf([0, 0, 0])).fence);
          const look = (text: string): ReadBack => {
            const object = (count: number) => ({
              metadata: { resourceVersion: '7', annotations: { 'tidegate.dev/fence': text } },
              spec: { replicas: count },
            });
            const found = new Map(desired.pools.filter(isThere).map(({ pool }) => [pool, object(counts.get(pool)!)]));
            return deploymentsBack(desired, deploymentEntries(api), found, leftOut);
          };
          const change = changeTo(desired, 2, look(old));
          const { checks, phases } = deploymentSteps(change, deploymentEntries(api));
          const inside = (): number => desired.pools.filter((pool) => isThere(pool) && counts.get(pool.pool)! > 0).length;
          const before = inside();
          const after = Object.values(deploymentShares(desired)).filter((share) => share > 0).length;
          for (const { pool, ops } of phases.flatMap((phase) => (isReversed ? phase.toReversed() : phase))) {
            expect(leftOut.has(pool)).toBe(false);
            const scaled = ops.find(({ path }) => path === '/spec/replicas');
            if (scaled !== undefined) counts.set(pool, scaled.value as number);
            expect(inside()).toBeGreaterThanOrEqual(Math.min(before, after));
          }
          expect(checks.map(({ pool }) => pool)).toEqual(desired.pools.filter(isThere).map(({ pool }) => pool));
          expect(look(formatFence(change.fence))).toMatchObject({ fence: change.fence, shares: deploymentShares(desired), foreign: [] });
        },
      ),
    );
  });

  test('replicas that an autoscaler chose are left alone while the pool stays in', () => {
    const { phases } = deploymentSteps(changeTo(api, 2, stateOf([7, 1, 3])), deploymentEntries(api));
    expect(
      phases
        .flat()
        .flatMap(({ ops }) => ops)
        .filter(({ path }) => path === '/spec/replicas'),
    ).toEqual([]);
    expect(stateOf([7, 1, 0]).shares).toEqual({ 'eu-west': 500, 'us-east': 500, 'ap-south': 0 });
  });

  test('each pool in a cluster of its own: a write that is broken off says how far it came, and the next one finishes it', async () => {
    await using eu = await standInWorld();
    await using us = await standInWorld();
    await eu.call('POST', DEPLOYMENTS, deploymentBody('web-eu-west', 3));
    await us.call('POST', DEPLOYMENTS, deploymentBody('web-us-east', 0));
    const services = { [web.service]: { deployments: deploymentEntries(web, (pool) => (pool === 'eu-west' ? 'eu' : 'us')) } };
    let isLosing = false;
    const losing =
      (fetch: Fetch): Fetch =>
      async (url, init) => {
        const reply = await fetch(url, init);
        if (!isLosing || init?.method !== 'PATCH' || String(url).includes('dryRun')) return reply;
        isLosing = false;
        await reply.text();
        throw new TypeError('other side closed');
      };
    const provider = openKubernetes({ eu, us }, services, losing);
    const only = sharing(web, 0, 1000);
    const change = changeTo(only, 1, await readOne(provider, web));
    isLosing = true;
    expect(await provider.apply([change], patience())).toMatchObject({ outcome: 'undecided' });
    const half = await readOne(provider, web);
    expect(half).toMatchObject({ fence: change.fence, shares: { 'eu-west': 1000, 'us-east': 0 } });
    expect(await provider.apply([{ ...change, previous: half }], patience())).toMatchObject({ outcome: 'applied' });
    expect(await readOne(provider, web)).toMatchObject({ fence: change.fence, shares: { 'eu-west': 0, 'us-east': 1000 }, foreign: [] });
    const order = (world: typeof eu): unknown[] =>
      world
        .calls()
        .filter(({ method, path }) => method === 'PATCH' && !path.includes('dryRun'))
        .flatMap(({ body }) =>
          (body as { path: string; value: unknown }[]).filter(({ path }) => path === '/spec/replicas').map(({ value }) => value),
        );
    expect([order(eu), order(us)]).toEqual([[0], [3]]);
    await provider.close();
  });

  test('one cluster that refuses keeps the others from being written, as each patch is tried first', async () => {
    await using eu = await standInWorld();
    await using us = await standInWorld();
    await eu.call('POST', DEPLOYMENTS, deploymentBody('web-eu-west', 3));
    await us.call('POST', DEPLOYMENTS, deploymentBody('web-us-east', 0));
    const services = { [web.service]: { deployments: deploymentEntries(web, (pool) => (pool === 'eu-west' ? 'eu' : 'us')) } };
    const reader = openKubernetes({ eu, us }, services);
    const change = changeTo(sharing(web, 0, 1000), 1, await readOne(reader, web));
    const denied =
      (fetch: Fetch): Fetch =>
      (url, init) =>
        String(url).startsWith(us.url) && init?.method === 'PATCH'
          ? fetch(url, { ...init, headers: { ...(init.headers as Record<string, string>), authorization: 'Bearer nobody' } })
          : fetch(url, init);
    const provider = openKubernetes({ eu, us }, services, denied);
    expect(await provider.apply([change], patience())).toMatchObject({
      outcome: 'fatal',
      because: expect.stringContaining('prod/web-us-east in us'),
    });
    expect(await readOne(reader, web)).toMatchObject({ fence: null, shares: { 'eu-west': 1000, 'us-east': 0 } });
    await Promise.all([reader.close(), provider.close()]);
  });

  test('a writer that was overtaken between two of its patches changes nothing more', async () => {
    await using world = await standInWorld();
    await createObjects(world, 'deployments', [web]);
    let pause: { reached: () => void; go: Promise<void> } | null = null;
    const pausing =
      (fetch: Fetch): Fetch =>
      async (url, init) => {
        const held = pause;
        if (held !== null && init?.method === 'PATCH' && String(url).includes('us-east') && !String(url).includes('dryRun')) {
          pause = null;
          held.reached();
          await held.go;
        }
        return fetch(url, init);
      };
    const services = entriesOf(web, 'deployments');
    const [slow, quick] = [openKubernetes({ here: world }, services, pausing), openKubernetes({ here: world }, services)];
    expect(await quick.apply([changeTo(web, 1, await readOne(quick, web))], patience())).toMatchObject({ outcome: 'applied' });
    const stale = changeTo(sharing(web, 1000, 0), 2, await readOne(slow, web));
    let release = (): void => {};
    const go = new Promise<void>((resolve) => {
      release = resolve;
    });
    const reached = new Promise<void>((resolve) => {
      pause = { reached: resolve, go };
    });
    const outcome = slow.apply([stale], patience());
    await reached;
    const newer = changeTo(web, 3, await readOne(quick, web));
    expect(await quick.apply([newer], patience())).toMatchObject({ outcome: 'applied' });
    release();
    expect(await outcome).toMatchObject({ outcome: 'undecided', because: expect.stringContaining('1 of 2 steps were written') });
    expect(await readOne(quick, web)).toMatchObject({ fence: newer.fence, shares: { 'eu-west': 500, 'us-east': 500 }, foreign: [] });
    await Promise.all([slow.close(), quick.close()]);
  });

  test("the highest fence of all Deployments is the service's: a pool configured before the others does not let a lower one in", async () => {
    await using world = await standInWorld();
    await createObjects(world, 'deployments', [web]);
    const provider = openKubernetes({ here: world }, entriesOf(web, 'deployments'));
    const last = changeTo(web, 7, await readOne(provider, web));
    expect(await provider.apply([last], patience())).toMatchObject({ outcome: 'applied' });
    await world.call('POST', DEPLOYMENTS, deploymentBody('web-ap-south', 0));
    const more: ProviderService = { ...web, pools: [{ ...web.pools[0]!, pool: 'ap-south', region: 'ap-south' }, ...web.pools] };
    const grown = openKubernetes({ here: world }, entriesOf(more, 'deployments'));
    const before = await readOne(grown, more);
    expect(before.fence).toEqual(last.fence);
    expect(await grown.apply([changeTo(sharing(more, 1000, 0, 0), 5, before)], patience())).toMatchObject({ outcome: 'conflict' });
    expect(await readOne(provider, web)).toMatchObject({ fence: last.fence, shares: { 'eu-west': 500, 'us-east': 500 } });
    const next = changeTo(sharing(more, 1000, 0, 0), 8, before);
    expect(await grown.apply([next], patience())).toMatchObject({ outcome: 'applied' });
    expect(await readOne(grown, more)).toMatchObject({ fence: next.fence, shares: { 'ap-south': 1000 }, foreign: [] });
    await Promise.all([provider.close(), grown.close()]);
  });

  test('a step that is refused for good after others were written says how far it came', async () => {
    await using world = await standInWorld();
    await createObjects(world, 'deployments', [web]);
    let isDenied = false;
    const denying =
      (fetch: Fetch): Fetch =>
      async (url, init) =>
        isDenied && init?.method === 'PATCH' && String(url).includes('us-east') && !String(url).includes('dryRun')
          ? (new Response('{"message":"no"}', { status: 403, headers: { 'content-type': 'application/json' } }) as never)
          : fetch(url, init);
    const provider = openKubernetes({ here: world }, entriesOf(web, 'deployments'), denying);
    isDenied = true;
    expect(await provider.apply([changeTo(web, 1, await readOne(provider, web))], patience())).toMatchObject({
      outcome: 'fatal',
      because: expect.stringContaining('1 of 2 steps were written'),
    });
    await provider.close();
  });

  test('one object that is gone, and a cluster that never answers, keep no other service from being read and written', async () => {
    await using eu = await standInWorld();
    await using us = await standInWorld();
    const gone: ProviderService = { ...web, service: 'gone.tide.test' };
    await createObjects(eu, 'httpRoute', [web]);
    await createObjects(us, 'httpRoute', [api]);
    const services = {
      [web.service]: { httpRoute: { ...routeEntry(web), cluster: 'eu' } },
      [gone.service]: { httpRoute: { ...routeEntry(gone), cluster: 'us' } },
      [api.service]: { httpRoute: { ...routeEntry(api), cluster: 'us' } },
    };
    const dead =
      (fetch: Fetch): Fetch =>
      (url, init) =>
        String(url).startsWith(eu.url)
          ? new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason), { once: true }))
          : fetch(url, init);
    const provider = openKubernetes({ eu, us }, services, dead);
    const found = await provider.read([web, gone, api], AbortSignal.timeout(3000));
    expect(found.get(web.service)).toMatchObject({ unread: expect.stringContaining('cluster eu') });
    expect(found.get(gone.service)).toMatchObject({ unread: expect.stringContaining('not found (404)') });
    expect(found.get(api.service)?.unread).toBeUndefined();
    expect(await provider.apply([changeTo(api, 1, found.get(api.service)!)], patience())).toMatchObject({ outcome: 'applied' });
    for (const each of [web, gone])
      expect(await provider.apply([changeTo(each, 1, found.get(each.service)!)], patience())).toMatchObject({ outcome: 'undecided' });
    await provider.close();
  });

  test('what is owned is named by object, field and Terraform argument', () => {
    const provider = openKubernetes({ here: { url: 'http://127.0.0.1:1', token: 'any-token-at-all' } }, entriesOf(web, 'deployments'));
    expect(provider.can).toMatchObject({ weights: 'onOff', batchMax: 1, servesAnswers: false });
    expect(provider.owns([web])[0]).toEqual({
      object: `deployment prod/${objectOf(web)}-eu-west in here`,
      fields: ['spec.replicas', 'metadata.annotations["tidegate.dev/fence"]'],
      terraform: {
        resource: 'kubernetes_deployment_v1',
        ignoreChanges: ['spec[0].replicas', 'metadata[0].annotations["tidegate.dev/fence"]'],
      },
    });
  });
});

describe('what the API server says', () => {
  const status = (code: number, reason: string) => ({
    status: code,
    body: JSON.stringify({ kind: 'Status', message: `it said ${reason}`, reason, code }),
  });
  test.each([
    ['a token that is not taken', { status: 401, body: '{"kind":"Status","message":"Unauthorized"}' }, 'fatal', /token is not taken/],
    ['a role too small', status(403, 'Forbidden'), 'fatal', /it said Forbidden .*must grant patch/],
    ['an object that is gone', status(404, 'NotFound'), 'fatal', /compare namespace and name/],
    ['too many requests', status(429, 'TooManyRequests'), 'undecided', /429/],
    ['an API server without its etcd', status(500, 'InternalError'), 'undecided', /500/],
    ['a proxy in between', { status: 502, body: '<html>Bad Gateway</html>' }, 'undecided', /status 502/],
    ['a refusal with a message that is no JSON', { status: 400, body: '{"message":"a \\q"}' }, 'fatal', /status 400/],
    ['a page of a proxy with 200', { status: 200, body: '<html>Welcome</html>' }, 'undecided', /httproute prod\/web in here/],
    ['a success that shows no fence of ours', { status: 200, body: '{"metadata":{"resourceVersion":"9"}}' }, 'undecided', /does not show/],
    ['a success that is no object', { status: 200, body: '{}' }, 'undecided', /httproute prod\/web in here/],
    ['a redirect', { status: 307, body: '' }, 'undecided', /307/],
    ['a timeout of the server', status(504, 'Timeout'), 'undecided', /504/],
    ['a body it cannot read', status(400, 'BadRequest'), 'fatal', /it said BadRequest/],
    ['an object that changed, by its version', status(409, 'Conflict'), 'undecided', /not its fence/],
    ['an object that would be invalid', status(422, 'Invalid'), 'fatal', /it said Invalid/],
  ])('%s', async (_what, reply, outcome, because) => {
    await using world = await standInWorld();
    await createObjects(world, 'httpRoute', [web]);
    const answering =
      (fetch: Fetch): Fetch =>
      async (url, init) =>
        init?.method === 'PATCH'
          ? (new Response(reply.body, { status: reply.status, headers: { 'content-type': 'application/json' } }) as never)
          : fetch(url, init);
    const provider = openKubernetes({ here: world }, entriesOf(web, 'httpRoute'), answering);
    const said = await provider.apply([changeTo(web, 1, await readOne(provider, web))], patience());
    expect(said).toMatchObject({ outcome, because: expect.stringMatching(because) });
    expect(JSON.stringify(said)).not.toContain(world.token);
    await provider.close();
  });

  test('a reading that is refused or strange is an error that says what to do', async () => {
    await using world = await standInWorld();
    const provider = openKubernetes({ here: world }, entriesOf(web, 'httpRoute'));
    await expect(provider.read([web], patience())).rejects.toThrow(/httproute prod\/web in here: .*not found \(404\); compare namespace/);
    const strange = openKubernetes(
      { here: world },
      entriesOf(web, 'httpRoute'),
      () => async () => new Response('{"metadata":{}}', { headers: { 'content-type': 'application/json' } }) as never,
    );
    await expect(strange.read([web], patience())).rejects.toThrow(/is not as expected: .*resourceVersion/s);
    await Promise.all([provider.close(), strange.close()]);
  });
});

describe('credentials', () => {
  const good = JSON.parse(kubeconfigText({ url: 'https://192.0.2.1:6443', token: 'a-token-of-some-length' }));
  const opened = (text: string) =>
    openCluster('eu', { kubeconfigFile: '/secrets/eu' }, { secret: () => text, fetch: () => Promise.reject(new Error('asked')) });

  test.each([
    ['no YAML', 'a: [b, a-token-of-some-length', /is no kubeconfig/],
    ['no current context', JSON.stringify({ ...good, 'current-context': 'other' }), /has no current context/],
    [
      'no verification',
      JSON.stringify({ ...good, clusters: [{ name: 'c', cluster: { ...good.clusters[0].cluster, 'insecure-skip-tls-verify': true } }] }),
      /verification of TLS/,
    ],
    ['plain http to another machine', JSON.stringify(good).replace('https:', 'http:'), /over https only/],
    ['a program', JSON.stringify({ ...good, users: [{ name: 'u', user: { exec: { command: 'sh', apiVersion: 'v1' } } }] }), /has no token/],
    [
      'a client certificate',
      JSON.stringify({ ...good, users: [{ name: 'u', user: { 'client-certificate-data': 'YQ==' } }] }),
      /has no token/,
    ],
  ])('a kubeconfig with %s is refused when it is opened, and no message holds what is in it', (_what, text, because) => {
    expect(() => opened(text)).toThrow(because);
    expect(() => opened(text)).not.toThrow(/a-token-of-some-length/);
  });

  test('a token that no header can carry is refused, and no message tells it', () => {
    for (const token of ['a-token-of-some-length\nand more', 'a-token-of-some-length ł'])
      expect(() => opened(JSON.stringify({ ...good, users: [{ name: 'u', user: { token } }] }))).toThrow(
        /^(?!.*a-token-of-some-length).*token of its user/,
      );
  });

  test('in no pod, inCluster says so', () => {
    expect(() => openCluster('eu', { inCluster: true }, { secret: () => '', fetch: () => Promise.reject(new Error('asked')) })).toThrow(
      /runs in no pod; name a kubeconfigFile/,
    );
  });

  test('a token that was replaced in the file is used from the next call on', async () => {
    await using world = await standInWorld();
    await createObjects(world, 'httpRoute', [web]);
    const here = { url: world.url, token: 'an-old-token-that-has-expired' };
    const provider = openKubernetes({ here }, entriesOf(web, 'httpRoute'));
    await expect(provider.read([web], patience())).rejects.toThrow(/401.*token is not taken/);
    here.token = world.token;
    expect(await readOne(provider, web)).toMatchObject({ fence: null });
    await provider.close();
  });
});
