// The records of data tiers: what is proved (`tiers`), and the last known lags (`lag/<platform>`). How they change, and the words for them. Pure.
import { canonicalJson, sha256 } from '../../audit/canonical.ts';
import type { LagRecord, LagSample, LooksRecord, Settled, TierState, Tiers, Unproved } from '../facts.ts';
import type { ByRegion } from '../platform.ts';
import { phrase, seconds } from '../words.ts';

/** As `tiers` names it. */
export const tierName = (platform: string, database: string): string => `${platform}/${database}`;

export const NO_TIERS: Tiers = { version: 0, nonce: '', databases: {} };

/** What an entry is changed to; the entry itself: nothing. */
export type TierChange = (before: TierState | null) => TierState | null;

/** Without these among the regions that are held for fenced. */
const unfenced = (state: TierState, regions: readonly string[]): TierState => {
  const { fenced = [], ...rest } = state;
  const left = fenced.filter((region) => !regions.includes(region));
  return left.length === fenced.length ? state : { ...rest, ...(left.length === 0 ? {} : { fenced: left }) };
};

const sitesOf = (state: TierState | null): Pick<TierState, 'sites'> => (state?.sites === undefined ? {} : { sites: state.sites });

/** Regions whose site names another `sql` than the one that the state is about. */
export const replacedIn = (state: TierState | null, sites: ByRegion<string>): readonly string[] =>
  Object.entries(state?.sites ?? {}).flatMap(([region, sql]) => (Object.hasOwn(sites, region) && sites[region] !== sql ? [region] : []));

/**
 * Notes what the state is about. What was proved of, or said for, a system that its region has no more is nothing that is known of the one it has now; a region
 * that is watched since a human answered for it is watched on.
 */
export const aboutSites =
  (sites: ByRegion<string>): TierChange =>
  (before) => {
    if (before === null || Object.entries(sites).every(([region, sql]) => before.sites?.[region] === sql)) return before;
    const replaced = replacedIn(before, sites);
    const noted = { ...before, sites: { ...before.sites, ...sites } };
    const { lastWriter, split, ...rest } = noted;
    const kept = {
      ...rest,
      ...(lastWriter === undefined || replaced.includes(lastWriter) ? {} : { lastWriter }),
      ...(split === undefined ? {} : { split }),
    };
    const left = splitAmong(split?.regions.filter((region) => !replaced.includes(region)) ?? [])(kept) ?? kept;
    const { writer } = left;
    if (writer === null || !replaced.includes(writer)) return left;
    const { settled: _, ...unproved } = left;
    return { ...unproved, writer: null, because: phrase(`${writer} is kept by ${sites[writer]} now, of which nothing was proved`) };
  };

/** A row was written and read back there. A proof of the region that was proved already changes nothing. */
export const provedIn =
  (region: string, because: string, nowMs: number): TierChange =>
  (before) => {
    if (before?.writer === region && before.settled === undefined) return before;
    const { lastWriter: _, settled: __, ...rest } = before ?? {};
    return unfenced({ ...rest, writer: region, provedAtMs: nowMs, because: phrase(because) }, [region]);
  };

/** Where it was proved last, or settled to be, it is not the writer any more. */
export const proofLost =
  (region: string, because: string): TierChange =>
  (before) => {
    if (before === null || before.writer !== region) return before;
    const { settled: _, ...rest } = before;
    return { ...rest, writer: null, because: phrase(because), lastWriter: region };
  };

/** Two regions take writes. A human's word for one of them is void by that: only a row, or another word, makes it the writer again. */
export const splitIn =
  (regions: readonly string[], because: string, nowMs: number): TierChange =>
  (before) => {
    if (before?.split !== undefined && before.split.regions.join() === regions.join()) return before;
    const { writer = null, provedAtMs = 0, settled, fenced = [] } = before ?? {};
    // Of a third one a human's answer still stands, and it is watched for.
    const others = fenced.filter((region) => !regions.includes(region));
    const held =
      settled === undefined || writer === null
        ? { writer, because: before?.because ?? phrase(because) }
        : { writer: null, because: phrase(`the word of ${settled.by} for ${writer} is void: ${because}`), lastWriter: writer };
    return {
      ...held,
      provedAtMs,
      split: { regions, atMs: nowMs, because: phrase(because) },
      ...(others.length === 0 ? {} : { fenced: others }),
      ...sitesOf(before),
    };
  };

