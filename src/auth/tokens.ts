// The token file while the service runs: looked at again on SIGHUP, and every few seconds when it changed. A file that is not accepted changes nothing:
// the tokens that were known go on, and the log says why, once per change.
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Ports } from '../ports.ts';
import { readGuarded, stampOf } from './file.ts';
import { hashOf, isWhole, type LineProblem, parseTokenFile, TOKEN_FILE_BYTES_MAX, type TokenEntry } from './token-file.ts';

const LOOK_EVERY_MS = 2_000;

export interface Tokens {
  /** The entry of this token, expired or not; null: unknown, or no token at all. */
  find(token: string): TokenEntry | null;
  /** Reads the file now. Sentences about what is wrong with it; empty: it is in use. */
  reload(): readonly string[];
}

const said = (file: string, problems: readonly LineProblem[]): readonly string[] =>
  problems.map(({ line, message }) => `${file}:${line}: ${message}`);

/** The entries of a file, or every problem with it as a sentence. */
export const readTokenFile = (file: string): { entries: readonly TokenEntry[] } | { problems: readonly string[] } => {
  try {
    const parsed = parseTokenFile(readGuarded(file, TOKEN_FILE_BYTES_MAX));
    return parsed.ok ? { entries: parsed.entries } : { problems: said(file, parsed.problems) };
  } catch (error) {
    return { problems: [errorText(error)] };
  }
};

/** Starts with no tokens when the file is not accepted: it must not keep the service away. */
export const openTokens = (file: string, { clock }: Pick<Ports, 'clock'>, log: Log): Tokens => {
  let byHash: ReadonlyMap<string, TokenEntry> = new Map();
  let stamp: string | null = null;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  const reload = (): readonly string[] => {
    // Before reading: a change during it is seen at the next look.
    stamp = stampOf(file);
    lookedAtMs = clock.monoMs();
    const read = readTokenFile(file);
    if ('problems' in read) {
      log.error('auth.tokens.refused', { because: read.problems, running: `${byHash.size} tokens as before` });
      return read.problems;
    }
    byHash = new Map(read.entries.map((entry) => [entry.hash, entry]));
    log.info('auth.tokens.read', { file, entries: byHash.size });
    return [];
  };
  reload();
  return {
    find(token) {
      if (clock.monoMs() - lookedAtMs >= LOOK_EVERY_MS) {
        lookedAtMs = clock.monoMs();
        if (stampOf(file) !== stamp) reload();
      }
      return isWhole(token) ? (byHash.get(hashOf(token)) ?? null) : null;
    },
    reload,
  };
};
