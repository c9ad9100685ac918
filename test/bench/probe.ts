// What a look costs, and how punctual it is: CPU of the process that looks by the kernel's account, memory, start minus due, sockets left behind. The engine
// beside what Node and the machine allow at least, and beside checkers that others have written, in one run: the same targets in a process that is nobody's,
// the same interval, rounds taken in turns, medians over rounds. On few cores all of them share with the targets: read the ratios.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, BenchOptions } from './bench.ts';
import { quantile } from './numbers.ts';
import type { Job, NodeLook, Report, Word } from './probe/contender.ts';
import { measureMachine } from './probe/machine.ts';
import { massFailure } from './probe/mass.ts';
import { type Assignment, epollPeer, missing, PEERS, type Peer, type Scheme } from './probe/peers.ts';
import { cpuS, end, pidOf, rssMB } from './probe/process.ts';
import { profileOf } from './probe/profile.ts';
import { type Certificate, compileSockets, makeCertificate, type Seen, startTargets, type Targets } from './probe/targets.ts';

const TARGETS = 2000;
const INTERVAL_MS = 2000;
/** A handshake costs ten times as much, at the targets too. */
const TLS_PER_S = 100;
const GRPC_PER_S = 400;
/** What one replica should look at; its targets have two endpoints each. */
const MASS_TARGETS_MAX = 5000;
const ROUNDS = 3;
const START_MS = 20_000;
const GOALS = { timesParser: 3, lateP99Ms: 50, leaked: 0 };

interface Plan {
  scheme: Scheme;
  nodes: Readonly<Partial<Record<NodeLook, string>>>;
  peers: readonly Peer[];
}

/** The engine first, then the floor that it is held against. */
const plansOf = (epoll: Peer): readonly Plan[] => [
  {
    scheme: 'http',
    nodes: { 'engine http': 'engine', parser: 'node:http, nothing else', sockets: 'node:net, 12 bytes read' },
    peers: [epoll, PEERS.haproxy, PEERS.gdnsd, PEERS.blackbox],
  },
  {
    scheme: 'https',
    nodes: { 'engine https': 'engine', 'sockets tls': 'node:tls, 12 bytes read', 'sockets tls, resumed': 'node:tls, sessions resumed' },
    peers: [PEERS.haproxy],
  },
  {
    scheme: 'tcp',
    nodes: { 'engine tcp': 'engine', 'sockets connect': 'node:net, connect only' },
    peers: [epoll, PEERS.haproxy, PEERS.gdnsd],
  },
  {
    scheme: 'grpc',
    nodes: { 'engine grpc': 'engine', http2: 'node:http2, nothing else' },
    peers: [PEERS.blackbox],
  },
];

export interface Load {
  targets: number;
  intervalMs: number;
  rounds: number;
  /** Measured in each round, after an interval and a bit to settle. */
  spanMs: number;
}

/** One round of one contender. */
interface Sample extends Partial<Report> {
  looks: number;
  perS: number;
  cpuS: number;
  rssMB: number;
  gapP99Ms: number;
  gapMaxMs: number;
}

