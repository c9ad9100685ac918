// What the vendor's replies mean: one outcome for each, with a sentence that says what to do. Pure.
import { z } from 'zod';
import { Fault } from '../../src/errors.ts';
import { isoTime } from '../../src/ports.ts';
import type { Applied, Settled } from '../provider.ts';
import type { Reply } from './client.ts';

/** An answer that is no success, whatever carried it: an HTTP status, or an operation that is done. */
interface Refusal {
  status: number | null;
  /** `resourceNotReady`, `RESOURCE_NOT_READY`, …; empty: not said. */
  reason: string;
  message: string;
}

const errorShape = z.looseObject({
  error: z.looseObject({
    message: z.string().default(''),
    errors: z.array(z.looseObject({ reason: z.string().default('') })).default([]),
    details: z.array(z.looseObject({ reason: z.string().optional() })).default([]),
  }),
});

const operationShape = z.looseObject({
  name: z.string().min(1),
  status: z.enum(['PENDING', 'RUNNING', 'DONE']),
  httpErrorStatusCode: z.number().optional(),
  error: z.looseObject({ errors: z.array(z.looseObject({ code: z.string().default(''), message: z.string().default('') })) }).optional(),
});
type Operation = z.infer<typeof operationShape>;

const MESSAGE_CHARS_MAX = 300;
const brief = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(0, MESSAGE_CHARS_MAX);

export const isSuccess = ({ status }: Reply): boolean => status !== null && status >= 200 && status < 300;

const refusalOf = ({ status, body, because }: Reply): Refusal => {
  const found = errorShape.safeParse(body);
  if (!found.success) return { status, reason: '', message: status === null ? because : `a body that is not of this API` };
  const { message, errors, details } = found.data.error;
  return { status, reason: errors[0]?.reason ?? details.find(({ reason }) => reason !== undefined)?.reason ?? '', message };
};

const operationRefusal = ({ httpErrorStatusCode, error }: Operation): Refusal | null => {
  const [first] = error?.errors ?? [];
  if (first === undefined && httpErrorStatusCode === undefined) return null;
  return { status: httpErrorStatusCode ?? null, reason: first?.code ?? '', message: first?.message ?? '' };
};

/** `RESOURCE_NOT_READY` and `resourceNotReady` are the same. */
const has = ({ reason }: Refusal, ...names: readonly string[]): boolean =>
  names.some((name) => name.toLowerCase() === reason.replaceAll('_', '').toLowerCase());

const isNotReady = (refusal: Refusal): boolean => has(refusal, 'resourceNotReady') || /\bis not ready\b/.test(refusal.message);

/** Quota comes as 403 like a missing permission; only the reason or the text tells them apart. */
const isQuota = (refusal: Refusal): boolean =>
  refusal.status === 429 ||
  has(refusal, 'rateLimitExceeded', 'userRateLimitExceeded', 'quotaExceeded') ||
  (refusal.status === 403 && /rate limit exceeded|quota exceeded/i.test(refusal.message));

const MINUTE_MS = 60_000;
const nextMinuteMs = (wallMs: number): number => Math.ceil((wallMs + 1) / MINUTE_MS) * MINUTE_MS;
/** Operations on one object take seconds; whoever wants to change it has to wait for them. */
const NOT_READY_MS = 2000;

const said = (where: string, { status, reason, message }: Refusal): string =>
  `${where}: ${[status, reason].filter((part) => part !== null && part !== '').join(' ') || 'no answer'}: ${brief(message)}`;

const outcomeOf = (where: string, refusal: Refusal, wallMs: number): Applied => {
  const because = said(where, refusal);
  const { status } = refusal;
  if (status === 412 || has(refusal, 'conditionNotMet'))
    return { outcome: 'conflict', because: `${because}; somebody changed it since it was read` };
  if (isQuota(refusal)) {
    const refilledMs = nextMinuteMs(wallMs);
    const hint = `the project's quota is used up and refilled at ${isoTime(refilledMs)}`;
    return { outcome: 'undecided', because: `${because}; ${hint}`, busyMs: refilledMs - wallMs };
  }
  if (isNotReady(refusal))
    return { outcome: 'undecided', because: `${because}; an earlier change of it is still under way`, busyMs: NOT_READY_MS };
  if (status === null || status === 408 || status === 409 || status >= 500 || status < 400) return { outcome: 'undecided', because };
  return { outcome: 'fatal', because: `${because}; ${todo(status)}` };
};

const todo = (status: number): string => {
  if (status === 401) return 'compare the credentials, and the clock of this host';
  if (status === 403) return 'grant this account the role of deploy/iam/gclb-*.yaml for the mode';
  if (status === 404) return 'compare project and names in the configuration';
  return 'correct the configuration or the object';
};

export interface Outcome {
  applied: Applied;
  /** The vendor said no: the same request would get the same answer. */
  definite: boolean;
}

/** In: the reply to a write. Out: what became of it as far as anybody knows. */
export const appliedOf = (where: string, reply: Reply, wallMs: number): Outcome => {
  if (reply.denied) {
    const because = `${where}: no token for these credentials: ${reply.because}; compare the credentials, and the clock of this host`;
    return { applied: { outcome: 'fatal', because }, definite: true };
  }
  if (!isSuccess(reply)) {
    const refusal = refusalOf(reply);
    return {
      applied: outcomeOf(where, refusal, wallMs),
      definite: refusal.status !== null && refusal.status >= 400 && refusal.status < 500,
    };
  }
  const operation = operationShape.safeParse(reply.body);
  if (!operation.success)
    return { applied: { outcome: 'undecided', because: `${where}: ${reply.status} without an operation in it` }, definite: false };
  const refusal = operationRefusal(operation.data);
  if (refusal !== null) return { applied: outcomeOf(`${where}: ${operation.data.name}`, refusal, wallMs), definite: true };
  return { applied: { outcome: 'applied', receipt: operation.data.name }, definite: false };
};

/** In: the reply to a look at an operation. null: nothing can be said of it; `readFailure` says why. */
export const settledOf = (where: string, reply: Reply): Settled | null => {
  const operation = isSuccess(reply) ? operationShape.safeParse(reply.body) : null;
  if (operation === null || !operation.success) return null;
  if (operation.data.status !== 'DONE') return { state: 'pending' };
  const refusal = operationRefusal(operation.data);
  return refusal === null ? { state: 'settled' } : { state: 'failed', because: said(where, refusal) };
};

/** For a read that gave nothing. */
export const readFailure = (where: string, reply: Reply, wallMs: number): Fault => {
  if (isSuccess(reply)) return new Fault('ERR_PROVIDER', `${where}: the reply is not understood; is this the vendor's API?`);
  const { applied } = appliedOf(where, reply, wallMs);
  if (applied.outcome === 'applied') return new Fault('ERR_PROVIDER', where);
  return new Fault('ERR_PROVIDER', applied.because, { busyMs: applied.outcome === 'undecided' ? applied.busyMs : undefined });
};
