// The gclb provider beyond the contract: what the vendor may answer, replayed through its real client library; what the conversions must keep; tables and
// properties. The library takes seconds to load, so one world serves many cases.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatFence } from '../../providers/fence.ts';
import { patchCapacity, quantiseCapacity, readCapacity } from '../../providers/gclb/capacity.ts';
import type { CapacityPlace, Token, UrlMapPlace, VendorObject } from '../../providers/gclb/convert.ts';
import { DESCRIPTION_CHARS_MAX, humanText, readDescription, writeDescription } from '../../providers/gclb/description.ts';
import type { GclbConfig } from '../../providers/gclb/index.ts';
import { gclb } from '../../providers/gclb/index.ts';
import { patchUrlMap, quantiseUrlMap, readUrlMap } from '../../providers/gclb/url-map.ts';
import type { Applied, Change, Fence, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import type { Fetch } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';
import {
  backendServiceOf,
  capacityConfig,
  fixtureOf,
  type GclbWorld,
  groupOf,
  PROJECT,
  problemsBySchema,
  serviceOf,
  startWorld,
  urlMapConfig,
  urlMapOf,
} from './gclb.fixture.ts';

const TEST_MS = 60_000;
const patience = (): AbortSignal => AbortSignal.timeout(TEST_MS);

let nonces = 0;
const fenceOf = (v: number, over: Partial<Fence> = {}): Fence => ({
  v,
  epoch: 1,
  writer: 'eu-west/a',
  nonce: `d${v}-${++nonces}`,
  hash: '0123',
  ...over,
});
const changeTo = (desired: ProviderService, v: number, previous: ReadBack, over?: Partial<Fence>): Change => ({
  desired,
  fence: fenceOf(v, over),
  previous,
});
const readOne = async (provider: Provider, service: ProviderService): Promise<ReadBack> =>
  (await provider.read([service], patience())).get(service.service)!;

const web = serviceOf('web', 3);
const drainedWeb: ProviderService = { ...web, pools: web.pools.map((pool, at) => ({ ...pool, share: [0, 500, 500][at]! })) };

// ---- what the vendor answers ----

interface ErrorCase {
  name: string;
  status: number;
  body: unknown;
}
const cases: readonly ErrorCase[] = fixtureOf('errors.json').cases;

const MEANING: Readonly<Record<string, { outcome: Applied['outcome']; because: RegExp; read: RegExp | null }>> = {
  'fingerprint-mismatch': { outcome: 'conflict', because: /412 conditionNotMet: Precondition Failed; somebody changed it/, read: /412/ },
  'rate-quota': {
    outcome: 'undecided',
    because: /403 rateLimitExceeded: .*quota is used up and refilled at \d{4}-\d\d-\d\dT\d\d:\d\d:00\.000Z/,
    read: /quota is used up/,
  },
  'resource-not-ready': { outcome: 'undecided', because: /400 resourceNotReady: .*still under way/, read: /still under way/ },
  'scaler-on-internal': { outcome: 'fatal', because: /400 invalid: .*Capacity scaler must not be set.*correct/, read: /400 invalid/ },
  'not-found': { outcome: 'fatal', because: /404 notFound: .*compare project and names/, read: null },
  forbidden: {
    outcome: 'fatal',
    because: /403 forbidden: Required 'compute\.backendServices\.update'.*deploy\/iam\/gclb-/,
    read: /403/,
  },
  'backend-error': { outcome: 'undecided', because: /503 backendError: Backend Error/, read: /503/ },
  'html-502': { outcome: 'undecided', because: /502: a body that is not of this API/, read: /502/ },
  'operation-done-with-error': { outcome: 'undecided', because: /400 RESOURCE_NOT_READY: .*still under way/, read: /is not understood/ },
  'operation-still-running-after-wait': { outcome: 'applied', because: /^$/, read: /is not understood/ },
};

describe('what the vendor answers, through its own client library', { timeout: TEST_MS }, () => {
  let world: GclbWorld;
  let provider: Provider;
  beforeAll(async () => {
    world = await startWorld({ backendServices: [backendServiceOf(web)] });
    provider = world.open(capacityConfig([web], world.wire.url));
  }, TEST_MS);
  afterAll(() => world[Symbol.asyncDispose]());

  const writeWith = async (status: number, body: unknown): Promise<Applied> => {
    const previous = await readOne(provider, web);
    world.wire.answerNext('PATCH', { status, body });
    return provider.apply([changeTo(drainedWeb, 9, previous)], patience());
  };

  test('every recorded case has its meaning here', () => {
    expect(cases.map(({ name }) => name).sort()).toEqual(Object.keys(MEANING).sort());
  });

  test.each(cases)('a write that is answered $name', async ({ name, status, body }) => {
    const { outcome, because } = MEANING[name]!;
    const applied = await writeWith(status, body);
    expect(applied.outcome).toBe(outcome);
    expect(applied.outcome === 'applied' ? '' : applied.because).toMatch(because);
    if (applied.outcome === 'applied') expect(applied.receipt).toBe('operation-1');
    expect(world.standIn.calls().filter(({ method }) => method === 'PATCH')).toEqual([]);
  });

  test.each(cases)('a read that is answered $name', async ({ name, status, body }) => {
    const { read } = MEANING[name]!;
    world.wire.answerNext('GET', { status, body });
    const back = await readOne(provider, web).catch(String);
    if (read !== null) expect(back).toMatch(read);
    // An object that is missing is a fact about one service and keeps nobody else's from being read.
    else expect(back).toMatchObject({ fence: null, shares: null });
  });

  const refusal = (code: number, more: object) => ({ error: { code, message: 'no', ...more } });
  test.each<[what: string, status: number, body: unknown, outcome: Applied['outcome'], because: RegExp]>([
    [
      'quota told by its text only',
      403,
      refusal(403, { message: "Quota exceeded for quota metric 'Queries'" }),
      'undecided',
      /refilled at/,
    ],
    [
      'quota told by ErrorInfo',
      403,
      refusal(403, { details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'RATE_LIMIT_EXCEEDED' }] }),
      'undecided',
      /403 RATE_LIMIT_EXCEEDED: no; .*refilled at/,
    ],
    ['429', 429, refusal(429, {}), 'undecided', /refilled at/],
    ['401', 401, refusal(401, {}), 'fatal', /compare the credentials, and the clock/],
    ['409', 409, refusal(409, {}), 'undecided', /409/],
    ['a redirect', 302, '', 'undecided', /302/],
    ['200 with a page', 200, '<html>captive portal</html>', 'undecided', /200 without an operation/],
    ['200 with something else', 200, { kind: 'compute#backendService' }, 'undecided', /200 without an operation/],
    [
      'a fingerprint that was too old when the operation ran',
      200,
      {
        name: 'op',
        status: 'DONE',
        httpErrorStatusCode: 412,
        error: { errors: [{ code: 'CONDITION_NOT_MET', message: 'Invalid fingerprint.' }] },
      },
      'conflict',
      /op: 412 CONDITION_NOT_MET/,
    ],
    [
      'a done operation with an error nobody knows',
      200,
      { name: 'op', status: 'DONE', error: { errors: [{ code: 'ODD' }] } },
      'undecided',
      /ODD/,
    ],
  ])('%s', async (_what, status, body, outcome, because) => {
    const applied = await writeWith(status, body);
    expect(applied).toMatchObject({ outcome, because: expect.stringMatching(because) });
  });

  test.each<[what: string, status: number, body: unknown, leastMs: number | null]>([
    ['quota', 403, refusal(403, { errors: [{ reason: 'rateLimitExceeded' }] }), 1],
    ['429', 429, refusal(429, {}), 1],
    ['an operation under way', 400, refusal(400, { errors: [{ reason: 'resourceNotReady' }] }), 2000],
    ['a missing permission', 403, refusal(403, { errors: [{ reason: 'forbidden' }] }), null],
    ['a server in trouble', 503, refusal(503, {}), null],
  ])('whether everybody has to wait: %s', async (_what, status, body, leastMs) => {
    const applied = await writeWith(status, body);
    world.wire.answerNext('GET', { status, body });
    const failure = await readOne(provider, web).catch((error: unknown) => error);
    for (const { busyMs } of [applied as { busyMs?: number }, failure as { busyMs?: number }]) {
      if (leastMs === null) expect(busyMs).toBeUndefined();
      else expect(busyMs).toSatisfy((ms) => ms >= leastMs && ms <= 60_000);
    }
  });

  test('a cut connection and a wait that ends are undecided', async () => {
    const previous = await readOne(provider, web);
    world.wire.answerNext('PATCH', null);
    expect(await provider.apply([changeTo(drainedWeb, 9, previous)], patience())).toMatchObject({ outcome: 'undecided' });
    world.wire.answerNext('GET', null);
    await expect(readOne(provider, web)).rejects.toThrow(/read of web-bs/);
  });
});

