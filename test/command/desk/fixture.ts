// Clusters as the API tells of them, made by the production code from what the coordinator would have in memory.
import { type StatusInput, statusDocument } from '../../../src/api/status.ts';
import type { StatusDocument } from '../../../src/client/types.ts';
import { plain } from '../../../src/command/desk/text.ts';
import { appliedKey } from '../../../src/coordinate/keys.ts';
import { newMemory } from '../../../src/decide/pool.ts';
import type {
  Ballot,
  ClusterConfig,
  EndpointTally,
  Incident,
  Override,
  PoolMemory,
  PoolTally,
  Routing,
  ServiceRouting,
} from '../../../src/model.ts';
import { endpointKey, targetId } from '../../../src/model.ts';
import { heardOf, NOW_MS, REGIONS, cluster as small, statusInput } from '../../api/fixture.ts';

export const SCREEN = { columns: 80, rows: 24, paint: plain };
export const ago = (ms: number): number => NOW_MS - ms;

const endpoint = (key: string, down: readonly string[]): EndpointTally => ({
  key,
  verdict: down.length >= 2 ? 'down' : 'up',
  down: down.length,
  up: REGIONS.length - down.length,
  electorate: REGIONS.length,
  needs: 2,
  ballots: Object.fromEntries(REGIONS.map((region): [string, Ballot] => [region, down.includes(region) ? 'down' : 'up'])),
  suspectAtQuorum: down.length >= 2,
  firstFaultAtMs: down.length > 0 ? ago(21_000) : null,
  lastOkAtMs: down.length > 0 ? ago(26_000) : null,
});

/** `down`: regions that say down of this region's target. */
export const tallyOf = (service: string, region: string, down: readonly string[] = []): PoolTally => {
  const target = targetId(service, region, 'app');
  const out = down.length >= 2;
  return {
    service,
    pool: region,
    region,
    verdict: out ? 'out' : 'up',
    cause: out ? 'down' : 'up',
    up: out ? 0 : 1,
    unknown: 0,
    total: 1,
    minUp: 1,
    gray: 0,
    nearGray: 0,
    suspectAtQuorum: out,
    anyDownVote: down.length > 0,
    gate: 'open',
    firstFaultAtMs: out ? ago(21_000) : null,
    lastOkAtMs: out ? ago(26_000) : null,
    targets: [
      {
        target,
        verdict: out ? 'down' : 'up',
        endpoints: { healthz: endpoint(endpointKey(target, 'healthz'), down), readyz: endpoint(endpointKey(target, 'readyz'), down) },
      },
    ],
  };
};

export const memory = (given: Partial<PoolMemory> = {}): PoolMemory => ({ ...newMemory('in', ago(6 * 86_400_000)), ...given });

export const routingOf = (cluster: ClusterConfig, given: Partial<Routing>, of: (name: string) => Partial<ServiceRouting>): Routing => ({
  v: 41,
  epoch: 7,
  nonce: 'n',
  atMs: ago(2 * 86_400_000),
  membersVersion: cluster.version,
  because: 'all pools up: the configured route',
  regionDrainsAtMs: {},
  auditHash: '',
  open: {},
  services: Object.fromEntries(
    cluster.services.map(({ name, mode }): [string, ServiceRouting] => [
      name,
      {
        fence: 40,
        sinceAtMs: ago(30 * 86_400_000),
        mode,
        route: { 'eu-west': 334, 'us-east': 333, 'ap-south': 333 },
        because: 'all pools up: the configured route',
        pools: Object.fromEntries(REGIONS.map((region) => [region, memory()])),
        ...of(name),
      },
    ]),
  ),
  ...given,
});

const votes: StatusInput['votes'] = REGIONS.map((region) => heardOf(region, 800));

export const paths = (failing = false): NonNullable<StatusInput['paths']> => ({
  ranked: () => ({ order: ['local'], because: '' }),
  providers: () => [
    {
      name: 'local',
      failing,
      provenAgoMs: failing ? 1_900_000 : 95_000,
      writes: { p50Ms: 310, p99Ms: 1480, count: 214 },
      canary: {
        service: 'canary.example.test',
        atMs: ago(95_000),
        ok: !failing,
        because: failing ? 'not acknowledged within 30 s' : '',
        stages: {},
      },
    },
  ],
});

const applied = (fence: number) =>
  Object.fromEntries(small.services.map(({ name }) => [name, { fence, atMs: ago(1000), outcome: 'applied' as const, because: '' }]));

export const healthy = (given: Partial<StatusInput> = {}): StatusDocument =>
  statusDocument({
    ...statusInput(),
    routing: routingOf(small, {}, () => ({})),
    votes,
    tallies: small.services.flatMap(({ name }) => REGIONS.map((region) => tallyOf(name, region))),
    applied: applied(40),
    paths: paths(),
    leader: { region: 'us-east', replica: 'a', boot: 'b', epoch: 7, n: 9, nonce: 'n', released: false },
    self: { region: 'eu-west', replica: 'a', boot: 'b1', role: 'standby', epoch: 7, canVote: true, canDecide: true, because: '' },
    ...given,
  });

