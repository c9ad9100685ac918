// The issuer's public keys: fetched in the background, kept in memory and in a file, so that people get in while the issuer is down, also after a restart.
// A request waits for a fetch only while there are no keys, or for a key that is not among them; at most FETCH_MS, and one fetch per COOLDOWN_MS serves all.
import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { isLocalEndpoint } from '../config/fields.ts';
import { fileDisk } from '../disk.ts';
import { errorText } from '../errors.ts';
import type { Fetch } from '../http.ts';
import type { Log } from '../log.ts';
import { type Ports, withDeadline } from '../ports.ts';
import { createTrouble } from '../trouble.ts';
import { readGuarded } from './file.ts';
import { type OidcConfig, UnknownKey, usableKeys, verifyJwt } from './oidc.ts';
import { Refused } from './refusal.ts';

const FETCH_MS = 3_000;
const REFRESH_MS = 10 * 60_000;
const COOLDOWN_MS = 30_000;
/** Keys that the issuer has not confirmed for so long verify nothing: one that it has withdrawn must not be good for ever where it cannot be reached. */
const KEEP_MS = 7 * 24 * 3_600_000;
const REPLY_BYTES_MAX = 256 * 1024;

export interface Issuer {
  /** The keys to verify with now; null: there are none. Waits only while there never were any, and not for long. */
  keys(): Promise<JWTVerifyGetKey | null>;
  /** After a key that is not among them: fetches, unless that was tried just now. True: there is another set. */
  lookAgain(): Promise<boolean>;
  /** What is being kept is on the disk then. */
  close(): Promise<void>;
}

interface Kept {
  issuer: string;
  fetchedAtMs: number;
  set: JSONWebKeySet;
}

export interface IssuerOptions {
  config: OidcConfig;
  ports: Ports;
  log: Log;
  fetch: Fetch;
}

const readJson = async (ask: Fetch, url: string, signal: AbortSignal): Promise<unknown> => {
  const reply = await ask(url, { headers: { accept: 'application/json' }, signal });
  if (reply.status !== 200) {
    await reply.body?.cancel();
    throw new Error(`${url} answered ${reply.status}, expected 200`);
  }
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of reply.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > REPLY_BYTES_MAX) throw new Error(`${url} answered more than ${REPLY_BYTES_MAX} bytes`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${url} answered something that is no JSON`);
  }
};

const isSafeUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { protocol } = new URL(text);
  return protocol === 'https:' || (protocol === 'http:' && isLocalEndpoint(text));
};

/** Addresses that the issuer has for something, by its own word: `named`, as its discovery document calls them. */
const discover = async (ask: Fetch, issuer: string, named: readonly string[], signal: AbortSignal): Promise<readonly string[]> => {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const document = (await readJson(ask, url, signal)) as Readonly<Record<string, unknown>> | null;
  if (document?.issuer !== issuer) throw new Error(`${url} speaks for another issuer; api.auth.oidc.issuer has to be spelt as there`);
  return named.map((name) => {
    const found = document[name];
    if (typeof found !== 'string' || !isSafeUrl(found)) throw new Error(`${url} names no https:// address as ${name}`);
    return found;
  });
};

/** Where people sign in, and where what they bring from there is redeemed. Rejects when it cannot be asked, or speaks for another. */
export const signInOfIssuer = async (
  issuer: string,
  ask: Fetch,
  signal: AbortSignal,
): Promise<{ authorizationUrl: string; tokenUrl: string }> => {
  const [authorizationUrl = '', tokenUrl = ''] = await discover(ask, issuer, ['authorization_endpoint', 'token_endpoint'], signal);
  return { authorizationUrl, tokenUrl };
};

const keysUrl = async (ask: Fetch, issuer: string, signal: AbortSignal): Promise<string> =>
  (await discover(ask, issuer, ['jwks_uri'], signal))[0] ?? '';

/** The keys that it publishes now. Rejects when it cannot be asked, or speaks for another. */
export const keysOfIssuer = async ({ issuer, jwksUrl }: OidcConfig, ask: Fetch, signal: AbortSignal): Promise<JSONWebKeySet> =>
  usableKeys(await readJson(ask, jwksUrl ?? (await keysUrl(ask, issuer, signal)), signal));

