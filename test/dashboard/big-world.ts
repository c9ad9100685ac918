// A large cluster for whoever draws it: 200 services in 20 regions, votes of 20 vantages, outages, orders and a journal, made by hand and the same each time.
// Nothing is probed and nothing decides: routes are what a plain rule makes of who is dead. All behind that is real: counting, the documents, the API, the
// stream of events. `step` changes one thing, `drive` many times a second.
import { setTimeout as delay } from 'node:timers/promises';
import { createDocuments } from '../../src/api/documents.ts';
import { createEventHub } from '../../src/api/events.ts';
import { type Api, type ApiOptions, createApi } from '../../src/api/server.ts';
import type { StatusInput } from '../../src/api/status.ts';
import { inputNow, snapshotNow, talliesNow, type Viewing } from '../../src/api/view.ts';
import { append } from '../../src/audit/append.ts';
import { decisionHash } from '../../src/audit/lines.ts';
import { GRAY, policyOf } from '../../src/config/defaults.ts';
import { appliedKey, auditKey, incidentKey, KEYS, seenKey, voteKey } from '../../src/coordinate/keys.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import { newMemory } from '../../src/decide/pool.ts';
import type { Heard } from '../../src/health/chamber.ts';
import type {
  Audit,
  Beat,
  ClusterConfig,
  EndpointKey,
  HoldName,
  Incident,
  Override,
  Overrides,
  Route,
  Routing,
  Seen,
  ServiceConfig,
  ServiceRouting,
  Suspicion,
} from '../../src/model.ts';
import { endpointKey, targetId } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import type { PlatformConfig } from '../../src/runbook/platform.ts';
import type { KeyValue, Store } from '../../src/store/store.ts';
import { healthFacts, NOW_MS, openApi, viewOf } from '../api/fixture.ts';
import type { FakeRuns } from '../api/runs.fixture.ts';
import { heardFrom, suspicion } from '../health/votes.ts';

export interface BigWorldSize {
  services: number;
  regions: number;
}

export const BIG: BigWorldSize = { services: 200, regions: 20 };

const numbered = (what: string, n: number): string => `${what}-${String(n + 1).padStart(2, '0')}`;
const HOUR_MS = 3_600_000;
const INCIDENTS = 50;
const ORDERS = 30;
const ENTRIES = 40;
/** A region dies with the first of so many steps, and comes back with the middle one. */
const CYCLE = 100;

// ---- the cluster ----

/** Most are active everywhere, every fourth in a quarter of the regions, with the others standing by. */
const weightOf = (service: number, region: number, regions: number): number =>
  service % 4 === 3 && (region + service) % regions >= Math.ceil(regions / 4) ? 0 : 1;

const serviceOf = (n: number, { regions }: BigWorldSize): ServiceConfig => ({
  name: `${numbered('service', n)}.example.test`,
  mode: n % 10 === 9 ? 'advise' : 'auto',
  provider: n % 2 === 0 ? 'route53' : 'cloudflare',
  ...(n % 8 === 0 ? { also: ['dns'] } : {}),
  ttlS: 30,
  steering: { kind: 'weighted' },
  allDown: 'hold',
  pools: Array.from({ length: regions }, (_, at) => {
    const url = `http://192.0.2.${at + 1}:8080`;
    const probe = (path: string) => ({ kind: 'http', url: `${url}/${path}`, status: [[200, 299]] }) as const;
    return {
      name: numbered('region', at),
      region: numbered('region', at),
      weight: weightOf(n, at, regions),
      minUp: 1,
      answers: [`192.0.2.${at + 1}`],
      targets: [{ name: 'app', from: 'all', healthz: probe('healthz'), readyz: probe('readyz') }],
    };
  }),
  converge: { authoritative: ['192.0.2.200:53'], resolvers: ['192.0.2.201:53'] },
});

export const bigCluster = (size: BigWorldSize = BIG): ClusterConfig => ({
  name: 'big',
  version: 12,
  regions: Array.from({ length: size.regions }, (_, n) => ({ name: numbered('region', n), vote: true, coordinator: true, anchors: [] })),
  services: Array.from({ length: size.services }, (_, n) => serviceOf(n, size)),
  policy: { ...policyOf({}), gray: GRAY },
  goals: { detectionMs: 30_000, convergenceMs: 60_000 },
});

