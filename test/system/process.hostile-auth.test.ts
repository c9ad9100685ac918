// A replica behind its own certificate, as its users run it, among guessers and connections that drip: who has credentials gets in, files of credentials
// change while it runs, and nothing that was shown to it is in its log.
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newToken } from '../auth/credentials.ts';
import { createAuthority } from '../etcd-certificates.ts';
import { MAIN, type ReplicaProcess, startReplica } from './replica-process.ts';
import { freePort, workDir } from './server.ts';
import { until } from './until.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);
const tidegate = async (...args: readonly string[]): Promise<string> => (await run(process.execPath, [MAIN, ...args])).stdout.trim();

let folder = '';
let caPem = '';
let port = 0;
let replica: ReplicaProcess;
let key = '';
const shown = new Set<string>();
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = workDir('hostile-auth');
  const authority = createAuthority(folder, 'servers');
  const server = authority.issue('api', ['IP:127.0.0.1']);
  caPem = authority.caPem;
  writeFileSync(file('api.key'), server.keyPem, { mode: 0o600 });
  key = file('glass.pem');
  const publicKey = await tidegate('breakglass', 'keygen', '-o', key);
  const [api, store, control, dns] = [await freePort(), await freePort(), await freePort(), await freePort()];
  port = api;
  const section = `tls: { certFile: ${server.certFile}, keyFile: ${file('api.key')} }
  auth: { anonymous: none, tokensFile: ${file('tokens')}, breakGlassKeys: [${publicKey}] }`;
  const example = readFileSync(join(ROOT, 'deploy/examples/local.yaml'), 'utf8')
    .replaceAll('../../.tidegate', folder)
    .replace(/^( +)(tokenFile: .*operator.*)$/m, (_, indent: string, line: string) => `${indent}${line}\n${indent}${section.trim()}`)
    .replaceAll(':7700', `:${api}`)
    .replaceAll(':7710', `:${store}`)
    .replaceAll(':7720', `:${control}`)
    .replaceAll(':7753', `:${dns}`);
  writeFileSync(file('replica.yaml'), example);
  replica = await startReplica({ configFile: file('replica.yaml'), logFile: file('log'), apiPort: api });
}, 60_000);
afterAll(async () => {
  expect(await replica.end('SIGTERM')).toEqual({ code: 0, signal: null });
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  status: number;
  body: string;
  retryAfter: string | undefined;
}

const ask = (path: string, token?: string, method = 'GET'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    if (token !== undefined) shown.add(token);
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const sent = request({ host: '127.0.0.1', port, path, method, ca: caPem, agent: false, headers, timeout: 20_000 });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('response', (reply) => {
      let body = '';
      reply.on('data', (chunk) => {
        body += chunk;
      });
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body, retryAfter: reply.headers['retry-after'] }));
    });
    sent.end();
  });

/** Not by asking until it is so: wrong credentials make their address wait. */
const reloaded = async (): Promise<void> => {
  const before = replica.lines('config.reloaded').length;
  replica.signal('SIGHUP');
  await until('the files are read anew', () => replica.lines('config.reloaded').length > before);
};

test('tokens come and go with the file; a broken file keeps out nobody who was in', { timeout: 60_000 }, async () => {
  expect((await ask('/v1/status')).status).toBe(401);
  const token = await tidegate('token', 'new', '--name', 'alice', '--role', 'viewer', '--ttl', '1h', '--file', file('tokens'));
  await reloaded();
  expect((await ask('/v1/overrides', token)).status).toBe(200);
  expect((await ask('/v1/overrides/x', token, 'DELETE')).status).toBe(403);
  const good = readFileSync(file('tokens'), 'utf8');
  writeFileSync(file('tokens'), 'nonsense\n{}\n');
  replica.signal('SIGHUP');
  const [told] = await until('the refusal', () => replica.lines('config.refused').length > 0 && replica.lines('config.refused'));
  expect(JSON.stringify(told)).toContain('tokens:1: found something that is no JSON object');
  expect((await ask('/v1/overrides', token)).status).toBe(200);
  writeFileSync(file('tokens'), good);
  await tidegate('token', 'revoke', 'alice', '--file', file('tokens'));
  await reloaded();
  expect((await ask('/v1/overrides', token)).status).toBe(401);
});

test('a break-glass token that was signed by the command is good, for this cluster only', { timeout: 60_000 }, async () => {
  const { cluster } = JSON.parse((await ask('/v1/status', readFileSync(file('operator.token'), 'utf8').trim())).body) as {
    cluster: string | { name: string };
  };
  const name = typeof cluster === 'string' ? cluster : cluster.name;
  const sign = (...rest: string[]) =>
    tidegate('breakglass', 'sign', '--key', key, '--name', 'ann', '--role', 'operator', '--reason', 'drill', ...rest);
  expect((await ask('/v1/overrides', await sign('--cluster', name))).status).toBe(200);
  expect((await ask('/v1/overrides', await sign('--cluster', 'other'))).status).toBe(401);
});

test('connections that drip cannot keep a prober away for long, and are answered or cut', { timeout: 60_000 }, async () => {
  const dripping = new Set<tls.TLSSocket>();
  let ended = 0;
  const drips: NodeJS.Timeout[] = [];
  for (let i = 0; i < 300; i += 1) {
    const socket = tls.connect({ host: '127.0.0.1', port, ca: caPem }, () => {
      socket.write('GET /v1/status HTTP/1.1\r\nHost: x\r\n');
      const drip = setInterval(() => socket.writable && socket.write('x'), 500);
      drips.push(drip);
    });
    dripping.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => {
      ended += 1;
      dripping.delete(socket);
    });
  }
  await until('a prober between them', async () => (await ask('/readyz')).status === 200, 20_000);
  await until('all of them to be cut', () => ended === 300, 30_000);
  for (const drip of drips) clearInterval(drip);
  expect((await ask('/healthz')).status).toBe(200);
});

test('guessing is slowed down, told and counted; nothing that was shown is in the log or a metric', { timeout: 60_000 }, async () => {
  const statuses: number[] = [];
  for (let i = 0; i < 20; i += 1) statuses.push((await ask('/v1/status', newToken())).status);
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(5);
  const waiting = await ask('/v1/status', 'guess-of-the-bootstrap-token');
  expect(waiting.status).toBe(429);
  expect(Number(waiting.retryAfter)).toBeGreaterThan(0);
  expect((await ask('/healthz')).status).toBe(200);
  const metrics = (await ask('/metrics')).body;
  expect(Number(/tidegate_api_auth_refused_total\{how="token"\} (\d+)/.exec(metrics)?.[1])).toBeGreaterThanOrEqual(20);
  // The folded lines are told within a minute, or when it stops.
  const everything = readFileSync(file('log'), 'utf8') + metrics + replica.stderr();
  expect([...shown].filter((secret) => everything.includes(secret))).toEqual([]);
  expect(replica.lines('api.failed')).toEqual([]);
});
