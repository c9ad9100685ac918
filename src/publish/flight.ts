// One flight of a canary: a harmless write of a service that no user resolves, through the very calls that a failover makes, timed to the acknowledgement, to
// the provider's own servers and to resolvers. Its fence counts on from whatever the provider carries: nothing is decided for it, so there is no history to
// lose, and two holders at once cost one of them a conflict. Throws nothing for what the world does.
import { canaryWriter, canFollow, fenceName, formatFence, isCanary, isManual, stateHash } from '../../providers/fence.ts';
import type { Applied, Fence, Provider, ProviderService, ReadBack, Settled } from '../../providers/provider.ts';
import { type CanaryConfig, canaryService } from '../config/canary.ts';
import { serverOf } from '../converge/ask.ts';
import type { Term } from '../coordinate/coordinator.ts';
import type { query } from '../dns/exchange.ts';
import { errorText } from '../errors.ts';
import { type Ports, sleep, withDeadline } from '../ports.ts';
import { desiredOf } from './plan.ts';
import type { Rights } from './rights.ts';
import { PROVIDER_TIMEOUT_MS } from './round.ts';

export type Stage = 'read' | 'acknowledged' | 'settled' | 'authoritative' | 'resolver';

export type Flown =
  | { outcome: 'through'; stages: ReadonlyMap<Stage, number> }
  /** `isFinal`: a human must act, so that trying again is not worth waiting for. */
  | { outcome: 'failed'; at: Stage; because: string; isFinal: boolean; stages: ReadonlyMap<Stage, number> }
  /** No failure: it may not be written now. */
  | { outcome: 'not-now'; because: string }
  /** No failure of the provider either: what is there is somebody else's, somebody else wrote it meanwhile, or something of ours is amiss. Nothing was proven. */
  | { outcome: 'kept'; because: string };

export interface FlightContext {
  ports: Ports;
  writer: string;
  canary: CanaryConfig;
  provider: Provider;
  term: Term;
  rights: Rights;
  /** What is decided goes first. */
  isBusy: () => boolean;
  dnsQuery: typeof query;
  signal: AbortSignal;
}

const QUERY_MS = 1000;
const POLL_MS = 1000;
const SETTLE_POLL_MS = 2000;
const SETTLE_MS = 120_000;
const AUTHORITATIVE_MS = 60_000;
/** A fence lives in caches for up to a minute, and is primed there on purpose. */
const RESOLVER_MS = 180_000;

/** The canary as its provider should serve it: everything as configured. */
export const canaryDesired = (canary: CanaryConfig): ProviderService => {
  const service = canaryService(canary);
  const weights = service.pools.reduce((sum, { weight }) => sum + weight, 0);
  const shares = service.pools.map(({ name, weight }): [string, number] => [
    name,
    weights === 0 ? 0 : Math.floor((weight * 1000) / weights),
  ]);
  // What rounding leaves over is the first one's.
  const rest = 1000 - shares.reduce((sum, [, share]) => sum + share, 0);
  const route = Object.fromEntries(shares.map(([pool, share], i) => [pool, i === 0 ? share + rest : share]));
  return desiredOf(service, { fence: 0, sinceAtMs: 0, mode: 'auto', route, because: '', pools: {} });
};

/** A stage was not reached. */
export class Grounded extends Error {
  readonly at: Stage;
  readonly isFinal: boolean;
  constructor(at: Stage, because: string, isFinal = false) {
    super(because);
    this.at = at;
    this.isFinal = isFinal;
  }
}

export class NotNow extends Error {}

export class Kept extends Error {}

/** `journey`: what is done, and which stages it reaches on its way. */
export const fly = async <C extends FlightContext>(
  context: C,
  journey: (context: C, stages: Map<Stage, number>) => Promise<void>,
): Promise<Flown> => {
  const stages = new Map<Stage, number>();
  try {
    await journey(context, stages);
    return { outcome: 'through', stages };
  } catch (error) {
    if (error instanceof Kept) return { outcome: 'kept', because: error.message };
    if (error instanceof NotNow) return { outcome: 'not-now', because: error.message };
    if (error instanceof Grounded) return { outcome: 'failed', at: error.at, because: error.message, isFinal: error.isFinal, stages };
    // Stopping, which ends all of it; or a bug, which says nothing of the provider and proves nothing.
    return { outcome: 'kept', because: errorText(error) };
  }
};