// ---- one intent, one write ----

describe('one intent happens once', { timeout: TEST_MS }, () => {
  const idsOf = (world: GclbWorld): string[] =>
    world.wire.exchanges.filter(({ method }) => method === 'PATCH').map(({ query }) => new URLSearchParams(query).get('requestId')!);

  test('what nobody knows is repeated with its id, to the letter; what was refused is a new intent', async () => {
    await using world = await startWorld({ backendServices: [backendServiceOf(web)] });
    const provider = world.open(capacityConfig([web], world.wire.url));
    const previous = await readOne(provider, web);
    world.wire.loseNextReply();
    expect(await provider.apply([changeTo(drainedWeb, 1, previous, { nonce: 'd-1' })], patience())).toMatchObject({ outcome: 'undecided' });
    // Whoever has not read yet, and repeats the decision under a new nonce, meets its own first write.
    expect(await provider.apply([changeTo(drainedWeb, 1, previous, { nonce: 'd-2' })], patience())).toMatchObject({ outcome: 'applied' });
    const [first, second] = world.wire.exchanges.filter(({ method }) => method === 'PATCH');
    expect(second?.request).toEqual(first?.request);
    expect(world.standIn.object('backendServices', 'web-bs')?.description).toContain('nonce=d-1');
    // Another decision over the same old state is another write, and refused.
    expect(await provider.apply([changeTo(web, 2, previous)], patience())).toMatchObject({ outcome: 'conflict' });
    expect(await provider.apply([changeTo(web, 2, previous)], patience())).toMatchObject({ outcome: 'conflict' });
    const ids = idsOf(world);
    expect(ids[1]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test('an operation is looked at until it is done, and one that fails says why and frees the intent', async () => {
    await using world = await startWorld({ backendServices: [backendServiceOf(web)], operationMs: 150 });
    const provider = world.open(capacityConfig([web], world.wire.url));
    const previous = await readOne(provider, web);
    const change = changeTo(drainedWeb, 1, previous);
    const applied = await provider.apply([change], patience());
    const { receipt } = applied as { receipt: string };
    expect(applied).toEqual({ outcome: 'applied', receipt: 'operation-1' });
    expect(await provider.settle!(receipt, patience())).toEqual({ state: 'pending' });
    // Until then the old state is read, and a repeat of the decision is no second change.
    expect(await provider.apply([{ ...change, fence: { ...change.fence, nonce: 'again' } }], patience())).toEqual(applied);
    await expect.poll(() => provider.settle!(receipt, patience()), { timeout: 10_000 }).toEqual({ state: 'settled' });
    expect(await readOne(provider, web)).toMatchObject({ fence: change.fence, shares: provider.quantise(drainedWeb) });

    const back = changeTo(web, 2, await readOne(provider, web));
    const second = (await provider.apply([back], patience())) as { receipt: string };
    world.standIn.change('backendServices', 'web-bs', { timeoutSec: 31 });
    await expect
      .poll(() => provider.settle!(second.receipt, patience()), { timeout: 10_000 })
      .toMatchObject({ state: 'failed', because: expect.stringContaining('412 CONDITION_NOT_MET: Invalid fingerprint.') });
    expect(await readOne(provider, web)).toMatchObject({ fence: change.fence });
    expect(await provider.apply([back], patience())).toMatchObject({ outcome: 'conflict' });
    expect(new Set(idsOf(world)).size).toBe(3);
    await expect(provider.settle!('operation-9', patience())).rejects.toThrow(/404 notFound/);
  });

  test.each([true, false])(
    'what somebody put back to the letter, fingerprint and all, is written again (settled before: %s)',
    async (isSettled) => {
      await using world = await startWorld({ backendServices: [backendServiceOf(web)] });
      const provider = world.open(capacityConfig([web], world.wire.url));
      const { description, backends } = backendServiceOf(web);
      const first = changeTo(drainedWeb, 1, await readOne(provider, web));
      const { fingerprint } = world.standIn.object('backendServices', 'web-bs')!;
      const { receipt } = (await provider.apply([first], patience())) as { receipt: string };
      if (isSettled) expect(await provider.settle!(receipt, patience())).toEqual({ state: 'settled' });
      else expect(await readOne(provider, web)).toMatchObject({ fence: first.fence });
      // As a plan of Terraform's does that knows nothing of us.
      world.standIn.change('backendServices', 'web-bs', { description, backends });
      expect(world.standIn.object('backendServices', 'web-bs')?.fingerprint).toBe(fingerprint);
      const again = changeTo(drainedWeb, 1, await readOne(provider, web));
      expect(await provider.apply([again], patience())).toMatchObject({ outcome: 'applied' });
      expect(await readOne(provider, web)).toMatchObject({ fence: again.fence, shares: provider.quantise(drainedWeb) });
    },
  );

  test('two changes of one object at a time: the second waits for the first', async () => {
    await using world = await startWorld({ backendServices: [backendServiceOf(web)], operationMs: 60_000 });
    const [one, other] = [world.open(capacityConfig([web], world.wire.url)), world.open(capacityConfig([web], world.wire.url))];
    const previous = await readOne(one, web);
    expect(await one.apply([changeTo(drainedWeb, 1, previous)], patience())).toMatchObject({ outcome: 'applied' });
    expect(await other.apply([changeTo(web, 2, previous)], patience())).toMatchObject({
      outcome: 'undecided',
      because: expect.stringContaining('resourceNotReady'),
    });
  });

  test('a quota that is used up is undecided, for a write and for a read', async () => {
    await using world = await startWorld({ backendServices: [backendServiceOf(web)], quotaPerMinute: 0 });
    const provider = world.open(capacityConfig([web], world.wire.url));
    await expect(readOne(provider, web)).rejects.toThrow(/refilled at/);
    const token: Token = { object: world.standIn.object('backendServices', 'web-bs') as VendorObject, unusable: null };
    const previous: ReadBack = { fence: null, shares: null, foreign: [], token };
    expect(await provider.apply([changeTo(drainedWeb, 1, previous)], patience())).toMatchObject({ outcome: 'undecided' });
  });
});

// ---- what must survive a write ----

describe('a write leaves alone what is not ours', { timeout: TEST_MS }, () => {
  test('fields that the library is too old to know, at the object and inside its arrays; the human text of the description', async () => {
    const given = backendServiceOf(web, 0.8);
    const backends = (given.backends as Record<string, unknown>[]).map((each, at) => ({ ...each, ofNextYear: { deep: [at, 0] } }));
    const map = urlMapOf(web, 100, 'api');
    const pathMatchers = (map.pathMatchers as Record<string, unknown>[]).map((each) => ({ ...each, ofNextYear: 'kept' }));
    await using world = await startWorld(
      {
        backendServices: [{ ...given, backends, alsoNew: true, description: 'Shop front.  Ask team-web' }],
        urlMaps: [{ ...map, pathMatchers }],
      },
      true,
    );
    const capacity = world.open(capacityConfig([web], world.wire.url));
    const first = changeTo(drainedWeb, 1, await readOne(capacity, web));
    expect(await capacity.apply([first], patience())).toMatchObject({ outcome: 'applied' });
    const after = world.standIn.object('backendServices', 'web-bs');
    expect(after).toMatchObject({ alsoNew: true, protocol: 'HTTP', description: `Shop front.  Ask team-web ${formatFence(first.fence)}` });
    expect(after?.backends).toEqual(backends.map((each, at) => (at === 0 ? { ...each, capacityScaler: 0 } : each)));
    // What comes back gets its configured value; what stayed in keeps the one that a human gave it.
    expect(await capacity.apply([changeTo(web, 2, await readOne(capacity, web))], patience())).toMatchObject({ outcome: 'applied' });
    expect(world.standIn.object('backendServices', 'web-bs')?.backends).toEqual(
      backends.map((each, at) => (at === 0 ? { ...each, capacityScaler: 1 } : each)),
    );

    const maps = world.open(urlMapConfig([web], world.wire.url, 'api'));
    expect(await maps.apply([changeTo(drainedWeb, 1, await readOne(maps, web))], patience())).toMatchObject({ outcome: 'applied' });
    const written = world.standIn.object('urlMaps', 'web-map')?.pathMatchers as Record<string, Record<string, unknown>>[];
    expect(written[0]).toEqual(pathMatchers[0]);
    const before = pathMatchers[1] as { defaultRouteAction?: { weightedBackendServices: object[] } };
    expect(written[1]).toEqual({
      ...before,
      defaultRouteAction: {
        ...before.defaultRouteAction,
        weightedBackendServices: before.defaultRouteAction?.weightedBackendServices.map((each, at) => ({
          ...each,
          weight: [0, 500, 500][at],
        })),
      },
    });
  });

  test('only what changes is sent: a fence alone goes without the backends', async () => {
    await using world = await startWorld({ backendServices: [backendServiceOf(web)] });
    const provider = world.open(capacityConfig([web], world.wire.url));
    expect(await provider.apply([changeTo(web, 1, await readOne(provider, web))], patience())).toMatchObject({ outcome: 'applied' });
    const sent = world.wire.exchanges.find(({ method }) => method === 'PATCH');
    expect(Object.keys(sent?.request as object).sort()).toEqual(['description', 'fingerprint']);
  });

  test('what nobody can change is not written again and again: a stranger beside the pools costs one write', async () => {
    const given = backendServiceOf(web);
    const stranger = { group: `projects/${PROJECT}/zones/x-1/instanceGroups/canary`, balancingMode: 'UTILIZATION' };
    await using world = await startWorld({ backendServices: [{ ...given, backends: [...(given.backends as object[]), stranger] }] });
    const provider = world.open(capacityConfig([web], world.wire.url));
    for (let n = 0; n < 3; n++) {
      const previous = await readOne(provider, web);
      expect(previous.foreign).toEqual(['zones/x-1/instanceGroups/canary']);
      expect(await provider.apply([changeTo(web, 1, previous)], patience())).toMatchObject({ outcome: 'applied' });
    }
    expect(world.standIn.calls().filter(({ method }) => method === 'PATCH')).toHaveLength(1);
    const config = capacityConfig([web], world.wire.url) as GclbConfig & { mode: 'capacity' };
    const place = config.services[web.service]!;
    const told = world.open({ ...config, services: { [web.service]: { ...place, unmanaged: ['zones/x-1/instanceGroups/canary'] } } });
    expect((await readOne(told, web)).foreign).toEqual([]);
  });

  test('two services in one write are refused unsent: whoever sent them can send them one by one', async () => {
    const api = serviceOf('api', 2);
    await using world = await startWorld({ backendServices: [backendServiceOf(web), backendServiceOf(api)] });
    const provider = world.open(capacityConfig([web, api], world.wire.url));
    const found = await provider.read([web, api], patience());
    const both = [web, api].map((service) => changeTo(service, 1, found.get(service.service)!));
    expect(await provider.apply(both, patience())).toMatchObject({
      outcome: 'fatal',
      because: expect.stringMatching(/^2 services in one write/),
    });
    expect(world.standIn.calls().every(({ method }) => method === 'GET')).toBe(true);
  });

  test('one object that is missing or cannot be used is told by its own write, and the others are served', async () => {
    const [api, gone, internal, ingress] = [serviceOf('api', 2), serviceOf('gone', 2), serviceOf('internal', 2), serviceOf('ingress', 2)];
    const all = [web, api, gone, internal, ingress];
    await using world = await startWorld({
      backendServices: [
        backendServiceOf(web),
        backendServiceOf(api),
        { ...backendServiceOf(internal), loadBalancingScheme: 'INTERNAL' },
        { ...backendServiceOf(ingress), description: '{"kubernetes.io/service-name":"default/web"}' },
      ],
    });
    const provider = world.open(capacityConfig(all, world.wire.url));
    const found = await provider.read(all, patience());
    const write = (service: ProviderService) => provider.apply([changeTo(service, 1, found.get(service.service)!)], patience());
    expect(await write(gone)).toMatchObject({ outcome: 'fatal', because: expect.stringMatching(/there is no backend service gone-bs/) });
    expect(await write(internal)).toMatchObject({ outcome: 'fatal', because: expect.stringMatching(/scheme INTERNAL/) });
    expect(await write(ingress)).toMatchObject({ outcome: 'fatal', because: expect.stringMatching(/record of another controller/) });
    expect(await write(api)).toMatchObject({ outcome: 'applied' });
    expect(world.standIn.calls().filter(({ method }) => method === 'PATCH')).toHaveLength(1);
  });
});

// ---- credentials ----

describe('credentials', { timeout: TEST_MS }, () => {
  const token = (access_token: string) =>
    new Response(JSON.stringify({ access_token, expires_in: 3600, token_type: 'Bearer', issued_token_type: 'x' }));
  const object = { ...backendServiceOf(web), fingerprint: 'abc=' };

  /** Every request, answered by `token` for tokens and with the object for the API. */
  const asking = (answer: (url: string) => Response): { fetch: Fetch; asked: { url: string; authorization: string | null }[] } => {
    const asked: { url: string; authorization: string | null }[] = [];
    const fetch = (async (url, init) => {
      asked.push({ url: String(url), authorization: new Headers(init?.headers as [string, string][]).get('authorization') });
      return answer(String(url));
    }) as Fetch;
    return { fetch, asked };
  };
  const isApi = (url: string): boolean => url.startsWith('https://compute.googleapis.com/');

  test('the machine account: its token comes from the metadata server by our own HTTP, and is asked for once', async () => {
    const { fetch, asked } = asking((url) => (isApi(url) ? new Response(JSON.stringify(object)) : token('of-the-machine')));
    const { credentialsFile: _, ...config } = capacityConfig([web], 'https://compute.googleapis.com');
    const provider = gclb.open(config as GclbConfig, { ports: realPorts(), secret: () => '', fetch });
    await readOne(provider, web);
    await readOne(provider, web);
    expect(asked.map(({ url }) => new URL(url).hostname)).toEqual(['169.254.169.254', 'compute.googleapis.com', 'compute.googleapis.com']);
    expect(asked.at(-1)?.authorization).toBe('Bearer of-the-machine');
    await provider.close();
  });

  const external = JSON.stringify({
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: 'https://sts.googleapis.com/v1/token',
    credential_source: { file: `${import.meta.dirname}/../../package.json` },
  });

  test('an external account: its token comes by our own HTTP', async () => {
    const { fetch, asked } = asking((url) => (isApi(url) ? new Response(JSON.stringify(object)) : token('of-sts')));
    const config = capacityConfig([web], 'https://compute.googleapis.com');
    const provider = gclb.open(config, { ports: realPorts(), secret: () => external, fetch });
    await readOne(provider, web);
    expect(asked.map(({ url }) => new URL(url).hostname)).toEqual(['sts.googleapis.com', 'compute.googleapis.com']);
    expect(asked.at(-1)?.authorization).toBe('Bearer of-sts');
    await provider.close();
  });

  test('a token that is refused is fatal and not mistaken for an answer of the API; one that is not reached is undecided', async () => {
    const config = capacityConfig([web], 'https://compute.googleapis.com');
    const previous: ReadBack = {
      fence: null,
      shares: null,
      foreign: [],
      token: { object: object as never, unusable: null } satisfies Token,
    };
    for (const [status, outcome] of [
      [400, 'fatal'],
      [503, 'undecided'],
    ] as const) {
      const body = JSON.stringify({ error: 'invalid_grant', error_description: 'Rate Limit Exceeded for hunter2' });
      const { fetch } = asking(() => new Response(body, { status, headers: { 'content-type': 'application/json' } }));
      const provider = gclb.open(config, { ports: realPorts(), secret: () => external, fetch });
      const applied = await provider.apply([changeTo(drainedWeb, 1, previous)], AbortSignal.timeout(20_000));
      expect(applied.outcome, JSON.stringify(applied)).toBe(outcome);
      await provider.close();
    }
  });

  test.each([
    ['nothing of the kind', '{"type":"authorized_user"}'],
    ['no JSON', 'hunter2hunter2'],
    [
      'a program to run',
      JSON.stringify({
        type: 'external_account',
        audience: 'a',
        token_url: 'https://x',
        credential_source: { executable: { command: 'rm' } },
      }),
    ],
  ])('%s is refused when it is opened, by the name of the file and without its text', (_what, text) => {
    const config = capacityConfig([web], 'https://compute.googleapis.com');
    const open = () => gclb.open(config, { ports: realPorts(), secret: () => text, fetch: () => Promise.reject(new Error('asked')) });
    expect(open).toThrow(/^\/secrets\/gcp\.json: found something else, expected the JSON of a service account key/);
    expect(open).not.toThrow(/hunter2/);
  });
});

// ---- conversions ----

const capacityPlace: CapacityPlace = {
  backendService: 'web-bs',
  pools: {
    a: { groups: ['zones/z-1/networkEndpointGroups/a1', 'projects/other/zones/z-2/networkEndpointGroups/a2'], capacityScaler: 0.5 },
    b: { groups: ['regions/r/instanceGroups/b'], capacityScaler: 1 },
    c: { groups: ['zones/z-3/instanceGroups/c'], capacityScaler: 1 },
  },
  unmanaged: [],
};
const groups: Readonly<Record<string, string>> = {
  a1: `https://compute.googleapis.com/compute/v1/projects/p-1/zones/z-1/networkEndpointGroups/a1`,
  a2: `https://www.googleapis.com/compute/beta/projects/other/zones/z-2/networkEndpointGroups/a2`,
  b: `projects/p-1/regions/r/instanceGroups/b`,
  c: `https://www.googleapis.com/compute/v1/projects/p-1/zones/z-3/instanceGroups/c`,
};
const poolsOf = (shares: readonly number[], configured: readonly number[] = [500, 300, 200]): ProviderService => ({
  service: 'web.tide.test',
  ttlS: 30,
  pools: ['a', 'b', 'c']
    .slice(0, shares.length)
    .map((pool, at) => ({ pool, region: pool, share: shares[at]!, configuredShare: configured[at]!, answers: [] })),
});
const objectOf = (scalers: Readonly<Record<string, number | null>>, more: object = {}): VendorObject => ({
  name: 'web-bs',
  fingerprint: 'abc=',
  backends: Object.entries(scalers).map(([group, scaler]) => ({
    group: groups[group],
    maxRate: 7,
    ...(scaler === null ? {} : { capacityScaler: scaler }),
  })),
  ...more,
});
const capacityBodyOf = (desired: ProviderService, object: VendorObject, v = 2) => {
  const previous = readCapacity('p-1', capacityPlace, desired, object);
  return patchCapacity('p-1', capacityPlace, { desired, fence: fenceOf(v), previous });
};
const scalersIn = (patch: ReturnType<typeof capacityBodyOf>): unknown =>
  patch.kind === 'send'
    ? (patch.body.backends as { capacityScaler?: number }[] | undefined)?.map(({ capacityScaler }) => capacityScaler)
    : patch;

describe('capacity', () => {
  test.each<[what: string, scalers: Record<string, number | null>, shares: Record<string, number> | null, foreign: string[]]>([
    ['everything on, one by default', { a1: 1, a2: null, b: 0.3, c: 1 }, { a: 333, b: 334, c: 333 }, []],
    ['a drained pool', { a1: 0, a2: 0, b: 1, c: 1 }, { a: 0, b: 500, c: 500 }, []],
    ['half a pool falls short', { a1: 1, a2: 0, b: 1, c: 0 }, { a: 250, b: 500, c: 0 }, []],
    ['a group that was taken out falls short too', { a1: 1, b: 1, c: 1 }, { a: 166, b: 334, c: 333 }, []],
    ['nothing on', { a1: 0, a2: 0, b: 0, c: 0 }, null, []],
  ])('reads %s', (_what, scalers, shares, foreign) => {
    expect(readCapacity('p-1', capacityPlace, poolsOf([500, 300, 200]), objectOf(scalers))).toMatchObject({ fence: null, shares, foreign });
  });

  test.each<[what: string, shares: number[], scalers: Record<string, number | null>, expected: unknown]>([
    ['a drain touches its own groups only', [0, 600, 400], { a1: 0.9, a2: null, b: 0.3, c: null }, [0, 0, 0.3, undefined]],
    ['a return brings the configured value', [500, 300, 200], { a1: 0, a2: 0, b: 1, c: 1 }, [0.5, 0.5, 1, 1]],
    ['a stage below half is still out', [249, 451, 300], { a1: 0, a2: 0, b: 1, c: 1 }, undefined],
    ['a stage at half is in', [250, 450, 300], { a1: 0, a2: 0, b: 1, c: 1 }, [0.5, 0.5, 1, 1]],
    ['what is on keeps what a human gave it', [500, 300, 200], { a1: 0.1, a2: 0.2, b: 0.3, c: 0.4 }, undefined],
  ])('%s', (_what, shares, scalers, expected) => {
    expect(scalersIn(capacityBodyOf(poolsOf(shares), objectOf(scalers)))).toEqual(expected);
  });

  test('the only backend is never set to 0, and nothing is written that would leave nobody', () => {
    expect(capacityBodyOf(poolsOf([0, 1000, 0]), objectOf({ a1: 1 }))).toMatchObject({
      kind: 'refused',
      because: expect.stringContaining('has none of the backends regions/r/instanceGroups/b that should serve'),
    });
    expect(capacityBodyOf(poolsOf([0, 1000, 0]), objectOf({}))).toMatchObject({ kind: 'refused' });
  });

  test('a missing group of a third pool does not hold up a drain', () => {
    expect(scalersIn(capacityBodyOf(poolsOf([0, 600, 400]), objectOf({ a1: 1, a2: 1, b: 1 })))).toEqual([0, 0, 1]);
  });

  test('whatever is decided and whatever is there: what is sent fits the schema and the rules, and reads back as promised', () => {
    const scaler = fc.constantFrom(null, 0, 0.1, 0.55, 1);
    fc.assert(
      fc.property(
        fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000)).filter((shares) => shares.some((share) => share > 0)),
        fc.record({ a1: scaler, a2: scaler, b: scaler, c: scaler }),
        (shares, scalers) => {
          const desired = poolsOf(shares);
          const object = objectOf(scalers);
          const patch = capacityBodyOf(desired, object);
          if (patch.kind !== 'send') throw new Error(`not sent: ${JSON.stringify(patch)}`);
          expect(problemsBySchema('BackendService', patch.body)).toEqual([]);
          const after = { ...object, ...patch.body } as VendorObject;
          for (const { capacityScaler = 1 } of after.backends as { capacityScaler?: number }[])
            expect(capacityScaler === 0 || (capacityScaler >= 0.1 && capacityScaler <= 1)).toBe(true);
          const back = readCapacity('p-1', capacityPlace, desired, after);
          const promised = quantiseCapacity(desired);
          // A pool that stays in is left as it is, also where a human has drained one half of it: then it falls short, and drift says so.
          const whole = Object.values(back.shares ?? {}).reduce((sum, share) => sum + share, 0) === 1000;
          if (whole) expect(back.shares).toEqual(promised);
          for (const [pool, share] of Object.entries(promised)) expect((back.shares?.[pool] ?? 0) > 0, pool).toBe(share > 0);
        },
      ),
    );
  });
});

const mapPlace: UrlMapPlace = {
  urlMap: 'web-map',
  pools: {
    a: { backendService: 'web-a' },
    b: { backendService: 'web-b' },
    c: { backendService: 'projects/other/global/backendServices/web-c' },
  },
  unmanaged: ['canary'],
};
const mapOf = (weights: Readonly<Record<string, number>>, more: object = {}): VendorObject => ({
  name: 'web-map',
  fingerprint: 'abc=',
  defaultRouteAction: {
    weightedBackendServices: Object.entries(weights).map(([name, weight]) => ({
      backendService: `https://www.googleapis.com/compute/v1/projects/${name === 'web-c' ? 'other' : 'p-1'}/global/backendServices/${name}`,
      weight,
    })),
  },
  ...more,
});
const mapBodyOf = (desired: ProviderService, object: VendorObject) =>
  patchUrlMap('p-1', mapPlace, { desired, fence: fenceOf(2), previous: readUrlMap('p-1', mapPlace, desired, object) });
const weightsIn = (patch: ReturnType<typeof mapBodyOf>): unknown =>
  patch.kind === 'send'
    ? (
        patch.body.defaultRouteAction as { weightedBackendServices: { backendService: string; weight: number }[] } | undefined
      )?.weightedBackendServices.map(({ backendService, weight }) => [backendService.split('/').at(-1), weight])
    : patch;

describe('URL map', () => {
  test.each<[what: string, object: VendorObject, shares: Record<string, number> | null, foreign: string[], unusable: RegExp | null]>([
    ['true shares', mapOf({ 'web-a': 1, 'web-b': 1, 'web-c': 2 }), { a: 250, b: 250, c: 500 }, [], null],
    [
      'a stranger',
      mapOf({ 'web-a': 1, elsewhere: 1, idle: 0, canary: 5 }),
      { a: 1000, b: 0, c: 0 },
      ['global/backendServices/elsewhere'],
      null,
    ],
    [
      'a map with a default service',
      { name: 'm', fingerprint: 'f', defaultService: 'projects/p-1/global/backendServices/web-b' },
      { a: 0, b: 1000, c: 0 },
      [],
      /has no weightedBackendServices at its default route action/,
    ],
    ['a map that redirects', { name: 'm', fingerprint: 'f', defaultUrlRedirect: { httpsRedirect: true } }, null, [], /has no weighted/],
    ['no fingerprint', { ...mapOf({ 'web-a': 1 }), fingerprint: undefined }, { a: 1000, b: 0, c: 0 }, [], /without a fingerprint/],
  ])('reads %s', (_what, object, shares, foreign, unusable) => {
    const back = readUrlMap('p-1', mapPlace, poolsOf([500, 300, 200]), object);
    expect(back).toMatchObject({ shares, foreign });
    if (unusable === null) expect((back.token as Token).unusable).toBeNull();
    else expect((back.token as Token).unusable).toMatch(unusable);
  });

  test('a path matcher that is not there is told, and nothing is concluded', () => {
    const back = readUrlMap('p-1', { ...mapPlace, pathMatcher: 'api' }, poolsOf([500, 300, 200]), mapOf({ 'web-a': 1 }));
    expect(back).toMatchObject({ shares: null, token: { unusable: expect.stringContaining('(path matcher api); correct the name') } });
  });

  test.each<[what: string, weights: Record<string, number>, expected: unknown]>([
    [
      'shares become weights, strangers stay',
      { 'web-a': 9, elsewhere: 4, 'web-b': 0, 'web-c': 0, canary: 5 },
      [
        ['web-a', 500],
        ['elsewhere', 4],
        ['web-b', 300],
        ['web-c', 200],
        ['canary', 5],
      ],
    ],
    [
      'a pool without an entry gets one',
      { 'web-a': 500, 'web-b': 300 },
      [
        ['web-a', 500],
        ['web-b', 300],
        ['web-c', 200],
      ],
    ],
    ['nothing changes, nothing is sent but the fence', { 'web-a': 500, 'web-b': 300, 'web-c': 200 }, undefined],
  ])('%s', (_what, weights, expected) => {
    expect(weightsIn(mapBodyOf(poolsOf([500, 300, 200]), mapOf(weights)))).toEqual(expected);
  });

  test('two entries of one backend service: the first carries it', () => {
    const object = mapOf({ 'web-a': 1, 'web-b': 2, 'web-c': 3 });
    const action = object.defaultRouteAction as { weightedBackendServices: object[] };
    const twice = {
      ...object,
      defaultRouteAction: { weightedBackendServices: [...action.weightedBackendServices, action.weightedBackendServices[0]!] },
    };
    expect(weightsIn(mapBodyOf(poolsOf([500, 300, 200]), twice))).toEqual([
      ['web-a', 500],
      ['web-b', 300],
      ['web-c', 200],
      ['web-a', 0],
    ]);
  });

  test('whatever is decided: what is sent fits the schema, sums to 1000 and reads back as promised', () => {
    fc.assert(
      fc.property(
        fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000)).filter((shares) => shares.some((share) => share > 0)),
        fc.dictionary(fc.constantFrom('web-a', 'web-b', 'web-c'), fc.nat(1000), { minKeys: 1 }),
        (shares, weights) => {
          const desired = poolsOf(shares);
          const object = mapOf(weights);
          const patch = mapBodyOf(desired, object);
          if (patch.kind !== 'send') throw new Error(`not sent: ${JSON.stringify(patch)}`);
          expect(problemsBySchema('UrlMap', patch.body)).toEqual([]);
          const after = { ...object, ...patch.body } as VendorObject;
          expect(readUrlMap('p-1', mapPlace, desired, after)).toMatchObject({ shares: quantiseUrlMap(desired), foreign: [] });
        },
      ),
    );
  });
});

