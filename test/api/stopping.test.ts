// Stopping: what is in flight is answered, nothing waits for idle connections, five seconds are enough.
import http from 'node:http';
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Api, createApi } from '../../src/api/server.ts';
import { AUTHORIZED, DRAIN, type Opened, openApi } from './fixture.ts';

const STOP_MS = 5_000;

let opened: Opened;
let api: Api;
let agent: http.Agent;
beforeEach(async () => {
  opened = openApi();
  api = await createApi(opened.options);
  agent = new http.Agent({ keepAlive: true });
});
afterEach(async () => {
  agent.destroy();
  await api.close();
  await opened.close();
});

const request = (method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const headers = { ...AUTHORIZED, 'content-type': 'application/json' };
    const sent = http.request({ host: '127.0.0.1', port: api.port, method, path, agent, headers }, (reply) => {
      let text = '';
      reply.on('data', (chunk) => {
        text += chunk;
      });
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text }));
      reply.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });

/** A transaction that waits at the door: `arrived` when it is there, `open` lets it in. */
const door = () => {
  const arrived = Promise.withResolvers<void>();
  const opening = Promise.withResolvers<void>();
  opened.troubles.push(async (run) => {
    arrived.resolve();
    await opening.promise;
    return run();
  });
  return { arrived: arrived.promise, open: () => opening.resolve() };
};

/** Resolves when new connections are refused. */
const refusing = async (): Promise<void> => {
  for (;;) {
    const socket = net.connect({ host: '127.0.0.1', port: api.port });
    const outcome = await new Promise((resolve) => socket.once('connect', () => resolve('open')).once('error', () => resolve('refused')));
    socket.destroy();
    if (outcome === 'refused') return;
  }
};

const timed = async (work: Promise<unknown>): Promise<number> => {
  const startMs = performance.now();
  await work;
  return performance.now() - startMs;
};

describe('close', { timeout: 30_000 }, () => {
  test('answers the order in flight, although a keep-alive connection idles, and then is done at once', async () => {
    expect((await request('GET', '/healthz')).status).toBe(200);
    expect(Object.keys(agent.freeSockets)).toHaveLength(1);
    const idle = net.connect({ host: '127.0.0.1', port: api.port });
    await new Promise((resolve) => idle.once('connect', resolve));
    const idleClosed = new Promise((resolve) => idle.once('close', resolve));
    const { arrived, open } = door();
    const reply = request('PUT', '/v1/overrides/a', DRAIN);
    await arrived;
    const closing = timed(api.close(60_000));
    // The connection of a reply that leaves after the server closed is the one that its own closing forgets.
    await refusing();
    open();
    expect((await reply).status).toBe(201);
    expect(await closing).toBeLessThan(STOP_MS);
    await idleClosed;
    agent.destroy();
    await expect(request('GET', '/healthz')).rejects.toThrow('ECONNREFUSED');
  });

  test('tells an order that hangs in the store that nobody knows, within the same five seconds', async () => {
    const { arrived } = door();
    const reply = request('PUT', '/v1/overrides/a', DRAIN);
    await arrived;
    // However many tries there are: the last may begin in the very millisecond in which the time is up.
    for (let i = 0; i < 5; i++) opened.troubles.push(() => new Promise(() => undefined));
    const tookMs = await timed(api.close());
    expect(tookMs).toBeLessThan(STOP_MS);
    const { status, text } = await reply;
    expect(status).toBe(503);
    expect(JSON.parse(text).code).toBe('ERR_UNDECIDED');
  });

  test('cuts a request that never finishes arriving, after the grace', async () => {
    const slow = net.connect({ host: '127.0.0.1', port: api.port });
    const closed = new Promise((resolve) => slow.once('close', resolve));
    slow.on('error', () => undefined);
    slow.resume();
    const body = `PUT /v1/overrides/a HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTHORIZED.authorization}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
    await new Promise<void>((resolve) => slow.write(body, () => resolve()));
    // A reply on another connection proves that the server has read what came before.
    await request('GET', '/healthz');
    const tookMs = await timed(api.close(300));
    expect(tookMs).toBeLessThan(STOP_MS);
    await closed;
  });

  test('may be called again and by many', async () => {
    await Promise.all([api.close(), api.close()]);
    await api.close();
  });
});
