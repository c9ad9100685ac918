// The stand-in for Google's Compute API refuses what the vendor documents that it refuses. What it cannot prove: that the vendor does the same.
import { createPrivateKey, sign } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { type GclbStandIn, type GclbStandInOptions, startGclbStandIn } from '../../../src/drill/stand-ins/gclb.ts';
import type { StandInServed } from '../../../src/drill/stand-ins/stand-in.ts';
import { realPorts } from '../../../src/ports.ts';

const PROJECT = 'tide-project';
const ROOT = `/compute/v1/projects/${PROJECT}/global`;
const open: GclbStandIn[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

const backends = [{ group: 'projects/p/zones/z-1/networkEndpointGroups/a' }, { group: 'projects/p/zones/z-2/networkEndpointGroups/b' }];
const weighted = (...weights: number[]) => ({
  defaultRouteAction: {
    weightedBackendServices: weights.map((weight, at) => ({ backendService: `global/backendServices/${at}`, weight })),
  },
});
const OBJECTS = {
  backendServices: [
    { name: 'two', backends, connectionDraining: { drainingTimeoutSec: 30 }, timeoutSec: 30 },
    { name: 'one', backends: backends.slice(1) },
    { name: 'internal', loadBalancingScheme: 'INTERNAL', backends },
  ],
  urlMaps: [
    { name: 'map', ...weighted(1, 1) },
    { name: 'whole', defaultService: 'global/backendServices/0', pathMatchers: [{ name: 'm', ...weighted(3, 1) }] },
  ],
};

const start = async (options: Partial<GclbStandInOptions> = {}): Promise<GclbStandIn> => {
  const standIn = await startGclbStandIn({ ports: realPorts(), project: PROJECT, ...OBJECTS, ...options });
  open.push(standIn);
  return standIn;
};

const tokenOf = ({ credentials }: GclbStandIn, over: object = {}): string => {
  const { client_email: iss, private_key } = JSON.parse(credentials);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'RS256' })}.${part({ iss, exp: Math.floor(Date.now() / 1000) + 60, ...over })}`;
  return `${text}.${sign('sha256', Buffer.from(text), createPrivateKey(private_key)).toString('base64url')}`;
};

interface Answer {
  status: number;
  reason?: string;
  message?: string;
  body: Record<string, unknown> & { error?: { message: string; errors: [{ reason: string }] } };
}

const ask = async (standIn: GclbStandIn, path: string, patch?: object, token = tokenOf(standIn)): Promise<Answer> => {
  const reply = await fetch(`${standIn.url}${ROOT}/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(patch === undefined ? {} : { method: 'PATCH', body: JSON.stringify(patch) }),
  });
  const body = (await reply.json()) as Answer['body'];
  return { status: reply.status, body, ...(body.error && { reason: body.error.errors[0].reason, message: body.error.message }) };
};

const print = (standIn: GclbStandIn, path: string): unknown => {
  const [collection, name] = path.split('/') as ['urlMaps' | 'backendServices', string];
  return standIn.object(collection, name)?.fingerprint;
};

const scaled = (...scalers: number[]) => ({ backends: backends.map((each, at) => ({ ...each, capacityScaler: scalers[at] })) });

test.each<[what: string, path: string, patch: object, reason: string, message: RegExp]>([
  ['capacity between 0 and 0.1', 'backendServices/two', scaled(1, 0.05), 'invalid', /backends\[1\]\.capacityScaler.*'0\.05'/],
  ['capacity above 1', 'backendServices/two', scaled(1.1, 1), 'invalid', /backends\[0\]\.capacityScaler/],
  ['0 at the only backend', 'backendServices/one', { backends: [{ ...backends[1], capacityScaler: 0 }] }, 'invalid', /only backend/],
  ['capacity at scheme INTERNAL', 'backendServices/internal', scaled(1, 1), 'invalid', /must not be set for an INTERNAL backend service/],
  ['a weight above 1000', 'urlMaps/map', weighted(1001, 1), 'invalid', /weightedBackendServices\[0\]\.weight/],
  ['half a weight', 'urlMaps/map', weighted(0.5, 1), 'invalid', /weight/],
  ['no weight at all', 'urlMaps/map', weighted(0, 0), 'invalid', /One weight must be above 0/],
  ['a weight in a path matcher', 'urlMaps/whole', { pathMatchers: [{ name: 'm', ...weighted(-1, 1) }] }, 'invalid', /pathMatchers\[0\]/],
  ['weights beside a default service', 'urlMaps/whole', weighted(1, 1), 'invalid', /Only one of it/],
  ['an object that is not there', 'urlMaps/nothing', {}, 'notFound', /was not found/],
])('%s is refused, and nothing of the change stays', async (_what, path, patch, reason, message) => {
  const standIn = await start();
  const before = JSON.stringify(OBJECTS.urlMaps.map(({ name }) => standIn.object('urlMaps', name)));
  const fingerprint = print(standIn, path);
  const answer = await ask(standIn, path, { ...patch, description: 'changed', fingerprint });
  expect(answer).toMatchObject({ reason, message: expect.stringMatching(message) });
  expect(print(standIn, path)).toBe(fingerprint);
  expect(JSON.stringify(OBJECTS.urlMaps.map(({ name }) => standIn.object('urlMaps', name)))).toBe(before);
});

