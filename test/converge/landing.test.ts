import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRotation } from '../../providers/builtin/rotation.ts';
import { judge, measurable, ofFamily, SAMPLES } from '../../src/converge/landing.ts';
import type { ConvergeConfig, Route } from '../../src/model.ts';
import { ALL, addressOf, NO_EU, NS1, poolOf, REGIONS, REQUEST, RESOLVER, serviceOf } from './fixture.ts';

const service = serviceOf();
const [EU, US, AP] = REGIONS.map(addressOf) as [string, string, string];
const taking = (...addresses: string[]): string[][] => Array.from({ length: SAMPLES }, (_, at) => [addresses[at % addresses.length]!]);
const findingOf = (...args: Parameters<typeof judge>) => {
  const finding = judge(...args);
  return finding.landed ? 'landed' : finding.wrong;
};

describe('twenty answers of a server', () => {
  test('land when every serving pool shows up and no drained one does', () => {
    expect(judge(service, NO_EU, taking(US, AP))).toEqual({ landed: true, because: '20 answers of the route' });
  });

  test('one answer of a drained pool among them is enough to say no, and is named', () => {
    const samples = [...taking(US, AP).slice(1), [EU]];
    expect(judge(service, NO_EU, samples)).toEqual({ landed: false, wrong: 'drained', because: `still answers ${EU}` });
  });

  test('an address that no pool has is strange, whatever else is answered', () => {
    expect(judge(service, NO_EU, [...taking(US, AP), [US, '198.51.100.7']])).toMatchObject({
      wrong: 'strange',
      because: 'answers 198.51.100.7, which no pool has',
    });
  });

  test('an empty answer sends users nowhere', () => {
    expect(findingOf(service, NO_EU, [...taking(US, AP), []])).toBe('empty');
  });

  test('fewer than asked for prove nothing, except against the route', () => {
    expect(findingOf(service, NO_EU, taking(US, AP).slice(1))).toBe('few');
    expect(findingOf(service, NO_EU, [[EU]])).toBe('drained');
    expect(findingOf(service, NO_EU, [[US]], 1)).toBe('landed');
  });

  test('an address that a serving pool shares with a drained one is served', () => {
    const shared = serviceOf({ pools: [poolOf('eu-west', { answers: [EU, US] }), poolOf('us-east'), poolOf('ap-south')] });
    expect(findingOf(shared, NO_EU, taking(US, AP))).toBe('landed');
    expect(findingOf(shared, NO_EU, taking(US, EU))).toBe('drained');
  });

  test('all addresses of all pools at once, as a plain record set answers, are the full route', () => {
    expect(
      findingOf(
        service,
        ALL,
        taking(EU).map(() => [EU, US, AP]),
      ),
    ).toBe('landed');
  });
});

describe('a pool newly given traffic', () => {
  test('must show up from a fifth of the traffic on, where chance would hide it once in 87 looks', () => {
    expect(findingOf(service, { 'eu-west': 200, 'us-east': 400, 'ap-south': 400 }, taking(US, AP))).toBe('absent');
    expect(0.8 ** SAMPLES).toBeCloseTo(1 / 87, 3);
  });

  test('may hide with less than that', () => {
    expect(findingOf(service, { 'eu-west': 199, 'us-east': 401, 'ap-south': 400 }, taking(US, AP))).toBe('landed');
  });

  test('may hide below half of its configured share, as providers that cannot weigh leave it out', () => {
    const heavy = serviceOf({ pools: [poolOf('eu-west', { weight: 2 }), poolOf('us-east'), poolOf('ap-south')] });
    expect(findingOf(heavy, { 'eu-west': 249, 'us-east': 376, 'ap-south': 375 }, taking(US, AP))).toBe('landed');
    expect(findingOf(heavy, { 'eu-west': 250, 'us-east': 375, 'ap-south': 375 }, taking(US, AP))).toBe('absent');
  });

  test('may hide from a single answer of a cache', () => {
    expect(findingOf(service, ALL, [[US]], 1)).toBe('landed');
  });
});

