// Virtual time: a timeline on which production code runs through the same `Ports` as in life, thousands of seconds per real second, and the
// same way for the same seed. No sockets: `ports.net` throws. Exact semantics, on which scenarios, simulator and benches stand:
// - Time moves only inside `advance` and `advanceUntil`, from one due timer to the next; between timers it stands still. `now()` starts at 0.
// - Timers run in the order of their due time, those due at once in the order they were set, never early; like Node's, a wait is at least 1 ms.
// - After each timer, and at both ends of `advance`, every chain of promises and process.nextTick is run to its end, however long. Real IO
//   (files, sockets, setImmediate, workers) is NOT waited for and has no place here; synchronous IO such as node:sqlite is fine.
// - A timer that throws ends `advance` with that error. Calling `advance` from within itself is refused.
// - A process (`spawn`) has its own clocks, timers, randomness and loop delay. Its monotonic clock starts at a number of its own, so that comparing
//   instants of two processes fails loudly. `pause` is SIGSTOP or a blocked loop: clocks go on, timers wait; `resume` runs the overdue ones late, in
//   due order, at the next advance, and `loopDelay` then tells how long the longest pause was. `kill` drops all its timers for ever.
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
}

export interface Virtual extends VirtualProcess {
  /** Ms of virtual time since the start. */
  now(): number;
  /** Runs everything due within the next `ms`, and leaves the time at exactly `ms` later. `advance(0)` runs what is overdue and settles. */
  advance(ms: number): Promise<void>;
  /** Advances timer by timer until `done()` holds; answers the ms it took, or throws after `limitMs`. */
  advanceUntil(done: () => boolean, limitMs: number): Promise<number>;
  /** `name` seeds its randomness and the start of its monotonic clock; `wallSkewMs` is how far its wall clock is ahead. */
  spawn(name: string, options?: { wallSkewMs?: number }): VirtualProcess;
  /** Timers still to run, of all processes: a test of stopping asserts 0. */
  pendingTimers(): number;
}

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  readonly owner: Owner;
  readonly fn: () => void;
  state: 'waiting' | 'cancelled' | 'done';
}

interface Owner {
  state: 'running' | 'paused' | 'dead';
  pausedAtMs: number;
  /** Timers that came due during a pause. */
  overdue: Entry[];
  delays: Set<{ worstMs: number }>;
}

const before = (a: Entry, b: Entry): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);

/** Binary heap by due time, then order of setting. */
class Agenda {
  #heap: Entry[] = [];
  peek(): Entry | undefined {
    return this.#heap[0];
  }
  push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (before(heap[up]!, entry)) break;
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = entry;
  }
  pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (before(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

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
  const byte = (): string =>
    Math.floor(unit() * 256)
      .toString(16)
      .padStart(2, '0');
  return { unit, hex: (n) => Array.from({ length: n }, byte).join('') };
};

/** One tick of process.nextTick comes after ALL pending promise work, chains included; the further rounds are for code that itself uses nextTick. */
const SETTLE_ROUNDS = 3;
const settle = async (): Promise<void> => {
  for (let round = 0; round < SETTLE_ROUNDS; round += 1) await new Promise<void>((resolve) => process.nextTick(resolve));
};

const noSockets = (): never => {
  throw new Error('virtual ports have no sockets: hand in a fake of what would open one');
};

export const createVirtual = (options: { startWallMs: number; seed: number | string }): Virtual => {
  const agenda = new Agenda();
  let nowMs = 0;
  let order = 0;
  let waiting = 0;
  let advancing = false;

  const finish = (entry: Entry, state: 'cancelled' | 'done'): void => {
    if (entry.state !== 'waiting') return;
    entry.state = state;
    waiting -= 1;
  };

  const after = (owner: Owner, ms: number, fn: () => void): Timer => {
    if (!Number.isFinite(ms)) throw new Error(`a timer was set for ${ms} ms`);
    order += 1;
    const entry: Entry = { dueMs: nowMs + Math.max(1, ms), order, owner, fn, state: owner.state === 'dead' ? 'cancelled' : 'waiting' };
    if (entry.state === 'waiting') {
      waiting += 1;
      agenda.push(entry);
    }
    return { cancel: () => finish(entry, 'cancelled') };
  };

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

  const createProcess = (name: string, monoStartMs: number, wallSkewMs: number): VirtualProcess => {
    const owner: Owner = { state: 'running', pausedAtMs: 0, overdue: [], delays: new Set() };
    let wallOffsetMs = options.startWallMs + wallSkewMs;
    return {
      ports: {
        clock: { monoMs: () => monoStartMs + nowMs, wallMs: () => Math.floor(wallOffsetMs + nowMs) },
        timers: { after: (ms, fn) => after(owner, ms, fn) },
        random: seededRandom(`${options.seed}/${name}`),
        net: { tcp: noSockets, tls: noSockets, udp: noSockets, listenTcp: noSockets, secureContext: noSockets },
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
        for (const delay of owner.delays) delay.worstMs = Math.max(delay.worstMs, nowMs - owner.pausedAtMs);
        for (const entry of owner.overdue.splice(0)) agenda.push(entry);
      },
      kill() {
        owner.state = 'dead';
        for (const entry of owner.overdue.splice(0)) finish(entry, 'cancelled');
      },
    };
  };

  const take = (entry: Entry): void => {
    agenda.pop();
    if (entry.state !== 'waiting') return;
    if (entry.owner.state === 'paused') entry.owner.overdue.push(entry);
    else if (entry.owner.state === 'dead') finish(entry, 'cancelled');
    else {
      nowMs = Math.max(nowMs, entry.dueMs);
      finish(entry, 'done');
      entry.fn();
    }
  };

  /** Runs timers due up to `untilMs`; answers true as soon as `done()` holds. */
  const run = async (untilMs: number, done: () => boolean): Promise<boolean> => {
    if (advancing) throw new Error('advance was called from within advance; set a timer instead');
    advancing = true;
    try {
      await settle();
      for (;;) {
        if (done()) return true;
        const next = agenda.peek();
        if (next === undefined || next.dueMs > untilMs) break;
        const ran = next.state === 'waiting' && next.owner.state === 'running';
        take(next);
        if (ran) await settle();
      }
      nowMs = untilMs;
      return done();
    } finally {
      advancing = false;
    }
  };

  return {
    ...createProcess('world', 0, 0),
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
      return createProcess(name, monoStartMs, spawned?.wallSkewMs ?? 0);
    },
    pendingTimers: () => waiting,
  };
};
