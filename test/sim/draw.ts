// Chance with names, from one seeded stream.
import type { Random } from '../../src/ports.ts';

export interface Draw {
  unit(): number;
  chance(probability: number): boolean;
  /** A whole number from `low` to `high`, both possible. */
  whole(low: number, high: number): number;
  pick<T>(list: readonly T[]): T;
  /** `count` different ones, or all of them. */
  some<T>(list: readonly T[], count: number): readonly T[];
  /** Seconds as a duration of a story's line: short spans are likelier than long ones. */
  span(lowMs: number, highMs: number): number;
}

export const createDraw = (random: Random): Draw => {
  const unit = (): number => random.unit();
  const whole = (low: number, high: number): number => low + Math.floor(unit() * (high - low + 1));
  const pick = <T>(list: readonly T[]): T => list[whole(0, list.length - 1)] as T;
  return {
    unit,
    whole,
    pick,
    chance: (probability) => unit() < probability,
    some(list, count) {
      const left = [...list];
      const taken = [];
      while (taken.length < count && left.length > 0) taken.push(...left.splice(whole(0, left.length - 1), 1));
      return taken;
    },
    span: (lowMs, highMs) => Math.round(lowMs * (highMs / lowMs) ** unit()),
  };
};
