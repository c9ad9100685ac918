// Figures as words, and documents as they change. Pure.

// ---- figures ----
// Figures as words.

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** `320 ms`, `6.4 s`, `48 s`, `12 min`, `3 h 10 min`, `6 d`. */
export const duration = (ms: number): string => {
  const spanMs = Math.max(0, ms);
  if (spanMs < 1000) return `${Math.round(spanMs)} ms`;
  if (spanMs < 10_000) return `${(spanMs / 1000).toFixed(1)} s`;
  if (spanMs < 120_000) return `${Math.round(spanMs / 1000)} s`;
  if (spanMs < 2 * HOUR_MS) return `${Math.round(spanMs / MINUTE_MS)} min`;
  if (spanMs < 2 * DAY_MS) {
    const minutes = Math.round((spanMs % HOUR_MS) / MINUTE_MS) % 60;
    return minutes === 0 ? `${Math.round(spanMs / HOUR_MS)} h` : `${Math.floor(spanMs / HOUR_MS)} h ${minutes} min`;
  }
  return `${Math.floor(spanMs / DAY_MS)} d`;
};

/** In whole seconds while it is short: a figure that changes every second and not more often. */
export const age = (ms: number): string => (ms < 1000 ? '0 s' : ms < 120_000 ? `${Math.floor(ms / 1000)} s` : duration(ms));

/** Of what is to come: `in 48 s`. Clocks that differ a little are no news. */
export const ago = (ms: number): string => (ms <= -5000 ? `in ${age(-ms)}` : ms < 1000 ? 'now' : `${age(ms)} ago`);

/** Thousandths as per cent. */
export const percent = (thousandths: number): string => `${Number((thousandths / 10).toFixed(1))} %`;

const two = (value: number): string => String(value).padStart(2, '0');

/** `03:12:07` in UTC, with the day in front when it is not the day of `nowMs`. */
export const utc = (atMs: number, nowMs: number): string => {
  const at = new Date(atMs).toISOString();
  const time = at.slice(11, 19);
  return at.slice(0, 10) === new Date(nowMs).toISOString().slice(0, 10) ? time : `${at.slice(0, 10)} ${time}`;
};

/** As a form's date takes it, in UTC. */
export const utcMinute = (atMs: number): string => new Date(atMs).toISOString().slice(0, 16);

export const count = (number: number, one: string, more = `${one}s`): string =>
  `${number.toLocaleString('en')} ${number === 1 ? one : more}`;

export const list = (words: readonly string[], most = 5): string =>
  words.length <= most ? words.join(', ') : `${words.slice(0, most).join(', ')} and ${words.length - most} more`;

export const bytes = (size: number): string => {
  if (size < 1024) return `${size} B`;
  if (size < 1024 ** 2) return `${(size / 1024).toFixed(1)} kB`;
  return size < 1024 ** 3 ? `${(size / 1024 ** 2).toFixed(1)} MB` : `${(size / 1024 ** 3).toFixed(1)} GB`;
};

/** `2:05` for a clock that counts down. */
export const countdown = (ms: number): string => {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
};

/** They say the same, and only their spans of time differ: no news for who listens. */
export const isAlike = (a: string, b: string): boolean => {
  const bare = (text: string): string => text.replace(/\b\d[\d.]* (ms|s|min|h|d)\b( \d+ min\b)?/g, '#');
  return bare(a) === bare(b);
};

/** A text of somebody else's: what is not to be seen, or turns the direction of what follows, is shown as `\u202e`. */
export const shown = (text: string): string =>
  text.replace(
    /[^\P{Cc}\t\n\r]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

// ---- what stays the same ----
// The next document, made of the parts of the last one wherever they are alike: what is the same object is not drawn again.

const isPlain = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Equal to `next`; JSON only. */
export const sharing = <T>(last: unknown, next: T): T => {
  if (Object.is(last, next)) return next;
  if (Array.isArray(next)) {
    if (!Array.isArray(last)) return next;
    const parts = next.map((part, at) => sharing(last[at], part));
    return (parts.length === last.length && parts.every((part, at) => part === last[at]) ? last : parts) as T;
  }
  if (!isPlain(next) || !isPlain(last)) return next;
  const names = Object.keys(next);
  let isSame = names.length === Object.keys(last).length;
  const parts: Record<string, unknown> = {};
  for (const name of names) {
    const part = sharing(Object.hasOwn(last, name) ? last[name] : undefined, next[name]);
    isSame &&= Object.hasOwn(last, name) && part === last[name];
    if (name === '__proto__') Object.defineProperty(parts, name, { value: part, enumerable: true, writable: true, configurable: true });
    else parts[name] = part;
  }
  return (isSame ? last : parts) as T;
};

/**
 * `shown` on its way to `next`: at most so many of its rows are others, and at most so many more are there. Where other rows are asked for it begins anew; it is `next`
 * itself once nothing is missing.
 */
export const turned = <T>(shown: readonly T[], next: readonly T[], most: number, nameOf: (row: T) => string): readonly T[] => {
  const isOther = shown.length > next.length || shown.some((row, at) => nameOf(row) !== nameOf(next[at] as T));
  if (isOther) return next.length <= most ? next : next.slice(0, most);
  let left = most;
  const rows = next.flatMap((row, at) => {
    const old = shown[at];
    if (row === old) return [row];
    left -= 1;
    return left >= 0 ? [row] : old === undefined ? [] : [old];
  });
  return left >= 0 ? next : rows;
};
