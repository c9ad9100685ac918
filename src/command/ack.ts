// `tidegate ack`: a human has looked at a route that was set by hand, and automation may go on from it. With `--hold` it leaves that route alone for a while:
// the freeze is placed in the same transaction, so that there is no moment in between.
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { TTL_MAX_MS, TTL_MIN_MS } from '../api/override-input.ts';
import { parseDuration } from '../config/fields.ts';
import { errorText, Fault } from '../errors.ts';
import { type AdoptContext, adoptWith } from './adopt.ts';
import { oneLine } from './providers.ts';

export interface AckOptions {
  config: string;
  /** At least one, each with a route that was set by hand. */
  service: readonly string[];
  reason: string;
  owner: string;
  /** A duration such as 4h. */
  hold?: string;
  /** The file that `route set --break-glass` wrote, to be kept in the audit. */
  journal?: string;
  dryRun?: boolean;
  json?: boolean;
}

const JOURNAL_BYTES_MAX = 1024 * 1024;
/** The newest lines about these services; an audit record is no archive. */
const JOURNAL_LINES_MAX = 20;

const holdMs = (text: string | undefined): number | null => {
  if (text === undefined) return null;
  const ms = parseDuration(text);
  if (ms !== null && ms >= TTL_MIN_MS && ms <= TTL_MAX_MS) return ms;
  throw new Fault('ERR_USAGE', `--hold ${text}: expected a duration from 1s to 168h; write it like 4h`);
};

const textOf = (path: string): string => {
  try {
    const fd = openSync(path, 'r');
    try {
      const { size } = fstatSync(fd);
      if (size > JOURNAL_BYTES_MAX) throw new Error(`${size} bytes, expected at most ${JOURNAL_BYTES_MAX}`);
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new Fault('ERR_USAGE', `--journal ${path}: ${errorText(error)}; name the file that tidegate route set wrote`, { cause: error });
  }
};

/** A line of the journal about one of these services; null: it is about another, or no line of ours. */
const entryOf = (line: string, services: readonly string[]): unknown => {
  try {
    const entry: unknown = JSON.parse(line);
    const isAbout = typeof entry === 'object' && entry !== null && 'service' in entry && services.some((s) => s === entry.service);
    return isAbout ? entry : null;
  } catch {
    return null;
  }
};

const journalOf = (path: string | undefined, services: readonly string[]): readonly unknown[] =>
  path === undefined
    ? []
    : textOf(path)
        .split('\n')
        .map((line) => entryOf(line, services))
        .filter((entry) => entry !== null)
        .slice(-JOURNAL_LINES_MAX);

/** Acknowledges. Exit codes: 0, or 78 when the file is not accepted; throws Fault (see runAdoption) and what the store throws. */
export const ack = async (options: AckOptions, context: AdoptContext): Promise<number> => {
  if (options.service.length === 0) throw new Fault('ERR_USAGE', '--service: name each service whose route you have looked at');
  return adoptWith(
    options,
    {
      kind: 'ack',
      services: options.service,
      owner: oneLine('--owner', options.owner),
      reason: oneLine('--reason', options.reason),
      dryRun: options.dryRun === true,
      holdMs: holdMs(options.hold),
      journal: journalOf(options.journal, options.service),
    },
    context,
  );
};
