// Errors now and then: the statistic against a table and against a dumb twin that keeps every look, and what of it the vantage machine counts and says.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GRAY, policyOf } from '../../src/config/defaults.ts';
import { afterLookAmid, afterScheduledLook, type Gray, type GrayRule, grayRuleOf, grayWeights, NOT_GRAY } from '../../src/health/gray.ts';
import { afterLook, freshOpinion, type Opinion } from '../../src/health/opinion.ts';
import { ownerOf } from '../../src/health/owner.ts';
import { sameContent } from '../../src/health/speech.ts';
import type { Outcome } from '../../src/model.ts';
import { fault, id, key, type Machine, nothing, ok, rulesOf, warm, watching } from './machine.ts';

const RULE: GrayRule = grayRuleOf(policyOf({})) ?? expect.fail('the default is not off');

type Saw = Outcome['saw'];
const SAWS: Readonly<Record<string, Saw>> = { f: 'fault', o: 'ok', n: 'nothing' };

/** `f` a fault, `o` an ok, `n` nothing; `f*4` four of them. */
const hear = (text: string, rule = RULE): Gray =>
  text
    .split(' ')
    .flatMap((word) => Array.from({ length: Number(word.slice(2) || 1) }, () => SAWS[word[0] ?? ''] ?? expect.fail(word)))
    .reduce((g: Gray, saw) => afterScheduledLook(g, saw, rule), NOT_GRAY);

describe('weights', () => {
  test('follow from the two rates', () => {
    const { perFault, perOk } = grayWeights(GRAY);
    expect(perFault).toBeCloseTo(Math.log(0.3 / 0.01), 12);
    expect(perOk).toBeCloseTo(Math.log(0.7 / 0.99), 12);
    expect([perFault.toFixed(2), perOk.toFixed(3)]).toEqual(['3.40', '-0.347']);
  });

  test('on average the evidence falls at the acceptable rate and rises at the rejectable one, whatever they are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 490 }), (acceptable, more) => {
        const rejectable = Math.min(990, acceptable + more);
        const { perFault, perOk } = grayWeights({ acceptable, rejectable });
        const drift = (rate: number): number => (rate * perFault + (1000 - rate) * perOk) / 1000;
        expect(drift(acceptable)).toBeLessThan(0);
        expect(drift(rejectable)).toBeGreaterThan(0);
      }),
    );
  });

  test('nobody asks when it is off, nor in a configuration of 0.1', () => {
    const { gray: _, ...old } = policyOf({});
    expect([grayRuleOf(policyOf({ gray: null })), grayRuleOf(old)]).toEqual([null, null]);
  });
});

