// What AWS's client makes of replies and what we make of that; limits, credentials, pages; and the two modes without a transaction.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test, vi } from 'vitest';
import { stateHash } from '../../providers/fence.ts';
import type { Change, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import { outcomeOf } from '../../providers/route53/failure.ts';
import { createLimiter } from '../../providers/route53/limiter.ts';
import { credentialsOf } from '../../src/aws/credentials.ts';
import { createVirtual } from '../virtual.ts';
import {
  api,
  changesAnything,
  checkId,
  controlArn,
  credentialsText,
  KEY,
  pool,
  startWorld,
  web,
  withShares,
  ZONE,
  ZONE_ID,
} from './route53.fixture.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/route53');
const patience = (): AbortSignal => AbortSignal.timeout(20_000);

let nonces = 0;
const changeTo = (desired: ProviderService, v: number, previous: ReadBack): Change => ({
  desired,
  fence: { v, epoch: 1, writer: 'eu-west/a', nonce: `n${++nonces}`, hash: stateHash(desired) },
  previous,
});
const readOne = async (provider: Provider, service: ProviderService): Promise<ReadBack> =>
  (await provider.read([service], patience())).get(service.service)!;
const establish = async (provider: Provider, desired: ProviderService, v: number): Promise<void> => {
  expect(await provider.apply([changeTo(desired, v, await readOne(provider, desired))], patience())).toMatchObject({ outcome: 'applied' });
};
const drainedWeb = withShares(web, 0, 1000);

describe('replies of Route 53 through its own client', () => {
  interface Case {
    name: string;
    status: number;
    contentType: string;
    body: string;
    action: string;
  }
  const { cases }: { cases: readonly Case[] } = JSON.parse(readFileSync(join(FIXTURES, 'errors.json'), 'utf8'));
  /** Of the research's actions: `undecided` ends in a read, which finds out what a reply with no readable code meant. */
  const expected = ({ name, action }: Case): string => {
    if (name === 'legacy-invalid-change-batch' || action === 'retry') return 'undecided';
    return action === 'conflict' ? 'conflict' : 'fatal';
  };

  /** What Route 53 says to everybody of the account or zone. */
  const busyMsIn = ({ body }: Case): number | undefined => {
    if (/Throttling/.test(body)) return 2000;
    return /PriorRequestNotComplete/.test(body) ? 1000 : undefined;
  };
  test('some of them hold for everybody', () => {
    expect(new Set(cases.map(busyMsIn))).toEqual(new Set([undefined, 1000, 2000]));
  });

  test.each(cases)('$name', async (given) => {
    await using world = await startWorld('weighted');
    const writer = world.writer();
    await establish(writer, web, 1);
    const change = changeTo(drainedWeb, 2, await readOne(writer, web));
    const before = world.standIn.snapshot();
    const reply = { ...given, body: given.body.replaceAll('_hr.example.test.', `_tidegate.${web.service}.`) };
    world.proxy.answerNext(reply, 2);
    const outcome = await writer.apply([change], patience());
    expect(outcome.outcome).toBe(expected(given));
    expect(world.standIn.snapshot()).toBe(before);
    // The same about a service of no fence in this batch is somebody else's compare: to be read again.
    const other = await writer.apply([changeTo(api, 1, { fence: null, shares: null, foreign: [], token: null })], patience());
    expect(other.outcome).toBe(expected(given) === 'conflict' ? 'undecided' : expected(given));
    world.proxy.answerNext(reply, 2, true);
    await expect(writer.read([web], patience())).rejects.toMatchObject({ code: 'ERR_PROVIDER', busyMs: busyMsIn(given) });
    expect('busyMs' in outcome ? outcome.busyMs : undefined).toBe(busyMsIn(given));
    await expect(writer.settle?.('C1', patience())).rejects.toMatchObject({ code: 'ERR_PROVIDER' });
    expect(JSON.stringify(outcome)).not.toContain(KEY.sessionToken);
  });

  test('a change that Route 53 does not know any more was taken back, and is not waited for', async () => {
    await using world = await startWorld('weighted');
    expect(await world.writer().settle?.('C0STRANDED', patience())).toEqual({
      state: 'failed',
      because: expect.stringContaining('C0STRANDED is not known any more'),
    });
  });

  test('every case has an action that is understood', () => {
    expect(new Set(cases.map(expected))).toEqual(new Set(['conflict', 'undecided', 'fatal']));
    expect(cases.length).toBeGreaterThan(12);
  });
});

