// Receipts: what a provider has acknowledged and goes on working on is asked after until it says how that ended. Only this process's own writes, only while
// it holds the office; each gives up in the end, and a newer one takes the place of the oldest where too many are open.
import type { Change, Fence, Provider } from '../../providers/provider.ts';
import type { Term } from '../coordinate/coordinator.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Ports, type Timer, withDeadline } from '../ports.ts';
import type { Unsettled } from './plan.ts';

export type Ended = 'settled' | 'failed' | 'given-up';

export interface SettleOptions {
  ports: Ports;
  log: Log;
  term: () => Term | null;
  /** One call. */
  timeoutMs: number;
  /** `tookMs`: since the acknowledgement. */
  onEnded: (provider: string, ended: Ended, tookMs: number, about: { fences: ReadonlyMap<string, Fence>; because: string }) => void;
  onSettled: (provider: string, services: readonly string[]) => void;
  /** It was taken back, `times` in a row of some service there. */
  onTakenBack: (provider: string, services: readonly string[], times: number, because: string) => void;
}

export interface Settling {
  watch(name: string, provider: Provider, changes: readonly Change[], receipt: string): void;
  /** By service: the newest write there whose receipt is open. */
  unsettled(name: string): ReadonlyMap<string, Unsettled>;
  stop(): void;
}

const POLL_MS = 2000;
/** A write that has not settled by then is given up, and what is read is believed. */
export const SETTLE_DEADLINE_MS = 120_000;
/** Asked at once per provider: it must stay a small part of its quota. */
const ASKED_MAX = 8;
/** Open per provider; a newer one takes the place of the oldest. */
const OPEN_MAX = 256;

interface Open {
  name: string;
  provider: Provider;
  services: readonly string[];
  fences: ReadonlyMap<string, Fence>;
  receipt: string;
  epoch: number;
  sinceMs: number;
  askedAtMs: number;
  /** What the last try to ask met. */
  because: string;
}

export const createSettling = (options: SettleOptions): Settling => {
  const { ports, log } = options;
  const stopped = new AbortController();
  const open = new Set<Open>();
  /** The next round of each provider that has something open. */
  const rounds = new Map<string, Timer>();
  /** Writes taken back since one settled, by provider and service. */
  const takenBack = new Map<string, number>();

  const end = (one: Open, ended: Ended, because: string): void => {
    if (!open.delete(one)) return;
    const { name, services } = one;
    const tookMs = ports.clock.monoMs() - one.sinceMs;
    log[ended === 'settled' ? 'info' : 'warn']('publish.settled', { provider: name, services, ended, tookMs: Math.round(tookMs), because });
    options.onEnded(name, ended, tookMs, { fences: one.fences, because });
    if (ended === 'given-up') return;
    const keys = services.map((service) => `${name} ${service}`);
    if (ended === 'settled') {
      for (const key of keys) takenBack.delete(key);
      options.onSettled(name, services);
      return;
    }
    for (const key of keys) takenBack.set(key, (takenBack.get(key) ?? 0) + 1);
    options.onTakenBack(name, services, Math.max(...keys.map((key) => takenBack.get(key) ?? 0)), because);
  };

  const ask = async (one: Open): Promise<void> => {
    const { name, provider, receipt, epoch, sinceMs } = one;
    // Whoever has lost the office leaves it to the next one, which reads back before it writes.
    if (options.term()?.epoch !== epoch) {
      open.delete(one);
      return;
    }
    const settled = await withDeadline(
      ports.timers,
      options.timeoutMs,
      `asking ${name} after a write`,
      async (signal) => provider.settle?.(receipt, signal) ?? { state: 'settled' as const },
      stopped.signal,
    ).catch((error: unknown) => ({ state: 'pending' as const, error: errorText(error) }));
    if (stopped.signal.aborted || !open.has(one)) return;
    if (settled.state === 'settled') return end(one, 'settled', 'as acknowledged');
    if (settled.state === 'failed') return end(one, 'failed', settled.because);
    one.because = 'error' in settled ? settled.error : 'it is still being worked on';
    if (ports.clock.monoMs() - sinceMs >= SETTLE_DEADLINE_MS) end(one, 'given-up', one.because);
  };

  const openAt = (name: string): readonly Open[] => [...open].filter((one) => one.name === name);

  const round = async (name: string): Promise<void> => {
    const asked = openAt(name)
      .toSorted((a, b) => a.askedAtMs - b.askedAtMs)
      .slice(0, ASKED_MAX);
    for (const one of asked) one.askedAtMs = ports.clock.monoMs();
    await Promise.all(asked.map(ask));
    rounds.delete(name);
    arm(name);
  };

  const arm = (name: string): void => {
    if (rounds.has(name) || stopped.signal.aborted || openAt(name).length === 0) return;
    rounds.set(
      name,
      ports.timers.after(POLL_MS, () => void round(name)),
    );
  };

  return {
    watch(name, provider, changes, receipt) {
      const term = options.term();
      if (provider.settle === undefined || term === null || stopped.signal.aborted) return;
      const [oldest, ...others] = openAt(name);
      if (oldest !== undefined && others.length + 1 >= OPEN_MAX) end(oldest, 'given-up', 'newer writes have taken its place');
      const one: Open = {
        name,
        provider,
        services: changes.map(({ desired }) => desired.service),
        fences: new Map(changes.map(({ desired, fence }) => [desired.service, fence])),
        receipt,
        epoch: term.epoch,
        sinceMs: ports.clock.monoMs(),
        askedAtMs: Number.NEGATIVE_INFINITY,
        because: '',
      };
      open.add(one);
      arm(name);
    },
    unsettled(name) {
      const epoch = options.term()?.epoch;
      const mine = openAt(name).filter((one) => one.epoch === epoch);
      return new Map(
        mine.flatMap(({ fences }) =>
          [...fences].map(([service, { v, nonce, hash }]) => [service, { fence: v, nonce, hash, isWatched: true }] as const),
        ),
      );
    },
    stop() {
      stopped.abort(new Error('stopping'));
      for (const timer of rounds.values()) timer.cancel();
      open.clear();
    },
  };
};
