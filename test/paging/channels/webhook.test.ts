// The webhook against real receivers on loopback: what is signed verifies, what fails is judged rightly, and nothing waits for ever.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createMetrics } from '../../../src/metrics.ts';
import type { Channel, ChannelContext } from '../../../src/paging/channel.ts';
import { bodyOf, openWebhook, webhookId } from '../../../src/paging/channels/webhook.ts';
import { openLogChannel } from '../../../src/paging/index.ts';
import { createOutbox } from '../../../src/paging/outbox.ts';
import { type Ports, realPorts } from '../../../src/ports.ts';
import { deadPort, makeCertificates, startOrigin } from '../../probe/origin.ts';
import { type RecordingLog, recordingLog } from '../../recording-log.ts';
import { noticed, openPages, pageOf } from '../fixture.ts';

const SECRET = `whsec_${Buffer.from('a-secret-of-thirty-two-bytes-ok!').toString('base64')}`;
const PATH_SECRET = 'T0000/B0000/path-that-is-a-secret';
/** Time runs this much faster than in life, so that a deadline of ten seconds is met in a test. */
const HASTE = 10;

interface Received {
  headers: Record<string, string>;
  body: string;
  path: string;
}

let server: http.Server;
let received: Received[];
/** How the receiver answers, first to last; then 204. */
let answers: ((reply: http.ServerResponse) => void)[];
let log: RecordingLog;
let context: ChannelContext;
const real = realPorts();
const hasty: Ports = {
  ...real,
  clock: { ...real.clock, monoMs: () => real.clock.monoMs() * HASTE },
  timers: { after: (ms, fn, options) => real.timers.after(ms / HASTE, fn, options) },
};

const listenOn = async (listener: http.RequestListener): Promise<http.Server> => {
  const listening = http.createServer(listener);
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return listening;
};
const portOf = (listening: http.Server): number => (listening.address() as AddressInfo).port;
const answer =
  (status: number, headers: http.OutgoingHttpHeaders = {}, text = '') =>
  (reply: http.ServerResponse): void => {
    reply.writeHead(status, headers).end(text);
  };
const silence = (): void => undefined;

beforeEach(async () => {
  received = [];
  answers = [];
  log = recordingLog();
  context = {
    ports: real,
    log,
    secret: () => `${SECRET}\n`,
    text: () => '',
    resolve: async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 }),
  };
  server = await listenOn((request, reply) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      received.push({ headers: request.headers as Record<string, string>, body, path: request.url ?? '' });
      (answers.shift() ?? answer(204))(reply);
    });
  });
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const open = (given: Partial<ChannelContext> = {}, url = `http://127.0.0.1:${portOf(server)}/${PATH_SECRET}?x=1`): Channel =>
  openWebhook(
    { kind: 'webhook', name: 'oncall', url, secretFiles: ['/etc/oncall.secret'], networks: ['127.0.0.0/8'] },
    { ...context, ...given },
  );
const never = new AbortController().signal;
const deliver = (channel = open()) => channel.deliver(noticed(pageOf('inc-7-opened')), never);

