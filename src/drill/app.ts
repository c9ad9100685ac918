// The small real application of the demo: what a region's users reach and its probes look at. Says in every reply which region answered.
// Its health is set from within the process only; nothing outside can make it lie.
import Fastify from 'fastify';
import { errorText, Fault } from '../errors.ts';
import type { Log } from '../log.ts';

export interface AppHealth {
  /** What /healthz and /readyz say: 200 or 503. `/` answers regardless, as applications do. */
  healthz: boolean;
  readyz: boolean;
}

export interface AppOptions {
  /** An IP literal. */
  host: string;
  /** 0: any free port. */
  port: number;
  region: string;
  log?: Log;
}

export interface App {
  port: number;
  setHealth(health: AppHealth): void;
  /** Cuts connections, as the end of a process would. */
  close(): Promise<void>;
}

/** Longest a whole request may take to arrive, and most connections at once: enough for every vantage and a crowd of demo users. */
const REQUEST_MS = 5000;
const CONNECTIONS_MAX = 1024;

/** Starts well. Throws Fault ERR_LISTEN. */
export const serveApp = async ({ host, port, region, log }: AppOptions): Promise<App> => {
  let health: AppHealth = { healthz: true, readyz: true };
  const app = Fastify({ requestTimeout: REQUEST_MS, bodyLimit: 1024, forceCloseConnections: true });
  app.server.maxConnections = CONNECTIONS_MAX;
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-region', region);
  });
  app.get('/', async () => `This is ${region}.\n`);
  for (const endpoint of ['healthz', 'readyz'] as const) {
    app.get(`/${endpoint}`, async (_request, reply) => {
      const well = health[endpoint];
      return reply.code(well ? 200 : 503).send(`${endpoint} of ${region}: ${well ? 'ok' : 'failing'}\n`);
    });
  }
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw new Fault('ERR_LISTEN', `demo app of ${region} on ${host}:${port}: ${errorText(error)}; choose a free address of this machine`, {
      cause: error,
    });
  }
  const address = app.server.address();
  const listening = typeof address === 'object' && address !== null ? address.port : port;
  log?.info('app.served', { region, address: `${host}:${listening}` });
  return {
    port: listening,
    setHealth(next) {
      health = next;
      log?.info('app.health', { region, ...next });
    },
    close: () => app.close(),
  };
};
