// `import` from the vendors' stand-ins, through the real clients: what is there becomes a configuration that check accepts, and nothing there was changed.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { importFrom } from '../../src/command/import.ts';
import { type Given, type Importer, importers } from '../../src/command/importers.ts';
import { own } from '../../src/command/own.ts';
import { plan } from '../../src/command/plan.ts';
import { examineConfig } from '../../src/config/files.ts';
import { standInForCloudflare } from '../../src/drill/stand-ins/cloudflare.ts';
import { startGclbStandIn } from '../../src/drill/stand-ins/gclb.ts';
import { startRoute53 } from '../../src/drill/stand-ins/route53.ts';
import type { StandIn } from '../../src/drill/stand-ins/stand-in.ts';
import { realPorts } from '../../src/ports.ts';
import { listening } from './fixture.ts';

const ports = realPorts();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-import-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const secretFile = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

/** Imports, checks, and looks that only reading requests came. */
const imported = async (importer: Importer, standIn: StandIn, given: Given) => {
  const out = join(folder, 'tidegate.yaml');
  const said = listening();
  try {
    const exit = await importFrom(importer, given, { out, regions: given.regions ?? '' }, { ports, out: said.out, err: said.err });
    expect(exit, said.stderr).toBe(0);
    const planned = listening();
    // In observe nothing is pending, and the first fence is told.
    expect(await plan({ config: out, routeFromConfig: true }, { ports, out: planned.out, err: planned.err }), planned.stdout).toBe(0);
    const owned = listening();
    expect(await own({ config: out, terraform: true }, { ports, out: owned.out, err: owned.err })).toBe(0);
    expect(standIn.calls().length).toBeGreaterThan(0);
    expect(standIn.calls().filter(({ method }) => method !== 'GET')).toEqual([]);
    const loaded = examineConfig(out);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const { config } = loaded;
    expect(config.cluster?.services.every(({ mode }) => mode === 'observe')).toBe(true);
    return {
      said: said.stdout,
      planned: planned.stdout,
      owned: owned.stdout,
      text: readFileSync(out, 'utf8'),
      config,
      cluster: config.cluster!,
    };
  } finally {
    await standIn.close();
  }
};

test('route53: weighted sets become pools, and what geography steers is left out with its reason', async () => {
  const key = { accessKeyId: 'AKIAIMPORTIMPORTIMPO', secretAccessKey: 'not-a-real-secret-of-anybody' };
  const set = (Weight: number, SetIdentifier: string, Value: string) => ({
    Name: 'web.example.test.',
    Type: 'A',
    TTL: 60,
    Weight,
    SetIdentifier,
    ResourceRecords: [{ Value }],
  });
  const geo = {
    Name: 'geo.example.test.',
    Type: 'A',
    TTL: 60,
    SetIdentifier: 'eu',
    GeoLocation: { ContinentCode: 'EU' },
    ResourceRecords: [{ Value: '192.0.2.9' }],
  };
  const zone = { id: 'Z0IMPORT', name: 'example.test', sets: [set(3, 'eu-west', '192.0.2.10'), set(1, 'us-east', '192.0.2.20'), geo] };
  const standIn = await startRoute53({ ports, key, zones: [zone] });
  const credentialsFile = secretFile(
    'aws',
    `[default]\naws_access_key_id = ${key.accessKeyId}\naws_secret_access_key = ${key.secretAccessKey}\n`,
  );
  const given = { zone: 'example.test', hostedZoneId: 'Z0IMPORT', credentialsFile, endpoint: standIn.url };
  const { said, planned, owned, cluster, text } = await imported(importers.route53, standIn, given);
  expect(cluster.services).toMatchObject([
    {
      name: 'web.example.test',
      ttlS: 60,
      pools: [
        { name: 'eu-west', weight: 3, answers: ['192.0.2.10'] },
        { name: 'us-east', weight: 1, answers: ['192.0.2.20'] },
      ],
    },
  ]);
  expect(said).toMatch(/left out\n {2}geo\.example\.test A: /);
  expect(text).not.toContain(key.secretAccessKey);
  // 3 : 1 in the finest steps that Route 53 has.
  expect(planned).toContain(
    'web.example.test at route53: in observe, nothing is written; its first fence would write eu-west 750 -> 749, us-east 250 -> 251 (no fence -> 1)',
  );
  expect(owned).toMatch(/resource "aws_route53_record" "…" \{\n {2}lifecycle \{\n {4}ignore_changes = \[/);
});

test('cloudflare: a load balancer becomes a service, with the ids of its pools under its name', async () => {
  const token = 'cf-token-of-nobody-0123456789';
  const standIn = await standInForCloudflare({ ports, token, zone: 'example.test' });
  const pools = ['eu-west', 'us-east'].map((name) => standIn.pool({ name }));
  const balancer = standIn.balancer({ name: 'web.example.test', default_pools: pools.map(({ id }) => id) });
  const given = {
    zone: 'example.test',
    zoneId: standIn.zoneId,
    accountId: standIn.accountId,
    tokenFile: secretFile('token', token),
    endpoint: standIn.url,
  };
  const { planned, owned, config, cluster, text } = await imported(importers.cloudflare, standIn, given);
  expect(cluster.services.map(({ name }) => name)).toEqual(['web.example.test']);
  expect(config.providers).toMatchObject({
    cloudflare: {
      services: { 'web.example.test': { loadBalancerId: balancer.id, pools: { 'eu-west': pools[0]?.id, 'us-east': pools[1]?.id } } },
    },
  });
  expect(text).toContain('no address is known');
  expect(text).not.toContain(token);
  expect(planned).toContain('web.example.test at cloudflare: in observe, nothing is written; its first fence would write');
  expect(owned).toContain('resource "cloudflare_load_balancer" "…" {');
});

test('gclb: a backend service behind a host of a URL map becomes a service', async () => {
  const project = 'import-project';
  const link = `https://www.googleapis.com/compute/v1/projects/${project}`;
  const backendServices = [
    {
      name: 'web',
      description: '',
      loadBalancingScheme: 'EXTERNAL_MANAGED',
      protocol: 'HTTP',
      backends: ['europe-west1', 'us-east1'].map((region) => ({
        group: `${link}/zones/${region}-b/networkEndpointGroups/web-${region}`,
        balancingMode: 'RATE',
        maxRatePerEndpoint: 100,
        capacityScaler: 1,
      })),
    },
  ];
  const urlMaps = [
    {
      name: 'map',
      defaultService: `${link}/global/backendServices/web`,
      hostRules: [{ hosts: ['web.example.test'], pathMatcher: 'all' }],
      pathMatchers: [{ name: 'all', defaultService: `${link}/global/backendServices/web` }],
    },
  ];
  const standIn = await startGclbStandIn({ ports, project, backendServices, urlMaps });
  const given = { project, credentialsFile: secretFile('gcp.json', standIn.credentials), endpoint: standIn.url };
  const { planned, owned, cluster, config } = await imported(importers.gclb, standIn, given);
  expect(cluster.services.map(({ name }) => name)).toEqual(['web.example.test']);
  expect(config.providers).toMatchObject({ gclb: { mode: 'capacity', services: { 'web.example.test': { backendService: 'web' } } } });
  expect(planned).toContain('web.example.test at gclb: in observe, nothing is written; its first fence would write');
  expect(owned).toContain('resource "google_compute_backend_service" "…" {');
});
