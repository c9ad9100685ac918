// A proof that is wanted and cannot be had: why, since when, and when people are told of it. What a proof was refused with is said in the refusal's own words; where
// none was tried, what was seen says why. Pure.
import type { TierState, Unproved } from '../facts.ts';
import { phrase } from '../words.ts';
import type { Looks } from './watch.ts';

/** So long nobody is told: an election, or a run that moves the writer, is over by then. */
export const UNPROVED_TOLD_MS = 60_000;
/** A text that differs at every look is written at most so often. */
const REWRITE_MS = 30_000;

export interface Why {
  region: string | null;
  because: string;
}

/** What one look says of it. */
export interface Seen {
  /** null: it is the first one, from which nothing is concluded. */
  looks: Looks | null;
  /** What a proof was refused with. null: none was tried, or it was taken. */
  refused: Why | null;
  /** By region that could not be asked from here: the system that this replica's file does not name. */
  unreached: Readonly<Record<string, string>>;
  /** `region/replica` that looks. */
  by: string;
}

const SAYS = { writes: 'takes writes', reads: 'says that it follows', silent: 'does not answer, or not with all of its members' } as const;

/** null: nothing waits for a proof. `untold`: nobody can say yet why there is none, or the alarm about two writers says it. */
export const whyUnproved = (database: string, state: TierState | null, { looks, refused, unreached, by }: Seen): Why | 'untold' | null => {
  if (state?.split !== undefined) return 'untold';
  if (state !== null && state.writer !== null && state.settled === undefined) return null;
  if (refused !== null) return { region: refused.region, because: phrase(refused.because) };
  if (looks === null) return 'untold';
  const regions = Object.keys(looks);
  const missing = regions.flatMap((region) => unreached[region] ?? []);
  if (missing.length === regions.length)
    return {
      region: null,
      because: phrase(`${by}, which coordinates, cannot ask ${database} anywhere: its file names no system ${missing.join(', ')}`),
    };
  const each = regions.map((region) => {
    const system = unreached[region];
    return `${region} ${system === undefined ? SAYS[looks[region] ?? 'silent'] : `cannot be asked by ${by}, whose file names no system ${system}`}`;
  });
  const writers = regions.filter((region) => looks[region] === 'writes');
  const begins =
    writers.length === 0 ? `no region was seen to take writes of ${database}` : 'no row was tried, since all others have to follow';
  return { region: writers.length === 1 ? (writers[0] ?? null) : null, because: phrase(`${begins}: ${each.join(', ')}`) };
};

const RANK = { warning: 1, critical: 2 } as const;

export interface UnprovedNews {
  /** As it is to be written; the very one before: nothing to write. */
  after: Unproved | null;
  /** What people are told. null: nothing. */
  told: 'unproved' | 'proved' | null;
  /** They are told that no word stands in place of a row any more. */
  isWordOver: boolean;
}

/** `isHeld`: users wait for it now. Where a human's word stands nobody is told of it anew: they know that there is no row. */
export const unprovedAfter = (
  given: Unproved | null,
  why: Why | 'untold' | null,
  { isHeld, isSettled, nowMs }: { isHeld: boolean; isSettled: boolean; nowMs: number },
): UnprovedNews => {
  const isWordOver = given?.word === true && !isSettled;
  const before = isWordOver ? wordless(given) : given;
  if (why === null) return { after: null, told: before !== null && before.told !== null ? 'proved' : null, isWordOver };
  if (why === 'untold') return { after: before, told: null, isWordOver };
  if (before === null) return { after: { ...why, sinceMs: nowMs, atMs: nowMs, told: null }, told: null, isWordOver };
  const isNew = (why.because !== before.because || why.region !== before.region) && nowMs - before.atMs >= REWRITE_MS;
  const level = isHeld ? 'critical' : 'warning';
  const isLouder = before.told === null || RANK[level] > RANK[before.told];
  const tells = !isSettled && isLouder && nowMs - before.sinceMs >= UNPROVED_TOLD_MS;
  if (!isNew && !tells) return { after: before, told: null, isWordOver };
  return { after: { ...before, ...why, atMs: nowMs, told: tells ? level : before.told }, told: tells ? 'unproved' : null, isWordOver };
};

const wordless = ({ word: _, ...rest }: Unproved): Unproved => rest;
