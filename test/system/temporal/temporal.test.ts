// One's own Temporal, for real: two clusters of the released server that replicate to one another. Looked at, failed over by force, handed over without loss,
// waited for; the executor loses its memory in between; at last one cluster is killed.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { realPorts } from '../../../src/ports.ts';
import type { Effect, Facts, Reading, StepContext, StepKind } from '../../../src/runbook/kind.ts';
import { type TemporalCluster, temporal } from '../../../src/runbook/temporal/cluster.ts';
import { temporalFailover } from '../../../src/runbook/temporal/failover.ts';
import { temporalHandover } from '../../../src/runbook/temporal/handover.ts';
import { watchedInClusters } from '../../../src/runbook/temporal/sources.ts';
import { temporalWait } from '../../../src/runbook/temporal/wait.ts';
import { lookAt } from '../../probe/origin.ts';
import { callOf, stepContext, systemContext } from '../../runbook/temporal/fixture.ts';
import { until } from '../until.ts';
import { type Cluster, type Clusters, startClusters } from './clusters.ts';

const STARTED_MS_MAX = 40 * 60_000;
const never = new AbortController().signal;

let clusters: Clusters;
let [a, b]: [TemporalCluster, TemporalCluster] = [null as never, null as never];
let context: StepContext;

beforeAll(async () => {
  clusters = await startClusters();
  const open = async (address: string): Promise<TemporalCluster> =>
    (await temporal.open({ kind: 'temporal', address }, systemContext(new Map()))) as TemporalCluster;
  [a, b] = [await open(clusters.a.address), await open(clusters.b.address)];
  context = stepContext({ a, b }, realPorts());
  await clusters.register('shop');
}, STARTED_MS_MAX);

afterAll(async () => {
  await a?.close();
  await b?.close();
  await clusters?.[Symbol.asyncDispose]();
});

type Moving = 'temporal.failover' | 'temporal.handover';
const specOf = (system: string, namespaces: readonly string[], to: string) => ({ system, namespaces, to, parallel: 5, stopAfter: 3 });
type Spec = ReturnType<typeof specOf>;

/** Reads until it is over; the kind acts until all of it was asked for. */
const drive = async (
  kind: StepKind<Moving>,
  spec: Spec,
  key: string,
): Promise<{ effect: Effect | null; last: Reading; because: string[] }> => {
  let facts: Facts = {};
  let effect: Effect | null = null;
  const because: string[] = [];
  const last = await until(
    `${kind.kind} to ${spec.to}`,
    async () => {
      const reading = await kind.read(spec, callOf(context, facts, { key }));
      because.push(reading.because);
      facts = reading.facts ?? facts;
      if (reading.is === 'reached' || reading.is === 'never') return reading;
      if (reading.is === 'pending' && (effect?.took !== 'accepted' || effect.more === true)) {
        effect = await kind.apply!(spec, callOf(context, facts, { key }));
        facts = effect.facts ?? facts;
      }
      return null;
    },
    90_000,
  );
  return { effect, last, because };
};

const placeOf = async (cluster: TemporalCluster, namespace: string) => {
  const look = await cluster.forced.look(namespace, never);
  if (look.is !== 'seen') throw new Error(look.because);
  return look.place;
};

/** How many were ever begun there. */
const handovers = async ({ raw }: Cluster): Promise<number> => {
  const query = 'WorkflowType = "namespace-handover"';
  const { executions } = await raw.workflowService.listWorkflowExecutions({ namespace: 'temporal-system', query });
  return executions?.length ?? 0;
};

const startWorkflow = async (workflowId: string): Promise<void> => {
  await clusters.a.raw.workflowService.startWorkflowExecution({
    namespace: 'shop',
    workflowId,
    requestId: workflowId,
    workflowType: { name: 'order' },
    taskQueue: { name: 'orders' },
  });
};

/** As many as a queue has partitions: a poll that finds its task in a leaf is never seen by the root, which is the one that tells of pollers. */
const POLLS = 5;
const POLL_MS = 60_000;

/** Polls `orders` of the first cluster as the SDK's workers do, several at a time and on and on, until it is stopped. It drops what it gets. */
const worker = (identity: string): { stop(): Promise<void> } => {
  const { workflowService } = clusters.a.raw;
  const stopped = new AbortController();
  const pollOn = async (): Promise<void> => {
    while (!stopped.signal.aborted)
      await clusters.a.raw
        .withAbortSignal(stopped.signal, () =>
          clusters.a.raw.withDeadline(Date.now() + POLL_MS, () =>
            workflowService.pollWorkflowTaskQueue({ namespace: 'shop', taskQueue: { name: 'orders' }, identity }),
          ),
        )
        .catch((error) => {
          if (!stopped.signal.aborted) throw error;
        });
  };
  const polls = Promise.all(Array.from({ length: POLLS }, pollOn));
  return {
    async stop() {
      stopped.abort();
      await polls;
    },
  };
};

