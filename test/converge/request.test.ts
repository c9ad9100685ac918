import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import net from 'node:net';
import { expect, test } from 'vitest';
import { httpGet, type RequestOptions } from '../../src/converge/request.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import { makeCertificates } from '../probe/origin.ts';

type Listening = AsyncDisposable & { port: number };

const listening = async (server: net.Server): Promise<Listening> => {
  const open = new Set<net.Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

const serving = (reply: (request: IncomingMessage, response: ServerResponse) => void): Promise<Listening> => listening(createServer(reply));

const get = (port: number, given: Partial<RequestOptions> = {}) =>
  httpGet({
    ports: realPorts(),
    address: '127.0.0.1',
    port,
    path: '/where?am=i',
    host: 'web.example.test',
    timeoutMs: 10_000,
    signal: new AbortController().signal,
    ...given,
  });

test('asks for the path under the name that users use, and tells status and region', async () => {
  let asked: IncomingMessage | undefined;
  await using server = await serving((request, response) => {
    asked = request;
    response.writeHead(404, { 'x-region': 'eu-west' }).end('nothing here');
  });
  expect(await get(server.port)).toEqual({ status: 404, region: 'eu-west' });
  expect(asked).toMatchObject({ url: '/where?am=i', method: 'GET' });
  expect(asked?.headers.host).toBe('web.example.test');
});

test('over TLS under the name that users use, with a certificate that is verified for it', async () => {
  using certificates = makeCertificates();
  await using server = await listening(
    createTlsServer(certificates.good, (_, response) => response.writeHead(200, { 'x-region': 'eu-west' }).end()),
  );
  const ports = realPorts();
  const trusting: Ports = {
    ...ports,
    net: { ...ports.net, tls: (options) => ports.net.tls({ ...options, ca: readFileSync(certificates.caFile) }) },
  };
  const { port } = server;
  expect(await get(port, { ports: trusting, tls: true, host: 'good.test' })).toEqual({ status: 200, region: 'eu-west' });
  await expect(get(port, { ports: trusting, tls: true, host: 'other.test' })).rejects.toThrow(/altnames/);
  await expect(get(port, { tls: true, host: 'good.test' })).rejects.toThrow();
});

test('a reply without the header names no region, and a redirect is not followed', async () => {
  await using server = await serving((_, response) => response.writeHead(302, { location: '/elsewhere' }).end());
  expect(await get(server.port)).toEqual({ status: 302, region: null });
});

test('does not wait for a body without end', async () => {
  await using server = await serving((_, response) => {
    response.writeHead(200, { 'x-region': 'eu-west' });
    response.write('more and ');
  });
  expect(await get(server.port)).toEqual({ status: 200, region: 'eu-west' });
});

test('every request is a connection of its own', async () => {
  const ports: (number | undefined)[] = [];
  await using server = await serving((request, response) => {
    ports.push(request.socket.remotePort);
    response.writeHead(200).end();
  });
  await get(server.port);
  await get(server.port);
  expect(new Set(ports).size).toBe(2);
});

test('nobody listening, a silent server, and one that hangs up each end with a word for it', async () => {
  const closed = await serving(() => undefined);
  await closed[Symbol.asyncDispose]();
  await expect(get(closed.port)).rejects.toThrow('ECONNREFUSED');
  await using silent = await listening(net.createServer());
  await expect(get(silent.port, { timeoutMs: 100 })).rejects.toThrow(`GET 127.0.0.1 port ${silent.port}: no answer within 100 ms`);
  let accepted = 0;
  const hangUp = (socket: net.Socket): void => {
    accepted += 1;
    socket.destroy();
  };
  await using rude = await listening(net.createServer(hangUp));
  await expect(get(rude.port)).rejects.toThrow();
  expect(accepted).toBe(1);
});

test('a connection that ends before the request is sent is not made anew', async () => {
  await using server = await serving((_, response) => response.writeHead(200).end());
  const ports = realPorts();
  let opened = 0;
  const tcp: typeof ports.net.tcp = (options) => {
    opened += 1;
    const socket = ports.net.tcp(options);
    socket.once('connect', () => socket.destroy());
    return socket;
  };
  const asked = httpGet({
    ports: { ...ports, net: { ...ports.net, tcp } },
    address: '127.0.0.1',
    port: server.port,
    path: '/',
    host: 'web.example.test',
    timeoutMs: 5_000,
    signal: new AbortController().signal,
  });
  await expect(asked).rejects.toThrow();
  expect(opened).toBe(1);
});

test('the signal ends it at once', async () => {
  await using silent = await listening(net.createServer());
  const controller = new AbortController();
  const asked = get(silent.port, { signal: controller.signal });
  controller.abort(new Error('stopping'));
  await expect(asked).rejects.toThrow('stopping');
});

test('an oversized head is refused', async () => {
  await using server = await listening(
    net.createServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nx-region: eu-west\r\nx-filler: ${'a'.repeat(64 * 1024)}\r\n\r\n`);
    }),
  );
  await expect(get(server.port)).rejects.toThrow();
});
