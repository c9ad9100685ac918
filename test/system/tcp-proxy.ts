// A wire that can lose what comes back: bytes pass unchanged in both directions until it is told otherwise.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy extends AsyncDisposable {
  host: string;
  port: number;
  /** The next reply is swallowed and its connection reset; the request has reached the server by then. */
  loseNextReply(): void;
  /** From now on whatever comes is taken and nothing goes on, in either direction. */
  hang(): void;
  /** So for the connections that there are, and neither end is told; those made from now on pass. */
  strand(): void;
}

export const startTcpProxy = async (to: { host: string; port: number }): Promise<TcpProxy> => {
  const open = new Set<Socket>();
  const stranded = new Set<Socket>();
  let losing = false;
  let hanging = false;
  const server = createServer((client) => {
    const upstream = connect({ host: to.host, port: to.port });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.setNoDelay();
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        if (stranded.has(socket)) return;
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk) => {
      if (!hanging && !stranded.has(client)) upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (hanging || stranded.has(client)) return;
      if (losing) {
        losing = false;
        client.resetAndDestroy();
      } else client.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    host: '127.0.0.1',
    port: typeof address === 'object' && address !== null ? address.port : 0,
    loseNextReply: () => {
      losing = true;
    },
    hang: () => {
      hanging = true;
    },
    strand: () => {
      for (const socket of open) stranded.add(socket);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};
