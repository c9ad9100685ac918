// The safety rules of the configuration, asked about one change of one service. What they may look at is built here once per decision. Pure.
import { safetyOf } from '../../policies/index.ts';
import type { Reminder, RouteChange, World } from '../../policies/policy.ts';
import { databasesBehind } from '../../policies/safety/tier.ts';
import type { ClusterConfig, Policy, PoolTally, Route, Routing, ServiceConfig, ServiceRouting } from '../model.ts';
import { type Bench, carries, configuredRouteOf, type RuleRefusal, routeOf, withReserve } from './bench.ts';
import type { Pass } from './override.ts';
import type { Snapshot } from './snapshot.ts';

export interface Judgement {
  /** The first rule that refuses, in configured order. */
  refusal: RuleRefusal | null;
  /** Rules that let it pass at a price. */
  warnings: readonly { rule: string; because: string }[];
}

/** The world of this decision; `routes` are those of before, to be kept up as services are decided. */
export const worldOf = (snapshot: Snapshot, routing: Routing, tallies: readonly PoolTally[]): World & { routes: Map<string, Route> } => {
  let pools: World['pools'] | null = null;
  return {
    cluster: snapshot.cluster,
    routing,
    // Most decisions ask no rule that looks at them.
    get pools() {
      pools ??= poolsOf(snapshot, tallies);
      return pools;
    },
    routes: new Map(Object.entries(routing.services).map(([name, { route }]) => [name, route])),
    reported: snapshot.reported ?? null,
    tiers: snapshot.tiers ?? null,
  };
};

const poolsOf = ({ cluster }: Snapshot, tallies: readonly PoolTally[]): World['pools'] => {
  const shares = new Map(cluster.services.map((service) => [service.name, configuredRouteOf(service)]));
  return tallies.map(({ service, pool, region, verdict, up, total }) => ({
    service,
    pool,
    region,
    verdict,
    up,
    total,
    configuredShare: shares.get(service)?.[pool] ?? 0,
  }));
};

interface Asking {
  /** Rules that it passes are not asked. Here, and not only where orders are taken: what a rule says may have changed since. */
  pass?: Pass;
  /** Everything is on pools that are out, and another is up: only what ends by itself soon may hold that. */
  onTheDead?: boolean;
  /** This rule alone is asked. */
  only?: string;
}

/** Rules in force: the configured ones, and where users of a service write to a database the one that nobody should be able to forget. */
export const rulesOn = (cluster: ClusterConfig, service: string): Policy['safety'] => {
  const { safety } = cluster.policy;
  return databasesBehind(cluster, service).length === 0 ? safety : { tier: {}, ...safety };
};

/** Asks every rule in force that judges such a change. */
export const judged = (
  change: RouteChange,
  world: World,
  nowMs: number,
  { pass = 'none', onTheDead = false, only }: Asking = {},
): Judgement => {
  const warnings: { rule: string; because: string }[] = [];
  for (const [kind, settings] of Object.entries(rulesOn(world.cluster, change.service.name))) {
    const rule = safetyOf(kind);
    if (rule === undefined || (only !== undefined && kind !== only) || !rule.judges.includes(change.cause)) continue;
    const isPassed = rule.passedBy === 'break-glass' && (pass === 'all' || (pass === 'low' && rule.risk === 'low'));
    if (isPassed || (onTheDead && !rule.mayHoldTheDead)) continue;
    const ruling = rule.judge(change, world, settings, nowMs);
    if (!ruling.allow) {
      const { because, againAtMs, counterfactual } = ruling;
      return { refusal: { rule: kind, risk: rule.risk, because, againAtMs, counterfactual }, warnings };
    }
    if (ruling.warn !== undefined) warnings.push({ rule: kind, because: ruling.warn.because });
  }
  return { refusal: null, warnings };
};

/** What the rules have to say of a service although nothing changes, for its status too. */
export const remindersOf = (
  service: ServiceConfig,
  memory: ServiceRouting,
  safety: Policy['safety'],
  nowMs: number,
): readonly (Reminder & { rule: string })[] =>
  memory.mode !== 'auto'
    ? []
    : Object.entries(safety).flatMap(([rule, settings]) => {
        const reminder = safetyOf(rule)?.remind?.(service, memory, settings, nowMs) ?? null;
        return reminder === null ? [] : [{ rule, ...reminder }];
      });

/** The same as it is remembered, once told. */
export const remindedOf = (...of: Parameters<typeof remindersOf>): ServiceRouting['reminded'] => {
  const stages = remindersOf(...of).map(({ rule, stage }) => `${rule}:${stage}`);
  return stages.length === 0 ? undefined : stages;
};

/** Does a safety rule stand in the way of this service becoming so? null: none does. */
export type Ask = (bench: Bench, cause: 'order' | 'return', pass?: Pass, onTheDead?: boolean) => RuleRefusal | null;

const isSameRoute = (a: Route, b: Route): boolean => Object.keys({ ...a, ...b }).every((pool) => (a[pool] ?? 0) === (b[pool] ?? 0));

export const askOf =
  (world: World, nowMs: number): Ask =>
  (bench, cause, pass = 'none', onTheDead = false) => {
    const before = bench.before?.route ?? {};
    if (bench.before === null || bench.before.fence === 0) return null;
    const served = carries(bench) ? bench : withReserve(bench, nowMs);
    // What is done when nobody is left is never-empty's business.
    if (!carries(served)) return null;
    const after = routeOf(served);
    if (isSameRoute(before, after)) return null;
    return judged({ service: bench.service, before, after, drains: [], cause }, world, nowMs, { pass, onTheDead }).refusal;
  };
