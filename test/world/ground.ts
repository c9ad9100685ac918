// The ground under a simulated cluster: how every endpoint really answers, which ways from a region are broken, and since when. Votes and decisions never
// see this file; checkers compare what was decided with it. Deterministic for its random stream.
import type { ClusterConfig, EndpointName, Outcome, ProbeSpec } from '../../src/model.ts';
import type { Ports, Random } from '../../src/ports.ts';

/** `slow`: an answer that takes longer than the suspicion threshold and comes before the timeout. A number: this fraction of looks
 * ends in an error. */
export type Health = 'ok' | 'refuse' | 'hang' | 'error' | 'slow' | number;

export interface GroundOptions {
  nowMs: () => number;
  random: Random;
  /** A look at a healthy target takes this long. */
  lookMs: number;
}

/** Since when something has been as it is, and when it was last otherwise. */
interface Track {
  broken: boolean;
  changedAtMs: number;
}

const NEVER: Track = { broken: false, changedAtMs: Number.NEGATIVE_INFINITY };

/** What is to end when a signal aborts: to listen to it anew for each look would cost more than the look. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

const waitingFor = (signal: AbortSignal): Set<() => void> => {
  const known = waiting.get(signal);
  if (known !== undefined) return known;
  const ends = new Set<() => void>();
  waiting.set(signal, ends);
  signal.addEventListener('abort', () => {
    for (const end of ends) end();
  });
  return ends;
};

/** `outcome` after `ms`, or at once when nobody waits for it any more. Most looks end long before anybody asks. */
const after = ({ timers }: Ports, ms: number, signal: AbortSignal, outcome: Outcome): Promise<Outcome> =>
  new Promise((resolve) => {
    const ends = waitingFor(signal);
    const end = (): void => {
      timer.cancel();
      ends.delete(end);
      resolve(outcome);
    };
    const timer = timers.after(ms, end);
    ends.add(end);
  });

/** What a spec looks at, in the names that `health` is kept under. */
interface Address {
  region: string;
  ofTarget: string;
  ofRegion: string;
}

const seen = (health: Exclude<Health, number>, tookMs: number): Outcome => {
  switch (health) {
    case 'ok':
    case 'slow':
      return { saw: 'ok', tookMs };
    case 'refuse':
      return { saw: 'fault', reason: 'refused', tookMs, detail: 'refused' };
    case 'hang':
      return { saw: 'fault', reason: 'timeout', tookMs, detail: 'no answer' };
    case 'error':
      return { saw: 'fault', reason: 'status', tookMs, detail: '503' };
  }
};

export class Ground {
  readonly #options: GroundOptions;
  readonly #addresses = new WeakMap<ProbeSpec, Address>();
  /** `a healthz` of all of a region's targets, `a-1 healthz` of one -> how it answers. */
  readonly #health = new Map<string, Health>();
  /** `from to`: the way of looks between two regions; `from` alone: its uplink. */
  readonly #ways = new Map<string, Track>();
  /** When the targets of a region were last anything but well. */
  readonly #ill = new Map<string, Track>();

  constructor(options: GroundOptions) {
    this.#options = options;
  }

  /** How the endpoints of a region's targets answer. `target` 1-based; absent: all of them. */
  health(region: string, endpoints: readonly EndpointName[], health: Health, target?: number): void {
    for (const endpoint of endpoints) this.#health.set(`${region}${target === undefined ? '' : `-${target}`} ${endpoint}`, health);
    if (target === undefined)
      for (const key of this.#health.keys())
        if (key.startsWith(`${region}-`) && endpoints.some((e) => key.endsWith(e))) this.#health.delete(key);
    this.#note(region);
  }

  #note(region: string): void {
    const isOf = (key: string): boolean => key.split(' ')[0] === region || key.startsWith(`${region}-`);
    const broken = [...this.#health].some(([key, health]) => isOf(key) && health !== 'ok');
    this.#ill.set(region, { broken, changedAtMs: this.#options.nowMs() });
  }

  /** Looks from this region at any other, and at its anchors, get no answer. */
  blind(region: string, blind: boolean): void {
    this.#ways.set(region, { broken: blind, changedAtMs: this.#options.nowMs() });
  }

  /** Looks from one region at another get no answer. */
  way(from: string, to: string, broken: boolean): void {
    this.#ways.set(`${from} ${to}`, { broken, changedAtMs: this.#options.nowMs() });
  }

  /** All of the region's targets have answered every look that reached them for the last `ms`. */
  wasWell(region: string, ms: number): boolean {
    return this.#wasSo(this.#ill.get(region) ?? NEVER, ms);
  }

  /** Every target of the region has failed every look for the last `ms`. */
  isDead(region: string): boolean {
    return (['healthz', 'readyz'] as const).every((e) => ['hang', 'refuse', 'error'].includes(String(this.#health.get(`${region} ${e}`))));
  }

  /** Looks from one region at another have all arrived for the last `ms`. */
  wasOpen(from: string, to: string, ms: number): boolean {
    const ways = from === to ? [] : [from, `${from} ${to}`];
    return ways.every((name) => this.#wasSo(this.#ways.get(name) ?? NEVER, ms));
  }

  /** The region's uplink has been broken for at least `ms`. */
  isBlindFor(region: string, ms: number): boolean {
    const { broken, changedAtMs } = this.#ways.get(region) ?? NEVER;
    return broken && this.#options.nowMs() - changedAtMs >= ms;
  }

  #wasSo({ broken, changedAtMs }: Track, ms: number): boolean {
    return !broken && this.#options.nowMs() - changedAtMs >= ms;
  }

  #isBroken(from: string, to: string | null): boolean {
    if (this.#ways.size === 0) return false;
    return this.#ways.get(from)?.broken === true || (to !== null && this.#ways.get(`${from} ${to}`)?.broken === true);
  }

  #healthOf(from: string, { region, ofTarget, ofRegion }: Address): Exclude<Health, number> {
    if (region !== from && this.#isBroken(from, region)) return 'hang';
    const health = this.#health.get(ofTarget) ?? this.#health.get(ofRegion) ?? 'ok';
    if (typeof health !== 'number') return health;
    return this.#options.random.unit() < health ? 'error' : 'ok';
  }

  #addressOf(spec: ProbeSpec): Address {
    let address = this.#addresses.get(spec);
    if (address === undefined) {
      const { hostname, pathname } = new URL(spec.url);
      const [region, endpoint] = [hostname.slice(0, hostname.lastIndexOf('-')), pathname.slice(1)];
      address = { region, ofTarget: `${hostname} ${endpoint}`, ofRegion: `${region} ${endpoint}` };
      this.#addresses.set(spec, address);
    }
    return address;
  }

  /** One look from a region, on the clock of the process that looks. */
  look(from: string, ports: Ports, spec: ProbeSpec, cluster: ClusterConfig, signal: AbortSignal): Promise<Outcome> {
    const health = this.#healthOf(from, this.#addressOf(spec));
    const { timeoutMs, suspectAfterMs } = cluster.policy;
    const tookMs = health === 'hang' ? timeoutMs : health === 'slow' ? (suspectAfterMs + timeoutMs) / 2 : this.#options.lookMs;
    return after(ports, tookMs, signal, seen(health, tookMs));
  }

  /** One look at an anchor: it answers while the region's uplink works. */
  anchor(from: string, ports: Ports, timeoutMs: number, signal: AbortSignal): Promise<Outcome> {
    const health = this.#isBroken(from, null) ? 'hang' : 'ok';
    const tookMs = health === 'hang' ? timeoutMs : this.#options.lookMs;
    return after(ports, tookMs, signal, seen(health, tookMs));
  }
}
