// A new order before it is sent: what an address proposes, what each kind covers, how times and shares are read, and what of it the API would take.
import { describe, expect, test } from 'vitest';
import { parseOverride } from '../../src/api/override-input.ts';
import type { Override } from '../../src/client/schema.ts';
import {
  BLANK,
  type Draft,
  draftFrom,
  foretold,
  KINDS,
  type Kind,
  type Known,
  mistakesIn,
  nameOf,
  ofKind,
  orderOf,
  poolsOf,
  prefill,
  spanMs,
  stageOf,
  sumOf,
  wayPast,
  weightsOf,
  withEnd,
} from '../../src/dashboard/page/acts.ts';
import { cluster, NOW_MS, REGIONS } from '../api/fixture.ts';

const WEB = 'web.example.test';
const known: Known = {
  regions: REGIONS,
  pools: Object.fromEntries(cluster.services.map(({ name, pools }) => [name, pools.map((pool) => pool.name)])),
};
const draft = (given: Partial<Draft> = {}): Draft => ({ ...BLANK, region: 'eu-west', reason: 'maintenance of the database', ...given });
const mistakes = (given: Partial<Draft>): object => mistakesIn(draft(given), known, NOW_MS);

test.each([
  ['15m', 900_000],
  ['15 min', 900_000],
  ['1h 30m', 5_400_000],
  ['1H30M', 5_400_000],
  ['1.5h', 5_400_000],
  ['90s', 90_000],
  ['2d', 172_800_000],
  ['', null],
  ['15', null],
  ['-1h', null],
  ['1w', null],
  ['1h or so', null],
  ['h', null],
])('"%s" is a time of %s ms', (text, ms) => {
  expect(spanMs(text)).toBe(ms);
});

describe('what is missing', () => {
  test.each<[string, Partial<Draft>, object]>([
    ['nothing', {}, {}],
    ['a region', { region: '' }, { region: 'choose a region' }],
    ['a region that there is', { region: 'eu-wst' }, { region: 'choose a region' }],
    ['a pool of that service', { reach: 'pool', service: WEB, pool: 'nowhere' }, { pool: 'choose a pool' }],
    ['a service, before its pool', { reach: 'pool', pool: 'eu-west' }, { service: 'choose a service' }],
    [
      'a name that every object inherits is no service',
      { reach: 'service', kind: 'freeze', service: 'constructor' },
      { service: 'choose a service' },
    ],
    ['nothing, of everything', { kind: 'stop', reach: 'all' }, {}],
    ['a reason', { reason: '  short   ' }, { reason: expect.stringContaining('at least 10') }],
    ['a shorter reason', { reason: 'x'.repeat(501) }, { reason: expect.stringContaining('501') }],
    ['a time', { ttl: 'soon' }, { ttl: expect.stringContaining('15m') }],
    ['a shorter time', { ttl: '8d' }, { ttl: expect.stringContaining('7 d') }],
    ['a start to come', { startsAt: '2026-11-22T03:12' }, { startsAt: expect.stringContaining('past') }],
    ['a nearer start', { startsAt: '2026-12-30T03:12' }, { startsAt: 'within 30 days' }],
    ['a start that is one', { startsAt: 'tomorrow' }, { startsAt: expect.stringContaining('UTC') }],
    ['a shorter ticket', { ticket: 'x'.repeat(101) }, { ticket: expect.stringContaining('100') }],
  ])('%s', (_, given, told) => {
    expect(mistakes(given)).toEqual(told);
  });

  test.each<[Record<string, string>, number | null, object]>([
    [{ 'eu-west': '200', 'us-east': '800' }, 1000, {}],
    [{ 'eu-west': '200', 'us-east': '700' }, 900, { weights: 'together 1000; these are 900' }],
    [{}, 0, { weights: 'together 1000; these are 0' }],
    [{ 'eu-west': '33.3', 'us-east': '966.7' }, null, { weights: expect.stringContaining('whole') }],
    [{ 'eu-west': '-100', 'us-east': '1100' }, null, { weights: expect.stringContaining('whole') }],
  ])('the shares of a pin: %o', (weights, sum, told) => {
    const pin = draft({ kind: 'pin', reach: 'service', service: WEB, weights });
    expect(sumOf(pin, REGIONS)).toBe(sum);
    expect(mistakesIn(pin, known, NOW_MS)).toEqual(told);
  });
});

