import { describe, expect, test } from 'vitest';
import { createConvergeDuties } from '../../src/converge/duties.ts';
import type { Term } from '../../src/coordinate/coordinator.ts';
import { appliedKey, incidentKey, outboxKey, seenKey } from '../../src/coordinate/keys.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import type { AppliedRecord, Incident, Page, Routing, Seen } from '../../src/model.ts';
import type { KeyValue, Op } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';
import { clusterOf, incidentOf, NO_EU, REGIONS, routingOf, serviceOf } from './fixture.ts';

const WEB = 'web.example.test';
const API = 'api.example.test';
const T3 = incidentOf().t3AtMs;

/** A store of plain records with a term that writes to it, or is refused. `fence`: of the routes served; incidents are of decision 7. */
const stage = (names: readonly string[] = [WEB], fence = 7) => {
  const cluster = clusterOf(names.map((name) => serviceOf({ name })));
  const routing: Routing = routingOf(Object.fromEntries(names.map((name) => [name, { fence, route: NO_EU }])));
  const records = new Map<string, KeyValue>();
  let rev = 0;
  const put = (key: string, value: unknown): void => {
    rev += 1;
    records.set(key, { key, value, mod: rev });
  };
  const commits: Op[][] = [];
  const state = { refuse: false, epoch: 3, v: routing.v };
  const term: Term = {
    get epoch() {
      return state.epoch;
    },
    heldSinceMs: 0,
    renew: async () => true,
    nowMs: () => 0,
    async commit(conditions, ops) {
      if (state.refuse || conditions.some(({ key, mod }) => (records.get(key)?.mod ?? 0) !== mod)) return false;
      commits.push([...ops]);
      for (const op of ops) {
        if ('put' in op) put(op.put, op.value);
        else records.delete(op.del);
      }
      return true;
    },
  };
  const has = (prefix: string): KeyValue[] => [...records.values()].filter(({ key }) => key.startsWith(prefix));
  const sight = (): Sight => {
    const mods = new Map([...records].map(([key, { mod }]) => [key, mod]));
    return {
      rev,
      cluster,
      leader: null,
      routing: { ...routing, v: state.v },
      overrides: null,
      adopted: null,
      reported: null,
      tiers: null,
      journal: null,
      refused: [],
      frozen: [],
      heard: REGIONS.map((region) => ({ region, replica: 'a', key: `vote/${region}/a`, vote: {} as never, beat: null, ageMs: 500 })),
      incidents: has('incident/').map(({ value }) => value as Incident),
      mod: (key) => mods.get(key) ?? 0,
      ageMs: () => 400,
      has: (prefix) => has(prefix),
    };
  };
  const detections: number[] = [];
  const convergences: number[] = [];
  const log = recordingLog();
  const misses = { count: 0 };
  const create = () =>
    createConvergeDuties({
      log,
      detection: (ms) => detections.push(ms),
      convergence: (ms) => convergences.push(ms),
      missed: () => void misses.count++,
    });
  const duties = create();
  const open = (given: Partial<Incident> = {}): Incident => {
    const incident = incidentOf({ services: names, ...given });
    put(incidentKey(incident.id), incident);
    return incident;
  };
  return {
    put,
    open,
    commits,
    state,
    detections,
    convergences,
    misses,
    log,
    create,
    turn: (nowMs: number, by = duties) => by.turn(sight(), nowMs, term),
    staleTurn: (stale: Sight, nowMs: number) => duties.turn(stale, nowMs, term),
    sight,
    incident: (id = incidentOf().id) => records.get(incidentKey(id))?.value as Incident,
    pages: () => has('outbox/').map(({ value }) => value as Page),
    keys: (prefix: string) => has(prefix).map(({ key }) => key),
    acknowledge: (service: string, atMs: number) =>
      put(appliedKey('local', service), { fence, atMs, outcome: 'applied', because: '' } satisfies AppliedRecord),
    see: (landedAgeMs: number | null, services = names) => {
      for (const region of REGIONS)
        put(seenKey(region, 'a'), {
          boot: 'b',
          configVersion: 1,
          services: Object.fromEntries(services.map((name) => [name, { fence, authoritativeAgeMs: 100, landedAgeMs, because: 'as seen' }])),
        } satisfies Seen);
    },
  };
};

