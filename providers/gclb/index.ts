// Google Cloud load balancing. Mode `capacity` drains backends of global backend services, mode `urlMap` sets weights in URL maps; either object's fingerprint
// is compared by the vendor in the same write, and the fence lies in its description. One object per service, one request per write, no retry.
import assert from 'node:assert/strict';
import { errorText, Fault } from '../../src/errors.ts';
import type { Ports } from '../../src/ports.ts';
import { assertBatch, behindIn } from '../batch.ts';
import type {
  Applied,
  Capabilities,
  Change,
  Fence,
  Owned,
  Provider,
  ProviderModule,
  ProviderService,
  ReadBack,
  Settled,
} from '../provider.ts';
import { describeCapacity, patchCapacity, quantiseCapacity, readCapacity } from './capacity.ts';
import type { ComputeClient } from './client.ts';
import { type CapacityPlace, objectShape, type Patch, type Token, type UrlMapPlace, understood, type VendorObject } from './convert.ts';
import { everyObject, type GclbContext, openCollection } from './objects.ts';
import { appliedOf, isSuccess, readFailure, settledOf } from './reply.ts';
import { describeUrlMap, patchUrlMap, quantiseUrlMap, readUrlMap } from './url-map.ts';

interface Common {
  kind: 'gclb';
  project: string;
  /** A service account key or an external account; absent: the machine's own account, by its metadata server. */
  credentialsFile?: string;
  /** Origin of the API. */
  endpoint: string;
}

export type GclbConfig =
  | (Common & { mode: 'capacity'; services: Readonly<Record<string, CapacityPlace>> })
  | (Common & { mode: 'urlMap'; services: Readonly<Record<string, UrlMapPlace>> });

const capacityCan: Capabilities = {
  fencing: 'conditional',
  weights: 'onOff',
  batchMax: 1,
  servesAnswers: false,
  ttlFloorS: 0,
  checkedOn: '2026-11-26',
};
const urlMapCan: Capabilities = { ...capacityCan, weights: 'exact' };

export const gclb = {
  kind: 'gclb',
  can: capacityCan,
  open(config: GclbConfig, context: GclbContext): Provider {
    const { ports } = context;
    const mode = modeOf(config);
    const client = openCollection(config.mode === 'capacity' ? 'backendServices' : 'urlMaps', config, context);
    const writer: Writer = { ports, client, mode, intents: new Map() };
    return {
      can: mode.can,
      quantise: mode.quantise,
      read: async (services, signal) => {
        const found = await readAll(client, mode, ports, services, signal);
        for (const [service, { fence }] of found) forget(writer, service, fence);
        return found;
      },
      apply: (changes, signal) => apply(writer, changes, signal),
      settle: (receipt, signal) => settle(writer, receipt, signal),
      owns: (services) => services.map(mode.owned),
      close: () => client.close(),
    };
  },
} satisfies ProviderModule<GclbConfig>;

/** What differs between the modes. */
interface Mode {
  can: Capabilities;
  /** Name of the service's object. */
  nameOf(service: string): string;
  describe(service: string): string;
  quantise(service: ProviderService): Readonly<Record<string, number>>;
  readBack(service: ProviderService, object: VendorObject | undefined): ReadBack;
  patch(change: Change): Patch;
  owned(service: ProviderService): Owned;
}

const modeOf = (config: GclbConfig): Mode => {
  const { project } = config;
  if (config.mode === 'capacity') {
    const placeOf = (service: string): CapacityPlace => placeIn(config.services, service);
    return {
      can: capacityCan,
      nameOf: (service) => placeOf(service).backendService,
      describe: (service) => describeCapacity(project, placeOf(service)),
      quantise: quantiseCapacity,
      readBack: (service, object) => readCapacity(project, placeOf(service.service), service, object),
      patch: (change) => patchCapacity(project, placeOf(change.desired.service), change),
      owned: ({ service }) => ({
        object: describeCapacity(project, placeOf(service)),
        fields: ['backends[].capacityScaler of the pools', "description: the last word, the human's text before it stays"],
        terraform: {
          resource: 'google_compute_backend_service',
          ignoreChanges: ['backend', 'description'],
          note: 'Terraform cannot ignore one field of a set: while backend is ignored, add and remove groups by hand, or take it out of the list for that plan',
        },
      }),
    };
  }
  const placeOf = (service: string): UrlMapPlace => placeIn(config.services, service);
  return {
    can: urlMapCan,
    nameOf: (service) => placeOf(service).urlMap,
    describe: (service) => describeUrlMap(project, placeOf(service)),
    quantise: quantiseUrlMap,
    readBack: (service, object) => readUrlMap(project, placeOf(service.service), service, object),
    patch: (change) => patchUrlMap(project, placeOf(change.desired.service), change),
    owned: ({ service }) => ({
      object: describeUrlMap(project, placeOf(service)),
      fields: [
        'defaultRouteAction.weightedBackendServices[].weight of the pools',
        "description: the last word, the human's text before it stays",
      ],
      terraform: {
        resource: 'google_compute_url_map',
        ignoreChanges:
          placeOf(service).pathMatcher === undefined
            ? ['default_route_action[0].weighted_backend_services', 'description']
            : ['path_matcher', 'description'],
      },
    }),
  };
};

const placeIn = <P>(services: Readonly<Record<string, P>>, service: string): P => {
  const place = services[service];
  assert(place !== undefined, `no place is configured for ${service}; the configuration should not have let it pass`);
  return place;
};

// ---- reading ----

