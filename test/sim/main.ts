// `npm run sim`: worlds of the production code on virtual time in which everything goes wrong, watched by checkers of every invariant; then the same with
// each guard of the production code taken away, which the checkers must notice. The same seed plays the same way, bit by bit.
//
//   npm run sim                       300 seeds, then every mutation
//   npm run sim -- --seeds 10000      so many seeds   [--from N]   [--no-mutations]
//   npm run sim -- --seed 7 --trace   one seed, told as a story
//   npm run sim -- --minutes 60       faults for so many minutes in each world, not three to six; for seeds and --seed, as the next two
//   npm run sim -- --changes          people change the configuration of every world
//   npm run sim -- --platforms        every world with three regions or more has a platform
//   npm run sim -- --mutation leader  one mutation    [--seed N --trace to see a seed of it]
//   --json                            the last line is one object
//
// Exit 1 when an invariant was broken or a mutation was not noticed.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { argumentsOf, refuse } from '../arguments.ts';
import { quantile } from '../bench/numbers.ts';
import { CHANGES } from './changes.ts';
import { CHECKERS } from './checkers.ts';
import { FAULTS, UNDER_RULES } from './faults.ts';
import { MUTATIONS } from './mutations.ts';
import { CHANGED, EXISTS, isPlain, PLATFORMED, planOf, RULED, SIGNED, type Wishes } from './plan.ts';
import { RUNS } from './platforms.ts';
import { play, type Violation } from './play.ts';
import { asStory, shrink } from './shrink.ts';
import { isBad, type Line, wishesLike } from './worker.ts';
import { run, workers } from './workers.ts';

/** A mutation must be noticed within so many seeds. */
const MUTANT_SEEDS = 60;
const SEEDS = 300;
const SHRUNK_MAX = 3;

const out = (text: string): void => void process.stdout.write(`${text}\n`);

// ---- seeds ----

const violationsOf = (line: Line): readonly Violation[] =>
  'thrown' in line ? [{ invariant: 'thrown', atMs: 0, because: line.thrown }] : line.played.violations;

const tell = async (bad: readonly Line[], wishes: Wishes): Promise<void> => {
  for (const line of bad.slice(0, SHRUNK_MAX)) {
    const [first] = violationsOf(line);
    if (first === undefined) continue;
    out(`\nseed ${line.seed} breaks ${first.invariant} at ${(first.atMs / 1000).toFixed(1)} s: ${first.because}`);
    if (first.invariant === 'thrown') continue;
    const whole = planOf(line.seed, wishes);
    const small = await shrink(whole, first.invariant);
    out(`The smallest story found, for test/scenarios (${small.items.length} of ${whole.items.length} occurrences):\n`);
    out(await asStory(small, `${first.invariant}: ${first.because}`));
  }
};

interface SeedsSummary {
  seeds: number;
  simulatedHours: number;
  regionHours: number;
  faults: number;
  decisions: number;
  takeovers: number;
  violations: number;
  deaths: number;
  detectionP50S: number;
  detectionP99S: number;
  regionHoursPerCpuS: number;
  regionHoursPerCpuSAt5: number;
  /** Of those the ones with one replica a region, one service, and one target of it a region. */
  regionHoursPerCpuSAt5Plain: number;
  /** By the number of regions: what a world costs grows faster than they do. */
  regionHoursPerCpuSBySize: Readonly<Record<number, number>>;
}

const playSeeds = async (from: number, count: number, wishes: Wishes, step: number): Promise<SeedsSummary> => {
  const lines: Line[] = [];
  const onLine = (line: Line): void => {
    lines.push(line);
    if (isBad(line)) out(`seed ${line.seed}: ${violationsOf(line).length} violations, first ${violationsOf(line)[0]?.invariant}`);
    else if (lines.length % 100 === 0) process.stderr.write(`${lines.length} of ${count} seeds\n`);
  };
  const range = (i: number): readonly (number | string)[] => [from + i, from + count - 1, step, JSON.stringify(wishes)];
  await Promise.all(Array.from({ length: step }, (_, i) => run(range(i), null, onLine)));
  const played = lines.flatMap((line) => ('played' in line ? [{ ...line.played, cpuS: line.cpuS, plan: planOf(line.seed, wishes) }] : []));
  const sum = (pick: (p: (typeof played)[number]) => number, some = played): number => some.reduce((total, p) => total + pick(p), 0);
  const detections = played.flatMap((p) => p.detectionMs ?? []);
  const speedOf = (some: typeof played): number =>
    sum((p) => p.regionHours, some) /
    Math.max(
      1e-9,
      sum((p) => p.cpuS, some),
    );
  const bySize = Map.groupBy(played, (p) => p.plan.site.regions.length);
  const ofFive = bySize.get(5) ?? [];
  const bad = lines.filter(isBad).sort((a, b) => a.seed - b.seed);
  const summary: SeedsSummary = {
    seeds: lines.length,
    simulatedHours: sum((p) => p.simulatedMs) / 3_600_000,
    regionHours: sum((p) => p.regionHours),
    faults: sum((p) => p.faults),
    decisions: sum((p) => p.decisions),
    takeovers: sum((p) => p.takeovers),
    violations: bad.reduce((total, line) => total + violationsOf(line).length, 0),
    deaths: detections.length,
    detectionP50S: detections.length === 0 ? 0 : quantile(detections, 0.5) / 1000,
    detectionP99S: detections.length === 0 ? 0 : quantile(detections, 0.99) / 1000,
    regionHoursPerCpuS: speedOf(played),
    regionHoursPerCpuSAt5: speedOf(ofFive),
    regionHoursPerCpuSAt5Plain: speedOf(ofFive.filter(({ plan }) => isPlain(plan))),
    regionHoursPerCpuSBySize: Object.fromEntries([...bySize].map(([regions, some]) => [regions, speedOf(some)])),
  };
  await tell(bad, wishes);
  return summary;
};

