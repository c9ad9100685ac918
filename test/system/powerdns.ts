// A real PowerDNS Authoritative Server (Debian's, SQLite behind it) with one native zone that takes signed updates from the key `tidegate`, and its HTTP API.
// The API and dig stand for everybody else: they look and change without any code of ours.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BindKey } from './bind.ts';
import { freePort, type RunningServer, runServer, workDir } from './server.ts';

export interface PowerDns extends RunningServer {
  host: string;
  port: number;
  zone: string;
  key: BindKey;
  /** Without the path: `http://127.0.0.1:port`. */
  apiUrl: string;
  apiKey: string;
  /** All records of the zone as the API tells them, sorted, the serial included. */
  records(): Promise<string>;
  /** Replaces one set through the API; no contents: removes it. */
  replace(name: string, type: string, ttlS: number, ...contents: string[]): Promise<void>;
  /** A setting of the zone, as `pdnsutil set-meta`; no values: removes it. */
  setMeta(kind: string, ...values: string[]): Promise<void>;
  /** The short answer of dig, sorted; of so many questions, all their answers. */
  dig(name: string, type: string, times?: number): Promise<string[]>;
}

export interface PowerDnsOptions {
  zone?: string;
  /** Answers LUA records in this zone. Default: it does. */
  lua?: boolean;
  /** The text of an update policy (`lua-dnsupdate-policy-script`). Default: the key may change the whole zone. */
  policy?: string;
}

const run = promisify(execFile);
const COMMAND_MS_MAX = 20_000;
const SCHEMA = '/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql';

interface Zone {
  rrsets: { name: string; type: string; ttl: number; records: { content: string; disabled: boolean }[] }[];
}

export const startPowerDns = async (options: PowerDnsOptions = {}): Promise<PowerDns> => {
  const { zone = 'tide.test', lua = true, policy } = options;
  const dir = workDir('powerdns');
  const host = '127.0.0.1';
  const [port, apiPort] = [await freePort(), await freePort()];
  const apiKey = randomBytes(16).toString('hex');
  const key: BindKey = { name: 'tidegate', algorithm: 'hmac-sha256', secret: randomBytes(32).toString('base64') };
  const database = join(dir, 'zones.sqlite3');
  await sqlite(database, readFileSync(SCHEMA, 'utf8'));
  if (policy !== undefined) writeFileSync(join(dir, 'policy.lua'), policy);
  writeFileSync(
    join(dir, 'pdns.conf'),
    [
      'launch=gsqlite3',
      `gsqlite3-database=${database}`,
      `local-address=${host}`,
      `local-port=${port}`,
      `socket-dir=${dir}`,
      'daemon=no',
      'guardian=no',
      'disable-syslog=yes',
      'api=yes',
      `api-key=${apiKey}`,
      `webserver-address=${host}`,
      `webserver-port=${apiPort}`,
      'webserver-allow-from=127.0.0.1',
      'dnsupdate=yes',
      `allow-dnsupdate-from=${host}/32`,
      ...(policy === undefined ? [] : [`lua-dnsupdate-policy-script=${join(dir, 'policy.lua')}`]),
      '',
    ].join('\n'),
  );
  const apiUrl = `http://${host}:${apiPort}`;
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${apiUrl}/api/v1/servers/localhost${path}`, {
      method,
      headers: { 'X-API-Key': apiKey },
      signal: AbortSignal.timeout(COMMAND_MS_MAX),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  };
  const server = await runServer({
    command: 'pdns_server',
    args: [`--config-dir=${dir}`],
    dir,
    logFile: join(dir, 'none'),
    // Its key tells this server from any other that might have taken the port.
    answers: async () => (await call('GET', '')) !== null,
  });
  const setMeta = async (kind: string, ...values: string[]): Promise<void> =>
    void (await run('pdnsutil', [`--config-dir=${dir}`, 'set-meta', zone, kind, ...values], { timeout: COMMAND_MS_MAX }));
  await call('POST', '/zones', { name: `${zone}.`, kind: 'Native', nameservers: [`ns1.${zone}.`] });
  await call('POST', '/tsigkeys', { name: key.name, algorithm: key.algorithm, key: key.secret });
  await setMeta('TSIG-ALLOW-DNSUPDATE', key.name);
  if (lua) await setMeta('ENABLE-LUA-RECORDS', '1');
  return {
    ...server,
    host,
    port,
    zone,
    key,
    apiUrl,
    apiKey,
    records: async () =>
      ((await call('GET', `/zones/${zone}.`)) as Zone).rrsets
        .flatMap(({ name, type, ttl, records }) =>
          records.map(({ content, disabled }) => `${name} ${ttl} ${type} ${content}${disabled ? ' (disabled)' : ''}`),
        )
        .sort()
        .join('\n'),
    replace: async (name, type, ttl, ...contents) => {
      const records = contents.map((content) => ({ content, disabled: false }));
      const changetype = contents.length === 0 ? 'DELETE' : 'REPLACE';
      await call('PATCH', `/zones/${zone}.`, { rrsets: [{ name: `${name}.`, type, ttl, changetype, records }] });
    },
    setMeta,
    dig: async (name, type, times = 1) => {
      const questions = Array.from({ length: times }, () => [name, type, '+short', '+norecurse']).flat();
      const args = [`@${host}`, '-p', String(port), '+time=5', '+tries=2', ...questions];
      const { stdout } = await run('dig', args, { timeout: COMMAND_MS_MAX });
      return stdout
        .trim()
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith(';'))
        .sort();
    },
  };
};

const sqlite = (database: string, statements: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = execFile('sqlite3', [database], { timeout: COMMAND_MS_MAX }, (error) => (error === null ? resolve() : reject(error)));
    child.stdin?.end(statements);
  });
