// The contract over each engine that this repository has.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { connectStore } from '../../src/store/remote.ts';
import { serveStore } from '../../src/store/serve.ts';
import { restartContract, storeContract } from '../contract/store.contract.ts';
import { createMemoryStore } from '../memory-store.ts';

// The machine that runs the tests may be busy.
vi.setConfig({ testTimeout: 60_000 });

const ports = realPorts();

storeContract('embedded, in memory', async () => {
  const store = openEmbedded({ file: ':memory:', ports });
  return { store, store2: store, close: () => store.close() };
});

storeContract('the fake in memory', async () => {
  const store = createMemoryStore({ random: ports.random });
  return { store, store2: store, close: () => store.close() };
});

const inFile = async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tidegate-store-'));
  const open = () => openEmbedded({ file: join(directory, 'store.sqlite'), ports });
  let store = open();
  const restart = async () => {
    await store.close();
    store = open();
    return { store, store2: store };
  };
  const close = async (): Promise<void> => {
    await store.close();
    rmSync(directory, { recursive: true });
  };
  return { store, store2: store, restart, close };
};
storeContract('embedded, in a file', inFile);
restartContract('embedded, in a file', inFile);

storeContract('remote, two clients', async () => {
  const token = 'secret-of-the-contract';
  const embedded = openEmbedded({ file: ':memory:', ports });
  const served = await serveStore({ store: embedded, host: '127.0.0.1', port: 0, token, ports });
  const connect = () => connectStore({ url: `http://127.0.0.1:${served.port}`, token, ports, timeoutMs: 20_000 });
  const [store, store2] = [connect(), connect()];
  const close = async (): Promise<void> => {
    await Promise.all([store.close(), store2.close()]);
    await served.close();
    await embedded.close();
  };
  return { store, store2, close };
});
