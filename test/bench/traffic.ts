// Many regions deciding as one, on a real etcd: how soon a fault is decided on, how soon a dead coordinator is replaced, and what all that talk asks of etcd and
// of a replica, by the shape of the cluster. Each figure stands beside a reference from the same run. With a shape (`--regions`, `--replicas`, `--targets`,
// `--members`) that cluster alone is measured.
import type { Bench, BenchOptions } from './bench.ts';
import { measureDetection } from './coordination/detection.ts';
import { measureTakeover } from './coordination/takeover.ts';
import { measureTraffic, type Shape, type TrafficRow } from './coordination/traffic.ts';

const GOAL_DETECTION_P99_MS = 10_000;
const GOAL_TAKEOVER_P99_MS = 9000;
/** Bytes that etcd sends while all is quiet, beside heartbeats that everybody hears. */
const GOAL_QUIET_TIMES_FLOOR = 10;
const GOAL_DECIDED_S = 15;

/** Trials of detection by number of regions, of takeovers, of their reference; the span over which traffic is counted. */
const FULL = {
  detection: { 3: 60, 5: 40, 9: 16, 20: 6 },
  takeovers: 20,
  locks: 4,
  spanMs: 12_000,
  shapes: [
    { regions: 3, replicas: 1, targets: 200, members: 1 },
    { regions: 3, replicas: 1, targets: 200, members: 3 },
    { regions: 3, replicas: 3, targets: 200, members: 3 },
    { regions: 5, replicas: 2, targets: 200, members: 3 },
    { regions: 20, replicas: 1, targets: 200, members: 3 },
    { regions: 3, replicas: 1, targets: 5000, members: 3 },
  ],
} as const;
const QUICK = {
  detection: { 3: 10, 9: 2 },
  takeovers: 1,
  locks: 0,
  spanMs: 6000,
  shapes: [{ regions: 3, replicas: 1, targets: 200, members: 3 }],
} as const;

const note = (text: string): void => void process.stderr.write(`traffic: ${text}\n`);

/** The shape that was asked for; null: none was. */
const asked = ({ targets, regions, replicas, members }: BenchOptions): Shape | null =>
  [targets, regions, replicas, members].every((given) => given === null)
    ? null
    : { regions: regions ?? 3, replicas: replicas ?? 1, targets: targets ?? 200, members: members === 1 ? 1 : 3 };

const reactions = async ({ trials }: BenchOptions, { detection, takeovers, locks }: typeof FULL | typeof QUICK) => {
  note('detection on virtual time');
  const detected = await measureDetection(detection);
  note('takeovers on three rings of etcd, 100 ms between regions');
  return { detection: detected, takeover: await measureTakeover(trials ?? takeovers, Math.min(locks, trials ?? locks)) };
};

const isGood = ({ load, outTimesFloor, decidedS }: TrafficRow): boolean =>
  (load !== 'quiet' || outTimesFloor <= GOAL_QUIET_TIMES_FLOOR) &&
  (load !== "the coordinator's region dies" || (decidedS !== '' && decidedS <= GOAL_DECIDED_S));

export const benchTraffic = async (options: BenchOptions): Promise<Bench> => {
  const size = options.quick ? QUICK : FULL;
  const only = asked(options);
  const { detection, takeover } = only === null ? await reactions(options, size) : { detection: [], takeover: [] };
  const rows: TrafficRow[] = [];
  const databases: object[] = [];
  const profiles: (readonly object[])[] = [];
  const undecided: string[] = [];
  for (const shape of only === null ? size.shapes : [only]) {
    const { regions, replicas, targets, members } = shape;
    note(`${regions} regions of ${replicas} replicas, ${targets} targets, ${members} members`);
    const measured = await measureTraffic(shape, size.spanMs, options.profile);
    rows.push(...measured.rows);
    profiles.push(...measured.tables);
    databases.push(measured.database);
    if (measured.undecided !== '') undecided.push(`${regions} regions of ${replicas}, ${targets} targets: ${measured.undecided}`);
  }
  return {
    goals: {
      detectionP99Ms: GOAL_DETECTION_P99_MS,
      takeoverP99Ms: GOAL_TAKEOVER_P99_MS,
      quietTimesFloor: GOAL_QUIET_TIMES_FLOOR,
      decidedS: GOAL_DECIDED_S,
    },
    met:
      rows.every(isGood) &&
      detection.every((row) => row.p99S * 1000 <= GOAL_DETECTION_P99_MS) &&
      takeover.every((row) => row.p99S * 1000 <= GOAL_TAKEOVER_P99_MS),
    rows,
    tables: [databases, ...(only === null ? [detection, takeover] : []), ...profiles],
    notes: [
      'etcd CPU is of all members together, replica CPU of one, memory of the largest; late: by how much a look was at most',
      'waited: share of the time in which a replica was ready and the machine busy with others; what is late then says more of them than of Tidegate',
      'took over, decided: since the death of a region with the coordinator in it, in s',
      ...undecided,
    ],
  };
};
