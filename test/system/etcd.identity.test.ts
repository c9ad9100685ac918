// A real snapshot, restored: the store is frozen for whoever knew what is gone, until somebody adopts it.
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import type { Store, WatchEvent } from '../../src/store/store.ts';
import { eventually } from '../etcd-fixture.ts';
import { type EtcdCluster, startEtcd } from '../etcd-server.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const ports = realPorts();
const closers: (() => Promise<void>)[] = [];
const closing = <T extends { close(): Promise<void> }>(thing: T): T => {
  closers.push(() => thing.close());
  return thing;
};
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const open = (etcd: EtcdCluster): Store =>
  closing(openEtcd({ endpoints: etcd.endpoints, prefix: '/tidegate/test/', timeoutMs: 1500, ports }));
const put = (store: Store, key: string, value: unknown) => store.txn({ if: [], then: [{ put: key, value }] });
const isFrozen = (call: Promise<unknown>): Promise<boolean> =>
  call.then(
    () => false,
    (error: unknown) => error instanceof Fault && error.code === 'ERR_STORE_REPLACED',
  );

test('a restored snapshot freezes the store at its first answer; nothing is written to it; `adopted` ends it, and every watcher looks again', async () => {
  const etcd = closing(await startEtcd());
  const store = open(etcd);
  const seen: WatchEvent[] = [];
  await put(store, 'adopted', { nonce: 'first', atMs: 1000, by: 'test', reason: 'test' });
  await etcd.save(join(etcd.folder, 'snapshot'));
  for (let i = 0; i < 10; i++) await put(store, 'lost', i);
  await store.get({});
  store.watch('', (event) => seen.push(event));
  await eventually('the watch is up', () => seen.length > 0);

  // A writer who never stops: the first thing of his that reaches the restored store must not be a write.
  let writing = true;
  const writer = (async () => {
    for (let i = 0; writing; i++) {
      await put(store, `written/${i}`, i).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  await etcd.restore(join(etcd.folder, 'snapshot'));
  await eventually('reads are refused as frozen', () => isFrozen(store.get({})));
  expect(await isFrozen(put(store, 'a', 1))).toBe(true);
  const [message] = await Promise.all([store.get({}).catch((error: Error) => error.message)]);
  expect(message).toMatch(/restored .*tidegate adopt/);

  writing = false;
  await writer;

  // Who never knew the lost history reads what there is, and adopts it.
  const human = open(etcd);
  expect((await human.get({ prefixes: ['written/', 'lost'] })).kvs).toEqual([]);
  expect(await isFrozen(store.get({ keys: ['adopted'] }))).toBe(true);
  // What changes in it is told, and not what it says.
  const told = () => seen.findLast((event) => event.kind === 'changed' && event.keys.includes('vote/a'));
  const hears = (what: string, wanted: () => boolean) =>
    eventually(what, async () => {
      await put(human, 'vote/a', 1);
      return wanted();
    });
  await hears('a change of the restored store', () => told() !== undefined);
  expect(told()).not.toHaveProperty('value');
  const resyncs = seen.filter(({ kind }) => kind === 'resync').length;
  await put(human, 'adopted', { nonce: 'second', atMs: 1001, by: 'test', reason: 'restored' });
  await eventually('the store goes on', () =>
    store.get({ keys: ['adopted'] }).then(
      ({ kvs }) => kvs.length === 1,
      () => false,
    ),
  );
  await eventually('watchers are told to look again', () => seen.filter(({ kind }) => kind === 'resync').length > resyncs);
  expect((await put(store, 'a', 1)).ok).toBe(true);
  await hears('news with what it says', () => Object.hasOwn(told() ?? {}, 'value'));
});

test('another cluster at the same address freezes the store', async () => {
  const etcd = closing(await startEtcd());
  const store = open(etcd);
  await put(store, 'a', 1);
  const known = store.clusterId;
  await etcd.save(join(etcd.folder, 'snapshot'));
  await etcd.restore(join(etcd.folder, 'snapshot'), 'another-token');
  await eventually('reads are refused as frozen', () => isFrozen(store.get({})));
  const stranger = open(etcd);
  await stranger.get({});
  expect(stranger.clusterId).not.toBe(known);
});

test('a member that restarts on its own data is the same store', async () => {
  const etcd = closing(await startEtcd());
  const store = open(etcd);
  await put(store, 'a', 1);
  await etcd.restart(0);
  await eventually('the store answers again', () =>
    store.get({ keys: ['a'] }).then(
      ({ kvs }) => kvs.length === 1,
      () => false,
    ),
  );
});
