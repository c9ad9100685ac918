// Metrics: what this process measured, in Prometheus' text form, one prefix and base units. Recorders take our units (ms) and convert here.
// The goals (30 s to detect, 60 s to converge) are exact bucket edges, so that "within the goal" is a division and not an estimate.
// Gauges about targets, routes and overrides are filled when scraped from the last state handed in: what left the configuration leaves the scrape.
// Labels are bounded: beyond a stated number of label sets a counter counts into `other`. Ignores the clock: instants are arguments.
import { Counter, collectDefaultMetrics, exponentialBuckets, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { MicroDrillGauge } from './api/proofs.ts';
import { atOnce, inSlices } from './api/slices.ts';
import { activeOverrides } from './decide/override.ts';
import { exposed, type Family } from './exposition.ts';
import { type HealthGauges, healthGauges } from './health-metrics.ts';
import { type FaultReason, OVERRIDE_KINDS, type Overrides, type PoolTally, type ProbeSpec, type Routing, type Verdict } from './model.ts';
import type { Ports } from './ports.ts';

const DETECTION_EDGES_S = [1, 2, 4, 6, 8, 10, 12, 15, 18, 21, 25, 30, 45, 60];
const CONVERGENCE_EDGES_S = [2, 5, 10, 15, 20, 30, 40, 50, 60, 75, 90, 120, 300];
/** 5 ms to 10.24 s: from a neighbour in the rack to five times the default deadline. */
const PROBE_EDGES_S = exponentialBuckets(0.005, 2, 12);
const LATENESS_EDGES_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
const STORE_EDGES_S = exponentialBuckets(0.001, 2, 13);
/** 5 ms to 5.12 s: the deadline of a write is 3 s. */
const WRITE_EDGES_S = exponentialBuckets(0.005, 2, 11);
const SETTLE_EDGES_S = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180];
/** From a call that answers at once to pods that pull their images. */
const STEP_EDGES_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 120, 300, 600];
const LABEL_SETS_MAX = 5_000;
const VERDICTS: readonly Verdict[] = ['up', 'unready', 'down', 'suspect', 'unknown'];
/** The goal of an answer, 20 ms, is an edge. */
const API_EDGES_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const API_METHODS: readonly string[] = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'];

/** What the gauges show. Kept by reference, read at the next scrape. */
export interface MetricsState {
  tallies: readonly PoolTally[];
  routing: Routing | null;
  overrides: Overrides | null;
  /** Versions of the program that replicas run; 1 is well, 0 before any is heard. */
  versions?: number;
  /** Those that this replica is configured with. */
  microDrills?: readonly MicroDrillGauge[];
  /** Cluster time; expired overrides are not counted as active. */
  nowMs: number;
}

export interface GateGauges {
  /** Since the store last confirmed what is answered; null: it never did. */
  ageS: number | null;
  seesStore: boolean;
  /** Pools that are drained. */
  drained: number;
}

/** A database in one region. null: not measured yet. */
export interface DataGauge {
  platform: string;
  database: string;
  region: string;
  writer: boolean;
  lagMs: number | null;
  lagBytes: number | null;
  lagAgeMs: number | null;
}

/** A system around that runbooks act on. */
export interface SystemGauge {
  name: string;
  isFailing: boolean;
}

/** One dependency as this replica measures it. */
export interface DependencyGauge {
  platform: string;
  objective: string;
  of: string;
  to: string;
  /** null: not measured, or mostly without an answer. */
  ms: number | null;
  verdict: 'good' | 'breach' | 'unknown';
}

