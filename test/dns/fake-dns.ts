// A DNS server that misbehaves to order, on UDP and TCP of one port. Its messages are made by a library, not by our codec.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import dnsPacket, { type Answer } from 'dns-packet';
import { frames } from '../../src/dns/exchange.ts';

export interface Asked {
  name: string;
  type: string;
  over: 'udp' | 'tcp';
  /** Counts questions to this server from 1. */
  n: number;
  request: Buffer;
}

export interface FakeDns extends AsyncDisposable {
  host: string;
  port: number;
  asked: Asked[];
}

/** What is sent back, in order; nothing at all; or, over TCP, the connection reset. */
export type Act = readonly Buffer[] | 'reset';

export const startFakeDns = async (act: (asked: Asked) => Act): Promise<FakeDns> => {
  const asked: Asked[] = [];
  const open = new Set<Socket>();
  const next = (over: 'udp' | 'tcp', request: Buffer): Act => {
    const question = questionOf(request);
    asked.push({ ...question, over, n: asked.length + 1, request });
    return act(asked.at(-1)!);
  };
  const tcp = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    const receive = frames((message) => {
      const sent = next('tcp', Buffer.from(message));
      if (sent === 'reset') socket.resetAndDestroy();
      else for (const reply of sent) socket.write(framed(reply));
    });
    socket.on('data', receive);
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => {
    const sent = next('udp', message);
    if (sent !== 'reset') for (const reply of sent) udp.send(reply, from.port, from.address);
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  return {
    host: '127.0.0.1',
    port,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      udp.close();
      tcp.close();
      await once(tcp, 'close');
    },
  };
};

export const framed = (message: Buffer): Buffer => Buffer.concat([Buffer.of(message.length >> 8, message.length & 255), message]);

const questionOf = (request: Buffer): { name: string; type: string } => {
  // The library cannot read updates: it takes four bytes for every A record, whatever its length says.
  if (((request[2] ?? 0) >> 3) & 15) return { name: '', type: 'UPDATE' };
  const question = dnsPacket.decode(request).questions?.[0];
  return { name: question?.name ?? '', type: question?.type ?? '' };
};

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** A reply to `request` with its id and question. */
export const replyTo = (
  request: Buffer,
  what: { answers?: Answer[]; authorities?: Answer[]; rcode?: keyof typeof RCODE; authoritative?: boolean; truncated?: boolean } = {},
): Buffer => {
  const { id, questions } = dnsPacket.decode(request);
  const flags =
    RCODE[what.rcode ?? 'NOERROR'] |
    (what.authoritative ? dnsPacket.AUTHORITATIVE_ANSWER : 0) |
    (what.truncated ? dnsPacket.TRUNCATED_RESPONSE : 0) |
    dnsPacket.RECURSION_AVAILABLE;
  return dnsPacket.encode({
    type: 'response',
    id,
    flags,
    questions,
    answers: what.answers ?? [],
    authorities: what.authorities ?? [],
  });
};

/** `A` or `AAAA` records for the question asked, by the form of each address. */
export const addresses = ({ name, type, request }: Asked, ttl: number, ...all: string[]): Buffer =>
  replyTo(request, {
    answers: all
      .filter((address) => (type === 'AAAA') === address.includes(':'))
      .map((data) => ({ type: type === 'AAAA' ? 'AAAA' : 'A', name, ttl, data })),
  });
