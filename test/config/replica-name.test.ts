// A replica that is called by its command line: its file's name is left aside, at start and at every reload.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadServed } from '../../src/config/load.ts';
import { reloadConfig } from '../../src/config/reload.ts';
import { fixture } from './files.ts';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-name-'));
  file = join(folder, 'replica.yaml');
  writeFileSync(file, fixture('good-etcd.yaml'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const served = (name?: string) => {
  const loaded = loadServed(file, name);
  if (!loaded.ok) throw new Error('the fixture is not accepted');
  return loaded.config;
};

test('it runs under that name, and a reload does not take it for a change', () => {
  const { replica: own } = served();
  const config = served('tidegate-1');
  expect([own, config.replica]).toEqual([expect.not.stringMatching('tidegate-1'), 'tidegate-1']);
  expect(reloadConfig(config, null)).toMatchObject({ ok: true, config: { replica: 'tidegate-1' } });
  const { calledReplica: _, ...unnamed } = config;
  // Without it, the name that the file has is the one that may not change while it runs.
  expect(reloadConfig(unnamed, null)).toMatchObject({
    ok: false,
    because: [expect.stringContaining('replica')],
  });
});

test('a name that is none ends it with what a name is', () => {
  const args = [join(import.meta.dirname, '../../src/main.ts'), 'serve', '--config', file, '--replica', 'Tidegate 1'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect([status, stderr]).toEqual([2, expect.stringMatching(/ERR_USAGE --replica Tidegate 1: expected a name of a-z/)]);
});