interface Contender extends AsyncDisposable {
  name: string;
  round(): Promise<Sample>;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What was looked at and what it cost from now, for `spanMs`. */
const span = async (targets: Targets, pids: readonly number[], spanMs: number): Promise<Sample> => {
  await targets.seen();
  const [beforeS, atMs] = [cpuS(pids), performance.now()];
  await sleep(spanMs);
  const [usedS, tookMs] = [cpuS(pids) - beforeS, performance.now() - atMs];
  const { looks, gapP99Ms, gapMaxMs }: Seen = await targets.seen();
  return { looks, perS: (looks * 1000) / tookMs, cpuS: usedS, rssMB: rssMB(pids), gapP99Ms, gapMaxMs };
};

/** What the one before has left in the targets' queues is not of the next. */
const forget = async (targets: Targets): Promise<void> => {
  await sleep(100);
  await targets.forget();
};

const settleMs = ({ intervalMs }: Load): number => 1.15 * intervalMs;

/** Lives through all rounds, so that its compilers have done their work, and stands still while others run. */
const nodeContender = (name: string, job: Job, targets: Targets, load: Load): Contender => {
  const child = fork(join(import.meta.dirname, 'probe/contender.ts'), [JSON.stringify(job)]);
  const ask = async (word: Word): Promise<Report> => {
    const answered = once(child, 'message') as Promise<[Report]>;
    child.send(word);
    return (await answered)[0];
  };
  return {
    name,
    async round() {
      await forget(targets);
      await ask('run');
      await sleep(settleMs(load));
      await ask('measure');
      const sample = await span(targets, [pidOf(child)], load.spanMs);
      return { ...sample, ...(await ask('pause')) };
    },
    [Symbol.asyncDispose]: () => end(child),
  };
};

/** Resolves with the first look: Prometheus takes its time until it has read what there is to look at. */
const begun = async (targets: Targets, who: string): Promise<void> => {
  for (const untilMs = performance.now() + START_MS; (await targets.seen()).looks === 0; await sleep(50))
    if (performance.now() > untilMs) throw new Error(`${who} did not look at anything within ${START_MS} ms`);
};

/** Begins anew in each round; its start is not measured. */
const peerContender = (peer: Peer, assignment: Assignment, targets: Targets, load: Load): Contender => ({
  name: peer.name,
  async round() {
    await forget(targets);
    await using running = await peer.start(assignment);
    await begun(targets, peer.name);
    await sleep(settleMs(load));
    return await span(targets, running.pids, load.spanMs);
  },
  async [Symbol.asyncDispose]() {},
});

const median = (values: readonly number[]): number => quantile(values, 0.5);

export interface ProbeRow {
  scheme: Scheme;
  who: string;
  perS?: number;
  cpuSPer1000?: number;
  /** CPU beside that of the floor in the same rounds. */
  timesFloor?: number;
  rssMB?: number;
  rssMBPer1000Targets?: number;
  notOk?: number;
  lateP50Ms?: number;
  lateP99Ms?: number;
  lateMaxMs?: number;
  gapP99Ms?: number;
  gapMaxMs?: number;
  leaked?: number;
  why?: string;
}

const cpuSPer1000 = ({ cpuS: used, looks }: Sample): number => (1000 * used) / looks;

const rowOf = (scheme: Scheme, who: string, samples: readonly Sample[], targets: number, floor: readonly Sample[]): ProbeRow => {
  const over = (value: (sample: Sample) => number | undefined): number[] => samples.map(value).filter((v) => v !== undefined);
  const rss = median(over((s) => s.rssMB));
  const ratios = samples.map((s, i) => cpuSPer1000(s) / cpuSPer1000(floor[i] ?? s));
  const own = over((s) => s.lateP50Ms).length > 0;
  return {
    scheme,
    who,
    perS: Math.round(median(over((s) => s.perS))),
    cpuSPer1000: median(over(cpuSPer1000)),
    timesFloor: median(ratios),
    rssMB: Math.round(rss),
    rssMBPer1000Targets: (1000 * rss) / targets,
    gapP99Ms: median(over((s) => s.gapP99Ms)),
    gapMaxMs: Math.max(...over((s) => s.gapMaxMs)),
    ...(own
      ? {
          lateP50Ms: median(over((s) => s.lateP50Ms)),
          lateP99Ms: median(over((s) => s.lateP99Ms)),
          lateMaxMs: Math.max(...over((s) => s.lateMaxMs)),
          notOk: Math.max(...over((s) => s.notOk)),
          leaked: Math.max(...over((s) => s.leaked)),
        }
      : {}),
  };
};

/** All rounds of all contenders of one scheme. The first to begin is another one in each round. */
const compare = async (plan: Plan, load: Load, place: Place): Promise<readonly ProbeRow[]> => {
  const { scheme, nodes, peers } = plan;
  const secure = scheme === 'https' ? place.certificate : undefined;
  await using targets = await startTargets(place.program, load.intervalMs, secure, scheme === 'grpc' ? 'grpc' : 'http');
  await using open = new AsyncDisposableStack();
  const common = {
    port: targets.ports[0],
    targets: load.targets,
    intervalMs: load.intervalMs,
    ...(secure === undefined ? {} : { caFile: secure.caFile }),
  };
  const contenders: Contender[] = Object.entries(nodes).map(([look, name]) =>
    nodeContender(name, { ...common, look: look as NodeLook }, targets, load),
  );
  const absent: ProbeRow[] = [];
  for (const peer of peers) {
    const why = missing(peer);
    if (why === null) contenders.push(peerContender(peer, { ...common, scheme, folder: place.folder }, targets, load));
    else absent.push({ scheme, who: peer.name, why });
  }
  for (const contender of contenders) open.use(contender);
  const samples = new Map<Contender, Sample[]>(contenders.map((c) => [c, []]));
  for (let round = 0; round < load.rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round) % contenders.length];
      if (contender === undefined || !samples.has(contender)) continue;
      process.stderr.write(`probe: ${scheme}, round ${round + 1} of ${load.rounds}, ${contender.name}\n`);
      try {
        samples.get(contender)?.push(await contender.round());
      } catch (error) {
        absent.push({ scheme, who: contender.name, why: String(error) });
        samples.delete(contender);
      }
    }
  }
  const floor = [...samples.values()][1] ?? [];
  return [...[...samples].map(([{ name }, own]) => rowOf(scheme, name, own, load.targets, floor)), ...absent];
};

