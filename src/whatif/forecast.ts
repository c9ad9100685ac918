// What would happen: the core itself, run on a copy of the state over virtual time. Nothing of it is written anywhere, and what is handed in stays as it is.
// Between decisions time is skipped: with what is said staying the same, what the core waits for comes due at one instant and stays due, so the first second
// of it is found by halving. What begins and ends by itself in between (orders) is stopped at; nothing else is skipped over for more than a minute. Pure.
import { type Pace, worstCaseGroups } from '../config/arithmetic.ts';
import { decide } from '../decide/decide.ts';
import { blankRouting, type Decision, type Snapshot } from '../decide/snapshot.ts';
import { speakersOf } from '../health/chamber.ts';
import { standingText, VOTERS_MIN, weakestOf } from '../health/electorate.ts';
import { leastElectorate } from '../health/quorum.ts';
import { quorumOf } from '../health/timing.ts';
import {
  type ClusterConfig,
  type HoldName,
  type Incident,
  type Mode,
  type Overrides,
  pathsOf,
  type Refusal,
  type Route,
  type Routing,
  type ServiceConfig,
  type Severity,
} from '../model.ts';
import { type CapacityLeft, capacityOf } from './capacity.ts';
import { type Convergence, type ConvergenceHistory, convergenceFor } from './history.ts';
import { type Hypothesis, type Imagined, imagine } from './hypothesis.ts';

export interface ForecastOptions {
  /** Cluster time. */
  nowMs: number;
  /** How far to look; five minutes unless said, half an hour at most. */
  horizonMs?: number;
  /** Absent: convergence is the worst case that the configuration allows. */
  history?: ConvergenceHistory;
  /** How long what surrounds the cluster takes at worst, for that worst case. */
  pace?: Pace;
  /** What a provider would serve of a route; null: it is not known here. Absent: shares as decided. */
  quantise?: (provider: string, service: ServiceConfig, route: Route) => Route | null;
}

export interface ForecastStep {
  afterMs: number;
  /** Number that the decision would have if nothing else came first. */
  v: number;
  because: string;
  changes: readonly { service: string; before: Route; after: Route }[];
  holds: readonly ForecastHold[];
}

export interface ForecastHold {
  service: string;
  pool: string;
  hold: HoldName;
  because: string;
}

export interface ForecastService {
  service: string;
  mode: Mode;
  before: Route;
  after: Route;
  /** What each provider would be asked to serve, where that differs from what it serves; empty where nothing is written. */
  writes: readonly { provider: string; before: Route; after: Route }[];
  /** null: nobody said what its load is, or what its pools bear. */
  capacity: CapacityLeft | null;
  /** null: nothing is written. */
  converge: Convergence | null;
}

export interface Forecast {
  steps: readonly ForecastStep[];
  services: readonly ForecastService[];
  refusals: readonly Refusal[];
  holds: readonly ForecastHold[];
  pages: readonly { severity: Severity; type: string; summary: string }[];
  notes: readonly string[];
}

export const HORIZON_MS = 5 * 60_000;
export const HORIZON_MAX_MS = 30 * 60_000;
/** Decisions that a forecast tells of. */
export const STEPS_MAX = 100;
/** Times that the core is asked. */
const ASKED_MAX = 2_000;
const PAGES_MAX = 100;
/** The smallest step of virtual time: a coordinator looks twice as often. */
const TICK_MS = 1_000;
/** The longest step: windows of the calendar begin and end on the minute. */
const GAP_MAX_MS = 60_000;

/** The state that decisions hand on. */
interface State {
  routing: Routing | null;
  overrides: Overrides | null;
  incidents: readonly Incident[];
}

type Next = NonNullable<Decision['next']>;

const after = (state: State, next: Next): State => {
  const book = new Map(state.incidents.map((incident) => [incident.id, incident]));
  for (const incident of next.incidents) book.set(incident.id, incident);
  return {
    routing: next.routing,
    overrides: next.overrides ?? state.overrides,
    incidents: [...book.values()].filter(({ closedAtMs }) => closedAtMs === null),
  };
};

