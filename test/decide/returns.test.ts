// How traffic comes back, and what humans may order: hold, ramp, doubling, latch, scale, reserve; drains, freezes and stops; modes; pools that come and go.
import { describe, expect, test } from 'vitest';
import { type ClusterConfig, type OverrideScope, type PoolConfig, targetId } from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import { type Council, type Scene, seated } from './council.ts';

const FIVE = ['a', 'b', 'c', 'd', 'e'];
const MIN = 60_000;

const clusterWith = (weights: readonly number[], fields: Partial<ClusterConfig['services'][number]> = {}, policy = {}): ClusterConfig =>
  clusterOf(FIVE, [{ pools: weights.map((w, i) => poolOf(FIVE[i] ?? '', w, i)), ...fields }], policy);

const three = clusterWith([1, 1, 1]);
const DEAD_B: Scene = { dead: ['b'] };

/** A council in which b has just been drained. */
const without = (cluster: ClusterConfig = three): Council => {
  const council = seated(cluster);
  council.see(DEAD_B);
  council.told();
  return council;
};

/** Ms until b's state is as said, seeing `scene`. */
const until = (council: Council, state: 'in' | 'out' | 'returning', scene: Scene = {}, limitMs = 60 * MIN): number => {
  const startMs = council.nowMs;
  while (council.memory('b').state !== state) {
    council.see(scene, 500);
    if (council.nowMs - startMs > limitMs) throw new Error(`b is not ${state} within ${limitMs} ms`);
  }
  return council.nowMs - startMs;
};

describe('the return', () => {
  test('up for the hold, then a tenth, half, all of it, a step apart', () => {
    const council = without();
    const shares: [number, number][] = [];
    const startMs = council.nowMs;
    for (let i = 0; i < 500; i++) {
      council.see({}, 500);
      const share = council.route().b ?? 0;
      if (shares.at(-1)?.[1] !== share) shares.push([council.nowMs - startMs - 500, share]);
    }
    expect(shares).toEqual([
      [0, 0],
      [MIN, 34],
      [2 * MIN, 166],
      [3 * MIN, 333],
    ]);
    expect(council.told()).toEqual(['incident.resolved']);
  });

  test('one DOWN vote in the hold starts it again', () => {
    const council = without();
    council.watch({}, 50_000);
    council.see({ ...DEAD_B, by: ['e'] }, 500);
    expect(until(council, 'returning')).toBe(MIN + 500);
  });

  test('silence in the hold starts it again too: less than a quorum says nothing', () => {
    const council = without();
    council.watch({}, 50_000);
    council.see({ silent: ['a', 'b', 'c'] }, 500);
    expect(until(council, 'returning')).toBe(MIN + 500);
  });

  test('one DOWN vote on the ramp goes back to the first stage', () => {
    const council = without();
    council.watch({}, 2 * MIN + 1000);
    expect(council.route().b).toBe(166);
    council.see({ ...DEAD_B, by: ['e'] }, 500);
    expect(council.route().b).toBe(34);
    council.watch({}, 59_500);
    expect(council.route().b).toBe(34);
    council.watch({}, 1000);
    expect(council.route().b).toBe(166);
  });

  test('a DOWN vote when hardly anybody speaks moves nothing, up or down', () => {
    const council = without();
    council.watch({}, 2 * MIN + 1000);
    council.watch({ ...DEAD_B, by: ['e'], silent: ['a', 'b', 'c'] }, 5 * MIN);
    expect(council.route().b).toBe(166);
  });

  test('a pool that dies on the ramp is drained, after its turn', () => {
    const council = without();
    council.watch({}, 2 * MIN + 1000);
    council.see(DEAD_B, 500);
    expect(council.memory('b')).toMatchObject({ state: 'out', by: 'health' });
    expect(council.memory('b').drainsAtMs).toHaveLength(2);
  });

  test('a closed gate keeps traffic away, and an open one lets it back', () => {
    const pools = three.services[0]?.pools.map((p): PoolConfig => {
      const [app] = p.targets;
      return app === undefined ? p : { ...p, targets: [app, { ...app, name: 'disk', from: 'local' }] };
    });
    const council = without({ ...three, services: [serviceOf(FIVE, { pools: pools ?? [] })] });
    const gate: Scene = { says: { b: { down: [targetId('web', 'b', 'disk')] } } };
    council.watch(gate, 10 * MIN);
    expect(council.memory('b').state).toBe('out');
    expect(until(council, 'returning')).toBe(MIN + 500);
  });

  test('it rests on everybody’s vote, since none may be DOWN', () => {
    const council = without();
    council.watch({}, MIN);
    const { uses } = council.see({}, 500);
    expect(council.memory('b').state).toBe('returning');
    expect([...uses].sort()).toEqual(FIVE.map((r) => `vote/${r}/a`));
  });

  test('a takeover in mid-ramp forgets nothing', () => {
    const council = without();
    council.watch({}, 2 * MIN + 1000);
    council.epoch = 2;
    council.watch({}, 58_000);
    expect(council.route().b).toBe(166);
    council.watch({}, 2000);
    expect(council.route().b).toBe(333);
    expect(council.routing?.epoch).toBe(2);
  });
});

