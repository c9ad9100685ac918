import { expect, test } from 'vitest';
import type { Observation, Outcome } from '../../src/model.ts';
import type { Ports } from '../../src/ports.ts';
import { sleep } from '../../src/ports.ts';
import { createRunner, type Entry, IN_FLIGHT_MAX, type RunnerOptions } from '../../src/probe/runner.ts';
import { createVirtual } from '../virtual.ts';

const OK: Outcome = { saw: 'ok', tookMs: 1 };
const REFUSED: Outcome = { saw: 'fault', reason: 'refused', tookMs: 1, detail: 'ECONNREFUSED' };

/** A runner on virtual time; every look takes `takesMs` and sees `outcome`. */
const start = (entries: readonly Entry[], more: Partial<RunnerOptions> & { takesMs?: number; outcome?: () => Outcome } = {}) => {
  const world = createVirtual({ startWallMs: 0, seed: 1 });
  const process = world.spawn('prober');
  const { ports } = process;
  const originMonoMs = ports.clock.monoMs();
  const atMs = (monoMs: number): number => monoMs - originMonoMs;
  const seen: { key: string; atMs: number; saw: string; detail?: string; lateByMs: number }[] = [];
  const pending: string[] = [];
  const started: string[] = [];
  const { takesMs = 10, outcome = () => OK, ...options } = more;
  const runner = createRunner({
    ports,
    intervalMs: 5000,
    timeoutMs: 2000,
    suspectAfterMs: 1000,
    lateMs: 250,
    originMonoMs,
    async probe(key, startedAtMs) {
      started.push(`${key}@${atMs(startedAtMs)}`);
      await sleep(ports.timers, takesMs);
      return outcome();
    },
    onObservation({ key, startedAtMs, outcome }: Observation, lateByMs: number) {
      const detail = outcome.saw === 'ok' ? {} : { detail: outcome.detail };
      seen.push({ key, atMs: atMs(startedAtMs), saw: outcome.saw, ...detail, lateByMs });
    },
    onPending: (key, startedAtMs) => pending.push(`${key}@${atMs(startedAtMs)}`),
    concurrencyMax: 100,
    ...options,
  });
  runner.setEntries(entries);
  return { world, process, ports, runner, seen, pending, started };
};

test('each entry is looked at once per interval at its phase, for hours, without drift', async () => {
  const { world, started, seen } = start([
    { key: 'a', phaseMs: 1000 },
    { key: 'b', phaseMs: 3500 },
  ]);
  await world.advance(11_000);
  expect(started).toEqual(['a@1000', 'b@3500', 'a@6000', 'b@8500', 'a@11000']);
  await world.advance(10 * 3_600_000);
  expect(started).toHaveLength(2 * 7200 + 5);
  expect(started.slice(-2)).toEqual(['b@36008500', 'a@36011000']);
  expect(seen.every(({ saw, lateByMs }) => saw === 'ok' && lateByMs === 0)).toBe(true);
});

test('a look says whether it was due or asked for', async () => {
  const told: string[] = [];
  const { world, runner } = start([{ key: 'a', phaseMs: 1000 }], {
    onObservation: ({ key }, _, scheduled) => told.push(`${key} ${scheduled}`),
  });
  await world.advance(2000);
  runner.probeNow('a');
  await world.advance(5000);
  expect(told).toEqual(['a true', 'a false', 'a true']);
});

test('a look pending longer than the suspicion threshold is told once, before it ends', async () => {
  const { world, pending, seen } = start([{ key: 'a', phaseMs: 100 }], { takesMs: 1500, outcome: () => REFUSED });
  await world.advance(1099);
  expect(pending).toEqual([]);
  await world.advance(1);
  expect(pending).toEqual(['a@100']);
  await world.advance(500);
  expect(seen).toMatchObject([{ key: 'a', atMs: 100, saw: 'fault', lateByMs: 0 }]);
  expect(pending).toEqual(['a@100']);
});

test('a look that starts 300 ms late is made, and is nothing whatever it saw', async () => {
  const { world, process, started, seen } = start([{ key: 'a', phaseMs: 1000 }]);
  await world.advance(900);
  process.pause();
  await world.advance(400);
  process.resume();
  await world.advance(100);
  expect(started).toEqual(['a@1300']);
  expect(seen).toEqual([{ key: 'a', atMs: 1300, saw: 'nothing', detail: 'started 300 ms late', lateByMs: 300 }]);
});

