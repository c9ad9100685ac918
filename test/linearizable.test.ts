// The checker itself: it must accept what one register can show, and above all refuse what none can.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkDocument, checkRegister, type Operation, type Verdict } from './linearizable.ts';
import { seededRandom } from './virtual.ts';

/** `p from-to kind args=result`: `a 0-5 w 1`, `a 0-5 r 1`, `a 0-5 cas 1>2 ok|no`; `?` for an unknown end. A read of `-` is of nothing. */
const ops = (...lines: readonly string[]): Operation[] =>
  lines.map((line) => {
    const [process = '', span = '', kind = '', value = '', won = ''] = line.split(' ');
    const [from, to] = span.split('-');
    const at = { process, invokedAtMs: Number(from), returnedAtMs: to === '?' ? null : Number(to) };
    const number = (text: string): number | null => (text === '-' ? null : Number(text));
    if (kind === 'r') return { ...at, kind: 'read', result: number(value) };
    if (kind === 'w') return { ...at, kind: 'write', args: number(value) };
    const [before = '', after = ''] = value.split('>');
    return { ...at, kind: 'cas', args: { from: number(before), to: number(after) }, result: won === 'ok' };
  });

describe('a history that a register can show', () => {
  test.each<{ name: string; history: Operation[] }>([
    { name: 'nothing', history: [] },
    {
      name: 'one after the other',
      history: ops('a 0-1 r -', 'a 2-3 w 1', 'b 4-5 r 1', 'b 6-7 cas 1>2 ok', 'a 8-9 r 2', 'a 10-11 cas 1>3 no'),
    },
    { name: 'a read beside a write sees the old', history: ops('a 0-9 w 1', 'b 1-2 r -') },
    { name: 'a read beside a write sees the new', history: ops('a 0-9 w 1', 'b 1-2 r 1', 'c 3-4 r 1') },
    { name: 'two writes at once, seen in the order that did not begin first', history: ops('a 0-9 w 1', 'b 0-9 w 2', 'c 10-11 r 1') },
    { name: 'of two cas at once one wins', history: ops('a 0-9 cas ->1 ok', 'b 0-9 cas ->2 no', 'c 10-11 r 1') },
    {
      name: 'cas at once that build on one another, the later one returns first',
      history: ops('a 0-9 cas ->1 ok', 'b 0-5 cas 1>2 ok', 'c 10-11 r 2'),
    },
    { name: 'an unknown write that happened', history: ops('a 0-? w 1', 'b 5-6 r -', 'b 7-8 r 1') },
    { name: 'an unknown write that never happened', history: ops('a 0-? w 1', 'b 5-6 r -', 'b 7-8 r -') },
    { name: 'an unknown write that happens late, over a newer one', history: ops('a 0-? w 1', 'b 5-6 w 2', 'b 7-8 r 2', 'b 9-10 r 1') },
    { name: 'an unknown cas that explains why another lost', history: ops('a 0-? cas ->1 no', 'b 5-6 cas ->2 no', 'b 7-8 r 1') },
    { name: 'unknown cas upon unknown cas', history: ops('a 0-? cas ->1 no', 'b 0-? cas 1>2 no', 'c 5-6 r 2') },
    {
      name: 'of two unknown ways to one value, the one that must have been kept for later',
      history: ops('a 0-? cas ->1 no', 'b 1-? w 1', 'c 2-3 r 1', 'c 4-5 w 5', 'c 6-7 r 1'),
    },
    { name: 'and the other way round', history: ops('b 0-? w 1', 'a 1-? cas ->1 no', 'c 2-3 r 1', 'c 4-5 w 5', 'c 6-7 r 1') },
    { name: 'an unknown read', history: ops('a 0-? r 77', 'b 1-2 w 1') },
    { name: 'a write that ends in the millisecond in which a read begins', history: ops('a 0-5 w 1', 'b 5-6 r -') },
    {
      name: 'two registers',
      history: [
        ...ops('a 0-1 w 1', 'a 2-3 r 1').map((op) => ({ ...op, key: 'x' })),
        ...ops('b 2-3 r -').map((op) => ({ ...op, key: 'y' })),
      ],
    },
  ])('$name', ({ history }) => {
    expect(checkRegister(history)).toEqual({ ok: true, operations: history.length });
  });
});

