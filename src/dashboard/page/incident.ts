// An incident in figures, as a drawing and as a report. Pure.
import type { DecisionItem, Dossier, IncidentOne } from '../../client/schema.ts';
import { count, duration, list, percent } from './words.ts';

// ---- its times ----
// An incident's times: which there are, which are still to come, which never will be; and how they stand against the goals.

/** An incident with its times, however it was asked for. */
export type Course = IncidentOne['incident'] & Pick<IncidentOne, 't4AtMs' | 't5AtMs' | 't6AtMs' | 'detection' | 'convergence'>;
export type ServiceTimes = Course['convergence']['services'][number];
type Judgement = Course['detection']['judgement'];

export const courseOf = ({ incident, decision: _, ...times }: IncidentOne): Course => ({ ...incident, ...times });

interface Stamp {
  id: 't0' | 't1' | 't2' | 't3' | 't4' | 't5' | 't6';
  name: string;
  /** Cluster time; null: there is none. */
  atMs: number | null;
  state: 'seen' | 'pending' | 'missing';
  /** What one has to know of it; empty: nothing. */
  because: string;
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** It goes on, and something that can be measured is not there yet. */
export const isPending = ({ closedAtMs, convergence }: Pick<Course, 'closedAtMs' | 'convergence'>): boolean =>
  closedAtMs === null && convergence.judgement !== 'unmeasured' && convergence.waitingFor.length > 0;

const whyUnmeasured = ({ convergence, closedAtMs }: Course): string => {
  const said = convergence.services.find(({ because }) => because !== null)?.because;
  return said ?? (closedAtMs === null ? 'nothing that could be seen moves' : 'it ended before');
};

const lastLook = ({ t0AtMs, t0LastAtMs }: Course): string => {
  if (!isNumber(t0LastAtMs)) return 'nobody had a good look before';
  return isNumber(t0AtMs) && t0AtMs > t0LastAtMs ? `the last good look was ${duration(t0AtMs - t0LastAtMs)} before` : '';
};

/** All seven, whether there or not; t4 to t6 are those of the slowest service. */
export const stampsOf = (course: Course): readonly Stamp[] => {
  const { t3AtMs, convergence } = course;
  const waits = isPending(course);
  const measured = convergence.services.filter(({ service }) => isMeasured(course, service));
  const stamp = (id: Stamp['id'], name: string, atMs: number | null, missing: string, because = ''): Stamp =>
    isNumber(atMs) ? { id, name, atMs, state: 'seen', because } : { id, name, atMs: null, state: 'missing', because: missing };
  const later = (id: 't4' | 't5' | 't6', name: string): Stamp => {
    const isUnasked = id === 't5' && measured.every(({ authoritativeMs, convergedMs }) => authoritativeMs === null && convergedMs !== null);
    const found = stamp(
      id,
      name,
      course[`${id}AtMs`],
      isUnasked && measured.length > 0 ? 'its servers are not asked' : whyUnmeasured(course),
    );
    if (found.atMs !== null || !waits) return found;
    return { ...found, state: 'pending', because: id === 't6' ? `waits for ${list(convergence.waitingFor)}` : 'not of all services yet' };
  };
  return [
    stamp('t0', 'first failed probe', course.t0AtMs, 'no probe failed', lastLook(course)),
    stamp('t1', 'suspicion', course.t1AtMs, course.t0AtMs === null ? 'nothing was suspected' : 'not recorded'),
    stamp('t2', 'quorum', course.t2AtMs, course.t0AtMs === null ? 'nothing was counted' : 'not recorded'),
    stamp('t3', 'decision', t3AtMs, 'not recorded'),
    later('t4', 'provider acknowledged'),
    later('t5', 'all authoritative servers'),
    later('t6', 'users land'),
  ];
};

/** `6.1 s to 8.1 s`: from the first failed probe, and from the last good look. */
export const detectionText = ({ ms, atMostMs }: Course['detection']): string => {
  if (ms === null) return 'not measured: no probe failed';
  return atMostMs === null || atMostMs <= ms ? duration(ms) : `${duration(ms)} to ${duration(atMostMs)}`;
};

export const convergenceText = (course: Course, nowMs: number): string => {
  const { ms, waitingFor } = course.convergence;
  if (ms !== null) return duration(ms);
  if (!isPending(course)) return `not measured: ${whyUnmeasured(course)}`;
  return `${duration(nowMs - course.t3AtMs)} so far; waits for ${count(waitingFor.length, 'service')}`;
};

/** `−6.1 s`, `0`, `+310 ms`: beside the decision. */
export const signed = (ms: number): string => (ms === 0 ? '0' : `${ms < 0 ? '−' : '+'}${duration(Math.abs(ms))}`);

/** Cluster time of the decision that drained this service. */
export const decidedAtMs = ({ published, t3AtMs }: Course, service: string): number => {
  const own = Object.hasOwn(published, service) ? published[service]?.t3AtMs : undefined;
  return isNumber(own) ? own : t3AtMs;
};

const isMeasured = ({ published }: Course, service: string): boolean =>
  !Object.hasOwn(published, service) || published[service]?.unmeasured === undefined;

/** How one service stands against the goal; as the API judges all of them together. */
export const judged = (course: Course, times: ServiceTimes, nowMs: number): Judgement => {
  const { goalMs, judgement } = course.convergence;
  if (times.convergedMs !== null) return times.convergedMs <= goalMs ? 'met' : 'missed';
  if (course.closedAtMs !== null || judgement === 'unmeasured' || !isMeasured(course, times.service)) return 'unmeasured';
  return nowMs - decidedAtMs(course, times.service) > goalMs ? 'missed' : 'pending';
};

/** What waits, longest first, then the slowest: what one looks for. */
export const slowestFirst = (course: Course): readonly ServiceTimes[] => {
  const weight = ({ service, convergedMs }: ServiceTimes): number =>
    convergedMs ?? (isMeasured(course, service) && isPending(course) ? Number.MAX_VALUE : -1);
  return course.convergence.services.toSorted((a, b) => weight(b) - weight(a) || (a.service < b.service ? -1 : 1));
};

// ---- where all of its drawing stands ----
// An incident's times as a drawing: where each bar, mark and label stands. Zero is the decision (t3); what lies far beyond the goals is cut at the edge and
// says so. What was not measured has no place in it. Pure.

interface Label {
  id: string;
  text: string;
  /** What it points at. */
  x: number;
  left: number;
  /** Counted from the bars upwards. */
  level: number;
}

/** As a font of 12 px has it, at the most. */
const CHAR_PX = 7.2;
const LABEL_GAP_PX = 8;
export const labelPx = (text: string): number => text.length * CHAR_PX;

/** Each on the lowest level that has room; inside the width where it fits at all. */
export const placed = (labels: readonly { id: string; text: string; x: number }[], width: number): readonly Label[] => {
  const rights: number[] = [];
  return labels
    .toSorted((a, b) => a.x - b.x)
    .map((label) => {
      const left = Math.max(0, Math.min(label.x, width - labelPx(label.text)));
      const free = rights.findIndex((right) => right + LABEL_GAP_PX <= left);
      const level = free < 0 ? rights.length : free;
      rights[level] = left + labelPx(label.text);
      return { ...label, left, level };
    });
};

// ---- the drawing ----

export interface Part {
  kind: 'unsure' | 'detect' | 't4' | 't5' | 't6' | 'pending';
  x: number;
  width: number;
}

export interface Bar {
  parts: readonly Part[];
  /** Where the goal is; null: outside of the drawing. */
  goalX: number | null;
  judgement: Judgement;
  /** It goes on beyond the edge. */
  isCut: boolean;
}

export interface ServiceBar extends Bar {
  service: string;
  text: string;
  /** Shares of the vantages whose users have landed, as steps: 0 is none, 1 all. */
  curve: readonly { x: number; share: number }[];
}

export interface Drawing {
  width: number;
  ticks: readonly { x: number; text: string }[];
  zeroX: number;
  labels: readonly Label[];
  levels: number;
  detection: Bar;
  services: readonly ServiceBar[];
}

/** So many goals long at most, to either side. */
const GOALS_MAX = 4;
const DAY_MS = 86_400_000;
const STEPS_MS = [100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 108e5, 432e5, DAY_MS];
const TICK_PX_MIN = 80;

/** Exact, unlike a duration: ticks are even, and so are their names. */
const tickText = (ms: number): string => {
  const [unitMs, unit] = (
    [
      [DAY_MS, 'd'],
      [36e5, 'h'],
      [6e4, 'min'],
      [1e3, 's'],
    ] as const
  ).find(([each]) => ms !== 0 && ms % each === 0) ?? [1, 'ms'];
  return ms === 0 ? '0' : `${ms < 0 ? '−' : '+'}${Math.abs(ms / unitMs)} ${unit}`;
};

const between = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));
/** A goal that is none would leave nothing to draw by. */
const goalOf = (ms: number): number => (isNumber(ms) ? between(ms, 1_000, DAY_MS) : 60_000);

