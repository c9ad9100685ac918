// The peers, each set to as much patience as the others: gdnsd and HAProxy to three faults in a row, PowerDNS to the one that it knows (the Lua records
// of Debian 12's 4.7 count no faults; later ones have minimumFailures). Looks go out in the same interval with the same timeout, at one URL, from one place.
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { confirmEveryMs } from '../../../src/health/timing.ts';
import { freePort, runServer, workDir } from '../../system/server.ts';
import { type Contender, type Course, createAsker, type Entry, type Lane } from './contender.ts';

const STRIKES = 3;
/** Looks of Tidegate at a target per interval: three vantages, two endpoints. */
export const TIDEGATE_LOOKS = 6;
const HOST = '127.0.0.1';

const seconds = (ms: number): number => Math.max(1, Math.round(ms / 1000));
const isEverywhere = async (serves: Contender['serves'], { lanes }: Course): Promise<boolean> => {
  const found = await Promise.all(lanes.map(serves));
  return found.every((addresses, i) => addresses !== null && lanes[i]!.addresses.every((address) => addresses.has(address)));
};

const gdnsd: Entry = {
  command: 'gdnsd',
  debian: 'gdnsd',
  async start(course, stack) {
    const { zone, lanes, port, intervalMs, timeoutMs } = course;
    const [dir, dnsPort] = [workDir('gdnsd'), await freePort()];
    for (const folder of ['zones', 'run', 'state']) mkdirSync(join(dir, folder));
    const label = (lane: Lane): string => lane.name.split('.')[0] ?? '';
    writeFileSync(
      join(dir, 'config'),
      `options => { listen => [ "${HOST}:${dnsPort}" ], run_dir => "${dir}/run", state_dir => "${dir}/state", lock_mem => false }
service_types => { look => { plugin => http_status, port => ${port}, url_path => "/gdnsd/readyz", ok_codes => [ 200 ],
  down_thresh => ${STRIKES}, ok_thresh => 1, up_thresh => ${STRIKES}, interval => ${seconds(intervalMs)}, timeout => ${seconds(timeoutMs)} } }
plugins => { multifo => { service_types => look
${lanes.map((lane) => `  ${label(lane)} => { ${lane.addresses.map((address, i) => `p${i} => ${address}`).join(', ')} }`).join('\n')}
} }
`,
    );
    writeFileSync(
      join(dir, 'zones', zone),
      `@ SOA ns1 hostmaster 1 7200 1800 259200 900\n@ NS ns1\nns1 A ${HOST}\n${lanes.map((lane) => `${label(lane)} 10 DYNA multifo!${label(lane)}`).join('\n')}\n`,
    );
    const serves = createAsker(dnsPort, 1, stack);
    stack.use(
      await runServer({
        command: 'gdnsd',
        args: ['-c', dir, 'start'],
        dir,
        logFile: join(dir, 'none'),
        answers: () => isEverywhere(serves, course),
      }),
    );
    return [{ name: 'gdnsd', path: 'gdnsd', says: 'http_status, three in a row (ok_thresh 1, so that one success clears)', serves }];
  },
};

const powerDns: Entry = {
  command: 'pdns_server',
  debian: 'pdns-server with pdns-backend-bind',
  async start(course, stack) {
    const { zone, lanes, port, intervalMs, timeoutMs } = course;
    const [dir, dnsPort] = [workDir('powerdns'), await freePort()];
    const lua = (lane: Lane): string =>
      `ifurlup('http://race:${port}/powerdns/readyz', {${lane.addresses.map((address) => `'${address}'`).join(', ')}}, {selector='all', timeout='${seconds(timeoutMs)}'})`;
    writeFileSync(
      join(dir, 'zone'),
      `$TTL 10\n@ SOA ns1.${zone}. hostmaster.${zone}. 1 7200 1800 259200 900\n@ NS ns1.${zone}.\n${lanes.map((lane) => `${lane.name}. 10 IN LUA A "${lua(lane)}"`).join('\n')}\n`,
    );
    writeFileSync(join(dir, 'named.conf'), `zone "${zone}" { type master; file "${dir}/zone"; };\n`);
    writeFileSync(
      join(dir, 'pdns.conf'),
      `launch=bind\nbind-config=${dir}/named.conf\nlocal-address=${HOST}\nlocal-port=${dnsPort}\nsocket-dir=${dir}
daemon=no\nguardian=no\ndisable-syslog=yes\nenable-lua-records=yes\nlua-health-checks-interval=${seconds(intervalMs)}
cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\n`,
    );
    const serves = createAsker(dnsPort, 1, stack);
    const answers = (): Promise<boolean> => isEverywhere(serves, course);
    const args = [`--config-dir=${dir}`];
    stack.use(await runServer({ command: 'pdns_server', args, dir, logFile: join(dir, 'none'), answers }));
    return [{ name: 'PowerDNS Lua', path: 'powerdns', says: 'ifurlup, one failure: 4.7 knows no other number', serves }];
  },
};

