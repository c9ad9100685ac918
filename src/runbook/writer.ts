// What humans do to runs: each act is one compare-and-write of the run's record together with its entry in the journal and what is told of it. Whether an
// act may be is judged here, with a sentence of what stands; what it does is run.ts.
import type { Principal } from '../api/access.ts';
import { createLedger, type Step as Judged, type Records } from '../api/ledger.ts';
import { appendOps, type Draft, type How, headOf, JOURNAL_KEYS, type JournalKind } from '../audit/journal.ts';
import { type Used, usedKey, usedOps } from '../auth/once.ts';
import { KEYS, platformKey, runKey } from '../coordinate/keys.ts';
import { Fault } from '../errors.ts';
import type { ClusterConfig } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Op, Store } from '../store/store.ts';
import { draftOf } from './commit.ts';
import type { PlatformRecord, Purpose, Run, Span, Step } from './model.ts';
import type { PlatformConfig, RunMode } from './platform.ts';
import { isRunId, noRun, openOf, PLATFORM_PREFIX, platformNamed, RUN_PREFIX, runsIn } from './reader.ts';
import {
  advance,
  type Choice,
  isAskedFor,
  isEnded,
  isForceable,
  isSamePerson,
  newRun,
  type RunEvent,
  servesEverywhere,
  standingOf,
  stepOf,
  undoRefusal,
  wantsPersons,
} from './run.ts';

/** Who acts: as the API knows them. `services`: those of the platform have to be among them; null: all. */
export interface Person extends Pick<Principal, 'name' | 'services' | 'once'> {
  how: How;
}

export interface BeginOrder {
  platform: string;
  purpose: Exclude<Purpose, 'prearm'>;
  mode: RunMode;
  /** Region to be activated. */
  to: string;
  /** Region to be left; absent: where the platform is active. Of what serves from several regions at once any of them. */
  from?: string;
  reason: string;
  ticket?: string;
  /** Goes on ungracefully by itself when it has not ended by then. */
  forceAfterMs?: number;
  /** Of the caller's choice, so that a repeat begins nothing twice: 1 to 48 of A-Z a-z 0-9 _ -. Absent: made here. */
  id?: string;
  /** Plans and judges, and writes nothing. */
  dryRun?: boolean;
}

export interface Act {
  person: Person;
  reason: string;
}

/**
 * Each answers with the run as it is then. Throw ERR_NOT_FOUND (run, step, platform), ERR_CONFLICT (what stands does not allow it, with what stands),
 * ERR_APPROVAL (the same person twice, too late), ERR_FORBIDDEN (services that are not theirs, a credential that was used), ERR_STORE_UNREACHABLE,
 * ERR_UNDECIDED, ERR_STALE.
 */
export interface RunWriter {
  /** It runs, or is `proposed` until as many as the platform wants have agreed: whoever orders counts as one. */
  begin(order: BeginOrder, person: Person): Promise<Run>;
  /** `step` null: that it begins. */
  approve(run: string, step: string | null, person: Person, reason?: string): Promise<Run>;
  answer(run: string, step: string, choice: Choice, person: Person, reason?: string): Promise<Run>;
  /** Nothing new begins, what is under way ends. A proposed one is dropped. */
  abort(run: string, act: Act): Promise<Run>;
  /** Takes back what can be, in reverse order; of a run under way, or of one that failed or was aborted and nothing has followed. */
  undo(run: string, act: Act): Promise<Run>;
  /** Graceful no longer: what is done stays done. */
  force(run: string, act: Act): Promise<Run>;
}

/** All steps of both modes, with their estimates. */
export type PlanOf = (
  platform: PlatformConfig,
  move: { from: string; to: string; purpose: Purpose; active?: string },
  history: PlatformRecord['history'],
  mode?: RunMode,
) => readonly Step[];

export interface RunWriterOptions {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  /** Of this replica: pages that it commits are its own. */
  region: string;
  replica: string;
  cluster: () => ClusterConfig | null;
  clusterNowMs: () => number;
  planOf: PlanOf;
  estimateOf?: (run: Run) => Span | null;
  lossOf?: (run: Run) => string | null;
}

/** An act on a run that is there: what may refuse it, what it is, how one finds that it has happened, and how it stands in the journal. */
interface Deed {
  kind: JournalKind;
  because: string;
  detail?: Readonly<Record<string, unknown>>;
  event: RunEvent;
  /** Throws. */
  demand(run: Run): void;
  /** Whether it shows: asked when a write of it is in doubt. */
  shows(run: Run): boolean;
  person: Person;
  /** It opens a run that had ended. */
  opens?: boolean;
}

