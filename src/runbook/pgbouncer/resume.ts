// pgbouncer.resume: clients of one database go on, on new connections to the server. Reached when it is neither paused nor disabled. Let in first, then freed
// of old connections, then let go: nobody who waited is served on a connection to where the writer was.
import type { Call, Effect, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr } from '../outcome.ts';
import { factsOf, missing, nameOf, type Pooled, poolerOf, refusing, waitersText } from './standing.ts';
import type { Order, Standing } from './system.ts';

export const pgbouncerResume: StepKind<'pgbouncer.resume'> = {
  kind: 'pgbouncer.resume',
  signal: 'target',
  read: (spec: StepSpecs['pgbouncer.resume'], call) => readOr(nameOf(spec), () => readResume(spec, call)),
  apply: (spec: StepSpecs['pgbouncer.resume'], call) => applyOr(nameOf(spec), () => refusing(spec, () => applyResume(spec, call))),
};

const heldText = ({ isPaused, isDisabled }: Standing): string =>
  [isPaused ? 'paused' : '', isDisabled ? 'disabled' : ''].filter((word) => word !== '').join(' and ');

/** Also what takes back a pause and a fence. */
export const readResume = async (spec: Pooled, { context, signal }: Call): Promise<Reading> => {
  const pooler = await poolerOf(spec, context);
  const at = await pooler.look(spec.database, signal);
  if (at === null) return missing(spec);
  const facts = factsOf(at);
  if (at.isPaused || at.isDisabled) return { is: 'pending', because: `${nameOf(spec)} is ${heldText(at)}; ${waitersText(at)}`, facts };
  const to = at.host === '' ? '' : ` to ${at.host}`;
  return { is: 'reached', because: `${nameOf(spec)} lets its clients through${to}; ${waitersText(at)}`, facts };
};

export const applyResume = async (spec: Pooled, { context, signal }: Call): Promise<Effect> => {
  const pooler = await poolerOf(spec, context);
  const at = await pooler.look(spec.database, signal);
  if (at === null) return { took: 'fatal', because: missing(spec).because };
  if (!at.isPaused && !at.isDisabled) return { took: 'accepted', because: `${nameOf(spec)} lets its clients through already` };
  const orders: readonly Order[] = [
    ...(at.isDisabled ? (['ENABLE'] as const) : []),
    'RECONNECT',
    ...(at.isPaused ? (['RESUME'] as const) : []),
  ];
  for (const order of orders) await pooler.order(order, spec.database, signal);
  return { took: 'accepted', because: `${nameOf(spec)} was ${heldText(at)} and is let go; ${waitersText(at)}` };
};
