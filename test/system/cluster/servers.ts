// The servers of a region, Debian's own: an etcd member, a secondary of the zone and a resolver; and the provider's primary. Each in its namespace, on
// addresses of its own, so that ports are the usual ones.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AskType } from '../../../src/dns/codec.ts';
import { query } from '../../../src/dns/exchange.ts';
import { realPorts } from '../../../src/ports.ts';
import { type RunningServer, runServer } from '../server.ts';
import type { Wan } from './wan.ts';

const run = promisify(execFile);

/** Last octets of the addresses within a region. */
export const HOST = { main: 1, app: 10, dns: 53, resolver: 54 } as const;

export const ZONE = 'tide.test';
export const PROVIDER = 'provider';
export const etcdName = (region: string): string => `etcd-${region}.tide.internal`;

const COMMAND_MS_MAX = 20_000;
const ports = realPorts();

const answersDns = async (host: string, name: string, type: AskType): Promise<boolean> => {
  const reply = await query({ ports, server: { host, port: 53 }, name, type, timeoutMs: 1000, recursionDesired: true });
  return reply.rcode === 'NOERROR' && reply.answers.length > 0;
};

export interface Place {
  wan: Wan;
  /** Everything of this run. */
  folder: string;
  region: string;
}

const roomOf = (folder: string, name: string): string => {
  const dir = join(folder, name);
  mkdirSync(dir, { recursive: true });
  return dir;
};

const start = (
  { wan, region }: Place,
  command: readonly string[],
  dir: string,
  logFile: string,
  answers: () => Promise<boolean>,
): Promise<RunningServer> => {
  const [first = '', ...args] = [...wan.inside(region), ...command];
  return runServer({ command: first, args, dir, logFile, answers });
};

// ---- DNS ----

export interface ZoneKey {
  name: string;
  /** Base64. */
  secret: string;
}

const namedConf = (dir: string, host: string, zone: string, more = ''): string => `${more}
options {
  directory "${dir}"; pid-file "${dir}/named.pid"; session-keyfile "${dir}/session.key"; managed-keys-directory "${dir}";
  listen-on port 53 { ${host}; }; listen-on-v6 { none; };
  tcp-listen-queue 100; recursion no; dnssec-validation no; minimal-responses yes;
  allow-query { any; }; allow-transfer { any; };
  query-source ${host}; transfer-source ${host}; notify-source ${host};
  notify-delay 0; notify-rate 100; startup-notify-rate 100;
  min-refresh-time 1; max-refresh-time 5; min-retry-time 1; max-retry-time 2;
};
logging { channel here { file "${dir}/named.log"; severity info; print-time yes; }; category default { here; }; };
controls { };
${zone}
`;

const startNamed = (place: Place, name: string, conf: (dir: string, host: string) => string): Promise<RunningServer> => {
  const dir = roomOf(place.folder, name);
  const host = place.wan.address(place.region, HOST.dns);
  writeFileSync(join(dir, 'named.conf'), conf(dir, host));
  const command = ['/usr/sbin/named', '-f', '-4', '-n', '1', '-c', join(dir, 'named.conf')];
  return start(place, command, dir, join(dir, 'named.log'), () => answersDns(host, ZONE, 'SOA'));
};

/** Takes signed updates, and tells the secondaries at once. */
export const startPrimary = (place: Place, key: ZoneKey, secondaries: readonly string[]): Promise<RunningServer> =>
  startNamed(place, 'primary', (dir, host) => {
    // A secondary that was out of reach asks again every few seconds.
    const records = ['$TTL 60', '@ SOA ns1 hostmaster 1 5 1 86400 5', '@ NS ns1', `ns1 A ${host}`, ''];
    writeFileSync(join(dir, 'zone'), records.join('\n'));
    const told = secondaries.map((address) => `${address};`).join(' ');
    return namedConf(
      dir,
      host,
      `zone "${ZONE}" { type primary; file "zone"; notify explicit; also-notify { ${told} }; update-policy { grant ${key.name} zonesub ANY; }; };`,
      `key "${key.name}" { algorithm hmac-sha256; secret "${key.secret}"; };`,
    );
  });

export const startSecondary = (place: Place): Promise<RunningServer> =>
  startNamed(place, `secondary-${place.region}`, (dir, host) => {
    const primary = place.wan.address(PROVIDER, HOST.dns);
    return namedConf(dir, host, `zone "${ZONE}" { type secondary; file "zone"; primaries { ${primary}; }; notify no; };`);
  });

