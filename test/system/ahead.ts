// A door in front of a real replica that answers what this branch's replicas do not offer yet (dry runs, forecasts, decisions) and passes all else on.
// To be taken out when they do: the commands then speak to the replica itself.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { StatusDocument } from '../../src/api/status.ts';
import type { Forecast, OrderBody } from '../../src/client/types.ts';

export interface Ahead extends AsyncDisposable {
  url: string;
  /** What was passed on, e.g. `PUT /v1/overrides/x`. */
  passed: string[];
}

/** Shares of a drained pool go to the others alike. */
const foresee = (status: StatusDocument, scope: OrderBody['scope'], back: boolean): Forecast => {
  const services = status.services.map((service) => {
    const before = service.route ?? {};
    const rest = service.pools.filter(({ region, name }) => region !== scope.region && name !== scope.pool);
    const after = back
      ? Object.fromEntries(service.pools.map(({ name, configuredShare }) => [name, configuredShare]))
      : Object.fromEntries(
          service.pools.map(({ name }) => [name, rest.some((pool) => pool.name === name) ? Math.round(1000 / rest.length) : 0]),
        );
    const writes = [{ provider: service.provider, before, after }];
    return { service: service.name, mode: service.mode, before, after, writes, capacity: null, converge: null };
  });
  const changes = services.map(({ service, before, after }) => ({ service, before, after }));
  const v = (status.decision?.v ?? 0) + 1;
  return {
    steps: [{ afterMs: 0, v, because: 'as ordered', changes }],
    services,
    refusals: [],
    holds: [],
    pages: [],
    notes: ['a stand-in said this'],
  };
};

export const standAhead = async (replica: string): Promise<Ahead> => {
  const passed: string[] = [];
  const status = async (): Promise<StatusDocument> => (await (await fetch(`${replica}/v1/status`)).json()) as StatusDocument;
  const own = async (method: string, url: string, body: unknown): Promise<unknown> => {
    if (method === 'POST' && url === '/v1/overrides?dryRun=true')
      return { override: body, forecast: foresee(await status(), (body as OrderBody).scope, false) };
    if (method === 'POST' && url === '/v1/simulate') return foresee(await status(), {}, true);
    const [, v] = /^\/v1\/decisions\/(\d+)$/.exec(url) ?? [];
    if (v === undefined) return null;
    const { decision } = await status();
    return { ...decision, by: 'stand-in', wouldChange: 'an end of the order', changes: [], holds: [] };
  };
  const server = createServer(async (request, reply) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const [method, url] = [request.method ?? '', request.url ?? ''];
    const answer = await own(method, url, text === '' ? null : JSON.parse(text));
    if (answer !== null) {
      reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      return;
    }
    passed.push(`${method} ${url}`);
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => !['host', 'connection', 'content-length'].includes(name)),
    ) as Record<string, string>;
    const real = await fetch(`${replica}${url}`, { method, headers, ...(text === '' ? {} : { body: text }) });
    reply.writeHead(real.status, { 'content-type': real.headers.get('content-type') ?? '' }).end(await real.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
};
