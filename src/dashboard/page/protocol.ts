// How a replica and a provider are spoken with: the stream, the pace of questions, signing in elsewhere. Pure.
import type { SignIn } from './types.ts';

// ---- the stream ----
// The stream of events as text comes in, after the WHATWG's grammar of event streams.

export interface StreamEvent {
  id: string | null;
  type: string;
  data: string;
}

const LINE_CHARS_MAX = 1024 * 1024;

interface EventParser {
  /** The events that this piece completes. Throws on a line that is longer than any of ours. */
  push(text: string): readonly StreamEvent[];
}

export const eventParser = (): EventParser => {
  let rest = '';
  let event: StreamEvent = { id: null, type: 'message', data: '' };
  const take = (line: string): StreamEvent | null => {
    if (line === '') {
      const done = event;
      event = { id: done.id, type: 'message', data: '' };
      return done.data === '' ? null : { ...done, data: done.data.slice(0, -1) };
    }
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === 'id') event.id = value;
    if (field === 'event') event.type = value;
    if (field === 'data') event.data += `${value}\n`;
    return null;
  };
  return {
    push(text) {
      const lines = (rest + text).split(/\r\n|\n/);
      rest = lines.pop() ?? '';
      if (rest.length > LINE_CHARS_MAX) throw new Error(`a line of the stream is longer than ${LINE_CHARS_MAX} characters`);
      return lines.map(take).filter((done) => done !== null);
    },
  };
};

// ---- the pace ----
// When something is asked again: every so often while somebody looks, and soon after it changed, whatever happens at once.
const GAP_MS = 1_000;

interface Door {
  after(ms: number, act: () => void): () => void;
  isVisible(): boolean;
  monoMs(): number;
}

/** Calls at once, then every `ms`; never twice at the same time, and not more often than once a second. */
export const paced = (look: () => Promise<void>, ms: number, { after, isVisible, monoMs }: Door): { soon(): void; stop(): void } => {
  let [isBusy, isDue, isOver] = [false, false, false];
  let lastMs = Number.NEGATIVE_INFINITY;
  let unschedule = (): void => undefined;
  const plan = (waitMs: number): void => {
    unschedule();
    unschedule = after(waitMs, go);
  };
  const go = (): void => {
    // Whoever comes back does not wait for the span to end.
    if (!isVisible()) {
      plan(GAP_MS);
      return;
    }
    [isBusy, isDue, lastMs] = [true, false, monoMs()];
    void look().finally(() => {
      isBusy = false;
      if (!isOver) plan(isDue ? GAP_MS : ms);
    });
  };
  go();
  return {
    soon() {
      if (isBusy) isDue = true;
      else if (!isOver) plan(Math.max(0, lastMs + GAP_MS - monoMs()));
    },
    stop() {
      isOver = true;
      unschedule();
    },
  };
};

// ---- signing in elsewhere ----
// Signing in elsewhere and coming back: an authorization code with PKCE (RFC 6749, 7636). What goes out, and what of the answer is believed.

/** What is kept in this tab while one is away. */
export interface Away {
  state: string;
  nonce: string;
  verifier: string;
  /** What was looked at. */
  fragment: string;
}

export const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');

/** null: nothing that one may be sent to, whoever said so. */
export const providerUrl = (text: string): URL | null => {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && ['https:', 'http:'].includes(url.protocol) ? url : null;
};

/** `challenge`: SHA-256 of the verifier. Throws for an address that is none of a provider's. */
export const awayUrl = (oidc: NonNullable<SignIn['oidc']>, { state, nonce }: Away, challenge: Uint8Array, redirectUri: string): string => {
  const url = providerUrl(oidc.authorizationUrl);
  if (url === null) throw new Error('What this replica gave as the address of the provider is none.');
  const given = {
    response_type: 'code',
    client_id: oidc.clientId,
    redirect_uri: redirectUri,
    scope: oidc.scopes.join(' '),
    state,
    nonce,
    code_challenge: base64url(challenge),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(given)) url.searchParams.set(name, value);
  return url.href;
};

type Back = { kind: 'none' } | { kind: 'wrong'; because: string; fragment: string } | { kind: 'code'; code: string; away: Away };

const awayOf = (kept: string | null): Away | null => {
  try {
    const away = JSON.parse(kept ?? 'null') as Away | null;
    return away !== null &&
      typeof away === 'object' &&
      [away.state, away.nonce, away.verifier, away.fragment].every((part) => typeof part === 'string')
      ? away
      : null;
  } catch {
    return null;
  }
};

/** `kept`: what this tab remembers. An answer to a question that this tab did not ask is not looked at any further. */
export const backFrom = (query: URLSearchParams, kept: string | null): Back => {
  const [code, state, error] = [query.get('code'), query.get('state'), query.get('error')];
  if (code === null && error === null) return { kind: 'none' };
  const away = awayOf(kept);
  const fragment = away?.fragment ?? '';
  if (away === null || state !== away.state)
    return { kind: 'wrong', because: 'This answer is not to a sign-in that was begun in this tab. Begin again.', fragment };
  if (error !== null) {
    const told = query.get('error_description');
    return {
      kind: 'wrong',
      because: `The provider says: ${error.slice(0, 100)}${told === null ? '' : `: ${told.slice(0, 300)}`}`,
      fragment,
    };
  }
  return { kind: 'code', code: code ?? '', away };
};

/** The nonce in a token that has one. Nobody is believed by this: whether the token is good, the API says. */
export const nonceOf = (token: string): string | null => {
  try {
    const [, payload = ''] = token.split('.');
    const { nonce } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as { nonce?: unknown };
    return typeof nonce === 'string' ? nonce : null;
  } catch {
    return null;
  }
};
