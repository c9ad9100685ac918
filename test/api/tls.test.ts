// The API behind its own certificate, and callers known by theirs: real handshakes with certificates that openssl made.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Api, type ApiOptions, createApi } from '../../src/api/server.ts';
import { type CertificateRule, createAccess } from '../../src/auth/access.ts';
import { realPorts } from '../../src/ports.ts';
import { type Authority, type Certificate, createAuthority } from '../etcd-certificates.ts';
import { recordingLog } from '../recording-log.ts';
import { type Opened, openApi, TOKEN } from './fixture.ts';

const RULES: readonly CertificateRule[] = [
  { name: 'deployer', commonName: 'deploy.example.net', role: 'operator', services: ['web.example.test'] },
  { altName: 'URI:spiffe://example.net/ops', role: 'viewer' },
];

let folder = '';
let authority: Authority;
let server: Certificate;
let clients: Authority;
let strangers: Authority;
let opened: Opened;
let api: Api;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-tls-'));
  authority = createAuthority(folder, 'servers');
  clients = createAuthority(folder, 'clients');
  strangers = createAuthority(folder, 'strangers');
  server = authority.issue('api', ['IP:127.0.0.1']);
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  await api.close();
  await opened.close();
});

const log = recordingLog();
const file = (name: string): string => join(folder, name);

const listen = async (given: Partial<ApiOptions> = {}): Promise<void> => {
  copyFileSync(server.certFile, file('api.pem'));
  writeFileSync(file('api.key'), server.keyPem, { mode: 0o600 });
  copyFileSync(clients.caFile, file('clients-now.pem'));
  const access = createAccess({ ports: realPorts(), log, bootstrap: TOKEN, anonymous: 'none', certificates: RULES });
  opened = openApi({ access, log, ...given });
  api = await createApi({
    ...opened.options,
    tls: { certFile: file('api.pem'), keyFile: file('api.key'), clientCaFile: file('clients-now.pem') },
  });
};

interface Answer {
  status: number;
  body: string;
  by: string;
  headers: IncomingHttpHeaders;
}

const ask = (path: string, given: { as?: Certificate; token?: string; method?: string } = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { as, token, method = 'GET' } = given;
    const sent = request({
      host: '127.0.0.1',
      port: api.port,
      path,
      method,
      ca: authority.caPem,
      agent: false,
      ...(as === undefined ? {} : { cert: as.certPem, key: as.keyPem }),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    sent.on('error', reject);
    sent.on('response', (reply) => {
      const by = (reply.socket as tls.TLSSocket).getPeerCertificate().serialNumber;
      let body = '';
      reply.on('data', (chunk) => {
        body += chunk;
      });
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body, by, headers: reply.headers }));
    });
    sent.end();
  });

describe('a caller', () => {
  test('that is a browser is told to ask by TLS from then on', async () => {
    await listen();
    for (const path of ['/', '/status']) {
      const { status, headers } = await ask(path, { token: TOKEN });
      expect([status, headers['strict-transport-security']], path).toEqual([200, 'max-age=31536000']);
    }
    expect((await ask('/healthz')).headers['strict-transport-security']).toBeUndefined();
    expect((await opened.app.inject('/')).headers['strict-transport-security']).toBeUndefined();
  });

  test('without a certificate is asked for a token; probers are not', async () => {
    await listen();
    expect((await ask('/healthz')).status).toBe(200);
    expect((await ask('/v1/status')).status).toBe(401);
    expect((await ask('/v1/status', { token: TOKEN })).status).toBe(200);
  });

  test('is known by its common name or by an alternative one, and has the role that goes with it', async () => {
    await listen();
    const deployer = clients.issue('deploy.example.net');
    expect((await ask('/v1/status', { as: deployer })).status).toBe(200);
    expect((await ask('/v1/overrides/x', { as: deployer, method: 'DELETE' })).status).not.toBe(401);
    expect((await ask('/v1/overrides/x', { as: deployer, method: 'DELETE' })).status).not.toBe(403);
    const ops = clients.issue('whoever', ['DNS:a.example.net', 'URI:spiffe://example.net/ops']);
    expect((await ask('/v1/status', { as: ops })).status).toBe(200);
    expect((await ask('/v1/overrides/x', { as: ops, method: 'DELETE' })).status).toBe(403);
  });

  test('is nobody when another authority signed, when no rule knows it, or when a name only contains the one that is known', async () => {
    await listen();
    const impostors = [
      strangers.issue('deploy.example.net', ['URI:spiffe://example.net/ops']),
      clients.issue('other.example.net'),
      clients.issue('deploy.example.net.evil.example'),
      clients.issue('x', ['URI:spiffe://example.net/ops/../admin', 'DNS:deploy.example.net']),
    ];
    for (const as of impostors) expect((await ask('/v1/status', { as })).status).toBe(401);
  });

  test('with a wrong token beside a good certificate is refused: what is said counts', async () => {
    await listen();
    expect((await ask('/v1/status', { as: clients.issue('deploy.example.net'), token: 'wrong' })).status).toBe(401);
  });
});

