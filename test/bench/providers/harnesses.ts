// The table of what the providers bench runs: an adapter opened as a replica opens it, over ports whose sockets are timed, and the world behind it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtin } from '../../../providers/builtin/index.ts';
import { serveBuiltin } from '../../../providers/builtin/server.ts';
import { cloudflare } from '../../../providers/cloudflare/index.ts';
import { gate } from '../../../providers/gate/index.ts';
import { gclb } from '../../../providers/gclb/index.ts';
import { kubernetes } from '../../../providers/kubernetes/index.ts';
import { powerdns } from '../../../providers/powerdns/index.ts';
import type { Provider, ProviderContext } from '../../../providers/provider.ts';
import { rfc2136 } from '../../../providers/rfc2136/index.ts';
import { route53 } from '../../../providers/route53/index.ts';
import { clusterSchema } from '../../../src/config/cluster.ts';
import { standInForCloudflare } from '../../../src/drill/stand-ins/cloudflare.ts';
import { startGclbStandIn } from '../../../src/drill/stand-ins/gclb.ts';
import { startRoute53 } from '../../../src/drill/stand-ins/route53.ts';
import type { StandIn } from '../../../src/drill/stand-ins/stand-in.ts';
import { createHttp } from '../../../src/http.ts';
import type { ServiceConfig } from '../../../src/model.ts';
import { type Ports, realPorts } from '../../../src/ports.ts';
import { openEmbedded } from '../../../src/store/embedded.ts';
import type { Store } from '../../../src/store/store.ts';
import { createObjects, kubeconfigText, routeEntry, standInWorld } from '../../providers/kubernetes.fixture.ts';
import { startBind } from '../../system/bind.ts';
import { startPowerDns } from '../../system/powerdns.ts';

export interface BenchedProvider extends AsyncDisposable {
  name: string;
  /** What answers: `stand-in`, or the real server. */
  behind: string;
  provider: Provider;
  /** In auto, with pools of equal weight. */
  service: ServiceConfig;
  /** Requests that reached it so far; counted at the sockets when it cannot say. */
  calls?: () => number;
  /** Between failovers, for an adapter that keeps to the vendor's rate. */
  pauseMs?: number;
}

/** Where requests are timed. */
export interface Timed {
  ports: Ports;
  /** A request that takes no socket. */
  exchange<T>(work: () => Promise<T>): Promise<T>;
}

export type OpenBenched = (timed: Timed) => Promise<BenchedProvider>;

const REGIONS = ['eu-west', 'us-east', 'ap-south'];

/** Three pools, one per region, an address each unless the provider serves objects. */
export const serviceFor = (name: string, byAddress = true): ServiceConfig => {
  const cluster = clusterSchema.parse({
    name: 'bench',
    regions: REGIONS.map((region) => ({ name: region })),
    services: [
      {
        name,
        mode: 'auto',
        provider: 'bench',
        ttl: '30s',
        pools: REGIONS.map((region, at) => ({
          name: region,
          ...(byAddress ? { answers: [`192.0.2.${at + 1}`] } : {}),
          targets: [{ name: 'app', healthz: `http://192.0.2.${at + 1}/healthz` }],
        })),
      },
    ],
  });
  return cluster.services[0]!;
};

const TOKEN = 'bench-token-of-no-value';
const LOOPBACK = '127.0.0.1';

const openBuiltin: OpenBenched = async ({ ports }) => {
  const any = { host: LOOPBACK, port: 0 };
  const zone = 'bench.test';
  const server = await serveBuiltin({ ports: realPorts(), zoneName: zone, dns: any, control: any, token: TOKEN });
  const control = { host: LOOPBACK, port: server.controlPort };
  const provider = builtin.open({ kind: 'builtin', zone, control, tokenFile: '/bench' }, { ports, secret: () => TOKEN });
  return {
    name: 'builtin',
    behind: 'builtin server',
    provider,
    service: serviceFor(`web.${zone}`),
    async [Symbol.asyncDispose]() {
      await provider.close();
      await server.close();
    },
  };
};

