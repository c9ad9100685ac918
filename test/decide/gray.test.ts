// Gray pools: told once and told over, nothing moved; with a cut some of the share goes, never all of it, and comes back after the recovery hold.
import { describe, expect, test } from 'vitest';
import { GRAY } from '../../src/config/defaults.ts';
import { type ClusterConfig, endpointKey, targetId } from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import { type Scene, seated } from './council.ts';

const REGIONS = ['a', 'b', 'c'];
const page = clusterOf(REGIONS, [{}]);
const withGray = (cluster: ClusterConfig, more: Partial<typeof GRAY> | null): ClusterConfig => ({
  ...cluster,
  policy: { ...cluster.policy, gray: more === null ? null : { ...GRAY, ...more } },
});
const cut = withGray(page, { cut: 500 });
const errs: Scene = { gray: ['b'], by: ['a', 'b'] };

/** Both regions in doubt are gone from the quorum but for one. */
const oneOf = (...regions: readonly string[]): Scene => ({ gray: ['b'], by: regions });

describe('a page, and nothing moves', () => {
  test('once while it lasts, and once when it is over, under one key', () => {
    const c = seated(page);
    const decision = c.see(errs, 500);
    const sentence = 'b gray: 2 of 3 vantages (needs 2) see more errors than 1 % on web/b/app /readyz; nothing moved';
    expect(c.pages).toMatchObject([{ type: 'target.gray', severity: 'warning', summary: sentence, dedupKey: 'tidegate/test/gray-b' }]);
    expect(decision).toMatchObject({ uses: [], next: { routing: { because: sentence }, incidents: [] } });
    expect([c.route(), c.memory('b').scale]).toEqual([{ a: 334, b: 333, c: 333 }, 1000]);
    c.watch(errs, 600_000);
    expect(c.pages).toHaveLength(1);
    c.see({}, 500);
    expect(c.pages.slice(1)).toMatchObject([{ type: 'target.gray_over', severity: 'info', dedupKey: 'tidegate/test/gray-b' }]);
    expect(c.pages[1]?.summary).toBe('b no longer gray: too few vantages see more errors than 1 %');
    expect(c.see({}, 60_000).next).toBeUndefined();
  });

  test('by quorum only: one vantage alone, silence and abstention tell nothing', () => {
    const c = seated(page);
    for (const scene of [oneOf('a'), { ...errs, by: ['a'], silent: ['c'] }, { ...errs, silent: ['b'] }])
      expect(c.see(scene, 500).next).toBeUndefined();
  });

  test('a replica that starts anew forgets what it saw, which neither ends it nor tells it again', () => {
    const c = seated(page);
    c.see(errs, 500);
    for (const scene of [oneOf('a'), errs, oneOf('b'), oneOf('b', 'c'), { silent: ['a', 'b', 'c'] }, errs])
      expect(c.see(scene, 5000).next).toBeUndefined();
    expect(c.told()).toEqual(['target.gray']);
  });

  test('fifty services of a region are one page, of several pools one for each region', () => {
    const many = { ...page, services: Array.from({ length: 50 }, (_, i) => serviceOf(REGIONS, { name: `svc-${i}` })) };
    const c = seated(many);
    c.see({ gray: ['a', 'b'] }, 500);
    expect(c.told()).toEqual(['target.gray', 'target.gray']);
    expect(c.routing?.because).toContain('on svc-0/b/app /readyz and 49 targets more; nothing moved');
  });

  test('in observe nobody is paged; the decision says it all the same', () => {
    const c = seated({ ...page, services: [serviceOf(REGIONS, { mode: 'observe' })] });
    c.see(errs, 500);
    expect([c.told(), c.routing?.because.startsWith('b gray')]).toEqual([[], true]);
  });

  test('an outage in between is told as one, and is no end of it', () => {
    const c = seated(page);
    c.see(errs, 500);
    c.watch({ dead: ['b'] }, 30_000);
    expect(c.told()).toEqual(['target.gray', 'region.drained']);
    c.watch(errs, 300_000);
    expect([c.told(), c.memory('b').state]).toEqual([['incident.resolved'], 'in']);
    c.see({}, 500);
    expect(c.told()).toEqual(['target.gray_over']);
  });

  test('switched off, it is over', () => {
    const c = seated(page);
    c.see(errs, 500);
    c.cluster = withGray({ ...page, version: 2 }, null);
    c.see({}, 500);
    expect(c.routing?.because).toContain('b no longer gray: nobody looks for it any more');
  });

  test('a cluster configured by 0.1 has no such key', () => {
    const { gray: _, ...policy } = page.policy;
    const c = seated({ ...page, policy });
    expect(c.see({}, 500).next).toBeUndefined();
  });
});

