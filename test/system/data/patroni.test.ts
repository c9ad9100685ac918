// A database in two regions, for real: PostgreSQL under Patroni in each, one a standby cluster of the other, poolers before them, a writer at 200 transactions a
// second, and a watcher that every 50 ms takes a real write on whatever Postgres takes one. It is moved by runs of the executor, with the kinds of steps of production.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Run } from '../../../src/runbook/model.ts';
import { lagBetween } from '../../../src/runbook/postgres/look.ts';
import type { PostgresSystem } from '../../../src/runbook/postgres/sql.ts';
import { standingOf } from '../../../src/runbook/run.ts';
import { PATIENCE_MS, until } from '../until.ts';
import { startIdle } from './idle.ts';
import { breakdownOf, breakdownText } from './patroni-breakdown.ts';
import { connected, PASSWORDS, type Region, TTL_MS } from './patroni-region.ts';
import {
  fenceStep,
  type Going,
  gracefulPlan,
  other,
  type Runs,
  type Side,
  STONITH_SECRET,
  saying,
  startRuns,
  ungracefulPlan,
} from './patroni-run.ts';
import { type Stonith, startStonith } from './patroni-stonith.ts';
import { HEAD, line, type Row } from './patroni-table.ts';
import { lateWrites, startWatch, type Watch } from './patroni-watch.ts';
import { startWorld, type World } from './patroni-world.ts';
import { longestGap, longestGapOf, startWriter, type Writer } from './patroni-writer.ts';

const PER_SECOND = 200;
const WORLD_MS = 60_000;
const TEST_MS = 120_000;
const MOVE_MS = 60_000;
/** Planned moves, each there and back: `MOVES=5 npm run test:system -- patroni` shows ten. */
const MOVES = Number(process.env.MOVES ?? 1);
/** What a planned move may interrupt; on a machine whose cores have no time left just then everything takes longer. */
const INTERRUPTION_MS_MAX = 5_000;
const INTERRUPTION_BUSY_MS_MAX = 15_000;
const IDLE_SHARE_MIN = 0.15;
const GRACE_MS = 3_000;
/** Of a woken primary whose neighbour leads by then: one turn of Patroni, that it was stopped in, and what stopping takes. No promise of Patroni, but what holds. */
const SEEN_MS_MAX = 5_000;
/** So long nobody tells it. */
const UNTOLD_MS = 1_500;
const never = new AbortController().signal;

const rows: Row[] = [];
const told = (row: Row): void => {
  rows.push(row);
  process.stdout.write(`${line(row)}\n`);
};
afterAll(() => {
  if (rows.length > 0) process.stdout.write(`\n${HEAD}\n${rows.map(line).join('\n')}\n`);
});

/** Why a move failed stands in the logs of those that were moved. */
const tellingOnFailure = (world: () => World | undefined): void =>
  beforeEach(({ onTestFailed }) =>
    onTestFailed(() => {
      const { a, b } = world() ?? {};
      for (const region of [a, b]) if (region !== undefined) process.stdout.write(`${region.said()}\n`);
    }),
  );

const idsIn = async (region: Region): Promise<ReadonlySet<number>> => {
  const client = await connected((await region.leader()).pgPort, 'postgres', PASSWORDS.postgres, 'app');
  try {
    return new Set((await client.query('select id from orders')).rows.map(({ id }) => Number(id)));
  } finally {
    await client.end();
  }
};

const acknowledgedSince = ({ acknowledged }: Writer, fromMs: number) => acknowledged.filter(({ atMs }) => atMs >= fromMs);

/** Acknowledged, and not there. */
const lostIn = async (region: Region, { acknowledged }: Writer) => {
  // What is acknowledged while it is counted is not there yet.
  const before = [...acknowledged];
  const have = await idsIn(region);
  return before.filter(({ id }) => !have.has(id));
};

/** What clients were acknowledged by servers of the region since then. */
const takenBy = (writer: Writer, { members }: Region, sinceMs: number) =>
  writer.acknowledged.filter(({ atMs, pgPort }) => atMs >= sinceMs && members.some((member) => member.pgPort === pgPort));

/** It is written to, and what follows has got as far. */
const writing = (writer: Writer, since = 0): Promise<boolean> =>
  until('a second of writes', () => acknowledgedSince(writer, since).length >= PER_SECOND);

