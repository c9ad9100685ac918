// What wrong credentials cost their sender: after a few of them the address is refused for a while that doubles, up to minutes. And what is told of them:
// one line per address and minute, however many there were. Both tables are bounded; pure but for the time it is given.
import type { HowRefused, RefusedCalls } from './refusal.ts';

/** Wrong credentials that cost nothing: a typo, an old token in a script. */
const FREE = 10;
const WAIT_MIN_MS = 1_000;
const WAIT_MAX_MS = 5 * 60_000;
/** After so long without a failure an address starts anew. */
const FORGET_MS = 15 * 60_000;
export const ADDRESSES_MAX = 4_096;
/** Lines of a minute. The audit is a chain that stays; nobody may fill it from many addresses. */
export const TOLD_MAX = 64;

/** IPv4 as it is, also in IPv6's clothes; of IPv6 the /64, since a customer has at least that many addresses. */
export const addressOf = (remote: string): string => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remote)?.[1];
  if (mapped !== undefined) return mapped;
  if (!remote.includes(':')) return remote;
  const [head = '', tail] = (remote.split('%')[0] ?? '').toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const full = tail === undefined ? groups : [...groups, ...Array(Math.max(0, 8 - groups.length - after.length)).fill('0'), ...after];
  return `${full
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
};

export interface Brakes {
  /** How long this address still has to wait; 0: not at all. */
  waitMs(address: string, nowMs: number): number;
  failed(address: string, nowMs: number): void;
  /** Addresses remembered. */
  readonly size: number;
}

export const createBrakes = (): Brakes => {
  const byAddress = new Map<string, { failures: number; lastMs: number; untilMs: number }>();
  const current = (address: string, nowMs: number) => {
    const known = byAddress.get(address);
    return known === undefined || nowMs - known.lastMs > FORGET_MS ? { failures: 0, lastMs: nowMs, untilMs: 0 } : known;
  };
  return {
    waitMs: (address, nowMs) => Math.max(0, current(address, nowMs).untilMs - nowMs),
    failed(address, nowMs) {
      const { failures, untilMs } = current(address, nowMs);
      // What comes while it waits makes the wait no longer, or one who never stops would lock a shared address for ever.
      const isWaiting = nowMs < untilMs;
      const count = isWaiting ? failures : failures + 1;
      const waitMs = count <= FREE ? 0 : Math.min(WAIT_MAX_MS, WAIT_MIN_MS * 2 ** (count - FREE - 1));
      // Last in the order of the map: the one that failed longest ago leaves first.
      byAddress.delete(address);
      byAddress.set(address, { failures: count, lastMs: nowMs, untilMs: isWaiting ? untilMs : nowMs + waitMs });
      if (byAddress.size > ADDRESSES_MAX) byAddress.delete(byAddress.keys().next().value as string);
    },
    get size() {
      return byAddress.size;
    },
  };
};

export interface Tally {
  add(address: string, how: HowRefused, because: string): void;
  /** What came since the last time. */
  take(): readonly RefusedCalls[];
}

export const createTally = (): Tally => {
  let told = new Map<string, RefusedCalls>();
  return {
    add(given, how, because) {
      const address = told.has(given) || told.size < TOLD_MAX ? given : 'others';
      told.set(address, { address, how, because, count: (told.get(address)?.count ?? 0) + 1 });
    },
    take() {
      const taken = [...told.values()];
      told = new Map();
      return taken;
    },
  };
};
