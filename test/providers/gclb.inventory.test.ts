// What `import` finds in a project of Google Cloud before Tidegate.
import { expect, test } from 'vitest';
import type { VendorObject } from '../../providers/gclb/convert.ts';
import type { GclbConfig } from '../../providers/gclb/index.ts';
import { inventory, inventoryOf } from '../../providers/gclb/inventory.ts';
import { createHttp } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';
import { capacityConfig, startWorld, urlMapConfig } from './gclb.fixture.ts';

const LINK = 'https://www.googleapis.com/compute/v1/projects/tide-project';
const bs = (name: string): string => `${LINK}/global/backendServices/${name}`;
const neg = (zone: string): string => `${LINK}/zones/${zone}/networkEndpointGroups/web`;

const maps: readonly VendorObject[] = [
  {
    name: 'front',
    defaultService: bs('other'),
    hostRules: [
      { hosts: ['WWW.tide.test', 'tide.test'], pathMatcher: 'web' },
      { hosts: ['api.tide.test'], pathMatcher: 'api' },
      { hosts: ['*.tide.test'], pathMatcher: 'web' },
    ],
    pathMatchers: [
      { name: 'web', defaultService: bs('web'), pathRules: [{ paths: ['/img/*'], service: bs('img') }] },
      {
        name: 'api',
        defaultRouteAction: {
          weightedBackendServices: [
            { backendService: bs('api-eu'), weight: 900 },
            { backendService: 'projects/tide-us/global/backendServices/api-us', weight: 100 },
          ],
        },
      },
    ],
  },
  {
    name: 'ingress',
    description: '{"kubernetes.io/ingress-name":"default/x"}',
    hostRules: [{ hosts: ['shop.tide.test'], pathMatcher: 'm' }],
    pathMatchers: [{ name: 'm', defaultService: bs('shop') }],
  },
];

const services: readonly VendorObject[] = [
  {
    name: 'web',
    loadBalancingScheme: 'EXTERNAL_MANAGED',
    serviceLbPolicy: 'projects/tide-project/locations/global/serviceLbPolicies/spray',
    backends: [
      { group: neg('europe-west1-b'), capacityScaler: 0.7 },
      { group: neg('europe-west1-c'), capacityScaler: 0.5 },
      { group: neg('us-east1-b'), capacityScaler: 0 },
    ],
  },
  { name: 'shop', backends: [{ group: neg('us-east1-b') }, { group: neg('us-east1-c') }] },
];

test('mode capacity: hosts by the backend service behind them, pools by region, and what a human should know', () => {
  const { services: found, refused } = inventoryOf(capacityConfig([], LINK), maps, services);
  expect(found).toEqual([
    {
      service: 'www.tide.test',
      ttlS: null,
      pools: [
        { pool: 'europe-west1', weight: 1, answers: [] },
        { pool: 'us-east1', weight: 0, answers: [] },
      ],
      objects: {
        backendService: 'web',
        pools: {
          'europe-west1': {
            groups: ['zones/europe-west1-b/networkEndpointGroups/web', 'zones/europe-west1-c/networkEndpointGroups/web'],
            capacityScaler: 0.7,
          },
          'us-east1': { groups: ['zones/us-east1-b/networkEndpointGroups/web'], capacityScaler: 1 },
        },
        unmanaged: [],
      },
      notes: [
        'path matcher web has 1 rules of its own; what they route is not moved',
        expect.stringContaining('nearest region'),
        'a service policy spreads its load: spray',
        expect.stringContaining('drained now (capacityScaler 0): us-east1'),
      ],
      firstFence: expect.stringContaining('description of backend service web'),
    },
  ]);
  expect(refused.map(({ what, because }) => `${what}: ${because}`)).toEqual([
    expect.stringMatching(/^URL map front: host \*\.tide\.test: it stands for no single name/),
    expect.stringMatching(/^URL map front: what no host rule names/),
    'tide.test: backend service web already carries www.tide.test; an object carries one service',
    expect.stringMatching(/^path matcher api \(api\.tide\.test\): .* mode urlMap$/),
    expect.stringMatching(/^URL map ingress: what no host rule names/),
    expect.stringMatching(/^backend service shop \(shop\.tide\.test\): its backends lie in one region/),
  ]);
});

test('mode urlMap: hosts by their weights', () => {
  const { services: found, refused } = inventoryOf(urlMapConfig([], LINK), maps, []);
  expect(found).toEqual([
    {
      service: 'api.tide.test',
      ttlS: null,
      pools: [
        { pool: 'api-eu', weight: 900, answers: [] },
        { pool: 'api-us', weight: 100, answers: [] },
      ],
      objects: {
        urlMap: 'front',
        pathMatcher: 'api',
        pools: {
          'api-eu': { backendService: 'api-eu' },
          'api-us': { backendService: 'projects/tide-us/global/backendServices/api-us' },
        },
        unmanaged: [],
      },
      notes: [expect.stringContaining('say the region of each')],
      firstFence: expect.stringContaining('description of URL map front'),
    },
  ]);
  expect(refused).toHaveLength(6);
});

test('it reads, page by page, and changes nothing', async () => {
  const filler = Array.from({ length: 600 }, (_, n) => ({ name: `x${n}`, backends: [] }));
  await using world = await startWorld({ urlMaps: maps.map((each) => ({ ...each })), backendServices: [...filler, ...services] });
  const ports = realPorts();
  const outside = createHttp({ ports, resolve: () => Promise.reject(new Error('a name was asked for')) });
  const config: GclbConfig = capacityConfig([], world.wire.url);
  const found = await inventory(
    config,
    { ports, secret: () => world.standIn.credentials, fetch: outside.fetch },
    AbortSignal.timeout(20_000),
  );
  await outside.close();
  expect(found).toEqual(inventoryOf(config, maps, services));
  expect(world.standIn.calls().map(({ method }) => method)).toEqual(['GET', 'GET', 'GET']);
});
