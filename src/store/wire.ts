// The exchange between the process that serves an embedded store and the instances that join it: paths, shapes and the numbers both sides need.
// `expect` carries what the asker knows of the store's identity, so that a replaced store refuses before it does anything.
import { z } from 'zod';

export const GET_PATH = '/store/v1/get';
export const TXN_PATH = '/store/v1/txn';
export const WATCH_PATH = '/store/v1/watch';
export const COPY_PATH = '/store/v1/copy';
/** A watch stream carries at least one line per this span. */
export const WATCH_BEAT_MS = 2000;
/** No line for this long: the server or the way to it is gone. */
export const WATCH_SILENCE_MS = 6000;

const expectation = z.strictObject({ clusterId: z.string(), rev: z.int().nonnegative() });
const keys = z.array(z.string());

export const getRequest = z.strictObject({
  keys: keys.exactOptional(),
  prefixes: keys.exactOptional(),
  expect: expectation.exactOptional(),
});

export const txnRequest = z.strictObject({
  if: z.array(z.strictObject({ key: z.string(), mod: z.int().nonnegative() })),
  then: z.array(z.union([z.strictObject({ put: z.string(), value: z.unknown() }), z.strictObject({ del: z.string() })])),
  else: keys.exactOptional(),
  expect: expectation.exactOptional(),
});

const kvs = z.array(z.object({ key: z.string(), value: z.unknown(), mod: z.int() }));
export const getReply = z.object({ clusterId: z.string().min(1), rev: z.int(), kvs });
/** The copy lies on the machine that serves. */
export const copyReply = z.object({ clusterId: z.string().min(1), file: z.string().min(1), rev: z.int() });
export const txnReply = getReply.extend({ ok: z.boolean() });

/** RFC 9457, with the one fact that a writer needs: `happened` is `no` only when the server knows that nothing was written. */
export const problemReply = z.object({ code: z.string(), detail: z.string(), happened: z.enum(['no', 'unknown']) });

export const watchLine = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('hello') }),
  z.object({ kind: z.literal('beat') }),
  z.object({ kind: z.literal('resync') }),
  z.object({ kind: z.literal('changed'), rev: z.int(), keys }),
]);

export type Expectation = z.infer<typeof expectation>;
export type WatchLine = z.infer<typeof watchLine>;
