// 200 services in 20 regions, ten changes a second: the page stays light on whoever has it open all night, and answers while one types.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BigWorld, openBigWorld } from '../../dashboard/big-world.ts';
import { until } from '../until.ts';
import { openBrowser, openPage } from './browser.ts';
import { costOf } from './cost.ts';

const TEST_MS = 180_000;
const CHANGES_PER_S = 10;
const UPDATES = 12;
/** Of the thread's own time: a busy machine changes little. */
const TASK_MS_MAX = 100;
const HEAP_BYTES_MAX = 150e6;

describe('a page that looks at 200 services in 20 regions', { timeout: TEST_MS }, () => {
  const closing = new AsyncDisposableStack();
  let world: BigWorld;
  let browser: Browser;

  beforeAll(async () => {
    world = closing.use(await openBigWorld());
    browser = await openBrowser();
    closing.defer(() => browser.close());
  }, TEST_MS);
  afterAll(() => closing.disposeAsync());

  test.each([
    ['what is not as configured', ''],
    ['all 4,000 cells', '#services=all'],
  ])('%s: no task of its main thread takes 100 ms, and its heap stays under 150 MB', async (name, fragment) => {
    await using watched = await openPage(browser, `${world.url}/${fragment}`);
    const { page } = watched;
    await page.locator('#services tbody tr').first().waitFor();
    const stop = world.drive(CHANGES_PER_S);
    try {
      const { updates, cpuMs, heapBytes } = await costOf(browser, page, UPDATES);
      console.log(
        `${name}: ${updates} updates, ${cpuMs.update.toFixed(1)} ms of CPU each, the longest task ${cpuMs.longest.toFixed(1)} ms; heap ${(heapBytes.settled / 1e6).toFixed(1)} MB, at most ${(heapBytes.peak / 1e6).toFixed(1)}`,
      );
      expect(cpuMs.longest).toBeGreaterThan(0);
      expect(cpuMs.longest).toBeLessThan(TASK_MS_MAX);
      expect(heapBytes.peak).toBeLessThan(HEAP_BYTES_MAX);
      watched.expectClean();
    } finally {
      await stop();
    }
  });

  test('whoever types the name of a service is answered meanwhile, letter by letter', async () => {
    await using watched = await openPage(browser, `${world.url}/`);
    const { page } = watched;
    await page.locator('#services tbody tr').first().waitFor();
    const stop = world.drive(CHANGES_PER_S);
    try {
      const box = page.locator('#services').getByRole('searchbox');
      await box.pressSequentially('service-17', { delay: 60 });
      expect(await box.inputValue()).toBe('service-17');
      await until('just those', async () => (await page.locator('#services tbody tr').count()) === 11);
      expect(await page.locator('#services tbody th').allInnerTexts()).toEqual(
        expect.arrayContaining(['service-17.example.test', 'service-170.example.test']),
      );
      watched.expectClean();
    } finally {
      await stop();
    }
  });
});
