import net from 'node:net';
import { expect, test } from 'vitest';
import type { ZoneService } from '../../providers/builtin/zone.ts';
import { type App, serveApp } from '../../src/drill/app.ts';
import { createUser, type Landing, STEP_MS, type User } from '../../src/drill/client.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import { type Fixture, serviceOf, startBuiltin, ZONE } from '../providers/builtin.fixture.ts';

const NAME = `web.${ZONE}`;
const EU = '127.0.1.1';
const US = '127.0.1.2';

/** Real ports whose monotonic clock can be moved ahead: time passes without waiting for it. */
const hurried = (): { ports: Ports; pass(ms: number): void } => {
  const real = realPorts();
  let aheadMs = 0;
  return {
    ports: { ...real, clock: { ...real.clock, monoMs: () => real.clock.monoMs() + aheadMs } },
    pass(ms) {
      aheadMs += ms;
    },
  };
};

interface World extends AsyncDisposable {
  dns: Fixture;
  apps: { eu: App; us: App };
  ports: Ports;
  pass(ms: number): void;
  route(address: string): Promise<void>;
  user(dnsPort?: number): { user: User; landings: Landing[]; next(wanted: (landing: Landing) => boolean): Promise<Landing> };
}

const world = async (ttlS = 10): Promise<World> => {
  const { ports, pass } = hurried();
  const dns = await startBuiltin();
  const eu = await serveApp({ host: EU, port: 0, region: 'eu-west' });
  const us = await serveApp({ host: US, port: eu.port, region: 'us-east' });
  const users: User[] = [];
  let last: ZoneService | null = null;
  return {
    dns,
    apps: { eu, us },
    ports,
    pass,
    async route(address) {
      const service = serviceOf(NAME, [{ pool: 'p', share: 1000, answers: [address] }], `to-${address}`, ttlS);
      await dns.put({ service, ifFence: last?.fence ?? null });
      last = service;
    },
    user(dnsPort = dns.dnsPort) {
      const landings: Landing[] = [];
      const waiting = new Set<(landing: Landing) => void>();
      const onLanding = (landing: Landing): void => {
        landings.push(landing);
        for (const look of waiting) look(landing);
      };
      const user = createUser({
        ports,
        dnsServer: { host: '127.0.0.1', port: dnsPort },
        name: NAME,
        appPort: eu.port,
        everyMs: 5,
        onLanding,
      });
      users.push(user);
      const next = (wanted: (landing: Landing) => boolean): Promise<Landing> =>
        new Promise((resolve) => {
          const look = (landing: Landing): void => {
            if (!wanted(landing)) return;
            waiting.delete(look);
            resolve(landing);
          };
          waiting.add(look);
        });
      return { user, landings, next };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(users.map((user) => user.close()));
      await Promise.all([eu.close(), us.close(), dns.close()]);
    },
  };
};

test('a user asks once per TTL and stays on the cached address until it runs out, however the route moves', async () => {
  await using w = await world(10);
  await w.route(EU);
  const { landings, next } = w.user();
  expect(await next(() => true)).toMatchObject({ region: 'eu-west', fromCache: false });
  await w.route(US);
  w.pass(9000);
  for (let visits = 0; visits < 5; visits++) expect(await next(() => true)).toMatchObject({ region: 'eu-west', fromCache: true });
  w.pass(1001);
  expect(await next((landing) => !landing.fromCache)).toMatchObject({ region: 'us-east' });
  expect(await next(() => true)).toMatchObject({ region: 'us-east', fromCache: true });
  expect(landings.filter((landing) => !landing.fromCache).length).toBe(2);
});

test('TTL 0 is asked for anew at every visit', async () => {
  await using w = await world(0);
  await w.route(EU);
  const { landings, next } = w.user();
  await next((landing) => landing.region === 'eu-west');
  await w.route(US);
  await next((landing) => landing.region === 'us-east');
  expect(landings.some((landing) => landing.fromCache)).toBe(false);
});

