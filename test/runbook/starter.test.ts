// When runs begin by themselves: the judgement on scenes made by hand, then the coordinator's duty on a store.
import { expect, test } from 'vitest';
import type { Term } from '../../src/coordinate/coordinator.ts';
import { KEYS, platformKey, runKey } from '../../src/coordinate/keys.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import { type Incident, type Override, type Route, type Routing, type ServiceConfig, targetId } from '../../src/model.ts';
import type { PlatformRecord, Run } from '../../src/runbook/model.ts';
import type { PlatformConfig } from '../../src/runbook/platform.ts';
import { newRun } from '../../src/runbook/run.ts';
import {
  CALM_MS,
  type ChooseTarget,
  FOLLOW_AFTER_MS,
  type Move,
  movesOf,
  NO_WATCH,
  type Scene,
  watched,
} from '../../src/runbook/starter.ts';
import { createStarter } from '../../src/runbook/starter-duty.ts';
import { heardFrom, tallyOf } from '../health/votes.ts';
import { recordingLog } from '../recording-log.ts';
import { clusterOf } from '../world.ts';
import { clusterWith, createRig, EAST, platformOf, SOUTH, START_MS, STORY, WEST } from './rig.ts';

const NOW = START_MS + 3_600_000;

const choose: ChooseTarget = ({ regions }, from, states) => ({
  to: regions.find((region) => region !== from && states[region]?.verdict === 'up') ?? null,
  because: 'the first that is up',
});

const WELL = [tallyOf(EAST), tallyOf(WEST), tallyOf(SOUTH)];
const EAST_OUT = [tallyOf(EAST, { verdict: 'out', cause: 'down' }), tallyOf(WEST), tallyOf(SOUTH)];
const EAST_SUSPECT = [tallyOf(EAST, { suspectAtQuorum: true }), tallyOf(WEST), tallyOf(SOUTH)];

const incident = (given: Partial<Incident> = {}): Incident => ({
  id: '7-us-east',
  kind: 'region-down',
  region: EAST,
  services: ['web'],
  because: 'us-east down: 2 of 3 vantages',
  v: 7,
  epoch: 1,
  t0AtMs: NOW - 20_000,
  t0LastAtMs: null,
  t1AtMs: null,
  t2AtMs: null,
  t3AtMs: NOW - 10_000,
  published: {},
  witnesses: [],
  closedAtMs: null,
  nonce: 'n',
  ...given,
});

const override = (given: Partial<Override>): Override => ({
  id: 'o1',
  kind: 'stop',
  scope: {},
  reason: 'we look first',
  owner: 'ada',
  createdAtMs: NOW - 1_000,
  expiresAtMs: NOW + 3_600_000,
  ...given,
});

const record = (active: string, given: Partial<PlatformRecord> = {}): PlatformRecord => ({
  active,
  sinceAtMs: NOW - 1_800_000,
  run: 'r0',
  because: 'x',
  history: [],
  nonce: 'n',
  ...given,
});

const run = (given: Partial<Run> = {}): Run => ({
  ...newRun(
    {
      id: 'r1',
      platform: 'shop',
      model: 'active-cold',
      purpose: 'failover',
      mode: 'ungraceful',
      from: EAST,
      to: WEST,
      cause: { kind: 'incident', incident: '7-us-east', because: 'x' },
      because: 'x',
      plan: STORY,
      askMs: 600_000,
      nonce: 'n',
      persons: 1,
      by: [],
    },
    NOW - 5_000,
  ),
  ...given,
});

const shop = (given: Partial<PlatformConfig> = {}): PlatformConfig => platformOf({ services: ['web'], ...given });
const trigger = (mode: 'off' | 'propose' | 'auto', given: Partial<PlatformConfig['trigger']> = {}): Pick<PlatformConfig, 'trigger'> => ({
  trigger: { mode, holdMs: 0, prearm: false, ...given },
});

const WEB = { name: 'web', pools: [EAST, WEST, SOUTH].map((name) => ({ name, region: name })) } as unknown as ServiceConfig;

