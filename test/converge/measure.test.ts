import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Evidence, goalsOf, lateServices, measure, population, type Report, whyWaiting } from '../../src/converge/measure.ts';
import { convergenceOf } from '../../src/converge/timings.ts';
import type { AppliedRecord, Incident, Mode, Published, Route, Seen } from '../../src/model.ts';
import { ALL, clusterOf, incidentOf, NO_EU, REGIONS, routingOf, serviceOf } from './fixture.ts';

const WEB = 'web.example.test';
const API = 'api.example.test';
const T3 = incidentOf().t3AtMs;
const services = [serviceOf(), serviceOf({ name: API })];
const cluster = clusterOf(services);

const entry = (fence: number, authoritativeAgeMs: number | null, landedAgeMs: number | null): Seen['services'][string] => ({
  fence,
  authoritativeAgeMs,
  landedAgeMs,
  because: landedAgeMs === null ? 'resolver 203.0.113.53:53: still answers 192.0.2.1' : 'landed',
});

const reportOf = (region: string, entries: Seen['services'], ageMs = 400, replica = 'a'): Report => ({
  region,
  replica,
  seen: { boot: 'b', configVersion: 1, services: entries },
  ageMs,
});

const appliedOf = (fence: number, atMs: number, outcome: AppliedRecord['outcome'] = 'applied'): AppliedRecord => ({
  fence,
  atMs,
  outcome,
  because: 'said so',
});

/** Boring unless told otherwise: fence 7 drains eu-west, everybody speaks, nobody has seen anything. */
const evidenceOf = (given: Partial<Evidence> & { fence?: number; route?: Route; mode?: Mode } = {}): Evidence => {
  const { fence = 7, route = NO_EU, mode = 'auto', ...rest } = given;
  return {
    cluster,
    routing: routingOf({ [WEB]: { fence, route, mode }, [API]: { fence, route, mode } }),
    applied: {},
    seen: [],
    spokeAgeMs: Object.fromEntries(REGIONS.map((region) => [region, 500])),
    ...rest,
  };
};

/** The instants of a service, without the curve behind t6. */
const stamps = (incident: Incident | null, service = WEB): Published => {
  expect(incident).not.toBeNull();
  const { landedAtMs: _, ...rest } = incident?.published[service] ?? {};
  return rest;
};
const everybody = (entries: Seen['services'], ageMs?: number): Report[] => REGIONS.map((region) => reportOf(region, entries, ageMs));

describe('the instants', () => {
  test('t4 is what the provider acknowledged of the draining fence', () => {
    const of = (record: AppliedRecord) => stamps(measure(incidentOf(), evidenceOf({ applied: { [WEB]: record } }), T3 + 2_000));
    expect(of(appliedOf(7, T3 + 300))).toEqual({ t4AtMs: T3 + 300 });
    expect(of(appliedOf(6, T3 - 50_000))).toEqual({});
    expect(of(appliedOf(7, T3 + 300, 'frozen'))).toEqual({});
  });

  test('t5 and t6 add the bound of the record to the age it tells', () => {
    const evidence = evidenceOf({ seen: everybody({ [WEB]: entry(7, 1_000, 200) }, 400) });
    expect(stamps(measure(incidentOf(), evidence, T3 + 12_000))).toEqual({ t5AtMs: T3 + 10_600, t6AtMs: T3 + 11_400 });
  });

  test('are those of the last of the vantages, and wait for it', () => {
    const seen = [
      reportOf('eu-west', { [WEB]: entry(7, 3_000, 2_000) }, 0),
      reportOf('us-east', { [WEB]: entry(7, 5_000, 1_000) }, 0),
      reportOf('ap-south', { [WEB]: entry(7, 4_000, null) }, 0),
    ];
    const first = measure(incidentOf(), evidenceOf({ seen }), T3 + 9_000);
    expect(stamps(first)).toEqual({ t5AtMs: T3 + 6_000 });
    const later = [...seen.slice(0, 2), reportOf('ap-south', { [WEB]: entry(7, 5_000, 500) }, 0)];
    const second = measure(first ?? incidentOf(), evidenceOf({ seen: later }), T3 + 10_000);
    expect(stamps(second)).toEqual({ t5AtMs: T3 + 6_000, t6AtMs: T3 + 9_500 });
    // The curve: each vantage's own instant, kept from when it was first known.
    expect(first?.published[WEB]?.landedAtMs).toEqual({ 'eu-west': T3 + 7_000, 'us-east': T3 + 8_000 });
    expect(second?.published[WEB]?.landedAtMs).toEqual({ 'eu-west': T3 + 7_000, 'us-east': T3 + 8_000, 'ap-south': T3 + 9_500 });
    expect(convergenceOf(second ?? incidentOf(), { detectionMs: 30_000, convergenceMs: 60_000 }, T3 + 10_000).services[0]?.landed).toEqual([
      { region: 'eu-west', ms: 7_000 },
      { region: 'us-east', ms: 8_000 },
      { region: 'ap-south', ms: 9_500 },
    ]);
  });

  test('of one replica that has not seen it keep its region waiting, unless nothing bounds its record any more', () => {
    const others = everybody({ [WEB]: entry(7, 900, 800) });
    const second = (ageMs: number) => [...others, reportOf('us-east', { [WEB]: entry(7, 900, null) }, ageMs, 'b')];
    expect(stamps(measure(incidentOf(), evidenceOf({ seen: second(1_000) }), T3 + 9_000)).t6AtMs).toBeUndefined();
    expect(stamps(measure(incidentOf(), evidenceOf({ seen: second(Number.POSITIVE_INFINITY) }), T3 + 9_000)).t6AtMs).toBeDefined();
  });

  test('a record whose age nothing bounds says nothing', () => {
    const evidence = evidenceOf({ seen: everybody({ [WEB]: entry(7, 900, 800) }, Number.POSITIVE_INFINITY) });
    expect(stamps(measure(incidentOf(), evidence, T3 + 9_000))).toEqual({});
  });

  test('are never before the decision, whatever ages say', () => {
    const evidence = evidenceOf({ seen: everybody({ [WEB]: entry(7, 90_000, 80_000) }) });
    expect(stamps(measure(incidentOf(), evidence, T3 + 100))).toEqual({ t5AtMs: T3, t6AtMs: T3 });
  });

  test('nothing new is null', () => {
    const evidence = evidenceOf({ seen: everybody({ [WEB]: entry(7, 1_000, 200), [API]: entry(7, 1_000, 200) }) });
    const first = measure(incidentOf(), evidence, T3 + 12_000);
    expect(measure(first ?? incidentOf(), evidence, T3 + 99_000)).toBeNull();
  });
});

