// Years of watching in seconds: the production vantage machines, schedule and tally in a loop of its own, without promises. While all is well it leaps to
// the next look that will fail; what the machines remember (last good looks, beats) is as if they had made every look between. Votes and hints take time
// to arrive. It decides nothing: it notes when the tally takes a pool out, which is the most that could be drained.
import type { SelfFacts } from '../../../src/health/abstain.ts';
import type { Heard } from '../../../src/health/chamber.ts';
import { isSuspect } from '../../../src/health/opinion.ts';
import { tally } from '../../../src/health/quorum.ts';
import { newOwn, type Own, observe, type VantageInput } from '../../../src/health/vantage.ts';
import type { Beat, ClusterConfig, EndpointKey, Outcome, TargetId, Vote } from '../../../src/model.ts';
import { rulesOf, watchedBy } from '../../../src/probe/watching.ts';
import { Looks, type Loss } from './loss.ts';

export type Range = readonly [leastMs: number, mostMs: number];

export interface VigilOptions {
  cluster: ClusterConfig;
  seed: number;
  /** The path from a region's vantage to a target. */
  loss: (region: string, target: TargetId) => Loss;
  /** A look that succeeds takes so long. */
  okMs?: number;
  /** A look that fails is known to after so long. */
  failMs: number;
  /** From a vantage's word to its being in the store. */
  writeMs?: Range;
  /** From there to the other vantages. */
  hearMs?: Range;
  /** Leap over quiet time. The result is the same without. */
  leap?: boolean;
}

/** A look that is well is known after so long. */
export const OK_MS = 20;
/** With both, a hint takes 100 to 350 ms, as at a round trip of 110 ms. */
export const WRITE_MS: Range = [50, 175];
export const HEAR_MS: Range = [50, 175];

interface Path {
  loss: Loss;
  looks: Looks;
}

interface Seat {
  region: string;
  index: number;
  own: Own;
  alive: boolean;
  wakeAtMs: number;
  paths: ReadonlyMap<TargetId, Path>;
  lossOf: ReadonlyMap<EndpointKey, Loss>;
  /** Its last words arrive in the order in which it said them. */
  arrivedAtMs: number;
  heard: { vote: Vote; beat: Beat; atMs: number } | null;
}

export interface Drain {
  /** When the tally took the pool out. */
  atMs: number;
  pool: string;
  /** Regions that held a /readyz of it down. */
  by: readonly string[];
}

interface Due {
  atMs: number;
  run: () => void;
}

interface Slot {
  phaseMs: number;
  seat: Seat;
  key: EndpointKey;
}

/** A drain lasts at least this long (the hold before traffic returns): what the tally says meanwhile is the same drain. */
const SAME_DRAIN_MS = 60_000;

/** In [0, 1), the same for the same numbers: what a delay is must not depend on how many were asked for before. */
const noise = (seed: number, index: number, atMs: number): number => {
  let h = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35) ^ Math.imul((atMs % 4_294_967_296) | 0, 0x27d4eb2f);
  h = Math.imul(h ^ (h >>> 15) ^ Math.floor(atMs / 4_294_967_296), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 32;
};

const isAtEase = ({ own }: Seat): boolean => {
  if (own.bursts.under.size > 0 || own.beatDue || own.vote.self.state !== 'ok') return false;
  if (own.vote.down.length + own.vote.unready.length + own.vote.unknown.length > 0) return false;
  for (const opinion of own.opinions.values()) if (isSuspect(opinion) || opinion.state !== 'up') return false;
  return true;
};

export class Vigil {
  nowMs = 0;
  /** Each drain once. */
  readonly drains: Drain[] = [];
  /** Looks begun, for a feeling of the work. */
  looks = 0;
  readonly #options: Required<VigilOptions>;
  readonly #seats: readonly Seat[];
  readonly #slots: readonly Slot[];
  readonly #intervalMs: number;
  readonly #manyTargets: boolean;
  readonly #agenda: Due[] = [];
  #round = 0;
  #slot = 0;
  /** The last scheduled look that was begun, or leapt over. */
  #beganMs = -1;
  #outAtMs = new Map<string, number>();
  #untilMs = 0;

