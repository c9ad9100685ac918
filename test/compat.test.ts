// Versions N and N-1 side by side on one store: today's readers take the records that 0.1 wrote and decide as it did, and what today's code writes still
// has every field that 0.1 read. The records of 0.1 are in test/fixtures/records, as that version wrote them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createOverrideWriter } from '../src/api/overrides.ts';
import { statusNow } from '../src/api/view.ts';
import { evidenceOf } from '../src/converge/duties.ts';
import { measure } from '../src/converge/measure.ts';
import { createConvergeWatcher } from '../src/converge/watcher.ts';
import { KEYS } from '../src/coordinate/keys.ts';
import { applyMembers } from '../src/coordinate/members.ts';
import { type Sight, sightOf } from '../src/coordinate/read.ts';
import type { RevisionClock } from '../src/coordinate/revision-clock.ts';
import { decide } from '../src/decide/decide.ts';
import type { Decision } from '../src/decide/snapshot.ts';
import type { Heard } from '../src/health/chamber.ts';
import { tally } from '../src/health/quorum.ts';
import { createMetrics } from '../src/metrics.ts';
import {
  type AppliedRecord,
  type Beat,
  type ClusterConfig,
  endpointKey,
  type Incident,
  type Leader,
  type Page,
  type Routing,
  type Vote,
} from '../src/model.ts';
import { createOutbox } from '../src/paging/outbox.ts';
import { isPage } from '../src/paging/retention.ts';
import { desiredOf, stepFor } from '../src/publish/plan.ts';
import { openEmbedded } from '../src/store/embedded.ts';
import type { KeyValue, Store } from '../src/store/store.ts';
import { addressOf, fakeNet, NS1, NS2, RESOLVER } from './converge/fixture.ts';
import { memoryProvider } from './memory-provider.ts';
import { noticed, scripted } from './paging/fixture.ts';
import { createVirtual } from './virtual.ts';
import { START_WALL_MS, silentLog, World } from './world.ts';

const FOLDER = join(import.meta.dirname, 'fixtures', 'records', '0.1');
const fixture = <T>(name: string): T => JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as T;

const KINDS = ['members', 'vote', 'beat', 'seen', 'leader', 'routing', 'override', 'incident', 'page', 'audit', 'applied'] as const;
type Kind = (typeof KINDS)[number];
const OLD = Object.fromEntries(KINDS.map((kind) => [kind, fixture<KeyValue>(kind)])) as Record<Kind, KeyValue>;
const cluster = OLD.members.value as ClusterConfig;

interface Turn {
  name: string;
  rev: number;
  kvs: readonly KeyValue[];
  ages: Readonly<Record<string, number | null>>;
  epoch: number;
  by: string;
  nonce: string;
  nowMs: number;
  decision: Pick<Decision, 'uses' | 'next'>;
}

/** Ages as 0.1 knew them; records are asked for by their revision. */
const clockOf = (kvs: readonly KeyValue[], ages: Turn['ages']): RevisionClock => {
  const byMod = new Map(kvs.map(({ key, mod }) => [mod, ages[key] ?? Number.POSITIVE_INFINITY]));
  const ageMs = (mod: number): number => byMod.get(mod) ?? Number.POSITIVE_INFINITY;
  return { sample: () => undefined, ageMs, leastAgeMs: () => 0, clear: () => undefined };
};

const sightAt = ({ rev, kvs, ages }: Pick<Turn, 'rev' | 'kvs' | 'ages'>): Sight =>
  sightOf({ rev, kvs: [...kvs, OLD.members] }, clockOf(kvs, ages), 0, new Map());

const oldRecords = Object.values(OLD).filter(({ key }) => key !== KEYS.members);
const fresh = { rev: 9999, kvs: oldRecords, ages: Object.fromEntries(oldRecords.map(({ key }) => [key, 100])) };