// ---- what is so ----

interface Facts {
  cluster: ClusterConfig;
  steps: number;
  dead: ReadonlySet<string>;
  /** /readyz alone fails there, for every fifth service. */
  unready: ReadonlySet<string>;
  /** Vantages of which nothing is heard; those of dead regions besides. */
  silent: ReadonlySet<string>;
  abstaining: ReadonlySet<string>;
  /** A service that one vantage has doubts about everywhere. */
  doubted: string | null;
  routing: Routing;
  incidents: readonly Incident[];
  lastHash: string;
}

/** The configured shares without those who are out; the first takes what rounding leaves. */
const routeOf = ({ pools }: ServiceConfig, out: ReadonlySet<string>): Route => {
  const wanted = pools.filter(({ region, weight }) => weight > 0 && !out.has(region));
  const takers = wanted.length > 0 ? wanted : pools.filter(({ region }) => !out.has(region));
  const names = (takers.length > 0 ? takers : pools).map(({ name }) => name);
  const each = Math.floor(1000 / names.length);
  const shares = new Map(names.map((name, n) => [name, each + (n < 1000 - each * names.length ? 1 : 0)]));
  return Object.fromEntries(pools.map(({ name }) => [name, shares.get(name) ?? 0]));
};

const holdOf = (n: number, region: string, { unready }: Pick<Facts, 'unready'>): HoldName | null =>
  unready.has(region) && n % 5 === 0 ? 'pacing' : null;

const routingOf = (
  n: number,
  service: ServiceConfig,
  facts: Pick<Facts, 'dead' | 'unready'>,
  v: number,
  atMs: number,
  because: string,
): ServiceRouting => ({
  fence: v,
  sinceAtMs: atMs - 30 * 24 * HOUR_MS,
  mode: service.mode,
  route: routeOf(service, facts.dead),
  because,
  pools: Object.fromEntries(
    service.pools.map(({ name, region }) => [
      name,
      { ...newMemory(facts.dead.has(region) ? 'out' : 'in', atMs), hold: holdOf(n, region, facts) },
    ]),
  ),
  ...(n % 3 === 0 ? { provenAtMs: atMs - n * HOUR_MS } : {}),
});

const incidentOf = (cluster: ClusterConfig, n: number, region: string, v: number, t3AtMs: number): Incident => ({
  id: `${v}-${region}`,
  kind: n % 7 === 6 ? 'region-unready' : 'region-down',
  region,
  services: cluster.services.map(({ name }) => name),
  because: `${region} down: ${cluster.regions.length - 1} of ${cluster.regions.length} vantages (needs ${Math.floor(cluster.regions.length / 2) + 1}), first fault 6.1 s ago`,
  v,
  epoch: 4,
  t0AtMs: t3AtMs - 6_100,
  t0LastAtMs: t3AtMs - 8_000,
  t1AtMs: t3AtMs - 4_000,
  t2AtMs: t3AtMs - 200,
  t3AtMs,
  published: {},
  witnesses: cluster.regions.map(({ name }) => name),
  closedAtMs: null,
  nonce: `i${v}`,
});

/** Acknowledged, served and landed, as far as a move has come after `steps`; every thirtieth service is slow. */
const publishedAfter = (incident: Incident, steps: number): Incident => ({
  ...incident,
  published: Object.fromEntries(
    incident.services.map((service, n) => {
      const late = n % 30 === 29 ? 20 : 0;
      const reached = (stage: number, ms: number) => (steps >= stage + late ? incident.t3AtMs + ms + n : undefined);
      const [t4AtMs, t5AtMs, t6AtMs] = [reached(2, 800), reached(10, 3_000), reached(25, 24_000)];
      const landedAtMs = Object.fromEntries(incident.witnesses.map((region, at) => [region, incident.t3AtMs + 9_000 + 700 * at + n]));
      return [
        service,
        {
          ...(t4AtMs === undefined ? {} : { t4AtMs }),
          ...(t5AtMs === undefined ? {} : { t5AtMs, landedAtMs }),
          ...(t6AtMs === undefined ? {} : { t6AtMs }),
        },
      ];
    }),
  ),
});

