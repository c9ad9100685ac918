// What acts on the objects of an API server: the real controllers and the real scheduler, and machines that are objects and nothing else. There is no kubelet: that
// a pod runs, is ready, or has ended is said by the test, and all that follows from it is Kubernetes' own doing.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubeconfigText } from '../../providers/kubernetes.fixture.ts';
import { runServer, workDir } from '../server.ts';
import { until } from '../until.ts';
import type { ApiServer } from './api-server.ts';
import { goProgram } from './go-program.ts';

/** Those that make pods, and that count which may be evicted. Without those that wait for heartbeats of machines. */
const CONTROLLERS = ['statefulset-controller', 'deployment-controller', 'replicaset-controller', 'disruption-controller'];
const MERGE = 'application/strategic-merge-patch+json';

export interface Pod {
  metadata: { name: string; uid: string; deletionTimestamp?: string; labels: Readonly<Record<string, string>> };
  spec: { nodeName?: string };
}

export interface Machines extends AsyncDisposable {
  pods(namespace: string): Promise<readonly Pod[]>;
  /** Once the pod has a machine. As the kubelet says it: running and ready. Answers the machine. */
  runs(namespace: string, pod: string): Promise<string>;
  /** As the kubelet does after the grace: the pod is gone. */
  ends(namespace: string, pod: string): Promise<unknown>;
  /** As `kubectl drain` asks for each pod. Answers the status: 201 it goes, 429 a budget is against it. */
  evict(namespace: string, pod: string): Promise<number>;
  change(machine: string, spec: { unschedulable?: boolean; taints?: readonly object[] }): Promise<unknown>;
}

/** Since now: for how long a pod has been ready counts. */
const ready = () => ({
  phase: 'Running',
  conditions: ['Ready', 'ContainersReady'].map((type) => ({ type, status: 'True', lastTransitionTime: new Date().toISOString() })),
});

const startPrograms = async (server: ApiServer): Promise<AsyncDisposable> => {
  const program = goProgram({ name: 'kube-controllers', folder: 'kubernetes-build', module: 'k8s\\.io/kubernetes' });
  const start = async (name: string, ...args: readonly string[]) => {
    const dir = workDir(`kube-${name}`);
    const file = join(dir, 'kubeconfig');
    writeFileSync(file, kubeconfigText({ url: server.url, caPem: server.caPem, token: server.adminToken }), { mode: 0o600 });
    return runServer({
      command: program,
      args: [name, `--kubeconfig=${file}`, '--leader-elect=false', '--secure-port=0', ...args],
      dir,
      logFile: join(dir, 'none'),
      // Whether it works is seen by what it does.
      answers: async () => true,
    });
  };
  const manager = await start('controller-manager', `--controllers=${CONTROLLERS.join(',')}`);
  const scheduler = await start('scheduler');
  return {
    async [Symbol.asyncDispose]() {
      await scheduler[Symbol.asyncDispose]();
      await manager[Symbol.asyncDispose]();
    },
  };
};

/** `zones`: of each machine, by its name. */
export const startMachines = async (server: ApiServer, zones: Readonly<Record<string, string>>): Promise<Machines> => {
  const room = { cpu: '4', memory: '8Gi', 'ephemeral-storage': '50Gi', pods: '50' };
  for (const [name, zone] of Object.entries(zones)) {
    const labels = { 'topology.kubernetes.io/zone': zone, 'kubernetes.io/hostname': name };
    await server.call('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } });
    const status = { capacity: room, allocatable: room, conditions: [{ type: 'Ready', status: 'True' }] };
    await server.call('PATCH', `/api/v1/nodes/${name}/status`, { status }, MERGE);
    // The API server says of a new machine that it is not ready; the controller that takes this away does not run.
    await server.call('PATCH', `/api/v1/nodes/${name}`, { spec: { taints: null } }, 'application/merge-patch+json');
  }
  const programs = await startPrograms(server);
  const podOf = (namespace: string, pod: string): string => `/api/v1/namespaces/${namespace}/pods/${pod}`;
  return {
    pods: async (namespace) => ((await server.call('GET', `/api/v1/namespaces/${namespace}/pods`)) as { items: readonly Pod[] }).items,
    async runs(namespace, pod) {
      const machine = await until(`a machine for ${pod}`, async () => {
        const found = (await server.call('GET', podOf(namespace, pod)).catch(() => null)) as Pod | null;
        return found?.metadata.deletionTimestamp === undefined ? found?.spec.nodeName : undefined;
      });
      await server.call('PATCH', `${podOf(namespace, pod)}/status`, { status: ready() }, MERGE);
      return machine;
    },
    ends: (namespace, pod) => server.call('DELETE', `${podOf(namespace, pod)}?gracePeriodSeconds=0`),
    async evict(namespace, pod) {
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } };
      return server.call('POST', `${podOf(namespace, pod)}/eviction`, eviction).then(
        () => 201,
        (error: Error) => Number(/: (\d{3}) /.exec(error.message)?.[1]),
      );
    },
    change: (machine, spec) => server.call('PATCH', `/api/v1/nodes/${machine}`, { spec }, 'application/merge-patch+json'),
    async [Symbol.asyncDispose]() {
      await programs[Symbol.asyncDispose]();
      for (const name of Object.keys(zones)) await server.call('DELETE', `/api/v1/nodes/${name}`);
    },
  };
};