describe('an open incident', () => {
  test('is written when something new is known, once, and counted once', async () => {
    const { open, acknowledge, see, turn, incident, commits, detections, convergences } = stage();
    open();
    acknowledge(WEB, T3 + 300);
    see(null);
    await turn(T3 + 1_000);
    expect(incident().published).toEqual({ [WEB]: { t4AtMs: T3 + 300, t5AtMs: T3 + 500 } });
    see(200);
    await turn(T3 + 12_000);
    expect(incident().published[WEB]).toMatchObject({ t4AtMs: T3 + 300, t5AtMs: T3 + 500, t6AtMs: T3 + 11_400 });
    const written = commits.length;
    for (let at = 0; at < 5; at += 1) await turn(T3 + 13_000 + at * 500);
    expect(commits.length).toBe(written);
    expect(detections).toEqual([7_000]);
    expect(convergences).toEqual([11_400]);
  });

  test('of another term is not counted as detected again, while its landing is counted by whoever writes it', async () => {
    const { open, see, turn, state, detections, convergences } = stage();
    open();
    state.epoch = 4;
    see(200);
    await turn(T3 + 12_000);
    expect(detections).toEqual([]);
    expect(convergences).toEqual([11_400]);
  });

  test('a service that carried nothing there adds no zero to the histogram', async () => {
    const { open, see, turn, incident, convergences } = stage([WEB], 6);
    open();
    see(90_000);
    await turn(T3 + 1_000);
    expect(incident().published[WEB]?.t6AtMs).toBe(T3);
    expect(convergences).toEqual([]);
  });

  test('a route that lands sooner than looks can tell is counted all the same', async () => {
    const { open, see, turn, incident, convergences } = stage();
    open();
    see(50);
    await turn(T3 + 300);
    expect(incident().published[WEB]?.t6AtMs).toBe(T3);
    expect(convergences).toEqual([0]);
  });

  test('a refused commit counts nothing and is made up for at the next turn', async () => {
    const { open, see, turn, staleTurn, sight, state, put, convergences, incident } = stage();
    open();
    see(200);
    state.refuse = true;
    await turn(T3 + 12_000);
    expect(convergences).toEqual([]);
    state.refuse = false;
    const stale = sight();
    put(incidentKey(incidentOf().id), { ...incident(), because: 'grown meanwhile' });
    await staleTurn(stale, T3 + 12_500);
    expect(incident()).toMatchObject({ because: 'grown meanwhile', published: {} });
    await turn(T3 + 13_000);
    expect(incident()).toMatchObject({ because: 'grown meanwhile', published: { [WEB]: { t6AtMs: T3 + 12_400 } } });
    expect(convergences).toEqual([12_400]);
  });

  test('many at once are written some per turn', async () => {
    const { open, see, turn, commits } = stage();
    for (let at = 0; at < 20; at += 1) open({ id: `7-${at}` });
    see(200);
    await turn(T3 + 12_000);
    // Each with the page that says that it has landed.
    expect(commits[0]).toHaveLength(2 * 16);
    await turn(T3 + 12_500);
    expect(commits[1]).toHaveLength(2 * 4);
  });
});

