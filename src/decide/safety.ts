// The safety rules of the configuration, asked about one change of one service. What they may look at is built here once per decision. Pure.
import { safetyOf } from '../../policies/index.ts';
import type { RouteChange, World } from '../../policies/policy.ts';
import type { Policy, PoolTally, Refusal, Route, ServiceConfig } from '../model.ts';
import { configuredRouteOf } from './bench.ts';
import type { Snapshot } from './snapshot.ts';

/** A refusal before it is known whose pools it holds. */
export type RuleRefusal = Omit<Refusal, 'service' | 'pool'>;

export interface Judgement {
  /** The first rule that refuses, in configured order. */
  refusal: RuleRefusal | null;
  /** Rules that let it pass at a price. */
  warnings: readonly { rule: string; because: string }[];
}

/** The world of this decision. `routes`: those of before; what is decided since is put over it. */
export const worldOf = (snapshot: Snapshot, routing: World['routing'], tallies: readonly PoolTally[]): World => {
  const shares = new Map(snapshot.cluster.services.map((service) => [service.name, configuredRouteOf(service)]));
  return {
    cluster: snapshot.cluster,
    routing,
    pools: tallies.map(({ service, pool, region, verdict, up, total }) => ({
      service,
      pool,
      region,
      verdict,
      up,
      total,
      configuredShare: shares.get(service)?.[pool] ?? 0,
    })),
    routes: Object.fromEntries(Object.entries(routing.services).map(([name, { route }]) => [name, route])),
    reported: snapshot.reported ?? null,
  };
};

export const withRoute = (world: World, service: ServiceConfig, route: Route): World => ({
  ...world,
  routes: { ...world.routes, [service.name]: route },
});

/** Asks every configured rule that judges such a change. `breakGlass`: rules that it passes are not asked. */
export const judged = (
  change: RouteChange,
  world: World,
  safety: Policy['safety'],
  nowMs: number,
  breakGlass: boolean = false,
): Judgement => {
  const warnings: { rule: string; because: string }[] = [];
  for (const [kind, settings] of Object.entries(safety)) {
    const rule = safetyOf(kind);
    if (rule === undefined || !rule.judges.includes(change.cause)) continue;
    if (breakGlass && rule.passedBy === 'break-glass') continue;
    const ruling = rule.judge(change, world, settings, nowMs);
    if (!ruling.allow) {
      const { because, againAtMs, counterfactual } = ruling;
      return { refusal: { rule: kind, risk: rule.risk, because, againAtMs, counterfactual }, warnings };
    }
    if (ruling.warn !== undefined) warnings.push({ rule: kind, because: ruling.warn.because });
  }
  return { refusal: null, warnings };
};