/** In order and without a gap, from `fromMs` on; what is not there is left out. */
const partsOf = (
  steps: readonly (readonly [Part['kind'], number | null])[],
  fromMs: number,
  at: (ms: number) => number,
): readonly Part[] => {
  let lastMs = fromMs;
  return steps.flatMap(([kind, ms]) => {
    if (!isNumber(ms) || ms < lastMs) return [];
    const [x, end] = [at(lastMs), at(ms)];
    lastMs = ms;
    return end > x ? [{ kind, x, width: end - x }] : [];
  });
};

const curveOf = (
  { landed }: ServiceTimes,
  late: number,
  population: number,
  at: (ms: number) => number,
  endMs: number,
): ServiceBar['curve'] => {
  const seen = landed
    .map(({ ms }) => ms)
    .filter(isNumber)
    .map((ms) => Math.max(0, ms))
    .toSorted((a, b) => a - b);
  const all = Math.max(population, seen.length);
  if (all === 0) return [];
  const steps = seen.map((ms, n) => ({ x: at(late + ms), share: (n + 1) / all }));
  const last = steps.at(-1);
  return [{ x: at(late), share: 0 }, ...steps, { x: Math.max(at(endMs), last?.x ?? 0), share: last?.share ?? 0 }];
};

const ticksOf = (fromMs: number, toMs: number, width: number): readonly number[] => {
  const stepMs = STEPS_MS.find((ms) => (ms / (toMs - fromMs)) * width >= TICK_PX_MIN) ?? DAY_MS * 30;
  const first = Math.ceil(fromMs / stepMs);
  return Array.from({ length: between(Math.floor(toMs / stepMs) - first + 1, 0, 40) }, (_, n) => (first + n) * stepMs);
};

