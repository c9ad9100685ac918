// temporal.canary: a namespace is described through the very endpoint that a fleet is configured with: its name resolves, its certificate is good, its proxy
// lets calls through, its credentials are taken. What the fleet itself makes of it, its own check says.
import type { StepKind } from '../kind.ts';
import { readOr } from '../outcome.ts';
import type { TemporalCluster } from './cluster.ts';

export const temporalCanary: StepKind<'temporal.canary'> = {
  kind: 'temporal.canary',
  signal: 'gate',
  read: ({ system, namespace }, { context, signal }) =>
    readOr(`${namespace} through ${system}`, async () => {
      const cluster = await context.system<TemporalCluster>(system, 'temporal');
      const tookMs = await cluster.describes(namespace, signal);
      return { is: 'reached', because: `${namespace} was described through ${system} in ${Math.round(tookMs)} ms` };
    }),
};
