// Between routes and record sets, by tables and by property: whatever was there before, the batch brings about exactly the route, and Route 53's rules let it pass.
import type { Change as SetChange } from '@aws-sdk/client-route-53';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Change, ProviderService } from '../../providers/provider.ts';
import { blockedBy, changesOf, type Mode, type Objects, quantise, readBackOf, tooLarge } from '../../providers/route53/convert.ts';
import { placeOf, quoted, type RecordSet, unquoted } from '../../providers/route53/sets.ts';
import { judge, type StandInChange, type StandInSet, servedBy } from '../../src/drill/stand-ins/route53-rules.ts';
import { api, pool, web, withShares, ZONE } from './route53.fixture.ts';

const objects = (mode: Mode = 'weighted', pools: Objects['pools'] = {}): Objects => ({ mode, pools });
let nonces = 0;
const changeOf = (o: Objects, desired: ProviderService, v: number, sets: readonly RecordSet[]): Change => ({
  desired,
  fence: { v, epoch: 1, writer: 'eu-west/a', nonce: `n${++nonces}`, hash: 'ab' },
  previous: readBackOf(o, desired, sets),
});
/** As Route 53 would: all or none, by the rules of the stand-in. */
const carriedOut = (sets: readonly RecordSet[], change: readonly unknown[]): readonly RecordSet[] => {
  const judged = judge(ZONE, sets as unknown as readonly StandInSet[], change as readonly StandInChange[], new Map());
  expect(judged.refusals).toEqual([]);
  return judged.sets as unknown as readonly RecordSet[];
};
const served = (o: Objects, desired: ProviderService, sets: readonly RecordSet[] = [], v = 1): readonly RecordSet[] =>
  carriedOut(sets, changesOf(o, changeOf(o, desired, v, sets)));
const brief = (sets: readonly RecordSet[]) =>
  sets
    .filter(({ Type }) => Type !== 'TXT')
    .map(({ Type, SetIdentifier, Weight, Failover, ResourceRecords, AliasTarget }) =>
      [Type, SetIdentifier, Weight ?? Failover, ResourceRecords?.map(({ Value }) => Value).join('+') ?? AliasTarget?.DNSName].join(' '),
    );
const actions = (change: readonly SetChange[]) =>
  change.map(({ Action, ResourceRecordSet: set }) => `${Action} ${set?.Type} ${set?.SetIdentifier ?? ''}`.trim());

