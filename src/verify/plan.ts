// What there is to look at after a deployment: by step and region, from the platform's configuration. Pure.
import type { ClusterConfig, ProbeSpec, TargetConfig } from '../model.ts';
import type { PlatformConfig, VerifyConfig } from '../runbook/model.ts';

export interface JobPoint {
  region: string;
  system: string;
  namespace: string;
  job: string;
}

export interface DeploymentPoint {
  region: string;
  system: string;
  namespace: string;
  deployment: string;
  /** It needs an autoscaler, a budget for disruptions and a policy of the network: workers, and what users meet. */
  guarded: boolean;
}

export interface ProbePoint {
  region: string;
  of: string;
  spec: ProbeSpec;
  from: TargetConfig['from'];
}

export interface VerifyPlan {
  jobs: readonly JobPoint[];
  deployments: readonly DeploymentPoint[];
  /** Entries of `systems` of kind `http`. */
  checks: readonly { region: string; system: string }[];
  probes: readonly ProbePoint[];
  /** Entries of namespaces, with the region that has to reach them. */
  namespaces: readonly { region: string; entry: string }[];
  sections: readonly { region: string; system: string; section: string }[];
}

const NOTHING: VerifyConfig = { deployments: [], checks: {} };

const deploymentsOf = (
  { fleets }: PlatformConfig,
  { deployments }: VerifyConfig,
  regions: readonly string[],
): readonly DeploymentPoint[] => [
  ...fleets.flatMap(({ kind, sites }) =>
    regions.flatMap((region) => {
      const site = sites[region];
      return site === undefined
        ? []
        : [{ region, system: site.system, namespace: site.namespace, deployment: site.deployment, guarded: kind === 'workers' }];
    }),
  ),
  ...deployments.flatMap(({ sites }) =>
    regions.flatMap((region) => {
      const site = sites[region];
      return site === undefined ? [] : [{ region, ...site, guarded: true }];
    }),
  ),
];

/** In the cluster in which the region's Deployments are. */
const jobsOf = ({ migration }: VerifyConfig, deployments: readonly DeploymentPoint[], regions: readonly string[]): readonly JobPoint[] => {
  if (migration === undefined) return [];
  const { namespace, job } = migration;
  const wanted = migration.regions.length === 0 ? regions : regions.filter((region) => migration.regions.includes(region));
  return wanted.flatMap((region) => {
    const site = deployments.find((each) => each.region === region);
    return site === undefined ? [] : [{ region, system: site.system, namespace, job }];
  });
};

const probesOf = (
  { services }: PlatformConfig,
  cluster: Pick<ClusterConfig, 'services'>,
  regions: readonly string[],
): readonly ProbePoint[] =>
  cluster.services
    .filter(({ name }) => services.includes(name))
    .flatMap(({ name, pools }) =>
      pools
        .filter(({ region }) => regions.includes(region))
        .flatMap(({ region, name: pool, targets }) =>
          targets.flatMap(({ name: target, from, healthz, readyz }) =>
            Object.entries({ healthz, readyz }).flatMap(([endpoint, spec]) =>
              spec === undefined ? [] : [{ region, of: `${endpoint} of ${name}/${pool}/${target}`, spec, from }],
            ),
          ),
        ),
    );

/** `httpOf`: whether an entry of the replica's file is of kind `http`, which of fleets' own checks are asked here. */
export const verifyPlan = (
  platform: PlatformConfig,
  cluster: Pick<ClusterConfig, 'services'>,
  regions: readonly string[],
  httpOf: (system: string) => boolean,
): VerifyPlan => {
  const { verify = NOTHING, fleets, namespaces } = platform;
  const deployments = deploymentsOf(platform, verify, regions);
  const ofFleets = (region: string): readonly string[] => fleets.flatMap(({ sites }) => sites[region]?.check ?? []).filter(httpOf);
  return {
    jobs: jobsOf(verify, deployments, regions),
    deployments,
    checks: regions.flatMap((region) =>
      [...new Set([...ofFleets(region), ...(verify.checks[region] ?? [])])].map((system) => ({ region, system })),
    ),
    probes: probesOf(platform, cluster, regions),
    namespaces: regions.flatMap((region) => namespaces.map(({ name }) => ({ region, entry: name }))),
    sections: regions.flatMap((region) => {
      const system = verify.health?.systems[region];
      return system === undefined ? [] : [{ region, system, section: verify.health?.section ?? '' }];
    }),
  };
};
