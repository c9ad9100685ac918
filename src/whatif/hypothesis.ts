// What is supposed: regions that die, pools that die, vantages that fall silent, orders that are given or taken back. Turns a snapshot into what would be
// heard and ordered then. Votes are made anew, never changed: what was read belongs to the coordinator. Pure.

import type { Snapshot } from '../decide/snapshot.ts';
import type { Heard } from '../health/chamber.ts';
import { electorateOf, vantagesOf } from '../health/electorate.ts';
import { confirmEveryMs, faultsFor, quorumOf } from '../health/timing.ts';
import {
  type Beat,
  type ClusterConfig,
  type EndpointKey,
  type EndpointName,
  endpointKey,
  type Override,
  type Overrides,
  type PoolConfig,
  type ServiceConfig,
  type Suspicion,
  type TargetId,
  targetId,
} from '../model.ts';

export type Hypothesis =
  /** Its targets answer nobody, its vantage says nothing any more, and nobody there coordinates. */
  | { kind: 'region-down'; region: string }
  | { kind: 'pool-down'; service: string; pool: string }
  /** Its votes are not heard any more; its targets live on. */
  | { kind: 'vantage-cut'; region: string }
  | { kind: 'override'; override: Override }
  | { kind: 'override-gone'; id: string };

export interface Imagined {
  /** What the store would show after so long: whoever speaks goes on speaking, and what fails goes on failing. */
  heard(elapsedMs: number): readonly Heard[];
  overrides: Overrides | null;
  /** Who would coordinate; null: nobody may. */
  by: string | null;
  /** Pools that are supposed to be dead, as `service/pool`. */
  dead: ReadonlySet<string>;
  notes: readonly string[];
}

/** Doubts that a heartbeat would carry; more of them change nothing but its size. */
const SUSPECTS_MAX = 256;
const ENDPOINTS: readonly EndpointName[] = ['healthz', 'readyz'];

/** A target that is supposed to be dead, and whose looks would show it. */
interface Dead {
  id: TargetId;
  endpoints: readonly EndpointName[];
  vantages: ReadonlySet<string>;
  /** Age of the first fault of the streak that makes a vote, and how many faults that is. */
  streakMs: number;
  faults: number;
}

/** The shortest streak that a vote rests on: so long do the vantages doubt before they say down. */
const deadOf = (cluster: ClusterConfig, service: ServiceConfig, pool: PoolConfig): readonly Dead[] =>
  pool.targets.map((target) => {
    const voters = electorateOf(cluster, service.name, pool.name, target.name).length;
    const faults = faultsFor(cluster.policy, quorumOf(Math.max(1, voters)));
    const { timeoutMs, faultSpanMs } = cluster.policy;
    return {
      id: targetId(service.name, pool.name, target.name),
      endpoints: ENDPOINTS.filter((endpoint) => target[endpoint] !== undefined),
      vantages: new Set(vantagesOf(cluster, pool, target)),
      streakMs: Math.max(faultSpanMs, (faults - 1) * confirmEveryMs(cluster.policy)) + timeoutMs,
      faults,
    };
  });

const suspicionOf = (dead: Dead, cluster: ClusterConfig): Suspicion => ({
  firstFaultAgeMs: dead.streakMs,
  lastOkAgeMs: dead.streakMs + cluster.policy.intervalMs,
  faults: dead.faults,
  reason: 'timeout',
});

const sorted = (names: Iterable<string>): readonly string[] => [...new Set(names)].sort();

/** This replica's word once it has seen these targets dead for as long as a vote takes. */
const saying = (heard: Heard, dead: readonly Dead[], cluster: ClusterConfig): Heard => {
  const seen = dead.filter(({ vantages }) => vantages.has(heard.region));
  if (seen.length === 0 || heard.beat === null || heard.vote.self.state !== 'ok') return heard;
  const ids = new Set(seen.map(({ id }) => id));
  const having = (endpoint: EndpointName): readonly TargetId[] => seen.filter((d) => d.endpoints.includes(endpoint)).map(({ id }) => id);
  const suspects: Record<EndpointKey, Suspicion> = { ...heard.beat.suspects };
  for (const each of seen)
    for (const endpoint of each.endpoints) {
      const key = endpointKey(each.id, endpoint);
      if (suspects[key] === undefined && Object.keys(suspects).length < SUSPECTS_MAX) suspects[key] = suspicionOf(each, cluster);
    }
  const { vote } = heard;
  return {
    ...heard,
    vote: {
      ...vote,
      down: sorted([...vote.down, ...having('healthz')]),
      unready: sorted([...vote.unready, ...having('readyz')]),
      unknown: vote.unknown.filter((id) => !ids.has(id)),
    },
    beat: { ...heard.beat, suspects },
  };
};

