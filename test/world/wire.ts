// The wires of a simulated cluster: what happens to a call between the process that makes it and what serves it. A request may be lost, come late or
// execute after its caller gave up; a reply may be lost; each direction can be cut by itself. Replies arrive by a timer of the caller, so a process that
// is paused or dead hears nothing.
import type { Random } from '../../src/ports.ts';
import type { Virtual, VirtualProcess } from '../virtual.ts';

/** How the wires behave while nothing is cut. All of it is drawn anew for each message. */
export interface Weather {
  /** One way, ms: from, to. */
  delayMs: readonly [number, number];
  /** Probability that a message is lost. */
  lost: number;
  /** Probability that a request is held up for up to `LATE_MS`, and may execute when nobody waits for it any more. */
  late: number;
}

/** No `no`; `both` ways; requests get `out` no more; replies and news come `in` no more. */
export type Cut = 'no' | 'both' | 'out' | 'in';

export interface Caller {
  process: VirtualProcess;
  cut: Cut;
}

const LATE_MS = 9000;

export const sendsNothing = ({ cut }: Caller): boolean => cut === 'both' || cut === 'out';
export const hearsNothing = ({ cut }: Caller): boolean => cut === 'both' || cut === 'in';

export interface WireOptions {
  virtual: Virtual;
  random: Random;
  weather: Weather;
}

export class Wire {
  readonly #options: WireOptions;
  weather: Weather;
  #stalledUntilMs = 0;

  constructor(options: WireOptions) {
    this.#options = options;
    this.weather = options.weather;
  }

  #delayMs(): number {
    const [from, to] = this.weather.delayMs;
    return from === to ? from : from + this.#options.random.unit() * (to - from);
  }

  #chance(probability: number): boolean {
    return probability > 0 && this.#options.random.unit() < probability;
  }

  /** What is served answers nobody for so long; requests under way wait for it. */
  stall(ms: number): void {
    this.#stalledUntilMs = this.#options.virtual.now() + ms;
  }

  /** One way to a caller, if anything gets there. */
  toCaller(caller: Caller, deliver: () => void): void {
    if (!hearsNothing(caller)) caller.process.ports.timers.after(this.#delayMs(), deliver);
  }

  /**
   * `work` there and its answer back, within `patienceMs` by the caller's clock; `lost` says what the caller believes when no answer came. Patience is set as
   * soon as it may be needed, and then runs out as if it had been set at once: nearly every call is answered long before.
   */
  call<T>(caller: Caller, patienceMs: number, work: () => T | Promise<T>, lost: () => Error): Promise<T> {
    const { virtual } = this.#options;
    const { timers } = caller.process.ports;
    return new Promise((resolve, reject) => {
      let waits = true;
      const patience = caller.process.reserve(patienceMs, () => {
        waits = false;
        reject(lost());
      });
      /** By any clock of a world. */
      const mayOutlast = (delayMs: number): void => {
        if (virtual.now() + 2 * delayMs >= patience.dueMs) patience.set();
      };
      const answer = (settle: () => void): void => {
        if (hearsNothing(caller) || this.#chance(this.weather.lost)) return patience.set();
        const delayMs = this.#delayMs();
        mayOutlast(delayMs);
        timers.after(delayMs, () => {
          if (!waits) return;
          if (hearsNothing(caller)) return patience.set();
          waits = false;
          patience.cancel();
          settle();
        });
      };
      const succeed = (value: T): void => answer(() => resolve(value));
      const fail = (error: unknown): void => answer(() => reject(error));
      const arrive = (): void => {
        const waitMs = this.#stalledUntilMs - virtual.now();
        if (waitMs > 0) {
          patience.set();
          // Whether what nobody waits for any more is done in the end is chance.
          if (waitMs < patienceMs || this.#chance(this.weather.late * 10)) virtual.ports.timers.after(waitMs, arrive);
          return;
        }
        let done: T | Promise<T>;
        try {
          done = work();
        } catch (error) {
          fail(error);
          return;
        }
        if (!(done instanceof Promise)) return succeed(done);
        patience.set();
        done.then(succeed, fail);
      };
      if (sendsNothing(caller) || this.#chance(this.weather.lost)) return patience.set();
      const lateMs = this.#chance(this.weather.late) ? this.#options.random.unit() * LATE_MS : 0;
      const delayMs = this.#delayMs() + lateMs;
      mayOutlast(delayMs);
      virtual.ports.timers.after(delayMs, arrive);
    });
  }
}
