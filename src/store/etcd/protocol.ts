// etcd's messages as this client uses them: what is asked, in the store's words, becomes a request, and a reply becomes records again.
// Decides how keys are prefixed and that every read is linearizable. Ignores sockets and failures.
import { join } from 'node:path';
import type { MethodDefinition } from '@grpc/grpc-js';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import type { Position } from '../identity.ts';
import { type EncodedOp, KEY_AFTER } from '../limits.ts';
import type { Txn, WatchEvent } from '../store.ts';

interface RequestOp {
  request_range?: { key: Buffer; range_end?: Buffer; min_mod_revision?: number };
  request_put?: { key: Buffer; value: Buffer };
  request_delete_range?: { key: Buffer };
}

export interface TxnRequest {
  compare: readonly { result: 'EQUAL'; target: 'MOD'; key: Buffer; mod_revision: number }[];
  success: readonly RequestOp[];
  failure: readonly RequestOp[];
}

/** As the decoder leaves it: a field that is zero or empty is missing. */
export interface Header {
  cluster_id?: string;
  revision?: string;
}

export interface RangeReply {
  kvs: readonly { key?: Buffer; mod_revision?: string; value?: Buffer }[];
  /** All that lie in the range, also those that were not asked for. */
  count?: string;
}

export interface TxnReply {
  header?: Header;
  succeeded?: boolean;
  responses: readonly { response_range?: RangeReply }[];
}

export interface WatchRequest {
  create_request?: { key: Buffer; range_end: Buffer };
  progress_request?: Record<string, never>;
}

export interface WatchReply {
  header?: Header;
  created?: boolean;
  canceled?: boolean;
  compact_revision?: string;
  cancel_reason?: string;
  events: readonly { kv?: { key?: Buffer; mod_revision?: string; value?: Buffer } }[];
}

export interface StatusReply {
  version?: string;
  dbSize?: string;
  leader?: string;
  errors: readonly string[];
  isLearner?: boolean;
  dbSizeQuota?: string;
}

export interface RosterReply {
  members: readonly { name?: string; clientURLs: readonly string[]; isLearner?: boolean }[];
}

export interface Protocol {
  txn: MethodDefinition<TxnRequest, TxnReply>;
  watch: MethodDefinition<WatchRequest, WatchReply>;
  authenticate: MethodDefinition<{ name: string; password: string }, { token?: string }>;
  status: MethodDefinition<Record<string, never>, StatusReply>;
  roster: MethodDefinition<Record<string, never>, RosterReply>;
}

/** Reads our own .proto; the same at every call. */
export const loadProtocol = (): Protocol => {
  const definition = loadSync(join(import.meta.dirname, 'etcd.proto'), { keepCase: true, longs: String, enums: String, arrays: true });
  const method = <Req, Res>(service: string, name: string): MethodDefinition<Req, Res> =>
    (definition[`etcdserverpb.${service}`] as ServiceDefinition)[name] as unknown as MethodDefinition<Req, Res>;
  return {
    txn: method('KV', 'Txn'),
    watch: method('Watch', 'Watch'),
    authenticate: method('Auth', 'Authenticate'),
    status: method('Maintenance', 'Status'),
    roster: method('Cluster', 'MemberList'),
  };
};

export const positionOf = (header: Header | undefined): Position => ({
  clusterId: header?.cluster_id ?? '',
  rev: Number(header?.revision ?? 0),
});

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The half-open range of all keys with this prefix that the store's limits allow. */
export const rangeOf = (prefix: string): { key: Buffer; range_end: Buffer } => ({
  key: bytes(prefix),
  range_end: bytes(prefix + KEY_AFTER),
});

const rangeOp = (key: string): RequestOp => ({ request_range: { key: bytes(key) } });

/** A key, or all keys with a prefix, of which only what was written at `fromRev` or later is wanted. */
export interface Part {
  kind: 'key' | 'prefix';
  name: string;
  fromRev: number;
}

/** A read of all parts at one revision. etcd answers a transaction of no operations from one member's memory, without asking the others: name at least one. */
export const readRequest = (prefix: string, parts: readonly Part[]): TxnRequest => ({
  compare: [],
  success: parts.map(({ kind, name, fromRev }) => ({
    request_range: {
      ...(kind === 'key' ? { key: bytes(prefix + name) } : rangeOf(prefix + name)),
      ...(fromRev === 0 ? {} : { min_mod_revision: fromRev }),
    },
  })),
  failure: [],
});

/** `always` is a key that is read when nothing is written: a transaction of no operations would not ask a majority. */
export const writeRequest = (prefix: string, txn: Txn, ops: readonly EncodedOp[], always: string): TxnRequest => ({
  compare: txn.if.map(({ key, mod }) => ({ result: 'EQUAL', target: 'MOD', key: bytes(prefix + key), mod_revision: mod })),
  success: [
    ...ops.map(({ key, json }) =>
      json === null
        ? { request_delete_range: { key: bytes(prefix + key) } }
        : { request_put: { key: bytes(prefix + key), value: Buffer.from(json) } },
    ),
    ...(ops.length === 0 ? [rangeOp(prefix + always)] : []),
  ],
  failure: (txn.else ?? []).map((key) => rangeOp(prefix + key)),
});

/** A record as it came: `json` is not parsed yet. */
export interface RawRecord {
  key: string;
  json: Buffer;
  mod: number;
}

/** The records of one range, in the order of keys, without the prefix. */
export const recordsOf = (prefix: string, reply: RangeReply | undefined): readonly RawRecord[] =>
  (reply?.kvs ?? []).map(({ key, value, mod_revision }) => ({
    key: (key?.toString('latin1') ?? '').slice(prefix.length),
    json: value ?? Buffer.alloc(0),
    mod: Number(mod_revision),
  }));

/** What it says; undefined when it is not JSON. */
export const jsonOf = ({ json }: RawRecord): unknown => {
  try {
    return JSON.parse(json.toString('utf8'));
  } catch {
    return undefined;
  }
};

type Change = Pick<Extract<WatchEvent, { kind: 'changed' }>, 'rev' | 'keys' | 'value'>;

/** The keys that changed, by revision, in order. A key that is gone comes without a value. */
export const changesOf = (prefix: string, reply: WatchReply): readonly Change[] => {
  const byRev = new Map<number, Map<string, RawRecord>>();
  for (const { kv } of reply.events) {
    const [mod, key] = [Number(kv?.mod_revision ?? 0), (kv?.key?.toString('latin1') ?? '').slice(prefix.length)];
    const records = byRev.get(mod) ?? new Map<string, RawRecord>();
    byRev.set(mod, records.set(key, { key, json: kv?.value ?? Buffer.alloc(0), mod }));
  }
  return [...byRev]
    .sort(([a], [b]) => a - b)
    .map(([rev, records]) => ({
      rev,
      keys: [...records.keys()],
      value: (key) => {
        const record = records.get(key);
        return record === undefined ? undefined : jsonOf(record);
      },
    }));
};
