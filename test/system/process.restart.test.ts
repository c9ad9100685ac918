// Replicas that end and come back, and one that should not have been started: nothing moves that should not, nothing is lost, everybody ends in time.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Cluster, startCluster } from './cluster.ts';
import { REGIONS, type Region } from './cluster-config.ts';
import { spawnReplica } from './replica-process.ts';
import { until } from './until.ts';

/** A connection to a replica's API and everything that came back on it. */
const open = async (cluster: Cluster, region: Region): Promise<{ socket: Socket; said: () => string }> => {
  const socket = connect(cluster.doors.api[region], '127.0.0.1');
  let said = '';
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, said: () => said };
};

test('every replica is restarted while a region is down: no wrong move, no lower fence, each ends in time whatever is open on it', {
  timeout: 240_000,
}, async () => {
  await using cluster = await startCluster();
  await cluster.killApp('ap-south');
  await cluster.untilServed('ap-south drained', (route) => route['ap-south'] === 0);
  const drained = await cluster.routing();

  for (const region of ['us-east', 'eu-west', 'ap-south'] as const) {
    const idle = await open(cluster, region);
    idle.socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    await until('an answer on a connection that stays open', () => idle.said().includes('"pass"'));
    const order = JSON.stringify({
      kind: 'freeze',
      scope: { region: 'ap-south' },
      reason: 'the body is still on its way',
      owner: 'test',
      ttlMs: 60_000,
    });
    const flying = await open(cluster, region);
    flying.socket.write(
      `PUT /v1/overrides/${region} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${cluster.operatorToken}\r\n` +
        `content-type: application/json\r\ncontent-length: ${order.length}\r\nexpect: 100-continue\r\n\r\n`,
    );
    await until('the request under way', () => flying.said().startsWith('HTTP/1.1 100 '));
    flying.socket.write(order.slice(0, 10));
    const ending = cluster.stop(region);
    await until('it is stopping', () => cluster.replica(region).lines('stopping').length > 0);
    flying.socket.write(order.slice(10));
    expect(await ending).toEqual({ code: 0, signal: null });
    expect(flying.said()).toMatch(/^HTTP\/1\.1 201 /m);
    expect(cluster.replica(region).lines('stopped')).toMatchObject([{ inTime: true }]);
    await cluster.start(region);
    const [record] = (await cluster.store.get({ keys: ['override'] })).kvs;
    expect(record?.value).toMatchObject({ items: expect.arrayContaining([expect.objectContaining({ id: region })]) });
    await cluster.untilServed('the same route', (route) => route['ap-south'] === 0);
  }
  // The zone forgot everything when its replica ended; what is served again is what was decided before, under the fence of before.
  expect((await cluster.fence())?.v).toBe(drained.services['web.example.test']?.fence);
  const since = (await cluster.audits()).filter(({ v }) => v > drained.v);
  expect(since.flatMap(({ changes }) => changes)).toEqual([]);
  await cluster.expectSound();
});

test('a second instance on the same store file refuses with a sentence, also while the first stands still, and the first goes on', {
  timeout: 120_000,
}, async () => {
  await using cluster = await startCluster();
  const second = async (): Promise<void> => {
    const replica = spawnReplica({
      configFile: cluster.configFile('eu-west'),
      logFile: join(cluster.folder, 'second.log'),
      apiPort: cluster.doors.api['eu-west'],
    });
    expect(await replica.ended).toEqual({ code: 1, signal: null });
    expect(replica.stderr()).toMatch(/^tidegate: ERR_STORE_LOCKED .+\n$/);
    expect(replica.stderr()).toContain(join(cluster.folder, 'store.sqlite'));
    expect(replica.stderr()).toContain(`process ${cluster.replica('eu-west').pid}`);
  };
  await second();
  cluster.replica('eu-west').signal('SIGSTOP');
  await second();
  cluster.replica('eu-west').signal('SIGCONT');
  await cluster.killApp('ap-south');
  await cluster.untilServed('the first decides and serves', (route) => route['ap-south'] === 0);
  expect(await cluster.answers()).toEqual(REGIONS.slice(0, 2));
  await cluster.expectSound();
});

/** Accepts connections and never says anything. */
const startMute = async (): Promise<{ url: string } & AsyncDisposable> => {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
};

test('a replica ends within its five seconds although its store, its provider, a webhook, and those who ask it all hang', {
  timeout: 120_000,
}, async () => {
  await using mute = await startMute();
  await using cluster = await startCluster({ coordinators: ['us-east', 'ap-south'], webhookUrl: mute.url });
  const coordinator = await cluster.coordinator();
  await cluster.killApp('eu-west');
  await cluster.untilServed('eu-west drained', (route) => route['eu-west'] === 0);

  const asked = [
    [cluster.doors.api[coordinator], 'PUT /v1/overrides/x'],
    [cluster.doors.api['eu-west'], 'PUT /v1/overrides/x'],
    [cluster.doors.store, 'POST /store/v1/txn'],
    [cluster.doors.control, 'POST /zone/v1/swap'],
  ] as const;
  const { store, control } = cluster.wire(coordinator);
  store.blackhole();
  control.blackhole();
  for (const [port, line] of asked) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      `${line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${cluster.operatorToken}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{`,
    );
  }
  await until('attempts under way', () => cluster.replica(coordinator).lines('store.get').length > 0);
  for (const region of [coordinator, 'eu-west'] as const) {
    expect(await cluster.stop(region)).toEqual({ code: 0, signal: null });
    expect(cluster.replica(region).lines('stopped')).toMatchObject([{ inTime: true }]);
  }
});
