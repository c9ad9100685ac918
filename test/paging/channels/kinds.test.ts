// What is each vendor's own beyond the contract: keys, paths, throttling, what is left out and what is said of it, texts that no one may take for markup.
import { describe, expect, test } from 'vitest';
import type { Notice } from '../../../src/paging/channel.ts';
import { API_KEY, deliver, openAt, ROUTING_KEY } from './entries.ts';
import { noticeOf } from './notices.ts';
import { type Behaviour, type Receiver, startHttpReceiver } from './receiver.ts';

const sentBy = async (kind: Parameters<typeof openAt>[0], receiver: Receiver, notice: Notice, files = {}) => {
  const before = receiver.told.length;
  const delivery = await deliver(await openAt(kind, receiver, { files }), notice);
  const told = receiver.told[before];
  return { delivery, told, body: told === undefined ? undefined : JSON.parse(told.body) };
};
const answered = async (kind: Parameters<typeof openAt>[0], behaviour: Behaviour) => {
  await using receiver = await startHttpReceiver();
  receiver.behave(behaviour);
  return await deliver(await openAt(kind, receiver), noticeOf('trigger'));
};

describe('PagerDuty', () => {
  test('a ruleset key takes triggers and resolves; of a change it is said that there is none', async () => {
    await using receiver = await startHttpReceiver();
    const files = { '/etc/routing-key': 'R123456789012345678901234567890x' };
    for (const action of ['trigger', 'resolve'] as const)
      expect((await sentBy('pagerduty', receiver, noticeOf(action), files)).told?.path).toBe('/v2/enqueue');
    const { delivery, told } = await sentBy('pagerduty', receiver, noticeOf('change'), files);
    expect(delivery).toEqual({ sent: true, receipt: 'no change events on a ruleset key' });
    expect(told).toBeUndefined();
  });

  test('a resolve has the key of its trigger, under the same routing key, however long the key', async () => {
    await using receiver = await startHttpReceiver();
    for (const dedupKey of ['tidegate/prod/40-eu-west', 'k'.repeat(255), 'k'.repeat(256), `${'k'.repeat(400)}a`, 'ключ 🙂']) {
      const [opened, ended] = [noticeOf('trigger', { dedupKey }), noticeOf('resolve', { dedupKey })];
      const [{ body: trigger }, { body: resolve }] = [
        await sentBy('pagerduty', receiver, opened),
        await sentBy('pagerduty', receiver, ended),
      ];
      expect(resolve).toEqual({ routing_key: ROUTING_KEY, event_action: 'resolve', dedup_key: trigger.dedup_key });
      if (dedupKey.length <= 255 && /^[\x21-\x7e]+$/.test(dedupKey)) expect(trigger.dedup_key).toBe(dedupKey);
    }
    const keys = new Set(receiver.told.map(({ body }) => JSON.parse(body).dedup_key));
    expect(keys.size).toBe(5);
  });

  test('what is too large loses its details and nothing else', async () => {
    await using receiver = await startHttpReceiver();
    const fits = await sentBy('pagerduty', receiver, noticeOf('trigger', { detail: { region: 'eu-west', log: 'x'.repeat(500_000) } }));
    expect(fits.body.payload.custom_details.detail.log).toHaveLength(500_000);
    const large = await sentBy('pagerduty', receiver, noticeOf('trigger', { detail: { region: 'eu-west', log: 'x'.repeat(512_000) } }));
    expect(large.body).toEqual({
      ...fits.body,
      payload: { ...fits.body.payload, custom_details: { cut: expect.stringContaining('larger') } },
    });
    const change = await sentBy('pagerduty', receiver, noticeOf('change', { detail: { log: 'é'.repeat(300_000) } }));
    expect(change.body.payload).toMatchObject({ summary: expect.any(String), custom_details: { cut: expect.any(String) } });
  });

  test('the severity is the page’s, the source its region, and the cluster where it has none', async () => {
    await using receiver = await startHttpReceiver();
    for (const severity of ['critical', 'warning', 'info'] as const) {
      const { body } = await sentBy('pagerduty', receiver, noticeOf('trigger', { severity, detail: {} }));
      expect(body.payload).toMatchObject({ severity, source: 'prod', group: 'prod', class: 'region.drained' });
      expect(body.payload).not.toHaveProperty('component');
    }
  });

  test('its throttle, which says nothing of when it lifts, is left alone for minutes', async () => {
    expect(await answered('pagerduty', { status: 429 })).toMatchObject({ sent: false, retry: true, afterMs: 120_000 });
    expect(await answered('pagerduty', { status: 429, headers: { 'retry-after': '20' } })).toMatchObject({ afterMs: 20_000 });
    expect(await answered('pagerduty', { status: 500 })).not.toHaveProperty('afterMs');
  });
});

