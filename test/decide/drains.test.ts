// When traffic leaves and when it waits: quorum, receiver, floor, pacing, blast radius, everybody down. One claim per test, defaults throughout.
import { describe, expect, test } from 'vitest';
import { type ClusterConfig, type PoolConfig, targetId } from '../../src/model.ts';
import { suspicion } from '../health/votes.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import { Council, seated } from './council.ts';

const FIVE = ['a', 'b', 'c', 'd', 'e'];

/** Five voters; pools as said, named after the first letters. */
const clusterWith = (weights: readonly number[], fields: Partial<ClusterConfig['services'][number]> = {}, policy = {}): ClusterConfig =>
  clusterOf(FIVE, [{ pools: weights.map((w, i) => poolOf(FIVE[i] ?? '', w, i)), ...fields }], policy);

const three = clusterWith([1, 1, 1]);

describe('first verdicts', () => {
  test('until they are in, nothing is decided for the service and nothing would be written', () => {
    const council = new Council(three);
    council.see({ unknown: ['b'] });
    expect(council.routing).toMatchObject({ v: 1, because: 'cluster test configured; waiting for first verdicts' });
    expect(council.routing?.services.web).toMatchObject({ fence: 0 });
    council.see({}, 3000);
    expect(council.routing?.services.web).toMatchObject({ fence: 2, route: { a: 334, b: 333, c: 333 } });
  });

  test('a service starts with what is up, without drains, pacing or pages', () => {
    const council = new Council(three);
    council.see({ dead: ['a', 'b'] });
    expect(council.route()).toEqual({ a: 0, b: 0, c: 1000 });
    expect(council.routing?.regionDrainsAtMs).toEqual({});
    expect(council.told()).toEqual([]);
  });

  test('with nothing up it starts as configured', () => {
    const council = new Council(three);
    council.see({ dead: ['a', 'b', 'c'] });
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
  });

  test('after 30 s the unknown count as in', () => {
    const council = new Council(three);
    council.watch({ unknown: ['b'] }, 29_500);
    expect(council.routing?.services.web?.fence).toBe(0);
    council.watch({ unknown: ['b'] }, 1500);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
    expect(council.routing?.services.web?.fence).toBeGreaterThan(0);
  });
});