/** Instants from `nowMs` on at which an order begins or ends by itself, as time passed, in whole ticks. */
const turningPoints = (overrides: Overrides | null, nowMs: number): readonly number[] =>
  (overrides?.items ?? [])
    .flatMap(({ startsAtMs, expiresAtMs }) => [startsAtMs ?? nowMs, expiresAtMs])
    .map((atMs) => Math.ceil((atMs - nowMs) / TICK_MS) * TICK_MS)
    .filter((ms) => ms > 0);

interface Told {
  steps: ForecastStep[];
  decisions: Next[];
  refusals: Map<string, Refusal>;
  cut: string | null;
}

/**
 * Runs it bit by bit: yields after every question to the core, so that whoever drives it can do something else in between. `next(false)` ends it early, and
 * the forecast says so.
 */
export function* forecasting(
  snapshot: Snapshot,
  hypotheses: readonly Hypothesis[],
  options: ForecastOptions,
): Generator<undefined, Forecast, boolean> {
  const startMs = Math.max(options.nowMs, snapshot.routing?.atMs ?? 0);
  const horizonMs = Math.min(options.horizonMs ?? HORIZON_MS, HORIZON_MAX_MS);
  const imagined = imagine(snapshot, hypotheses);
  const told: Told = { steps: [], decisions: [], refusals: new Map(), cut: null };
  let state: State = { routing: snapshot.routing, overrides: imagined.overrides, incidents: snapshot.incidents };
  const by = imagined.by;
  let asked = 0;
  let goOn = true;
  const ask = (elapsedMs: number): Decision => {
    asked++;
    const world: Snapshot = {
      ...snapshot,
      ...state,
      heard: imagined.heard(elapsedMs),
      by: by ?? snapshot.by,
      nonce: `what-if-${told.steps.length}`,
    };
    return decide(world, startMs + elapsedMs);
  };
  const take = (elapsedMs: number, next: Next): void => {
    told.steps.push(stepOf(elapsedMs, next));
    told.decisions.push(next);
    state = after(state, next);
  };
  const isDone = (): boolean => {
    if (!goOn) told.cut = 'it took longer than a forecast may';
    else if (told.steps.length >= STEPS_MAX) told.cut = `${STEPS_MAX} decisions are as many as a forecast tells of`;
    else if (asked >= ASKED_MAX) told.cut = `the core was asked ${ASKED_MAX} times, as often as a forecast may`;
    return told.cut !== null;
  };

  let atMs = 0;
  while (by !== null && atMs <= horizonMs && !isDone()) {
    const decision = ask(atMs);
    for (const refusal of decision.refusals) {
      const { service, pool, rule, order = '' } = refusal;
      told.refusals.set(`${service}/${pool} ${rule} ${order}`, refusal);
    }
    goOn = (yield) !== false;
    if (decision.next !== undefined) {
      take(atMs, decision.next);
      atMs += TICK_MS;
      continue;
    }
    // Nothing comes of it now. When does something?
    let quietMs = atMs;
    let gapMs = TICK_MS;
    let dueMs: number | null = null;
    const stops = turningPoints(state.overrides, startMs);
    while (dueMs === null && quietMs < horizonMs && !isDone()) {
      const stopMs = Math.min(...stops.filter((ms) => ms > quietMs), quietMs + gapMs, horizonMs);
      const isDue = ask(stopMs).next !== undefined;
      goOn = (yield) !== false;
      if (isDue) dueMs = stopMs;
      else {
        quietMs = stopMs;
        gapMs = Math.min(gapMs * 2, GAP_MAX_MS);
      }
    }
    if (dueMs === null) break;
    while (dueMs - quietMs > TICK_MS && !isDone()) {
      const middleMs: number = quietMs + Math.floor((dueMs - quietMs) / 2 / TICK_MS) * TICK_MS;
      const isDue = ask(middleMs).next !== undefined;
      goOn = (yield) !== false;
      if (isDue) dueMs = middleMs;
      else quietMs = middleMs;
    }
    atMs = dueMs;
  }
  return summed(snapshot, hypotheses, options, imagined, state, told, startMs, horizonMs);
}

