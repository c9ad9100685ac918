// pgbouncer.pause: clients of one database wait, and what they have begun ends first. The pooler says at once that a database is paused, and may answer PAUSE
// before the last transaction has ended: so it is reached when it is paused and no connection to the server is at work.
import type { Call, Effect, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr } from '../outcome.ts';
import { applyResume, readResume } from './resume.ts';
import { busyText, factsOf, missing, nameOf, poolerOf, refusing, waitersText } from './standing.ts';

type Spec = StepSpecs['pgbouncer.pause'];

export const pgbouncerPause: StepKind<'pgbouncer.pause'> = {
  kind: 'pgbouncer.pause',
  signal: 'target',
  read: (spec, call) => readOr(nameOf(spec), () => (spec.release ? readResume(spec, call) : readPause(spec, call))),
  apply: (spec, call) =>
    applyOr(nameOf(spec), () => refusing(spec, () => (spec.release ? applyResume(spec, call) : applyPause(spec, call)))),
};

const readPause = async (spec: Spec, { context, signal }: Call): Promise<Reading> => {
  const pooler = await poolerOf(spec, context);
  const at = await pooler.look(spec.database, signal);
  if (at === null) return missing(spec);
  const facts = factsOf(at);
  if (!at.isPaused) return { is: 'pending', because: `${nameOf(spec)} is not held: ${busyText(at)}`, facts };
  if (at.busy > 0) return { is: 'pending', because: `${nameOf(spec)} is held, and ${busyText(at)} still; ${waitersText(at)}`, facts };
  return { is: 'reached', because: `${nameOf(spec)} is held, and nothing is under way; ${waitersText(at)}`, facts };
};

const applyPause = async (spec: Spec, { context, signal }: Call): Promise<Effect> => {
  const pooler = await poolerOf(spec, context);
  const before = await pooler.look(spec.database, signal);
  if (before === null) return { took: 'fatal', because: missing(spec).because };
  if (before.isPaused) return { took: 'accepted', because: `${nameOf(spec)} is held already` };
  if (await pooler.order('PAUSE', spec.database, signal)) return { took: 'accepted', because: `${nameOf(spec)} is told to be held` };
  const after = await pooler.look(spec.database, signal);
  if (after?.isPaused !== true) return { took: 'undecided', because: `${nameOf(spec)} was told to be held, and did not answer` };
  return { took: 'accepted', because: `${nameOf(spec)} is held, and ${busyText(after)} still`, facts: factsOf(after) };
};
