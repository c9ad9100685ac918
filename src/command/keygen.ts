// `tidegate keygen`: a key that signs the votes of one region. The private half goes to a file that only its owner reads, and never over an older one;
// the public half is printed, for the cluster's configuration.
import { closeSync, fsyncSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { newKeyPair } from '../coordinate/signing.ts';
import { errorText, Fault } from '../errors.ts';
import type { Saying } from './open.ts';

export interface KeygenOptions {
  /** Path of the file to make. */
  out: string;
}

const isThere = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EEXIST';

const create = (path: string): number => {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    if (isThere(error))
      throw new Fault('ERR_SECRET', `${path}: this file is there already, and a key is never overwritten; name another file`);
    throw new Fault('ERR_SECRET', `${path}: ${errorText(error)}; its folder must exist and be writable`, { cause: error });
  }
};

/** Whole and on the disk, or not there at all: a torn key would only be noticed at the next start. */
const writeWhole = (path: string, text: string): void => {
  const fd = create(path);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(path);
    throw new Fault('ERR_SECRET', `${path}: ${errorText(error)}; nothing was kept`, { cause: error });
  } finally {
    closeSync(fd);
  }
};

/** Makes an Ed25519 pair: the private half goes to `path`, the public half is returned. Throws Fault ERR_SECRET when the file is there or cannot be written. */
export const makeKey = (path: string): string => {
  const { privatePem, publicKey } = newKeyPair();
  writeWhole(path, privatePem);
  return publicKey;
};

/** Makes a key pair. The public key is the only line of stdout. Throws Fault ERR_SECRET when the file is there or cannot be written. Exit code 0. */
export const keygen = ({ out }: KeygenOptions, say: Saying): number => {
  const publicKey = makeKey(out);
  say.err(`private key written to ${out}, readable by its owner only: name it as signing.keyFile of every replica of the region\n`);
  say.err(
    `public key, for cluster.regions of that region: keys: [${publicKey}] (a second one while you change keys), then tidegate apply\n`,
  );
  say.out(`${publicKey}\n`);
  return 0;
};