export interface Metrics {
  /** One finished probe. `tookMs` null when nothing was sent. */
  probe(result: {
    kind: ProbeSpec['kind'];
    service: string;
    pool: string;
    outcome: 'ok' | 'nothing' | FaultReason;
    tookMs: number | null;
  }): void;
  /** How late a probe started against its schedule. */
  probeLateness(lateMs: number): void;
  abstaining(yes: boolean): void;
  /** Records of votes in the store that are not counted. */
  votesRefused(count: number): void;
  state(state: MetricsState): void;
  /** t3 - t0 of an incident. */
  detection(tookMs: number): void;
  /** t6 - t3 of one service of an incident. */
  convergence(tookMs: number): void;
  /** A service of an incident had not landed when its goal passed. */
  convergenceMissed(): void;
  takeover(): void;
  coordinator(yes: boolean): void;
  /** The coordinator's loop went round at `wallMs`: the dead-man's switch. */
  coordinatorTick(wallMs: number): void;
  decision(kind: string): void;
  /** `tookMs` counts for what was acknowledged. */
  providerWrite(provider: string, outcome: string, tookMs?: number): void;
  /** How an acknowledged write went on; `tookMs` counts for what settled. */
  providerSettled(provider: string, ended: string, tookMs: number): void;
  /** A canary reached a stage, `tookMs` after its write began. */
  canary(provider: string, stage: string, tookMs: number): void;
  canaryFailed(provider: string, stage: string): void;
  /** A micro-drill came through: a phase of it, in ms from the commit of its decision. */
  proven(provider: string, phase: string, tookMs: number): void;
  page(channel: string, outcome: string): void;
  storeRequest(op: 'get' | 'txn', tookMs: number): void;
  storeError(op: 'get' | 'txn', kind: 'definite' | 'ambiguous' | 'timeout'): void;
  /** Lines that a recording lacks: no room in the queue, or no disk. */
  recordDropped(lines: number): void;
  /** Services whose route the shadow's policy would have otherwise; and moves it would have made. */
  shadowDiverging(services: number): void;
  shadowMoves(moves: number): void;
  /** Credentials that the API did not accept, by what they looked like. */
  authRefused(how: string): void;
  /** A step of a run that was done here, from its first try to its end. */
  runbookStep(kind: string, tookMs: number): void;
  /** How a run ended that was executed here. */
  runbookEnded(platform: string, ended: string): void;
  /** What runs ask of humans now. */
  runbookWaiting(count: number): void;
  /** One answer of this replica's gate. */
  gateRequest(form: 'survivor' | 'origin', answer: 'drain' | 'keep' | 'unknown'): void;
  /** One answer of the API. `route` as it is registered, null where there is none; `method` and `code` as on the wire. */
  apiRequest(answer: { route: string | null; method: string; code: number; tookMs: number }): void;
  /** Asked at each scrape. */
  gate(state: () => GateGauges): void;
  /** Systems around that this replica's file names, asked at each scrape. */
  systems(state: () => readonly SystemGauge[]): void;
  /** What objectives are measured by, from here, asked at each scrape. */
  dependencies(state: () => readonly DependencyGauge[]): void;
  /** Data tiers as the store has them, asked at each scrape. */
  data(state: () => readonly DataGauge[]): void;
  /** What this replica knows of itself and its cluster, asked at each scrape. */
  health(state: () => HealthGauges): void;
  /** Memory, CPU, descriptors and event loop of the whole process, under the names that every dashboard of processes knows. Once per process. */
  process(): void;
  /** Text for `GET /metrics`; what is long of it in slices of time on the clock given, so that looks go on beside it, or at once. */
  text(pace?: Pick<Ports, 'clock' | 'timers'>): Promise<string>;
  readonly contentType: string;
}

/** Lets the first 5,000 label sets pass and folds the rest into `other`. */
const bounded = (): ((...labels: string[]) => string[]) => {
  const known = new Set<string>();
  return (...labels) => {
    const id = JSON.stringify(labels);
    if (known.has(id)) return labels;
    if (known.size >= LABEL_SETS_MAX) return labels.map(() => 'other');
    known.add(id);
    return labels;
  };
};

const counter = (registers: Registry[], name: string, help: string, labelNames: string[]): ((...labels: string[]) => void) => {
  const metric = new Counter({ name: `tidegate_${name}`, help, labelNames, registers });
  const fold = bounded();
  return (...labels) => metric.labels(...fold(...labels)).inc();
};

