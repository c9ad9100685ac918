// Forecasts as the API gives them.
import type { Refusal } from '../../../src/model.ts';
import type { Forecast } from '../../../src/whatif/forecast.ts';
import { NOW_MS } from '../../api/fixture.ts';

const BEFORE = { 'eu-west': 334, 'us-east': 333, 'ap-south': 333 };
const AFTER = { 'eu-west': 0, 'us-east': 500, 'ap-south': 500 };

export const FORECAST: Forecast = {
  steps: [
    {
      afterMs: 0,
      v: 42,
      because: 'eu-west drained by ana: kernel upgrade of the whole region',
      changes: ['web.example.test', 'api.example.test'].map((service) => ({ service, before: BEFORE, after: AFTER })),
      holds: [],
    },
  ],
  services: [
    {
      service: 'web.example.test',
      mode: 'auto',
      before: BEFORE,
      after: AFTER,
      writes: [
        { provider: 'local', before: BEFORE, after: AFTER },
        { provider: 'plain', before: { 'eu-west': 333, 'us-east': 333, 'ap-south': 334 }, after: { 'us-east': 500, 'ap-south': 500 } },
      ],
      capacity: { load: 900, capacity: 1200, leftPercent: 24.6, source: 'reported', because: '900 of 1200 requests per second' },
      converge: { p50Ms: 18_200, p99Ms: 41_900, samples: 14, source: 'history', because: '14 moves of this service' },
    },
    {
      service: 'api.example.test',
      mode: 'advise',
      before: BEFORE,
      after: AFTER,
      writes: [],
      capacity: null,
      converge: { p50Ms: 60_000, p99Ms: 95_000, samples: 0, source: 'worst-case', because: 'ttl 60 s' },
    },
  ],
  refusals: [],
  holds: [],
  pages: [{ severity: 'info', type: 'override.started', summary: 'eu-west is drained by ana for 4h' }],
  notes: ['votes stay as they are now'],
};

/** Of the rule that stands in the way wherever one does. */
export const REFUSAL: Refusal = {
  service: 'web.example.test',
  pool: 'eu-west',
  rule: 'capacity',
  risk: 'high',
  because: 'us-east and ap-south bear 800 of 900 requests per second (112 %, at most 90 %)',
  againAtMs: NOW_MS + 7_200_000,
  counterfactual: 'with a load below 720 it would pass',
};

export const REFUSED: Forecast = {
  ...FORECAST,
  steps: [],
  services: [
    {
      ...FORECAST.services[0]!,
      after: BEFORE,
      writes: [],
      capacity: { load: 900, capacity: 800, leftPercent: -12.5, source: 'configured', because: '900 of 800' },
    },
  ],
  refusals: [REFUSAL],
  holds: [{ service: 'web.example.test', pool: 'eu-west', hold: 'rule:capacity', because: 'safety rule capacity refused the move' }],
};
