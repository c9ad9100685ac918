// What operators wait for: three replicas as they run in life, with every target probed, asked at 200 requests a second beside floors of the same size; an
// order until the decision that obeys it; and many clients on the stream of events. Requests are sent when they are due whether or not the last ones have
// been answered, and timed from then. On a machine with few cores the asker, the replicas and their targets share them: compare with the floors.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { constants, gzipSync } from 'node:zlib';
import { encoding } from '../../src/api/encoded.ts';
import { overviewDocument } from '../../src/api/overview.ts';
import type { Steps } from '../../src/api/slices.ts';
import { makingStatus, statusInShort } from '../../src/api/status.ts';
import { openBigWorld } from '../dashboard/big-world.ts';
import { freePort } from '../system/server.ts';
import { measureLoad } from './api-load.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { type ReplicaProcess, serveTargets, startReplicaProcess } from './coordination/process.ts';
import { quantile, watchWaiting } from './numbers.ts';

const PER_S = 200;
const GOAL_P99_MS = 20;
const GOAL_DECISION_P99_MS = 1000;
/** A look that starts later than 250 ms is not believed. */
const GOAL_LATE_P99_MS = 100;
const CLIENTS = 500;
const SERVICES = 50;
const REGIONS = ['a', 'b', 'c'] as const;
const TOKEN = 'bench-token-of-no-value-0123456789';
const START_MS = 60_000;
const REFUSED_CHARS = 600;

interface Reply {
  status: number;
  body: string;
  etag: string | undefined;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });

const ask = (port: number, path: string, method = 'GET', body?: object, headers: Record<string, string> = {}): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const sent = http.request(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        agent,
        headers: { authorization: `Bearer ${TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('error', reject);
        reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(chunks).toString(), etag: reply.headers.etag }));
      },
    );
    sent.on('error', (error: NodeJS.ErrnoException) => {
      // A connection that lay idle and that the other side was closing just then: nothing of the request was read.
      if (sent.reusedSocket && error.code === 'ECONNRESET') resolve(ask(port, path, method, body, headers));
      else reject(error);
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });

// ---- the replicas ----

interface Ring extends AsyncDisposable {
  replicas: readonly ReplicaProcess[];
  ports: readonly number[];
}

const nameOf = (n: number): string => `s${n}.example.test`;

/** `local`: further targets of each of its pools that region a alone looks at. */
const clusterOf = (targets: number, local: number): object => ({
  name: 'bench',
  regions: REGIONS.map((name) => ({ name, coordinator: name !== 'c', anchors: [`tcp://127.0.0.1:${targets}`] })),
  services: Array.from({ length: SERVICES }, (_, n) => ({
    name: nameOf(n),
    mode: 'auto',
    provider: 'dns',
    pools: REGIONS.map((region, at) => {
      const url = `http://127.0.0.1:${targets}/${n}-${region}`;
      return {
        name: region,
        answers: [`192.0.2.${at + 1}`],
        targets: [
          { name: 'app', healthz: `${url}/healthz`, readyz: `${url}/readyz` },
          ...Array.from({ length: region === 'a' ? local : 0 }, (_, each) => ({
            name: `app-${each + 1}`,
            from: 'local',
            healthz: `${url}/healthz`,
            readyz: `${url}/readyz`,
          })),
        ],
      };
    }),
  })),
});

/** One with an embedded store that it lends to the two others, as `npm run demo` runs them. */
const startRing = async (folder: string, targets: number, local = 0): Promise<Ring> => {
  const [store, control, dns, ...ports] = await Promise.all(Array.from({ length: 6 }, freePort));
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
  const configOf = (region: string, at: number): object => ({
    region,
    replica: 'a',
    api: { listen: `127.0.0.1:${ports[at]}`, tokenFile },
    store:
      at === 0
        ? { kind: 'embedded', file: join(folder, 'store.sqlite'), serve: { listen: `127.0.0.1:${store}`, tokenFile } }
        : { kind: 'remote', url: `http://127.0.0.1:${store}`, tokenFile },
    ...(region === 'c'
      ? {}
      : {
          providers: {
            dns: {
              kind: 'builtin',
              zone: 'example.test',
              control: `127.0.0.1:${control}`,
              tokenFile,
              ...(at === 0 ? { serve: { dns: `127.0.0.1:${dns}` } } : {}),
            },
          },
        }),
    ...(at === 0 ? { cluster: clusterOf(targets, local) } : {}),
    log: { level: 'warn' },
  });
  const replicas = REGIONS.map((region, at) => {
    const own = mkdtempSync(join(folder, `${region}-`));
    return startReplicaProcess(own, configOf(region, at));
  });
  return {
    replicas,
    ports,
    async [Symbol.asyncDispose]() {
      await Promise.all(replicas.map((replica) => replica.kill()));
    },
  };
};