describe('again and again', () => {
  test('the hold doubles with each drain, the fourth latches, and only a human lets go', () => {
    const council = seated(three);
    const holds: number[] = [];
    for (let n = 0; n < 3; n++) {
      until(council, 'out', DEAD_B);
      holds.push(until(council, 'returning'));
      until(council, 'in');
    }
    expect(holds).toEqual([MIN + 500, 2 * MIN + 500, 4 * MIN + 500]);
    council.told();
    until(council, 'out', DEAD_B);
    expect(council.routing?.because).toContain('latched out after 4 drains until a human acts');
    council.watch({}, 3 * 60 * MIN);
    expect(council.memory('b')).toMatchObject({ state: 'out', latched: true, hold: 'latched' });
    expect(council.told()).toEqual(['region.drained', 'service.hold_latched']);
    council.order('fixed', 'drain', { pool: 'b' });
    council.see({}, 500);
    council.revoke('fixed');
    council.see({}, 500);
    expect(council.memory('b')).toMatchObject({ state: 'returning', latched: false, drainsAtMs: [] });
  });

  test('no hold is longer than half an hour, however often it doubles', () => {
    const council = seated(clusterWith([1, 1, 1], {}, { latchAfter: 0 }));
    let hold = 0;
    for (let n = 0; n < 7; n++) {
      until(council, 'out', DEAD_B);
      hold = until(council, 'returning');
      until(council, 'in');
    }
    expect(hold).toBe(30 * MIN + 500);
  });

  test('a configured hold above that is kept', () => {
    const council = seated(clusterWith([1, 1, 1], {}, { recoveryHoldMs: 45 * MIN }));
    until(council, 'out', DEAD_B);
    expect(until(council, 'returning')).toBe(45 * MIN + 500);
  });

  test('drains from before the window count no more', () => {
    const council = seated(clusterWith([1, 1, 1], {}, { flapWindowMs: 10 * MIN }));
    until(council, 'out', DEAD_B);
    until(council, 'in');
    council.watch({}, 10 * MIN);
    until(council, 'out', DEAD_B);
    expect(council.memory('b').drainsAtMs).toHaveLength(1);
    expect(until(council, 'returning')).toBe(MIN + 500);
  });
});

