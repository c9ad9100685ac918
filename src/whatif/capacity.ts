// Whether those who are left can bear what comes to them: load by share against what each pool bears, as reported or else as configured. Pure.
import type { Reports, Route, ServiceConfig } from '../model.ts';

export interface CapacityLeft {
  load: number;
  /** Of the pools that carry something. */
  capacity: number;
  /** Of the pool that is tightest; below 0: it is overloaded. */
  leftPercent: number;
  source: 'configured' | 'reported';
  because: string;
}

/** What somebody says of a service's load and its pools' capacity. */
interface Known {
  load: number | null;
  capacityOf(pool: string): number | null;
  source: CapacityLeft['source'];
}

const knownOf = (service: ServiceConfig, reported: Reports | null, nowMs: number): Known => {
  const report = reported !== null && Object.hasOwn(reported.services, service.name) ? reported.services[service.name] : undefined;
  const fresh = report !== undefined && report.expiresAtMs > nowMs ? report : null;
  const capacityOf = (pool: string): number | null => {
    if (fresh !== null && Object.hasOwn(fresh.capacity, pool)) return fresh.capacity[pool] ?? null;
    return service.pools.find(({ name }) => name === pool)?.capacity ?? null;
  };
  return { load: fresh?.load ?? service.load ?? null, capacityOf, source: fresh === null ? 'configured' : 'reported' };
};

const round = (value: number): number => Math.round(value * 10) / 10;

/** null: nobody said what its load is, or what one of the pools that carry it bears. */
export const capacityOf = (service: ServiceConfig, route: Route, reported: Reports | null, nowMs: number): CapacityLeft | null => {
  const { load, capacityOf: bears, source } = knownOf(service, reported, nowMs);
  if (load === null) return null;
  const carrying = Object.entries(route).filter(([, share]) => share > 0);
  const pools = carrying.flatMap(([pool, share]) => {
    const capacity = bears(pool);
    return capacity === null ? [] : [{ pool, carries: (load * share) / 1000, capacity }];
  });
  if (pools.length === 0 || pools.length < carrying.length) return null;
  const left = ({ carries, capacity }: (typeof pools)[number]): number => (capacity <= 0 ? -100 : 100 - (carries * 100) / capacity);
  const tightest = pools.reduce((a, b) => (left(b) < left(a) ? b : a));
  return {
    load,
    capacity: pools.reduce((sum, { capacity }) => sum + capacity, 0),
    leftPercent: round(left(tightest)),
    source,
    because: `${tightest.pool} would carry ${round(tightest.carries)} of the ${tightest.capacity} that it bears (${source})`,
  };
};
