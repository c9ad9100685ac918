// What the overview shows of a region: who speaks for it, how its pools are, and how much of its traffic it carries. Pure.
import { activeOverrides, evacuationOf } from '../decide/override.ts';
import type { HoldName, Override, Verdict } from '../model.ts';
import type { Doubted } from './doubts.ts';
import type { PoolFacts, ServiceFacts, StatusInput } from './status.ts';
import { type VantageCard, type Voice, vantageCard, voiceOfRegion } from './vantage-card.ts';

export interface RegionCard {
  name: string;
  /** Has a vote. */
  vote: boolean;
  /** Of the region as one voter: the best of its replicas. */
  state: Voice;
  vantages: readonly VantageCard[];
  /** Pools there by what they are; one that is up with some targets out is up. */
  pools: Readonly<Record<Verdict, number>>;
  /** Services that are configured to have traffic there, by how much of that it carries. `unknown`: nothing has been decided yet. */
  share: { fully: number; partly: number; not: number; unknown: number };
  /** Thousandths, over all services. */
  sharesSum: { actual: number; configured: number };
  /** Holds the office now. */
  coordinates: boolean;
  /** Ids of the orders in force that take all traffic from it. */
  evacuated: string | null;
  drained: string | null;
  /** What keeps moves of its pools back, each name once. */
  holds: readonly HoldName[];
  /** Its targets that somebody doubts, whether or not `doubts` has room for them. */
  doubts: number;
}

/** One that is up with some targets out is up; what it lacks stands with its service. */
const standOf = ({ verdict, cause }: PoolFacts): Verdict =>
  verdict === 'up' && cause !== 'suspect' ? 'up' : verdict === 'unknown' ? 'unknown' : cause;

const carriedOf = (pools: readonly PoolFacts[]): keyof RegionCard['share'] => {
  if (pools.some(({ share }) => share === null)) return 'unknown';
  if (pools.every(({ share, configuredShare }) => (share ?? 0) >= configuredShare - 1)) return 'fully';
  return pools.some(({ share }) => (share ?? 0) > 0) ? 'partly' : 'not';
};

const shareOf = (services: readonly (readonly PoolFacts[])[]): RegionCard['share'] => {
  const counted = { fully: 0, partly: 0, not: 0, unknown: 0 };
  for (const pools of services) {
    const wanted = pools.filter(({ configuredShare }) => configuredShare > 0);
    if (wanted.length > 0) counted[carriedOf(wanted)] += 1;
  }
  return counted;
};

const poolsOf = (pools: readonly PoolFacts[]): RegionCard['pools'] => {
  const counted = { up: 0, unready: 0, suspect: 0, down: 0, unknown: 0 };
  for (const pool of pools) counted[standOf(pool)] += 1;
  return counted;
};

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const drainOf = (active: readonly Override[], region: string): Override | undefined =>
  active.find(({ kind, scope }) => kind === 'drain' && scope.region === region && scope.service === undefined && scope.pool === undefined);

export const regionCards = (input: StatusInput, services: readonly ServiceFacts[], doubted: readonly Doubted[]): readonly RegionCard[] => {
  const { cluster, leader, nowMs } = input;
  const active = activeOverrides(input.overrides, nowMs);
  const heard = Map.groupBy(input.votes, ({ region }) => region);
  const doubts = Map.groupBy(doubted, ({ pool }) => pool.region);
  const pools = Map.groupBy(
    services.flatMap((service) => service.pools.map((pool) => ({ service, pool }))),
    ({ pool }) => pool.region,
  );
  const voters = new Map(cluster.regions.map(({ name, vote }) => [name, vote]));
  return [...new Set([...voters.keys(), ...pools.keys()])].map((name) => {
    const here = pools.get(name) ?? [];
    const those = here.map(({ pool }) => pool);
    const byService = [...Map.groupBy(here, ({ service }) => service).values()].map((each) => each.map(({ pool }) => pool));
    const vantages = (heard.get(name) ?? []).map((each) => vantageCard(each, cluster));
    return {
      name,
      vote: voters.get(name) ?? false,
      state: voiceOfRegion(vantages),
      vantages,
      pools: poolsOf(those),
      share: shareOf(byService),
      sharesSum: {
        actual: sum(those.map(({ share }) => share ?? 0)),
        configured: sum(those.map(({ configuredShare }) => configuredShare)),
      },
      coordinates: leader !== null && !leader.released && leader.region === name,
      evacuated: evacuationOf(active, name)?.id ?? null,
      drained: drainOf(active, name)?.id ?? null,
      holds: [...new Set(those.flatMap(({ memory }) => memory?.hold ?? []))].toSorted(),
      doubts: doubts.get(name)?.length ?? 0,
    };
  });
};
