// Runs of a platform whose one database stands in two real regions: carried out by the executor, with the kinds of steps and the systems of production, on a
// store in memory that answers as late as one across regions. What is known beside them (the last known lag, whether a quorum holds a region down) is what the test says.
import { setTimeout as delay } from 'node:timers/promises';
import { runKey } from '../../../src/coordinate/keys.ts';
import { createHttp } from '../../../src/http.ts';
import { realPorts } from '../../../src/ports.ts';
import { createExecutor } from '../../../src/runbook/executor.ts';
import type { LagSample } from '../../../src/runbook/facts.ts';
import type { AnyKind, KindOf, Routing, StepContext, TierDesk } from '../../../src/runbook/kind.ts';
import { kinds } from '../../../src/runbook/kinds.ts';
import type { PostgresAddress, Run, Step, StepKindName, StepRun, StepSpecs } from '../../../src/runbook/model.ts';
import { openSystems, type Systems } from '../../../src/runbook/open.ts';
import type { FenceRung, RunMode } from '../../../src/runbook/platform.ts';
import { isEnded, newRun, standingOf } from '../../../src/runbook/run.ts';
import type { SystemConfig } from '../../../src/runbook/systems.ts';
import type { Store } from '../../../src/store/store.ts';
import { createMemoryStore } from '../../memory-store.ts';
import { recordingLog } from '../../recording-log.ts';
import { clusterWith, platformOf, stepWith } from '../../runbook/rig.ts';
import { tiersOf } from '../../runbook/tiers.ts';
import { until } from '../until.ts';
import { CONSOLE_USER, PASSWORDS, REST_USER, type Region } from './patroni-region.ts';
import type { World } from './patroni-world.ts';

const PLATFORM = 'shop';
const DATABASE = 'orders';
/** What a plan allows a step before it has failed. */
const STEP_MS = 60_000;

export type Side = 'a' | 'b';
export const other = (side: Side): Side => (side === 'a' ? 'b' : 'a');

export const STONITH_SECRET = `whsec_${Buffer.from('a secret of the tests, long enough').toString('base64')}`;
const FILES: Readonly<Record<string, string>> = {
  '/secrets/rest': PASSWORDS.rest,
  '/secrets/sql': PASSWORDS.tidegate,
  '/secrets/console': PASSWORDS.console,
  '/secrets/stonith': STONITH_SECRET,
};

const systemsOf = ({ name, members, poolerPort }: Region): Readonly<Record<string, SystemConfig>> => ({
  [`patroni-${name}`]: { kind: 'patroni', urls: members.map(({ restUrl }) => restUrl), user: REST_USER, passwordFile: '/secrets/rest' },
  [`sql-${name}`]: {
    kind: 'postgres',
    addresses: members.map(({ pgPort }) => `127.0.0.1:${pgPort}`),
    user: 'tidegate',
    passwordFile: '/secrets/sql',
    database: 'tidegate',
  },
  [`pooler-${name}`]: { kind: 'pgbouncer', address: `127.0.0.1:${poolerPort}`, user: CONSOLE_USER, passwordFile: '/secrets/console' },
});

// ---- plans, as the models of production order them ----

const followOf = (world: World, side: Side): PostgresAddress => ({ host: '127.0.0.1', port: world.long[side].port, slot: null });
const LAG = { maxMs: 5_000, maxBytes: 16_000_000, maxAgeMs: 30_000 };
const TRIED = { tries: 3, everyMs: 2_000 };
/** Best effort: so long a pooler that does not answer is waited for. */
const CUT_MS = 5_000;
/** It is told, and the run goes on whatever it says. */
const TOLD = { onFail: 'continue', onUnknown: 'proceed' } as const;

const step = <K extends StepKindName>(id: string, kind: K, spec: StepSpecs[K], given: Parameters<typeof stepWith<K>>[3] = {}): Step =>
  stepWith(id, kind, spec, { timeoutMs: STEP_MS, retry: TRIED, ...given });

