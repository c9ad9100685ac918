// The page on a bad night: answers that stop halfway, regions that say nothing any more, replicas that are cut off, somebody who signs in meanwhile. One real
// browser; the replicas are stand-ins whose answers each test spoils.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAccess } from '../../../src/auth/access.ts';
import { realPorts } from '../../../src/ports.ts';
import { TOKEN } from '../../api/fixture.ts';
import { openBigWorld } from '../../dashboard/big-world.ts';
import { recordingLog } from '../../recording-log.ts';
import { until } from '../until.ts';
import { expectAccessible, openBrowser, openPage, signIn, untilSignedIn, type Watched } from './browser.ts';
import { calm, json, type StandIn, silence, standIn } from './stand-in.ts';

describe('the page', { timeout: 60_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());

  const open = (stand: StandIn, others: readonly StandIn[] = []): Promise<Watched> =>
    openPage(
      browser,
      stand.url,
      {},
      others.map(({ url }) => new URL(url).host),
    );
  const says = (page: Page, text: string | RegExp) => page.locator('.banner:not(.stale) .sentence').getByText(text).waitFor();
  /** Who speaks, soon; who coordinates stands beside it with his epoch. */
  const speaks = (page: Page, who: string) => page.locator('.speaker').getByText(who, { exact: true }).waitFor({ timeout: 3_000 });
  const stale = (page: Page) => page.locator('.banner.stale');
  const countOf = ({ asked }: StandIn, what: string): number => asked.filter((each) => each === what).length;

  test('a head that comes without its body does not stop the page: it says that nothing is heard, and hears again', async () => {
    await using stand = await standIn();
    await using watched = await open(stand);
    const { page } = watched;
    await says(page, /^All 3 regions serve/);
    stand.answers.set('/v1/overview', (_, reply) => {
      reply.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' }).write('{');
      return true;
    });
    await stale(page).getByText('eu-west/a does not answer').waitFor();
    expect(await page.locator('.speaker').getByText('live').count()).toBe(0);
    stand.answers.clear();
    await stale(page).waitFor({ state: 'detached', timeout: 40_000 });
    watched.expectClean();
  });

  test('a region that swallows every question is left at once: the next one is not kept waiting by what the first still owes', async () => {
    await using second = await standIn({}, 'us-east');
    await using first = await standIn({ dashboard: { peers: { 'us-east': second.url }, anonymous: 'viewer', signIn: null } });
    await using watched = await open(first, [second]);
    const { page } = watched;
    await says(page, /^All 3 regions serve/);
    for (const path of ['/v1/overview', '/v1/me']) first.answers.set(path, silence);
    const before = countOf(first, 'GET /v1/overview');
    await stale(page).getByRole('button', { name: 'us-east' }).waitFor();
    // The last of its questions has just gone out, and would be waited for for eight seconds.
    await until('another question', () => countOf(first, 'GET /v1/overview') > before + 1);
    await stale(page).getByRole('button', { name: 'us-east' }).click();
    await speaks(page, 'us-east/a');
    // It dies too: who was asked is named, and the way back is offered, though no configuration names it.
    second.answers.set('/v1/overview', silence);
    first.answers.clear();
    await stale(page).getByText('us-east/a does not answer').waitFor();
    await stale(page).getByRole('button', { name: 'eu-west' }).click();
    await speaks(page, 'eu-west/a');
    watched.expectClean();
  });

  test('a replica that answers and is itself cut off from the store shows nothing as fresh, and does not say that nobody decides', async () => {
    await using stand = await standIn();
    await using watched = await open(stand);
    const { page } = watched;
    await says(page, /^All 3 regions serve/);
    const because = 'the store has not answered for 31.2 s: from here nothing can be voted or decided';
    const old = calm('eu-west', 31_200);
    stand.overview = { ...old, self: { ...old.self, canVote: false, canDecide: false, because } };
    await says(page, /^eu-west\/a is cut off: the store has not answered/);
    await stale(page).getByText('eu-west/a is cut off from the store').waitFor();
    expect(await page.locator('.speaker').innerText()).toMatch(/3\d s old/);
    expect(await page.locator('main').getAttribute('class')).toBe('old');
    // The figures go on, and nobody is told them again each second.
    const spoken = page.locator('[role=alert]');
    const before = await spoken.allTextContents();
    stand.overview = { ...stand.overview, self: { ...stand.overview.self, because: because.replace('31.2', '36.4') } };
    await says(page, /36.4 s/);
    expect(await spoken.allTextContents()).toEqual(before);
    watched.expectClean();
  });

  test('a replica that refuses is not called one that does not answer', async () => {
    await using stand = await standIn();
    stand.answers.set('/v1/overview', (_, reply) =>
      json(reply, 503, { title: 'Unavailable', detail: 'no configuration is known yet', code: 'ERR_STORE_UNREACHABLE', status: 503 }),
    );
    await using watched = await open(stand);
    await stale(watched.page).getByText('answers, and can say nothing').waitFor();
    await stale(watched.page).getByText('no configuration is known yet').waitFor();
    watched.expectClean();
  });

  test('a replica that asks for a pause has one', async () => {
    await using stand = await standIn();
    await using watched = await open(stand);
    await says(watched.page, /^All 3 regions serve/);
    let refused = 0;
    stand.answers.set('/v1/overview', (_, reply) => {
      refused += 1;
      return json(reply, 429, { title: 'Too many', detail: 'come later', code: 'ERR_TOO_MANY', status: 429 }, { 'retry-after': '20' });
    });
    await stale(watched.page).waitFor();
    expect(refused).toBe(1);
  });

  test('where nobody may look without signing in, nothing more is asked once that is known; a token that is being typed stays through sleep and return', async () => {
    await using stand = await standIn({
      dashboard: { peers: {}, anonymous: 'none', signIn: null },
      access: createAccess({ ports: realPorts(), log: recordingLog(), bootstrap: TOKEN, anonymous: 'none' }),
    });
    await using watched = await open(stand);
    const { page } = watched;
    const field = page.getByLabel('Token');
    await field.fill(TOKEN);
    expect(stand.asked.filter((each) => each.includes('/v1/'))).toEqual(['GET /v1/sign-in', 'GET /v1/me']);
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange')); window.dispatchEvent(new Event('online'))");
    // A clock that jumps is how a sleep looks.
    await page.evaluate('{ const now = Date.now; Date.now = () => now.call(Date) + 60000; }');
    await page.waitForTimeout(2_500);
    expect(await field.inputValue()).toBe(TOKEN);
    expect(stand.asked.filter((each) => each.includes('/v1/'))).toEqual(['GET /v1/sign-in', 'GET /v1/me']);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await untilSignedIn(page);
    await page.getByRole('button', { name: 'New order' }).waitFor();
    watched.expectClean();
  });

  test('who signs in while the answer to nobody is still on its way is who signed in', async () => {
    await using stand = await standIn();
    let late: (() => void) | null = null;
    await using watched = await open(stand);
    const { page } = watched;
    await says(page, /^All 3 regions serve/);
    stand.answers.set('/v1/me', (request, reply) => {
      if (request.headers.authorization !== undefined || late !== null) return false;
      late = () => void json(reply, 200, { name: 'anonymous', role: 'viewer', services: null, how: 'anonymous', cluster: 'test' });
      return true;
    });
    // As after a sleep.
    await page.evaluate('{ const now = Date.now; Date.now = () => now.call(Date) + 60000; }');
    await until('a question of nobody', () => late !== null);
    await page.locator('.session').getByRole('button', { name: 'Sign in' }).click();
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('dialog').getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('button', { name: 'New order' }).waitFor();
    (late as (() => void) | null)?.();
    await page.waitForTimeout(500);
    expect(await page.locator('.session').innerText()).not.toContain('anonymous');
    expect(await page.getByRole('button', { name: 'New order' }).count()).toBe(1);
    watched.expectClean();
  });

  test('a panel whose module does not come keeps no other back, and comes when it can', async () => {
    await using stand = await standIn();
    stand.answers.set('/assets/panels/orders.ts', (_, reply) => json(reply, 503, {}));
    await using watched = await open(stand);
    const { page } = watched;
    await page.locator('#journal').getByRole('button', { name: 'Save as JSON' }).waitFor();
    await page.locator('#orders').getByText('Coming …').waitFor();
    stand.answers.clear();
    await page.locator('#orders').getByText('Nobody has ordered anything').waitFor();
    watched.expectClean();
  });

  test('a stream that begins anew has left something out: the journal is read again', async () => {
    await using stand = await standIn();
    stand.answers.set('/v1/events', (_, reply) => {
      reply.writeHead(200, { 'content-type': 'text/event-stream' });
      if (countOf(stand, 'GET /v1/events') === 1) return reply.write('id: v7.j1\nevent: stream.opened\ndata: {}\n\n');
      return reply.write('id: v9.j1\nevent: stream.reset\ndata: {}\n\n');
    });
    await using watched = await open(stand);
    const { page } = watched;
    await page.locator('#journal').getByRole('button', { name: 'Save as JSON' }).waitFor();
    await page.locator('#journal').scrollIntoViewIfNeeded();
    await until('the journal is read', () => countOf(stand, 'GET /v1/decisions') > 0);
    const before = countOf(stand, 'GET /v1/decisions');
    // As after a sleep.
    await page.evaluate('{ const now = Date.now; Date.now = () => now.call(Date) + 60000; }');
    await until('the journal is read again', () => countOf(stand, 'GET /v1/decisions') > before);
    watched.expectClean();
  });

  test('a locked page whose region does not answer any more offers the others, and one signs in there', async () => {
    const locked = (peers: Record<string, string>) => ({
      dashboard: { peers, anonymous: 'none' as const, signIn: null },
      access: createAccess({ ports: realPorts(), log: recordingLog(), bootstrap: TOKEN, anonymous: 'none' }),
    });
    await using second = await standIn(locked({}), 'us-east');
    await using first = await standIn(locked({ 'us-east': second.url }));
    await using watched = await open(first, [second]);
    const { page } = watched;
    await page.getByLabel('Token').fill('two words');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    // A token that is none is no fault of the region's.
    await page.locator('.trouble').getByText('copy it again').waitFor();
    expect(await page.getByRole('button', { name: 'us-east' }).count()).toBe(0);
    first.answers.set('/v1/me', silence);
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('button', { name: 'us-east' }).click({ timeout: 20_000 });
    await page.getByText('You speak with us-east now.').waitFor();
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await untilSignedIn(page);
    await page.locator('.speaker').getByText('us-east/a').first().waitFor();
    watched.expectClean();
  });

  test('an order that the address asks for stands in its form from the first moment on, so that the quickest press places that one', async () => {
    await using world = await openBigWorld({ size: { services: 4, regions: 4 } });
    const [{ name: region = '' } = {}] = ((await (await fetch(`${world.url}/v1/overview`)).json()) as { regions: { name: string }[] })
      .regions;
    await using watched = await openPage(browser, `${world.url}/#order=${encodeURIComponent(`drain:region=${region}`)}`);
    const { page } = watched;
    // What the form holds when it comes, seen before anything else can run.
    await page.evaluate(`new MutationObserver(() => {
const field = [...document.querySelectorAll('#orders form label')].find((each) => each.textContent.startsWith('Region'))?.control;
      if (field) window.first ??= field.value;
    }).observe(document.body, { childList: true, subtree: true })`);
    await page.locator('.session').getByRole('button', { name: 'Sign in' }).click();
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Sign in', exact: true }).last().click();
    await page.locator('#orders').getByLabel('Reason').waitFor();
    expect(await page.evaluate('window.first')).toBe(region);
    watched.expectClean();
  });

  test('an order that is pressed before anything is known of the cluster waits for that, and is placed', async () => {
    await using stand = await standIn();
    const late: (() => void)[] = [];
    stand.answers.set('/v1/overview', (_, reply) => late.push(() => json(reply, 200, stand.overview)) > 0);
    await using watched = await openPage(browser, `${stand.url}/#order=${encodeURIComponent('drain:region=us-east')}`);
    const { page } = watched;
    await signIn(page, TOKEN);
    const orders = page.locator('#orders');
    await orders.getByLabel('Reason').fill('trying it before all is there');
    expect(await page.locator('.banner .sentence').innerText()).toBe('Asking what is so …');
    expect(await orders.getByRole('button', { name: 'Place order' }).isDisabled()).toBe(true);
    await orders.getByText('Asking what is so …').waitFor();
    stand.answers.clear();
    for (const answer of late) answer();
    await orders.getByRole('button', { name: 'Place order' }).click();
    await orders.getByText('is ordered').waitFor();
    watched.expectClean();
  });

  test('a sign-in that ends while a move is written down takes none of it away, and signing out does', async () => {
    await using world = await openBigWorld({ size: { services: 4, regions: 4 } });
    await using watched = await openPage(browser, `${world.url}/`);
    const { page } = watched;
    const signInThere = async (): Promise<void> => {
      await page.getByLabel('Token').fill(TOKEN);
      await page.getByRole('button', { name: 'Sign in', exact: true }).last().click();
      await untilSignedIn(page);
    };
    const plan = async (): Promise<void> => {
      // What stands above it has come too, and does not push it away.
      await page.locator('#journal').getByRole('button', { name: 'Save as JSON' }).waitFor();
      await page.locator('#orders').getByText('obeyed').first().waitFor();
      await page.locator('#runs').scrollIntoViewIfNeeded();
      await page.getByRole('button', { name: 'Move shop' }).click();
    };
    const reason = page.getByLabel('Reason', { exact: true });
    await page.locator('.session').getByRole('button', { name: 'Sign in' }).click();
    await signInThere();
    await plan();
    await reason.fill('the disks of it are full');
    await page.route('**/v1/overview', (route) => route.fulfill({ status: 401, json: { title: 'Unauthorized', status: 401 } }), {
      times: 1,
    });
    await page.getByText('This cluster shows itself only to those whom it knows.').waitFor();
    await signInThere();
    await plan();
    // It is filled before it is shown, and only what is shown can be left.
    await reason.waitFor();
    expect(await reason.inputValue()).toBe('the disks of it are full');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.locator('.session').getByRole('button', { name: 'Sign in' }).click();
    await signInThere();
    await plan();
    expect(await reason.inputValue()).toBe('');
    watched.expectClean();
  });

  test('on paper every name is there, and nothing that can only be pressed or filled in', async () => {
    await using stand = await standIn();
    await using watched = await open(stand);
    const { page } = watched;
    await says(page, /^All 3 regions serve/);
    await page.locator('#journal').getByRole('button', { name: 'Save as JSON' }).waitFor();
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const { services } = stand.overview;
    for (const { name } of services)
      expect(await page.locator('#services').getByText(name, { exact: true }).first().isVisible(), name).toBe(true);
    const controls = page.locator('button:not(.link), input, select, textarea, nav');
    expect(await controls.count()).toBeGreaterThan(5);
    expect(
      await controls.evaluateAll(
        (all) => all.filter((each) => (each as unknown as { checkVisibility(): boolean }).checkVisibility()).length,
      ),
    ).toBe(0);
    // Ink on white, whatever the screen is; and what was not in sight is laid out too.
    expect(
      await page.evaluate("getComputedStyle(document.body).color + getComputedStyle(document.querySelector('#journal')).contentVisibility"),
    ).toBe('rgb(27, 34, 42)visible');
    watched.expectClean();
  });

  test('in forced colours what is drawn has them too', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await using stand = await standIn();
      await using watched = await openPage(browser, stand.url, { forcedColors: 'active', colorScheme });
      const { page } = watched;
      await says(page, /^All 3 regions serve/);
      const found = await page.evaluate(`(() => {
        const probe = document.body.appendChild(document.createElement('i'));
        const system = (name) => { probe.style.color = name; return getComputedStyle(probe).color; };
        const of = (selector, property) => getComputedStyle(document.querySelector(selector))[property];
        const found = [[of('.fill', 'fill'), system('LinkText')], [of('.track', 'fill'), system('GrayText')], [of('.goal, .fill', 'fill') === of('.panel', 'backgroundColor'), false]];
        probe.remove();
        return found;
      })()`);
      for (const [is, should] of found as [unknown, unknown][]) expect(is, colorScheme).toBe(should);
      await expectAccessible(page);
      watched.expectClean();
    }
  });

  test('at 200 % nothing lies beside the window, and the head of the page hides nothing that has the focus', async () => {
    await using stand = await standIn();
    await using watched = await openPage(browser, stand.url, { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 });
    const { page } = watched;
    await says(page, /^All 3 regions serve/);
    await page.locator('#journal').getByRole('button', { name: 'Save as JSON' }).waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(640);
    await page.locator('#journal').getByRole('button', { name: 'Save as JSON' }).focus();
    const hidden: string[] = [];
    for (let n = 0; n < 40; n += 1) {
      await page.keyboard.press('Shift+Tab');
      const over = await page.evaluate(`(() => {
        const own = document.activeElement;
        const { left, top, width } = own.getBoundingClientRect();
        const there = document.elementFromPoint(left + width / 2, Math.max(0, top) + 2);
        return there?.closest('.top') != null && own !== document.body && !own.closest('.top') ? own.outerHTML.slice(0, 80) : '';
      })()`);
      if (over !== '') hidden.push(String(over));
    }
    expect(hidden).toEqual([]);
    watched.expectClean();
  });

  test('whoever is signed in acts at once, also while a later answer is waited for: the dialog is gone, and the keyboard reaches what was behind it', async () => {
    await using stand = await standIn();
    await using watched = await open(stand);
    const { page } = watched;
    // It is known that nobody has signed in: what is asked from here on is asked for the sign-in.
    await page.locator('.speaker').getByText('anonymous (viewer)').waitFor();
    let [asked, isGivenUp] = [0, false];
    stand.answers.set('/v1/me', (_request, reply) => {
      if (++asked === 1) return false;
      reply.on('close', () => (isGivenUp = true));
      return true;
    });
    await signIn(page, TOKEN);
    await page.getByRole('button', { name: 'New order' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('#orders').getByRole('radio', { name: 'drain' }).waitFor();
    expect({ asked, isGivenUp }).toEqual({ asked: 2, isGivenUp: false });
    watched.expectClean();
  });

  test('what a panel holds of its reader is gone with him, also when nothing new can be had', async () => {
    await using stand = await standIn();
    await using watched = await open(stand);
    const { page } = watched;
    await signIn(page, TOKEN);
    const words = page.locator('#journal').getByLabel('words');
    await words.fill('what ana did');
    for (const path of ['/v1/audit', '/v1/decisions', '/v1/overview']) stand.answers.set(path, silence);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.locator('.session').getByRole('button', { name: 'Sign in' }).waitFor();
    expect(await words.inputValue()).toBe('');
    watched.expectClean();
  });
});
