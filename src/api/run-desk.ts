// Platforms and their runs as the API asks and orders them: rights and versions are judged here, what a run may become is judged by its writer. A run that is
// ordered has an id made from the key of the request, so that a retry anywhere begins nothing twice; what is done to a run later is remembered by its key.
import { errorText, Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Readiness } from '../runbook/facts.ts';
import type { Step as PlanStep, PlatformRecord, Purpose, Run } from '../runbook/model.ts';
import type { PlatformConfig, RunMode } from '../runbook/platform.ts';
import { type Choice, type PlatformView, type RunReader, waitingOf } from '../runbook/reader.ts';
import type { Person, RunWriter } from '../runbook/writer.ts';
import type { Store } from '../store/store.ts';
import type { Principal } from './access.ts';
import { askedBefore, askedKeys, askedOps } from './asked.ts';
import { createLedger, type Step } from './ledger.ts';
import type { AskedBy } from './overrides.ts';
import { BodyFault } from './problem.ts';
import { parseRunOrder, type RunOrder, toProblems } from './run-input.ts';
import {
  type PlanView,
  type PlatformItem,
  planView,
  platformItem,
  type RunEyes,
  type RunItem,
  type RunView,
  runItem,
  runTag,
  runView,
} from './run-view.ts';

/** Who acts, with what right, and on which version. */
export interface RunAct {
  principal: Principal;
  cluster: ClusterConfig;
  /** Text of the header; null: not sent. */
  ifMatch: string | null;
  /** null: no key was sent. */
  asked: AskedBy | null;
}

export type Deed =
  /** `step` null: that it begins. Absent: what it asks for, if that is one thing. */
  | { do: 'approve'; step?: string | null; reason?: string }
  | { do: 'answer'; step: string; choice: Choice; reason: string }
  | { do: 'abort' | 'undo' | 'force'; reason: string };

export interface Told {
  run: RunView;
  tag: string;
}

export interface Acted extends Told {
  /** Answered before: nothing was done now. */
  replayed: boolean;
}

export interface Begun extends Acted {
  plan: PlanView;
}

export interface PlanAsked {
  to?: string;
  mode: RunMode;
  purpose: Exclude<Purpose, 'prearm'>;
}

/** All throw ERR_NOT_FOUND and ERR_STORE_UNREACHABLE; what writes also throws what RunWriter does, ERR_STALE and ERR_IDEMPOTENCY. */
export interface RunDesk {
  /** In configured order. */
  platforms(cluster: ClusterConfig): Promise<readonly PlatformItem[]>;
  platform(cluster: ClusterConfig, name: string): Promise<PlatformItem>;
  /** Moves nothing. Throws ERR_BAD_REQUEST, or ERR_CONFLICT where there is nothing to move. */
  plan(cluster: ClusterConfig, name: string, asked: PlanAsked): Promise<PlanView>;
  /** Open ones first, newest first among each. */
  runs(filter: { open: boolean }): Promise<readonly RunItem[]>;
  run(id: string): Promise<Told>;
  /** `body` as it came. */
  begin(name: string, body: unknown, act: RunAct): Promise<Begun>;
  /** Judges and plans; writes nothing. */
  preview(name: string, body: unknown, act: RunAct): Promise<Begun>;
  act(id: string, deed: Deed, act: RunAct): Promise<Acted>;
}

export interface RunDeskOptions extends RunEyes {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers'>;
  log: Log;
  clusterNowMs: () => number;
  reader: RunReader;
  writer: RunWriter;
  /** `mode`: in which the run begins. */
  planOf: (
    platform: PlatformConfig,
    move: { from: string; to: string; purpose: Purpose; active?: string },
    history: PlatformRecord['history'],
    mode: RunMode,
  ) => readonly PlanStep[];
  /** null: not audited yet. */
  readinessOf: (platform: string) => Promise<Readiness | null>;
}

const personOf = ({ name, services, how, once }: Principal): Person => ({ name, services, how, ...(once === undefined ? {} : { once }) });

/** Throws ERR_FORBIDDEN unless all that moves with the platform is the principal's own. `platform` null: it is not configured any more. */
const demandPlatform = ({ name, services }: Principal, platform: PlatformConfig | null, called: string): void => {
  if (services === null) return;
  const about = platform?.services ?? [];
  if (about.length > 0 && about.every((service) => services.includes(service))) return;
  throw new Fault(
    'ERR_FORBIDDEN',
    `${name} may act on ${services.join(', ') || 'no service'}; ${called} moves ${about.join(', ') || 'more than services'}`,
  );
};