describe.each([
  ['opsgenie', ''],
  ['jsm', '/jsm/ops/integration'],
] as const)('%s', (kind, base) => {
  test('an alert is opened and closed under one alias, with the key in its header and nowhere else', async () => {
    await using receiver = await startHttpReceiver();
    for (const dedupKey of ['tidegate/prod/40-eu-west', '..', '.', '/../../close', `${'k'.repeat(513)}`, 'a b?c#d%', '']) {
      const opened = await sentBy(kind, receiver, noticeOf('trigger', { dedupKey }));
      const ended = await sentBy(kind, receiver, noticeOf('resolve', { dedupKey }));
      expect(opened.told?.path).toBe(`${base}/v2/alerts`);
      expect(ended.told?.path).toBe(`${base}/v2/alerts/${encodeURIComponent(opened.body.alias)}/close?identifierType=alias`);
      for (const { told } of [opened, ended]) {
        expect(told?.headers.authorization).toBe(`GenieKey ${API_KEY}`);
        expect(`${told?.path} ${told?.body}`).not.toContain(API_KEY);
      }
    }
  });

  test('how bad it is is the priority', async () => {
    await using receiver = await startHttpReceiver();
    for (const [severity, priority] of [
      ['critical', 'P1'],
      ['warning', 'P3'],
      ['info', 'P5'],
    ] as const)
      expect((await sentBy(kind, receiver, noticeOf('trigger', { severity }))).body).toMatchObject({ priority });
  });

  test('a change is not sent, and that is what is said', async () => {
    await using receiver = await startHttpReceiver();
    const { delivery } = await sentBy(kind, receiver, noticeOf('change'));
    expect(delivery).toEqual({ sent: true, receipt: expect.stringContaining('not sent') });
    expect(receiver.connections()).toBe(0);
  });

  test('a headline that is cut in the message is whole in the description', async () => {
    await using receiver = await startHttpReceiver();
    const headline = `${'eu-west is down and '.repeat(20)}that is all`;
    const { body } = await sentBy(kind, receiver, noticeOf('trigger', {}, { headline }));
    expect(body.message).toMatch(/^eu-west is down.*…$/);
    expect(body.description.split('\n')[0]).toBe(headline);
  });
});

