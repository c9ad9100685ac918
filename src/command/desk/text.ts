// Text for a terminal: nothing that came from outside can move the cursor, columns fit however wide their characters are, colour only adds to words. Pure.

/** Control characters, and those that turn the direction of what follows or end a line in some terminals. */
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const hex = (char: string): string => (char.codePointAt(0) ?? 0).toString(16).padStart(4, '0');

/** A text of somebody else's as one harmless line: what is not printable is shown as `\u001b`. */
export const safe = (text: string): string => text.replace(UNSAFE, (char) => `\\u${hex(char)}`);

/** Several lines of ours, with the words of others in them. */
export const safeLines = (text: string): string => text.split('\n').map(safe).join('\n');

/** Every text in a document, names of members included. */
export const clean = <T>(value: T): T => {
  if (typeof value === 'string') return safe(value) as T;
  if (Array.isArray(value)) return value.map((each) => clean(each as unknown)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [safe(name), clean(each as unknown)])) as T;
};

/** JSON in one line that is as harmless: JSON itself escapes only half of those characters. */
export const jsonLine = (value: unknown): string => `${JSON.stringify(value).replace(UNSAFE, (char) => `\\u${hex(char)}`)}\n`;

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** East Asian wide and full width, and what is drawn as a picture. */
const WIDE =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation})/u;
const EMPTY = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

const widthOf = (grapheme: string): number => (EMPTY.test(grapheme) ? 0 : WIDE.test(grapheme) || grapheme.includes('\ufe0f') ? 2 : 1);

/** Cells of a terminal that a text takes. */
export const width = (text: string): number => {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let cells = 0;
  for (const { segment } of graphemes.segment(text)) cells += widthOf(segment);
  return cells;
};

/** As much as fits into so many cells; what is cut ends with `…`. */
export const fit = (text: string, cells: number): string => {
  if (width(text) <= cells) return text;
  let out = '';
  let left = cells - 1;
  for (const { segment } of graphemes.segment(text)) {
    left -= widthOf(segment);
    if (left < 0) break;
    out += segment;
  }
  return cells < 1 ? '' : `${out}…`;
};

const pad = (text: string, cells: number): string => text + ' '.repeat(Math.max(0, cells - width(text)));

/** Words into lines of so many cells; a word that is longer is cut in pieces. */
export const wrap = (text: string, cells: number): readonly string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (width(longer) <= cells) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (width(line) > cells) {
      const piece = fit(line, cells + 1).slice(0, -1);
      if (piece === '') break;
      lines.push(piece);
      line = line.slice(piece.length);
    }
  }
  return [...lines, line];
};

export type Tone = 'good' | 'bad' | 'warn' | 'dim' | 'bold';
/** Text in a tone, or as it is where there is no colour. */
export type Paint = (tone: Tone, text: string) => string;

const SGR: Readonly<Record<Tone, readonly [number, number]>> = {
  good: [32, 39],
  bad: [31, 39],
  warn: [33, 39],
  dim: [2, 22],
  bold: [1, 22],
};
export const colour: Paint = (tone, text) => `\u001b[${SGR[tone][0]}m${text}\u001b[${SGR[tone][1]}m`;
export const plain: Paint = (_tone, text) => text;

/** A cell: its words, and the tone of them if it has one. */
export type CellText = string | { text: string; tone: Tone };
export const wordsOf = (cell: CellText): string => (typeof cell === 'string' ? cell : cell.text);
export const cellWidth = (cell: CellText): number => width(wordsOf(cell));

/** A mark that says the same as the word beside it: never colour alone, never a mark alone. */
export const good = (word: string): CellText => ({ text: `✓ ${word}`, tone: 'good' });
export const bad = (word: string): CellText => ({ text: `✗ ${word}`, tone: 'bad' });
export const warn = (word: string): CellText => ({ text: `! ${word}`, tone: 'warn' });
export const idle = (word: string): CellText => ({ text: `- ${word}`, tone: 'dim' });

export interface TableOptions {
  columns: number;
  paint: Paint;
  /** Number of the column that gives way when the lines are too long; the last one unless said. */
  gives?: number;
  /** Instead of being cut, the last column goes on in the next line. */
  wraps?: boolean;
}

const GAP = 3;
const LEAST = 8;

/** Columns as kubectl prints them: a head in capitals, three spaces between, no boxes, nothing after the last word. */
export const table = (
  head: readonly string[],
  rows: readonly (readonly CellText[])[],
  { columns, paint, gives = head.length - 1, wraps }: TableOptions,
): readonly string[] => {
  const texts = rows.map((row) => row.map(wordsOf));
  const widths = head.map((name, at) => Math.max(width(name), ...texts.map((row) => width(row[at] ?? ''))));
  const shrink = (at: number): void => {
    const whole = widths.reduce((sum, each) => sum + each, 0) + GAP * (head.length - 1);
    widths[at] = Math.max(Math.min(LEAST, widths[at] ?? 0), (widths[at] ?? 0) - Math.max(0, whole - columns));
  };
  shrink(gives);
  // When that one alone cannot give enough, the widest of the others give too.
  for (const at of head.map((_, each) => each).sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))) if (at !== gives) shrink(at);
  const lineOf = (cells: readonly CellText[]): string => {
    const parts = cells.map((cell, at) => {
      const text = fit(wordsOf(cell), widths[at] ?? 0);
      const filled = at === head.length - 1 ? text : pad(text, widths[at] ?? 0);
      return typeof cell === 'string' ? filled : paint(cell.tone, text) + filled.slice(text.length);
    });
    return parts.join(' '.repeat(GAP)).trimEnd();
  };
  const last = head.length - 1;
  const linesOf = (row: readonly CellText[]): readonly string[] => {
    if (wraps !== true) return [lineOf(row)];
    const [begin = '', ...rest] = wrap(wordsOf(row[last] ?? ''), widths[last] ?? 0);
    const indent = ' '.repeat(widths.slice(0, -1).reduce((sum, each) => sum + each + GAP, 0));
    return [lineOf([...row.slice(0, -1), begin]), ...rest.map((line) => indent + line)];
  };
  return [lineOf(head.map((name) => ({ text: name, tone: 'dim' as const }))), ...rows.flatMap(linesOf)];
};

/** `12s`, `4m`, `3h10m`, `6d`: how long, for a column. */
export const span = (ms: number): string => {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) return `${s}s`;
  const m = Math.round(s / 60);
  if (m < 60) return `${m}m`;
  const h = Math.floor(m / 60);
  if (h < 48) return m % 60 === 0 || h >= 10 ? `${h}h` : `${h}h${m % 60}m`;
  return `${Math.floor(h / 24)}d`;
};

/** A measured time: `310ms`, `18.2s`, `4m`. */
export const took = (ms: number): string => (ms < 1000 ? `${Math.round(ms)}ms` : ms < 120_000 ? `${(ms / 1000).toFixed(1)}s` : span(ms));

/** Thousandths as percent: `33.3%`, `50%`, `0%`. */
export const percent = (thousandths: number): string => `${Math.round(thousandths) / 10}%`;
/** The same for a screen: `33%`; what is little is never shown as nothing. */
export const roundPercent = (thousandths: number): string =>
  thousandths > 0 && thousandths < 10 ? percent(thousandths) : `${Math.round(thousandths / 10)}%`;
