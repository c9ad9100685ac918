// Who writes while the database moves: a stated number of transactions a second through a pooler, several at a time, each with a number of its own. What was
// acknowledged counts; what was not is tried again under the same number, so that nothing is given up and nothing counts twice.
import { setTimeout as delay } from 'node:timers/promises';
import type { Client, QueryConfig } from 'pg';
import { connected, hangUp, PASSWORDS } from './patroni-region.ts';

const CONNECTIONS = 8;
const AGAIN_MS = 20;
/** Longer than a planned move may hold them. */
const QUERY_MS = 12_000;
const STOP_MS = 3_000;
const INSERT = 'with one as (insert into orders (id) values ($1) on conflict do nothing) select inet_server_port() as port';

export interface Acknowledged {
  id: number;
  atMs: number;
  /** Of the server that took it. */
  pgPort: number;
}

export interface Writer extends AsyncDisposable {
  readonly acknowledged: readonly Acknowledged[];
  /** Each time that one had to be tried again. */
  readonly errors: readonly { atMs: number; text: string }[];
  /** Its connections end, and it goes on through this pooler. */
  through(port: number): void;
  /** Ends when what is under way has been acknowledged, or after `patienceMs`. */
  stop(patienceMs?: number): Promise<void>;
}

export interface Gap {
  startMs: number;
  endMs: number;
}

/** The longest time without an acknowledgement from that instant on, up to the last one there is. */
export const longestGapOf = (acknowledged: readonly Acknowledged[], fromMs: number): Gap => {
  const times = acknowledged
    .map(({ atMs }) => atMs)
    .filter((atMs) => atMs >= fromMs)
    .toSorted((one, other) => one - other);
  const gaps = times.map((endMs, at): Gap => ({ startMs: times[at - 1] ?? fromMs, endMs }));
  return gaps.reduce((one, each) => (each.endMs - each.startMs > one.endMs - one.startMs ? each : one), { startMs: fromMs, endMs: fromMs });
};

export const longestGap = (acknowledged: readonly Acknowledged[], fromMs: number): number => {
  const { startMs, endMs } = longestGapOf(acknowledged, fromMs);
  return endMs - startMs;
};

export const startWriter = (perSecond: number, pooler: number): Writer => {
  const acknowledged: Acknowledged[] = [];
  const errors: { atMs: number; text: string }[] = [];
  const startedAtMs = performance.now();
  let port = pooler;
  let turn = 0;
  let nextId = 1;
  let isOver = false;
  let isCut = false;

  /** How many there should have been by now: who was held up does not catch up in a burst. */
  let owedFromMs = startedAtMs;
  let owed = 0;
  const take = async (): Promise<number | null> => {
    while (!isOver) {
      const should = Math.floor(((performance.now() - owedFromMs) * perSecond) / 1000);
      if (should - owed > perSecond) {
        owedFromMs = performance.now();
        owed = 0;
        continue;
      }
      if (owed < should) {
        owed += 1;
        return nextId++;
      }
      await delay(1);
    }
    return null;
  };

  const insert = async (client: Client, id: number): Promise<void> => {
    const query: QueryConfig & { query_timeout: number } = { text: INSERT, values: [id], query_timeout: QUERY_MS };
    const { rows } = await client.query<{ port: number }>(query);
    acknowledged.push({ id, atMs: Date.now(), pgPort: rows[0]!.port });
  };

  /** One connection at a time, of the pooler that is meant now. */
  interface Seat {
    client: Client | null;
    turn: number;
  }
  const seats: readonly Seat[] = Array.from({ length: CONNECTIONS }, () => ({ client: null, turn }));
  const leave = (seat: Seat): void => {
    if (seat.client !== null) hangUp(seat.client);
    seat.client = null;
  };
  const clientOf = async (seat: Seat): Promise<Client> => {
    if (seat.turn !== turn) leave(seat);
    if (seat.client === null) {
      seat.turn = turn;
      seat.client = await connected(port, 'app', PASSWORDS.app, 'app');
    }
    return seat.client;
  };

  const write = async (seat: Seat, id: number): Promise<void> => {
    while (!isCut)
      try {
        return await insert(await clientOf(seat), id);
      } catch (error) {
        errors.push({ atMs: Date.now(), text: error instanceof Error ? error.message : String(error) });
        leave(seat);
        await delay(AGAIN_MS);
      }
  };
  const work = async (seat: Seat): Promise<void> => {
    for (let id = await take(); id !== null; id = await take()) await write(seat, id);
    leave(seat);
  };
  const writing = Promise.all(seats.map(work));

  const cut = (): void => {
    for (const { client } of seats) if (client !== null) hangUp(client);
  };
  const stop = async (patienceMs = STOP_MS): Promise<void> => {
    isOver = true;
    const patience = new AbortController();
    await Promise.race([writing, delay(patienceMs, undefined, { signal: patience.signal }).catch(() => {})]);
    patience.abort();
    isCut = true;
    cut();
    await writing;
  };
  return {
    acknowledged,
    errors,
    through: (next) => {
      port = next;
      turn += 1;
      cut();
    },
    stop,
    [Symbol.asyncDispose]: () => stop(0),
  };
};
