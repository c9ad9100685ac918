// One round of looks after a deployment: everything of the plan, a few at a time; what cannot be looked at is unknown and says why. Writes nothing anywhere.
import { Fault } from '../errors.ts';
import { Answered } from '../exchange.ts';
import type { Outcome, ProbeSpec } from '../model.ts';
import type { MatrixCell } from '../objectives/model.ts';
import type { HttpCheckSystem } from '../runbook/http/system.ts';
import type { Reading, System } from '../runbook/kind.ts';
import type { KubernetesSystem } from '../runbook/kubernetes/system.ts';
import { saying } from '../runbook/outcome.ts';
import { inParallel } from '../runbook/parallel.ts';
import type { PlatformConfig } from '../runbook/platform.ts';
import type { TemporalCluster } from '../runbook/temporal/cluster.ts';
import { guardFound, jobFound, reachedFound, rolloutFound, scalerFound, sectionFound } from './judge.ts';
import { type Found, failed, inOrder, ok, unknown, type VerifyLine } from './line.ts';
import type { DeploymentPoint, ProbePoint, VerifyPlan } from './plan.ts';

export interface LookOptions {
  platform: PlatformConfig;
  plan: VerifyPlan;
  /** Where this runs: what is looked at from one region alone is looked at there only. */
  region: string;
  system<S extends System>(name: string, kind: S['kind']): Promise<S>;
  probe(spec: ProbeSpec, signal: AbortSignal): Promise<Outcome>;
  /** Whether a codec server or a gRPC server works. */
  check(kind: 'codec' | 'grpc', system: string, signal: AbortSignal): Promise<Reading>;
  /** What the replicas measured of the platform's namespaces; a text: why that is not known. */
  measured(): Promise<readonly MatrixCell[] | string>;
  /** In which region the platform is active; null: that is not known. Never rejects. */
  active(): Promise<string | null>;
}

const AT_ONCE = 8;

type Task = Pick<VerifyLine, 'step' | 'of' | 'region'> & { look(): Promise<Found> };

const isMissing = (error: unknown): boolean => error instanceof Answered && error.code === 404;
const UNSEEN_FIX = 'let this replica reach it: name the system in its file, with the rights that it needs';

/** Rejects once nobody waits any more; never resolves. */
const ended = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const end = (): void => reject(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });

/** Not longer than somebody waits: what has not answered by then is unknown, and keeps nothing else from being told. */
const found = async (look: () => Promise<Found>, signal: AbortSignal): Promise<Found> => {
  try {
    return await Promise.race(signal.aborted ? [ended(signal)] : [look(), ended(signal)]);
  } catch (error) {
    return unknown(saying(error), UNSEEN_FIX);
  }
};

/** What was asked and did not answer, or not as it should. Throws what is about this replica: its file, its secrets. */
const notOurs = (error: unknown): { because: string } => {
  if (error instanceof Fault) throw error;
  return { because: saying(error) };
};

const missing = (what: string, file: string): Found =>
  failed(`there is no ${what}`, `apply ${file}; or compare the names in the configuration`);

const jobTasks = ({ plan, system }: LookOptions, signal: AbortSignal): readonly Task[] =>
  plan.jobs.map(({ region, system: name, namespace, job }) => ({
    step: 'migration',
    of: `Job ${namespace}/${job}`,
    region,
    async look() {
      const cluster = await system<KubernetesSystem>(name, 'kubernetes');
      try {
        return jobFound(await cluster.job(namespace, job, signal));
      } catch (error) {
        if (isMissing(error)) return missing(`Job ${namespace}/${job} in ${name}`, 'migration-job.yaml');
        throw error;
      }
    },
  }));

/** One read of the Deployment for its rollout and all that stands around it. */
const deploymentTasks = (options: LookOptions, point: DeploymentPoint, signal: AbortSignal): readonly Task[] => {
  const { region, namespace, deployment: name, guarded, standby } = point;
  const cluster = (): Promise<KubernetesSystem> => options.system<KubernetesSystem>(point.system, 'kubernetes');
  let reading: ReturnType<KubernetesSystem['deployment']> | null = null;
  const read = async (): ReturnType<KubernetesSystem['deployment']> => {
    reading ??= (await cluster()).deployment(namespace, name, signal);
    return reading;
  };
  const of = `Deployment ${namespace}/${name}`;
  const unlessMissing = (look: () => Promise<Found>) => async (): Promise<Found> => {
    try {
      return await look();
    } catch (error) {
      if (isMissing(error)) return missing(`${of} in ${point.system}`, 'its Deployment');
      throw error;
    }
  };
  const none = async (): Promise<boolean | null> => {
    if (standby !== 0) return false;
    const active = await options.active();
    return active === null ? null : active !== region;
  };
  const rollout: Task = { step: 'rollout', of, region, look: unlessMissing(async () => rolloutFound(await read(), await none())) };
  if (!guarded) return [rollout];
  const guards: readonly (() => Promise<Found>)[] = [
    async () => scalerFound(await read(), await (await cluster()).autoscaler(namespace, name, signal)),
    async () => guardFound('PodDisruptionBudget', await read(), await (await cluster()).budgets(namespace, signal)),
    async () => guardFound('NetworkPolicy', await read(), await (await cluster()).policies(namespace, signal)),
  ];
  return [rollout, ...guards.map((look): Task => ({ step: 'guards', of, region, look: unlessMissing(look) }))];
};