export const createRunWriter = (options: RunWriterOptions): RunWriter => {
  const { store, ports, region, replica, cluster, clusterNowMs, planOf } = options;
  const ledger = createLedger({ store, ports });

  const telling = (about: ClusterConfig, nowMs: number) => ({
    cluster: about,
    region,
    replica,
    nowMs,
    ...(options.estimateOf === undefined ? {} : { estimateOf: options.estimateOf }),
    ...(options.lossOf === undefined ? {} : { lossOf: options.lossOf }),
  });

  /** The act in the journal, and its credential used up. */
  const beside = (records: Records, person: Person, draft: Omit<Draft, 'by' | 'how'>): { on: readonly string[]; ops: readonly Op[] } => {
    const { name: by, how, once } = person;
    const { ops } = appendOps(headOf(records.kvs), { ...draft, by, how });
    if (once === undefined) return { on: [KEYS.journal], ops };
    return { on: [KEYS.journal, usedKey(once.id)], ops: [...ops, ...usedOps(once, { by, atMs: draft.atMs, nonce: draft.nonce }).ops] };
  };

  const written = (
    records: Records,
    before: Run | null,
    after: Run,
    act: { person: Person; kind: JournalKind; because: string; detail: Readonly<Record<string, unknown>>; opens: boolean },
    atMs: number,
  ): Judged<Run> => {
    const about = known(cluster());
    const home = platformHome(about, after.platform) ?? after.from;
    const draft = draftOf(
      {
        run: before,
        mod: records.mod(runKey(after.id)),
        platform: records.value<PlatformRecord>(platformKey(after.platform)) ?? null,
        platformMod: records.mod(platformKey(after.platform)),
      },
      after,
      telling(about, atMs),
      act.opens ? { home } : null,
    );
    const { kind, because, detail, person } = act;
    const also = beside(records, person, { kind, because, detail, atMs, nonce: after.nonce });
    return { on: [...draft.conditions.map(({ key }) => key), ...also.on], ops: [...draft.ops, ...also.ops], result: after };
  };

  const demandUnused = (records: Records, { once }: Person, nonce: string): void => {
    const used = once === undefined ? undefined : records.value<Used>(usedKey(once.id));
    if (used !== undefined && used.nonce !== nonce)
      throw new Fault('ERR_FORBIDDEN', 'this credential was good for one act, and has been used');
  };

  const deed = async (id: string, { kind, because, detail = {}, event, demand, shows, person, opens = false }: Deed): Promise<Run> => {
    if (!isRunId(id)) throw noRun(id);
    const nonce = ports.random.hex(8);
    return ledger.commit<Run>({
      what: `the run ${id}`,
      keys: [runKey(id), ...JOURNAL_KEYS, ...onceKeys(person)],
      prefixes: [PLATFORM_PREFIX, ...(opens ? [RUN_PREFIX] : [])],
      judge(records, doubt) {
        const run = records.value<Run>(runKey(id));
        if (run === undefined) throw noRun(id);
        if (run.nonce === nonce || (doubt && shows(run))) return { done: run };
        demandScope(person, cluster(), run.platform);
        demandUnused(records, person, nonce);
        const nowMs = Math.round(clusterNowMs());
        // As it is by now: what has run out meanwhile cannot be acted on.
        const current = advance(run, { kind: 'time' }, nowMs);
        demand(current);
        const isReopened = opens && isEnded(current);
        if (isReopened) demandLast(current, records);
        const after: Run = { ...advance(run, event, nowMs), nonce };
        return written(records, run, after, { person, kind, because, detail: { run: id, ...detail }, opens: isReopened }, nowMs);
      },
    });
  };

  return {
    async begin(order, person) {
      const nonce = ports.random.hex(8);
      const id = order.id ?? `${order.platform.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 24)}-${order.purpose}-${nonce.slice(0, 8)}`;
      if (!isRunId(id))
        throw new Fault('ERR_BAD_REQUEST', 'the id of a run must be 1 to 48 of A-Z a-z 0-9 _ - and start with a letter or digit');
      return ledger.commit<Run>({
        what: 'the runs',
        keys: [platformKey(order.platform), ...JOURNAL_KEYS, ...onceKeys(person)],
        prefixes: [RUN_PREFIX],
        judge(records) {
          const there = records.value<Run>(runKey(id));
          if (there !== undefined) return { done: demandSame(there, order, person, nonce) };
          const platform = platformNamed(cluster(), order.platform);
          demandScope(person, cluster(), platform.name);
          demandUnused(records, person, nonce);
          const record = records.value<PlatformRecord>(platformKey(platform.name));
          const active = record?.active ?? platform.regions[0] ?? '';
          const from = demandMove(order, platform, active);
          demandNoOther(records, platform.name);
          const nowMs = Math.round(clusterNowMs());
          const plan = planOf(platform, { from, to: order.to, purpose: order.purpose, active }, record?.history ?? [], order.mode);
          const run = ordered(order, person, platform, { id, from, plan, nonce }, nowMs);
          if (order.dryRun === true) return { done: run };
          const because = `${order.mode} ${order.purpose} of ${platform.name} from ${from} to ${order.to} ordered by ${person.name}: ${order.reason}`;
          return written(records, null, run, { person, kind: 'run.begun', because, detail: detailOf(run, order), opens: true }, nowMs);
        },
      });
    },

    approve: (id, step, person, reason) =>
      deed(id, {
        kind: 'run.approved',
        because: `${person.name} agreed to ${step === null ? `begin ${id}` : `${step} of ${id}`}${forReason(reason)}`,
        detail: { step },
        event: { kind: 'approved', step, by: person.name },
        demand: (run) => demandApprovable(run, step, person.name),
        shows: (run) => approversOf(run, step).some((each) => isSamePerson(each, person.name)),
        person,
      }),

    answer: (id, step, choice, person, reason) =>
      deed(id, {
        kind: 'run.answered',
        because: `${person.name} answered ${choice} to ${step} of ${id}${forReason(reason)}`,
        detail: { step, choice },
        event: { kind: 'answered', step, choice, by: person.name },
        demand: (run) => demandQuestion(run, step),
        shows: (run) => standingOf(run, step).because.includes(`by ${person.name}`),
        person,
      }),

    abort: (id, { person, reason }) =>
      deed(id, {
        kind: 'run.aborted',
        because: `${id} stopped by ${person.name}: ${reason}`,
        event: { kind: 'abort', by: person.name, reason },
        demand(run) {
          if (run.state !== 'proposed' && run.state !== 'running') throw conflict(run, 'there is nothing to stop');
        },
        shows: (run) => run.aborted?.by === person.name && run.aborted.reason === reason,
        person,
      }),

    undo: (id, { person, reason }) =>
      deed(id, {
        kind: 'run.undone',
        because: `${id} taken back by ${person.name}: ${reason}`,
        event: { kind: 'undo', by: person.name, reason },
        demand(run) {
          const refusal = undoRefusal(run);
          if (refusal !== null) throw conflict(run, refusal);
        },
        shows: (run) => run.state === 'undoing' || run.state === 'undone',
        person,
        opens: true,
      }),

    force: (id, { person, reason }) =>
      deed(id, {
        kind: 'run.forced',
        because: `${id} forced by ${person.name}: ${reason}`,
        event: { kind: 'force', by: person.name, reason },
        demand(run) {
          if (!isForceable(run)) throw conflict(run, run.mode === 'graceful' ? 'only what runs can be forced' : 'it is ungraceful already');
        },
        shows: (run) => run.mode === 'ungraceful',
        person,
      }),
  };
};

