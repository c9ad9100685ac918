// From a plan that breaks an invariant to the smallest one found that still breaks it, as a story ready to be kept.
import { playScenario } from '../scenario.ts';
import { linesOf, type Plan } from './plan.ts';
import { play } from './play.ts';

/** Plans tried at most. */
const TRIES_MAX = 300;

/** Does this plan break the invariant? A run that throws breaks all of them. */
const breaks = async (plan: Plan, invariant: string): Promise<boolean> => {
  try {
    return (await play(plan, { untilFirst: invariant !== 'live' })).violations.some((v) => v.invariant === invariant);
  } catch {
    return invariant === 'thrown';
  }
};

/** Leaves out ever smaller parts of what happens, as long as the rest still breaks the invariant. */
export const shrink = async (plan: Plan, invariant: string, isStill: typeof breaks = breaks): Promise<Plan> => {
  let best = plan;
  let tries = 0;
  const attempt = async (smaller: Plan): Promise<boolean> => {
    tries++;
    if (tries > TRIES_MAX || !(await isStill(smaller, invariant))) return false;
    best = smaller;
    return true;
  };
  await attempt({ ...best, lastDeath: null });
  for (let size = Math.ceil(best.items.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let at = 0; at < best.items.length && tries <= TRIES_MAX; )
      if (!(await attempt({ ...best, items: best.items.filter((_, i) => i < at || i >= at + size) }))) at += size;
  const lastMs = Math.max(0, ...best.items.map((item) => Math.max(item.atMs, item.endAtMs ?? 0)));
  await attempt({ ...best, calmAtMs: lastMs + 1000 });
  return best;
};

/** The plan as a story file, with what happens in it today. */
export const asStory = async (plan: Plan, because: string): Promise<string> => {
  const end = plan.lastDeath === null ? ['run 110s'] : ['run 90s', `lose ${plan.lastDeath}`, 'run 60s'];
  const [cluster = '', ...lines] = linesOf(plan);
  return playScenario([`# Found by the simulator, seed ${plan.seed}: ${because}`, '', cluster, ...lines, ...end, ''].join('\n'));
};