describe('a history that no register can show', () => {
  test.each<{ name: string; history: Operation[]; culprit: string }>([
    { name: 'a stale read', history: ops('a 0-1 w 1', 'a 2-3 w 2', 'b 4-5 r 1'), culprit: 'read by b from 4' },
    { name: 'a read of nothing after a write', history: ops('a 0-1 w 1', 'b 2-3 r -'), culprit: 'read by b from 2' },
    { name: 'a lost update', history: ops('a 0-1 w 1', 'b 2-9 cas 1>2 ok', 'c 2-9 cas 1>3 ok'), culprit: 'cas' },
    {
      name: 'two cas from one value, both won, far apart',
      history: ops('a 0-1 cas ->1 ok', 'b 2-3 cas ->2 ok'),
      culprit: 'cas {"from":null,"to":2} by b',
    },
    { name: 'a dirty read of a cas that failed', history: ops('a 0-1 w 1', 'b 2-9 cas 7>8 no', 'c 3-4 r 8'), culprit: 'read by c' },
    { name: 'a cas that lost although nobody had changed anything', history: ops('a 0-1 w 1', 'b 2-3 cas 1>2 no'), culprit: 'cas' },
    { name: 'a read from the future', history: ops('a 0-1 r 1', 'b 2-3 w 1'), culprit: 'read by a' },
    { name: 'a read going backwards', history: ops('a 0-99 w 1', 'b 1-2 r 1', 'c 3-4 r -'), culprit: 'read by c' },
    {
      name: 'two readers that disagree on the order of two writes',
      history: ops('a 0-99 w 1', 'b 0-99 w 2', 'c 1-2 r 1', 'c 3-4 r 2', 'd 5-6 r 1'),
      culprit: 'read by d',
    },
    {
      name: 'an unknown write that took effect twice',
      history: ops('a 0-? w 1', 'b 1-2 r 1', 'b 3-4 w 2', 'b 5-6 r 2', 'b 7-8 r 1'),
      culprit: 'read by b from 7',
    },
    {
      name: 'an unknown cas that took effect twice',
      history: ops('a 0-? cas 0>1 no', 'b 1-2 w 0', 'b 3-4 r 1', 'b 5-6 w 0', 'b 7-8 r 1'),
      culprit: 'read by b from 7',
    },
    { name: 'an unknown write that took effect before it was sent', history: ops('b 0-1 r 1', 'a 2-? w 1'), culprit: 'read by b from 0' },
    { name: 'a value that nobody wrote', history: ops('a 0-? w 1', 'b 0-9 w 2', 'c 1-2 r 3'), culprit: 'read by c' },
    {
      name: 'trouble in the second of two registers',
      history: [
        ...ops('a 0-1 w 1').map((op) => ({ ...op, key: 'x' })),
        ...ops('a 2-3 w 1', 'b 4-5 r -').map((op) => ({ ...op, key: 'y' })),
      ],
      culprit: 'y: read by b',
    },
  ])('$name', ({ history, culprit }) => {
    const verdict = checkRegister(history);
    expect(verdict.ok).toBe(false);
    expect(verdict.ok ? '' : verdict.because).toContain(culprit);
  });

  test('is explained by its shortest prefix, and by what the register could have held', () => {
    const history = ops('a 0-1 w 1', 'b 2-9 w 2', 'c 3-4 r 3', 'd 10-11 w 4', 'd 12-13 r 1');
    const verdict = checkRegister(history) as Verdict & { ok: false };
    expect(verdict.because).toBe(
      'read by c from 3 to 4 ms answered 3, but before it the state can only have been 1; concurrent: write 2 by b from 2 to 9 ms answered null',
    );
    expect(verdict.prefix).toEqual([history[0], { ...history[1], returnedAtMs: null }, history[2]]);
    expect(checkRegister(verdict.prefix).ok).toBe(false);
    expect(checkRegister(verdict.prefix.slice(0, -1)).ok).toBe(true);
  });

  test('that is malformed is an error', () => {
    expect(() => checkRegister(ops('a 5-1 w 1'))).toThrow('returned before it was invoked');
  });
});

