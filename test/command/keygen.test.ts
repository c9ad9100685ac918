// A key whose halves belong together, that only its owner reads, and that replaces none.
import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keygen } from '../../src/command/keygen.ts';
import { createSigner, createVerifier, isPublicKey } from '../../src/coordinate/signing.ts';
import { Fault } from '../../src/errors.ts';
import { readSecret } from '../../src/secrets.ts';
import { listening } from './fixture.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-keygen-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the file holds the private half for its owner alone; the only line of stdout is the public half', () => {
  const said = listening();
  const out = join(folder, 'signing.pem');
  const umask = process.umask(0);
  expect(keygen({ out }, said)).toBe(0);
  process.umask(umask);
  expect(statSync(out).mode & 0o777).toBe(0o600);
  const publicKey = said.stdout.trimEnd();
  expect(said.stdout).toBe(`${publicKey}\n`);
  expect(isPublicKey(publicKey)).toBe(true);
  expect(createPrivateKey(readFileSync(out)).asymmetricKeyType).toBe('ed25519');
  expect(said.stderr).toContain(`keys: [${publicKey}]`);
  expect(said.stderr + said.stdout).not.toContain('PRIVATE KEY');

  // As the replica reads it, and as the others check it.
  const signer = createSigner(readSecret(out));
  const place = { cluster: 'c', region: 'r', replica: 'a' };
  const record = { boot: 'b', seq: 1 };
  const signed = { ...record, signature: signer.sign('vote', place, record) };
  expect(createVerifier().isGenuine('vote', place, signed, [publicKey])).toBe(true);
});

test('each one is another', () => {
  const said = listening();
  for (const name of ['a', 'b', 'c']) keygen({ out: join(folder, name) }, said);
  expect(new Set(said.stdout.trim().split('\n')).size).toBe(3);
});

test('a file that is there stays as it is, whatever it holds', () => {
  const out = join(folder, 'signing.pem');
  writeFileSync(out, 'mine');
  expect(() => keygen({ out }, listening())).toThrow(
    expect.toSatisfy((error: unknown) => error instanceof Fault && error.code === 'ERR_SECRET'),
  );
  expect(() => keygen({ out }, listening())).toThrow('never overwritten');
  expect(readFileSync(out, 'utf8')).toBe('mine');
});

test('without a folder to put it in nothing is made and nothing is printed', () => {
  const said = listening();
  expect(() => keygen({ out: join(folder, 'absent', 'signing.pem') }, said)).toThrow('its folder must exist');
  expect(said.stdout).toBe('');
  expect(readdirSync(folder)).toEqual([]);
});
