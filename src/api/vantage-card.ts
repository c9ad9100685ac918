// What the overview shows of vantages: whether each speaks, and why not. One that is silent, abstains or has just started says nothing of any target: that is
// told here, once. Pure.
import { isFresh } from '../health/chamber.ts';
import { vantagesOf } from '../health/electorate.ts';
import type { ClusterConfig } from '../model.ts';
import { type HeardVote, known } from './matrix.ts';
import type { StatusInput, VotesHeard } from './status.ts';

/** What a vantage says of itself, as far as its word counts. */
export type Voice = 'ok' | 'abstain' | 'silent';

export interface VantageCard {
  replica: string;
  state: Voice;
  /** Why it does not speak, or of how much it cannot speak yet. Empty when all is well. */
  because: string;
  /** Since it was last heard; null: nobody can say. */
  ageMs: number | null;
  /** The program that it runs; null: it does not say, or is not heard. */
  version: string | null;
  /** Of the configuration that its vote covers. */
  configVersion: number;
}

const lookedAt = new WeakMap<ClusterConfig, ReadonlyMap<string, number>>();

/** How many targets each region looks at; worked out once per configuration. */
const targetsOf = (cluster: ClusterConfig): ReadonlyMap<string, number> => {
  const known = lookedAt.get(cluster);
  if (known !== undefined) return known;
  const counted = new Map<string, number>();
  for (const pool of cluster.services.flatMap(({ pools }) => pools))
    for (const target of pool.targets)
      for (const region of vantagesOf(cluster, pool, target)) counted.set(region, (counted.get(region) ?? 0) + 1);
  lookedAt.set(cluster, counted);
  return counted;
};

export const voiceOf = ({ vote, beat, ageMs }: HeardVote, cluster: ClusterConfig): Voice =>
  isFresh({ vote, beat: beat ?? null, ageMs }, cluster) ? vote.self.state : 'silent';

const vantageBecause = ({ vote, ageMs }: HeardVote, state: Voice, cluster: ClusterConfig, targets: number): string => {
  if (state === 'silent' && ageMs <= cluster.policy.freshMs && vote.configVersion !== cluster.version)
    return `its vote covers configuration ${vote.configVersion}, the cluster is at ${cluster.version}`;
  if (state === 'silent')
    return Number.isFinite(ageMs) ? `last heard ${(ageMs / 1000).toFixed(1)} s ago` : 'nobody can say when it was last heard';
  if (vote.self.state === 'abstain') return vote.self.because;
  return vote.unknown.length === 0 ? '' : `has not looked often enough yet at ${vote.unknown.length} of ${targets} targets`;
};

export const vantageCard = (heard: HeardVote, cluster: ClusterConfig): VantageCard => {
  const { region, replica, vote, beat, ageMs } = heard;
  const state = voiceOf(heard, cluster);
  const because = vantageBecause(heard, state, cluster, targetsOf(cluster).get(region) ?? 0);
  return { replica, state, because, ageMs: known(ageMs), version: beat?.version ?? null, configVersion: vote.configVersion };
};

const VOICES: readonly Voice[] = ['ok', 'abstain', 'silent'];

/** Of a region as one voter: the best of its replicas. */
export const voiceOfRegion = (vantages: readonly Pick<VotesHeard['vantages'][number], 'state'>[]): Voice =>
  VOICES.find((voice) => vantages.some(({ state }) => state === voice)) ?? 'silent';

/** Regions that speak, but cannot say anything yet of at least half of what they look at. */
export const startingIn = ({ cluster, votes }: StatusInput): ReadonlySet<string> => {
  const unknown = new Map<string, number>();
  for (const heard of votes)
    if (voiceOf(heard, cluster) === 'ok') unknown.set(heard.region, (unknown.get(heard.region) ?? 0) + heard.vote.unknown.length);
  const targets = targetsOf(cluster);
  return new Set([...unknown].filter(([region, n]) => n > 0 && 2 * n >= (targets.get(region) ?? 0)).map(([region]) => region));
};
