// What races: a system of health checks that keeps sending users to some addresses of a name, and can be asked which.
import { createSocket, type Socket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { decode, encode } from 'dns-packet';

/** A name of the race and the addresses behind it; the first one is the victim. */
export interface Lane {
  name: string;
  addresses: readonly string[];
}

export interface Course {
  zone: string;
  lanes: readonly Lane[];
  /** Of all targets. */
  port: number;
  intervalMs: number;
  timeoutMs: number;
}

export interface Contender {
  name: string;
  /** First part of the path that its looks ask for. */
  path: string;
  /** What it is set to. */
  says: string;
  /** The addresses that it would send users to now; null: it did not answer. */
  serves(lane: Lane): Promise<ReadonlySet<string> | null>;
}

/** One process, or several that belong together, that brings contenders. */
export interface Entry {
  /** Command without which it cannot start, and Debian's name for what has it. */
  command: string;
  debian: string;
  start(course: Course, stack: AsyncDisposableStack): Promise<readonly Contender[]>;
}

/** Debian keeps servers where a plain user's PATH does not look. */
export const isInstalled = (command: string): boolean =>
  [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'].some((folder) => existsSync(`${folder}/${command}`));

const ANSWER_MS = 1000;

/** Asks one DNS server for the addresses of a name, `times` times at once: for a server that answers one address each, in rotation. */
export const createAsker = (port: number, times: number, stack: AsyncDisposableStack): Contender['serves'] => {
  const socket: Socket = createSocket('udp4');
  stack.defer(() => void socket.close());
  const waiting = new Map<number, (addresses: readonly string[] | null) => void>();
  let id = 0;
  socket.on('message', (packet) => {
    const answered = waiting.get(packet.readUInt16BE(0));
    const { answers = [] } = decode(packet);
    answered?.(answers.flatMap((each) => (each.type === 'A' ? [each.data] : [])));
  });
  const ask = (name: string): Promise<readonly string[] | null> =>
    new Promise((resolve) => {
      id = (id + 1) % 65_536;
      const mine = id;
      const end = (addresses: readonly string[] | null): void => {
        clearTimeout(timer);
        waiting.delete(mine);
        resolve(addresses);
      };
      const timer = setTimeout(() => end(null), ANSWER_MS);
      waiting.set(mine, end);
      socket.send(encode({ type: 'query', id: mine, questions: [{ type: 'A', name }] }), port, '127.0.0.1');
    });
  return async ({ name }) => {
    const replies = await Promise.all(Array.from({ length: times }, () => ask(name)));
    return replies.includes(null) ? null : new Set(replies.flatMap((addresses) => addresses ?? []));
  };
};
