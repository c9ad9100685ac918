// What this replica depends on and how that stands, in the shape that platforms expect. 503 for `fail` on this path alone: readiness never depends on it.
import { isoTime } from '../../ports.ts';
import { healthDetail } from '../health-detail.ts';
import type { ApiRoute, RouteOptions } from '../route.ts';
import { HEALTH_DOCS } from './health-docs.ts';

export const healthDetailRoutes = ({ view }: Pick<RouteOptions, 'view'>): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/api/health/detail',
    needs: 'viewer',
    schema: HEALTH_DOCS,
    async handler(_request, reply) {
      const told = healthDetail(view.health(), isoTime);
      return reply.code(told.status === 'fail' ? 503 : 200).send(told);
    },
  },
];
