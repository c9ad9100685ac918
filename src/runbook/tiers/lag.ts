// gate.lag: not written yet.
import type { StepKind } from '../kind.ts';

export const lagGate: StepKind<'gate.lag'> = {
  kind: 'gate.lag',
  signal: 'gate',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
