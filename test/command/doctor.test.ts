// `doctor` with its real instruments: the wire of the builtin server, a store in memory, sockets and files of this machine. Nothing is changed by it.

import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lineOf } from '../../src/auth/token-file.ts';
import { type Checked, type DoctorOptions, doctor } from '../../src/command/doctor.ts';
import { beatKey, KEYS, voteKey } from '../../src/coordinate/keys.ts';
import { blankRouting } from '../../src/decide/snapshot.ts';
import { Fault } from '../../src/errors.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { serveStore } from '../../src/store/serve.ts';
import type { Store } from '../../src/store/store.ts';
import { createAuthority } from '../etcd-certificates.ts';
import { listening } from './fixture.ts';
import { type Hands, openHands, WEB } from './hand.fixture.ts';

const ports = realPorts();

const put = async ({ store }: Hands, key: string, value: unknown): Promise<void> => {
  expect((await store.txn({ if: [], then: [{ put: key, value }] })).ok).toBe(true);
};

/** A cluster whose replicas are silent soon, so that nobody waits for them for long. */
const configure = async (hands: Hands, change: (cluster: ClusterConfig) => Partial<ClusterConfig> = () => ({})): Promise<ClusterConfig> => {
  const found = (await hands.store.get({ keys: [KEYS.members] })).kvs[0]?.value as ClusterConfig;
  const cluster = { ...found, policy: { ...found.policy, freshMs: 1500 }, ...change(found) };
  await put(hands, KEYS.members, cluster);
  return cluster;
};

interface Ran {
  exit: number;
  findings: readonly Checked[];
  of(id: string): readonly Checked[];
  text: string;
}

/** `speaking` replicas beat every 100 ms meanwhile; clocks of `ahead` are wrong. */
const run = async (
  hands: Hands,
  {
    speaking = [],
    aheadMs = {},
    options = {},
    open,
  }: { speaking?: readonly string[]; aheadMs?: Record<string, number>; options?: Partial<DoctorOptions>; open?: () => Promise<Store> } = {},
): Promise<Ran> => {
  const said = listening();
  const { store } = hands;
  const beats = async (n: number): Promise<void> => {
    for (const region of speaking) {
      const spoken = { boot: region, seq: 1, configVersion: 1 };
      await put(hands, voteKey(region, 'a'), { ...spoken, self: { state: 'ok' }, peers: ['a'], down: [], unready: [], unknown: [] });
      await put(hands, beatKey(region, 'a'), {
        ...spoken,
        n,
        suspects: {},
        loopDelayMs: 0,
        wallMs: Date.now() + (aheadMs[region] ?? 0),
        version: region === 'us-east' ? '1.1.0' : '1.0.0',
      });
    }
  };
  await beats(0);
  let n = 1;
  const beating = setInterval(() => void beats(n++), 100);
  const lasting: Store = {
    clusterId: store.clusterId,
    get: (query) => store.get(query),
    // Whatever it tries must not happen.
    txn: async (txn) => {
      const result = await store.txn(txn);
      if (result.ok) throw new Error('doctor wrote to the store');
      return result;
    },
    watch: (prefix, onEvent) => store.watch(prefix, onEvent),
    close: async () => undefined,
  };
  try {
    const exit = await doctor(
      { config: hands.config, json: true, ...options },
      { ports, version: '1.0.0', out: said.out, err: said.err, open: open ?? (async () => lasting) },
    );
    const findings = options.json === false ? [] : (JSON.parse(said.stdout) as { findings: Checked[] }).findings;
    return { exit, findings, of: (id) => findings.filter((each) => each.id === id), text: said.stdout };
  } finally {
    clearInterval(beating);
  }
};

const locked = async (): Promise<never> => {
  throw new Fault('ERR_STORE_LOCKED', 'locked');
};