/** The other region streams from it, on its timeline. */
const following = async (world: World, side: Side): Promise<void> => {
  const [from, to] = [world[side], world[other(side)]];
  await until(`${to.name} follows ${from.name}`, async () => {
    const writer = await from.leader();
    const rows = await from.sql(
      writer,
      `select 1 from pg_stat_replication where state = 'streaming' and application_name like '${to.name}%'`,
    );
    const { timeline } = (await to.rest(await to.leader(), 'GET', '/patroni')) as { timeline?: number };
    const own = (await from.rest(writer, 'GET', '/patroni')) as { timeline?: number };
    return rows.length > 0 && timeline === own.timeline;
  });
};

/** For two seconds it has taken no write. */
const quiet = (watch: Watch, side: Side, sinceMs: number): Promise<boolean> =>
  until(`${side} takes no more writes`, () => {
    const lastMs = watch.taken().findLast(({ region }) => region === side)?.atMs ?? 0;
    return Date.now() - Math.max(lastMs, sinceMs) >= QUIET_MS;
  });
const QUIET_MS = 2_000;

const endedWell = async (going: Going): Promise<Run> => {
  const run = await going.ended();
  if (run.state !== 'done') throw new Error(`the run is ${run.state}: ${run.because}\n${saying(run)}`);
  return run;
};

const tookText = (run: Run): string =>
  run.plan
    .map(({ id }) => ({ id, at: standingOf(run, id) }))
    .map(({ id, at }) => `${id} ${(((at.endedAtMs ?? Number.NaN) - (at.dueAtMs ?? Number.NaN)) / 1000).toFixed(1)}`)
    .join(', ');

/**
 * When the new primary's Patroni first answered 200 to GET /primary, and when its Postgres first was out of recovery, looked at without a pause. `readOnlyAtMs`:
 * when it was asked for the last time of those that it said that it was in recovery, so it was then, however late the answer was heard.
 */
const promotionOf = async (region: Region): Promise<{ answeredAtMs: number; readOnlyAtMs: number; writableAtMs: number }> => {
  const leader = await region.leader();
  const first = async (look: () => Promise<boolean>): Promise<number> => {
    const giveUpAtMs = performance.now() + PATIENCE_MS;
    while (performance.now() < giveUpAtMs) {
      if (await look().catch(() => false)) return Date.now();
      await delay(5);
    }
    throw new Error(`${leader.name} was not promoted`);
  };
  const client = await connected(leader.pgPort, 'app', PASSWORDS.app, 'app');
  let readOnlyAtMs = Number.NaN;
  const isWritable = async (): Promise<boolean> => {
    const atMs = Date.now();
    const isIn: boolean = (await client.query('select pg_is_in_recovery() as "isIn"')).rows[0].isIn;
    if (isIn) readOnlyAtMs = atMs;
    return !isIn;
  };
  try {
    const [answeredAtMs, writableAtMs] = await Promise.all([
      first(async () => {
        const reply = await fetch(`${leader.restUrl}/primary`);
        await reply.arrayBuffer();
        return reply.status === 200;
      }),
      first(isWritable),
    ]);
    return { answeredAtMs, readOnlyAtMs, writableAtMs };
  } finally {
    await client.end();
  }
};

/** How far b is behind, measured again and again as the coordinator does, and kept: the last of it counts when a is gone. */
const measuring = (runs: Runs, from: Side): AsyncDisposable & { stop(): Promise<void> } => {
  let isOver = false;
  const work = (async () => {
    const primary = await runs.systems.system<PostgresSystem>(`sql-${from}`, 'postgres');
    const standby = await runs.systems.system<PostgresSystem>(`sql-${other(from)}`, 'postgres');
    while (!isOver) {
      const atMs = Date.now();
      const lag = await lagBetween(primary, standby, never).catch(() => null);
      if (lag !== null && lag.ms !== null && !isOver) runs.known.lag = { ...lag, atMs };
      await delay(MEASURE_EVERY_MS);
    }
  })();
  const stop = async (): Promise<void> => {
    isOver = true;
    await work;
  };
  return { stop, [Symbol.asyncDispose]: stop };
};
const MEASURE_EVERY_MS = 500;

