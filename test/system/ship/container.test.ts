// The image, without an engine: the Dockerfile's own lines played in clean directories by nobody in particular, and what comes out run as an engine runs it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { until } from '../until.ts';
import { buildImage, type Container, filesIn, type Image, type RunOptions, runContainer } from './engine.ts';
import { playCompose } from './play.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** docker stop's own. */
const GRACE_MS = 10_000;
/** Of a whole test, on a machine that is busy with other things. */
const PATIENT_MS = 120_000;

interface Manifest {
  version: string;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
}
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;

let folder = '';
let image: Image;
const running = new Set<Container>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-image-'));
  execFileSync('chmod', ['755', folder]);
  image = buildImage(ROOT, folder);
}, 300_000);
afterEach(async () => {
  for (const container of running) await container.kill();
  running.clear();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }), PATIENT_MS);

/** `etc`: content of /etc/tidegate. */
const run = async (
  options: RunOptions & { etc?: Readonly<Record<string, string>> } = {},
): Promise<Container & { place: string; state: string }> => {
  const place = mkdtempSync(join(folder, 'run-'));
  const [etc, state] = [join(place, 'etc'), join(place, 'state')];
  mkdirSync(etc, { mode: 0o755 });
  execFileSync('cp', ['-a', join(image.root, 'var/lib/tidegate'), state]);
  execFileSync('chmod', ['755', place]);
  for (const [name, text] of Object.entries(options.etc ?? { 'replica.yaml': CONFIG })) writeFileSync(join(etc, name), text);
  const container = await runContainer(image, { ...options, reads: { '/etc/tidegate': etc }, writes: { '/var/lib/tidegate': state } });
  running.add(container);
  return { ...container, place, state };
};
const ends = async (command: readonly string[], etc?: Readonly<Record<string, string>>) => {
  const container = await run({ command, ...(etc === undefined ? {} : { etc }) });
  return { ...(await container.ended), stdout: container.stdout(), stderr: container.stderr() };
};
const logs = (container: Container, event: string): boolean => container.stdout().includes(`"event":"${event}"`);

/** Everything a replica can write, written: store, token, spool, recording, gate, zone. */
const CONFIG = `region: eu-west
replica: a
api: { listen: 0.0.0.0:7700, tokenFile: /var/lib/tidegate/operator.token }
store: { kind: embedded, file: /var/lib/tidegate/store.sqlite }
gate: { listen: 127.0.0.1:7730, file: /var/lib/tidegate/gate.json }
record: { folder: /var/lib/tidegate/record }
paging: { channels: [], spoolFile: /var/lib/tidegate/spool.jsonl }
providers:
  local:
    kind: builtin
    zone: example.test
    control: 127.0.0.1:7720
    tokenFile: /var/lib/tidegate/dns.token
    serve: { dns: 127.0.0.1:7753 }
cluster:
  name: one
  regions: [{ name: eu-west, anchors: [tcp://127.0.0.1:7753] }, { name: us-east }, { name: ap-south }]
  services:
    - name: web.example.test
      mode: auto
      provider: local
      ttl: 10s
      pools:
        - { name: eu-west, weight: 1, answers: [127.0.1.1], targets: [{ name: app, healthz: http://127.0.0.1:7700/healthz, readyz: http://127.0.0.1:7700/readyz }] }
        - { name: us-east, weight: 1, answers: [127.0.1.2], targets: [{ name: app, healthz: http://127.0.0.1:9/healthz, readyz: http://127.0.0.1:9/readyz }] }
      converge: { authoritative: [127.0.0.1:7753] }
`;