describe('the healthy part', () => {
  const four = (): Council => seated(clusterOf(FIVE, [{ pools: ['a', 'b'].map((r, i): PoolConfig => poolOf(r, 1, i, 4)) }]));

  test('a pool with half of its targets up carries half of its share, at once', () => {
    const council = four();
    council.see({ dead: ['b'], targets: 2 });
    expect(council.route()).toEqual({ a: 750, b: 250 });
    expect(council.told()).toEqual([]);
  });

  test('more up again raises it after the hold only, so that flapping targets move no route', () => {
    const council = four();
    council.see({ dead: ['b'], targets: 2 });
    const before = council.audits.flatMap((x) => x.changes).length;
    for (let s = 0; s < 600; s++) council.see(s % 2 === 0 ? {} : { dead: ['b'], targets: 2 }, 1000);
    expect(council.audits.flatMap((x) => x.changes).length).toBe(before);
    council.watch({}, MIN + 500);
    expect(council.route()).toEqual({ a: 500, b: 500 });
  });

  test('targets nobody can tell of take nothing away and give nothing back', () => {
    const council = four();
    council.see({ unknown: ['b'], targets: 2 });
    expect(council.route()).toEqual({ a: 500, b: 500 });
    council.see({ dead: ['b'], targets: 2 }, 500);
    council.watch({ unknown: ['b'], targets: 2 }, 5 * MIN);
    expect(council.route()).toEqual({ a: 750, b: 250 });
  });

  test('below minUp it is drained', () => {
    const council = four();
    council.see({ dead: ['b'], targets: 3 });
    expect(council.route()).toEqual({ a: 1000, b: 0 });
  });

  test('raising it again guards every vote, like a return', () => {
    const council = four();
    council.see({ dead: ['b'], targets: 2 });
    council.watch({}, MIN);
    const { uses } = council.see({}, 500);
    expect(council.route().b).toBe(500);
    expect(uses).toHaveLength(5);
  });
});

describe('the reserve', () => {
  const two = clusterWith([1, 1]);

  test('a pool in its hold is called back at full share when the other one dies', () => {
    const council = without(two);
    council.watch({}, 10_000);
    council.see({ dead: ['a'] }, 500);
    expect(council.memory('b')).toMatchObject({ state: 'in', by: null });
    expect(council.told()).toEqual(['region.returned', 'incident.resolved']);
    expect(council.routing?.because).toContain('b is up and takes traffic at once: nobody else can');
    council.watch({ dead: ['a'] }, MIN);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
  });

  test('even a latched one', () => {
    const council = seated(two);
    for (let n = 0; n < 4; n++) {
      until(council, 'out', DEAD_B);
      if (n < 3) until(council, 'in');
    }
    expect(council.memory('b').latched).toBe(true);
    council.watch({}, 2 * MIN);
    council.see({ dead: ['a'] }, 500);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
  });

  test('and one drained by a human last of all: its order is set aside, told, and stays so until it ends', () => {
    const council = seated(two);
    council.order('works', 'drain', { pool: 'b' });
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 1000, b: 0 });
    council.told();
    council.see({ dead: ['a'] }, 500);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
    expect([...council.told()].sort()).toEqual(['override.set_aside', 'region.drained']);
    council.watch({}, 10 * MIN);
    expect(council.memory('b').state).toBe('in');
    council.revoke('works');
    council.see({}, 500);
    expect(council.memory('b').told).toEqual([]);
    expect(council.told()).toEqual(['incident.resolved']);
  });

  test('before a human’s drain is set aside, automation’s own reserves are used', () => {
    const council = seated(three);
    council.order('works', 'drain', { pool: 'c' });
    council.see(DEAD_B, 500);
    council.watch({}, 10_000);
    council.see({ dead: ['a'] }, 500);
    expect(council.memory('b').state).toBe('in');
    expect(council.memory('c')).toMatchObject({ state: 'out', by: 'override' });
  });
});

