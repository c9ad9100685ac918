// A broken uplink on demand: sockets of a process that go anywhere but to spared places fail as they do without a route. For the demo's blinded
// vantage only; production code is handed plain ports and cannot tell. Connections that exist already stay, as probes make a fresh one for every look.
import type net from 'node:net';
import type { Net } from '../ports.ts';

export interface Uplink {
  net: Net;
  /** true: nothing but the spared places can be reached from now on. */
  cut(broken: boolean): void;
}

const noRoute = (host: string, port: number): Error =>
  Object.assign(new Error(`connect ENETUNREACH ${host}:${port}`), { code: 'ENETUNREACH', syscall: 'connect', address: host, port });

/** `spared`: places that answer whatever happens, such as this process's own app and its way to the store. */
export const createUplink = (real: Net, spared: (host: string, port: number) => boolean): Uplink => {
  let broken = false;
  const isCut = (host: string, port: number): boolean => broken && !spared(host, port);
  const cutOff = <S extends net.Socket>(socket: S, host: string, port: number): S => {
    if (isCut(host, port)) socket.destroy(noRoute(host, port));
    return socket;
  };
  return {
    net: {
      ...real,
      tcp: (options) => cutOff(real.tcp(options), options.host, options.port),
      tls: (options) => cutOff(real.tls(options), options.host ?? '', options.port ?? 0),
      udp(family) {
        const socket = real.udp(family);
        const connect = socket.connect.bind(socket) as (port: number, host?: string) => void;
        // Every user of UDP here connects first, so that is where the missing route shows.
        socket.connect = (port: number, host?: unknown): void => {
          const to = typeof host === 'string' ? host : '127.0.0.1';
          if (isCut(to, port)) queueMicrotask(() => socket.emit('error', noRoute(to, port)));
          else connect(port, to);
        };
        return socket;
      },
    },
    cut(next) {
      broken = next;
    },
  };
};