/** A harmless write, everything as configured. */
export const through = async (context: FlightContext, stages: Map<Stage, number>): Promise<void> => {
  const { ports, canary, signal } = context;
  const desired = canaryDesired(canary);
  const previous = await readBack(context, desired);
  const fence = fenceAfter(context, desired, previous);
  // As users' resolvers have the old answer, so must these, or they would look faster than they are.
  await Promise.all(canary.resolvers.map((server) => answers(context, server, fence, true)));
  if (context.isBusy()) throw new NotNow('what is decided goes first');
  const refusal = await context.rights.group(context.term)([canary.service]);
  if (refusal !== null) throw new NotNow(refusal);
  const begunAtMs = ports.clock.monoMs();
  const reached = (stage: Stage): void => void stages.set(stage, ports.clock.monoMs() - begunAtMs);
  const { receipt } = await written(context, desired, fence, previous);
  reached('acknowledged');
  if (receipt !== undefined && (await settled(context, receipt))) reached('settled');
  signal.throwIfAborted();
  if (canary.authoritative.length > 0) {
    await everywhere(context, canary.authoritative, fence, false);
    reached('authoritative');
  }
  if (canary.resolvers.length === 0) return;
  await everywhere(context, canary.resolvers, fence, true);
  reached('resolver');
};

export const readBack = async ({ ports, provider, canary, signal }: FlightContext, desired: ProviderService): Promise<ReadBack> => {
  const what = `read from ${canary.provider}`;
  const read = await withDeadline(ports.timers, PROVIDER_TIMEOUT_MS, what, (inner) => provider.read([desired], inner), signal).catch(
    (error: unknown) => {
      signal.throwIfAborted();
      throw new Grounded('read', errorText(error));
    },
  );
  return read.get(canary.service) ?? { fence: null, shares: null, foreign: [], token: null };
};

const FOREIGN_SHOWN = 3;

export const fenceAfter = (
  { ports, term, writer, canary }: FlightContext,
  desired: ProviderService,
  { fence, foreign }: ReadBack,
): Fence => {
  if (fence !== null && isManual(fence)) throw new Kept(`${fence.writer} wrote ${canary.service} by hand`);
  // A name that was mistyped may be one that users resolve, also by another cluster of ours or by a service that left this one: what no canary wrote is not
  // written over for a trial.
  if (foreign.length > 0 && (fence === null || !isCanary(fence))) {
    const answers = foreign.slice(0, FOREIGN_SHOWN).join(', ');
    const whose = fence === null ? 'no fence of ours' : `fence ${fence.v} of ${fence.writer}, which is no canary's`;
    throw new Kept(`${canary.service} answers ${answers}, and carries ${whose}; give the canary a name of its own`);
  }
  const v = (fence?.v ?? 0) + 1;
  if (!canFollow(v))
    throw new Grounded('read', `${canary.service} carries fence ${v - 1}, and there is hardly a number above it; delete it by hand`);
  return { v, epoch: term.epoch, writer: canaryWriter(writer), nonce: ports.random.hex(8), hash: stateHash(desired) };
};

