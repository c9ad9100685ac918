// Opens what a replica's configuration names: its store, its providers, its way of looking at things. Whatever is opened says how it ends.
// Decides nothing; src/serve.ts puts the parts together, and the commands that work without a service open only what they need.
import { readFileSync } from 'node:fs';
import { serveBuiltin } from '../providers/builtin/server.ts';
import { openProvider } from '../providers/index.ts';
import type { Provider } from '../providers/provider.ts';
import { parseHostPort } from './config/fields.ts';
import type { ReplicaConfig } from './config/schema.ts';
import { serversOf } from './dns/resolv-conf.ts';
import { createResolver, type Resolver } from './dns/resolver.ts';
import { errorText, Fault } from './errors.ts';
import { createHttp, type Http } from './http.ts';
import type { Log } from './log.ts';
import type { Ports } from './ports.ts';
import { type ProbeContext, userAgentOf } from './probe/kind.ts';
import { ensureSecret, readSecret } from './secrets.ts';
import { openEmbedded } from './store/embedded.ts';
import type { EtcdOptions } from './store/etcd/index.ts';
import type { Inspection } from './store/etcd/inspect.ts';
import { connectStore } from './store/remote.ts';
import { serveStore } from './store/serve.ts';
import type { Store } from './store/store.ts';

export interface ServeContext {
  ports: Ports;
  log: Log;
  version: string;
  /** Called when this process must not go on: for one, another speaks under its name. */
  onFatal?: (fault: Fault) => void;
  /** This replica is all that its process does: the process is measured with it. */
  ownsProcess?: true;
}

export type Resolve = Resolver['resolve'];

/** What a look needs but its deadlines. */
export type Looking = Omit<ProbeContext, 'timeoutMs' | 'connectTimeoutMs' | 'resolve'> & { resolve: Resolve };

export type Close = () => Promise<unknown> | unknown;

/** What has work under way ends first and all at once, or one that hangs would take the time of the others; what is open then closes in reverse. */
export interface Ends {
  working: Close[];
  open: Close[];
}

type EtcdConfig = Extract<ReplicaConfig['store'], { kind: 'etcd' }>;

const textsOf = ({ caFile, certFile, keyFile }: NonNullable<EtcdConfig['tls']>): NonNullable<EtcdOptions['tls']> => ({
  caPem: readText(caFile),
  ...(certFile === undefined ? {} : { certPem: readText(certFile) }),
  ...(keyFile === undefined ? {} : { keyPem: readSecret(keyFile) }),
});

const etcdOptions = (config: EtcdConfig, { ports, log }: Pick<ServeContext, 'ports' | 'log'>, resolve: Resolve): EtcdOptions => {
  const { tls, user } = config;
  return {
    endpoints: config.endpoints,
    prefix: config.prefix,
    timeoutMs: config.timeoutMs,
    ports,
    log,
    resolve,
    ...(tls === undefined ? {} : { tls: textsOf(tls), renewTls: () => textsOf(tls) }),
    ...(user === undefined ? {} : { user: { name: user.name, password: readSecret(user.passwordFile) } }),
  };
};

/** Loaded only when configured: the protocol is heavy. Throws Fault ERR_SECRET or ERR_CONFIG_READ for files that cannot be used. */
export const openEtcdStore = async (config: EtcdConfig, context: Pick<ServeContext, 'ports' | 'log'>, resolve: Resolve): Promise<Store> =>
  (await import('./store/etcd/index.ts')).openEtcd(etcdOptions(config, context, resolve));

/** What each member says of itself, beside the store: for humans. Throws as `openEtcdStore` does. */
export const lookIntoEtcd = async (
  config: EtcdConfig,
  context: Pick<ServeContext, 'ports' | 'log'>,
  resolve: Resolve,
): Promise<Inspection> => (await import('./store/etcd/inspect.ts')).inspectEtcd(etcdOptions(config, context, resolve));

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Fault('ERR_CONFIG_READ', `${path}: ${errorText(error)}; the store's certificates must be there`, { cause: error });
  }
};

export const openStore = async (config: ReplicaConfig, context: ServeContext, resolve: Resolve, ends: Ends): Promise<Store> => {
  const { ports } = context;
  if (config.store.kind === 'etcd') {
    const store = await openEtcdStore(config.store, context, resolve);
    ends.open.push(() => store.close());
    return store;
  }
  if (config.store.kind === 'remote') {
    const store = connectStore({ url: config.store.url, token: readSecret(config.store.tokenFile), ports });
    ends.open.push(() => store.close());
    return store;
  }
  const store = openEmbedded({ file: config.store.file, ports });
  ends.open.push(() => store.close());
  const { serve: lent } = config.store;
  if (lent !== undefined) {
    const served = await serveStore({ store, host: lent.host, port: lent.port, token: ensureSecret(lent.tokenFile, ports.random), ports });
    ends.working.push(() => served.close());
  }
  return store;
};

export const openProviders = async (
  config: ReplicaConfig,
  { ports, log }: ServeContext,
  { resolve, store }: { resolve: Resolve; store: Store },
  ends: Ends,
): Promise<ReadonlyMap<string, Provider>> => {
  const opened = new Map<string, Provider>();
  const http = createHttp({ ports, resolve });
  ends.open.push(() => http.close());
  for (const [name, entry] of Object.entries(config.providers)) {
    if (entry.kind === 'builtin' && entry.serve !== undefined) {
      const token = ensureSecret(entry.tokenFile, ports.random);
      const server = await serveBuiltin({ ports, zoneName: entry.zone, dns: entry.serve.dns, control: entry.control, token, log });
      ends.open.push(() => server.close());
    }
    const httpTrusting = (caPem: string): Http => createHttp({ ports, resolve, caPem });
    const provider = await openProvider(entry, { ports, secret: readSecret, fetch: http.fetch, httpTrusting, store });
    ends.open.push(() => provider.close());
    opened.set(name, provider);
  }
  return opened;
};

/** Names by the servers that the file gives, or by the machine's. */
export const openResolver = ({ dns }: Pick<ReplicaConfig, 'dns'>, ports: Ports): Resolver => {
  const servers = dns.resolvers.length > 0 ? dns.resolvers.map(parseServer) : serversOf(readQuietly('/etc/resolv.conf'));
  return createResolver({ ports, servers });
};

/** How this process looks at things: names through its own resolver, trust from files, read once. */
export const lookContext = (config: ReplicaConfig, { ports, version }: ServeContext, ends: Ends): Looking => {
  const resolver = openResolver(config, ports);
  ends.open.push(() => resolver.close());
  const contexts = new Map<string, ReturnType<Ports['net']['secureContext']>>();
  return {
    ports,
    resolve: (host, signal) => resolver.resolve(host, signal),
    userAgent: userAgentOf(version, config.region),
    tlsContext(caFile = '') {
      const known = contexts.get(caFile);
      if (known !== undefined) return known;
      const made = ports.net.secureContext(caFile === '' ? undefined : readFileSync(caFile, 'utf8'));
      contexts.set(caFile, made);
      return made;
    },
  };
};

const parseServer = (text: string): { host: string; port: number } => parseHostPort(text) ?? { host: '127.0.0.1', port: 53 };

const readQuietly = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};