describe('the fence', () => {
  test('of a later decision counts while its route still drains the region', () => {
    const evidence = evidenceOf({ fence: 9, applied: { [WEB]: appliedOf(9, T3 + 4_000) }, seen: everybody({ [WEB]: entry(9, 900, 800) }) });
    const incident = incidentOf({ published: { [WEB]: {} } });
    expect(stamps(measure(incident, evidence, T3 + 9_000))).toMatchObject({ t4AtMs: T3 + 4_000, t6AtMs: expect.any(Number) });
  });

  test('of a later decision that brings the region back does not', () => {
    const evidence = evidenceOf({
      fence: 9,
      route: ALL,
      applied: { [WEB]: appliedOf(9, T3 + 4_000) },
      seen: everybody({ [WEB]: entry(9, 900, 800) }),
    });
    expect(measure(incidentOf({ published: { [WEB]: {}, [API]: {} } }), evidence, T3 + 9_000)).toBeNull();
  });

  test('older than the newest is not believed: nobody remembers its route', () => {
    const evidence = evidenceOf({ fence: 9, applied: { [WEB]: appliedOf(8, T3 + 4_000) }, seen: everybody({ [WEB]: entry(8, 900, 800) }) });
    expect(measure(incidentOf({ published: { [WEB]: {}, [API]: {} } }), evidence, T3 + 9_000)).toBeNull();
  });

  test('older than the incident means that nothing had to move: all at once, at t3', () => {
    const evidence = evidenceOf({
      fence: 5,
      applied: { [WEB]: appliedOf(5, T3 - 90_000) },
      seen: everybody({ [WEB]: entry(5, 80_000, 70_000) }),
    });
    expect(stamps(measure(incidentOf(), evidence, T3 + 1_000))).toEqual({ t4AtMs: T3, t5AtMs: T3, t6AtMs: T3 });
  });

  test('a service that joins the incident later counts from its own decision', () => {
    const routing = { ...routingOf({ [WEB]: { fence: 7, route: NO_EU }, [API]: { fence: 11, route: NO_EU } }), atMs: T3 + 40_000 };
    const incident = incidentOf({ services: [API, WEB], published: { [WEB]: {} } });
    const seen = everybody({ [API]: entry(11, 3_000, 1_000) }, 0);
    const first = measure(incident, evidenceOf({ routing, seen }), T3 + 48_000);
    expect(stamps(first, API)).toEqual({ t3AtMs: T3 + 40_000, t5AtMs: T3 + 45_000, t6AtMs: T3 + 47_000 });
    expect(goalsOf(first ?? incident, cluster.goals, T3 + 48_000).convergenceMs).toBeNull();
    const done = { ...incident, published: { ...first?.published, [WEB]: { t6AtMs: T3 + 5_000 } } };
    expect(goalsOf(done, cluster.goals, T3 + 48_000)).toMatchObject({ convergenceMs: 7_000, met: { convergence: true } });
  });
});

