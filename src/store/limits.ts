// What any store accepts, decided before anything is sent or written, so that every engine refuses the same things.
// Keys are printable ASCII: then JavaScript, SQLite and etcd sort them alike, and a prefix is a range. Values are JSON of any kind.
import type { Query, Txn } from './store.ts';
import { StoreDefiniteError, TXN_ITEMS_MAX, VALUE_BYTES_MAX } from './store.ts';

export const KEY_BYTES_MAX = 512;
/** Most bytes of all values of a transaction together: a decision with its pages is some hundreds of KiB, a configuration beside its record a little more than it. */
export const TXN_BYTES_MAX = 6 * 1024 * 1024;
/** Most bytes of values that one read returns; a reader of more must ask in parts. */
export const READ_BYTES_MAX = 32 * 1024 * 1024;
/** Sorts after every character a key may hold, so `prefix + KEY_AFTER` ends the prefix's range. */
export const KEY_AFTER = '\x7f';

/** An operation as it is stored: `json` null deletes the key. */
export interface EncodedOp {
  key: string;
  json: string | null;
  /** Of `json`. */
  bytes: number;
}

const KEY = /^[!-~]*$/;

const refuse = (sentence: string): never => {
  throw new StoreDefiniteError(`${sentence}; nothing was written`);
};

const checkKey = (key: string, what: string): void => {
  if (key.length > KEY_BYTES_MAX) refuse(`${what} of ${key.length} bytes: at most ${KEY_BYTES_MAX} are allowed`);
  if (!KEY.test(key)) refuse(`${what} ${JSON.stringify(key)}: only printable ASCII without spaces is allowed`);
};

const checkWholeKey = (key: string): void => {
  if (key === '') refuse('an empty key: at least one character is needed');
  checkKey(key, 'a key');
};

const encodeValue = (key: string, value: unknown): Omit<EncodedOp, 'key'> => {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new StoreDefiniteError(`the value of ${key} cannot be written as JSON; nothing was written`, { cause: error });
  }
  if (json === undefined) return refuse(`the value of ${key} is not JSON: found ${typeof value}`);
  const bytes = Buffer.byteLength(json);
  if (bytes > VALUE_BYTES_MAX) refuse(`the value of ${key} has ${bytes} bytes: at most ${VALUE_BYTES_MAX} are allowed`);
  return { json, bytes };
};

/** The keys and prefixes of a query. Throws StoreDefiniteError when there are too many or one is malformed. */
export const checkedQuery = (query: Query): Required<Query> => {
  const { keys = [], prefixes = [] } = query;
  const items = keys.length + prefixes.length;
  if (items > TXN_ITEMS_MAX) refuse(`a query of ${items} keys and prefixes: at most ${TXN_ITEMS_MAX} are allowed`);
  keys.forEach(checkWholeKey);
  for (const prefix of prefixes) checkKey(prefix, 'a prefix');
  return { keys, prefixes };
};

/** The operations of a transaction as they are stored. Throws StoreDefiniteError when the transaction breaks a limit or writes a key twice. */
export const encodeTxn = (txn: Txn): readonly EncodedOp[] => {
  const items = txn.if.length + txn.then.length;
  if (items > TXN_ITEMS_MAX) refuse(`a transaction of ${items} conditions and operations: at most ${TXN_ITEMS_MAX} are allowed`);
  checkedQuery({ keys: txn.else ?? [] });
  for (const { key, mod } of txn.if) {
    checkWholeKey(key);
    if (!Number.isSafeInteger(mod) || mod < 0) refuse(`the condition on ${key} wants revision ${mod}: a whole number from 0 is needed`);
  }
  const written = new Set<string>();
  let bytes = 0;
  return txn.then.map((op) => {
    const key = 'put' in op ? op.put : op.del;
    checkWholeKey(key);
    if (written.has(key)) refuse(`${key} is written twice in one transaction`);
    written.add(key);
    const encoded = 'put' in op ? encodeValue(key, op.value) : { json: null, bytes: 0 };
    bytes += encoded.bytes;
    if (bytes > TXN_BYTES_MAX) refuse(`a transaction with more than ${TXN_BYTES_MAX} bytes of values`);
    return { key, ...encoded };
  });
};
