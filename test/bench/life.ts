// The life of a replica: from `tidegate serve` to its first vote, in a process of its own; from SIGTERM under load to its end; and a day of it on virtual time.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { serveBuiltin } from '../../providers/builtin/server.ts';
import { beatKey, bootKey, KEYS, voteKey } from '../../src/coordinate/keys.ts';
import type { ClusterConfig, Leader, Vote } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import type { Store } from '../../src/store/store.ts';
import { freePort } from '../system/server.ts';
import { clusterOf, poolOf } from '../world.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { PREFIX, type Ring, startRing } from './coordination/ring.ts';
import { measureDay } from './life/day.ts';
import { quantile, watchWaiting } from './numbers.ts';
import { pidOf, waitedS } from './probe/process.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const FLOOR = join(import.meta.dirname, 'api-floor.ts');
const TOKEN = 'bench-token-of-no-value-0123456789';
const GOAL_FIRST_VOTE_MS = 3000;
const GOAL_EXIT_MS = 5000;
const GOAL_HEAP_GROWTH = 1.1;
const SERVICES = 50;
const PER_S = 200;
const WAIT_MS = 60_000;
const POLL_MS = 5;

const until = async <T>(what: string, ask: () => Promise<T | null>): Promise<T> => {
  const endMs = performance.now() + WAIT_MS;
  for (;;) {
    const found = await ask();
    if (found !== null) return found;
    if (performance.now() > endMs) throw new Error(`${what}: not within ${WAIT_MS / 1000} s`);
    await delay(POLL_MS);
  }
};

// ---- what is looked at ----

