// Executors of several regions on one store and virtual time, and a world for kinds of steps to act on: deployments, a namespace, hooks, a route. It counts
// what really changed by the key of the act, and looks at every act as it is sent: whether its intent stands, and whether its sender is still the one.
import { policyOf } from '../../src/config/defaults.ts';
import { runKey } from '../../src/coordinate/keys.ts';
import { Fault } from '../../src/errors.ts';
import type { ClusterConfig, Page } from '../../src/model.ts';
import { sleep } from '../../src/ports.ts';
import { createExecutor, type Executor } from '../../src/runbook/executor.ts';
import type { AnyKind, Call, Effect, Reading, StepContext } from '../../src/runbook/kind.ts';
import type { PlatformRecord, Run, Step, StepKindName, StepOf, StepSpecs } from '../../src/runbook/model.ts';
import type { PlatformConfig } from '../../src/runbook/platform.ts';
import { isEnded, newRun, standingOf, stepOf } from '../../src/runbook/run.ts';
import { type Store, StoreAmbiguousError, StoreDefiniteError, type Txn } from '../../src/store/store.ts';
import { createMemoryStore, type MemoryStore } from '../memory-store.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { createVirtual, seededRandom, type Virtual, type VirtualProcess } from '../virtual.ts';
import { type Caller, Wire } from '../world/wire.ts';
import { tiersOf } from './tiers.ts';

export const START_MS = Date.UTC(2026, 10, 22, 3, 12);
export const [EAST, WEST, SOUTH] = ['us-east', 'eu-west', 'ap-south'];

export const platformOf = (given: Partial<PlatformConfig> = {}): PlatformConfig => ({
  name: 'shop',
  model: 'active-cold',
  regions: [EAST, WEST, SOUTH],
  services: [],
  trigger: { mode: 'auto', holdMs: 0, prearm: false },
  gates: [],
  approvals: { start: 0, steps: {}, expireMs: 600_000 },
  failback: { kind: 'manual' },
  fleets: [],
  namespaces: [],
  externals: [],
  prearm: [],
  ...given,
});

export const clusterWith = (...platforms: readonly PlatformConfig[]): ClusterConfig => ({
  name: 'test',
  version: 1,
  regions: [EAST, WEST, SOUTH].map((name) => ({ name, vote: true, coordinator: true, anchors: [] })),
  services: [],
  policy: policyOf({}),
  goals: { detectionMs: 30_000, convergenceMs: 60_000 },
  platforms,
});

/** A step, with what most of them have. */
export const stepWith = <K extends StepKindName>(
  id: string,
  kind: K,
  spec: StepSpecs[K],
  given: Partial<Pick<Step, 'needs' | 'mode' | 'timeoutMs' | 'retry' | 'onFail' | 'onUnknown' | 'approvals' | 'ifPassed'>> & {
    undo?: StepOf<K>['undo'];
  } = {},
): Step =>
  ({
    id,
    kind,
    phase: 'ready',
    target: id,
    spec,
    mode: 'both',
    needs: [],
    timeoutMs: 120_000,
    retry: { tries: 3, everyMs: 1_000 },
    onFail: 'stop',
    onUnknown: 'stop',
    approvals: 0,
    undo: { no: 'nothing takes it back' },
    estimate: { p50Ms: 1_000, p95Ms: 2_000, source: 'seed' },
    ...given,
  }) as Step;

const scale = (deployment: string, replicas: number): StepSpecs['k8s.scale'] => ({
  system: 'k8s',
  namespace: 'app',
  deployment,
  replicas,
  atLeast: false,
});

