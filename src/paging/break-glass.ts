// The command that takes a region out by hand when nothing can be decided, with the shares that would do it, from the last known route. Pure: it is text
// for a human, who judges; nothing here is run.
import { steeringOf } from '../../policies/index.ts';
import { toShares } from '../../policies/shares.ts';
import { pathsOf, type Route, type ServiceConfig } from '../model.ts';

/**
 * The route without the pools of `out`: the others keep their proportions; when none of them carries anything (a standby), all others are steered anew.
 * Null when no other pool is left.
 */
export const routeWithout = (service: ServiceConfig, route: Route, out: ReadonlySet<string>): Route | null => {
  const left = service.pools.filter((pool) => !out.has(pool.name));
  if (left.length === 0) return null;
  const carried = new Map(service.pools.map(({ name }) => [name, out.has(name) ? 0 : (route[name] ?? 0)]));
  if ([...carried.values()].some((share) => share > 0)) return toShares(carried);
  const seats = service.pools.map(({ name, weight }) => ({ pool: name, weight, factor: out.has(name) ? 0 : 1000 }));
  return steeringOf(service.steering.kind)?.steer(seats) ?? null;
};

/**
 * Shares in percent, as the command takes them. FILE is a replica's file, CLUSTER the one that was applied, wherever the human sits. `reachable`: paths that
 * need no store; if only one of several is, it is named, and the command does not wait for those that cannot be written.
 */
export const breakGlass = (service: ServiceConfig, route: Route, reachable: readonly string[]): string => {
  const shares = service.pools.map(({ name }) => `${name}=${(route[name] ?? 0) / 10}`).join(' ');
  const [path] = reachable;
  const by = reachable.length === 1 && pathsOf(service).length > 1 ? ` --provider ${path}` : '';
  return `tidegate route set --break-glass -c FILE -f CLUSTER --service ${service.name}${by} --share ${shares} --reason WHY --owner YOU`;
};

/** For a service that goes by gates only, which lie in the very store that is missing: no command reaches it. */
export const gateByHand = (service: ServiceConfig, out: ReadonlySet<string>): string => {
  const who = out.size === 0 ? 'the pool that has to go' : [...out].join(', ');
  return `no command: ${service.name} is on gates, which need the store; drain ${who} at the vendor or in front of the gates, by "By hand" in providers/gate/README.md`;
};
