// Whether sampled DNS answers are those of a route. What is hard: no address of a pool without a share, no strange address, no empty answer.
// What is soft, since it is a matter of chance: that a pool with a share shows up. Ignores who answered and when; TTLs are the watcher's subject.
// Pure.
import { canonicalAddress } from '../dns/address.ts';
import type { PoolConfig, Route, ServiceConfig } from '../model.ts';

/** Answers asked of every server before it is believed. A drained pool that still had a tenth of the answers would hide from them in one look of eight. */
export const SAMPLES = 20;
/**
 * Smallest share that must show up among SAMPLES answers. At 200 thousandths twenty random answers miss it once in 87 looks, which costs one more
 * look; smaller shares would be missed so often that their absence says nothing.
 */
export const PRESENT_SHARE_MIN = 200;
/** Addresses named in a sentence. */
const NAMED_MAX = 3;

/** `drained` and `strange` are evidence against the route; the others only a lack of evidence for it. */
export type Finding =
  | { landed: true; because: string }
  | { landed: false; wrong: 'drained' | 'strange' | 'empty' | 'few' | 'absent' | 'silent'; because: string };

/** The pools' addresses in their one spelling. */
export const addressesOf = (pools: readonly PoolConfig[]): readonly string[] =>
  pools.flatMap((pool) => pool.answers.map((answer) => canonicalAddress(answer) ?? answer));

/** The service with the answers of one family only; pools without any are left out. */
export const ofFamily = (service: ServiceConfig, family: 'A' | 'AAAA'): ServiceConfig => ({
  ...service,
  pools: service.pools
    .map((pool) => ({ ...pool, answers: pool.answers.filter((answer) => answer.includes(':') === (family === 'AAAA')) }))
    .filter((pool) => pool.answers.length > 0),
});

/** Its provider stands between its name and its pools, which have no addresses of their own: only a real request shows where users land. */
export const isProxied = ({ pools }: Pick<ServiceConfig, 'pools'>): boolean => pools.every(({ answers }) => answers.length === 0);

/** What can be measured of a service at all: without servers to ask there is no t5, without resolvers or requests no t6. */
export const measurable = (service: Pick<ServiceConfig, 'converge' | 'pools'>): { authoritative: boolean; landing: boolean } => {
  const { authoritative, resolvers, request } = service.converge;
  if (isProxied(service)) return { authoritative: false, landing: resolvers.length > 0 && request !== undefined };
  return { authoritative: authoritative.length > 0, landing: resolvers.length > 0 || (request !== undefined && authoritative.length > 0) };
};

const named = (addresses: readonly string[]): string =>
  addresses.length <= NAMED_MAX
    ? addresses.join(', ')
    : `${addresses.slice(0, NAMED_MAX).join(', ')} and ${addresses.length - NAMED_MAX} more`;

/**
 * Judges what one server answered for one family. In: canonical addresses per answer; `least`: fewest answers that count as proof.
 * An address that a pool with a share also has is not drained. Presence is asked for only of SAMPLES answers or more, and only of pools with at least
 * half of their configured share: providers that cannot weigh serve such a pool and leave out the others.
 */
export const judge = (service: ServiceConfig, route: Route, samples: readonly (readonly string[])[], least = SAMPLES): Finding => {
  const serving = service.pools.filter((pool) => (route[pool.name] ?? 0) > 0);
  const served = new Set(addressesOf(serving));
  const configured = new Set(addressesOf(service.pools));
  const answered = new Set(samples.flat());
  const drained = [...answered].filter((address) => configured.has(address) && !served.has(address));
  if (drained.length > 0) return { landed: false, wrong: 'drained', because: `still answers ${named(drained)}` };
  const strange = [...answered].filter((address) => !configured.has(address));
  if (strange.length > 0) return { landed: false, wrong: 'strange', because: `answers ${named(strange)}, which no pool has` };
  if (served.size > 0 && samples.some((sample) => sample.length === 0))
    return { landed: false, wrong: 'empty', because: 'answers without an address' };
  if (samples.length < least) return { landed: false, wrong: 'few', because: `${samples.length} answers of ${least}` };
  const absent = samples.length < SAMPLES ? [] : dueIn(service, route, serving).filter((pool) => !anyOf(answered, pool));
  if (absent.length > 0)
    return { landed: false, wrong: 'absent', because: `does not answer ${named(absent.map((pool) => pool.name))} yet` };
  return { landed: true, because: `${samples.length} answers of the route` };
};

const anyOf = (answered: ReadonlySet<string>, pool: PoolConfig): boolean => addressesOf([pool]).some((address) => answered.has(address));

/** Pools of `serving` whose absence would say something. */
export const dueIn = (service: ServiceConfig, route: Route, serving: readonly PoolConfig[]): readonly PoolConfig[] => {
  const weights = service.pools.reduce((sum, pool) => sum + pool.weight, 0);
  return serving.filter((pool) => {
    const share = route[pool.name] ?? 0;
    const configured = weights === 0 ? 0 : Math.round((pool.weight * 1000) / weights);
    return share >= PRESENT_SHARE_MIN && share * 2 >= configured;
  });
};
