// One step: what every model says alike of its kind, deadlines and estimates; and steps that only wait. Pure.
import type { Phase, Span, Step, StepKindName, StepOf } from '../../src/runbook/model.ts';
import type { Persons } from '../../src/runbook/platform.ts';
import { SEEDS } from '../../src/runbook/seeds.ts';
import type { Part } from './part.ts';

/** A fence of a region that may be gone is waited for so long. */
export const FENCE_MS = 5_000;
/** Work that was begun before a drain gets so long to end. */
const IN_FLIGHT_MS = 30_000;
/** A look that nobody waits for, or at what should be so already. */
export const GLANCE_MS = 5_000;
export const CALL_MS = 30_000;
export const CHECK_MS = 60_000;
export const MOVE_MS = 180_000;
export const WAIT_LEAST_MS = 120_000;
export const WAIT_MOST_MS = 1_800_000;

export const ONLY_READS = { no: 'it only reads' };

type Given<K extends StepKindName> = Pick<StepOf<K>, 'kind' | 'phase' | 'target' | 'spec' | 'needs' | 'timeoutMs' | 'undo'> & {
  /** Without the prefix: `workers.scale@eu-west`. */
  name: string;
} & Partial<Pick<StepOf<K>, 'mode' | 'retry' | 'onFail' | 'onUnknown' | 'ifPassed'>> & {
    span?: Span;
    /** Of kinds for which the platform names none. Absent: nobody. */
    persons?: Persons;
  };

export const stepOf = <K extends StepKindName>({ prefix, platform }: Part, given: Given<K>): StepOf<K> => {
  const { name, span = SEEDS[given.kind], persons = 0, ...rest } = given;
  return {
    mode: 'both',
    retry: { tries: 1, everyMs: 2_000 },
    onFail: 'ask',
    onUnknown: 'ask',
    approvals: platform.approvals.steps[given.kind] ?? persons,
    ...rest,
    id: `${prefix}${name}`,
    // None is waited for beyond its deadline.
    estimate: { p50Ms: Math.min(span.p50Ms, rest.timeoutMs), p95Ms: Math.min(span.p95Ms, rest.timeoutMs), source: 'seed' },
  };
};

export const TRIED = { tries: 3, everyMs: 2_000 };

/** The step of a graceful run, and the one that stands in for it when nobody can wait. */
export type Forced<K extends StepKindName> = Partial<
  Pick<StepOf<K>, 'spec' | 'target' | 'needs' | 'timeoutMs' | 'retry' | 'onFail' | 'onUnknown' | 'ifPassed' | 'undo'> &
    Pick<Given<K>, 'persons'>
>;

export const perMode = <K extends StepKindName>(part: Part, given: Given<K>, forced: Forced<K>): readonly StepOf<K>[] => {
  const [name = '', region] = given.name.split('@');
  return [
    stepOf(part, { ...given, mode: 'graceful' }),
    stepOf(part, { ...given, ...forced, mode: 'ungraceful', name: `${name}-forced${region === undefined ? '' : `@${region}`}` }),
  ];
};

export const inFlight = (part: Part, what: string, needs: readonly string[], phase: Phase = 'drain'): Step =>
  stepOf(part, {
    name: `in-flight.${what}`,
    kind: 'sleep',
    phase,
    target: 'work in flight',
    spec: { ms: IN_FLIGHT_MS },
    mode: 'graceful',
    needs,
    timeoutMs: IN_FLIGHT_MS + GLANCE_MS,
    onFail: 'continue',
    undo: { no: 'it only waits' },
    span: { p50Ms: IN_FLIGHT_MS, p95Ms: IN_FLIGHT_MS },
  });

/** Graceful: the entry before has ended, and a moment has passed in which it could be seen to fail. */
export const inTurn = (part: Part, needs: readonly string[]): Step => ({
  ...inFlight(part, 'turn', needs),
  id: `${part.prefix}turn`,
  phase: 'gate',
  target: 'its turn, after the namespaces before it',
});