test('where replicas speak and providers can be read it says so, finds versions and clocks that differ, and exits 3 for what fails', async () => {
  await using hands = await openHands();
  const cluster = await configure(hands);
  await put(hands, KEYS.leader, { region: 'eu-west', replica: 'a', boot: 'b', epoch: 1, n: 1, nonce: 'n', released: false });
  const before = (await hands.store.get({ prefixes: ['leader', 'members', 'routing', 'override'] })).kvs;
  const { exit, of, findings } = await run(hands, { speaking: ['eu-west', 'us-east', 'ap-south'], aheadMs: { 'ap-south': 20_000 } });
  expect(exit).toBe(3);
  expect(of('store')).toMatchObject([{ state: 'ok' }]);
  expect(of('grants')).toMatchObject([{ state: 'ok', says: expect.stringMatching(/all of 3\d kinds/) }]);
  expect(of('votes')).toMatchObject([{ state: 'ok', says: 'all 3 voting regions speak' }]);
  expect(of('versions')).toMatchObject([{ state: 'warn', says: '1.0.0 at ap-south/a, eu-west/a; 1.1.0 at us-east/a' }]);
  expect(of('clocks')[0]).toMatchObject({ state: 'warn', says: expect.stringMatching(/differ by (19|20)(\.\d+)? s at least/) });
  expect(of('configuration')).toMatchObject([{ state: 'ok', says: expect.stringContaining(`${cluster.name}, version 1`) }]);
  expect(of('credentials')).toMatchObject([{ state: 'ok', says: 'dns: 1 service read' }]);
  expect(of('anchors')).toMatchObject([{ state: 'fail', says: expect.stringContaining('tcp://192.0.2.1:53') }]);
  expect(of('etcd-alarms')).toMatchObject([{ state: 'skip', says: 'the store is embedded, not etcd' }]);
  expect(of('replica')).toMatchObject([{ state: 'skip' }]);
  expect(of('sec-audit')).toMatchObject([{ state: 'unknown', says: 'nothing was decided yet' }]);
  expect(findings.filter(({ state, todo }) => (state === 'warn' || state === 'fail') && !todo)).toEqual([]);
  expect((await hands.store.get({ prefixes: ['leader', 'members', 'routing', 'override'] })).kvs).toEqual(before);
});

test('silence is told, as are times to live that are not served as configured, and a wrong token without showing it', async () => {
  await using hands = await openHands();
  await configure(hands, ({ services }) => ({
    services: services.map((service) => ({
      ...service,
      converge: { ...service.converge, authoritative: [`127.0.0.1:${hands.dns.dnsPort}`] },
    })),
  }));
  await hands.dns.put({
    service: {
      name: WEB,
      ttlS: 300,
      pools: [{ pool: 'eu-west', share: 1000, answers: ['192.0.2.10'] }],
      fence: 'v=1;fence=1;epoch=1;writer=w;nonce=n;hash=h',
    },
    ifFence: null,
  });
  writeFileSync(join(hands.folder, 'dns.token'), 'a-wrong-token-altogether\n');
  chmodSync(join(hands.folder, 'dns.token'), 0o600);
  const { of, text } = await run(hands, { speaking: ['eu-west'] });
  expect(of('votes').map(({ state }) => state)).toEqual(['fail', 'fail']);
  expect(of('ttls')).toMatchObject([{ state: 'fail', says: expect.stringMatching(/300 s, configured \d+ s/) }]);
  expect(of('credentials')).toMatchObject([{ state: 'fail', says: expect.stringContaining('answered 401') }]);
  expect(text).not.toContain('a-wrong-token');
});

