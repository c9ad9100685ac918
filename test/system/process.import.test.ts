// The first hour with Tidegate as it is typed: the zone of a real BIND is imported, the file accepted, what would be written and what is owned said, by the
// program itself; and the server, asked before and after, is as it was.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBind } from './bind.ts';
import { workDir } from './server.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const PATIENCE = { timeout: 120_000 };

interface Ran {
  code: number | null;
  out: string;
  err: string;
}

const tidegate = (cwd: string, ...args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], { cwd }, (_error, out, err) => resolve({ code: child.exitCode, out, err }));
  });

test('import, check, own and plan on a zone of BIND; nothing there changes', PATIENCE, async () => {
  await using bind = await startBind({
    records: [
      'web 30 A 192.0.2.10',
      'web 30 A 192.0.2.20',
      'www CNAME web',
      'api 60 A 192.0.2.10',
      'api 60 A 192.0.2.20',
      'api 60 AAAA 2001:db8::20',
    ],
  });
  const folder = workDir('import');
  try {
    writeFileSync(join(folder, 'dns.key'), `${bind.key.secret}\n`, { mode: 0o600 });
    const before = await bind.records();

    const server = `${bind.host}:${bind.port}`;
    const importing = ['import', 'zonefile', '--zone-file', join(bind.dir, 'zone'), '--origin', bind.zone, '--server', server];
    const imported = await tidegate(folder, ...importing, '--key', bind.key.name, '--key-file', 'dns.key', '--out', 'tidegate.yaml');
    expect(imported, imported.err).toMatchObject({ code: 0 });
    expect(imported.out).toContain('  web.tide.test: a 1, b 1\n');
    expect(imported.out).toContain('  www.tide.test CNAME: it is an alias of web.tide.test');
    expect(imported.out).toContain('1 left out; nothing was written at the vendor');
    const again = await tidegate(folder, ...importing, '--out', 'tidegate.yaml');
    expect(again).toMatchObject({ code: 2, out: '', err: expect.stringContaining('the file is there') });

    const checked = await tidegate(folder, 'check', '--config', 'tidegate.yaml');
    expect(checked).toMatchObject({ code: 0, err: '', out: expect.stringContaining('2 services (2 observe)') });

    const owned = await tidegate(folder, 'own', '--config', 'tidegate.yaml', '--terraform');
    expect(owned).toMatchObject({ code: 0, err: '' });
    expect(owned.out.match(/^resource "dns_a(aaa)?_record_set" "…" \{$/gm)?.length).toBe(4);
    expect(owned.out).toContain('# record _tidegate.web.tide.test TXT: the whole record');

    const plan = ['plan', '--config', 'tidegate.yaml', '--route-from-config'];
    const observed = await tidegate(folder, ...plan);
    expect(observed).toMatchObject({ code: 0, err: '' });
    expect(observed.out).toContain(
      'web.tide.test at dns: in observe, nothing is written; its first fence would write same shares, a 500, b 500',
    );
    expect(observed.out).toContain('2 services: 2 not written in its mode; nothing was written\n');

    // As somebody does who trusts it with one of them.
    const file = join(folder, 'tidegate.yaml');
    const text = readFileSync(file, 'utf8');
    const [head = '', ...rest] = text.split(/(?<=name: )(?=api\.tide\.test)/);
    expect(rest.length, text).toBe(1);
    writeFileSync(file, `${head}${rest.join('').replace('mode: observe', 'mode: auto')}`);
    const pending = await tidegate(folder, ...plan);
    expect(pending, pending.err).toMatchObject({ code: 3, err: '' });
    expect(pending.out).toContain('api.tide.test at dns: same shares, a 333, b 334, c 333 (no fence -> 1)\n');
    expect(pending.out).toContain('2 services: 1 would be written, 1 not written in its mode; nothing was written\n');
    expect(pending.out).toMatch(/^web\.tide\.test at dns: in observe, nothing is written/m);

    expect(await bind.records()).toBe(before);
    expect(readdirSync(folder).sort()).toEqual(['dns.key', 'tidegate.yaml']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
