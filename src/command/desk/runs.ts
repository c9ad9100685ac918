// The commands about platforms and their runs: where each is active, what a run would do, that one begins, how it goes, and what humans say to it. What moves
// anything is shown first, then asked about; it is sent under a key of this side's, so that sending it again begins nothing twice.
import type { SeenRun } from '../../client/api.ts';
import type { Run, RunBegun, RunBody, RunDeed, RunDeedBody } from '../../client/types.ts';
import { ERRORS, Fault } from '../../errors.ts';
import { sleep } from '../../ports.ts';
import { oneLine } from '../providers.ts';
import { durationOf, wholeOf } from './look.ts';
import { demandConsent, isWanted, reasonOf } from './orders.ts';
import { newsLines, planLines, platformLines, platformsLines, runLines, runsLines } from './runs-text.ts';
import { type Console, type LookOptions, type Session, withSession } from './session.ts';
import { clean, jsonLine, safe, wrap } from './text.ts';

export interface RunsOptions extends LookOptions {
  all?: boolean;
  limit?: string;
}

export interface RunOptions extends LookOptions {
  watch?: boolean;
  every?: string;
}

export interface BeginOptions extends LookOptions {
  to?: string;
  graceful?: boolean;
  ungraceful?: boolean;
  drill?: boolean;
  reason: string;
  ticket?: string;
  forceAfter?: string;
  yes?: boolean;
  dryRun?: boolean;
  /** true: as long as usual. */
  wait?: string | true;
}

export interface SayOptions extends LookOptions {
  reason?: string;
  step?: string;
  yes?: boolean;
  dryRun?: boolean;
}

export interface ReasonedOptions extends SayOptions {
  reason: string;
}

export interface AnswerOptions extends ReasonedOptions {
  step: string;
  choice: string;
}

/** As many as the API gives at once. */
const RUNS_MAX = 200;
const EVERY_MS = 2_000;
const EVERY_MIN_MS = 500;
const WAIT_MS = 10 * 60_000;
const LOOK_EVERY_MS = 500;
/** Whoever waits hears something at least so often. */
const TELL_EVERY_MS = 10_000;

export const platforms = (name: string | undefined, options: LookOptions, console: Console): Promise<number> =>
  withSession(options, console, async (session) => {
    const { api } = session;
    if (name === undefined) session.show(await session.during(() => 'asking', api.platforms), platformsLines);
    else
      session.show(
        await session.during(
          () => 'asking',
          () => api.platform(name),
        ),
        platformLines,
      );
    return 0;
  });

export const runs = async (options: RunsOptions, console: Console): Promise<number> => {
  const limit = options.limit === undefined ? 50 : wholeOf('--limit', options.limit, RUNS_MAX);
  const state = options.all === true ? 'all' : 'open';
  return withSession(options, console, async (session) => {
    const found = await session.during(
      () => 'asking',
      () => session.api.runs(state, limit),
    );
    session.show(found, (shown, screen) => runsLines(shown, state === 'open', screen));
    return 0;
  });
};

const WELL: readonly Run['state'][] = ['done', 'undone', 'dropped', 'aborted'];
const isEnded = ({ state }: Run): boolean => state === 'failed' || WELL.includes(state);

const shown = ({ run, clusterTimeMs }: SeenRun): { run: Run; clusterTimeMs: number } => ({ run, clusterTimeMs });

const watch = async (session: Session, id: string, everyMs: number): Promise<number> => {
  const { console, api, json } = session;
  for (;;) {
    try {
      const seen = await api.run(id);
      if (json) console.out(jsonLine(shown(seen)));
      else console.out(`${console.live ? '\u001b[H\u001b[2J' : ''}${runLines(clean(shown(seen)), console.screen()).join('\n')}\n`);
      if (isEnded(seen.run)) return seen.run.state === 'failed' ? 1 : 0;
    } catch (error) {
      // A watch outlives what it watches; what was never there is no watch.
      if (!(error instanceof Fault) || error.code === 'ERR_NOT_FOUND') throw error;
      session.note(`${error.message}\n`);
    }
    await sleep(console.ports.timers, everyMs);
  }
};

