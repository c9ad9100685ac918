// The order of steps: by `needs` and nothing else, in each of the two modes by itself. Pure.
import { isOfMode, type Step } from '../../src/runbook/model.ts';
import type { RunMode } from '../../src/runbook/platform.ts';

export const idsOf = (...groups: readonly (readonly Step[])[]): readonly string[] => groups.flat().map(({ id }) => id);

const MODES: readonly RunMode[] = ['graceful', 'ungraceful'];

/** Ids that have to have ended before each step of this mode, through steps of this mode alone. Steps come after what they need. */
const beforeEach = (steps: readonly Step[], mode: RunMode): ReadonlyMap<string, ReadonlySet<string>> => {
  const before = new Map<string, Set<string>>();
  for (const step of steps.filter((each) => isOfMode(each, mode))) {
    const all = new Set<string>();
    for (const need of step.needs)
      if (before.has(need)) {
        all.add(need);
        for (const earlier of before.get(need) ?? []) all.add(earlier);
      }
    before.set(step.id, all);
  }
  return before;
};

/**
 * The same order with fewer needs: one goes when the others bring it about in every mode in which both steps are run. A need on a step of the other mode holds
 * nothing back, so it goes too.
 */
export const tidy = (steps: readonly Step[]): readonly Step[] => {
  const orders = MODES.map((mode) => beforeEach(steps, mode));
  return steps.map((step) => {
    const inEvery = orders.filter((order) => order.has(step.id));
    let needs = [...new Set(step.needs)];
    for (const need of needs) {
      const others = needs.filter((other) => other !== need);
      const isImplied = (order: ReadonlyMap<string, ReadonlySet<string>>): boolean =>
        !order.has(need) || others.some((other) => order.get(other)?.has(need));
      if (inEvery.every(isImplied)) needs = others;
    }
    return { ...step, needs };
  });
};
