// The runs as a replica sees them: looked at when the store hints, now and then without, never twice at once; and which of them a human should look at.
import { expect, test } from 'vitest';
import { createRunFeed } from '../../src/api/run-feed.ts';
import { runFacts } from '../../src/api/run-view.ts';
import { Fault } from '../../src/errors.ts';
import type { Run } from '../../src/runbook/model.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual } from '../virtual.ts';
import { NOW_MS } from './fixture.ts';
import { FLIP, READY, run, stepped } from './runs.fixture.ts';

const feedAt = () => {
  const virtual = createVirtual({ startWallMs: NOW_MS, seed: 1 });
  const log = recordingLog();
  const seen: (readonly Run[])[] = [];
  const world = { runs: [run('r')] as readonly Run[], looks: 0, trouble: false, takesMs: 0, hint: (): void => undefined, watched: 0 };
  const feed = createRunFeed({
    store: {
      watch(prefix, onEvent) {
        expect(prefix).toBe('run/');
        world.watched += 1;
        world.hint = () => onEvent({ kind: 'changed', rev: 1, keys: ['run/r'] });
        const close = (): void => {
          world.watched -= 1;
        };
        return { close };
      },
    },
    ports: virtual.ports,
    log,
    reader: {
      async runs() {
        world.looks += 1;
        const { runs, trouble } = world;
        if (world.takesMs > 0) await new Promise<void>((resolve) => void virtual.ports.timers.after(world.takesMs, resolve));
        if (trouble) throw new Fault('ERR_STORE_UNREACHABLE', 'the store did not answer');
        return runs;
      },
    },
    onRuns: (runs) => void seen.push(runs),
  });
  return { virtual, log, seen, world, feed };
};

test('looks at once, soon after a hint, and every ten seconds without one', async () => {
  const { virtual, seen, world, feed } = feedAt();
  expect(feed.latest()).toBeNull();
  await virtual.advance(0);
  expect([world.looks, feed.latest()]).toEqual([1, world.runs]);
  world.runs = [run('r', { state: 'done' })];
  world.hint();
  world.hint();
  await virtual.advance(200);
  expect([world.looks, seen.at(-1)]).toEqual([2, world.runs]);
  await virtual.advance(10_000);
  expect(world.looks).toBe(3);
  await feed.close();
  expect([world.watched, virtual.pendingTimers()]).toEqual([0, 0]);
  world.hint();
  await virtual.advance(60_000);
  expect(world.looks).toBe(3);
});

test('a hint during a look is another look behind it, never beside it', async () => {
  const { virtual, world, feed } = feedAt();
  world.takesMs = 3_000;
  await virtual.advance(0);
  world.hint();
  await virtual.advance(200);
  for (let n = 0; n < 5; n += 1) world.hint();
  const before = world.looks;
  await virtual.advance(2_500);
  expect(world.looks).toBe(before);
  await virtual.advance(900);
  expect(world.looks).toBe(before + 1);
  const closing = feed.close();
  await virtual.advance(3_000);
  await closing;
  expect(virtual.pendingTimers()).toBe(0);
});

test('what cannot be read leaves what was known, is said once, and is tried again', async () => {
  const { virtual, log, seen, world, feed } = feedAt();
  await virtual.advance(0);
  world.trouble = true;
  await virtual.advance(20_000);
  expect(feed.latest()).toEqual(world.runs);
  expect(world.looks).toBeGreaterThan(3);
  expect(log.of('runs.unseen')).toHaveLength(1);
  world.trouble = false;
  await virtual.advance(2_000);
  expect(log.of('runs.seen')).toHaveLength(1);
  expect(seen.length).toBeGreaterThan(1);
  await feed.close();
});

test('a human should look at what asks, and at what failed last; what goes on is well, what has ended is not told', () => {
  const at = (id: string, createdAtMs: number, given: Partial<Run> = {}): Run => run(id, { createdAtMs, ...given });
  const facts = runFacts([
    stepped(at('asks', 9), { [FLIP]: { state: 'asking', because: 'waits for 2 persons to agree' }, [READY]: { state: 'acting' } }),
    at('proposed', 8, { platform: 'a', state: 'proposed', because: 'eu-west is down', approval: { persons: 1, by: [], untilMs: 9 } }),
    at('goes', 7, { platform: 'b' }),
    at('failed', 6, { platform: 'c', state: 'failed', because: 'workers never came' }),
    at('armed', 7, { platform: 'c', state: 'done', purpose: 'prearm' }),
    at('followed', 5, { platform: 'd', state: 'failed' }),
    at('follows', 6, { platform: 'd', state: 'done' }),
    at('prearm', 6, { platform: 'e', state: 'failed', purpose: 'prearm' }),
  ]);
  expect(facts).toEqual([
    { id: 'asks', state: 'running', trouble: `asks: ${FLIP}: waits for 2 persons to agree` },
    { id: 'proposed', state: 'proposed', trouble: 'asks: eu-west is down' },
    { id: 'goes', state: 'running', trouble: null },
    { id: 'failed', state: 'failed', trouble: 'failed, and nothing has followed: workers never came' },
  ]);
});
