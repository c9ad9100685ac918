// What is so, judged: a Job, a Deployment, what stands around it, a health document, what was measured. Pure.
import { quoted } from '../exchange.ts';
import type { Autoscaler, Deployment, Guard, Job } from '../runbook/kubernetes/objects.ts';
import { selects } from '../runbook/kubernetes/objects.ts';
import { type Found, failed, ok, unknown, waiting } from './line.ts';

const QUOTED_MAX = 160;

export const jobFound = ({ metadata: { namespace, name }, status }: Job): Found => {
  const said = (type: string) => status.conditions?.find((condition) => condition.type === type && condition.status === 'True');
  const tries = status.failed === 0 ? '' : `, after ${status.failed} failed ${status.failed === 1 ? 'pod' : 'pods'}`;
  if (said('Failed') !== undefined)
    return failed(
      `Job ${namespace}/${name} has failed: ${quoted(said('Failed')?.message ?? 'no reason is given', QUOTED_MAX)}`,
      `read its logs (kubectl -n ${namespace} logs job/${name}), mend the migration, run it again`,
    );
  if (status.succeeded >= 1) return ok(`Job ${namespace}/${name} has succeeded${tries}`);
  const now = status.active > 0 ? `${status.active} of its pods at work` : 'none of its pods at work';
  return waiting(
    `Job ${namespace}/${name} has not succeeded yet: ${now}${tries}`,
    `wait, or look: kubectl -n ${namespace} describe job ${name}`,
  );
};

/** `none`: whether it may be that none is wanted; null: that is not known. */
export const rolloutFound = (
  { metadata: { namespace, name, generation }, spec: { replicas }, status }: Deployment,
  none: boolean | null,
): Found => {
  const what = `${namespace}/${name}`;
  const look = `wait, or look: kubectl -n ${namespace} rollout status deployment/${name}`;
  if ((status.observedGeneration ?? 0) < generation) return waiting(`${what} was changed, and its controller has not seen it yet`, look);
  const counted = `${status.updatedReplicas} of ${replicas} new, ${status.availableReplicas} available`;
  // Old pods that still run take work with the old code.
  if (status.updatedReplicas < replicas || status.replicas > status.updatedReplicas)
    return waiting(`${what} is not out: ${counted}, ${status.replicas} in all`, look);
  if (status.availableReplicas < replicas) return waiting(`${what} is out and not all available: ${counted}`, look);
  if (replicas === 0 && none === null)
    return unknown(`none of ${what} is wanted, and which region is active is not known`, 'name an API that answers with --endpoint');
  if (replicas === 0 && !none)
    return failed(
      `none of ${what} is wanted: replicas is 0`,
      `see who scaled it to nothing: kubectl -n ${namespace} describe deployment ${name}`,
    );
  return ok(`${what} is out: ${counted}`);
};

const labelsOf = ({ spec }: Deployment): Readonly<Record<string, string>> => spec.template.metadata?.labels ?? {};

const listed = (guards: readonly Guard[]): string =>
  guards.length === 0 ? 'none there' : `there are ${quoted(guards.map(({ name }) => name).join(', '), QUOTED_MAX)}, none selects its pods`;

/** Whether one of them is about the pods of the Deployment. */
export const guardFound = (kind: 'PodDisruptionBudget' | 'NetworkPolicy', deployment: Deployment, guards: readonly Guard[]): Found => {
  const { namespace, name } = deployment.metadata;
  const found = guards.filter(({ selector }) => selector !== null && selects(selector, labelsOf(deployment)));
  if (found.length > 0) return ok(`${kind} ${quoted(found.map((each) => each.name).join(', '), QUOTED_MAX)} selects its pods`);
  const file = kind === 'NetworkPolicy' ? 'network-policy.yaml' : 'pdb.yaml';
  return failed(
    `no ${kind} for ${namespace}/${name}: ${listed(guards)}`,
    `apply ${file}, and compare its selector with the labels of the pods`,
  );
};

export const scalerFound = ({ metadata: { namespace, name } }: Deployment, scaler: Autoscaler | null): Found =>
  scaler === null
    ? failed(`no HorizontalPodAutoscaler targets ${namespace}/${name}`, 'apply hpa.yaml, and compare its scaleTargetRef')
    : ok(`HorizontalPodAutoscaler ${scaler.name} (${scaler.min} to ${scaler.max}) targets it`);

/** Whether the document has something at `section`, a path by dots. */
export const sectionFound = (system: string, document: unknown, section: string): Found => {
  const found = section
    .split('.')
    .reduce<unknown>(
      (at, key) => (typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : undefined),
      document,
    );
  const isThere = typeof found === 'object' && found !== null && Object.keys(found).length > 0;
  if (isThere) return ok(`the health document of ${system} has ${section}`);
  return failed(
    `the health document of ${system} has no ${section}`,
    'check that the chain of providers is configured there, and verify.health.section',
  );
};

/** What the replicas of a region measured of the frontends of some namespaces. */
export interface Reached {
  to: string;
  ms: number | null;
  samples: number;
  because: string;
}

/** Whether the region reaches each of them. */
export const reachedFound = (region: string, cells: readonly Reached[]): Found => {
  const unseen = cells.filter(({ samples }) => samples === 0);
  const lost = cells.filter(({ ms, samples }) => ms === null && samples > 0);
  const [first] = lost;
  if (first !== undefined)
    return failed(
      `${region} does not reach it in ${lost.map(({ to }) => to).join(', ')}: ${first.because}`,
      'look at the network and the certificates between them',
    );
  if (cells.length === 0 || unseen.length > 0)
    return unknown(
      unseen[0]?.because ?? `nobody measures it from ${region}`,
      `let a replica of ${region} name its Temporal under systems, with the objective temporal-round-trip not off`,
    );
  return ok(`${region} reaches it: ${cells.map(({ to, ms }) => `${Math.round(ms ?? 0)} ms to ${to}`).join(', ')}`);
};