const KINDS: readonly Override['kind'][] = ['drain', 'freeze', 'force-in', 'pin', 'evacuate', 'stop'];

const orderOf = ({ services, regions }: ClusterConfig, n: number): Override => {
  const kind = KINDS[n % KINDS.length] ?? 'freeze';
  const [service, region] = [services[(n * 7) % services.length], regions[(n * 3) % regions.length]];
  const inService = service === undefined ? {} : { service: service.name };
  const whole = kind === 'evacuate' || (kind === 'drain' && n % 2 === 0);
  const inPool = kind === 'force-in' || kind === 'drain';
  return {
    id: `order-${String(n + 1).padStart(2, '0')}`,
    kind,
    scope: whole ? { region: region?.name ?? '' } : { ...inService, ...(inPool ? { pool: region?.name ?? '' } : {}) },
    ...(kind === 'pin' && service !== undefined ? { weights: routeOf(service, new Set()) } : {}),
    reason: `works of the ${n + 1}th night`,
    owner: ['ana', 'ben', 'carla'][n % 3] ?? 'ana',
    by: 'ana',
    createdAtMs: NOW_MS - n * 60_000,
    // Most that take a region have not begun, so that something is left that serves.
    ...(whole && n > 6 ? { startsAtMs: NOW_MS + HOUR_MS } : {}),
    expiresAtMs: NOW_MS + (n + 1) * HOUR_MS,
    ...(n % 11 === 10 ? { approval: { by: null, atMs: null } } : {}),
  };
};

/** Of long ago to a moment ago; those of the regions that are dead now are open. */
const pastIncidents = (cluster: ClusterConfig, dead: ReadonlySet<string>): readonly Incident[] => {
  const names = cluster.regions.map(({ name }) => name);
  const past = Array.from({ length: INCIDENTS - dead.size }, (_, n) => {
    const made = incidentOf(cluster, n, names[n % names.length] ?? '', n + 1, NOW_MS - (INCIDENTS - n) * 6 * HOUR_MS);
    return { ...publishedAfter(made, CYCLE), closedAtMs: made.t3AtMs + HOUR_MS };
  });
  const open = [...dead].map((region, n) => publishedAfter(incidentOf(cluster, n, region, INCIDENTS + n, NOW_MS - 90_000), 25));
  return [...past, ...open];
};

const beginning = (size: BigWorldSize): Facts => {
  const cluster = bigCluster(size);
  const names = cluster.regions.map(({ name }) => name);
  const at = (n: number): ReadonlySet<string> => new Set(n < names.length && names.length > 4 ? [names[n] ?? ''] : []);
  const dead = new Set([...at(3), ...at(11)]);
  const unready = at(4);
  const v = INCIDENTS + 2;
  const because = 'region-04 down: 19 of 20 vantages (needs 11), first fault 6.1 s ago; traffic leaves';
  return {
    cluster,
    steps: 0,
    dead,
    unready,
    silent: new Set(),
    abstaining: at(13),
    doubted: null,
    routing: {
      v,
      epoch: 4,
      nonce: 'n',
      atMs: NOW_MS - 90_000,
      membersVersion: cluster.version,
      because,
      regionDrainsAtMs: {},
      auditHash: '',
      open: {},
      services: Object.fromEntries(
        cluster.services.map((service, n) => [service.name, routingOf(n, service, { dead, unready }, v, NOW_MS - 90_000, because)]),
      ),
    },
    incidents: pastIncidents(cluster, dead),
    lastHash: '',
  };
};

// ---- as a replica sees it ----

const HEARD_MS = 400;
const SILENT_MS = 95_000;

const suspects = (targets: readonly string[], reason: Suspicion['reason']): Record<EndpointKey, Suspicion> =>
  Object.fromEntries(
    targets.flatMap((target) =>
      (['healthz', 'readyz'] as const).map((endpoint) => [
        endpointKey(target, endpoint),
        suspicion({ reason, faults: 4, firstFaultAgeMs: 6_100 }),
      ]),
    ),
  );

