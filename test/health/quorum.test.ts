// Quorum over vantages: counted against the voters configured, and against a dumb twin that asks every region about every target.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Heard, isFresh, REGIONS_MAX } from '../../src/health/chamber.ts';
import { ownerOf } from '../../src/health/owner.ts';
import { leastElectorate, tally, votesBehind, votesCallingGray } from '../../src/health/quorum.ts';
import { counts, poolVerdict, targetVerdict } from '../../src/health/verdict.ts';
import {
  type Ballot,
  type ClusterConfig,
  type EndpointName,
  endpointKey,
  type From,
  type PoolTally,
  targetId,
  type Vote,
} from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import { heardFrom, type Says, suspicion } from './votes.ts';

const NOW = 1_800_000_000_000;
const REGIONS = ['a', 'b', 'c', 'd', 'e'];
const app = targetId('web', 'b', 'app');

const cluster = clusterOf(REGIONS, [{}]);
const allSay = (says: Readonly<Record<string, Says | 'silent'>>, base: ClusterConfig = cluster): readonly Heard[] =>
  base.regions.flatMap(({ name }) => (says[name] === 'silent' ? [] : [heardFrom(base, name, says[name] as Says)]));
const poolB = (says: Readonly<Record<string, Says | 'silent'>>, base: ClusterConfig = cluster): PoolTally =>
  tally(base, allSay(says, base), NOW, true).find((t) => t.pool === 'b') ?? expect.fail('no pool b');

const gone: Says = { down: [app], unready: [app] };
const abstains: Says = { self: { state: 'abstain', because: 'uplink' }, ...gone };

describe('who counts', () => {
  test.each([
    ['three of five', { a: gone, b: gone, c: gone }, 'out', 3],
    ['two of five', { a: gone, b: gone }, 'up', 2],
    ['three of three that speak', { a: gone, b: gone, c: gone, d: 'silent', e: 'silent' }, 'out', 3],
    ['two of two that speak: silence lowers no bar', { a: gone, b: gone, c: 'silent', d: 'silent', e: 'silent' }, 'unknown', 2],
    ['two of three that do not abstain', { a: gone, b: gone, c: {}, d: abstains, e: abstains }, 'unknown', 2],
    ['abstaining votes are no votes, whatever they say', { a: gone, b: abstains, c: abstains, d: abstains, e: abstains }, 'unknown', 1],
    ['nobody at all', { a: 'silent', b: 'silent', c: 'silent', d: 'silent', e: 'silent' }, 'unknown', 0],
    ['two up, two down, one silent', { a: gone, b: gone, e: 'silent' }, 'unknown', 2],
  ] as const)('%s', (_, says, verdict, down) => {
    const t = poolB(says);
    expect(t.verdict).toBe(verdict);
    expect(t.targets[0]?.endpoints.healthz).toMatchObject({ down, needs: 3, electorate: 5 });
  });

  test('silence is never evidence: fewer votes never turn an answer into its opposite', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('down', 'up', 'silent', 'abstain'), { minLength: 5, maxLength: 5 }), fc.nat(4), (say, gag) => {
        const saysOf = (list: readonly string[]): Record<string, Says | 'silent'> =>
          Object.fromEntries(
            REGIONS.map((r, i) => [r, list[i] === 'down' ? gone : list[i] === 'abstain' ? abstains : list[i] === 'up' ? {} : 'silent']),
          );
        const before = poolB(saysOf(say)).verdict;
        const after = poolB(saysOf(say.map((s, i) => (i === gag ? 'silent' : s)))).verdict;
        expect([before, 'unknown']).toContain(after);
      }),
    );
  });

  test('two disjoint groups never both decide', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), (inFirst) => {
        const group = (first: boolean): Record<string, Says | 'silent'> =>
          Object.fromEntries(REGIONS.map((r, i) => [r, inFirst[i] === first ? gone : 'silent']));
        expect([poolB(group(true)).verdict, poolB(group(false)).verdict]).toContain('unknown');
      }),
    );
  });

  test('replicas of 0.1 in one region are one vote: any that says up makes it up, all must say down', () => {
    const replicas = (...says: readonly Says[]): readonly Heard[] =>
      says.map((s, i) => heardFrom(cluster, 'a', { ...s, replica: `r${i}` }));
    const ballot = (heard: readonly Heard[]): Ballot | undefined =>
      tally(cluster, heard, NOW, true).find((t) => t.pool === 'b')?.targets[0]?.endpoints.healthz?.ballots.a;
    expect(ballot(replicas(gone, gone, gone))).toBe('down');
    expect(ballot(replicas(gone, {}, gone))).toBe('up');
    expect(ballot(replicas(gone, { unknown: [app] }))).toBe('down');
    expect(ballot(replicas({ unknown: [app] }, { unknown: [app] }))).toBe('unknown');
    expect(ballot(replicas(gone, abstains))).toBe('down');
    expect(ballot(replicas(abstains, abstains))).toBe('abstain');
    expect(ballot(replicas(gone, { ageMs: 60_000 }))).toBe('down');
    expect(poolB({}).targets[0]?.endpoints.healthz?.down).toBe(0);
    const many = REGIONS.slice(0, 2).flatMap((r) => ['x', 'y', 'z'].map((replica) => heardFrom(cluster, r, { ...gone, replica })));
    expect(tally(cluster, many, NOW).find((t) => t.pool === 'b')?.verdict).toBe('unknown');
  });

  test('a region without a vote is not counted, however loud', () => {
    const office = { ...cluster, regions: cluster.regions.map((r) => ({ ...r, vote: r.name !== 'e' })) };
    const t = poolB({ d: gone, e: gone }, office);
    expect(t.targets[0]?.endpoints.healthz).toMatchObject({ electorate: 4, needs: 3, down: 1 });
    expect(t.targets[0]?.endpoints.healthz?.ballots).not.toHaveProperty('e');
  });

  test('a list of regions is the electorate of its target', () => {
    const listed: From = ['a', 'b', 'c'];
    const pools = REGIONS.map((r, i) => poolOf(r, 1, i)).map((p) => ({ ...p, targets: p.targets.map((t) => ({ ...t, from: listed })) }));
    const narrow = { ...cluster, services: [serviceOf(REGIONS, { pools })] };
    expect(poolB({ a: gone, b: gone }, narrow).verdict).toBe('out');
    expect(poolB({ d: gone, e: gone }, narrow).verdict).toBe('up');
  });
});

