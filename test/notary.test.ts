import { expect, test } from 'vitest';
import { createSigner, createVerifier, newKeyPair, type SignedPlace } from '../src/coordinate/signing.ts';
import { createNotary } from './world/notary.ts';

const place: SignedPlace = { cluster: 'demo', region: 'eu', replica: 'a' };

const signed = () => {
  const held = new Map<string, object>();
  const notary = createNotary((key, record) => held.get(key) === record);
  const signer = notary.witness(createSigner(newKeyPair().privatePem));
  const vote = { boot: 'x', seq: 1, down: ['web/eu/app'] };
  const record = { ...vote, signature: signer.sign('vote', place, vote) };
  held.set('vote/eu/a', record);
  return { notary, signer, held, record, keys: [signer.publicKey] };
};

test('what a signer of the world has signed is genuine, here as for the production code', () => {
  const { notary, record, keys } = signed();
  expect(createVerifier().isGenuine('vote', place, record, keys)).toBe(true);
  for (let times = 0; times < 2; times++) expect(notary.verifier.isGenuine('vote', place, record, keys)).toBe(true);
});

test('a signature says nothing of another content, kind, place or key', () => {
  const { notary, held, record, keys } = signed();
  const other = { ...record, down: [] };
  const { publicKey } = newKeyPair();
  for (let times = 0; times < 2; times++) {
    expect(notary.verifier.isGenuine('vote', place, other, keys)).toBe(false);
    expect(notary.verifier.isGenuine('vote', place, null, keys)).toBe(false);
    held.set('beat/eu/a', record);
    held.set('vote/us/a', record);
    expect(notary.verifier.isGenuine('beat', place, record, keys)).toBe(false);
    expect(notary.verifier.isGenuine('vote', { ...place, region: 'us' }, record, keys)).toBe(false);
    expect(notary.verifier.isGenuine('vote', place, record, [publicKey])).toBe(false);
  }
});

test('what may still change is asked anew', () => {
  const { notary, record, keys } = signed();
  const open = { ...record, down: ['web/eu/app'] };
  expect(notary.verifier.isGenuine('vote', place, open, keys)).toBe(true);
  open.down = [];
  expect(notary.verifier.isGenuine('vote', place, open, keys)).toBe(false);
});

test('what the store holds is asked once, by everybody', () => {
  const { notary, record, keys } = signed();
  expect(notary.verifier.isGenuine('vote', place, record, keys)).toBe(true);
  record.down = [];
  expect(notary.verifier.isGenuine('vote', place, record, keys)).toBe(true);
});
