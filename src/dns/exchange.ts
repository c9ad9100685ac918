// One DNS message to one server and its reply back, under one deadline. UDP from a fresh connected socket (a fresh source port each time),
// ignoring whatever does not reply to this question; a truncated reply is asked for again over TCP. TCP takes several messages at once on
// one connection, since replies carry ids. No retry and no second server here: those belong to the callers.
import assert from 'node:assert/strict';
import { errorText, Fault } from '../errors.ts';
import { DeadlineError, type Ports, withDeadline } from '../ports.ts';
import { familyOf } from './address.ts';
import { type AskType, decodeReply, encodeQuery, type Reply, repliesTo } from './codec.ts';
import { readHeader, u16Bytes } from './wire.ts';

export interface DnsServer {
  /** An IP literal. */
  host: string;
  port: number;
}

export interface ExchangeOptions {
  ports: Pick<Ports, 'net' | 'timers'>;
  server: DnsServer;
  /** For everything: connecting, both transports, the whole reply. */
  timeoutMs: number;
  signal?: AbortSignal;
}

/** Messages sent at once on one connection. */
export const PIPELINE_MAX = 300;

export const serverText = (server: DnsServer): string =>
  server.host.includes(':') ? `[${server.host}]:${server.port}` : `${server.host}:${server.port}`;

/**
 * The reply to `packet`. Rejects with Fault ERR_DNS (refused, reset, no answer in time, malformed over TCP), or with the signal's reason.
 * A datagram of another id or question is ignored: anybody may have sent it.
 */
export const exchange = async (options: ExchangeOptions & { packet: Buffer; transport?: 'udp' | 'tcp' }): Promise<Buffer> =>
  within(options, async (signal) => {
    if (options.transport !== 'tcp') {
      const reply = await overUdp(options, options.packet, signal);
      if (!readHeader(reply).truncated) return reply;
    }
    return (await overTcp(options, [options.packet], signal))[0]!;
  });

/** The replies to all `packets`, in their order, over one TCP connection. In: at most PIPELINE_MAX packets with distinct ids. */
export const exchangeAll = async (options: ExchangeOptions & { packets: readonly Buffer[] }): Promise<Buffer[]> => {
  const ids = new Set(options.packets.map((packet) => readHeader(packet).id));
  assert(
    ids.size === options.packets.length && ids.size <= PIPELINE_MAX,
    `${options.packets.length} messages at once, ${ids.size} ids, at most ${PIPELINE_MAX}`,
  );
  return ids.size === 0 ? [] : within(options, (signal) => overTcp(options, options.packets, signal));
};

export interface QueryOptions extends ExchangeOptions {
  ports: Pick<Ports, 'net' | 'timers' | 'random'>;
  name: string;
  type: AskType;
  /** true asks a resolver to find out, false asks a server what it knows itself. */
  recursionDesired: boolean;
  transport?: 'udp' | 'tcp';
}

/** Asks one question. Rejects like `exchange`, and with Fault ERR_DNS when the reply is malformed; an error code is a reply. */
export const query = async (options: QueryOptions): Promise<Reply> => {
  const { name, type, recursionDesired } = options;
  return decodeReply(await exchange({ ...options, packet: encodeQuery({ id: randomId(options.ports), name, type, recursionDesired }) }));
};

export const randomId = (ports: Pick<Ports, 'random'>): number => Number.parseInt(ports.random.hex(2), 16);

const within = async <T>(options: ExchangeOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  const { ports, server, timeoutMs, signal } = options;
  const where = `DNS server ${serverText(server)}`;
  if (familyOf(server.host) === null) throw new Fault('ERR_DNS', `${where}: the host must be an IP address`);
  try {
    return await withDeadline(ports.timers, timeoutMs, where, work, signal);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof Fault) throw error;
    throw new Fault('ERR_DNS', error instanceof DeadlineError ? error.message : `${where}: ${errorText(error)}`, { cause: error });
  }
};

const overUdp = ({ ports, server }: ExchangeOptions, packet: Buffer, signal: AbortSignal): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const socket = ports.net.udp(familyOf(server.host) === 6 ? 'udp6' : 'udp4');
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      signal.removeEventListener('abort', onAbort);
      socket.close();
    };
    const fail = (error: unknown): void => {
      end();
      reject(error);
    };
    const onAbort = (): void => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', fail);
    socket.on('message', (reply) => {
      if (!repliesTo(packet, reply)) return;
      end();
      resolve(reply);
    });
    // Connected, so the kernel drops other senders' datagrams and reports a closed port at once.
    socket.once('connect', () => {
      if (!over) socket.send(packet, (error) => error && fail(error));
    });
    socket.connect(server.port, server.host);
  });

const overTcp = ({ ports, server }: ExchangeOptions, packets: readonly Buffer[], signal: AbortSignal): Promise<Buffer[]> =>
  new Promise((resolve, reject) => {
    const socket = ports.net.tcp({ host: server.host, port: server.port });
    const asked = new Map(packets.map((packet) => [readHeader(packet).id, packet]));
    const replies = new Map<number, Buffer>();
    const end = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    };
    const fail = (error: unknown): void => {
      end();
      reject(error);
    };
    const onAbort = (): void => fail(signal.reason);
    const receive = frames((reply) => {
      const { id } = readHeader(reply);
      const packet = asked.get(id);
      if (packet === undefined || replies.has(id) || !repliesTo(packet, reply))
        throw new Error('a reply over TCP to something that was not asked');
      replies.set(id, reply);
    });
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', fail);
    socket.on('close', () => fail(new Error(`connection closed after ${replies.size} of ${packets.length} replies`)));
    socket.on('data', (chunk: Buffer) => {
      try {
        receive(chunk);
      } catch (error) {
        fail(error);
        return;
      }
      if (replies.size < packets.length) return;
      end();
      resolve([...asked.keys()].map((id) => replies.get(id)!));
    });
    socket.write(Buffer.concat(packets.flatMap((packet) => [u16Bytes(packet.length), packet])));
  });

/** Cuts a stream into messages by their two bytes of length. Holds at most one unfinished message of 64 KiB beside the chunk. */
export const frames = (onMessage: (message: Buffer) => void): ((chunk: Buffer) => void) => {
  let chunks: Buffer[] = [];
  let held = 0;
  let needed = 2;
  return (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    // Joined only when something is whole, so that a server which sends byte by byte costs no more than one that does not.
    while (held >= needed) {
      let all = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      needed = 2 + all.readUInt16BE(0);
      if (held >= needed) {
        onMessage(all.subarray(2, needed));
        all = all.subarray(needed);
        needed = 2;
      }
      chunks = [all];
      held = all.length;
    }
  };
};
