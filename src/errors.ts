// The catalogue of errors a user can meet. Codes are stable and documented in src/README.md (a test holds the two together).
// The world going wrong is a Fault with a code; our own impossible states are assertions, and those stop the process.

interface ErrorKind {
  /** Exit code of a command that ends with it. 78: configuration (sysexits). */
  exit: number;
  /** Status of an HTTP reply that carries it. */
  http: number;
  title: string;
}

export const ERRORS = {
  ERR_USAGE: { exit: 2, http: 400, title: 'The command line is not understood' },
  ERR_CONFIG: { exit: 78, http: 422, title: 'The configuration is not accepted' },
  ERR_CONFIG_READ: { exit: 78, http: 500, title: 'A configuration file cannot be read' },
  ERR_SECRET: { exit: 78, http: 500, title: 'A secret file cannot be used' },
  ERR_STORE_LOCKED: { exit: 1, http: 503, title: 'Another process serves this store file' },
  ERR_STORE_FILE: { exit: 1, http: 503, title: 'The store file cannot be used' },
  ERR_STORE_REPLACED: { exit: 1, http: 409, title: 'The store is not the one this instance knew' },
  ERR_STORE_UNREACHABLE: { exit: 1, http: 503, title: 'The store does not answer' },
  ERR_STORE_DENIED: { exit: 77, http: 503, title: 'The store refuses these credentials' },
  ERR_NAME_TAKEN: { exit: 1, http: 409, title: 'Another process runs under this region and replica name' },
  ERR_LISTEN: { exit: 1, http: 500, title: 'An address cannot be listened on' },
  ERR_INSTALL: { exit: 1, http: 500, title: 'What was installed is not whole' },
  ERR_DNS: { exit: 1, http: 502, title: 'A DNS exchange failed' },
  ERR_TSIG: { exit: 1, http: 502, title: 'A signed DNS reply cannot be trusted' },
  ERR_SYSTEM: { exit: 1, http: 502, title: 'A system around is not configured here, or refuses' },
  ERR_PROVIDER: { exit: 1, http: 502, title: 'A provider refused or did not answer' },
  ERR_UNAUTHORIZED: { exit: 1, http: 401, title: 'The bearer token is missing or wrong' },
  ERR_FORBIDDEN: { exit: 77, http: 403, title: 'These credentials may not do that' },
  ERR_TOO_MANY: { exit: 1, http: 429, title: 'Too many requests' },
  ERR_REFUSED: { exit: 6, http: 409, title: 'A safety rule refuses the order' },
  ERR_APPROVAL: { exit: 6, http: 409, title: 'A second person has to agree first' },
  ERR_PRECONDITION: { exit: 4, http: 428, title: 'The version that was read has to be named' },
  ERR_IDEMPOTENCY: { exit: 4, http: 422, title: 'The idempotency key was used for something else' },
  ERR_CONFLICT: { exit: 4, http: 409, title: 'What stands already does not allow it' },
  ERR_IN_FLIGHT: { exit: 4, http: 409, title: 'The same request is being answered already' },
  ERR_NOT_ACCEPTABLE: { exit: 1, http: 406, title: 'Nothing is offered in the asked format' },
  ERR_AUDIT: { exit: 1, http: 500, title: 'The audit chain is broken' },
  ERR_UNHEALTHY: { exit: 3, http: 503, title: 'Something is wrong that a human should see' },
  ERR_UNREACHABLE: { exit: 1, http: 502, title: 'No endpoint of Tidegate answers' },
  ERR_TIMEOUT: { exit: 5, http: 504, title: 'What was waited for did not happen in time' },
  ERR_BAD_REQUEST: { exit: 1, http: 400, title: 'The request is not understood' },
  ERR_NOT_FOUND: { exit: 1, http: 404, title: 'There is no such thing' },
  ERR_METHOD: { exit: 1, http: 405, title: 'This path does not offer that method' },
  ERR_LIMIT: { exit: 1, http: 409, title: 'A stated limit is reached' },
  ERR_MEDIA_TYPE: { exit: 1, http: 415, title: 'The body must be JSON' },
  ERR_TOO_LARGE: { exit: 1, http: 413, title: 'The request is too large' },
  ERR_STALE: { exit: 4, http: 412, title: 'The record changed since it was read' },
  ERR_UNDECIDED: { exit: 1, http: 503, title: 'Nobody knows whether the write happened' },
  ERR_STOPPING: { exit: 1, http: 503, title: 'This process is stopping' },
  ERR_INTERNAL: { exit: 1, http: 500, title: 'Something is wrong inside; the log has it' },
  ERR_RECORD: { exit: 1, http: 400, title: 'A recording cannot be read' },
  ERR_NOT_CLEAN: { exit: 1, http: 409, title: 'The report of the service is not clean' },
  ERR_DEMO: { exit: 1, http: 500, title: 'The demo did not meet its goals' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** Something in the world went wrong. `message` says what, where, found, expected and what to do, and never holds a secret. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: ErrorCode;
  /** Whoever asked has to wait so long before asking again, and so has everybody else of the same account. */
  readonly busyMs: number | undefined;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; busyMs?: number | undefined }) {
    super(message, options);
    this.code = code;
    this.busyMs = options?.busyMs;
  }
}

/** The text of anything thrown, for logs and reasons. */
export const errorText = (error: unknown): string => (error instanceof Error ? error.message || error.name : String(error));
