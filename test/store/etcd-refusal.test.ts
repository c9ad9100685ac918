// What each refusal means: certain only where etcd's sources show that nothing was or will be written.
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { meaningOf } from '../../src/store/etcd/refusal.ts';

const CERTAIN: readonly (readonly [number, string, string])[] = [
  [status.INVALID_ARGUMENT, 'etcdserver: too many operations in txn request', 'limit'],
  [status.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request', 'request'],
  [status.INVALID_ARGUMENT, 'etcdserver: request is too large', 'limit'],
  [status.RESOURCE_EXHAUSTED, 'grpc: received message larger than max (9000000 vs. 8912896)', 'limit'],
  [status.RESOURCE_EXHAUSTED, 'etcdserver: too many requests', 'unknown'],
  [status.UNAVAILABLE, 'etcdserver: no leader', 'member'],
  [status.UNAVAILABLE, 'etcdserver: not capable', 'member'],
  [status.UNAVAILABLE, 'etcdserver: rpc not supported for learner', 'member'],
  [status.UNAUTHENTICATED, 'etcdserver: invalid auth token', 'token'],
  [status.INVALID_ARGUMENT, 'etcdserver: revision of auth store is old', 'token'],
  [status.PERMISSION_DENIED, 'etcdserver: permission denied', 'denied'],
  [status.INVALID_ARGUMENT, 'etcdserver: user name is empty', 'denied'],
  [status.INVALID_ARGUMENT, 'etcdserver: authentication failed, invalid user ID or password', 'denied'],
  [status.UNIMPLEMENTED, 'unknown service etcdserverpb.KV', 'member'],
];

const IN_DOUBT: readonly (readonly [number, string])[] = [
  [status.UNAVAILABLE, 'etcdserver: request timed out'],
  [status.UNAVAILABLE, 'etcdserver: request timed out, possibly due to previous leader failure'],
  [status.UNAVAILABLE, 'etcdserver: request timed out, possibly due to connection lost'],
  [status.UNAVAILABLE, 'etcdserver: request timed out, waiting for the applied index took too long'],
  [status.UNAVAILABLE, 'etcdserver: leader changed'],
  [status.UNAVAILABLE, 'etcdserver: server stopped'],
  [status.UNAVAILABLE, 'etcdserver: unhealthy cluster'],
  [status.UNAVAILABLE, 'Connection dropped'],
  [status.UNAVAILABLE, 'read ECONNRESET'],
  [status.UNAVAILABLE, 'Stream refused by server'],
  [status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded'],
  [status.RESOURCE_EXHAUSTED, 'Bandwidth exhausted or memory limit exceeded'],
  [status.DATA_LOSS, 'etcdserver: corrupt cluster'],
  [status.CANCELLED, 'etcdserver: request canceled'],
  [status.DEADLINE_EXCEEDED, 'etcdserver: context deadline exceeded'],
  [status.DEADLINE_EXCEEDED, 'context deadline exceeded'],
  [status.UNKNOWN, 'raft proposal dropped'],
  [status.INTERNAL, 'Received RST_STREAM with code 2'],
  // A proxy in between says it, not etcd: nobody knows what is behind it.
  [status.PERMISSION_DENIED, 'Received HTTP status code 403'],
  [status.UNAUTHENTICATED, 'Received HTTP status code 401'],
  [status.UNIMPLEMENTED, 'Received HTTP status code 404'],
  [status.UNKNOWN, ''],
];

test.each(CERTAIN)('%i "%s" certainly did not happen', (code, text, cause) => {
  expect(meaningOf(code, text)).toMatchObject({ certain: true, cause });
});

test.each(IN_DOUBT)('%i "%s" leaves doubt', (code, text) => {
  expect(meaningOf(code, text).certain).toBe(false);
});

test('what a flag would mend names the flag', () => {
  expect(meaningOf(status.INVALID_ARGUMENT, 'etcdserver: too many operations in txn request').advice).toContain('--max-txn-ops=1024');
  expect(meaningOf(status.INVALID_ARGUMENT, 'etcdserver: request is too large').advice).toContain('--max-request-bytes=8388608');
  expect(meaningOf(status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded').advice).toContain('--quota-backend-bytes');
});
