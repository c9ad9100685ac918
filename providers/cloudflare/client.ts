// The way to Cloudflare's API: their own library for paths, headers and bodies, our own HTTP underneath, one attempt a call. Each reply is taken apart here:
// the library would give null for a refusal that comes with status 200.
import Cloudflare, { APIError } from 'cloudflare';
import { z } from 'zod';
import { errorText, Fault } from '../../src/errors.ts';
import type { ProviderContext } from '../provider.ts';
import { limiterOf } from './limiter.ts';
import { type Refused, replyText, sortReply } from './replies.ts';

/** The release of the API that replies are read by; without it the library sends today's date. */
const API_VERSION = '2026-11-01';
const ENDPOINT = 'https://api.cloudflare.com/client/v4';
/** Behind the caller's signal, which is shorter. */
const CALL_MS_MAX = 30_000;

export interface ClientConfig {
  /** Another address of the API, without the final slash. */
  endpoint?: string;
  tokenFile: string;
  /** What this process may use of what Cloudflare lets the token's user do. */
  callsPer5Min: number;
}

export type Called<T> = { ok: true; result: T; pages: number; total: number | null; ray?: string } | ({ ok: false } & Refused);

export interface Client {
  /** `make` is one method of the library. Never throws for what the world did, only for bugs. */
  call<T>(options: {
    use: 'look' | 'change';
    what: string;
    shape: z.ZodType<T>;
    signal: AbortSignal;
    make: (sdk: Cloudflare, options: { signal: AbortSignal }) => { asResponse(): Promise<Response> };
  }): Promise<Called<T>>;
}

/** Does no IO but to read the token. Throws Fault ERR_SECRET. */
export const createClient = (
  { endpoint = ENDPOINT, tokenFile, callsPer5Min }: ClientConfig,
  { ports, fetch, secret }: Pick<ProviderContext, 'ports' | 'fetch' | 'secret'>,
): Client => {
  const token = secret(tokenFile).trim();
  if (!/^[\x21-\x7e]{1,400}$/.test(token))
    throw new Fault('ERR_SECRET', `${tokenFile}: expected a Cloudflare API token on one line and nothing else`);
  const limiter = limiterOf(ports, token);
  const sdk = new Cloudflare({
    apiToken: token,
    // Each of these would otherwise come from the environment of the process.
    apiKey: null,
    apiEmail: null,
    userServiceKey: null,
    baseURL: endpoint,
    apiVersion: API_VERSION,
    maxRetries: 0,
    timeout: CALL_MS_MAX,
    logLevel: 'off',
    fetch: fetch as unknown as typeof globalThis.fetch,
  });
  return {
    async call({ use, what, shape, signal, make }) {
      let ray: { ray?: string } = {};
      const refused = (is: Refused['is'], because: string, status?: number, busyMs?: number): { ok: false } & Refused => ({
        ok: false,
        is,
        status,
        because: `${what}: ${because.replaceAll(token, '(token)')}`,
        ...(busyMs === undefined ? {} : { busyMs }),
        ...ray,
      });
      // Nothing was sent, and the next look may find the limit over.
      const limited = signal.aborted ? null : limiter.refusal(use, callsPer5Min);
      if (limited !== null) return refused('undecided', limited.because, undefined, limited.busyMs);
      try {
        const response = await make(sdk, { signal }).asResponse();
        ray = rayOf(response.headers);
        const text = await response.text();
        const envelope = envelopeOf(text);
        if (envelope === null) return refused('undecided', `${response.status} with a body that is not Cloudflare's`, response.status);
        if (!envelope.success) {
          const reply = { status: response.status, errors: envelope.errors };
          return refused(sortReply(reply), replyText(reply), reply.status);
        }
        const parsed = shape.safeParse(envelope.result);
        if (!parsed.success) return refused('undecided', `a reply of another form than documented: ${z.prettifyError(parsed.error)}`);
        const { total_pages: pages, total_count: total } = envelope.result_info ?? {};
        return { ok: true, result: parsed.data, pages: pages ?? 1, total: total ?? null, ...ray };
      } catch (error) {
        if (!(error instanceof APIError) || error.status === undefined) return refused('undecided', transportText(error, signal));
        ray = rayOf(error.headers);
        const reply = { status: error.status, errors: ERRORS.catch([]).parse(error.errors) };
        if (error.status === 429) {
          const forS = limiter.stop(error.headers?.get('retry-after') ?? null);
          return refused('undecided', `${replyText(reply)}; Cloudflare takes no call of this token for ${forS} s`, 429, forS * 1000);
        }
        return refused(sortReply(reply), replyText(reply), error.status);
      }
    },
  };
};

/** A name that somebody in between made up may be of any length. */
const rayOf = (headers: Headers | undefined): { ray?: string } => {
  const ray = headers?.get('cf-ray') ?? null;
  return ray === null || !/^[\w-]{1,64}$/.test(ray) ? {} : { ray };
};

/** The result of a look, or a throw of Fault ERR_PROVIDER that says why there is none. */
export const resultOf = <T>(called: Called<T>): T => {
  if (called.ok) return called.result;
  throw new Fault('ERR_PROVIDER', called.because, { busyMs: called.busyMs });
};

const ERRORS = z.array(z.object({ code: z.number(), message: z.string() }));

const ENVELOPE = z.object({
  success: z.boolean(),
  errors: ERRORS.catch([]),
  result: z.unknown(),
  result_info: z.object({ total_pages: z.number().optional(), total_count: z.number().optional() }).nullish().catch(undefined),
});

const envelopeOf = (text: string): z.infer<typeof ENVELOPE> | null => {
  try {
    return ENVELOPE.parse(JSON.parse(text));
  } catch {
    return null;
  }
};

/** What ended a call without a reply: the caller's own reason, or what is at the bottom of the chain of causes. */
const transportText = (error: unknown, signal: AbortSignal): string => {
  if (signal.aborted) return errorText(signal.reason);
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  const code = inner instanceof Error && 'code' in inner && typeof inner.code === 'string' ? ` (${inner.code})` : '';
  return `${errorText(inner)}${code}`;
};
