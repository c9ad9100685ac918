// The channel against a fake mail server, one that answers as it is told.
import { readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { createTransport } from 'nodemailer';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ChannelContext, Delivery, Notice } from '../../../src/paging/channel.ts';
import { messageOf } from '../../../src/paging/channels/email.ts';
import { type ChannelConfigs, openChannel } from '../../../src/paging/index.ts';
import { type Ports, realPorts } from '../../../src/ports.ts';
import { type Certificates, deadPort, makeCertificates } from '../../probe/origin.ts';
import { type RecordingLog, recordingLog } from '../../recording-log.ts';
import { FIXTURES } from './entries.ts';
import { type FakeSmtp, type FakeSmtpOptions, hangUp, saysNothing, startFakeSmtp } from './fake-smtp.ts';
import { noticeOf } from './notices.ts';

type Config = ChannelConfigs['email'];

const PASSWORD = 'a-password-of-tests';
const WORDS = 'words-of-the-server';
const ADDRESSES = { from: 'tidegate@example.net', to: ['oncall@example.net', 'lead@example.net'] };
const real = realPorts();
const HASTE = 20;
const hasty: Ports = {
  ...real,
  clock: { ...real.clock, monoMs: () => real.clock.monoMs() * HASTE },
  timers: { after: (ms, fn, options) => real.timers.after(ms / HASTE, fn, options) },
};
const never = new AbortController().signal;

let certificates: Certificates;
let log: RecordingLog;
let context: ChannelContext;
const running: FakeSmtp[] = [];

beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates[Symbol.dispose]());
beforeEach(() => {
  log = recordingLog();
  context = {
    ports: real,
    log,
    secret: () => `${PASSWORD}\n`,
    text: (path) => readFileSync(path, 'utf8'),
    resolve: async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 }),
  };
});
afterEach(async () => {
  for (const server of running.splice(0)) await server[Symbol.asyncDispose]();
});

const start = async (options: FakeSmtpOptions = {}): Promise<FakeSmtp> => {
  const server = await startFakeSmtp(options);
  running.push(server);
  return server;
};
const channelOf = (port: number, given: Partial<Config> = {}, ports = real) =>
  openChannel({ kind: 'email', name: 'mail', host: '127.0.0.1', port, tls: 'none', ...ADDRESSES, ...given }, { ...context, ports });
const deliver = async (
  server: Pick<FakeSmtp, 'port'>,
  given: Partial<Config> = {},
  { notice = noticeOf('trigger'), ports = real }: { notice?: Notice; ports?: Ports } = {},
): Promise<Delivery> => {
  const delivery = await (await channelOf(server.port, given, ports)).deliver(notice, never);
  for (const shown of [JSON.stringify(delivery), JSON.stringify(log.lines)]) {
    expect(shown).not.toContain(PASSWORD);
    expect(shown).not.toContain(Buffer.from(PASSWORD).toString('base64').slice(0, 12));
    expect(shown).not.toContain(WORDS);
  }
  return delivery;
};
const user = { name: 'tidegate', passwordFile: '/etc/mail.password' };
const starttls = (): Partial<Config> => ({ tls: 'starttls', caFile: certificates.caFile, host: 'good.test' });
const implicit = (): Partial<Config> => ({ tls: 'implicit', caFile: certificates.caFile, host: 'good.test' });

/** The message as it would travel. */
const emlOf = async (notice: Notice, given: Pick<Config, 'from' | 'to'> = ADDRESSES): Promise<string> => {
  const transport = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  const { message } = await transport.sendMail(messageOf(notice, given));
  return message.toString();
};
const headersOf = (eml: string): Map<string, string> => {
  const unfolded = eml.slice(0, eml.indexOf('\r\n\r\n')).replaceAll(/\r\n[ \t]+/g, ' ');
  return new Map(unfolded.split('\r\n').map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]));
};

