import net from 'node:net';
import { expect, test } from 'vitest';
import { serveApp } from '../../src/drill/app.ts';

const start = () => serveApp({ host: '127.0.0.1', port: 0, region: 'eu-west' });
const get = async (port: number, path: string, method = 'GET') => {
  const reply = await fetch(`http://127.0.0.1:${port}${path}`, { method });
  return { status: reply.status, region: reply.headers.get('x-region'), body: await reply.text() };
};

test('every reply names the region, in the header and for people', async () => {
  const app = await start();
  expect(await get(app.port, '/')).toEqual({ status: 200, region: 'eu-west', body: 'This is eu-west.\n' });
  for (const path of ['/healthz', '/readyz', '/nothing']) expect((await get(app.port, path)).region).toBe('eu-west');
  await app.close();
});

test('health is what was set, each endpoint by itself, and users are served all the same', async () => {
  const app = await start();
  for (const [healthz, readyz] of [
    [true, true],
    [true, false],
    [false, true],
    [false, false],
    [true, true],
  ] as const) {
    app.setHealth({ healthz, readyz });
    expect((await get(app.port, '/healthz')).status).toBe(healthz ? 200 : 503);
    expect((await get(app.port, '/readyz')).status).toBe(readyz ? 200 : 503);
    expect((await get(app.port, '/')).status).toBe(200);
  }
  await app.close();
});

test('nobody outside can set its health', async () => {
  const app = await start();
  for (const path of ['/_demo/health', '/healthz', '/readyz']) expect((await get(app.port, path, 'POST')).status).toBe(404);
  expect((await get(app.port, '/healthz')).status).toBe(200);
  await app.close();
});

test('close cuts idle connections at once and frees the port', async () => {
  const app = await start();
  const idle = net.connect(app.port, '127.0.0.1');
  await new Promise<void>((resolve) => idle.once('connect', () => resolve()));
  const ended = new Promise<void>((resolve) => idle.on('error', () => {}).once('close', () => resolve()));
  await app.close();
  await ended;
  await expect(get(app.port, '/')).rejects.toThrow();
});

test('a port in use is refused with the address', async () => {
  const app = await start();
  await expect(serveApp({ host: '127.0.0.1', port: app.port, region: 'us-east' })).rejects.toMatchObject({
    code: 'ERR_LISTEN',
    message: expect.stringContaining(`us-east on 127.0.0.1:${app.port}`),
  });
  await app.close();
});
