// What is written behind a command of this folder (`npm run sim`, `npm run bench`). What is wrong with it is one sentence, and exit 2.
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { errorText } from '../src/errors.ts';

export const refuse = (sentence: string): never => {
  process.stderr.write(`${sentence}\n`);
  process.exit(2);
};

/** As `parseArgs`. */
export const argumentsOf = <T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> => {
  try {
    return parseArgs(config);
  } catch (error) {
    return refuse(errorText(error));
  }
};

/** A number above 0, or null where there is none. */
export const numberIn = (name: string, text: string | undefined): number | null => {
  if (text === undefined) return null;
  return Number(text) > 0 && Number.isFinite(Number(text)) ? Number(text) : refuse(`--${name} ${text}: a number above 0 is needed`);
};
