// One connection to one Postgres, by the library `pg` on a socket of ours: names from our own resolver, sockets and TLS from the ports, verified, every wait
// ended by the signal. Each question has a connection of its own: who leads changes, and a connection that was good a second ago is no evidence.
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { Client, DatabaseError } from 'pg';
import { type Reaching, reach } from '../../connect.ts';
import { familyOf } from '../../dns/address.ts';
import { Answered, quoted } from '../../exchange.ts';

/** What Postgres is asked to spend on one statement. */
const STATEMENT_MS = 2_500;
/** Nobody who is asked here has as much to say. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** For the other side to close what we have ended. */
const CLOSE_MS = 1_000;

/** The request for TLS of Postgres' protocol: its length, and the number that stands for it. */
const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

export interface Login {
  user: string;
  password: string;
  database: string;
}

export interface Secured {
  trust: SecureContext;
  /** Name to verify instead of the host's. */
  serverName?: string;
}

export interface Asking {
  /** Rows of one statement; text for what JSON has no type for. Throws Answered where Postgres refuses, with its own sentence. */
  rows(text: string, values?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/** Connects, lets `work` ask, and leaves nothing open, whatever comes of it. Rejects with the signal's reason once that has aborted. */
export const asking = async <T>(
  reaching: Reaching,
  at: { host: string; port: number },
  login: Login,
  secured: Secured | null,
  signal: AbortSignal,
  work: (asking: Asking) => Promise<T>,
): Promise<T> => {
  if (signal.aborted) throw signal.reason;
  const plain = await reach(reaching, { ...at, tlsName: null }, signal).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : told(error, `${at.host}:${at.port}`);
  });
  const onAbort = (): void => void plain.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  // A socket that nobody listens to any more must not end the process.
  plain.on('error', () => undefined);
  try {
    const socket = secured === null ? plain : await overTls(reaching, plain, at.host, secured);
    return await spoken(socket, login, work);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw told(error, `${at.host}:${at.port}`);
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (signal.aborted) plain.destroy();
    else {
      const timer = reaching.ports.timers.after(CLOSE_MS, () => void plain.destroy(), { background: true });
      plain.once('close', () => timer.cancel());
    }
  }
};

const spoken = async <T>(socket: Socket, login: Login, work: (asking: Asking) => Promise<T>): Promise<T> => {
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > ANSWER_BYTES_MAX) socket.destroy(new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`));
  });
  const client = new Client({
    ...login,
    // All that the environment of the process would decide otherwise.
    host: 'postgres.invalid',
    port: 1,
    ssl: false,
    application_name: 'tidegate',
    options: `-c statement_timeout=${STATEMENT_MS} -c lock_timeout=${STATEMENT_MS}`,
    stream: () => connected(socket),
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

/** The library connects what it is given; this has been. */
const connected = (socket: Socket): Socket =>
  Object.assign(socket, {
    connect: () => {
      queueMicrotask(() => socket.emit('connect'));
      return socket;
    },
  });

const overTls = async ({ ports }: Reaching, plain: Socket, host: string, { trust, serverName }: Secured): Promise<Socket> => {
  plain.write(TLS_REQUEST);
  const answer = await once(plain, 'data');
  // More than the one byte was written by somebody before there was TLS.
  if (!Buffer.isBuffer(answer) || answer.length !== 1 || answer[0] !== 0x53)
    throw new Error('it speaks no TLS, so nothing was said to it; configure Postgres for TLS, or leave tls out on a private line');
  const name = serverName ?? host;
  const socket = ports.net.tls({
    socket: plain,
    // An address is verified as such and not sent.
    ...(familyOf(name) === null ? { servername: name } : { host: name }),
    secureContext: trust,
    rejectUnauthorized: true,
  });
  await once(socket, 'secureConnect');
  return socket;
};

/** Rejects when the socket ends first. */
const once = (socket: Socket, event: 'data' | 'secureConnect'): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error('the connection was closed'));
    socket.once('error', reject);
    socket.once('close', onClose);
    socket.once(event, (value: unknown) => {
      socket.removeListener('error', reject);
      socket.removeListener('close', onClose);
      socket.on('error', () => undefined);
      resolve(value);
    });
  });

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