describe('a cut', () => {
  test('takes its part of the share at once, guarded by the votes that said so, and gives it back after the recovery hold', () => {
    const c = seated(cut);
    const decision = c.see(errs, 500);
    expect([...decision.uses].sort()).toEqual(['vote/a/a', 'vote/b/a']);
    expect(c.routing?.because).toBe(
      'b: 1 of 1 targets up, 1 gray, share scaled to 50 %; b gray: 2 of 3 vantages (needs 2) see more errors than 1 % on web/b/app /readyz; its share is cut',
    );
    expect(c.route()).toEqual({ a: 417, b: 166, c: 417 });
    c.watch(errs, 300_000);
    expect([c.routing?.v, c.told()]).toEqual([decision.next?.routing.v, ['target.gray']]);
    c.see({}, 500);
    expect(c.told()).toEqual(['target.gray_over']);
    c.watch({}, 59_000);
    expect(c.memory('b').scale).toBe(500);
    c.watch({}, 2000);
    expect([c.route(), c.routing?.because]).toEqual([{ a: 334, b: 333, c: 333 }, 'b: 1 of 1 targets up, share scaled to 100 %']);
  });

  test('a vote more or less moves nothing: what one region still says keeps the cut, and cuts nothing more', () => {
    const two = { ...cut, services: [serviceOf(REGIONS, { pools: REGIONS.map((r, i) => poolOf(r, 1, i, 2)) })] };
    const c = seated(two);
    const [first, second] = ['app-1', 'app-2'].map((name) => endpointKey(targetId('web', 'b', name), 'readyz'));
    c.see({ says: { a: { gray: [first ?? ''] }, b: { gray: [first ?? ''] } } }, 500);
    expect(c.memory('b').scale).toBe(750);
    c.watch({ says: { a: { gray: [first ?? '', second ?? ''] } } }, 300_000);
    expect(c.memory('b').scale).toBe(750);
    c.watch({ says: { a: { gray: [first ?? '', second ?? ''] }, c: { gray: [first ?? '', second ?? ''] } } }, 1000);
    expect(c.memory('b').scale).toBe(500);
  });

  test('is none while every other pool is gray, out or in doubt; the page says that nothing moved', () => {
    for (const others of [{ gray: ['a', 'b', 'c'] }, { gray: ['b', 'c'], dead: ['a'] }, { gray: ['b'], doubted: ['a', 'c'] }]) {
      const c = seated(cut);
      if ('dead' in others) c.watch({ dead: ['a'] }, 10_000);
      const before = c.route();
      c.see(others, 500);
      expect(c.route()).toEqual(before);
      expect(c.pages.find((p) => p.type === 'target.gray' && p.detail.region === 'b')?.summary).toContain('; nothing moved');
    }
  });

  test('the last that can carry more goes out or gray: what was cut is given back, and nobody is left without', () => {
    const c = seated(cut);
    c.see(errs, 500);
    c.watch({ gray: ['a', 'b', 'c'] }, 120_000);
    expect(c.memory('b').scale).toBe(1000);
    expect(c.route()).toEqual({ a: 334, b: 333, c: 333 });
  });

  test('never takes everything, and a pool that serves alone keeps all of it', () => {
    const c = seated(withGray(page, { cut: 900 }));
    c.see(errs, 500);
    expect(c.memory('b').scale).toBe(100);
    c.watch({ dead: ['a'], gray: ['b'], by: ['b', 'c'] }, 30_000);
    c.watch({ dead: ['a', 'c'], gray: ['b'] }, 120_000);
    expect(Object.values(c.route()).reduce((sum, share) => sum + share, 0)).toBe(1000);
    expect(c.route().b).toBeGreaterThan(0);
  });

  test('nothing moves while a human has frozen the route', () => {
    const c = seated(cut);
    c.order('hold', 'freeze', {});
    c.see(errs, 500);
    expect([c.route(), c.told()]).toEqual([{ a: 334, b: 333, c: 333 }, ['target.gray']]);
  });

  test('with two voters it is advice', () => {
    const two = { ...cut, regions: cut.regions.map((r) => ({ ...r, vote: r.name !== 'c' })) };
    const c = seated(two);
    c.see(errs, 500);
    expect(c.routing?.services.web?.mode).toBe('advise');
  });
});
