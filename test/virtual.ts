// Virtual time: a timeline on which production code runs through the same `Ports` as in life, thousands of seconds per real second, and the
// same way for the same seed. No sockets: `ports.net` throws. Exact semantics, on which scenarios, simulator and benches stand:
// - Time moves only inside `advance` and `advanceUntil`, from one due timer to the next; between timers it stands still. `now()` starts at 0.
// - Timers run in the order of their due time, those due at once in the order they were set, never early; like Node's, a wait is at least 1 ms.
// - After each timer, and at both ends of `advance`, every chain of promises and process.nextTick is run to its end, however long. Real IO
//   (files, sockets, setImmediate, workers) is NOT waited for and has no place here; synchronous IO such as node:sqlite is fine.
// - A timer that throws ends `advance` with that error. Calling `advance` from within itself is refused.
// - A process (`spawn`) has its own clocks, timers, randomness and loop delay. Its monotonic clock starts at a number of its own, so that comparing
//   instants of two processes fails loudly. `rate` is how fast that clock runs, and with it its timers, which are never early by it; wall clocks run true.
//   `pause` is SIGSTOP or a blocked loop: clocks go on, timers wait; `resume` runs the overdue ones late, in due order, at the next advance, and
//   `loopDelay` then tells how long the longest pause was. `kill` drops all its timers for ever, `crashAfter` does so in place of one of them.
//   Promises belong to no process: deliver a message by a timer of the RECEIVER.
// - The virtual's own ports are those of a process that starts at 0 and wall time `startWallMs`; use it for the world itself.
import type { LoopDelay, Ports, Random, Timer } from '../src/ports.ts';

export interface VirtualProcess {
  readonly ports: Ports;
  /** The wall clock jumps by `ms`, forwards or back; the monotonic clock does not. */
  stepWall(ms: number): void;
  pause(): void;
  resume(): void;
  kill(): void;
  /**
   * The process is killed in place of running its n-th next timer from now, at that timer's instant; then `onCrash` runs. Overdue timers count, cancelled
   * ones do not. A new call takes the place of an earlier one.
   */
  crashAfter(n: number, onCrash?: () => void): void;
  /** A timer that is mostly not needed: it runs, if it is `set` before it is due, when and in the order in which it would have if it had been set now. */
  reserve(ms: number, fn: () => void): Reserved;
}

export interface Reserved extends Timer {
  /** Virtual time at which it would run. */
  readonly dueMs: number;
  /** Nothing happens the second time, or after `cancel`. */
  set(): void;
}

export interface Virtual extends VirtualProcess {
  /** Ms of virtual time since the start. */
  now(): number;
  /** Runs everything due within the next `ms`, and leaves the time at exactly `ms` later. `advance(0)` runs what is overdue and settles. */
  advance(ms: number): Promise<void>;
  /** Advances timer by timer until `done()` holds; answers the ms it took, or throws after `limitMs`. */
  advanceUntil(done: () => boolean, limitMs: number): Promise<number>;
  /**
   * `name` seeds its randomness and the start of its monotonic clock; `wallSkewMs` is how far its wall clock is ahead. `rate`: ms of its monotonic clock
   * per ms of virtual time, 1 by default.
   */
  spawn(name: string, options?: { wallSkewMs?: number; rate?: number }): VirtualProcess;
  /** Timers still to run, of all processes: a test of stopping asserts 0. */
  pendingTimers(): number;
  /** Timers that have run, of all processes: what a world has to do at the least. */
  timersRun(): number;
}

interface Owner {
  state: 'running' | 'paused' | 'dead';
  pausedAtMs: number;
  /** Timers that came due during a pause. */
  overdue: Entry[];
  delays: Set<{ worstMs: number }>;
  crash: { timersLeft: number; onCrash: () => void } | null;
}

/** A timer; it is also what its setter holds to cancel it. */
class Entry implements Reserved {
  readonly dueMs: number;
  readonly order: number;
  readonly owner: Owner;
  readonly #agenda: Agenda;
  #fn: (() => void) | null;
  #state: 'reserved' | 'waiting' | 'over' = 'reserved';

  constructor(dueMs: number, order: number, owner: Owner, fn: () => void, agenda: Agenda) {
    this.dueMs = dueMs;
    this.order = order;
    this.owner = owner;
    this.#fn = fn;
    this.#agenda = agenda;
  }

  get isWaiting(): boolean {
    return this.#state === 'waiting';
  }

