// What there is to look at after a deployment: by step and region, from the platform's configuration. Pure.
import type { ClusterConfig, ProbeSpec, TargetConfig } from '../model.ts';
import type { PlatformConfig, VerifyConfig } from '../runbook/platform.ts';
import { servesEverywhere } from '../runbook/run.ts';
import type { SystemKind } from '../runbook/systems.ts';
import type { StepName } from './line.ts';

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
  /** So many are wanted while its region is not the active one. null: the region always is, or nobody said. */
  standby: number | null;
}

export const CHECK_KINDS = ['http', 'codec', 'grpc'] as const;

/** What is asked whether it works, as audits ask it. */
export interface CheckPoint {
  region: string;
  /** Entry of `systems`, of that kind. */
  system: string;
  kind: (typeof CHECK_KINDS)[number];
}

const isCheckKind = (kind: SystemKind | undefined): kind is CheckPoint['kind'] => CHECK_KINDS.some((each) => each === kind);

/** What is to be looked at and can't be. */
export interface Unasked {
  step: StepName;
  of: string;
  region: string;
  because: string;
  fix: string;
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
  checks: readonly CheckPoint[];
  probes: readonly ProbePoint[];
  /** Entries of namespaces, with the region that has to reach them. */
  namespaces: readonly { region: string; entry: string }[];
  sections: readonly { region: string; system: string; section: string }[];
  unasked: readonly Unasked[];
}

const NOTHING: VerifyConfig = { deployments: [], checks: {} };

const deploymentsOf = (
  { fleets, model }: PlatformConfig,
  { deployments }: VerifyConfig,
  regions: readonly string[],
): readonly DeploymentPoint[] => [
  ...fleets.flatMap(({ kind, sites }) =>
    regions.flatMap((region) => {
      const site = sites[region];
      return site === undefined
        ? []
        : [
            {
              region,
              system: site.system,
              namespace: site.namespace,
              deployment: site.deployment,
              guarded: kind === 'workers',
              standby: servesEverywhere(model) ? null : site.standby,
            },
          ];
    }),
  ),
  ...deployments.flatMap(({ sites }) =>
    regions.flatMap((region) => {
      const site = sites[region];
      return site === undefined ? [] : [{ region, ...site, guarded: true, standby: null }];
    }),
  ),
];

/** In the cluster in which the region's Deployments are. */
const jobsOf = (
  { migration }: VerifyConfig,
  deployments: readonly DeploymentPoint[],
  regions: readonly string[],
): { jobs: readonly JobPoint[]; unasked: readonly Unasked[] } => {
  if (migration === undefined) return { jobs: [], unasked: [] };
  const { namespace, job } = migration;
  const wanted = migration.regions.length === 0 ? regions : regions.filter((region) => migration.regions.includes(region));
  const systemOf = (region: string): string | undefined => deployments.find((each) => each.region === region)?.system;
  return {
    jobs: wanted.flatMap((region) => {
      const system = systemOf(region);
      return system === undefined ? [] : [{ region, system, namespace, job }];
    }),
    unasked: wanted
      .filter((region) => systemOf(region) === undefined)
      .map((region) => ({
        step: 'migration',
        of: `Job ${namespace}/${job}`,
        region,
        because: `the platform names no cluster in ${region}`,
        fix: 'name one by a fleet or a Deployment of verify there, or name the regions of the migration',
      })),
  };
};

/** What fleets are asked by. */
const fleetChecks = (
  { fleets }: PlatformConfig,
  region: string,
  kindOf: (system: string) => SystemKind | undefined,
): { asked: readonly CheckPoint[]; unasked: readonly Unasked[] } => {
  const all = [...new Set(fleets.flatMap(({ sites }) => sites[region]?.check ?? []))];
  return {
    asked: all.flatMap((system) => {
      const kind = kindOf(system);
      return isCheckKind(kind) ? [{ region, system, kind }] : [];
    }),
    unasked: all
      .filter((system) => !isCheckKind(kindOf(system)))
      .map((system) => ({
        step: 'health',
        of: system,
        region,
        because: `this file names no ${system}`,
        fix: 'run this with the file of a replica that names it',
      })),
  };
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

/** `kindOf`: of an entry of the replica's file; undefined: it names none. */
export const verifyPlan = (
  platform: PlatformConfig,
  cluster: Pick<ClusterConfig, 'services'>,
  regions: readonly string[],
  kindOf: (system: string) => SystemKind | undefined,
): VerifyPlan => {
  const { verify = NOTHING, namespaces } = platform;
  const deployments = deploymentsOf(platform, verify, regions);
  const { jobs, unasked } = jobsOf(verify, deployments, regions);
  const ofFleets = (region: string) => fleetChecks(platform, region, kindOf);
  return {
    jobs,
    deployments,
    checks: regions.flatMap((region) => {
      const { asked } = ofFleets(region);
      const more = (verify.checks[region] ?? []).filter((name) => !asked.some(({ system }) => system === name));
      return [...asked, ...more.map((system): CheckPoint => ({ region, system, kind: 'http' }))];
    }),
    probes: probesOf(platform, cluster, regions),
    namespaces: regions.flatMap((region) => namespaces.map(({ name }) => ({ region, entry: name }))),
    sections: regions.flatMap((region) => {
      const system = verify.health?.systems[region];
      return system === undefined ? [] : [{ region, system, section: verify.health?.section ?? '' }];
    }),
    unasked: [...unasked, ...regions.flatMap((region) => ofFleets(region).unasked)],
  };
};
