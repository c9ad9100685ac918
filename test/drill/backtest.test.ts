// The backtest against what production replicas really decided in a world on virtual time.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BacktestResult, createBacktest } from '../../src/drill/backtest.ts';
import { differenceOf, sideBySide } from '../../src/drill/moves.ts';
import type { ClusterConfig, Policy } from '../../src/model.ts';
import { linesOn, type TapedWorld, tapedWorld } from '../record/tape.ts';
import { clusterOf, poolOf } from '../world.ts';

const REGIONS = ['a', 'b', 'c'];
const ALL = REGIONS.map((region) => `${region}/a`);

const replayed = (tape: TapedWorld, wanted: ClusterConfig | null, who: readonly string[] = ALL): BacktestResult => {
  const backtest = createBacktest(wanted);
  // As the reader merges them: each recorder's lines in their order, the earliest first.
  const queues = who.map((by) => ({ by, lines: [...linesOn(tape.disks.get(by)!)].reverse() }));
  const at = ({ lines }: (typeof queues)[number]): number => lines.at(-1)?.atMs ?? Number.POSITIVE_INFINITY;
  for (let left = queues; left.some((q) => q.lines.length > 0); ) {
    const { by, lines } = left.reduce((a, b) => (at(b) < at(a) ? b : a));
    backtest.take(by, lines.pop()!);
    left = queues.filter((q) => q.lines.length > 0);
    if (left.length === 0) break;
  }
  const result = backtest.result();
  if (result === null) throw new Error('nothing was recorded');
  return result;
};

const differences = (result: BacktestResult): readonly string[] =>
  sideBySide(result.recorded.moves, result.next.moves).map((row) => `${differenceOf(row)} ${row.change}`);

const withPolicy = (cluster: ClusterConfig, policy: Partial<Policy>): ClusterConfig => ({
  ...cluster,
  policy: { ...cluster.policy, ...policy },
});

const CLUSTER = clusterOf(REGIONS, [{}]);
let shared: Promise<TapedWorld> | null = null;
/** One outage, recorded everywhere with all looks; played once. */
const sharedOutage = (): Promise<TapedWorld> => {
  shared ??= outage(CLUSTER, ALL);
  return shared;
};

/** Dies at one minute, is well again at two, watched until ten. */
const outage = async (cluster: ClusterConfig, who: readonly string[], observations = true): Promise<TapedWorld> => {
  const tape = tapedWorld({ cluster }, who, { observations });
  await tape.world.start();
  await tape.world.run(60_000);
  tape.world.health('b', ['healthz', 'readyz'], 'refuse');
  await tape.world.run(60_000);
  tape.world.health('b', ['healthz', 'readyz'], 'ok');
  await tape.world.run(480_000);
  await tape.stop();
  return tape;
};

