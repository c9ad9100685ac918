// One connection to one Postgres, by the library `pg` on a socket of ours (pg-wire.ts). Each question has a connection of its own: who leads changes,
// and a connection that was good a second ago is no evidence.
import type { Socket } from 'node:net';
import { Client, DatabaseError } from 'pg';
import { Answered, quoted } from '../../exchange.ts';
import type { Timers } from '../../ports.ts';
import { type Dial, limit } from '../dial.ts';
import { openPg, streamOf } from '../pg-wire.ts';

/** What Postgres is asked to spend on one statement. */
const STATEMENT_MS = 2_500;
/** Nobody who is asked here has as much to say. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** For the other side to close what we have ended. */
const CLOSE_MS = 1_000;

export interface Login {
  user: string;
  password: string;
  database: string;
}

export interface Asking {
  /** Rows of one statement; text for what JSON has no type for. Throws Answered where Postgres refuses, with its own sentence. */
  rows(text: string, values?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/** Connects, lets `work` ask, and leaves nothing open, whatever comes of it. Rejects with the signal's reason once that has aborted. */
export const asking = async <T>(
  dial: Dial,
  timers: Timers,
  login: Login,
  signal: AbortSignal,
  work: (asking: Asking) => Promise<T>,
): Promise<T> => {
  if (signal.aborted) throw signal.reason;
  const at = `${dial.host}:${dial.port}`;
  const socket = await openPg(dial, signal).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : told(error, at);
  });
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await spoken(socket, login, work);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw told(error, at);
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (signal.aborted) socket.destroy();
    else {
      const timer = timers.after(CLOSE_MS, () => void socket.destroy(), { background: true });
      socket.once('close', () => timer.cancel());
    }
  }
};

const spoken = async <T>(socket: Socket, login: Login, work: (asking: Asking) => Promise<T>): Promise<T> => {
  limit(socket, ANSWER_BYTES_MAX);
  const client = new Client({
    ...login,
    // All that the environment of the process would decide otherwise.
    host: 'postgres.invalid',
    port: 1,
    ssl: false,
    application_name: 'tidegate',
    options: `-c statement_timeout=${STATEMENT_MS} -c lock_timeout=${STATEMENT_MS}`,
    stream: () => streamOf(socket),
  });
  let broken: unknown = null;
  client.on('error', (error) => {
    broken ??= error;
  });
  try {
    await client.connect();
    return await work({
      rows: async (text, values = []) => (await client.query<Record<string, unknown>>(text, [...values])).rows,
    });
  } catch (error) {
    throw broken ?? error;
  } finally {
    client.end().catch(() => undefined);
  }
};

/** Out of something, or broken: Postgres' own trouble, and no answer to what it was asked. */
const isTroubled = (code: string | undefined): boolean => code === undefined || /^(08|53|58|XX)/.test(code);

/**
 * A server that is restarted refuses connections, then says that it starts: those are answers too, quick and harmless, and just then it is waited for; nobody
 * should be left alone for them.
 */
const told = (error: unknown, at: string): unknown => {
  if (!(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  const because = `${at}: ${quoted(error.message)}`;
  if (error instanceof DatabaseError) {
    const said = `${because}${code === undefined ? '' : ` (${quoted(code, 8)})`}`;
    return isTroubled(code) ? new Error(said) : new Answered(400, said);
  }
  return code === 'ECONNREFUSED' ? new Answered(409, because) : new Error(because);
};
