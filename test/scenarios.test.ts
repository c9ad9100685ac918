// Every story in test/scenarios, played on virtual time against what its file says, under the eyes of the simulator's checkers. UPDATE=1 rewrites the files.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseScenario, playFile, playScenario } from './scenario.ts';
import { CHECKERS } from './sim/checkers.ts';
import { Watching } from './sim/play.ts';

const FOLDER = join(import.meta.dirname, 'scenarios');
const files = readdirSync(FOLDER).filter((f) => f.endsWith('.txt'));
const update = process.env.UPDATE === '1';

test('there are at least twenty-five stories', () => {
  expect(files.length).toBeGreaterThanOrEqual(25);
});

for (const file of files)
  test(`story ${file.slice(0, -'.txt'.length)}`, { timeout: 60_000 }, async () => {
    let watching: Watching | null = null;
    const { actual, expected } = await playFile(join(FOLDER, file), update, (world) => {
      watching = new Watching(world, CHECKERS);
      return watching.events();
    });
    expect(actual).toBe(expected);
    expect((watching as Watching | null)?.violations).toEqual([]);
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
