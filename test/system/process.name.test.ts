// A name belongs to one process: who comes second under the same region and replica ends itself with a sentence, whichever of the two slept meanwhile.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Cluster, startCluster } from './cluster.ts';
import { type ReplicaProcess, spawnReplica } from './replica-process.ts';
import { freePort } from './server.ts';
import { until } from './until.ts';

/** Another process from the same file, but for the port of its API. */
const twin = async (cluster: Cluster): Promise<ReplicaProcess> => {
  const apiPort = await freePort();
  const configFile = join(cluster.folder, `twin-${apiPort}.yaml`);
  writeFileSync(configFile, cluster.read('us-east').replace(`:${cluster.doors.api['us-east']}`, `:${apiPort}`));
  return spawnReplica({ configFile, logFile: join(cluster.folder, `twin-${apiPort}.log`), apiPort });
};

test('a second process under a name that is spoken for ends with a sentence, and the first goes on', { timeout: 120_000 }, async () => {
  await using cluster = await startCluster();
  const before = await cluster.routing();
  const second = await twin(cluster);
  expect(await second.ended).toEqual({ code: 1, signal: null });
  expect(second.lines('fatal')).toMatchObject([{ code: 'ERR_NAME_TAKEN', because: expect.stringContaining('us-east/a') }]);
  await until('the first votes as ever', async () => (await cluster.replica('us-east').status())?.self.canVote === true);
  expect((await cluster.routing()).services).toEqual(before.services);
  await cluster.expectSound();
});

test('one that slept while another took its name ends when it wakes, and the other goes on', { timeout: 120_000 }, async () => {
  await using cluster = await startCluster();
  const sleeper = cluster.replica('us-east');
  sleeper.signal('SIGSTOP');
  const heir = await twin(cluster);
  try {
    await until('the heir votes', async () => (await heir.status())?.self.canVote === true);
    sleeper.signal('SIGCONT');
    expect(await sleeper.ended).toEqual({ code: 1, signal: null });
    expect(sleeper.lines('fatal')).toMatchObject([{ code: 'ERR_NAME_TAKEN' }]);
    await until('the heir goes on', async () => (await heir.status())?.self.canVote === true);
    await cluster.expectSound();
  } finally {
    await heir.end('SIGKILL');
  }
});
