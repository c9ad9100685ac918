// Bursts by turns, beside a dumb twin that asks every burst each time, which is what a look once cost.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Burst, burstOf, endBurst, nextTurnMs, noBursts, putBurst, takeDue } from '../../src/health/bursts.ts';

const TARGETS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

const step = fc.oneof(
  fc.record({
    kind: fc.constant('put' as const),
    target: fc.constantFrom(...TARGETS),
    inMs: fc.nat(50),
    everyMs: fc.integer({ min: 1, max: 50 }),
  }),
  fc.record({ kind: fc.constant('end' as const), target: fc.constantFrom(...TARGETS) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(40) }),
);

const burst = (nextAtMs: number, everyMs: number, untilMs: number): Burst => ({ startedAtMs: 0, nextAtMs, untilMs, everyMs, warm: false });

const sweep = (twin: Map<string, Burst>, nowMs: number): string[] =>
  [...twin].filter(([, { nextAtMs, untilMs }]) => Math.min(nextAtMs, untilMs) <= nowMs).map(([target]) => target);

test('whatever begins, ends and comes round, the same bursts are due, in the order in which they began, as when all are asked', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const bursts = noBursts();
      const twin = new Map<string, Burst>();
      let nowMs = 0;
      const put = (target: string, next: Burst): void => {
        putBurst(bursts, target, next);
        twin.set(target, next);
      };
      for (const s of steps) {
        if (s.kind === 'put') put(s.target, burst(nowMs + s.inMs, s.everyMs, nowMs + 120));
        else if (s.kind === 'end') {
          endBurst(bursts, s.target);
          twin.delete(s.target);
        } else nowMs += s.ms;
        const due = takeDue(bursts, nowMs);
        expect(due.map(({ target }) => target)).toEqual(sweep(twin, nowMs));
        for (const { target, burst: b } of due) {
          if (b.untilMs > nowMs) put(target, { ...b, nextAtMs: nowMs + b.everyMs });
          else {
            endBurst(bursts, target);
            twin.delete(target);
          }
        }
        for (const target of TARGETS) expect(burstOf(bursts, target)).toBe(twin.get(target));
        expect(nextTurnMs(bursts)).toBe(Math.min(...[...twin.values()].map(({ nextAtMs, untilMs }) => Math.min(nextAtMs, untilMs))));
      }
    }),
  );
});

test('turns that a later burst has made void do not pile up', () => {
  const bursts = noBursts();
  for (let nowMs = 0; nowMs < 100_000; nowMs += 10) {
    for (const { target, burst: b } of takeDue(bursts, nowMs)) putBurst(bursts, target, { ...b, nextAtMs: nowMs + b.everyMs });
    for (const target of TARGETS) {
      endBurst(bursts, target);
      putBurst(bursts, target, burst(nowMs + 1000, 1000, 200_000));
    }
  }
  expect(bursts.under.size).toBe(TARGETS.length);
  expect(bursts.turns.length).toBeLessThan(110 * TARGETS.length);
});
