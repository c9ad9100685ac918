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

/** A caller's. */
interface Patience {
  waits: boolean;
  readonly ms: number;
  set(): void;
  /** Something is under way for so long: set, unless it surely outlasts that. */
  outlasts(delayMs: number): void;
  end(): void;
}

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
   * `work` there and its answer back, within `patienceMs` by the caller's clock; `lost` says what the caller believes when no answer came, `hear` what it makes
   * of one as it comes.
   */
  call<T, H = T>(
    caller: Caller,
    patienceMs: number,
    work: () => T | Promise<T>,
    lost: () => Error,
    hear = (answer: T): H => answer as unknown as H,
  ): Promise<H> {
    return new Promise((resolve, reject) => {
      const patience = this.#patience(caller, patienceMs, () => reject(lost()));
      const succeed = (value: T): void =>
        this.#answer(caller, patience, () => {
          try {
            resolve(hear(value));
          } catch (error) {
            reject(error);
          }
        });
      const fail = (error: unknown): void => this.#answer(caller, patience, () => reject(error));
      this.#request(caller, patience, () => {
        try {
          const done = work();
          if (!(done instanceof Promise)) succeed(done);
          else {
            patience.set();
            done.then(succeed, fail);
          }
        } catch (error) {
          fail(error);
        }
      });
    });
  }

  /** Nearly every call is answered long before: it is set as soon as it may be needed, and then runs out as if it had been set at once. */
  #patience(caller: Caller, ms: number, end: () => void): Patience {
    const { virtual } = this.#options;
    const reserved = caller.process.reserve(ms, () => {
      patience.waits = false;
      end();
    });
    const patience: Patience = {
      waits: true,
      ms,
      set: () => reserved.set(),
      outlasts(delayMs) {
        // By any clock of a world.
        if (virtual.now() + 2 * delayMs >= reserved.dueMs) reserved.set();
      },
      end() {
        patience.waits = false;
        reserved.cancel();
      },
    };
    return patience;
  }

  #request(caller: Caller, patience: Patience, arrived: () => void): void {
    const { virtual, random } = this.#options;
    const arrive = (): void => {
      const waitMs = this.#stalledUntilMs - virtual.now();
      if (waitMs <= 0) {
        arrived();
        return;
      }
      patience.set();
      // Whether what nobody waits for any more is done in the end is chance.
      if (waitMs < patience.ms || this.#chance(this.weather.late * 10)) virtual.ports.timers.after(waitMs, arrive);
    };
    if (sendsNothing(caller) || this.#chance(this.weather.lost)) {
      patience.set();
      return;
    }
    const lateMs = this.#chance(this.weather.late) ? random.unit() * LATE_MS : 0;
    const delayMs = this.#delayMs() + lateMs;
    patience.outlasts(delayMs);
    virtual.ports.timers.after(delayMs, arrive);
  }

  #answer(caller: Caller, patience: Patience, settle: () => void): void {
    if (hearsNothing(caller) || this.#chance(this.weather.lost)) {
      patience.set();
      return;
    }
    const delayMs = this.#delayMs();
    patience.outlasts(delayMs);
    caller.process.ports.timers.after(delayMs, () => {
      if (!patience.waits) return;
      if (hearsNothing(caller)) patience.set();
      else {
        patience.end();
        settle();
      }
    });
  }
}
