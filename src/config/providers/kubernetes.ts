// An entry of kind `kubernetes`.
import { z } from 'zod';
import type { KubernetesConfig } from '../../../providers/kubernetes/index.ts';
import type { ServiceConfig } from '../../model.ts';
import { dnsName, filePath, kubernetesName, name, whole } from '../fields.ts';
import type { Path } from '../problem.ts';
import { list } from '../words.ts';
import type { ProviderShape } from './shape.ts';

/** More rules than this an HTTPRoute cannot have (Gateway API 1.4). */
const RULES_MAX = 16;
const REPLICAS_MAX = 10_000;

const CLUSTER = 'how to reach the cluster; write kubeconfigFile: FILE, or inCluster: true for the one this runs in';
const cluster = z.union([z.strictObject({ kubeconfigFile: filePath }), z.strictObject({ inCluster: z.literal(true) })], { error: CLUSTER });

const object = { cluster: name, namespace: kubernetesName, name: kubernetesName };

const httpRoute = z.strictObject({
  ...object,
  rule: whole(0, RULES_MAX - 1).default(0),
  backends: z.record(name, kubernetesName),
});

const deployment = z
  .strictObject({ ...object, replicas: whole(1, REPLICAS_MAX), out: whole(0, REPLICAS_MAX - 1).default(0) })
  .refine(({ replicas, out }) => out < replicas, {
    error: 'more replicas while the pool is in than while it is out; raise replicas or lower out',
  });

const SERVICE = 'either httpRoute or deployments; write one of them';
const service = z.union([z.strictObject({ httpRoute }), z.strictObject({ deployments: z.record(name, deployment) })], { error: SERVICE });

const isOneKind = ({ services }: KubernetesConfig): boolean =>
  new Set(Object.values(services).map((entry) => ('httpRoute' in entry ? 'route' : 'deployments'))).size < 2;

/** Each object with the service it is named for. */
const objectsOf = ({ services }: KubernetesConfig): readonly { service: string; cluster: string; object: string }[] =>
  Object.entries(services).flatMap(([service, entry]) =>
    ('httpRoute' in entry ? [entry.httpRoute] : Object.values(entry.deployments)).map(({ cluster, namespace, name }) => ({
      service,
      cluster,
      object: `${cluster}: ${namespace}/${name}`,
    })),
  );

export const kubernetes: ProviderShape<KubernetesConfig> = {
  schema: z
    .strictObject({ kind: z.literal('kubernetes'), clusters: z.record(name, cluster), services: z.record(dnsName, service) })
    .superRefine((entry, context) => {
      const say = (path: Path, message: string): void => context.addIssue({ code: 'custom', path: [...path], message });
      if (!isOneKind(entry))
        say(['services'], 'services of one kind, all httpRoute or all deployments; make a second provider for the others');
      const seen = new Map<string, string>();
      for (const { service, cluster, object } of objectsOf(entry)) {
        if (!(cluster in entry.clusters))
          say(
            ['services', service],
            `clusters that are named above (${list(Object.keys(entry.clusters))}), and "${cluster}" is none; add it`,
          );
        const other = seen.get(object);
        if (other !== undefined)
          say(['services', service], `an object of its own, and ${object} is named for ${other} already; name another`);
        seen.set(object, service);
      }
      for (const [service, mapped] of Object.entries(entry.services))
        if ('httpRoute' in mapped)
          for (const [at, [pool, backend]] of Object.entries(mapped.httpRoute.backends).entries()) {
            const twin = Object.entries(mapped.httpRoute.backends)
              .slice(0, at)
              .find(([, other]) => other === backend)?.[0];
            if (twin !== undefined)
              say(
                ['services', service, 'httpRoute', 'backends', pool],
                `another backend than that of pool "${twin}"; name the one that this pool is`,
              );
          }
    }),
  misfit: (entry, service, called) => {
    const mapped = entry.services[service.name];
    if (mapped === undefined) {
      const message = `found no entry for "${service.name}", expected one in services of provider "${called}"; say there which objects serve it`;
      return { at: ['name'], message };
    }
    return unmapped('httpRoute' in mapped ? mapped.httpRoute.backends : mapped.deployments, service, called);
  },
  // Deployments take as long as their pods take to start; that is the workload's own, and not counted here.
  arrival: ({ services }) => ({
    visibleMs: 5000,
    what: Object.values(services).some((entry) => 'deployments' in entry) ? 'the controllers act' : 'the gateways take the new weights',
    ttl: false,
  }),
  objects: (entry, service) => {
    const mapped = entry.services[service];
    if (mapped === undefined) return [];
    const [what, objects] = 'httpRoute' in mapped ? ['route', [mapped.httpRoute]] : ['deployment', Object.values(mapped.deployments)];
    return objects.map(({ cluster, namespace, name }) => `${what} ${namespace}/${name} of ${reachOf(entry, cluster)}`);
  },
};

/** As the replica reaches it, since a cluster has whatever name the entry gives it. */
const reachOf = (entry: KubernetesConfig, cluster: string): string => {
  const reach = entry.clusters[cluster];
  return reach !== undefined && 'kubeconfigFile' in reach ? reach.kubeconfigFile : 'the cluster this runs in';
};

const unmapped = (
  pools: Readonly<Record<string, unknown>>,
  service: ServiceConfig,
  called: string,
): { at: Path; message: string } | null => {
  const at = service.pools.findIndex(({ name }) => pools[name] === undefined);
  if (at < 0) return null;
  const message = `found pool "${service.pools[at]?.name}", expected one of ${list(Object.keys(pools))} as in services of provider "${called}"; add it there`;
  return { at: ['pools', at, 'name'], message };
};