describe('gray', () => {
  const ready = endpointKey(app, 'readyz');
  const errs: Says = { gray: [ready] };

  test.each([
    ['three of five', { a: errs, b: errs, c: errs }, 1, 1],
    ['two of five: one is missing', { a: errs, b: errs }, 0, 1],
    ['one of five', { a: errs }, 0, 0],
    ['two of two that speak: silence lowers no bar', { a: errs, b: errs, c: 'silent', d: 'silent', e: 'silent' }, 0, 1],
    ['abstention counts nothing', { a: errs, b: errs, c: { ...errs, self: { state: 'abstain', because: 'x' } } }, 0, 1],
    ['nor does an old vote', { a: errs, b: errs, c: { ...errs, ageMs: 8001 } }, 0, 1],
    ['what is out has its own verdict', { a: { ...gone, ...errs }, b: { ...gone, ...errs }, c: { ...gone, ...errs } }, 0, 0],
    ['one spell of being down there takes no vote away', { a: { ...gone, ...errs }, b: errs, c: errs }, 1, 1],
    ['what is no endpoint is nothing', { a: { gray: [`${app}#x`, app, ''] }, b: { gray: [`${app}#x`] }, c: { gray: [app] } }, 0, 0],
  ] as const)('%s', (_, says, gray, nearGray) => {
    expect(poolB(says)).toMatchObject({ gray, nearGray });
  });

  test('moves no verdict, and names who says it of which endpoints', () => {
    const t = poolB({ a: errs, c: { gray: [ready, endpointKey(app, 'healthz')] }, d: errs });
    expect(t).toMatchObject({ verdict: 'up', cause: 'up', up: 1, suspectAtQuorum: false, anyDownVote: false });
    expect(t.targets[0]?.gray).toEqual({ regions: ['a', 'c', 'd'], endpoints: ['healthz', 'readyz'], electorate: 5, needs: 3 });
    expect(poolB({}).targets[0]).not.toHaveProperty('gray');
  });

  test('counts voters of the target only, and of a region what the owner says', () => {
    const office = { ...cluster, regions: cluster.regions.map((r) => ({ ...r, vote: r.name !== 'e' })) };
    expect(poolB({ c: errs, d: errs, e: errs }, office)).toMatchObject({ gray: 0, nearGray: 1 });
    const peers = ['x', 'y'];
    const saying = (who: (owner: string) => string): readonly Heard[] =>
      ['a', 'b', 'c'].flatMap((region) =>
        peers.map((replica) =>
          heardFrom(cluster, region, { replica, peers, bootN: 1, ...(who(ownerOf(app, peers)) === replica ? errs : {}) }),
        ),
      );
    const grayOf = (heard: readonly Heard[]): number | undefined => tally(cluster, heard, NOW).find((t) => t.pool === 'b')?.gray;
    expect(grayOf(saying((owner) => owner))).toBe(1);
    expect(grayOf(saying((owner) => (owner === 'x' ? 'y' : 'x')))).toBe(0);
  });

  test('the votes to guard are those that say it', () => {
    const heard = allSay({ a: errs, b: errs, d: errs, e: { ...errs, ageMs: 9000 } });
    const touched = tally(cluster, heard, NOW).filter((t) => t.pool === 'b');
    expect(votesCallingGray(cluster, heard, touched)).toEqual(['vote/a/a', 'vote/b/a', 'vote/d/a']);
    expect(
      votesCallingGray(
        cluster,
        heard,
        tally(cluster, heard, NOW).filter((t) => t.pool === 'a'),
      ),
    ).toEqual([]);
  });

  test('one vote more never makes anything less gray', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(errs, {}, abstains, 'silent' as const), { minLength: 5, maxLength: 5 }),
        fc.nat(4),
        (says, at) => {
          const count = (list: typeof says): readonly number[] => {
            const { gray, nearGray } = poolB(Object.fromEntries(REGIONS.map((r, i) => [r, list[i] as Says | 'silent'])));
            return [gray, nearGray];
          };
          const [before, more] = [count(says), count(says.map((s, i) => (i === at ? errs : s)))];
          expect(more[0]).toBeGreaterThanOrEqual(before[0] ?? 0);
          expect(more[1]).toBeGreaterThanOrEqual(before[1] ?? 0);
        },
      ),
    );
  });
});

