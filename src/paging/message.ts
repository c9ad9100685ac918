// What people are told of a page: a first line that says what happened, what Tidegate did, whether it worked and what it needs from them; below it the
// measured times beside the goals, and where to read on. Pure: the same page makes the same notice, whoever sends it and however often.
import type { Course, Judgement } from '../converge/timings.ts';
import type { Page } from '../model.ts';
import type { Notice } from './channel.ts';
import { line } from './fit.ts';
import { actionOf } from './incidents.ts';
import { aboutOf } from './routing.ts';

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

/** What a page needs from whoever reads it, by its type: the longest beginning that fits. What asks for nobody needs nothing. */
const NEEDS: Readonly<Record<string, string>> = {
  'region.drained': 'nothing to do now: within the goal you hear whether users have left it; find out what ails the region',
  'region.down': 'nothing to do now: its traffic has left already; find out what ails the region',
  'region.suspect': 'have a look: one endpoint fails while the other answers, and nothing is moved for that',
  'region.out_in_drill': 'have a look: it failed while a drill keeps its traffic away; let no traffic return to it before it is well',
  'region.unready_long': 'have a look: it has been unready for long, and the others carry its load',
  'service.hold_all_down':
    'act now: our probes or a shared cause are likelier than all being down; the last route stays until you order otherwise',
  'service.hold_receiver': 'act now: no other pool is fit to take the traffic; mend one, or order what should be done',
  'service.hold_floor': 'act now: more would leave too few pools; mend one, or order what should be done',
  'service.hold_frozen': 'act: nothing is written here until tidegate adopt or ack says which side is right',
  'service.hold_freeze': 'act: an order holds automation still here; end the freeze, or move the traffic by hand',
  'service.hold_': 'have a look: automation holds still and says why; mend the cause, or order what should be done',
  'service.failed_open': 'act now: every pool is down, and traffic goes by the configured shares',
  'convergence.missed': 'act now: users are still sent to where the decision took them from; look at the provider and at what is named',
  'target.gray': 'have a look: some requests fail, too few to move traffic',
  'override.': 'whoever gave the order should look at it again',
  'advice.': 'act if you agree: nothing was written, since this service is in advise',
  'provider.ahead': 'act now: nothing is written until tidegate adopt says which side is right',
  'provider.manual': 'tidegate ack, once the route that was set by hand may be left to automation',
  'provider.drift': 'find out who else writes there',
  'provider.fence_lost': 'find out who removed the fence record',
  'provider.failing': 'act if it goes on: routes cannot be written there until it answers',
  'provider.taken_back': 'act now: what the provider had accepted is gone',
  'provider.': 'have a look at the provider',
  'store.lost': 'act now: nothing can be decided without the store; a command stands above',
  'belief.down': 'act now: only a human can; a command stands above',
  'config.': 'mend the configuration',
  'vote.': 'find out who holds that key',
  'gate.': 'have a look at the gate of this replica',
  'drill.': 'run a drill: what was not tried for so long may not work',
  'capacity.': 'add capacity, or give it shares that fit',
  'paging.': 'mend the channel: pages go by the others meanwhile',
};

const needOf = (type: string): string | null => {
  const fits = Object.keys(NEEDS).filter((prefix) => type.startsWith(prefix));
  const longest = fits.reduce<string | null>((best, prefix) => (best === null || prefix.length > best.length ? prefix : best), null);
  return longest === null ? null : (NEEDS[longest] ?? null);
};

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

const textsOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []);

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
