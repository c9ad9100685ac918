// A micro-drill: a name that nobody resolves is failed over from one pool to another, decided by the core, committed before it is written, written with a
// fence, and followed to the provider's own servers and to resolvers, as a real failover is. What it took is kept in the store, so that whoever takes over
// goes on from there; a drill that was cut short proves nothing and breaks nothing.
import { stateHash } from '../../providers/fence.ts';
import type { Fence, ProviderService, ReadBack } from '../../providers/provider.ts';
import { type CanaryConfig, canaryService } from '../config/canary.ts';
import { spell } from '../config/words.ts';
import { askAll } from '../converge/ask.ts';
import { SAMPLES } from '../converge/landing.ts';
import { proofKey } from '../coordinate/keys.ts';
import { page } from '../decide/incident.ts';
import { type ClusterConfig, type MicroDrill, type Page, PROOF_PHASES, type Proof, pathsOf, type Route } from '../model.ts';
import {
  canaryDesired,
  type FlightContext,
  type Flown,
  fenceAfter,
  Grounded,
  Kept,
  NotNow,
  readBack,
  type Stage,
  settled,
  untilAll,
  written,
} from './flight.ts';
import { desiredOf, driftOf } from './plan.ts';
import { rehearse, type Stand } from './rehearsal.ts';

export interface DrillContext extends FlightContext {
  stand: Stand;
  /** What is known of this path; null: nothing was ever tried. */
  proof: Proof | null;
  /** Commits it, in office only. False: not committed, and nothing may follow from it. */
  keep: (proof: Proof) => Promise<boolean>;
  /** Why it must not go on now, asked anew before anything is committed; null: it may. */
  hold: () => Promise<string | null>;
  /** The same as far as it is known without asking: right before the write, whose time is measured. */
  seenHold: () => string | null;
}

/** Drills of which the percentiles are made. */
const PROVEN_MAX = 50;
const BECAUSE_MAX = 300;

/** The pool that carries the name now, as the provider serves it; null: none does. */
const carrierOf = ({ pools }: CanaryConfig, { shares }: ReadBack): string | null =>
  pools.find(({ name }) => (shares?.[name] ?? 0) > 0)?.name ?? null;

/** After the carrier in the order of the file, round and round: each pool is left and each is reached. */
const receiverOf = ({ pools }: CanaryConfig, carrier: string): string =>
  pools[(pools.findIndex(({ name }) => name === carrier) + 1) % pools.length]?.name ?? '';

const blankProof = ({ service, everyMs }: CanaryConfig, last: MicroDrill): Proof => ({
  service,
  everyMs,
  last,
  provenAtMs: null,
  proven: [],
  stale: false,
  nonce: '',
});

/** The journey of `fly`. Commits what it does before anything is written outside; how it ended is for whoever asked. */
export const failOver = async (context: DrillContext, stages: Map<Stage, number>): Promise<void> => {
  const { canary, provider, signal } = context;
  const previous = await readBack(context, canaryDesired(canary));
  const after = fenceAfter(context, canaryDesired(canary), previous);
  const from = carrierOf(canary, previous);
  const move = from === null ? laid(context, after) : await decided(context, after, from);
  // Asking servers takes a while: an incident, a freeze or a run may have begun since the flight did.
  unheld(await context.hold());
  const begunAtMs = context.ports.clock.monoMs();
  const reached = (stage: Stage): void => void stages.set(stage, context.ports.clock.monoMs() - begunAtMs);
  if (move.drill !== null) await commit(context, move.drill);
  const refusal = await context.rights.group(context.term)([canary.service]);
  if (refusal !== null) throw new NotNow(refusal);
  unheld(context.seenHold());
  const { receipt, back } = await written(context, move.desired, move.fence, previous);
  reached('acknowledged');
  const isSettled = receipt !== undefined && (await settled(context, receipt));
  if (isSettled) reached('settled');
  const served = isSettled ? await readBack(context, move.desired) : back;
  const drift = driftOf(move.desired, served, (wanted) => provider.quantise(wanted));
  if (drift !== null) throw new Grounded('acknowledged', `it was acknowledged, and is not what is served: ${drift}`);
  signal.throwIfAborted();
  for (const [stage, servers] of serversOf(canary)) {
    await untilAll(context, servers, stage === 'resolver', (some) => wrongAt(context, move.route, stage, some));
    reached(stage);
  }
};

interface Move {
  route: Route;
  desired: ProviderService;
  fence: Fence;
  /** null: the name is only laid, from which nothing is proved. */
  drill: MicroDrill | null;
}

const serversOf = ({ authoritative, resolvers }: CanaryConfig): readonly (readonly ['authoritative' | 'resolver', readonly string[]])[] =>
  ([['authoritative', authoritative] as const, ['resolver', resolvers] as const] as const).filter(([, servers]) => servers.length > 0);

/** No pool of it is served yet: it comes into being on the first, and the next one fails over. */
const laid = ({ canary }: DrillContext, after: Fence): Move => {
  const route = { [canary.pools[0]?.name ?? '']: 1000 };
  const desired = desiredOf(canaryService(canary), { route });
  return { route, desired, fence: { ...after, hash: stateHash(desired) }, drill: null };
};

