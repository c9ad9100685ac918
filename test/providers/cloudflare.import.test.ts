// What an import finds at cloudflare, and that nothing the adapter calls lies outside the permissions that deploy/iam/cloudflare.json names.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import type { CloudflareConfig } from '../../providers/cloudflare/config.ts';
import { inventory } from '../../providers/cloudflare/inventory.ts';
import { stateHash } from '../../providers/fence.ts';
import type { FoundService, Inventory, Provider, ProviderService } from '../../providers/provider.ts';
import { providerEntry } from '../../src/config/providers/index.ts';
import { type CloudflareWorld, startWorld, ZONE } from './cloudflare.fixture.ts';

const patience = (): AbortSignal => AbortSignal.timeout(30_000);
const web: ProviderService = {
  service: `web.${ZONE}`,
  ttlS: 60,
  pools: ['eu-west', 'us-east'].map((pool, at) => ({
    pool,
    region: pool,
    share: 500,
    configuredShare: 500,
    answers: [`192.0.2.${at + 1}`],
  })),
};

const look = (world: CloudflareWorld, config: CloudflareConfig): Promise<Inventory> => inventory(config, world.context(), patience());
const only = (found: Inventory): FoundService => {
  expect(found.refused).toEqual([]);
  expect(found.services).toHaveLength(1);
  return found.services[0]!;
};
const byHand = (world: CloudflareWorld, over: object): void =>
  world.standIn.byHand(({ balancers }) => void Object.assign(balancers[0]!, over));

describe('import of load balancers', () => {
  test('finds pools by name, weights, and what stands in the configuration, which that accepts', async () => {
    await using world = await startWorld();
    world.balance(web);
    const { services } = world.balancerConfig();
    const ids = services[web.service]!.pools;
    byHand(world, {
      random_steering: { default_weight: 1, pool_weights: { [ids['eu-west']!]: 0.3, [ids['us-east']!]: 0.1 } },
      session_affinity: 'cookie',
    });
    const found = only(await look(world, world.balancerConfig({ services: {} })));
    expect(found).toEqual({
      service: web.service,
      ttlS: null,
      pools: [
        { pool: 'eu-west', weight: 750, answers: [] },
        { pool: 'us-east', weight: 250, answers: [] },
      ],
      objects: services[web.service],
      notes: [
        'proxied: users follow without waiting for a TTL',
        'session_affinity "cookie": pinned sessions stay with a drained pool; see sessions: shed',
        `fallback_pool "us-east" takes everybody when Cloudflare's monitors find no other pool healthy, drained or not`,
        'pool "eu-west" has the origins 192.0.2.1; probe those',
        'pool "us-east" has the origins 192.0.2.2; probe those',
      ],
      firstFence: expect.stringContaining(services[web.service]!.loadBalancerId),
    });
    const { endpoint: _, ...config } = world.balancerConfig();
    const entry = providerEntry.parse(parse(stringify({ ...config, services: { [found.service]: found.objects } })));
    expect(entry).toMatchObject({ services });
    expect(world.problems).toEqual([]);
  });

  test('one that is not proxied has a TTL and the origins as answers; shared, disabled and adaptive pools are noted', async () => {
    await using world = await startWorld();
    world.balance(web);
    const ids = Object.values(world.balancerConfig().services[web.service]!.pools);
    byHand(world, {
      proxied: false,
      ttl: 30,
      random_steering: {},
      steering_policy: 'least_connections',
      adaptive_routing: { failover_across_pools: true },
    });
    world.standIn.byHand(({ pools }) => {
      pools[1]!.enabled = false;
    });
    world.standIn.balancer({ name: `shop.${ZONE}`, default_pools: [ids[0]!], steering_policy: 'random' });
    expect((await look(world, world.balancerConfig())).refused[0]).toMatchObject({
      what: expect.stringContaining(web.service),
      because: 'it is not proxied; import it into an entry with proxied: false',
    });
    const found = await look(world, world.balancerConfig({ proxied: false }));
    expect(found.refused).toEqual([
      { what: expect.stringContaining(`shop.${ZONE}`), because: expect.stringMatching(/it is proxied; .*proxied: true; .*fewer than two/) },
    ]);
    const [service] = found.services;
    expect(service).toMatchObject({
      ttlS: 30,
      pools: [
        { weight: 500, answers: ['192.0.2.1'] },
        { weight: 500, answers: ['192.0.2.2'] },
      ],
    });
    const notes = service?.notes.join('\n');
    for (const note of [
      /least_connections/,
      /adaptive_routing/,
      /"eu-west" is shared with shop\.tide\.test/,
      /"us-east" is disabled/,
      /live 30 s/,
    ])
      expect(notes).toMatch(note);
  });

  test('without an account pools are named by their ids, and said so', async () => {
    await using world = await startWorld();
    world.balance(web);
    byHand(world, { random_steering: {} });
    const { accountId: _, ...config } = world.balancerConfig();
    const found = only(await look(world, config));
    expect(found.pools.map(({ pool }) => pool)).toEqual([expect.stringMatching(/^pool-[0-9a-f]{8}$/), expect.stringMatching(/^pool-/)]);
    expect(found.notes.at(-1)).toMatch(/set accountId/);
  });

  test('what weights do not steer is refused with every reason', async () => {
    for (const [over, because] of [
      [{ steering_policy: 'geo' }, /steering_policy is "geo"/],
      [{ rules: [{ name: 'beta', overrides: { steering_policy: 'off' } }] }, /rule "beta"/],
      [{ pool_sets: [{ name: 'wnam', overrides: {} }], enabled: false }, /disabled.*; its pool set "wnam"/],
      [{}, /all of its weights are 0/],
    ] as const) {
      await using world = await startWorld();
      world.balance(web);
      byHand(world, over);
      const found = await look(world, world.balancerConfig());
      expect(found).toMatchObject({ services: [], refused: [{ because: expect.stringMatching(because) }] });
    }
  });
});

