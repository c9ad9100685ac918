// The channel against fake members: HTTP servers that record and answer as told. The real Alertmanager is test/system/paging/alertmanager.test.ts.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Channel, ChannelContext, Notice } from '../../../src/paging/channel.ts';
import { type Alert, alertsOf, LASTS_MS } from '../../../src/paging/channels/alertmanager.ts';
import { type ChannelConfigs, openChannel } from '../../../src/paging/index.ts';
import { type Ports, realPorts } from '../../../src/ports.ts';
import { deadPort } from '../../probe/origin.ts';
import { type RecordingLog, recordingLog } from '../../recording-log.ts';
import { entryOf } from './entries.ts';
import { noticeOf } from './notices.ts';

interface FakeMember extends AsyncDisposable {
  url: string;
  host: string;
  posts: { path: string; authorization: string | undefined; alerts: Alert[] }[];
  /** How it answers, first to last; then 200. */
  answers: ((reply: http.ServerResponse) => void)[];
}

const startFakeMember = async (path = ''): Promise<FakeMember> => {
  const posts: FakeMember['posts'] = [];
  const answers: FakeMember['answers'] = [];
  const server = http.createServer((request, reply) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const alerts = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      posts.push({ path: request.url ?? '', authorization: request.headers.authorization, alerts });
      (answers.shift() ?? ((answer) => answer.end('{}')))(reply);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}${path}`,
    host,
    posts,
    answers,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};

const answer =
  (status: number, headers: http.OutgoingHttpHeaders = {}) =>
  (reply: http.ServerResponse) =>
    void reply.writeHead(status, headers).end('"words of the receiver"');
const silence = (): void => undefined;

const real = realPorts();
const AT_MS = noticeOf('trigger').page.atMs;
const NOW_MS = AT_MS + 2_000;
/** Wall time stands; the rest runs `haste` times as fast as in life. */
const portsAt = (wallMs: number, haste = 1): Ports => ({
  ...real,
  clock: { monoMs: () => real.clock.monoMs() * haste, wallMs: () => wallMs },
  timers: { after: (ms, fn, options) => real.timers.after(ms / haste, fn, options) },
});

const expectPostable = (alerts: readonly Alert[]): void => {
  entryOf('alertmanager').hold({ path: '/api/v2/alerts', headers: {}, body: JSON.stringify(alerts) });
  for (const { startsAt, endsAt } of alerts) expect(Date.parse(endsAt)).toBeGreaterThanOrEqual(Date.parse(startsAt));
};

let one: FakeMember;
let two: FakeMember;
let log: RecordingLog;
let context: ChannelContext;
const opened: Channel[] = [];
const never = new AbortController().signal;

beforeEach(async () => {
  [one, two] = [await startFakeMember(), await startFakeMember('/am')];
  log = recordingLog();
  context = {
    ports: portsAt(NOW_MS),
    log,
    secret: () => 'a-password-of-tests\n',
    text: () => '',
    resolve: async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 }),
  };
});
afterEach(async () => {
  for (const channel of opened.splice(0)) await channel.close?.();
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
});

const open = async (given: Partial<ChannelConfigs['alertmanager']> = {}, ports = context.ports): Promise<Channel> => {
  const config = { kind: 'alertmanager', name: 'am', urls: [one.url, two.url], labels: { team: 'sre' }, ...given } as const;
  const channel = await openChannel(config, { ...context, ports });
  opened.push(channel);
  return channel;
};
const repeat = (channel: Channel, firing: readonly Notice[], resolved: readonly Notice[] = []): Promise<void> =>
  channel.repeat?.tell(firing, resolved, never) ?? Promise.reject(new Error('no repeat'));

const isFiring = ({ endsAt }: Alert, nowMs = NOW_MS): boolean => Date.parse(endsAt) > nowMs;
const arrived = async (member: FakeMember, posts: number): Promise<void> =>
  void (await expect.poll(() => member.posts.length, { timeout: 10_000, interval: 10 }).toBe(posts));

describe('the alerts of a notice', () => {
  test('have the same labels from the first trigger to the end, whatever else changes', () => {
    const page = { severity: 'warning', type: 'region.held', summary: 'other', detail: { region: 'us-east' }, v: 44 } as const;
    const later = noticeOf('trigger', page, { headline: 'another', link: null });
    const identities = [noticeOf('trigger'), later, noticeOf('resolve')].map((notice) =>
      alertsOf(notice, {}, NOW_MS).map(({ labels }) => JSON.stringify(labels)),
    );
    expect(identities[1]).toEqual(identities[0]);
    expect(identities[2]).toEqual(identities[0]);
    expect(new Set(identities[0]).size).toBe(3);
  });

  test('are told apart by key and by cluster', () => {
    const labels = (notice: Notice): string => JSON.stringify(alertsOf(notice, {}, NOW_MS)[0]?.labels);
    const all = [
      noticeOf('trigger'),
      noticeOf('trigger', { dedupKey: 'tidegate/prod/inc-9' }),
      noticeOf('trigger', {}, { cluster: 'lab' }),
    ];
    expect(new Set(all.map(labels)).size).toBe(3);
  });

  test('fire for the severity of the notice only, until 4 min from now, and have ended for the others', () => {
    const alerts = alertsOf(noticeOf('trigger', { severity: 'warning' }), {}, NOW_MS);
    expect(alerts.filter((alert) => isFiring(alert)).map(({ labels, endsAt }) => [labels.severity, Date.parse(endsAt) - NOW_MS])).toEqual([
      ['warning', LASTS_MS],
    ]);
    // A member whose clock is a few seconds behind agrees.
    expect(alerts.filter((alert) => isFiring(alert, AT_MS - 9_000))).toHaveLength(1);
    expect(alertsOf(noticeOf('resolve'), {}, NOW_MS).filter((alert) => isFiring(alert, AT_MS - 9_000))).toEqual([]);
  });

  test('begin before they end, however far cluster time and this clock are apart', () => {
    for (const skewMs of [-86_400_000, -1, 0, 1, 86_400_000])
      for (const action of ['trigger', 'resolve'] as const) expectPostable(alertsOf(noticeOf(action), {}, AT_MS + skewMs));
  });

  test('keep our labels where the configuration has others of the same name', () => {
    const [alert] = alertsOf(
      noticeOf('trigger'),
      { key: 'mine', severity: 'mine', alertname: 'mine', cluster: 'mine', team: 'sre' },
      NOW_MS,
    );
    expect(alert?.labels).toEqual({
      alertname: 'Tidegate',
      cluster: 'prod',
      key: 'tidegate/prod/40-eu-west',
      severity: 'critical',
      team: 'sre',
    });
  });

  test('are postable whatever the texts are', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', minLength: 1 }), fc.constant('\ud800"}\n{a="b"},\u0000'));
    fc.assert(
      fc.property(text, text, text, (key, headline, value) => {
        const notice = noticeOf('trigger', { dedupKey: key, type: value }, { headline, facts: [[value, value]] });
        const body = JSON.stringify(alertsOf(notice, {}, NOW_MS));
        expect(body.isWellFormed() && !/\\ud[89ab]/i.test(body)).toBe(true);
        expectPostable(JSON.parse(body));
      }),
      { numRuns: 100 },
    );
  });
});

describe('delivering', () => {
  test('posts to every member, beneath the path it is given', async () => {
    expect(await (await open()).deliver(noticeOf('trigger'), never)).toEqual({ sent: true, receipt: '200' });
    await arrived(one, 1);
    await arrived(two, 1);
    expect([one.posts[0]?.path, two.posts[0]?.path]).toEqual(['/api/v2/alerts', '/am/api/v2/alerts']);
    expect(one.posts[0]?.alerts).toEqual(JSON.parse(JSON.stringify(alertsOf(noticeOf('trigger'), { team: 'sre' }, NOW_MS))));
    expect(two.posts[0]?.alerts).toEqual(one.posts[0]?.alerts);
  });

  test('is done when one member has taken it, though another hangs; the log says once that it fails, and that it is back', async () => {
    one.answers.push(silence, answer(503));
    const channel = await open({}, portsAt(NOW_MS, 20));
    expect(await channel.deliver(noticeOf('trigger'), never)).toMatchObject({ sent: true });
    await expect.poll(() => log.of('page.member_failing').length, { timeout: 10_000 }).toBe(1);
    expect(log.of('page.member_failing')[0]?.fields).toMatchObject({
      channel: 'am',
      member: one.host,
      because: expect.stringContaining('10000 ms'),
    });
    await repeat(channel, [noticeOf('trigger')]);
    expect(log.of('page.member_failing')).toHaveLength(1);
    expect(log.of('page.member_back')).toHaveLength(0);
    await repeat(channel, [noticeOf('trigger')]);
    expect(log.of('page.member_back')).toHaveLength(1);
  });

  test('that no member took is a failure with all their reasons, and none of their words', async () => {
    one.answers.push(answer(400));
    two.answers.push(answer(503));
    const delivery = await (await open()).deliver(noticeOf('trigger'), never);
    expect(delivery).toEqual({
      sent: false,
      retry: true,
      because: `no member took it: ${one.host}: the receiver answered 400; ${two.host}: the receiver answered 503`,
    });
    expect(JSON.stringify(log.lines)).not.toContain('words of the receiver');
  });

  test('waits as long as the most patient member asks the least', async () => {
    one.answers.push(answer(429, { 'retry-after': '7' }));
    two.answers.push(answer(400));
    expect(await (await open()).deliver(noticeOf('trigger'), never)).toMatchObject({ sent: false, retry: true, afterMs: 7_000 });
  });

  test('of a change posts nothing and says so', async () => {
    const delivery = await (await open()).deliver(noticeOf('change'), never);
    expect(delivery).toMatchObject({ sent: true, receipt: expect.stringContaining('not sent') });
    expect([...one.posts, ...two.posts]).toEqual([]);
  });

  test('says who it is, and never shows the password', async () => {
    one.answers.push(answer(401));
    const user = { name: 'tidegate', passwordFile: '/etc/am.password' };
    const channel = await open({ urls: [one.url], user });
    const delivery = await channel.deliver(noticeOf('trigger'), never);
    expect(one.posts[0]?.authorization).toBe(`Basic ${Buffer.from('tidegate:a-password-of-tests').toString('base64')}`);
    for (const shown of [JSON.stringify(delivery), JSON.stringify(log.lines)]) expect(shown).not.toMatch(/a-password|dGlkZWdhdGU6/);
  });

  test('does not pile up before a member that hangs', async () => {
    one.answers.push(...Array.from({ length: 40 }, () => silence));
    const channel = await open();
    for (let n = 0; n < 40; n += 1) expect(await channel.deliver(noticeOf('trigger'), never)).toMatchObject({ sent: true });
    await arrived(two, 40);
    expect(one.posts.length).toBeLessThanOrEqual(8);
    await channel.close?.();
  });

  test('ends at once when the channel closes', async () => {
    one.answers.push(silence);
    const channel = await open({ urls: [one.url] });
    const delivery = channel.deliver(noticeOf('trigger'), never);
    await arrived(one, 1);
    await channel.close?.();
    // Not by its deadline.
    expect(await delivery).toEqual({ sent: false, retry: true, because: `no member took it: ${one.host}: Error` });
  });
});

describe('repeating', () => {
  test('is wanted every minute, and of ends for five', async () => {
    expect((await open()).repeat).toMatchObject({ everyMs: 60_000, resolvedForMs: 300_000 });
  });

  test('says again what fires with a later end, and what has ended with the same, in one body', async () => {
    const other = noticeOf('resolve', { dedupKey: 'tidegate/prod/inc-9', atMs: AT_MS });
    for (const nowMs of [NOW_MS, NOW_MS + 60_000])
      await repeat(await open({ urls: [one.url] }, portsAt(nowMs)), [noticeOf('trigger')], [other]);
    expect(one.posts).toHaveLength(2);
    const ends = one.posts.map(({ alerts }) =>
      alerts.map(({ labels, endsAt }) => [labels.key, labels.severity, Date.parse(endsAt) - NOW_MS]),
    );
    expect(ends[0]?.[0]).toEqual(['tidegate/prod/40-eu-west', 'critical', LASTS_MS]);
    expect(ends[1]?.[0]).toEqual(['tidegate/prod/40-eu-west', 'critical', LASTS_MS + 60_000]);
    expect(ends[1]?.slice(1)).toEqual(ends[0]?.slice(1));
    expect(ends[0]).toHaveLength(6);
  });

  test('says the ends of other severities no longer than any end', async () => {
    await repeat(await open({ urls: [one.url] }, portsAt(AT_MS + 301_000)), [noticeOf('trigger')]);
    expect(one.posts[0]?.alerts.map(({ labels }) => labels.severity)).toEqual(['critical']);
  });

  test('reaches a member that was away, and rejects when none is there', async () => {
    const port = await deadPort();
    await repeat(await open({ urls: [`http://127.0.0.1:${port}`, two.url] }), [noticeOf('trigger')]);
    expect(two.posts).toHaveLength(1);
    await expect(repeat(await open({ urls: [`http://127.0.0.1:${port}`] }), [noticeOf('trigger')])).rejects.toThrow(
      `no member took it: 127.0.0.1:${port}: ECONNREFUSED`,
    );
  });

  test('of many alerts goes in bodies of a bearable size, and no further with a member that fails', async () => {
    const many = Array.from({ length: 150 }, (_, n) => noticeOf('trigger', { dedupKey: `tidegate/prod/inc-${n}` }));
    two.answers.push(answer(500));
    await repeat(await open(), many);
    expect(one.posts.map(({ alerts }) => alerts.length)).toEqual([192, 192, 66]);
    expect(two.posts).toHaveLength(1);
  });

  test('says nothing of changes, and posts nothing for nothing', async () => {
    await repeat(await open(), [noticeOf('change')]);
    expect(one.posts).toEqual([]);
  });
});
