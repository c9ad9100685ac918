// Every story in test/scenarios, played on virtual time against what its file says, under the eyes of the simulator's checkers. UPDATE=1 rewrites the files.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { expect, test } from 'vitest';
import type { Page } from '../src/model.ts';
import { bodyOf } from '../src/paging/channels/webhook.ts';
import { noticed } from './paging/fixture.ts';
import { parseScenario, playFile, playScenario } from './scenario.ts';
import { CHECKERS } from './sim/checkers.ts';
import { Watching } from './sim/play.ts';

const FOLDER = join(import.meta.dirname, 'scenarios');
const files = readdirSync(FOLDER).filter((f) => f.endsWith('.txt'));
const update = process.env.UPDATE === '1';
const ajv = new Ajv({ allErrors: true, strict: false });
addFormats.default(ajv);
const isPublished = ajv.compile(JSON.parse(readFileSync(join(import.meta.dirname, '../deploy/paging/webhook.schema.json'), 'utf8')));
/** Types of all pages of all stories. */
const types = new Set<string>();
/** What the published schema has against the page's webhook; null: nothing. */
const refusedAs = (page: Page): readonly string[] | null => {
  types.add(page.type);
  const body: unknown = JSON.parse(bodyOf(noticed(page)));
  return isPublished(body) ? null : (isPublished.errors ?? []).map((each) => `${page.type}${each.instancePath}: ${each.message}`);
};

test('there are at least twenty-five stories', () => {
  expect(files.length).toBeGreaterThanOrEqual(25);
});

for (const file of files)
  test(`story ${file.slice(0, -'.txt'.length)}`, { timeout: 60_000 }, async () => {
    let watching: Watching | null = null;
    const refused: string[] = [];
    const { actual, expected } = await playFile(join(FOLDER, file), update, (world) => {
      watching = new Watching(world, CHECKERS);
      const events = watching.events();
      return {
        ...events,
        page(atMs, page) {
          refused.push(...(refusedAs(page) ?? []));
          events.page?.(atMs, page);
        },
      };
    });
    expect(actual).toBe(expected);
    expect(actual).not.toContain('WRONG');
    expect(refused, 'webhooks that are not as published').toEqual([]);
    expect((watching as Watching | null)?.violations).toEqual([]);
  });

test('the stories page most kinds of events', () => {
  expect(types.size).toBeGreaterThan(15);
});

test('the same story plays the same way twice', { timeout: 60_000 }, async () => {
  const text = 'cluster regions=a,b,c\nrun 30s\nlose b\nrun 90s\n';
  expect(await playScenario(text)).toBe(await playScenario(text));
});

test('a scenario file is read as header, commands and outputs', () => {
  const { header, blocks } = parseScenario('# story\n\ncluster\nrun 1s\n----\nline\n\nrun 2s\n----\n\n');
  expect(header).toEqual(['# story', '']);
  expect(blocks).toEqual([
    { commands: ['cluster', 'run 1s'], expected: ['line'] },
    { commands: ['run 2s'], expected: [] },
  ]);
});