/** Writes it. Out: the receipt, if there is one, and what is read there then. */
export const written = async (
  context: FlightContext,
  desired: ProviderService,
  fence: Fence,
  previous: ReadBack,
): Promise<{ receipt: string | undefined; back: ReadBack }> => {
  const { ports, provider, canary, signal } = context;
  const what = `write to ${canary.provider}`;
  const work = (inner: AbortSignal): Promise<Applied> => provider.apply([{ desired, fence, previous }], inner);
  const result = await withDeadline(ports.timers, PROVIDER_TIMEOUT_MS, what, work, signal).catch(
    (error: unknown): Applied => ({ outcome: 'undecided', because: errorText(error) }),
  );
  signal.throwIfAborted();
  if (result.outcome === 'conflict') throw new Kept(result.because);
  if (result.outcome === 'fatal') throw new Grounded('acknowledged', result.because, true);
  // In doubt, or acknowledged: what is there is a fact.
  const back = await readBack(context, desired);
  const { fence: now } = back;
  const isThere = provider.can.fencing === 'none' || (now !== null && now.v >= fence.v);
  if (!isThere) {
    const because = result.outcome === 'applied' ? 'it was acknowledged, and is not there' : result.because;
    throw new Grounded('acknowledged', because);
  }
  if (result.outcome === 'undecided') throw new Grounded('acknowledged', `written, but in doubt: ${result.because}`);
  return { receipt: result.receipt, back };
};

/** True once the provider says that all of it is done; false: it does not say. */
export const settled = async ({ ports, provider, canary, signal }: FlightContext, receipt: string): Promise<boolean> => {
  if (provider.settle === undefined) return false;
  const untilMs = ports.clock.monoMs() + SETTLE_MS;
  let because = 'it is still being worked on';
  while (ports.clock.monoMs() < untilMs) {
    await sleep(ports.timers, SETTLE_POLL_MS, signal);
    const what = `asking ${canary.provider} after a write`;
    const ask = async (inner: AbortSignal): Promise<Settled> => (await provider.settle?.(receipt, inner)) ?? { state: 'settled' };
    const state = await withDeadline(ports.timers, PROVIDER_TIMEOUT_MS, what, ask, signal).catch((error: unknown): Settled => {
      because = errorText(error);
      return { state: 'pending' };
    });
    if (state.state === 'settled') return true;
    if (state.state === 'failed') throw new Grounded('settled', state.because);
  }
  throw new Grounded('settled', `not within ${SETTLE_MS / 1000} s: ${because}`);
};

/** null: this server answers this fence; else what it does instead. */
const answers = async (context: FlightContext, server: string, fence: Fence, recursive: boolean): Promise<string | null> => {
  const { ports, dnsQuery, signal, canary } = context;
  const wanted = formatFence(fence);
  const name = fenceName(canary.service);
  return dnsQuery({ ports, server: serverOf(server), name, type: 'TXT', recursionDesired: recursive, timeoutMs: QUERY_MS, signal }).then(
    (reply) => {
      if (reply.rcode !== 'NOERROR') return `${server} answers ${reply.rcode}`;
      const texts = reply.answers.flatMap((record) => (record.type === 'TXT' ? [record.data.join('')] : []));
      return texts.includes(wanted) ? null : `${server} does not answer fence ${fence.v} yet`;
    },
    (error: unknown) => errorText(error),
  );
};

/** Every one of the servers has answered the fence. */
const everywhere = (context: FlightContext, servers: readonly string[], fence: Fence, recursive: boolean): Promise<void> =>
  untilAll(context, servers, recursive, (some) => Promise.all(some.map((server) => answers(context, server, fence, recursive))));

/** Every one of the servers has been found well by `ask`, which says of each in their order what is wrong, or null. */
export const untilAll = async (
  { ports, signal }: FlightContext,
  servers: readonly string[],
  recursive: boolean,
  ask: (servers: readonly string[]) => Promise<readonly (string | null)[]>,
): Promise<void> => {
  const stage = recursive ? 'resolver' : 'authoritative';
  const patienceMs = recursive ? RESOLVER_MS : AUTHORITATIVE_MS;
  const untilMs = ports.clock.monoMs() + patienceMs;
  let waiting = servers;
  for (;;) {
    const said = await ask(waiting);
    signal.throwIfAborted();
    waiting = waiting.filter((_, i) => said[i] !== null);
    if (waiting.length === 0) return;
    if (ports.clock.monoMs() >= untilMs)
      throw new Grounded(stage, `not within ${patienceMs / 1000} s: ${said.find((text) => text !== null)}`);
    await sleep(ports.timers, POLL_MS, signal);
  }
};