/** What the vantages say, who look at the same and mostly agree. */
const heardNow = (facts: Facts): readonly Heard[] => {
  const { cluster, dead, unready, abstaining, doubted, steps } = facts;
  const targetsIn = (regions: ReadonlySet<string>, every: number): readonly string[] =>
    cluster.services
      .filter((_, n) => n % every === 0)
      .flatMap(({ name, pools }) => pools.filter((pool) => regions.has(pool.region)).map((pool) => targetId(name, pool.name, 'app')));
  const down = targetsIn(dead, 1);
  const notReady = targetsIn(unready, 5);
  const all = heardFrom(cluster, '', {
    bootN: 1,
    down,
    unready: [...down, ...notReady],
    suspects: { ...suspects(down, 'timeout'), ...suspects(notReady, 'status') },
  });
  const alone = doubted === null ? [] : cluster.regions.map(({ name }) => targetId(doubted, name, 'app'));
  return cluster.regions.map(({ name: region }, at): Heard => {
    const beat = { ...(all.beat as Beat), version: '1.4.0' };
    const doubts = at === steps % cluster.regions.length ? { suspects: { ...beat.suspects, ...suspects(alone, 'pending') } } : {};
    const self = abstaining.has(region) ? ({ state: 'abstain', because: 'anchors unreachable: 2 of 2' } as const) : all.vote.self;
    const isMute = facts.silent.has(region) || dead.has(region);
    const ageMs = isMute ? SILENT_MS : 100 + ((at * 137) % 900);
    return { ...all, region, key: voteKey(region, 'a'), vote: { ...all.vote, self }, beat: { ...beat, ...doubts }, ageMs };
  });
};

const seenOf = ({ cluster, routing }: Facts): Seen => ({
  boot: 'boot',
  configVersion: cluster.version,
  services: Object.fromEntries(
    Object.entries(routing.services).map(([name, { fence }]) => [
      name,
      { fence, authoritativeAgeMs: 20_000, landedAgeMs: 9_000, because: '' },
    ]),
  ),
});

const recordsOf = (facts: Facts): readonly KeyValue[] => {
  const { cluster, routing } = facts;
  const seen = seenOf(facts);
  const applied = cluster.services.map(({ name, provider }, n): KeyValue => {
    const fence = routing.services[name]?.fence ?? 0;
    const value =
      n % 50 === 49
        ? { fence: fence - 1, outcome: 'failing', because: 'answered 503 for 40 s' }
        : { fence, outcome: 'applied', because: '' };
    return { key: appliedKey(provider, name), value: { ...value, atMs: routing.atMs + 800 }, mod: 1 };
  });
  return [...cluster.regions.map(({ name }) => ({ key: seenKey(name, 'a'), value: seen, mod: 1 })), ...applied];
};

const sightFrom = (facts: Facts, overrides: Overrides | null, journal: Sight['journal']): Sight => {
  const { cluster, routing, incidents } = facts;
  const records = recordsOf(facts);
  return {
    rev: routing.v,
    cluster,
    leader: { region: cluster.regions[0]?.name ?? '', replica: 'a', boot: 'boot', epoch: 4, n: 9, nonce: 'l', released: false },
    routing,
    overrides,
    adopted: null,
    reported: null,
    tiers: null,
    journal,
    heard: heardNow(facts),
    refused: [],
    incidents,
    frozen: [],
    mod: () => 1,
    ageMs: () => HEARD_MS,
    has: (prefix) => records.filter(({ key }) => key.startsWith(prefix)),
  };
};

// ---- how it changes ----

interface Changed {
  facts: Facts;
  audit: Audit;
}