/** Home for a failback, else the first of the priorities that is not active. Throws ERR_CONFLICT. */
const targetOf = ({ platform, active }: PlatformView, { to, purpose }: { to?: string | undefined; purpose: Purpose }): string => {
  if (to !== undefined) return to;
  const [home = ''] = platform.regions;
  if (purpose !== 'failback') return platform.regions.find((region) => region !== active) ?? home;
  if (active === home) throw new Fault('ERR_CONFLICT', `${platform.name} is at home in ${home}: there is nothing to move back`);
  return home;
};

/** `shop-failover-4f6a1c0b9d2e`: says what it is wherever it is seen; the same for the same key. */
const runId = (platform: string, purpose: Purpose, { hash }: AskedBy): string =>
  `${platform.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 24)}-${purpose}-${hash.slice(0, 12)}`;

/** Whether the run is what this order would have begun. One that was forced meanwhile is ungraceful now. */
const isOrdered = ({ platform, purpose, to, mode, cause }: Run, name: string, order: RunOrder, by: string): boolean =>
  platform === name &&
  purpose === order.purpose &&
  (order.to === undefined || order.to === to) &&
  (order.mode === mode || order.mode === 'graceful') &&
  cause.kind === 'order' &&
  cause.by === by &&
  cause.reason === order.reason &&
  cause.ticket === order.ticket;

const otherBody = (): Fault =>
  new Fault(
    'ERR_IDEMPOTENCY',
    'this Idempotency-Key was used for something else: take a fresh key for a new wish, and the same for a retry',
  );

const stale = (id: string, tag: string, ifMatch: string): Fault =>
  new Fault('ERR_STALE', `If-Match says ${ifMatch.slice(0, 80)}, and ${id} is at ${tag}: read it again, something was decided meanwhile`);

const isMatch = (ifMatch: string, tag: string): boolean => ifMatch.split(',').some((each) => ['*', tag].includes(each.trim()));

