// What a human can order, suppose and run, as forms hold it and as the API takes it, and what is foretold of it. Pure.
import type { Forecast, Operations, Override, OverrideOrder, PlannedStep, Refusal, Route, Run, RunStep } from '../../client/schema.ts';
import { count, duration, list, percent } from './words.ts';

// ---- a new order ----
// A new order before it is sent: what each kind covers, how long it stands, what is missing, what break-glass would pass.

export type Kind = OverrideOrder['kind'];
/** What an order is about: a region, one pool of a service, a whole service, everything. */
export type Reach = 'region' | 'pool' | 'service' | 'all';

export const KINDS: Readonly<Record<Kind, { does: string; reaches: readonly Reach[] }>> = {
  drain: { does: 'no traffic goes there', reaches: ['region', 'pool'] },
  'force-in': { does: 'counts as up, whatever the votes say', reaches: ['pool', 'region'] },
  pin: { does: 'these shares in place of the configured ones; health still takes from them', reaches: ['service'] },
  freeze: { does: 'the route stays as it is', reaches: ['service', 'region', 'pool', 'all'] },
  evacuate: { does: 'drained in every service, and it does not coordinate', reaches: ['region'] },
  stop: { does: 'no provider is written, while detection goes on', reaches: ['all', 'service', 'region', 'pool'] },
};
export const REACHES: Readonly<Record<Reach, string>> = {
  region: 'a region',
  pool: 'a pool of a service',
  service: 'a service',
  all: 'everything',
};

/** As it stands in the controls. */
export interface Draft {
  kind: Kind;
  reach: Reach;
  region: string;
  service: string;
  pool: string;
  /** Thousandths by pool. */
  weights: Readonly<Record<string, string>>;
  reason: string;
  ticket: string;
  ttl: string;
  /** As `datetime-local` gives it, meant as UTC; empty: at once. */
  startsAt: string;
  breakGlass: boolean;
}

export const BLANK: Draft = {
  kind: 'drain',
  reach: 'region',
  region: '',
  service: '',
  pool: '',
  weights: {},
  reason: '',
  ticket: '',
  ttl: '1h',
  startsAt: '',
  breakGlass: false,
};
export const TTLS = ['15m', '1h', '4h'] as const;

/** Another kind keeps what was named and what it can cover too. */
export const ofKind = (draft: Draft, kind: Kind): Draft => {
  const { reaches } = KINDS[kind];
  const isNamed = { region: draft.region !== '', pool: draft.service !== '', service: draft.service !== '', all: true }[draft.reach];
  const reach = isNamed && reaches.includes(draft.reach) ? draft.reach : (reaches[0] ?? 'all');
  return { ...draft, kind, reach, breakGlass: false };
};

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const SPAN = /^(?:\d{1,6}(?:\.\d{1,3})?\s*(?:s|min|m|h|d)\s*)+$/;

/** `90s`, `15 min`, `1h 30m`, `2d` in ms; null when it is no such text. */
export const spanMs = (text: string): number | null => {
  const given = text.trim().toLowerCase();
  if (!SPAN.test(given)) return null;
  const parts = given.matchAll(/([\d.]+)\s*(s|min|m|h|d)/g);
  return Math.round([...parts].reduce((sum, [, many, unit]) => sum + Number(many) * (UNIT_MS[unit ?? ''] ?? 0), 0));
};

/** null: it is no instant. */
const instantMs = (startsAt: string): number | null => {
  const ms = Date.parse(`${startsAt}Z`);
  return Number.isNaN(ms) ? null : ms;
};

/** Pools by service, and regions: what there is to be named. */
export interface Known {
  regions: readonly string[];
  pools: Readonly<Record<string, readonly string[]>>;
}

export type Mistakes = Readonly<
  Partial<Record<'region' | 'service' | 'pool' | 'weights' | 'ttl' | 'startsAt' | 'reason' | 'ticket', string>>
>;

const WEEK_MS = 7 * 86_400_000;
const REASON_CHARS = { min: 10, max: 500 };
const TICKET_CHARS_MAX = 100;

