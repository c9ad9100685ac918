// The formulas of the rules of the field, against looks made one by one.
import { expect, test } from 'vitest';
import { seededRandom } from '../../virtual.ts';
import { type CheckRule, checkerDowns, checkersOf, FIELD, falseRate, foundMs, type PathWeather } from './rules.ts';

const RULE: CheckRule = { name: 'test', intervalMs: 5000, strikes: 3, rise: 3, timeoutMs: 2000, says: '' };

/** Whether each path is bad, asked in the order of time. */
const pathOf = ({ p, spellMs }: PathWeather, seed: string) => {
  const random = seededRandom(seed);
  let [bad, untilMs] = [false, 0];
  return (atMs: number): boolean => {
    if (spellMs === null) return random.unit() < p;
    while (untilMs <= atMs) {
      bad = !bad;
      untilMs += -Math.log(1 - random.unit()) * (bad ? spellMs : (spellMs * (1 - p)) / p);
    }
    return bad;
  };
};

/** How often enough checkers came to hold the target down, per ms; votes of one level only. */
const simulated = (rule: CheckRule, weather: PathWeather, rounds: number): number => {
  const [needed, of] = rule.votes?.[0] ?? [1, 1];
  const random = seededRandom('phases');
  const checkers = Array.from({ length: of }, (_, i) => ({
    phaseMs: random.unit() * rule.intervalMs,
    isBad: pathOf(weather, `path ${i}`),
    faults: 0,
    goods: 0,
    down: false,
  })).toSorted((a, b) => a.phaseMs - b.phaseMs);
  let drains = 0;
  let wasOut = false;
  for (let round = 0; round < rounds; round++)
    for (const checker of checkers) {
      const atMs = round * rule.intervalMs + checker.phaseMs;
      let fails = checker.isBad(atMs);
      for (let i = 1; fails && i <= (rule.retries ?? 0); i++) fails = checker.isBad(atMs + i * rule.timeoutMs);
      checker.goods = fails ? 0 : checker.goods + 1;
      if (fails) checker.faults++;
      else if (checker.goods >= (rule.forgets ?? 1)) checker.faults = 0;
      if (!checker.down && checker.faults >= rule.strikes) checker.down = true;
      else if (checker.down && checker.goods >= rule.rise) checker.down = false;
      const out = checkers.filter(({ down }) => down).length >= needed;
      if (out && !wasOut) drains++;
      wasOut = out;
    }
  return drains / (rounds * rule.intervalMs);
};

const CASES: readonly (readonly [string, CheckRule, PathWeather, number])[] = [
  ['three in a row, independent loss', RULE, { p: 0.1, spellMs: null }, 2_000_000],
  ['three in a row, spells', RULE, { p: 0.05, spellMs: 5000 }, 1_000_000],
  ['one failure, spells', { ...RULE, strikes: 1, rise: 1 }, { p: 0.01, spellMs: 2000 }, 1_000_000],
  ['two of three, spells', { ...RULE, votes: [[2, 3]] }, { p: 0.1, spellMs: 8000 }, 400_000],
  ['retries at once, spells', { ...RULE, strikes: 1, retries: 2, timeoutMs: 1000 }, { p: 0.05, spellMs: 2000 }, 1_000_000],
  ['retries that take most of the interval, spells', { ...RULE, strikes: 2, retries: 2 }, { p: 0.05, spellMs: 3000 }, 1_000_000],
  ['two of three that are often down', { ...RULE, strikes: 1, rise: 1, votes: [[2, 3]] }, { p: 0.4, spellMs: 30_000 }, 200_000],
  ['failures that are forgotten slowly', { ...RULE, forgets: 3, rise: 3 }, { p: 0.1, spellMs: null }, 400_000],
];

test.each(CASES)('%s: as the formula says', (_name, rule, weather, rounds) => {
  const ratio = simulated(rule, weather, rounds) / falseRate(rule, weather);
  expect(ratio).toBeGreaterThan(0.75);
  expect(ratio).toBeLessThan(1.33);
});

test('a vote of votes is rarer than a vote, and a checker that is more patient is down less often', () => {
  const weather = { p: 0.01, spellMs: 2000 };
  const [one, two] = [
    falseRate({ ...RULE, votes: [[2, 3]] }, weather),
    falseRate(
      {
        ...RULE,
        votes: [
          [2, 3],
          [2, 3],
        ],
      },
      weather,
    ),
  ];
  expect(two).toBeLessThan(one / 10);
  expect(checkerDowns({ ...RULE, strikes: 4 }, weather).perMs).toBeLessThan(checkerDowns(RULE, weather).perMs);
});

test('what is dead is found after the strikes, and a vote waits for the last one that it needs', () => {
  const random = seededRandom('found');
  const drawn = (rule: CheckRule): number[] => Array.from({ length: 500 }, () => foundMs(rule, 'hang', random));
  const one = drawn(RULE);
  expect(Math.min(...one)).toBeGreaterThanOrEqual(12_000);
  expect(Math.max(...one)).toBeLessThanOrEqual(17_000);
  const mean = (of: number[]): number => of.reduce((a, b) => a + b, 0) / of.length;
  expect(mean(drawn({ ...RULE, votes: [[3, 3]] }))).toBeGreaterThan(mean(drawn({ ...RULE, votes: [[1, 3]] })) + 1500);
});

test('every rule of the field says something finite', () => {
  const random = seededRandom('field');
  for (const rule of FIELD) {
    expect(foundMs(rule, 'status', random), rule.name).toBeGreaterThan(0);
    expect(falseRate(rule, { p: 0.001, spellMs: 2000 }), rule.name).toBeGreaterThan(0);
    expect(checkersOf(rule)).toBeGreaterThan(0);
  }
});
