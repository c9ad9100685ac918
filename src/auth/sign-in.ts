// Signing in with a browser: the issuer sends it back to the page with a code, which this replica redeems for a token (authorization code with proof key,
// RFC 7636). What is given out is a token that this cluster's API takes anyway; it is kept by the page and nowhere here. Errors never quote what the issuer said.
import { errorText, Fault } from '../errors.ts';
import { exchange } from '../exchange.ts';
import type { Fetch } from '../http.ts';
import type { Log } from '../log.ts';
import { type Ports, withDeadline } from '../ports.ts';
import { claimsOf, type Issuer, signInOfIssuer } from './issuer.ts';
import { identityOf, type OidcConfig, type SignInConfig } from './oidc.ts';
import { Refused } from './refusal.ts';

const ASK_MS = 3_000;
const REDEEM_MS = 5_000;
const COOLDOWN_MS = 30_000;
const REPLY_BYTES_MAX = 64 * 1024;
/** Codes on their way to the issuer at once. Anybody may send one, and the keys that verify everybody's tokens come by the same connections. */
const REDEEMING_MAX = 8;
/** Lines of a minute: whoever sends codes must not fill the log. */
const TOLD_MAX = 64;
const MINUTE_MS = 60_000;

export interface SignInWay {
  authorizationUrl: string;
  clientId: string;
  scopes: readonly string[];
}

export interface Redeemable {
  code: string;
  /** What the browser's challenge was made of. */
  verifier: string;
  redirectUri: string;
}

export interface SignIn {
  /** Where the browser goes; null while the issuer has not said where that is. Never waits longer than ASK_MS. */
  way(): Promise<SignInWay | null>;
  /**
   * Throws Fault: ERR_TOO_MANY while many wait for the issuer, ERR_SYSTEM when that does not answer, ERR_UNAUTHORIZED when it takes no such code or gives no
   * token that is good here.
   */
  redeem(given: Redeemable): Promise<{ token: string; expiresAtMs: number }>;
}

export interface SignInOptions {
  config: OidcConfig;
  signIn: SignInConfig;
  /** Of the client; null: it is a public one. */
  secret: string | null;
  issuer: Pick<Issuer, 'keys' | 'lookAgain'>;
  fetch: Fetch;
  ports: Pick<Ports, 'clock' | 'timers'>;
  log: Log;
}

interface Endpoints {
  authorizationUrl: string;
  tokenUrl: string;
}

/** The issuer's addresses: configured, or asked for once and kept; all who want them at the same time wait for one answer. */
const endpointsOf = ({ config, signIn, fetch, ports, log }: SignInOptions): (() => Promise<Endpoints | null>) => {
  const { authorizationUrl, tokenUrl } = signIn;
  let known: Endpoints | null = authorizationUrl === undefined || tokenUrl === undefined ? null : { authorizationUrl, tokenUrl };
  let asking: Promise<Endpoints | null> | null = null;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  const ask = async (): Promise<Endpoints | null> => {
    try {
      known = await withDeadline(ports.timers, ASK_MS, config.issuer, (signal) => signInOfIssuer(config.issuer, fetch, signal));
    } catch (error) {
      log.warn('auth.sign-in.unreachable', { issuer: config.issuer, because: errorText(error) });
    }
    return known;
  };
  return async () => {
    if (known !== null || asking !== null) return known ?? asking;
    if (ports.clock.monoMs() - askedAtMs < COOLDOWN_MS) return null;
    askedAtMs = ports.clock.monoMs();
    asking = ask().finally(() => {
      asking = null;
    });
    return asking;
  };
};

/** RFC 6749 2.3.1: both parts are encoded as in a form first. */
const basic = (clientId: string, secret: string): string => {
  const encoded = (text: string): string => new URLSearchParams({ text }).toString().slice('text='.length);
  return `Basic ${Buffer.from(`${encoded(clientId)}:${encoded(secret)}`).toString('base64')}`;
};

/** The tokens of an answer, the likelier first: an ID token is always a JWT that names who it was issued to. */
const tokensIn = (text: string): readonly string[] => {
  try {
    const { id_token: id, access_token: access } = JSON.parse(text) as { id_token?: unknown; access_token?: unknown };
    return [id, access].filter((token) => typeof token === 'string');
  } catch {
    return [];
  }
};

