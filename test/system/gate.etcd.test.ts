// The gate over a real etcd; and that a whole batch would fit the limits of one that nobody raised.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { recordOf } from '../../providers/gate/convert.ts';
import { gate } from '../../providers/gate/index.ts';
import { realPorts } from '../../src/ports.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import { providerContract } from '../contract/provider.contract.ts';
import { type EtcdCluster, startEtcd } from '../etcd-server.ts';
import { fenceOf, GATE, gateHarness, serviceOf } from '../providers/gate.fixture.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let etcd: EtcdCluster;
let opened = 0;

beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd.close());

const open = () => openEtcd({ endpoints: etcd.endpoints, prefix: `/gate/${opened++}/`, timeoutMs: 20_000, ports: realPorts() });

providerContract('gate, etcd', async () => gateHarness(open()));

test('a full batch of services with long names and many pools is one transaction', async () => {
  const store = open();
  const provider = gate.open(GATE, { store });
  const signal = new AbortController().signal;
  const services = Array.from({ length: gate.can.batchMax }, (_, n) => {
    const { pools, ...service } = serviceOf(`${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.s${n}.test`);
    return { ...service, pools: Array.from({ length: 64 }, (_, p) => ({ ...pools[p % 3]!, pool: `pool-${p}-${'x'.repeat(50)}` })) };
  });
  const records = services.map((desired) => recordOf({ desired, fence: fenceOf(1, desired) }));
  expect(services.length).toBeLessThanOrEqual(128);
  expect(Buffer.byteLength(JSON.stringify(records))).toBeLessThan(1.2 * 1024 * 1024);
  const back = await provider.read(services, signal);
  const changes = services.map((desired) => ({ desired, fence: fenceOf(1, desired), previous: back.get(desired.service)! }));
  expect(await provider.apply(changes, signal)).toEqual({ outcome: 'applied' });
  const read = await provider.read(services, signal);
  for (const { desired, fence } of changes) expect(read.get(desired.service)).toMatchObject({ fence, foreign: [] });
  await store.close();
});
