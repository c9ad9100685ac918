import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressesServed, poolsServed, quantise, sharesOf } from '../../providers/addresses.ts';
import type { ProviderService } from '../../providers/provider.ts';

type PoolPlan = [name: string, share: number, configuredShare: number, ...answers: string[]];
const serviceOf = (...pools: PoolPlan[]): ProviderService => ({
  service: 'web.tide.test',
  ttlS: 30,
  pools: pools.map(([pool, share, configuredShare, ...answers]) => ({ pool, region: pool, share, configuredShare, answers })),
});

describe('which pools are in', () => {
  test.each<[what: string, pools: PoolPlan[], inside: string[]]>([
    [
      'everything as configured',
      [
        ['a', 500, 500, '192.0.2.1'],
        ['b', 500, 500, '192.0.2.2'],
      ],
      ['a', 'b'],
    ],
    [
      'a drained pool is out',
      [
        ['a', 0, 500, '192.0.2.1'],
        ['b', 1000, 500, '192.0.2.2'],
      ],
      ['b'],
    ],
    [
      '100/0 fails over to the standby',
      [
        ['a', 0, 1000, '192.0.2.1'],
        ['b', 1000, 0, '192.0.2.2'],
      ],
      ['b'],
    ],
    [
      'a standby without share is out',
      [
        ['a', 1000, 1000, '192.0.2.1'],
        ['b', 0, 0, '192.0.2.2'],
      ],
      ['a'],
    ],
    [
      'a ramp below half keeps it out',
      [
        ['a', 249, 500, '192.0.2.1'],
        ['b', 751, 500, '192.0.2.2'],
      ],
      ['b'],
    ],
    [
      'a ramp at half lets it in',
      [
        ['a', 250, 500, '192.0.2.1'],
        ['b', 750, 500, '192.0.2.2'],
      ],
      ['a', 'b'],
    ],
    [
      'none reaches half: the largest part of its own is in',
      [
        ['a', 200, 450, '192.0.2.1'],
        ['b', 100, 450, '192.0.2.2'],
        ['c', 40, 100, '192.0.2.3'],
      ],
      ['a'],
    ],
    [
      'none reaches half: equals are in together',
      [
        ['a', 200, 450, '192.0.2.1'],
        ['b', 200, 450, '192.0.2.2'],
        ['c', 1, 100, '192.0.2.3'],
      ],
      ['a', 'b'],
    ],
    [
      'a share without an address carries nobody',
      [
        ['a', 900, 900],
        ['b', 1, 100, '192.0.2.2'],
      ],
      ['b'],
    ],
  ])('%s', (_what, pools, inside) => {
    expect(poolsServed(serviceOf(...pools)).map((pool) => pool.pool)).toEqual(inside);
  });
});

const plans = fc
  .array(fc.record({ share: fc.nat(1000), configured: fc.nat(1000), answers: fc.integer({ min: 1, max: 4 }) }), {
    minLength: 1,
    maxLength: 6,
  })
  .filter((pools) => pools.some((pool) => pool.share > 0))
  .map((pools) =>
    serviceOf(
      ...pools.map(
        ({ share, configured, answers }, p): PoolPlan => [
          `p${p}`,
          share,
          configured,
          ...Array.from({ length: answers }, (_, n) => `192.0.${p}.${n}`),
        ],
      ),
    ),
  );

describe('what is promised and what is read', () => {
  test('no route that carries anything becomes empty, and the promise sums to 1000 over the pools that are in', () => {
    fc.assert(
      fc.property(plans, (service) => {
        const inside = poolsServed(service).map((pool) => pool.pool);
        const shares = quantise(service);
        expect(inside.length).toBeGreaterThan(0);
        expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBe(1000);
        for (const { pool } of service.pools) expect(shares[pool]! > 0, pool).toBe(inside.includes(pool));
      }),
    );
  });

  test('shares go by addresses, since a set has no weights', () => {
    const service = serviceOf(['a', 500, 500, '192.0.2.1'], ['b', 500, 500, '192.0.2.2', '192.0.2.3', '2001:db8::1']);
    expect(quantise(service)).toEqual({ a: 250, b: 750 });
    expect(sharesOf(service, ['2001:db8::1'])).toEqual({ a: 0, b: 333 });
    expect(sharesOf(service, [])).toBeNull();
    expect(sharesOf(service, ['192.0.2.99'])).toBeNull();
  });

  test('a pool that is served in part falls short of 1000, so it never passes for whole', () => {
    fc.assert(
      fc.property(plans, fc.nat(), (service, pick) => {
        const all = addressesServed(service);
        const missing = all[pick % all.length]!;
        const partly = poolsServed(service).some((pool) => pool.answers.length > 1 && pool.answers.includes(missing));
        fc.pre(partly);
        const shares = sharesOf(
          service,
          all.filter((address) => address !== missing),
        );
        expect(Object.values(shares!).reduce((sum, share) => sum + share, 0)).toBeLessThan(1000);
        expect(shares).not.toEqual(quantise(service));
      }),
    );
  });

  test('an answer that is no address is our bug, not a packet', () => {
    expect(() => quantise(serviceOf(['a', 1000, 1000, 'web.test']))).toThrow('"web.test" is not an IP address');
  });
});