describe('the door', () => {
  test('speaks no plain HTTP and no old TLS, and hangs up on who says nothing', { timeout: 60_000 }, async () => {
    await listen();
    const plain = await new Promise<string>((resolve) => {
      let got = '';
      const socket = net.connect(api.port, '127.0.0.1', () => socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'));
      socket.on('data', (chunk) => {
        got += chunk.toString('latin1');
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(got));
    });
    expect(plain).not.toContain('200');
    expect(plain).not.toContain('pass');
    const old = new Promise((resolve, reject) => {
      const socket = tls.connect({ port: api.port, host: '127.0.0.1', ca: authority.caPem, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' });
      socket.on('secureConnect', () => resolve(socket.destroy()));
      socket.on('error', reject);
    });
    await expect(old).rejects.toThrow();
    const started = performance.now();
    await new Promise<void>((resolve) => {
      const mute = net.connect(api.port, '127.0.0.1');
      mute.on('error', () => undefined);
      mute.on('data', () => undefined);
      mute.on('close', () => resolve());
    });
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  test('closes within its grace, also while somebody is in the middle of a handshake', async () => {
    await listen();
    const mute = net.connect(api.port, '127.0.0.1');
    mute.on('error', () => undefined);
    await new Promise<void>((resolve) => mute.on('connect', () => resolve()));
    await ask('/healthz');
    const started = performance.now();
    await api.close(300);
    expect(performance.now() - started).toBeLessThan(4_000);
    mute.destroy();
  });

  test('takes up a new certificate without a restart; a pair that does not fit changes nothing and is told', async () => {
    await listen();
    const before = (await ask('/healthz')).by;
    const next = authority.issue('api', ['IP:127.0.0.1']);
    copyFileSync(next.certFile, file('api.pem'));
    api.lookAtCertificate();
    expect((await ask('/healthz')).by).toBe(before);
    const [told] = log.of('api.certificate.refused');
    expect(JSON.stringify(told)).toContain('the key of another certificate');
    writeFileSync(file('api.key'), next.keyPem, { mode: 0o600 });
    api.lookAtCertificate();
    const after = (await ask('/healthz')).by;
    expect(after).not.toBe(before);
    expect(JSON.stringify(log.lines)).not.toContain('PRIVATE KEY');
  });

  test('believes another authority of clients from the moment its file says so, and the old one no longer', async () => {
    await listen();
    const [mine, theirs] = [clients.issue('deploy.example.net'), strangers.issue('deploy.example.net')];
    expect([(await ask('/v1/status', { as: mine })).status, (await ask('/v1/status', { as: theirs })).status]).toEqual([200, 401]);
    copyFileSync(strangers.caFile, file('clients-now.pem'));
    api.lookAtCertificate();
    expect([(await ask('/v1/status', { as: mine })).status, (await ask('/v1/status', { as: theirs })).status]).toEqual([401, 200]);
  });

  test('does not open with a key of another certificate', async () => {
    await listen();
    writeFileSync(file('other.key'), clients.issue('x').keyPem, { mode: 0o600 });
    const wrong = { ...opened.options, tls: { certFile: server.certFile, keyFile: file('other.key') } };
    await expect(createApi(wrong)).rejects.toMatchObject({ code: 'ERR_SECRET' });
  });
});
