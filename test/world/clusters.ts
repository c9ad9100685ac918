// Configurations as stories and tests want them: every pool has targets with both endpoints, in the region of the same name.
import { policyOf } from '../../src/config/defaults.ts';
import type { Log } from '../../src/log.ts';
import type { ClusterConfig, PoolConfig, ServiceConfig } from '../../src/model.ts';

export const START_WALL_MS = Date.UTC(2026, 10, 22, 3, 12);

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** A cluster in which every pool has one target with both endpoints, in the region of the same name. */
export const clusterOf = (
  regions: readonly string[],
  services: readonly Partial<ServiceConfig>[],
  policy: Partial<ClusterConfig['policy']> = {},
): ClusterConfig => ({
  name: 'test',
  version: 1,
  regions: regions.map((name) => ({ name, vote: true, coordinator: true, anchors: [] })),
  services: services.map((s) => serviceOf(regions, s)),
  policy: { ...policyOf({}), ...policy },
  goals: { detectionMs: 30_000, convergenceMs: 60_000 },
});

export const serviceOf = (regions: readonly string[], s: Partial<ServiceConfig>): ServiceConfig => ({
  name: 'web',
  mode: 'auto',
  provider: 'memory',
  ttlS: 10,
  steering: { kind: 'weighted' },
  allDown: 'hold',
  pools: regions.map((region, i) => poolOf(region, 1, i)),
  converge: { authoritative: [], resolvers: [] },
  ...s,
});

export const poolOf = (region: string, weight: number, index: number, targets = 1): PoolConfig => ({
  name: region,
  region,
  weight,
  minUp: Math.ceil(targets / 2),
  answers: [`192.0.2.${index + 1}`],
  targets: Array.from({ length: targets }, (_, i) => ({
    name: targets === 1 ? 'app' : `app-${i + 1}`,
    from: 'all' as const,
    healthz: { kind: 'http' as const, url: `http://${region}-${i + 1}/healthz`, status: [[200, 299]] as const },
    readyz: { kind: 'http' as const, url: `http://${region}-${i + 1}/readyz`, status: [[200, 299]] as const },
  })),
});
