// One process of the simulator: plays seeds and prints a line of JSON for each, with the CPU seconds it took. SIM_LIKE names the mutation for whose worlds
// they are; with SIM_MUTATION set (see mutate.ts) its guard is missing, and it stops at the first seed that notices.
//   node test/sim/worker.ts FROM TO STEP [WISHES]       WISHES: JSON, what every world has
import { MUTATIONS } from './mutations.ts';
import { planOf, type Wishes } from './plan.ts';
import { type Played, play } from './play.ts';

/** What becomes of a seed; `thrown`: the run itself broke, which counts as a violation. */
export type Line = { seed: number; cpuS: number } & ({ played: Omit<Played, 'told'> } | { thrown: string });

/** Mutants are looked for in short worlds that need the guard. */
export const wishesLike = (mutation: string | undefined): Wishes =>
  mutation === undefined ? {} : { minutes: 2, ...MUTATIONS[mutation]?.wishes };

const line = async (seed: number, wishes: Wishes, untilFirst: boolean): Promise<Line> => {
  const begun = process.cpuUsage();
  const cpuS = (): number => {
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1e6;
  };
  try {
    const { told: _, ...played } = await play(planOf(seed, wishes), { untilFirst });
    return { seed, cpuS: cpuS(), played };
  } catch (error) {
    return { seed, cpuS: cpuS(), thrown: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
};

export const isBad = (result: Line): boolean => 'thrown' in result || result.played.violations.length > 0;

if (import.meta.main) {
  const [from = 1, to = 1, step = 1] = process.argv.slice(2, 5).map(Number);
  const wishes = { ...wishesLike(process.env.SIM_LIKE), ...(JSON.parse(process.argv[5] ?? '{}') as Wishes) };
  const isMutant = process.env.SIM_MUTATION !== undefined;
  for (let seed = from; seed <= to; seed += step) {
    const result = await line(seed, wishes, isMutant);
    process.stdout.write(`${JSON.stringify(result)}\n`);
    if (isMutant && isBad(result)) break;
  }
}
