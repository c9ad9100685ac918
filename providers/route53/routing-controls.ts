// Mode routingControls: Amazon Application Recovery Controller. Each pool has a routing control, On or Off, which a health check of the operator's records follows.
// The cluster answers from five regions and outlives the control plane of Route 53; it compares nothing of ours, so the last writer wins (`none`).
import assert from 'node:assert/strict';
import {
  Route53RecoveryClusterClient as Client,
  ListRoutingControlsCommand,
  UpdateRoutingControlStatesCommand,
} from '@aws-sdk/client-route53-recovery-cluster';
import { z } from 'zod';
import { credentialsFrom, FIXED } from '../../src/aws/client.ts';
import { handlerOver } from '../../src/aws/handler.ts';
import { Fault } from '../../src/errors.ts';
import { type Ports, withDeadline } from '../../src/ports.ts';
import { assertBatch, servicesIn } from '../batch.ts';
import type { Applied, Capabilities, Change, Owned, Provider, ProviderService, ReadBack } from '../provider.ts';
import { namesIn } from '../rounding.ts';
import { attempted, readBacksOf, unreadIn } from '../unread.ts';
import type { AwsContext } from './account.ts';
import { CHECKED_ON, type RoutingControlsConfig } from './config.ts';
import { failureOf, faultOf, outcomeOf, requestsOf } from './failure.ts';
import { onOffShares } from './switches.ts';
import { shaped } from './zone.ts';

/** Most states of one call (AWS, quotas for routing control). */
const CONTROLS_MAX = 10;

/** A batch fits one call even when every pool of its services moves. */
const canOf = ({ services }: RoutingControlsConfig): Capabilities => {
  const most = Math.max(1, ...Object.values(services).map(({ pools }) => Object.keys(pools).length));
  return {
    fencing: 'none',
    weights: 'onOff',
    batchMax: Math.max(1, Math.floor(CONTROLS_MAX / most)),
    servesAnswers: false,
    ttlFloorS: 1,
    checkedOn: CHECKED_ON,
  };
};

/** Of one endpoint: a region that is in trouble must leave time for two more within a provider's call. */
const ENDPOINT_MS = 900;
const PAGE = 100;
/** Beyond any panel that one cluster can have. */
const PAGES_MAX = 50;

const pageShape = z.object({
  RoutingControls: z.array(z.object({ RoutingControlArn: z.string(), RoutingControlState: z.enum(['On', 'Off']) })),
  NextToken: z.string().optional(),
});

interface Cluster {
  ports: Ports;
  clients: readonly { region: string; client: Client }[];
  hidden: () => readonly string[];
}

export const openRoutingControls = (config: RoutingControlsConfig, context: AwsContext): Provider => {
  const credentials = credentialsFrom(config.credentialsFile, context);
  const clients = config.endpoints.map(({ region, url }) => ({
    region,
    client: new Client({
      region,
      endpoint: url,
      credentials: credentials.provide,
      requestHandler: handlerOver(context.fetch),
      ...FIXED,
    }),
  }));
  const cluster: Cluster = { ports: context.ports, clients, hidden: credentials.hidden };
  const arnOf = ({ service }: ProviderService, pool: string): string => {
    const arn = config.services[service]?.pools[pool]?.routingControlArn;
    assert(arn !== undefined, `${service}: pool ${pool} has no routing control; the configuration should not have let it pass`);
    return arn;
  };
  return {
    can: canOf(config),
    quantise: (service) => onOffShares(service, namesIn(service)),
    read: (services, signal) => readAll(cluster, arnOf, services, signal),
    apply: (changes, signal) => applyAll(cluster, arnOf, changes, signal),
    owns: (services) => services.flatMap((service) => service.pools.map(({ pool }) => ownedOf(service, pool, arnOf))),
    close: async () => {
      for (const { client } of clients) client.destroy();
    },
  };
};

type ArnOf = (service: ProviderService, pool: string) => string;

// ---- one call, at whichever endpoint answers ----

