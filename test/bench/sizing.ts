// What one replica takes of a machine, by the number of targets: the figures that deploy/kubernetes asks its cluster for. The replica is alone in its region and
// coordinates, so it probes everything and decides too; a second one in the region would take over half of the probes.
import type { Bench, BenchOptions } from './bench.ts';
import { measureLoad } from './coordination/load.ts';

const REGIONS = 3;
const TARGETS = [200, 2000] as const;
const SPAN_MS = 30_000;
const QUICK_SPAN_MS = 8000;
/** What deploy/kubernetes/base/replica.yaml allows it. */
const LIMIT_MB = 1024;

export const benchSizing = async ({ quick }: BenchOptions): Promise<Bench> => {
  const rows: Awaited<ReturnType<typeof measureLoad>>['process'][] = [];
  for (const targets of TARGETS) {
    process.stderr.write(`sizing: ${targets} targets\n`);
    rows.push((await measureLoad(REGIONS, quick ? QUICK_SPAN_MS : SPAN_MS, targets)).process);
  }
  // Whether it drained in time says something of this machine, which also carries three members of etcd and the other regions' voters; it is shown and no goal.
  return { goals: { rssMB: LIMIT_MB }, met: rows.every(({ rssMB }) => rssMB < LIMIT_MB), rows };
};
