// Active/Active: both regions run and work. What is lost is a share: users leave first, then the region that is left gets room for them, and only what was
// active in the lost one is moved.
import type { ExternalConfig, PlatformConfig, Step } from '../../src/runbook/model.ts';
import { prearmSteps } from '../passive.ts';
import type { DeploymentModel, Move } from '../policy.ts';
import { activeLines, generalLines, inOrder } from '../steady.ts';
import { calls, gates, warnings } from '../steps/around.ts';
import { fences, ownOf, parks, readies, scaleUps, shrinks, stoppedOf, sumOf } from '../steps/fleets.ts';
import { dispatches, moves } from '../steps/namespaces.ts';
import { idsOf, tidy } from '../steps/order.ts';
import { type Part, wholeOf } from '../steps/part.ts';
import { landings, openings, shifts } from '../steps/routes.ts';
import { inFlight } from '../steps/step.ts';

/** `from` leaves: the route, then capacity, then what only it had. */
const leave = (part: Part, move: Move): readonly Step[] => {
  const { from, to } = move;
  const both = sumOf(from);
  const allowed = gates(part, 'route', move, []);
  const shifted = shifts(part, move, idsOf(allowed));
  const routed = idsOf(allowed, shifted);
  const rest = shifted.length === 0 ? [] : [inFlight(part, 'route', routed)];
  const joined = calls(part, 'scale', routed);
  const scaled = [...scaleUps(part, to, routed, [both, ownOf]), ...joined];
  const fenced = [...fences(part, from, routed), ...calls(part, 'fence', [...routed, ...idsOf(rest)])];
  const quiet = [...routed, ...idsOf(rest, fenced)];
  const held = gates(part, 'promote', move, quiet);
  const promoted = calls(part, 'promote', [...quiet, ...idsOf(held)]);
  const moved = moves(part, move, [...quiet, ...idsOf(held, promoted)]);
  const waits = readies(part, to, [...routed, ...idsOf(joined)], both);
  // What runs in the region works at once; the room that is added is waited for beside it.
  const worked = dispatches(part, move, [...quiet, ...idsOf(held, promoted, moved)]);
  const up = [...quiet, ...idsOf(scaled, held, promoted, moved, waits)];
  const caught = calls(part, 'ready', up);
  const done = [...up, ...idsOf(worked, caught)];
  const told = calls(part, 'after', done);
  const landed = landings(part, move, routed);
  const parked = parks(part, from, [...done, ...idsOf(told, landed)]);
  return [
    ...warnings(part, move),
    ...allowed,
    ...shifted,
    ...rest,
    ...scaled,
    ...fenced,
    ...held,
    ...promoted,
    ...moved,
    ...waits,
    ...worked,
    ...caught,
    ...told,
    ...landed,
    ...parked,
  ];
};

const withoutPromotion = (external: ExternalConfig): ExternalConfig => ({
  ...external,
  when: external.when.filter((w) => w !== 'promote'),
});

/** `to` is back beside `from`: capacity and what lives there first, users last, and then `from` need not carry both any more. */
const comeBack = (whole: Part, move: Move): readonly Step[] => {
  const { from, to } = move;
  // What lives in the first region goes back there, and nowhere else.
  const part = to === whole.platform.regions[0] ? whole : { ...whole, namespaces: [], externals: whole.externals.map(withoutPromotion) };
  const joined = calls(part, 'scale', []);
  const scaled = [...scaleUps(part, to, [], [ownOf, stoppedOf]), ...joined];
  const waits = readies(part, to, idsOf(joined));
  const ready = idsOf(scaled, waits);
  const held = gates(part, 'promote', move, ready);
  const promoted = calls(part, 'promote', [...ready, ...idsOf(held)]);
  const moved = moves(part, move, [...ready, ...idsOf(held, promoted)]);
  const up = [...ready, ...idsOf(held, promoted, moved)];
  const worked = dispatches(part, move, up);
  const caught = calls(part, 'ready', up);
  const allowed = gates(part, 'route', move, [...up, ...idsOf(worked, caught)]);
  const done = [...up, ...idsOf(worked, caught, allowed)];
  const opened = openings(part, move, done);
  const told = calls(part, 'after', [...done, ...idsOf(opened)]);
  const shrunk = shrinks(part, from, [...done, ...idsOf(opened, told)]);
  return [
    ...warnings(part, move),
    ...scaled,
    ...waits,
    ...held,
    ...promoted,
    ...moved,
    ...worked,
    ...caught,
    ...allowed,
    ...opened,
    ...told,
    ...shrunk,
  ];
};

const stepsOf = (platform: PlatformConfig, move: Move): readonly Step[] => {
  const part = wholeOf(platform);
  if (move.purpose === 'prearm') return prearmSteps(part, move, false);
  return move.purpose === 'failback' ? comeBack(part, move) : leave(part, move);
};

export const activeActive: DeploymentModel = {
  kind: 'active-active',
  question: 'Can both regions work at once, on data that allows it?',
  expand: (platform, move) => tidy(stepsOf(platform, move)),
  audit(platform, steady) {
    const part = wholeOf(platform);
    return inOrder([...activeLines(part, steady), ...generalLines(part, steady, platform.regions)]);
  },
};
