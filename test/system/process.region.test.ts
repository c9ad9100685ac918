// A region dies with everything in it: its traffic leaves, somebody is told once, and the audit says why.
import { expect, test } from 'vitest';
import { startCluster } from './cluster.ts';
import { ADDRESS, REGIONS, WEB } from './cluster-config.ts';
import { until } from './until.ts';
import { startReceiver } from './webhook-receiver.ts';

test('a region killed with the coordinator in it loses its traffic, is explained, and is paged once, also across a restart', {
  timeout: 180_000,
}, async () => {
  await using receiver = await startReceiver();
  // The first serves the store: it must not be the one that dies.
  await using cluster = await startCluster({ coordinators: ['us-east', 'ap-south'], webhookUrl: receiver.url });
  receiver.trust(cluster.webhookSecret);
  const victim = await cluster.coordinator();
  const before = await cluster.routing();

  await cluster.killRegion(victim);
  await cluster.untilServed(`no answer with ${ADDRESS[victim]}`, (route) => route[victim] === 0);
  expect(await cluster.answers(60)).toEqual(REGIONS.filter((region) => region !== victim));

  const heir = await cluster.coordinator();
  expect(heir).not.toBe(victim);
  const drains = (await cluster.audits()).filter(({ v, changes }) => v > before.v && changes.length > 0);
  const drain = drains.find(({ changes }) => changes[0]?.after[victim] === 0);
  expect(drain).toMatchObject({ by: `${heir}/a`, changes: [{ service: WEB, before: before.services[WEB]?.route }] });
  expect(drain?.epoch).toBeGreaterThan(before.epoch);
  expect(drain?.because).toMatch(new RegExp(`^${victim} (down|unready): 2 of 3 vantages \\(needs 2\\), first fault [\\d.]+ s ago`));
  expect(drain?.wouldChange).not.toBe('');

  const page = await until('the page of the drain', () => receiver.received.find(({ type }) => type === 'region.drained'));
  expect(page.summary).toContain(drain?.because.split(';')[0]);

  // Whoever coordinates after a restart finds the page told already. Its next page shows that it has looked.
  expect(await cluster.stop(heir)).toEqual({ code: 0, signal: null });
  await cluster.start(heir);
  const order = (): Promise<Response> =>
    fetch(`http://127.0.0.1:${cluster.doors.api[heir]}/v1/overrides/maintenance`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${cluster.operatorToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'drain', scope: { region: heir }, reason: 'a test of the way back', owner: 'test', ttlMs: 600_000 }),
    });
  // It takes orders as soon as it has read the cluster's configuration from the store.
  await until('the order taken', async () => (await order()).status === 201);
  await until('the page of the override', () => receiver.received.find(({ type }) => type === 'override.obeyed'));
  const ids = receiver.received.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)]);
  expect(receiver.refused).toEqual([]);
  await cluster.expectSound();
});