const openBind: OpenBenched = async ({ ports }) => {
  const bind = await startBind();
  const { zone, host, port, key } = bind;
  const provider = rfc2136.open(
    { kind: 'rfc2136', zone, server: { host, port }, key: { name: key.name, algorithm: key.algorithm, secretFile: '/bench' } },
    { ports, secret: () => key.secret },
  );
  return {
    name: 'rfc2136',
    behind: 'BIND 9',
    provider,
    service: serviceFor(`web.${zone}`),
    async [Symbol.asyncDispose]() {
      await provider.close();
      await bind[Symbol.asyncDispose]();
    },
  };
};

// ---- stand-ins ----

/** What an adapter over HTTP is given: our own client over the timed sockets. Stand-ins are reached by address, so nothing is resolved. */
const httpOver = (ports: Ports) => createHttp({ ports, resolve: async (host) => ({ addresses: [host], stale: null, ageMs: 0 }) });

const onStandIn = (
  ports: Ports,
  name: string,
  standIn: StandIn,
  secret: string,
  service: ServiceConfig,
  open: (context: ProviderContext) => Provider,
): BenchedProvider => {
  const http = httpOver(ports);
  const provider = open({ ports, secret: () => secret, fetch: http.fetch } as ProviderContext);
  return {
    name,
    behind: 'stand-in',
    provider,
    service,
    calls: () => standIn.calls().length,
    async [Symbol.asyncDispose]() {
      await provider.close();
      await http.close();
      await standIn.close();
    },
  };
};

const ZONE = 'bench.test';
const NAME = `web.${ZONE}`;

const openRoute53: OpenBenched = async ({ ports }) => {
  const key = { accessKeyId: 'AKIABENCHBENCHBENCHB', secretAccessKey: 'bench-secret-of-no-value' };
  const standIn = await startRoute53({ ports: realPorts(), key, zones: [{ id: 'Z0BENCH', name: ZONE }] });
  const secret = `[default]\naws_access_key_id = ${key.accessKeyId}\naws_secret_access_key = ${key.secretAccessKey}\n`;
  const config = { kind: 'route53' as const, mode: 'weighted' as const, zone: ZONE, hostedZoneId: 'Z0BENCH', endpoint: standIn.url };
  const benched = onStandIn(ports, 'route53', standIn, secret, serviceFor(NAME), (context) =>
    route53.open({ ...config, credentialsFile: '/bench', services: {} }, context),
  );
  // Five requests a second for the whole account, which the adapter keeps to by itself; a failover takes two.
  return { ...benched, pauseMs: 500 };
};

const openCloudflare: OpenBenched = async ({ ports }) => {
  const standIn = await standInForCloudflare({ ports: realPorts(), token: TOKEN, zone: ZONE, callsMax: 1_000_000 });
  const pools = REGIONS.map((region) => [region, standIn.pool({ name: region }).id] as const);
  const { id } = standIn.balancer({ name: NAME, default_pools: pools.map(([, pool]) => pool) });
  const services = { [NAME]: { loadBalancerId: id, pools: Object.fromEntries(pools) } };
  return onStandIn(ports, 'cloudflare', standIn, TOKEN, serviceFor(NAME, false), (context) =>
    cloudflare.open(
      {
        kind: 'cloudflare',
        mode: 'loadBalancer',
        zone: ZONE,
        zoneId: standIn.zoneId,
        endpoint: standIn.url,
        tokenFile: '/bench',
        proxied: true,
        sessions: 'keep',
        // Failovers here are closer together than a vendor's account would have them.
        callsPer5Min: 1_000_000,
        services,
      },
      context,
    ),
  );
};

