// Active/Active: both regions run and work. What is lost is a share: users leave first, then the region that is left gets room for them, and only what was
// active in the lost one is moved.
import type { Step } from '../../src/runbook/model.ts';
import type { ExternalConfig, PlatformConfig } from '../../src/runbook/platform.ts';
import { prearmSteps } from '../passive.ts';
import type { DeploymentModel, Move } from '../policy.ts';
import { activeLines, generalLines, inOrder } from '../steady.ts';
import { calls, gates, warnings } from '../steps/around.ts';
import {
  dataFences,
  inPeace,
  isWriterLeft,
  lags,
  promotions,
  refreshes,
  rejoins,
  reopened,
  verifies,
  withoutTiers,
} from '../steps/data.ts';
import { fences, ownOf, parks, readies, scaleUps, shrinks, stoppedOf, sumOf } from '../steps/fleets.ts';
import { dispatches, moves } from '../steps/namespaces.ts';
import { idsOf, tidy } from '../steps/order.ts';
import { type Part, wholeOf } from '../steps/part.ts';
import { landings, openings, shifts } from '../steps/routes.ts';
import { inFlight } from '../steps/step.ts';

/** `from` leaves: the route, then capacity, then what only it had. */
const leave = (whole: Part, move: Move): readonly Step[] => {
  const { from, to } = move;
  // What has its writer elsewhere loses a reader.
  const part = isWriterLeft(move) ? whole : withoutTiers(whole);
  const both = sumOf(from);
  const behind = lags(part, move, []);
  const allowed = gates(part, 'route', move, []);
  const shifted = shifts(part, move, idsOf(inPeace(behind), allowed));
  const routed = idsOf(inPeace(behind), allowed, shifted);
  const rest = shifted.length === 0 ? [] : [inFlight(part, 'route', routed)];
  const joined = calls(part, 'scale', routed);
  const scaled = [...scaleUps(part, to, routed, [both, ownOf]), ...joined];
  const cut = dataFences(part, move, []);
  const fenced = [...fences(part, from, routed), ...calls(part, 'fence', [...routed, ...idsOf(rest)])];
  const quiet = [...routed, ...idsOf(rest, fenced)];
  const held = gates(part, 'promote', move, quiet);
  const still = [...quiet, ...idsOf(behind, held)];
  const promoted = [...calls(part, 'promote', still), ...promotions(part, move, [...still, ...idsOf(cut)])];
  const filled = refreshes(part, move, quiet);
  const moved = moves(part, move, [...still, ...idsOf(promoted)]);
  const waits = readies(part, to, [...routed, ...idsOf(joined)], both);
  // What runs in the region works at once; the room that is added is waited for beside it.
  const worked = dispatches(part, move, [...quiet, ...idsOf(held, promoted, moved)]);
  const up = [...quiet, ...idsOf(scaled, held, promoted, moved, waits)];
  const caught = calls(part, 'ready', up);
  const done = [...up, ...idsOf(worked, caught)];
  const told = calls(part, 'after', done);
  const landed = landings(part, move, routed);
  const verified = verifies(part, move, [...done, ...idsOf(landed)]);
  const over = [...done, ...idsOf(told, landed, verified)];
  const parked = [...parks(part, from, over), ...rejoins(part, move, over)];
  return [
    ...warnings(part, move),
    ...behind,
    ...allowed,
    ...shifted,
    ...rest,
    ...scaled,
    ...cut,
    ...fenced,
    ...held,
    ...promoted,
    ...filled,
    ...moved,
    ...waits,
    ...worked,
    ...caught,
    ...told,
    ...landed,
    ...verified,
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
  const isHome = to === whole.platform.regions[0];
  const home = isHome ? whole : { ...whole, namespaces: [], externals: whole.externals.map(withoutPromotion) };
  const part = isHome && isWriterLeft(move) ? home : withoutTiers(home);
  const behind = lags(part, move, []);
  const joined = calls(part, 'scale', []);
  const scaled = [...scaleUps(part, to, [], [ownOf, stoppedOf]), ...joined];
  const cut = dataFences(part, move, []);
  const waits = readies(part, to, idsOf(joined));
  const ready = idsOf(behind, scaled, waits);
  const held = gates(part, 'promote', move, ready);
  const still = [...ready, ...idsOf(held)];
  const promoted = [...calls(part, 'promote', still), ...promotions(part, move, [...still, ...idsOf(cut)])];
  const filled = refreshes(part, move, ready);
  // Whoever is promoted there lets its clients in; where nobody is, they reach the writer through the same poolers.
  const free = part.databases.length === 0 ? reopened(whole, move, still) : [];
  const moved = moves(part, move, [...still, ...idsOf(promoted)]);
  const up = [...still, ...idsOf(promoted, free, moved)];
  const worked = dispatches(part, move, up);
  const caught = calls(part, 'ready', up);
  const allowed = gates(part, 'route', move, [...up, ...idsOf(worked, caught)]);
  const done = [...up, ...idsOf(worked, caught, allowed)];
  const opened = openings(part, move, done);
  const told = calls(part, 'after', [...done, ...idsOf(opened)]);
  const verified = verifies(part, move, [...done, ...idsOf(opened)]);
  const over = [...done, ...idsOf(opened, told, verified)];
  const shrunk = [...shrinks(part, from, over), ...rejoins(part, move, over)];
  return [
    ...warnings(part, move),
    ...behind,
    ...scaled,
    ...waits,
    ...cut,
    ...held,
    ...promoted,
    ...filled,
    ...free,
    ...moved,
    ...worked,
    ...caught,
    ...allowed,
    ...opened,
    ...told,
    ...verified,
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
