import { expect, test } from 'vitest';
import { createVirtual, seededRandom } from './virtual.ts';

test('timers run in order of due time and setting, whichever others are cancelled and whenever', async () => {
  const random = seededRandom('agenda');
  const virtual = createVirtual({ startWallMs: 0, seed: 1 });
  const expected: { dueMs: number; order: number }[] = [];
  const ran: number[] = [];
  const doomed: { cancel(): void }[] = [];
  for (let order = 0; order < 2000; order++) {
    const dueMs = 1 + Math.floor(random.unit() * 300);
    if (random.unit() < 0.6) doomed.push(virtual.ports.timers.after(dueMs, () => ran.push(-1)));
    else {
      virtual.ports.timers.after(dueMs, () => ran.push(order));
      expected.push({ dueMs, order });
    }
    // Those that are cancelled are so at any time: at once, among others, twice.
    if (random.unit() < 0.5) doomed.splice(Math.floor(random.unit() * doomed.length), 1)[0]?.cancel();
  }
  for (const timer of [...doomed, ...doomed]) timer.cancel();
  expect(virtual.pendingTimers()).toBe(expected.length);
  await virtual.advance(300);
  expect(ran).toEqual(expected.sort((a, b) => a.dueMs - b.dueMs || a.order - b.order).map(({ order }) => order));
  expect(virtual.pendingTimers()).toBe(0);
});

test('a crowd of cancelled timers is swept away, and the order of the others stays', async () => {
  const random = seededRandom('crowd');
  const virtual = createVirtual({ startWallMs: 0, seed: 1 });
  const expected: { dueMs: number; order: number }[] = [];
  const ran: number[] = [];
  for (let order = 0; order < 20_000; order++) {
    const dueMs = 1 + Math.floor(random.unit() * 100_000);
    const timer = virtual.ports.timers.after(dueMs, () => ran.push(order));
    if (random.unit() < 0.95) timer.cancel();
    else expected.push({ dueMs, order });
  }
  expect(virtual.pendingTimers()).toBe(expected.length);
  await virtual.advance(100_000);
  expect(ran).toEqual(expected.sort((a, b) => a.dueMs - b.dueMs || a.order - b.order).map(({ order }) => order));
});

test('a timer cancelled while its process is paused does not run after it', async () => {
  const virtual = createVirtual({ startWallMs: 0, seed: 1 });
  const process = virtual.spawn('one');
  const ran: string[] = [];
  const cancelled = process.ports.timers.after(10, () => ran.push('cancelled'));
  process.ports.timers.after(10, () => ran.push('kept'));
  process.pause();
  await virtual.advance(20);
  cancelled.cancel();
  process.resume();
  await virtual.advance(0);
  expect(ran).toEqual(['kept']);
  expect(virtual.pendingTimers()).toBe(0);
});

test('a timer that is reserved runs in the order in which it was reserved, if it is set in time; late by as much as it was set late; else never', async () => {
  const virtual = createVirtual({ startWallMs: 0, seed: 1 });
  const { ports, reserve } = virtual.spawn('one', { rate: 0.5 });
  const ran: string[] = [];
  const note = (what: string) => () => ran.push(`${what}@${virtual.now()}`);
  const [kept, late, dropped] = [reserve(10, note('kept')), reserve(10, note('late')), reserve(10, note('dropped'))];
  ports.timers.after(10, note('after'));
  expect(virtual.pendingTimers()).toBe(1);
  expect(kept.dueMs).toBe(20);
  await virtual.advance(15);
  kept.set();
  dropped.set();
  dropped.cancel();
  await virtual.advance(10);
  late.set();
  kept.set();
  await virtual.advance(0);
  expect(ran).toEqual(['kept@20', 'after@20', 'late@25']);
  expect(virtual.pendingTimers()).toBe(0);
});
