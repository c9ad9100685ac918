// What the page is made of: the table of its files, how each is answered, what the browser is allowed, and how many bytes all of it may be.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Asset, assetOf, moduleText, openAssets } from '../../src/dashboard/assets.ts';
import { shrinker } from '../../src/dashboard/shrink.ts';
import { type Opened, openApi } from '../api/fixture.ts';

const PAGE = join(import.meta.dirname, '../../src/dashboard/page');
/** Of all that an open of the page fetches. */
const BUDGET_BYTES = 100_000;
/** Of what has to be there until it stands. */
const FIRST_BYTES = 50_000;
/** Made once for all that is asked of them here. */
const ASSETS = openAssets();

let api: Opened;
beforeAll(() => {
  api = openApi();
});
afterAll(() => api.close());

const get = (url: string, headers: Record<string, string> = {}) => api.app.inject({ url, headers });
const page = async () => (await get('/')).body;

describe('the table of files', () => {
  test('has every module, style and image of the page, and what they import of others; nothing else', () => {
    const own = readdirSync(PAGE, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(ts|css|svg)$/.test(name));
    const vendor = ['preact.js', 'preact-hooks.js', 'signals.js', 'signals-core.js', 'htm.js', 'uplot.js'];
    expect([...ASSETS.files.keys()].toSorted()).toEqual([...own, ...vendor.map((name) => `vendor/${name}`)].toSorted());
  });

  test('is all that can be asked for: no way of writing a path leads out of it', async () => {
    const outside = [
      '../assets.ts',
      '..%2fassets.ts',
      '%2e%2e/assets.ts',
      '/etc/passwd',
      'index.html',
      'tsconfig.json',
      'vendor%2f..%2fmain.ts',
      'main.ts%00',
      '__proto__',
      'constructor',
      '',
    ];
    for (const path of outside) {
      const reply = await get(`/assets/${path}`);
      expect(reply.statusCode, path).toBe(404);
      expect(reply.json().code, path).toBe('ERR_NOT_FOUND');
    }
  });

  test('modules are JavaScript without types, comments and names that only Node knows', async () => {
    for (const [name, asset] of ASSETS.files) {
      const text = (await asset.made()).plain.toString();
      if (name.endsWith('.ts')) expect(text, name).not.toMatch(/^\s*(\/\/|\/\*|import type)/m);
      expect(text, name).not.toContain('sourceMappingURL');
      if (!/\.(ts|js)$/.test(name)) continue;
      const { imports } = JSON.parse(/importmap">(.*?)<\/script>/.exec(await page())?.[1] ?? '') as { imports: Record<string, string> };
      for (const [, specifier = ''] of text.matchAll(/(?:^|[;}\n])(?:import|export)[^'"();]*?from\s*["']([^"']+)["']/g))
        if (specifier.startsWith('.'))
          expect((await get(new URL(specifier, `http://x/assets/${name}`).pathname)).statusCode, specifier).toBe(200);
        else expect(imports[specifier], `${name} imports ${specifier}`).toBeDefined();
    }
  });

  test('a process that strips types says nothing of it on stderr', () => {
    const assets = JSON.stringify(join(import.meta.dirname, '../../src/dashboard/assets.ts'));
    const program = `for (const file of (await import(${assets})).openAssets().files.values()) await file.made(); console.log('made')`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    expect([stdout, stderr]).toEqual(['made\n', '']);
  });
});

describe('a release that is not whole', () => {
  test.each([
    ['index.html', 'index.html'],
    ['live.ts', 'live.ts, which main.ts imports, is missing'],
    ['panels/runs.ts', 'panels/runs.ts, which main.ts imports, is missing'],
  ])('without %s is told as such, and not as an address that is taken', (file, says) => {
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-page-'));
    try {
      cpSync(PAGE, folder, { recursive: true });
      rmSync(join(folder, file));
      let fault: unknown;
      try {
        openAssets(folder);
      } catch (error) {
        fault = error;
      }
      expect(fault).toMatchObject({ code: 'ERR_INSTALL', message: expect.stringContaining(says) });
      expect((fault as Error).message).toContain('install the same release again');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a file that could not be made once is made when it is next asked for', async () => {
    let tries = 0;
    const asset = assetOf('text/css', () => {
      tries += 1;
      if (tries === 1) throw new Error('out of memory');
      return 'a{}';
    });
    await expect(asset.made()).rejects.toThrow('out of memory');
    expect((await asset.made()).plain.toString()).toBe('a{}');
    expect([await asset.made(), tries]).toEqual([await asset.made(), 2]);
  });
});

describe('a file', () => {
  test('is sent zipped to those who take it, with a strong tag, and not again to who has it', async () => {
    const plain = await get('/assets/style.css');
    const zipped = await get('/assets/style.css', { 'accept-encoding': 'gzip, br' });
    expect(plain.headers).toMatchObject({
      'content-type': 'text/css; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      vary: 'accept-encoding',
    });
    expect(zipped.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(zipped.rawPayload).toString()).toBe(plain.body);
    for (const { headers } of [plain, zipped]) expect(headers.etag).toMatch(/^"[\w-]+"$/);
    expect(plain.headers.etag).not.toBe(zipped.headers.etag);
    for (const tag of [plain.headers.etag, zipped.headers.etag, `"other", ${plain.headers.etag}`, `W/${plain.headers.etag}`, '*']) {
      const again = await get('/assets/style.css', { 'if-none-match': String(tag) });
      expect([again.statusCode, again.body], String(tag)).toEqual([304, '']);
    }
    expect((await get('/assets/style.css', { 'if-none-match': '"other"' })).statusCode).toBe(200);
  });

  test('answers HEAD as GET, without the body, and takes nothing else', async () => {
    for (const url of ['/', '/assets/style.css']) {
      const [head, whole] = [await api.app.inject({ method: 'HEAD', url }), await get(url)];
      expect([head.statusCode, head.body]).toEqual([200, '']);
      expect(head.headers['content-length']).toBe(whole.headers['content-length']);
      const post = await api.app.inject({ method: 'POST', url });
      expect([post.statusCode, post.headers.allow]).toEqual([405, 'GET, HEAD']);
    }
  });
});

describe('modules are made small', () => {
  test('in another thread: who probes on this one is not kept from it', async () => {
    const { files } = openAssets();
    const before = process.threadCpuUsage();
    await Promise.all([...files.values()].map((file) => file.made()));
    const { user, system } = process.threadCpuUsage(before);
    console.log(`made in this thread: ${Math.round((user + system) / 1000)} ms of CPU for ${files.size} files`);
    // All of it takes about a second.
    expect((user + system) / 1000).toBeLessThan(300);
  });

  test('and what they were stands in the source map, which only who looks for it fetches', async () => {
    const module = await get('/assets/words.ts');
    const source = readFileSync(join(PAGE, 'words.ts'), 'utf8');
    expect(module.body.length).toBeLessThan(source.length / 2);
    expect(module.headers.sourcemap).toBe('/assets/words.ts.map');
    expect(module.body).not.toContain('sourceMappingURL');
    const reply = await get(String(module.headers.sourcemap));
    const map = JSON.parse(gunzipSync(reply.rawPayload).toString()) as { sources: string[]; sourcesContent: string[]; mappings: string };
    expect([reply.headers['content-encoding'], map.sources, map.sourcesContent]).toEqual(['gzip', ['words.ts'], [source]]);
    expect(map.mappings.split(';').length).toBeGreaterThan(10);
    for (const none of ['/assets/style.css.map', '/assets/none.ts.map', '/assets/.map'])
      expect((await get(none)).statusCode, none).toBe(404);
  });

  test('where no thread can be had they are served all the same, without their types', async () => {
    const none = () => Promise.reject(new Error('no thread can be had'));
    expect(await moduleText('words.ts', 'export const one: number = 1;', none)).toEqual({
      code: 'export const one         = 1;',
      map: null,
    });
    expect(await moduleText('words.js', 'export const one = 1;', none)).toEqual({ code: 'export const one = 1;', map: null });
  });

  test('a module that is none is told as such, and the next one is made', async () => {
    const shrink = shrinker();
    const [bad, good] = await Promise.allSettled([
      shrink('bad.ts', 'export const = 1;'),
      shrink('good.ts', 'export const long = (number: number) => number;'),
    ]);
    expect(bad).toMatchObject({ status: 'rejected' });
    expect(good).toMatchObject({ status: 'fulfilled', value: { code: expect.stringMatching(/^export const long=(\w)=>\1\n?$/) } });
  });
});

describe('the page', () => {
  test('lets the browser run what we serve, and nothing else', async () => {
    const { headers, body } = await get('/', { accept: 'text/html' });
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    const policy = String(headers['content-security-policy']);
    const [, map = ''] = /<script type="importmap">(.*?)<\/script>/s.exec(body) ?? [];
    expect(policy).toContain(`script-src 'self' 'sha256-${createHash('sha256').update(map).digest('base64')}'`);
    for (const directive of [
      "default-src 'none'",
      "style-src 'self'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ])
      expect(policy).toContain(directive);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(headers['cross-origin-opener-policy']).toBe('same-origin');
    expect(headers['permissions-policy']).toContain('camera=()');
    // Nothing but the import map is written into it.
    expect([...body.matchAll(/<script(?![^>]*\bsrc=)/g)].length).toBe(1);
    expect(body).not.toMatch(/<style|\sstyle=|\son\w+=|https?:\/\//);
    const others = await get('/healthz');
    expect(others.headers['content-security-policy']).toBe("default-src 'none'; frame-ancestors 'none'");
  });

  const preloaded = async (): Promise<readonly string[]> =>
    [...(await page()).matchAll(/rel="modulepreload" href="\/assets\/([^"]+)"/g)].map(([, name = '']) => name);

  test('names every module that its first one needs before that one runs, and only files that are there', async () => {
    const body = await page();
    const names = await preloaded();
    expect(names).toEqual(expect.arrayContaining(['main.ts', 'live.ts', 'panels/state.ts', 'vendor/preact.js', 'vendor/signals-core.js']));
    expect(names.filter((name) => /uplot|what-if|panels\/records/.test(name))).toEqual([]);
    expect(body.indexOf('importmap')).toBeLessThan(body.indexOf('modulepreload'));
    for (const [, url = ''] of body.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) expect((await get(url)).statusCode, url).toBe(200);
  });

  test(`comes with less than ${BUDGET_BYTES / 1000} kB, zipped, all that follows included, and stands with less than ${FIRST_BYTES / 1000}`, async () => {
    const { page: html, files } = ASSETS;
    const sizeOf = async (assets: readonly (Asset | undefined)[]): Promise<number> =>
      (await Promise.all(assets.map(async (asset) => (await asset?.made())?.zipped.length ?? 0))).reduce((a, b) => a + b, 0);
    const first = ['style.css', 'icon.svg', ...(await preloaded())];
    const [sum, all] = [await sizeOf([html, ...first.map((name) => files.get(name))]), await sizeOf([html, ...files.values()])];
    console.log(
      `the page: ${first.length + 1} files, ${(sum / 1000).toFixed(1)} kB zipped until it stands; ${files.size + 1}, ${(all / 1000).toFixed(1)} kB with all that follows`,
    );
    expect(all).toBeLessThan(BUDGET_BYTES);
    expect(sum).toBeLessThan(FIRST_BYTES);
  });
});