describe('stale votes are silent', () => {
  test.each([
    ['its beat is too old', { ageMs: 8001 }],
    ['nothing bounds its age', { ageMs: Number.POSITIVE_INFINITY }],
    ['it never beat', { beat: null }],
    ['its beat keeps another vote fresh', { seq: 2 }],
    ['its beat is of another boot', { boot: 'later' }],
    ['it covers another configuration', { configVersion: 2 }],
  ] as const)('%s', (_, stale) => {
    const heard = heardFrom(cluster, 'a', { ...gone, ...stale });
    expect(isFresh(heard, cluster)).toBe(false);
    const endpoint = tally(cluster, [heard], NOW, true).find((t) => t.pool === 'b')?.targets[0]?.endpoints.healthz;
    expect(endpoint).toMatchObject({ down: 0, up: 0, ballots: { a: 'silent' } });
  });

  test('at exactly the limit it still counts', () => {
    expect(isFresh(heardFrom(cluster, 'a', { ageMs: 8000 }), cluster)).toBe(true);
  });
});

describe('local targets gate and never vote', () => {
  const pools = REGIONS.map((r, i) => {
    const pool = poolOf(r, 1, i);
    const [front] = pool.targets;
    if (front === undefined) throw new Error('a pool has a target');
    return { ...pool, targets: [front, { ...front, name: 'disk', from: 'local' as const }] };
  });
  const gated = { ...cluster, services: [serviceOf(REGIONS, { pools })] };
  const disk = targetId('web', 'b', 'disk');

  test('its own region holding it down closes the gate and takes nothing away', () => {
    expect(poolB({ b: { down: [disk] } }, gated)).toMatchObject({ gate: 'closed', verdict: 'up', up: 1, total: 1, anyDownVote: false });
    expect(poolB({ b: { unready: [disk] } }, gated).gate).toBe('closed');
  });

  test('other regions have no say in it, even all of them', () => {
    expect(poolB({ a: { down: [disk] }, c: { down: [disk] }, d: { down: [disk] }, e: { down: [disk] } }, gated)).toMatchObject({
      gate: 'open',
      verdict: 'up',
    });
  });

  test('a silent or abstaining region closes no gate', () => {
    expect(poolB({ b: 'silent' }, gated).gate).toBe('open');
    expect(poolB({ b: { ...abstains, down: [disk] } }, gated).gate).toBe('open');
  });
});