describe('the message', () => {
  test('of a trigger and of its end is as recorded', async () => {
    for (const action of ['trigger', 'acknowledge', 'resolve', 'change'] as const) {
      const file = join(FIXTURES, `email-${action}.eml`);
      const eml = await emlOf(noticeOf(action));
      if (process.env.UPDATE === '1') writeFileSync(file, eml);
      expect(eml).toBe(readFileSync(file, 'utf8'));
    }
  });

  test('has the id of its page and the thread of its key', async () => {
    const of = async (notice: Notice) => headersOf(await emlOf(notice));
    const [first, again, later, other] = [
      await of(noticeOf('trigger')),
      await of(noticeOf('trigger')),
      await of(noticeOf('resolve', { id: '45-incident_resolved-40-eu-west' })),
      await of(noticeOf('trigger', { dedupKey: 'tidegate/prod/inc-9' })),
    ];
    expect(first.get('message-id')).toMatch(/^<[0-9a-f]{32}@example\.net>$/);
    expect(again).toEqual(first);
    expect(later.get('message-id')).not.toBe(first.get('message-id'));
    for (const thread of ['in-reply-to', 'references']) {
      expect(first.get(thread)).toMatch(/^<[0-9a-f]{32}@example\.net>$/);
      expect(first.get(thread)).not.toBe(first.get('message-id'));
      expect(later.get(thread)).toBe(first.get(thread));
      expect(other.get(thread)).not.toBe(first.get(thread));
    }
    const lab = await of(noticeOf('trigger', {}, { cluster: 'lab' }));
    expect(lab.get('message-id')).not.toBe(first.get('message-id'));
    expect(lab.get('references')).not.toBe(first.get('references'));
  });

  test('says first how bad it is, or that it is over, or that nobody is asked for', async () => {
    const subjects = await Promise.all(
      [noticeOf('trigger'), noticeOf('trigger', { severity: 'warning' }), noticeOf('resolve'), noticeOf('change')].map(
        async (notice) =>
          headersOf(await emlOf(notice))
            .get('subject')
            ?.split(' ')[0],
      ),
    );
    expect(subjects).toEqual(['[CRITICAL]', '[WARNING]', '[RESOLVED]', '[NOTICE]']);
  });

  test('keeps its headers whatever the texts are, is text and nothing else, and of lines that every server takes', async () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constant('x\r\nBcc: everybody@example.com\r\n\r\n.\r\n'),
      fc.constant('\ud800\u2028\u0085Subject: other'),
      fc.constant('🙂'.repeat(1_000)),
      fc.constant('x'.repeat(1_000)),
    );
    const usual = [...headersOf(await emlOf(noticeOf('trigger'))).keys()];
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (text, other) => {
        const page = { dedupKey: text, id: other, type: text };
        const notice = noticeOf('trigger', page, { headline: text, cluster: other, facts: [[other, text]], link: text });
        const eml = await emlOf(notice);
        const headers = headersOf(eml);
        expect([...headers.keys()]).toEqual(usual);
        expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
        // A fact is a line, whatever it says.
        expect(String(messageOf(notice, ADDRESSES).text).split('\n')).toHaveLength(8);
        expect(messageOf(notice, ADDRESSES).subject?.length).toBeLessThanOrEqual(200);
        for (const line of eml.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
        expect(eml).toMatch(/^[\r\n\t -~]*$/);
        expect(eml.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a delivery', () => {
  test('is taken for all recipients, with our addresses in the envelope and the message whole', async () => {
    const server = await start();
    expect(await deliver(server)).toEqual({ sent: true, receipt: 'taken for 2 of 2' });
    expect(server.heard.slice(1)).toEqual([
      'MAIL FROM:<tidegate@example.net>',
      'RCPT TO:<oncall@example.net>',
      'RCPT TO:<lead@example.net>',
      'DATA',
    ]);
    expect(server.messages).toEqual([await emlOf(noticeOf('trigger'))]);
  });

  test('leaves no connection behind, however it ended, whatever the server does with its side', async () => {
    const sockets: Socket[] = [];
    const tcp: Ports['net']['tcp'] = (options) => {
      const socket = real.net.tcp(options);
      sockets.push(socket);
      return socket;
    };
    for (const answers of [{}, { MAIL: ['451 later'] }, { RCPT: ['550 no', '550 no'] }, { DATA: ['554 no'] }, { CONNECT: [hangUp] }]) {
      await deliver(await start({ answers }), {}, { ports: { ...real, net: { ...real.net, tcp } } });
      expect(sockets.pop()?.destroyed).toBe(true);
    }
  });

  test('without TLS stays without, whatever the server offers', async () => {
    const server = await start({ offers: ['STARTTLS'], tls: certificates.selfSigned });
    expect(await deliver(server)).toMatchObject({ sent: true });
    expect(server.heard).not.toContain('STARTTLS');
  });

  test('goes over TLS from the first byte, or from STARTTLS on, to a server that the authority vouches for; a password passes only there', async () => {
    for (const given of [implicit(), starttls()]) {
      const server = await start({
        offers: ['STARTTLS', 'AUTH PLAIN LOGIN'],
        tls: certificates.good,
        implicit: given.tls === 'implicit',
      });
      expect(await deliver(server, { ...given, user })).toEqual({ sent: true, receipt: 'taken for 2 of 2' });
      const proof = Buffer.from(`\0tidegate\0${PASSWORD}`).toString('base64');
      expect(server.heard).toContain(`tls AUTH PLAIN ${proof}`);
      expect(server.heard.filter((line) => !line.startsWith('tls ')).every((line) => /^(EHLO |STARTTLS$)/.test(line))).toBe(true);
    }
  });

  test('uses the resolver for a name, in turn until an address answers', async () => {
    const server = await start({ tls: certificates.good, implicit: true });
    const asked: string[] = [];
    context = {
      ...context,
      resolve: async (host) => {
        asked.push(host);
        return { addresses: ['127.0.0.2', '127.0.0.1'], stale: null, ageMs: 0 };
      },
    };
    expect(await deliver(server, implicit())).toMatchObject({ sent: true });
    expect(asked).toEqual(['good.test']);
  });

  test('of which some recipients are refused says for how many it was taken', async () => {
    const server = await start({ answers: { RCPT: [`550 ${WORDS}`] } });
    expect(await deliver(server)).toEqual({ sent: true, receipt: 'taken for 1 of 2' });
    expect(server.messages).toHaveLength(1);
  });
});

describe('a server that', () => {
  const LATER = { sent: false, retry: true };
  test('takes it for one and refuses another for now is asked again, as who greylists the one on call', async () => {
    const server = await start({ answers: { RCPT: ['250 ok', `451 ${WORDS}`] } });
    const delivery = await deliver(server);
    expect(delivery).toMatchObject({ ...LATER, because: expect.stringContaining('1 of 2 addresses refused for now (451)') });
    expect(JSON.stringify(delivery)).not.toContain(WORDS);
  });

  test.each([
    ['is busy at once', { CONNECT: [`421 ${WORDS}`] }, { ...LATER, because: 'the server answered 421' }],
    ['refuses us', { CONNECT: [`554 ${WORDS}`] }, { ...LATER, because: 'the server answered 554', afterMs: 60_000 }],
    ['refuses the sender for now', { MAIL: [`451 ${WORDS}`] }, { ...LATER, because: 'the server answered 451 at MAIL FROM' }],
    ['refuses the sender', { MAIL: [`550 ${WORDS}`] }, { ...LATER, because: 'the server answered 550 at MAIL FROM', afterMs: 60_000 }],
    ['refuses all recipients for now', { RCPT: [`450 ${WORDS}`, '450 x'] }, { ...LATER, because: 'the server answered 450 at RCPT TO' }],
    ['refuses one for now and one for good', { RCPT: ['550 x', '451 x'] }, { ...LATER, because: 'the server answered 451 at RCPT TO' }],
    [
      'refuses every recipient for good',
      { RCPT: [`550 ${WORDS}`, '551 x'] },
      { sent: false, retry: false, because: 'the server answered 551 at RCPT TO, for every recipient' },
    ],
    ['will not have the data', { DATA: [`452 ${WORDS}`] }, { ...LATER, because: 'the server answered 452 at DATA' }],
    ['refuses the message', { MESSAGE: [`554 ${WORDS}`] }, { ...LATER, because: 'the server answered 554 at DATA', afterMs: 60_000 }],
    ['is full', { MESSAGE: [`452 ${WORDS}`] }, { ...LATER, because: 'the server answered 452 at DATA' }],
    ['hangs up at once', { CONNECT: [hangUp] }, { ...LATER, because: 'ECONNECTION' }],
    ['hangs up after the sender', { MAIL: [hangUp] }, { ...LATER, because: expect.stringMatching(/^(ECONNECTION|ECONNRESET)$/) }],
    ['hangs up after the message', { MESSAGE: [hangUp] }, { ...LATER, because: expect.stringMatching(/^(ECONNECTION|ECONNRESET)$/) }],
    [
      'hangs up in the middle of the message',
      { HALF: [hangUp] },
      { ...LATER, because: expect.stringMatching(/^(ECONNECTION|ECONNRESET|EPIPE)$/) },
    ],
    ['speaks nonsense', { CONNECT: [`HTTP/1.1 400 ${WORDS}`] }, { ...LATER, because: 'EPROTOCOL' }],
  ])('%s is answered as the protocol says, one command at a time or all at once', async (_what, answers, expected) => {
    for (const offers of [[], ['PIPELINING']]) {
      const server = await start({ answers, offers });
      const delivery = await deliver(server);
      const place = `127.0.0.1:${server.port}: `;
      if (delivery.sent) throw new Error('taken');
      expect(delivery.because.startsWith(place)).toBe(true);
      expect({ ...delivery, because: delivery.because.slice(place.length) }).toEqual(expected);
      expect(server.messages.filter((message) => message !== '')).toHaveLength('MESSAGE' in answers ? 1 : 0);
    }
  });

  test.each(['CONNECT', 'EHLO', 'RCPT', 'DATA', 'HALF', 'MESSAGE'] as const)(
    'says nothing more after %s is given up at the deadline',
    async (verb) => {
      const server = await start({ answers: { [verb]: [saysNothing] } });
      expect(await deliver(server, {}, { ports: hasty })).toEqual({
        sent: false,
        retry: true,
        because: `127.0.0.1:${server.port}: the mail server: no answer within 12000 ms`,
      });
      await expect.poll(() => server.open(), { interval: 5, timeout: 10_000 }).toBe(0);
    },
  );

  test('drips its greeting byte by byte is given up at the deadline', async () => {
    const drip = (socket: Socket): void => {
      const next = (): void => void (socket.writable && socket.write('2', () => setImmediate(next)));
      next();
    };
    const server = await start({ answers: { CONNECT: [drip] } });
    expect(await deliver(server, {}, { ports: hasty })).toMatchObject({ sent: false, retry: true });
  });

  test('does not listen is named with the system’s code; one that has no address too', async () => {
    const port = await deadPort();
    expect(await deliver({ port })).toEqual({ sent: false, retry: true, because: `127.0.0.1:${port}: ECONNREFUSED` });
    context = { ...context, resolve: async () => ({ addresses: [], stale: 'SERVFAIL', ageMs: 0 }) };
    expect(await deliver({ port }, { host: 'nowhere.test', tls: 'starttls' })).toEqual({
      sent: false,
      retry: true,
      because: `nowhere.test:${port}: ENOTFOUND`,
    });
  });

  test('offers no STARTTLS where it should, or refuses it, gets neither password nor message', async () => {
    const refusals: FakeSmtpOptions[] = [
      { offers: ['AUTH PLAIN'], answers: { STARTTLS: [`502 ${WORDS}`] } },
      { offers: ['STARTTLS', 'AUTH PLAIN'], answers: { STARTTLS: [`454 ${WORDS}`] } },
      { offers: ['AUTH PLAIN'], answers: { EHLO: [`502 ${WORDS}`] } },
    ];
    for (const options of refusals) {
      const server = await start(options);
      expect(await deliver(server, { ...starttls(), user })).toMatchObject({ sent: false, retry: true });
      expect(server.heard.filter((line) => /AUTH|MAIL|DATA/.test(line))).toEqual([]);
    }
  });

  test('puts words before the handshake of STARTTLS is not believed', async () => {
    const injected = (socket: Socket): void => void socket.write('220 go\r\n250-fake\r\n250 AUTH PLAIN\r\n');
    const server = await start({ offers: ['STARTTLS'], tls: certificates.good, answers: { STARTTLS: [injected] } });
    expect(await deliver(server, { ...starttls(), user }, { ports: hasty })).toMatchObject({ sent: false, retry: true });
    expect(server.heard.some((line) => line.startsWith('AUTH'))).toBe(false);
  });

  test('shows a certificate nobody vouches for, or one that has expired, or that is another’s, gets nothing', async () => {
    for (const given of [implicit(), starttls()])
      for (const [certificate, host, code] of [
        [certificates.selfSigned, 'good.test', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
        [certificates.expired, 'good.test', 'CERT_HAS_EXPIRED'],
        [certificates.good, 'other.test', 'ERR_TLS_CERT_ALTNAME_INVALID'],
      ] as const) {
        const server = await start({ offers: ['STARTTLS', 'AUTH PLAIN'], tls: certificate, implicit: given.tls === 'implicit' });
        const delivery = await deliver(server, { ...given, host, user });
        expect(delivery).toMatchObject({ sent: false, retry: true, because: `${host}:${server.port}: ${code}` });
        expect(server.heard.filter((line) => /AUTH|MAIL|DATA/.test(line))).toEqual([]);
      }
  });

  test('is not vouched for by the system’s authorities gets nothing without caFile', async () => {
    const server = await start({ tls: certificates.good, implicit: true });
    expect(await deliver(server, { tls: 'implicit', host: 'good.test' })).toMatchObject({ sent: false, retry: true });
    expect(server.heard).toEqual([]);
  });

  test('does not take the password is asked again later, and neither side of it is told', async () => {
    for (const offers of [['AUTH PLAIN'], ['AUTH LOGIN'], ['AUTH CRAM-MD5'], []]) {
      const AUTH = [offers[0]?.includes('LOGIN') === true ? '535 no' : `535 ${WORDS} ${PASSWORD}`];
      const server = await start({ offers, answers: { AUTH } });
      expect(await deliver(server, { user })).toEqual({
        sent: false,
        retry: true,
        afterMs: 60_000,
        because: expect.stringMatching(/^127\.0\.0\.1:\d+: the server answered 535 at AUTH (PLAIN|LOGIN|CRAM-MD5)$/),
      });
      expect(server.messages).toEqual([]);
    }
  });
});

test('without TLS nothing leaves this machine, wherever the name leads', async () => {
  const tried: string[] = [];
  const ports: Ports = {
    ...real,
    net: {
      ...real.net,
      tcp: (options) => {
        tried.push(options.host);
        return real.net.tcp(options);
      },
    },
  };
  context = { ...context, resolve: async () => ({ addresses: ['192.0.2.7'], stale: null, ageMs: 0 }) };
  expect(await deliver({ port: 25 }, { host: 'localhost' }, { ports })).toMatchObject({
    sent: false,
    retry: true,
    because: 'localhost:25: EADDRNOTALLOWED',
  });
  expect(tried).toEqual([]);
});

test('a delivery ends at once when the caller aborts', async () => {
  const arrived = Promise.withResolvers<void>();
  const server = await start({ answers: { MAIL: [() => arrived.resolve()] } });
  const stop = new AbortController();
  const delivery = (await channelOf(server.port)).deliver(noticeOf('trigger'), stop.signal);
  await arrived.promise;
  stop.abort(new Error('stopping'));
  expect(await delivery).toMatchObject({ sent: false, retry: true });
  await expect.poll(() => server.open(), { interval: 5, timeout: 10_000 }).toBe(0);
});

test('its place is named without user or path', async () => {
  expect((await channelOf(587, { ...starttls(), user })).places).toEqual(['smtp://good.test:587']);
  expect((await channelOf(465, { ...implicit(), host: '2001:db8::25' })).places).toEqual(['smtps://[2001:db8::25]:465']);
});
