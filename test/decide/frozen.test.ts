// The hold `frozen`: the provider of a service carries a fence that is newer than the store, or a human's. Nothing of it moves until that is settled; all
// the others go on.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '../../src/decide/decide.ts';
import type { Route } from '../../src/model.ts';
import { clusterOf, poolOf } from '../world.ts';
import { type Council, seated } from './council.ts';
import { clusters, frozen, play } from './histories.ts';

const FIVE = ['a', 'b', 'c', 'd', 'e'];
const MIN = 60_000;
const DEAD_B = { dead: ['b'] };

const two = (): Council =>
  seated(
    clusterOf(
      FIVE,
      ['web', 'api'].map((name) => ({ name, pools: ['a', 'b', 'c'].map((r, i) => poolOf(r, 1, i)) })),
    ),
  );

describe('a frozen service', () => {
  test('keeps route and fence when a region dies, is held by name and pages; the others drain', () => {
    const council = two();
    const before = council.routing?.services.web;
    council.frozen = ['web'];
    council.watch(DEAD_B, MIN);
    expect(council.routing?.services.web).toMatchObject({ fence: before?.fence, route: before?.route });
    expect([council.hold('b', 'web'), council.hold('b', 'api')]).toEqual(['frozen', null]);
    expect(council.route('api').b).toBe(0);
    expect(council.pages.map((p) => [p.type, p.severity])).toContainEqual(['service.hold_frozen', 'critical']);
    expect(council.pages.find((p) => p.type === 'service.hold_frozen')?.summary).toBe(
      'hold-frozen: b down: 5 of 5 vantages (needs 3), but nothing of web moves: its provider carries a fence that is newer than the store, or a ' +
        "human's; see what it serves, then run `tidegate adopt` or `tidegate ack`",
    );
    expect(council.audits.flatMap((a) => a.holds)).toContainEqual({ service: 'web', pool: 'b', hold: 'frozen', because: 'frozen' });
  });

  test('once settled, drains what is still down and resolves the hold', () => {
    const council = two();
    council.frozen = ['web'];
    council.watch(DEAD_B, MIN);
    council.pages.length = 0;
    council.frozen = [];
    council.see(DEAD_B, 500);
    expect(council.route('web')).toEqual({ a: 500, b: 0, c: 500 });
    expect(council.told()).toContain('incident.resolved');
    expect(Object.keys(council.routing?.open ?? {})).toEqual(['b']);
  });

  test('asks for no decision after decision, whatever it holds', () => {
    const council = two();
    council.watch(DEAD_B, 2 * MIN);
    council.watch({}, MIN + 1000);
    expect(council.memory('b').state).toBe('returning');
    council.frozen = ['web', 'api'];
    // A ramp that may not climb, then doubt about it, then an outage, then a return: each is one or two decisions, not a stream.
    for (const scene of [{}, { ...DEAD_B, by: ['e'] }, DEAD_B, {}]) {
      council.watch(scene, 2 * MIN);
      const n = council.audits.length;
      council.watch(scene, 10 * MIN);
      expect(council.audits.length).toBe(n);
    }
  });

  test('is not moved by a drain either: the refusal is told once, and the order obeyed when it is settled', () => {
    const council = two();
    council.frozen = ['web'];
    council.order('works', 'drain', { pool: 'b' });
    council.watch({}, MIN);
    expect([council.route('web').b, council.route('api').b]).toEqual([333, 0]);
    expect(council.pages.filter((p) => p.type === 'override.refused').map((p) => p.summary)).toEqual([
      expect.stringMatching(/^b: the drain by alice is not obeyed \(works\), because web is frozen: its provider carries/),
    ]);
    council.frozen = [];
    council.see({}, 500);
    expect(council.route('web').b).toBe(0);
  });

  test('a drain that ends while it is frozen ends with the frozen state', () => {
    const council = two();
    council.order('works', 'drain', { pool: 'b' });
    council.see({}, 500);
    council.frozen = ['web'];
    council.revoke('works');
    council.watch({}, MIN);
    expect(council.route('web').b).toBe(0);
    expect(council.hold('b', 'web')).toBe('frozen');
    expect(council.memory('b', 'api').state).not.toBe('out');
    council.frozen = [];
    council.see({}, 500);
    expect(council.memory('b', 'web').state).toBe('returning');
  });

  test('that is stopped or only advises is decided as ever: it writes nothing that could be at odds', () => {
    const council = two();
    council.frozen = ['web', 'api'];
    council.order('halt', 'stop', { service: 'web' });
    council.see(DEAD_B, 500);
    expect([council.route('web').b, council.route('api').b]).toEqual([0, 333]);
    expect(council.routing?.services.web?.mode).toBe('advise');
  });

  test('takes no turn of the others: pacing counts what moves', () => {
    const council = two();
    council.frozen = ['web'];
    const says = { down: ['web/b/app'], unready: ['web/b/app'] };
    council.see({ says: Object.fromEntries(FIVE.map((r) => [r, says])) }, 500);
    expect(council.routing?.regionDrainsAtMs).toEqual({});
    council.see({ dead: ['c'] }, 500);
    expect(council.route('api').c).toBe(0);
  });
});

