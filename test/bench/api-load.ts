// The API beside full probing: a replica that makes some hundred looks a second is asked for everything that is large, and heard by listeners; what its answers
// take, and how late its looks start then. In turns with spans in which nobody asks, which are the reference: ratios say more than times on a shared machine.
import type { Paced } from './api.ts';
import { quantile } from './numbers.ts';

/** Edges of the histogram of lateness, s, and how many looks started no later. */
type Counts = readonly (readonly [edgeS: number, count: number])[];

const LATENESS = /^tidegate_probe_start_lateness_seconds_bucket\{le="([^"]+)"\} (\d+)/gm;
const countsIn = (metrics: string): Counts =>
  [...metrics.matchAll(LATENESS)].map(([, edge = '', count]) => [edge === '+Inf' ? Number.POSITIVE_INFINITY : Number(edge), Number(count)]);

const between = (before: Counts, after: Counts): Counts => after.map(([edge, count], at) => [edge, count - (before[at]?.[1] ?? 0)]);
const plus = (a: Counts, b: Counts): Counts => (a.length === 0 ? b : a.map(([edge, count], at) => [edge, count + (b[at]?.[1] ?? 0)]));

/** By a straight line within its bucket, ms. */
const quantileOf = (counts: Counts, p: number): number => {
  const wanted = p * (counts.at(-1)?.[1] ?? 0);
  let [lowS, below] = [0, 0];
  for (const [edgeS, count] of counts) {
    if (count >= wanted)
      return 1000 * (Number.isFinite(edgeS) ? lowS + ((edgeS - lowS) * (wanted - below)) / Math.max(1, count - below) : lowS);
    [lowS, below] = [edgeS, count];
  }
  return Number.NaN;
};

export interface LoadOptions {
  metrics(): Promise<string>;
  /** Asks for so long. */
  ask(path: string, perS: number, ms: number): Promise<Paced>;
  /** Opens so many listeners of events; how they are closed again. */
  listen(clients: number): Promise<() => void>;
  rest(ms: number): Promise<void>;
  turns: number;
  turnMs: number;
}

/** What a busy day's pages, pipelines and scrapers ask of one replica, by far. */
const ASKED = [
  { path: '/v1/status', perS: 40 },
  { path: '/v1/overview', perS: 40 },
  { path: '/metrics', perS: 1 },
] as const;
const LISTENERS = 200;

const SETTLE_MS = 5000;
const SETTLES_MAX = 12;

/** The first looks come all at once, and what they find slow is confirmed by as many more: until two spans in a row have about as many. */
const settled = async (looks: () => Promise<number>): Promise<void> => {
  let last = await looks();
  for (let n = 0; n < SETTLES_MAX; n++) {
    const now = await looks();
    if (Math.abs(now - last) <= last / 10) return;
    last = now;
  }
};

export const measureLoad = async ({ metrics, ask, listen, rest, turns, turnMs }: LoadOptions) => {
  const sides = { calm: [] as Counts, asked: [] as Counts };
  const answers = new Map<string, Paced[]>(ASKED.map(({ path }) => [path, []]));
  const looks = { calm: 0, asked: 0 };
  const span = async (side: 'calm' | 'asked', work: () => Promise<unknown>): Promise<void> => {
    const before = countsIn(await metrics());
    await work();
    const made = between(before, countsIn(await metrics()));
    sides[side] = plus(sides[side], made);
    looks[side] += made.at(-1)?.[1] ?? 0;
  };
  await settled(async () => {
    const before = countsIn(await metrics());
    await rest(SETTLE_MS);
    return between(before, countsIn(await metrics())).at(-1)?.[1] ?? 0;
  });
  for (let turn = 0; turn < turns; turn++) {
    await span('calm', () => rest(turnMs));
    const hangUp = await listen(LISTENERS);
    await span('asked', () =>
      Promise.all(ASKED.map(async ({ path, perS }) => void answers.get(path)?.push(await ask(path, perS, turnMs)))),
    );
    hangUp();
  }
  const late = (what: string, side: 'calm' | 'asked') => ({
    what,
    looks: looks[side],
    looksPerS: (1000 * looks[side]) / (turns * turnMs),
    lateP50Ms: quantileOf(sides[side], 0.5),
    lateP99Ms: quantileOf(sides[side], 0.99),
    p99TimesCalm: quantileOf(sides[side], 0.99) / quantileOf(sides.calm, 0.99),
  });
  return {
    late: [late('looks, nobody asks', 'calm'), late(`looks, asked 81 times a second, ${LISTENERS} listeners`, 'asked')],
    answers: [...answers].map(([path, spans]) => {
      const tookMs = spans.flatMap((each) => each.tookMs);
      return {
        what: `${path} meanwhile`,
        requests: tookMs.length,
        bytes: Math.max(...spans.map(({ bytes }) => bytes)),
        p50Ms: quantile(tookMs, 0.5),
        p99Ms: quantile(tookMs, 0.99),
        notOk: spans.reduce(
          (sum, { statuses }) => sum + [...statuses].reduce((n, [status, count]) => n + (status === 200 ? 0 : count), 0),
          0,
        ),
      };
    }),
  };
};