describe('doubt', () => {
  const doubts: Says = { suspects: { [endpointKey(app, 'healthz')]: suspicion() } };

  test('suspect at quorum: faults in a row at a majority, long enough or not', () => {
    expect(poolB({ a: doubts, b: doubts }).suspectAtQuorum).toBe(false);
    expect(poolB({ a: doubts, b: doubts, c: doubts })).toMatchObject({ suspectAtQuorum: true, verdict: 'up' });
    expect(poolB({ a: doubts, b: doubts, c: gone }).suspectAtQuorum).toBe(true);
  });

  test('a pool is suspect when it would be out if its suspects were down', () => {
    const four = { ...cluster, services: [serviceOf(REGIONS, { pools: REGIONS.map((r, i) => poolOf(r, 1, i, 4)) })] };
    const both = (n: number): Says => ({
      suspects: Object.fromEntries(
        Array.from({ length: n }, (_, i) => [endpointKey(targetId('web', 'b', `app-${i + 1}`), 'readyz'), suspicion()]),
      ),
    });
    expect(poolB({ a: both(2), b: both(2), c: both(2) }, four).suspectAtQuorum).toBe(false);
    expect(poolB({ a: both(3), b: both(3), c: both(3) }, four).suspectAtQuorum).toBe(true);
  });

  test('an instant is an age plus the bound of the age it was told at, so that t0 errs towards earlier', () => {
    const endpoint = poolB({
      a: { ...doubts, ageMs: 700 },
      b: { suspects: { [endpointKey(app, 'healthz')]: suspicion({ firstFaultAgeMs: 9000, lastOkAgeMs: null }) }, ageMs: 100 },
    }).targets[0]?.endpoints.healthz;
    expect(endpoint).toMatchObject({ firstFaultAtMs: NOW - 9100, lastOkAtMs: NOW - 6700 });
  });

  test('an abstaining vantage raises no doubt', () => {
    expect(poolB({ a: doubts, b: doubts, c: { ...doubts, ...abstains } }).suspectAtQuorum).toBe(false);
  });
});

describe('what a decision must guard', () => {
  test('the fresh votes that said down, all replicas of such a region, and nobody else', () => {
    const heard = [
      ...allSay({ a: gone, b: { down: [app] }, c: { ...gone, ageMs: 60_000 }, d: abstains }),
      heardFrom(cluster, 'a', { ...gone, replica: 'z' }),
    ];
    const touched = tally(cluster, heard, NOW).filter((t) => t.pool === 'b');
    expect([...votesBehind(cluster, heard, touched, ['down'])].sort()).toEqual(['vote/a/a', 'vote/a/z', 'vote/b/a']);
  });
});

describe('electorates', () => {
  test('the least one of a service is over all its voting targets', () => {
    const pools = REGIONS.map((r, i) => poolOf(r, 1, i));
    const [first, ...rest] = pools;
    if (first === undefined) throw new Error('no pool');
    const narrow = { ...first, targets: first.targets.map((t) => ({ ...t, from: ['a', 'b'] })) };
    const mixed = { ...cluster, services: [serviceOf(REGIONS, { pools: [narrow, ...rest] }), serviceOf(REGIONS, { name: 'api' })] };
    expect(leastElectorate(mixed, 'web')).toBe(2);
    expect(leastElectorate(mixed, 'api')).toBe(5);
  });

  test('as many regions as may be configured are counted exactly', () => {
    const names = Array.from({ length: REGIONS_MAX }, (_, i) => `r${i}`);
    const big = clusterOf(names, [{ pools: [poolOf('r0', 1, 0)] }]);
    const target = targetId('web', 'r0', 'app');
    fc.assert(
      fc.property(fc.array(fc.constantFrom('up', 'down', 'unknown'), { minLength: REGIONS_MAX, maxLength: REGIONS_MAX }), (say) => {
        const heard = names.map((name, i) =>
          heardFrom(big, name, say[i] === 'down' ? { down: [target] } : say[i] === 'unknown' ? { unknown: [target] } : {}),
        );
        const ballots = tally(big, heard, NOW, true)[0]?.targets[0]?.endpoints.healthz?.ballots;
        expect(ballots).toEqual(Object.fromEntries(names.map((name, i) => [name, say[i]])));
      }),
    );
  });
});

