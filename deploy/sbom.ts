// What the image is made of, in CycloneDX: `npm run sbom > tidegate.cdx.json`. npm describes all that is locked; what only developers need and optional
// packages are taken out here, by the lock's own marks. (npm's --omit leaves out more than it should: a package of ours that a developer's tool also wants.)
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const BYTES_MAX = 64 * 1024 * 1024;

interface Locked {
  name?: string;
  version: string;
  dev?: boolean;
  optional?: boolean;
  devOptional?: boolean;
}

interface Bom {
  metadata: { component: { 'bom-ref': string; name: string } };
  components: readonly { 'bom-ref': string; name: string; version: string }[];
  dependencies: readonly { ref: string; dependsOn?: readonly string[] }[];
}

/** `name@version` of every package that `npm ci --omit=dev --omit=optional` installs. */
const installed = (packages: Readonly<Record<string, Locked>>): ReadonlySet<string> =>
  new Set(
    Object.entries(packages).flatMap(([path, { name, version, dev, optional, devOptional }]) =>
      path === '' || dev || optional || devOptional
        ? []
        : [`${name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)}@${version}`],
    ),
  );

const args = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'];
const bom: Bom = JSON.parse(execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: BYTES_MAX }));
const { name, packages }: { name: string; packages: Record<string, Locked> } = JSON.parse(
  readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
);
const kept = installed(packages);
const components = bom.components.filter((each) => kept.has(`${each.name}@${each.version}`));
const refs = new Set([bom.metadata.component['bom-ref'], ...components.map((each) => each['bom-ref'])]);
const dependencies = bom.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) }));
// npm calls it after the folder it lies in.
if (bom.metadata.component.name === basename(ROOT)) bom.metadata.component.name = name;
process.stdout.write(`${JSON.stringify({ ...bom, components, dependencies }, null, 2)}\n`);