const sceneOf = (platform: PlatformConfig, given: Partial<Scene> & { orders?: readonly Override[] } = {}): Scene => {
  const { orders = [], ...rest } = given;
  return {
    cluster: { ...clusterWith(platform), services: [WEB] },
    tallies: EAST_OUT,
    incidents: [incident()],
    overrides: { version: 1, nonce: 'n', items: orders },
    records: new Map(),
    runs: [],
    followed: new Map(),
    watch: NO_WATCH,
    nowMs: NOW,
    ...rest,
  };
};

const begun = (scene: Scene): Extract<Move, { do: 'begin' }>['run'] | null =>
  movesOf(scene, choose).flatMap((move) => (move.do === 'begin' ? [move.run] : []))[0] ?? null;

test('a region that is down for long enough begins a run, or proposes one, or neither', () => {
  expect(begun(sceneOf(shop()))).toMatchObject({ purpose: 'failover', mode: 'ungraceful', from: EAST, to: WEST, persons: 0 });
  expect(begun(sceneOf(shop(trigger('propose'))))).toMatchObject({ persons: 1 });
  expect(begun(sceneOf(shop({ ...trigger('propose'), approvals: { start: 2, steps: {}, expireMs: 1 } })))).toMatchObject({ persons: 2 });
  expect(begun(sceneOf(shop(trigger('off'))))).toBeNull();
  expect(begun(sceneOf(shop(trigger('auto', { holdMs: 10_001 }))))).toBeNull();
  expect(begun(sceneOf(shop(trigger('auto', { holdMs: 10_000 }))))).not.toBeNull();
});

test.each<[string, Partial<Parameters<typeof sceneOf>[1]>, Partial<PlatformConfig>?]>([
  ['it is over', { incidents: [incident({ closedAtMs: NOW })] }],
  ['it is only unready', { incidents: [incident({ kind: 'region-unready' })] }],
  ['it is another region', { incidents: [incident({ region: SOUTH })] }],
  ['none of its services is in it', { incidents: [incident({ services: ['mail'] })] }],
  ['it is active elsewhere', { records: new Map([['shop', record(WEST)]]) }],
  ['it is up again, and its traffic only returns', { tallies: WELL }],
  ['it is down no more, only unready', { tallies: [tallyOf(EAST, { verdict: 'out', cause: 'unready' }), tallyOf(WEST), tallyOf(SOUTH)] }],
  ['a run of it is open', { runs: [run({ state: 'running' })] }],
  ['everything is stopped', { orders: [override({})] }],
  ['its service is frozen', { orders: [override({ kind: 'freeze', scope: { service: 'web' } })] }],
  ['nowhere is up', { tallies: EAST_OUT.map((each) => ({ ...each, verdict: 'out' as const, cause: 'down' as const })) }],
])('nothing begins while %s', (_, given) => expect(begun(sceneOf(shop(), given))).toBeNull());

test.each(['stop', 'freeze'] as const)(
  'a %s of the whole cluster holds a platform without services too; one of a service does not',
  (kind) => {
    const bare = shop({ services: [] });
    expect(begun(sceneOf(bare, { orders: [override({ kind, scope: {} })] }))).toBeNull();
    expect(begun(sceneOf(bare, { orders: [override({ kind, scope: { service: 'web' } })] }))).not.toBeNull();
  },
);

test('orders that are over, or are about something else, hold nothing', () => {
  expect(
    begun(sceneOf(shop(), { orders: [override({ expiresAtMs: NOW - 1 }), override({ id: 'o2', scope: { service: 'mail' } })] })),
  ).not.toBeNull();
});

test('one occasion is one run: its id is the same, and what has ended is not begun again for it', () => {
  const id = begun(sceneOf(shop()))?.id ?? '';
  expect(begun(sceneOf(shop(), { nowMs: NOW + 60_000 }))?.id).toBe(id);
  expect(begun(sceneOf(shop(), { runs: [run({ id, state: 'failed' })] }))).toBeNull();
  expect(begun(sceneOf(shop(), { incidents: [incident({ id: '9-us-east' })] }))?.id).not.toBe(id);
  expect(id).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$/);
});

