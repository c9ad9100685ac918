// A real unbound with its cache on: the resolver that stands between users and the zone. Each given zone is asked from its own server.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { query } from '../../src/dns/exchange.ts';
import { realPorts } from '../../src/ports.ts';
import { freePort, type RunningServer, runServer, workDir } from './server.ts';

export interface Unbound extends RunningServer {
  host: string;
  port: number;
}

/** `zones`: served by the authoritative server at `host:port`, an IP literal. */
export const startUnbound = async (zones: readonly { zone: string; host: string; port: number }[]): Promise<Unbound> => {
  const dir = workDir('unbound');
  const host = '127.0.0.1';
  const port = await freePort();
  const logFile = join(dir, 'unbound.log');
  // A name that only this process knows tells it from any other that might have taken the port.
  const mark = `mark-${process.pid}-${port}-${Math.floor(performance.now())}.invalid`;
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
  port: ${port}
  do-ip6: no
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  module-config: "iterator"
  root-hints: ""
  local-data: "${mark}. 60 A 192.0.2.53"
${zones.map(({ zone }) => `  local-zone: "${zone}." transparent`).join('\n')}
  local-zone: "test." nodefault
remote-control:
  control-enable: no
${zones.map(({ zone, host: at, port: on }) => `stub-zone:\n  name: "${zone}"\n  stub-addr: ${at}@${on}\n  stub-prime: no\n  stub-no-cache: no`).join('\n')}
`,
  );
  const ports = realPorts();
  const server = await runServer({
    command: 'unbound',
    args: ['-d', '-p', '-c', join(dir, 'unbound.conf')],
    dir,
    logFile,
    answers: async () => {
      const reply = await query({ ports, server: { host, port }, name: mark, type: 'A', timeoutMs: 1000, recursionDesired: true });
      return reply.answers.some((answer) => answer.data === '192.0.2.53');
    },
  });
  return { ...server, host, port };
};
