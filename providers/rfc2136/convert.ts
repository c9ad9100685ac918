// Between a decided route (addresses.ts) and plain A and AAAA sets: the update that brings it there, and the replies that show it. Ignores TTLs of what is
// served. Pure.
import { isDeepStrictEqual } from 'node:util';
import { addressBytes } from '../../src/dns/address.ts';
import type { Answer, Reply } from '../../src/dns/codec.ts';
import type { Update } from '../../src/dns/update.ts';
import { canonicalName, TYPE } from '../../src/dns/wire.ts';
import { addressesOf, addressesServed, quantise, sharesOf, typeOf } from '../addresses.ts';
import { ALIAS, fenceUpdates } from '../dynamic-update.ts';
import { fenceName, parseFence } from '../fence.ts';
import type { Change, ProviderService, ReadBack } from '../provider.ts';

/** Replaces fence and addresses of one service; nothing when all of it is there already, as some servers count up the serial even then. */
export const updatesOf = (change: Change): readonly Update[] => {
  const { desired, fence, previous } = change;
  const { service, ttlS } = desired;
  const addresses = addressesServed(desired);
  const there = { fence, shares: quantise(desired), foreign: [], token: previous.token };
  if (isDeepStrictEqual(previous, there)) return [];
  return [
    ...fenceUpdates(change),
    { act: 'delete', name: service, type: TYPE.A },
    { act: 'delete', name: service, type: TYPE.AAAA },
    ...addresses.map((address): Update => ({ act: 'add', name: service, type: TYPE[typeOf(address)], ttlS, data: addressBytes(address)! })),
  ];
};

/** In: the server's replies for the fence's TXT, and A and AAAA of the service. */
export const readBackOf = (service: ProviderService, replies: { fence: Reply; a: Reply; aaaa: Reply }): ReadBack => {
  const texts = valuesAt(replies.fence, fenceName(service.service), 'TXT');
  // More than one record, or one that is not ours to the letter, is no fence: a write that requires absence will be refused, which is right.
  const fence = texts.length === 1 ? parseFence(texts[0]!) : null;
  const served = [...valuesAt(replies.a, service.service, 'A'), ...valuesAt(replies.aaaa, service.service, 'AAAA')];
  const own = addressesOf(service.pools.flatMap(({ answers }) => answers));
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