describe('the statistic', () => {
  test.each([
    ['f', false, 'one fault is a lost packet'],
    ['f*3', false, 'three in a row are not enough'],
    ['f*4', true, 'four are'],
    ['f*3 o*4 f', true, 'a success in between is forgiven slowly'],
    ['f*3 o*5 f', false, 'but it is'],
    ['f*3 n*9 f', true, 'nothing is no look'],
    ['o*5000 f*4', true, 'a good year hides nothing'],
    ['f*4 o*34', true, 'it is not over before the evidence is used up'],
    ['f*4 o*35', false, 'then it is'],
    ['f*5000 o*35', false, 'and after a day of errors no later'],
    ['f*4 o*35 f*3', false, 'the next alarm starts from nothing'],
    ['f*4 o*34 f o*9', true, 'an error meanwhile puts the end off'],
  ])('%s: %s (%s)', (looks, gray) => {
    expect(hear(looks).gray).toBe(gray);
  });

  // Runs of a kind, so that both the alarm and its end are met.
  const run = fc.tuple(
    fc.constantFrom<Saw>('fault', 'fault', 'ok', 'ok', 'ok', 'nothing'),
    fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })),
  );
  const looks = fc.array(run, { maxLength: 14 }).map((runs) => runs.flatMap(([saw, n]): Saw[] => Array(n).fill(saw)));
  const after = (list: readonly Saw[]): Gray => list.reduce((g: Gray, saw) => afterScheduledLook(g, saw, RULE), NOT_GRAY);

  /** Keeps every look: the evidence from each past moment on, and the last moments at which an alarm began and one ended. */
  const twin = (list: readonly Saw[]): boolean => {
    const { perFault, perOk } = grayWeights(GRAY);
    let [from, isGray] = [0, false];
    for (let end = 1; end <= list.length; end++) {
      const since = list.slice(from, end).filter((saw) => saw !== 'nothing');
      const sums = since.map((_, i) => since.slice(i).reduce((sum, saw) => sum + (saw === 'fault' ? perFault : perOk), 0));
      // From some moment on, the looks since then speak for errors, or, once it is gray, against them, by the threshold.
      const isOver = isGray && sums.some((sum) => sum <= -GRAY.threshold + 1e-9);
      const hasBegun = !isGray && sums.some((sum) => sum >= GRAY.threshold - 1e-9);
      if (isOver || hasBegun) [isGray, from] = [hasBegun, end];
    }
    return isGray;
  };

  test('agrees with a twin that keeps every look, and asks the same of the end as of the beginning', () => {
    fc.assert(
      fc.property(looks, (list) => {
        expect(after(list).gray).toBe(twin(list));
      }),
      { numRuns: 600 },
    );
  });

  test('a fault instead of a success never makes anything less gray', () => {
    fc.assert(
      fc.property(looks, fc.nat(60), (list, at) => {
        const [better, worse] = [after(list), after(list.map((saw, i) => (i === at && saw === 'ok' ? 'fault' : saw)))];
        expect(worse.evidence).toBeGreaterThanOrEqual(better.evidence);
        if (better.gray) expect(worse.gray).toBe(true);
      }),
    );
  });

  test('the evidence stays within its bounds, and nothing is gray without any', () => {
    fc.assert(
      fc.property(looks, (list) => {
        const { evidence, gray } = after(list);
        expect(evidence).toBeGreaterThanOrEqual(0);
        expect(evidence).toBeLessThanOrEqual(RULE.alarmAt);
        if (evidence === 0) expect(gray).toBe(false);
        if (evidence === RULE.alarmAt) expect(gray).toBe(true);
      }),
    );
  });
});

describe('amid an opinion', () => {
  const opinion = (...faultsAtMs: readonly number[]): Opinion => {
    const rule = { k: 3, spanMs: 2000 };
    const seen = [1000, 2000, 3000].reduce((o, at) => afterLook(o, at, ok, rule), freshOpinion);
    return faultsAtMs.reduce((o, at) => afterLook(o, at, fault, rule), seen);
  };
  const nearly: Gray = { evidence: 11, gray: false };

  test.each([
    ['within warm-up nothing is held against anybody', freshOpinion, 'fault', nearly],
    ['what has been down since the last scheduled look has its own verdict', opinion(5000, 6000, 7000), 'fault', NOT_GRAY],
    ['a streak that is no outage counts', opinion(5000), 'fault', { evidence: 12, gray: true }],
    ['nor is a short spell of being down', opinion(7000, 8000, 9000), 'fault', { evidence: 12, gray: true }],
    ['which ends with a success like any other', opinion(7000, 8000, 9000), 'ok', afterScheduledLook(nearly, 'ok', RULE)],
    ['nothing is no look, down or not', opinion(5000, 6000, 7000), 'nothing', nearly],
  ] as const)('%s', (_, before, saw, expected) => {
    expect(afterLookAmid(nearly, before, 10_000, saw, RULE)).toEqual(expected);
  });
});

