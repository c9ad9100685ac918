// The backtest: a recording's evidence through the production core, on the recording's time, under the configuration of then and under another one. Both
// run freely from the first recorded decision, so that they differ by their configuration alone; a third run is set right by every recorded decision and
// says how far the recording can be trusted to reproduce what was really decided. Lines come in the order of their instants. Pure.

import { newUnderstudy, step, strangers, translator, type Understudy } from '../decide/understudy.ts';
import type { Heard } from '../health/chamber.ts';
import { isFresh } from '../health/chamber.ts';
import type { Beat, ClusterConfig, Overrides, Policy, Routing, Vote } from '../model.ts';
import type { RecordedBeat, RecordLine } from '../record/lines.ts';
import { type Move, SAME_TIME_MS } from './moves.ts';
import { createRerun, inputOf, type Rerun, thresholdsOf } from './rerun.ts';

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

export interface TrustResult {
  /** Recorded decisions that were compared. */
  checked: number;
  /** Same routes and holds, at the same time. */
  same: number;
  /** Same routes and holds, but made later in life than the evidence allowed: nobody coordinated, or the store was slow. */
  late: number;
  lateMaxMs: number;
  /** Decisions that the recording skips. */
  unseen: number;
  /** The others. */
  differing: number;
  /** The first of them. */
  different: readonly { v: number; atMs: number; because: string; expected: string }[];
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
const DIFFERENT_MAX = 50;

// ---- one recorder's sight ----

interface Word {
  vote: Vote;
  beat: Beat | null;
  bornAtMs: number | null;
}

interface Source {
  by: string;
  config: { cluster: ClusterConfig; hash: string } | null;
  words: Map<string, Word>;
  frozen: readonly string[];
  /** Nobody coordinated. */
  vacant: boolean;
  overrides: Overrides | null;
  sightAtMs: number;
  /** Under the configuration of then, to be checked, and under the other one. */
  then: Rerun | null;
  next: Rerun | null;
  looks: number;
  othersAtMs: number;
  checked: number;
  same: number;
}

const newSource = (by: string): Source => ({
  by,
  config: null,
  words: new Map(),
  frozen: [],
  vacant: false,
  overrides: null,
  sightAtMs: Number.NEGATIVE_INFINITY,
  then: null,
  next: null,
  looks: 0,
  othersAtMs: 0,
  checked: 0,
  same: 0,
});

const beatFrom = (beat: RecordedBeat, vote: Vote): Beat => ({ ...beat, configVersion: vote.configVersion, loopDelayMs: 0 });

/** Takes in what is new of the others' words; answers own votes that changed. */
const hear = (source: Source, line: RecordLine & { kind: 'sight' }): readonly Vote[] => {
  const own: Vote[] = [];
  for (const at of line.gone ?? []) source.words.delete(at);
  for (const { at, ageMs, vote, beat } of line.heard ?? []) {
    const before = source.words.get(at);
    const now = vote ?? before?.vote;
    // The vote itself was dropped: nothing is known of this replica until it votes anew.
    if (now === undefined) continue;
    const kept = before?.beat ?? null;
    const next = beat === undefined ? kept : beat === null ? null : beatFrom(beat, now);
    source.words.set(at, { vote: now, beat: next, bornAtMs: ageMs === null ? null : line.atMs - ageMs });
    if (vote !== undefined && at === source.by) own.push(vote);
  }
  if (line.frozen !== undefined) source.frozen = line.frozen;
  if (line.vacant !== undefined) source.vacant = line.vacant;
  return own;
};

const heardAt = (source: Source, nowMs: number): readonly Heard[] =>
  [...source.words].map(([at, { vote, beat, bornAtMs }]) => {
    const [region = '', replica = ''] = at.split('/');
    const ageMs = bornAtMs === null ? Number.POSITIVE_INFINITY : Math.max(0, nowMs - bornAtMs);
    return { region, replica, key: `vote/${at}`, vote, beat, ageMs };
  });

// ---- one policy's run ----

interface Run {
  understudy: Understudy;
  translate: (heard: readonly Heard[]) => readonly Heard[];
  moves: Move[];
  holds: Record<string, number>;
}

const newRun = (cluster: ClusterConfig, source: NonNullable<Source['config']>, start: Start): Run => ({
  understudy: newUnderstudy(cluster, start.routing, start.incidents),
  translate: translator(source, cluster),
  moves: [],
  holds: {},
});

type Start = Pick<RecordLine & { kind: 'decision' }, 'routing' | 'incidents'> | { routing: null; incidents: readonly [] };

const advance = (run: Run, heard: readonly Heard[], source: Source, nowMs: number): Routing | null => {
  const { understudy, next } = step(run.understudy, { heard, overrides: source.overrides, frozen: source.frozen }, nowMs);
  const before = run.understudy.routing;
  run.understudy = understudy;
  if (next === null) return null;
  for (const { service, after, because } of next.audit.changes) {
    // The first route of a service is where it starts, no move.
    if ((before?.services[service]?.fence ?? 0) === 0) continue;
    run.moves.push({ atMs: nowMs, service, change: because, after, because: next.routing.because });
  }
  for (const { hold } of next.audit.holds) run.holds[hold] = (run.holds[hold] ?? 0) + 1;
  return next.routing;
};

// ---- trust ----

const substance = ({ services }: Routing): string =>
  JSON.stringify(
    Object.entries(services)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { route, pools }]) => [
        name,
        Object.entries(route).sort(([a], [b]) => (a < b ? -1 : 1)),
        Object.entries(pools)
          .map(([pool, { state, hold }]) => [pool, state, hold])
          .sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1)),
      ]),
  );

