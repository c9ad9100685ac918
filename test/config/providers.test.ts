// Entries of `providers` that the other fixtures do not have: what they become, and how the report calls them.
import { expect, test } from 'vitest';
import { shapeOf } from '../../src/config/providers/index.ts';
import { accepted, fixture } from './files.ts';

test('kubernetes and powerdns as they may be written, defaults filled in, paths and addresses made whole', () => {
  const { config, warnings } = accepted(fixture('good-kubernetes.yaml'), '/etc/tidegate/replica.yaml');
  const { mesh, workers, weighted } = config.providers;
  expect(mesh).toEqual({
    kind: 'kubernetes',
    clusters: { eu: { kubeconfigFile: '/etc/tidegate/eu.kubeconfig' } },
    services: {
      'web.example.test': {
        httpRoute: { cluster: 'eu', namespace: 'prod', name: 'web', rule: 0, backends: { 'eu-west': 'web-eu', 'us-east': 'web-us' } },
      },
    },
  });
  expect(workers).toMatchObject({
    clusters: { us: { inCluster: true } },
    services: { 'jobs.example.test': { deployments: { 'eu-west': { replicas: 4, out: 0 }, 'us-east': { out: 1 } } } },
  });
  expect(weighted).toMatchObject({ api: { url: 'https://ns1.example.test:8443', keyFile: '/etc/tidegate/api.key' } });
  expect(shapeOf(mesh!).arrival(mesh!)).toEqual({ visibleMs: 5000, what: 'the gateways take the new weights', ttl: false });
  expect(shapeOf(weighted!).arrival(weighted!)).toMatchObject({ ttl: true });
  expect(warnings.filter(({ message }) => message.includes('answers'))).toEqual([]);
});
