// fence.pgbouncer: no client of the pooler reaches the old writer any more. DISABLE lets nobody in, KILL drops who is in and pauses the database; paused and
// disabled with nothing at work is the end of it. A statement that had reached the server may still end there: a pooler can hold its clients, not the server.
import type { Call, Effect, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr } from '../outcome.ts';
import { applyResume, readResume } from './resume.ts';
import { busyText, factsOf, missing, nameOf, poolerOf, refusing } from './standing.ts';
import type { Standing } from './system.ts';

type Spec = StepSpecs['fence.pgbouncer'];

export const pgbouncerFence: StepKind<'fence.pgbouncer'> = {
  kind: 'fence.pgbouncer',
  signal: 'target',
  read: (spec, call) => readOr(nameOf(spec), () => (spec.release ? readResume(spec, call) : readFence(spec, call))),
  apply: (spec, call) =>
    applyOr(nameOf(spec), () => refusing(spec, () => (spec.release ? applyResume(spec, call) : applyFence(spec, call)))),
};

/** Disabled alone is not enough: whoever was in before stays in, and begins the next transaction. */
const isShut = ({ isPaused, isDisabled, busy }: Standing): boolean => isPaused && isDisabled && busy === 0;

const readFence = async (spec: Spec, { context, signal }: Call): Promise<Reading> => {
  const pooler = await poolerOf(spec, context);
  const at = await pooler.look(spec.database, signal);
  if (at === null) return missing(spec);
  const facts = factsOf(at);
  if (isShut(at)) return { is: 'reached', because: `${nameOf(spec)} lets nobody through, and nothing is under way`, facts };
  const open = [at.isDisabled ? '' : 'lets clients in', at.isPaused ? '' : 'lets those that are in go on'].filter((text) => text !== '');
  return { is: 'pending', because: `${nameOf(spec)} ${[...open, `has ${busyText(at)}`].join(', ')}`, facts };
};

const applyFence = async (spec: Spec, { context, signal }: Call): Promise<Effect> => {
  const pooler = await poolerOf(spec, context);
  const at = await pooler.look(spec.database, signal);
  if (at === null) return { took: 'fatal', because: missing(spec).because };
  if (isShut(at)) return { took: 'accepted', because: `${nameOf(spec)} lets nobody through already` };
  if (!at.isDisabled) await pooler.order('DISABLE', spec.database, signal);
  if (!at.isPaused || at.busy > 0) await pooler.order('KILL', spec.database, signal);
  return { took: 'accepted', because: `${nameOf(spec)} lets nobody in, and dropped ${at.clients} of its clients`, facts: factsOf(at) };
};