describe('the override document', () => {
  const at = (process: string, from: number, to: number | null): Pick<Operation, 'process' | 'invokedAtMs' | 'returnedAtMs'> => ({
    process,
    invokedAtMs: from,
    returnedAtMs: to,
  });
  const put = (id: string, version: number | 'stale', more: object = {}) => ({
    kind: 'put' as const,
    args: { id, mark: `by ${id}`, ...more },
    result: version === 'stale' ? version : { version },
  });
  const read = (version: number, ...ids: string[]) => ({
    kind: 'read' as const,
    result: { version, items: Object.fromEntries(ids.map((id) => [id, `by ${id}`])) },
  });

  test('takes orders of different operators at once', () => {
    const history: Operation[] = [
      { ...at('a', 0, 9), ...put('x', 2) },
      { ...at('b', 0, 9), ...put('y', 1) },
      { ...at('c', 1, 5), ...read(1, 'y') },
      { ...at('c', 10, 11), ...read(2, 'x', 'y') },
      { ...at('a', 12, 13), kind: 'delete', args: { id: 'y' }, result: { version: 3 } },
      { ...at('b', 14, 15), kind: 'delete', args: { id: 'y', ifVersion: 1 }, result: 'missing' },
      { ...at('b', 16, 17), ...put('z', 'stale', { ifVersion: 2 }) },
      { ...at('b', 18, null), ...put('z', 4, { ifVersion: 3 }) },
      { ...at('c', 19, 20), ...read(4, 'z', 'x') },
    ];
    expect(checkDocument(history)).toEqual({ ok: true, operations: 9 });
  });

  test.each<{ name: string; history: Operation[] }>([
    {
      name: 'an acknowledged order that was lost',
      history: [
        { ...at('a', 0, 1), ...put('x', 1) },
        { ...at('b', 2, 3), ...put('y', 2) },
        { ...at('c', 4, 5), ...read(2, 'y') },
      ],
    },
    {
      name: 'two orders that both made version 1',
      history: [
        { ...at('a', 0, 9), ...put('x', 1) },
        { ...at('b', 0, 9), ...put('y', 1) },
      ],
    },
    {
      name: 'a snapshot that mixes two versions',
      history: [
        { ...at('a', 0, 1), ...put('x', 1) },
        { ...at('a', 2, 3), ...put('y', 2) },
        { ...at('c', 0, 9), ...read(1, 'y') },
      ],
    },
    { name: 'an order refused as stale that was not', history: [{ ...at('a', 0, 1), ...put('x', 'stale', { ifVersion: 0 }) }] },
    {
      name: 'a guarded order that overran another',
      history: [
        { ...at('a', 0, 1), ...put('x', 1) },
        { ...at('b', 2, 3), ...put('y', 2, { ifVersion: 0 }) },
      ],
    },
    {
      name: 'a deletion that came back',
      history: [
        { ...at('a', 0, 1), ...put('x', 1) },
        { ...at('a', 2, 3), kind: 'delete', args: { id: 'x' }, result: { version: 2 } },
        { ...at('c', 4, 5), ...read(2, 'x') },
      ],
    },
    {
      name: 'an order called missing that was there',
      history: [
        { ...at('a', 0, 1), ...put('x', 1) },
        { ...at('a', 2, 3), kind: 'delete', args: { id: 'x' }, result: 'missing' },
      ],
    },
  ])('$name is refused', ({ history }) => {
    expect(checkDocument(history).ok).toBe(false);
  });
});

// ---- generated histories ----