const playAndTell = async (from: number, count: number, wishes: Wishes, step: number): Promise<SeedsSummary> => {
  preface(from, count);
  const summary = await playSeeds(from, count, wishes, step);
  const { seeds, simulatedHours, regionHours, faults, decisions, takeovers, violations } = summary;
  out(
    `${seeds} seeds, ${simulatedHours.toFixed(1)} h of ${regionHours.toFixed(1)} region-hours, ${faults} faults, ${decisions} decisions, ${takeovers} takeovers: ${violations} violations`,
  );
  out(
    `${summary.deaths} clean deaths at the end: detection p50 ${summary.detectionP50S.toFixed(1)} s, p99 ${summary.detectionP99S.toFixed(1)} s; ${summary.regionHoursPerCpuS.toFixed(2)} region-hours per CPU second`,
  );
  const sizes = Object.entries(summary.regionHoursPerCpuSBySize).map(([regions, speed]) => `${regions}: ${speed.toFixed(2)}`);
  const plain = summary.regionHoursPerCpuSAt5Plain.toFixed(2);
  out(`by number of regions ${sizes.join(', ')}; five regions with one replica, service and target each: ${plain}`);
  return summary;
};

// ---- mutations ----

interface Mutant {
  mutation: string;
  caughtAtSeed: number | null;
  /** What noticed it, or why it does not count. */
  by: string;
}

/** Without the guard some seed must break an invariant, and that very seed must break none with it. */
const playMutation = async (mutation: string): Promise<Mutant> => {
  const found: Line[] = [];
  const keep = (line: Line): void => {
    if (isBad(line)) found.push(line);
  };
  await run([1, MUTANT_SEEDS, 1], { like: mutation, mutated: true }, keep);
  const [caught] = found.splice(0);
  if (caught === undefined) return { mutation, caughtAtSeed: null, by: 'NOT NOTICED' };
  await run([caught.seed, caught.seed, 1], { like: mutation, mutated: false }, keep);
  const by = violationsOf(caught)[0]?.invariant ?? '';
  return found.length > 0
    ? { mutation, caughtAtSeed: null, by: `NOT NOTICED: seed ${caught.seed} breaks ${by} with the guard, too` }
    : { mutation, caughtAtSeed: caught.seed, by };
};

/** On the workers that the seeds leave free at once, on the others when `seeds` are over; not a word before that. */
const playMutations = async (names: readonly string[], seeds: Promise<unknown>, busy: number): Promise<readonly Mutant[]> => {
  const waiting = [...names];
  const told: Promise<Mutant>[] = [];
  const tellOf = async (mutant: Mutant): Promise<Mutant> => {
    await seeds;
    const { mutation, caughtAtSeed, by } = mutant;
    const found = caughtAtSeed === null ? by : `noticed by ${by} at seed ${caughtAtSeed}`;
    out(`  without ${mutation.padEnd(16)} ${found}   (${MUTATIONS[mutation]?.says})`);
    return mutant;
  };
  const lane = async (isFree: Promise<unknown>): Promise<void> => {
    await isFree;
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) told.push(tellOf(await playMutation(name)));
  };
  await Promise.all(Array.from({ length: workers }, (_, i) => lane(i < busy ? seeds : Promise.resolve())));
  return Promise.all(told);
};

// ---- the command ----

