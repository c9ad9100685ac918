// Signatures of a world, which are real ones, made and verified with as little work as the answers allow. In life each process verifies each record once.
// Here all are handed the same record by the store in memory, which nobody may change, and the same question about it has the same answer whoever asks;
// and what a signer of this world has just signed with a key is signed by that key. Whatever is not word for word the same (forged, changed, at another
// place, with another key) is left to the production code.
import { beatKey, voteKey } from '../../src/coordinate/keys.ts';
import { createVerifier, type SignedKind, type SignedPlace, type Signer, type Verifier } from '../../src/coordinate/signing.ts';

const KEY_OF = { vote: voteKey, beat: beatKey };

export interface Notary {
  /** Signs as `signer` does, and remembers what. */
  witness(signer: Signer): Signer;
  readonly verifier: Verifier;
}

/** What a signature covers, as it is written. */
const wordsOf = (kind: SignedKind, { cluster, region, replica }: SignedPlace, record: object): string => {
  const { signature: _, ...content } = record as { signature?: unknown };
  return JSON.stringify([kind, cluster, region, replica, content]);
};

/** `isHeld`: this very object is what the store hands out for the key, so that nobody may change it. */
export const createNotary = (isHeld: (key: string, record: object) => boolean): Notary => {
  const verifier = createVerifier();
  /** By signature: what was signed, and with which key. */
  const witnessed = new Map<unknown, { words: string; publicKey: string }>();
  /** What was answered of a record, by all else that was asked. */
  const answers = new WeakMap<object, Map<string, boolean>>();

  const isGenuine: Verifier['isGenuine'] = (kind, place, record, keys) => {
    const known = witnessed.get((record as { signature?: unknown }).signature);
    if (known !== undefined && keys.includes(known.publicKey) && known.words === wordsOf(kind, place, record as object)) return true;
    return verifier.isGenuine(kind, place, record, keys);
  };

  return {
    witness: (signer) => ({
      publicKey: signer.publicKey,
      sign(kind, place, record) {
        const signature = signer.sign(kind, place, record);
        witnessed.set(signature, { words: wordsOf(kind, place, record), publicKey: signer.publicKey });
        return signature;
      },
    }),
    verifier: {
      isGenuine(kind, place, record, keys) {
        if (typeof record !== 'object' || record === null) return verifier.isGenuine(kind, place, record, keys);
        // Only what can no longer change may be remembered.
        if (!isHeld(KEY_OF[kind](place.region, place.replica), record)) return isGenuine(kind, place, record, keys);
        const question = [kind, place.cluster, place.region, place.replica, ...keys].join(' ');
        const known = answers.get(record) ?? new Map<string, boolean>();
        answers.set(record, known);
        const genuine = known.get(question) ?? isGenuine(kind, place, record, keys);
        known.set(question, genuine);
        return genuine;
      },
    },
  };
};
