// How old the records of the store are: what is said of an age against the truth, whatever reads, clocks, suspends and lost histories do.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createClusterTime, createTimekeeper, median } from '../../src/coordinate/cluster-time.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import { createRevisionClock, type RevisionClock } from '../../src/coordinate/revision-clock.ts';
import { Hall, Speaker, signerOf } from './speakers.ts';

/** A read by clocks that agree. */
const sample = (clock: RevisionClock, sentAtMs: number, arrivedAtMs: number, rev: number, wallAheadMs = 0): void =>
  clock.sample({ monoMs: sentAtMs, wallMs: sentAtMs + wallAheadMs }, { monoMs: arrivedAtMs, wallMs: arrivedAtMs + wallAheadMs }, rev);

/** What happens to a reader and its store, one after the other. */
type Event =
  | { kind: 'pass'; ms: number }
  | { kind: 'write' }
  | { kind: 'read'; thereMs: number; backMs: number; writes: number }
  /** The machine stands still: time passes, the monotonic clock does not, the wall clock catches up. */
  | { kind: 'suspend'; ms: number; duringRead: boolean }
  | { kind: 'step'; ms: number }
  /** The store is replaced by a copy that lacks this many revisions. */
  | { kind: 'regress'; by: number };

interface World {
  clock: RevisionClock;
  /** True time, ms. */
  nowMs: number;
  monoMs: number;
  wallMs: number;
  rev: number;
  /** True time of each revision's write. */
  writtenAtMs: Map<number, number>;
}

const ANY: fc.Arbitrary<Event> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(900) }) },
  { weight: 5, arbitrary: fc.constant({ kind: 'write' as const }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('read' as const), thereMs: fc.nat(1500), backMs: fc.nat(1500), writes: fc.nat(3) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('suspend' as const), ms: fc.nat(60_000), duringRead: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('suspend' as const), ms: fc.nat(1900), duringRead: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('step' as const), ms: fc.integer({ min: -60_000, max: 60_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('regress' as const), by: fc.nat(4) }) },
);

/** A wall clock that is set back by as much as the machine stood still hides it from everybody: not in one history. */
const EVENTS = fc.oneof(
  ...(['step', 'suspend'] as const).map((without) =>
    fc.array(
      ANY.filter((e) => e.kind !== without),
      { minLength: 10, maxLength: 120 },
    ),
  ),
);

/** Runs the events; `check` after each read. `rate`: how fast both clocks of the reader run. */
const run = (events: readonly Event[], rate: number, check: (world: World) => void): void => {
  const world: World = { clock: createRevisionClock(), nowMs: 0, monoMs: 77_000, wallMs: 0, rev: 0, writtenAtMs: new Map() };
  const pass = (ms: number): void => {
    world.nowMs += ms;
    world.monoMs += ms * rate;
    world.wallMs += ms * rate;
  };
  const suspend = (ms: number): void => {
    world.nowMs += ms;
    world.wallMs += ms * rate;
  };
  const write = (): void => {
    world.rev++;
    world.writtenAtMs.set(world.rev, world.nowMs);
  };
  let asleepMs = 0;
  for (const event of events) {
    if (event.kind === 'pass') pass(event.ms);
    else if (event.kind === 'write') write();
    else if (event.kind === 'step') world.wallMs += event.ms;
    else if (event.kind === 'suspend') {
      if (event.duringRead) asleepMs = event.ms;
      else suspend(event.ms);
    } else if (event.kind === 'regress') {
      const to = Math.max(0, world.rev - event.by);
      for (let rev = to + 1; rev <= world.rev; rev++) world.writtenAtMs.delete(rev);
      // What reads the store notices a regress by itself only if it has seen more; the shell notices the rest by the adoption.
      if (to < world.rev) world.clock.clear();
      world.rev = to;
    } else {
      const sent = { monoMs: world.monoMs, wallMs: world.wallMs };
      pass(event.thereMs);
      const seen = world.rev;
      for (let n = 0; n < event.writes; n++) write();
      suspend(asleepMs);
      asleepMs = 0;
      pass(event.backMs);
      world.clock.sample(sent, { monoMs: world.monoMs, wallMs: world.wallMs }, seen);
      check({ ...world, rev: seen });
    }
  }
};

