// How fast the simulator plays worlds of five regions, in a worker of its own as `npm run sim` has them: the plain ones (one replica, service and target a
// region) and all as they are drawn, while the worker is new and later; one in twenty is signed. Reference: as many bare timers on the same virtual time,
// each followed by two promises, with nothing in them.
import { isPlain, planOf, SIGNED, type Wishes } from '../sim/plan.ts';
import type { Played } from '../sim/play.ts';
import { run } from '../sim/workers.ts';
import { createVirtual } from '../virtual.ts';
import type { Bench, BenchOptions } from './bench.ts';

const REGIONS = 5;
const WISHES: Wishes = { regions: REGIONS };
const [SEEDS, QUICK_SEEDS] = [1000, 40];
/** So many worlds, or a quarter of few, are played by a worker whose code is being compiled, much of it again and again. */
const NEW_WORLDS = 100;
/** Region-hours per CPU second: of plain worlds, once the worker has warmed up. */
const GOAL = 3;

interface World extends Pick<Played, 'regionHours' | 'timers'> {
  isPlain: boolean;
  signed: boolean;
  cpuS: number;
}

const playAll = async (seeds: number): Promise<readonly World[]> => {
  const worlds: World[] = [];
  await run([1, seeds, 1, JSON.stringify(WISHES)], null, (line) => {
    if ('thrown' in line) throw new Error(`seed ${line.seed}: ${line.thrown}`);
    const { regionHours, timers, violations } = line.played;
    if (violations.length > 0) throw new Error(`seed ${line.seed} breaks ${violations[0]?.invariant}`);
    const plan = planOf(line.seed, WISHES);
    worlds.push({ isPlain: isPlain(plan), signed: plan.signed, cpuS: line.cpuS, regionHours, timers });
  });
  return worlds;
};

/** CPU seconds of a timer and two promises after it, in as many processes as there are regions. */
const bareCpuS = async (timers: number): Promise<number> => {
  const virtual = createVirtual({ startWallMs: 0, seed: 'bare' });
  const idle = async (): Promise<void> => {
    await null;
    await null;
  };
  for (let i = 0; i < REGIONS; i++) {
    const { ports } = virtual.spawn(String(i));
    const tick = (): void => {
      void idle();
      ports.timers.after(1 + 100 * ports.random.unit(), tick);
    };
    tick();
  }
  const before = process.cpuUsage();
  await virtual.advanceUntil(() => virtual.timersRun() >= timers, Number.MAX_SAFE_INTEGER);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / timers;
};

const sum = (worlds: readonly World[], pick: (world: World) => number): number => worlds.reduce((total, world) => total + pick(world), 0);

const rowOf = (kind: string, worlds: readonly World[], bareS: number) => {
  const [hours, cpuS, timers] = [sum(worlds, (w) => w.regionHours), sum(worlds, (w) => w.cpuS), sum(worlds, (w) => w.timers)];
  return {
    worlds: kind,
    played: worlds.length,
    signed: worlds.filter(({ signed }) => signed).length,
    regionHours: hours,
    timersPerRegionHour: Math.round(timers / hours),
    cpuUsPerTimer: (cpuS / timers) * 1e6,
    timesBare: cpuS / timers / bareS,
    regionHoursPerCpuS: hours / cpuS,
  };
};

export const benchSim = async ({ quick, trials }: BenchOptions): Promise<Bench> => {
  const seeds = trials ?? (quick ? QUICK_SEEDS : SEEDS);
  process.stderr.write(`sim: ${seeds} worlds of five regions\n`);
  const worlds = await playAll(seeds);
  const fresh = Math.min(NEW_WORLDS, Math.floor(seeds / 4));
  const [early, late] = [worlds.slice(0, fresh), worlds.slice(fresh)];
  const plain = (some: readonly World[]): readonly World[] => some.filter((world) => world.isPlain);
  const bareS = await bareCpuS(sum(late, ({ timers }) => timers));
  const kinds: readonly (readonly [string, readonly World[]])[] = [
    [`plain, of the first ${early.length}`, plain(early)],
    ['plain, later', plain(late)],
    [`all, of the first ${early.length}`, early],
    ['all, later', late],
  ];
  return {
    // In a quick run the worker stays new.
    goals: quick ? {} : { regionHoursPerCpuS: GOAL },
    met: quick || rowOf('', plain(late), bareS).regionHoursPerCpuS >= GOAL,
    rows: kinds.filter(([, some]) => some.length > 0).map(([kind, some]) => rowOf(kind, some, bareS)),
    notes: [
      `one worker; bare: a timer and two promises, ${(bareS * 1e6).toFixed(2)} us of CPU; the goal is of plain worlds later on; ${SIGNED * 100} % of the worlds are signed, by chance`,
    ],
  };
};