describe('a route that no memory of pools would lead to, as an adoption leaves it', () => {
  const adopted: Route = { a: 700, b: 200, c: 100 };
  const council = (): Council => {
    const made = two();
    const { routing } = made;
    if (routing === null) throw new Error('seated');
    const web = routing.services.web ?? expect.fail('web');
    made.routing = { ...routing, services: { ...routing.services, web: { ...web, route: adopted } } };
    return made;
  };

  test('stays to the last thousandth under a freeze and while frozen, through an outage', () => {
    for (const still of ['freeze', 'frozen']) {
      const made = council();
      if (still === 'freeze') made.order('hold', 'freeze', { service: 'web' });
      else made.frozen = ['web'];
      made.watch({}, MIN);
      made.watch(DEAD_B, MIN);
      expect(made.route('web')).toEqual(adopted);
    }
  });

  test.each(['freeze', 'frozen'])(
    'stays under %s when a pool is configured, and when one that carries nothing is configured no more',
    (still) => {
      const made = council();
      if (still === 'freeze') made.order('hold', 'freeze', { service: 'web' });
      else made.frozen = ['web'];
      made.see({}, 500);
      const three = made.cluster;
      const four = { name: 'web', pools: ['a', 'b', 'c', 'd'].map((r, i) => poolOf(r, 1, i)) };
      made.cluster = { ...three, version: 2, services: clusterOf(FIVE, [four, { name: 'api', pools: four.pools.slice(0, 3) }]).services };
      made.watch({}, MIN);
      expect(made.route('web')).toEqual({ ...adopted, d: 0 });
      made.cluster = { ...three, version: 3 };
      made.watch({}, MIN);
      expect(made.route('web')).toEqual(adopted);
    },
  );

  test('cannot stay when a pool that carries is configured no more', () => {
    const made = council();
    made.frozen = ['web'];
    made.see({}, 500);
    const without = clusterOf(FIVE, [
      { name: 'web', pools: ['b', 'c'].map((r, i) => poolOf(r, 1, i)) },
      { name: 'api', pools: made.cluster.services[1]?.pools ?? [] },
    ]);
    made.cluster = { ...made.cluster, version: 2, services: without.services };
    made.see({}, 500);
    expect(made.route('web')).toEqual({ b: 500, c: 500 });
  });

  test('is left, in words, when nothing holds it', () => {
    const made = council();
    made.see({}, 500);
    expect(made.route('web')).toEqual({ a: 334, b: 333, c: 333 });
    expect(made.routing?.because).toBe('shares of web as configured again');
  });

  test('gives way to a drain that a human orders under the freeze', () => {
    const made = council();
    made.order('hold', 'freeze', { service: 'web' });
    made.order('works', 'drain', { service: 'web', pool: 'a' });
    made.see({}, 500);
    expect(made.route('web')).toEqual({ a: 0, b: 500, c: 500 });
  });
});

describe('the fence says which decision it is', () => {
  test('a moved route carries its nonce; one that did not move keeps the older', () => {
    const council = two();
    const first = council.routing?.services.web?.nonce;
    expect(first).toBeTruthy();
    council.frozen = ['web'];
    const { next } = council.see(DEAD_B, 500);
    expect(council.routing?.services.api?.nonce).toBe(next?.routing.nonce);
    expect(council.routing?.services.web?.nonce).toBe(first);
  });
});

const MORE = Number(process.env.TIDEGATE_MORE_RUNS ?? 1);

/** The shares of who stays, when nobody who carried anything is gone; null: somebody is. */
const staying = (was: Route, is: Route): Route | null => {
  const isMissed = Object.entries(was).some(([pool, share]) => share > 0 && is[pool] === undefined);
  return isMissed ? null : Object.fromEntries(Object.keys(is).map((pool) => [pool, was[pool] ?? 0]));
};

test('whatever happens, the fence of a frozen service changes only with the configuration, and its shares only where one that carried is gone', {
  timeout: 120_000 * MORE,
}, () => {
  let held = 0;
  fc.assert(
    fc.property(clusters, frozen, (cluster, moments) => {
      play(cluster, moments, ({ stage, before, after, heard }) => {
        const { council } = stage;
        for (const s of council.cluster.services) {
          const was = before?.services[s.name];
          const is = after.services[s.name];
          if (was === undefined || was.fence === 0 || is?.mode !== 'auto' || !council.frozen.includes(s.name)) continue;
          held++;
          if (before?.membersVersion !== after.membersVersion) {
            const kept = staying(was.route, is.route);
            if (kept !== null) expect(is.route).toEqual(kept);
            continue;
          }
          expect([is.fence, is.route]).toEqual([was.fence, was.route]);
        }
        // Nothing but an order or another service asks for a second decision at the same instant.
        if ((council.overrides?.items ?? []).length > 0 || before?.membersVersion !== after.membersVersion) return;
        expect(decide(council.snapshot(heard), council.nowMs).next).toBeUndefined();
      });
    }),
    { numRuns: 60 * MORE },
  );
  expect(held).toBeGreaterThan(100);
});