describe('the revision clock', () => {
  test('bounds a record by the latest read that was sent before it existed, and by the first that has seen it', () => {
    const clock = createRevisionClock();
    sample(clock, 0, 10, 5);
    sample(clock, 500, 510, 7);
    expect(clock.ageMs(5, 1000)).toBe(Number.POSITIVE_INFINITY);
    expect(clock.ageMs(6, 1000)).toBe(1000);
    expect(clock.ageMs(8, 1000)).toBe(500);
    expect(clock.leastAgeMs(5, 1000)).toBe(990);
    expect(clock.leastAgeMs(6, 1000)).toBe(490);
    expect(clock.leastAgeMs(8, 1000)).toBe(0);
  });

  test('never says younger than it is, whatever reads, clock rates, suspends, steps and lost histories do', () => {
    let bounded = 0;
    fc.assert(
      fc.property(EVENTS, fc.double({ min: 0.95, max: 1.05, noNaN: true }), (events, rate) => {
        run(events, rate, ({ clock, nowMs, monoMs, writtenAtMs, rev }) => {
          for (const [mod, atMs] of writtenAtMs) {
            if (mod > rev) continue;
            const boundMs = clock.ageMs(mod, monoMs);
            if (boundMs < Number.POSITIVE_INFINITY) bounded++;
            // A clock that is slow says too little by its rate, and up to two seconds of standing still go unnoticed.
            expect(boundMs / rate + 2000 / rate).toBeGreaterThanOrEqual(nowMs - atMs - 1e-3);
          }
        });
      }),
      { numRuns: 400 },
    );
    expect(bounded).toBeGreaterThan(5000);
  });

  test('with clocks that run true and a machine that never stands still it is right to the millisecond, on both sides', () => {
    const calm = ANY.filter((e) => e.kind === 'pass' || e.kind === 'write' || e.kind === 'read');
    fc.assert(
      fc.property(fc.array(calm, { minLength: 10, maxLength: 120 }), (events) => {
        run(events, 1, ({ clock, nowMs, monoMs, writtenAtMs, rev }) => {
          for (const [mod, atMs] of writtenAtMs) {
            if (mod > rev) continue;
            expect(clock.ageMs(mod, monoMs)).toBeGreaterThanOrEqual(nowMs - atMs);
            expect(clock.leastAgeMs(mod, monoMs)).toBeLessThanOrEqual(nowMs - atMs);
          }
        });
      }),
      { numRuns: 300 },
    );
  });

  test('says at most the spacing of the reads and their delay more than it is, however busy the store', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 600 }),
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 3, max: 700 }),
        (everyMs, thereMs, backMs, writeEveryMs) => {
          const clock = createRevisionClock();
          // Reads follow one another, each `everyMs` after the last arrived; the store is written all the time.
          const revAt = (ms: number): number => Math.floor(ms / writeEveryMs);
          let nowMs = 0;
          const spanMs = everyMs + thereMs + backMs;
          let seen = 0;
          while (nowMs < 15_000) {
            const sentAtMs = nowMs + everyMs;
            seen = revAt(sentAtMs + thereMs);
            nowMs += spanMs;
            sample(clock, sentAtMs, nowMs, seen);
          }
          // Everything younger than 10 s, which is what freshness asks about; beyond the newest 64 reads thinned out to a quarter of a second.
          for (let mod = Math.max(1, revAt(nowMs - 10_000)); mod <= seen; mod++) {
            const truthMs = nowMs - mod * writeEveryMs;
            expect(clock.ageMs(mod, nowMs)).toBeGreaterThanOrEqual(truthMs);
            const thinnedMs = truthMs < 60 * spanMs ? 0 : 250;
            expect(clock.ageMs(mod, nowMs)).toBeLessThanOrEqual(truthMs + thinnedMs + spanMs + thereMs);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('a read slower than two seconds bounds nothing', () => {
    const clock = createRevisionClock();
    sample(clock, 0, 2001, 5);
    expect(clock.ageMs(6, 3000)).toBe(Number.POSITIVE_INFINITY);
  });

  test('a machine that was suspended, or whose wall clock stepped, starts afresh', () => {
    for (const wallMs of [60_000, -60_000]) {
      const clock = createRevisionClock();
      sample(clock, 0, 10, 5);
      sample(clock, 500, 510, 8, wallMs);
      // The sample from before is gone: nothing bounds what was written in between.
      expect(clock.ageMs(7, 600)).toBe(Number.POSITIVE_INFINITY);
      expect(clock.ageMs(9, 600)).toBe(100);
    }
  });

  test('many small suspends add up: none of them is long, and together they make the old samples worthless', () => {
    const clock = createRevisionClock();
    // Every half second of its own time the machine stands still for 1.5 s.
    for (let n = 0; n < 20; n++) sample(clock, n * 500, n * 500 + 10, n + 1, n * 1500);
    const nowMs = 19 * 500 + 10;
    // Revision 12 was written 16 s ago, of which the monotonic clock has seen 4.5 s.
    expect(clock.ageMs(12, nowMs)).toBe(Number.POSITIVE_INFINITY);
    expect(clock.ageMs(20, nowMs)).toBeLessThan(600);
  });

  test('a read that was under way during a suspend bounds nothing: the monotonic clock did not see how long ago it was sent', () => {
    for (const isFirst of [true, false]) {
      const clock = createRevisionClock();
      if (!isFirst) sample(clock, 0, 10, 5);
      // Sent at 500, then an hour of sleep that the monotonic clock misses, then the reply of before.
      clock.sample({ monoMs: 500, wallMs: 500 }, { monoMs: 600, wallMs: 3_600_600 }, 5);
      sample(clock, 1000, 1010, 6, 3_600_000);
      expect(clock.ageMs(6, 1100)).toBe(Number.POSITIVE_INFINITY);
    }
  });

  test('a revision that goes backwards makes every sample worthless: the same numbers will mean other records', () => {
    const clock = createRevisionClock();
    sample(clock, 0, 10, 100);
    sample(clock, 500, 510, 120);
    sample(clock, 1000, 1010, 90);
    expect(clock.ageMs(110, 1100)).toBe(100);
    expect(clock.leastAgeMs(110, 1100)).toBe(0);
    expect(clock.ageMs(90, 1100)).toBe(Number.POSITIVE_INFINITY);
  });

  test('remembers what is 45 s old, however often it is fed, and no more than its ring', () => {
    for (const everyMs of [10, 100, 500]) {
      const clock = createRevisionClock();
      for (let n = 0; n < 100_000 / everyMs; n++) sample(clock, n * everyMs, n * everyMs + 1, n + 1);
      const rev = 55_000 / everyMs;
      expect(clock.ageMs(rev, 100_000)).toBeGreaterThanOrEqual(45_000);
      expect(clock.ageMs(rev, 100_000)).toBeLessThanOrEqual(45_000 + 250 + 2 * everyMs);
    }
    const clock = createRevisionClock();
    for (let n = 0; n < 1000; n++) sample(clock, n * 500, n * 500 + 10, n + 1);
    expect(clock.ageMs(2, 500_000)).toBe(Number.POSITIVE_INFINITY);
  });

  test('reads that see no write move the last sample on, which bounds the next write more tightly', () => {
    const clock = createRevisionClock();
    for (let i = 0; i < 10; i++) sample(clock, i * 500, i * 500 + 10, 5);
    expect(clock.ageMs(6, 5000)).toBe(500);
    expect(clock.leastAgeMs(5, 5000)).toBe(4990);
  });
});