describe('orders of humans', () => {
  test('a drain is obeyed by the next decision, told, and returns up the ramp when it ends', () => {
    const council = seated(three);
    council.order('works', 'drain', { region: 'b' });
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 500, b: 0, c: 500 });
    expect(council.routing?.because).toBe('b drained by alice: works');
    council.revoke('works');
    council.see({}, 500);
    expect(council.route().b).toBe(34);
    expect(council.told()).toEqual(['override.obeyed', 'override.ended']);
  });

  test('its expiry is a decision of its own time that writes the document without it', () => {
    const council = seated(three);
    council.order('works', 'drain', { pool: 'b' }, 10_000);
    council.order('later', 'freeze', { service: 'api' }, 3_600_000);
    council.watch({}, 9500);
    expect(council.overrides?.items).toHaveLength(2);
    const { next } = council.see({}, 500);
    expect(next?.overrides?.items.map((o) => o.id)).toEqual(['later']);
    expect(next?.overrides?.version).toBe(3);
    expect(council.memory('b').state).toBe('returning');
    expect(council.told()).toEqual(['override.obeyed', 'override.ended', 'override.expired']);
  });

  test('when it ends while the pool is not sound, traffic waits for the recovery', () => {
    const council = seated(three);
    council.order('works', 'drain', { pool: 'b' });
    council.see({}, 500);
    council.revoke('works');
    council.see({ ...DEAD_B, by: ['e'] }, 500);
    expect(council.memory('b')).toMatchObject({ state: 'out', by: 'health' });
    expect(until(council, 'returning')).toBe(MIN + 500);
  });

  test.each<[OverrideScope, string[], string]>([
    [{}, ['a', 'b'], 'everything but the last'],
    [{ service: 'web' }, ['a', 'b'], 'a service'],
    [{ pool: 'b' }, ['b'], 'a pool'],
    [{ region: 'c' }, ['c'], 'a region'],
    [{ region: 'c', pool: 'b' }, [], 'both must fit'],
    [{ service: 'api', pool: 'b' }, [], 'another service'],
  ])('scope %j drains %j: %s', (scope, out) => {
    const council = seated(three);
    council.order('works', 'drain', scope);
    council.see({}, 500);
    expect(['a', 'b', 'c'].filter((p) => council.memory(p).state === 'out')).toEqual(out);
  });

  test('the last pool that can serve stays, and the refusal is told once', () => {
    const council = seated(three);
    council.order('all', 'drain', {});
    council.watch({}, 10 * MIN);
    expect(council.route()).toEqual({ a: 0, b: 0, c: 1000 });
    expect(council.pages.filter((p) => p.type === 'override.refused')).toHaveLength(1);
    expect(council.routing?.because).toContain('c: the drain by alice is not obeyed (all), because no other pool of web can serve');
  });

  test('a pool nobody can tell of and that carries nothing is no reason to drain the last that does', () => {
    const council = without(clusterWith([1, 1]));
    council.order('works', 'drain', { pool: 'a' });
    council.watch({ unknown: ['a', 'b'] }, 5 * MIN);
    expect(council.route()).toEqual({ a: 1000, b: 0 });
    expect(council.told()).toEqual(['override.refused']);
    expect(council.audits.length).toBeLessThan(10);
  });

  test('an order that was refused is obeyed as soon as somebody can serve', () => {
    const council = seated(clusterWith([1, 1]));
    council.see(DEAD_B, 500);
    council.order('works', 'drain', { pool: 'a' });
    council.watch(DEAD_B, 5000);
    expect(council.route().a).toBe(1000);
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
  });

  test('one order may end and let another be obeyed in the same decision', () => {
    const council = seated(clusterWith([1, 1]));
    council.order('b', 'drain', { pool: 'b' });
    council.see({}, 500);
    council.revoke('b');
    council.order('a', 'drain', { pool: 'a' });
    council.see({}, 500);
    expect(council.memory('a').by).toBe('override');
    expect(council.route()).toEqual({ a: 0, b: 1000 });
  });

  test('a freeze holds the route whatever dies, and lets go when it ends', () => {
    const council = seated(three);
    council.order('hold', 'freeze', { service: 'web' });
    council.watch(DEAD_B, 5 * MIN);
    expect(council.route().b).toBe(333);
    expect(council.told()).toEqual(['service.hold_freeze']);
    council.revoke('hold');
    council.see(DEAD_B, 500);
    expect(council.route().b).toBe(0);
  });

  test('a freeze of one of its pools holds the whole service, and no other', () => {
    const council = seated(clusterOf(FIVE, [{}, { name: 'api' }]));
    council.order('hold', 'freeze', { service: 'web', pool: 'a' });
    council.see(DEAD_B);
    expect(council.route('web').b).toBe(200);
    expect(council.route('api').b).toBe(0);
  });

  test('a freeze holds the ramp where it is, against returns and against doubts', () => {
    const council = without();
    council.watch({}, 2 * MIN + 1000);
    council.order('hold', 'freeze', {});
    council.watch({}, 5 * MIN);
    expect(council.route().b).toBe(166);
    council.watch({ ...DEAD_B, by: ['e'] }, 5 * MIN);
    expect(council.route().b).toBe(166);
  });

  test('a frozen service with a pool on the ramp asks for no decision after decision', () => {
    const council = without();
    council.watch({}, MIN + 1000);
    council.order('hold', 'freeze', {});
    council.watch({}, 2 * MIN);
    const before = council.audits.length;
    council.watch({}, 10 * MIN);
    expect(council.audits.length).toBe(before);
  });

  test('a drain that runs out under a freeze ends with the freeze', () => {
    const council = seated(three);
    council.order('works', 'drain', { pool: 'b' }, 5000);
    council.see({}, 500);
    council.order('hold', 'freeze', { service: 'web' });
    council.watch({}, MIN);
    expect(council.route()).toEqual({ a: 500, b: 0, c: 500 });
    expect(council.hold('b')).toBe('freeze');
    council.revoke('hold');
    council.see({}, 500);
    expect(council.memory('b').state).toBe('returning');
  });

  test('a drain is obeyed under a freeze: both are orders, and it is the one that says where traffic goes', () => {
    const council = seated(three);
    council.order('hold', 'freeze', { service: 'web' });
    council.order('works', 'drain', { pool: 'b' });
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 500, b: 0, c: 500 });
  });

  test('a stop takes the right to write, and detection and decisions go on', () => {
    const council = seated(three);
    council.order('stop', 'stop', {});
    council.see(DEAD_B, 500);
    expect(council.routing?.services.web).toMatchObject({ mode: 'advise', route: { a: 500, b: 0, c: 500 } });
    expect(council.routing?.because).toContain('web now in advise: every write stopped by alice: works');
    expect(council.told()).toEqual(['advice.drained']);
    council.revoke('stop');
    council.see(DEAD_B, 500);
    expect(council.routing).toMatchObject({ because: 'web now in auto', services: { web: { mode: 'auto', route: { b: 0 } } } });
  });

  test('two orders on one region in one decision are two pages with ids of their own', () => {
    const council = seated(clusterOf(FIVE, [{}, { name: 'api' }]));
    council.order('one', 'drain', { service: 'web', region: 'b' });
    council.order('two', 'drain', { service: 'api', region: 'b' });
    council.see({}, 500);
    expect(council.pages.map((p) => p.type)).toEqual(['override.obeyed', 'override.obeyed']);
    expect(new Set(council.pages.map((p) => p.id)).size).toBe(2);
  });
});

