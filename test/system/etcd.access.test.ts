// Who is let in, and to what: TLS by name and by address, client certificates as users, roles made by deploy/etcd/grants.sh, passwords.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { ASKED_MS } from '../../src/api/asked.ts';
import { createSpentDuty } from '../../src/api/spent.ts';
import { usedOps } from '../../src/auth/once.ts';
import { askedKey, KEYS } from '../../src/coordinate/keys.ts';
import { Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { runAdoption } from '../../src/publish/adoption.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import { type Op, type Store, StoreDefiniteError, type WatchEvent } from '../../src/store/store.ts';
import { createAuthority } from '../etcd-certificates.ts';
import { eventually } from '../etcd-fixture.ts';
import { type EtcdCluster, startEtcd } from '../etcd-server.ts';
import { type MemoryZone, memoryProvider } from '../memory-provider.ts';
import { recordingLog } from '../recording-log.ts';
import { clusterOf, poolOf } from '../world.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const ports = realPorts();
const PREFIX = '/tidegate/test/';
const TIMEOUT_MS = 2500;
const closers: (() => Promise<void>)[] = [];
const closing = <T extends { close(): Promise<void> }>(thing: T): T => {
  closers.push(() => thing.close());
  return thing;
};
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
const put = (store: Store, key: string) => store.txn({ if: [], then: [{ put: key, value: key }] });

describe('certificates', () => {
  let etcd: EtcdCluster;
  const pemOf = (commonName: string) => {
    const { certPem, keyPem } = etcd.authority.issue(commonName);
    return { caPem: etcd.authority.caPem, certPem, keyPem };
  };
  const open = (commonName: string, endpoints = etcd.endpoints): Store =>
    closing(openEtcd({ endpoints, prefix: PREFIX, tls: pemOf(commonName), timeoutMs: TIMEOUT_MS, ports }));

  beforeAll(async () => {
    etcd = await startEtcd({ tls: true });
    const roles = ['--coordinator', 'eu', '--voter', 'us', '--admin', 'operator'];
    for (let twice = 0; twice < 2; twice++)
      execFileSync('sh', [join(import.meta.dirname, '../../deploy/etcd/grants.sh'), '--prefix', PREFIX, ...roles, '--run', '--enable'], {
        env: { PATH: process.env.PATH, ...etcd.ctlEnv() },
      });
  });
  afterAll(() => etcd.close());

  const portOf = (): string => new URL(etcd.endpoints[0]!).port;

  test('an endpoint may be an address, verified as such', async () => {
    expect((await put(open('us'), 'vote/us/a')).ok).toBe(true);
  });

  test('another certificate is shown from the next connection on; one that does not fit is told, and the old one goes on', async () => {
    let shown = pemOf('nobody');
    const log = recordingLog();
    const store = closing(
      openEtcd({ endpoints: etcd.endpoints, prefix: PREFIX, tls: shown, renewTls: () => shown, timeoutMs: TIMEOUT_MS, ports, log }),
    );
    await expect(put(store, 'vote/us/a')).rejects.toThrow(/nobody/);
    // Half of a pair is what a reader may see while it is replaced.
    shown = { ...shown, certPem: pemOf('us').certPem };
    await etcd.restart(0);
    await eventually('the pair is refused', async () => JSON.stringify(log.lines).includes('etcd.certificate.refused'));
    await expect(put(store, 'vote/us/a')).rejects.toThrow(/permission denied|nobody/);
    shown = pemOf('us');
    await etcd.restart(0);
    await eventually('the new user', async () => {
      const done = await put(store, 'vote/us/a').catch(() => ({ ok: false }));
      return done.ok;
    });
  });

  test('an endpoint may be a name, resolved by the given resolver and verified as such', async () => {
    const asked: string[] = [];
    const resolve = async (host: string) => {
      asked.push(host);
      return { addresses: ['127.0.0.1'], stale: null, ageMs: 0 };
    };
    const named = (host: string): Store =>
      closing(
        openEtcd({ endpoints: [`https://${host}:${portOf()}`], prefix: PREFIX, tls: pemOf('us'), timeoutMs: TIMEOUT_MS, ports, resolve }),
      );
    await named('etcd.test').get({});
    await named('localhost').get({});
    expect(asked).toEqual(['etcd.test']);
    await expect(named('other.test').get({})).rejects.toThrow(/other\.test.*(altname|does not match)/i);
  });

  test('a certificate for another address, and one of another authority, are refused, and the error says so', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-tls-'));
    const other = createAuthority(folder, 'other');
    const { certPem, keyPem } = other.issue('etcd', ['DNS:only.test']);
    const server = tls.createServer({ cert: certPem, key: keyPem, ALPNProtocols: ['h2'] });
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const endpoints = [`https://127.0.0.1:${(server.address() as AddressInfo).port}`];
      const trusting = (caPem: string): Store =>
        closing(openEtcd({ endpoints, prefix: PREFIX, tls: { caPem }, timeoutMs: TIMEOUT_MS, ports }));
      await expect(trusting(other.caPem).get({})).rejects.toThrow('the certificate is not for the address 127.0.0.1');
      await expect(trusting(etcd.authority.caPem).get({})).rejects.toThrow(/unable to verify|self-signed|unable to get/);
    } finally {
      server.close();
      rmSync(folder, { recursive: true });
    }
  });

  test('without a client certificate there is no way in, and nothing is in doubt', async () => {
    const store = closing(
      openEtcd({ endpoints: etcd.endpoints, prefix: PREFIX, tls: { caPem: etcd.authority.caPem }, timeoutMs: TIMEOUT_MS, ports }),
    );
    await expect(put(store, 'vote/us/a')).rejects.toBeInstanceOf(StoreDefiniteError);
  });

  test('a region writes what is its own and nothing of another’s; the refusal names user, key and remedy', async () => {
    const us = open('us');
    for (const key of [
      'vote/us/a',
      'beat/us/a',
      'seen/us/a',
      'measured/us/a',
      'boot/us/a',
      'outbox/us.a-1',
      'override',
      'reported',
      'journal',
      'journal/0000000001',
      'asked',
      'asked/f00',
      'used/f00',
    ])
      expect((await put(us, key)).ok, key).toBe(true);
    for (const key of [
      'vote/eu/a',
      'beat/eu/a',
      'boot/eu/a',
      'measured/eu/a',
      'budgets/orders',
      'llm/orders',
      'vote/usa/a',
      'outbox/eu.a-1',
      'outbox/1',
      'leader',
      'routing',
      'members',
      'adopted',
      'applied/dns/x',
      'tiers',
      'lag/orders',
      'gate/web.example.test',
      'audit/0000000001',
      'trail/0000000001',
      'anchor/decisions',
      'elsewhere',
    ])
      await expect(put(us, key), key).rejects.toThrow('permission denied');
    const refused = us.txn({
      if: [{ key: 'vote/eu/a', mod: 0 }],
      then: [
        { put: 'vote/us/a', value: 1 },
        { put: 'vote/eu/a', value: 1 },
      ],
    });
    await expect(refused).rejects.toBeInstanceOf(StoreDefiniteError);
    const error = await refused.catch((thrown: Error) => thrown);
    expect((error as Error).cause).toBeInstanceOf(Fault);
    expect(((error as Error).cause as Fault).code).toBe('ERR_STORE_DENIED');
    expect((error as Error).message).toContain(
      'permission denied; user us, the CN of the client certificate, lacks a grant to read /tidegate/test/vote/eu/a and write /tidegate/test/vote/us/a, /tidegate/test/vote/eu/a; deploy/etcd/grants.sh',
    );
    expect((await us.get({ keys: ['vote/us/a'] })).kvs[0]?.value).toBe('vote/us/a');
  });

  test('a coordinator decides, deletes what is old, and leaves the configuration and its history alone', async () => {
    const eu = open('eu');
    const keys = [
      'vote/eu/a',
      'measured/eu/a',
      'budgets/orders',
      'llm/orders',
      'leader',
      'routing',
      'override',
      'incident/1',
      'outbox/1',
      'applied/dns/x',
      'run/1',
      'tiers',
      'lag/orders',
      'gate/web.example.test',
      'audit/0000000001',
      'trail/0000000001',
      'anchor/decisions',
    ];
    const ops: Op[] = keys.map((key) => ({ put: key, value: key }));
    expect((await eu.txn({ if: keys.map((key) => ({ key, mod: 0 })).slice(1, 3), then: ops })).ok).toBe(true);
    expect((await eu.txn({ if: [], then: [{ del: 'audit/0000000001' }, { del: 'incident/1' }, { del: 'outbox/1' }] })).ok).toBe(true);
    for (const key of ['members', 'adopted', 'audit/config-0000000001', 'vote/us/a'])
      await expect(put(eu, key), key).rejects.toThrow('permission denied');
  });

  test('a coordinator takes out what replicas of another region measured, long after they are gone', async () => {
    const [us, eu] = [open('us'), open('eu')];
    expect((await put(us, 'measured/us/gone')).ok).toBe(true);
    expect((await eu.txn({ if: [], then: [{ del: 'measured/us/gone' }] })).ok).toBe(true);
    expect((await us.get({ keys: ['measured/us/gone'] })).kvs).toEqual([]);
  });

  test('a coordinator takes out what the orders of another region left beside themselves', async () => {
    const [us, eu] = [open('us'), open('eu')];
    const answers = { items: [{ hash: 'f00', atMs: 0 }] };
    const left: Op[] = [...usedOps({ id: 'f00', expiresAtMs: 0 }, { by: 'ann', atMs: 0 }).ops, { put: KEYS.asked, value: answers }];
    expect((await us.txn({ if: [], then: [...left, { put: askedKey('f00'), value: {} }] })).ok).toBe(true);
    const log = recordingLog();
    const duty = createSpentDuty({ store: eu, ports, log });
    duty.turn(2 * ASKED_MS, { commit: async (conditions, then) => (await eu.txn({ if: conditions, then })).ok });
    await duty.idle();
    expect(log.of('spent.unremoved')).toEqual([]);
    expect((await eu.get({ prefixes: ['asked', 'used/'] })).kvs.map(({ key, value }) => [key, value])).toEqual([['asked', { items: [] }]]);
  });

  test('with the rights of the manual an operator adopts what is served, and a region does not', async () => {
    const root = open('root');
    const { kvs } = await root.get({ prefixes: [''] });
    for (const { key } of kvs) await root.txn({ if: [], then: [{ del: key }] });
    const pools = ['eu', 'us'].map((region, i) => poolOf(region, 1, i));
    const cluster = clusterOf(['eu', 'us'], [{ pools }]);
    expect((await root.txn({ if: [], then: [{ put: KEYS.members, value: cluster }] })).ok).toBe(true);
    const zone: MemoryZone = { services: new Map(), onServed: () => undefined };
    const fence = { v: 41, epoch: 9, writer: 'eu/a/lost', nonce: 'lost', hash: 'ab' };
    zone.services.set('web', { shares: { eu: 0, us: 1000 }, fence });
    const adopt = (store: Store) =>
      runAdoption(
        { ports, store, provider: async () => memoryProvider(zone) },
        { kind: 'adopt', services: [], owner: 'alice', reason: 'restored', dryRun: false, holdMs: null, journal: [] },
      );
    await expect(adopt(open('eu'))).rejects.toThrow(/permission denied/);
    expect(await adopt(open('operator'))).toMatchObject({
      written: true,
      v: 42,
      services: [{ service: 'web', after: { eu: 0, us: 1000 } }],
    });
    for (const { key } of (await root.get({ prefixes: [''] })).kvs) await root.txn({ if: [], then: [{ del: key }] });
  });

  test('an admin applies and adopts, and does not vote', async () => {
    const operator = open('operator');
    for (const key of [
      'members',
      'adopted',
      'routing',
      'override',
      'applied/dns/x',
      'audit/config-0000000001',
      'outbox/2',
      'gate/web.example.test',
      'journal/0000000002',
    ])
      expect((await put(operator, key)).ok, key).toBe(true);
    for (const key of ['vote/us/a', 'leader', 'boot/us/a']) await expect(put(operator, key), key).rejects.toThrow('permission denied');
  });

  test('a voter reads and watches the whole prefix, and nothing beside it', async () => {
    const us = open('us');
    const seen: WatchEvent[] = [];
    us.watch('', (event) => seen.push(event));
    await eventually('the watch is up', () => seen.length > 0);
    const { rev } = await put(open('eu'), 'vote/eu/a');
    await eventually('another region’s vote is heard', () => seen.some((event) => event.kind === 'changed' && event.rev === rev));
    expect((await us.get({ prefixes: [''] })).kvs.length).toBeGreaterThan(0);
    const beside = closing(
      openEtcd({ endpoints: etcd.endpoints, prefix: '/tidegate/other/', tls: pemOf('us'), timeoutMs: TIMEOUT_MS, ports }),
    );
    await expect(beside.get({ keys: ['a'] })).rejects.toThrow(/user us.* lacks a grant to read \/tidegate\/other\/a/);
  });

  test('a certificate whose name is no user is refused by that name', async () => {
    await expect(open('nobody').get({ keys: ['a'] })).rejects.toThrow(/user nobody, the CN of the client certificate/);
  });
});

