// Whoever can cut the power of a region: a receiver of the product's webhooks that really kills what it is told to, and says `drained` only then.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

export interface Stonith extends AsyncDisposable {
  url: string;
  /** When it had killed; null: it was not told to. */
  killedAtMs(): number | null;
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
};

export const startStonith = async (secret: string, kill: () => Promise<void>): Promise<Stonith> => {
  let killedAtMs: number | null = null;
  let killing: Promise<void> | null = null;
  const server = createServer((request, reply) => {
    void (async () => {
      const text = await textOf(request);
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
      try {
        // A question is signed over its path.
        new Webhook(secret).verify(request.method === 'GET' ? JSON.stringify(request.url) : text, headers);
      } catch {
        return void reply.writeHead(401).end();
      }
      if (request.method === 'POST')
        killing ??= kill().then(() => {
          killedAtMs = Date.now();
        });
      reply.writeHead(200, { 'content-type': 'application/json' });
      reply.end(JSON.stringify({ state: killedAtMs === null ? 'working' : 'drained' }));
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/stonith`,
    killedAtMs: () => killedAtMs,
    async [Symbol.asyncDispose]() {
      await killing;
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
