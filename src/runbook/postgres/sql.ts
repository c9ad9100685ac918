// SQL of one region's Postgres: all members of the file are asked at the same time, since which of them leads changes and one that is silent must not stand for
// the others. A member that answered is evidence of itself alone.
import { z } from 'zod';
import { Fault } from '../../errors.ts';
import { Answered, fitting } from '../../exchange.ts';
import { registerSecret } from '../../log.ts';
import { withDeadline } from '../../ports.ts';
import { createDial, type Dial } from '../dial.ts';
import type { System, SystemContext } from '../kind.ts';
import { saying } from '../outcome.ts';
import type { PostgresConfig, SystemModule } from '../systems.ts';
import { type Asking, asking } from './link.ts';

/** Of one member from connecting to its answer. */
const MEMBER_MS = 3_000;
/** The name is the owner's to grant rights on. */
export const CANARY_TABLE = 'tidegate_canary';

/** How one member stands. Places in the WAL are bytes from its beginning; instants are of the member's own clock. */
export interface SqlState {
  /** `host:port`. */
  at: string;
  inRecovery: boolean;
  /** The same for all members of all regions that stem from one another. */
  systemId: string;
  /** Of one in recovery at least so high: without the rights of `pg_monitor` a switch that it has replayed may show minutes later. */
  timeline: number;
  /** Written: of one that takes writes. */
  currentLsn: number | null;
  /** Of one in recovery. Received: streamed and on disk; null: it has not streamed since it was started. */
  receivedLsn: number | null;
  replayedLsn: number | null;
  /** When the last transaction that it replayed was committed, by its writer's clock. */
  replayedAtMs: number | null;
  /** It streams from another one: what that one said last of its own end, and when it said anything last. null: it does not stream. */
  upstream: { endLsn: number | null; heardAtMs: number | null } | null;
  nowMs: number;
}

export interface SqlLook {
  at: string;
  state: SqlState | null;
  /** What it says, or why it says nothing. */
  because: string;
}

/** One that streams from the writer. */
export interface Replica {
  name: string;
  /** `streaming`, `catchup`, … */
  state: string;
  /** `async`, `sync`, `quorum`, `potential`. */
  sync: string;
  replayedLsn: number | null;
}

export interface Archiver {
  isOn: boolean;
  archivedAtMs: number | null;
  failedAtMs: number | null;
  failures: number;
  nowMs: number;
}

export interface PostgresSystem extends System {
  readonly kind: 'postgres';
  /** Every member of the file. Rejects when none answers. */
  members(signal: AbortSignal): Promise<readonly SqlLook[]>;
  /** The member that takes writes, else the one that has most. Rejects when none answers. */
  state(signal: AbortSignal): Promise<SqlState>;
  /** Of that member. */
  replicas(signal: AbortSignal): Promise<readonly Replica[]>;
  archive(signal: AbortSignal): Promise<Archiver>;
  /** Of one SELECT and its answer on that member, over a connection that is there. */
  roundTripMs(signal: AbortSignal): Promise<number>;
  /**
   * Writes a row on the member that takes writes and reads it back; one row per `key`, so it never grows. Answers where. Throws Answered when no member takes
   * writes or it may not, Error for a row that is not the one that was written.
   */
  canary(key: string, nonce: string, signal: AbortSignal): Promise<string>;
}

// Functions that every role may call; what some of them tell only `pg_monitor` is null to others. A CASE evaluates the branch that it takes, and only that.
const STATE = `SELECT pg_is_in_recovery() AS in_recovery,
  (SELECT system_identifier::text FROM pg_control_system()) AS system_id,
  CASE WHEN pg_is_in_recovery()
    THEN greatest((SELECT timeline_id FROM pg_control_checkpoint()), (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
      (SELECT received_tli FROM pg_stat_wal_receiver))
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END AS timeline,
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 END AS current_lsn,
  pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::float8 AS received_lsn,
  pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::float8 AS replayed_lsn,
  (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000)::float8 AS replayed_at_ms,
  has_function_privilege('pg_ls_waldir()', 'execute') AS may_list,
  (SELECT count(*)::int FROM pg_stat_wal_receiver) AS receivers,
  (SELECT pg_wal_lsn_diff(latest_end_lsn, '0/0')::float8 FROM pg_stat_wal_receiver) AS upstream_lsn,
  (SELECT (extract(epoch FROM last_msg_receipt_time) * 1000)::float8 FROM pg_stat_wal_receiver) AS heard_at_ms,
  (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms`;