test(
  'holds what runs and nothing else',
  () => {
    const files = filesIn(image, '/app');
    const packages = (name: string): boolean => existsSync(join(image.root, 'app/node_modules', name));
    expect(Object.keys(manifest.dependencies).filter((name) => !packages(name))).toEqual([]);
    expect(Object.keys(manifest.optionalDependencies).filter(packages)).toEqual([]);
    // What others need of them may be there; none is there because a developer needs it.
    const { packages: locked } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { dev?: boolean; optional?: boolean }>;
    };
    const unwanted = Object.entries(locked).flatMap(([path, { dev, optional }]) => (dev === true || optional === true ? [path] : []));
    expect(unwanted.length).toBeGreaterThan(Object.keys(manifest.devDependencies).length);
    expect(unwanted.filter((path) => existsSync(join(image.root, 'app', path)))).toEqual([]);
    // The bill of materials says neither more nor less than what is there.
    const bom = JSON.parse(execFileSync(process.execPath, [join(ROOT, 'deploy/sbom.ts')], { encoding: 'utf8' })) as {
      components: readonly { name: string; version: string }[];
    };
    const there = files.filter((path) => /(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path));
    const named = there.map((path) => {
      const { name, version } = JSON.parse(readFileSync(join(image.root, 'app', path), 'utf8')) as { name: string; version: string };
      return `${name}@${version}`;
    });
    expect([...new Set(named)].sort()).toEqual([...new Set(bom.components.map(({ name, version }) => `${name}@${version}`))].sort());
    // One Node, ours.
    const nodes = execFileSync('find', [image.root, '-xdev', '-type', 'f', '-name', 'node', '-size', '+10M'], { encoding: 'utf8' });
    expect(nodes.trim()).toBe(join(image.root, 'nodejs/bin/node'));
    expect(files.filter((path) => /\.(node|so|map)$|\.d\.[mc]?ts$/.test(path))).toEqual([]);
    const ours = files.filter((path) => !path.startsWith('node_modules/'));
    expect([...new Set(ours.map((path) => path.split('/')[0]))].sort()).toEqual([
      'LICENSE',
      'package.json',
      'policies',
      'providers',
      'src',
    ]);
    expect(ours.filter((path) => /(^|\/)(\.git|test|deploy)(\/|$)|\.md$|\.test\.ts$/.test(path))).toEqual([]);
    const written = ['src', 'providers', 'policies'].flatMap((room) =>
      readdirSync(join(ROOT, room), { recursive: true, withFileTypes: true }).flatMap((entry) =>
        entry.isFile() ? [relative(ROOT, join(entry.parentPath, entry.name))] : [],
      ),
    );
    expect(written.filter((path) => !path.endsWith('.md') && !ours.includes(path))).toEqual([]);
    // No shell, no package manager, nothing to fetch or unpack with; and nothing of it belongs to who runs in it.
    expect(readdirSync(join(image.root, 'nodejs/bin'))).toEqual(['node']);
    expect(['bin', 'usr/bin', 'usr/local'].filter((path) => existsSync(join(image.root, path)))).toEqual([]);
    const owned = ['-xdev', '(', '-uid', String(image.user.uid), '-o', '-perm', '-002', ')', '!', '-type', 'l'];
    expect(execFileSync('find', [join(image.root), ...owned], { encoding: 'utf8' }).trim()).toBe(join(image.root, 'var/lib/tidegate'));
    const kib = Number(execFileSync('du', ['-sk', join(image.root, 'app')], { encoding: 'utf8' }).split('\t')[0]);
    process.stderr.write(`size of /app: ${Math.round(kib / 1024)} MiB in ${files.length} files\n`);
    expect(kib).toBeLessThan(250 * 1024);
  },
  PATIENT_MS,
);

test(
  'every dependency and every module loads there, and every file of the page is made there',
  async () => {
    const names = Object.keys(manifest.dependencies);
    const isForBrowsers = (path: string): boolean => path.startsWith('src/dashboard/page/');
    const modules = filesIn(image, '/app').filter(
      (path) => /^(src|providers|policies)\/.*\.ts$/.test(path) && path !== 'src/main.ts' && !isForBrowsers(path),
    );
    const script = `process.chdir('/app');
    for (const name of ${JSON.stringify(names)}) await import(import.meta.resolve(name, 'file:///app/src/main.ts'));
    for (const path of ${JSON.stringify(modules)}) await import('file:///app/' + path);
    const { files } = (await import('file:///app/src/dashboard/assets.ts')).openAssets();
    for (const file of files.values()) await file.made();
    process.stdout.write('all ' + process.version); process.exit(0);`;
    const other = { ...image, entrypoint: ['/nodejs/bin/node', '--experimental-import-meta-resolve', '--input-type=module', '--eval'] };
    const container = await runContainer(other, { command: [script] });
    const { code } = await container.ended;
    expect(`${container.stderr()}${code}`).toBe('0');
    expect(container.stdout()).toMatch(/^all v26\./);
  },
  PATIENT_MS,
);

