// The key that signs a region's votes is changed on running processes, with no restart: three regions on a real etcd with TLS, one of them with two replicas.
// All the while the votes of every region are counted.
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newKeyPair } from '../../src/coordinate/signing.ts';
import type { Vote } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import { type EtcdCluster, startEtcd } from '../etcd-server.ts';
import { type Cluster, startCluster, tidegate } from './cluster.ts';
import { REGIONS, type Region } from './cluster-config.ts';
import { type ReplicaProcess, startReplica } from './replica-process.ts';
import { freePort, workDir } from './server.ts';
import { until } from './until.ts';

const PREFIX = '/tidegate/rotated/';
const TWO: Region = 'us-east';
/** A region that was not heard for longer than this has lost its vote: `fresh` of the cluster's policy. */
const FRESH_MS = 8000;

const folder = workDir('rotation');
const file = (name: string): string => join(folder, name);
const secret = (name: string, text: string): string => {
  // As an operator would: a whole file in place of the old one.
  writeFileSync(`${file(name)}.new`, text, { mode: 0o600 });
  renameSync(`${file(name)}.new`, file(name));
  return file(name);
};

const stack = new AsyncDisposableStack();
let etcd: EtcdCluster;
let cluster: Cluster;
/** The second replica of its region. */
let second: ReplicaProcess;
let secondPort = 0;
const keys = Object.fromEntries(REGIONS.map((region) => [region, newKeyPair()])) as Record<Region, ReturnType<typeof newKeyPair>>;
const certify = (): void => {
  const { certPem, keyPem } = etcd.authority.issue('replica');
  secret('etcd.pem', certPem);
  secret('etcd.key', keyPem);
};
const secondFile = (): string => join(cluster.folder, 'second.yaml');
const startSecond = async (): Promise<void> => {
  second = await startReplica({
    configFile: secondFile(),
    logFile: join(cluster.folder, `second-${randomBytes(3).toString('hex')}.log`),
    apiPort: secondPort,
  });
};
// ---- what must not stop ----

/** When a region had no vote, and what was refused, as a replica that nobody touches sees it. */
const watch = { silent: [] as string[], refused: new Set<string>(), looks: 0 };
/** Six processes share this machine: that one was too busy is none of a rotation's doing. */
const speaks = (self: Vote['self']): boolean => self.state === 'ok' || self.because.startsWith('event loop late');
const look = async (): Promise<void> => {
  const status = await cluster.replica('ap-south').status();
  if (status === null) return;
  watch.looks++;
  for (const { key, because } of status.votes.refused) watch.refused.add(`${key}: ${because}`);
  for (const region of REGIONS) {
    const its = status.votes.vantages.filter((vantage) => vantage.region === region);
    if (its.some(({ ageMs, self }) => speaks(self) && (ageMs ?? FRESH_MS) < FRESH_MS)) continue;
    watch.silent.push(`${region} at look ${watch.looks}: ${JSON.stringify(its)}`);
  }
};
const expectVotes = (): void => {
  expect([...watch.refused]).toEqual([]);
  expect(watch.looks).toBeGreaterThan(3);
  expect(watch.silent).toEqual([]);
};

beforeAll(async () => {
  etcd = await startEtcd({ tls: true, electionMs: 1000 });
  stack.defer(() => etcd.close());
  certify();
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
    etcd: { section: `  kind: etcd\n  endpoints: [${etcd.endpoints.join()}]\n  prefix: ${PREFIX}\n  ${tls}`, store },
    // Six processes on a busy machine.
    policy: { fresh: '8s', lease: '5s', renew: '1s' },
    own: (region) => [`signing: { keyFile: ${file(`${region}.pem`)} }`],
  });
  stack.use(cluster);
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
    await look();
    const { vantages } = (await cluster.replica('ap-south').status())?.votes ?? { vantages: [] };
    return vantages.length === 4 && vantages.every(({ configVersion, self }) => configVersion >= (version ?? 0) && speaks(self));
  });
};

test('two keys are good, the file is another, one is good: no region is silent, and no record is refused', {
  timeout: 300_000,
}, async () => {
  await startSecond();
  await until('both replicas of the region', async () => (await cluster.replica('ap-south').status())?.votes.vantages.length === 4);
  const sampler = setInterval(() => void look().catch(() => undefined), 200);
  try {
    // ---- the key that signs votes: two are good, the file is another, one is good ----
    const mine = Object.fromEntries(REGIONS.map((region) => [region, [keys[region].publicKey]])) as unknown as Record<
      Region,
      readonly string[]
    >;
    await applyKeys(mine);
    // From here on: a region that signed nothing before is heard anew.
    Object.assign(watch, { silent: [], refused: new Set(), looks: 0 });
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
    expectVotes();

    await cluster.expectSound();
  } finally {
    clearInterval(sampler);
  }
});
