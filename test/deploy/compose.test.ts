// deploy/compose.yaml as a whole, without an engine: by the specification's own schema, and by what it promises of every service. What it does when it runs is
// test/system/ship.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { USUAL_PACE } from '../../src/config/arithmetic.ts';
import { examineConfig } from '../../src/config/files.ts';
import { loadCluster } from '../../src/config/load.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');

interface Granted {
  source: string;
  target: string;
}
interface Service {
  image: string;
  user: string;
  entrypoint?: readonly string[];
  command?: readonly string[];
  healthcheck?: { test?: readonly string[]; disable?: boolean };
  configs?: readonly Granted[];
  secrets?: readonly Granted[];
  volumes?: readonly { type: string; source: string; target: string }[];
  networks: Record<string, { ipv4_address: string }>;
  [key: string]: unknown;
}
interface Compose {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean; ipam: { config: readonly { subnet: string }[] } }>;
  configs: Record<string, { file: string }>;
  secrets: Record<string, { file: string }>;
}
const text = readFileSync(join(DEPLOY, 'compose.yaml'), 'utf8');
const compose = parse(text, { merge: true }) as Compose;
const services = Object.entries(compose.services);
const REGIONS = ['eu-west', 'us-east', 'ap-south'];

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-compose-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('is a compose file by the specification', () => {
  const ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false });
  for (const format of ['duration', 'uri', 'ports', 'expose', 'subnet_ip_address']) ajv.addFormat(format, true);
  const { $schema: _, ...schema } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../fixtures/compose/compose-spec.json'), 'utf8'),
  ) as Record<string, unknown>;
  const judge = ajv.compile(schema);
  expect(judge(compose) || judge.errors).toBe(true);
  expect(judge({ ...compose, services: { ...compose.services, odd: { imagination: 'none' } } })).toBe(false);
});

test('each region has a replica, a member of etcd, a Redis, an application and a network of its own', () => {
  expect(Object.keys(compose.services).sort()).toEqual(
    [...REGIONS.flatMap((region) => ['tidegate', 'etcd', 'redis', 'app'].map((kind) => `${kind}-${region}`)), 'apply', 'dns'].sort(),
  );
  expect(Object.keys(compose.networks).sort()).toEqual([...REGIONS, 'between'].sort());
  for (const region of REGIONS) {
    expect(compose.networks[region]?.internal).toBe(true);
    expect(Object.keys(compose.services[`redis-${region}`]?.networks ?? {})).toEqual([region]);
  }
  const places = services.flatMap(([, { networks }]) =>
    Object.entries(networks).map(([network, { ipv4_address }]) => ({ network, address: ipv4_address })),
  );
  expect(new Set(places.map(({ address }) => address)).size).toBe(places.length);
  for (const { network, address } of places)
    expect(address.startsWith(compose.networks[network]?.ipam.config[0]?.subnet.replace(/\.0\/24$/, '.') ?? '?')).toBe(true);
});