describe('a drain', () => {
  test('at a quorum traffic leaves at once, with the sentence that says why and what would have changed it', () => {
    const council = seated(three);
    council.see({ dead: ['b'], by: ['a', 'b'] });
    expect(council.route().b).toBe(333);
    council.see({ dead: ['b'], by: ['a', 'b', 'c'] }, 500);
    expect(council.route()).toEqual({ a: 500, b: 0, c: 500 });
    expect(council.routing?.because).toBe('b down: 3 of 5 vantages (needs 3); traffic leaves');
    expect(council.audits.at(-1)?.wouldChange).toBe('with 1 DOWN vote fewer (3 cast, needs 3 of 5) b would have kept its traffic');
    expect(council.told()).toEqual(['region.drained']);
  });

  test('/readyz alone drains too, and wakes nobody at once', () => {
    const council = seated(three);
    council.see({ unready: ['b'] });
    expect(council.route().b).toBe(0);
    expect(council.pages).toMatchObject([{ type: 'region.drained', severity: 'info' }]);
  });

  test('/healthz alone moves nothing, and is told once', () => {
    const council = seated(three);
    council.watch({ suspect: ['b'] }, 5000);
    expect(council.route().b).toBe(333);
    expect(council.told()).toEqual(['region.suspect']);
  });

  test('a drain rests on the down votes, and on nothing else', () => {
    const council = seated(three);
    const { uses } = council.see({ dead: ['b'], by: ['a', 'b', 'c'] });
    expect([...uses].sort()).toEqual(['vote/a/a', 'vote/b/a', 'vote/c/a']);
  });

  test('so does that of a standby, whose share stays nothing (simulator, seed 111)', () => {
    const names = ['a', 'b', 'c'];
    const council = seated(clusterOf(names, [{ pools: names.map((name, i) => poolOf(name, i === 0 ? 100 : 0, i)) }]));
    const { uses, next } = council.see({ dead: ['b'], by: ['a', 'c'] });
    expect(next?.routing.services.web?.pools.b).toMatchObject({ state: 'out', by: 'health' });
    expect([...uses].sort()).toEqual(['vote/a/a', 'vote/c/a']);
  });

  test('the first fault and the last good look become the incident, in cluster time', () => {
    const council = seated(three);
    const app = targetId('web', 'b', 'app');
    const suspects = { [`${app}#healthz`]: suspicion({ firstFaultAgeMs: 6000, lastOkAgeMs: 9000 }) };
    const says = { down: [app], unready: [app], suspects };
    council.see({ says: { a: says, b: says, c: says } });
    const at = council.nowMs - 500;
    expect([...council.incidents.values()]).toMatchObject([
      {
        kind: 'region-down',
        region: 'b',
        t0AtMs: at - 6000,
        t0LastAtMs: at - 9000,
        t1AtMs: at - 5000,
        t2AtMs: council.nowMs,
        t3AtMs: council.nowMs,
      },
    ]);
    expect(council.routing?.because).toBe('b down: 3 of 5 vantages (needs 3), first fault 6.5 s ago; traffic leaves');
  });

  test('fifty services of one region move in one decision, with one incident and one page', () => {
    const names = Array.from({ length: 50 }, (_, i) => `svc-${i}`);
    const council = seated(
      clusterOf(
        FIVE,
        names.map((name) => ({ name })),
      ),
    );
    const before = council.audits.length;
    council.see({ dead: ['b'] });
    expect(names.every((n) => council.route(n).b === 0)).toBe(true);
    expect(council.audits.length - before).toBe(1);
    expect(council.audits.at(-1)?.changes).toHaveLength(50);
    expect(council.told()).toEqual(['region.drained']);
    expect([...council.incidents.values()].map((i) => i.services.length)).toEqual([50]);
  });

  test('unready that turns down makes the incident worse and moves nothing more', () => {
    const council = seated(three);
    council.see({ unready: ['b'] });
    const fence = council.routing?.services.web?.fence;
    council.see({ dead: ['b'] }, 1000);
    expect([...council.incidents.values()]).toMatchObject([{ kind: 'region-down' }]);
    expect(council.routing?.services.web?.fence).toBe(fence);
    expect(council.told()).toEqual(['region.drained', 'region.down']);
  });

  test('nobody is woken by the upgrade of a service that is only observed', () => {
    const council = seated(clusterWith([1, 1, 1], { mode: 'observe' }));
    council.see({ unready: ['b'] });
    council.see({ dead: ['b'] }, 1000);
    expect([...council.incidents.values()]).toMatchObject([{ kind: 'region-down' }]);
    expect(council.told()).toEqual([]);
  });

  test('unready for ten minutes is told, once', () => {
    const council = seated(three);
    council.watch({ unready: ['b'] }, 15 * 60_000);
    expect(council.told()).toEqual(['region.drained', 'region.unready_long']);
  });
});

