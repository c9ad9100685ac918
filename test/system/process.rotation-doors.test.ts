// What a running cluster shows to others is changed under it: tokens and certificate of its API and the keys of its issuer on a replica that nobody restarts;
// the TSIG key of a real BIND, the secret of a webhook and the token of the first steps by restarting all that may coordinate, one after the other, while
// the application of another region dies. All the while the votes of every region are counted and people ask the API; every page has to arrive and every
// decision to be written.
import { randomBytes } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StatusDocument } from '../../src/api/status.ts';
import type { Page } from '../../src/model.ts';
import { webhookId } from '../../src/paging/signer.ts';
import { realPorts } from '../../src/ports.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import { type FakeIssuer, jwkOf, newSigningKey, signJwt, startFakeIssuer } from '../auth/credentials.ts';
import { type Authority, createAuthority } from '../etcd-certificates.ts';
import { startEtcd } from '../etcd-server.ts';
import { type Bind, newBindKey, startBind } from './bind.ts';
import { type Cluster, startCluster, tidegate } from './cluster.ts';
import { REGIONS, type Region } from './cluster-config.ts';
import { replacedIn } from './replaced-files.ts';
import { type End, type ReplicaProcess, startReplica } from './replica-process.ts';
import { freePort, workDir } from './server.ts';
import { until } from './until.ts';
import { type VoteWatch, watchVotes } from './vote-watch.ts';
import { type Receiver, startReceiver } from './webhook-receiver.ts';

const PREFIX = '/tidegate/doors/';
/** Its API is asked, and says who votes; it may not coordinate and is not restarted. */
const DOOR: Region = 'eu-west';
/** Has two replicas. */
const TWO: Region = 'us-east';
/** May coordinate too, with one. */
const LONE: Region = 'ap-south';
const FRESH_MS = 8000;
/** A sibling takes 0.7 s at this interval, and the look that finds it a fifth of a second; the rest is for a busy machine. */
const MUTE_MS_MAX = 2500;
/** An issuer is asked for keys once in so long at most. */
const ISSUER_MS = 30_000;

const folder = workDir('doors');
const file = (name: string): string => join(folder, name);
const secret = replacedIn(folder);

const stack = new AsyncDisposableStack();
const authority: Authority = createAuthority(folder, 'api-ca');
const [oldKey, newKey] = [newSigningKey('one', 'ES256'), newSigningKey('two', 'ES256')];
const nextTsig = newBindKey('tidegate-2');
const nextWebhook = `whsec_${randomBytes(32).toString('base64')}`;
/** Of the first steps: `api.tokenFile`. */
const nextOperator = randomBytes(20).toString('hex');
let bind: Bind;
let receiver: Receiver;
let issuer: FakeIssuer;
let cluster: Cluster;
let watch: VoteWatch;
let second: ReplicaProcess;
let secondPort = 0;
let doorOpenedAtMs = 0;
/** Whoever was ever let in, by name. */
const tokens = { alice: '', bob: '', olga: '' };

const certify = (): void => {
  const { certPem, keyPem } = authority.issue('api', ['IP:127.0.0.1']);
  secret('api.key', keyPem);
  secret('api.pem', certPem);
};
const newToken = async (name: string): Promise<string> =>
  (await tidegate('token', 'new', '--name', name, '--role', 'viewer', '--ttl', '1h', '--file', file('tokens'))).trim();

const secondFile = (): string => join(cluster.folder, 'second.yaml');
const startSecond = async (): Promise<ReplicaProcess> => {
  second = await startReplica({
    configFile: secondFile(),
    logFile: join(cluster.folder, `second-${randomBytes(3).toString('hex')}.log`),
    apiPort: secondPort,
  });
  return second;
};

/** Opens the door anew, with everything that this is about. */
const openDoor = async (): Promise<void> => {
  certify();
  issuer.keys = [await jwkOf(oldKey)];
  tokens.alice = await newToken('alice');
  tokens.olga = await signJwt({ key: oldKey, issuer: issuer.url, expiresInS: 3600 });
  const section = `api:
  listen: 127.0.0.1:${cluster.doors.api[DOOR]}
  tokenFile: operator.token
  tls: { certFile: ${file('api.pem')}, keyFile: ${file('api.key')} }
  auth:
    anonymous: none
    tokensFile: ${file('tokens')}
    oidc: { issuer: '${issuer.url}', audience: tidegate, caFile: ${issuer.caFile}, roles: { viewer: [sre] } }`;
  await cluster.stop(DOOR);
  cluster.edit(DOOR, (text) => text.replace(/^api: .*$/m, section));
  await cluster.start(DOOR);
  doorOpenedAtMs = performance.now();
};

