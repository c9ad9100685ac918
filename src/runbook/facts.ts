// What is so: where data tiers stand, as the store has it (`tiers`, `lag/<platform>`), and the facts that audits judge. Types; everything of a record is JSON.
// `...Ms` is a duration, `...AtMs` an instant of cluster time.
import type { ByRegion } from './platform.ts';

// ---- data tiers as they are: `tiers`, `lag/<platform>` ----

/** What is decided by: written when it changes, and only then. */
export interface Tiers {
  version: number;
  nonce: string;
  /** By `platform/database`. */
  databases: Readonly<Record<string, TierState>>;
  /** Why no row could be written where one is wanted, by the same names. Absent: nothing waits for one. */
  unproved?: Readonly<Record<string, Unproved>>;
}

/** A proof that is wanted and cannot be had. */
export interface Unproved {
  /** Where a row was tried; null: nowhere, since nobody is seen to take writes, or nobody can be asked. */
  region: string | null;
  /** What it was refused with last, or what is missing. */
  because: string;
  /** Since when there is none. */
  sinceMs: number;
  /** When `because` was written: a text that differs at every look is not written at each. */
  atMs: number;
  /** How loudly people were told. null: not yet. */
  told: 'warning' | 'critical' | null;
  /** People were told that a human's word stands in place of a row, and not yet that it does no more. */
  word?: true;
}

/** A human's word for where the writer is, in place of a row. */
export interface Settled {
  by: string;
  reason: string;
  atMs: number;
  /** What stood before the first word; null: nothing did. Of it an alarm comes back when the word is taken back. */
  before: Omit<TierState, 'settled'> | null;
}

export interface TierState {
  /** The region in which a row was written and read back last; null: in none that is known. */
  writer: string | null;
  provedAtMs: number;
  because: string;
  /** Where it was proved last, while that is lost. Absent: it is not. */
  lastWriter?: string;
  /** Two regions that were both seen to take writes: nothing is promoted or routed until a human has said which one stays. */
  split?: { regions: readonly string[]; atMs: number; because: string };
  /** The writer stands on a human's word. Absent: on a row. */
  settled?: Settled;
  /** What all of it is about: the `sql` of each region's site, as it was configured last, also of regions that have none any more. Absent: not noted yet. */
  sites?: ByRegion<string>;
  /** Regions that a human said take no writes: one that is seen to is a second writer, also while the writer is silent. Absent: none. */
  fenced?: readonly string[];
}

/** What the watch was answered last: by database and region. Who is silent keeps what it said, which grows old. */
export interface LooksRecord {
  atMs: number;
  nonce: string;
  databases: Readonly<Record<string, Readonly<Record<string, { is: 'writes' | 'reads'; atMs: number }>>>>;
}

/** How far a standby is behind. null: it could not be told. */
export interface LagSample {
  ms: number | null;
  bytes: number | null;
  /** When it was measured, on both sides of the link. */
  atMs: number;
}

/** `lag/<platform>`: the last known values, since the writer is gone when they matter. */
export interface LagRecord {
  atMs: number;
  nonce: string;
  /** By database, then by region of the standby. */
  databases: Readonly<Record<string, Readonly<Record<string, LagSample>>>>;
  /** Standbys, as `database@region`, that were told to be too far behind and have not been back since. Absent: none. */
  told?: readonly string[];
}

// ---- what is so while nothing happens: audits judge it ----

/** A fleet in one region. null: it could not be told. */
export interface SiteFacts {
  replicas: number;
  ready: number;
  /** The autoscaler that holds it. null: none. */
  autoscaler: { name: string; min: number; max: number } | null;
  /** Zones over which its ready pods are spread. */
  zones: readonly string[] | null;
  /** Names of images that could not be pulled. */
  unpulled: readonly string[];
  /** Does every container say what it may use? */
  limited: boolean;
  /** What its own check said; null: none is configured. */
  check: { ok: boolean; because: string } | null;
}

export interface NamespaceFacts {
  /** What Temporal calls the region that is active. */
  active: string;
  /** Where it could be: `state` in Temporal's own word; `ready`: it could be activated now. */
  replicas: readonly { place: string; ready: boolean; state: string }[];
  /** null: this kind of Temporal does not say. */
  forwardingDisabled: boolean | null;
  managedFailoverDisabled: boolean | null;
}

/** A database in one region. null: it could not be told. */
export interface DatabaseFacts {
  role: 'primary' | 'standby';
  timeline: number | null;
  /** Of a standby. */
  lagMs: number | null;
  lagBytes: number | null;
  /** Members that would take over within the region without loss: `sync` or of the quorum. */
  syncStandbys: number;
  paused: boolean;
  /** Since WAL was archived last, and how often that failed since; null: nothing is archived. */
  archive: { agoMs: number; failing: boolean } | null;
}

export interface CacheFacts {
  role: 'master' | 'replica';
  dialect: 'redis' | 'dragonfly';
  /** Of a replica: its link is up and its first copy is whole. */
  linked: boolean | null;
  /** Since its master was heard of. */
  heardAgoMs: number | null;
  /** Since it was saved last; null: it never is. */
  savedAgoMs: number | null;
}

export interface Unseen {
  unseen: string;
}

/** How old a backup is, over all series that its query gave; Infinity: there is none. */
export interface BackupFacts {
  youngestMs: number;
  oldestMs: number;
  series: number;
}

export interface Steady {
  atMs: number;
  active: string;
  /** By `fleet@region`. */
  sites: Readonly<Record<string, SiteFacts | Unseen>>;
  /** By namespace. */
  namespaces: Readonly<Record<string, NamespaceFacts | Unseen>>;
  /** By `database@region`, and `cache@region`. Absent: nobody has looked. */
  databases?: Readonly<Record<string, DatabaseFacts | Unseen>>;
  caches?: Readonly<Record<string, CacheFacts | Unseen>>;
  /** By `database/backup`. Absent: none is configured, or nobody has looked. */
  backups?: Readonly<Record<string, BackupFacts | Unseen>>;
  /** Systems that are only told or asked in a run (externals, pre-arm, gates), by name: why the audit could not open one; null: it could. */
  doors?: Readonly<Record<string, string | null>>;
}

/** One line of an audit. */
export interface AuditLine {
  /** Stable: `standby-at-zero`, `forwarding-disabled`, `regional-endpoint`, … */
  check: string;
  /** `fleet@region`, a namespace, or the platform. */
  of: string;
  is: 'good' | 'bad' | 'unknown';
  /** A bad one of weight `must` means that a failover would not do what the model promises. */
  weight: 'must' | 'should';
  because: string;
  /** What to do; empty when it is good. */
  fix: string;
}

export interface Readiness {
  platform: string;
  atMs: number;
  /** 0 to 100: of what is asked, by weight (must 3, should 1); unknown counts as bad. */
  score: number;
  lines: readonly AuditLine[];
}
