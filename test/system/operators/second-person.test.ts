// An order that takes two, at a replica behind its own certificate: whoever gave it cannot agree to it, somebody else with the right can, and then it moves
// traffic. Everything by the command line, with a token each, an authority of our own and a certificate of a caller.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAuthority } from '../../etcd-certificates.ts';
import { startCluster, tidegate } from '../cluster.ts';
import { WEB } from '../cluster-config.ts';
import { MAIN } from '../replica-process.ts';
import { until } from '../until.ts';

interface Ran {
  code: number;
  out: string;
  err: string;
}

test('break-glass past a rule of high risk awaits a second person, over TLS', { timeout: 300_000 }, async () => {
  await using cluster = await startCluster({ policy: { safety: '{ capacity: {}, blast-radius: { regions: 1, window: 2s } }' } });
  const file = (name: string): string => join(cluster.folder, name);
  const servers = createAuthority(cluster.folder, 'servers');
  const clients = createAuthority(cluster.folder, 'clients');
  const own = servers.issue('api', ['IP:127.0.0.1']);
  const reader = clients.issue('reader.example.net');
  writeFileSync(file('api.key'), own.keyPem, { mode: 0o600 });
  writeFileSync(file('reader.key'), reader.keyPem, { mode: 0o600 });
  for (const [name, role] of [
    ['ana', 'operator'],
    ['ben', 'approver'],
  ] as const) {
    const made = await tidegate('token', 'new', '--name', name, '--role', role, '--file', file('tokens'));
    writeFileSync(file(`${name}.token`), made, { mode: 0o600 });
  }
  cluster.edit('us-east', (text) =>
    text.replace(
      /tokenFile: operator.token }/,
      `tokenFile: operator.token, tls: { certFile: ${own.certFile}, keyFile: api.key, clientCaFile: ${clients.caFile} }, auth: { anonymous: none, tokensFile: tokens, certificates: [{ commonName: reader.example.net, role: viewer }] } }`,
    ),
  );
  expect(await cluster.stop('us-east')).toMatchObject({ code: 0 });
  await cluster.start('us-east');

  const address = `https://127.0.0.1:${cluster.doors.api['us-east']}`;
  const run = (args: readonly string[], connect: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [MAIN, ...args, '--endpoint', address, ...connect],
        { env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent' }, timeout: 120_000 },
        (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, err }),
      );
      child.stdin?.end();
    });
  const ca = ['--ca', servers.caFile];
  const as = (name: string): readonly string[] => [...ca, '--token-file', file(`${name}.token`)];

  // Who it is, both ways: an authority that is not known, nobody, a certificate.
  expect(await run(['status'], [])).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/CERT|SIGN|TLS|SSL/) });
  expect(await run(['status'], ca)).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/ERR_UNAUTHORIZED.*--token-file/) });
  const certificate = [...ca, '--cert', reader.certFile, '--key', file('reader.key')];
  await until('a status by certificate', async () => (await run(['status'], certificate)).out.includes('3 of 3 vantages speak'));
  const order = ['drain', 'ap-south', '--reason', 'a rack burns and nothing else helps', '--ttl', '20m'];
  expect(await run([...order, '--yes'], certificate)).toMatchObject({ code: 77, err: expect.stringContaining('ERR_FORBIDDEN') });

  // More load than the two others bear.
  const reported = await fetch(`http://127.0.0.1:${cluster.doors.api['eu-west']}/v1/reports/${WEB}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${cluster.operatorToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ load: 900, capacity: { 'eu-west': 400, 'us-east': 400, 'ap-south': 400 }, ttl: '30m' }),
  });
  expect(reported.status).toBe(200);

  const judged = await until('the rule', async () => {
    const ran = await run([...order, '--dry-run'], as('ana'));
    return ran.code === 6 && ran;
  });
  expect(judged.out.replace(/\s+/g, ' ')).toContain('rule capacity refuses');
  expect(await run([...order, '--yes'], as('ana'))).toMatchObject({ code: 6, err: expect.stringContaining('ERR_REFUSED') });

  const given = await run([...order, '--yes', '--break-glass', '--json', '--id', 'rack'], as('ana'));
  expect(given.code, given.err).toBe(0);
  expect(JSON.parse(given.out)).toMatchObject({ outcome: 'awaits-approval', override: { id: 'rack', owner: expect.any(String) } });
  expect((await run(['status'], certificate)).out).toContain('awaits approval');

  expect(await run(['override', 'approve', 'rack', '--yes'], as('ana'))).toMatchObject({
    code: expect.toSatisfy((code) => code === 77 || code === 6),
    out: '',
  });
  const agreed = await run(['override', 'approve', 'rack', '--yes', '--wait'], as('ben'));
  expect(agreed, agreed.err).toMatchObject({ code: 0, out: expect.stringContaining('the order rack stands') });
  await cluster.untilServed('the drain', (route) => route['ap-south'] === 0);
  expect(JSON.parse((await run(['override', 'list', '--json'], certificate)).out)).toMatchObject({
    items: [{ id: 'rack', by: 'ana', approval: { by: 'ben' }, obeyed: true }],
  });

  // The story as it happened, told by one replica and then by another from where the first was left.
  const told = JSON.parse((await run(['why', '--json'], certificate)).out) as { v: number };
  expect((await run(['why', String(told.v)], certificate)).out).toContain('ap-south 33%->0%');
  expect(await run(['undrain', 'rack', '--yes'], as('ben'))).toMatchObject({ code: 0, out: expect.stringContaining('has ended') });
});
