// deploy/kubernetes on a real API server: every object of every region taken strictly, its pods admitted under the strictest standard, the example's workers found
// good by `tidegate verify`; and a region with real controllers and a real scheduler, drained, struck and upgraded. `npm run test:system -- kubernetes`.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { verify } from '../../../src/command/verify.ts';
import { desk } from '../../command/desk/desk.fixture.ts';
import { kubeconfigText } from '../../providers/kubernetes.fixture.ts';
import { startFront } from '../../runbook/front.ts';
import { workDir } from '../server.ts';
import { until } from '../until.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { type Machines, type Pod, startMachines } from './controllers.ts';
import {
  collectionOf,
  MANIFESTS,
  type Manifest,
  OVERLAYS,
  type PodSpec,
  pathOf,
  ROOT,
  render,
  type Workload,
  workload,
  workloadsIn,
} from './manifests.ts';

/** The first run builds the server. */
const START_MS = 40 * 60_000;
const TEST_MS = 120_000;
const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';
const STRICT = 'fieldValidation=Strict&fieldManager=kubectl&force=true';

let server: ApiServer;

beforeAll(async () => {
  server = await startApiServer();
}, START_MS);

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** As `kubectl apply --server-side -k` does. Answers the resource versions, in order. */
const apply = async (all: readonly Manifest[]): Promise<readonly string[]> => {
  const versions: string[] = [];
  for (const manifest of all) {
    const kept = (await server.call('PATCH', `${pathOf(manifest)}?${STRICT}`, manifest, APPLY)) as {
      metadata: { resourceVersion: string };
    };
    versions.push(kept.metadata.resourceVersion);
  }
  return versions;
};

/** Tries a pod as the controller of its workload would make it; nothing is kept. */
const admit = ({ manifest, template }: Workload, change: (spec: PodSpec) => unknown = () => undefined): Promise<unknown> => {
  const spec = structuredClone(template.spec);
  change(spec);
  const claims = (manifest.spec?.volumeClaimTemplates ?? []).map(({ metadata: { name } }) => ({
    name,
    persistentVolumeClaim: { claimName: `${name}-${manifest.metadata.name}-0` },
  }));
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...template.metadata, name: `${manifest.metadata.name}-0` },
    spec: { ...spec, volumes: [...(spec.volumes ?? []), ...claims] },
  };
  const path = `/api/v1/namespaces/${manifest.metadata.namespace}/pods?dryRun=All&fieldValidation=Strict`;
  return server.call('POST', path, pod);
};

/** Each guard of a pod, taken out by itself. */
const GUARDS: Readonly<Record<string, (spec: PodSpec) => unknown>> = {
  runAsNonRoot: ({ securityContext }) => delete securityContext?.runAsNonRoot,
  seccompProfile: ({ securityContext }) => delete securityContext?.seccompProfile,
  allowPrivilegeEscalation: ({ containers: [container] }) => delete container?.securityContext?.allowPrivilegeEscalation,
  capabilities: ({ containers: [container] }) => delete container?.securityContext?.capabilities,
  'runAsUser=0': ({ securityContext = {} }) => Object.assign(securityContext, { runAsUser: 0 }),
};

describe.each([...OVERLAYS.map((name) => `overlays/${name}`), 'workers'])('%s', { timeout: TEST_MS }, (folder) => {
  let all: readonly Manifest[];
  beforeAll(() => {
    all = render(join(MANIFESTS, folder));
  }, START_MS);
  // Every region is a cluster of its own; here they follow each other in one.
  afterEach(async () => {
    for (const manifest of all) if (manifest.kind !== 'Namespace') await server.call('DELETE', pathOf(manifest)).catch(() => undefined);
  });

  test('is taken whole and strictly, changes nothing the second time, and its pods are admitted as they are and no other way', async () => {
    const versions = await apply(all);
    expect(await apply(all)).toEqual(versions);
    for (const made of workloadsIn(all)) {
      await admit(made);
      for (const [name, takeOut] of Object.entries(GUARDS))
        await expect(admit(made, takeOut), `${made.name} without ${name}`).rejects.toThrow(/403 .*violates PodSecurity.*restricted/);
    }
  });

  test('a field that is spelt wrong would be refused', async () => {
    await apply(all.filter(({ kind }) => kind === 'Namespace'));
    const [made] = workloadsIn(all);
    const wrong = structuredClone(made!.manifest) as unknown as { spec: { template: { spec: object } } };
    Object.assign(wrong.spec.template.spec, { terminationGracePeriod: 15 });
    await expect(apply([wrong as unknown as Manifest])).rejects.toThrow(/unknown field|field not declared in schema/);
  });
});

const RUNBOOK_ROLE = 'deploy/iam/kubernetes-runbook.yaml';