describe('what a failed call means', () => {
  const failure = (name: string, status: number | null, message: string): Error =>
    Object.assign(new Error(message), { name, $metadata: status === null ? {} : { httpStatusCode: status } });
  const judged = (name: string, status: number | null, message: string, hidden: readonly string[] = []) =>
    outcomeOf('here', failure(name, status, message), hidden, [web.service]);

  test('two compares in one reply are a conflict when one of them is a fence', () => {
    const both = `[Tried to delete resource record set [name='web.${ZONE}.', type='A', set identifier='eu-west'] but the values provided do not match the current values, Tried to delete resource record set [name='_tidegate.web.${ZONE}.', type='TXT'] but the values provided do not match the current values]`;
    expect(judged('InvalidChangeBatch', 400, both).outcome).toBe('conflict');
    expect(judged('InvalidChangeBatch', 400, both.replace('_tidegate.', 'x.')).outcome).toBe('undecided');
  });

  test('the comment of a protection is no conflict, whatever it says', () => {
    for (const comment of ['frozen for the audit', 'it already exists for a reason', 'values provided do not match the current values'])
      expect(judged('InvalidChangeBatch', 400, `[${comment}]`)).toMatchObject({
        outcome: 'fatal',
        because: expect.stringContaining('protection'),
      });
  });

  test('a reply that could quote the request is not quoted, and a secret never', () => {
    const canonical = `The canonical string should have been 'x-amz-security-token:${KEY.sessionToken}'`;
    expect(judged('SignatureDoesNotMatch', 403, canonical).because).not.toContain(KEY.sessionToken);
    expect(judged('Whatever', 400, `odd: ${KEY.secretAccessKey}`, [KEY.secretAccessKey]).because).toBe('here: Whatever (400): odd: …');
  });

  test('what has no status, or one that is not a refusal, is undecided whatever it is called', () => {
    expect(judged('AccessDenied', null, 'reset').outcome).toBe('undecided');
    expect(judged('SyntaxError', 200, 'not XML').outcome).toBe('undecided');
    expect(judged('AccessDenied', 503, 'x').outcome).toBe('undecided');
    expect(judged('SomethingNew', 403, 'x').outcome).toBe('fatal');
    expect(judged('SomethingNew', 400, 'x').outcome).toBe('undecided');
  });
});

describe('credentials', () => {
  test('the default profile, or the only one, with the spelling of AWS tools', () => {
    expect(credentialsOf(credentialsText(KEY), 'f')).toEqual(KEY);
    expect(credentialsOf('[ops]\naws_access_key_id=A\r\naws_secret_access_key =  b+/=\n', 'f')).toEqual({
      accessKeyId: 'A',
      secretAccessKey: 'b+/=',
    });
    expect(
      credentialsOf(
        '[x]\naws_access_key_id=X\naws_secret_access_key=x\n[default]\n# c\naws_access_key_id=A\naws_secret_access_key=b\n',
        'f',
      ).accessKeyId,
    ).toBe('A');
    expect(() => credentialsOf('[a]\naws_access_key_id=A\n[b]\nregion=x\n', 'f')).toThrow(/2 profiles/);
    expect(() => credentialsOf('aws_access_key_id = A\n', 'f')).toThrow(/no aws_secret_access_key/);
    expect(() => credentialsOf('AKIA:hunter2', 'f')).toThrow(/^(?!.*hunter2)/);
  });

  test('a rotated file is used by the very next request', async () => {
    await using world = await startWorld('weighted');
    let text = credentialsText({ ...KEY, secretAccessKey: 'the-old-one' });
    const writer = world.writer({ credentials: () => text });
    await expect(writer.read([web], patience())).rejects.toThrow(/SignatureDoesNotMatch/);
    text = credentialsText(KEY);
    expect((await readOne(writer, web)).fence).toBeNull();
  });

  test('a file that cannot be used is fatal for a write', async () => {
    await using world = await startWorld('weighted');
    const writer = world.writer({ credentials: () => '[default]\n' });
    const nothing: ReadBack = { fence: null, shares: null, foreign: [], token: null };
    expect(await writer.apply([changeTo(web, 1, nothing)], patience())).toMatchObject({
      outcome: 'fatal',
      because: expect.stringContaining('aws_access_key_id'),
    });
  });
});

