// What a failover would lose now, and what is proved of each database: the records of the store as people and machines are told of them. Pure.
import type { LagRecord, Tiers, Unproved } from '../facts.ts';
import type { Run } from '../model.ts';
import type { PlatformConfig } from '../platform.ts';
import { agoText, lossText, stateIn, tierName, unprovedIn } from './record.ts';

export interface StandbyView {
  region: string;
  /** null: it could not be told. */
  lagMs: number | null;
  lagBytes: number | null;
  measuredAtMs: number;
  /** `expected loss now: 3.2 s / 48 MB, measured 4 s ago`. */
  because: string;
}

export interface DatabaseView {
  database: string;
  /** null: it is proved writable nowhere. */
  writer: string | null;
  /** null: it never was. */
  provedAtMs: number | null;
  because: string;
  /** Regions that both take writes; null: no two do. */
  split: readonly string[] | null;
  /** The writer stands on a human's word; null: on a row, or there is none. */
  settled: { by: string; reason: string; atMs: number } | null;
  /** Regions that a human said take no writes. */
  fenced: readonly string[];
  /** Why there is no row, and for how long; null: there is one, or none is wanted. */
  unproved: { region: string | null; because: string; sinceMs: number } | null;
  standbys: readonly StandbyView[];
}

/** The records as they were read last. */
export interface TierRecords {
  tiers: Tiers | null;
  lagsOf: (platform: string) => LagRecord | null;
  nowMs: number;
  /** What only this replica knows, since the store did not take it, by `platform/database`. Absent: nothing. */
  unproved?: ReadonlyMap<string, Unproved>;
}

/** `permission denied for table tidegate_canary, for 3 min`. */
export const unprovedText = ({ because, sinceMs }: Pick<Unproved, 'because' | 'sinceMs'>, nowMs: number): string =>
  `${because}, for ${agoText(Math.max(0, nowMs - sinceMs))}`;

export const databasesOf = (
  { name, databases = [] }: PlatformConfig,
  { tiers, lagsOf, nowMs, unproved }: TierRecords,
): readonly DatabaseView[] => {
  const lags = lagsOf(name)?.databases ?? {};
  return databases.map((database): DatabaseView => {
    const state = stateIn(tiers, name, database.name);
    const known = lags[database.name] ?? {};
    const { settled = null, fenced = [] } = state ?? {};
    const why = unproved?.get(tierName(name, database.name)) ?? unprovedIn(tiers, name, database.name);
    // What has been proved since it was written wants no row.
    const isWanted = why !== null && (state === null || state.writer === null || settled !== null);
    const never = why === null ? 'no row was written and read back yet' : unprovedText(why, nowMs);
    return {
      database: database.name,
      writer: state?.writer ?? null,
      provedAtMs: state === null || state.provedAtMs === 0 ? null : state.provedAtMs,
      because: state?.split?.because ?? state?.because ?? never,
      split: state?.split?.regions ?? null,
      settled: settled === null ? null : { by: settled.by, reason: settled.reason, atMs: settled.atMs },
      fenced,
      unproved: isWanted ? { region: why.region, because: unprovedText(why, nowMs), sinceMs: why.sinceMs } : null,
      standbys: Object.keys(database.sites).flatMap((region): StandbyView[] => {
        const lag = known[region];
        if (lag === undefined || region === state?.writer) return [];
        const because = lossText({ ...lag, ageMs: nowMs - lag.atMs });
        return [{ region, lagMs: lag.ms, lagBytes: lag.bytes, measuredAtMs: lag.atMs, because }];
      }),
    };
  });
};

/** By region that has a site, for gauges. null: not measured. */
export const gaugesOf = (platform: PlatformConfig, records: TierRecords) =>
  databasesOf(platform, records).flatMap(({ database, writer, standbys }) =>
    Object.keys(platform.databases?.find(({ name }) => name === database)?.sites ?? {}).map((region) => {
      const lag = standbys.find((each) => each.region === region);
      return {
        platform: platform.name,
        database,
        region,
        writer: region === writer,
        lagMs: lag?.lagMs ?? null,
        lagBytes: lag?.lagBytes ?? null,
        lagAgeMs: lag === undefined ? null : Math.max(0, records.nowMs - lag.measuredAtMs),
      };
    }),
  );

/** By a move to that region, a sentence per database that has a site there and is not proved there already. */
export const lossesTo = (platform: PlatformConfig, to: string, records: TierRecords): readonly string[] =>
  databasesOf(platform, records)
    .filter(({ database, writer }) => writer !== to && platform.databases?.find(({ name }) => name === database)?.sites[to] !== undefined)
    .map(({ database, standbys }) => `${database}: ${standbys.find(({ region }) => region === to)?.because ?? lossText(null)}`);

/** For the page of a run that begins; null: it moves no database. */
export const lossOf = (run: Pick<Run, 'to'>, platform: PlatformConfig | undefined, records: TierRecords): string | null => {
  const losses = platform === undefined ? [] : lossesTo(platform, run.to, records);
  return losses.length === 0 ? null : losses.join('; ');
};
