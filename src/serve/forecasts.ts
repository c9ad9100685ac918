// Forecasts on what this replica saw last, with what only it knows: the paces of its file, the times it measured, and what its providers make of a route.
import type { Provider } from '../../providers/provider.ts';
import { createForecaster, type Forecaster } from '../api/forecaster.ts';
import { paceIn } from '../config/providers/index.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import type { Route, ServiceConfig } from '../model.ts';
import { desiredOf } from '../publish/plan.ts';
import type { Paths } from '../replica.ts';
import { type ConvergenceHistory, historyOf } from '../whatif/history.ts';
import type { Part } from './part.ts';

/** How long canaries took to arrive at resolvers, by provider, as far as this process has flown any. */
const canaryTimes = (paths: Paths | null): ConvergenceHistory['canaries'] =>
  Object.fromEntries(
    (paths?.providers() ?? []).flatMap(({ name, canary }) => {
      const spread = canary?.stages.resolver ?? null;
      return spread === null ? [] : [[name, spread] as const];
    }),
  );

/** What the provider would serve of a route. An adapter that cannot say so of a service it was not configured for says nothing. */
const quantised = (provider: Provider | undefined, service: ServiceConfig, route: Route): Route | null => {
  try {
    return provider?.quantise(desiredOf(service, { route })) ?? null;
  } catch {
    return null;
  }
};

export const openForecaster = (
  { context: { ports }, seen }: Part,
  { providers, current }: { providers: ReadonlyMap<string, Provider>; current: () => ReplicaConfig },
): Forecaster =>
  createForecaster({
    ports,
    snapshot: seen.snapshot,
    clusterNowMs: seen.nowMs,
    knows() {
      const sight = seen.sight();
      return {
        pace: paceIn(current()),
        ...(sight?.cluster == null ? {} : { history: historyOf(sight.cluster, sight.incidents, canaryTimes(seen.paths())) }),
        quantise: (provider, service, route) => quantised(providers.get(provider), service, route),
      };
    },
  });
