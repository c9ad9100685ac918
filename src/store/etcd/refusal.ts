// What a failed call means. A transaction certainly did not happen only where etcd refuses it before it is proposed, or where applying it writes nothing;
// everything else leaves doubt. Known by etcd's own words, since one gRPC status stands for both: UNAVAILABLE is `no leader` (refused at the door) and
// `request timed out` (proposed, and perhaps committed). The words are those of etcd 3.4 to 3.7.
import { status } from '@grpc/grpc-js';

/** `cause` tells what to do: `token` get another; `denied` a grant or a password is missing; `limit` a flag must be raised; `member` ask another one. */
export type Cause = 'token' | 'denied' | 'limit' | 'member' | 'request' | 'unknown';

export interface Meaning {
  /** A transaction refused so did not happen and will not. */
  certain: boolean;
  cause: Cause;
  /** What to do about it; empty when the words say it all. */
  advice: string;
}

interface Rule extends Meaning {
  says: RegExp;
}

const rule = (says: RegExp, certain: boolean, cause: Cause, advice = ''): Rule => ({ says, certain, cause, advice });

/** Every rule says where in etcd the refusal is made. The first that matches counts. */
const RULES: readonly Rule[] = [
  // Checked when a request arrives, before anything else.
  rule(/too many operations in txn request/, true, 'limit', 'start every etcd member with --max-txn-ops=1024'),
  rule(/duplicate key given in txn request|key is not provided|value is provided|invalid sort option/, true, 'request'),
  // Raft's own limit, checked before the proposal; and the server's limit for a message, checked before it is decoded.
  rule(/etcdserver: request is too large/, true, 'limit', 'start every etcd member with --max-request-bytes=8388608'),
  // grpc-js uses nearly the same words of a reply. Only records make a reply large, and only a refused transaction returns records.
  rule(
    /received message larger than max/i,
    true,
    'limit',
    'ask for fewer keys at a time, or start every etcd member with --max-request-bytes=8388608',
  ),
  // Asked of the member's door before the handler runs, because every call carries `hasleader`.
  rule(/etcdserver: no leader/, true, 'member'),
  rule(/etcdserver: (not capable|rpc not supported for learner)/, true, 'member'),
  // Refused before the proposal while applying lags behind.
  rule(/etcdserver: too many requests/, true, 'unknown'),
  // Who asks is checked before the proposal and once more when it is applied; both refuse the whole transaction.
  rule(/etcdserver: (invalid auth token|revision of auth store is old)/, true, 'token'),
  rule(/etcdserver: permission denied/, true, 'denied'),
  rule(
    /etcdserver: user name is empty/,
    true,
    'denied',
    'give this instance a client certificate whose CN is an etcd user, or a user and a password',
  ),
  rule(/etcdserver: (user name not found|authentication failed, invalid user ID or password|role name not found)/, true, 'denied'),
  rule(/etcdserver: authentication is not enabled/, true, 'request'),
  // etcd applies a transaction and then says this when its quota was passed by it (quotaApplierV3), so it may well have happened.
  rule(
    /database space exceeded/,
    false,
    'unknown',
    'compact and defragment the members, run `etcdctl alarm disarm`, and raise --quota-backend-bytes if the keys really need it',
  ),
  // Proposed: it may be in the log of a majority already, or get there.
  rule(/etcdserver: (request timed out|leader changed|server stopped|request canceled)/, false, 'member'),
];

/** `code` and `text` are the gRPC status and message of a call that failed after it was handed to a connection. */
export const meaningOf = (code: number, text: string): Meaning => {
  const found = RULES.find(({ says }) => says.test(text));
  if (found) return { certain: found.certain, cause: found.cause, advice: found.advice };
  // No etcd answers there, or one before 3.4: another member may be one. What a proxy says in its own words proves nothing.
  if (code === status.UNIMPLEMENTED) return { certain: !/HTTP status/.test(text), cause: 'member', advice: '' };
  return {
    certain: false,
    cause: code === status.UNAVAILABLE || code === status.CANCELLED || code === status.INTERNAL ? 'member' : 'unknown',
    advice: '',
  };
};
