// The folder of scorecards: what drills have measured, as JSON and Markdown, and beside them what a drill has injected that is not taken back yet, so that
// whoever finds it can take it back although the command that did it is gone.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownOf, type Scorecard } from '../../drill/scorecard.ts';
import { errorText, Fault } from '../../errors.ts';
import { isoTime } from '../../ports.ts';

export const FOLDER = 'drills';
export const PREFIX = 'drill-';
const FILE_BYTES_MAX = 256 * 1024;
const FILES_MAX = 1000;
const OPEN = '.open';

/** A fault that an operator's command injected, and the command that takes it back. */
export interface OpenDrill {
  id: string;
  drill: string;
  subject: string;
  by: string;
  restore: string;
  /** Cluster time. */
  startedAtMs: number;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isCard = (value: unknown): value is Scorecard => isObject(value) && 'drill' in value && 'phases' in value && 'startedAtMs' in value;
const isOpenDrill = (value: unknown): value is OpenDrill =>
  isObject(value) && 'id' in value && 'restore' in value && typeof value.restore === 'string';

/** A folder that is not there has none; a file that is none of ours is a mistake that is said. */
const readAll = <T>(folder: string, ending: string, isOurs: (value: unknown) => value is T, what: string): readonly T[] => {
  let names: readonly string[];
  try {
    names = readdirSync(folder).filter((name) => name.startsWith(PREFIX) && name.endsWith(ending));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Fault('ERR_RECORD', `--scorecards ${folder}: ${errorText(error)}`);
  }
  return names.slice(-FILES_MAX).map((name): T => {
    const file = join(folder, name);
    try {
      const text = readFileSync(file, 'utf8');
      const value: unknown = text.length > FILE_BYTES_MAX ? null : JSON.parse(text);
      if (isOurs(value)) return value;
    } catch (error) {
      throw new Fault('ERR_RECORD', `${file}: ${errorText(error)}; move it out of the folder`);
    }
    throw new Fault('ERR_RECORD', `${file} is no ${what} of tidegate drill; move it out of the folder`);
  });
};

/** Oldest first. */
export const cardsIn = (folder: string): readonly Scorecard[] =>
  readAll(folder, '.json', isCard, 'scorecard').toSorted((a, b) => a.startedAtMs - b.startedAtMs);

/** Out: the path of the Markdown. */
export const keep = (folder: string, card: Scorecard): string => {
  const file = join(folder, card.id);
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${file}.json`, `${JSON.stringify(card, null, 2)}\n`);
  writeFileSync(`${file}.md`, markdownOf(card, isoTime));
  return `${file}.md`;
};

/** Not taken back yet, whoever injected it. */
export const openIn = (folder: string): readonly OpenDrill[] => readAll(folder, OPEN, isOpenDrill, 'open drill');

/** Before the fault is injected. It holds a command that somebody may run: nobody else can write it. */
export const markOpen = (folder: string, drill: OpenDrill): void => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${drill.id}${OPEN}`), `${JSON.stringify(drill, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
};

export const isMarked = (folder: string, id: string): boolean => existsSync(join(folder, `${id}${OPEN}`));

export const unmark = (folder: string, id: string): void => rmSync(join(folder, `${id}${OPEN}`), { force: true });
