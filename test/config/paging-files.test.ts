// What `check` says of files of paging that are there and cannot be used: a replica would not start with them, or every connection would be refused.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { examineConfig } from '../../src/config/files.ts';
import { examinePaging } from '../../src/config/paging-files.ts';
import { realPorts } from '../../src/ports.ts';
import { createAuthority } from '../etcd-certificates.ts';
import { fixture, problemsOf } from './files.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-paging-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const WRONG = 'S3cr3t that is of no form';
const put = (name: string, text: string, mode = 0o600): void => {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), mode);
};
const PAGING = `paging:
  channels:
    - { kind: webhook, name: hook, url: https://hooks.example/a, secretFile: ./hook.secret, caFile: ./ca.pem }
    - { kind: pagerduty, name: pd, routingKeyFile: ./pd.key }
    - { kind: slack, name: chat, urlFile: ./slack.url }
  heartbeat: { urlFile: ./beat.url }
  callbacks: { secretFiles: [./callback.secret] }
`;

const examined = async (): Promise<{ ok: boolean; said: string[] }> => {
  put('site.yaml', fixture('bad-channel-names.yaml').replace(/^paging:\n(?: {2}.*\n)*/m, PAGING));
  const loaded = await examinePaging(examineConfig(join(folder, 'site.yaml')), realPorts());
  const said = (loaded.ok ? loaded.warnings : problemsOf(loaded))
    .filter(({ path }) => path.startsWith('paging'))
    .map(({ path, message }) => `${path}: ${message.replaceAll(folder, '.')}`);
  expect(said.join('\n')).not.toContain(WRONG);
  return { ok: loaded.ok, said };
};
const good = (): void => {
  put('hook.secret', `whsec_${Buffer.alloc(32, 1).toString('base64')}`);
  put('callback.secret', `whsec_${Buffer.alloc(32, 2).toString('base64')}`);
  put('pd.key', 'a'.repeat(32));
  put('slack.url', 'https://hooks.slack.example/services/T/B/x');
  put('beat.url', 'https://beats.example/x');
  put('ca.pem', createAuthority(folder).caPem, 0o644);
};

test('files that can be used are not mentioned', async () => {
  good();
  expect(await examined()).toEqual({ ok: true, said: [] });
});

test('every one that cannot is a problem at its place, all at once, and none is repeated', async () => {
  good();
  for (const name of ['hook.secret', 'callback.secret', 'pd.key', 'slack.url', 'beat.url']) put(name, WRONG);
  put('ca.pem', 'no certificate', 0o644);
  const { ok, said } = await examined();
  expect(ok).toBe(false);
  expect(said.map((line) => line.slice(0, line.indexOf(':'))).toSorted()).toEqual([
    'paging.callbacks.secretFiles[0]',
    'paging.channels[0]',
    'paging.channels[0].caFile',
    'paging.channels[1]',
    'paging.channels[2]',
    'paging.heartbeat.urlFile',
  ]);
  for (const line of said) expect(line).toMatch(/: found .*, expected /);
});

test('those that are missing may come later: a warning, and the others are judged all the same', async () => {
  good();
  rmSync(join(folder, 'slack.url'));
  expect((await examined()).said).toEqual([expect.stringMatching(/^paging\.channels\[2\]\.urlFile: found no file/)]);
  put('pd.key', WRONG);
  const { ok, said } = await examined();
  expect([ok, said.length]).toEqual([false, 1]);
  expect(said[0]).toContain('paging.channels[1]: found what keeps a replica from starting');
});
