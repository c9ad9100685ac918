// One connection to one gRPC server, from its making to its end. A link never connects again by itself: so whoever holds it knows that the server behind it
// is the process it has spoken to before. Nothing is ever sent twice: the library's retries are off.
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  connectivityState,
  experimental,
  type Metadata,
  type MethodDefinition,
  status,
} from '@grpc/grpc-js';

/** etcd, for one, cuts off who pings more often than every 5 s, and who pings without a call under way. */
const KEEPALIVE_MS = 10_000;
const KEEPALIVE_TIMEOUT_MS = 3000;
/** One large read must not wait for a round trip per 64 KiB. */
const WINDOW_BYTES = 4 * 1024 * 1024;

export interface LinkOptions {
  /** IP literal. */
  address: string;
  port: number;
  /** `host:port` as configured: the name that TLS verifies, unless `serverName` says another. */
  authority: string;
  serverName?: string;
  credentials: ChannelCredentials;
  replyBytesMax: number;
}

/** A call that ended without a reply. */
export class CallError extends Error {
  readonly code: number;
  constructor(code: number, details: string) {
    super(details);
    this.code = code;
  }
}

export interface Stream<Req> {
  send(request: Req): void;
  close(): void;
}

export interface Link {
  /** Aborts when the connection has ended. */
  readonly lost: AbortSignal;
  /** Rejects with CallError, or with the signal's reason. */
  ask<Req, Res>(method: MethodDefinition<Req, Res>, request: Req, metadata: Metadata, signal: AbortSignal): Promise<Res>;
  /** `onEnd` is called once, when the stream has ended for whatever reason but `close`. */
  stream<Req, Res>(
    method: MethodDefinition<Req, Res>,
    metadata: Metadata,
    onReply: (reply: Res) => void,
    onEnd: (error: Error) => void,
  ): Stream<Req>;
  close(): void;
}

/** Scheme of our targets, and the option that carries their socket's address. */
const SCHEME = 'tidegate';
const ADDRESS = 'tidegate.address';

/**
 * Hands the library the one address, with a signal that destroys the socket made to it. Without it nothing would: the library closes no connection that is
 * still being made, nor one that has stopped answering, and a server that is cut off would collect them, and keep a command from ending.
 */
class GivenAddress implements experimental.Resolver {
  readonly #listener: experimental.ResolverListener;
  readonly #address: experimental.SubchannelAddress;
  #told = false;
  constructor(_target: unknown, listener: experimental.ResolverListener, options: ChannelOptions) {
    this.#listener = listener;
    this.#address = options[ADDRESS] as experimental.SubchannelAddress;
  }
  updateResolution(): void {
    if (this.#told) return;
    this.#told = true;
    process.nextTick(() => this.#listener(experimental.statusOrFromValue([{ addresses: [this.#address] }]), {}, null, ''));
  }
  destroy(): void {
    this.#told = false;
  }
  static getDefaultAuthority(target: experimental.GrpcUri): string {
    return target.path;
  }
}

const channelOptions = ({ serverName, replyBytesMax }: LinkOptions): ChannelOptions => ({
  ...(serverName === undefined ? {} : { 'grpc.ssl_target_name_override': serverName }),
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_channelz': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2000,
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.max_receive_message_length': replyBytesMax,
  'grpc-node.flow_control_window': WINDOW_BYTES,
});

/** Begins to connect; a failure to do so is what the first call rejects with. */
export const openLink = (options: LinkOptions): Link => {
  const { address: host, port, authority, credentials } = options;
  const ended = new AbortController();
  experimental.registerResolver(SCHEME, GivenAddress);
  const client = new Client(`${SCHEME}:${authority}`, credentials, {
    ...channelOptions(options),
    [ADDRESS]: { host, port, signal: ended.signal },
  });
  const channel = client.getChannel();
  const close = (): void => {
    if (ended.signal.aborted) return;
    client.close();
    ended.abort(new CallError(status.UNAVAILABLE, 'the connection has ended'));
  };
  let wasReady = false;
  const follow = (): void => {
    const state = channel.getConnectivityState(false);
    if (state === connectivityState.READY) wasReady = true;
    else if (wasReady || state === connectivityState.SHUTDOWN) {
      close();
      return;
    }
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, (error) => {
      if (!error && !ended.signal.aborted) follow();
    });
  };
  follow();
  return { lost: ended.signal, ask: (...call) => ask(client, ended.signal, ...call), stream: (...call) => stream(client, ...call), close };
};

/** A call under way when its connection ends is ended by the library, in its own words. */
const ask = <Req, Res>(
  client: Client,
  lost: AbortSignal,
  method: MethodDefinition<Req, Res>,
  request: Req,
  metadata: Metadata,
  signal: AbortSignal,
): Promise<Res> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    lost.throwIfAborted();
    const cancel = (): void => call.cancel();
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      (error, reply) => {
        signal.removeEventListener('abort', cancel);
        if (error) reject(signal.aborted ? signal.reason : new CallError(error.code, error.details));
        else resolve(reply as NonNullable<typeof reply>);
      },
    );
    signal.addEventListener('abort', cancel, { once: true });
  });

const stream = <Req, Res>(
  client: Client,
  method: MethodDefinition<Req, Res>,
  metadata: Metadata,
  onReply: (reply: Res) => void,
  onEnd: (error: Error) => void,
): Stream<Req> => {
  const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, metadata);
  let open = true;
  const end = (error: Error): void => {
    if (!open) return;
    open = false;
    call.cancel();
    onEnd(error);
  };
  call.on('data', (reply: Res) => {
    if (open) onReply(reply);
  });
  call.on('error', end);
  call.on('end', () => end(new Error('the server ended the stream')));
  return {
    send: (request) => {
      if (open) call.write(request);
    },
    close() {
      open = false;
      call.cancel();
    },
  };
};
