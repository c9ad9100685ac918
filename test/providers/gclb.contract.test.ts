// The gclb provider in each of its modes against the stand-in: what every provider promises.
import type { GclbConfig } from '../../providers/gclb/index.ts';
import type { ProviderService } from '../../providers/provider.ts';
import { type ProviderHarness, providerContract } from '../contract/provider.contract.ts';
import {
  backendServiceOf,
  capacityConfig,
  foreignKey,
  groupOf,
  PROJECT,
  serviceOf,
  startWorld,
  urlMapConfig,
  urlMapOf,
} from './gclb.fixture.ts';

const services = [serviceOf('web', 3), serviceOf('api', 2)] as const;
const many: readonly ProviderService[] = Array.from({ length: 200 }, (_, n) => serviceOf(`s${n}`, 2));
const all = [...services, ...many];

interface ModeUnderTest {
  collection: 'backendServices' | 'urlMaps';
  objects: readonly Record<string, unknown>[];
  config(endpoint: string): GclbConfig;
  /** A patch that gives users somebody of no pool, and how a read names that. */
  stranger(object: Record<string, unknown>, service: ProviderService): { patch: Record<string, unknown>; named: string };
}

const LINK = `https://www.googleapis.com/compute/v1/projects/${PROJECT}`;

const capacity: ModeUnderTest = {
  collection: 'backendServices',
  objects: all.map((service) => backendServiceOf(service, 0)),
  config: (endpoint) => capacityConfig(all, endpoint),
  stranger: (object, { service }) => {
    const named = groupOf(service, 'elsewhere');
    const backends = object.backends as readonly Record<string, unknown>[];
    return { patch: { backends: [...backends, { group: `${LINK}/${named}`, balancingMode: 'RATE', maxRatePerEndpoint: 1 }] }, named };
  },
};

const mapMode = (pathMatcher?: string): ModeUnderTest => ({
  collection: 'urlMaps',
  objects: all.map((service) => urlMapOf(service, 0, pathMatcher)),
  config: (endpoint) => urlMapConfig(all, endpoint, pathMatcher),
  stranger: (object) => {
    const named = 'global/backendServices/elsewhere';
    const add = (holder: Record<string, unknown>) => {
      const action = holder.defaultRouteAction as { weightedBackendServices: readonly unknown[] };
      const weightedBackendServices = [...action.weightedBackendServices, { backendService: `${LINK}/${named}`, weight: 7 }];
      return { ...holder, defaultRouteAction: { ...action, weightedBackendServices } };
    };
    const matchers = object.pathMatchers as readonly Record<string, unknown>[] | undefined;
    return {
      patch:
        matchers === undefined
          ? add(object)
          : { pathMatchers: matchers.map((each, at) => (at === matchers.length - 1 ? add(each) : each)) },
      named,
    };
  },
});

const harness = (mode: ModeUnderTest) => async (): Promise<ProviderHarness> => {
  const world = await startWorld({ [mode.collection]: mode.objects });
  const { standIn, wire } = world;
  const config = mode.config(wire.url);
  const wrong = foreignKey(standIn.credentials);
  const keyLines = [standIn.credentials, wrong].flatMap((text) => String(JSON.parse(text).private_key).split('\n').slice(1, 3));
  const namesOf = (): readonly string[] => mode.objects.map(({ name }) => String(name));
  return {
    can: world.open(config).can,
    services,
    provider: () => world.open(config),
    snapshot: async () => JSON.stringify(namesOf().map((name) => standIn.object(mode.collection, name))),
    async plant(service) {
      const place = config.services[service.service]!;
      const name = 'urlMap' in place ? place.urlMap : place.backendService;
      const { patch, named } = mode.stranger(standIn.object(mode.collection, name)!, service);
      standIn.change(mode.collection, name, patch);
      return named;
    },
    requestId: /^operation-/,
    secrets: [...keyLines, 'eyJ'],
    intruder: () => world.open(config, wrong),
    faults: wire,
    changes: () => standIn.calls().filter(({ method }) => method === 'PATCH').length,
    quota: { services: many, perMinute: 1500, requests: () => standIn.calls().length },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
};

providerContract('gclb, capacity', harness(capacity), ['batch']);
providerContract('gclb, URL map', harness(mapMode()), ['batch']);
providerContract('gclb, path matcher of a URL map', harness(mapMode('api')), ['batch']);
