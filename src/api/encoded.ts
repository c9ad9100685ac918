// Documents that many ask for at once: each is turned into bytes once, and zipped once for those who take that. Of a large cluster they are hundreds of
// kilobytes, which cost more to encode and to send than all the rest of an answer, and far more across an ocean. They hold no secret and reflect nothing of
// the request, so that what they weigh tells nobody anything.
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { varyBy } from './cross-origin.ts';

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
