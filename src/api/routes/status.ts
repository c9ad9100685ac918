// What this replica knows now.
import { json, ref } from '../openapi.ts';
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';
import type { StatusDocument } from '../status.ts';

/** The same document is turned into bytes once: of a large cluster it is hundreds of kilobytes, and encoding them costs more than all the rest of an answer. */
const texts = new WeakMap<StatusDocument, Buffer>();

const textOf = (document: StatusDocument): Buffer => {
  const text = texts.get(document) ?? Buffer.from(JSON.stringify(document));
  texts.set(document, text);
  return text;
};

const STATUS = {
  cluster: { name: 'production', version: 12, goals: { detectionMs: 30_000, convergenceMs: 60_000 } },
  clusterTimeMs: 1795316400000,
  self: {
    region: 'eu-west',
    replica: 'a',
    boot: 'd1f0c2',
    role: 'standby',
    epoch: 4,
    canVote: true,
    canDecide: true,
    because: '',
  },
  coordinator: { region: 'us-east', replica: 'a', epoch: 4, released: false },
  decision: { v: 41, epoch: 4, atMs: 1795316100000, because: 'eu-west recovered' },
  services: [],
  holds: [],
  votes: { vantages: [], matrix: {}, refused: [] },
  overrides: { version: 7, items: [] },
  incidents: [],
};

export const statusRoutes = ({ view }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/v1/status',
    needs: 'viewer',
    schema: {
      operationId: 'getStatus',
      summary: 'What this replica knows now: health, routes, orders, holds, votes, incidents',
      tags: ['status'],
      response: { 200: json(ref('Status'), { quiet: STATUS }) },
    },
    handler: async (_request, reply) => reply.type('application/json; charset=utf-8').send(textOf(configured(view.status()))),
  },
];
