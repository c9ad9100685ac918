// Which files of a configuration the checks of security look at, and what they see of them.
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { ReplicaConfig } from '../../src/config/schema.ts';
import { endsIn, namedFiles, secretsAmong } from '../../src/doctor/instruments/files.ts';
import { config } from './fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-doctor-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const withPaging = (paging: Partial<ReplicaConfig['paging']>): ReplicaConfig => ({
  ...config,
  paging: { channels: [], routes: [], ...paging },
});

test('secrets in a list, and addresses that have a file of their own, are among those that nobody else may read', () => {
  const open = join(folder, 'open.secret');
  writeFileSync(open, 'whsec_x', { mode: 0o644 });
  const files = namedFiles(
    withPaging({
      channels: [
        { kind: 'webhook', name: 'hook', url: 'https://hooks.example/', secretFiles: ['/new', open] },
        { kind: 'slack', name: 'chat', urlFile: '/chat', caFile: '/ca.pem' },
      ],
      heartbeat: { urlFile: '/beat', everyMs: 60_000 },
      callbacks: { secretFiles: ['/callbacks'] },
      spoolFile: '/spool',
    }),
  );
  const seen = secretsAmong(files).filter(({ key }) => key.startsWith('paging'));
  expect(seen.map(({ key }) => key)).toEqual([
    'paging.channels[0].secretFiles[0]',
    'paging.channels[0].secretFiles[1]',
    'paging.channels[1].urlFile',
    'paging.heartbeat.urlFile',
    'paging.callbacks.secretFiles[0]',
  ]);
  expect(seen[1]).toMatchObject({ path: open, mode: 0o644 });
});

test('of what is not there only what lets somebody in, or vouches for somebody, is missed', () => {
  const missed = endsIn(
    namedFiles(
      withPaging({
        channels: [{ kind: 'slack', name: 'chat', urlFile: join(folder, 'none'), caFile: join(folder, 'none.pem') }],
        callbacks: { secretFiles: [join(folder, 'none')] },
      }),
    ),
  ).map(({ what }) => what);
  expect(missed.filter((what) => what.startsWith('paging'))).toEqual(['paging.channels[0].caFile']);
});

test('a secret that root gave to a group is open unless who serves is in it; while nobody serves root cannot tell', () => {
  const token = join(folder, 'given.token');
  writeFileSync(token, 'x');
  const GIVEN = 2000;
  // Only root can give a file away; for anybody else it stays its own, which no group may read.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) chownSync(token, 0, GIVEN);
  chmodSync(token, 0o440);
  const named = [{ path: ['api', 'tokenFile'], key: 'tokenFile', file: token }];
  const of = (...groups: readonly number[]) => secretsAmong(named, null, [{ uid: 990, groups: [990, ...groups] }])[0];
  expect(of()).toMatchObject({ mode: 0o440, exposed: 0o040 });
  expect(of(GIVEN)).toMatchObject(isRoot ? { exposed: 0, readBy: { gid: GIVEN, isSure: true } } : { exposed: 0o040 });
  expect(secretsAmong(named)[0]).toMatchObject(isRoot ? { exposed: 0, readBy: { gid: GIVEN, isSure: false } } : { exposed: 0o040 });
});
