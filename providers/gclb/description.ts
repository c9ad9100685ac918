// The fence in the description of an object, beside what a human wrote there: the human's text first, the fence as its last word. Pure.
import { formatFence, parseFence } from '../fence.ts';
import type { Fence } from '../provider.ts';

/** A word that looks like a fence, with the one space before it that we put there. */
const WORD = / ?v=1;fence=\S*/g;
/** What the vendor documents for descriptions of its other compute resources; for these two it documents nothing. */
export const DESCRIPTION_CHARS_MAX = 2048;

export interface Description {
  /** Of the one word that is a fence to the letter; null: there is none, or somebody edited it. */
  fence: Fence | null;
  /** Words that look like a fence and are none, or one too many. */
  strange: readonly string[];
}

export const readDescription = (text: string): Description => {
  const words = (text.match(WORD) ?? []).map((word) => word.trim());
  const fence = words.length === 1 ? parseFence(words[0]!) : null;
  return { fence, strange: fence === null ? words : [] };
};

/** What a human wrote, without our word. */
export const humanText = (text: string): string => text.replace(WORD, '');

/** The human's text is kept to the letter; the fence follows it after one space. */
export const writeDescription = (text: string, fence: Fence): string => {
  const human = humanText(text);
  return human === '' ? formatFence(fence) : `${human} ${formatFence(fence)}`;
};

/** Some controllers keep their own records there as JSON (GKE's Ingress does) and would no longer be able to read them. */
export const isMachineText = (text: string): boolean => /^\s*[{[]/.test(humanText(text));
