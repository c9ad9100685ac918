// How often a panel asks: never twice at once, at most once a second however many events come in, and not at all while nobody looks.
import { expect, test } from 'vitest';
import { paced } from '../../src/dashboard/page/protocol.ts';

/** A clock that is set by hand, and answers that come when they are told to. */
const world = () => {
  let [nowMs, isVisible] = [0, true];
  let timers: { atMs: number; act: () => void }[] = [];
  const asks: { atMs: number; answer(): Promise<void> }[] = [];
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    asks,
    door: {
      after(ms: number, act: () => void) {
        const timer = { atMs: nowMs + ms, act };
        timers.push(timer);
        return () => {
          timers = timers.filter((each) => each !== timer);
        };
      },
      isVisible: () => isVisible,
      monoMs: () => nowMs,
    },
    look: () =>
      new Promise<void>((resolve) => {
        asks.push({
          atMs: nowMs,
          answer() {
            resolve();
            return settled();
          },
        });
      }),
    show(visible: boolean) {
      isVisible = visible;
    },
    to(ms: number) {
      nowMs = ms;
      const due = timers.filter(({ atMs }) => atMs <= nowMs);
      timers = timers.filter(({ atMs }) => atMs > nowMs);
      for (const { act } of due) act();
    },
    timers: () => timers.length,
  };
};

test('asks at once, and again after its span, counted from the answer', async () => {
  const { asks, door, look, to } = world();
  paced(look, 10_000, door);
  to(4_000);
  await asks[0]?.answer();
  to(13_999);
  expect(asks).toHaveLength(1);
  to(14_000);
  expect(asks.map(({ atMs }) => atMs)).toEqual([0, 14_000]);
});

test('a burst of events is one more question a second later; events during a question are one after its answer, and none is lost', async () => {
  const { asks, door, look, to } = world();
  const { soon } = paced(look, 10_000, door);
  await asks[0]?.answer();
  for (const ms of [100, 200, 300]) {
    to(ms);
    soon();
  }
  to(999);
  expect(asks).toHaveLength(1);
  to(1_000);
  expect(asks).toHaveLength(2);
  // A slow line: the answer takes longer than events come. Nothing is asked beside it.
  for (const ms of [1_500, 2_500, 3_500]) {
    to(ms);
    soon();
  }
  expect(asks).toHaveLength(2);
  await asks[1]?.answer();
  to(4_500);
  expect(asks.map(({ atMs }) => atMs)).toEqual([0, 1_000, 4_500]);
});

test('while nobody looks nothing is asked, and whoever comes back is not made to wait for the span', async () => {
  const { asks, door, look, to, show } = world();
  paced(look, 10_000, door);
  await asks[0]?.answer();
  show(false);
  to(10_000);
  to(20_000);
  expect(asks).toHaveLength(1);
  show(true);
  to(21_000);
  expect(asks).toHaveLength(2);
});

test('what was stopped asks no more, also when it was stopped in the middle of a question', async () => {
  const { asks, door, look, to, timers } = world();
  const { soon, stop } = paced(look, 10_000, door);
  stop();
  await asks[0]?.answer();
  soon();
  expect(timers()).toBe(0);
  to(60_000);
  expect(asks).toHaveLength(1);
});
