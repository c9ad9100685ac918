// What checks look through: the store, the providers, name servers, sockets and files of one installation, each look under a deadline. Types only; the real
// ones are instruments.ts, tests hand in what they like. A look that cannot be made rejects with NotLooked.
import type { ReplicaConfig } from '../config/schema.ts';
import type { ClockOffset, Fleet } from '../health/fleet.ts';
import type { AppliedRecord, ClusterConfig, Leader, Overrides, Page, Routing } from '../model.ts';
import type { Inspection } from '../store/etcd/inspect.ts';

/** A replica as it was heard while we listened. */
export interface HeardReplica {
  region: string;
  replica: string;
  /** Its beat came, or was written lately, while we listened. */
  isFresh: boolean;
  configVersion: number;
  /** Why it abstains; null: it does not. */
  abstains: string | null;
}

/** What the store holds, and who was heard in it while we listened for some seconds. */
export interface World {
  /** `replica`: as the running one tells it, and it does not tell `routing` and `pages`. */
  from: 'store' | 'replica';
  cluster: ClusterConfig;
  routing: Routing | null;
  overrides: Overrides | null;
  leader: Leader | null;
  /** Since the leader record was written, at most; Infinity: longer than we listened. */
  leaderAgeMs: number;
  heard: readonly HeardReplica[];
  refused: readonly { key: string; because: string }[];
  fleet: Fleet;
  /** By provider and service, as `provider/service`. */
  applied: ReadonlyMap<string, AppliedRecord>;
  pages: readonly Page[];
  /** How long we listened. */
  listenedMs: number;
  /** What keeps this file from the cluster's configuration. */
  unfit: readonly string[];
}

export interface StoreLook {
  /** Of reads, one after the other. */
  tookMs: readonly number[];
}

/** What this identity may write; `because` null: it may. */
export interface Grant {
  key: string;
  because: string | null;
}

export interface ProviderLook {
  provider: string;
  services: number;
  /** Services that could not be read, and why. */
  unread: readonly { service: string; because: string }[];
  /** The vendor told to wait. */
  busyMs: number | null;
}

export interface ServedTtl {
  service: string;
  server: string;
  ttlS: number | null;
  wantedS: number;
  because: string | null;
}

export interface AnchorLook {
  url: string;
  because: string | null;
  /** How far that server's clock is ahead of ours; null: it does not say. */
  clock: ClockOffset | null;
}

export interface SinkLook {
  name: string;
  because: string | null;
}

export interface Expiring {
  what: string;
  where: string;
  /** null: it cannot be read, and `because` says why. */
  untilMs: number | null;
  because?: string;
}

export interface SecretFile {
  key: string;
  path: string;
  /** Permission bits; null: it is not there, or cannot be looked at. */
  mode: number | null;
  folderMode: number | null;
  because?: string;
}

export interface AuditLook {
  /** Records that were read: the newest of each chain. */
  decisions: number;
  entries: number;
  /** What does not fit. */
  broken: readonly string[];
}

export interface Tools {
  config: ReplicaConfig;
  /** The running replica of this file: what it says of itself. */
  replica(): Promise<{ status: string; notes: readonly string[] }>;
  store(): Promise<StoreLook>;
  /** Listens for some seconds, once however often it is asked. */
  world(): Promise<World>;
  grants(): Promise<readonly Grant[]>;
  etcd(): Promise<Inspection>;
  providers(): Promise<readonly ProviderLook[]>;
  served(): Promise<readonly ServedTtl[]>;
  anchors(): Promise<readonly AnchorLook[]>;
  sinks(): Promise<readonly SinkLook[]>;
  /** Sends one page marked as a test. */
  sendTest(): Promise<readonly SinkLook[]>;
  expiring(): Promise<readonly Expiring[]>;
  secretFiles(): Promise<readonly SecretFile[]>;
  /** Bytes of each webhook's secret. */
  webhookSecrets(): Promise<readonly { name: string; bytes: number }[]>;
  /** Of this replica's signing key; null: it signs nothing. */
  publicKey(): Promise<string | null>;
  audit(): Promise<AuditLook>;
}
