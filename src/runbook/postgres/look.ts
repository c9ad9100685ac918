// How a database stands in one region, for the coordinator's watch and the audits.
import type { DatabaseFacts } from '../facts.ts';
import type { PatroniSystem } from './patroni.ts';
import type { Cluster } from './patroni-wire.ts';
import type { Archiver, PostgresSystem, SqlState } from './sql.ts';

export interface Lag {
  /** null: it could not be told. */
  ms: number | null;
  bytes: number | null;
}

const UNTOLD: Lag = { ms: null, bytes: null };

/** Rejects when no member answers by SQL, or none by Patroni. */
export const siteFacts = async (patroni: PatroniSystem, sql: PostgresSystem, signal: AbortSignal): Promise<DatabaseFacts> => {
  const [cluster, state, archive] = await Promise.all([patroni.cluster(signal), sql.state(signal), sql.archive(signal)]);
  const lag = auditedOf(state);
  return {
    role: state.inRecovery ? 'standby' : 'primary',
    timeline: state.timeline,
    lagMs: lag.ms,
    lagBytes: lag.bytes,
    syncStandbys: syncStandbysOf(cluster),
    paused: cluster.paused,
    archive: state.inRecovery ? null : archiveOf(archive),
  };
};

/** Postgres itself lets a link that is idle be silent for half of its timeout of a minute. */
const SILENT_MS_MAX = 35_000;

/** With nothing missing and a link that was heard lately it is behind by nothing, however old its last commit is. */
const auditedOf = (state: SqlState): Lag => {
  const lag = lagByItself(state);
  return lag.bytes === 0 && lag.ms !== null && lag.ms <= SILENT_MS_MAX ? { ms: 0, bytes: 0 } : lag;
};

const SYNC_ROLES: readonly string[] = ['sync_standby', 'quorum_standby'];
const WORKING: readonly string[] = ['running', 'streaming'];

const syncStandbysOf = ({ members }: Cluster): number =>
  members.filter(({ role, state }) => SYNC_ROLES.includes(role) && WORKING.includes(state)).length;

/** A standby archives nothing as Patroni runs it. */
const archiveOf = ({ isOn, archivedAtMs, failedAtMs, nowMs }: Archiver): DatabaseFacts['archive'] => {
  if (!isOn || (archivedAtMs === null && failedAtMs === null)) return null;
  const isFailing = failedAtMs !== null && failedAtMs > (archivedAtMs ?? Number.NEGATIVE_INFINITY);
  return { agoMs: Math.max(0, Math.round(nowMs - (archivedAtMs ?? failedAtMs ?? nowMs))), failing: isFailing };
};

/**
 * How far `standby` is behind `primary`; null: there is no primary to ask, so what the standby itself knows has to do. Rejects when the standby does not answer,
 * or the primary that is to be asked.
 */
export const lagBetween = async (primary: PostgresSystem | null, standby: PostgresSystem, signal: AbortSignal): Promise<Lag> => {
  if (primary === null) return lagByItself(await standby.state(signal));
  // In this order: what travels while they are asked is behind by nothing.
  const ahead = await primary.state(signal);
  const behind = await standby.state(signal);
  if (covers(ahead.currentLsn, behind) || covers(behind.upstream?.endLsn, behind)) return lagOf(ahead, behind);
  // What it has more was written meanwhile, or by another that was promoted to a timeline of the same number: then its primary never had it.
  return covers((await primary.state(signal)).currentLsn, behind) ? lagOf(ahead, behind) : UNTOLD;
};

/** Whether a source that ends there has all that the standby has. */
const covers = (endLsn: number | null | undefined, { replayedLsn }: SqlState): boolean => (endLsn ?? 0) >= (replayedLsn ?? 0);

/** Of a standby that was asked after its primary. */
export const lagOf = (primary: SqlState, standby: SqlState): Lag => {
  const isPair = primary.systemId === standby.systemId && !primary.inRecovery && standby.inRecovery;
  // On a timeline of its own it has what the primary has not, and bytes say nothing. One that streams follows, even where its timeline shows late.
  const isLine = primary.timeline === standby.timeline || (primary.timeline > standby.timeline && standby.upstream !== null);
  if (!isPair || !isLine || primary.currentLsn === null || standby.replayedLsn === null) return UNTOLD;
  const bytes = Math.max(0, primary.currentLsn - standby.replayedLsn);
  // The age of the last commit that it has grows while nothing is written; with nothing missing it means nothing.
  if (bytes === 0) return { ms: 0, bytes: 0 };
  // Both instants are of the primary's clock.
  return { ms: standby.replayedAtMs === null ? null : Math.max(0, Math.round(primary.nowMs - standby.replayedAtMs)), bytes };
};

/** By what its upstream last said of its own end: that was so when it was heard, and since then it may have written more. */
export const lagByItself = ({ inRecovery, receivedLsn, replayedLsn, replayedAtMs, upstream, nowMs }: SqlState): Lag => {
  // One that has just begun to stream has been told of no end yet, and has what it was sent.
  const endLsn = upstream?.endLsn ?? receivedLsn;
  if (!inRecovery || replayedLsn === null || upstream?.heardAtMs == null || endLsn === null) return UNTOLD;
  const bytes = Math.max(0, endLsn - replayedLsn);
  const silentMs = Math.max(0, Math.round(nowMs - upstream.heardAtMs));
  if (bytes === 0) return { ms: silentMs, bytes };
  return { ms: replayedAtMs === null ? null : Math.max(silentMs, Math.round(nowMs - replayedAtMs)), bytes };
};

/** `partly`: nobody who answers takes writes, and not all of them answer. */
export type SiteSays = 'writes' | 'reads' | 'partly';

/** What all members of the file say of the site together. A silent one may be the writer, so only all of them say that it reads. Rejects when none answers. */
export const siteSays = async (sql: PostgresSystem, signal: AbortSignal): Promise<SiteSays> => {
  const members = await sql.members(signal);
  if (members.some(({ state }) => state?.inRecovery === false)) return 'writes';
  return members.every(({ state }) => state !== null) ? 'reads' : 'partly';
};