const histogram = (
  registers: Registry[],
  name: string,
  help: string,
  buckets: number[],
  labelNames: string[] = [],
): ((tookMs: number, ...labels: string[]) => void) => {
  const metric = new Histogram({ name: `tidegate_${name}_seconds`, help, buckets, labelNames, registers });
  // A measurement below zero is an artefact of two clocks; it took no time that anybody could use.
  return (tookMs, ...labels) => {
    if (Number.isFinite(tookMs)) metric.labels(...labels).observe(Math.max(0, tookMs) / 1000);
  };
};

/** What has a line per target or pool, of all regions. */
const stateFamilies = ({ tallies, routing }: MetricsState): readonly Family[] => [
  {
    name: 'target_verdict',
    help: '1 for the verdict that the quorum holds of a target, 0 for the others',
    labelNames: ['service', 'pool', 'target', 'verdict'],
    *rows() {
      for (const { service, pool, targets } of tallies)
        for (const { target, verdict } of targets) {
          const name = target.slice(`${service}/${pool}/`.length);
          for (const one of VERDICTS) yield [[service, pool, name, one], one === verdict ? 1 : 0];
        }
    },
  },
  {
    name: 'pool_gray_targets',
    help: 'Targets of a pool that answer, but fail more often than is acceptable, by quorum',
    labelNames: ['service', 'pool'],
    *rows() {
      for (const { service, pool, gray } of tallies) yield [[service, pool], gray];
    },
  },
  {
    name: 'route_share',
    help: 'Decided share of a pool in its service, 0 to 1',
    labelNames: ['service', 'pool'],
    *rows() {
      for (const [service, { route }] of Object.entries(routing?.services ?? {}))
        for (const [pool, share] of Object.entries(route)) yield [[service, pool], share / 1000];
    },
  },
];

/** The gauges that describe the cluster as this replica last saw it. */
const stateGauges = (registers: Registry[], current: () => MetricsState): void => {
  new Gauge({
    name: 'tidegate_override_active',
    help: 'Overrides of operators in force, by kind',
    labelNames: ['kind'],
    registers,
    collect() {
      const { overrides, nowMs } = current();
      const active = activeOverrides(overrides, nowMs);
      for (const kind of OVERRIDE_KINDS) this.labels(kind).set(active.filter((item) => item.kind === kind).length);
    },
  });
  overrideGauges(registers, current);
  microDrillGauges(registers, () => current().microDrills ?? []);
  new Gauge({
    name: 'tidegate_version_skew',
    help: 'Versions of the program beside the first that replicas heard here run; 0 is well',
    registers,
    collect() {
      this.set(Math.max(0, (current().versions ?? 1) - 1));
    },
  });
};

/** One line per order in force; the store holds 200 at most. No free text of humans is a label. */
const overrideGauges = (registers: Registry[], current: () => MetricsState): void => {
  new Gauge({
    name: 'tidegate_override_active_info',
    help: 'Always 1; one for each override in force',
    labelNames: ['id', 'kind', 'region', 'service', 'pool', 'drill'],
    registers,
    collect() {
      this.reset();
      const { overrides, nowMs } = current();
      for (const { id, kind, scope, drill } of activeOverrides(overrides, nowMs))
        this.labels(id, kind, scope.region ?? '', scope.service ?? '', scope.pool ?? '', String(drill === true)).set(1);
    },
  });
  new Gauge({
    name: 'tidegate_override_expires_timestamp_seconds',
    help: 'When an override that has not expired will, in cluster time; also of those that have not begun or are not agreed to',
    labelNames: ['id', 'kind'],
    registers,
    collect() {
      this.reset();
      const { overrides, nowMs } = current();
      for (const { id, kind, expiresAtMs } of overrides?.items ?? [])
        if (expiresAtMs > nowMs) this.labels(id, kind).set(expiresAtMs / 1000);
    },
  });
};

