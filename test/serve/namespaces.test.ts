// The coordinator's watch of namespaces, over fake clusters of Temporal on virtual time: what others moved is told once and ends, what a run of ours moved is
// told by the run; it follows the configuration, and stops with the office.
import { expect, test } from 'vitest';
import { platformKey, runKey } from '../../src/coordinate/keys.ts';
import type { Report } from '../../src/paging/report.ts';
import type { System } from '../../src/runbook/kind.ts';
import type { PlatformRecord, Run, StepRun } from '../../src/runbook/model.ts';
import type { PlatformConfig } from '../../src/runbook/platform.ts';
import { newRun } from '../../src/runbook/run.ts';
import type { TemporalCluster } from '../../src/runbook/temporal/cluster.ts';
import type { Place } from '../../src/runbook/temporal/mover.ts';
import { createNamespaces } from '../../src/serve/namespaces.ts';
import { createMemoryStore } from '../memory-store.ts';
import { recordingLog } from '../recording-log.ts';
import { dual, EAST, hot, ownTenants, WEST } from '../runbook/platforms.ts';
import { clusterWith, START_MS, stepWith } from '../runbook/rig.ts';
import { stepContext } from '../runbook/temporal/fixture.ts';
import { createVirtual } from '../virtual.ts';

const NAMESPACE = 'acme.abc12';

const platformWith = (namespaces: readonly string[], over: Partial<PlatformConfig> = {}): PlatformConfig => ({
  ...hot,
  namespaces: [{ ...ownTenants, namespaces }],
  ...over,
});

/** Everything is in the east at first, by what is so and by what is written. `looks` counts how often each was asked for, by both clusters together. */
const begun = (options: { reaches?: (system: string) => boolean; isLost?: () => boolean } = {}) => {
  const virtual = createVirtual({ startWallMs: START_MS, seed: 11 });
  const { ports } = virtual;
  const store = createMemoryStore(ports);
  const places = new Map<string, string>();
  const looks = new Map<string, number>();
  const reports: Report[] = [];
  const clusterOf = (): System => {
    const look = async (namespace: string) => {
      looks.set(namespace, (looks.get(namespace) ?? 0) + 1);
      return { is: 'seen', place: { active: places.get(namespace) ?? 'east', version: 1 } as Place } as const;
    };
    return { kind: 'temporal', forced: { look } } as unknown as TemporalCluster;
  };
  const log = recordingLog();
  const namespaces = createNamespaces({
    ports,
    log,
    store: {
      get: (query, signal) => (options.isLost?.() === true ? Promise.reject(new Error('the store is lost')) : store.get(query, signal)),
    },
    context: stepContext({ 'temporal-us-east': clusterOf(), 'temporal-eu-west': clusterOf() }, ports),
    dnsServers: [],
    report: (report) => reports.push(report),
    reaches: options.reaches ?? (() => true),
  });
  return {
    log,
    looks,
    reports,
    namespaces,
    moveTo(place: string, ...names: readonly string[]) {
      for (const name of names.length === 0 ? [NAMESPACE] : names) places.set(name, place);
    },
    put: (key: string, value: unknown) => store.txn({ if: [], then: [{ put: key, value: value as Run }] }, new AbortController().signal),
    /** As a coordinator of it does: a turn each second. */
    async pass(ms: number, ...platforms: readonly PlatformConfig[]) {
      for (let passed = 0; passed < ms; passed += 1_000) {
        namespaces.turn(clusterWith(...platforms));
        await virtual.advance(1_000);
      }
    },
    async end() {
      await namespaces.stop();
      await virtual.advance(10_000);
      expect(virtual.pendingTimers()).toBe(0);
    },
    advance: (ms: number) => virtual.advance(ms),
  };
};

const typesOf = (reports: readonly Report[]): readonly string[] => reports.map(({ type }) => type);

const recordOf = (active: string): PlatformRecord => ({ active, sinceAtMs: START_MS, run: 'r', because: 'x', history: [], nonce: 'n' });

