// What people are told: the first line, the facts below it, and that no text of anybody's breaks their form.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { noticeOf } from '../../src/paging/message.ts';
import { type Council, type Scene, seated } from '../decide/council.ts';
import { clusterOf } from '../world.ts';
import { pageOf } from './fixture.ts';

const BASE = { cluster: 'prod', baseUrl: 'https://tidegate.example' };
const MIN = 60_000;
const FIVE = ['a', 'b', 'c', 'd', 'e'];
const DEAD_B: Scene = { dead: ['b'] };

const drained = (): Council => {
  const council = seated(clusterOf(FIVE, [{}]));
  council.see(DEAD_B, 500);
  council.watch(DEAD_B, 10_000);
  return council;
};

describe('a drained region', () => {
  test('says what happened, what was done, and what it needs; then the times beside the goals', () => {
    const council = drained();
    const page = council.pages.find(({ type }) => type === 'region.drained');
    const notice = noticeOf(page!, BASE);
    expect(notice).toMatchObject({ action: 'trigger', cluster: 'prod', link: `https://tidegate.example/v1/decisions/${page?.v}` });
    expect(notice.headline).toMatch(
      /^b down: \d of 5 vantages \(needs 3\).*; traffic leaves; web: .*b \d+ -> 0.*; nothing to do now: within the goal/,
    );
    const facts = Object.fromEntries(notice.facts);
    expect(facts).toMatchObject({
      cluster: 'prod',
      region: 'b',
      services: 'web',
      done: expect.stringContaining('b '),
      convergence: '- of 60.0 s: not over yet',
      times: expect.stringMatching(/^t0 -, t1 -, t2 \+0\.0 s, t3 \+\d+\.\d s, t4 -, t5 -, t6 - \(t3 .*Z\)$/),
      decision: `v ${page?.v}`,
      incident: `${page?.v}-b`,
      key: page?.dedupKey,
    });
  });

  test('when it is back the end has the same key and asks for nothing', () => {
    const council = drained();
    council.watch({}, 10 * MIN);
    const end = council.pages.find(({ type }) => type === 'incident.resolved');
    const notice = noticeOf(end!, BASE);
    expect(notice.action).toBe('resolve');
    expect(notice.headline).toMatch(/^b carries its full share again, \d+ s after it was drained$/);
    expect(Object.fromEntries(notice.facts)).not.toHaveProperty('to do');
  });
});

test('what was measured stands beside the goals', () => {
  const t3AtMs = Date.UTC(2026, 10, 26, 3, 12);
  const course = {
    t0AtMs: t3AtMs - 6_100,
    t1AtMs: t3AtMs - 4_000,
    t2AtMs: t3AtMs - 500,
    t3AtMs,
    t4AtMs: t3AtMs + 400,
    t5AtMs: t3AtMs + 900,
    t6AtMs: t3AtMs + 71_000,
    detection: { ms: 6_100, goalMs: 30_000, judgement: 'met' },
    convergence: { ms: 71_000, goalMs: 60_000, judgement: 'missed', waitingFor: [] },
  };
  expect(Object.fromEntries(noticeOf(pageOf('a', { detail: { course } }), BASE).facts)).toMatchObject({
    detection: '6.1 s of 30.0 s: met',
    convergence: '71.0 s of 60.0 s: missed',
    times: 't0 +0.0 s, t1 +2.1 s, t2 +5.6 s, t3 +6.1 s, t4 +6.5 s, t5 +7.0 s, t6 +77.1 s (t3 2026-11-26T03:12:00.000Z)',
  });
});

test.each([
  ['service.hold_all_down', 'critical', /; act now: /],
  ['service.hold_pool-rule', 'warning', /; have a look: automation holds still/],
  ['convergence.missed', 'critical', /; act now: users are still sent/],
  ['store.lost', 'critical', /; act now: nothing can be decided/],
  ['override.set_aside', 'critical', /; whoever gave the order/],
  ['provider.canary_failing', 'warning', /; have a look at the provider$/],
  ['something.new', 'critical', /^said$/],
  ['region.drained', 'info', /^said$/],
] as const)('%s of severity %s needs what stands there', (type, severity, line) => {
  expect(noticeOf(pageOf('a', { type, severity, summary: 'said' }), BASE).headline).toMatch(line);
});

test('commands that would act, and why, stand below', () => {
  const detail = { because: '/readyz: connection refused', commands: ['one', 'two', 'three', 'four'] };
  const facts = Object.fromEntries(noticeOf(pageOf('a', { type: 'belief.down', detail }), BASE).facts);
  expect(facts).toMatchObject({ command: 'one', 'command 2': 'two', 'command 3': 'three', because: '/readyz: connection refused' });
  expect(Object.values(facts)).not.toContain('four');
});

test('without an address there is no link, nor for what no decision told', () => {
  expect(noticeOf(pageOf('a'), { ...BASE, baseUrl: null }).link).toBeNull();
  expect(noticeOf(pageOf('a', { v: 0 }), BASE).link).toBeNull();
});

test('whatever a page holds, the notice keeps to its contract and is the same each time', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 3_000 }),
    fc.constant('\r\nBcc: x@y\u2028\u0000'),
    fc.constant('🙂'.repeat(2_000)),
  );
  const detail = fc.dictionary(
    fc.oneof(text, fc.constantFrom('course', 'services', 'commands', 'changes', 'because', 'incident')),
    fc.oneof(text, fc.array(text), fc.jsonValue()),
  );
  fc.assert(
    fc.property(text, text, detail, fc.constantFrom('critical', 'info'), (summary, type, given, severity) => {
      const page = pageOf('a', { summary, type, severity: severity as 'critical' | 'info', detail: given as Record<string, unknown> });
      const notice = noticeOf(page, BASE);
      expect(notice).toEqual(noticeOf(page, BASE));
      const lines = [notice.headline, ...notice.facts.flat()];
      for (const line of lines) expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      expect(Array.from(notice.headline).length).toBeLessThanOrEqual(1_000);
      expect(notice.facts.length).toBeLessThanOrEqual(20);
      for (const [, value] of notice.facts) expect(Array.from(value).length).toBeLessThanOrEqual(500);
    }),
  );
});
