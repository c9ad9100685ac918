// Which of its two kinds a system of Temporal is, for steps that work with either.
import { Fault } from '../../errors.ts';
import type { StepContext } from '../kind.ts';
import type { TemporalCloud } from './cloud.ts';
import type { TemporalCluster } from './cluster.ts';

const isOther = (error: unknown): error is Fault => error instanceof Fault && error.code === 'ERR_SYSTEM';

/** Throws Fault ERR_SYSTEM when it is neither, or refuses its configuration: what both have to say, since one of them is the reason. */
export const temporalOf = async (context: StepContext, name: string): Promise<TemporalCloud | TemporalCluster> => {
  try {
    return await context.system<TemporalCloud>(name, 'temporal-cloud');
  } catch (error) {
    if (!isOther(error)) throw error;
    return await context.system<TemporalCluster>(name, 'temporal').catch((second: unknown) => {
      throw isOther(second) ? new Fault('ERR_SYSTEM', `${error.message}; ${second.message}`) : second;
    });
  }
};
