// A provider of a simulated cluster with everything that real ones do wrong: it throttles, times out before or after it has committed, commits twice,
// reads stale, lies with a 200, loses what it accepted, and is edited by strangers. A fake; what real providers do is proved on them.
import type { Applied, Capabilities, Change, Provider, ProviderService, Settled } from '../../providers/provider.ts';
import type { Random } from '../../src/ports.ts';
import { carriedBy, type MemoryZone, memoryProvider, type Served } from '../memory-provider.ts';
import type { Virtual } from '../virtual.ts';
import { type Caller, sendsNothing } from './wire.ts';

/** What may go wrong with a call, each with its probability. */
export const TROUBLES = ['throttle', 'lost', 'unanswered', 'late', 'twice', 'stale', 'lie', 'forget', 'deny'] as const;
export type Trouble = (typeof TROUBLES)[number];

/** One write as it leaves a process. */
export interface Writing {
  /** Name of the provider. */
  path: string;
  place: string;
  startedAtMs: number;
  changes: readonly Change[];
}

export interface ZoneOptions {
  virtual: Virtual;
  random: Random;
  fencing: Capabilities['fencing'];
  /** Services that one call may change. */
  batchMax?: number;
  /** Acknowledged writes settle a while later, or are taken back. `late`: until then reads show what was there before. */
  receipts?: boolean | 'late';
  /** One way, ms: from, to. null: everything happens at once. */
  delayMs: readonly [number, number] | null;
  onServed: (service: string, before: Served | null, after: Served | null, how: 'write' | 'stranger') => void;
  onWriting: (writing: Omit<Writing, 'path'>) => void;
}

const LATE_MS = 20_000;
const SETTLES_MS = 5000;
const SETTLES_LATE_MS = 20_000;
const STALE_MS = 20_000;
/** As many changes of a service as a stale read may show. */
const KEPT = 50;

export class Zone implements MemoryZone {
  readonly services = new Map<string, Served>();
  readonly #options: ZoneOptions;
  readonly #troubles = new Map<Trouble, number>();
  /** What was served, oldest first. */
  readonly #past = new Map<string, { untilMs: number; served: Served | null }[]>();
  /** What became of acknowledged writes, by receipt. */
  readonly #receipts = new Map<string, 'pending' | 'settled' | 'failed'>();
  /** What reads show of services with a write that has not settled, where that is late. */
  readonly #shown = new Map<string, { receipt: string; served: Served | undefined }>();
  #written: Map<string, Served | null> | null = null;

  constructor(options: ZoneOptions) {
    this.#options = options;
  }

  get fencing(): Capabilities['fencing'] {
    return this.#options.fencing;
  }

  /** From now on this happens to so many of all calls. 0: to none. */
  trouble(trouble: Trouble, probability: number): void {
    if (probability === 0) this.#troubles.delete(trouble);
    else this.#troubles.set(trouble, probability);
  }

  calm(): void {
    this.#troubles.clear();
  }

  /** Somebody else's edit. */
  edit(service: string, change: (served: Served) => Served | null): void {
    const before = this.services.get(service);
    if (before === undefined) return;
    const after = change(before);
    this.#remember(service, before);
    if (after === null) this.services.delete(service);
    else this.services.set(service, after);
    this.#options.onServed(service, before, after, 'stranger');
  }

  /** Called by the provider in memory, for every change of what is served. */
  onServed(service: string, served: Served): void {
    const before = this.#written?.get(service) ?? null;
    this.#remember(service, before);
    this.#options.onServed(service, before, served, 'write');
  }

  #remember(service: string, served: Served | null): void {
    const past = this.#past.get(service) ?? [];
    past.push({ untilMs: this.#options.virtual.now(), served });
    if (past.length > KEPT) past.shift();
    this.#past.set(service, past);
  }

  #happens(trouble: Trouble): boolean {
    const probability = this.#troubles.get(trouble) ?? 0;
    return probability > 0 && this.#options.random.unit() < probability;
  }

