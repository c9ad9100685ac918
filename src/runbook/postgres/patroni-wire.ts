// What Patroni's REST API says, in our words: shapes of 3.0 and of 4.1. Pure but for the library of shapes.
// Two things of it mislead. In `/cluster` a member's role is taken from the lock and the configuration, not from Postgres: a primary that was told to become a
// standby and has not yet is a `standby_leader` there. And `cluster_unlocked` of `/health` is also said by a node that cannot see its configuration store.
import { z } from 'zod';
import { fitting } from '../../exchange.ts';

/** One member, as the configuration store knows it. */
export interface Member {
  name: string;
  /** In Patroni's word; `leader` and `standby_leader` hold the lock. */
  role: string;
  state: string;
  timeline: number | null;
  /** Behind the leader. null: it leads, or nobody knows. */
  lagBytes: number | null;
}

export interface Cluster {
  members: readonly Member[];
  /** Who holds the leader's lock. */
  leader: Member | null;
  paused: boolean;
}

export interface StandbyOf {
  host: string;
  port: number;
  slot: string | null;
}

/** What is configured for all members. */
export interface Config {
  /** null: it stands for itself. */
  standbyOf: StandbyOf | null;
  /** Of the leader's lock. null: it is not said. */
  ttlMs: number | null;
}

/** One node's word about its own Postgres. */
export interface Node {
  /** `running`, `stopped`, `starting`, … in Patroni's word. */
  state: string;
  /** In Patroni's word. Of Postgres while it runs; else what it was. */
  role: string;
  /** By Postgres itself. null: it did not answer. */
  inRecovery: boolean | null;
  timeline: number | null;
  /** Of the end of what it has, in bytes of WAL. null: it did not answer. */
  endLsn: number | null;
  /** As far as it sees. */
  unlocked: boolean;
  /** It goes on as primary without its configuration store. */
  failsafe: boolean;
  paused: boolean;
}

const maybe = <T extends z.ZodType>(shape: T) => shape.nullish().catch(null);
const lsn = maybe(z.number().nonnegative());

const memberShape = z.object({
  name: z.string(),
  role: z.string(),
  state: z.string(),
  timeline: maybe(z.number().int()),
  // A word where it is not known.
  lag: maybe(z.number().nonnegative()),
});
const clusterShape = z.object({ members: z.array(memberShape), pause: z.boolean().optional() });

// Of wrong types it is refused: a standby cluster that is not understood must not be taken for none.
const standbyShape = z.object({
  host: z.string().nullish(),
  port: z
    .union([
      z.number(),
      z
        .string()
        .regex(/^\d{1,5}$/)
        .transform(Number),
    ])
    .nullish(),
  primary_slot_name: z.string().nullish(),
  restore_command: z.string().nullish(),
});
const seconds = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^\d{1,9}$/)
      .transform(Number),
  ])
  .nullish();
const configShape = z.object({ ttl: seconds, standby_cluster: standbyShape.nullish() });
/** Every cluster that somebody has configured has one of these. */
const CONFIG_KEYS = ['ttl', 'loop_wait', 'retry_timeout', 'maximum_lag_on_failover', 'postgresql', 'slots', 'standby_cluster'];

const nodeShape = z.object({
  state: z.string(),
  role: z.string(),
  timeline: maybe(z.number().int().positive()),
  xlog: z.object({ location: lsn, received_location: lsn, replayed_location: lsn }).nullish(),
  cluster_unlocked: z.boolean().optional(),
  failsafe_mode_is_active: z.boolean().optional(),
  pause: z.boolean().optional(),
  patroni: z.object({ version: z.string(), scope: z.string() }),
});

const LEADS: readonly string[] = ['leader', 'standby_leader'];

/** Throws Error for what is no answer to `GET /cluster`. */
export const clusterIn = (json: unknown): Cluster => {
  const { members: all, pause = false } = fitting(clusterShape, json);
  const members = all.map(({ name, role, state, timeline, lag }) => ({
    name,
    role,
    state,
    timeline: timeline ?? null,
    lagBytes: lag ?? null,
  }));
  return { members, leader: members.find(({ role }) => LEADS.includes(role)) ?? null, paused: pause };
};

/** Throws Error for what is no answer to `GET /config` or `PATCH /config`. */
export const configIn = (json: unknown): Config => {
  const { ttl, standby_cluster: at } = fitting(configShape, json);
  if (!CONFIG_KEYS.some((key) => Object.hasOwn(json as object, key)))
    throw new Error('its answer is not as expected: it is no configuration of Patroni');
  const ttlMs = ttl == null ? null : ttl * 1000;
  // As Patroni judges it: any of the three makes it a standby cluster.
  if (at == null || !(at.host || at.port || at.restore_command)) return { standbyOf: null, ttlMs };
  return { standbyOf: { host: at.host ?? '', port: at.port || 5432, slot: at.primary_slot_name || null }, ttlMs };
};

/** Throws Error for what is no answer to `GET /health`, which is that to `GET /patroni`. */
export const nodeIn = (json: unknown): Node => {
  const said = fitting(nodeShape, json);
  const { location, received_location: received, replayed_location: replayed } = said.xlog ?? {};
  // Postgres told its place either as one that writes or as one that follows; the role beside it may be what it was before.
  const inRecovery = typeof replayed === 'number' || typeof received === 'number' ? true : typeof location === 'number' ? false : null;
  return {
    state: said.state,
    role: said.role,
    inRecovery,
    timeline: said.timeline ?? null,
    endLsn: inRecovery === null ? null : inRecovery ? Math.max(received ?? 0, replayed ?? 0) : (location ?? null),
    unlocked: said.cluster_unlocked ?? false,
    failsafe: said.failsafe_mode_is_active ?? false,
    paused: said.pause ?? false,
  };
};

/** Its Postgres does not run, by Patroni's word. */
export const isStopped = ({ state }: Node): boolean => ['stopped', 'crashed', 'start failed', 'initdb failed'].includes(state);

/**
 * What is asked of `PATCH /config` to follow another writer: keys that are left out stay as they are, and null takes one away that is there. Where none is there
 * Patroni keeps the null itself, and then fails at every turn without starting Postgres: so it is asked for only when there is a slot to take away.
 */
export const followPatch = ({ host, port, slot }: StandbyOf, { standbyOf }: Config): Readonly<Record<string, unknown>> => ({
  standby_cluster: { host, port, ...(slot === null && (standbyOf?.slot ?? null) === null ? {} : { primary_slot_name: slot }) },
});

/** What is asked of it to stand for itself. */
export const PROMOTE_PATCH: Readonly<Record<string, unknown>> = { standby_cluster: null };

export const isFollowing = ({ standbyOf }: Config, { host, port, slot }: StandbyOf): boolean =>
  standbyOf !== null && standbyOf.host === host && standbyOf.port === port && standbyOf.slot === slot;
