// Rules of the field as published: who looks how often, what makes one checker give up, and how many must have given up at once. How soon such a rule finds
// what is dead, by drawing phases, and how often it drains what is well, by a formula. A look fails if the path of its checker is bad as it starts.
import type { Random } from '../../../src/ports.ts';

export interface CheckRule {
  name: string;
  intervalMs: number;
  /** Failures in a row until a checker holds the target down. */
  strikes: number;
  /** Successes in a row until one that counts failures forgets them; 1: the failures must be in a row. */
  forgets?: number;
  /** Successes in a row until it holds it up again. */
  rise: number;
  /** When a look without an answer fails. */
  timeoutMs: number;
  /** More tries at once after a timeout, before the look counts as failed. */
  retries?: number;
  /** An answer with a wrong status needs so many. Default: as many as a timeout. */
  statusStrikes?: number;
  /** From the inside out: so many of so many must hold it down. Checkers have a path each. Default: one checker. */
  votes?: readonly (readonly [needed: number, of: number])[];
  /** What is assumed, or where it is weaker than it looks. */
  says: string;
}

/** Of paths: independent loss of `p`, or bad for `p` of the time in spells of `spellMs` on average (Gilbert-Elliott). */
export interface PathWeather {
  p: number;
  spellMs: number | null;
}

const NO_VOTE: NonNullable<CheckRule['votes']> = [];

export const checkersOf = ({ votes = NO_VOTE }: CheckRule): number => votes.reduce((product, [, of]) => product * of, 1);

/** How soon a dead target is held down, from the fault: one draw. */
export const foundMs = (rule: CheckRule, fault: 'hang' | 'status', random: Random): number => {
  const { intervalMs, strikes, timeoutMs, retries = 0, statusStrikes = strikes, votes = NO_VOTE } = rule;
  const [needed, failMs] = fault === 'hang' ? [strikes, timeoutMs * (retries + 1)] : [statusStrikes, 20];
  let found = Array.from({ length: checkersOf(rule) }, () => random.unit() * intervalMs + (needed - 1) * intervalMs + failMs);
  for (const [count, of] of votes)
    found = Array.from(
      { length: found.length / of },
      (_, i) => found.slice(i * of, (i + 1) * of).toSorted((a, b) => a - b)[count - 1] ?? Number.NaN,
    );
  return found[0] ?? Number.NaN;
};

/** What goes up and down by itself: how often it comes to be down, per ms, and which share of the time it is. */
export interface Downs {
  perMs: number;
  share: number;
}

/** One checker of a target that is well. */
export const checkerDowns = (rule: CheckRule, { p, spellMs }: PathWeather): Downs => {
  const { intervalMs, strikes, forgets = 1, rise, timeoutMs, retries = 0 } = rule;
  // Still bad after so long, given that it was.
  const stays = (ms: number): number => (spellMs === null ? p : p + (1 - p) * Math.exp(-ms / (spellMs * (1 - p))));
  const again = stays(timeoutMs) ** retries;
  const fails = p * again;
  const failsNext = stays(Math.max(0, intervalMs - retries * timeoutMs)) * again;
  const failsAfterOk = (fails * (1 - failsNext)) / (1 - fails);
  /** One more failure before the earlier ones are forgotten. */
  const more = 1 - (1 - failsNext) * (1 - failsAfterOk) ** (forgets - 1);
  const perMs = (fails * (1 - more) * more ** (strikes - 1)) / intervalMs;
  const downMs = intervalMs * (1 / (1 - failsNext) + rise - 1);
  return { perMs, share: Math.min(1, perMs * downMs) };
};

const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);

/** Of `of` alike that go down independently, at least `needed` at once. */
export const voteDowns = ({ perMs, share }: Downs, needed: number, of: number): Downs => ({
  perMs: of * choose(of - 1, needed - 1) * share ** (needed - 1) * (1 - share) ** (of - needed) * perMs,
  share: Array.from({ length: of - needed + 1 }, (_, i) => needed + i).reduce(
    (sum, k) => sum + choose(of, k) * share ** k * (1 - share) ** (of - k),
    0,
  ),
});

