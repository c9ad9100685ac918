// `tidegate audit` on a store that real decisions and a real change of configuration have filled: verified, exported, listed, tampered with.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditListOptions, type AuditVerifyOptions, auditExport, auditList, auditVerify } from '../../src/command/audit.ts';
import { auditKey, configAuditKey, journalKey } from '../../src/coordinate/keys.ts';
import { applyMembers } from '../../src/coordinate/members.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import type { Store } from '../../src/store/store.ts';
import { clusterOf, START_WALL_MS, serviceOf, World } from '../world.ts';
import { type Desk, listening, openDesk } from './fixture.ts';

const REGIONS = ['a', 'b', 'c'];
let world: World;
let desk: Desk;
let ports: Ports;

beforeAll(async () => {
  desk = openDesk();
  world = new World({ cluster: clusterOf(REGIONS, [{}]) });
  await world.start();
  await world.run(30_000);
  world.health('b', ['healthz', 'readyz'], 'hang');
  await world.run(60_000);
  ports = { ...realPorts(), clock: { monoMs: () => 0, wallMs: () => START_WALL_MS + world.now() } };
  const wanted = { ...world.cluster, services: [serviceOf(REGIONS, { ttlS: 20 })] };
  const applied = await applyMembers(world.store, wanted, { ports, by: 'ana', reason: 'slower\u001b[2J' });
  expect(applied.outcome).toBe('applied');
});
afterAll(() => desk[Symbol.dispose]());

/** A command on the store of the world, as `seen` shows it. */
const at = (seen: Partial<Store> = {}) => {
  const said = listening();
  const store: Store = {
    clusterId: '',
    get: (query) => world.store.get(query),
    txn: (txn) => world.store.txn(txn),
    watch: (prefix, onEvent) => world.store.watch(prefix, onEvent),
    close: async () => undefined,
    ...seen,
  };
  return { said, context: { ports, out: said.out, err: said.err, open: async () => store } };
};
/** One record other than it is. */
const tampered = (key: string, change: (value: object) => object | null): Partial<Store> => ({
  get: async (query) => {
    const read = await world.store.get(query);
    const kvs = read.kvs.flatMap((kv) => {
      const value = kv.key === key ? change(kv.value as object) : kv.value;
      return value === null ? [] : [{ ...kv, value }];
    });
    return { ...read, kvs };
  },
});
const config = (): string => desk.path('replica.yaml');
const verify = async (options: AuditVerifyOptions, seen: Partial<Store> = {}) => {
  const { said, context } = at(seen);
  const outcome = await auditVerify(options, context).catch((error: unknown) => error);
  return { outcome, ...said };
};
const listed = async (options: Partial<AuditListOptions> = {}) => {
  const { said, context } = at();
  await auditList({ config: config(), ...options }, context);
  return said.stdout;
};

