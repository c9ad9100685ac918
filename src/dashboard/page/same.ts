// The next document, made of the parts of the last one wherever they are alike: what is the same object is not drawn again. Pure.

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
