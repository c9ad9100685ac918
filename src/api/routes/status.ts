// What this replica knows now.
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';

export const statusRoutes = ({ view }: RouteOptions): readonly ApiRoute[] => [
  { method: 'GET', url: '/v1/status', needs: 'viewer', handler: async () => configured(view.status()) },
];
