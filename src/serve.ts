// The service of one replica, from a checked configuration to something that runs: opens its parts in order, and closes them in reverse.
// Knows no policy and no protocol; src/replica.ts wires the core, the files of src/serve give it real adapters.
import type { Provider } from '../providers/provider.ts';
import { lately } from './api/documents.ts';
import { createEventHub } from './api/events.ts';
import { type OpenedApi, openApi } from './api/open.ts';
import type { Foresee } from './api/ruling.ts';
import { createSpentDuty } from './api/spent.ts';
import { createAuditDuty } from './audit/retention.ts';
import { paceIn } from './config/providers/index.ts';
import type { ReplicaConfig } from './config/schema.ts';
import { createConvergeDuties } from './converge/duties.ts';
import { createConvergeWatcher } from './converge/watcher.ts';
import type { Signer } from './coordinate/signing.ts';
import { errorText } from './errors.ts';
import { createMetrics } from './metrics.ts';
import { type Close, type Ends, lookContext, openProviders, openStore, type ServeContext } from './open.ts';
import { type Ports, sleep } from './ports.ts';
import { probe } from './probe/index.ts';
import { createReplica, type Replica, type ReplicaEvents } from './replica.ts';
import { createConfiguration, type Said, shadowOf } from './serve/configuration.ts';
import { createReports, openDesk } from './serve/desk.ts';
import { openForecaster } from './serve/forecasts.ts';
import { type GatePart, startGate } from './serve/gate.ts';
import { healthFacts } from './serve/health-facts.ts';
import { measureHealth } from './serve/health-gauges.ts';
import { hearing, measureState } from './serve/hearing.ts';
import type { Part } from './serve/part.ts';
import { openRecorder, openShadow } from './serve/recording.ts';
import { openRunbooks } from './serve/runbooks.ts';
import { createSeen } from './serve/seen.ts';
import { createSelfWatch } from './serve/selfcheck.ts';
import { openSigner } from './serve/signer.ts';
import { measuredStore } from './store/measured.ts';

export interface Running {
  apiPort: number;
  boot: string;
  /** Judges and takes the file anew. Out: sentences about what happened; `ok` false: nothing changed. */
  reload(): Promise<Said>;
  /** Within five seconds; what was committed stays committed, undelivered pages stay in the outbox. */
  stop(): Promise<void>;
}

/** A page on its way gets this long; then the leader record is given up, so that another region delivers it. */
const DESK_GRACE_MS = 2000;

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

const start = async (config: ReplicaConfig, context: ServeContext, ends: Ends, endAll: () => Promise<void>): Promise<Running> => {
  const { log } = context;
  let stopped: Promise<void> | null = null;
  const part = await openBase(config, context, ends);
  const { boot, seen, store } = part;
  const providers = await openProviders(config, context, { resolve: part.looking.resolve, store }, ends);
  // As early as can be: what polls it should not have to wait for anything else here.
  const gate = await startGate(part);
  const { replica, shadow, desk, recorder, events, loopDelayMs, runbooks, signer } = await startCore(part, providers, gate, (hypotheses) =>
    whatIf.atOnce(hypotheses),
  );
  const configuration = createConfiguration(part, {
    shadow,
    wake: () => replica.coordinator.wake(),
    reloadFiles: () => [...api.reload(), ...(signer?.reload() ?? [])],
  });
  const whatIf = openForecaster(part, { providers, current: configuration.current });
  const health = lately(context.ports.clock, () =>
    healthFacts(part, { desk, recorder, loopDelayMs, runs: () => api.runs(), systems: runbooks.systems, databases: runbooks.databases }),
  );
  const api: OpenedApi = await openApi({
    config,
    context,
    metrics: part.metrics,
    store,
    resolve: part.looking.resolve,
    snapshot: seen.snapshot,
    events,
    whatIf,
    runs: runbooks.parts,
    measured: runbooks.measured,
    verify: runbooks.verify,
    ends,
    view: {
      status: seen.status,
      short: seen.short,
      glance: seen.glance,
      overview: seen.overview,
      services: seen.services,
      service: seen.service,
      ready: () => (stopped === null ? { ok: true, why: 'configured and listening' } : { ok: false, why: 'stopping' }),
      cluster: seen.cluster,
      clusterNowMs: seen.nowMs,
      health,
    },
  });
  measureState(part);
  measureHealth(part, health);
  await configuration.applyAtStart();
  log.info('serving', {
    region: config.region,
    replica: config.replica,
    boot,
    api: `${config.api.host}:${api.port}`,
    store: config.store.kind,
    providers: [...providers.keys()],
  });
  return {
    apiPort: api.port,
    boot,
    reload: configuration.reload,
    stop() {
      stopped ??= endAll();
      return stopped;
    },
  };
};

