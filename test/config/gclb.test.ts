// An entry of kind gclb as the configuration sees it. What is refused, and in which words, lies beside the bad-gclb-*.yaml files.
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { shapeOf } from '../../src/config/providers/index.ts';
import { report } from '../../src/config/report.ts';
import { withPaths } from '../../src/config/schema.ts';
import { accepted, fixture, problemsOf } from './files.ts';

const good = fixture('good-gclb.yaml');

test('both modes are accepted without a warning, with the defaults filled in and pools without answers', () => {
  const { config, warnings } = accepted(good);
  expect(warnings).toEqual([]);
  expect(withPaths(config.providers, '/etc/tidegate')).toMatchObject({
    backends: {
      kind: 'gclb',
      mode: 'capacity',
      endpoint: 'https://compute.googleapis.com',
      services: {
        'web.example.test': {
          backendService: 'web-backend',
          pools: { 'eu-west': { capacityScaler: 1 }, 'us-east': { capacityScaler: 0.8 } },
          unmanaged: ['zones/europe-west1-b/networkEndpointGroups/canary'],
        },
      },
    },
    maps: { mode: 'urlMap', services: { 'api.example.test': { urlMap: 'front', pathMatcher: 'api', unmanaged: [] } } },
  });
  expect(config.providers.maps).not.toHaveProperty('credentialsFile');
  expect(config.providers.maps).not.toHaveProperty('credentials');
});

test('no name of a pool or service is taken for the name of a file', () => {
  const text = good.replaceAll('eu-west:', 'file:').replaceAll('name: eu-west\n', 'name: file\n          region: eu-west\n');
  const { config } = accepted(text);
  expect(withPaths(config.providers.maps, '/etc/tidegate')).toEqual(config.providers.maps);
});

test('a pool that the balancer has and the service lacks is told', () => {
  const text = good.replace(
    '          us-east: { backendService: projects',
    '          ap-south: { backendService: api-ap }\n          us-east: { backendService: projects',
  );
  expect(problemsOf(parseConfig(text, 'f')).map(({ message }) => message)).toEqual([
    'found no pool "ap-south", expected all that provider "maps" has for this service; add it, or move its backends to "unmanaged" there',
  ]);
});

test('check says where the objects lie, and users are not held up by resolvers', () => {
  const { config, warnings } = accepted(good);
  expect(report(config, warnings)).toContain(
    'backends (gclb, project tide-project, mode capacity), maps (gclb, project tide-project, mode urlMap)',
  );
  const entry = config.providers.backends!;
  expect(shapeOf(entry).arrival(entry)).toMatchObject({ ttl: false, visibleMs: 60_000 });
});

test.each(['https://compute.googleapis.com', 'https://compute-ep.p.example.com:8443', 'http://127.0.0.1:9', 'http://[::1]:9'])(
  'endpoint %s is accepted',
  (endpoint) => {
    accepted(good.replace('    project: tide-project\n', `    project: tide-project\n    endpoint: ${endpoint}\n`));
  },
);