/** Their regions in random order, so that a hundred callers do not all wait for the same dead one. */
const shuffled = <T>(items: readonly T[], ports: Ports): readonly T[] =>
  items
    .map((item) => ({ item, at: ports.random.unit() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);

/** Whether another endpoint may do better. What the cluster itself refuses, all of it refuses. */
const isOfEndpoint = (error: unknown, hidden: readonly string[]): boolean => {
  const { name, status } = failureOf(error, hidden);
  return (
    !(error instanceof Fault) &&
    (status === null || status >= 500 || name === 'EndpointTemporarilyUnavailableException' || name === 'ThrottlingException')
  );
};

/** Rejects with what the last endpoint said. States are set, not counted up, so a repeated call at the next endpoint does no harm. */
const atAnyEndpoint = async <T>(
  { ports, clients, hidden }: Cluster,
  signal: AbortSignal,
  call: (client: Client, options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> => {
  let last: unknown;
  for (const { region, client } of shuffled(clients, ports)) {
    signal.throwIfAborted();
    try {
      return await withDeadline(ports.timers, ENDPOINT_MS, `endpoint in ${region}`, (abortSignal) => call(client, { abortSignal }), signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!isOfEndpoint(error, hidden())) throw error;
      last = error;
    }
  }
  throw last;
};

// ---- reading ----

/** `arn:…:controlpanel/P/routingcontrol/C` lies in the panel `arn:…:controlpanel/P`. */
const panelOf = (arn: string): string => arn.replace(/\/routingcontrol\/.*$/, '');

const readAll = async (
  cluster: Cluster,
  arnOf: ArnOf,
  services: readonly ProviderService[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadBack>> => {
  const panels = new Set(services.flatMap((service) => service.pools.map(({ pool }) => panelOf(arnOf(service, pool)))));
  const states = new Map<string, 'On' | 'Off'>();
  for (const panel of panels)
    for (const { RoutingControlArn, RoutingControlState } of await listed(cluster, panel, signal))
      states.set(RoutingControlArn, RoutingControlState);
  return readBacksOf(
    await Promise.all(services.map((service) => attempted(service, async () => readBackOf(service, arnOf, states)))),
    signal,
  );
};

const listed = async (cluster: Cluster, panel: string, signal: AbortSignal): Promise<z.infer<typeof pageShape>['RoutingControls']> => {
  const what = `ListRoutingControls of ${panel}`;
  const found: z.infer<typeof pageShape>['RoutingControls'] = [];
  let NextToken: string | undefined;
  for (let n = 0; n < PAGES_MAX; n++) {
    const request = { ControlPanelArn: panel, MaxResults: PAGE, ...(NextToken === undefined ? {} : { NextToken }) };
    const reply = await atAnyEndpoint(cluster, signal, (client, options) =>
      client.send(new ListRoutingControlsCommand(request), options),
    ).catch((error: unknown) => {
      if (signal.aborted || error instanceof Fault) throw error;
      throw faultOf(what, error, cluster.hidden());
    });
    const page = shaped(pageShape, what, reply);
    found.push(...page.RoutingControls);
    NextToken = page.NextToken;
    if (NextToken === undefined) return found;
  }
  throw new Fault('ERR_PROVIDER', `route53: ${what}: more than ${PAGES_MAX} pages`);
};

const readBackOf = (service: ProviderService, arnOf: ArnOf, states: ReadonlyMap<string, 'On' | 'Off'>): ReadBack => {
  for (const { pool } of service.pools) {
    const arn = arnOf(service, pool);
    if (!states.has(arn))
      throw new Fault(
        'ERR_PROVIDER',
        `route53: the cluster has no routing control ${arn}; compare routingControlArn of ${service.service} ${pool}`,
      );
  }
  const inside = new Set(service.pools.filter(({ pool }) => states.get(arnOf(service, pool)) === 'On').map(({ pool }) => pool));
  return { fence: null, shares: inside.size === 0 ? null : onOffShares(service, inside), foreign: [], token: [...inside].toSorted() };
};

// ---- writing ----

/** One call for all services of the batch: ARC sets all states or none, and its safety rules judge the result. */
const applyAll = async (cluster: Cluster, arnOf: ArnOf, changes: readonly Change[], signal: AbortSignal): Promise<Applied> => {
  assertBatch(changes);
  const entries = changes.flatMap(({ desired, previous }) => {
    const inside = namesIn(desired);
    const seen = previous.token as readonly string[] | null;
    return desired.pools
      .filter(({ pool }) => seen === null || seen.includes(pool) !== inside.has(pool))
      .map(({ pool }) => ({
        RoutingControlArn: arnOf(desired, pool),
        RoutingControlState: inside.has(pool) ? ('On' as const) : ('Off' as const),
      }));
  });
  const unread = unreadIn(changes);
  if (unread !== null) return unread;
  if (entries.length === 0) return { outcome: 'applied' };
  const where = `route53: routing controls of ${servicesIn(changes)}`;
  try {
    const request = { UpdateRoutingControlStateEntries: entries };
    const reply = await atAnyEndpoint(cluster, signal, (client, options) =>
      client.send(new UpdateRoutingControlStatesCommand(request), options),
    );
    // The reply is an empty object, as many a thing in between could give; AWS puts its number for the request in the head.
    if (reply.$metadata.requestId !== undefined) return { outcome: 'applied', ...requestsOf(reply) };
    return { outcome: 'undecided', because: `${where}: the reply carries no request id of AWS; it is read again` };
  } catch (error) {
    return outcomeOf(where, error, cluster.hidden(), []);
  }
};

const ownedOf = (service: ProviderService, pool: string, arnOf: ArnOf): Owned => ({
  object: `routing control ${arnOf(service, pool)} of ${service.service} ${pool}`,
  // Terraform declares the control, not its state.
  fields: ['state'],
});
