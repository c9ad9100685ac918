// How a library's client reaches a host: addresses from our own resolver (never getaddrinfo), sockets from the ports, TLS verified against the URL's name.
// Tries the addresses in turn until one connects. No retry: one request, one try, under the caller's signal where the client is made for one request.
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { ConnectionOptions, PeerCertificate, SecureContext } from 'node:tls';
import type { buildConnector } from 'undici';
import type { Resolver } from './dns/resolver.ts';
import type { Ports } from './ports.ts';

export interface Reaching {
  ports: Ports;
  resolve: Resolver['resolve'];
  /** Authorities to trust instead of the system's. */
  trust?: SecureContext;
  /** PEM text whose first certificate is the only one that is believed, under whatever name: where both ends belong to one. */
  pin?: string;
  /** Addresses that may be connected to; absent: all. Asked of literals and of what a name resolved to, and again of what the socket says it reached. */
  allow?: (address: string) => boolean;
}

const ADDRESSES_MAX = 4;
/** So that a dead first address leaves time for a second within the delivery's deadline. */
const CONNECT_MS = 3_000;

const isLiteral = (host: string): boolean => host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host);

/** With a code as the system's errors have: codes are safe to log, texts may quote. */
const coded = (code: string, text: string): Error => Object.assign(new Error(text), { code });

export interface Destination {
  host: string;
  port: number;
  /** Name to verify and to send in SNI; null: no TLS. An address is verified as such and not sent. */
  tlsName: string | null;
  /** What is spoken over TLS, where that is negotiated. */
  alpn?: string;
}

/** What TLS is held to. */
const verified = ({ ports, trust, pin }: Reaching): Pick<ConnectionOptions, 'secureContext' | 'checkServerIdentity'> => {
  if (pin === undefined) return trust === undefined ? {} : { secureContext: trust };
  const { raw } = new X509Certificate(pin);
  return {
    secureContext: ports.net.pinnedContext(pin),
    checkServerIdentity: (_: string, shown: PeerCertificate) =>
      raw.equals(shown.raw) ? undefined : coded('ECERTNOTPINNED', 'another certificate is shown than the one expected'),
  };
};

const open = (reaching: Reaching, address: string, { port, tlsName, alpn }: Destination, signal: AbortSignal): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket =
      tlsName === null
        ? reaching.ports.net.tcp({ host: address, port })
        : reaching.ports.net.tls({
            host: address,
            port,
            ...(isLiteral(tlsName) ? {} : { servername: tlsName }),
            ...verified(reaching),
            rejectUnauthorized: true,
            ...(alpn === undefined ? {} : { ALPNProtocols: [alpn] }),
          });
    const fail = (error: Error): void => {
      settle();
      // A destroyed socket may still report; nobody listens for it any more.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(coded('ECONNABORTED', 'aborted'));
    const timer = reaching.ports.timers.after(CONNECT_MS, () => fail(coded('ETIMEDOUT', `no connection within ${CONNECT_MS} ms`)));
    const settle = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('error', fail);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', fail);
    socket.once(tlsName === null ? 'connect' : 'secureConnect', () => {
      settle();
      resolve(socket);
    });
  });

const NEVER = new AbortController().signal;

const refused = (host: string): Error => coded('EADDRNOTALLOWED', `${host} has an address that may not be connected to`);

/** A connected socket, with TLS where the destination has a name for it. Rejects with the last address's error when none connects. */
export const reach = async (reaching: Reaching, destination: Destination, signal: AbortSignal): Promise<Socket> => {
  const { resolve, allow = () => true } = reaching;
  const { host } = destination;
  const addresses = isLiteral(host) ? [host] : (await resolve(host, signal)).addresses.slice(0, ADDRESSES_MAX);
  let failure: unknown = coded('ENOTFOUND', `no address is known for ${host}`);
  for (const address of addresses) {
    if (signal.aborted) break;
    if (!allow(address)) {
      failure = refused(host);
      continue;
    }
    try {
      const socket = await open(reaching, address, destination, signal);
      if (allow(socket.remoteAddress ?? '')) return socket;
      socket.destroy();
      failure = refused(host);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
};

/** For undici's `connect`. `signal`: of a client made for one request. */
export const connector =
  (reaching: Reaching, signal: AbortSignal = NEVER): buildConnector.connector =>
  ({ hostname, port, protocol }, callback) => {
    const host = hostname.replace(/^\[|\]$/g, '');
    const secure = protocol === 'https:';
    const destination = { host, port: Number(port) || (secure ? 443 : 80), tlsName: secure ? host : null, alpn: 'http/1.1' };
    reach(reaching, destination, signal).then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
    );
  };
