// Which store a command gets, and what it says when it gets none.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openCommandStore, openStoreToRead } from '../../src/command/open.ts';
import type { ReplicaConfig } from '../../src/config/schema.ts';
import { Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { serveStore } from '../../src/store/serve.ts';
import { StoreDefiniteError } from '../../src/store/store.ts';
import { accepted, fixture } from '../config/files.ts';

const ports = realPorts();
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-open-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const secret = (name: string): string => {
  const path = join(folder, name);
  writeFileSync(path, 'a-token-of-some-length\n', { mode: 0o600 });
  return path;
};

const configOf = (store: ReplicaConfig['store']): ReplicaConfig => ({ ...accepted(fixture('good.yaml')).config, store });

test('the file of an embedded store, when no replica serves it', async () => {
  const file = join(folder, 'store.sqlite');
  const store = await openCommandStore(configOf({ kind: 'embedded', file }), ports);
  expect((await store.txn({ if: [], then: [{ put: 'a', value: 1 }] })).ok).toBe(true);
  await store.close();
  const again = openEmbedded({ file, ports });
  expect((await again.get({ keys: ['a'] })).kvs[0]?.value).toBe(1);
  await again.close();
});

test('a file that a replica serves is left to it, with both ways round', async () => {
  const file = join(folder, 'store.sqlite');
  const serving = openEmbedded({ file, ports });
  try {
    const opening = openCommandStore(configOf({ kind: 'embedded', file }), ports);
    await expect(opening).rejects.toSatisfy((error) => error instanceof Fault && error.code === 'ERR_STORE_LOCKED');
    await expect(opening).rejects.toThrow(/SIGHUP.*store\.serve.*kind remote/);
    const serve = { host: '::1', port: 7710, tokenFile: '/etc/store.token' };
    await expect(openCommandStore(configOf({ kind: 'embedded', file, serve }), ports)).rejects.toThrow(
      'store: { kind: remote, url: http://[::1]:7710, tokenFile: /etc/store.token }',
    );
  } finally {
    await serving.close();
  }
});

test('to read, a file that a replica serves is read where it lends it; where it lends it to nobody that is said', async () => {
  const file = join(folder, 'store.sqlite');
  const tokenFile = secret('store.token');
  const own = openEmbedded({ file, ports });
  const served = await serveStore({ store: own, host: '127.0.0.1', port: 0, token: 'a-token-of-some-length', ports });
  try {
    await own.txn({ if: [], then: [{ put: 'a', value: 1 }] });
    const serve = { host: '127.0.0.1', port: served.port, tokenFile };
    const store = await openStoreToRead(configOf({ kind: 'embedded', file, serve }), ports);
    expect((await store.get({ keys: ['a'] })).kvs[0]?.value).toBe(1);
    await store.close();
    const lentToNobody = openStoreToRead(configOf({ kind: 'embedded', file }), ports);
    await expect(lentToNobody).rejects.toMatchObject({ code: 'ERR_STORE_LOCKED', message: expect.stringContaining('lends it to nobody') });
  } finally {
    await served.close();
    await own.close();
  }
});

test('a read of a store that is out of reach has a code and says what to look at', async () => {
  const store = await openStoreToRead(configOf({ kind: 'remote', url: 'http://127.0.0.1:1', tokenFile: secret('store.token') }), ports);
  await expect(store.get({ keys: ['a'] })).rejects.toMatchObject({
    code: 'ERR_STORE_UNREACHABLE',
    message: expect.stringMatching(/127\.0\.0\.1:1.*is the store up/),
  });
  await store.close();
});

test('the store of a serving replica', async () => {
  const own = openEmbedded({ file: ':memory:', ports });
  const tokenFile = secret('store.token');
  const served = await serveStore({ store: own, host: '127.0.0.1', port: 0, token: 'a-token-of-some-length', ports });
  const store = await openCommandStore(configOf({ kind: 'remote', url: `http://127.0.0.1:${served.port}`, tokenFile }), ports);
  try {
    await store.txn({ if: [], then: [{ put: 'a', value: 1 }] });
    expect((await own.get({ keys: ['a'] })).kvs).toHaveLength(1);
  } finally {
    await store.close();
    await served.close();
    await own.close();
  }
});

test('etcd that nobody serves: opened all the same, refused for certain at the first call, and closed', { timeout: 20_000 }, async () => {
  const store = await openCommandStore(
    configOf({ kind: 'etcd', endpoints: ['http://127.0.0.1:1'], prefix: '/tidegate/test/', timeoutMs: 500 }),
    ports,
  );
  const writing = store.txn({ if: [], then: [{ put: 'a', value: 1 }] });
  await expect(writing).rejects.toSatisfy((error) => error instanceof StoreDefiniteError || error instanceof Fault);
  await store.close();
});

test('a secret that is missing is told before anything is opened', async () => {
  const tls = { caFile: secret('ca.pem'), certFile: secret('client.pem'), keyFile: join(folder, 'absent.key') };
  const opening = openCommandStore(
    configOf({ kind: 'etcd', endpoints: ['https://etcd-1.example.net:2379'], prefix: '/tidegate/test/', tls, timeoutMs: 500 }),
    ports,
  );
  await expect(opening).rejects.toSatisfy(
    (error) => error instanceof Fault && error.code === 'ERR_SECRET' && error.message.includes('absent.key'),
  );
});
