// A second policy on the same evidence: decides as the live one does, keeps its routing record to itself, and so says what would have happened. Replays,
// and the shadow beside a live coordinator, are understudies. The votes it hears were cast under another configuration; what they cannot know they do
// not say. Pure.

import type { Heard } from '../health/chamber.ts';
import { configHash } from '../health/config-hash.ts';
import { electorateOf } from '../health/electorate.ts';
import {
  type ClusterConfig,
  type Incident,
  type Override,
  type Overrides,
  type Reports,
  type Routing,
  type TargetId,
  targetId,
  type Vote,
} from '../model.ts';
import type { Tiers } from '../runbook/facts.ts';
import { decide } from './decide.ts';
import type { Decision } from './snapshot.ts';

/** What there is to decide on, whoever decides. */
export interface Evidence {
  heard: readonly Heard[];
  overrides: Overrides | null;
  frozen: readonly string[];
  /** Absent: nobody measured load or capacity, or a recording does not say. */
  reported?: Reports | null;
  /** Absent: no data tier was proved, or a recording does not say. */
  tiers?: Tiers | null;
}

/** A policy and all that it remembers. */
export interface Understudy {
  cluster: ClusterConfig;
  routing: Routing | null;
  incidents: readonly Incident[];
  /** Orders that it has seen expire, as `id@instant`: the document may name them for a while yet. */
  expired: ReadonlySet<string>;
  /** What it has told of orders, by the same names: it does not write it into them. */
  told: ReadonlyMap<string, NonNullable<Override['told']>>;
}

export const newUnderstudy = (cluster: ClusterConfig, routing: Routing | null, incidents: readonly Incident[] = []): Understudy => ({
  cluster,
  routing,
  incidents: incidents.filter((i) => i.closedAtMs === null),
  expired: new Set(),
  told: new Map(),
});

const nameOf = ({ id, expiresAtMs }: Overrides['items'][number]): string => `${id}@${expiresAtMs}`;

const withTold = (order: Override, told: Understudy['told']): Override => {
  const mine = told.get(nameOf(order));
  return mine === undefined ? order : { ...order, told: [...new Set([...(order.told ?? []), ...mine])] };
};

/** One look at the evidence. `next` null: nothing to decide. Deterministic; consumes nothing. */
export const step = (
  before: Understudy,
  evidence: Evidence,
  nowMs: number,
): { understudy: Understudy; next: NonNullable<Decision['next']> | null } => {
  const { cluster, routing } = before;
  const { overrides } = evidence;
  const open =
    overrides === null
      ? null
      : { ...overrides, items: overrides.items.filter((o) => !before.expired.has(nameOf(o))).map((o) => withTold(o, before.told)) };
  const { next } = decide(
    {
      cluster,
      routing,
      overrides: open,
      reported: evidence.reported ?? null,
      tiers: evidence.tiers ?? null,
      heard: evidence.heard,
      frozen: evidence.frozen,
      incidents: before.incidents,
      epoch: routing?.epoch ?? 0,
      by: 'understudy',
      nonce: `${(routing?.v ?? 0) + 1}`,
    },
    nowMs,
  );
  if (next === undefined) return { understudy: before, next: null };
  const incidents = new Map([...before.incidents, ...next.incidents].map((i) => [i.id, i]));
  const left = next.overrides?.items;
  const over = left === undefined ? [] : (open?.items ?? []).map(nameOf).filter((name) => !left.some((o) => nameOf(o) === name));
  const told = (left ?? []).filter((o) => o.told !== undefined).map((o) => [nameOf(o), o.told ?? []] as const);
  return {
    understudy: {
      cluster,
      routing: next.routing,
      incidents: [...incidents.values()].filter((i) => i.closedAtMs === null),
      expired: over.length === 0 ? before.expired : new Set([...before.expired, ...over]),
      told: told.length === 0 ? before.told : new Map([...before.told, ...told]),
    },
    next,
  };
};

// ---- votes under another configuration ----

/** The configuration that votes were cast under. `hash`: as the votes name it, when that is not the hash of `cluster` as it stands here. */
export interface CastUnder {
  cluster: ClusterConfig;
  hash?: string;
}

/** Target to its endpoints, of those that `region` votes on. */
const votedOn = (cluster: ClusterConfig, region: string): ReadonlyMap<TargetId, string> =>
  new Map(
    cluster.services.flatMap((service) =>
      service.pools.flatMap((pool) =>
        pool.targets
          .filter((target) =>
            target.from === 'local' ? pool.region === region : electorateOf(cluster, service.name, pool.name, target.name).includes(region),
          )
          .map((target): [TargetId, string] => [
            targetId(service.name, pool.name, target.name),
            [target.healthz && 'healthz', target.readyz && 'readyz'].join(),
          ]),
      ),
    ),
  );

/** Targets that `region` votes on under `next` and has not looked at, or not at all their endpoints, under `before`: its silence about them means nothing. */
export const strangers = (before: ClusterConfig, next: ClusterConfig, region: string): readonly TargetId[] => {
  const known = votedOn(before, region);
  return [...votedOn(next, region)].filter(([target, endpoints]) => known.get(target) !== endpoints).map(([target]) => target);
};

/** A version that no configuration has. */
const NO_VERSION = -1;

/**
 * Takes votes that were cast under one configuration for votes under another: those that covered it cover `next`, the rest still does not count, and
 * what `next` asks beyond it is unknown. Made once per pair of configurations; remembers what it made of each vote.
 */
export const translator = (cast: CastUnder, next: ClusterConfig): ((heard: readonly Heard[]) => readonly Heard[]) => {
  const hash = cast.hash ?? configHash(cast.cluster);
  const made = new WeakMap<Vote, Vote>();
  const unknownIn = new Map<string, readonly TargetId[]>();
  const unknownTo = (region: string): readonly TargetId[] => {
    let list = unknownIn.get(region);
    if (list === undefined) {
      list = strangers(cast.cluster, next, region);
      unknownIn.set(region, list);
    }
    return list;
  };
  const translate = ({ region, vote }: Heard): Vote => {
    const { configHash: covered, ...rest } = vote;
    const covers = vote.configVersion === cast.cluster.version && (covered === undefined || covered === hash);
    const strange = unknownTo(region);
    return {
      ...rest,
      configVersion: covers ? next.version : NO_VERSION,
      unknown: strange.length === 0 ? vote.unknown : [...new Set([...vote.unknown, ...strange])].sort(),
    };
  };
  return (heard) =>
    heard.map((h) => {
      let vote = made.get(h.vote);
      if (vote === undefined) {
        vote = translate(h);
        made.set(h.vote, vote);
      }
      return { ...h, vote };
    });
};
