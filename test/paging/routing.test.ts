// Who is told of a page, and when: routes, the ladder, listeners, and the end of a thread.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Page } from '../../src/model.ts';
import { type Asking, ESCALATE_AFTER_MS, isTaken, type PageRoute, planOf, routeOf } from '../../src/paging/routing.ts';
import { pageOf } from './fixture.ts';

const ALL = ['log', 'pd', 'mail', 'chat'];
const AT = Date.UTC(2026, 10, 26, 8, 0);
const route = (given: Partial<PageRoute> = {}): PageRoute => ({ to: ['pd', 'mail'], also: ['chat'], ...given });
const page = (given: Partial<Page> = {}): Page => pageOf('a', { atMs: AT, ...given });
const asking = (given: Partial<Asking> = {}): Asking => ({
  page: page(),
  routes: [route()],
  all: ALL,
  heard: [],
  accepted: [],
  dead: [],
  nowMs: AT,
  ...given,
});

describe('a route', () => {
  const about = { region: 'eu-west', services: ['web', 'api'] };
  test.each<[string, Partial<PageRoute>, Partial<Page>, boolean]>([
    ['of everything', {}, {}, true],
    ['of its severity', { severity: ['critical', 'warning'] }, { severity: 'warning' }, true],
    ['not of another severity', { severity: ['critical'] }, { severity: 'warning' }, false],
    ['of any of the services', { service: ['api', 'x'] }, { detail: about }, true],
    ['not of other services', { service: ['x'] }, { detail: about }, false],
    ['not of a page without services', { service: ['web'] }, { detail: {} }, false],
    ['of its region', { region: ['eu-west'] }, { detail: about }, true],
    ['of the region that is down', { region: ['us-east'] }, { detail: { region: 'eu-west', down: 'us-east' } }, true],
    ['not of another region', { region: ['us-east'] }, { detail: about }, false],
    ['of its hours', { hours: { cron: '* 8-17 * * 1-5', timezone: 'Europe/Berlin' } }, {}, true],
    ['of its first minute', { hours: { cron: '* 9 * * *', timezone: 'Europe/Berlin' } }, { atMs: AT }, true],
    ['not a moment before', { hours: { cron: '* 9 * * *', timezone: 'Europe/Berlin' } }, { atMs: AT - 1 }, false],
    ['by the local clock', { hours: { cron: '* 8 * * *', timezone: 'Europe/Berlin' } }, { atMs: AT }, false],
    ['not at the weekend', { hours: { cron: '* * * * 1-5', timezone: 'UTC' } }, { atMs: AT + 2 * 86_400_000 }, false],
    ['only when all of it matches', { severity: ['critical'], region: ['us-east'] }, { detail: about }, false],
  ])('%s', (_what, given, about, matches) => {
    expect(routeOf(page(about), [route(given)]) !== null).toBe(matches);
  });

  test('that matches first is the one', () => {
    const routes = [route({ severity: ['info'] }), route({ to: ['mail'] }), route()];
    expect(routeOf(page(), routes)).toBe(routes[1]);
  });

  test('that is not there tells every channel at once', () => {
    expect(planOf(asking({ routes: [] }))).toEqual({ due: ALL, nextAtMs: null, next: null });
    expect(planOf(asking({ routes: [route({ region: ['elsewhere'] })] }))).toEqual({ due: ALL, nextAtMs: null, next: null });
  });
});

describe('the ladder', () => {
  test('begins with its first rung, the listeners and the log; the next follows after 30 s without an accepted delivery', () => {
    expect(planOf(asking())).toEqual({ due: ['log', 'pd', 'chat'], nextAtMs: AT + ESCALATE_AFTER_MS, next: 'mail' });
    expect(planOf(asking({ nowMs: AT + 29_999 }))).toEqual({ due: ['log', 'pd', 'chat'], nextAtMs: AT + 30_000, next: 'mail' });
    expect(planOf(asking({ nowMs: AT + 30_000 }))).toEqual({ due: ALL, nextAtMs: null, next: null });
  });

  test('is not climbed once a rung has accepted; a listener that accepted does not count', () => {
    expect(planOf(asking({ accepted: ['pd'], nowMs: AT + 60_000 }))).toEqual({ due: ['log', 'pd', 'chat'], nextAtMs: null, next: null });
    expect(planOf(asking({ accepted: ['chat', 'log'], nowMs: AT + 60_000 })).due).toContain('mail');
  });

  test('is climbed at once when a rung never will, and waits for the next one from then', () => {
    expect(planOf(asking({ dead: ['pd'] }))).toEqual({ due: ALL, nextAtMs: null, next: null });
    const three = [route({ to: ['pd', 'mail', 'chat'], also: [] })];
    expect(planOf(asking({ routes: three, dead: ['pd'] }))).toEqual({ due: ['log', 'pd', 'mail'], nextAtMs: AT + 30_000, next: 'chat' });
    expect(planOf(asking({ routes: three, nowMs: AT + 59_000 }))).toEqual({
      due: ['log', 'pd', 'mail'],
      nextAtMs: AT + 60_000,
      next: 'chat',
    });
  });

  test('a rung that accepted late keeps those told before it, which are tried on', () => {
    expect(planOf(asking({ accepted: ['mail'], nowMs: AT + 90_000 }))).toEqual({ due: ALL, nextAtMs: null, next: null });
  });

  test('is not climbed once a human has it, and calls nobody who has not answered yet', () => {
    const taken = page({ acknowledged: { by: 'ana', atMs: AT } });
    expect(planOf(asking({ page: taken, nowMs: AT + 90_000 }))).toEqual({ due: ['log', 'chat'], nextAtMs: null, next: null });
    expect(planOf(asking({ page: taken, accepted: ['mail'], heard: ['pd'], nowMs: AT + 90_000 })).due).toEqual(['log', 'mail', 'chat']);
  });

  test('is not climbed for what asks for nobody', () => {
    expect(planOf(asking({ page: page({ severity: 'info' }), nowMs: AT + 90_000 }))).toEqual({
      due: ['log', 'pd', 'chat'],
      nextAtMs: null,
      next: null,
    });
  });
});

