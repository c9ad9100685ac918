// Incidents and pages of a decision: one incident per region that falls, however many services it takes along; one per kind of hold that needs a human.
// A page is keyed by its incident, so that repeats and the resolution find the first one. Who is woken, and how, is src/paging's subject.
import { courseOf } from '../converge/timings.ts';
import type { ClusterConfig, HoldName, Incident, Page, PoolTally, Routing, Severity } from '../model.ts';
import { SERVICE } from './bench.ts';
import { grouped, sentenceOf, shift } from './explain.ts';
import { GRAY } from './pool.ts';
import type { Happening, ServiceStory } from './story.ts';

export interface Telling {
  cluster: ClusterConfig;
  stories: readonly ServiceStory[];
  tallies: readonly PoolTally[];
  /** Open incidents, as read. */
  incidents: readonly Incident[];
  open: Routing['open'];
  ended: NonNullable<Routing['ended']>;
  /** Regions whose vantage speaks now: the population of t6. */
  witnesses: readonly string[];
  v: number;
  epoch: number;
  nonce: string;
  nowMs: number;
}

export interface Told {
  incidents: readonly Incident[];
  open: Routing['open'];
  ended: NonNullable<Routing['ended']>;
  pages: readonly Page[];
}

type Kind = Incident['kind'];

/** An end is told when nothing has begun anew for so long: what flaps is one thread, and nobody is told that it is over while it is not. */
export const RESOLVE_HOLD_MS = 5 * 60_000;

/** What the pages of an incident are keyed by. */
export const threadOf = (incident: Incident): string => incident.thread ?? incident.id;

/** Holds that end by themselves within a span that nobody could act in. */
const QUIET_HOLDS: ReadonlySet<HoldName> = new Set(['pacing', 'confirming', 'settling']);

/** The subject of the incident a happening belongs to; null: it opens none. */
const subjectOf = (h: Happening): { subject: string; kind: Kind } | null => {
  if (h.kind === 'drained') return { subject: h.region, kind: h.cause === 'down' ? 'region-down' : 'region-unready' };
  if (h.kind === 'held' && h.passing) return null;
  if (h.kind === 'held' && h.hold === 'all-down') return { subject: 'hold/all-down', kind: 'all-down' };
  if (h.kind === 'held' && !QUIET_HOLDS.has(h.hold) && h.hold !== 'latched') return { subject: `hold/${h.hold}/${h.region}`, kind: 'held' };
  return null;
};

const severityOf = (h: Happening): Severity => {
  switch (h.kind) {
    case 'drained':
      return h.cause === 'down' || h.latched ? 'critical' : 'info';
    case 'held':
      // Its drain waits for a promotion, and its users wait with it.
      if (h.hold === 'rule:tier' && h.tally.verdict === 'out') return 'critical';
      if (h.hold === 'frozen') return h.tally.verdict === 'out' ? 'critical' : 'warning';
      return h.hold === 'all-down' || h.hold === 'floor' || h.hold === 'receiver' ? 'critical' : 'warning';
    case 'warned':
    case 'set-aside':
    case 'pin-aside':
    case 'failed-open':
      return 'critical';
    case 'refused':
      return h.override.drill === true ? 'info' : 'warning';
    case 'suspect':
    case 'gray':
    case 'unready-long':
    case 'out-in-drill':
      return 'warning';
    case 'released':
      // No drain by health tells of it: its traffic was away already.
      return h.tally.verdict === 'out' ? 'warning' : 'info';
    default:
      return 'info';
  }
};

/** Happenings a human hears of. Ramp stages, freed holds and scaling are in the audit; a full return is told by the incident that it closes. */
const isTold = (h: Happening): boolean =>
  h.kind !== 'stage' &&
  h.kind !== 'freed' &&
  h.kind !== 'scaled' &&
  h.kind !== 'returning' &&
  !(h.kind === 'returned' && !h.early) &&
  !(h.kind === 'suspect' && h.again) &&
  !(h.kind === 'held' && (h.passing || QUIET_HOLDS.has(h.hold)));

