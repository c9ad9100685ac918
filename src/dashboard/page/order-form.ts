// A new order before it is sent: what each kind covers, how long it stands, what is missing, what break-glass would pass. Pure.
import type { Override, OverrideOrder, Refusal } from '../../client/schema.ts';

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
