// The store contract over real etcd: two clients of one member, each test under a prefix of its own.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { realPorts } from '../../src/ports.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import type { WatchEvent } from '../../src/store/store.ts';
import { restartContract, storeContract } from '../contract/store.contract.ts';
import { eventually, keptLog } from '../etcd-fixture.ts';
import { type EtcdCluster, startEtcd } from '../etcd-server.ts';

// The machine that runs the tests may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const ports = realPorts();
let etcd: EtcdCluster;
let opened = 0;

beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd.close());

const twoClients = async () => {
  const prefix = `/contract/${opened++}/`;
  const open = () => openEtcd({ endpoints: etcd.endpoints, prefix, timeoutMs: 20_000, ports });
  const [store, store2] = [open(), open()];
  const close = async (): Promise<void> => {
    await Promise.all([store.close(), store2.close()]);
  };
  const restart = async () => {
    await etcd.restart(0);
    return { store, store2 };
  };
  return { store, store2, restart, close };
};
storeContract('etcd, two clients', twoClients);
restartContract('etcd, two clients', twoClients);

const metric = async (name: string): Promise<number> => {
  const metrics = await (await fetch(`${etcd.endpoints[0]}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
};

test('of many records, a read is sent those that changed since the last one', async () => {
  const { store, store2, close } = await twoClients();
  const sentBytes = () => metric('etcd_network_client_grpc_sent_bytes_total');
  try {
    const text = 'x'.repeat(10_000);
    const votes = (n: number) => Array.from({ length: 20 }, (_, i) => ({ put: `vote/${i + 10}`, value: { n: i === 0 ? n : 0, text } }));
    const read = async () => (await store.get({ prefixes: ['vote/', 'beat/'] })).kvs;
    await store2.txn({ if: [], then: votes(0) });
    await read();
    const before = await sentBytes();
    for (let n = 1; n <= 5; n++) {
      await store2.txn({ if: [], then: votes(n).slice(0, 1) });
      expect((await read()).map(({ value }) => (value as { n: number }).n)).toEqual([n, ...Array.from({ length: 19 }, () => 0)]);
    }
    expect((await sentBytes()) - before).toBeLessThan(10 * text.length);
    // A deletion leaves nothing behind, and neither does one beside which something new came.
    await store2.txn({ if: [], then: [{ del: 'vote/11' }] });
    expect(await read()).toHaveLength(19);
    await store2.txn({ if: [], then: [{ del: 'vote/12' }, { put: 'beat/a', value: 1 }] });
    expect((await read()).map(({ key }) => key)).toEqual(['beat/a', 'vote/10', ...Array.from({ length: 17 }, (_, i) => `vote/${i + 13}`)]);
  } finally {
    await close();
  }
});

test('who watches the same shares one stream: each is told to look first, all hear all, and one goes on when the others leave', async () => {
  const { store, store2, close } = await twoClients();
  const streams = () => metric('etcd_debugging_mvcc_watch_stream_total');
  try {
    const before = await streams();
    const told: WatchEvent[][] = [[], [], []];
    const watches = told.map((events) => store.watch('vote/', (event) => events.push(event)));
    await eventually('everybody is told to look', () => told.every((events) => events.some(({ kind }) => kind === 'resync')));
    expect((await streams()) - before).toBe(1);
    const late: WatchEvent[] = [];
    const fourth = store.watch('vote/', (event) => late.push(event));
    await eventually('the late one is told to look', () => late.some(({ kind }) => kind === 'resync'));
    const hears = async (events: readonly WatchEvent[], key: string) => {
      await store2.txn({ if: [], then: [{ put: key, value: 1 }] });
      await eventually(`${key} is heard`, () => events.some((event) => event.kind === 'changed' && event.keys.includes(key)));
    };
    for (const events of [...told, late]) await hears(events, 'vote/a');
    for (const watch of watches) watch.close();
    await hears(late, 'vote/b');
    expect(told.flat().some((event) => event.kind === 'changed' && event.keys.includes('vote/b'))).toBe(false);
    fourth.close();
    await eventually('the stream ends with the last of them', async () => (await streams()) === before);
  } finally {
    await close();
  }
});

test('news bring what was written along, as soon as it is known whose they are', async () => {
  const { store, store2, close } = await twoClients();
  try {
    const told: Extract<WatchEvent, { kind: 'changed' }>[] = [];
    let isBegun = false;
    const watch = store.watch('', (event) => {
      if (event.kind === 'resync') isBegun = true;
      else told.push(event);
    });
    const hears = async (rev: number) => {
      await eventually(`revision ${rev} is heard`, () => told.some((event) => event.rev === rev));
      return told.find((event) => event.rev === rev);
    };
    await eventually('the stream has begun', () => isBegun);
    await store.get({});
    const first = await store2.txn({
      if: [],
      then: [
        { put: 'vote/a', value: { down: ['é'] } },
        { put: 'beat/a', value: null },
      ],
    });
    const news = await hears(first.rev);
    expect([news?.value?.('vote/a'), news?.value?.('beat/a'), news?.value?.('vote/b')]).toEqual([{ down: ['é'] }, null, undefined]);
    const second = await store2.txn({ if: [], then: [{ del: 'vote/a' }] });
    expect((await hears(second.rev))?.value?.('vote/a')).toBeUndefined();
    await etcd.ctl('put', `/contract/${opened - 1}/vote/c`, 'garbage{');
    const strange = await hears(second.rev + 1);
    expect([strange?.keys, strange?.value?.('vote/c')]).toEqual([['vote/c'], undefined]);
    watch.close();
  } finally {
    await close();
  }
});

test('a large record that a read names crosses the wire once per revision, and every read has it as it is', async () => {
  const { store, store2, close } = await twoClients();
  const sentBytes = () => metric('etcd_network_client_grpc_sent_bytes_total');
  try {
    const text = 'x'.repeat(200_000);
    const read = async () => (await store.get({ keys: ['members', 'small'], prefixes: ['vote/'] })).kvs;
    await store2.txn({
      if: [],
      then: [
        { put: 'members', value: { n: 1, text } },
        { put: 'small', value: 1 },
        { put: 'vote/a', value: 1 },
      ],
    });
    const first = await read();
    const before = await sentBytes();
    for (let i = 0; i < 20; i++) expect(await read()).toEqual(first);
    expect((await sentBytes()) - before).toBeLessThan(text.length);
    // Whatever else changes is seen at once, and so is the record itself: changed, deleted, made anew.
    await store2.txn({ if: [], then: [{ put: 'vote/a', value: 2 }] });
    expect((await read()).map(({ value }) => value)).toEqual([{ n: 1, text }, 1, 2]);
    await store2.txn({ if: [], then: [{ put: 'members', value: { n: 2, text } }] });
    expect((await read())[0]?.value).toEqual({ n: 2, text });
    await store2.txn({ if: [], then: [{ del: 'members' }] });
    expect((await read()).map(({ key }) => key)).toEqual(['small', 'vote/a']);
    await store2.txn({ if: [], then: [{ put: 'members', value: { n: 3, text } }] });
    expect((await read())[0]?.value).toEqual({ n: 3, text });
  } finally {
    await close();
  }
});

test('a history that was compacted away is missed by nobody: watches go on, and one that begins anew is told to look', async () => {
  const { store, store2, restart, close } = await twoClients();
  const told: WatchEvent[] = [];
  const watch = store.watch('', (event) => told.push(event));
  const hears = async (key: string): Promise<void> => {
    await eventually(`a change of ${key}`, async () => {
      await store2.txn({ if: [], then: [{ put: key, value: 1 }] });
      return told.some((event) => event.kind === 'changed' && event.keys.includes(key));
    });
  };
  try {
    await hears('a');
    const { rev } = await store2.get({});
    await etcd.ctl('compact', String(rev));
    await hears('b');
    expect((await store.get({ prefixes: [''] })).kvs.map(({ key }) => key)).toEqual(['a', 'b']);
    const before = told.length;
    await restart();
    await eventually('a resync', () => told.slice(before).some(({ kind }) => kind === 'resync'));
    await hears('c');
  } finally {
    watch.close();
    await close();
  }
});

test('what another program wrote is said once, by its full name, and read around', async () => {
  const log = keptLog();
  const store = openEtcd({ endpoints: etcd.endpoints, prefix: '/strange/', timeoutMs: 20_000, ports, log });
  try {
    await store.txn({ if: [], then: [{ put: 'vote/a', value: 1 }] });
    await etcd.ctl('put', '/strange/vote/b', 'garbage{');
    for (let i = 0; i < 5; i++) expect((await store.get({ prefixes: ['vote/'] })).kvs.map(({ key }) => key)).toEqual(['vote/a']);
    const said = log.lines.filter(({ event }) => event === 'etcd.record');
    expect(said).toMatchObject([{ fields: { record: '/strange/vote/b' } }]);
  } finally {
    await store.close();
  }
});
