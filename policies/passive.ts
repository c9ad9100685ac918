// Active/Passive in its two forms, as an order of steps: of a whole platform in two of the models, of one entry by itself in Dual Active. Pure.
import type { Step } from '../src/runbook/model.ts';
import type { Move } from './policy.ts';
import { alarms, calls, gates, warnings } from './steps/around.ts';
import { dataFences, inDoubt, inPeace, lags, promotions, refreshes, rejoins, verifies } from './steps/data.ts';
import { fences, ownOf, parks, readies, SERVING, scaleUps, standbyOf, stops, warmths, warmUps } from './steps/fleets.ts';
import { dispatches, moves } from './steps/namespaces.ts';
import { idsOf } from './steps/order.ts';
import type { Part } from './steps/part.ts';
import { asides, drains, landings, shifts } from './steps/routes.ts';
import { inFlight } from './steps/step.ts';

/** What comes once the region is ready: gates, the route, what is told of it, users who have left. `ended`: all of it. */
const arrival = (part: Part, move: Move, ready: readonly string[]): { steps: readonly Step[]; ended: readonly string[] } => {
  const held = gates(part, 'route', move, ready);
  const aside = asides(part, move, [...ready, ...idsOf(held)]);
  const shifted = shifts(part, move, [...ready, ...idsOf(held, aside)]);
  const routed = [...ready, ...idsOf(held, aside, shifted)];
  const rest = shifted.length === 0 ? [] : [inFlight(part, 'route', routed, 'after')];
  const told = calls(part, 'after', [...routed, ...idsOf(rest)]);
  const landed = landings(part, move, routed);
  const verified = verifies(part, move, [...routed, ...idsOf(landed)]);
  const ended = [...routed, ...idsOf(rest, told, landed, verified)];
  return { steps: [...held, ...aside, ...shifted, ...rest, ...told, ...landed, ...verified, ...rejoins(part, move, ended)], ended };
};

/**
 * One region works at a time, and Temporal does not see to that: so the old one is fenced before anything of the new one starts. Then everything starts at once,
 * data and namespaces are promoted meanwhile, and the route waits until all of it is ready.
 */
export const coldSteps = (part: Part, move: Move, roots: readonly string[] = []): readonly Step[] => {
  const { from, to } = move;
  // Before anything stops: a graceful move that would lose data never begins.
  const behind = lags(part, move, roots);
  const stopped = stops(part, from, [...roots, ...idsOf(inPeace(behind))]);
  const fenced = [...stopped, ...fences(part, from, roots), ...drains(part, move, roots)];
  // Data may be fenced when nothing writes any more; a region that counts as gone is not waited for.
  const told = calls(part, 'fence', [...roots, ...idsOf(stopped)]);
  const quiet = [...roots, ...idsOf(fenced, told)];
  const joined = calls(part, 'scale', quiet);
  const scaled = [...scaleUps(part, to, quiet, [ownOf, standbyOf]), ...joined];
  const held = gates(part, 'promote', move, quiet);
  // What only starts is not kept from it by a database that nobody has fenced yet: it could write to none.
  const cut = dataFences(part, move, roots);
  const still = [...quiet, ...idsOf(held, behind, cut)];
  const promoted = [...calls(part, 'promote', [...quiet, ...idsOf(held)]), ...promotions(part, move, still)];
  const moved = moves(part, move, [...still, ...idsOf(promoted)]);
  const filled = refreshes(part, move, quiet);
  const waits = readies(part, to, [...quiet, ...idsOf(joined)]);
  const up = [...still, ...idsOf(scaled, promoted, moved, waits)];
  const worked = dispatches(part, move, up);
  const caught = calls(part, 'ready', up);
  const { steps, ended } = arrival(part, move, [...up, ...idsOf(worked, caught)]);
  const parked = parks(part, from, ended, SERVING);
  return [
    ...warnings(part, move),
    ...behind,
    ...fenced,
    ...cut,
    ...told,
    ...scaled,
    ...held,
    ...promoted,
    ...filled,
    ...moved,
    ...waits,
    ...worked,
    ...caught,
    ...steps,
    ...parked,
  ];
};

/** Both regions run, and Temporal sees to it that one of them works: nothing is started or stopped. That the new one is warm, its pods say; that it works, its tasks. */
export const hotSteps = (part: Part, move: Move, roots: readonly string[] = []): readonly Step[] => {
  const warm = warmths(part, move.to, roots);
  const proved = [...roots, ...idsOf(warm)];
  const behind = lags(part, move, roots);
  // A region that counts as gone is fenced at once: that takes longest.
  const cut = dataFences(part, move, roots);
  const fenced = calls(part, 'fence', [...proved, ...idsOf(inPeace(behind))]);
  const quiet = [...proved, ...idsOf(behind, fenced)];
  const held = gates(part, 'promote', move, quiet);
  const still = [...quiet, ...idsOf(held)];
  // Side by side: what they take is the longer of both.
  const promoted = [...calls(part, 'promote', still), ...promotions(part, move, [...still, ...idsOf(cut)])];
  // That users work there is not begun while somebody is asked whether the old writer still writes.
  const moved = moves(part, move, [...still, ...idsOf(inDoubt(cut))]);
  const filled = refreshes(part, move, quiet);
  const active = [...still, ...idsOf(promoted, moved)];
  const worked = dispatches(part, move, active);
  const caught = calls(part, 'ready', active);
  const { steps } = arrival(part, move, [...active, ...idsOf(worked, caught)]);
  const before = [...warnings(part, move), ...behind, ...cut, ...warm, ...fenced, ...held];
  return [...before, ...promoted, ...filled, ...moved, ...worked, ...caught, ...steps];
};

/** At suspicion: who wants to know is told, and a region that has nothing running gets what takes no work from anybody. */
export const prearmSteps = (part: Part, { to }: Move, isCold: boolean): readonly Step[] => [
  ...alarms(part),
  ...(isCold ? warmUps(part, to) : []),
];
