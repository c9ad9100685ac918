// What receivers of pages send back, signed instead of with a token: somebody has the alert, automation shall hold still for half an hour, or somebody agrees
// to what a run asks for. The hold is an order like any other, given on the path that POST /v1/overrides takes; there is never more than one in force for a
// key, and each message acts once. Who agrees is one person, the one whom the message names: the same one by a token is no second.
import { sha256 } from '../audit/canonical.ts';
import { isInForce } from '../decide/override.ts';
import { Fault } from '../errors.ts';
import type { ClusterConfig, Override, OverrideScope, Page } from '../model.ts';
import { aboutOf } from '../paging/about.ts';
import { isOfReplica } from '../paging/page-types.ts';
import { isoTime } from '../ports.ts';
import type { RunState } from '../runbook/model.ts';
import type { Principal } from './access.ts';
import { parseOverride } from './override-input.ts';
import { type Committed, type OverrideWriter, tagOf } from './overrides.ts';
import type { CallbackInput } from './page-input.ts';
import { type Acknowledged, type PageWriter, pageNamed } from './pages.ts';
import { BodyFault } from './problem.ts';
import type { Foresee } from './ruling.ts';
import type { RunDesk } from './run-desk.ts';

export type CallbackDone =
  /** This very message has acted before. */
  | { outcome: 'repeated' }
  | ({ outcome: 'acknowledged' } & Acknowledged)
  | { outcome: 'held'; override: Override; version: number; expiresAt: string }
  /** `step` null: that the run begins. */
  | { outcome: 'approved'; run: string; step: string | null; state: RunState; by: string };

export interface CallbackOptions {
  pages: PageWriter;
  submit: OverrideWriter;
  /** Absent: this replica carries out no runs. */
  runs?: RunDesk;
  cluster: () => ClusterConfig;
  nowMs: () => number;
  foresee: Foresee;
}

const HOLD = '30m';
const TRIES_MAX = 3;
const REASON_CHARS_MAX = 500;

/** One id per key: two holds of one key are one order, whoever asked and wherever. */
const holdId = (dedupKey: string): string => `hold-${sha256(dedupKey).slice(0, 16)}`;

/** Its one service; else its one region, which takes in every service there. Throws ERR_CONFLICT when no one order can say it. */
const scopeOf = (page: Page, cluster: ClusterConfig): OverrideScope => {
  const said = aboutOf(page);
  const known = (named: readonly { name: string }[], all: readonly string[]): readonly string[] =>
    named.map(({ name }) => name).filter((name) => all.includes(name));
  // What a replica tells of itself names the region that speaks, not one that should be held.
  if (said.services.length === 0 && isOfReplica(page.type))
    throw new Fault('ERR_CONFLICT', `${page.type} is about what a replica sees or has: there is no traffic to hold`);
  const about = { services: known(cluster.services, said.services), regions: known(cluster.regions, said.regions) };
  const [service] = about.services;
  const [region] = about.regions;
  if (service !== undefined && about.services.length === 1) return { service };
  if (region !== undefined && about.regions.length === 1) return { region };
  throw new Fault(
    'ERR_CONFLICT',
    service === undefined && region === undefined
      ? 'this page is about no service and no region: there is nothing to hold'
      : `this page is about ${about.services.length} services in ${about.regions.length} regions, which no one order covers: freeze those that you mean`,
  );
};

const inForce = ({ id, owner, expiresAtMs }: Override): Fault =>
  new Fault('ERR_CONFLICT', `${id} of ${owner} is in force for this key until ${isoTime(expiresAtMs)}; end it, or ask again then`);

/** What anybody else who writes at the same moment may have made of it: judged anew. */
const isRace = (error: unknown): boolean => error instanceof Fault && ['ERR_STALE', 'ERR_FORBIDDEN'].includes(error.code);

/** It was understood, and there is nothing that it could do. */
const isAnswered = (error: unknown): boolean =>
  error instanceof Fault && ['ERR_CONFLICT', 'ERR_NOT_FOUND', 'ERR_APPROVAL'].includes(error.code);

