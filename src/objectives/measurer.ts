// What a replica measures of the systems around, from its own region: a look at each dependency every ten seconds, and its own record of it in the store,
// written when something is otherwise beyond noise, or when the last one grows old.
import { measuredKey } from '../coordinate/keys.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig } from '../model.ts';
import { type Ports, sleep, withDeadline } from '../ports.ts';
import type { StepContext } from '../runbook/kind.ts';
import { inParallel } from '../runbook/parallel.ts';
import type { ObjectiveConfig, PlatformConfig } from '../runbook/platform.ts';
import type { Store } from '../store/store.ts';
import { lookAt } from './looks.ts';
import { type Dependency, type Measured, type MeasuredCell, type Objective, QUERIES_MIN, SAMPLES_MIN, type Sample } from './model.ts';
import { isNews } from './news.ts';
import { dependenciesOf, isMeasuredFrom, objectivesOf } from './objective.ts';
import { kept, quantileOf, recent } from './window.ts';

export interface MeasurerOptions {
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  log: Log;
  store: Pick<Store, 'get' | 'txn'>;
  context: StepContext;
  region: string;
  replica: string;
  boot: string;
  cluster(): ClusterConfig | null;
  /** Cluster time; 0 while there is none. */
  nowMs(): number;
  shipped(): readonly ObjectiveConfig[];
}

export interface Measurer {
  /** As it would be written now. */
  cells(): readonly MeasuredCell[];
  stop(): Promise<void>;
}

export const MEASURE_EVERY_MS = 10_000;
/** A record that says the same is written again so often: readers take none that is older than a minute. */
export const AGAIN_MS = 20_000;
const AT_ONCE = 8;
const STORE_MS = 2_000;

/** One dependency that this replica looks at. */
interface Point {
  platform: PlatformConfig;
  objective: Objective;
  dependency: Dependency;
}

interface Memory {
  window: readonly Sample[];
  lookedAtMs: number;
  because: string;
}

const nameOf = ({ platform, dependency: { objective, of, to, system } }: Point): string =>
  [platform.name, objective, of, to, system].join(' ');

/** All that is looked at from the region. Pure. */
export const pointsFrom = (
  region: string,
  { platforms = [] }: Pick<ClusterConfig, 'platforms'>,
  shipped: readonly ObjectiveConfig[],
): readonly Point[] =>
  platforms
    .filter(({ regions }) => regions.includes(region))
    .flatMap((platform) =>
      objectivesOf(shipped, platform).flatMap((objective) =>
        dependenciesOf(platform, objective)
          .filter((dependency) => isMeasuredFrom(dependency, region))
          .map((dependency) => ({ platform, objective, dependency })),
      ),
    );

const lostIn = (samples: readonly Sample[]): number => samples.filter(({ ms }) => ms === null).length;

const latelyOf = ({ kind, quantile }: Objective, samples: readonly Sample[], nowMs: number): MeasuredCell['lately'] => {
  const last = samples.slice(kind === 'promql' ? -QUERIES_MIN : -SAMPLES_MIN);
  const [first] = last;
  if (first === undefined || last.length < (kind === 'promql' ? QUERIES_MIN : SAMPLES_MIN)) return null;
  return { ms: quantileOf(last, quantile), samples: last.length, lost: lostIn(last), agoMs: Math.round(nowMs - first.atMs) };
};

const cellOf = (
  { platform, objective, dependency: { of, to } }: Point,
  { window, lookedAtMs, because }: Memory,
  nowMs: number,
): MeasuredCell => {
  const samples = recent(window, nowMs);
  return {
    platform: platform.name,
    objective: objective.name,
    of,
    to,
    ms: samples.length === 0 ? null : quantileOf(samples, objective.quantile),
    samples: samples.length,
    lost: lostIn(samples),
    // A look that brought nothing makes what was seen before it no fresher.
    agoMs: Math.round(nowMs - (samples.at(-1)?.atMs ?? lookedAtMs)),
    lately: latelyOf(objective, samples, nowMs),
    because,
  };
};

export const startMeasurer = (options: MeasurerOptions): Measurer => {
  const { ports, log, store, context, region, replica, boot } = options;
  const { clock, timers, random } = ports;
  const key = measuredKey(region, replica);
  const stopping = new AbortController();
  const { signal } = stopping;
  let memories: ReadonlyMap<string, Memory> = new Map();
  let points: readonly Point[] = [];
  let written: { cells: readonly MeasuredCell[]; atMs: number } | null = null;
  let mod: number | null = null;

  const look = async (point: Point): Promise<readonly [string, Memory]> => {
    const looked = await lookAt({ context, ...point }, signal);
    const name = nameOf(point);
    const before = memories.get(name) ?? { window: [], lookedAtMs: clock.monoMs(), because: '' };
    const atMs = clock.monoMs();
    // A query speaks of now, and is no sample of anything.
    const window = point.objective.kind === 'promql' ? [] : before.window;
    if (looked.saw === 'nothing') return [name, { window, lookedAtMs: atMs, because: looked.because }];
    const sample: Sample = { atMs, ms: looked.saw === 'ms' ? looked.ms : null };
    return [name, { window: kept(window, sample), lookedAtMs: atMs, because: looked.saw === 'lost' ? looked.because : '' }];
  };

  const cells = (): readonly MeasuredCell[] =>
    points.flatMap((point) => {
      const memory = memories.get(nameOf(point));
      return memory === undefined ? [] : [cellOf(point, memory, clock.monoMs())];
    });

  const write = async (): Promise<void> => {
    const now = cells();
    const atMs = options.nowMs();
    const isDue =
      written === null ? now.length > 0 : isNews(written.cells, now) || (now.length > 0 && clock.monoMs() - written.atMs >= AGAIN_MS);
    if (!isDue || atMs === 0) return;
    const value: Measured = { boot, atMs, cells: now, nonce: random.hex(8) };
    await withDeadline(
      timers,
      STORE_MS,
      'writing what was measured',
      async (own) => {
        mod ??= (await store.get({ keys: [key] }, own)).kvs[0]?.mod ?? 0;
        const result = await store.txn({ if: [{ key, mod }], then: [{ put: key, value }] }, own);
        if (!result.ok) throw new Error('our own record changed since we wrote it');
        mod = result.rev;
      },
      signal,
    );
    written = { cells: now, atMs: clock.monoMs() };
  };

  const round = async (): Promise<void> => {
    const cluster = options.cluster();
    if (cluster === null) return;
    points = pointsFrom(region, cluster, options.shipped());
    memories = new Map(await inParallel(points, AT_ONCE, look));
    await write();
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const startMs = clock.monoMs();
      await round().catch((error: unknown) => {
        // Whether it was written is learnt at the next one.
        mod = null;
        if (!signal.aborted) log.warn('objectives.measure', { because: errorText(error) });
      });
      await sleep(timers, Math.max(1, MEASURE_EVERY_MS - (clock.monoMs() - startMs)), signal).catch(() => undefined);
    }
  };
  const running = run();
  return {
    cells,
    async stop() {
      stopping.abort(new Error('stopping'));
      await running;
    },
  };
};
