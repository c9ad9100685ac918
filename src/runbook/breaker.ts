// A circuit breaker, one per system around: after so many failures in a row it is left alone for a while, and then one call finds out whether it works again.
// A system that answers is no failure, whatever it answers: only silence, lost connections and its own trouble are, whether a call rejects for them or
// resolves with a Silence. Knows the ports' clock and nothing else.
import { errorText, Fault } from '../errors.ts';
import { quoted } from '../exchange.ts';
import { type Clock, DeadlineError, isoTime } from '../ports.ts';

/** One lost reply is no outage; and what a run waits for is asked every second or so. */
const FAILURES_MAX = 5;
/** Short: a run waits for the very systems that are just starting. */
const REST_MS = 5_000;

export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerStanding {
  state: BreakerState;
  /** In a row. */
  failures: number;
  /** Wall clock; null: it is asked. */
  restsUntilAtMs: number | null;
  because: string;
}

export interface Breaker {
  /** Runs `work`, or rejects with LeftAlone and runs nothing. `given`: of whoever calls; that it ends the call is no failure of the system. */
  run<T>(work: () => Promise<T>, given?: AbortSignal): Promise<T>;
  standing(): BreakerStanding;
}

/** What a client that answers in values says of a call for which it would have rejected. */
export interface Silence {
  silent: true;
  because: string;
}

const isSilence = (value: unknown): value is Silence =>
  typeof value === 'object' && value !== null && 'silent' in value && value.silent === true;

/** Nothing was sent. */
export class LeftAlone extends Error {
  override readonly name = 'LeftAlone';
}

export const createBreaker = (name: string, clock: Clock): Breaker => {
  let [failures, last] = [0, ''];
  /** On the monotonic clock; null: closed. */
  let opensAtMs: number | null = null;
  let isTrying = false;
  const state = (): BreakerState => (opensAtMs === null ? 'closed' : clock.monoMs() < opensAtMs ? 'open' : 'half-open');
  const restsUntilAtMs = (): number | null => (opensAtMs === null ? null : clock.wallMs() + Math.max(0, opensAtMs - clock.monoMs()));
  const sentence = (): string => {
    if (opensAtMs === null) return failures === 0 ? `${name} answers` : `${name}: ${failures} failures in a row; the last: ${last}`;
    const until = state() === 'open' ? `left alone until ${isoTime(Math.ceil(restsUntilAtMs() ?? 0))}` : 'the next call finds out';
    return `${name}: ${failures} failures in a row, ${until}; the last: ${last}`;
  };
  const onFailure = (error: unknown): void => {
    failures++;
    last = quoted(errorText(error), 120);
    if (failures >= FAILURES_MAX) opensAtMs = clock.monoMs() + REST_MS;
  };
  const onAnswer = (): void => {
    failures = 0;
    opensAtMs = null;
  };
  return {
    async run(work, given) {
      const before = state();
      if (before === 'open' || (before === 'half-open' && isTrying)) throw new LeftAlone(sentence());
      isTrying = before === 'half-open';
      try {
        const value = await work();
        if (!isSilence(value)) onAnswer();
        else if (!isOurs(given)) onFailure(new Error(value.because));
        return value;
      } catch (error) {
        if (!isTrouble(error)) onAnswer();
        else if (!isOurs(given)) onFailure(error);
        throw error;
      } finally {
        if (before === 'half-open') isTrying = false;
      }
    },
    standing: () => ({ state: state(), failures, restsUntilAtMs: restsUntilAtMs(), because: sentence() }),
  };
};

/** Whoever called wants no answer any more; that its deadline has passed is something else. */
const isOurs = (given: AbortSignal | undefined): boolean => given?.aborted === true && !(given.reason instanceof DeadlineError);

/** Statuses of gRPC with which a server answers what it was asked: invalid, not found, exists, denied, precondition, range, unimplemented, unauthenticated. */
const GRPC_ANSWERS: readonly number[] = [3, 5, 6, 7, 9, 11, 12, 16];
/** Those of HTTP that say "not now". */
const HTTP_BUSY: readonly number[] = [408, 425, 429];

/** By the status that clients put into `code`: of gRPC below 17, of HTTP from 100. */
export const isTrouble = (error: unknown): boolean => {
  if (error instanceof Fault) return false;
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
  if (typeof code !== 'number') return true;
  return code < 100 ? !GRPC_ANSWERS.includes(code) : code >= 500 || HTTP_BUSY.includes(code);
};