test(
  'commands are its arguments; it is nobody, and can write nothing but its state',
  async () => {
    expect(await ends(['--version'])).toMatchObject({ code: 0, stdout: `${manifest.version}\n` });
    expect(await ends(['check', '--config', 'replica.yaml'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('web.example.test'),
    });
    expect(await ends(['check', '--config', 'replica.yaml'], { 'replica.yaml': 'region: 7\n' })).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('replica.yaml:1:'),
    });
    const key = await run({ command: ['keygen', '--out', '/var/lib/tidegate/signing.pem'] });
    expect(await key.ended).toMatchObject({ code: 0 });
    expect(readFileSync(join(key.state, 'signing.pem'), 'utf8')).toContain('PRIVATE KEY');
    expect((await ends(['keygen', '--out', '/etc/tidegate/signing.pem'])).stderr).toContain('EROFS');
    expect((await ends(['keygen', '--out', '/tmp/signing.pem'])).stderr).toContain('EROFS');
  },
  PATIENT_MS,
);

test(
  'serves, is found well and ill as it is, writes only its state, leaves no process behind, and stops when told',
  async () => {
    const container = await run();
    await until('it to serve', () => logs(container, 'serving'));
    const healthy = await container.exec(image.health.words);
    expect(healthy).toEqual({ code: 0, said: '127.0.0.1:7700 answers\n' });
    await until('a decision', () => container.stdout().includes('"event":"decision"'));
    await until(
      'a recording',
      () => existsSync(join(container.state, 'record')) && readdirSync(join(container.state, 'record')).length > 0,
    );
    expect(container.stdout()).not.toMatch(/EROFS|EACCES|EPERM/);
    const status = readFileSync(`/proc/${container.pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\s65532\s65532\s65532\s65532$/m);
    expect(status).toMatch(/^CapEff:\s0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s1$/m);
    expect(status).toMatch(/^NSpid:\s\d+(\s\d+)*\s1$/m);
    // A program that is process 1 has to bury its children: this one has none, living or dead.
    expect(readFileSync(`/proc/${container.pid}/task/${container.pid}/children`, 'utf8')).toBe('');
    const opened = execFileSync('sh', ['-c', `readlink /proc/${container.pid}/fd/* | grep '^/' | grep -v '^/dev/'`], { encoding: 'utf8' });
    const files = opened
      .trim()
      .split('\n')
      .map((path) => path.replace(/^.*(?=\/var\/lib\/tidegate)/, ''));
    expect(
      files.filter((path) => !path.includes('/run-') && !path.includes('/root/dev/') && !path.startsWith('/var/lib/tidegate/')),
    ).toEqual([]);

    process.kill(container.pid, 'SIGSTOP');
    expect(await container.exec(image.health.words)).toMatchObject({ code: 1, said: expect.stringContaining('no answer within 4000 ms') });
    process.kill(container.pid, 'SIGCONT');
    expect(await container.exec(image.health.words)).toMatchObject({ code: 0 });

    const { code, signal, tookMs } = await container.stop(GRACE_MS);
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(tookMs).toBeLessThan(6000);
    expect(logs(container, 'stopped')).toBe(true);
    const peakKib = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]);
    process.stderr.write(`stopped in ${Math.round(tookMs)} ms; at most ${Math.round(peakKib / 1024)} MiB resident\n`);
    expect(container.stderr()).toBe('');
    expect(readdirSync(container.state)).toEqual(expect.arrayContaining(['dns.token', 'operator.token', 'record', 'store.sqlite']));
  },
  PATIENT_MS,
);

test(
  'a health check of nothing fails, and one whose limits are shorter than its own patience does not exist',
  async () => {
    const container = await run({ etc: { 'replica.yaml': 'region: 7\n' } });
    expect(await container.ended).toMatchObject({ code: 78 });
    expect(await ends([...image.health.words.slice(image.entrypoint.length)])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ECONNREFUSED'),
    });
    expect(image.health.options).toMatchObject({ interval: '30s', timeout: '5s' });
  },
  PATIENT_MS,
);

test(
  'told to stop before it listens to anybody, it is killed when its grace is over, and the next one starts from what is there',
  async () => {
    // The kernel keeps signals from a process 1 that has no handler yet; `docker run --init` puts one in front, and compose.yaml does.
    const first = await run();
    expect((await first.stop(3000)).tookMs).toBeGreaterThan(2900);
    const next = await runContainer(image, {
      reads: { '/etc/tidegate': join(first.place, 'etc') },
      writes: { '/var/lib/tidegate': first.state },
    });
    running.add(next);
    await until('it to serve', () => logs(next, 'serving'));
    expect(await next.stop(GRACE_MS)).toMatchObject({ code: 0, signal: null });
  },
  PATIENT_MS,
);

test('the compose file plays: three regions come up from its own lines, are applied, and when one dies its address leaves the DNS', async () => {
  const place = mkdtempSync(join(folder, 'compose-'));
  execFileSync('chmod', ['755', place]);
  const play = playCompose(ROOT, place, image, `${process.execPath} ${join(ROOT, 'src/main.ts')}`);
  const REGIONS = ['eu-west', 'us-east', 'ap-south'];
  const all = (...kinds: readonly string[]): readonly string[] => kinds.flatMap((kind) => REGIONS.map((region) => `${kind}-${region}`));
  const addresses = async (): Promise<readonly string[]> =>
    (await play.exec('dns', 'dig', '+short', '@127.0.0.1', 'web.example.test')).said.trim().split('\n').sort();
  try {
    await play.up(...all('etcd', 'redis', 'app'), 'dns');
    await play.up(...all('tidegate'));
    expect(await play.run('apply')).toMatchObject({ code: 0 });
    const upAtMs = performance.now();
    await until('all three to be served', async () => (await addresses()).join(' ') === '10.88.0.10 10.88.0.20 10.88.0.30', PATIENT_MS);
    // Who is on call finds out how it stands, without a token.
    await until(
      'status to find nothing wrong',
      async () => (await play.exec('tidegate-eu-west', ...image.entrypoint, 'status')).code === 0,
    );
    expect((await play.exec('redis-eu-west', 'redis-cli', 'ping')).said).toContain('NOAUTH');
    const diedAtMs = performance.now();
    await play.kill('app-ap-south', 'etcd-ap-south', 'redis-ap-south', 'tidegate-ap-south');
    await until('the dead region to have left', async () => (await addresses()).join(' ') === '10.88.0.10 10.88.0.20', PATIENT_MS);
    const ms = (from: number, to: number): string => `${Math.round((to - from) / 100) / 10} s`;
    process.stderr.write(`served after ${ms(upAtMs, diedAtMs)}; the dead region left after ${ms(diedAtMs, performance.now())}\n`);
    const peaks = ['tidegate-eu-west', 'etcd-eu-west', 'redis-eu-west', 'app-eu-west', 'dns'].map((name) => {
      const peakKib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${play.container(name).pid}/status`, 'utf8'))?.[1];
      return `${name} ${Math.round(Number(peakKib) / 1024)}`;
    });
    process.stderr.write(`MiB resident at most: ${peaks.join(', ')}\n`);
    for (const region of ['eu-west', 'us-east']) {
      const logOf = play.container(`tidegate-${region}`).stdout();
      expect(logOf).not.toMatch(/EROFS|EPERM|EACCES|ERR_SECRET|NOAUTH|WRONGPASS/);
    }
    expect(await play.container('tidegate-eu-west').stop(GRACE_MS)).toMatchObject({ code: 0, signal: null });
  } catch (error) {
    for (const name of ['tidegate-eu-west', 'dns', 'etcd-eu-west'])
      try {
        process.stderr.write(`${name}: ${play.container(name).stdout().slice(-3000)}${play.container(name).stderr().slice(-1500)}\n`);
      } catch {
        // It was not started yet.
      }
    throw error;
  } finally {
    await play.close();
  }
}, 600_000);
