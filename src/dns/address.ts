// IP literals as bytes and back. Strict: four decimal octets without leading zeros, or RFC 4291 text; no zone index, no port, no prefix length.
// The text given back is canonical (RFC 5952, always in hexadecimal), so equal addresses have equal texts. Pure.

const OCTET = /^(0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

/** 4 or 16 bytes; null: not an address. */
export const addressBytes = (text: string): Buffer | null => (text.includes(':') ? bytesOf6(text) : bytesOf4(text));

/** In: 4 or 16 bytes. */
export const addressText = (bytes: Uint8Array): string => (bytes.length === 4 ? bytes.join('.') : textOf6(bytes));

export const familyOf = (text: string): 4 | 6 | null => {
  const bytes = addressBytes(text);
  if (bytes === null) return null;
  return bytes.length === 4 ? 4 : 6;
};

/** The one spelling of an address; null: not an address. */
export const canonicalAddress = (text: string): string | null => {
  const bytes = addressBytes(text);
  return bytes === null ? null : addressText(bytes);
};

const bytesOf4 = (text: string): Buffer | null => {
  const octets = text.split('.');
  if (octets.length !== 4 || !octets.every((octet) => OCTET.test(octet) && Number(octet) <= 255)) return null;
  return Buffer.from(octets.map(Number));
};

const bytesOf6 = (text: string): Buffer | null => {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [head, tail] = [groupsOf(halves[0]!, halves.length === 1), groupsOf(halves[1] ?? '', true)];
  if (head === null || tail === null) return null;
  const gap = 8 - head.length - tail.length;
  // "::" stands for at least one group; without it all eight must be there.
  if (halves.length === 2 ? gap < 1 : gap !== 0) return null;
  const bytes = Buffer.alloc(16);
  [...head, ...Array<number>(gap).fill(0), ...tail].forEach((group, at) => {
    bytes.writeUInt16BE(group, at * 2);
  });
  return bytes;
};

/** The 16-bit groups of one side of "::". Only the end of the whole address may be dotted. */
const groupsOf = (side: string, last: boolean): number[] | null => {
  if (side === '') return [];
  const parts = side.split(':');
  const groups: number[] = [];
  for (const [at, part] of parts.entries()) {
    const dotted = last && at === parts.length - 1 && part.includes('.') ? bytesOf4(part) : null;
    if (dotted !== null) groups.push(dotted.readUInt16BE(0), dotted.readUInt16BE(2));
    else if (GROUP.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
};

const textOf6 = (bytes: Uint8Array): string => {
  const groups = Array.from({ length: 8 }, (_, at) => (bytes[at * 2]! << 8) | bytes[at * 2 + 1]!);
  const gap = longestZeros(groups);
  const hex = (some: number[]): string => some.map((group) => group.toString(16)).join(':');
  // A single zero group is written out.
  if (gap.length < 2) return hex(groups);
  return `${hex(groups.slice(0, gap.start))}::${hex(groups.slice(gap.start + gap.length))}`;
};

const longestZeros = (groups: readonly number[]): { start: number; length: number } => {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [at, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: at - length + 1, length };
  }
  return best;
};
