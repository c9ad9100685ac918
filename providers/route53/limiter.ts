// Requests to one AWS account, held to its limit: a token bucket in which writes go before routine reads, and reads leave something for the next write.
// It knows only this process; what other callers of the account use up shows as Throttling, which is answered elsewhere.
import type { Ports, Timer } from '../../src/ports.ts';

/** Of the account, all actions together (AWS, since 2026-07-30). */
const BURST = 50;
const PER_SECOND = 10;
/** Reads stop here, so that a failover finds tokens whatever routine looks came before it. */
const KEPT_FOR_WRITES = 20;

export type Urgency = 'write' | 'read';

export interface Limiter {
  /** Resolves when a request may leave; rejects with the signal's reason when it aborts first, and then no token is gone. */
  admit(urgency: Urgency, signal: AbortSignal): Promise<void>;
}

interface Waiting {
  urgency: Urgency;
  go: () => void;
}

export const createLimiter = ({ clock, timers }: Pick<Ports, 'clock' | 'timers'>): Limiter => {
  let tokens = BURST;
  let atMs = clock.monoMs();
  let waiting: readonly Waiting[] = [];
  let timer: Timer | null = null;

  const refill = (): void => {
    const nowMs = clock.monoMs();
    tokens = Math.min(BURST, tokens + ((nowMs - atMs) * PER_SECOND) / 1000);
    atMs = nowMs;
  };
  const needs = (urgency: Urgency): number => (urgency === 'write' ? 1 : 1 + KEPT_FOR_WRITES);
  const nextInLine = (): Waiting | undefined => waiting.find(({ urgency }) => urgency === 'write') ?? waiting[0];
  const serve = (): void => {
    timer?.cancel();
    timer = null;
    refill();
    for (let next = nextInLine(); next !== undefined; next = nextInLine()) {
      const lacking = needs(next.urgency) - tokens;
      if (lacking > 1e-9) {
        timer = timers.after(Math.ceil((lacking * 1000) / PER_SECOND), serve);
        return;
      }
      tokens--;
      const served = next;
      waiting = waiting.filter((each) => each !== served);
      served.go();
    }
  };

  return {
    admit: (urgency, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const onAbort = (): void => {
          waiting = waiting.filter((each) => each !== entry);
          serve();
          reject(signal.reason);
        };
        const entry: Waiting = {
          urgency,
          go: () => {
            signal.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        waiting = [...waiting, entry];
        serve();
      }),
  };
};
