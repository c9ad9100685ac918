// What would happen, and what then happened, on a whole cluster of processes: a death is foreseen by a replica that does not coordinate, it comes true, and
// its dossier says why, what was written, and where the time went.
import { expect, test } from 'vitest';
import type { Dossier } from '../../src/api/dossier.ts';
import type { Forecast } from '../../src/whatif/forecast.ts';
import type { WhatIfMatrix } from '../../src/whatif/matrix.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { REGIONS, type Region } from './cluster-config.ts';
import { until } from './until.ts';

const simulate = async (cluster: Cluster, at: Region, hypotheses: readonly object[]): Promise<Forecast> => {
  const reply = await fetch(`http://127.0.0.1:${cluster.doors.api[at]}/v1/simulate`, {
    method: 'POST',
    headers: { authorization: `Bearer ${cluster.operatorToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ hypotheses }),
    signal: AbortSignal.timeout(20_000),
  });
  expect(reply.status).toBe(200);
  return (await reply.json()) as Forecast;
};

test('a death is foreseen, comes true, and is told of afterwards', { timeout: 240_000 }, async () => {
  await using cluster = await startCluster({ webhookUrl: 'http://127.0.0.1:9/none' });
  const first = await cluster.coordinator();
  const standby = REGIONS.find((region) => region !== first) as Region;
  const dying = REGIONS.find((region) => region !== first && region !== standby) as Region;
  const before = await cluster.routing();
  const [service = ''] = Object.keys(before.services);

  const told = await simulate(cluster, standby, [{ kind: 'region-down', region: dying }]);
  expect(told.steps[0]?.because).toContain(`${dying} down: 2 of 3 vantages (needs 2)`);
  expect(told.services[0]?.writes[0]?.after[dying]).toBe(0);
  const matrix = (await (await cluster.replica(standby).get('/v1/matrix')).json()) as WhatIfMatrix;
  expect(matrix.regions.map(({ region }) => region)).toEqual(REGIONS);
  // To ask changes nothing.
  expect((await cluster.routing()).v).toBe(before.v);

  await cluster.killApp(dying);
  await cluster.untilServed('the drain', (route) => route[dying] === 0);
  const drain = (await cluster.audits()).find(({ changes }) => changes[0]?.after[dying] === 0);
  expect(drain?.changes[0]?.after).toEqual(told.services[0]?.after);

  const dossier = await until('the dossier with its trail', async () => {
    const reply = await cluster.replica(standby).get(`/v1/decisions/${drain?.v}`);
    const found = (await reply.json()) as Dossier;
    return reply.status === 200 && found.trail.length > 0 && found;
  });
  expect(dossier).toMatchObject({
    v: drain?.v,
    wouldChange: expect.stringContaining(`${dying} would have kept its traffic`),
    rules: { passed: expect.arrayContaining(['last-pool']), refused: [] },
    incidents: [{ relation: 'opened', region: dying, detection: { judgement: 'met' } }],
    trail: [{ service, outcome: 'applied', tries: 1, by: expect.stringMatching(new RegExp(`^${first}/`)) }],
  });
  expect(dossier.evidence.map(({ endpoint }) => endpoint).some((endpoint) => endpoint.includes(`/${dying}/`))).toBe(true);
  expect(dossier.votes.length).toBe(3);

  const list = (await (await cluster.replica(dying).get('/v1/decisions?limit=3')).json()) as { items: { v: number }[] };
  expect(list.items[0]?.v).toBe((await cluster.routing()).v);
  const incidents = (await (await cluster.replica(standby).get('/v1/incidents')).json()) as { items: { id: string; region: string }[] };
  expect(incidents.items[0]).toMatchObject({ region: dying });
  await cluster.expectSound();
});
