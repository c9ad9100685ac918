// The table of everything the API offers.
import type { ApiRoute, RouteOptions } from '../route.ts';
import { auditRoutes } from './audit.ts';
import { callbackRoutes } from './callbacks.ts';
import { dashboardRoutes } from './dashboard.ts';
import { decisionRoutes } from './decisions.ts';
import { eventRoutes } from './events.ts';
import { healthDetailRoutes } from './health-detail.ts';
import { objectiveRoutes } from './objectives.ts';
import { openApiRoutes } from './openapi.ts';
import { overrideRoutes } from './overrides.ts';
import { overviewRoutes } from './overview.ts';
import { pageRoutes } from './pages.ts';
import { processRoutes } from './process.ts';
import { reportRoutes } from './reports.ts';
import { runRoutes } from './runs.ts';
import { settleRoutes } from './settle.ts';
import { signInRoutes } from './sign-in.ts';
import { simulateRoutes } from './simulate.ts';
import { statusRoutes } from './status.ts';
import { verifyRoutes } from './verify.ts';

export const routesOf = (options: RouteOptions): readonly ApiRoute[] => {
  const offered = [
    ...processRoutes(options),
    ...dashboardRoutes(options),
    ...signInRoutes(options),
    ...statusRoutes(options),
    ...overviewRoutes(options),
    ...overrideRoutes(options),
    ...pageRoutes(options),
    ...callbackRoutes(options),
    ...reportRoutes(options),
    ...runRoutes(options),
    ...settleRoutes(options),
    ...objectiveRoutes(options),
    ...verifyRoutes(options),
    ...simulateRoutes(options),
    ...decisionRoutes(options),
    ...healthDetailRoutes(options),
    ...auditRoutes(options),
    ...eventRoutes(options),
  ];
  return [...offered, ...openApiRoutes(options.version, offered)];
};
