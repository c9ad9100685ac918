// The part of the votes matrix that needs the eye: targets of which a vantage that can speak says anything but that all is well. Pure.
import { WORST } from '../health/verdict.ts';
import type { EndpointTally, PoolConfig, TargetConfig, TargetTally, Verdict } from '../model.ts';
import { poolKey, targetId } from '../model.ts';
import { countedIn, type Row, rowsFrom } from './matrix.ts';
import type { StatusInput, Tallies } from './status.ts';
import { startingIn, voiceOf } from './vantage-card.ts';

export interface DoubtCard {
  target: string;
  service: string;
  pool: string;
  region: string;
  verdict: Verdict;
  /** Regions that see more errors than are acceptable. */
  gray: readonly string[];
  /** `3 of 4 down, needs 3`, of the endpoint that most speak against. */
  tally: string;
  /** Of every vantage that looks at it, also those that see it well. */
  cells: Row;
}

export interface Doubted {
  service: string;
  pool: PoolConfig;
  target: TargetConfig;
  /** Absent: no tally lists it. */
  tally: TargetTally | undefined;
  /** The endpoint that most speak against. */
  most: EndpointTally | undefined;
}

/** Every target that a speaking vantage mentions. */
const mentionedIn = ({ cluster, votes }: StatusInput): ReadonlySet<string> => {
  const ids = new Set<string>();
  for (const heard of votes) {
    if (voiceOf(heard, cluster) !== 'ok') continue;
    for (const list of [heard.vote.down, heard.vote.unready, heard.vote.unknown]) for (const id of list) ids.add(id);
    for (const key of Object.keys(heard.beat?.suspects ?? {})) ids.add(key.slice(0, key.lastIndexOf('#')));
  }
  return ids;
};

const loudest = (tally: TargetTally | undefined): EndpointTally | undefined =>
  Object.values(tally?.endpoints ?? {}).reduce<EndpointTally | undefined>(
    (most, each) => (most === undefined || each.down > most.down || (each.down === most.down && each.up < most.up) ? each : most),
    undefined,
  );

/** In configured order. */
export const doubtsIn = (input: StatusInput, tallies: Tallies): readonly Doubted[] => {
  const starting = startingIn(input);
  const rowOf = rowsFrom(input.cluster, input.votes, tallies);
  let mentioned: ReadonlySet<string> | null = null;
  // Like ballots are one object, so each is looked at once.
  const uncertain = new Map<EndpointTally['ballots'], boolean>();
  const isUncertain = (ballots: EndpointTally['ballots']): boolean => {
    const is = uncertain.get(ballots) ?? Object.entries(ballots).some(([region, ballot]) => ballot === 'unknown' && !starting.has(region));
    uncertain.set(ballots, is);
    return is;
  };
  const isDoubtedBy = ({ gray, endpoints }: TargetTally): boolean =>
    gray !== undefined ||
    Object.values(endpoints).some(({ down, firstFaultAtMs, ballots }) => down > 0 || firstFaultAtMs !== null || isUncertain(ballots));
  /** Of targets that no tally lists: those of their own region alone, and all before the first count. */
  const isDoubtedInVotes = (id: string, service: string, pool: PoolConfig, target: TargetConfig): boolean => {
    mentioned ??= mentionedIn(input);
    return (
      mentioned.has(id) &&
      Object.entries(rowOf(service, pool, target)).some(
        ([region, { state }]) => state === 'down' || state === 'unready' || (state === 'unknown' && !starting.has(region)),
      )
    );
  };
  return input.cluster.services.flatMap(({ name: service, pools }) =>
    pools.flatMap((pool) => {
      const counted = tallies.get(poolKey(service, pool.name));
      return pool.targets.flatMap((target): Doubted[] => {
        const id = targetId(service, pool.name, target.name);
        const tally = countedIn(counted, id);
        const is = tally === undefined ? isDoubtedInVotes(id, service, pool, target) : isDoubtedBy(tally);
        return is ? [{ service, pool, target, tally, most: loudest(tally) }] : [];
      });
    }),
  );
};

/** Worst first: by verdict, then by how many say so. */
export const worse = (a: Doubted, b: Doubted): number =>
  WORST.indexOf(a.tally?.verdict ?? 'unknown') - WORST.indexOf(b.tally?.verdict ?? 'unknown') ||
  (b.most?.down ?? 0) - (a.most?.down ?? 0) ||
  (b.tally?.gray?.regions.length ?? 0) - (a.tally?.gray?.regions.length ?? 0);

const tallyText = (tally: TargetTally | undefined, most: EndpointTally | undefined): string => {
  if (tally === undefined || most === undefined) return 'not counted';
  const { down, up, electorate, needs } = most;
  if (down > 0) return `${down} of ${electorate} down, needs ${needs}`;
  if (tally.gray !== undefined) return `${tally.gray.regions.length} of ${tally.gray.electorate} gray, needs ${tally.gray.needs}`;
  return `${up} of ${electorate} up, needs ${needs}`;
};

export const doubtCard = ({ service, pool, target, tally, most }: Doubted, rowOf: ReturnType<typeof rowsFrom>): DoubtCard => ({
  target: targetId(service, pool.name, target.name),
  service,
  pool: pool.name,
  region: pool.region,
  verdict: tally?.verdict ?? 'unknown',
  gray: tally?.gray?.regions ?? [],
  tally: tallyText(tally, most),
  cells: rowOf(service, pool, target),
});
