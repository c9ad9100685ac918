// A wire of some length: a TCP proxy on loopback through which everything arrives later, in order, with the round trip that a new connection costs.
// Ends travel as late as bytes do. Loses nothing; for that there is test/chaos-proxy.ts.
import { once } from 'node:events';
import net from 'node:net';

export interface Wire {
  port: number;
  close(): void;
}

/** `delayMs` one way. */
export const startWire = async (toPort: number, delayMs: number): Promise<Wire> => {
  const open = new Set<net.Socket>();
  const lead = (from: net.Socket, to: net.Socket, notBeforeMs: number): void => {
    const later = (work: () => void): void => {
      const dueMs = Math.max(performance.now(), notBeforeMs) + delayMs;
      // Timers due at the same millisecond run in the order in which they were set, so bytes keep theirs.
      setTimeout(work, Math.ceil(dueMs - performance.now()));
    };
    from.on('data', (chunk: Buffer) => later(() => to.write(chunk)));
    from.on('end', () => later(() => to.end()));
    from.on('close', () => {
      open.delete(from);
      later(() => to.destroy());
    });
    from.on('error', () => undefined);
  };
  const server = net.createServer((client) => {
    const far = net.connect(toPort, '127.0.0.1');
    for (const socket of [client, far]) {
      open.add(socket);
      socket.setNoDelay();
    }
    lead(client, far, performance.now() + 2 * delayMs);
    lead(far, client, 0);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
};
