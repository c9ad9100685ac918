// Tidegate beside what else takes a dead target out of its answers, all at once on this machine: the same targets, faults and questions. Measured is what
// users would be told: from the fault's instant until the contender's own answer no longer has the dead target. With `--soak 10m` nothing dies: each look
// is answered 503 with a probability of 20 %, and every target that goes missing from an answer is a false drain; only then one dies.
import { rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, workDir } from '../system/server.ts';
import { until } from '../system/until.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { quantile } from './numbers.ts';
import { type Contender, type Course, isInstalled, type Lane } from './race/contender.ts';
import { PEERS } from './race/peers.ts';
import { FAULTS, type FaultKind, openTargets, type Targets } from './race/targets.ts';
import { type Doubts, startTidegate } from './race/tidegate.ts';

const TRIALS = 3;
const INTERVAL_MS = 2000;
const TIMEOUT_MS_MAX = 2000;
const POLL_MS = 50;
const SOAK_POLL_MS = 250;
const SOAK_LANES = 6;
const SOAK_LOSS = 0.2;
/** Faults of a run are spread over a second each, and over at least this. */
const SPREAD_MS_MIN = 10_000;
const LIMIT_MS = 90_000;
const ZONE = 'race.test';
/** Against gdnsd, by the median. At shorter intervals confirming takes its time whatever the interval, so there it has only to be faster. */
const timesFasterGoal = ({ intervalMs }: Course): number => (intervalMs >= 5000 ? 2 : 1);
const YARDSTICK = 'gdnsd';
const isOurs = ({ path }: Contender): boolean => path === 'tidegate';

interface Field {
  course: Course;
  contenders: readonly Contender[];
  absent: readonly string[];
  targets: Targets;
  /** Looks at a target per interval while all is well, by contender's path. */
  looks: ReadonlyMap<string, number>;
  doubts: Doubts;
}

const note = (text: string): void => void process.stderr.write(`race: ${text}\n`);

const courseOf = async (lanes: number, intervalMs: number): Promise<Course> => ({
  zone: ZONE,
  port: await freePort(),
  intervalMs,
  timeoutMs: Math.min(TIMEOUT_MS_MAX, intervalMs / 2),
  lanes: Array.from({ length: lanes }, (_, i) => ({
    name: `t${i + 1}.${ZONE}`,
    addresses: [1, 2, 3].map((at) => `127.77.${i + 1}.${at}`),
  })),
});

const servesAll = async (contender: Contender, lane: Lane): Promise<boolean> => {
  const served = await contender.serves(lane);
  return served !== null && lane.addresses.every((address) => served.has(address));
};

/** Starts everybody, and waits until each sends users everywhere and has looked at everything for a while. */
const takeField = async (course: Course, stack: AsyncDisposableStack): Promise<Field> => {
  const folder = workDir('race');
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const targets = await openTargets({ addresses: course.lanes.flatMap(({ addresses }) => addresses), port: course.port });
  stack.defer(() => targets.close().then(() => undefined));
  const here = PEERS.filter(({ command }) => isInstalled(command));
  const absent = PEERS.filter((entry) => !here.includes(entry)).map(
    ({ command, debian }) => `${command}: not installed (Debian: ${debian})`,
  );
  if (!isInstalled('named')) absent.push('named: not installed (Debian: bind9), so Tidegate publishes to its builtin server only');
  const contenders: Contender[] = [];
  for (const entry of here) contenders.push(...(await entry.start(course, stack)));
  const { ways, doubts } = await startTidegate(course, folder, stack);
  contenders.unshift(...ways);
  for (const contender of contenders)
    for (const lane of course.lanes) await until(`${contender.name} to serve all of ${lane.name}`, () => servesAll(contender, lane));
  note(`${contenders.length} contenders serve ${course.lanes.length} names; warming up`);
  const spanMs = Math.max(20_000, 5 * course.intervalMs);
  await delay(spanMs / 2);
  const before = await targets.looks();
  await delay(spanMs / 2);
  const after = await targets.looks();
  const rounds = (spanMs / 2 / course.intervalMs) * course.lanes.length * 3;
  const looks = new Map(Object.keys(after).map((path) => [path, ((after[path] ?? 0) - (before[path] ?? 0)) / rounds]));
  doubts.reset();
  return { course, contenders, absent, targets, looks, doubts };
};

// ---- a target dies ----

interface Result {
  kind: FaultKind;
  contender: string;
  /** Infinity: still served at the limit. */
  ms: number;
}

const untilGone = async (contender: Contender, lane: Lane, faultAtMs: number): Promise<number> => {
  for (;;) {
    const served = await contender.serves(lane);
    const ms = performance.now() - faultAtMs;
    if (served !== null && !served.has(lane.addresses[0] ?? '')) return ms;
    if (ms > LIMIT_MS) return Number.POSITIVE_INFINITY;
    await delay(POLL_MS);
  }
};

/** One target dies and, once everybody has noticed, is well again, so that what others do about the dead does not grow. */
const trial = async ({ contenders, targets }: Field, lane: Lane, kind: FaultKind): Promise<readonly Result[]> => {
  for (const contender of contenders) await until(`${contender.name} to serve all of ${lane.name}`, () => servesAll(contender, lane));
  const faultAtMs = performance.now();
  const address = lane.addresses[0] ?? '';
  await targets.set({ address, state: kind });
  const results = await Promise.all(
    contenders.map(async (contender) => ({ kind, contender: contender.name, ms: await untilGone(contender, lane, faultAtMs) })),
  );
  await targets.set({ address, state: 'well' });
  return results;
};

