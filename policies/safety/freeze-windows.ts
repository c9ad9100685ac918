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

/** The last opening up to the minute, and when what it began ends; null: it never opened. */
interface Opening {
  last: number;
  untilMs: number;
}

const openingOf = ({ cron, timezone, durationMs }: FreezeWindow, minute: number): Opening | null => {
  const job = new Cron(cron, { timezone, paused: true });
  // Five fields open on whole minutes: one second on, a window that opens with this one has opened.
  const last = job.previousRuns(1, new Date(minute + 1000))[0]?.getTime();
  if (last === undefined) return null;
  let opened: number = last;
  for (let n = 0; n < JOINED_MAX && minute - last < durationMs; n++) {
    const next: number | undefined = job.nextRun(new Date(opened))?.getTime();
    if (next === undefined || next > opened + durationMs) break;
    opened = next;
  }
  return { last, untilMs: opened + durationMs };
};

/** Of each window the minutes asked about last: an order on a thousand services asks a thousand times, and a calendar is slow to read. */
const read = new WeakMap<FreezeWindow, Map<number, Opening | null>>();
const MINUTES_MAX = 8;

const openingAt = (window: FreezeWindow, minute: number): Opening | null => {
  const known = read.get(window) ?? new Map<number, Opening | null>();
  const there = known.get(minute);
  if (there !== undefined) return there;
  if (known.size >= MINUTES_MAX) known.clear();
  const opening = openingOf(window, minute);
  read.set(window, known.set(minute, opening));
  return opening;
};

/** When the window that is open now ends; null: none is. */
export const endsAtMs = (window: FreezeWindow, nowMs: number): number | null => {
  const opening = openingAt(window, Math.floor(nowMs / MIN_MS) * MIN_MS);
  return opening === null || nowMs - opening.last >= window.durationMs ? null : opening.untilMs;
};

interface Open {
  window: FreezeWindow;
  untilMs: number;
}

/** Of the windows that are open the one that ends last; null: none is. */
const openAt = (windows: readonly FreezeWindow[], nowMs: number): Open | null =>
  windows
    .flatMap((window): Open[] => {
      const untilMs = endsAtMs(window, nowMs);
      return untilMs === null ? [] : [{ window, untilMs }];
    })
    .toSorted((a, b) => b.untilMs - a.untilMs)[0] ?? null;

/** Windows that take over from one another; more than this are not looked through. */
const FOLLOWING_MAX = 4;

/** When the windows that follow one another without a gap are all over. One that runs into itself is one already. */
const overAtMs = (windows: readonly FreezeWindow[], first: Open): number => {
  let last = first;
  for (let n = 0; n < FOLLOWING_MAX; n++) {
    const { window, untilMs } = last;
    const next = openAt(
      windows.filter((w) => w !== window),
      untilMs,
    );
    if (next === null) break;
    last = next;
  }
  return last.untilMs;
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
    const mine = windows.filter((w) => (w.services?.includes(service.name) ?? true) && (cause !== 'health' || w.drains));
    const open = openAt(mine, nowMs);
    if (open === null) return { allow: true };
    const leftMin = Math.ceil((open.untilMs - nowMs) / MIN_MS);
    const againAtMs = overAtMs(mine, open);
    const then = againAtMs === open.untilMs ? '' : `, and others follow it until ${new Date(againAtMs).toISOString()}`;
    return {
      allow: false,
      because: `the freeze window ${open.window.name} ends in ${leftMin} min (${new Date(open.untilMs).toISOString()})${then}`,
      againAtMs,
      counterfactual: `outside of ${open.window.name} it would have passed`,
    };
  },
});