describe('a record that 0.1 wrote', () => {
  let store: Store;
  const time = createVirtual({ startWallMs: START_WALL_MS, seed: 'compat' });
  beforeEach(async () => {
    store = openEmbedded({ file: ':memory:', ports: time.ports });
    await store.txn({ if: [], then: Object.values(OLD).map(({ key, value }) => ({ put: key, value })) });
  });
  afterEach(() => store.close());

  test('is there for every kind, with the fields of its time only', () => {
    expect(
      readdirSync(FOLDER)
        .filter((file) => !file.startsWith('decision-'))
        .sort(),
    ).toEqual(KINDS.map((kind) => `${kind}.json`).sort());
    for (const field of ['bootN', 'configHash', 'signature', 'asOfRev', 'gray']) {
      expect(OLD.vote.value).not.toHaveProperty(field);
      expect(OLD.beat.value).not.toHaveProperty(field);
    }
  });

  test('is evidence: nothing of it is refused, and its vote counts', () => {
    const sight = sightAt(fresh);
    expect(sight.refused).toEqual([]);
    expect(sight.heard).toEqual([
      { region: 'us-east', replica: 'a', key: 'vote/us-east/a', vote: OLD.vote.value, beat: OLD.beat.value, ageMs: 100 },
    ]);
    expect(sight.cluster).toEqual(cluster);
    expect(sight.leader).toEqual(OLD.leader.value);
    expect(sight.routing).toEqual(OLD.routing.value);
    expect(sight.overrides).toEqual(OLD.override.value);
    expect(sight.incidents).toEqual([OLD.incident.value]);
    expect([sight.frozen, sight.adopted]).toEqual([[], null]);
  });

  test('calls nobody gray, and beside replicas of today it counts as one that does not', () => {
    const id = 'web.example.test/eu-west/app-1';
    const today = ['eu-west', 'ap-south', 'witness'].map((region) => {
      const vote: Vote = { ...(OLD.vote.value as Vote), down: [], unready: [], unknown: [], gray: [endpointKey(id, 'readyz')] };
      return { region, replica: 'a', key: `vote/${region}/a`, vote, beat: OLD.beat.value as Beat, ageMs: 100 };
    });
    const old = sightAt(fresh).heard.map((h) => ({ ...h, vote: { ...h.vote, down: [], unready: [], unknown: [] } }));
    const grayOf = (heard: readonly Heard[]): unknown => tally(cluster, heard, 0, true)[0]?.targets[0]?.gray;
    expect(OLD.vote.value).not.toHaveProperty('gray');
    expect(grayOf(old)).toBeUndefined();
    expect(grayOf([...old, ...today])).toMatchObject({
      regions: ['eu-west', 'ap-south', 'witness'],
      endpoints: ['readyz'],
      electorate: 4,
      needs: 3,
    });
  });

  test('is what the status shows', () => {
    const sight = sightAt(fresh);
    const nowMs = (OLD.routing.value as Routing).atMs + 1000;
    const viewing = {
      sight,
      seenAgoMs: 0,
      region: 'us-east',
      replica: 'a',
      boot: (OLD.leader.value as Leader).boot,
      role: { role: 'coordinator' as const, epoch: 1 },
      vote: null,
      nowMs,
      wallMs: nowMs,
    };
    const text = JSON.stringify(statusNow(viewing));
    for (const words of ['5-eu-west', 'drain-us', 'web.example.test', 'api.example.test', (OLD.incident.value as Incident).because])
      expect(text).toContain(words);
  });

  test('is published and measured from as before: what the provider has is done, and the incident keeps its times', () => {
    const applied = OLD.applied.value as AppliedRecord;
    const service = cluster.services.find(({ name }) => OLD.applied.key.endsWith(name))!;
    const routing = (OLD.routing.value as Routing).services[service.name]!;
    const desired = desiredOf(service, routing);
    const provider = memoryProvider({ services: new Map(), onServed: () => undefined });
    // Fences of 0.1 name no decision.
    const fence = { v: applied.fence, epoch: 1, writer: 'us-east/a/81904e24', nonce: '0123456789abcdef', hash: 'same' };
    const back = { fence, shares: provider.quantise(desired), foreign: [], token: null };
    expect(stepFor({ desired, fence: { ...fence, nonce: 'cafe-01' }, applied }, back, provider).kind).toBe('done');
    const frozen: AppliedRecord = { ...applied, outcome: 'frozen' };
    expect(stepFor({ desired, fence: { ...fence, v: fence.v + 1 }, applied: frozen }, back, provider).kind).toBe('ahead');
    const evidence = evidenceOf(sightAt(fresh));
    expect(evidence?.seen).toHaveLength(1);
    const incident = OLD.incident.value as Incident;
    const measured = measure(incident, evidence!, incident.t3AtMs + 40_000) ?? incident;
    expect(measured.published['web.example.test']).toMatchObject(incident.published['web.example.test']!);
  });

  test("is a page that today's outbox delivers and marks", async () => {
    const page: Page = { ...(OLD.page.value as Page), delivered: [] };
    expect(isPage(OLD.page.value)).toBe(true);
    await store.txn({ if: [], then: [{ put: OLD.page.key, value: page }] });
    const oncall = scripted('oncall', time.now);
    const outbox = createOutbox({
      store,
      ports: time.ports,
      channels: [oncall],
      noticeOf: noticed,
      log: silentLog,
      metrics: createMetrics(),
      nowMs: () => page.atMs + 1000,
    });
    await time.advance(6_000);
    expect(oncall.told.map(({ id }) => id)).toEqual([page.id]);
    expect((await store.get({ keys: [OLD.page.key] })).kvs[0]?.value).toMatchObject({
      ...page,
      nonce: expect.any(String),
      delivered: ['oncall', '*'],
    });
    await Promise.all([outbox.close(0), time.advance(1)]);
  });

  test('is a configuration that need not be written anew, and a document of orders that takes one more', async () => {
    expect(await applyMembers(store, cluster, { ports: time.ports, by: 'x', reason: 'x' })).toEqual({
      outcome: 'unchanged',
      version: cluster.version,
    });
    const writer = createOverrideWriter({ store, ports: time.ports, clusterNowMs: () => START_WALL_MS });
    const [there] = (await writer.listOverrides()).items;
    expect(there).toMatchObject({ id: 'drain-us', kind: 'drain', owner: 'ops' });
    const { version } = await writer.putOverride(
      { id: 'other', kind: 'freeze', scope: { service: 'api.example.test' }, reason: 'r', owner: 'o', ttlMs: 60_000 },
      {
        principal: { name: 'o', role: 'operator', services: null, how: 'token' },
        cluster,
        foresee: () => null,
        dryRun: false,
        ifMatch: null,
        ifNoneMatch: null,
      },
    );
    expect(version).toBe(2);
    expect((await writer.listOverrides()).items.map(({ id }) => id)).toEqual(['drain-us', 'other']);
  });
});

