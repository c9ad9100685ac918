// What a vantage looks at, indexed: by endpoint, by target, and the part of it that one replica owns. Rules never change once they are made, so each is
// indexed once. Pure.
import type { EndpointKey, EndpointName, TargetId } from '../model.ts';
import type { GrayRule } from './gray.ts';
import type { OpinionRule } from './opinion.ts';
import { ownerOf } from './owner.ts';

/** What this vantage looks at, from the cluster configuration. */
export interface Watched {
  key: EndpointKey;
  target: TargetId;
  endpoint: EndpointName;
  rule: OpinionRule;
  /** The target's pool is in this vantage's own region. */
  home: boolean;
}

export interface VantageRules {
  configVersion: number;
  /** Of the whole configuration, as votes name it. */
  configHash?: string;
  watched: readonly Watched[];
  /** Absent: nobody asks for gray failures. */
  gray?: GrayRule;
  /** Span between confirmation probes of one endpoint. */
  confirmEveryMs: number;
  burstMs: number;
  intervalMs: number;
  beatMs: number;
}

const byKey = new WeakMap<VantageRules, ReadonlyMap<EndpointKey, Watched>>();
const byTarget = new WeakMap<VantageRules, ReadonlyMap<TargetId, readonly Watched[]>>();
const abroad = new WeakMap<VantageRules, ReadonlySet<TargetId>>();

export const endpointsOf = (rules: VantageRules): ReadonlyMap<EndpointKey, Watched> => {
  let map = byKey.get(rules);
  if (map === undefined) {
    map = new Map(rules.watched.map((w) => [w.key, w]));
    byKey.set(rules, map);
  }
  return map;
};

export const targetsOf = (rules: VantageRules): ReadonlyMap<TargetId, readonly Watched[]> => {
  let map = byTarget.get(rules);
  if (map === undefined) {
    map = Map.groupBy(rules.watched, (w) => w.target);
    byTarget.set(rules, map);
  }
  return map;
};

/** The targets of other regions. */
export const othersOf = (rules: VantageRules): ReadonlySet<TargetId> => {
  let set = abroad.get(rules);
  if (set === undefined) {
    set = new Set(rules.watched.filter((w) => !w.home).map((w) => w.target));
    abroad.set(rules, set);
  }
  return set;
};

/** What `replica` owns of it when the targets are shared among `peers`. */
export const shareOf = (all: VantageRules, peers: readonly string[], replica: string): VantageRules => {
  if (peers.length === 1 && peers[0] === replica) return all;
  const mine = new Set([...targetsOf(all).keys()].filter((target) => ownerOf(target, peers) === replica));
  return { ...all, watched: all.watched.filter((w) => mine.has(w.target)) };
};
