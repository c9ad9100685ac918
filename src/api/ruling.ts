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
const ABSOLUTE = new Set(['never-empty', 'last-pool']);

export const NO_FORECAST = 'what follows could not be foretold: no state is known here yet; the core obeys or holds, and says why';

/** As it will be once it has begun and been agreed to: that is what has to be judged. */
const begun = (order: Override, nowMs: number): Override => {
  const { startsAtMs, approval: _, ...rest } = order;
  return startsAtMs === undefined ? rest : { ...rest, createdAtMs: nowMs, expiresAtMs: nowMs + (order.expiresAtMs - startsAtMs) };
};

const moves = ({ kind }: Override): boolean => kind !== 'freeze' && kind !== 'stop';

const same = (a: Refusal, b: Refusal): boolean => a.service === b.service && a.pool === b.pool && a.rule === b.rule;

const ownRefusals = (order: Override, cluster: ClusterConfig, { refusals }: Forecast, foresee: Foresee): readonly Refusal[] => {
  if (refusals.length === 0) return [];
  const anyway = foresee([])?.refusals ?? [];
  const about = moves(order) ? poolsUnder(order, cluster) : [];
  return refusals.filter(
    (refusal) =>
      about.some(({ service, pool }) => service.name === refusal.service && pool.name === refusal.pool) ||
      !anyway.some((each) => same(each, refusal)),
  );
};

/** Of an order that is given. */
export const ruleOn = (order: Override, cluster: ClusterConfig, foresee: Foresee, nowMs: number): Ruling => {
  const forecast = foresee([{ kind: 'override', override: begun(order, nowMs) }]);
  if (forecast === null) return { forecast, refusals: [], needsApproval: false, notes: [NO_FORECAST] };
  const refusals = ownRefusals(order, cluster, forecast, foresee);
  return {
    forecast,
    refusals,
    needsApproval: order.breakGlass === true && refusals.some(({ risk }) => risk === 'high'),
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
