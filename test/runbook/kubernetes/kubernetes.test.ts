// What the steps of Kubernetes and its audits say and do, over the fake cluster.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { selectorText } from '../../../src/runbook/kubernetes/objects.ts';
import { interplay } from '../../../src/runbook/kubernetes/scale.ts';
import type { KubernetesSystem } from '../../../src/runbook/kubernetes/system.ts';
import { startHarness } from '../../contract/step.contract.ts';
import { deploymentOf, NAMESPACE } from './fake.ts';
import { startScaleWorld, startWaitWorld } from './world.ts';

const scaling = () => startHarness('k8s.scale', startScaleWorld);
const waiting = () => startHarness('k8s.wait', startWaitWorld);
const NEVER = new AbortController().signal;

describe('k8s.scale', () => {
  test('exactly so many, or at least: a larger fleet stays as it is', async () => {
    await using h = await scaling();
    h.world.worker.replicas = 5;
    expect(await h.read()).toMatchObject({ is: 'reached', because: 'prod/worker is to have 5 pods, wanted at least 3' });
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
    expect(h.world.worker.replicas).toBe(5);
    h.world.spec.atLeast = false;
    expect(await h.read()).toMatchObject({ is: 'pending' });
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    expect(h.world.worker.replicas).toBe(3);
  });

  test('who slept through a later change is refused, even if it looks as it did', async () => {
    await using h = await scaling();
    const { facts } = await h.read();
    // Another scaled it up and down again meanwhile.
    Object.assign(h.world.worker, { generation: 3, resourceVersion: 140 });
    const effect = await h.apply(facts);
    expect(effect).toMatchObject({ took: 'refused', because: expect.stringContaining('changed since it was read (0 pods then, 0 now)') });
    expect(h.world.cluster.scaled).toBe(0);
    expect(await h.apply((await h.read()).facts)).toMatchObject({ took: 'accepted' });
  });

  test('a change between its own look and its write is refused by the resource version', async () => {
    await using h = await scaling();
    const { facts } = await h.read();
    const { worker, cluster } = h.world;
    cluster.beforePatch = () => {
      cluster.beforePatch = null;
      Object.assign(worker, { replicas: 7, generation: 2, resourceVersion: 101 });
    };
    h.world.spec.atLeast = false;
    expect(await h.apply(facts)).toMatchObject({ took: 'refused', because: expect.stringContaining('7 now') });
    expect(worker.replicas).toBe(7);
  });

  test('another object of the same name is not the one that was read', async () => {
    await using h = await scaling();
    const { facts } = await h.read();
    h.world.worker.uid = 'u-2';
    expect(await h.apply(facts)).toMatchObject({ took: 'refused' });
  });

  test('a status that changes all the time is written over after a few tries, and given up when it never stops', async () => {
    await using h = await scaling();
    const { worker, cluster } = h.world;
    let changes = 3;
    cluster.beforePatch = () => {
      if (changes-- > 0) worker.resourceVersion++;
    };
    expect(await h.apply((await h.read()).facts)).toMatchObject({ took: 'accepted' });
    Object.assign(worker, { replicas: 0 });
    changes = 100;
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('nothing was written') });
    expect(worker.replicas).toBe(0);
  });

  test('what is not there is for a human, and what is not granted is unknown to read and fatal to write', async () => {
    await using h = await scaling();
    const there = { ...h.world.spec };
    h.world.spec.deployment = 'wrker';
    expect(await h.read()).toMatchObject({ is: 'never', because: expect.stringContaining('no Deployment prod/wrker') });
    expect(await h.apply()).toMatchObject({ took: 'fatal' });
    Object.assign(h.world.spec, there);
    h.world.cluster.denied.add('deployments');
    expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('must grant get deployments') });
    expect(await h.apply()).toMatchObject({ took: 'fatal', because: expect.stringContaining('403') });
  });

  test('what something in between answers is believed in nothing', async () => {
    await using h = await scaling();
    const { facts } = await h.read();
    const { cluster } = h.world;
    const real = cluster.answer;
    cluster.answer = () => ({ status: 404, text: '<html>no such page</html>' });
    expect(await h.read()).toMatchObject({ is: 'unknown' });
    expect((await h.apply(facts)).took).toBe('undecided');
    cluster.deployments.set('other', deploymentOf({ replicas: 3 }));
    cluster.answer = (asked) => real({ ...asked, path: asked.path.replace('worker', 'other') });
    expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('another object') });
    cluster.answer = (asked) => (asked.method === 'PATCH' ? { status: 200, json: { kind: 'Scale', spec: { replicas: 9 } } } : real(asked));
    expect(await h.apply(facts)).toMatchObject({ took: 'undecided', because: expect.stringContaining('9 pods now, wanted 3') });
  });

  test('says what the autoscaler makes of it, and that it does not know', async () => {
    await using h = await scaling();
    const { cluster } = h.world;
    cluster.autoscalers.push({ name: 'other', min: 9, max: 9, of: 'other' }, { name: 'worker', min: undefined, max: 9, of: 'worker' });
    expect((await h.read()).because).toContain('autoscaler worker (1 to 9) wakes when it is above 0');
    cluster.denied.add('horizontalpodautoscalers');
    expect(await h.read()).toMatchObject({
      is: 'pending',
      because: expect.stringMatching(/is not known .*must grant list horizontalpodautoscalers/),
    });
  });

  const scaler = fc.record({ name: fc.constant('h'), min: fc.nat(10), max: fc.nat(20) }).filter(({ min, max }) => max >= Math.max(1, min));

  test('whatever an autoscaler would change is said, and it is parked only with a minimum above 0', () => {
    fc.assert(
      fc.property(scaler, fc.nat(25), fc.nat(25), fc.boolean(), (held, replicas, now, atLeast) => {
        const text = interplay({ system: 's', namespace: 'n', deployment: 'd', replicas, atLeast }, now, held);
        if (replicas === 0 && !atLeast)
          expect(text).toMatch(held.min === 0 ? /minReplicas 0 and may scale it up again/ : /rests for as long/);
        if (replicas > 0 && replicas < held.min) expect(text).toContain(`raise it to its minimum ${held.min}`);
        if (replicas > held.max) expect(text).toContain(`cut it to its maximum ${held.max}`);
        if (replicas > held.min && replicas <= held.max) expect(text).toContain(`may lower it to ${held.min}`);
        if (replicas > 0 && now === 0) expect(text).toContain('wakes');
      }),
    );
  });
});

