// A builtin server on free ports, and the raw clients that ask it: what the tests of this folder share.
import dgram from 'node:dgram';
import net from 'node:net';
import { type DecodedPacket, decode, encode, type Question, type RecordType } from 'dns-packet';
import { type BuiltinServer, serveBuiltin } from '../../providers/builtin/server.ts';
import type { ZoneService } from '../../providers/builtin/zone.ts';
import { type Ports, realPorts } from '../../src/ports.ts';

export const ZONE = 'example.test';
export const TOKEN = 'c0ffee-of-the-operator';

export type Reply = DecodedPacket & { rcode: string };

export interface Fixture extends AsyncDisposable, BuiltinServer {
  /** Any request to the control address, with the right token unless told otherwise. */
  control(path: string, body?: unknown, headers?: Record<string, string>): Promise<{ status: number; type: string; body: unknown }>;
  /** A swap that must succeed. */
  put(...changes: { service: ZoneService; ifFence: string | null }[]): Promise<void>;
  udp(packet: Buffer): Promise<Buffer>;
  ask(name: string, type: RecordType, class_?: Question['class']): Promise<Reply>;
  /** Sends bytes over one TCP connection and collects `count` whole replies. */
  tcp(bytes: Buffer, count: number): Promise<Buffer[]>;
}

export const serviceOf = (name: string, pools: ZoneService['pools'], fence = 'fence-1', ttlS = 10): ZoneService => ({
  name,
  ttlS,
  pools,
  fence,
});

export const queryOf = (name: string, type: RecordType, more: object = {}): Buffer =>
  encode({ type: 'query', id: 4711, flags: 0x0100, questions: [{ name, type, class: 'IN' }], ...more });

export const framed = (packet: Buffer): Buffer => Buffer.concat([Buffer.of(packet.length >> 8, packet.length & 255), packet]);

/** Every UDP wait of the tests ends here, on a machine that others keep busy. */
const PATIENCE_MS = 10_000;

export const udpExchange = (port: number, packet: Buffer, host = '127.0.0.1'): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const timer = setTimeout(() => finish(() => reject(new Error('no UDP reply'))), PATIENCE_MS);
    const finish = (then: () => void): void => {
      clearTimeout(timer);
      socket.close(then);
    };
    socket.once('message', (reply) => finish(() => resolve(reply)));
    socket.send(packet, port, host);
  });

const tcpExchange = (port: number, bytes: Buffer, count: number): Promise<Buffer[]> =>
  new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    const replies: Buffer[] = [];
    let unread: Buffer = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () =>
      replies.length === count ? resolve(replies) : reject(new Error(`closed after ${replies.length} of ${count} replies`)),
    );
    socket.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk]);
      while (unread.length >= 2 && unread.length >= 2 + unread.readUInt16BE(0)) {
        replies.push(unread.subarray(2, 2 + unread.readUInt16BE(0)));
        unread = unread.subarray(2 + unread.readUInt16BE(0));
      }
      if (replies.length >= count) socket.end();
    });
    socket.write(bytes);
  });

export const startBuiltin = async (ports: Ports = realPorts()): Promise<Fixture> => {
  const server = await serveBuiltin({
    ports,
    zoneName: ZONE,
    dns: { host: '127.0.0.1', port: 0 },
    control: { host: '127.0.0.1', port: 0 },
    token: TOKEN,
  });
  const control: Fixture['control'] = async (path, body, headers = {}) => {
    const reply = await fetch(`http://127.0.0.1:${server.controlPort}${path}`, {
      headers: { authorization: `Bearer ${TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return { status: reply.status, type: reply.headers.get('content-type') ?? '', body: await reply.json() };
  };
  return {
    ...server,
    control,
    async put(...changes) {
      const { status, body } = await control('/zone/v1/swap', { changes });
      if (status !== 200) throw new Error(`put: ${status} ${JSON.stringify(body)}`);
    },
    udp: (packet) => udpExchange(server.dnsPort, packet),
    async ask(name, type, class_ = 'IN') {
      return decode(await udpExchange(server.dnsPort, queryOf(name, type, { questions: [{ name, type, class: class_ }] }))) as Reply;
    },
    tcp: (bytes, count) => tcpExchange(server.dnsPort, bytes, count),
    [Symbol.asyncDispose]: () => server.close(),
  };
};