const openGclb: OpenBenched = async ({ ports }) => {
  const project = 'bench-project';
  const group = (region: string): string => `zones/${region}-a/networkEndpointGroups/${region}`;
  const standIn = await startGclbStandIn({
    ports: realPorts(),
    project,
    quotaPerMinute: 1_000_000,
    backendServices: [
      {
        name: 'web',
        description: '',
        loadBalancingScheme: 'EXTERNAL_MANAGED',
        protocol: 'HTTP',
        backends: REGIONS.map((region) => ({
          group: `https://www.googleapis.com/compute/v1/projects/${project}/${group(region)}`,
          balancingMode: 'RATE',
          maxRatePerEndpoint: 100,
          capacityScaler: 1,
        })),
      },
    ],
  });
  const pools = Object.fromEntries(REGIONS.map((region) => [region, { groups: [group(region)], capacityScaler: 1 }]));
  const services = { [NAME]: { backendService: 'web', pools, unmanaged: [] } };
  return onStandIn(ports, 'gclb', standIn, standIn.credentials, serviceFor(NAME, false), (context) =>
    gclb.open({ kind: 'gclb', mode: 'capacity', project, endpoint: standIn.url, credentialsFile: '/bench', services }, context),
  );
};

const openPowerDns: OpenBenched = async ({ ports }) => {
  const server = await startPowerDns();
  const { zone, host, port, key, apiUrl, apiKey } = server;
  const http = httpOver(ports);
  const provider = powerdns.open(
    {
      kind: 'powerdns',
      zone,
      server: { host, port },
      key: { name: key.name, algorithm: key.algorithm, secretFile: '/key' },
      api: { url: apiUrl, keyFile: '/api' },
    },
    { ports, secret: (path: string) => (path === '/key' ? key.secret : apiKey), fetch: http.fetch } as ProviderContext,
  );
  return {
    name: 'powerdns',
    behind: 'PowerDNS',
    provider,
    service: serviceFor(`web.${zone}`),
    async [Symbol.asyncDispose]() {
      await provider.close();
      await http.close();
      await server[Symbol.asyncDispose]();
    },
  };
};

/** The store of our own is what is written: in this process, on a file, and synced. Its time is that of its calls. */
const openGate: OpenBenched = async ({ exchange }) => {
  const dir = mkdtempSync(join(tmpdir(), 'tidegate-bench-'));
  const store = openEmbedded({ file: join(dir, 'store.sqlite'), ports: realPorts() });
  const seen: Store = {
    clusterId: store.clusterId,
    watch: (prefix, onEvent) => store.watch(prefix, onEvent),
    get: (query, signal) => exchange(() => store.get(query, signal)),
    txn: (txn, signal) => exchange(() => store.txn(txn, signal)),
    close: async () => undefined,
  };
  return {
    name: 'gate',
    behind: 'embedded store',
    provider: gate.open(
      { kind: 'gate', form: 'survivor', checker: { kind: 'route53', intervalMs: 10_000, failures: 3, agree: 2, proxied: false } },
      { store: seen },
    ),
    service: serviceFor(NAME),
    async [Symbol.asyncDispose]() {
      await store.close();
      rmSync(dir, { recursive: true });
    },
  };
};

const openKubernetes: OpenBenched = async ({ ports }) => {
  const world = await standInWorld();
  const service = serviceFor(NAME, false);
  const object = { service: NAME, ttlS: service.ttlS, pools: service.pools.map(({ name }) => ({ ...pooled, pool: name, region: name })) };
  await createObjects(world, 'httpRoute', [object]);
  const http = httpOver(ports);
  const provider = kubernetes.open(
    { kind: 'kubernetes', clusters: { here: { kubeconfigFile: '/bench' } }, services: { [NAME]: { httpRoute: routeEntry(object) } } },
    {
      ports,
      secret: () => kubeconfigText(world),
      fetch: http.fetch,
      httpTrusting: () => {
        throw new Error('no certificate is asked for here');
      },
    },
  );
  return {
    name: 'kubernetes',
    behind: 'stand-in',
    provider,
    service,
    calls: () => world.calls().length,
    async [Symbol.asyncDispose]() {
      await provider.close();
      await http.close();
      await world[Symbol.asyncDispose]();
    },
  };
};
const pooled = { share: 0, configuredShare: 0, answers: [] };

export const HARNESSES: Readonly<Record<string, OpenBenched>> = {
  builtin: openBuiltin,
  rfc2136: openBind,
  powerdns: openPowerDns,
  route53: openRoute53,
  cloudflare: openCloudflare,
  gclb: openGclb,
  gate: openGate,
  kubernetes: openKubernetes,
};
