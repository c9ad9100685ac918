// `import`: from what was found to a file that `check` accepts, never over another file, nothing hidden of what could not be taken.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FoundService, Inventory } from '../../providers/provider.ts';
import { type DraftRequest, draftOf } from '../../src/command/draft.ts';
import { type ImportOptions, importFrom } from '../../src/command/import.ts';
import { type Given, type Importer, importers } from '../../src/command/importers.ts';
import { examineConfig } from '../../src/config/files.ts';
import { FILE_BYTES_MAX, parseConfig } from '../../src/config/load.ts';
import { Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { listening } from './fixture.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-import-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const found = (service: string, fields: Partial<FoundService> = {}): FoundService => ({
  service,
  ttlS: 30,
  pools: [
    { pool: 'eu-west', weight: 3, answers: ['192.0.2.10'] },
    { pool: 'us-east', weight: 1, answers: ['192.0.2.20', '2001:db8::20'] },
  ],
  objects: null,
  notes: [],
  firstFence: `creates the record _tidegate.${service}`,
  ...fields,
});

const ENTRY = {
  kind: 'rfc2136',
  zone: 'example.com',
  server: '192.0.2.53:53',
  key: { name: 'tidegate', algorithm: 'hmac-sha256', secretFile: './dns.key' },
};

/** An importer of a vendor that nobody has to run. */
const fake = (inventory: Inventory | Error, entry: Record<string, unknown> = ENTRY): Importer => ({
  says: 'a fake',
  options: [],
  called: 'dns',
  source: () => 'the zone example.com of a fake',
  entry: () => ({ entry, guesses: {} }),
  look: async () => {
    if (inventory instanceof Error) throw inventory;
    return inventory;
  },
});

const run = async (importer: Importer, options: ImportOptions = {}, given: Given = {}) => {
  const said = listening();
  const exit = await importFrom(importer, given, options, { ports: realPorts(), out: said.out, err: said.err });
  return { exit, stdout: said.stdout.replaceAll(`${folder}/`, ''), stderr: said.stderr.replaceAll(`${folder}/`, '') };
};

const request = (fields: Partial<DraftRequest> = {}): DraftRequest => ({
  source: 'a test',
  provider: 'dns',
  entry: ENTRY,
  guesses: {},
  regions: new Map(),
  probe: { scheme: 'https', port: null },
  file: '/etc/tidegate/imported.yaml',
  ...fields,
});

const drafted = (inventory: Inventory, fields: Partial<DraftRequest> = {}) => {
  const result = draftOf(inventory, request(fields));
  if (!result.ok) throw new Error(JSON.stringify(result));
  return result.draft;
};

const clusterOf = (text: string) => {
  const loaded = parseConfig(text, '/etc/tidegate/imported.yaml');
  if (!loaded.ok || loaded.config.cluster === null) throw new Error(JSON.stringify(loaded));
  return loaded.config.cluster;
};

const zone = (...services: FoundService[]): Inventory => ({ services, refused: [] });

test('writes a file that check accepts: all in observe, weights, answers and TTL as found, targets guessed', async () => {
  const out = join(folder, 'tidegate.yaml');
  const { exit, stdout, stderr } = await run(
    fake({ services: [found('web.example.com')], refused: [{ what: 'geo.example.com A', because: 'geolocation steers it' }] }),
    { out },
  );
  expect(exit).toBe(0);
  expect(stdout).toBe(
    [
      'taken, in observe',
      '  web.example.com: eu-west 3, us-east 1',
      '    first fence: creates the record _tidegate.web.example.com',
      'left out',
      '  geo.example.com A: geolocation steers it',
      "1 service of the zone example.com of a fake written to tidegate.yaml, 1 left out; nothing was written at the vendor's",
      '',
    ].join('\n'),
  );
  expect(stderr).toContain('next: tidegate check -c tidegate.yaml');
  const loaded = examineConfig(out);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  expect(statSync(out).mode & 0o777).toBe(0o600);
  expect(loaded.config.region).toBe('eu-west');
  expect(loaded.config.providers).toMatchObject({ dns: { kind: 'rfc2136', key: { secretFile: resolve('dns.key') } } });
  expect(loaded.config.cluster?.services).toMatchObject([
    {
      name: 'web.example.com',
      mode: 'observe',
      ttlS: 30,
      pools: [
        {
          name: 'eu-west',
          weight: 3,
          answers: ['192.0.2.10'],
          targets: [
            { healthz: { url: 'https://192.0.2.10/healthz', serverName: 'web.example.com' }, readyz: { url: 'https://192.0.2.10/readyz' } },
          ],
        },
        { targets: [{ name: 'app-1' }, { name: 'app-2', healthz: { url: 'https://[2001:db8::20]/healthz' } }] },
      ],
    },
  ]);
  const text = readFileSync(out, 'utf8');
  expect(text).toContain('# guesses: nobody said where its health is told');
  expect(text).toContain('# First fence: creates the record _tidegate.web.example.com');
  expect(text).toContain('#   geo.example.com A: geolocation steers it');
  expect(text).toMatch(/# {5}convergence {2}47 s = 1 s guard before the write \+ .* \+ 30 s TTL in the resolvers/);
});

test('never writes over a file, unless it is told to, and does not even look before', async () => {
  const out = join(folder, 'tidegate.yaml');
  writeFileSync(out, 'precious');
  await expect(run(fake(new Error('it was asked')), { out })).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringContaining('--force'),
  });
  expect(readFileSync(out, 'utf8')).toBe('precious');
  expect((await run(fake(zone(found('web.example.com'))), { out, force: true })).exit).toBe(0);
  expect(examineConfig(out).ok).toBe(true);
  await expect(run(fake(zone(found('web.example.com'))), { out: join(folder, 'no/such/folder.yaml') })).rejects.toMatchObject({
    code: 'ERR_USAGE',
  });
});

