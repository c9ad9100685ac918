// Where a name is served by plain A and AAAA records, in which an address is there or not: a pool is in as the rounding says, and the addresses that are in
// share the users equally, both families together. Reading back and promising use the same arithmetic, so drift is a plain comparison. Pure.
import assert from 'node:assert';
import { canonicalAddress, familyOf } from '../src/dns/address.ts';
import type { ProviderService } from './provider.ts';
import { poolsIn, thousandthsOf } from './rounding.ts';

/** The one spelling of a configured answer; anything but an address is our bug. */
export const addressOf = (answer: string): string => {
  const address = canonicalAddress(answer);
  assert(address !== null, `answer "${answer}" is not an IP address; the configuration should not have let it pass`);
  return address;
};

/** Canonical, sorted, each once. */
export const addressesOf = (answers: readonly string[]): readonly string[] => [...new Set(answers.map(addressOf))].sort();

/** The type of record that holds an address. */
export const typeOf = (address: string): 'A' | 'AAAA' => (familyOf(address) === 6 ? 'AAAA' : 'A');

/** Pools that are served: those that the rounding has in, among those with an address. */
export const poolsServed = (service: ProviderService): ProviderService['pools'] =>
  poolsIn(service.pools.filter(({ answers }) => answers.length > 0));

/** What is there once the route is served. In: a route that is not empty. */
export const addressesServed = (service: ProviderService): readonly string[] => {
  const addresses = addressesOf(poolsServed(service).flatMap(({ answers }) => answers));
  assert(addresses.length > 0, `${service.service}: an empty route; no pool has both a share and an address`);
  return addresses;
};

/**
 * Thousandths per pool as `served` splits them, all pools named. Sums to 1000 when every pool is served whole or not at all; a pool of which
 * only some addresses are served has less than its part, and then the sum falls short. null: nothing of the service is served.
 */
export const sharesOf = (service: ProviderService, served: readonly string[]): Readonly<Record<string, number>> | null => {
  const counts = service.pools.map(({ pool, answers }) => {
    const own = addressesOf(answers);
    return { pool, served: own.filter((address) => served.includes(address)).length, all: own.length };
  });
  const whole = counts.filter((count) => count.served > 0).reduce((sum, count) => sum + count.all, 0);
  return thousandthsOf(new Map(counts.map((count) => [count.pool, count.served])), whole);
};

/** What `sharesOf` will read once the route is served. In: a route that is not empty. */
export const quantise = (service: ProviderService): Readonly<Record<string, number>> => {
  const shares = sharesOf(service, addressesServed(service));
  assert(shares !== null, `${service.service}: nothing of an address that is served`);
  return shares;
};