/** All of it at once. */
export const forecast = (snapshot: Snapshot, hypotheses: readonly Hypothesis[], options: ForecastOptions): Forecast => {
  const run = forecasting(snapshot, hypotheses, options);
  for (;;) {
    const { done, value } = run.next(true);
    if (done === true) return value;
  }
};

const stepOf = (afterMs: number, { routing, audit }: Next): ForecastStep => ({
  afterMs,
  v: routing.v,
  because: routing.because,
  changes: audit.changes.map(({ service, before, after: now }) => ({ service, before, after: now })),
  holds: audit.holds.map(({ service, pool, hold, because }) => ({ service, pool, hold, because })),
});

const sameRoute = (a: Route, b: Route): boolean =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].every((pool) => (a[pool] ?? 0) === (b[pool] ?? 0));

const writesOf = (service: ServiceConfig, before: Route, now: Route, { quantise }: ForecastOptions): ForecastService['writes'] =>
  pathsOf(service).flatMap((provider) => {
    const served = (route: Route): Route => quantise?.(provider, service, route) ?? route;
    const write = { provider, before: served(before), after: served(now) };
    return sameRoute(write.before, write.after) ? [] : [write];
  });

const serviceOf = (
  snapshot: Snapshot,
  service: ServiceConfig,
  routing: Routing | null,
  options: ForecastOptions,
  atMs: number,
): ForecastService => {
  const known = routing?.services[service.name];
  const before = snapshot.routing?.services[service.name]?.route ?? {};
  const now = known?.route ?? before;
  const mode = known?.mode ?? service.mode;
  const writes = mode === 'auto' ? writesOf(service, before, now, options) : [];
  return {
    service: service.name,
    mode,
    before,
    after: now,
    writes,
    capacity: capacityOf(service, now, snapshot.reported ?? null, atMs),
    converge: writes.length === 0 ? null : convergenceFor(snapshot.cluster, service, options.history, options.pace),
  };
};

/** The last word on each pool that a hold was told of, and those that stood already and still do. */
const holdsOf = (steps: readonly ForecastStep[], cluster: ClusterConfig, routing: Routing | null): readonly ForecastHold[] => {
  const told = new Map(steps.flatMap(({ holds }) => holds).map((hold) => [`${hold.service}/${hold.pool}`, hold]));
  for (const { name, pools } of cluster.services)
    for (const pool of pools) {
      const hold = routing?.services[name]?.pools[pool.name]?.hold ?? null;
      const key = `${name}/${pool.name}`;
      if (hold !== null && told.get(key)?.hold !== hold)
        told.set(key, { service: name, pool: pool.name, hold, because: `${hold}: held already` });
    }
  return [...told.values()];
};

const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;

const voterNotes = (cluster: ClusterConfig, touched: ReadonlySet<string>): readonly string[] => {
  const few = cluster.services.filter(
    ({ name, mode }) => mode === 'auto' && touched.has(name) && leastElectorate(cluster, name) < VOTERS_MIN,
  );
  const first = few[0];
  if (first === undefined) return [];
  const voters = leastElectorate(cluster, first.name);
  const who = few.length <= 2 ? few.map(({ name }) => name).join(', ') : `${few.length} services`;
  return [`with ${voters} voters (needs ${VOTERS_MIN}) nothing of ${who} moves by itself: it is only advised and paged`];
};