/** Incidents opened, grown, upgraded and closed by these stories, and the pages that go with them. `observe` services page nobody. */
export const tell = (telling: Telling): Told => {
  const happenings = telling.stories.flatMap((s) => s.happenings);
  const book = new Map(telling.incidents.filter((i) => i.closedAtMs === null).map((i) => [i.id, i]));
  const open: Record<string, string> = { ...telling.open };
  const ended = Object.fromEntries(Object.entries(telling.ended).filter(([, { untilMs }]) => telling.nowMs < untilMs));
  const written = new Map<string, Incident>();
  const pages: Page[] = [];
  const write = (incident: Incident): void => {
    book.set(incident.id, incident);
    written.set(incident.id, incident);
  };
  for (const group of grouped(happenings)) {
    const h = group[0];
    if (h === undefined) continue;
    const about = subjectOf(h);
    const sentence = sentence1(telling, group);
    if (about !== null) {
      const known = book.get(open[about.subject] ?? '');
      const isLoud = group.some((g) => g.mode !== 'observe' && isTold(g));
      const made =
        known === undefined
          ? opened(telling, about, group, sentence, ended[about.subject]?.thread)
          : grown(known, about.kind, group, sentence, telling.nonce);
      const incident: Incident = isLoud ? { ...made, told: true } : made;
      open[about.subject] = incident.id;
      delete ended[about.subject];
      write(incident);
    }
    const loud = group.filter((g) => g.mode !== 'observe');
    const first = loud[0];
    const id = open[about?.subject ?? topicOf(first ?? h) ?? ''];
    if (first !== undefined && isTold(first)) pages.push(pageOf(telling, loud, first, sentence, book.get(id ?? '') ?? null));
  }
  for (const incident of upgrades(telling, open, book)) {
    write(incident);
    if (loudService(telling, incident)) {
      const type = isAdvice(telling, incident) ? 'advice.down' : 'region.down';
      pages.push(notice(telling, incident, type, 'critical', `${incident.region} is down, not only unready`));
    }
  }
  for (const [subject, id] of Object.entries(open)) {
    const incident = book.get(id);
    if (incident !== undefined && isLasting(telling, subject)) continue;
    delete open[subject];
    if (incident === undefined) continue;
    const closed: Incident = { ...incident, closedAtMs: telling.nowMs, nonce: telling.nonce };
    write(closed);
    const notBeforeMs = telling.nowMs + RESOLVE_HOLD_MS;
    // What nobody was told of begins anew as if it had never been.
    if (incident.told === true) ended[subject] = { thread: threadOf(incident), untilMs: notBeforeMs };
    if (incident.told === true || loudService(telling, incident))
      pages.push({ ...notice(telling, closed, 'incident.resolved', 'info', resolution(closed, isAdvice(telling, closed))), notBeforeMs });
  }
  return { incidents: [...written.values()], open, ended, pages: distinct(pages) };
};

/** Pages under ids of their own: several groups of one decision may tell the same kind of news of the same incident, and no key is written twice. */
const distinct = (pages: readonly Page[]): readonly Page[] => {
  const seen = new Map<string, number>();
  return pages.map((p) => {
    const n = (seen.get(p.id) ?? 0) + 1;
    seen.set(p.id, n);
    return n === 1 ? p : { ...p, id: `${p.id}.${n}` };
  });
};

/**
 * The subject of the incident that news without one of its own belongs to; null: none. Gray is none's: it may begin before an outage and end long after it.
 * Nor is the end of an order, which says nothing of whether the region is well.
 */
const topicOf = (h: Happening): string | null => {
  switch (h.kind) {
    case 'gray':
    case 'gray-over':
    case 'released':
    case 'force-over':
      return null;
    default:
      return h.kind === 'failed-open' ? 'hold/all-down' : h.region;
  }
};

/** Other pools of the region are still gray: the alert that they share goes on. */
const isGrayStill = (t: Telling, region: string): boolean =>
  t.stories.some((s) => s.service.pools.some((p) => p.region === region && s.memories[p.name]?.told.includes(GRAY) === true));

/** The key of news that belongs to no incident; what ends it has the same. */
const keyOf = (h: Happening): string => {
  switch (h.kind) {
    case 'pinned':
      return `override-${h.override.id}`;
    case 'unpinned':
    case 'pin-kept':
    case 'pin-aside':
      return `override-${h.id}`;
    case 'warned':
      return `${h.rule}-${h.service}`;
    case 'refused':
      return h.region === SERVICE ? `override-${h.override.id}` : `refused-${h.region}`;
    default:
      return `${h.kind === 'gray-over' ? 'gray' : h.kind}-${h.region}`;
  }
};

