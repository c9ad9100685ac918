// A replica for the page to speak with, on a port of its own: the real API over a small cluster, in which a test can make any answer wait, fail or lie.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type OverviewDocument, overviewDocument } from '../../../src/api/overview.ts';
import type { ApiOptions } from '../../../src/api/server.ts';
import { bannerOf } from '../../../src/dashboard/banner.ts';
import { NOW_MS, openApi, REGIONS, statusInput, viewOf } from '../../api/fixture.ts';

/** Takes the request over; false: it goes its usual way. */
type Answer = (request: IncomingMessage, reply: ServerResponse) => boolean;

export interface StandIn extends AsyncDisposable {
  readonly url: string;
  /** What was asked, without the address: `GET /v1/overview`. */
  readonly asked: string[];
  /** By path, without its query. */
  readonly answers: Map<string, Answer>;
  /** What the next overview says. */
  overview: OverviewDocument;
}

export const json = (reply: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): true => {
  reply.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  return true;
};
/** Never answers. */
export const silence: Answer = () => true;

/** All is well as `region` sees it. `ageMs`: of every vantage's vote. */
export const calm = (region = 'eu-west', ageMs = 500): OverviewDocument => {
  const vote = { boot: 'b', seq: 1, configVersion: 3, self: { state: 'ok' as const }, peers: [], down: [], unready: [], unknown: [] };
  const leader = { region: 'us-east', replica: 'a', boot: 'b', epoch: 1, n: 1, nonce: 'n', released: false };
  const votes = REGIONS.map((each) => ({ region: each, replica: 'a', vote, ageMs }));
  const self = { ...statusInput().self, region, canDecide: true, because: '' };
  const document = overviewDocument(statusInput({ votes, leader, self }));
  const services = document.services.map((each) => ({
    ...each,
    pools: each.pools.map((pool) => ({ ...pool, share: pool.configuredShare, verdict: 'up' as const, cause: 'up' as const, up: 1 })),
  }));
  const regions = document.regions.map((each) => ({
    ...each,
    pools: { ...each.pools, up: services.length, unknown: 0 },
    vantages: each.vantages.map((vantage) => ({ ...vantage, state: 'ok' as const, because: '' })),
  }));
  return { ...document, regions, services, doubts: [], decision: { v: 7, epoch: 1, atMs: NOW_MS - 3_600_000, because: 'as configured' } };
};

/** With the sentence of what it says now. */
const told = (overview: OverviewDocument): OverviewDocument => ({
  ...overview,
  banner: bannerOf({ ...overview, nowMs: overview.clusterTimeMs }),
});

export const standIn = async (options: Partial<ApiOptions> = {}, region = 'eu-west'): Promise<StandIn> => {
  const answers = new Map<string, Answer>();
  const asked: string[] = [];
  const stand = { asked, answers, overview: calm(region), url: '' };
  const api = openApi({
    dashboard: { peers: {}, anonymous: 'viewer', signIn: null },
    view: viewOf({ overview: async () => told(stand.overview) }),
    ...options,
  });
  const server = createServer(async (request, reply) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    asked.push(`${request.method} ${path}`);
    // The page of another region asks here too.
    reply.setHeader('access-control-allow-origin', '*');
    reply.setHeader('access-control-allow-headers', 'authorization, content-type, idempotency-key, if-match, last-event-id');
    if (request.method === 'OPTIONS') return void reply.writeHead(204).end();
    if (answers.get(path)?.(request, reply) === true) return;
    if (path === '/v1/events') return void events(reply);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { statusCode, headers, rawPayload } = await api.app.inject({
      method: request.method as 'GET',
      url: request.url ?? '',
      headers: request.headers as Record<string, string>,
      payload: Buffer.concat(chunks),
    });
    for (const [name, value] of Object.entries(headers))
      if (!/^access-control|^transfer/.test(name) && value !== undefined) reply.setHeader(name, value);
    reply.writeHead(statusCode).end(rawPayload);
  });
  const events = (reply: ServerResponse): void => {
    reply.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.write('id: v7.j1\nevent: stream.opened\ndata: {"type":"stream.opened","timestamp":"2026-11-22T03:12:00Z","data":{}}\n\n');
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stand.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(stand, {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await api.close();
    },
  });
};
