// A connection to a Temporal frontend: made at the first call, to an address from our own resolver, TLS verified against the name. The library's retries are
// off: nothing is ever sent twice behind the caller's back. The library itself is loaded with the first connection.
import { X509Certificate } from 'node:crypto';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import type { Connection } from '@temporalio/client';
import { isLoopbackHost } from '../../config/fields.ts';
import { familyOf } from '../../dns/address.ts';
import { errorText, Fault } from '../../errors.ts';
import { withDeadline } from '../../ports.ts';
import type { SystemContext } from '../kind.ts';
import type { TemporalConfig, TlsConfig } from '../systems.ts';

export interface Channel {
  /** Rejects with what the library throws, or with DeadlineError after five seconds. */
  call<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const CALL_MS = 5_000;
/** A namespace of many search attributes, a queue of a thousand pollers. */
const REPLY_BYTES_MAX = 4 * 1024 * 1024;
/** SNI must not be an address. */
const NAME_FOR_ADDRESSES = 'temporal.invalid';

interface Target {
  host: string;
  port: number;
}

const targetOf = (address: string): Target => {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/]+)):(\d{1,5})$/.exec(address);
  if (found === null)
    throw new Fault('ERR_SYSTEM', `temporal: found ${JSON.stringify(address)}, expected host:port such as temporal.example.net:7233`);
  return { host: found[1] ?? found[2] ?? '', port: Number(found[3]) };
};

const checkAddress = (host: string, raw: Buffer): Error | undefined =>
  new X509Certificate(raw).checkIP(host) === undefined ? new Error(`the certificate is not for the address ${host}`) : undefined;

/** The library takes a text without a certificate for no authority at all, which shows only when it connects. */
const pemOf = (file: string, text: string): Buffer => {
  if (!/-----BEGIN [A-Z ]+-----/.test(text)) throw new Fault('ERR_SYSTEM', `temporal: ${file} is no PEM`);
  return Buffer.from(text);
};

const secured = (tls: TlsConfig, name: string, context: SystemContext): ChannelCredentials => {
  const pem = (file: string | undefined, text: (path: string) => string): Buffer | null =>
    file === undefined ? null : pemOf(file, text(file));
  const [ca, key, cert] = [pem(tls.caFile, context.text), pem(tls.keyFile, context.secret), pem(tls.certFile, context.text)];
  try {
    return credentials.createSsl(ca, key, cert, {
      ...(familyOf(name) === null ? {} : { checkServerIdentity: (_name: string, { raw }: { raw: Buffer }) => checkAddress(name, raw) }),
    });
  } catch (error) {
    throw new Fault('ERR_SYSTEM', `temporal: ${errorText(error)}; certificates and keys must be PEM and belong together`, { cause: error });
  }
};

interface Held {
  /** The address it goes to. */
  to: string;
  connection: Connection;
}

const CHANNEL = {
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2000,
  'grpc.max_receive_message_length': REPLY_BYTES_MAX,
};

/** Throws Fault ERR_SYSTEM or ERR_SECRET. Connects to nothing. */
export const openChannel = ({ address, tls, apiKeyFile }: TemporalConfig, context: SystemContext): Channel => {
  const { ports, resolve } = context;
  const target = targetOf(address);
  if (apiKeyFile !== undefined) {
    context.secret(apiKeyFile);
    if (tls === undefined && !isLoopbackHost(target.host.includes(':') ? `[${target.host}]` : target.host))
      throw new Fault('ERR_SYSTEM', `temporal: an API key would go to ${address} in the clear; configure tls there`);
  }
  const name = tls?.serverName ?? target.host;
  const creds = tls === undefined ? credentials.createInsecure() : secured(tls, name, context);
  let current: Held | null = null;
  let isClosed = false;
  /** A name's addresses take turns when one does not answer. */
  let turn = 0;

  /** For no new call: those that are under way end as they would have. */
  const retire = (held: Held | null): void => {
    if (current === held) current = null;
    void held?.connection.close();
  };

  const connected = async (signal: AbortSignal): Promise<Held> => {
    const { Connection } = await import('@temporalio/client');
    const { addresses, stale } = await resolve(target.host, signal);
    // From here on nothing waits, so that calls at once share one connection.
    if (isClosed) throw new Error(`the connection to ${address} is closed`);
    if (addresses.length === 0) throw new Error(`${target.host} has no address: ${stale ?? 'none is known'}`);
    if (current !== null && addresses.includes(current.to)) return current;
    retire(current);
    const to = addresses[turn++ % addresses.length]!;
    const connection = Connection.lazy({
      address: `${to.includes(':') ? `[${to}]` : to}:${target.port}`,
      credentials: creds,
      interceptors: [],
      channelArgs: {
        ...(tls === undefined ? {} : { 'grpc.ssl_target_name_override': familyOf(name) === null ? name : NAME_FOR_ADDRESSES }),
        'grpc.default_authority': `${target.host}:${target.port}`,
        ...CHANNEL,
      },
    });
    current = { to, connection };
    return current;
  };

  const run = async <T>(work: (connection: Connection) => Promise<T>, signal: AbortSignal): Promise<T> => {
    const held = await connected(signal);
    const { connection } = held;
    const worked = (): Promise<T> => work(connection);
    const withKey = (): Promise<T> => (apiKeyFile === undefined ? worked() : connection.withApiKey(context.secret(apiKeyFile), worked));
    try {
      return await connection.withAbortSignal(signal, withKey);
    } catch (error) {
      if (isUnavailable(error) && current === held) retire(held);
      throw error;
    }
  };

  return {
    call: (signal, work) => withDeadline(ports.timers, CALL_MS, address, (own) => run(work, own), signal),
    async close() {
      isClosed = true;
      retire(current);
    },
  };
};

const UNAVAILABLE = 14;

/** Also what a namespace says while it is handed over; then there is no harm in a new connection. */
const isUnavailable = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === UNAVAILABLE;
