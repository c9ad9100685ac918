// The records of data tiers: what is proved (`tiers`), and the last known lags (`lag/<platform>`). How they change, and the words for them. Pure.
import type { LagRecord, LagSample, TierState, Tiers } from '../model.ts';
import { phrase, seconds } from '../words.ts';

/** As `tiers` names it. */
export const tierName = (platform: string, database: string): string => `${platform}/${database}`;

export const NO_TIERS: Tiers = { version: 0, nonce: '', databases: {} };

/** What an entry is changed to; the entry itself: nothing. */
export type TierChange = (before: TierState | null) => TierState | null;

/** A row was written and read back there. A proof of the region that is the writer already changes nothing. */
export const provedIn =
  (region: string, because: string, nowMs: number): TierChange =>
  (before) => {
    if (before?.writer === region) return before;
    const { lastWriter: _, ...rest } = before ?? {};
    return { ...rest, writer: region, provedAtMs: nowMs, because: phrase(because) };
  };

/** Where it was proved last it is not the writer any more. */
export const proofLost =
  (region: string, because: string): TierChange =>
  (before) =>
    before === null || before.writer !== region ? before : { ...before, writer: null, because: phrase(because), lastWriter: region };

/** Two regions take writes. */
export const splitIn =
  (regions: readonly string[], because: string, nowMs: number): TierChange =>
  (before) => {
    if (before?.split !== undefined && before.split.regions.join() === regions.join()) return before;
    const { writer = null, provedAtMs = 0 } = before ?? {};
    return { writer, provedAtMs, because: before?.because ?? phrase(because), split: { regions, atMs: nowMs, because: phrase(because) } };
  };

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

/** The record after it; the record itself: nothing to write. */
export const changed = (tiers: Tiers | null, name: string, change: TierChange, nonce: string): Tiers => {
  const known = tiers ?? NO_TIERS;
  const before = Object.hasOwn(known.databases, name) ? (known.databases[name] ?? null) : null;
  const after = change(before);
  if (after === null || after === before) return known;
  return { version: known.version + 1, nonce, databases: { ...known.databases, [name]: after } };
};

export const stateIn = (tiers: Tiers | null, platform: string, database: string): TierState | null => {
  const name = tierName(platform, database);
  return tiers !== null && Object.hasOwn(tiers.databases, name) ? (tiers.databases[name] ?? null) : null;
};

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
