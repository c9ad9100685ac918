import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRotation, turn } from '../../providers/builtin/rotation.ts';
import { emptyZone, SERVICES_MAX, swap, type Zone, type ZoneService } from '../../providers/builtin/zone.ts';
import { serviceOf } from './builtin.fixture.ts';

const zone = emptyZone('example.test', '127.0.0.1');
const both = [
  { pool: 'eu', share: 600, answers: ['192.0.2.1'] },
  { pool: 'us', share: 400, answers: ['192.0.2.2'] },
];
const web = serviceOf('web.example.test', both);

const swapped = (from: Zone, ...changes: Parameters<typeof swap>[1][number][]): Zone => {
  const result = swap(from, changes);
  if (result.outcome !== 'swapped') throw new Error(JSON.stringify(result));
  return result.zone;
};

describe('swap', () => {
  test('a write whose fence stands is made, and the serial counts it once however many services it changes', () => {
    const one = swapped(zone, { service: web, ifFence: null }, { service: serviceOf('api.example.test', both), ifFence: null });
    expect([zone.serial, one.serial]).toEqual([1, 2]);
    const two = swapped(one, { service: { ...web, fence: 'fence-2' }, ifFence: 'fence-1' });
    expect(two.serial).toBe(3);
    expect(two.services.get('web.example.test')?.fence).toBe('fence-2');
  });

  test('one fence that does not stand leaves every service as it was and names what stands', () => {
    const one = swapped(zone, { service: web, ifFence: null });
    const result = swap(one, [
      { service: serviceOf('api.example.test', both), ifFence: null },
      { service: { ...web, fence: 'fence-3' }, ifFence: 'fence-2' },
      { service: serviceOf('db.example.test', both, 'fence-3'), ifFence: 'fence-2' },
    ]);
    expect(result).toEqual({
      outcome: 'conflict',
      current: [
        { name: 'web.example.test', fence: 'fence-1' },
        { name: 'db.example.test', fence: null },
      ],
    });
    expect([...one.services.keys()]).toEqual(['web.example.test']);
  });

  test('writing what is there already counts no serial, yet still compares the fence', () => {
    const one = swapped(zone, { service: web, ifFence: null });
    expect(swapped(one, { service: structuredClone(web), ifFence: 'fence-1' })).toBe(one);
    expect(swap(one, [{ service: web, ifFence: null }]).outcome).toBe('conflict');
  });

  test('the serial wraps around and is never 0', () => {
    expect(swapped({ ...zone, serial: 0xffff_ffff }, { service: web, ifFence: null }).serial).toBe(1);
  });

  test('fifty services change in one swap', () => {
    const changes = Array.from({ length: 50 }, (_, i) => ({ service: serviceOf(`s${i}.example.test`, both), ifFence: null }));
    const after = swapped(zone, ...changes);
    expect(after.services.size).toBe(50);
    expect(after.serial).toBe(2);
  });

  const pools = (...shares: number[]): ZoneService['pools'] =>
    shares.map((share, i) => ({ pool: `p${i}`, share, answers: [`192.0.2.${i + 1}`] }));
  const deep = `${'a.'.repeat(116)}example.test`;
  test.each<[string, Partial<ZoneService>, string]>([
    ['no pool', { pools: [] }, 'no pool'],
    ['no pool with a share', { pools: pools(0, 0) }, 'no pool'],
    ['shares below 1000', { pools: pools(500, 499) }, 'sum to 999'],
    ['shares above 1000', { pools: pools(500, 501) }, 'sum to 1001'],
    ['a negative share', { pools: pools(1001, -1) }, 'share'],
    ['a share that is no whole number', { pools: pools(500.5, 499.5) }, '500.5'],
    ['a pool with a share and no address', { pools: [{ pool: 'p', share: 1000, answers: [] }] }, 'no address'],
    ['a pool named twice', { pools: pools(500, 500).map((pool) => ({ ...pool, pool: 'p' })) }, 'twice'],
    ['something that is no address', { pools: [{ pool: 'p', share: 1000, answers: ['web.example.test'] }] }, 'IPv4 or IPv6'],
    ['too many addresses', { pools: [{ pool: 'p', share: 1000, answers: Array(65).fill('192.0.2.1') }] }, '65'],
    ['too many pools', { pools: pools(1000, ...Array(64).fill(0)) }, '65 pools'],
    ['a name outside the zone', { name: 'web.example.org' }, 'outside'],
    ['a name that only ends like the zone', { name: 'webexample.test' }, 'outside'],
    ['upper case', { name: 'Web.example.test' }, 'lower-case'],
    ['a label of 64 characters', { name: `${'a'.repeat(64)}.example.test` }, 'lower-case'],
    ['a name too long for its fence record', { name: deep }, '243'],
    ['the name of the server', { name: 'ns.example.test' }, 'reserved'],
    ['the name of a fence record', { name: '_tidegate.web.example.test' }, 'reserved'],
    ['a TTL below 0', { ttlS: -1 }, 'ttlS'],
    ['a TTL above a day', { ttlS: 86_401 }, 'ttlS'],
    ['an empty fence', { fence: '' }, 'fence'],
    ['a fence that is not printable', { fence: 'a\nb' }, 'fence'],
    ['a fence longer than a record', { fence: 'x'.repeat(1021) }, 'fence'],
  ])('%s is refused with the reason, and nothing changes', (_, change, because) => {
    const result = swap(zone, [
      { service: serviceOf('good.example.test', both), ifFence: null },
      { service: { ...web, ...change }, ifFence: null },
    ]);
    expect(result).toEqual({ outcome: 'refused', because: expect.stringContaining(because) });
    expect(zone.services.size).toBe(0);
  });

  test('a service changed twice in one swap is refused', () => {
    const change = { service: web, ifFence: null };
    expect(swap(zone, [change, change])).toMatchObject({ outcome: 'refused', because: expect.stringContaining('twice') });
  });

  test('the zone holds a stated number of services', () => {
    const many = Array.from({ length: SERVICES_MAX }, (_, i) => ({ service: serviceOf(`s${i}.example.test`, both), ifFence: null }));
    const full = swapped(zone, ...many);
    expect(swap(full, [{ service: web, ifFence: null }])).toMatchObject({
      outcome: 'refused',
      because: expect.stringContaining('1001 services'),
    });
    expect(swap(full, [{ service: serviceOf('s0.example.test', both, 'fence-2'), ifFence: 'fence-1' }]).outcome).toBe('swapped');
  });
});