interface Status {
  decision: { v: number } | null;
  services: readonly { name: string; route: Readonly<Record<string, number>> | null }[];
  self: { canDecide: boolean; role: string };
}

const statusOf = async (port: number): Promise<Status | null> => {
  const { status, body } = await ask(port, '/v1/status').catch((): Reply => ({ status: 0, body: '', etag: undefined }));
  return status === 200 ? (JSON.parse(body) as Status) : null;
};

const untilDeciding = async (port: number): Promise<void> => {
  const endMs = performance.now() + START_MS;
  for (;;) {
    const status = await statusOf(port);
    if (
      status?.self.canDecide === true &&
      status.services.every(({ route }) => route !== null && Object.values(route).every((share) => share > 0))
    )
      return;
    if (performance.now() > endMs) throw new Error(`the replicas do not decide: ${JSON.stringify(status?.self)}`);
    await delay(200);
  }
};

// ---- requests at a pace ----

export interface Paced {
  tookMs: readonly number[];
  bytes: number;
  statuses: ReadonlyMap<number, number>;
  /** The first answer that was not fine. */
  refused: string | null;
}

const paced = async (port: number, path: string, ms: number, headers: Record<string, string> = {}, perS = PER_S): Promise<Paced> => {
  const tookMs: number[] = [];
  const statuses = new Map<number, number>();
  let bytes = 0;
  let refused: string | null = null;
  const startedAtMs = performance.now();
  const asked: Promise<void>[] = [];
  for (let n = 0; n < (perS * ms) / 1000; n++) {
    const dueAtMs = startedAtMs + (n * 1000) / perS;
    const waitMs = dueAtMs - performance.now();
    if (waitMs > 1) await delay(waitMs);
    asked.push(
      ask(port, path, 'GET', undefined, headers).then(
        ({ status, body }) => {
          tookMs.push(performance.now() - dueAtMs);
          bytes = Math.max(bytes, body.length);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          if (status !== 200) refused ??= `${path} was answered ${status}: ${body.slice(0, REFUSED_CHARS)}`;
        },
        () => void statuses.set(0, (statuses.get(0) ?? 0) + 1),
      ),
    );
  }
  await Promise.all(asked);
  return { tookMs, bytes, statuses, refused };
};

/** CPU of a process so far, ms; the kernel counts in hundredths of a second. */
const cpuMs = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

const startFloors = async (): Promise<{ http: number; fastify: number; cpuMs: () => number } & AsyncDisposable> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'api-floor.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    ...(JSON.parse(line.toString()) as { http: number; fastify: number }),
    cpuMs: () => cpuMs(child.pid ?? 0),
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
};

const median = (values: readonly number[]): number => quantile(values, 0.5);

/** A replica that cannot decide says so by a 503: on a busy machine that is an answer like any other, and a note tells of it. */
const isAnswer = (what: string, status: number): boolean => status === 200 || (status === 503 && what === '/api/health/detail');

const rowOf = (what: string, turns: readonly Paced[], cpuMs: number) => ({
  what,
  requests: turns.reduce((sum, { tookMs }) => sum + tookMs.length, 0),
  bytes: Math.max(...turns.map(({ bytes }) => bytes)),
  p50Ms: median(turns.map(({ tookMs }) => quantile(tookMs, 0.5))),
  p99Ms: median(turns.map(({ tookMs }) => quantile(tookMs, 0.99))),
  maxMs: Math.max(...turns.flatMap(({ tookMs }) => tookMs)),
  cpuMsEach: cpuMs / turns.reduce((sum, { tookMs }) => sum + tookMs.length, 0),
  notOk: turns.reduce(
    (sum, { statuses }) => sum + [...statuses].filter(([status]) => !isAnswer(what, status)).reduce((n, [, count]) => n + count, 0),
    0,
  ),
});

