// Entries of `providers` that the other fixtures do not have: what they become, and how the report calls them.
import { expect, test } from 'vitest';
import { gclb } from '../../src/config/providers/gclb.ts';
import { shapeOf } from '../../src/config/providers/index.ts';
import { kubernetes } from '../../src/config/providers/kubernetes.ts';
import { route53 } from '../../src/config/providers/route53.ts';
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

const aws = { kind: 'route53', zone: 'example.test', credentialsFile: '/etc/aws' };
const checks = (...ids: string[]) => ({
  ...aws,
  mode: 'healthChecks',
  hostedZoneId: 'Z0123456789EXAMPLE',
  services: byService('healthCheckId', ids),
});
const controls = (...ids: string[]) => ({
  ...aws,
  mode: 'routingControls',
  endpoints: [{ region: 'us-east-1', url: 'https://a.route53-recovery-cluster.us-east-1.amazonaws.com/v1' }],
  services: byService(
    'routingControlArn',
    ids.map((id) => `arn:aws:route53-recovery-control::111122223333:controlpanel/0123/routingcontrol/${id}`),
  ),
});
/** Two of the first service, the third of another. */
const byService = (field: string, [one, two, three]: string[]) => ({
  'web.example.test': { pools: { a: { [field]: one }, b: { [field]: two } } },
  'api.example.test': { pools: { a: { [field]: three } } },
});
const google = { kind: 'gclb', project: 'my-project', credentials: 'metadata' };
const maps = (a: string, b: string) => ({
  ...google,
  mode: 'urlMap',
  services: { 'web.example.test': { urlMap: 'front', pools: { a: { backendService: a }, b: { backendService: b } } } },
});
const groups = (a: string, b: string) => ({
  ...google,
  mode: 'capacity',
  services: { 'web.example.test': { backendService: 'web', pools: { a: { groups: [a] }, b: { groups: [b] } } } },
});
const routes = (a: string, b: string) => ({
  kind: 'kubernetes',
  clusters: { eu: { kubeconfigFile: '/etc/eu' } },
  services: { 'web.example.test': { httpRoute: { cluster: 'eu', namespace: 'prod', name: 'web', rule: 0, backends: { a, b } } } },
});
const GROUP = 'zones/europe-west1-b/networkEndpointGroups/web';

test.each<[string, { schema: { safeParse(value: unknown): { success: boolean; error?: { message: string } } } }, object, object, RegExp]>([
  [
    'a health check of two pools',
    route53,
    checks('c1', 'c2', 'c3'),
    checks('c1', 'c1', 'c3'),
    /pool \\"a\\" of web\.example\.test has this one/,
  ],
  [
    'a health check of two services',
    route53,
    checks('c1', 'c2', 'c3'),
    checks('c1', 'c2', 'c2'),
    /pool \\"b\\" of web\.example\.test has this one/,
  ],
  [
    'a routing control of two services',
    route53,
    controls('c1', 'c2', 'c3'),
    controls('c1', 'c2', 'c1'),
    /pool \\"a\\" of web\.example\.test has this one/,
  ],
  ['a backend of two pools', kubernetes, routes('x', 'y'), routes('x', 'x'), /that of pool \\"a\\"/],
  ['a backend service in two spellings', gclb, maps('x', 'y'), maps('x', 'projects/my-project/global/backendServices/x'), /in one pool/],
  ['a group in two spellings', gclb, groups(GROUP, `${GROUP}-2`), groups(GROUP, `projects/my-project/${GROUP}`), /in one pool/],
])('%s is refused, since what one pool gets the other would get, too', (_what, shape, good, bad, because) => {
  expect(shape.schema.safeParse(good)).toMatchObject({ success: true });
  expect(shape.schema.safeParse(bad)).toMatchObject({ success: false, error: { message: expect.stringMatching(because) } });
});
