// Temporal Cloud: what each of its answers means, by the fake that is held to the published protos; whose token, which deadline, and what is never sent.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Fault } from '../../../src/errors.ts';
import { type TemporalCloud, temporalCloud } from '../../../src/runbook/temporal/cloud.ts';
import { errorOf, operationOf, orderedIn, placeOf, regionOfTarget } from '../../../src/runbook/temporal/cloud-wire.ts';
import { codeOfStatus, WRITE } from '../../../src/runbook/temporal/codes.ts';
import { obstacle, operationId, type Place } from '../../../src/runbook/temporal/mover.ts';
import { type FakeCloud, type Mishap, startFakeCloud, tenant } from './fake-cloud.ts';
import { systemContext, TOKEN_FILE } from './fixture.ts';

const never = new AbortController().signal;
let fake: FakeCloud;
let cloud: TemporalCloud;
let secrets: Map<string, string>;

beforeEach(async () => {
  fake = await startFakeCloud();
  fake.namespaces.set('shop.a1', tenant());
  secrets = new Map([[TOKEN_FILE, 'token-0123456789']]);
  cloud = (await temporalCloud.open(
    { kind: 'temporal-cloud', url: fake.url, tokenFile: TOKEN_FILE },
    systemContext(secrets),
  )) as TemporalCloud;
});

afterEach(async () => {
  await cloud.close();
  await fake[Symbol.asyncDispose]();
  expect(fake.broken).toEqual([]);
});

describe('a namespace', () => {
  test('its replicas, and flags that are absent are false', async () => {
    expect(await cloud.forced.look('shop.a1', never)).toEqual({
      is: 'seen',
      place: {
        active: 'aws-us-east-1',
        replicas: [
          { place: 'aws-us-east-1', ready: true, state: 'REPLICA_STATE_ACTIVE' },
          { place: 'aws-eu-west-1', ready: true, state: 'REPLICA_STATE_ACTIVE' },
        ],
        forwardingDisabled: false,
        managedFailoverDisabled: false,
        busy: null,
        fixed: null,
        version: null,
      },
    });
  });

  test('flags that are set are told', async () => {
    fake.namespaces.get('shop.a1')!.highAvailability = { disablePassivePollerForwarding: true, disableManagedFailover: false };
    expect(await cloud.forced.look('shop.a1', never)).toMatchObject({
      place: { forwardingDisabled: true, managedFailoverDisabled: false },
    });
  });

  test('one that does not exist never will by asking; no answer is unknown', async () => {
    expect(await cloud.forced.look('nix.a1', never)).toMatchObject({ is: 'never' });
    for (const what of [{ status: 500 }, { status: 429, code: 8 }, { status: 403, code: 7, message: 'no' }, 'garbage'] as const) {
      fake.mishaps.push({ on: 'GET', what });
      expect(await cloud.forced.look('shop.a1', never), JSON.stringify(what)).toMatchObject({ is: 'unknown' });
    }
  });

  test.each([
    ['no namespace', {}],
    ['another namespace', { namespace: { namespace: 'other.a1', activeRegion: 'x' } }],
    ['no active region', { namespace: { namespace: 'shop.a1' } }],
    ['replicas that are none', { namespace: { namespace: 'shop.a1', activeRegion: 'x', replicas: 'y' } }],
    ['nothing', undefined],
  ])('%s is unknown', (_, body) => {
    expect(placeOf('shop.a1', body).is).toBe('unknown');
  });

  test('one that is suspended or deleted is never moved', () => {
    const look = placeOf('n', { namespace: { namespace: 'n', activeRegion: 'x', state: 'RESOURCE_STATE_SUSPENDED' } });
    expect(look).toMatchObject({ place: { fixed: 'is in RESOURCE_STATE_SUSPENDED' } });
  });
});

describe('what stands in the way', () => {
  const place = (state: string, over: Partial<Place> = {}): Place => ({
    active: 'a',
    replicas: [
      { place: 'a', ready: true, state: 'REPLICA_STATE_ACTIVE' },
      { place: 'b', ready: state === 'REPLICA_STATE_ACTIVE', state },
    ],
    forwardingDisabled: null,
    managedFailoverDisabled: null,
    busy: null,
    fixed: null,
    version: null,
    ...over,
  });
  test.each([
    ['REPLICA_STATE_ACTIVE', null],
    ['REPLICA_STATE_ADDING', 'later'],
    ['REPLICA_STATE_UNSPECIFIED', 'later'],
    ['REPLICA_STATE_REMOVING', 'never'],
    ['REPLICA_STATE_FAILED', 'never'],
    ['not connected', 'never'],
  ])('a replica in %s', (state, when) => {
    expect(obstacle(place(state), 'b')?.when ?? null).toBe(when);
  });
  test('no replica there, a fixed one, a busy one', () => {
    expect(obstacle(place('x'), 'c')).toEqual({ when: 'never', because: 'has no replica in c, only in a, b' });
    expect(obstacle(place('REPLICA_STATE_ACTIVE', { fixed: 'is local' }), 'b')).toEqual({ when: 'never', because: 'is local' });
    expect(obstacle(place('REPLICA_STATE_ACTIVE', { busy: 'is busy' }), 'b')).toEqual({ when: 'later', because: 'is busy' });
  });
});