/** As every client here asks. */
const ZIPPED = { 'accept-encoding': 'gzip' };
const PATHS = ['/v1/status', '/v1/overrides', '/api/health/detail', '/healthz'] as const;

/** In turns, so that what else the machine does meets all alike. */
const measureAnswers = async (
  port: number,
  replica: ReplicaProcess,
  turns: number,
  turnMs: number,
): Promise<{ rows: ReturnType<typeof rowOf>[]; notes: readonly string[]; met: boolean }> => {
  await using floors = await startFloors();
  const sizes = new Map<string, number>();
  for (const path of PATHS) sizes.set(path, (await ask(port, path)).body.length);
  const [largest, small] = [sizes.get('/v1/status') ?? 0, sizes.get('/healthz') ?? 0];
  const sides = [
    { what: `bare node http, ${largest} bytes`, port: floors.http, path: `/${largest}`, cpu: floors.cpuMs },
    { what: `bare Fastify, ${largest} bytes`, port: floors.fastify, path: `/${largest}`, cpu: floors.cpuMs },
    { what: `bare Fastify, ${small} bytes`, port: floors.fastify, path: `/${small}`, cpu: floors.cpuMs },
    // For who takes no encoding; its floor is the first row.
    { what: 'unzipped /v1/status', port, path: '/v1/status', cpu: () => 1000 * replica.cpuS() },
    ...PATHS.map((path) => ({ what: path, port, path, cpu: () => 1000 * replica.cpuS(), headers: ZIPPED })),
  ].map((side) => ({ headers: {} as Record<string, string>, ...side, turns: [] as Paced[], cpuMs: 0 }));
  for (const side of sides) await paced(side.port, side.path, 500, side.headers);
  for (let turn = 0; turn < turns; turn++)
    for (const side of sides) {
      const before = side.cpu();
      side.turns.push(await paced(side.port, side.path, turnMs, side.headers));
      side.cpuMs += side.cpu() - before;
    }
  const rows = sides.map(({ what, turns, cpuMs }) => rowOf(what, turns, cpuMs));
  const notes = sides.flatMap(({ turns }) => turns.find(({ refused }) => refused !== null)?.refused ?? []);
  return {
    rows,
    notes,
    met: rows.filter(({ what }) => what.startsWith('/')).every(({ p99Ms, notOk }) => p99Ms <= GOAL_P99_MS && notOk === 0),
  };
};

// ---- orders ----

const spread = (what: string, ms: readonly number[]) => ({
  what,
  n: ms.length,
  p50Ms: quantile(ms, 0.5),
  p99Ms: quantile(ms, 0.99),
  maxMs: Math.max(...ms),
});

/** Each at a service of its own, so that nobody waits until traffic has returned. Seen by asking again at once, so an answer's time is part of it. */
const measureOrders = async (port: number, tries: number): Promise<{ rows: ReturnType<typeof spread>[]; met: boolean }> => {
  const committed: number[] = [];
  const decided: number[] = [];
  const asked: number[] = [];
  for (let n = 0; n < tries; n++) {
    const service = nameOf(n % SERVICES);
    const order = { kind: 'drain', scope: { service, pool: 'b' }, reason: 'measured by the bench', owner: 'bench', ttl: '1h' };
    const startedAtMs = performance.now();
    const { status, body } = await ask(port, `/v1/overrides/bench-${n}`, 'PUT', order);
    if (status !== 200 && status !== 201) throw new Error(`an order was answered ${status}: ${body.slice(0, 300)}`);
    committed.push(performance.now() - startedAtMs);
    for (;;) {
      const askedAtMs = performance.now();
      const found = (await statusOf(port))?.services.find(({ name }) => name === service);
      asked.push(performance.now() - askedAtMs);
      if (found?.route?.b === 0) break;
      if (performance.now() - startedAtMs > 20_000) throw new Error(`order ${n} is not decided after 20 s`);
      await delay(2);
    }
    decided.push(performance.now() - startedAtMs);
    // Not all at the same moment of the coordinator's round.
    await delay(50 + 37 * (n % 13));
  }
  const rows = [
    spread('order to its commit', committed),
    spread('order to the decision, as seen in /v1/status', decided),
    spread('asking /v1/status', asked),
  ];
  return { rows, met: quantile(decided, 0.99) <= GOAL_DECISION_P99_MS };
};