/** Of a first route 0.1 said the service's name and nothing more. That sentence may differ; nothing else may. */
const saidAsToday = (next: unknown): object =>
  JSON.parse(
    JSON.stringify(next).replaceAll(
      '"because":"web.example.test: "',
      '"because":"web.example.test: eu-west 334, us-east 333, ap-south 333"',
    ),
  );

describe('a coordinator of today decides on what 0.1 had read as 0.1 did', () => {
  const turns = readdirSync(FOLDER)
    .filter((file) => file.startsWith('decision-'))
    .map((file) => fixture<Turn>(file.replace('.json', '')));

  test.each(turns)('$name', (turn) => {
    const sight = sightAt(turn);
    const { routing, overrides, heard, frozen } = sight;
    const incidents = sight.incidents.filter(({ closedAtMs }) => closedAtMs === null);
    const { epoch, by, nonce, nowMs } = turn;
    const now = decide({ cluster, routing, overrides, heard, frozen, incidents, epoch, by, nonce }, nowMs);
    expect([...now.uses].sort()).toEqual([...turn.decision.uses].sort());
    if (turn.decision.next === undefined) expect(now.next).toBeUndefined();
    else expect(JSON.parse(JSON.stringify(now.next))).toMatchObject(saidAsToday(turn.decision.next));
  });

  test('there is a turn for a start, a drain, silence in an outage, a return and an order', () => {
    expect(turns).toHaveLength(5);
    expect(turns.filter(({ decision }) => decision.next === undefined)).toHaveLength(1);
  });
});

// ---- forward: what 0.1 needs of today's records ----

/** Objects whose keys are names, not fields. */
const MAPS = new Set([
  'beat.suspects',
  'seen.services',
  'routing.services',
  'routing.services.*.route',
  'routing.services.*.pools',
  'routing.regionDrainsAtMs',
  'routing.open',
  'incident.published',

  'audit.votes',
  'audit.changes.*.before',
  'audit.changes.*.after',
  'members.policy.safety',
  'members.policy.safety.*',
]);
/** Parts whose shape is not 0.1's to rely on: one of several forms, or what only people read. */
const OPAQUE = new Set(['page.detail', 'audit.votes.*', 'incident.published.*']);

const typeOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);

/** Every field of a value with the types it is seen with: `vote.self.state` -> string. Names in maps and places in lists are `*`. */
const fieldsOf = (value: unknown, path: string, into = new Map<string, Set<string>>()): Map<string, Set<string>> => {
  into.set(path, (into.get(path) ?? new Set()).add(typeOf(value)));
  if (OPAQUE.has(path) || typeof value !== 'object' || value === null) return into;
  for (const [name, inner] of Object.entries(value))
    fieldsOf(inner, `${path}.${Array.isArray(value) || MAPS.has(path) ? '*' : name}`, into);
  return into;
};