beforeAll(async () => {
  const etcd = await startEtcd({ electionMs: 1000 });
  stack.defer(() => etcd.close());
  bind = stack.use(await startBind({ zone: 'example.test' }));
  receiver = stack.use(await startReceiver());
  issuer = await startFakeIssuer(folder);
  stack.defer(() => issuer.stop());
  const { endpoints } = etcd;
  cluster = await startCluster({
    etcd: {
      section: `  kind: etcd\n  endpoints: [${endpoints.join()}]\n  prefix: ${PREFIX}`,
      store: openEtcd({ endpoints, prefix: PREFIX, timeoutMs: 5000, ports: realPorts() }),
    },
    provider: {
      entry: [
        'kind: rfc2136',
        'zone: example.test',
        `server: 127.0.0.1:${bind.port}`,
        `key: { name: ${bind.key.name}, algorithm: hmac-sha256, secretFile: ${secret('tsig', bind.key.secret)} }`,
      ],
      dns: bind.port,
    },
    coordinators: [TWO, LONE],
    // Five processes of ours on a busy machine.
    policy: { fresh: `${FRESH_MS / 1000}s`, lease: '5s', renew: '1s' },
    webhookUrl: receiver.url,
  });
  stack.use(cluster);
  receiver.trust(cluster.webhookSecret);
  secondPort = await freePort();
  const ofSecond = cluster
    .read(TWO)
    .replace('replica: a', 'replica: b')
    .replace(/^api: .*$/m, `api: { listen: 127.0.0.1:${secondPort}, tokenFile: operator.token }`);
  writeFileSync(secondFile(), ofSecond);
  await Promise.all([startSecond(), openDoor()]);
  watch = stack.use(
    watchVotes({ status: statusAtDoor, freshMs: FRESH_MS, muteMsMax: MUTE_MS_MAX, excused: ['event loop late', 'probes started late'] }),
  );
  await until('all of them vote', async () => {
    await watch.look();
    return (await vantages()).length === 4 && REGIONS.every((region) => watch.mute(region).length === 0);
  });
  watch.forget();
  watch.start();
}, 240_000);
afterAll(async () => {
  await second?.end('SIGKILL');
  await stack.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

// ---- the door ----

interface Answer {
  status: number;
  body: string;
  /** Of the certificate that was shown. */
  serial: string;
}

/** Over TLS, on a connection of its own. */
const ask = (token: string, path = '/v1/overrides'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const where = { host: '127.0.0.1', port: cluster.doors.api[DOOR], path, ca: authority.caPem, agent: false };
    const sent = request({ ...where, headers, timeout: 20_000 }, (reply) => {
      const { serialNumber } = (reply.socket as TLSSocket).getPeerCertificate();
      let body = '';
      reply.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body, serial: serialNumber }));
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('error', reject);
    sent.end();
  });
const statusAtDoor = async (): Promise<StatusDocument | null> => {
  const { status, body } = await ask(tokens.olga, '/v1/status');
  return status === 200 ? (JSON.parse(body) as StatusDocument) : null;
};
const vantages = async () => (await statusAtDoor())?.votes.vantages ?? [];

