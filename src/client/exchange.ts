// One request at a list of endpoints, one region after the other, until one of them knows. What a lost reply means is said, never guessed:
// `doubt` tells whether an endpoint that did not answer may have acted. Remembers who answered, so that the next request begins there.
import type { Response } from 'undici';
import { ERRORS, type ErrorCode, errorText, Fault } from '../errors.ts';
import type { Http } from '../http.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { ClientSettings } from './settings.ts';
import type { Refusal } from './types.ts';

/** Longest wait for one endpoint, and for the last one, which nobody stands in for. */
const TRY_MS = 4_000;
const LAST_TRY_MS = 15_000;

export interface Ask {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  path: string;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  /** A status that is an answer although it is 500 or more. */
  accepts?: number;
}

export interface Answer {
  status: number;
  /** JSON, or the text where it is none. */
  body: unknown;
  etag: string | null;
  endpoint: string;
  /** An endpoint asked before this one may have acted on the request too. */
  doubt: boolean;
}

export interface Exchange {
  /** An answer that is no failure of the server. Throws Fault when no endpoint has one; `doubt` of DoubtFault then says whether it may stand. */
  ask(ask: Ask): Promise<Answer>;
  /** A reply to be read as it comes; ends with `signal`. */
  open(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<{ reply: Response; endpoint: string }>;
  /** Who answered last. */
  endpoint(): string;
  /** Begin at the next endpoint. */
  moveOn(): void;
}

/** Nobody answered, and somebody may have acted. */
export class DoubtFault extends Fault {}

export interface ExchangeOptions {
  settings: ClientSettings;
  http: Pick<Http, 'fetch'>;
  ports: Ports;
  version: string;
  /** For the human: another endpoint than the first answered, and why. */
  note: (text: string) => void;
  tryMs?: number;
  lastTryMs?: number;
}

interface Problem {
  code?: unknown;
  detail?: unknown;
  title?: unknown;
  requestId?: unknown;
  errors?: unknown;
  refusals?: unknown;
}

/** Nothing reached the server. */
const UNSENT = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ETIMEDOUT'];
const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');
const wasUnsent = (error: unknown): boolean => {
  const code = codeOf(error);
  return UNSENT.includes(code) || code.startsWith('ERR_TLS') || code.includes('CERT') || code.startsWith('ERR_SSL');
};

/** What a code that only those who write TLS know means to whoever typed the address. */
const hintOf = (code: string, endpoint: string): string => {
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return ' (no TLS is spoken there: http:// instead of https://?)';
  if (endpoint.startsWith('http:') && (code.startsWith('HPE_') || code === 'UND_ERR_SOCKET'))
    return ' (it hung up: https:// instead of http://?)';
  if (code.includes('SELF_SIGNED') || code.startsWith('UNABLE_TO_'))
    return ' (nobody trusted vouches for its certificate: name its authority with --ca FILE)';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return ' (its certificate is for other names: ask by one of those)';
  return code === 'CERT_HAS_EXPIRED' ? ' (its certificate has expired)' : '';
};

const unheard = (endpoint: string, error: unknown): string => {
  const code = codeOf(error);
  return code === '' ? errorText(error) : `${endpoint}: ${code}${hintOf(code, endpoint)}`;
};

/** The server says by code that it did nothing. */
const DID_NOTHING: readonly unknown[] = ['ERR_STORE_UNREACHABLE', 'ERR_STORE_DENIED', 'ERR_STOPPING'];

const isObject = (body: unknown): body is object => typeof body === 'object' && body !== null;
const problemIn = (body: unknown): Problem => (isObject(body) ? body : {});
const isCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(ERRORS, code);

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'ERR_UNAUTHORIZED',
  403: 'ERR_FORBIDDEN',
  404: 'ERR_NOT_FOUND',
  405: 'ERR_METHOD',
  409: 'ERR_REFUSED',
  412: 'ERR_STALE',
  428: 'ERR_PRECONDITION',
  429: 'ERR_TOO_MANY',
};

const HOW_TOKEN = 'this command reads it from --token-file FILE, TIDEGATE_TOKEN_FILE or tokenFile of the client file';

/** What a reply that is no success says, as the Fault a command ends with: the server's code and sentence, and everything wrong with the body. */
export const faultOf = ({ status, body, endpoint }: Pick<Answer, 'status' | 'body' | 'endpoint'>): Fault => {
  const { code, detail, title, requestId, errors, refusals } = problemIn(body);
  const pointed = (Array.isArray(errors) ? errors : []).slice(0, 20).map((each: { pointer?: unknown; detail?: unknown } | null) => {
    const place = String(each?.pointer ?? '').slice(0, 100);
    return `\n  ${place === '' ? '' : `${place}: `}${String(each?.detail ?? '').slice(0, 500)}`;
  });
  const ruled = (Array.isArray(refusals) ? refusals : []).slice(0, 10).map((each: Partial<Refusal> | null) => {
    const where = [each?.service, each?.pool].filter((part) => typeof part === 'string').join('/');
    return `\n  rule ${String(each?.rule)} refuses ${where}: ${String(each?.because ?? '').slice(0, 500)}`;
  });
  const said = String(detail ?? title ?? 'no reason given').slice(0, 2000);
  const request = typeof requestId === 'string' ? `, request ${requestId.slice(0, 64)}` : '';
  const kind = isCode(code) ? code : (BY_STATUS[status] ?? (status >= 500 ? 'ERR_INTERNAL' : 'ERR_BAD_REQUEST'));
  const how = kind === 'ERR_UNAUTHORIZED' ? `; ${HOW_TOKEN}` : '';
  return new Fault(kind, `${said}${how}${pointed.join('')}${ruled.join('')} (${endpoint} answered ${status}${request})`);
};

