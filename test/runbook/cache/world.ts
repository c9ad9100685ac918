// The worlds of cache.takeover (in both dialects), cache.promote and cache.rejoin: fakes that follow one another.
import type { StepWorld } from '../../contract/step.contract.ts';
import { type FakeCache, type FakeCaches, PASSWORD, startFakeCaches } from './fake.ts';

const FILE = '/secrets/cache';

interface Base {
  fakes: FakeCaches;
  /** The old master, and what is to be moved. */
  a: FakeCache;
  b: FakeCache;
}

const startBase = async (dialect: FakeCache['dialect']) => {
  const fakes = await startFakeCaches([dialect, dialect]);
  const [a, b] = fakes.caches;
  if (a === undefined || b === undefined) throw new Error('both were made above');
  b.follows = { host: '127.0.0.1', port: a.port };
  a.replicas = [`ip=127.0.0.1,port=${b.port},state=${dialect === 'redis' ? 'online' : 'stable_sync'},offset=50,lag=0`];
  const entry = ({ port }: FakeCache) => ({ kind: 'redis', address: `127.0.0.1:${port}`, user: 'tidegate', passwordFile: FILE }) as const;
  return {
    fakes,
    a,
    b,
    systems: { 'cache-b': entry(b), 'cache-a': entry(a) },
    files: { [FILE]: `${PASSWORD}\n` },
    secrets: [PASSWORD],
    settle: () => undefined,
    effects: () => fakes.effects.length,
    meets: fakes.meets,
    asked: fakes.asked,
    [Symbol.asyncDispose]: () => fakes[Symbol.asyncDispose](),
  };
};

export const startPromoteWorld = async (): Promise<StepWorld<'cache.promote'> & Base> => ({
  ...(await startBase('redis')),
  spec: { system: 'cache-b' },
});

/** What a FAILOVER that began comes to; and a master of Dragonfly that has ended and is kept, as a replica. */
const endFailover = ({ a, b }: Base): void => {
  if (!a.isFailingOver && !(a.dialect === 'dragonfly' && b.follows === null)) return;
  a.isFailingOver = false;
  a.follows = { host: '127.0.0.1', port: b.port };
  a.replicas = [];
  b.follows = null;
};

export const startTakeoverWorld = async (dialect: FakeCache['dialect'] = 'redis'): Promise<StepWorld<'cache.takeover'> & Base> => {
  const base = await startBase(dialect);
  return { ...base, spec: { system: 'cache-b', from: 'cache-a', waitMs: 5_000 }, settle: () => endFailover(base) };
};

export const startRejoinWorld = async (): Promise<StepWorld<'cache.rejoin'> & Base> => {
  const base = await startBase('redis');
  base.b.follows = null;
  base.a.replicas = [];
  return {
    ...base,
    spec: { system: 'cache-b', address: `127.0.0.1:${base.a.port}` },
    settle: () => {
      [base.b.isLinked, base.b.isSyncing] = [true, false];
    },
  };
};
