// What a zone file has that Tidegate could steer by dynamic update: names with several addresses, and why not the others. Reads text only, asks nobody. Pure.
import { canonicalAddress } from '../../src/dns/address.ts';
import { canonicalName } from '../../src/dns/wire.ts';
import { parseZoneFile, type ZoneProblem, type ZoneRecord } from '../../src/dns/zone-file.ts';
import { fenceName } from '../fence.ts';
import type { FoundService, Inventory } from '../provider.ts';

export type ZoneInventory = { ok: true; inventory: Inventory } | { ok: false; problems: readonly ZoneProblem[] };

/** `poolNames`: address -> name of its pool; addresses of one name become one pool, as the two families of one place should. */
export const zoneInventory = (text: string, origin: string, poolNames: ReadonlyMap<string, string> = new Map()): ZoneInventory => {
  const { records, problems } = parseZoneFile(text, origin);
  if (problems.length > 0) return { ok: false, problems };
  const zone = canonicalName(records.find(({ type }) => type === 'SOA')?.name ?? origin);
  const named = new Map([...poolNames].map(([address, pool]) => [canonicalAddress(address) ?? address, pool]));
  const refused: { what: string; because: string }[] = records.flatMap(unread);
  if (isSigned(records)) {
    const because =
      'its file holds signatures (DNSSEC), which any change would break; give the unsigned zone, and let the server sign as it answers';
    return { ok: true, inventory: { services: [], refused: [...refused, { what: `zone ${zone}`, because }] } };
  }
  const services: FoundService[] = [];
  const around = aroundOf(records, zone);
  for (const [name, own] of Map.groupBy(records, (record) => record.name)) {
    const found = serviceAt({ name, own, zone, around, named });
    if (found === null) continue;
    if ('because' in found) refused.push(found);
    else services.push(found);
  }
  return { ok: true, inventory: { services, refused } };
};

/** What the reader did not follow. */
const unread = (record: ZoneRecord): { what: string; because: string }[] => {
  if (record.type !== 'other' || !record.called.startsWith('$')) return [];
  const what = `line ${record.line}: ${record.called} ${record.data.join(' ')}`;
  return [{ what, because: 'is not read here; put the records it stands for in its place to have them looked at' }];
};

const isSigned = (records: readonly ZoneRecord[]): boolean =>
  records.some((record) => record.type === 'other' && record.called === 'RRSIG');

const calledOf = (record: ZoneRecord): string => (record.type === 'other' ? record.called : record.type);

/** What is asked of the whole zone for each of its names, gathered once: zones have a hundred thousand. */
interface Around {
  /** Names that are delegated to other servers. */
  cuts: ReadonlySet<string>;
  /** By name: the records that point there, as `example.com MX`. */
  users: ReadonlyMap<string, ReadonlySet<string>>;
  /** Names that have a TXT. */
  texts: ReadonlySet<string>;
}

const aroundOf = (records: readonly ZoneRecord[], zone: string): Around => {
  const users = new Map<string, Set<string>>();
  for (const record of records)
    for (const target of targetsOf(record)) {
      const its = users.get(target) ?? new Set();
      users.set(target, its.add(`${record.name} ${calledOf(record)}`));
    }
  const owners = (type: ZoneRecord['type']): readonly string[] => records.filter((record) => record.type === type).map(({ name }) => name);
  return { cuts: new Set(owners('NS').filter((name) => name !== zone)), users, texts: new Set(owners('TXT')) };
};

/** Of a record whose fields are kept as written: whole names only, since what relative ones belong to is not kept. */
const targetsOf = (record: ZoneRecord): readonly string[] => {
  if (record.type === 'NS') return [record.data];
  return record.type === 'other' ? record.data.filter((field) => field.endsWith('.')).map(canonicalName) : [];
};

interface Name {
  name: string;
  own: readonly ZoneRecord[];
  zone: string;
  around: Around;
  named: ReadonlyMap<string, string>;
}

