// A database in two regions, for real: PostgreSQL under Patroni in each, one a standby cluster of the other, poolers before them, a writer at 200 transactions a
// second, and a watcher that every 50 ms takes a real write on whatever Postgres takes one. It is moved by runs of the executor, with the kinds of steps of production.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import type { Run } from '../../../src/runbook/model.ts';
import { lagBetween } from '../../../src/runbook/postgres/look.ts';
import type { PostgresSystem } from '../../../src/runbook/postgres/sql.ts';
import { standingOf } from '../../../src/runbook/run.ts';
import { until } from '../until.ts';
import { connected, PASSWORDS, type Region, TTL_MS } from './patroni-region.ts';
import { type Going, gracefulPlan, other, type Runs, type Side, STONITH_SECRET, saying, startRuns, ungracefulPlan } from './patroni-run.ts';
import { startStonith } from './patroni-stonith.ts';
import { HEAD, line, type Row } from './patroni-table.ts';
import { lateWrites, startWatch, type Watch } from './patroni-watch.ts';
import { startWorld, type World } from './patroni-world.ts';
import { longestGap, startWriter, type Writer } from './patroni-writer.ts';

const PER_SECOND = 200;
const WORLD_MS = 60_000;
const TEST_MS = 120_000;
/** What a planned move may interrupt. */
const INTERRUPTION_MS_MAX = 5_000;
const never = new AbortController().signal;

const rows: Row[] = [];
const told = (row: Row): void => {
  rows.push(row);
  process.stdout.write(`${line(row)}\n`);
};
afterAll(() => {
  if (rows.length > 0) process.stdout.write(`\n${HEAD}\n${rows.map(line).join('\n')}\n`);
});

const idsIn = async (region: Region): Promise<ReadonlySet<number>> => {
  const client = await connected((await region.leader()).pgPort, 'postgres', PASSWORDS.postgres, 'app');
  try {
    return new Set((await client.query('select id from orders')).rows.map(({ id }) => Number(id)));
  } finally {
    await client.end();
  }
};

const acknowledgedSince = ({ acknowledged }: Writer, fromMs: number) => acknowledged.filter(({ atMs }) => atMs >= fromMs);

/** It is written to, and what follows has got as far. */
const writing = (writer: Writer, since = 0): Promise<boolean> =>
  until('a second of writes', () => acknowledgedSince(writer, since).length >= PER_SECOND);

/** The other region streams from it, on its timeline. */
const following = async (world: World, side: Side): Promise<void> => {
  const [from, to] = [world[side], world[other(side)]];
  await until(`${to.name} follows ${from.name}:\n${to.said()}`, async () => {
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

/** When the new primary's Patroni first answered 200 to GET /primary, and when its Postgres first was out of recovery, looked at without a pause. */
const promotionOf = async (region: Region): Promise<{ answeredAtMs: number; writableAtMs: number }> => {
  const leader = await region.leader();
  const first = async (look: () => Promise<boolean>): Promise<number> => {
    for (;;) {
      if (await look().catch(() => false)) return Date.now();
      await delay(5);
    }
  };
  const client = await connected(leader.pgPort, 'app', PASSWORDS.app, 'app');
  try {
    const [answeredAtMs, writableAtMs] = await Promise.all([
      first(async () => {
        const reply = await fetch(`${leader.restUrl}/primary`);
        await reply.arrayBuffer();
        return reply.status === 200;
      }),
      first(async () => (await client.query('select pg_is_in_recovery() as "isIn"')).rows[0].isIn === false),
    ]);
    return { answeredAtMs, writableAtMs };
  } finally {
    await client.end();
  }
};

describe('two members and one', { timeout: TEST_MS }, () => {
  const closing = new AsyncDisposableStack();
  let world: World;
  let runs: Runs;
  let watch: Watch;
  afterAll(() => closing.disposeAsync(), WORLD_MS);

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

  test('a graceful move loses nothing, interrupts for less than 5 s, and so does the way back', async () => {
    await using writer = startWriter(PER_SECOND, world.a.poolerPort);
    for (const to of ['b', 'a'] as const) {
      await writing(writer, Date.now());
      const fromMs = Date.now();
      const run = await endedWell(runs.begin(gracefulPlan(world, to), to, 'graceful'));
      await writing(writer, Date.now());
      const gap = longestGap(writer.acknowledged, fromMs);
      const have = await idsIn(world[to]);
      const lost = writer.acknowledged.filter(({ id }) => !have.has(id)).length;
      const { late } = lateWrites(watch.taken(), to, fromMs);
      told({
        what: `graceful, ${other(to)} to ${to}`,
        acknowledged: writer.acknowledged.length,
        lost,
        gapMs: gap.ms,
        late: late.length,
        note: tookText(run),
      });
      expect(lost).toBe(0);
      expect(late).toEqual([]);
      expect(gap.ms).toBeLessThan(INTERRUPTION_MS_MAX);
      await following(world, to);
    }
    // Whoever waited at a pooler got no error.
    expect(writer.errors).toEqual([]);
    expect(runs.known.proved.map(({ side }) => side)).toEqual(['b', 'a']);
  });

  test('a frozen primary acknowledges nothing, so nothing is promoted; it wakes, is told, acknowledges, and there never are two', async () => {
    await using writer = startWriter(PER_SECOND, world.a.poolerPort);
    await writing(writer);
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
      lost: 0,
      gapMs: longestGap(writer.acknowledged, fromMs).ms,
      late: late.length,
      note: `a took ${afterWake.length} writes when it woke, before b was promoted ${((firstMs! - wokeAtMs) / 1000).toFixed(1)} s after; ${tookText(run)}`,
    });
    expect(late).toEqual([]);
    await following(world, 'b');
  });

  test('Patroni says primary before Postgres takes writes, and a promotion is not reached before it does', async () => {
    const fromMs = Date.now();
    const promotion = promotionOf(world.a);
    const going = runs.begin(gracefulPlan(world, 'a'), 'a', 'graceful');
    const run = await endedWell(going);
    const { answeredAtMs, writableAtMs } = await promotion;
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
    expect(endedAtMs).toBeGreaterThanOrEqual(writableAtMs - 10);
    await following(world, 'a');
  });
});