describe('the vantage', () => {
  const one = rulesOf(watching(['t1']), { gray: RULE });
  const readyz = key('t1', 'readyz');
  /** Scheduled looks at one endpoint every interval; probes of bursts are answered well. */
  const see = (m: Machine, outcomes: readonly Outcome[], at = readyz): void => {
    for (const outcome of outcomes) {
      m.runTo(m.nowMs + 5000);
      m.look(at, outcome, false, true);
    }
  };
  const ready = (rules = one): Machine => {
    const m = warm(rules);
    m.answer = () => ok;
    return m;
  };

  test('says gray of an endpoint whose scheduled looks fail, while every burst sees it well', () => {
    const m = ready();
    see(m, [fault, ok, fault, ok, fault]);
    expect(m.vote).not.toHaveProperty('gray');
    see(m, [fault]);
    expect(m.vote).toMatchObject({ gray: [readyz], down: [], unready: [] });
    see(m, Array(35).fill(ok));
    expect(m.vote).not.toHaveProperty('gray');
  });

  test('looks beside the schedule count for nothing, whatever they see', () => {
    const m = ready();
    for (let i = 0; i < 50; i++) {
      m.runTo(m.nowMs + 1000);
      m.look(readyz, i % 2 === 0 ? fault : ok);
    }
    expect(m.vote).not.toHaveProperty('gray');
  });

  test('what is hard down is not gray, and its return starts from nothing', () => {
    const m = ready();
    see(m, [fault, ok, fault, ok, fault, fault]);
    expect(m.vote.gray).toEqual([readyz]);
    m.answer = (k) => (k === readyz ? fault : ok);
    see(m, Array(20).fill(fault));
    expect(m.vote).toMatchObject({ unready: [id('t1')] });
    expect(m.vote).not.toHaveProperty('gray');
    m.answer = () => ok;
    see(m, [ok, fault, fault, fault]);
    expect(m.vote).not.toHaveProperty('gray');
    see(m, [fault]);
    expect(m.vote.gray).toEqual([readyz]);
  });

  test('a death is never called gray on its way', () => {
    const m = ready();
    m.answer = () => fault;
    for (let i = 0; i < 20; i++) {
      see(m, [fault]);
      m.look(key('t1'), fault, false, true);
      expect(m.vote).not.toHaveProperty('gray');
    }
  });

  test('while it doubts itself it holds nothing against others', () => {
    const m = ready();
    m.feed({ kind: 'self', facts: { anchorsConfigured: 2, anchorsUnreachable: ['x', 'y'], loopDelayP99Ms: 0 } });
    expect(m.vote.self.state).toBe('abstain');
    see(m, [fault, ok, fault, ok, fault, ok, fault, ok, fault]);
    expect(m.vote).not.toHaveProperty('gray');
  });

  test('nobody asks: nothing is said', () => {
    const m = ready(rulesOf(watching(['t1'])));
    see(m, [fault, ok, fault, ok, fault, fault, fault, ok, fault]);
    expect(m.vote).not.toHaveProperty('gray');
  });

  test('what it no longer owns is forgotten', () => {
    const names = Array.from({ length: 8 }, (_, i) => `t${i}`);
    const m = ready(rulesOf(watching(names), { gray: RULE }));
    for (const name of names) see(m, [fault, ok, fault, ok, fault, fault], key(name));
    expect(m.vote.gray).toEqual(names.map((name) => key(name)));
    m.feed({ kind: 'company', company: { peers: ['a', 'b'], elder: null, spellOut: false } });
    const mine = names.filter((name) => ownerOf(id(name), ['a', 'b']) === 'a').map((name) => key(name));
    expect(mine.length).toBeGreaterThan(0);
    expect(mine.length).toBeLessThan(names.length);
    expect(m.vote.gray).toEqual(mine);
    m.feed({ kind: 'company', company: { peers: ['a'], elder: null, spellOut: false } });
    expect(m.vote.gray).toEqual(mine);
  });

  test('is part of what a vote says, and an empty list is none', () => {
    const m = ready();
    const { vote } = m;
    expect(sameContent(vote, { ...vote, gray: [] })).toBe(true);
    expect(sameContent(vote, { ...vote, gray: [readyz] })).toBe(false);
    const before = m.vote.seq;
    see(m, [nothing, nothing, fault]);
    expect(m.vote.seq).toBe(before);
    see(m, [ok, fault, ok, fault, fault]);
    expect(m.vote.seq).toBe(before + 1);
  });
});
