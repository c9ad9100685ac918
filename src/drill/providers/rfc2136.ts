// The demo on a real BIND 9: one primary zone in the demo's folder that takes updates signed with one key, and answers users itself.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../../errors.ts';
import { sampleDns } from '../answers.ts';
import { onPath } from '../install.ts';
import { freePort } from '../port.ts';
import type { OpenProviderRoom } from '../provider-room.ts';
import { SERVICE, ZONE } from '../scene.ts';
import { DNS } from '../timeline.ts';
import { SBIN, startServer } from './server.ts';

const LOOPBACK = '127.0.0.1';
const KEY = { name: 'tidegate', algorithm: 'hmac-sha256' } as const;
const SECRET_FILE = 'dns.key';

const zoneText = `$TTL 60
@ SOA ns1 hostmaster 1 7200 600 86400 1
@ NS ns1
ns1 A ${LOOPBACK}
`;

const confText = (
  folder: string,
  port: number,
  secret: string,
): string => `key "${KEY.name}" { algorithm ${KEY.algorithm}; secret "${secret}"; };
options {
  directory "${folder}"; pid-file "${join(folder, 'named.pid')}"; session-keyfile "${join(folder, 'session.key')}";
  managed-keys-directory "${folder}"; listen-on port ${port} { ${LOOPBACK}; }; listen-on-v6 { none; };
  tcp-listen-queue 100; recursion no; dnssec-validation no; notify no; allow-transfer { none; }; minimal-responses yes;
};
controls { };
zone "${ZONE}" { type primary; file "demo.zone"; update-policy {
  grant ${KEY.name} name ${SERVICE} A AAAA;
  grant ${KEY.name} name _tidegate.${SERVICE} TXT;
}; };
`;

/** Throws Fault ERR_DEMO when there is no BIND here, saying what to install, or it does not come up. */
export const openBindRoom: OpenProviderRoom = async ({ ports, folder, app, onCrash }) => {
  const program = onPath('named', SBIN);
  if (program === null)
    throw new Fault(
      'ERR_DEMO',
      'BIND 9 is not installed: found no `named`; install it (sudo apt-get install bind9; brew install bind), or run the demo without --provider rfc2136',
    );
  const secret = Buffer.from(ports.random.hex(32), 'hex').toString('base64');
  const port = await freePort(ports, [LOOPBACK]);
  const [conf, logFile] = [join(folder, 'named.conf'), join(folder, 'named.log')];
  writeFileSync(join(folder, SECRET_FILE), `${secret}\n`, { mode: 0o600 });
  writeFileSync(join(folder, 'demo.zone'), zoneText, { mode: 0o600 });
  writeFileSync(conf, confText(folder, port, secret), { mode: 0o600 });
  const args = ['-f', '-g', '-4', '-n', '1', '-c', conf];
  const named = await startServer({ ports, name: 'named', program, args, logFile, port, onCrash });
  const server = `${LOOPBACK}:${port}`;
  return {
    where: `a real BIND 9 on ${server} (pid ${named.pid}), written by signed dynamic update`,
    serving: { ...DNS, name: 'BIND' },
    entry: () => ({ kind: 'rfc2136', zone: ZONE, server, key: { ...KEY, secretFile: SECRET_FILE } }),
    dnsPort: port,
    anchors: [`tcp://${server}`],
    converge: { authoritative: [server], request: { port: app, path: '/' } },
    byAddress: true,
    sample: sampleDns(ports, { host: LOOPBACK, port }, SERVICE),
    close: () => named.kill(),
  };
};