interface Place {
  folder: string;
  program: string | null;
  certificate: Certificate;
}

const withPlace = async <T>(work: (place: Place) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-probe-'));
  try {
    return await work({ folder, program: compileSockets(folder), certificate: makeCertificate(folder) });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const filesMax = (): number => Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);

const loadOf = ({ quick, targets, everyS }: BenchOptions): Load => {
  const intervalMs = everyS === null ? INTERVAL_MS : 1000 * everyS;
  return {
    targets: targets ?? TARGETS,
    intervalMs,
    rounds: quick ? 1 : ROUNDS,
    spanMs: quick ? Math.max(1000, intervalMs / 2) : Math.max(3000, intervalMs),
  };
};

/** Looks that cost a multiple of the others get as much less to do. */
const PER_S_MAX: Readonly<Partial<Record<Scheme, number>>> = { https: TLS_PER_S, grpc: GRPC_PER_S };

const sizeOf = (scheme: Scheme, { targets, intervalMs }: Load): number =>
  Math.min(targets, ((PER_S_MAX[scheme] ?? Number.POSITIVE_INFINITY) * intervalMs) / 1000);

/** CPU seconds per 1,000 looks of the http kind, for others who count in looks. */
export const cpuSPer1000Looks = (): Promise<number> =>
  withPlace(async (place) => {
    const load = { targets: TARGETS, intervalMs: INTERVAL_MS, rounds: ROUNDS, spanMs: 3000 };
    const [row] = await compare({ scheme: 'http', nodes: { 'engine http': 'engine' }, peers: [] }, load, place);
    return row?.cpuSPer1000 ?? Number.NaN;
  });

const profiles = async (load: Load, place: Place): Promise<Bench> => {
  const tables: (readonly object[])[] = [];
  for (const look of ['engine http', 'engine https', 'engine tcp', 'engine grpc', 'parser'] as const) {
    const secure = look === 'engine https' ? place.certificate : undefined;
    const scheme = (look === 'parser' ? 'http' : look.slice('engine '.length)) as Scheme;
    await using targets = await startTargets(place.program, load.intervalMs, secure, scheme === 'grpc' ? 'grpc' : 'http');
    const job: Job = {
      look,
      port: targets.ports[0],
      targets: sizeOf(scheme, load),
      intervalMs: load.intervalMs,
      ...(secure === undefined ? {} : { caFile: secure.caFile }),
    };
    process.stderr.write(`probe: profile of ${look}\n`);
    tables.push(...(await profileOf(job, targets, place.folder)));
  }
  return { goals: {}, met: true, rows: tables[0] ?? [], tables: tables.slice(1) };
};

export const benchProbe = (options: BenchOptions): Promise<Bench> =>
  withPlace(async (place) => {
    if (options.profile) return profiles(loadOf(options), place);
    const load = loadOf(options);
    const epoll = epollPeer(place.program);
    const tables: ProbeRow[][] = [];
    for (const plan of plansOf(epoll)) {
      tables.push([...(await compare(plan, { ...load, targets: sizeOf(plan.scheme, load) }, place))]);
    }
    const mass = await massFailure(place.program, Math.min(load.targets, MASS_TARGETS_MAX), options.quick);
    const engines = tables.flatMap(([engine]) => engine ?? []);
    const [http] = engines;
    return {
      goals: GOALS,
      met:
        (http?.timesFloor ?? Number.NaN) <= GOALS.timesParser &&
        engines.every(({ lateP99Ms, notOk, leaked }) => (lateP99Ms ?? Number.NaN) <= GOALS.lateP99Ms && notOk === 0 && leaked === 0),
      rows: tables[0] ?? [],
      tables: [...tables.slice(1), measureMachine(1e6 * ((http?.cpuSPer1000 ?? Number.NaN) / 1000)), mass],
      notes: [
        `${load.targets} targets every ${load.intervalMs / 1000} s, https ${sizeOf('https', load)} and grpc ${sizeOf('grpc', load)} of them; medians of ${load.rounds} rounds, worst of max; timesFloor is CPU beside the second line`,
        'the vantage machine: CPU that it adds to each look, all well and while a third of the targets dies; given up after 5 s, and then holds nothing down',
        'waited: share of the time in which the process was ready and the machine busy with others, who then are the cause of what is late',
        'gap: how far two looks at one target were off the interval, as the target saw it',
        `at most ${filesMax()} open files here`,
      ],
    };
  });