test('a drain that waits for a proof begins a run as the fall does; once it is done, that is the same outage', () => {
  const held = incident({ id: '7-hold-rule:tier-us-east', kind: 'held' });
  const waiting = new Set([held.id]);
  const id = begun(sceneOf(shop(), { incidents: [held], waiting }))?.id ?? '';
  expect(begun(sceneOf(shop(), { incidents: [held], waiting }))).toMatchObject({
    purpose: 'failover',
    from: EAST,
    cause: { kind: 'incident', incident: held.id },
  });
  // Other holds of it say nothing of the region, nor does one of another region, nor one while it is only unready.
  expect(begun(sceneOf(shop(), { incidents: [held], waiting: new Set() }))).toBeNull();
  expect(begun(sceneOf(shop(), { incidents: [{ ...held, region: WEST }], waiting }))).toBeNull();
  expect(begun(sceneOf(shop(), { incidents: [held], waiting, tallies: WELL }))).toBeNull();
  const incidents = [{ ...held, closedAtMs: NOW }, incident({ id: '9-us-east', t2AtMs: NOW - 15_000 })];
  const cause = { kind: 'incident', incident: held.id, because: 'x' } as const;
  const mine = (given: Partial<Run>): Run => run({ id, cause, createdAtMs: NOW - 9_000, ...given });
  expect(begun(sceneOf(shop(), { incidents, runs: [mine({ state: 'failed' })] }))).toBeNull();
  // An earlier outage is another one.
  expect(begun(sceneOf(shop(), { incidents, runs: [mine({ state: 'failed', createdAtMs: NOW - 600_000 })] }))).not.toBeNull();
  const proposed = mine({ state: 'proposed', approval: { persons: 1, by: [], untilMs: NOW + 1 } });
  expect(movesOf(sceneOf(shop(), { incidents, runs: [proposed] }), choose)).toEqual([]);
  expect(movesOf(sceneOf(shop(), { incidents: incidents.slice(0, 1), runs: [proposed] }), choose)).toMatchObject([{ do: 'moot' }]);
});

test('a region that falls again after the platform came back to it, before its incident has closed, is another occasion', () => {
  const id = begun(sceneOf(shop()))?.id ?? '';
  const runs = [run({ id, state: 'done' })];
  const back = (sinceAtMs: number) => ({ runs, records: new Map([['shop', record(EAST, { sinceAtMs })]]) });
  const again = begun(sceneOf(shop(), back(NOW - 5_000)));
  expect(again).toMatchObject({ purpose: 'failover', from: EAST, to: WEST });
  expect(again?.id).not.toBe(id);
  // Its hold counts from then, and a platform that has not moved since is where it was.
  expect(begun(sceneOf(shop(trigger('auto', { holdMs: 10_000 })), back(NOW - 5_000)))).toBeNull();
  expect(begun(sceneOf(shop(), back(NOW - 60_000)))).toBeNull();
  // What serves everywhere has gone to another one, and is not sent there twice.
  const spread = shop({ model: 'active-active' });
  expect(begun(sceneOf(spread, { runs, records: new Map([['shop', record(WEST, { sinceAtMs: NOW - 5_000 })]]) }))).toBeNull();
});

test('an evacuation begins a graceful run where runs begin by themselves, and nothing elsewhere', () => {
  const orders = [override({ kind: 'evacuate', scope: { region: EAST }, by: 'ada' })];
  const calm = { incidents: [], tallies: WELL, orders };
  expect(begun(sceneOf(shop(), calm))).toMatchObject({ mode: 'graceful', from: EAST, to: WEST, cause: { kind: 'order', by: 'ada' } });
  expect(begun(sceneOf(shop(trigger('propose')), calm))).toBeNull();
});

test('where nobody writes the route, nothing around it moves by itself: it is proposed', () => {
  for (const mode of ['observe', 'advise'] as const) {
    const cluster = { ...clusterWith(shop()), services: [{ ...WEB, mode }] };
    expect(begun(sceneOf(shop(), { cluster }))).toMatchObject({ persons: 1 });
    expect(begun(sceneOf(shop(), { modes: new Map([['web', mode]]) }))).toMatchObject({ persons: 1 });
    const quiet = { incidents: [], tallies: EAST_SUSPECT, cluster: { ...cluster, platforms: [prearm] } };
    expect(begun(sceneOf(prearm, quiet))).toMatchObject({ purpose: 'prearm', persons: 0 });
  }
});

