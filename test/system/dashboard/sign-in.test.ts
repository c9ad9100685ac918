// Signing in elsewhere, in a real browser: from a page that shows nothing to a small real issuer over TLS and back. What the human does at the issuer is the
// only thing that is played.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openAccess } from '../../../src/auth/open.ts';
import { realPorts } from '../../../src/ports.ts';
import { openApi } from '../../api/fixture.ts';
import { type FakeIssuer, jwkOf, newSigningKey, oidcConfig, signJwt, startFakeIssuer } from '../../auth/credentials.ts';
import { recordingLog } from '../../recording-log.ts';
import { workDir } from '../server.ts';
import { expectAccessible, openBrowser, openPage } from './browser.ts';

const TEST_MS = 60_000;
const KEY = newSigningKey('ec', 'ES256');

let browser: Browser;
let issuer: FakeIssuer;
let url: string;
let closing: AsyncDisposableStack;

beforeAll(async () => {
  browser = await openBrowser();
}, TEST_MS);
afterAll(() => browser.close());
beforeEach(async () => {
  closing = new AsyncDisposableStack();
  const folder = workDir('sign-in');
  closing.defer(() => rmSync(folder, { recursive: true, force: true }));
  issuer = await startFakeIssuer(folder);
  closing.defer(() => issuer.stop());
  issuer.keys = [await jwkOf(KEY)];
  const log = recordingLog();
  const oidc = oidcConfig(issuer, { signIn: { clientId: 'dashboard', scopes: ['openid'] } });
  const access = openAccess({
    api: { host: '127.0.0.1', port: 0, tokenFile: join(folder, 'operator.token'), auth: { anonymous: 'none', oidc } },
    ports: realPorts(),
    log,
    resolve: () => Promise.reject(new Error('no names here')),
  });
  closing.defer(() => access.close());
  const api = openApi({ access, log, dashboard: { peers: {}, anonymous: 'none', signIn: access.signIn } });
  closing.defer(() => api.close());
  url = `${await api.app.listen({ host: '127.0.0.1', port: 0 })}/`;
});
afterEach(() => closing.disposeAsync());

/** The human at the issuer: agrees, and is sent back with what `answer` makes of the question. */
const playHuman = (page: Page, answer: (asked: URLSearchParams) => Record<string, string>): Promise<unknown> =>
  page.route(`${issuer.url}/auth**`, (route) => {
    const asked = new URL(route.request().url()).searchParams;
    return route.fulfill({ status: 302, headers: { location: `${asked.get('redirect_uri')}?${new URLSearchParams(answer(asked))}` } });
  });

const agree = (asked: URLSearchParams, roles: readonly string[] = ['sre']): Record<string, string> => {
  expect(asked.get('code_challenge_method')).toBe('S256');
  const nonce = asked.get('nonce');
  issuer.answer = async (path) => {
    const token =
      path === '/token' ? await signJwt({ key: KEY, issuer: issuer.url, header: { typ: 'JWT' }, claims: { nonce, roles } }) : null;
    return token === null
      ? { status: 200, body: JSON.stringify({ keys: issuer.keys }) }
      : { status: 200, body: JSON.stringify({ id_token: token }) };
  };
  return { code: 'a-code', state: asked.get('state') ?? '' };
};

test('a locked page shows nothing; signed in elsewhere it shows all, remembers what was looked at, and keeps no token', {
  timeout: TEST_MS,
}, async () => {
  await using watched = await openPage(browser, `${url}#service=web.example.test`, {}, [new URL(issuer.url).host]);
  const { page } = watched;
  await page.getByText('shows itself only to those whom it knows').waitFor();
  expect(await page.locator('#regions').count()).toBe(0);
  await expectAccessible(page);
  await playHuman(page, agree);
  await page.getByRole('button', { name: 'Sign in with OIDC' }).click();
  await page.locator('.session').getByText('olga').waitFor();
  await page.locator('#regions').waitFor();
  expect(new URL(page.url()).search).toBe('');
  expect(new URL(page.url()).hash).toBe('#service=web.example.test');
  expect(await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])')).toBe('[{},{},""]');
  await page.reload();
  await page.getByText('shows itself only to those whom it knows').waitFor();
  watched.expectClean();
});

test('an answer that this tab did not ask for is not believed, and the reason outlives the dialog that first shows it', {
  timeout: TEST_MS,
}, async () => {
  await using watched = await openPage(browser, url, {}, [new URL(issuer.url).host]);
  const { page } = watched;
  let isBack = false;
  await playHuman(page, (asked) => {
    isBack = true;
    return { ...agree(asked), state: 'forged' };
  });
  // The page learns that it is locked only once its dialog stands.
  await page.route('**/v1/me', async (route) => {
    if (isBack) await page.getByRole('dialog').getByRole('alert').waitFor();
    await route.continue();
  });
  await page.getByRole('button', { name: 'Sign in with OIDC' }).click();
  await page.getByText('shows itself only to those whom it knows').waitFor();
  await page.locator('#regions').waitFor({ state: 'detached' });
  await page.locator('main').getByRole('alert').first().waitFor();
  expect(issuer.posted).toEqual([]);
  watched.expectClean();
});

test('who has no role here is told so', { timeout: TEST_MS }, async () => {
  await using watched = await openPage(browser, url, {}, [new URL(issuer.url).host]);
  const { page } = watched;
  await playHuman(page, (asked) => agree(asked, ['kitchen']));
  await page.getByRole('button', { name: 'Sign in with OIDC' }).click();
  await page.locator('#regions').waitFor({ state: 'detached' });
  await page.getByRole('alert').first().waitFor();
  watched.expectClean();
});