  /** The provider as one process sees it. */
  seenFrom(place: Caller & { name: string; egress: boolean }): Provider {
    const { virtual, random, delayMs, batchMax, receipts = false } = this.#options;
    const memory = memoryProvider(this, this.#options.fencing);
    const inner: Provider = batchMax === undefined ? memory : { ...memory, can: { ...memory.can, batchMax } };
    if (delayMs === null)
      return {
        ...inner,
        apply: (changes) => {
          this.#options.onWriting({ place: place.name, startedAtMs: virtual.now(), changes });
          return this.#write(inner, changes);
        },
      };
    const oneWayMs = (): number => delayMs[0] + random.unit() * (delayMs[1] - delayMs[0]);
    /** Ends only with the caller's own deadline. */
    const never = <T>(): Promise<T> => new Promise(() => undefined);
    const isUnreachable = (): boolean => !place.egress || sendsNothing(place);
    const there = <T>(lateMs: number, work: () => Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        virtual.ports.timers.after(oneWayMs() + lateMs, () => {
          work().then((value) => place.process.ports.timers.after(oneWayMs(), () => resolve(value)), reject);
        });
      });
    return {
      ...inner,
      read: (services, signal) => {
        if (isUnreachable() || this.#happens('lost')) return never();
        if (this.#happens('throttle')) return there(0, () => Promise.reject(new Error('429 too many requests')));
        const stale = this.#happens('stale') ? random.unit() * STALE_MS : 0;
        return there(0, () => {
          if (receipts === 'late') return this.#readWith(services, (service) => this.#showing(service));
          return stale > 0 ? this.#readAsOf(services, stale) : inner.read(services, signal);
        });
      },
      apply: (changes) => {
        this.#options.onWriting({ place: place.name, startedAtMs: virtual.now(), changes });
        if (isUnreachable() || this.#happens('lost')) return never();
        if (this.#happens('throttle')) return there(0, async () => ({ outcome: 'undecided', because: '429 too many requests' }));
        if (this.#happens('deny')) return there(0, async () => ({ outcome: 'fatal', because: 'the token has expired' }));
        if (this.#happens('lie')) return there(0, async () => ({ outcome: 'applied' }));
        const lateMs = this.#happens('late') ? random.unit() * LATE_MS : 0;
        const before = changes.map(({ desired }) => [desired.service, this.services.get(desired.service)] as const);
        const done = there(lateMs, async () => {
          const result = await this.#write(inner, changes);
          if (result.outcome !== 'applied') return result;
          const isForgotten = this.#happens('forget');
          const receipt = receipts === false ? null : this.#promise(isForgotten);
          if (receipt !== null && receipts === 'late')
            for (const [service, served] of before) this.#shown.set(service, { receipt, served });
          if (isForgotten) this.#forget(before, receipt);
          return receipt === null ? result : { ...result, receipt };
        });
        if (this.#happens('twice')) void there(random.unit() * LATE_MS, () => this.#write(inner, changes));
        return this.#happens('unanswered') ? never() : done;
      },
      ...(receipts !== false
        ? { settle: (receipt: string) => (isUnreachable() ? never<Settled>() : there(0, async () => this.#ended(receipt))) }
        : {}),
    };
  }

  async #write(inner: Provider, changes: readonly Change[]): Promise<Applied> {
    this.#written = new Map(changes.map(({ desired }) => [desired.service, this.services.get(desired.service) ?? null]));
    return inner.apply(changes, new AbortController().signal);
  }

  /** A receipt for what is acknowledged now; it settles a while later, unless it `fails`. */
  #promise(fails: boolean): string {
    const receipt = `receipt-${this.#receipts.size + 1}`;
    this.#receipts.set(receipt, 'pending');
    const ms = this.#options.receipts === 'late' ? SETTLES_LATE_MS : SETTLES_MS;
    if (!fails) this.#options.virtual.ports.timers.after(ms, () => this.#receipts.set(receipt, 'settled'));
    return receipt;
  }

  #ended(receipt: string): Settled {
    const state = this.#receipts.get(receipt) ?? 'settled';
    return state === 'failed' ? { state, because: 'the change was rolled back' } : { state };
  }

  /** What was accepted is gone again, a while later. */
  #forget(before: readonly (readonly [string, Served | undefined])[], receipt: string | null): void {
    const { virtual, random } = this.#options;
    virtual.ports.timers.after(1000 + random.unit() * 10_000, () => {
      if (receipt !== null) this.#receipts.set(receipt, 'failed');
      for (const [service, served] of before) this.edit(service, () => served ?? null);
    });
  }

  async #readAsOf(services: readonly ProviderService[], agoMs: number): ReturnType<Provider['read']> {
    const atMs = this.#options.virtual.now() - agoMs;
    return this.#readWith(services, (service) => {
      const past = this.#past.get(service)?.find(({ untilMs }) => untilMs > atMs);
      return past === undefined ? this.services.get(service) : (past.served ?? undefined);
    });
  }

  /** What a read shows of a service while its last write may be under way. */
  #showing(service: string): Served | undefined {
    const shown = this.#shown.get(service);
    return shown !== undefined && this.#receipts.get(shown.receipt) === 'pending' ? shown.served : this.services.get(service);
  }

  async #readWith(services: readonly ProviderService[], seen: (service: string) => Served | undefined): ReturnType<Provider['read']> {
    return new Map(
      services.map(({ service }) => {
        const served = seen(service);
        const fence = this.#options.fencing === 'none' ? null : carriedBy(served);
        return [service, { fence, shares: served?.shares ?? null, foreign: [], token: null }];
      }),
    );
  }
}