  set(): void {
    if (this.#state !== 'reserved') return;
    this.#state = this.owner.state === 'dead' ? 'over' : 'waiting';
    if (this.#state === 'over') return;
    this.#agenda.waiting++;
    this.#agenda.push(this);
  }

  cancel(): void {
    if (this.#state === 'waiting') this.#agenda.waiting--;
    this.#state = 'over';
    this.#fn = null;
  }

  run(): void {
    const fn = this.#fn;
    this.cancel();
    fn?.();
  }
}

/** Fewer dead entries than this are not worth sweeping. */
const DEAD_MIN = 1024;

/**
 * Binary heap by due time, then order of setting; both lie beside the entries, so that a comparison follows no reference. What was cancelled stays until its
 * time comes, or until it is the greater part.
 */
class Agenda {
  readonly #entries: Entry[] = [];
  readonly #dueMs: number[] = [];
  readonly #orders: number[] = [];
  /** Timers still to run, those of paused processes included. */
  waiting = 0;

  /** The next one, which is left there; undefined: there is none. */
  peek(): Entry | undefined {
    for (;;) {
      const first = this.#entries[0];
      if (first === undefined || first.isWaiting) return first;
      this.shift();
    }
  }

  push(entry: Entry): void {
    if (this.#entries.length > DEAD_MIN && this.#entries.length > 4 * this.waiting) this.#sweep();
    this.#rise(entry);
  }

  /** Takes the first one off. */
  shift(): void {
    const last = this.#entries.pop()!;
    const dueMs = this.#dueMs.pop()!;
    const order = this.#orders.pop()!;
    if (this.#entries.length > 0) this.#sink(last, dueMs, order);
  }

  #sweep(): void {
    const left = this.#entries.filter((entry) => entry.isWaiting);
    for (const list of [this.#entries, this.#dueMs, this.#orders]) list.length = 0;
    for (const entry of left) this.#rise(entry);
  }

  /** From the end to its place. */
  #rise(entry: Entry): void {
    const [entries, dues, orders] = [this.#entries, this.#dueMs, this.#orders];
    const { dueMs, order } = entry;
    let at = entries.length;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const above = dues[up]!;
      if (above < dueMs || (above === dueMs && orders[up]! < order)) break;
      entries[at] = entries[up]!;
      dues[at] = above;
      orders[at] = orders[up]!;
      at = up;
    }
    entries[at] = entry;
    dues[at] = dueMs;
    orders[at] = order;
  }

  /** From the top to its place. */
  #sink(entry: Entry, dueMs: number, order: number): void {
    const [entries, dues, orders] = [this.#entries, this.#dueMs, this.#orders];
    const { length } = entries;
    let at = 0;
    for (let child = 1; child < length; child = 2 * at + 1) {
      const right = child + 1;
      if (right < length && (dues[right]! < dues[child]! || (dues[right] === dues[child] && orders[right]! < orders[child]!)))
        child = right;
      const below = dues[child]!;
      if (dueMs < below || (dueMs === below && order < orders[child]!)) break;
      entries[at] = entries[child]!;
      dues[at] = below;
      orders[at] = orders[child]!;
      at = child;
    }
    entries[at] = entry;
    dues[at] = dueMs;
    orders[at] = order;
  }
}

/** `00` to `ff`. */
const BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Deterministic stream of numbers in [0, 1): mulberry32 over an FNV-1a hash of the seed's text. Not for secrets. */
export const seededRandom = (seed: string): Random => {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(seed)) state = Math.imul(state ^ byte, 0x01000193) >>> 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const hex = (n: number): string => {
    let digits = '';
    for (let i = 0; i < n; i += 1) digits += BYTES[Math.floor(unit() * 256)];
    return digits;
  };
  return { unit, hex };
};

/**
 * Runs all that is pending of process.nextTick and promises, and all that follows from it, to its end before it returns. No documented function does: Node
 * itself calls this one after each callback. An await of process.nextTick per timer costs more than most timers do, and waits for one round only.
 */
const { _tickCallback: settle } = process as unknown as { _tickCallback: () => void };

/** Calls `work` outside of any promise's callback: inside of one, Node runs no other. */
const fromTick = <T>(work: () => T): Promise<T> =>
  new Promise((resolve, reject) => {
    process.nextTick(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error);
      }
    });
  });

const noSockets = (): never => {
  throw new Error('virtual ports have no sockets: hand in a fake of what would open one');
};

export const createVirtual = (options: { startWallMs: number; seed: number | string }): Virtual => {
  const agenda = new Agenda();
  let nowMs = 0;
  let order = 0;
  let advancing = false;
  let timersRun = 0;

  const loopDelay = (owner: Owner): LoopDelay => {
    const delay = { worstMs: 0 };
    owner.delays.add(delay);
    return {
      p99Ms() {
        const ms = delay.worstMs;
        delay.worstMs = 0;
        return ms;
      },
      close: () => owner.delays.delete(delay),
    };
  };

  const createProcess = (name: string, monoStartMs: number, wallSkewMs: number, rate: number): VirtualProcess => {
    const owner: Owner = { state: 'running', pausedAtMs: 0, overdue: [], delays: new Set(), crash: null };
    let wallOffsetMs = options.startWallMs + wallSkewMs;
    const monoAt = (atMs: number): number => monoStartMs + atMs * rate;

    const reserve = (ms: number, fn: () => void): Entry => {
      if (!Number.isFinite(ms)) throw new Error(`a timer was set for ${ms} ms`);
      const waitMs = Math.max(1, ms);
      const wantedMonoMs = monoAt(nowMs) + waitMs;
      let dueMs = nowMs + waitMs / rate;
      // Sums of fractions are rounded: a hair later, until the clock shows the whole wait.
      for (let hairMs = 2 ** -24; monoAt(dueMs) < wantedMonoMs; hairMs *= 2) dueMs += hairMs;
      order += 1;
      return new Entry(dueMs, order, owner, fn, agenda);
    };
    const after = (ms: number, fn: () => void): Timer => {
      const entry = reserve(ms, fn);
      entry.set();
      return entry;
    };

    return {
      ports: {
        clock: { monoMs: () => monoAt(nowMs), wallMs: () => Math.floor(wallOffsetMs + nowMs) },
        timers: { after },
        random: seededRandom(`${options.seed}/${name}`),
        net: {
          tcp: noSockets,
          tls: noSockets,
          udp: noSockets,
          listenTcp: noSockets,
          http2: noSockets,
          secureContext: noSockets,
          pinnedContext: noSockets,
        },
        loopDelay: () => loopDelay(owner),
      },
      stepWall(ms) {
        wallOffsetMs += ms;
      },
      pause() {
        if (owner.state !== 'running') return;
        owner.state = 'paused';
        owner.pausedAtMs = nowMs;
      },
      resume() {
        if (owner.state !== 'paused') return;
        owner.state = 'running';
        const pausedMs = (nowMs - owner.pausedAtMs) * rate;
        for (const delay of owner.delays) delay.worstMs = Math.max(delay.worstMs, pausedMs);
        for (const entry of owner.overdue.splice(0)) if (entry.isWaiting) agenda.push(entry);
      },
      kill: () => kill(owner),
      reserve,
      crashAfter(n, onCrash = () => undefined) {
        if (!Number.isInteger(n) || n < 1) throw new Error(`a crash after ${n} timers: a whole number from 1 is needed`);
        owner.crash = { timersLeft: n, onCrash };
      },
    };
  };

  const kill = (owner: Owner): void => {
    owner.state = 'dead';
    owner.crash = null;
    for (const entry of owner.overdue.splice(0)) entry.cancel();
  };

  /** Whether the process died in place of running this timer. */
  const crashed = (owner: Owner): boolean => {
    const { crash } = owner;
    if (crash === null) return false;
    crash.timersLeft -= 1;
    if (crash.timersLeft > 0) return false;
    kill(owner);
    crash.onCrash();
    return true;
  };

  /** The next timer runs, or leaves the agenda for another reason. */
  const take = (entry: Entry): void => {
    agenda.shift();
    const { owner } = entry;
    if (owner.state === 'paused') owner.overdue.push(entry);
    else if (owner.state === 'dead') entry.cancel();
    else {
      nowMs = Math.max(nowMs, entry.dueMs);
      if (crashed(owner)) entry.cancel();
      else entry.run();
      timersRun += 1;
      settle();
    }
  };

  /** Runs timers due up to `untilMs`; answers true as soon as `done()` holds. */
  const run = async (untilMs: number, done: () => boolean): Promise<boolean> => {
    if (advancing) throw new Error('advance was called from within advance; set a timer instead');
    advancing = true;
    try {
      return await fromTick(() => {
        settle();
        for (;;) {
          if (done()) return true;
          const next = agenda.peek();
          if (next === undefined || next.dueMs > untilMs) break;
          take(next);
        }
        nowMs = untilMs;
        return done();
      });
    } finally {
      advancing = false;
    }
  };

  return {
    ...createProcess('world', 0, 0, 1),
    now: () => nowMs,
    async advance(ms) {
      await run(nowMs + ms, () => false);
    },
    async advanceUntil(done, limitMs) {
      const startMs = nowMs;
      if (!(await run(startMs + limitMs, done))) throw new Error(`not so within ${limitMs} virtual ms`);
      return nowMs - startMs;
    },
    spawn(name, spawned) {
      const monoStartMs = Math.floor(seededRandom(`${options.seed}/${name}/mono`).unit() * 1e9);
      return createProcess(name, monoStartMs, spawned?.wallSkewMs ?? 0, spawned?.rate ?? 1);
    },
    pendingTimers: () => agenda.waiting,
    timersRun: () => timersRun,
  };
};
