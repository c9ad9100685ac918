// deploy/ops/security-posture.md and the checks of `doctor --security` are the same list.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CHECKS } from '../../src/doctor/index.ts';

const ROOT = join(import.meta.dirname, '../..');
const posture = readFileSync(join(ROOT, 'deploy/ops/security-posture.md'), 'utf8');
const listed = [...posture.matchAll(/^\| `(sec-[a-z-]+)` \| ([^|]+) \|$/gm)];

test('every line is a check, every check has a line, in the same order', () => {
  expect(listed.map(([, id]) => id)).toEqual(CHECKS.filter(({ security }) => security).map(({ id }) => id));
  for (const [, id, says] of listed) expect(says, id).toMatch(/^[A-Z].{20,}\.$/);
});

test('no other word of the manual looks like a check that there is not', () => {
  const named = new Set([...posture.matchAll(/`(sec-[a-z-]+)`/g)].map(([, id]) => id));
  expect([...named].filter((id) => !CHECKS.some((check) => check.id === id))).toEqual([]);
});

test('pages, files and tests that it names are there', () => {
  const files = [...posture.matchAll(/\b((?:deploy|test|src)\/[\w/.-]+\.(?:ts|md|sh|json))\b/g)].map(([, file]) => file ?? '');
  expect(files.length).toBeGreaterThan(3);
  expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  const pages = [...posture.matchAll(/`((?:provider|store|vote|config|belief)\.[a-z_]+)`/g)].map(([, type]) => type ?? '');
  expect(pages.length).toBeGreaterThan(5);
  const manual = readFileSync(join(ROOT, 'deploy/README.md'), 'utf8');
  expect([...new Set(pages)].filter((type) => !manual.includes(`\`${type}\``))).toEqual([]);
});
