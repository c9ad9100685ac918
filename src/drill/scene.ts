// What the demo stands on, as data: three regions on loopback addresses, one service, the numbers of the default run and of the fast one.
// Spelt as an operator would spell it in a file and read through the same schema, so that every default is the product's own. Opens nothing.
import { stringify } from 'yaml';
import { clusterSchema } from '../config/cluster.ts';
import type { ClusterConfig } from '../model.ts';

/** Where users look. */
export const ZONE = 'example.test';
export const SERVICE = `web.${ZONE}`;
export const PROVIDER = 'local';
export const REPLICA = 'a';

export interface Place {
  region: string;
  /** Of its app, and what users are answered. */
  address: string;
}

export const PLACES: readonly Place[] = [
  { region: 'eu-west', address: '127.0.1.1' },
  { region: 'us-east', address: '127.0.1.2' },
  { region: 'ap-south', address: '127.0.1.3' },
];

/** The numbers that differ from the product's defaults, or that the story waits for. */
export interface Pace {
  intervalMs: number;
  holdMs: number;
  stepMs: number;
  ttlS: number;
  users: number;
  /** From the start of one visit of a user to the next. */
  visitEveryMs: number;
  /** Of an etcd that holds the store: how often its leader speaks, and how long its silence is borne. */
  heartbeatMs: number;
  electionMs: number;
}

/** Default thresholds and probes. Holds and steps of a minute would make a long film. */
export const PACE: Pace = {
  intervalMs: 5000,
  holdMs: 10_000,
  stepMs: 10_000,
  ttlS: 10,
  users: 6,
  visitEveryMs: 500,
  heartbeatMs: 150,
  electionMs: 1500,
};
export const FAST_PACE: Pace = {
  intervalMs: 1000,
  holdMs: 2000,
  stepMs: 2000,
  ttlS: 2,
  users: 6,
  visitEveryMs: 250,
  heartbeatMs: 100,
  electionMs: 1000,
};

/** What the rest of the scene has to know of what serves users. */
export interface Served {
  /** What a region looks at to know that its own uplink works: doors of the parent. */
  anchors: readonly string[];
  /** How Tidegate itself sees that users follow; as the file spells it. */
  converge: object;
  /** Users reach regions by their addresses. False: a load balancer is in between. */
  byAddress: boolean;
}

/** The cluster's configuration: three regions that vote, one service in `auto`, thresholds by default. */
export const clusterOf = (pace: Pace, app: number, { anchors, converge, byAddress }: Served): ClusterConfig =>
  clusterSchema.parse({
    name: 'demo',
    regions: PLACES.map(({ region }) => ({ name: region, anchors })),
    policy: { interval: `${pace.intervalMs}ms`, recoveryHold: `${pace.holdMs}ms`, rampStep: `${pace.stepMs}ms` },
    services: [
      {
        name: SERVICE,
        mode: 'auto',
        provider: PROVIDER,
        ttl: `${pace.ttlS}s`,
        steering: 'weighted',
        pools: PLACES.map(({ region, address }) => ({
          name: region,
          ...(byAddress ? { answers: [address] } : {}),
          targets: [{ name: 'app', healthz: `http://${address}:${app}/healthz`, readyz: `http://${address}:${app}/readyz` }],
        })),
        converge,
      },
    ],
  });

/** By region, where its API listens: the page of one goes on with the others. */
export type Doors = Readonly<Record<string, number>>;

/** One region's configuration file. Token files are named relative to it; `store` and `provider` are what stands there, `more` further sections. */
export const regionFile = (region: string, doors: Doors, provider: object, store: object, more: object = {}): string =>
  `# Made by the demo for ${region}; gone when it ends.\n${stringify({
    region,
    replica: REPLICA,
    api: { listen: `127.0.0.1:${doors[region] ?? 0}`, tokenFile: 'operator.token' },
    dashboard: { peers: Object.fromEntries(Object.entries(doors).map(([name, port]) => [name, `http://127.0.0.1:${port}`])) },
    store,
    providers: { [PROVIDER]: provider },
    ...more,
  })}`;
