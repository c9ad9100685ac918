// What the core decides about a name that nobody resolves when the pool that carries it is supposed dead: the real votes, on a service put in the place of the
// cluster's own, through the very decide of a real failover. Also whether anybody may rehearse now. Pure.
import { endsAtMs, type FreezeWindow } from '../../policies/safety/freeze-windows.ts';
import { type CanaryConfig, canaryService } from '../config/canary.ts';
import { activeOverrides } from '../decide/override.ts';
import { blankRouting } from '../decide/snapshot.ts';
import { newUnderstudy, step, type Understudy } from '../decide/understudy.ts';
import type { Heard } from '../health/chamber.ts';
import { configHash } from '../health/config-hash.ts';
import { VOTERS_MIN, votersOf } from '../health/electorate.ts';
import {
  type ClusterConfig,
  type Incident,
  type Overrides,
  type PoolConfig,
  pathsOf,
  type Routing,
  type ServiceRouting,
} from '../model.ts';
import { imagine } from '../whatif/hypothesis.ts';

export interface Stand {
  cluster: ClusterConfig;
  heard: readonly Heard[];
}

/** `held`: the quorum would not have moved it now, and why. */
export type Rehearsal = { decided: ServiceRouting } | { held: string };

/** The instant passes for the core only: what it waits for before it trusts first verdicts comes due within this. */
const LOOKS_MAX = 120;
const LOOK_MS = 1000;
const TARGET: PoolConfig['targets'][number] = {
  name: 'synthetic',
  from: 'all',
  healthz: { kind: 'http', url: 'http://192.0.2.1/healthz', status: [[200, 200]] },
};

/** The cluster with nothing to decide but the name: all on `from`, `to` stands by. Rules that guard users' services have no say in it; who votes, and when that is a quorum, is as it is. */
const stageOf = (cluster: ClusterConfig, canary: CanaryConfig, from: string, to: string): ClusterConfig => {
  const service = canaryService(canary);
  const regions = cluster.regions.map(({ name }) => name);
  const pools = service.pools
    .filter(({ name }) => name === from || name === to)
    .map((pool, i) => ({
      ...pool,
      region: regions[i % regions.length] ?? pool.name,
      weight: pool.name === from ? 1 : 0,
      targets: [TARGET],
    }));
  return { ...cluster, services: [{ ...service, pools, steering: { kind: 'weighted' } }], policy: { ...cluster.policy, safety: {} } };
};

/** The votes as they are, of vantages that cover the configuration in force; of the users' targets they say nothing here. */
const recast = ({ cluster, heard }: Stand, stage: ClusterConfig): readonly Heard[] => {
  const hash = configHash(cluster);
  return heard
    .filter(({ vote }) => vote.configVersion === cluster.version && (vote.configHash === undefined || vote.configHash === hash))
    .map(({ vote: { configHash: _, gray: __, ...vote }, beat, ...rest }) => ({
      ...rest,
      vote: { ...vote, configVersion: stage.version, down: [], unready: [], unknown: [] },
      beat: beat === null ? null : { ...beat, suspects: {} },
    }));
};

/** Looks again and again, as a coordinator does, until it is so; null: it never is. */
const until = (before: Understudy, heard: readonly Heard[], fromMs: number, isSo: (routing: Routing) => boolean) => {
  let understudy = before;
  for (let n = 0; n < LOOKS_MAX; n++) {
    const nowMs = fromMs + n * LOOK_MS;
    understudy = step(understudy, { heard, overrides: null, frozen: [] }, nowMs).understudy;
    if (understudy.routing !== null && isSo(understudy.routing)) return { understudy, nowMs };
  }
  return null;
};

/** In: `v`, the number after which this decision's comes; `nowMs` in cluster time. Out: the decision that gives all of it to `to`. */
export const rehearse = (
  stand: Stand,
  { canary, from, to, v }: { canary: CanaryConfig; from: string; to: string; v: number },
  nowMs: number,
): Rehearsal => {
  const voters = votersOf(stand.cluster).length;
  if (voters < VOTERS_MIN) return { held: `the cluster has ${voters} voters, and without ${VOTERS_MIN} nothing fails over by itself` };
  const stage = stageOf(stand.cluster, canary, from, to);
  const heard = recast(stand, stage);
  const name = canary.service;
  const begun = until(newUnderstudy(stage, { ...blankRouting(stage, nowMs), v }), heard, nowMs, (routing) => {
    const service = routing.services[name];
    return service !== undefined && service.fence > 0 && service.route[from] === 1000;
  });
  if (begun === null) return { held: 'no quorum of fresh votes would have found the pool well that carries it' };
  const dead = imagine({ cluster: stage, heard, routing: null, overrides: null, incidents: [], epoch: 0, by: '', nonce: '' }, [
    { kind: 'pool-down', service: name, pool: from },
  ]).heard(0);
  const moved = until(begun.understudy, dead, begun.nowMs + LOOK_MS, ({ services }) => services[name]?.route[to] === 1000);
  const decided = moved?.understudy.routing?.services[name];
  return decided === undefined ? { held: 'no quorum of fresh votes would have moved it' } : { decided };
};

/** Why no micro-drill of this path may begin now; null: one may. */
export const whyHeld = (
  { cluster, incidents, overrides }: { cluster: ClusterConfig; incidents: readonly Incident[]; overrides: Overrides | null },
  path: string,
  nowMs: number,
): string | null => {
  if (!cluster.services.some((service) => service.mode === 'auto' && pathsOf(service).includes(path)))
    return `no service of ${path} is in auto`;
  const incident = incidents.find(({ closedAtMs }) => closedAtMs === null);
  if (incident !== undefined) return `incident ${incident.id} is open`;
  const order = activeOverrides(overrides, nowMs).find(({ kind }) => kind === 'freeze' || kind === 'stop');
  if (order !== undefined) return `${order.kind} ${order.id} is in force`;
  const windows = (cluster.policy.safety['freeze-windows']?.windows ?? []) as readonly FreezeWindow[];
  const open = windows.find((window) => endsAtMs(window, nowMs) !== null);
  return open === undefined ? null : `freeze window ${open.name} is open`;
};