describe('a delivered page', () => {
  test('verifies with the secret and with no other, and says what happened', async () => {
    expect(await deliver()).toEqual({ sent: true, receipt: '204' });
    const [{ headers, body, path } = { headers: {}, body: '', path: '' }] = received;
    expect(path).toBe(`/${PATH_SECRET}?x=1`);
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'tidegate', 'webhook-id': 'inc-7-opened' });
    expect(new Webhook(SECRET).verify(body, headers)).toEqual({
      type: 'region.down',
      timestamp: '1970-01-01T00:00:00.000Z',
      data: {
        id: 'inc-7-opened',
        dedupKey: 'tidegate/test/inc-7-opened',
        action: 'trigger',
        cluster: 'test',
        severity: 'critical',
        summary: 'eu-west down: 3 of 4 vantages (needs 3) [inc-7-opened]',
        headline: expect.stringMatching(/^eu-west down: 3 of 4 vantages \(needs 3\) \[inc-7-opened\]; nothing to do now: /),
        v: 1,
        facts: expect.arrayContaining([
          { label: 'region', value: 'eu-west' },
          { label: 'key', value: 'tidegate/test/inc-7-opened' },
        ]),
        detail: { region: 'eu-west' },
      },
    });
    expect(() => new Webhook(`whsec_${Buffer.from('x'.repeat(32)).toString('base64')}`).verify(body, headers)).toThrow(
      'No matching signature',
    );
    expect(() => new Webhook(SECRET).verify(body.replace('critical', 'info'), headers)).toThrow('No matching signature');
  });

  test('carries the time of the try by our clock, and the same body at every try', async () => {
    const at = (wallMs: number): Partial<ChannelContext> => ({ ports: { ...real, clock: { ...real.clock, wallMs: () => wallMs } } });
    await deliver(open(at(1_000_000_500)));
    await deliver(open(at(2_000_000_500)));
    expect(received.map(({ headers }) => headers['webhook-timestamp'])).toEqual(['1000000', '2000000']);
    expect(received[0]?.body).toBe(received[1]?.body);
    expect(received[0]?.headers['webhook-id']).toBe(received[1]?.headers['webhook-id']);
  });

  test('uses the resolver for a name, in turn until an address answers, and keeps the name as Host', async () => {
    const asked: string[] = [];
    const resolve = async (host: string) => {
      asked.push(host);
      return { addresses: ['127.0.0.2', '127.0.0.1'], stale: null, ageMs: 0 };
    };
    const channel = open({ resolve }, `http://hooks.test:${portOf(server)}/`);
    expect(await deliver(channel)).toMatchObject({ sent: true });
    expect(asked).toEqual(['hooks.test']);
    expect(received[0]?.headers.host).toBe(`hooks.test:${portOf(server)}`);
  });
});

describe('an answer', () => {
  test.each([
    [200, {}, { sent: true, receipt: '200' }],
    [410, {}, { sent: false, retry: false, gone: true, because: 'the receiver answered 410: it wants no more' }],
    [429, { 'retry-after': '7' }, { sent: false, retry: true, afterMs: 7_000, because: 'the receiver answered 429' }],
    [503, {}, { sent: false, retry: true, because: 'the receiver answered 503' }],
    [503, { 'retry-after': 'never mind' }, { sent: false, retry: true, because: 'the receiver answered 503' }],
    [400, {}, { sent: false, retry: true, afterMs: 60_000, because: 'the receiver answered 400' }],
  ])('of %i with %j is %j', async (status, headers, delivery) => {
    answers.push(answer(status, headers));
    expect(await deliver()).toEqual(delivery);
  });

  test('with Retry-After as a date is understood by our clock', async () => {
    const wallMs = Date.UTC(2026, 10, 22, 3, 12);
    answers.push(answer(429, { 'retry-after': 'Sun, 22 Nov 2026 03:12:30 GMT' }));
    const channel = open({ ports: { ...real, clock: { ...real.clock, wallMs: () => wallMs } } });
    expect(await deliver(channel)).toMatchObject({ afterMs: 30_000 });
  });

  test('that redirects is a failure, and nobody else gets the page', async () => {
    let elsewhere = 0;
    const stranger = await listenOn((_request, reply) => {
      elsewhere += 1;
      reply.end();
    });
    for (const status of [301, 302, 307, 308]) {
      answers.push(answer(status, { location: `http://127.0.0.1:${portOf(stranger)}/` }));
      expect(await deliver()).toMatchObject({ sent: false, retry: true });
    }
    await new Promise((resolve) => stranger.close(resolve));
    expect(elsewhere).toBe(0);
    expect(received).toHaveLength(4);
  });

  test('whose body never ends is a success all the same, read no further than it must be', async () => {
    let written = 0;
    const closed = Promise.withResolvers<void>();
    answers.push((reply) => {
      reply.writeHead(200);
      const chunk = Buffer.alloc(64 * 1024, 'x');
      const more = (): void => {
        while (!reply.destroyed && reply.write(chunk)) written += chunk.length;
        written += chunk.length;
      };
      reply
        .on('drain', more)
        .on('close', closed.resolve)
        .on('error', () => undefined);
      more();
    });
    expect(await deliver()).toMatchObject({ sent: true });
    await closed.promise;
    // What the kernel's buffers took, and no stream of it.
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });

  test('whose body hangs after the status is judged by the status', async () => {
    answers.push((reply) => {
      reply.writeHead(202);
      reply.flushHeaders();
    });
    expect(await deliver(open({ ports: hasty }))).toEqual({ sent: true, receipt: '202' });
  });

  test('with quoted text of the receiver is not repeated', async () => {
    answers.push(answer(500, { 'x-leak': 'word-of-the-receiver' }, 'word-of-the-receiver'));
    expect(JSON.stringify(await deliver())).not.toContain('word-of-the-receiver');
  });
});

