// What the instruments read of a machine: processes as Linux tells of them, places, packages; and that what they ask of etcd is what grants.sh gives.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { NotLooked } from '../../src/doctor/check.ts';
import { isForeign, lookAtPackages, ownersOf, placesOf, readersOf } from '../../src/doctor/instruments/host.ts';
import { coreBytesOf, isRootReadOnly, processesOf, servedBy } from '../../src/doctor/instruments/process.ts';
import { grantsOf, others, written } from '../../src/doctor/instruments/store.ts';
import { Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { type Store, StoreDefiniteError, type Txn, type TxnResult } from '../../src/store/store.ts';
import { until } from '../system/until.ts';
import { config, serving } from './fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-host-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the file that a command line serves', () => {
  const node = ['/usr/bin/node', '--no-warnings', '/srv/tidegate/src/main.ts'];
  expect(servedBy([...node, 'serve', '--config', '/etc/t.yaml'], '/')).toBe('/etc/t.yaml');
  expect(servedBy([...node, 'serve', '-c', 't.yaml'], '/etc')).toBe('/etc/t.yaml');
  expect(servedBy(['tidegate', 'serve', '--config=t.yaml'], '/etc')).toBe('/etc/t.yaml');
  expect(servedBy(['node', 'src/main.js', 'serve', '-c', '/t'], '/')).toBe('/t');
  expect(servedBy([...node, 'doctor', '-c', '/etc/t.yaml'], '/')).toBeNull();
  expect(servedBy(['vim', 'serve', '-c', '/etc/t.yaml'], '/')).toBeNull();
});

test('whether the root can be written, and how much a crash may write', () => {
  const line = (point: string, options: string, own: string): string => `29 1 254:1 / ${point} ${options} shared:1 - ext4 /dev/vda1 ${own}`;
  expect(isRootReadOnly(`${line('/', 'rw,relatime', 'rw')}\n${line('/state', 'ro', 'ro')}`)).toBe(false);
  expect(isRootReadOnly(`${line('/', 'rw', 'rw')}\n${line('/', 'ro,nosuid', 'rw')}\n${line('/state', 'rw', 'rw')}`)).toBe(true);
  expect(isRootReadOnly(line('/state', 'ro', 'ro'))).toBeNull();
  const limits = (soft: string): string =>
    `Limit Soft Limit Hard Limit Units\nMax core file size        ${soft}                    unlimited            bytes\n`;
  expect([limits('0'), limits('unlimited'), 'nothing'].map(coreBytesOf)).toEqual([0, Number.POSITIVE_INFINITY, null]);
});

test('a process that serves the file is found, with what opens it; one of another file is not', async () => {
  const main = join(folder, 'main.ts');
  writeFileSync(main, 'setInterval(() => undefined, 1000);');
  const file = join(folder, 'replica.yaml');
  const env = { PATH: process.env.PATH, NODE_OPTIONS: '--no-warnings', API_KEY: 'must-not-be-read', SSLKEYLOGFILE: '/tmp/keys' };
  const child = spawn(process.execPath, [main, 'serve', '--config', 'replica.yaml'], { cwd: folder, env, stdio: 'ignore' });
  try {
    const [found] = await until('it is seen', () => processesOf(file));
    expect(found).toMatchObject({
      pid: child.pid,
      uid: process.geteuid?.(),
      groups: expect.arrayContaining([process.getegid?.()]),
      environment: { NODE_OPTIONS: '--no-warnings', SSLKEYLOGFILE: '/tmp/keys' },
      isRootReadOnly: expect.any(Boolean),
    });
    expect(JSON.stringify(found)).not.toContain('must-not-be-read');
    expect(() => processesOf(join(folder, 'other.yaml'))).toThrow(NotLooked);
  } finally {
    child.kill('SIGKILL');
  }
});

test('files belong to who serves, to root, or to who looks; when root looks and nobody serves it is not known', () => {
  expect(ownersOf([serving({ uid: 990 })], 0)).toEqual(new Set([0, 990]));
  expect(ownersOf([], 1000)).toEqual(new Set([0, 1000]));
  expect(ownersOf([], 0)).toBeNull();
  expect([isForeign(1000, new Set([0, 990])), isForeign(990, new Set([0, 990])), isForeign(1000, null)]).toEqual([true, false, false]);
});

test('secrets are read by who serves; while nobody does by who looks, unless that is root', () => {
  expect(readersOf([serving({ uid: 990, groups: [990, 7] })], { uid: 0, groups: [0] })).toEqual([{ uid: 990, groups: [990, 7] }]);
  expect(readersOf([], { uid: 1000, groups: [1000] })).toEqual([{ uid: 1000, groups: [1000] }]);
  expect(readersOf([], { uid: 0, groups: [0] })).toBeNull();
});

test('places are the file itself and all that a replica keeps', () => {
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('state'), { mode: 0o700 });
  for (const name of ['c.yaml', 'state/s.sqlite', 'state/spool']) writeFileSync(at(name), '', { mode: 0o600 });
  chmodSync(at('c.yaml'), 0o666);
  const looks = placesOf(
    {
      ...config,
      file: at('c.yaml'),
      store: { kind: 'embedded', file: at('state/s.sqlite') },
      record: { folder: at('none'), maxBytes: 1, fileBytes: 1, observations: true },
      paging: { ...config.paging, spoolFile: at('state/spool') },
    },
    new Set([0, process.geteuid?.() ?? 0]),
  );
  expect(looks.map(({ what, mode, isForeign: foreign }) => [what, mode?.toString(8) ?? null, foreign])).toEqual([
    ['the configuration', '666', false],
    ['the folder of the store', '700', false],
    ['the store', '600', false],
    ['the folder of recordings', null, false],
    ['the spool of pages', '600', false],
  ]);
});