describe('addresses of two families', () => {
  const both = serviceOf({
    pools: [poolOf('eu-west', { answers: [EU, '2001:db8::1'] }), poolOf('us-east', { answers: [US, '2001:DB8:0::2'] }), poolOf('ap-south')],
  });

  test('are judged apart: a pool is looked for only where it has an address', () => {
    expect(ofFamily(both, 'AAAA').pools.map((pool) => pool.name)).toEqual(['eu-west', 'us-east']);
    expect(findingOf(ofFamily(both, 'AAAA'), NO_EU, taking('2001:db8::2'))).toBe('landed');
    expect(findingOf(ofFamily(both, 'AAAA'), NO_EU, taking('2001:db8::1'))).toBe('drained');
  });

  test('an empty answer is right where no serving pool has the family', () => {
    const only = ofFamily(both, 'AAAA');
    const route: Route = { 'eu-west': 0, 'us-east': 0, 'ap-south': 1000 };
    expect(
      findingOf(
        only,
        route,
        Array.from({ length: SAMPLES }, () => []),
      ),
    ).toBe('landed');
  });
});

test('what can be measured follows from what is configured', () => {
  const can = (converge: Parameters<typeof serviceOf>[0]) => measurable(serviceOf(converge));
  expect(can({ converge: { authoritative: [NS1], resolvers: [RESOLVER] } })).toEqual({ authoritative: true, landing: true });
  const { pools, converge } = serviceOf({ converge: { authoritative: [], resolvers: [] } });
  const { request: _, ...none } = converge;
  expect(measurable({ pools, converge: none })).toEqual({ authoritative: false, landing: false });
  expect(measurable({ pools, converge: { ...none, authoritative: [NS1] } })).toEqual({ authoritative: true, landing: false });
  expect(measurable({ pools, converge: { ...none, authoritative: [NS1], request: REQUEST } })).toEqual({
    authoritative: true,
    landing: true,
  });
  expect(measurable({ pools, converge: { ...none, request: REQUEST } })).toEqual({ authoritative: false, landing: false });
});

test('of a service whose pools have no addresses only real requests tell, and only where there is somebody to resolve its name', () => {
  const pools = serviceOf().pools.map((pool) => ({ ...pool, answers: [] }));
  const can = (converge: Partial<ConvergeConfig>) => measurable(serviceOf({ pools, converge }));
  expect(can({ authoritative: [NS1], resolvers: [RESOLVER] })).toEqual({ authoritative: false, landing: true });
  expect(can({ authoritative: [NS1], resolvers: [] })).toEqual({ authoritative: false, landing: false });
  const { request: _, ...none } = serviceOf({ pools }).converge;
  expect(measurable({ pools, converge: none })).toEqual({ authoritative: false, landing: false });
});

describe('any route', () => {
  const routes = fc
    .tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000))
    .filter((parts) => parts.some((part) => part > 0))
    .map(([eu, us, ap]): Route => ({ 'eu-west': eu, 'us-east': us, 'ap-south': ap }));

  test('lands on the answers of a server that serves exactly it', () => {
    fc.assert(
      fc.property(routes, (route) => {
        const rotate = createRotation();
        const pools = service.pools.map((pool) => ({ pool: pool.name, share: route[pool.name] ?? 0, answers: pool.answers }));
        const zone = { name: service.name, ttlS: 10, pools, fence: 'f' };
        const samples = Array.from({ length: SAMPLES }, () => rotate(zone, 'A'));
        const sum = pools.reduce((total, { share }) => total + share, 0);
        // The server serves parts of their sum; the route of a decision always sums to 1000.
        const scaled = Object.fromEntries(pools.map(({ pool, share }) => [pool, Math.floor((share * 1000) / sum)]));
        const zeroed = pools.some(({ pool, share }) => share > 0 && scaled[pool] === 0);
        expect(zeroed || judge(service, scaled, samples).landed).toBe(true);
      }),
    );
  });

  test('never lands while an address without a share, or one of nobody, is among the answers', () => {
    fc.assert(
      fc.property(routes, fc.array(fc.constantFrom(EU, US, AP, '198.51.100.7'), { minLength: 1, maxLength: 40 }), (route, answers) => {
        const wrong = answers.some((address) => {
          const region = REGIONS.find((each) => addressOf(each) === address);
          return region === undefined || (route[region] ?? 0) === 0;
        });
        const finding = judge(
          service,
          route,
          answers.map((address) => [address]),
          1,
        );
        if (wrong) expect(finding.landed).toBe(false);
        else expect(finding.landed || finding.wrong === 'absent').toBe(true);
      }),
    );
  });
});