describe('the receiver', () => {
  test('everybody who could receive in doubt: one confirmation span, then the drain', () => {
    const council = seated(three);
    const scene = { dead: ['b'], doubted: ['a', 'c'] };
    council.watch(scene, 5000);
    expect(council.hold('b')).toBe('confirming');
    expect(council.route().b).toBe(333);
    council.see(scene, 500);
    expect(council.route().b).toBe(0);
    expect(council.told()).toEqual(['region.drained']);
  });

  test('a receiver beyond doubt ends the wait', () => {
    const council = seated(three);
    council.watch({ dead: ['b'], doubted: ['a', 'c'] }, 1000);
    council.see({ dead: ['b'], doubted: ['a'] }, 500);
    expect(council.route().b).toBe(0);
  });

  test('doubt of a minority is none', () => {
    const council = seated(three);
    const app = (pool: string) => targetId('web', pool, 'app');
    const doubts = { suspects: Object.fromEntries(['a', 'c'].map((p) => [`${app(p)}#healthz`, suspicion()])) };
    const gone = { down: [app('b')], unready: [app('b')] };
    council.see({ says: { a: { ...gone, ...doubts }, b: { ...gone, ...doubts }, c: gone, d: gone, e: gone } });
    expect(council.route().b).toBe(0);
  });

  test('nobody known to be up: after the span the drain is held for want of a receiver', () => {
    const council = seated(three);
    council.watch({ dead: ['b'], unknown: ['a', 'c'] }, 6000);
    expect(council.hold('b')).toBe('receiver');
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
    expect(council.told()).toEqual(['service.hold_receiver']);
  });
});

describe('everybody down', () => {
  test('the last route stays, named, and a human is woken', () => {
    const council = seated(three);
    council.watch({ dead: ['a', 'b', 'c'] }, 120_000);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
    expect(['a', 'b', 'c'].map((p) => council.hold(p))).toEqual(['all-down', 'all-down', 'all-down']);
    expect(council.told()).toEqual(['service.hold_all_down']);
  });

  test('a single pool has nowhere to go', () => {
    const council = seated(clusterWith([1]));
    council.see({ dead: ['a'] });
    expect(council.route()).toEqual({ a: 1000 });
    expect(council.hold('a')).toBe('all-down');
  });

  test('when the first is up again the others get one more look before they are drained', () => {
    const council = seated(three);
    council.watch({ dead: ['a', 'b', 'c'] }, 60_000);
    council.see({ dead: ['a', 'b'] }, 500);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
    expect(council.hold('a')).toBe('settling');
    council.watch({ dead: ['a'] }, 5000);
    expect(council.route().a).toBe(334);
    council.watch({}, 1000);
    expect(council.hold('a')).toBeNull();
    expect(council.audits.flatMap((x) => x.changes)).toHaveLength(1);
  });

  test('those that stay down are drained an interval and a confirmation span later', () => {
    const council = seated(three);
    council.watch({ dead: ['a', 'b', 'c'] }, 60_000);
    const atMs = council.nowMs;
    council.watch({ dead: ['a', 'b'] }, 9500);
    expect(council.route().c).toBe(333);
    council.watch({ dead: ['a', 'b'] }, 1500);
    expect(council.route().c).toBeGreaterThan(333);
    expect((council.routing?.regionDrainsAtMs.a ?? 0) - atMs).toBeGreaterThanOrEqual(10_000);
  });

  const open = clusterWith([1, 1, 1], { allDown: 'configured' });

  test('fail open: after a pacing span without any pool up the configured route is served, and told', () => {
    const council = seated(open);
    council.see({ dead: ['a'] });
    council.watch({ dead: ['a', 'b', 'c'] }, 60_000);
    expect(council.route()).toEqual({ a: 0, b: 500, c: 500 });
    council.see({ dead: ['a', 'b', 'c'] }, 1000);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
    expect(council.routing?.because).toBe('no pool of web has been up for 60 s: the configured route is served');
    expect(council.told()).toEqual(['region.drained', 'service.hold_all_down', 'service.failed_open']);
  });

  test('it ends when a quorum says one is up, not when the vantages fall silent', () => {
    const council = seated(open);
    council.see({ dead: ['a'] });
    council.watch({ dead: ['a', 'b', 'c'] }, 62_000);
    council.watch({ dead: ['a', 'b', 'c'], silent: ['a', 'b', 'c'] }, 60_000);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
    council.see({ dead: ['a', 'c'] }, 500);
    expect(council.route()).toEqual({ a: 0, b: 500, c: 500 });
  });

  test('a pool that a human drained stays out of it', () => {
    const council = seated(open);
    council.order('works', 'drain', { pool: 'c' });
    council.see({}, 500);
    council.watch({ dead: ['a', 'b', 'c'] }, 62_000);
    expect(council.route()).toEqual({ a: 500, b: 500, c: 0 });
  });

  test('a service that holds never fails open, nor does one whose configuration no longer says so', () => {
    const council = seated(open);
    council.see({ dead: ['a'] });
    council.watch({ dead: ['a', 'b', 'c'] }, 62_000);
    council.cluster = { ...three, version: 2 };
    council.see({ dead: ['a', 'b', 'c'] }, 500);
    expect(council.route()).toEqual({ a: 0, b: 500, c: 500 });
    council.watch({ dead: ['a', 'b', 'c'] }, 120_000);
    expect(council.route()).toEqual({ a: 0, b: 500, c: 500 });
  });
});

