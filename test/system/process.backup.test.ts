// The embedded store is copied while a replica serves it, lost, and restored, by the lines of deploy/README.md: nothing is written over a provider that is
// ahead until it is adopted, then the cluster goes on.
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { startBind } from './bind.ts';
import { startCluster, tidegate } from './cluster.ts';
import { FIRST, type Region } from './cluster-config.ts';
import { runBlock } from './manual.ts';
import { until } from './until.ts';

const REASON = { kind: 'drain', scope: { region: 'us-east' }, reason: 'a test of restoring', owner: 'test', ttlMs: 600_000 };

test('a copy of a running store brings the cluster back after the store was lost', { timeout: 240_000 }, async () => {
  await using bind = await startBind({ zone: 'example.test' });
  const secretFile = join(bind.dir, 'tsig');
  writeFileSync(secretFile, bind.key.secret, { mode: 0o600 });
  await using cluster = await startCluster({
    provider: {
      entry: [
        'kind: rfc2136',
        'zone: example.test',
        `server: 127.0.0.1:${bind.port}`,
        `key: { name: tidegate, algorithm: hmac-sha256, secretFile: ${secretFile} }`,
      ],
      dns: bind.port,
    },
  });
  const store = join(cluster.folder, 'store.sqlite');
  const copy = join(cluster.folder, 'copy.sqlite');
  const paths = { '/backup/tidegate.sqlite': copy };
  expect((statSync(store).mode & 0o777).toString(8)).toBe('600');
  const { rev } = await cluster.store.get({});

  const said = await runBlock('embedded: back up', { ...paths, '/etc/tidegate/replica.yaml': cluster.configFile(FIRST) });
  expect(said).toMatch(/copy\.sqlite: the store at revision \d+, \d+ bytes, read through and whole/);
  expect(Number(/revision (\d+)/.exec(said)?.[1])).toBeGreaterThanOrEqual(rev);
  expect((statSync(copy).mode & 0o777).toString(8)).toBe('600');
  const inside = new DatabaseSync(copy, { readOnly: true });
  expect(inside.prepare("SELECT key FROM kv WHERE key = 'routing'").get()).toEqual({ key: 'routing' });
  inside.close();
  // Never over an older one, and from a replica that does not hold the store not at all.
  const again = (region: Region, out: string) => tidegate('backup', '-c', cluster.configFile(region), '--out', out);
  await expect(again(FIRST, copy)).rejects.toThrow(/is there already/);
  await expect(again('us-east', `${copy}-2`)).rejects.toThrow(/is remote: name the file of the replica that holds it/);

  const drained = await fetch(`http://127.0.0.1:${cluster.doors.api[FIRST]}/v1/overrides/after`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${cluster.operatorToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(REASON),
  });
  expect(drained.status).toBe(201);
  await cluster.untilServed('us-east drained', (route) => route['us-east'] === 0);
  const served = await cluster.fence();

  // ---- lost, and restored ----
  await cluster.stop(FIRST);
  await runBlock('embedded: restore', { ...paths, '/var/lib/tidegate': cluster.folder });
  await cluster.start(FIRST);
  for (const region of ['us-east', 'ap-south'] as const)
    await until(
      `${region} notices`,
      () =>
        JSON.stringify(cluster.replica(region).lines()).includes('ERR_STORE_REPLACED') ||
        JSON.stringify(cluster.replica(region).lines()).includes('expected store'),
    );
  await until('nobody writes over what is ahead', async () =>
    (await cluster.replica(FIRST).status())?.services[0]?.paths.some(({ applied }) => applied?.outcome === 'frozen'),
  );
  expect(await cluster.fence()).toEqual(served);
  expect(await cluster.answers()).toEqual(['eu-west', 'ap-south']);

  await runBlock('embedded: adopt', { 'joins.yaml': cluster.configFile('us-east') });
  for (const region of ['us-east', 'ap-south'] as const) {
    await cluster.stop(region);
    await cluster.start(region);
  }
  // The order was placed after the copy and is gone: us-east returns, above every fence there was.
  await cluster.untilServed('us-east back', (route) => (route['us-east'] ?? 0) > 300);
  expect((await cluster.fence())?.v).toBeGreaterThan(served?.v ?? 0);
});
