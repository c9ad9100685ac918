// prism, somebody else's reader of OpenAPI documents: it answers what a document says and refuses requests that the document does not allow. Taken from npm
// into a folder of the system's for temporary files, once for each release, since it is too large to carry for one test.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, type RunningServer, runServer, workDir } from './server.ts';

const PACKAGE = '@stainless-api/prism-cli';
const VERSION = '5.15.0';
const INSTALL_MS_MAX = 240_000;

export interface Prism extends RunningServer {
  url: string;
}

/** Installs what is missing. Rejects with npm's own words, above all when there is no network: then this proof cannot be had, which is no pass. */
const installed = async (): Promise<string> => {
  const folder = join(tmpdir(), `tidegate-prism-${VERSION}`);
  if (!existsSync(join(folder, 'ready'))) {
    const fresh = mkdtempSync(`${folder}-`);
    writeFileSync(join(fresh, 'package.json'), '{ "private": true }\n');
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--no-package-lock', `${PACKAGE}@${VERSION}`];
    await promisify(execFile)('npm', args, { cwd: fresh, timeout: INSTALL_MS_MAX }).catch((error: Error) => {
      rmSync(fresh, { recursive: true });
      throw new Error(`npm cannot install ${PACKAGE} ${VERSION}; this test needs a package registry: ${error.message}`);
    });
    writeFileSync(join(fresh, 'ready'), '');
    try {
      renameSync(fresh, folder);
    } catch {
      // Another run was first, or left half of it.
      if (existsSync(join(folder, 'ready'))) rmSync(fresh, { recursive: true });
      else {
        rmSync(folder, { recursive: true, force: true });
        renameSync(fresh, folder);
      }
    }
  }
  return join(folder, 'node_modules', PACKAGE, 'dist/index.js');
};

/** `path`: one that the document answers. */
export const startPrism = async (document: string, path: string): Promise<Prism> => {
  const program = await installed();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const dir = workDir('prism');
  const server = await runServer({
    command: process.execPath,
    args: [program, 'mock', '--host', '127.0.0.1', '--port', String(port), '--verboseLevel', 'error', document],
    dir,
    logFile: join(dir, 'prism.log'),
    answers: async () => (await fetch(`${url}${path}`)).ok,
  });
  return { ...server, url };
};
