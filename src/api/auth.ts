// Who may give orders: whoever holds the operators' bearer token. Compared by digest in constant time, so that neither content nor length leaks.
import { createHash, timingSafeEqual } from 'node:crypto';
import { Fault } from '../errors.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A check of an `Authorization` header; throws ERR_UNAUTHORIZED. `token` null: nobody may. */
export const createGuard = (token: string | null): ((authorization: string | undefined) => void) => {
  const expected = token === null ? null : digest(token);
  return (authorization) => {
    if (expected === null) throw new Fault('ERR_UNAUTHORIZED', 'this replica has no operator token; set api.tokenFile to take orders here');
    const [, given] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? [];
    if (given === undefined)
      throw new Fault('ERR_UNAUTHORIZED', 'send the operator token: Authorization: Bearer <content of api.tokenFile>');
    if (!timingSafeEqual(digest(given), expected)) throw new Fault('ERR_UNAUTHORIZED', 'this is not the operator token of this replica');
  };
};
