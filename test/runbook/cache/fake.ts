// Named fakes of caches that speak RESP: INFO in both dialects, REPLICAOF, FAILOVER of Redis, REPLTAKEOVER of Dragonfly. Redis' side is held to a real one by
// test/system/data/redis.test.ts, Dragonfly's to its source (replies.ts says where). They fail together, in every way that the contract of steps names.
import net, { type Socket } from 'node:net';
import type { Fault } from '../../contract/step.contract.ts';
import { createSilence, type Loopback, listening } from '../loopback.ts';

export const PASSWORD = 'pw-cache-0a1b2c3d4e5f';

export interface FakeCache {
  readonly port: number;
  dialect: 'redis' | 'dragonfly';
  /** null: it is a master. */
  follows: { host: string; port: number } | null;
  isLinked: boolean;
  isSyncing: boolean;
  isFailingOver: boolean;
  isLoading: boolean;
  /** As its INFO lists them. */
  replicas: string[];
  /** That follow it and are not listed. */
  hidden: number;
  history: string;
  /** What it replies to orders, as it goes over the wire; null: as it works. */
  says: string | null;
  /** What its section of replication says; null: as it is. */
  replication: string | null;
  readonly told: readonly (readonly string[])[];
}

export interface FakeCaches extends AsyncDisposable {
  readonly caches: readonly FakeCache[];
  /** Orders that changed something. */
  readonly effects: readonly string[];
  /** Connections that are open. */
  connections(): number;
  meets(fault: Fault | null): void;
  asked(): Promise<void>;
}

const HUGE_BYTES = 10 * 1024 * 1024;
const OK = '+OK\r\n';
const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

const infoOf = (cache: FakeCache, section: string): string => {
  if (section === 'replication' && cache.replication !== null) return cache.replication;
  const isRedis = cache.dialect === 'redis';
  const said: Record<string, readonly string[]> = {
    server: ['redis_version:7.0.15', ...(isRedis ? [] : ['dragonfly_version:df-v1.36.0']), `tcp_port:${cache.port}`],
    persistence: isRedis
      ? [`loading:${cache.isLoading ? 1 : 0}`, 'rdb_last_save_time:1795751426', 'rdb_saves:3', 'aof_enabled:0']
      : ['last_success_save:1795751426', 'last_saved_file:/data/dump.dfs', 'loading:0'],
    replication: [
      ...(cache.follows === null
        ? [
            'role:master',
            `connected_slaves:${cache.replicas.length + cache.hidden}`,
            ...cache.replicas.map((text, at) => `slave${at}:${text}`),
          ]
        : [
            `role:${isRedis ? 'slave' : 'replica'}`,
            `master_host:${cache.follows.host}`,
            `master_port:${cache.follows.port}`,
            `master_link_status:${cache.isLinked ? 'up' : 'down'}`,
            `master_last_io_seconds_ago:${cache.isLinked ? 0 : -1}`,
            `master_sync_in_progress:${cache.isSyncing ? 1 : 0}`,
          ]),
      ...(isRedis ? [`master_failover_state:${cache.isFailingOver ? 'waiting-for-sync' : 'no-failover'}`] : []),
      `master_replid:${cache.history}`,
    ],
  };
  return [`# ${section}`, ...(said[section] ?? []), ''].join('\r\n');
};

