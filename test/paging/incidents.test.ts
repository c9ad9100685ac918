// Threads: what the pages of one key come to.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Page } from '../../src/model.ts';
import { actionOf, isOvertaken, threadsOf } from '../../src/paging/incidents.ts';
import { pageOf } from './fixture.ts';

let n = 0;
const at = (atMs: number, type: string, severity: Page['severity'] = 'critical', given: Partial<Page> = {}): Page =>
  pageOf(`p${n++}`, { dedupKey: 'k', atMs, v: atMs, type, severity, ...given });
const threadOf = (...pages: readonly Page[]) => threadsOf(pages, 1_000).get('k');

describe('an action', () => {
  test.each<[string, Page['severity'], string]>([
    ['region.drained', 'critical', 'trigger'],
    ['region.suspect', 'warning', 'trigger'],
    ['region.drained', 'info', 'change'],
    ['override.obeyed', 'info', 'change'],
    // The end of an order over a region that is dead asks for somebody, and ends no outage.
    ['override.ended', 'warning', 'trigger'],
    ['override.ended', 'info', 'change'],
    ['incident.resolved', 'info', 'resolve'],
    ['incident.acknowledged', 'info', 'acknowledge'],
    ['store.resolved', 'info', 'resolve'],
    ['convergence.reached', 'info', 'change'],
  ])('of %s, %s, is %s', (type, severity, action) => {
    expect(actionOf({ type, severity, dedupKey: 'tidegate/test/3-b' })).toBe(action);
  });
});

test('the end of an order ends what was said of the order', () => {
  expect(actionOf({ type: 'override.ended', severity: 'info', dedupKey: 'tidegate/test/override-maint' })).toBe('resolve');
});

describe('a thread', () => {
  test('goes on until its end is told', () => {
    const [opened, end] = [at(1, 'region.down'), at(2, 'incident.resolved', 'info', { notBeforeMs: 5_000 })];
    expect(threadsOf([opened, end], 4_999).get('k')).toMatchObject({ state: 'firing', firing: opened });
    expect(threadsOf([opened, end], 5_000).get('k')).toMatchObject({ state: 'resolved', ended: end });
  });

  test('opens, is raised, is not lowered again, and ends', () => {
    const [opened, raised, lower] = [at(1, 'region.unready_long', 'warning'), at(2, 'region.down'), at(3, 'region.suspect', 'warning')];
    expect(threadOf(opened)).toMatchObject({ state: 'firing', severity: 'warning', firing: opened });
    expect(threadOf(opened, raised)).toMatchObject({ severity: 'critical', firing: raised });
    expect(threadOf(opened, raised, lower)).toMatchObject({ severity: 'critical', firing: lower });
    const end = at(4, 'incident.resolved', 'info');
    expect(threadOf(opened, raised, lower, end)).toMatchObject({ state: 'resolved', firing: null, ended: end });
  });

  test('that begins anew has the severity of its new beginning', () => {
    expect(threadOf(at(1, 'region.down'), at(2, 'incident.resolved', 'info'), at(3, 'region.suspect', 'warning'))).toMatchObject({
      state: 'firing',
      severity: 'warning',
    });
  });

  test('is not opened by what asks for nobody, and an end alone ends nothing', () => {
    expect(threadOf(at(1, 'region.drained', 'info'), at(2, 'convergence.reached', 'info'))).toMatchObject({ state: 'silent' });
    expect(threadOf(at(1, 'region.drained', 'info'), at(2, 'incident.resolved', 'info'))).toMatchObject({ state: 'silent', ended: null });
  });

  test('knows who heard of it', () => {
    expect(
      threadOf(
        at(1, 'region.down', 'critical', { delivered: ['pd'] }),
        at(2, 'region.down', 'critical', { delivered: ['pd', 'mail', '*'] }),
      )?.heard,
    ).toEqual(['pd', 'mail', '*']);
  });

  test('its end is overtaken by a newer beginning and by nothing else', () => {
    const [opened, end, again] = [at(1, 'region.down'), at(2, 'incident.resolved', 'info'), at(3, 'region.down')];
    expect(isOvertaken(end, threadOf(opened, end))).toBe(false);
    expect(isOvertaken(end, threadOf(opened, end, again))).toBe(true);
    expect(isOvertaken(again, threadOf(opened, end, again))).toBe(false);
    expect(isOvertaken(end, undefined)).toBe(false);
  });

  // The night of it: b is drained and pages; it comes back, and before that was told it is unready for a moment and takes its traffic back at once.
  const relapse = () => {
    const of = (incident: string) => ({ detail: { incident } });
    const opened = at(1, 'region.drained', 'critical', of('1-b'));
    const drained = at(3, 'region.drained', 'info', of('3-b'));
    const end = at(4, 'incident.resolved', 'info', { ...of('3-b'), notBeforeMs: 5_000 });
    const returned = at(4, 'region.returned', 'info', of('3-b'));
    return { opened, drained, end, returned };
  };

  test('ends with what began last, whatever else is said beside its end (simulator, seed 233 with --minutes 60)', () => {
    const { opened, drained, end, returned } = relapse();
    const before = threadsOf([opened, drained, end, returned], 4_999).get('k');
    expect(before).toMatchObject({ state: 'firing', begun: drained });
    expect(isOvertaken(end, before)).toBe(false);
    const converged = at(6, 'convergence.reached', 'info', { detail: { incident: '3-b' } });
    expect(threadsOf([opened, drained, end, returned, converged], 6_000).get('k')).toMatchObject({ state: 'resolved', ended: end });
  });

  test('its end is not overtaken by what is said beside it when the store has lost how it began', () => {
    const { opened, end, returned } = relapse();
    expect(isOvertaken(end, threadsOf([opened, end, returned], 4_999).get('k'))).toBe(false);
    expect(threadsOf([opened, end, returned], 5_000).get('k')).toMatchObject({ state: 'resolved', ended: end });
    const next = at(7, 'region.drained', 'info', { detail: { incident: '7-b' } });
    expect(isOvertaken(end, threadsOf([opened, end, returned, next], 4_999).get('k'))).toBe(true);
  });

  test('is the same in whatever order its pages are read', () => {
    const types = fc.constantFrom<[string, Page['severity']]>(
      ['region.down', 'critical'],
      ['region.suspect', 'warning'],
      ['incident.resolved', 'info'],
      ['x.y', 'info'],
    );
    fc.assert(
      fc.property(fc.array(types, { maxLength: 8 }), fc.func(fc.integer()), (drawn, rank) => {
        const pages = drawn.map(([type, severity], i) => at(i, type, severity));
        const shuffled = pages.toSorted((a, b) => rank(a.id) - rank(b.id));
        expect(threadsOf(shuffled, 1_000)).toEqual(threadsOf(pages, 1_000));
      }),
    );
  });
});
