// What an order touches, and whether those credentials may touch it. Pure.
import { covers } from '../decide/override.ts';
import { Fault } from '../errors.ts';
import type { ClusterConfig, Override, PoolConfig, ServiceConfig } from '../model.ts';
import type { Principal } from './access.ts';

type Scoped = Pick<Override, 'kind' | 'scope'>;

/** Pools that the order is about, in configured order. A region or an empty scope takes in every service with a pool there. */
export const poolsUnder = ({ scope }: Scoped, cluster: ClusterConfig): readonly { service: ServiceConfig; pool: PoolConfig }[] =>
  cluster.services.flatMap((service) =>
    service.pools.filter((pool) => covers({ scope } as Override, service, pool)).map((pool) => ({ service, pool })),
  );

/** Names of the services that it touches. */
const servicesUnder = (order: Scoped, cluster: ClusterConfig): readonly string[] => [
  ...new Set(poolsUnder(order, cluster).map(({ service }) => service.name)),
];

/** Throws ERR_FORBIDDEN unless every service that one of the orders touches is among the principal's own. */
export const demandScope = (
  { name, services }: Pick<Principal, 'name' | 'services'>,
  cluster: ClusterConfig,
  ...orders: readonly (Scoped | undefined)[]
): void => {
  if (services === null) return;
  // It also says who coordinates the whole cluster.
  if (orders.some((order) => order?.kind === 'evacuate'))
    throw new Fault(
      'ERR_FORBIDDEN',
      `${name} may give orders about ${services.join(', ') || 'no service'}; an evacuation touches who coordinates the cluster: drain the region in those`,
    );
  const touched = orders.flatMap((order) => (order === undefined ? [] : servicesUnder(order, cluster)));
  const foreign = [...new Set(touched)].filter((service) => !services.includes(service));
  if (foreign.length > 0)
    throw new Fault(
      'ERR_FORBIDDEN',
      `${name} may give orders about ${services.join(', ') || 'no service'}; this one also touches ${foreign.slice(0, 10).join(', ')}${foreign.length > 10 ? ` and ${foreign.length - 10} more` : ''}`,
    );
};
