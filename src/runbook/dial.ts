// How systems that speak no HTTP are reached: addresses from our own resolver, sockets from the ports, TLS verified against the configured name. A socket
// serves one call: nothing is kept that could be half open, and certificates and secrets that were replaced are taken at the next call.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { reach } from '../connect.ts';
import { familyOf } from '../dns/address.ts';
import { errorText, Fault } from '../errors.ts';
import { registerSecret } from '../log.ts';
import type { SystemContext } from './kind.ts';
import type { TlsConfig } from './systems.ts';

export interface Dial {
  readonly host: string;
  readonly port: number;
  /** Whether TLS is configured. */
  readonly isSecured: boolean;
  /** Connected, and under TLS where that is configured. Rejects with the signal's reason once it has aborted. The caller ends the socket. */
  open(signal: AbortSignal): Promise<Socket>;
  /** Connected in the clear, for protocols that ask for TLS in words of their own. */
  openPlain(signal: AbortSignal): Promise<Socket>;
  /** Puts TLS over what `openPlain` gave. */
  upgrade(socket: Socket, signal: AbortSignal): Promise<Socket>;
  /** Ends every socket that is still open; none is opened after it. */
  close(): void;
}

export interface HostPort {
  host: string;
  port: number;
}

/** Of `host:port` or `[address]:port`. null: it is neither. */
export const hostPortOf = (address: string): HostPort | null => {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:@[\]/\s]+)):(\d{1,5})$/.exec(address);
  const port = Number(found?.[3]);
  return found === null || port < 1 || port > 65_535 ? null : { host: found[1] ?? found[2] ?? '', port };
};

/** Throws Fault ERR_SYSTEM or ERR_SECRET about the address or the files. Connects to nothing. */
export const createDial = (kind: string, config: { address: string; tls?: TlsConfig }, context: SystemContext): Dial => {
  const { ports, resolve } = context;
  const { address, tls } = config;
  const at = hostPortOf(address);
  if (at === null)
    throw new Fault(
      'ERR_SYSTEM',
      `${kind}: found ${JSON.stringify(address.replace(/^.*@/, '…@'))}, expected host:port such as db.example.net:6432`,
    );
  const name = tls?.serverName ?? at.host;
  const trust = (): SecureContext | undefined => (tls === undefined ? undefined : trustOf(kind, tls, context));
  trust();
  const open = new Set<Socket>();
  let isClosed = false;

  const kept = (socket: Socket): Socket => {
    // Whoever uses it listens too; after it was left nobody would.
    socket.on('error', () => undefined);
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    if (isClosed) socket.destroy();
    return socket;
  };
  const connect = async (tlsName: string | null, signal: AbortSignal): Promise<Socket> => {
    signal.throwIfAborted();
    if (isClosed) throw new Error(`the connection to ${address} is closed`);
    const secured = tlsName === null ? undefined : trust();
    const reaching = { ports, resolve, ...(secured === undefined ? {} : { trust: secured }) };
    return kept(await ended(reach(reaching, { ...at, tlsName }, signal), signal));
  };
  const upgrade = async (socket: Socket, signal: AbortSignal): Promise<Socket> => {
    const secureContext = trust();
    const over = ports.net.tls({
      socket,
      // With a socket given, the host is only what the certificate is held against.
      host: name,
      ...(familyOf(name) === null ? { servername: name } : {}),
      ...(secureContext === undefined ? {} : { secureContext }),
      rejectUnauthorized: true,
    });
    kept(over);
    try {
      await ended(once(over, 'secureConnect', { signal }), signal);
      return over;
    } catch (error) {
      over.destroy();
      throw error;
    }
  };
  return {
    ...at,
    isSecured: tls !== undefined,
    open: (signal) => connect(tls === undefined ? null : name, signal),
    openPlain: (signal) => connect(null, signal),
    upgrade,
    close() {
      isClosed = true;
      for (const socket of open) socket.destroy();
    },
  };
};

/** What `work` came to; once the signal has aborted, its reason. */
const ended = async <T>(work: Promise<T>, signal: AbortSignal): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
};

const trustOf = (kind: string, { caFile, certFile, keyFile }: TlsConfig, { ports, text, secret }: SystemContext): SecureContext => {
  const caPem = caFile === undefined ? undefined : text(caFile);
  const own = certFile === undefined || keyFile === undefined ? undefined : { certPem: text(certFile), keyPem: secret(keyFile) };
  try {
    // A text without a certificate would be taken for no authority at all, which shows only when it connects.
    for (const pem of [caPem, own?.certPem]) if (pem !== undefined) new X509Certificate(pem);
    return ports.net.secureContext(caPem, own);
  } catch (error) {
    const files = [caFile, certFile, keyFile].filter((file) => file !== undefined).join(', ');
    throw new Fault('ERR_SYSTEM', `${kind}: ${files}: ${errorText(error)}; certificates and keys must be PEM and belong together`, {
      cause: error,
    });
  }
};

/** Ends the socket when more than `bytesMax` have come, whoever reads them. To be called where the reader takes the socket. */
export const limit = (socket: Socket, bytesMax: number): void => {
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) socket.destroy(new Error(`the answer is longer than ${bytesMax} bytes`));
  });
};

/** A password, read anew from its file, without the end of its line. Throws Fault ERR_SECRET. */
export const passwordOf = (secret: SystemContext['secret'], file: string): string => {
  const password = secret(file).replace(/\r?\n$/, '');
  registerSecret(password);
  if (password === '' || /\p{Cc}/u.test(password))
    throw new Fault('ERR_SECRET', `${file}: is no password; write the password alone, on one line`);
  return password;
};
