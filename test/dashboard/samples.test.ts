// What was measured while the page is open: kept for a quarter of an hour, and nothing made up between two looks.
import { describe, expect, test } from 'vitest';
import { columnsOf, JOIN_MS, KEPT_MS, minutesOf, samplesKept } from '../../src/dashboard/page/records.ts';

const T0_MS = 1_800_000_000_000;
const at = (seconds: number): number => T0_MS + seconds * 1000;

describe('the ring', () => {
  test('a look that is read twice is one look, also when the clocks jitter', () => {
    const kept = samplesKept();
    for (const atMs of [at(0), at(0), at(0) + 900, at(10)]) kept.add('a', atMs, 5);
    expect(kept.all().get('a')).toEqual([
      { atMs: at(0), value: 5 },
      { atMs: at(10), value: 5 },
    ]);
  });

  test('what comes out of order is not put in', () => {
    const kept = samplesKept();
    for (const seconds of [10, 5, 20]) kept.add('a', at(seconds), seconds);
    expect(
      kept
        .all()
        .get('a')
        ?.map(({ value }) => value),
    ).toEqual([10, 20]);
  });

  test('keeps fifteen minutes; a series of which nothing came for so long is gone', () => {
    const kept = samplesKept();
    kept.add('gone', at(0), 1);
    for (let seconds = 0; seconds <= 2 * (KEPT_MS / 1000); seconds += 10) kept.add('a', at(seconds), seconds);
    expect([...kept.all().keys()]).toEqual(['a']);
    const own = kept.all().get('a') ?? [];
    expect([own.length, own[0]?.atMs]).toEqual([KEPT_MS / 10_000 + 1, at(KEPT_MS / 1000)]);
  });

  test('a page that stays open for days does not grow, whatever the names of its series', () => {
    const kept = samplesKept();
    for (let name = 0; name < 1_000; name += 1) kept.add(`${name}`, at(0), 1);
    expect(kept.all().size).toBe(200);
  });
});

describe('columns of a chart', () => {
  const all = new Map([
    [
      'a',
      [
        { atMs: at(0), value: 1 },
        { atMs: at(10), value: null },
        { atMs: at(20), value: 3 },
        { atMs: at(200), value: 4 },
      ],
    ],
    [
      'b',
      [
        { atMs: at(5), value: 7 },
        { atMs: at(190), value: 8 },
      ],
    ],
  ]);

  test('a look without a figure is a gap; an instant at which others were looked at is none', () => {
    const [atS, a] = columnsOf(all, ['a']);
    expect(atS.map((each) => each - T0_MS / 1000)).toEqual([0, 10, 20, 110, 200]);
    // In the middle of three minutes without a look there is nothing, and no line goes through it.
    expect(a).toEqual([1, null, 3, null, 4]);
  });

  test('series share one axis: what joins and what does not is told apart', () => {
    const [atS, a, b] = columnsOf(all, ['a', 'b']);
    expect(atS.map((each) => each - T0_MS / 1000)).toEqual([0, 5, 10, 20, 97.5, 110, 190, 200]);
    expect(a).toEqual([1, undefined, null, 3, null, null, null, 4]);
    expect(b).toEqual([undefined, 7, null, null, null, null, 8, undefined]);
  });

  test('a line is drawn between looks that are not further apart than a minute', () => {
    const [atS, a] = columnsOf(
      new Map([
        ['a', [at(0), at(JOIN_MS / 1000), at((2 * JOIN_MS) / 1000)].map((atMs) => ({ atMs, value: 1 }))],
        ['b', [{ atMs: at(30), value: 2 }]],
      ]),
      ['a', 'b'],
    );
    expect([atS.length, a]).toEqual([4, [1, undefined, 1, 1]]);
  });

  test('of a single look two minutes are shown, with nothing before it; of none, nothing', () => {
    const [atS, a] = columnsOf(new Map([['a', [{ atMs: at(0), value: 5 }]]]), ['a']);
    expect([atS.map((each) => each - T0_MS / 1000), a]).toEqual([
      [-120, 0],
      [undefined, 5],
    ]);
    expect(columnsOf(new Map(), ['a'])).toEqual([[], []]);
  });
});

test('as a table: the last look of each minute, the newest first; no look is not the same as no figure', () => {
  const minute = Math.floor(T0_MS / 60_000) * 60_000;
  const all = new Map([
    [
      'a',
      [
        { atMs: minute + 1_000, value: 1 },
        { atMs: minute + 50_000, value: 2 },
        { atMs: minute + 70_000, value: null },
      ],
    ],
    ['b', [{ atMs: minute + 2_000, value: 9 }]],
  ]);
  expect(minutesOf(all, ['a', 'b'])).toEqual([
    { atMs: minute + 60_000, values: [null, undefined] },
    { atMs: minute, values: [2, 9] },
  ]);
});
