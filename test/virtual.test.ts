import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sleep, withDeadline } from '../src/ports.ts';
import { createVirtual, seededRandom } from './virtual.ts';

const virtual = () => createVirtual({ startWallMs: 1_700_000_000_000, seed: 1 });

test('timers run in due order, ties in the order they were set, at exactly their time', async () => {
  const { ports, advance, now } = virtual();
  const ran: string[] = [];
  ports.timers.after(20, () => ran.push(`b@${now()}`));
  ports.timers.after(10, () => ran.push(`a@${now()}`));
  ports.timers.after(20, () => ran.push(`c@${now()}`));
  ports.timers.after(15, () => ran.push('cancelled')).cancel();
  ports.timers.after(20.5, () => ran.push('later'));
  await advance(20);
  expect(ran).toEqual(['a@10', 'b@20', 'c@20']);
  expect(now()).toBe(20);
});

test('a chain of a thousand awaits settles before time moves on', async () => {
  const { ports, advance, now } = virtual();
  let endedAtMs = -1;
  ports.timers.after(5, async () => {
    for (let i = 0; i < 1000; i += 1) await null;
    await new Promise<void>((resolve) => process.nextTick(resolve));
    endedAtMs = now();
  });
  ports.timers.after(6, () => {});
  await advance(10);
  expect(endedAtMs).toBe(5);
});

test('sleep and withDeadline of the real ports run on it', async () => {
  const { ports, advance, now, pendingTimers } = virtual();
  const log: string[] = [];
  void (async () => {
    for (let i = 0; i < 3; i += 1) {
      await sleep(ports.timers, 100);
      log.push(`woke ${now()}`);
    }
    await withDeadline(ports.timers, 50, 'a stuck call', () => new Promise(() => {})).catch((error: Error) =>
      log.push(`${error.message} ${now()}`),
    );
  })();
  await advance(1000);
  expect(log).toEqual(['woke 100', 'woke 200', 'woke 300', 'a stuck call: no answer within 50 ms 350']);
  expect(pendingTimers()).toBe(0);
});

test('a paused process keeps its clocks, misses its timers and runs them late; others go on', async () => {
  const world = virtual();
  const one = world.spawn('one');
  const two = world.spawn('two');
  const startMs = one.ports.clock.monoMs();
  const ran: string[] = [];
  const delay = one.ports.loopDelay();
  one.ports.timers.after(10, () => ran.push(`one@${one.ports.clock.monoMs() - startMs}`));
  one.ports.timers.after(5, () => ran.push(`early@${one.ports.clock.monoMs() - startMs}`));
  two.ports.timers.after(10, () => ran.push(`two@${world.now()}`));
  one.pause();
  await world.advance(60_000);
  expect(ran).toEqual(['two@10']);
  one.resume();
  await world.advance(0);
  expect(ran).toEqual(['two@10', 'early@60000', 'one@60000']);
  expect([delay.p99Ms(), delay.p99Ms()]).toEqual([60_000, 0]);
});

test('a killed process runs nothing any more', async () => {
  const world = virtual();
  const one = world.spawn('one');
  let ran = 0;
  one.ports.timers.after(10, () => (ran += 1));
  one.kill();
  one.ports.timers.after(10, () => (ran += 1));
  await world.advance(100);
  expect(ran).toBe(0);
  expect(world.pendingTimers()).toBe(0);
});

test('a wall clock step leaves the monotonic clock alone', async () => {
  const world = virtual();
  const one = world.spawn('one', { wallSkewMs: 250 });
  const monoMs = one.ports.clock.monoMs();
  one.stepWall(-3_600_000);
  await world.advance(1000);
  expect(one.ports.clock.monoMs() - monoMs).toBe(1000);
  expect(one.ports.clock.wallMs()).toBe(1_700_000_000_000 + 250 - 3_600_000 + 1000);
});

test('the same seed gives the same numbers, another seed others', () => {
  const draw = (seed: string) => {
    const random = seededRandom(seed);
    return [random.unit(), random.hex(8)];
  };
  expect(draw('a')).toEqual(draw('a'));
  expect(draw('a')).not.toEqual(draw('b'));
  expect(draw('a')[1]).toMatch(/^[0-9a-f]{16}$/);
});

test('advanceUntil stops at the instant the condition holds, and says when it never did', async () => {
  const { ports, advanceUntil, now } = virtual();
  let rounds = 0;
  const again = (): void => {
    rounds += 1;
    ports.timers.after(100, again);
  };
  again();
  expect(await advanceUntil(() => rounds === 5, 10_000)).toBe(400);
  expect(now()).toBe(400);
  await expect(advanceUntil(() => false, 1000)).rejects.toThrow('not so within 1000 virtual ms');
});

