// The backtest: a recording's evidence through the production core, on the recording's time, under the configuration of then and under another one. Both
// run freely from the first recorded decision, so that they differ by their configuration alone; a third run is set right by every recorded decision and
// says how far the recording can be trusted to reproduce what was really decided. Lines come in the order of their instants. Pure.
import { strangers, translator } from '../decide/understudy.ts';
import { type Heard, isFresh } from '../health/chamber.ts';
import type { ClusterConfig, Policy } from '../model.ts';
import type { RecordLine } from '../record/lines.ts';
import type { Move } from './moves.ts';
import { createRerun, inputOf, thresholdsOf } from './rerun.ts';
import { advance, createChecker, newRun, type Run, type Start, type TrustResult } from './run.ts';
import { hear, heardAt, newSource, type Source } from './source.ts';

/** How one recorder's votes come into the run under the other configuration. */
export type Votes =
  /** As they were cast: no looks were recorded, so other thresholds do not show in them. */
  | 'as cast'
  /** As they were cast: its thresholds are the same. */
  | 'same thresholds'
  /** Made anew from its looks. */
  | 'made anew';

export interface RecorderResult {
  /** `region/replica`. */
  by: string;
  looks: number;
  /** Of its own votes in the recording, those that its recorded looks reproduce. */
  votes: { checked: number; same: number };
  use: Votes;
}

export interface Side {
  cluster: ClusterConfig;
  moves: readonly Move[];
  /** Moves that were wanted and held, by name of the hold. */
  holds: Readonly<Record<string, number>>;
}

export interface BacktestResult {
  fromAtMs: number;
  toAtMs: number;
  /** Looks at the store that were decided on. */
  sights: number;
  dropped: number;
  recorders: readonly RecorderResult[];
  /** Replicas that vote and have no recording here, as `region/replica`. */
  silent: readonly string[];
  trust: TrustResult;
  recorded: Side;
  next: Side;
  /** What the comparison cannot show. */
  notes: readonly string[];
}

export interface Backtest {
  take(by: string, line: RecordLine): void;
  /** null: no look at a store with a configuration was in it. */
  result(): BacktestResult | null;
}

/** The coordinator looks at least so often; a gap that is longer was not recorded, or is a standby's. */
const TICK_MS = 500;
const GAP_MS = 750;
/** A long gap is crossed in so many steps at most. */
const FILL_MAX = 1200;
/** Whose sights decide changes when they stop for so long. */
const LEAD_LOST_MS = 5_000;
const OTHERS_EVERY_MS = 1_000;

// ---- notes ----

const SPANS = [
  'intervalMs',
  'timeoutMs',
  'connectTimeoutMs',
  'suspectAfterMs',
  'burstMs',
  'beatMs',
] as const satisfies readonly (keyof Policy)[];

const targetsIn = (cluster: ClusterConfig): number =>
  new Set(cluster.regions.flatMap(({ name }) => strangers({ ...cluster, services: [] }, cluster, name))).size;

const notesOf = (then: ClusterConfig, next: ClusterConfig): string[] => {
  const notes: string[] = [];
  const spans = SPANS.filter((span) => then.policy[span] !== next.policy[span]).map((span) => span.slice(0, -2));
  if (spans.length > 0)
    notes.push(
      `${spans.join(', ')} differ: a recording has the looks that were made, not those that would have been, so that shows in no move`,
    );
  const strange = new Set(next.regions.flatMap(({ name }) => strangers(then, next, name)));
  if (strange.size > 0)
    notes.push(
      `${strange.size} of ${targetsIn(next)} targets were not looked at then by every region that would now: those count as unknown`,
    );
  const names = (cluster: ClusterConfig): string[] => cluster.services.map(({ name }) => name);
  const added = names(next).filter((name) => !names(then).includes(name));
  if (added.length > 0) notes.push(`not in the recording: ${added.join(', ')}`);
  const removed = names(then).filter((name) => !names(next).includes(name));
  if (removed.length > 0) notes.push(`no longer configured: ${removed.join(', ')}`);
  return notes;
};

// ---- the engine ----

