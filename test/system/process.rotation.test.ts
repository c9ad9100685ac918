// Everything that is secret is changed on running processes: three regions on a real etcd with TLS and a real BIND, one region with two replicas. All the
// while the votes of every region are counted; a region dies and comes back meanwhile, and every page and every write of that has to arrive.
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newKeyPair } from '../../src/coordinate/signing.ts';
import type { Vote } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import { type FakeIssuer, jwkOf, newSigningKey, signJwt, startFakeIssuer } from '../auth/credentials.ts';
import { createAuthority } from '../etcd-certificates.ts';
import { type EtcdCluster, startEtcd } from '../etcd-server.ts';
import { type Bind, startBind } from './bind.ts';
import { type Cluster, startCluster, tidegate } from './cluster.ts';
import { REGIONS, type Region } from './cluster-config.ts';
import { type ReplicaProcess, startReplica } from './replica-process.ts';
import { freePort, workDir } from './server.ts';
import { until } from './until.ts';
import { type Receiver, startReceiver } from './webhook-receiver.ts';

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
let bind: Bind;
let receiver: Receiver;
let issuer: FakeIssuer;
let cluster: Cluster;
/** The second replica of its region: its API has a certificate, tokens and an issuer. */
let second: ReplicaProcess;
let secondPort = 0;
const webhook = { old: '', next: '' };
const keys = Object.fromEntries(REGIONS.map((region) => [region, newKeyPair()])) as Record<Region, ReturnType<typeof newKeyPair>>;
const certify = (): void => {
  const { certPem, keyPem } = etcd.authority.issue('replica');
  secret('etcd.pem', certPem);
  secret('etcd.key', keyPem);
};
const api = createAuthority(folder, 'api-ca');
const certifyApi = (): string => {
  const { certPem, keyPem } = api.issue('api', ['IP:127.0.0.1']);
  secret('api.key', keyPem);
  secret('api.pem', certPem);
  return certPem;
};
const secondFile = (): string => join(cluster.folder, 'second.yaml');
const startSecond = async (): Promise<void> => {
  second = await startReplica({
    configFile: secondFile(),
    logFile: join(cluster.folder, `second-${randomBytes(3).toString('hex')}.log`),
    apiPort: secondPort,
  });
};
const inFiles = (change: (text: string) => string): void => {
  for (const path of [...REGIONS.map(cluster.configFile), secondFile()]) writeFileSync(path, change(readFileSync(path, 'utf8')));
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
  bind = await startBind({ zone: 'example.test', next: 'tidegate-2' });
  stack.use(bind);
  receiver = stack.use(await startReceiver());
  issuer = await startFakeIssuer(folder);
  stack.defer(() => issuer.stop());
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
  secret('tsig', bind.key.secret);
  secret('tsig-2', bind.nextKey.secret);
  cluster = await startCluster({
    etcd: { section: `  kind: etcd\n  endpoints: [${etcd.endpoints.join()}]\n  prefix: ${PREFIX}\n  ${tls}`, store },
    provider: {
      entry: [
        'kind: rfc2136',
        'zone: example.test',
        `server: 127.0.0.1:${bind.port}`,
        `key: { name: ${bind.key.name}, algorithm: hmac-sha256, secretFile: ${file('tsig')} }`,
      ],
      dns: bind.port,
    },
    // Six processes on a busy machine.
    policy: { fresh: '8s', lease: '5s', renew: '1s' },
    webhookUrl: receiver.url,
    own: (region) => [`signing: { keyFile: ${file(`${region}.pem`)} }`],
  });
  stack.use(cluster);
  webhook.old = cluster.webhookSecret;
  webhook.next = `whsec_${randomBytes(32).toString('base64')}`;
  receiver.trust(webhook.old);

  secondPort = await freePort();
  certifyApi();
  const section = `api:
  listen: 127.0.0.1:${secondPort}
  tokenFile: operator.token
  tls: { certFile: ${file('api.pem')}, keyFile: ${file('api.key')} }
  auth:
    anonymous: none
    tokensFile: ${file('tokens')}
    oidc: { issuer: '${issuer.url}', audience: tidegate, caFile: ${issuer.caFile}, roles: { viewer: [sre] } }`;
  writeFileSync(
    secondFile(),
    cluster
      .read(TWO)
      .replace('replica: a', 'replica: b')
      .replace(/^api: .*$/m, section),
  );
}, 120_000);
afterAll(async () => {
  await second?.end('SIGKILL');
  await stack.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** Over TLS, trusting `ca` alone: its status, and the serial number of what answered. */
const ask = (token: string, ca: string): Promise<{ status: number; serial: string }> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const sent = request(
      { host: '127.0.0.1', port: secondPort, path: '/v1/overrides', ca, agent: false, headers, timeout: 10_000 },
      (reply) => {
        const { serialNumber } = (reply.socket as import('node:tls').TLSSocket).getPeerCertificate();
        reply.resume().on('end', () => resolve({ status: reply.statusCode ?? 0, serial: serialNumber }));
      },
    );
    sent.on('error', reject);
    sent.end();
  });

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

