// Active/Hot: both regions run, and Temporal gives work to one of them. No cold start and no wait for DNS; recovery takes a failover of namespaces.
import assert from 'node:assert';
import { hotSteps, prearmSteps } from '../passive.ts';
import type { DeploymentModel } from '../policy.ts';
import { generalLines, hotLines, inOrder } from '../steady.ts';
import { tidy } from '../steps/order.ts';
import { wholeOf } from '../steps/part.ts';

export const activeHot: DeploymentModel = {
  kind: 'active-hot',
  question: 'Is it worth an idle fleet that nothing waits for a cold start?',
  expand(platform, move) {
    const part = wholeOf(platform);
    const steps = tidy(move.purpose === 'prearm' ? prearmSteps(part, move, false) : hotSteps(part, move));
    assert(!steps.some(({ kind }) => kind === 'k8s.scale'), 'Active/Hot never scales');
    return steps;
  },
  audit(platform, steady) {
    const part = wholeOf(platform);
    return inOrder([...hotLines(part, steady, steady.active), ...generalLines(part, steady, platform.regions)]);
  },
};
