// What people are told of a page: a first line that says what happened, what Tidegate did, whether it worked and what it needs from them; below it the
// measured times beside the goals, and where to read on. Pure: the same page makes the same notice, whoever sends it and however often.
import type { Course, Judgement } from '../converge/timings.ts';
import type { Page } from '../model.ts';
import { aboutOf, textsOf } from './about.ts';
import type { Notice } from './channel.ts';
import { line } from './fit.ts';
import { actionOf } from './incidents.ts';
import { needOf } from './page-types.ts';

export interface Telling {
  /** What the cluster is called. */
  cluster: string;
  /** Where people open the API, without a slash at the end; null: nowhere. */
  baseUrl: string | null;
}

const HEADLINE_CHARS_MAX = 1_000;
const FACT_CHARS_MAX = 500;
const FACTS_MAX = 20;
const NAMED_MAX = 10;

/** One line: what a receiver shows must not break its form. */
const oneLine = (text: string, unitsMax: number): string => line(text.trim(), unitsMax).trim();

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const instant = (atMs: number): string => (Math.abs(atMs) <= 8.64e15 ? new Date(atMs).toISOString() : String(atMs));

const isCourse = (value: unknown): value is Course =>
  typeof value === 'object' &&
  value !== null &&
  't3AtMs' in value &&
  typeof value.t3AtMs === 'number' &&
  'detection' in value &&
  'convergence' in value;

const VERDICTS: Readonly<Record<Judgement, string>> = {
  met: 'met',
  missed: 'missed',
  pending: 'not over yet',
  unmeasured: 'not measured',
};

const budget = (of: Course['detection']): string =>
  `${of.ms === null ? '-' : seconds(of.ms)} of ${seconds(of.goalMs)}: ${VERDICTS[of.judgement]}`;

/** `t0 +0.0 s`, `t3 +6.1 s`: each stamp after the first that there is. */
const stampsOf = (course: Course): string => {
  const stamps = [course.t0AtMs, course.t1AtMs, course.t2AtMs, course.t3AtMs, course.t4AtMs, course.t5AtMs, course.t6AtMs];
  const first = stamps.find((atMs) => atMs !== null) ?? course.t3AtMs;
  return stamps.map((atMs, n) => `t${n} ${atMs === null ? '-' : `+${seconds(atMs - first)}`}`).join(', ');
};

const courseFacts = (course: unknown): readonly (readonly [string, string])[] =>
  isCourse(course)
    ? [
        ['detection', budget(course.detection)],
        ['convergence', budget(course.convergence)],
        ['times', `${stampsOf(course)} (t3 ${instant(course.t3AtMs)})`],
      ]
    : [];

const named = (names: readonly string[]): string =>
  names.length <= NAMED_MAX ? names.join(', ') : `${names.slice(0, NAMED_MAX).join(', ')} and ${names.length - NAMED_MAX} more`;

const factsOf = (page: Page, cluster: string, need: string | null): Notice['facts'] => {
  const { services, regions } = aboutOf(page);
  const { changes, commands, course, incident, because } = page.detail;
  const facts: (readonly [string, string])[] = [
    ['cluster', cluster],
    ...(regions.length === 0 ? [] : [['region', named(regions)] as const]),
    ...(services.length === 0 ? [] : [['services', named(services)] as const]),
    ...(textsOf(changes).length === 0 ? [] : [['done', named(textsOf(changes))] as const]),
    ...courseFacts(course),
    ...textsOf(commands)
      .slice(0, 3)
      .map((command, n) => [n === 0 ? 'command' : `command ${n + 1}`, command] as const),
    ...(typeof because === 'string' ? [['because', because] as const] : []),
    ...(need === null ? [] : [['to do', need] as const]),
    ['since', instant(page.atMs)],
    ...(page.v === 0 ? [] : [['decision', `v ${page.v}`] as const]),
    ...(typeof incident === 'string' ? [['incident', incident] as const] : []),
    ['key', page.dedupKey],
  ];
  return facts.slice(0, FACTS_MAX).map(([label, value]) => [label, oneLine(value, FACT_CHARS_MAX)]);
};

export const noticeOf = (page: Page, { cluster, baseUrl }: Telling): Notice => {
  const action = actionOf(page);
  const need = action === 'trigger' ? needOf(page.type) : null;
  const tail = need === null ? '' : `; ${need}`;
  const headline = oneLine(page.summary, HEADLINE_CHARS_MAX - tail.length) + tail;
  return {
    page,
    action,
    cluster,
    headline: headline === '' ? oneLine(page.type, HEADLINE_CHARS_MAX) || 'a page' : headline,
    facts: factsOf(page, cluster, need),
    link: baseUrl === null || page.v === 0 ? null : `${baseUrl}/v1/decisions/${page.v}`,
  };
};