/** A run that moves the namespace from the east to the west. */
const runWith = (standing: Partial<StepRun>): Run => {
  const spec = { system: 'cloud', namespaces: [NAMESPACE], to: 'west', parallel: 1, stopAfter: 1 };
  const plan = [stepWith('namespaces', 'temporal.failover', spec, { undo: { spec: { ...spec, to: 'east' } } })];
  const run = newRun(
    {
      id: 'r1',
      platform: hot.name,
      model: hot.model,
      purpose: 'failover',
      mode: 'ungraceful',
      from: EAST,
      to: WEST,
      cause: { kind: 'seen', because: 'x' },
      because: 'x',
      plan,
      askMs: 30_000,
      nonce: 'n',
      persons: 0,
      by: [],
    },
    START_MS,
  );
  return { ...run, steps: { namespaces: { state: 'acting', tries: 1, because: 'x', facts: {}, ...standing } as StepRun } };
};

test('a move by others is told once, with its platform and who owns the way back, and so is its end', async () => {
  const { reports, moveTo, pass, end } = begun();
  const platform = platformWith([NAMESPACE]);
  await pass(60_000, platform);
  expect(reports).toEqual([]);
  moveTo('west');
  await pass(300_000, platform);
  expect(reports).toEqual([
    {
      type: 'namespace.moved',
      severity: 'warning',
      subject: 'namespace-acme-abc12',
      summary: expect.stringMatching(
        /^platform core: acme\.abc12 moved from east to west: no run of ours moved it; .* never move back by themselves/,
      ),
      again: true,
      detail: { platform: 'core', namespace: NAMESPACE, from: 'east', to: 'west', by: 'unknown' },
    },
  ]);
  moveTo('east');
  await pass(60_000, platform);
  expect(typesOf(reports)).toEqual(['namespace.moved', 'namespace.moved', 'namespace.back']);
  expect(reports.at(-1)).toMatchObject({ severity: 'info', subject: 'namespace-acme-abc12', again: true });
  await end();
});

test('what a run of ours moved is told by the run, also when it takes it back', async () => {
  const { log, reports, moveTo, pass, put, end } = begun();
  const platform = platformWith([NAMESPACE]);
  await pass(60_000, platform);
  await put(runKey('r1'), runWith({ startedAtMs: START_MS + 60_000 }));
  moveTo('west');
  await pass(60_000, platform);
  await put(runKey('r1'), runWith({ startedAtMs: START_MS + 60_000, state: 'undoing' }));
  moveTo('east');
  await pass(60_000, platform);
  expect(log.of('namespace.moved').length).toBe(2);
  expect(reports).toEqual([]);
  await end();
});

test('a run that has not come to its step moved nothing, and one that only went there did not lead back', async () => {
  const { reports, moveTo, pass, put, end } = begun();
  const platform = platformWith([NAMESPACE]);
  await put(runKey('r1'), runWith({ state: 'asking' }));
  await pass(60_000, platform);
  moveTo('west');
  await pass(60_000, platform);
  expect(typesOf(reports)).toEqual(['namespace.moved']);
  await put(runKey('r1'), runWith({ startedAtMs: START_MS, state: 'done', endedAtMs: START_MS + 120_000 }));
  moveTo('east');
  await pass(60_000, platform);
  expect(typesOf(reports)).toEqual(['namespace.moved', 'namespace.moved', 'namespace.back']);
  // Nor does one that ended long ago move it again.
  await pass(120_000, platform);
  moveTo('west');
  await pass(60_000, platform);
  expect(typesOf(reports).slice(3)).toEqual(['namespace.moved']);
  await end();
});

test('where it should be is where the record of the platform says, else home; in Dual Active what was seen first counts', async () => {
  const elsewhere = begun();
  await elsewhere.put(platformKey(hot.name), recordOf(WEST));
  elsewhere.moveTo('west');
  await elsewhere.pass(60_000, platformWith([NAMESPACE]));
  expect(elsewhere.reports).toEqual([]);
  await elsewhere.end();
  const astray = begun();
  astray.moveTo('west');
  await astray.pass(60_000, platformWith([NAMESPACE]));
  expect(typesOf(astray.reports)).toEqual(['namespace.moved']);
  // The platform goes where it is.
  await astray.put(platformKey(hot.name), recordOf(WEST));
  await astray.pass(60_000, platformWith([NAMESPACE]));
  expect(typesOf(astray.reports)).toEqual(['namespace.moved', 'namespace.back']);
  await astray.end();
  const mirrored = begun();
  mirrored.moveTo('west');
  await mirrored.pass(60_000, { ...dual, namespaces: [{ ...ownTenants, home: EAST }] });
  expect(mirrored.reports).toEqual([]);
  await mirrored.end();
});

