// How the paths of reports read in the OpenAPI document. Data only.
import { json, type RouteSchema, ref } from '../openapi.ts';

const REPORTED = {
  load: 800,
  capacity: { 'eu-west': 1200, 'us-east': 1200 },
  atMs: 1795316400000,
  expiresAtMs: 1795316460000,
  by: 'autoscaler',
};

export const REPORT_DOCS = {
  list: {
    operationId: 'listReports',
    summary: 'What was reported of load and capacity, by service',
    tags: ['reports'],
    response: {
      200: json(ref('ReportList'), { one: { version: 12, services: { 'web.example.com': { ...REPORTED, fresh: true, leftMs: 41_000 } } } }),
    },
  },
  put: {
    operationId: 'putReport',
    summary: 'Report the load of a service and what its pools can bear',
    description:
      'Advice to the safety rule `capacity`, which falls back to what is configured when a report runs out. It replaces the last one of the service.',
    tags: ['reports'],
    params: {
      type: 'object',
      properties: { service: { type: 'string', description: 'The name of the service.', examples: ['web.example.com'] } },
    },
    body: json(ref('Report'), { 'requests per second': { load: 800, capacity: { 'eu-west': 1200, 'us-east': 1200 }, ttl: '60s' } }),
    response: { 200: json(ref('ReportedOne'), { one: { service: 'web.example.com', reported: REPORTED, version: 12 } }) },
    refusals: ['ERR_STALE', 'ERR_UNDECIDED'],
  },
} as const satisfies Record<string, RouteSchema>;
