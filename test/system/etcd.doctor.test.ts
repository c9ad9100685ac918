// `doctor` against real etcd members with TLS, users and roles: what it finds in a healthy cluster, with a member dead, full, and with a role too small.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Checked, doctor } from '../../src/command/doctor.ts';
import { realPorts } from '../../src/ports.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import { cluster } from '../api/fixture.ts';
import { eventually } from '../etcd-fixture.ts';
import { type EtcdCluster, startEtcd } from '../etcd-server.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const ports = realPorts();
const PREFIX = '/tidegate/test/';
const folder = mkdtempSync(join(tmpdir(), 'tidegate-doctor-'));
let etcd: EtcdCluster;

const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text, { mode: 0o600 });
  return join(folder, name);
};

/** A replica's file for a user of etcd. */
const fileOf = (user: string): string => {
  const { certPem, keyPem } = etcd.authority.issue(user);
  put(`${user}.pem`, certPem);
  put(`${user}.key`, keyPem);
  put('ca.pem', etcd.authority.caPem);
  put('dns.token', 'the-token-of-the-name-server\n');
  return put(
    `${user}.yaml`,
    `region: eu-west
replica: a
api: { listen: 127.0.0.1:1, tokenFile: ./none.token }
store:
  kind: etcd
  endpoints: [${etcd.endpoints.join(', ')}]
  prefix: ${PREFIX}
  tls: { caFile: ./ca.pem, certFile: ./${user}.pem, keyFile: ./${user}.key }
  timeout: 2500ms
providers:
  local: { kind: builtin, zone: example.test, control: 127.0.0.1:1, tokenFile: ./dns.token }
`,
  );
};

const run = async (user: string): Promise<{ exit: number; of(id: string): readonly Checked[] }> => {
  const said: string[] = [];
  const config = fileOf(user);
  const exit = await doctor({ config, json: true }, { ports, version: '1.0.0', out: (text) => void said.push(text), err: () => undefined });
  const { findings } = JSON.parse(said.join('')) as { findings: Checked[] };
  return { exit, of: (id) => findings.filter((each) => each.id === id) };
};

beforeAll(async () => {
  etcd = await startEtcd({ members: 3, tls: true, flags: ['--quota-backend-bytes', String(2 * 1024 ** 2)] });
  const roles = ['--coordinator', 'eu-west', '--voter', 'us-east', '--admin', 'operator'];
  execFileSync('sh', [join(import.meta.dirname, '../../deploy/etcd/grants.sh'), '--prefix', PREFIX, ...roles, '--run', '--enable'], {
    env: { PATH: process.env.PATH, ...etcd.ctlEnv() },
  });
  const { certPem, keyPem } = etcd.authority.issue('operator');
  const store = openEtcd({
    endpoints: etcd.endpoints,
    prefix: PREFIX,
    tls: { caPem: etcd.authority.caPem, certPem, keyPem },
    timeoutMs: 2500,
    ports,
  });
  const short = { ...cluster, policy: { ...cluster.policy, freshMs: 1500 } };
  expect((await store.txn({ if: [], then: [{ put: 'members', value: short }] })).ok).toBe(true);
  await store.close();
});
afterAll(async () => {
  await etcd.close();
  rmSync(folder, { recursive: true });
});

test('healthy members, all grants, certificates that hold', async () => {
  const { of } = await run('eu-west');
  for (const id of ['store', 'grants', 'etcd-members', 'etcd-alarms', 'etcd-space', 'etcd-versions', 'sec-store'])
    expect(of(id), id).toMatchObject([{ state: 'ok' }]);
  // The authority of these tests signs for a day or two.
  expect(of('sec-expiry').filter(({ says }) => /^certificate of the server \(.*ends in \d days?$/.test(says))).toHaveLength(3);
  expect(of('sec-expiry').some(({ says }) => says.includes('CN=eu-west of store.tls.certFile'))).toBe(true);
  expect(of('sec-grants')).toMatchObject([{ state: 'ok', says: expect.stringContaining('nothing outside the prefix') }]);
  expect(of('sec-grants')[0]?.says).toMatch(
    /vote\/ beat\/ seen\/ boot\/ members adopted audit\/config- \(of other regions: us-east, ap-south\)/,
  );
  expect(of('sec-versions').some(({ says }) => says.includes('etcd'))).toBe(true);
  expect(of('etcd-members')[0]?.says).toMatch(/^3 members, one leader/);
  expect(of('votes').map(({ says }) => says)).toEqual(expect.arrayContaining([expect.stringContaining('eu-west: no beat')]));
  expect(of('coordinator')).toMatchObject([{ state: 'fail', says: 'nobody holds the office: nothing is decided' }]);
});

test('a role too small is told key by key, and nothing was written', async () => {
  const before = await etcd.ctl('get', '--prefix', PREFIX, '--keys-only');
  const { exit, of } = await run('us-east');
  expect(exit).toBe(3);
  const said = of('grants').map(({ says }) => says);
  expect(said.find((text) => text.startsWith('it may not write leader:'))).toContain('user us-east');
  expect(said.find((text) => text.startsWith('it may not write vote/eu-west/a:'))).toBeDefined();
  expect(said.some((text) => text.startsWith('it may not write override'))).toBe(false);
  expect(await etcd.ctl('get', '--prefix', PREFIX, '--keys-only')).toBe(before);
});

test('an identity that may write more than a replica has to is told right by right, and nothing was written', async () => {
  const before = await etcd.ctl('get', '--prefix', '/', '--keys-only');
  const said = async (user: string): Promise<string> =>
    (await run(user))
      .of('sec-grants')
      .map(({ says }) => says)
      .join('\n');
  const root = await said('root');
  for (const key of ['members', 'vote/us-east/a', 'audit/config-0000000000', '/tidegate-doctor-'])
    expect(root).toContain(`may write ${key}`);
  expect(root).toContain('outside its prefix');
  // Of every other region, not of one.
  expect(root).toContain('may write beat/ap-south/a');
  // Who applies configurations may do that, and nothing in the name of a region.
  const operator = await said('operator');
  expect(operator).toContain('may write members');
  expect(operator).not.toContain('vote/');
  expect(await etcd.ctl('get', '--prefix', '/', '--keys-only')).toBe(before);
});

test('a dead member, then a full store', async () => {
  await etcd.kill(2);
  const dead = await run('eu-west');
  expect(dead.of('etcd-members')).toMatchObject([{ state: 'fail', says: expect.stringContaining(etcd.endpoints[2] ?? '') }]);
  expect(dead.of('store')).toMatchObject([{ state: 'ok' }]);
  await etcd.restart(2);

  const blob = put('blob', 'x'.repeat(512 * 1024));
  await eventually(
    'the store is full',
    async () => {
      await etcd.ctl('put', `${PREFIX}fill`, readFileSync(blob, 'utf8').slice(0, 100_000)).catch(() => undefined);
      return (await etcd.ctl('alarm', 'list')).includes('NOSPACE');
    },
    50_000,
  );
  const full = await run('eu-west');
  expect(full.exit).toBe(3);
  expect(full.of('etcd-alarms').every(({ state, says }) => state === 'fail' && says.includes('NOSPACE'))).toBe(true);
  expect(full.of('etcd-space')[0]?.says).toMatch(/MiB of 2 MiB|at most 2 MiB at a member; etcd before 3\.6/);
});
