// Records as the demo's cluster writes them.
import type { Incident } from '../../src/model.ts';

export const anIncident = (fields: Partial<Incident> = {}): Incident => ({
  id: '3-eu-west',
  kind: 'region-down',
  region: 'eu-west',
  services: ['web.example.test'],
  because: 'eu-west down',
  v: 3,
  epoch: 2,
  t0AtMs: null,
  t0LastAtMs: null,
  t1AtMs: null,
  t2AtMs: null,
  t3AtMs: 0,
  published: {},
  witnesses: [],
  closedAtMs: null,
  nonce: 'n',
  ...fields,
});
