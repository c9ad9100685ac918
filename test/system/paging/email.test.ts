// The channel against a real mail server, and the message as Python's own reader of mail understands it.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Delivery, Notice } from '../../../src/paging/channel.ts';
import { type ChannelConfigs, openChannel } from '../../../src/paging/index.ts';
import { realPorts } from '../../../src/ports.ts';
import { noticeOf } from '../../paging/channels/notices.ts';
import { type Certificates, makeCertificates } from '../../probe/origin.ts';
import { recordingLog } from '../../recording-log.ts';
import { type SmtpServer, startSmtpServer } from './smtp-server.ts';

const PASSWORD = 'a-password-of-tests';
const USER = { name: 'tidegate', password: PASSWORD };
const user = { name: 'tidegate', passwordFile: '/etc/mail.password' };
const never = new AbortController().signal;
const FROM = 'tidegate@example.net';
const TO = ['oncall@example.net', 'lead@example.net'];

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates[Symbol.dispose]());

const deliver = async (
  server: SmtpServer,
  given: Partial<ChannelConfigs['email']> = {},
  { notice = noticeOf('trigger'), password = PASSWORD }: { notice?: Notice; password?: string } = {},
): Promise<Delivery> => {
  const secured = given.tls === undefined ? {} : { caFile: certificates.caFile, host: 'good.test' };
  const channel = await openChannel(
    { kind: 'email', name: 'mail', host: '127.0.0.1', port: server.port, tls: 'none', from: FROM, to: TO, ...secured, ...given },
    {
      ports: realPorts(),
      log: recordingLog(),
      secret: () => password,
      text: (path) => readFileSync(path, 'utf8'),
      resolve: async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 }),
    },
  );
  return channel.deliver(notice, never);
};

/** What Python's reader makes of it: headers decoded, the text, how many parts, what it found wrong. */
const READER = `
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
defects = [str(d) for d in m.defects] + [str(d) for v in m.values() for d in v.defects]
print(json.dumps({"headers": [[k.lower(), str(v)] for k, v in m.items()], "text": m.get_content().replace("\\r\\n", "\\n"), "multipart": m.is_multipart(), "defects": defects,
                  "at": m["date"].datetime.isoformat()}))
`;
interface Read {
  headers: [string, string][];
  text: string;
  multipart: boolean;
  defects: string[];
  at: string;
}
const read = (message: string): Read => JSON.parse(execFileSync('/usr/bin/python3', ['-c', READER], { input: message, encoding: 'utf8' }));
const headerOf = (message: Read, name: string): string[] => message.headers.filter(([key]) => key === name).map(([, value]) => value);

test('a message arrives whole, for all its recipients, and reads as it was meant', async () => {
  await using server = await startSmtpServer();
  const headline = 'eu-west down: 3 of 4 vantages — Zürich 🙂 moved; '.repeat(8).trim();
  const notice = {
    ...noticeOf('trigger'),
    headline,
    facts: [
      ['Ort', 'Zürich'],
      ['dots', '.'],
    ] as const,
  };
  expect(await deliver(server, {}, { notice })).toEqual({ sent: true, receipt: 'taken for 2 of 2' });
  const [taken] = server.taken();
  expect(taken).toMatchObject({ from: FROM, to: TO, tls: null, user: null });
  const message = read(taken?.message ?? '');
  expect(message).toMatchObject({ multipart: false, defects: [], at: '2026-08-01T12:00:00+00:00' });
  expect(headerOf(message, 'subject')).toEqual([`${`[CRITICAL] ${headline}`.slice(0, 199)}…`]);
  expect(headerOf(message, 'from')).toEqual([`Tidegate <${FROM}>`]);
  expect(headerOf(message, 'to')).toEqual([TO.join(', ')]);
  expect(headerOf(message, 'auto-submitted')).toEqual(['auto-generated']);
  expect(headerOf(message, 'x-tidegate-key')).toEqual(['tidegate/prod/40-eu-west']);
  expect(message.text).toContain(`CRITICAL: ${headline}\n\nOrt: Zürich\ndots: .\n\nhttps://tidegate.example.net/v1/decisions/41\n`);
});

