// One's own cluster over the wire: TLS and keys, what each answer means, what is sent and what never is; by a fake of its frontend.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { realPorts } from '../../../src/ports.ts';
import type { SystemContext } from '../../../src/runbook/kind.ts';
import type { TemporalConfig } from '../../../src/runbook/systems.ts';
import { readBatch } from '../../../src/runbook/temporal/batch.ts';
import { type TemporalCluster, temporal } from '../../../src/runbook/temporal/cluster.ts';
import { handoverInput, handoverOf, placeOf, type WorkflowDescribed } from '../../../src/runbook/temporal/cluster-wire.ts';
import { type Authority, type Certificate, createAuthority } from '../../etcd-certificates.ts';
import { described, type FakeFrontend, grpcError, startFakeFrontend } from './fake-frontend.ts';
import { systemContext } from './fixture.ts';

const never = new AbortController().signal;
let folder: string;
let authority: Authority;
let [serving, own]: [Certificate, Certificate] = [null as never, null as never];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-temporal-'));
  authority = createAuthority(folder);
  [serving, own] = [authority.issue('temporal', ['DNS:temporal.test']), authority.issue('tidegate')];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.reverse().splice(0)) await close();
});

const secrets = new Map<string, string>();
beforeEach(() => {
  secrets.clear();
  for (const [path, text] of [
    ['/ca', authority.caPem],
    ['/cert', own.certPem],
    ['/key', own.keyPem],
    ['/token', 'temporal-key-0123456789'],
  ] as const)
    secrets.set(path, text);
});

const frontend = async (tls: Parameters<typeof startFakeFrontend>[0] = null): Promise<FakeFrontend> => {
  const fake = await startFakeFrontend(tls);
  closing.push(() => fake[Symbol.asyncDispose]());
  fake.answers.set('DescribeNamespace', described('a'));
  fake.answers.set('ListClusters', {
    clusters: [
      { clusterName: 'a', isConnectionEnabled: true },
      { clusterName: 'b', isConnectionEnabled: true },
    ],
  });
  fake.answers.set('GetClusterInfo', { clusterName: 'a' });
  fake.answers.set('UpdateNamespace', {});
  return fake;
};

const opened = async (config: Omit<TemporalConfig, 'kind'>, over: Partial<SystemContext> = {}): Promise<TemporalCluster> => {
  const cluster = (await temporal.open({ kind: 'temporal', ...config }, { ...systemContext(secrets), ...over })) as TemporalCluster;
  closing.push(() => cluster.close());
  return cluster;
};

