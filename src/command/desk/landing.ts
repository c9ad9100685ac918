// How far an order has come: obeyed by a decision, and that decision written by the providers. Read off status documents; what cannot be told from one is
// not claimed. Pure.
import type { StatusDocument } from '../../client/types.ts';
import { isInForce } from '../../decide/override.ts';
import type { Override } from '../../model.ts';
import { servedState } from './findings.ts';
import { poolsIn } from './subject.ts';

export interface Progress {
  done: boolean;
  /** What is waited for, or what was reached. */
  because: string;
}

type Pools = ReturnType<typeof poolsIn>;

const names = (pools: Pools): string => {
  const all = pools.map(({ service, pool }) => `${service.name}/${pool.name}`);
  return all.length <= 3 ? all.join(', ') : `${all.slice(0, 3).join(', ')} and ${all.length - 3} more`;
};

const holdsOf = (pools: Pools): string => {
  const held = pools.find(({ pool }) => pool.memory?.hold != null);
  return held === undefined ? '' : `; held (${held.pool.memory?.hold}): ${held.pool.because}`;
};

/** Pools of which the decided route does not yet say what the order wants. */
const unobeyed = (order: Override, pools: Pools): Pools => {
  switch (order.kind) {
    case 'drain':
    case 'evacuate':
      return pools.filter(({ pool }) => pool.share === null || pool.share > 0);
    case 'force-in':
      return pools.filter(({ pool }) => (pool.share ?? 0) === 0);
    case 'pin':
      // What is down gives its share to the others, pinned or not.
      return pools.filter(({ pool }) => pool.verdict === 'up' && (order.weights?.[pool.name] ?? 0) > 0 !== (pool.share ?? 0) > 0);
    case 'freeze':
    case 'stop':
      return [];
  }
};

const served = (pools: Pools): Progress => {
  const services = [...new Map(pools.map(({ service }) => [service.name, service])).values()];
  const late = services.filter((service) => ['behind', 'wrong'].includes(servedState(service).state));
  if (late.length > 0)
    return {
      done: false,
      because: `decided; not written yet: ${late
        .map((service) => `${service.name} (${servedState(service).because})`)
        .slice(0, 3)
        .join(', ')}`,
    };
  const unwritten = services.filter((service) => servedState(service).state === 'unwritten');
  const but =
    unwritten.length === 0
      ? ''
      : `; nothing is written for ${unwritten
          .map(({ name, mode }) => `${name} (${mode})`)
          .slice(0, 3)
          .join(', ')}`;
  return { done: true, because: `decided and written${but}` };
};

/** Of an order that was given. */
export const progressOf = (status: StatusDocument, order: Override): Progress => {
  const there = status.overrides.items.find(({ id }) => id === order.id);
  if (there === undefined) return { done: false, because: `${status.self.region}/${status.self.replica} does not know of the order yet` };
  if (there.approval?.by === null) return { done: false, because: `waits for a second person: tidegate override approve ${order.id}` };
  if (!isInForce(there, status.clusterTimeMs)) return { done: false, because: 'the order is not in force at this time' };
  const pools = poolsIn(status, order.scope);
  const rest = unobeyed(order, pools);
  if (rest.length > 0) return { done: false, because: `not decided yet for ${names(rest)}${holdsOf(rest)}` };
  if (order.kind === 'freeze' || order.kind === 'stop')
    return { done: true, because: 'known to the coordinator, obeyed by its next decision' };
  return served(pools);
};

/** Of an order that was ended: nothing is out because of it, and what was decided since is written. */
export const progressOfEnd = (status: StatusDocument, order: Override): Progress => {
  if (status.overrides.items.some(({ id }) => id === order.id))
    return { done: false, because: `${status.self.region}/${status.self.replica} still sees the order` };
  const pools = poolsIn(status, order.scope);
  const out = pools.filter(({ pool }) => pool.memory?.state === 'out' && pool.memory.by === 'override');
  if (out.length > 0) return { done: false, because: `not decided yet for ${names(out)}${holdsOf(out)}` };
  const returning = pools.filter(({ pool }) => pool.memory?.state === 'returning');
  if (returning.length > 0) return { done: false, because: `on its way back: ${names(returning)}` };
  return served(pools);
};
