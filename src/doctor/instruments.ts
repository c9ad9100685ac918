// The real tools of the checks: everything is asked as the service itself would ask, with its own resolver, credentials and deadlines, and nothing is
// changed anywhere. What several checks want to know is looked at once.
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { decidedIn, lookAll } from '../command/plan.ts';
import { openedProviders } from '../command/providers.ts';
import { joinProblems } from '../config/check.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { connector } from '../connect.ts';
import { serverOf } from '../converge/ask.ts';
import { isProxied } from '../converge/landing.ts';
import {
  appliedKey,
  auditKey,
  beatKey,
  bootKey,
  incidentKey,
  journalKey,
  KEYS,
  observedKey,
  outboxKey,
  placeOf,
  seenKey,
  trailKey,
  voteKey,
} from '../coordinate/keys.ts';
import { type RecordCache, SIGHT_QUERY, type Sight, sightOf } from '../coordinate/read.ts';
import { createRevisionClock } from '../coordinate/revision-clock.ts';
import { publicKeyOf } from '../coordinate/signing.ts';
import { createTrust } from '../coordinate/trust.ts';
import { follow } from '../dns/codec.ts';
import { query } from '../dns/exchange.ts';
import type { Resolver } from '../dns/resolver.ts';
import { errorText, Fault } from '../errors.ts';
import { fleetOf, type Said } from '../health/fleet.ts';
import { createHttp, type Http } from '../http.ts';
import type { Log } from '../log.ts';
import type { AppliedRecord, Audit, Page, Routing, ServiceConfig } from '../model.ts';
import { pathsOf } from '../model.ts';
import { type Ends, lookIntoEtcd, openResolver } from '../open.ts';
import { CHANNELS } from '../paging/index.ts';
import { type Ports, parseTime, sleep, withDeadline } from '../ports.ts';
import { probe } from '../probe/index.ts';
import { userAgentOf } from '../probe/kind.ts';
import { anchorSpec } from '../probe/selfcheck.ts';
import { placeOf as pathOf } from '../publish/pending.ts';
import { readSecret } from '../secrets.ts';
import type { Store } from '../store/store.ts';
import { NotLooked } from './check.ts';
import type {
  AnchorLook,
  AuditLook,
  Expiring,
  Grant,
  HeardReplica,
  ProviderLook,
  SecretFile,
  ServedTtl,
  SinkLook,
  Tools,
  World,
} from './tools.ts';

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

const STORE_MS = 5000;
const READS = 7;
/** Often enough that the age of a beat is known to a fraction of a second. */
const LISTEN_EVERY_MS = 250;
const LOOK_MS = 3000;
const SERVICES_MAX = 20;
const AUDITS_MAX = 50;
const FILE_BYTES_MAX = 256 * 1024;
/** No record has this revision: a condition that never holds. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** Remembers the first outcome. */
const once = <T>(work: () => Promise<T>): (() => Promise<T>) => {
  let done: Promise<T> | null = null;
  return () => {
    done ??= work();
    return done;
  };
};

/** Every file that a configuration names, by the way to it: what ends in `File` names one, and nothing else does. */
const filesIn = (value: unknown, at = ''): readonly { key: string; path: string }[] => {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = at === '' ? key : `${at}.${key}`;
    return typeof inner === 'string' && key.endsWith('File') ? [{ key: here, path: inner }] : filesIn(inner, here);
  });
};

/** Certificates and authorities are for everybody, and so are spools and journals that hold no secret. */
const IS_SECRET = /(token|tokens|secret|password|key|credentials)File$/i;

const byAll = ({ api, store, providers, signing, paging }: ReplicaConfig): unknown => ({ api, store, providers, signing, paging });

const certificatesOf = (text: string, key: string, path: string): readonly Expiring[] =>
  (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => {
    const { subject, validTo } = new X509Certificate(pem);
    return { what: `certificate ${subject.replaceAll('\n', ', ')} of ${key}`, where: path, untilMs: parseTime(validTo) };
  });

/** Files of hashed tokens: one object of JSON a line. */
const tokensOf = (text: string, key: string, path: string): readonly Expiring[] =>
  text.split('\n').flatMap((line) => {
    const [name, until] = [/"name":\s*"([^"]+)"/.exec(line)?.[1], /"expires":\s*"([^"]+)"/.exec(line)?.[1]];
    return name === undefined || until === undefined ? [] : [{ what: `token ${name} of ${key}`, where: path, untilMs: parseTime(until) }];
  });