/** What a token says, once its signature and its claims have been judged; a key that is not known is looked for once. Throws Refused. */
export const claimsOf = async (
  token: string,
  config: OidcConfig,
  issuer: Pick<Issuer, 'keys' | 'lookAgain'>,
  nowMs: number,
): Promise<JWTPayload> => {
  const verified = async (): Promise<JWTPayload> => {
    const keys = await issuer.keys();
    if (keys === null) throw new Refused('no keys of the issuer are known');
    return verifyJwt(token, keys, config, nowMs);
  };
  return verified().catch(async (error: unknown) => {
    if (error instanceof UnknownKey && (await issuer.lookAgain())) return verified();
    throw error;
  });
};

export const openIssuer = ({ config, ports, log, fetch }: IssuerOptions): Issuer => {
  let kept: Kept | null = null;
  let resolver: JWTVerifyGetKey | null = null;
  let triedAtMs = Number.NEGATIVE_INFINITY;
  let trying: Promise<boolean> | null = null;
  const trouble = createTrouble(log, 'auth.oidc.unreachable');
  let closed = false;
  let writing: Promise<void> = Promise.resolve();
  const disk = config.cacheFile === undefined ? null : fileDisk(config.cacheFile);

  const use = (next: Kept): boolean => {
    const isOther = JSON.stringify(kept?.set) !== JSON.stringify(next.set);
    if (isOther) resolver = createLocalJWKSet(next.set);
    kept = next;
    return isOther;
  };
  const isFresh = (): boolean => kept !== null && ports.clock.wallMs() - kept.fetchedAtMs < KEEP_MS;

  const fetchKeys = async (): Promise<boolean> => {
    try {
      const set = await withDeadline(ports.timers, FETCH_MS, config.issuer, (signal) => keysOfIssuer(config, fetch, signal));
      const next: Kept = { issuer: config.issuer, fetchedAtMs: ports.clock.wallMs(), set };
      const isOther = use(next);
      if (trouble.over() || isOther) log.info('auth.oidc.keys', { issuer: config.issuer, count: set.keys.length });
      // Waited for at the end only: a slow disk keeps nobody out.
      if (disk !== null && !closed)
        writing = writing
          .then(() => disk.replace(JSON.stringify(next)))
          .catch((error: unknown) => log.warn('auth.oidc.cache', { because: errorText(error) }));
      return isOther;
    } catch (error) {
      trouble.tell(error, { issuer: config.issuer, keys: isFresh() ? 'as before' : 'none' });
      return false;
    }
  };
  /** All who want keys at the same time wait for one fetch. */
  const refresh = (): Promise<boolean> => {
    if (trying !== null) return trying;
    if (closed || ports.clock.monoMs() - triedAtMs < COOLDOWN_MS) return Promise.resolve(false);
    triedAtMs = ports.clock.monoMs();
    trying = fetchKeys().finally(() => {
      trying = null;
    });
    return trying;
  };

  const loadKept = (): void => {
    if (config.cacheFile === undefined) return;
    try {
      const stored = JSON.parse(readGuarded(config.cacheFile, REPLY_BYTES_MAX * 2)) as Partial<Kept>;
      if (stored.issuer !== config.issuer || typeof stored.fetchedAtMs !== 'number') throw new Error('kept for another issuer');
      use({ issuer: stored.issuer, fetchedAtMs: Math.min(stored.fetchedAtMs, ports.clock.wallMs()), set: usableKeys(stored.set) });
    } catch (error) {
      if (!errorText(error).includes('ENOENT')) log.warn('auth.oidc.cache', { because: errorText(error) });
    }
  };

  loadKept();
  let timer = ports.timers.after(0, () => tick(), { background: true });
  const tick = (): void => {
    void refresh();
    if (!closed) timer = ports.timers.after(REFRESH_MS, tick, { background: true });
  };
  return {
    async keys() {
      if (!isFresh()) await refresh();
      return isFresh() ? resolver : null;
    },
    lookAgain: refresh,
    close() {
      closed = true;
      timer.cancel();
      return writing;
    },
  };
};