const serveTargets = async () => {
  const counts = { begun: 0, cut: 0 };
  const server = http.createServer((_request, response) => {
    counts.begun += 1;
    response.once('close', () => {
      if (!response.writableFinished) counts.cut += 1;
    });
    response.end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, counts, close: () => void server.close().closeAllConnections() };
};

const clusterAt = (port: number): ClusterConfig => {
  const probe = (url: string) => ({ kind: 'http' as const, url: `http://127.0.0.1:${port}/${url}`, status: [[200, 299]] as const });
  const pools = ['a', 'b', 'c'].map((region, at) => ({
    ...poolOf(region, 1, at),
    targets: [{ name: 'app', from: 'all' as const, healthz: probe('healthz'), readyz: probe('readyz') }],
  }));
  return clusterOf(
    ['a', 'b', 'c'],
    Array.from({ length: SERVICES }, (_, n) => ({ name: `s${n}.example.test`, provider: 'local', pools })),
  );
};

// ---- a place to run ----

interface Place extends AsyncDisposable {
  folder: string;
  ring: Ring;
  store: Store;
  targets: Awaited<ReturnType<typeof serveTargets>>;
  /** Starts `serve`; the API's port is the second. */
  serve(region: string): Promise<{ child: ChildProcess; port: number }>;
}

const openPlace = async (): Promise<Place> => {
  const ports = realPorts();
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'));
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
  const address = { host: '127.0.0.1', port: 0 };
  const targets = await serveTargets();
  const dns = await serveBuiltin({ ports, zoneName: 'example.test', dns: address, control: address, token: TOKEN });
  const ring = await startRing(0);
  const store = ring.open('a');
  await store.txn({ if: [], then: [{ put: KEYS.members, value: clusterAt(targets.port) }] });
  return {
    folder,
    ring,
    store,
    targets,
    async serve(region) {
      const port = await freePort();
      const file = join(mkdtempSync(join(folder, `${region}-`)), 'replica.yaml');
      const config = {
        region,
        replica: 'a',
        api: { listen: `127.0.0.1:${port}`, tokenFile },
        store: { kind: 'etcd', endpoints: ring.endpoints('a'), prefix: PREFIX },
        providers: { local: { kind: 'builtin', zone: 'example.test', control: `127.0.0.1:${dns.controlPort}`, tokenFile } },
        log: { level: 'warn' },
      };
      writeFileSync(file, stringify(config), { mode: 0o600 });
      const child = spawn(process.execPath, [MAIN, 'serve', '--config', file], { stdio: ['ignore', 'ignore', 'inherit'] });
      process.once('exit', () => child.kill('SIGKILL'));
      return { child, port };
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await ring.close();
      await dns.close();
      targets.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

const valueAt = async <T>(store: Store, key: string): Promise<T | null> =>
  ((await store.get({ keys: [key] })).kvs[0]?.value as T | undefined) ?? null;

const killed = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
};

// ---- from the start to the first vote ----

interface Started {
  firstMs: number;
  /** Share of that for which the process was ready and the machine busy with others. */
  waited: number;
}

/** `b` starts beside nobody: its first vote is when the store has it. */
const startOnce = async (place: Place): Promise<Started & { knowsMs: number }> => {
  const key = voteKey('b', 'a');
  // As if nobody had ever run under this name: who takes one over waits until it is certain that the last one is gone.
  await place.store.txn({ if: [], then: [key, beatKey('b', 'a'), bootKey('b', 'a')].map((each) => ({ del: each })) });
  const startedAtMs = performance.now();
  const { child } = await place.serve('b');
  try {
    await until('the first vote', () => valueAt<Vote>(place.store, key));
    const firstMs = performance.now() - startedAtMs;
    const waited = (1000 * waitedS(pidOf(child))) / firstMs;
    await until('a vote that knows', async () => ((await valueAt<Vote>(place.store, key))?.unknown.length === 0 ? true : null));
    return { firstMs, waited, knowsMs: performance.now() - startedAtMs };
  } finally {
    await killed(child);
  }
};

/** A bare Fastify, until it listens. */
const floorOnce = async (): Promise<Started> => {
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, [FLOOR], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const firstMs = performance.now() - startedAtMs;
  const waited = (1000 * waitedS(pidOf(child))) / firstMs;
  await killed(child);
  return { firstMs, waited };
};

const measureStart = async (place: Place, times: number) => {
  const replicas: (Started & { knowsMs: number })[] = [];
  const floors: Started[] = [];
  for (let n = 0; n < times; n++) {
    floors.push(await floorOnce());
    replicas.push(await startOnce(place));
  }
  const floorMs = quantile(
    floors.map(({ firstMs }) => firstMs),
    0.5,
  );
  const row = (what: string, ms: readonly number[], started: readonly Started[]) => ({
    what,
    n: ms.length,
    p50Ms: quantile(ms, 0.5),
    maxMs: Math.max(...ms),
    timesFloor: quantile(ms, 0.5) / floorMs,
    waitedPercent:
      100 *
      quantile(
        started.map(({ waited }) => waited),
        0.5,
      ),
  });
  const first = replicas.map(({ firstMs }) => firstMs);
  return {
    p50Ms: quantile(first, 0.5),
    rows: [
      row(
        'floor: a bare Fastify, to its listening',
        floors.map(({ firstMs }) => firstMs),
        floors,
      ),
      row('tidegate serve, to its first vote in the store', first, replicas),
      row(
        'and to one that knows every target',
        replicas.map(({ knowsMs }) => knowsMs),
        replicas,
      ),
    ],
  };
};

// ---- from SIGTERM to the end ----

interface Answers {
  answered: number;
  /** Nobody listens any more. */
  refused: number;
  /** A connection that was never taken, closed without a byte. */
  unanswered: number;
  /** An answer had begun and did not end. */
  cut: number;
}

/** Asks until told to stop; each request has a connection of its own, so that what fails is the replica's doing. */
const askOn = (port: number) => {
  const answers: Answers = { answered: 0, refused: 0, unanswered: 0, cut: 0 };
  const asked: Promise<void>[] = [];
  const one = (path: string): Promise<void> =>
    new Promise((resolve) => {
      const over = (how: keyof Answers): void => {
        answers[how] += 1;
        resolve();
      };
      const options = { host: '127.0.0.1', port, path, agent: false as const, headers: { authorization: `Bearer ${TOKEN}` } };
      const sent = http.get(options, (reply) => {
        reply.on('error', () => undefined).resume();
        reply.once('close', () => over(reply.complete ? 'answered' : 'cut'));
      });
      sent.once('error', (error: NodeJS.ErrnoException) => over(error.code === 'ECONNREFUSED' ? 'refused' : 'unanswered'));
    });
  let n = 0;
  const timer = setInterval(() => {
    n += 1;
    asked.push(one(n % 2 === 0 ? '/v1/status' : '/healthz'));
  }, 1000 / PER_S);
  return async (): Promise<Answers> => {
    clearInterval(timer);
    await Promise.all(asked);
    return answers;
  };
};

const stopOnce = async (place: Place) => {
  const { child, port } = await place.serve('a');
  try {
    await until('a coordinator', async () => {
      const leader = await valueAt<Leader>(place.store, KEYS.leader);
      return leader?.region === 'a' && !leader.released ? leader : null;
    });
    await until('its vote', async () => ((await valueAt<Vote>(place.store, voteKey('a', 'a')))?.unknown.length === 0 ? true : null));
    const hangUp = askOn(port);
    await delay(2000);
    const cutBefore = place.targets.counts.cut;
    const exited = once(child, 'exit') as Promise<[number | null]>;
    const stoppedAtMs = performance.now();
    child.kill('SIGTERM');
    const exit = exited.then(([code]) => ({ code, tookMs: performance.now() - stoppedAtMs }));
    await until('the office laid down', async () => ((await valueAt<Leader>(place.store, KEYS.leader))?.released === true ? true : null));
    const laidDownMs = performance.now() - stoppedAtMs;
    const { code, tookMs } = await exit;
    const answers = await hangUp();
    return { laidDownMs, exitMs: tookMs, code, looksCut: place.targets.counts.cut - cutBefore, ...answers };
  } finally {
    await killed(child);
  }
};

const measureStop = async (place: Place, times: number) => {
  const stops: Awaited<ReturnType<typeof stopOnce>>[] = [];
  for (let n = 0; n < times; n++) stops.push(await stopOnce(place));
  const sum = (of: (stop: (typeof stops)[number]) => number): number => stops.reduce((total, stop) => total + of(stop), 0);
  return {
    isClean: stops.every(({ code, cut, exitMs }) => code === 0 && cut === 0 && exitMs <= GOAL_EXIT_MS),
    rows: [
      {
        what: `SIGTERM to the coordinator at ${PER_S} requests/s`,
        n: stops.length,
        laidDownP50Ms: quantile(
          stops.map(({ laidDownMs }) => laidDownMs),
          0.5,
        ),
        laidDownMaxMs: Math.max(...stops.map(({ laidDownMs }) => laidDownMs)),
        exitP50Ms: quantile(
          stops.map(({ exitMs }) => exitMs),
          0.5,
        ),
        exitMaxMs: Math.max(...stops.map(({ exitMs }) => exitMs)),
        answered: sum(({ answered }) => answered),
        cut: sum(({ cut }) => cut),
        unanswered: sum(({ unanswered }) => unanswered),
        looksCut: sum(({ looksCut }) => looksCut),
      },
    ],
  };
};

const measureProcesses = async (times: number) => {
  await using place = await openPlace();
  return { start: await measureStart(place, times), stop: await measureStop(place, times) };
};

export const benchLife = async ({ quick, trials }: BenchOptions): Promise<Bench> => {
  const waited = watchWaiting();
  const { start, stop } = await measureProcesses(trials ?? (quick ? 2 : 7));
  const day = await measureDay(quick ? [1, 2] : [1, 6, 12, 24]);
  const [late, early] = quick ? [2, 1] : [24, 6];
  const growth = (day.heap.get(late) ?? Number.NaN) / (day.heap.get(early) ?? Number.NaN);
  return {
    goals: { firstVoteMs: GOAL_FIRST_VOTE_MS, exitMs: GOAL_EXIT_MS, cut: 0, heapGrowth: GOAL_HEAP_GROWTH },
    met: start.p50Ms <= GOAL_FIRST_VOTE_MS && stop.isClean && growth <= GOAL_HEAP_GROWTH,
    rows: start.rows,
    tables: [stop.rows, day.rows],
    notes: [
      `heap after a collection, hour ${late} over hour ${early}: ${growth.toFixed(2)}; ${late} hours took ${day.tookS.toFixed(0)} s`,
      waited(),
    ],
  };
};