/** One decision more, of the services that `moves` names. */
const decided = (before: Facts, more: Partial<Facts>, moves: (n: number) => boolean, because: string, nowMs: number): Changed => {
  const facts = { ...before, ...more };
  const { cluster, routing } = facts;
  const v = routing.v + 1;
  const moved = cluster.services.flatMap((service, n) =>
    moves(n) ? [[service.name, routingOf(n, service, facts, v, nowMs, because)] as const] : [],
  );
  const audit: Audit = {
    v,
    epoch: 4,
    atMs: nowMs,
    by: 'region-01/a',
    because,
    wouldChange: '',
    changes: moved.map(([service, { route }]) => ({ service, before: routing.services[service]?.route ?? {}, after: route, because })),
    holds: [],
    votes: {},
    prevHash: facts.lastHash,
  };
  const services = { ...routing.services, ...Object.fromEntries(moved) };
  return { audit, facts: { ...facts, lastHash: decisionHash(audit), routing: { ...routing, v, atMs: nowMs, because, services } } };
};

const dying = (facts: Facts, region: string, nowMs: number): Changed => {
  const { cluster, incidents, routing } = facts;
  const opened = incidentOf(cluster, 0, region, routing.v + 1, nowMs);
  const dead = new Set([...facts.dead, region]);
  return decided(facts, { dead, incidents: [...incidents, opened] }, () => true, `${opened.because}; traffic leaves`, nowMs);
};

const returning = (facts: Facts, region: string, nowMs: number): Changed => {
  const dead = new Set([...facts.dead].filter((name) => name !== region));
  const incidents = facts.incidents.map((each) =>
    each.region === region && each.closedAtMs === null ? { ...publishedAfter(each, CYCLE), closedAtMs: nowMs } : each,
  );
  return decided(facts, { dead, incidents }, () => true, `${region} carries its full share again`, nowMs);
};

/** One service is decided anew, one is doubted by somebody, and what moves gets a bit further. */
const going = (facts: Facts, nowMs: number): Changed => {
  const { cluster, steps } = facts;
  const at = (steps * 13) % cluster.services.length;
  const doubted = cluster.services[(steps * 17) % cluster.services.length]?.name ?? null;
  const incidents = facts.incidents.map((each) => (each.closedAtMs === null ? publishedAfter(each, steps % CYCLE) : each));
  return decided(facts, { doubted, incidents }, (n) => n === at, `step ${steps}: a service was looked at again`, nowMs);
};

const changed = (facts: Facts, nowMs: number): Changed => {
  const { cluster, steps } = facts;
  const region = cluster.regions[(5 + Math.floor(steps / CYCLE)) % cluster.regions.length]?.name ?? '';
  const next = { ...facts, steps: steps + 1 };
  if (steps % CYCLE === 0) return dying(next, region, nowMs);
  return steps % CYCLE === CYCLE / 2 ? returning(next, region, nowMs) : going(next, nowMs);
};

// ---- served ----

export interface BigWorld extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly store: Store;
  /** What carries out runs, a fake. */
  readonly runs: FakeRuns;
  /** What the documents are made of now. */
  input(): StatusInput;
  sight(): Sight;
  /** How many changes there have been. */
  steps(): number;
  /** The newest decision. */
  v(): number;
  /** One change, told to all who listen: every hundredth time a region dies, and comes back fifty steps later; else a decision. */
  step(): Promise<void>;
  die(region: string): Promise<void>;
  comeBack(region: string): Promise<void>;
  /** Its vantage falls silent, or is heard again; nothing is decided. */
  silence(region: string, is?: boolean): Promise<void>;
  /** Steps at a pace until the end of what it returns. */
  drive(perSecond: number): () => Promise<void>;
  close(): Promise<void>;
}

export interface BigWorldOptions {
  size?: BigWorldSize;
  /** Its clock stands still, so that it says the same each time. */
  frozen?: boolean;
  /** What moves together with the routes. */
  platforms?: readonly PlatformConfig[];
  /** What else its API offers. */
  more?: Partial<ApiOptions>;
}

