// pg.canary: a row is written where the writer is wanted, and read back; only then is the region's tier active, whatever anybody says of its state. That it was
// proved is this run's own doing: what another run proved, or somebody said, does not count.
import { z } from 'zod';
import { Fault } from '../../errors.ts';
import { Answered } from '../../exchange.ts';
import type { Call, Effect, Facts, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr } from '../outcome.ts';
import type { PostgresSystem } from './sql.ts';

type Spec = StepSpecs['pg.canary'];

const NONCE_BYTES = 16;

const factsShape = z.object({ provedAtMs: z.number() });
const isProved = (facts: Facts): boolean => factsShape.safeParse(facts).success;

export const postgresCanary: StepKind<'pg.canary'> = {
  kind: 'pg.canary',
  signal: 'target',
  read: (spec, call) => readOr(`canary of ${spec.database} in ${spec.region}`, () => readCanary(spec, call)),
  apply: (spec, call) => applyOr(`canary of ${spec.database} in ${spec.region}`, () => applyCanary(spec, call)),
};

const readCanary = async ({ database, region, sql: name }: Spec, { context, run, facts, signal }: Call): Promise<Reading> => {
  const of = `${database} in ${region}`;
  const sql = await context.system<PostgresSystem>(name, 'postgres');
  const [state, tier] = await Promise.all([sql.state(signal), context.tiers.state(run.platform, database)]);
  if (tier?.split !== undefined)
    return { is: 'never', because: `${of}: ${tier.split.regions.join(' and ')} were both seen to take writes` };
  if (state.inRecovery) return { is: 'pending', because: `${of}: ${state.at} is in recovery` };
  if (!isProved(facts))
    return { is: 'pending', because: `${of}: ${state.at} says that it takes writes, and no row was written by this run yet` };
  if (tier?.writer !== region)
    return { is: 'pending', because: `${of}: a row was written, and ${tier?.writer ?? 'nobody'} is held for the writer` };
  return { is: 'reached', because: `${of}: a row was written and read back, and it is the writer` };
};

const applyCanary = async ({ database, region, sql: name }: Spec, { context, run, facts, signal }: Call): Promise<Effect> => {
  const of = `${database} in ${region}`;
  const tier = await context.tiers.state(run.platform, database);
  if (isProved(facts) && tier?.writer === region) return { took: 'accepted', because: `${of}: it was proved already`, facts };
  const sql = await context.system<PostgresSystem>(name, 'postgres');
  try {
    const at = await sql.canary(`${run.platform}/${database}/${region}`, context.ports.random.hex(NONCE_BYTES), signal);
    const because = `a row was written on ${at} and read back`;
    signal.throwIfAborted();
    await context.tiers.proved(run.platform, database, region, because, tier);
    return { took: 'accepted', because: `${of}: ${because}`, facts: { provedAtMs: context.nowMs() } };
  } catch (error) {
    // The next try looks at what is proved anew, and writes another row.
    if (error instanceof Fault && error.code === 'ERR_CONFLICT') return { took: 'undecided', because: `${of}: ${error.message}` };
    if (!(error instanceof Answered)) throw error;
    return { took: 'refused', because: `${of}: ${error.message}` };
  }
};