/** Nothing is exported of a gate that is not there. */
const microDrillGauges = (registers: Registry[], current: () => readonly MicroDrillGauge[]): void => {
  const shown = (name: string, help: string, value: (drill: MicroDrillGauge) => number | null): void => {
    new Gauge({
      name: `tidegate_microdrill_${name}`,
      help,
      labelNames: ['provider'],
      registers,
      collect() {
        this.reset();
        for (const drill of current()) {
          const now = value(drill);
          if (now !== null) this.labels(drill.provider).set(now);
        }
      },
    });
  };
  shown(
    'last_success_timestamp_seconds',
    'Decision of the last micro-drill of a provider that came through, in cluster time, as the store has it; 0: none ever did',
    ({ provenAtMs }) => (provenAtMs ?? 0) / 1000,
  );
  shown('stale', '1 while a proof is older than three intervals in which nothing kept it from being renewed', ({ isStale }) =>
    Number(isStale),
  );
  shown(
    'held',
    'At the coordinator: 1 while something keeps a micro-drill from being flown, such as an incident, an order or a run',
    ({ isHeld }) => (isHeld === null ? null : Number(isHeld)),
  );
};

const gateGauges = (registers: Registry[], current: () => (() => GateGauges) | null): void => {
  const shown = (name: string, help: string, value: (gate: GateGauges) => number): void => {
    new Gauge({
      name: `tidegate_gate_${name}`,
      help,
      // Without a label there would be a zero to see where there is no gate.
      labelNames: ['gate'],
      registers,
      collect() {
        this.reset();
        const gate = current();
        if (gate !== null) this.labels('own').set(value(gate()));
      },
    });
  };
  shown(
    'age_seconds',
    'Since the store last confirmed what the gate answers; +Inf: it never did',
    ({ ageS }) => ageS ?? Number.POSITIVE_INFINITY,
  );
  shown('sees_store', '1 while the store answers this gate', ({ seesStore }) => (seesStore ? 1 : 0));
  shown('drained_pools', 'Pools that the gate says are to be drained', ({ drained }) => drained);
};

const systemGauges = (registers: Registry[], current: () => readonly SystemGauge[]): void => {
  new Gauge({
    name: 'tidegate_system_failing',
    help: '1 while a system around cannot be used: it could not be opened, or has not answered since it was left alone',
    labelNames: ['system'],
    registers,
    collect() {
      this.reset();
      for (const { name, isFailing } of current()) this.labels(name).set(isFailing ? 1 : 0);
    },
  });
};

const dependencyGauges = (registers: Registry[], current: () => readonly DependencyGauge[]): void => {
  const labelNames = ['platform', 'objective', 'of', 'to'];
  new Gauge({
    name: 'tidegate_dependency_duration_seconds',
    help: 'What a dependency takes from here, by the quantile of its objective; absent while it is not known',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { platform, objective, of, to, ms } of current()) if (ms !== null) this.labels(platform, objective, of, to).set(ms / 1000);
    },
  });
  new Gauge({
    name: 'tidegate_dependency_over_budget',
    help: '1 while a dependency takes longer from here than its objective says, 0 while it does not; absent while it is not known',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { platform, objective, of, to, verdict } of current())
        if (verdict !== 'unknown') this.labels(platform, objective, of, to).set(verdict === 'breach' ? 1 : 0);
    },
  });
};