/** `wanted`: the other configuration; without one, only the recorded one is replayed. */
export const createBacktest = (wanted: ClusterConfig | null): Backtest => {
  const sources = new Map<string, Source>();
  /** Whose sights are decided on. */
  let lead: Source | null = null;
  let start: Start = { routing: null, incidents: [] };
  let runs: { then: Run; next: Run; check: ReturnType<typeof createChecker>; thenConfig: string } | null = null;
  let seen = { v: -1, nonce: '' };
  let tickAtMs = 0;
  let fromAtMs = 0;
  let sights = 0;
  let dropped = 0;

  const sourceOf = (by: string): Source => {
    let source = sources.get(by);
    if (source === undefined) {
      source = newSource(by);
      sources.set(by, source);
    }
    return source;
  };

  const nextOf = (cluster: ClusterConfig): ClusterConfig => (wanted === null ? cluster : { ...wanted, version: cluster.version });

  const begin = (config: NonNullable<Source['config']>, atMs: number): NonNullable<typeof runs> => {
    fromAtMs = atMs;
    tickAtMs = atMs;
    return {
      then: newRun(config.cluster, config, start),
      next: newRun(nextOf(config.cluster), config, start),
      check: createChecker(newRun(config.cluster, config, start)),
      thenConfig: config.hash,
    };
  };

  /** The configuration of then changed; the other one stays, and hears votes that were cast under this. */
  const reconfigure = (config: NonNullable<Source['config']>): void => {
    if (runs === null || runs.thenConfig === config.hash) return;
    const { then, next, check } = runs;
    for (const run of [then, check.run]) {
      run.understudy = { ...run.understudy, cluster: config.cluster };
      run.translate = translator(config, config.cluster);
    }
    if (wanted === null) next.understudy = { ...next.understudy, cluster: config.cluster };
    next.translate = translator(config, next.understudy.cluster);
    runs.thenConfig = config.hash;
  };

  /** Words as they would have been under the other configuration, of those replicas whose looks are here and whose thresholds differ. */
  const reheard = (heard: readonly Heard[], next: Run, nowMs: number): readonly Heard[] => {
    const { cluster } = next.understudy;
    return next.translate(heard).map((word, i) => {
      const rerun = sources.get(`${word.region}/${word.replica}`)?.next;
      const real = heard[i];
      return rerun?.isWarm() === true && real !== undefined
        ? rerun.word({ ...word, beat: real.beat }, nowMs, cluster.policy.freshMs)
        : word;
    });
  };

  /** One look. A standby's clock may have been ahead of the one that coordinates next: the free runs, which never go back, wait until it catches up. */
  const tick = (source: Source, atMs: number, leads = false): void => {
    if (runs === null) return;
    const nowMs = Math.max(atMs, tickAtMs);
    tickAtMs = nowMs;
    sights += 1;
    for (const each of sources.values()) for (const rerun of [each.then, each.next]) rerun?.take({ kind: 'tick' }, nowMs);
    const heard = heardAt(source, atMs);
    advance(runs.then, runs.then.translate(heard), source, nowMs);
    advance(runs.next, reheard(heard, runs.next, nowMs), source, nowMs);
    // While nobody coordinated, nothing could be decided in life.
    if (!source.vacant) runs.check.tick(heard, source, leads ? atMs : nowMs, leads);
  };

  /** Time passes between two lines: holds end, ramps climb, silence grows. */
  const fill = (source: Source, untilMs: number): void => {
    const gapMs = untilMs - tickAtMs;
    if (gapMs <= GAP_MS) return;
    const everyMs = Math.max(TICK_MS, gapMs / FILL_MAX);
    for (let atMs = tickAtMs + everyMs; atMs < untilMs; atMs += everyMs) tick(source, Math.round(atMs));
  };

  const decided = (line: RecordLine & { kind: 'decision' }): void => {
    const { routing } = line;
    // Every recorder tells it, and each of its files begins with it.
    if (routing.v < seen.v || (routing.v === seen.v && routing.nonce === seen.nonce)) return;
    seen = routing;
    if (runs === null) start = line;
    else runs.check.decided(line);
  };

  /** While the one that coordinated recorded, its own lines say what was decided between which of its looks; others hear of it sooner or later. */
  const onDecision = (source: Source, line: RecordLine & { kind: 'decision' }): void => {
    if (lead !== null && lead !== source && lead.leads && line.atMs - lead.sightAtMs <= LEAD_LOST_MS) source.told = line;
    else decided(line);
  };

  const choose = (source: Source, leads: boolean): void => {
    source.leads = leads;
    if (lead === source || (!leads && lead !== null && source.sightAtMs - lead.sightAtMs <= LEAD_LOST_MS)) return;
    lead = source;
    // What it told while another led may be all that is left of that one's last decision.
    if (source.told !== null) decided(source.told);
    source.told = null;
  };

  /** Tells the vantages what the others say, as their ears would. */
  const tellOthers = (source: Source, nowMs: number): void => {
    const { config, then, next } = source;
    if (config === null || then === null || nowMs - source.othersAtMs < OTHERS_EVERY_MS) return;
    source.othersAtMs = nowMs;
    const [region] = source.by.split('/');
    const fresh = translator(
      config,
      config.cluster,
    )(heardAt(source, nowMs)).filter((h) => h.region !== region && isFresh(h, config.cluster));
    for (const rerun of [then, next]) rerun?.take({ kind: 'others', votes: fresh }, nowMs);
  };

  const onSight = (source: Source, line: RecordLine & { kind: 'sight' }): void => {
    const { config } = source;
    if (config === null) return;
    const before = lead;
    source.sightAtMs = line.atMs;
    choose(source, line.leads === true);
    runs ??= begin(config, line.atMs);
    if (lead === source) fill(before ?? source, line.atMs);
    const own = hear(source, line);
    tellOthers(source, line.atMs);
    for (const vote of own) {
      if (source.then?.isWarm() !== true) continue;
      source.checked += 1;
      if (source.then.meant(vote)) source.same += 1;
    }
    if (lead !== source) return;
    reconfigure(config);
    tick(source, line.atMs, line.leads === true);
  };

  const onInput = (source: Source, line: RecordLine): void => {
    const input = inputOf(line);
    const { config, by } = source;
    if (input === null || config === null) return;
    const [region = '', replica = ''] = by.split('/');
    if (line.kind === 'look') source.looks += 1;
    source.then ??= createRerun(config.cluster, region, replica, line.atMs);
    const next = nextOf(config.cluster);
    if (source.next === null && thresholdsOf(next, region) !== thresholdsOf(config.cluster, region))
      source.next = createRerun(next, region, replica, line.atMs);
    for (const rerun of [source.then, source.next]) rerun?.take(input, line.atMs);
  };

  return {
    take(by, line) {
      const source = sourceOf(by);
      switch (line.kind) {
        case 'header':
          source.words = new Map();
          source.frozen = [];
          source.vacant = false;
          return;
        case 'config':
          source.config = { cluster: line.cluster, hash: line.hash };
          source.then?.configure(line.cluster, line.atMs);
          return;
        case 'overrides':
          source.overrides = line.overrides;
          return;
        case 'reported':
          source.reported = line.reported;
          return;
        case 'tiers':
          source.tiers = line.tiers;
          return;
        case 'decision':
          return onDecision(source, line);
        case 'sight':
          return onSight(source, line);
        case 'dropped':
          dropped += line.lines;
          return;
        default:
          return onInput(source, line);
      }
    },
    result() {
      if (runs === null || lead === null) return null;
      const { then, next, check } = runs;
      const sideOf = ({ understudy, moves, holds }: Run): Side => ({ cluster: understudy.cluster, moves, holds });
      const recorders = [...sources.values()].map(({ by, looks, checked, same, next: anew }): RecorderResult => {
        const use = anew !== null ? 'made anew' : looks > 0 ? 'same thresholds' : 'as cast';
        return { by, looks, votes: { checked, same }, use };
      });
      return {
        fromAtMs,
        toAtMs: tickAtMs,
        sights,
        dropped,
        recorders,
        silent: [...lead.words.keys()].filter((at) => sources.get(at)?.then == null),
        trust: check.trust,
        recorded: sideOf(then),
        next: sideOf(next),
        notes: wanted === null ? [] : notesOf(then.understudy.cluster, next.understudy.cluster),
      };
    },
  };
};