describe('a receiver that', () => {
  test('never answers is given up at the deadline', async () => {
    answers.push(silence);
    expect(await deliver(open({ ports: hasty }))).toEqual({
      sent: false,
      retry: true,
      because: `127.0.0.1:${portOf(server)}: oncall at 127.0.0.1:${portOf(server)}: no answer within 10000 ms`,
    });
  });

  test('speaks no HTTP, or hangs up, is a failure to be tried again', async () => {
    for (const behave of [
      (socket: import('node:net').Socket) => void socket.write('NONSENSE my-words\r\n\r\n'),
      (socket: import('node:net').Socket) => void socket.destroy(),
    ]) {
      await using origin = await startOrigin(behave);
      const delivery = await deliver(open({ ports: hasty }, `http://127.0.0.1:${origin.port}/`));
      expect(delivery).toMatchObject({ sent: false, retry: true });
      expect(JSON.stringify(delivery)).not.toContain('my-words');
    }
  });

  test('refuses the connection is named by host and reason, never by its path', async () => {
    const port = await deadPort();
    expect(await deliver(open({}, `http://127.0.0.1:${port}/${PATH_SECRET}`))).toEqual({
      sent: false,
      retry: true,
      because: `127.0.0.1:${port}: ECONNREFUSED`,
    });
  });

  test('has no address is a failure that says so', async () => {
    const resolve = async () => ({ addresses: [], stale: 'SERVFAIL', ageMs: 0 });
    expect(await deliver(open({ resolve }, 'http://nowhere.test/'))).toEqual({
      sent: false,
      retry: true,
      because: 'nowhere.test: ENOTFOUND',
    });
  });

  test('is let go at once when the caller aborts', async () => {
    const arrived = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    answers.push((reply) => {
      reply.on('close', closed.resolve);
      arrived.resolve();
    });
    const stop = new AbortController();
    const delivery = open().deliver(noticed(pageOf('a')), stop.signal);
    await arrived.promise;
    stop.abort(new Error('stopping'));
    expect(await delivery).toMatchObject({ sent: false, retry: true });
    await closed.promise;
  });

  test('shows a certificate nobody vouches for gets nothing; one that is vouched for does', async () => {
    using certificates = makeCertificates();
    const seen: string[] = [];
    await using origin = await startOrigin(
      (socket) => {
        socket.on('data', (chunk) => {
          seen.push(String(chunk));
          socket.end('HTTP/1.1 204 No Content\r\n\r\n');
        });
      },
      { tls: certificates.good },
    );
    const url = `https://good.test:${origin.port}/`;
    expect(await deliver(open({}, url))).toMatchObject({ sent: false, retry: true });
    expect(seen).toEqual([]);
    const { readFileSync } = await import('node:fs');
    const ca = readFileSync(certificates.caFile);
    const trusting: Ports = { ...real, net: { ...real.net, tls: (options) => real.net.tls({ ...options, ca }) } };
    expect(await deliver(open({ ports: trusting }, url))).toMatchObject({ sent: true });
    expect(await deliver(open({ ports: trusting }, `https://other.test:${origin.port}/`))).toMatchObject({ sent: false });
    expect(seen).toHaveLength(1);
  });
});