/** `shown`: the services that get a bar, in this order. Total: whatever the numbers, all that is drawn lies within the width. */
export const drawingOf = (course: Course, shown: readonly ServiceTimes[], nowMs: number, width: number): Drawing => {
  const { t3AtMs, detection, convergence, witnesses } = course;
  const [seeGoal, moveGoal] = [goalOf(detection.goalMs), goalOf(convergence.goalMs)];
  const sinceMs = (atMs: number | null): number | null => (isNumber(atMs) && isNumber(t3AtMs) ? atMs - t3AtMs : null);
  const untilMs = isPending(course) ? Math.max(0, sinceMs(nowMs) ?? 0) : 0;
  const rows = shown.map((times) => {
    const late = Math.max(0, sinceMs(decidedAtMs(course, times.service)) ?? 0);
    const judgement = judged(course, times, nowMs);
    const waits = times.convergedMs === null && judgement !== 'unmeasured' && isPending(course);
    const ends = [times.acknowledgedMs, times.authoritativeMs, times.convergedMs].map((ms) => (isNumber(ms) ? late + ms : null));
    return { times, late, judgement, waits, ends, endMs: Math.max(late, waits ? untilMs : 0, ...ends.filter(isNumber)) };
  });
  const earliest = -Math.max(
    detection.ms ?? 0,
    detection.atMostMs ?? 0,
    ...[course.t1AtMs, course.t2AtMs].map((at) => -(sinceMs(at) ?? 0)),
  );
  const fromMs = between(isNumber(earliest) ? earliest * 1.04 : 0, -GOALS_MAX * seeGoal, -moveGoal / 50);
  const latest = Math.max(moveGoal + Math.max(0, ...rows.map(({ late }) => late)), untilMs, ...rows.map(({ endMs }) => endMs));
  const toMs = between(latest * 1.04, moveGoal, GOALS_MAX * moveGoal);
  const at = (ms: number): number => width * ((between(ms, fromMs, toMs) - fromMs) / (toMs - fromMs));
  const inside = (ms: number): number | null => (ms >= fromMs && ms <= toMs ? at(ms) : null);

  const begun = isNumber(detection.ms) ? -detection.ms : null;
  const sure = isNumber(detection.atMostMs) ? -detection.atMostMs : null;
  const labels = stampsOf(course).flatMap(({ id, name, atMs }) => {
    const ms = sinceMs(atMs);
    return ms === null ? [] : [{ id, text: `${id} ${width < 600 ? '' : `${name} `}${signed(ms)}`, x: at(ms) }];
  });
  const marks = placed(labels, width);
  return {
    width,
    ticks: ticksOf(fromMs, toMs, width).map((ms) => ({ x: at(ms), text: tickText(ms) })),
    zeroX: at(0),
    labels: marks,
    levels: Math.max(0, ...marks.map(({ level }) => level + 1)),
    detection: {
      parts: partsOf(
        [
          ['unsure', begun],
          ['detect', 0],
        ],
        Math.min(sure ?? begun ?? 0, begun ?? 0),
        at,
      ),
      goalX: begun === null ? null : inside(begun + seeGoal),
      judgement: detection.judgement,
      isCut: Math.min(sure ?? 0, begun ?? 0) < fromMs,
    },
    services: rows.map(({ times, late, judgement, waits, ends, endMs }) => ({
      service: times.service,
      text: times.convergedMs === null ? (waits ? `${duration(endMs - late)} so far` : 'not measured') : duration(times.convergedMs),
      parts: partsOf(
        [
          ['t4', ends[0] ?? null],
          ['t5', ends[1] ?? null],
          ['t6', ends[2] ?? null],
          ['pending', waits ? untilMs : null],
        ],
        late,
        at,
      ),
      goalX: inside(late + moveGoal),
      judgement,
      isCut: endMs > toMs,
      curve: curveOf(times, late, witnesses.length, at, endMs),
    })),
  };
};

