import { expect, test } from 'vitest';
import { growth, type Vital, vitalOf, weigh } from './vitals.ts';

const life = (of: (n: number) => Omit<Vital, 'atMs'>): Vital[] => Array.from({ length: 400 }, (_, n) => ({ atMs: n, ...of(n) }));

test('what this process weighs is what the kernel says', () => {
  const { rssMb, descriptors } = vitalOf(process.pid, 0);
  expect(rssMb / (process.memoryUsage().rss / 2 ** 20)).toBeCloseTo(1, 0);
  expect(descriptors).toBeGreaterThan(2);
});

test.each([
  ['caches fill in the first quarter', (n: number) => ({ rssMb: 100 + Math.min(n, 90), descriptors: 20 }), null],
  ['a sawtooth of collections', (n: number) => ({ rssMb: 180 + (n % 40), descriptors: 20 + (n % 5) }), null],
  ['a leak of memory', (n: number) => ({ rssMb: 180 + n / 4, descriptors: 20 }), 'memory grew from 218 to 268 MB, more than 15 %'],
  [
    'a leak of sockets',
    (n: number) => ({ rssMb: 180, descriptors: 20 + Math.floor(n / 20) }),
    'open descriptors grew from 27 to 37, by more than 8',
  ],
])('%s', (_, of, said) => {
  expect(growth(weigh(life(of)))).toBe(said);
});