/** A human says where the writer is, and which regions take no writes. `before` of the word stays that of the first, so that no alarm is lost. */
export const settledIn =
  (region: string, { by, reason, atMs }: Omit<Settled, 'before'>, fenced: readonly string[]): TierChange =>
  (before) => {
    const was = before?.settled === undefined ? before : before.settled.before;
    return {
      writer: region,
      // Not after the word, whichever clock stamped it: a row that is younger than a word is in place of it.
      provedAtMs: Math.min(before?.provedAtMs ?? 0, atMs),
      because: phrase(`settled by ${by}, and no row was written there: ${reason}`),
      settled: { by, reason, atMs, before: was },
      ...(fenced.length === 0 ? {} : { fenced }),
      ...sitesOf(before),
    };
  };

/**
 * The word is taken back. An alarm that it ended rings again; a proof that it replaced does not come back: users may have written elsewhere since, and whoever
 * was proved before may have been gone for all that time. Nobody is held for the last writer either, so that a row proves one only where all others are seen to
 * follow. Who was answered for is watched on.
 */
export const unsettled: TierChange = (before) => {
  if (before?.settled === undefined) return before;
  const { writer, provedAtMs, fenced, settled } = before;
  const split = settled.before?.split;
  const because = phrase(`the word of ${settled.by} for ${writer} was taken back, and no row was written and read back since`);
  return {
    writer: null,
    provedAtMs,
    because,
    ...(split === undefined ? {} : { split }),
    ...(fenced === undefined ? {} : { fenced }),
    ...sitesOf(before),
  };
};

/** These were seen to follow, or have no site any more: nobody has to answer for them. */
export const fenceEnded =
  (regions: readonly string[]): TierChange =>
  (before) =>
    before === null ? before : unfenced(before, regions);

/** Of regions that both took writes these are left: the others have no site any more. */
export const splitAmong =
  (regions: readonly string[]): TierChange =>
  (before) => {
    if (before?.split === undefined) return before;
    const left = before.split.regions.filter((region) => regions.includes(region));
    if (left.length < 2) return wholeAgain(before);
    return left.length === before.split.regions.length ? before : { ...before, split: { ...before.split, regions: left } };
  };

/** Not more than one does. */
export const wholeAgain: TierChange = (before) => {
  if (before?.split === undefined) return before;
  const { split: _, ...rest } = before;
  return rest;
};

/**
 * As it is read: builds that know no words leave one beside what they write. Without a writer, or with a row that is younger, nobody's word stands; two that
 * take writes make it void, as ever.
 */
const readOf = (state: TierState | null): TierState | null => {
  if (state?.settled === undefined) return state;
  const { settled, ...rest } = state;
  const { writer, split } = rest;
  if (writer === null || rest.provedAtMs > settled.atMs) return rest;
  return split === undefined ? state : { ...rest, writer: null, lastWriter: writer };
};

/** The record after it; the record itself: nothing to write. */
export const changed = (tiers: Tiers | null, name: string, change: TierChange, nonce: string): Tiers => {
  const known = tiers ?? NO_TIERS;
  const { [name]: before = null, ...others } = known.databases;
  const read = readOf(before);
  const after = change(read);
  if (after === read) return known;
  return { ...known, version: known.version + 1, nonce, databases: after === null ? others : { ...known.databases, [name]: after } };
};

/** The record with what keeps that database from being proved; null: nothing does. */
export const withUnproved = (tiers: Tiers | null, name: string, is: Unproved | null, nonce: string): Tiers => {
  const { unproved = {}, ...known } = tiers ?? NO_TIERS;
  const { [name]: _, ...others } = unproved;
  const all = is === null ? others : { ...others, [name]: is };
  return { ...known, version: known.version + 1, nonce, ...(Object.keys(all).length === 0 ? {} : { unproved: all }) };
};

export const unprovedIn = (tiers: Tiers | null, platform: string, database: string): Unproved | null => {
  const name = tierName(platform, database);
  const { unproved = {} } = tiers ?? NO_TIERS;
  return Object.hasOwn(unproved, name) ? (unproved[name] ?? null) : null;
};