// ---- as Markdown ----
// An incident as Markdown, for whoever writes down the morning after what happened: all that was recorded is filled in, what only people know is asked.

export interface Recorded {
  course: Course;
  cluster: string;
  nowMs: number;
  /** Where the page is. */
  origin: string;
  /** Of the decision that opened it; null: it could not be read. */
  dossier: Dossier | null;
  /** While it lasted, newest first. */
  decisions: readonly DecisionItem[];
}

/** As text and nothing else, on one line: what it says cannot make a heading, a cell, an element or a link with another text. */
export const plain = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[\\`*_{}[\]<>|#~!&]/g, '\\$&')
    .replace(/^(\d+)([.)])/, '$1\\$2')
    .replace(/^[-+=]/, '\\$&');

const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly string[]): string =>
  [row(...head), row(...head.map(() => '---')), ...rows].join('\n');
/** A question for people. */
const ask = (text: string): string => `_${text}_`;

/** What somebody writing later cannot know from a relative time. */
const instant = (atMs: number | null): string =>
  atMs === null ? '' : `${new Date(atMs).toISOString().replace('T', ' ').replace('Z', '')}`;

const route = (shares: Readonly<Record<string, number>>): string =>
  Object.entries(shares)
    .map(([pool, share]) => `${plain(pool)} ${percent(share)}`)
    .join(', ');

const SERVICES_MAX = 50;

const timesTable = (course: Course): string =>
  table(
    ['', 'what', 'UTC', 'from the decision', 'note'],
    stampsOf(course).map(({ id, name, atMs, state, because }) =>
      row(id, name, instant(atMs), atMs === null ? state : signed(atMs - course.t3AtMs), plain(because)),
    ),
  );

const servicesTable = (course: Course, nowMs: number): string => {
  const all = slowestFirst(course);
  const ms = (value: number | null): string => (value === null ? '–' : duration(value));
  const rows = all
    .slice(0, SERVICES_MAX)
    .map((times) =>
      row(
        plain(times.service),
        instant(decidedAtMs(course, times.service)),
        ms(times.acknowledgedMs),
        ms(times.authoritativeMs),
        ms(times.convergedMs),
        judged(course, times, nowMs),
        plain(times.because ?? ''),
      ),
    );
  const rest = all.length > SERVICES_MAX ? `\n\nand ${count(all.length - SERVICES_MAX, 'service')} more` : '';
  return table(['service', 'decided (UTC)', 'acknowledged', 'authoritative', 'users', 'goal', 'note'], rows) + rest;
};

const evidenceOf = (dossier: Dossier): string =>
  [
    table(
      ['endpoint', 'verdict', 'count', 'said'],
      dossier.evidence.slice(0, SERVICES_MAX).map(({ endpoint, verdict, down, electorate, needs, ballots }) =>
        row(
          plain(endpoint),
          verdict ?? '–',
          `${down} of ${electorate} down${needs === null ? '' : `, needs ${needs}`}`,
          plain(
            Object.entries(ballots)
              .map(([region, ballot]) => `${region}: ${ballot}`)
              .join(', '),
          ),
        ),
      ),
    ),
    dossier.silent.length === 0 ? '' : `Silent: ${dossier.silent.map(plain).join(', ')}.`,
    ...dossier.abstentions.map(({ region, replica, because }) => `Abstained: ${plain(region)}/${plain(replica)}: ${plain(because)}.`),
    dossier.wouldChange === '' ? '' : `What would have changed it: ${plain(dossier.wouldChange)}.`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');

const movedOf = ({ changes, trail, holds, rules }: Dossier): string =>
  [
    changes.length === 0
      ? 'It moved nothing.'
      : table(
          ['service', 'before', 'after'],
          changes.slice(0, SERVICES_MAX).map(({ service, before, after }) => row(plain(service), route(before), route(after))),
        ),
    trail.length === 0
      ? ''
      : table(
          ['service', 'provider', 'outcome', 'after the decision', 'tries', 'note'],
          trail
            .slice(0, SERVICES_MAX)
            .map(({ service, provider, outcome, afterMs, tries, because }) =>
              row(plain(service), plain(provider), outcome, duration(afterMs), String(tries), plain(because)),
            ),
        ),
    ...holds
      .slice(0, SERVICES_MAX)
      .map(({ service, pool, hold, because }) => `- held: ${plain(service)}/${plain(pool)} (${plain(hold)}): ${plain(because)}`),
    ...rules.refused.map(
      ({ rule, because, counterfactual }) =>
        `- refused by ${plain(rule)}: ${plain(because)}${counterfactual === null ? '' : `; ${plain(counterfactual)}`}`,
    ),
  ]
    .filter((part) => part !== '')
    .join('\n\n');

/** GitHub's Markdown. */
export const postMortem = ({ course, cluster, nowMs, origin, dossier, decisions }: Recorded): string => {
  const { id, kind, region, services, because, v, closedAtMs, detection, convergence } = course;
  const begun = course.t0AtMs ?? course.t3AtMs;
  const lasted = closedAtMs === null ? `goes on after ${duration(nowMs - begun)}` : `lasted ${duration(closedAtMs - begun)}`;
  const section = (title: string, ...text: readonly string[]): string => `## ${title}\n\n${text.join('\n\n')}`;
  return `${[
    `# ${plain(`${region}: ${kind}, ${instant(begun)} UTC`)}`,
    `${closedAtMs === null ? '**Not over: written while it went on.** ' : ''}Incident \`${id.replaceAll('`', '')}\` of cluster ${plain(cluster)}: ${origin}/#incident=${encodeURIComponent(id)}, decision ${v}: ${origin}/#decision=${v}. Times are cluster time in UTC; read at ${instant(nowMs)}.`,
    section(
      'Summary',
      `${plain(because)}.`,
      `${count(services.length, 'service')}; ${lasted}. Detected in ${detectionText(detection)} (goal ${duration(detection.goalMs)}: ${detection.judgement}); users on the new route: ${plain(convergenceText(course, nowMs))} (goal ${duration(convergence.goalMs)}: ${convergence.judgement}).`,
      ask('In two sentences for somebody who was not there: what broke, and whom it hit.'),
    ),
    section(
      'Impact',
      `Services: ${services.slice(0, SERVICES_MAX).map(plain).join(', ') || 'none'}${services.length > SERVICES_MAX ? ` and ${services.length - SERVICES_MAX} more` : ''}.`,
      ask('Which users noticed, what they could not do, for how long; requests lost, data lost.'),
    ),
    section(
      'What happened when',
      timesTable(course),
      convergence.services.length === 0 ? '' : servicesTable(course, nowMs),
      ask('Add what people did and knew: who was paged, who came, what was tried.'),
    ),
    section('What was seen, and by whom', dossier === null ? 'The decision could not be read.' : evidenceOf(dossier)),
    section('What was decided and written', dossier === null ? 'The decision could not be read.' : movedOf(dossier)),
    section(
      'Decisions while it lasted',
      decisions.length === 0
        ? 'None beside those above.'
        : table(
            ['', 'UTC', 'by', 'because'],
            decisions.toReversed().map((each) => row(`${each.v}`, instant(each.atMs), plain(each.by), plain(each.because))),
          ),
    ),
    section('Causes', ask('What broke first, and why; what made it worse; why it was not caught before.')),
    section('What went well, what did not, where we were lucky', '- \n- \n- '),
    section('What we will do', table(['action', 'kind (prevent, detect, mitigate)', 'owner', 'due', 'ticket'], [row('', '', '', '', '')])),
  ].join('\n\n')}\n`;
};