export const startFakeCaches = async (dialects: readonly FakeCache['dialect'][]): Promise<FakeCaches> => {
  const silence = createSilence();
  const effects: string[] = [];
  let fault: Fault | null = null;

  const changed = (what: string, socket: Socket): string | null => {
    effects.push(what);
    if (fault !== 'lost') return OK;
    socket.destroy();
    return null;
  };
  const order = (cache: FakeCache, words: readonly string[], socket: Socket): string | null => {
    const [name = '', first = '', second = ''] = words;
    if (cache.says !== null) return `${cache.says}\r\n`;
    if (name === 'REPLICAOF' && first === 'NO') {
      if (cache.follows === null) return OK;
      cache.follows = null;
      return changed('promote', socket);
    }
    if (name === 'REPLICAOF') {
      cache.follows = { host: first, port: Number(second) };
      [cache.isLinked, cache.isSyncing] = [false, true];
      return changed('follow', socket);
    }
    if (name === 'FAILOVER' && cache.dialect === 'redis') {
      cache.isFailingOver = true;
      return changed('failover', socket);
    }
    if (name === 'REPLTAKEOVER' && cache.dialect === 'dragonfly') {
      if (cache.follows === null) return OK;
      cache.follows = null;
      return changed('takeover', socket);
    }
    return `-ERR unknown command '${name}', with args beginning with: '${first}'\r\n`;
  };
  const answer = (cache: FakeCache, words: readonly string[], login: string, socket: Socket): string | null => {
    const [name = '', section = ''] = words;
    if (fault === 'empty') return bulk('');
    if (fault === 'types') return ':7\r\n';
    if (fault === 'echo') return `-ERR refused: ${login} ${words.join(' ')}\r\n`;
    if (name === 'AUTH') return words.at(-1) === PASSWORD ? OK : '-WRONGPASS invalid username-password pair or user is disabled.\r\n';
    if (!login.includes(PASSWORD)) return '-NOAUTH Authentication required.\r\n';
    if (name === 'TIME') return `*2\r\n${bulk('1795751486')}${bulk('410178')}`;
    if (name === 'INFO' && fault === 'huge') return bulk(infoOf(cache, section) + ' '.repeat(HUGE_BYTES));
    if (name === 'INFO' && fault === 'truncated') {
      socket.end(bulk(infoOf(cache, section)).slice(0, -9));
      return null;
    }
    return name === 'INFO' ? bulk(infoOf(cache, section)) : order(cache, words, socket);
  };

  const loopbacks: Loopback[] = [];
  const start = async (dialect: FakeCache['dialect']): Promise<FakeCache> => {
    const told: (readonly string[])[] = [];
    const server = net.createServer((socket) => {
      let [kept, login] = ['', ''];
      if (fault === 'html') return void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n<html>Welcome</html>');
      socket.on('data', (chunk: Buffer) => {
        if (fault === 'silence') return silence.meet();
        kept += chunk.toString('latin1');
        for (let taken = commandIn(kept); taken !== null; taken = commandIn(kept)) {
          kept = taken.rest;
          told.push(taken.words);
          if (taken.words[0] === 'AUTH') login = taken.words.join(' ');
          const said = answer(cache, taken.words, login, socket);
          if (said !== null) socket.write(said);
        }
      });
    });
    const loopback = await listening(server);
    loopbacks.push(loopback);
    const cache: FakeCache = {
      port: loopback.port,
      dialect,
      follows: null,
      isLinked: true,
      isSyncing: false,
      isFailingOver: false,
      isLoading: false,
      replicas: [],
      hidden: 0,
      history: 'ff007bc0bc6142743872fb3107bc1a30b8d91c1d',
      says: null,
      replication: null,
      told,
    };
    return cache;
  };
  const caches: FakeCache[] = [];
  for (const dialect of dialects) caches.push(await start(dialect));
  return {
    caches,
    effects,
    connections: () => loopbacks.reduce((sum, loopback) => sum + loopback.connections(), 0),
    meets: (next) => {
      fault = next;
    },
    asked: silence.met,
    async [Symbol.asyncDispose]() {
      for (const loopback of loopbacks) await loopback[Symbol.asyncDispose]();
    },
  };
};

/** The first whole command: an array of texts. */
const commandIn = (text: string): { words: readonly string[]; rest: string } | null => {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return null;
  let at = head[0].length;
  const words: string[] = [];
  for (let left = Number(head[1]); left > 0; left--) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (size === null) return null;
    at += size[0].length;
    if (text.length < at + Number(size[1]) + 2) return null;
    words.push(text.slice(at, at + Number(size[1])));
    at += Number(size[1]) + 2;
  }
  return { words, rest: text.slice(at) };
};
