// What the tests of the configuration share: where the files lie, and a comparison with files that UPDATE=1 rewrites.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Loaded, parseConfig } from '../../src/config/load.ts';
import type { Problem } from '../../src/config/problem.ts';
import type { ReplicaConfig } from '../../src/config/schema.ts';

export const FIXTURES = join(import.meta.dirname, '../fixtures/config');
export const EXAMPLES = join(import.meta.dirname, '../../deploy/examples');

export const fixtures = (pattern: RegExp): readonly string[] =>
  readdirSync(FIXTURES)
    .filter((name) => pattern.test(name))
    .sort();

export const fixture = (name: string): string => readFileSync(join(FIXTURES, name), 'utf8');

/** Compares with the file of this name, or rewrites it when UPDATE=1. */
export const expectFile = (name: string, text: string): void => {
  if (process.env.UPDATE === '1') writeFileSync(join(FIXTURES, name), text);
  expect(text).toBe(fixture(name));
};

export const accepted = (text: string, file = 'test.yaml'): { config: ReplicaConfig; warnings: readonly Problem[] } => {
  const loaded = parseConfig(text, file);
  if (!loaded.ok) throw new Error(`refused: ${loaded.problems.map(({ message }) => message).join('\n')}`);
  return loaded;
};

export const problemsOf = (loaded: Loaded): readonly Problem[] => (loaded.ok ? [] : loaded.problems);

/** good.yaml with one piece of text replaced, which must be there. */
export const goodWith = (from: string, to: string): string => {
  const good = fixture('good.yaml');
  if (!good.includes(from)) throw new Error(`good.yaml has no ${from}`);
  return good.replace(from, () => to);
};