/** Drains the named pools one after the other, with time to recover none of them. */
const drained = (council: Council, pools: readonly string[]): void => {
  pools.forEach((_, i) => {
    council.watch({ dead: pools.slice(0, i + 1) }, 61_000);
  });
  council.told();
};

describe('the floor', () => {
  test.each([
    [[1, 1], ['a'], { a: 0, b: 1000 }],
    [[1, 1, 1], ['a', 'b'], { a: 0, b: 0, c: 1000 }],
    [[1, 1, 1, 1], ['a', 'b', 'c'], { a: 0, b: 0, c: 500, d: 500 }],
    [[1, 1, 1, 1, 1], ['a', 'b', 'c', 'd'], { a: 0, b: 0, c: 0, d: 500, e: 500 }],
  ] as const)('of %j, with %j dead, at most half rounded up are drained', (weights, dead, route) => {
    const council = seated(clusterWith(weights));
    drained(council, dead);
    expect(council.route()).toEqual(route);
  });

  test('what is held for it is named and a human is woken', () => {
    const council = seated(clusterWith([1, 1, 1, 1]));
    drained(council, ['a', 'b']);
    council.see({ dead: ['a', 'b', 'c'] }, 1000);
    expect(council.hold('c')).toBe('floor');
    expect(council.told()).toEqual(['service.hold_floor']);
  });

  test('what only others would bring to it waits for its turn as they do, and is not told another reason at the next look', () => {
    const council = seated(clusterWith([1, 1, 1, 1, 1, 1]));
    drained(council, ['a']);
    council.told();
    council.see({ dead: ['a', 'b', 'c', 'd'] }, 1000);
    expect(['b', 'c', 'd'].map((pool) => council.hold(pool))).toEqual([null, 'pacing', 'pacing']);
    expect(council.told()).toEqual(['region.drained']);
  });

  test('it counts pools, not traffic: 100/0 fails over', () => {
    const council = seated(clusterWith([100, 0]));
    council.see({ dead: ['a'] });
    expect(council.route()).toEqual({ a: 0, b: 1000 });
  });

  test('it yields where it would keep all traffic on the dead while somebody is up', () => {
    const council = seated(clusterWith([1, 1, 1, 1], { steering: { kind: 'priority' } }));
    drained(council, ['a', 'b', 'c']);
    expect(council.route()).toEqual({ a: 0, b: 0, c: 0, d: 1000 });
  });

  test('one of the drained that is up again makes room, and comes back at once', () => {
    const council = seated(clusterWith([1, 1, 1, 1]));
    drained(council, ['a', 'b']);
    council.see({ dead: ['b', 'c'] }, 61_000);
    expect(council.route()).toMatchObject({ b: 0, c: 0 });
    expect(council.memory('a')).toMatchObject({ state: 'in', by: null });
  });

  test('drains by humans take no room', () => {
    const council = seated(clusterWith([1, 1, 1, 1]));
    council.order('works', 'drain', { pool: 'd' });
    drained(council, ['a', 'b']);
    expect(council.route()).toEqual({ a: 0, b: 0, c: 1000, d: 0 });
  });
});