describe('the recorded configuration', () => {
  test('a death and a return are reproduced to the millisecond, and votes by their looks', async () => {
    const tape = await sharedOutage();
    const real = (await tape.world.routing())!;
    const result = replayed(tape, null);
    expect(result.trust).toMatchObject({ late: 0, unseen: 0, different: [] });
    expect(result.trust.same).toBe(result.trust.checked);
    expect(result.trust.checked).toBeGreaterThan(5);
    expect(result.recorded.moves.at(-1)?.after).toEqual(real.services.web?.route);
    expect(result.recorded.moves[0]?.change).toBe('web: a 334 -> 500, b 333 -> 0, c 333 -> 500');
    for (const { votes } of result.recorders) expect(votes.same).toBe(votes.checked);
    expect(result.recorders.reduce((n, r) => n + r.votes.checked, 0)).toBeGreaterThan(5);
    expect(differences(result).every((line) => line.startsWith('same'))).toBe(true);
  });

  test('one recorder is enough, whether or not it coordinated', async () => {
    const tape = await sharedOutage();
    for (const by of ALL) {
      const { trust, silent } = replayed(tape, null, [by]);
      expect(trust).toMatchObject({ unseen: 0, different: [] });
      expect(trust.same + trust.late).toBe(trust.checked);
      expect(silent).toEqual(ALL.filter((each) => each !== by));
    }
  });

  type Trouble = 'kill' | 'refuse' | 'hang' | 'error' | 'ok' | 'blind' | 'sight' | 'cut' | 'heal' | 'boot' | 'drain' | 'revoke' | 'apply';
  const troubles: readonly Trouble[] = [
    'refuse',
    'hang',
    'error',
    'ok',
    'ok',
    'blind',
    'sight',
    'cut',
    'heal',
    'drain',
    'revoke',
    'apply',
    'kill',
    'boot',
  ];

  const wreak = async ({ world }: TapedWorld, what: Trouble, region: string): Promise<void> => {
    switch (what) {
      case 'refuse':
      case 'hang':
      case 'error':
      case 'ok':
        return world.health(region, what === 'error' ? ['readyz'] : ['healthz', 'readyz'], what);
      case 'blind':
      case 'sight':
        return world.blind(region, what === 'blind');
      case 'cut':
      case 'heal':
        return world.cut(region, what === 'cut');
      case 'drain':
        return world.hand.order('works', 'drain', { region }, 30_000, 'alice', 'works');
      case 'revoke':
        return world.hand.revoke('works');
      case 'apply': {
        const pools = REGIONS.map((name, i) => poolOf(name, name === region ? 2 : 1, i));
        const services = world.cluster.services.map((s) => ({ ...s, pools }));
        return world.apply({ ...world.cluster, version: world.cluster.version + 1, services });
      }
      case 'kill':
        return world.kill(region);
      case 'boot':
        if (world.replica(region) === undefined) world.boot(region);
        return;
    }
  };

  test('whatever happens: every recorded decision is reproduced, and the same policy under another name differs nowhere', {
    timeout: 180_000,
  }, async () => {
    const story = fc.array(
      fc.record({ what: fc.constantFrom(...troubles), region: fc.constantFrom(...REGIONS), waitMs: fc.integer({ min: 500, max: 40_000 }) }),
      { minLength: 6, maxLength: 14 },
    );
    await fc.assert(
      fc.asyncProperty(story, fc.integer({ min: 1, max: 1e6 }), async (moments, seed) => {
        const cluster = clusterOf(REGIONS, [{}, { name: 'api', mode: 'observe' }], {
          recoveryHoldMs: 15_000,
          rampStepMs: 5000,
          pacingMs: 20_000,
        });
        const tape = tapedWorld({ cluster, seed }, ALL);
        await tape.world.start();
        await tape.world.run(40_000);
        for (const { what, region, waitMs } of moments) {
          await wreak(tape, what, region);
          await tape.world.run(waitMs);
        }
        await tape.stop();
        const result = replayed(tape, cluster);
        expect(result.trust.different).toEqual([]);
        expect(result.trust.same + result.trust.late).toBe(result.trust.checked);
        if (!moments.some(({ what }) => what === 'apply'))
          expect(differences(result).filter((line) => !line.startsWith('same'))).toEqual([]);
        await tape.world.close();
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });
});

describe('another configuration', () => {
  test('a longer recovery hold brings the traffic back later, and nothing else differs', async () => {
    const cluster = CLUSTER;
    const tape = await sharedOutage();
    const result = replayed(tape, withPolicy(cluster, { recoveryHoldMs: cluster.policy.recoveryHoldMs + 30_000 }));
    const rows = sideBySide(result.recorded.moves, result.next.moves);
    expect(rows.map(differenceOf)).toEqual(['same', ...rows.slice(1).map(() => 'later')]);
    expect(rows.slice(1).map(({ first, second }) => Math.round(((second?.atMs ?? 0) - (first?.atMs ?? 0)) / 1000))).toEqual(
      rows.slice(1).map(() => 30),
    );
    expect(result.recorders.map((r) => r.use)).toEqual(['same thresholds', 'same thresholds', 'same thresholds']);
  });

  test('more faults are wanted: the votes are made anew from the looks, and the drain comes later', async () => {
    const cluster = CLUSTER;
    const tape = await sharedOutage();
    const result = replayed(tape, withPolicy(cluster, { faults: 8 }));
    const [drain] = sideBySide(result.recorded.moves, result.next.moves);
    expect(drain?.change).toBe('web: a 334 -> 500, b 333 -> 0, c 333 -> 500');
    expect((drain?.second?.atMs ?? 0) - (drain?.first?.atMs ?? 0)).toBeGreaterThan(1500);
    expect(result.recorders.map((r) => r.use)).toEqual(['made anew', 'made anew', 'made anew']);
  });

  test('without looks thresholds cannot show, and the result says so', async () => {
    const cluster = clusterOf(REGIONS, [{}]);
    const tape = await outage(cluster, ALL, false);
    const result = replayed(tape, withPolicy(cluster, { faults: 8 }));
    expect(result.recorders.map((r) => r.use)).toEqual(['as cast', 'as cast', 'as cast']);
    expect(differences(result).every((line) => line.startsWith('same'))).toBe(true);
  });

  test('a policy that never lets a region go, and targets that nobody looked at then', async () => {
    const cluster = CLUSTER;
    const tape = await sharedOutage();
    const bold = withPolicy(cluster, { safety: { 'last-pool': {}, 'blast-radius': { regions: 0, windowMs: 60_000 } } });
    const held = replayed(tape, bold);
    expect(held.next.moves).toEqual([]);
    expect(Object.keys(held.next.holds).join()).toContain('blast-radius');
    const grown: ClusterConfig = { ...cluster, services: [...cluster.services, ...clusterOf(REGIONS, [{ name: 'new' }]).services] };
    const strange = replayed(tape, grown);
    expect(strange.next.moves.map((m) => m.service)).toEqual(strange.recorded.moves.map((m) => m.service));
    expect(strange.notes.join('\n')).toContain('3 of 6 targets were not looked at then');
    expect(strange.notes.join('\n')).toContain('not in the recording: new');
  });

  test('an outage that spans two files of one recorder, the first of them deleted', async () => {
    const cluster = clusterOf(REGIONS, [{}]);
    const short = tapedWorld({ cluster }, ['a/a'], { fileBytes: 4000 });
    await short.world.start();
    await short.world.run(60_000);
    short.world.health('b', ['healthz', 'readyz'], 'refuse');
    await short.world.run(120_000);
    await short.stop();
    const [first] = [...short.disks.get('a/a')!.files.keys()].sort();
    expect(short.disks.get('a/a')!.files.size).toBeGreaterThan(2);
    short.disks.get('a/a')!.files.delete(first!);
    expect(replayed(short, null, ['a/a']).trust).toMatchObject({ different: [] });
  });
});
