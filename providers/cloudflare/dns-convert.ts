// Between a decided route (addresses.ts) and the A and AAAA records of a name at Cloudflare. Pure.
//
// The fence is two TXT records at `_tidegate.<service>`: the fence itself, deleted by its id and made anew with every write, so that a writer whose read is
// old names an id that is gone; and a latch that never changes, so that of two first writers one makes a record that is there already. Either ends the batch.
import { canonicalAddress } from '../../src/dns/address.ts';
import { addressesOf, addressesServed, sharesOf, typeOf } from '../addresses.ts';
import { FENCE_TTL_S, fenceName, formatFence, parseFence } from '../fence.ts';
import type { Change, Fence, ProviderService, ReadBack } from '../provider.ts';
import { AUTOMATIC_TTL } from './config.ts';
import type { DnsRecord } from './shapes.ts';

/** For humans who look at the zone, and what makes a first write conditional. */
const LATCH = 'tidegate: the record beside this one says who wrote last';

// ---- reading ----

export interface RecordsToken {
  fence: { id: string; fence: Fence } | null;
  latch: string | null;
  addresses: readonly DnsRecord[];
  /** Why nothing may be written here until a human has been; null: nothing hinders. */
  obstacle: string | null;
}

export const readBackOf = (service: ProviderService, at: (name: string) => readonly DnsRecord[]): ReadBack => {
  const guard = at(fenceName(service.service)).filter(({ type }) => type === 'TXT');
  const here = at(service.service);
  const addresses = here.filter(({ type }) => type === 'A' || type === 'AAAA');
  const alias = here.find(({ type }) => type === 'CNAME');
  const texts = guard.map(({ id, content }) => ({ id, text: txtText(content ?? '') }));
  const fences = texts.flatMap(({ id, text }) => {
    const fence = parseFence(text);
    return fence === null ? [] : [{ id, fence }];
  });
  const strange = texts.filter(({ text }) => text !== LATCH && parseFence(text) === null);
  const only = fences.length === 1 && strange.length === 0 ? fences[0]! : null;
  const served = addresses.map(textOf);
  const own = addressesOf(service.pools.flatMap(({ answers }) => answers));
  const foreign = [
    ...served.filter((address) => !own.includes(address)),
    ...(alias === undefined ? [] : [`CNAME ${alias.content ?? ''}`]),
    ...strange.map(({ text }) => `TXT "${text}"`),
    ...(fences.length > 1 ? fences.map(({ fence }) => `TXT "${formatFence(fence)}"`) : []),
  ];
  const token: RecordsToken = {
    fence: only,
    latch: texts.find(({ text }) => text === LATCH)?.id ?? null,
    addresses,
    obstacle: obstacleOf(service.service, alias, strange.length, fences.length),
  };
  return { fence: only?.fence ?? null, shares: sharesOf(service, served), foreign, token };
};

const obstacleOf = (service: string, alias: DnsRecord | undefined, strange: number, fences: number): string | null => {
  if (alias !== undefined) return `the name holds "CNAME ${alias.content ?? ''}"; remove it so that addresses can be served there`;
  if (strange > 0 || fences > 1)
    return `${fenceName(service)} holds more than one fence, or an edited one, so nobody knows who wrote last; remove the TXT records there`;
  return null;
};

/** The character strings of a TXT record as one text: Cloudflare quotes them, older records are bare. */
export const txtText = (content: string): string => {
  if (!content.startsWith('"')) return content;
  return [...content.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((part) => (part[1] ?? '').replace(/\\(.)/g, '$1')).join('');
};

const quoted = (text: string): string => `"${text}"`;

// ---- writing ----

export interface Batch {
  deletes: { id: string }[];
  patches: { id: string; name: string; type: 'A' | 'AAAA'; ttl: number; content: string }[];
  posts: { name: string; type: 'A' | 'AAAA' | 'TXT'; ttl: number; content: string; proxied?: boolean }[];
}

/**
 * One service's part of a batch; empty when all is there. An address that goes and one that comes are one patch: what spreads through Cloudflare's network
 * record by record must not pass a moment without any. In: a change without an obstacle. `proxied`: of the first records of a service.
 */
export const batchOf = ({ desired, fence, previous }: Change, proxied: boolean): Batch => {
  const token = previous.token as RecordsToken | null;
  const present = token?.addresses ?? [];
  const wanted = addressesServed(desired);
  const isProxied = present[0]?.proxied ?? proxied;
  const ttl = isProxied ? AUTOMATIC_TTL : desired.ttlS;
  const kept = present.filter(
    (each, at) => wanted.includes(textOf(each)) && present.findIndex((other) => textOf(other) === textOf(each)) === at,
  );
  const old = present.filter((each) => !kept.includes(each));
  const missing = wanted.filter((address) => !kept.some((each) => textOf(each) === address));
  const batch: Batch = { deletes: [], patches: [], posts: [] };
  for (const type of ['A', 'AAAA'] as const) {
    const going = old.filter((each) => each.type === type);
    const coming = missing.filter((address) => typeOf(address) === type);
    const turned = Math.min(going.length, coming.length);
    batch.patches.push(...going.slice(0, turned).map(({ id }, n) => ({ id, name: desired.service, type, ttl, content: coming[n]! })));
    batch.deletes.push(...going.slice(turned).map(({ id }) => ({ id })));
    batch.posts.push(...coming.slice(turned).map((content) => ({ name: desired.service, type, ttl, content, proxied: isProxied })));
  }
  const late = kept.filter((each) => each.ttl !== ttl && each.proxied !== true);
  batch.patches.push(
    ...late.map((each) => ({ id: each.id, name: desired.service, type: typeOf(textOf(each)), ttl, content: textOf(each) })),
  );
  return withFence(batch, desired.service, fence, token);
};

const withFence = (batch: Batch, service: string, fence: Fence, token: RecordsToken | null): Batch => {
  const text = formatFence(fence);
  const carried = token?.fence ?? null;
  if (carried !== null && formatFence(carried.fence) === text && recordsOf(batch) === 0) return batch;
  const post = (content: string) => ({ name: fenceName(service), type: 'TXT' as const, ttl: FENCE_TTL_S, content: quoted(content) });
  // Without a fence the latch is the condition: deleted by its id where there is one, and made.
  const guard = carried?.id ?? token?.latch ?? null;
  return {
    deletes: [...(guard === null ? [] : [{ id: guard }]), ...batch.deletes],
    patches: batch.patches,
    posts: [...(carried === null ? [post(LATCH)] : []), post(text), ...batch.posts],
  };
};

const textOf = ({ content }: DnsRecord): string => canonicalAddress(content ?? '') ?? content ?? '';

export const recordsOf = ({ deletes, patches, posts }: Batch): number => deletes.length + patches.length + posts.length;

export const joined = (batches: readonly Batch[]): Batch => ({
  deletes: batches.flatMap(({ deletes }) => deletes),
  patches: batches.flatMap(({ patches }) => patches),
  posts: batches.flatMap(({ posts }) => posts),
});

/** Whether both say the same of who wrote last: what a fresh look before a write compares. */
export const isSameFence = (a: RecordsToken, b: RecordsToken): boolean =>
  a.fence?.id === b.fence?.id && a.obstacle === b.obstacle && (a.fence !== null || a.latch === b.latch);