/** Exit code with `--watch`: 0 when it has ended, 1 when it has failed. */
export const run = async (id: string, options: RunOptions, console: Console): Promise<number> => {
  const everyMs = Math.max(EVERY_MIN_MS, durationOf('--every', options.every, EVERY_MS));
  return withSession(options, console, async (session) => {
    if (options.watch === true) return watch(session, id, everyMs);
    const seen = await session.during(
      () => 'asking',
      () => session.api.run(id),
    );
    session.show(shown(seen), runLines);
    return 0;
  });
};

// ---- a run begins ----

const modeOf = ({ graceful, ungraceful }: BeginOptions): RunBody['mode'] => {
  if (graceful === true && ungraceful === true) throw new Fault('ERR_USAGE', '--graceful or --ungraceful, not both');
  return ungraceful === true ? 'ungraceful' : 'graceful';
};

const waitOf = ({ wait }: BeginOptions): number | null =>
  wait === undefined ? null : durationOf('--wait', wait === true ? undefined : wait, WAIT_MS);

interface Waited {
  done: boolean;
  because: string;
  run: Run;
}

/** Says each step as it ends, and each question as it comes, until the run has ended or time is up. */
const follow = async (session: Session, first: Run, waitMs: number): Promise<Waited> => {
  const { console, api, json } = session;
  const { clock, timers } = console.ports;
  const untilMs = clock.monoMs() + waitMs;
  let [seen, because]: [Run | null, string] = [null, 'nothing was seen of it yet'];
  let saidAtMs = clock.monoMs();
  const tell = (lines: readonly string[], out: (text: string) => void): void => {
    if (json || lines.length === 0) return;
    out(`${lines.join('\n')}\n`);
    saidAtMs = clock.monoMs();
  };
  for (;;) {
    try {
      const now = shown(await api.run(first.id));
      tell(newsLines(seen, clean(now), console.screen()), console.out);
      seen = now.run;
      because = now.run.waiting[0]?.because ?? now.run.now[0] ?? now.run.because;
    } catch (error) {
      // An endpoint that is down meanwhile is no reason to stop waiting.
      if (!(error instanceof Fault)) throw error;
      because = error.message;
    }
    if (seen !== null && isEnded(seen)) return { done: true, because: seen.because, run: seen };
    if (clock.monoMs() >= untilMs) return { done: false, because, run: seen ?? first };
    if (clock.monoMs() - saidAtMs >= TELL_EVERY_MS) tell([safe(because).slice(0, console.screen().columns)], console.err);
    await sleep(timers, Math.min(LOOK_EVERY_MS, Math.max(1, untilMs - clock.monoMs())));
  }
};

const outcomeOf = ({ state }: Run): 'begun' | 'awaits-approval' => (state === 'proposed' ? 'awaits-approval' : 'begun');

const standsLines = ({ id, state }: Run, undo: string): readonly string[] => [
  ...(state === 'proposed'
    ? [`the run ${id} waits for a second person:`, `  tidegate approve-run ${id}`]
    : [`the run ${id} has begun; how it goes:`, `  tidegate run ${id} --watch`]),
  `undo: ${undo}`,
];