test('a frontend says that it serves, and how far away it is', async () => {
  expect(await a.serves(never)).toBe(true);
  expect(await a.roundTripMs(never)).toBeLessThan(2000);
});

test('a frontend as a target: a look of gRPC health sees the service that it offers, and that it does not offer another', async () => {
  const look = async (service: string) =>
    (await lookAt({ kind: 'grpc', url: `grpc://${clusters.a.address}`, service }, { timeoutMs: 5000 })).outcome;
  expect(await look('temporal.api.workflowservice.v1.WorkflowService')).toMatchObject({ saw: 'ok' });
  expect(await look('orders.v1.Orders')).toMatchObject({
    saw: 'fault',
    reason: 'status',
    detail: expect.stringMatching(/NOT_FOUND|SERVICE_UNKNOWN/),
  });
});

test('a canary through a frontend: a namespace that is there is described, one that is not is told', async () => {
  expect(await a.describes('shop', never)).toBeLessThan(2000);
  await expect(a.describes('nowhere', never)).rejects.toThrow(/NOT_FOUND/);
});

test('a namespace is described: where it is, where it could be, how often it moved', async () => {
  await until('the clusters know one another', async () => (await placeOf(b, 'shop')).replicas.every(({ ready }) => ready));
  expect(await placeOf(b, 'shop')).toEqual({
    active: 'cluster-a',
    replicas: [
      { place: 'cluster-a', ready: true, state: 'connected' },
      { place: 'cluster-b', ready: true, state: 'connected' },
    ],
    forwardingDisabled: null,
    managedFailoverDisabled: null,
    busy: null,
    fixed: null,
    version: 1,
  });
  expect(await a.forced.look('nowhere', never)).toMatchObject({ is: 'never' });
});