describe('pacing', () => {
  test('one new region per span; the second waits and says so, quietly', () => {
    const council = seated(clusterWith([1, 1, 1, 1]));
    council.see({ dead: ['a', 'b'] });
    expect(council.route()).toEqual({ a: 0, b: 334, c: 333, d: 333 });
    expect(council.hold('b')).toBe('pacing');
    council.watch({ dead: ['a', 'b'] }, 59_500);
    expect(council.route().b).toBe(334);
    council.watch({ dead: ['a', 'b'] }, 1000);
    expect(council.route().b).toBe(0);
    expect(council.told()).toEqual(['region.drained', 'region.drained']);
  });

  test('the region with most traffic at risk goes first, over all services', () => {
    const pools = (a: number, b: number): PoolConfig[] => [poolOf('a', a, 0), poolOf('b', b, 1), poolOf('c', 1, 2)];
    const council = seated(
      clusterOf(FIVE, [{ pools: pools(1, 5) }, { name: 'api', pools: pools(1, 5) }, { name: 'www', pools: pools(5, 1) }]),
    );
    council.see({ dead: ['a', 'b'] });
    expect(council.memory('b').state).toBe('out');
    expect(council.memory('a').hold).toBe('pacing');
  });

  test('more of a region that is drained already waits for nothing', () => {
    const council = seated(clusterOf(FIVE, [{}, { name: 'api' }]));
    const gone = (service: string) => ({ down: [targetId(service, 'b', 'app')], unready: [targetId(service, 'b', 'app')] });
    const by = (says: { down: string[]; unready: string[] }) => ({ says: Object.fromEntries(['a', 'b', 'c'].map((r) => [r, says])) });
    council.see(by(gone('web')));
    expect(council.route('api').b).toBe(200);
    const both = { down: [...gone('web').down, ...gone('api').down], unready: [...gone('web').unready, ...gone('api').unready] };
    council.see(by(both), 10_000);
    expect(council.route('api').b).toBe(0);
  });

  test('a service that starts without a region opens it for nobody: the others wait their turn', () => {
    const web = clusterWith([1, 1, 1, 1]).services;
    const council = seated(clusterOf(FIVE, [...web, { name: 'api', pools: [poolOf('b', 1, 1), poolOf('e', 1, 4)] }]));
    const base = council.cluster;
    council.cluster = { ...base, version: 2, services: web };
    council.see({ dead: ['a'] }, 1000);
    council.cluster = { ...base, version: 3 };
    council.see({ dead: ['a', 'b'] }, 1000);
    expect(council.memory('b', 'api').state).toBe('out');
    expect(council.memory('b')).toMatchObject({ state: 'in', hold: 'pacing' });
    council.watch({ dead: ['a', 'b'] }, 10_000);
    expect(council.memory('b')).toMatchObject({ state: 'in', hold: 'pacing' });
  });

  test('and for no blast radius, however late: it is no new region', () => {
    const council = seated(clusterOf(FIVE, [{}, { name: 'api' }]));
    const target = (service: string, pool: string) => targetId(service, pool, 'app');
    const says = (...ids: string[]) => ({ says: Object.fromEntries(['a', 'b', 'c'].map((r) => [r, { down: ids, unready: ids }])) });
    const first = [target('web', 'b')];
    council.watch(says(...first), 120_000);
    const second = [...first, target('web', 'd'), target('api', 'd')];
    council.see(says(...second), 500);
    expect(council.route('api').d).toBe(0);
    council.see(says(...second, target('api', 'b')), 500);
    expect(council.route('api').b).toBe(0);
  });

  test('services that only advise keep their own pace and take nobody’s turn', () => {
    const pools = [poolOf('a', 9, 0), poolOf('b', 1, 1), poolOf('c', 1, 2), poolOf('d', 1, 3)];
    const council = seated(clusterOf(FIVE, [{ name: 'tried', mode: 'advise', pools }, { pools: [poolOf('b', 1, 1), poolOf('c', 1, 2)] }]));
    council.see({ dead: ['a', 'b'] });
    expect(council.memory('a', 'tried').state).toBe('out');
    expect(council.memory('b', 'tried').hold).toBe('pacing');
    expect(council.memory('b').state).toBe('out');
    expect(Object.keys(council.routing?.regionDrainsAtMs ?? {})).toEqual(['b']);
    council.watch({ dead: ['a', 'b'] }, 61_000);
    expect(council.memory('b', 'tried').state).toBe('out');
  });

  test('a region that comes back early and goes again counts anew', () => {
    const council = seated(clusterWith([1, 1]));
    council.see({ dead: ['a'] });
    council.see({ dead: ['b'] }, 30_000);
    expect(council.route()).toEqual({ a: 500, b: 500 });
    council.see({ dead: ['a'] }, 10_000);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
    expect(council.routing?.regionDrainsAtMs.a).toBe(council.nowMs);
  });
});

