// The demo on a stand-in of Cloudflare's load balancing: one load balancer with a pool per region, written by the vendor's own client; a front of ours passes
// every visit on by its weights.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenProviderRoom } from '../provider-room.ts';
import { PLACES, SERVICE, ZONE } from '../scene.ts';
import { standInForCloudflare } from '../stand-ins/cloudflare.ts';
import { LATENCY_MS, openProxied, VISIBLE_MS } from './users.ts';

const TOKEN_FILE = 'cloudflare.token';

export const openCloudflareRoom: OpenProviderRoom = async (options) => {
  const { ports, folder } = options;
  const users = await openProxied(options, 'Cloudflare');
  const token = ports.random.hex(20);
  writeFileSync(join(folder, TOKEN_FILE), `${token}\n`, { mode: 0o600 });
  /** Region by what the stand-in calls its pool. */
  const regions = new Map<string, string>();
  try {
    const standIn = await standInForCloudflare({
      ports,
      token,
      zone: ZONE,
      latencyMs: LATENCY_MS,
      visibleAfterMs: VISIBLE_MS,
      onServed({ name, weights }) {
        if (name === SERVICE)
          users.show(Object.fromEntries(Object.entries(weights).map(([pool, weight]) => [regions.get(pool) ?? pool, weight])));
      },
    });
    const pools = PLACES.map(({ region, address }) => {
      const pool = standIn.pool({ name: region, origins: [{ name: region, address, enabled: true, weight: 1 }] });
      for (const called of [pool.id, pool.name, address]) regions.set(called, region);
      return [region, pool.id] as const;
    });
    const balancer = standIn.balancer({ name: SERVICE, default_pools: pools.map(([, id]) => id) });
    return {
      ...users.room,
      where: `a stand-in for Cloudflare on ${new URL(standIn.url).host}, whose proxy is a front of ours`,
      entry: () => ({
        kind: 'cloudflare',
        mode: 'loadBalancer',
        zone: ZONE,
        zoneId: standIn.zoneId,
        endpoint: standIn.url,
        tokenFile: TOKEN_FILE,
        services: { [SERVICE]: { loadBalancerId: balancer.id, pools: Object.fromEntries(pools) } },
      }),
      anchors: [users.anchor, `tcp://${new URL(standIn.url).host}`],
      async close() {
        await standIn.close();
        await users.close();
      },
    };
  } catch (error) {
    await users.close();
    throw error;
  }
};
