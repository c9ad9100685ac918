// When a secret's file counts as open: who owns it matters, since an orchestrator gives root's files to an unprivileged process by a group of its own.
import { expect, test } from 'vitest';
import { exposureOf, exposureText } from '../src/secrets.ts';

const ROOT = 0;
const OURS = 65_532;
/** Supplementary, as Kubernetes gives fsGroup. */
const GIVEN = 2000;
const USERS = 100;
const us = { uid: OURS, groups: [OURS, GIVEN] };
const root = { uid: ROOT, groups: [ROOT] };

test.each([
  ['our own, for us alone', 0o600, OURS, OURS, 0],
  ['our own, read by a group', 0o640, OURS, OURS, 0o040],
  ["root's, read by our group", 0o440, ROOT, OURS, 0],
  ["root's, read by a group given to us", 0o440, ROOT, GIVEN, 0],
  ["root's, read by a group that is not ours", 0o640, ROOT, USERS, 0o040],
  ["root's, given to us by an access list, whose mask shows as the group's bits", 0o440, ROOT, ROOT, 0],
  ["root's, written by our group", 0o460, ROOT, GIVEN, 0o020],
  ["root's, run by our group", 0o450, ROOT, GIVEN, 0o010],
  ["root's, read by everybody", 0o444, ROOT, GIVEN, 0o004],
] as const)('%s, mode %o', (_name, mode, uid, gid, exposed) => {
  expect(exposureOf({ mode: 0o100_000 | mode, uid, gid }, us)).toBe(exposed);
});

test('for root itself a group is others', () => {
  expect(exposureOf({ mode: 0o640, uid: ROOT, gid: ROOT }, root)).toBe(0o040);
});

test('what to do leaves the file to who serves', () => {
  const text = (...[file, reader]: Parameters<typeof exposureText>): string =>
    Object.values(exposureText(file, reader)).join(', expected ');
  const laid = { mode: 0o100_440, uid: ROOT, gid: GIVEN };
  expect(text(laid, root)).toMatch(
    /^group 2000 can read it \(mode 440\), expected a process of that group, and this one is root; run this as the user/,
  );
  expect(text({ ...laid, gid: USERS }, us)).toBe('group 100 can read it (mode 440), expected a group of this process; run chgrp on it');
  expect(text({ ...laid, mode: 0o444 }, us)).toBe(
    'other users can read it (mode 444), expected 440 and a group of this process; run chmod 440 on it',
  );
  expect(text({ ...laid, mode: 0o644, uid: OURS }, us)).toBe('other users can read it (mode 644), expected 600; run chmod 600 on it');
});
