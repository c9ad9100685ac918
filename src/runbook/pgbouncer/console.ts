// One question to a pooler's admin console: a connection, one text, its rows. The console speaks Postgres' simple protocol alone, so nothing is bound and no
// statement is prepared. Each question has a connection of its own, since one that waits for PAUSE answers nothing else.
import type { Socket } from 'node:net';
import { Client, DatabaseError } from 'pg';
import { Answered, quoted } from '../../exchange.ts';
import { type Dial, limit } from '../dial.ts';

/** A pooler of thousands of pools. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** That TLS is asked for, as the protocol has it: its length and a number that no version has. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
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
  const socket = await connected(dial, signal);
  let failure: Error | null = null;
  socket.once('error', (error) => {
    failure = error;
  });
  // The library would connect by itself; what it is given is connected.
  const connect = (): Socket => {
    queueMicrotask(() => socket.emit('connect'));
    return socket;
  };
  const client = new Client({
    host: dial.host,
    port: dial.port,
    user,
    password: password(),
    database: DATABASE,
    application_name: 'tidegate',
    ssl: false,
    stream: () => Object.assign(socket, { connect }),
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

const connected = async (dial: Dial, signal: AbortSignal): Promise<Socket> => {
  const socket = await dial.openPlain(signal);
  if (!dial.isSecured) return socket;
  try {
    socket.write(SSL_REQUEST);
    // More than the one letter would be read as if it had come under TLS.
    if ((await nextBytes(socket, signal)).toString('latin1') !== 'S') throw new Error('the pooler speaks no TLS, and it is configured');
    return await dial.upgrade(socket, signal);
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  }
};

const nextBytes = (socket: Socket, signal: AbortSignal): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const onAbort = (): void => void socket.destroy();
    const onClose = (): void => {
      signal.removeEventListener('abort', onAbort);
      reject(new Error('the pooler ended the connection when TLS was asked for'));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('close', onClose);
    socket.once('data', (bytes: Buffer) => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('close', onClose);
      resolve(bytes);
    });
  });

/** With the code where the connection ends by it, since that tells who is refused from what is. */
const told = (error: unknown): unknown => {
  if (!(error instanceof DatabaseError)) return error;
  const { severity, code, message } = error;
  return new Answered(400, `it answers${severity === 'FATAL' ? ` FATAL ${quoted(code ?? 'without a code', 10)}` : ''}: ${quoted(message)}`);
};
