// What INFO says, in both dialects: recorded replies, what each field becomes, and that nothing whatsoever makes the reader throw.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CacheInfo, fieldsOf, readInfo } from '../../../src/runbook/cache/info.ts';
import { factsIn } from '../../../src/runbook/cache/look.ts';
import {
  DRAGONFLY_MASTER,
  DRAGONFLY_MASTER_MANAGED,
  DRAGONFLY_PERSISTENCE,
  DRAGONFLY_REPLICA,
  DRAGONFLY_REPLICA_OF_TWO,
  DRAGONFLY_SERVER,
  REDIS_MASTER,
  REDIS_PERSISTENCE,
  REDIS_REPLICA,
  REDIS_REPLICA_ALONE,
  REDIS_SERVER,
} from './replies.ts';

const read = (...sections: readonly string[]): CacheInfo => {
  const info = readInfo(sections.join('\n'));
  if (info === null) throw new Error('it says nothing that can be used');
  return info;
};
const redis = (replication: string, persistence = REDIS_PERSISTENCE): CacheInfo => read(REDIS_SERVER, replication, persistence);
const dragonfly = (replication: string, persistence = DRAGONFLY_PERSISTENCE): CacheInfo => read(DRAGONFLY_SERVER, replication, persistence);

describe('Redis', () => {
  test('a master, with its replicas one by one', () => {
    expect(redis(REDIS_MASTER)).toEqual({
      dialect: 'redis',
      version: '7.0.15',
      role: 'master',
      port: 17_002,
      follows: null,
      replicas: [{ host: '127.0.0.1', port: 17_002, state: 'online', lag: 0 }],
      replicaCount: 1,
      history: 'ff007bc0bc6142743872fb3107bc1a30b8d91c1d',
      offset: 50,
      isFailingOver: false,
      isLoading: false,
      persistence: { savedAtS: null, isLogged: false },
    });
  });

  test('a replica whose link is up, and one that was left alone: for how long is said in another field', () => {
    expect(redis(REDIS_REPLICA)).toMatchObject({
      role: 'replica',
      offset: 50,
      follows: { host: '127.0.0.1', port: 17_001, isLinked: true, isSyncing: false, heardAgoMs: 0 },
    });
    expect(redis(REDIS_REPLICA_ALONE).follows).toEqual({
      host: '127.0.0.1',
      port: 17_099,
      isLinked: false,
      isSyncing: false,
      heardAgoMs: 7_000,
    });
  });

  test('a number that is none is not said', () => {
    expect(read(REDIS_SERVER.replace('tcp_port:17002', 'tcp_port:x'), REDIS_MASTER.replace('lag=0', 'lag=1e9'))).toMatchObject({
      port: null,
      replicas: [{ lag: null }],
    });
  });

  test('a handover under way, and one that reads its data', () => {
    expect(redis(REDIS_MASTER.replace('no-failover', 'waiting-for-sync')).isFailingOver).toBe(true);
    expect(redis(REDIS_MASTER, REDIS_PERSISTENCE.replace('loading:0', 'loading:1')).isLoading).toBe(true);
  });

  test('a save counts once one was counted; a log counts while it can be written', () => {
    expect(redis(REDIS_MASTER, REDIS_PERSISTENCE.replace('rdb_saves:0', 'rdb_saves:2')).persistence.savedAtS).toBe(1_795_751_426);
    const logged = REDIS_PERSISTENCE.replace('aof_enabled:0', 'aof_enabled:1');
    expect(redis(REDIS_MASTER, logged).persistence.isLogged).toBe(true);
    expect(redis(REDIS_MASTER, logged.replace('aof_last_write_status:ok', 'aof_last_write_status:err')).persistence.isLogged).toBe(false);
  });
});

describe('Dragonfly', () => {
  test('a master: its replicas are in states of its own, and their lag is in records', () => {
    expect(dragonfly(DRAGONFLY_MASTER)).toMatchObject({
      dialect: 'dragonfly',
      version: 'df-v1.36.0',
      role: 'master',
      port: 6_379,
      replicas: [
        { host: '172.19.0.3', port: 6_379, state: 'stable_sync', lag: 3 },
        { host: '172.19.0.4', port: 6_379, state: 'full_sync', lag: 0 },
      ],
      replicaCount: 2,
      isFailingOver: false,
    });
  });

  test('a managed one counts its replicas and names none', () => {
    expect(dragonfly(DRAGONFLY_MASTER_MANAGED)).toMatchObject({ replicas: [], replicaCount: 1 });
  });

  test.each([
    ['replica', 'replica'],
    ['slave', 'replica'],
  ])('who follows calls itself %s, by a flag', (word, role) => {
    const info = dragonfly(DRAGONFLY_REPLICA.replace('role:replica', `role:${word}`));
    expect(info).toMatchObject({
      role,
      offset: 4_711,
      follows: { host: '172.19.0.2', isLinked: true, isSyncing: false, heardAgoMs: 1_000 },
    });
  });

  test('of several masters the first one counts, and nothing of another is taken for its own', () => {
    expect(dragonfly(DRAGONFLY_REPLICA_OF_TWO)).toMatchObject({
      follows: { host: '172.19.0.2', port: 6_379, isLinked: true, isSyncing: true, heardAgoMs: 0 },
      offset: null,
    });
  });

  test('it has saved once it names a file', () => {
    expect(dragonfly(DRAGONFLY_MASTER).persistence.savedAtS).toBe(1_795_751_426);
    expect(dragonfly(DRAGONFLY_MASTER, DRAGONFLY_PERSISTENCE.replace(/last_saved_file:.*/, 'last_saved_file:')).persistence.savedAtS).toBe(
      null,
    );
  });
});

