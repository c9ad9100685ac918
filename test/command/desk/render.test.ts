// What a human sees, held to the character: 80 columns, no colour, and nothing of anybody else's that could move a cursor.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Dossier } from '../../../src/client/types.ts';
import { dossierLines } from '../../../src/command/desk/dossier-text.ts';
import { explainLines } from '../../../src/command/desk/explain-text.ts';
import { findingsOf } from '../../../src/command/desk/findings.ts';
import { forecastLines, matrixLines } from '../../../src/command/desk/forecast-text.ts';
import { statusLines } from '../../../src/command/desk/status-text.ts';
import { subjectNamed } from '../../../src/command/desk/subject.ts';
import { clean, colour, width } from '../../../src/command/desk/text.ts';
import { heardOf, NOW_MS, REGIONS } from '../../api/fixture.ts';
import { behind, CALM, on, provedIn, seenOf, shopWith } from '../../api/platforms.fixture.ts';
import { databaseOf, EAST, WEST } from '../../runbook/platforms.ts';
import { death, refused } from './dossier.fixture.ts';
import { disobeyed, dying, healthy, overridden, paths, reminded, SCREEN } from './fixture.ts';
import { FORECAST, REFUSED } from './forecast.fixture.ts';

const golden = (name: string): string => `golden/${name}.txt`;
const screen = (lines: readonly string[]): string => `${lines.join('\n')}\n`;
const HOSTILE = '\u001b[2J\u001b]0;owned\u0007\u202eetis\u2028日本語サービス';

const STATUSES = {
  healthy,
  'region-dying': dying,
  overridden: () => overridden(),
  disobeyed: () => disobeyed(),
  'order-to-come': () => overridden({ startsAtMs: NOW_MS + 3_600_000, approval: { by: null, atMs: null } }),
  reminded: () => reminded(),
  'path-failing': () => healthy({ paths: paths(true) }),
  blind: () =>
    healthy({
      self: {
        region: 'eu-west',
        replica: 'a',
        boot: 'b',
        role: 'standby',
        epoch: 7,
        canVote: false,
        canDecide: false,
        because: 'the store has not answered for 41.0 s: from here nothing can be voted or decided',
      },
      leader: null,
    }),
  /** As after a restore, when the others stand still: what they said last was that all is well. */
  'two-silent': () =>
    healthy({
      votes: REGIONS.map((region, at) => heardOf(region, at === 0 ? 500 : 41_000)),
      self: {
        region: 'eu-west',
        replica: 'a',
        boot: 'b',
        role: 'coordinator',
        epoch: 7,
        canVote: true,
        canDecide: false,
        because: '1 of 3 vantages speak, a majority is needed',
      },
    }),
  'data-calm': () => healthy({ platforms: seenOf([shopWith()], CALM) }),
  'data-many-calm': () =>
    healthy({
      platforms: seenOf([shopWith({ databases: [databaseOf('orders'), databaseOf('users')] })], {
        ...CALM,
        tiers: { 'shop/orders': provedIn(WEST), 'shop/users': provedIn(WEST) },
        lag: { databases: { orders: { [EAST]: behind(400, 1_200_000) }, users: { [EAST]: behind(2_100, 9_000) } } },
      }),
    }),
  'data-troubled': () =>
    healthy({
      platforms: seenOf([shopWith({ databases: [databaseOf('orders'), databaseOf('users')] })], {
        tiers: { 'shop/orders': provedIn(WEST), 'shop/users': provedIn(null, { because: 'eu-west says twice that it follows' }) },
        lag: {
          databases: { orders: { [EAST]: behind(42_000, 48e6) }, users: { [EAST]: behind(900, 12_000, 750_000) } },
          told: [`orders@${EAST}`],
        },
        llm: on('azure', 'openrouter', { told: [`degraded ${WEST}`] }),
        budgets: { told: ['postgres orders from eu-west to us-east', 'agent-step in us-east'], advice: ['agent-step in us-east'] },
      }),
    }),
  'data-split': () =>
    healthy({
      platforms: seenOf([shopWith()], {
        ...CALM,
        tiers: { 'shop/orders': provedIn(WEST, { split: { regions: [WEST, EAST], atMs: NOW_MS, because: 'both take writes' } }) },
        llm: on('azure', 'azure', { told: [`degraded ${WEST}`, `degraded ${EAST}`, 'last'] }),
      }),
    }),
  'data-settled': () =>
    healthy({
      platforms: seenOf([shopWith()], {
        ...CALM,
        tiers: {
          'shop/orders': provedIn(WEST, {
            settled: { by: 'ana', reason: 'us-east burnt down', atMs: NOW_MS, before: null },
            fenced: [EAST],
          }),
        },
      }),
    }),
  'data-not-known': () =>
    healthy({
      platforms: seenOf([shopWith()], {
        tiers: { 'shop/orders': provedIn(WEST) },
        lag: { databases: { orders: { [EAST]: behind(400, 1_200_000, 720_000) } } },
        llm: on('openrouter', 'openrouter', { looks: {} }),
        budgets: { told: ['llm in us-east'], advice: ['llm in us-east'] },
      }),
    }),
  hostile: () => overridden({ reason: HOSTILE, owner: `x${HOSTILE}`, by: HOSTILE }),
};

test.each(Object.keys(STATUSES) as (keyof typeof STATUSES)[])('status: %s', async (name) => {
  const lines = statusLines(clean(STATUSES[name]()), SCREEN);
  await expect(screen(lines)).toMatchFileSnapshot(golden(`status-${name}`));
  for (const line of lines) expect(width(line), line).toBeLessThanOrEqual(80);
  expect(lines.length).toBeLessThanOrEqual(23);
});

