// What signs this region's votes while the service runs: the key in its file, read again on SIGHUP. Another key is taken only when the cluster's
// configuration names it, or its votes would not count; until then the one before goes on.
import { createSigner, type Signer } from '../coordinate/signing.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { readSecret } from '../secrets.ts';

export interface ServingSigner extends Signer {
  /** Reads the file now. Sentences about what keeps its key from being used; empty: it is in use. */
  reload(): readonly string[];
}

export interface SigningOptions {
  keyFile: string;
  log: Log;
  /** Of this region, by the cluster's configuration; null: it is not known yet. */
  keys: () => readonly string[] | null;
}

/** Throws Fault ERR_SECRET when the file holds no key. */
export const openSigner = ({ keyFile, log, keys }: SigningOptions): ServingSigner => {
  const read = (): Signer => createSigner(readSecret(keyFile), keyFile);
  let signer = read();
  log.info('signing.key', { publicKey: signer.publicKey });
  return {
    get publicKey() {
      return signer.publicKey;
    },
    sign: (kind, place, record) => signer.sign(kind, place, record),
    reload() {
      try {
        const next = read();
        const known = keys();
        if (next.publicKey === signer.publicKey) {
          // Two keys are named while one is changed. Whoever removes the old one then mutes every replica that still signs with it.
          if (known !== null && known.length > 1)
            log.warn('signing.same', {
              publicKey: next.publicKey,
              because: `${keyFile} holds the key that was in use before, and this region has ${known.length}; a file that was copied at start, as systemd copies credentials, changes with a restart only`,
            });
          return [];
        }
        if (known !== null && known.length > 0 && !known.includes(next.publicKey))
          return [`${keyFile}: found the key ${next.publicKey}, expected one of those of this region; add it with tidegate apply first`];
        signer = next;
        log.info('signing.key', { publicKey: next.publicKey });
        return [];
      } catch (error) {
        return [errorText(error)];
      }
    },
  };
};
