// Fakes of what carries out runs, as its interfaces are declared: a reader and a writer over runs in memory, no machinery behind them. They keep to what the
// interfaces promise (who may agree, what stands in the way, one run per id) and write down what they were asked.
import { createRunDesk, type RunDesk } from '../../src/api/run-desk.ts';
import type { Critical, Estimated } from '../../src/api/run-view.ts';
import { usedOps } from '../../src/auth/once.ts';
import { Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import type { Readiness } from '../../src/runbook/facts.ts';
import type { PlatformRecord, Run, Step, StepRun } from '../../src/runbook/model.ts';
import type { PlatformConfig, RunMode } from '../../src/runbook/platform.ts';
import { type PlatformView, type RunReader, waitingOf } from '../../src/runbook/reader.ts';
import { isEnded, wantsPersons } from '../../src/runbook/run.ts';
import type { Person, PlanOf, RunWriter } from '../../src/runbook/writer.ts';
import type { Store } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';
import { NOW_MS } from './fixture.ts';

export const platform = (name: string, given: Partial<PlatformConfig> = {}): PlatformConfig => ({
  name,
  model: 'active-hot',
  regions: ['eu-west', 'us-east', 'ap-south'],
  services: ['web.example.test'],
  trigger: { mode: 'propose', holdMs: 30_000, prearm: false },
  gates: [],
  approvals: { start: 1, steps: {}, expireMs: 900_000 },
  failback: { kind: 'manual' },
  fleets: [],
  namespaces: [],
  externals: [],
  prearm: [],
  ...given,
});

export const step = (id: string, given: Partial<Step> = {}): Step =>
  ({
    id,
    kind: 'k8s.wait',
    phase: 'ready',
    target: `Deployment app/${id}`,
    spec: { system: 'k8s', namespace: 'app', deployment: id, ready: 2 },
    mode: 'both',
    needs: [],
    timeoutMs: 60_000,
    retry: { tries: 3, everyMs: 1_000 },
    onFail: 'ask',
    onUnknown: 'ask',
    approvals: 0,
    undo: { spec: { system: 'k8s', namespace: 'app', deployment: id, ready: 0 } },
    estimate: { p50Ms: 15_000, p95Ms: 45_000, source: 'seed' },
    ...given,
  }) as Step;

export const FLIP = 'temporal.failover@orders';
export const DRAIN = 'sleep@eu-west';
export const READY = 'k8s.wait@us-east.workers';
export const SHIFT = 'route.shift@eu-west';

/** Of both modes: a drain for the graceful one alone, a step that two persons have to agree to, one that can't be taken back. */
export const PLAN: readonly Step[] = [
  step(DRAIN, {
    kind: 'sleep',
    phase: 'drain',
    target: 'work in flight',
    spec: { ms: 20_000 },
    mode: 'graceful',
    undo: { no: 'time does not come back' },
    estimate: { p50Ms: 20_000, p95Ms: 20_000, source: 'seed' },
  }),
  step(FLIP, {
    kind: 'temporal.failover',
    phase: 'namespaces',
    target: 'namespace orders to aws-us-east-1',
    spec: { system: 'cloud', namespaces: ['orders'], to: 'aws-us-east-1', parallel: 1, stopAfter: 1 },
    needs: [DRAIN],
    approvals: 2,
    undo: { no: 'a failover back is a run of its own' },
    estimate: { p50Ms: 3_000, p95Ms: 12_000, source: 'seed' },
  }),
  step(READY, { needs: [FLIP], target: 'Deployment app/workers in us-east', estimate: { p50Ms: 14_200, p95Ms: 20_900, source: 'runs' } }),
  step(SHIFT, {
    kind: 'route.shift',
    phase: 'route',
    target: 'traffic of web.example.test away from eu-west',
    spec: { services: ['web.example.test'], from: 'eu-west', to: 'us-east' },
    needs: [READY],
    estimate: { p50Ms: 1_000, p95Ms: 3_000, source: 'seed' },
  }),
];

const UNBEGUN: StepRun = { state: 'pending', tries: 0, because: '' };

export const run = (id: string, given: Partial<Run> = {}): Run => ({
  id,
  platform: 'shop',
  model: 'active-hot',
  purpose: 'failover',
  mode: 'ungraceful',
  from: 'eu-west',
  to: 'us-east',
  cause: { kind: 'order', by: 'ana', reason: 'eu-west has lost its power', ticket: 'OPS-311' },
  state: 'running',
  because: 'ordered by ana: eu-west has lost its power',
  createdAtMs: NOW_MS - 41_000,
  startedAtMs: NOW_MS - 40_000,
  askMs: 900_000,
  plan: PLAN,
  steps: Object.fromEntries(PLAN.map(({ id: each }) => [each, UNBEGUN])),
  executor: { region: 'us-east', replica: 'a', boot: 'b', n: 7 },
  nonce: 'n',
  ...given,
});

/** The same run with its steps as given. */
export const stepped = (of: Run, steps: Readonly<Record<string, Partial<StepRun>>>): Run => ({
  ...of,
  steps: {
    ...of.steps,
    ...Object.fromEntries(Object.entries(steps).map(([id, told]) => [id, { ...UNBEGUN, ...of.steps[id], ...told }])),
  },
});

/** What those who estimate may say beside it, and the API does not. */
const MORE = { because: 'as far as this fake knows' };

/** One after the other: the fake plan is a chain, and all of it is recovery. */
export const estimateOf = (plan: readonly Step[], mode: RunMode): Estimated<Critical> => {
  const own = plan.filter((each) => each.mode === 'both' || each.mode === mode);
  const way = {
    p50Ms: own.reduce((sum, { estimate }) => sum + estimate.p50Ms, 0),
    p95Ms: own.reduce((sum, { estimate }) => sum + estimate.p95Ms, 0),
    path: own.map(({ id }) => id),
  };
  return { recovery: { ...way, ...MORE }, whole: way, ...MORE };
};

export interface FakeRuns {
  platforms: PlatformConfig[];
  records: Map<string, PlatformRecord>;
  runs: Map<string, Run>;
  readiness: Map<string, Readiness>;
  /** What the writer was asked to write, oldest first: `approve shop-1 null by ana`. */
  acts: string[];
  /** What the next act is met with. */
  trouble: (() => Promise<void>) | null;
  /** Where a credential that is good for one act is written down as used. */
  store: Store | null;
  reader: RunReader;
  writer: RunWriter;
  planOf: PlanOf;
}

const isOpen = (of: Run): boolean => !isEnded(of);

export const fakeRuns = (): FakeRuns => {
  const find = (id: string): Run => {
    const found = fake.runs.get(id);
    if (found === undefined) throw new Fault('ERR_NOT_FOUND', `no run is called "${id.slice(0, 64)}"`);
    return found;
  };
  const viewOf = (config: PlatformConfig): PlatformView => {
    const record = fake.records.get(config.name) ?? null;
    const open = [...fake.runs.values()].find((each) => each.platform === config.name && isOpen(each)) ?? null;
    return { platform: config, active: record?.active ?? config.regions[0] ?? '', record, open };
  };
  const put = async (said: string, person: Person, next: Run): Promise<Run> => {
    const { trouble } = fake;
    fake.trouble = null;
    await trouble?.();
    if (person.once !== undefined && fake.store !== null) {
      const { conditions, ops } = usedOps(person.once, { by: person.name, atMs: NOW_MS, nonce: 'fake' });
      const { ok } = await fake.store.txn({ if: conditions, then: ops });
      if (!ok) throw new Fault('ERR_FORBIDDEN', 'this was good for one act, and has acted');
    }
    fake.acts.push(`${said} by ${person.name}`);
    fake.runs.set(next.id, { ...next, nonce: `n${fake.acts.length}` });
    return find(next.id);
  };
  const demandOpen = (of: Run): Run => {
    if (!isOpen(of)) throw new Fault('ERR_CONFLICT', `${of.id} has ended: it is ${of.state}`);
    return of;
  };
  const agreed = (by: readonly string[], { name }: Person, what: string): readonly string[] => {
    if (by.includes(name)) throw new Fault('ERR_APPROVAL', `${name} has agreed to ${what} already: somebody else has to`);
    return [...by, name];
  };

  const fake: FakeRuns = {
    platforms: [platform('shop'), platform('ledger', { services: ['web.example.test', 'api.example.test'] })],
    records: new Map(),
    runs: new Map(),
    readiness: new Map(),
    acts: [],
    trouble: null,
    store: null,
    planOf: () => PLAN,
    reader: {
      runs: async ({ platform: of, open } = {}) =>
        [...fake.runs.values()]
          .filter((each) => (of === undefined || each.platform === of) && (open === undefined || isOpen(each) === open))
          .sort((a, b) => Number(isOpen(b)) - Number(isOpen(a)) || b.createdAtMs - a.createdAtMs),
      run: async (id) => ({ run: find(id), mod: 1 }),
      platforms: async () => fake.platforms.map(viewOf),
      async platform(_cluster, name) {
        const found = fake.platforms.find((each) => each.name === name);
        if (found === undefined) throw new Fault('ERR_NOT_FOUND', `no platform is called "${name.slice(0, 64)}"`);
        return viewOf(found);
      },
    },
    writer: {
      async begin(order, person) {
        const view = await fake.reader.platform({} as never, order.platform);
        if (view.open !== null && view.open.id !== order.id)
          throw new Fault('ERR_CONFLICT', `${view.open.id} moves ${order.platform} already: it is ${view.open.state}`);
        const { start, expireMs } = view.platform.approvals;
        const { purpose, mode, to, reason, ticket, forceAfterMs } = order;
        const next = run(order.id ?? 'supposed', {
          platform: order.platform,
          purpose,
          mode,
          to,
          from: view.active,
          cause: { kind: 'order', by: person.name, reason, ...(ticket === undefined ? {} : { ticket }) },
          createdAtMs: NOW_MS,
          ...(forceAfterMs === undefined ? {} : { forceAfterMs }),
          ...(start > 1 ? { state: 'proposed', approval: { persons: start, by: [person.name], untilMs: NOW_MS + expireMs } } : {}),
        });
        return order.dryRun === true ? next : put(`begin ${next.id}`, person, next);
      },
      async approve(id, of, person) {
        const there = demandOpen(find(id));
        if (of === null) {
          if (there.approval === undefined || there.state !== 'proposed') throw new Fault('ERR_CONFLICT', `${id} runs already`);
          const by = agreed(there.approval.by, person, id);
          const state = by.length >= there.approval.persons ? 'running' : 'proposed';
          return put(`approve ${id}`, person, { ...there, state, approval: { ...there.approval, by } });
        }
        const planned = there.plan.find((each) => each.id === of);
        if (planned === undefined) throw new Fault('ERR_NOT_FOUND', `${id} has no step "${of}"`);
        const told = there.steps[of] ?? UNBEGUN;
        if (!wantsPersons(planned, told)) throw new Fault('ERR_CONFLICT', `${of} asks nobody to agree: it is ${told.state}`);
        const approvedBy = agreed(told.approvedBy ?? [], person, of);
        const state = approvedBy.length >= planned.approvals ? 'acting' : 'asking';
        return put(`approve ${id} ${of}`, person, stepped(there, { [of]: { state, approvedBy } }));
      },
      async answer(id, of, choice, person) {
        const there = demandOpen(find(id));
        if (!there.plan.some((each) => each.id === of)) throw new Fault('ERR_NOT_FOUND', `${id} has no step "${of}"`);
        if (!waitingOf(there).some(({ step: asks, wants }) => asks === of && wants === 'answer'))
          throw new Fault('ERR_CONFLICT', `${of} asks for no answer: it is ${there.steps[of]?.state}`);
        const state = { retry: 'acting', skip: 'skipped', stop: 'failed' } as const;
        return put(`answer ${id} ${of} ${choice}`, person, stepped(there, { [of]: { state: state[choice] } }));
      },
      abort: async (id, { person, reason }) =>
        put(`abort ${id}: ${reason}`, person, {
          ...demandOpen(find(id)),
          state: 'stopping',
          aborted: { by: person.name, reason, atMs: NOW_MS },
        }),
      async undo(id, { person, reason }) {
        const there = find(id);
        if (['done', 'undone', 'dropped'].includes(there.state)) throw new Fault('ERR_CONFLICT', `${id} is ${there.state}`);
        return put(`undo ${id}: ${reason}`, person, { ...there, state: 'undoing' });
      },
      async force(id, { person, reason }) {
        const there = demandOpen(find(id));
        if (there.mode === 'ungraceful') throw new Fault('ERR_CONFLICT', `${id} is ungraceful already`);
        return put(`force ${id}: ${reason}`, person, { ...there, mode: 'ungraceful' });
      },
    },
  };
  return fake;
};

/** The desk of production over the fakes, which write into the same store. */
export const deskOver = (fake: FakeRuns, store: Store, nowMs: () => number = () => NOW_MS): RunDesk => {
  fake.store = store;
  return createRunDesk({
    store,
    ports: realPorts(),
    log: recordingLog(),
    clusterNowMs: nowMs,
    reader: fake.reader,
    writer: fake.writer,
    planOf: fake.planOf,
    readinessOf: async (name) => fake.readiness.get(name) ?? null,
    estimateOf,
    recoveryMsOf: ({ state, startedAtMs, endedAtMs }) =>
      state === 'done' && startedAtMs !== undefined && endedAtMs !== undefined ? endedAtMs - startedAtMs : null,
  });
};
