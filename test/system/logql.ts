// The part of LogQL that our rules use, evaluated over lines: `sum by (LABELS) (count_over_time({LABEL="V", ...} | json | FIELD="V" | FIELD=~"R" [5m])) > N`.
// Everything else is refused, so that a rule cannot mean more to Loki than to this test. As in Loki, `=~` has to match the whole value, a line that
// is no JSON is kept with an error label (which our filters then drop, since it has no fields), and only strings and numbers become labels.

export interface LogQl {
  by: readonly string[];
  stream: readonly Matcher[];
  filters: readonly Matcher[];
  windowMs: number;
  moreThan: number;
}

export interface Matcher {
  name: string;
  isRegex: boolean;
  value: string;
}

export interface StreamLine {
  /** Of the stream, as whoever ships the log sets them. */
  labels: Readonly<Record<string, string>>;
  text: string;
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };
const WHOLE =
  /^sum by \(([a-z_, ]+)\) \(count_over_time\(\{([^{}]+)\} \| json((?: \| [a-z_]+=~?"(?:[^"\\]|\\.)*")+) \[(\d+)([smh])\]\)\) > (\d+)$/;
const MATCHER = /^([a-z_]+)(=~?)("(?:[^"\\]|\\.)*")$/;

const matcherOf = (text: string): Matcher => {
  const [, name = '', operator, value = ''] = MATCHER.exec(text.trim()) ?? [];
  if (operator === undefined) throw new Error(`${text}: found no matcher, expected NAME="VALUE" or NAME=~"REGEX"`);
  return { name, isRegex: operator === '=~', value: JSON.parse(value) as string };
};

/** Throws on all that is not the part above. */
export const parseLogQl = (expr: string): LogQl => {
  const [, by = '', stream = '', filters = '', amount, unit = '', moreThan] = WHOLE.exec(expr.replaceAll(/\s+/g, ' ').trim()) ?? [];
  if (amount === undefined) throw new Error(`${expr}: found another form of LogQL than the one that is tested here`);
  return {
    by: by.split(',').map((label) => label.trim()),
    stream: stream.split(/,(?=\s*[a-z_]+=)/).map(matcherOf),
    filters: [...filters.matchAll(/ \| ([a-z_]+=~?"(?:[^"\\]|\\.)*")/g)].map(([, text = '']) => matcherOf(text)),
    windowMs: Number(amount) * (UNIT_MS[unit] ?? 0),
    moreThan: Number(moreThan),
  };
};

const matches = ({ name, isRegex, value }: Matcher, labels: Readonly<Record<string, string>>): boolean => {
  const found = labels[name] ?? '';
  return isRegex ? new RegExp(`^(?:${value})$`).test(found) : found === value;
};

/** What `| json` makes of a line: its strings, numbers and booleans as labels; those of the stream win. */
const extracted = ({ labels, text }: StreamLine): Readonly<Record<string, string>> => {
  try {
    const fields = Object.entries(JSON.parse(text) as Record<string, unknown>).filter(([, value]) => typeof value !== 'object');
    return { ...Object.fromEntries(fields.map(([name, value]) => [name, String(value)])), ...labels };
  } catch {
    return { ...labels, __error__: 'JSONParserErr' };
  }
};

/** The lines that a rule counts. */
export const linesOf = (query: LogQl, lines: readonly StreamLine[]): readonly StreamLine[] =>
  lines
    .filter(({ labels }) => query.stream.every((matcher) => matches(matcher, labels)))
    .filter((line) => query.filters.every((matcher) => matches(matcher, extracted(line))));

/** By the labels it groups by, joined: how many lines, of those groups that are beyond the threshold. All lines count as being within the window. */
export const firing = (query: LogQl, lines: readonly StreamLine[]): ReadonlyMap<string, number> => {
  const counts = Map.groupBy(linesOf(query, lines), (line) => query.by.map((label) => extracted(line)[label] ?? '').join('/'));
  return new Map([...counts].map(([group, those]) => [group, those.length] as const).filter(([, count]) => count > query.moreThan));
};
