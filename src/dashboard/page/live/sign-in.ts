// Signing in and out. The token is in memory alone; of a sign-in elsewhere this tab keeps until it is back what it needs to believe the answer.
import { batch, signal } from '@preact/signals';
import { fragment, freshBytes, go, isSecure, origin, query, recall, remember, setFragment, sha256 } from '../browser.ts';
import { type Away, awayUrl, backFrom, base64url, nonceOf } from '../oidc.ts';
import type { Me } from '../types.ts';
import { asked } from './address.ts';
import { act, ask } from './api.ts';
import { begin, forget } from './live.ts';
import { me, token, ways } from './session.ts';

const KEPT = 'tidegate-sign-in';

/** What went wrong on the way back. */
export const returnTrouble = signal<unknown>(null);
/** When the token ends, ms since 1970; null: nobody said. */
export const endsAtMs = signal<number | null>(null);

const redirectUri = (): string => `${origin()}/`;

const enter = (text: string, untilMs: number | null): void =>
  batch(() => {
    token.value = text;
    endsAtMs.value = untilMs;
    returnTrouble.value = null;
  });

/** Throws Refused where nobody here is known by it: a provider may know whom nothing maps to a role. */
const whoIs = async (text: string): Promise<Me> =>
  (await (await ask('/v1/me', { headers: { authorization: `Bearer ${text}` } })).json()) as Me;

/** Throws Refused for a token that is not good; what was good before goes on. */
export const signIn = async (given: string): Promise<void> => {
  const text = given.trim();
  if (!/^[\x21-\x7e]+$/.test(text)) throw new Error('A token has neither spaces nor letters with accents: copy it again.');
  me.value = await whoIs(text);
  enter(text, null);
  await begin();
};

export const signOut = async (): Promise<void> => {
  batch(() => {
    token.value = null;
    endsAtMs.value = null;
  });
  forget();
  await begin();
};

/** A page that came without TLS can't make the challenge. */
export const canLeave = isSecure;

/** Leaves this page. */
export const leave = async (): Promise<void> => {
  const oidc = ways.value?.oidc;
  if (oidc == null) throw new Error('This replica knows no provider to sign in with.');
  const [state = '', nonce = '', verifier = ''] = [32, 32, 48].map((length) => base64url(freshBytes(length)));
  const away: Away = { state, nonce, verifier, fragment: fragment() };
  remember(KEPT, JSON.stringify(away));
  go(awayUrl(oidc, away, await sha256(verifier), redirectUri()));
};

/** At the start of the page: takes what a sign-in elsewhere brought, and cleans the address of it. */
export const comeBack = async (): Promise<void> => {
  const back = backFrom(query(), recall(KEPT));
  if (back.kind === 'none') return;
  remember(KEPT, null);
  const looked = back.kind === 'code' ? back.away.fragment : back.fragment;
  setFragment(looked);
  asked.value = Object.fromEntries(new URLSearchParams(looked));
  if (back.kind === 'wrong') {
    returnTrouble.value = new Error(back.because);
    return;
  }
  const { code, away } = back;
  try {
    const body = { code, verifier: away.verifier, redirectUri: redirectUri() };
    const got = await act<{ token: string; expiresAtMs: number | null }>('POST', '/v1/sign-in/oidc', body);
    const nonce = nonceOf(got.token);
    if (nonce !== null && nonce !== away.nonce) throw new Error('The token that came back is not for this sign-in. Begin again.');
    me.value = await whoIs(got.token);
    enter(got.token, got.expiresAtMs);
  } catch (error) {
    returnTrouble.value = error;
  }
};