/** Says what was done, and follows it if that is wanted. */
const conclude = async (session: Session, { run: begun, undo }: RunBegun, waitMs: number | null): Promise<number> => {
  const { console, json } = session;
  const say = (waited: Waited | null): void =>
    console.out(
      jsonLine({
        outcome: outcomeOf(begun),
        run: waited?.run ?? begun,
        undo,
        waited: waited === null ? null : { done: waited.done, because: waited.because },
      }),
    );
  if (!json) console.out(`${standsLines(begun, undo.cli).map(safe).join('\n')}\n`);
  if (waitMs === null) {
    if (json) say(null);
    return 0;
  }
  const release = console.onInterrupt(() => `the run ${begun.id} goes on; nobody waits for it any more; undo: ${undo.cli}`);
  const waited = await follow(session, begun, waitMs);
  release();
  if (json) say(waited);
  else if (waited.done) console.out(`${safe(`${waited.run.state}: ${waited.because}`)}\n`);
  else session.note(`ERR_TIMEOUT the run ${safe(begun.id)} goes on, but ${safe(waited.because)}\n`);
  if (!waited.done) return ERRORS.ERR_TIMEOUT.exit;
  return waited.run.state === 'done' ? 0 : 1;
};

/** Orders a run: looks, previews, asks, writes, follows. */
const begin = async (name: string, purpose: RunBody['purpose'], options: BeginOptions, console: Console): Promise<number> => {
  demandConsent(options, console);
  const waitMs = waitOf(options);
  const mode = modeOf(options);
  if (options.forceAfter !== undefined && mode === 'ungraceful') throw new Fault('ERR_USAGE', '--force-after: it is ungraceful already');
  const body: RunBody = {
    mode,
    purpose,
    reason: reasonOf(options.reason),
    ...(options.to === undefined ? {} : { to: oneLine('--to', options.to) }),
    ...(options.ticket === undefined ? {} : { ticket: oneLine('--ticket', options.ticket) }),
    ...(options.forceAfter === undefined ? {} : { forceAfterMs: durationOf('--force-after', options.forceAfter, 0) }),
  };
  return withSession(options, console, async (session) => {
    const { api, json } = session;
    const { plan } = await session.during(
      () => 'asking what would happen',
      () => api.previewRun(name, body),
    );
    const dryRun = options.dryRun === true;
    const lines = planLines(clean(plan), console.screen());
    if (dryRun) console.out(json ? jsonLine({ outcome: 'planned', order: body, plan }) : `${lines.join('\n')}\n`);
    else if (!json) session.note([...lines, '']);
    if (dryRun) return 0;
    // What was shown is what is ordered: without a region of its own it could go elsewhere by now.
    const order: RunBody = { ...body, to: plan.to };
    if (
      options.yes !== true &&
      !(await isWanted(console, `${purpose} of ${safe(name)} to ${safe(plan.to)}, away from ${safe(plan.from)}?`, safe(plan.from)))
    ) {
      session.note('nothing was written\n');
      return ERRORS.ERR_USAGE.exit;
    }
    const begun = await session.during(
      () => 'ordering it',
      () => api.beginRun(name, order, console.ports.random.hex(16)),
    );
    return conclude(session, begun, waitMs);
  });
};

export const failover = (name: string, options: BeginOptions, console: Console): Promise<number> =>
  begin(name, options.drill === true ? 'drill' : 'failover', options, console);

export const failback = (name: string, options: BeginOptions, console: Console): Promise<number> =>
  begin(name, 'failback', options, console);

// ---- what humans say to a run ----

/** Shows the run, asks, and says it to the run as it was shown. */
const say = async <D extends RunDeed>(
  deed: D,
  id: string,
  { body, what, done }: { body: RunDeedBody<D>; what: (run: Run) => string; done: (run: Run) => string },
  options: SayOptions,
  console: Console,
): Promise<number> => {
  demandConsent(options, console);
  return withSession(options, console, async (session) => {
    const { api, json } = session;
    const seen = await session.during(
      () => 'asking',
      () => api.run(id),
    );
    const words = wrap(safe(what(seen.run)), console.screen().columns);
    const lines = [...runLines(clean(shown(seen)), console.screen()), '', ...words];
    if (options.dryRun === true) {
      console.out(json ? jsonLine({ outcome: 'planned', ...shown(seen) }) : `${lines.join('\n')}\n`);
      return 0;
    }
    if (!json) session.note([...lines, '']);
    if (options.yes !== true && !(await isWanted(console, 'Do it?', null))) {
      session.note('nothing was written\n');
      return ERRORS.ERR_USAGE.exit;
    }
    const after = await session.during(
      () => 'telling it',
      () => api.sayToRun(deed, seen, body, console.ports.random.hex(16)),
    );
    console.out(json ? jsonLine({ outcome: 'told', run: after }) : `${safe(done(after))}\n`);
    return 0;
  });
};