/** RFC 6749 5.2. Words of the standard, so a log may hold them. */
const KNOWN_ERRORS = [
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
];

/** Why a code was refused; null: not in a word that is known. */
const errorIn = (text: string): string | null => {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return KNOWN_ERRORS.find((known) => known === error) ?? null;
  } catch {
    return null;
  }
};

/** Warns, but not more than TOLD_MAX times a minute. */
const sparingly = ({ log, ports }: Pick<SignInOptions, 'log' | 'ports'>): Log['warn'] => {
  let sinceMs = Number.NEGATIVE_INFINITY;
  let told = 0;
  return (event, fields) => {
    const nowMs = ports.clock.monoMs();
    if (nowMs - sinceMs >= MINUTE_MS) [sinceMs, told] = [nowMs, 0];
    told += 1;
    if (told <= TOLD_MAX) log.warn(event, fields);
  };
};

export const createSignIn = (options: SignInOptions): SignIn => {
  const { config, signIn, secret, issuer, fetch, ports } = options;
  const { clientId, scopes } = signIn;
  const endpoints = endpointsOf(options);
  const warn = sparingly(options);
  let redeeming = 0;

  const answerFor = async (tokenUrl: string, { code, verifier, redirectUri }: Redeemable): Promise<readonly string[]> => {
    const form = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: clientId, code_verifier: verifier };
    const headers = {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      ...(secret === null ? {} : { authorization: basic(clientId, secret) }),
    };
    const { status, text } = await withDeadline(ports.timers, REDEEM_MS, config.issuer, (signal) =>
      exchange(
        fetch,
        { method: 'POST', url: tokenUrl, headers, body: new URLSearchParams(form).toString(), bytesMax: REPLY_BYTES_MAX },
        signal,
      ),
    ).catch((error: unknown) => {
      warn('auth.sign-in.unreachable', { issuer: config.issuer, because: errorText(error) });
      throw new Fault('ERR_SYSTEM', 'the issuer does not answer: try again, or sign in with a token; the log of this replica says why');
    });
    if (status === 200) return tokensIn(text);
    const error = errorIn(text);
    warn('auth.sign-in.refused', { issuer: config.issuer, status, ...(error === null ? {} : { error }) });
    if (error === 'invalid_client' || error === 'unauthorized_client')
      throw new Fault(
        'ERR_SYSTEM',
        'the issuer does not take this replica for its client: clientId or clientSecretFile is another there; sign in with a token',
      );
    if (status >= 500 || status === 429) throw new Fault('ERR_SYSTEM', `the issuer answered ${status}: try again, or sign in with a token`);
    throw new Fault(
      'ERR_UNAUTHORIZED',
      `the issuer answered ${status} to that code: it is good once and for a minute or so; sign in again`,
    );
  };

  const redeemed = async (given: Redeemable): Promise<{ token: string; expiresAtMs: number }> => {
    const found = await endpoints();
    if (found === null)
      throw new Fault('ERR_SYSTEM', 'the issuer has not said where codes are redeemed: try again, or sign in with a token');
    const reasons: string[] = [];
    for (const token of await answerFor(found.tokenUrl, given)) {
      try {
        const claims = await claimsOf(token, config, issuer, ports.clock.wallMs());
        identityOf(claims, config);
        return { token, expiresAtMs: (claims.exp ?? 0) * 1000 };
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        reasons.push(error.message);
      }
    }
    warn('auth.sign-in.refused', { issuer: config.issuer, because: reasons.join('; ') || 'no token in its answer' });
    throw new Fault(
      'ERR_UNAUTHORIZED',
      'you are known to the issuer, and nothing that it gave is accepted here; the log of this replica says why',
    );
  };

  return {
    async way() {
      const found = await endpoints();
      return found === null ? null : { authorizationUrl: found.authorizationUrl, clientId, scopes };
    },
    async redeem(given) {
      if (redeeming >= REDEEMING_MAX)
        throw new Fault('ERR_TOO_MANY', `${redeeming} people are being signed in here already; try again in a second`, { busyMs: 1000 });
      redeeming += 1;
      try {
        return await redeemed(given);
      } finally {
        redeeming -= 1;
      }
    },
  };
};