const raced = async (field: Field): Promise<Bench> => {
  const { course, contenders } = field;
  const spreadMs = Math.max(SPREAD_MS_MIN, 1000 * course.lanes.length);
  const results = (
    await Promise.all(
      course.lanes.map(async (lane, i) => {
        await delay(Math.random() * spreadMs);
        return trial(field, lane, FAULTS[i % FAULTS.length]!);
      }),
    )
  ).flat();
  const msOf = (kind: FaultKind, contender: string): readonly number[] =>
    results.filter((each) => each.kind === kind && each.contender === contender).map(({ ms }) => ms);
  const rows = FAULTS.flatMap((fault) => {
    const yardstickMs = quantile(msOf(fault, YARDSTICK), 0.5);
    return contenders.map(({ name, path }) => {
      const ms = msOf(fault, name);
      return {
        fault,
        contender: name,
        n: ms.length,
        p50S: quantile(ms, 0.5) / 1000,
        p95S: quantile(ms, 0.95) / 1000,
        maxS: Math.max(...ms) / 1000,
        gdnsdOverIt: yardstickMs / quantile(ms, 0.5),
        looksPerInterval: field.looks.get(path) ?? Number.NaN,
      };
    });
  });
  const goal = timesFasterGoal(course);
  const ours = new Set(contenders.filter(isOurs).map(({ name }) => name));
  return {
    rows,
    goals: { gdnsdOverTidegateP50: goal },
    // Without gdnsd there is nothing to hold it against.
    met: rows.every(({ contender, gdnsdOverIt }) => !ours.has(contender) || !(gdnsdOverIt < goal)),
    notes: notesOf(field),
  };
};

// ---- nothing dies ----

const soaked = async (field: Field, soakMs: number): Promise<Bench> => {
  const { course, contenders, targets } = field;
  const targetHours = (course.lanes.length * 3 * soakMs) / 3_600_000;
  targets.lose(SOAK_LOSS);
  const endMs = performance.now() + soakMs;
  const watch = async (contender: Contender): Promise<{ drains: number; awayShare: number }> => {
    let [drains, away, asked] = [0, 0, 0];
    const before = new Map(course.lanes.map((lane) => [lane, new Set(lane.addresses) as ReadonlySet<string>]));
    while (performance.now() < endMs) {
      for (const lane of course.lanes) {
        const served = await contender.serves(lane);
        if (served === null) continue;
        const missing = lane.addresses.filter((address) => !served.has(address));
        drains += missing.filter((address) => before.get(lane)?.has(address)).length;
        away += missing.length;
        asked += lane.addresses.length;
        before.set(lane, served);
      }
      await delay(SOAK_POLL_MS);
    }
    return { drains, awayShare: away / asked };
  };
  const seen = await Promise.all(contenders.map(watch));
  // Whoever sleeps drains nothing: amid the same failures a target really dies.
  const [lane] = course.lanes;
  const last = lane === undefined ? [] : await trial(field, lane, 'refused');
  const rows = contenders.map(({ name, path }, i) => ({
    contender: name,
    targetHours,
    falseDrains: seen[i]?.drains ?? Number.NaN,
    perTargetHour: (seen[i]?.drains ?? Number.NaN) / targetHours,
    awayPercent: 100 * (seen[i]?.awayShare ?? Number.NaN),
    thenDeadS: (last.find(({ contender }) => contender === name)?.ms ?? Number.NaN) / 1000,
    looksPerInterval: field.looks.get(path) ?? Number.NaN,
  }));
  const drainsOf = (ours: boolean): readonly number[] => rows.filter((_, i) => isOurs(contenders[i]!) === ours).map((r) => r.falseDrains);
  const fewestOfPeers = Math.min(...drainsOf(false));
  return {
    rows,
    goals: { fewerThanPeers: fewestOfPeers },
    met: Math.max(...drainsOf(true)) < fewestOfPeers,
    notes: [...SOAK_SAYS, ...notesOf(field)],
  };
};

const SOAK_SAYS = [
  'falseDrains: a target that is well goes missing from an answer; awayPercent: of all answers; thenDeadS: amid the same failures one target really dies.',
];

const notesOf = ({ course: { intervalMs, timeoutMs }, contenders, absent, doubts }: Field): readonly string[] => [
  `interval ${intervalMs / 1000} s, timeout ${timeoutMs / 1000} s for all; looksPerInterval: at one target, while all is well. Times end at the server's own answer: what resolvers cache comes on top of the DNS ones.`,
  ...contenders.map(({ name, says }) => `${name}: ${says}`),
  `${doubts.say()}; load of the machine now ${(loadavg()[0] ?? 0).toFixed(1)}`,
  ...absent,
];

/** Trials per fault, each a name and targets of its own, at once and spread in time; or a soak of so many names. */
export const benchRace = async ({ quick, trials, intervalMs, soakMs }: BenchOptions): Promise<Bench> => {
  // gdnsd knows whole seconds, and a timeout that is shorter than its interval.
  if (intervalMs !== null && !(Number.isInteger(intervalMs / 1000) && intervalMs >= INTERVAL_MS))
    throw new Error('--interval: a whole number of seconds from 2');
  const lanes = soakMs === null ? FAULTS.length * (trials ?? (quick ? 1 : TRIALS)) : (trials ?? SOAK_LANES);
  await using stack = new AsyncDisposableStack();
  const field = await takeField(await courseOf(lanes, intervalMs ?? INTERVAL_MS), stack);
  note(soakMs === null ? 'faults' : `${soakMs / 1000} s of ${100 * SOAK_LOSS} % failures`);
  return await (soakMs === null ? raced(field) : soaked(field, soakMs));
};
