// One conversation with a cache: a connection, some commands, their replies. The library retries nothing, queues nothing and opens no socket by itself; what
// the server refuses is told without what was sent.
import type { Socket } from 'node:net';
import type { Redis } from 'ioredis';
import { Answered, quoted } from '../../exchange.ts';
import { type Dial, limit } from '../dial.ts';

const ANSWER_BYTES_MAX = 1024 * 1024;
const COMMAND_MS = 5_000;

/** The server's reply to a command. Rejects with Refusal, or an Error about the way to it. */
export type Ask = (...words: readonly [string, ...(string | number)[]]) => Promise<unknown>;

/** An error that the server replied. `word`: its first, such as NOAUTH or ERR. */
export class Refusal extends Answered {
  readonly word: string;
  constructor(word: string, message: string) {
    super(400, message);
    this.word = word;
  }
}

export interface Login {
  user: string | undefined;
  /** Read anew for each connection; null: none is asked for. Throws Fault ERR_SECRET. */
  password: () => string | null;
}

/** Runs `work` on a connection of its own, which ends with it. Each command has `commandMs`; the signal ends everything. */
export const converse = async <T>(
  dial: Dial,
  login: Login,
  work: (ask: Ask) => Promise<T>,
  signal: AbortSignal,
  commandMs = COMMAND_MS,
): Promise<T> => {
  // Slow to load, and most replicas move no cache.
  const library = await import('ioredis');
  const socket = await dial.open(signal);
  let failure: Error | null = null;
  socket.once('error', (error) => {
    failure = error;
  });
  const client = openClient(library, socket, commandMs);
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  const ask: Ask = (word, ...rest) => client.call(word, ...rest);
  try {
    limit(socket, ANSWER_BYTES_MAX);
    await client.connect();
    await introduce(ask, login);
    return await work(ask);
  } catch (error) {
    throw signal.aborted ? signal.reason : told(failure ?? error);
  } finally {
    signal.removeEventListener('abort', onAbort);
    client.disconnect();
    socket.destroy();
  }
};

const openClient = (library: Pick<typeof import('ioredis'), 'AbstractConnector' | 'Redis'>, socket: Socket, commandMs: number): Redis => {
  class Given extends library.AbstractConnector {
    constructor() {
      super(0);
    }
    override async connect(): Promise<Socket> {
      this.stream = socket;
      return socket;
    }
  }
  const client = new library.Redis({
    Connector: Given,
    lazyConnect: true,
    protocol: 2,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    disableClientInfo: true,
    commandTimeout: commandMs,
  });
  // What goes wrong rejects the command that it went wrong for.
  client.on('error', () => undefined);
  return client;
};

/** By a command of ours: the library would print some refusals, and quote the password in others. */
const introduce = async (ask: Ask, { user, password }: Login): Promise<void> => {
  const word = password();
  if (word === null) return;
  try {
    await (user === undefined ? ask('AUTH', word) : ask('AUTH', user, word));
  } catch (error) {
    const reply = replyIn(error);
    if (reply === null) throw error;
    throw new Refusal(wordOf(reply), `it refuses the user or the password (${wordOf(reply)})`);
  }
};

/** null: the error is none that the server replied. */
const replyIn = (error: unknown): string | null => (error instanceof Error && error.name === 'ReplyError' ? error.message : null);
const wordOf = (reply: string): string => /^[A-Z]{2,20}\b/.exec(reply)?.[0] ?? 'ERR';

/** Without the command that the library keeps beside an error. */
const told = (error: unknown): unknown => {
  const reply = replyIn(error);
  if (reply !== null) return new Refusal(wordOf(reply), `it answers: ${quoted(reply)}`);
  return error instanceof Error && 'command' in error ? new Error(quoted(error.message)) : error;
};
