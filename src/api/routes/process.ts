// This process: alive, ready, measured. Open to anybody, since probers and scrapers have no credentials of ours.
import type { ApiRoute, RouteOptions } from '../route.ts';

export const processRoutes = ({ view, metrics, stopping }: RouteOptions): readonly ApiRoute[] => [
  { method: 'GET', url: '/healthz', needs: null, unlimited: true, handler: async () => ({ status: 'pass' }) },
  {
    method: 'GET',
    url: '/readyz',
    needs: null,
    unlimited: true,
    async handler(_request, reply) {
      const { ok, why } = stopping() ? { ok: false, why: 'this process is stopping' } : view.ready();
      return reply.code(ok ? 200 : 503).send({ status: ok ? 'pass' : 'fail', because: why });
    },
  },
  {
    method: 'GET',
    url: '/metrics',
    needs: null,
    async handler(_request, reply) {
      return reply.type(metrics.contentType).send(await metrics.text());
    },
  },
];
