// The one bearer token of operators. Compared by digest in constant time, so that neither content nor length leaks. Who shows nothing may read.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { RefusedCalls } from '../audit/refusals.ts';
import { Fault } from '../errors.ts';
import { registerSecret } from '../log.ts';
import type { Access, Principal } from './access.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const ANONYMOUS: Principal = { name: 'anonymous', role: 'viewer', services: null, how: 'anonymous' };
const OPERATOR: Principal = { name: 'operator', role: 'admin', services: null, how: 'token' };

/** `token` null: nobody may give orders. */
export const tokenAccess = (token: string | null, onRefused: (calls: readonly RefusedCalls[]) => void = () => undefined): Access => {
  if (token !== null) registerSecret(token);
  const expected = token === null ? null : digest(token);
  return {
    async identify({ authorization, remoteAddress }) {
      const refuse = (because: string): void => onRefused([{ address: remoteAddress, how: 'token', count: 1, because }]);
      if (authorization === undefined) return ANONYMOUS;
      const [, given] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
      if (given === undefined) {
        refuse('no bearer token');
        throw new Fault('ERR_UNAUTHORIZED', 'send the operator token: Authorization: Bearer <content of api.tokenFile>');
      }
      if (expected === null || !timingSafeEqual(digest(given), expected)) {
        refuse('not the operator token');
        throw new Fault('ERR_UNAUTHORIZED', 'this is not the operator token of this replica');
      }
      return OPERATOR;
    },
  };
};
