// Texts and values cut to what a receiver takes, by characters, by units of UTF-16 or by bytes. Pure.
import { sha256 } from '../audit/canonical.ts';

/** `text` cut to `charsMax` code points; what was cut shows as an ellipsis. */
const clipped = (text: string, charsMax: number): string => {
  const chars = Array.from(text);
  return chars.length <= charsMax ? text : `${chars.slice(0, charsMax - 1).join('')}…`;
};

/** Control characters, ends of lines, and marks that turn the direction of writing: what could make a text look like another. */
const UNSEEN = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

/** `text` as one line of whole characters: what UNSEEN names becomes a space, half a character U+FFFD. */
export const plain = (text: string): string => text.toWellFormed().replaceAll(UNSEEN, ' ');

/**
 * `text` as one plain line of at most `unitsMax` UTF-16 units, no character cut in two; what was cut shows as an ellipsis. Vendors say "characters" and do
 * not say whose: there are never more code points than units, so this holds by either count.
 */
export const line = (text: string, unitsMax: number): string => {
  const whole = plain(text);
  if (whole.length <= unitsMax) return whole;
  // A pair that the cut would split is left out.
  const cut = whole.slice(0, unitsMax - 1);
  return `${cut.isWellFormed() ? cut : cut.slice(0, -1)}…`;
};

const KEY_DIGEST_CHARS = 24;

/** `key` itself where it is printable ASCII of at most `charsMax`; else as much of it as fits and a digest: as stable as `key`, and as unique. */
export const keyWithin = (key: string, charsMax: number): string => {
  // Dots alone would be a step in a path.
  if (key.length <= charsMax && /^[\x21-\x7e]*[\x21-\x2d\x2f-\x7e][\x21-\x7e]*$/.test(key)) return key;
  const digest = sha256(key).slice(0, KEY_DIGEST_CHARS);
  return `${key.replaceAll(/[^\x21-\x7e]/g, '_').slice(0, charsMax - KEY_DIGEST_CHARS - 1)}_${digest}`;
};

/** JSON text in which half a character is U+FFFD: many readers refuse the whole text for one. */
export const jsonOf = (value: unknown): string =>
  // A half is the only thing that JSON.stringify writes as such an escape; escapes are read one after another, so that `\\ud800` is a backslash and letters.
  JSON.stringify(value).replaceAll(/\\(?:ud[89a-f][0-9a-f]{2}|.)/g, (part) => (part.startsWith('\\ud') ? '\ufffd' : part));

export const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '');

/** The members of `detail` that fit into `bytesMax` of JSON, in order, and under `cut` the names of those that did not. */
export const fitting = (detail: Readonly<Record<string, unknown>>, bytesMax: number): Readonly<Record<string, unknown>> => {
  if (bytesOf(detail) <= bytesMax) return detail;
  const kept: [string, unknown][] = [];
  const cut: string[] = [];
  let bytes = 0;
  for (const [name, value] of Object.entries(detail)) {
    const size = bytesOf({ [name]: value });
    if (bytes + size > bytesMax) cut.push(clipped(name, 60));
    else {
      bytes += size;
      kept.push([name, value]);
    }
  }
  return Object.fromEntries([...kept, ['cut', cut.slice(0, 20)]]);
};

/** What `write` makes of as many items as fit, from `most` down; of none, whether that fits or not. */
export const largest = (most: number, write: (shown: number) => string, fits: (text: string) => boolean): string => {
  for (let shown = most; shown > 0; shown--) {
    const text = write(shown);
    if (fits(text)) return text;
  }
  return write(0);
};
