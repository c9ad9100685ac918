// How the demo reads: one line per event like a good incident log, and at the end the failover drawn to scale with its figures. Pure; texts in,
// texts out. Colour marks what a reader looks for first and carries nothing that the words do not say.
import { say } from '../config/words.ts';
import type { Route } from '../model.ts';
import { type Course, firstFaultAtMs, type Outcome, type OwnFigures } from './measure.ts';
import type { Sighting } from './sightings.ts';

export type Tone = 'plain' | 'quiet' | 'head' | 'bad' | 'good' | 'strong';

/** One thing that happened. */
export interface Line {
  who: string;
  text: string;
  tone: Tone;
}

export interface Paper {
  /** Columns; longer lines are folded at blanks. */
  width: number;
  colour: boolean;
}

export const WIDTH_MIN = 60;
export const WIDTH_MAX = 120;

const CODES: Readonly<Record<Tone, string>> = { plain: '', quiet: '2', head: '1', bad: '31', good: '32', strong: '1' };

export const paint = (text: string, tone: Tone, { colour }: Paper): string =>
  colour && CODES[tone] !== '' ? `\u001b[${CODES[tone]}m${text}\u001b[0m` : text;

/** Folds at blanks; a word longer than the room is left whole. */
export const fold = (text: string, room: number): readonly string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
};

const paragraph = (text: string, tone: Tone, indent: number, paper: Paper): string =>
  fold(text, paper.width - indent)
    .map((part) => `${' '.repeat(indent)}${paint(part, tone, paper)}\n`)
    .join('');

const WHO = 8;
const MARGIN = '   ';
const STAMP = 6;
const INDENT = ' '.repeat(MARGIN.length + STAMP + 2 + WHO + 2);

/** `   +6.42  us-east   takes over: epoch 2`. Seconds since the act began. */
export const renderLine = ({ who, text, tone }: Line, sinceMs: number, paper: Paper): string => {
  const stamp = `+${(Math.max(0, sinceMs) / 1000).toFixed(1)}`.padStart(STAMP);
  const [first = '', ...rest] = fold(text, paper.width - INDENT.length);
  const head = `${MARGIN}${paint(stamp, 'quiet', paper)}  ${who.padEnd(WHO)}  ${paint(first, tone, paper)}`;
  return [head, ...rest.map((part) => `${INDENT}${paint(part, tone, paper)}`)].map((part) => `${part}\n`).join('');
};

/** A paragraph, or the title of an act: no stamp, set apart. */
export const renderHead = (text: string, paper: Paper): string =>
  `\n${fold(text, paper.width)
    .map((part) => `${paint(part, 'head', paper)}\n`)
    .join('')}`;

// ---- sightings in words ----

/** How the story speaks of what serves users. */
export interface Serving {
  /** As who says a line. */
  who: string;
  /** Within a sentence. */
  name: string;
  /** Regions that users are sent to from now on. */
  came(regions: readonly string[], more: boolean): string;
  /** Regions of which no sample has been seen any more. */
  left(regions: readonly string[], samples: number): string;
  gone(region: string): string;
}

export const DNS: Serving = {
  who: 'dns',
  name: 'DNS',
  came: (regions, more) => `answers ${regions.join(', ')}${more ? ' too' : ''}`,
  left: (regions, samples) => `not one of ${samples} answers names ${regions.join(' or ')} any more`,
  gone: (region) => `20 answers of 20 without ${region}`,
};

/** A load balancer that all users go through. */
export const BALANCER: Serving = {
  who: 'lb',
  name: 'load balancer',
  came: (regions, more) => `sends visits to ${regions.join(', ')}${more ? ' too' : ''}`,
  left: (regions, samples) => `not one of ${samples} visits goes to ${regions.join(' or ')} any more`,
  gone: (region) => `20 visits of 20 without ${region}`,
};

const routeText = (route: Route): string =>
  Object.entries(route)
    .map(([pool, share]) => `${pool} ${percent(share)}`)
    .join(', ');

const percent = (share: number): string => `${share % 10 === 0 ? share / 10 : (share / 10).toFixed(1)} %`;

const REASONS: Readonly<Record<string, string>> = { pending: 'no answer yet', refused: 'connection refused', unreachable: 'no route' };

/** Lines for one sighting; most are one, a decision has one for its sentence and one for each change of route. */
export const linesOf = (sighting: Sighting, serving: Serving = DNS): readonly Line[] => {
  switch (sighting.kind) {
    case 'suspicion':
      return [{ who: sighting.by, text: `suspects ${sighting.of}: ${REASONS[sighting.reason] ?? sighting.reason}`, tone: 'plain' }];
    case 'vote': {
      const { by, of, endpoints, mute } = sighting;
      return [
        {
          who: by,
          text: `${mute ? 'sees' : 'votes'} ${of} down: ${endpoints.map((each) => `/${each}`).join(' and ')} failing${mute ? ', without a vote' : ''}`,
          tone: 'plain',
        },
      ];
    }
    case 'withdrawal':
      return [{ who: sighting.by, text: `sees ${sighting.of} up again`, tone: 'plain' }];
    case 'abstention':
      return [{ who: sighting.by, text: `abstains: ${sighting.because}`, tone: 'strong' }];
    case 'voice':
      return [{ who: sighting.by, text: 'votes again', tone: 'plain' }];
    case 'leader':
      return [{ who: sighting.region, text: `coordinates now (epoch ${sighting.epoch})`, tone: 'strong' }];
    case 'acknowledged':
      return [{ who: serving.who, text: `acknowledged fence ${sighting.fence}`, tone: 'plain' }];
    case 'decision': {
      const { by, v, because, wouldChange, changes } = sighting.audit;
      const who = by.split('/')[0] ?? by;
      return [
        { who, text: `decision ${v}: ${because}`, tone: changes.length > 0 ? 'strong' : 'plain' },
        ...(wouldChange === '' ? [] : [{ who: '', text: `otherwise: ${wouldChange}`, tone: 'quiet' } satisfies Line]),
        ...changes.map(({ after }): Line => ({ who: '', text: `route: ${routeText(after)}`, tone: 'plain' })),
      ];
    }
  }
};

