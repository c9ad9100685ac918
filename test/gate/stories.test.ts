// Gates and the checkers that poll them, on virtual time: three regions' gates over one store, and a stand-in of Route 53 (inverted checks of the other
// regions, two of which must agree) or of a checker of the pool's own address. What users are served is told by the stand-in.
import { describe, expect, test } from 'vitest';
import { type CheckedPool, type HealthChecker, startHealthChecker } from '../../src/drill/stand-ins/health-checker.ts';
import type { StandInServed } from '../../src/drill/stand-ins/stand-in.ts';
import type { Form } from '../../src/gate/answers.ts';
import type { Gate } from '../../src/gate/gate.ts';
import { REGIONS, WEB } from '../providers/gate.fixture.ts';
import { type Bench, createBench, type FakeFile, fakeFile } from './gate.fixture.ts';

type Region = (typeof REGIONS)[number];

const INTERVAL_MS = 10_000;
const FAILURES = 3;
/** The longest from a gate's answer until the stand-in believes it. */
const BELIEF_MS = INTERVAL_MS * (FAILURES + 1);
const NO_EU = { 'us-east': 500, 'ap-south': 500 };
const NO_US = { 'eu-west': 500, 'ap-south': 500 };

interface Scene {
  bench: Bench;
  gates: Map<Region, { gate: Gate; file: FakeFile }>;
  /** Regions that answer no poll. */
  dead: Set<string>;
  checker: HealthChecker;
  served: StandInServed[];
  at(): Readonly<Record<string, number>>;
}

const STATUS = { survivor: { drain: 200, keep: 404 }, origin: { drain: 503, keep: 200 } } as const;

const scene = async (form: Form = 'survivor'): Promise<Scene> => {
  const bench = createBench();
  const gates: Scene['gates'] = new Map();
  for (const region of REGIONS) {
    const file = fakeFile();
    gates.set(region, { gate: await bench.open(file, `${region}/a`), file });
  }
  const dead = new Set<string>();
  const pools = REGIONS.map((pool): CheckedPool => {
    const asked = form === 'origin' ? [pool] : REGIONS.filter((region) => region !== pool);
    return { pool, address: pool, weight: 10, gates: asked.map((region) => `${region} ${pool}`) };
  });
  const served: StandInServed[] = [];
  const checker = startHealthChecker({
    ports: bench.virtual.ports,
    form,
    name: WEB,
    pools,
    intervalMs: INTERVAL_MS,
    timeoutMs: 2000,
    failures: FAILURES,
    agree: 2,
    async ask(url) {
      const [region, pool] = url.split(' ') as [Region, string];
      const asked = gates.get(region);
      if (asked === undefined || dead.has(region)) throw new Error('no answer');
      return STATUS[form][asked.gate.answer(WEB, pool).drain ? 'drain' : 'keep'];
    },
    onServed: (now) => void served.push(now),
  });
  await bench.write(1);
  await bench.virtual.advance(60_000);
  return { bench, gates, dead, checker, served, at: () => checker.served().weights };
};

const ALL = { 'eu-west': 10, 'us-east': 10, 'ap-south': 10 };

describe('survivor gates', () => {
  test('a region dies: the others say so, and users leave within the polls of the checker', async () => {
    const { bench, dead, checker, at } = await scene();
    expect(at()).toEqual(ALL);
    dead.add('eu-west');
    await bench.write(2, NO_EU);
    expect(await bench.virtual.advanceUntil(() => checker.drained().includes('eu-west'), 120_000)).toBeLessThanOrEqual(BELIEF_MS);
    expect(at()).toEqual({ ...ALL, 'eu-west': 0 });
    await bench.write(3);
    expect(await bench.virtual.advanceUntil(() => checker.drained().length === 0, 120_000)).toBeLessThanOrEqual(BELIEF_MS);
  });

  test('all gates are dead: nothing is drained, whatever was decided, and what was drained returns', async () => {
    const { bench, dead, served, at } = await scene();
    for (const region of REGIONS) dead.add(region);
    await bench.write(2, NO_EU);
    await bench.virtual.advance(600_000);
    expect(at()).toEqual(ALL);
    expect(served).toHaveLength(1);
    dead.clear();
    await bench.virtual.advance(BELIEF_MS);
    expect(at()).toEqual({ ...ALL, 'eu-west': 0 });
    for (const region of REGIONS) dead.add(region);
    await bench.virtual.advance(BELIEF_MS);
    expect(at()).toEqual(ALL);
  });

  test('one gate is stale: alone it drains nothing and keeps nothing drained', async () => {
    const { bench, gates, dead, at } = await scene();
    // us-east remembers that ap-south was drained, and hears of nothing since.
    await bench.write(2, { 'eu-west': 500, 'us-east': 500 });
    await bench.virtual.advance(100);
    await gates.get('us-east')?.gate.close();
    await bench.write(3);
    await bench.virtual.advance(600_000);
    expect(gates.get('us-east')?.gate.answer(WEB, 'ap-south').drain).toBe(true);
    expect(at()).toEqual(ALL);
    // With two others needed, it can also keep a drain from happening: fail static, never fail wrong.
    dead.add('eu-west');
    await bench.write(4, NO_EU);
    await bench.virtual.advance(600_000);
    expect(at()).toEqual(ALL);
  });

  test('two gates disagree about who is to go: what two say is done, what one alone says is not', async () => {
    const { bench, gates, at } = await scene();
    await bench.write(2, NO_EU);
    await bench.virtual.advance(100);
    await gates.get('us-east')?.gate.close();
    await bench.write(3, NO_US);
    await bench.virtual.advance(600_000);
    // us-east alone says that eu-west is to go; ap-south and eu-west both say it of us-east.
    expect(gates.get('us-east')?.gate.answer(WEB, 'eu-west').drain).toBe(true);
    expect(gates.get('ap-south')?.gate.answer(WEB, 'eu-west').drain).toBe(false);
    expect(at()).toEqual({ ...ALL, 'us-east': 0 });
  });

  test('every gate restarts without a store: what was drained stays so', async () => {
    const { bench, gates, at, served } = await scene();
    await bench.write(2, NO_EU);
    await bench.virtual.advance(60_000);
    expect(at()).toEqual({ ...ALL, 'eu-west': 0 });
    bench.link.isUp = false;
    for (const [region, { gate, file }] of gates) {
      await gate.close();
      gates.set(region, { gate: await bench.open(file, `${region}/a`), file });
    }
    await bench.virtual.advance(3_600_000);
    expect(at()).toEqual({ ...ALL, 'eu-west': 0 });
    expect(served).toHaveLength(2);
  });
});

describe('origin gates', () => {
  test('a decision drains a pool whose region lives, as an order of a human does', async () => {
    const { bench, at } = await scene('origin');
    await bench.write(2, NO_EU);
    await bench.virtual.advance(BELIEF_MS);
    expect(at()).toEqual({ ...ALL, 'eu-west': 0 });
    await bench.write(3);
    await bench.virtual.advance(BELIEF_MS);
    expect(at()).toEqual(ALL);
  });

  test('a region that is dead fails its own checker without anybody’s help, and when all are, all are served', async () => {
    const { bench, dead, at } = await scene('origin');
    dead.add('eu-west');
    await bench.virtual.advance(BELIEF_MS);
    expect(at()).toEqual({ ...ALL, 'eu-west': 0 });
    for (const region of REGIONS) dead.add(region);
    await bench.virtual.advance(BELIEF_MS);
    expect(at()).toEqual(ALL);
  });
});