const readText = (path: string): string => {
  const { size } = statSync(path);
  if (size > FILE_BYTES_MAX) throw new Error(`${size} bytes, which is no file of credentials`);
  return readFileSync(path, 'utf8');
};

interface Reach {
  ports: Ports;
  resolver: Resolver;
}

/** Connects and closes again. Out: until when the other side's certificate is good; null: no TLS. */
const connectTo = ({ ports, resolver }: Reach, url: string, caPem?: string): Promise<number | null> =>
  withDeadline(ports.timers, LOOK_MS, new URL(url).host, (signal) => {
    const trust = caPem === undefined ? {} : { trust: ports.net.secureContext(caPem) };
    const { hostname, port, protocol } = new URL(url);
    return new Promise<number | null>((resolve, reject) => {
      connector({ ports, resolve: resolver.resolve, ...trust }, signal)({ hostname, port, protocol, host: hostname }, (error, found) => {
        if (error !== null || found === null) {
          reject(error ?? new Error('no connection'));
          return;
        }
        const socket = found as Socket & Partial<TLSSocket>;
        const until = socket.getPeerCertificate?.()?.valid_to;
        socket.on('error', () => undefined);
        socket.destroy();
        resolve(until === undefined ? null : parseTime(until));
      });
    });
  });

// ---- the store ----

/** Keys of each kind that this replica writes; those of a coordinator only where it may be one. */
const written = ({ region, replica, providers }: ReplicaConfig, coordinates: boolean): readonly string[] => [
  voteKey(region, replica),
  beatKey(region, replica),
  seenKey(region, replica),
  bootKey(region, replica),
  outboxKey(`${region}.doctor`),
  KEYS.override,
  KEYS.reported,
  KEYS.journal,
  journalKey(0),
  ...(coordinates && Object.keys(providers).length > 0
    ? [
        KEYS.leader,
        KEYS.routing,
        incidentKey('doctor'),
        outboxKey('doctor'),
        auditKey(0),
        trailKey(0),
        appliedKey('doctor', 'doctor'),
        observedKey('doctor', 'doctor'),
      ]
    : []),
];

const grantsOf = async (store: Store, { timers }: Ports, keys: readonly string[]): Promise<readonly Grant[]> => {
  const grants: Grant[] = [];
  for (const key of keys) {
    const asked = withDeadline(timers, STORE_MS, 'the store', (signal) =>
      // Whether it may write is judged before the condition, which never holds.
      store.txn({ if: [{ key, mod: NEVER }], then: [{ put: key, value: null }] }, signal),
    );
    grants.push({ key, because: await asked.then(({ ok }) => (ok ? 'a condition that cannot hold held' : null), errorText) });
  }
  return grants;
};

/** One read, and when it was sent and came back. */
const listenOnce = async (store: Store, { clock, timers }: Ports) => {
  const instant = () => ({ monoMs: clock.monoMs(), wallMs: clock.wallMs() });
  const sent = instant();
  const read = await withDeadline(timers, STORE_MS, 'the store', (signal) =>
    store.get({ keys: SIGHT_QUERY.keys, prefixes: [...SIGHT_QUERY.prefixes, 'outbox/'] }, signal),
  );
  return { sent, arrived: instant(), read };
};

/** Reads until every replica that has ever spoken was heard anew, or what it said last has grown old. */
const listen = async (store: Store, ports: Ports): Promise<{ sight: Sight; said: readonly Said[]; wallMs: number; listenedMs: number }> => {
  const clock = createRevisionClock();
  const cache: RecordCache = new Map();
  const trust = createTrust();
  const startedAtMs = ports.clock.monoMs();
  const first = new Map<string, number>();
  /** Of each replica the beat whose age is known best, aged by its own read. */
  const best = new Map<string, Said & { atWallMs: number }>();
  for (;;) {
    const { sent, arrived, read } = await listenOnce(store, ports);
    clock.sample(sent, arrived, read.rev);
    const sight = sightOf(read, clock, arrived.monoMs, cache, trust);
    for (const { region, replica, beat, ageMs } of sight.heard) {
      const name = `${region}/${replica}`;
      if (!first.has(name)) first.set(name, sight.mod(beatKey(region, replica)));
      const known = best.get(name);
      if (known === undefined || ageMs <= known.ageMs) best.set(name, { region, replica, beat, ageMs, atWallMs: arrived.wallMs });
    }
    const listenedMs = ports.clock.monoMs() - startedAtMs;
    const isHeard = [...first].every(([name, mod]) => {
      const { region, replica } = placeOf(`beat/${name}`);
      return sight.mod(beatKey(region, replica)) !== mod;
    });
    const freshMs = sight.cluster?.policy.freshMs ?? 0;
    if (
      (isHeard && listenedMs >= 2 * LISTEN_EVERY_MS && sight.leader !== null && sight.ageMs(KEYS.leader) !== Number.POSITIVE_INFINITY) ||
      listenedMs > freshMs
    ) {
      // All at one instant, so that fleetOf compares like with like.
      const said = [...best.values()].map(({ atWallMs, beat, ...rest }) => ({
        ...rest,
        beat: beat == null ? null : { ...beat, wallMs: beat.wallMs + arrived.wallMs - atWallMs },
      }));
      return { sight, said, wallMs: arrived.wallMs, listenedMs };
    }
    await sleep(ports.timers, LISTEN_EVERY_MS);
  }
};

