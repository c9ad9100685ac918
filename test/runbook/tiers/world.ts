// The world of gate.lag: what is known of a standby, and nothing else.
import type { LagSample } from '../../../src/runbook/facts.ts';
import type { StepWorld } from '../../contract/step.contract.ts';
import { tiersOf } from '../tiers.ts';

export const startLagWorld = async (): Promise<StepWorld<'gate.lag'>> => {
  let lag: LagSample & { ageMs: number } = { ms: 45_000, bytes: 48e6, atMs: 0, ageMs: 4_000 };
  return {
    spec: { database: 'orders', region: 'eu-west', maxMs: 30_000, maxBytes: 64e6, maxAgeMs: 60_000 },
    systems: {},
    files: {},
    secrets: [],
    tiers: tiersOf({ lag: async () => lag }),
    settle: () => {
      lag = { ...lag, ms: 3_200 };
    },
    effects: () => 0,
    meets: () => undefined,
    asked: () => Promise.resolve(),
    [Symbol.asyncDispose]: async () => undefined,
  };
};