describe('the fence in a description', () => {
  const fence = fenceOf(7);
  const word = formatFence(fence);

  test('a human text comes back to the letter, whatever it is, and the fence is found beside it', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ maxLength: 3 }), (text, tail) => {
        fc.pre(!/v=1;fence=/.test(text));
        const human = `${text}${tail}`;
        const written = writeDescription(human, fence);
        expect(readDescription(written)).toEqual({ fence, strange: [] });
        expect(humanText(written)).toBe(human);
        expect(readDescription(writeDescription(written, fenceOf(8))).fence?.v).toBe(8);
      }),
    );
  });

  test.each<[what: string, text: string, strange: string[]]>([
    ['none', 'owned by team-web', []],
    ['edited', `${word.replace('epoch=1', 'epoch=x')} shop`, [word.replace('epoch=1', 'epoch=x')]],
    ['two of them', `${word} ${word}`, [word, word]],
    ['one that words were glued to', `${word}!`, [`${word}!`]],
  ])('%s', (_what, text, strange) => {
    expect(readDescription(text)).toEqual({ fence: null, strange });
  });

  test('what somebody edited blocks every write and is shown; what is too long is refused unsent', () => {
    const edited = objectOf({ a1: 1, b: 1 }, { description: `${word} ${word}` });
    const back = readCapacity('p-1', capacityPlace, poolsOf([500, 300, 200]), edited);
    expect(back).toMatchObject({ fence: null, foreign: [`description "${word}"`, `description "${word}"`] });
    expect((back.token as Token).unusable).toMatch(/remove that text/);
    const long = objectOf({ a1: 1, b: 1 }, { description: 'x'.repeat(DESCRIPTION_CHARS_MAX) });
    expect(capacityBodyOf(poolsOf([500, 300, 200]), long)).toMatchObject({
      kind: 'refused',
      because: expect.stringMatching(/has no room/),
    });
  });
});