/** A failover of everything: two branches that meet before the route. */
export const STORY: readonly Step[] = [
  stepWith('gate.lag', 'gate.promql', { system: 'prom', query: 'lag', max: 30, maxAgeMs: 60_000 }, { mode: 'graceful' }),
  stepWith('fence', 'k8s.scale', scale('old', 0), { needs: ['gate.lag'], undo: { spec: scale('old', 4) } }),
  stepWith('hook', 'webhook.call', { system: 'hook', external: 'db', when: 'promote', waits: false }, { needs: ['fence'] }),
  stepWith('scale', 'k8s.scale', scale('new', 4), { needs: ['fence'], undo: { spec: scale('new', 0) } }),
  stepWith('wait', 'k8s.wait', { system: 'k8s', namespace: 'app', deployment: 'new', ready: 4 }, { needs: ['scale'] }),
  stepWith(
    'namespaces',
    'temporal.failover',
    { system: 'cloud', namespaces: ['tenants'], to: WEST, parallel: 1, stopAfter: 1 },
    { needs: ['wait', 'hook'] },
  ),
  stepWith('rest', 'sleep', { ms: 1_000 }, { needs: ['namespaces'] }),
  stepWith(
    'shift',
    'route.shift',
    { services: ['web'], from: EAST, to: WEST },
    { needs: ['rest'], undo: { spec: { services: ['web'], from: null, to: EAST } } },
  ),
  stepWith('seen', 'route.wait', { services: ['web'], from: EAST }, { needs: ['shift'] }),
];

/** What is, and what was done to it. */
export interface Ground {
  values: Map<string, string>;
  /** Changes by key, of those that changed something. */
  changes: Map<string, number>;
  calls: { key: string; by: string; atMs: number }[];
  violations: string[];
  /** What a step says or is told in place of what is so: by the id of the step in the key. */
  says: Map<string, (call: Call) => Reading | null>;
  tells: Map<string, (call: Call) => Effect | Error | null>;
  /** How long the world takes to answer an act. */
  slowMs: Map<string, number>;
  /** Replicas that lack a system, by kind. */
  lacks: Map<string, ReadonlySet<StepKindName>>;
}

export interface Replica {
  name: string;
  region: string;
  process: VirtualProcess;
  caller: Caller;
  executor: Executor;
  log: RecordingLog;
  /** Transactions sent so far. */
  txns: number;
}

export interface Rig {
  virtual: Virtual;
  store: MemoryStore;
  ground: Ground;
  cluster: ClusterConfig;
  replicas: Replica[];
  /** `fate` of its n-th transaction: how it goes. */
  add(region: string, name: string, options?: { fate?: (n: number, txn: Txn) => Fate }): Replica;
  begin(given?: Partial<Parameters<typeof newRun>[0]>): Run;
  run(id?: string): Run;
  platform(name?: string): PlatformRecord | null;
  pages(): readonly Page[];
  put(key: string, value: unknown): void;
  untilEnded(limitMs: number, id?: string): Promise<number>;
  stop(): Promise<void>;
}

/** `in-doubt`: done, but the reply is lost. `lost`: never arrives. `late`: is done long after its sender gave up. `refused`: the store says no. */
export type Fate = 'well' | 'in-doubt' | 'lost' | 'late' | 'definite';

const EFFECT_MS = 40;

const resourceOf = (kind: StepKindName, spec: StepSpecs[StepKindName], key: string): { name: string; value: string } | null => {
  switch (kind) {
    case 'k8s.scale': {
      const { deployment, replicas } = spec as StepSpecs['k8s.scale'];
      return { name: deployment, value: String(replicas) };
    }
    case 'temporal.failover': {
      const { namespaces, to } = spec as StepSpecs['temporal.failover'];
      return { name: namespaces.join(), value: to };
    }
    case 'webhook.call':
      return { name: `hook ${key}`, value: 'told' };
    case 'route.shift': {
      const { from, to } = spec as StepSpecs['route.shift'];
      return { name: 'route', value: from === null ? 'as configured' : to };
    }
    default:
      return null;
  }
};

/** Gates of the story: what they wait for. */
const gateReading = (kind: StepKindName, spec: StepSpecs[StepKindName], call: Call, { values }: Ground): Reading => {
  switch (kind) {
    case 'k8s.wait': {
      const { deployment, ready } = spec as StepSpecs['k8s.wait'];
      const is = values.get(`${deployment} ready`) ?? '0';
      return { is: is === String(ready) ? 'reached' : 'pending', because: `${is} of ${ready} ready` };
    }
    case 'route.wait':
      return { is: values.get('route') === WEST ? 'reached' : 'pending', because: `the route is ${values.get('route')}` };
    case 'sleep': {
      const { fromAtMs = call.context.nowMs() } = call.facts as { fromAtMs?: number };
      const { ms } = spec as StepSpecs['sleep'];
      return { is: call.context.nowMs() >= fromAtMs + ms ? 'reached' : 'pending', because: 'in flight', facts: { fromAtMs } };
    }
    default:
      return { is: 'reached', because: 'so it is' };
  }
};

