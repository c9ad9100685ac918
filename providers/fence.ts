// The record that orders writers, as text beside the records it guards: TXT `_tidegate.<name>`, or the description of an object.
// Only `fence` orders; epoch, writer and nonce say whose it is, hash says what was meant. The parser accepts exactly what the formatter
// writes, so that a compare on the text is a compare on the meaning; anything else is somebody else's text. Pure.
import assert from 'node:assert';
import { createHash } from 'node:crypto';
import type { Fence } from './provider.ts';

/** Limits keep the text within one DNS character string (255 bytes). */
const FIELDS = /^v=1;fence=(0|[1-9]\d{0,15});epoch=(0|[1-9]\d{0,15});writer=([!-:<-~]{1,100});nonce=([\w-]{1,40});hash=([0-9a-f]{1,32})$/;

/** Owner name of the fence record of a service, without trailing dot. */
export const fenceName = (service: string): string => `_tidegate.${service}`;

/** Of the record. Nobody but us asks for it, and we ask the server itself. */
export const FENCE_TTL_S = 60;

/** In: a fence whose fields fit the text form; anything else is our bug. Out: at most 255 ASCII bytes. */
export const formatFence = (fence: Fence): string => {
  const text = `v=1;fence=${fence.v};epoch=${fence.epoch};writer=${fence.writer};nonce=${fence.nonce};hash=${fence.hash}`;
  assert(parseFence(text) !== null, `this fence cannot be written so that it reads back the same: ${text}`);
  return text;
};

const FENCE_END = 9_000_000_000_000_000;
/** Whether a fence may be counted on from: no coordinator will ever come near the end of the numbers, a typing human may. */
export const canFollow = (v: number): boolean => v < FENCE_END;

/** What begins the `writer` of a fence that a human set by hand, without a coordinator; the rest says who. */
const MANUAL = 'manual/';

/** In: a human's name. Out: the `writer` of the fence they set, as the text form allows it. */
export const manualWriter = (owner: string): string => `${MANUAL}${owner.replace(/[^!-:<-~]/g, '_').slice(0, 100 - MANUAL.length)}`;

export const isManual = (fence: Fence): boolean => fence.writer.startsWith(MANUAL);

/** What begins the `writer` of a fence on a name that nobody resolves; the rest says which process wrote it. */
const CANARY = 'canary/';

/** In: `region/replica/boot`. Out: the `writer` of a canary's fence, so that it is never taken for that of a service. */
export const canaryWriter = (writer: string): string => `${CANARY}${writer}`.slice(0, 100);

export const isCanary = (fence: Fence): boolean => fence.writer.startsWith(CANARY);

/** null: not a fence of ours, character by character. */
export const parseFence = (text: string): Fence | null => {
  const match = FIELDS.exec(text);
  if (match === null) return null;
  const [, v, epoch, writer, nonce, hash] = match as unknown as [string, string, string, string, string, string];
  const fence: Fence = { v: Number(v), epoch: Number(epoch), writer, nonce, hash };
  return Number.isSafeInteger(fence.v) && Number.isSafeInteger(fence.epoch) ? fence : null;
};

/** Same native state, same hash: 32 hex digits of SHA-256 over JSON with sorted keys. Arrays keep their order: sort what has none. */
export const stateHash = (state: unknown): string => createHash('sha256').update(canonicalJson(state)).digest('hex').slice(0, 32);

const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