describe('the population of t6', () => {
  test('a witness that was dead at t3 already, though its beat looked fresh, stops being waited for', () => {
    const seen = [reportOf('us-east', { [WEB]: entry(7, 900, 800) }), reportOf('ap-south', { [WEB]: entry(7, 900, 800) })];
    const spokeAgeMs = (nowMs: number) => ({ 'us-east': 500, 'ap-south': 500, 'eu-west': nowMs - T3 + 6_000 });
    const early = evidenceOf({ seen, spokeAgeMs: spokeAgeMs(T3 + 5_000) });
    expect(stamps(measure(incidentOf(), early, T3 + 5_000)).t6AtMs).toBeUndefined();
    const late = evidenceOf({ seen, spokeAgeMs: spokeAgeMs(T3 + 9_000) });
    expect(population(incidentOf(), late, T3 + 9_000)).toEqual(['ap-south', 'us-east']);
    expect(stamps(measure(incidentOf(), late, T3 + 9_000)).t6AtMs).toBe(T3 + 7_800);
  });

  test('a witness that spoke after t3 and then fell silent is waited for', () => {
    const seen = [reportOf('us-east', { [WEB]: entry(7, 900, 800) }), reportOf('ap-south', { [WEB]: entry(7, 900, 800) })];
    const evidence = evidenceOf({ seen, spokeAgeMs: { 'us-east': 500, 'ap-south': 500, 'eu-west': 8_000 } });
    expect(stamps(measure(incidentOf(), evidence, T3 + 10_000)).t6AtMs).toBeUndefined();
  });

  test('never shrinks below a majority of the witnesses', () => {
    const evidence = evidenceOf({ seen: [reportOf('us-east', { [WEB]: entry(7, 900, 800) })], spokeAgeMs: { 'us-east': 500 } });
    expect(stamps(measure(incidentOf(), evidence, T3 + 60_000)).t6AtMs).toBeUndefined();
    expect(whyWaiting(incidentOf(), WEB, { ...evidence, applied: { [WEB]: appliedOf(7, T3) } }, T3 + 60_000)).toBe(
      'too few of the vantages alive at the decision are left to say so',
    );
  });

  test('of twenty, nineteen are enough, and the instant is that of the nineteenth', () => {
    const witnesses = Array.from({ length: 20 }, (_, at) => `r${String(at).padStart(2, '0')}`);
    const spokeAgeMs = Object.fromEntries(witnesses.map((region) => [region, 500]));
    const seen = (count: number) =>
      witnesses.slice(0, count).map((region, at) => reportOf(region, { [WEB]: entry(7, null, 10_000 - at * 100) }, 0));
    const at = (count: number) =>
      stamps(measure(incidentOf({ witnesses }), evidenceOf({ seen: seen(count), spokeAgeMs }), T3 + 20_000)).t6AtMs;
    expect(at(18)).toBeUndefined();
    expect(at(19)).toBe(T3 + 11_800);
    expect(at(20)).toBe(T3 + 11_800);
  });

  test('a region that is no witness is not asked', () => {
    const seen = [...everybody({ [WEB]: entry(7, 900, 800) }), reportOf('new', { [WEB]: entry(7, null, null) })];
    expect(stamps(measure(incidentOf(), evidenceOf({ seen }), T3 + 9_000)).t6AtMs).toBeDefined();
  });
});

describe('what is not measured says why', () => {
  test('a service that is only observed, and again measured once it is in auto', () => {
    const first = measure(incidentOf(), evidenceOf({ mode: 'observe' }), T3 + 1_000);
    expect(stamps(first)).toEqual({ unmeasured: 'in observe: nothing is written' });
    expect(goalsOf(first ?? incidentOf(), cluster.goals, T3 + 90_000).met.convergence).toBeNull();
    expect(stamps(measure(first ?? incidentOf(), evidenceOf(), T3 + 2_000))).toEqual({});
  });

  test('a service that nobody is told to look at', () => {
    const { request: _, ...converge } = { ...serviceOf().converge, resolvers: [] };
    const blind = clusterOf([{ ...serviceOf(), converge }]);
    const evidence = evidenceOf({ cluster: blind, applied: { [WEB]: appliedOf(7, T3 + 300) } });
    expect(stamps(measure(incidentOf(), evidence, T3 + 1_000)).unmeasured).toBe(
      'no resolvers and no request configured: nobody sees where users land',
    );
  });

  test('holds move nothing, so nothing of them is measured', () => {
    for (const kind of ['all-down', 'held'] as const) {
      const incident = incidentOf({ kind });
      expect(measure(incident, evidenceOf({ seen: everybody({ [WEB]: entry(7, 1, 1) }) }), T3 + 9_000)).toBeNull();
      expect(goalsOf(incident, cluster.goals, T3 + 90_000).met.convergence).toBeNull();
    }
  });
});