test('a cluster of forty services is one screen too, the odd one first, the rest counted', async () => {
  const whole = dying();
  const [web] = whole.services;
  const many = {
    ...healthy(),
    services: [...Array.from({ length: 39 }, (_, at) => ({ ...healthy().services[0]!, name: `s${at}.example.test` })), web!],
  };
  const lines = statusLines(many, SCREEN);
  expect(lines.length).toBeLessThanOrEqual(23);
  const text = screen(lines);
  expect(text.indexOf('web.example.test')).toBeLessThan(text.indexOf('s0.example.test'));
  expect(text).toMatch(/and \d+ services more, all as configured and served/);
});

test.each(['eu-west', 'web.example.test', 'web.example.test/eu-west'])('explain %s while eu-west dies', async (name) => {
  const status = dying();
  const lines = explainLines(status, subjectNamed(status, name), SCREEN);
  await expect(screen(lines)).toMatchFileSnapshot(golden(`explain-${name.replaceAll('/', '-')}`));
  for (const line of lines) expect(width(line), line).toBeLessThanOrEqual(80);
});

test('a forecast, one that a rule refuses, the matrix', async () => {
  await expect(screen(forecastLines(FORECAST, NOW_MS, SCREEN))).toMatchFileSnapshot(golden('forecast'));
  await expect(screen(forecastLines(REFUSED, NOW_MS, SCREEN))).toMatchFileSnapshot(golden('forecast-refused'));
  const matrix = {
    regions: [
      { region: 'eu-west', forecast: FORECAST },
      { region: 'us-east', forecast: REFUSED },
    ],
  };
  const table = matrixLines(matrix, SCREEN);
  await expect(screen(table)).toMatchFileSnapshot(golden('matrix'));
  for (const line of table) expect(width(line), line).toBeLessThanOrEqual(80);
});

/** As a cluster of three replicas gave it: the application of ap-south had failed. */
const real = (): Dossier => JSON.parse(readFileSync(join(import.meta.dirname, 'dossier-real.json'), 'utf8')) as Dossier;
const DOSSIERS = { death, refused, real };

test.each(Object.keys(DOSSIERS) as (keyof typeof DOSSIERS)[])('the dossier of a decision: %s', async (name) => {
  const lines = dossierLines(clean(DOSSIERS[name]()), SCREEN);
  await expect(screen(lines)).toMatchFileSnapshot(golden(`dossier-${name}`));
  for (const line of lines) expect(width(line), line).toBeLessThanOrEqual(80);
});

test('a dossier of a large fleet is cut to what a human reads, with the rest counted', () => {
  const whole = death();
  const [evidence] = whole.evidence;
  const regions = Array.from({ length: 9 }, (_, at) => `region-${at}`);
  const many = {
    ...whole,
    changes: Array.from({ length: 40 }, (_, at) => ({ ...whole.changes[0]!, service: `s${at}.example.test` })),
    evidence: Array.from({ length: 40 }, (_, at) => ({
      ...evidence!,
      endpoint: `s${at}.example.test/eu-west/app#healthz`,
      ballots: Object.fromEntries(regions.map((region, n) => [region, n < 6 ? ('down' as const) : ('silent' as const)])),
    })),
  };
  const lines = dossierLines(many, SCREEN);
  for (const line of lines) expect(width(line), line).toBeLessThanOrEqual(80);
  expect(lines.length).toBeLessThan(140);
  const text = screen(lines);
  expect(text).toMatch(/and 28 services more/);
  expect(text.replace(/\s+/g, ' ')).toContain('down: region-0 region-1');
});

test('whatever a server says, no control character reaches the terminal', () => {
  const status = clean(overridden({ reason: HOSTILE, owner: HOSTILE, ticket: HOSTILE }));
  const hostile = { ...status, cluster: { ...status.cluster, name: clean(HOSTILE) } };
  const all = [...statusLines(hostile, SCREEN), ...explainLines(hostile, subjectNamed(hostile, 'eu-west'), SCREEN)].join('');
  expect(all).not.toMatch(/[\p{Cc}\u2028\u202e]/u);
  expect(all).toContain('\\u001b');
});

test('colour is laid over the same words: without it nothing is missing', () => {
  for (const make of Object.values(STATUSES)) {
    const status = clean(make());
    const plainText = screen(statusLines(status, SCREEN));
    const painted = screen(statusLines(status, { ...SCREEN, paint: colour }));
    expect(painted).not.toBe(plainText);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what colour is made of.
    expect(painted.replace(/\u001b\[\d+m/g, '')).toBe(plainText);
  }
});

test('what --check judges: an order is no fault, a region that is out and a replica that cannot decide are', () => {
  const worst = (status: ReturnType<typeof healthy>): string | undefined => findingsOf(status)[0]?.level;
  expect(worst(healthy())).toBeUndefined();
  expect(worst(overridden())).toBeUndefined();
  expect(worst(overridden({ kind: 'stop' }))).toBe('warn');
  expect(worst(disobeyed())).toBe('warn');
  expect(worst(reminded())).toBe('warn');
  expect(findingsOf(reminded()).map(({ level }) => level)).toEqual(['warn', 'warn', 'note']);
  expect(worst(dying())).toBe('bad');
  expect(worst(STATUSES.blind())).toBe('bad');
  expect(worst(STATUSES['path-failing']())).toBe('bad');
});
