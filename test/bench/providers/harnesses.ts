// The table of what the providers bench runs: an adapter opened as a replica opens it, over ports whose sockets are timed, and the world behind it.
import { builtin } from '../../../providers/builtin/index.ts';
import { serveBuiltin } from '../../../providers/builtin/server.ts';
import type { Provider } from '../../../providers/provider.ts';
import { rfc2136 } from '../../../providers/rfc2136/index.ts';
import { clusterSchema } from '../../../src/config/cluster.ts';
import type { ServiceConfig } from '../../../src/model.ts';
import { type Ports, realPorts } from '../../../src/ports.ts';
import { startBind } from '../../system/bind.ts';

export interface BenchedProvider extends AsyncDisposable {
  name: string;
  /** What answers: `stand-in`, or the real server. */
  behind: string;
  provider: Provider;
  /** In auto, with pools of equal weight. */
  service: ServiceConfig;
  /** Requests that reached it so far; counted at the sockets when it cannot say. */
  calls?: () => number;
  /** Between failovers, for an adapter that keeps to the vendor's rate. */
  pauseMs?: number;
}

export type OpenBenched = (ports: Ports) => Promise<BenchedProvider>;

const REGIONS = ['eu-west', 'us-east', 'ap-south'];

/** Three pools, one per region, an address each unless the provider serves objects. */
export const serviceFor = (name: string, byAddress = true): ServiceConfig => {
  const cluster = clusterSchema.parse({
    name: 'bench',
    regions: REGIONS.map((region) => ({ name: region })),
    services: [
      {
        name,
        mode: 'auto',
        provider: 'bench',
        ttl: '30s',
        pools: REGIONS.map((region, at) => ({
          name: region,
          ...(byAddress ? { answers: [`192.0.2.${at + 1}`] } : {}),
          targets: [{ name: 'app', healthz: `http://192.0.2.${at + 1}/healthz` }],
        })),
      },
    ],
  });
  return cluster.services[0]!;
};

const TOKEN = 'bench-token-of-no-value';
const LOOPBACK = '127.0.0.1';

const openBuiltin: OpenBenched = async (ports) => {
  const any = { host: LOOPBACK, port: 0 };
  const zone = 'bench.test';
  const server = await serveBuiltin({ ports: realPorts(), zoneName: zone, dns: any, control: any, token: TOKEN });
  const control = { host: LOOPBACK, port: server.controlPort };
  const provider = builtin.open({ kind: 'builtin', zone, control, tokenFile: '/bench' }, { ports, secret: () => TOKEN });
  return {
    name: 'builtin',
    behind: 'builtin server',
    provider,
    service: serviceFor(`web.${zone}`),
    async [Symbol.asyncDispose]() {
      await provider.close();
      await server.close();
    },
  };
};

const openBind: OpenBenched = async (ports) => {
  const bind = await startBind();
  const { zone, host, port, key } = bind;
  const provider = rfc2136.open(
    { kind: 'rfc2136', zone, server: { host, port }, key: { name: key.name, algorithm: key.algorithm, secretFile: '/bench' } },
    { ports, secret: () => key.secret },
  );
  return {
    name: 'rfc2136',
    behind: 'BIND 9',
    provider,
    service: serviceFor(`web.${zone}`),
    async [Symbol.asyncDispose]() {
      await provider.close();
      await bind[Symbol.asyncDispose]();
    },
  };
};

export const HARNESSES: Readonly<Record<string, OpenBenched>> = { builtin: openBuiltin, rfc2136: openBind };
