// The real tools of the checks: everything is asked as the service itself would ask, with its own resolver, credentials and deadlines, and nothing is
// changed anywhere. What several checks want to know is looked at once.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { keysOfIssuer } from '../auth/issuer.ts';
import { openedProviders } from '../command/providers.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { isProxied } from '../converge/landing.ts';
import { KEYS } from '../coordinate/keys.ts';
import { publicKeyOf } from '../coordinate/signing.ts';
import { errorText, Fault } from '../errors.ts';
import { createHttp } from '../http.ts';
import type { Log } from '../log.ts';
import { type Ends, lookIntoEtcd, openEtcdStore, openResolver } from '../open.ts';
import type { Channel, Notice } from '../paging/channel.ts';
import { type ChannelConfig, openChannel } from '../paging/index.ts';
import { noticeOf } from '../paging/message.ts';
import { allowedBy } from '../paging/post.ts';
import { type Ports, withDeadline } from '../ports.ts';
import { userAgentOf } from '../probe/kind.ts';
import { readSecret, thisProcess } from '../secrets.ts';
import { connectStore } from '../store/remote.ts';
import type { Store } from '../store/store.ts';
import { NotLooked } from './check.ts';
import { endsIn, namedFiles, readText, secretsAmong, tokensIn } from './instruments/files.ts';
import { lookAtPackages, ownersOf, placesOf, readersOf } from './instruments/host.ts';
import { processesOf } from './instruments/process.ts';
import { connectTo, LOOK_MS, type Reach, STORE_MS } from './instruments/reach.ts';
import { askHealth, askStatus, tryDoor } from './instruments/replica.ts';
import { auditOf, grantsOf, others, worldOf, written } from './instruments/store.ts';
import { askTtl, lookAtAnchor, lookAtProviders, testPages } from './instruments/ways.ts';
import { measuredIn, worldTold } from './told.ts';
import type { ChannelReach, Expiring, Grant, ServingProcess, SinkLook, Tools, WebhookSecret, World } from './tools.ts';

export interface InstrumentsOptions {
  ports: Ports;
  log: Log;
  config: ReplicaConfig;
  version: string;
  /** Opened when first needed. */
  openStore: () => Promise<Store>;
  providers?: typeof openedProviders;
  /** A page marked as a test is sent to every webhook. */
  sendTest: boolean;
}

/** What no page must ever reach: metadata services, which hand out credentials, and this machine. */
const FORBIDDEN = [
  { address: '169.254.169.254', reaches: 'the metadata service of a cloud (169.254.169.254)' },
  { address: 'fd00:ec2::254', reaches: 'the metadata service of a cloud (fd00:ec2::254)' },
  { address: '127.0.0.1', reaches: 'this machine (127.0.0.1)' },
  { address: '::1', reaches: 'this machine (::1)' },
] as const;

/** As strict as the channel itself, which e-mail and Alertmanager are not: they are inside by nature. */
const isGuarded = ({ kind }: ChannelConfig): boolean => kind !== 'email' && kind !== 'alertmanager';

const reachOf = (channel: ChannelConfig): ChannelReach => {
  const networks = 'networks' in channel ? (channel.networks ?? []) : [];
  const open = networks.flatMap((network) =>
    FORBIDDEN.filter(({ address }) => allowedBy([network])(address)).map(({ reaches }) => ({ network, reaches })),
  );
  return { channel: channel.name, networks, open, isUnguarded: !isGuarded(channel) };
};

const webhookSecretOf = (name: string, file: string): WebhookSecret => {
  const bytes = Buffer.from(readSecret(file).replace(/^whsec_/, ''), 'base64');
  return { name, bytes: bytes.length, digest: createHash('sha256').update(bytes).digest('hex') };
};

const READS = 7;
const SERVICES_MAX = 20;

/** Remembers the first outcome. */
const once = <T>(work: () => Promise<T>): (() => Promise<T>) => {
  let done: Promise<T> | null = null;
  return () => {
    done ??= work();
    return done;
  };
};

