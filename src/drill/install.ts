// Where etcd is on this machine, and how it comes there when it is missing: from Debian, by root. Starts nothing: Debian would start a daemon of its own,
// unless a file says no meanwhile.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { errorText, Fault } from '../errors.ts';

const PACKAGE = 'etcd-server';
const APT = '/usr/bin/apt-get';
/** Asked by Debian's packages before they start what they bring. */
const POLICY = '/usr/sbin/policy-rc.d';
const LINES_SHOWN = 2;

/** Path of an etcd. Throws Fault ERR_DEMO, saying what to install, when there is none and it cannot be installed here. */
export const ensureEtcd = async (tell: (text: string) => void): Promise<string> => {
  const present = onPath('etcd');
  if (present !== null) return present;
  if (process.getuid?.() !== 0 || !existsSync(APT))
    throw new Fault(
      'ERR_DEMO',
      'etcd is not installed, and only root on Debian or Ubuntu lets the demo do it: found no `etcd` on the PATH. ' +
        `Install it (sudo apt-get install ${PACKAGE}; brew install etcd), or run the demo without --cluster`,
    );
  tell(`installing ${PACKAGE}, once: ${APT} install ${PACKAGE}`);
  await install();
  const installed = onPath('etcd');
  if (installed === null)
    throw new Fault('ERR_DEMO', `${PACKAGE} is installed and there is no \`etcd\` on the PATH; look at dpkg -L ${PACKAGE}`);
  return installed;
};

/** `more`: folders to look into after those of the PATH. */
export const onPath = (name: string, more: readonly string[] = []): string | null =>
  [...(process.env.PATH ?? '').split(delimiter), ...more].map((folder) => join(folder, name)).find((file) => isExecutable(file)) ?? null;

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const install = async (): Promise<void> => {
  const isOurs = !existsSync(POLICY);
  const remove = (): void => rmSync(POLICY, { force: true });
  if (isOurs) {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    process.on('exit', remove);
  }
  try {
    await run(APT, ['update', '-q']);
    await run(APT, ['install', '-q', '-y', '--no-install-recommends', PACKAGE]);
  } catch (error) {
    throw new Fault(
      'ERR_DEMO',
      `${PACKAGE} could not be installed: ${errorText(error)}; install it by hand, or run the demo without --cluster`,
      {
        cause: error,
      },
    );
  } finally {
    if (isOurs) {
      remove();
      process.off('exit', remove);
    }
  }
};

/** Ends with the last lines that the command said when it fails. */
const run = (command: string, args: readonly string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
    let said = '';
    const hear = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-4096);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args[0]}: exit ${code}: ${said.trim().split('\n').slice(-LINES_SHOWN).join(' | ')}`));
    });
  });
