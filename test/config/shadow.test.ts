// The file of a shadow policy: judged with the replica's own at start, at a reload and by `check`, with places in that file; not needed by anybody else.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { examineConfig } from '../../src/config/files.ts';
import { loadConfig, loadServed } from '../../src/config/load.ts';
import { renderProblem } from '../../src/config/problem.ts';
import { reloadConfig } from '../../src/config/reload.ts';
import { fixture, goodWith, problemsOf } from './files.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-shadow-'));
afterAll(() => rmSync(folder, { recursive: true }));
const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const good = fixture('good.yaml');
const section = good.slice(good.indexOf('cluster:'));
const own = put('replica.yaml', goodWith('cluster:', 'shadow: { file: shadow.yaml }\nrecord: { folder: record }\ncluster:'));
const texts = (loaded: ReturnType<typeof loadConfig>): readonly string[] =>
  problemsOf(loaded).map((problem) => renderProblem(problem).replaceAll(`${folder}/`, ''));

test('every problem of it has its place there, and nobody else stumbles over it', () => {
  expect(texts(loadServed(own))[0]).toMatch(/^shadow\.yaml:1:1: found no readable file/);
  put('shadow.yaml', section.replace('name: fixture', 'nmae: fixture'));
  expect(texts(loadServed(own)).join('\n')).toMatch(/^shadow\.yaml:2:3 cluster\.nmae: found the unknown key "nmae"/m);
  expect(examineConfig(own).ok).toBe(false);
  // Breaking the glass must not need it.
  expect(loadConfig(own).ok).toBe(true);
});

test('a reload takes another shadow up, refuses a bad one, and leaves the recording to a restart', () => {
  put('shadow.yaml', section);
  const loaded = loadServed(own);
  if (!loaded.ok) throw new Error(texts(loaded).join('\n'));
  expect(loaded.config.shadow?.cluster?.name).toBe('fixture');
  expect(loaded.config.record).toEqual({ folder: join(folder, 'record'), maxBytes: 268_435_456, fileBytes: 8_388_608, observations: true });
  put('shadow.yaml', section.replace('name: fixture', 'name: fixture\n  policy: { recoveryHold: 2m }'));
  const again = reloadConfig(loaded.config, null);
  expect(again.ok && again.config.shadow?.cluster?.policy.recoveryHoldMs).toBe(120_000);
  put('shadow.yaml', 'cluster: {}\n');
  expect(reloadConfig(loaded.config, null).ok).toBe(false);
  put('shadow.yaml', section);
  put('replica.yaml', goodWith('cluster:', 'record: { folder: elsewhere }\ncluster:'));
  const moved = reloadConfig(loaded.config, null);
  expect(!moved.ok && moved.because.join()).toContain('record: found a change in record, expected none while running');
});