describe('cluster time', () => {
  test('starts at the later of the last stamp and the median wall clock, and ignores one that is far off', () => {
    const time = createClusterTime();
    time.start(1000, [5000, 5010, 9_999_999], 0);
    expect(time.nowMs(0)).toBe(5010);
    time.start(8000, [5000, 5010, 5020], 100);
    expect(time.nowMs(100)).toBe(8000);
    expect(time.nowMs(1100)).toBe(9000);
  });

  test('never goes backwards within a term, even if the monotonic clock is asked out of order', () => {
    const time = createClusterTime();
    time.start(0, [5000], 100);
    expect(time.nowMs(50)).toBe(5000);
  });

  test('the median of an even number is the lower middle, of none zero', () => {
    expect([median([4, 1, 3, 2]), median([]), median([7])]).toEqual([2, 0, 7]);
  });
});

describe('the time that a process keeps', () => {
  test('is that of the regions, one clock each, however many replicas one of them runs', async () => {
    const hall = new Hall();
    await hall.configure();
    const { clock } = hall.virtual.ports;
    const atMs = clock.wallMs();
    // Forty replicas of region a, and some of regions that nobody configured, say it is next year.
    const liars = Array.from({ length: 40 }, (_, i) => new Speaker(hall, i % 2 === 0 ? 'a' : `nowhere-${i}`, `r${i}`, signerOf('a')));
    for (const liar of liars) liar.clockAheadMs = 31_536_000_000;
    const reader = hall.reader();
    await hall.pass(10_000, [reader], [...hall.speakers, ...liars]);
    const { sight } = await hall.look(reader);
    expect(sight.heard.length).toBeGreaterThan(40);
    const time = createTimekeeper(clock);
    time.begin(sight);
    expect(Math.abs(time.nowMs() - atMs - 10_000)).toBeLessThan(3000);
  });

  test('never runs behind a stamp that a holder reads: a human adopts with another clock (simulator, seed 26)', async () => {
    const hall = new Hall();
    await hall.configure();
    const { clock } = hall.virtual.ports;
    const reader = hall.reader();
    await hall.pass(10_000, [reader]);
    const { sight } = await hall.look(reader);
    const time = createTimekeeper(clock);
    time.begin(sight);
    const ahead = time.nowMs() + 3_600_000;
    time.catchUp({ ...sight, routing: { atMs: ahead } as NonNullable<typeof sight.routing> });
    expect(time.nowMs()).toBe(ahead);
    await hall.pass(2000, [reader]);
    time.catchUp(sight);
    expect(time.nowMs()).toBe(ahead + 2000);
  });

  test('of a term that hears two clocks, one of them an hour behind, is the time that was kept before (simulator, seed 78)', async () => {
    const hall = new Hall();
    await hall.configure();
    const { clock } = hall.virtual.ports;
    const reader = hall.reader();
    await hall.pass(10_000, [reader]);
    const time = createTimekeeper(clock);
    time.keep((await hall.look(reader)).sight);
    const keptMs = time.nowMs();
    const [one, two] = hall.speakers;
    if (one === undefined || two === undefined) throw new Error('the hall has three speakers');
    one.clockAheadMs = -3_600_000;
    await hall.pass(20_000, [reader], [one, two]);
    time.begin((await hall.look(reader)).sight);
    expect(time.nowMs() - keptMs).toBe(20_000);
  });

  test('of a term that begins long after a stamp ahead of every clock is that much later than the stamp (simulator, seed 95)', async () => {
    const hall = new Hall();
    await hall.configure();
    const { clock } = hall.virtual.ports;
    const reader = hall.reader();
    await hall.pass(10_000, [reader]);
    const time = createTimekeeper(clock);
    const stamp = { atMs: clock.wallMs() + 3_600_000 };
    const stamped = async (): Promise<Sight> => ({ ...(await hall.look(reader)).sight, routing: stamp as NonNullable<Sight['routing']> });
    time.keep(await stamped());
    await hall.pass(120_000, [reader]);
    time.begin(await stamped());
    expect(time.nowMs()).toBe(stamp.atMs + 120_000);
  });
});
