// What happens to runs, as lines of a story: whenever a run or one of its steps is in another state than before.
import { runKey } from '../../src/coordinate/keys.ts';
import type { Run } from '../../src/runbook/model.ts';
import type { Store } from '../../src/store/store.ts';

const linesOf = (before: Run | undefined, run: Run): readonly string[] => {
  const told = before?.state === run.state ? [] : [`run ${run.id} (${run.purpose}, ${run.mode}, ${run.from} -> ${run.to}): ${run.state}`];
  const steps = run.plan.flatMap(({ id }) => {
    const [was, is] = [before?.steps[id], run.steps[id]];
    if (is === undefined || is.state === (was?.state ?? 'pending')) return [];
    return [`  ${id}: ${is.state}${is.state === 'acting' ? '' : `: ${is.because}`}`];
  });
  return [...told, ...steps];
};

/** Says what is new of runs from now on. */
export const tellRuns = (store: Store, say: (text: string) => void): void => {
  const known = new Map<string, Run>();
  store.watch(runKey(''), () => {
    void store.get({ prefixes: [runKey('')] }).then(({ kvs }) => {
      for (const { key, value } of kvs) {
        const run = value as Run;
        for (const line of linesOf(known.get(key), run)) say(line);
        known.set(key, run);
      }
    });
  });
};
