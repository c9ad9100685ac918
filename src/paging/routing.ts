// Who is told of a page, and when. Pure. A route has a ladder (`to`) and listeners (`also`): the first of the ladder and all listeners are told at once;
// the next of the ladder when none before it has accepted within 30 s, or at once when one of them will never. Whoever heard of an alert hears of its end.
import type { Severity } from '../model.ts';

/** The channel that is always there. */
export const LOG_CHANNEL = 'log';
/** Without an accepted delivery for so long, the next of the ladder is told. */
export const ESCALATE_AFTER_MS = 30_000;

export interface PageRoute {
  /** Each that is there must match; none matches everything. */
  severity?: readonly Severity[];
  /** Matches a page of any of these services or regions. */
  service?: readonly string[];
  region?: readonly string[];
  /** Minutes that the line of cron matches, in that time zone. */
  hours?: { cron: string; timezone: string };
  /** Names of channels, in the order in which they are tried. */
  to: readonly string[];
  /** Names of channels that are told beside. */
  also: readonly string[];
}
