// A hostile neighbourhood: noise at every port, and processes that are killed again and again while an application flaps. Nothing may fall over,
// and whatever was decided meanwhile has to be explained without a gap.
import { randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { beatKey } from '../../src/coordinate/keys.ts';
import type { Beat } from '../../src/model.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { REGIONS, type Region } from './cluster-config.ts';
import { until } from './until.ts';

const pick = <T>(list: readonly T[]): T => list[randomInt(list.length)] as T;

/** Bytes of all sorts: pure noise, and noise behind a beginning that looks right. */
const noise = (): Buffer => {
  const start = pick([
    '',
    'GET / HTTP/1.1\r\n',
    'GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n',
    'POST /store/v1/txn HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n',
    'PUT /v1/overrides/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n',
    'POST /zone/v1/swap HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\ncontent-length: 5\r\n\r\n{"a":',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    '\x00\xff',
    '\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00',
  ]);
  return Buffer.concat([Buffer.from(start, 'latin1'), randomBytes(randomInt(4096))]);
};

/** One connection that sends noise and ends in one of several ways. Resolves when it is over. */
const scream = (port: number): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      for (let i = randomInt(4); i >= 0; i--) socket.write(noise());
      pick([() => socket.end(), () => socket.destroy(), () => socket.resetAndDestroy(), () => setTimeout(() => socket.destroy(), 500)])();
    });
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.once('close', () => resolve());
  });

const shout = async (port: number, datagrams: number): Promise<void> => {
  const socket = createSocket('udp4');
  for (let i = 0; i < datagrams; i++) await new Promise((resolve) => socket.send(noise().subarray(0, 1400), port, '127.0.0.1', resolve));
  socket.close();
};

test('noise at the ports of API, store, DNS and control: all replicas stay up, votes go on, nothing moves', {
  timeout: 180_000,
}, async () => {
  await using cluster = await startCluster();
  const before = await cluster.routing();
  const { api, store, control, dns } = cluster.doors;
  const ports = [...Object.values(api), store, control, dns];
  const ROUNDS = 25;
  for (let round = 0; round < ROUNDS; round++)
    await Promise.all([...ports.flatMap((port) => Array.from({ length: 4 }, () => scream(port))), shout(dns, 20)]);

  const beats = async (): Promise<number[]> =>
    (await cluster.store.get({ keys: REGIONS.map((region) => beatKey(region, 'a')) })).kvs.map(({ value }) => (value as Beat).n);
  const then = await beats();
  await until('beats of all', async () => (await beats()).every((n, i) => n > (then[i] ?? 0) + 2));
  for (const region of REGIONS) {
    expect(await Promise.race([cluster.replica(region).ended, 'running'])).toBe('running');
    expect((await cluster.replica(region).get('/readyz')).status).toBe(200);
    expect(cluster.replica(region).stderr()).toBe('');
    expect(cluster.replica(region).lines('api.failed')).toEqual([]);
  }
  expect((await cluster.routing()).services).toEqual(before.services);
  await cluster.killApp('ap-south');
  await cluster.untilServed('ap-south drained', (route) => route['ap-south'] === 0);
  await cluster.expectSound();
});

/** An application that changes its mind every second or so. */
const flap = (cluster: Cluster, region: Region): { stop(): void } => {
  let well = true;
  let timer: NodeJS.Timeout;
  const turn = (): void => {
    well = !well;
    cluster.setHealth(region, well);
    // Long enough down for a quorum, now and then; up as short or as long.
    timer = setTimeout(turn, pick([200, 1000, 3000]));
  };
  turn();
  return { stop: () => clearTimeout(timer) };
};

test('replicas killed at random while an application flaps: the audit has no gap, each change starts where the last ended, and it is served', {
  timeout: 300_000,
}, async () => {
  await using cluster = await startCluster({ policy: { latchAfter: '0', flapWindow: '1m', recoveryHold: '500ms', rampStep: '500ms' } });
  const flapping = flap(cluster, 'us-east');
  for (let round = 0; round < 10; round++) {
    const { v } = await cluster.routing();
    // In the middle of things: right after the next decision, if there is one soon.
    await until('a decision', async () => (await cluster.routing()).v > v, 2000).catch(() => undefined);
    const victim = pick(REGIONS);
    await cluster.replica(victim).end('SIGKILL');
    await cluster.start(victim);
  }
  flapping.stop();
  cluster.setHealth('us-east', true);
  await until('all votes', async () => {
    const selves = await Promise.all(REGIONS.map(async (region) => (await cluster.replica(region).status())?.self));
    return selves.every((self) => self?.canVote === true && self.canDecide);
  });
  await cluster.untilServed('what was decided last', () => true);
  expect((await cluster.audits()).filter(({ changes }) => changes.length > 0).length).toBeGreaterThan(1);
  await cluster.expectSound();
});