describe('any page', () => {
  test('makes a body below 20 kB of the specified form, with whole characters', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.constant('🙂'.repeat(12_000)),
      fc.constant('"\\\u0000'.repeat(9_000)),
    );
    const pages = fc.record({ type: text, summary: text, dedupKey: text, detail: fc.dictionary(text, fc.oneof(text, fc.jsonValue())) });
    fc.assert(
      fc.property(pages, (given) => {
        const body = bodyOf(noticed(pageOf('a', given as Parameters<typeof pageOf>[1])));
        expect(Buffer.byteLength(body)).toBeLessThan(20_000);
        const parsed = JSON.parse(body);
        expect(Object.keys(parsed)).toEqual(['type', 'timestamp', 'data']);
        expect(parsed.type).toMatch(/^[A-Za-z0-9_.]*$/);
        expect(body).toBe(bodyOf(noticed(pageOf('a', given as Parameters<typeof pageOf>[1]))));
      }),
      { numRuns: 100 },
    );
  }, 30_000);

  test('too large keeps the details that fit and names those that were cut', () => {
    const detail = { region: 'eu-west', votes: 'x'.repeat(30_000), services: ['web'] };
    expect(JSON.parse(bodyOf(noticed(pageOf('a', { detail })))).data.detail).toEqual({
      region: 'eu-west',
      services: ['web'],
      cut: ['votes'],
    });
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
  (text) => {
    const opening = () => open({ secret: () => text });
    expect(opening).toThrow(expect.objectContaining({ code: 'ERR_SECRET', message: expect.stringContaining('/etc/oncall.secret') }));
    if (text.length > 10) expect(opening).not.toThrow(text);
  },
);

describe('with the outbox', () => {
  test('a receiver that fails three times gets the page at the fourth try with the same id; no surface shows a secret', async () => {
    answers.push(answer(500), answer(429, { 'retry-after': '1' }), (reply) => reply.destroy());
    const box = openPages(real);
    const metrics = createMetrics();
    const logChannel = openLogChannel(context);
    const url = `http://127.0.0.1:${portOf(server)}/${PATH_SECRET}`;
    const outbox = createOutbox({
      store: box.store,
      ports: hasty,
      channels: [logChannel, open({ ports: hasty }, url)],
      noticeOf: noticed,
      log,
      metrics,
    });
    await box.put(pageOf('inc-7', { atMs: real.clock.wallMs(), detail: { note: `the secret is ${SECRET}` } }));
    const settled = Promise.withResolvers<void>();
    const watch = box.store.watch('outbox/', () => {
      void box.page('inc-7').then((page) => page?.delivered.includes('*') && settled.resolve());
    });
    await settled.promise;
    watch.close();
    await outbox.close();
    expect(received.map(({ headers }) => headers['webhook-id'])).toEqual(['inc-7', 'inc-7', 'inc-7', 'inc-7']);
    for (const { headers, body } of received) expect(() => new Webhook(SECRET).verify(body, headers)).not.toThrow();
    expect(log.of('page')).toHaveLength(1);
    for (const surface of [JSON.stringify(log.lines), await metrics.text()]) {
      expect(surface).not.toContain(SECRET);
      expect(surface).not.toContain(SECRET.slice('whsec_'.length));
      expect(surface).not.toContain('path-that-is-a-secret');
    }
    await box.store.close();
  }, 60_000);
});
