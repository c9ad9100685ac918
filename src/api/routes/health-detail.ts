// What this replica depends on and how that stands, in the shape that platforms expect. 503 for `fail` on this path alone: readiness never depends on it.
import { isoTime } from '../../ports.ts';
import { type Encoded, encoded, sendEncoded } from '../encoded.ts';
import { type HealthFacts, type HealthState, healthDetail } from '../health-detail.ts';
import type { ApiRoute, RouteOptions } from '../route.ts';
import { HEALTH_DOCS } from './health-docs.ts';

interface Told {
  status: HealthState;
  text: Encoded;
}

/** The same facts are judged and turned into bytes once. */
const answers = new WeakMap<HealthFacts, Told>();

const answerOf = (facts: HealthFacts): Told => {
  const known = answers.get(facts);
  if (known !== undefined) return known;
  const detail = healthDetail(facts, isoTime);
  const told = { status: detail.status, text: encoded(detail) };
  answers.set(facts, told);
  return told;
};

export const healthDetailRoutes = ({ view }: Pick<RouteOptions, 'view'>): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/api/health/detail',
    needs: 'viewer',
    schema: HEALTH_DOCS,
    handler(request, reply) {
      const { status, text } = answerOf(view.health());
      return sendEncoded(request, reply.code(status === 'fail' ? 503 : 200), text);
    },
  },
];
