// `tidegate apply` from the desk of whoever runs it: what it says, what it refuses and why, what it leaves in the store, and with which exit code it ends.
import { chmodSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { KEYS } from '../../src/coordinate/keys.ts';
import { applyMembers, readConfigAudit } from '../../src/coordinate/members.ts';
import { newKeyPair } from '../../src/coordinate/signing.ts';
import { Fault } from '../../src/errors.ts';
import type { Routing } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { type Store, StoreAmbiguousError, StoreDefiniteError, type Txn } from '../../src/store/store.ts';
import { expectFile } from '../config/files.ts';
import { openDesk, section } from './fixture.ts';

const BASE = section();
const TTL = section(['      provider: dns\n', '      provider: dns\n      ttl: 20s\n']);
const REGION = (name: string): string => `    - { name: ${name}, anchors: [tcp://192.0.2.1:53] }\n`;
const FIVE = section([REGION('ap-south'), REGION('ap-south') + REGION('w1') + REGION('w2')]);
/** Times differ from run to run. */
const timeless = (text: string): string => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');

const routing = (route: Readonly<Record<string, number>>): Partial<Routing> => ({
  v: 3,
  services: { 'web.example.test': { fence: 3, sinceAtMs: 0, mode: 'auto', route, because: '', pools: {} } },
});

describe('what it says', () => {
  test('of the first configuration, of a change and of none; each version is one more, with its author', async () => {
    using desk = openDesk();
    const first = await desk.apply(BASE, { reason: 'the first' });
    const change = await desk.apply(TTL, { owner: 'bob', reason: 'faster' });
    const none = await desk.apply(TTL);
    expect([first, change, none].map(({ exit, stderr }) => [exit, stderr])).toEqual([
      [0, ''],
      [0, ''],
      [0, ''],
    ]);
    expectFile('apply-first.txt', first.stdout);
    expectFile('apply-change.txt', timeless(change.stdout));
    expect(none.stdout).toContain('unchanged: fixture stays at version 2, which says the same\n');
    expect((await desk.members())?.services[0]?.ttlS).toBe(20);
    expect(await readConfigAudit(desk.store, 2)).toMatchObject({
      by: 'bob',
      reason: 'faster',
      diff: ['/services/web.example.test/ttl: 30s -> 20s'],
    });
  });

  test('of a change of voters: who voted, who votes, and to wait', async () => {
    using desk = openDesk();
    await desk.apply(BASE);
    const { exit, stdout } = await desk.apply(section([REGION('ap-south'), REGION('ap-south') + REGION('w1')]));
    expect(exit).toBe(0);
    expect(stdout).toContain('Electorates before\n  2 targets of web.example.test\n    3 voters: eu-west, us-east, ap-south\n');
    expect(stdout).toContain(
      'Electorates after\n  2 targets of web.example.test\n    4 voters: eu-west, us-east, ap-south, w1\n    3 must agree;',
    );
    expect(stdout).toContain('applied: fixture is at version 2; wait until every voter reports it before you change voters again\n');
  });

  test('with --json exactly one object on stdout, whatever comes of it', async () => {
    using desk = openDesk();
    const json = { json: true };
    const results = [
      await desk.apply(BASE, json),
      await desk.apply(TTL, { ...json, dryRun: true }),
      await desk.apply(BASE, json),
      await desk.apply(section(['name: fixture', 'name: other']), json),
      await desk.apply(section(['provider: dns', 'ttl: 30']), json),
    ];
    const said = results.map(({ exit, stdout, stderr }) => {
      expect(stderr).toBe('');
      expect(stdout.endsWith('\n') && !stdout.slice(0, -1).includes('\n')).toBe(true);
      const { outcome, version, from, because } = JSON.parse(stdout) as Record<string, unknown>;
      return { exit, outcome, version, from, because: (because as unknown[]).length };
    });
    expect(said).toEqual([
      { exit: 0, outcome: 'applied', version: 1, from: 0, because: 0 },
      { exit: 0, outcome: 'planned', version: 1, from: 1, because: 0 },
      { exit: 0, outcome: 'unchanged', version: 1, from: 1, because: 0 },
      { exit: 78, outcome: 'refused', version: 1, from: 1, because: 1 },
      { exit: 78, outcome: 'not-accepted', version: undefined, from: undefined, because: 2 },
    ]);
  });

  test('warnings of the file, and why the replica at hand would not fit', async () => {
    using desk = openDesk();
    const two = section([REGION('ap-south'), '']);
    const { stdout } = await desk.apply(two);
    expect(stdout).toContain('cluster.yaml: accepted, 2 warnings\n');
    expect(stdout).toContain('cluster.regions: found 2 voters (eu-west, us-east)');
    // It signs, and the cluster has no key of its region.
    expect(stdout).toContain('replica.yaml: this replica would not fit: signing: found a signing key, but no keys of eu-west');
  });

  test('a replica that fits is not mentioned, whose key cannot be read neither; one with a key of another region is', async () => {
    const { privatePem, publicKey } = newKeyPair();
    using desk = openDesk();
    const unfit = async (): Promise<readonly string[]> => {
      const { stdout } = await desk.apply(section(['{ name: eu-west,', `{ name: eu-west, keys: [${publicKey}],`]));
      return stdout.split('\n').filter((line) => line.includes('would not fit'));
    };
    expect(await unfit()).toEqual([]);
    const key = desk.put('signing.pem', privatePem);
    chmodSync(key, 0o600);
    expect(await unfit()).toEqual([]);
    desk.put('signing.pem', newKeyPair().privatePem);
    expect(await unfit()).toEqual([expect.stringContaining('signing.keyFile: found the key of')]);
  });

  test('a whole replica file has its cluster section taken', async () => {
    using desk = openDesk();
    const { exit } = await desk.apply(
      `region: us-east\nreplica: z\napi: { tokenFile: t }\nstore: { kind: embedded, file: s }\nproviders:\n  dns: { kind: builtin, zone: example.test, control: '127.0.0.1:1', tokenFile: t }\n${BASE}`,
    );
    expect(exit).toBe(0);
    expect((await desk.members())?.name).toBe('fixture');
  });
});

describe('what it writes', () => {
  test('nothing with --dry-run, and the same text otherwise', async () => {
    using desk = openDesk();
    const dry = await desk.apply(BASE, { dryRun: true });
    expect(dry.exit).toBe(0);
    expect(await desk.members()).toBeNull();
    expect((await desk.store.get({ prefixes: ['audit/'] })).kvs).toEqual([]);
    const wet = await desk.apply(BASE);
    expect(wet.stdout.replace('applied: fixture is at version 1', 'nothing was written: this would be version 1 of fixture')).toBe(
      dry.stdout,
    );
  });

  test('an older file again: the version rises all the same', async () => {
    using desk = openDesk();
    for (const text of [BASE, TTL, BASE]) expect((await desk.apply(text)).exit).toBe(0);
    expect(await desk.members()).toMatchObject({ version: 3, services: [{ ttlS: 30 }] });
  });

  test('author and reason have defaults that say where the change came from', async () => {
    using desk = openDesk();
    const { exit } = await desk.apply(BASE);
    expect(exit).toBe(0);
    expect((await readConfigAudit(desk.store, 1))?.reason).toBe(`file ${desk.path('cluster.yaml')}`);
  });

  test.each([
    ['owner', 'a\nb'],
    ['owner', ' '],
    ['reason', 'x'.repeat(501)],
  ])('no --%s that is no line of text', async (option, text) => {
    using desk = openDesk();
    await expect(desk.apply(BASE, { [option]: text })).rejects.toSatisfy((error) => error instanceof Fault && error.code === 'ERR_USAGE');
    expect(await desk.members()).toBeNull();
  });
});

describe('what it refuses, with 78, every reason, and nothing written', () => {
  test.each<readonly [string, string, string, readonly string[], Partial<Routing> | null]>([
    ['another cluster', BASE, section(['name: fixture', 'name: staging']), ['cluster.name: found "staging", expected "fixture"'], null],
    ['two new voters at once', BASE, FIVE, ['found 2 changes of the voters at once', '(1) w1 joins, (2) w2 joins'], null],
    ['two voters removed at once', FIVE, BASE, ['(1) w1 leaves, (2) w2 leaves'], null],
    ['an exchange of voters', BASE, section([REGION('ap-south'), REGION('w1')]), ['(1) w1 joins, (2) ap-south leaves'], null],
    ['a vote taken from two', FIVE, FIVE.replaceAll(/name: w(\d)/g, 'name: w$1, vote: false'), ['(1) w1 leaves, (2) w2 leaves'], null],
    ['fewer voters than can decide', BASE, section([REGION('ap-south'), '']), ['found 2 voters left of 3', '--allow-advise-only'], null],
    [
      'a pool that moves to another region',
      BASE,
      section(['        - name: us-east\n', '        - name: us-east\n          region: ap-south\n']),
      ['pools.us-east.region: found region ap-south, expected us-east'],
      null,
    ],
    [
      'the pool that carries all traffic taken away',
      BASE,
      BASE.slice(0, BASE.indexOf('        - name: us-east\n')),
      ['found no pool of the present route (us-east carries all traffic)'],
      routing({ 'eu-west': 0, 'us-east': 1000 }),
    ],
    [
      'all of it at once',
      BASE,
      FIVE.slice(0, FIVE.indexOf('        - name: us-east\n')).replace('name: fixture', 'name: staging'),
      [
        'cluster.name',
        'us-east carries all traffic',
        'found 2 changes of the voters at once',
        'refused for 3 reasons; nothing was written, fixture stays at version 1',
      ],
      routing({ 'eu-west': 0, 'us-east': 1000 }),
    ],
  ])('%s', async (_, before, after, reasons, route) => {
    using desk = openDesk();
    expect((await desk.apply(before)).exit).toBe(0);
    if (route !== null) await desk.store.txn({ if: [], then: [{ put: KEYS.routing, value: route }] });
    const { rev } = await desk.store.get({});
    for (const options of [{}, { dryRun: true }]) {
      const { exit, stdout, stderr } = await desk.apply(after, options);
      expect([exit, stdout]).toEqual([78, '']);
      for (const reason of reasons) expect(stderr).toContain(reason);
    }
    expect((await desk.store.get({})).rev).toBe(rev);
  });

  test('the steps that a refusal names are accepted one after the other', async () => {
    using desk = openDesk();
    await desk.apply(BASE);
    const joined = section([REGION('ap-south'), REGION('ap-south') + REGION('w1')]);
    for (const text of [joined, section([REGION('ap-south'), REGION('w1')])]) expect((await desk.apply(text)).exit).toBe(0);
    expect((await desk.members())?.regions.map(({ name }) => name)).toEqual(['eu-west', 'us-east', 'w1']);
  });

  test('with --allow-advise-only it is meant', async () => {
    using desk = openDesk();
    await desk.apply(BASE);
    const two = section([REGION('ap-south'), '']);
    expect((await desk.apply(two, { allowAdviseOnly: true })).exit).toBe(0);
    expect((await desk.members())?.regions).toHaveLength(2);
  });

  test.each([
    [
      'a broken value',
      section(['      provider: dns\n', '      provider: dns\n      ttl: 30\n']),
      'cluster.yaml:10:12 cluster.services[0].ttl: found 30',
    ],
    ['a broken relation', section(['answers: [192.0.2.20]', 'answers: [192.0.2.10]']), 'found 192.0.2.10 a second time'],
    [
      'goals that cannot be met',
      section(['  services:', '  goals: { detection: 5s }\n  services:']),
      'cluster.goals.detection: found 12.25 s',
    ],
    ['no cluster section', 'cluster:\n', 'cluster.yaml:1:1 cluster: found nothing, expected a map'],
    ['no text at all', '', 'found an empty file'],
  ])('a file with %s', async (_, text, said) => {
    using desk = openDesk();
    const { exit, stdout, stderr } = await desk.apply(text);
    expect([exit, stdout]).toEqual([78, '']);
    expect(stderr).toContain(said);
    expect(stderr).toMatch(/\n\d+ problems?\n$/);
    expect(await desk.members()).toBeNull();
  });

  test('a file that is not there, and a broken file of the replica', async () => {
    using desk = openDesk();
    const absent = await desk.apply(BASE, { file: desk.path('absent.yaml') });
    expect(absent).toMatchObject({ exit: 78, stderr: expect.stringContaining('absent.yaml:1:1: found no readable file') });
    const broken = await desk.apply(BASE, { config: desk.put('broken.yaml', 'region: 1\n') });
    expect(broken).toMatchObject({ exit: 78, stderr: expect.stringContaining('broken.yaml:1:9 region: found 1') });
    expect(await desk.members()).toBeNull();
  });
});

/** The store with something happening before its first transaction. */
const before = (store: Store, happens: (txn: Txn) => Promise<void>): Store => {
  let happened = false;
  return {
    clusterId: store.clusterId,
    get: (query) => store.get(query),
    async txn(txn) {
      if (!happened) {
        happened = true;
        await happens(txn);
      }
      return store.txn(txn);
    },
    watch: (prefix, onEvent) => store.watch(prefix, onEvent),
    close: () => store.close(),
  };
};

describe('who comes second', () => {
  test('is told by whom, sees the changes against what is there now, has written nothing, and ends with 4', async () => {
    using desk = openDesk();
    await desk.apply(BASE);
    const raced = before(desk.store, async () => {
      expect((await desk.apply(section(['name: app', 'name: web']), { owner: 'bob', reason: 'came first' })).exit).toBe(0);
    });
    const { exit, stdout, stderr } = await desk.apply(TTL, { owner: 'alice' }, raced);
    expect([exit, stdout]).toEqual([4, '']);
    expect(timeless(stderr)).toContain('Changes from version 2, applied by bob at TIME: came first\n');
    expect(stderr).toContain(
      '  /services/web.example.test/pools/eu-west/targets/web: removed\n  /services/web.example.test/pools/eu-west/targets/app: added',
    );
    expect(stderr).toContain('overtaken: version 2 was applied while this one was looked at; nothing was written.');
    expect((await desk.members())?.version).toBe(2);
    expect((await desk.apply(TTL)).exit).toBe(0);
    expect((await desk.members())?.version).toBe(3);
  });

  test('with the very same file has nothing left to do', async () => {
    using desk = openDesk();
    await desk.apply(BASE);
    const raced = before(desk.store, async () => void (await desk.apply(TTL, { owner: 'bob' })));
    const { exit, stdout } = await desk.apply(TTL, {}, raced);
    expect(exit).toBe(0);
    expect(stdout).toContain('unchanged: fixture stays at version 2');
  });

  test('to a decision that changes what is safe is refused for that, with 78', async () => {
    using desk = openDesk();
    await desk.apply(BASE);
    const drained = before(desk.store, async () => {
      await desk.store.txn({ if: [], then: [{ put: KEYS.routing, value: routing({ 'eu-west': 0, 'us-east': 1000 }) }] });
    });
    const { exit, stderr } = await desk.apply(BASE.slice(0, BASE.indexOf('        - name: us-east\n')), {}, drained);
    expect(exit).toBe(78);
    expect(stderr).toContain('us-east carries all traffic');
    expect((await desk.members())?.version).toBe(1);
  });

  test('of many at once: each version has one author, and everybody else is told to look again', { timeout: 60_000 }, async () => {
    using desk = openDesk();
    await desk.apply(BASE);
    const ports = realPorts();
    // All have looked before anybody writes.
    let waiting = 0;
    let go: () => void = () => undefined;
    const together = new Promise<void>((resolve) => {
      go = resolve;
    });
    const files = [21, 22, 23, 24, 25];
    const results = await Promise.all(
      files.map(async (ttl) => {
        const gate = before(desk.store, async () => {
          if (++waiting === files.length) go();
          await together;
        });
        const { config, file } = { config: desk.path('replica.yaml'), file: desk.put(`${ttl}.yaml`, TTL.replace('20s', `${ttl}s`)) };
        const { apply } = await import('../../src/command/apply.ts');
        const open = async (): Promise<Store> => ({ ...gate, close: async () => undefined });
        return apply({ config, file, owner: `w${ttl}`, json: true }, { ports, out: () => undefined, err: () => undefined, open });
      }),
    );
    expect(results.toSorted()).toEqual([0, 4, 4, 4, 4]);
    const winner = files[results.indexOf(0)];
    expect(await readConfigAudit(desk.store, 2)).toMatchObject({ by: `w${winner}` });
    expect((await desk.members())?.services[0]?.ttlS).toBe(winner);
    expect((await desk.store.get({ prefixes: ['audit/'] })).kvs).toHaveLength(2);
  });
});

describe('a store in trouble', () => {
  const failing = (store: Store, error: Error, happens = false): Store => ({
    ...before(store, async () => undefined),
    clusterId: store.clusterId,
    txn: async (txn) => {
      if (happens) await store.txn(txn);
      throw error;
    },
  });

  test('a reply that is lost is found: applied, once', async () => {
    using desk = openDesk();
    const { exit, stdout } = await desk.apply(BASE, {}, failing(desk.store, new StoreAmbiguousError('no answer'), true));
    expect(exit).toBe(0);
    expect(stdout).toContain('applied: fixture is at version 1\n');
    expect((await desk.store.get({ prefixes: ['audit/'] })).kvs).toHaveLength(1);
  });

  test('no answer at all: nobody knows, and applying the same again tells', async () => {
    using desk = openDesk();
    const lost = desk.apply(BASE, {}, failing(desk.store, new StoreAmbiguousError('no answer')));
    await expect(lost).rejects.toSatisfy((error) => error instanceof Fault && error.code === 'ERR_UNDECIDED');
    expect((await desk.apply(BASE)).stdout).toContain('applied: fixture is at version 1');
  });

  test('a refusal is certain and thrown on', async () => {
    using desk = openDesk();
    await expect(desk.apply(BASE, {}, failing(desk.store, new StoreDefiniteError('no leader')))).rejects.toThrow(
      'no leader; nothing was written',
    );
  });

  test('credentials that lack a grant are told as such', async () => {
    using desk = openDesk();
    const denied = new StoreDefiniteError('permission denied', { cause: new Fault('ERR_STORE_DENIED', 'permission denied') });
    await expect(desk.apply(BASE, {}, failing(desk.store, denied))).rejects.toSatisfy(
      (error) => error instanceof Fault && error.code === 'ERR_STORE_DENIED' && error.message.endsWith('nothing was written'),
    );
  });

  test('the store is closed whatever happens', async () => {
    using desk = openDesk();
    let closed = 0;
    const open = async (): Promise<Store> => ({
      ...failing(desk.store, new StoreDefiniteError('no leader')),
      close: async () => void closed++,
    });
    const { apply } = await import('../../src/command/apply.ts');
    const given = { config: desk.path('replica.yaml'), file: desk.put('cluster.yaml', BASE) };
    const context = { ports: realPorts(), out: () => undefined, err: () => undefined, open };
    await expect(apply(given, context)).rejects.toThrow('no leader; nothing was written');
    expect(await apply({ ...given, dryRun: true }, context)).toBe(0);
    expect(closed).toBe(2);
  });
});

test('what a replica applied from its own file and what an operator applies share one count', async () => {
  using desk = openDesk();
  await desk.apply(BASE);
  const cluster = (await desk.members()) ?? expect.fail('no members');
  await applyMembers(desk.store, { ...cluster, name: 'own' }, { ports: realPorts(), by: 'eu-west/a', reason: 'site.yaml' });
  expect((await desk.apply(BASE.replace('name: fixture', 'name: own').replace('dns\n', 'dns\n      ttl: 10s\n'))).stdout).toContain(
    'applied by eu-west/a at',
  );
  expect((await desk.members())?.version).toBe(3);
});
