// How far one service's newest route has come, from one vantage: rounds of looks in, instants out. An instant is that from which a condition has held
// without a break. Evidence against it (a drained or strange address, a request in a region without a share) takes it back; silence only keeps it from
// being reached, since a server that stops answering has not changed its answer. Instants are of this process's monotonic clock. Pure.
import type { Route, ServiceConfig } from '../model.ts';
import type { Asked } from './ask.ts';
import { dueIn, isProxied, measurable, SAMPLES } from './landing.ts';
import type { Landing } from './request.ts';

/** One round. null, or empty: not asked. */
export interface Look {
  authoritative: readonly Asked[] | null;
  resolvers: readonly Asked[];
  requests: readonly Request[];
}

interface Request {
  address: string;
  outcome: Landing | { failed: string };
}

/** Good looks in a row. */
interface Run {
  sinceMs: number;
  rounds: number;
}

/** Rounds in which every request was served as the route wants it. */
interface RequestRun extends Run {
  requests: number;
  /** Regions that served them. */
  regions: readonly string[];
}

export interface Course {
  service: ServiceConfig;
  route: Route;
  fence: number;
  /** Since when this has not been finished: the pace depends on it. */
  openedAtMs: number;
  authoritativeSinceMs: number | null;
  landedSinceMs: number | null;
  resolverRuns: Readonly<Record<string, Run>>;
  requestRun: RequestRun | null;
  because: string;
}

/** What to tell besides: a condition that held and was broken by evidence. */
export interface Step {
  course: Course;
  drift: string | null;
}

/** Two rounds in a row: one may have met a cache about to expire. */
const ROUNDS_MIN = 2;
const PROBLEMS_MAX = 2;
const TEXT_MAX = 240;

export const newCourse = (service: ServiceConfig, route: Route, fence: number, nowMs: number): Course => ({
  service,
  route,
  fence,
  openedAtMs: nowMs,
  authoritativeSinceMs: null,
  landedSinceMs: null,
  resolverRuns: {},
  requestRun: null,
  because: notes(service).join('; ') || 'not looked at yet',
});

/** Everything that can be measured holds. */
export const isDone = (course: Course): boolean => {
  const can = measurable(course.service);
  return (!can.authoritative || course.authoritativeSinceMs !== null) && (!can.landing || course.landedSinceMs !== null);
};

/** In: a round that ended at `nowMs`. */
export const after = (course: Course, look: Look, nowMs: number): Step => {
  const authoritative = withAuthoritative(course, look, nowMs);
  const runs = withRuns(authoritative, look, nowMs);
  const landed = withLanding(runs, look, nowMs);
  const problems = problemsOf(course, look);
  const against = problems.filter((problem) => problem.against).map((problem) => problem.text);
  const broken =
    (course.authoritativeSinceMs !== null && landed.authoritativeSinceMs === null) ||
    (course.landedSinceMs !== null && landed.landedSinceMs === null);
  const drift = broken ? against.slice(0, PROBLEMS_MAX).join('; ') : null;
  const openedAtMs = broken && isDone(course) ? nowMs : course.openedAtMs;
  return { course: { ...landed, openedAtMs, because: becauseOf(landed, problems) }, drift };
};

const isAgainst = (asked: Asked): boolean =>
  !asked.finding.landed && (asked.finding.wrong === 'drained' || asked.finding.wrong === 'strange');

const withAuthoritative = (course: Course, look: Look, nowMs: number): Course => {
  if (look.authoritative === null) return course;
  if (look.authoritative.some(isAgainst)) return { ...course, authoritativeSinceMs: null };
  const all = look.authoritative.length > 0 && look.authoritative.every((asked) => asked.finding.landed);
  return all ? { ...course, authoritativeSinceMs: course.authoritativeSinceMs ?? nowMs } : course;
};

const longer = (run: Run | null | undefined, nowMs: number): Run => ({ sinceMs: run?.sinceMs ?? nowMs, rounds: (run?.rounds ?? 0) + 1 });

const withRuns = (course: Course, look: Look, nowMs: number): Course => ({
  ...course,
  resolverRuns: Object.fromEntries(
    look.resolvers
      .filter((asked) => asked.finding.landed)
      .map((asked) => [asked.server, longer(course.resolverRuns[asked.server], nowMs)] as const),
  ),
  requestRun: withRequests(course, look, nowMs),
});

const withRequests = (course: Course, look: Look, nowMs: number): RequestRun | null => {
  const regions = look.requests.map((request) => servedBy(course, request));
  if (regions.length === 0 || regions.includes(null)) return null;
  const { requestRun } = course;
  return {
    ...longer(requestRun, nowMs),
    requests: (requestRun?.requests ?? 0) + regions.length,
    regions: [...new Set([...(requestRun?.regions ?? []), ...regions.flatMap((region) => region ?? [])])],
  };
};

/**
 * Since when users have landed, as requests show it; null: not yet. Where the answers were looked at themselves, two rounds do. Where requests are all there
 * is, as many are needed as of answers: what is drained must be absent from all of them, and what has a share worth the name be among them.
 */