describe('an operation', () => {
  const operation = (state: string, more: object = {}): unknown => ({ asyncOperation: { id: 'x', state, ...more } });
  test.each([
    ['STATE_PENDING', 'moving'],
    ['STATE_IN_PROGRESS', 'moving'],
    ['STATE_FULFILLED', 'moved'],
    ['STATE_FAILED', 'failed'],
    ['STATE_CANCELLED', 'failed'],
    ['STATE_REJECTED', 'failed'],
    ['STATE_UNSPECIFIED', 'unknown'],
    ['STATE_OF_NEXT_YEAR', 'unknown'],
  ])('%s is %s', (state, is) => {
    expect(operationOf(operation(state)).is).toBe(is);
  });
  test.each([
    ['2s', 2000],
    ['0.75s', 750],
    ['0s', 500],
    ['600s', 10_000],
    [undefined, 1000],
    ['soon', 1000],
  ])('is looked at again after %s', (checkDuration, againMs) => {
    expect(operationOf(operation('STATE_PENDING', checkDuration === undefined ? {} : { checkDuration }))).toMatchObject({ againMs });
  });
  test('the reason of a failure is told, short', () => {
    const told = operationOf(operation('STATE_REJECTED', { failureReason: `no\nway ${'x'.repeat(900)}` }));
    expect(told).toMatchObject({ is: 'failed' });
    expect((told as { because: string }).because).toMatch(/^the operation ended in STATE_REJECTED: no way x+…$/);
    expect((told as { because: string }).because.length).toBeLessThan(300);
  });
  test('what is no operation is unknown', () => {
    for (const body of [undefined, null, {}, { asyncOperation: 3 }, []]) expect(operationOf(body).is).toBe('unknown');
  });
});

describe('a request to fail over', () => {
  test('carries region and name, and is one operation however often it is sent', async () => {
    const id = operationId('run-1.failover', 'shop.a1');
    expect(await cloud.forced.begin('shop.a1', 'aws-eu-west-1', id, never)).toMatchObject({
      took: 'accepted',
      operation: { is: 'moving' },
    });
    expect(await cloud.forced.begin('shop.a1', 'aws-eu-west-1', id, never)).toMatchObject({ took: 'accepted' });
    fake.again = 'exists';
    expect(await cloud.forced.begin('shop.a1', 'aws-eu-west-1', id, never)).toMatchObject({ took: 'accepted' });
    expect(fake.begun).toEqual(['shop.a1']);
    expect(fake.operations.get(id)).toMatchObject({ namespace: 'shop.a1', region: 'aws-eu-west-1' });
  });

  const table: readonly (readonly [Mishap, string])[] = [
    [{ status: 400, code: 3, message: 'bad region' }, 'fatal'],
    [{ status: 400, code: 9, message: 'an operation is in progress' }, 'refused'],
    [{ status: 400, code: 11 }, 'fatal'],
    [{ status: 401, code: 16 }, 'fatal'],
    [{ status: 403, code: 7 }, 'fatal'],
    [{ status: 404, code: 5 }, 'fatal'],
    [{ status: 409, code: 6 }, 'accepted'],
    [{ status: 409, code: 10 }, 'undecided'],
    [{ status: 409 }, 'undecided'],
    [{ status: 418 }, 'refused'],
    [{ status: 429, code: 8, message: 'slow down' }, 'refused'],
    [{ status: 429 }, 'refused'],
    [{ status: 500, code: 13 }, 'undecided'],
    [{ status: 500, code: 2 }, 'undecided'],
    [{ status: 501, code: 12 }, 'fatal'],
    [{ status: 502 }, 'undecided'],
    [{ status: 503, code: 14 }, 'undecided'],
    [{ status: 504, code: 4 }, 'undecided'],
    ['lost', 'undecided'],
    ['garbage', 'accepted'],
  ];
  test.each(table)('%j is %s', async (what, took) => {
    fake.mishaps.push({ on: 'POST', what });
    expect((await cloud.forced.begin('shop.a1', 'aws-eu-west-1', 'id', never)).took).toBe(took);
  });

  test('no answer is undecided, and an aborted call too', async () => {
    fake.mishaps.push({ on: 'POST', what: 'hang' });
    const ending = new AbortController();
    const begun = cloud.forced.begin('shop.a1', 'aws-eu-west-1', 'id', ending.signal);
    await expect.poll(() => fake.begun.length).toBe(1);
    ending.abort(new Error('the deadline'));
    expect(await begun).toMatchObject({ took: 'undecided' });
  });

  test('what others answer never carries the token, nor more than a little', async () => {
    fake.mishaps.push({ on: 'POST', what: { status: 403, code: 7, message: 'y'.repeat(5000) } });
    const begun = await cloud.forced.begin('shop.a1', 'aws-eu-west-1', 'id', never);
    expect(JSON.stringify(begun).length).toBeLessThan(400);
    expect(JSON.stringify(begun)).not.toContain('token-');
  });
});

