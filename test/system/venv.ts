// Python programs that tests run as outside evidence, each in an environment of its own, installed once per machine and version. Fails, never skips: without
// the package index the text says what was wanted.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An index that does not answer should end before the test's own time does. */
const INSTALL_MS = 240_000;

const run = (command: string, args: readonly string[], what: string): void => {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: INSTALL_MS });
  if (result.status === 0) return;
  const said = `${result.error?.message ?? ''}\n${result.stdout ?? ''}\n${result.stderr ?? ''}`.trim().slice(-2000);
  throw new Error(
    `${what} failed; it needs python3 with venv (on Debian: apt-get install python3-venv) and a Python package index:\n${said}`,
  );
};

/** Path of the environment's python. `requirement`: what pip installs, with its exact version. */
export const pythonWith = (name: string, requirement: string): string => {
  const home = join(tmpdir(), `tidegate-venv-${requirement.replace(/[^\w.]+/g, '-')}`);
  const python = join(home, 'bin', 'python');
  if (existsSync(join(home, 'installed'))) return python;
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
  run('python3', ['-m', 'venv', home], `the environment for ${name}`);
  run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', requirement], `pip install ${requirement}`);
  // A whole file appears at once, so that an installation that was cut off is not taken for one.
  const mark = mkdtempSync(join(tmpdir(), 'tidegate-mark-'));
  writeFileSync(join(mark, 'installed'), requirement);
  renameSync(join(mark, 'installed'), join(home, 'installed'));
  rmSync(mark, { recursive: true });
  return python;
};
