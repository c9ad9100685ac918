// The tarball as its users have it: packed, installed by npm into an empty folder, run by the node it asks for; nothing in it but what runs.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { startReplica } from '../replica-process.ts';
import { freePort, workDir } from '../server.ts';

const ROOT = join(import.meta.dirname, '../../..');
const env = { ...process.env, npm_config_loglevel: 'error', PATH: `${dirname(process.execPath)}:${process.env.PATH}` };

test('npm run pack, npm install, tidegate', { timeout: 600_000 }, async () => {
  const folder = workDir('pack');
  try {
    const packed = execFileSync(process.execPath, [join(ROOT, 'deploy/pack.ts'), '--out', folder], { env, encoding: 'utf8' }).trim();
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(packed).toBe(join(folder, `tidegate-${version}.tgz`));

    const home = join(folder, 'home');
    mkdirSync(home);
    writeFileSync(join(home, 'package.json'), '{ "private": true }');
    execFileSync('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', packed], {
      cwd: home,
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const tidegate = (...args: string[]) =>
      spawnSync(join(home, 'node_modules/.bin/tidegate'), args, { env, encoding: 'utf8', timeout: 60_000 });

    const inside = join(home, 'node_modules/tidegate');
    const files = readdirSync(inside, { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => /(^|\/)test(\/|$)|\.test\.|\.map$|\.ts$/.test(file))).toEqual([]);
    expect(files).toContain('src/store/etcd/etcd.proto');
    const texts = files.filter((file) => file.endsWith('.js')).map((file) => readFileSync(join(inside, file), 'utf8'));
    expect(texts.length).toBeGreaterThan(200);
    for (const text of texts) {
      expect(text).not.toContain(ROOT);
      expect(text).not.toMatch(/^\/\/# sourceMappingURL|(from|import\()\s*['"]\.[^'"]*\.ts['"]/m);
    }
    expect(tidegate('--version')).toMatchObject({ status: 0, stdout: `${version}\n` });
    expect(tidegate('nonsense')).toMatchObject({ status: 2, stderr: expect.stringContaining("unknown command 'nonsense'") });
    expect(tidegate('drain', '--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--break-glass') });

    const [api, store, control, dns] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const example = readFileSync(join(ROOT, 'deploy/examples/local.yaml'), 'utf8').replaceAll('../../.tidegate', folder);
    const text = example
      .replaceAll(':7700', `:${api}`)
      .replaceAll(':7710', `:${store}`)
      .replaceAll(':7720', `:${control}`)
      .replaceAll(':7753', `:${dns}`);
    writeFileSync(join(folder, 'local.yaml'), text);
    expect(tidegate('check', '-c', join(folder, 'local.yaml'))).toMatchObject({ status: 0 });
    const main = join(inside, 'src/main.js');
    const replica = await startReplica({ configFile: join(folder, 'local.yaml'), logFile: join(folder, 'log'), apiPort: api, main });
    try {
      const asked = tidegate('status', '--check', '--endpoint', `http://127.0.0.1:${api}`);
      // The page's modules are JavaScript here, and are named so.
      const page = await (await fetch(`http://127.0.0.1:${api}/`)).text();
      const named = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path = '']) => path);
      expect(named).toContain('/assets/main.js');
      for (const path of named) expect((await fetch(`http://127.0.0.1:${api}${path}`)).status, path).toBe(200);
      // Made small by a thread that begins in the release's own file.
      expect((await fetch(`http://127.0.0.1:${api}/assets/main.js`)).headers.get('sourcemap')).toBe('/assets/main.js.map');
      // One region of three: nothing can be decided, and that is what it says.
      expect(asked).toMatchObject({ status: 3, stdout: expect.stringContaining('1 of 3 vantages speak') });
    } finally {
      await replica.end('SIGTERM');
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
