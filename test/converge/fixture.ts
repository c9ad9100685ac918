// A small cluster, and a network on virtual time: authoritative servers with a rotation, resolvers with a cache, regions that answer requests.
import { policyOf } from '../../src/config/defaults.ts';
import type { HttpGet } from '../../src/converge/request.ts';
import { newMemory } from '../../src/decide/pool.ts';
import type { Reply } from '../../src/dns/codec.ts';
import { type query, serverText } from '../../src/dns/exchange.ts';
import type { ClusterConfig, ConvergeConfig, Incident, Mode, PoolConfig, Route, Routing, ServiceConfig } from '../../src/model.ts';
import { sleep } from '../../src/ports.ts';
import type { Virtual } from '../virtual.ts';

export const START_WALL_MS = Date.UTC(2026, 10, 22, 3, 12);
export const REGIONS = ['eu-west', 'us-east', 'ap-south'] as const;
export const NS1 = '198.51.100.1:53';
export const NS2 = '198.51.100.2:53';
export const RESOLVER = '203.0.113.53:53';
export const REQUEST = { port: 80, path: '/' };

export const addressOf = (region: string): string => `192.0.2.${1 + REGIONS.indexOf(region as (typeof REGIONS)[number])}`;

export const poolOf = (region: string, given: Partial<PoolConfig> = {}): PoolConfig => ({
  name: region,
  region,
  weight: 1,
  minUp: 1,
  answers: [addressOf(region)],
  targets: [],
  ...given,
});

export const serviceOf = (
  given: Partial<Omit<ServiceConfig, 'converge'>> & { converge?: Partial<ConvergeConfig> } = {},
): ServiceConfig => ({
  name: 'web.example.test',
  mode: 'auto',
  provider: 'local',
  ttlS: 10,
  steering: { kind: 'weighted' },
  allDown: 'hold',
  pools: REGIONS.map((region) => poolOf(region)),
  ...given,
  converge: { authoritative: [NS1, NS2], resolvers: [RESOLVER], request: REQUEST, ...given.converge },
});

export const clusterOf = (services: readonly ServiceConfig[], version = 1): ClusterConfig => ({
  name: 'test',
  version,
  regions: REGIONS.map((name) => ({ name, vote: true, coordinator: true, anchors: [] })),
  services,
  policy: policyOf({}),
  goals: { detectionMs: 30_000, convergenceMs: 60_000 },
});

export const ALL: Route = { 'eu-west': 334, 'us-east': 333, 'ap-south': 333 };
export const NO_EU: Route = { 'eu-west': 0, 'us-east': 500, 'ap-south': 500 };

/** What the store says of routes: pools without a share are out, the others in. */
export const routingOf = (
  services: Readonly<Record<string, { fence: number; route: Route; mode?: Mode }>>,
  given: Partial<Routing> = {},
): Routing => ({
  v: Math.max(0, ...Object.values(services).map((service) => service.fence)),
  epoch: 1,
  nonce: 'n',
  atMs: 0,
  membersVersion: 1,
  because: '',
  regionDrainsAtMs: {},
  auditHash: '',
  open: {},
  services: Object.fromEntries(
    Object.entries(services).map(([name, { fence, route, mode = 'auto' }]) => [
      name,
      {
        fence,
        sinceAtMs: 0,
        mode,
        route,
        because: '',
        pools: Object.fromEntries(Object.entries(route).map(([pool, share]) => [pool, newMemory(share > 0 ? 'in' : 'out', 0)])),
      },
    ]),
  ),
  ...given,
});

export const incidentOf = (given: Partial<Incident> = {}): Incident => ({
  id: '7-eu-west',
  kind: 'region-down',
  region: 'eu-west',
  services: ['web.example.test'],
  because: 'eu-west down',
  v: 7,
  epoch: 3,
  t0AtMs: 993_000,
  t0LastAtMs: 991_000,
  t1AtMs: 994_000,
  t2AtMs: 999_900,
  t3AtMs: 1_000_000,
  published: {},
  witnesses: [...REGIONS].sort(),
  closedAtMs: null,
  nonce: 'n',
  ...given,
});

