// How soon a committed decision reaches its provider: from the store's acknowledgement to the first byte of the write arriving at the server's socket,
// through the real coordinator, publisher and builtin provider. Each decision is forced by an override. The reference opens a connection to the
// same listener and sends one byte, nothing else.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtin } from '../../providers/builtin/index.ts';
import { serveBuiltin } from '../../providers/builtin/server.ts';
import type { Override } from '../../src/model.ts';
import { realPorts, sleep } from '../../src/ports.ts';
import { createReplica } from '../../src/replica.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { clusterOf, silentLog } from '../world.ts';
import { quantile } from './numbers.ts';

const DECISIONS = 100;
/** Orders that a decision for another reason may swallow. */
const EXTRA = 5;
const GOAL_P99_MS = 50;
const TOKEN = 'bench-token-of-no-value';

/** Passes bytes on and notes when each request's first bytes arrived. */
export const tap = async (toPort: number, onRequest: (head: string, atMs: number, bytes: number) => void) => {
  const server = net.createServer((from) => {
    const to = net.connect({ host: '127.0.0.1', port: toPort });
    from.on('data', (chunk) => onRequest(chunk.toString('latin1', 0, 64), performance.now(), chunk.length));
    from.pipe(to).pipe(from);
    for (const socket of [from, to]) socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
};

const floorMs = async (): Promise<number> => {
  const server = net.createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const startedAtMs = performance.now();
  const arrived = new Promise<number>((resolve) =>
    server.once('connection', (socket) => socket.once('data', () => resolve(performance.now()))),
  );
  const socket = net.connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  socket.on('error', () => undefined);
  socket.write('x');
  const ms = (await arrived) - startedAtMs;
  socket.destroy();
  server.close();
  return ms;
};

export const benchPublish = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'));
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, TOKEN, { mode: 0o600 });
  const ports = realPorts();
  const store = openEmbedded({ file: join(folder, 'store.sqlite'), ports });
  const dns = await serveBuiltin({
    ports,
    zoneName: 'example.test',
    dns: { host: '127.0.0.1', port: 0 },
    control: { host: '127.0.0.1', port: 0 },
    token: TOKEN,
  });
  let committedAtMs = Number.NaN;
  const first: number[] = [];
  const writes: number[] = [];
  const proxy = await tap(dns.controlPort, (head, atMs) => {
    if (Number.isNaN(committedAtMs)) return;
    if (first.length < writes.length + 1) first.push(atMs - committedAtMs);
    if (head.startsWith('POST')) {
      writes.push(atMs - committedAtMs);
      committedAtMs = Number.NaN;
    }
  });
  const provider = builtin.open(
    { kind: 'builtin', zone: 'example.test', control: { host: '127.0.0.1', port: proxy.port }, tokenFile },
    { ports, secret: () => TOKEN },
  );
  const replicas = ['a', 'b', 'c'].map((region) =>
    createReplica({
      ports,
      store,
      log: silentLog,
      region,
      replica: 'a',
      boot: ports.random.hex(4),
      providers: new Map(region === 'a' ? [['dns', provider]] : []),
      look: async () => ({ saw: 'ok', tookMs: 1 }),
      events: {
        decision(next) {
          if (next.audit.changes.length > 0) committedAtMs = performance.now();
        },
      },
    }),
  );
  try {
    await store.txn({
      if: [],
      then: [{ put: 'members', value: clusterOf(['a', 'b', 'c'], [{ name: 'web.example.test', provider: 'dns' }]) }],
    });
    for (let i = 0; i < 600 && writes.length === 0; i++) await sleep(ports.timers, 50);
    first.length = 0;
    writes.length = 0;
    for (let version = 1; writes.length < DECISIONS && version <= DECISIONS + EXTRA; version++) {
      const wanted = writes.length + 1;
      const { kvs } = await store.get({ keys: ['override'] });
      const order: Override = {
        id: 'x',
        kind: 'drain',
        scope: { pool: version % 2 === 0 ? 'a' : 'b' },
        reason: 'bench',
        owner: 'bench',
        createdAtMs: 0,
        expiresAtMs: Number.MAX_SAFE_INTEGER,
      };
      await store.txn({
        if: [{ key: 'override', mod: kvs[0]?.mod ?? 0 }],
        then: [{ put: 'override', value: { version, nonce: 'b', items: [order] } }],
      });
      for (let i = 0; i < 1000 && writes.length < wanted; i++) await sleep(ports.timers, 5);
    }
    const floor: number[] = [];
    for (let i = 0; i < DECISIONS; i++) floor.push(await floorMs());
    const row = (what: string, ms: readonly number[]) => ({
      what,
      n: ms.length,
      p50Ms: quantile(ms, 0.5),
      p99Ms: quantile(ms, 0.99),
      maxMs: Math.max(...ms),
      timesFloor: quantile(ms, 0.5) / quantile(floor, 0.5),
    });
    const rows = [
      row('commit to first byte (read-back)', first),
      row('commit to first byte of the write', writes),
      row('floor: connect and one byte', floor),
    ];
    return { goals: { p99Ms: GOAL_P99_MS }, met: writes.length === DECISIONS && quantile(first, 0.99) <= GOAL_P99_MS, rows };
  } finally {
    await Promise.all(replicas.map((r) => r.stop()));
    await provider.close();
    proxy.close();
    await dns.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
};
