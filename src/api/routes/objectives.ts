// What things may take and what they take: a matrix of region by dependency for each platform, as the replicas of each region measured it.
import { Fault } from '../../errors.ts';
import { json, ref } from '../openapi.ts';
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';

const AT_MS = 1_795_316_400_000;
const POSTGRES = { objective: 'postgres', of: 'orders', role: 'gate', maxMs: 100, samples: 20, lost: 0, ageMs: 4_000 };
const ONE = {
  platform: 'shop',
  objectives: [
    { name: 'postgres', kind: 'postgres', says: "a SELECT on the region's leader", maxMs: 100, role: 'gate', measured: true },
    { name: 'llm', kind: 'promql', says: 'a call of a language model, p95', maxMs: 4_000, role: 'advice', measured: false },
  ],
  cells: [
    { ...POSTGRES, from: 'eu-west', to: 'eu-west', verdict: 'good', ms: 12, because: 'p95 12 ms; below 100 ms is wanted', remedies: [] },
    {
      ...POSTGRES,
      from: 'eu-west',
      to: 'us-east',
      verdict: 'breach',
      ms: 182,
      because: 'p95 182 ms; below 100 ms is wanted; within us-east it takes 11 ms',
      remedies: ['pin MCP tools to the region of the workers that call them'],
    },
  ],
};

export const objectiveRoutes = ({ view, measured }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/v1/objectives',
    needs: 'viewer',
    schema: {
      operationId: 'listObjectives',
      summary: 'Objectives of each platform, and what was measured: region by dependency',
      description:
        'What was not measured in the last minute is unknown. Shipped objectives are policies/objectives.yaml; a platform may say otherwise.',
      tags: ['platforms'],
      response: { 200: json(ref('ObjectiveList'), { one: { items: [ONE], clusterTimeMs: AT_MS } }) },
    },
    async handler() {
      configured(view.cluster());
      if (measured === undefined) throw new Fault('ERR_NOT_FOUND', 'nothing is offered at this path: this replica reads no measurements');
      return { items: await measured.matrices(), clusterTimeMs: view.clusterNowMs() };
    },
  },
];
