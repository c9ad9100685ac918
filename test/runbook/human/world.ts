// The world of sleep: time, and nothing else.
import { realPorts, sleep } from '../../../src/ports.ts';
import type { StepWorld } from '../../contract/step.contract.ts';

/** Longer than the three looks that have to find it pending. */
const MS = 500;

export const startSleepWorld = async (): Promise<StepWorld<'sleep'>> => ({
  spec: { ms: MS },
  systems: {},
  files: {},
  secrets: [],
  settle: () => sleep(realPorts().timers, MS + 5),
  effects: () => 0,
  meets: () => undefined,
  asked: () => Promise.resolve(),
  [Symbol.asyncDispose]: async () => undefined,
});
