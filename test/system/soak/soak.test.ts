// `npm run soak -- --hours H`: five regions on real servers for hours, one fault every 30 to 120 seconds, drawn by a seed. After each the world has to become
// whole again by itself; nothing may move that was well, no fence go back, no page be lost, and what lives the whole time must weigh at its end what it did.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Random } from '../../../src/ports.ts';
import { quantile } from '../../bench/numbers.ts';
import { isMoot } from '../../paging/moot.ts';
import { NEVER_MS, unjudgedOf, wrongWith } from '../../soak/judge.ts';
import { growth, type Vital, vitalOf, weigh } from '../../soak/vitals.ts';
import { seededRandom } from '../../virtual.ts';
import { awaitDrain } from '../cluster/deaths.ts';
import type { ReplicaName } from '../cluster/files.ts';
import { keepPace, type Pace } from '../cluster/pace.ts';
import { whyNoWan } from '../cluster/wan.ts';
import { startWorld, type World } from '../cluster/world.ts';
import { expectExplained } from '../judge.ts';
import { FAULTS, type Fault, type Felt, LASTING } from './faults.ts';

const HOURS = Number(process.env.SOAK_HOURS ?? 0.03);
const SEED = process.env.SEED ?? String(Date.now());
/** From one fault to the next. */
const EVERY_MS = [30_000, 120_000] as const;
/** How long a fault lasts that drains nobody. */
const HELD_MS = [5_000, 20_000] as const;
const VITALS_EVERY_MS = 5_000;
/** The world's start, its last recovery, and pages that are held for five minutes. */
const AROUND_MS = 600_000;

interface Done {
  fault: string;
  felt: Felt;
  detectionMs?: number;
  convergenceMs?: number;
  recoveryMs: number;
  /** Why the machine was too slow to judge times. */
  slow: string | null;
}

const between = (random: Random, [from, to]: readonly [number, number]): number => from + random.unit() * (to - from);

const why = whyNoWan();
if (why !== null && process.env.CI !== undefined) throw new Error(`five regions need a network of their own: ${why}`);

const messageOf = (error: unknown): string => (error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));

/** One fault from its beginning until the world is whole. Pushes what was wrong. */
const suffer = async (world: World, pace: Pace, fault: Fault, random: Random, violations: string[]): Promise<Done> => {
  const from = world.chronicle.latest?.routing?.v ?? 0;
  pace.begin();
  const atMs = performance.now();
  const felt = await fault.begin(world, random);
  const told = `${fault.name} (${felt.where})`;
  const drained =
    felt.drains &&
    (await awaitDrain(world, felt.drains.region, atMs, felt.drains.unseen, NEVER_MS).catch((error: unknown) => ({
      never: messageOf(error),
    })));
  if (felt.drains === undefined) await delay(between(random, HELD_MS));
  const slow = pace.tooSlow(felt.asleep);
  if (drained !== undefined) violations.push(...wrongWith(drained, slow).map((sentence) => `${told}: ${sentence}`));
  await felt.undo?.();
  const mendedAtMs = performance.now();
  await world.whole();
  const audits = await world.audits();
  for (const sentence of world.truth.wrongMoves(audits.filter(({ v }) => v > from))) violations.push(`${told}: ${sentence}`);
  const times = drained === undefined || 'never' in drained ? {} : drained;
  return { fault: fault.name, felt, ...times, recoveryMs: performance.now() - mendedAtMs, slow };
};

/** Looks at the processes that last, until it is stopped. */
const watchVitals = (world: World): { of(name: ReplicaName): readonly Vital[]; stop(): void } => {
  const seen = new Map<ReplicaName, Vital[]>(LASTING.map((name) => [name, []]));
  const timer = setInterval(() => {
    for (const [name, vitals] of seen) vitals.push(vitalOf(world.replica(name).process.pid, performance.now()));
  }, VITALS_EVERY_MS);
  return { of: (name) => seen.get(name) ?? [], stop: () => clearInterval(timer) };
};

const seconds = (values: readonly (number | undefined)[], p: number): string => {
  const known = values.filter((ms) => ms !== undefined);
  return known.length === 0 ? '' : (quantile(known, p) / 1000).toFixed(1);
};

const HEAD = ['fault', 'times', 'detection p50 s', 'max', 'convergence p50 s', 'max', 'whole again p50 s', 'max', 'too slow to judge'];

