// DNS over UDP and TCP on one port: sockets, frames and limits. What is answered is decided elsewhere; bytes go in, bytes or nothing come out.
// A TCP peer that sends nothing whole, or does not read its replies, is dropped after a while. Standards: RFC 1035 4.2, RFC 7766.
import type dgram from 'node:dgram';
import type net from 'node:net';
import { errorText, Fault } from '../../src/errors.ts';
import type { Ports, Timer } from '../../src/ports.ts';
import { QUERY_BYTES_MAX } from './answer.ts';

export const TCP_CONNECTIONS_MAX = 64;
/** From one whole query to the next, or to the first. */
export const TCP_IDLE_MS = 10_000;
/** Replies that may wait for a slow reader before its further queries do. */
const TCP_UNSENT_BYTES_MAX = 128 * 1024;
/** With port 0 the system picks the UDP port, and the same TCP port may be taken. */
const PORT_TRIES_MAX = 20;

export type Responder = (packet: Buffer, over: 'udp' | 'tcp') => Buffer | null;

export interface DnsListener {
  port: number;
  /** May be called again. */
  close(): Promise<void>;
}

/** Port 0: any port free for both. Throws Fault ERR_LISTEN. */
export const listenDns = async (ports: Ports, host: string, port: number, respond: Responder): Promise<DnsListener> => {
  for (let attempt = 1; ; attempt++) {
    const udp = await bindUdp(ports, host, port, respond);
    try {
      const tcp = await bindTcp(ports, host, udp.address().port, respond);
      let closing: Promise<void> | null = null;
      return {
        port: udp.address().port,
        close: () => {
          closing ??= Promise.all([closed(udp), tcp.close()]).then(() => undefined);
          return closing;
        },
      };
    } catch (error) {
      await closed(udp);
      if (port !== 0 || attempt === PORT_TRIES_MAX) throw error;
    }
  }
};

const closed = (udp: dgram.Socket): Promise<void> => new Promise((resolve) => udp.close(() => resolve()));

const cannotListen = (what: string, host: string, port: number, error: unknown): Fault =>
  new Fault('ERR_LISTEN', `dns over ${what} on ${host}:${port}: ${errorText(error)}; choose a free address of this machine`, {
    cause: error,
  });

const bindUdp = (ports: Ports, host: string, port: number, respond: Responder): Promise<dgram.Socket> =>
  new Promise((resolve, reject) => {
    const socket = ports.net.udp(host.includes(':') ? 'udp6' : 'udp4');
    const onFailure = (error: Error): void => {
      socket.close();
      reject(cannotListen('udp', host, port, error));
    };
    socket.once('error', onFailure);
    socket.on('message', (packet, from) => {
      const reply = from.port === 0 ? null : respond(packet, 'udp');
      // A reply that cannot be sent is a lost packet, which UDP's users expect.
      if (reply !== null) socket.send(reply, from.port, from.address, () => {});
    });
    socket.bind(port, host, () => {
      socket.off('error', onFailure);
      // Late errors are those of single datagrams (an unreachable asker); the socket stays usable.
      socket.on('error', () => {});
      resolve(socket);
    });
  });

const bindTcp = (ports: Ports, host: string, port: number, respond: Responder): Promise<{ close(): Promise<void> }> =>
  new Promise((resolve, reject) => {
    const sockets = new Set<net.Socket>();
    const server = ports.net.listenTcp((socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      serveConnection(ports, socket, respond);
    });
    server.maxConnections = TCP_CONNECTIONS_MAX;
    server.once('error', (error) => reject(cannotListen('tcp', host, port, error)));
    server.listen(port, host, () =>
      resolve({
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            for (const socket of sockets) socket.destroy();
          }),
      }),
    );
  });

const serveConnection = (ports: Ports, socket: net.Socket, respond: Responder): void => {
  let unread: Buffer = Buffer.alloc(0);
  let idle: Timer | null = null;
  const rearm = (): void => {
    idle?.cancel();
    idle = ports.timers.after(TCP_IDLE_MS, () => socket.destroy(), { background: true });
  };

  const answerWhatIsWhole = (): void => {
    while (unread.length >= 2 && !socket.destroyed) {
      const size = unread.readUInt16BE(0);
      if (size > QUERY_BYTES_MAX) {
        socket.destroy();
        return;
      }
      if (unread.length < 2 + size) break;
      if (socket.writableLength > TCP_UNSENT_BYTES_MAX) {
        socket.pause();
        socket.once('drain', answerWhatIsWhole);
        return;
      }
      const reply = respond(unread.subarray(2, 2 + size), 'tcp');
      unread = unread.subarray(2 + size);
      rearm();
      if (reply !== null) socket.write(Buffer.concat([Buffer.of(reply.length >> 8, reply.length & 0xff), reply]));
    }
    socket.resume();
  };

  rearm();
  socket.on('data', (chunk: Buffer) => {
    unread = Buffer.concat([unread, chunk]);
    answerWhatIsWhole();
  });
  // A reset is the peer's way of leaving.
  socket.on('error', () => {});
  socket.once('close', () => idle?.cancel());
};
