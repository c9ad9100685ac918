import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { reloadConfig } from '../../src/config/reload.ts';
import type { ReplicaConfig } from '../../src/config/schema.ts';
import { checkTransition } from '../../src/config/transition.ts';
import type { ClusterConfig, Route, Routing } from '../../src/model.ts';
import { accepted, fixture, goodWith } from './files.ts';

const GOOD = fixture('good.yaml');
const clusterOf = (text: string): ClusterConfig => accepted(text).config.cluster ?? expect.fail('no cluster');
const previous = clusterOf(GOOD);

const routing = (route: Route): Routing => ({
  v: 4,
  epoch: 1,
  nonce: '00',
  atMs: 0,
  membersVersion: 1,
  because: '',
  regionDrainsAtMs: {},
  auditHash: '',
  open: {},
  services: { 'web.example.test': { fence: 4, mode: 'auto', route, sinceAtMs: 0, because: '', pools: {} } },
});

const at = (needle: string): number => GOOD.indexOf(needle);
const WITHOUT_US = GOOD.slice(0, at('        - name: us-east\n'));
const REGION = (name: string): string => `    - { name: ${name}, anchors: [tcp://192.0.2.1:53] }\n`;
const five = clusterOf(goodWith(REGION('ap-south'), REGION('ap-south') + REGION('w1') + REGION('w2')));
const without = (cluster: ClusterConfig, ...names: string[]): ClusterConfig => ({
  ...cluster,
  regions: cluster.regions.filter(({ name }) => !names.includes(name)),
});

describe('what a change may not do to traffic', () => {
  test('the pool that carries all traffic stays', () => {
    const refusals = checkTransition(previous, clusterOf(WITHOUT_US), routing({ 'eu-west': 0, 'us-east': 1000 }));
    expect(refusals).toEqual([
      {
        path: 'cluster.services.web.example.test.pools',
        message:
          'found no pool of the present route (us-east carries all traffic), expected at least one of them to stay; keep it, drain it with an override, and remove it once another pool carries',
      },
    ]);
  });

  test('a pool that carries a part may go while another part stays, and one that carries nothing may go', () => {
    expect(checkTransition(previous, clusterOf(WITHOUT_US), routing({ 'eu-west': 500, 'us-east': 500 }))).toEqual([]);
    expect(checkTransition(previous, clusterOf(WITHOUT_US), routing({ 'eu-west': 1000, 'us-east': 0 }))).toEqual([]);
  });

  test('renaming every pool at once leaves the present route empty', () => {
    const renamed = GOOD.replaceAll(/- name: (eu-west|us-east)\n {10}answers/g, '- name: $1-2\n          region: $1\n          answers');
    const [refusal, ...more] = checkTransition(previous, clusterOf(renamed), routing({ 'eu-west': 500, 'us-east': 500 }));
    expect(more).toEqual([]);
    expect(refusal?.message).toContain('found no pool of the present route (eu-west, us-east carries all traffic)');
  });

  test('before there is a route, and for a service that is new or goes as a whole, nothing is carried', () => {
    expect(checkTransition(previous, clusterOf(WITHOUT_US), null)).toEqual([]);
    const other = clusterOf(GOOD.replaceAll('web.example.test', 'api.example.test'));
    expect(checkTransition(previous, other, routing({ 'us-east': 1000 }))).toEqual([]);
  });

  test('a pool does not change its region, with or without a route', () => {
    const moved = clusterOf(goodWith('        - name: us-east\n', '        - name: us-east\n          region: ap-south\n'));
    for (const current of [null, routing({ 'eu-west': 500, 'us-east': 500 })]) {
      const [refusal, ...more] = checkTransition(previous, moved, current);
      expect(more).toEqual([]);
      expect(refusal?.path).toBe('cluster.services.web.example.test.pools.us-east.region');
      expect(refusal?.message).toContain('found region ap-south, expected us-east');
    }
  });
});

describe('voters change one at a time', () => {
  test('one may leave or join', () => {
    expect(checkTransition(five, without(five, 'w1'), null)).toEqual([]);
    expect(checkTransition(without(five, 'w1'), five, null)).toEqual([]);
  });

  test('two may neither leave nor join at once, and an exchange is two; the refusal has the steps in an order that never lacks voters', () => {
    const [left, ...more] = checkTransition(five, without(five, 'w1', 'w2'), null);
    expect(more).toEqual([]);
    expect(left?.message).toContain('found 2 changes of the voters at once, expected one change at a time');
    expect(left?.message).toContain(
      'apply each alone: (1) w1 leaves, (2) w2 leaves; after each, wait until every voter reports the new version',
    );
    expect(checkTransition(without(five, 'w1', 'w2'), five, null)).toHaveLength(1);
    const [exchange] = checkTransition(without(five, 'w2'), without(five, 'w1'), null);
    expect(exchange?.message).toContain('apply each alone: (1) w2 joins, (2) w1 leaves;');
  });

  test('a region that stays without its vote has left the voters', () => {
    const mute = { ...five, regions: five.regions.map((region) => ({ ...region, vote: !region.name.startsWith('w') })) };
    expect(checkTransition(five, mute, null)).toHaveLength(1);
  });

  test('a cluster that only advised may grow at once', () => {
    expect(checkTransition(without(five, 'ap-south', 'w1', 'w2'), five, null)).toEqual([]);
  });

  test("shrinking one target's list by two is refused as well, under its name", () => {
    const listed = (...from: string[]): ClusterConfig => ({
      ...five,
      services: five.services.map((service) => ({
        ...service,
        pools: service.pools.map((pool) => ({ ...pool, targets: pool.targets.map((target) => ({ ...target, from })) })),
      })),
    });
    expect(checkTransition(five, listed('eu-west', 'us-east', 'ap-south', 'w1'), null)).toEqual([]);
    const [refusal] = checkTransition(five, listed('eu-west', 'us-east', 'ap-south'), null);
    expect(refusal?.path).toBe('cluster.services.web.example.test.pools.eu-west.targets.app.from');
  });
});