describe('against the goals', () => {
  test('detection is an interval, convergence the slowest service', () => {
    const incident = incidentOf({ published: { [WEB]: { t6AtMs: T3 + 21_000 } } });
    expect(goalsOf(incident, cluster.goals, T3 + 30_000)).toEqual({
      detectionMs: 7_000,
      detectionUpperMs: 9_000,
      convergenceMs: 21_000,
      met: { detection: true, convergence: true },
    });
    expect(goalsOf(incidentOf(), cluster.goals, T3 + 30_000).met.convergence).toBeNull();
    expect(goalsOf(incidentOf(), cluster.goals, T3 + 60_001).met.convergence).toBe(false);
  });

  test('a service is late when the goal has passed and its draining route stands; the reason names who still sees what', () => {
    const incident = incidentOf({ published: { [WEB]: {} } });
    const seen = [...everybody({ [WEB]: entry(7, 900, 800) }).slice(0, 2), reportOf('ap-south', { [WEB]: entry(7, 900, null) })];
    const evidence = evidenceOf({ seen, applied: { [WEB]: appliedOf(7, T3 + 300) } });
    expect(lateServices(incident, evidence, T3 + 60_000)).toEqual([]);
    expect(lateServices(incident, evidence, T3 + 60_001)).toEqual([WEB]);
    expect(whyWaiting(incident, WEB, evidence, T3 + 60_001)).toBe('ap-south sees: resolver 203.0.113.53:53: still answers 192.0.2.1');
    expect(whyWaiting(incident, WEB, evidenceOf({ applied: { [WEB]: appliedOf(6, T3, 'failing') } }), T3 + 60_001)).toBe(
      'the provider has not acknowledged fence 7 (failing: said so)',
    );
    expect(lateServices(incident, evidenceOf({ route: ALL }), T3 + 60_001)).toEqual([]);
  });
});

describe('whatever is reported', () => {
  const age = fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 200_000 }));
  const report = fc.record({
    region: fc.constantFrom(...REGIONS, 'elsewhere'),
    replica: fc.constantFrom('a', 'b'),
    fence: fc.constantFrom(6, 7, 8),
    authoritativeAgeMs: age,
    landedAgeMs: age,
    ageMs: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 0, max: 30_000 })),
  });
  const sight = fc.record({
    afterMs: fc.integer({ min: 0, max: 20_000 }),
    fence: fc.constantFrom(6, 7, 8),
    route: fc.constantFrom(ALL, NO_EU),
    mode: fc.constantFrom<Mode>('auto', 'auto', 'advise'),
    applied: fc.option(fc.record({ fence: fc.constantFrom(6, 7, 8), atMs: fc.integer({ min: T3 - 50_000, max: T3 + 50_000 }) })),
    seen: fc.array(report, { maxLength: 8 }),
    spoke: fc.record({ 'eu-west': fc.nat(60_000), 'us-east': fc.nat(60_000) }),
  });

  test('an instant once set never moves, none is before t3, and the same sight again brings nothing new', () => {
    fc.assert(
      fc.property(fc.array(sight, { maxLength: 12 }), (sights) => {
        let incident = incidentOf();
        let nowMs = T3;
        for (const each of sights) {
          nowMs += each.afterMs;
          const evidence = evidenceOf({
            fence: each.fence,
            route: each.route,
            mode: each.mode,
            applied: each.applied === null ? {} : { [WEB]: appliedOf(each.applied.fence, each.applied.atMs) },
            seen: each.seen.map(({ region, replica, fence, authoritativeAgeMs, landedAgeMs, ageMs }) =>
              reportOf(region, { [WEB]: entry(fence, authoritativeAgeMs, landedAgeMs) }, ageMs, replica),
            ),
            spokeAgeMs: each.spoke,
          });
          const next = measure(incident, evidence, nowMs);
          if (next === null) continue;
          const [was, is] = [incident.published[WEB] ?? {}, next.published[WEB] ?? {}];
          for (const key of ['t3AtMs', 't4AtMs', 't5AtMs', 't6AtMs'] as const) {
            if (was[key] !== undefined) expect(is[key]).toBe(was[key]);
            if (is[key] !== undefined) expect(is[key]).toBeGreaterThanOrEqual(T3);
            if (is[key] !== undefined && key !== 't4AtMs') expect(is[key]).toBeLessThanOrEqual(nowMs);
          }
          for (const [region, atMs] of Object.entries(was.landedAtMs ?? {})) expect(is.landedAtMs?.[region]).toBe(atMs);
          expect(measure(next, evidence, nowMs)).toBeNull();
          incident = next;
        }
      }),
    );
  });
});
