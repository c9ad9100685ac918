// Who says it: votes and beats signed with Ed25519 by their region's key, so that a stolen store password cannot speak for other regions. A signature
// covers the kind of record, the cluster, the place it is written to and every field, also those that this version does not know.
// Knows nothing of freshness: whether a genuine record is an old one that somebody wrote again is trust.ts.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { Fault } from '../errors.ts';
import type { ClusterConfig } from '../model.ts';

export type SignedKind = 'vote' | 'beat';

/** Where a record belongs. A signature for one place is worth nothing at another. */
export interface SignedPlace {
  /** Name of the cluster. */
  cluster: string;
  region: string;
  replica: string;
}

export interface Signer {
  /** base64url of the raw 32 bytes, as the cluster's configuration names it. */
  readonly publicKey: string;
  /** The signature (base64url) of `record`, whose own `signature`, if it has one, is not covered. */
  sign(kind: SignedKind, place: SignedPlace, record: object): string;
}

export interface Verifier {
  /** Is `record.signature` one of `keys`' over this kind, place and content? Never throws: whatever is malformed is not genuine. */
  isGenuine(kind: SignedKind, place: SignedPlace, record: unknown, keys: readonly string[]): boolean;
}

/** Of a region without keys: nothing needs to be signed. */
export const UNSIGNED: readonly string[] = [];

/** A configuration never changes once it is read: its keys are put in order once, however many records are read. */
const keysByRegion = new WeakMap<ClusterConfig, ReadonlyMap<string, readonly string[]>>();

/** The keys that a region's records are signed with, as configured. */
export const keysOf = (cluster: ClusterConfig, region: string): readonly string[] => {
  let known = keysByRegion.get(cluster);
  if (known === undefined) {
    known = new Map(cluster.regions.map((r) => [r.name, r.keys ?? UNSIGNED]));
    keysByRegion.set(cluster, known);
  }
  return known.get(region) ?? UNSIGNED;
};

const KEY_TEXT = /^[A-Za-z0-9_-]{43}$/;
const SIGNATURE_TEXT = /^[A-Za-z0-9_-]{86}$/;
/** Public keys kept parsed: far more than the regions of a cluster have, rotations included. */
const PARSED_MAX = 256;

/** JSON with sorted keys: the same bytes whoever wrote the record, and in whatever order. What JSON leaves out is left out. */
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join()}}`;
};

const signedBytes = (kind: SignedKind, { cluster, region, replica }: SignedPlace, record: object): Buffer => {
  const { signature: _, ...content } = record as { signature?: unknown };
  return Buffer.from(canonical([`tidegate/${kind}/1`, cluster, region, replica, content]));
};

/** The bytes of a base64url text, null when another text would mean the same bytes: each key and each signature has one spelling. */
const exactBytes = (text: string, shape: RegExp): Buffer | null => {
  if (!shape.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
};

const publicTextOf = (key: KeyObject): string => key.export({ format: 'jwk' }).x ?? '';

/** The key of a PEM text. Throws Fault ERR_SECRET, which names `where` it came from and never its content. */
const privateKeyOf = (pem: string, where: string): KeyObject => {
  let found: string;
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
    found = `a key of type ${key.asymmetricKeyType}`;
  } catch {
    // What the parser says may quote the text.
    found = 'something that is no private key';
  }
  throw new Fault('ERR_SECRET', `${where}: found ${found}, expected an Ed25519 private key in PEM; make one with tidegate keygen`);
};

/** Is this the text of an Ed25519 public key: base64url of exactly 32 bytes? */
export const isPublicKey = (text: string): boolean => exactBytes(text, KEY_TEXT) !== null;

/** The public key of a private one, as the cluster's configuration names it. Throws Fault ERR_SECRET when the PEM text is no Ed25519 key. */
export const publicKeyOf = (privateKeyPem: string, where = 'the signing key'): string =>
  publicTextOf(createPublicKey(privateKeyOf(privateKeyPem, where)));

/** A fresh pair. The only randomness outside the ports: making a key is a human's act, never part of a run. */
export const newKeyPair = (): { privatePem: string; publicKey: string } => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), publicKey: publicTextOf(publicKey) };
};

/** Signs for one region. `where` names the key's file in errors. Throws Fault ERR_SECRET when the PEM text is no Ed25519 key. */
export const createSigner = (privateKeyPem: string, where = 'the signing key'): Signer => {
  const key = privateKeyOf(privateKeyPem, where);
  return {
    publicKey: publicTextOf(createPublicKey(key)),
    sign: (kind, place, record) => sign(null, signedBytes(kind, place, record), key).toString('base64url'),
  };
};

export const createVerifier = (): Verifier => {
  const parsed = new Map<string, KeyObject | null>();
  const parse = (text: string): KeyObject | null => {
    try {
      return isPublicKey(text) ? createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: text } }) : null;
    } catch {
      return null;
    }
  };
  const keyOf = (text: string): KeyObject | null => {
    let key = parsed.get(text);
    if (key === undefined) {
      if (parsed.size >= PARSED_MAX) parsed.clear();
      key = parse(text);
      parsed.set(text, key);
    }
    return key;
  };
  return {
    isGenuine(kind, place, record, keys) {
      try {
        if (record === null || typeof record !== 'object' || !('signature' in record) || typeof record.signature !== 'string') return false;
        const signature = exactBytes(record.signature, SIGNATURE_TEXT);
        if (signature === null) return false;
        const bytes = signedBytes(kind, place, record);
        return keys.some((text) => {
          const key = keyOf(text);
          return key !== null && verify(null, bytes, key, signature);
        });
      } catch {
        // Too deep to be put in order, for one: nothing of ours looks so.
        return false;
      }
    },
  };
};
