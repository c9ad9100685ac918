// Loss on the path from one vantage to one target, known ahead: a path can say when the next look of the schedule will fail, so that whoever simulates
// years of it need not make the looks that do not. A path belongs to both endpoints of its target. Instants are whole ms for looks.
import type { EndpointKey } from '../../../src/model.ts';
import type { Random } from '../../../src/ports.ts';

/** The schedule of one path: a look at each of these phases of every round. */
export class Looks {
  readonly #phases: readonly number[];
  readonly #intervalMs: number;

  constructor(phases: readonly number[], intervalMs: number) {
    this.#phases = phases.toSorted((a, b) => a - b);
    this.#intervalMs = intervalMs;
  }

  /** Looks that started at `ms` or before, since 0. */
  count(ms: number): number {
    const round = Math.floor(ms / this.#intervalMs);
    const within = ms - round * this.#intervalMs;
    let n = round * this.#phases.length;
    for (const phase of this.#phases) if (phase <= within) n++;
    return n;
  }

  /** Instant of the nth look after `ms`, counted from 1. */
  nth(ms: number, n: number): number {
    const position = this.count(ms) + n - 1;
    const round = Math.floor(position / this.#phases.length);
    return round * this.#intervalMs + (this.#phases[position - round * this.#phases.length] ?? 0);
  }
}

export interface Loss {
  /** Does the look that starts now fail? Asked once per look, in the order of their starts. */
  fails(atMs: number, key: EndpointKey): boolean;
  /** The first of the scheduled looks after `afterMs` that will fail if no other look is made before it; Infinity: none. */
  firstFailing(looks: Looks, afterMs: number): number;
  /** The scheduled looks after `afterMs` and up to `toMs` were not made: they would have been well. */
  passed(looks: Looks, afterMs: number, toMs: number): void;
}

export const lossless: Loss = { fails: () => false, firstFailing: () => Number.POSITIVE_INFINITY, passed: () => undefined };

/** Fails whatever starts at `fromMs` or later. */
export const lostFrom = (fromMs: number): Loss => ({
  fails: (atMs) => atMs >= fromMs,
  firstFailing: (looks, afterMs) => looks.nth(Math.max(afterMs, Math.ceil(fromMs) - 1), 1),
  passed: () => undefined,
});

/** Every look after `fromMs` fails with probability `p`, whatever the others did. */
export const independent = (p: number, random: Random, fromMs: number): Loss => {
  /** How many looks until the next that fails, itself included. */
  const gap = (): number => 1 + Math.floor(Math.log(1 - random.unit()) / Math.log(1 - p));
  let left = gap();
  return {
    fails(atMs) {
      if (atMs <= fromMs) return false;
      left--;
      if (left > 0) return false;
      left = gap();
      return true;
    },
    firstFailing: (looks, afterMs) => looks.nth(Math.max(afterMs, fromMs), left),
    passed(looks, afterMs, toMs) {
      left -= Math.max(0, looks.count(toMs) - looks.count(Math.max(afterMs, fromMs)));
    },
  };
};

interface Spell {
  fromMs: number;
  untilMs: number;
}

export interface WeatherOptions {
  paths: number;
  /** Share of the time that a path is bad. */
  badShare: number;
  /** Mean length of a bad spell. Good and bad spells are exponential (Gilbert-Elliott), each path's of its own. */
  badMeanMs: number;
  /** One source per path. */
  random: (path: number) => Random;
  fromMs: number;
  untilMs: number;
  /** Spells begin on, and last, whole steps of this: geometric instead of exponential, with the same means. Null: continuous time. */
  gridMs?: number | null;
  /** Leaves out the weather in which nothing can come about: see `matters`. */
  screen: { paths: number; spanMs: number } | null;
}

/** After bad weather everything is as it was before within this span: a burst ends with a look, and a peer's hint counts again after 30 s. */
const CALM_MS = 40_000;
/** Bad spells of a path closer than this may be one streak: there is a look at each endpoint once per interval. */
const STREAK_GAP_MS = 5000;

/**
 * A vantage finds an endpoint down only if faults that started over `spanMs` found its path bad, and without `paths` such vantages within reach of each
 * other there is no quorum. Everything else is left out of the paths: no look then fails for it. A condition that is necessary, not sufficient.
 */
const matters = (spells: readonly (readonly Spell[])[], screen: { paths: number; spanMs: number }): boolean => {
  let able = 0;
  for (const of of spells) {
    let fromMs = Number.NEGATIVE_INFINITY;
    let untilMs = Number.NEGATIVE_INFINITY;
    let longestMs = 0;
    for (const spell of of) {
      if (spell.fromMs - untilMs > STREAK_GAP_MS) fromMs = spell.fromMs;
      untilMs = spell.untilMs;
      longestMs = Math.max(longestMs, untilMs - fromMs);
    }
    if (longestMs >= screen.spanMs) able++;
  }
  return able >= screen.paths;
};

/** Bursty loss on several paths: a look fails if and only if its path is bad at its start. */
export const weather = (options: WeatherOptions): readonly Loss[] => {
  const { paths, badMeanMs, fromMs, untilMs, screen, gridMs = null } = options;
  const goodMeanMs = (badMeanMs * (1 - options.badShare)) / options.badShare;
  const sources = Array.from({ length: paths }, (_, path) => options.random(path));
  const lasting = (source: Random, meanMs: number): number =>
    gridMs === null
      ? -Math.log(1 - source.unit()) * meanMs
      : gridMs * (1 + Math.floor(Math.log(1 - source.unit()) / Math.log(1 - gridMs / meanMs)));
  const spellAfter = (path: number, ms: number): Spell => {
    const source = sources[path]!;
    const startMs = ms + lasting(source, goodMeanMs);
    return { fromMs: startMs, untilMs: startMs + lasting(source, badMeanMs) };
  };
  const next = sources.map((_, path) => spellAfter(path, fromMs));
  const ready: Spell[][] = sources.map(() => []);

  const earliest = (): number => {
    let path = 0;
    for (let i = 1; i < paths; i++) if (next[i]!.fromMs < next[path]!.fromMs) path = i;
    return path;
  };

  /** The next stretch of bad weather over all paths, with calm on both sides. */
  const gather = (): void => {
    const spells: Spell[][] = sources.map(() => []);
    let path = earliest();
    let endMs = next[path]!.untilMs;
    while (next[path]!.fromMs <= endMs + CALM_MS) {
      spells[path]!.push(next[path]!);
      endMs = Math.max(endMs, next[path]!.untilMs);
      next[path] = spellAfter(path, next[path]!.untilMs);
      path = earliest();
    }
    if (screen !== null && !matters(spells, screen)) return;
    for (const [i, of] of spells.entries()) ready[i]!.push(...of);
  };

  const never: Spell = { fromMs: Number.POSITIVE_INFINITY, untilMs: Number.POSITIVE_INFINITY };
  const spellAt = (path: number, index: number): Spell => {
    const list = ready[path]!;
    while (list.length <= index) {
      if (next[earliest()]!.fromMs > untilMs) return never;
      gather();
    }
    return list[index]!;
  };

  return sources.map((_, path): Loss => {
    let knownMs = Number.NEGATIVE_INFINITY;
    return {
      fails(atMs) {
        while (spellAt(path, 0).untilMs <= atMs) ready[path]!.shift();
        return spellAt(path, 0).fromMs <= atMs;
      },
      firstFailing(looks, afterMs) {
        if (knownMs > afterMs) return knownMs;
        for (let i = 0; ; i++) {
          const spell = spellAt(path, i);
          knownMs = Number.POSITIVE_INFINITY;
          if (spell === never) return knownMs;
          knownMs = looks.nth(Math.max(afterMs, Math.ceil(spell.fromMs) - 1), 1);
          if (knownMs < spell.untilMs) return knownMs;
        }
      },
      passed: () => undefined,
    };
  });
};