test('of a platform that is configured no more nothing begins; what was proposed is dropped, who was called hears that it is over', () => {
  const left = (runs: readonly Run[]) =>
    movesOf({ ...sceneOf(shop(), { runs }), cluster: { ...clusterWith(shop()), platforms: [] } }, choose);
  expect(left([run()])).toMatchObject([{ do: 'moot', because: 'shop is configured no more' }]);
  expect(left([stood()])).toMatchObject([{ do: 'undo', only: ['webhook.call'] }]);
  expect(left([run({ state: 'running' }), stood({ state: 'undone' })])).toEqual([]);
});

test('what was proposed for an outage that is over is dropped; what runs is not', () => {
  const over = { incidents: [incident({ closedAtMs: NOW })], tallies: WELL };
  expect(movesOf(sceneOf(shop(), { ...over, runs: [run()] }), choose)).toMatchObject([{ do: 'moot', because: `${EAST} is well again` }]);
  expect(movesOf(sceneOf(shop(), { ...over, runs: [run({ state: 'running' })] }), choose)).toEqual([]);
  expect(movesOf(sceneOf(shop(), { runs: [run()] }), choose)).toEqual([]);
  const moved = sceneOf(shop(), { runs: [run()], records: new Map([['shop', record(WEST)]]) });
  expect(movesOf(moved, choose)).toMatchObject([{ do: 'moot' }]);
});

const prearm = shop(trigger('auto', { prearm: true }));
const stood = (given: Partial<Run> = {}): Run => run({ id: 'p1', purpose: 'prearm', state: 'done', createdAtMs: NOW - 120_000, ...given });

test('suspicion at a quorum of all its pools gets ready; of some of them, or twice, does not', () => {
  const quiet = { incidents: [], tallies: EAST_SUSPECT };
  expect(begun(sceneOf(prearm, quiet))).toMatchObject({ purpose: 'prearm', from: EAST, to: WEST, persons: 0 });
  expect(begun(sceneOf(shop(), quiet))).toBeNull();
  const half = [...EAST_SUSPECT, tallyOf(EAST, { pool: 'east-2' })];
  expect(begun(sceneOf(prearm, { ...quiet, tallies: half }))).toBeNull();
  expect(begun(sceneOf(prearm, { ...quiet, runs: [stood()] }))).toBeNull();
  expect(begun(sceneOf(prearm, { ...quiet, runs: [stood({ state: 'undone' })] }))).toBeNull();
  expect(begun(sceneOf(prearm, { ...quiet, runs: [stood({ state: 'undone', createdAtMs: NOW - 400_000 })] }))).not.toBeNull();
});

test('calm takes back what got ready; not at once, and not while a failover is under way', () => {
  const base = { incidents: [], tallies: WELL, runs: [stood()] };
  const since = (ms: number) => ({ ...NO_WATCH, calm: new Map([['shop', NOW - ms]]) });
  expect(movesOf(sceneOf(prearm, { ...base, watch: since(CALM_MS - 1) }), choose)).toEqual([]);
  expect(movesOf(sceneOf(prearm, { ...base, watch: since(CALM_MS) }), choose)).toMatchObject([{ do: 'undo', only: null }]);
  const failover = run({ state: 'running' });
  expect(movesOf(sceneOf(prearm, { ...base, runs: [stood(), failover], watch: since(CALM_MS) }), choose)).toEqual([]);
  // It went there: what was woken is in use, and only who was called hears that it is over.
  const there = { ...base, records: new Map([['shop', record(WEST, { sinceAtMs: NOW - 60_000 })]]), watch: since(CALM_MS) };
  expect(movesOf(sceneOf(prearm, there), choose)).toMatchObject([{ do: 'undo', only: ['webhook.call'] }]);
});

