// What a gate answers, and what it makes of a new look at the store. Pure. A gate can only ever say that a pool is to be drained, or not say it: who is not
// known is not drained, and never are all pools of a service.
import { parseFence } from '../../providers/fence.ts';
import { type GateRecord, parseGate } from '../../providers/gate/record.ts';
import type { Adopted, ClusterConfig } from '../model.ts';

/** `survivor`: asked of the other regions' gates. `origin`: asked of the pool's own. */
export type Form = 'survivor' | 'origin';

/** Which store, and which of its histories. */
export interface History {
  /** Identity of the store; null: none was seen. */
  clusterId: string | null;
  /** Its latest adoption that was seen: with a later one the store begins another history. */
  adopted: Pick<Adopted, 'nonce' | 'atMs'> | null;
}

/** What is answered from. */
export interface Known extends History {
  records: ReadonlyMap<string, GateRecord>;
}

export const NOTHING: Known = { clusterId: null, adopted: null, records: new Map() };

export interface Answer {
  drain: boolean;
  /** Number of the decision that it rests on; null: none is known of this pool. */
  fence: number | null;
}

const NO: Answer = { drain: false, fence: null };

const numberOf = (record: GateRecord): number => parseFence(record.fence)?.v ?? 0;

/** Pools that a record wants drained, and that may be. `configured`: the service's pools; null: nobody knows, which is no reason to forget a drain. */
const drainedBy = (record: GateRecord, configured: ReadonlySet<string> | null): ReadonlySet<string> => {
  const pools = Object.entries(record.pools).filter(([pool]) => configured?.has(pool) ?? true);
  // The one that is open may have left the configuration: then what is left must serve.
  return pools.some(([, { open }]) => open) ? new Set(pools.flatMap(([pool, { open }]) => (open ? [] : [pool]))) : new Set();
};

/** The pools of each service; null: this replica has not read a configuration yet. */
export type Configured = ReadonlyMap<string, ReadonlySet<string>> | null;

const known = new WeakMap<ClusterConfig, NonNullable<Configured>>();

export const configuredOf = (cluster: ClusterConfig | null): Configured => {
  if (cluster === null) return null;
  const found = known.get(cluster) ?? new Map(cluster.services.map((s) => [s.name, new Set(s.pools.map((p) => p.name))]));
  known.set(cluster, found);
  return found;
};

/** A service or pool that is no longer configured is not answered for, whatever lies in the store: nobody would ever take that back. */
export const answerOf = ({ records }: Known, configured: Configured, service: string, pool: string): Answer => {
  const record = records.get(service);
  const pools = configured === null ? null : (configured.get(service) ?? new Set<string>());
  if (record === undefined || !Object.hasOwn(record.pools, pool) || pools?.has(pool) === false) return NO;
  return { drain: drainedBy(record, pools).has(pool), fence: numberOf(record) };
};

/** The records that are answered from: a canary's has no reader. */
export const answering = ({ records }: Known, configured: Configured): readonly GateRecord[] =>
  [...records].flatMap(([service, record]) => (configured === null || configured.has(service) ? [record] : []));

/** null: nothing is answered from. */
export const highestFence = (records: readonly GateRecord[]): number | null =>
  records.length === 0 ? null : Math.max(...records.map(numberOf));

/** Every pool that is drained now. */
export const drainsOf = ({ records }: Known, configured: Configured): readonly { service: string; pool: string; fence: number }[] =>
  [...records].flatMap(([service, record]) => {
    const pools = configured === null ? null : (configured.get(service) ?? new Set<string>());
    return [...drainedBy(record, pools)].map((pool) => ({ service, pool, fence: numberOf(record) }));
  });

export interface Taken {
  next: Known;
  isNews: boolean;
  /** Records that were not taken, and why; what was answered before goes on. */
  refused: readonly string[];
}

const isSame = (a: ReadonlyMap<string, GateRecord>, b: ReadonlyMap<string, GateRecord>): boolean =>
  a.size === b.size && [...a].every(([service, record]) => JSON.stringify(record) === JSON.stringify(b.get(service)));

/** A store that was put back shows an older adoption, or none: that is no human's doing. */
const isLater = (adopted: History['adopted'], than: History['adopted']): boolean =>
  adopted !== null && adopted.nonce !== than?.nonce && adopted.atMs > (than?.atMs ?? Number.NEGATIVE_INFINITY);

/**
 * In: what was known, and one linearizable look. A lower fence than the one that is answered means that the store lost history: it is not followed until a
 * human adopts the store, or the decisions have counted past it. A record that is gone was taken away, and drains nothing; not so where the store is another
 * one that nobody has adopted, since that never had it.
 */
export const taken = (before: Known, { clusterId, adopted }: History, look: ReadonlyMap<string, unknown>): Taken => {
  const isAdopted = isLater(adopted, before.adopted);
  const isAnother = !isAdopted && before.clusterId !== null && clusterId !== before.clusterId;
  const refused: string[] = [];
  const records = new Map<string, GateRecord>();
  for (const [service, value] of look) {
    const record = parseGate(value);
    const last = before.records.get(service);
    if (record === null) refused.push(`${service}: the store's record is not understood`);
    else if (!isAdopted && last !== undefined && numberOf(record) < numberOf(last))
      refused.push(`${service}: the store has fence ${numberOf(record)}, and ${numberOf(last)} was answered before: it lost history`);
    else {
      records.set(service, record);
      continue;
    }
    if (last !== undefined) records.set(service, last);
  }
  for (const [service, last] of isAnother ? before.records : []) {
    if (look.has(service)) continue;
    refused.push(`${service}: another store took the place of the one answered from, and has no record of it: it lost history`);
    records.set(service, last);
  }
  const history = isAdopted ? { clusterId, adopted } : { clusterId: isAnother ? before.clusterId : clusterId, adopted: before.adopted };
  return { next: { ...history, records }, isNews: isAdopted || !isSame(before.records, records), refused };
};