const worldOf = async (store: Store, ports: Ports, config: ReplicaConfig, publicKey: string | null): Promise<World> => {
  const { sight, said, wallMs, listenedMs } = await listen(store, ports);
  const { cluster } = sight;
  if (cluster === null) throw new NotLooked('the store holds no configuration of a cluster: start a replica, or run tidegate apply');
  const { freshMs } = cluster.policy;
  const heard = sight.heard.map(
    ({ region, replica, vote, beat, ageMs }): HeardReplica => ({
      region,
      replica,
      isFresh: beat !== null && ageMs <= freshMs,
      configVersion: vote.configVersion,
      abstains: vote.self.state === 'abstain' ? vote.self.because : null,
    }),
  );
  const applied = cluster.services.flatMap((service) =>
    pathsOf(service).flatMap((provider): [string, AppliedRecord][] => {
      const record = sight.has(appliedKey(provider, service.name)).find(({ key }) => key === appliedKey(provider, service.name));
      return record === undefined ? [] : [[`${provider}/${service.name}`, record.value as AppliedRecord]];
    }),
  );
  return {
    cluster,
    routing: sight.routing,
    overrides: sight.overrides,
    leader: sight.leader,
    leaderAgeMs: sight.ageMs(KEYS.leader),
    heard,
    refused: sight.refused,
    fleet: fleetOf(said, wallMs, freshMs),
    applied: new Map(applied),
    pages: sight.has('outbox/').map(({ value }) => value as Page),
    listenedMs,
    unfit: config.store.kind === 'embedded' ? [] : joinProblems({ ...config, ...(publicKey === null ? {} : { publicKey }) }, cluster),
  };
};

/** The newest records of decisions: each names the hash of the one before, and the routing record that of the newest. */
const auditOf = async (store: Store, { timers }: Ports): Promise<AuditLook> => {
  const read = (keys: readonly string[]) => withDeadline(timers, STORE_MS, 'the store', (signal) => store.get({ keys }, signal));
  const routing = (await read([KEYS.routing])).kvs[0]?.value as Routing | undefined;
  if (routing === undefined || routing.v === 0) throw new NotLooked('nothing was decided yet');
  const numbers = Array.from({ length: Math.min(AUDITS_MAX, routing.v) }, (_, n) => routing.v - n);
  const { kvs } = await read(numbers.map(auditKey));
  let wanted = routing.auditHash;
  const broken: string[] = [];
  let count = 0;
  for (const v of numbers) {
    const audit = kvs.find(({ key }) => key === auditKey(v))?.value as Audit | undefined;
    // What is older may have been removed by retention.
    if (audit === undefined) {
      if (v === routing.v) broken.push(`the record of decision ${v}, the newest, is missing`);
      break;
    }
    count++;
    const hash = createHash('sha256').update(JSON.stringify(audit)).digest('hex');
    if (hash !== wanted) broken.push(`decision ${v} is not what the record after it saw`);
    wanted = audit.prevHash;
  }
  return { read: count, broken };
};

// ---- providers, name servers, sockets ----