// ---- the dumb twin ----

const ENDPOINTS: readonly EndpointName[] = ['healthz', 'readyz'];

/** Asks every configured voter about every endpoint, with no index and no shortcut. */
const twin = (base: ClusterConfig, heard: readonly Heard[]) => {
  const voters = base.regions.filter((r) => r.vote).map((r) => r.name);
  const ballot = (region: string, id: string, endpoint: EndpointName): Ballot => {
    const fresh = heard.filter((h) => h.region === region && isFresh(h, base));
    const speaking = fresh.filter((h) => h.vote.self.state === 'ok');
    if (speaking.length === 0) return fresh.length === 0 ? 'silent' : 'abstain';
    const list = (h: Heard): readonly string[] => (endpoint === 'healthz' ? h.vote.down : h.vote.unready);
    const looked = speaking.filter((h) => list(h).includes(id) || !h.vote.unknown.includes(id));
    return looked.length === 0 ? 'unknown' : looked.every((h) => list(h).includes(id)) ? 'down' : 'up';
  };
  return base.services.flatMap((service) =>
    service.pools.map((pool) => {
      const targets = pool.targets
        .filter((t) => t.from !== 'local')
        .map((t) => {
          const id = targetId(service.name, pool.name, t.name);
          const electorate = t.from === 'all' ? voters : voters.filter((v) => t.from.includes(v));
          const needs = Math.floor(electorate.length / 2) + 1;
          const endpoints = ENDPOINTS.filter((e) => t[e] !== undefined).map((e) => {
            const ballots = Object.fromEntries(electorate.map((v) => [v, ballot(v, id, e)]));
            const down = Object.values(ballots).filter((x) => x === 'down').length;
            const up = Object.values(ballots).filter((x) => x === 'up').length;
            const suspecting = electorate.filter(
              (v) =>
                ballots[v] === 'down' ||
                heard.some(
                  (h) =>
                    h.region === v && isFresh(h, base) && h.vote.self.state === 'ok' && h.beat?.suspects[endpointKey(id, e)] !== undefined,
                ),
            ).length;
            return {
              e,
              verdict: down >= needs ? 'down' : up >= needs ? 'up' : 'unknown',
              down,
              up,
              ballots,
              suspect: suspecting >= needs,
            } as const;
          });
          const of = (e: EndpointName) => endpoints.find((x) => x.e === e)?.verdict;
          return { verdict: targetVerdict(of('healthz'), of('readyz')), endpoints };
        });
      const up = targets.filter((t) => counts(t.verdict) === 'up').length;
      const unknown = targets.filter((t) => counts(t.verdict) === 'unknown').length;
      const said = new Set(targets.map((t) => t.verdict));
      return {
        pool: pool.name,
        verdict: poolVerdict(up, unknown, pool.minUp),
        cause: (['down', 'unready', 'unknown', 'suspect', 'up'] as const).find((v) => said.has(v)) ?? 'up',
        up,
        unknown,
        total: targets.length,
        suspectAtQuorum: targets.length - targets.filter((t) => t.endpoints.some((e) => e.suspect)).length < pool.minUp,
        anyDownVote: targets.some((t) => t.endpoints.some((e) => e.down > 0)),
        gate: pool.targets
          .filter((t) => t.from === 'local')
          .some((t) =>
            ENDPOINTS.some((e) => t[e] !== undefined && ballot(pool.region, targetId(service.name, pool.name, t.name), e) === 'down'),
          )
          ? 'closed'
          : 'open',
        ballots: targets.flatMap((t) => t.endpoints.map((e) => e.ballots)),
      };
    }),
  );
};

const froms: fc.Arbitrary<From> = fc.oneof(
  { weight: 4, arbitrary: fc.constant('all' as const) },
  { weight: 1, arbitrary: fc.constant('local' as const) },
  { weight: 2, arbitrary: fc.subarray(REGIONS, { minLength: 1 }) },
);