test('a dead region is reported with the reason at every visit until the TTL lets the user leave it', async () => {
  await using w = await world(10);
  await w.route(EU);
  const { next } = w.user();
  await next((landing) => landing.region === 'eu-west');
  await w.apps.eu.close();
  expect(await next((landing) => landing.region === null)).toMatchObject({
    error: expect.stringContaining('ECONNREFUSED'),
    fromCache: true,
  });
  await w.route(US);
  expect(await next(() => true)).toMatchObject({ region: null, fromCache: true });
  w.pass(10_001);
  expect(await next((landing) => landing.region !== null)).toMatchObject({ region: 'us-east' });
});

test('a dead DNS server hurts nobody until the TTL runs out, and everybody after it', async () => {
  await using w = await world(10);
  await w.route(EU);
  const { next } = w.user();
  await next((landing) => landing.region === 'eu-west');
  await w.dns.close();
  for (let visits = 0; visits < 3; visits++) expect(await next(() => true)).toMatchObject({ region: 'eu-west', fromCache: true });
  w.pass(10_001);
  expect(await next((landing) => !landing.fromCache)).toMatchObject({
    region: null,
    error: expect.stringContaining('DNS server 127.0.0.1'),
  });
});

test('a name that does not exist is reported, and found as soon as it does', async () => {
  await using w = await world(10);
  const { next } = w.user();
  expect(await next(() => true)).toMatchObject({ region: null, error: `${NAME} has no address (NXDOMAIN)`, fromCache: false });
  await w.route(EU);
  expect(await next((landing) => landing.region !== null)).toMatchObject({ region: 'eu-west', fromCache: false });
});

test('a silent app costs its deadline and no more', async () => {
  await using w = await world(10);
  await w.apps.eu.close();
  const sockets = new Set<net.Socket>();
  const silent = net.createServer((socket) => sockets.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => silent.listen(w.apps.us.port, EU, resolve));
  await w.route(EU);
  const { landings, next } = w.user();
  await next(() => landings.length === 2);
  const [first, second] = landings;
  expect(first).toMatchObject({ region: null, error: expect.stringContaining(`no answer within ${STEP_MS} ms`) });
  expect(second!.atMonoMs - first!.atMonoMs).toBeGreaterThanOrEqual(STEP_MS);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
});

test('what answers without being the app is not a landing', async () => {
  await using w = await world(0);
  await w.apps.eu.close();
  const replies = [
    'HTTP/1.1 503 Service Unavailable\r\nx-region: eu-west\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\r\nx-region: eu-west\r\n',
    'HTTP/1.1 200 OK\r\nx-region: eu-west\r\n',
    'SSH-2.0-OpenSSH\r\n\r\n',
    `HTTP/1.1 200 OK\r\nfill: ${'x'.repeat(20_000)}\r\n`,
  ];
  let turn = 0;
  const other = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(replies[turn++ % replies.length] ?? ''));
  });
  await new Promise<void>((resolve) => other.listen(w.apps.us.port, EU, resolve));
  await w.route(EU);
  const { user, landings, next } = w.user();
  await next(() => landings.length >= replies.length);
  await user.close();
  expect(landings.filter((landing) => landing.region !== null)).toEqual([]);
  expect(landings.map((landing) => landing.error).join('\n')).toContain(
    'expected 200 with x-region, found "HTTP/1.1 503 Service Unavailable"',
  );
  await new Promise((resolve) => other.close(resolve));
});

test('after close nothing more is reported', async () => {
  await using w = await world(10);
  await w.route(EU);
  const { user, landings, next } = w.user();
  await next((landing) => landing.region === 'eu-west');
  await user.close();
  const count = landings.length;
  await fetch(`http://${EU}:${w.apps.eu.port}/`);
  expect(landings.length).toBe(count);
});
