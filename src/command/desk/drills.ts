// The commands of drills. A drill is shown first, with what must hold, what is expected and how it is undone; it acts only with --yes. What it does ends by itself
// or is taken back whatever happens to the command. Scorecards are files in a folder, and feed what is expected next time.
import type { StatusDocument } from '../../client/types.ts';
import { say } from '../../config/words.ts';
import { FAULT_DRILLS, type FaultDrill, type SubjectKind } from '../../drill/faults.ts';
import { LOSE_REGION } from '../../drill/lose-region.ts';
import { type Scorecard, tookMs } from '../../drill/scorecard.ts';
import { Fault } from '../../errors.ts';
import { oneLine } from '../providers.ts';
import { cardsIn, FOLDER, openIn } from './drill-cards.ts';
import { type HookOptions, hooksOf, restoreOpen, runFault } from './drill-fault.ts';
import { loseRegion } from './drill-lose.ts';
import { type DrillOptions, patienceOf, ttlOf } from './drill-watch.ts';
import { end } from './orders.ts';
import { type Console, type LookOptions, type Session, withSession } from './session.ts';
import { clockTime, dayTime } from './status-text.ts';
import { jsonLine, safe, table, wrap } from './text.ts';

export type { DrillOptions } from './drill-watch.ts';

export interface HistoryOptions {
  scorecards?: string;
  json?: boolean;
}

interface Drill {
  name: string;
  does: string;
  needs: string;
  subject: SubjectKind | null;
  hooked: boolean;
  play(session: Session, options: DrillOptions, subject: string, folder: string, past: readonly Scorecard[]): Promise<number>;
}

const hooked = (drill: FaultDrill): Drill => ({ ...drill, hooked: true, play: (...given) => runFault(drill, ...given) });

const DRILLS: readonly Drill[] = [
  {
    name: LOSE_REGION,
    does: 'drains a region in every service by an order that is marked as a drill and ends by itself, measures how long users take to leave, and brings it back by the ramp',
    needs: 'three regions, the others able to carry it, nothing else going on, somebody who watches',
    subject: 'region',
    hooked: false,
    play: loseRegion,
  },
  ...FAULT_DRILLS.map(hooked),
];

const SUBJECTS = ['region', 'provider', 'channel'] as const;

/** What it is about, by the option of that name; empty: the drill is about no one thing. Every mistake at once. */
const subjectOf = ({ name, subject, hooked: isHooked }: Drill, options: DrillOptions): string => {
  const given = SUBJECTS.filter((kind) => options[kind] !== undefined);
  const wrong = [
    ...given.filter((kind) => kind !== subject).map((kind) => `--${kind} is not understood by ${name}`),
    ...(subject !== null && options[subject] === undefined ? [`${name} needs --${subject} NAME`] : []),
    ...(isHooked ? [] : (['inject', 'restore', 'within'] as const).filter((one) => options[one] !== undefined)).map(
      (one) => `--${one} is not understood by ${name}: it injects nothing`,
    ),
  ];
  if (wrong.length > 0) throw new Fault('ERR_USAGE', wrong.join('; '));
  return subject === null ? '' : oneLine(`--${subject}`, options[subject] ?? '');
};

/** Dry run unless `yes`. */
export const run = async (name: string, options: DrillOptions, console: Console): Promise<number> => {
  const drill = DRILLS.find((each) => each.name === name);
  if (drill === undefined)
    throw new Fault('ERR_USAGE', `no drill is called "${name}"; there are: ${DRILLS.map((each) => each.name).join(', ')}`);
  const subject = subjectOf(drill, options);
  ttlOf(options);
  patienceOf(options);
  hooksOf(options);
  const folder = options.scorecards ?? FOLDER;
  const past = cardsIn(folder);
  return withSession(options, console, (session) => drill.play(session, options, subject, folder, past));
};

export const drillList = (console: Console): number => {
  const about = ({ subject, hooked: isHooked }: Drill): string =>
    [...(subject === null ? [] : [`--${subject} NAME`]), ...(isHooked ? ['--inject CMD --restore CMD'] : [])].join(' ');
  const lines = DRILLS.flatMap((drill) => [
    `${drill.name} ${about(drill)}`.trimEnd(),
    ...[drill.does, `needs: ${drill.needs}`].flatMap((text) => wrap(text, 98)).map((line) => `  ${line}`),
  ]);
  console.out(`${lines.join('\n')}\n`);
  return 0;
};

const isDrill = ({ drill, leftMs }: StatusDocument['overrides']['items'][number]): boolean => drill === true && leftMs > 0;

/** Drills that go on, whoever began them: an order that is marked as one, and what the folder says is not taken back yet. */
export const drillStatus = ({ scorecards = FOLDER, ...options }: LookOptions & HistoryOptions, console: Console): Promise<number> =>
  withSession(options, console, async (session) => {
    const status = await session.during(() => 'asking', session.api.status);
    const drills = { orders: status.overrides.items.filter(isDrill), faults: openIn(scorecards) };
    session.show(drills, ({ orders, faults }) => {
      const lines = [
        ...orders.map(
          ({ id, kind, obeyed, because, expiresAtMs }) =>
            `${id}: ${kind}, ${obeyed ? 'obeyed' : 'not obeyed'}: ${because}; ends by itself at ${clockTime(expiresAtMs)}Z`,
        ),
        ...faults.map(({ id, by, startedAtMs }) => `${id}: injected ${dayTime(startedAtMs)} by ${by}, and not taken back`),
      ];
      return lines.length === 0 ? ['no drill goes on'] : lines;
    });
    return 0;
  });

type AbortOptions = HookOptions & { scorecards?: string; yes?: boolean; dryRun?: boolean };

/** Ends one: what it injected is taken back, and traffic returns by the ramp. */
export const drillAbort = async (id: string, options: LookOptions & AbortOptions, console: Console): Promise<number> => {
  const open = openIn(options.scorecards ?? FOLDER).find((each) => each.id === id);
  if (open !== undefined) return restoreOpen(open, options, console);
  await withSession(options, console, async ({ api }) => {
    const order = (await api.status()).overrides.items.find((each) => each.id === id);
    if (order !== undefined && order.drill !== true)
      throw new Fault('ERR_USAGE', `${id} is no drill; end it with tidegate override end ${id}`);
  });
  return end([], id, options, console);
};

/** `2026-11-22 03:12`: characters of an instant without its seconds. */
const MINUTES = 16;

const cell = (ms: number | null): string => (ms === null ? '-' : say(ms));

export const drillHistory = ({ scorecards = FOLDER, json }: HistoryOptions, console: Console): number => {
  const cards = cardsIn(scorecards);
  if (json === true) {
    console.out(jsonLine(cards));
    return 0;
  }
  const rows = cards.map((card) => [
    dayTime(card.startedAtMs).slice(0, MINUTES),
    `${card.drill} ${card.subject}`.trimEnd(),
    card.outcome,
    cell(tookMs(card)),
    cell(card.phases.returned?.ms ?? null),
    card.because,
  ]);
  const lines =
    rows.length === 0
      ? [`no drill is recorded in ${scorecards}`]
      : table(
          ['ORDERED', 'DRILL', 'OUTCOME', 'TOOK', 'BACK', 'BECAUSE'],
          rows.map((row) => row.map(safe)),
          console.screen(),
        );
  console.out(`${lines.join('\n')}\n`);
  return 0;
};
