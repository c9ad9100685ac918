// The service of one replica, from a checked configuration to something that runs: opens what the configuration names, in order, and closes it in reverse.
// Knows no policy and no protocol; src/replica.ts wires the core, this file gives it real adapters.
import type { Provider } from '../providers/provider.ts';
import { createEventHub } from './api/events.ts';
import { createForecaster } from './api/forecaster.ts';
import type { HealthFacts } from './api/health-detail.ts';
import { createOverrideWriter } from './api/overrides.ts';
import { createRecordReader } from './api/record-reader.ts';
import { createReportWriter } from './api/reports.ts';
import { createApi } from './api/server.ts';
import { createSpentDuty } from './api/spent.ts';
import type { StatusDocument } from './api/status.ts';
import { fleetNow, snapshotNow, statusNow, talliesNow, type Viewing } from './api/view.ts';
import { createAuditReader } from './audit/reader.ts';
import { createRefusalJournal } from './audit/refusals.ts';
import { createAuditDuty } from './audit/retention.ts';
import { openAccess } from './auth/open.ts';
import { joinProblems } from './config/check.ts';
import { type Problem, renderProblem } from './config/problem.ts';
import { paceIn } from './config/providers/index.ts';
import { reloadConfig } from './config/reload.ts';
import type { ReplicaConfig } from './config/schema.ts';
import { createConvergeDuties } from './converge/duties.ts';
import { createConvergeWatcher } from './converge/watcher.ts';
import { beatKey, KEYS, placeOf } from './coordinate/keys.ts';
import { applyMembers } from './coordinate/members.ts';
import type { Sight } from './coordinate/read.ts';
import { createSigner } from './coordinate/signing.ts';
import type { Snapshot } from './decide/snapshot.ts';
import { createShadow, type Shadow } from './drill/shadow.ts';
import { errorText, Fault } from './errors.ts';
import { gateFile } from './gate/file.ts';
import { type Gate, openGate } from './gate/gate.ts';
import { serveGate } from './gate/server.ts';
import type { Log } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import type { ClusterConfig, Route, ServiceConfig } from './model.ts';
import { type Close, type Ends, lookContext, openProviders, openStore, type ServeContext } from './open.ts';
import { createDesk, spoolOf } from './paging/desk.ts';
import { type Ports, sleep } from './ports.ts';
import { probe } from './probe/index.ts';
import { type SelfCheck, startSelfCheck } from './probe/selfcheck.ts';
import { desiredOf } from './publish/plan.ts';
import { fileRecordDisk } from './record/files.ts';
import { createRecorder, type Recorder } from './record/recorder.ts';
import { createReplica, type Paths } from './replica.ts';
import { readSecret } from './secrets.ts';
import { measuredStore } from './store/measured.ts';
import { type ConvergenceHistory, historyOf } from './whatif/history.ts';

export interface Running {
  apiPort: number;
  boot: string;
  /** Judges and takes the file anew. Out: sentences about what happened; `ok` false: nothing changed. */
  reload(): Promise<{ ok: boolean; said: readonly string[] }>;
  /** Within five seconds; what was committed stays committed, undelivered pages stay in the outbox. */
  stop(): Promise<void>;
}

const ANCHOR_TIMEOUT_MS = 1500;
/** A status that is told may be this old. */
const STATUS_MS = 100;
/** An order in doubt is answered within this. */
const API_GRACE_MS = 3300;
/** A page on its way gets this long; then the leader record is given up, so that another region delivers it. */
const DESK_GRACE_MS = 2000;

const shadowOf = ({ shadow }: ReplicaConfig): Parameters<Shadow['use']>[0] =>
  shadow === undefined || shadow.cluster === null ? null : { file: shadow.file, cluster: shadow.cluster };

/** What is lawful in a file but hardly meant. */
export const warn = (log: Log, warnings: readonly Problem[]): void => {
  for (const warning of warnings) log.warn('config.warning', { because: renderProblem(warning) });
};

/** Starts everything. Throws a Fault, with everything opened so far closed again. */
export const serve = async (initial: ReplicaConfig, context: ServeContext): Promise<Running> => {
  const ends: Ends = { working: [], open: [] };
  const quietly = async (close: Close): Promise<void> => {
    try {
      await close();
    } catch (error) {
      context.log.warn('stop', { because: errorText(error) });
    }
  };
  const endAll = async (): Promise<void> => {
    await Promise.all(ends.working.splice(0).map(quietly));
    for (const close of ends.open.reverse().splice(0)) await quietly(close);
  };
  try {
    return await start(initial, context, ends, endAll);
  } catch (error) {
    await endAll();
    throw error;
  }
};

