// The contract of a provider: what serves users' names, and how a decided route gets there.
// An adapter is thin and dull: it converts and calls once. Retry, deadlines and the fence's meaning belong to src/publish.
import type { Ports } from '../src/ports.ts';

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
}

export interface Change {
  desired: ProviderService;
  fence: Fence;
  /** What `read` returned for this service: the compare of compare-and-swap. */
  previous: ReadBack;
}

export type Applied =
  | { outcome: 'applied' }
  /** Somebody else's fence was there; nothing of the batch was written. */
  | { outcome: 'conflict'; because: string }
  /** Nobody knows; always followed by `read`. */
  | { outcome: 'undecided'; because: string }
  /** Will not work until something is changed by a human (credentials, policy, zone). */
  | { outcome: 'fatal'; because: string };

export interface Capabilities {
  /** `conditional`: the fence is compared by the provider in the same transaction. `marker`: read, compare, write, verify. */
  fencing: 'conditional' | 'marker' | 'none';
  weights: 'exact' | 'onOff';
  ttlFloorS: number;
  /** When these facts were last checked. */
  checkedOn: string;
}

export interface Provider {
  readonly can: Capabilities;
  /** Throws on transport errors; the caller decides about retry. */
  read(services: readonly ProviderService[], signal: AbortSignal): Promise<ReadonlyMap<string, ReadBack>>;
  /** One batch, all or nothing. Rejects only on bugs. */
  apply(changes: readonly Change[], signal: AbortSignal): Promise<Applied>;
  /** What the route will look like once served: `onOff` providers cannot serve exact shares. Pure. */
  quantise(service: ProviderService): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export interface ProviderModule<C> {
  kind: string;
  can: Capabilities;
  /** Does no IO. `config` has been validated; secrets are read through `secret(path)`. */
  open(config: C, context: { ports: Ports; secret: (path: string) => string }): Provider;
}
