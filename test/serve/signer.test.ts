// The key that signs votes, as its file is read again: what is taken, what is refused, and what is told of a file that did not change while it should have.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { newKeyPair } from '../../src/coordinate/signing.ts';
import { openSigner } from '../../src/serve/signer.ts';
import { recordingLog } from '../recording-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-signer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const old = newKeyPair();
const next = newKeyPair();

const opened = () => {
  const keyFile = join(folder, 'signing.pem');
  const log = recordingLog();
  const hold = ({ privatePem }: typeof old): void => writeFileSync(keyFile, privatePem, { mode: 0o600 });
  hold(old);
  let keys: readonly string[] | null = null;
  const signer = openSigner({ keyFile, log, keys: () => keys });
  const name = (...named: readonly string[]): void => {
    keys = named;
  };
  return { signer, log, hold, name };
};

test('the key in use is told at start, and when it is another', () => {
  const { signer, log, hold, name } = opened();
  expect(log.of('signing.key').map(({ fields }) => fields.publicKey)).toEqual([old.publicKey]);
  hold(next);
  name(old.publicKey);
  expect(signer.reload()).toEqual([expect.stringContaining('add it with tidegate apply first')]);
  expect(signer.publicKey).toBe(old.publicKey);
  name(old.publicKey, next.publicKey);
  expect(signer.reload()).toEqual([]);
  expect(log.of('signing.key').map(({ fields }) => fields.publicKey)).toEqual([old.publicKey, next.publicKey]);
  expect(log.of('signing.same')).toEqual([]);
});

test('a file that holds the key of before while the region has a second one is told as a warning; where it has one there is nothing to tell', () => {
  const { signer, log, name } = opened();
  expect(signer.reload()).toEqual([]);
  name(old.publicKey);
  expect(signer.reload()).toEqual([]);
  expect(log.of('signing.same')).toEqual([]);
  name(old.publicKey, next.publicKey);
  expect(signer.reload()).toEqual([]);
  expect(log.of('signing.same')).toMatchObject([
    { level: 'warn', fields: { publicKey: old.publicKey, because: expect.stringContaining('changes with a restart only') } },
  ]);
  expect(signer.publicKey).toBe(old.publicKey);
});