test('the manual of etcd lists what grants.sh gives each role', () => {
  const etcd = join(import.meta.dirname, '../../deploy/etcd');
  const roles = ['--coordinator', 'R', '--voter', 'R', '--admin', 'A'];
  const printed = execFileSync('sh', [join(etcd, 'grants.sh'), '--prefix', '/p/', ...roles], { encoding: 'utf8' });
  const granted = (role: string): string[] =>
    [...printed.matchAll(/grant-permission (\S+) readwrite (?:--prefix=true )?\/p\/(\S+)/g)].flatMap(([, to, key = '']) =>
      to === role ? [key === 'audit/0' ? 'audit/' : key] : [],
    );
  const rows = new Map(
    readFileSync(join(etcd, 'README.md'), 'utf8')
      .split('\n')
      .flatMap((line): [string, string[]][] => {
        const cells = line.split('|').map((cell) => cell.trim());
        return /^`(voter-R|coordinator-R|admin)`$/.test(cells[1] ?? '')
          ? [[cells[1]?.slice(1, -1) ?? '', [...(cells[4] ?? '').matchAll(/`([^`]+)`/g)].map(([, key = '']) => key)]]
          : [];
      }),
  );
  expect([...rows.keys()]).toEqual(['voter-R', 'coordinator-R', 'admin']);
  const listed = (role: string): string[] => rows.get(role) ?? [];
  const sorted = (keys: readonly string[]): string[] => [...new Set(keys)].toSorted();
  expect(sorted(listed('voter-R'))).toEqual(sorted(granted('voter-R')));
  expect(sorted([...listed('voter-R'), ...listed('coordinator-R')])).toEqual(sorted(granted('coordinator-R')));
  expect(sorted(listed('admin'))).toEqual(sorted(granted('admin')));
});

test('packages that nobody can compare are not called well', () => {
  expect(() => lookAtPackages(folder)).toThrow(NotLooked);
  expect(lookAtPackages().strange).toEqual([]);
});

test('what a replica writes is what grants.sh gives it, and what it must not write is not', () => {
  const script = join(import.meta.dirname, '../../deploy/etcd/grants.sh');
  const printed = execFileSync('sh', [script, '--prefix', '/p/', '--coordinator', 'eu-west', '--voter', 'witness'], { encoding: 'utf8' });
  const rights = [...printed.matchAll(/grant-permission (\S+) readwrite (--prefix=true )?\/p\/(\S+?)(?: \/p\/(\S+))?$/gm)].map(
    ([, role, prefix, key = '', end]) => ({
      role,
      key,
      may: (asked: string) =>
        prefix !== undefined ? asked.startsWith(key) : end !== undefined ? asked >= key && asked < end : asked === key,
    }),
  );
  expect(rights.length).toBeGreaterThan(20);
  const mayWrite = (role: string, key: string): boolean => rights.some((right) => right.role === role && right.may(key));
  for (const [region, role, coordinates] of [
    ['eu-west', 'coordinator-eu-west', true],
    ['witness', 'voter-witness', false],
  ] as const) {
    const own = { ...config, region, replica: 'a', providers: coordinates ? config.providers : {} };
    expect(written(own, coordinates).filter((key) => !mayWrite(role, key))).toEqual([]);
    // Nor is a grant left untried: one that a cluster lacks, granted by an earlier release, is what an upgrade stumbles over.
    const untried = rights.filter((right) => right.role === role && !written(own, coordinates).some(right.may));
    expect(untried.map(({ key }) => key)).toEqual([]);
    const tried = others(
      ['us-east', 'ap-south'].map((name) => ({ region: name, replica: 'b' })),
      coordinates,
    );
    expect(tried.filter((key) => mayWrite(role, key))).toEqual([]);
    expect(tried).toEqual(expect.arrayContaining(['vote/us-east/b', 'beat/us-east/b', 'vote/ap-south/b', 'beat/ap-south/b']));
    // Whatever else a coordinator may write is tried with who is none.
    if (!coordinates)
      for (const { role: of, key } of rights)
        if (of === 'coordinator-eu-west' && !mayWrite(role, `${key}0`) && !mayWrite(role, key) && !key.includes('eu-west'))
          expect(
            tried.some((each) => each.startsWith(key)),
            key,
          ).toBe(true);
  }
});

test('only what the store refuses for want of a right counts as refused; an error of another kind says nothing of rights', async () => {
  const answers: Record<string, () => Promise<TxnResult>> = {
    may: async () => ({ ok: false, rev: 1, kvs: [] }),
    mayNot: () =>
      Promise.reject(new StoreDefiniteError('permission denied', { cause: new Fault('ERR_STORE_DENIED', 'permission denied') })),
    silent: () => Promise.reject(new StoreDefiniteError('no leader')),
  };
  const store = { txn: ({ if: [first] }: Txn) => answers[first?.key ?? '']?.() } as unknown as Store;
  const grants = await grantsOf(store, realPorts(), Object.keys(answers));
  expect(grants).toEqual([
    { key: 'may', because: null, isDenied: false },
    { key: 'mayNot', because: 'permission denied', isDenied: true },
    { key: 'silent', because: 'no leader', isDenied: false },
  ]);
});