interface Recipe {
  count: number;
  processes: number;
  /** Of the kinds: writes, then cas; the rest reads. */
  writes: number;
  cas: number;
  unknown: number;
  /** 1: nearly one after the other; larger: more at once. */
  spread: number;
  seed: number;
}

interface Made {
  history: Operation[];
  /** Values that were current at some instant of each operation's interval. */
  currentIn(op: Operation): Set<unknown>;
}

/** A real register: every operation takes effect at one instant, in order of those instants; the intervals around them are random. */
const generate = ({ count, processes, writes, cas, unknown, spread, seed }: Recipe): Made => {
  const { unit } = seededRandom(`linearizable ${seed}`);
  const freeAt = Array.from({ length: processes }, () => 0);
  const planned = Array.from({ length: count }, (_, i) => {
    const p = i % processes;
    const from = freeAt[p]! + unit() * 10;
    const at = from + unit() * spread * 10;
    const to = at + unit() * spread * 10;
    freeAt[p] = to;
    return { p, from, at, to, kind: unit(), lost: unit(), unknown: unit() < unknown };
  });
  const changes: { atMs: number; value: unknown }[] = [{ atMs: -1, value: null }];
  let value: unknown = null;
  const history = planned
    .toSorted((a, b) => a.at - b.at)
    .map(({ p, from, at, to, kind, lost, unknown: isUnknown }, n): Operation => {
      const base = { process: `p${p}`, invokedAtMs: from, returnedAtMs: isUnknown ? null : to };
      const happens = !isUnknown || lost < 0.5;
      const set = (next: unknown): void => {
        if (!happens) return;
        value = next;
        changes.push({ atMs: at, value });
      };
      if (kind < writes) {
        set(n);
        return { ...base, kind: 'write', args: n };
      }
      if (kind < writes + cas) {
        const expected = lost < 0.7 ? value : n - 3;
        const won = expected === value;
        if (won) set(n);
        return { ...base, kind: 'cas', args: { from: expected, to: n }, result: won };
      }
      return { ...base, kind: 'read', result: value };
    })
    .toSorted((a, b) => a.invokedAtMs - b.invokedAtMs);
  return {
    history,
    currentIn(op) {
      const end = op.returnedAtMs ?? Number.POSITIVE_INFINITY;
      const inside = changes.filter(({ atMs }) => atMs >= op.invokedAtMs && atMs <= end);
      const before = changes.findLast(({ atMs }) => atMs < op.invokedAtMs);
      return new Set([before, ...inside].map((change) => change?.value));
    },
  };
};

const recipes = fc.record({
  count: fc.integer({ min: 2, max: 120 }),
  processes: fc.integer({ min: 1, max: 10 }),
  writes: fc.constantFrom(0.1, 0.3, 0.6),
  cas: fc.constantFrom(0, 0.2, 0.4),
  unknown: fc.constantFrom(0, 0.05, 0.2),
  spread: fc.constantFrom(0.1, 1, 5),
  seed: fc.nat(),
});

test('every history of a real register passes', () => {
  fc.assert(
    fc.property(recipes, (recipe) => {
      expect(checkRegister(generate(recipe).history)).toMatchObject({ ok: true });
    }),
    { numRuns: 300 },
  );
});

