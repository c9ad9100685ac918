// How the health of everything that a replica depends on reads in the OpenAPI document. Data only.
import { json, type RouteSchema, ref } from '../openapi.ts';

const TIME = '2026-11-22T03:12:00.000Z';
const ABOUT = { releaseId: '1.0.0', serviceId: 'tidegate', description: 'Tidegate, standby eu-west/a' };
const SILENT = 'the store has not answered for 9 s: no leader; routes stay as they are';

export const HEALTH_DOCS = {
  operationId: 'getHealthDetail',
  summary: 'How everything that this replica depends on stands',
  description:
    'fail: if a region died now, nothing would be moved, as far as is seen from here. Never a reason to take a replica out of service: that is /readyz.',
  tags: ['status'],
  response: {
    200: json(
      ref('HealthDetail'),
      {
        pass: {
          ...ABOUT,
          status: 'pass',
          notes: [],
          checks: {
            'store:responseTime': [
              { componentId: 'get', componentType: 'datastore', observedValue: 20, observedUnit: 'ms', status: 'pass', time: TIME },
              { componentId: 'txn', componentType: 'datastore', observedValue: 40, observedUnit: 'ms', status: 'pass', time: TIME },
            ],
          },
        },
      },
      { description: '`pass` or `warn`.' },
    ),
    503: json(
      ref('HealthDetail'),
      {
        fail: {
          ...ABOUT,
          status: 'fail',
          notes: [`fail: store:answeredAgo: ${SILENT}`],
          checks: {
            'store:answeredAgo': [
              { componentType: 'datastore', observedValue: 9, observedUnit: 's', status: 'fail', time: TIME, output: SILENT },
            ],
          },
        },
      },
      { description: '`fail`.' },
    ),
  },
} as const satisfies RouteSchema;