test('a change is merged: maps deeply, arrays whole, null removes; and its fingerprint is new', async () => {
  const standIn = await start();
  const fingerprint = print(standIn, 'backendServices/two');
  const patch = { fingerprint, connectionDraining: { other: 1 }, timeoutSec: null, backends: [backends[1]], name: 'two', id: '7' };
  expect((await ask(standIn, 'backendServices/two', patch)).status).toBe(200);
  const { body } = await ask(standIn, 'backendServices/two');
  expect(body).toMatchObject({ connectionDraining: { drainingTimeoutSec: 30, other: 1 }, backends: [backends[1]] });
  expect(body).not.toHaveProperty('timeoutSec');
  expect(body.id).not.toBe('7');
  expect(body.fingerprint).not.toBe(fingerprint);
});

test('without the current fingerprint nothing is changed: none, an old one, somebody else’s', async () => {
  const standIn = await start();
  const old = print(standIn, 'urlMaps/map');
  expect((await ask(standIn, 'urlMaps/map', { fingerprint: old, ...weighted(5, 1) })).status).toBe(200);
  for (const fingerprint of [undefined, old, print(standIn, 'urlMaps/whole')])
    expect(await ask(standIn, 'urlMaps/map', { fingerprint, ...weighted(9, 1) })).toMatchObject({ status: 412, reason: 'conditionNotMet' });
  expect(standIn.object('urlMaps', 'map')).toMatchObject(weighted(5, 1));
});

test('a request id makes a repeat the same operation; the zero one and no UUID are refused', async () => {
  const standIn = await start();
  const id = '0fd2b3c4-0000-4000-8000-000000000001';
  const patch = { fingerprint: print(standIn, 'urlMaps/map'), ...weighted(5, 1) };
  const first = await ask(standIn, `urlMaps/map?requestId=${id}`, patch);
  expect(await ask(standIn, `urlMaps/map?requestId=${id}`, patch)).toEqual(first);
  for (const wrong of ['00000000-0000-0000-0000-000000000000', 'abc'])
    expect(await ask(standIn, `urlMaps/map?requestId=${wrong}`, patch)).toMatchObject({ status: 400, reason: 'invalid' });
  expect((await ask(standIn, `operations/${first.body.name}`)).body).toMatchObject({ kind: 'compute#operation', status: 'DONE' });
  expect(await ask(standIn, 'operations/operation-77')).toMatchObject({ status: 404 });
});

test('only a token that its own key signed, and that is not over, is taken', async () => {
  const [standIn, other] = [await start(), await start()];
  for (const token of ['', 'a.b.c', tokenOf(other), tokenOf(standIn, { exp: 1 }), tokenOf(standIn, { iss: 'x' })])
    expect(await ask(standIn, 'urlMaps/map', undefined, token)).toMatchObject({ status: 401 });
  expect((await ask(standIn, 'urlMaps/map')).status).toBe(200);
});

test('quota is counted for each kind of request and comes as 403', async () => {
  const standIn = await start({ quotaPerMinute: 2 });
  const statuses = [];
  for (const path of ['urlMaps/map', 'urlMaps/whole', 'urlMaps/map', 'urlMaps']) statuses.push((await ask(standIn, path)).status);
  // A minute may begin in between: then there is more, never less.
  expect([
    [200, 200, 403, 200],
    [200, 200, 200, 200],
  ]).toContainEqual(statuses);
});

test('lists come in pages', async () => {
  const standIn = await start();
  const { body: first } = await ask(standIn, 'backendServices?maxResults=2');
  const { body: second } = await ask(standIn, `backendServices?maxResults=2&pageToken=${first.nextPageToken}`);
  expect([first, second].map(({ items }) => (items as unknown[]).length)).toEqual([2, 1]);
  expect(second).not.toHaveProperty('nextPageToken');
});

test('what users are served is told when it changes, at each place of a map, and after the time it takes', async () => {
  const served: StandInServed[] = [];
  const standIn = await start({ onServed: (each) => served.push(each), visibleAfterMs: 20 });
  await expect.poll(() => served.length).toBe(6);
  expect(served).toContainEqual({ name: 'two', weights: { a: 1, b: 1 } });
  expect(served).toContainEqual({ name: 'whole', weights: { 0: 1 } });
  expect(served).toContainEqual({ name: 'whole/m', weights: { 0: 3, 1: 1 } });
  served.length = 0;
  const pathMatchers = [{ name: 'm', ...weighted(0, 7) }];
  await ask(standIn, 'urlMaps/whole', { fingerprint: print(standIn, 'urlMaps/whole'), pathMatchers });
  await expect.poll(() => served).toEqual([{ name: 'whole/m', weights: { 0: 0, 1: 7 } }]);
  await ask(standIn, 'urlMaps/map', { fingerprint: print(standIn, 'urlMaps/map'), description: 'only words' });
  standIn.change('backendServices', 'two', scaled(0, 1));
  await expect.poll(() => served.at(-1)).toEqual({ name: 'two', weights: { a: 0, b: 1 } });
  expect(served).toHaveLength(2);
});

test('until the time it takes is over, users are served as before', async () => {
  const served: StandInServed[] = [];
  const standIn = await start({ onServed: (each) => served.push(each), visibleAfterMs: 600_000 });
  standIn.change('backendServices', 'two', scaled(0, 1));
  expect((await ask(standIn, 'backendServices/two')).body).toMatchObject(scaled(0, 1));
  expect(served).toEqual([]);
});
