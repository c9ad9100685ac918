// The servers that answer a synthetic name: the provider's own, which follow what is written a moment later or not at all, and a resolver that caches. A fake;
// real ones are asked in system tests.
import type { Reply } from '../../src/dns/codec.ts';
import type { QueryOptions } from '../../src/dns/exchange.ts';
import type { PoolConfig } from '../../src/model.ts';
import type { MemoryZone } from '../memory-provider.ts';
import type { Virtual } from '../virtual.ts';

export interface NameServersOptions {
  virtual: Virtual;
  zone: MemoryZone;
  name: string;
  pools: readonly Pick<PoolConfig, 'name' | 'answers'>[];
  ttlS: number;
}

/** So long after a write the provider's servers answer it. */
const FOLLOWS_MS = 1500;
const WAY_MS = 20;

export class NameServers {
  readonly #options: NameServersOptions;
  /** What the provider's servers answer. */
  #answered: readonly string[] = [];
  #cached: { answers: readonly string[]; untilMs: number } | null = null;
  #isStuck = false;

  constructor(options: NameServersOptions) {
    this.#options = options;
  }

  #zoneAnswers(): readonly string[] {
    const { zone, name, pools } = this.#options;
    const shares = zone.services.get(name)?.shares ?? {};
    return pools.filter((pool) => (shares[pool.name] ?? 0) > 0).flatMap(({ answers }) => answers);
  }

  /** The provider has taken a write. */
  wrote(): void {
    this.#options.virtual.ports.timers.after(FOLLOWS_MS, () => {
      if (!this.#isStuck) this.#answered = this.#zoneAnswers();
    });
  }

  /** From now on what is written is answered, or no more. */
  stick(isStuck: boolean): void {
    this.#isStuck = isStuck;
    if (!isStuck) this.#answered = this.#zoneAnswers();
  }

  async answer({ name, type, recursionDesired }: QueryOptions): Promise<Reply> {
    const { virtual, ttlS } = this.#options;
    await new Promise<void>((resolve) => void virtual.ports.timers.after(WAY_MS, resolve));
    const nowMs = virtual.now();
    let answers = this.#answered;
    if (recursionDesired === true) {
      if (this.#cached === null || nowMs >= this.#cached.untilMs) this.#cached = { answers, untilMs: nowMs + ttlS * 1000 };
      answers = this.#cached.answers;
    }
    const records = type === 'A' ? answers.map((data) => ({ name, ttlS, type: 'A' as const, data })) : [];
    return { rcode: 'NOERROR', authoritative: recursionDesired !== true, answers: records, authorities: [] } as unknown as Reply;
  }
}
