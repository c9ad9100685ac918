// Texts and values cut to what a receiver takes, by characters as people see them or by bytes. Pure.

/** `text` cut to `charsMax` code points; what was cut shows as an ellipsis. */
export const clipped = (text: string, charsMax: number): string => {
  const chars = Array.from(text);
  return chars.length <= charsMax ? text : `${chars.slice(0, charsMax - 1).join('')}…`;
};

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
