// The whole path of a decision on a real etcd of three members: from the last vote that a majority needs, as the store acknowledges it, to the transaction of
// the decision and to the provider's first byte. The votes are written by hand, all else is the production code. The floor, in turns with it: the same
// transaction under other keys by the same client, and then a bare request of the same size, until its first byte arrives.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { builtin } from '../../../providers/builtin/index.ts';
import { serveBuiltin } from '../../../providers/builtin/server.ts';
import { beatKey, KEYS, voteKey } from '../../../src/coordinate/keys.ts';
import { type Beat, type TargetId, targetId, type Vote } from '../../../src/model.ts';
import { realPorts } from '../../../src/ports.ts';
import { createReplica } from '../../../src/replica.ts';
import type { Store, Txn } from '../../../src/store/store.ts';
import { clusterOf, silentLog } from '../../world.ts';
import { startRing } from '../coordination/ring.ts';
import { quantile } from '../numbers.ts';
import { tap } from '../publish.ts';

const SERVICE = 'web.example.test';
const TOKEN = 'bench-token-of-no-value';
const OTHERS = ['b', 'c'] as const;
const WAIT_MS = 20_000;
const BEAT_MS = 1000;

/** Everything may come back at once, so that one trial follows the other. */
const CLUSTER = clusterOf(['a', 'b', 'c'], [{ name: SERVICE, provider: 'dns' }], {
  pacingMs: 0,
  recoveryHoldMs: 50,
  flapWindowMs: 1,
  ramp: [1000],
  rampStepMs: 50,
  latchAfter: 0,
  safety: {},
});

/** The two vantages that are written by hand. */
const voters = (store: Store) => {
  const state = { down: { b: [], c: [] } as Record<(typeof OTHERS)[number], readonly TargetId[]>, seq: { b: 0, c: 0 }, n: 0 };
  const voteOf = (region: (typeof OTHERS)[number]): Vote => ({
    boot: 'x',
    seq: state.seq[region],
    configVersion: CLUSTER.version,
    self: { state: 'ok' },
    peers: ['a'],
    down: state.down[region],
    unready: state.down[region],
    unknown: [],
  });
  const beatOf = (region: (typeof OTHERS)[number]): Beat => ({
    boot: 'x',
    seq: state.seq[region],
    n: ++state.n,
    configVersion: CLUSTER.version,
    suspects: {},
    loopDelayMs: 0,
    wallMs: Date.now(),
  });
  return {
    /** Resolves when the store has it. */
    async say(region: (typeof OTHERS)[number], down: readonly TargetId[]): Promise<void> {
      state.down[region] = down;
      state.seq[region] += 1;
      const then = [
        { put: voteKey(region, 'a'), value: voteOf(region) },
        { put: beatKey(region, 'a'), value: beatOf(region) },
      ];
      await store.txn({ if: [], then });
    },
    async beat(): Promise<void> {
      await store.txn({ if: [], then: OTHERS.map((region) => ({ put: beatKey(region, 'a'), value: beatOf(region) })) });
    },
  };
};

/** A bare server; `ask` resolves to the moment at which the first byte of a request of so many bytes arrives. */
const bareServer = async () => {
  let arrived: ((atMs: number) => void) | null = null;
  const server = http.createServer((request, response) => void request.resume().on('end', () => response.end('{}')));
  server.on('connection', (socket) => socket.once('data', () => arrived?.(performance.now())));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    ask: (bytes: number): Promise<number> =>
      new Promise((resolve, reject) => {
        arrived = resolve;
        const sent = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false }, (reply) => void reply.resume());
        sent.on('error', reject).end('x'.repeat(bytes));
      }),
    close: () => void server.close(),
  };
};

const until = async (what: string, is: () => boolean): Promise<void> => {
  const endMs = performance.now() + WAIT_MS;
  while (!is()) {
    if (performance.now() > endMs) throw new Error(`${what}: not within ${WAIT_MS / 1000} s`);
    await delay(5);
  }
};

