// What is used of Deployments, autoscalers, pods and nodes, and what it says about a fleet. Pure.
import { z } from 'zod';
import { quoted } from '../../exchange.ts';
import type { SiteFacts } from '../facts.ts';

const selectorShape = z.object({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z
    .array(
      z.object({
        key: z.string(),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});
const count = z.number().int().nonnegative();
const labelled = z.object({ labels: z.record(z.string(), z.string()).optional() });
const containerShape = z.object({
  name: z.string(),
  image: z.string().optional(),
  resources: z.object({ limits: z.record(z.string(), z.unknown()).optional() }).optional(),
});

export const deploymentShape = z.object({
  kind: z.literal('Deployment'),
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string().min(1),
    resourceVersion: z.string().min(1),
    generation: count,
  }),
  spec: z.object({
    replicas: count,
    selector: selectorShape,
    template: z.object({ metadata: labelled.optional(), spec: z.object({ containers: z.array(containerShape).min(1) }) }),
  }),
  status: z
    .object({
      observedGeneration: count.optional(),
      replicas: count.default(0),
      readyReplicas: count.default(0),
      updatedReplicas: count.default(0),
      availableReplicas: count.default(0),
    })
    .default({ replicas: 0, readyReplicas: 0, updatedReplicas: 0, availableReplicas: 0 }),
});
export type Deployment = z.infer<typeof deploymentShape>;

/** Zero replicas are left out. */
export const scaleShape = z.object({ kind: z.literal('Scale'), spec: z.object({ replicas: count.default(0) }).default({ replicas: 0 }) });

export const autoscalersShape = z.object({
  kind: z.literal('HorizontalPodAutoscalerList'),
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      spec: z.object({
        minReplicas: count.default(1),
        maxReplicas: count,
        scaleTargetRef: z.object({ kind: z.string(), name: z.string() }),
      }),
    }),
  ),
});
export type Autoscaler = NonNullable<SiteFacts['autoscaler']>;

export const autoscalerOf = ({ items }: z.infer<typeof autoscalersShape>, deployment: string): Autoscaler | null => {
  const found = items.find(({ spec: { scaleTargetRef: ref } }) => ref.kind === 'Deployment' && ref.name === deployment);
  return found === undefined ? null : { name: found.metadata.name, min: found.spec.minReplicas, max: found.spec.maxReplicas };
};

const containerStatusShape = z.object({
  name: z.string(),
  image: z.string().default(''),
  state: z.object({ waiting: z.object({ reason: z.string().default('waiting') }).optional() }).optional(),
});
export const podsShape = z.object({
  kind: z.literal('PodList'),
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), deletionTimestamp: z.string().optional() }),
      spec: z.object({ nodeName: z.string().optional() }),
      status: z
        .object({
          conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() })).optional(),
          containerStatuses: z.array(containerStatusShape).optional(),
          initContainerStatuses: z.array(containerStatusShape).optional(),
        })
        .default({}),
    }),
  ),
});
export type Pod = z.infer<typeof podsShape>['items'][number];

export const nodeShape = z.object({
  kind: z.literal('Node'),
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()).optional() }),
});

const expressionText = ({ key, operator, values = [] }: { key: string; operator: string; values?: string[] | undefined }): string => {
  if (operator === 'In') return `${key} in (${values.join(',')})`;
  if (operator === 'NotIn') return `${key} notin (${values.join(',')})`;
  return operator === 'Exists' ? key : `!${key}`;
};