const place = z.number().nonnegative().nullable();
const stateShape = z.object({
  in_recovery: z.boolean(),
  system_id: z.string(),
  timeline: z.number().int().positive(),
  current_lsn: place,
  received_lsn: place,
  replayed_lsn: place,
  replayed_at_ms: z.number().nullable(),
  may_list: z.boolean(),
  receivers: z.number().int(),
  upstream_lsn: place,
  heard_at_ms: z.number().nullable(),
  now_ms: z.number(),
});

/**
 * The control file of a standby tells the timeline of its last restart point, and the receiver's own is gone with its link: just when the writer was demoted. A
 * segment of a timeline is there only once that timeline was streamed or replayed.
 */
const TIMELINE = `SELECT coalesce(max(('x' || substr(name, 1, 8))::bit(32)::int), 0) AS timeline FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'`;
const timelineShape = z.array(z.object({ timeline: z.number().int() })).length(1);

const REPLICAS = `SELECT coalesce(application_name, '') AS name, coalesce(state, '') AS state, coalesce(sync_state, '') AS sync,
  pg_wal_lsn_diff(replay_lsn, '0/0')::float8 AS replayed_lsn FROM pg_stat_replication ORDER BY 1`;
const replicaShape = z.object({ name: z.string(), state: z.string(), sync: z.string(), replayed_lsn: place });

const ARCHIVE = `SELECT (SELECT setting FROM pg_settings WHERE name = 'archive_mode') AS mode, failed_count::int AS failures,
  (extract(epoch FROM last_archived_time) * 1000)::float8 AS archived_at_ms,
  (extract(epoch FROM last_failed_time) * 1000)::float8 AS failed_at_ms,
  (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms FROM pg_stat_archiver`;
const archiveShape = z.object({
  mode: z.string(),
  failures: z.number().int(),
  archived_at_ms: z.number().nullable(),
  failed_at_ms: z.number().nullable(),
  now_ms: z.number(),
});

export const postgres: SystemModule<PostgresConfig> = {
  async open({ addresses, user, passwordFile, database, tls }, context) {
    const { ports } = context;
    if (addresses.length === 0) throw new Fault('ERR_CONFIG', 'found no addresses, expected host:port of the members');
    const targets = addresses.map(
      (text): Target => ({ text, dial: createDial('postgres', { address: text, ...(tls === undefined ? {} : { tls }) }, context) }),
    );
    const login = () => ({ user, password: passwordIn(context, passwordFile), database });
    login();

    const ask = <T>(at: Target, signal: AbortSignal, work: (asked: Asking) => Promise<T>): Promise<T> =>
      withDeadline(ports.timers, MEMBER_MS, at.text, (within) => asking(at.dial, ports.timers, login(), within, work), signal);
    const stateOf = (at: Target, signal: AbortSignal): Promise<SqlState> =>
      ask(at, signal, async (asked) => {
        const row = fitting(z.array(stateShape).length(1), await asked.rows(STATE))[0]!;
        if (!row.in_recovery || !row.may_list) return stateIn(at.text, row);
        const { timeline } = fitting(timelineShape, await asked.rows(TIMELINE))[0]!;
        return stateIn(at.text, { ...row, timeline: Math.max(row.timeline, timeline) });
      });

    const looks = async (signal: AbortSignal): Promise<readonly (SqlLook & { target: Target })[]> => {
      let failure: unknown;
      const found = await Promise.all(
        targets.map(async (target) => {
          try {
            const state = await stateOf(target, signal);
            return { target, at: target.text, state, because: `${target.text} ${state.inRecovery ? 'is in recovery' : 'takes writes'}` };
          } catch (error) {
            failure ??= error;
            return { target, at: target.text, state: null, because: saying(error) };
          }
        }),
      );
      if (found.every(({ state }) => state === null)) throw signal.aborted ? signal.reason : failure;
      return found;
    };
    /** The member that takes writes, else the one that has most. */
    const best = async (signal: AbortSignal): Promise<{ target: Target; state: SqlState }> => {
      const found = (await looks(signal)).flatMap(({ target, state }) => (state === null ? [] : [{ target, state }]));
      return found.reduce((one, other) => (isBefore(one.state, other.state) ? other : one));
    };
    const system: PostgresSystem = {
      kind: 'postgres',
      members: async (signal) => (await looks(signal)).map(({ at, state, because }) => ({ at, state, because })),
      state: async (signal) => (await best(signal)).state,
      async replicas(signal) {
        const { target } = await best(signal);
        const rows = await ask(target, signal, (asked) => asked.rows(REPLICAS));
        return fitting(z.array(replicaShape), rows).map(({ replayed_lsn, ...rest }) => ({ ...rest, replayedLsn: replayed_lsn }));
      },
      async archive(signal) {
        const { target } = await best(signal);
        const [row] = fitting(z.array(archiveShape).length(1), await ask(target, signal, (asked) => asked.rows(ARCHIVE)));
        const { mode, failures, archived_at_ms, failed_at_ms, now_ms } = row!;
        return { isOn: mode !== 'off', archivedAtMs: archived_at_ms, failedAtMs: failed_at_ms, failures, nowMs: now_ms };
      },
      async roundTripMs(signal) {
        const { target } = await best(signal);
        return ask(target, signal, async (asked) => {
          await asked.rows('SELECT 1');
          const startMs = ports.clock.monoMs();
          await asked.rows('SELECT 1');
          return ports.clock.monoMs() - startMs;
        });
      },
      async canary(key, nonce, signal) {
        const { target, state } = await best(signal);
        if (state.inRecovery) throw new Answered(409, `${state.at} is in recovery, and no other member takes writes`);
        await ask(target, signal, (asked) => written(asked, key, nonce));
        return state.at;
      },
      async close() {
        for (const { dial } of targets) dial.close();
      },
    };
    return system;
  },
};