describe('what only an explicit word allows', () => {
  const strict = { adviseOnly: false, rename: false };
  const three = without(five, 'w1', 'w2');
  const two = without(three, 'ap-south');

  test('a cluster that can decide does not shrink to one that only advises', () => {
    const [refusal, ...more] = checkTransition(three, two, null, strict);
    expect(more).toEqual([]);
    expect(refusal).toMatchObject({ path: 'cluster.regions' });
    expect(refusal?.message).toContain('found 2 voters left of 3 (eu-west, us-east), expected at least 3');
    expect(refusal?.message).toContain('--allow-advise-only');
    expect(checkTransition(three, two, null, { ...strict, adviseOnly: true })).toEqual([]);
    // From two to one nothing is lost that was there.
    expect(checkTransition(two, without(two, 'us-east'), null, strict)).toEqual([]);
  });

  test("one target's list does not either, under its name; to become local is another role, and allowed", () => {
    const first = (from: 'local' | string[]): ClusterConfig => {
      const changed = structuredClone(three) as unknown as { services: { pools: { targets: { from: unknown }[] }[] }[] };
      for (const target of changed.services[0]?.pools[0]?.targets ?? []) target.from = from;
      return changed as unknown as ClusterConfig;
    };
    const [refusal, ...more] = checkTransition(three, first(['eu-west', 'us-east']), null, strict);
    expect(more).toEqual([]);
    expect(refusal?.path).toBe('cluster.services.web.example.test.pools.eu-west.targets.app.from');
    expect(checkTransition({ ...three }, first('local'), null, strict).map(({ message }) => message)).toEqual([
      expect.stringContaining('found 3 changes of the voters at once'),
    ]);
  });

  test('another name is another cluster, unless it is the own file of a replica with a store of its own', () => {
    const other = { ...three, name: 'staging' };
    const [refusal, ...more] = checkTransition(three, other, null, strict);
    expect(more).toEqual([]);
    expect(refusal).toMatchObject({ path: 'cluster.name', message: expect.stringContaining('found "staging", expected "fixture"') });
    expect(checkTransition(three, other, null)).toEqual([]);
  });
});

describe('reload', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'site.yaml');

  const running = (): ReplicaConfig => {
    writeFileSync(path, GOOD);
    const loaded = loadConfig(path);
    if (!loaded.ok) throw new Error('good.yaml');
    return loaded.config;
  };

  test('the same file is accepted, and a changed cluster arrives', () => {
    const current = running();
    expect(reloadConfig(current, null)).toMatchObject({ ok: true, config: current });
    writeFileSync(path, goodWith('      provider: dns\n', '      provider: dns\n      ttl: 20s\n'));
    const reloaded = reloadConfig(current, routing({ 'eu-west': 1000 }));
    expect(reloaded.ok && reloaded.config.cluster?.services[0]?.ttlS).toBe(20);
  });

  test('a broken file is refused with every problem at its place', () => {
    const current = running();
    writeFileSync(path, goodWith('      provider: dns\n', '      provider: dsn\n      ttl: 20\n'));
    expect(reloadConfig(current, null)).toEqual({
      ok: false,
      because: [
        expect.stringContaining(`${path}:20:17 cluster.services[0].provider: found "dsn"`),
        expect.stringContaining(`${path}:21:12 `),
      ],
    });
  });

  test('what traffic forbids and what needs a restart are refused together', () => {
    const current = running();
    writeFileSync(path, WITHOUT_US.replace('127.0.0.1:7700', '127.0.0.1:7799'));
    expect(reloadConfig(current, routing({ 'us-east': 1000 }))).toEqual({
      ok: false,
      because: [expect.stringContaining(`${path}: api: found a change in api`), expect.stringContaining('us-east carries all traffic')],
    });
  });

  test('a replica that takes its cluster from the store has nothing to compare', () => {
    const remote = GOOD.slice(0, at('cluster:')).replace(
      'kind: embedded\n  file: ./store.sqlite',
      'kind: remote\n  url: http://127.0.0.1:7710\n  tokenFile: t',
    );
    writeFileSync(path, remote);
    const loaded = loadConfig(path);
    expect(loaded.ok && reloadConfig(loaded.config, routing({ 'us-east': 1000 })).ok).toBe(true);
  });
});
