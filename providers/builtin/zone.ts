// The state of one zone and the only way it changes: a compare-and-swap on the fence text of each service, all or nothing.
// Values are immutable, so a query in flight always sees one whole zone. Ignores the wire format (answer.ts) and who may write (control.ts).
// pure
import { isDeepStrictEqual } from 'node:util';
import { familyOf as addressVersion } from '../../src/dns/address.ts';
import { fenceName } from '../fence.ts';

export interface ZonePool {
  pool: string;
  /** Thousandths of the service's answers; 0 serves nothing. */
  share: number;
  answers: readonly string[];
}

export interface ZoneService {
  /** Lower case, without the trailing dot. */
  name: string;
  ttlS: number;
  pools: readonly ZonePool[];
  /** Served as TXT at `_tidegate.<name>`; compared byte by byte. */
  fence: string;
}

export interface Zone {
  name: string;
  /** Counted up by one with every swap. Starts at 1 with every process: there are no secondaries. */
  serial: number;
  ns: { name: string; addresses: readonly string[] };
  services: ReadonlyMap<string, ZoneService>;
  /** Every name that exists, empty non-terminals included: they tell NODATA from NXDOMAIN. */
  names: ReadonlySet<string>;
}

export interface ZoneChange {
  service: ZoneService;
  /** The fence text that must stand there now; null: no service of that name. */
  ifFence: string | null;
}

export type Swapped =
  | { outcome: 'swapped'; zone: Zone }
  /** The fences that stand in the way; nothing was changed. */
  | { outcome: 'conflict'; current: readonly { name: string; fence: string | null }[] }
  | { outcome: 'refused'; because: string };

/** Enough for a demo a hundred times over; keeps the memory and the reply to a read bounded. */
export const SERVICES_MAX = 1000;
/** Sixty-four addresses under the longest name still fit a DNS message over TCP. */
export const ANSWERS_MAX = 64;
export const POOLS_MAX = 64;
/** Four character-strings of a TXT record. */
export const FENCE_CHARS_MAX = 1020;
/** RFC 2181 allows 2^31 - 1; a day is longer than any failover should wait. */
const TTL_S_MAX = 86_400;
/** 253 less `_tidegate.`. */
const NAME_CHARS_MAX = 243;
const NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

export type Family = 'A' | 'AAAA';

/** The record type that carries an address; null: not an address. */
export const familyOf = (address: string): Family | null => {
  const version = addressVersion(address);
  return version === null ? null : version === 4 ? 'A' : 'AAAA';
};

/** `nsAddress`: where this server can be asked; an unspecified address (0.0.0.0, ::) is not published. Throws on a name that is none. */
export const emptyZone = (name: string, nsAddress: string): Zone => {
  if (!NAME.test(name) || name.length > NAME_CHARS_MAX)
    throw new Error(`zone "${name}": not a lower-case name of at most ${NAME_CHARS_MAX} characters`);
  const published = familyOf(nsAddress) !== null && nsAddress !== '0.0.0.0' && nsAddress !== '::';
  const ns = { name: `ns.${name}`, addresses: published ? [nsAddress] : [] };
  return { name, serial: 1, ns, services: new Map(), names: existingNames(name, ns.name, []) };
};

export const within = (zone: string, name: string): boolean => name === zone || name.endsWith(`.${zone}`);

/**
 * All or nothing. Every change is judged before any is made; `zone` itself is left as it was.
 * Changes that ask for what is there already pass their compare and count no serial.
 */
export const swap = (zone: Zone, changes: readonly ZoneChange[]): Swapped => {
  const because = changes.map(({ service }) => objection(zone, service)).find((text) => text !== null) ?? objectionToAll(zone, changes);
  if (because !== null) return { outcome: 'refused', because };

  const current = changes
    .map(({ service, ifFence }) => ({ name: service.name, ifFence, fence: zone.services.get(service.name)?.fence ?? null }))
    .filter(({ ifFence, fence }) => ifFence !== fence)
    .map(({ name, fence }) => ({ name, fence }));
  if (current.length > 0) return { outcome: 'conflict', current };

  const fresh = changes.filter(({ service }) => !isDeepStrictEqual(service, zone.services.get(service.name)));
  if (fresh.length === 0) return { outcome: 'swapped', zone };
  const services = new Map(zone.services);
  for (const { service } of fresh) services.set(service.name, service);
  const names = existingNames(zone.name, zone.ns.name, services.keys());
  return { outcome: 'swapped', zone: { ...zone, serial: (zone.serial % 0xffff_ffff) + 1, services, names } };
};

const objectionToAll = (zone: Zone, changes: readonly ZoneChange[]): string | null => {
  const names = changes.map(({ service }) => service.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return `${twice}: changed twice in one swap`;
  const total = new Set([...zone.services.keys(), ...names]).size;
  return total > SERVICES_MAX ? `${total} services; the zone holds at most ${SERVICES_MAX}` : null;
};

/** Why this service cannot be served; null: it can. */
const objection = (zone: Zone, { name, ttlS, pools, fence }: ZoneService): string | null => {
  if (!NAME.test(name) || name.length > NAME_CHARS_MAX) return `"${name}": not a lower-case name of at most ${NAME_CHARS_MAX} characters`;
  if (!within(zone.name, name)) return `${name}: outside the zone ${zone.name}`;
  if (name === zone.ns.name || name.split('.').includes('_tidegate')) return `${name}: the name is reserved for this server`;
  if (!Number.isInteger(ttlS) || ttlS < 0 || ttlS > TTL_S_MAX)
    return `${name}: ttlS is ${ttlS}, expected a whole number from 0 to ${TTL_S_MAX}`;
  if (!/^[ -~]+$/.test(fence) || fence.length > FENCE_CHARS_MAX)
    return `${name}: the fence must be 1 to ${FENCE_CHARS_MAX} printable ASCII characters`;
  return objectionToPools(name, pools);
};

const objectionToPools = (name: string, pools: readonly ZonePool[]): string | null => {
  if (pools.length > POOLS_MAX) return `${name}: ${pools.length} pools, at most ${POOLS_MAX}`;
  if (new Set(pools.map(({ pool }) => pool)).size !== pools.length) return `${name}: a pool is named twice`;
  for (const { pool, share, answers } of pools) {
    if (!Number.isInteger(share) || share < 0 || share > 1000)
      return `${name}: pool ${pool} has share ${share}, expected a whole number from 0 to 1000`;
    if (answers.length > ANSWERS_MAX) return `${name}: pool ${pool} has ${answers.length} answers, at most ${ANSWERS_MAX}`;
    const bad = answers.find((answer) => familyOf(answer) === null);
    if (bad !== undefined) return `${name}: pool ${pool} answers "${bad}", expected an IPv4 or IPv6 address`;
    if (share > 0 && answers.length === 0) return `${name}: pool ${pool} has share ${share} and no address`;
  }
  const sum = pools.reduce((total, { share }) => total + share, 0);
  if (sum === 0) return `${name}: a route with no pool is never served; expected shares that sum to 1000`;
  return sum === 1000 ? null : `${name}: shares sum to ${sum}, expected 1000`;
};

/** Every owner name and all names between it and the apex. */
const existingNames = (zone: string, ns: string, services: Iterable<string>): ReadonlySet<string> => {
  const names = new Set([zone]);
  const add = (owner: string): void => {
    for (let name = owner; !names.has(name); name = name.slice(name.indexOf('.') + 1)) names.add(name);
  };
  add(ns);
  for (const service of services) add(fenceName(service));
  return names;
};