/** False drains per ms of a target that is well. */
export const falseRate = (rule: CheckRule, weather: PathWeather): number =>
  (rule.votes ?? NO_VOTE).reduce((downs, [needed, of]) => voteDowns(downs, needed, of), checkerDowns(rule, weather)).perMs;

const S = 1000;
/** What such a rule says of itself. */
export const HOME_MADE = 'anybody can set this up; nobody sells it';
const plain = (everyS: number, strikes: number, votes?: CheckRule['votes']): CheckRule => ({
  name: `${votes === undefined ? 'one checker' : `${votes[0]?.[0]} of ${votes[0]?.[1]} checkers`}, ${strikes} every ${everyS} s`,
  intervalMs: everyS * S,
  strikes,
  rise: 1,
  timeoutMs: Math.min(2, everyS) * S,
  ...(votes === undefined ? {} : { votes }),
  says: HOME_MADE,
});

// Route 53 says that checkers do not coordinate and that a target is healthy when more than 18 % of them say so; how many there are it does not say.
const ROUTE53 = {
  rise: 3,
  timeoutMs: 2 * S,
  votes: [[13, 15]],
  says: 'about fifteen checkers, as is commonly said; 18 % of them well keep it up',
} as const;
const CLOUDFLARE = {
  strikes: 1,
  rise: 1,
  timeoutMs: 5 * S,
  retries: 2,
  votes: [
    [2, 3],
    [2, 3],
  ],
  says: 'three regions of three data centres, two retries at once',
} as const;

/** Sources: the vendors' documentation as of November 2026. */
export const FIELD: readonly CheckRule[] = [
  { name: 'Route 53, 30 s x 3 (default)', intervalMs: 30 * S, strikes: 3, ...ROUTE53 },
  { name: 'Route 53, 10 s x 3', intervalMs: 10 * S, strikes: 3, ...ROUTE53 },
  { name: 'Route 53, 10 s x 1', intervalMs: 10 * S, strikes: 1, ...ROUTE53 },
  { name: 'Cloudflare, 60 s (default)', intervalMs: 60 * S, ...CLOUDFLARE },
  { name: 'Cloudflare, 15 s', intervalMs: 15 * S, ...CLOUDFLARE },
  { name: 'GCLB, 5 s x 2 (default)', intervalMs: 5 * S, strikes: 2, rise: 2, timeoutMs: 5 * S, says: 'one view: no vote is documented' },
  { name: 'GCLB, 1 s x 2', intervalMs: S, strikes: 2, rise: 2, timeoutMs: S, says: 'one view: no vote is documented' },
  {
    name: 'Envoy active, 5 s x 3',
    intervalMs: 5 * S,
    strikes: 3,
    rise: 2,
    timeoutMs: 2 * S,
    statusStrikes: 1,
    says: 'has no defaults; a wrong status ejects at once',
  },
  {
    name: 'Envoy outliers, 5 in a row',
    intervalMs: 100,
    strikes: 5,
    rise: 300,
    timeoutMs: 5 * S,
    says: 'passive: 10 requests/s of real traffic, which users see fail; ejected for 30 s',
  },
  {
    name: 'gdnsd, 10 s x 10 (default)',
    intervalMs: 10 * S,
    strikes: 10,
    forgets: 10,
    rise: 20,
    timeoutMs: 5 * S,
    says: 'ten failures without ten successes in a row between them',
  },
  { name: 'gdnsd, 5 s x 3', intervalMs: 5 * S, strikes: 3, rise: 3, timeoutMs: 2 * S, says: 'as in the race' },
  { name: 'PowerDNS Lua, 5 s x 1 (default)', intervalMs: 5 * S, strikes: 1, rise: 1, timeoutMs: 2 * S, says: 'as in the race' },
  { name: 'HAProxy, 2 s x 3 (default)', intervalMs: 2 * S, strikes: 3, rise: 2, timeoutMs: 2 * S, says: 'one view' },
  plain(1, 3),
  plain(1, 5),
  plain(1, 10),
  plain(5, 3, [[2, 3]]),
  plain(1, 3, [[2, 3]]),
  plain(1, 5, [[2, 3]]),
  plain(5, 2, [[3, 5]]),
  plain(1, 3, [[3, 5]]),
  plain(1, 5, [[3, 5]]),
];
