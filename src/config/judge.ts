// From a file's values to what they mean, or to everything wrong with them: shape, then relations, then whether the goals can be met. Pure.
// A replica's file holds identity, endpoints and secret paths, and may hold the cluster's shared part; a cluster's file holds only that part.

import { dirname, isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import type { ClusterConfig, PoolConfig, ProbeSpec } from '../model.ts';
import type { PlatformConfig } from '../runbook/platform.ts';
import { goalFindings, type Pace } from './arithmetic.ts';
import { checkCluster, checkDraft, type Draft } from './check.ts';
import { clusterSchema, clusterShape } from './cluster.ts';
import { GOALS, policyOf } from './defaults.ts';
import { present } from './fields.ts';
import { judged, salvage, wanted } from './issues.ts';
import { NO_PAGING } from './paging.ts';
import { platformsSchema } from './platforms.ts';
import type { Finding, Path } from './problem.ts';
import { paceIn } from './providers/index.ts';
import { type ReplicaConfig, replicaSchema, replicaShape, withPaths } from './schema.ts';
import { clusterWarnings, warningsOf } from './warnings.ts';
import type { Source } from './yaml.ts';

/** `value` is null when the shape is broken. Warnings are those of a value without findings. */
export interface Verdict<T> {
  value: T | null;
  findings: readonly Finding[];
  warnings: readonly Finding[];
}

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

// ---- the sound parts of a broken file ----

const within = (outer: Path, inner: Path): boolean => outer.length <= inner.length && outer.every((step, i) => step === inner[i]);

/** The draft of a file that the schema refused: section by section, each without its broken parts. */
const draftOf = (root: unknown, broken: readonly Path[]): { draft: Draft; origin: (path: Path) => Path } => {
  const origins: { at: Path; origin: (path: Path) => Path }[] = [];
  const part = <T>(schema: z.ZodType<T>, value: unknown, at: Path, otherwise: T): T => {
    const sound = value === undefined ? null : salvage(schema, value);
    if (sound === null) return otherwise;
    origins.push({ at, origin: sound.origin });
    return sound.value;
  };
  const origin = (path: Path): Path => {
    const owner = origins.find(({ at }) => within(at, path));
    return owner === undefined ? path : [...owner.at, ...owner.origin(path.slice(owner.at.length))];
  };
  const map = isMap(root) ? root : {};
  const draft: Draft = {
    region: part<string | null>(replicaShape.region, map.region, ['region'], null),
    store: part<ReplicaConfig['store'] | null>(replicaShape.store, map.store, ['store'], null),
    signs: map.signing !== undefined,
    providers: part<ReplicaConfig['providers']>(replicaShape.providers, map.providers, ['providers'], {}),
    ...present({ systems: part<ReplicaConfig['systems']>(replicaShape.systems, map.systems, ['systems'], undefined) }),
    canaries: part<ReplicaConfig['canaries']>(replicaShape.canaries, map.canaries, ['canaries'], undefined),
    record: part<ReplicaConfig['record']>(replicaShape.record, map.record, ['record'], undefined),
    paging: part<ReplicaConfig['paging']>(replicaShape.paging, map.paging, ['paging'], NO_PAGING),
    cluster: isMap(map.cluster) ? clusterOf(map.cluster, part) : null,
    broken: (path) => broken.some((place) => within(origin(path), place) || within(place, origin(path))),
  };
  return { draft, origin };
};

type Part = <T>(schema: z.ZodType<T>, value: unknown, at: Path, otherwise: T) => T;

const clusterOf = (map: Record<string, unknown>, part: Part): ClusterConfig => {
  const shape = clusterShape;
  return {
    name: part(shape.name, map.name, ['cluster', 'name'], ''),
    version: 0,
    goals: part(shape.goals, map.goals, ['cluster', 'goals'], GOALS),
    regions: part<ClusterConfig['regions']>(shape.regions, map.regions, ['cluster', 'regions'], []),
    policy: part(shape.policy, map.policy, ['cluster', 'policy'], policyOf({})),
    services: part<ClusterConfig['services']>(shape.services, map.services, ['cluster', 'services'], []),
    platforms: part<readonly PlatformConfig[]>(platformsSchema, map.platforms, ['cluster', 'platforms'], []),
  };
};

/** What is wrong with the shape, and what is wrong between the parts that have theirs. */
const refusal = (error: z.core.$ZodError, root: unknown, check: (draft: Draft) => readonly Finding[]): readonly Finding[] => {
  const { findings, broken } = judged(error, root);
  const { draft, origin } = draftOf(root, broken);
  return [...findings, ...check(draft).map((found) => ({ ...found, path: origin(found.path) }))];
};

// ---- a replica's file ----

/** `file` is where the values come from: relative paths start from its folder. */
export const judgeReplica = (source: Source, file: string): Verdict<ReplicaConfig> => {
  const parsed = replicaSchema.safeParse(source.value, { error: wanted });
  if (!parsed.success) return { value: null, findings: refusal(parsed.error, source.value, checkDraft), warnings: [] };
  const { cluster = null, ...rest } = withPaths(parsed.data, dirname(resolve(file)));
  const config: ReplicaConfig = { file: resolve(file), ...present(rest), cluster };
  const findings = checkDraft({ ...config, signs: config.signing !== undefined, broken: () => false });
  if (cluster === null && config.store.kind === 'embedded') {
    const message = 'found nothing, expected the cluster section, which the embedded store takes from this file; add it';
    findings.push({ path: ['cluster'], at: 'key', message });
  }
  // The arithmetic of a configuration that contradicts itself would only confuse.
  if (findings.length === 0 && cluster !== null) findings.push(...goalFindings(cluster, paceIn(config)));
  return { value: config, findings, warnings: warningsOf(config) };
};

// ---- a cluster's file ----

const clusterFile = z.strictObject({ cluster: clusterSchema });

/** Other keys than `cluster` that a replica's file has: with one of them it is such a file. */
const isReplicaFile = (value: unknown): boolean =>
  isMap(value) && Object.keys(value).some((key) => key !== 'cluster' && Object.hasOwn(replicaShape, key));

/** Paths that every replica reads on its own machine, so that they cannot start from the folder of this file. */
const pathFindings = (cluster: ClusterConfig): Finding[] => {
  const relative = (at: Path, spec: ProbeSpec | undefined): Finding[] => {
    if (spec === undefined || !('caFile' in spec) || spec.caFile === undefined || isAbsolute(spec.caFile)) return [];
    const message = `found ${JSON.stringify(spec.caFile)}, expected an absolute path, since every replica reads it on its own machine; write it like /etc/tidegate/ca.pem`;
    return [{ path: [...at, 'caFile'], at: 'value', message }];
  };
  const poolPaths = (pool: PoolConfig, at: Path): Finding[] =>
    pool.targets.flatMap((target, t) => [
      ...relative([...at, 'targets', t, 'healthz'], target.healthz),
      ...relative([...at, 'targets', t, 'readyz'], target.readyz),
    ]);
  return cluster.services.flatMap(({ pools }, s) => pools.flatMap((pool, p) => poolPaths(pool, ['cluster', 'services', s, 'pools', p])));
};

/** The shared part alone, as `apply` takes it: from a file that holds nothing else, or from a whole replica's file. `pace` is that of the store it goes to. */
export const judgeCluster = (source: Source, pace: Pace): Verdict<ClusterConfig> => {
  const parsed = (isReplicaFile(source.value) ? replicaSchema : clusterFile).safeParse(source.value, { error: wanted });
  if (!parsed.success) return { value: null, findings: refusal(parsed.error, source.value, checkCluster), warnings: [] };
  const cluster = parsed.data.cluster ?? null;
  if (cluster === null) {
    const message =
      'found nothing, expected the cluster section, which is what apply writes to the store; add it, or name another file with -f';
    return { value: null, findings: [{ path: ['cluster'], at: 'key', message }], warnings: [] };
  }
  const draft: Draft = { region: null, store: null, signs: null, providers: null, paging: NO_PAGING, cluster, broken: () => false };
  const findings = [...checkCluster(draft), ...pathFindings(cluster)];
  if (findings.length === 0) findings.push(...goalFindings(cluster, pace));
  return { value: cluster, findings, warnings: clusterWarnings(cluster) };
};
