// The gate over two engines of the store; over a real etcd it is in test/system/gate.etcd.test.ts.
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { providerContract } from '../contract/provider.contract.ts';
import { createMemoryStore } from '../memory-store.ts';
import { seededRandom } from '../virtual.ts';
import { gateHarness } from './gate.fixture.ts';

providerContract('gate, store in memory', async () => gateHarness(createMemoryStore({ random: seededRandom('gate') })));
providerContract('gate, embedded store', async () => gateHarness(openEmbedded({ file: ':memory:', ports: realPorts() })));
