// pg.promote: the standby cluster becomes the writer, unless that would make two of them. Whoever is known to write is asked first, each time; and it is so only
// when Postgres itself says that it is in recovery no more: Patroni says that it is primary before a row can be written.

import { withDeadline } from '../../ports.ts';
import type { Call, Effect, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr, saying } from '../outcome.ts';
import { siteSays } from './look.ts';
import { patiently } from './patience.ts';
import type { PatroniSystem } from './patroni.ts';
import { type Config, PROMOTE_PATCH } from './patroni-wire.ts';
import { refusedBy } from './refused.ts';
import type { PostgresSystem, SqlState } from './sql.ts';

type Spec = StepSpecs['pg.promote'];

/** Of asking the old writer, which may be gone: longer than one of its members is waited for, or one that is silent would hide another that writes. */
const OLD_MS = 3_500;

export const postgresPromote: StepKind<'pg.promote'> = {
  kind: 'pg.promote',
  signal: 'target',
  read: (spec, call) => readOr(`promotion of ${spec.database} in ${spec.region}`, () => readPromotion(spec, call)),
  apply: (spec, call) => applyOr(`promotion of ${spec.database} in ${spec.region}`, () => applyPromotion(spec, call)),
};

/** What speaks against it. */
interface Bar {
  /** Why it must never be promoted as it is; null: nothing says so. */
  why: string | null;
  /** Why not now; null: nothing says so. */
  yet: string | null;
  /** What the old writer said, or that it is silent. */
  said: string;
}

/**
 * A graceful run fences nobody: a member that is silent there may write yet, whoever passed over its demotion. To lead again, which takes such a run back, needs no
 * word of a side that was never promoted.
 */
const isInPeace = ({ region }: Spec, { run }: Call): boolean => run.mode === 'graceful' && run.to === region;

/** `said`: that the old site, or a part of it, was not heard. */
const unheard = (spec: Spec, call: Call, said: string): Bar => ({
  why: null,
  yet: isInPeace(spec, call) ? `${said} and may write: force the run, which fences it` : null,
  said,
});

const barred = async (spec: Spec, call: Call): Promise<Bar> => {
  const { database, from } = spec;
  const { context, run, signal } = call;
  const state = await context.tiers.state(run.platform, database);
  if (state?.split !== undefined) {
    const { regions, because } = state.split;
    return {
      why: `${regions.join(' and ')} were both seen to take writes, and nobody has said which one stays: ${saying(new Error(because))}`,
      yet: null,
      said: '',
    };
  }
  if (from === null) return { why: null, yet: null, said: 'there is no old writer to ask' };
  const old = await context.system<PostgresSystem>(from.sql, 'postgres');
  try {
    const says = await withDeadline(context.ports.timers, OLD_MS, from.sql, (within) => siteSays(old, within), signal);
    if (says === 'writes') return { why: `the old writer in ${from.region} takes writes: both would write`, yet: null, said: '' };
    if (says === 'reads') return { why: null, yet: null, said: `the old writer in ${from.region} is in recovery` };
    return unheard(spec, call, `the members of the old writer in ${from.region} that answer are in recovery, the others are silent`);
  } catch (error) {
    if (signal.aborted) throw error;
    return unheard(spec, call, `the old writer in ${from.region} is silent (${saying(error)})`);
  }
};

const readPromotion = async (spec: Spec, call: Call): Promise<Reading> => {
  const { context, signal } = call;
  const patroni = await context.system<PatroniSystem>(spec.system, 'patroni');
  const sql = await context.system<PostgresSystem>(spec.sql, 'postgres');
  // One that is silent takes a while to be known for it: it is asked once, and what is wanted is looked at after that.
  const bar = await barred(spec, call);
  return patiently(call, async () => {
    const [state, config] = await Promise.all([sql.state(signal), patroni.config(signal)]);
    const reading = promoted(spec, bar, state, config);
    return { reading, isUnderWay: reading.is === 'pending' && config.standbyOf === null };
  });
};

/** Pure. */
const promoted = ({ database, region }: Spec, { why, yet, said }: Bar, state: SqlState, { standbyOf }: Config): Reading => {
  const of = `${database} in ${region}`;
  if (why !== null) return { is: 'never', because: `${of}: ${why}` };
  if (state.inRecovery) return { is: 'pending', because: `${of}: ${state.at} is in recovery; ${yet ?? said}` };
  // It would be demoted again at Patroni's next turn.
  if (standbyOf !== null) return { is: 'pending', because: `${of}: ${state.at} takes writes, but Patroni is configured to follow` };
  return {
    is: 'reached',
    because: `${of}: ${state.at} is in recovery no more, on timeline ${state.timeline}`,
    facts: { timeline: state.timeline },
  };
};

const applyPromotion = async (spec: Spec, call: Call): Promise<Effect> => {
  const { context, signal } = call;
  const of = `${spec.database} in ${spec.region}`;
  const patroni = await context.system<PatroniSystem>(spec.system, 'patroni');
  const { why, yet, said } = await barred(spec, call);
  if (why !== null) return { took: 'fatal', because: `${of}: ${why}` };
  if (yet !== null) return { took: 'refused', because: `${of}: ${yet}` };
  try {
    // A paused Patroni would give its leader's lock back and promote nobody.
    const { paused } = await patroni.cluster(signal);
    if (paused) return { took: 'refused', because: `${of}: Patroni is paused there; resume it first` };
    const { standbyOf } = await patroni.patch(PROMOTE_PATCH, signal);
    if (standbyOf !== null) return { took: 'undecided', because: `${of}: Patroni answered that it follows yet` };
    return { took: 'accepted', because: `${of}: Patroni was told to stand for itself; ${said}` };
  } catch (error) {
    return refusedBy(of, error);
  }
};
