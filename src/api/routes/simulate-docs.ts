// How the paths of what-if read in the OpenAPI document. Data only.
import { json, type RouteSchema, ref } from '../openapi.ts';
import { FORECAST_EXAMPLE } from './override-docs.ts';

export const SIMULATE_DOCS = {
  simulate: {
    operationId: 'simulate',
    summary: 'What would happen if all of this were so',
    description:
      'Runs the core itself on a copy of the state over virtual time: regions and pools that die, vantages that fall silent, orders that are given or taken back. Writes nothing, and uses up no token that is good for one act. Two at a time on one replica; more are told to come again (429).',
    tags: ['what-if'],
    body: json(ref('Supposed'), {
      'a region dies': { hypotheses: [{ kind: 'region-down', region: 'eu-west' }] },
      'while another is drained': {
        hypotheses: [
          { kind: 'override', override: { kind: 'drain', scope: { region: 'us-east' }, ttl: '2h' } },
          { kind: 'region-down', region: 'eu-west' },
        ],
        horizonMs: 600_000,
      },
      'a pool dies, a vantage is cut off': {
        hypotheses: [
          { kind: 'pool-down', service: 'web.example.com', pool: 'eu-west' },
          { kind: 'vantage-cut', region: 'us-east' },
        ],
      },
      'an order ends': { hypotheses: [{ kind: 'override-gone', id: 'drain-eu-west-1' }] },
      'what is under way': { hypotheses: [] },
    }),
    response: { 200: json(ref('Forecast'), { one: FORECAST_EXAMPLE }, { description: 'What would follow, and when.' }) },
    refusals: ['ERR_LIMIT'],
  },
  matrix: {
    operationId: 'matrix',
    summary: 'What if it dies, for every region of the live configuration',
    description: 'Of each region the services that something would happen to, two minutes ahead. Writes nothing.',
    tags: ['what-if'],
    response: { 200: json(ref('WhatIfMatrix'), { one: { regions: [{ region: 'eu-west', forecast: FORECAST_EXAMPLE }] } }) },
    refusals: ['ERR_LIMIT'],
  },
} as const satisfies Record<string, RouteSchema>;
