// From a host and a port to a connected socket, verified when it is TLS, under the connect deadline. Tries the addresses of a name in turn and moves on
// when one refuses at once, as a client would. Says whose fault a failure is: errors of our own descriptors, ports or routes are no evidence.
// Never resumes a TLS session: a resumed handshake does not show the certificate, and an expired one would go unseen.
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { errorText } from '../errors.ts';
import type { FaultReason } from '../model.ts';
import type { ProbeContext, Resolved } from './kind.ts';
import type { Look } from './look.ts';

export interface Destination {
  /** Host of a URL: a name, an IPv4 address, or an IPv6 address in brackets. */
  host: string;
  port: number;
  /** `alpn`: what is spoken within; HTTP/1.1 unless said. */
  secure?: { caFile?: string; serverName?: string; alpn?: 'h2' };
}

/** A target is one address; a name with more is tried this far. */
const ADDRESSES_MAX = 4;

/** Out of descriptors, memory or ports, refused by our own firewall, or our interface is down. */
const OURS: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EACCES',
  'EPERM',
  'ENETDOWN',
]);

const REASONS: Readonly<Record<string, FaultReason>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ECONNABORTED: 'reset',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
};

const codeOf = (error: unknown): string => {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : '';
};

/** Ends the look by what an error of a socket means; `otherwise` is the reason for errors that are not the system's. */
export const endByError = (look: Look, error: unknown, otherwise: FaultReason, where: string): void => {
  const code = codeOf(error);
  if (OURS.has(code)) look.nothing(`${code} at ${where}: our own limits or network`);
  else if (REASONS[code] !== undefined) look.fault(REASONS[code], `${code} at ${where}`);
  // OpenSSL's own messages are source locations; their code is readable.
  else look.fault(otherwise, `${code.startsWith('ERR_SSL_') ? code : errorText(error)} at ${where}`);
};

/** The address a URL's host spells, without brackets; null when it is a name. URL parsing has already made every IPv4 form dotted. */
const literalOf = (host: string): string | null => {
  if (host.startsWith('[')) return host.slice(1, -1);
  return /^\d+\.\d+\.\d+\.\d+$/.test(host) ? host : null;
};

/** Addresses to try, or null when the look has ended for want of any. */
const addressesOf = async (look: Look, context: ProbeContext, host: string): Promise<readonly string[] | null> => {
  const literal = literalOf(host);
  if (literal !== null) return [literal];
  let resolved: Resolved;
  try {
    resolved = await context.resolve(host);
  } catch (error) {
    resolved = { addresses: [], stale: errorText(error) };
  }
  if (resolved.addresses.length === 0) {
    look.nothing(`no address was ever resolved for ${host}: ${resolved.stale ?? 'no records'}`);
    return null;
  }
  if (resolved.stale !== null) look.note = ` (last good address: ${resolved.stale})`;
  return resolved.addresses.slice(0, ADDRESSES_MAX);
};

type Secured = { context: SecureContext; serverName: string | undefined; alpn: 'h2' | 'http/1.1' };

const securedBy = (context: ProbeContext, to: Destination): Secured | null => {
  if (to.secure === undefined) return null;
  // SNI carries names only, without the final dot (RFC 6066 3); without one Node verifies the certificate against the address.
  const name = to.secure.serverName ?? to.host;
  const serverName = literalOf(name) === null ? name.replace(/\.$/, '') : undefined;
  return { context: context.tlsContext(to.secure.caFile), serverName, alpn: to.secure.alpn ?? 'http/1.1' };
};

type Attempt = { socket: Socket } | { error: unknown; connected: boolean };

const attempt = (look: Look, context: ProbeContext, address: string, port: number, secured: Secured | null): Promise<Attempt> =>
  new Promise((resolve) => {
    const { net } = context.ports;
    let connected = false;
    const socket =
      secured === null
        ? net.tcp({ host: address, port })
        : net.tls({
            host: address,
            port,
            ...(secured.serverName === undefined ? {} : { servername: secured.serverName }),
            secureContext: secured.context,
            rejectUnauthorized: true,
            ALPNProtocols: [secured.alpn],
          });
    look.own(socket);
    socket.once('error', (error) => resolve({ error, connected }));
    socket.once('connect', () => {
      connected = true;
      if (secured === null) resolve({ socket });
      else look.stage = 'TLS handshake';
    });
    if (secured !== null) socket.once('secureConnect', () => resolve({ socket }));
  });

/** A socket ready to write on, owned by the look; null when the look ended without one. */
export const connect = async (look: Look, context: ProbeContext, to: Destination): Promise<Socket | null> => {
  let secured: Secured | null;
  try {
    secured = securedBy(context, to);
  } catch (error) {
    look.nothing(`the trusted authorities cannot be loaded: ${errorText(error)}`);
    return null;
  }
  const addresses = await addressesOf(look, context, to.host);
  if (addresses === null || look.over()) return null;
  look.stage = 'connection';
  const cancel = look.after(context.connectTimeoutMs, () => {
    if (look.stage === 'connection') look.fault('timeout', `no connection within ${context.connectTimeoutMs} ms`);
  });
  for (const [index, address] of addresses.entries()) {
    const tried = await attempt(look, context, address, to.port, secured);
    if (look.over()) return null;
    if ('socket' in tried) {
      cancel();
      return tried.socket;
    }
    if (!tried.connected && index + 1 < addresses.length) continue;
    endByError(look, tried.error, tried.connected ? 'tls' : 'unreachable', `${address} port ${to.port}`);
  }
  return null;
};