/** As a step of a run is read. */
const readingFound = ({ is, because }: Reading): Found => {
  if (is === 'reached') return ok(because);
  return is === 'unknown' ? unknown(because, UNSEEN_FIX) : failed(because, 'look at the logs of what answers there');
};

const checkTasks = ({ plan, system, check }: LookOptions, signal: AbortSignal): readonly Task[] =>
  plan.checks.map(({ region, system: name, kind }) => ({
    step: 'health',
    of: name,
    region,
    async look() {
      if (kind !== 'http') return readingFound(await check(kind, name, signal));
      const asked = await system<HttpCheckSystem>(name, 'http');
      const status = await asked.ask(signal).catch(notOurs);
      if (typeof status !== 'number')
        return failed(`${asked.host}: ${status.because}`, 'see that it runs, and that this machine reaches it');
      const said = `${asked.host} answered ${status}`;
      return asked.good.some(([low, high]) => status >= low && status <= high)
        ? ok(said)
        : failed(said, 'look at the logs of what answers there');
    },
  }));

const isSeenFrom = ({ from, region }: ProbePoint, here: string): boolean =>
  from === 'local' ? region === here : from === 'all' || from.includes(here);

const probeTasks = ({ plan, region: here, probe }: LookOptions, signal: AbortSignal): readonly Task[] =>
  plan.probes.map((point) => ({
    step: 'health',
    of: point.of,
    region: point.region,
    async look() {
      if (!isSeenFrom(point, here))
        return unknown(`it is not looked at from ${here}`, `run this with the file of a replica of ${point.region}`);
      const outcome = await probe(point.spec, signal);
      if (outcome.saw === 'ok') return ok(`it answers, in ${Math.round(outcome.tookMs)} ms`);
      if (outcome.saw === 'nothing') return unknown(outcome.detail, 'look at the resolver and the network of this machine');
      return failed(`${outcome.reason}: ${outcome.detail}`, 'look at the logs of what answers there');
    },
  }));

/** By this replica itself in its own region; of the others by what their replicas measured. */
const namespaceTasks = ({ platform, plan, region: here, system, measured }: LookOptions, signal: AbortSignal): readonly Task[] => {
  let reading: ReturnType<LookOptions['measured']> | null = null;
  const read = (): ReturnType<LookOptions['measured']> => {
    reading ??= measured();
    return reading;
  };
  const tasks = plan.namespaces.map(
    ({ region, entry }): Task => ({
      step: 'namespaces',
      of: `namespaces ${entry}`,
      region,
      async look() {
        const cells = await read();
        if (typeof cells === 'string')
          return unknown(cells, 'name an API that answers with --endpoint; its replicas measure each from their own region');
        return reachedFound(
          region,
          cells.filter(({ from, of }) => from === region && of === entry),
        );
      },
    }),
  );
  const own = platform.namespaces.flatMap(({ system: named, frontend, namespaces }) => {
    const asked = typeof named === 'string' ? frontend : named;
    const name = typeof asked === 'string' ? asked : asked?.[here];
    const isWanted = plan.namespaces.some(({ region }) => region === here);
    if (name === undefined || !isWanted) return [];
    return namespaces.map(
      (namespace): Task => ({
        step: 'namespaces',
        of: `namespace ${namespace}`,
        region: here,
        async look() {
          const cluster = await system<TemporalCluster>(name, 'temporal');
          const tookMs = await cluster.describes(namespace, signal).catch(notOurs);
          return typeof tookMs === 'number'
            ? ok(`${name} describes it, in ${Math.round(tookMs)} ms`)
            : failed(tookMs.because, 'see that the namespace is there, and that this region reaches its frontend');
        },
      }),
    );
  });
  return [...own, ...tasks];
};

const sectionTasks = ({ plan, system }: LookOptions, signal: AbortSignal): readonly Task[] =>
  plan.sections.map(({ region, system: name, section }) => ({
    step: 'llm',
    of: name,
    region,
    look: async () => sectionFound(name, await (await system<HttpCheckSystem>(name, 'http')).document(signal), section),
  }));

const unaskedTasks = ({ plan }: LookOptions): readonly Task[] =>
  plan.unasked.map(({ because, fix, ...what }) => ({ ...what, look: async () => unknown(because, fix) }));

/** Never rejects for what it looks at. */
export const lookAtDeployment = async (options: LookOptions, signal: AbortSignal): Promise<readonly VerifyLine[]> => {
  const tasks = [
    ...jobTasks(options, signal),
    ...options.plan.deployments.flatMap((point) => deploymentTasks(options, point, signal)),
    ...checkTasks(options, signal),
    ...probeTasks(options, signal),
    ...namespaceTasks(options, signal),
    ...sectionTasks(options, signal),
    ...unaskedTasks(options),
  ];
  return inOrder(
    await inParallel(tasks, AT_ONCE, async ({ step, of, region, look }) => ({ step, of, region, ...(await found(look, signal)) })),
  );
};