describe('import of records', () => {
  test('finds names with several addresses, a pool for each, and leaves single ones out', async () => {
    await using world = await startWorld();
    const name = web.service;
    const { standIn } = world;
    standIn.record({ name, type: 'A', content: '192.0.2.1', ttl: 300 });
    standIn.record({ name, type: 'AAAA', content: '2001:DB8::1', ttl: 60 });
    standIn.record({ name: `one.${ZONE}`, type: 'A', content: '192.0.2.9' });
    const found = only(await look(world, world.recordsConfig()));
    expect(found).toMatchObject({
      service: name,
      ttlS: 300,
      pools: [
        { pool: 'ip-192.0.2.1', weight: 1, answers: ['192.0.2.1'] },
        { pool: 'ip-2001-db8-1', weight: 1, answers: ['2001:db8::1'] },
      ],
      objects: null,
      firstFence: expect.stringContaining(`_tidegate.${name}`),
    });
    expect(found.notes.join('\n')).toMatch(/join those of one region[\s\S]*TTLs 300, 60/);
    expect(world.problems).toEqual([]);
  });

  test('proxied records have no TTL and an entry of their own; mixed ones and wildcards are refused', async () => {
    await using world = await startWorld();
    const two = (name: string, over: object, first: object = {}): void => {
      world.standIn.record({ name: `${name}.${ZONE}`, type: 'A', content: '192.0.2.1', ...over, ...first });
      world.standIn.record({ name: `${name}.${ZONE}`, type: 'A', content: '192.0.2.2', ...over });
    };
    two('proxied', { proxied: true });
    two('automatic', { ttl: 1 });
    two('mixed', { ttl: 1 }, { proxied: true });
    two('*', { ttl: 60 });
    const plain = await look(world, world.recordsConfig());
    expect(plain.services).toMatchObject([{ service: `automatic.${ZONE}`, ttlS: 300 }]);
    expect(plain.services[0]?.notes.join()).toContain('the TTL is automatic');
    expect(plain.refused.map(({ what, because }) => `${what}: ${because}`)).toEqual([
      expect.stringMatching(/proxied.*they are proxied; import them into an entry with proxied: true/),
      expect.stringMatching(/mixed.*make them alike/),
      expect.stringMatching(/\*.*wildcard/),
    ]);
    const proxied = await look(world, world.recordsConfig({ proxied: true }));
    expect(proxied.services).toMatchObject([{ service: `proxied.${ZONE}`, ttlS: null }]);
  });

  test('what cannot be read is said, and nothing is found', async () => {
    await using world = await startWorld();
    world.standIn.answerAll({ status: 500, body: '' });
    for (const config of [world.recordsConfig(), world.balancerConfig()]) await expect(look(world, config)).rejects.toThrow(/500/);
  });
});

// ---- least privilege ----

interface Grant {
  permissions: readonly { scope: string; group: string; level: string }[];
  calls: readonly string[];
}

const grants: Readonly<Record<string, Grant>> = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../deploy/iam/cloudflare.json'), 'utf8'),
);

describe('least privilege', () => {
  const called = ({ exchanges }: CloudflareWorld): readonly string[] =>
    [...new Set(exchanges.map(({ method, path }) => `${method} ${path.replaceAll(/\/[0-9a-f]{32}(?=\/|$)/g, '/{id}')}`))].sort();

  const routes = [
    [500, 500],
    [250, 750],
    [0, 1000],
    [500, 500],
  ] as const;

  const play = async (world: CloudflareWorld, provider: Provider): Promise<void> => {
    for (const [at, [eu, us]] of routes.entries()) {
      const desired = { ...web, pools: web.pools.map((pool, n) => ({ ...pool, share: n === 0 ? eu : us })) };
      const previous = (await provider.read([web], patience())).get(web.service)!;
      const fence = { v: at + 1, epoch: 1, writer: 'eu-west/a', nonce: `n${at}`, hash: stateHash(desired) };
      expect(await provider.apply([{ desired, fence, previous }], patience())).toMatchObject({ outcome: 'applied' });
    }
    expect(world.exchanges.length).toBeGreaterThan(8);
  };

  const modes: readonly [string, (world: CloudflareWorld) => CloudflareConfig, boolean][] = [
    ['loadBalancer', (world) => world.balancerConfig(), false],
    ['loadBalancer, sessions: shed', (world) => world.balancerConfig({ sessions: 'shed' }), false],
    ['dns', (world) => world.recordsConfig(), false],
    ['import, loadBalancer', (world) => world.balancerConfig(), true],
    ['import, dns', (world) => world.recordsConfig(), true],
  ];

  test.each(modes)('%s: exactly the calls that are granted are made', async (mode, configOf, isImport) => {
    await using world = await startWorld();
    world.balance(web);
    if (isImport) await look(world, configOf(world));
    else await play(world, world.open(configOf(world)));
    expect(called(world)).toEqual([...grants[mode]!.calls].sort());
  });

  test('a permission to edit is asked for where something is written, and reading alone asks for reading', () => {
    for (const mode of modes.map(([name]) => name)) {
      const { calls, permissions } = grants[mode]!;
      const writes = (scope: string): boolean => calls.some((call) => !call.startsWith('GET') && call.includes(` /${scope}s/`));
      for (const { scope, level } of permissions) expect(level, `${mode} ${scope}`).toBe(writes(scope) ? 'Edit' : 'Read');
    }
  });
});
