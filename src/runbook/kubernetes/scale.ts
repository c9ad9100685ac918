// k8s.scale: how many pods a Deployment is to have, by its subresource `scale`. Written only while the Deployment is the one that was read, by uid, generation
// and resource version: an executor that slept through a later change is refused. What an autoscaler makes of the number is said, and not fought.
import { z } from 'zod';
import type { Call, Effect, Facts, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr, saying } from '../outcome.ts';
import type { Autoscaler, Deployment } from './objects.ts';
import { type KubernetesSystem, statusOf } from './system.ts';

type Spec = StepSpecs['k8s.scale'];

/** A status that changes all the time moves the resource version, and is no other's change. */
const TRIES = 5;

/** What reading kept: generation and uid tell a change of what is wanted from one of its status. */
const seenShape = z.object({ uid: z.string(), generation: z.number(), replicas: z.number() });

const factsOf = ({ metadata: { uid, generation }, spec: { replicas } }: Deployment): Facts => ({ uid, generation, replicas });

const isThere = ({ replicas, atLeast }: Spec, { spec }: Deployment): boolean =>
  spec.replicas === replicas || (atLeast && spec.replicas > replicas);

export const kubernetesScale: StepKind<'k8s.scale'> = {
  kind: 'k8s.scale',
  signal: 'target',
  read: (spec, call) => readOr(`Deployment ${spec.namespace}/${spec.deployment}`, () => readScale(spec, call)),
  apply: (spec, call) => applyOr(`scale of ${spec.namespace}/${spec.deployment}`, () => applyScale(spec, call)),
};

const nameOf = ({ namespace, deployment }: Spec): string => `${namespace}/${deployment}`;

const readScale = async (spec: Spec, { context, signal }: Call): Promise<Reading> => {
  const cluster = await context.system<KubernetesSystem>(spec.system, 'kubernetes');
  try {
    const found = await cluster.deployment(spec.namespace, spec.deployment, signal);
    const scaler = await scalerText(cluster, spec, found.spec.replicas, signal);
    const wanted = `${spec.atLeast ? 'at least ' : ''}${spec.replicas}`;
    const because = `${nameOf(spec)} is to have ${found.spec.replicas} pods, wanted ${wanted}${scaler}`;
    return { is: isThere(spec, found) ? 'reached' : 'pending', because, facts: factsOf(found) };
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    return { is: 'never', because: `there is no Deployment ${nameOf(spec)} in ${spec.system}; compare its names` };
  }
};

const scalerText = async (cluster: KubernetesSystem, spec: Spec, now: number, signal: AbortSignal): Promise<string> => {
  try {
    const scaler = await cluster.autoscaler(spec.namespace, spec.deployment, signal);
    const text = scaler === null ? '' : interplay(spec, now, scaler);
    return text === '' ? '' : `; ${text}`;
  } catch (error) {
    return `; whether an autoscaler holds it is not known (${saying(error)})`;
  }
};

/** What the autoscaler makes of the wanted number: empty where it leaves it alone. `now`: what the Deployment is to have at present. Pure. */
export const interplay = ({ replicas, atLeast }: Spec, now: number, { name, min, max }: Autoscaler): string => {
  const held = `autoscaler ${name} (${min} to ${max})`;
  if (replicas === 0 && atLeast) return '';
  if (replicas === 0) return min === 0 ? `${held} has minReplicas 0 and may scale it up again` : `${held} rests for as long as it is 0`;
  const wakes = now === 0 ? ` wakes when it is above 0, and` : '';
  if (replicas < min) return `${held}${wakes} will raise it to its minimum ${min}`;
  if (replicas > max) return `${held}${wakes} will cut it to its maximum ${max}`;
  if (min < replicas) return `${held}${wakes} may lower it to ${min} again`;
  return wakes === '' ? '' : `${held} wakes when it is above 0`;
};

const applyScale = async (spec: Spec, { context, facts, signal }: Call): Promise<Effect> => {
  const cluster = await context.system<KubernetesSystem>(spec.system, 'kubernetes');
  const seen = seenShape.safeParse(facts);
  for (let tries = 1; tries <= TRIES; tries++) {
    const found = await cluster.deployment(spec.namespace, spec.deployment, signal).catch((error: unknown) => refusalAs(error));
    if ('took' in found) return found;
    if (isThere(spec, found))
      return { took: 'accepted', because: `${nameOf(spec)} is to have ${found.spec.replicas} pods already`, facts: factsOf(found) };
    const { uid, generation, resourceVersion } = found.metadata;
    if (seen.success && (seen.data.uid !== uid || seen.data.generation !== generation)) return overtaken(spec, seen.data.replicas, found);
    const written = await patched(cluster, spec, resourceVersion, signal);
    if (written !== 'conflict') return written;
  }
  return { took: 'refused', because: `${nameOf(spec)} changed ${TRIES} times while it was being scaled; nothing was written` };
};

const overtaken = (spec: Spec, before: number, { spec: { replicas } }: Deployment): Effect => ({
  took: 'refused',
  because: `${nameOf(spec)} was changed since it was read (${before} pods then, ${replicas} now); nothing was written`,
});

const patched = async (
  cluster: KubernetesSystem,
  spec: Spec,
  resourceVersion: string,
  signal: AbortSignal,
): Promise<Effect | 'conflict'> => {
  try {
    const now = await cluster.scale(spec.namespace, spec.deployment, spec.replicas, resourceVersion, signal);
    const because = `${nameOf(spec)} is to have ${now} pods now`;
    // Something in between could answer for the server.
    return now === spec.replicas ? { took: 'accepted', because } : { took: 'undecided', because: `${because}, wanted ${spec.replicas}` };
  } catch (error) {
    return statusOf(error) === 409 ? 'conflict' : refusalAs(error);
  }
};

/** Throws what is no answer of the API server. */
const refusalAs = (error: unknown): Effect => {
  const status = statusOf(error);
  if (status === null || status >= 500 || status === 408 || status < 400) throw error;
  return { took: status === 429 ? 'refused' : 'fatal', because: saying(error) };
};
