// `npm run screenshots`: the pictures of the README, taken of a cluster of real processes in an outage, and of the large world.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { openBigWorld } from '../../dashboard/big-world.ts';
import { startCluster } from '../cluster.ts';
import { REGIONS, type Region } from '../cluster-config.ts';
import { until } from '../until.ts';
import { openBrowser } from './browser.ts';

const PICTURES = join(import.meta.dirname, '../../../deploy/pictures');
const WIDE: BrowserContextOptions = { viewport: { width: 1280, height: 860 }, reducedMotion: 'reduce' };
const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 780 }, colorScheme: 'dark', reducedMotion: 'reduce' };

const look = async (browser: Browser, url: string, options: BrowserContextOptions, act: (page: Page) => Promise<void>): Promise<void> => {
  const context = await browser.newContext(options);
  try {
    const page = await context.newPage();
    await page.goto(url);
    await page.locator('#services tbody tr').first().waitFor();
    await act(page);
  } finally {
    await context.close();
  }
};

/** What the window shows. */
const take = async (page: Page, name: string): Promise<void> => {
  const path = join(PICTURES, `${name}.png`);
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
  process.stderr.write(`${path}\n`);
};

/** With the panel at the top of the window. */
const takePanel = async (page: Page, panel: string, name: string): Promise<void> => {
  // Twice: what was never seen gets its height when it is.
  for (let n = 0; n < 2; n++) {
    await page.evaluate(`document.getElementById('${panel}').scrollIntoView({ block: 'start', behavior: 'instant' })`);
    await page.waitForTimeout(300);
  }
  await take(page, name);
};

const says = (page: Page, pattern: RegExp): Promise<unknown> =>
  until(`the banner says ${pattern}`, async () => pattern.test(await page.locator('.banner .sentence').first().innerText()));

const outage = async (browser: Browser): Promise<void> => {
  await using cluster = await startCluster({
    own: (_region, doors) => ['dashboard:', '  peers:', ...REGIONS.map((each) => `    ${each}: http://127.0.0.1:${doors.api[each]}`)],
  });
  const first = await cluster.coordinator();
  const [home, other] = REGIONS.filter((region) => region !== first) as [Region, Region];
  const url = `http://127.0.0.1:${cluster.doors.api[home]}/`;
  await look(browser, url, WIDE, async (page) => {
    await says(page, /^All 3 regions serve/);
    await cluster.killApp(other);
    await says(page, new RegExp(`^${other} is down`));
    await page.locator('#services td.moved').first().waitFor();
    await take(page, 'outage');
    await until('users are seen to land', async () => /users landed in/.test(await page.locator('#incidents').innerText()));
    await page.locator('#incidents svg.timeline').waitFor();
    await takePanel(page, 'incidents', 'incident');
    await look(browser, url, PHONE, (phone) => take(phone, 'phone'));
    await cluster.startApp(other);
    await says(page, /^All 3 regions serve/);
    await page.locator('.session').getByRole('button', { name: 'Sign in' }).click();
    await page.getByLabel('Token').fill(cluster.operatorToken);
    await page.getByRole('dialog').getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('button', { name: 'New order' }).click();
    const orders = page.locator('#orders');
    await orders.getByRole('radio', { name: 'drain' }).check();
    await orders.getByLabel('Region', { exact: true }).selectOption(other);
    await orders.getByLabel('Reason').fill('its database is being upgraded, OPS-311');
    await until('a forecast', async () => /0 %/.test(await orders.innerText()));
    await takePanel(page, 'orders', 'order');
  });
};

const large = async (browser: Browser): Promise<void> => {
  await using world = await openBigWorld({ frozen: true });
  await look(browser, world.url, WIDE, (page) => take(page, 'large'));
};

mkdirSync(PICTURES, { recursive: true });
const browser = await openBrowser();
try {
  await outage(browser);
  await large(browser);
} finally {
  await browser.close();
}
