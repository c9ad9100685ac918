// What is the same stays the same object, and long lists are brought up to date in turns.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sharing, turned } from '../../src/dashboard/page/words.ts';

describe('the next document', () => {
  test('is equal to what came, whatever was there before', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (last, next) => {
        expect(sharing(last, next)).toEqual(next);
      }),
    );
  });

  test('is the last one when it says the same, down to the last part', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(sharing(value, structuredClone(value))).toBe(value);
      }),
    );
  });

  test('keeps the parts that are alike, also beside one that is not, and also where a name is a trap', () => {
    const last = JSON.parse('{"a":{"x":[1,2]},"__proto__":{"y":1},"b":1}') as Record<string, unknown>;
    const next = sharing(last, JSON.parse('{"a":{"x":[1,2]},"__proto__":{"y":1},"b":2}') as Record<string, unknown>);
    expect(next).not.toBe(last);
    expect(next.a).toBe(last.a);
    expect(Object.getOwnPropertyDescriptor(next, '__proto__')?.value).toBe(Object.getOwnPropertyDescriptor(last, '__proto__')?.value);
    expect(Object.getPrototypeOf(next)).toBe(Object.prototype);
  });
});

describe('a list in turns', () => {
  interface Row {
    name: string;
    value: number;
  }
  const rows = (names: readonly string[], value: number): readonly Row[] => names.map((name) => ({ name, value }));
  const nameOf = ({ name }: Row): string => name;
  const names = fc.uniqueArray(fc.string({ maxLength: 3 }), { maxLength: 40 });

  test('gets there, at most so many rows at a time, never with a row twice or out of order', () => {
    fc.assert(
      fc.property(names, names, fc.boolean(), fc.integer({ min: 1, max: 10 }), (before, other, isSame, most) => {
        const next = rows(isSame ? before : other, 2);
        let shown: readonly Row[] = rows(before, 1);
        for (let turn = 0; shown !== next; turn++) {
          expect(turn).toBeLessThanOrEqual(Math.ceil(next.length / most) + 1);
          const then = shown;
          shown = turned(shown, next, most, nameOf);
          expect(shown.filter((row) => !then.includes(row)).length).toBeLessThanOrEqual(most);
          expect(shown.map(nameOf)).toEqual(next.map(nameOf).slice(0, shown.length));
        }
      }),
    );
  });

  test('of which nothing changed is the one that came', () => {
    const next = rows(['a', 'b'], 1);
    expect(turned([...next], next, 1, nameOf)).toBe(next);
  });
});