test('a failover that ended halfway keeps what was woken for it: what it moved works there', () => {
  const watch = { ...NO_WATCH, calm: new Map([['shop', NOW - CALM_MS]]) };
  const [step = ''] = STORY.map(({ id }) => id);
  const halfway = run({ state: 'aborted', steps: { [step]: { state: 'done', tries: 1, because: 'x', touched: true } } });
  const only = (each: Run) => movesOf(sceneOf(prearm, { incidents: [], tallies: WELL, runs: [stood(), each], watch }), choose);
  expect(only(halfway)).toMatchObject([{ do: 'undo', only: ['webhook.call'] }]);
  expect(only({ ...halfway, state: 'failed' })).toMatchObject([{ only: ['webhook.call'] }]);
  expect(only({ ...halfway, state: 'undone' })).toMatchObject([{ only: null }]);
  expect(only(run({ state: 'dropped' }))).toMatchObject([{ only: null }]);
  expect(only({ ...halfway, to: SOUTH })).toMatchObject([{ only: null }]);
});

test('back home after it was well for so long, once, as its trigger says', () => {
  const automatic = (mode: 'off' | 'propose' | 'auto') => shop({ ...trigger(mode), failback: { kind: 'automatic', afterMs: 600_000 } });
  const well = (ms: number) => ({
    incidents: [],
    tallies: WELL,
    records: new Map([['shop', record(WEST)]]),
    watch: { ...NO_WATCH, homeWell: new Map([['shop', NOW - ms]]) },
  });
  expect(begun(sceneOf(automatic('auto'), well(599_999)))).toBeNull();
  expect(begun(sceneOf(automatic('auto'), well(600_000)))).toMatchObject({
    purpose: 'failback',
    mode: 'graceful',
    from: WEST,
    to: EAST,
    persons: 0,
  });
  expect(begun(sceneOf(automatic('propose'), well(600_000)))).toMatchObject({ persons: 1 });
  expect(begun(sceneOf(automatic('off'), well(600_000)))).toBeNull();
  expect(begun(sceneOf(shop(), well(600_000)))).toBeNull();
  expect(begun(sceneOf(shop({ failback: { kind: 'fail-forward' } }), well(600_000)))).toBeNull();
  const id = begun(sceneOf(automatic('auto'), well(600_000)))?.id ?? '';
  expect(begun(sceneOf(automatic('auto'), { ...well(700_000), runs: [run({ id, state: 'failed', purpose: 'failback' })] }))).toBeNull();
});

test('home is well only while all of it is, without a break', () => {
  const away = { incidents: [], tallies: WELL, records: new Map([['shop', record(WEST)]]) };
  const first = watched(NO_WATCH, sceneOf(shop(), away));
  expect(first.homeWell.get('shop')).toBe(NOW);
  expect(watched(first, sceneOf(shop(), { ...away, nowMs: NOW + 5_000 })).homeWell.get('shop')).toBe(NOW);
  for (const broken of [{ tallies: EAST_SUSPECT }, { tallies: EAST_OUT }, { incidents: [incident()] }])
    expect(watched(first, sceneOf(shop(), { ...away, ...broken })).homeWell.has('shop')).toBe(false);
  expect(watched(first, sceneOf(shop(), { ...away, records: new Map() })).homeWell.has('shop')).toBe(false);
  // A run keeps its traffic away, so the incident cannot close before it is home.
  const kept = override({ kind: 'drain', owner: 'platform shop', scope: { service: 'web', region: EAST } });
  const held = (order: Override) =>
    watched(first, sceneOf(shop(), { ...away, incidents: [incident()], orders: [order] })).homeWell.has('shop');
  expect(held(kept)).toBe(true);
  expect(held({ ...kept, owner: 'ada' })).toBe(false);
});

