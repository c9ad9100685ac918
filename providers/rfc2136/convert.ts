// Between a decided route and plain A and AAAA sets, where an address is either served or not. A pool is in when its share is at least half of
// the configured one; in a set all addresses are equal, so what is served splits by the number of addresses, both families together.
// Reading back and promising use the same arithmetic, so drift is a plain comparison. Ignores TTLs of what is served. Pure.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { addressBytes, canonicalAddress } from '../../src/dns/address.ts';
import type { Answer, Reply } from '../../src/dns/codec.ts';
import type { Update } from '../../src/dns/update.ts';
import { canonicalName, TYPE } from '../../src/dns/wire.ts';
import { ALIAS, fenceUpdates } from '../dynamic-update.ts';
import { fenceName, parseFence } from '../fence.ts';
import type { Change, ProviderService, ReadBack } from '../provider.ts';
import { poolsIn as poolsThatAreIn } from '../rounding.ts';

type Pool = ProviderService['pools'][number];

/** Pools that are served: those that the rounding has in, among those with an address. */
export const poolsIn = (service: ProviderService): readonly Pool[] =>
  poolsThatAreIn(service.pools.filter(({ answers }) => answers.length > 0));

/** Canonical, sorted, each once. */
export const addressesOf = (pools: readonly Pool[]): readonly string[] =>
  [...new Set(pools.flatMap((pool) => pool.answers).map(addressOf))].sort();

const addressOf = (text: string): string => {
  const address = canonicalAddress(text);
  assert(address !== null, `answer "${text}" is not an IP address; the configuration should not have let it pass`);
  return address;
};

/**
 * Thousandths per pool as `served` splits them, all pools named. Sums to 1000 when every pool is served whole or not at all; a pool of which
 * only some addresses are served has less than its part, and then the sum falls short. null: nothing of the service is served.
 */
export const sharesOf = (service: ProviderService, served: readonly string[]): Record<string, number> | null => {
  const counts = service.pools.map((pool) => {
    const own = addressesOf([pool]);
    return { pool: pool.pool, served: own.filter((address) => served.includes(address)).length, all: own.length };
  });
  const whole = counts.filter((count) => count.served > 0).reduce((sum, count) => sum + count.all, 0);
  if (whole === 0) return null;
  // Rounding the running sum, not each part, keeps the total.
  let before = 0;
  const shares: Record<string, number> = {};
  for (const count of counts) {
    const after = before + count.served;
    shares[count.pool] = Math.round((after * 1000) / whole) - Math.round((before * 1000) / whole);
    before = after;
  }
  return shares;
};

/** What `sharesOf` will read once the route is served. In: a route that is not empty. */
export const quantise = (service: ProviderService): Record<string, number> => {
  const shares = sharesOf(service, addressesOf(poolsIn(service)));
  assert(shares !== null, `${service.service}: an empty route; no pool has both a share and an address`);
  return shares;
};

/** Replaces fence and addresses of one service; nothing when all of it is there already, as some servers count up the serial even then. */
export const updatesOf = (change: Change): readonly Update[] => {
  const { desired, fence, previous } = change;
  const { service, ttlS } = desired;
  const addresses = addressesOf(poolsIn(desired));
  assert(addresses.length > 0, `${service}: an empty route; no pool has both a share and an address`);
  const there = { fence, shares: quantise(desired), foreign: [], token: previous.token };
  if (isDeepStrictEqual(previous, there)) return [];
  return [
    ...fenceUpdates(change),
    { act: 'delete', name: service, type: TYPE.A },
    { act: 'delete', name: service, type: TYPE.AAAA },
    ...addresses.map((address): Update => {
      const data = addressBytes(address)!;
      return { act: 'add', name: service, type: data.length === 4 ? TYPE.A : TYPE.AAAA, ttlS, data };
    }),
  ];
};

/** In: the server's replies for the fence's TXT, and A and AAAA of the service. */
export const readBackOf = (service: ProviderService, replies: { fence: Reply; a: Reply; aaaa: Reply }): ReadBack => {
  const texts = valuesAt(replies.fence, fenceName(service.service), 'TXT');
  // More than one record, or one that is not ours to the letter, is no fence: a write that requires absence will be refused, which is right.
  const fence = texts.length === 1 ? parseFence(texts[0]!) : null;
  const served = [...valuesAt(replies.a, service.service, 'A'), ...valuesAt(replies.aaaa, service.service, 'AAAA')];
  const own = addressesOf(service.pools);
  const aliases = [replies.a, replies.aaaa].flatMap((reply) => valuesAt(reply, service.service, 'CNAME'));
  return {
    fence,
    shares: sharesOf(service, served),
    foreign: [
      ...served.filter((address) => !own.includes(address)),
      ...[...new Set(aliases)].map((alias) => `${ALIAS}${alias}`),
      ...(fence === null ? texts.map((text) => `TXT ${JSON.stringify(text)}`) : []),
    ],
    token: null,
  };
};

/** The values of one type at exactly this name, a TXT as one text. */
const valuesAt = (reply: Reply, name: string, type: 'A' | 'AAAA' | 'CNAME' | 'TXT'): string[] =>
  reply.answers.filter((answer) => answer.name === canonicalName(name) && answer.type === type).map(valueText);

const valueText = (answer: Answer): string => {
  switch (answer.type) {
    case 'TXT':
      return answer.data.join('');
    case 'SOA':
      return answer.data.mname;
    default:
      return answer.data;
  }
};
