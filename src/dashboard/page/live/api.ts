// Requests to the replica that this page speaks with, and what it says when it refuses.
import { freshKey, request } from '../browser.ts';
import type { Problem } from '../types.ts';
import { base, token } from './session.ts';

export class Refused extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail === '' ? problem.title : problem.detail);
    this.problem = problem;
  }
}

const ANSWER_MS = 8_000;

export interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
  /** What takes longer than most. */
  ms?: number;
}

export const headersOf = (given: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  ...(token.value === null ? {} : { authorization: `Bearer ${token.value}` }),
  ...given,
});

/** The answer as it is. Throws Refused for what the API refuses, Error for a replica that does not answer. */
export const ask = async (path: string, { method = 'GET', body, headers, signal, ms = ANSWER_MS }: Ask = {}): Promise<Response> => {
  const sent: RequestInit = {
    method,
    headers: headersOf({ accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }),
  };
  if (body !== undefined) sent.body = JSON.stringify(body);
  const answer = await request(`${base()}${path}`, sent, ms, signal);
  if (answer.ok || answer.status === 304) return answer;
  throw new Refused(await problemOf(answer));
};

export const problemOf = async (answer: Response): Promise<Problem> => {
  const retryAfterS = Number(answer.headers.get('retry-after')) || null;
  const plain: Problem = { title: `${answer.status} ${answer.statusText}`, detail: '', code: '', status: answer.status, retryAfterS };
  try {
    const told = (await answer.json()) as Partial<Problem>;
    return { ...plain, ...told };
  } catch {
    return plain;
  }
};

/** The body of the answer. `/api/health/detail` says `fail` with a 503 and its document. */
export const get = async <T>(path: string, signal?: AbortSignal): Promise<T> =>
  (await ask(path, signal === undefined ? {} : { signal })).json() as Promise<T>;

/** An act under a key of its own: make the key once, and a retry after a doubt is safe. */
export const act = async <T>(
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  body: unknown,
  { key = freshKey(), ifMatch }: { key?: string; ifMatch?: string } = {},
): Promise<T> => {
  const headers = { 'idempotency-key': key, ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }) };
  const answer = await ask(path, { method, headers, ...(body === undefined ? {} : { body }) });
  return (answer.status === 204 ? {} : await answer.json()) as T;
};
