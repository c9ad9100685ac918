// The world of the route53 tests: a stand-in behind a fault proxy, writers that reach it over our own HTTP, and the services they write.
import type { Provider, ProviderService } from '../../providers/provider.ts';
import type { Route53Config } from '../../providers/route53/config.ts';
import { route53 } from '../../providers/route53/index.ts';
import { type Route53Options, type Route53StandIn, startRoute53 } from '../../src/drill/stand-ins/route53.ts';
import { createHttp } from '../../src/http.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

export const KEY = {
  accessKeyId: 'AKIATIDEGATETEST',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/not-a-real-one',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE',
};
export const ZONE = 'tide.test';
export const ZONE_ID = 'Z0123456789TIDE';

export const credentialsText = ({ accessKeyId, secretAccessKey, sessionToken }: typeof KEY): string =>
  `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\naws_session_token = ${sessionToken}\n`;

export const pool = (name: string, share: number, configuredShare: number, ...answers: string[]) => ({
  pool: name,
  region: name,
  share,
  configuredShare,
  answers,
});

export const web: ProviderService = {
  service: `web.${ZONE}`,
  ttlS: 30,
  pools: [pool('eu-west', 500, 500, '192.0.2.1', '2001:db8::1'), pool('us-east', 500, 500, '192.0.2.2', '2001:DB8:0::2')],
};
export const api: ProviderService = {
  service: `api.${ZONE}`,
  ttlS: 10,
  pools: [pool('eu-west', 600, 600, '192.0.2.11', '192.0.2.12'), pool('us-east', 400, 400, '192.0.2.13')],
};

export const withShares = (service: ProviderService, ...shares: number[]): ProviderService => ({
  ...service,
  pools: service.pools.map((each, at) => ({ ...each, share: shares[at] ?? 0 })),
});

export type Mode = Route53Config['mode'];

export const changesAnything = ({
  method,
  url,
  headers,
}: {
  method: string;
  url: string;
  headers: Readonly<Record<string, unknown>>;
}): boolean => (url.startsWith('/arc/') ? String(headers['x-amz-target']).includes('Update') : method === 'POST');

export const controlArn = (service: string, name: string): string =>
  `arn:aws:route53-recovery-control::111122223333:controlpanel/0123456789abcdef/routingcontrol/${service.replaceAll('.', '-')}-${name}`;

const byPool = <T>(services: readonly ProviderService[], of: (service: string, name: string) => T) =>
  Object.fromEntries(
    services.map(({ service, pools }) => [
      service,
      { pools: Object.fromEntries(pools.map((each) => [each.pool, of(service, each.pool)])) },
    ]),
  );

export const checkId = (service: string, name: string): string => `${service.replaceAll('.', '-')}-${name}`;

export const configFor = (mode: Mode, url: string, services: readonly ProviderService[] = [web, api]): Route53Config => {
  const entry = { kind: 'route53' as const, zone: ZONE, credentialsFile: '/secrets/aws' };
  if (mode === 'routingControls') {
    const endpoints = ['us-east-1', 'us-west-2', 'eu-west-1', 'ap-northeast-1', 'ap-southeast-2'];
    return {
      ...entry,
      mode,
      endpoints: endpoints.map((region) => ({ region, url: `${url}/arc/${region}` })),
      services: byPool(services, (service, name) => ({ routingControlArn: controlArn(service, name) })),
    };
  }
  const control = { hostedZoneId: ZONE_ID, endpoint: url };
  if (mode === 'healthChecks')
    return { ...entry, ...control, mode, services: byPool(services, (service, name) => ({ healthCheckId: checkId(service, name) })) };
  return { ...entry, ...control, mode, services: {} };
};

export interface World extends AsyncDisposable {
  standIn: Route53StandIn;
  proxy: FaultProxy;
  /** A new writer, as another process would be: with a limit of its own. */
  writer(over?: { config?: Partial<Route53Config>; credentials?: () => string; ports?: Partial<Ports> }): Provider;
}

/** Opens providers over our own HTTP, and closes all of it at the end. */
export const writers = () => {
  const closing: (() => Promise<void>)[] = [];
  return {
    open(config: Route53Config, secret: () => string, over: Partial<Ports> = {}): Provider {
      const ports = { ...realPorts(), ...over };
      const http = createHttp({ ports, resolve: () => Promise.reject(new Error('no names in this test')) });
      const provider = route53.open(config, { ports, secret, fetch: http.fetch });
      closing.push(async () => {
        await provider.close();
        await http.close();
      });
      return provider;
    },
    close: () => Promise.all(closing.map((close) => close())),
  };
};

export const startWorld = async (
  mode: Mode,
  options: Partial<Route53Options> = {},
  services: readonly ProviderService[] = [web, api],
): Promise<World> => {
  const pools = services.flatMap(({ service, pools }) => pools.map((each) => [service, each.pool] as const));
  const standIn = await startRoute53({
    ports: realPorts(),
    key: KEY,
    zones: [{ id: ZONE_ID, name: ZONE }],
    ...(mode === 'healthChecks'
      ? {
          healthChecks: Object.fromEntries(
            pools.map(([service, name]) => [checkId(service, name), { Type: 'CALCULATED', HealthThreshold: 0 }]),
          ),
        }
      : {}),
    ...(mode === 'routingControls'
      ? { routingControls: Object.fromEntries(pools.map(([service, name]) => [controlArn(service, name), 'Off' as const])) }
      : {}),
    ...options,
  });
  // In mode healthChecks the write that a reply can be lost of is the one that moves users; what happens without its fence's is a test of its own.
  const proxy = await startFaultProxy(
    standIn.url,
    (each) => changesAnything(each) && (mode !== 'healthChecks' || each.url.includes('/healthcheck/')),
  );
  const open = writers();
  return {
    standIn,
    proxy,
    writer: ({ config = {}, credentials = () => credentialsText(KEY), ports = {} } = {}) =>
      open.open({ ...configFor(mode, proxy.url, services), ...config } as Route53Config, credentials, ports),
    async [Symbol.asyncDispose]() {
      await open.close();
      await proxy[Symbol.asyncDispose]();
      await standIn.close();
    },
  };
};