export const openBigWorld = async ({ size = BIG, frozen = false, platforms, more = {} }: BigWorldOptions = {}): Promise<BigWorld> => {
  const ports = realPorts();
  const startedAtMs = ports.clock.monoMs();
  const nowMs = (): number => (frozen ? NOW_MS : Math.round(NOW_MS + ports.clock.monoMs() - startedAtMs));
  let facts = beginning(size);
  if (platforms !== undefined) facts = { ...facts, cluster: { ...facts.cluster, platforms } };
  let sight: Sight | null = null;
  const seen = (): Sight => {
    if (sight === null) throw new Error('the world was not looked at yet');
    return sight;
  };
  const viewing = (): Viewing => ({
    sight: seen(),
    seenAgoMs: 0,
    region: facts.cluster.regions[0]?.name ?? '',
    replica: 'a',
    boot: 'boot',
    role: { role: 'coordinator', epoch: 4 },
    vote: null,
    nowMs: nowMs(),
    wallMs: nowMs(),
  });
  const input = (): StatusInput => {
    const made = inputNow(viewing());
    if (made === null) throw new Error('the world has no configuration');
    return made;
  };
  const documents = createDocuments(ports, input);
  const base = openApi({
    ...more,
    snapshot: () => snapshotNow(viewing()),
    view: viewOf({
      ...documents,
      cluster: () => facts.cluster,
      clusterNowMs: nowMs,
      health: () => healthFacts({ status: documents.short(), cluster: facts.cluster }),
    }),
  });
  const { store } = base;
  const hub = createEventHub({ ports, log: base.log, store, region: 'region-01', replica: 'a' });
  const api: Api = await createApi({ ...base.options, events: hub, port: 0 });

  /** Orders that were given meanwhile are seen, as a replica sees them. */
  const look = async (): Promise<void> => {
    const { kvs } = await store.get({ keys: [KEYS.override, KEYS.journal] });
    const overrides = kvs.find(({ key }) => key === KEYS.override)?.value as Overrides | undefined;
    const journal = kvs.find(({ key }) => key === KEYS.journal)?.value as Sight['journal'] | undefined;
    sight = sightFrom(facts, overrides ?? null, journal ?? null);
    hub.look(sight, () => talliesNow(viewing()), nowMs());
  };
  const commit = async ({ facts: next, audit }: Changed): Promise<void> => {
    const opened = next.incidents.filter(({ v }) => v === audit.v);
    facts = next;
    await store.txn({
      if: [],
      then: [{ put: auditKey(audit.v), value: audit }, ...opened.map((incident) => ({ put: incidentKey(incident.id), value: incident }))],
    });
    await look();
  };
  const step = (): Promise<void> => commit(changed(facts, nowMs()));

  const items = Array.from({ length: ORDERS }, (_, n) => orderOf(facts.cluster, n));
  await store.txn({ if: [], then: [{ put: KEYS.override, value: { version: ORDERS, nonce: 'o', items } satisfies Overrides }] });
  for (const incident of facts.incidents) await store.txn({ if: [], then: [{ put: incidentKey(incident.id), value: incident }] });
  for (const { id, reason, scope, owner } of items.concat(items).slice(0, ENTRIES))
    await append(store, ports, {
      kind: 'override.put',
      by: owner,
      how: 'token',
      because: reason,
      detail: { id, ...scope },
      atMs: NOW_MS,
      nonce: id,
    });
  await commit(decided(facts, {}, (n) => n === 0, 'a first look', nowMs()));

  const close = async (): Promise<void> => {
    await api.close(100);
    await base.close();
  };
  return {
    port: api.port,
    url: `http://127.0.0.1:${api.port}`,
    store,
    runs: base.runs,
    input,
    sight: seen,
    steps: () => facts.steps,
    v: () => facts.routing.v,
    step,
    die: (region) => commit(dying(facts, region, nowMs())),
    comeBack: (region) => commit(returning(facts, region, nowMs())),
    async silence(region, is = true) {
      const others = [...facts.silent].filter((name) => name !== region);
      facts = { ...facts, silent: new Set(is ? [...others, region] : others) };
      await look();
    },
    drive(perSecond) {
      let isOver = false;
      const driven = (async () => {
        const beganAtMs = ports.clock.monoMs();
        for (let n = 1; !isOver; n++) {
          await step();
          await delay(Math.max(0, beganAtMs + (n * 1000) / perSecond - ports.clock.monoMs()));
        }
      })();
      return async () => {
        isOver = true;
        await driven;
      };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};
