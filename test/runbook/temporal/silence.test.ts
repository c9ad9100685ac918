// Silence of Temporal, through the breaker of its system: what does not answer is left alone for a while, what refuses is not, and one that is left alone
// takes nothing from what another one answers.
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSystems, type Systems } from '../../../src/runbook/open.ts';
import type { TemporalCloud } from '../../../src/runbook/temporal/cloud.ts';
import type { TemporalCluster } from '../../../src/runbook/temporal/cluster.ts';
import { temporalFailover } from '../../../src/runbook/temporal/failover.ts';
import { watchedInCloud, watchedInClusters } from '../../../src/runbook/temporal/sources.ts';
import { described, type FakeFrontend, grpcError, startFakeFrontend } from './fake-frontend.ts';
import { callOf, stepContext, systemContext, TOKEN_FILE } from './fixture.ts';

const never = new AbortController().signal;
const IN_A_ROW = 5;
let [a, b, systems] = [null, null, null] as unknown as [FakeFrontend, FakeFrontend, Systems];

beforeEach(async () => {
  [a, b] = [await startFakeFrontend(null), await startFakeFrontend(null)];
  b.answers.set('DescribeNamespace', described('b', { failoverVersion: 12 }));
  systems = openSystems(
    {
      a: { kind: 'temporal', address: `127.0.0.1:${a.port}` },
      b: { kind: 'temporal', address: `127.0.0.1:${b.port}` },
      // Nobody listens there.
      cloud: { kind: 'temporal-cloud', url: 'http://127.0.0.1:9', tokenFile: TOKEN_FILE },
    },
    systemContext(new Map([[TOKEN_FILE, 'token-0123456789']])),
  );
});
afterEach(async () => {
  await systems.close();
  for (const each of [a, b]) await each[Symbol.asyncDispose]();
});

const standing = (name: string) => systems.standing().find((one) => one.name === name);
const times = async (work: () => Promise<unknown>, count = IN_A_ROW): Promise<void> => {
  for (let time = 0; time < count; time++) await work();
};

test.each(['forced', 'graceful'] as const)(
  '%s: five looks without an answer leave the cluster alone, and that is said in values',
  async (mover) => {
    a.answers.set('DescribeNamespace', grpcError(status.UNAVAILABLE, 'gone'));
    a.answers.set('GetClusterInfo', {});
    const cluster = await systems.system<TemporalCluster>('a', 'temporal');
    await times(() => cluster[mover].look('shop', never), IN_A_ROW - 1);
    expect(standing('a')).toMatchObject({ state: 'closed', failures: IN_A_ROW - 1 });
    await cluster[mover].look('shop', never);
    expect(standing('a')).toMatchObject({ state: 'open', because: expect.stringContaining('UNAVAILABLE: gone') });
  },
);

test('the cloud, likewise, by whatever is asked of it', async () => {
  const cloud = await systems.system<TemporalCloud>('cloud', 'temporal-cloud');
  await cloud.forced.look('shop', never);
  await cloud.forced.begin('shop', 'eu', 'id', never);
  await cloud.forced.follow('shop', 'eu', 'id', never);
  await cloud.ordered('shop', 0, never).catch(() => null);
  expect(standing('cloud')).toMatchObject({ state: 'closed', failures: 4 });
  await cloud.forced.look('shop', never);
  expect(standing('cloud')).toMatchObject({ state: 'open' });
});

test.each([status.NOT_FOUND, status.PERMISSION_DENIED, status.UNIMPLEMENTED, status.UNAUTHENTICATED])(
  'refusals, of status %s, are answers, however many: of namespaces and of queues',
  async (code) => {
    for (const method of ['DescribeNamespace', 'UpdateNamespace', 'DescribeTaskQueue', 'DescribeWorkflowExecution'])
      a.answers.set(method, grpcError(code, 'no'));
    const cluster = await systems.system<TemporalCluster>('a', 'temporal');
    await times(() => cluster.forced.look('shop', never));
    await times(() => cluster.forced.begin('shop', 'b', 'id', never));
    await times(() => cluster.graceful.follow('shop', 'b', 'id', never));
    await times(() => cluster.queue('shop', 'work', never).catch(() => null));
    expect(standing('a')).toMatchObject({ state: 'closed', failures: 0 });
  },
);

test('whoever ends the call itself has not found silence', async () => {
  a.answers.set('DescribeNamespace', null);
  const cluster = await systems.system<TemporalCluster>('a', 'temporal');
  await times(() => cluster.forced.look('shop', AbortSignal.abort(new Error('stopping'))));
  expect(standing('a')).toMatchObject({ state: 'closed', failures: 0 });
});

test('a cluster that is left alone does not hide where the other one has seen the namespace', async () => {
  a.answers.set('DescribeNamespace', grpcError(status.UNAVAILABLE, 'gone'));
  const clusters = [await systems.system<TemporalCluster>('a', 'temporal'), await systems.system<TemporalCluster>('b', 'temporal')];
  const watched = watchedInClusters('shop', clusters);
  await times(async () => expect(await watched.look(never)).toEqual({ place: 'b' }));
  expect(standing('a')).toMatchObject({ state: 'open' });
  expect(await watched.look(never)).toEqual({ place: 'b' });
});

test('a step whose system is left alone reads as unknown with what is known, and is refused: nothing was sent', async () => {
  a.answers.set('DescribeNamespace', grpcError(status.UNAVAILABLE, 'gone'));
  const cluster = await systems.system<TemporalCluster>('a', 'temporal');
  await times(() => cluster.forced.look('shop', never));
  const spec = { system: 'a', namespaces: ['shop', 'mail'], to: 'b', parallel: 2, stopAfter: 3 };
  const context = { ...stepContext({}), system: systems.system };
  const facts = { tried: ['mail'], failed: { mail: 'it failed before' } };
  const reading = await temporalFailover.read(spec, callOf(context, facts));
  expect(reading).toMatchObject({
    is: 'unknown',
    because: expect.stringContaining('left alone until'),
    facts: { failed: { mail: 'it failed before' } },
  });
  const effect = await temporalFailover.apply?.(spec, callOf(context, facts));
  expect(effect).toMatchObject({ took: 'refused', facts: { failed: { mail: 'it failed before' } } });
});

test('evidence of a move is had from what answers', async () => {
  const cloud = await systems.system<TemporalCloud>('cloud', 'temporal-cloud');
  const watched = watchedInCloud('shop', cloud, { ports: systemContext(new Map()).ports, servers: [] }, () => 0);
  await times(async () =>
    expect(await watched.evidence(never)).toEqual({ kind: 'temporal-cloud', managedFailoverDisabled: null, ordered: null }),
  );
});