/** What the weights come to; null: one of them is no whole number of thousandths. */
export const sumOf = ({ weights }: Draft, pools: readonly string[]): number | null => {
  const given = pools.map((pool) => (weights[pool] ?? '').trim());
  return given.every((text) => /^\d{0,4}$/.test(text)) ? given.reduce((sum, text) => sum + Number(text), 0) : null;
};

/** Shares that were rounded one by one, as weights that come to 1000: the largest bears what is left over. */
export const weightsOf = (shares: readonly (readonly [string, number])[]): Readonly<Record<string, string>> => {
  const over = 1000 - shares.reduce((sum, [, share]) => sum + share, 0);
  const largest = shares.toSorted(([, a], [, b]) => b - a)[0]?.[0];
  return Object.fromEntries(shares.map(([pool, share]) => [pool, String(pool === largest ? Math.max(0, share + over) : share)]));
};

const weightMistake = (draft: Draft, pools: readonly string[]): string | null => {
  const sum = sumOf(draft, pools);
  if (sum === null) return 'whole thousandths, from 0 to 1000';
  return sum === 1000 ? null : `together 1000; these are ${sum}`;
};

const scopeMistakes = (draft: Draft, { regions, pools }: Known): Mistakes => {
  const { reach, region, service, pool, kind } = draft;
  if (reach === 'all') return {};
  if (reach === 'region') return regions.includes(region) ? {} : { region: 'choose a region' };
  const there = Object.hasOwn(pools, service) ? pools[service] : undefined;
  if (there === undefined) return { service: 'choose a service' };
  if (reach === 'pool') return there.includes(pool) ? {} : { pool: 'choose a pool' };
  const weights = kind === 'pin' ? weightMistake(draft, there) : null;
  return weights === null ? {} : { weights };
};

const ttlMistake = (ttl: string): string | null => {
  const ms = spanMs(ttl);
  if (ms === null) return 'a time such as 15m, 1h 30m or 2d';
  return ms >= 1_000 && ms <= WEEK_MS ? null : 'from 1 s to 7 d; what has to stand longer belongs in the configuration';
};

const startMistake = (startsAt: string, nowMs: number): string | null => {
  if (startsAt === '') return null;
  const ms = instantMs(startsAt);
  if (ms === null) return 'a date and a time, in UTC';
  if (ms <= nowMs) return 'lies in the past; leave it empty to start at once';
  return ms - nowMs <= 30 * 86_400_000 ? null : 'within 30 days';
};

const reasonMistake = (reason: string): string | null => {
  const { length } = reason.trim();
  if (length < REASON_CHARS.min) return `at least ${REASON_CHARS.min} characters: what should the next morning's reader know?`;
  return length <= REASON_CHARS.max ? null : `at most ${REASON_CHARS.max} characters; these are ${length}`;
};

/** By control; nowMs is cluster time. The API judges again, and knows more. */
export const mistakesIn = (draft: Draft, known: Known, nowMs: number): Mistakes => {
  const told = {
    ttl: ttlMistake(draft.ttl),
    startsAt: startMistake(draft.startsAt, nowMs),
    reason: reasonMistake(draft.reason),
    ticket: draft.ticket.trim().length <= TICKET_CHARS_MAX ? null : `at most ${TICKET_CHARS_MAX} characters`,
  };
  return { ...scopeMistakes(draft, known), ...Object.fromEntries(Object.entries(told).filter(([, text]) => text !== null)) };
};

const scopeOf = ({ reach, region, service, pool }: Draft): OverrideOrder['scope'] => {
  if (reach === 'region') return { region };
  if (reach === 'pool') return { service, pool };
  return reach === 'service' ? { service } : {};
};

/** Of a draft without mistakes. A reason is one line. */
export const orderOf = (draft: Draft, pools: readonly string[]): OverrideOrder => {
  const { kind, weights, reason, ticket, ttl, startsAt, breakGlass } = draft;
  const startsAtMs = startsAt === '' ? null : instantMs(startsAt);
  return {
    kind,
    scope: scopeOf(draft),
    ...(kind === 'pin' ? { weights: Object.fromEntries(pools.map((pool) => [pool, Number(weights[pool] ?? 0)])) } : {}),
    reason: reason.trim().replaceAll(/\s+/g, ' '),
    ...(ticket.trim() === '' ? {} : { ticket: ticket.trim() }),
    ttlMs: spanMs(ttl) ?? 0,
    ...(startsAtMs === null ? {} : { startsAt: new Date(startsAtMs).toISOString() }),
    ...(breakGlass ? { breakGlass } : {}),
  };
};