const clusters: fc.Arbitrary<ClusterConfig> = fc
  .record({
    regions: fc.integer({ min: 1, max: 5 }),
    votes: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
    services: fc.integer({ min: 1, max: 2 }),
    targets: fc.integer({ min: 1, max: 3 }),
    froms: fc.array(froms, { minLength: 30, maxLength: 30 }),
    lacks: fc.array(fc.constantFrom<EndpointName | null>('healthz', 'readyz', null, null), { minLength: 30, maxLength: 30 }),
    minUp: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ regions, votes, services, targets, froms, lacks, minUp }) => {
    const names = REGIONS.slice(0, regions);
    const base = clusterOf(
      names,
      Array.from({ length: services }, (_, i) => ({ name: `s${i}` })),
    );
    let n = 0;
    return {
      ...base,
      version: 7,
      regions: base.regions.map((r, i) => ({ ...r, vote: votes[i] === true || i === 0 })),
      services: base.services.map((s) => ({
        ...s,
        pools: names.map((region, i) => {
          const pool = poolOf(region, 1, i, targets);
          const made = pool.targets.map((t) => {
            const [from = 'all', lack] = [froms[n % froms.length], lacks[n++ % lacks.length]];
            const { healthz, readyz, ...bare } = t;
            return {
              ...bare,
              from,
              ...(lack === 'healthz' || !healthz ? {} : { healthz }),
              ...(lack === 'readyz' || !readyz ? {} : { readyz }),
            };
          });
          return { ...pool, targets: made, minUp: Math.min(minUp, Math.max(1, made.filter((t) => t.from !== 'local').length)) };
        }),
      })),
    };
  });

const chamberOf = (base: ClusterConfig): fc.Arbitrary<readonly Heard[]> => {
  const ids = base.services.flatMap((s) => s.pools.flatMap((p) => p.targets.map((t) => targetId(s.name, p.name, t.name))));
  const some: fc.Arbitrary<readonly string[]> = fc.subarray(ids);
  const none: fc.Arbitrary<readonly string[]> = fc.constant([]);
  const says = fc.record({
    region: fc.constantFrom(...base.regions.map((r) => r.name), 'gone'),
    replica: fc.constantFrom('a', 'b', 'c'),
    self: fc.constantFrom<Vote['self']>({ state: 'ok' }, { state: 'ok' }, { state: 'ok' }, { state: 'abstain', because: 'x' }),
    down: fc.oneof(none, some),
    unready: fc.oneof(none, some),
    unknown: fc.oneof(none, none, some),
    suspected: fc.oneof(none, some),
    ageMs: fc.constantFrom(0, 500, 8000, 8001, Number.POSITIVE_INFINITY),
    seq: fc.constantFrom(1, 1, 1, 1, 2),
    configVersion: fc.constantFrom(7, 7, 7, 7, 6),
  });
  return fc
    .uniqueArray(says, { maxLength: 12, selector: (s) => `${s.region}/${s.replica}` })
    .map((list) =>
      list.map(({ region, suspected, ...rest }) =>
        heardFrom(base, region, { ...rest, suspects: Object.fromEntries(suspected.map((t) => [endpointKey(t, 'readyz'), suspicion()])) }),
      ),
    );
};

describe('against a twin that asks everybody about everything', () => {
  const worlds = clusters.chain((base) => chamberOf(base).map((heard) => ({ base, heard })));

  test('they agree on every pool, and the tally of what is mentioned agrees with the full one', () => {
    fc.assert(
      fc.property(worlds, ({ base, heard }) => {
        const full = tally(base, heard, NOW, true);
        const expected = twin(base, heard);
        expect(
          full.map(({ pool, verdict, cause, up, unknown, total, suspectAtQuorum, anyDownVote, gate, targets }) => ({
            pool,
            verdict,
            cause,
            up,
            unknown,
            total,
            suspectAtQuorum,
            anyDownVote,
            gate,
            ballots: targets.flatMap((t) => Object.values(t.endpoints).map((e) => e.ballots)),
          })),
        ).toEqual(expected);
        const fast = tally(base, heard, NOW);
        const without = ({ targets: _, ...rest }: PoolTally): unknown => rest;
        expect(fast.map(without)).toEqual(full.map(without));
        for (const [i, t] of fast.entries())
          for (const target of t.targets) expect(full[i]?.targets.find((x) => x.target === target.target)).toEqual(target);
      }),
      { numRuns: 1500 },
    );
  });
});