const standing = ({ id, state, because }: Run): string => `${id} is ${state}: ${because}`;

/** What is agreed to: the step that was named, or the one thing that it asks. */
const agreedTo = (run: Run, step: string | undefined): string => {
  const asks = run.waiting.filter(({ wants }) => wants === 'approval');
  if (step !== undefined) return step;
  const [one, other] = asks;
  if (one === undefined) throw new Fault('ERR_CONFLICT', `${run.id} asks nobody to agree: it is ${run.state}: ${run.because}`);
  if (other !== undefined)
    throw new Fault('ERR_USAGE', `several steps ask: add --step with one of ${asks.map((ask) => ask.step).join(', ')}`);
  return one.step ?? 'that it begins';
};

/** Somebody's yes to a run that waits to begin, or to a step of it. */
export const approve = (id: string, options: SayOptions, console: Console): Promise<number> =>
  say(
    'approveRun',
    id,
    {
      body: {
        ...(options.step === undefined ? {} : { step: options.step }),
        ...(options.reason === undefined ? {} : { reason: oneLine('--reason', options.reason) }),
      },
      what: (seen) => `agree to ${agreedTo(seen, options.step)}, in ${seen.id}`,
      done: (after) => `agreed; ${standing(after)}`,
    },
    options,
    console,
  );

const CHOICES = ['retry', 'skip', 'stop'] as const;
const CHOSEN: Readonly<Record<(typeof CHOICES)[number], string>> = {
  retry: 'try it again',
  skip: 'go on without it',
  stop: 'begin nothing more: the run ends as failed',
};

export const answer = async (id: string, options: AnswerOptions, console: Console): Promise<number> => {
  const { step } = options;
  const choice = CHOICES.find((each) => each === options.choice);
  if (choice === undefined) throw new Fault('ERR_USAGE', `${options.choice}: expected ${CHOICES.join(', ')}`);
  const reason = reasonOf(options.reason);
  return say(
    'answerRun',
    id,
    {
      body: { step, choice, reason },
      what: (seen) => `${step} of ${seen.id}: ${CHOSEN[choice]}`,
      done: (after) => `answered; ${standing(after)}`,
    },
    options,
    console,
  );
};

const DEEDS = {
  abort: { operation: 'abortRun', what: 'begin nothing more of it: what is under way ends, what is done stays done' },
  undo: { operation: 'undoRun', what: 'take back what can be, last first' },
  force: {
    operation: 'forceRun',
    what: 'go on ungracefully: what waits for the region that is left is passed over; what it has not handed over is lost',
  },
} as const;

/** Cannot be taken back, each of it, by whoever takes it back. */
const lostBy = (deed: keyof typeof DEEDS, run: Run): string => {
  if (deed !== 'undo') return '';
  const lasting = run.steps.filter(({ state, undo }) => ['done', 'acting', 'failed'].includes(state) && !undo.can).map(({ id }) => id);
  return lasting.length === 0 ? '' : `; not: ${lasting.join(', ')}`;
};

export const tell = async (deed: keyof typeof DEEDS, id: string, options: ReasonedOptions, console: Console): Promise<number> => {
  const reason = reasonOf(options.reason);
  const { operation, what } = DEEDS[deed];
  return say(
    operation,
    id,
    { body: { reason }, what: (seen) => `${seen.id}: ${what}${lostBy(deed, seen)}`, done: (after) => standing(after) },
    options,
    console,
  );
};
