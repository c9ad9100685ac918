// Signatures over votes and beats: whatever is changed, moved or misspelt is not genuine, and nothing malformed ever throws.
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSigner, createVerifier, isPublicKey, newKeyPair, publicKeyOf, type SignedPlace } from '../../src/coordinate/signing.ts';
import { Fault } from '../../src/errors.ts';
import type { Beat, Vote } from '../../src/model.ts';

const pair = newKeyPair();
const other = newKeyPair();
const signer = createSigner(pair.privatePem);
const verifier = createVerifier();
const PLACE: SignedPlace = { cluster: 'prod', region: 'eu-west', replica: 'a' };
const KINDS = ['vote', 'beat'] as const;

const vote: Vote = {
  boot: 'b1',
  bootN: 3,
  seq: 7,
  configVersion: 2,
  configHash: '0123456789abcdef',
  self: { state: 'abstain', because: 'own uplink' },
  peers: ['a', 'b'],
  down: ['web/eu-west/app'],
  unready: [],
  unknown: [],
};
const beat: Beat = {
  boot: 'b1',
  bootN: 3,
  seq: 7,
  n: 12,
  configVersion: 2,
  configHash: '0123456789abcdef',
  asOfRev: 99,
  suspects: { 'web/eu-west/app#healthz': { firstFaultAgeMs: 10, lastOkAgeMs: null, faults: 2, reason: 'timeout' } },
  loopDelayMs: 1,
  wallMs: 1_795_317_120_000,
};
const RECORDS = { vote, beat } as const;

const signed = <T extends object>(kind: 'vote' | 'beat', record: T, place = PLACE): T & { signature: string } => ({
  ...record,
  signature: signer.sign(kind, place, record),
});

/** Every JSON value that differs from `value` in one place: a field gone, added or of another value, at any depth. */
const variants = (value: unknown): readonly unknown[] => {
  if (Array.isArray(value))
    return [[...value, 'x'], ...value.flatMap((inner, i) => [value.toSpliced(i, 1), ...variants(inner).map((v) => value.with(i, v))])];
  if (value === null || typeof value !== 'object')
    return [typeof value === 'number' ? value + 1 : `${String(value)}x`, null, [value]].filter((v) => v !== value);
  const fields = Object.entries(value);
  return [
    { ...value, later: 1 },
    ...fields.flatMap(([name, inner]) => [
      Object.fromEntries(fields.filter(([n]) => n !== name)),
      ...variants(inner).map((v) => ({ ...value, [name]: v })),
    ]),
  ];
};