describe('weighted', () => {
  test('a set for each address of each family, the weight of a pool divided among its own', () => {
    expect(brief(served(objects(), api))).toEqual(['A eu-west 77 192.0.2.11', 'A eu-west#2 76 192.0.2.12', 'A us-east 102 192.0.2.13']);
    expect(quantise(objects(), api)).toEqual({ 'eu-west': 600, 'us-east': 400 });
    expect(brief(served(objects(), web))).toEqual([
      'A eu-west 128 192.0.2.1',
      'A us-east 127 192.0.2.2',
      'AAAA eu-west 128 2001:db8::1',
      'AAAA us-east 127 2001:db8::2',
    ]);
  });

  test('a family that only drained pools have is deleted: with every weight at zero Route 53 would send everybody there', () => {
    const mixed = { ...web, pools: [web.pools[0]!, pool('us-east', 500, 500, '192.0.2.2')] };
    const before = served(objects(), mixed);
    const drained = withShares(mixed, 0, 1000);
    const after = served(objects(), drained, before, 2);
    expect(brief(after)).toEqual(['A eu-west 0 192.0.2.1', 'A us-east 255 192.0.2.2']);
    expect(readBackOf(objects(), drained, after)).toMatchObject({ shares: { 'eu-west': 0, 'us-east': 1000 }, foreign: [] });
  });

  test('only what changes is written, and what a human attached stays', () => {
    const before = served(objects(), web).map((set) => (set.SetIdentifier === 'us-east' ? { ...set, HealthCheckId: 'check-us' } : set));
    const change = changesOf(objects(), changeOf(objects(), withShares(web, 501, 499), 2, before));
    expect(actions(change)).toEqual(['DELETE TXT', 'CREATE TXT']);
    const moved = changesOf(objects(), changeOf(objects(), withShares(web, 0, 1000), 2, before));
    expect(actions(moved)).toEqual([
      'DELETE TXT',
      'CREATE TXT',
      'UPSERT A eu-west',
      'UPSERT A us-east',
      'UPSERT AAAA eu-west',
      'UPSERT AAAA us-east',
    ]);
    expect(moved.at(-1)?.ResourceRecordSet).toMatchObject({ HealthCheckId: 'check-us', Weight: 255 });
  });

  test('a health check of the configuration goes to every set of its pool', () => {
    const sets = served(objects('weighted', { 'eu-west': { healthCheckId: 'check-eu' } }), web);
    expect(
      sets.filter(({ HealthCheckId }) => HealthCheckId === 'check-eu').map(({ Type, SetIdentifier }) => `${Type} ${SetIdentifier}`),
    ).toEqual(['A eu-west', 'AAAA eu-west']);
  });

  test('CNAME and alias pools, and identifiers that are there already', () => {
    const bare = { ...web, pools: web.pools.map((each) => ({ ...each, answers: [] })) };
    const cname = objects('weighted', {
      'eu-west': { cname: 'eu.example.net', setIdentifier: 'EU 1' },
      'us-east': { cname: 'us.example.net' },
    });
    expect(brief(served(cname, bare))).toEqual(['CNAME EU 1 128 eu.example.net', 'CNAME us-east 127 us.example.net']);
    const alias = (name: string) => ({ alias: { name, hostedZoneId: 'Z35', evaluateTargetHealth: true, types: ['A', 'AAAA'] as const } });
    const aliases = objects('weighted', { 'eu-west': alias('lb-1.example.net'), 'us-east': alias('lb-2.example.net') });
    const sets = served(aliases, bare);
    expect(brief(sets)).toHaveLength(4);
    expect(sets.find(({ Type }) => Type === 'AAAA')).toMatchObject({
      AliasTarget: { DNSName: 'lb-1.example.net', EvaluateTargetHealth: true },
    });
    // As Route 53 spells it back.
    const dotted = sets.map((set) =>
      set.AliasTarget === undefined ? set : { ...set, AliasTarget: { ...set.AliasTarget, DNSName: `${set.AliasTarget.DNSName}.` } },
    );
    expect(actions(changesOf(aliases, changeOf(aliases, bare, 2, dotted)))).toEqual(['DELETE TXT', 'CREATE TXT']);
  });

  test('simple sets and a CNAME give way in the same batch; other policies stop it', () => {
    const simple = [{ Name: `web.${ZONE}.`, Type: 'A' as const, TTL: 300, ResourceRecords: [{ Value: '198.51.100.1' }] }];
    expect(readBackOf(objects(), web, simple)).toMatchObject({ shares: null, foreign: ['198.51.100.1'] });
    expect(brief(served(objects(), web, simple))).toHaveLength(4);
    const alias = [{ Name: `web.${ZONE}.`, Type: 'CNAME' as const, TTL: 300, ResourceRecords: [{ Value: 'elsewhere.example.net.' }] }];
    expect(readBackOf(objects(), web, alias).foreign).toEqual(['CNAME elsewhere.example.net']);
    expect(brief(served(objects(), web, alias))).toHaveLength(4);
    const latency = [{ ...simple[0]!, SetIdentifier: 'eu', Region: 'eu-west-1' as const }];
    expect(blockedBy('weighted', changeOf(objects(), web, 1, latency))).toMatch(/has latency sets.*remove them/);
    expect(blockedBy('failover', changeOf(objects('failover'), web, 1, served(objects(), web)))).toMatch(/has weighted sets/);
  });

  test.each([0, 5])('a strange set is reported and removed, at weight %i too: it would answer when all others are unhealthy', (Weight) => {
    const strange = {
      Name: `web.${ZONE}.`,
      Type: 'A' as const,
      SetIdentifier: 'canary',
      Weight,
      TTL: 60,
      ResourceRecords: [{ Value: '198.51.100.1' }],
    };
    const before = [...served(objects(), web), strange];
    expect(readBackOf(objects(), web, before).foreign).toEqual(['198.51.100.1']);
    expect(actions(changesOf(objects(), changeOf(objects(), web, 2, before)))).toEqual(['DELETE TXT', 'CREATE TXT', 'DELETE A canary']);
  });

  test('an address that left its pool leaves the zone', () => {
    const before = served(objects(), api);
    const fewer = { ...api, pools: [pool('eu-west', 600, 600, '192.0.2.11'), api.pools[1]!] };
    expect(brief(served(objects(), fewer, before, 2))).toEqual(['A eu-west 153 192.0.2.11', 'A us-east 102 192.0.2.13']);
  });

  test('families that share differently are told, even when their mean is right', () => {
    const crossed = served(objects(), web).map((set) => {
      if (set.Weight === undefined) return set;
      return { ...set, Weight: (set.Type === 'A') === (set.SetIdentifier === 'eu-west') ? 255 : 0 };
    });
    expect(readBackOf(objects(), web, crossed)).toMatchObject({
      shares: { 'eu-west': 500, 'us-east': 500 },
      foreign: ['AAAA shared otherwise than A'],
    });
  });

  test('weights of another total in the same proportion are no drift; another address under our identifier is', () => {
    const scaled = served(objects(), withShares(web, 600, 400)).map((set) =>
      set.Weight === undefined ? set : { ...set, Weight: set.SetIdentifier === 'eu-west' ? 3 : 2 },
    );
    expect(readBackOf(objects(), web, scaled).shares).toEqual({ 'eu-west': 600, 'us-east': 400 });
    const moved = served(objects(), api).map((set) =>
      set.SetIdentifier === 'us-east' ? { ...set, ResourceRecords: [{ Value: '198.51.100.7' }] } : set,
    );
    expect(readBackOf(objects(), api, moved)).toMatchObject({ shares: { 'eu-west': 1000, 'us-east': 0 }, foreign: ['198.51.100.7'] });
  });
});