/** Nobody but the running replica can read the store. */
class Unlent extends NotLooked {
  constructor() {
    super('a running replica serves this store file and lends it to nobody (store.serve), and it does not tell this');
  }
}

/** `close` ends what was opened. */
export const createInstruments = (options: InstrumentsOptions): Tools & { close(): Promise<void> } => {
  const { ports, config, log } = options;
  const ends: Ends = { working: [], open: [] };
  const resolver = openResolver(config, ports);
  ends.open.push(() => resolver.close());
  const reach: Reach = { ports, resolver };
  const http = createHttp({ ports, resolve: resolver.resolve });
  ends.open.push(() => http.close());
  /** A store that a running replica holds is asked for where it is lent; an instance that nobody can read is told of by that replica. */
  const openNow = async (): Promise<Store> => {
    try {
      return await options.openStore();
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'ERR_STORE_LOCKED' || config.store.kind !== 'embedded') throw error;
      const lent = config.store.serve;
      if (lent === undefined) throw new Unlent();
      return connectStore({ url: `http://${lent.host}:${lent.port}`, token: readSecret(lent.tokenFile), ports });
    }
  };
  const store = once(async () => {
    const opened = await openNow();
    ends.open.push(() => opened.close());
    return opened;
  });
  /** To this file's own API: its certificate is known, and its name need not be that of the address it listens on. */
  const own = once(async () => {
    const { tls } = config.api;
    if (tls === undefined) return http;
    let pin: string;
    try {
      pin = readText(tls.certFile);
    } catch (error) {
      throw new NotLooked(`the certificate of its API cannot be read: ${errorText(error)}`);
    }
    const pinned = createHttp({ ports, resolve: resolver.resolve, pin });
    ends.open.push(() => pinned.close());
    return pinned;
  });
  const health = once(async () => askHealth(await own(), config, ports));
  const publicKey = once(async () =>
    config.signing === undefined ? null : publicKeyOf(readSecret(config.signing.keyFile), config.signing.keyFile),
  );
  const world = once(async (): Promise<World> => {
    try {
      return await worldOf(await store(), ports, config, await publicKey().catch(() => null));
    } catch (error) {
      if (!(error instanceof Unlent) || config.cluster === null) throw error;
      return worldTold(config.cluster, await askStatus(await own(), config, ports), (await health()).checks);
    }
  });
  /** For checks to which a store that does not answer is no news of their own. */
  const seen = once(async () => {
    try {
      return await world();
    } catch (error) {
      throw error instanceof NotLooked ? error : new NotLooked('the store was not read: see `store`');
    }
  });
  const anchors = once(async () => {
    const urls = (await seen()).cluster.regions.find(({ name }) => name === config.region)?.anchors ?? [];
    if (urls.length === 0)
      throw new NotLooked(`no anchors are configured for ${config.region}: a dead uplink of its own looks like a dead world`);
    return Promise.all(urls.map((url) => lookAtAnchor(http, reach, url, userAgentOf(options.version, config.region))));
  });
  const etcd = once(() => {
    const { store: named } = config;
    if (named.kind !== 'etcd') return Promise.reject(new NotLooked(`the store is ${named.kind}, not etcd`));
    return lookIntoEtcd({ ...named, timeoutMs: Math.max(named.timeoutMs, LOOK_MS) }, { ports, log }, resolver.resolve);
  });
  const files = namedFiles(config);
  const channels = once(async (): Promise<readonly Channel[]> => {
    const context = { ports, log, secret: readSecret, text: readText, resolve: resolver.resolve };
    return Promise.all(config.paging.channels.map((channel) => openChannel(channel, context)));
  });
  /** Where the channels go, and whom to trust there. */
  const places = async () =>
    (await channels()).flatMap(({ name, places }, i) => {
      const channel = config.paging.channels[i];
      const caFile = channel?.caFile;
      const caPem = caFile === undefined ? undefined : readText(caFile);
      const allow = channel !== undefined && isGuarded(channel) && 'networks' in channel ? allowedBy(channel.networks ?? []) : undefined;
      return places.map((url) => ({ name, url, caPem, allow }));
    });

  const serving = once(async (): Promise<readonly ServingProcess[]> => {
    try {
      return processesOf(config.file);
    } catch (error) {
      if (!(error instanceof NotLooked)) throw error;
      return [];
    }
  });
  const owners = async () => ownersOf(await serving(), process.geteuid?.());
  /** What is not Tidegate's in the same etcd: its own prefix must be the only one. */
  const outside = async (): Promise<readonly Grant[]> => {
    const { store: named } = config;
    if (named.kind !== 'etcd') return [];
    const elsewhere = `/tidegate-doctor-${ports.random.hex(4)}/`;
    const opened = await openEtcdStore({ ...named, prefix: elsewhere, timeoutMs: LOOK_MS }, { ports, log }, resolver.resolve);
    try {
      return (await grantsOf(opened, ports, ['x'])).map((grant) => ({ ...grant, key: `${elsewhere}x, outside its prefix,` }));
    } finally {
      await opened.close();
    }
  };

  return {
    config,
    replica: health,
    async store() {
      const opened = await store().catch(async (error: unknown) => {
        if (!(error instanceof Unlent)) throw error;
        return null;
      });
      if (opened === null) {
        const tookMs = measuredIn((await health()).checks, 'store:responseTime', 'get');
        if (tookMs === null) throw new Unlent();
        return { tookMs: [tookMs] };
      }
      const tookMs: number[] = [];
      for (let n = 0; n < READS; n++) {
        const startedAtMs = ports.clock.monoMs();
        await withDeadline(ports.timers, STORE_MS, 'the store', (signal) => opened.get({ keys: [KEYS.leader] }, signal));
        tookMs.push(ports.clock.monoMs() - startedAtMs);
      }
      return { tookMs };
    },
    world: seen,
    async grants() {
      const { cluster } = await seen();
      const coordinates = cluster.regions.some(({ name, coordinator }) => name === config.region && coordinator);
      return grantsOf(await store(), ports, written(config, coordinates));
    },
    etcd,
    providers: once(async () => {
      if (Object.keys(config.providers).length === 0)
        throw new NotLooked('this file names no providers: this replica votes and writes nowhere');
      await seen();
      return lookAtProviders(config, ports, await store(), options.providers ?? openedProviders);
    }),
    async served() {
      const asked = (await seen()).cluster.services.filter(
        (service) => service.mode === 'auto' && !isProxied(service) && service.converge.authoritative.length > 0,
      );
      if (asked.length === 0) throw new NotLooked('no service in auto with converge.authoritative and answers of its own');
      return Promise.all(
        asked.slice(0, SERVICES_MAX).flatMap((service) => service.converge.authoritative.map((server) => askTtl(ports, service, server))),
      );
    },
    anchors,
    sinks: async () => {
      const all = await places();
      return Promise.all(
        all.map(
          async ({ name, url, ...how }): Promise<SinkLook> => ({
            name,
            because: await connectTo(reach, url, how).then(() => null, errorText),
          }),
        ),
      );
    },
    async sendTest() {
      if (!options.sendTest) throw new NotLooked('no page was sent; --send-test sends one');
      if (config.paging.channels.length === 0) throw new NotLooked('no channel is configured');
      const cluster = config.cluster?.name ?? config.region;
      const [test, over] = testPages(config, ports).map((page) => noticeOf(page, { cluster, baseUrl: null })) as [Notice, Notice];
      return Promise.all(
        (await channels()).map(async (channel): Promise<SinkLook> => {
          const send = (notice: Notice) =>
            withDeadline(ports.timers, 15_000, channel.name, (signal) => channel.deliver(notice, signal)).catch(
              (error: unknown) => ({ sent: false, because: errorText(error) }) as const,
            );
          const first = await send(test);
          // Also after a try that failed: it may have been taken all the same.
          const last = await send(over);
          return { name: channel.name, because: first.sent ? (last.sent ? null : last.because) : first.because };
        }),
      );
    },
    async expiring() {
      const named = config.store;
      let ca: { caPem?: string } = {};
      // One that is not there is among the files below.
      if (named.kind === 'etcd' && named.tls !== undefined && existsSync(named.tls.caFile)) ca = { caPem: readText(named.tls.caFile) };
      const servers = [...(named.kind === 'etcd' ? named.endpoints.map((url) => ({ url, ...ca })) : []), ...(await places())].filter(
        ({ url }) => url.startsWith('https:'),
      );
      const remote = servers.map(async ({ url, caPem }): Promise<readonly Expiring[]> => {
        const where = new URL(url).host;
        const what = 'certificate of the server';
        return connectTo(reach, url, { caPem }).then(
          (untilMs) => (untilMs === null ? [] : [{ what, where, untilMs }]),
          (error: unknown) => [{ what, where, untilMs: null, because: errorText(error) }],
        );
      });
      return [...endsIn(files), ...(await Promise.all(remote)).flat()];
    },
    secretFiles: async () => secretsAmong(files, await owners(), readersOf(await serving(), thisProcess())),
    places: async () => placesOf(config, await owners()),
    processes: async () => processesOf(config.file),
    door: async () => tryDoor(await own(), config, ports),
    tokens: async () => tokensIn(config.api),
    async issuer() {
      const { oidc } = config.api.auth ?? {};
      if (oidc === undefined) return null;
      const asking = oidc.caFile === undefined ? http : createHttp({ ports, resolve: resolver.resolve, caPem: readText(oidc.caFile) });
      try {
        const { keys } = await withDeadline(ports.timers, LOOK_MS, oidc.issuer, (signal) => keysOfIssuer(oidc, asking.fetch, signal));
        return { keys: keys.length };
      } catch (error) {
        throw new NotLooked(errorText(error));
      } finally {
        if (asking !== http) await asking.close();
      }
    },
    reaches: async () => config.paging.channels.map(reachOf),
    nodeVersion: process.versions.node,
    packages: async () => lookAtPackages(),
    async excess() {
      const { cluster, heard } = await seen();
      const own = cluster.regions.find(({ name }) => name === config.region);
      const regions = cluster.regions.map(({ name }) => name).filter((name) => name !== config.region);
      const coordinates = own?.coordinator === true && Object.keys(config.providers).length > 0;
      // A role may name whole keys: those of who speaks there. Of one region alone some other is tried all the same.
      const places = (regions.length === 0 ? ['doctor'] : regions).map((region) => ({
        region,
        replica: heard.find((each) => each.region === region)?.replica ?? config.replica,
      }));
      const tried = others(places, coordinates);
      const grants = [...(await grantsOf(await store(), ports, tried)), ...(await outside())];
      return {
        tried,
        regions,
        may: grants.filter(({ because }) => because === null).map(({ key }) => key),
        untold: grants.flatMap(({ key, because, isDenied }) => (because === null || isDenied ? [] : [{ key, because }])),
      };
    },
    webhookSecrets: async () => [
      ...config.paging.channels.flatMap((channel) =>
        channel.kind === 'webhook' ? channel.secretFiles.map((file) => webhookSecretOf(channel.name, file)) : [],
      ),
      ...(config.paging.callbacks?.secretFiles ?? []).map((file) => webhookSecretOf('callbacks', file)),
      ...Object.entries(config.systems ?? {}).flatMap(([name, system]) =>
        system.kind === 'webhook' ? [webhookSecretOf(`systems.${name}`, system.secretFile)] : [],
      ),
    ],
    publicKey,
    async audit() {
      await seen();
      return auditOf(await store(), ports);
    },
    async close() {
      for (const close of ends.open.reverse()) await close();
    },
  };
};
