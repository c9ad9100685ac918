// Whose word counts within a region. Its replicas share the targets; each names the replicas it shares them among, and so the owner of every target. A
// target is spoken for when all who speak name the same owner and that owner speaks. Otherwise nobody speaks for it: a replica that joins, leaves or is
// cut off from the others costs its region a say for a moment, and never puts words into its mouth. Pure.
import type { ClusterConfig, TargetId } from '../model.ts';
import { targetId } from '../model.ts';
import { ownerOf } from './owner.ts';

/** A replica that speaks, and the names it shares its region's targets among. */
export interface Sharer {
  replica: string;
  peers: readonly string[];
}

export interface Shares {
  /** The replica whose word about this target counts; null: nobody's. */
  speakerFor(id: TargetId): string | null;
  /** Configured targets that nobody speaks for. */
  readonly orphans: readonly TargetId[];
}

/** Constellations remembered per configuration: some regions' worth of replicas that come and go. */
const KNOWN_MAX = 128;
const known = new WeakMap<ClusterConfig, Map<string, Shares>>();

/** All targets of a configuration, listed once. */
const targets = new WeakMap<ClusterConfig, readonly TargetId[]>();
const targetsOf = (cluster: ClusterConfig): readonly TargetId[] => {
  let list = targets.get(cluster);
  if (list === undefined) {
    list = cluster.services.flatMap((s) => s.pools.flatMap((p) => p.targets.map((t) => targetId(s.name, p.name, t.name))));
    targets.set(cluster, list);
  }
  return list;
};

/** How `sharers`, the replicas of one region that speak, share the targets. Worked out once per constellation and configuration. */
export const sharesOf = (cluster: ClusterConfig, sharers: readonly Sharer[]): Shares => {
  let shares = known.get(cluster);
  if (shares === undefined) {
    shares = new Map();
    known.set(cluster, shares);
  }
  const key = JSON.stringify(sharers.map(({ replica, peers }) => [replica, peers]));
  let made = shares.get(key);
  if (made === undefined) {
    if (shares.size >= KNOWN_MAX) shares.clear();
    made = divide(cluster, sharers);
    shares.set(key, made);
  }
  return made;
};

const divide = (cluster: ClusterConfig, sharers: readonly Sharer[]): Shares => {
  const names = new Set(sharers.map((s) => s.replica));
  const lists = [...new Map(sharers.map(({ peers }) => [peers.join(), peers])).values()];
  const owners = new Map<TargetId, string | null>();
  const agreed = (id: TargetId): string | null => {
    const [first = [], ...others] = lists;
    const owner = ownerOf(id, first);
    return names.has(owner) && others.every((peers) => ownerOf(id, peers) === owner) ? owner : null;
  };
  const speakerFor = (id: TargetId): string | null => {
    let owner = owners.get(id);
    if (owner === undefined) {
      owner = agreed(id);
      // Only what is configured is remembered: a record may mention anything.
      if (owners.size < targetsOf(cluster).length) owners.set(id, owner);
    }
    return owner;
  };
  // One list, and everybody on it speaks: no target is without a speaker, and none has to be asked for.
  const isWhole = lists.length === 1 && lists[0]?.length !== 0 && lists[0]?.every((name) => names.has(name)) === true;
  return { speakerFor, orphans: isWhole ? [] : targetsOf(cluster).filter((id) => speakerFor(id) === null) };
};
