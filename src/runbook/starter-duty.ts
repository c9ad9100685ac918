// The coordinator's part of runs: begins or proposes them, drops what is moot, takes back what got ready for nothing, prolongs the orders of runs, and keeps
// ended runs from growing without end. Whatever it writes is guarded on its term and on what it was judged by; a refused commit is judged anew.
import type { Term } from '../coordinate/coordinator.ts';
import { incidentKey, KEYS, platformKey, runKey } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { errorText } from '../errors.ts';
import { speakersOf } from '../health/chamber.ts';
import { tally } from '../health/quorum.ts';
import type { Log } from '../log.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { KeyValue, Op, Store } from '../store/store.ts';
import { draftOf } from './commit.ts';
import type { PlatformRecord, Run, Span } from './model.ts';
import { PLATFORM_PREFIX, RUN_PREFIX, runsIn } from './reader.ts';
import type { RunOrders } from './routing/orders.ts';
import { advance, isEnded, newRun } from './run.ts';
import { activeOf, type ChooseTarget, hasWork, type Move, movesOf, NO_WATCH, type Scene, watched } from './starter.ts';
import type { PlanOf } from './writer.ts';

export interface StarterOptions {
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  choose: ChooseTarget;
  planOf: PlanOf;
  estimateOf?: (run: Run) => Span | null;
  lossOf?: (run: Run) => string | null;
  orders: Pick<RunOrders, 'prolong'>;
  /** By platform, the region in which all its namespaces were seen for long enough to be believed. Absent: nobody looks. */
  followed?: () => ReadonlyMap<string, string>;
}

export interface Starter {
  /** Once per turn of a term; does nothing most of the time. Goes on by itself: deciding does not wait for it. `nowMs` in cluster time. */
  turn(sight: Sight, nowMs: number, term: Term): void;
  /** What is under way has ended. */
  settled(): Promise<void>;
}

const LOOK_EVERY_MS = 1_000;
const STORE_MS = 1_500;
/** How the subjects of incidents begin that tell of a drain held by the rule `tier`. */
const TIER_HOLDS = 'hold/rule:tier/';
const PROLONG_EVERY_MS = 10 * 60_000;
const ENDED_KEPT = 40;
const PRUNED_PER_TURN = 20;

