// Who may coordinate: a region with credentials, and not one that a human evacuates while another could. A preference: who should not does so all the same
// when nobody else has taken the office, since a cluster that nobody coordinates fails static. Pure.
import { activeOverrides, evacuationOf } from '../decide/override.ts';
import { type AppliedRecord, type ClusterConfig, type Override, pathsOf } from '../model.ts';
import { appliedKey } from './keys.ts';
import type { Candidacy } from './office.ts';
import type { Sight } from './read.ts';

/** So long an evacuated holder waits for its providers before it leaves what is not acknowledged to the next one. */
const UNFINISHED_MS = 15_000;

type Seen = Pick<Sight, 'cluster' | 'overrides' | 'heard' | 'routing' | 'has'>;

/** The evacuation that keeps this region from coordinating; undefined: none does, or no other region may. */
const evacuation = ({ cluster, overrides }: Pick<Seen, 'cluster' | 'overrides'>, region: string, nowMs: number): Override | undefined => {
  if (cluster === null || overrides === null) return undefined;
  const active = activeOverrides(overrides, nowMs);
  const order = evacuationOf(active, region);
  return order !== undefined && staying(cluster, active).length > 0 ? order : undefined;
};

/** Regions that may coordinate and are not being evacuated. */
const staying = (cluster: ClusterConfig, active: readonly Override[]): readonly string[] =>
  cluster.regions.filter((r) => r.coordinator && evacuationOf(active, r.name) === undefined).map((r) => r.name);

export const candidacyOf = (sight: Pick<Seen, 'cluster' | 'overrides'> | null, region: string, nowMs: number): Candidacy => {
  if (sight?.cluster?.regions.some((r) => r.name === region && r.coordinator) !== true) return 'no';
  return evacuation(sight, region, nowMs) === undefined ? 'yes' : 'last';
};

const isWritten = ({ cluster, routing, has }: Seen): boolean => {
  const applied = new Map(has('applied/').map(({ key, value }) => [key, value as AppliedRecord]));
  return (cluster?.services ?? []).every((service) => {
    const decided = routing?.services[service.name];
    if (decided?.mode !== 'auto') return true;
    return pathsOf(service).every((path) => (applied.get(appliedKey(path, service.name))?.fence ?? 0) >= decided.fence);
  });
};

/** For which order the holder in this region should hand the office over now, and why; null: it should not, or nobody who could take it is heard. */
export const whyHandOver = (sight: Seen, region: string, nowMs: number): { order: string; because: string } | null => {
  const order = evacuation(sight, region, nowMs);
  if (order === undefined || sight.cluster === null) return null;
  const others = staying(sight.cluster, activeOverrides(sight.overrides, nowMs));
  const { freshMs } = sight.cluster.policy;
  if (!sight.heard.some((h) => others.includes(h.region) && h.ageMs <= freshMs)) return null;
  // What was decided for the evacuation is written by who decided it, unless that takes too long.
  if (!isWritten(sight) && nowMs - Math.max(order.startsAtMs ?? 0, order.createdAtMs) < UNFINISHED_MS) return null;
  return { order: order.id, because: `${region} is being evacuated by ${order.owner}: ${order.reason}` };
};