test.each([
  [
    { a: 333, b: 333, c: 333 },
    { a: '334', b: '333', c: '333' },
  ],
  [
    { a: 0, b: 1000 },
    { a: '0', b: '1000' },
  ],
  [
    { a: 167, b: 667, c: 167 },
    { a: '167', b: '666', c: '167' },
  ],
])('a pin of a third each was refused, since configured shares are rounded one by one: %o becomes %o', (shares, weights) => {
  expect(weightsOf(Object.entries(shares))).toEqual(weights);
});

test('whatever a form without mistakes makes, of every kind and reach, the API takes', () => {
  const weights = { 'eu-west': '250', 'us-east': '750' };
  const each = (Object.keys(KINDS) as Kind[]).flatMap((kind) => KINDS[kind].reaches.map((reach) => ({ kind, reach })));
  expect(each.length).toBeGreaterThan(10);
  for (const { kind, reach } of each) {
    const filled = draft({
      kind,
      reach,
      service: WEB,
      pool: 'us-east',
      weights,
      ticket: 'OPS-1',
      startsAt: '2026-11-22T04:00',
      ttl: '1h 30m',
    });
    expect(mistakesIn(filled, known, NOW_MS), `${kind} ${reach}`).toEqual({});
    const body = orderOf(filled, poolsOf(filled, known));
    const parsed = parseOverride('an-order', body, { cluster, nowMs: NOW_MS, principal: 'ana' });
    expect(parsed, `${kind} ${reach}`).toMatchObject({
      ok: true,
      value: { kind, ttlMs: 5_400_000, startsAtMs: Date.UTC(2026, 10, 22, 4) },
    });
  }
});

test('the controls that are hidden say nothing: a drain of a region names neither service nor shares', () => {
  const filled = draft({ service: WEB, pool: 'us-east', weights: { 'us-east': '1000' } });
  expect(orderOf(filled, REGIONS)).toEqual({
    kind: 'drain',
    scope: { region: 'eu-west' },
    reason: 'maintenance of the database',
    ttlMs: 3_600_000,
  });
});

test('a reason that was pasted over several lines becomes one, which is what the API takes', () => {
  expect(orderOf(draft({ reason: ' the database\n there  is upgraded ' }), []).reason).toBe('the database there is upgraded');
});

describe('what is asked of the future', () => {
  test('the same while the reason is being typed, so that no key costs a forecast', () => {
    const before = foretold(draft({ reason: '' }), known, NOW_MS);
    expect(before).not.toBeNull();
    expect(foretold(draft({ reason: 'the database', ticket: 'OPS-1' }), known, NOW_MS)).toEqual(before);
    expect(parseOverride('a', before, { cluster, nowMs: NOW_MS, principal: 'ana' }).ok).toBe(true);
  });
  test.each<[Partial<Draft>]>([[{ region: '' }], [{ ttl: '' }], [{ kind: 'pin', reach: 'service', service: WEB }]])(
    'nothing of %o',
    (given) => {
      expect(foretold(draft(given), known, NOW_MS)).toBeNull();
    },
  );
});

describe('an address that proposes an order', () => {
  test.each<[string, Partial<Draft>]>([
    ['drain:region=eu-west', { kind: 'drain', reach: 'region', region: 'eu-west' }],
    ['evacuate:region=eu-west', { kind: 'evacuate', reach: 'region', region: 'eu-west' }],
    [`drain:service=${WEB},pool=eu-west`, { kind: 'drain', reach: 'pool', service: WEB, pool: 'eu-west' }],
    [`pin:service=${WEB}`, { kind: 'pin', reach: 'service', service: WEB }],
    ['stop', { kind: 'stop', reach: 'all' }],
    ['pin:region=eu-west', { kind: 'pin', reach: 'service', region: 'eu-west' }],
    ['new', {}],
    ['delete:region=eu-west', {}],
    ['constructor:region=eu-west', {}],
    ['drain:region=%E0%A4%A', { kind: 'drain', region: '%E0%A4%A' }],
    ['', {}],
  ])('%s', (text, given) => {
    expect(draftFrom(text)).toEqual({ ...BLANK, ...given });
  });

  test('keeps the reason that is written already, and never a break-glass', () => {
    const next = draftFrom('drain:region=us-east', draft({ breakGlass: true, weights: { a: '1' } }));
    expect(next).toMatchObject({ region: 'us-east', reason: 'maintenance of the database', breakGlass: false, weights: {} });
  });

  test('names with commas and signs come back whole', () => {
    const scope = { service: 'a,b=c&d.example', pool: 'x y%' };
    expect(draftFrom(prefill('drain', scope))).toMatchObject(scope);
    const inFragment = new URLSearchParams({ order: prefill('drain', scope) }).toString();
    expect(draftFrom(new URLSearchParams(inFragment).get('order') ?? '')).toMatchObject(scope);
  });
});

