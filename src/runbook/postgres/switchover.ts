// pg.switchover: within one region another member of the same Patroni cluster leads. Who led before is noted at the first reading and named in the request, so
// that Patroni itself refuses to move it a second time.
import { z } from 'zod';
import type { Call, Effect, Facts, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr } from '../outcome.ts';
import type { PatroniSystem } from './patroni.ts';
import type { Cluster } from './patroni-wire.ts';
import { refusedBy } from './refused.ts';

type Spec = StepSpecs['pg.switchover'];

const factsShape = z.object({ before: z.string(), timeline: z.number().nullable() });
type Kept = z.infer<typeof factsShape>;
const keptOf = (facts: Facts): Kept | null => factsShape.safeParse(facts).data ?? null;

const WORKING: readonly string[] = ['running', 'streaming'];

export const postgresSwitchover: StepKind<'pg.switchover'> = {
  kind: 'pg.switchover',
  signal: 'target',
  read: (spec, call) => readOr(`switchover of ${spec.system}`, () => readSwitchover(spec, call)),
  apply: (spec, call) => applyOr(`switchover of ${spec.system}`, () => applySwitchover(spec, call)),
};

const readSwitchover = async (spec: Spec, { context, facts, signal }: Call): Promise<Reading> => {
  const patroni = await context.system<PatroniSystem>(spec.system, 'patroni');
  return switched(spec, await patroni.cluster(signal), keptOf(facts));
};

/** Pure. */
export const switched = ({ system, candidate }: Spec, { leader }: Cluster, before: Kept | null): Reading => {
  if (leader === null)
    return { is: 'pending', because: `${system}: nobody leads at the moment`, ...(before === null ? {} : { facts: before }) };
  const kept: Kept = before ?? { before: leader.name, timeline: leader.timeline };
  const isMoved = candidate === null ? leader.name !== kept.before : leader.name === candidate;
  const because = `${system}: ${leader.name} leads, ${leader.state}${leader.timeline === null ? '' : `, on timeline ${leader.timeline}`}`;
  const isGood = isMoved && WORKING.includes(leader.state);
  return {
    is: isGood ? 'reached' : 'pending',
    because: isMoved ? because : `${because}; ${candidate ?? 'another one'} is wanted`,
    facts: kept,
  };
};

const applySwitchover = async ({ system, candidate }: Spec, { context, facts, signal }: Call): Promise<Effect> => {
  const kept = keptOf(facts);
  if (kept === null) return { took: 'refused', because: `${system}: who led before has to be read first` };
  const patroni = await context.system<PatroniSystem>(system, 'patroni');
  try {
    const { leader } = await patroni.cluster(signal);
    if (leader !== null && leader.name !== kept.before)
      return { took: 'accepted', because: `${system}: ${leader.name} leads already`, facts };
    return { took: 'accepted', because: `${system}: ${await patroni.switchover(kept.before, candidate, signal)}`, facts };
  } catch (error) {
    return refusedBy(system, error);
  }
};