const DRAINED = { 'eu-west': 0, 'us-east': 500, 'ap-south': 500 };
const incident: Incident = {
  id: 'inc-42-eu-west',
  kind: 'region-down',
  region: 'eu-west',
  services: small.services.map(({ name }) => name),
  because: 'eu-west down: 2 of 3 vantages (needs 2), first fault 21.0 s ago',
  v: 42,
  epoch: 7,
  t0AtMs: ago(21_000),
  t0LastAtMs: ago(26_000),
  t1AtMs: ago(20_000),
  t2AtMs: ago(3_400),
  t3AtMs: ago(3_200),
  published: { 'web.example.test': { t4AtMs: ago(2_900), t5AtMs: ago(1_000) } },
  witnesses: ['us-east', 'ap-south'],
  closedAtMs: null,
  nonce: 'n',
};

/** eu-west has been taken out a moment ago; one of its services is still being written. */
export const dying = (): StatusDocument =>
  healthy({
    routing: routingOf(small, { v: 42, atMs: ago(3_200), because: incident.because, open: { 'eu-west': incident.id } }, () => ({
      fence: 42,
      route: DRAINED,
      because: incident.because,
      pools: Object.fromEntries(
        REGIONS.map((region) => [
          region,
          region === 'eu-west' ? memory({ state: 'out', by: 'health', sinceAtMs: ago(3_200), outAtMs: ago(3_400) }) : memory(),
        ]),
      ),
    })),
    votes: votes.filter(({ region }) => region !== 'eu-west'),
    tallies: small.services.flatMap(({ name }) =>
      REGIONS.map((region) => tallyOf(name, region, region === 'eu-west' ? ['us-east', 'ap-south'] : [])),
    ),
    applied: {
      'web.example.test': { fence: 42, atMs: ago(2_900), outcome: 'applied', because: '' },
      'api.example.test': { fence: 40, atMs: ago(9_000_000), outcome: 'applied', because: '' },
    },
    incidents: [incident],
    self: { region: 'us-east', replica: 'a', boot: 'b1', role: 'coordinator', epoch: 7, canVote: true, canDecide: true, because: '' },
  });

export const drain = (given: Partial<Override> = {}): Override => ({
  id: 'drain-eu-west-4f2a1c',
  kind: 'drain',
  scope: { region: 'eu-west' },
  reason: 'kernel upgrade of the whole region',
  owner: 'ana',
  createdAtMs: ago(600_000),
  expiresAtMs: NOW_MS + 12_600_000,
  ticket: 'OPS-1234',
  ...given,
});

/** eu-west is drained by order. */
export const overridden = (order: Partial<Override> = {}): StatusDocument =>
  healthy({
    routing: routingOf(small, { v: 43, atMs: ago(599_000), because: 'eu-west drained by ana: kernel upgrade of the whole region' }, () => ({
      fence: 43,
      route: DRAINED,
      because: 'eu-west drained by ana: kernel upgrade of the whole region',
      pools: Object.fromEntries(
        REGIONS.map((region) => [
          region,
          region === 'eu-west' ? memory({ state: 'out', by: 'override', sinceAtMs: ago(599_000) }) : memory(),
        ]),
      ),
    })),
    applied: applied(43),
    overrides: { version: 9, nonce: 'n', items: [drain(order)] },
  });

/** The same order, which nothing has been decided about. */
export const disobeyed = (): StatusDocument =>
  healthy({
    routing: routingOf(small, {}, () => ({
      pools: Object.fromEntries(REGIONS.map((region) => [region, memory()])),
    })),
    overrides: { version: 9, nonce: 'n', items: [drain()] },
  });

const DAY_MS = 86_400_000;
/** Well, but for what humans forget: a drill that is overdue, one that is due, and a replica of another version. */
export const reminded = (): StatusDocument =>
  healthy({
    cluster: { ...small, policy: { ...small.policy, safety: { ...small.policy.safety, 'drill-fresh': { maxAgeDays: 90 } } } },
    routing: routingOf(small, {}, (name) => ({
      sinceAtMs: ago(400 * DAY_MS),
      provenAtMs: ago((name.startsWith('web') ? 97 : 85) * DAY_MS),
    })),
    votes: votes.map((vote) => ({
      ...vote,
      beat: {
        boot: 'b',
        seq: 1,
        n: 9,
        configVersion: 3,
        suspects: {},
        loopDelayMs: 0,
        wallMs: NOW_MS,
        version: vote.region === 'ap-south' ? '0.2.0' : '0.3.0',
      },
    })),
    paths: null,
    records: new Map(small.services.map(({ name, provider }) => [appliedKey(provider, name), applied(40)[name]!])),
  });
