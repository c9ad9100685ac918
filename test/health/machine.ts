// The vantage machine on a hand-cranked clock: probes it asks for are answered by a function, ticks come when it wants them, everything it says is kept.
import { newOwn, type Own, observe, type VantageInput } from '../../src/health/vantage.ts';
import type { VantageRules, Watched } from '../../src/health/watched.ts';
import { type Beat, type EndpointKey, type EndpointName, endpointKey, type Outcome, targetId, type Vote } from '../../src/model.ts';

export const ok: Outcome = { saw: 'ok', tookMs: 20 };
export const fault: Outcome = { saw: 'fault', reason: 'refused', tookMs: 20, detail: 'refused' };
export const nothing: Outcome = { saw: 'nothing', detail: 'late' };

/** Target of service `web` and its key: `t1` in pool `b`. */
export const id = (target: string, pool = 'b'): string => targetId('web', pool, target);
export const key = (target: string, endpoint: EndpointName = 'healthz', pool = 'b'): EndpointKey => endpointKey(id(target, pool), endpoint);

const ENDPOINTS: readonly EndpointName[] = ['healthz', 'readyz'];

export const watching = (targets: readonly string[], options: { k?: number; home?: boolean; pool?: string } = {}): readonly Watched[] =>
  targets.flatMap((target) =>
    ENDPOINTS.map((endpoint) => ({
      key: key(target, endpoint, options.pool),
      target: id(target, options.pool),
      endpoint,
      rule: { k: options.k ?? 3, spanMs: 2000 },
      home: options.home ?? false,
    })),
  );

export const rulesOf = (watched: readonly Watched[], more: Partial<VantageRules> = {}): VantageRules => ({
  configVersion: 1,
  watched,
  confirmEveryMs: 1000,
  burstMs: 30_000,
  intervalMs: 5000,
  beatMs: 2500,
  ...more,
});

export class Machine {
  nowMs = 0;
  readonly probes: { atMs: number; key: EndpointKey }[] = [];
  readonly votes: { atMs: number; vote: Vote }[] = [];
  readonly beats: { atMs: number; beat: Beat }[] = [];
  /** How a probe the machine asks for is answered, at once; undefined: not at all. */
  answer: (key: EndpointKey) => Outcome | undefined = () => undefined;
  #own: Own;
  #wakeAtMs = 0;

  constructor(rules: VantageRules) {
    this.#own = newOwn('boot-1', 'a', rules, 0);
    this.feed({ kind: 'tick' });
  }

  feed(input: VantageInput): void {
    const step = observe(this.#own, input, this.nowMs);
    this.#own = step.own;
    this.#wakeAtMs = step.wakeAtMs;
    if (step.vote !== undefined) this.votes.push({ atMs: this.nowMs, vote: step.vote });
    if (step.beat !== undefined) this.beats.push({ atMs: this.nowMs, beat: step.beat(this.nowMs, 7, 1_000_000 + this.nowMs) });
    for (const probed of step.probes) {
      this.probes.push({ atMs: this.nowMs, key: probed });
      const outcome = this.answer(probed);
      if (outcome !== undefined) this.look(probed, outcome);
    }
  }

  look(probed: EndpointKey, outcome: Outcome, late = false, scheduled = false): void {
    this.feed({ kind: 'look', observation: { key: probed, startedAtMs: this.nowMs, outcome }, late, scheduled });
  }

  /** Runs to `toMs`, with a tick whenever the machine wants one. */
  runTo(toMs: number): void {
    while (this.#wakeAtMs <= toMs) {
      this.nowMs = Math.max(this.nowMs, this.#wakeAtMs);
      const wanted = this.#wakeAtMs;
      this.feed({ kind: 'tick' });
      if (this.#wakeAtMs <= wanted && this.nowMs === wanted && this.#wakeAtMs <= this.nowMs)
        throw new Error('a tick that wants a tick at once');
    }
    this.nowMs = toMs;
  }

  /** The schedule: one look at each endpoint every interval, for `ms`. */
  watch(ms: number): void {
    const { intervalMs, watched } = this.#own.rules;
    const endMs = this.nowMs + ms;
    for (let at = this.nowMs; at < endMs; at += intervalMs / 2) {
      this.runTo(at);
      const half: EndpointName = (at / (intervalMs / 2)) % 2 === 0 ? 'healthz' : 'readyz';
      for (const w of watched) {
        const outcome = w.endpoint === half ? this.answer(w.key) : undefined;
        if (outcome !== undefined) this.look(w.key, outcome, false, true);
      }
    }
    this.runTo(endMs);
  }

  get vote(): Vote {
    return this.#own.vote;
  }

  /** Instants at which an endpoint was probed beside the schedule. */
  probed(probed: EndpointKey): readonly number[] {
    return this.probes.filter((p) => p.key === probed).map((p) => p.atMs);
  }
}

/** A machine that has seen everything well for long enough to speak, and whose probe log is empty. */
export const warm = (rules: VantageRules): Machine => {
  const machine = new Machine(rules);
  machine.answer = () => ok;
  machine.watch(20_000);
  machine.answer = () => undefined;
  for (const list of [machine.probes, machine.votes, machine.beats]) list.length = 0;
  return machine;
};