test('a read changed to a value that was never current in its interval is refused, with a prefix that is as short as can be', () => {
  let tried = 0;
  fc.assert(
    fc.property(recipes, fc.nat(), (recipe, pick) => {
      const { history, currentIn } = generate({ ...recipe, unknown: 0 });
      const reads = history.filter(({ kind }) => kind === 'read');
      const victim = reads[pick % Math.max(1, reads.length)];
      if (victim === undefined) return;
      const current = currentIn(victim);
      // Concurrent writes may be put in another order than they had; only what no order allows is certainly wrong.
      const wrong = history.find(
        (op) =>
          op.kind === 'write' &&
          !current.has(op.args) &&
          (op.invokedAtMs > victim.returnedAtMs! || op.returnedAtMs! < victim.invokedAtMs) &&
          isOver(history, op, victim),
      );
      for (const result of ['never written', ...(wrong === undefined ? [] : [wrong.args])]) {
        tried += 1;
        const verdict = checkRegister(history.map((op) => (op === victim ? { ...op, result } : op)));
        if (verdict.ok) throw new Error(`${victim.process} read ${result} unnoticed`);
        expect(checkRegister(verdict.prefix).ok).toBe(false);
        expect(checkRegister(verdict.prefix.slice(0, -1)).ok).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
  expect(tried).toBeGreaterThan(300);
});

/** Not yet begun, or certainly overwritten: another write lies wholly between it and the read. */
const isOver = (history: readonly Operation[], write: Operation, read: Operation): boolean =>
  write.invokedAtMs > read.returnedAtMs! ||
  history.some((op) => op.kind === 'write' && op.invokedAtMs > write.returnedAtMs! && op.returnedAtMs! < read.invokedAtMs);

/** All orders, for histories short enough. */
const bruteForce = (history: readonly Operation[]): boolean => {
  const search = (left: readonly Operation[], value: unknown): boolean => {
    if (left.every(({ returnedAtMs }) => returnedAtMs === null)) return true;
    const endMs = Math.min(...left.map(({ returnedAtMs }) => returnedAtMs ?? Number.POSITIVE_INFINITY));
    return left.some((op) => {
      if (op.invokedAtMs > endMs) return false;
      const rest = left.filter((other) => other !== op);
      if (op.kind === 'read') return (op.returnedAtMs === null || op.result === value) && search(rest, value);
      if (op.kind === 'write') return search(rest, op.args);
      const { from, to } = op.args as { from: unknown; to: unknown };
      if (op.returnedAtMs !== null && (value === from) !== op.result) return false;
      return search(rest, value === from ? to : value);
    });
  };
  return search(history, null);
};

test('on short histories it says what trying every order says, good or bad', () => {
  const operation: fc.Arbitrary<Operation> = fc
    .record({
      from: fc.integer({ min: 0, max: 12 }),
      took: fc.option(fc.integer({ min: 0, max: 8 }), { freq: 5 }),
      kind: fc.constantFrom('read', 'write', 'cas'),
      a: fc.integer({ min: 0, max: 3 }),
      b: fc.integer({ min: 0, max: 3 }),
      won: fc.boolean(),
    })
    .map(({ from, took, kind, a, b, won }): Operation => {
      const base = { process: 'p', invokedAtMs: from, returnedAtMs: took === null ? null : from + took };
      const value = (n: number): number | null => (n === 0 ? null : n);
      if (kind === 'read') return { ...base, kind, result: value(a) };
      return kind === 'write'
        ? { ...base, kind, args: value(a) }
        : { ...base, kind: 'cas', args: { from: value(a), to: value(b) }, result: won };
    });
  const counts = { good: 0, bad: 0 };
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 7 }), (history) => {
      const expected = bruteForce(history);
      counts[expected ? 'good' : 'bad'] += 1;
      expect(checkRegister(history).ok).toBe(expected);
    }),
    { numRuns: 3000 },
  );
  expect(Math.min(counts.good, counts.bad)).toBeGreaterThan(200);
});

test.each<Partial<Recipe> & { name: string }>([
  { name: 'mixed' },
  { name: 'mostly writes', writes: 0.8, cas: 0.1 },
  { name: 'with a hundred unknown outcomes', unknown: 0.05 },
  { name: 'nearly all at once', spread: 20 },
])(
  'two thousand operations of ten processes are checked within seconds: $name',
  ({ name: _, ...given }) => {
    const { history } = generate({ count: 2000, processes: 10, writes: 0.3, cas: 0.3, unknown: 0, spread: 3, seed: 7, ...given });
    expect(checkRegister(history)).toMatchObject({ ok: true });
    const last = history.findLast(({ kind, returnedAtMs }) => kind === 'read' && returnedAtMs !== null)!;
    expect(checkRegister(history.map((op) => (op === last ? { ...op, result: 'never written' } : op))).ok).toBe(false);
  },
  120_000,
);