describe('the machine it runs on', () => {
  const VARIABLES = {
    AWS_ACCESS_KEY_ID: 'AKIASOMEBODYELSE',
    AWS_SECRET_ACCESS_KEY: 'somebody-elses',
    AWS_PROFILE: 'nobody',
    AWS_REGION: 'eu-central-1',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
    AWS_ENDPOINT_URL_ROUTE_53: 'http://127.0.0.1:1',
    AWS_USE_FIPS_ENDPOINT: 'true',
    AWS_USE_DUALSTACK_ENDPOINT: 'true',
    AWS_MAX_ATTEMPTS: '5',
    AWS_RETRY_MODE: 'adaptive',
    AWS_DEFAULTS_MODE: 'auto',
  };

  test.each(['weighted', 'routingControls'] as const)(
    '%s: its variables decide nothing, and a request that fails is not repeated',
    async (mode) => {
      for (const [name, value] of Object.entries(VARIABLES)) vi.stubEnv(name, value);
      try {
        await using world = await startWorld(mode);
        const writer = world.writer();
        await establish(writer, web, 1);
        const change = changeTo(drainedWeb, 2, await readOne(writer, web));
        const before = world.proxy.passed().length;
        const refusal = {
          status: 400,
          contentType: 'text/xml',
          body: '<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>',
        };
        const json = { status: 409, contentType: 'application/x-amz-json-1.0', body: '{"__type":"ConflictException","message":"again"}' };
        world.proxy.answerNext(mode === 'weighted' ? refusal : json, 5);
        expect(await writer.apply([change], patience())).toMatchObject({ outcome: 'undecided' });
        expect(world.proxy.passed().length - before).toBe(1);
      } finally {
        vi.unstubAllEnvs();
      }
    },
  );
});

describe('the limit of an account', () => {
  test('writes go first, reads leave them something, and the rate is ten a second', async () => {
    const virtual = createVirtual({ startWallMs: 0, seed: 1 });
    const limiter = createLimiter(virtual.ports);
    const never = new AbortController().signal;
    const log: string[] = [];
    const ask = (urgency: 'read' | 'write', n: number): void =>
      void limiter.admit(urgency, never).then(() => log.push(`${urgency}${n}@${virtual.ports.clock.monoMs()}`));
    for (let n = 1; n <= 31; n++) ask('read', n);
    await virtual.advance(0);
    expect(log.at(-1)).toBe('read30@0');
    for (let n = 1; n <= 21; n++) ask('write', n);
    await virtual.advance(0);
    expect(log.at(-1)).toBe('write20@0');
    await virtual.advance(2500);
    expect(log.slice(50)).toEqual(['write21@100', 'read31@2200']);
  });

  test('who gives up takes nothing and keeps nobody waiting', async () => {
    const virtual = createVirtual({ startWallMs: 0, seed: 1 });
    const limiter = createLimiter(virtual.ports);
    const never = new AbortController().signal;
    for (let n = 0; n < 50; n++) await limiter.admit('write', never);
    const gone = new AbortController();
    const lost = limiter.admit('write', gone.signal);
    const next = limiter.admit('write', never).then(() => virtual.ports.clock.monoMs());
    gone.abort(new Error('deadline'));
    await expect(lost).rejects.toThrow('deadline');
    await virtual.advance(200);
    expect(await next).toBe(100);
  });
});

