// One look: a race between what the world does and a deadline, with one winner. Whoever ends the look first decides its outcome; at that moment its
// timers are cancelled and its socket is closed, whatever was still under way. So a deadline is exact and no path can leak a socket.
import type { Socket } from 'node:net';
import type { FaultReason, Outcome } from '../model.ts';
import type { ProbeContext } from './kind.ts';

/** Longest detail of a fault: some messages quote what the peer sent (names in its certificate). */
const DETAIL_CHARS_MAX = 160;

export interface Look {
  /** What is being waited for; a timeout names it. */
  stage: 'name' | 'connection' | 'TLS handshake' | 'head of an answer' | 'end of the body';
  /** Says after the reason of a fault that the address is old; set when the name was resolved. */
  note: string;
  over(): boolean;
  ok(): void;
  fault(reason: FaultReason, detail: string): void;
  nothing(detail: string): void;
  /** Makes the look own this socket: it is closed at the end, or at once if the look is over. */
  own(socket: Socket): void;
  /** Runs `fn` after `ms` unless the look is over by then; the answer cancels it. */
  after(ms: number, fn: () => void): () => void;
}

/**
 * Closes without a trace. A plain connection is reset, not finished: it leaves no TIME_WAIT, of which a prober would gather tens of thousands.
 * Not while connecting (the reset would wait for the connection), not once the peer's FIN is being answered, and not under TLS: there Node cannot.
 */
const close = (socket: Socket): void => {
  if (socket.connecting || socket.writableEnded || 'encrypted' in socket) socket.destroy();
  else socket.resetAndDestroy();
};

const printable = (detail: string): string => {
  const plain = detail.replace(/[^\x20-\x7e]+/g, ' ');
  return plain.length > DETAIL_CHARS_MAX ? `${plain.slice(0, DETAIL_CHARS_MAX - 3)}...` : plain;
};

/** Runs `steps` under `context.timeoutMs`. Rejects only with what `steps` throws: that is a bug here, never the world. */
export const look = (context: ProbeContext, signal: AbortSignal, steps: (look: Look) => Promise<void>): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const { clock, timers } = context.ports;
    const startedAtMs = clock.monoMs();
    const cancels = new Set<() => void>();
    let socket: Socket | null = null;
    let over = false;

    const finish = (): boolean => {
      if (over) return false;
      over = true;
      for (const cancel of cancels) cancel();
      signal.removeEventListener('abort', onAbort);
      if (socket !== null) close(socket);
      return true;
    };
    const tookMs = (): number => clock.monoMs() - startedAtMs;
    const onAbort = (): void => self.nothing('the look was stopped');

    const self: Look = {
      stage: 'name',
      note: '',
      over: () => over,
      ok() {
        if (finish()) resolve({ saw: 'ok', tookMs: tookMs() });
      },
      fault(reason, detail) {
        if (finish()) resolve({ saw: 'fault', reason, tookMs: tookMs(), detail: printable(detail + self.note) });
      },
      nothing(detail) {
        if (finish()) resolve({ saw: 'nothing', detail: printable(detail) });
      },
      own(opened) {
        socket = opened;
        // What happens to a socket after the end concerns nobody, but without a listener it would stop the process.
        opened.on('error', () => {});
        if (over) close(opened);
      },
      after(ms, fn) {
        const timer = timers.after(ms, () => {
          cancels.delete(cancel);
          if (!over) fn();
        });
        const cancel = (): void => {
          timer.cancel();
          cancels.delete(cancel);
        };
        cancels.add(cancel);
        return cancel;
      },
    };

    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    self.after(context.timeoutMs, () => {
      // A name that does not resolve in time says nothing about the target.
      if (self.stage === 'name') self.nothing(`name not resolved within ${context.timeoutMs} ms`);
      else self.fault('timeout', `no ${self.stage} within ${context.timeoutMs} ms`);
    });
    steps(self).catch((error: unknown) => {
      if (finish()) reject(error);
    });
  });