/** What is asked of the future: the same whatever is still written as its reason. null: it cannot be asked yet. */
export const foretold = (draft: Draft, known: Known, nowMs: number): OverrideOrder | null => {
  const { reason: _, ticket: __, ...mistakes } = mistakesIn(draft, known, nowMs);
  if (Object.keys(mistakes).length > 0) return null;
  return orderOf({ ...draft, reason: '(your reason)', ticket: '' }, poolsOf(draft, known));
};

export const poolsOf = ({ service }: Pick<Draft, 'service'>, { pools }: Known): readonly string[] =>
  Object.hasOwn(pools, service) ? (pools[service] ?? []) : [];

/** `drain:region=eu-west`, `pin:service=web.example.com`: what an address asks to be ordered. */
export const prefill = (kind: Kind, scope: OverrideOrder['scope']): string =>
  `${kind}:${Object.entries(scope)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join(',')}`;

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** What is not understood is left blank: an address is only a proposal. */
export const draftFrom = (text: string, draft: Draft = BLANK): Draft => {
  const [, kind = '', rest = ''] = /^([\w-]+)(?::(.*))?$/.exec(text) ?? [];
  if (!Object.hasOwn(KINDS, kind)) return draft;
  const given = new Map(
    rest.split(',').map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), decoded(pair.slice(at + 1))] as const;
    }),
  );
  const [region = '', service = '', pool = ''] = ['region', 'service', 'pool'].map((name) => given.get(name) ?? '');
  const reach: Reach = region !== '' ? 'region' : pool !== '' ? 'pool' : service !== '' ? 'service' : draft.reach;
  return ofKind({ ...draft, region, service, pool, reach, weights: {} }, kind as Kind);
};

/** Rules that keep users from having nowhere to go. */
const ABSOLUTE = new Set(['never-empty', 'last-pool']);

/** What stands in the way: nothing, something that break-glass passes, something that it passes when a second person agrees, something that nothing passes. */
export const wayPast = (refusals: readonly Pick<Refusal, 'rule' | 'risk'>[]): 'free' | 'break-glass' | 'second-person' | 'none' => {
  if (refusals.length === 0) return 'free';
  if (refusals.some(({ rule }) => ABSOLUTE.has(rule))) return 'none';
  return refusals.some(({ risk }) => risk === 'high') ? 'second-person' : 'break-glass';
};

/** The same order with another end; what has begun already has no start to be named. */
export const withEnd = (order: Override, ttlMs: number, nowMs: number): OverrideOrder => {
  const { kind, scope, weights, reason, owner, ticket, startsAtMs, breakGlass, drill } = order;
  return {
    kind,
    scope,
    reason,
    owner,
    ttlMs,
    ...(weights === undefined ? {} : { weights }),
    ...(ticket === undefined ? {} : { ticket }),
    ...(startsAtMs === undefined || startsAtMs <= nowMs ? {} : { startsAt: new Date(startsAtMs).toISOString() }),
    ...(breakGlass === undefined ? {} : { breakGlass }),
    ...(drill === undefined ? {} : { drill }),
  };
};

export type Stage = 'waits' | 'coming' | 'over' | 'obeyed' | 'ignored';

/** How an order stands at `nowMs`, cluster time. */
export const stageOf = (order: Pick<Override, 'approval' | 'startsAtMs' | 'expiresAtMs'> & { obeyed: boolean }, nowMs: number): Stage => {
  if (nowMs >= order.expiresAtMs) return 'over';
  if (order.approval?.by === null) return 'waits';
  if ((order.startsAtMs ?? 0) > nowMs) return 'coming';
  return order.obeyed ? 'obeyed' : 'ignored';
};

/** `drain of eu-west`, `pin of web.example.com`, `stop of everything`. */
export const nameOf = ({ kind, scope: { region, service, pool } }: Pick<Override, 'kind' | 'scope'>): string => {
  const about = [service, pool].filter((part) => part !== undefined).join('/');
  const where = region === undefined ? '' : about === '' ? region : ` in ${region}`;
  return `${kind} of ${about === '' && where === '' ? 'everything' : `${about}${where}`}`;
};

