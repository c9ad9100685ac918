// What is found in a zone file, and why the rest is not.
import { expect, test } from 'vitest';
import type { Inventory } from '../../providers/provider.ts';
import { zoneInventory } from '../../providers/rfc2136/inventory.ts';

const inventory = (text: string, names?: Record<string, string>): Inventory => {
  const found = zoneInventory(
    `$TTL 30\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.53\n${text}`,
    'example.com',
    new Map(Object.entries(names ?? {})),
  );
  if (!found.ok) throw new Error(JSON.stringify(found.problems));
  return found.inventory;
};

test('a name with several addresses is a service with one pool per address; one with a single address is no routing', () => {
  const { services, refused } = inventory('web A 192.0.2.20\nweb A 192.0.2.10\nhost A 192.0.2.30');
  expect(refused).toEqual([]);
  expect(services).toEqual([
    {
      service: 'web.example.com',
      ttlS: 30,
      pools: [
        { pool: 'a', weight: 1, answers: ['192.0.2.10'] },
        { pool: 'b', weight: 1, answers: ['192.0.2.20'] },
      ],
      objects: null,
      notes: [],
      firstFence:
        'creates _tidegate.web.example.com TXT, on the condition that there is none, and replaces A and AAAA of web.example.com by the same addresses',
    },
  ]);
});

test('addresses that the user names alike are one pool, weighing as many as it has; a single pool is no routing', () => {
  const text = 'web A 192.0.2.10\nweb A 192.0.2.11\nweb A 192.0.2.20\nweb AAAA 2001:db8::10';
  const names = { '192.0.2.10': 'eu-west', '192.0.2.11': 'eu-west', '2001:DB8::10': 'eu-west' };
  expect(inventory(text, names).services[0]?.pools).toEqual([
    { pool: 'a', weight: 1, answers: ['192.0.2.20'] },
    { pool: 'eu-west', weight: 3, answers: ['192.0.2.10', '192.0.2.11', '2001:db8::10'] },
  ]);
  expect(inventory(text, { ...names, '192.0.2.20': 'eu-west' }).services).toEqual([]);
});

test('thirty addresses have thirty different names', () => {
  const text = Array.from({ length: 30 }, (_, n) => `web A 192.0.2.${n}`).join('\n');
  const pools = inventory(text).services[0]!.pools.map(({ pool }) => pool);
  expect(new Set(pools).size).toBe(30);
  expect(pools).toEqual(expect.arrayContaining(['a', 'z', 'aa', 'ad']));
});

test('what cannot be steered is refused with its reason', () => {
  const { services, refused } = inventory(
    [
      'alias CNAME web',
      '*.any A 192.0.2.1',
      '*.any A 192.0.2.2',
      'child NS ns.child',
      'ns.child A 192.0.2.3',
      'ns.child A 192.0.2.4',
      'under_score A 192.0.2.5',
      'under_score A 192.0.2.6',
      'out.example.org. A 192.0.2.7',
      'out.example.org. A 192.0.2.8',
      '$GENERATE 1-9 host$ A 192.0.2.$',
      '$INCLUDE more.zone',
    ].join('\n'),
  );
  expect(services).toEqual([]);
  expect(refused.map(({ what, because }) => `${what}: ${because}`)).toEqual([
    'line 15: $GENERATE 1-9 host$ A 192.0.2.$: is not read here; put the records it stands for in its place to have them looked at',
    'line 16: $INCLUDE more.zone: is not read here; put the records it stands for in its place to have them looked at',
    "alias.example.com CNAME: it is an alias of web.example.com; steer that name, or put addresses in the alias's place",
    '*.any.example.com A: a wildcard answers for any name, and no fence can stand beside it; write the names out',
    'ns.child.example.com A: it belongs to child.example.com, which is delegated to other servers; look at their zone',
    'under_score.example.com A: the configuration takes names of a-z, 0-9 and "-" only',
    'out.example.org A: it lies outside the zone example.com',
  ]);
});

test('a signed zone is refused whole', () => {
  const { services, refused } = inventory(
    'web A 192.0.2.1\nweb A 192.0.2.2\nweb RRSIG A 8 3 30 20261201000000 20261101000000 1 example.com. abc=',
  );
  expect(services).toEqual([]);
  expect(refused).toEqual([{ what: 'zone example.com', because: expect.stringContaining('DNSSEC') }]);
});

test('a human is told of slow and differing TTLs, two families, other records, users of the name, and a fence that is there', () => {
  const { services } = inventory(
    [
      'web 3600 A 192.0.2.1',
      'web 3600 A 192.0.2.2',
      'web 60 AAAA 2001:db8::1',
      'web TXT "hello"',
      '@ MX 10 web.example.com.',
      '_tidegate.web TXT "v=1"',
    ].join('\n'),
  );
  expect(services[0]?.notes).toEqual([
    'its records have different TTLs (60, 3600 s); both sets get the least',
    'resolvers may keep an address for 3600 s after a drain; lower the TTL to 30 s that long before auto',
    'IPv4 and IPv6 addresses of one place should be one pool; name the pools by address',
    'other records of the name (TXT) stay untouched',
    'it is also the target of example.com MX; what is drained there is drained for them too',
  ]);
  expect(services[0]?.firstFence).toMatch(/exists already/);
});

test('a broken file is told by line and column, and nothing is taken from it', () => {
  expect(zoneInventory('$TTL 5\nweb A 192.0.2.1\nweb A 192.0.2.256', 'example.com')).toEqual({
    ok: false,
    problems: [{ line: 3, column: 7, message: expect.stringContaining('no IPv4 address') }],
  });
});

test('a zone of a hundred thousand records is looked at in the time it takes to read it, not in its square', () => {
  const text = Array.from(
    { length: 50_000 },
    (_, i) => `h${i} A 198.51.${(i >> 8) & 255}.${i & 255}\nh${i} A 203.0.${(i >> 8) & 255}.${i & 255}`,
  );
  const { services } = inventory([...text, 'sub NS ns.elsewhere.test.', 'in.sub A 192.0.2.1', 'in.sub A 192.0.2.2'].join('\n'));
  expect(services).toHaveLength(50_000);
}, 30_000);