describe('pages', () => {
  const filler = Array.from({ length: 1000 }, (_, n) => ({
    Name: `m${String(n).padStart(4, '0')}.${ZONE}.`,
    Type: 'A',
    TTL: 60,
    ResourceRecords: [{ Value: '192.0.2.200' }],
  }));
  const first = { ...web, service: `a.${ZONE}` };
  const last = { ...web, service: `z.${ZONE}` };

  test('two services at the ends of a large zone take two requests, and a group that is cut by a page is whole', async () => {
    await using world = await startWorld('weighted', { zones: [{ id: ZONE_ID, name: ZONE, sets: filler }] });
    const writer = world.writer();
    await establish(writer, first, 1);
    await establish(writer, last, 1);
    const before = world.proxy.passed().length;
    const found = await writer.read([last, first], patience());
    expect(world.proxy.passed().length - before).toBe(2);
    expect([...found.values()].map(({ fence }) => fence?.v)).toEqual([1, 1]);
    const many: ProviderService = {
      ...web,
      service: `m9999.${ZONE}`,
      pools: [pool('eu-west', 500, 500, ...Array.from({ length: 99 }, (_, n) => `192.0.9.${n}`)), pool('us-east', 500, 500, '192.0.2.2')],
    };
    await establish(writer, many, 1);
    const start = { ...web, service: `m0700.${ZONE}` };
    expect((await writer.read([start, many], patience())).get(many.service)).toMatchObject({
      shares: { 'eu-west': 502, 'us-east': 498 },
      fence: { v: 1 },
    });
  });

  test('200 services in a zone as large as it may be are read with a request for each 300 records at most', async () => {
    const services = Array.from({ length: 200 }, (_, n): ProviderService => ({ ...web, service: `s${n}.${ZONE}` }));
    const others = Array.from({ length: 9000 }, (_, n) => ({
      Name: `s${n % 200}-${Math.floor(n / 200)}.${ZONE}.`,
      Type: 'A',
      TTL: 60,
      ResourceRecords: [{ Value: '192.0.2.200' }],
    }));
    await using world = await startWorld('weighted', { zones: [{ id: ZONE_ID, name: ZONE, sets: others }] });
    const found = await world.writer().read(services, patience());
    expect(found.size).toBe(200);
    expect(world.proxy.passed().length).toBeLessThanOrEqual(30);
  });

  test('a page that begins at an identifier with characters of every kind is signed as it is asked', async () => {
    const last = "US (east) *1'! ~ä+/=&";
    const sets = [...Array.from({ length: 300 }, (_, n) => `EU ${String(n).padStart(3, '0')}`), last].map((SetIdentifier, n) => ({
      Name: `${web.service}.`,
      Type: 'A',
      SetIdentifier,
      Weight: 1,
      TTL: 30,
      ResourceRecords: [{ Value: `198.51.${Math.floor(n / 250)}.${n % 250}` }],
    }));
    await using world = await startWorld('weighted', { zones: [{ id: ZONE_ID, name: ZONE, sets }] });
    const back = await readOne(world.writer(), web);
    expect(back.foreign).toHaveLength(301);
    expect(world.proxy.passed().at(-1)?.url).toContain('identifier=US%20%28east%29%20%2A1%27%21');
  });

  test('pages that go round in circles, or end nowhere, are an error and no endless loop', async () => {
    await using world = await startWorld('weighted');
    const page = (next: string) =>
      `<?xml version="1.0"?><ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ResourceRecordSets/><IsTruncated>true</IsTruncated>${next}<MaxItems>300</MaxItems></ListResourceRecordSetsResponse>`;
    const planned = (next: string) => ({ status: 200, contentType: 'text/xml', body: page(next) });
    world.proxy.answerNext(planned(`<NextRecordName>web.${ZONE}.</NextRecordName><NextRecordType>A</NextRecordType>`), 5, true);
    await expect(world.writer().read([web], patience())).rejects.toThrow(/circles/);
    world.proxy.answerNext(planned(''), 1, true);
    await using other = await startWorld('weighted');
    other.proxy.answerNext(planned(''), 1, true);
    await expect(other.writer().read([web], patience())).rejects.toThrow(/does not say where it goes on/);
  });

  test('a reply of another shape is an error that says where', async () => {
    await using world = await startWorld('weighted');
    world.proxy.answerNext({ status: 200, contentType: 'text/xml', body: '<?xml version="1.0"?><Other/>' }, 1, true);
    await expect(world.writer().read([web], patience())).rejects.toThrow(/not understood at ResourceRecordSets/);
  });
});

