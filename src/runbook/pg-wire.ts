// What Postgres and PgBouncer's console have in common on the wire: TLS is asked for in the protocol's own words, and the library `pg` speaks on a socket of ours,
// whose names came from our own resolver and whose every wait the signal ends.
import type { Socket } from 'node:net';
import type { Dial } from './dial.ts';

/** The request for TLS: its length, and a number that no version has. */
const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** Connected, and under TLS where that is configured. Rejects with the signal's reason once it has aborted. The caller ends the socket. */
export const openPg = async (dial: Dial, signal: AbortSignal): Promise<Socket> => {
  const socket = await dial.openPlain(signal);
  if (!dial.isSecured) return socket;
  try {
    socket.write(TLS_REQUEST);
    // More than the one letter was written by somebody before there was TLS.
    if ((await nextBytes(socket, signal)).toString('latin1') !== 'S')
      throw new Error('it speaks no TLS, so nothing was said to it; configure it for TLS, or leave tls out on a private line');
    return await dial.upgrade(socket, signal);
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  }
};

/** As the option `stream` of the library's client. It connects what it is given; this has been. */
export const streamOf = (socket: Socket): Socket =>
  Object.assign(socket, {
    connect: () => {
      queueMicrotask(() => socket.emit('connect'));
      return socket;
    },
  });

const nextBytes = (socket: Socket, signal: AbortSignal): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const onAbort = (): void => void socket.destroy();
    const onClose = (): void => {
      signal.removeEventListener('abort', onAbort);
      reject(new Error('it ended the connection when TLS was asked for'));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('close', onClose);
    socket.once('data', (bytes: Buffer) => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('close', onClose);
      resolve(bytes);
    });
  });