describe('rotation', () => {
  /** Shares of 1 to 8 pools that sum to 1000, some of them 0. */
  const shares = fc
    .tuple(fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1000 })), { minLength: 0, maxLength: 7 }), fc.nat())
    .map(([cuts, rotate]) => {
      const edges = [0, ...cuts.sort((a, b) => a - b), 1000];
      const parts = edges.slice(1).map((edge, i) => edge - edges[i]!);
      return parts.map((_, i) => parts[(i + rotate) % parts.length]!);
    });

  const picks = (wanted: readonly number[], count: number): number[] => {
    let credits: readonly number[] = [];
    return Array.from({ length: count }, () => {
      const next = turn(wanted, credits);
      credits = next.credits;
      return next.pick;
    });
  };

  const longestRun = (sequence: readonly number[], of: number): number =>
    sequence.reduce(({ now, most }, pick) => (pick === of ? { now: now + 1, most: Math.max(most, now + 1) } : { now: 0, most }), {
      now: 0,
      most: 0,
    }).most;

  test('over any 1000 answers in a row every pool is answered exactly its share, so a pool without share never', () => {
    fc.assert(
      fc.property(shares, fc.nat({ max: 999 }), (wanted, skip) => {
        const window = picks(wanted, 1000 + skip).slice(skip);
        wanted.forEach((share, pool) => {
          expect(window.filter((pick) => pick === pool).length).toBe(share);
        });
      }),
    );
  });

  const evenRun = (share: number): number => Math.ceil(share / (1000 - share));

  test('of two pools neither is answered more often in a row than spreading its turns evenly needs', () => {
    for (let share = 1; share < 1000; share++) expect(longestRun(picks([share, 1000 - share], 2000), 0), `${share}`).toBe(evenRun(share));
  });

  test('of many pools none is answered more often in a row than twice what even spreading needs, plus two', () => {
    fc.assert(
      fc.property(shares, (wanted) => {
        const sequence = picks(wanted, 2000);
        wanted.forEach((share, pool) => {
          if (share < 1000) expect(longestRun(sequence, pool)).toBeLessThanOrEqual(2 * evenRun(share) + 2);
        });
      }),
    );
  });

  test('equal shares take turns', () => {
    expect(picks([500, 500], 6)).toEqual([0, 1, 0, 1, 0, 1]);
    expect(picks([334, 333, 333], 6)).toEqual([0, 1, 2, 0, 1, 2]);
  });

  const mixed = serviceOf('web.example.test', [
    { pool: 'four', share: 500, answers: ['192.0.2.1', '192.0.2.2'] },
    { pool: 'dual', share: 250, answers: ['192.0.2.3', '2001:db8::3'] },
    { pool: 'six', share: 250, answers: ['2001:db8::4'] },
    { pool: 'out', share: 0, answers: ['192.0.2.9', '2001:db8::9'] },
  ]);

  test('a family is shared among the pools that have it, in proportion', () => {
    const rotate = createRotation();
    const a = Array.from({ length: 300 }, () => rotate(mixed, 'A').join());
    expect(a.filter((answer) => answer === '192.0.2.1,192.0.2.2').length).toBe(200);
    expect(a.filter((answer) => answer === '192.0.2.3').length).toBe(100);
    const aaaa = Array.from({ length: 300 }, () => rotate(mixed, 'AAAA').join());
    expect(new Set(aaaa)).toEqual(new Set(['2001:db8::3', '2001:db8::4']));
  });

  test('questions for one family do not take turns from the other', () => {
    const rotate = createRotation();
    const apart = Array.from({ length: 9 }, () => createRotation()).map((fresh, i) =>
      Array.from({ length: i + 1 }, () => fresh(mixed, 'A')).at(-1),
    );
    const mingled = apart.map(() => {
      rotate(mixed, 'AAAA');
      return rotate(mixed, 'A');
    });
    expect(mingled).toEqual(apart);
  });

  test('no pool with a share has the family: no address, not that of a drained pool', () => {
    const service = serviceOf('web.example.test', [
      { pool: 'four', share: 1000, answers: ['192.0.2.1'] },
      { pool: 'out', share: 0, answers: ['2001:db8::9'] },
    ]);
    expect(createRotation()(service, 'AAAA')).toEqual([]);
  });
});
