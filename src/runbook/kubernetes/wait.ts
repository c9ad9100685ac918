// k8s.wait: so many pods of a Deployment are ready, by the controller's own count of the newest specification. Says what keeps the others.

import type { StepKind } from '../kind.ts';
import { readOr, saying } from '../outcome.ts';
import { waitsOf } from './objects.ts';
import { type KubernetesSystem, statusOf } from './system.ts';

export const kubernetesWait: StepKind<'k8s.wait'> = {
  kind: 'k8s.wait',
  signal: 'gate',
  read: ({ system: name, namespace, deployment, ready }, { context, signal }) =>
    readOr(`Deployment ${namespace}/${deployment}`, async () => {
      const cluster = await context.system<KubernetesSystem>(name, 'kubernetes');
      try {
        const found = await cluster.deployment(namespace, deployment, signal);
        const { readyReplicas, observedGeneration } = found.status;
        const facts = { ready: readyReplicas, replicas: found.spec.replicas };
        const counted = `${readyReplicas} of ${ready} pods of ${namespace}/${deployment} are ready`;
        if ((observedGeneration ?? 0) < found.metadata.generation)
          return {
            is: 'pending',
            because: `${namespace}/${deployment} was changed, and its controller has not seen it yet; ${counted}`,
            facts,
          };
        if (readyReplicas >= ready) return { is: 'reached', because: counted, facts };
        const few = found.spec.replicas < ready ? `; only ${found.spec.replicas} are asked for` : '';
        return { is: 'pending', because: `${counted}, ${ready - readyReplicas} lack${few}${await whyOf(cluster, found, signal)}`, facts };
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
        return { is: 'never', because: `there is no Deployment ${namespace}/${deployment} in ${name}; compare its names` };
      }
    }),
};

/** A part of the sentence. That pods cannot be read takes nothing from what was counted. */
const whyOf = async (cluster: KubernetesSystem, found: Parameters<KubernetesSystem['pods']>[0], signal: AbortSignal): Promise<string> => {
  try {
    const pods = await cluster.pods(found, signal);
    const missing = found.spec.replicas - pods.length;
    const waits = [waitsOf(pods), missing > 0 ? `${missing} not created yet` : ''].filter((text) => text !== '').join('; ');
    return waits === '' ? '' : `: ${waits}`;
  } catch (error) {
    return `; why is not known (${saying(error)})`;
  }
};
