// Commands as a manual of deploy has them, so that what is tested is what people are told: an indented block that begins with its name as a comment.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MAIN } from './replica-process.ts';

const MANUAL = join(import.meta.dirname, '../../deploy/README.md');

/** The lines of the block `# name`, as they stand there. */
export const blockOf = (name: string): string => {
  const lines = readFileSync(MANUAL, 'utf8').split('\n');
  const at = lines.indexOf(`    # ${name}`);
  if (at < 0) throw new Error(`${MANUAL} has no block "# ${name}"`);
  const end = lines.findIndex((line, n) => n > at && !line.startsWith('    '));
  return lines
    .slice(at, end)
    .map((line) => line.slice(4))
    .join('\n');
};

/** Runs a block by sh, with its names replaced by those of the test: every one of them has to be there. `tidegate` is this program. Resolves with what it said. */
export const runBlock = async (
  name: string,
  replaced: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<string> => {
  let text = blockOf(name);
  for (const [from, to] of Object.entries(replaced)) {
    if (!text.includes(from)) throw new Error(`the block "# ${name}" does not say ${from}`);
    text = text.replaceAll(from, to);
  }
  const script = `set -eu\ntidegate() { '${process.execPath}' '${MAIN}' "$@"; }\n${text}\n`;
  const { stdout } = await promisify(execFile)('sh', ['-c', script], {
    env: { PATH: process.env.PATH ?? '', ETCDCTL_API: '3', ...env },
    timeout: 60_000,
  });
  return stdout;
};
