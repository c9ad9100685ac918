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
  /** The store refused the right itself, and not for another reason. */
  isDenied: boolean;
}

/** What an identity should not be able to write, and which of it was tried. */
export interface Excess {
  /** Keys in the prefix: one of each kind, of `regions` one each. */
  tried: readonly string[];
  regions: readonly string[];
  may: readonly string[];
  /** Those of which the store did not say whether it may. */
  untold: readonly { key: string; because: string }[];
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
  /** Of `mode` what counts as open; without it all that is for a group or everybody. */
  exposed?: number;
  /** Root's, for who serves to read by this group; `isSure`: who serves is known, and is in it. */
  readBy?: { gid: number; isSure: boolean };
  /** It belongs neither to who serves nor to root. */
  isForeign?: boolean;
  because?: string;
}

/** The configuration itself, or a folder or file in which this replica keeps something. */
export interface PlaceLook {
  what: string;
  path: string;
  /** Permission bits; null: it is not there yet, or cannot be looked at. */
  mode: number | null;
  isForeign: boolean;
}

/** A process that serves this file, as the kernel tells it. */
export interface ServingProcess {
  pid: number;
  uid: number;
  /** The first and all others. */
  groups: readonly number[];
  /** Any capability at all is in effect. */
  hasCapabilities: boolean;
  command: readonly string[];
  /** Of its environment what changes how node runs; null: it cannot be read. */
  environment: Readonly<Record<string, string>> | null;
  /** null: cannot be told. */
  isRootReadOnly: boolean | null;
  /** Bytes of memory that a crash may write to disk; Infinity: all. null: cannot be told. */
  coreBytesMax: number | null;
}

/** What who shows no credentials is answered. */
export interface DoorLook {
  read: number;
  order: number;
}

export interface TokensLook {
  /** When `api.tokenFile` was written; null: it is not there. */
  bootstrapAtMs: number | null;
  /** Of `tokensFile`; null: none is named, or it cannot be used, and `because` says why. */
  entries: readonly { name: string; role: string; untilMs: number | null }[] | null;
  because?: string;
}

/** Secrets that prove who sent a webhook: of channels, and of what comes back. Told by a digest, never by what they are. */
export interface WebhookSecret {
  name: string;
  bytes: number;
  digest: string;
}

/** What a channel may reach beside public addresses. */
export interface ChannelReach {
  channel: string;
  networks: readonly string[];
  /** Of those the ones with an address that must never be reached: a cloud's metadata, this machine. */
  open: readonly { network: string; reaches: string }[];
  /** It is inside by nature, and asked for as it is configured. */
  isUnguarded: boolean;
}

export interface PackagesLook {
  installed: number;
  /** Installed otherwise than the lockfile says, or not in it. */
  strange: readonly string[];
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
  webhookSecrets(): Promise<readonly WebhookSecret[]>;
  /** Keys that this identity may write and should not. */
  excess(): Promise<Excess>;
  places(): Promise<readonly PlaceLook[]>;
  processes(): Promise<readonly ServingProcess[]>;
  door(): Promise<DoorLook>;
  tokens(): Promise<TokensLook>;
  /** How many keys the issuer publishes that could verify a token; null: there is no issuer. */
  issuer(): Promise<{ keys: number } | null>;
  reaches(): Promise<readonly ChannelReach[]>;
  /** Of the node that runs this. */
  nodeVersion: string;
  packages(): Promise<PackagesLook>;
  /** Of this replica's signing key; null: it signs nothing. */
  publicKey(): Promise<string | null>;
  audit(): Promise<AuditLook>;
}