// ---- the end ----

interface Mark {
  name: string;
  atMs: number | null;
  what: string;
}

/** Columns of the scale. */
const BAR_MIN = 6;
const BAR_MAX = 40;
/** Columns around it: name, stamp, and the longest legend. */
const AROUND = 53;

/** The failover to scale, t0 to t6, in seconds since the kill. */
export const renderTimeline = (course: Course, paper: Paper, serving: Serving = DNS): string => {
  const { dead, heir } = course;
  const marks: readonly Mark[] = [
    { name: '', atMs: course.killedAtMs, what: `kill -9 of ${dead}` },
    { name: 't0', atMs: firstFaultAtMs(course), what: 'first failed look, at the earliest' },
    { name: 't1', atMs: course.suspectedAtMs, what: 'first suspicion' },
    { name: 't2', atMs: course.quorumAtMs, what: 'quorum of votes' },
    { name: '', atMs: course.takenOverAtMs, what: `takeover by ${heir ?? 'another region'}` },
    { name: 't3', atMs: course.decidedAtMs, what: 'decision committed' },
    { name: 't4', atMs: course.acknowledgedAtMs, what: `${serving.name} acknowledged` },
    { name: 't5', atMs: course.answeredAtMs, what: serving.gone(dead) },
    { name: 't6', atMs: course.settledAtMs, what: 'every user elsewhere, for good' },
  ];
  const lastMs = Math.max(...marks.map(({ atMs }) => atMs ?? course.killedAtMs)) - course.killedAtMs;
  const room = Math.min(BAR_MAX, Math.max(BAR_MIN, paper.width - AROUND));
  const rows = [...marks]
    .sort((a, b) => (a.atMs ?? Number.POSITIVE_INFINITY) - (b.atMs ?? Number.POSITIVE_INFINITY))
    .map(({ name, atMs, what }) => {
      const sinceMs = atMs === null ? null : atMs - course.killedAtMs;
      const stamp = (sinceMs === null ? 'not seen' : (sinceMs / 1000).toFixed(2)).padStart(8);
      const at = sinceMs === null ? -1 : Math.min(room - 1, Math.max(0, Math.round(((room - 1) * sinceMs) / Math.max(1, lastMs))));
      const bar = at < 0 ? ' '.repeat(room) : `${'·'.repeat(at)}●${' '.repeat(room - 1 - at)}`;
      return `   ${paint(name.padEnd(2), 'strong', paper)}  ${stamp}  ${paint(bar, 'quiet', paper)}  ${what}\n`;
    });
  return `${renderHead('Timeline, in seconds since the kill', paper)}${rows.join('')}`;
};

/** Columns before a note beside its figure, and before one that has to go below it. */
const FIGURE = 52;
const NOTE = 17;

const figure = (what: string, ms: number | null, goalMs: number | null, note: string, paper: Paper): string => {
  const shown = ms === null ? 'not measured' : say(ms);
  const judged = goalMs === null ? '' : `goal ${say(goalMs)}: ${ms === null ? 'unknown' : ms <= goalMs ? 'met' : 'missed'}`;
  const tone: Tone = goalMs === null ? 'quiet' : ms !== null && ms <= goalMs ? 'good' : 'bad';
  const fits = FIGURE + note.length <= paper.width;
  const head = `   ${what.padEnd(12)}  ${shown.padStart(12)}   ${paint(fits ? judged.padEnd(18) : judged, tone, paper)}`;
  return fits ? `${head}  ${paint(note, 'quiet', paper)}\n` : `${head.trimEnd()}\n${paragraph(note, 'quiet', NOTE, paper)}`;
};

const ownLine = ({ detectionMs, convergenceMs }: OwnFigures, paper: Paper): string => {
  const shown = (ms: number | null): string => (ms === null ? 'not measured' : say(ms));
  const text = `detection ${shown(detectionMs)} (from the first failed look), convergence ${shown(convergenceMs)}`;
  return paragraph(`Tidegate's own figures: ${text}`, 'quiet', MARGIN.length, paper);
};

/** What was measured against the goals, and every failure in a sentence. */
export const renderOutcome = (outcome: Outcome, paper: Paper): string => {
  const { goals, detectionUpperMs, own } = outcome;
  const upper = detectionUpperMs === null ? '' : `, at most ${say(detectionUpperMs)} after the last good look`;
  return [
    renderHead('Measured', paper),
    figure('detection', outcome.detectionMs, goals.detectionMs, `kill to decision${upper}`, paper),
    figure('takeover', outcome.takeoverMs, null, 'kill to the next coordinator; part of detection here', paper),
    figure('convergence', outcome.convergenceMs, goals.convergenceMs, 'decision to the last user gone from the dead region', paper),
    `   ${'false drains'.padEnd(12)}  ${String(outcome.falseDrains).padStart(12)}\n`,
    ...(own === null ? [] : [ownLine(own, paper)]),
    ...(outcome.failed.length > 0 ? ['\n'] : []),
    ...outcome.failed.map((sentence) => paragraph(`failed: ${sentence}`, 'bad', MARGIN.length, paper)),
    ...(outcome.ok ? [`\n${paint('   Goals met, and nothing moved that should have stayed.', 'good', paper)}\n`] : []),
  ].join('');
};