const bodyOf = async (reply: Response): Promise<unknown> => {
  const text = await reply.text();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** A failure of this endpoint, which another one need not share. */
const isServersOwn = (status: number): boolean => status >= 500;

export const STRANGE = 'but not as a replica does: is that the address of its API?';

/** Something else listens there: every answer of a replica is a JSON object, a refusal too. */
const isStranger = ({ body }: Pick<Answer, 'body'>): boolean => !isObject(body);

export const createExchange = (options: ExchangeOptions): Exchange => {
  const { settings, http, ports, version, note, tryMs = TRY_MS, lastTryMs = LAST_TRY_MS } = options;
  const { endpoints, token } = settings;
  let first = 0;

  const headersOf = (extra: Readonly<Record<string, string>>): Record<string, string> => ({
    accept: 'application/json',
    'user-agent': `tidegate/${version}`,
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...extra,
  });

  const one = (endpoint: string, { method, path, body, headers = {} }: Ask, waitMs: number): Promise<Omit<Answer, 'doubt'>> =>
    withDeadline(ports.timers, waitMs, endpoint, async (signal) => {
      const reply = await http.fetch(`${endpoint}${path}`, {
        method,
        signal,
        headers: headersOf({ ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: reply.status, body: await bodyOf(reply), etag: reply.headers.get('etag'), endpoint };
    });

  const order = (): readonly string[] => endpoints.map((_, at) => endpoints[(first + at) % endpoints.length] ?? '');

  const settle = (endpoint: string, why: readonly string[]): void => {
    const at = endpoints.indexOf(endpoint);
    if (at !== first || why.length > 0) note(`${why.join('; ')}; ${endpoint} answers\n`);
    first = at;
  };

  return {
    endpoint: () => endpoints[first] ?? '',
    moveOn: () => {
      first = (first + 1) % endpoints.length;
    },

    async ask(ask) {
      const why: string[] = [];
      let doubt = false;
      let said: Fault | null = null;
      for (const [at, endpoint] of order().entries()) {
        try {
          const answer = await one(endpoint, ask, at === endpoints.length - 1 ? lastTryMs : tryMs);
          const isAnswer = !isServersOwn(answer.status) || answer.status === ask.accepts;
          if (isAnswer && isStranger(answer)) {
            why.push(`${endpoint} answered ${answer.status}, ${STRANGE}`);
            doubt ||= ask.method !== 'GET';
            continue;
          }
          if (isAnswer) {
            settle(endpoint, why);
            return { ...answer, doubt };
          }
          said = faultOf(answer);
          why.push(`${endpoint} answered ${answer.status}`);
          doubt ||= ask.method !== 'GET' && !DID_NOTHING.includes(problemIn(answer.body).code);
        } catch (error) {
          why.push(unheard(endpoint, error));
          doubt ||= ask.method !== 'GET' && !wasUnsent(error);
        }
      }
      const told =
        said === null ? `no endpoint answers: ${why.join('; ')}` : `${said.message}${why.length > 1 ? `; ${why.join('; ')}` : ''}`;
      if (doubt) throw new DoubtFault('ERR_UNDECIDED', told);
      throw new Fault(said?.code ?? 'ERR_UNREACHABLE', told);
    },

    async open(path, headers, signal) {
      const why: string[] = [];
      for (const endpoint of order()) {
        // The deadline is for the head of the reply only; its body goes on until the caller's signal.
        const whole = new AbortController();
        const onAbort = (): void => whole.abort(signal.reason);
        signal.addEventListener('abort', onAbort, { once: true });
        try {
          const asked = (): Promise<Response> =>
            http.fetch(`${endpoint}${path}`, { method: 'GET', headers: headersOf(headers), signal: whole.signal });
          const reply = await withDeadline(ports.timers, tryMs, endpoint, asked, signal);
          if (isServersOwn(reply.status)) {
            why.push(`${endpoint} answered ${reply.status}`);
            await reply.body?.cancel();
            continue;
          }
          if (reply.status !== 200) throw faultOf({ status: reply.status, body: await bodyOf(reply), endpoint });
          if (!(reply.headers.get('content-type') ?? '').startsWith(headers.accept ?? '')) {
            why.push(`${endpoint} answered 200, ${STRANGE}`);
            whole.abort();
            signal.removeEventListener('abort', onAbort);
            continue;
          }
          settle(endpoint, why);
          return { reply, endpoint };
        } catch (error) {
          whole.abort();
          signal.removeEventListener('abort', onAbort);
          if (error instanceof Fault || signal.aborted) throw error;
          why.push(unheard(endpoint, error));
        }
      }
      throw new Fault('ERR_UNREACHABLE', `no endpoint answers: ${why.join('; ')}`);
    },
  };
};
