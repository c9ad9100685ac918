// Credentials that are good for one act: the act and the record that they are used up are one transaction, so that of two acts with the same token only one
// can ever be committed, whichever replicas they were sent to. Reading uses nothing up.
import type { Principal } from '../api/access.ts';
import type { Op } from '../store/store.ts';

export type Once = NonNullable<Principal['once']>;

/** Where it stands that `id` was used. */
export const usedKey = (id: string): string => `used/${id}`;

/** What the record says. */
export interface Used {
  by: string;
  atMs: number;
  /** The token is worth nothing after this, and so is the record. */
  expiresAtMs: number;
  /** Of the act: a try whose reply was lost finds itself by it. */
  nonce?: string;
}

/** To be added to the transaction of the act. When its condition fails the token was used before: ERR_FORBIDDEN, and do not try again. */
export const usedOps = (
  { id, expiresAtMs }: Once,
  { by, atMs, nonce }: Omit<Used, 'expiresAtMs'>,
): { conditions: readonly { key: string; mod: number }[]; ops: readonly Op[] } => {
  const value: Used = { by, atMs, expiresAtMs, ...(nonce === undefined ? {} : { nonce }) };
  return { conditions: [{ key: usedKey(id), mod: 0 }], ops: [{ put: usedKey(id), value }] };
};
