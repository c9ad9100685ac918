// Runs the schedule: one timer for the next due look, every look counted, and none believed that this process itself has spoilt. A look that started
// late, or that failed while the process was stopped or its event loop blocked, is `nothing`: our own trouble. Rounds missed in a pause are skipped,
// not made up for in one burst. Decides nothing about health; when to confirm a suspicion is the vantage's business (`probeNow`).
import type { EndpointKey, Observation, Outcome } from '../model.ts';
import type { Ports, Timer } from '../ports.ts';
import { createRing, type Due, type Ring } from './schedule.ts';

export interface Entry {
  readonly key: EndpointKey;
  /** See `phaseMs` of the schedule. A key may be entered at several phases. */
  readonly phaseMs: number;
}

export interface RunnerOptions {
  ports: Pick<Ports, 'clock' | 'timers'>;
  intervalMs: number;
  /** Limit of a look, kept by the look itself. One that ends later than that by `lateMs` was held up here. */
  timeoutMs: number;
  /** A look pending this long is told to `onPending`. */
  suspectAfterMs: number;
  /** More than this is late: 250 ms. */
  lateMs: number;
  /** Monotonic instant at which a round starts: see `originOf` of the schedule. */
  originMonoMs: number;
  /** One look. Resolves for anything the world does; a rejection is a bug and is left to stop the process. `signal` aborts when the runner stops. */
  probe(key: EndpointKey, startedAtMs: number, signal: AbortSignal): Promise<Outcome>;
  /**
   * `lateByMs`: how far this process was behind, at the start of the look or during it. Above `lateMs` it was, and should mistrust itself. `scheduled`: the
   * look was made because it was due; else somebody asked for it.
   */
  onObservation(observation: Observation, lateByMs: number, scheduled: boolean): void;
  onPending(key: EndpointKey, startedAtMs: number): void;
  /**
   * Most looks in flight, over all keys. One that is due beyond it is not made and reported as `nothing`, a round late. Looks beside the schedule are made
   * up to half of it: however many are confirmed, what is due has room.
   */
  concurrencyMax: number;
}

export interface Runner {
  /** Replaces the schedule. Looks in flight go on, but what is seen of a key no longer scheduled is not reported. */
  setEntries(entries: readonly Entry[]): void;
  /** One look beside the schedule. Ignored for a key that is not scheduled, that has `IN_FLIGHT_MAX` looks in flight, or without room. */
  probeNow(key: EndpointKey): void;
  inFlight(): number;
  /** Aborts what is in flight and resolves when it has ended. Nothing is reported after the call. */
  stop(): Promise<void>;
}

/** Most looks at one endpoint in flight: confirmation at 1/s with looks of at most 2 s needs three. Guards the target, not us. */
export const IN_FLIGHT_MAX = 4;
/** A round missed by more than this is skipped without a look; a shorter delay still looks, so that a slow minute is not blind. */
const SKIP_AFTER_MS = 1000;
/** How often the runner feels its own pulse while looks are in flight. A gap between beats longer than this and `lateMs` is a stall. */
const PULSE_MS = 100;

/** Notices when this process did not run while it looked: SIGSTOP, a blocked event loop, a starved machine. */
const createPulse = (ports: RunnerOptions['ports'], lateMs: number) => {
  let beatAtMs = ports.clock.monoMs();
  let stall = { endedAtMs: Number.NEGATIVE_INFINITY, ms: 0 };
  let timer: Timer | null = null;
  const feel = (): void => {
    const nowMs = ports.clock.monoMs();
    const ms = nowMs - beatAtMs - PULSE_MS;
    if (ms > lateMs) stall = { endedAtMs: nowMs, ms };
    beatAtMs = nowMs;
  };
  const beat = (): void => {
    feel();
    timer = ports.timers.after(PULSE_MS, beat, { background: true });
  };
  return {
    /** A look starts: what stood still before does not concern it. */
    start(): void {
      if (timer === null) {
        beatAtMs = ports.clock.monoMs();
        beat();
      } else feel();
    },
    /** Ms this process was stalled at some time since `sinceMs`, when a look started; 0: not at all. */
    stalledMs(sinceMs: number): number {
      feel();
      return stall.endedAtMs > sinceMs ? stall.ms : 0;
    },
    /** Nothing is in flight. */
    stop(): void {
      timer?.cancel();
      timer = null;
    },
  };
};

/** A look to be made: when it should have begun, and whether the schedule or somebody's suspicion asked for it. */
interface Wanted {
  key: EndpointKey;
  dueAtMs: number;
  scheduled: boolean;
}

