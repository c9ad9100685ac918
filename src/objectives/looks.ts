// One look at one dependency: what it took, or why nobody knows. What a system does not answer is evidence; what this replica cannot ask is none.
import { errorText, Fault } from '../errors.ts';
import { quoted } from '../exchange.ts';
import { LeftAlone } from '../runbook/breaker.ts';
import type { Call, StepContext, System } from '../runbook/kind.ts';
import { withPatience } from '../runbook/patience.ts';
import type { PlatformConfig } from '../runbook/platform.ts';
import { promqlGate } from '../runbook/prometheus/gate.ts';
import type { TemporalCluster } from '../runbook/temporal/cluster.ts';
import type { Dependency, Objective } from './model.ts';

/** What of a region's Postgres is asked for here. */
interface PostgresSystem extends System {
  readonly kind: 'postgres';
  /** Of one SELECT and its answer, over a connection that is there. Absent: this client cannot tell it from connecting, which is another number. */
  roundTripMs(signal: AbortSignal): Promise<number>;
}

export type Looked =
  | { saw: 'ms'; ms: number }
  /** It was asked and did not answer in time, or answered that it will not. */
  | { saw: 'lost'; because: string }
  /** It could not be asked, or said nothing that can be used. */
  | { saw: 'nothing'; because: string };

/** Of one look, whatever it takes to ask. */
const LOOK_MS = 5_000;
const BECAUSE_CHARS_MAX = 160;
const UNIT_MS = { s: 1000, ms: 1 } as const;

export interface Asked {
  context: StepContext;
  platform: PlatformConfig;
  objective: Objective;
  dependency: Dependency;
}

const temporalMs = async ({ context, platform, dependency }: Asked, signal: AbortSignal): Promise<Looked> => {
  const cluster = await context.system<TemporalCluster>(dependency.system, 'temporal');
  const namespace = platform.namespaces.find(({ name }) => name === dependency.of)?.namespaces[0];
  // A frontend that answers and does not know the namespace is of no use to whoever works there.
  if (namespace !== undefined) await cluster.describes(namespace, signal);
  return { saw: 'ms', ms: await cluster.roundTripMs(signal) };
};

const postgresMs = async ({ context, dependency }: Asked, signal: AbortSignal): Promise<Looked> => {
  const database = await context.system<PostgresSystem>(dependency.system, 'postgres');
  return { saw: 'ms', ms: await database.roundTripMs(signal) };
};

const promqlMs = async ({ context, platform, objective, dependency }: Asked, signal: AbortSignal): Promise<Looked> => {
  const { query, maxAgeMs } = objective;
  if (query === null) return { saw: 'nothing', because: 'there is no query for it' };
  const { to: region, system } = dependency;
  const call: Call = {
    key: `objective.${objective.name}`,
    run: { id: 'objective', platform: platform.name, from: region, to: region, mode: 'graceful' },
    facts: {},
    signal,
    context,
  };
  // No bound here: whether it holds is judged by whoever reads it, by the bound of that time.
  const reading = await promqlGate.read(
    { system, query: query.query.replaceAll('$region', region), max: Number.MAX_VALUE, maxAgeMs },
    call,
  );
  const high = reading.facts?.high;
  if (reading.is !== 'reached' || typeof high !== 'number') return { saw: 'nothing', because: quoted(reading.because, BECAUSE_CHARS_MAX) };
  return { saw: 'ms', ms: high * UNIT_MS[query.unit] };
};

const BY_KIND = { temporal: temporalMs, postgres: postgresMs, promql: promqlMs } as const;

/** Never rejects, and never takes longer than five seconds. */
export const lookAt = async (asked: Asked, signal: AbortSignal): Promise<Looked> => {
  const { context, objective, dependency } = asked;
  const what = `a look at ${dependency.system}`;
  try {
    return await withPatience(context.ports.timers, LOOK_MS, what, (own) => BY_KIND[objective.kind](asked, own), signal);
  } catch (error) {
    // A Fault is about this replica: its file, its secrets, its end; and to what is left alone nothing was sent. What measures for us and does not answer says
    // nothing about what it measures.
    const isOurs = error instanceof Fault || error instanceof LeftAlone || signal.aborted || objective.kind === 'promql';
    return { saw: isOurs ? 'nothing' : 'lost', because: quoted(errorText(error), BECAUSE_CHARS_MAX) };
  }
};
