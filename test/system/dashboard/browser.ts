// A real browser: Debian's Chromium, headless. Each page keeps what should never be heard of one: errors, refusals of its policy, requests to anybody else.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

export const CHROMIUM = '/usr/bin/chromium';

/** As root a sandbox of its own cannot be had. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] });

export interface Watched extends AsyncDisposable {
  readonly page: Page;
  /** Fails with what went wrong in the page so far; a replica that does not answer is none of its faults. */
  expectClean(): void;
}

/** `hosts`: whom it may ask. `prepare`: before the page is loaded. */
export const openPage = async (
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  hosts: readonly string[] = [],
  prepare: (page: Page) => Promise<void> = async () => undefined,
): Promise<Watched> => {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  const page = await context.newPage();
  const allowed = new Set([new URL(url).host, ...hosts]);
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    const isOurs = message.type() === 'error' || message.type() === 'warning';
    if (isOurs && !/Failed to load resource|net::ERR_/.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith('blob:') && !allowed.has(new URL(request.url()).host)) faults.push(`request to ${request.url()}`);
  });
  page.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await prepare(page);
  await page.goto(url);
  return {
    page,
    expectClean: () => expect(faults).toEqual([]),
    [Symbol.asyncDispose]: () => context.close(),
  };
};

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

interface Violation {
  id: string;
  help: string;
  nodes: readonly { html: string; failureSummary: string }[];
}

/** Nothing that axe finds against WCAG 2.2, levels A and AA. */
export const expectAccessible = async (page: Page): Promise<void> => {
  // By the debugger's door: the page's policy lets no script in.
  await page.evaluate(AXE);
  const violations = (await page.evaluate(
    `axe.run(document, { runOnly: { type: 'tag', values: ${JSON.stringify(RULES)} } }).then(({ violations }) => violations)`,
  )) as readonly Violation[];
  const told = violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}\n${nodes
        .slice(0, 3)
        .map(({ html, failureSummary }) => `  ${html}\n  ${failureSummary}`)
        .join('\n')}`,
  );
  expect(told).toEqual([]);
};

/** The page knows who looks, and its dialog stands in nobody's way: until then nothing behind it takes the keyboard. */
export const untilSignedIn = async (page: Page): Promise<void> => {
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
};

/** By the dialog, from the head of the page. */
export const signIn = async (page: Page, token: string): Promise<void> => {
  await page.locator('.session').getByRole('button', { name: 'Sign in' }).click();
  await page.getByLabel('Token').fill(token);
  await page.getByRole('dialog').getByRole('button', { name: 'Sign in', exact: true }).click();
  await untilSignedIn(page);
};

/** The text of an element once it is there. */
export const textOf = (page: Page, selector: string): Promise<string> => page.locator(selector).first().innerText();
