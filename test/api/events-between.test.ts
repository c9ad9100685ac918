// What happens in whole worlds of production code, as events: each is what the table of types says, and the story of an outage can be read from them.
import { beforeAll, describe, expect, test } from 'vitest';
import { CONFIDENTIAL, EVENT_TYPES, type EventType, eventSchema } from '../../src/api/event-types.ts';
import { type EventView, eventsBetween, eventView, type Happening, recordHappening, runsBetween } from '../../src/api/events-between.ts';
import { readAfter, START } from '../../src/audit/feed.ts';
import { appendOps, JOURNAL_KINDS } from '../../src/audit/journal.ts';
import { KEYS } from '../../src/coordinate/keys.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import { tally } from '../../src/health/quorum.ts';
import type { Override, Overrides, Routing } from '../../src/model.ts';
import type { Run } from '../../src/runbook/model.ts';
import { clusterOf, World } from '../world.ts';
import { FLIP, platform, run, SHIFT, stepped } from './runs.fixture.ts';

const REGIONS = ['a', 'b', 'c'];
const told: Happening[] = [];

/** A world that is watched as a replica in `a` watches it. */
const watched = (): World => {
  let before: EventView | null = null;
  return new World(
    { cluster: clusterOf(REGIONS, [{}, { name: 'api' }], { recoveryHoldMs: 20_000, rampStepMs: 5_000 }) },
    {
      sight(who: string, sight: Sight, nowMs: number) {
        if (!who.startsWith('a') || sight.cluster === null) return;
        const after = eventView(sight, tally(sight.cluster, sight.heard, nowMs, true), nowMs);
        if (before !== null && after !== null) told.push(...eventsBetween(before, after));
        before = after;
      },
    },
  );
};

const order = async (world: World, override: Override): Promise<void> => {
  const { kvs } = await world.store.get({ keys: [KEYS.override] });
  const items = [...((kvs[0]?.value as Overrides | undefined)?.items ?? []), override];
  await world.store.txn({ if: [], then: [{ put: KEYS.override, value: { version: items.length, nonce: override.id, items } }] });
};

let world: World;
const records: Happening[] = [];
beforeAll(async () => {
  world = watched();
  await world.start();
  await world.run(30_000);
  world.health('b', ['healthz', 'readyz'], 'hang');
  world.kill('b');
  await world.run(120_000);
  world.health('b', ['healthz', 'readyz'], 'ok');
  world.boot('b');
  await world.run(180_000);
  const nowMs = world.clusterNowMs();
  const ordered = { kind: 'drain', scope: { service: 'web', pool: 'c' }, reason: 'work', owner: 'ana', createdAtMs: nowMs } as const;
  await order(world, { ...ordered, id: 'o1', startsAtMs: nowMs + 5_000, expiresAtMs: nowMs + 400_000 });
  await world.run(420_000);
  const routing = (await world.store.get({ keys: [KEYS.routing] })).kvs[0]?.value as Routing;
  const page = await readAfter(world.store, START, { v: routing.v, n: 0 }, 500);
  records.push(...page.items.map(recordHappening));
}, 60_000);

const names = (): readonly EventType[] => told.map(({ event }) => event.type);
const first = (type: EventType): number => names().indexOf(type);

test('every event is of its type', () => {
  const all = [...told, ...records];
  expect(all.length).toBeGreaterThan(20);
  for (const { event } of all) {
    const parsed = eventSchema.safeParse(JSON.parse(JSON.stringify(event)));
    expect(parsed.success, `${JSON.stringify(event)}\n${parsed.error?.message}`).toBe(true);
  }
});

test('an outage is told in its order: seen, decided, over', () => {
  expect(first('target.verdict.changed')).toBeGreaterThanOrEqual(0);
  expect(first('pool.verdict.changed')).toBeGreaterThanOrEqual(first('target.verdict.changed'));
  expect(first('failover.started')).toBeGreaterThanOrEqual(first('pool.verdict.changed'));
  expect(first('failover.finished')).toBeGreaterThan(first('failover.started'));
  const down = told.find(({ event }) => event.type === 'pool.verdict.changed' && event.data.after === 'out');
  expect(down).toMatchObject({ services: [expect.stringMatching(/web|api/)], event: { data: { pool: 'b', after: 'out' } } });
  expect(records.some(({ event }) => event.type === 'decision.made' && event.data.changes.some(({ after }) => after.b === 0))).toBe(true);
});

test('an order is told when it begins, five minutes before it ends, and when it ends; each once', () => {
  expect(names().filter((name) => name.startsWith('override.'))).toEqual(['override.started', 'override.expiring', 'override.expired']);
  for (const { event, services } of told)
    if (event.type.startsWith('override.')) expect([event.data, services]).toMatchObject([{ id: 'o1' }, ['web']]);
});

test('each thing is told once: the same look twice is silence', async () => {
  const view = { ...(await lastView()) };
  expect(eventsBetween(view, view)).toEqual([]);
  const counted = Map.groupBy(told, ({ event }) => JSON.stringify([event.type, event.data]));
  const steps = [...counted].filter(([key]) => key.includes('failover.'));
  for (const [key, times] of steps) expect(times.length, key).toBe(1);
});

const lastView = async (): Promise<EventView> => {
  let last: EventView | null = null;
  const again = new World(
    { cluster: clusterOf(REGIONS, [{}]) },
    {
      sight(_who, sight, nowMs) {
        if (sight.cluster !== null) last = eventView(sight, tally(sight.cluster, sight.heard, nowMs, true), nowMs);
      },
    },
  );
  await again.start();
  await again.run(5_000);
  if (last === null) throw new Error('nothing was seen');
  return last;
};

