// Whoever can write a reason, a name or an answer of some system far away writes into this page. Every text of every answer is hostile here: it stands there as
// text, runs nothing, asks nobody else, and pushes nothing out of a narrow screen.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measuredKey, outboxKey } from '../../../src/coordinate/keys.ts';
import { shown } from '../../../src/dashboard/page/words.ts';
import type { Page as Told } from '../../../src/model.ts';
import { createMeasuredReader } from '../../../src/objectives/reader.ts';
import { realPorts } from '../../../src/ports.ts';
import type { VerifyDesk } from '../../../src/verify/desk.ts';
import { NOW_MS, putRecord, TOKEN } from '../../api/fixture.ts';
import { CALM, seenOf, shopWith } from '../../api/platforms.fixture.ts';
import { FLIP, PLAN, platform, run, stepped } from '../../api/runs.fixture.ts';
import { type BigWorld, openBigWorld } from '../../dashboard/big-world.ts';
import { cell, database, SHIPPED, shop } from '../../objectives/fixture.ts';
import { EAST, WEST } from '../../runbook/platforms.ts';
import { until } from '../until.ts';
import { openBrowser, openPage, untilSignedIn, type Watched } from './browser.ts';
import { createPoison, POISONS, type Poison, poisonPage } from './hostile.ts';

const TEST_MS = 120_000;
const SIZE = { services: 8, regions: 5 };
const PHONE = { viewport: { width: 360, height: 740 } };
const PANELS = ['regions', 'services', 'incidents', 'votes', 'orders', 'runs', 'pages', 'dependencies', 'what-if', 'drills', 'journal'];

const PAGE: Told = {
  id: 'p-1',
  dedupKey: 'tidegate/big/region-04',
  type: 'region.drained',
  severity: 'critical',
  summary: 'region-04 down: users leave',
  detail: { region: 'region-04', services: ['service-01.example.test'] },
  atMs: NOW_MS - 1_000,
  v: 7,
  delivered: ['on-call'],
  dead: { 'the-mail': { because: 'answered 401: who are you?', atMs: NOW_MS - 900, tries: 3 } },
  nonce: 'n',
};
const LINE = {
  step: 'health' as const,
  of: 'ui-of-the-shop',
  region: WEST,
  is: 'failed' as const,
  because: 'ui answered 503',
  fix: 'look at its log',
};
const desk: VerifyDesk = {
  verify: async (_, { name }) => ({
    platform: name,
    outcome: 'not-good',
    by: { region: WEST, replica: 'a' },
    atMs: NOW_MS,
    lines: [LINE],
  }),
};
const SPREAD = { p50Ms: 40, p95Ms: 90, p99Ms: 100, count: 12 };

/** What a small world has none of by itself, as its API would say it. */
const overviewMore = {
  platforms: seenOf([shopWith()], CALM),
  reminders: [{ service: 'service-01.example.test', rule: 'drill-fresh', stage: 'soon-due', because: 'the last drill is 80 days old' }],
  providers: [
    {
      name: 'route53',
      failing: true,
      provenAgoMs: 900,
      writes: SPREAD,
      canary: { service: 'canary.example.test', atMs: NOW_MS, ok: false, because: 'the zone is gone', stages: { 'all-servers': SPREAD } },
    },
  ],
  microDrills: [
    {
      provider: 'route53',
      service: 'drill.example.test',
      everyMs: 60_000,
      provenAtMs: NOW_MS,
      stale: true,
      last: { from: 'region-01', to: 'region-02', t3AtMs: NOW_MS, ok: false, because: 'nobody answered it' },
      phases: { acknowledged: SPREAD },
    },
  ],
};

const happening = (id: string, type: string, data: object): string =>
  `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ type, timestamp: '2026-11-22T03:12:00.000Z', data })}\n\n`;

