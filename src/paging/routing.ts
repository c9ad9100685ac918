// Who is told of a page, and when. Pure. A route has a ladder (`to`) and listeners (`also`): the first of the ladder and all listeners are told at once;
// the next of the ladder when none before it has accepted within 30 s, or at once when one of them never will. Whoever heard of an alert hears of the rest
// of it. The log hears everything. Only what asks for somebody climbs the ladder.
import { Cron } from 'croner';
import type { Page, Severity } from '../model.ts';
import { aboutOf } from './about.ts';
import type { Action } from './channel.ts';
import { actionOf } from './incidents.ts';

/** The channel that is always there. */
export const LOG_CHANNEL = 'log';
/** Without an accepted delivery for so long, the next of the ladder is told. */
export const ESCALATE_AFTER_MS = 30_000;

export interface PageRoute {
  /** Each that is there must match; none matches everything. */
  severity?: readonly Severity[];
  /** Matches a page of any of these services or regions. */
  service?: readonly string[];
  region?: readonly string[];
  /** Minutes that the line of cron matches, in that time zone. */
  hours?: { cron: string; timezone: string };
  /** Names of channels, in the order in which they are tried. */
  to: readonly string[];
  /** Names of channels that are told beside. */
  also: readonly string[];
}

/** Reading a line of cron costs more than all the rest; there are as many as routes have hours. */
const CRONS_MAX = 256;
const crons = new Map<string, Cron>();
const cronOf = ({ cron, timezone }: NonNullable<PageRoute['hours']>): Cron => {
  const known = crons.get(`${timezone} ${cron}`);
  if (known !== undefined) return known;
  if (crons.size >= CRONS_MAX) crons.clear();
  const made = new Cron(cron, { timezone, paused: true });
  crons.set(`${timezone} ${cron}`, made);
  return made;
};

const within = (hours: NonNullable<PageRoute['hours']>, atMs: number): boolean =>
  cronOf(hours).match(new Date(Math.floor(atMs / 60_000) * 60_000));

const matches = (route: PageRoute, page: Page): boolean => {
  const { services, regions } = aboutOf(page);
  return (
    (route.severity === undefined || route.severity.includes(page.severity)) &&
    (route.service === undefined || route.service.some((name) => services.includes(name))) &&
    (route.region === undefined || route.region.some((name) => regions.includes(name))) &&
    (route.hours === undefined || within(route.hours, page.atMs))
  );
};

/** The first that matches; null: every channel is told at once. */
export const routeOf = (page: Page, routes: readonly PageRoute[]): PageRoute | null => routes.find((route) => matches(route, page)) ?? null;

export interface Asking {
  page: Page;
  routes: readonly PageRoute[];
  /** Names of all channels. */
  all: readonly string[];
  /** Channels that heard of earlier pages of the same thread. */
  heard: readonly string[];
  /** Channels that accepted this page; those that never will. */
  accepted: readonly string[];
  dead: readonly string[];
  /** Cluster time. */
  nowMs: number;
}

export interface Plan {
  /** Names of channels that should have it by now, whether they have or not. */
  due: readonly string[];
  /** Cluster time at which more may be due; null: never. */
  nextAtMs: number | null;
  /** The rung that is due then, unless one before it accepts; null: there is none. */
  next: string | null;
}

/** The rungs that are told by now: the first, and each next one once those before it failed for long enough. */
const climbed = (ladder: readonly string[], { page, accepted, dead, nowMs }: Asking): Omit<Plan, 'due'> & { rungs: readonly string[] } => {
  // A human has it: nobody else is called, not even who was called before and did not answer.
  if (page.acknowledged !== undefined) return { rungs: ladder.filter((name) => accepted.includes(name)), nextAtMs: null, next: null };
  const rungs: string[] = [];
  // Of the rung that is told last so far: since when.
  let sinceMs = Math.max(page.atMs, page.notBeforeMs ?? 0);
  for (const [n, rung] of ladder.entries()) {
    rungs.push(rung);
    if (rungs.some((each) => accepted.includes(each)) || n === ladder.length - 1) return { rungs, nextAtMs: null, next: null };
    if (rungs.every((each) => dead.includes(each))) continue;
    sinceMs += ESCALATE_AFTER_MS;
    if (nowMs < sinceMs) return { rungs, nextAtMs: sinceMs, next: ladder[n + 1] ?? null };
  }
  return { rungs, nextAtMs: null, next: null };
};

/** Channels that a page is not told through since it is about them. */
const aboutChannel = ({ type, detail }: Page): string | null =>
  type.startsWith('paging.') && typeof detail.channel === 'string' ? detail.channel : null;

/** An end, or that a human has it, goes to whoever heard of the beginning; only if nobody is known, to the first of the ladder. A change climbs nothing. */
const beginningOf = (ladder: readonly string[], heard: readonly string[], action: Action): readonly string[] =>
  action !== 'change' && heard.some((name) => ladder.includes(name)) ? [] : ladder.slice(0, 1);

/** Nobody but the log would ever hear of it, although the route names somebody: all of them never will, or the page is about the only one. */
const isDeaf = ({ to, also }: PageRoute, { page, accepted, dead }: Asking): boolean => {
  const named = [...to, ...also].filter((name) => name !== LOG_CHANNEL);
  const others = named.filter((name) => name !== aboutChannel(page));
  return named.length > 0 && others.every((name) => dead.includes(name)) && accepted.every((name) => name === LOG_CHANNEL);
};

export const planOf = (asking: Asking): Plan => {
  const { page, routes, all, heard, nowMs } = asking;
  if (page.notBeforeMs !== undefined && nowMs < page.notBeforeMs) return { due: [], nextAtMs: page.notBeforeMs, next: null };
  const again = page.again?.to ?? [];
  if (page.again?.alone === true) return { due: all.filter((name) => again.includes(name)), nextAtMs: null, next: null };
  const about = aboutChannel(page);
  const route = routeOf(page, routes);
  const action = actionOf(page);
  const dueOf = (told: readonly string[]): readonly string[] =>
    all.filter((name) => again.includes(name) || (name !== about && told.includes(name)));
  if (route === null) return { due: dueOf(all), nextAtMs: null, next: null };
  const ladder = route.to.filter((name) => all.includes(name) && name !== about);
  if (action !== 'trigger')
    return { due: dueOf([...beginningOf(ladder, heard, action), ...route.also, ...heard, LOG_CHANNEL]), nextAtMs: null, next: null };
  if (isDeaf(route, asking)) return { due: dueOf(all), nextAtMs: null, next: null };
  const { rungs, nextAtMs, next } = climbed(ladder, asking);
  // Once a human has it no rung is called that has not answered, also not since it heard of the thread before.
  const hearing = page.acknowledged === undefined ? heard : heard.filter((name) => !ladder.includes(name));
  return { due: dueOf([...rungs, ...route.also, ...hearing, LOG_CHANNEL]), nextAtMs, next };
};

/** Whether a rung of the page's ladder is spared: one before it has accepted, or a human has it. */
export const isTaken = (page: Page, routes: readonly PageRoute[], rung: string): boolean => {
  if (page.again?.to.includes(rung)) return false;
  const ladder = routeOf(page, routes)?.to ?? [];
  const at = ladder.indexOf(rung);
  return at >= 0 && (page.acknowledged !== undefined || ladder.slice(0, at).some((name) => page.delivered.includes(name)));
};