test('another configuration is watched from the next turn on, and the same one goes on as it is', async () => {
  const { looks, moveTo, namespaces, pass, end, reports } = begun();
  await pass(50_000, platformWith([NAMESPACE]));
  expect(looks.get(NAMESPACE)).toBe(8);
  await pass(50_000, platformWith([NAMESPACE, 'other.abc12']));
  expect(looks.get(NAMESPACE)).toBe(16);
  expect(looks.get('other.abc12')).toBe(8);
  expect(namespaces.regions()).toEqual(new Map([[hot.name, EAST]]));
  // What is not of any platform any more is not looked at.
  await pass(50_000);
  expect(looks.get(NAMESPACE)).toBe(16);
  expect(namespaces.regions()).toEqual(new Map());
  moveTo('west');
  await pass(50_000, platformWith([NAMESPACE]));
  expect(typesOf(reports)).toEqual(['namespace.moved']);
  await end();
});

test('without the office nothing is looked at', async () => {
  const { looks, namespaces, pass, advance, end } = begun();
  await pass(50_000, platformWith([NAMESPACE]));
  namespaces.rest();
  await advance(120_000);
  expect(looks.get(NAMESPACE)).toBe(8);
  expect(namespaces.regions()).toEqual(new Map());
  await pass(50_000, platformWith([NAMESPACE]));
  expect(looks.get(NAMESPACE)).toBe(16);
  await end();
});

test('a store that does not answer is asked again, and what was read before counts meanwhile', async () => {
  let isLost = false;
  const { log, reports, moveTo, namespaces, pass, put, end } = begun({ isLost: () => isLost });
  await put(platformKey(hot.name), recordOf(WEST));
  moveTo('west');
  await pass(30_000, platformWith([NAMESPACE]));
  isLost = true;
  await pass(30_000, platformWith([NAMESPACE]));
  expect(log.of('namespaces.read').length).toBe(6);
  expect(namespaces.regions()).toEqual(new Map([[hot.name, WEST]]));
  await put(platformKey(hot.name), recordOf(EAST));
  await pass(30_000, platformWith([NAMESPACE]));
  isLost = false;
  await pass(30_000, platformWith([NAMESPACE]));
  moveTo('east');
  await pass(60_000, platformWith([NAMESPACE]));
  expect(typesOf(reports)).toEqual(['namespace.moved', 'namespace.back']);
  await end();
});

test('what this replica cannot ask is left to others', async () => {
  const { looks, namespaces, pass, end } = begun({ reaches: (system) => system !== 'temporal-eu-west' });
  await pass(60_000, platformWith([NAMESPACE]));
  expect([...looks]).toEqual([]);
  expect(namespaces.regions()).toEqual(new Map());
  await end();
});

test('a platform has a region when all its namespaces were seen there at two looks', async () => {
  const { moveTo, namespaces, pass, end } = begun();
  const platform: PlatformConfig = {
    ...platformWith([NAMESPACE, 'b']),
    namespaces: [
      { ...ownTenants, namespaces: [NAMESPACE, 'b'] },
      { ...ownTenants, name: 'more', namespaces: ['c'] },
    ],
  };
  await pass(10_000, platform);
  expect(namespaces.regions()).toEqual(new Map());
  await pass(20_000, platform);
  expect(namespaces.regions()).toEqual(new Map([[hot.name, EAST]]));
  moveTo('west', NAMESPACE, 'b');
  await pass(60_000, platform);
  expect(namespaces.regions()).toEqual(new Map());
  moveTo('west', 'c');
  await pass(15_000, platform);
  expect(namespaces.regions()).toEqual(new Map());
  await pass(15_000, platform);
  expect(namespaces.regions()).toEqual(new Map([[hot.name, WEST]]));
  moveTo('nowhere', 'c');
  await pass(60_000, platform);
  expect(namespaces.regions()).toEqual(new Map());
  await end();
});
