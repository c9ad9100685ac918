// Programs that Debian does not have, built from their released Go modules and kept in the system's folder for temporary files, so that a fresh clone on the same
// machine finds them.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BUILD_MS_MAX = 30 * 60_000;

/** `folder` has go.mod and NAME.go; `module` is the one whose version the program has; `flags`: for the linker, by that version. Out: the program's path. */
export const goProgram = ({
  name,
  folder,
  module,
  flags = () => '',
}: {
  name: string;
  folder: string;
  module: string;
  flags?: (version: string) => string;
}): string => {
  const source = join(import.meta.dirname, folder);
  const manifest = readFileSync(join(source, 'go.mod'), 'utf8');
  const version = new RegExp(`${module} (v\\S+)`).exec(manifest)?.[1] ?? 'unknown';
  const program = join(tmpdir(), `tidegate-${name}-${version}`);
  if (existsSync(program)) return program;
  process.stderr.write(`building ${name} ${version}, once\n`);
  const dir = mkdtempSync(join(tmpdir(), 'tidegate-go-build-'));
  try {
    for (const file of ['go.mod', `${name}.go`]) copyFileSync(join(source, file), join(dir, file));
    const go = (...args: string[]): void =>
      void execFileSync('go', args, { cwd: dir, timeout: BUILD_MS_MAX, stdio: ['ignore', 'ignore', 'pipe'] });
    go('mod', 'tidy');
    go('build', '-trimpath', '-ldflags', `-s -w ${flags(version)}`, '-o', 'program', '.');
    // At once, so that a build which is broken off leaves nothing that looks like a program.
    renameSync(join(dir, 'program'), program);
    return program;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};