describe('pages', () => {
  test('news of one outage share a dedup key, from the drain to the resolution; another outage has another', () => {
    const council = without();
    council.watch({}, 10 * MIN);
    const [resolved] = council.pages.splice(0);
    const opened = council.audits.find((x) => x.because.startsWith('b down'));
    expect(resolved).toMatchObject({ type: 'incident.resolved', dedupKey: `tidegate/test/${opened?.v}-b` });
    council.see(DEAD_B, 500);
    expect(council.pages[0]?.dedupKey).not.toBe(resolved?.dedupKey);
  });

  test('an outage within five minutes of the end of the last is the same thread, and its end is told later', () => {
    const council = without();
    while (!council.pages.some(({ type }) => type === 'incident.resolved')) council.watch({}, 1_000);
    const [resolved] = council.pages.splice(0);
    expect(resolved?.notBeforeMs).toBe((resolved?.atMs ?? 0) + 5 * MIN);
    council.watch({}, 2 * MIN);
    council.see(DEAD_B, 500);
    expect(council.pages.splice(0)).toMatchObject([{ type: 'region.drained', dedupKey: resolved?.dedupKey }]);
    while (!council.pages.some(({ type }) => type === 'incident.resolved')) council.watch({}, 1_000);
    expect(council.pages.splice(0)).toMatchObject([{ type: 'incident.resolved', dedupKey: resolved?.dedupKey }]);
    expect(council.routing?.ended).toEqual({ b: { thread: resolved?.dedupKey.split('/')[2], untilMs: expect.any(Number) } });
    council.watch({}, 6 * MIN);
    council.see(DEAD_B, 500);
    expect(council.pages[0]?.dedupKey).not.toBe(resolved?.dedupKey);
    expect(council.routing?.ended).toBeUndefined();
  });

  /** A region that was drained is up, down and up again while a human has frozen the route. */
  const heldTwice = (council: Council): readonly (readonly [string, string, string | undefined])[] => {
    council.see(DEAD_B, 500);
    council.order('ice', 'freeze', {});
    for (const scene of [{}, DEAD_B, {}]) council.watch(scene, 2 * MIN);
    return council.pages.filter(({ type }) => type === 'service.hold_freeze').map((page) => [page.severity, page.type, page.dedupKey]);
  };

  test('a return that is held, in doubt and held again under one thread warns once; the second time is for the record', () => {
    const told = heldTwice(seated(clusterWith([1, 1, 1])));
    expect(told.map(([severity]) => severity)).toEqual(['warning', 'info']);
    expect(new Set(told.map(([, , key]) => key)).size).toBe(1);
  });

  test('what nobody was told of, since the service only observed, warns when it is held again', () => {
    const council = seated(clusterWith([1, 1, 1], { mode: 'observe' }));
    expect(heldTwice(council)).toEqual([]);
    council.cluster = { ...council.cluster, version: 2, services: council.cluster.services.map((s) => ({ ...s, mode: 'auto' })) };
    for (const scene of [DEAD_B, {}]) council.watch(scene, 2 * MIN);
    expect(council.pages.filter(({ type }) => type === 'service.hold_freeze').map(({ severity }) => severity)).toEqual(['warning']);
  });

  test('/healthz that fails alone now and then is told once, and again after five quiet minutes', () => {
    const council = seated(clusterWith([1, 1, 1]));
    const told = (): number => council.pages.filter(({ type }) => type === 'region.suspect').length;
    for (let n = 0; n < 10; n++) for (const scene of [{ suspect: ['b'] }, {}]) council.watch(scene, MIN);
    expect(told()).toBe(1);
    council.watch({}, 4.5 * MIN);
    council.watch({ suspect: ['b'] }, MIN);
    expect(told()).toBe(2);
  });

  test('that a region is unready for long is told once while it is out, whatever else fails of it meanwhile', () => {
    const council = seated(clusterWith([1, 1, 1]));
    for (const scene of [{ unready: ['b'] }, DEAD_B, { unready: ['b'] }]) council.watch(scene, 12 * MIN);
    expect(council.pages.filter(({ type }) => type === 'region.unready_long')).toHaveLength(1);
    council.watch({}, 10 * MIN);
    council.watch({ unready: ['b'] }, 12 * MIN);
    expect(council.pages.filter(({ type }) => type === 'region.unready_long')).toHaveLength(2);
  });

  test('the same news of two causes in one decision have ids of their own', () => {
    const council = seated(clusterOf(FIVE, [{}, { name: 'api' }]));
    const says = { down: [targetId('web', 'b', 'app')], unready: [targetId('web', 'b', 'app'), targetId('api', 'b', 'app')] };
    council.see({ says: { a: says, b: says, c: says } });
    expect(council.pages.map((p) => p.type)).toEqual(['region.drained', 'region.drained']);
    expect(new Set(council.pages.map((p) => p.id)).size).toBe(2);
    expect(new Set(council.pages.map((p) => p.dedupKey)).size).toBe(1);
  });
});

