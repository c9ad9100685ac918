// What would happen: the core on a copy of the state. Nothing is written, so whoever may read may ask.
import { BodyFault } from '../problem.ts';
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';
import { parseSupposed } from '../simulate-input.ts';
import { SIMULATE_DOCS } from './simulate-docs.ts';

export const simulateRoutes = ({ view, whatIf }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'POST',
    url: '/v1/simulate',
    needs: 'viewer',
    once: 'keeps',
    schema: SIMULATE_DOCS.simulate,
    async handler(request, _reply, principal) {
      const context = { cluster: configured(view.cluster()), nowMs: view.clusterNowMs(), principal: principal.name };
      const parsed = parseSupposed(request.body, context);
      if (!parsed.ok) throw new BodyFault(parsed.problems);
      return whatIf.forecast(parsed.value.hypotheses, parsed.value.horizonMs);
    },
  },
  {
    method: 'GET',
    url: '/v1/matrix',
    needs: 'viewer',
    schema: SIMULATE_DOCS.matrix,
    handler: () => whatIf.matrix(),
  },
];