const promotion = (to: Side, needs: readonly string[]): readonly Step[] => {
  const from = other(to);
  return [
    step(
      'promote',
      'pg.promote',
      { database: DATABASE, region: to, system: `patroni-${to}`, sql: `sql-${to}`, from: { region: from, sql: `sql-${from}` } },
      { needs },
    ),
    step('canary', 'pg.canary', { database: DATABASE, region: to, sql: `sql-${to}` }, { needs: ['promote'] }),
    step(`go-${to}`, 'pgbouncer.resume', { system: `pooler-${to}`, database: 'app' }, { needs: ['canary'] }),
  ];
};

export const gracefulPlan = (world: World, to: Side): readonly Step[] => {
  const from = other(to);
  return [
    step('lag', 'gate.lag', { database: DATABASE, region: to, ...LAG }, TOLD),
    step('hold', 'pgbouncer.pause', { system: `pooler-${from}`, database: 'app' }, { needs: ['lag'] }),
    step('demote', 'pg.demote', { system: `patroni-${from}`, sql: `sql-${from}`, follow: followOf(world, to) }, { needs: ['hold'] }),
    step('caughtup', 'pg.caughtup', { from: `sql-${from}`, fromSystem: `patroni-${from}`, to: `sql-${to}` }, { needs: ['demote'] }),
    ...promotion(to, ['caughtup']),
    step(`go-${from}`, 'pgbouncer.resume', { system: `pooler-${from}`, database: 'app' }, { needs: ['canary'] }),
  ];
};

export interface Fence {
  rung: FenceRung;
  graceMs?: number;
  stonith?: string | null;
}

export const fenceStep = (world: World, from: Side, { rung, graceMs = 0, stonith = null }: Fence): Step =>
  step('fence', 'fence.patroni', {
    database: DATABASE,
    region: from,
    system: `patroni-${from}`,
    sql: `sql-${from}`,
    follow: followOf(world, other(from)),
    stonith,
    rung,
    graceMs,
  });

export const ungracefulPlan = (world: World, to: Side, fence: Fence): readonly Step[] => {
  const from = other(to);
  return [
    step('cut', 'fence.pgbouncer', { system: `pooler-${from}`, database: 'app' }, { ...TOLD, timeoutMs: CUT_MS }),
    fenceStep(world, from, fence),
    step('lag', 'gate.lag', { database: DATABASE, region: to, ...LAG }, { ...TOLD, needs: ['cut', 'fence'] }),
    ...promotion(to, ['lag']),
  ];
};

// ---- what is known ----

export interface Known {
  lag: LagSample | null;
  /** A quorum has held it down since then. */
  down: { side: Side; sinceMs: number } | null;
  /** Regions that were proved writable, in order. */
  readonly proved: { side: string; atMs: number }[];
}

const deskOf = (known: Known, nowMs: () => number): TierDesk =>
  tiersOf({
    lag: async () => (known.lag === null ? null : { ...known.lag, ageMs: nowMs() - known.lag.atMs }),
    state: async () => {
      const last = known.proved.at(-1);
      return last === undefined ? null : { writer: last.side, provedAtMs: last.atMs, because: 'a row was written and read back' };
    },
    proved: async (_platform, _database, region) => void known.proved.push({ side: region, atMs: nowMs() }),
    witness: async (region) =>
      known.down?.side === region
        ? { sinceMs: nowMs() - known.down.sinceMs, because: `3 of 3 vantages hold ${region} down` }
        : { sinceMs: null, because: `no quorum holds ${region} down` },
  });

const noRouting: Routing = {
  drain: () => Promise.reject(new Error('no routes here')),
  open: () => Promise.reject(new Error('no routes here')),
  orders: () => Promise.reject(new Error('no routes here')),
  look: () => Promise.reject(new Error('no routes here')),
};

// ---- the executor ----

