// Short sentences of runs, in one place. Pure.
import type { RunMode } from './platform.ts';

export const PHRASE_CHARS_MAX = 300;

/** As it is kept: one line of at most 300 characters, or fewer. */
export const phrase = (text: string, charsMax = PHRASE_CHARS_MAX): string => {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > charsMax ? `${line.slice(0, Math.max(0, charsMax - 1))}…` : line;
};

export const whyNot = (mode: RunMode | 'both'): string => `only of ${mode === 'ungraceful' ? 'an ungraceful' : 'a graceful'} run`;

export const seconds = (ms: number): string => (ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);

/** Owner of the orders that runs of a platform give. */
export const runsOwner = (platform: string): string => `platform ${platform}`;
