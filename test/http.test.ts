// HTTP for vendors' libraries: whose resolver, whose trust, whose deadline, and what is never done behind the caller's back.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { createHttp, type Http } from '../src/http.ts';
import { realPorts } from '../src/ports.ts';
import { createAuthority } from './etcd-certificates.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.reverse().splice(0)) await close();
});

const listening = async (server: net.Server): Promise<number> => {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  server.on('secureConnection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
};

const client = (asked: string[] = [], caPem?: string): Http => {
  const made = createHttp({
    ports: realPorts(),
    resolve: async (host) => {
      asked.push(host);
      return { addresses: ['127.0.0.1'], stale: null, ageMs: 0 };
    },
    ...(caPem === undefined ? {} : { caPem }),
  });
  closing.push(() => made.close());
  return made;
};

const within = (ms: number): AbortSignal => AbortSignal.timeout(ms);

test('names go to our resolver, and the host is the name', async () => {
  const port = await listening(http.createServer((request, reply) => reply.end(request.headers.host)));
  const asked: string[] = [];
  const reply = await client(asked).fetch(`http://api.vendor.test:${port}/`, { signal: within(5000) });
  expect(await reply.text()).toBe(`api.vendor.test:${port}`);
  expect(asked).toEqual(['api.vendor.test']);
});

test('a redirect is handed to the caller and not followed, so that no credential travels', async () => {
  let visits = 0;
  const port = await listening(
    http.createServer((_, reply) => {
      visits++;
      reply.writeHead(302, { location: '/elsewhere' }).end();
    }),
  );
  const reply = await client().fetch(`http://127.0.0.1:${port}/`, { signal: within(5000), headers: { authorization: 'Bearer x' } });
  await reply.text();
  expect([reply.status, visits]).toEqual([302, 1]);
});

test('nobody at the other end: the message says who was asked and what happened, the code is the system’s', async () => {
  const server = net.createServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  await expect(client().fetch(`http://api.vendor.test:${port}/x`, { signal: within(5000) })).rejects.toMatchObject({
    message: `api.vendor.test:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
    code: 'ECONNREFUSED',
  });
});

test('a reset is an error and is not tried again', async () => {
  let connections = 0;
  const port = await listening(
    net.createServer((socket) => {
      connections++;
      socket.once('data', () => socket.resetAndDestroy());
    }),
  );
  await expect(client().fetch(`http://127.0.0.1:${port}/`, { signal: within(5000) })).rejects.toThrow();
  expect(connections).toBe(1);
});

test.each([
  ['takes the request and never answers', (socket: net.Socket) => void socket.resume()],
  ['answers half a head', (socket: net.Socket) => void socket.write('HTTP/1.1 200 OK\r\nx')],
])('a server that %s is left when the signal says so', async (_, behave) => {
  const port = await listening(net.createServer(behave));
  const startedAtMs = performance.now();
  await expect(client().fetch(`http://127.0.0.1:${port}/`, { signal: within(200) })).rejects.toThrow();
  expect(performance.now() - startedAtMs).toBeLessThan(3000);
});

test('a body that stops in the middle is left when the signal says so', async () => {
  const port = await listening(net.createServer((socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf')));
  const reply = await client().fetch(`http://127.0.0.1:${port}/`, { signal: within(300) });
  await expect(reply.text()).rejects.toThrow();
});

test.each([
  ['as it is', (text: Buffer) => ({ body: text, headers: {} })],
  ['packed small', (text: Buffer) => ({ body: gzipSync(text), headers: { 'content-encoding': 'gzip' } })],
])('a reply that is far too long, %s, is an error and not read to its end', async (_, pack) => {
  const { body, headers } = pack(Buffer.alloc(33 * 1024 * 1024, 'a'));
  const port = await listening(http.createServer((_request, reply) => reply.writeHead(200, headers).end(body)));
  const reply = await client().fetch(`http://127.0.0.1:${port}/`, { signal: within(20_000) });
  await expect(reply.text()).rejects.toThrow();
});

test('a reply of a usual length is whole, packed or not, with its status and headers', async () => {
  const text = 'tide '.repeat(100_000);
  const port = await listening(
    http.createServer((_, reply) => reply.writeHead(201, { 'content-encoding': 'gzip', 'x-left': '7' }).end(gzipSync(text))),
  );
  const reply = await client().fetch(`http://127.0.0.1:${port}/`, { signal: within(20_000) });
  expect([reply.status, reply.headers.get('x-left'), await reply.text()]).toEqual([201, '7', text]);
});

test('what was given up while its connection was made is not sent later', async () => {
  const asked: string[] = [];
  const port = await listening(http.createServer((request, reply) => reply.end(String(asked.push(request.method ?? '')))));
  const known = Promise.withResolvers<{ addresses: string[]; stale: null; ageMs: number }>();
  const made = createHttp({ ports: realPorts(), resolve: () => known.promise });
  closing.push(() => made.close());
  const url = `http://api.vendor.test:${port}/`;
  await expect(made.fetch(url, { method: 'PATCH', body: '{}', signal: within(50) })).rejects.toThrow();
  const next = made.fetch(url, { signal: within(5000) });
  known.resolve({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 });
  await (await next).text();
  await (await made.fetch(url, { signal: within(5000) })).text();
  expect(asked).toEqual(['GET', 'GET']);
});

test('closing ends what is open', async () => {
  const closed = Promise.withResolvers<void>();
  const port = await listening(
    http.createServer((_, reply) => reply.end('ok')).on('connection', (socket) => socket.on('close', () => closed.resolve())),
  );
  const made = client();
  await (await made.fetch(`http://127.0.0.1:${port}/`, { signal: within(5000) })).text();
  await made.close();
  await closed.promise;
});

test('a signal that has aborted already ends the call without a connection', async () => {
  let connections = 0;
  const port = await listening(net.createServer(() => void connections++));
  await expect(client().fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.abort(new Error('over')) })).rejects.toThrow(/over/);
  expect(connections).toBe(0);
});

test('TLS is verified against the name, and trusts what it is given only', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-http-'));
  closing.push(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const names = ['-subj', '/CN=api.vendor.test', '-addext', 'subjectAltName=DNS:api.vendor.test', '-keyout', key, '-out', cert];
  execFileSync('openssl', [...args, ...names], { stdio: 'ignore' });
  const pem = readFileSync(cert, 'utf8');
  const port = await listening(https.createServer({ key: readFileSync(key), cert: pem }, (_, reply) => reply.end('ok')));
  const trusting = client([], pem);
  expect(await (await trusting.fetch(`https://api.vendor.test:${port}/`, { signal: within(5000) })).text()).toBe('ok');
  await expect(trusting.fetch(`https://other.vendor.test:${port}/`, { signal: within(5000) })).rejects.toThrow();
  await expect(client().fetch(`https://api.vendor.test:${port}/`, { signal: within(5000) })).rejects.toThrow();
});

test('a pinned certificate is believed without its authority and under any name, and no other is, though the same authority signed it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-http-'));
  closing.push(() => rmSync(folder, { recursive: true }));
  const authority = createAuthority(folder);
  const [own, other] = [authority.issue('api.inside.test', ['DNS:api.inside.test']), authority.issue('other', ['IP:127.0.0.1'])];
  const serving = ({ keyPem, certPem }: typeof own): Promise<number> =>
    listening(https.createServer({ key: keyPem, cert: certPem }, (_, reply) => reply.end('ok')));
  const [port, wrong] = [await serving(own), await serving(other)];
  const pinned = createHttp({ ports: realPorts(), resolve: () => Promise.reject(new Error('no names')), pin: own.certPem });
  closing.push(() => pinned.close());
  expect(await (await pinned.fetch(`https://127.0.0.1:${port}/`, { signal: within(5000) })).text()).toBe('ok');
  await expect(pinned.fetch(`https://127.0.0.1:${wrong}/`, { signal: within(5000) })).rejects.toThrow();
  // A chain in the file: its authority signs others, too, and none of them is this one.
  const chained = createHttp({
    ports: realPorts(),
    resolve: () => Promise.reject(new Error('no names')),
    pin: own.certPem + authority.caPem,
  });
  closing.push(() => chained.close());
  expect(await (await chained.fetch(`https://127.0.0.1:${port}/`, { signal: within(5000) })).text()).toBe('ok');
  await expect(chained.fetch(`https://127.0.0.1:${wrong}/`, { signal: within(5000) })).rejects.toThrow(
    /ECERTNOTPINNED|another certificate/,
  );
});