/** null: nothing about it is routing. */
const serviceAt = ({ name, own, zone, around, named }: Name): FoundService | { what: string; because: string } | null => {
  const alias = own.find(({ type }) => type === 'CNAME');
  if (alias?.type === 'CNAME')
    return { what: `${name} CNAME`, because: `it is an alias of ${alias.data}; steer that name, or put addresses in the alias's place` };
  const addresses = own.filter((record) => record.type === 'A' || record.type === 'AAAA');
  const pools = poolsOf([...new Set(addresses.map(({ data }) => data as string))], named);
  if (pools.length < 2) return null;
  const because = obstacle(name, zone, around);
  if (because !== null) return { what: `${name} ${[...new Set(addresses.map(({ type }) => type))].join(', ')}`, because };
  const ttls = [...new Set(addresses.map(({ ttlS }) => ttlS))].sort((a, b) => a - b);
  return {
    service: name,
    ttlS: ttls[0]!,
    pools,
    objects: null,
    notes: [...ttlNotes(ttls), ...familyNotes(pools), ...neighbourNotes(name, own, around)],
    firstFence: firstFence(name, around),
  };
};

/** One pool per address, named a, b, ...; or those that the user named. Addresses are served alike, so a pool weighs as many as it has. */
const poolsOf = (addresses: readonly string[], named: ReadonlyMap<string, string>): FoundService['pools'] => {
  const unnamed = addresses.filter((address) => !named.has(address)).sort();
  const nameOf = (address: string): string => named.get(address) ?? letters(unnamed.indexOf(address));
  return [...Map.groupBy(addresses, nameOf)]
    .map(([pool, answers]) => ({ pool, weight: answers.length, answers: answers.toSorted() }))
    .sort((a, b) => (a.pool < b.pool ? -1 : 1));
};

/** a to z, then aa, ab, ... */
const letters = (n: number): string => `${n < 26 ? '' : letters(Math.floor(n / 26) - 1)}${String.fromCharCode(97 + (n % 26))}`;

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Why a name with several addresses cannot be steered; null: it can. */
const obstacle = (name: string, zone: string, { cuts }: Around): string | null => {
  if (name !== zone && !name.endsWith(`.${zone}`)) return `it lies outside the zone ${zone}`;
  if (name.startsWith('*.')) return 'a wildcard answers for any name, and no fence can stand beside it; write the names out';
  const labels = name.split('.');
  // The one nearest to the zone: what lies below it is not of this zone at all.
  const cut = labels.map((_, at) => labels.slice(at).join('.')).findLast((above) => cuts.has(above));
  if (cut !== undefined) return `it belongs to ${cut}, which is delegated to other servers; look at their zone`;
  if (!labels.every((label) => LABEL.test(label))) return 'the configuration takes names of a-z, 0-9 and "-" only';
  return null;
};

const TTL_SLOW_S = 60;

const ttlNotes = (ttls: readonly number[]): string[] => {
  const [least, most] = [ttls[0]!, ttls.at(-1)!];
  return [
    ...(ttls.length > 1 ? [`its records have different TTLs (${ttls.join(', ')} s); both sets get the least`] : []),
    ...(least === 0 ? ['its TTL is 0 s; the least that can be configured is 1 s'] : []),
    ...(most > TTL_SLOW_S
      ? [`resolvers may keep an address for ${most} s after a drain; lower the TTL to 30 s that long before auto`]
      : []),
  ];
};

const familyNotes = (pools: FoundService['pools']): string[] => {
  const families = new Set(pools.flatMap(({ answers }) => answers.map((address) => address.includes(':'))));
  const isApart = pools.every(({ answers }) => new Set(answers.map((address) => address.includes(':'))).size === 1);
  return families.size === 2 && isApart ? ['IPv4 and IPv6 addresses of one place should be one pool; name the pools by address'] : [];
};

const neighbourNotes = (name: string, own: readonly ZoneRecord[], around: Around): string[] => {
  const others = [...new Set(own.map(calledOf))].filter((type) => type !== 'A' && type !== 'AAAA');
  const users = [...(around.users.get(name) ?? [])];
  return [
    ...(others.length > 0 ? [`other records of the name (${others.join(', ')}) stay untouched`] : []),
    ...(users.length > 0 ? [`it is also the target of ${users.join(', ')}; what is drained there is drained for them too`] : []),
  ];
};

const firstFence = (name: string, { texts }: Around): string => {
  const fence = fenceName(name);
  return texts.has(fence)
    ? `${fence} TXT exists already: a write waits until it is known whose it is`
    : `creates ${fence} TXT, on the condition that there is none, and replaces A and AAAA of ${name} by the same addresses`;
};
