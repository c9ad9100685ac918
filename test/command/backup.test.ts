// `tidegate backup` on a store of this machine: served, at rest, damaged, missing; and what it leaves behind.

import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { backup } from '../../src/command/backup.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type ServedStore, serveStore } from '../../src/store/serve.ts';
import { listening } from './fixture.ts';

const ports = realPorts();
const EXAMPLE = readFileSync(join(import.meta.dirname, '../../deploy/examples/local.yaml'), 'utf8');
const TOKEN = 'the-token-of-the-store';
let folder = '';
const at = (name: string): string => join(folder, name);

const configure = (store: string): string => {
  const path = at('replica.yaml');
  const section = EXAMPLE.replace(/^store:\n(?: .*\n)+/m, `store: ${store}\n`).replaceAll('../../.tidegate/', './');
  // With etcd the cluster is in the store.
  writeFileSync(path, store.includes('etcd') ? section.slice(0, section.indexOf('cluster:')) : section);
  return path;
};
const run = async (out: string, { store = `{ kind: embedded, file: ./store.sqlite }`, json = false } = {}) => {
  const said = listening();
  const exit = await backup({ config: configure(store), out, json }, { ports, out: said.out, err: said.err });
  return { exit, said: said.stdout };
};
const fill = async (): Promise<ReturnType<typeof openEmbedded>> => {
  const store = openEmbedded({ file: at('store.sqlite'), ports });
  for (let n = 0; n < 50; n++) await store.txn({ if: [], then: [{ put: `k/${n % 10}`, value: { n, text: 'x'.repeat(2000) } }] });
  return store;
};
const contents = async (file: string) => {
  const copy = openEmbedded({ file, ports });
  const { rev, kvs } = await copy.get({ prefixes: ['k/'] });
  const { clusterId } = copy;
  await copy.close();
  return { rev, kvs, clusterId };
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-backup-'));
  writeFileSync(at('store.token'), TOKEN, { mode: 0o600 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a store at rest is copied whole, for its owner alone, with its identity and revision; nothing is left beside it', async () => {
  const store = await fill();
  const { rev, kvs } = await store.get({ prefixes: ['k/'] });
  const { clusterId } = store;
  await store.close();
  const { exit, said } = await run(at('copy.sqlite'), { json: true });
  expect(exit).toBe(0);
  expect(JSON.parse(said)).toEqual({ outcome: 'ok', file: at('copy.sqlite'), revision: rev, bytes: statSync(at('copy.sqlite')).size });
  expect((statSync(at('copy.sqlite')).mode & 0o777).toString(8)).toBe('600');
  expect(readdirSync(folder).filter((name) => name.includes('backup'))).toEqual([]);
  expect(await contents(at('copy.sqlite'))).toEqual({ rev, kvs, clusterId });
});

test('a store that is served is copied of one moment while it is written; whoever has not its token gets nothing', async () => {
  const store = await fill();
  let served: ServedStore | undefined;
  let n = 0;
  let writing = true;
  try {
    served = await serveStore({ store, host: '127.0.0.1', port: 0, token: TOKEN, ports });
    const lent = `{ kind: embedded, file: ./store.sqlite, serve: { listen: '127.0.0.1:${served.port}', tokenFile: ./store.token } }`;
    const busy = (async () => {
      // Both keys always change together.
      while (writing) {
        n++;
        await store.txn({
          if: [],
          then: [
            { put: 'k/one', value: n },
            { put: 'k/two', value: n },
          ],
        });
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await expect(run(at('copy.sqlite'), { store: '{ kind: embedded, file: ./store.sqlite }' })).rejects.toMatchObject({
      code: 'ERR_STORE_LOCKED',
      message: expect.stringContaining('store.serve'),
    });
    const { said } = await run(at('copy.sqlite'), { store: lent });
    expect(said).toMatch(/copy\.sqlite: the store at revision \d+, \d+ bytes, read through and whole/);
    writing = false;
    await busy;
    writeFileSync(at('store.token'), 'another-token-altogether');
    await expect(run(at('second.sqlite'), { store: lent })).rejects.toMatchObject({
      code: 'ERR_UNAUTHORIZED',
      message: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/store.*store\.token is not the one/),
    });
  } finally {
    writing = false;
    await served?.close();
    await store.close();
  }
  const { kvs } = await contents(at('copy.sqlite'));
  const value = (key: string): unknown => kvs.find((kv) => kv.key === key)?.value;
  expect(value('k/one')).toBeTypeOf('number');
  expect(value('k/one')).toBe(value('k/two'));
});

test('while a replica takes its time the command says that it waits', async () => {
  const store = await fill();
  const { promise: heard, resolve: hear } = Promise.withResolvers<void>();
  const said: string[] = [];
  const slow = createServer((_request, response) => {
    void heard.then(() => response.writeHead(503).end(JSON.stringify({ code: 'ERR_STORE_FILE', detail: 'not now', happened: 'no' })));
  });
  try {
    slow.listen(0, '127.0.0.1');
    await once(slow, 'listening');
    const { port } = slow.address() as AddressInfo;
    const lent = `{ kind: embedded, file: ./store.sqlite, serve: { listen: '127.0.0.1:${port}', tokenFile: ./store.token } }`;
    const err = (text: string): void => {
      said.push(text);
      hear();
    };
    await expect(backup({ config: configure(lent), out: at('copy.sqlite') }, { ports, out: () => undefined, err })).rejects.toMatchObject({
      message: expect.stringContaining('not now'),
    });
  } finally {
    slow.close();
    await store.close();
  }
  expect(said).toEqual([expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/store\/v1\/copy: waiting for the copy, for 120 s at most\n$/)]);
});

test('it goes over no file, makes no store where there is none, and says what a damaged one is', async () => {
  await expect(run(at('copy.sqlite'))).rejects.toMatchObject({
    code: 'ERR_STORE_FILE',
    message: expect.stringContaining('no store to copy'),
  });
  expect(readdirSync(folder)).not.toContain('store.sqlite');
  await (await fill()).close();
  writeFileSync(at('older.sqlite'), 'an older copy');
  await expect(run(at('older.sqlite'))).rejects.toMatchObject({ message: expect.stringContaining('goes over none') });
  expect(readFileSync(at('older.sqlite'), 'utf8')).toBe('an older copy');
  await expect(run(join(folder, 'none', 'copy.sqlite'))).rejects.toMatchObject({ message: expect.stringContaining('make it first') });
  expect(readdirSync(folder).filter((name) => name.includes('backup'))).toEqual([]);
  writeFileSync(at('store.sqlite'), 'no database at all, and long enough to be looked at');
  chmodSync(at('store.sqlite'), 0o600);
  await expect(run(at('copy.sqlite'))).rejects.toMatchObject({ message: expect.stringContaining('not a SQLite file') });
  expect(readdirSync(folder)).not.toContain('copy.sqlite');
});

test('a store of another kind names what copies it', async () => {
  const etcd = "{ kind: etcd, endpoints: ['http://127.0.0.1:1'] }";
  await expect(run(at('copy.sqlite'), { store: etcd })).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringContaining('etcdctl snapshot save'),
  });
});
