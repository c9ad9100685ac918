// Documents that many ask for at once: each is turned into bytes once, and zipped once for those who take that. Of a large cluster they are hundreds of
// kilobytes, which cost more to encode and to send than all the rest of an answer, and far more across an ocean. They hold no secret and reflect nothing of
// the request, so that what they weigh tells nobody anything.
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { varyBy } from './cross-origin.ts';
import type { Steps } from './slices.ts';

export interface Encoded {
  plain: Buffer;
  /** Made when first asked for. */
  zipped: Promise<Buffer> | null;
}

/** Shorter ones fit a packet as they are. */
const ZIPPED_FROM_BYTES = 1_400;
const zip = promisify(gzip);

export const encodedText = (text: string): Encoded => ({ plain: Buffer.from(text), zipped: null });
export const encoded = (document: unknown): Encoded => encodedText(JSON.stringify(document));

/** Members of a document, of its members, and of theirs are put into text one by one; what is below them is small. */
const DEPTH = 3;
/** Turned into bytes together. */
const PART_CHARS = 64 * 1024;

/** The text of `value` in pieces, the same as JSON.stringify makes of plain data. */
function* piecesOf(value: unknown, depth: number): Generator<string, void, undefined> {
  if (depth === 0 || typeof value !== 'object' || value === null) {
    yield JSON.stringify(value);
    return;
  }
  const isList = Array.isArray(value);
  const members = isList ? value.entries() : Object.entries(value);
  let mark = isList ? '[' : '{';
  for (const [key, member] of members) {
    if (member === undefined && !isList) continue;
    yield isList ? mark : `${mark}${JSON.stringify(key)}:`;
    yield* piecesOf(member ?? null, depth - 1);
    mark = ',';
  }
  yield mark === ',' ? '' : mark;
  yield isList ? ']' : '}';
}

/** The same as `encoded`, step by step: of a large cluster the text alone takes a fifth of a second. `expected`: bytes, or somewhat more; nothing hangs on it. */
export function* encoding(document: unknown, expected = 0): Steps<Encoded> {
  // Written where there is room already: to put all parts together at the end, or to move them into more room, is one long step.
  let room = Buffer.allocUnsafe(expected);
  let used = 0;
  const add = (text: string): void => {
    const bytes = Buffer.byteLength(text);
    if (used + bytes > room.length) {
      const larger = Buffer.allocUnsafe(2 * room.length + bytes);
      room.copy(larger, 0, 0, used);
      room = larger;
    }
    used += room.write(text, used);
  };
  let text = '';
  for (const piece of piecesOf(document, DEPTH)) {
    text += piece;
    if (text.length < PART_CHARS) continue;
    add(text);
    text = '';
    yield;
  }
  add(text);
  return { plain: room.subarray(0, used), zipped: null };
}

const made = new WeakMap<object, Encoded>();

/** The same for the same object, which is not changed after. */
export const encodedOnce = (document: object): Encoded => {
  const known = made.get(document) ?? encoded(document);
  made.set(document, known);
  return known;
};

/** RFC 9110 12.5.3, as far as gzip goes: named, or everything is, and not at a weight of 0. */
export const takesGzip = (accepts: string | undefined): boolean => {
  const weights = new Map(
    (accepts ?? '').split(',').map((part): [string, string] => {
      const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
      return [name, parameters.find((text) => text.startsWith('q='))?.slice(2) ?? '1'];
    }),
  );
  const weight = weights.get('gzip') ?? weights.get('*');
  return weight !== undefined && Number(weight) > 0;
};

const JSON_TYPE = 'application/json; charset=utf-8';

/** Zipped for those who take it. */
export const sendEncoded = async (
  request: FastifyRequest,
  reply: FastifyReply,
  document: Encoded,
  type: string = JSON_TYPE,
): Promise<FastifyReply> => {
  varyBy(reply, 'accept-encoding');
  void reply.type(type);
  if (document.plain.length < ZIPPED_FROM_BYTES || !takesGzip(request.headers['accept-encoding'])) return reply.send(document.plain);
  document.zipped ??= zip(document.plain, { level: constants.Z_BEST_SPEED });
  const bytes = await document.zipped;
  return reply.header('content-encoding', 'gzip').send(bytes);
};