test('a store that a running replica holds is no failure: that replica is asked, and what it says is told', async () => {
  const replica = http.createServer((request, reply) => {
    const known = request.headers.authorization === 'Bearer the-token-of-an-operator' && request.url === '/api/health/detail';
    reply.statusCode = known ? 503 : 401;
    reply.end(JSON.stringify({ status: 'fail', notes: ['fail: coordinator:renewedAgo: nobody coordinates'] }));
  });
  await once(replica.listen(0, '127.0.0.1'), 'listening');
  const { port } = replica.address() as AddressInfo;
  await using hands = await openHands((text) => text.replace('127.0.0.1:7700', `127.0.0.1:${port}`));
  writeFileSync(join(hands.folder, 'operator.token'), 'the-token-of-an-operator\n', { mode: 0o600 });
  try {
    const { exit, of, findings } = await run(hands, { open: locked });
    expect(of('replica')).toMatchObject([{ state: 'fail', says: 'coordinator:renewedAgo: nobody coordinates' }]);
    expect(of('store')).toMatchObject([{ state: 'skip', says: expect.stringContaining('a running replica serves this store file') }]);
    expect(findings.filter(({ state }) => state === 'fail').map(({ id }) => id)).toEqual(['replica']);
    expect(exit).toBe(3);
  } finally {
    replica.close();
  }
});