describe('a missed goal', () => {
  test('is one critical page for all services, in the commit that remembers it; a late landing is told beside it', async () => {
    const { open, acknowledge, see, turn, incident, pages, commits, create, log, misses } = stage([API, WEB]);
    open();
    acknowledge(WEB, T3 + 300);
    see(null);
    await turn(T3 + 60_000);
    expect(pages()).toEqual([]);
    await turn(T3 + 60_500);
    expect(pages()).toMatchObject([
      {
        type: 'convergence.missed',
        severity: 'critical',
        dedupKey: 'tidegate/test/7-eu-west',
        summary:
          'eu-west: traffic is not seen to have left within 60 s of the decision; ' +
          'api.example.test: the provider has not acknowledged fence 7; web.example.test: ap-south sees: as seen',
      },
    ]);
    expect(commits.at(-1)?.map((op) => ('put' in op ? op.put : ''))).toEqual([incidentKey('7-eu-west'), outboxKey(pages()[0]?.id ?? '')]);
    expect(incident().published[WEB]?.because).toBe('ap-south sees: as seen');
    // Another coordinator takes over: the incident itself remembers.
    await turn(T3 + 70_000, create());
    see(200);
    await turn(T3 + 80_000);
    expect(incident().published[WEB]).toMatchObject({ t6AtMs: T3 + 79_400, because: 'ap-south sees: as seen' });
    await turn(T3 + 90_000);
    expect(pages().map(({ type, severity, dedupKey, summary }) => ({ type, severity, dedupKey, summary }))).toEqual([
      expect.objectContaining({ type: 'convergence.missed' }),
      {
        type: 'convergence.reached',
        severity: 'info',
        dedupKey: 'tidegate/test/7-eu-west',
        summary: expect.stringMatching(/^eu-west: its traffic is seen to have left, \d+\.\d s after the decision \(goal 60 s: missed\)$/),
      },
    ]);
    expect(log.of('converge.missed')).toHaveLength(1);
    // Each service counts once, whoever takes over, and though it lands later.
    expect(misses.count).toBe(2);
  });

  test('of a service that became late after the page does not page again', async () => {
    const { open, see, turn, incident, commits } = stage([API, WEB]);
    open({ published: { [API]: { t3AtMs: T3 + 30_000 }, [WEB]: {} } });
    see(null);
    await turn(T3 + 61_000);
    expect(incident().published[API]?.because).toBeUndefined();
    await turn(T3 + 91_000);
    expect(incident().published[API]?.because).toBeDefined();
    const paged = commits.flat().filter((op) => 'put' in op && op.put.startsWith('outbox/'));
    expect(paged).toHaveLength(1);
  });

  test('is none while the page that was refused is not committed', async () => {
    const { open, turn, pages, state, incident, misses } = stage();
    open();
    state.refuse = true;
    await turn(T3 + 61_000);
    expect([pages(), incident().published, misses.count]).toEqual([[], {}, 0]);
    state.refuse = false;
    await turn(T3 + 61_500);
    expect(pages()).toHaveLength(1);
  });

  test('is none of holds and of closed incidents', async () => {
    const { open, turn, commits } = stage();
    open({ id: 'a', kind: 'all-down' });
    open({ id: 'b', kind: 'held' });
    open({ id: 'c', closedAtMs: T3 + 1_000 });
    await turn(T3 + 90_000);
    expect(commits).toEqual([]);
  });
});

describe('pruning', () => {
  test('keeps the newest hundred closed incidents and every open one', async () => {
    const { open, turn, keys, commits } = stage();
    for (let at = 0; at < 250; at += 1) open({ id: `old-${at}`, kind: 'held', closedAtMs: T3 + at });
    open({ id: 'open', kind: 'held', t3AtMs: 0 });
    for (let at = 0; at < 5; at += 1) await turn(T3 + 90_000 + at);
    expect(Math.max(...commits.map((ops) => ops.length))).toBeLessThanOrEqual(64);
    const left = keys('incident/');
    expect(left).toHaveLength(101);
    expect(left).toContain(incidentKey('open'));
    expect(left).toContain(incidentKey('old-249'));
    expect(left).not.toContain(incidentKey('old-149'));
  });

  test('leaves the records of silent replicas alone', async () => {
    const { put, turn, keys, state } = stage();
    state.v = 20_000;
    for (const key of ['seen/eu-west/z', 'vote/eu-west/z', 'beat/eu-west/z']) put(key, {});
    await turn(T3);
    expect([...keys('seen/'), ...keys('vote/'), ...keys('beat/')]).toHaveLength(3);
  });
});

test('without a configuration or a decision there is nothing to do', async () => {
  const { sight, staleTurn, commits, open } = stage();
  open();
  await staleTurn({ ...sight(), cluster: null }, T3 + 90_000);
  await staleTurn({ ...sight(), routing: null }, T3 + 90_000);
  expect(commits).toEqual([]);
});
