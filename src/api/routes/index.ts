// The table of everything the API offers.
import type { ApiRoute, RouteOptions } from '../route.ts';
import { auditRoutes } from './audit.ts';
import { eventRoutes } from './events.ts';
import { overrideRoutes } from './overrides.ts';
import { processRoutes } from './process.ts';
import { statusRoutes } from './status.ts';

export const routesOf = (options: RouteOptions): readonly ApiRoute[] => [
  ...processRoutes(options),
  ...statusRoutes(options),
  ...overrideRoutes(options),
  ...auditRoutes(options),
  ...eventRoutes(options),
];