const requestsSince = (course: Course): number | null => {
  const { service, route, requestRun: run } = course;
  if (run === null || run.rounds < ROUNDS_MIN) return null;
  if (!isProxied(service)) return run.sinceMs;
  const due = dueIn(service, route, service.pools);
  return run.requests >= SAMPLES && due.every(({ region }) => run.regions.includes(region)) ? run.sinceMs : null;
};

const withLanding = (course: Course, look: Look, nowMs: number): Course => {
  const { converge } = course.service;
  const astray = look.requests.some(({ outcome }) => 'status' in outcome && isAstray(course, outcome));
  if (look.resolvers.some(isAgainst) || astray) return { ...course, landedSinceMs: null };
  if (course.landedSinceMs !== null || !measurable(course.service).landing) return course;
  // Where the provider answers for the name, resolvers only say where to ask.
  const resolvers = (isProxied(course.service) ? [] : converge.resolvers).map((server) => course.resolverRuns[server] ?? null);
  const starts = [
    ...resolvers.map((run) => (isProof(course, run, nowMs) ? run.sinceMs : null)),
    ...(converge.request === undefined ? [] : [requestsSince(course)]),
    // Without resolvers the authoritative servers stand for them.
    ...(converge.resolvers.length > 0 ? [] : [course.authoritativeSinceMs]),
  ];
  if (starts.includes(null)) return course;
  return { ...course, landedSinceMs: Math.max(...starts.map((start) => start ?? nowMs)) };
};

/**
 * A resolver's good answers prove something once every authoritative server gives the new route: then nothing else can enter its cache. As long as one
 * does not, a good answer may only be an old one about to expire, or chance; so it must last for a whole TTL and for as many rounds as a server's samples.
 */
const isProof = (course: Course, run: Run | null, nowMs: number): run is Run => {
  if (run === null || run.rounds < ROUNDS_MIN) return false;
  return course.authoritativeSinceMs !== null || (run.rounds >= SAMPLES && nowMs - run.sinceMs >= course.service.ttlS * 1000);
};

const carriesRegion = (course: Course, region: string): boolean =>
  course.service.pools.some((pool) => pool.region === region && (course.route[pool.name] ?? 0) > 0);

const isAstray = (course: Course, landing: Landing): boolean => landing.region !== null && !carriesRegion(course, landing.region);

/** The region that served a request as the route wants it; null: none did. */
const servedBy = (course: Course, { outcome }: Request): string | null => {
  if ('failed' in outcome) return null;
  const { status, region } = outcome;
  return region !== null && status >= 200 && status < 400 && carriesRegion(course, region) ? region : null;
};

interface Problem {
  text: string;
  against: boolean;
}

const problemsOf = (course: Course, look: Look): readonly Problem[] => [
  ...(look.authoritative ?? []).flatMap((asked) => problemWith('authoritative', asked)),
  ...look.resolvers.flatMap((asked) => problemWith('resolver', asked)),
  ...requestProblems(course, look),
];

const problemWith = (role: string, asked: Asked): readonly Problem[] =>
  asked.finding.landed ? [] : [{ text: `${role} ${asked.server}: ${asked.finding.because}`, against: isAgainst(asked) }];

const requestProblems = (course: Course, look: Look): readonly Problem[] => {
  if (course.service.converge.request === undefined || !measurable(course.service).landing) return [];
  if (look.requests.length === 0) return [{ text: 'request: no address to ask', against: false }];
  const found = look.requests.flatMap((request) => requestProblem(course, request));
  // The same of several requests is said once.
  return found.filter(({ text }, i) => found.findIndex((other) => other.text === text) === i);
};

const requestProblem = (course: Course, request: Request): readonly Problem[] => {
  const { address, outcome } = request;
  if ('failed' in outcome) return [{ text: `request to ${address}: ${outcome.failed}`, against: false }];
  if (outcome.region === null) return [{ text: `request to ${address}: the reply names no region in x-region`, against: false }];
  if (isAstray(course, outcome))
    return [{ text: `request to ${address}: answered by ${outcome.region}, which has no share`, against: true }];
  if (servedBy(course, request) === null)
    return [{ text: `request to ${address}: ${outcome.region} answered ${outcome.status}`, against: false }];
  return [];
};

const notes = (service: ServiceConfig): readonly string[] => {
  const can = measurable(service);
  if (isProxied(service)) return can.landing ? [] : ['its pools have no addresses: t6 needs resolvers and a request, and is not measured'];
  return [
    ...(can.authoritative ? [] : ['no authoritative servers configured: t5 is not measured']),
    ...(can.landing ? [] : ['no resolvers and no request configured: t6 is not measured']),
  ];
};

/** Stable while nothing changes: it is written to the store, and no count of rounds is worth that. */
const becauseOf = (course: Course, problems: readonly Problem[]): string => {
  const sorted = problems.toSorted((a, b) => Number(b.against) - Number(a.against)).map((problem) => problem.text);
  const shown = sorted.length > PROBLEMS_MAX ? [...sorted.slice(0, PROBLEMS_MAX), `and ${sorted.length - PROBLEMS_MAX} more`] : sorted;
  const done = measurable(course.service).landing ? 'landed' : 'every authoritative server answers the route';
  const state = isDone(course) ? done : 'good answers, not for long enough yet';
  return [...(shown.length > 0 ? shown : [state]), ...notes(course.service)].join('; ').slice(0, TEXT_MAX);
};
