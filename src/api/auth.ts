// The one bearer token of operators. Compared by digest in constant time, so that neither content nor length leaks. Who shows nothing may read.
import { createHash, timingSafeEqual } from 'node:crypto';
import { Fault } from '../errors.ts';
import { registerSecret } from '../log.ts';
import type { Access, Principal } from './access.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const ANONYMOUS: Principal = { name: 'anonymous', role: 'viewer', services: null, how: 'anonymous' };
const OPERATOR: Principal = { name: 'operator', role: 'admin', services: null, how: 'token' };

/** `token` null: nobody may give orders. */
export const tokenAccess = (token: string | null): Access => {
  if (token !== null) registerSecret(token);
  const expected = token === null ? null : digest(token);
  return {
    async identify({ authorization }) {
      if (authorization === undefined) return ANONYMOUS;
      const [, given] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
      if (given === undefined)
        throw new Fault('ERR_UNAUTHORIZED', 'send the operator token: Authorization: Bearer <content of api.tokenFile>');
      if (expected === null || !timingSafeEqual(digest(given), expected))
        throw new Fault('ERR_UNAUTHORIZED', 'this is not the operator token of this replica');
      return OPERATOR;
    },
  };
};