describe('what no world of this file does', () => {
  const blank = async (): Promise<EventView> => lastView();

  test('a vantage that abstains takes the majority with it, and gives it back', async () => {
    const view = await blank();
    const voice = { region: 'b', replica: 'a', because: 'cut off' };
    const mute: EventView = { ...view, speak: 1, voters: 3, voices: new Map([['b/a', voice]]) };
    const fine: EventView = { ...view, speak: 3, voters: 3, voices: new Map([['b/a', { ...voice, because: null }]]) };
    expect(eventsBetween(fine, mute).map(({ event }) => event.type)).toEqual(['vantage.abstained', 'quorum.lost']);
    expect(eventsBetween(mute, fine).map(({ event }) => event.type)).toEqual(['vantage.resumed', 'quorum.restored']);
  });

  test('another coordinator; how traffic left, step by step; a goal that was missed', async () => {
    const view = await blank();
    const other = { ...view, leader: { region: 'c', replica: 'a', epoch: 99 } };
    expect(eventsBetween(view, other)).toMatchObject([{ event: { type: 'coordinator.changed', data: { region: 'c', epoch: 99 } } }]);
    const published = { web: { because: 'c still answers the old route' } };
    const incident = {
      id: 'i',
      kind: 'region-down',
      region: 'b',
      services: ['web'],
      because: 'b is down',
      t3AtMs: 1,
      closedAtMs: null,
      published: {},
    };
    const late = (stamps: object): EventView => ({ ...view, incidents: new Map([['i', { ...incident, published: stamps } as never]]) });
    const reached = eventsBetween(late({ web: { t4AtMs: 11 } }), late({ web: { t4AtMs: 11, t5AtMs: 21, t6AtMs: 31 } }));
    expect(
      reached.map(({ event }) => [event.type, 'stage' in event.data && event.data.stage, 'tookMs' in event.data && event.data.tookMs]),
    ).toEqual([
      ['failover.step', 't5', 20],
      ['failover.converged', 't6', 30],
    ]);
    const events = [...eventsBetween(view, other), ...reached, ...eventsBetween(late({}), late(published))];
    expect(events.at(-1)?.event).toMatchObject({ type: 'failover.failed', data: { service: 'web' } });
    for (const { event } of events) expect(eventSchema.safeParse(event).success).toBe(true);
  });

  test('an order that waits for a second person does not begin', async () => {
    const view = await blank();
    const waiting = {
      id: 'o',
      kind: 'stop',
      scope: {},
      reason: 'r',
      owner: 'o',
      createdAtMs: 0,
      expiresAtMs: 1e15,
      approval: { by: null, atMs: null },
    };
    expect(eventsBetween(view, { ...view, overrides: new Map([['o', waiting as Override]]) })).toEqual([]);
    const agreed = { ...waiting, approval: { by: 'bo', atMs: 1 } } as Override;
    const events = eventsBetween(
      { ...view, overrides: new Map([['o', waiting as Override]]) },
      { ...view, overrides: new Map([['o', agreed]]) },
    );
    expect(events.map(({ event }) => event.type)).toEqual(['override.started']);
  });

  test('runs: each as a whole, then its steps as planned; a new one is there, one that stands as before is silent', () => {
    const before = run('r');
    const after = {
      ...stepped(before, { [SHIFT]: { state: 'acting', because: 'goes' }, [FLIP]: { state: 'done', because: 'moved' } }),
      nonce: 'm',
    };
    const told = (was: readonly Run[], is: readonly Run[]) => runsBetween(was, is, [platform('shop')], 1_000);
    const events = told([before], [after]);
    expect(events.map(({ event }) => event.data)).toEqual([
      { run: 'r', platform: 'shop', purpose: 'failover', step: FLIP, state: 'done', because: 'moved' },
      { run: 'r', platform: 'shop', purpose: 'failover', step: SHIFT, state: 'acting', because: 'goes' },
    ]);
    expect(events[0]?.services).toEqual(['web.example.test']);
    for (const { event } of events) expect(eventSchema.safeParse(event).success).toBe(true);
    expect(told([after], [{ ...after, state: 'done', nonce: 'o' }]).map(({ event }) => event.data)).toMatchObject([
      { step: null, state: 'done' },
    ]);
    expect(told([], [after]).map(({ event }) => event.data)).toMatchObject([{ step: null, state: 'running' }]);
    expect(told([after], [after])).toEqual([]);
    expect(runsBetween([], [after], [], 1_000)[0]?.services).toBeNull();
  });

  test('every kind of the journal is an event of that type, and those that name addresses are known', () => {
    for (const kind of JOURNAL_KINDS) {
      const drafts = { kind, by: 'ana', how: 'token', because: 'b', detail: { services: ['web'] }, atMs: 1, nonce: 'n' } as const;
      const [record] = appendOps({ n: 0, hash: '', mod: 0, v: 0, decisionHash: '' }, drafts).entries;
      const { event, services } = recordHappening({ cursor: START, mod: 1, chain: 'journal', record: record! });
      expect(eventSchema.safeParse(event).success, kind).toBe(true);
      expect(services).toEqual(['web']);
    }
    expect([...CONFIDENTIAL].every((type) => EVENT_TYPES.includes(type))).toBe(true);
  });

  test('the table refuses what it does not know', () => {
    expect(eventSchema.safeParse({ type: 'nonsense', timestamp: '2026-01-01T00:00:00Z', data: {} }).success).toBe(false);
    expect(
      eventSchema.safeParse({ type: 'quorum.lost', timestamp: '2026-01-01T00:00:00Z', data: { speak: 1, voters: 3, more: 1 } }).success,
    ).toBe(false);
  });
});
