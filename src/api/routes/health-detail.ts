// What this replica depends on and how that stands, in the shape that platforms expect. 503 for `fail` on this path alone: readiness never depends on it.
import { isoTime } from '../../ports.ts';
import { type HealthFacts, type HealthState, healthDetail } from '../health-detail.ts';
import type { ApiRoute, RouteOptions } from '../route.ts';

const measurement = {
  type: 'object',
  required: ['componentType', 'observedValue', 'status', 'time'],
  properties: {
    componentId: { type: 'string' },
    componentType: { type: 'string', enum: ['system', 'component', 'datastore'] },
    observedValue: { type: ['number', 'string', 'boolean', 'null'] },
    observedUnit: { type: 'string' },
    status: { type: 'string', enum: ['pass', 'warn', 'fail'] },
    time: { type: 'string', format: 'date-time' },
    output: { type: 'string' },
  },
} as const;

const detail = {
  type: 'object',
  required: ['status', 'releaseId', 'serviceId', 'description', 'notes', 'checks'],
  properties: {
    status: { type: 'string', enum: ['pass', 'warn', 'fail'] },
    releaseId: { type: 'string' },
    serviceId: { type: 'string' },
    description: { type: 'string' },
    notes: { type: 'array', items: { type: 'string' } },
    checks: { type: 'object', additionalProperties: { type: 'array', items: measurement } },
  },
} as const;

interface Told {
  status: HealthState;
  text: Buffer;
}

/** The same facts are judged and turned into bytes once. */
const answers = new WeakMap<HealthFacts, Told>();

const answerOf = (facts: HealthFacts): Told => {
  const known = answers.get(facts);
  if (known !== undefined) return known;
  const detail = healthDetail(facts, isoTime);
  const told = { status: detail.status, text: Buffer.from(JSON.stringify(detail)) };
  answers.set(facts, told);
  return told;
};

export const healthDetailRoutes = ({ view }: Pick<RouteOptions, 'view'>): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/api/health/detail',
    needs: 'viewer',
    schema: {
      summary: 'How everything that this replica depends on stands',
      description:
        'fail: if a region died now, nothing would be moved, as far as is seen from here. Never a reason to take a replica out of service: that is /readyz.',
      operationId: 'getHealthDetail',
      tags: ['status'],
      response: { 200: { description: 'pass or warn', ...detail }, 503: { description: 'fail', ...detail } },
    },
    async handler(_request, reply) {
      const { status, text } = answerOf(view.health());
      return reply
        .code(status === 'fail' ? 503 : 200)
        .type('application/json; charset=utf-8')
        .send(text);
    },
  },
];