const GATES: ReadonlySet<StepKindName> = new Set(['gate.promql', 'k8s.wait', 'route.wait', 'sleep', 'approval', 'http.check']);

export const createRig = (seed: number, platforms: readonly PlatformConfig[] = [platformOf()]): Rig => {
  const virtual = createVirtual({ startWallMs: START_MS, seed });
  const store = createMemoryStore({ random: seededRandom(`${seed}/store`) });
  const wire = new Wire({ virtual, random: seededRandom(`${seed}/wire`), weather: { delayMs: [5, 5], lost: 0, late: 0 } });
  const cluster = clusterWith(...platforms);
  const ground: Ground = {
    values: new Map([
      ['old', '4'],
      ['new', '0'],
      ['tenants', EAST],
      ['route', 'as configured'],
    ]),
    changes: new Map(),
    calls: [],
    violations: [],
    says: new Map(),
    tells: new Map(),
    slowMs: new Map(),
    lacks: new Map(),
  };
  const replicas: Replica[] = [];

  const record = <T>(key: string): T | null => (store.snapshot().records.get(key)?.kv.value as T | undefined) ?? null;

  /** Every act is looked at when it leaves its process. */
  const inspect = (by: Replica, call: Call, step: string): void => {
    const run = record<Run>(runKey(call.run.id));
    if (run === null) return;
    const at = standingOf(run, step);
    const say = (what: string): number => ground.violations.push(`${call.key} by ${by.name}: ${what}`);
    if (run.executor?.boot !== by.name) say(`acts, but the run is carried out by ${run.executor?.boot ?? 'nobody'}`);
    if (at.state !== 'acting' && at.state !== 'undoing') say(`acts on a step that is ${at.state}`);
    if (at.took !== undefined) say('acts although what it was told last stands already');
    const needs = stepOf(run, step)?.needs ?? [];
    if (run.state === 'running' && needs.some((id) => !['done', 'skipped'].includes(standingOf(run, id).state)))
      say('acts before its needs');
    // What was intended before somebody stopped the run is under way; nothing else is.
    if (isEnded(run)) say(`acts in a run that is ${run.state}`);
    if ((at.approvedBy?.length ?? 0) < (stepOf(run, step)?.approvals ?? 0)) say('acts without agreement');
  };

  const change = (kind: StepKindName, spec: StepSpecs[StepKindName], key: string): void => {
    const resource = resourceOf(kind, spec, key);
    if (resource === null || ground.values.get(resource.name) === resource.value) return;
    ground.values.set(resource.name, resource.value);
    ground.changes.set(key, (ground.changes.get(key) ?? 0) + 1);
    if (kind === 'k8s.scale') virtual.ports.timers.after(2_000, () => ground.values.set(`${resource.name} ready`, resource.value));
  };

  const stepIn = (key: string, run: string): string => key.slice(run.length + 1).replace(/(\.\d+)?(\.undo)?$/, '');

  const kindFor = (kind: StepKindName, by: () => Replica): AnyKind => {
    const over = <T>(work: () => T): Promise<T> =>
      wire.call(
        by().caller,
        60_000,
        async () => work(),
        () => new Error('no answer'),
      );
    const demand = (): void => {
      if (ground.lacks.get(by().name)?.has(kind)) throw new Fault('ERR_SYSTEM', `no system for ${kind} is configured here`);
    };
    const read = async (spec: StepSpecs[StepKindName], call: Call): Promise<Reading> => {
      demand();
      return over(() => {
        const said = ground.says.get(stepIn(call.key, call.run.id))?.(call) ?? null;
        if (said !== null) return said;
        const resource = resourceOf(kind, spec, call.key);
        if (resource === null) return gateReading(kind, spec, call, ground);
        const is = ground.values.get(resource.name) ?? 'nothing';
        return { is: is === resource.value ? 'reached' : 'pending', because: `${resource.name} is ${is}` } as const;
      });
    };
    if (GATES.has(kind)) return { signal: 'gate', read };
    return {
      signal: 'target',
      read,
      async apply(spec, call) {
        demand();
        const step = stepIn(call.key, call.run.id);
        inspect(by(), call, step);
        ground.calls.push({ key: call.key, by: by().name, atMs: virtual.now() });
        const slowMs = ground.slowMs.get(step) ?? 0;
        if (slowMs > 0) await sleep(by().process.ports.timers, slowMs, call.signal);
        return over(() => {
          const told = ground.tells.get(step)?.(call) ?? null;
          if (told instanceof Error) throw told;
          if (told !== null && told.took !== 'accepted') return told;
          // It takes a moment until it shows.
          virtual.ports.timers.after(EFFECT_MS, () => change(kind, spec, call.key));
          return told ?? ({ took: 'accepted', because: 'taken' } as const);
        });
      },
    };
  };

  const storeOf = (replica: Replica, fate: (n: number, txn: Txn) => Fate): Store => {
    const lost = (): Error => new StoreAmbiguousError('no answer in time');
    return {
      get clusterId() {
        return store.clusterId;
      },
      get: (query) => wire.call(replica.caller, 1_500, () => store.get(query), lost),
      txn: (txn) => {
        replica.txns += 1;
        const goes = fate(replica.txns, txn);
        const never = new Promise<never>(() => undefined);
        const work = async () => {
          if (goes === 'definite') throw new StoreDefiniteError('refused');
          if (goes === 'lost') return never;
          if (goes === 'late') {
            virtual.ports.timers.after(4_000, () => void store.txn(txn));
            return never;
          }
          const result = await store.txn(txn);
          return goes === 'in-doubt' ? never : result;
        };
        return wire.call(replica.caller, 1_500, work, lost);
      },
      watch(prefix, onEvent) {
        return store.watch(prefix, (event) => wire.toCaller(replica.caller, () => onEvent(event)));
      },
      close: async () => undefined,
    };
  };

  return {
    virtual,
    store,
    ground,
    cluster,
    replicas,
    add(region, name, { fate = (): Fate => 'well' } = {}) {
      const process = virtual.spawn(name);
      const log = recordingLog();
      const nowMs = (): number => START_MS + virtual.now();
      const replica: Replica = {
        name,
        region,
        process,
        caller: { process, cut: 'no' },
        log,
        txns: 0,
        executor: null as unknown as Executor,
      };
      const own = storeOf(replica, fate);
      const context: StepContext = {
        ports: process.ports,
        log,
        system: () => Promise.reject(new Fault('ERR_SYSTEM', 'none')),
        routing: null as unknown as StepContext['routing'],
        tiers: tiersOf(),
        nowMs,
      };
      replica.executor = createExecutor({
        ports: process.ports,
        store: own,
        log,
        region,
        replica: name,
        boot: name,
        kindOf: async (kind) => kindFor(kind, () => replica),
        context,
        cluster: () => cluster,
        nowMs,
        metrics: { runbookStep: () => undefined, runbookEnded: () => undefined, runbookWaiting: () => undefined },
        estimateOf: () => ({ p50Ms: 10_000, p95Ms: 20_000 }),
      });
      replicas.push(replica);
      return replica;
    },
    begin(given = {}) {
      const run = newRun(
        {
          id: 'shop-1',
          platform: 'shop',
          model: 'active-cold',
          purpose: 'failover',
          mode: 'ungraceful',
          from: EAST,
          to: WEST,
          cause: { kind: 'order', by: 'ada', reason: 'a test' },
          because: 'a test',
          plan: STORY,
          askMs: 600_000,
          nonce: 'n0',
          persons: 0,
          by: [],
          ...given,
        },
        START_MS + virtual.now(),
      );
      void store.txn({ if: [], then: [{ put: runKey(run.id), value: run }] });
      return run;
    },
    run(id = 'shop-1') {
      const run = record<Run>(runKey(id));
      if (run === null) throw new Error(`no run ${id}`);
      return run;
    },
    platform: (name = 'shop') => record<PlatformRecord>(`platform/${name}`),
    pages: () => [...store.snapshot().records].filter(([key]) => key.startsWith('outbox/')).map(([, { kv }]) => kv.value as Page),
    put: (key, value) => void store.txn({ if: [], then: [{ put: key, value }] }),
    untilEnded(limitMs, id = 'shop-1') {
      const isOver = (): boolean => {
        const run = record<Run>(runKey(id));
        return run !== null && isEnded(run);
      };
      return virtual.advanceUntil(isOver, limitMs);
    },
    async stop() {
      const stopping = replicas.map(({ executor }) => executor.stop());
      await virtual.advance(5_000);
      void stopping;
    },
  };
};