/** What the statistics of HAProxy say: the servers of a backend that are up. */
const askHaproxy =
  (socketFile: string, variant: string): Contender['serves'] =>
  (lane) =>
    new Promise((resolve) => {
      let said = '';
      const socket = connect(socketFile);
      socket.on('connect', () => socket.end(`show stat ${variant}-${lane.name} 4 -1\n`));
      socket.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      socket.on('error', () => resolve(null));
      socket.on('end', () => {
        // Field 18 is the status, `UP`, `UP 1/3` while it is going down, or `DOWN`.
        const rows = said.split('\n').map((line) => line.split(','));
        const up = rows.flatMap((row) => (row[17]?.startsWith('UP') === true ? [lane.addresses[Number(row[1]?.slice(1))] ?? ''] : []));
        resolve(up.length === 0 && rows.length < 2 ? null : new Set(up));
      });
    });

const haproxy: Entry = {
  command: 'haproxy',
  debian: 'haproxy',
  async start(course, stack) {
    const { lanes, port, intervalMs, timeoutMs } = course;
    const [dir, frontPort] = [workDir('haproxy'), await freePort()];
    const socketFile = join(dir, 'stats.sock');
    const fastMs = confirmEveryMs({ intervalMs });
    const sixthMs = Math.round(intervalMs / TIDEGATE_LOOKS);
    const variants = [
      { name: 'HAProxy', path: 'haproxy', inter: `inter ${intervalMs}ms`, says: 'three in a row' },
      {
        name: 'HAProxy, fastinter',
        path: 'haproxy-fast',
        inter: `inter ${intervalMs}ms fastinter ${fastMs}ms`,
        says: `three in a row, after the first every ${fastMs} ms as Tidegate does`,
      },
      {
        name: 'HAProxy, as many looks',
        path: 'haproxy-many',
        inter: `inter ${sixthMs}ms`,
        says: `three in a row, a look every ${sixthMs} ms: as many as Tidegate's vantages make together`,
      },
    ];
    const backends = variants.flatMap(({ path, inter }) =>
      lanes.map(
        ({ name, addresses }) => `backend ${path}-${name}
  option httpchk GET /${path}/readyz
  http-check expect status 200
  default-server check ${inter} fall ${STRIKES} rise ${STRIKES}
${addresses.map((address, i) => `  server p${i} ${address}:${port}`).join('\n')}`,
      ),
    );
    writeFileSync(
      join(dir, 'haproxy.cfg'),
      `global
  stats socket ${socketFile} mode 600 level operator
  stats maxconn 500
  nbthread 1
defaults
  mode http
  timeout connect ${timeoutMs}ms
  timeout check ${timeoutMs}ms
  timeout client ${timeoutMs}ms
  timeout server ${timeoutMs}ms
frontend front
  bind ${HOST}:${frontPort}
  default_backend haproxy-${lanes[0]?.name}
${backends.join('\n')}
`,
    );
    const contenders = variants.map(({ name, path, says }) => ({ name, path, says, serves: askHaproxy(socketFile, path) }));
    const answers = (): Promise<boolean> => isEverywhere(contenders[0]!.serves, course);
    const args = ['-db', '-f', join(dir, 'haproxy.cfg')];
    stack.use(await runServer({ command: 'haproxy', args, dir, logFile: join(dir, 'none'), answers }));
    return contenders;
  },
};

export const PEERS: readonly Entry[] = [gdnsd, powerDns, haproxy];
