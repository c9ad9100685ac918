// When a system is left alone, for how long, and what is no reason to.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { Answered } from '../../src/exchange.ts';
import { DeadlineError } from '../../src/ports.ts';
import { createBreaker, isTrouble, LeftAlone } from '../../src/runbook/breaker.ts';
import { createVirtual } from '../virtual.ts';

const START_WALL_MS = Date.UTC(2026, 7, 1, 12);
const setUp = () => {
  const virtual = createVirtual({ startWallMs: START_WALL_MS, seed: 1 });
  const breaker = createBreaker('metrics', virtual.ports.clock);
  let calls = 0;
  const call = (outcome: unknown, given?: AbortSignal) =>
    breaker
      .run(async () => {
        calls++;
        if (outcome !== 'fine') throw outcome;
        return 'fine';
      }, given)
      .catch((error: unknown) => error);
  return { virtual, breaker, call, calls: () => calls };
};
const trouble = new Error('connect ECONNREFUSED');

describe('a breaker', () => {
  test('five failures in a row open it; the sentence says until when; then one call finds out', async () => {
    const { virtual, breaker, call, calls } = setUp();
    for (let time = 0; time < 4; time++) await call(trouble);
    expect(breaker.standing()).toMatchObject({ state: 'closed', failures: 4 });
    await call(trouble);
    const refused = await call('fine');
    expect(refused).toBeInstanceOf(LeftAlone);
    expect(String(refused)).toContain(
      'metrics: 5 failures in a row, left alone until 2026-08-01T12:00:05.000Z; the last: connect ECONNREFUSED',
    );
    expect(calls()).toBe(5);
    await virtual.advance(4_999);
    expect(await call('fine')).toBeInstanceOf(LeftAlone);
    await virtual.advance(1);
    expect(breaker.standing().state).toBe('half-open');
    expect(await call('fine')).toBe('fine');
    expect(breaker.standing()).toEqual({ state: 'closed', failures: 0, restsUntilAtMs: null, because: 'metrics answers' });
  });

  test('a trial that fails opens it again, and while one is under way nobody else is let in', async () => {
    const { virtual, breaker, call, calls } = setUp();
    for (let time = 0; time < 5; time++) await call(trouble);
    await virtual.advance(5_000);
    const trial = Promise.withResolvers<string>();
    const running = breaker.run(() => trial.promise);
    expect(await call('fine')).toBeInstanceOf(LeftAlone);
    trial.reject(trouble);
    await expect(running).rejects.toBe(trouble);
    expect(breaker.standing()).toMatchObject({ state: 'open', restsUntilAtMs: START_WALL_MS + 10_000 });
    expect(calls()).toBe(5);
  });

  test('whoever answers is not left alone, and one answer forgets the failures', async () => {
    const { breaker, call } = setUp();
    for (let time = 0; time < 4; time++) await call(trouble);
    await call(new Answered(404, 'not found'));
    expect(breaker.standing()).toMatchObject({ state: 'closed', failures: 0 });
  });

  test('that whoever called has ended it is nobody’s failure, unless it was its deadline', async () => {
    const { breaker, call } = setUp();
    const stopping = new Error('stopping');
    for (let time = 0; time < 9; time++) await call(stopping, AbortSignal.abort(stopping));
    expect(breaker.standing()).toMatchObject({ state: 'closed', failures: 0 });
    const late = new DeadlineError('step', 5);
    for (let time = 0; time < 5; time++) await call(late, AbortSignal.abort(late));
    expect(breaker.standing().state).toBe('open');
  });

  test.each([
    [new Answered(400, ''), false],
    [new Answered(409, ''), false],
    [new Answered(408, ''), true],
    [new Answered(425, ''), true],
    [new Answered(429, ''), true],
    [new Answered(500, ''), true],
    [new Answered(302, ''), false],
    [Object.assign(new Error('5 NOT_FOUND'), { code: 5 }), false],
    [Object.assign(new Error('14 UNAVAILABLE'), { code: 14 }), true],
    [Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), true],
    [new Fault('ERR_SECRET', 'no token'), false],
    ['text', true],
  ])('%s is trouble: %s', (error, is) => {
    expect(isTrouble(error)).toBe(is);
  });

  test('whatever happens, a working system is asked again within five seconds', async () => {
    const step = fc.oneof(fc.constant(trouble), fc.constant('fine'), fc.nat(6_000));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { virtual, call } = setUp();
        for (const one of steps) {
          if (typeof one === 'number') await virtual.advance(one);
          else await call(one);
        }
        await virtual.advance(5_000);
        expect(await call('fine')).toBe('fine');
      }),
    );
  });
});