const modeNotes = (cluster: ClusterConfig, touched: ReadonlySet<string>): readonly string[] => {
  const quiet = cluster.services.filter(({ name, mode }) => mode !== 'auto' && touched.has(name));
  if (quiet.length === 0) return [];
  const who = quiet.length <= 2 ? quiet.map(({ name, mode }) => `${name} (${mode})`).join(', ') : `${quiet.length} services`;
  return [`nothing is written of ${who}: not in auto`];
};

/** By the electorate that is nearest to deciding nothing: others may still decide. */
const quorumNotes = (cluster: ClusterConfig, speaking: ReadonlySet<string>): readonly string[] => {
  const weakest = weakestOf(cluster, speaking);
  if (weakest.spare >= 0) return [];
  const what = weakest.target === null ? 'no quorum says anything, so nothing moves by health' : 'nothing there moves by health';
  return [`${standingText(weakest)} speak, a majority is ${quorumOf(weakest.voters.length)}: ${what}`];
};

/** How long what is supposed to have happened takes to be seen at all. */
const detectionNotes = (cluster: ClusterConfig, touched: ReadonlySet<string>, pace: Pace | undefined): readonly string[] => {
  if (touched.size === 0) return [];
  const sums = worstCaseGroups(cluster, pace).filter(({ services }) => services.some((name) => touched.has(name)));
  const longestMs = Math.max(0, ...sums.map(({ worst }) => worst.detection?.totalMs ?? 0));
  return longestMs === 0
    ? []
    : [`times count from the votes of a quorum; after a death they take ${seconds(longestMs)} at worst, takeover and commit included`];
};

const summed = (
  snapshot: Snapshot,
  hypotheses: readonly Hypothesis[],
  options: ForecastOptions,
  imagined: Imagined,
  state: State,
  told: Told,
  startMs: number,
  horizonMs: number,
): Forecast => {
  const { cluster } = snapshot;
  const dying = new Set([...imagined.dead].map((key) => key.slice(0, key.lastIndexOf('/'))));
  const touched = new Set([...dying, ...told.steps.flatMap(({ changes }) => changes.map(({ service }) => service))]);
  const lastMs = told.steps.at(-1)?.afterMs ?? 0;
  const notes = [
    ...imagined.notes,
    ...quorumNotes(cluster, speakersOf(imagined.heard(0), cluster)),
    ...voterNotes(cluster, touched),
    ...modeNotes(cluster, touched),
    ...detectionNotes(cluster, dying, options.pace),
    ...((snapshot.frozen ?? []).length === 0
      ? []
      : [`nothing of ${snapshot.frozen?.join(', ')} moves: frozen until what is served is adopted or acknowledged`]),
    ...endNotes(state, startMs, horizonMs),
    ...(told.cut === null ? [] : [`cut short after ${seconds(lastMs)}: ${told.cut}`]),
  ];
  const pages = told.decisions.flatMap((next) => next.pages);
  return {
    steps: told.steps,
    services: cluster.services.map((service) => serviceOf(snapshot, service, state.routing, options, startMs + lastMs)),
    refusals: [...told.refusals.values()],
    holds: holdsOf(told.steps, cluster, state.routing ?? blankRouting(cluster, startMs)),
    pages: pages.slice(0, PAGES_MAX).map(({ severity, type, summary }) => ({ severity, type, summary })),
    notes: hypotheses.length === 0 && told.steps.length === 0 && told.cut === null ? [...notes, 'nothing is under way'] : notes,
  };
};

/** Orders that outlast what is looked at. */
const endNotes = ({ overrides }: State, startMs: number, horizonMs: number): readonly string[] => {
  const beyond = (overrides?.items ?? []).filter(({ expiresAtMs }) => expiresAtMs > startMs + horizonMs);
  if (beyond.length === 0) return [];
  const names = beyond.length <= 3 ? beyond.map(({ id }) => id).join(', ') : `${beyond.length} overrides`;
  return [
    `${names} ${beyond.length === 1 ? 'ends' : 'end'} later than the ${seconds(horizonMs)} looked at: what follows then is not in here`,
  ];
};