test('a look that starts 200 ms late counts', async () => {
  const { world, process, seen } = start([{ key: 'a', phaseMs: 1000 }], { outcome: () => REFUSED });
  await world.advance(900);
  process.pause();
  await world.advance(300);
  process.resume();
  await world.advance(100);
  expect(seen).toEqual([{ key: 'a', atMs: 1200, saw: 'fault', detail: 'ECONNREFUSED', lateByMs: 200 }]);
});

test('after a pause of a minute missed rounds are skipped, not bunched: one word per entry, then the schedule goes on', async () => {
  const entries = Array.from({ length: 50 }, (_, i) => ({ key: `t${i}`, phaseMs: i * 100 }));
  const { world, process, started, seen } = start(entries);
  await world.advance(50);
  const before = started.length;
  process.pause();
  await world.advance(60_000);
  process.resume();
  await world.advance(0);
  // Only what is due within the last second is looked at; the rest waits for its turn.
  expect(started.length - before).toBe(10);
  await world.advance(20);
  const words = seen.slice(before);
  expect(words).toHaveLength(50);
  expect(new Set(words.map(({ key }) => key)).size).toBe(50);
  expect(words.filter(({ saw }) => saw === 'nothing').every(({ lateByMs }) => lateByMs > 250)).toBe(true);
  expect(words.filter(({ saw }) => saw === 'ok').map(({ lateByMs }) => lateByMs)).toEqual([250, 150, 50]);
  const resumed = started.length;
  await world.advance(4980);
  expect(started.slice(resumed)).toHaveLength(50);
});

test('a fault during which the process stood still is nothing; a success is believed', async () => {
  for (const [outcome, expected] of [
    [REFUSED, { saw: 'nothing', detail: 'this process stood still for 2900 ms meanwhile', lateByMs: 2900 }],
    [OK, { saw: 'ok', lateByMs: 0 }],
  ] as const) {
    const { world, process, seen, pending } = start([{ key: 'a', phaseMs: 1000 }], { takesMs: 500, outcome: () => outcome });
    await world.advance(1200);
    process.pause();
    await world.advance(3000);
    process.resume();
    await world.advance(1000);
    expect(seen).toMatchObject([{ key: 'a', atMs: 1000, ...expected }]);
    expect(pending).toEqual([]);
  }
});

test('a stall that ended before a look started does not spoil it', async () => {
  const { world, process, seen } = start([{ key: 'a', phaseMs: 1000 }], { outcome: () => REFUSED });
  process.pause();
  await world.advance(900);
  process.resume();
  await world.advance(200);
  expect(seen).toMatchObject([{ saw: 'fault', lateByMs: 0 }]);
});

test('a fault long after its own deadline is nothing: something here held it up', async () => {
  const { world, seen } = start([{ key: 'a', phaseMs: 1000 }], { takesMs: 2400, outcome: () => REFUSED });
  await world.advance(5000);
  expect(seen).toMatchObject([{ saw: 'nothing', detail: 'ended 400 ms after its deadline', lateByMs: 400 }]);
});

test('a burst beside the schedule is pipelined, up to four looks per endpoint', async () => {
  const { world, runner, started } = start([{ key: 'a', phaseMs: 4000 }], { takesMs: 2000, outcome: () => REFUSED });
  for (let second = 0; second < 4; second += 1) {
    runner.probeNow('a');
    await world.advance(1000);
  }
  expect(started).toEqual(['a@0', 'a@1000', 'a@2000', 'a@3000', 'a@4000']);
  for (let again = 0; again < 10; again += 1) runner.probeNow('a');
  expect(runner.inFlight()).toBe(IN_FLIGHT_MAX);
});

test('beyond the limit of looks in flight a look is not made, and says so as a round late', async () => {
  const { world, runner, seen } = start(
    [
      { key: 'a', phaseMs: 1000 },
      { key: 'b', phaseMs: 1100 },
    ],
    { takesMs: 1500, concurrencyMax: 1 },
  );
  await world.advance(1200);
  expect(runner.inFlight()).toBe(1);
  expect(seen).toEqual([{ key: 'b', atMs: 1100, saw: 'nothing', detail: '1 looks in flight, the limit here', lateByMs: 5000 }]);
});