test('an error thrown by a timer ends the advance; advancing within an advance is refused', async () => {
  const { ports, advance } = virtual();
  ports.timers.after(1, () => {
    throw new Error('boom');
  });
  await expect(advance(10)).rejects.toThrow('boom');
  let refusal: unknown;
  ports.timers.after(1, () => {
    advance(1).catch((error) => (refusal = error));
  });
  await advance(10);
  expect(String(refusal)).toContain('advance was called from within advance');
});

test('chains of process.nextTick and promises are run to their end, too, whoever asks for the advance', async () => {
  const { ports, advance, now } = virtual();
  const endedAtMs: number[] = [];
  ports.timers.after(5, async () => {
    for (let i = 0; i < 100; i += 1) await new Promise<void>((resolve) => process.nextTick(() => process.nextTick(resolve)));
    endedAtMs.push(now());
  });
  ports.timers.after(6, () => {});
  // From a promise's callback, and from a tick.
  await Promise.resolve().then(() => advance(5));
  await new Promise((resolve) => process.nextTick(() => resolve(advance(5))));
  expect(endedAtMs).toEqual([5]);
  expect(now()).toBe(10);
});

describe('a clock that runs at a rate of its own', () => {
  test('shows its own time, sets its own timers, and leaves the wall clock alone', async () => {
    const world = virtual();
    const [fast, slow] = [world.spawn('fast', { rate: 1.05 }), world.spawn('slow', { rate: 0.95 })];
    const started = [fast, slow].map(({ ports }) => ports.clock.monoMs());
    const ran: string[] = [];
    fast.ports.timers.after(1050, () => ran.push(`fast@${Math.round(world.now())}`));
    slow.ports.timers.after(950, () => ran.push(`slow@${Math.round(world.now())}`));
    slow.ports.timers.after(1000, () => ran.push(`slow@${Math.round(world.now())}`));
    world.ports.timers.after(1010, () => ran.push(`world@${world.now()}`));
    await world.advance(100_000);
    expect(ran.toSorted()).toEqual(['fast@1000', 'slow@1000', 'slow@1053', 'world@1010']);
    expect([fast, slow].map(({ ports }, i) => Math.round(ports.clock.monoMs() - (started[i] ?? 0)))).toEqual([105_000, 95_000]);
    expect([fast, slow].map(({ ports }) => ports.clock.wallMs())).toEqual([1_700_000_100_000, 1_700_000_100_000]);
  });

  test('is never behind what a timer has waited for, to the last bit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.double({ min: 0.95, max: 1.05, noNaN: true }),
        fc.array(fc.double({ min: 0, max: 5000, noNaN: true }), { minLength: 1, maxLength: 20 }),
        async (rate, waitsMs) => {
          const world = virtual();
          const { clock, timers } = world.spawn('one', { rate }).ports;
          let next = 0;
          const again = (): void => {
            const waitMs = waitsMs[next++];
            if (waitMs === undefined) return;
            const untilMs = clock.monoMs() + Math.max(1, waitMs);
            timers.after(waitMs, () => {
              expect(clock.monoMs()).toBeGreaterThanOrEqual(untilMs);
              expect(clock.monoMs()).toBeLessThan(untilMs + 0.001);
              again();
            });
          };
          again();
          await world.advance(200_000);
          expect(next).toBe(waitsMs.length + 1);
        },
      ),
    );
  });

  test('tells its loop delay in its own time', async () => {
    const world = virtual();
    const slow = world.spawn('slow', { rate: 0.95 });
    const delay = slow.ports.loopDelay();
    slow.pause();
    await world.advance(1000);
    slow.resume();
    expect(delay.p99Ms()).toBe(950);
  });
});

describe('a crash', () => {
  test('comes in place of the n-th timer from now, at its instant, and nothing runs after it', async () => {
    const world = virtual();
    const one = world.spawn('one');
    const ran: string[] = [];
    const every = (name: string, ms: number): void => {
      one.ports.timers.after(ms, () => {
        ran.push(`${name}@${world.now()}`);
        every(name, ms);
      });
    };
    one.ports.timers.after(15, () => ran.push('cancelled')).cancel();
    every('a', 10);
    every('b', 25);
    await world.advance(10);
    one.crashAfter(3, () => {
      ran.push(`crash@${world.now()}`);
      one.ports.timers.after(1, () => ran.push('after its death'));
    });
    await world.advance(1000);
    expect(ran).toEqual(['a@10', 'a@20', 'b@25', 'crash@30']);
    expect(world.pendingTimers()).toBe(0);
  });

  test('counts timers that come late after a pause, and the last word holds', async () => {
    const world = virtual();
    const one = world.spawn('one');
    const ran: number[] = [];
    for (let n = 1; n <= 5; n++) one.ports.timers.after(n, () => ran.push(n));
    one.crashAfter(1);
    one.crashAfter(4);
    one.pause();
    await world.advance(100);
    one.resume();
    await world.advance(0);
    expect(ran).toEqual([1, 2, 3]);
    expect(() => one.crashAfter(0)).toThrow('a whole number from 1');
  });
});