const start = async (initial: ReplicaConfig, context: ServeContext, ends: Ends, endAll: () => Promise<void>): Promise<Running> => {
  const { ports, log, version } = context;
  const { region, replica: name } = initial;
  const boot = ports.random.hex(8);
  let config = initial;
  let stopping = false;
  /** The parts below exist. */
  let isWired = false;
  const metrics = createMetrics(version);
  const looking = lookContext(config, context, ends);
  const store = measuredStore(await openStore(config, context, looking.resolve, ends), metrics, ports.clock);
  const providers = await openProviders(config, context, { resolve: looking.resolve, store }, ends);
  /** Found before there is anybody to page. */
  const gateTroubles = new Map<string, string>();
  // As early as can be: what polls it should not have to wait for anything else here.
  const gate = await startGate(config, context, {
    store,
    metrics,
    cluster: () => (isWired ? (replica.coordinator.lastSight()?.cluster ?? null) : null),
    onTrouble: (subject, because) => void gateTroubles.set(subject, because),
    ends,
  });
  /** When the store last answered. */
  let seenAtMs = Number.NEGATIVE_INFINITY;
  /** A store that answers but takes nothing (it is full, say) is as good as lost: then this replica's own beat grows old in it. */
  const storeAgeMs = (): number => {
    const beatAgeMs = replica.coordinator.lastSight()?.ageMs(beatKey(region, name)) ?? 0;
    return Math.max(ports.clock.monoMs() - seenAtMs, Number.isFinite(beatAgeMs) ? beatAgeMs : 0);
  };
  const viewed = <T>(view: (viewing: Viewing) => T): T | null => {
    const { coordinator, vantage } = replica;
    const sight = coordinator.lastSight();
    if (sight === null) return null;
    const seenAgoMs = ports.clock.monoMs() - seenAtMs;
    return view({
      sight,
      seenAgoMs,
      region,
      replica: name,
      boot,
      role: coordinator.role(),
      vote: vantage.vote(),
      shadow: shadow.status(),
      gate: gate?.status() ?? null,
      paths: replica.paths(),
      nowMs: coordinator.nowMs(),
      wallMs: ports.clock.wallMs(),
    });
  };

  const duties = createConvergeDuties({ log, detection: metrics.detection, convergence: metrics.convergence });
  const events = createEventHub({ ports, log, store, region, replica: name });
  const auditDuty = createAuditDuty({ store, ports, log });
  const spentDuty = createSpentDuty({ store, ports, log });
  const watcher = createConvergeWatcher({ ports, log, store, region, replica: name, boot });
  ends.working.push(() => watcher.stop());

  const signer = config.signing === undefined ? null : createSigner(readSecret(config.signing.keyFile), config.signing.keyFile);
  const spool = await spoolOf(config.paging, ports, log);
  const recorder: Recorder | null =
    config.record === undefined
      ? null
      : createRecorder({
          ...config.record,
          ports,
          log,
          disk: fileRecordDisk(config.record.folder, region, name),
          region,
          replica: name,
          boot,
          version,
          clusterNowMs: () => replica.coordinator.nowMs(),
          onDropped: metrics.recordDropped,
        });
  ends.open.push(() => recorder?.stop());
  const shadow = createShadow({
    log,
    onMoves: metrics.shadowMoves,
    onChange(diverging) {
      metrics.shadowDiverging(diverging.length);
      recorder?.note({ kind: 'shadow', diverging: diverging.map(({ service, live, shadow }) => ({ service, live, shadow })) });
    },
  });
  shadow.use(shadowOf(config));
  const replica = createReplica({
    ports,
    store,
    log,
    region,
    replica: name,
    boot,
    signer,
    version,
    providers,
    trail: store,
    arrivals: paceIn(config).arrivals ?? {},
    ...(config.canaries === undefined ? {} : { canaries: config.canaries }),
    look: (spec, cluster, signal) =>
      probe(spec, { ...looking, timeoutMs: cluster.policy.timeoutMs, connectTimeoutMs: cluster.policy.connectTimeoutMs }, signal),
    events: {
      look(key, spec, outcome, lateByMs) {
        const [service = '', pool = ''] = key.split('/');
        metrics.probe({
          kind: spec.kind,
          service,
          pool,
          outcome: outcome.saw === 'fault' ? outcome.reason : outcome.saw,
          tookMs: outcome.saw === 'nothing' ? null : outcome.tookMs,
        });
        metrics.probeLateness(lateByMs);
      },
      nameTaken: (because) => context.onFatal?.(new Fault('ERR_NAME_TAKEN', because)),
      configConflict: (because) =>
        desk.report({ type: 'config.conflict', severity: 'critical', subject: `config-conflict-${region}-${name}`, summary: because }),
      vote: (vote) => metrics.abstaining(vote.self.state === 'abstain'),
      input: (input) => recorder?.input(input),
      sight(sight, nowMs) {
        seenAtMs = ports.clock.monoMs();
        recorder?.sight(sight, nowMs, replica.coordinator.role().role === 'coordinator');
        events.look(sight, () => viewed(talliesNow) ?? [], nowMs);
        metrics.votesRefused(sight.refused.length);
        if (sight.cluster === null) return;
        pageGate();
        doubted(sight);
        joined(sight.cluster);
        selfCheck(sight.cluster);
        if (sight.routing !== null) watcher.update({ cluster: sight.cluster, routing: sight.routing });
      },
      decision: (next) => metrics.decision(next.audit.changes.length > 0 ? 'route' : next.audit.holds.length > 0 ? 'hold' : 'memory'),
      role(role) {
        metrics.coordinator(role.role === 'coordinator');
        shadow.rest();
        if (role.role !== 'coordinator') return;
        metrics.takeover();
        desk.inOffice();
      },
      write: (provider, outcome, tookMs) => metrics.providerWrite(provider, outcome, tookMs),
      settled: (provider, ended, tookMs) => metrics.providerSettled(provider, ended, tookMs),
      canary: (provider, stage, tookMs) => metrics.canary(provider, stage, tookMs),
      canaryFailed: (provider, stage) => metrics.canaryFailed(provider, stage),
      observed: (provider, service, shares) => recorder?.note({ kind: 'observed', provider, service, shares }),
      turn(sight, nowMs, term) {
        metrics.coordinatorTick(ports.clock.wallMs());
        shadow.turn(sight, nowMs);
        auditDuty.turn(sight, nowMs, term);
        spentDuty.turn(nowMs, term);
        return duties.turn(sight, nowMs, term);
      },
    },
  });

  isWired = true;

  const desk = createDesk({
    spool,
    paging: config.paging,
    ports,
    log,
    metrics,
    store,
    region,
    replica: name,
    secret: readSecret,
    resolve: looking.resolve,
    gates: new Set(Object.entries(config.providers).flatMap(([called, { kind }]) => (kind === 'gate' ? [called] : []))),
    ...(config.cluster === null ? {} : { clusterName: config.cluster.name }),
    knows: {
      cluster: () => replica.coordinator.lastSight()?.cluster ?? null,
      routing: () => replica.coordinator.lastSight()?.routing ?? null,
      vote: () => replica.vantage.vote(),
      firstFaultAgeMs: (key) => replica.vantage.firstFaultAgeMs(key),
      isCoordinator: () => replica.coordinator.role().role === 'coordinator',
      nowMs: () => replica.coordinator.nowMs(),
      storeAgeMs,
    },
  });
  ends.working.push(() => replica.stop(desk.close(DESK_GRACE_MS)));

  // Whoever coordinates says it, once per region: somebody writes votes that are not its own, or a replica signs with a key that nobody knows.
  const doubted = ({ refused }: Sight): void => {
    if (replica.coordinator.role().role !== 'coordinator') return;
    // One that its writer had signed, but that came late, may have been under way while a partition lasted: it is not counted, and that is in the status.
    for (const { key, because } of refused.filter((each) => each.isForged))
      desk.report({
        type: 'vote.refused',
        severity: 'warning',
        subject: `vote-refused-${placeOf(key).region}`,
        summary: `${key} is not counted: ${because}; nothing rests on it. Either a replica there has the wrong signing key, or somebody writes what is not theirs: look at that replica, then who holds the store's credentials`,
      });
  };

  const pageGate = (): void => {
    for (const [subject, because] of gateTroubles)
      desk.report({ type: `gate.${subject}`, severity: 'warning', subject: `gate-${subject}-${region}-${name}`, summary: because });
    gateTroubles.clear();
  };

  // A cluster taken from a store was checked against another replica's file: what does not fit this one is said once per version.
  let joinedVersion = 0;
  const joined = (cluster: ClusterConfig): void => {
    if (config.store.kind === 'embedded' || joinedVersion === cluster.version) return;
    joinedVersion = cluster.version;
    const because = joinProblems({ ...config, ...(signer === null ? {} : { publicKey: signer.publicKey }) }, cluster);
    if (because.length > 0) log.warn('cluster.unfit', { file: config.file, version: cluster.version, because });
  };

  // Anchors come with the cluster's configuration, and change with it.
  let loopDelayMs: number | null = null;
  let checking: { anchors: string; check: SelfCheck } | null = null;
  const selfCheck = (cluster: ClusterConfig): void => {
    const anchors = cluster.regions.find((r) => r.name === region)?.anchors ?? [];
    if (stopping || checking?.anchors === anchors.join(' ')) return;
    void checking?.check.stop();
    checking = {
      anchors: anchors.join(' '),
      check: startSelfCheck({
        ports,
        anchors,
        context: { ...looking, timeoutMs: ANCHOR_TIMEOUT_MS, connectTimeoutMs: ANCHOR_TIMEOUT_MS },
        onFacts(facts) {
          loopDelayMs = facts.loopDelayP99Ms;
          replica.facts(facts);
        },
      }),
    };
  };
  ends.working.push(() => checking?.check.stop());

  const clusterNowMs = (): number => replica.coordinator.nowMs();
  const snapshot = (): Snapshot | null => viewed(snapshotNow);
  const whatIf = createForecaster({
    ports,
    snapshot,
    clusterNowMs,
    knows() {
      const sight = replica.coordinator.lastSight();
      return {
        pace: paceIn(config),
        ...(sight?.cluster == null ? {} : { history: historyOf(sight.cluster, sight.incidents, canaryTimes(replica.paths())) }),
        quantise: (provider, service, route) => quantised(providers.get(provider), service, route),
      };
    },
  });

  const refusals = createRefusalJournal({ store, ports, log, region, replica: name, nowMs: () => replica.coordinator.nowMs() });
  ends.working.push(() => refusals.stop());
  const access = openAccess({
    api: config.api,
    ports,
    log,
    resolve: looking.resolve,
    clusterName: () => replica.coordinator.lastSight()?.cluster?.name ?? null,
    onRefused: (calls) => refusals.refused([calls]),
    onRefusedOnce: metrics.authRefused,
  });
  ends.open.push(() => access.close());
  /** Two hundred askers a second cost as much as ten: a cluster of thousands of targets makes a large document. */
  let told: { atMs: number; status: StatusDocument | null } | null = null;
  const status = (): StatusDocument | null => {
    const nowMs = ports.clock.monoMs();
    if (told === null || nowMs - told.atMs >= STATUS_MS) told = { atMs: nowMs, status: viewed(statusNow) };
    return told.status;
  };
  const healthFacts = (): HealthFacts => {
    const sight = replica.coordinator.lastSight();
    const answeredAgoMs = ports.clock.monoMs() - seenAtMs;
    const age = (key: string): number | null => (sight === null ? null : sight.ageMs(key) + answeredAgoMs);
    return {
      version,
      status: status(),
      cluster: sight?.cluster ?? null,
      fleet: viewed(fleetNow),
      wallMs: ports.clock.wallMs(),
      store: {
        kind: config.store.kind,
        answeredAgoMs,
        lastTookMs: store.lastTookMs(),
        beatAgeMs: age(beatKey(region, name)),
        complaint: store.complaint(),
        rev: sight?.rev ?? null,
      },
      leaderAgeMs: age(KEYS.leader),
      loopDelayMs,
      paging: desk.backlog(),
      recorder: recorder?.standing() ?? null,
      paths: replica.paths(),
    };
  };

  const api = await createApi({
    ports,
    log,
    metrics,
    host: config.api.host,
    port: config.api.port,
    submit: createOverrideWriter({ store, ports, clusterNowMs }),
    snapshot,
    records: createRecordReader({ store, ports }),
    whatIf,
    ...(config.api.tls === undefined ? {} : { tls: config.api.tls }),
    ...(config.api.limits === undefined ? {} : { limits: config.api.limits }),
    access,
    version,
    reports: createReportWriter({ store, ports, clusterNowMs }),
    forecast: whatIf.atOnce,
    audit: createAuditReader({ store, ports }),
    events,
    view: {
      status,
      ready: () => (stopping ? { ok: false, why: 'stopping' } : { ok: true, why: 'configured and listening' }),
      cluster: () => replica.coordinator.lastSight()?.cluster ?? null,
      clusterNowMs,
      health: () => healthFacts(),
    },
  });
  ends.working.push(() => api.close(API_GRACE_MS));

  // Worked out at a scrape, not at every turn: with thousands of targets the full tally is not free.
  metrics.state({
    get tallies() {
      return viewed(talliesNow) ?? [];
    },
    get routing() {
      return replica.coordinator.lastSight()?.routing ?? null;
    },
    get overrides() {
      return replica.coordinator.lastSight()?.overrides ?? null;
    },
    get versions() {
      return viewed(fleetNow)?.versions.length ?? 0;
    },
    get nowMs() {
      return replica.coordinator.nowMs();
    },
  });

  const configure = async (cluster: ClusterConfig): Promise<{ ok: boolean; said: readonly string[] }> => {
    const applied = await applyMembers(store, cluster, { ports, by: `${region}/${name}`, reason: `file ${config.file}`, how: 'service' });
    if (applied.outcome === 'refused') return { ok: false, said: applied.because };
    replica.coordinator.wake();
    return {
      ok: true,
      said: [applied.outcome === 'applied' ? `configuration ${applied.version} applied` : `configuration ${applied.version} unchanged`],
    };
  };
  if (config.cluster !== null && config.store.kind === 'embedded') {
    const { ok, said } = await configure(config.cluster);
    // A file that was refused must not keep the service away in an outage: what the store holds goes on, and says so.
    if (ok) log.info('config.applied', { said });
    else log.error('config.refused', { because: said, running: 'the configuration in the store' });
  }
  log.info('serving', {
    region,
    replica: name,
    boot,
    api: `${config.api.host}:${api.port}`,
    store: config.store.kind,
    providers: [...providers.keys()],
  });

  const reload = async (): Promise<{ ok: boolean; said: readonly string[] }> => {
    // Files that are looked at again whatever becomes of the configuration: who is locked out by an old token file is not let in by a mended one.
    const unread = access.reload();
    api.lookAtCertificate();
    const judged = reloadConfig(config, replica.coordinator.lastSight()?.routing ?? null);
    if (!judged.ok) return { ok: false, said: judged.because };
    warn(log, judged.warnings);
    const result =
      judged.config.cluster === null || judged.config.store.kind !== 'embedded'
        ? { ok: true, said: ['accepted'] }
        : await configure(judged.config.cluster);
    if (result.ok) {
      config = judged.config;
      shadow.use(shadowOf(config));
    }
    return unread.length === 0 ? result : { ok: false, said: [...unread, ...result.said] };
  };
  // One after the other: of two at once, the older file could come last.
  let reloading: Promise<unknown> = Promise.resolve();

  let stopped: Promise<void> | null = null;
  return {
    apiPort: api.port,
    boot,
    reload() {
      const next = reloading.then(reload);
      reloading = next.catch(() => undefined);
      return next;
    },
    stop() {
      stopping = true;
      stopped ??= endAll();
      return stopped;
    },
  };
};

