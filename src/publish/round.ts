// One round of writes of a lane: every step that is to be written, in batches that the provider takes whole, each under a proof of the right to write, and
// recorded as it is acknowledged. Nothing is repeated here; what was not done is said, with the reason.
import type { Applied, Change, Fence, Provider } from '../../providers/provider.ts';
import type { Term } from '../coordinate/coordinator.ts';
import type { Sight } from '../coordinate/read.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { AppliedBook } from './applied.ts';
import { batchesOf } from './batches.ts';
import type { LateWrites } from './late.ts';
import type { Patience } from './patience.ts';
import type { Step } from './plan.ts';
import { inPool } from './pool.ts';
import { CHANGED, type Rights } from './rights.ts';
import type { Settling } from './settle.ts';
import type { Standing } from './standing.ts';
import type { TrailKeeper } from './trail.ts';

/** One provider call, reading or writing. */
export const PROVIDER_TIMEOUT_MS = 3000;
export const RETRY_MS = 1000;
/** Calls under way at once. */
const CALLS_MAX = 8;
/** So many of a batch that was refused for good are tried alone before the others: an expired token refuses them all. */
const TRIED_ALONE = 2;

export interface RoundOptions {
  ports: Ports;
  log: Log;
  /** The name the cluster uses. */
  name: string;
  provider: Provider;
  rights: Rights;
  late: LateWrites;
  book: AppliedBook;
  standing: Standing;
  settling: Settling;
  trail: TrailKeeper;
  patience: Patience;
  onWrite: (provider: string, outcome: Applied['outcome'] | 'refused', tookMs: number) => void;
  stopped: AbortSignal;
}

/** Why a service is not as decided. */
export interface Undone {
  because: string;
  /** The vendor asks for so long a wait, whoever calls. */
  busyMs?: number;
  /** It meets an earlier write of the same route: nothing is late yet. */
  isUnderWay?: true;
}

/** What came of a round; `changed`: what it rested on is no longer so. */
export interface Round {
  undone: ReadonlyMap<string, Undone>;
  changed: boolean;
}

type Result = Applied | { outcome: 'refused'; because: string };

interface Batch {
  changes: readonly Change[];
  /** Shared by the calls that belong together. */
  proof: ReturnType<Rights['group']>;
}

/** One call. `proof` is asked right before it; without it nothing leaves this process. */
const attempt = async (options: RoundOptions, { changes, proof }: Batch): Promise<Result> => {
  const { ports, log, name, provider, stopped } = options;
  const services = changes.map(({ desired }) => desired.service);
  const refusal = await proof(services);
  if (refusal !== null) {
    options.onWrite(name, 'refused', 0);
    const refused: Result = { outcome: 'refused', because: refusal };
    options.trail.wrote(name, changes, refused, 0);
    return refused;
  }
  const begunAtMs = ports.clock.monoMs();
  const what = `write to ${name}`;
  const result = await withDeadline(ports.timers, PROVIDER_TIMEOUT_MS, what, (signal) => provider.apply(changes, signal), stopped).catch(
    (error): Applied => ({ outcome: 'undecided', because: errorText(error) }),
  );
  const tookMs = ports.clock.monoMs() - begunAtMs;
  options.late.wrote(name, provider);
  options.onWrite(name, result.outcome, tookMs);
  options.trail.wrote(name, changes, result, tookMs);
  log.info('publish.write', {
    provider: name,
    outcome: result.outcome,
    services,
    fence: Math.max(...changes.map((c) => c.fence.v)),
    tookMs: Math.round(tookMs),
    ...(result.outcome === 'applied' ? {} : { because: result.because }),
  });
  if (result.outcome !== 'applied') return result;
  options.standing.worked(name, services, tookMs);
  if (result.receipt !== undefined) options.settling.watch(name, provider, changes, result.receipt);
  return result;
};

/** `after`: as in the step. A conflict is with that earlier write then, and another region would have it too. */
const undoneBy = (result: Exclude<Result, { outcome: 'applied' }>, after: 'same' | 'other' | undefined): Undone => {
  const { outcome, because } = result;
  const isBusy = outcome === 'conflict' || (outcome === 'undecided' && result.busyMs !== undefined);
  if (after !== undefined && isBusy) {
    const busyMs = (outcome === 'undecided' ? result.busyMs : undefined) ?? RETRY_MS;
    return { because, busyMs, ...(after === 'same' ? { isUnderWay: true } : {}) };
  }
  return outcome === 'undecided' && result.busyMs !== undefined ? { because, busyMs: result.busyMs } : { because };
};

/** Writes these, and records what was acknowledged with what was found as decided. Rejects if that cannot be recorded. */
export const writeRound = async (options: RoundOptions, steps: readonly Step[], term: Term, seen: Sight): Promise<Round> => {
  const { name, provider, patience } = options;
  const undone = new Map<string, Undone>();
  let changed = false;
  const after = new Map(steps.map((step) => [step.service, step.kind === 'write' ? step.after : undefined]));
  const acks = options.book.acknowledging(seen, name, term);
  const written: { service: string; fence: Fence }[] = [];
  let refusal: Extract<Result, { outcome: 'refused' }> | null = null;
  const send = async (batch: Batch): Promise<readonly Batch[]> => {
    const { changes } = batch;
    // Without the right to write the rest needs no asking.
    const result = refusal ?? (await attempt(options, batch));
    // A batch is all or nothing; one service in conflict or refused must not keep the others waiting. Somebody wrote meanwhile: a new proof.
    if (changes.length > 1 && (result.outcome === 'conflict' || result.outcome === 'fatal')) {
      const again = options.rights.group(term);
      const alone = changes.map((change) => ({ changes: [change], proof: again }));
      return result.outcome === 'conflict' ? alone : sifted(alone);
    }
    if (result.outcome !== 'refused') for (const change of changes) patience.tried(change, result.outcome);
    if (result.outcome === 'applied') {
      written.push(...changes.map(({ desired, fence }) => ({ service: desired.service, fence })));
      // What goes in many calls is recorded as it comes; one call is recorded with what was found as decided.
      if (batches.length > 1) acks.add(written.splice(0));
      return [];
    }
    if (result.outcome === 'refused') refusal = result;
    changed ||= result.because === CHANGED;
    for (const { desired } of changes) undone.set(desired.service, undoneBy(result, after.get(desired.service)));
    return [];
  };
  for (const s of steps) if (s.kind === 'write' && s.change.previous.unread !== undefined) undone.set(s.service, { because: s.because });
  /** Those still worth a call once the first have been tried. If none of these came through, the others wait for the next round, which goes without them. */
  const sifted = async (alone: readonly Batch[]): Promise<readonly Batch[]> => {
    const [first, others] = [alone.slice(0, TRIED_ALONE), alone.slice(TRIED_ALONE)];
    for (const one of first) await send(one);
    const reasons = first.map(({ changes: [change] }) => undone.get(change?.desired.service ?? ''));
    const [because] = reasons;
    if (because === undefined || reasons.includes(undefined)) return others;
    for (const { changes } of others) for (const { desired } of changes) undone.set(desired.service, because);
    return [];
  };
  const proof = options.rights.group(term);
  const batches = batchesOf(steps, provider.can.batchMax).map((changes) => ({ changes, proof }));
  await inPool(batches, CALLS_MAX, send);
  acks.add([...written, ...steps.flatMap((s) => (s.kind === 'done' ? [{ service: s.service, fence: s.fence }] : []))]);
  await acks.written();
  return { undone, changed };
};
