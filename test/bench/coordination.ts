// Many regions deciding as one: how soon a fault is decided on, how soon a dead coordinator is replaced on a real etcd, what all that talk costs etcd, and
// what it costs a process. Each figure stands beside a reference from the same run.
import type { Bench, BenchOptions } from './bench.ts';
import { measureDetection } from './coordination/detection.ts';
import { measureLoad } from './coordination/load.ts';
import { measureTakeover } from './coordination/takeover.ts';

const GOAL_DETECTION_P99_MS = 10_000;
const GOAL_TAKEOVER_P99_MS = 9000;

/** Trials by number of regions, of takeovers, of the reference's; and the span over which load is counted. */
const FULL = { detection: { 3: 60, 5: 40, 9: 16, 20: 6 }, takeovers: 20, locks: 4, loadMs: 15_000, sizes: [3, 20] };
const QUICK = { detection: { 3: 10, 9: 2 }, takeovers: 1, locks: 0, loadMs: 8000, sizes: [3] };

const note = (text: string): void => void process.stderr.write(`coordination: ${text}\n`);

export const benchCoordination = async ({ quick, trials, regions: only }: BenchOptions): Promise<Bench> => {
  const { detection: sizes, takeovers, locks, loadMs, sizes: clusters } = quick ? QUICK : FULL;
  if (only === null) note('detection on virtual time');
  const detection = only === null ? await measureDetection(sizes) : [];
  if (only === null) note('takeovers on three rings of etcd, 100 ms between regions');
  const takeover = only === null ? await measureTakeover(trials ?? takeovers, Math.min(locks, trials ?? locks)) : [];
  const load: object[] = [];
  const processes: object[] = [];
  let drained = true;
  for (const regions of only === null ? clusters : [only]) {
    note(`load of ${regions} regions`);
    const measured = await measureLoad(regions, loadMs);
    load.push(...measured.load);
    processes.push(measured.process);
    drained &&= measured.drained;
  }
  return {
    goals: { detectionP99Ms: GOAL_DETECTION_P99_MS, takeoverP99Ms: GOAL_TAKEOVER_P99_MS },
    met:
      drained &&
      detection.every((row) => row.p99S * 1000 <= GOAL_DETECTION_P99_MS) &&
      takeover.every((row) => row.p99S * 1000 <= GOAL_TAKEOVER_P99_MS),
    rows: only === null ? detection : load,
    tables: only === null ? [takeover, load, processes] : [processes],
  };
};
