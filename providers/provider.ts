// The contract of a provider: what serves users' names, and how a decided route gets there.
// An adapter is thin and dull: it converts and calls once. Retry, deadlines and the fence's meaning belong to src/publish.
import type { Fetch, Http } from '../src/http.ts';
import type { Ports } from '../src/ports.ts';
import type { Store } from '../src/store/store.ts';

/** A service as a provider sees it. Shares are thousandths and sum to 1000. */
export interface ProviderService {
  service: string;
  ttlS: number;
  pools: readonly { pool: string; region: string; share: number; configuredShare: number; answers: readonly string[] }[];
}

/** The record that orders writers. Only `v` orders; the rest identifies. Text form: `v=1;fence=;epoch=;writer=;nonce=;hash=`. */
export interface Fence {
  v: number;
  epoch: number;
  writer: string;
  nonce: string;
  /** Hash of the desired native state. */
  hash: string;
}

export interface ReadBack {
  /** null: no fence record exists. */
  fence: Fence | null;
  /** Quantised thousandths per pool as served now; null: nothing of this service is served. */
  shares: Readonly<Record<string, number>> | null;
  /** Served values that belong to no configured pool. */
  foreign: readonly string[];
  /** Opaque state the adapter wants back in `apply`. */
  token: unknown;
  /** Why this service could not be read though others could. The rest then says nothing, and `apply` writes nothing. */
  unread?: string;
  /**
   * What of this service could not be read and is to have no share in the route that was asked for, and why. It is taken as out: the rest is as read and is
   * written, and this is brought into line once it can be read. Keeps from nothing; a human is told.
   */
  leftOut?: string;
}

export interface Change {
  desired: ProviderService;
  fence: Fence;
  /** What `read` returned for this service: the compare of compare-and-swap. */
  previous: ReadBack;
}

export type Applied =
  /** Acknowledged. `receipt`: the provider goes on working on it, and `settle` says how that ended. */
  (
    | { outcome: 'applied'; receipt?: string }
    /** Somebody else's fence was there; nothing of the batch was written. */
    | { outcome: 'conflict'; because: string }
    /** Nobody knows; always followed by `read`. `busyMs`: the vendor asks for so long a wait, of everybody: another region would meet the same. */
    | { outcome: 'undecided'; because: string; busyMs?: number }
    /** Will not work until something is changed by a human (credentials, policy, zone). */
    | { outcome: 'fatal'; because: string }
  ) & {
    /** Names that the vendor gave to what was asked, where it gives any beside the receipt: its support asks for them. */
    requests?: readonly string[];
  };

export interface Capabilities {
  /** `conditional`: the fence is compared by the provider in the same transaction. `marker`: read, compare, write, verify. */
  fencing: 'conditional' | 'marker' | 'none';
  weights: 'exact' | 'onOff';
  /** Most services of one `apply`; 1: nothing there changes two services in one transaction. */
  batchMax: number;
  /** Pools are served by their addresses. False: by objects that its configuration names, and `answers` may be empty. */
  servesAnswers: boolean;
  ttlFloorS: number;
  /** When these facts were last checked. */
  checkedOn: string;
}

export type Settled =
  | { state: 'settled' }
  | { state: 'pending' }
  /** It was taken back, or not carried out; what is served must be read. */
  | { state: 'failed'; because: string };

/** An object of the vendor's that we write to, and nothing else of it than `fields`. */
export interface Owned {
  /** As its owner would look for it: `record web.example.com A "eu-west"`. */
  object: string;
  fields: readonly string[];
  /** The Terraform resource that usually declares it, and the arguments it must ignore from now on. */
  terraform?: { resource: string; ignoreChanges: readonly string[]; note?: string };
}

export interface Provider {
  readonly can: Capabilities;
  /**
   * Throws where nothing could be read; the caller decides about retry. A Fault with `busyMs` as in `Applied`. A service that alone cannot be read says so
   * (`unread`).
   */
  read(services: readonly ProviderService[], signal: AbortSignal): Promise<ReadonlyMap<string, ReadBack>>;
  /** One batch, all or nothing. Rejects only on bugs. */
  apply(changes: readonly Change[], signal: AbortSignal): Promise<Applied>;
  /** How an acknowledged write goes on. Throws on transport errors. Absent: an acknowledgement is the end. */
  settle?(receipt: string, signal: AbortSignal): Promise<Settled>;
  /** What it writes of the vendor's objects for these services. Pure. */
  owns(services: readonly ProviderService[]): readonly Owned[];
  /** What the route will look like once served: `onOff` providers cannot serve exact shares. Pure. */
  quantise(service: ProviderService): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

/** What an adapter may use of this process. */
export interface ProviderContext {
  ports: Ports;
  /** Text of a secret's file. Throws Fault ERR_SECRET. */
  secret: (path: string) => string;
  /** For a vendor's library: our own resolver and sockets, no retry, no redirect. */
  fetch: Fetch;
  /** The same for a server whose certificate a private authority signed: trusts those of the PEM text and no other. Whoever makes one closes it. */
  httpTrusting?: (caPem: string) => Http;
  /** For what is published through our own store. Absent where a command works without one. */
  store?: Store;
}

export interface ProviderModule<C> {
  kind: string;
  /** Of a provider that its configuration does not make another; `Provider.can` is what counts. */
  can: Capabilities;
  /** Does no IO. `config` has been validated; secrets are read through `secret(path)`. */
  open(config: C, context: ProviderContext): Provider;
}

// ---- import: what is there before Tidegate ----

/** What a read-only look at the vendor found. */
export interface Inventory {
  services: readonly FoundService[];
  /** What looks like routing but cannot be owned, and why. */
  refused: readonly { what: string; because: string }[];
}

export interface FoundService {
  service: string;
  /** null: not a DNS answer of ours (proxied), or automatic. */
  ttlS: number | null;
  /** `weight` as `pools[].weight` of the configuration would say it. */
  pools: readonly { pool: string; weight: number; answers: readonly string[] }[];
  /** What stands under `providers.<name>.services.<service>`; null: nothing is needed there. */
  objects: unknown;
  /** What a human should know before `auto`. */
  notes: readonly string[];
  /** A sentence: what the first write with a fence creates or changes. */
  firstFence: string;
}
