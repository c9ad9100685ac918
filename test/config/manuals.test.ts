// The manuals' own examples: every entry of `providers` that a README shows is one that the schema takes.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { z } from 'zod';
import { providers } from '../../providers/index.ts';
import { canarySchema } from '../../src/config/canary.ts';
import { platformSchema } from '../../src/config/platforms.ts';
import { providerEntry } from '../../src/config/providers/index.ts';
import { systemEntry } from '../../src/config/systems.ts';

const ROOT = join(import.meta.dirname, '../..');
const MANUALS = [
  'README.md',
  'deploy/README.md',
  'providers/README.md',
  'src/runbook/README.md',
  ...readdirSync(join(ROOT, 'providers'), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [`providers/${entry.name}/README.md`] : [],
  ),
];

interface Shown {
  place: string;
  entry: unknown;
}

/** The sections that manuals show parts of, and what takes an entry of each. */
const SECTIONS = { providers: providerEntry, canaries: canarySchema, systems: systemEntry, platforms: platformSchema };

/** Blocks of YAML with such a section, with the line they begin at. */
const shownIn = (file: string, section: keyof typeof SECTIONS): readonly Shown[] => {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].flatMap((match) => {
    const document: unknown = parse(match[1] ?? '');
    if (typeof document !== 'object' || document === null || !(section in document)) return [];
    const found: unknown = (document as Record<string, unknown>)[section];
    const line = text.slice(0, match.index).split('\n').length;
    return Object.entries(found as object).map(([name, entry]) => ({ place: `${file}:${line} ${name}`, entry }));
  });
};

test.each(['providers', 'canaries', 'systems', 'platforms'] as const)('every entry of %s that a manual shows is accepted', (section) => {
  const schema: z.ZodType = SECTIONS[section];
  const problems = MANUALS.flatMap((file) => shownIn(file, section)).flatMap(({ place, entry }) => {
    const { success, error } = schema.safeParse(entry);
    return success ? [] : [`${place}: ${error.message}`];
  });
  expect(problems).toEqual([]);
});

test('the manual of runbooks shows a platform and what it reaches', () => {
  expect(shownIn('src/runbook/README.md', 'platforms')).toHaveLength(1);
  expect(shownIn('src/runbook/README.md', 'systems').length).toBeGreaterThan(4);
});

test('every kind of provider is shown by its manual', () => {
  const shown = (kind: string): boolean =>
    shownIn(`providers/${kind}/README.md`, 'providers').some(({ entry }) => (entry as { kind?: unknown }).kind === kind);
  expect(Object.keys(providers).filter((kind) => !shown(kind))).toEqual([]);
});
