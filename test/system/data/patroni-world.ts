// Two regions, a and b: b is a standby cluster of a over a long wire, and each could follow the other. Whoever writes comes through the pooler of a region,
// which leads to the one primary there is, wherever that is.
import type { Client } from 'pg';
import { connected, PASSWORDS, type Region, startRegion } from './patroni-region.ts';
import { type Member, startWire, type Wire } from './patroni-wire.ts';

export interface World extends AsyncDisposable {
  a: Region;
  b: Region;
  /** What the other region streams from, by region. */
  long: { a: Wire; b: Wire };
  members(): readonly Member[];
}

export interface WorldOptions {
  /** Members in a; b has one. */
  members?: number;
  /** Of the wire between the regions, in each direction. */
  delayMs?: number;
}

/** The role that Tidegate has, the one that writers have, and their table. */
const SETUP = `
  create role app login password '${PASSWORDS.app}';
  create role tidegate login password '${PASSWORDS.tidegate}' in role pg_monitor;
  create database app owner app;
  create database tidegate owner tidegate;
`;
const TABLES = `
  create table orders (id bigint primary key);
  alter table orders owner to app;
  create table watch (at timestamptz not null default clock_timestamp());
  alter table watch owner to app;
`;

const prepare = async (region: Region): Promise<void> => {
  const { pgPort } = await region.leader();
  for (const [database, text] of [
    ['postgres', SETUP],
    ['app', TABLES],
  ] as const) {
    const client: Client = await connected(pgPort, 'postgres', PASSWORDS.postgres, database);
    try {
      for (const each of text.split(';').filter((part) => part.trim() !== '')) await client.query(each);
    } finally {
      await client.end();
    }
  }
};

export const startWorld = async ({ members = 1, delayMs = 0 }: WorldOptions = {}): Promise<World> => {
  const closing = new AsyncDisposableStack();
  let regions: readonly Region[] = [];
  const all = (): readonly Member[] => regions.flatMap((region) => region.members);
  const of = (name: string): readonly Member[] => all().filter(({ region }) => region === name);
  try {
    const use = <T extends AsyncDisposable>(each: T): T => closing.use(each);
    const [entryA, entryB] = [
      use(await startWire({ members: all, path: '/primary' })),
      use(await startWire({ members: all, path: '/primary' })),
    ];
    const [longA, longB] = [
      use(await startWire({ members: () => of('a'), path: '/leader', delayMs })),
      use(await startWire({ members: () => of('b'), path: '/leader', delayMs })),
    ];
    const a = use(await startRegion({ name: 'a', members, follows: null, slots: [], entry: entryA }));
    regions = [a];
    await prepare(a);
    const b = use(await startRegion({ name: 'b', members: 1, follows: { port: longA.port, slot: null }, slots: [], entry: entryB }));
    regions = [a, b];
    return { a, b, long: { a: longA, b: longB }, members: all, [Symbol.asyncDispose]: () => closing.disposeAsync() };
  } catch (error) {
    await closing.disposeAsync();
    throw error;
  }
};
