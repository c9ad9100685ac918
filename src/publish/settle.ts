// Receipts: what a provider has acknowledged and goes on working on is asked after until it says how that ended. Only this process's own writes, only while
// it holds the office; each gives up in the end, and a newer one takes the place of the oldest where too many are open.
import type { Change, Provider } from '../../providers/provider.ts';
import type { Term } from '../coordinate/coordinator.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Ports, type Timer, withDeadline } from '../ports.ts';

export type Ended = 'settled' | 'failed' | 'given-up';

export interface SettleOptions {
  ports: Ports;
  log: Log;
  term: () => Term | null;
  /** One call. */
  timeoutMs: number;
  /** `tookMs`: since the acknowledgement. */
  onEnded: (provider: string, ended: Ended, tookMs: number) => void;
  onSettled: (provider: string, services: readonly string[]) => void;
  /** It was taken back, `times` in a row of some service there. */
  onTakenBack: (provider: string, services: readonly string[], times: number, because: string) => void;
}

export interface Settling {
  watch(name: string, provider: Provider, changes: readonly Change[], receipt: string): void;
  stop(): void;
}

const POLL_MS = 2000;
const DEADLINE_MS = 120_000;
/** Open at once per provider: asking after them must stay a small part of its quota. */
const OPEN_MAX = 8;

interface Open {
  name: string;
  provider: Provider;
  services: readonly string[];
  receipt: string;
  epoch: number;
  sinceMs: number;
  timer: Timer | null;
  /** What the last try to ask met. */
  because: string;
}

export const createSettling = (options: SettleOptions): Settling => {
  const { ports, log } = options;
  const stopped = new AbortController();
  const open = new Set<Open>();
  /** Writes taken back since one settled, by provider and service. */
  const takenBack = new Map<string, number>();

  const end = (one: Open, ended: Ended, because: string): void => {
    if (!open.delete(one)) return;
    one.timer?.cancel();
    const { name, services } = one;
    const tookMs = ports.clock.monoMs() - one.sinceMs;
    log[ended === 'settled' ? 'info' : 'warn']('publish.settled', { provider: name, services, ended, tookMs: Math.round(tookMs), because });
    options.onEnded(name, ended, tookMs);
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
    if (ports.clock.monoMs() - sinceMs >= DEADLINE_MS) end(one, 'given-up', one.because);
    else arm(one);
  };

  const arm = (one: Open): void => {
    one.timer = ports.timers.after(POLL_MS, () => void ask(one));
  };

  return {
    watch(name, provider, changes, receipt) {
      const term = options.term();
      if (provider.settle === undefined || term === null || stopped.signal.aborted) return;
      const [oldest, ...others] = [...open].filter((one) => one.name === name);
      if (oldest !== undefined && others.length + 1 >= OPEN_MAX) end(oldest, 'given-up', 'newer writes have taken its place');
      const services = changes.map(({ desired }) => desired.service);
      const one: Open = {
        name,
        provider,
        services,
        receipt,
        epoch: term.epoch,
        sinceMs: ports.clock.monoMs(),
        timer: null,
        because: '',
      };
      open.add(one);
      arm(one);
    },
    stop() {
      stopped.abort(new Error('stopping'));
      for (const { timer } of open) timer?.cancel();
      open.clear();
    },
  };
};