test('what serves everywhere is concerned by the fall of any of its regions, once', () => {
  const west = incident({ id: '8-eu-west', region: WEST });
  const tallies = [tallyOf(EAST), tallyOf(WEST, { verdict: 'out', cause: 'down' }), tallyOf(SOUTH)];
  expect(begun(sceneOf(shop(), { incidents: [west], tallies }))).toBeNull();
  const spread = shop({ model: 'active-active' });
  const first = begun(sceneOf(spread, { incidents: [west], tallies }));
  expect(first).toMatchObject({ from: WEST, to: EAST });
  const done = run({ id: first?.id ?? '', state: 'done', from: WEST, to: EAST, model: 'active-active' });
  const both = [tallyOf(EAST, { verdict: 'out', cause: 'down' }), tallyOf(WEST, { verdict: 'out', cause: 'down' }), tallyOf(SOUTH)];
  const next = begun(sceneOf(spread, { incidents: [west, incident()], tallies: both, runs: [done] }));
  expect(next).toMatchObject({ from: EAST, to: SOUTH });
});

const PLACES = { [EAST]: 'aws-us-east-1', [WEST]: 'aws-eu-west-1', [SOUTH]: 'aws-ap-south-1' };
const follower = (given: Partial<PlatformConfig> = {}): PlatformConfig =>
  shop({
    model: 'active-hot',
    follow: true,
    namespaces: [{ name: 'n', system: 'cloud', namespaces: ['shop.a1'], places: PLACES, parallel: 1, stopAfter: 1, queues: [] }],
    ...given,
  });
const astray = { incidents: [], tallies: WELL, followed: new Map([['shop', SOUTH]]) };

test('namespaces that others moved are followed there, without loss while what is left is up, and as the trigger says', () => {
  expect(begun(sceneOf(follower(), astray))).toMatchObject({
    purpose: 'failover',
    mode: 'graceful',
    from: EAST,
    to: SOUTH,
    persons: 0,
    cause: { kind: 'seen', because: `its namespaces are active in ${SOUTH}, although no run moved them` },
  });
  expect(begun(sceneOf(follower(), { ...astray, tallies: EAST_OUT }))).toMatchObject({ mode: 'ungraceful', to: SOUTH });
  expect(begun(sceneOf(follower(trigger('propose')), astray))).toMatchObject({ persons: 1 });
  expect(begun(sceneOf(follower(trigger('off')), astray))).toBeNull();
});

const moving = (given: Partial<Run> = {}): Run => {
  const [step] = STORY;
  const move = { ...step, id: 'move', kind: 'temporal.failover', spec: { to: PLACES[SOUTH] } } as unknown as Run['plan'][number];
  const at = { state: 'done', tries: 1, startedAtMs: NOW - 700_000, because: 'x' } as unknown as Run['steps'][string];
  return run({
    id: 'm1',
    plan: [move],
    steps: { move: at },
    state: 'failed',
    createdAtMs: NOW - 800_000,
    endedAtMs: NOW - 600_000,
    ...given,
  });
};

test.each<[string, Partial<Scene> & { orders?: readonly Override[] }, Partial<PlatformConfig>?]>([
  ['it is not to be followed', {}, { follow: undefined } as never],
  ['every region serves', {}, { model: 'active-active' }],
  ['they were not seen together', { followed: new Map() }],
  ['they are where the record says', { records: new Map([['shop', record(SOUTH)]]) }],
  ['they are where the platform has no region', { followed: new Map([['shop', 'mars']]) }],
  ['what they went to is out', { tallies: [tallyOf(EAST), tallyOf(WEST), tallyOf(SOUTH, { verdict: 'out', cause: 'down' })] }],
  ['a run of it is open', { runs: [run({ state: 'running' })] }],
  ['automation is held still', { orders: [override({})] }],
  [
    'what the last run did may not be seen everywhere yet',
    { records: new Map([['shop', record(WEST, { sinceAtMs: NOW - FOLLOW_AFTER_MS + 1 })]]) },
  ],
  ['a run that was taken back has only just ended', { runs: [run({ state: 'undone', endedAtMs: NOW - FOLLOW_AFTER_MS + 1 })] }],
  ['a run that failed has moved them itself', { runs: [moving()] }],
])('nobody follows namespaces while %s', (_, given, platform) => {
  expect(begun(sceneOf(follower(platform), { ...astray, ...given }))).toBeNull();
});