describe('Slack', () => {
  const textOf = (value: unknown): string => JSON.stringify(value);

  test('nothing that a page holds is markup: no call, no link but ours', async () => {
    await using receiver = await startHttpReceiver();
    const text = '<!channel> <!here|x> <@U1> <https://evil.example|Open the decision> & &lt;';
    const notice = noticeOf('trigger', { id: text, type: text }, { headline: text, cluster: text, facts: [[text, text]] });
    const { body } = await sentBy('slack', receiver, notice);
    expect(textOf(body).match(/<[^>]*>/g)).toEqual(['<https://tidegate.example.net/v1/decisions/41|Open the decision>']);
    expect(body.text).toBe(
      'Critical: &lt;!channel&gt; &lt;!here|x&gt; &lt;@U1&gt; &lt;https://evil.example|Open the decision&gt; &amp; &amp;lt;',
    );
    expect(body).not.toHaveProperty('link_names');
  });

  test('an address with an ampersand is one all the same', async () => {
    await using receiver = await startHttpReceiver();
    const { told } = await sentBy(
      'slack',
      receiver,
      noticeOf('trigger', {}, { link: 'https://tidegate.example.net/v1/decisions/41?a=1&b=|2' }),
    );
    expect(told?.body).toContain('<https://tidegate.example.net/v1/decisions/41?a=1&amp;b=%7C2|Open the decision>');
  });

  test('a text is cut between characters and between entities', async () => {
    await using receiver = await startHttpReceiver();
    for (const unit of ['&', '🙂', 'a&', '<']) {
      const { body } = await sentBy('slack', receiver, noticeOf('trigger', {}, { headline: unit.repeat(3_000) }));
      expect(body.text).toMatch(/^Critical: (?:&amp;|&lt;|a|🙂)+…$/u);
      // Its limit, less at most what one entity takes.
      expect(body.text.length).toBeLessThanOrEqual(1_500);
      expect(body.text.length).toBeGreaterThan(1_490);
    }
  });

  test('facts that do not fit are counted', async () => {
    await using receiver = await startHttpReceiver();
    const facts = Array.from({ length: 20 }, (_, at) => [`Fact ${at}`, '"'.repeat(500)] as const);
    const { told, body } = await sentBy('slack', receiver, noticeOf('trigger', {}, { facts }));
    const shown = textOf(body).match(/\*Fact \d+\*/g) ?? [];
    expect(shown.length).toBeGreaterThan(5);
    expect(textOf(body)).toContain(`and ${20 - shown.length} more`);
    expect(told?.body.length).toBeGreaterThan(11_000);
  });

  test.each([
    [404, 'no_service'],
    [410, 'channel_is_archived'],
    [403, 'action_prohibited'],
    [400, 'invalid_payload'],
  ])('of a %i the word %s is told, since it says what a human has to do', async (status, text) => {
    const because = `the receiver answered ${status}: it will not take this (${text})`;
    expect(await answered('slack', { status, text })).toEqual({ sent: false, retry: false, because });
  });

  test('says how many messages it bears', async () => {
    expect((await openAt('slack', { port: 1 })).rate).toEqual({ max: 1, perMs: 1_000 });
    expect((await openAt('teams', { port: 1 })).rate).toEqual({ max: 4, perMs: 1_000 });
  });
});

test('Teams: facts that do not fit are counted, and the headline and the link stay', async () => {
  await using receiver = await startHttpReceiver();
  const facts = Array.from({ length: 20 }, (_, at) => [`Fact ${at}`, '中'.repeat(500)] as const);
  const { told, body } = await sentBy('teams', receiver, noticeOf('trigger', {}, { facts }));
  const shown = told?.body.match(/"Fact \d+: "/g) ?? [];
  expect(shown.length).toBeGreaterThan(5);
  expect(told?.body).toContain(`and ${20 - shown.length} more`);
  expect(told?.body).toContain(noticeOf('trigger').headline);
  expect(body.attachments[0].content.actions[0].url).toBe('https://tidegate.example.net/v1/decisions/41');
});

test.each([
  ['pagerduty', '/etc/routing-key', ['x'.repeat(31), 'x'.repeat(33), `${'x'.repeat(31)}-`]],
  ['opsgenie', '/etc/api-key', ['short', 'with blanks in the middle of it', 'x'.repeat(257)]],
  [
    'slack',
    '/etc/slack-url',
    ['http://hooks.slack.example/services/T/B/x', 'https://user:hunter2@hooks.example/x', 'hooks.slack.com/services'],
  ],
] as const)('%s: a secret that cannot be one is refused without what it is', async (kind, file, texts) => {
  for (const text of texts) {
    const opened = openAt(kind, { port: 1 }, { files: { [file]: `${text}\n` } });
    await expect(opened).rejects.toMatchObject({ code: 'ERR_SECRET', message: expect.stringContaining(file) });
    await expect(opened).rejects.not.toThrow(text);
  }
});