const sentence1 = (t: Telling, group: readonly Happening[]): string =>
  sentenceOf(group, t.cluster.policy.rampStepMs, t.cluster.policy.ramp, t.nowMs);

const opened = (
  t: Telling,
  about: { subject: string; kind: Kind },
  group: readonly Happening[],
  because: string,
  thread: string | undefined,
): Incident => {
  const first = (pick: (tally: PoolTally) => number | null, better: (a: number, b: number) => number): number | null =>
    group.map((h) => pick(h.tally)).reduce<number | null>((best, at) => (at === null ? best : best === null ? at : better(best, at)), null);
  const t0AtMs = first((tally) => tally.firstFaultAtMs, Math.min);
  return {
    id: `${t.v}-${about.subject.replaceAll('/', '-')}`,
    kind: about.kind,
    region: about.subject.startsWith('hold/') ? (about.kind === 'all-down' ? '*' : (group[0]?.region ?? '*')) : about.subject,
    services: servicesOf(group),
    because,
    v: t.v,
    epoch: t.epoch,
    t0AtMs,
    t0LastAtMs: first((tally) => tally.lastOkAtMs, Math.max),
    t1AtMs: t0AtMs === null ? null : Math.min(t.nowMs, t0AtMs + t.cluster.policy.suspectAfterMs),
    t2AtMs: Math.min(...group.map((h) => outAt(t, h))),
    t3AtMs: t.nowMs,
    published: {},
    witnesses: t.witnesses,
    closedAtMs: null,
    ...(thread === undefined ? {} : { thread }),
    nonce: t.nonce,
  };
};

/** Instant at which a quorum first held this pool out. */
const outAt = (t: Telling, h: Happening): number => {
  const story = t.stories.find((s) => s.service.name === h.service);
  return story?.outAtMs[h.pool] ?? t.nowMs;
};

const servicesOf = (group: readonly Happening[]): string[] => [...new Set(group.map((h) => h.service))].sort();

const grown = (incident: Incident, kind: Kind, group: readonly Happening[], because: string, nonce: string): Incident => ({
  ...incident,
  kind: kind === 'region-down' ? kind : incident.kind,
  services: [...new Set([...incident.services, ...servicesOf(group)])].sort(),
  because: incident.kind === 'region-unready' && kind === 'region-down' ? because : incident.because,
  nonce,
});

/** A region drained as unready whose /healthz now fails at a quorum too: the incident gets worse, the route stays. */
const upgrades = (t: Telling, open: Readonly<Record<string, string>>, book: ReadonlyMap<string, Incident>): readonly Incident[] =>
  Object.entries(open).flatMap(([subject, id]): Incident[] => {
    const incident = book.get(id);
    if (incident?.kind !== 'region-unready') return [];
    const down = t.tallies.some((tally) => tally.region === subject && tally.verdict === 'out' && tally.cause === 'down');
    return down ? [{ ...incident, kind: 'region-down', nonce: t.nonce }] : [];
  });

/** Would `tell` upgrade or close anything although no pool moved? The one reason to decide without a change of memory. */
export const hasOverdueNews = (t: Pick<Telling, 'tallies' | 'incidents' | 'open' | 'stories'>): boolean =>
  t.incidents.some(
    (i) =>
      i.closedAtMs === null &&
      ((i.kind === 'region-unready' &&
        t.tallies.some((tally) => tally.region === i.region && tally.verdict === 'out' && tally.cause === 'down')) ||
        Object.entries(t.open).some(([subject, id]) => id === i.id && !isLasting(t, subject))),
  );

const isLasting = (t: Pick<Telling, 'stories'>, subject: string): boolean =>
  t.stories.some((s) =>
    Object.entries(s.memories).some(([pool, memory]) => {
      const region = s.service.pools.find((p) => p.name === pool)?.region;
      if (subject === 'hold/all-down') return memory.hold === 'all-down';
      if (subject.startsWith('hold/')) return `hold/${memory.hold}/${region}` === subject;
      return region === subject && memory.state !== 'in';
    }),
  );

const loudService = (t: Telling, incident: Incident): boolean =>
  t.stories.some((s) => incident.services.includes(s.service.name) && s.mode !== 'observe');

