// What the cloudflare adapter sends, read by somebody else: prism, with Cloudflare's own OpenAPI document. Each request of the whole repertoire goes to the
// stand-in, which answers as Cloudflare would, and the same bytes go to prism, which must find nothing wrong with them. That prism can tell is shown too.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BalancerConfig, CloudflareConfig, RecordsConfig } from '../../providers/cloudflare/config.ts';
import { cloudflare } from '../../providers/cloudflare/index.ts';
import { inventory } from '../../providers/cloudflare/inventory.ts';
import { fenceName, stateHash } from '../../providers/fence.ts';
import type { Change, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import type { Fetch } from '../../src/http.ts';
import { FIXTURES, OPENAPI, startWorld, ZONE } from '../providers/cloudflare.fixture.ts';
import { type Prism, startPrism } from './prism.ts';

const ZONE_ID = '023e105f4ecef8ad9ca31a8372d0c353';
const patience = (): AbortSignal => AbortSignal.timeout(60_000);

let prism: Prism;
beforeAll(async () => {
  prism = await startPrism(join(FIXTURES, OPENAPI), `/zones/${ZONE_ID}/load_balancers`);
}, 300_000);
afterAll(() => prism?.[Symbol.asyncDispose]());

interface Judged {
  request: string;
  status: number;
  said: string;
}

/** Sends each request to prism as well. Prism answers from the document: nothing of its reply reaches the adapter. */
const judging = (inner: Fetch, base: string): { fetch: Fetch; judged: Judged[] } => {
  const judged: Judged[] = [];
  return {
    judged,
    async fetch(url, init) {
      const reply = await inner(url, init);
      const path = String(url).slice(base.length);
      const verdict = await globalThis.fetch(`${prism.url}${path}`, init as unknown as RequestInit);
      judged.push({
        request: `${init?.method} ${path.replaceAll(/[0-9a-f]{32}/g, '*')}`,
        status: verdict.status,
        said: await verdict.text(),
      });
      return reply;
    },
  };
};

const service = (name: string, hosts: readonly number[]): ProviderService => ({
  service: `${name}.${ZONE}`,
  ttlS: 60,
  pools: hosts.map((host, at) => ({
    pool: `region-${at}`,
    region: `region-${at}`,
    share: 1000 / hosts.length,
    configuredShare: 1000 / hosts.length,
    answers: [`192.0.2.${host}`, `2001:db8::${host}`],
  })),
});

const withShares = (from: ProviderService, ...shares: number[]): ProviderService => ({
  ...from,
  pools: from.pools.map((pool, at) => ({ ...pool, share: shares[at] ?? 0 })),
});

const web = service('web', [1, 2]);

let nonces = 0;
const write = async (provider: Provider, desired: ProviderService, v: number): Promise<void> => {
  const previous: ReadBack = (await provider.read([desired], patience())).get(desired.service)!;
  const fence = { v, epoch: 1, writer: 'eu-west/a', nonce: `n${++nonces}`, hash: stateHash(desired) };
  const change: Change = { desired, fence, previous };
  expect(await provider.apply([change], patience())).toMatchObject({ outcome: 'applied' });
};

const repertoire = async <C extends CloudflareConfig>(
  configOf: (world: Awaited<ReturnType<typeof startWorld>>) => C,
  play: (provider: Provider, world: Awaited<ReturnType<typeof startWorld>>, config: C) => Promise<void>,
): Promise<readonly Judged[]> => {
  await using world = await startWorld();
  world.balance(web);
  const config = configOf(world);
  const context = world.context();
  const { fetch, judged } = judging(context.fetch, world.standIn.url);
  const provider = cloudflare.open(config, { ...context, fetch });
  await play(provider, world, config);
  await inventory(config, { ...context, fetch }, patience());
  await provider.close();
  expect(world.problems).toEqual([]);
  return judged;
};

const refusals = (judged: readonly Judged[]): readonly Judged[] => judged.filter(({ status }) => status !== 200);
const kinds = (judged: readonly Judged[]): readonly string[] => [...new Set(judged.map(({ request }) => request))].sort();

describe('prism, with the OpenAPI document of Cloudflare', { timeout: 120_000 }, () => {
  test('takes every request of load balancer mode: first write, ramp, drain with sessions, a stranger taken out, import', async () => {
    const judged = await repertoire<BalancerConfig>(
      (world) => world.balancerConfig({ sessions: 'shed' }),
      async (provider, { standIn }) => {
        standIn.byHand(({ balancers }) => {
          balancers[0]!.fallback_pool = 'elsewhere';
        });
        await write(provider, web, 1);
        await write(provider, withShares(web, 331, 669), 2);
        await write(provider, withShares(web, 0, 1000), 3);
        const { id } = standIn.pool({ name: 'by-hand' });
        standIn.byHand(({ balancers }) => void balancers[0]!.default_pools.push(id));
        await write(provider, withShares(web, 0, 1000), 4);
        await write(provider, web, 5);
      },
    );
    expect(refusals(judged)).toEqual([]);
    expect(kinds(judged)).toEqual([
      'GET /accounts/*/load_balancers/pools',
      'GET /accounts/*/load_balancers/pools/*/references',
      'GET /zones/*/load_balancers',
      'GET /zones/*/load_balancers/*',
      'PATCH /accounts/*/load_balancers/pools/*',
      'PATCH /zones/*/load_balancers/*',
    ]);
  });

  test('takes every request of DNS mode: records made, turned, taken out, given another TTL, a fence lost, import', async () => {
    const judged = await repertoire<RecordsConfig>(
      (world) => world.recordsConfig(),
      async (provider, { standIn }) => {
        await write(provider, web, 1);
        await write(provider, withShares(web, 0, 1000), 2);
        await write(provider, withShares(web, 1000, 0), 3);
        await write(provider, { ...web, ttlS: 120 }, 4);
        standIn.byHand(({ records }) => {
          records.splice(
            records.findIndex(({ name, content }) => name === fenceName(web.service) && content.includes('fence=4')),
            1,
          );
        });
        await write(provider, web, 5);
      },
    );
    expect(refusals(judged)).toEqual([]);
    expect(kinds(judged)).toEqual([
      'GET /zones/*/dns_records?order=name&per_page=5000&page=1'.replace(
        'order=name&per_page=5000&page=1',
        'per_page=5000&page=1&order=name',
      ),
      'GET /zones/*/dns_records?type=TXT&name.startswith=_tidegate.&per_page=5000&page=1&order=name',
      'POST /zones/*/dns_records/batch',
    ]);
  });

  const bad: readonly [string, string, string, unknown][] = [
    ['a load balancer that is enabled in words', 'PATCH', `/zones/${ZONE_ID}/load_balancers/1`, { enabled: 'no' }],
    ['a default weight between two steps', 'PATCH', `/zones/${ZONE_ID}/load_balancers/1`, { random_steering: { default_weight: 0.15 } }],
    ['a weight that is a text', 'PATCH', `/zones/${ZONE_ID}/load_balancers/1`, { random_steering: { pool_weights: { a: '0.5' } } }],
    ['a description that is a number', 'PATCH', `/zones/${ZONE_ID}/load_balancers/1`, { description: 7 }],
    ['more than all sessions shed', 'PATCH', `/accounts/${ZONE_ID}/load_balancers/pools/1`, { load_shedding: { session_percent: 101 } }],
    [
      'an origin weight between two steps',
      'PATCH',
      `/accounts/${ZONE_ID}/load_balancers/pools/1`,
      { origins: [{ name: 'a', address: '192.0.2.1', weight: 0.255 }] },
    ],
    [
      'a TTL below the floor of every plan',
      'POST',
      `/zones/${ZONE_ID}/dns_records/batch`,
      { posts: [{ name: 'a.example.com', type: 'A', ttl: 5, content: '192.0.2.1' }] },
    ],
    ['a delete without an id', 'POST', `/zones/${ZONE_ID}/dns_records/batch`, { deletes: [{ name: 'a.example.com' }] }],
    ['a page of no records', 'GET', `/zones/${ZONE_ID}/dns_records?per_page=0`, null],
  ];
  test.each(bad)('refuses %s', async (_what, method, path, body) => {
    const init = body === null ? { method } : { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const reply = await fetch(`${prism.url}${path}`, init);
    expect(reply.status, await reply.text()).toBe(422);
  });
});
