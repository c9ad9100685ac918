// How numbers, lists and near misses read in sentences. Pure; shared by every text that this room prints.

/** A duration as the file spells it: `500ms`, `2.5s`, `10m`, `4h`. */
export const spell = (ms: number): string => {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms % 60_000 === 0 && ms > 120_000) return `${ms / 60_000}m`;
  return `${ms / 1000}s`;
};

/** A duration as a sentence says it: `350 ms`, `11.25 s`. To 10 ms, so that printed sums add up. */
export const say = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 10) / 100} s`);

export const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** `a, b and 3 more`; an empty list reads `none`. */
export const list = (names: readonly string[], most = 8): string => {
  if (names.length === 0) return 'none';
  const shown = names.slice(0, most);
  const more = names.length - shown.length;
  return more === 0 ? shown.join(', ') : `${shown.join(', ')} and ${more} more`;
};

/** Edits (insert, delete, replace, swap of neighbours) from `a` to `b`. */
const distance = (a: string, b: string): number => {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min((row[j - 1] ?? 0) + 1, (above[j] ?? 0) + 1, (above[j - 1] ?? 0) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, (before[j - 2] ?? 0) + 1);
      row.push(least);
    }
    before = above;
    above = row;
  }
  return above[b.length] ?? 0;
};

/** Longest word worth comparing: longer ones are no typing mistakes, and the comparison is quadratic. */
const WORD_MAX = 64;

/** The candidates nearest to `word`, all of them when several are equally near; none when nothing is near enough to be a slip of the finger. */
export const nearest = (word: string, candidates: readonly string[]): readonly string[] => {
  if (word.length > WORD_MAX) return [];
  const limit = word.length <= 4 ? 1 : word.length <= 8 ? 2 : 3;
  const scored = candidates.map((candidate) => ({ candidate, edits: distance(word.toLowerCase(), candidate.toLowerCase()) }));
  const best = Math.min(limit, ...scored.map(({ edits }) => edits));
  return scored.filter(({ edits }) => edits === best).map(({ candidate }) => candidate);
};

/** `did you mean "x"?`, or `otherwise` when nothing is near. */
export const didYouMean = (word: string, candidates: readonly string[], otherwise: string): string => {
  const near = nearest(word, candidates);
  return near.length === 0 ? otherwise : `did you mean ${near.map((name) => `"${name}"`).join(' or ')}?`;
};
