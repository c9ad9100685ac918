// What the store remembers of the past, read for a report: audit records back to an instant, incidents, and what providers were seen to serve.
// Audit records are read by their numbers, newest first, a batch at a time: all of them together may be more than one read may return.
import { auditKey, configAuditKey, KEYS, observedKey } from '../coordinate/keys.ts';
import type { History } from '../drill/findings.ts';
import { Fault } from '../errors.ts';
import { type Audit, type ClusterConfig, type ConfigAudit, type Incident, type Observed, pathsOf, type Routing } from '../model.ts';
import type { Store } from '../store/store.ts';

const BATCH = 100;

/** Newest first, down to the first one of before `sinceAtMs`; `isAll`: nothing older is there. */
const readBack = async <T extends { atMs: number }>(
  store: Store,
  keyOf: (n: number) => string,
  newest: number,
  sinceAtMs: number,
): Promise<{ found: readonly T[]; reachesTo: number }> => {
  const found: T[] = [];
  for (let to = newest; to >= 1; to -= BATCH) {
    const keys = Array.from({ length: Math.min(BATCH, to) }, (_, i) => keyOf(to - i));
    const { kvs } = await store.get({ keys });
    const values = kvs.map(({ value }) => value as T).sort((a, b) => b.atMs - a.atMs);
    found.push(...values);
    if (values.length === 0 || values.some(({ atMs }) => atMs < sinceAtMs)) break;
  }
  return { found, reachesTo: found.at(-1)?.atMs ?? Number.POSITIVE_INFINITY };
};

/** When each service's mode was last changed, or the service added, within what was read. */
const modeChanges = (cluster: ClusterConfig, audits: readonly ConfigAudit[]): Record<string, number> =>
  Object.fromEntries(
    cluster.services.flatMap(({ name }) => {
      const at = `/services/${name}`;
      const change = audits.find(({ diff }) => diff.some((line) => line.startsWith(`${at}/mode: `) || line.startsWith(`${at}: added`)));
      return change === undefined ? [] : [[name, change.atMs]];
    }),
  );

/** Throws Fault ERR_NOT_FOUND when the store holds no cluster or no decision yet, and what the store throws. */
export const readHistory = async (store: Store, sinceAtMs: number, wallMs: number): Promise<History> => {
  const { kvs } = await store.get({ keys: [KEYS.members, KEYS.routing], prefixes: ['incident/'] });
  const value = <T>(key: string): T | null => (kvs.find((kv) => kv.key === key)?.value as T | undefined) ?? null;
  const [cluster, routing] = [value<ClusterConfig>(KEYS.members), value<Routing>(KEYS.routing)];
  if (cluster === null || routing === null)
    throw new Fault(
      'ERR_NOT_FOUND',
      `the store holds no ${cluster === null ? 'configuration' : 'decision'} yet, so there is nothing to report`,
    );
  const audits = await readBack<Audit>(store, auditKey, routing.v, sinceAtMs);
  const configs = await readBack<ConfigAudit>(store, configAuditKey, cluster.version, sinceAtMs);
  const observed = await store.get({ prefixes: ['observed/'] });
  const oldest = audits.found.at(-1);
  const because = oldest?.v === 1 ? 'the cluster was first configured then' : 'the store keeps no older decisions';
  return {
    cluster,
    routing,
    audits: [...audits.found].reverse(),
    auditsFrom: { atMs: audits.reachesTo, because },
    incidents: kvs.filter(({ key }) => key.startsWith('incident/')).map(({ value: incident }) => incident as Incident),
    observed: Object.fromEntries(
      cluster.services.flatMap((s) => {
        // The first of its paths that was looked at stands for what its users meet.
        const kvs = pathsOf(s).flatMap((path) => observed.kvs.filter(({ key }) => key === observedKey(path, s.name)));
        const [found] = kvs;
        return found === undefined ? [] : [[s.name, found.value as Observed]];
      }),
    ),
    modeSinceAtMs: modeChanges(cluster, configs.found),
    nowMs: Math.max(routing.atMs, Math.round(wallMs)),
  };
};