test('a local namespace is never moved', async () => {
  await clusters.a.raw.workflowService.registerNamespace({
    namespace: 'local',
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  expect(await temporalFailover.read(specOf('a', ['local'], 'cluster-b'), callOf(context))).toMatchObject({ is: 'never' });
});

test('a forced failover is asked of the cluster that is to be active, and both know it', async () => {
  const { effect, last } = await drive(temporalFailover, specOf('b', ['shop'], 'cluster-b'), 'r1.failover');
  expect(effect).toMatchObject({ took: 'accepted' });
  expect(last).toMatchObject({ is: 'reached', because: 'shop is active in cluster-b' });
  await until('the other cluster has heard', async () => (await placeOf(a, 'shop')).active === 'cluster-b');
  expect((await placeOf(b, 'shop')).version).toBe(2);
});

test('what is so already is not done again', async () => {
  expect(await temporalFailover.apply!(specOf('b', ['shop'], 'cluster-b'), callOf(context))).toMatchObject({ took: 'accepted' });
  expect((await placeOf(b, 'shop')).version).toBe(2);
  const { failoverHistory } = await clusters.b.raw.workflowService.describeNamespace({ namespace: 'shop' });
  expect(failoverHistory?.length).toBe(1);
});

test('a cluster that the namespace has no replica in is refused before it is asked', async () => {
  const reading = await temporalFailover.read(specOf('b', ['shop'], 'cluster-z'), callOf(context));
  expect(reading).toMatchObject({ is: 'never' });
  expect(reading.because).toContain('has no replica in cluster-z, only in cluster-a, cluster-b');
  expect(await b.forced.begin('shop', 'cluster-z', 'x', never)).toMatchObject({ took: 'fatal' });
  expect(await b.forced.begin('nowhere', 'cluster-b', 'x', never)).toMatchObject({ took: 'refused' });
});

test('a handover is begun in the cluster that is active, and nowhere else', async () => {
  const reading = await temporalHandover.read(specOf('a', ['shop'], 'cluster-a'), callOf(context));
  expect(reading.is).toBe('never');
  expect(reading.because).toContain('is active in cluster-b, and a handover is begun there, not in cluster-a');
});

test('a handover moves it without loss, and whoever begins it again under the same key begins nothing', async () => {
  const spec = specOf('b', ['shop'], 'cluster-a');
  const key = 'r2.handover';
  const first = await temporalHandover.apply!(spec, callOf(context, {}, { key }));
  expect(first).toMatchObject({ took: 'accepted' });
  // The executor has died, and nothing that it knew is left.
  const again = await temporalHandover.apply!(spec, callOf(context, {}, { key }));
  expect(again).toMatchObject({ took: 'accepted' });
  const { last } = await drive(temporalHandover, spec, key);
  expect(last).toMatchObject({ is: 'reached' });
  expect((await placeOf(b, 'shop')).version).toBe(101);
  expect(await handovers(clusters.b)).toBe(1);
});

/** While the other cluster stands still. */
const stalled = async (work: () => Promise<void>): Promise<void> => {
  clusters.b.signal('SIGSTOP');
  try {
    await work();
  } finally {
    clusters.b.signal('SIGCONT');
  }
  const { replicationConfig } = await clusters.a.raw.workflowService.describeNamespace({ namespace: 'shop' });
  expect(replicationConfig).toMatchObject({ activeClusterName: 'cluster-a', state: 1 });
};

test('a handover that does not get through in time moves nothing, and traffic goes on where it was', async () => {
  await until('all have heard', async () => (await placeOf(a, 'shop')).active === 'cluster-a');
  await stalled(async () => {
    const { last, because } = await drive(temporalHandover, specOf('a', ['shop'], 'cluster-b'), 'r3.handover');
    expect(last).toMatchObject({ is: 'never' });
    expect(last.because).toMatch(/shop, in cluster-a \(the handover to cluster-b ended FAILED, and moved nothing: .*timeout/);
    expect(because.join('\n')).toMatch(/the handover has been under way for \d+ s/);
    expect(await handovers(clusters.a)).toBe(1);
  });
}, 120_000);

test('a handover whose other side does not catch up is taken back before the namespace refuses anything', async () => {
  await stalled(async () => {
    // Something that the other side has yet to hear of.
    await startWorkflow('unheard');
    const { last, because } = await drive(temporalHandover, specOf('a', ['shop'], 'cluster-b'), 'r4.handover');
    expect(last).toMatchObject({ is: 'never' });
    expect(last.because).toMatch(/shop, in cluster-a \(the handover to cluster-b was taken back, and moved nothing/);
    expect(because.join('\n')).toMatch(/replication to cluster-b catches up, for \d+ s now; too long, so it is taken back/);
  });
}, 120_000);

test('workers are waited for: whose they are, that they poll, and that tasks reach somebody', async () => {
  const spec = { system: 'a', namespaces: ['shop'], queues: ['orders'], identity: '^pod-eu-', pollers: 1 };
  const reading = (facts: Facts = {}): Promise<Reading> => temporalWait.read(spec, callOf(context, facts));
  expect(await reading()).toMatchObject({ is: 'pending', because: '0 of 1 task queues work; shop/orders: 0 of 1 pollers seen' });
  await startWorkflow('w1');
  const elsewhere = worker('pod-us-1');
  await until('those of another region are told apart', async () => {
    const { because } = await reading();
    if (!because.includes('0 of 1 pollers seen, beside 1 of elsewhere or long gone')) throw new Error(because);
    return true;
  });
  await elsewhere.stop();
  await startWorkflow('w2');
  const ours = worker('pod-eu-1');
  const { because } = await until('the region works', async () => {
    const seen = await reading();
    return seen.is === 'reached' ? seen : null;
  });
  await ours.stop();
  expect(because).toBe('1 task queues have their pollers, and no task waits in vain');
}, 120_000);

test('twelve tenants move, a few at a time', async () => {
  const tenants = Array.from({ length: 12 }, (_, n) => `tenant-${n}`);
  for (const name of tenants) await clusters.register(name);
  const { last } = await drive(temporalFailover, specOf('b', tenants, 'cluster-b'), 'r4.failover');
  expect(last).toMatchObject({ is: 'reached', because: '12 of 12 namespaces are active in cluster-b' });
}, 120_000);

test('a cluster is killed: what is left moves by force, and is seen where it is', async () => {
  await clusters.a.kill();
  expect(await a.forced.look('shop', never)).toMatchObject({ is: 'unknown' });
  expect(await a.forced.begin('shop', 'cluster-a', 'x', never)).toMatchObject({ took: 'undecided' });
  const { last } = await drive(temporalFailover, specOf('b', ['shop'], 'cluster-b'), 'r5.failover');
  expect(last).toMatchObject({ is: 'reached' });
  expect(await watchedInClusters('shop', [a, b]).look(never)).toEqual({ place: 'cluster-b' });
  expect(
    await temporalWait.read({ system: 'a', namespaces: ['shop'], queues: ['orders'], identity: null, pollers: 1 }, callOf(context)),
  ).toMatchObject({ is: 'unknown' });
});