describe('failover', () => {
  const failover = objects('failover');

  test('the pool with the largest share is primary, and the two change parts by deletion, since there may be one primary only', () => {
    const before = served(failover, api);
    expect(brief(before)).toEqual(['A eu-west PRIMARY 192.0.2.11+192.0.2.12', 'A us-east SECONDARY 192.0.2.13']);
    const change = changesOf(failover, changeOf(failover, withShares(api, 0, 1000), 2, before));
    expect(actions(change)).toEqual([
      'DELETE TXT',
      'CREATE TXT',
      'DELETE A eu-west',
      'DELETE A us-east',
      'CREATE A eu-west',
      'CREATE A us-east',
    ]);
    expect(brief(carriedOut(before, change))).toEqual(['A eu-west SECONDARY 192.0.2.11+192.0.2.12', 'A us-east PRIMARY 192.0.2.13']);
  });

  test('a family that only the other pool has is not served', () => {
    const sets = served(failover, {
      ...web,
      pools: [pool('eu-west', 1000, 1000, '192.0.2.1'), pool('us-east', 0, 0, '192.0.2.2', '2001:db8::2')],
    });
    expect(brief(sets)).toEqual(['A eu-west PRIMARY 192.0.2.1', 'A us-east SECONDARY 192.0.2.2']);
  });
});

describe('texts', () => {
  test('a fence with quotes and backslashes comes back the same', () => {
    for (const text of ['a"b', 'a\\b', '\\"', 'plain', '"', '\\042']) expect(unquoted(quoted(text))).toBe(text);
    expect(quoted('a"b\\c')).toBe('"a\\042b\\134c"');
    expect(unquoted('"v=1;" "fence=2"')).toBe('v=1;fence=2');
  });

  test('a name lies where AWS says it does, the dots and the escapes included', () => {
    const sorted = [
      'web.example.com',
      'web-2.example.com',
      'a.web.example.com',
      '\\052.example.com',
      'example.com',
      '_tidegate.web.example.com',
    ];
    expect(sorted.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))).toEqual([
      'example.com',
      '\\052.example.com',
      'web-2.example.com',
      'web.example.com',
      '_tidegate.web.example.com',
      'a.web.example.com',
    ]);
  });

  test('a batch beyond the limits of Route 53 is told so before it is sent', () => {
    const change = changesOf(objects(), changeOf(objects(), web, 1, []));
    expect(tooLarge(change)).toBeNull();
    expect(tooLarge(Array.from({ length: 300 }, () => change).flat())).toMatch(/more than the 1000/);
  });
});

