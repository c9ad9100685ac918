// The key that signs a region's votes, and the certificate that shows replicas to etcd, are changed on running processes, with no restart: three regions on a
// real etcd with TLS, one of them with two replicas. All the while the votes of every region are counted.
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newKeyPair } from '../../src/coordinate/signing.ts';
import { realPorts } from '../../src/ports.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import { type ChaosProxy, startChaosProxy } from '../chaos-proxy.ts';
import { type Certificate, createAuthority } from '../etcd-certificates.ts';
import { type EtcdCluster, startEtcd } from '../etcd-server.ts';
import { type Cluster, startCluster, tidegate } from './cluster.ts';
import { REGIONS, type Region } from './cluster-config.ts';
import { replacedIn } from './replaced-files.ts';
import { type ReplicaProcess, startReplica } from './replica-process.ts';
import { freePort, workDir } from './server.ts';
import { until } from './until.ts';
import { type VoteWatch, watchVotes } from './vote-watch.ts';

const PREFIX = '/tidegate/rotated/';
const TWO: Region = 'us-east';
/** A region that was not heard for longer than this has lost its vote: `fresh` of the cluster's policy. */
const FRESH_MS = 8000;
/** Nothing restarts here. */
const MUTE_MS_MAX = 1000;

const folder = workDir('rotation');
const file = (name: string): string => join(folder, name);
const secret = replacedIn(folder);

const stack = new AsyncDisposableStack();
let etcd: EtcdCluster;
let cluster: Cluster;
/** The second replica of its region. */
let second: ReplicaProcess;
let secondPort = 0;
const keys = Object.fromEntries(REGIONS.map((region) => [region, newKeyPair()])) as Record<Region, ReturnType<typeof newKeyPair>>;
const certify = (): Certificate => {
  const certificate = etcd.authority.issue('replica');
  secret('etcd.pem', certificate.certPem);
  secret('etcd.key', certificate.keyPem);
  return certificate;
};
let certified: Certificate;
/** Between the replicas and etcd. */
let wire: ChaosProxy;
const secondFile = (): string => join(cluster.folder, 'second.yaml');
const startSecond = async (): Promise<void> => {
  second = await startReplica({
    configFile: secondFile(),
    logFile: join(cluster.folder, `second-${randomBytes(3).toString('hex')}.log`),
    apiPort: secondPort,
  });
};
let watch: VoteWatch;

