// Real causes for which a vantage keeps its vote: its uplink is gone, its process stutters. Its neighbours decide without it, and nothing moves.
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { expect, test } from 'vitest';
import { voteKey } from '../../src/coordinate/keys.ts';
import type { Vote } from '../../src/model.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { WEB } from './cluster-config.ts';
import { freePort } from './server.ts';
import { until } from './until.ts';

const selfOf = async (cluster: Cluster): Promise<Vote['self'] | undefined> =>
  ((await cluster.store.get({ keys: [voteKey('us-east', 'a')] })).kvs[0]?.value as Vote | undefined)?.self;
const because = (wanted: RegExp, cluster: Cluster): Promise<Vote['self']> =>
  until(`an abstention because of ${wanted}`, async () => {
    const self = await selfOf(cluster);
    return self?.state === 'abstain' && wanted.test(self.because) && self;
  });

const listening = async (port: number): Promise<Server> => {
  const server = createServer((socket) => socket.on('error', () => undefined).end());
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return server;
};

test('a vantage whose anchors stop answering keeps its vote, the others still drain what dies, and it votes again when they are back', {
  timeout: 180_000,
}, async () => {
  const ports = [await freePort(), await freePort()];
  let anchors = await Promise.all(ports.map(listening));
  const closed = (): Promise<unknown> => Promise.all(anchors.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => void (await closed()));
  await using cluster = await startCluster({ anchors: { 'us-east': ports.map((port) => `tcp://127.0.0.1:${port}`) } });
  await until('its vote', async () => (await selfOf(cluster))?.state === 'ok');

  await closed();
  await because(/2 of 2 anchors unreachable/, cluster);
  await cluster.killApp('ap-south');
  await cluster.untilServed('ap-south left without its vote', (route) => route['ap-south'] === 0);
  const [drain] = (await cluster.audits()).filter(({ changes }) => changes.some(({ after }) => after['ap-south'] === 0));
  expect(drain?.because).toContain('2 of 3 vantages');

  anchors = await Promise.all(ports.map(listening));
  await until('its vote again', async () => (await selfOf(cluster))?.state === 'ok');
  await cluster.expectSound();
});

test('a vantage whose process stutters keeps its vote while it does, and nothing moves', { timeout: 180_000 }, async () => {
  await using cluster = await startCluster();
  const before = await cluster.routing();
  let stuttering = true;
  const asleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const stutter = (async () => {
    while (stuttering) {
      cluster.replica('us-east').signal('SIGSTOP');
      await asleep(400);
      cluster.replica('us-east').signal('SIGCONT');
      await asleep(150);
    }
  })();
  try {
    await because(/late/, cluster);
  } finally {
    stuttering = false;
    await stutter;
  }
  await until('its vote again', async () => (await selfOf(cluster))?.state === 'ok');
  expect((await cluster.routing()).services[WEB]?.route).toEqual(before.services[WEB]?.route);
  await cluster.expectSound();
});