const platformText = (url: string): string =>
  stringify({
    name: 'orders',
    regions: ['eu-west', 'us-east', 'witness'].map((name) => ({
      name,
      coordinator: name !== 'witness',
      anchors: ['tcp://192.0.2.1:443', 'tcp://198.51.100.1:443'],
    })),
    services: [
      {
        name: 'web.example.test',
        provider: 'dns',
        pools: ['eu-west', 'us-east'].map((name, i) => ({
          name,
          answers: [`192.0.2.1${i}`],
          targets: [{ name: 'app', healthz: `${url}/healthz`, readyz: `${url}/readyz` }],
        })),
      },
    ],
    platforms: [
      {
        name: 'orders',
        model: 'active-hot',
        regions: ['eu-west', 'us-east'],
        services: ['web.example.test'],
        fleets: [
          {
            name: 'workers',
            kind: 'workers',
            sites: Object.fromEntries(
              ['eu-west', 'us-east'].map((region) => [
                region,
                { system: `kube-${region}`, namespace: 'prod', deployment: 'worker', replicas: 2, standby: 2 },
              ]),
            ),
          },
        ],
        verify: { migration: { namespace: 'prod', job: 'migrate' } },
      },
    ],
  });

describe('the example of a platform', { timeout: TEST_MS }, () => {
  test('is found good by `tidegate verify` with the rights of the runbook, once it is out, and not before', async () => {
    const dir = workDir('verify');
    await using front = await startFront(() => ({ status: 200, text: 'ok' }));
    try {
      const all = render(join(MANIFESTS, 'workers'));
      await apply(all);
      const grants = parseAllDocuments(readFileSync(join(ROOT, RUNBOOK_ROLE), 'utf8')).map((document) => document.toJS() as Manifest);
      await apply(grants);
      const account = '/api/v1/namespaces/prod/serviceaccounts/tidegate-runbook/token';
      const issued = (await server.call('POST', account, { spec: { expirationSeconds: 3600 } })) as { status: { token: string } };
      writeFileSync(join(dir, 'kubeconfig'), kubeconfigText({ url: server.url, caPem: server.caPem, token: issued.status.token }), {
        mode: 0o600,
      });
      const file = join(dir, 'replica.yaml');
      const replica = {
        region: 'eu-west',
        replica: 'a',
        api: { listen: '127.0.0.1:7700', tokenFile: './operator.token' },
        store: { kind: 'embedded', file: './store.sqlite' },
        providers: { dns: { kind: 'builtin', zone: 'example.test', control: '127.0.0.1:7720', tokenFile: './dns.token' } },
        // Two regions have a cluster each; here it is one, by two names.
        systems: Object.fromEntries(
          ['kube-eu-west', 'kube-us-east'].map((name) => [name, { kind: 'kubernetes', kubeconfigFile: './kubeconfig' }]),
        ),
      };
      const indented = platformText(front.url).replace(/^/gm, '  ');
      writeFileSync(file, `${stringify(replica)}cluster:\n${indented}`);
      const verified = async () => {
        const sat = desk();
        const code = await verify({ config: file, platform: 'orders', endpoint: ['http://127.0.0.1:9'], json: true }, sat.console);
        if (code === 78) throw new Error(sat.out() + sat.err());
        const { lines } = JSON.parse(sat.out()) as { lines: readonly { step: string; is: string; because: string }[] };
        return { code, wrong: lines.filter(({ is }) => is !== 'ok').map(({ step, is }) => `${step} ${is}`), lines };
      };
      expect(await verified()).toMatchObject({
        code: 3,
        wrong: ['migration waiting', 'migration waiting', 'rollout waiting', 'rollout waiting'],
      });

      // What controllers would do: the Job ends, the autoscaler raises the Deployment to its minimum, its pods run.
      const now = new Date().toISOString();
      const { manifest: job } = workload(all, 'migrate');
      const { manifest: worker } = workload(all, 'worker');
      const done = {
        startTime: now,
        completionTime: now,
        succeeded: 1,
        conditions: ['SuccessCriteriaMet', 'Complete'].map((type) => ({ type, status: 'True' })),
      };
      await server.call('PATCH', `${pathOf(job)}/status`, { status: done }, MERGE);
      await server.call('PATCH', `${pathOf(worker)}/scale`, { spec: { replicas: 2 } }, MERGE);
      const { metadata } = (await server.call('GET', pathOf(worker))) as { metadata: { generation: number } };
      const out = { observedGeneration: metadata.generation, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 };
      await server.call('PATCH', `${pathOf(worker)}/status`, { status: out }, MERGE);
      const good = await verified();
      expect(good).toMatchObject({ code: 0, wrong: [] });
      expect([...new Set(good.lines.map(({ step }) => step))]).toEqual(['migration', 'rollout', 'guards', 'health']);

      // An apply of the same files, as a pipeline does every hour, leaves the scale where it is.
      await apply(all);
      expect(((await server.call('GET', pathOf(worker))) as { spec: { replicas: number } }).spec.replicas).toBe(2);

      for (const name of ['PodDisruptionBudget', 'NetworkPolicy', 'HorizontalPodAutoscaler']) {
        const guard = all.find(({ kind }) => kind === name)!;
        await server.call('DELETE', pathOf(guard));
        expect(await verified(), name).toMatchObject({ code: 3, wrong: ['guards failed', 'guards failed'] });
        await server.call('POST', collectionOf(guard), guard);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

// A region in two zones, each with two machines.
const ZONES = { n1: 'a', n2: 'a', n3: 'b', n4: 'b' };
const tainted = (why: string) => ({ taints: [{ key: `node.kubernetes.io/${why}`, effect: 'NoSchedule' }] });
const WELL = { unschedulable: false, taints: [] };

describe('a region with its controllers and its scheduler', { timeout: TEST_MS }, () => {
  let all: readonly Manifest[];
  let machines: Machines;
  const pod = (name: string): Promise<Pod | undefined> =>
    machines.pods('tidegate').then((pods) => pods.find((each) => each.metadata.name === name));
  const evict = (name: string): Promise<number> => machines.evict('tidegate', name);
  const run = (name: string): Promise<string> => machines.runs('tidegate', name);
  const end = (name: string): Promise<unknown> => machines.ends('tidegate', name);
  const zoneOf = (machine: string): string => ZONES[machine as keyof typeof ZONES];
  const replicas = ['tidegate-0', 'tidegate-1'];

  beforeAll(async () => {
    all = render(join(MANIFESTS, 'overlays/eu-west'));
    await apply(all);
    machines = await startMachines(server, ZONES);
  }, START_MS);

  afterAll(async () => {
    await machines?.[Symbol.asyncDispose]();
  });

  test('its replicas come up side by side in two zones', async () => {
    const zones = (await Promise.all(replicas.map(run))).map(zoneOf);
    expect(new Set(zones).size).toBe(2);
  });

  test('a drain takes one replica, refuses the other until the first is ready elsewhere, and takes it then', async () => {
    const drained = await Promise.all(replicas.map(run));
    await until('a budget', async () => (await budgetOf('tidegate')).disruptionsAllowed === 1);
    for (const machine of drained) await machines.change(machine, { unschedulable: true, ...tainted('unschedulable') });
    expect(await evict('tidegate-0')).toBe(201);
    expect(await evict('tidegate-1')).toBe(429);
    await end('tidegate-0');
    const first = await run('tidegate-0');
    await until('the budget again', async () => (await budgetOf('tidegate')).disruptionsAllowed === 1);
    expect(await evict('tidegate-1')).toBe(201);
    await end('tidegate-1');
    const moved = [first, await run('tidegate-1')];
    expect(moved.filter((machine) => drained.includes(machine))).toEqual([]);
    expect(moved.map(zoneOf).sort()).toEqual(['a', 'b']);
    for (const machine of drained) await machines.change(machine, WELL);
  });

  test('when a zone dies, what ran there starts in the other one, on a machine of its own', async () => {
    const placed = await Promise.all(replicas.map(run));
    const struck = placed.findIndex((machine) => zoneOf(machine) === 'b');
    for (const machine of ['n3', 'n4']) await machines.change(machine, tainted('unreachable'));
    await end(replicas[struck] ?? '');
    const moved = await run(replicas[struck] ?? '');
    expect(zoneOf(moved)).toBe('a');
    expect(placed).not.toContain(moved);
    for (const machine of ['n3', 'n4']) await machines.change(machine, WELL);
  });

  test('a new version replaces the last replica first, and the other only once that one has been ready for a while', async () => {
    await Promise.all(replicas.map(run));
    const before = await Promise.all(replicas.map(pod));
    const { manifest } = workload(all, 'tidegate');
    const image = [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'registry.example.net/tidegate:0.3.0' }];
    await server.call('PATCH', pathOf(manifest), image, 'application/json-patch+json');
    await until('the first to go', async () => (await pod('tidegate-1'))?.metadata.deletionTimestamp, 90_000);
    await end('tidegate-1');
    await run('tidegate-1');
    // Once the controller has seen it ready, it would have gone on in the same turn.
    await until('the controller to see it', async () => {
      const { status } = (await server.call('GET', pathOf(manifest))) as { status: { readyReplicas: number; updatedReplicas: number } };
      return status.readyReplicas === 2 && status.updatedReplicas === 1;
    });
    const [first, second] = await Promise.all(replicas.map(pod));
    expect(second?.metadata.uid).not.toBe(before[1]?.metadata.uid);
    expect([first?.metadata.uid, first?.metadata.deletionTimestamp]).toEqual([before[0]?.metadata.uid, undefined]);
  });

  test('the member of the store is let go by nobody but you', async () => {
    await until('the member', () => pod('etcd-0'));
    const ready = ['Ready'].map((type) => ({ type, status: 'True' }));
    await server.call(
      'PATCH',
      '/api/v1/namespaces/tidegate/pods/etcd-0/status',
      { status: { phase: 'Running', conditions: ready } },
      MERGE,
    );
    await until('a budget', async () => (await budgetOf('etcd')).currentHealthy === 1);
    expect(await evict('etcd-0')).toBe(429);
  });

  const budgetOf = async (name: string): Promise<{ disruptionsAllowed: number; currentHealthy: number }> => {
    const budget = await server.call('GET', `/apis/policy/v1/namespaces/tidegate/poddisruptionbudgets/${name}`);
    return (budget as { status: { disruptionsAllowed: number; currentHealthy: number } }).status;
  };
});