// ---- recorded exchanges ----

test('our requests and the stand-in look like the recorded exchanges', { timeout: TEST_MS }, async () => {
  const { backendserviceCrud: recorded } = fixtureOf('kcc-golden-exchanges.json') as {
    backendserviceCrud: { request: { method: string; url: string; body: object | null }; response: { body: Record<string, unknown> } }[];
  };
  const of = (method: string, path: RegExp) =>
    recorded.find(({ request }) => request.method === method && path.test(new URL(request.url).pathname))!;
  await using world = await startWorld({ backendServices: [backendServiceOf(web)] });
  const provider = world.open(capacityConfig([web], world.wire.url));
  const applied = (await provider.apply([changeTo(drainedWeb, 1, await readOne(provider, web))], patience())) as { receipt: string };
  await provider.settle!(applied.receipt, patience());
  const [got, patched, looked] = world.wire.exchanges;
  const pathLike = (path: string): string =>
    path.replace(/projects\/[\w-]+/, 'projects/p').replace(/(backendServices|operations)\/[\w-]+/, '$1/n');
  const pathOf = (url: string): string => pathLike(new URL(url).pathname);
  const get = of('GET', /backendServices\/bs-1$/);
  const patch = of('PATCH', /backendServices/);
  expect(pathLike(got!.path)).toBe(pathOf(get.request.url));
  expect(pathLike(patched!.path)).toBe(pathOf(patch.request.url));
  const keys = (value: unknown): string[] => Object.keys(value as object).sort();
  expect(keys(patch.request.body)).toEqual(expect.arrayContaining(['description', 'fingerprint']));
  expect(keys(patched!.reply)).toEqual(expect.arrayContaining(keys(patch.response.body).filter((key) => key !== 'targetId')));
  for (const key of ['kind', 'id', 'name', 'fingerprint', 'selfLink', 'creationTimestamp']) expect(got!.reply).toHaveProperty(key);
  expect((got!.reply as { kind: string }).kind).toBe(get.response.body.kind);
  expect((looked!.reply as { kind: string }).kind).toBe(patch.response.body.kind);
  for (const { request, response } of recorded) {
    if (request.method === 'PATCH') expect(problemsBySchema('BackendService', request.body)).toEqual([]);
    if (request.method === 'PATCH') expect(problemsBySchema('Operation', response.body)).toEqual([]);
  }
  expect(groupOf(web.service, 'x')).toBe('zones/x-b/networkEndpointGroups/web-x');
});