test('nobody may do what he need not: no root, no capabilities, no writing but to state, limits, a health check', () => {
  for (const [name, service] of services) {
    expect(service, name).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'], init: true });
    expect(service.user, name).toMatch(/^\$\{TIDEGATE_USER:\?/);
    expect(service.deploy, name).toMatchObject({
      resources: { limits: { cpus: expect.any(String), memory: expect.any(String), pids: expect.any(Number) } },
    });
    expect(service.ports, name).toBe(undefined);
    expect(service.privileged ?? service.cap_add ?? service.network_mode ?? service.pid, name).toBe(undefined);
    for (const { source } of service.volumes ?? []) expect(source, name).toBe(`./compose/state/${name}`);
    // Tidegate's own is in the image; the application's is what Tidegate asks it.
    if (!/^(tidegate|app)-/.test(name) && name !== 'apply') expect(service.healthcheck?.test?.[0], name).toBe('CMD');
  }
  // No secret stands in the file.
  expect(text).not.toMatch(/(password|secret|key)=(?!\/run\/secrets\/)\S|PRIVATE KEY/i);
});

test('every image is pinned, or built here from one that is', () => {
  const local = services.filter(([, { build }]) => build !== undefined).map(([, { image }]) => image);
  for (const [name, { image, build }] of services) {
    const inline = (build as { dockerfile_inline?: string } | undefined)?.dockerfile_inline;
    if (build === undefined) expect(image, name).toMatch(/^[a-z.]+\/[a-z/-]+:v?\d+\.\d+\.\d+(-[a-z]+)?$/);
    else expect(local, name).toContain(image);
    if (inline !== undefined) expect(inline).toMatch(/^FROM \S+\/debian:bookworm-\d{8}-slim$/m);
  }
});

test('every secret, file and folder is declared, used, and there after the first run', () => {
  const used = (kind: 'configs' | 'secrets'): readonly string[] =>
    services.flatMap(([, service]) => (service[kind] ?? []).map(({ source }) => source));
  for (const kind of ['configs', 'secrets'] as const) expect([...new Set(used(kind))].sort()).toEqual(Object.keys(compose[kind]).sort());
  for (const { file } of Object.values(compose.configs)) expect(existsSync(join(DEPLOY, file)), file).toBe(true);
  for (const { file } of Object.values(compose.secrets)) expect(file).toMatch(/^\.\/compose\/secrets\//);
  // Every file of the folder is somebody's.
  const named = new Set([
    ...Object.values(compose.configs).map(({ file }) => file.replace('./compose/', '')),
    'cluster.yaml',
    'example.test.zone',
    'first-run.sh',
  ]);
  expect(readdirSync(join(DEPLOY, 'compose')).filter((name) => !named.has(name) && !['secrets', 'state'].includes(name))).toEqual([]);
  // What is mounted for a service is what its command and its files name.
  for (const [name, service] of services) {
    const told = [
      ...(service.entrypoint ?? []),
      ...(service.command ?? []),
      ...Object.values((service.environment as Record<string, string>) ?? {}),
    ].join(' ');
    const texts = (service.configs ?? []).map(({ source }) => readFileSync(join(DEPLOY, compose.configs[source]?.file ?? ''), 'utf8'));
    const wanted = new Set([told, ...texts].join('\n').match(/\/run\/secrets\/[\w.-]+/g));
    expect([...wanted].sort(), name).toEqual((service.secrets ?? []).map(({ target }) => `/run/secrets/${target}`).sort());
  }
});

test('every configuration is accepted, and fits the addresses that the compose file gives', () => {
  const cluster = readFileSync(join(DEPLOY, 'compose/cluster.yaml'), 'utf8');
  const loaded = loadCluster(join(DEPLOY, 'compose/cluster.yaml'), USUAL_PACE);
  expect(loaded.ok || loaded.problems).toBe(true);
  if (!loaded.ok) return;
  expect(loaded.warnings).toEqual([]);
  const at = (name: string, network = 'between'): string => compose.services[name]?.networks[network]?.ipv4_address ?? '?';
  for (const region of [...REGIONS, 'desk']) {
    const file = join(DEPLOY, `compose/${region}.yaml`);
    const own = examineConfig(file);
    expect(own.ok || own.problems).toBe(true);
    if (!own.ok) return;
    const { store, paging, providers } = own.config;
    const endpoints = REGIONS.map((each) => `https://${at(`etcd-${each}`)}:2379`);
    expect(store.kind === 'etcd' && store.endpoints.toSorted()).toEqual(endpoints.toSorted());
    if (region === 'desk') continue;
    expect(store.kind === 'etcd' && store.endpoints[0]).toBe(`https://${at(`etcd-${region}`)}:2379`);
    expect(paging.redis?.url).toBe(`redis://${at(`redis-${region}`, region)}:6379/0`);
    expect(providers.dns?.kind === 'rfc2136' && `${providers.dns.server.host}:${providers.dns.server.port}`).toBe(`${at('dns')}:53`);
    // As one file, so that what is its own and what all share are judged together.
    const whole = join(folder, `${region}.yaml`);
    writeFileSync(whole, `${readFileSync(file, 'utf8')}\n${cluster}`);
    const together = examineConfig(whole);
    expect(together.ok || together.problems).toBe(true);
  }
  for (const pool of loaded.cluster.services[0]?.pools ?? []) expect(pool.answers).toEqual([at(`app-${pool.name}`)]);
});