describe('the stand-in is held to the rules', () => {
  const schema = JSON.parse(readFileSync(join(FIXTURES, 'route53-sdk.schema.json'), 'utf8'));
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addSchema(schema, 'route53');

  test('every request that leaves us fits the shape in the vendor model', async () => {
    await using world = await startWorld('weighted');
    const writer = world.writer();
    await establish(writer, web, 1);
    await establish(writer, drainedWeb, 2);
    await using switches = await startWorld('healthChecks');
    await establish(switches.writer(), web, 1);
    await establish(switches.writer(), drainedWeb, 2);
    const shapes = { rrset: 'ChangeResourceRecordSetsRequest', healthcheck: 'UpdateHealthCheckRequest' };
    const bodies = [...world.standIn.calls(), ...switches.standIn.calls()].filter(({ body }) => body !== null);
    expect(bodies.length).toBeGreaterThan(4);
    for (const { path, body } of bodies) {
      const [what, shape] = Object.entries(shapes).find(([part]) => path.includes(part))!;
      const ids = what === 'rrset' ? { HostedZoneId: ZONE_ID } : { HealthCheckId: path.split('/').at(-1) };
      const isValid = ajv.validate(`route53#/definitions/${shape}`, { ...ids, ...(body as object) });
      expect(ajv.errorsText(ajv.errors), JSON.stringify(body)).toBe('No errors');
      expect(isValid).toBe(true);
    }
  });

  test('a busy zone, and one that takes its time, as AWS tells it', async () => {
    await using world = await startWorld('weighted', { busyMs: 60_000, visibleAfterMs: 60_000 });
    const writer = world.writer();
    const applied = await writer.apply([changeTo(web, 1, await readOne(writer, web))], patience());
    expect(await writer.settle?.(applied.outcome === 'applied' ? (applied.receipt ?? '') : '', patience())).toEqual({ state: 'pending' });
    expect(await writer.apply([changeTo(drainedWeb, 2, await readOne(writer, web))], patience())).toMatchObject({
      outcome: 'undecided',
      because: expect.stringContaining('PriorRequestNotComplete'),
    });
  });

  test('a protection is fatal, and names itself', async () => {
    await using world = await startWorld('weighted', { protections: { [`web.${ZONE}. A`]: 'frozen by the on-call' } });
    const writer = world.writer();
    const before = world.standIn.snapshot();
    expect(await writer.apply([changeTo(web, 1, await readOne(writer, web))], patience())).toMatchObject({
      outcome: 'fatal',
      because: expect.stringContaining('frozen by the on-call'),
    });
    expect(world.standIn.snapshot()).toBe(before);
  });

  test('what it calls served follows the route', async () => {
    const seen: unknown[] = [];
    await using world = await startWorld('weighted', { onServed: (served) => seen.push(served) });
    const writer = world.writer();
    await establish(writer, withShares(api, 1000, 0), 1);
    await establish(writer, withShares(api, 0, 1000), 2);
    expect(seen.filter((each) => (each as { name: string }).name === api.service)).toEqual([
      { name: api.service, weights: { '192.0.2.11': 128, '192.0.2.12': 127 } },
      { name: api.service, weights: { '192.0.2.13': 255 } },
    ]);
  });
});

