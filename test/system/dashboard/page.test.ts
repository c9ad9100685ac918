// The operator's page in a real browser, on a cluster of real processes: an outage watched from its start to its end, an order placed with nothing but the
// keyboard, the region it speaks with lost and another in its place. One cluster for all of it, in this order.
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../cluster.ts';
import { REGIONS, type Region, WEB } from '../cluster-config.ts';
import { until } from '../until.ts';
import { expectAccessible, openBrowser, openPage, signIn, untilSignedIn, type Watched } from './browser.ts';

const TEST_MS = 180_000;
const START_MS = 120_000;

describe('a cluster of three regions', { timeout: TEST_MS }, () => {
  const closing = new AsyncDisposableStack();
  let cluster: Cluster;
  let browser: Browser;
  /** Speaks for the page; it does not coordinate when the tests begin. */
  let home: Region;
  let other: Region;

  beforeAll(async () => {
    cluster = closing.use(
      await startCluster({
        own: (_region, doors) => ['dashboard:', '  peers:', ...REGIONS.map((each) => `    ${each}: http://127.0.0.1:${doors.api[each]}`)],
      }),
    );
    browser = await openBrowser();
    closing.defer(() => browser.close());
    const first = await cluster.coordinator();
    [home, other] = REGIONS.filter((region) => region !== first) as [Region, Region];
  }, START_MS);
  afterAll(() => closing.disposeAsync());

  const urlOf = (region: Region): string => `http://127.0.0.1:${cluster.doors.api[region]}/`;
  const hosts = (): readonly string[] => REGIONS.map((region) => new URL(urlOf(region)).host);
  const open = (options = {}): Promise<Watched> => openPage(browser, urlOf(home), options, hosts());
  const panel = (page: Page, id: string): Locator => page.locator(`#${id}`);
  const sentence = (page: Page): Promise<string> => page.locator('.banner:not(.stale) .sentence').innerText();
  const says = (page: Page, pattern: RegExp): Promise<unknown> =>
    until(`the banner says ${pattern}`, async () => {
      const said = await sentence(page);
      if (pattern.test(said)) return true;
      throw new Error(said);
    });
  /** All panels are here: the later ones too. */
  const whole = (page: Page): Promise<unknown> => until('every panel', async () => (await page.getByText('Coming …').count()) === 0);
  test('is there with one sentence, for light and dark, for wide and narrow, and nothing in it is out of reach', async () => {
    for (const options of [{}, { colorScheme: 'dark' }, { viewport: { width: 360, height: 740 }, reducedMotion: 'reduce' }] as const) {
      await using watched = await open(options);
      const { page } = watched;
      await says(page, /^All 3 regions serve/);
      await whole(page);
      await panel(page, 'journal').scrollIntoViewIfNeeded();
      await panel(page, 'journal').getByText('decision', { exact: false }).first().waitFor();
      await expectAccessible(page);
      const [scrollWidth = 0, clientWidth = 0] = (await page.evaluate(
        '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
      )) as number[];
      expect(scrollWidth).toBeLessThanOrEqual(clientWidth);
      watched.expectClean();
    }
  });

  test('a viewer sees and does not act; whoever signs in does, and no power is kept where a script could find it', async () => {
    await using watched = await open();
    const { page } = watched;
    await panel(page, 'orders').getByText('Sign in to order').waitFor();
    expect(await page.getByRole('button', { name: 'New order' }).count()).toBe(0);
    await page.locator('.session').getByRole('button', { name: 'Sign in' }).click();
    await page.getByLabel('Token').fill('wrong-token-0123456789abcdef');
    await page.getByRole('dialog').getByRole('button', { name: 'Sign in', exact: true }).click();
    await page
      .getByRole('dialog')
      .getByText(/not accepted/)
      .first()
      .waitFor();
    await page.keyboard.press('Escape');
    await signIn(page, cluster.operatorToken);
    await page.getByRole('button', { name: 'New order' }).waitFor();
    const kept = await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])');
    expect(kept).not.toContain(cluster.operatorToken);
    await page.reload();
    await panel(page, 'orders').getByText('Sign in to order').waitFor();
    watched.expectClean();
  });

  test('an outage is watched from its start to its end: doubt, verdict, drain, users landed, return', async () => {
    await using watched = await open();
    const { page } = watched;
    await says(page, /^All 3 regions serve/);
    await cluster.killApp(other);
    await panel(page, 'votes')
      .getByRole('row', { name: new RegExp(`${WEB}/${other}`) })
      .waitFor();
    await says(page, new RegExp(`^${other} is down since .* \\(\\d of 3 vantages\\)`));
    await panel(page, 'regions').locator('.card.bad', { hasText: other }).waitFor();
    await panel(page, 'services').locator('td.moved').first().waitFor();
    const incident = panel(page, 'incidents');
    await incident.getByText(`${other}: region-down`).first().waitFor();
    await until('users are seen to land', async () => /users landed in|met/.test(await incident.innerText()));
    await until('the banner says that they landed', async () =>
      /seen to land elsewhere/.test(await page.locator('.banner').first().innerText()),
    );
    await expectAccessible(page);
    await cluster.startApp(other);
    await says(page, /^All 3 regions serve/);
    await panel(page, 'votes').getByText('Every vantage that votes sees every target up.').waitFor();
    await incident
      .getByText(/lasted/)
      .first()
      .waitFor();
    watched.expectClean();
  });

  test('an order is foreseen, placed by keyboard alone, obeyed, and expires', async () => {
    await using watched = await open();
    const { page } = watched;
    await signIn(page, cluster.operatorToken);
    await page.getByRole('button', { name: 'New order' }).focus();
    await page.keyboard.press('Enter');
    const orders = panel(page, 'orders');
    await orders.getByRole('radio', { name: 'drain' }).focus();
    await page.keyboard.press('Space');
    await orders.getByLabel('Region', { exact: true }).selectOption(other);
    await orders.getByLabel('Reason').fill('the database there is being upgraded');
    await orders.getByRole('textbox', { name: 'Stands for' }).fill('20s');
    // What would follow is there before anything is sent.
    await orders
      .getByText(new RegExp(`${other}.*leaves|${other} drained|drain`))
      .first()
      .waitFor();
    await until('a forecast with its routes', async () => /0 %/.test(await orders.innerText()));
    expect((await cluster.route())[other]).toBeGreaterThan(0);
    await orders.getByRole('button', { name: 'Place order' }).focus();
    await page.keyboard.press('Enter');
    await orders.getByText('is ordered').waitFor();
    await orders.locator('.card', { hasText: 'the database there is being upgraded' }).waitFor();
    await cluster.untilServed('the drain', (route) => route[other] === 0);
    await says(page, new RegExp(`^${other} is drained, by`));
    await expectAccessible(page);
    await cluster.untilServed('the return', (route) => (route[other] ?? 0) > 0);
    await orders.getByText('Nobody has ordered anything').waitFor();
    watched.expectClean();
  });

  test('an order is ended before its time, from its dialog', async () => {
    await using watched = await open();
    const { page } = watched;
    await page.goto(`${urlOf(home)}#order=${encodeURIComponent(`drain:region=${other}`)}`);
    await page.reload();
    await signIn(page, cluster.operatorToken);
    const orders = panel(page, 'orders');
    await orders.getByLabel('Reason').fill('trying the other button');
    await orders.getByRole('button', { name: 'Place order' }).click();
    await orders.getByText('is ordered').waitFor();
    await orders.locator('.card h4 button').first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('trying the other button').first().waitFor();
    await expectAccessible(page);
    await dialog.getByRole('button', { name: 'End it now' }).click();
    const sure = dialog.getByRole('button', { name: /^End it now|Yes/ });
    if ((await dialog.getByText('Ended.').count()) === 0 && (await sure.count()) > 0) await sure.first().click();
    await dialog.getByText('Ended.').waitFor();
    await cluster.untilServed('the return', (route) => (route[other] ?? 0) > 0);
    watched.expectClean();
  });

  test('what a colleague ordered stands in every open page, and texts of others are only ever text', async () => {
    await using watched = await open();
    const { page } = watched;
    await says(page, /regions serve/);
    const hostile = `"'><img src=x onerror=alert(1)><script>alert(2)</script>\${alert(3)}`;
    const reply = await fetch(`${urlOf(other)}v1/overrides`, {
      method: 'POST',
      headers: { authorization: `Bearer ${cluster.operatorToken}`, 'content-type': 'application/json', 'idempotency-key': 'colleague-1' },
      body: JSON.stringify({ kind: 'freeze', scope: {}, reason: hostile, owner: 'eve <b>', ticket: 'OPS-1', ttl: '1h' }),
    });
    expect(reply.status).toBe(201);
    const { override } = (await reply.json()) as { override: { id: string } };
    await panel(page, 'orders').getByText(hostile).waitFor();
    await says(page, /^Every route stays as it is/);
    const gone = await fetch(`${urlOf(other)}v1/overrides/${override.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${cluster.operatorToken}`, 'if-match': '*' },
    });
    expect(gone.status).toBe(200);
    await panel(page, 'orders').getByText('Nobody has ordered anything').waitFor();
    watched.expectClean();
  });

  test('its region is lost: it says so and how old it is, offers the others, goes on with one, and keeps who signed in', async () => {
    await using watched = await open();
    const { page } = watched;
    await signIn(page, cluster.operatorToken);
    await whole(page);
    await cluster.replica(home).end('SIGKILL');
    await page.locator('.banner.stale').getByText(`${home}/a does not answer`).waitFor();
    expect(await page.locator('main').getAttribute('class')).toContain('old');
    await expectAccessible(page);
    await page.locator('.banner.stale').getByRole('button', { name: other }).click();
    await page.locator('.speaker').getByText(`${other}/a`, { exact: true }).waitFor();
    await page.locator('.banner.stale').waitFor({ state: 'detached' });
    await untilSignedIn(page);
    // It acts there, too: across origins, with what was fetched before the loss.
    await page.getByRole('button', { name: 'New order' }).click();
    await panel(page, 'orders').getByLabel('Reason').fill('acting by another region');
    await panel(page, 'orders').getByRole('radio', { name: 'freeze' }).check();
    await panel(page, 'orders').getByRole('radio', { name: 'everything' }).check();
    await panel(page, 'orders').getByRole('button', { name: 'Place order' }).click();
    await panel(page, 'orders').getByText('is ordered').waitFor();
    watched.expectClean();
    await cluster.start(home);
  });

  test('a replica that sleeps for a while is heard again without a click', async () => {
    await using watched = await open();
    const { page } = watched;
    await says(page, /./);
    cluster.replica(home).signal('SIGSTOP');
    await page.locator('.banner.stale').waitFor();
    cluster.replica(home).signal('SIGCONT');
    await page.locator('.banner.stale').waitFor({ state: 'detached', timeout: 60_000 });
    await page.locator('.speaker').getByText('live').waitFor();
    watched.expectClean();
  });

  test('the same without JavaScript: /status, at 360 px', async () => {
    await using watched = await openPage(browser, `${urlOf(home)}status`, {
      javaScriptEnabled: false,
      viewport: { width: 360, height: 740 },
    });
    const { page } = watched;
    await until('the sentence', async () => {
      await page.reload();
      const said = await page.locator('.sentence').first().innerText();
      if (/stays as it is, by|regions serve/.test(said)) return true;
      throw new Error(said);
    });
    expect(await page.getByRole('table').count()).toBeGreaterThan(0);
    watched.expectClean();
    // The checker is a script, and does not bear that the page loads itself anew every few seconds.
    await using scripted = await openPage(browser, urlOf(home), { viewport: { width: 360, height: 740 } });
    await scripted.page.route('**/status', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replace(/<meta http-equiv="refresh"[^>]*>/, '') });
    });
    await scripted.page.goto(`${urlOf(home)}status`);
    await expectAccessible(scripted.page);
  });
});