/** Asks for this person again and again. Out: how often, and what it was answered but 200. */
const askOften = (token: string): { asked(): number; stop(): Promise<string[]> } => {
  const wrong: string[] = [];
  let asked = 0;
  let stopping = false;
  const loop = (async () => {
    while (!stopping) {
      const answer = await ask(token).then(
        ({ status }) => String(status),
        (error: Error) => error.message,
      );
      asked++;
      if (answer !== '200') wrong.push(`request ${asked}: ${answer}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    asked: () => asked,
    async stop() {
      stopping = true;
      await loop;
      return wrong;
    },
  };
};

test('token and certificate of the API: both are others on a replica that goes on, and nobody else is turned away meanwhile', {
  timeout: 120_000,
}, async () => {
  const door = cluster.replica(DOOR);
  const reload = async (event: string, change: () => unknown): Promise<void> => {
    const before = door.lines(event).length;
    await change();
    door.signal('SIGHUP');
    await until(event, () => door.lines(event).length > before);
  };
  const issued = askOften(tokens.olga);
  await reload('auth.tokens.read', async () => {
    tokens.bob = await newToken('bob');
  });
  expect((await ask(tokens.bob)).status).toBe(200);
  const others = askOften(tokens.bob);
  expect((await ask(tokens.alice)).status).toBe(200);
  await tidegate('token', 'revoke', 'alice', '--file', file('tokens'));
  // Without a signal: somebody asks all the while, and the file is looked at then.
  await until('the file is read', () => door.lines('auth.tokens.read').length > 2);
  // A script that nobody has told goes on with the old one, from the same address: only it has to wait.
  const old = askOften(tokens.alice);
  await until('it asked more often than is free', () => old.asked() > 15);
  expect([...new Set((await old.stop()).map((line) => line.split(': ')[1]))]).toEqual(['401', '429']);

  // Half of it is there for a while: the pair of before goes on.
  const before = await ask(tokens.bob);
  const next = authority.issue('api', ['IP:127.0.0.1']);
  await reload('api.certificate.refused', () => secret('api.pem', next.certPem));
  expect(await ask(tokens.bob)).toEqual(before);
  await reload('api.certificate.read', () => secret('api.key', next.keyPem));
  const after = await ask(tokens.bob);
  expect(after.status).toBe(200);
  expect(after.serial).not.toBe(before.serial);
  expect(others.asked()).toBeGreaterThan(15);
  expect(await others.stop()).toEqual([]);
  expect(await issued.stop()).toEqual([]);
  watch.expectVotes();
});

// ---- the provider and the receiver ----

interface Restarted {
  region: Region;
  replica: string;
  end(): Promise<End>;
  start(): Promise<ReplicaProcess>;
}
const restarted: readonly Restarted[] = [
  { region: TWO, replica: 'a', end: () => cluster.stop(TWO), start: () => cluster.start(TWO) },
  { region: TWO, replica: 'b', end: () => second.end('SIGTERM'), start: startSecond },
  { region: LONE, replica: 'a', end: () => cluster.stop(LONE), start: () => cluster.start(LONE) },
];
/** SIGTERM, start, its region's votes on every target again: and the next. A region with one replica has no vote meanwhile, no other is without. */
const restartAll = async (): Promise<void> => {
  for (const { region, replica, end, start } of restarted) {
    const speaking = async (): Promise<string | undefined> =>
      (await vantages()).find((vantage) => vantage.region === region && vantage.replica === replica && watch.speaks(vantage.self))?.boot;
    const boot = await speaking();
    watch.expectVotes();
    expect(await end()).toEqual({ code: 0, signal: null });
    await start();
    await until(`the votes of ${region}/${replica} again`, async () => {
      if ([undefined, boot].includes(await speaking())) return false;
      await watch.look();
      return watch.mute(region).length === 0;
    });
    watch.expectVotes(region === LONE ? LONE : undefined);
    if (region === LONE) watch.forget();
  }
};
const inFiles = (change: (text: string) => string): void => {
  for (const path of [cluster.configFile(TWO), secondFile(), cluster.configFile(LONE)]) {
    const text = readFileSync(path, 'utf8');
    expect(change(text)).not.toBe(text);
    writeFileSync(path, change(text));
  }
};
const order = async (method: 'PUT' | 'DELETE', id: string, token: string): Promise<number> => {
  const body = { kind: 'drain', scope: { region: LONE }, reason: 'a test of rotations', owner: 'test', ttlMs: 600_000 };
  const reply = await fetch(`http://127.0.0.1:${cluster.doors.api[LONE]}/v1/overrides/${id}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(method === 'PUT' ? { 'content-type': 'application/json' } : { 'if-match': '*' }),
    },
    ...(method === 'PUT' ? { body: JSON.stringify(body) } : {}),
  });
  return reply.status;
};
/** Nothing of the outbox waits, and each page of it is with the receiver. */
const untilTold = async (): Promise<void> => {
  const pages = await until('every page is delivered', async () => {
    const found = (await cluster.store.get({ prefixes: ['outbox/'] })).kvs.map(({ value }) => value as Page);
    return found.every(({ delivered, notBeforeMs }) => notBeforeMs !== undefined || delivered.includes('*')) && found;
  });
  const here = new Set(receiver.received.map(({ id }) => id));
  const due = pages.filter(({ notBeforeMs }) => notBeforeMs === undefined);
  expect(due.length).toBeGreaterThan(0);
  expect(due.filter(({ id }) => !here.has(webhookId(id))).map(({ id, type }) => `${type} ${id}`)).toEqual([]);
};
const signaturesSince = (n: number): number[] => [...new Set(receiver.received.slice(n).map(({ signatures }) => signatures))];

test('TSIG key, secret of a webhook, token of the first steps: one replica after the other, while a region dies; no vote, no write and no page is missing', {
  timeout: 240_000,
}, async () => {
  const guest = askOften(tokens.olga);
  // ---- two keys are good at the server, and pages will carry two signatures; an application dies before any replica has the new ones ----
  await bind.takeKeys(bind.key, nextTsig);
  copyFileSync(join(cluster.folder, 'webhook.secret'), secret('webhook', ''));
  secret('webhook-2', nextWebhook);
  secret('tsig-2', nextTsig.secret);
  inFiles((text) =>
    text
      .replace('secretFile: webhook.secret', `secretFiles: [${file('webhook-2')}, ${file('webhook')}]`)
      .replace(`name: ${bind.key.name}, algorithm`, `name: ${nextTsig.name}, algorithm`)
      .replace(`secretFile: ${file('tsig')} }`, `secretFile: ${file('tsig-2')} }`),
  );
  await cluster.killApp(DOOR);
  await restartAll();
  await cluster.untilServed('the dead region left', (route) => route[DOOR] === 0);
  await until('the page of it', () => receiver.received.some(({ type }) => type.startsWith('region.d')));
  await cluster.startApp(DOOR);
  await cluster.untilServed('the region back, written with the new key', (route) => (route[DOOR] ?? 0) > 300);
  await untilTold();

  // ---- the other side knows the new ones only ----
  await bind.takeKeys(nextTsig);
  receiver.trust(nextWebhook);
  let told = receiver.received.length;
  expect(await order('PUT', 'between', cluster.operatorToken)).toBe(201);
  await cluster.untilServed('the order', (route) => route[LONE] === 0);
  await until('the page of the order', () => receiver.received.slice(told).some(({ type }) => type === 'override.obeyed'));
  await untilTold();
  expect(signaturesSince(told)).toEqual([2]);

  // ---- the old secret is taken away, and the token of the first steps is another ----
  writeFileSync(join(cluster.folder, 'operator.token'), `${nextOperator}\n`);
  inFiles((text) => text.replace(`, ${file('webhook')}]`, ']'));
  await restartAll();
  told = receiver.received.length;
  expect(await order('DELETE', 'between', cluster.operatorToken)).toBe(401);
  expect(await order('DELETE', 'between', nextOperator)).toBeLessThan(300);
  await cluster.untilServed('the end of the order', (route) => (route[LONE] ?? 0) > 300);
  await until('the page of its end', () => receiver.received.slice(told).some(({ type }) => type === 'override.ended'));
  await untilTold();
  expect(signaturesSince(told)).toEqual([1]);

  expect(receiver.refused).toEqual([]);
  expect(await guest.stop()).toEqual([]);
  watch.expectVotes();
  await cluster.expectSound();
});

// ---- the issuer ----

test('keys of the issuer: the next one is good once it is used, and the one before as long as it is published', {
  timeout: 120_000,
}, async () => {
  const fetches = (): number => issuer.asked.filter((path) => path === '/keys').length;
  const fetched = fetches();
  issuer.keys = [await jwkOf(oldKey), await jwkOf(newKey)];
  const guest = askOften(tokens.olga);
  // One fetch serves all who come within half a minute, and the last was when it started.
  await until('a while since the last fetch', () => performance.now() - doorOpenedAtMs > ISSUER_MS + 1000);
  const otto = await signJwt({ key: newKey, issuer: issuer.url, claims: { sub: 'otto' } });
  expect((await ask(otto)).status).toBe(200);
  expect(fetches()).toBe(fetched + 1);
  expect(await guest.stop()).toEqual([]);

  // ---- nothing that was changed here is in a log ----
  const said = readdirSync(cluster.folder)
    .filter((name) => /\.log(\.err)?$/.test(name))
    .map((name) => readFileSync(join(cluster.folder, name), 'utf8'))
    .join('');
  expect(said).toContain('publish.write');
  expect(said).not.toMatch(/BADKEY|BADSIG|NOTAUTH/);
  for (const text of [
    cluster.operatorToken,
    nextOperator,
    cluster.webhookSecret,
    nextWebhook,
    bind.key.secret,
    nextTsig.secret,
    ...Object.values(tokens),
    otto,
  ])
    expect(said).not.toContain(text.replace('whsec_', ''));
});
