// Adopting and acknowledging from the command line, on the wire of the builtin server and a store in memory.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { auditKey, KEYS } from '../../src/coordinate/keys.ts';
import type { Adopted, AppliedRecord, Audit, Overrides, Routing } from '../../src/model.ts';
import { openHands, WEB } from './hand.fixture.ts';

const fault = (code: string, part = '') => expect.objectContaining({ code, message: expect.stringContaining(part) });

const record = async <T>({ store }: Awaited<ReturnType<typeof openHands>>, key: string): Promise<T | undefined> =>
  (await store.get({ keys: [key] })).kvs[0]?.value as T | undefined;

test('ack takes the route that was set by hand into the store, with who, why and the journal in the audit', async () => {
  await using hands = await openHands();
  await hands.set({ share: ['us-east=75', 'eu-west=25'] });
  const { exit, stdout } = await hands.ack({ reason: 'looked at it', journal: `${hands.config}.break-glass.ndjson` });
  expect(exit).toBe(0);
  expect(stdout).toBe(
    [
      `${WEB} (provider dns)`,
      '  store    nothing',
      '  served   eu-west 250, us-east 750; fence 1 by manual/bob',
      '  adopted  eu-west 250, us-east 750; fence 2',
      'acknowledged: decision 2 of fixture; its coordinator now writes it, and automation goes on from there',
      '',
    ].join('\n'),
  );
  expect(await record<Routing>(hands, KEYS.routing)).toMatchObject({ v: 2, services: { [WEB]: { fence: 2, route: { 'us-east': 750 } } } });
  expect(await record<AppliedRecord>(hands, `applied/dns/${WEB}`)).toMatchObject({ fence: 1, outcome: 'applied' });
  expect(await record<Audit>(hands, auditKey(2))).toMatchObject({
    by: 'ack/alice',
    because: `alice acknowledged what is served for ${WEB}, set by hand: looked at it`,
    votes: {
      journal: [
        { outcome: 'begun', owner: 'bob' },
        { outcome: 'set', reason: 'eu-west is on fire' },
      ],
    },
  });
  expect(await record(hands, KEYS.adopted)).toBeUndefined();
});

test('--hold places a freeze in the same transaction', async () => {
  await using hands = await openHands();
  await hands.set();
  const { stdout } = await hands.ack({ hold: '4h' });
  expect(stdout).toContain('freeze ack-web-example-test holds web.example.test until it expires or is deleted');
  const [item, ...more] = (await record<Overrides>(hands, KEYS.override))?.items ?? [];
  expect(item).toMatchObject({ id: 'ack-web-example-test', kind: 'freeze', scope: { service: WEB }, owner: 'alice' });
  expect((item?.expiresAtMs ?? 0) - (item?.createdAtMs ?? 0)).toBe(4 * 3_600_000);
  expect(more).toEqual([]);
  for (const hold of ['soon', '0s', '169h']) await expect(hands.ack({ hold })).rejects.toEqual(fault('ERR_USAGE', '--hold'));
});

test('ack is refused for what no human set, and without a service', async () => {
  await using hands = await openHands();
  await expect(hands.ack()).rejects.toEqual(fault('ERR_USAGE', 'carries no fence, which no human set by hand'));
  await expect(hands.ack({ service: [] })).rejects.toEqual(fault('ERR_USAGE', '--service'));
  await expect(hands.ack({ service: ['nope'] })).rejects.toEqual(fault('ERR_USAGE', 'no service "nope"'));
});

test('a journal keeps to the services asked for; lines of others and torn ones are left out', async () => {
  await using hands = await openHands();
  await hands.set();
  const journal = join(hands.folder, 'mixed.ndjson');
  const lines = Array.from({ length: 30 }, (_, n) => JSON.stringify({ service: WEB, n }));
  writeFileSync(journal, ['{"service":"api","n":1}', ...lines, '{"service":"web.exam', ''].join('\n'));
  await hands.ack({ journal });
  const audit = await record<Audit>(hands, auditKey(2));
  expect(audit?.votes.journal).toEqual(lines.slice(-20).map((l) => JSON.parse(l)));
  await expect(hands.ack({ journal: join(hands.folder, 'gone') })).rejects.toEqual(fault('ERR_USAGE', '--journal'));
});

test('through a file that joins the store of another process, adopt says who is to be started again', async () => {
  await using hands = await openHands();
  const joins = 'store: { kind: remote, url: http://127.0.0.1:7710, tokenFile: ./dns.token }\n';
  const text = readFileSync(hands.config, 'utf8');
  writeFileSync(hands.config, text.replace(/^store:\n(?: .*\n)+/m, joins).replace(/^cluster:\n(?: .*\n)+/m, ''));
  const { stdout } = await hands.adopt();
  expect(stdout).toMatch(/^adopted: decision \d+ of fixture; now start every replica again that joins this store: .* stand still$/m);
});

test('adopt looks first, then takes what the store does not know', async () => {
  await using hands = await openHands();
  await hands.dns.put({
    service: {
      name: WEB,
      ttlS: 10,
      pools: [
        { pool: 'eu-west', share: 0, answers: ['192.0.2.10'] },
        { pool: 'us-east', share: 1000, answers: ['192.0.2.20'] },
      ],
      fence: 'v=1;fence=41;epoch=7;writer=us-east/a/x;nonce=d41-1;hash=ab',
    },
    ifFence: null,
  });
  const dry = await hands.adopt({ dryRun: true, json: true });
  expect(JSON.parse(dry.stdout)).toMatchObject({ outcome: 'planned', v: 42, services: [{ service: WEB, carried: { v: 41 }, fence: 42 }] });
  expect(await record(hands, KEYS.routing)).toBeUndefined();
  expect((await hands.adopt()).stdout).toContain('adopted: decision 42 of fixture');
  expect(await record<Adopted>(hands, KEYS.adopted)).toMatchObject({ by: 'alice', reason: 'eu-west is on fire' });
  expect(await record<Routing>(hands, KEYS.routing)).toMatchObject({
    v: 42,
    services: { [WEB]: { route: { 'eu-west': 0, 'us-east': 1000 } } },
  });
});

test('a provider that cannot be read stops it, with a way round; a file that is not accepted is shown', async () => {
  await using hands = await openHands();
  writeFileSync(join(hands.folder, 'dns.token'), 'a-wrong-token-altogether\n');
  await expect(hands.adopt()).rejects.toEqual(fault('ERR_PROVIDER', 'name the services of the others with --service'));
  await using broken = await openHands((text) => text.replace('region: eu-west', 'region: mars'));
  expect(await broken.adopt()).toMatchObject({ exit: 78, stdout: '' });
});

test('a service of a provider that this file does not name is a matter for another file', async () => {
  await using hands = await openHands();
  const { kvs } = await hands.store.get({ keys: [KEYS.members] });
  const text = JSON.stringify(kvs[0]?.value).replaceAll('"provider":"dns"', '"provider":"elsewhere"');
  await hands.store.txn({ if: [], then: [{ put: KEYS.members, value: JSON.parse(text) }] });
  await expect(hands.adopt({ service: [WEB] })).rejects.toEqual(fault('ERR_CONFIG', 'expected elsewhere among them'));
});
