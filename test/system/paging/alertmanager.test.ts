// The channel against Debian's Alertmanager: two members that form a cluster.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Channel, Notice } from '../../../src/paging/channel.ts';
import { keyWithin } from '../../../src/paging/fit.ts';
import { type ChannelConfigs, openChannel } from '../../../src/paging/index.ts';
import { type Ports, realPorts } from '../../../src/ports.ts';
import { noticeOf } from '../../paging/channels/notices.ts';
import { recordingLog } from '../../recording-log.ts';
import { PATIENCE_MS, until } from '../until.ts';
import { type Alertmanager, type AlertSeen, memberPorts, startAlertmanager } from './alertmanager.ts';

const ports = realPorts();
const PASSWORD = 'a-password-of-tests';
/** Of PASSWORD, at the lowest cost. */
const BCRYPT = '$2b$04$X3E3wBRYnLZrptDFwZY3zuFNGj5F7acH3GmAlWyvPdg2AU8iNs6xu';
const never = new AbortController().signal;

let one: Alertmanager;
let two: Alertmanager;
const opened: Channel[] = [];

beforeAll(async () => {
  const [a, b] = [await memberPorts(), await memberPorts()];
  [one, two] = await Promise.all([startAlertmanager({ at: a, peers: [b] }), startAlertmanager({ at: b, peers: [a] })]);
}, PATIENCE_MS);
afterAll(async () => {
  for (const channel of opened) await channel.close?.();
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
});

const open = async (given: Partial<ChannelConfigs['alertmanager']> = {}, using: Ports = ports): Promise<Channel> => {
  const channel = await openChannel(
    { kind: 'alertmanager', name: 'am', urls: [one.url, two.url], labels: { team: 'sre' }, ...given },
    {
      ports: using,
      log: recordingLog(),
      secret: () => PASSWORD,
      text: () => '',
      resolve: async () => ({ addresses: [], stale: null, ageMs: 0 }),
    },
  );
  opened.push(channel);
  return channel;
};
const repeat = async (channel: Channel, firing: readonly Notice[], resolved: readonly Notice[] = []): Promise<void> => {
  await channel.repeat?.tell(firing, resolved, never);
};

/** One of an incident of its own, that happens `agoMs` ago. */
const incident =
  (key: string) =>
  (action: 'trigger' | 'resolve', given: Partial<Notice['page']> = {}, agoMs = 0) =>
    noticeOf(action, { dedupKey: key, atMs: ports.clock.wallMs() - agoMs, ...given });
const of = async (member: Alertmanager, key: string): Promise<AlertSeen[]> =>
  (await member.alerts()).filter(({ labels }) => labels.key === keyWithin(key, 255));
/** What each member says is active, once both agree with `isSo`. */
const both = (key: string, isSo: (alerts: AlertSeen[]) => boolean): Promise<[AlertSeen[], AlertSeen[]]> =>
  until(`both members about ${key}`, async () => {
    const seen: [AlertSeen[], AlertSeen[]] = [await of(one, key), await of(two, key)];
    return seen.every(isSo) ? seen : null;
  });
const severities = (alerts: AlertSeen[]): (string | undefined)[] => alerts.map(({ labels }) => labels.severity);

describe('a trigger', () => {
  test('is an alert of both members, with its labels, its sentence and its link, and ends 4 min after it was told', async () => {
    const page = incident('appears');
    const channel = await open();
    const beforeMs = ports.clock.wallMs();
    expect(await channel.deliver(page('trigger'), never)).toEqual({ sent: true, receipt: '200' });
    for (const [alert] of await both('appears', (alerts) => alerts.length === 1)) {
      expect(alert).toMatchObject({
        labels: { alertname: 'Tidegate', cluster: 'prod', key: 'appears', severity: 'critical', team: 'sre' },
        annotations: { summary: noticeOf('trigger').headline, type: 'region.drained', region: 'eu-west' },
        generatorURL: 'https://tidegate.example.net/v1/decisions/41',
      });
      // Unless it is said again, Alertmanager ends it by itself then.
      const endsInMs = Date.parse(alert?.endsAt ?? '') - beforeMs;
      expect(endsInMs).toBeGreaterThanOrEqual(240_000 - 1);
      expect(endsInMs).toBeLessThan(240_000 + PATIENCE_MS);
    }
  });

  test('said again is the same alert, which began when it first did and ends later', async () => {
    const page = incident('again');
    const first = page('trigger', {}, 60_000);
    const earlier: Ports = { ...ports, clock: { ...ports.clock, wallMs: () => ports.clock.wallMs() - 60_000 } };
    await (await open({}, earlier)).deliver(first, never);
    const [[before]] = await both('again', (alerts) => alerts.length === 1);
    await repeat(await open(), [page('trigger')]);
    const seen = await both('again', ([alert]) => Date.parse(alert?.endsAt ?? '') > Date.parse(before?.endsAt ?? ''));
    for (const alerts of seen) expect(alerts.map(({ startsAt }) => startsAt)).toEqual([before?.startsAt]);
  });

  test('that nobody says again has ended for Alertmanager once its time is over', async () => {
    const page = incident('forgotten');
    const longAgo: Ports = { ...ports, clock: { ...ports.clock, wallMs: () => ports.clock.wallMs() - 239_000 } };
    await (await open({}, longAgo)).deliver(page('trigger', {}, 239_000), never);
    await both('forgotten', (alerts) => alerts.length === 0);
  });

  test('that grows in severity is one alert, of the new severity; it shrinks again as well', async () => {
    const page = incident('escalates');
    const channel = await open();
    for (const severity of ['warning', 'critical', 'warning'] as const) {
      await channel.deliver(page('trigger', { severity }), never);
      const seen = await both('escalates', (alerts) => severities(alerts).join() === severity);
      expect(seen).toHaveLength(2);
    }
  });

  test('with hostile texts comes through as plain ones, and is one alert until it ends', async () => {
    const hostile = `tidegate/prod/"}\n{alertname="x"},\u0000\u202e{{ .Labels }} ü🙂'\\${'x'.repeat(900)}`;
    const page = incident(hostile);
    const channel = await open();
    const notice: Notice = {
      ...page('trigger', { type: '{{ template "x" }}\n' }),
      headline: '<script>{{ .Alerts }}\n"',
      cluster: 'a"b\n{c}',
    };
    expect(await channel.deliver(notice, never)).toMatchObject({ sent: true });
    await repeat(channel, [notice]);
    const seen = await both(hostile, (alerts) => alerts.length === 1);
    expect(seen[0][0]?.labels).toMatchObject({ cluster: 'a"b {c}' });
    expect(seen[1][0]?.annotations).toMatchObject({ summary: '<script>{{ .Alerts }} "', type: '{{ template "x" }} ' });
    await channel.deliver({ ...page('resolve'), cluster: 'a"b\n{c}' }, never);
    await both(hostile, (alerts) => alerts.length === 0);
  });

  test('of half a character is taken all the same', async () => {
    const channel = await open();
    expect(await channel.deliver({ ...incident('half')('trigger'), headline: 'half \ud800' }, never)).toMatchObject({ sent: true });
    for (const [alert] of await both('half', (alerts) => alerts.length === 1)) expect(alert?.annotations.summary).toBe('half \ufffd');
  });
});

