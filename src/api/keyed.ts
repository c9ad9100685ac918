// What requests that write have beside their body: a key, so that a retry is known, and whether it is meant.
import type { FastifyReply } from 'fastify';
import { Fault } from '../errors.ts';
import type { Principal } from './access.ts';
import { fingerprintOf, keyHash } from './asked.ts';
import type { Parsed } from './body.ts';
import type { AskedBy } from './overrides.ts';
import { BodyFault } from './problem.ts';
import { type ApiRequest, headerOf } from './route.ts';

const KEY_CHARS = { min: 8, max: 200 };

export const oneOf = <T extends string>(name: string, text: string | undefined, known: readonly T[], otherwise: T): T => {
  if (text === undefined) return otherwise;
  const found = known.find((each) => each === text);
  if (found !== undefined) return found;
  throw new BodyFault([{ pointer: `/${name}`, detail: `is one of ${known.join(', ')}, found "${text.slice(0, 40)}"` }]);
};

/** A mistake here must not move anything. */
export const isDryRun = ({ query }: ApiRequest): boolean => oneOf('dryRun', query.dryRun, ['true', 'false'], 'false') === 'true';

export const understood = <T>(parsed: Parsed<T>): T => {
  if (!parsed.ok) throw new BodyFault(parsed.problems);
  return parsed.value;
};

/** A key is for one wish: what is asked of which path. null: none was sent. */
export const askedBy = ({ headers, body, url }: ApiRequest, { name }: Principal): AskedBy | null => {
  const given = headerOf(headers['idempotency-key']);
  if (given === null) return null;
  const key = given.trim();
  if (key.length < KEY_CHARS.min || key.length > KEY_CHARS.max)
    throw new Fault('ERR_BAD_REQUEST', `Idempotency-Key: expected a fresh random text of ${KEY_CHARS.min} to ${KEY_CHARS.max} characters`);
  return { hash: keyHash(name, key), fingerprint: fingerprintOf([url, body ?? null]) };
};

export const keyNeeded = (): Fault =>
  new Fault(
    'ERR_BAD_REQUEST',
    `send Idempotency-Key: a fresh random text of ${KEY_CHARS.min} to ${KEY_CHARS.max} characters, the same again for a retry; or ?dryRun=true`,
  );

export const replay = (reply: FastifyReply, replayed: boolean): void => {
  if (replayed) void reply.header('idempotency-replayed', 'true');
};