describe('two members and one', { timeout: TEST_MS }, () => {
  const closing = new AsyncDisposableStack();
  let world: World;
  let runs: Runs;
  let watch: Watch;
  afterAll(() => closing.disposeAsync(), WORLD_MS);
  tellingOnFailure(() => world);

  test(
    'b follows a, over a wire of 20 ms each way',
    async () => {
      world = closing.use(await startWorld({ members: 2, delayMs: 20 }));
      runs = closing.use(startRuns(world));
      watch = closing.use(startWatch(world.members()));
      await following(world, 'a');
    },
    WORLD_MS,
  );

  test('a graceful move loses nothing, interrupts for less than 5 s, and so does the way back', {
    timeout: TEST_MS + MOVES * MOVE_MS,
  }, async () => {
    await using writer = startWriter(PER_SECOND, world.a.poolerPort);
    const ways = Array.from({ length: MOVES }, (): readonly Side[] => ['b', 'a']).flat();
    for (const to of ways) {
      await using lags = measuring(runs, other(to));
      using idle = startIdle();
      await writing(writer, Date.now());
      const fromMs = Date.now();
      const run = await endedWell(runs.begin(gracefulPlan(world, to), to, 'graceful'));
      await writing(writer, Date.now());
      // Whoever waited at a pooler got no error.
      expect(writer.errors.filter(({ atMs }) => atMs >= fromMs)).toEqual([]);
      const gap = longestGapOf(writer.acknowledged, fromMs);
      const gapMs = gap.endMs - gap.startMs;
      const idleShare = idle.share(gap);
      const lost = (await lostIn(world[to], writer)).length;
      const { late } = lateWrites(watch.taken(), to, fromMs);
      told({
        what: `graceful, ${other(to)} to ${to}`,
        acknowledged: writer.acknowledged.length,
        lost,
        gapMs,
        late: late.length,
        note: `cores idle for ${Math.round(idleShare * 100)} %; ms: ${breakdownText(breakdownOf(run, { looks: watch.looks(), from: other(to), to }, gap))}`,
      });
      expect(lost).toBe(0);
      expect(late).toEqual([]);
      expect(gapMs).toBeLessThan(idleShare < IDLE_SHARE_MIN ? INTERRUPTION_BUSY_MS_MAX : INTERRUPTION_MS_MAX);
      await lags.stop();
      await following(world, to);
      // Users follow the route.
      writer.through(world[to].poolerPort);
    }
    expect(runs.known.proved.map(({ side }) => side)).toEqual(ways);
  });

  test('a frozen primary acknowledges nothing, so nothing is promoted; it wakes, is told, acknowledges, and there never are two', async () => {
    await using writer = startWriter(PER_SECOND, world.a.poolerPort);
    await writing(writer);
    await world.a.turned();
    const fromMs = Date.now();
    world.a.freeze();
    runs.known.down = { side: 'a', sinceMs: fromMs };
    const going = runs.begin(ungracefulPlan(world, 'b', { rung: 'acknowledged' }), 'b', 'ungraceful');
    await until('the fence is tried', () => going.at('fence').state === 'acting' && going.at('fence').tries > 0);
    // Longer than the lock of its leader lives.
    await delay(TTL_MS + 1_000);
    expect(going.at('promote').state).toBe('pending');
    expect(watch.taken().filter(({ region, atMs }) => region === 'b' && atMs >= fromMs)).toEqual([]);
    world.a.thaw();
    const wokeAtMs = Date.now();
    const run = await endedWell(going);
    writer.through(world.b.poolerPort);
    await writing(writer, Date.now());
    runs.known.down = null;
    const { firstMs, late } = lateWrites(watch.taken(), 'b', fromMs);
    const afterWake = watch.taken().filter(({ region, atMs }) => region === 'a' && atMs >= wokeAtMs);
    told({
      what: 'ungraceful, rung acknowledged, a frozen and woken',
      acknowledged: writer.acknowledged.length,
      lost: (await lostIn(world.b, writer)).length,
      gapMs: longestGap(writer.acknowledged, fromMs),
      late: late.length,
      note: `a took ${afterWake.length} writes when it woke, before b was promoted ${((firstMs! - wokeAtMs) / 1000).toFixed(1)} s after; ${tookText(run)}`,
    });
    expect(late).toEqual([]);
    await following(world, 'b');
  });

  test('Patroni says primary before Postgres takes writes, and a promotion is not reached before it does', async () => {
    const fromMs = Date.now();
    const [run, { answeredAtMs, readOnlyAtMs, writableAtMs }] = await Promise.all([
      endedWell(runs.begin(gracefulPlan(world, 'a'), 'a', 'graceful')),
      promotionOf(world.a),
    ]);
    const { endedAtMs } = standingOf(run, 'promote');
    told({
      what: 'GET /primary before it is writable',
      acknowledged: 0,
      lost: 0,
      gapMs: null,
      late: lateWrites(watch.taken(), 'a', fromMs).late.length,
      note: `200 came ${writableAtMs - answeredAtMs} ms before a write could; pg.promote was reached ${endedAtMs! - writableAtMs} ms after`,
    });
    expect(answeredAtMs).toBeLessThan(writableAtMs);
    expect(endedAtMs).toBeGreaterThanOrEqual(readOnlyAtMs);
    await following(world, 'a');
  });

  test('only the leader is frozen, and the other member is told: when it wakes it writes no longer than Patroni takes to see that', async () => {
    await using writer = startWriter(PER_SECOND, world.a.poolerPort);
    await writing(writer);
    const leader = await world.a.leader();
    const fromMs = Date.now();
    world.a.freeze([leader]);
    runs.known.down = { side: 'a', sinceMs: fromMs };
    const run = await endedWell(runs.begin(ungracefulPlan(world, 'b', { rung: 'grace', graceMs: GRACE_MS }), 'b', 'ungraceful'));
    writer.through(world.b.poolerPort);
    await writing(writer, Date.now());
    const wokeAtMs = Date.now();
    world.a.thaw();
    await quiet(watch, 'a', wokeAtMs);
    const { firstMs, late } = lateWrites(watch.taken(), 'b', fromMs);
    const lateMs = late.length === 0 ? 0 : Math.round(firstMs! + late.at(-1)! - wokeAtMs);
    told({
      what: 'ungraceful, rung grace, the leader frozen and woken, its neighbour told',
      acknowledged: writer.acknowledged.length,
      lost: (await lostIn(world.b, writer)).length,
      gapMs: longestGap(writer.acknowledged, fromMs),
      late: late.length,
      note: `the woken primary took writes for ${lateMs} ms, none of a client; ${tookText(run)}`,
    });
    // Of clients none: the pooler lets nobody through.
    expect(takenBy(writer, world.a, firstMs!)).toEqual([]);
    expect(firstMs! - fromMs).toBeGreaterThanOrEqual(GRACE_MS);
    expect(lateMs).toBeLessThan(SEEN_MS_MAX);
  });
});