/** Follows what was really decided, and is set right by it. */
const createChecker = (run: Run) => {
  const trust = {
    checked: 0,
    same: 0,
    late: 0,
    lateMaxMs: 0,
    unseen: 0,
    differing: 0,
    different: [] as TrustResult['different'][number][],
  };
  let predicted: Routing[] = [];
  let pending: (RecordLine & { kind: 'decision' }) | null = null;
  let lastV = run.understudy.routing?.v ?? 0;

  const judge = ({ routing, incidents }: RecordLine & { kind: 'decision' }): void => {
    const isLike = (p: Routing): boolean => substance(p) === substance(routing);
    // A commit that was refused is decided again with what has come since: then two steps here are one in life, under the first one's number.
    const expected = predicted.findLast((p) => p.v === routing.v && isLike(p)) ?? predicted.findLast(isLike) ?? predicted.at(-1) ?? null;
    trust.checked += 1;
    trust.unseen += Math.max(0, routing.v - lastV - 1);
    lastV = routing.v;
    const lateMs = routing.atMs - (expected?.atMs ?? routing.atMs);
    if (expected === null || !isLike(expected)) {
      trust.differing += 1;
      const instead = expected?.because ?? 'nothing to decide';
      if (trust.different.length < DIFFERENT_MAX)
        trust.different.push({ v: routing.v, atMs: routing.atMs, because: routing.because, expected: instead });
    } else if (Math.abs(lateMs) <= SAME_TIME_MS) trust.same += 1;
    else {
      trust.late += 1;
      trust.lateMaxMs = Math.max(trust.lateMaxMs, Math.abs(lateMs));
    }
    run.understudy = { ...newUnderstudy(run.understudy.cluster, routing, incidents), expired: run.understudy.expired };
    predicted = [];
  };

  return {
    trust,
    run,
    /** A recorded decision. One that the evidence so far does not lead to may rest on the very next look. */
    decided(line: RecordLine & { kind: 'decision' }): void {
      if (pending !== null) judge(pending);
      pending = null;
      if ((run.understudy.routing?.v ?? 0) >= line.routing.v) judge(line);
      else pending = line;
    },
    tick(heard: readonly Heard[], source: Source, nowMs: number): void {
      const next = advance(run, run.translate(heard), source, nowMs);
      if (next !== null) predicted.push(next);
      if (pending !== null) judge(pending);
      pending = null;
    },
  };
};

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

  const tick = (source: Source, nowMs: number): void => {
    if (runs === null) return;
    tickAtMs = nowMs;
    sights += 1;
    for (const each of sources.values()) for (const rerun of [each.then, each.next]) rerun?.take({ kind: 'tick' }, nowMs);
    const heard = heardAt(source, nowMs);
    advance(runs.then, runs.then.translate(heard), source, nowMs);
    advance(runs.next, reheard(heard, runs.next, nowMs), source, nowMs);
    // While nobody coordinated, nothing could be decided in life.
    if (!source.vacant) runs.check.tick(heard, source, nowMs);
  };

  /** Time passes between two lines: holds end, ramps climb, silence grows. */
  const fill = (source: Source, untilMs: number): void => {
    const gapMs = untilMs - tickAtMs;
    if (gapMs <= GAP_MS) return;
    const everyMs = Math.max(TICK_MS, gapMs / FILL_MAX);
    for (let atMs = tickAtMs + everyMs; atMs < untilMs; atMs += everyMs) tick(source, Math.round(atMs));
  };

  const choose = (source: Source, leads: boolean): void => {
    if (leads || lead === null || source.sightAtMs - lead.sightAtMs > LEAD_LOST_MS) lead = source;
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
    // A standby's clock may have been ahead of the one that coordinates next.
    tick(source, Math.max(line.atMs, tickAtMs));
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

  const onDecision = (line: RecordLine & { kind: 'decision' }): void => {
    const { routing } = line;
    // Every recorder tells it, and each of its files begins with it.
    if (routing.v < seen.v || (routing.v === seen.v && routing.nonce === seen.nonce)) return;
    seen = routing;
    if (runs === null) start = line;
    else runs.check.decided(line);
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
        case 'decision':
          return onDecision(line);
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
