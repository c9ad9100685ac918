// The page of one region with the API of another: what a browser is told of origins, and that strangers are told nothing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listen, sightNow } from '../api/events.fixture.ts';
import { AUTHORIZED, NOW_MS, type Opened, openApi } from '../api/fixture.ts';

const PEER = 'https://us-east.tidegate.example.test:7700';
const STRANGERS = [
  'https://evil.example',
  'null',
  `${PEER}.evil.example`,
  'https://us-east.tidegate.example.test',
  PEER.toUpperCase(),
  '*',
];

let api: Opened;
let alone: Opened;
beforeAll(() => {
  api = openApi({ dashboard: { peers: { 'us-east': PEER }, anonymous: 'none', signIn: null } });
  alone = openApi();
});
afterAll(async () => {
  await api.close();
  await alone.close();
});
const ask = (method: 'GET' | 'OPTIONS' | 'POST', url: string, origin: string | undefined, headers: Record<string, string> = {}, at = api) =>
  at.app.inject({ method, url, headers: { ...(origin === undefined ? {} : { origin }), ...headers } });
const preflight = { 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization,if-match' };
const told = (headers: Record<string, unknown>): readonly string[] =>
  Object.keys(headers).filter((name) => name.startsWith('access-control-'));

describe('a page of a peer', () => {
  test('may read answers and what stands beside them, refusals too, and never with what the browser remembers', async () => {
    for (const url of ['/v1/status', '/v1/overrides', '/v1/me', '/v1/sign-in', '/v1/nothing', '/api/health/detail']) {
      const { headers } = await ask('GET', url, PEER);
      expect(headers['access-control-allow-origin'], url).toBe(PEER);
      expect(headers['access-control-expose-headers'], url).toBe('etag, idempotency-replayed, retry-after, x-request-id');
      expect(headers['access-control-allow-credentials'], url).toBeUndefined();
      expect(String(headers.vary).split(', '), url).toContain('origin');
    }
    const refused = await ask('POST', '/v1/overrides', PEER, { 'content-type': 'application/json' });
    expect([refused.statusCode, refused.headers['access-control-allow-origin']]).toEqual([401, PEER]);
    const whole = await ask('GET', '/v1/status', PEER, { 'accept-encoding': 'gzip' });
    expect(whole.headers.vary).toBe('origin, accept-encoding');
  });

  test('is told before it writes what it may send', async () => {
    const { statusCode, headers, body } = await ask('OPTIONS', '/v1/overrides/x', PEER, preflight);
    expect([statusCode, body]).toEqual([204, '']);
    expect(headers).toMatchObject({
      'access-control-allow-origin': PEER,
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, DELETE',
      'access-control-allow-headers': 'accept, authorization, content-type, idempotency-key, if-match, last-event-id',
      'access-control-max-age': '600',
    });
  });

  test('hears the stream of events', async () => {
    api.options.events.look(await sightNow(api.store), () => [], NOW_MS);
    await api.app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = api.app.server.address() as { port: number };
    const reader = await listen(port, { headers: { ...AUTHORIZED, origin: PEER } });
    expect([reader.status, reader.headers['access-control-allow-origin']]).toEqual([200, PEER]);
    reader.close();
  });

  test('has nothing of the page itself, of metrics or of probes from here', async () => {
    for (const url of ['/', '/assets/style.css', '/status', '/metrics', '/healthz', '/openapi.json'])
      expect(told((await ask('GET', url, PEER)).headers), url).toEqual([]);
  });
});

describe('everybody else', () => {
  test.each(STRANGERS)('%s is told nothing, and gets no preflight', async (origin) => {
    expect(told((await ask('GET', '/v1/status', origin)).headers)).toEqual([]);
    const reply = await ask('OPTIONS', '/v1/overrides', origin, preflight);
    expect([reply.statusCode, reply.headers.allow, told(reply.headers)]).toEqual([405, 'GET, HEAD, POST', []]);
  });

  test('who asks with OPTIONS and is no preflight meets what it always met', async () => {
    for (const origin of [PEER, undefined]) {
      const reply = await ask('OPTIONS', '/v1/overrides', origin);
      expect([reply.statusCode, reply.json().code]).toEqual([405, 'ERR_METHOD']);
    }
  });

  test('where no peers are named, nothing is said of origins at all', async () => {
    const { headers } = await ask('GET', '/v1/status', PEER, {}, alone);
    expect([told(headers), headers.vary]).toEqual([[], 'accept-encoding']);
    expect((await ask('OPTIONS', '/v1/overrides', PEER, preflight, alone)).statusCode).toBe(405);
  });
});

test('the page may connect to the peers, and to nobody else', async () => {
  const policy = String((await ask('GET', '/', undefined)).headers['content-security-policy']);
  expect(policy).toContain(`connect-src 'self' ${PEER};`);
  expect(String((await ask('GET', '/', undefined, {}, alone)).headers['content-security-policy'])).toContain("connect-src 'self';");
});
