// What one vantage's own vote says of whole regions, when there is nobody to count votes with: by the same table and the same minUp as the quorum's
// tallies, over the pools that carry traffic by the last known route. An abstaining vantage believes nothing. Where a region's replicas share its targets,
// each has only its share to judge by, since the others' words come through the store: it takes the share for the whole, and says so. Pure.
import { vantagesOf } from '../health/electorate.ts';
import { ownerOf } from '../health/owner.ts';
import { counts, poolVerdict, targetVerdict } from '../health/verdict.ts';
import {
  type ClusterConfig,
  type EndpointKey,
  type EndpointName,
  endpointKey,
  type PoolConfig,
  type Routing,
  type ServiceConfig,
  type TargetConfig,
  type TargetId,
  targetId,
  type Verdict,
  type Vote,
} from '../model.ts';

const ENDPOINTS: readonly EndpointName[] = ['healthz', 'readyz'];

/** Who looks, and what is known beside the vote. */
export interface Eyes {
  region: string;
  replica: string;
  cluster: ClusterConfig;
  routing: Routing | null;
  vote: Vote;
  /** Age in ms of the start of the first failed probe of the endpoint's current streak; null: none or not known. */
  firstFaultAgeMs: (key: EndpointKey) => number | null;
}

export interface Belief {
  region: string;
  /** `idle`: it carries nothing by the last known route. */
  says: 'down' | 'up' | 'unknown' | 'idle';
  /** Services that page and that send traffic there, with a pool that is out. */
  services: readonly ServiceConfig[];
  /** `both endpoints of 3 of 3 targets, first fault 12 s ago`; empty unless down. */
  because: string;
}

interface Look {
  verdict: Verdict;
  endpoints: readonly EndpointName[];
  firstFaultAgeMs: number | null;
}

interface PoolLook {
  service: ServiceConfig;
  pool: PoolConfig;
  says: 'up' | 'out' | 'unknown';
  looks: readonly Look[];
  /** Targets that this replica does not look at. */
  elsewhere: number;
}

/** Votes change rarely and are asked about every target. */
const lists = new WeakMap<Vote, Readonly<Record<EndpointName | 'unknown', ReadonlySet<TargetId>>>>();

const listsOf = (vote: Vote): Readonly<Record<EndpointName | 'unknown', ReadonlySet<TargetId>>> => {
  let made = lists.get(vote);
  if (made === undefined) {
    made = { healthz: new Set(vote.down), readyz: new Set(vote.unready), unknown: new Set(vote.unknown) };
    lists.set(vote, made);
  }
  return made;
};

const lookAt = (eyes: Eyes, service: ServiceConfig, pool: PoolConfig, target: TargetConfig): Look | null => {
  const { vote } = eyes;
  const id = targetId(service.name, pool.name, target.name);
  if (ownerOf(id, vote.peers) !== eyes.replica) return null;
  const endpoints = ENDPOINTS.filter((endpoint) => target[endpoint] !== undefined);
  const told = listsOf(vote);
  const say = (endpoint: EndpointName): 'up' | 'down' | 'unknown' | undefined => {
    if (target[endpoint] === undefined) return undefined;
    if (told[endpoint].has(id)) return 'down';
    return told.unknown.has(id) ? 'unknown' : 'up';
  };
  const ages = endpoints.flatMap((endpoint) => eyes.firstFaultAgeMs(endpointKey(id, endpoint)) ?? []);
  return {
    verdict: targetVerdict(say('healthz'), say('readyz')),
    endpoints,
    firstFaultAgeMs: ages.length === 0 ? null : Math.max(...ages),
  };
};

const lookAtPool = (eyes: Eyes, service: ServiceConfig, pool: PoolConfig): PoolLook => {
  const voting = pool.targets.filter((target) => target.from !== 'local' && vantagesOf(eyes.cluster, pool, target).includes(eyes.region));
  const looks = voting.flatMap((target) => lookAt(eyes, service, pool, target) ?? []);
  const side = (wanted: 'up' | 'unknown'): number => looks.filter(({ verdict }) => counts(verdict) === wanted).length;
  const minUp = Math.ceil((pool.minUp * looks.length) / Math.max(1, voting.length));
  const says = looks.length === 0 ? 'unknown' : poolVerdict(side('up'), side('unknown'), minUp);
  return { service, pool, says, looks, elsewhere: voting.length - looks.length };
};

/** Where a service's traffic goes by the last known route; before the first decision, where it is configured to go. */
export const shareOf = (routing: Routing | null, service: ServiceConfig, pool: PoolConfig): number =>
  routing?.services[service.name]?.route[pool.name] ?? (routing === null ? pool.weight : 0);

const sentence = (held: readonly PoolLook[]): string => {
  const looks = held.flatMap((p) => p.looks);
  const out = looks.filter(({ verdict }) => counts(verdict) === 'out');
  const isDown = out.some(({ verdict }) => verdict === 'down');
  const both = out.every(({ verdict, endpoints }) => verdict === 'down' && endpoints.length === 2);
  const what = both ? 'both endpoints of ' : isDown ? '' : '/readyz of ';
  const ages = out.flatMap(({ firstFaultAgeMs }) => firstFaultAgeMs ?? []);
  const since = ages.length === 0 ? '' : `, first fault ${Math.round(Math.max(...ages) / 1000)} s ago`;
  const elsewhere = held.reduce((sum, p) => sum + p.elsewhere, 0);
  const share = elsewhere === 0 ? '' : `, this replica's share of ${looks.length + elsewhere}`;
  return `${what}${out.length} of ${looks.length} target${looks.length === 1 ? '' : 's'}${share}${since}`;
};

/** One belief per region that has pools, in configured order; none from a vantage that abstains. Services in `observe` page nobody and are left out. */
export const beliefsOf = (eyes: Eyes): readonly Belief[] => {
  if (eyes.vote.self.state === 'abstain') return [];
  const pools = eyes.cluster.services
    .filter((service) => service.mode !== 'observe')
    .flatMap((service) => service.pools.map((pool) => lookAtPool(eyes, service, pool)));
  return eyes.cluster.regions.flatMap(({ name }): Belief[] => {
    const here = pools.filter(({ pool }) => pool.region === name);
    if (here.length === 0) return [];
    const carrying = here.filter(({ service, pool }) => shareOf(eyes.routing, service, pool) > 0);
    const held = carrying.filter(({ says }) => says === 'out');
    const says = carrying.length === 0 ? 'idle' : held.length > 0 ? 'down' : carrying.some((p) => p.says === 'unknown') ? 'unknown' : 'up';
    return [{ region: name, says, services: [...new Set(held.map((p) => p.service))], because: held.length === 0 ? '' : sentence(held) }];
  });
};

/** Pools of a service that the own vote holds out, whether or not they carry anything: nobody should be sent there. None for a vantage that abstains. */
export const poolsOut = (eyes: Eyes, service: ServiceConfig): ReadonlySet<string> =>
  new Set(
    eyes.vote.self.state === 'abstain'
      ? []
      : service.pools.filter((pool) => lookAtPool(eyes, service, pool).says === 'out').map(({ name }) => name),
  );
