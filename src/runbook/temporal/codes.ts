// Status codes of gRPC, which Temporal's HTTP answers carry too, and what they mean for a request that was to change something. Pure.

const NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export type CodeName = (typeof NAMES)[number];

/** UNKNOWN for what is no code. */
export const codeName = (code: number): CodeName => NAMES[code] ?? 'UNKNOWN';

export const codeNumber = (name: CodeName): number => NAMES.indexOf(name);

/**
 * Whether a change that was answered so has been made. ALREADY_EXISTS: the same was asked for before. What a server says when it broke off half-way, or when
 * nobody knows who answered, is undecided: the change may have been made.
 */
export const WRITE: Readonly<Record<CodeName, 'accepted' | 'refused' | 'fatal' | 'undecided'>> = {
  OK: 'accepted',
  ALREADY_EXISTS: 'accepted',
  RESOURCE_EXHAUSTED: 'refused',
  FAILED_PRECONDITION: 'refused',
  INVALID_ARGUMENT: 'fatal',
  OUT_OF_RANGE: 'fatal',
  NOT_FOUND: 'fatal',
  PERMISSION_DENIED: 'fatal',
  UNAUTHENTICATED: 'fatal',
  UNIMPLEMENTED: 'fatal',
  ABORTED: 'undecided',
  CANCELLED: 'undecided',
  UNKNOWN: 'undecided',
  DEADLINE_EXCEEDED: 'undecided',
  INTERNAL: 'undecided',
  UNAVAILABLE: 'undecided',
  DATA_LOSS: 'undecided',
};

/** What a gateway of HTTP means that says nothing of gRPC: a balancer in between, as a rule. */
export const codeOfStatus = (status: number): CodeName => {
  const known: Readonly<Record<number, CodeName>> = {
    400: 'INVALID_ARGUMENT',
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'NOT_FOUND',
    405: 'UNIMPLEMENTED',
    409: 'ABORTED',
    413: 'INVALID_ARGUMENT',
    415: 'INVALID_ARGUMENT',
    429: 'RESOURCE_EXHAUSTED',
    501: 'UNIMPLEMENTED',
    503: 'UNAVAILABLE',
    504: 'DEADLINE_EXCEEDED',
  };
  return known[status] ?? (status >= 400 && status < 500 ? 'FAILED_PRECONDITION' : 'UNKNOWN');
};
