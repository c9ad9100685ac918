// The world of verify.objectives: what the desk says of a region.
import type { StepWorld } from '../../contract/step.contract.ts';
import { tiersOf } from '../tiers.ts';

export const startObjectivesWorld = async (): Promise<StepWorld<'verify.objectives'>> => {
  let gaps: readonly string[] = ['workflow-schedule-to-start in eu-west: the query says 2400 ms; below 2000 ms is wanted'];
  return {
    spec: { region: 'eu-west', maxAgeMs: 60_000 },
    systems: {},
    files: {},
    secrets: [],
    tiers: tiersOf({
      objectives: async (platform, region, maxAgeMs) =>
        platform === 'orders' && region === 'eu-west' && maxAgeMs === 60_000
          ? { gaps, seen: gaps.length === 0 ? 1 : 0, of: 1 }
          : { gaps: ['another was asked'], seen: 0, of: 1 },
    }),
    settle: () => {
      gaps = [];
    },
    effects: () => 0,
    meets: () => undefined,
    asked: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
};
