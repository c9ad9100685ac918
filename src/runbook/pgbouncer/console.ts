// One question to a pooler's admin console: a connection, one text, its rows. The console speaks Postgres' simple protocol alone, so nothing is bound and no
// statement is prepared. Each question has a connection of its own, since one that waits for PAUSE answers nothing else.
import { Client, DatabaseError } from 'pg';
import { Answered, quoted } from '../../exchange.ts';
import { type Dial, limit } from '../dial.ts';
import { openPg, streamOf } from '../pg-wire.ts';

/** A pooler of thousands of pools. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const DATABASE = 'pgbouncer';

export interface Login {
  user: string;
  /** Read anew for each connection. Throws Fault ERR_SECRET. */
  password: () => string;
}

export type Row = Readonly<Record<string, unknown>>;

/** A name as the console reads it, whatever it holds. */
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Rejects with Answered for a refusal, or an Error about the way to it; the signal ends both. */
export const askConsole = async (dial: Dial, { user, password }: Login, text: string, signal: AbortSignal): Promise<readonly Row[]> => {
  const socket = await openPg(dial, signal);
  let failure: Error | null = null;
  socket.once('error', (error) => {
    failure = error;
  });
  const client = new Client({
    host: dial.host,
    port: dial.port,
    user,
    password: password(),
    database: DATABASE,
    application_name: 'tidegate',
    ssl: false,
    stream: () => streamOf(socket),
  });
  client.on('error', () => undefined);
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    limit(socket, ANSWER_BYTES_MAX);
    await client.connect();
    const found = await client.query<Record<string, unknown>>(text);
    return found.rows;
  } catch (error) {
    throw signal.aborted ? signal.reason : told(failure ?? error);
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  }
};

/** With the code where the connection ends by it, since that tells who is refused from what is. */
const told = (error: unknown): unknown => {
  if (!(error instanceof DatabaseError)) return error;
  const { severity, code, message } = error;
  return new Answered(400, `it answers${severity === 'FATAL' ? ` FATAL ${quoted(code ?? 'without a code', 10)}` : ''}: ${quoted(message)}`);
};
