// Active/Cold: one region runs, the other one has nothing running. Cheapest and simplest; recovery takes a cold start.

import { coldSteps, prearmSteps } from '../passive.ts';
import type { DeploymentModel } from '../policy.ts';
import { coldLines, generalLines, inOrder } from '../steady.ts';
import { tidy } from '../steps/order.ts';
import { wholeOf } from '../steps/part.ts';

export const activeCold: DeploymentModel = {
  kind: 'active-cold',
  question: 'Is a cold start soon enough, for the price of one fleet?',
  expand(platform, move) {
    const part = wholeOf(platform);
    return tidy(move.purpose === 'prearm' ? prearmSteps(part, move, true) : coldSteps(part, move));
  },
  audit(platform, steady) {
    const part = wholeOf(platform);
    return inOrder([...coldLines(part, steady, steady.active), ...generalLines(part, steady, [steady.active])]);
  },
};
