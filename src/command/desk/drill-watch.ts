// What every drill that acts has: options, looks until something can be said, and an ear for whoever wants it to stop. What was injected is taken back then too.
import { say } from '../../config/words.ts';
import type { Scorecard } from '../../drill/scorecard.ts';
import { ERRORS, Fault } from '../../errors.ts';
import { sleep } from '../../ports.ts';
import { oneLine } from '../providers.ts';
import { keep } from './drill-cards.ts';
import { durationOf } from './look.ts';
import type { LookOptions, Session } from './session.ts';
import { jsonLine, safe } from './text.ts';

export interface DrillOptions extends LookOptions {
  region?: string;
  provider?: string;
  channel?: string;
  reason: string;
  onCall?: string;
  ttl?: string;
  /** Beyond the goal, or the expected time: how long it waits for the rest. */
  timeout?: string;
  /** Commands of the operator's: the fault, and its end. */
  inject?: string;
  restore?: string;
  /** How long one of them may take. */
  hookTimeout?: string;
  /** In place of the expected times that follow from the defaults. */
  within?: string;
  scorecards?: string;
  yes?: boolean;
}

export interface Ending {
  outcome: Scorecard['outcome'];
  because: string;
}

export const RETURN_MS = 15 * 60_000;
/** The status cannot be read for so long: what goes on is not known, so the drill ends. */
export const BLIND_MS = 15_000;
const TTL = { defaultMs: 15 * 60_000, maxMs: 4 * 3_600_000 } as const;

export const ttlOf = ({ ttl }: Pick<DrillOptions, 'ttl'>): number => {
  const ms = durationOf('--ttl', ttl, TTL.defaultMs);
  if (ms > TTL.maxMs) throw new Fault('ERR_USAGE', `--ttl ${ttl}: a drill stands for 4h at most`);
  return ms;
};
export const patienceOf = ({ timeout }: Pick<DrillOptions, 'timeout'>): number => durationOf('--timeout', timeout, 60_000);
export const onCallOf = ({ onCall }: Pick<DrillOptions, 'onCall'>): string | null =>
  onCall === undefined ? null : oneLine('--on-call', onCall);

/** `times`: 0 while nobody wants it to stop; the first time it ends what it measures, the second what it waits for afterwards. */
export interface Stops {
  times(): number;
  signal: AbortSignal;
  because(): string;
  release(): void;
}

export const heedStops = ({ console, note }: Session): Stops => {
  const wanted = new AbortController();
  const heard: string[] = [];
  // One ^C may come twice: from the terminal as SIGINT, and from a script in between as SIGTERM.
  const times = (): number => Math.max(0, ...heard.map((signal) => heard.filter((other) => other === signal).length));
  const release = console.onStop((signal) => {
    heard.push(signal);
    if (heard.length === 1) note('\n! stopping: what was injected is taken back; once more to wait for nothing else\n');
    wanted.abort(new Error(signal));
  });
  return { times, signal: wanted.signal, because: () => `${heard[0]} ended it`, release };
};

/** Looks until `judge` has an answer. Nobody who answers for a while is one too. In: `look` gives null when nobody does. */
export const watch = async <S, T>(
  session: Session,
  given: {
    now: () => string;
    look: () => Promise<S | null>;
    judge: (seen: S) => T | null;
    stopped: () => T | null;
    blind: T;
    everyMs: number;
  },
): Promise<T> => {
  const { clock, timers } = session.console.ports;
  let seenAtMs = clock.monoMs();
  return session.during(given.now, async () => {
    for (;;) {
      const stopped = given.stopped();
      if (stopped !== null) return stopped;
      const seen = await given.look();
      if (seen !== null) seenAtMs = clock.monoMs();
      const answer = seen === null ? null : given.judge(seen);
      if (answer !== null) return answer;
      if (clock.monoMs() - seenAtMs > BLIND_MS) return given.blind;
      await sleep(timers, given.everyMs);
    }
  });
};

export const nobodyAnswered: Ending = { outcome: 'aborted', because: `nobody answered for ${say(BLIND_MS)}` };

const EXITS: Readonly<Record<Scorecard['outcome'], number>> = {
  passed: 0,
  missed: ERRORS.ERR_TIMEOUT.exit,
  aborted: ERRORS.ERR_UNHEALTHY.exit,
};

/** Writes the scorecard and says how it ended. Out: the exit code. */
export const conclude = ({ console, json }: Session, folder: string, card: Scorecard): number => {
  const file = keep(folder, card);
  if (json) console.out(jsonLine(card));
  else console.out(`${safe(`${card.id}: ${card.outcome}: ${card.because}`)}\n${file}\n`);
  return EXITS[card.outcome];
};

/** Of a drill that is only shown. Out: the exit code. */
export const shown = ({ console, json }: Session, lines: readonly string[], plan: object, mayBegin: boolean): number => {
  if (json) console.out(jsonLine({ outcome: mayBegin ? 'planned' : 'refused', ...plan }));
  else console.out(`${lines.join('\n')}\n${mayBegin ? 'nothing was done: add --yes to do it' : 'it may not begin'}\n`);
  return mayBegin ? 0 : ERRORS.ERR_REFUSED.exit;
};