test('a run that is long over, or has taken its move back, or was of an earlier time, keeps nobody from following', () => {
  const back = { ...moving().steps.move, state: 'undone' } as Run['steps'][string];
  for (const given of [
    { runs: [run({ state: 'failed', endedAtMs: NOW - FOLLOW_AFTER_MS })] },
    { runs: [moving({ steps: { move: back } })] },
    { runs: [moving({ endedAtMs: NOW - 700_000 })], records: new Map([['shop', record(WEST, { sinceAtMs: NOW - 650_000 })]]) },
  ])
    expect(begun(sceneOf(follower(), { ...astray, ...given }))).toMatchObject({ to: SOUTH });
});

test('namespaces are followed once for a record and a region, whatever became of it; a known one hides no failback', () => {
  const first = begun(sceneOf(follower(), astray));
  const failed = run({ id: first?.id ?? '', state: 'failed', endedAtMs: NOW - 600_000 });
  expect(begun(sceneOf(follower(), { ...astray, runs: [failed], nowMs: NOW + 60_000 }))).toBeNull();
  const later = { ...astray, runs: [failed], records: new Map([['shop', record(WEST, { sinceAtMs: NOW - 300_000 })]]) };
  expect(begun(sceneOf(follower(), later))).toMatchObject({ from: WEST, to: SOUTH });
  const known = run({ id: begun(sceneOf(follower(), later))?.id ?? '', state: 'failed', endedAtMs: NOW - 200_000 });
  const home = { ...later, runs: [known], watch: { ...NO_WATCH, homeWell: new Map([['shop', NOW - 600_000]]) } };
  const back = follower({ failback: { kind: 'automatic', afterMs: 600_000 } });
  expect(begun(sceneOf(back, home))).toMatchObject({ purpose: 'failback', to: EAST });
});

test('what was proposed for namespaces that went away is dropped when they are back', () => {
  const proposed = run({ cause: { kind: 'seen', because: 'x' }, to: SOUTH });
  expect(movesOf(sceneOf(follower(), { ...astray, runs: [proposed] }), choose)).toEqual([]);
  const home = { ...astray, runs: [proposed], followed: new Map([['shop', EAST]]) };
  expect(movesOf(sceneOf(follower(), home), choose)).toMatchObject([{ do: 'moot', because: `its namespaces are active in ${EAST} again` }]);
  expect(movesOf(sceneOf(follower(), { ...home, followed: new Map() }), choose)).toEqual([]);
});

// ---- the duty ----

const SEED = 3;
const route: Route = { [EAST]: 1000 };

const dutyOf = (fail: () => boolean = () => false) => {
  const rig = createRig(SEED, [shop(trigger('propose'))]);
  const prolonged: string[] = [];
  const starter = () =>
    createStarter({
      ports: rig.virtual.ports,
      store: rig.store,
      log: recordingLog(),
      region: WEST,
      replica: 'a',
      choose,
      planOf: () => STORY,
      orders: {
        async prolong(isAway) {
          prolonged.push(`${isAway('shop', EAST)}`);
        },
      },
    });
  const mods = new Map<string, number>();
  const term: Term = {
    epoch: 1,
    heldSinceMs: 0,
    nowMs: () => NOW,
    renew: async () => true,
    async commit(conditions, ops) {
      const { ok } = await rig.store.txn({ if: conditions, then: ops });
      return ok && !fail();
    },
  };
  const voting = { ...rig.cluster, services: clusterOf([EAST, WEST, SOUTH], [{}]).services };
  const app = targetId('web', EAST, 'app');
  const sight = (given: Partial<Sight> = {}): Sight =>
    ({
      cluster: voting,
      routing: null,
      overrides: null,
      heard: voting.regions.map(({ name }) => heardFrom(voting, name, { down: [app], unready: [app] })),
      incidents: [incident({ services: ['web'] })],
      mod: (key: string) => mods.get(key) ?? rig.store.snapshot().records.get(key)?.kv.mod ?? 0,
      ...given,
    }) as unknown as Sight;
  return { rig, starter, term, sight, mods, prolonged, route };
};

const UP: ChooseTarget = ({ regions }, from) => ({ to: regions.find((region) => region !== from) ?? null, because: 'x' });