export interface Runs extends AsyncDisposable {
  systems: Systems;
  known: Known;
  begin(plan: readonly Step[], to: Side, mode: RunMode): Going;
}

export interface Going {
  now(): Run;
  at(step: string): StepRun;
  /** How it ended. */
  ended(): Promise<Run>;
}

/** So long a majority of a store's members takes that stand in other regions. */
const STORE_MS = Number(process.env.STORE_MS ?? 100);
const farStore = (store: Store): Store => ({
  clusterId: store.clusterId,
  async get(...asked) {
    await delay(STORE_MS);
    return store.get(...asked);
  },
  async txn(...asked) {
    await delay(STORE_MS);
    return store.txn(...asked);
  },
  watch: (prefix, onEvent) => store.watch(prefix, onEvent),
  close: () => store.close(),
});

export const startRuns = (world: World, more: Readonly<Record<string, SystemConfig>> = {}): Runs => {
  const ports = realPorts();
  const nowMs = ports.clock.wallMs;
  const log = recordingLog();
  const resolve = async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 });
  const file = (path: string): string => {
    const text = FILES[path];
    if (text === undefined) throw new Error(`there is no file ${path}`);
    return text;
  };
  const systems = openSystems(
    { ...systemsOf(world.a), ...systemsOf(world.b), ...more },
    { ports, log, secret: file, text: file, resolve, httpTrusting: (trust) => createHttp({ ports, resolve, ...trust }) },
  );
  const known: Known = { lag: null, down: null, proved: [] };
  const context: StepContext = { ports, log, system: systems.system, routing: noRouting, tiers: deskOf(known, nowMs), nowMs };
  const store = createMemoryStore({ random: ports.random });
  const cluster = clusterWith(platformOf({ name: PLATFORM, regions: ['a', 'b'] }));
  const executor = createExecutor({
    ports,
    store: farStore(store),
    log,
    region: 'b',
    replica: 'b1',
    boot: 'boot-b1',
    kindOf: (async (name: StepKindName) => (await kinds[name]()) as unknown as AnyKind) as KindOf,
    context,
    cluster: () => cluster,
    nowMs,
    metrics: { runbookStep: () => undefined, runbookEnded: () => undefined, runbookWaiting: () => undefined },
    estimateOf: () => ({ p50Ms: 10_000, p95Ms: 20_000 }),
  });
  let runs = 0;
  return {
    systems,
    known,
    begin(plan, to, mode) {
      runs += 1;
      const id = `${PLATFORM}-${runs}`;
      const run = newRun(
        {
          id,
          platform: PLATFORM,
          model: 'active-hot',
          purpose: 'failover',
          mode,
          from: other(to),
          to,
          cause: { kind: 'order', by: 'ada', reason: 'a test of the data tiers' },
          because: 'a test of the data tiers',
          plan,
          askMs: 600_000,
          nonce: 'n0',
          persons: 0,
          by: [],
        },
        nowMs(),
      );
      void store.txn({ if: [], then: [{ put: runKey(id), value: run }] });
      const now = (): Run => (store.snapshot().records.get(runKey(id))?.kv.value as Run | undefined) ?? run;
      return {
        now,
        at: (name) => standingOf(now(), name),
        ended: () =>
          until(
            () => `the end of ${id}: ${saying(now())}`,
            () => (isEnded(now()) ? now() : null),
            90_000,
          ),
      };
    },
    async [Symbol.asyncDispose]() {
      await executor.stop();
      await systems.close();
    },
  };
};

/** Each step with how it stands, in one text. */
export const saying = (run: Run): string =>
  run.plan
    .map(({ id }) => {
      const { state, because, startedAtMs, endedAtMs, tries } = standingOf(run, id);
      return `${id} ${state} (${tries} tries, ${(endedAtMs ?? Number.NaN) - (startedAtMs ?? Number.NaN)} ms): ${because}`;
    })
    .join('\n');
