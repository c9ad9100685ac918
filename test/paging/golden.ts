// Bodies held against files: UPDATE=1 writes them anew, and whoever commits that has read the difference.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

const FOLDER = join(import.meta.dirname, '../fixtures/paging');

export const fixtureText = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');

export const expectGolden = (name: string, text: string): void => {
  if (process.env.UPDATE === '1') writeFileSync(join(FOLDER, name), text);
  expect(text).toBe(fixtureText(name));
};
