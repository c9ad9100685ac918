// What a refusal of Cloudflare's API means for a write. The code of its envelope says more than the status, and a refusal may come with 200. Pure.
import type { Applied } from '../provider.ts';

/** A call that did not succeed. `gone`, `there`: nothing was written, since a record named by its id no longer exists, or one to be made does already. */
export interface Refused {
  is: 'undecided' | 'fatal' | 'gone' | 'there';
  /** undefined: there was no reply, or nothing was sent. */
  status: number | undefined;
  because: string;
  /** For so long nobody's call with this token is taken. */
  busyMs?: number;
  /** What Cloudflare called the request. */
  ray?: string;
}

/** What a refusal means for a write that is not a batch of records, and where nothing says what became of it. */
export const appliedBy = ({ is, because, busyMs, ray }: Refused): Applied =>
  is === 'fatal'
    ? { outcome: 'fatal', because, ...requestsOf({ ray }) }
    : { outcome: 'undecided', because, ...(busyMs === undefined ? {} : { busyMs }), ...requestsOf({ ray }) };

/** For whoever asks Cloudflare's support. */
export const requestsOf = ({ ray }: { ray?: string | undefined }): { requests?: readonly string[] } =>
  ray === undefined ? {} : { requests: [ray] };

export interface Reply {
  /** undefined: there was no reply. */
  status: number | undefined;
  errors: readonly { code: number; message: string }[];
}

const GONE = [81044];
const THERE = [81057, 81058];
/** Value not unique; too many requests: what is so now may not be at the next look. */
const PASSING = [1003, 971, 10429];

export const sortReply = ({ status, errors }: Reply): Refused['is'] => {
  const has = (codes: readonly number[]): boolean => errors.some(({ code }) => codes.includes(code));
  // Something between us and the API may have made up a 5xx; the transaction may have ended either way.
  if (status === undefined || status >= 500 || status === 408 || status === 409 || status === 429) return 'undecided';
  if (has(GONE)) return 'gone';
  if (has(THERE)) return 'there';
  if (has(PASSING)) return 'undecided';
  // `success: false` with 200, a redirect, an early hint: nobody documents what was done.
  return status >= 400 ? 'fatal' : 'undecided';
};

const TEXT_MAX = 300;

/** The reply in words, and what to change. */
export const replyText = (reply: Reply): string => {
  const said = reply.errors.map(({ code, message }) => `${code} ${message}`).join('; ');
  const advice = adviceOf(reply);
  return `${reply.status ?? 'no reply'}${said === '' ? '' : ` (${said.slice(0, TEXT_MAX)})`}${advice === null ? '' : `; ${advice}`}`;
};

const adviceOf = ({ status, errors }: Reply): string | null => {
  const codes = errors.map(({ code }) => code);
  if (status === 401 || status === 403 || codes.some((code) => [10000, 9109, 6003, 6111].includes(code)))
    return 'check that the token is active, covers this zone or account and has the permissions of providers/cloudflare/README.md';
  if (status === 404 || codes.includes(7003)) return 'compare the ids in the configuration with those of the dashboard';
  if (codes.includes(1002)) return 'Cloudflare finds a value not valid; compare the object with providers/cloudflare/README.md';
  if (status !== undefined && status < 300) return 'refused with a status of success';
  return null;
};