test('another kind keeps what it can cover too, and never a break-glass', () => {
  const pool = draft({ reach: 'pool', service: WEB, pool: 'eu-west', breakGlass: true });
  expect(ofKind(pool, 'freeze')).toMatchObject({ reach: 'pool', breakGlass: false });
  expect(ofKind(pool, 'pin').reach).toBe('service');
  expect(ofKind(pool, 'evacuate').reach).toBe('region');
  expect(ofKind(draft({ kind: 'stop', reach: 'all' }), 'drain').reach).toBe('region');
  expect(ofKind(BLANK, 'stop').reach).toBe('all');
  expect(ofKind(draft({ region: 'eu-west' }), 'stop').reach).toBe('region');
});

test.each([
  [[], 'free'],
  [[{ rule: 'capacity', risk: 'low' }], 'break-glass'],
  [
    [
      { rule: 'capacity', risk: 'low' },
      { rule: 'rate', risk: 'high' },
    ],
    'second-person',
  ],
  [
    [
      { rule: 'rate', risk: 'high' },
      { rule: 'never-empty', risk: 'low' },
    ],
    'none',
  ],
  [[{ rule: 'last-pool', risk: 'low' }], 'none'],
] as const)('past %o: %s', (refusals, way) => {
  expect(wayPast(refusals)).toBe(way);
});

const ORDER: Override = {
  id: 'a',
  kind: 'drain',
  scope: { region: 'eu-west' },
  reason: 'maintenance of the database',
  owner: 'ana',
  by: 'ben',
  createdAtMs: NOW_MS - 60_000,
  expiresAtMs: NOW_MS + 60_000,
};

test('a changed end keeps whose order it is; a start to come stays, one that has passed is not sent', () => {
  expect(withEnd({ ...ORDER, ticket: 'OPS-1' }, 7_200_000, NOW_MS)).toEqual({
    kind: 'drain',
    scope: { region: 'eu-west' },
    reason: 'maintenance of the database',
    owner: 'ana',
    ticket: 'OPS-1',
    ttlMs: 7_200_000,
  });
  const coming = withEnd({ ...ORDER, startsAtMs: NOW_MS + 30_000, breakGlass: true }, 60_000, NOW_MS);
  for (const body of [coming, withEnd({ ...ORDER, startsAtMs: NOW_MS - 1 }, 60_000, NOW_MS)])
    expect(parseOverride('a', body, { cluster, nowMs: NOW_MS, principal: 'cy' })).toMatchObject({ ok: true, value: { owner: 'ana' } });
  expect(coming.startsAt).toBe(new Date(NOW_MS + 30_000).toISOString());
});

test.each([
  [{ obeyed: true }, 'obeyed'],
  [{ obeyed: false }, 'ignored'],
  [{ obeyed: false, approval: { by: null, atMs: null } }, 'waits'],
  [{ obeyed: true, approval: { by: 'cy', atMs: NOW_MS } }, 'obeyed'],
  [{ obeyed: false, startsAtMs: NOW_MS + 1 }, 'coming'],
  [{ obeyed: true, expiresAtMs: NOW_MS }, 'over'],
])('%o is %s', (given, stage) => {
  expect(stageOf({ ...ORDER, ...given }, NOW_MS)).toBe(stage);
});

test.each([
  ['drain', { region: 'eu-west' }, 'drain of eu-west'],
  ['pin', { service: WEB }, `pin of ${WEB}`],
  ['force-in', { service: WEB, pool: 'eu-west' }, `force-in of ${WEB}/eu-west`],
  ['drain', { service: WEB, region: 'eu-west' }, `drain of ${WEB} in eu-west`],
  ['stop', {}, 'stop of everything'],
] as const)('%s %o is called %s', (kind, scope, name) => {
  expect(nameOf({ kind, scope })).toBe(name);
});
