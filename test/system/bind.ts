// A real BIND 9 with one primary zone that takes signed updates: from the key `tidegate`, as far as `policy` grants, and from `operator`, anything.
// dig and nsupdate stand for everybody else: they look and change without any code of ours.
import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { query } from '../../src/dns/exchange.ts';
import type { TsigAlgorithm } from '../../src/dns/tsig.ts';
import { realPorts } from '../../src/ports.ts';
import { freePort, type RunningServer, runServer, workDir } from './server.ts';
import { until } from './until.ts';

export interface BindKey {
  name: string;
  algorithm: TsigAlgorithm;
  /** Base64. */
  secret: string;
}

export interface Bind extends RunningServer {
  host: string;
  port: number;
  zone: string;
  key: BindKey;
  operator: BindKey;
  /** The whole zone by transfer, sorted, the serial included. */
  records(): Promise<string>;
  /** Lines of nsupdate, signed by the operator: `add web.tide.test 60 A 192.0.2.9`. */
  change(...lines: string[]): Promise<void>;
  /** The short answer of dig, sorted. */
  dig(name: string, type: string): Promise<string[]>;
  /** From now on these keys may write what `key` may, and no other but the operator's: its file is another, and it is told to read it. */
  takeKeys(...keys: readonly BindKey[]): Promise<void>;
}

export interface BindOptions {
  zone?: string;
  /** What the key `tidegate` may change: lines of `update-policy`. Default: everything in the zone. */
  policy?: readonly string[];
  /** More lines of the zone file. */
  records?: readonly string[];
  algorithm?: TsigAlgorithm;
  /** To come back where another was. */
  port?: number;
}

const run = promisify(execFile);
const COMMAND_MS_MAX = 20_000;

export const newBindKey = (name: string, algorithm: TsigAlgorithm = 'hmac-sha256'): BindKey => ({
  name,
  algorithm,
  secret: randomBytes(32).toString('base64'),
});
const keyText = (key: BindKey): string => `key "${key.name}" { algorithm ${key.algorithm}; secret "${key.secret}"; };`;

export const startBind = async (options: BindOptions = {}): Promise<Bind> => {
  const { zone = 'tide.test', algorithm = 'hmac-sha256', records = [] } = options;
  const dir = workDir('bind');
  const host = '127.0.0.1';
  const port = options.port ?? (await freePort());
  const [key, operator] = [newBindKey('tidegate', algorithm), newBindKey('operator')];
  const policyOf = (keys: readonly BindKey[]): readonly string[] => options.policy ?? keys.map(({ name }) => `grant ${name} zonesub ANY;`);
  // Tells this server from any other that might have taken the port.
  const refreshS = randomInt(10_000, 2 ** 30);
  const logFile = join(dir, 'named.log');
  writeFileSync(
    join(dir, 'zone'),
    ['$TTL 60', `@ SOA ns1 hostmaster 1 ${refreshS} 600 86400 5`, '@ NS ns1', `ns1 A ${host}`, ...records, ''].join('\n'),
  );
  const configure = (keys: readonly BindKey[]): void =>
    writeFileSync(
      join(dir, 'named.conf'),
      `${[...keys, operator].map(keyText).join('\n')}
options {
  directory "${dir}"; pid-file "${dir}/named.pid"; session-keyfile "${dir}/session.key"; managed-keys-directory "${dir}";
  listen-on port ${port} { ${host}; }; listen-on-v6 { none; };
  // By default ten connections may wait; the eleventh of a burst then starts over a second later.
  tcp-listen-queue 100;
  recursion no; dnssec-validation no; notify no; allow-transfer { ${host}; }; minimal-responses yes;
};
logging { channel here { file "${logFile}"; severity info; }; category default { here; }; };
controls { };
zone "${zone}" { type primary; file "zone"; update-policy { ${policyOf(keys).join(' ')} grant operator zonesub ANY; }; };
`,
    );
  configure([key]);
  const ports = realPorts();
  const server = await runServer({
    command: 'named',
    args: ['-f', '-4', '-n', '1', '-c', join(dir, 'named.conf')],
    dir,
    logFile,
    answers: async () => {
      const reply = await query({ ports, server: { host, port }, name: zone, type: 'SOA', timeoutMs: 1000, recursionDesired: false });
      return reply.answers.some((answer) => answer.type === 'SOA' && answer.data.refreshS === refreshS);
    },
  });
  const dig = async (...args: string[]): Promise<string[]> => {
    const { stdout } = await run('dig', [`@${host}`, '-p', String(port), '+time=5', '+tries=2', ...args], { timeout: COMMAND_MS_MAX });
    return stdout
      .trim()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith(';'))
      .sort();
  };
  /** A server that does not know the key says so. */
  const isTaken = async ({ name, algorithm: how, secret }: BindKey): Promise<boolean> =>
    (await dig('-y', `${how}:${name}:${secret}`, zone, 'SOA', '+norecurse', '+short')).some((line) => line.includes(String(refreshS)));
  const known = new Set([key]);
  return {
    ...server,
    host,
    port,
    zone,
    key,
    operator,
    records: async () => (await dig(zone, 'AXFR', '+noall', '+answer', '+onesoa')).join('\n'),
    change: (...lines) => nsupdate(operator, [`server ${host} ${port}`, `zone ${zone}`, ...lines, 'send']),
    dig: (name, type) => dig(name, type, '+short', '+norecurse'),
    async takeKeys(...keys) {
      configure(keys);
      for (const each of keys) known.add(each);
      server.signal('SIGHUP');
      await until('the server to take these keys alone', async () => {
        const taken = await Promise.all([...known].map(isTaken));
        return [...known].every((each, i) => taken[i] === keys.includes(each));
      });
    },
  };
};

const nsupdate = (key: BindKey, lines: readonly string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = execFile(
      'nsupdate',
      ['-v', '-y', `${key.algorithm}:${key.name}:${key.secret}`],
      { timeout: COMMAND_MS_MAX },
      (error, _out, said) => (error === null ? resolve() : reject(new Error(`nsupdate ${lines.join('; ')}: ${said}`))),
    );
    child.stdin?.end(`${lines.join('\n')}\n`);
  });