/** So many are asked for one by one; more by listing the project, one request for 500 objects. */
const GETS_MAX = 4;

/** Throws Fault ERR_PROVIDER, or the signal's reason. An object that is missing or cannot be used is told by its own write, not by everybody's read. */
const readAll = async (
  client: ComputeClient,
  mode: Mode,
  ports: Ports,
  services: readonly ProviderService[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadBack>> => {
  const names = services.map(({ service }) => mode.nameOf(service));
  const found = names.length > GETS_MAX ? await listAll(client, ports, signal) : await getEach(client, ports, names, signal);
  return new Map(services.map((service, at) => [service.service, mode.readBack(service, found.get(names[at]!))]));
};

const getEach = async (
  client: ComputeClient,
  ports: Ports,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, VendorObject>> => {
  const found = await Promise.all(
    names.map(async (name) => {
      const where = `read of ${name}`;
      const reply = await client.get(name, signal);
      if (reply.status === 404) return [];
      signal.throwIfAborted();
      if (!isSuccess(reply)) throw readFailure(where, reply, ports.clock.wallMs());
      const object = understood(objectShape, where, reply.body);
      if (object.name !== name) throw new Fault('ERR_PROVIDER', `${where}: "${object.name}" is not understood; is this the vendor's API?`);
      return [[name, object] as const];
    }),
  );
  return new Map(found.flat());
};

const listAll = async (client: ComputeClient, ports: Ports, signal: AbortSignal): Promise<ReadonlyMap<string, VendorObject>> =>
  new Map((await everyObject(client, 'list of the project', ports, signal)).map((object) => [object.name, object]));

// ---- writing ----

/** One write that was meant, as long as nobody knows how it ended: repeated to the letter and with its id, it happens once. */
interface Intent {
  key: string;
  /** As `body` has it. */
  fence: Fence;
  requestId: string;
  body: Readonly<Record<string, unknown>>;
  receipt: string | null;
}

interface Writer {
  ports: Ports;
  client: ComputeClient;
  mode: Mode;
  /** The last of each service. */
  intents: Map<string, Intent>;
}

const apply = async (writer: Writer, changes: readonly Change[], signal: AbortSignal): Promise<Applied> => {
  assertBatch(changes);
  for (const { desired } of changes) writer.mode.quantise(desired);
  const [change] = changes as readonly [Change];
  if (changes.length > 1)
    return {
      outcome: 'fatal',
      because: `${changes.length} services in one write, and nothing here changes two objects in one transaction`,
    };
  return applyOne(writer, change, signal);
};

const applyOne = async (writer: Writer, change: Change, signal: AbortSignal): Promise<Applied> => {
  const { mode, ports } = writer;
  const { desired, previous } = change;
  const { service } = desired;
  const where = `write of ${service} to ${mode.describe(service)}`;
  const behind = behindIn([change]);
  if (behind !== null) return behind;
  const token = previous.token as Token | null;
  if (token === null) return { outcome: 'undecided', because: `${where}: it was not read before` };
  if (token.unusable !== null) return { outcome: 'fatal', because: `${where}: ${token.unusable}` };
  let patch: Patch;
  try {
    patch = mode.patch(change);
  } catch (error) {
    if (error instanceof Fault) return { outcome: 'fatal', because: `${where}: ${errorText(error)}` };
    throw error;
  }
  if (patch.kind === 'refused') return { outcome: 'fatal', because: `${where}: ${patch.because}` };
  if (patch.kind === 'nothing') return { outcome: 'applied' };
  const intent = intentOf(writer, change, patch.body);
  const reply = await writer.client.patch(mode.nameOf(service), intent.body, intent.requestId, signal);
  const { applied, definite } = appliedOf(where, reply, ports.clock.wallMs());
  if (definite) writer.intents.delete(service);
  else if (applied.outcome === 'applied') intent.receipt = applied.receipt ?? null;
  return applied;
};

/** The same decision over the same state is the same intent, though its nonce is new with every look. */
const intentOf = ({ ports, intents }: Writer, { desired, fence }: Change, body: Intent['body']): Intent => {
  const key = JSON.stringify([body.fingerprint, { ...fence, nonce: '' }]);
  const known = intents.get(desired.service);
  if (known?.key === key) return known;
  const intent: Intent = { key, fence, requestId: uuid(ports), body, receipt: null };
  intents.set(desired.service, intent);
  return intent;
};

/**
 * What is seen to be there has happened. Its id must not be used again: a fingerprint is a hash of contents, so whoever puts back what was before gives the next
 * write of the same decision the same key, and the vendor would take it for a repeat.
 */
const forget = ({ intents }: Writer, service: string, seen: Fence | null): void => {
  const intent = intents.get(service);
  if (intent !== undefined && seen !== null && seen.v === intent.fence.v && seen.nonce === intent.fence.nonce) intents.delete(service);
};

/** Version 4 (RFC 9562); the vendor refuses the one of zeros only. */
const uuid = ({ random }: Ports): string => {
  const hex = random.hex(16);
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
};

/** One look. An operation that has ended frees its intent: the next write is a new one. */
const settle = async ({ client, ports, intents }: Writer, receipt: string, signal: AbortSignal): Promise<Settled> => {
  const where = `operation ${receipt}`;
  const reply = await client.operation(receipt, signal);
  signal.throwIfAborted();
  const settled = settledOf(where, reply);
  if (settled === null) throw readFailure(where, reply, ports.clock.wallMs());
  if (settled.state !== 'pending') {
    for (const [service, intent] of intents) if (intent.receipt === receipt) intents.delete(service);
  }
  return settled;
};