  constructor(options: VigilOptions) {
    this.#options = { okMs: OK_MS, writeMs: WRITE_MS, hearMs: HEAR_MS, leap: true, ...options };
    const { cluster } = options;
    this.#intervalMs = cluster.policy.intervalMs;
    const slots: Slot[] = [];
    this.#seats = cluster.regions.map(({ name: region }, index) => {
      const watched = watchedBy(cluster, region);
      const paths = new Map(
        [...Map.groupBy(watched, (w) => w.target)].map(([target, endpoints]): [TargetId, Path] => [
          target,
          {
            loss: options.loss(region, target),
            looks: new Looks(
              endpoints.map((w) => w.phaseMs),
              cluster.policy.intervalMs,
            ),
          },
        ]),
      );
      const lossOf = new Map(watched.map((w): [EndpointKey, Loss] => [w.key, paths.get(w.target)!.loss]));
      const own = newOwn(`boot ${region}`, 'a', rulesOf(cluster, watched), 0);
      const seat: Seat = { region, index, own, alive: true, wakeAtMs: 0, paths, lossOf, arrivedAtMs: 0, heard: null };
      for (const w of watched) slots.push({ phaseMs: w.phaseMs, seat, key: w.key });
      return seat;
    });
    this.#slots = slots.sort((a, b) => a.phaseMs - b.phaseMs);
    this.#manyTargets = new Set(slots.map((s) => s.key)).size > 2;
  }

  own(region: string): Own {
    return this.#seat(region).own;
  }

  #seat(region: string): Seat {
    const seat = this.#seats.find((s) => s.region === region);
    if (seat === undefined) throw new Error(`no region ${region}`);
    return seat;
  }

  /** When a region's vantage looks at the first target, by the schedule. */
  looksOf(region: string): Looks {
    return [...this.#seat(region).paths.values()][0]!.looks;
  }

  /** The region's vantage is gone without a word. */
  kill(region: string): void {
    this.#seat(region).alive = false;
  }

  /** What a self-check finds. */
  facts(region: string, facts: SelfFacts): void {
    this.#feed(this.#seat(region), { kind: 'self', facts });
  }

  /** Nothing under way, nobody in doubt, everybody heard: nothing will happen before the next look that fails. */
  isQuiet(): boolean {
    return this.#agenda.length === 0 && this.#seats.every((seat) => !seat.alive || isAtEase(seat));
  }

  /** Runs to `untilMs`, or until `over` says so; it is asked after every event. */
  run(untilMs: number, over: () => boolean = () => false): void {
    this.#untilMs = untilMs;
    while (!over()) {
      if (this.#options.leap && this.#agenda.length === 0) this.#leap();
      if (!this.#step()) break;
    }
    if (this.nowMs < untilMs && !over()) this.nowMs = untilMs;
  }

  /** The next event; false: none until the end. */
  #step(): boolean {
    const due = this.#agenda[0]?.atMs ?? Number.POSITIVE_INFINITY;
    let waking: Seat | null = null;
    for (const seat of this.#seats) if (seat.alive && seat.wakeAtMs < (waking?.wakeAtMs ?? Number.POSITIVE_INFINITY)) waking = seat;
    const wakeAtMs = waking?.wakeAtMs ?? Number.POSITIVE_INFINITY;
    const slot = this.#slots[this.#slot]!;
    const slotAtMs = this.#round * this.#intervalMs + slot.phaseMs;
    const atMs = Math.min(due, wakeAtMs, slotAtMs);
    if (atMs > this.#untilMs) return false;
    this.nowMs = Math.max(this.nowMs, atMs);
    if (due === atMs) this.#agenda.shift()!.run();
    else if (waking !== null && wakeAtMs === atMs) this.#feed(waking, { kind: 'tick' });
    else {
      this.#beganMs = slotAtMs;
      this.#slot++;
      if (this.#slot === this.#slots.length) {
        this.#slot = 0;
        this.#round++;
      }
      this.#look(slot.seat, slot.key);
    }
    return true;
  }

  /** Far enough before the next failing look that every endpoint is looked at, and every vantage heard, once more before it. */
  #leap(): void {
    const nextMs = this.#round * this.#intervalMs + this.#slots[this.#slot]!.phaseMs;
    if (nextMs <= this.nowMs || !this.isQuiet()) return;
    let failingMs = this.#untilMs;
    for (const { alive, paths } of this.#seats)
      if (alive) for (const { loss, looks } of paths.values()) failingMs = Math.min(failingMs, loss.firstFailing(looks, this.#beganMs));
    const { beatMs } = this.#options.cluster.policy;
    const toMs = Math.floor(failingMs) - this.#intervalMs - 2 * beatMs;
    if (toMs - this.nowMs < this.#intervalMs) return;
    for (const seat of this.#seats) {
      if (!seat.alive) continue;
      for (const { loss, looks } of seat.paths.values()) loss.passed(looks, this.#beganMs, toMs);
      // The beats between were made on time, each one span after the last; the last of them is made now.
      const beats = Math.floor((toMs - seat.own.beatAtMs) / beatMs);
      if (beats > 0) seat.wakeAtMs = seat.own.beatAtMs + beats * beatMs;
    }
    this.#beganMs = toMs;
    this.#round = Math.floor(toMs / this.#intervalMs);
    const within = toMs - this.#round * this.#intervalMs;
    this.#slot = this.#slots.findIndex((s) => s.phaseMs > within);
    if (this.#slot < 0) {
      this.#slot = 0;
      this.#round++;
    }
  }

  #feed(seat: Seat, input: VantageInput): void {
    if (!seat.alive) return;
    const step = observe(seat.own, input, this.nowMs);
    seat.own = step.own;
    seat.wakeAtMs = Math.max(step.wakeAtMs, this.nowMs + 1);
    for (const key of step.probes) this.#look(seat, key);
    if (step.beat !== undefined) this.#say(seat, step.own.vote, step.beat(this.nowMs, 0, this.nowMs));
  }

  #look(seat: Seat, key: EndpointKey): void {
    const loss = seat.lossOf.get(key);
    if (loss === undefined || !seat.alive) return;
    this.looks++;
    const { okMs, failMs, cluster } = this.#options;
    const startedAtMs = this.nowMs;
    const fails = loss.fails(startedAtMs, key);
    const outcome: Outcome = fails ? { saw: 'fault', reason: 'timeout', tookMs: failMs, detail: 'lost' } : { saw: 'ok', tookMs: okMs };
    // The runner arms its suspicion before the look, so at the same instant it comes first.
    if (fails && failMs >= cluster.policy.suspectAfterMs)
      this.#after(cluster.policy.suspectAfterMs, () => this.#feed(seat, { kind: 'pending', key, startedAtMs }));
    // Gray failures are another bench's: no look counts as scheduled here.
    const observation = { key, startedAtMs, outcome };
    this.#after(fails ? failMs : okMs, () => this.#feed(seat, { kind: 'look', observation, late: false, scheduled: false }));
  }

  #say(seat: Seat, vote: Vote, beat: Beat): void {
    const { seed, writeMs, hearMs } = this.#options;
    const saidAtMs = this.nowMs;
    const between = ([least, most]: Range, salt: number): number =>
      Math.round(least + noise(seed, seat.index * 64 + salt, saidAtMs) * (most - least));
    seat.arrivedAtMs = Math.max(seat.arrivedAtMs, saidAtMs + between(writeMs, 0));
    this.#after(seat.arrivedAtMs - saidAtMs, () => {
      const before = seat.heard?.vote;
      seat.heard = { vote, beat, atMs: this.nowMs };
      if (before !== vote) this.#count();
      const keys = Object.keys(beat.suspects);
      for (const other of this.#seats) {
        if (other === seat || !other.alive || (keys.length === 0 && !this.#manyTargets)) continue;
        this.#after(between(hearMs, other.index + 1), () => {
          if (keys.length > 0) this.#feed(other, { kind: 'hints', from: seat.region, keys });
          // With a single target nobody can be alone with bad news of half of them.
          if (this.#manyTargets) this.#feed(other, { kind: 'others', votes: this.#votesBut(other) });
        });
      }
    });
  }

  #votesBut(self: Seat): { region: string; vote: Vote }[] {
    const { freshMs } = this.#options.cluster.policy;
    return this.#seats.flatMap(({ region, heard }) =>
      region === self.region || heard === null || this.nowMs - heard.atMs > freshMs ? [] : [{ region, vote: heard.vote }],
    );
  }

  #after(ms: number, run: () => void): void {
    const atMs = this.nowMs + ms;
    let i = this.#agenda.length;
    while (i > 0 && this.#agenda[i - 1]!.atMs > atMs) i--;
    this.#agenda.splice(i, 0, { atMs, run });
  }

  /** Counts the votes as they lie in the store now. */
  #count(): void {
    // Nobody complains: nothing is out.
    if (!this.#seats.some(({ heard }) => heard !== null && heard.vote.down.length + heard.vote.unready.length > 0)) return;
    const heard = this.#seats.flatMap(({ region, heard: h }): Heard[] =>
      h === null ? [] : [{ region, replica: 'a', key: `vote/${region}/a`, vote: h.vote, beat: h.beat, ageMs: this.nowMs - h.atMs }],
    );
    for (const { pool, verdict, targets } of tally(this.#options.cluster, heard, this.nowMs)) {
      if (verdict !== 'out') continue;
      const lastMs = this.#outAtMs.get(pool);
      this.#outAtMs.set(pool, this.nowMs);
      if (lastMs === undefined || this.nowMs - lastMs > SAME_DRAIN_MS) {
        const by = new Set(
          targets.flatMap((t) =>
            Object.entries(t.endpoints.readyz?.ballots ?? {}).flatMap(([region, ballot]) => (ballot === 'down' ? [region] : [])),
          ),
        );
        this.drains.push({ atMs: this.nowMs, pool, by: [...by].sort() });
      }
    }
  }
}