/** As the API server takes it in a query. */
export const selectorText = ({ matchLabels = {}, matchExpressions = [] }: Deployment['spec']['selector']): string =>
  [...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`), ...matchExpressions.map(expressionText)].join(',');

const conditionOf = (pod: Pod, type: string) => pod.status.conditions?.find((condition) => condition.type === type);

export const isReady = (pod: Pod): boolean => pod.metadata.deletionTimestamp === undefined && conditionOf(pod, 'Ready')?.status === 'True';

const UNPULLED: readonly string[] = ['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull'];

const statusesOf = ({ status }: Pod) => [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];

/** Names of images that some pod could not pull. */
export const unpulledOf = (pods: readonly Pod[]): readonly string[] => {
  const stuck = pods.flatMap(statusesOf).filter(({ state }) => UNPULLED.includes(state?.waiting?.reason ?? ''));
  return [...new Set(stuck.map(({ image, name }) => image || name))].sort();
};

/** Why one pod is not ready, without its name: pods that wait for the same are counted together. */
const waitOf = (pod: Pod): string => {
  const stuck = statusesOf(pod).find(({ state }) => state?.waiting !== undefined);
  const reason = stuck?.state?.waiting?.reason ?? '';
  if (stuck !== undefined && UNPULLED.includes(reason)) return `cannot pull ${quoted(stuck.image || stuck.name, 80)} (${reason})`;
  const placed = conditionOf(pod, 'PodScheduled');
  if (placed?.status === 'False') return `cannot be placed: ${quoted(placed.message ?? 'no reason is given', 100)}`;
  return reason === '' ? 'started and not ready' : `not running (${quoted(reason, 40)})`;
};

const KINDS_TOLD = 3;

/** Why pods wait, the most frequent first: `2 pods cannot pull app:1 (ImagePullBackOff)`. Empty: none waits. */
export const waitsOf = (pods: readonly Pod[]): string => {
  const counted = new Map<string, number>();
  for (const pod of pods) {
    if (isReady(pod) || pod.metadata.deletionTimestamp !== undefined) continue;
    const wait = waitOf(pod);
    counted.set(wait, (counted.get(wait) ?? 0) + 1);
  }
  return [...counted]
    .sort(([, a], [, b]) => b - a)
    .slice(0, KINDS_TOLD)
    .map(([wait, pods]) => `${pods} ${pods === 1 ? 'pod' : 'pods'} ${wait}`)
    .join('; ');
};

/** Memory is what takes a node down with it; processor time is only shared. */
export const isLimited = ({ spec }: Deployment): boolean =>
  spec.template.spec.containers.every(({ resources }) => resources?.limits?.memory !== undefined);

// ---- what stands around a Deployment, for `tidegate verify` ----

export const jobShape = z.object({
  kind: z.literal('Job'),
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  status: z
    .object({
      active: count.default(0),
      succeeded: count.default(0),
      failed: count.default(0),
      conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() })).optional(),
    })
    .default({ active: 0, succeeded: 0, failed: 0 }),
});
export type Job = z.infer<typeof jobShape>;

/** What selects pods: a budget for disruptions, or a policy of the network. */
export interface Guard {
  name: string;
  /** null: it selects nothing. */
  selector: Selector | null;
}
export type Selector = z.infer<typeof selectorShape>;

export const budgetsShape = z.object({
  kind: z.literal('PodDisruptionBudgetList'),
  items: z.array(z.object({ metadata: z.object({ name: z.string() }), spec: z.object({ selector: selectorShape.nullish() }).default({}) })),
});
export const policiesShape = z.object({
  kind: z.literal('NetworkPolicyList'),
  items: z.array(
    z.object({ metadata: z.object({ name: z.string() }), spec: z.object({ podSelector: selectorShape.nullish() }).default({}) }),
  ),
});

/** A budget without a selector is about no pod. */
export const budgetGuards = ({ items }: z.infer<typeof budgetsShape>): readonly Guard[] =>
  items.map(({ metadata: { name }, spec: { selector } }) => ({ name, selector: selector ?? null }));

/** A policy without a selector is about every pod. */
export const policyGuards = ({ items }: z.infer<typeof policiesShape>): readonly Guard[] =>
  items.map(({ metadata: { name }, spec: { podSelector } }) => ({ name, selector: podSelector ?? {} }));

/** Whether pods with these labels are selected, as the API server tells it; an empty selector selects all. */
export const selects = ({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(matchLabels).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value) &&
  matchExpressions.every(({ key, operator, values = [] }) => {
    const has = Object.hasOwn(labels, key);
    if (operator === 'Exists') return has;
    if (operator === 'DoesNotExist') return !has;
    const isIn = has && values.includes(labels[key] ?? '');
    return operator === 'In' ? isIn : !isIn;
  });
