// The door of a gate: both forms, headers, HEAD, names as checkers send them, and what strangers may not do.
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { Answer, Form } from '../../src/gate/answers.ts';
import { type GateServerOptions, gateApp, serveGate } from '../../src/gate/server.ts';
import { WEB } from '../providers/gate.fixture.ts';

const LONG = `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(50)}.test`;
const counted: string[] = [];
afterEach(() => void counted.splice(0));

const gate = (given: Partial<GateServerOptions['gate']> = {}): GateServerOptions['gate'] => ({
  answer: (service, pool): Answer => {
    if (service !== WEB && service !== LONG) return { drain: false, fence: null };
    return pool === 'eu-west' ? { drain: true, fence: 12 } : { drain: false, fence: pool === 'us-east' ? 12 : null };
  },
  age: () => ({ ageS: 3.21, seenAtMs: Date.UTC(2026, 10, 26, 3, 12), seesStore: true }),
  ...given,
});
const options = (given: Partial<GateServerOptions['gate']> = {}) => ({
  gate: gate(given),
  who: 'ap-south/a',
  metrics: { gateRequest: (form: Form, answer: string) => void counted.push(`${form} ${answer}`) },
});

const ask = async (url: string, method: 'GET' | 'HEAD' | 'POST' | 'OPTIONS' | 'DELETE' = 'GET', given = {}) => {
  const app = gateApp(options(given));
  try {
    const { statusCode, headers, body } = await app.inject({ method, url });
    return { status: statusCode, headers, body };
  } finally {
    await app.close();
  }
};

describe('an answer', () => {
  test.each([
    ['/gate', 'eu-west', 200, 'drain'],
    ['/gate', 'us-east', 404, 'keep'],
    ['/gate', 'mars', 404, 'keep'],
    ['/origin', 'eu-west', 503, 'drain'],
    ['/origin', 'us-east', 200, 'keep'],
    ['/origin', 'mars', 200, 'keep'],
  ])('of %s for %s is %i', async (form, pool, status, word) => {
    for (const method of ['GET', 'HEAD'] as const) {
      const reply = await ask(`${form}/${WEB}/${pool}`, method);
      expect(reply.status).toBe(status);
      const body = `tidegate ${word}\n`;
      expect(reply.body).toBe(method === 'HEAD' ? '' : body);
      expect(reply.headers['content-length']).toBe(String(body.length));
    }
    const counts = `${form === '/gate' ? 'survivor' : 'origin'} ${pool === 'mars' ? 'unknown' : word}`;
    expect(counted).toEqual([counts, counts]);
  });

  test('says what it is worth, and may be kept by nobody on the way', async () => {
    const { headers } = await ask(`/gate/${WEB}/eu-west`);
    expect(headers).toMatchObject({
      'x-tidegate-fence': '12',
      'x-tidegate-age': '3.2',
      'x-tidegate-seen': '2026-11-26T03:12:00.000Z',
      'x-tidegate-from': 'ap-south/a',
      'cache-control': 'no-store',
      'content-type': 'text/plain; charset=utf-8',
    });
    const never = await ask(`/origin/${WEB}/mars`, 'GET', { age: () => ({ ageS: null, seenAtMs: null, seesStore: false }) });
    expect(never.status).toBe(200);
    expect(never.headers).toMatchObject({ 'x-tidegate-fence': 'none', 'x-tidegate-age': 'never', 'x-tidegate-seen': 'never' });
  });

  test('does not depend on case, query, or the length of a name', async () => {
    for (const url of [`/gate/${WEB.toUpperCase()}/EU-West`, `/gate/${WEB}/eu-west?t=1`, `/gate/${LONG}/eu-west`])
      expect((await ask(url)).status, url).toBe(200);
    expect((await ask(`/origin/${LONG}/us-east`)).status).toBe(200);
  });

  test('for names that are none of ours is that of an unknown one', async () => {
    for (const name of ['__proto__', '%00', '..%2f..%2fetc', 'é', ' ']) {
      expect((await ask(`/gate/${encodeURI(name)}/eu-west`)).status, name).toBe(404);
      expect((await ask(`/origin/${encodeURI(name)}/eu-west`)).status, name).toBe(200);
    }
  });
});

test('there is nothing else: no list, no status, no other method, and every refusal is one line', async () => {
  for (const url of ['/', '/gate', '/gate/', `/gate/${WEB}`, `/gate/${WEB}/eu-west/x`, '/metrics', '/v1/status', '/healthz', '/origin']) {
    const { status, body, headers } = await ask(url);
    expect(status, url).toBe(404);
    expect(body, url).toMatch(/^[a-z ]+\n$/);
    expect(headers['x-tidegate-from']).toBeUndefined();
  }
  for (const method of ['POST', 'OPTIONS', 'DELETE'] as const) expect((await ask(`/gate/${WEB}/eu-west`, method)).status).toBe(404);
  const { status, body } = await ask(`/gate/%E0%A4%A/eu-west`);
  expect([status, body.split('\n').length]).toEqual([400, 2]);
});

describe('on a socket', () => {
  const started = () => serveGate({ host: '127.0.0.1', port: 0, ...options() });
  const talk = async (port: number, text: string): Promise<string> => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    let said = '';
    socket.on('data', (chunk) => {
      said += chunk;
    });
    socket.write(text);
    await once(socket, 'close');
    return said;
  };

  test('one connection carries many questions', async () => {
    const server = await started();
    const one = `GET /gate/${WEB}/eu-west HTTP/1.1\r\nhost: x\r\n\r\n`;
    const said = await talk(server.port, one + one + one.replace('host: x', 'host: x\r\nconnection: close'));
    expect(said.match(/HTTP\/1\.1 200 /g)).toHaveLength(3);
    await server.close();
  });

  test('HTTP/1.0 without a host, as simple checkers speak, is answered', async () => {
    const server = await started();
    expect(await talk(server.port, `GET /origin/${WEB}/us-east HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    await server.close();
  });

  test('heads that are too large, bodies, and what is no HTTP are turned away', async () => {
    const server = await started();
    const get = `GET /gate/${WEB}/eu-west HTTP/1.1\r\nhost: x\r\nconnection: close\r\n`;
    expect(await talk(server.port, `${get}x: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
    expect(await talk(server.port, `POST${get.slice(3)}content-length: 100000\r\n\r\n${'z'.repeat(100)}`)).toMatch(/^HTTP\/1\.1 404 /);
    expect(await talk(server.port, 'hello there\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    await server.close();
  });

  test('an address that is taken is a fault that names it', async () => {
    const server = await started();
    const twice = serveGate({ host: '127.0.0.1', port: server.port, ...options() });
    await expect(twice).rejects.toMatchObject({ code: 'ERR_LISTEN', message: expect.stringContaining('change gate.listen') });
    await server.close();
  });

  test('closing waits for nobody who only keeps a connection', async () => {
    const server = await started();
    const socket = net.connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`GET /gate/${WEB}/eu-west HTTP/1.1\r\nhost: x\r\n\r\n`);
    await once(socket, 'data');
    const gone = once(socket, 'close');
    await server.close();
    await gone;
  });
});
