// The worlds of approval and sleep: nothing but a clock.
import type { StepWorld } from '../../contract/step.contract.ts';

const alone = {
  systems: {},
  files: {},
  secrets: [],
  effects: () => 0,
  meets: () => undefined,
  asked: async () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
};

export const startApprovalWorld = async (): Promise<StepWorld<'approval'>> => ({
  ...alone,
  spec: { why: 'orders may be lost' },
  settle: () => undefined,
});

export const startSleepWorld = async (): Promise<StepWorld<'sleep'>> => {
  let nowMs = 1_790_000_000_000;
  return {
    ...alone,
    spec: { ms: 30_000 },
    nowMs: () => nowMs,
    settle: () => {
      nowMs += 30_000;
    },
  };
};
