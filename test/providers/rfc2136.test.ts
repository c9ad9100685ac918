// The parts of the rfc2136 provider that a well-behaved server cannot show. The rest is proved on a real one (test/system/rfc2136.test.ts).
import { describe, expect, test } from 'vitest';
import { quantise } from '../../providers/addresses.ts';
import { formatFence } from '../../providers/fence.ts';
import type { Change, Fence, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import { readBackOf } from '../../providers/rfc2136/convert.ts';
import { type Rfc2136Config, rfc2136 } from '../../providers/rfc2136/index.ts';
import { decodeReply } from '../../src/dns/codec.ts';
import { sign, type TsigKey, verify } from '../../src/dns/tsig.ts';
import { decodeUpdate } from '../../src/dns/update.ts';
import { Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { type Act, type Asked, replyTo, startFakeDns } from '../dns/fake-dns.ts';

type PoolPlan = [name: string, share: number, configuredShare: number, ...answers: string[]];
const serviceOf = (...pools: PoolPlan[]): ProviderService => ({
  service: 'web.tide.test',
  ttlS: 30,
  pools: pools.map(([pool, share, configuredShare, ...answers]) => ({ pool, region: pool, share, configuredShare, answers })),
});

const service = serviceOf(['a', 500, 500, '192.0.2.1'], ['b', 500, 500, '192.0.2.2']);
const fence: Fence = { v: 7, epoch: 2, writer: 'eu-west/a', nonce: 'abc', hash: '0123' };
const nothing: ReadBack = { fence: null, shares: null, foreign: [], token: null };
const change: Change = { desired: service, fence, previous: nothing };

const key: TsigKey = { name: 'tidegate', algorithm: 'hmac-sha256', secret: Buffer.from('an entirely made-up secret value') };
const otherKey: TsigKey = { ...key, secret: Buffer.alloc(32) };
const open = (server: { host: string; port: number }, secret = key.secret.toString('base64')): Provider => {
  const config: Rfc2136Config = {
    kind: 'rfc2136',
    zone: 'tide.test',
    server,
    key: { name: 'tidegate', algorithm: 'hmac-sha256', secretFile: 'dns.key' },
  };
  return rfc2136.open(config, { ports: realPorts(), secret: () => secret });
};
const patience = (): AbortSignal => AbortSignal.timeout(20_000);
const nowS = (): number => Math.floor(Date.now() / 1000);

/** The header of a reply to an update, with nothing in it. */
const bareReply = (request: Buffer, code: number): Buffer => {
  const reply = Buffer.alloc(12);
  reply.writeUInt16BE(request.readUInt16BE(0), 0);
  reply.writeUInt16BE(0xa800 | code, 2);
  return reply;
};
const requestMac = (request: Buffer): Buffer => {
  const verified = verify(request, key, nowS());
  if (!verified.ok) throw new Error(verified.because);
  return verified.mac;
};
const signedReply = (request: Buffer, code: number): Buffer =>
  sign(bareReply(request, code), key, nowS(), { requestMac: requestMac(request) }).message;

describe('the meaning of replies', () => {
  test.each<[what: string, act: (asked: Asked) => Act, outcome: string, because: RegExp]>([
    ['signed NOERROR', ({ request }) => [signedReply(request, 0)], 'applied', /^$/],
    ['signed YXRRSET', ({ request }) => [signedReply(request, 7)], 'conflict', /another fence is there \(YXRRSET\)/],
    ['signed NXRRSET', ({ request }) => [signedReply(request, 8)], 'conflict', /another fence is there \(NXRRSET\)/],
    ['signed SERVFAIL', ({ request }) => [signedReply(request, 2)], 'undecided', /SERVFAIL/],
    ['signed REFUSED', ({ request }) => [signedReply(request, 5)], 'fatal', /REFUSED; the update policy of key "tidegate"/],
    ['signed NOTAUTH', ({ request }) => [signedReply(request, 9)], 'fatal', /not the primary/],
    ['signed NOTIMP', ({ request }) => [signedReply(request, 4)], 'fatal', /NOTIMP; does the server take dynamic updates/],
    [
      'unsigned NOERROR',
      ({ request }) => [bareReply(request, 0)],
      'undecided',
      /NOERROR in a reply that cannot be trusted: .* no signature/,
    ],
    ['unsigned YXRRSET', ({ request }) => [bareReply(request, 7)], 'undecided', /YXRRSET in a reply that cannot be trusted/],
    ['unsigned REFUSED', ({ request }) => [bareReply(request, 5)], 'undecided', /REFUSED in a reply/],
    [
      'NOERROR signed with another secret',
      ({ request }) => [sign(bareReply(request, 0), otherKey, nowS(), { requestMac: requestMac(request) }).message],
      'undecided',
      /does not match/,
    ],
    [
      'NOERROR signed for another request',
      ({ request }) => [sign(bareReply(request, 0), key, nowS(), { requestMac: Buffer.alloc(32) }).message],
      'undecided',
      /does not match/,
    ],
    [
      'NOERROR signed an hour ago',
      ({ request }) => [sign(bareReply(request, 0), key, nowS() - 3600, { requestMac: requestMac(request) }).message],
      'undecided',
      /signed 36\d\d s ago/,
    ],
    ['half a message', ({ request }) => [signedReply(request, 0).subarray(0, 40)], 'undecided', /DNS message of 40 bytes/],
    ['a reset', () => 'reset', 'undecided', /ECONNRESET|connection closed/],
  ])('%s', async (_what, act, outcome, because) => {
    await using server = await startFakeDns(act);
    const applied = await open(server).apply([change], patience());
    expect(applied.outcome).toBe(outcome);
    expect('because' in applied ? applied.because : '').toMatch(because);
    if ('because' in applied) expect(applied.because).toMatch(/^update of web\.tide\.test in zone tide\.test at 127\.0\.0\.1:\d+: /);
    expect(JSON.stringify(applied)).not.toContain(key.secret.toString('base64').slice(0, 8));
  });

  test('one write is one signed message over TCP, and what needs no server sends none', async () => {
    await using server = await startFakeDns(({ request }) => [signedReply(request, 0)]);
    const provider = open(server);
    expect(await provider.apply([change], patience())).toMatchObject({ outcome: 'applied' });
    expect(server.asked.map((asked) => asked.over)).toEqual(['tcp']);
    const sent = decodeUpdate(server.asked[0]!.request);
    expect(sent).toMatchObject({ zone: 'tide.test', prerequisites: [{ rule: 'absent', name: '_tidegate.web.tide.test' }] });
    expect(sent.updates.map((update) => `${update.act} ${update.name} ${update.type}`)).toEqual([
      'delete _tidegate.web.tide.test 16',
      'add _tidegate.web.tide.test 16',
      'delete web.tide.test 1',
      'delete web.tide.test 28',
      'add web.tide.test 1',
      'add web.tide.test 1',
    ]);

    const newer = { ...change, previous: { ...nothing, fence: { ...fence, v: 8 } } };
    expect(await provider.apply([change, { ...newer, desired: { ...service, service: 'api.tide.test' } }], patience())).toEqual({
      outcome: 'conflict',
      because: 'api.tide.test: fence 8 is served, ours is 7',
    });
    const aliased = { ...change, previous: { ...nothing, foreign: ['192.0.2.9', 'CNAME edge.test'] } };
    expect(await provider.apply([aliased], patience())).toMatchObject({ outcome: 'fatal' });
    const broken = { ...change, desired: { ...service, service: 'not a name' } };
    expect(await provider.apply([broken], patience())).toMatchObject({
      outcome: 'fatal',
      because: expect.stringContaining('is not a DNS name'),
    });
    await expect(provider.apply([], patience())).rejects.toThrow('an empty batch');
    await expect(provider.apply([{ ...change, fence: { ...fence, writer: 'a;b' } }], patience())).rejects.toThrow('cannot be written');
    expect(server.asked).toHaveLength(1);
  });
});

describe('what is there already', () => {
  const there: ReadBack = { fence, shares: quantise(service), foreign: [], token: null };
  test('is only compared: the update carries the prerequisite and no change', async () => {
    await using server = await startFakeDns(({ request }) => [signedReply(request, 0)]);
    expect(await open(server).apply([{ desired: service, fence, previous: there }], patience())).toMatchObject({ outcome: 'applied' });
    expect(decodeUpdate(server.asked[0]!.request)).toMatchObject({ prerequisites: [{ rule: 'exactly' }], updates: [] });
  });

  test('is written again when anything differs: the nonce, a share, a foreign value', async () => {
    await using server = await startFakeDns(({ request }) => [signedReply(request, 0)]);
    const others = [
      { ...there, fence: { ...fence, nonce: 'other' } },
      { ...there, shares: { a: 1000, b: 0 } },
      { ...there, shares: null },
      { ...there, foreign: ['192.0.2.9'] },
    ];
    for (const previous of others) await open(server).apply([{ desired: service, fence, previous }], patience());
    expect(server.asked.map(({ request }) => decodeUpdate(request).updates.length)).toEqual([6, 6, 6, 6]);
  });
});

describe('reading', () => {
  test('an answer without authority, or an error, is not taken for an empty zone', async () => {
    for (const [what, why] of [
      [{}, /without authority; name a primary/],
      [{ rcode: 'SERVFAIL' }, /answered SERVFAIL for _tidegate\.web\.tide\.test/],
      [{ rcode: 'REFUSED' }, /answered REFUSED/],
    ] as const) {
      await using server = await startFakeDns(({ request }) => [replyTo(request, what)]);
      const attempt = open(server).read([service], patience());
      await expect(attempt).rejects.toThrow(why);
      await expect(attempt).rejects.toBeInstanceOf(Fault);
    }
  });

  const answer = (name: string, type: 'TXT' | 'A', ...values: string[]) => {
    const request = Buffer.from('000100000001000000000000016100000100 01'.replaceAll(' ', ''), 'hex');
    const answers = values.map((data) => (type === 'TXT' ? { type, name, ttl: 1, data } : { type, name, ttl: 1, data }));
    return decodeReply(replyTo(request, { answers, authoritative: true }));
  };
  const none = answer('x', 'A');

  test('a fence counts only when it is the one record there, to the letter', () => {
    const text = formatFence(fence);
    const at = (...texts: string[]): ReadBack =>
      readBackOf(service, { fence: answer('_tidegate.web.tide.test', 'TXT', ...texts), a: none, aaaa: none });
    expect(at(text)).toEqual({ ...nothing, fence });
    expect(at(`${text} `)).toEqual({ ...nothing, foreign: [`TXT "${text} "`] });
    expect(at(text, 'v=spf1 -all')).toEqual({ ...nothing, foreign: [`TXT "${text}"`, 'TXT "v=spf1 -all"'] });
    const elsewhere = readBackOf(service, { fence: answer('_tidegate.www.tide.test', 'TXT', text), a: none, aaaa: none });
    expect(elsewhere).toEqual(nothing);
  });

  test('addresses of no pool are foreign, also beside ours', () => {
    const back = readBackOf(service, { fence: none, a: answer('WEB.tide.test', 'A', '192.0.2.9', '192.0.2.1'), aaaa: none });
    expect(back).toEqual({ fence: null, shares: { a: 1000, b: 0 }, foreign: ['192.0.2.9'], token: null });
  });
});

describe('opening', () => {
  test('a server given by name is refused with what to write instead', () => {
    expect(() => open({ host: 'ns1.tide.test', port: 53 })).toThrow('server.host "ns1.tide.test" must be an IP address');
  });
  test('a secret file that holds something else is refused without showing it', () => {
    expect(() => open({ host: '127.0.0.1', port: 53 }, 'hunter2 hunter2 hunter2')).toThrow(/^dns\.key: expected the base64 text/);
    expect(() => open({ host: '127.0.0.1', port: 53 }, 'hunter2 hunter2 hunter2')).not.toThrow('hunter2');
  });
});
