// How decisions reached their providers, kept for those who read about them later: `trail/<v>` in the store, by service and provider. Written beside the work,
// a moment after it and never in its way: a trail that cannot be written is lost, and nothing rests on it. What another process wrote there is kept.
import type { Applied, Change, Fence } from '../../providers/provider.ts';
import { trailKey } from '../coordinate/keys.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Trail, TrailStep } from '../model.ts';
import { type Ports, type Timer, withDeadline } from '../ports.ts';
import type { Store } from '../store/store.ts';
import type { Ended } from './settle.ts';

export interface TrailOptions {
  ports: Ports;
  log: Log;
  /** Absent: nothing is written down. */
  store?: Pick<Store, 'get' | 'txn'>;
  /** `region/replica/boot`. */
  writer: string;
  /** Cluster time. */
  nowMs: () => number;
}

export interface TrailKeeper {
  /** A try to write these ended. */
  wrote(provider: string, changes: readonly Change[], result: Applied | { outcome: 'refused'; because: string }, tookMs: number): void;
  /** What was acknowledged has ended, `tookMs` after the acknowledgement. */
  ended(provider: string, fences: ReadonlyMap<string, Fence>, ended: Ended, tookMs: number, because: string): void;
  /** Ends it; what was not written by then is lost. */
  stop(): void;
}

/** So long after the first news of a decision: acknowledgements of the same round come along, and are recorded first. */
const WRITE_AFTER_MS = 1_000;
const WRITE_MS = 1_500;
const TRIES_MAX = 3;
/** Decisions remembered; a settled write is asked after for two minutes. */
const DECISIONS_MAX = 64;
/** Steps of one record. */
const STEPS_MAX = 256;
const REQUESTS_MAX = 8;
const TEXT_CHARS_MAX = 300;

interface Kept {
  /** By service, then by provider. */
  steps: Map<string, Map<string, TrailStep>>;
  count: number;
  omitted: number;
  isNews: boolean;
  tries: number;
}

const requestsOf = (result: { outcome: string; requests?: readonly string[]; receipt?: string }): readonly string[] => [
  ...(result.requests ?? []),
  ...(result.receipt === undefined ? [] : [result.receipt]),
];

/** Oldest first, each once, the newest that fit. */
const joined = (before: readonly string[], more: readonly string[]): readonly string[] =>
  [...new Set([...before, ...more])].slice(-REQUESTS_MAX).map((id) => id.slice(0, TEXT_CHARS_MAX));

const isStep = (value: unknown): value is TrailStep => typeof value === 'object' && value !== null && 'outcome' in value && 'by' in value;

export const createTrailKeeper = ({ ports, log, store, writer, nowMs }: TrailOptions): TrailKeeper => {
  const decisions = new Map<number, Kept>();
  const stopped = new AbortController();
  let timer: Timer | null = null;

  const keptOf = (v: number): Kept => {
    let kept = decisions.get(v);
    if (kept === undefined) {
      kept = { steps: new Map(), count: 0, omitted: 0, isNews: false, tries: 0 };
      decisions.set(v, kept);
      const [oldest] = decisions.keys();
      if (decisions.size > DECISIONS_MAX && oldest !== undefined) decisions.delete(oldest);
    }
    return kept;
  };

  const stepOf = (v: number, service: string, provider: string): TrailStep | undefined =>
    decisions.get(v)?.steps.get(service)?.get(provider);

  const put = (v: number, service: string, provider: string, step: TrailStep): void => {
    const kept = keptOf(v);
    const providers = kept.steps.get(service) ?? new Map<string, TrailStep>();
    if (!providers.has(provider)) {
      if (kept.count >= STEPS_MAX) {
        kept.omitted++;
        return;
      }
      kept.count++;
    }
    kept.steps.set(service, providers.set(provider, step));
    kept.isNews = true;
    kept.tries = 0;
    arm();
  };

  const arm = (): void => {
    if (store === undefined || timer !== null || stopped.signal.aborted) return;
    timer = ports.timers.after(WRITE_AFTER_MS, () => {
      timer = null;
      void writeAll();
    });
  };

  /** Beside what others wrote: the first acknowledgement stays, whoever had it. */
  const merged = (v: number, kept: Kept, there: Trail | undefined): Trail => {
    const services: Record<string, Record<string, TrailStep>> = {};
    for (const [service, providers] of Object.entries(there?.services ?? {})) services[service] = { ...providers };
    for (const [service, providers] of kept.steps)
      for (const [provider, step] of providers) {
        const known: unknown = services[service]?.[provider];
        if (isStep(known) && known.outcome === 'applied' && known.by !== writer && known.settled?.ended !== 'failed') continue;
        services[service] = { ...services[service], [provider]: step };
      }
    const omitted = kept.omitted + (there?.omitted ?? 0);
    return { v, services, ...(kept.omitted > 0 ? { omitted } : {}), nonce: ports.random.hex(8) };
  };

  const write = async (at: Pick<Store, 'get' | 'txn'>, v: number, kept: Kept): Promise<boolean> =>
    withDeadline(
      ports.timers,
      WRITE_MS,
      'writing a trail',
      async (signal) => {
        const key = trailKey(v);
        const [there] = (await at.get({ keys: [key] }, signal)).kvs;
        const value = merged(v, kept, there?.value as Trail | undefined);
        return (await at.txn({ if: [{ key, mod: there?.mod ?? 0 }], then: [{ put: key, value }] }, signal)).ok;
      },
      stopped.signal,
    );

  const writeAll = async (): Promise<void> => {
    if (store === undefined) return;
    for (const [v, kept] of [...decisions]) {
      if (!kept.isNews || stopped.signal.aborted) continue;
      kept.isNews = false;
      kept.tries++;
      const isWritten = await write(store, v, kept).catch((error: unknown) => {
        if (!stopped.signal.aborted) log.debug('publish.trail', { v, tries: kept.tries, because: errorText(error) });
        return false;
      });
      if (!isWritten && kept.tries < TRIES_MAX) {
        kept.isNews = true;
        arm();
      }
    }
  };

  return {
    wrote(provider, changes, result, tookMs) {
      const requests = requestsOf(result);
      for (const { desired, fence } of changes) {
        const before = stepOf(fence.v, desired.service, provider);
        // What is written again later keeps a decision that has arrived; only what was taken back has not.
        if (before?.outcome === 'applied' && before.settled?.ended !== 'failed') continue;
        put(fence.v, desired.service, provider, {
          outcome: result.outcome,
          atMs: Math.round(nowMs()),
          tookMs: Math.round(tookMs),
          tries: (before?.tries ?? 0) + 1,
          requests: joined(before?.requests ?? [], requests),
          because: result.outcome === 'applied' ? '' : result.because.slice(0, TEXT_CHARS_MAX),
          by: writer,
        });
      }
    },
    ended(provider, fences, ended, tookMs, because) {
      for (const [service, { v }] of fences) {
        const step = stepOf(v, service, provider);
        if (step?.outcome !== 'applied') continue;
        const settled = { ended, tookMs: Math.round(tookMs), because: because.slice(0, TEXT_CHARS_MAX) };
        put(v, service, provider, { ...step, settled });
      }
    },
    stop() {
      stopped.abort(new Error('stopping'));
      timer?.cancel();
    },
  };
};
