// Makes a region active for Temporal's namespaces, of the cloud or of one's own clusters. In the cloud it is Temporal's own failover, which hands over without
// loss where it can; in one's own clusters it is by force, asked of the cluster that is to be active: what was not replicated is replayed or lost.
import type { Call, StepKind } from '../kind.ts';
import { answering } from './answering.ts';
import { type Circumstances, moveBatch, readBatch } from './batch.ts';
import { temporalOf } from './systems.ts';

const circumstances = async (system: string, { context, key, facts, signal }: Call): Promise<Circumstances> => ({
  ports: context.ports,
  mover: answering((await temporalOf(context, system)).forced),
  key,
  facts,
  signal,
});

export const temporalFailover: StepKind<'temporal.failover'> = {
  kind: 'temporal.failover',
  signal: 'target',
  read: async (spec, call) => readBatch(spec, await circumstances(spec.system, call)),
  apply: async (spec, call) => moveBatch(spec, await circumstances(spec.system, call)),
};