test('a region that hangs: confirmations of its looks, however many, leave room for looks that are due elsewhere, and nobody takes itself for late', async () => {
  const hanging = Array.from({ length: 8 }, (_, i) => ({ key: `hangs-${i}`, phaseMs: 100 }));
  const { world, runner, seen, started } = start([...hanging, { key: 'well', phaseMs: 2500 }], { takesMs: 2000, concurrencyMax: 20 });
  await world.advance(500);
  expect(runner.inFlight()).toBe(8);
  for (let round = 0; round < 3; round += 1) for (const { key } of hanging) runner.probeNow(key);
  expect(runner.inFlight()).toBe(10);
  await world.advance(1900);
  for (const { key } of hanging) runner.probeNow(key);
  await world.advance(2200);
  expect(started).toContain('well@2500');
  expect(seen.filter(({ lateByMs }) => lateByMs > 0)).toEqual([]);
});

test('a new schedule keeps looks in flight, forgets what is gone and misses nothing that stays', async () => {
  const { world, runner, seen, started } = start(
    [
      { key: 'a', phaseMs: 1000 },
      { key: 'b', phaseMs: 1000 },
    ],
    { takesMs: 500 },
  );
  await world.advance(1200);
  runner.setEntries([
    { key: 'a', phaseMs: 1000 },
    { key: 'c', phaseMs: 1100 },
  ]);
  runner.probeNow('b');
  await world.advance(5400);
  expect(started).toEqual(['a@1000', 'b@1000', 'a@6000', 'c@6100']);
  expect(seen.map(({ key, atMs }) => `${key}@${atMs}`)).toEqual(['a@1000', 'a@6000', 'c@6100']);
});

test('looks in flight have signals of their own; one that has ended gives its signal to the next; stopping aborts those in flight', async () => {
  const world = createVirtual({ startWallMs: 0, seed: 1 });
  const signals: AbortSignal[] = [];
  const { runner } = start([{ key: 'a', phaseMs: 1000 }], {
    probe: async (_key, _startedAtMs, signal) => {
      signals.push(signal);
      await sleep(world.ports.timers, 100, signal).catch(() => undefined);
      return OK;
    },
  });
  runner.probeNow('a');
  runner.probeNow('a');
  const [one, two] = signals;
  expect(one).not.toBe(two);
  await world.advance(100);
  expect(runner.inFlight()).toBe(0);
  runner.probeNow('a');
  expect([one, two]).toContain(signals[2]);
  const stopped = runner.stop();
  expect(signals.map(({ aborted }) => aborted)).toEqual(signals.map((signal) => signal === signals[2]));
  await stopped;
});

test('stopping aborts what is in flight, reports nothing more and leaves no timer', async () => {
  const world = createVirtual({ startWallMs: 0, seed: 1 });
  const { ports }: { ports: Ports } = world;
  const seen: Observation[] = [];
  const runner = createRunner({
    ports,
    intervalMs: 5000,
    timeoutMs: 2000,
    suspectAfterMs: 1000,
    lateMs: 250,
    originMonoMs: 0,
    probe: (_key, _startedAtMs, signal) =>
      sleep(ports.timers, 1500, signal).then(
        () => OK,
        () => ({ saw: 'nothing', detail: 'the look was stopped' }) as const,
      ),
    onObservation: (observation) => seen.push(observation),
    onPending: () => {},
    concurrencyMax: 10,
  });
  runner.setEntries([{ key: 'a', phaseMs: 1000 }]);
  await world.advance(1100);
  expect(runner.inFlight()).toBe(1);
  let stopped = false;
  void runner.stop().then(() => {
    stopped = true;
  });
  await world.advance(0);
  expect(stopped).toBe(true);
  runner.probeNow('a');
  runner.setEntries([{ key: 'a', phaseMs: 1000 }]);
  await world.advance(20_000);
  expect(seen).toEqual([]);
  expect(world.pendingTimers()).toBe(0);
});
