// A contender that runs on Node, in a process of its own: the engine, or one of the floors that Node itself sets. Run by ../probe.ts, with messages for words.
// Floors have a schedule of ten lines, no deadline, no limits and no judgement beyond a status of 200: nobody could do with less.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import nodeHttp from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import type { EndpointKey, Outcome, ProbeSpec } from '../../../src/model.ts';
import { realPorts } from '../../../src/ports.ts';
import { probe } from '../../../src/probe/index.ts';
import type { ProbeContext } from '../../../src/probe/kind.ts';
import { createRunner } from '../../../src/probe/runner.ts';
import { quantile } from '../numbers.ts';
import { addressOf, SERVER_NAME } from './targets.ts';

export type NodeLook =
  | 'engine http'
  | 'engine https'
  | 'engine tcp'
  | 'engine grpc'
  | 'parser'
  | 'sockets'
  | 'sockets tls'
  | 'sockets tls, resumed'
  | 'sockets connect'
  | 'http2';

export interface Job {
  look: NodeLook;
  port: number;
  targets: number;
  intervalMs: number;
  caFile?: string;
}

/** `run` starts looking, `measure` counts anew, `pause` stops looking and answers with a report. */
export type Word = 'run' | 'measure' | 'pause';

export interface Report {
  notOk: number;
  /** Start minus due. */
  lateP50Ms: number;
  lateP99Ms: number;
  lateMaxMs: number;
  /** Sockets of this process, less those before its first look. */
  leaked: number;
}

const REQUEST = 'GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n';
const job = JSON.parse(process.argv[2] ?? '') as Job;
const { port, targets, intervalMs, caFile } = job;
const ports = realPorts();
const secureContext = caFile === undefined ? undefined : ports.net.secureContext(readFileSync(caFile, 'utf8'));

let late: number[] = [];
let notOk = 0;

const sockets = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // closed meanwhile
    }
  }).length;

// ---- floors ----

type Bare = (i: number, done: (ok: boolean) => void) => void;

const isOk = (head: Buffer | string): boolean => head.toString().startsWith('200', 9);

const bareSockets: Bare = (i, done) => {
  const socket = net.connect({ host: addressOf(i), port });
  socket.once('connect', () => socket.write(REQUEST));
  socket.once('data', (head) => {
    socket.resetAndDestroy();
    done(isOk(head));
  });
  socket.once('error', () => done(false));
};

const bareConnect: Bare = (i, done) => {
  const socket = net.connect({ host: addressOf(i), port });
  socket.once('connect', () => {
    socket.resetAndDestroy();
    done(true);
  });
  socket.once('error', () => done(false));
};

/** Node's own client and its llhttp on a socket of ours. It finishes the connection itself, so that nothing is left to reset. */
const parser: Bare = (i, done) => {
  const createConnection = (): net.Socket => net.connect({ host: addressOf(i), port });
  const request = nodeHttp.get({ path: '/healthz', headers: { host: '127.0.0.1', connection: 'close' }, createConnection });
  request.once('response', (response) => {
    response.resume();
    response.once('end', () => {
      request.destroy();
      done(response.statusCode === 200);
    });
  });
  request.once('error', () => done(false));
};

const sessions = new Map<number, Buffer>();

const bareTls =
  (resumes: boolean): Bare =>
  (i, done) => {
    const session = sessions.get(i);
    const socket = tls.connect({
      host: addressOf(i),
      port,
      servername: SERVER_NAME,
      ...(secureContext === undefined ? {} : { secureContext }),
      ...(session === undefined ? {} : { session }),
    });
    if (resumes) socket.once('session', (next) => sessions.set(i, next));
    socket.once('secureConnect', () => socket.write(REQUEST));
    socket.once('data', (head) => {
      socket.destroy();
      done(isOk(head));
    });
    socket.once('error', () => done(false));
  };

const CALL = {
  ':method': 'POST',
  ':path': '/grpc.health.v1.Health/Check',
  'content-type': 'application/grpc',
  te: 'trailers',
};
const EMPTY_CHECK = Buffer.alloc(5);

/** Node's own client and its nghttp2 on a socket of ours; what the answer says is not read. */
const bareHttp2: Bare = (i, done) => {
  const socket = net.connect({ host: addressOf(i), port });
  const session = http2.connect('http://127.0.0.1', { createConnection: () => socket });
  const stream = session.request(CALL);
  let ok = false;
  stream.once('trailers', (trailers) => {
    ok = trailers['grpc-status'] === '0';
  });
  stream.resume();
  stream.once('end', () => {
    session.destroy();
    done(ok);
  });
  session.once('error', () => done(false));
  stream.once('error', () => {});
  stream.end(EMPTY_CHECK);
};

