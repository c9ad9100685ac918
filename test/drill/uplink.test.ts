import { once } from 'node:events';
import net from 'node:net';
import { expect, test } from 'vitest';
import { query } from '../../src/dns/exchange.ts';
import { createUplink } from '../../src/drill/uplink.ts';
import { realPorts } from '../../src/ports.ts';
import { startBuiltin, ZONE } from '../providers/builtin.fixture.ts';

const ports = realPorts();
const listen = async (host: string): Promise<{ port: number; accepted(): number; close(): void }> => {
  let accepted = 0;
  const server = net.createServer((socket) => {
    accepted++;
    socket.destroy();
  });
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, accepted: () => accepted, close: () => server.close() };
};

const attempt = async (socket: net.Socket): Promise<string> => {
  const outcome = await new Promise<string>((resolve) => {
    socket.once('connect', () => resolve('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  socket.destroy();
  return outcome;
};

test('a cut uplink reaches the spared places and nothing else, and mended it reaches everything again', async () => {
  const own = await listen('127.0.1.1');
  const other = await listen('127.0.1.2');
  const uplink = createUplink(ports.net, (host) => host === '127.0.1.1');
  const reach = () =>
    Promise.all([
      attempt(uplink.net.tcp({ host: '127.0.1.1', port: own.port })),
      attempt(uplink.net.tcp({ host: '127.0.1.2', port: other.port })),
    ]);
  expect(await reach()).toEqual(['connected', 'connected']);
  uplink.cut(true);
  const reached = other.accepted();
  expect(await reach()).toEqual(['connected', 'ENETUNREACH']);
  expect(await attempt(uplink.net.tls({ host: '127.0.1.2', port: other.port }))).toBe('ENETUNREACH');
  expect(other.accepted()).toBe(reached);
  uplink.cut(false);
  expect(await reach()).toEqual(['connected', 'connected']);
  own.close();
  other.close();
});

test('a question over UDP finds no route either', async () => {
  const dns = await startBuiltin();
  const uplink = createUplink(ports.net, () => false);
  const ask = () =>
    query({
      ports: { ...ports, net: uplink.net },
      server: { host: '127.0.0.1', port: dns.dnsPort },
      name: ZONE,
      type: 'SOA',
      recursionDesired: false,
      timeoutMs: 5000,
    });
  expect((await ask()).rcode).toBe('NOERROR');
  uplink.cut(true);
  await expect(ask()).rejects.toThrow('ENETUNREACH');
  uplink.cut(false);
  expect((await ask()).rcode).toBe('NOERROR');
  await dns[Symbol.asyncDispose]();
});