const lookAtProviders = async (options: InstrumentsOptions, store: Store): Promise<readonly ProviderLook[]> => {
  const { config, ports } = options;
  const decided = await decidedIn(store, ports);
  const opened = (options.providers ?? openedProviders)(config, ports, store);
  try {
    const busy = new Map<string, number>();
    const listening: typeof opened = {
      async provider(name) {
        const provider = await opened.provider(name);
        return {
          can: provider.can,
          quantise: (service) => provider.quantise(service),
          owns: (services) => provider.owns(services),
          apply: () => Promise.reject(new Error('a check never writes')),
          close: async () => undefined,
          read: (services, signal) =>
            provider.read(services, signal).catch((error: unknown) => {
              if (error instanceof Fault && error.busyMs !== undefined) busy.set(name, error.busyMs);
              throw error;
            }),
        };
      },
      close: () => opened.close(),
    };
    const names = Object.keys(config.providers);
    const services = decided.cluster.services.filter((service) => pathsOf(service).some((name) => names.includes(name)));
    const looks = await lookAll(ports, listening, services, decided);
    return names
      .map((provider) => ({ provider, its: services.filter((service) => pathsOf(service).includes(provider)) }))
      .filter(({ its }) => its.length > 0)
      .map(({ provider, its }) => ({
        provider,
        services: its.length,
        unread: its.flatMap(({ name }) => {
          const look = looks.get(pathOf(provider, name));
          const because =
            look === undefined
              ? 'not looked at'
              : 'because' in look
                ? look.because
                : look.back === undefined
                  ? 'nothing was answered for it'
                  : look.back.unread;
          return because === undefined ? [] : [{ service: name, because }];
        }),
        busyMs: busy.get(provider) ?? null,
      }));
  } finally {
    await opened.close();
  }
};

const askTtl = async (ports: Ports, service: ServiceConfig, server: string): Promise<ServedTtl> => {
  const base = { service: service.name, server, wantedS: service.ttlS };
  const type = service.pools.some(({ answers }) => answers.some((answer) => !answer.includes(':'))) ? 'A' : 'AAAA';
  try {
    const reply = await query({ ports, server: serverOf(server), timeoutMs: LOOK_MS, name: service.name, type, recursionDesired: false });
    const { addresses, ttlS } = follow(reply, service.name, type);
    return { ...base, ttlS, because: addresses.length === 0 ? `no ${type} record is answered` : null };
  } catch (error) {
    return { ...base, ttlS: null, because: errorText(error) };
  }
};

const lookAtAnchor = async (http: Http, { ports, resolver }: Reach, url: string, userAgent: string): Promise<AnchorLook> => {
  const { clock, timers } = ports;
  const tlsContext = () => ports.net.secureContext();
  const context = { ports, resolve: resolver.resolve, userAgent, tlsContext, timeoutMs: LOOK_MS, connectTimeoutMs: LOOK_MS };
  const outcome = await withDeadline(timers, 2 * LOOK_MS, url, (signal) => probe(anchorSpec(url), context, signal)).catch(
    (error: unknown) => ({ saw: 'nothing' as const, detail: errorText(error) }),
  );
  const because = outcome.saw === 'ok' ? null : outcome.saw === 'fault' ? `${outcome.reason} ${outcome.detail}`.trim() : outcome.detail;
  if (because !== null || !url.startsWith('http')) return { url, because, clock: null };
  const sentMs = clock.wallMs();
  const date = await withDeadline(timers, LOOK_MS, url, (signal) => http.fetch(url, { method: 'HEAD', signal })).then(
    (reply) => reply.headers.get('date'),
    () => null,
  );
  const saidMs = date === null ? null : parseTime(date);
  // Its clock was read between our sending and the arrival, and is told in whole seconds.
  return {
    url,
    because,
    clock: saidMs === null ? null : { replica: url, leastMs: saidMs - clock.wallMs(), mostMs: saidMs + 1000 - sentMs },
  };
};

const testPage = (config: ReplicaConfig, ports: Ports): Page => {
  const id = `doctor-${ports.random.hex(8)}`;
  return {
    id,
    dedupKey: id,
    type: 'test',
    severity: 'info',
    summary: `a test of tidegate doctor on ${config.region}/${config.replica}: nothing is wrong`,
    detail: { test: true },
    atMs: ports.clock.wallMs(),
    v: 0,
    delivered: [],
    nonce: id,
  };
};

const tokenIn = (file: string): string => {
  try {
    return readSecret(file);
  } catch (error) {
    throw new NotLooked(`its API cannot be asked without a token: ${errorText(error)}`);
  }
};

const askReplica = async (http: Http, config: ReplicaConfig, { timers }: Ports): Promise<{ status: string; notes: readonly string[] }> => {
  const { host, port } = config.api;
  const address = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  const url = `${'tls' in config.api && config.api.tls !== undefined ? 'https' : 'http'}://${address}:${port}/api/health/detail`;
  const file = 'tokenFile' in config.api && typeof config.api.tokenFile === 'string' ? config.api.tokenFile : null;
  const authorization = file === null ? {} : { authorization: `Bearer ${tokenIn(file)}` };
  const reply = await withDeadline(timers, LOOK_MS, url, (signal) => http.fetch(url, { headers: authorization, signal })).catch(
    (error: unknown) => {
      throw new NotLooked(`no replica of this file answers here: ${errorText(error)}`);
    },
  );
  if (reply.status !== 200 && reply.status !== 503)
    throw new NotLooked(`${url} answered ${reply.status}: without its token it does not say`);
  const told = (await reply.json()) as { status?: unknown; notes?: unknown };
  if (!Array.isArray(told.notes)) throw new NotLooked(`${url} is no Tidegate that knows this path: it is older`);
  return { status: String(told.status), notes: told.notes.map(String) };
};

