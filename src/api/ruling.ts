// Whether an order may stand: what the core, run on a copy of the state, says of it. An order is judged by what it does itself: what is refused anyway,
// elsewhere, is not its doing. `never-empty` yields to nobody; what else refuses, break-glass passes, and where the risk is high a second person agrees.
import type { ClusterConfig, Override, Refusal } from '../model.ts';
import type { Forecast } from '../whatif/forecast.ts';
import type { Hypothesis } from '../whatif/hypothesis.ts';
import { RefusedFault } from './problem.ts';
import { poolsUnder } from './scope.ts';

/** What would follow. null: there is no state to run the core on. */
export type Foresee = (hypotheses: readonly Hypothesis[]) => Forecast | null;

export interface Ruling {
  /** null: there was no state to run the core on. */
  forecast: Forecast | null;
  /** Of this order: those that refuse it, or that its break-glass passes. */
  refusals: readonly Refusal[];
  needsApproval: boolean;
  notes: readonly string[];
}

/** Rules that no break-glass passes: users would be left with nowhere to go. */
const NEVER_EMPTY = 'never-empty';
const ABSOLUTE = new Set([NEVER_EMPTY, 'last-pool']);

const NO_FORECAST = 'what follows could not be foretold: no state is known here yet; the core obeys or holds, and says why';

/** As it will be once it has begun and been agreed to: that is what has to be judged. */
const begun = (order: Override, nowMs: number): Override => {
  const { startsAtMs, approval: _, ...rest } = order;
  return startsAtMs === undefined ? rest : { ...rest, createdAtMs: nowMs, expiresAtMs: nowMs + (order.expiresAtMs - startsAtMs) };
};

const moves = ({ kind }: Override): boolean => kind !== 'freeze' && kind !== 'stop';

const same = (a: Refusal, b: Refusal): boolean => a.service === b.service && a.pool === b.pool && a.rule === b.rule;

/** Of what is foretold without its break-glass. What comes back up later, or has to wait after the order's own end, is not its doing. */
const ownRefusals = (order: Override, cluster: ClusterConfig, told: Forecast, foresee: Foresee): readonly Refusal[] => {
  // What moves nothing is never refused: whoever stops or freezes must not have to ask.
  const refusals = moves(order) ? told.refusals.filter((refusal) => refusal.order === undefined || refusal.order === order.id) : [];
  if (refusals.length === 0) return [];
  const anyway = refusals.some((refusal) => refusal.order === undefined) ? (foresee([])?.refusals ?? []) : [];
  const about = poolsUnder(order, cluster);
  return refusals.filter(
    (refusal) =>
      refusal.order === order.id ||
      about.some(({ service, pool }) => service.name === refusal.service && pool.name === refusal.pool) ||
      !anyway.some((each) => same(each, refusal)),
  );
};

/** Where one service of many has only this pool left, the others are served all the same: an order is refused when it would be obeyed nowhere. */
const unlessObeyedElsewhere = (order: Override, cluster: ClusterConfig, refusals: readonly Refusal[]): readonly Refusal[] => {
  const kept = refusals.filter(({ rule }) => rule === NEVER_EMPTY);
  const isKept = (service: string, pool: string): boolean =>
    kept.some((refusal) => refusal.service === service && (refusal.pool === pool || refusal.pool === '*'));
  const isNowhere = poolsUnder(order, cluster).every(({ service, pool }) => isKept(service.name, pool.name));
  return isNowhere ? refusals : refusals.filter(({ rule }) => rule !== NEVER_EMPTY);
};

/** Of an order that is given. */
export const ruleOn = (order: Override, cluster: ClusterConfig, foresee: Foresee, nowMs: number): Ruling => {
  const { breakGlass = false, ...plain } = begun(order, nowMs);
  const agreed = { ...plain, breakGlass: true, approval: { by: 'a second person', atMs: nowMs } } as const;
  const forecast = foresee([{ kind: 'override', override: breakGlass ? agreed : plain }]);
  // Nobody knows which rules it would pass.
  if (forecast === null) return { forecast, refusals: [], needsApproval: breakGlass && moves(order), notes: [NO_FORECAST] };
  // The core asks no rule that break-glass passes: what it passes shows without it.
  const judged = breakGlass && moves(order) ? (foresee([{ kind: 'override', override: plain }]) ?? forecast) : forecast;
  const refusals = unlessObeyedElsewhere(order, cluster, ownRefusals(order, cluster, judged, foresee));
  return {
    forecast,
    refusals,
    needsApproval: breakGlass && refusals.some(({ risk }) => risk === 'high'),
    notes: order.startsAtMs === undefined ? [] : ['foretold as if it began now'],
  };
};

/** Of an order that is taken back: nothing refuses that, since what follows is automation's, which obeys the rules itself. */
export const ruleOnEnd = (id: string, foresee: Foresee): Ruling => {
  const forecast = foresee([{ kind: 'override-gone', id }]);
  return { forecast, refusals: [], needsApproval: false, notes: forecast === null ? [NO_FORECAST] : [] };
};

const named = (refusals: readonly Refusal[]): string =>
  [...new Set(refusals.map(({ rule, service, pool, because }) => `${rule} refuses ${service}/${pool}: ${because}`))].slice(0, 3).join('; ');

/** Throws RefusedFault unless it may stand. */
export const demandAllowed = (order: Override, { refusals }: Ruling): void => {
  const absolute = refusals.filter(({ rule }) => ABSOLUTE.has(rule));
  if (absolute.length > 0) throw new RefusedFault(`${named(absolute)}; nothing passes this rule`, refusals);
  if (refusals.length > 0 && order.breakGlass !== true)
    throw new RefusedFault(`${named(refusals)}; nothing was written. breakGlass passes it, and pages`, refusals);
};
