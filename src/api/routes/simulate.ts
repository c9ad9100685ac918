// What would happen: the core on a copy of the state. Nothing is written, so whoever may read may ask.
import { BodyFault } from '../problem.ts';
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';
import { parseSupposed, SUPPOSED_SCHEMA } from '../simulate-input.ts';

export const simulateRoutes = ({ view, whatIf }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'POST',
    url: '/v1/simulate',
    needs: 'viewer',
    once: 'keeps',
    schema: {
      operationId: 'simulate',
      summary: 'What would happen if all of this were so',
      description:
        'Runs the core itself on a copy of the state over virtual time: regions and pools that die, vantages that fall silent, orders that are given or taken back. Writes nothing.',
      tags: ['what-if'],
      body: SUPPOSED_SCHEMA,
    },
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
    schema: {
      operationId: 'matrix',
      summary: 'What if it dies, for every region of the live configuration',
      description: 'Of each region the services that something would happen to. Writes nothing.',
      tags: ['what-if'],
    },
    handler: () => whatIf.matrix(),
  },
];
