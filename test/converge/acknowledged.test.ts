// Whose acknowledgement counts where a service has several paths: the first that has the route in force.
import { expect, test } from 'vitest';
import { statusDocument } from '../../src/api/status.ts';
import { acknowledgements } from '../../src/converge/acknowledged.ts';
import { evidenceOf } from '../../src/converge/duties.ts';
import { measure } from '../../src/converge/measure.ts';
import { sightOf } from '../../src/coordinate/read.ts';
import { createRevisionClock } from '../../src/coordinate/revision-clock.ts';
import type { AppliedRecord } from '../../src/model.ts';
import { statusInput } from '../api/fixture.ts';
import { ALL, clusterOf, incidentOf, NO_EU, routingOf, serviceOf } from './fixture.ts';

const WEB = 'web.example.test';
const T3 = incidentOf().t3AtMs;
const record = (fence: number, atMs: number, outcome: AppliedRecord['outcome'] = 'applied'): AppliedRecord => ({
  fence,
  atMs,
  outcome,
  because: '',
});

const cluster = clusterOf([serviceOf({ provider: 'gate', also: ['dns'] })]);
const routing = routingOf({ [WEB]: { fence: 7, route: NO_EU } });
const countsOf = (gate: AppliedRecord | null, dns: AppliedRecord | null) =>
  acknowledgements(
    cluster,
    routing,
    new Map([
      ...(gate === null ? [] : [[`applied/gate/${WEB}`, gate] as const]),
      ...(dns === null ? [] : [[`applied/dns/${WEB}`, dns] as const]),
    ]),
  )[WEB];

test.each<[string, AppliedRecord | null, AppliedRecord | null, string | undefined, number | undefined]>([
  ['both have it: the sooner one', record(7, T3 + 900), record(7, T3 + 300), 'dns', 7],
  ['only the second has it', record(6, T3 - 9000), record(7, T3 + 300), 'dns', 7],
  ['the first is frozen with that very number', record(7, T3, 'frozen'), record(7, T3 + 300), 'dns', 7],
  ['neither has it: what the first says', record(6, T3 - 9000), record(5, T3 - 20_000), 'gate', 6],
  ['nobody was ever written', null, null, undefined, undefined],
])('%s', (_claim, gate, dns, by, fence) => {
  expect([countsOf(gate, dns)?.by, countsOf(gate, dns)?.fence]).toEqual([by, fence]);
});

test('where there is one path nothing is said of it', () => {
  const one = clusterOf([serviceOf({ provider: 'gate' })]);
  expect(acknowledgements(one, routing, new Map([[`applied/gate/${WEB}`, record(7, T3)]]))[WEB]).toEqual(record(7, T3));
});

const sight = () => {
  const clock = createRevisionClock();
  const kvs = [
    { key: 'members', value: cluster, mod: 1 },
    { key: 'routing', value: routing, mod: 2 },
    { key: `applied/dns/${WEB}`, value: record(7, T3 + 300), mod: 3 },
    { key: `applied/gate/${WEB}`, value: record(9, T3, 'manual'), mod: 4 },
  ];
  return sightOf({ rev: 5, kvs }, clock, 0, new Map());
};

test('t4 is the first acknowledgement by any path, and the incident says by which', () => {
  const evidence = evidenceOf(sight()) ?? expect.fail('no evidence');
  expect(measure(incidentOf(), evidence, T3 + 2000)?.published[WEB]).toEqual({ t4AtMs: T3 + 300, t4By: 'dns' });
});

test('a path that a human wrote by hand holds the service, whatever the others carry', () => {
  expect(sight().frozen).toEqual([WEB]);
});

test('the status shows every path, and through which the service acts', () => {
  const input = statusInput({});
  const [service] = input.cluster.services;
  if (service === undefined) expect.fail('no service');
  const two = { ...input.cluster, services: [{ ...service, provider: 'gate', also: ['dns'] }] };
  const records = new Map([[`applied/dns/${service.name}`, record(7, T3)]]);
  const through = { order: ['dns', 'gate'], because: 'through dns, before gate: …' };
  const provider = { name: 'gate', failing: true, provenAgoMs: null, writes: null, canary: null };
  const paths = { ranked: () => through, providers: () => [provider] };
  const document = statusDocument({
    ...input,
    cluster: two,
    routing: routingOf({ [service.name]: { fence: 7, route: ALL } }),
    records,
    paths,
  });
  expect(document.services[0]).toMatchObject({
    paths: [
      { provider: 'gate', applied: null },
      { provider: 'dns', applied: { fence: 7 } },
    ],
    through,
  });
  expect(document.providers).toEqual([provider]);
  expect(statusDocument({ ...input, cluster: two, records }).services[0]).not.toHaveProperty('through');
});
