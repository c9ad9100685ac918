// What is the webhook's own: signatures, also while a secret is being replaced; ids; bodies below 20 kB of any page; the way through the outbox. What
// receivers do to it is the subject of contract/channel.contract.ts.
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../../src/metrics.ts';
import { openLog } from '../../../src/paging/channels/log.ts';
import { bodyOf } from '../../../src/paging/channels/webhook.ts';
import * as message from '../../../src/paging/message.ts';
import { createOutbox } from '../../../src/paging/outbox.ts';
import { webhookId } from '../../../src/paging/signer.ts';
import { type Ports, realPorts } from '../../../src/ports.ts';
import { recordingLog } from '../../recording-log.ts';
import { openPages, pageOf } from '../fixture.ts';
import { deliver, openAt, SIGNING } from './entries.ts';
import { noticeOf } from './notices.ts';
import { startHttpReceiver } from './receiver.ts';

const real = realPorts();
const [NEW = '', OLD = ''] = SIGNING;

describe('a delivered notice', () => {
  test('verifies with each of the secrets and with no other, and says what happened', async () => {
    await using receiver = await startHttpReceiver();
    const notice = noticeOf('trigger', { id: 'inc-7-opened' });
    expect(await deliver(await openAt('webhook', receiver), notice)).toEqual({ sent: true, receipt: '200' });
    const [{ headers, body } = { headers: {}, body: '' }] = receiver.told;
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'tidegate', 'webhook-id': 'inc-7-opened' });
    for (const secret of [NEW, OLD]) expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
    expect(JSON.parse(body)).toMatchObject({
      type: 'region.drained',
      timestamp: '2026-08-01T12:00:00.000Z',
      data: { id: 'inc-7-opened', dedupKey: notice.page.dedupKey, action: 'trigger', severity: 'critical', headline: notice.headline },
    });
    const stranger = new Webhook(`whsec_${Buffer.from('x'.repeat(32)).toString('base64')}`);
    expect(() => stranger.verify(body, headers)).toThrow('No matching signature');
    expect(() => new Webhook(NEW).verify(body.replace('critical', 'info'), headers)).toThrow('No matching signature');
  });

  test('carries the time of the try by our clock, and the same id and body at every try', async () => {
    await using receiver = await startHttpReceiver();
    const at = (wallMs: number) => ({ context: { ports: { ...real, clock: { ...real.clock, wallMs: () => wallMs } } } });
    for (const wallMs of [1_000_000_500, 2_000_000_500]) await deliver(await openAt('webhook', receiver, at(wallMs)), noticeOf('trigger'));
    const [one, two] = receiver.told;
    expect([one, two].map((told) => told?.headers['webhook-timestamp'])).toEqual(['1000000', '2000000']);
    expect(one?.body).toBe(two?.body);
    expect(one?.headers['webhook-id']).toBe(two?.headers['webhook-id']);
  });

  test('that is answered with 410 is the last: a human has to look', async () => {
    await using receiver = await startHttpReceiver();
    receiver.behave({ status: 410 }, { status: 400 });
    const channel = await openAt('webhook', receiver);
    const gone = { sent: false, retry: false, gone: true, because: 'the receiver answered 410: it wants no more' };
    expect(await deliver(channel, noticeOf('trigger'))).toEqual(gone);
    const refused = { sent: false, retry: true, afterMs: 60_000, because: 'the receiver answered 400' };
    expect(await deliver(channel, noticeOf('trigger'))).toEqual(refused);
  });
});

