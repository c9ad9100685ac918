// What one vantage believes of one endpoint, against a table, and against a dumb twin that forgets nothing and sorts.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterLook, afterPending, freshOpinion, isSuspect, type Opinion, type OpinionRule } from '../../src/health/opinion.ts';
import type { Outcome } from '../../src/model.ts';

const ok: Outcome = { saw: 'ok', tookMs: 5 };
const fault: Outcome = { saw: 'fault', reason: 'refused', tookMs: 5, detail: 'refused' };
const nothing: Outcome = { saw: 'nothing', detail: 'late' };

const RULE: OpinionRule = { k: 3, spanMs: 2000 };

/** `o1000 f2000 n3000 p4000`: an ok, a fault, nothing, a probe pending too long, each with its start, in order of arrival. */
const hear = (text: string, rule = RULE): Opinion =>
  text.split(' ').reduce((o: Opinion, word) => {
    const startedAtMs = Number(word.slice(1));
    switch (word[0]) {
      case 'o':
        return afterLook(o, startedAtMs, ok, rule);
      case 'f':
        return afterLook(o, startedAtMs, fault, rule);
      case 'n':
        return afterLook(o, startedAtMs, nothing, rule);
      case 'p':
        return afterPending(o, startedAtMs);
      default:
        throw new Error(`no such look: ${word}`);
    }
  }, freshOpinion);

describe('k faults over a span', () => {
  test.each([
    ['f0', 'unknown', 'one fault at boot claims nothing'],
    ['o0', 'unknown', 'one success claims nothing before k looks'],
    ['o0 o1000 o2000', 'up', 'k looks with a success end the warm-up'],
    ['o0 f1000 o2000', 'up', 'a fault among them is a look too'],
    ['n0 n1000 n2000 o3000', 'unknown', 'nothing is no look'],
    ['o0 o1 o2 f1000', 'up', 'one fault changes nothing'],
    ['o0 o1 o2 f1000 f2000', 'up', 'k - 1 faults change nothing'],
    ['o0 o1 o2 f1000 f2000 f3000', 'down', 'k faults over the span are down, at exactly the span'],
    ['o0 o1 o2 f1000 f2000 f2999', 'up', 'k faults in less than the span are not'],
    ['o0 o1 o2 f1000 f1100 f1200 f1300 f1400', 'up', 'nor are more than k of them'],
    ['o0 o1 o2 f1000 f1100 f1200 f3000', 'down', 'until the streak spans it'],
    ['o0 o1 o2 f1000 f2000 f2500 f3000', 'down', 'a look amid the burst makes nothing less down'],
    ['f0 f100 f200', 'unknown', 'k faults at boot within the span: never called up without a success'],
    ['f0 f1000 f2000', 'down', 'a target that is dead at boot is down after k looks'],
    ['f0 f100 o200', 'up', 'its first success says up, with k looks made'],
    ['o0 o1 o2 f1000 f2000 f3000 o4000', 'up', 'one success clears a down'],
    ['o0 o1 o2 f1000 f2000 f3000 o4000 f5000 f6000', 'up', 'and the next streak starts from nothing'],
    ['o0 o1 o2 f1000 f2000 f3000 n4000 n5000', 'down', 'nothing clears nothing'],
    ['o0 o1 o2 f1000 f2000 n2500 f3000', 'down', 'nothing interrupts no streak'],
  ])('%s: %s (%s)', (looks, state) => {
    expect(hear(looks).state).toBe(state);
  });

  test.each([1, 2, 20])('every k that may be configured can be reached: %i', (k) => {
    const rule = { k, spanMs: 2000 };
    const looks = Array.from({ length: 60 }, (_, i) => `f${1000 + i * 1000}`);
    const at = looks.findIndex((_, i) => hear(['o0', ...looks.slice(0, i + 1)].join(' '), rule).state === 'down');
    // Whatever is later: the k-th fault, or the one that completes the span.
    expect(at).toBe(Math.max(k - 1, 2));
  });

  test('a streak of days is remembered by its first fault, in bounded memory', () => {
    let o = hear('o0 o1 o2');
    for (let i = 1; i <= 10_000; i++) o = afterLook(o, i * 1000, fault, RULE);
    expect(o).toMatchObject({ state: 'down', faults: 10_000, firstFaultAtMs: 1000, lastOkAtMs: 2 });
    expect(o.faultsAtMs.length).toBeLessThan(100);
  });
});

