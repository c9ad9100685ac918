// One text for one value, so that a hash of it means the same wherever it is computed. Pure.
// The form is RFC 8785: members sorted by their UTF-16 code units, no white space, numbers and strings as JSON.stringify writes them.
import { createHash } from 'node:crypto';

/** In: anything that JSON can hold; members that are undefined are left out, as the store leaves them out. */
export const canonicalJson = (value: unknown): string => text(JSON.parse(JSON.stringify(value)));

const text = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(text).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${text(member)}`).join(',')}}`;
};

export const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');
