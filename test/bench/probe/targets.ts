// The targets of all contenders: one process that is none of theirs. In C where there is a compiler (sockets.c), so that it takes as little of the machine
// as can be; TLS, and a machine without a compiler, get the same words on Node.
import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { end } from './process.ts';

export const addressOf = (i: number): string => `127.1.${i >> 8}.${i & 255}`;

/** Seen by the targets since the last time they were asked. */
export interface Seen {
  looks: number;
  open: number;
  /** How far the gaps between two looks at one target were off the interval. */
  gapP99Ms: number;
  gapMaxMs: number;
}

export type Behaviour = 'answer' | 'hang' | 'silent' | 'refuse';

export interface Targets extends AsyncDisposable {
  /** The second one is for targets that fail. */
  ports: readonly [number, number];
  seen(): Promise<Seen>;
  /** Another contender comes. */
  forget(): Promise<void>;
  behave(how: Behaviour): Promise<void>;
}

/** The program of sockets.c; null: this machine has no compiler. */
export const compileSockets = (folder: string): string | null => {
  const program = join(folder, 'sockets');
  try {
    execFileSync('cc', ['-O2', '-o', program, join(import.meta.dirname, 'sockets.c')]);
    return program;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
};

export interface Certificate {
  caFile: string;
  keyFile: string;
  certFile: string;
}

/** The name in the certificate, which every target shows. */
export const SERVER_NAME = 'target.test';

export const makeCertificate = (folder: string): Certificate => {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  writeFileSync(join(folder, 'names.ext'), `subjectAltName=DNS:${SERVER_NAME}\n`);
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=bench authority', '-days', '2');
  openssl('req', '-new', ...key, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', `/CN=${SERVER_NAME}`);
  openssl(
    'x509',
    '-req',
    '-in',
    'leaf.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-days',
    '2',
    '-out',
    'leaf.pem',
    '-extfile',
    'names.ext',
  );
  return { caFile: join(folder, 'ca.pem'), keyFile: join(folder, 'leaf.key'), certFile: join(folder, 'leaf.pem') };
};

/** `program`: what `compileSockets` has made, for those that speak plain HTTP. */
export const startTargets = async (
  program: string | null,
  intervalMs: number,
  certificate?: Certificate,
  speaks: 'http' | 'grpc' = 'http',
): Promise<Targets> => {
  const child =
    program === null || certificate !== undefined || speaks === 'grpc'
      ? fork(join(import.meta.dirname, 'node-targets.ts'), [String(intervalMs), JSON.stringify(certificate ?? null), speaks], {
          stdio: ['pipe', 'pipe', 'inherit', 'ipc'],
        })
      : spawn(program, ['serve', String(intervalMs)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('no pipes to the targets');
  const lines = createInterface({ input: stdout });
  const answer = async <T>(): Promise<T> => JSON.parse(((await once(lines, 'line')) as [string])[0]) as T;
  const ask = async <T>(what: string): Promise<T> => {
    stdin.write(`${what}\n`);
    return answer<T>();
  };
  const { ports } = await answer<Pick<Targets, 'ports'>>();
  return {
    ports,
    seen: () => ask<Seen>('stat'),
    forget: () => ask('forget'),
    behave: (how) => ask(how),
    [Symbol.asyncDispose]: () => end(child),
  };
};

export const readPair = ({ keyFile, certFile }: Certificate) => ({ key: readFileSync(keyFile), cert: readFileSync(certFile) });
