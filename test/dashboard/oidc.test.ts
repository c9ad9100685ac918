// Signing in elsewhere: what goes out with the browser, and which answers are believed.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Away, awayUrl, backFrom, base64url, nonceOf } from '../../src/dashboard/page/protocol.ts';

const AWAY: Away = { state: 'a-state', nonce: 'a-nonce', verifier: 'a-verifier', fragment: 'service=web.example.com' };
const KEPT = JSON.stringify(AWAY);
const back = (query: string, kept: string | null = KEPT) => backFrom(new URLSearchParams(query), kept);

test('what goes out: a code is asked for, with the challenge and never the verifier; what the provider has in its address stays', () => {
  const oidc = { authorizationUrl: 'https://id.example/authorize?tenant=7', clientId: 'tidegate', scopes: ['openid', 'profile'] };
  const challenge = createHash('sha256').update(AWAY.verifier).digest();
  const url = new URL(awayUrl(oidc, AWAY, challenge, 'https://eu.tidegate.example/'));
  expect(url.origin + url.pathname).toBe('https://id.example/authorize');
  expect(Object.fromEntries(url.searchParams)).toEqual({
    tenant: '7',
    response_type: 'code',
    client_id: 'tidegate',
    redirect_uri: 'https://eu.tidegate.example/',
    scope: 'openid profile',
    state: 'a-state',
    nonce: 'a-nonce',
    code_challenge: challenge.toString('base64url'),
    code_challenge_method: 'S256',
  });
  expect(url.href).not.toContain(AWAY.verifier);
});

test('bytes of every value are written as RFC 7636 wants them', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
  expect(base64url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
});

test.each([
  ['no answer at all', '', KEPT],
  ['something else in the address', 'state=a-state', KEPT],
])('%s is none', (_, query, kept) => {
  expect(back(query, kept)).toEqual({ kind: 'none' });
});

test('the code with the state that this tab sent, and what was looked at', () => {
  expect(back('code=c0de&state=a-state')).toEqual({ kind: 'code', code: 'c0de', away: AWAY });
});

test.each([
  ['another state', 'code=c0de&state=b-state', KEPT],
  ['no state', 'code=c0de', KEPT],
  ['a state that nobody kept', 'code=c0de&state=a-state', null],
  ['an error that nobody asked for', 'error=access_denied', KEPT],
  ['a broken memory', 'code=c0de&state=a-state', '{'],
  ['a memory of something else', 'code=c0de&state=a-state', '{"state":"a-state"}'],
  ['an empty state against an empty memory', 'code=c0de&state=undefined', '{}'],
])('%s is not believed', (_, query, kept) => {
  expect(back(query, kept)).toMatchObject({ kind: 'wrong', because: expect.stringContaining('not to a sign-in') });
});

test('what the provider says is said, in short, and the place that was looked at is kept', () => {
  const told = back(`error=access_denied&state=a-state&error_description=${'x'.repeat(900)}`);
  expect(told).toMatchObject({
    kind: 'wrong',
    because: expect.stringMatching(/^The provider says: access_denied: x{300}$/),
    fragment: AWAY.fragment,
  });
});

test.each([
  [`e30.${Buffer.from('{"nonce":"a-nonce","sub":"añá"}').toString('base64url')}.x`, 'a-nonce'],
  [`e30.${Buffer.from('{"sub":"ana"}').toString('base64url')}.x`, null],
  [`e30.${Buffer.from('{"nonce":7}').toString('base64url')}.x`, null],
  ['tg_0123', null],
  ['', null],
])('the nonce of %s is %s', (token, nonce) => {
  expect(nonceOf(token)).toBe(nonce);
});
