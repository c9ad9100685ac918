// Ports for processes of the demo that are started later, or again. From below what systems give to outgoing connections: a port whose owner is dead
// must still be free when it returns.
import { errorText, Fault } from '../errors.ts';
import type { Ports } from '../ports.ts';
import { PLACES } from './scene.ts';

const LOWEST = 20_000;
const RANGE = 10_000;
const PORT_TRIES_MAX = 50;

/** A TCP port that is free on every one of `addresses`. Throws Fault ERR_LISTEN, with the cure when an address does not exist. */
export const freePort = async (ports: Ports, addresses: readonly string[]): Promise<number> => {
  for (let attempt = 1; attempt <= PORT_TRIES_MAX; attempt++) {
    const port = LOWEST + Math.floor(ports.random.unit() * RANGE);
    const free = await Promise.all(addresses.map((address) => isFree(ports, address, port)));
    if (free.every(Boolean)) return port;
  }
  throw new Fault('ERR_LISTEN', `no port is free on all of ${addresses.join(', ')} after ${PORT_TRIES_MAX} tries; close what uses so many`);
};

const isFree = (ports: Ports, host: string, port: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const server = ports.net.listenTcp((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(missing(host, error));
    });
    server.listen(port, host, () => server.close(() => resolve(true)));
  });

/** macOS has only 127.0.0.1 on its loopback interface, where Linux has all of 127.0.0.0/8. */
const missing = (host: string, error: Error): Fault =>
  new Fault(
    'ERR_LISTEN',
    `${host}: ${errorText(error)}; each region of the demo needs a loopback address of its own. Linux has them; on macOS add them first: ` +
      PLACES.map(({ address }) => `sudo ifconfig lo0 alias ${address} up`).join('; '),
    { cause: error },
  );
