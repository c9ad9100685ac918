// What was measured while this page is open: a few minutes of it, by series, for a chart and for the table beside it. Nothing is made up between two looks. Pure.

export interface Sample {
  atMs: number;
  /** null: a look that got no figure. */
  value: number | null;
}

export interface Samples {
  /** Keeps it if it is newer than what is there by more than `GRAIN_MS`: what was read twice is one look. */
  add(series: string, atMs: number, value: number | null): void;
  /** Oldest first. Changes by `add` alone. */
  all(): ReadonlyMap<string, readonly Sample[]>;
}

export const KEPT_MS = 15 * 60_000;
const GRAIN_MS = 1_500;
const SERIES_MAX = 200;
/** Two looks further apart than that are not joined by a line. */
export const JOIN_MS = 60_000;

export const samplesKept = (keptMs: number = KEPT_MS): Samples => {
  const kept = new Map<string, Sample[]>();
  let newestMs = 0;
  return {
    add(series, atMs, value) {
      const own = kept.get(series) ?? [];
      if (atMs <= (own.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY) + GRAIN_MS) return;
      if (own.length === 0 && kept.size >= SERIES_MAX) return;
      own.push({ atMs, value });
      kept.set(series, own);
      newestMs = Math.max(newestMs, atMs);
      for (const [name, each] of kept) {
        while (each[0] !== undefined && each[0].atMs < newestMs - keptMs) each.shift();
        if (each.length === 0) kept.delete(name);
      }
    },
    all: () => kept,
  };
};

/** Columns as a chart takes them: the instants in seconds, then a column for each series. undefined: not looked at then, join; null: a gap. */
export type Columns = [number[], ...(number | null | undefined)[][]];

const columnOf = (own: readonly Sample[], atMs: readonly number[]): (number | null | undefined)[] => {
  const values = new Map(own.map((sample) => [sample.atMs, sample.value]));
  const gaps = own.flatMap((sample, at) => {
    const next = own[at + 1];
    return next !== undefined && next.atMs - sample.atMs > JOIN_MS ? [[sample.atMs, next.atMs] as const] : [];
  });
  return atMs.map((each) => {
    const value = values.get(each);
    if (value !== undefined) return value;
    return gaps.some(([from, to]) => each > from && each < to) ? null : undefined;
  });
};

/** So wide a chart is at least, however short the page has been open. */
const LEAST_MS = 120_000;

/** `names`: in that order. In the middle of a gap an instant is put in, so that nothing joins it; so is one in front while there is little. */
export const columnsOf = (all: ReadonlyMap<string, readonly Sample[]>, names: readonly string[]): Columns => {
  const own = names.map((name) => all.get(name) ?? []);
  const between = own.flatMap((each) =>
    each.flatMap((sample, at) => {
      const next = each[at + 1];
      return next !== undefined && next.atMs - sample.atMs > JOIN_MS ? [(sample.atMs + next.atMs) / 2] : [];
    }),
  );
  const looks = own.flatMap((each) => each.map((sample) => sample.atMs));
  const firstMs = looks.length === 0 ? [] : [Math.min(...looks, Math.max(...looks) - LEAST_MS)];
  const atMs = [...new Set([...firstMs, ...looks, ...between])].sort((a, b) => a - b);
  return [atMs.map((each) => each / 1000), ...own.map((each) => columnOf(each, atMs))];
};

export interface MinuteRow {
  atMs: number;
  /** The last look of that minute, by series; undefined: there was none. */
  values: readonly (number | null | undefined)[];
}

/** The newest first. */
export const minutesOf = (all: ReadonlyMap<string, readonly Sample[]>, names: readonly string[]): readonly MinuteRow[] => {
  const rows = new Map<number, (number | null | undefined)[]>();
  names.forEach((name, at) => {
    for (const { atMs, value } of all.get(name) ?? []) {
      const minute = Math.floor(atMs / 60_000) * 60_000;
      const row = rows.get(minute) ?? names.map(() => undefined);
      row[at] = value;
      rows.set(minute, row);
    }
  });
  return [...rows].map(([atMs, values]) => ({ atMs, values })).sort((a, b) => b.atMs - a.atMs);
};
