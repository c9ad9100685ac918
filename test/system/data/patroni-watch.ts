// Who watches: every 50 ms each Postgres is asked directly, past every pooler, whether it is out of recovery, and takes a real write if it is. The instant of a
// write is the server's own, so that one which waited in a stopped server counts when it was taken and not when it was sent.
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { connected, hangUp, PASSWORDS } from './patroni-region.ts';
import type { Member } from './patroni-wire.ts';

const EVERY_MS = 50;

export interface Taken {
  member: string;
  region: string;
  atMs: number;
}

export interface Look {
  member: string;
  region: string;
  /** When it was asked, and when it had answered. */
  fromMs: number;
  toMs: number;
  isOut: boolean;
}

export interface Watch extends AsyncDisposable {
  /** Writes that were taken, by time. */
  taken(): readonly Taken[];
  looks(): readonly Look[];
}

/** Writes that another region took after `to` had taken its first since that instant: the time of each after that first. */
export const lateWrites = (taken: readonly Taken[], to: string, sinceMs: number): { firstMs: number | null; late: readonly number[] } => {
  const first = taken.find(({ region, atMs }) => region === to && atMs >= sinceMs);
  if (first === undefined) return { firstMs: null, late: [] };
  const late = taken.filter(({ region, atMs }) => region !== to && atMs > first.atMs).map(({ atMs }) => atMs - first.atMs);
  return { firstMs: first.atMs, late };
};

export const startWatch = (members: readonly Member[]): Watch => {
  const taken: Taken[] = [];
  const looks: Look[] = [];
  let isOver = false;
  const clients = new Map<string, Client>();

  const look = async ({ name: member, region, pgPort }: Member): Promise<void> => {
    let client = clients.get(member);
    if (client === undefined) {
      client = await connected(pgPort, 'app', PASSWORDS.app, 'app');
      clients.set(member, client);
    }
    const fromMs = Date.now();
    const { rows } = await client.query('select pg_is_in_recovery() as "isIn"');
    const isOut = rows[0].isIn === false;
    looks.push({ member, region, fromMs, toMs: Date.now(), isOut });
    if (!isOut) return;
    const wrote = await client.query('insert into watch default values returning extract(epoch from at) * 1000 as "atMs"');
    taken.push({ member, region, atMs: Number(wrote.rows[0].atMs) });
  };

  const watchOne = async (member: Member): Promise<void> => {
    while (!isOver) {
      const next = delay(EVERY_MS);
      await look(member).catch(() => {
        const client = clients.get(member.name);
        if (client !== undefined) hangUp(client);
        clients.delete(member.name);
      });
      await next;
    }
  };
  const watching = Promise.all(members.map(watchOne));

  return {
    taken: () => taken.toSorted((one, other) => one.atMs - other.atMs),
    looks: () => looks,
    async [Symbol.asyncDispose]() {
      isOver = true;
      for (const client of clients.values()) hangUp(client);
      await watching;
    },
  };
};