describe('modes', () => {
  test('observe decides and tells nobody', () => {
    const council = seated(clusterWith([1, 1, 1], { mode: 'observe' }));
    council.see(DEAD_B);
    expect(council.route()).toEqual({ a: 500, b: 0, c: 500 });
    expect(council.told()).toEqual([]);
    expect(council.routing?.regionDrainsAtMs).toEqual({});
  });

  test('advise tells what it would do, and that nothing was written', () => {
    const council = seated(clusterWith([1, 1, 1], { mode: 'advise' }));
    council.see(DEAD_B);
    expect(council.pages).toMatchObject([{ type: 'advice.drained' }]);
    expect(council.pages[0]?.summary).toMatch(/^advice, nothing was written: /);
  });

  test('a change of mode is a decision without a move', () => {
    const council = seated(clusterWith([1, 1, 1], { mode: 'observe' }));
    const fence = council.routing?.services.web?.fence;
    council.cluster = { ...three, version: 2 };
    council.see({}, 500);
    expect(council.routing).toMatchObject({ because: 'web now in auto', services: { web: { fence } } });
    expect(council.audits.at(-1)?.changes).toEqual([]);
  });
});

describe('configurations', () => {
  test('a pool that joins comes in by hold and ramp', () => {
    const council = seated(clusterWith([1, 1]));
    council.cluster = { ...three, version: 2 };
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 500, b: 500, c: 0 });
    council.watch({}, MIN);
    expect(council.route().c).toBe(34);
    council.watch({}, 2 * MIN);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
  });

  test('a pool that leaves gives its share to the others in one decision', () => {
    const council = seated(three);
    council.cluster = { ...clusterWith([1, 1]), version: 2 };
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 500, b: 500 });
    expect(council.audits.at(-1)?.changes).toMatchObject([{ before: { c: 333 }, after: { a: 500, b: 500 } }]);
  });

  test('a standby that leaves is a change of route without a change of share', () => {
    const council = seated(clusterWith([1, 0]));
    const fence = council.routing?.services.web?.fence ?? 0;
    council.cluster = { ...clusterWith([1]), version: 2 };
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 1000 });
    expect(council.routing?.services.web?.fence).toBeGreaterThan(fence);
  });

  test('when the pool that carried everything is gone, the rest comes in at once: never empty', () => {
    const council = seated(clusterWith([1, 1]));
    council.watch(DEAD_B, 5000);
    council.cluster = { ...clusterOf(FIVE, [{ pools: [poolOf('b', 1, 1)] }]), version: 2 };
    council.see(DEAD_B, 500);
    expect(council.route()).toEqual({ b: 1000 });
  });

  test('a service that joins waits for its first verdicts, and disturbs nobody', () => {
    const council = seated(three);
    council.cluster = {
      ...clusterOf(FIVE, [{}, { name: 'api' }]),
      version: 2,
      services: [...three.services, serviceOf(FIVE, { name: 'api' })],
    };
    const fence = council.routing?.services.web?.fence;
    council.see({ unknown: ['e'] }, 500);
    expect(council.routing?.services).toMatchObject({ web: { fence }, api: { fence: 0 } });
    council.see({}, 500);
    expect(council.routing?.because).toBe('first verdicts of api: routes decided');
  });

  test('a service that leaves is forgotten, and its incidents end', () => {
    const council = seated(clusterOf(FIVE, [{}, { name: 'api', pools: [poolOf('a', 1, 0)] }]));
    council.watch({ dead: ['a'] }, 5000);
    expect(Object.keys(council.routing?.open ?? {})).toContain('hold/all-down');
    council.cluster = { ...clusterOf(FIVE, [{}]), version: 2 };
    council.see({ dead: ['a'] }, 500);
    expect(Object.keys(council.routing?.services ?? {})).toEqual(['web']);
    expect(Object.keys(council.routing?.open ?? {})).toEqual(['a']);
  });

  test('new weights move the route by themselves', () => {
    const council = seated(clusterWith([1, 1]));
    council.cluster = { ...clusterWith([3, 1]), version: 2 };
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 750, b: 250 });
    expect(council.routing?.because).toBe('configuration 2 took effect');
  });

  test('votes for another version than the one in force are silent', () => {
    const council = seated(three);
    const stale = council.heard(DEAD_B);
    council.cluster = { ...three, version: 2 };
    council.decide(stale);
    expect(council.route().b).toBe(333);
  });
});
