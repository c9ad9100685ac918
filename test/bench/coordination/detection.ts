// How soon a fault becomes a committed decision, by number of regions and kind of fault: seeded trials of the production code on virtual time, a thread per
// cell of the table. The reference is one checker that wants three strikes, for the very same faults.
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { KINDS, trial } from '../detection.ts';
import { quantile } from '../numbers.ts';

interface Cell {
  regions: number;
  kind: number;
  trials: number;
}

type Result = Awaited<ReturnType<typeof trial>>;

const ask = async (cell: Cell): Promise<readonly Result[]> => {
  const worker = new Worker(new URL(import.meta.url), { workerData: cell });
  const [results] = (await once(worker, 'message')) as [readonly Result[]];
  await worker.terminate();
  return results;
};

const rowOf = ({ regions, kind }: Cell, results: readonly Result[]) => {
  const ms = results.map((r) => r.ms);
  const reference = results.map((r) => r.referenceMs);
  return {
    fault: KINDS[kind]?.name ?? '',
    regions,
    n: ms.length,
    p50S: quantile(ms, 0.5) / 1000,
    p99S: quantile(ms, 0.99) / 1000,
    maxS: Math.max(...ms) / 1000,
    threeStrikesP50S: quantile(reference, 0.5) / 1000,
    timesFaster: quantile(reference, 0.5) / quantile(ms, 0.5),
  };
};

/** `trials` by number of regions. */
export const measureDetection = async (trials: Readonly<Record<number, number>>) => {
  const cells = KINDS.flatMap((_, kind) =>
    Object.entries(trials).map(([regions, n]): Cell => ({ regions: Number(regions), kind, trials: n })),
  );
  const rows = new Map<Cell, ReturnType<typeof rowOf>>();
  // The longest first, so that no thread begins one when the others are done.
  const queue = cells.toSorted((a, b) => a.regions - b.regions);
  const work = async (): Promise<void> => {
    for (let cell = queue.pop(); cell !== undefined; cell = queue.pop()) rows.set(cell, rowOf(cell, await ask(cell)));
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, work));
  return cells.map((cell) => rows.get(cell)).filter((row) => row !== undefined);
};

if (!isMainThread) {
  const { regions, kind, trials } = workerData as Cell;
  const names = Array.from({ length: regions }, (_, i) => String.fromCharCode(97 + i));
  const results: Result[] = [];
  const known = KINDS[kind];
  for (let seed = 0; known !== undefined && seed < trials; seed++) results.push(await trial(known, seed, names));
  parentPort?.postMessage(results);
}