/** The region's users' resolver, and the one of its replicas and its etcd member. */
export const startResolver = (place: Place, regions: readonly string[]): Promise<RunningServer> => {
  const { wan, region, folder } = place;
  const dir = roomOf(folder, `resolver-${region}`);
  const host = wan.address(region, HOST.resolver);
  const logFile = join(dir, 'unbound.log');
  const hosts = regions.map((each) => `  local-data: "${etcdName(each)}. 60 A ${wan.address(each, HOST.main)}"`);
  writeFileSync(
    join(dir, 'unbound.conf'),
    `server:
  directory: "${dir}"
  chroot: ""
  username: ""
  pidfile: "${dir}/unbound.pid"
  logfile: "${logFile}"
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  interface: ${host}
  do-ip6: no
  access-control: 0.0.0.0/0 allow
  module-config: "iterator"
  root-hints: ""
  local-zone: "test." nodefault
${hosts.join('\n')}
remote-control:
  control-enable: no
stub-zone:
  name: "${ZONE}"
  stub-addr: ${wan.address(region, HOST.dns)}
  stub-prime: no
`,
  );
  const command = ['/usr/sbin/unbound', '-d', '-p', '-c', join(dir, 'unbound.conf')];
  return start(place, command, dir, logFile, () => answersDns(host, etcdName(region), 'A'));
};

// ---- etcd ----

export const ETCD_PORT = 2379;
const PEER_PORT = 2380;
const METRICS_PORT = 2381;

const memberUrl = (region: string, port: number): string => `https://${etcdName(region)}:${port}`;

/** With the disk of the member that was there before, if any. Answers before it has a leader. */
export const startMember = (place: Place, regions: readonly string[]): Promise<RunningServer> => {
  const { wan, folder, region } = place;
  const dir = roomOf(folder, `etcd-${region}`);
  const host = wan.address(region, HOST.main);
  const pki = (kind: string): readonly string[] => [`${folder}/pki/${kind}.pem`, `${folder}/pki/${kind}.key`, `${folder}/pki/ca.pem`];
  const [cert = '', key = '', ca = ''] = pki(`member-${region}`);
  const flags: Record<string, string> = {
    name: region,
    'data-dir': join(dir, 'data'),
    'initial-cluster': regions.map((each) => `${each}=${memberUrl(each, PEER_PORT)}`).join(','),
    'initial-cluster-state': 'new',
    'initial-cluster-token': `tidegate-${wan.net}`,
    'listen-peer-urls': `https://${host}:${PEER_PORT}`,
    'initial-advertise-peer-urls': memberUrl(region, PEER_PORT),
    'listen-client-urls': `https://${host}:${ETCD_PORT}`,
    'advertise-client-urls': memberUrl(region, ETCD_PORT),
    'listen-metrics-urls': `http://${host}:${METRICS_PORT}`,
    'cert-file': cert,
    'key-file': key,
    'trusted-ca-file': ca,
    'client-cert-auth': 'true',
    'peer-cert-file': cert,
    'peer-key-file': key,
    'peer-trusted-ca-file': ca,
    'peer-client-cert-auth': 'true',
    // For round trips of up to 150 ms.
    'heartbeat-interval': '150',
    'election-timeout': '1500',
    'pre-vote': 'true',
    'max-txn-ops': '1024',
    'auto-compaction-mode': 'periodic',
    'auto-compaction-retention': '10m',
    'quota-backend-bytes': '536870912',
    'enable-grpc-gateway': 'false',
    logger: 'zap',
    'log-level': 'warn',
    'log-outputs': join(dir, 'etcd.log'),
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  // One core is enough, and five members share two.
  const command = ['/usr/bin/env', 'GOMAXPROCS=1', '/usr/bin/etcd', ...args];
  return start(place, command, dir, join(dir, 'etcd.log'), async () => (await memberState(wan, region)) !== null);
};

/** What a member says of itself; null: it does not answer. */
export const memberState = async (wan: Wan, region: string): Promise<{ leads: boolean; hasLeader: boolean } | null> => {
  try {
    const reply = await fetch(`http://${wan.address(region, HOST.main)}:${METRICS_PORT}/metrics`, { signal: AbortSignal.timeout(1000) });
    const text = await reply.text();
    return { leads: /^etcd_server_is_leader 1$/m.test(text), hasLeader: /^etcd_server_has_leader 1$/m.test(text) };
  } catch {
    return null;
  }
};

/** As the user `root`, at the given member. Resolves with what it printed. */
export const etcdctl = async (place: Place, ...args: readonly string[]): Promise<string> => {
  const { wan, folder, region } = place;
  const pki = (file: string): string => join(folder, 'pki', file);
  const { stdout } = await run(
    '/usr/bin/etcdctl',
    [
      `--endpoints=https://${wan.address(region, HOST.main)}:${ETCD_PORT}`,
      `--cacert=${pki('ca.pem')}`,
      `--cert=${pki('root.pem')}`,
      `--key=${pki('root.key')}`,
      '--command-timeout=10s',
      ...args,
    ],
    { timeout: COMMAND_MS_MAX, env: { PATH: '/usr/bin:/bin', ETCDCTL_API: '3' } },
  );
  return stdout;
};

/** Whom the leading member gives its place to; ids are as etcd prints them. */
export const moveLeader = async (from: Place, toId: string): Promise<void> => {
  await etcdctl(from, 'move-leader', toId);
};

export const memberIds = async (place: Place): Promise<ReadonlyMap<string, string>> => {
  const lines = (await etcdctl(place, 'member', 'list')).trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [id = '', , name = ''] = line.split(', ');
      return [name, id];
    }),
  );
};
