// The executor on virtual time: whole plans, killed and paused at every await, in doubt at every commit, taken over, let go; no effect twice.
import { expect, test } from 'vitest';
import { TAKEOVER_MS, TAKEOVER_OWN_MS } from '../../src/runbook/executor.ts';
import type { Run } from '../../src/runbook/model.ts';
import { standingOf } from '../../src/runbook/run.ts';
import { createRig, EAST, type Fate, type Rig, SOUTH, WEST } from './rig.ts';

const SEED = 7;
/** More than one way of the rig's wire, and less than both. */
const ONE_WAY_MS_MAX = 15;

const statesOf = (run: Run): Record<string, string> => Object.fromEntries(run.plan.map(({ id }) => [id, standingOf(run, id).state]));

const valuesOf = ({ ground }: Rig): Record<string, string | undefined> =>
  Object.fromEntries(['old', 'new', 'tenants', 'route', 'hook shop-1.hook'].map((name) => [name, ground.values.get(name)]));

const AFTER = { old: '0', new: '4', tenants: WEST, route: WEST, 'hook shop-1.hook': 'told' };

/** Each act has changed the world at most once, and the world is as the plan wants it. */
const demandWhole = (rig: Rig, where: string): void => {
  expect(rig.ground.violations, where).toEqual([]);
  expect(valuesOf(rig), where).toEqual(AFTER);
  for (const [key, times] of rig.ground.changes) expect(times, `${where}: ${key}`).toBe(1);
  const run = rig.run();
  expect(run.state, `${where}: ${run.because}`).toBe('done');
  expect(rig.platform()?.active, where).toBe(WEST);
  expect(rig.platform()?.history, where).toHaveLength(1);
  expect(
    rig.pages().filter(({ type, detail }) => type === 'runbook.done' && detail.run === 'shop-1'),
    where,
  ).toHaveLength(1);
};

test('a plan from its first step to its last', async () => {
  const rig = createRig(SEED);
  rig.add(WEST, 'w1');
  rig.begin();
  const tookMs = await rig.untilEnded(60_000);
  demandWhole(rig, 'undisturbed');
  expect(tookMs).toBeLessThan(12_000);
  expect(statesOf(rig.run())['gate.lag']).toBe('skipped');
  expect(rig.ground.calls.map(({ key }) => key).toSorted()).toEqual(
    ['fence', 'hook', 'namespaces', 'scale', 'shift'].map((id) => `shop-1.${id}`),
  );
  // Measured, for the next estimate.
  expect(Object.keys(rig.platform()?.history[0]?.steps ?? {})).toContain('namespaces');
  expect(rig.pages().find(({ type }) => type === 'runbook.done')?.summary).toMatch(/done, .* after it began \(estimated 10 s to 20 s\)/);
  await rig.stop();
  expect(rig.virtual.pendingTimers()).toBe(0);
});

test('a step is told when all that it needs had ended', async () => {
  const rig = createRig(SEED);
  rig.add(WEST, 'w1');
  const told: (number | undefined)[] = [];
  rig.ground.says.set('seen', ({ dueAtMs }) => {
    told.push(dueAtMs);
    return null;
  });
  rig.begin();
  await rig.untilEnded(60_000);
  expect(told.length).toBeGreaterThan(0);
  expect(new Set(told)).toEqual(new Set([standingOf(rig.run(), 'seen').dueAtMs]));
  expect(told[0]).toBeGreaterThanOrEqual(standingOf(rig.run(), 'shift').endedAtMs ?? Number.NaN);
  await rig.stop();
});

test('what was seen of a step and that it acts are one write, and what needs it begins without another look at the store', async () => {
  const rig = createRig(SEED);
  rig.add(WEST, 'w1');
  const seen: string[] = [];
  rig.store.onCommit(({ after }) => {
    const run = after('run/shop-1')?.value as Run | undefined;
    if (run === undefined) return;
    const { state, tries, took = 'untold' } = standingOf(run, 'scale');
    const now = `${state}, ${tries} tries, ${took}`;
    if (now !== seen.at(-1)) seen.push(now);
  });
  rig.begin();
  await rig.untilEnded(60_000);
  expect(seen).toEqual(['pending, 0 tries, untold', 'acting, 1 tries, untold', 'acting, 1 tries, accepted', 'done, 1 tries, accepted']);
  const waitedMs = rig.run().plan.flatMap(({ id, needs }) => {
    const { dueAtMs = Number.NaN, startedAtMs = Number.NaN } = standingOf(rig.run(), id);
    // What was due from the beginning waited for a replica.
    return needs.length === 0 || !(dueAtMs > rig.run().startedAtMs!) ? [] : [startedAtMs - dueAtMs];
  });
  expect(waitedMs.length).toBeGreaterThan(3);
  // The answer to the write that ended what they needed, and no second round.
  expect(Math.max(...waitedMs)).toBeLessThan(ONE_WAY_MS_MAX);
  await rig.stop();
});

