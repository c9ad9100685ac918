// Which of its two kinds a system of Temporal is, for steps that work with either.
import { Fault } from '../../errors.ts';
import type { StepContext } from '../kind.ts';
import type { TemporalCloud } from './cloud.ts';
import type { TemporalCluster } from './cluster.ts';

/** Throws Fault ERR_SYSTEM when it is neither. */
export const temporalOf = async (context: StepContext, name: string): Promise<TemporalCloud | TemporalCluster> => {
  try {
    return await context.system<TemporalCloud>(name, 'temporal-cloud');
  } catch (error) {
    if (!(error instanceof Fault && error.code === 'ERR_SYSTEM')) throw error;
    return context.system<TemporalCluster>(name, 'temporal');
  }
};