describe('the token', () => {
  test('is read anew for each request', async () => {
    await cloud.forced.look('shop.a1', never);
    fake.tokens = new Set(['token-new-0123456789']);
    secrets.set(TOKEN_FILE, 'token-new-0123456789');
    expect((await cloud.forced.look('shop.a1', never)).is).toBe('seen');
  });
  test('is read once more when it is refused while it was being rotated, and no more often', async () => {
    const context = systemContext(secrets);
    let reads = 0;
    const rotating: TemporalCloud = (await temporalCloud.open(
      { kind: 'temporal-cloud', url: fake.url, tokenFile: TOKEN_FILE },
      { ...context, secret: () => (reads++ === 1 ? 'token-old-0123456789' : 'token-0123456789') },
    )) as TemporalCloud;
    expect((await rotating.forced.look('shop.a1', never)).is).toBe('seen');
    expect(fake.asked.length).toBe(2);
    await rotating.close();
    secrets.set(TOKEN_FILE, 'token-wrong-0123456789');
    expect(await cloud.forced.look('shop.a1', never)).toMatchObject({ is: 'unknown' });
    expect(fake.asked.length).toBe(3);
  });
  test('never goes out in the clear but on this machine', async () => {
    const config = { kind: 'temporal-cloud', url: 'http://saas-api.tmprl.cloud', tokenFile: TOKEN_FILE } as const;
    await expect(temporalCloud.open(config, systemContext(secrets))).rejects.toThrow(Fault);
  });
  test('that is missing is a fault at opening', async () => {
    const config = { kind: 'temporal-cloud', url: fake.url, tokenFile: '/none' } as const;
    await expect(temporalCloud.open(config, systemContext(secrets))).rejects.toMatchObject({ code: 'ERR_SECRET' });
  });
});

test('an operation nobody heard of is unheard, and no answer is unknown', async () => {
  expect(await cloud.forced.follow('shop.a1', 'x', 'nope', never)).toMatchObject({ is: 'unheard' });
  fake.mishaps.push({ on: 'GET', what: { status: 503, code: 14 } });
  expect(await cloud.forced.follow('shop.a1', 'x', 'nope', never)).toMatchObject({ is: 'unknown' });
});

describe('whether anybody ordered it', () => {
  test('by the journal', async () => {
    expect(await cloud.ordered('shop.a1', 1_700_000_000_000, never)).toBe(false);
    fake.logs.push({ operation: 'FailoverNamespace', rawDetails: { namespace: 'shop.a1' }, emitTime: '2026-08-03T10:00:00Z' });
    expect(await cloud.ordered('shop.a1', 1_700_000_000_000, never)).toBe(true);
    expect(await cloud.ordered('shop.a', 1_700_000_000_000, never)).toBe(false);
    fake.mishaps.push({ on: 'GET', what: { status: 403, code: 7 } });
    expect(await cloud.ordered('shop.a1', 1_700_000_000_000, never)).toBe(null);
  });
  test('a journal that goes on, or is none, does not tell', () => {
    expect(orderedIn('n', { nextPageToken: 'more' })).toBe(null);
    expect(orderedIn('n', 7)).toBe(null);
  });
});

test('names of operations are UUIDs, one for each key and namespace', () => {
  const id = operationId('run-1.failover', 'shop.a1');
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(operationId('run-1.failover', 'shop.a1')).toBe(id);
  const others = ['run-1.failover2', 'run-2.failover'].map((key) => operationId(key, 'shop.a1'));
  expect(new Set([id, ...others, operationId('run-1.failover', 'shop.a2')]).size).toBe(4);
});

test('a status without a code of gRPC still means something, and every code does', () => {
  expect([400, 401, 403, 404, 429, 500, 503].map(codeOfStatus)).toEqual([
    'INVALID_ARGUMENT',
    'UNAUTHENTICATED',
    'PERMISSION_DENIED',
    'NOT_FOUND',
    'RESOURCE_EXHAUSTED',
    'UNKNOWN',
    'UNAVAILABLE',
  ]);
  expect(Object.keys(WRITE).length).toBe(17);
  expect(errorOf(409, '{"code":6,"message":"there"}')).toEqual({ code: 'ALREADY_EXISTS', message: 'status 409: there' });
});

test.each([
  ['aws-us-east-1.region.tmprl.cloud', 'aws-us-east-1'],
  ['GCP-us-central1.region.tmprl.cloud.', 'gcp-us-central1'],
  ['evil.example', null],
  ['aws-us-east-1.region.tmprl.cloud.evil.example', null],
])('%s is the region %s', (target, region) => {
  expect(regionOfTarget(target)).toBe(region);
});
