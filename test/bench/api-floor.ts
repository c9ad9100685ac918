// The floors of the API bench, in a process of their own: the same number of bytes from a bare node http server and from a bare Fastify, and nothing else.
// Prints both ports. `GET /<bytes>` answers so many.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';

const bodies = new Map<string, string>();
const bodyOf = (bytes: string): string => {
  const body = bodies.get(bytes) ?? JSON.stringify('x'.repeat(Math.max(0, Number(bytes) - 2)));
  bodies.set(bytes, body);
  return body;
};

const bare = createServer((request, response) => {
  const body = bodyOf((request.url ?? '/').slice(1));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
});
bare.keepAliveTimeout = 60_000;
await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve));

const app = fastify({ logger: false, keepAliveTimeout: 60_000 });
app.get<{ Params: { bytes: string } }>('/:bytes', async ({ params }, reply) => reply.type('application/json').send(bodyOf(params.bytes)));
await app.listen({ host: '127.0.0.1', port: 0 });

const portOf = (server: { address(): AddressInfo | string | null }): number => (server.address() as AddressInfo).port;
process.stdout.write(`${JSON.stringify({ http: portOf(bare), fastify: portOf(app.server) })}\n`);