const dataGauges = (registers: Registry[], current: () => readonly DataGauge[]): void => {
  const labelNames = ['platform', 'database', 'region'];
  const of = (name: string, help: string, value: (each: DataGauge) => number | null): Gauge =>
    new Gauge({
      name: `tidegate_data_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const each of current()) {
          const now = value(each);
          if (now !== null) this.labels(each.platform, each.database, each.region).set(now);
        }
      },
    });
  of('writer', '1 where a row was written and read back last; 0 elsewhere', ({ writer }) => (writer ? 1 : 0));
  of('lag_seconds', 'How far a standby was behind when that was measured last', ({ lagMs }) => (lagMs === null ? null : lagMs / 1000));
  of('lag_bytes', 'What a standby lacked when that was measured last', ({ lagBytes }) => lagBytes);
  of('lag_age_seconds', 'Since that was measured', ({ lagAgeMs }) => (lagAgeMs === null ? null : lagAgeMs / 1000));
};

const gauge = (registers: Registry[], name: string, help: string): ((value: number) => void) => {
  const metric = new Gauge({ name: `tidegate_${name}`, help, registers });
  metric.set(0);
  return (value) => metric.set(value);
};

const flag = (registers: Registry[], name: string, help: string): ((yes: boolean) => void) => {
  const metric = new Gauge({ name: `tidegate_${name}`, help, registers });
  metric.set(0);
  return (yes) => metric.set(yes ? 1 : 0);
};

/** What is written to providers, and how that goes on. */
const providerMetrics = (into: Registry[]): Pick<Metrics, 'providerWrite' | 'providerSettled' | 'canary' | 'canaryFailed' | 'proven'> => {
  const writes = counter(into, 'provider_writes_total', 'Writes sent to providers', ['provider', 'outcome']);
  const seconds = histogram(into, 'provider_write_duration', 'Start of a write to its acknowledgement', WRITE_EDGES_S, ['provider']);
  const receipts = counter(into, 'provider_receipts_total', 'Acknowledged writes by how they ended', ['provider', 'outcome']);
  const settled = histogram(into, 'provider_settle', 'Acknowledgement of a write until the provider said it was done', SETTLE_EDGES_S, [
    'provider',
  ]);
  const canary = histogram(into, 'canary', 'Start of a canary write to each of its stages', SETTLE_EDGES_S, ['provider', 'stage']);
  const proven = histogram(
    into,
    'microdrill_duration',
    'Decision of a micro-drill that came through to each of its phases',
    SETTLE_EDGES_S,
    ['provider', 'phase'],
  );
  return {
    proven: (provider, phase, tookMs) => proven(tookMs, provider, phase),
    providerWrite(provider, outcome, tookMs) {
      writes(provider, outcome);
      if (outcome === 'applied' && tookMs !== undefined) seconds(tookMs, provider);
    },
    providerSettled(provider, ended, tookMs) {
      receipts(provider, ended);
      if (ended === 'settled') settled(tookMs, provider);
    },
    canary: (provider, stage, tookMs) => canary(tookMs, provider, stage),
    canaryFailed: counter(into, 'canary_failures_total', 'Canaries that did not come through, by the stage they did not reach', [
      'provider',
      'stage',
    ]),
  };
};

/** Answers of the API. Whatever strangers send makes no label of its own: paths and methods that are not offered are `other`. */
const apiMetrics = (into: Registry[]): Pick<Metrics, 'apiRequest'> => {
  const seconds = histogram(into, 'api_request_duration', 'Requests to the API, from their head to the end of the answer', API_EDGES_S, [
    'route',
    'method',
    'code',
  ]);
  return {
    apiRequest: ({ route, method, code, tookMs }) =>
      seconds(tookMs, route ?? 'other', API_METHODS.includes(method) ? method : 'other', String(code)),
  };
};

const runbookMetrics = (into: Registry[]): Pick<Metrics, 'runbookStep' | 'runbookEnded' | 'runbookWaiting'> => {
  const seconds = histogram(
    into,
    'runbook_step_duration',
    'First try of a step of a run to its end, of steps that were done',
    STEP_EDGES_S,
    ['kind'],
  );
  return {
    runbookStep: (kind, tookMs) => seconds(tookMs, kind),
    runbookEnded: counter(into, 'runbook_runs_total', 'Runs that ended, by how', ['platform', 'ended']),
    runbookWaiting: gauge(into, 'runbook_waiting', 'Words of humans that runs wait for: agreement or answers'),
  };
};

/** A fresh registry and its recorders; nothing is registered globally. `version` is the program's. */
export const createMetrics = (version = 'unknown'): Metrics => {
  const registry = new Registry();
  const into = [registry];
  let state: MetricsState = { tallies: [], routing: null, overrides: null, nowMs: 0 };
  stateGauges(into, () => state);
  let gate: (() => GateGauges) | null = null;
  gateGauges(into, () => gate);
  let systems: () => readonly SystemGauge[] = () => [];
  systemGauges(into, () => systems());
  let dependencies: () => readonly DependencyGauge[] = () => [];
  dependencyGauges(into, () => dependencies());
  let data: () => readonly DataGauge[] = () => [];
  dataGauges(into, () => data());
  let health: (() => HealthGauges) | null = null;
  healthGauges(into, () => health?.() ?? null);

  const info = new Gauge({ name: 'tidegate_build_info', help: 'Always 1', labelNames: ['version', 'node'], registers: into });
  info.labels(version, process.version).set(1);
  const takeovers = new Counter({ name: 'tidegate_takeover_total', help: 'Terms of coordination this replica began', registers: into });
  const lastTick = new Gauge({
    name: 'tidegate_coordinator_last_tick_timestamp_seconds',
    help: 'Wall clock of the last round of the coordinator here; 0 if it never was one',
    registers: into,
  });
  const missed = new Counter({
    name: 'tidegate_convergence_missed_total',
    help: 'Moves of a service that had not landed when the goal to converge passed',
    registers: into,
  });
  const dropped = new Counter({ name: 'tidegate_record_dropped_total', help: 'Lines that the recording lacks', registers: into });
  const shadowMoves = new Counter({
    name: 'tidegate_shadow_moves_total',
    help: 'Moves that the shadow policy would have made',
    registers: into,
  });
  const probeSeconds = histogram(into, 'probe_duration', 'Start of a probe to its outcome', PROBE_EDGES_S, ['kind']);
  const probeResults = counter(into, 'probe_results_total', 'Finished probes', ['service', 'pool', 'outcome']);

  return {
    probe({ kind, service, pool, outcome, tookMs }) {
      probeResults(service, pool, outcome);
      if (tookMs !== null) probeSeconds(tookMs, kind);
    },
    probeLateness: histogram(into, 'probe_start_lateness', 'Start of a probe against its schedule', LATENESS_EDGES_S),
    votesRefused: gauge(into, 'votes_refused', 'Records of votes that this replica does not count: unsigned, forged or replayed'),
    abstaining: flag(into, 'vantage_abstaining', '1 while this replica withholds its vote'),
    state(next) {
      state = next;
    },
    detection: histogram(into, 'detection_duration', 'First failed probe to the committed decision', DETECTION_EDGES_S),
    convergence: histogram(into, 'convergence_duration', 'Committed decision to users landing on the new route', CONVERGENCE_EDGES_S),
    convergenceMissed: () => missed.inc(),
    takeover: () => takeovers.inc(),
    coordinator: flag(into, 'coordinator', '1 while this replica coordinates'),
    coordinatorTick: (wallMs) => lastTick.set(wallMs / 1000),
    decision: counter(into, 'decisions_total', 'Committed decisions', ['kind']),
    ...providerMetrics(into),
    page: counter(into, 'pages_total', 'Attempts to deliver a page', ['channel', 'outcome']),
    storeRequest: (
      (seconds) => (op, tookMs) =>
        seconds(tookMs, op)
    )(histogram(into, 'store_request_duration', 'Requests to the store', STORE_EDGES_S, ['op'])),
    storeError: counter(into, 'store_errors_total', 'Requests to the store that failed', ['op', 'kind']),
    recordDropped: (lines) => dropped.inc(lines),
    shadowDiverging: gauge(into, 'shadow_services_diverging', 'Services whose route would be another under the shadow policy'),
    shadowMoves: (moves) => shadowMoves.inc(moves),
    ...runbookMetrics(into),
    authRefused: counter(into, 'api_auth_refused_total', 'Requests whose credentials were not accepted, by what they looked like', ['how']),
    gateRequest: counter(into, 'gate_requests_total', 'Answers of the gate', ['form', 'answer']),
    ...apiMetrics(into),
    gate(state) {
      gate = state;
    },
    systems(state) {
      systems = state;
    },
    dependencies(state) {
      dependencies = state;
    },
    data(state) {
      data = state;
    },
    health(state) {
      health = state;
    },
    process: () => collectDefaultMetrics({ register: registry }),
    async text(pace) {
      const steps = exposed(stateFamilies(state));
      const own = pace === undefined ? atOnce(steps) : await inSlices(pace, steps);
      return own + (await registry.metrics());
    },
    contentType: registry.contentType,
  };
};