// ---- all of them ----

/** `close` ends what was opened. */
export const createInstruments = (options: InstrumentsOptions): Tools & { close(): Promise<void> } => {
  const { ports, config, log } = options;
  const ends: Ends = { working: [], open: [] };
  const resolver = openResolver(config, ports);
  ends.open.push(() => resolver.close());
  const reach: Reach = { ports, resolver };
  const http = createHttp({ ports, resolve: resolver.resolve });
  ends.open.push(() => http.close());
  const store = once(async () => {
    try {
      const opened = await options.openStore();
      ends.open.push(() => opened.close());
      return opened;
    } catch (error) {
      if (error instanceof Fault && error.code === 'ERR_STORE_LOCKED')
        throw new NotLooked(
          'a running replica serves this store file, and nobody else can read it: what it says of itself is under `replica`',
        );
      throw error;
    }
  });
  const publicKey = once(async () =>
    config.signing === undefined ? null : publicKeyOf(readSecret(config.signing.keyFile), config.signing.keyFile),
  );
  const world = once(async () => worldOf(await store(), ports, config, await publicKey().catch(() => null)));
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
  const files = filesIn(byAll(config));

  return {
    config,
    replica: () => askReplica(http, config, ports),
    async store() {
      const opened = await store();
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
      return lookAtProviders(options, await store());
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
    sinks: () =>
      Promise.all(
        config.paging.webhooks.map(
          async ({ name, url }): Promise<SinkLook> => ({ name, because: await connectTo(reach, url).then(() => null, errorText) }),
        ),
      ),
    async sendTest() {
      if (!options.sendTest) throw new NotLooked('no page was sent; --send-test sends one');
      if (config.paging.webhooks.length === 0) throw new NotLooked('no webhook is configured');
      const page = testPage(config, ports);
      return Promise.all(
        config.paging.webhooks.map(async (hook): Promise<SinkLook> => {
          const channel = CHANNELS.webhook(hook, { ports, log, secret: readSecret, resolve: resolver.resolve });
          const delivery = await withDeadline(ports.timers, 15_000, hook.name, (signal) => channel.deliver(page, signal));
          return { name: hook.name, because: delivery.sent ? null : delivery.because };
        }),
      );
    },
    async expiring() {
      const local = files.flatMap(({ key, path }): readonly Expiring[] => {
        try {
          const text = readText(path);
          return [...certificatesOf(text, key, path), ...tokensOf(text, key, path)];
        } catch (error) {
          // A file that is not there yet is another check's subject.
          return /cert|ca/i.test(key) ? [{ what: key, where: path, untilMs: null, because: errorText(error) }] : [];
        }
      });
      const named = config.store;
      const ca = named.kind === 'etcd' && named.tls !== undefined ? { caPem: readText(named.tls.caFile) } : {};
      const servers = [
        ...(named.kind === 'etcd' ? named.endpoints.map((url) => ({ url, ...ca })) : []),
        ...config.paging.webhooks.map(({ url }) => ({ url, caPem: undefined })),
      ].filter(({ url }) => url.startsWith('https:'));
      const remote = servers.map(async ({ url, caPem }): Promise<readonly Expiring[]> => {
        const where = new URL(url).host;
        const what = 'certificate of the server';
        return connectTo(reach, url, caPem).then(
          (untilMs) => (untilMs === null ? [] : [{ what, where, untilMs }]),
          (error: unknown) => [{ what, where, untilMs: null, because: errorText(error) }],
        );
      });
      return [...local, ...(await Promise.all(remote)).flat()];
    },
    secretFiles: async () =>
      files
        .filter(({ key }) => IS_SECRET.test(key))
        .map(({ key, path }): SecretFile => {
          try {
            return { key, path, mode: statSync(path).mode & 0o7777, folderMode: statSync(dirname(path)).mode & 0o7777 };
          } catch (error) {
            return { key, path, mode: null, folderMode: null, because: errorText(error) };
          }
        }),
    webhookSecrets: async () =>
      config.paging.webhooks.map(({ name, secretFile }) => ({
        name,
        bytes: Buffer.from(readSecret(secretFile).replace(/^whsec_/, ''), 'base64').length,
      })),
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
