// Dual Active: namespaces with different homes, each active in its own region, each Active/Passive by itself. Two independent services that share a name: what
// moves one of them touches nothing of another.
import type { Step } from '../../src/runbook/model.ts';
import type { NamespacesConfig, PlatformConfig } from '../../src/runbook/platform.ts';
import { coldSteps, hotSteps } from '../passive.ts';
import type { DeploymentModel, Move } from '../policy.ts';
import { dualLines, inOrder } from '../steady.ts';
import { alarms } from '../steps/around.ts';
import { isWaitedFor } from '../steps/data.ts';
import { isCold, warmUps } from '../steps/fleets.ts';
import { idsOf, tidy } from '../steps/order.ts';
import { partsOf, wholeOf } from '../steps/part.ts';
import { inTurn } from '../steps/step.ts';

/** Those that live in the region that is left, or, on the way back, in the one that is returned to. */
const isMoved = ({ home }: NamespacesConfig, { from, to, purpose }: Move): boolean => home === (purpose === 'failback' ? to : from);

const stepsOf = (platform: PlatformConfig, move: Move): readonly Step[] => {
  const moved = partsOf(platform).filter(({ entry }) => isMoved(entry, move));
  if (move.purpose === 'prearm') {
    const cold = moved.filter(({ part }) => isCold(part, move.to));
    return [...alarms(wholeOf(platform)), ...cold.flatMap(({ part }) => warmUps(part, move.to))];
  }
  const steps: Step[] = [];
  let before: readonly Step[] = [];
  for (const { part } of moved) {
    // Nobody waits for another's turn in an ungraceful run, since this step is left out of it.
    const turn = before.length === 0 ? [] : [inTurn(part, idsOf(before.filter(isWaitedFor)))];
    before = (isCold(part, move.to) ? coldSteps : hotSteps)(part, move, idsOf(turn));
    steps.push(...turn, ...before);
  }
  return steps;
};

export const dualActive: DeploymentModel = {
  kind: 'dual-active',
  question: 'Is data bound to regions, so that each has its own namespace?',
  expand: (platform, move) => tidy(stepsOf(platform, move)),
  audit: (platform, steady) => inOrder(dualLines(platform, steady)),
};
