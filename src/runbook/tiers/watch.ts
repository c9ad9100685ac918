// What two looks at a database say: whether the writer that is known still is one, whether there are two, whether a first proof is due, which standby is too far
// behind. A region that does not answer says nothing: it is neither a writer nor a standby. Everything has to be seen twice in a row. Pure.
import type { LagSample, TierState } from '../facts.ts';
import type { ByRegion, DatabaseConfig } from '../platform.ts';
import { fenceEnded, lagText, proofLost, splitAmong, splitIn, type TierChange, wholeAgain } from './record.ts';

/** By SQL: any member there writes; all of them are in recovery; neither can be said. */
export type SiteLook = 'writes' | 'reads' | 'silent';
export type Looks = ByRegion<SiteLook>;

/** Of one database, kept between looks. A takeover begins anew, which only makes it slower. */
export interface Memory {
  looks: Looks | null;
  /** By region of a standby: since when its lag is over what may be lost. */
  overSinceMs: ByRegion<number>;
}

export const NO_MEMORY: Memory = { looks: null, overSinceMs: {} };

/** Over its limit for so long, it is told. */
export const LAG_TOLD_MS = 60_000;

const regionsThat = (looks: Looks, look: SiteLook): readonly string[] =>
  Object.keys(looks)
    .filter((region) => looks[region] === look)
    .toSorted();

/** Regions that were so at both looks. */
const twice = (before: Looks | null, now: Looks, look: SiteLook): readonly string[] =>
  before === null ? [] : regionsThat(now, look).filter((region) => before[region] === look);

export interface TierNews {
  /** In order; each is judged anew by what stands in the record then. */
  changes: readonly TierChange[];
  /** A row is to be written and read back there. null: nowhere. */
  prove: string | null;
}

/** `sql`: of every region that has a site, whether or not it could be asked. */
export const newsOf = (database: string, before: Looks | null, now: Looks, state: TierState | null, nowMs: number): TierNews => {
  const writers = twice(before, now, 'writes');
  const readers = twice(before, now, 'reads');
  if (writers.length > 1)
    return {
      changes: [splitIn(writers, `${writers.join(' and ')} both take writes of ${database}, seen twice in a row`, nowMs)],
      prove: null,
    };
  const { split, writer = null, settled, fenced = [] } = state ?? {};
  // Of what a human answers for: that it writes is believed at once beside a writer that is silent, since nobody was to write there. Beside one that says itself
  // that it follows there is only one writer: somebody has moved it.
  const returned =
    writer === null || split !== undefined || readers.includes(writer)
      ? undefined
      : writers.find((region) => region !== writer && (settled !== undefined || fenced.includes(region)));
  if (returned !== undefined && writer !== null) {
    const both = [writer, returned].toSorted();
    const because = `${returned} takes writes of ${database}, seen twice in a row, and ${writer} was settled to be the writer`;
    return { changes: [splitIn(both, because, nowMs)], prove: null };
  }
  // What was taken out of the configuration is asked by nobody, and would be waited for without an end.
  if (split !== undefined) {
    const left = split.regions.filter((region) => Object.hasOwn(now, region));
    if (left.length < split.regions.length) return { changes: [splitAmong(left)], prove: null };
    // Silence of one of them ends nothing: it may write where nobody sees it.
    return { changes: left.filter((region) => readers.includes(region)).length >= left.length - 1 ? [wholeAgain] : [], prove: null };
  }
  const answered = fenced.filter((region) => readers.includes(region) || !Object.hasOwn(now, region));
  const changes = [
    ...(writer === null ? [] : lossIn(database, writer, now, readers)),
    ...(answered.length === 0 ? [] : [fenceEnded(answered)]),
  ];
  const [only] = writers;
  if (only === undefined) return { changes, prove: null };
  // What was never proved, or is lost, is proved by a row as a run would. Where somebody else promoted, all others have to say that they follow; where its
  // own members have elected another leader, it was the writer before, and none of the others may be seen to write.
  const isBack = only === state?.lastWriter && [before ?? now, now].every((looks) => regionsThat(looks, 'writes').join() === only);
  // What a human has settled becomes a proof as soon as a row can be written.
  const isSettled = settled !== undefined && only === writer;
  const isDue = state === null || isSettled || (writer === null && (isBack || readers.length === Object.keys(now).length - 1));
  return { changes, prove: isDue ? only : null };
};

const lossIn = (database: string, writer: string, now: Looks, readers: readonly string[]): readonly TierChange[] => {
  if (!Object.hasOwn(now, writer)) return [proofLost(writer, `${writer} has no site of ${database} any more`)];
  return readers.includes(writer) ? [proofLost(writer, `${writer} says that it is a standby of ${database}`)] : [];
};

const isOver = ({ maxMs, maxBytes }: DatabaseConfig['lag'], { ms, bytes }: LagSample): boolean =>
  (ms !== null && ms > maxMs) || (bytes !== null && bytes > maxBytes);

const isWithin = ({ maxMs, maxBytes }: DatabaseConfig['lag'], { ms, bytes }: LagSample): boolean =>
  ms !== null && ms <= maxMs && bytes !== null && bytes <= maxBytes;

export interface LagNews {
  region: string;
  is: 'over' | 'back';
  because: string;
}

/** Of a region whose lag was told of: that it cannot be behind any more. `sites`: as they are configured now. null: it can. */
export const lagEnded = (name: string, region: string, sites: DatabaseConfig['sites'], writer: string | null): LagNews | null => {
  const because = (is: string): LagNews => ({ region, is: 'back', because: `${name} in ${region} ${is}, so nothing is behind` });
  if (!Object.hasOwn(sites, region)) return because('is no longer configured');
  return region === writer ? because('is the writer now') : null;
};

/** `told`: regions whose lag was told of and has not been back since. A lag that cannot be told begins and ends nothing. */
export const lagNewsOf = (
  { name, lag }: Pick<DatabaseConfig, 'name' | 'lag'>,
  { overSinceMs }: Pick<Memory, 'overSinceMs'>,
  samples: ByRegion<LagSample>,
  told: readonly string[],
  nowMs: number,
): { overSinceMs: Memory['overSinceMs']; news: readonly LagNews[] } => {
  const since = Object.fromEntries(
    Object.entries(samples).flatMap(([region, sample]): [string, number][] => {
      const was = overSinceMs[region];
      if (isOver(lag, sample)) return [[region, was ?? nowMs]];
      return isWithin(lag, sample) || was === undefined ? [] : [[region, was]];
    }),
  );
  const limit = lagText({ ms: lag.maxMs, bytes: lag.maxBytes });
  const news = Object.entries(samples).flatMap(([region, sample]): LagNews[] => {
    const said = `${name} in ${region} is ${lagText(sample)} behind`;
    if (told.includes(region)) return isWithin(lag, sample) ? [{ region, is: 'back', because: `${said} again, within ${limit}` }] : [];
    const sinceMs = since[region];
    if (sinceMs === undefined || !isOver(lag, sample) || nowMs - sinceMs < LAG_TOLD_MS) return [];
    return [{ region, is: 'over', because: `${said}, more than ${limit}, for ${Math.round((nowMs - sinceMs) / 1000)} s` }];
  });
  return { overSinceMs: since, news };
};
