// Hands namespaces of one's own clusters over without loss, by the workflow that Temporal has for it, begun in the cluster that is active. For some seconds
// each refuses traffic; one that does not get through in time is active where it was, and reads as not moved. Temporal itself judges the lag: it waits for the
// other side to catch up, and what takes too long is taken back (cluster.ts).
import type { Call, StepKind } from '../kind.ts';
import { circumstancesOf, moveBatch, readBatch } from './batch.ts';
import type { TemporalCluster } from './cluster.ts';
import type { Mover } from './mover.ts';

const moverOf = async (system: string, { context }: Call): Promise<Mover> =>
  (await context.system<TemporalCluster>(system, 'temporal')).graceful;

export const temporalHandover: StepKind<'temporal.handover'> = {
  kind: 'temporal.handover',
  signal: 'target',
  read: async (spec, call) => readBatch(spec, circumstancesOf(call, await moverOf(spec.system, call))),
  apply: async (spec, call) => moveBatch(spec, circumstancesOf(call, await moverOf(spec.system, call))),
};