describe('one member each', { timeout: TEST_MS }, () => {
  const closing = new AsyncDisposableStack();
  let world: World;
  let runs: Runs;
  let watch: Watch;
  let power: Stonith;
  afterAll(() => closing.disposeAsync(), WORLD_MS);
  tellingOnFailure(() => world);

  test(
    'b follows a, over a wire of 20 ms each way',
    async () => {
      world = closing.use(await startWorld({ delayMs: 20 }));
      power = closing.use(await startStonith(STONITH_SECRET, () => world.b.killDatabase()));
      runs = closing.use(startRuns(world, { power: { kind: 'webhook', url: power.url, secretFile: '/secrets/stonith' } }));
      watch = closing.use(startWatch(world.members()));
      await following(world, 'a');
    },
    WORLD_MS,
  );

  test('all of a is frozen and nobody there can be told: with the rung grace it writes when it wakes until it is told, and no client reaches it', async () => {
    await using writer = startWriter(PER_SECOND, world.a.poolerPort);
    await writing(writer);
    await world.a.turned();
    const fromMs = Date.now();
    world.a.freeze();
    runs.known.down = { side: 'a', sinceMs: fromMs };
    const run = await endedWell(runs.begin(ungracefulPlan(world, 'b', { rung: 'grace', graceMs: GRACE_MS }), 'b', 'ungraceful'));
    writer.through(world.b.poolerPort);
    await writing(writer, Date.now());
    const wokeAtMs = Date.now();
    world.a.thaw();
    await delay(UNTOLD_MS);
    const toldAtMs = Date.now();
    await endedWell(runs.begin([fenceStep(world, 'a', { rung: 'acknowledged' })], 'b', 'ungraceful'));
    const acknowledgedAtMs = Date.now();
    await following(world, 'b');
    runs.known.down = null;
    const { firstMs, late } = lateWrites(watch.taken(), 'b', fromMs);
    const lastMs = late.length === 0 ? wokeAtMs : firstMs! + late.at(-1)!;
    told({
      what: 'ungraceful, rung grace, all of a frozen and woken',
      acknowledged: writer.acknowledged.length,
      lost: (await lostIn(world.b, writer)).length,
      gapMs: longestGap(writer.acknowledged, fromMs),
      late: late.length,
      note: `untold for ${UNTOLD_MS} ms it took writes all the while, none of a client; told, it stopped after ${Math.max(0, Math.round(lastMs - toldAtMs))} ms; ${tookText(run)}`,
    });
    expect(firstMs! - fromMs).toBeGreaterThanOrEqual(GRACE_MS);
    expect(takenBy(writer, world.a, firstMs!)).toEqual([]);
    expect(lastMs).toBeLessThanOrEqual(acknowledgedAtMs);
  });

  test('with the rung stonith nothing is promoted before the power is cut, and there never are two', async () => {
    await following(world, 'b');
    await using writer = startWriter(PER_SECOND, world.b.poolerPort);
    await writing(writer);
    const fromMs = Date.now();
    world.b.freeze();
    runs.known.down = { side: 'b', sinceMs: fromMs };
    const run = await endedWell(runs.begin(ungracefulPlan(world, 'a', { rung: 'stonith', stonith: 'power' }), 'a', 'ungraceful'));
    writer.through(world.a.poolerPort);
    await writing(writer, Date.now());
    world.b.thaw();
    await writing(writer, Date.now());
    const { firstMs, late } = lateWrites(watch.taken(), 'a', fromMs);
    told({
      what: 'ungraceful, rung stonith, b frozen, then killed by the webhook',
      acknowledged: writer.acknowledged.length,
      lost: (await lostIn(world.a, writer)).length,
      gapMs: longestGap(writer.acknowledged, fromMs),
      late: late.length,
      note: tookText(run),
    });
    expect(late).toEqual([]);
    expect(power.killedAtMs()).not.toBeNull();
    expect(firstMs!).toBeGreaterThan(power.killedAtMs()!);
  });
});