describe('a connection', () => {
  test('is made to an address of our resolver, verified against the name, and shows itself', async () => {
    const fake = await frontend({ ...serving, clientCaPem: authority.caPem });
    const address = `temporal.test:${fake.port}`;
    const cluster = await opened({ address, tls: { caFile: '/ca', certFile: '/cert', keyFile: '/key' }, apiKeyFile: '/token' });
    expect(await cluster.forced.look('shop', never)).toMatchObject({ is: 'seen', place: { active: 'a' } });
    expect(fake.calls[0]).toMatchObject({ method: 'DescribeNamespace', authorization: 'Bearer temporal-key-0123456789' });
  });

  test('to another name than the certificate has is none, unless that name is configured', async () => {
    const fake = await frontend(serving);
    const other = await opened({ address: `other.test:${fake.port}`, tls: { caFile: '/ca' } });
    expect(await other.forced.look('shop', never)).toMatchObject({ is: 'unknown' });
    const named = await opened({ address: `other.test:${fake.port}`, tls: { caFile: '/ca', serverName: 'temporal.test' } });
    expect(await named.forced.look('shop', never)).toMatchObject({ is: 'seen' });
  });

  test('to one whom the system does not trust is none', async () => {
    const fake = await frontend(serving);
    const cluster = await opened({ address: `temporal.test:${fake.port}`, tls: {} });
    expect(await cluster.forced.look('shop', never)).toMatchObject({ is: 'unknown' });
    expect(fake.calls).toEqual([]);
  });

  test('to an address is verified against that address', async () => {
    const fake = await frontend(serving);
    const wrong = await opened({ address: `127.0.0.1:${fake.port}`, tls: { caFile: '/ca' } });
    expect(await wrong.forced.look('shop', never)).toMatchObject({ is: 'unknown' });
    const right = await frontend(authority.issue('temporal', ['IP:127.0.0.1']));
    const cluster = await opened({ address: `127.0.0.1:${right.port}`, tls: { caFile: '/ca' } });
    expect(await cluster.forced.look('shop', never)).toMatchObject({ is: 'seen' });
  });

  test('takes a key that was rotated', async () => {
    const fake = await frontend();
    const cluster = await opened({ address: `localhost:${fake.port}`, apiKeyFile: '/token' });
    await cluster.forced.look('shop', never);
    secrets.set('/token', 'temporal-key-9876543210');
    await cluster.forced.look('shop', never);
    expect(fake.calls.at(-1)?.authorization).toBe('Bearer temporal-key-9876543210');
  });

  test('goes to the next address of a name when one does not answer', async () => {
    const fake = await frontend();
    const resolve: SystemContext['resolve'] = async () => ({ addresses: ['127.0.0.9', '127.0.0.1'], stale: null, ageMs: 0 });
    const cluster = await opened({ address: `temporal.test:${fake.port}` }, { resolve });
    expect((await cluster.forced.look('shop', never)).is).toBe('unknown');
    expect((await cluster.forced.look('shop', never)).is).toBe('seen');
    expect((await cluster.forced.look('shop', never)).is).toBe('seen');
  });

  test('is shared by calls at once, and one that fails takes none of the others with it', async () => {
    const fake = await frontend();
    const cluster = await opened({ address: `localhost:${fake.port}` });
    const late = Promise.withResolvers<object>();
    fake.answers.set('UpdateNamespace', late.promise);
    const waiting = cluster.forced.begin('shop', 'b', 'id', never);
    await expect.poll(() => fake.calls.length).toBe(1);
    fake.answers.set('DescribeNamespace', grpcError(status.UNAVAILABLE, 'Namespace replication in Handover state.'));
    expect((await cluster.forced.look('shop', never)).is).toBe('unknown');
    fake.answers.set('DescribeNamespace', described('a'));
    expect((await cluster.forced.look('shop', never)).is).toBe('seen');
    late.resolve({});
    expect(await waiting).toMatchObject({ took: 'accepted' });
  });

  test('that does not answer leaves it undecided, whoever ends the waiting', async () => {
    const fake = await frontend();
    const cluster = await opened({ address: `localhost:${fake.port}` });
    fake.answers.set('UpdateNamespace', null);
    const ending = new AbortController();
    const hanging = cluster.forced.begin('shop', 'b', 'id', ending.signal);
    await expect.poll(() => fake.calls.length).toBe(1);
    ending.abort(new Error('the deadline'));
    expect(await hanging).toMatchObject({ took: 'undecided', because: expect.stringContaining('the deadline') });
    expect(await cluster.forced.begin('shop', 'b', 'id', never)).toMatchObject({
      took: 'undecided',
      because: expect.stringContaining('5000 ms'),
    });
  });

  test.each([
    ['no address', { address: 'temporal' }, 'ERR_SYSTEM'],
    ['a URL', { address: 'https://temporal.test:7233' }, 'ERR_SYSTEM'],
    ['a key in the clear', { address: 'temporal.test:7233', apiKeyFile: '/token' }, 'ERR_SYSTEM'],
    ['authorities that are none', { address: 'temporal.test:7233', tls: { caFile: '/token' } }, 'ERR_SYSTEM'],
    ['a certificate without its key', { address: 'temporal.test:7233', tls: { certFile: '/cert' } }, 'ERR_SYSTEM'],
    ['a key that is not there', { address: 'temporal.test:7233', tls: {}, apiKeyFile: '/none' }, 'ERR_SECRET'],
  ] as const)('%s is refused when it is opened', async (_, config, code) => {
    await expect(opened(config)).rejects.toMatchObject({ code });
  });

  test('after close nothing is connected to', async () => {
    const fake = await frontend();
    const cluster = await opened({ address: `localhost:${fake.port}` });
    await cluster.close();
    expect(await cluster.forced.look('shop', never)).toMatchObject({ is: 'unknown' });
    expect(fake.calls).toEqual([]);
  });
});

describe('a failover by force', () => {
  test('sends the active cluster and nothing else', async () => {
    const fake = await frontend();
    const cluster = await opened({ address: `localhost:${fake.port}` });
    expect(await cluster.forced.begin('shop', 'b', 'id', never)).toMatchObject({ took: 'accepted' });
    const { request } = fake.calls[0]!;
    expect(JSON.parse(JSON.stringify(request))).toEqual({ namespace: 'shop', replicationConfig: { activeClusterName: 'b' } });
  });

  test.each([
    [status.INVALID_ARGUMENT, 'fatal'],
    [status.PERMISSION_DENIED, 'fatal'],
    [status.UNAUTHENTICATED, 'fatal'],
    [status.UNIMPLEMENTED, 'fatal'],
    [status.NOT_FOUND, 'refused'],
    [status.FAILED_PRECONDITION, 'refused'],
    [status.RESOURCE_EXHAUSTED, 'refused'],
    [status.UNAVAILABLE, 'undecided'],
    [status.INTERNAL, 'undecided'],
    [status.DEADLINE_EXCEEDED, 'undecided'],
    [status.ABORTED, 'undecided'],
    [status.UNKNOWN, 'undecided'],
  ])('%s is %s', async (code, took) => {
    const fake = await frontend();
    const cluster = await opened({ address: `localhost:${fake.port}` });
    fake.answers.set('UpdateNamespace', grpcError(code, 'said the server'));
    expect(await cluster.forced.begin('shop', 'b', 'id', never)).toMatchObject({
      took,
      because: expect.stringContaining('said the server'),
    });
    // Nothing is sent twice behind our back.
    expect(fake.calls.length).toBe(1);
  });
});

