// The Dockerfile and what a build is sent, as far as they can be read; test/system/ship plays them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseDockerfile, type Step, sentToBuild } from '../system/ship/dockerfile.ts';

const ROOT = join(import.meta.dirname, '../..');
const stages = parseDockerfile(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
const [tree, last] = stages;
const kinds = (steps: readonly Step[] = []): readonly string[] => steps.map(({ kind }) => kind);

test('packages come from the lock alone, without those of developers, a second Node, or a script of anybody', () => {
  const [install] = tree?.steps.flatMap((step) => (step.kind === 'RUN' ? [step.command] : [])) ?? [];
  expect(install?.split(' ')).toEqual(expect.arrayContaining(['ci', '--omit=dev', '--omit=optional', '--ignore-scripts']));
});

test('the last stage runs nothing while it is made, is somebody but root, and owns no program', () => {
  expect(stages.length).toBe(2);
  expect(last?.image).toMatch(/^gcr\.io\/distroless\/nodejs26-debian\d+:nonroot$/);
  expect(tree?.image).toMatch(/\/node:26-\w+-slim$/);
  expect(kinds(last?.steps)).not.toContain('RUN');
  const steps = last?.steps ?? [];
  expect(steps.findLast(({ kind }) => kind === 'USER')).toEqual({ kind: 'USER', value: '65532:65532' });
  for (const step of steps)
    if (step.kind === 'COPY') expect(step.owner, step.target).toBe(step.target === '/var/lib/tidegate' ? '65532:65532' : '0:0');
});

test('a build is sent the sources and nothing else, whatever lies around', () => {
  const ignore = readFileSync(join(ROOT, '.dockerignore'), 'utf8');
  const wanted = [
    'LICENSE',
    'package.json',
    'package-lock.json',
    'src/main.ts',
    'src/store/etcd/rpc.proto',
    'policies/index.ts',
    'providers/dns/index.ts',
  ];
  const kept = [
    '.env',
    '.git/config',
    'node_modules/x/index.js',
    'deploy/.env',
    'deploy/compose/secrets/ca.key',
    'test/a.test.ts',
    'operator.token',
  ];
  expect(sentToBuild(ignore, [...kept, ...wanted, 'README.md', 'src/README.md', 'src/a/README.md'])).toEqual(wanted);
});

test('what is not understood is refused, so that no line goes unplayed', () => {
  for (const line of ['ADD x /x', 'CMD serve', 'ENTRYPOINT node', 'SHELL ["sh"]', 'COPY --link=true a b'])
    expect(() => parseDockerfile(`FROM a AS b\n${line}\n`), line).toThrow(/not understood|exec form/);
  expect(() => parseDockerfile('RUN x\n')).toThrow('before FROM');
});
