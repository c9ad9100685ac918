// What becomes of a call that ended in an error, in the words of a step. A kind says what it understood; everything else is said here.
import { errorText, Fault } from '../errors.ts';
import { quoted } from '../exchange.ts';
import { LeftAlone } from './breaker.ts';
import type { Effect, Reading } from './kind.ts';

const BECAUSE_CHARS_MAX = 280;

/** An error as a part of a sentence: never a secret, never long. */
export const saying = (error: unknown): string => quoted(errorText(error), BECAUSE_CHARS_MAX);

/** Never rejects: whatever keeps it from being read leaves it unknown. `what`: the beginning of the sentence. */
export const readOr = async (what: string, read: () => Promise<Reading>): Promise<Reading> => {
  try {
    return await read();
  } catch (error) {
    return { is: 'unknown', because: `${what}: ${saying(error)}` };
  }
};

/** Never rejects: unless it is certain that nothing was sent, nobody knows whether it was taken. */
export const applyOr = async (what: string, apply: () => Promise<Effect>): Promise<Effect> => {
  try {
    return await apply();
  } catch (error) {
    const because = `${what}: ${saying(error)}`;
    if (error instanceof LeftAlone || (error instanceof Fault && error.code === 'ERR_STOPPING')) return { took: 'refused', because };
    return { took: error instanceof Fault ? 'fatal' : 'undecided', because };
  }
};
