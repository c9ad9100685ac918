// Freeze windows: spans of the calendar in which nothing is moved by orders and returns, and where so asked, by health neither. A window opens when its cron
// line says, in its own time zone, and lasts for so long; croner computes that from the instant alone.
import { Cron } from 'croner';
import { ruleOf } from '../policy.ts';

export interface FreezeWindow {
  name: string;
  /** Five fields: minute, hour, day of month, month, day of week. */
  cron: string;
  timezone: string;
  durationMs: number;
  /** Absent: all. */
  services?: readonly string[];
  /** Holds drains by health too. */
  drains: boolean;
}

const MIN_MS = 60_000;
/** Windows that run into each other are one; more than this are not looked through. */
const JOINED_MAX = 64;

/** When the window that is open now ends; null: none is. */
export const endsAtMs = ({ cron, timezone, durationMs }: FreezeWindow, nowMs: number): number | null => {
  const job = new Cron(cron, { timezone, paused: true });
  const minute = Math.floor(nowMs / MIN_MS) * MIN_MS;
  // Five fields open on whole minutes: one second on, a window that opens with this one has opened.
  const last = job.previousRuns(1, new Date(minute + 1000))[0]?.getTime();
  if (last === undefined || nowMs - last >= durationMs) return null;
  let opened: number = last;
  for (let n = 0; n < JOINED_MAX; n++) {
    const next: number | undefined = job.nextRun(new Date(opened))?.getTime();
    if (next === undefined || next > opened + durationMs) break;
    opened = next;
  }
  return opened + durationMs;
};

export const freezeWindows = ruleOf<{ windows: readonly FreezeWindow[] }>({
  kind: 'freeze-windows',
  question: 'Is this a time at which nobody wants a change?',
  risk: 'low',
  passedBy: 'break-glass',
  mayHoldTheDead: false,
  judges: ['health', 'return', 'order'],
  defaults: { windows: [] },
  judge({ service, cause }, _world, { windows }, nowMs) {
    const open = windows
      .filter((w) => (w.services?.includes(service.name) ?? true) && (cause !== 'health' || w.drains))
      .flatMap((w) => {
        const untilMs = endsAtMs(w, nowMs);
        return untilMs === null ? [] : [{ name: w.name, untilMs }];
      })
      .toSorted((a, b) => b.untilMs - a.untilMs)[0];
    if (open === undefined) return { allow: true };
    const leftMin = Math.ceil((open.untilMs - nowMs) / MIN_MS);
    return {
      allow: false,
      because: `the freeze window ${open.name} ends in ${leftMin} min (${new Date(open.untilMs).toISOString()})`,
      againAtMs: open.untilMs,
      counterfactual: `outside of ${open.name} it would have passed`,
    };
  },
});