describe('blast radius', () => {
  test('a wider window than the pacing holds by the rule’s own name, sentence and page', () => {
    const safety = { 'last-pool': {}, 'blast-radius': { regions: 1, windowMs: 300_000 } };
    const council = seated(clusterWith([1, 1, 1, 1], {}, { safety }));
    council.see({ dead: ['a'] });
    council.watch({ dead: ['a', 'b'] }, 61_000);
    expect(council.hold('b')).toBe('rule:blast-radius');
    expect(council.routing?.because).toContain('2 regions drained within 300 s (limit 1): a, b; again in');
    expect(council.told()).toEqual(['region.drained', 'service.hold_rule_blast_radius']);
    council.watch({ dead: ['a', 'b'] }, 240_000);
    expect(council.memory('b').state).toBe('out');
  });

  test('a rule that is not configured is not asked', () => {
    const council = seated(clusterWith([1, 1, 1, 1], {}, { safety: {}, pacingMs: 1000 }));
    council.watch({ dead: ['a', 'b'] }, 3000);
    expect(council.route()).toEqual({ a: 0, b: 0, c: 500, d: 500 });
  });
});

describe('too few voters', () => {
  test('with two the service advises: it tells what it would do, and nothing is stamped', () => {
    const base = clusterOf(['a', 'b'], [{}]);
    const council = seated(base);
    council.see({ dead: ['b'] });
    expect(council.routing?.services.web).toMatchObject({ mode: 'advise', route: { a: 1000, b: 0 } });
    expect(council.pages).toMatchObject([{ type: 'advice.drained' }]);
    expect(council.pages[0]?.summary).toMatch(/^advice, nothing was written: b down: 2 of 2/);
    expect(council.routing?.regionDrainsAtMs).toEqual({});
  });

  test('a third voter makes it act, and says so', () => {
    const council = seated(clusterOf(['a', 'b'], [{}]));
    council.cluster = { ...clusterOf(['a', 'b', 'c'], [{ pools: [poolOf('a', 1, 0), poolOf('b', 1, 1)] }]), version: 2 };
    council.see({}, 500);
    expect(council.routing).toMatchObject({ because: 'web now in auto', services: { web: { mode: 'auto' } } });
  });

  test('one target with a small electorate is enough to make its whole service advise', () => {
    const [first] = three.services;
    if (first === undefined) throw new Error('no service');
    const narrow = first.pools.map((p, i) => (i === 0 ? { ...p, targets: p.targets.map((t) => ({ ...t, from: ['a', 'b'] })) } : p));
    const council = seated({ ...three, services: [serviceOf(FIVE, { pools: narrow })] });
    expect(council.routing?.services.web?.mode).toBe('advise');
  });
});