describe('passwords', () => {
  let etcd: EtcdCluster;
  beforeAll(async () => {
    etcd = await startEtcd({ auth: true });
    await etcd.ctl('role', 'add', 'all');
    await etcd.ctl('role', 'grant-permission', 'all', 'readwrite', '--prefix=true', PREFIX);
    await etcd.ctl('user', 'add', 'eu:the-right-one');
    await etcd.ctl('user', 'grant-role', 'eu', 'all');
  });
  afterAll(() => etcd.close());

  const open = (password: string): Store =>
    closing(openEtcd({ endpoints: etcd.endpoints, prefix: PREFIX, user: { name: 'eu', password }, timeoutMs: TIMEOUT_MS, ports }));

  test('a user and his password are let in, watches too', async () => {
    const store = open('the-right-one');
    const seen: WatchEvent[] = [];
    store.watch('', (event) => seen.push(event));
    await eventually('the watch is up', () => seen.length > 0);
    expect((await put(store, 'a')).ok).toBe(true);
    expect((await store.get({ keys: ['a'] })).kvs).toHaveLength(1);
  });

  test('a wrong password is refused for certain, names the user and not the password', async () => {
    const store = open('the-wrong-one');
    const refused = await put(store, 'a').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreDefiniteError);
    expect((refused as Error).message).toMatch(/user eu/);
    expect((refused as Error).message).not.toContain('the-wrong-one');
  });

  test('a token that etcd forgot is renewed: a read goes on, a transaction refused for it did not happen', async () => {
    const store = open('the-right-one');
    await put(store, 'a');
    // Tokens live in a member's memory. The link ends with it, so the token is refused over the next one.
    await etcd.restart(0);
    await eventually('reads go on', () =>
      store.get({ keys: ['a'] }).then(
        () => true,
        () => false,
      ),
    );
    // Whoever is made anew under the same name has no token, though the connection stays.
    await etcd.ctl('user', 'delete', 'eu');
    await etcd.ctl('user', 'add', 'eu:the-right-one');
    await etcd.ctl('user', 'grant-role', 'eu', 'all');
    await expect(put(store, 'b')).rejects.toBeInstanceOf(StoreDefiniteError);
    expect((await put(store, 'b')).ok).toBe(true);
    await etcd.ctl('user', 'delete', 'eu');
    await etcd.ctl('user', 'add', 'eu:the-right-one');
    await etcd.ctl('user', 'grant-role', 'eu', 'all');
    expect((await store.get({ keys: ['b'] })).kvs).toHaveLength(1);
  });
});