// ---- the stream of events ----

interface Listener {
  status: number;
  /** When something new came. */
  heardAtMs: number[];
  close(): void;
}

const listenTo = (port: number): Promise<Listener> =>
  new Promise((resolve) => {
    const listener: Listener = { status: 0, heardAtMs: [], close: () => sent.destroy() };
    const sent = http.request(
      {
        host: '127.0.0.1',
        port,
        path: '/v1/events',
        agent: false,
        headers: { accept: 'text/event-stream', authorization: `Bearer ${TOKEN}` },
      },
      (reply) => {
        listener.status = reply.statusCode ?? 0;
        reply.on('data', (chunk: Buffer) => {
          if (chunk.includes('data:')) listener.heardAtMs.push(performance.now());
        });
        reply.on('error', () => undefined);
        resolve(listener);
      },
    );
    sent.on('error', () => resolve(listener));
    sent.end();
  });

const measureEvents = async (
  port: number,
  replica: ReplicaProcess,
  clients: number,
): Promise<{ rows: object[]; note: string; met: boolean }> => {
  const first = await listenTo(port);
  first.close();
  if (first.status === 404) return { rows: [], note: 'events: /v1/events is not there, nothing was measured', met: true };
  const before = replica.rssMB();
  const listeners: Listener[] = [];
  for (let n = 0; n < clients; n += 20)
    listeners.push(...(await Promise.all(Array.from({ length: Math.min(20, clients - n) }, () => listenTo(port)))));
  const open = listeners.filter(({ status }) => status === 200);
  // What is replayed at the start is no news.
  await delay(1500);
  const rows: object[] = [];
  const lateMs: number[] = [];
  let unheard = 0;
  for (let n = 0; n < 5; n++) {
    for (const listener of open) listener.heardAtMs.length = 0;
    const order = { kind: 'drain', scope: { service: nameOf(n), pool: 'c' }, reason: 'measured by the bench', owner: 'bench', ttl: '1h' };
    const startedAtMs = performance.now();
    await ask(port, `/v1/overrides/events-${n}`, 'PUT', order);
    await delay(2000);
    for (const { heardAtMs } of open) {
      const [atMs] = heardAtMs;
      if (atMs === undefined) unheard++;
      else lateMs.push(atMs - startedAtMs);
    }
  }
  const answers = await paced(port, '/v1/status', 3000);
  rows.push({
    what: `order to the event, at ${open.length} of ${clients} clients`,
    n: lateMs.length,
    p50Ms: quantile(lateMs, 0.5),
    p99Ms: quantile(lateMs, 0.99),
    unheard,
    mbMore: replica.rssMB() - before,
    statusP99Ms: quantile(answers.tookMs, 0.99),
  });
  for (const listener of listeners) listener.close();
  return {
    rows,
    note: open.length === clients ? '' : `events: ${clients - open.length} of ${clients} clients were not let in`,
    met: open.length === clients && unheard === 0,
  };
};

// ---- beside full probing ----

/** Of each of 50 pools; with both endpoints every 5 s that is 400 looks a second more. */
const LOCAL = 20;

const measureFull = async (folder: string, targets: number, quick: boolean) => {
  await using ring = await startRing(mkdtempSync(join(folder, 'full-')), targets, LOCAL);
  const [port = 0] = ring.ports;
  await untilDeciding(port);
  return await measureLoad({
    metrics: async () => (await ask(port, '/metrics')).body,
    ask: (path, perS, ms) => paced(port, path, ms, ZIPPED, perS),
    async listen(clients) {
      const listeners = await Promise.all(Array.from({ length: clients }, () => listenTo(port)));
      return () => {
        for (const listener of listeners) listener.close();
      };
    },
    rest: (ms) => delay(ms),
    turns: quick ? 1 : 4,
    turnMs: 10_000,
  });
};

// ---- the documents ----

const SIZES = [
  { services: 3, regions: 2 },
  { services: 20, regions: 5 },
  { services: 200, regions: 20 },
] as const;