// ---- what refuses ----

const forReason = (reason: string | undefined): string => (reason === undefined ? '' : `: ${reason}`);

const onceKeys = ({ once }: Person): readonly string[] => (once === undefined ? [] : [usedKey(once.id)]);

const known = (cluster: ClusterConfig | null): ClusterConfig => {
  if (cluster === null)
    throw new Fault('ERR_STORE_UNREACHABLE', 'no configuration of the cluster is known here yet; nothing was written: try again');
  return cluster;
};

const platformHome = ({ platforms = [] }: ClusterConfig, name: string): string | undefined =>
  platforms.find((each) => each.name === name)?.regions[0];

const conflict = ({ id, state, because }: Run, why: string): Fault => new Fault('ERR_CONFLICT', `${id} is ${state} (${because}): ${why}`);

const demandScope = ({ name, services }: Person, cluster: ClusterConfig | null, platform: string): void => {
  if (services === null) return;
  const moved = cluster?.platforms?.find((each) => each.name === platform)?.services ?? [];
  if (moved.length > 0 && moved.every((service) => services.includes(service))) return;
  throw new Fault(
    'ERR_FORBIDDEN',
    `${name} may act on ${services.join(', ') || 'no service'}; ${platform} moves ${moved.join(', ') || 'more than services'}`,
  );
};

/** Answers with the region that is left. */
const demandMove = ({ to, from }: BeginOrder, { name, model, regions }: PlatformConfig, active: string): string => {
  if (!regions.includes(to)) throw new Fault('ERR_NOT_FOUND', `${name} has no region "${to.slice(0, 64)}"; it has ${regions.join(', ')}`);
  if (servesEverywhere(model)) {
    const left = from ?? (active === to ? regions.find((region) => region !== to) : active) ?? '';
    if (left === to || !regions.includes(left)) throw new Fault('ERR_CONFLICT', `${name} cannot leave ${left} for ${to}`);
    return left;
  }
  if (to === active) throw new Fault('ERR_CONFLICT', `${name} is active in ${to} already`);
  if (from !== undefined && from !== active) throw new Fault('ERR_CONFLICT', `${name} is active in ${active}, not in ${from}: look again`);
  return active;
};