test('two coordinators, and one whose reply was lost: one run, one page', async () => {
  const { rig, term, sight } = dutyOf(() => true);
  const make = () =>
    createStarter({
      ports: rig.virtual.ports,
      store: rig.store,
      log: recordingLog(),
      region: WEST,
      replica: 'a',
      choose: UP,
      planOf: () => STORY,
      orders: { prolong: async () => undefined },
    });
  const [one, two] = [make(), make()];
  one.turn(sight(), NOW, term);
  two.turn(sight(), NOW, term);
  await Promise.all([one.settled(), two.settled()]);
  await rig.virtual.advance(2_000);
  one.turn(sight(), NOW + 2_000, term);
  await one.settled();
  const runs = [...rig.store.snapshot().records.keys()].filter((key) => key.startsWith('run/'));
  expect(runs).toHaveLength(1);
  expect(rig.pages().map(({ type }) => type)).toEqual(['runbook.proposed']);
  expect(rig.store.snapshot().records.get(platformKey('shop'))?.kv.value).toMatchObject({ active: EAST, run: null });
});

test('incidents of drains that wait for a proof are known by the routing record', async () => {
  const { rig, term, sight } = dutyOf();
  const held = incident({ id: '7-hold-rule:tier-us-east', kind: 'held', services: ['web'] });
  const begunBy = async (open: Readonly<Record<string, string>>): Promise<number> => {
    const starter = createStarter({
      ports: rig.virtual.ports,
      store: rig.store,
      log: recordingLog(),
      region: WEST,
      replica: 'a',
      choose: UP,
      planOf: () => STORY,
      orders: { prolong: async () => undefined },
    });
    starter.turn(sight({ incidents: [held], routing: { open, services: {} } as unknown as Routing }), NOW, term);
    await starter.settled();
    return [...rig.store.snapshot().records.keys()].filter((key) => key.startsWith('run/')).length;
  };
  expect(await begunBy({ 'hold/receiver/us-east': held.id })).toBe(0);
  expect(await begunBy({ 'hold/rule:tier/us-east': held.id })).toBe(1);
});

test('it is judged anew when what it was judged by has changed', async () => {
  const { rig, term, sight, mods } = dutyOf();
  rig.put(KEYS.override, { version: 1, nonce: 'n', items: [] });
  mods.set(KEYS.override, 0);
  const starter = createStarter({
    ports: rig.virtual.ports,
    store: rig.store,
    log: recordingLog(),
    region: WEST,
    replica: 'a',
    choose: UP,
    planOf: () => STORY,
    orders: { prolong: async () => undefined },
  });
  starter.turn(sight(), NOW, term);
  await starter.settled();
  expect([...rig.store.snapshot().records.keys()].filter((key) => key.startsWith('run/'))).toEqual([]);
  mods.clear();
  await rig.virtual.advance(2_000);
  starter.turn(sight(), NOW + 2_000, term);
  await starter.settled();
  expect([...rig.store.snapshot().records.keys()].filter((key) => key.startsWith('run/'))).toHaveLength(1);
});

test('ended runs are kept up to a number, those that stand for ever; orders are prolonged now and then', async () => {
  const { rig, starter, term, sight, prolonged } = dutyOf();
  for (let n = 0; n < 50; n += 1) rig.put(runKey(`old-${n}`), run({ id: `old-${n}`, state: 'failed', endedAtMs: NOW - n * 1_000 }));
  rig.put(runKey('ready'), stood({ id: 'ready', endedAtMs: 0 }));
  rig.put(platformKey('shop'), record(WEST));
  const duty = starter();
  duty.turn(sight({ incidents: [] }), NOW, term);
  await duty.settled();
  const left = [...rig.store.snapshot().records.keys()].filter((key) => key.startsWith('run/'));
  expect(left).toHaveLength(41);
  expect(left).toContain('run/ready');
  expect(left).toContain('run/old-0');
  expect(left).not.toContain('run/old-49');
  await rig.virtual.advance(60_000);
  duty.turn(sight({ incidents: [] }), NOW + 60_000, term);
  await duty.settled();
  expect(prolonged).toEqual(['true']);
});
