// What goes on for hours in a cluster of three regions and wakes nobody who is well served, as lines of a story for so many minutes. Each is a condition that
// people live with: they will read the fifth page of it only if the first four were news.

/** A name, what happens, and how often that may page. */
export interface Condition {
  name: string;
  /** Of a story for so many minutes. */
  lines: (minutes: number) => readonly string[];
  /** Warnings and criticals, at most: of the condition as such, and for each hour that it lasts. */
  base: number;
  perHour: number;
}

const CLUSTER = 'cluster regions=a,b,c services=web,api whole=yes anchors=2 delay=20ms..60ms provider=50ms..400ms';
/** Names, first looks, first route. */
const START = 'run 60s';

const quiet =
  (...begin: readonly string[]) =>
  (minutes: number): readonly string[] => [CLUSTER, START, ...begin, `run ${minutes}m`];

/** The same lines again and again, `roundMinutes` for a round. */
const rounds =
  (roundMinutes: number, round: readonly string[], cluster = CLUSTER) =>
  (minutes: number): readonly string[] => [
    cluster,
    START,
    ...Array.from({ length: Math.ceil(minutes / roundMinutes) }, () => round).flat(),
  ];

const flapping =
  (line: string, ...begin: readonly string[]) =>
  (minutes: number): readonly string[] => [CLUSTER, START, ...begin, `${line} for=${minutes}m`];

/** Two services: what concerns a region may be told of each, when a quorum sees them apart. */
const EACH = 2;

export const CONDITIONS: readonly Condition[] = [
  {
    name: 'looks and calls lose 0.3 %',
    lines: quiet('weather lost=0.003 late=0.003', 'gray a 0.003', 'gray b 0.003', 'gray c 0.003'),
    base: 0,
    perHour: 0,
  },
  {
    name: 'every clock is stepped by an hour',
    lines: rounds(10, ['step-wall a 1h', 'run 5m', 'step-wall a -1h', 'step-wall c 30s', 'run 5m']),
    base: 0,
    perHour: 0,
  },
  {
    name: 'replicas restart one after the other',
    lines: rounds(
      6,
      ['a', 'b', 'c'].flatMap((r) => [`stop ${r}/a`, 'run 20s', `boot ${r}`, 'run 100s']),
    ),
    base: 0,
    perHour: 0,
  },
  {
    name: 'one vantage is blind every other half minute',
    lines: rounds(1, ['blind c', 'run 30s', 'sight c', 'run 30s']),
    base: 0,
    perHour: 0,
  },
  {
    name: 'one way between regions comes and goes',
    lines: rounds(1, ['way a b cut', 'run 30s', 'way a b open', 'run 30s']),
    base: 0,
    perHour: 0,
  },
  { name: '/readyz of a region flaps, 20 s and 20 s', lines: flapping('flap b readyz up=20s down=20s'), base: 0, perHour: 0 },
  { name: '/readyz of a region flaps, 90 s and 90 s', lines: flapping('flap b readyz up=90s down=90s'), base: 0, perHour: 0 },
  { name: '/healthz of a region flaps alone, 20 s and 20 s', lines: flapping('flap b healthz up=20s down=20s'), base: EACH, perHour: 0 },
  { name: '/healthz of a region flaps alone, 60 s and 60 s', lines: flapping('flap b healthz up=60s down=60s'), base: EACH, perHour: 0 },
  {
    name: 'a region that was drained too often flaps on',
    lines: (minutes) => [
      `${CLUSTER} recoveryHold=20s latchAfter=1`,
      START,
      'error b',
      'run 30s',
      'ok b',
      `flap b readyz up=20s down=20s for=${minutes}m`,
    ],
    base: 2 * EACH,
    perHour: 0,
  },
  {
    name: 'a frozen route, and a region that flaps under it',
    lines: flapping('flap b readyz up=20s down=20s', 'order ice freeze ttl=24h because change'),
    base: EACH,
    perHour: 0,
  },
  { name: 'a region answers 85 of 100 looks', lines: quiet('gray b 0.15'), base: EACH, perHour: 0 },
  {
    name: 'a provider answers every other call',
    lines: flapping('flap b readyz up=90s down=90s', 'provider throttle=0.5'),
    base: 4,
    perHour: 20,
  },
  { name: 'a sink of pages is gone, and a region dies', lines: quiet('sink one fail', 'error b'), base: EACH, perHour: 0 },
];