interface Target {
  text: string;
  dial: Dial;
}

/** Read anew at each call: a password is replaced while we run. Throws Fault ERR_SECRET. */
const passwordIn = ({ secret }: SystemContext, path: string): string => {
  const password = secret(path).trim();
  if (password === '') throw new Fault('ERR_SECRET', `${path}: is empty; write the password of Postgres into it`);
  registerSecret(password);
  return password;
};

type Row = z.infer<typeof stateShape>;

const stateIn = (at: string, row: Row): SqlState => ({
  at,
  inRecovery: row.in_recovery,
  systemId: row.system_id,
  timeline: row.timeline,
  currentLsn: row.current_lsn,
  // Postgres keeps them after a promotion.
  receivedLsn: row.in_recovery ? row.received_lsn : null,
  replayedLsn: row.in_recovery ? row.replayed_lsn : null,
  replayedAtMs: row.in_recovery ? row.replayed_at_ms : null,
  upstream: row.in_recovery && row.receivers > 0 ? { endLsn: row.upstream_lsn, heardAtMs: row.heard_at_ms } : null,
  nowMs: row.now_ms,
});

/** The end of all WAL that it has. */
export const endOf = ({ currentLsn, receivedLsn, replayedLsn }: SqlState): number =>
  Math.max(currentLsn ?? 0, receivedLsn ?? 0, replayedLsn ?? 0);

const isBefore = (one: SqlState, other: SqlState): boolean => {
  if (one.inRecovery !== other.inRecovery) return one.inRecovery;
  if (one.timeline !== other.timeline) return one.timeline < other.timeline;
  return endOf(one) < endOf(other);
};

/** A place as Postgres writes it. */
export const lsnText = (bytes: number): string =>
  `${Math.floor(bytes / 2 ** 32).toString(16)}/${(bytes % 2 ** 32).toString(16)}`.toUpperCase();

const CREATE = `CREATE TABLE IF NOT EXISTS ${CANARY_TABLE} (key text PRIMARY KEY, nonce text NOT NULL, at timestamptz NOT NULL)`;
const UPSERT = `INSERT INTO ${CANARY_TABLE} (key, nonce, at) VALUES ($1, $2, clock_timestamp())
  ON CONFLICT (key) DO UPDATE SET nonce = excluded.nonce, at = excluded.at`;

const foundShape = z.array(z.object({ found: z.boolean() })).length(1);
const nonceShape = z.array(z.object({ nonce: z.string() })).length(1);

const written = async ({ rows }: Asking, key: string, nonce: string): Promise<void> => {
  // Where somebody else has made the table, this role needs no right to make one.
  const [at] = fitting(foundShape, await rows(`SELECT to_regclass('${CANARY_TABLE}') IS NOT NULL AS found`));
  if (!at!.found) await rows(CREATE);
  await rows(UPSERT, [key, nonce]);
  const [row] = fitting(nonceShape, await rows(`SELECT nonce FROM ${CANARY_TABLE} WHERE key = $1`, [key]));
  if (row!.nonce !== nonce) throw new Error('the row that was read back is not the one that was written');
};