test('hostile texts add no header, no recipient and no second message', async () => {
  await using server = await startSmtpServer();
  const hostile = 'x\r\nBcc: everybody@example.com\r\nSubject: other\r\n\r\n.\r\nMAIL FROM:<a@b.c>\r\n';
  const notice: Notice = {
    ...noticeOf('trigger', { dedupKey: hostile, id: hostile, type: hostile }),
    headline: hostile,
    cluster: hostile,
    link: hostile,
    facts: [[hostile, `\n.\n${hostile}`]],
  };
  expect(await deliver(server, {}, { notice })).toMatchObject({ sent: true });
  expect(server.taken()).toHaveLength(1);
  const [taken] = server.taken();
  expect(taken?.to).toEqual(TO);
  const message = read(taken?.message ?? '');
  expect(message.defects).toEqual([]);
  expect(headerOf(message, 'bcc')).toEqual([]);
  expect(headerOf(message, 'subject')).toHaveLength(1);
});

test.each(['starttls', 'implicit'] as const)('with %s the message and the password go over TLS', async (tls) => {
  await using server = await startSmtpServer({ tls, certificate: certificates.good, user: USER });
  expect(await deliver(server, { tls, user })).toEqual({ sent: true, receipt: 'taken for 2 of 2' });
  expect(server.taken()).toMatchObject([{ tls: 'TLSv1.3', user: 'tidegate', to: TO }]);
});

test('a certificate nobody vouches for gets nothing, by either way', async () => {
  for (const tls of ['starttls', 'implicit'] as const) {
    await using server = await startSmtpServer({ tls, certificate: certificates.selfSigned });
    expect(await deliver(server, { tls })).toMatchObject({
      sent: false,
      retry: true,
      because: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
    });
    expect(server.taken()).toEqual([]);
  }
});

test('a server without STARTTLS gets nothing where it is wanted', async () => {
  await using server = await startSmtpServer();
  expect(await deliver(server, { tls: 'starttls' })).toMatchObject({
    sent: false,
    retry: true,
    because: expect.stringContaining('at STARTTLS'),
  });
  expect(server.taken()).toEqual([]);
});

test('a wrong password, and none where one is wanted, is told by code alone', async () => {
  await using server = await startSmtpServer({ tls: 'starttls', certificate: certificates.good, user: USER });
  const place = `good.test:${server.port}: the server answered`;
  expect(await deliver(server, { tls: 'starttls', user }, { password: 'another-password' })).toEqual({
    sent: false,
    retry: true,
    afterMs: 60_000,
    because: `${place} 535 at AUTH PLAIN`,
  });
  expect(await deliver(server, { tls: 'starttls' })).toMatchObject({ sent: false, retry: true, because: `${place} 530 at MAIL FROM` });
  expect(server.taken()).toEqual([]);
});

test('recipients that are refused: for good, for now, and only some of them', async () => {
  await using server = await startSmtpServer();
  const place = `127.0.0.1:${server.port}: the server answered`;
  expect(await deliver(server, { to: ['no-a@example.net', 'no-b@example.net'] })).toEqual({
    sent: false,
    retry: false,
    because: `${place} 550 at RCPT TO, for every recipient`,
  });
  expect(await deliver(server, { to: ['no-a@example.net', 'later-b@example.net'] })).toEqual({
    sent: false,
    retry: true,
    because: `${place} 451 at RCPT TO`,
  });
  expect(await deliver(server, { to: ['no-a@example.net', 'oncall@example.net'] })).toEqual({ sent: true, receipt: 'taken for 1 of 2' });
  expect(server.taken().map(({ to }) => to)).toEqual([['oncall@example.net']]);
});

test('a server that takes no message of that size is asked again', async () => {
  await using server = await startSmtpServer({ sizeMax: 200 });
  expect(await deliver(server)).toMatchObject({ sent: false, retry: true });
  expect(server.taken()).toEqual([]);
});

test('a server that is gone, and one that stands still', async () => {
  await using server = await startSmtpServer();
  server.signal('SIGSTOP');
  const ports = realPorts();
  const channel = await openChannel(
    { kind: 'email', name: 'mail', host: '127.0.0.1', port: server.port, tls: 'none', from: FROM, to: TO },
    {
      // The deadline of twelve seconds, in a tenth of it.
      ports: { ...ports, timers: { after: (ms, fn, options) => ports.timers.after(ms / 10, fn, options) } },
      log: recordingLog(),
      secret: () => PASSWORD,
      text: () => '',
      resolve: async () => ({ addresses: [], stale: null, ageMs: 0 }),
    },
  );
  expect(await channel.deliver(noticeOf('trigger'), never)).toMatchObject({
    sent: false,
    retry: true,
    because: expect.stringContaining('no answer'),
  });
  await server.kill();
  expect(await channel.deliver(noticeOf('trigger'), never)).toMatchObject({
    sent: false,
    retry: true,
    because: `127.0.0.1:${server.port}: ECONNREFUSED`,
  });
});
