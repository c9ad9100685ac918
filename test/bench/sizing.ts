// What one replica takes of a machine, by the number of targets: the figures that deploy/kubernetes asks its cluster for. The replica is alone in its region and
// coordinates, so it probes everything and decides too; a second one in the region would take over half of the probes.
import type { Bench, BenchOptions } from './bench.ts';
import { measureReplica } from './sizing/replica.ts';

/** Regions and targets. */
const SIZES = [
  [3, 200],
  [3, 2000],
  [20, 200],
] as const;
const SPAN_MS = 30_000;
const QUICK_SPAN_MS = 8000;
/** What deploy/kubernetes/base/replica.yaml allows it. */
const LIMIT_MB = 1024;

export const benchSizing = async ({ quick }: BenchOptions): Promise<Bench> => {
  const rows: Awaited<ReturnType<typeof measureReplica>>[] = [];
  for (const [regions, targets] of SIZES) {
    process.stderr.write(`sizing: ${regions} regions, ${targets} targets\n`);
    rows.push(await measureReplica(regions, targets, quick ? QUICK_SPAN_MS : SPAN_MS));
  }
  // Whether it drained in time says something of this machine, which also carries three members of etcd and the other regions' voters; it is shown and no goal.
  return { goals: { rssMB: LIMIT_MB }, met: rows.every(({ rssMB }) => rssMB < LIMIT_MB), rows };
};
