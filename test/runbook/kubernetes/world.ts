// The worlds of k8s.scale and k8s.wait: a fake cluster behind a wire that fails.
import type { StepWorld } from '../../contract/step.contract.ts';
import { kubeconfigText } from '../../providers/kubernetes.fixture.ts';
import { startFront } from '../front.ts';
import { createFakeCluster, deploymentOf, type FakeCluster, type FakeDeployment, NAMESPACE } from './fake.ts';

export const TOKEN = 'tok-kube-0a1b2c3d4e5f';
const FILE = '/secrets/kubeconfig';

interface Base {
  cluster: FakeCluster;
  worker: FakeDeployment;
}

const startBase = async () => {
  const cluster = createFakeCluster(TOKEN);
  const worker = deploymentOf();
  cluster.deployments.set('worker', worker);
  const front = await startFront((asked) => cluster.answer(asked));
  return {
    cluster,
    worker,
    systems: { 'eu-cluster': { kind: 'kubernetes', kubeconfigFile: FILE } },
    files: { [FILE]: kubeconfigText({ url: front.url, token: TOKEN }) },
    secrets: [TOKEN],
    effects: () => cluster.scaled,
    meets: front.meets,
    asked: front.asked,
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  } as const;
};

export const startScaleWorld = async (): Promise<StepWorld<'k8s.scale'> & Base> => ({
  ...(await startBase()),
  spec: { system: 'eu-cluster', namespace: NAMESPACE, deployment: 'worker', replicas: 3, atLeast: true },
  settle: () => undefined,
});

export const startWaitWorld = async (): Promise<StepWorld<'k8s.wait'> & Base> => {
  const base = await startBase();
  base.worker.replicas = 3;
  return {
    ...base,
    spec: { system: 'eu-cluster', namespace: NAMESPACE, deployment: 'worker', ready: 3 },
    settle: () => {
      base.worker.ready = 3;
    },
  };
};