export const createStarter = (options: StarterOptions): Starter => {
  const { ports, store, log, region, replica, choose, planOf, orders } = options;
  let watch = NO_WATCH;
  let epoch = 0;
  let lookAtMs = Number.NEGATIVE_INFINITY;
  let underWay: Promise<void> | null = null;
  let prolongAtMs = Number.NEGATIVE_INFINITY;
  /** There are, or were: runs outlive the last of them. */
  let hasPlatforms = false;

  const read = async (): Promise<readonly KeyValue[]> =>
    (
      await withDeadline(ports.timers, STORE_MS, 'reading the runs', (signal) =>
        store.get({ prefixes: [RUN_PREFIX, PLATFORM_PREFIX] }, signal),
      )
    ).kvs;

  const afterOf = (move: Move, scene: Scene): Run | null => {
    const nonce = ports.random.hex(8);
    const nowMs = Math.round(scene.nowMs);
    if (move.do === 'begin') {
      const { run, platform } = move;
      const { from, to, purpose, mode } = run;
      const history = scene.records.get(platform.name)?.history ?? [];
      const plan = planOf(platform, { from, to, purpose, active: activeOf(platform, scene.records) }, history, mode);
      return hasWork(plan, run.mode) ? newRun({ ...run, plan, nonce }, nowMs) : null;
    }
    const event =
      move.do === 'moot'
        ? ({ kind: 'moot', because: move.because } as const)
        : ({ kind: 'undo', by: `${region}/${replica}`, reason: move.because, ...(move.only === null ? {} : { only: move.only }) } as const);
    const after = advance(move.run, event, nowMs);
    return after === move.run ? null : { ...after, nonce };
  };

  const make = async (move: Move, scene: Scene, sight: Sight, mods: ReadonlyMap<string, number>, term: Term): Promise<void> => {
    const after = afterOf(move, scene);
    if (after === null) return;
    const home = scene.cluster.platforms?.find(({ name }) => name === after.platform)?.regions[0] ?? after.from;
    const before = {
      run: move.do === 'begin' ? null : move.run,
      mod: mods.get(runKey(after.id)) ?? 0,
      platform: scene.records.get(after.platform) ?? null,
      platformMod: mods.get(platformKey(after.platform)) ?? 0,
    };
    const teller = {
      cluster: scene.cluster,
      region,
      replica,
      nowMs: Math.round(scene.nowMs),
      ...(options.estimateOf === undefined ? {} : { estimateOf: options.estimateOf }),
      ...(options.lossOf === undefined ? {} : { lossOf: options.lossOf }),
    };
    const draft = draftOf(before, after, teller, move.do === 'moot' ? null : { home });
    const judgedBy = [KEYS.members, KEYS.override, ...(move.do === 'begin' && move.incident !== null ? [incidentKey(move.incident)] : [])];
    const conditions = [...draft.conditions, ...judgedBy.map((key) => ({ key, mod: sight.mod(key) }))];
    if (await term.commit(conditions, draft.ops))
      log.info(`runbook.${move.do}`, { run: after.id, state: after.state, because: after.because });
  };

  const prune = async (scene: Scene, mods: ReadonlyMap<string, number>, term: Term): Promise<void> => {
    const standing = (run: Run): boolean => !isEnded(run) || (run.purpose === 'prearm' && run.state === 'done');
    const ended = scene.runs.filter((run) => !standing(run)).toSorted((a, b) => (b.endedAtMs ?? 0) - (a.endedAtMs ?? 0));
    const keys = ended.slice(ENDED_KEPT, ENDED_KEPT + PRUNED_PER_TURN).map(({ id }) => runKey(id));
    if (keys.length === 0) return;
    await term.commit(
      keys.map((key) => ({ key, mod: mods.get(key) ?? 0 })),
      keys.map((key): Op => ({ del: key })),
    );
  };

  const judged = async (sight: Sight, nowMs: number, term: Term): Promise<void> => {
    const { cluster } = sight;
    if (cluster === null) return;
    const kvs = await read();
    const records = new Map(
      kvs
        .filter(({ key }) => key.startsWith(PLATFORM_PREFIX))
        .map(({ key, value }) => [key.slice(PLATFORM_PREFIX.length), value as PlatformRecord]),
    );
    const seen = {
      cluster,
      tallies: tally(cluster, sight.heard, nowMs),
      incidents: sight.incidents,
      overrides: sight.overrides,
      waiting: new Set(Object.entries(sight.routing?.open ?? {}).flatMap(([subject, id]) => (subject.startsWith(TIER_HOLDS) ? [id] : []))),
      modes: new Map(Object.entries(sight.routing?.services ?? {}).map(([name, { mode }]) => [name, mode])),
      records,
      speaking: speakersOf(sight.heard, cluster),
      followed: options.followed?.() ?? new Map<string, string>(),
      runs: runsIn({ kvs }),
      nowMs,
    };
    watch = watched(watch, seen);
    const scene: Scene = { ...seen, watch };
    const mods = new Map(kvs.map(({ key, mod }) => [key, mod]));
    for (const move of movesOf(scene, choose)) await make(move, scene, sight, mods, term);
    await prune(scene, mods, term);
    if (ports.clock.monoMs() < prolongAtMs) return;
    prolongAtMs = ports.clock.monoMs() + PROLONG_EVERY_MS;
    await orders.prolong((name, away) => {
      const platform = cluster.platforms?.find((each) => each.name === name);
      return platform !== undefined && activeOf(platform, records) !== away;
    });
  };

  return {
    settled: () => underWay ?? Promise.resolve(),
    turn(sight, nowMs, term) {
      hasPlatforms ||= (sight.cluster?.platforms ?? []).length > 0;
      if (underWay !== null || !hasPlatforms || ports.clock.monoMs() < lookAtMs) return;
      lookAtMs = ports.clock.monoMs() + LOOK_EVERY_MS;
      // What another term has seen last was not seen by this one.
      if (term.epoch !== epoch) watch = NO_WATCH;
      epoch = term.epoch;
      underWay = judged(sight, nowMs, term)
        .catch((error: unknown) => log.warn('runbook.starter', { because: errorText(error) }))
        .finally(() => {
          underWay = null;
        });
    },
  };
};
