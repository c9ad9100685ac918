// The text form of a fence, and the hash of a state: one spelling for every provider, so that two adapters never disagree about a record.
// Only `fence` orders writers; epoch, writer, nonce and hash identify them. A text that is not exactly of this form is nobody's fence: null.
import { createHash } from 'node:crypto';
import type { Fence } from './provider.ts';

const FORM =
  /^v=1;fence=(0|[1-9]\d{0,15});epoch=(0|[1-9]\d{0,15});writer=([!-:<-~]{1,128});nonce=([0-9A-Za-z-]{1,64});hash=([0-9a-f]{1,64})$/;

/** One line of printable ASCII, at most 343 characters. Throws when a field cannot be written so that `parseFence` gives it back. */
export const formatFence = (fence: Fence): string => {
  const text = `v=1;fence=${fence.v};epoch=${fence.epoch};writer=${fence.writer};nonce=${fence.nonce};hash=${fence.hash}`;
  if (parseFence(text) === null) {
    throw new Error(
      `fence: "${text}" cannot be written; v and epoch are whole numbers, writer is 1 to 128 printable characters without ";", nonce letters and digits, hash lower-case hex`,
    );
  }
  return text;
};

/** null: not a fence record of version 1. */
export const parseFence = (text: string): Fence | null => {
  const match = FORM.exec(text);
  if (match === null) return null;
  const [, v, epoch, writer, nonce, hash] = match;
  if (!Number.isSafeInteger(Number(v)) || !Number.isSafeInteger(Number(epoch))) return null;
  return { v: Number(v), epoch: Number(epoch), writer: writer ?? '', nonce: nonce ?? '', hash: hash ?? '' };
};

/** JSON with the keys of every object sorted, so that equal states have equal texts. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

/** 32 hex digits that depend on the content of a JSON value, not on the order of its keys. */
export const stateHash = (state: unknown): string =>
  createHash('sha256')
    .update(canonical(state) ?? 'undefined')
    .digest('hex')
    .slice(0, 32);