const FLOORS: Readonly<Partial<Record<NodeLook, Bare>>> = {
  parser,
  http2: bareHttp2,
  sockets: bareSockets,
  'sockets connect': bareConnect,
  'sockets tls': bareTls(false),
  'sockets tls, resumed': bareTls(true),
};

interface Running {
  stop(): Promise<void>;
}

const runFloor = (look: Bare): Running => {
  const originMs = performance.now();
  let [started, inFlight] = [0, 0];
  let timer: NodeJS.Timeout;
  const dueAtMs = (): number => originMs + (started / targets) * intervalMs;
  const startDue = (): void => {
    for (let nowMs = performance.now(); dueAtMs() <= nowMs; nowMs = performance.now()) {
      late.push(nowMs - dueAtMs());
      inFlight += 1;
      look(started++ % targets, (ok) => {
        inFlight -= 1;
        if (!ok) notOk += 1;
      });
    }
    timer = setTimeout(startDue, Math.max(1, dueAtMs() - performance.now()));
  };
  startDue();
  return {
    async stop() {
      clearTimeout(timer);
      while (inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    },
  };
};

// ---- the engine ----

const SPECS: Readonly<Partial<Record<NodeLook, (address: string) => ProbeSpec>>> = {
  'engine http': (address) => ({ kind: 'http', url: `http://${address}:${port}/healthz`, status: [[200, 299]] }),
  'engine https': (address) => ({
    kind: 'http',
    url: `https://${address}:${port}/healthz`,
    status: [[200, 299]],
    serverName: SERVER_NAME,
    ...(caFile === undefined ? {} : { caFile }),
  }),
  'engine tcp': (address) => ({ kind: 'tcp', url: `tcp://${address}:${port}` }),
  'engine grpc': (address) => ({ kind: 'grpc', url: `grpc://${address}:${port}` }),
};

const context: ProbeContext = {
  ports,
  resolve: () => Promise.reject(new Error('the bench uses addresses')),
  timeoutMs: 2000,
  connectTimeoutMs: 1000,
  userAgent: 'tidegate-probe/bench',
  tlsContext: () => {
    if (secureContext === undefined) throw new Error('no authority to trust');
    return secureContext;
  },
};

const runEngine = (specOf: (address: string) => ProbeSpec): Running => {
  const specs = new Map(Array.from({ length: targets }, (_, i) => [`t${i}` as EndpointKey, specOf(addressOf(i))] as const));
  const runner = createRunner({
    ports,
    intervalMs,
    timeoutMs: context.timeoutMs,
    suspectAfterMs: 1000,
    lateMs: 250,
    originMonoMs: ports.clock.monoMs(),
    probe: (key, _startedAtMs, signal): Promise<Outcome> => {
      const spec = specs.get(key);
      if (spec === undefined) throw new Error(`nobody knows ${key}`);
      return probe(spec, context, signal);
    },
    onObservation({ outcome }, lateByMs) {
      late.push(lateByMs);
      if (outcome.saw !== 'ok') notOk += 1;
    },
    onPending: () => {},
    concurrencyMax: 4000,
  });
  runner.setEntries([...specs.keys()].map((key, i) => ({ key, phaseMs: Math.floor((i * intervalMs) / targets) })));
  return runner;
};

const run = (): Running => {
  const floor = FLOORS[job.look];
  if (floor !== undefined) return runFloor(floor);
  const specOf = SPECS[job.look];
  if (specOf === undefined) throw new Error(`nobody knows how to look ${job.look}`);
  return runEngine(specOf);
};

// ---- words ----

const socketsBefore = sockets();
let running: Running | null = null;

const report = async (): Promise<Report> => {
  await running?.stop();
  running = null;
  const [lateP50Ms = 0, lateP99Ms = 0, lateMaxMs = 0] = [0.5, 0.99, 1].map((q) => quantile(late, q));
  const told = { notOk, lateP50Ms, lateP99Ms, lateMaxMs };
  await new Promise((resolve) => setTimeout(resolve, 50)); // a closed socket leaves with the next turn of the loop
  return { ...told, leaked: sockets() - socketsBefore };
};

const obey = async (word: Word): Promise<Report | undefined> => {
  if (word === 'pause') return report();
  late = [];
  notOk = 0;
  if (word === 'run') running = run();
  return undefined;
};

process.on('message', async (word: Word) => process.send?.((await obey(word)) ?? {}));
process.on('disconnect', () => process.exit(0));