const table = (done: readonly Done[]): string => {
  const rows = FAULTS.map(({ name }) => {
    const all = done.filter(({ fault }) => fault === name);
    const judged = all.filter(({ slow }) => slow === null);
    const pair = (of: (one: Done) => number | undefined): string[] => [seconds(judged.map(of), 0.5), seconds(judged.map(of), 1)];
    const times = [...pair((one) => one.detectionMs), ...pair((one) => one.convergenceMs), ...pair((one) => one.recoveryMs)];
    return [name, String(all.length), ...times, String(all.length - judged.length)];
  });
  return [HEAD, HEAD.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
};

const vitalsTable = (vitals: (name: ReplicaName) => readonly Vital[]): string =>
  [
    '| replica | memory, second quarter MB | last quarter | most | descriptors, second quarter | last quarter |',
    '| --- | --- | --- | --- | --- | --- |',
    ...LASTING.map((name) => {
      const { earlyRssMb, lateRssMb, maxRssMb, earlyDescriptors, lateDescriptors } = weigh(vitals(name));
      return `| ${[name, ...[earlyRssMb, lateRssMb, maxRssMb].map((mb) => mb.toFixed(0)), earlyDescriptors, lateDescriptors].join(' | ')} |`;
    }),
  ].join('\n');

/** Every page that was due has reached a receiver. */
const pagesLost = async (world: World): Promise<readonly string[]> => {
  const pages = [...world.chronicle.pages.values()];
  const due = pages.filter((page) => !isMoot(page, pages) && (page.notBeforeMs ?? 0) <= Date.now());
  const lost: string[] = [];
  for (const { id, summary } of due)
    await world
      .untilPaged(`delivery of ${id}`, (page) => page.id === id, 0)
      .catch(() => lost.push(`page ${id} reached nobody: ${summary}`));
  return lost;
};

test.skipIf(why !== null)(
  `${HOURS} hours of faults`,
  async () => {
    process.stdout.write(`SEED=${SEED} hours ${HOURS}, a fault every ${EVERY_MS.map((ms) => ms / 1000).join(' to ')} s\n`);
    const random = seededRandom(SEED);
    await using world = await startWorld();
    // What hangs in the air makes a history of orders harder to judge with each fault.
    await world.people.pause();
    const pace = keepPace(world.wan, world.chronicle, (name) => world.replica(name as ReplicaName).startedAtMs);
    const vitals = watchVitals(world);
    const violations: string[] = [];
    const done: Done[] = [];
    const untilMs = performance.now() + HOURS * 3_600_000;
    try {
      let bag: Fault[] = [];
      while (performance.now() < untilMs) {
        const nextMs = performance.now() + between(random, EVERY_MS);
        // Each once before any comes again.
        if (bag.length === 0) bag = [...FAULTS];
        const [fault] = bag.splice(Math.floor(random.unit() * bag.length), 1) as [Fault];
        const one = await suffer(world, pace, fault, random, violations);
        done.push(one);
        const told = [one.detectionMs, one.convergenceMs, one.recoveryMs].map((ms) => (ms === undefined ? '-' : (ms / 1000).toFixed(1)));
        process.stdout.write(
          `${done.length}. ${one.fault} (${one.felt.where}): ${told.join(', ')} s${one.slow === null ? '' : `; ${one.slow}`}\n`,
        );
        for (const sentence of violations) process.stdout.write(`VIOLATION ${sentence}\n`);
        await delay(Math.max(0, Math.min(nextMs, untilMs) - performance.now()));
      }
    } finally {
      pace.stop();
      vitals.stop();
    }
    const audits = await world.audits();
    expectExplained(audits, (await world.store.get({ keys: ['routing'] })).kvs[0]?.value as Parameters<typeof expectExplained>[1]);
    violations.push(...world.backwards(), ...(await pagesLost(world)));
    // A short soak has too few looks to weigh.
    const enough = vitals.of('r5/a').length >= 8;
    if (enough && HOURS >= 0.5) {
      for (const name of LASTING) {
        const grown = growth(weigh(vitals.of(name)));
        if (grown !== null) violations.push(`${name}: ${grown}`);
      }
    }
    const unjudged = unjudgedOf(done);
    if (unjudged.isTooMany) violations.push(`${unjudged.text}: this soak proves too little; run it where less else runs`);
    const sum = `${done.length} faults in ${HOURS} h (${unjudged.text}), ${audits.length} decisions, ${world.chronicle.pages.size} pages, ${violations.length} violations (SEED=${SEED})`;
    const text = [sum, table(done), ...(enough ? [vitalsTable(vitals.of)] : [])].join('\n\n');
    process.stdout.write(`\n${text}\n`);
    if (process.env.RECORD === '1' && violations.length === 0) writeFileSync(join(import.meta.dirname, 'RESULT.md'), `${text}\n`);
    expect(violations).toEqual([]);
  },
  HOURS * 3_600_000 + AROUND_MS,
);
