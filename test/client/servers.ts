// Endpoints on loopback that answer, fail, hang or are not there; each counts who asked.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApi } from '../../src/client/api.ts';
import { createExchange, type Exchange } from '../../src/client/exchange.ts';
import { createHttp } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';

export interface Asked {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: unknown;
}

export type Answering = (asked: Asked, reply: ServerResponse) => void;

export interface Endpoint extends AsyncDisposable {
  url: string;
  asked: Asked[];
  close(): Promise<void>;
}

export const json = (reply: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void => {
  reply.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};

export const problem = (reply: ServerResponse, status: number, code: string): void =>
  json(reply, status, { type: `urn:tidegate:error:${code}`, title: code, status, detail: `because of ${code}`, code, requestId: 'r1' });

export const hang: Answering = () => undefined;

export const endpoint = async (answer: Answering): Promise<Endpoint> => {
  const asked: Asked[] = [];
  const server: Server = createServer((request, reply) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const one = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: text === '' ? null : JSON.parse(text),
      };
      asked.push(one);
      answer(one, reply);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, close, [Symbol.asyncDispose]: close };
};

/** An address that nobody listens at. */
export const nobody = async (): Promise<string> => {
  const one = await endpoint(hang);
  await one.close();
  return one.url;
};

export interface Caller extends AsyncDisposable {
  exchange: Exchange;
  api: ReturnType<typeof createApi>;
  notes: string[];
}

export const caller = (
  endpoints: readonly string[],
  { token = null, tryMs = 10_000 }: { token?: string | null; tryMs?: number } = {},
): Caller => {
  const ports = realPorts();
  const notes: string[] = [];
  const http = createHttp({ ports, resolve: async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 }) });
  const settings = { endpoints, token };
  const exchange = createExchange({
    settings,
    http,
    ports,
    version: 'test',
    note: (text) => notes.push(text),
    tryMs,
    lastTryMs: 10_000,
  });
  return {
    exchange,
    api: createApi(exchange),
    notes,
    [Symbol.asyncDispose]: () => http.close(),
  };
};
