// Makes a region active for Temporal's namespaces, of the cloud or of one's own clusters. In the cloud it is Temporal's own failover, which hands over without
// loss where it can; in one's own clusters it is by force, asked of the cluster that is to be active: what was not replicated is replayed or lost.
import type { Call, StepKind } from '../kind.ts';
import { circumstancesOf, moveBatch, readBatch } from './batch.ts';
import type { Mover } from './mover.ts';
import { temporalOf } from './systems.ts';

const moverOf = async (system: string, { context }: Call): Promise<Mover> => (await temporalOf(context, system)).forced;

export const temporalFailover: StepKind<'temporal.failover'> = {
  kind: 'temporal.failover',
  signal: 'target',
  read: async (spec, call) => readBatch(spec, circumstancesOf(call, await moverOf(spec.system, call))),
  apply: async (spec, call) => moveBatch(spec, circumstancesOf(call, await moverOf(spec.system, call))),
};