test('a region that dies under load loses no more than its last known lag said', { timeout: TEST_MS }, async () => {
  await using world = await startWorld({ delayMs: 300 });
  await using runs = startRuns(world);
  await using watch = startWatch(world.members());
  await following(world, 'a');
  await using writer = startWriter(PER_SECOND, world.a.poolerPort);
  await using lags = measuring(runs, 'a');
  await writing(writer);
  await writing(writer, Date.now());
  await until('a lag', () => runs.known.lag !== null);
  await world.a.killAll();
  const killedAtMs = Date.now();
  await lags.stop();
  const lag = runs.known.lag!;
  runs.known.down = { side: 'a', sinceMs: killedAtMs };
  const run = await endedWell(runs.begin(ungracefulPlan(world, 'b', { rung: 'grace', graceMs: GRACE_MS }), 'b', 'ungraceful'));
  writer.through(world.b.poolerPort);
  await writing(writer, Date.now());
  const lost = await lostIn(world.b, writer);
  const before = writer.acknowledged.filter(({ atMs }) => atMs <= killedAtMs);
  // Committed before that, it had arrived when it was measured.
  const safeAtMs = lag.atMs - lag.ms!;
  const forecast = before.filter(({ atMs }) => atMs >= safeAtMs).length;
  const { firstMs, late } = lateWrites(watch.taken(), 'b', killedAtMs);
  told({
    what: 'ungraceful, a killed under load',
    acknowledged: writer.acknowledged.length,
    lost: lost.length,
    gapMs: longestGap(writer.acknowledged, killedAtMs),
    late: late.length,
    note: `forecast by a lag of ${lag.ms} ms, ${lag.bytes} bytes, ${killedAtMs - lag.atMs} ms old: at most ${forecast}; ${tookText(run)}`,
  });
  expect(lost.every(({ atMs }) => atMs >= safeAtMs)).toBe(true);
  expect(lost.length).toBeLessThanOrEqual(forecast);
  // The wire is so long that something was on it.
  expect(lost.length).toBeGreaterThan(0);
  expect(late).toEqual([]);
  expect(firstMs! - killedAtMs).toBeGreaterThanOrEqual(GRACE_MS);
});
