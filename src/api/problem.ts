// Every reply that is not a success is an RFC 9457 problem with a stable code of the catalogue; what a client may read is decided here.
// A Fault's sentence is meant for people and is shown (masked). Anything else of ours is a 500 whose cause stays in the log, under the request's id.
// Of the framework's errors only the status is kept: their texts quote the request, and a request may hold a secret.
import { ERRORS, type ErrorCode, Fault } from '../errors.ts';
import { maskText } from '../log.ts';
import type { Refusal } from '../model.ts';
import type { BodyProblem } from './body.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export interface Problem {
  /** `urn:tidegate:error:<code>`: stable, and a name rather than a place. */
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  requestId: string;
  /** Everything that is wrong with the body, by JSON pointer. */
  errors?: readonly BodyProblem[];
  /** The safety rules that refuse it. */
  refusals?: readonly Refusal[];
}

/** The body of a request is understood but not accepted. */
export class BodyFault extends Fault {
  readonly problems: readonly BodyProblem[];
  constructor(problems: readonly BodyProblem[]) {
    super('ERR_BAD_REQUEST', `${problems.length === 1 ? 'one thing' : `${problems.length} things`} to correct; see errors`);
    this.problems = problems;
  }
}

/** Safety rules stand in the way of an order. */
export class RefusedFault extends Fault {
  readonly refusals: readonly Refusal[];
  constructor(message: string, refusals: readonly Refusal[]) {
    super('ERR_REFUSED', message);
    this.refusals = refusals;
  }
}

const REFUSALS: Readonly<Record<number, { code: ErrorCode; detail: string }>> = {
  400: { code: 'ERR_BAD_REQUEST', detail: 'the request or its JSON body is not well-formed' },
  404: { code: 'ERR_NOT_FOUND', detail: 'nothing is offered at this path; GET /openapi.json has those that are' },
  405: { code: 'ERR_METHOD', detail: 'see the Allow header' },
  408: { code: 'ERR_BAD_REQUEST', detail: 'the request did not arrive in time' },
  413: { code: 'ERR_TOO_LARGE', detail: 'a body may have 64 KiB' },
  414: { code: 'ERR_TOO_LARGE', detail: 'the path is too long' },
  415: { code: 'ERR_MEDIA_TYPE', detail: 'send the body as application/json' },
  431: { code: 'ERR_TOO_LARGE', detail: 'the headers may have 16 KiB' },
};

export const problem = (code: ErrorCode, detail: string, requestId: string, status: number = ERRORS[code].http): Problem => ({
  type: `urn:tidegate:error:${code}`,
  title: ERRORS[code].title,
  status,
  detail: maskText(detail),
  code,
  requestId,
});

/** The refusal that goes with a status of the framework; null when it is not the client's doing. */
export const refusal = (status: number, requestId: string): Problem | null => {
  const known = REFUSALS[status] ?? (status >= 400 && status < 500 ? REFUSALS[400] : undefined);
  return known === undefined ? null : problem(known.code, known.detail, requestId, status);
};

/** The problem that tells a client of anything thrown while serving it. */
export const problemOf = (error: unknown, requestId: string): Problem => {
  if (error instanceof BodyFault) {
    const errors = error.problems.map(({ pointer, detail }) => ({ pointer: maskText(pointer), detail: maskText(detail) }));
    return { ...problem(error.code, error.message, requestId), errors };
  }
  if (error instanceof RefusedFault) return { ...problem(error.code, error.message, requestId), refusals: error.refusals };
  if (error instanceof Fault) return problem(error.code, error.message, requestId);
  const status = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500;
  return refusal(status, requestId) ?? problem('ERR_INTERNAL', 'the log has the cause under this requestId', requestId);
};