export const createRunner = (options: RunnerOptions): Runner => {
  const { ports, intervalMs, timeoutMs, lateMs, probe } = options;
  const pulse = createPulse(ports, lateMs);
  let stopped = false;
  /** Of each look in flight one of its own: a signal that thousands share is slow to listen to, and slower to leave. */
  const stops = new Set<AbortController>();
  /** Of looks that have ended, which nobody listens to any more: taken again, since to make one costs more than all else about a look's start. */
  const spare: AbortController[] = [];
  const flights = new Map<EndpointKey, number>();
  const landings = new Set<() => void>();
  let keys: ReadonlySet<EndpointKey> = new Set();
  let ring: Ring<Entry> = createRing([], intervalMs, options.originMonoMs);
  let lookedAtMs = ports.clock.monoMs();
  let timer: Timer | null = null;

  const report = ({ key, scheduled }: Wanted, startedAtMs: number, outcome: Outcome, lateByMs: number): void => {
    if (!stopped && keys.has(key)) options.onObservation({ key, startedAtMs, outcome }, lateByMs, scheduled);
  };
  const reportNothing = (wanted: Wanted, startedAtMs: number, detail: string, lateByMs: number): void =>
    report(wanted, startedAtMs, { saw: 'nothing', detail }, lateByMs);

  /** What a look that has just ended is worth. */
  const weigh = (wanted: Wanted, startedAtMs: number, outcome: Outcome): void => {
    const startLateMs = startedAtMs - wanted.dueAtMs;
    const overMs = ports.clock.monoMs() - startedAtMs - timeoutMs;
    const stalledMs = pulse.stalledMs(startedAtMs);
    if (startLateMs > lateMs) reportNothing(wanted, startedAtMs, `started ${Math.round(startLateMs)} ms late`, startLateMs);
    else if (outcome.saw !== 'fault') report(wanted, startedAtMs, outcome, startLateMs);
    else if (stalledMs > 0)
      reportNothing(wanted, startedAtMs, `this process stood still for ${Math.round(stalledMs)} ms meanwhile`, stalledMs);
    else if (overMs > lateMs) reportNothing(wanted, startedAtMs, `ended ${Math.round(overMs)} ms after its deadline`, overMs);
    else report(wanted, startedAtMs, outcome, startLateMs);
  };

  const fly = async (wanted: Wanted): Promise<void> => {
    const { key } = wanted;
    const startedAtMs = ports.clock.monoMs();
    const startLateMs = startedAtMs - wanted.dueAtMs;
    pulse.start();
    const suspicion = ports.timers.after(options.suspectAfterMs, () => {
      const trusted = startLateMs <= lateMs && pulse.stalledMs(startedAtMs) === 0;
      if (trusted && !stopped && keys.has(key)) options.onPending(key, startedAtMs);
    });
    const stop = spare.pop() ?? new AbortController();
    stops.add(stop);
    flights.set(key, (flights.get(key) ?? 0) + 1);
    let outcome: Outcome;
    try {
      outcome = await probe(key, startedAtMs, stop.signal);
    } finally {
      suspicion.cancel();
      stops.delete(stop);
      spare.push(stop);
      const left = (flights.get(key) ?? 1) - 1;
      if (left > 0) flights.set(key, left);
      else flights.delete(key);
      if (stops.size === 0) {
        pulse.stop();
        for (const landed of landings) landed();
      }
    }
    weigh(wanted, startedAtMs, outcome);
  };

  const start = (wanted: Wanted): void => {
    if ((flights.get(wanted.key) ?? 0) >= IN_FLIGHT_MAX) return;
    const room = wanted.scheduled ? options.concurrencyMax : options.concurrencyMax / 2;
    if (stops.size < room) void fly(wanted);
    else if (wanted.scheduled) reportNothing(wanted, wanted.dueAtMs, `${stops.size} looks in flight, the limit here`, intervalMs);
  };

  const startDue = ({ entry, dueAtMs }: Due<Entry>): void => {
    const lateByMs = ports.clock.monoMs() - dueAtMs;
    const wanted: Wanted = { key: entry.key, dueAtMs, scheduled: true };
    if (lateByMs > SKIP_AFTER_MS) reportNothing(wanted, dueAtMs, `skipped: ${Math.round(lateByMs)} ms late`, lateByMs);
    else start(wanted);
  };

  const startAllDue = (): void => {
    const nowMs = ports.clock.monoMs();
    const due = ring.due(lookedAtMs, nowMs);
    lookedAtMs = nowMs;
    for (const item of due) startDue(item);
  };

  const arm = (): void => {
    timer?.cancel();
    const nextMs = stopped ? null : ring.nextDueMs(lookedAtMs);
    if (nextMs === null) return;
    timer = ports.timers.after(Math.ceil(nextMs - ports.clock.monoMs()), () => {
      startAllDue();
      arm();
    });
  };

  return {
    setEntries(entries) {
      startAllDue();
      keys = new Set(entries.map((entry) => entry.key));
      ring = createRing(entries, intervalMs, options.originMonoMs);
      arm();
    },
    probeNow(key) {
      if (keys.has(key) && !stopped) start({ key, dueAtMs: ports.clock.monoMs(), scheduled: false });
    },
    inFlight: () => stops.size,
    stop() {
      stopped = true;
      timer?.cancel();
      for (const flight of stops) flight.abort();
      return stops.size === 0 ? Promise.resolve() : new Promise((resolve) => landings.add(resolve));
    },
  };
};