describe('verify', () => {
  test('the store is whole', async () => {
    const { outcome, stdout } = await verify({ config: config() });
    expect(outcome).toBe(0);
    expect(stdout).toMatch(/^decisions {2}\d+ records, 1 to \d+\njournal {4}1 record, 1 to 1\nhead of decisions \d+ [0-9a-f]{64}\n/);
    expect(stdout).toMatch(/the store: whole\n$/);
  });

  test.each<[string, string, (value: object) => object | null, RegExp]>([
    ['a decision', auditKey(1), (v) => ({ ...v, by: 'mallory' }), /audit\/0000000001 is not what 2 was written behind/],
    ['a decision that is gone', auditKey(1), () => null, /1 is missing/],
    ['an entry', journalKey(1), (v) => ({ ...v, by: 'mallory' }), /journal\/0000000001 is not what the head names/],
    ['a configuration', configAuditKey(2), (v) => ({ ...v, by: 'mallory' }), /config-0000000002 is not what the journal's entry 1 saw/],
    ['the head', 'routing', (v) => ({ ...v, auditHash: 'x' }), /is not what the head names/],
  ])('%s', async (_, key, change, because) => {
    const { outcome, stdout } = await verify({ config: config() }, tampered(key, change));
    expect(outcome).toMatchObject({ code: 'ERR_AUDIT', message: expect.stringMatching(because) });
    expect(stdout).toContain('the store: broken in');
  });

  test('nothing named is a mistake of usage', async () => {
    expect((await verify({})).outcome).toMatchObject({ code: 'ERR_USAGE' });
    expect((await verify({ file: desk.path('none') })).outcome).toMatchObject({ code: 'ERR_USAGE' });
  });
});

describe('export', () => {
  const exported = async (name: string, since?: string): Promise<string> => {
    const { context } = at();
    expect(await auditExport({ config: config(), out: desk.path(name), ...(since === undefined ? {} : { since }) }, context)).toBe(0);
    return desk.path(name);
  };

  test('is whole without the store, readable by its owner only, and the same on stdout', async () => {
    const file = await exported('all.ndjson');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await verify({ file })).outcome).toBe(0);
    const { said, context } = at();
    await auditExport({ config: config() }, context);
    expect(said.stdout).toBe(readFileSync(file, 'utf8'));
  });

  test('the newest part of it is whole too', async () => {
    const file = await exported('some.ndjson', '30s');
    const { outcome, stdout } = await verify({ file });
    expect(outcome).toBe(0);
    expect(stdout).toContain('cut at');
  });

  test('one that was cut short or changed is not', async () => {
    const text = readFileSync(await exported('all.ndjson'), 'utf8');
    writeFileSync(desk.path('short.ndjson'), text.slice(0, text.lastIndexOf('{"kind":"end"')));
    expect((await verify({ file: desk.path('short.ndjson') })).outcome).toMatchObject({
      code: 'ERR_AUDIT',
      message: expect.stringContaining('cut short'),
    });
    writeFileSync(desk.path('changed.ndjson'), text.replace('"by":"ana"', '"by":"eve"'));
    expect((await verify({ file: desk.path('changed.ndjson') })).outcome).toMatchObject({ code: 'ERR_AUDIT' });
  });

  test('what was added behind its seal is found', async () => {
    const text = readFileSync(await exported('all.ndjson'), 'utf8');
    const forged = text.split('\n').find((line) => line.startsWith('{"kind":"config"'));
    writeFileSync(desk.path('more.ndjson'), `${text}${forged}\n`);
    const { outcome, stdout } = await verify({ file: desk.path('more.ndjson') });
    expect(outcome).toMatchObject({ code: 'ERR_AUDIT' });
    expect(stdout).toMatch(/comes behind the last one/);
  });

  test.each<[string, string]>([
    ['nothing', ''],
    ['a text', '# A manual\n\nof several lines\n'],
    ['other JSON', '{"kind":"cat"}\n'],
  ])('a file that holds %s is no broken export: it is another file', async (_what, text) => {
    writeFileSync(desk.path('other'), text);
    const { outcome, stdout } = await verify({ file: desk.path('other') });
    expect(outcome).toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining('not one line of it is of an export') });
    expect(stdout).toBe('');
  });

  test('a folder is no export, and is not written over, nor is anything else that is no file', async () => {
    const folder = desk.path('folder');
    mkdirSync(folder);
    expect((await verify({ file: folder })).outcome).toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining('is a folder') });
    const { context } = at();
    const pipe = desk.path('pipe');
    execFileSync('mkfifo', [pipe]);
    for (const out of [folder, pipe])
      await expect(auditExport({ config: config(), out }, context)).rejects.toMatchObject({
        code: 'ERR_USAGE',
        message: expect.stringContaining('is no file'),
      });
    expect(statSync(pipe).isFIFO()).toBe(true);
  });

  test('beside the store: what the store no longer says as the export does', async () => {
    const file = await exported('all.ndjson');
    expect((await verify({ config: config(), file })).outcome).toBe(0);
    const forged = tampered(auditKey(1), (v) => ({ ...v, by: 'mallory' }));
    expect((await verify({ config: config(), file, json: true }, forged)).stdout).toContain(
      'audit/0000000001 is not what the export holds',
    );
  });
});

describe('list', () => {
  test('who did what and what was decided, as a table that no text can rewrite', async () => {
    const text = await listed();
    expect(text).toMatch(/^when +id +kind +by +because\n/);
    expect(text).toMatch(/j1 +config\.applied +ana \(store\) +configuration 2: slower \[2J\n/);
    expect(text).toMatch(/v2 +decision +[abc]\/a \(coordinator\) /);
    expect(text).not.toContain('\u001b');
  });
  test('by kind, by name, by time, as JSON', async () => {
    expect((JSON.parse(await listed({ kind: ['config.applied'], json: true })) as { items: object[] }).items).toMatchObject([
      { id: 'j1', by: 'ana' },
    ]);
    expect(await listed({ by: 'nobody' })).toBe('nothing in that time\n');
    expect(await listed({ since: '1s', kind: ['decision'] })).toBe('nothing in that time\n');
  });
});
