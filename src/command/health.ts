// `tidegate health`: does the process that this file starts answer? For who can only run a command, such as a container's health check: it needs no shell,
// no curl and no token. Only `api` of the file is read, so that a bad edit elsewhere makes nobody restart a replica that runs well.
// Whose certificate answers is not verified: nothing is sent but the question, and the question is put to this machine only.
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type ApiConfig, apiSchema } from '../config/api.ts';
import { readYaml } from '../config/yaml.ts';
import { errorText, Fault } from '../errors.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { Saying } from './open.ts';

export interface HealthOptions {
  /** A replica's file. */
  config: string;
}

/** Far above what a busy process takes; below the limit of a container's health check, so that the reason is said. */
const ANSWER_MS = 4000;
/** A head with its short body. */
const ANSWER_BYTES_MAX = 16 * 1024;

const found = (file: string): ApiConfig => {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Fault('ERR_CONFIG_READ', `${file}: ${errorText(error)}; name the file that the replica was started with`, { cause: error });
  }
  const value = readYaml(text).source?.value;
  const api = apiSchema.safeParse(typeof value === 'object' && value !== null && 'api' in value ? value.api : undefined);
  if (!api.success) throw new Fault('ERR_CONFIG', `${file}: found no api that could be asked; tidegate check --config ${file} says why`);
  if (api.data.port === 0)
    throw new Fault(
      'ERR_CONFIG',
      `${file}: found api.listen with port 0, expected a port; nobody else can know which one the system chose`,
    );
  return api.data;
};

/** An address that means all of this machine's is asked at its loopback. */
const askable = (host: string): string => (host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host);

/** The status of the reply's first line. Rejects when there is none. */
const statusOf = (socket: Socket, secure: boolean, signal: AbortSignal): Promise<number> =>
  new Promise((resolve, reject) => {
    let said = '';
    const fail = (error: unknown): void => {
      socket.destroy();
      reject(error);
    };
    signal.addEventListener('abort', () => fail(signal.reason), { once: true });
    socket.once(secure ? 'secureConnect' : 'connect', () =>
      socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'),
    );
    socket.on('error', fail);
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
      const status = /^HTTP\/1\.1 (\d{3}) [^\r]*\r\n/.exec(said)?.[1];
      if (status !== undefined) {
        socket.destroy();
        resolve(Number(status));
      } else if (said.length > ANSWER_BYTES_MAX) fail(new Error('what answers does not speak HTTP'));
    });
    socket.once('close', () => fail(new Error('the connection ended without an answer')));
  });

/** Exit code 0 when it answers. Throws Fault ERR_UNREACHABLE (exit 1) when it does not, ERR_CONFIG or ERR_CONFIG_READ (78) when nobody can know where to ask. */
export const health = async ({ config }: HealthOptions, { ports, out }: Saying & { ports: Ports }): Promise<number> => {
  const { host, port, tls } = found(config);
  const to = { host: askable(host), port };
  const where = `${to.host.includes(':') ? `[${to.host}]` : to.host}:${port}`;
  try {
    const status = await withDeadline(ports.timers, ANSWER_MS, where, (signal) =>
      statusOf(tls === undefined ? ports.net.tcp(to) : ports.net.tls({ ...to, rejectUnauthorized: false }), tls !== undefined, signal),
    );
    if (status !== 200) throw new Error(`/healthz answers ${status}, expected 200`);
  } catch (error) {
    throw new Fault('ERR_UNREACHABLE', `${where}: ${errorText(error)}; the replica does not run, hangs, or listens elsewhere`, {
      cause: error,
    });
  }
  out(`${where} answers\n`);
  return 0;
};
