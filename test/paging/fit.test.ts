// What is cut is still whole: characters, keys, JSON.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonOf, keyWithin, line, plain } from '../../src/paging/fit.ts';

const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('\ud83d', '\udc00', 'a', '\n', '🙂') }),
);

test('a line is plain, whole, within its limit, and the text itself where that is all of this', () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 40 }), (text, max) => {
      const cut = line(text, max);
      expect(cut.length).toBeLessThanOrEqual(max);
      expect(cut.isWellFormed()).toBe(true);
      expect(cut).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      if (plain(text) === text && text.length <= max) expect(cut).toBe(text);
      if (plain(text).length > max) expect(cut.endsWith('…')).toBe(true);
    }),
  );
  expect(['a🙂b', 'ab🙂'].map((text) => line(text, 3))).toEqual(['a…', 'ab…']);
  expect(line('one\r\n\ttwo\u202e\u0000', 20)).toBe('one two ');
});

test('a key is itself where it can be; else it is printable, within its limit, the same each time and another one for another key', () => {
  for (const key of ['tidegate/prod/40-eu-west', 'k', 'k'.repeat(60), 'a.b', '...a']) expect(keyWithin(key, 60)).toBe(key);
  const odd = ['', '.', '..', 'a b', 'ключ', '🙂', '\ud83d', '\udc00', 'k'.repeat(61), `${'k'.repeat(61)}a`, 'a\nb'];
  const keys = odd.map((key) => keyWithin(key, 60));
  expect(keys).toEqual(odd.map((key) => keyWithin(key, 60)));
  for (const key of keys) expect(key).toMatch(/^[\x21-\x7e]{1,60}$/);
  // Both halves are the same bytes of UTF-8, and no key that anybody makes.
  expect(new Set(keys).size).toBe(odd.length - 1);
});

test('JSON says what it was given, with U+FFFD for half a character', () => {
  const strings = fc.string({ unit: fc.constantFrom('\\', 'u', 'd', '8', '0', '"', '\ud83d', '\udc00', '🙂', 'a', '\u0000') });
  fc.assert(
    fc.property(strings, strings, (name, value) => {
      expect(JSON.parse(jsonOf([value, { [name]: value }]))).toEqual([
        value.toWellFormed(),
        { [name.toWellFormed()]: value.toWellFormed() },
      ]);
    }),
    { numRuns: 2_000 },
  );
});
