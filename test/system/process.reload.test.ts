// SIGHUP: the file is judged anew as a whole, and either all of it is taken up by everybody or nothing changes.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { type Cluster, startCluster } from './cluster.ts';
import { REGIONS, type Region } from './cluster-config.ts';
import type { LogLine } from './replica-process.ts';
import { until } from './until.ts';

/** Reloads a replica and answers what it said of it. */
const reload = async (cluster: Cluster, region: Region): Promise<LogLine> => {
  const replica = cluster.replica(region);
  const spoken = (): LogLine[] => replica.lines().filter(({ event }) => event === 'config.reloaded' || event === 'config.refused');
  const before = spoken().length;
  replica.signal('SIGHUP');
  return until('its word on the file', () => spoken()[before]);
};

const versions = (cluster: Cluster): Promise<(number | undefined)[]> =>
  Promise.all(REGIONS.map(async (region) => (await cluster.replica(region).status())?.cluster.version));

test('a file that cannot be taken up changes nothing and is refused with its reasons; a good one is followed by all replicas', {
  timeout: 180_000,
}, async () => {
  // All traffic on one pool.
  await using cluster = await startCluster({ weights: { 'us-east': 0, 'ap-south': 0 } });
  expect(await cluster.route()).toEqual({ 'eu-west': 1000, 'us-east': 0, 'ap-south': 0 });
  const first = cluster.configFile('eu-west');
  const good = cluster.read('eu-west');
  const routed = await cluster.routing();

  cluster.edit('eu-west', (text) => text.replace('recoveryHold: 2s', 'recoverHold: 2s'));
  const line = good.split('\n').findIndex((each) => each.includes('recoveryHold')) + 1;
  expect(await reload(cluster, 'eu-west')).toMatchObject({
    event: 'config.refused',
    running: 'unchanged',
    because: [expect.stringMatching(`^${first}:${line}:5 .*recoverHold.*recoveryHold`)],
  });

  cluster.edit('eu-west', () => good.replace(/ {8}- name: eu-west\n(?: {10}.*\n)+/, '').replaceAll('weight: 0', 'weight: 1'));
  expect(await reload(cluster, 'eu-west')).toMatchObject({
    event: 'config.refused',
    because: [
      expect.stringMatching(
        /cluster\.services\.web\.example\.test\.pools: found no pool of the present route \(eu-west carries all traffic\).*drain it/,
      ),
    ],
  });

  cluster.edit('eu-west', () => good.replace(`127.0.0.1:${cluster.doors.api['eu-west']}`, `127.0.0.1:${cluster.doors.api['eu-west'] + 1}`));
  expect(await reload(cluster, 'eu-west')).toMatchObject({
    event: 'config.refused',
    because: [expect.stringContaining('restart this replica')],
  });

  renameSync(first, `${first}.away`);
  expect(await reload(cluster, 'eu-west')).toMatchObject({
    event: 'config.refused',
    because: [expect.stringContaining('found no readable file')],
  });
  renameSync(`${first}.away`, first);

  expect(await versions(cluster)).toEqual([1, 1, 1]);
  expect((await cluster.routing()).services).toEqual(routed.services);

  cluster.edit('eu-west', () => good.replace('recoveryHold: 2s', 'recoveryHold: 3s'));
  expect(await reload(cluster, 'eu-west')).toMatchObject({ event: 'config.reloaded', said: ['configuration 2 applied'] });
  await until('all replicas at the new version', async () => (await versions(cluster)).every((version) => version === 2));
  await until('votes of all regions for it', async () => {
    const status = await cluster.replica('us-east').status();
    const { vantages } = status?.votes ?? { vantages: [] };
    return vantages.length === REGIONS.length && vantages.every(({ configVersion, self }) => configVersion === 2 && self.state === 'ok');
  });
  expect(await reload(cluster, 'eu-west')).toMatchObject({ event: 'config.reloaded', said: ['configuration 2 unchanged'] });
  expect(await reload(cluster, 'ap-south')).toMatchObject({ event: 'config.reloaded', said: ['accepted'] });
  // A secret in whose file another text stands now: it is not used, and that is said, by the file and never by the text.
  const token = join(dirname(first), 'dns.token');
  const [old, next] = [readFileSync(token, 'utf8'), 'another-token-0123456789'];
  writeFileSync(token, next);
  const outdated = `${token} holds another secret than at the start; it is used once this replica is restarted`;
  expect(await reload(cluster, 'ap-south')).toMatchObject({ event: 'config.reloaded', said: ['accepted', outdated] });
  expect(cluster.replica('ap-south').lines('secret.outdated')).toMatchObject([{ level: 'warn', because: outdated }]);
  writeFileSync(token, old);

  await cluster.killApp('eu-west');
  await cluster.untilServed('the failover under the new configuration', (route) => route['eu-west'] === 0);
  await cluster.expectSound();
});

test('what does not fit is said in the log: warnings of the file at the start, a cluster that a replica cannot serve once per version', {
  timeout: 120_000,
}, async () => {
  await using cluster = await startCluster();
  expect(cluster.replica('eu-west').lines('config.warning')).toMatchObject([
    { level: 'warn', because: expect.stringContaining('found no anchors') },
  ]);
  expect(cluster.replica('us-east').lines('cluster.unfit')).toEqual([]);
  await cluster.stop('us-east');
  cluster.edit('us-east', (text) => text.replace('  local:', '  another:'));
  const misfit = await cluster.start('us-east');
  const unfit = await until('its warning', () => misfit.lines('cluster.unfit')[0]);
  expect(unfit).toMatchObject({ level: 'warn', version: 1, because: [expect.stringMatching(/"local".*another/)] });
  cluster.edit('eu-west', (text) => text.replace('recoveryHold: 2s', 'recoveryHold: 3s'));
  await reload(cluster, 'eu-west');
  await until('its next warning', () => misfit.lines('cluster.unfit').length === 2);
  expect(misfit.lines('cluster.unfit').map(({ version }) => version)).toEqual([1, 2]);
});
