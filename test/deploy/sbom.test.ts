// What the image is made of, as a bill of materials: well formed by the standard's own schema, and neither more nor less than the image has.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);
const json = (file: string): unknown => JSON.parse(readFileSync(join(ROOT, file), 'utf8'));

interface Bom {
  metadata: { component: { purl: string } };
  components: readonly { name: string; version: string; purl: string; hashes?: readonly unknown[] }[];
}

test('npm run sbom lists each package that is locked for production, with its hash, in CycloneDX', async () => {
  const { stdout } = await run('npm', ['run', '--silent', 'sbom'], { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  const bom = JSON.parse(stdout) as Bom;
  const ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false });
  addFormats.default(ajv, ['date-time', 'email', 'uri']);
  for (const format of ['iri-reference', 'idn-email']) ajv.addFormat(format, true);
  for (const name of ['spdx', 'jsf-0.82']) ajv.addSchema(json(`test/fixtures/cyclonedx/${name}.schema.json`) as object);
  const judge = ajv.compile(json('test/fixtures/cyclonedx/bom-1.5.schema.json') as object);
  expect(judge(bom) || judge.errors).toBe(true);
  // A judge that refuses nothing would accept this too.
  expect(judge({ ...bom, components: [{ name: 'nothing' }] })).toBe(false);

  const { version } = json('package.json') as { version: string };
  expect(bom.metadata.component.purl).toBe(`pkg:npm/tidegate@${version}`);
  const { packages } = json('package-lock.json') as {
    packages: Record<string, { version: string; name?: string; dev?: boolean; optional?: boolean; devOptional?: boolean }>;
  };
  const locked = Object.entries(packages).flatMap(([path, { name, version, dev, optional, devOptional }]) =>
    path === '' || dev === true || optional === true || devOptional === true
      ? []
      : [`${name ?? path.slice(path.lastIndexOf('node_modules/') + 13)}@${version}`],
  );
  expect(locked.length).toBeGreaterThan(100);
  expect(bom.components.map(({ name, version }) => `${name}@${version}`).sort()).toEqual([...new Set(locked)].sort());
  expect(bom.components.filter(({ hashes = [] }) => hashes.length === 0)).toEqual([]);
}, 120_000);