/** Does what a message says, whose signature was found good. Throws ERR_NOT_FOUND, ERR_CONFLICT, and what orders and acknowledgements throw. */
export const takeCallback = async (input: CallbackInput, principal: Principal, options: CallbackOptions): Promise<CallbackDone> => {
  const { pages } = options;
  const once = async (): Promise<CallbackDone> => {
    if (principal.once !== undefined && (await pages.hasActed(principal.once))) return { outcome: 'repeated' };
    const owner = `${input.by} via callback`;
    if (input.type === 'automation.hold') return held(await hold(input, owner, principal, options));
    if (input.type === 'run.approved') return agree(input, principal, options);
    const reason = input.reason === undefined ? {} : { reason: input.reason };
    const acknowledged = await pages.acknowledge(input.about, { ...reason, owner }, principal);
    if (acknowledged.pages.length === 0 && principal.once !== undefined) await pages.spend(principal.once, owner);
    return { outcome: 'acknowledged', ...acknowledged };
  };
  for (let tries = 1; ; tries += 1) {
    try {
      return await once();
    } catch (error) {
      if (tries < TRIES_MAX && isRace(error)) continue;
      // Whoever sent it sends it again, for days: by then there may be another alert under this key, or no hold that stands in the way.
      if (principal.once !== undefined && isAnswered(error)) await pages.spend(principal.once, principal.name);
      throw error;
    }
  }
};

const held = ({ override, version }: Committed): CallbackDone => ({
  outcome: 'held',
  override,
  version,
  expiresAt: isoTime(override.expiresAtMs),
});

const hold = async (input: CallbackInput, owner: string, principal: Principal, options: CallbackOptions): Promise<Committed> => {
  const { pages, submit, foresee, nowMs } = options;
  const cluster = options.cluster();
  const page = pageNamed(await pages.listPages(), input.about);
  const key = page.dedupKey;
  const id = holdId(key);
  const there = (await submit.listOverrides()).items.find((item) => item.id === id);
  if (there !== undefined && isInForce(there, nowMs())) throw inForce(there);
  const why = `automation holds still, asked for by callback on ${key}${input.reason === undefined ? '' : `: ${input.reason}`}`;
  const body = { kind: 'freeze', scope: scopeOf(page, cluster), reason: why.slice(0, REASON_CHARS_MAX), owner, ttl: HOLD };
  const parsed = parseOverride(id, body, { cluster, nowMs: nowMs(), principal: principal.name });
  if (!parsed.ok) throw new BodyFault(parsed.problems);
  // One that is over and that no decision has taken out yet is replaced; whoever was faster is met with a tag that is none of theirs.
  const condition = there === undefined ? { ifMatch: null, ifNoneMatch: '*' } : { ifMatch: tagOf(there), ifNoneMatch: null };
  return submit.putOverride(parsed.value, { principal, cluster, foresee, dryRun: false, ...condition });
};

/** What the page asks for: that its run begins, or a step of it. Throws ERR_CONFLICT where it asks for nobody's word. */
const askedBy = ({ type, detail: { run, step } }: Page): { run: string; step: string | null } => {
  if (typeof run === 'string' && type === 'runbook.proposed') return { run, step: null };
  if (typeof run === 'string' && type === 'runbook.asking' && typeof step === 'string') return { run, step };
  throw new Fault('ERR_CONFLICT', `${type} asks nobody to agree: there is nothing to approve`);
};

const agree = async (input: CallbackInput, principal: Principal, { pages, runs, cluster }: CallbackOptions): Promise<CallbackDone> => {
  if (runs === undefined) throw new Fault('ERR_NOT_FOUND', 'this replica carries out no runs: ask another');
  const { run: id, step } = askedBy(pageNamed(await pages.listPages(), input.about));
  const act = { principal: { ...principal, name: input.by }, cluster: cluster(), ifMatch: null, asked: null };
  const { run } = await runs.act(id, { do: 'approve', step }, act);
  return { outcome: 'approved', run: run.id, step, state: run.state, by: input.by };
};