const decided = async (context: DrillContext, after: Fence, from: string): Promise<Move> => {
  const { canary, proof, term } = context;
  const old = { [from]: 1000 };
  // Who does not answer the old route now would pass for one that has followed.
  const [unlike] = (await wrongAt(context, old, 'authoritative', canary.authoritative)).filter((wrong) => wrong !== null);
  if (unlike !== undefined) throw new Grounded('authoritative', `before anything was written: ${unlike}`);
  // As users' resolvers have the old answer, so must these, or they would look faster than they are.
  await wrongAt(context, old, 'resolver', canary.resolvers);
  if (context.isBusy()) throw new NotNow('what is decided goes first');
  const to = receiverOf(canary, from);
  const v = Math.max(after.v, (proof?.last.v ?? 0) + 1) - 1;
  const t0AtMs = term.nowMs();
  const rehearsal = rehearse(context.stand, { canary, from, to, v }, t0AtMs);
  if ('held' in rehearsal) throw new Kept(rehearsal.held);
  const { fence, route } = rehearsal.decided;
  const desired = desiredOf(canaryService(canary), { route });
  const because = rehearsal.decided.because.slice(0, BECAUSE_MAX);
  const drill: MicroDrill = { v: fence, from, to, t0AtMs, t3AtMs: term.nowMs(), phasesMs: {}, ok: null, because, by: context.writer };
  return { route, desired, fence: { ...after, v: fence, hash: stateHash(desired) }, drill };
};

const unheld = (held: string | null): void => {
  if (held !== null) throw new NotNow(held);
};

const commit = async ({ canary, proof, term, keep }: DrillContext, last: MicroDrill): Promise<void> => {
  const { service, everyMs } = canary;
  if (await keep({ ...(proof ?? blankProof(canary, last)), service, everyMs, last })) return;
  // Who is in office and may not write this has roles from before there were micro-drills: that does not pass by itself.
  if (await term.renew())
    throw new Kept(
      `the store took the leader record and did not take ${proofKey(canary.path)}: store.txn in the log says why; grants are given by deploy/etcd/grants.sh`,
    );
  throw new NotNow('its decision could not be committed');
};

/** Of each server what is wrong with its answers for this route, or null. */
const wrongAt = async (
  { ports, dnsQuery, signal, canary }: DrillContext,
  route: Route,
  stage: 'authoritative' | 'resolver',
  servers: readonly string[],
): Promise<readonly (string | null)[]> => {
  const question = { service: canaryService(canary), route, samples: SAMPLES, recursive: stage === 'resolver' };
  const asked = await askAll({ ports, dnsQuery, signal }, servers, question);
  return asked.map(({ server, finding }) => (finding.landed ? null : `${server}: ${finding.because}`));
};

/** The proof once the drill has ended. What was neither proved nor refuted leaves it as it was before. */
export const afterDrill = (before: Proof | null, begun: Proof, flown: Flown): Proof | null => {
  if (flown.outcome !== 'through' && flown.outcome !== 'failed') return before;
  const phasesMs = Object.fromEntries(
    PROOF_PHASES.flatMap((phase) => {
      const ms = flown.stages.get(phase);
      return ms === undefined ? [] : [[phase, Math.round(ms)] as const];
    }),
  );
  if (flown.outcome === 'failed') {
    const because = `not ${flown.at}: ${flown.because}`.slice(0, BECAUSE_MAX);
    return { ...begun, last: { ...begun.last, phasesMs, ok: false, because } };
  }
  const last: MicroDrill = { ...begun.last, phasesMs, ok: true };
  return { ...begun, last, provenAtMs: last.t3AtMs, proven: [...begun.proven, last].slice(-PROVEN_MAX) };
};

/** The page that a proof is stale, or that it is fresh again. */
export const proofPage = (
  about: { cluster: ClusterConfig; v: number; nonce: string; nowMs: number },
  path: string,
  proof: Pick<Proof, 'provenAtMs' | 'everyMs'>,
  news: { stale: true; because: string } | { stale: false },
): Page => {
  const key = `micro-drill-${path}`;
  const age =
    proof.provenAtMs === null
      ? 'was never proven'
      : `was last proven ${spell(Math.round((about.nowMs - proof.provenAtMs) / 1000) * 1000)} ago`;
  const [type, severity, summary] = news.stale
    ? (['drill.stale', 'warning', `a failover by ${path} ${age}, and should be every ${spell(proof.everyMs)}: ${news.because}`] as const)
    : (['drill.fresh', 'info', `a failover by ${path} is proven again`] as const);
  const services = about.cluster.services.filter((service) => pathsOf(service).includes(path)).map(({ name }) => name);
  const made = page(about, type, severity, summary, key, { provider: path, services });
  // Not a decision's page: its version alone would not tell two of them apart.
  return { ...made, id: `${made.id}-${about.nowMs}` };
};
