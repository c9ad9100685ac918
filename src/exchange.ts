// One request to a system around and what it answered, held to a size, for answers that are read as text or JSON. Errors carry their status as `code`.
// What others answer is quoted in one short line without secrets, or not at all: it ends up in pages.
import type { z } from 'zod';
import { Fault } from './errors.ts';
import type { Fetch } from './http.ts';
import { maskText, registerSecret } from './log.ts';

export interface Exchange {
  method: 'GET' | 'POST' | 'PATCH';
  url: string | URL;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  /** Of the answer; more is refused. */
  bytesMax: number;
}

export interface Answer {
  status: number;
  /** Empty when the server gave none. */
  contentType: string;
  /** Of Retry-After, as it came. */
  retryAfter: string | null;
  text: string;
}

/** The system answered, and not as was hoped: nothing is wrong with the way to it. `code`: its status. */
export class Answered extends Error {
  override readonly name = 'Answered';
  readonly code: number;
  /** Of Retry-After, as it came. */
  readonly retryAfter: string | null;
  constructor(code: number, message: string, retryAfter: string | null = null) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Throws the transport's error, the signal's reason, or an Error for an answer that is too long. */
export const exchange = async (
  reach: Fetch,
  { method, url, headers = {}, body, bytesMax }: Exchange,
  signal: AbortSignal,
): Promise<Answer> => {
  const response = await reach(url, { method, headers, signal, ...(body === undefined ? {} : { body }) });
  const [contentType, retryAfter] = [response.headers.get('content-type') ?? '', response.headers.get('retry-after')];
  return { status: response.status, contentType, retryAfter, text: await bounded(response.body, bytesMax) };
};

const bounded = async (body: AsyncIterable<Uint8Array> | null, bytesMax: number): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop ends the stream, and the connection with it.
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new Error(`the answer is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** Throws an Error that quotes nothing. */
export const jsonIn = ({ status, text }: Answer): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`it answered ${status} with ${text === '' ? 'nothing' : 'no JSON'}`);
  }
};

/** Throws an Error that says where it is another thing, and quotes nothing. */
export const fitting = <T>(shape: z.ZodType<T>, value: unknown): T => {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.length ? ` at ${issue.path.map(String).join('.')}` : '';
  const why = (issue?.message ?? 'another shape').replace('received undefined', 'received nothing');
  throw new Error(`its answer is not as expected${quoted(at, 80)}: ${quoted(why, 120)}`);
};

const UNSEEN = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

/** What others said, as one line without secrets. */
export const quoted = (text: string, charsMax = 200): string => {
  // Cut twice: what is masked must be whole, and what is huge must not be searched.
  const whole = maskText(
    text
      .slice(0, 16 * 1024)
      .toWellFormed()
      .replaceAll(UNSEEN, ' '),
  );
  return whole.length <= charsMax ? whole : `${whole.slice(0, charsMax - 1).toWellFormed()}…`;
};

/** The header of a bearer token, read anew from its file. Throws Fault ERR_SECRET. */
export const bearer = (secret: (path: string) => string, tokenFile: string | undefined): Readonly<Record<string, string>> => {
  if (tokenFile === undefined) return {};
  const token = secret(tokenFile).trim();
  registerSecret(token);
  // What makes the request would quote a header that it cannot send.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Fault('ERR_SECRET', `${tokenFile}: is no bearer token; write the token alone, on one line`);
  return { authorization: `Bearer ${token}` };
};

/** Throws Fault ERR_CONFIG for an address to which nothing secret may go. `isPlainFine`: nothing secret goes there. */
export const guardedUrl = (text: string, isPlainFine = false): URL => {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isLocal = url !== null && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && (isLocal || isPlainFine));
  if (url !== null && isSafe && url.username === '' && url.password === '') return url;
  const found = url === null ? 'no address' : `${url.protocol}//${url.host}`;
  throw new Fault('ERR_CONFIG', `found ${found}, expected an https:// address without a user; http:// only where nothing secret is sent`);
};
