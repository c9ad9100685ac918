// A receiver of notices over HTTP on loopback, for the contract of channels: real sockets, and every way in which a receiver can fail one.
// It is a fake of no vendor: it takes whatever is sent, and answers as it is told to.
import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface Told {
  /** Where within the receiver. */
  path: string;
  headers: Readonly<Record<string, string>>;
  /** What has to be the same for the same notice. */
  body: string;
}

/**
 * `accept`: as the vendor does. `fail`: with a failure that may pass. `silence`: takes all of it and never answers. `slam`: closes the connection at once.
 * `die`: takes all of it and closes. `drip`: takes all of it and answers a byte at a time, at each call of `drip()`. The last form: of HTTP alone.
 */
export type Behaviour =
  | 'accept'
  | 'fail'
  | 'silence'
  | 'slam'
  | 'die'
  | 'drip'
  | {
      status: number;
      headers?: http.OutgoingHttpHeaders;
      text?: string;
      /** The body: never ends and says nothing, or as much of it as the other side takes. */
      endless?: 'quiet' | 'flood';
    };

export interface Receiver extends AsyncDisposable {
  readonly port: number;
  /** What was taken whole, in order. */
  readonly told: readonly Told[];
  /** Connections taken so far. */
  connections(): number;
  /** What the next notices meet; afterwards all are accepted. */
  behave(...next: readonly Behaviour[]): void;
  /** Resolves once `count` notices were taken whole. */
  taken(count: number): Promise<void>;
  /** One byte more of a dripping answer. */
  drip(): Promise<void>;
  /** Bytes of endless bodies written so far, those in the kernel's buffers included. */
  flooded(): number;
  /** Resolves when no connection is open. */
  idle(): Promise<void>;
}

export interface Identity {
  key: string;
  cert: string;
}

/** Plain, or with TLS as whoever `identity` says. */
export type StartReceiver = (identity?: Identity) => Promise<Receiver>;

const CHUNK = Buffer.alloc(64 * 1024, 'x');

export const startHttpReceiver: StartReceiver = async (identity) => {
  const told: Told[] = [];
  const queue: Behaviour[] = [];
  const news = new EventEmitter();
  const open = new Set<Socket>();
  let connections = 0;
  let dripping: Socket | null = null;
  let flooded = 0;

  const flood = (reply: http.ServerResponse): void => {
    const more = (): void => {
      let goes = true;
      while (goes && !reply.destroyed) {
        goes = reply.write(CHUNK);
        flooded += CHUNK.length;
      }
    };
    reply.on('drain', more).on('error', () => undefined);
    more();
  };
  const respond = (behaviour: Behaviour, reply: http.ServerResponse): void => {
    const socket = reply.socket as Socket;
    if (behaviour === 'silence') return;
    if (behaviour === 'die') socket.destroy();
    else if (behaviour === 'drip') {
      dripping = socket;
      socket.write('HTTP/1.1 200 OK\r\nx-slow: ');
    } else {
      const {
        status,
        headers = {},
        text = 'ok',
        endless,
      } = typeof behaviour === 'object' ? behaviour : { status: behaviour === 'fail' ? 500 : 200 };
      reply.writeHead(status, headers);
      if (endless === undefined) reply.end(text);
      else if (endless === 'quiet') reply.write('{');
      else flood(reply);
    }
  };
  const listener: http.RequestListener = (request, reply) => {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('end', () => {
      const body = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
      told.push({ path: request.url ?? '', headers: request.headers as Record<string, string>, body });
      respond(queue.shift() ?? 'accept', reply);
      news.emit('change');
    });
  };
  const server = identity === undefined ? http.createServer(listener) : https.createServer(identity, listener);
  server.on('connection', (socket: Socket) => {
    connections += 1;
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      open.delete(socket);
      news.emit('change');
    });
    if (queue[0] === 'slam') {
      queue.shift();
      socket.destroy();
    }
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await once(news, 'change');
  };
  return {
    port: (server.address() as AddressInfo).port,
    told,
    connections: () => connections,
    behave: (...next) => void queue.push(...next),
    taken: (count) => until(() => told.length >= count),
    drip: () => new Promise((resolve) => (dripping?.writable ? dripping.write('x', () => resolve()) : resolve())),
    flooded: () => flooded,
    idle: () => until(() => open.size === 0),
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};
