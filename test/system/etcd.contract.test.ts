// The store contract over real etcd: two clients of one member, each test under a prefix of its own.
import { afterAll, beforeAll, vi } from 'vitest';
import { realPorts } from '../../src/ports.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import { restartContract, storeContract } from '../contract/store.contract.ts';
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