describe('a signature', () => {
  test('is genuine by the key that made it, whatever the order of the fields, also after a trip through the store', () => {
    for (const kind of KINDS) {
      const record = signed(kind, RECORDS[kind]);
      expect(verifier.isGenuine(kind, PLACE, record, [signer.publicKey])).toBe(true);
      const reversed = Object.fromEntries(Object.entries(JSON.parse(JSON.stringify(record))).reverse());
      expect(verifier.isGenuine(kind, PLACE, reversed, [signer.publicKey])).toBe(true);
      expect(verifier.isGenuine(kind, PLACE, { ...record, absent: undefined }, [signer.publicKey])).toBe(true);
    }
  });

  test('breaks with any change of any field, at any depth', () => {
    for (const kind of KINDS) {
      const { signature, ...content } = signed(kind, RECORDS[kind]);
      const changed = variants(content);
      expect(changed.length).toBeGreaterThan(30);
      for (const record of changed)
        expect(verifier.isGenuine(kind, PLACE, { ...(record as object), signature }, [signer.publicKey]), JSON.stringify(record)).toBe(
          false,
        );
    }
  });

  test('covers any content, fields that this version does not know included', () => {
    // What JSON writes and reads back: the only content that a store can hold.
    const json = fc
      .dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }))
      .map((value) => JSON.parse(JSON.stringify({ ...value, signature: undefined })) as object);
    fc.assert(
      fc.property(json, json, fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 2 }), (content, extra, name, value) => {
        const record = JSON.parse(JSON.stringify(signed('vote', { ...vote, content }))) as object;
        expect(verifier.isGenuine('vote', PLACE, record, [signer.publicKey])).toBe(true);
        const more = JSON.parse(JSON.stringify({ ...record, content: { ...content, [`+${name}`]: value } })) as object;
        const isSame = JSON.stringify(more) === JSON.stringify(record);
        expect(verifier.isGenuine('vote', PLACE, more, [signer.publicKey])).toBe(isSame);
        const swapped = { ...record, content: extra };
        if (!verifier.isGenuine('vote', PLACE, swapped, [signer.publicKey])) return;
        expect(extra).toEqual(content);
      }),
      { numRuns: 150 },
    );
  });

  test('is worth nothing at another place, of another kind, in another cluster', () => {
    const record = signed('vote', vote);
    for (const place of [
      { ...PLACE, cluster: 'staging' },
      { ...PLACE, region: 'eu-north' },
      { ...PLACE, replica: 'b' },
      // Names that run into each other.
      { ...PLACE, region: 'eu-west/a', replica: '' },
    ])
      expect(verifier.isGenuine('vote', place, record, [signer.publicKey])).toBe(false);
    expect(verifier.isGenuine('beat', PLACE, record, [signer.publicKey])).toBe(false);
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (cluster, region, replica) => {
        const place = { cluster, region, replica };
        const isHere = cluster === PLACE.cluster && region === PLACE.region && replica === PLACE.replica;
        expect(verifier.isGenuine('vote', place, record, [signer.publicKey])).toBe(isHere);
      }),
      { numRuns: 100 },
    );
  });

  test('counts by either of two active keys, and by no other', () => {
    const record = signed('vote', vote);
    expect(verifier.isGenuine('vote', PLACE, record, [other.publicKey, signer.publicKey])).toBe(true);
    expect(verifier.isGenuine('vote', PLACE, record, [signer.publicKey, other.publicKey])).toBe(true);
    expect(verifier.isGenuine('vote', PLACE, record, [other.publicKey])).toBe(false);
    expect(verifier.isGenuine('vote', PLACE, record, [])).toBe(false);
  });

  test('has one spelling: any other text of it is not genuine', () => {
    const { signature, ...content } = signed('vote', vote);
    const bytes = Buffer.from(signature, 'base64url');
    const spelt = [
      `${signature}=`,
      ` ${signature}`,
      `${signature}\n`,
      bytes.toString('base64'),
      bytes.toString('hex'),
      signature.slice(0, -1),
      `${signature}A`,
      // The last character carries four bits that mean nothing.
      signature.slice(0, -1) + ({ A: 'B', Q: 'R', g: 'h', w: 'x' }[signature.slice(-1)] ?? '!'),
      bytes.map((b, i) => (i === 10 ? b ^ 1 : b)).toString(),
    ];
    for (const text of spelt)
      expect(verifier.isGenuine('vote', PLACE, { ...content, signature: text }, [signer.publicKey]), text).toBe(false);
  });

  test('that is malformed, or of a malformed key, is no signature and no exception', () => {
    const record = signed('vote', vote);
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (signature, value) => {
        expect(verifier.isGenuine('vote', PLACE, { ...vote, signature }, [signer.publicKey])).toBe(false);
        expect(verifier.isGenuine('vote', PLACE, value, [signer.publicKey])).toBe(false);
      }),
      { numRuns: 200 },
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string(),
            fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b).toString('base64url')),
          ),
        ),
        (keys) => {
          expect(verifier.isGenuine('vote', PLACE, record, keys)).toBe(false);
          // A malformed key beside the right one is no obstacle.
          expect(verifier.isGenuine('vote', PLACE, record, [...keys, signer.publicKey])).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('over a record nested too deep to be put in order is not genuine', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 200_000; i++) deep = [deep];
    const { signature } = signed('vote', vote);
    expect(verifier.isGenuine('vote', PLACE, { ...vote, deep, signature }, [signer.publicKey])).toBe(false);
  });
});

describe('a key', () => {
  test('has the same public text however it is come by: base64url of 32 bytes', () => {
    expect(signer.publicKey).toBe(pair.publicKey);
    expect(publicKeyOf(pair.privatePem)).toBe(pair.publicKey);
    expect(publicKeyOf(pair.privatePem.trim())).toBe(pair.publicKey);
    expect(Buffer.from(pair.publicKey, 'base64url')).toHaveLength(32);
    expect(isPublicKey(pair.publicKey)).toBe(true);
    expect(other.publicKey).not.toBe(pair.publicKey);
  });

  test('of another spelling or length is none', () => {
    const bytes = Buffer.from(pair.publicKey, 'base64url');
    for (const text of [
      '',
      `${pair.publicKey}=`,
      pair.publicKey.slice(1),
      bytes.toString('hex'),
      bytes.subarray(0, 31).toString('base64url'),
    ])
      expect(isPublicKey(text), text).toBe(false);
    // The last character carries two bits that mean nothing.
    const zeros = 'A'.repeat(42);
    expect([isPublicKey(`${zeros}A`), isPublicKey(`${zeros}B`)]).toEqual([true, false]);
  });

  test('that cannot sign is refused with its place and without its content', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const spki = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
    for (const [pem, found] of [
      [rsa, 'a key of type rsa'],
      [spki, 'no private key'],
      ['hunter2 hunter2', 'no private key'],
    ] as const) {
      let thrown: unknown;
      try {
        createSigner(pem, '/etc/tidegate/signing.pem');
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(Fault);
      const { code, message } = thrown as Fault;
      expect(code).toBe('ERR_SECRET');
      expect(message).toContain('/etc/tidegate/signing.pem');
      expect(message).toContain(found);
      expect(message).not.toContain('hunter2');
      expect(message).not.toContain(pem.split('\n')[1] ?? '?');
    }
  });
});
