// Whatever is sent, the answer is an answer: problems in one form, no detail of ours leaked, limits kept.
import net from 'node:net';
import fc from 'fast-check';
import type { InjectOptions } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createApi } from '../../src/api/server.ts';
import { ERRORS, Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { AUTHORIZED, DRAIN, type Opened, openApi, putRecord, TOKEN, viewOf } from './fixture.ts';

let api: Opened;
beforeEach(() => {
  api = openApi();
});
afterEach(() => api.close());

const isProblem = (reply: { statusCode: number; headers: Record<string, unknown>; json(): unknown }): void => {
  expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/);
  const told = reply.json() as { code: string; status: number; type: string; title: string; detail: string; requestId: string };
  expect(told.status).toBe(reply.statusCode);
  expect(Object.keys(ERRORS)).toContain(told.code);
  expect(told.type).toBe(`urn:tidegate:error:${told.code}`);
  expect(told.title).toBe(ERRORS[told.code as keyof typeof ERRORS].title);
  expect(told.detail.length).toBeGreaterThan(0);
  expect(told.requestId).toMatch(/^[0-9a-f]{16}$/);
};

describe('every refusal is a problem', () => {
  test.each([
    ['an unknown path', 404, 'ERR_NOT_FOUND', { method: 'GET', url: '/v2/nothing' }],
    ['a wrong method', 405, 'ERR_METHOD', { method: 'POST', url: '/v1/status', payload: '{broken', headers: { 'content-type': 'text/x' } }],
    ['a malformed path', 400, 'ERR_BAD_REQUEST', { method: 'GET', url: '/v1/%zz' }],
    [
      'broken JSON',
      400,
      'ERR_BAD_REQUEST',
      {
        method: 'PUT',
        url: '/v1/overrides/a',
        headers: { ...AUTHORIZED, 'content-type': 'application/json' },
        payload: '{"reason": my-secret',
      },
    ],
    ['no body', 400, 'ERR_BAD_REQUEST', { method: 'PUT', url: '/v1/overrides/a', headers: AUTHORIZED }],
    [
      'a poisoned prototype',
      400,
      'ERR_BAD_REQUEST',
      {
        method: 'PUT',
        url: '/v1/overrides/a',
        headers: { ...AUTHORIZED, 'content-type': 'application/json' },
        payload: '{"__proto__":{"a":1}}',
      },
    ],
    [
      'another media type',
      415,
      'ERR_MEDIA_TYPE',
      { method: 'PUT', url: '/v1/overrides/a', headers: { ...AUTHORIZED, 'content-type': 'text/plain' }, payload: 'kind: drain' },
    ],
    [
      'a body of more than 64 KiB',
      413,
      'ERR_TOO_LARGE',
      { method: 'PUT', url: '/v1/overrides/a', headers: AUTHORIZED, payload: { ...DRAIN, reason: 'x'.repeat(65_536) } },
    ],
    ['no token', 401, 'ERR_UNAUTHORIZED', { method: 'DELETE', url: '/v1/overrides/a' }],
    ['an absent order', 404, 'ERR_NOT_FOUND', { method: 'DELETE', url: '/v1/overrides/a', headers: AUTHORIZED }],
  ] as const)('%s: %i %s', async (_, status, code, request) => {
    const reply = await api.app.inject(request as InjectOptions);
    expect(reply.statusCode).toBe(status);
    isProblem(reply);
    expect(reply.json().code).toBe(code);
    expect(reply.body).not.toContain('my-secret');
  });

  test('a body of just 64 KiB is read', async () => {
    const body = JSON.stringify({ ...DRAIN, reason: '' });
    const payload = body.replace('"reason":""', `"reason":"${'x'.repeat(65_536 - body.length)}"`);
    const reply = await api.app.inject({
      method: 'PUT',
      url: '/v1/overrides/a',
      headers: { ...AUTHORIZED, 'content-type': 'application/json' },
      payload,
    });
    expect(payload.length).toBe(65_536);
    expect(reply.json().errors).toEqual([{ pointer: '/reason', detail: 'must have at most 500 characters' }]);
  });

  test('405 names what the path offers', async () => {
    const reply = await api.app.inject({ method: 'DELETE', url: '/v1/overrides' });
    expect(reply.statusCode).toBe(405);
    expect(reply.headers.allow).toBe('GET, HEAD, POST');
    expect((await api.app.inject({ method: 'POST', url: '/v1/overrides/a' })).headers.allow).toBe('GET, HEAD, PUT, DELETE');
  });

  test('a bug of ours is a 500 without its words; the log has them under the same id', async () => {
    const broken = openApi({
      view: viewOf({
        status: () => {
          throw new TypeError('cannot read secret-internals');
        },
      }),
    });
    const reply = await broken.app.inject('/v1/status');
    expect(reply.statusCode).toBe(500);
    isProblem(reply);
    expect(reply.body).not.toContain('secret-internals');
    const [line] = broken.log.of('api.failed');
    expect(line?.fields.requestId).toBe(reply.json().requestId);
    expect(reply.headers['x-request-id']).toBe(reply.json().requestId);
    expect(JSON.stringify(line)).toContain('secret-internals');
    await broken.close();
  });
});