test('a replica whose certificate an authority of its own signed, for a name, is asked at the address it listens on; another that answers there is not', async () => {
  await using hands = await openHands((text) =>
    text.replace('listen: 127.0.0.1:7700', 'listen: 127.0.0.1:7700\n  tls: { certFile: ./api.pem, keyFile: ./api.key }'),
  );
  const authority = createAuthority(hands.folder);
  const own = authority.issue('tidegate.inside.test', ['DNS:tidegate.inside.test']);
  writeFileSync(join(hands.folder, 'api.pem'), own.certPem);
  writeFileSync(join(hands.folder, 'api.key'), own.keyPem, { mode: 0o600 });
  writeFileSync(join(hands.folder, 'operator.token'), 'the-token-of-an-operator\n', { mode: 0o600 });
  let tokens = 0;
  const answering = async (shown: typeof own): Promise<https.Server> => {
    const server = https.createServer({ key: shown.keyPem, cert: shown.certPem }, (request, reply) => {
      if (request.headers.authorization !== undefined) tokens++;
      reply.statusCode = request.headers.authorization === undefined ? 401 : 200;
      reply.end(JSON.stringify({ status: 'pass', notes: [] }));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return server;
  };
  for (const [shown, isAsked] of [
    [own, true],
    [authority.issue('another', ['IP:127.0.0.1']), false],
  ] as const) {
    const server = await answering(shown);
    tokens = 0;
    const { port } = server.address() as AddressInfo;
    const text = readFileSync(hands.config, 'utf8');
    writeFileSync(hands.config, text.replace(/listen: 127\.0\.0\.1:\d+\n/, `listen: 127.0.0.1:${port}\n`));
    try {
      const { of } = await run(hands);
      expect(of('replica')).toMatchObject([
        isAsked ? { state: 'ok' } : { state: 'skip', says: expect.stringContaining('no replica of this file answers here') },
      ]);
      expect(of('sec-anonymous')[0]?.state).toBe(isAsked ? 'ok' : 'unknown');
      expect(tokens > 0).toBe(isAsked);
    } finally {
      server.close();
    }
  }
});

test('a store that a running replica lends is read where it is lent', async () => {
  await using hands = await openHands();
  const served = await serveStore({ store: hands.store, host: '127.0.0.1', port: 0, token: 'the-token-of-the-store', ports });
  try {
    writeFileSync(join(hands.folder, 'store.token'), 'the-token-of-the-store\n', { mode: 0o600 });
    const text = readFileSync(hands.config, 'utf8');
    const lent = `serve: { listen: 127.0.0.1:${served.port}, tokenFile: ./store.token }`;
    writeFileSync(hands.config, text.replace('file: ./store.sqlite', `file: ./store.sqlite\n  ${lent}`));
    await configure(hands);
    const { of } = await run(hands, { speaking: ['eu-west', 'us-east', 'ap-south'], open: locked });
    expect(of('store')).toMatchObject([{ state: 'ok' }]);
    expect(of('votes')).toMatchObject([{ state: 'ok', says: 'all 3 voting regions speak' }]);
    expect(of('credentials')).toMatchObject([{ state: 'ok' }]);
  } finally {
    await served.close();
  }
});

test('tokens that end soon are found in the file that the service reads, and a file that it would not take', async () => {
  await using hands = await openHands((text) =>
    text.replace('tokenFile: ./operator.token', 'tokenFile: ./operator.token\n  auth: { tokensFile: ./tokens }'),
  );
  await configure(hands);
  const entry = (name: string, days: number | null) =>
    lineOf({
      name,
      hash: name.padEnd(64, '0'),
      role: 'operator',
      services: null,
      expiresAtMs: days === null ? null : Math.floor(Date.now() / 1000) * 1000 + days * 86_400_000 + 3_600_000,
    });
  const file = join(hands.folder, 'tokens');
  writeFileSync(file, `# people\n${entry('aa', 5)}${entry('bb', -3)}${entry('cc', 300)}${entry('dd', null)}`, { mode: 0o600 });
  const soon = await run(hands, { options: { security: true } });
  expect(soon.of('sec-expiry').map(({ state, says }) => `${state} ${says.replaceAll(hands.folder, '')}`)).toEqual([
    'warn token aa of api.auth.tokensFile (/tokens) ends in 5 days',
    'fail token bb of api.auth.tokensFile (/tokens) has ended',
  ]);
  writeFileSync(file, `${entry('aa', 5)}tg_${'0'.repeat(48)}\n`, { mode: 0o600 });
  const broken = await run(hands, { options: { security: true } });
  expect(broken.of('sec-expiry')).toMatchObject([
    { state: 'warn', says: expect.stringMatching(/tokensFile \(.*tokens:2\): found something/) },
  ]);
  expect(broken.text).not.toContain('tg_0');
});

test('a store out of reach fails once; what needs it is skipped', async () => {
  await using hands = await openHands();
  const broken = async (): Promise<Store> => ({
    clusterId: '',
    get: async () => {
      throw new Error('connection refused');
    },
    txn: async () => {
      throw new Error('connection refused');
    },
    watch: () => ({ close: () => undefined }),
    close: async () => undefined,
  });
  const { exit, findings } = await run(hands, { open: broken });
  expect(exit).toBe(3);
  expect(findings.filter(({ state }) => state === 'fail').map(({ id, says }) => `${id}: ${says}`)).toEqual(['store: connection refused']);
  expect(findings.find(({ id }) => id === 'votes')).toMatchObject({ state: 'skip', says: 'the store was not read: see `store`' });
});

test('--security looks at files, certificates and doors; text has a line per finding with what to do below it', async () => {
  await using hands = await openHands((text) => text.replace('listen: 127.0.0.1:7700', 'listen: 0.0.0.0:7700'));
  await configure(hands);
  const routing = { ...blankRouting(await configure(hands), 0), v: 2, auditHash: 'of-another-record' };
  await put(hands, KEYS.routing, routing);
  await put(hands, 'audit/0000000002', { v: 2, prevHash: '' });
  chmodSync(join(hands.folder, 'dns.token'), 0o644);
  const { exit, findings, of } = await run(hands, { options: { security: true } });
  expect(findings.every(({ id }) => id.startsWith('sec-'))).toBe(true);
  expect(of('sec-files').map(({ state, says }) => `${state} ${says}`)).toEqual([
    expect.stringMatching(/^unknown api\.tokenFile .*ENOENT/),
    expect.stringMatching(/^fail providers\.dns\.tokenFile .*mode 644/),
  ]);
  expect(of('sec-api')[0]).toMatchObject({ state: 'fail' });
  expect(of('sec-audit')[0]).toMatchObject({ state: 'fail', says: 'audit/0000000002 is not what the head names' });
  expect(of('sec-votes')[0]).toMatchObject({ state: 'warn', says: expect.stringContaining('not signed') });
  expect(exit).toBe(3);
  const { text } = await run(hands, { options: { security: true, json: false } });
  expect(text).toMatch(/^fail {4} sec-files {6}providers\.dns\.tokenFile .*\n {24}-> chmod 600 /m);
  expect(text).toMatch(/\n\n22 checks: 3 fail, \d+ warn, \d+ unknown, \d+ ok, 0 skip\n$/);
});