describe('nothing usable', () => {
  test.each([
    ['nothing', ''],
    ['a page', '<html><body>role:master</body></html>'],
    ['no server', REDIS_MASTER],
    ['no role', REDIS_SERVER],
    ['a role of nobody', `${REDIS_SERVER}role:sentinel\r\n`],
    ['a replica of nobody', `${REDIS_SERVER}role:slave\r\n`],
    ['a link that is neither up nor down', `${REDIS_SERVER}${REDIS_REPLICA.replace('status:up', 'status:maybe')}`],
    ['a replica without its state', `${REDIS_SERVER}${REDIS_MASTER.replace('state=online,', '')}`],
  ])('%s', (_, text) => {
    expect(readInfo(text)).toBe(null);
  });

  const WHOLE = [
    REDIS_SERVER + REDIS_MASTER + REDIS_PERSISTENCE,
    REDIS_SERVER + REDIS_REPLICA + REDIS_PERSISTENCE,
    DRAGONFLY_SERVER + DRAGONFLY_MASTER + DRAGONFLY_PERSISTENCE,
    DRAGONFLY_SERVER + DRAGONFLY_REPLICA + DRAGONFLY_PERSISTENCE,
  ];
  const LINES = WHOLE.join('').split('\r\n');

  test('whatever comes, before a whole answer or alone, it reads something or nothing, and never throws', () => {
    const line = fc.oneof(
      fc.constantFrom(...LINES),
      fc.string({ unit: 'binary' }),
      fc.tuple(fc.constantFrom(...LINES), fc.string()).map(([known, odd]) => `${known.slice(0, known.indexOf(':') + 1)}${odd}`),
      fc.tuple(fc.nat(99), fc.string()).map(([at, odd]) => `slave${at}:${odd}`),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), fc.constantFrom('\r\n', '\n'), fc.constantFrom('', ...WHOLE), (odd, end, whole) => {
        const info = readInfo(odd.join(end) + end + whole);
        if (info === null) return;
        expect(['master', 'replica']).toContain(info.role);
        expect(info.follows === null).toBe(info.role === 'master');
        expect(info.replicaCount).toBeGreaterThanOrEqual(info.replicas.length);
        for (const number of [info.port, info.offset, info.persistence.savedAtS, ...info.replicas.map(({ lag }) => lag)])
          expect(number === null || Number.isSafeInteger(number)).toBe(true);
        expect(JSON.parse(JSON.stringify(info))).toEqual(info);
      }),
      { numRuns: 1_000 },
    );
  });

  test('the first of a name counts, and comments do not', () => {
    expect([...fieldsOf('# role:slave\r\nrole:master\r\nrole:slave\r\n:x\r\nip:::1\r\n')]).toEqual([
      ['role', 'master'],
      ['ip', '::1'],
    ]);
  });
});

describe('for audits', () => {
  const nowS = 1_795_751_486;
  test('a link counts when its copy is whole; what is logged counts as saved now', () => {
    expect(factsIn({ ...dragonfly(DRAGONFLY_REPLICA), nowS })).toEqual({
      role: 'replica',
      dialect: 'dragonfly',
      linked: true,
      heardAgoMs: 1_000,
      savedAgoMs: 60_000,
    });
    expect(factsIn({ ...dragonfly(DRAGONFLY_REPLICA_OF_TWO), nowS }).linked).toBe(false);
    expect(factsIn({ ...redis(REDIS_MASTER), nowS })).toEqual({
      role: 'master',
      dialect: 'redis',
      linked: null,
      heardAgoMs: null,
      savedAgoMs: null,
    });
    const logged = redis(REDIS_MASTER, REDIS_PERSISTENCE.replace('aof_enabled:0', 'aof_enabled:1'));
    expect(factsIn({ ...logged, nowS }).savedAgoMs).toBe(0);
  });
});
