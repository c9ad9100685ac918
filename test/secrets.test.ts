// When a secret's file counts as open: who owns it matters, since an orchestrator gives root's files to an unprivileged process by their group.
import { expect, test } from 'vitest';
import { exposureOf } from '../src/secrets.ts';

const ROOT = 0;
const OURS = 65_532;

test.each([
  ['our own, for us alone', 0o600, OURS, 0],
  ['our own, read by a group', 0o640, OURS, 0o040],
  ["root's, read by our group", 0o440, ROOT, 0],
  ["root's, written by our group", 0o460, ROOT, 0o020],
  ["root's, run by our group", 0o450, ROOT, 0o010],
  ["root's, read by everybody", 0o444, ROOT, 0o004],
] as const)('%s, mode %o', (_name, mode, uid, exposed) => {
  expect(exposureOf({ mode: 0o100_000 | mode, uid }, OURS)).toBe(exposed);
});

test('for root itself a group is others', () => {
  expect(exposureOf({ mode: 0o640, uid: ROOT }, ROOT)).toBe(0o040);
});
