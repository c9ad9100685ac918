// Whether a vantage speaks, as a status document says it. Pure.
import type { StatusDocument } from './types.ts';

export type Said = Pick<StatusDocument['votes']['vantages'][number], 'ageMs' | 'state' | 'because' | 'self'>;

/** Of a replica that has not been heard for longer nothing is known: not what it runs, and not whether it still thinks what it said last. */
export const HEARD_MS = 15_000;

/** Its word as far as it counts, and why it does not. A replica of 0.1 does not say whether it does: there its age must do. */
export const voiceIn = ({ ageMs, state, because = '', self }: Said): { state: 'ok' | 'abstain' | 'silent'; because: string } => {
  if (state !== undefined) return { state, because };
  if (ageMs !== null && ageMs <= HEARD_MS) return { state: self.state, because: self.state === 'abstain' ? self.because : '' };
  return { state: 'silent', because: ageMs === null ? '' : `last heard ${(ageMs / 1000).toFixed(1)} s ago` };
};

export const speaks = (said: Said): boolean => voiceIn(said).state === 'ok';

/** Regions of which a replica speaks. */
export const speakersIn = ({ vantages }: StatusDocument['votes']): ReadonlySet<string> =>
  new Set(vantages.filter(speaks).map(({ region }) => region));