// ---- plans and runs ----
// Plans and runs as rows: what each step takes, asks and cannot take back, bars of its time, and what a human can do with a run.

export interface Span {
  p50Ms: number;
  p95Ms: number;
}

/** `3.0 s to 12 s`. */
export const spanText = ({ p50Ms, p95Ms }: Span): string =>
  p50Ms === p95Ms ? duration(p50Ms) : `${duration(p50Ms)} to ${duration(p95Ms)}`;

export const sourceText = ({ source }: PlannedStep['estimate']): string => (source === 'runs' ? 'measured here' : 'assumed');

export const personsText = (persons: number): string => (persons === 1 ? 'one person' : `${persons} persons`);

/** In per cent of the width: where it begins, how long it usually takes, how long it may take, and what was measured; null: nothing. */
export interface Bar {
  x: number;
  usual: number;
  slow: number;
  took: number | null;
  /** Longer than it may take. */
  isOver: boolean;
}

const share = (ms: number, scaleMs: number): number => (scaleMs <= 0 ? 0 : Number(((100 * Math.max(0, ms)) / scaleMs).toFixed(2)));

/** `at once`, or what a step waits for, by number: `1 to 4, 7`. What is not in the plan holds nothing back. */
export const numbersOf = (steps: readonly { id: string }[], needs: readonly string[]): string => {
  const numbers = steps.flatMap(({ id }, at) => (needs.includes(id) ? [at + 1] : []));
  const spans: [number, number][] = [];
  for (const number of numbers) {
    const last = spans.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else spans.push([number, number]);
  }
  if (spans.length === 0) return 'at once';
  return spans.map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from}, ${to}` : `${from} to ${to}`)).join(', ');
};

/** When each step of a plan begins and ends at the earliest, by what it needs: all steps at their usual time, and all at their slowest. */
const scheduled = (steps: readonly PlannedStep[]): ReadonlyMap<string, { fromMs: number; usualMs: number; slowMs: number }> => {
  const found = new Map<string, { fromMs: number; usualMs: number; slowMs: number }>();
  for (const { id, needs, estimate } of steps) {
    const before = needs.flatMap((need) => found.get(need) ?? []);
    const fromMs = Math.max(0, ...before.map(({ usualMs }) => usualMs));
    const slowFromMs = Math.max(0, ...before.map(({ slowMs }) => slowMs));
    found.set(id, { fromMs, usualMs: fromMs + estimate.p50Ms, slowMs: slowFromMs + estimate.p95Ms });
  }
  return found;
};

/** On one axis of time: steps that go on side by side lie side by side. `steps` in the order of the plan. */
export const planBars = (steps: readonly PlannedStep[]): ReadonlyMap<string, Bar> => {
  const times = scheduled(steps);
  const scaleMs = Math.max(0, ...[...times.values()].map(({ slowMs }) => slowMs));
  return new Map(
    [...times].map(([id, { fromMs, usualMs, slowMs }]) => {
      const span = { usual: share(usualMs - fromMs, scaleMs), slow: share(slowMs - fromMs, scaleMs) };
      return [id, { x: share(fromMs, scaleMs), ...span, took: null, isOver: false }];
    }),
  );
};

/** Each from its own begin, all on one scale: what was measured beside what was estimated. */
export const runBars = (steps: readonly RunStep[]): ReadonlyMap<string, Bar> => {
  const scaleMs = Math.max(0, ...steps.map(({ estimate, tookMs }) => Math.max(estimate.p95Ms, tookMs ?? 0)));
  return new Map(
    steps.map(({ id, estimate: { p50Ms, p95Ms }, tookMs }) => [
      id,
      {
        x: 0,
        usual: share(p50Ms, scaleMs),
        slow: share(p95Ms, scaleMs),
        took: tookMs === null ? null : share(tookMs, scaleMs),
        isOver: tookMs !== null && tookMs > p95Ms,
      },
    ]),
  );
};

/** Of its mode, and what else has begun: a run that was forced has both. */
export const stepsShown = ({ steps, mode }: Pick<Run, 'steps' | 'mode'>): readonly RunStep[] =>
  steps.filter((step) => step.mode === 'both' || step.mode === mode || step.startedAtMs !== null);

export type Deed = 'approve' | 'answer' | 'abort' | 'undo' | 'force';

/** What makes sense now beside answers to what it asks; the API says whether it is so. */
export const deedsOf = ({ state, mode, purpose }: Pick<Run, 'state' | 'mode' | 'purpose'>): readonly Deed[] => [
  ...(state === 'proposed' || state === 'running' ? (['abort'] as const) : []),
  ...(['running', 'stopping', 'failed', 'aborted'].includes(state) || (state === 'done' && purpose === 'prearm')
    ? (['undo'] as const)
    : []),
  ...(state === 'running' && mode === 'graceful' ? (['force'] as const) : []),
];

export const isOpen = ({ state }: Pick<Run, 'state'>): boolean => ['proposed', 'running', 'stopping', 'undoing'].includes(state);

export const causeText = (cause: Run['cause']): string => {
  if (cause.kind !== 'order') return cause.because;
  return `ordered by ${cause.by}: ${cause.reason}${cause.ticket === undefined ? '' : ` (${cause.ticket})`}`;
};

// ---- forecasts ----
// A forecast as a story, and as one line of a table. Hundreds of services that move alike are told together.

interface Alike {
  services: readonly string[];
  before: Route;
  after: Route;
}

const key = (route: Route): string => JSON.stringify(Object.entries(route).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Services with the same route before and after, in the order of their first. */
export const alike = (changes: readonly { service: string; before: Route; after: Route }[]): readonly Alike[] =>
  [...Map.groupBy(changes, ({ before, after }) => `${key(before)} ${key(after)}`).values()].flatMap((same) => {
    const [first] = same;
    return first === undefined ? [] : [{ services: same.map(({ service }) => service), before: first.before, after: first.after }];
  });

/** Pools whose share changes, in thousandths. */
export const moves = ({ before, after }: Pick<Alike, 'before' | 'after'>): readonly { pool: string; from: number; to: number }[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((pool) => ({ pool, from: before[pool] ?? 0, to: after[pool] ?? 0 }))
    .filter(({ from, to }) => from !== to);

export const movesText = (change: Pick<Alike, 'before' | 'after'>): string =>
  moves(change)
    .map(({ pool, from, to }) => `${pool} ${percent(from)} → ${percent(to)}`)
    .join(', ');

export interface Gist {
  moved: number;
  /** Regions that gain, most first; shares summed over services, in thousandths of one service. */
  to: readonly { region: string; gained: number }[];
  /** The pool that is left with least. */
  tightest: { service: string; leftPercent: number; because: string } | null;
  overloaded: number;
  refused: number;
  held: number;
  /** Users follow within, at the 99th percentile of the slowest service; null: not known. */
  followMs: number | null;
}

/** `regionOf`: of a pool, as `service/pool`; a pool that is not known stands for itself. */
export const gistOf = (forecast: Forecast, regionOf: (pool: string) => string | undefined): Gist => {
  const moved = forecast.services.filter((service) => moves(service).length > 0);
  const gained = new Map<string, number>();
  for (const service of moved)
    for (const { pool, from, to } of moves(service)) {
      const region = regionOf(`${service.service}/${pool}`) ?? pool;
      if (to > from) gained.set(region, (gained.get(region) ?? 0) + to - from);
    }
  const known = forecast.services.flatMap(({ service, capacity }) =>
    capacity === null ? [] : [{ service, leftPercent: capacity.leftPercent, because: capacity.because }],
  );
  const follow = moved.flatMap(({ converge }) => (converge === null ? [] : [converge.p99Ms]));
  return {
    moved: moved.length,
    to: [...gained].map(([region, sum]) => ({ region, gained: sum })).sort((a, b) => b.gained - a.gained),
    tightest: known.toSorted((a, b) => a.leftPercent - b.leftPercent)[0] ?? null,
    overloaded: known.filter(({ leftPercent }) => leftPercent < 0).length,
    refused: forecast.refusals.length,
    held: forecast.holds.length,
    followMs: follow.length === 0 ? null : Math.max(...follow),
  };
};

/** `us-east 62 %, ap-south 38 %` of what moves. */
export const shareText = ({ to }: Gist): string => {
  const sum = to.reduce((all, { gained }) => all + gained, 0);
  return list(
    to.map(({ region, gained }) => `${region} ${percent(Math.round((1000 * gained) / sum))}`),
    4,
  );
};

export const namesText = (services: readonly string[]): string =>
  services.length <= 3 ? services.join(', ') : `${count(services.length, 'service')} (${list(services, 2)})`;

// ---- what is supposed ----
// What may be supposed, as a form holds it and as the API takes it.

export type Hypothesis = Operations['simulate']['body']['hypotheses'][number];
type Order = Extract<Hypothesis, { kind: 'override' }>['override'];
export type OrderKind = Order['kind'];

/** All fields at once; the kind says which of them count. */
export interface Supposed {
  kind: Hypothesis['kind'];
  region: string;
  service: string;
  pool: string;
  /** Of an order. */
  order: OrderKind;
  covers: 'region' | 'service' | 'pool' | 'everything';
  weights: Readonly<Record<string, string>>;
  ttl: string;
  /** Of an order that ends. */
  id: string;
}

export const SUPPOSABLE: readonly (readonly [Hypothesis['kind'], string])[] = [
  ['region-down', 'a region dies'],
  ['pool-down', 'a pool dies'],
  ['vantage-cut', 'a vantage falls silent'],
  ['override', 'an order is given'],
  ['override-gone', 'an order ends'],
];

/** What an order can cover, the usual first. */
export const COVERS: Readonly<Record<OrderKind, readonly Supposed['covers'][]>> = {
  drain: ['region', 'pool'],
  'force-in': ['region', 'pool'],
  pin: ['service'],
  freeze: ['everything', 'region', 'service', 'pool'],
  evacuate: ['region'],
  stop: ['everything', 'region', 'service', 'pool'],
};

export const freshDraft = (region: string, service: string): Supposed => ({
  kind: 'region-down',
  region,
  service,
  pool: '',
  order: 'drain',
  covers: 'region',
  weights: {},
  ttl: '4h',
  id: '',
});

export const withOrder = (draft: Supposed, order: OrderKind): Supposed => ({
  ...draft,
  order,
  covers: COVERS[order].includes(draft.covers) ? draft.covers : (COVERS[order][0] ?? 'everything'),
});

const coverOf = ({ covers, region, service, pool }: Supposed): Order['scope'] =>
  covers === 'region' ? { region } : covers === 'service' ? { service } : covers === 'pool' ? { service, pool } : {};

/** A share in per cent, as people write it, in thousandths; what is no number is 0. */
const thousandths = (text: string): number => {
  const value = Math.round(10 * Number(text.replace(',', '.')));
  return Number.isFinite(value) ? value : 0;
};

export const sharesOf = ({ weights }: Supposed): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(weights).map(([pool, text]) => [pool, thousandths(text)]));

export const hypothesisOf = (draft: Supposed): Hypothesis => {
  const { kind, region, service, pool, order, ttl, id } = draft;
  if (kind === 'region-down' || kind === 'vantage-cut') return { kind, region };
  if (kind === 'pool-down') return { kind, service, pool };
  if (kind === 'override-gone') return { kind, id };
  return {
    kind,
    override: {
      kind: order,
      scope: coverOf(draft),
      ...(order === 'pin' ? { weights: sharesOf(draft) } : {}),
      ...(ttl.trim() === '' ? {} : { ttl: ttl.trim() }),
    },
  };
};

export const sentenceOf = (hypothesis: Hypothesis): string => {
  switch (hypothesis.kind) {
    case 'region-down':
      return `${hypothesis.region} dies`;
    case 'pool-down':
      return `${hypothesis.service}/${hypothesis.pool} dies`;
    case 'vantage-cut':
      return `the vantage ${hypothesis.region} falls silent`;
    case 'override-gone':
      return `the order ${hypothesis.id} ends`;
    case 'override': {
      const { kind, scope } = hypothesis.override;
      return `${kind} ${[scope.region, scope.service, scope.pool].filter((name) => name !== undefined).join('/') || 'everything'} is ordered`;
    }
  }
};