describe('k8s.wait', () => {
  test('the controller has to have seen the newest specification', async () => {
    await using h = await waiting();
    Object.assign(h.world.worker, { ready: 3, generation: 2 });
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('its controller has not seen it yet; 3 of 3') });
    h.world.worker.observed = 2;
    expect(await h.read()).toMatchObject({ is: 'reached' });
  });

  test('says how many lack and what they wait for', async () => {
    await using h = await waiting();
    h.world.worker.replicas = 6;
    h.world.worker.ready = 1;
    h.world.cluster.pods.push(
      { name: 'a', ready: true },
      { name: 'b', waiting: ['ImagePullBackOff', 'registry.example/app:2'] },
      { name: 'c', waiting: ['ErrImagePull', 'registry.example/app:2'] },
      { name: 'd', unplaced: '0/3 nodes are available: 3 Insufficient memory.\nsecond line' },
      { name: 'e', waiting: ['CrashLoopBackOff', 'registry.example/app:1'] },
      { name: 'gone', deleted: true },
    );
    h.world.spec.ready = 8;
    const { because } = await h.read();
    expect(because).toContain('1 of 8 pods of prod/worker are ready, 7 lack; only 6 are asked for: ');
    expect(because).toContain('1 pod cannot pull registry.example/app:2 (ImagePullBackOff)');
    expect(because).toContain('1 pod cannot be placed: 0/3 nodes are available: 3 Insufficient memory. second line');
  });

  test('counts pods that wait for the same, and those that do not exist yet', async () => {
    await using h = await waiting();
    h.world.cluster.pods.push({ name: 'a', waiting: ['ImagePullBackOff', 'x:1'] }, { name: 'b', waiting: ['ImagePullBackOff', 'x:1'] });
    expect((await h.read()).because).toContain('3 lack: 2 pods cannot pull x:1 (ImagePullBackOff); 1 not created yet');
    h.world.cluster.denied.add('pods');
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('why is not known') });
  });
});

describe('a site', () => {
  const siteOf = async (h: Awaited<ReturnType<typeof waiting>>) =>
    (await h.systems.system<KubernetesSystem>('eu-cluster', 'kubernetes')).site(NAMESPACE, 'worker', NEVER);

  test('replicas, autoscaler, zones of ready pods, images, limits', async () => {
    await using h = await waiting();
    const { cluster, worker } = h.world;
    Object.assign(worker, { ready: 2, limits: { memory: '1Gi' } });
    cluster.autoscalers.push({ name: 'worker', min: 2, max: 8, of: 'worker' });
    cluster.pods.push(
      { name: 'a', ready: true, node: 'n1' },
      { name: 'b', ready: true, node: 'n2' },
      { name: 'c', node: 'n3', waiting: ['ImagePullBackOff', 'registry.example/app:2'] },
      { name: 'leaving', ready: true, node: 'n3', deleted: true },
    );
    cluster.zones.set('n1', 'eu-west-1b').set('n2', 'eu-west-1a').set('n3', 'eu-west-1c');
    expect(await siteOf(h)).toEqual({
      replicas: 3,
      ready: 2,
      autoscaler: { name: 'worker', min: 2, max: 8 },
      zones: ['eu-west-1a', 'eu-west-1b'],
      unpulled: ['registry.example/app:2'],
      limited: true,
      check: null,
    });
  });

  test('zones that cannot be told are null, and a limit of processor time alone is none', async () => {
    await using h = await waiting();
    const { cluster, worker } = h.world;
    worker.limits = { cpu: '2' };
    cluster.pods.push({ name: 'a', ready: true, node: 'n1' });
    cluster.zones.set('n1', undefined);
    expect(await siteOf(h)).toMatchObject({ zones: null, limited: false, autoscaler: null });
    cluster.zones.set('n1', 'a');
    cluster.denied.add('nodes');
    expect(await siteOf(h)).toMatchObject({ zones: null });
    cluster.denied.add('pods');
    await expect(siteOf(h)).rejects.toThrow('must grant list pods');
  });
});

test('a selector is written as the API server reads it', () => {
  const matchExpressions = [
    { key: 'a', operator: 'In' as const, values: ['x', 'y'] },
    { key: 'b', operator: 'NotIn' as const, values: ['z'] },
    { key: 'c', operator: 'Exists' as const },
    { key: 'd', operator: 'DoesNotExist' as const },
  ];
  expect(selectorText({ matchLabels: { app: 'w' }, matchExpressions })).toBe('app=w,a in (x,y),b notin (z),c,!d');
});