/** What every other part rests on. */
const openBase = async (config: ReplicaConfig, context: ServeContext, ends: Ends): Promise<Part> => {
  const { ports, version } = context;
  const { region, replica } = config;
  const boot = ports.random.hex(8);
  const metrics = createMetrics(version);
  if (context.ownsProcess === true) metrics.process();
  const looking = lookContext(config, context, ends);
  const store = measuredStore(await openStore(config, context, looking.resolve, ends), metrics, ports.clock);
  return { config, context, boot, metrics, looking, store, seen: createSeen({ ports, region, replica, boot }), ends };
};

/** The replica, and all that hears what it tells of itself. */
const startCore = async (
  part: Part,
  providers: ReadonlyMap<string, Provider>,
  { gate, troubles: gateTroubles }: GatePart,
  foresee: Foresee,
) => {
  const { config, context, boot, metrics, store, seen, ends } = part;
  const { ports, log } = context;
  const { region, replica: name } = config;
  const watcher = createConvergeWatcher({ ports, log, store, region, replica: name, boot });
  ends.working.push(() => watcher.stop());
  const signer =
    config.signing === undefined
      ? null
      : openSigner({ ...config.signing, log, keys: () => seen.cluster()?.regions.find((each) => each.name === region)?.keys ?? null });
  const recorder = openRecorder(part);
  const shadow = openShadow(part, recorder);
  shadow.use(shadowOf(config));
  const desk = await openDesk(part);
  const runbooks = openRunbooks(part, { desk, foresee });
  let running: Replica | null = null;
  ends.working.push(() => {
    const closing = desk.close(DESK_GRACE_MS);
    return running?.stop(closing) ?? closing;
  });
  const selfWatch = createSelfWatch(part, (facts) => running?.facts(facts));
  const events = createEventHub({ ports, log, store, region, replica: name });
  const replica = replicaOf(part, {
    providers,
    signer,
    events: hearing(part, {
      desk,
      reports: createReports(part, { desk, signer, gateTroubles }),
      recorder,
      shadow,
      events,
      selfWatch,
      watcher,
      duties: createConvergeDuties({
        log,
        detection: metrics.detection,
        convergence: metrics.convergence,
        missed: metrics.convergenceMissed,
      }),
      auditDuty: createAuditDuty({ store, ports, log }),
      spentDuty: createSpentDuty({ store, ports, log }),
      runbooks,
    }),
  });
  running = replica;
  seen.attach({ replica, shadow, gate });
  return { replica, shadow, desk, recorder, events, loopDelayMs: selfWatch.loopDelayMs, runbooks, signer };
};

const replicaOf = (
  { config, context, boot, store, looking }: Part,
  parts: { providers: ReadonlyMap<string, Provider>; signer: Signer | null; events: Partial<ReplicaEvents> },
): Replica =>
  createReplica({
    ...parts,
    ports: context.ports,
    log: context.log,
    version: context.version,
    store,
    trail: store,
    region: config.region,
    replica: config.replica,
    boot,
    arrivals: paceIn(config).arrivals ?? {},
    ...(config.canaries === undefined ? {} : { canaries: config.canaries }),
    look: (spec, { policy: { timeoutMs, connectTimeoutMs } }, signal) => probe(spec, { ...looking, timeoutMs, connectTimeoutMs }, signal),
  });

/** Ends the process's work when it takes longer than it may. */
export const STOP_MS = 5000;
export const stopWithin = async (ports: Ports, running: Running): Promise<boolean> => {
  let done = false;
  await Promise.race([running.stop().then(() => (done = true)), sleep(ports.timers, STOP_MS)]);
  return done;
};