describe('a thread', () => {
  test('whoever heard of it hears of the rest', () => {
    expect(planOf(asking({ heard: ['mail', '*'] })).due).toEqual(ALL);
  });

  test('its end goes to whoever heard of it and not to a first rung that never did', () => {
    const end = page({ type: 'incident.resolved', severity: 'info' });
    expect(planOf(asking({ page: end, heard: ['mail'], nowMs: AT + 90_000 }))).toEqual({
      due: ['log', 'mail', 'chat'],
      nextAtMs: null,
      next: null,
    });
    expect(planOf(asking({ page: end }))).toEqual({ due: ['log', 'pd', 'chat'], nextAtMs: null, next: null });
  });

  test('that a human has it goes to whoever heard of it, and climbs nothing', () => {
    const taken = page({ type: 'incident.acknowledged', severity: 'info' });
    expect(planOf(asking({ page: taken, heard: ['mail'], nowMs: AT + 90_000 }))).toEqual({
      due: ['log', 'mail', 'chat'],
      nextAtMs: null,
      next: null,
    });
  });

  test('an end that may still be taken back is told to nobody until then', () => {
    const end = page({ type: 'incident.resolved', severity: 'info', notBeforeMs: AT + 300_000 });
    expect(planOf(asking({ page: end, heard: ['pd'], nowMs: AT + 299_999 }))).toEqual({ due: [], nextAtMs: AT + 300_000, next: null });
    expect(planOf(asking({ page: end, heard: ['pd'], nowMs: AT + 300_000 })).due).toContain('pd');
  });
});

test('whom an operator asked for is told beside the others, or alone where everybody had been told', () => {
  expect(planOf(asking({ page: page({ again: { to: ['mail'], alone: false } }) })).due).toEqual(['log', 'pd', 'mail', 'chat']);
  expect(planOf(asking({ routes: [route({ also: [] })], page: page({ again: { to: ['chat'], alone: false } }) })).due).toEqual([
    'log',
    'pd',
    'chat',
  ]);
  expect(planOf(asking({ page: page({ again: { to: ['mail', 'gone'], alone: true } }) }))).toEqual({
    due: ['mail'],
    nextAtMs: null,
    next: null,
  });
  const about = { type: 'paging.dead_letter', detail: { channel: 'pd' } };
  expect(planOf(asking({ page: page({ ...about, again: { to: ['pd'], alone: false } }) })).due).toContain('pd');
});

test('a later rung is spared once one before it has accepted, or a human has it', () => {
  const routes = [route({ to: ['pd', 'mail', 'chat'] })];
  expect(isTaken(page(), routes, 'mail')).toBe(false);
  expect(isTaken(page({ delivered: ['pd'] }), routes, 'mail')).toBe(true);
  expect(isTaken(page({ delivered: ['chat', 'log'] }), routes, 'mail')).toBe(false);
  expect(isTaken(page({ acknowledged: { by: 'ana', atMs: AT } }), routes, 'mail')).toBe(true);
  expect(isTaken(page({ delivered: ['pd'], again: { to: ['mail'], alone: false } }), routes, 'mail')).toBe(false);
});

test('what is said of a channel goes by the others', () => {
  const about = page({ type: 'paging.dead_letter', severity: 'warning', detail: { channel: 'pd' } });
  expect(planOf(asking({ page: about })).due).toEqual(['log', 'mail', 'chat']);
  expect(planOf(asking({ page: about, routes: [] })).due).toEqual(['log', 'mail', 'chat']);
});

test('whatever was configured and whoever has failed: somebody is told at once, and all of the ladder in the end', () => {
  const some = fc.subarray(['pd', 'mail', 'chat']);
  fc.assert(
    fc.property(
      some,
      some,
      fc.shuffledSubarray(['pd', 'mail', 'chat'], { minLength: 1 }),
      some,
      fc.nat(200_000),
      (dead, heard, to, also, ms) => {
        const of = asking({ routes: [route({ to, also })], dead, heard, nowMs: AT + ms });
        const plan = planOf(of);
        expect(plan.due).toContain('log');
        expect(plan.due).toContain(to[0]);
        if (plan.nextAtMs !== null) expect(plan.nextAtMs).toBeGreaterThan(of.nowMs);
        const late = planOf({ ...of, nowMs: AT + to.length * ESCALATE_AFTER_MS });
        expect(to.every((name) => late.due.includes(name))).toBe(true);
        expect(late.nextAtMs).toBeNull();
      },
    ),
  );
});
