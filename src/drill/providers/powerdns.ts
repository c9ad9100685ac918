// The demo on a real PowerDNS: one native zone in SQLite in the demo's folder, written by signed updates, read through its API, answered by weight.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Fault } from '../../errors.ts';
import { ensureSecret } from '../../secrets.ts';
import { sampleDns } from '../answers.ts';
import { onPath } from '../install.ts';
import { freePort } from '../port.ts';
import type { OpenProviderRoom } from '../provider-room.ts';
import { SERVICE, ZONE } from '../scene.ts';
import { DNS } from '../timeline.ts';
import { SBIN, startServer } from './server.ts';

const LOOPBACK = '127.0.0.1';
const KEY = { name: 'tidegate', algorithm: 'hmac-sha256' } as const;
const [SECRET_FILE, API_KEY_FILE, DATABASE] = ['dns.key', 'api.key', 'zones.sqlite3'];
/** Where Debian, and a build from source, put it. */
const SCHEMAS = [
  '/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql',
  '/usr/local/share/doc/pdns/schema.sqlite3.sql',
  '/opt/homebrew/share/doc/pdns/schema.sqlite3.sql',
];
const INSTALL = 'install it (sudo apt-get install pdns-server pdns-backend-sqlite3), or run the demo without --provider powerdns';

/** The zone with nothing of the service in it, and who may write it. */
const makeZone = (file: string, schema: string, secret: string): void => {
  const database = new DatabaseSync(file);
  try {
    database.exec(readFileSync(schema, 'utf8'));
    database.prepare("INSERT INTO domains (id, name, type) VALUES (1, ?, 'NATIVE')").run(ZONE);
    const record = database.prepare('INSERT INTO records (domain_id, name, type, content, ttl, auth) VALUES (1, ?, ?, ?, 60, 1)');
    record.run(ZONE, 'SOA', `ns1.${ZONE} hostmaster.${ZONE} 1 7200 600 86400 1`);
    record.run(ZONE, 'NS', `ns1.${ZONE}`);
    record.run(`ns1.${ZONE}`, 'A', LOOPBACK);
    database.prepare('INSERT INTO tsigkeys (name, algorithm, secret) VALUES (?, ?, ?)').run(KEY.name, KEY.algorithm, secret);
    const meta = database.prepare('INSERT INTO domainmetadata (domain_id, kind, content) VALUES (1, ?, ?)');
    meta.run('TSIG-ALLOW-DNSUPDATE', KEY.name);
    meta.run('ENABLE-LUA-RECORDS', '1');
  } finally {
    database.close();
  }
};

const confText = (folder: string, port: number, apiPort: number, apiKey: string): string =>
  [
    'launch=gsqlite3',
    `gsqlite3-database=${join(folder, DATABASE)}`,
    `local-address=${LOOPBACK}`,
    `local-port=${port}`,
    `socket-dir=${folder}`,
    'daemon=no',
    'guardian=no',
    'disable-syslog=yes',
    'api=yes',
    `api-key=${apiKey}`,
    `webserver-address=${LOOPBACK}`,
    `webserver-port=${apiPort}`,
    `webserver-allow-from=${LOOPBACK}`,
    'dnsupdate=yes',
    `allow-dnsupdate-from=${LOOPBACK}/32`,
    '',
  ].join('\n');

/** Throws Fault ERR_DEMO when there is no PowerDNS here, saying what to install, or it does not come up. */
export const openPowerDnsRoom: OpenProviderRoom = async ({ ports, folder, app, onCrash }) => {
  const program = onPath('pdns_server', SBIN);
  const schema = SCHEMAS.find((file) => existsSync(file));
  if (program === null) throw new Fault('ERR_DEMO', `PowerDNS is not installed: found no \`pdns_server\`; ${INSTALL}`);
  if (schema === undefined)
    throw new Fault('ERR_DEMO', `PowerDNS has no SQLite backend here: found none of ${SCHEMAS.join(', ')}; ${INSTALL}`);
  const secret = Buffer.from(ports.random.hex(32), 'hex').toString('base64');
  const port = await freePort(ports, [LOOPBACK]);
  let apiPort = port;
  while (apiPort === port) apiPort = await freePort(ports, [LOOPBACK]);
  writeFileSync(join(folder, SECRET_FILE), `${secret}\n`, { mode: 0o600 });
  const apiKey = ensureSecret(join(folder, API_KEY_FILE), ports.random);
  makeZone(join(folder, DATABASE), schema, secret);
  writeFileSync(join(folder, 'pdns.conf'), confText(folder, port, apiPort, apiKey), { mode: 0o600 });
  const server = await startServer({
    ports,
    name: 'pdns_server',
    program,
    args: [`--config-dir=${folder}`],
    logFile: join(folder, 'pdns.log'),
    port,
    onCrash,
  });
  const at = `${LOOPBACK}:${port}`;
  return {
    where: `a real PowerDNS on ${at} (pid ${server.pid}), written by signed dynamic update`,
    serving: { ...DNS, name: 'PowerDNS' },
    entry: () => ({
      kind: 'powerdns',
      zone: ZONE,
      server: at,
      key: { ...KEY, secretFile: SECRET_FILE },
      api: { url: `http://${LOOPBACK}:${apiPort}`, keyFile: API_KEY_FILE },
    }),
    dnsPort: port,
    anchors: [`tcp://${at}`, `tcp://${LOOPBACK}:${apiPort}`],
    converge: { authoritative: [at], request: { port: app, path: '/' } },
    byAddress: true,
    sample: sampleDns(ports, { host: LOOPBACK, port }, SERVICE),
    close: () => server.kill(),
  };
};
