// What this replica knows now.
import { sendEncoded } from '../encoded.ts';
import { json, ref } from '../openapi.ts';
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';

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

/** One whose standby is behind. */
const PLATFORM = {
  name: 'shop',
  databases: [
    {
      database: 'orders',
      writer: 'eu-west',
      provedAtMs: 1795230000000,
      because: 'a row was written on 10.1.0.4:5432 and read back',
      split: null,
      settled: null,
      fenced: [],
      unproved: null,
      standbys: [
        {
          region: 'us-east',
          lagMs: 42_000,
          lagBytes: 48_000_000,
          measuredAtMs: 1795316396000,
          because: 'expected loss now: 42 s / 48 MB, measured 4 s ago',
        },
      ],
      behind: ['us-east'],
      unmeasured: [],
    },
  ],
  llm: null,
  over: [{ name: 'postgres orders from eu-west to us-east', advice: true }],
};

export const statusRoutes = ({ view }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/v1/status',
    needs: 'viewer',
    schema: {
      operationId: 'getStatus',
      summary: 'What this replica knows now: health, routes, orders, holds, votes, incidents, platforms',
      tags: ['status'],
      response: { 200: json(ref('Status'), { quiet: STATUS, platforms: { ...STATUS, platforms: [PLATFORM] } }) },
    },
    handler: async (request, reply) => sendEncoded(request, reply, configured(await view.status())),
  },
];
