// Five regions on one machine, with a wide-area network between them: built once, broken by the cases and mended between them. Everything is watched from
// outside: the store through its members, the answers of every server of DNS, the landings on applications, the pages at every region's receiver.
import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseFence } from '../../../providers/fence.ts';
import type { Fence } from '../../../providers/provider.ts';
import { createSigner } from '../../../src/coordinate/signing.ts';
import { query } from '../../../src/dns/exchange.ts';
import type { Audit } from '../../../src/model.ts';
import { realPorts } from '../../../src/ports.ts';
import { openEtcd } from '../../../src/store/etcd/index.ts';
import type { Store } from '../../../src/store/store.ts';
import { watchFence } from '../judge.ts';
import { MAIN } from '../replica-process.ts';
import { workDir } from '../server.ts';
import { until } from '../until.ts';
import { limitAccess, OPERATOR } from './access.ts';
import { type Chronicle, keepChronicle } from './chronicle.ts';
import {
  APP_PORT,
  answerOf,
  apiPort,
  clusterText,
  FENCE,
  operatorText,
  PREFIX,
  REGIONS,
  REPLICAS,
  type Region,
  type ReplicaName,
  regionOf,
  replicaText,
  SERVICE,
  SERVING,
} from './files.ts';
import { type Orders, type People, recordOrders, startPeople } from './history.ts';
import {
  memberPart,
  type Paged,
  type Part,
  type ReplicaPart,
  replicaPart,
  resolverPart,
  type Site,
  secondaryPart,
  sitePart,
} from './parts.ts';
import { createAuthority } from './pki.ts';
import { ETCD_PORT, etcdName, HOST, memberIds, memberState, moveLeader, type Place, PROVIDER, startPrimary } from './servers.ts';
import { createTruth, type Truth } from './truth.ts';
import { type Cut, type Matrix, startWan, type Wan } from './wan.ts';

const run = promisify(execFile);

/** One way, between any two regions and to the provider: round trips of 100 ms. */
const DELAY_MS = 50;
const JITTER_MS = 2;
const WHOLE_MS = 90_000;
const ANSWER_MS = 5000;
const COMMAND_MS_MAX = 30_000;

export interface World extends AsyncDisposable {
  readonly folder: string;
  readonly wan: Wan;
  readonly store: Store;
  readonly chronicle: Chronicle;
  readonly truth: Truth;
  readonly orders: Orders;
  readonly people: People;
  /** In order of arrival, at whichever receiver. */
  readonly paged: readonly Paged[];
  /** The first page after `from` of `paged` that `fits`, once it is there. */
  untilPaged(what: string, fits: (page: Paged) => boolean, from: number): Promise<Paged>;
  /** Round trips measured once everything stood, ms, by pair. */
  readonly rttMs: readonly number[];
  member(region: Region): Part;
  site(region: Region): Site;
  replica(name: ReplicaName): ReplicaPart;
  replicasOf(region: Region): readonly ReplicaPart[];
  api(name: ReplicaName, path: string, init?: RequestInit): Promise<Response>;
  /** The region whose etcd member leads; undefined: none does. */
  etcdLeader(): Promise<Region | undefined>;
  /** Makes that region's member lead. */
  leadEtcd(region: Region): Promise<void>;
  /** Replaces the cuts, and the paths that only small packets pass. */
  cut(cuts: readonly Cut[], narrow?: Matrix['narrow'], loss?: number): Promise<void>;
  /** What the provider's server has said so far. */
  providerLog(): string;
  /** SIGKILL to everything in the region, and no packet in or out. */
  killRegion(region: Region): Promise<void>;
  /** Mends everything, and resolves when every part of the world is as it was at first. */
  whole(): Promise<void>;
  /** Regions in the answers of a region's own DNS: its secondary's and its resolver's. */
  answers(region: Region): Promise<{ secondary: readonly Region[]; resolver: readonly Region[] }>;
  /** Waits until both of each of these regions say exactly `serving`, and requests land there. */
  served(by: readonly Region[], serving: readonly Region[], withinMs: number): Promise<void>;
  /** As the primary serves it. */
  fence(): Promise<Fence | null>;
  /** Where the served fence went backwards. */
  backwards(): readonly string[];
  audits(): Promise<readonly Audit[]>;
}

