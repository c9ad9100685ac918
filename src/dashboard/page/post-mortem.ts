// An incident as Markdown, for whoever writes down the morning after what happened: all that was recorded is filled in, what only people know is asked. Pure.
import type { DecisionItem, Dossier } from '../../client/schema.ts';
import { type Course, convergenceText, decidedAtMs, detectionText, judged, signed, slowestFirst, stampsOf } from './timeline.ts';
import { count, duration, percent } from './words.ts';

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