describe('any page', () => {
  test('makes a body below 20 kB of the specified form, with whole characters', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('🙂'.repeat(12_000), '"\\\u0000'.repeat(9_000), '\u0000'.repeat(9_000), '\ud83d'.repeat(9_000), '"'.repeat(9_000)),
    );
    const pages = fc.record({
      id: text,
      type: text,
      summary: text,
      dedupKey: text,
      detail: fc.dictionary(text, fc.oneof(text, fc.jsonValue())),
    });
    const told = fc.record({ cluster: text, headline: text, facts: fc.array(fc.tuple(text, text), { maxLength: 20 }) });
    fc.assert(
      fc.property(pages, told, (page, rest) => {
        const body = bodyOf(noticeOf('trigger', page, rest));
        expect(Buffer.byteLength(body)).toBeLessThan(20_000);
        const parsed = JSON.parse(body);
        expect(Object.keys(parsed)).toEqual(['type', 'timestamp', 'data']);
        expect(parsed.type).toMatch(/^[A-Za-z0-9_.]*$/);
        expect(body).not.toMatch(/(?<!\\)(\\\\)*\\ud[89a-f]/);
        expect(body).toBe(bodyOf(noticeOf('trigger', page, rest)));
      }),
      { numRuns: 100 },
    );
  }, 30_000);

  test('too large keeps the details that fit and names those that were cut', () => {
    const detail = { region: 'eu-west', votes: 'x'.repeat(30_000), services: ['web'] };
    const { data } = JSON.parse(bodyOf(noticeOf('trigger', { detail })));
    expect(data.detail).toEqual({ region: 'eu-west', services: ['web'], cut: ['votes'] });
  });

  test('has an id without dots that is its own when it can be, and differs when the pages do', () => {
    expect(webhookId('inc_7-opened')).toBe('inc_7-opened');
    expect(webhookId('web.example.test')).toMatch(/^web_example_test_[0-9a-f]{12}$/);
    expect(webhookId('a.b')).not.toBe(webhookId('a b'));
    fc.assert(fc.property(fc.string(), (id) => /^[A-Za-z0-9_-]*$/.test(webhookId(id)) && webhookId(id).length < 256));
  });
});

test.each(['', 'whsec_', 'whsec_short', 'not-a-webhook-secret-at-all', `whsec_${Buffer.alloc(65).toString('base64')}`])(
  'a secret file with %j is refused with what it should be and without what it is',
  async (text) => {
    const opened = openAt('webhook', { port: 1 }, { files: { '/etc/old': text } });
    await expect(opened).rejects.toMatchObject({ code: 'ERR_SECRET', message: expect.stringContaining('/etc/old') });
    if (text.length > 10) await expect(opened).rejects.not.toThrow(text);
  },
);

describe('with the outbox', () => {
  test('a receiver that fails three times gets the page at the fourth try with the same id; no surface shows a secret', async () => {
    await using receiver = await startHttpReceiver();
    receiver.behave('fail', { status: 429, headers: { 'retry-after': '1' } }, 'die');
    // Time runs faster than in life, so that the retries' waits are met in a test.
    const haste = 10;
    const hasty: Ports = {
      ...real,
      clock: { ...real.clock, monoMs: () => real.clock.monoMs() * haste },
      timers: { after: (ms, fn, options) => real.timers.after(ms / haste, fn, options) },
    };
    const log = recordingLog();
    const box = openPages(real);
    const metrics = createMetrics();
    const channels = [openLog({ log }), await openAt('webhook', receiver, { context: { ports: hasty, log } })];
    const noticeOf = (page: Parameters<typeof message.noticeOf>[0]) => message.noticeOf(page, { cluster: 'test', baseUrl: null });
    const outbox = createOutbox({ store: box.store, ports: hasty, channels, log, metrics, noticeOf });
    await box.put(pageOf('inc-7', { atMs: real.clock.wallMs(), detail: { note: `the secret is ${NEW}` } }));
    const settled = Promise.withResolvers<void>();
    const watch = box.store.watch('outbox/', () => {
      void box.page('inc-7').then((page) => page?.delivered.includes('*') && settled.resolve());
    });
    await settled.promise;
    watch.close();
    await outbox.close();
    expect(receiver.told.map(({ headers }) => headers['webhook-id'])).toEqual(['inc-7', 'inc-7', 'inc-7', 'inc-7']);
    for (const { headers, body } of receiver.told) expect(() => new Webhook(OLD).verify(body, headers)).not.toThrow();
    expect(log.of('page')).toHaveLength(1);
    for (const surface of [JSON.stringify(log.lines), await metrics.text()])
      for (const secret of ['path-that-is-a-secret', NEW.slice('whsec_'.length), OLD.slice('whsec_'.length)])
        expect(surface).not.toContain(secret);
    await box.store.close();
  }, 60_000);
});