// ---- by property ----

const address = fc.oneof(
  fc.tuple(fc.nat(3), fc.nat(250)).map(([a, b]) => `192.0.${a}.${b}`),
  fc.nat(200).map((n) => `2001:db8::${(n + 1).toString(16)}`),
);
const services = fc
  .array(fc.record({ share: fc.oneof(fc.constant(0), fc.nat(1000)), answers: fc.uniqueArray(address, { minLength: 1, maxLength: 4 }) }), {
    minLength: 2,
    maxLength: 5,
  })
  .map((pools): ProviderService => {
    const seen = new Set<string>();
    const own = pools.map(({ share, answers }, at) => {
      const fresh = answers.filter((each) => !seen.has(each));
      for (const each of fresh) seen.add(each);
      return pool(`p${at}`, share, share, ...(fresh.length > 0 ? fresh : [`198.51.100.${at}`]));
    });
    return { service: `web.${ZONE}`, ttlS: 30, pools: own };
  })
  .filter(({ pools }) => pools.some(({ share }) => share > 0));

const twoPools = services
  .map((service) => ({ ...service, pools: service.pools.slice(0, 2) }))
  .filter(({ pools }) => pools.some(({ share }) => share > 0));

test.each([
  ['weighted', services],
  ['failover', twoPools],
] as const)(
  '%s: from any route to any other the batch is lawful, reads back as promised, serves nobody drained, and is not needed twice',
  (mode, arbitrary) => {
    const o = objects(mode);
    fc.assert(
      fc.property(arbitrary, arbitrary, fc.constantFrom(30, 60), (from, to, ttlS) => {
        const before = served(o, { ...from, ttlS });
        const after = served(o, to, before, 2);
        const back = readBackOf(o, to, after);
        expect(back).toMatchObject({ shares: quantise(o, to), foreign: [], fence: { v: 2 } });
        expect(Object.values(quantise(o, to)).reduce((a, b) => a + b)).toBe(1000);
        expect(changesOf(o, { desired: to, fence: back.fence!, previous: back })).toEqual([]);
        const weights = servedBy(to.service, after as unknown as readonly StandInSet[], () => true);
        const drained = to.pools.filter(({ share }) => share === 0).flatMap(({ answers }) => answers);
        expect(Object.keys(weights).length).toBeGreaterThan(0);
        expect(drained.filter((each) => weights[each] !== undefined)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  },
);

test('weighted: a pool that has both families or one gets its share to within its rounding in each', () => {
  fc.assert(
    fc.property(services, (service) => {
      const sets = served(objects(), service);
      for (const type of ['A', 'AAAA']) {
        const group = sets.filter(({ Type }) => Type === type);
        if (group.length === 0) continue;
        expect(group.reduce((sum, { Weight = 0 }) => sum + Weight, 0)).toBe(255);
        const own = service.pools.filter((each) => group.some(({ SetIdentifier }) => SetIdentifier?.replace(/#\d+$/, '') === each.pool));
        const all = own.reduce((sum, { share }) => sum + share, 0);
        for (const each of own) {
          const weight = group
            .filter(({ SetIdentifier }) => SetIdentifier?.replace(/#\d+$/, '') === each.pool)
            .reduce((sum, { Weight = 0 }) => sum + Weight, 0);
          expect(Math.abs(weight - (each.share * 255) / all)).toBeLessThan(own.length);
          expect(weight > 0).toBe(each.share > 0);
        }
      }
    }),
  );
});