test('without --out the file is what stdout holds; --json has it in one object', async () => {
  const { stdout, stderr } = await run(fake(zone(found('web.example.com'))));
  expect(clusterOf(stdout).services.length).toBe(1);
  expect(stderr).toContain('1 service of the zone example.com of a fake printed, 0 left out');
  const { text, ...object } = JSON.parse((await run(fake(zone(found('web.example.com'))), { json: true })).stdout);
  expect(object).toMatchObject({ outcome: 'drafted', file: null, left: [], services: [{ service: 'web.example.com', ttlS: 30 }] });
  expect(clusterOf(text).services.length).toBe(1);
});

test('regions are pools unless said, and * is all others', async () => {
  const given = { regions: 'eu-west=frankfurt,*=virginia', probe: 'http:8080' };
  const { stdout } = await run(fake(zone(found('web.example.com'))), given);
  const cluster = clusterOf(stdout);
  expect(cluster.regions.map(({ name }) => name)).toEqual(['frankfurt', 'virginia']);
  expect(cluster.services[0]?.pools.map(({ region }) => region)).toEqual(['frankfurt', 'virginia']);
  expect(cluster.services[0]?.pools[0]?.targets[0]?.healthz?.url).toBe('http://192.0.2.10:8080/healthz');
  const dotted = {
    pools: [
      { pool: '10.1', weight: 1, answers: ['192.0.2.1'] },
      { pool: 'a.b', weight: 1, answers: ['192.0.2.2'] },
    ],
  };
  // A pool needs a letter in its name, and a region has no dots.
  expect(draftOf(zone(found('web.example.com', dotted)), request())).toMatchObject({
    ok: false,
    left: [{ what: 'web.example.com', because: expect.stringContaining('pools[0].name: found "10.1"') }],
  });
  expect(drafted(zone(found('web.example.com', { pools: [dotted.pools[1]!] }))).cluster.regions).toMatchObject([{ name: 'a-b' }]);
});

test.each<[string, ImportOptions, string]>([
  ['a mapping without a region', { regions: 'a' }, '--regions a: expected POOL=REGION'],
  ['a pool mapped twice', { regions: 'a=b,a=c' }, 'named twice'],
  ['a probe of another kind', { probe: 'tcp' }, '--probe tcp: expected http or https'],
  ['a port that is none', { probe: 'http:0' }, '--probe http:0'],
  ['a service that was not found', { service: ['nope.example.com'] }, 'nothing of that name was found'],
  ['a service that cannot be owned', { service: ['geo.example.com'] }, 'it cannot be owned: geolocation'],
])('%s is refused', async (_claim, options, part) => {
  const inventory = { services: [found('web.example.com')], refused: [{ what: 'geo.example.com A', because: 'geolocation' }] };
  await expect(run(fake(inventory), options)).rejects.toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining(part) });
});

test('only the named services, when some are', async () => {
  const { stdout } = await run(fake(zone(found('web.example.com'), found('api.example.com'))), { service: ['api.example.com'] });
  expect(clusterOf(stdout).services.map(({ name }) => name)).toEqual(['api.example.com']);
});

test('what no configuration holds is left out with the reason that check gives, and the rest is taken', async () => {
  const out = join(folder, 'tidegate.yaml');
  const { exit, stdout } = await run(fake(zone(found('*.example.com'), found('web.example.org'), found('web.example.com'))), { out });
  expect(exit).toBe(0);
  expect(stdout).toContain('  *.example.com: name: found "*.example.com", expected a DNS name in lower case');
  expect(stdout).toContain('  web.example.org: name: found "web.example.org", expected a name in the zone example.com');
  expect(stdout).toContain('1 service of');
});

