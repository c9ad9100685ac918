// The table of everything the API offers.
import type { ApiRoute, RouteOptions } from '../route.ts';
import { decisionRoutes } from './decisions.ts';
import { overrideRoutes } from './overrides.ts';
import { processRoutes } from './process.ts';
import { simulateRoutes } from './simulate.ts';
import { statusRoutes } from './status.ts';

export const routesOf = (options: RouteOptions): readonly ApiRoute[] => [
  ...processRoutes(options),
  ...statusRoutes(options),
  ...overrideRoutes(options),
  ...simulateRoutes(options),
  ...decisionRoutes(options),
];
