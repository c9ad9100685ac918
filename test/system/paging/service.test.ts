// Three real replicas with a real Redis: a page goes by it, the next one without it once it was killed, a monitor outside hears from every replica, and the
// command line shows who was told and takes an acknowledgement.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startCluster } from '../cluster.ts';
import { MAIN } from '../replica-process.ts';
import { workDir } from '../server.ts';
import { until } from '../until.ts';
import { startReceiver } from '../webhook-receiver.ts';
import { startRedis } from './redis.ts';

const run = promisify(execFile);

test('pages go by the region’s Redis, and without it when it dies; beats, list and acknowledgement', { timeout: 180_000 }, async () => {
  const dir = workDir('paging-service');
  let beats = 0;
  const monitor = http.createServer((request, reply) => {
    beats += 1;
    request.resume().on('end', () => reply.end());
  });
  monitor.listen(0, '127.0.0.1');
  await once(monitor, 'listening');
  const urlFile = join(dir, 'heartbeat.url');
  writeFileSync(urlFile, `http://127.0.0.1:${(monitor.address() as AddressInfo).port}/beat\n`, { mode: 0o600 });
  try {
    await using redis = await startRedis();
    await using receiver = await startReceiver();
    await using cluster = await startCluster({
      coordinators: ['us-east', 'ap-south'],
      webhookUrl: receiver.url,
      paging: [`redis: { url: '${redis.url}' }`, `heartbeat: { urlFile: ${urlFile}, every: 10s }`],
    });
    receiver.trust(cluster.webhookSecret);
    const victim = await cluster.coordinator();
    await cluster.killRegion(victim);
    await cluster.untilServed('traffic has left', (route) => route[victim] === 0);
    const drained = await until('the page of the drain', () => receiver.received.find(({ type }) => type === 'region.drained'));
    expect(drained.body).toMatchObject({ data: { action: 'trigger', severity: 'critical', detail: { region: victim } } });
    // Carried by Redis: a worker has completed its job there.
    const [queue = ''] = (await redis.command('KEYS', 'tidegate:*:events')) as string[];
    await until('a job completed', async () => JSON.stringify(await redis.command('XRANGE', queue, '-', '+')).includes('"completed"'));
    await until('a beat of each replica that is left', () => beats >= 2);

    await redis.kill();
    const heir = await cluster.coordinator();
    const ask = async (...args: readonly string[]): Promise<string> => {
      const env = {
        ...process.env,
        TIDEGATE_ENDPOINTS: `http://127.0.0.1:${cluster.doors.api[heir]}`,
        TIDEGATE_TOKEN_FILE: join(dir, 'operator.token'),
        NO_COLOR: '1',
      };
      return (await run(process.execPath, [MAIN, ...args], { env })).stdout;
    };
    writeFileSync(join(dir, 'operator.token'), cluster.operatorToken, { mode: 0o600 });
    const listed = JSON.parse(await ask('pages', '--state', 'all', '--json')) as {
      items: readonly { id: string; type: string; thread: string }[];
    };
    const page = listed.items.find(({ type }) => type === 'region.drained');
    expect(page).toMatchObject({ thread: 'firing' });
    const killedAtMs = performance.now();
    await ask('pages', 'ack', page?.id ?? '', '--reason', 'on it');
    const taken = await until('that somebody has it, without Redis', () =>
      receiver.received.find(({ type }) => type === 'incident.acknowledged'),
    );
    expect(taken.body).toMatchObject({ data: { action: 'acknowledge' } });
    // Within 5 s by design; a machine that is busy with other suites has some more.
    expect(performance.now() - killedAtMs).toBeLessThan(15_000);
    expect(receiver.refused).toEqual([]);
    await cluster.expectSound();
  } finally {
    monitor.closeAllConnections();
    await new Promise((resolve) => monitor.close(resolve));
    rmSync(dir, { recursive: true, force: true });
  }
});