test('votes, doors, pages and DNS: every secret is another afterwards, and nothing was missing meanwhile', {
  timeout: 240_000,
}, async () => {
  // ---- the issuer publishes a second key before it uses it ----
  const [oldKey, newKey] = [newSigningKey('one', 'ES256'), newSigningKey('two', 'ES256')];
  issuer.keys = [await jwkOf(oldKey)];
  const alice = (await tidegate('token', 'new', '--name', 'alice', '--role', 'viewer', '--ttl', '1h', '--file', file('tokens'))).trim();
  await startSecond();
  const startedAtMs = performance.now();
  const caPem = readFileSync(api.caFile, 'utf8');
  const olga = await signJwt({ key: oldKey, issuer: issuer.url });
  await until('it knows a person of the issuer', async () => (await ask(olga, caPem)).status === 200);
  issuer.keys = [await jwkOf(oldKey), await jwkOf(newKey)];
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
      await until('the new key in use', () => replica.lines('signing.key').length === 1);
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

    // ---- the API: token, certificate ----
    const bob = (await tidegate('token', 'new', '--name', 'bob', '--role', 'viewer', '--ttl', '1h', '--file', file('tokens'))).trim();
    const before = await ask(alice, caPem);
    expect(before.status).toBe(200);
    certifyApi();
    const reloads = second.lines('config.reloaded').length;
    second.signal('SIGHUP');
    await until('it looked at its files', () => second.lines('config.reloaded').length > reloads);
    const after = await ask(bob, caPem);
    expect(after.status).toBe(200);
    expect(after.serial).not.toBe(before.serial);
    await tidegate('token', 'revoke', 'alice', '--file', file('tokens'));
    second.signal('SIGHUP');
    await until('the old token is refused', () => second.lines('config.reloaded').length > reloads + 1);
    expect((await ask(alice, caPem)).status).toBe(401);
    expect((await ask(bob, caPem)).status).toBe(200);

    // ---- the client certificate for etcd: the next connection shows it, also while only half of it is there ----
    secret('etcd.pem', etcd.authority.issue('replica').certPem);
    certify();
    expectVotes();

    // ---- TSIG key and the secret of the webhook, one replica after the other, while a region dies ----
    copyFileSync(join(cluster.folder, 'webhook.secret'), file('webhook'));
    secret('webhook-2', webhook.next);
    inFiles((text) =>
      text
        .replace('secretFile: webhook.secret', `secretFiles: [${file('webhook-2')}, ${file('webhook')}]`)
        .replace(
          `name: ${bind.key.name}, algorithm: hmac-sha256, secretFile: ${file('tsig')}`,
          `name: ${bind.nextKey.name}, algorithm: hmac-sha256, secretFile: ${file('tsig-2')}`,
        ),
    );
    await cluster.killApp('eu-west');
    await cluster.stop(TWO);
    await cluster.start(TWO);
    await until('its vote again', async () =>
      (await cluster.replica('ap-south').status())?.votes.vantages.some(
        ({ region, replica, ageMs, self }) => region === TWO && replica === 'a' && (ageMs ?? FRESH_MS) < 1500 && speaks(self),
      ),
    );
    expect(await second.end('SIGTERM')).toEqual({ code: 0, signal: null });
    await startSecond();
    await cluster.untilServed('the dead region left', (route) => route['eu-west'] === 0);
    await until('the page of it', () => receiver.received.some(({ type }) => type.startsWith('region.d')));
    expectVotes();
    // Regions with one replica are silent while theirs restarts; the vote of the others decides meanwhile. Nobody is due to move now.
    clearInterval(sampler);
    for (const region of ['eu-west', 'ap-south'] as const) {
      await cluster.stop(region);
      await cluster.start(region);
    }

    // ---- the old ones are taken away ----
    receiver.trust(webhook.next);
    inFiles((text) => text.replace(`, ${file('webhook')}]`, ']'));
    await bind.forgetKey();
    await cluster.startApp('eu-west');
    await cluster.untilServed('the region back, written with the new key', (route) => (route['eu-west'] ?? 0) > 300);
    await until('the page of its return, signed with the new secret', () =>
      receiver.received.some(({ type }) => type.startsWith('region.') && !type.startsWith('region.d')),
    );
    expect(receiver.refused).toEqual([]);

    // ---- the issuer uses its second key, and drops the first ----
    issuer.keys = [await jwkOf(newKey)];
    // One fetch in 30 s serves all.
    await until('a while since the last fetch', () => performance.now() - startedAtMs > 31_000);
    expect((await ask(await signJwt({ key: newKey, issuer: issuer.url }), caPem)).status).toBe(200);

    // ---- nothing of it is in a log ----
    const said = [...REGIONS.map((region) => cluster.replica(region)), second]
      .map((replica) => JSON.stringify(replica.lines()) + replica.stderr())
      .join('');
    for (const text of [webhook.old, webhook.next, bind.key.secret, bind.nextKey.secret, alice, bob, olga])
      expect(said).not.toContain(text.replace('whsec_', ''));
    await cluster.expectSound();
  } finally {
    clearInterval(sampler);
  }
});