export const createRunDesk = (options: RunDeskOptions): RunDesk => {
  const { store, ports, log, clusterNowMs, reader, writer, planOf, readinessOf } = options;
  const ledger = createLedger({ store, ports });
  /** Hashes of the keys that are being answered by this replica. */
  const inFlight = new Set<string>();

  const told = (run: Run): Told => ({ run: runView(run, options, clusterNowMs()), tag: runTag(run) });
  const itemOf = async (view: PlatformView): Promise<PlatformItem> =>
    platformItem(view, await readinessOf(view.platform.name), options, clusterNowMs());

  const alone = async <T>({ asked }: RunAct, work: () => Promise<T>): Promise<T> => {
    if (asked === null) return work();
    if (inFlight.has(asked.hash)) throw new Fault('ERR_IN_FLIGHT', 'a request with this Idempotency-Key is being answered: wait for it');
    inFlight.add(asked.hash);
    try {
      return await work();
    } finally {
      inFlight.delete(asked.hash);
    }
  };

  // ---- a run begins ----

  const begun = (run: Run, platform: PlatformConfig, replayed: boolean): Begun => {
    const { persons = 0, by = [] } = run.approval ?? {};
    const others = Math.max(0, persons - by.length) as typeof platform.approvals.start;
    return { ...told(run), plan: planView(run, others, options), replayed };
  };

  const order = async (name: string, body: unknown, act: RunAct, dryRun: boolean): Promise<Begun> => {
    const { principal, cluster, asked } = act;
    const view = await reader.platform(cluster, name);
    demandPlatform(principal, view.platform, name);
    const parsed = parseRunOrder(body);
    if (!parsed.ok) throw new BodyFault(parsed.problems);
    const wanted = parsed.value;
    const id = asked === null ? null : runId(name, wanted.purpose, asked);
    // A retry is answered although its body would not be taken any more: the platform is active there by now, say.
    const before = id === null || dryRun ? null : await found(id);
    if (before !== null) {
      if (!isOrdered(before, name, wanted, principal.name)) throw otherBody();
      return begun(before, view.platform, true);
    }
    const problems = toProblems(wanted.to, view.platform, view.active);
    if (problems.length > 0) throw new BodyFault(problems);
    const { mode, purpose, reason, ticket, forceAfterMs } = wanted;
    const run = await writer.begin(
      {
        platform: name,
        purpose,
        mode,
        to: targetOf(view, wanted),
        reason,
        ...(ticket === undefined ? {} : { ticket }),
        ...(forceAfterMs === undefined ? {} : { forceAfterMs }),
        ...(id === null || dryRun ? {} : { id }),
        dryRun,
      },
      personOf(principal),
    );
    if (!isOrdered(run, name, wanted, principal.name)) throw otherBody();
    return begun(run, view.platform, false);
  };

  const found = async (id: string): Promise<Run | null> => {
    try {
      return (await reader.run(id)).run;
    } catch (error) {
      if (error instanceof Fault && error.code === 'ERR_NOT_FOUND') return null;
      throw error;
    }
  };

  // ---- something is done to a run ----

  /** Which of the things that it asks for is meant. */
  const stepMeant = (run: Run, step: string | null | undefined): string | null => {
    if (step !== undefined) return step;
    const asks = waitingOf(run).filter(({ wants }) => wants === 'approval');
    const [one, other] = asks;
    if (one === undefined) throw new Fault('ERR_CONFLICT', `${run.id} asks nobody to agree: it is ${run.state}: ${run.because}`);
    if (other !== undefined)
      throw new BodyFault([{ pointer: '/step', detail: `several steps ask: name one of ${asks.map((ask) => ask.step).join(', ')}` }]);
    return one.step;
  };

  const carryOut = (run: Run, deed: Deed, person: Person): Promise<Run> => {
    switch (deed.do) {
      case 'approve':
        return writer.approve(run.id, stepMeant(run, deed.step), person, deed.reason);
      case 'answer':
        return writer.answer(run.id, deed.step, deed.choice, person, deed.reason);
      default:
        return writer[deed.do](run.id, { person, reason: deed.reason });
    }
  };

  /** Whether this very request was answered before. Throws ERR_IDEMPOTENCY when its key was another's. */
  const answered = async ({ asked }: RunAct): Promise<boolean> => {
    if (asked === null) return false;
    const before = askedBefore<unknown>(await ledger.read('what was answered', askedKeys(asked.hash)), asked.hash, clusterNowMs());
    if (before !== undefined && before.fingerprint !== asked.fingerprint) throw otherBody();
    return before !== undefined;
  };

  /** What was done stands without this: a retry would be met by what stands. */
  const remember = async ({ asked }: RunAct, run: string): Promise<void> => {
    if (asked === null) return;
    const { hash, fingerprint } = asked;
    const keys = askedKeys(hash);
    await ledger
      .commit({
        what: 'what was answered',
        keys,
        judge: (records): Step<null> => ({
          on: keys,
          ops: askedOps(records, hash, { fingerprint, atMs: Math.round(clusterNowMs()), answer: { run } }),
          result: null,
        }),
      })
      .catch((error: unknown) => log.warn('run.unremembered', { run, because: errorText(error) }));
  };

  return {
    platforms: async (cluster) => Promise.all((await reader.platforms(cluster)).map(itemOf)),
    platform: async (cluster, name) => itemOf(await reader.platform(cluster, name)),

    async plan(cluster, name, asked) {
      const view = await reader.platform(cluster, name);
      const { platform, active: from, record } = view;
      const problems = toProblems(asked.to, platform, from);
      if (problems.length > 0) throw new BodyFault(problems);
      const { mode, purpose } = asked;
      const to = targetOf(view, asked);
      const plan = planOf(platform, { from, to, purpose, active: from }, record?.history ?? [], mode);
      const others = Math.max(0, platform.approvals.start - 1) as typeof platform.approvals.start;
      return planView({ platform: name, model: platform.model, purpose, mode, from, to, plan }, others, options);
    },

    runs: async ({ open }) => (await reader.runs(open ? { open: true } : {})).map((run) => runItem(run, options, clusterNowMs())),
    run: async (id) => told((await reader.run(id)).run),

    begin: (name, body, act) => alone(act, () => order(name, body, act, false)),
    preview: (name, body, act) => order(name, body, act, true),

    act: (id, deed, act) =>
      alone(act, async () => {
        const { run } = await reader.run(id);
        demandPlatform(act.principal, act.cluster.platforms?.find(({ name }) => name === run.platform) ?? null, run.platform);
        if (await answered(act)) return { ...told(run), replayed: true };
        const tag = runTag(run);
        if (act.ifMatch !== null && !isMatch(act.ifMatch, tag)) throw stale(id, tag, act.ifMatch);
        const after = await carryOut(run, deed, personOf(act.principal));
        await remember(act, id);
        return { ...told(after), replayed: false };
      }),
  };
};