test('what was about to act when its executor died does not act while nobody can tell what is so', async () => {
  const rig = createRig(SEED);
  const run = rig.begin();
  const atMs = run.createdAtMs;
  const intended = { state: 'acting', tries: 1, touched: true, startedAtMs: atMs, triedAtMs: atMs, because: 'is about to' } as const;
  const over = { state: 'done', tries: 0, because: 'it is so' } as const;
  rig.put('run/shop-1', { ...run, steps: { ...run.steps, 'gate.lag': over, fence: over, scale: intended } });
  let looks = 0;
  rig.ground.says.set('scale', () => {
    looks++;
    return { is: 'unknown', because: 'nobody answers' };
  });
  rig.add(WEST, 'w1');
  await rig.virtual.advance(20_000);
  expect(looks).toBeGreaterThan(3);
  expect(rig.ground.calls.filter(({ key }) => key.includes('scale'))).toEqual([]);
  await rig.stop();
});

/** Timers that the executor uses for the whole plan: each is one await that could be its last. */
const timersOfPlan = async (): Promise<number> => {
  const rig = createRig(SEED);
  const replica = rig.add(WEST, 'w1');
  let timers = 0;
  const { after } = replica.process.ports.timers;
  replica.process.ports.timers.after = (ms, fn, options) =>
    after(
      ms,
      () => {
        timers += 1;
        fn();
      },
      options,
    );
  rig.begin();
  await rig.untilEnded(60_000);
  return timers;
};

test('killed at every await of a whole plan: another region resumes, nothing happens twice, the world ends the same', async () => {
  const timers = await timersOfPlan();
  expect(timers).toBeGreaterThan(80);
  let takenOver = 0;
  for (let n = 1; n <= timers; n += 1) {
    const rig = createRig(SEED);
    rig.add(WEST, 'w1').process.crashAfter(n);
    rig.add(SOUTH, 's1');
    rig.begin();
    await rig.untilEnded(300_000);
    demandWhole(rig, `killed at timer ${n}`);
    if (rig.ground.calls.some(({ by }) => by === 's1')) takenOver += 1;
    // Beyond what was in flight when it died, nothing is even asked for twice.
    const repeats = rig.ground.calls.length - new Set(rig.ground.calls.map(({ key }) => key)).size;
    expect(repeats, `killed at timer ${n}`).toBeLessThanOrEqual(2);
  }
  expect(takenOver).toBeGreaterThan(40);
}, 240_000);

test('paused at every await and woken a minute later: what it intended before it slept it does not do', async () => {
  const timers = await timersOfPlan();
  for (let n = 1; n <= timers; n += 1) {
    const rig = createRig(SEED);
    const { process } = rig.add(WEST, 'w1');
    let left = n;
    const { after } = process.ports.timers;
    process.ports.timers.after = (ms, fn, options) =>
      after(
        ms,
        () => {
          left -= 1;
          if (left !== 0) return fn();
          process.pause();
          rig.virtual.ports.timers.after(60_000, process.resume);
          // What the timer was to do, it does when it is awake.
          after(1, fn, options);
        },
        options,
      );
    rig.add(SOUTH, 's1');
    rig.begin();
    await rig.untilEnded(300_000);
    await rig.virtual.advance(90_000);
    demandWhole(rig, `paused at timer ${n}`);
  }
}, 240_000);

test.each(['in-doubt', 'lost', 'late', 'definite'] as const)(
  'every commit %s, one after the other',
  async (fate) => {
    const probe = createRig(SEED);
    const first = probe.add(WEST, 'w1');
    probe.begin();
    await probe.untilEnded(60_000);
    const commits = first.txns;
    expect(commits).toBeGreaterThan(20);
    for (let n = 1; n <= commits; n += 1) {
      const rig = createRig(SEED);
      rig.add(WEST, 'w1', { fate: (at): Fate => (at === n ? fate : 'well') });
      rig.begin();
      await rig.untilEnded(300_000);
      await rig.virtual.advance(10_000);
      demandWhole(rig, `${fate} at commit ${n}`);
      expect(rig.ground.calls.length, `${fate} at commit ${n}`).toBeLessThanOrEqual(6);
    }
  },
  240_000,
);

test('a store that is in doubt at random, seed by seed', async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const rig = createRig(seed);
    const fates: readonly Fate[] = ['in-doubt', 'lost', 'late', 'definite', 'well', 'well', 'well', 'well', 'well', 'well'];
    let draw = seed * 7919;
    const fate = (): Fate => {
      draw = (draw * 1_103_515_245 + 12_345) % 2 ** 31;
      return fates[draw % fates.length] ?? 'well';
    };
    rig.add(WEST, 'w1', { fate });
    rig.add(WEST, 'w2', { fate });
    rig.add(SOUTH, 's1', { fate });
    rig.begin();
    await rig.untilEnded(900_000);
    await rig.virtual.advance(10_000);
    demandWhole(rig, `seed ${seed}`);
  }
}, 120_000);

