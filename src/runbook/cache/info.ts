// What INFO says of a cache, in the dialects of Redis (and Valkey) and of Dragonfly. They differ: a replica is a `slave` or a `replica`, one that has caught up
// is `online` or in `stable_sync`, and a master counts its lag in seconds or in records of its journal. Nothing here throws: what is not said is null. Pure.

export type Dialect = 'redis' | 'dragonfly';

export interface Replica {
  host: string;
  port: number;
  /** In the server's own word. */
  state: string;
  /** Of Redis: seconds since it was heard of. Of Dragonfly: records of the journal that it has not confirmed. null: not said. */
  lag: number | null;
}

export interface Master {
  host: string;
  port: number;
  isLinked: boolean;
  /** Its first copy is being made. */
  isSyncing: boolean;
  /** Since it was heard of; null: it never was. */
  heardAgoMs: number | null;
}

export interface CacheInfo {
  dialect: Dialect;
  version: string;
  role: 'master' | 'replica';
  /** Port that it listens on by its own word. */
  port: number | null;
  /** Of a replica; null: it is a master. */
  follows: Master | null;
  /** Connected replicas as far as they are told one by one. */
  replicas: readonly Replica[];
  /** All that are connected: a managed Dragonfly tells their number alone. */
  replicaCount: number;
  /** Identity of its history: the same on a master and on what follows it. Empty: not said. */
  history: string;
  /** Bytes of the history (Redis) or records (Dragonfly) that it has. null: not said. */
  offset: number | null;
  /** A handover to a replica is under way. */
  isFailingOver: boolean;
  /** It is reading its data from disk. */
  isLoading: boolean;
  persistence: Persistence;
}

export interface Persistence {
  /** Unix seconds by the server's clock; null: not since it started. */
  savedAtS: number | null;
  /** Every write goes to a log, and the last one did. */
  isLogged: boolean;
}

type Fields = ReadonlyMap<string, string>;

/** Of one or more sections of INFO. The first of a name counts: a Dragonfly of several masters repeats them. */
export const fieldsOf = (text: string): Fields => {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(':');
    if (at <= 0 || line.startsWith('#')) continue;
    const name = line.slice(0, at);
    if (!fields.has(name)) fields.set(name, line.slice(at + 1));
  }
  return fields;
};

const wholeOf = (text: string | undefined): number | null => (text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : null);

/** What the sections `server`, `replication` and `persistence` say together. null: they say no role, or that of nothing known here. */
export const readInfo = (text: string): CacheInfo | null => {
  const fields = fieldsOf(text);
  const dialect = fields.has('dragonfly_version') ? 'dragonfly' : fields.has('redis_version') ? 'redis' : null;
  const role = roleOf(fields.get('role'));
  if (dialect === null || role === null) return null;
  const follows = role === 'replica' ? masterOf(fields) : null;
  const replicas = replicasOf(fields);
  if ((role === 'replica' && follows === null) || replicas === null) return null;
  return {
    dialect,
    version: fields.get(dialect === 'dragonfly' ? 'dragonfly_version' : 'redis_version') ?? '',
    role,
    port: wholeOf(fields.get('tcp_port')),
    follows,
    replicas,
    replicaCount: Math.max(replicas.length, wholeOf(fields.get('connected_slaves')) ?? 0),
    history: fields.get('master_replid') ?? '',
    offset: wholeOf(fields.get(role === 'replica' ? 'slave_repl_offset' : 'master_repl_offset')),
    isFailingOver: (fields.get('master_failover_state') ?? 'no-failover') !== 'no-failover',
    isLoading: fields.get('loading') === '1',
    persistence: persistenceOf(fields),
  };
};

const roleOf = (word: string | undefined): CacheInfo['role'] | null => {
  if (word === 'master') return 'master';
  return word === 'slave' || word === 'replica' ? 'replica' : null;
};

/** null: it does not say whom it follows, or how. */
const masterOf = (fields: Fields): Master | null => {
  const [host, port] = [fields.get('master_host'), wholeOf(fields.get('master_port'))];
  const [link, syncing] = [fields.get('master_link_status'), fields.get('master_sync_in_progress')];
  if (!host || port === null || (link !== 'up' && link !== 'down') || (syncing !== '0' && syncing !== '1')) return null;
  const heardAgoS = wholeOf(fields.get('master_last_io_seconds_ago'));
  // Redis says -1 once the link is down, and for how long it has been.
  const downS = wholeOf(fields.get('master_link_down_since_seconds'));
  const agoS = heardAgoS !== null && heardAgoS >= 0 ? heardAgoS : downS !== null && downS >= 0 ? downS : null;
  return { host, port, isLinked: link === 'up', isSyncing: syncing === '1', heardAgoMs: agoS === null ? null : agoS * 1000 };
};

/** null: one that cannot be read. */
const replicasOf = (fields: Fields): readonly Replica[] | null => {
  const found: Replica[] = [];
  for (const [name, text] of fields) {
    if (!/^slave\d+$/.test(name)) continue;
    const said = new Map(text.split(',').map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]));
    const [host, port, state] = [said.get('ip'), wholeOf(said.get('port')), said.get('state')];
    if (!host || port === null || state === undefined) return null;
    found.push({ host, port, state, lag: wholeOf(said.get('lag')) });
  }
  return found;
};

/** Until it has saved for the first time a server says the moment of its start: Redis counts no save then, Dragonfly names no file. */
const persistenceOf = (fields: Fields): Persistence => {
  const savedAtS = wholeOf(fields.get('last_success_save')) ?? wholeOf(fields.get('rdb_last_save_time'));
  const isNever = fields.get('rdb_saves') === '0' || fields.get('last_saved_file') === '' || savedAtS === null || savedAtS <= 0;
  const isLogged = fields.get('aof_enabled') === '1' && fields.get('aof_last_write_status') === 'ok';
  return { savedAtS: isNever ? null : savedAtS, isLogged };
};
