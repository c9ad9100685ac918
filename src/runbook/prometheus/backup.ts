// How old a backup is, from what its exporter says: an age, or the time at which the last good one was made. Whatever is neither is nothing that is known. Pure.

import type { BackupFacts, Unseen } from '../facts.ts';
import type { Reading } from '../kind.ts';
import type { BackupConfig } from '../platform.ts';

/** Clocks of exporters that are kept by NTP differ by less. */
const AHEAD_S_MAX = 60;
/** 2000-01-01: what is smaller, and not zero, is an age, or in another unit. */
const TIMES_FROM_S = 946_684_800;

const asked = (text: string): Unseen => ({ unseen: text });

/** `reading`: of the query, with its bounds open, so that whatever is a fresh number is reached. */
export const backupFacts = (value: BackupConfig['value'], { is, because, facts = {} }: Reading, wallMs: number): BackupFacts | Unseen => {
  const { low, high, series } = facts;
  if (is !== 'reached' || typeof low !== 'number' || typeof high !== 'number' || typeof series !== 'number') return asked(because);
  if (value === 'age') {
    if (low < 0) return asked(`the query says ${low} s, which is no age`);
    if (high >= TIMES_FROM_S) return asked(`the query says ${high} s, which is no age; if it is a time, write value: timestamp`);
    return { youngestMs: low * 1000, oldestMs: high * 1000, series };
  }
  if (low !== 0 && low < TIMES_FROM_S) return asked(`the query says ${low}, which is no time in seconds since 1970; is it an age?`);
  const aheadS = high - wallMs / 1000;
  if (aheadS > AHEAD_S_MAX)
    return asked(`the query says ${high}, ${Math.round(aheadS)} s ahead of our clock; it has to be in seconds since 1970`);
  // Zero is how exporters say that there is none.
  const ageMs = (atS: number): number => (atS === 0 ? Number.POSITIVE_INFINITY : Math.max(0, wallMs - atS * 1000));
  return { youngestMs: ageMs(high), oldestMs: ageMs(low), series };
};