const demandNoOther = (records: Records, platform: string): void => {
  const open = openOf(runsIn(records), platform);
  if (open !== null) throw conflict(open, `one run of ${platform} at a time: wait for it, abort it, or take it back`);
};

/** What has followed would be pulled from under by taking this one back. */
const demandLast = (run: Run, records: Records): void => {
  demandNoOther(records, run.platform);
  const later = runsIn(records).find(
    (each) => each.platform === run.platform && each.purpose !== 'prearm' && each.state !== 'dropped' && each.createdAtMs > run.createdAtMs,
  );
  if (run.purpose !== 'prearm' && later !== undefined)
    throw conflict(run, `${later.id} has followed it: order a run that leads where you want to be`);
};

/** A repeat of the order that began it. */
const demandSame = (run: Run, order: BeginOrder, person: Person, nonce: string): Run => {
  const { cause } = run;
  const isSame =
    run.nonce === nonce ||
    (run.platform === order.platform &&
      run.purpose === order.purpose &&
      run.to === order.to &&
      cause.kind === 'order' &&
      cause.by === person.name &&
      cause.reason === order.reason);
  if (!isSame) throw conflict(run, 'it was begun by another order: take another id');
  return run;
};

const ordered = (
  order: BeginOrder,
  person: Person,
  platform: PlatformConfig,
  made: { id: string; from: string; plan: readonly Step[]; nonce: string },
  nowMs: number,
): Run => {
  const { purpose, mode, to, reason, ticket, forceAfterMs } = order;
  const run = newRun(
    {
      ...made,
      platform: platform.name,
      model: platform.model,
      purpose,
      mode,
      to,
      cause: { kind: 'order', by: person.name, reason, ...(ticket === undefined ? {} : { ticket }) },
      because: `ordered by ${person.name}: ${reason}`,
      askMs: platform.approvals.expireMs,
      ...(forceAfterMs === undefined ? {} : { forceAfterMs }),
      persons: platform.approvals.start,
      by: [person.name],
    },
    nowMs,
  );
  return run;
};

const detailOf = ({ id, from }: Run, { platform, purpose, mode, to, ticket }: BeginOrder): Readonly<Record<string, unknown>> => ({
  run: id,
  platform,
  purpose,
  mode,
  from,
  to,
  ...(ticket === undefined ? {} : { ticket }),
});

const approversOf = (run: Run, step: string | null): readonly string[] =>
  (step === null ? run.approval?.by : standingOf(run, step).approvedBy) ?? [];

const demandApprovable = (run: Run, step: string | null, by: string): void => {
  if (step !== null && stepOf(run, step) === undefined) throw noStep(run, step);
  if (isEnded(run)) throw conflict(run, 'nothing waits for agreement any more');
  const approvers = approversOf(run, step);
  if (approvers.some((each) => isSamePerson(each, by)))
    throw new Fault('ERR_APPROVAL', `${by} counts for ${step ?? run.id} already: somebody else has to agree`);
  if (step === null) {
    if (run.state !== 'proposed') throw conflict(run, 'it has begun: it needs nobody to agree to that');
    return;
  }
  const { state } = standingOf(run, step);
  const wanted = stepOf(run, step)?.approvals ?? 0;
  if (run.state !== 'running' || (state !== 'pending' && state !== 'asking'))
    throw conflict(run, `${step} is ${state}: it needs nobody to agree`);
  const found = stepOf(run, step);
  if (found !== undefined && wanted > 0 && !isAskedFor(run, found))
    throw conflict(run, `data may be lost by ${step}: what it needs (${found.needs.join(', ')}) has to end first, since it tells how much`);
  if (approvers.length >= wanted) throw conflict(run, `${step} needs nobody ${wanted === 0 ? '' : 'more '}to agree`);
};

const noStep = (run: Run, step: string): Fault =>
  new Fault(
    'ERR_NOT_FOUND',
    `${run.id} has no step "${step.slice(0, 100)}"; it has ${run.plan
      .map(({ id }) => id)
      .slice(0, 40)
      .join(', ')}`,
  );

const demandQuestion = (run: Run, id: string): void => {
  const step = stepOf(run, id);
  if (step === undefined) throw noStep(run, id);
  const at = standingOf(run, id);
  if (run.state !== 'running' || at.state !== 'asking') throw conflict(run, `${id} is ${at.state} and asks nothing`);
  if (wantsPersons(step, at)) throw conflict(run, `${id} waits for persons to agree, not for an answer: approve it, or abort the run`);
};