/** Fields of the older value that the newer one lacks, or has with a type that the older never had (null beside anything is no news). */
const missing = (older: ReadonlyMap<string, Set<string>>, newer: ReadonlyMap<string, Set<string>>): string[] =>
  [...older].flatMap(([path, types]) => {
    const now = newer.get(path);
    // Nothing to compare: a list or a map that happens to be empty.
    if (now === undefined) return isUnderEmpty(path, newer) ? [] : [`${path}: gone`];
    const strange = [...now].filter((type) => !types.has(type) && type !== 'null' && !(types.size === 1 && types.has('null')));
    return strange.map((type) => `${path}: ${[...types].join(' or ')} has become ${type}`);
  });

/** The nearest `*` above the path has nothing in it. */
const isUnderEmpty = (path: string, newer: ReadonlyMap<string, Set<string>>): boolean => {
  const parts = path.split('.');
  return parts.some((part, at) => part === '*' && newer.has(parts.slice(0, at).join('.')) && !newer.has(parts.slice(0, at + 1).join('.')));
};

describe("what today's code writes", () => {
  test('still has every field that 0.1 read, of the same type', async () => {
    const written = await todaysRecords();
    for (const kind of KINDS) {
      const found = written.filter(({ key }) => key.startsWith(kind === 'page' ? 'outbox/' : OLD[kind].key.split('/')[0]!));
      expect(found.length, kind).toBeGreaterThan(0);
      // Fields of one kind's records together: an incident that is open and one that is closed.
      const required = fieldsOf(OLD[kind].value, kind);
      for (const { value } of found) expect(missing(required, fieldsOf(value, kind)), kind).toEqual([]);
    }
  }, 60_000);

  test('would be told apart if it had not', () => {
    const required = fieldsOf(OLD.vote.value, 'vote');
    const { seq: _, ...without } = OLD.vote.value as Record<string, unknown>;
    expect(missing(required, fieldsOf(without, 'vote'))).toEqual(['vote.seq: gone']);
    expect(missing(required, fieldsOf({ ...without, seq: '23' }, 'vote'))).toEqual(['vote.seq: number has become string']);
    expect(missing(required, fieldsOf({ ...without, seq: 1, down: [], news: {} }, 'vote'))).toEqual([]);
    const route = structuredClone(OLD.routing.value) as Record<string, Record<string, Record<string, unknown>>>;
    delete route.services!['web.example.test']!.fence;
    delete route.services!['api.example.test']!.fence;
    expect(missing(fieldsOf(OLD.routing.value, 'routing'), fieldsOf(route, 'routing'))).toEqual(['routing.services.*.fence: gone']);
  });
});

/** Everything that a cluster of today writes in the same story: start, a region down, an order by a human, measuring. */
const todaysRecords = async (): Promise<readonly KeyValue[]> => {
  const world = new World({ cluster, seed: 'compat' });
  const net = fakeNet(world.virtual);
  for (const server of [NS1, NS2]) net.serves.set(server, [[addressOf('us-east')], [addressOf('ap-south')]]);
  net.caches.set(RESOLVER, { from: NS1, ttlMs: 10_000 });
  const watcher = createConvergeWatcher({
    ports: world.virtual.ports,
    log: silentLog,
    store: world.store,
    region: 'us-east',
    replica: 'a',
    boot: 'b',
    dnsQuery: net.dnsQuery,
    httpGet: net.httpGet,
  });
  const kept = new Map<string, KeyValue>();
  const keep = async (): Promise<void> => {
    for (const kv of (await world.store.get({ prefixes: [''] })).kvs) kept.set(`${kv.key} ${kv.mod}`, kv);
  };
  await world.start();
  await world.run(30_000);
  world.health('eu-west-app', ['healthz', 'readyz'], 'refuse');
  for (let second = 0; second < 30; second += 1) {
    await world.run(1_000);
    const routing = await world.routing();
    if (routing !== null) watcher.update({ cluster, routing });
    await keep();
  }
  await world.hand.order('drain-us', 'drain', { region: 'us-east', service: 'web.example.test' }, 3_600_000, 'ops', 'maintenance');
  await world.run(5_000);
  await keep();
  await Promise.all([watcher.stop(), world.run(10)]);
  await world.close();
  return [...kept.values()].filter(({ key }) => !key.startsWith('boot/') && !key.startsWith('audit/config'));
};