describe('results out of order', () => {
  test.each([
    ['o0 o1 o2 f3000 f1000 f2000', 'down', 'faults count by their start'],
    ['o0 o1 o2 f1000 f3000 f4000 o2000', 'up', 'an older success that arrives late takes the faults before it away'],
    ['o0 o1 o2 f1000 f2000 f3000 f4000 o500', 'down', 'but none of those after it'],
    ['o0 o1 o2 f1000 f2000 f3000 f4000 o1500', 'down', 'enough later faults stand on their own'],
    ['o0 o1 o2 o5000 f3000 f3500 f4000', 'up', 'faults from before the last success are history'],
  ])('%s: %s (%s)', (looks, state) => {
    expect(hear(looks).state).toBe(state);
  });

  test('a late success tells when the present streak really began', () => {
    expect(hear('o0 o1 o2 f1000 f2000 f3000 o1500')).toMatchObject({ faults: 2, firstFaultAtMs: 2000, lastOkAtMs: 1500 });
  });
});

describe('pending', () => {
  test('a probe pending for too long is suspicion, not yet a fault', () => {
    const o = hear('o0 o1 o2 p1000');
    expect(isSuspect(o)).toBe(true);
    expect(o).toMatchObject({ faults: 0, pendingAtMs: 1000, state: 'up', reason: 'pending' });
  });

  test.each([
    ['o0 o1 o2 p1000 o1000', false, 'its own success'],
    ['o0 o1 o2 p1000 n1000', false, 'its own end without evidence'],
    ['o0 o1 o2 p1000 o2000', false, 'a later success'],
    ['o0 o1 o2 p1000 o500', true, 'an earlier success does not'],
    ['o0 o1 o2 p1000 f1000', true, 'its own fault is worse'],
    ['o0 o1 o2 p2', false, 'what was seen well since is not pending'],
  ])('%s: suspect %s (%s)', (looks, suspect) => {
    expect(isSuspect(hear(looks))).toBe(suspect);
  });

  test('the oldest pending probe is where the doubt began', () => {
    expect(hear('o0 o1 o2 p2000 p1000 p3000').pendingAtMs).toBe(1000);
  });
});

// ---- the dumb twin ----

interface Look {
  startedAtMs: number;
  outcome: Outcome;
}

/** Keeps every look, sorts by start, reads the rule off the end. */
const twin = (looks: readonly Look[], rule: OpinionRule) => {
  const valid = looks.filter((l) => l.outcome.saw !== 'nothing');
  const oks = valid.filter((l) => l.outcome.saw === 'ok').map((l) => l.startedAtMs);
  const lastOkAtMs = oks.length === 0 ? null : Math.max(...oks);
  const streak = valid
    .filter((l) => l.outcome.saw === 'fault' && (lastOkAtMs === null || l.startedAtMs > lastOkAtMs))
    .map((l) => l.startedAtMs)
    .sort((a, b) => a - b);
  const first = streak[0] ?? null;
  const down = first !== null && streak.length >= rule.k && (streak.at(-1) ?? first) - first >= rule.spanMs;
  const state = down ? 'down' : valid.length >= rule.k && lastOkAtMs !== null ? 'up' : 'unknown';
  return { state, faults: streak.length, firstFaultAtMs: first, lastOkAtMs };
};

const look = fc.record({ startedAtMs: fc.integer({ min: 0, max: 8000 }), outcome: fc.constantFrom(ok, fault, fault, nothing) });
const rules = fc.record({ k: fc.integer({ min: 1, max: 6 }), spanMs: fc.constantFrom(0, 500, 2000) });

describe('against a twin that keeps and sorts every look', () => {
  test('they agree after every look, in whatever order looks arrive', () => {
    fc.assert(
      fc.property(fc.array(look, { maxLength: 30 }), rules, (looks, rule) => {
        let o = freshOpinion;
        looks.forEach((l, i) => {
          o = afterLook(o, l.startedAtMs, l.outcome, rule);
          const { state, faults, firstFaultAtMs, lastOkAtMs } = o;
          expect({ state, faults, firstFaultAtMs, lastOkAtMs }).toEqual(twin(looks.slice(0, i + 1), rule));
        });
      }),
      { numRuns: 2000 },
    );
  });

  test('one more fault at the end never makes an opinion less down', () => {
    fc.assert(
      fc.property(fc.array(look, { maxLength: 20 }), rules, (looks, rule) => {
        const heard = looks.reduce((o, l) => afterLook(o, l.startedAtMs, l.outcome, rule), freshOpinion);
        const latestMs = Math.max(0, ...looks.map((l) => l.startedAtMs));
        const more = afterLook(heard, latestMs + 1, fault, rule);
        if (heard.state === 'down') expect(more.state).toBe('down');
        expect(more.faults).toBe(heard.faults + 1);
      }),
    );
  });

  test('pending probes and looks that saw nothing change no state', () => {
    fc.assert(
      fc.property(fc.array(look, { maxLength: 20 }), fc.integer({ min: 0, max: 9000 }), rules, (looks, atMs, rule) => {
        const heard = looks.reduce((o, l) => afterLook(o, l.startedAtMs, l.outcome, rule), freshOpinion);
        expect(afterPending(heard, atMs).state).toBe(heard.state);
        expect(afterLook(afterPending(heard, atMs), atMs, nothing, rule).state).toBe(heard.state);
      }),
    );
  });
});