describe('healthChecks', () => {
  test('who comes in goes first, so that somebody is always in', async () => {
    const inAtOnce: number[] = [];
    await using world = await startWorld('healthChecks');
    const writer = world.writer();
    await establish(writer, withShares(web, 1000, 0), 1);
    await establish(writer, withShares(web, 0, 1000), 2);
    const inverted = new Map<string, boolean>();
    for (const { method, path, body } of world.standIn.calls())
      if (method === 'POST' && path.includes('/healthcheck/')) {
        inverted.set(path.split('/').at(-1)!, (body as { Inverted: boolean }).Inverted);
        inAtOnce.push(web.pools.filter(({ pool: name }) => inverted.get(checkId(web.service, name)) !== true).length);
      }
    expect(inAtOnce).toEqual([1, 2, 1]);
  });

  test('a check that judges something is not inverted: a dead pool would be called healthy', async () => {
    await using world = await startWorld('healthChecks');
    world.standIn.setCheck(checkId(web.service, 'eu-west'), { Type: 'HTTPS' });
    await expect(world.writer().read([web], patience())).rejects.toThrow(/HTTPS and judges something.*switch/);
    world.standIn.setCheck(checkId(web.service, 'eu-west'), { Type: 'HTTPS', Disabled: true });
    expect((await readOne(world.writer(), web)).fence).toBeNull();
  });

  test('a check that is gone, or that judges something, keeps no other service from being read and written', async () => {
    await using world = await startWorld('healthChecks');
    world.standIn.setCheck(checkId(web.service, 'eu-west'), { Type: 'HTTPS' });
    const found = await world.writer().read([web, api], patience());
    expect(found.get(web.service)).toMatchObject({ unread: expect.stringContaining('judges something') });
    expect(await world.writer().apply([changeTo(web, 1, found.get(web.service)!)], patience())).toMatchObject({
      outcome: 'undecided',
      because: expect.stringContaining('judges something'),
    });
    expect(await world.writer().apply([changeTo(api, 1, found.get(api.service)!)], patience())).toMatchObject({ outcome: 'applied' });
  });

  test('a writer that stops between fence and switches leaves what the next read shows, and the next write mends', async () => {
    await using world = await startWorld('healthChecks');
    const writer = world.writer();
    await establish(writer, web, 1);
    world.proxy.answerNext({ status: 503, contentType: 'text/xml', body: '' });
    const change = changeTo(drainedWeb, 2, await readOne(writer, web));
    expect(await writer.apply([change], patience())).toMatchObject({ outcome: 'undecided' });
    const back = await readOne(writer, web);
    expect(back).toMatchObject({ fence: change.fence, shares: { 'eu-west': 500, 'us-east': 500 } });
    expect(await writer.apply([changeTo(drainedWeb, 2, back)], patience())).toMatchObject({ outcome: 'applied' });
    expect(await readOne(writer, web)).toMatchObject({ shares: { 'eu-west': 0, 'us-east': 1000 } });
  });

  test('a switch that somebody else has thrown since it was read is not thrown over', async () => {
    await using world = await startWorld('healthChecks');
    const writer = world.writer();
    await establish(writer, web, 1);
    const change = changeTo(drainedWeb, 2, await readOne(writer, web));
    world.standIn.setCheck(checkId(web.service, 'eu-west'), { Inverted: true });
    expect(await writer.apply([change], patience())).toMatchObject({
      outcome: 'undecided',
      because: expect.stringContaining('HealthCheckVersionMismatch'),
    });
  });

  test('a stale writer throws no switch', async () => {
    await using world = await startWorld('healthChecks');
    const writer = world.writer();
    await establish(writer, web, 1);
    const stale = await readOne(writer, web);
    await establish(writer, drainedWeb, 2);
    const before = world.standIn.snapshot();
    expect(await writer.apply([changeTo(web, 3, stale)], patience())).toMatchObject({ outcome: 'conflict' });
    expect(world.standIn.snapshot()).toBe(before);
  });
});

const switched = (checks: (name: string) => string) =>
  web.pools.map(({ pool: name, answers }) => ({
    Name: `${web.service}.`,
    Type: 'A',
    SetIdentifier: name,
    Weight: 1,
    TTL: 30,
    ResourceRecords: [{ Value: answers[0]! }],
    HealthCheckId: checks(name),
  }));

test('healthChecks: users of records that carry the switches follow them', async () => {
  const seen: unknown[] = [];
  const zones = [{ id: ZONE_ID, name: ZONE, sets: switched((name) => checkId(web.service, name)) }];
  await using world = await startWorld('healthChecks', {
    zones,
    onServed: ({ name, weights }) => name === web.service && seen.push(weights),
  });
  await establish(world.writer(), web, 1);
  await establish(world.writer(), drainedWeb, 2);
  await establish(world.writer(), web, 3);
  expect(seen).toEqual([{ '192.0.2.2': 1 }, { '192.0.2.1': 1, '192.0.2.2': 1 }]);
});

