// What this replica knows now, for eyes: the whole at a glance, and one service whole.
import { Fault } from '../../errors.ts';
import { encodedOnce, sendEncoded } from '../encoded.ts';
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';
import { OVERVIEW_DOCS } from './overview-docs.ts';

export const overviewRoutes = ({ view }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/v1/overview',
    needs: 'viewer',
    schema: OVERVIEW_DOCS.overview,
    handler: async (request, reply) => sendEncoded(request, reply, encodedOnce(configured(await view.overview()))),
  },
  {
    method: 'GET',
    url: '/v1/services/:name',
    needs: 'viewer',
    schema: OVERVIEW_DOCS.service,
    async handler(request, reply) {
      const name = request.params.name ?? '';
      const { services } = configured(view.cluster());
      if (!services.some((service) => service.name === name))
        throw new Fault('ERR_NOT_FOUND', `no service is called "${name.slice(0, 80)}"; GET /v1/overview lists them`);
      return sendEncoded(request, reply, encodedOnce(configured(view.service(name))));
    },
  },
];
