// The world as a running replica tells it, where nobody else can read its store. Some of it a replica does not tell; then `from` says so. Pure.
import type { HealthDetail } from '../api/health-detail.ts';
import type { StatusDocument } from '../api/status.ts';
import type { Fleet } from '../health/fleet.ts';
import type { ClusterConfig } from '../model.ts';
import type { World } from './tools.ts';

type Checks = HealthDetail['checks'];

/** What was measured; null: it was not, or is no number. */
export const measuredIn = (checks: Checks, name: string, componentId?: string): number | null => {
  const found = checks[name]?.find((check) => componentId === undefined || check.componentId === componentId)?.observedValue;
  return typeof found === 'number' ? found : null;
};

const fleetIn = ({ votes }: StatusDocument, checks: Checks): Fleet => {
  const heard = votes.vantages.filter(({ ageMs, version }) => ageMs !== null && version !== null);
  const versions = [...Map.groupBy(heard, ({ version }) => version)].map(([version, those]) => ({
    version,
    replicas: those.map(({ region, replica }) => `${region}/${replica}`),
  }));
  return { versions, clocks: [], skewMs: 1000 * (measuredIn(checks, 'clock:skew') ?? 0) };
};

/** `cluster`: of the file that the replica runs, which is where an embedded store has it from. */
export const worldTold = (cluster: ClusterConfig, status: StatusDocument, checks: Checks): World => {
  const { coordinator, votes, overrides, services } = status;
  const { freshMs } = cluster.policy;
  const renewedAgoS = measuredIn(checks, 'coordinator:renewedAgo');
  return {
    from: 'replica',
    cluster: { ...cluster, version: status.cluster.version },
    routing: null,
    overrides: { version: overrides.version, nonce: '', items: overrides.items },
    leader: coordinator === null ? null : { ...coordinator, boot: '', n: 0, nonce: '' },
    leaderAgeMs: renewedAgoS === null ? Number.POSITIVE_INFINITY : 1000 * renewedAgoS,
    heard: votes.vantages.map(({ region, replica, ageMs, configVersion, self }) => ({
      region,
      replica,
      isFresh: ageMs !== null && ageMs <= freshMs,
      configVersion,
      abstains: self.state === 'abstain' ? self.because : null,
    })),
    refused: votes.refused,
    fleet: fleetIn(status, checks),
    applied: new Map(
      services.flatMap(({ name, paths }) =>
        paths.flatMap(({ provider, applied }) => (applied === null ? [] : [[`${provider}/${name}`, applied] as const])),
      ),
    ),
    pages: [],
    listenedMs: freshMs,
    unfit: [],
  };
};