const preface = (from: number, count: number): void => {
  out(`SEED=${from}${count > 1 ? `..${from + count - 1}` : ''}`);
  const sum = Object.values(FAULTS).reduce((total, { weight }) => total + weight, 0);
  out(`each kind of fault exists in ${EXISTS * 100} % of the worlds; signatures in ${SIGNED * 100} %; of all occurrences:`);
  const rows = Object.entries(FAULTS).map(([name, { weight }]) => `${name} ${((weight / sum) * 100).toFixed(1)} %`);
  out(`  ${rows.join(', ')}`);
  out(`safety rules beside the usual ones in ${RULED * 100} % of the worlds, and there also ${Object.keys(UNDER_RULES).join(', ')}`);
  out(`people change the configuration in ${CHANGED * 100} % of the worlds: ${Object.keys(CHANGES).join(', ')}`);
  out(
    `a platform that moves with the routes in ${PLATFORMED * 100} % of the worlds with three regions or more: ${Object.keys(RUNS).join(', ')}`,
  );
  out(`watched by ${CHECKERS.map(({ name }) => name).join(', ')}, live, untouched`);
};

/** The same command in a process that loads the code without the guard. */
const withoutGuard = async (mutation: string): Promise<boolean> => {
  const args = ['--import', join(import.meta.dirname, 'mutate.ts'), import.meta.filename, ...process.argv.slice(2)];
  const child = spawn(process.execPath, args, { stdio: 'inherit', env: { ...process.env, SIM_MUTATION: mutation } });
  return (await new Promise<number | null>((resolve) => child.on('exit', resolve))) === 0;
};

/** One seed as a story, with its guards or, in a process of its own, without one. */
const trace = async (seed: number, mutation: string | undefined, wishes: Wishes): Promise<boolean> => {
  if (mutation !== undefined && process.env.SIM_MUTATION !== mutation) return withoutGuard(mutation);
  const plan = planOf(seed, { ...wishesLike(mutation), ...wishes });
  const { told, violations } = await play(plan, { untilFirst: mutation !== undefined, tells: true });
  out(told.join('\n'));
  for (const v of violations) out(`VIOLATION at ${(v.atMs / 1000).toFixed(1)} s: ${v.invariant}: ${v.because}`);
  return violations.length === 0;
};

const main = async (): Promise<boolean> => {
  const { values } = argumentsOf({
    options: {
      seeds: { type: 'string' },
      from: { type: 'string' },
      seed: { type: 'string' },
      trace: { type: 'boolean' },
      minutes: { type: 'string' },
      changes: { type: 'boolean' },
      platforms: { type: 'boolean' },
      mutation: { type: 'string' },
      'no-mutations': { type: 'boolean' },
      json: { type: 'boolean' },
    },
  });
  const { mutation } = values;
  if (mutation !== undefined && MUTATIONS[mutation] === undefined)
    refuse(`no mutation named ${mutation}; there are ${Object.keys(MUTATIONS).join(', ')}`);
  const numbers = [values.seeds, values.from, values.seed].filter((text) => text !== undefined);
  if (numbers.some((text) => !/^[1-9]\d{0,8}$/.test(text))) refuse('seeds are whole numbers from 1');
  if (values.minutes !== undefined && !/^[1-9]\d{0,3}$/.test(values.minutes)) refuse('minutes are a whole number from 1');
  const wishes: Wishes = {
    ...(values.minutes === undefined ? {} : { minutes: Number(values.minutes) }),
    ...(values.changes === true ? { changes: true } : {}),
    ...(values.platforms === true ? { platform: true } : {}),
  };
  const from = Number(values.seed ?? values.from ?? process.env.SEED ?? 1);
  if (values.trace === true) return trace(from, mutation, wishes);
  const count = values.seed !== undefined ? 1 : Number(values.seeds ?? SEEDS);
  const skips = values['no-mutations'] === true || values.seed !== undefined;
  const names = mutation !== undefined ? [mutation] : skips ? [] : Object.keys(MUTATIONS);
  // Who has played for a while does in a CPU second twice what a fresh worker does: beside mutants seeds are not shared out for less than so many to each.
  const seedWorkers = mutation !== undefined ? 0 : Math.min(workers, names.length > 0 ? Math.ceil(count / SEEDS) : count);
  const seedsToPlay = seedWorkers === 0 ? Promise.resolve(null) : playAndTell(from, count, wishes, seedWorkers);
  const [summary, mutants] = await Promise.all([seedsToPlay, playMutations(names, seedsToPlay, seedWorkers)]);
  const caught = mutants.filter((m) => m.caughtAtSeed !== null).length;
  if (mutants.length > 0) out(`${caught} of ${mutants.length} missing guards noticed within ${MUTANT_SEEDS} seeds`);
  if (values.json === true) {
    const { seeds = 0, simulatedHours = 0, faults = 0, decisions = 0, takeovers = 0, violations = 0, ...rest } = summary ?? {};
    out(
      JSON.stringify({
        seeds,
        simulatedHours,
        faults,
        decisions,
        takeovers,
        violations,
        mutations: mutants.length,
        mutationsCaught: caught,
        ...rest,
      }),
    );
  }
  return (summary?.violations ?? 0) === 0 && caught === mutants.length;
};

// Whoever reads only the first lines has closed the pipe.
process.stdout.on('error', () => process.exit(1));
process.exitCode = (await main()) ? 0 : 1;
