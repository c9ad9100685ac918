// One judge of signatures for all processes of a world. In life each process verifies each record once; here they are handed the same frozen record by
// the store in memory, and the same question about the same record has the same answer whoever asks.
import { createVerifier, type Verifier } from '../../src/coordinate/signing.ts';

export const rememberingVerifier = (): Verifier => {
  const verifier = createVerifier();
  /** What was answered of a record, by all else that was asked. */
  const answers = new WeakMap<object, Map<string, boolean>>();
  return {
    isGenuine(kind, place, record, keys) {
      if (typeof record !== 'object' || !Object.isFrozen(record) || record === null) return verifier.isGenuine(kind, place, record, keys);
      const question = JSON.stringify([kind, place.cluster, place.region, place.replica, keys]);
      const known = answers.get(record) ?? new Map<string, boolean>();
      answers.set(record, known);
      const genuine = known.get(question) ?? verifier.isGenuine(kind, place, record, keys);
      known.set(question, genuine);
      return genuine;
    },
  };
};