describe('an end', () => {
  test('ends the alert on both members, whatever its severity was', async () => {
    for (const severity of ['critical', 'warning'] as const) {
      const page = incident(`ends-${severity}`);
      const channel = await open();
      await channel.deliver(page('trigger', { severity }), never);
      await both(`ends-${severity}`, (alerts) => alerts.length === 1);
      await channel.deliver(page('resolve'), never);
      await both(`ends-${severity}`, (alerts) => alerts.length === 0);
    }
  });

  test('is told of an alert that never was without making one', async () => {
    const channel = await open();
    await channel.deliver(incident('never-was')('resolve'), never);
    await repeat(channel, [], [incident('never-was')('resolve')]);
    await both('never-was', (alerts) => alerts.length === 0);
  });
});

test('no body was refused, by either member', async () => {
  for (const member of [one, two]) {
    expect(await member.counted('alertmanager_alerts_received_total', 'version="v2"')).toBeGreaterThan(10);
    expect(await member.counted('alertmanager_alerts_invalid_total')).toBe(0);
  }
});

test('a member that was dead is told by the repeat when it is back, of what fires and of what has ended', { timeout: 90_000 }, async () => {
  const [a, b] = [await memberPorts(), await memberPorts()];
  await using stays = await startAlertmanager({ at: a, peers: [b] });
  const channel = await open({ urls: [`http://127.0.0.1:${a.http}`, `http://127.0.0.1:${b.http}`] });
  const [fires, over] = [incident('fires'), incident('over')];
  {
    await using dies = await startAlertmanager({ at: b, peers: [a] });
    await channel.deliver(over('trigger'), never);
    await until('the alert on the member that will die', async () => (await of(dies, 'over')).length === 1);
  }
  expect(await channel.deliver(over('resolve'), never)).toEqual({ sent: true, receipt: '200' });
  expect(await channel.deliver(fires('trigger'), never)).toEqual({ sent: true, receipt: '200' });
  expect(severities(await of(stays, 'fires'))).toEqual(['critical']);
  await using back = await startAlertmanager({ at: b, peers: [a] });
  expect(await of(back, 'fires')).toEqual([]);
  await repeat(channel, [fires('trigger')], [over('resolve')]);
  await until('the alert on the member that is back', async () => severities(await of(back, 'fires')).join() === 'critical');
  expect(await of(back, 'over')).toEqual([]);
});

test('what Alertmanager notifies, routed by severity: each severity begins when it fired and ends when it did, and one that never fired is never heard of', async () => {
  const heard: string[] = [];
  const receiver = http.createServer((request, reply) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const { status, groupLabels } = JSON.parse(body);
      heard.push(`${groupLabels.severity} ${status}`);
      reply.end();
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  await using member = await startAlertmanager({ webhook: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/` });
  const page = incident('routed');
  const channel = await open({ urls: [member.url] });
  const hears = (last: string): Promise<unknown> => until(last, () => heard.includes(last));
  await channel.deliver(page('trigger', { severity: 'warning' }), never);
  await hears('warning firing');
  await channel.deliver(page('trigger', { severity: 'critical' }), never);
  await hears('critical firing');
  await hears('warning resolved');
  await repeat(channel, [page('trigger', { severity: 'critical' })]);
  await channel.deliver(page('resolve'), never);
  await hears('critical resolved');
  expect(heard).toHaveLength(4);
  receiver.closeAllConnections();
  receiver.close();
  await once(receiver, 'close');
});

test('a member that wants a password takes the right one; without it nothing arrives', async () => {
  const authorization = `Basic ${Buffer.from(`tidegate:${PASSWORD}`).toString('base64')}`;
  await using member = await startAlertmanager({ user: { name: 'tidegate', bcrypt: BCRYPT } }, { authorization });
  const [urls, notice] = [[member.url], incident('secret')('trigger')];
  expect(await (await open({ urls })).deliver(notice, never)).toMatchObject({
    sent: false,
    retry: true,
    because: `no member took it: ${member.host}: the receiver answered 401`,
  });
  expect(await (await open({ urls, user: { name: 'tidegate', passwordFile: '/x' } })).deliver(notice, never)).toMatchObject({ sent: true });
  await until('the alert', async () => (await of(member, 'secret')).length === 1);
});