/** Nothing was written of any of its services that is told of. */
const isAdvice = (t: Telling, incident: Incident): boolean => {
  const modes = t.stories.filter((s) => incident.services.includes(s.service.name) && s.mode !== 'observe').map((s) => s.mode);
  return modes.length > 0 && modes.every((mode) => mode === 'advise');
};

const resolution = (incident: Incident, isAdvice: boolean): string => {
  const lastedS = Math.round(((incident.closedAtMs ?? incident.t3AtMs) - incident.t3AtMs) / 1000);
  return incident.kind === 'region-down' || incident.kind === 'region-unready'
    ? isAdvice
      ? `${incident.region} is well again, ${lastedS} s after it would have been drained`
      : `${incident.region} carries its full share again, ${lastedS} s after it was drained`
    : `${incident.kind === 'all-down' ? 'hold-all-down' : 'hold'} ended after ${lastedS} s`;
};

/** It was held a moment ago, and nobody was told that this had ended: what warned of it goes on. What is critical is said each time. */
const isOldNews = (h: Happening, incident: Incident | null): boolean =>
  h.kind === 'held' && severityOf(h) === 'warning' && incident?.kind === 'held' && incident.thread !== undefined;

const pageOf = (t: Telling, group: readonly Happening[], h: Happening, sentence: string, incident: Incident | null): Page => {
  const advice = group.every((g) => g.mode === 'advise') && (h.kind === 'drained' || h.kind === 'returned');
  const moved = t.stories.filter((s) => s.moved && group.some((g) => g.service === s.service.name)).map(shift);
  const shown = moved.length > 3 ? [...moved.slice(0, 2), `and ${moved.length - 2} more`] : moved;
  const summary = [advice ? `advice, nothing was written: ${sentence}` : sentence, ...shown].join('; ');
  const type = h.kind === 'gray-over' && isGrayStill(t, h.region) ? 'target.gray_less' : typeOf(h);
  const severity = isOldNews(h, incident) ? 'info' : severityOf(h);
  return page(t, advice ? `advice.${h.kind}` : type, severity, summary, incident === null ? keyOf(h) : threadOf(incident), {
    services: servicesOf(group),
    region: h.region,
    changes: moved,
    ...(incident === null ? {} : { incident: incident.id, course: courseOf(incident, t.cluster.goals, t.nowMs) }),
  });
};

const typeOf = (h: Happening): string => {
  switch (h.kind) {
    case 'drained':
      return 'region.drained';
    case 'held':
      return `service.hold_${h.hold.replace(/[^a-z]/g, '_')}`;
    case 'ordered':
    case 'forced':
    case 'pinned':
      return 'override.obeyed';
    case 'released':
    case 'force-over':
    case 'unpinned':
      return 'override.ended';
    case 'pin-kept':
      return 'override.kept';
    case 'warned':
      return `${h.rule}.short`;
    case 'pin-aside':
    case 'set-aside':
      return 'override.set_aside';
    case 'refused':
      return 'override.refused';
    case 'failed-open':
      return 'service.failed_open';
    case 'gray':
      return 'target.gray';
    case 'gray-over':
      return 'target.gray_over';
    default:
      return `region.${h.kind.replaceAll('-', '_')}`;
  }
};

const notice = (t: Telling, incident: Incident, type: string, severity: Severity, summary: string): Page =>
  page(t, type, severity, summary, threadOf(incident), {
    services: incident.services,
    region: incident.region,
    incident: incident.id,
    course: courseOf(incident, t.cluster.goals, t.nowMs),
  });

/** A page about something that is no happening of a pool (an expired override, a missed goal). Same keys, same form. */
export const page = (
  t: Pick<Telling, 'cluster' | 'v' | 'nonce' | 'nowMs'>,
  type: string,
  severity: Severity,
  summary: string,
  key: string,
  detail: Readonly<Record<string, unknown>>,
): Page => {
  const slug = `${type}-${key}`.replace(/[^A-Za-z0-9_-]/g, '_');
  return {
    id: `${t.v}-${slug}`,
    dedupKey: `tidegate/${t.cluster.name}/${key}`,
    type,
    severity,
    summary,
    detail,
    atMs: t.nowMs,
    v: t.v,
    delivered: [],
    nonce: t.nonce,
  };
};
