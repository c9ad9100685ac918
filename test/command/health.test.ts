// The question a container's engine asks: answered by what runs, refused with the reason by everything else.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { health } from '../../src/command/health.ts';
import { Fault } from '../../src/errors.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import { createAuthority } from '../etcd-certificates.ts';
import { listening } from './fixture.ts';

let folder = '';
const servers: net.Server[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-health-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true });
});

const open = async (server: net.Server, host = '127.0.0.1'): Promise<number> => {
  servers.push(server);
  await once(server.listen(0, host), 'listening');
  return (server.address() as net.AddressInfo).port;
};
const fileWith = (api: string, rest = ''): string => {
  const file = join(folder, 'replica.yaml');
  writeFileSync(file, `api: ${api}\n${rest}`);
  return file;
};
/** Deadlines pass at once. */
const impatient = (): Ports => {
  const real = realPorts();
  return { ...real, timers: { after: (_ms, fn, options) => real.timers.after(50, fn, options) } };
};
const ask = async (config: string, ports = realPorts()): Promise<string> => {
  const said = listening();
  try {
    return `${await health({ config }, { ...said, ports })} ${said.stdout}`;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return `${error.code} ${error.message}`;
  }
};
const answering =
  (status: number): RequestListener =>
  (request, reply) =>
    void reply.writeHead(request.url === '/healthz' ? status : 404).end();

test('0 when it answers, whatever else stands in the file and whichever address of this machine it listens on', async () => {
  const port = await open(createHttp(answering(200)), '0.0.0.0');
  const config = fileWith(`{ listen: 0.0.0.0:${port}, tokenFile: absent.token }`, 'region: 7\nnonsense: true\n');
  expect(await ask(config)).toBe(`0 127.0.0.1:${port} answers\n`);
});

test('over TLS too, with a certificate that this machine need not trust', async () => {
  const { certPem, keyPem, certFile, keyFile } = createAuthority(folder).issue('elsewhere.test', ['DNS:elsewhere.test']);
  const port = await open(createHttps({ cert: certPem, key: keyPem }, answering(200)));
  const tls = `tls: { certFile: ${certFile}, keyFile: ${keyFile} }`;
  expect(await ask(fileWith(`{ listen: 127.0.0.1:${port}, tokenFile: t, ${tls} }`))).toBe(`0 127.0.0.1:${port} answers\n`);
  expect(await ask(fileWith(`{ listen: 127.0.0.1:${port}, tokenFile: t }`))).toMatch(/^ERR_UNREACHABLE /);
});

test('a status, a silence, an end, another protocol, nobody: each is said', async () => {
  const at = (port: number): string => fileWith(`{ listen: 127.0.0.1:${port}, tokenFile: t }`);
  expect(await ask(at(await open(createHttp(answering(503)))))).toMatch(/^ERR_UNREACHABLE .*answers 503, expected 200/);
  const held: net.Socket[] = [];
  const silent = await open(net.createServer((socket) => void held.push(socket.on('error', () => undefined).resume())));
  expect(await ask(at(silent), impatient())).toMatch(/^ERR_UNREACHABLE .*no answer within 4000 ms/);
  // It does not hold on to the connection that it gave up.
  await Promise.all(held.map((socket) => (socket.destroyed ? null : once(socket, 'close'))));
  expect(await ask(at(await open(net.createServer((socket) => void socket.resume().end()))))).toMatch(
    /^ERR_UNREACHABLE .*ended without an answer/,
  );
  const chatter = net.createServer(
    (socket) =>
      void socket
        .on('error', () => undefined)
        .resume()
        .write('x'.repeat(64 * 1024)),
  );
  expect(await ask(at(await open(chatter)))).toMatch(/^ERR_UNREACHABLE .*does not speak HTTP/);
  const gone = net.createServer();
  const port = await open(gone);
  await new Promise((done) => servers.pop()?.close(done));
  expect(await ask(at(port))).toMatch(/^ERR_UNREACHABLE .*ECONNREFUSED/);
});

test('where nobody can know whom to ask it says so', async () => {
  expect(await ask(join(folder, 'absent.yaml'))).toMatch(/^ERR_CONFIG_READ .*ENOENT/);
  expect(await ask(fileWith('{ listen: somewhere }'))).toMatch(/^ERR_CONFIG .*found no api that could be asked/);
  expect(await ask(fileWith('['))).toMatch(/^ERR_CONFIG .*found no api/);
  expect(await ask(fileWith('{ listen: 127.0.0.1:0, tokenFile: t }'))).toMatch(/^ERR_CONFIG .*port 0/);
});
