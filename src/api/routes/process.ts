// This process: alive, ready, measured. Open to anybody, since probers and scrapers have no credentials of ours.
import { json, ref } from '../openapi.ts';
import type { ApiRoute, RouteOptions } from '../route.ts';

const READY = { status: 'pass', because: 'configured and listening' };
const UNREADY = { status: 'fail', because: 'this process is stopping' };

export const processRoutes = ({ view, metrics, stopping }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/healthz',
    needs: null,
    unlimited: true,
    schema: {
      operationId: 'alive',
      summary: 'This process answers',
      tags: ['process'],
      response: { 200: json(ref('Alive'), { alive: { status: 'pass' } }) },
    },
    handler: async () => ({ status: 'pass' }),
  },
  {
    method: 'GET',
    url: '/readyz',
    needs: null,
    unlimited: true,
    schema: {
      operationId: 'ready',
      summary: 'Configured and listening; never the store, peers or a quorum',
      tags: ['process'],
      response: {
        200: json(ref('Alive'), { ready: READY }),
        503: json(ref('Alive'), { stopping: UNREADY }, { description: 'Not ready.' }),
      },
    },
    async handler(_request, reply) {
      const { ok, why } = stopping() ? { ok: false, why: 'this process is stopping' } : view.ready();
      return reply.code(ok ? 200 : 503).send({ status: ok ? 'pass' : 'fail', because: why });
    },
  },
  {
    method: 'GET',
    url: '/metrics',
    needs: null,
    schema: {
      operationId: 'metrics',
      summary: 'In the text format of Prometheus',
      tags: ['process'],
      response: {
        200: {
          content: { 'text/plain': { schema: { type: 'string' }, examples: { one: { value: 'tidegate_coordinator 1\n' } } } },
        },
      },
    },
    async handler(_request, reply) {
      return reply.type(metrics.contentType).send(await metrics.text());
    },
  },
];
