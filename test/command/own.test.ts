// `own`: which objects and fields are written, as text, as Terraform and as one object.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type OwnOptions, own } from '../../src/command/own.ts';
import { realPorts } from '../../src/ports.ts';
import { listening } from './fixture.ts';
import { openHands, WEB } from './hand.fixture.ts';

const RFC2136 =
  'dns: { kind: rfc2136, zone: example.test, server: 127.0.0.1:1, key: { name: k, algorithm: hmac-sha256, secretFile: ./dns.token } }';

const run = async (config: string, options: Partial<OwnOptions> = {}) => {
  const said = listening();
  const exit = await own({ config, ...options }, { ports: realPorts(), out: said.out, err: said.err });
  return { exit, stdout: said.stdout };
};

/** A replica whose provider is out of reach: nothing here asks it. */
const openUpdates = async () => {
  const hands = await openHands((text) => text.replace(/dns: \{ kind: builtin.*/, RFC2136));
  writeFileSync(join(hands.folder, 'dns.token'), `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 });
  return hands;
};

test('lists objects and fields, and says that nothing else is touched', async () => {
  await using hands = await openUpdates();
  const { exit, stdout } = await run(hands.config);
  expect(exit).toBe(0);
  expect(stdout).toBe(
    [
      `${WEB} (provider dns, rfc2136)`,
      `  record ${WEB} A: ttl, values`,
      `  record ${WEB} AAAA: ttl, values`,
      `  record _tidegate.${WEB} TXT: the whole record, which is Tidegate's alone`,
      '',
      'Fields that are not listed are never touched, nor is any other object.',
      '1 service. --terraform prints the lifecycle blocks.',
      '',
    ].join('\n'),
  );
});

test('as Terraform: a lifecycle block per object, and what is not to be declared', async () => {
  await using hands = await openUpdates();
  const { stdout } = await run(hands.config, { terraform: true });
  expect(stdout).toContain('# Fields that are not listed are never touched, nor is any other object.');
  expect(stdout).toContain(
    [
      `# record ${WEB} A: ttl, values`,
      'resource "dns_a_record_set" "…" {',
      '  lifecycle {',
      '    ignore_changes = [addresses, ttl]',
      '  }',
      '}',
      '',
    ].join('\n'),
  );
  expect(stdout).toContain(
    `# record _tidegate.${WEB} TXT: the whole record, which is Tidegate's alone. Made by Tidegate alone: do not declare it.`,
  );
  expect(stdout.split('\n').filter((line) => line.startsWith('resource')).length).toBe(2);
});

test('as one object, and only the services that were named', async () => {
  await using hands = await openUpdates();
  expect(JSON.parse((await run(hands.config, { json: true })).stdout)).toMatchObject({
    services: [{ service: WEB, provider: 'dns', kind: 'rfc2136', owns: [{ terraform: { resource: 'dns_a_record_set' } }, {}, {}] }],
  });
  await expect(run(hands.config, { service: ['nope'] })).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('the cluster may come from another file, and must come from somewhere', async () => {
  let section = '';
  await using hands = await openHands((text) => {
    section = text.slice(text.indexOf('cluster:'));
    return text
      .slice(0, text.indexOf('cluster:'))
      .replace(
        /store:\n {2}kind: embedded\n {2}file: .*\n/,
        'store: { kind: remote, url: "http://127.0.0.1:1", tokenFile: ./gone.token }\n',
      );
  });
  await expect(run(hands.config)).rejects.toMatchObject({ code: 'ERR_USAGE' });
  const file = join(hands.folder, 'cluster.yaml');
  writeFileSync(file, section);
  expect((await run(hands.config, { file })).stdout).toContain(`  service ${WEB}: fence, ttl, pools\n`);
});
