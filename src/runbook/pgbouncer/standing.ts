// What the three kinds of steps of a pooler have in common: the words for how a database stands, and what a refusal means.
import { Answered } from '../../exchange.ts';
import type { Effect, Facts, Reading, StepContext } from '../kind.ts';
import { saying } from '../outcome.ts';
import type { PgbouncerSystem, Standing } from './system.ts';

export interface Pooled {
  system: string;
  database: string;
}

export const poolerOf = ({ system }: Pooled, context: StepContext): Promise<PgbouncerSystem> =>
  context.system<PgbouncerSystem>(system, 'pgbouncer');

export const nameOf = ({ system, database }: Pooled): string => `database ${database} of pooler ${system}`;

/** A name under `*` is known from its first client on, and cannot be held before that. */
export const missing = (spec: Pooled): Reading & { is: 'never' } => ({
  is: 'never',
  because: `pooler ${spec.system} has no database ${spec.database}; name it in its section [databases], since what "*" stands for cannot be held`,
});

export const factsOf = ({ isPaused, isDisabled, busy, clients, waiting, waitsMs }: Standing): Facts => ({
  isPaused,
  isDisabled,
  busy,
  clients,
  waiting,
  waitsMs,
});

export const waitersText = ({ waiting, waitsMs }: Standing): string =>
  waiting === 0
    ? 'no client waits'
    : `${waiting} ${waiting === 1 ? 'client waits' : 'clients wait'}, the first for ${Math.round(waitsMs)} ms`;

export const busyText = ({ busy }: Standing): string =>
  `${busy} ${busy === 1 ? 'connection to the server is' : 'connections to the server are'} at work`;

/** Rights, names, what it does not know: no later try mends that. */
const HUMAN = /no such (database|user)|admin access|not allowed|invalid command|authentication failed|FATAL 28/i;

/** What `act` came to, or the pooler's refusal of any part of it. Rejects with what is no answer of the pooler. */
export const refusing = (spec: Pooled, act: () => Promise<Effect>): Promise<Effect> =>
  act().catch((error: unknown) => refusalAs(spec, error));

const refusalAs = (spec: Pooled, error: unknown): Effect => {
  if (!(error instanceof Answered)) throw error;
  const because = `${nameOf(spec)}: ${saying(error)}`;
  return { took: HUMAN.test(error.message) ? 'fatal' : 'refused', because };
};
