// Steps of what is around a platform: users' own systems, and gates. Pure.
import type { Step } from '../../src/runbook/model.ts';
import type { ExternalWhen, GateConfig } from '../../src/runbook/platform.ts';
import type { Move } from '../policy.ts';
import { hasTiers } from './data.ts';
import type { Part } from './part.ts';
import { CALL_MS, FENCE_MS, GLANCE_MS, ONLY_READS, perMode, stepOf, TRIED, WAIT_LEAST_MS } from './step.ts';

const NOT_OURS = { no: 'there is no call that takes it back' };

/**
 * Users' own systems of a phase. A fence that its owner lets be passed over is waited for only shortly when the region counts as gone; one that has to be
 * acknowledged keeps its own deadline in every run.
 */
export const calls = (part: Part, when: ExternalWhen, needs: readonly string[]): readonly Step[] =>
  part.externals
    .filter((external) => external.when.includes(when))
    .flatMap((external): readonly Step[] => {
      const { name, system, timeoutMs, onFail, waits } = external;
      const given = {
        name: `call.${name}.${when}`,
        kind: 'webhook.call',
        phase: when,
        target: `${name}: ${when}${waits ? `, until it says ${when === 'fence' ? 'drained' : 'caught up'}` : ''}`,
        spec: { system, external: name, when, waits },
        needs,
        timeoutMs,
        retry: TRIED,
        onFail,
        onUnknown: onFail === 'continue' ? 'proceed' : 'ask',
        undo: NOT_OURS,
        ...(when === 'fence'
          ? { ifPassed: `${name} did not say that it is fenced: it may still be written to from the other region` }
          : {}),
      } as const;
      const isBestEffort = when === 'fence' && onFail === 'continue' && timeoutMs > FENCE_MS;
      return isBestEffort ? perMode(part, given, { timeoutMs: FENCE_MS }) : [stepOf(part, given)];
    });

/** Webhooks that are told of a suspicion, and of its end. */
export const alarms = (part: Part): readonly Step[] =>
  part.platform.prearm.map((system) =>
    stepOf(part, {
      name: `prearm.${system}`,
      kind: 'webhook.call',
      phase: 'gate',
      target: `${system}: a failover may come`,
      spec: { system, external: system, when: 'prearm', waits: false },
      needs: [],
      timeoutMs: CALL_MS,
      retry: TRIED,
      onFail: 'continue',
      onUnknown: 'proceed',
      undo: { spec: { system, external: system, when: 'calm', waits: false } },
    }),
  );

const queryOf = (query: string, { from, to }: Move): string => query.replace(/\$(from|to)\b/g, (_, end) => (end === 'from' ? from : to));

const isBlocking = ({ blocks }: GateConfig): boolean => blocks === 'both';

const gateGiven = ({ name, system, query, max, min, maxAgeMs, onUnknown, before }: GateConfig, move: Move, needs: readonly string[]) =>
  ({
    name: `gate.${name}`,
    kind: 'gate.promql',
    phase: 'gate',
    target: `${name}, before ${before === 'promote' ? 'data and namespaces are promoted' : 'the route moves'}`,
    spec: { system, query: queryOf(query, move), ...(max === undefined ? {} : { max }), ...(min === undefined ? {} : { min }), maxAgeMs },
    needs,
    timeoutMs: WAIT_LEAST_MS,
    onUnknown,
    undo: ONLY_READS,
  }) as const;

/** Is there anything that would wait for it? */
const isAsked = (part: Part, { before }: GateConfig): boolean => {
  const { services, namespaces, externals } = part;
  if (before === 'route') return services.length > 0;
  return namespaces.length > 0 || hasTiers(part) || externals.some(({ when }) => when.includes('promote'));
};

/** Gates that hold what comes next. */
export const gates = (part: Part, before: GateConfig['before'], move: Move, needs: readonly string[]): readonly Step[] =>
  part.platform.gates
    .filter((gate) => gate.before === before && isAsked(part, gate))
    .map((gate) => stepOf(part, { ...gateGiven(gate, move, needs), mode: isBlocking(gate) ? 'both' : 'graceful' }));

/** What an ungraceful run is only told: nothing waits for it. */
export const warnings = (part: Part, move: Move): readonly Step[] =>
  part.platform.gates
    .filter((gate) => !isBlocking(gate) && isAsked(part, gate))
    .map((gate) =>
      stepOf(part, {
        ...gateGiven(gate, move, []),
        name: `gate.${gate.name}.told`,
        target: `${gate.name}, which an ungraceful run does not wait for`,
        mode: 'ungraceful',
        timeoutMs: GLANCE_MS,
        onFail: 'continue',
        onUnknown: 'proceed',
        ifPassed: `${gate.name} does not hold: the run goes on, and what it measures is part of the price`,
      }),
    );