export const replyOf = (name: string, addresses: readonly string[], given: Partial<Reply> = {}): Reply => ({
  id: 1,
  rcode: 'NOERROR',
  authoritative: true,
  truncated: false,
  recursionAvailable: false,
  question: null,
  answers: addresses.map((data) => ({ name, ttlS: 10, type: data.includes(':') ? ('AAAA' as const) : ('A' as const), data })),
  negativeTtlS: null,
  ednsBytes: null,
  ...given,
});

export interface FakeNet {
  dnsQuery: typeof query;
  httpGet: HttpGet;
  /** Answers of each server in turn; null: it is dead. */
  serves: Map<string, readonly (readonly string[])[] | null>;
  /** Caches: what a resolver answers until it expires, then what `from` serves. */
  caches: Map<string, { from: string; ttlMs: number }>;
  /** A cache learned this just now. */
  cached(resolver: string, addresses: readonly string[]): void;
  /** Region that answers at an address; null: nobody does. */
  answering: Map<string, string | null>;
  /** Regions that answer in turn at the address of a provider that stands before all of them. */
  behind: Map<string, readonly string[]>;
  /** Status of every answer to a request. */
  status: number;
  /** Questions asked so far, per server. */
  asked: Map<string, number>;
  /** Most questions under way at once. */
  mostAtOnce: number;
}

const DELAY_MS = 5;

export const fakeNet = (virtual: Virtual): FakeNet => {
  const turns = new Map<string, number>();
  const cached = new Map<string, { addresses: readonly string[]; untilMs: number }>();
  let atOnce = 0;

  const next = (server: string): readonly string[] | null => {
    const answers = net.serves.get(server) ?? null;
    if (answers === null) return null;
    const turn = turns.get(server) ?? 0;
    turns.set(server, turn + 1);
    return answers[turn % answers.length] ?? [];
  };

  const resolve = (server: string, { from, ttlMs }: { from: string; ttlMs: number }): readonly string[] | null => {
    const known = cached.get(server);
    if (known !== undefined && virtual.now() < known.untilMs) return known.addresses;
    const addresses = next(from);
    if (addresses !== null) cached.set(server, { addresses, untilMs: virtual.now() + ttlMs });
    return addresses;
  };

  const net: FakeNet = {
    serves: new Map(),
    caches: new Map(),
    cached(resolver, addresses) {
      cached.set(resolver, { addresses, untilMs: virtual.now() + (net.caches.get(resolver)?.ttlMs ?? 0) });
    },
    answering: new Map(REGIONS.map((region) => [addressOf(region), region])),
    behind: new Map(),
    status: 200,
    asked: new Map(),
    mostAtOnce: 0,
    async dnsQuery({ server, name, type, timeoutMs, signal }) {
      const at = serverText(server);
      net.asked.set(at, (net.asked.get(at) ?? 0) + 1);
      atOnce += 1;
      net.mostAtOnce = Math.max(net.mostAtOnce, atOnce);
      try {
        const cache = net.caches.get(at);
        const addresses = cache === undefined ? next(at) : resolve(at, cache);
        await sleep(virtual.ports.timers, addresses === null ? timeoutMs : DELAY_MS, signal);
        if (addresses === null) throw new Error(`DNS server ${at}: no answer within ${timeoutMs} ms`);
        const family = addresses.filter((address) => address.includes(':') === (type === 'AAAA'));
        return replyOf(name, family, { authoritative: cache === undefined });
      } finally {
        atOnce -= 1;
      }
    },
    async httpGet({ address, timeoutMs, signal }) {
      const regions = net.behind.get(address);
      const turn = turns.get(`behind ${address}`) ?? 0;
      turns.set(`behind ${address}`, turn + 1);
      const region = regions?.[turn % regions.length] ?? net.answering.get(address) ?? null;
      await sleep(virtual.ports.timers, region === null ? timeoutMs : DELAY_MS, signal);
      if (region === null) throw new Error(`GET ${address} port 80: no answer within ${timeoutMs} ms`);
      return { status: net.status, region };
    },
  };
  return net;
};