export const isolate = (region: Region): readonly Cut[] =>
  [...REGIONS, PROVIDER]
    .filter((other) => other !== region)
    .flatMap((other) => [
      { from: region, to: other },
      { from: other, to: region },
    ]);

export const startWorld = async (): Promise<World> => {
  const stack = new AsyncDisposableStack();
  try {
    return await build(stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
};

const secretFile = (path: string, text: string): string => {
  writeFileSync(path, text.endsWith('\n') ? text : `${text}\n`, { mode: 0o600 });
  return text;
};

/** Each region's pair for votes: the private half in its file, the public one for the cluster's. */
const signingKeys = (folder: string): Record<Region, string> =>
  Object.fromEntries(
    REGIONS.map((region) => {
      const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      secretFile(join(folder, `${region}.sign`), pem);
      return [region, createSigner(pem).publicKey];
    }),
  ) as Record<Region, string>;

/** The shared part, into the store as an operator puts it there. */
const applyCluster = async (wan: Wan, folder: string): Promise<void> => {
  writeFileSync(join(folder, 'operator.yaml'), operatorText(wan, REGIONS[0], OPERATOR));
  const [first = '', ...args] = [...wan.inside(REGIONS[0]), process.execPath, MAIN, 'apply'];
  const files = ['--config', join(folder, 'operator.yaml'), '--file', join(folder, 'cluster.yaml')];
  await run(first, [...args, ...files, '--reason', 'a new world', '--owner', OPERATOR], { timeout: COMMAND_MS_MAX });
};

const CONNECT = `import socket, sys, time
for host in sys.argv[2:]:
    start = time.monotonic()
    socket.create_connection((host, int(sys.argv[1])), 5).close()
    print((time.monotonic() - start) * 1000)
`;

/** From the first region to the application of each other that has one: a connection takes one round trip. */
const roundTripsMs = async (wan: Wan): Promise<readonly number[]> => {
  const [first = '', ...args] = [...wan.inside(REGIONS[0]), '/usr/bin/python3', '-c', CONNECT, String(APP_PORT)];
  const { stdout } = await run(first, [...args, ...REGIONS.slice(1).map((region) => answerOf(wan, region))]);
  return stdout.trim().split('\n').map(Number);
};

const build = async (stack: AsyncDisposableStack): Promise<World> => {
  // Each server is killed at the exit of this process by a listener of its own.
  process.setMaxListeners(100);
  const ports = realPorts();
  const folder = workDir('regions');
  const wan = await startWan([...REGIONS, PROVIDER], process.env.KEEP === undefined ? folder : null);
  stack.use(wan);
  const place = (region: string): Place => ({ wan, folder, region });

  // ---- files ----
  mkdirSync(join(folder, 'pki'));
  const authority = await createAuthority(join(folder, 'pki'));
  await Promise.all([
    ...REGIONS.map((region) => authority.issue(`member-${region}`, [`DNS:${etcdName(region)}`, `IP:${wan.address(region, HOST.main)}`])),
    ...['root', OPERATOR, ...REGIONS].map((user) => authority.issue(user, [])),
  ]);
  const zoneKey = { name: 'tidegate', secret: secretFile(join(folder, 'dns.secret'), randomBytes(32).toString('base64')) };
  const operatorToken = secretFile(join(folder, 'operator.token'), randomBytes(20).toString('hex'));
  const webhookSecret = secretFile(join(folder, 'webhook.secret'), `whsec_${randomBytes(32).toString('base64')}`);
  writeFileSync(join(folder, 'cluster.yaml'), clusterText(wan, signingKeys(folder)));
  for (const name of REPLICAS) writeFileSync(join(folder, `${name.replace('/', '')}.yaml`), replicaText(wan, name, zoneKey));

  // ---- parts ----
  const paged: Paged[] = [];
  const parts = <P>(make: (region: Region) => P): ReadonlyMap<string, P> => new Map(REGIONS.map((region) => [region, make(region)]));
  const members = parts((region) => memberPart(place(region)));
  const secondaries = parts((region) => secondaryPart(place(region)));
  const resolvers = parts((region) => resolverPart(place(region)));
  const sites = parts((region) => sitePart(place(region), webhookSecret, (page) => paged.push(page)));
  const anchor = sitePart(place(PROVIDER), webhookSecret, () => undefined);
  const replicas = new Map(REPLICAS.map((name) => [name, replicaPart(place(name.slice(0, 2)), name)]));
  const get = <K, P>(from: ReadonlyMap<K, P>, name: K): P => {
    const found = from.get(name);
    if (found === undefined) throw new Error(`there is no ${String(name)}`);
    return found;
  };
  const replicasOf = (region: Region): readonly ReplicaPart[] => [...replicas.values()].filter((replica) => replica.region === region);
  const partsOf = (region: Region): readonly Part[] => [
    ...[resolvers, secondaries, members, sites].map((all) => get<string, Part>(all, region)),
    ...replicasOf(region),
  ];
  const all = (from: ReadonlyMap<unknown, Part>): Promise<unknown> => Promise.all([...from.values()].map((part) => part.start()));
  stack.defer(() => Promise.all([anchor, ...REGIONS.flatMap(partsOf)].map((part) => part.kill())).then(() => undefined));

  // ---- servers, in a world that is fast until they stand ----
  const primary = await startPrimary(
    place(PROVIDER),
    zoneKey,
    REGIONS.map((region) => wan.address(region, HOST.dns)),
  );
  stack.defer(() => primary.kill());
  await Promise.all([anchor.start(), all(resolvers), all(sites)]);
  await Promise.all([all(secondaries), all(members)]);
  const states = () => Promise.all(REGIONS.map((region) => memberState(wan, region)));
  const quorate = () =>
    until('a leader of etcd that every member knows', async () => (await states()).every((state) => state?.hasLeader === true));
  await quorate();
  await limitAccess(place('r1'));
  const ids = await memberIds(place('r1'));
  const truth = createTruth();

  // ---- Tidegate ----
  const pki = (file: string): string => readFileSync(join(folder, 'pki', file), 'utf8');
  /** A client outside every region that prefers the member of one. */
  const openStore = (first: Region): Store => {
    const store = openEtcd({
      endpoints: [first, ...REGIONS.filter((each) => each !== first)].map((each) => `https://${wan.address(each, HOST.main)}:${ETCD_PORT}`),
      prefix: PREFIX,
      tls: { caPem: pki('ca.pem'), certPem: pki('root.pem'), keyPem: pki('root.key') },
      timeoutMs: 2000,
      ports,
    });
    stack.defer(() => store.close());
    return store;
  };
  const store = openStore('r1');
  await applyCluster(wan, folder);
  const cut: World['cut'] = (cuts, narrow = [], loss = 0) => wan.shape({ delayMs: DELAY_MS, jitterMs: JITTER_MS, loss, cuts, narrow });
  await cut([]);
  const chronicle = keepChronicle(store);
  stack.defer(() => chronicle.stop());
  await all(replicas);

  // ---- what is seen from outside ----
  const ask = (host: string, name: string, type: 'A' | 'TXT', recursionDesired: boolean) =>
    query({ ports, server: { host, port: 53 }, name, type, timeoutMs: 1000, recursionDesired });
  const serving = async (host: string, recursive: boolean): Promise<readonly Region[]> => {
    const { answers } = await ask(host, SERVICE, 'A', recursive);
    return SERVING.filter((region) => answers.some(({ data }) => data === answerOf(wan, region)));
  };
  const fence = async (): Promise<Fence | null> => {
    const { answers } = await ask(wan.address(PROVIDER, HOST.dns), FENCE, 'TXT', false);
    const text = answers.flatMap((answer) => (answer.type === 'TXT' ? [answer.data.join('')] : []))[0];
    return text === undefined ? null : parseFence(text);
  };
  const seen = watchFence(fence);
  stack.defer(() => seen.stop());

  const answers: World['answers'] = async (region) => {
    const [secondary, resolver] = await Promise.all([
      serving(wan.address(region, HOST.dns), false),
      serving(wan.address(region, HOST.resolver), true),
    ]);
    return { secondary, resolver };
  };
  const lands = async (region: Region): Promise<boolean> => {
    const reply = await fetch(`http://${answerOf(wan, region)}:${APP_PORT}/`, { signal: AbortSignal.timeout(2000) });
    return reply.headers.get('x-region') === region;
  };
  const served: World['served'] = async (by, wanted, withinMs) => {
    const text = wanted.join();
    await until(
      `answers of ${text} in ${by.join()}`,
      async () => {
        const told = await Promise.all(by.map(answers));
        return told.every(({ secondary, resolver }) => secondary.join() === text && resolver.join() === text);
      },
      withinMs,
    );
    await until(`requests landing in ${text}`, async () => (await Promise.all(wanted.map(lands))).every(Boolean), withinMs);
  };

  const etcdLeader: World['etcdLeader'] = async () => {
    const found = await states();
    return REGIONS.find((_, i) => found[i]?.leads === true);
  };

  /** Every replica has spoken since `since`, and believes itself. */
  const allSpeak = (since: ReadonlyMap<string, number>): boolean =>
    REPLICAS.every((name) => {
      const { votes, beats } = chronicle.latest ?? { votes: new Map(), beats: new Map() };
      return (
        votes.get(name)?.self.state === 'ok' && votes.get(name)?.unknown.length === 0 && (beats.get(name) ?? 0) > (since.get(name) ?? 0)
      );
    });

  const whole = async (): Promise<void> => {
    await cut([]);
    for (const region of REGIONS) {
      const [first, ...rest] = [...partsOf(region)];
      await first?.start();
      await Promise.all(rest.map((part) => part.start()));
      await get(sites, region).order({ app: 'up' });
      await get(sites, region).order({ app: 'health', healthz: true, readyz: true });
      truth.mend(region);
    }
    await quorate();
    const since = chronicle.latest?.beats ?? new Map<string, number>();
    await chronicle.next(
      'a world that is whole',
      ({ routing, leader }) =>
        allSpeak(since) &&
        leader !== null &&
        !leader.released &&
        routing !== null &&
        Object.keys(routing.open).length === 0 &&
        SERVING.every((region) => routing.services[SERVICE]?.route[region] === 1000 / SERVING.length),
      WHOLE_MS,
    );
    await served(REGIONS, SERVING, WHOLE_MS);
  };
  await whole();

  const api: World['api'] = (name, path, init) =>
    fetch(`http://${wan.address(regionOf(name), HOST.main)}:${apiPort(name)}${path}`, { signal: AbortSignal.timeout(ANSWER_MS), ...init });
  const orders = recordOrders(api, operatorToken);
  return {
    folder,
    wan,
    store,
    chronicle,
    truth,
    orders,
    people: startPeople(orders, [openStore('r2'), openStore('r4')], stack),
    paged,
    untilPaged: (what, fits, from) => until(what, () => paged.slice(from).find(fits)),
    rttMs: await roundTripsMs(wan),
    member: (region) => get(members, region),
    site: (region) => get(sites, region),
    replica: (name) => get(replicas, name),
    replicasOf,
    api: (name, path, init) =>
      fetch(`http://${wan.address(regionOf(name), HOST.main)}:${apiPort(name)}${path}`, {
        signal: AbortSignal.timeout(ANSWER_MS),
        ...init,
      }),
    etcdLeader,
    async leadEtcd(region) {
      const leader = await until('a leader of etcd', etcdLeader);
      if (leader === region) return;
      await moveLeader(place(leader), get(ids, region));
      await until(`etcd led by ${region}`, async () => (await etcdLeader()) === region);
      await quorate();
    },
    cut,
    providerLog: () => readFileSync(join(folder, 'primary', 'named.log'), 'utf8'),
    async killRegion(region) {
      await Promise.all([cut(isolate(region)), ...partsOf(region).map((part) => part.kill())]);
    },
    whole,
    answers,
    served,
    fence,
    backwards: () => seen.backwards(),
    audits: async () => (await store.get({ prefixes: ['audit/0'] })).kvs.map(({ value }) => value as Audit),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};
