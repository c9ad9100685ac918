// What fakes that listen have in common: a server on loopback that leaves nothing open, and the silence of the contract of steps.
import { EventEmitter, once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';

export interface Loopback extends AsyncDisposable {
  readonly port: number;
  /** That are open. */
  connections(): number;
  /** A socket that ends with the server although nobody connected it to that. */
  keep(socket: Socket): void;
}

/** Begins to listen. In the end every connection is cut. */
export const listening = async (server: Server): Promise<Loopback> => {
  const open = new Set<Socket>();
  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
  };
  server.on('connection', keep);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    connections: () => open.size,
    keep,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
};

export interface Silence {
  /** A request has met it. */
  meet(): void;
  /** Resolves once one has. */
  met(): Promise<void>;
}

export const createSilence = (): Silence => {
  const news = new EventEmitter();
  let times = 0;
  return {
    meet() {
      times++;
      news.emit('met');
    },
    async met() {
      while (times === 0) await once(news, 'met');
    },
  };
};