/** The longest that a step of it keeps the loop, and all steps together. */
const stepsOf = <T>(steps: Steps<T>): { value: T; wholeMs: number; stepMaxMs: number } => {
  let [wholeMs, stepMaxMs] = [0, 0];
  for (;;) {
    const startedAtMs = performance.now();
    const { done, value } = steps.next();
    const tookMs = performance.now() - startedAtMs;
    wholeMs += tookMs;
    stepMaxMs = Math.max(stepMaxMs, tookMs);
    if (done === true) return { value, wholeMs, stepMaxMs };
  }
};

/** Made in one step. */
function* inOne<T>(make: () => T): Steps<T> {
  const made = make();
  yield;
  return made;
}

/** What the loop that also probes is held up by: making each document, and its text. `hold`: the longest step, since the whole status is left after each. */
const measureDocuments = async (times: number): Promise<object[]> => {
  const rows: object[] = [];
  for (const size of SIZES) {
    await using world = await openBigWorld({ size, frozen: true });
    const made: Record<string, () => { value: object; wholeMs: number; stepMaxMs: number }> = {
      '/v1/status': () => stepsOf(makingStatus(world.input())),
      '/v1/overview': () => stepsOf(inOne(() => overviewDocument(world.input()))),
      'for health and gauges': () => stepsOf(inOne(() => statusInShort(world.input()))),
    };
    for (const [what, make] of Object.entries(made)) {
      const spans = Array.from({ length: times }, () => {
        const { value, ...whole } = make();
        // About as much room as the last one took, as production has it.
        return { whole, text: stepsOf(encoding(value, Math.ceil(1.1 * JSON.stringify(value).length))) };
      });
      const { plain } = spans[0]?.text.value ?? { plain: Buffer.alloc(0) };
      rows.push({
        what: `${what}, ${size.services} services in ${size.regions} regions`,
        bytes: plain.length,
        zipped: gzipSync(plain, { level: constants.Z_BEST_SPEED }).length,
        makeP50Ms: median(spans.map(({ whole }) => whole.wholeMs)),
        textP50Ms: median(spans.map(({ text }) => text.wholeMs)),
        holdP50Ms: median(spans.map(({ whole, text }) => Math.max(whole.stepMaxMs, text.stepMaxMs))),
      });
    }
  }
  return rows;
};

export const benchApi = async ({ quick, trials }: BenchOptions): Promise<Bench> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'));
  const targets = await serveTargets();
  const waited = watchWaiting();
  try {
    await using ring = await startRing(folder, targets.port);
    const [port = 0] = ring.ports;
    const [replica] = ring.replicas;
    if (replica === undefined) throw new Error('there is no replica');
    await untilDeciding(port);
    const [cpuBefore, startedAtMs] = [replica.cpuS(), performance.now()];
    const answers = await measureAnswers(port, replica, quick ? 2 : 8, quick ? 1500 : 3000);
    const cpu = (100_000 * (replica.cpuS() - cpuBefore)) / (performance.now() - startedAtMs);
    const orders = await measureOrders(port, trials ?? (quick ? 10 : 50));
    const events = await measureEvents(port, replica, CLIENTS);
    // Its connections would be reset.
    agent.destroy();
    await ring[Symbol.asyncDispose]();
    const full = await measureFull(folder, targets.port, quick);
    const documents = await measureDocuments(quick ? 10 : 30);
    return {
      goals: { answerP99Ms: GOAL_P99_MS, decisionP99Ms: GOAL_DECISION_P99_MS, clients: CLIENTS, lateP99Ms: GOAL_LATE_P99_MS },
      met: answers.met && orders.met && events.met && (full.late[1]?.lateP99Ms ?? Number.NaN) <= GOAL_LATE_P99_MS,
      rows: answers.rows,
      tables: [orders.rows, ...(events.rows.length === 0 ? [] : [events.rows]), full.answers, full.late, documents],
      notes: [
        `${PER_S} requests/s to one replica of three that probe ${SERVICES * REGIONS.length} targets at two endpoints each; it used ${cpu.toFixed(0)} % of a CPU meanwhile`,
        ...answers.notes,
        waited(),
        ...(events.note === '' ? [] : [events.note]),
      ],
    };
  } finally {
    agent.destroy();
    await targets.close();
    rmSync(folder, { recursive: true, force: true });
  }
};
