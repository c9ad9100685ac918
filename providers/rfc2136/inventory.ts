// What a zone file holds that Tidegate could take over: names with addresses. Each address is a pool of its own, since nothing in a zone says which of them
// fail together. Reads the master file format (RFC 1035 5) as far as that needs: comments, parentheses, $ORIGIN, $TTL, inherited owners. Pure.
import { familyOf } from '../../src/dns/address.ts';
import { fenceName } from '../fence.ts';
import type { FoundService, Inventory } from '../provider.ts';

interface ZoneRecord {
  name: string;
  ttlS: number | null;
  type: string;
  data: readonly string[];
}

/** Logical lines: without comments, with what parentheses join. Quoted texts stay whole. */
const linesOf = (text: string): readonly string[] => {
  const lines: string[] = [];
  let [line, depth] = ['', 0];
  for (const raw of text.split(/\r?\n/)) {
    for (const [piece] of raw.matchAll(/"(?:[^"\\]|\\.)*"|\\.|;.*|[()]|[^"\\;()]+|./g)) {
      if (piece.startsWith(';')) continue;
      if (piece === '(') depth++;
      else if (piece === ')') depth--;
      else line += piece;
    }
    if (depth > 0) line += ' ';
    else {
      lines.push(line);
      line = '';
    }
  }
  return [...lines, line].filter((each) => each.trim() !== '');
};

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `3600`, `1h30m`; null: no TTL. */
const secondsOf = (text: string): number | null => {
  if (!/^(\d+[smhdw]?)+$/i.test(text)) return null;
  return [...text.toLowerCase().matchAll(/(\d+)([smhdw]?)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * (UNITS[unit || 's'] ?? 1), 0);
};

const absolute = (name: string, origin: string): string => {
  const lower = name.toLowerCase();
  if (lower === '@') return origin;
  return lower.endsWith('.') ? lower.slice(0, -1) : `${lower}.${origin}`;
};

const recordsOf = (text: string, zone: string): readonly ZoneRecord[] => {
  let [origin, defaultTtlS, owner] = [zone, null as number | null, zone];
  return linesOf(text).flatMap((line): readonly ZoneRecord[] => {
    const words = line.trim().split(/\s+/);
    if (words[0] === '$ORIGIN') {
      origin = absolute(words[1] ?? '@', origin);
      return [];
    }
    if (words[0] === '$TTL') {
      defaultTtlS = secondsOf(words[1] ?? '');
      return [];
    }
    if (!/^\s/.test(line)) owner = absolute(words.shift() ?? '@', origin);
    let ttlS = defaultTtlS;
    while (words[0] !== undefined && (/^(IN|CH|HS)$/i.test(words[0]) || secondsOf(words[0]) !== null))
      ttlS = secondsOf(words.shift() ?? '') ?? ttlS;
    const [type = '', ...data] = words;
    return [{ name: owner, ttlS, type: type.toUpperCase(), data }];
  });
};

const serviceOf = (service: string, records: readonly ZoneRecord[]): FoundService => {
  const addresses = [...new Set(records.map(({ data }) => (data[0] ?? '').toLowerCase()))];
  const both = new Set(addresses.map(familyOf)).size > 1;
  return {
    service,
    ttlS: Math.max(...records.map(({ ttlS }) => ttlS ?? 0)),
    pools: addresses.map((address) => ({ pool: `ip-${address.replace(/[^0-9a-f]+/g, '-')}`, weight: 1, answers: [address] })),
    objects: null,
    notes: both ? ['It has addresses of both families: put those of one place into one pool.'] : [],
    firstFence: `creates the TXT record ${fenceName(service)}; the addresses stay as they are`,
  };
};

/** In: the text of a zone, and its name without the final dot. */
export const inventory = (text: string, origin: string): Inventory => {
  const byName = Map.groupBy(recordsOf(text, origin), ({ name }) => name);
  const services: FoundService[] = [];
  const refused: { what: string; because: string }[] = [];
  for (const [name, records] of byName) {
    const addresses = records.filter(({ type }) => type === 'A' || type === 'AAAA');
    if (records.some(({ type }) => type === 'CNAME'))
      refused.push({
        what: `${name} CNAME`,
        because: 'an alias: its own target decides where users go; take over the name that it points to',
      });
    else if (addresses.length > 0) services.push(serviceOf(name, addresses));
  }
  return { services, refused };
};
