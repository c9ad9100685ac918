// What replicas ask of etcd, by the shape of a cluster and by what happens in it. `--targets N` measures three regions of that many targets alone.
import type { Bench, BenchOptions } from './bench.ts';
import { measureTraffic, type Shape, type TrafficRow } from './coordination/traffic.ts';

/** Bytes that etcd sends while all is quiet, beside heartbeats that everybody hears. */
const GOAL_QUIET_TIMES_FLOOR = 10;
const GOAL_DECIDED_S = 15;

const FULL: readonly Shape[] = [
  { regions: 3, replicas: 1, targets: 200, members: 1 },
  { regions: 3, replicas: 1, targets: 200, members: 3 },
  { regions: 3, replicas: 3, targets: 200, members: 3 },
  { regions: 5, replicas: 2, targets: 200, members: 3 },
  { regions: 20, replicas: 1, targets: 200, members: 3 },
];
const QUICK: readonly Shape[] = [{ regions: 3, replicas: 1, targets: 200, members: 3 }];
const [SPAN_MS, QUICK_SPAN_MS] = [12_000, 6000];

export const benchTraffic = async ({ quick, targets, regions, replicas, members, profile }: BenchOptions): Promise<Bench> => {
  const own: Shape = { regions: regions ?? 3, replicas: replicas ?? 1, targets: targets ?? 200, members: members === 1 ? 1 : 3 };
  const shapes = [targets, regions, replicas, members].some((given) => given !== null) ? [own] : quick ? QUICK : FULL;
  const rows: TrafficRow[] = [];
  const databases: object[] = [];
  const tables: (readonly object[])[] = [];
  for (const shape of shapes) {
    process.stderr.write(
      `traffic: ${shape.regions} regions of ${shape.replicas} replicas, ${shape.targets} targets, ${shape.members} members\n`,
    );
    const measured = await measureTraffic(shape, quick ? QUICK_SPAN_MS : SPAN_MS, profile);
    tables.push(...measured.tables);
    rows.push(...measured.rows);
    databases.push(measured.database);
  }
  return {
    goals: { quietTimesFloor: GOAL_QUIET_TIMES_FLOOR, decidedS: GOAL_DECIDED_S },
    met: rows.every(
      ({ load, outTimesFloor, decidedS }) =>
        (load !== 'quiet' || outTimesFloor <= GOAL_QUIET_TIMES_FLOOR) &&
        (load !== "the coordinator's region dies" || (decidedS !== '' && decidedS <= GOAL_DECIDED_S)),
    ),
    rows,
    tables: [databases, ...tables],
    notes: [
      'etcd CPU is of all members together, replica CPU of one; waited: share of the time in which this process was ready and the machine busy with others',
      'decided: from the death of a region with the coordinator in it to the committed decision',
    ],
  };
};