/** Entity tag of what a human decides about: another one when anything of it has changed. */
export const stateTag = (state: TierState | null): string => `"${sha256(canonicalJson(state)).slice(0, 16)}"`;

export const stateIn = (tiers: Tiers | null, platform: string, database: string): TierState | null => {
  const name = tierName(platform, database);
  return readOf(tiers !== null && Object.hasOwn(tiers.databases, name) ? (tiers.databases[name] ?? null) : null);
};

/**
 * Age of what was stamped `atMs` in a record, by two differences of one clock each: between both stamps of whoever wrote it, and since the record was written,
 * as it was measured here (`writtenAgoMs`). Where that could not be (null, Infinity) by the clocks of both, which is as good as these agree.
 */
export const ageIn = (record: { atMs: number }, atMs: number, writtenAgoMs: number | null, nowMs: number): number =>
  Math.max(0, Math.round(writtenAgoMs !== null && Number.isFinite(writtenAgoMs) ? record.atMs - atMs + writtenAgoMs : nowMs - atMs));

/** Nothing of it was measured. */
export const isUntold = ({ ms, bytes }: LagSample): boolean => ms === null && bytes === null;

/** With what was measured now. What could not be measured, or was not looked at, stays as it was known last, and grows old. */
export const lagsAfter = (
  before: LagRecord | null,
  measured: LagRecord['databases'],
  about: { atMs: number; nonce: string },
): LagRecord => ({
  ...about,
  databases: {
    ...before?.databases,
    ...Object.fromEntries(
      Object.entries(measured).map(([database, regions]) => [
        database,
        Object.fromEntries(
          Object.entries(regions).flatMap(([region, sample]): [string, LagSample][] => {
            const known = isUntold(sample) ? before?.databases[database]?.[region] : sample;
            return known === undefined ? [] : [[region, known]];
          }),
        ),
      ]),
    ),
  },
});

/** What was answered, and when. */
export type Answers = ByRegion<{ is: 'writes' | 'reads' | 'silent'; atMs: number }>;

/** With what was answered now. The very record before: nothing to write, since all of it is known and fresh enough. null: nobody has answered yet. */
export const looksAfter = (
  before: LooksRecord | null,
  seen: Readonly<Record<string, Answers>>,
  about: { atMs: number; nonce: string },
  freshMs: number,
): LooksRecord | null => {
  let isNews = false;
  const databases = Object.fromEntries(
    Object.entries(seen).map(([database, answers]) => [
      database,
      Object.fromEntries(
        Object.entries(answers).flatMap(([region, { is, atMs }]): [string, LooksRecord['databases'][string][string]][] => {
          const known = before?.databases[database]?.[region];
          if (is === 'silent') return known === undefined ? [] : [[region, known]];
          isNews ||= known === undefined || known.is !== is || atMs - known.atMs >= freshMs;
          return [[region, { is, atMs }]];
        }),
      ),
    ]),
  );
  return isNews ? { ...about, databases } : before;
};

// ---- words ----

const sizeText = (bytes: number): string => {
  if (bytes < 1_000) return `${Math.round(bytes)} B`;
  const [value, unit] = bytes < 999_500 ? [bytes / 1e3, 'kB'] : bytes < 999.5e6 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB'];
  return `${value < 10 ? String(Number(value.toFixed(1))) : Math.round(value)} ${unit}`;
};

/** `3.2 s / 48 MB`. */
export const lagText = ({ ms, bytes }: Pick<LagSample, 'ms' | 'bytes'>): string =>
  `${ms === null ? 'an unknown time' : seconds(ms)} / ${bytes === null ? 'unknown bytes' : sizeText(bytes)}`;

export const agoText = (ageMs: number): string => (ageMs < 120_000 ? `${Math.round(ageMs / 1000)} s` : `${Math.round(ageMs / 60_000)} min`);

/** `expected loss now: 3.2 s / 48 MB, measured 4 s ago`. */
export const lossText = (lag: (LagSample & { ageMs: number }) | null): string =>
  lag === null
    ? 'expected loss now: unknown, since it was never measured'
    : `expected loss now: ${lagText(lag)}, measured ${agoText(Math.max(0, lag.ageMs))} ago`;
