// Checkers that others have written, as Debian ships them, told to look at the same targets as often. One that is not installed is said to be missing.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { end, pidOf } from './process.ts';
import { addressOf, SERVER_NAME } from './targets.ts';

export type Scheme = 'http' | 'https' | 'tcp' | 'grpc';

export interface Assignment {
  folder: string;
  scheme: Scheme;
  port: number;
  targets: number;
  intervalMs: number;
  /** For https. */
  caFile?: string;
}

export interface Running extends AsyncDisposable {
  pids: readonly number[];
}

export interface Peer {
  name: string;
  /** Programs, by the package of Debian that has them. */
  needs: Readonly<Record<string, string>>;
  start(assignment: Assignment): Promise<Running>;
}

/** What cannot run here, and what would help; null: all is there. */
export const missing = ({ needs }: Pick<Peer, 'needs'>): string | null => {
  const lost = Object.entries(needs).filter(([program]) => !isInstalled(program));
  return lost.length === 0 ? null : `not installed: apt-get install ${lost.map(([, from]) => from).join(' ')}`;
};

/** Debian keeps daemons where users do not look. */
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];

const isInstalled = (program: string): boolean =>
  FOLDERS.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

const launch = (folder: string, program: string, args: readonly string[]): ChildProcess => {
  const log = openSync(join(folder, `${program}.log`), 'a');
  return spawn(program, args, { cwd: folder, stdio: ['ignore', log, log], env: { ...process.env, PATH: FOLDERS.join(delimiter) } });
};

const runningOf = (...children: readonly ChildProcess[]): Running => ({
  pids: children.map(pidOf),
  async [Symbol.asyncDispose]() {
    await Promise.all(children.map(end));
  },
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

const addresses = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => addressOf(i));

const haproxy: Peer = {
  name: 'haproxy',
  needs: { haproxy: 'haproxy' },
  async start({ folder, scheme, port, targets, intervalMs, caFile }) {
    const secure =
      scheme === 'https' ? ` check-ssl verify required ca-file ${caFile} check-sni ${SERVER_NAME} verifyhost ${SERVER_NAME}` : '';
    // Told nothing, it resets before the target has accepted, and nobody could count.
    const check =
      scheme === 'tcp'
        ? '  option tcp-check\n  tcp-check connect\n  tcp-check send x\n'
        : '  option httpchk GET /healthz\n  http-check expect status 200-299\n';
    const servers = addresses(targets).map((a, i) => `  server s${i} ${a}:${port} check inter ${intervalMs}ms${secure}`);
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(
      file,
      `global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 1s\n  timeout check 2s\n  timeout client 5s\n  timeout server 5s\nfrontend unused\n  bind 127.0.0.1:${await freePort()}\n  default_backend targets\nbackend targets\n${check}${servers.join('\n')}\n`,
    );
    return runningOf(launch(folder, 'haproxy', ['-db', '-f', file]));
  },
};

/** Most addresses that gdnsd takes in one resource. */
const GDNSD_ADDRESSES = 60;

const gdnsd: Peer = {
  name: 'gdnsd',
  needs: { gdnsd: 'gdnsd' },
  async start({ folder, scheme, port, targets, intervalMs }) {
    const config = mkdtempSync(join(folder, 'gdnsd-'));
    mkdirSync(join(config, 'zones'));
    const all = addresses(targets);
    const resources = Array.from({ length: Math.ceil(targets / GDNSD_ADDRESSES) }, (_, r) => {
      const own = all.slice(r * GDNSD_ADDRESSES, (r + 1) * GDNSD_ADDRESSES);
      return `r${r} => { service_types => [ look ], ${own.map((a, i) => `a${i} => ${a}`).join(', ')} }`;
    });
    const plugin = scheme === 'tcp' ? 'plugin => tcp_connect' : 'plugin => http_status, url_path => /healthz, vhost => 127.0.0.1';
    writeFileSync(
      join(config, 'config'),
      `options => { listen => "127.0.0.1:${await freePort()}", run_dir => "${config}/run", state_dir => "${config}/state" }
service_types => { look => { ${plugin}, port => ${port}, interval => ${intervalMs / 1000}, timeout => 1 } }
plugins => { multifo => {\n${resources.join('\n')}\n} }\n`,
    );
    return runningOf(launch(folder, 'gdnsd', ['-c', config, 'start']));
  },
};

const blackbox: Peer = {
  name: 'prometheus and blackbox_exporter',
  needs: { prometheus: 'prometheus', 'prometheus-blackbox-exporter': 'prometheus-blackbox-exporter' },
  async start({ folder, scheme, port, targets, intervalMs, caFile }) {
    const data = mkdtempSync(join(folder, 'prometheus-'));
    const [own, exporter] = [await freePort(), await freePort()];
    const secure = scheme === 'https' ? { tls_config: { ca_file: caFile, server_name: SERVER_NAME } } : {};
    const module =
      scheme === 'tcp' || scheme === 'grpc'
        ? { prober: scheme, timeout: '2s', ...(scheme === 'grpc' ? { grpc: { preferred_ip_protocol: 'ip4' } } : {}) }
        : { prober: 'http', timeout: '2s', http: { preferred_ip_protocol: 'ip4', ...secure } };
    // Both files are YAML, and JSON is YAML.
    writeFileSync(join(data, 'blackbox.json'), JSON.stringify({ modules: { look: module } }));
    const urls = addresses(targets).map((a) =>
      scheme === 'tcp' || scheme === 'grpc' ? `${a}:${port}` : `${scheme}://${a}:${port}/healthz`,
    );
    const job = {
      job_name: 'look',
      metrics_path: '/probe',
      params: { module: ['look'] },
      scrape_interval: `${intervalMs}ms`,
      scrape_timeout: `${Math.min(2000, intervalMs)}ms`,
      static_configs: [{ targets: urls }],
      relabel_configs: [
        { source_labels: ['__address__'], target_label: '__param_target' },
        { source_labels: ['__param_target'], target_label: 'instance' },
        { target_label: '__address__', replacement: `127.0.0.1:${exporter}` },
      ],
    };
    writeFileSync(join(data, 'prometheus.json'), JSON.stringify({ scrape_configs: [job] }));
    return runningOf(
      launch(folder, 'prometheus-blackbox-exporter', [
        `--config.file=${data}/blackbox.json`,
        `--web.listen-address=127.0.0.1:${exporter}`,
        '--log.level=warn',
      ]),
      launch(folder, 'prometheus', [
        `--config.file=${data}/prometheus.json`,
        `--storage.tsdb.path=${data}`,
        `--web.listen-address=127.0.0.1:${own}`,
        '--log.level=warn',
      ]),
    );
  },
};

export const PEERS = { haproxy, gdnsd, blackbox } as const;

/** The floor of sockets.c as one more. */
export const epollPeer = (program: string | null): Peer => ({
  name: 'epoll in C',
  needs: {},
  async start({ folder, scheme, port, targets, intervalMs }) {
    if (program === null) throw new Error('no compiler');
    const args = ['look', port, targets, intervalMs, ...(scheme === 'tcp' ? ['connect'] : [])].map(String);
    return runningOf(spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] }));
  },
});