/** How long canaries took to arrive at resolvers, by provider, as far as this process has flown any. */
const canaryTimes = (paths: Paths | null): ConvergenceHistory['canaries'] =>
  Object.fromEntries(
    (paths?.providers() ?? []).flatMap(({ name, canary }) => {
      const spread = canary?.stages.resolver ?? null;
      return spread === null ? [] : [[name, spread] as const];
    }),
  );

/** What the provider would serve of a route. An adapter that cannot say so of a service it was not configured for says nothing. */
const quantised = (provider: Provider | undefined, service: ServiceConfig, route: Route): Route | null => {
  try {
    return provider?.quantise(desiredOf(service, { route })) ?? null;
  } catch {
    return null;
  }
};

/** Opens the gate and its door, if the file has one. Throws Fault ERR_LISTEN. */
const startGate = async (
  { gate: config, region, replica }: ReplicaConfig,
  { ports, log }: ServeContext,
  { ends, metrics, ...options }: Pick<Parameters<typeof openGate>[0], 'store' | 'cluster' | 'onTrouble'> & { metrics: Metrics; ends: Ends },
): Promise<Gate | null> => {
  if (config === undefined) return null;
  const who = `${region}/${replica}`;
  const gate = await openGate({ ...options, ports, log, file: gateFile(config.file), who });
  ends.working.push(() => gate.close());
  const door = await serveGate({ host: config.host, port: config.port, gate, who, metrics });
  ends.working.push(() => door.close());
  metrics.gate(() => {
    const { ageS, seesStore, drained } = gate.status();
    return { ageS, seesStore, drained: drained.length };
  });
  log.info('gate.serving', { address: `${config.host}:${door.port}`, file: config.file });
  return gate;
};

/** Ends the process's work when it takes longer than it may. */
export const STOP_MS = 5000;
export const stopWithin = async (ports: Ports, running: Running): Promise<boolean> => {
  let done = false;
  await Promise.race([running.stop().then(() => (done = true)), sleep(ports.timers, STOP_MS)]);
  return done;
};
