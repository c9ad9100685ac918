// Capacity: those who serve after a change must be able to carry the load. What was reported counts while it is fresh, else what is configured; what nobody
// said is unknown. Only pools whose share grows are looked at: what was too much already is not this change's doing.
import type { Reported } from '../../src/model.ts';
import { type RouteChange, ruleOf, type World } from '../policy.ts';

interface CapacitySettings {
  headroomPercent: number;
  onHealth: 'warn' | 'hold';
  onUnknown: 'allow' | 'refuse';
}

/** What a service's pools would have to carry: load, and what is known of what each can bear. */
export interface Bearing {
  load: number | null;
  capacity: Readonly<Record<string, number | null>>;
  source: 'reported' | 'configured';
}

const freshReport = ({ reported }: World, service: string, nowMs: number): Reported | null => {
  const report = reported?.services[service];
  return report !== undefined && nowMs < report.expiresAtMs ? report : null;
};

/** Load and capacity of a service as the rule counts them: a pool with half of its targets up bears half. */
const bearingOf = (service: RouteChange['service'], world: World, nowMs: number): Bearing => {
  const report = freshReport(world, service.name, nowMs);
  const healthy = (pool: string): number => {
    const state = world.pools.find((p) => p.service === service.name && p.pool === pool);
    return state?.verdict === 'up' && state.total > 0 ? state.up / state.total : 1;
  };
  const capacity = Object.fromEntries(
    service.pools.map((p): [string, number | null] => {
      const whole = report?.capacity[p.name] ?? p.capacity ?? null;
      return [p.name, whole === null ? null : whole * healthy(p.name)];
    }),
  );
  return { load: report?.load ?? service.load ?? null, capacity, source: report === null ? 'configured' : 'reported' };
};

const round = (x: number): string => String(Math.round(x * 10) / 10);

interface Short {
  pool: string;
  needs: number;
  bears: number;
}

const shortIn = ({ before, after, service }: RouteChange, { load, capacity }: Bearing, headroomPercent: number): readonly Short[] =>
  service.pools.flatMap(({ name }): Short[] => {
    const share = after[name] ?? 0;
    const bears = capacity[name] ?? null;
    if (load === null || bears === null || share <= (before[name] ?? 0)) return [];
    const needs = (load * share) / 1000;
    return needs > (bears * headroomPercent) / 100 + 1e-9 ? [{ pool: name, needs, bears }] : [];
  });

export const capacity = ruleOf<CapacitySettings>({
  kind: 'capacity',
  question: 'Can those who serve after this change carry the load?',
  risk: 'high',
  passedBy: 'break-glass',
  mayHoldTheDead: false,
  judges: ['health', 'order'],
  defaults: { headroomPercent: 80, onHealth: 'warn', onUnknown: 'allow' },
  judge(change, world, { headroomPercent, onHealth, onUnknown }, nowMs) {
    const bearing = bearingOf(change.service, world, nowMs);
    const growing = change.service.pools.filter((p) => (change.after[p.name] ?? 0) > (change.before[p.name] ?? 0));
    const unknown = growing.filter((p) => bearing.capacity[p.name] === null).map((p) => p.name);
    const isUnknown = growing.length > 0 && (bearing.load === null || unknown.length > 0);
    const short = shortIn(change, bearing, headroomPercent);
    const worst = short.toSorted((a, b) => b.needs / b.bears - a.needs / a.bears)[0];
    if (worst === undefined && !(isUnknown && onUnknown === 'refuse')) return { allow: true };
    if (worst === undefined) {
      const what = bearing.load === null ? `the load of ${change.service.name}` : `the capacity of ${unknown.join(', ')}`;
      const because = `${what} is unknown, for 1 of its ${change.service.pools.length} pools or more`;
      if (change.cause === 'health' && onHealth === 'warn') return { allow: true, warn: { because } };
      return { allow: false, because, againAtMs: null, counterfactual: 'a report or a configured number would let it be judged' };
    }
    const used = worst.bears === 0 ? 'it can bear nothing' : `${Math.round((worst.needs * 100) / worst.bears)} % of it`;
    const because = `${worst.pool} would carry ${round(worst.needs)} of ${round(worst.bears)} (${used}; limit ${headroomPercent} %, ${bearing.source})${short.length > 1 ? `, and ${short.length - 1} more` : ''}`;
    if (change.cause === 'health' && onHealth === 'warn') return { allow: true, warn: { because } };
    const missing = (worst.needs * 100) / headroomPercent - worst.bears;
    return {
      allow: false,
      because,
      againAtMs: null,
      counterfactual: `with ${round(missing)} more capacity in ${worst.pool} it would have passed`,
    };
  },
});
