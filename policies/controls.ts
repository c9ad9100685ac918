// Controls of the rules `assertion` and `gating`, in the manner of AWS ARC: a control is `service/pool`, and it is on while that pool carries traffic. A rule
// counts the controls that are on. What both kinds share is here: they differ in which controls they count. Pure.
import type { Route } from '../src/model.ts';
import type { RouteChange, Ruling, World } from './policy.ts';

export interface Counting {
  name: string;
  type: 'ATLEAST' | 'AND' | 'OR';
  /** Of ATLEAST. */
  threshold: number;
  inverted: boolean;
  /** So long after a control that it guards changed, none of them may change again. */
  waitPeriodMs: number;
}

export const namesOf = (control: string): { service: string; pool: string } => {
  const at = control.indexOf('/');
  return { service: control.slice(0, at), pool: control.slice(at + 1) };
};

/** Whether a control is on before and after a change. */
export interface Control {
  name: string;
  before: boolean;
  after: boolean;
}

export const controlsOf = (names: readonly string[], change: RouteChange, world: World): readonly Control[] =>
  names.map((name) => {
    const { service, pool } = namesOf(name);
    const isOn = (route: Route | undefined): boolean => (route?.[pool] ?? 0) > 0;
    if (service === change.service.name) return { name, before: isOn(change.before), after: isOn(change.after) };
    const other = isOn(world.routes.get(service));
    return { name, before: other, after: other };
  });

const needOf = ({ type, threshold }: Counting, controls: number): number =>
  type === 'ATLEAST' ? threshold : type === 'AND' ? controls : 1;

/** How many controls would have to be switched for it to hold; 0: it holds. */
export const lacking = (counting: Counting, controls: readonly boolean[]): number => {
  const on = controls.filter(Boolean).length;
  const need = needOf(counting, controls.length);
  return counting.inverted ? Math.max(0, on - need + 1) : Math.max(0, need - on);
};

/** When the last of these pools changed to or from carrying, plus the wait; null: long enough ago. */
const waitUntilMs = (names: readonly string[], { routing }: World, waitPeriodMs: number, nowMs: number): number | null => {
  const last = names
    .map(namesOf)
    .map(({ service, pool }) => {
      const known = routing.services[service];
      // A service that has just begun has not changed.
      return known === undefined || known.pools[pool]?.sinceAtMs === known.sinceAtMs ? 0 : (known.pools[pool]?.sinceAtMs ?? 0);
    })
    .reduce((a, b) => Math.max(a, b), 0);
  return waitPeriodMs > 0 && nowMs < last + waitPeriodMs ? last + waitPeriodMs : null;
};

/** Of a change of one of `guarded`, which are called `what`. */
export const ruleOnWait = (
  { name, waitPeriodMs }: Counting,
  guarded: readonly string[],
  what: string,
  world: World,
  nowMs: number,
): Ruling => {
  const untilMs = waitUntilMs(guarded, world, waitPeriodMs, nowMs);
  if (untilMs === null) return { allow: true };
  return {
    allow: false,
    because: `one of the ${guarded.length} ${what} of ${name} changed less than ${waitPeriodMs / 1000} s ago; again in ${Math.ceil((untilMs - nowMs) / 1000)} s`,
    againAtMs: untilMs,
    counterfactual: 'without a change of another of them it would have passed',
  };
};

/** The first refusal, or that nobody refuses. */
export const ruleOnEach = <T>(rules: readonly T[], judge: (rule: T) => Ruling): Ruling => {
  for (const rule of rules) {
    const ruling = judge(rule);
    if (!ruling.allow) return ruling;
  }
  return { allow: true };
};

export const says = (counting: Counting, controls: number): string =>
  `${counting.inverted ? 'fewer than ' : ''}${needOf(counting, controls)} of ${controls}`;