beforeAll(async () => {
  // Read at every handshake; it names nobody yet.
  const revoked = secret('revoked.pem', createAuthority(folder, 'nobody').revoke());
  etcd = await startEtcd({ tls: true, electionMs: 1000, flags: ['--client-crl-file', revoked] });
  stack.defer(() => etcd.close());
  wire = await startChaosProxy(Number(new URL(etcd.endpoints[0] ?? '').port));
  stack.defer(() => wire.close());
  certified = certify();
  for (const region of REGIONS) secret(`${region}.pem`, keys[region].privatePem);
  const { caPem } = etcd.authority;
  const caFile = secret('ca.pem', caPem);
  const tls = `tls: { caFile: ${caFile}, certFile: ${file('etcd.pem')}, keyFile: ${file('etcd.key')} }`;
  const { certPem, keyPem } = etcd.authority.issue('test');
  const store = openEtcd({
    endpoints: etcd.endpoints,
    prefix: PREFIX,
    tls: { caPem, certPem, keyPem },
    timeoutMs: 5000,
    ports: realPorts(),
  });
  cluster = await startCluster({
    etcd: { section: `  kind: etcd\n  endpoints: [https://127.0.0.1:${wire.port}]\n  prefix: ${PREFIX}\n  ${tls}`, store },
    // Six processes on a busy machine.
    policy: { fresh: '8s', lease: '5s', renew: '1s' },
    own: (region) => [`signing: { keyFile: ${file(`${region}.pem`)} }`],
  });
  stack.use(cluster);
  // Six processes share this machine: that one was too busy is none of a rotation's doing.
  watch = stack.use(
    watchVotes({
      status: () => cluster.replica('ap-south').status(),
      freshMs: FRESH_MS,
      muteMsMax: MUTE_MS_MAX,
      excused: ['event loop late'],
    }),
  );
  secondPort = await freePort();
  writeFileSync(
    secondFile(),
    cluster
      .read(TWO)
      .replace('replica: a', 'replica: b')
      .replace(/^api: .*$/m, `api: { listen: 127.0.0.1:${secondPort}, tokenFile: operator.token }`)
      // The zone has one server.
      .replace(/^ +serve: \{ dns.*\n/m, ''),
  );
}, 240_000);
afterAll(async () => {
  await second?.end('SIGKILL');
  await stack.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const applyKeys = async (of: Readonly<Record<Region, readonly string[]>>): Promise<void> => {
  const path = join(cluster.folder, 'cluster.yaml');
  const text = readFileSync(path, 'utf8').replace(
    /name: (eu-west|us-east|ap-south), (keys: \[[^\]]*\], )?coordinator/g,
    (_, region: Region) => {
      return `name: ${region}, keys: [${of[region].join()}], coordinator`;
    },
  );
  writeFileSync(path, text);
  await tidegate('apply', '-c', cluster.configFile('eu-west'), '-f', path, '--reason', 'keys of votes');
  const { version } = await until('the version', async () => (await cluster.replica('ap-south').status())?.cluster ?? null);
  await until('all regions vote under it', async () => {
    await watch.look();
    const { vantages } = (await cluster.replica('ap-south').status())?.votes ?? { vantages: [] };
    return vantages.length === 4 && vantages.every(({ configVersion, self }) => configVersion >= (version ?? 0) && watch.speaks(self));
  });
};

test('two keys are good, the file is another, one is good: no region is silent, and no record is refused', {
  timeout: 300_000,
}, async () => {
  await startSecond();
  await until('both replicas of the region', async () => (await cluster.replica('ap-south').status())?.votes.vantages.length === 4);
  watch.start();
  // ---- the key that signs votes: two are good, the file is another, one is good ----
  const mine = Object.fromEntries(REGIONS.map((region) => [region, [keys[region].publicKey]])) as unknown as Record<
    Region,
    readonly string[]
  >;
  await applyKeys(mine);
  // From here on: a region that signed nothing before is heard anew.
  watch.forget();
  const next = newKeyPair();
  secret(`${TWO}.pem`, next.privatePem);
  const both = [cluster.replica(TWO), second];
  for (const replica of both) {
    replica.signal('SIGHUP');
    // Before the cluster knows it, it would count for nothing.
    const [told] = await until('the refusal', () => replica.lines('config.refused').length > 0 && replica.lines('config.refused'));
    expect(JSON.stringify(told)).toContain('add it with tidegate apply first');
  }
  await applyKeys({ ...mine, [TWO]: [...mine[TWO], next.publicKey] });
  for (const replica of both) {
    replica.signal('SIGHUP');
    await until('the new key in use', () => replica.lines('signing.key').some(({ publicKey }) => publicKey === next.publicKey));
  }
  await until('both replicas sign with it', async () => {
    const { kvs } = await cluster.store.get({ prefixes: [`vote/${TWO}/`] });
    const { createVerifier } = await import('../../src/coordinate/signing.ts');
    const verifier = createVerifier();
    return (
      kvs.length === 2 &&
      kvs.every(({ key, value }) =>
        verifier.isGenuine('vote', { cluster: 'local', region: TWO, replica: key.split('/')[2] ?? '' }, value, [next.publicKey]),
      )
    );
  });
  await applyKeys({ ...mine, [TWO]: [next.publicKey] });
  watch.expectVotes();

  await cluster.expectSound();
});

test('the certificate for etcd is another at the next connection, and the one before may be revoked: no region is silent', {
  timeout: 120_000,
}, async () => {
  watch.forget();
  const { caPem } = etcd.authority;
  const { certPem, keyPem } = certified;
  const { endpoints } = etcd;
  /** On a connection of its own. */
  const readAsBefore = async (): Promise<number> => {
    const store = openEtcd({ endpoints, prefix: PREFIX, tls: { caPem, certPem, keyPem }, timeoutMs: 5000, ports: realPorts() });
    try {
      return (await store.get({ keys: ['members'] })).kvs.length;
    } finally {
      await store.close();
    }
  };
  expect(await readAsBefore()).toBe(1);
  certify();
  secret('revoked.pem', etcd.authority.revoke(certified));
  await expect(readAsBefore()).rejects.toThrow();
  // Every connection of theirs begins anew.
  wire.reset();
  const beats = async () => (await cluster.store.get({ prefixes: ['beat/'] })).kvs.map(({ key, mod }) => [key, mod] as const);
  const then = new Map(await beats());
  await until('every replica is heard over it', async () => {
    const now = await beats();
    return now.length === 4 && now.every(([key, mod]) => mod > (then.get(key) ?? Number.POSITIVE_INFINITY));
  });
  for (let looks = 0; looks < 4; looks++) await watch.look();
  watch.expectVotes();
  await cluster.expectSound();
});