test('routingControls: users of records whose checks follow the controls follow them too', async () => {
  const seen: unknown[] = [];
  const zones = [{ id: ZONE_ID, name: ZONE, sets: switched((name) => `rc-${name}`) }];
  const healthChecks = Object.fromEntries(
    web.pools.map(({ pool: name }) => [`rc-${name}`, { Type: 'RECOVERY_CONTROL', RoutingControlArn: controlArn(web.service, name) }]),
  );
  await using world = await startWorld('routingControls', {
    zones,
    healthChecks,
    onServed: ({ name, weights }) => name === web.service && seen.push(weights),
  });
  await establish(world.writer(), web, 1);
  await establish(world.writer(), drainedWeb, 2);
  expect(seen).toEqual([{ '192.0.2.1': 1, '192.0.2.2': 1 }, { '192.0.2.2': 1 }]);
});

describe('routingControls', () => {
  test('with four of five regions dead the fifth is found within the time of a write', async () => {
    await using world = await startWorld('routingControls');
    const writer = world.writer();
    const previous = await readOne(writer, web);
    for (const region of ['us-east-1', 'us-west-2', 'eu-west-1', 'ap-northeast-1']) world.standIn.cut(region);
    expect(await writer.apply([changeTo(web, 1, previous)], patience())).toMatchObject({ outcome: 'applied' });
    const [call] = world.standIn.calls().filter(({ path }) => path.includes('#Update'));
    expect(call?.path).toContain('/arc/ap-southeast-2/');
  });

  test('both states of a failover go in one call, and only those that change', async () => {
    await using world = await startWorld('routingControls', { safetyRule: true });
    const writer = world.writer();
    await establish(writer, withShares(web, 1000, 0), 1);
    await establish(writer, withShares(web, 0, 1000), 2);
    const updates = world.standIn.calls().filter(({ path }) => path.includes('#Update'));
    expect(updates.map(({ body }) => (body as { UpdateRoutingControlStateEntries: unknown }).UpdateRoutingControlStateEntries)).toEqual([
      [{ RoutingControlArn: controlArn(web.service, 'eu-west'), RoutingControlState: 'On' }],
      [
        { RoutingControlArn: controlArn(web.service, 'eu-west'), RoutingControlState: 'Off' },
        { RoutingControlArn: controlArn(web.service, 'us-east'), RoutingControlState: 'On' },
      ],
    ]);
  });

  test('what the cluster refuses, one region answers for all', async () => {
    await using world = await startWorld('routingControls');
    const intruder = world.writer({ credentials: () => credentialsText({ ...KEY, secretAccessKey: 'wrong' }) });
    const before = world.proxy.passed().filter(changesAnything).length;
    const nothing: ReadBack = { fence: null, shares: null, foreign: [], token: null };
    expect(await intruder.apply([changeTo(web, 1, nothing)], patience())).toMatchObject({ outcome: 'fatal' });
    expect(world.proxy.passed().filter(changesAnything).length - before).toBe(1);
  });

  test('a control that is gone keeps no other service from being read and written', async () => {
    await using world = await startWorld('routingControls', {
      routingControls: Object.fromEntries(api.pools.map(({ pool: name }) => [controlArn(api.service, name), 'Off' as const])),
    });
    const found = await world.writer().read([web, api], patience());
    expect(found.get(web.service)).toMatchObject({ unread: expect.stringContaining('no routing control') });
    const changes = [web, api].map((each) => changeTo(each, 1, found.get(each.service)!));
    expect(await world.writer().apply(changes, patience())).toMatchObject({ outcome: 'undecided' });
    expect(await world.writer().apply(changes.slice(1), patience())).toMatchObject({ outcome: 'applied' });
  });

  test('a control that the cluster does not have is an error that names it', async () => {
    await using world = await startWorld('routingControls', { routingControls: { [controlArn(web.service, 'eu-west')]: 'On' } });
    await expect(world.writer().read([web], patience())).rejects.toThrow(/no routing control .*us-east/);
  });
});