describe('reads', () => {
  test('need no token and come with headers that forbid caching, framing and guessing', async () => {
    for (const url of ['/healthz', '/readyz', '/metrics', '/v1/status', '/v1/overrides', '/v1/reports', '/openapi.json']) {
      const reply = await api.app.inject(url);
      expect(reply.statusCode, url).toBe(200);
      expect(reply.headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
      expect(reply.headers['content-security-policy']).toContain("default-src 'none'");
      expect(reply.headers['set-cookie']).toBeUndefined();
      expect((await api.app.inject({ method: 'HEAD', url })).statusCode, `HEAD ${url}`).toBe(200);
    }
    expect((await api.app.inject('/nothing')).headers['cache-control']).toBe('no-store');
  });

  test('every answer is timed under its route as registered, and what is no route under one name', async () => {
    const api = openApi();
    for (const url of ['/v1/overrides/a', '/v1/overrides/b', '/healthz', '/nowhere', '/elsewhere/x'])
      await api.app.inject({ url, headers: AUTHORIZED });
    await api.app.inject({ url: '/healthz', method: 'DELETE' });
    const counted = [...(await api.options.metrics.text()).matchAll(/request_duration_seconds_count\{(route=.*?)\} (\d+)/g)].map(
      (m) => `${m[1]} ${m[2]}`,
    );
    expect(counted.filter((line) => !line.includes('overrides')).sort()).toEqual([
      'route="/healthz",method="DELETE",code="405" 1',
      'route="/healthz",method="GET",code="200" 1',
      'route="other",method="GET",code="404" 2',
    ]);
    expect(counted.filter((line) => line.includes('route="/v1/overrides/:id"'))).toHaveLength(1);
    await api.close();
  });

  test('/metrics is the text form of the registry', async () => {
    const reply = await api.app.inject('/metrics');
    expect(reply.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(reply.body).toContain('tidegate_convergence_duration_seconds_bucket{le="60"} 0');
  });

  test('/readyz is not ready when the view says so, and when stopping, when no order is taken either; /healthz stays', async () => {
    const unready = openApi({ view: viewOf({ ready: () => ({ ok: false, why: 'no configuration yet' }) }) });
    expect((await unready.app.inject('/readyz')).json()).toEqual({ status: 'fail', because: 'no configuration yet' });
    expect((await unready.app.inject('/readyz')).statusCode).toBe(503);
    await unready.close();
    const stopping = openApi({}, () => true);
    expect((await stopping.app.inject('/readyz')).statusCode).toBe(503);
    expect((await stopping.app.inject('/healthz')).statusCode).toBe(200);
    const order = await stopping.app.inject({ method: 'PUT', url: '/v1/overrides/a', headers: AUTHORIZED, payload: DRAIN });
    expect(order.statusCode).toBe(503);
    expect(order.json()).toMatchObject({ code: 'ERR_STOPPING', detail: 'nothing was written: send it to another replica' });
    await stopping.close();
  });

  test('neither health nor status asks the store', async () => {
    await api.store.close();
    for (const url of ['/healthz', '/readyz', '/metrics', '/v1/status']) expect((await api.app.inject(url)).statusCode, url).toBe(200);
    const reply = await api.app.inject('/v1/overrides');
    expect(reply.statusCode).toBe(503);
    isProblem(reply);
  });

  test('without a cluster configuration there is no status and no order, only the reason', async () => {
    const blank = openApi({ view: viewOf({ status: async () => null, cluster: () => null }) });
    for (const request of [
      { url: '/v1/status' },
      { method: 'PUT', url: '/v1/overrides/a', headers: AUTHORIZED, payload: DRAIN },
    ] as const) {
      const reply = await blank.app.inject(request);
      expect(reply.statusCode).toBe(503);
      expect(reply.json().detail).toContain('no cluster configuration');
    }
    await blank.close();
  });
});

describe('whatever is sent', { timeout: 60_000 }, () => {
  const methods = fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS' as const);
  const paths = fc.oneof(
    fc.constantFrom(
      '/healthz',
      '/v1/status',
      '/v1/overrides',
      '/v1/overrides?dryRun=true',
      '/v1/overrides/a',
      '/v1/overrides/a/approve',
      '/v1/overrides/',
      '/v1/reports/web.example.test',
      '/metrics',
    ),
    fc.string({ maxLength: 300 }).map((text) => `/v1/overrides/${text}`),
    fc.webPath().map((path) => path || '/'),
  );
  const orders = fc.record(
    {
      kind: fc.oneof(fc.constantFrom('drain', 'force-in', 'pin', 'freeze', 'evacuate', 'stop'), fc.anything()),
      weights: fc.oneof(fc.constant({ 'eu-west': 1000 }), fc.object()),
      startsAt: fc.oneof(fc.constant('2026-11-23T00:00:00Z'), fc.string()),
      scope: fc.oneof(fc.record({ region: fc.constantFrom('eu-west', '__proto__') }), fc.object()),
      reason: fc.string(),
      owner: fc.string(),
      ttl: fc.oneof(fc.constantFrom('4h', '1ms'), fc.string()),
      ttlMs: fc.oneof(fc.integer(), fc.double()),
      ['__proto__']: fc.anything(),
    },
    { requiredKeys: [] },
  );
  const bodies = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary' }),
    orders.map((order) => JSON.stringify(order)),
  );
  const headers = fc.dictionary(
    fc.constantFrom(
      'if-match',
      'if-none-match',
      'idempotency-key',
      'content-type',
      'x-request-id',
      'accept',
      'accept-version',
      'expect',
      'content-encoding',
      'cookie',
    ),
    fc.oneof(fc.constantFrom('application/json', '*', '"1"', 'text/plain', '1.x'), fc.string()),
    { maxKeys: 4 },
  );

  test('nothing is answered with 500, and every refusal is a problem', async () => {
    await fc.assert(
      fc.asyncProperty(methods, paths, bodies, headers, fc.boolean(), async (method, url, payload, extra, authorized) => {
        const reply = await api.app.inject({
          method: method as 'GET',
          url,
          headers: { 'content-type': 'application/json', ...extra, ...(authorized ? AUTHORIZED : {}) },
          payload,
        });
        expect(reply.statusCode).not.toBe(500);
        if (reply.statusCode >= 400 && method !== 'HEAD') isProblem(reply);
      }),
      { numRuns: 1_000 },
    );
    expect(api.log.of('api.failed')).toEqual([]);
  });

  test('deep nesting and many keys are refused in good time', async () => {
    for (const payload of [
      '['.repeat(60_000),
      `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
      `{${Array.from({ length: 5_000 }, (_, i) => `"k${i}":1`).join()}}`,
    ]) {
      const reply = await api.app.inject({
        method: 'PUT',
        url: '/v1/overrides/a',
        headers: { ...AUTHORIZED, 'content-type': 'application/json' },
        payload,
      });
      expect(reply.statusCode).toBe(400);
      expect(reply.body.length).toBeLessThan(20_000);
    }
  });
});

describe('a secret', () => {
  test('given to any surface comes back on none: replies, log lines, metrics', async () => {
    const ports = realPorts();
    const { port, close } = await createApi({ ...api.options, ports });
    const replies: string[] = [];
    const ask = async (path: string, init: RequestInit = {}): Promise<void> => {
      const reply = await fetch(`http://127.0.0.1:${port}${path}`, init);
      replies.push(JSON.stringify([...reply.headers]), await reply.text());
    };
    const body = (value: unknown): RequestInit => ({
      method: 'PUT',
      headers: { ...AUTHORIZED, 'content-type': 'application/json', 'if-match': TOKEN, 'x-request-id': TOKEN, cookie: TOKEN },
      body: JSON.stringify(value),
    });
    for (const path of ['/healthz', '/readyz', '/metrics', '/v1/status', '/v1/overrides', `/${TOKEN}`, `/v1/overrides?token=${TOKEN}`])
      await ask(path, { headers: AUTHORIZED });
    await ask(`/v1/overrides/${TOKEN}`, body(DRAIN));
    await ask('/v1/overrides/a', body({ ...DRAIN, [TOKEN]: TOKEN, kind: TOKEN, scope: { region: TOKEN }, ttl: TOKEN }));
    await ask('/v1/overrides/a', { method: 'PUT', headers: { authorization: `Basic ${TOKEN}` } });
    await ask('/v1/overrides/a', { ...body(DRAIN), method: 'DELETE' });
    await ask('/v1/overrides/a', { ...body(DRAIN), body: `{"a": ${TOKEN}` });
    await ask('/metrics');
    await close();
    expect(replies.length).toBe(26);
    for (const text of [...replies, JSON.stringify(api.log.lines), await api.options.metrics.text()]) expect(text).not.toContain(TOKEN);
  });

  test('in a Fault is masked before it is shown', async () => {
    const leaky = openApi({
      view: viewOf({
        status: () => {
          throw new Fault('ERR_STORE_UNREACHABLE', `refused with ${TOKEN}`);
        },
      }),
    });
    const reply = await leaky.app.inject('/v1/status');
    expect(reply.json().detail).toBe('refused with ***');
    await leaky.close();
  });
});

describe('on a bare socket', () => {
  const talk = (port: number, text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let got = '';
      const socket = net.connect({ host: '127.0.0.1', port }, () => socket.write(text));
      socket.on('data', (chunk) => {
        got += chunk;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(got));
    });

  test('what is no HTTP is a problem, and so are headers beyond 16 KiB', async () => {
    const { port, close } = await createApi(api.options);
    for (const [text, status] of [
      ['NONSENSE\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ] as const) {
      const got = await talk(port, text);
      expect(got).toContain(`HTTP/1.1 ${status} `);
      expect(got).toContain('application/problem+json');
      expect(JSON.parse(got.slice(got.indexOf('\r\n\r\n') + 4)).status).toBe(status);
    }
    await close();
  });

  test('a file of the page that is missing is not told as an address that is taken', async () => {
    let reads = 0;
    const dashboard = {
      // Where routes are made, after the files were read.
      get peers(): object {
        reads += 1;
        if (reads > 1) throw new Fault('ERR_INSTALL', 'the page is not whole');
        return {};
      },
    };
    await expect(createApi({ ...api.options, dashboard: dashboard as never })).rejects.toMatchObject({
      code: 'ERR_INSTALL',
      message: 'the page is not whole',
    });
    expect(reads).toBe(2);
  });

  test('an address that is taken is ERR_LISTEN with the address', async () => {
    const { port, close } = await createApi(api.options);
    await expect(createApi({ ...api.options, port })).rejects.toMatchObject({
      code: 'ERR_LISTEN',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    await close();
  });
});

test('an order in the store from elsewhere is listed with its version as the tag', async () => {
  await putRecord(api.store, 'override', { version: 41, nonce: 'n', items: [{ ...DRAIN, id: 'x', createdAtMs: 1, expiresAtMs: 2 }] });
  const reply = await api.app.inject('/v1/overrides');
  expect(reply.headers.etag).toBe('"41"');
  expect(reply.json()).toMatchObject({
    version: 41,
    items: [{ ...DRAIN, id: 'x', createdAtMs: 1, expiresAtMs: 2, active: false, obeyed: false }],
  });
});
