// Steps of routes: users leave a region, or come back to it. Pure.
import type { Step } from '../../src/runbook/model.ts';
import type { Move } from '../policy.ts';
import type { Part } from './part.ts';
import { CALL_MS, FENCE_MS, ONLY_READS, stepOf, TRIED, WAIT_LEAST_MS } from './step.ts';

/** The route leaves `from`. `undo`: back as it was, which for a failback is the region that was active before it. */
export const shifts = (part: Part, { from, to, purpose }: Move, needs: readonly string[]): readonly Step[] => {
  const { services } = part;
  if (services.length === 0) return [];
  const undo = purpose === 'failback' ? { services, from: to, to: from } : { services, from: null, to: from };
  return [
    stepOf(part, {
      name: `route.shift@${to}`,
      kind: 'route.shift',
      phase: 'route',
      target: `${services.join(', ')} from ${from} to ${to}`,
      spec: { services, from, to },
      needs,
      timeoutMs: CALL_MS,
      retry: TRIED,
      undo: { spec: undo },
    }),
  ];
};

/**
 * Where one region works at a time, its users are nowhere else: not in the regions that are neither left nor gone to, which would take what their weights or
 * their turn give them. Before the route leaves `from`, so that it moves once.
 */
export const asides = (part: Part, { from, to }: Move, needs: readonly string[]): readonly Step[] => {
  const { services, platform } = part;
  if (services.length === 0) return [];
  return platform.regions
    .filter((region) => region !== from && region !== to)
    .map((region) =>
      stepOf(part, {
        name: `route.aside.${region}@${to}`,
        kind: 'route.shift',
        phase: 'drain',
        target: `${services.join(', ')} away from ${region}, where nothing of it works`,
        spec: { services, from: region, to },
        needs,
        timeoutMs: CALL_MS,
        retry: TRIED,
        onFail: 'continue',
        onUnknown: 'proceed',
        ifPassed: `users may be sent to ${region}, where the platform is not active`,
        undo: { spec: { services, from: null, to: region } },
      }),
    );
};

/** Nobody is to be sent to a region that counts as gone, even before another one is ready: tried, since the other one may be refused as a receiver. */
export const drains = (part: Part, move: Move, needs: readonly string[]): readonly Step[] =>
  shifts(part, move, needs).map((step) => ({
    ...step,
    id: `${part.prefix}route.drain@${move.from}`,
    phase: 'fence',
    target: `${part.services.join(', ')} away from ${move.from}`,
    mode: 'ungraceful',
    timeoutMs: FENCE_MS,
    onFail: 'continue',
    onUnknown: 'proceed',
    ifPassed: `users may still be sent to ${move.from}; the route is asked for again when ${move.to} is ready`,
  }));

/** The region has its share again, beside the others. */
export const openings = (part: Part, { from, to }: Move, needs: readonly string[]): readonly Step[] => {
  const { services } = part;
  if (services.length === 0) return [];
  return [
    stepOf(part, {
      name: `route.open@${to}`,
      kind: 'route.shift',
      phase: 'route',
      target: `${services.join(', ')} in ${to} again, beside ${from}`,
      spec: { services, from: null, to },
      needs,
      timeoutMs: CALL_MS,
      retry: TRIED,
      undo: { spec: { services, from: to, to: from } },
    }),
  ];
};

/** Users have left `from`, as far as that is measured. */
export const landings = (part: Part, { from, to }: Move, needs: readonly string[]): readonly Step[] =>
  part.services.length === 0
    ? []
    : [
        stepOf(part, {
          name: `route.wait@${to}`,
          kind: 'route.wait',
          phase: 'verify',
          target: `users of ${part.services.join(', ')} have left ${from}`,
          spec: { services: part.services, from },
          needs,
          timeoutMs: WAIT_LEAST_MS,
          undo: ONLY_READS,
        }),
      ];