test('the region that is activated goes first; another one takes what nobody there claims', async () => {
  const rig = createRig(SEED);
  rig.add(EAST, 'e1');
  rig.add(WEST, 'w1');
  await rig.virtual.advance(2_000);
  rig.begin();
  await rig.virtual.advance(1_000);
  expect(rig.run().executor?.region).toBe(WEST);

  const alone = createRig(SEED);
  alone.add(EAST, 'e1');
  await alone.virtual.advance(2_000);
  alone.begin();
  await alone.virtual.advance(5_000);
  expect(alone.run().executor).toBeNull();
  await alone.untilEnded(60_000);
  demandWhole(alone, 'from elsewhere');
});

test('one that hangs is taken over, by its own region sooner than by others; one that lives is left alone', async () => {
  const rig = createRig(SEED);
  const first = rig.add(WEST, 'w1');
  rig.ground.says.set('wait', () => ({ is: 'pending', because: 'not yet' }));
  rig.begin();
  await rig.virtual.advance(3_000);
  expect(rig.run().executor?.boot).toBe('w1');
  rig.add(WEST, 'w2');
  rig.add(SOUTH, 's1');
  await rig.virtual.advance(40_000);
  expect(rig.run().executor?.boot).toBe('w1');
  first.process.pause();
  await rig.virtual.advance(TAKEOVER_OWN_MS - 5_000);
  expect(rig.run().executor?.boot).toBe('w1');
  await rig.virtual.advance(8_000);
  expect(rig.run().executor?.boot).toBe('w2');
  const second = rig.replicas.find(({ name }) => name === 'w2');
  second?.process.pause();
  await rig.virtual.advance(TAKEOVER_MS + 4_000);
  expect(rig.run().executor?.boot).toBe('s1');
  // Both wake: neither writes, and neither acts.
  const { mod } = rig.store.snapshot().records.get('run/shop-1')?.kv ?? { mod: 0 };
  first.process.resume();
  second?.process.resume();
  await rig.virtual.advance(1_000);
  expect(rig.run().executor?.boot).toBe('s1');
  expect(mod).toBeGreaterThan(0);
  expect(first.executor.held()).toEqual([]);
  expect(rig.ground.violations).toEqual([]);
});

test('a replica that lacks a system lets the run go, and another one goes on', async () => {
  const rig = createRig(SEED);
  rig.ground.lacks.set('w1', new Set(['temporal.failover']));
  rig.add(WEST, 'w1');
  rig.add(WEST, 'w2').process.pause();
  rig.begin();
  await rig.virtual.advance(5_000);
  rig.replicas[1]?.process.resume();
  await rig.untilEnded(120_000);
  demandWhole(rig, 'let go');
  expect(rig.ground.calls.find(({ key }) => key.endsWith('namespaces'))?.by).toBe('w2');
});

test('it lets a run go only when nothing of it is under way any more', async () => {
  const rig = createRig(SEED);
  rig.ground.lacks.set('w1', new Set(['k8s.wait']));
  rig.ground.slowMs.set('hook', 6_000);
  rig.add(WEST, 'w1');
  rig.add(WEST, 'w2').process.pause();
  rig.begin();
  await rig.virtual.advance(3_000);
  rig.replicas[1]?.process.resume();
  await rig.virtual.advance(2_000);
  expect(rig.run().executor?.boot).toBe('w1');
  await rig.untilEnded(120_000);
  demandWhole(rig, 'let go');
  expect(rig.ground.calls.filter(({ key }) => key.endsWith('hook')).map(({ by }) => by)).toEqual(['w1']);
});

test('stopped in good order it gives its runs up, and nobody has to wait', async () => {
  const rig = createRig(SEED);
  const first = rig.add(WEST, 'w1');
  rig.add(WEST, 'w2');
  rig.ground.says.set('wait', () => ({ is: 'pending', because: 'not yet' }));
  rig.begin();
  await rig.virtual.advance(3_000);
  const holder = rig.replicas.find(({ name }) => name === rig.run().executor?.boot) ?? first;
  void holder.executor.stop();
  await rig.virtual.advance(2_500);
  expect(rig.run().executor?.boot).not.toBe(holder.name);
  expect(rig.run().executor).not.toBeNull();
});

test('calls that never end are left behind at their deadline', async () => {
  const rig = createRig(SEED);
  const first = rig.add(WEST, 'w1');
  let hung = 0;
  rig.ground.says.set('scale', () => {
    hung += 1;
    if (hung === 1) first.caller.cut = 'in';
    return null;
  });
  rig.begin();
  await rig.virtual.advance(6_000);
  first.caller.cut = 'no';
  await rig.untilEnded(120_000);
  demandWhole(rig, 'a call that hung');
});

test('several runs at once do not get in each other’s way', async () => {
  const rig = createRig(SEED);
  rig.add(WEST, 'w1');
  rig.add(WEST, 'w2');
  rig.begin();
  rig.begin({
    id: 'shop-2',
    platform: 'other',
    plan: rig
      .run()
      .plan.filter(({ kind }) => kind === 'webhook.call')
      .map((step) => ({ ...step, needs: [] })),
  });
  await rig.untilEnded(60_000, 'shop-2');
  await rig.untilEnded(60_000);
  expect(rig.run('shop-2').state).toBe('done');
  demandWhole(rig, 'beside another');
});