export const measurePath = async (trials: number) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'));
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, TOKEN, { mode: 0o600 });
  const ports = realPorts();
  const ring = await startRing(0);
  const store = ring.open('a');
  const dns = await serveBuiltin({
    ports,
    zoneName: 'example.test',
    dns: { host: '127.0.0.1', port: 0 },
    control: { host: '127.0.0.1', port: 0 },
    token: TOKEN,
  });
  // Of the trial that goes on.
  let decision: Txn | null = null;
  let committedAtMs: number | null = null;
  let firstAtMs: number | null = null;
  let writtenAtMs: number | null = null;
  let bytes = 0;
  const proxy = await tap(dns.controlPort, (head, atMs, length) => {
    if (committedAtMs !== null) firstAtMs ??= atMs;
    if (!head.startsWith('POST')) return;
    writtenAtMs ??= atMs;
    bytes = Math.max(bytes, length);
  });
  const provider = builtin.open(
    { kind: 'builtin', zone: 'example.test', control: { host: '127.0.0.1', port: proxy.port }, tokenFile },
    { ports, secret: () => TOKEN },
  );
  const watched: Store = {
    ...store,
    clusterId: store.clusterId,
    get: (query, signal) => store.get(query, signal),
    watch: (prefix, onEvent) => store.watch(prefix, onEvent),
    close: () => store.close(),
    async txn(txn, signal) {
      const done = await store.txn(txn, signal);
      if (!done.ok || !txn.then.some((op) => 'put' in op && op.put === KEYS.routing)) return done;
      [decision, committedAtMs] = [txn, performance.now()];
      return done;
    },
  };
  const bare = await bareServer();
  const others = voters(store);
  let beating: NodeJS.Timeout | null = null;
  const replica = createReplica({
    ports,
    store: watched,
    log: silentLog,
    region: 'a',
    replica: 'a',
    boot: ports.random.hex(4),
    providers: new Map([['dns', provider]]),
    look: async () => ({ saw: 'ok', tookMs: 1 }),
  });
  const spans = {
    vote: [] as number[],
    first: [] as number[],
    write: [] as number[],
    txn: [] as number[],
    request: [] as number[],
    floor: [] as number[],
  };
  const shareOfB = (): number => replica.coordinator.lastSight()?.routing?.services[SERVICE]?.route.b ?? -1;
  const dead = [targetId(SERVICE, 'b', 'app')];
  try {
    await store.txn({ if: [], then: [{ put: KEYS.members, value: CLUSTER }] });
    for (const region of OTHERS) await others.say(region, []);
    beating = setInterval(() => void others.beat().catch(() => undefined), BEAT_MS);
    await until('traffic everywhere', () => shareOfB() > 0 && writtenAtMs !== null);
    for (let n = 0; n < trials; n++) {
      await others.say('b', dead);
      // Not always at the same moment of the coordinator's round.
      await delay(30 + 37 * (n % 13));
      [decision, committedAtMs, firstAtMs, writtenAtMs] = [null, null, null, null];
      await others.say('c', dead);
      const votedAtMs = performance.now();
      await until(`drain ${n}`, () => writtenAtMs !== null && shareOfB() === 0);
      spans.vote.push((committedAtMs ?? 0) - votedAtMs);
      spans.first.push((firstAtMs ?? 0) - votedAtMs);
      spans.write.push((writtenAtMs ?? 0) - votedAtMs);
      const same: Txn = decision ?? { if: [], then: [] };
      const startedAtMs = performance.now();
      await store.txn({ if: [], then: same.then.flatMap((op) => ('put' in op ? [{ put: `floor/${op.put}`, value: op.value }] : [])) });
      spans.txn.push(performance.now() - startedAtMs);
      const askedAtMs = performance.now();
      spans.request.push((await bare.ask(bytes)) - askedAtMs);
      spans.floor.push((spans.txn.at(-1) ?? 0) + (spans.request.at(-1) ?? 0));
      writtenAtMs = null;
      for (const region of OTHERS) await others.say(region, []);
      await until(`return ${n}`, () => writtenAtMs !== null && shareOfB() > 0);
    }
    const floorMs = quantile(spans.floor, 0.5);
    const row = (what: string, ms: readonly number[]) => ({
      what,
      n: ms.length,
      p50Ms: quantile(ms, 0.5),
      p99Ms: quantile(ms, 0.99),
      maxMs: Math.max(...ms),
      timesFloor: quantile(ms, 0.5) / floorMs,
    });
    return {
      p99Ms: quantile(spans.first, 0.99),
      rows: [
        row('last vote to the decision, committed', spans.vote),
        row('last vote to the first byte at the provider', spans.first),
        row('last vote to the first byte of the write', spans.write),
        row('floor: the same transaction, nothing else', spans.txn),
        row(`floor: a bare request of ${bytes} bytes, to its first byte`, spans.request),
        row('floor: both', spans.floor),
      ],
      notes: [
        'an etcd of three members on this machine, whose disk they share; watching it, a pause of 10 ms for what comes together, and a read are in the path',
      ],
    };
  } finally {
    if (beating !== null) clearInterval(beating);
    await replica.stop();
    await provider.close();
    proxy.close();
    bare.close();
    await dns.close();
    await store.close();
    await ring.close();
    rmSync(folder, { recursive: true, force: true });
  }
};
