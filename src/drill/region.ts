// One process that is one region of the demo: its Tidegate instance exactly as `serve` runs it, and the small app that its users reach.
// Speaks with the process that started it over IPC, and dies with it. Decides nothing.
import { z } from 'zod';
import type { ReplicaConfig } from '../config/schema.ts';
import { createLog } from '../log.ts';
import type { Ports } from '../ports.ts';
import { serve } from '../serve.ts';
import { serveApp } from './app.ts';
import { createUplink } from './uplink.ts';

/** From the parent: this vantage's uplink breaks, or works again. */
export const toRegion = z.strictObject({ blind: z.boolean() });
export type ToRegion = z.infer<typeof toRegion>;

/** To the parent, once: everything of this region is up. */
export const fromRegion = z.strictObject({ ready: z.strictObject({ apiPort: z.int() }) });
export type FromRegion = z.infer<typeof fromRegion>;

export interface RegionOptions {
  ports: Ports;
  config: ReplicaConfig;
  /** An IP literal. */
  appHost: string;
  appPort: number;
  version: string;
}

/** Starts the region; it runs until the process ends. Throws what `serve` and `serveApp` throw. */
export const runRegion = async ({ ports, config, appHost, appPort, version }: RegionOptions): Promise<void> => {
  // Nobody outlives the parent, not even when it dies while this process still starts.
  process.on('disconnect', () => process.exit(1));
  if (process.connected === false) process.exit(1);
  const log = createLog({ level: config.log.level, clock: ports.clock });
  const uplink = createUplink(ports.net, sparedBy(config, appHost));
  process.on('message', (message: unknown) => {
    const heard = toRegion.safeParse(message);
    if (!heard.success) return;
    uplink.cut(heard.data.blind);
    log.info('uplink', { broken: heard.data.blind });
  });
  await serveApp({ host: appHost, port: appPort, region: config.region, log });
  const running = await serve(config, { ports: { ...ports, net: uplink.net }, log, version, ownsProcess: true });
  process.send?.({ ready: { apiPort: running.apiPort } } satisfies FromRegion);
};

/** A region without an uplink still reaches itself; and the demo spares its way to the store, or nobody could hear that it abstains. */
const sparedBy = (config: ReplicaConfig, appHost: string): ((host: string, port: number) => boolean) => {
  const { store } = config;
  const urls = store.kind === 'remote' ? [store.url] : store.kind === 'etcd' ? store.endpoints : [];
  const spared = new Set(urls.map((url) => new URL(url).host));
  return (host, port) => host === appHost || spared.has(`${host}:${port}`);
};