describe('a page whose every text is hostile', { timeout: TEST_MS }, () => {
  const closing = new AsyncDisposableStack();
  let world: BigWorld;
  let browser: Browser;

  beforeAll(async () => {
    const platforms = [platform('shop-of-all', { regions: [WEST, EAST] }), { ...shop, databases: [database] }];
    const measured = createMeasuredReader({
      ports: realPorts(),
      store: { get: (query, signal) => world.store.get(query, signal) },
      cluster: () => ({ ...world.input().cluster, platforms }),
      nowMs: () => NOW_MS,
      shipped: () => SHIPPED,
    });
    world = closing.use(await openBigWorld({ size: SIZE, platforms, more: { verify: desk, measured } }));
    const { runs, store } = world;
    runs.platforms = [...platforms];
    runs.runs.set(
      'shop-1',
      stepped(run('shop-1', { platform: 'shop-of-all' }), { [FLIP]: { state: 'asking', tries: 2, because: 'two persons have to agree' } }),
    );
    runs.runs.set(
      'shop-0',
      stepped(run('shop-0', { platform: 'shop', state: 'failed', endedAtMs: NOW_MS - 9_000 }), {
        [PLAN[0]?.id ?? '']: { state: 'failed', tries: 3, because: 'it did not answer' },
      }),
    );
    runs.readiness.set('shop-of-all', {
      platform: 'shop-of-all',
      atMs: NOW_MS,
      score: 40,
      lines: [
        { check: 'standby-at-zero', of: 'workers@us-east', is: 'bad', weight: 'must', because: 'four of them run', fix: 'scale it down' },
      ],
    });
    await putRecord(store, outboxKey(PAGE.id), PAGE);
    for (const region of [WEST, EAST])
      await putRecord(store, measuredKey(region, 'a'), { boot: 'b', atMs: NOW_MS - 3_000, nonce: 'n', cells: [cell({ ms: 182 })] });
    browser = await openBrowser();
    closing.defer(() => browser.close());
  }, TEST_MS);
  afterAll(() => closing.disposeAsync());

  /** A page of its own with poison of its own; it says when what it acts is to be refused. */
  const open = async (options: object): Promise<Watched & { poison: Poison; refuse(is: boolean): void }> => {
    const poison = createPoison();
    let isRefusing = false;
    const problem = {
      title: 'Refused by a rule',
      detail: 'three things speak against it',
      code: 'ERR_REFUSED',
      errors: [{ pointer: '/scope/region', detail: 'there is no such region' }],
      refusals: [{ rule: 'capacity-rule', because: 'the others bear 700 of 800', counterfactual: 'with 690 it would pass', risk: 'low' }],
    };
    const events = (): string => {
      const data = {
        service: 'service-01.example.test',
        pool: 'region-04',
        region: 'region-04',
        before: 'up',
        after: 'out',
        cause: 'down',
      };
      const told = poison.poison({
        ...data,
        because: 'an event of the stream',
        by: 'somebody far away',
        detail: { note: 'told by a stranger' },
      }) as object;
      return `${happening('v1.j1', 'pool.verdict.changed', told)}${happening('v1.j1', poison.textOf('an-event-of-no-kind'), told)}${happening('v1.j2', 'override.put', { ...told, n: 2, v: 1, how: 'token' })}`;
    };
    const watched = await openPage(browser, `${world.url}/`, options, [], (page) =>
      poisonPage(page, {
        poison,
        fill: (path, answer) => (path === '/v1/overview' ? ({ ...(answer as object), ...overviewMore } as never) : answer),
        instead: (method, path) => (isRefusing && method !== 'GET' && !path.includes('dryRun') ? { status: 409, body: problem } : null),
        events,
      }),
    );
    return {
      ...watched,
      poison,
      refuse: (is) => {
        isRefusing = is;
      },
    };
  };

  const signIn = async (page: Page): Promise<void> => {
    await page.locator('.session').getByRole('button', { name: 'Sign in' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Token').fill('wrong-token-0123456789');
    await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
    await dialog.locator('.trouble').waitFor();
    await expectHarmless(page);
    await dialog.getByLabel('Token').fill(TOKEN);
    await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
    await untilSignedIn(page);
  };

  const textOf = (page: Page, selector: string): Promise<string> =>
    page.evaluate(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((each) => each.textContent).join('\\n')`);
  const holds = (text: string): boolean => POISONS.some((poison) => text.includes(poison.slice(0, 12)));
  const look = (page: Page, fragment: Record<string, string>): Promise<void> =>
    page.evaluate(`location.hash = ${JSON.stringify(new URLSearchParams(fragment).toString())}`);

  /** Nothing was made of a text but text, and all of it fits. */
  const expectHarmless = async (page: Page): Promise<void> => {
    const found = (await page.evaluate(`(() => {
      for (const each of document.querySelectorAll('details')) each.open = true;
      const strange = [...document.querySelectorAll('*')].filter((each) =>
        /^(img|iframe|object|embed|style|base|meta|form\\[action\\]|link)$/i.test(each.localName) && document.body.contains(each)
        || [...each.attributes].some(({ name, value }) => name.startsWith('on') || name === 'style' && each.closest('.uplot, .chart') === null
          || ['href', 'src', 'action', 'formaction', 'srcdoc'].includes(name) && !/^(#|\\/assets\\/|\\/status|blob:)/.test(value)));
      const root = document.documentElement;
      const wide = [...document.querySelectorAll('dialog[open]')].filter((each) => each.scrollWidth > each.clientWidth + 1);
      const outside = root.scrollWidth <= root.clientWidth ? [] : [...document.querySelectorAll('body *')].filter((each) =>
        each.getBoundingClientRect().right > root.clientWidth + 1 && each.closest('.scroll') === null);
      return {
        strange: strange.map((each) => each.outerHTML.slice(0, 200)),
        wide: wide.flatMap((dialog) => [...dialog.querySelectorAll('*')]
          .filter((each) => each.getBoundingClientRect().right > dialog.getBoundingClientRect().right + 1 && each.closest('.scroll') === null)
          .slice(0, 5).map((each) => each.outerHTML.slice(0, 200))).concat(wide.length > 0 ? ['a dialog is wider than itself'] : []),
        outside: outside.slice(0, 8).map((each) => each.outerHTML.slice(0, 200)),
        sideways: root.scrollWidth - root.clientWidth,
        turned: document.body.textContent.match(/.{0,40}[\\u202a-\\u202e\\u2066-\\u2069]/g),
      };
    })()`)) as object;
    expect(found).toEqual({ strange: [], wide: [], outside: [], sideways: 0, turned: null });
  };

  /** Every panel with everything that it unfolds. */
  const unfold = async (page: Page): Promise<void> => {
    await page.locator('#what-if').getByRole('button', { name: 'Work it out' }).click();
    await page
      .locator('#what-if')
      .getByRole('button', { name: /^the story of/ })
      .first()
      .click();
    await page.locator('#what-if').getByRole('button', { name: 'What would happen?' }).click();
    await page.locator('#what-if').getByText('As things are').waitFor();
    for (const id of PANELS) {
      await page.locator(`#${id}`).scrollIntoViewIfNeeded();
      await until(`${id} says something hostile`, async () => holds(await textOf(page, `#${id}`)), 20_000).catch(async (error: Error) => {
        throw new Error(`${error.message}\n${await textOf(page, `#${id}`)}`);
      });
    }
    await page.locator('#journal').getByRole('button', { name: 'JSON' }).first().click();
    await page.locator('#runs').getByRole('button', { name: 'Verify' }).first().click();
    await page.locator('#runs').getByText('not-good', { exact: false }).first().waitFor();
    await page.locator('#incidents').getByRole('button', { name: 'older' }).click();
  };

  /** What opens over the panels, one after the other. */
  const dialogs = async (page: Page, poison: Poison): Promise<void> => {
    const asked: Record<string, string>[] = [
      { service: poison.textOf('service-01.example.test') },
      { decision: `${world.v()}` },
      { override: poison.textOf('order-01') },
    ];
    for (const fragment of asked) {
      await look(page, fragment);
      const dialog = page.locator('dialog[open]');
      await until(`the dialog of ${Object.keys(fragment)}`, async () => holds(await textOf(page, 'dialog[open] > :not(header)')), 20_000);
      await expectHarmless(page);
      await dialog.getByRole('button', { name: 'Close' }).click();
      await dialog.waitFor({ state: 'detached' }).catch(() => undefined);
    }
    for (const name of ['incident', 'run'] as const) {
      await look(page, { [name]: poison.textOf(name === 'run' ? 'shop-0' : (world.sight().incidents.at(-1)?.id ?? '')) });
      await expectHarmless(page);
    }
    await page.locator('#incidents').getByRole('button', { name: 'Report as Markdown' }).first().click();
    await page.locator('dialog[open] textarea.report').waitFor();
    await expectHarmless(page);
    await page.locator('dialog[open]').getByRole('button', { name: 'Close' }).click();
    await page
      .locator('#runs')
      .getByRole('button', { name: /^(Move|Plan a move)/ })
      .first()
      .click();
    await until('the plan', async () => holds(await textOf(page, 'dialog[open] table')), 20_000);
    await expectHarmless(page);
    await page.locator('dialog[open]').getByRole('button', { name: 'Close' }).click();
  };

  test.each([
    ['narrow', PHONE],
    ['wide and dark', { colorScheme: 'dark' as const }],
  ])('%s: every panel and every dialog is full of it, as text', async (_, options) => {
    await using watched = await open(options);
    const { page, poison } = watched;
    await page.locator('.banner .sentence').first().waitFor();
    await expectHarmless(page);
    await signIn(page);
    await unfold(page);
    await expectHarmless(page);
    // Each sort of poison stands there, letter by letter, or as what it is.
    const whole = await textOf(page, 'body');
    expect(POISONS.filter((each) => !whole.includes(shown(each).replace(/\r\n?/g, '\n')) && !whole.includes(shown(each)))).toEqual([]);
    await dialogs(page, poison);
    expect(await page.title()).not.toBe('');
    watched.expectClean();
  });

  test('what a hostile answer refuses is told as text, with what was written kept', async () => {
    await using watched = await open(PHONE);
    const { page, poison, refuse } = watched;
    await page.locator('.banner .sentence').first().waitFor();
    await signIn(page);
    await page.getByRole('button', { name: 'New order' }).click();
    const orders = page.locator('#orders');
    await orders.getByLabel('freeze').check();
    // By its hostile name.
    await orders.getByLabel('Service', { exact: true }).selectOption({ index: 2 });
    await orders.getByLabel('Reason').fill(`it is "'><img src=x onerror=alert(9)> of ours`);
    await until('what would follow', async () => /foretold .* ago/.test(await textOf(page, '[aria-label="What would follow"]')));
    await expectHarmless(page);
    refuse(true);
    await orders.getByRole('button', { name: 'Place order' }).click();
    await until('the refusal', async () =>
      (await textOf(page, '#orders .trouble')).includes(shown(poison.textOf('three things speak against it'))),
    );
    expect(await orders.getByLabel('Reason').inputValue()).toContain('alert(9)');
    await expectHarmless(page);
    refuse(false);
    await page.locator('#pages').scrollIntoViewIfNeeded();
    await page.locator('#pages').getByRole('button', { name: 'send again' }).first().click();
    await page.locator('dialog[open]').getByLabel('reason').fill('its receiver was mended');
    refuse(true);
    await page.locator('dialog[open]').getByRole('button', { name: 'Send again' }).click();
    await page.locator('dialog[open] .trouble').waitFor();
    await expectHarmless(page);
    watched.expectClean();
  });
});