test('nothing that can be taken writes nothing and says why', async () => {
  const out = join(folder, 'tidegate.yaml');
  const { exit, stderr } = await run(fake({ services: [found('*.example.com')], refused: [{ what: 'x', because: 'y' }] }), { out });
  expect(exit).toBe(1);
  expect(stderr).toContain('left out\n  x: y\n  *.example.com: ');
  expect(existsSync(out)).toBe(false);
});

test('more regions than a cluster may have are refused with the way out', async () => {
  const pools = Array.from({ length: 40 }, (_, i) => ({ pool: `p${i}`, weight: 1, answers: [`192.0.2.${i + 1}`] }));
  const many = fake(zone(found('web.example.com', { pools })));
  await expect(run(many)).rejects.toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining('would make 40 regions') });
  expect((await run(many, { regions: 'p0=eu-west,*=us-east' })).exit).toBe(0);
});

test('nothing of a name that a terminal would obey reaches it', async () => {
  const { stderr } = await run(
    fake({ services: [found('web.example.com')], refused: [{ what: '\x1b]0;x\x07a.example.com', because: 'y' }] }),
  );
  expect(stderr).toContain('\n  ?]0;x?a.example.com: y\n');
});

test('more services than one cluster holds, or one file, are refused with the way out', async () => {
  const named = (count: number, pad = ''): Importer =>
    fake(zone(...Array.from({ length: count }, (_, i) => found(`h${i}.example.com`, { notes: [pad] }))));
  await expect(run(named(1001))).rejects.toMatchObject({ code: 'ERR_USAGE', message: expect.stringMatching(/^1001 names .*--service$/) });
  const { exit, stderr } = await run(named(4, 'x'.repeat(FILE_BYTES_MAX / 4)));
  expect(exit).toBe(78);
  expect(stderr).toContain('with 4 services written out, expected at most that; name some of them with --service');
});

test('what contradicts itself across services is refused with every problem, and nothing is written', async () => {
  const out = join(folder, 'tidegate.yaml');
  const twice = zone(found('web.example.com'), found('web.example.com'), found('api.example.com'), found('api.example.com'));
  const { exit, stderr } = await run(fake(twice), { out });
  expect(exit).toBe(78);
  expect(stderr).toMatch(/second service "web\.example\.com"/);
  expect(stderr).toMatch(/second service "api\.example\.com"/);
  expect(existsSync(out)).toBe(false);
});

test('an entry that is none, and a vendor that does not answer', async () => {
  const bad = { ...ENTRY, server: 'ns1.example.com', key: { ...ENTRY.key, algorithm: 'md5' } };
  await expect(run(fake(zone(), bad))).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringMatching(/server: expected .*key\.algorithm: expected/),
  });
  await expect(run(fake(new Error('connection refused')))).rejects.toMatchObject({
    code: 'ERR_PROVIDER',
    message: 'reading the zone example.com of a fake: connection refused; nothing was written',
  });
  await expect(run(fake(new Fault('ERR_SECRET', 'no key')))).rejects.toMatchObject({ code: 'ERR_SECRET' });
});

describe('TTLs and goals', () => {
  test('long TTLs raise the goal as far as they need, and say what would meet the usual one', () => {
    const { text, cluster } = drafted(zone(found('web.example.com', { ttlS: 300 }), found('api.example.com')));
    expect(clusterOf(text).goals).toEqual({ detectionMs: 30_000, convergenceMs: 317_000 });
    expect(cluster.services.map(({ ttlS }) => ttlS)).toEqual([300, 30]);
    expect(text).toContain('# web.example.com: TTL 5m, 317 s at worst; a TTL of 43s or less would meet it.');
    expect(text).not.toContain('api.example.com: TTL');
  });

  test('short ones leave it, and nothing is said', () => {
    const { text } = drafted(zone(found('web.example.com')));
    expect(clusterOf(text).goals).toEqual({ detectionMs: 30_000, convergenceMs: 60_000 });
    expect(text).not.toContain('Raised');
  });

  test.each([
    [86_400, 3000, 'TTL found: 24h; 50m is the longest'],
    [0, 1, 'TTL found: 0; one second is the shortest'],
    [null, 30, 'No TTL of its own was found'],
  ])('a TTL of %s becomes %s s, and that is said', (ttlS, kept, said) => {
    const { text } = drafted(zone(found('web.example.com', { ttlS })));
    expect(clusterOf(text).services[0]?.ttlS).toBe(kept);
    expect(text).toContain(said);
  });
});

test('objects of the vendor stand under the services of its entry', () => {
  const text = draftOf(zone(found('web.example.com', { objects: { id: 'Z1', pools: { a: 'x' } } })), request());
  // The one kind that needs none refuses them, by the verdict of check.
  expect(text).toMatchObject({ ok: false, left: [{ what: 'web.example.com', because: expect.stringContaining('services') }] });
});