/** The same streaks, so much older. */
const older = (beat: Beat, elapsedMs: number): Beat => ({
  ...beat,
  suspects: Object.fromEntries(
    Object.entries(beat.suspects).map(([key, s]) => [
      key,
      { ...s, firstFaultAgeMs: s.firstFaultAgeMs + elapsedMs, lastOkAgeMs: s.lastOkAgeMs === null ? null : s.lastOkAgeMs + elapsedMs },
    ]),
  ),
});

const hasDoubts = (beat: Beat): boolean => {
  for (const _ in beat.suspects) return true;
  return false;
};

/** The document of orders with these given or taken back. */
const ordersOf = (
  before: Overrides | null,
  hypotheses: readonly Hypothesis[],
): { overrides: Overrides | null; notes: readonly string[] } => {
  let items = before?.items ?? [];
  const notes: string[] = [];
  for (const h of hypotheses) {
    if (h.kind === 'override') items = [...items.filter(({ id }) => id !== h.override.id), h.override];
    if (h.kind !== 'override-gone') continue;
    if (!items.some(({ id }) => id === h.id)) notes.push(`no override is called "${h.id}": taking it back changes nothing`);
    items = items.filter(({ id }) => id !== h.id);
  }
  return items === before?.items || (before === null && items.length === 0)
    ? { overrides: before, notes }
    : { overrides: { version: (before?.version ?? 0) + 1, nonce: 'what-if', items }, notes };
};

const regionOf = (by: string): string => by.split('/')[0] ?? by;

/** An evacuated region lets another one coordinate, if there is one. */
const evacuationNotes = ({ by }: Snapshot, hypotheses: readonly Hypothesis[]): readonly string[] =>
  hypotheses.some((h) => h.kind === 'override' && h.override.kind === 'evacuate' && h.override.scope.region === regionOf(by))
    ? [`${regionOf(by)} coordinates now: evacuated, it lets another region take over`]
    : [];

/** Who coordinates once these regions are gone. */
const coordinatorOf = ({ cluster, by }: Snapshot, gone: ReadonlySet<string>): { by: string | null; notes: readonly string[] } => {
  if (!gone.has(regionOf(by))) return { by, notes: [] };
  const next = cluster.regions.find(({ name, coordinator }) => coordinator && !gone.has(name));
  return next === undefined
    ? { by: null, notes: ['no region is left that may coordinate: nobody decides, and the last route stays'] }
    : {
        by: `${next.name}/a`,
        notes: [
          `${regionOf(by)} coordinates now: another region takes over first, after a lease of ${cluster.policy.leaseMs / 1000} s at most and a campaign`,
        ],
      };
};

/** In: one snapshot, which stays as it is, and what is supposed of it all at once. */
export const imagine = (snapshot: Snapshot, hypotheses: readonly Hypothesis[]): Imagined => {
  const { cluster } = snapshot;
  const gone = new Set(hypotheses.flatMap((h) => (h.kind === 'region-down' ? [h.region] : [])));
  const silent = new Set([...gone, ...hypotheses.flatMap((h) => (h.kind === 'vantage-cut' ? [h.region] : []))]);
  const isDead = (service: ServiceConfig, pool: PoolConfig): boolean =>
    gone.has(pool.region) || hypotheses.some((h) => h.kind === 'pool-down' && h.service === service.name && h.pool === pool.name);
  const pools = cluster.services.flatMap((service) =>
    service.pools.filter((pool) => isDead(service, pool)).map((pool) => ({ service, pool })),
  );
  const dead = pools.flatMap(({ service, pool }) => deadOf(cluster, service, pool));
  const heard = snapshot.heard.filter((h) => !silent.has(h.region)).map((h) => saying(h, dead, cluster));
  const orders = ordersOf(snapshot.overrides, hypotheses);
  const coordinator = coordinatorOf(snapshot, gone);
  return {
    heard: (elapsedMs) =>
      elapsedMs === 0 ? heard : heard.map((h) => (h.beat === null || !hasDoubts(h.beat) ? h : { ...h, beat: older(h.beat, elapsedMs) })),
    overrides: orders.overrides,
    by: coordinator.by,
    dead: new Set(pools.map(({ service, pool }) => `${service.name}/${pool.name}`)),
    notes: [...orders.notes, ...coordinator.notes, ...evacuationNotes(snapshot, hypotheses)],
  };
};