describe('a handover', () => {
  test('that was begun already is the same one', async () => {
    const fake = await frontend();
    const cluster = await opened({ address: `localhost:${fake.port}` });
    fake.answers.set('StartWorkflowExecution', grpcError(status.ALREADY_EXISTS, 'Workflow execution already finished successfully.'));
    expect(await cluster.graceful.begin('shop', 'b', 'id', never)).toMatchObject({ took: 'accepted' });
    expect(fake.calls[0]?.request).toMatchObject({
      namespace: 'temporal-system',
      workflowId: 'tidegate-handover-id',
      workflowType: { name: 'namespace-handover' },
      taskQueue: { name: 'default-worker-tq' },
      requestId: 'id',
    });
  });

  test('is asked within the clamps of the server', () => {
    expect(handoverInput('shop', 'b')).toEqual({
      Namespace: 'shop',
      RemoteCluster: 'b',
      AllowedLaggingSeconds: 30,
      AllowedLaggingTasks: 0,
      HandoverTimeoutSeconds: 10,
    });
  });

  const run = (status: number, activity: string | null): WorkflowDescribed =>
    ({
      workflowExecutionInfo: { status },
      pendingActivities: activity === null ? [] : [{ activityType: { name: activity } }],
    }) as unknown as WorkflowDescribed;
  test.each([
    [run(1, 'WaitReplication'), 45_000, 'moving', false],
    [run(1, 'WaitReplication'), 45_001, 'moving', true],
    [run(1, 'WaitHandover'), 90_000, 'moving', false],
    [run(1, null), 90_000, 'moving', false],
    [run(2, null), 0, 'moved', false],
    [run(3, null), 0, 'failed', false],
    [run(4, null), 0, 'failed', false],
    [run(5, null), 0, 'failed', false],
    [run(7, null), 0, 'failed', false],
  ])('%# is judged by its status, and taken back only while it waits for lag', (workflow, ranMs, is, lagging) => {
    expect(handoverOf(workflow, 'b', ranMs, 'why')).toMatchObject({ operation: { is }, lagging });
  });

  test('of somebody else is waited for; one of ours, begun by one who has died, is followed', async () => {
    const fake = await frontend();
    const cluster = await opened({ address: `localhost:${fake.port}` });
    fake.answers.set(
      'DescribeNamespace',
      described('a', { replicationConfig: { activeClusterName: 'a', clusters: [{ clusterName: 'b' }], state: 2 } }),
    );
    const read = () =>
      readBatch(
        { namespaces: ['shop'], to: 'b', parallel: 1, stopAfter: 1 },
        { ports: realPorts(), mover: cluster.graceful, key: 'k', facts: {}, signal: never },
      );
    fake.answers.set('DescribeWorkflowExecution', grpcError(status.NOT_FOUND, 'no such workflow'));
    expect(await read()).toMatchObject({
      is: 'pending',
      because: expect.stringContaining('waiting: shop, in a (shop is being handed over already)'),
    });
    fake.answers.set('DescribeWorkflowExecution', run(1, 'WaitHandover'));
    expect(await read()).toMatchObject({ is: 'pending', because: expect.stringContaining('under way: shop') });
  });
});

describe('a namespace', () => {
  const clusters = { clusters: [{ clusterName: 'a', isConnectionEnabled: true }] } as never;
  const place = (over: object, known: null | typeof clusters, mode: Parameters<typeof placeOf>[3]) =>
    placeOf('shop', described('a', over) as never, known, mode);
  test('whose other cluster is cut off is not ready there; who may not list clusters is not told', () => {
    expect(place({}, clusters, { graceful: false })).toMatchObject({
      place: { replicas: [{ ready: true }, { place: 'b', ready: false, state: 'not connected' }] },
    });
    expect(place({}, null, { graceful: false })).toMatchObject({ place: { replicas: [{}, { ready: true, state: 'not listed' }] } });
  });
  test('that is handed over is busy for a second handover, and not for force', () => {
    const over = { replicationConfig: { activeClusterName: 'a', clusters: [], state: 2 } };
    expect(place(over, null, { graceful: false })).toMatchObject({ place: { busy: null } });
    expect(place(over, null, { graceful: true, self: 'a' })).toMatchObject({ place: { busy: 'is being handed over already' } });
  });
  test.each([
    [{ isGlobalNamespace: false }, 'is a local namespace, with no replica anywhere'],
    [{ namespaceInfo: { state: 2 } }, 'is deprecated or deleted'],
    [{}, null],
  ])('%j', (over, fixed) => {
    expect(place(over, null, { graceful: false })).toMatchObject({ place: { fixed } });
  });
  test('is handed over from the cluster that is active', () => {
    expect(place({}, null, { graceful: true, self: 'b' })).toMatchObject({
      place: { fixed: 'is active in a, and a handover is begun there, not in b' },
    });
  });
  test('without an active cluster is unknown', () => {
    expect(placeOf('shop', {} as never, null, { graceful: false }).is).toBe('unknown');
  });
});