test('a pool without an address is left out where pools are served by their addresses', () => {
  const pools = [{ pool: 'eu-west', weight: 1, answers: ['lb.example.net'] }];
  expect(draftOf(zone(found('web.example.com', { pools })), request())).toMatchObject({
    ok: false,
    left: [{ because: expect.stringContaining('found no answers') }],
  });
});

const WORD = fc.string({ unit: 'grapheme', maxLength: 20 });

test('whatever a vendor puts into names and notes, the file is accepted and the text stays in its comment', () => {
  const pool = fc.record({
    pool: fc.constantFrom('a', 'b', 'c-1'),
    weight: fc.integer({ min: 0, max: 255 }),
    answers: fc.constant(['192.0.2.1']),
  });
  const service = fc.record({
    service: fc.constantFrom('web.example.com', 'api.example.com', '*.example.com', 'example.com', 'x'),
    ttlS: fc.option(fc.integer({ min: 0, max: 200_000 })),
    pools: fc.uniqueArray(pool, { selector: (p) => p.pool, minLength: 1, maxLength: 3 }),
    objects: fc.constant(null),
    notes: fc.array(fc.oneof(WORD, fc.constant('a\nregion: evil'), fc.constant('\u2028x: y'), fc.constant('# # \r\n- z'))),
    firstFence: fc.oneof(WORD, fc.constant('x\n\ncluster: {}')),
  });
  const inventory = fc.record({
    services: fc.uniqueArray(service, { selector: (s) => s.service, maxLength: 4 }),
    refused: fc.array(fc.record({ what: WORD, because: fc.oneof(WORD, fc.constant('\nstore: 1')) }), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(inventory, (given) => {
      const result = draftOf(given, request());
      if (!result.ok) {
        expect(result.problems).toEqual([]);
        return;
      }
      const cluster = clusterOf(result.draft.text);
      expect(cluster.services.every(({ mode }) => mode === 'observe')).toBe(true);
      expect(cluster.services.length + result.draft.left.length).toBe(given.services.length + given.refused.length);
      expect(cluster.goals.convergenceMs).toBeLessThanOrEqual(3_600_000);
    }),
    { numRuns: 60 },
  );
});

describe('zonefile', () => {
  const ZONE = [
    '$ORIGIN example.com.',
    '$TTL 30',
    '@ SOA ns1 hostmaster ( 1 ; the serial',
    '  7200 3600 86400 5 )',
    'web A 192.0.2.10',
    '    A 192.0.2.20',
    'shop CNAME web',
    '',
  ].join('\n');
  const importer = importers.zonefile;

  test('with a server and its key, the entry is what was said, and paths are of the file', async () => {
    const [zoneFile, out, keyFile] = [join(folder, 'db.example'), join(folder, 'tidegate.yaml'), join(folder, 'keys/dns.key')];
    writeFileSync(zoneFile, ZONE);
    const given = { zoneFile, origin: 'Example.com.', server: '192.0.2.53', key: 'tide', keyFile, algorithm: 'hmac-sha512' };
    expect((await run(importer, { out, regions: '*=eu-west' }, given)).exit).toBe(0);
    const loaded = examineConfig(out);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    expect(loaded.config.providers).toEqual({
      dns: {
        kind: 'rfc2136',
        zone: 'example.com',
        server: { host: '192.0.2.53', port: 53 },
        key: { name: 'tide', algorithm: 'hmac-sha512', secretFile: keyFile },
      },
    });
    expect(loaded.config.cluster?.services.map(({ name }) => name)).toEqual(['web.example.com']);
    expect(readFileSync(out, 'utf8')).toContain('#   shop.example.com');
  });

  test('without them both are guesses, and said to be', async () => {
    const [zoneFile, out] = [join(folder, 'db.example'), join(folder, 'tidegate.yaml')];
    writeFileSync(zoneFile, ZONE);
    expect((await run(importer, { out, regions: '*=eu-west' }, { zoneFile, origin: 'example.com' })).exit).toBe(0);
    const text = readFileSync(out, 'utf8');
    expect(text.match(/# a guess: put/g)?.length).toBe(2);
    expect(text).toContain('secretFile: ./dns.key');
    expect(examineConfig(out).ok).toBe(true);
  });

  test('half a key, a server that is no address and a file that is none are refused', async () => {
    const zoneFile = join(folder, 'db.example');
    for (const [given, part] of [
      [{ key: 'k' }, '--key and --key-file'],
      [{ server: 'ns1.example.com' }, '--server ns1.example.com'],
      [{}, 'db.example'],
    ] as const)
      await expect(run(importer, {}, { zoneFile, origin: 'example.com', ...given })).rejects.toMatchObject({
        code: 'ERR_USAGE',
        message: expect.stringContaining(part),
      });
  });
});
