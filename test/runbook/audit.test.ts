// What has to be so while nothing happens: a platform as it should be, and each way in which it may not be.
import { describe, expect, test } from 'vitest';
import { readinessLines, readinessOf } from '../../src/runbook/audit.ts';
import type { AuditLine, CacheFacts, DatabaseFacts, NamespaceFacts, SiteFacts, Steady, Unseen } from '../../src/runbook/facts.ts';
import type { PlatformConfig, SiteConfig } from '../../src/runbook/platform.ts';
import { both, cold, coldData, dual, dualData, EAST, hot, WEST } from './platforms.ts';

const facts = (ready: number, over: Partial<SiteFacts> = {}): SiteFacts => ({
  replicas: ready,
  ready,
  autoscaler: null,
  zones: ['a', 'b', 'c'],
  unpulled: [],
  limited: true,
  check: { ok: true, because: 'it answers' },
  ...over,
});

const namespace = (over: Partial<NamespaceFacts> = {}): NamespaceFacts => ({
  active: 'aws-us-east-1',
  replicas: [{ place: 'aws-eu-west-1', ready: true, state: 'REPLICA_STATE_ACTIVE' }],
  forwardingDisabled: false,
  managedFailoverDisabled: false,
  ...over,
});

/** As it should be: what is active has its replicas, what is not its standby. */
const steadyOf = (platform: PlatformConfig, over: { namespace?: Partial<NamespaceFacts> } = {}): Steady => ({
  atMs: 1,
  active: EAST,
  sites: Object.fromEntries(
    platform.fleets.flatMap(({ name, sites }) =>
      Object.entries(sites).map(([region, site]) => {
        const isUp = region === EAST || platform.model === 'active-active';
        return [`${name}@${region}`, facts(isUp ? site.replicas : site.standby)];
      }),
    ),
  ),
  namespaces: Object.fromEntries(platform.namespaces.flatMap((entry) => entry.namespaces.map((name) => [name, namespace(over.namespace)]))),
});

const withSite = (steady: Steady, of: string, site: SiteFacts | Unseen): Steady => ({ ...steady, sites: { ...steady.sites, [of]: site } });
const withNamespace = (steady: Steady, of: string, found: NamespaceFacts | Unseen): Steady => ({
  ...steady,
  namespaces: { ...steady.namespaces, [of]: found },
});

/** A fleet's site in a region, otherwise. */
const withConfig = (platform: PlatformConfig, fleet: string, region: string, over: Partial<SiteConfig>): PlatformConfig => ({
  ...platform,
  fleets: platform.fleets.map((each) =>
    each.name === fleet ? { ...each, sites: { ...each.sites, [region]: { ...each.sites[region]!, ...over } } } : each,
  ),
});

const lineOf = (platform: PlatformConfig, steady: Steady, check: string, of: string): AuditLine | undefined =>
  readinessOf(platform, steady).lines.find((line) => line.check === check && line.of === of);

const NS = 'acme.abc12';

// The places of the platforms' own clusters.
const hotCloud: PlatformConfig = { ...hot, namespaces: cold.namespaces };
const coldGood = steadyOf(cold);
const hotGood = steadyOf(hotCloud, { namespace: { forwardingDisabled: true } });
const bothGood = steadyOf(both);
const dualGood: Steady = {
  ...steadyOf(dual),
  sites: { ...steadyOf(dual).sites, [`workers-b@${EAST}`]: facts(4), [`workers-b@${WEST}`]: facts(4) },
  namespaces: {
    ...steadyOf(dual).namespaces,
    'b1.abc12': namespace({
      active: 'aws-eu-west-1',
      replicas: [{ place: 'aws-us-east-1', ready: true, state: 'REPLICA_STATE_ACTIVE' }],
      forwardingDisabled: true,
    }),
    'c1.abc12': namespace({ forwardingDisabled: true }),
  },
};

describe('as it should be', () => {
  test.each<[string, PlatformConfig, Steady]>([
    [
      'active-hot, with all of the fleet warm',
      hotCloud,
      { ...hotGood, sites: Object.fromEntries(Object.keys(hotGood.sites).map((of) => [of, facts(4)])) },
    ],
    ['active-active', both, bothGood],
  ])('%s: 100', (_, platform, steady) => {
    const { score, lines } = readinessOf(platform, steady);
    expect(lines.filter(({ is }) => is !== 'good')).toEqual([]);
    expect(score).toBe(100);
    expect(lines.every(({ fix }) => fix === '')).toBe(true);
  });

  test('active-cold: everything but that images were pulled where nothing runs', () => {
    const { score, lines } = readinessOf(cold, coldGood);
    expect(lines.filter(({ is }) => is !== 'good').map(({ check, of, is, weight }) => [check, of, is, weight])).toEqual(
      cold.fleets.map(({ name }) => ['image-pullable', `${name}@${WEST}`, 'unknown', 'should']),
    );
    expect(score).toBeGreaterThan(90);
  });

  test('dual-active: each entry by its own form', () => {
    const { lines } = readinessOf(dual, dualGood);
    expect(lines.filter(({ is }) => is === 'bad')).toEqual([]);
    expect(lines.some(({ check, of }) => check === 'standby-at-zero' && of === `workers-a@${WEST}`)).toBe(true);
    expect(lines.some(({ check, of }) => check === 'standby-warm' && of === `workers-b@${EAST}`)).toBe(true);
  });
});

describe('each way in which it is not', () => {
  const autoscaler = (min: number, max: number) => ({ name: 'hpa', min, max });
  test.each<[string, PlatformConfig, Steady, string, string, AuditLine['is'], RegExp]>([
    // endpoints
    [
      'hot: the standby on the Namespace Endpoint',
      withConfig(hotCloud, 'workers', WEST, { endpoint: 'namespace' }),
      hotGood,
      'regional-endpoint',
      `workers@${WEST}`,
      'bad',
      /waits for DNS/,
    ],
    [
      'hot: the active one on the Namespace Endpoint',
      withConfig(hotCloud, 'starters', EAST, { endpoint: 'namespace' }),
      hotGood,
      'regional-endpoint',
      `starters@${EAST}`,
      'bad',
      /waits for DNS/,
    ],
    [
      'cold: a Regional Endpoint',
      withConfig(cold, 'workers', EAST, { endpoint: 'regional' }),
      coldGood,
      'namespace-endpoint',
      `workers@${EAST}`,
      'bad',
      /stays with its region/,
    ],
    [
      'hot: nobody said which',
      {
        ...hotCloud,
        fleets: hotCloud.fleets.map((f) => ({
          ...f,
          sites: Object.fromEntries(Object.entries(f.sites).map(([r, { endpoint: _, ...s }]) => [r, s])),
        })),
      },
      hotGood,
      'regional-endpoint',
      `workers@${WEST}`,
      'unknown',
      /nobody said/,
    ],
    // cold
    [
      'cold: the standby runs',
      cold,
      withSite(coldGood, `workers@${WEST}`, facts(2)),
      'standby-at-zero',
      `workers@${WEST}`,
      'bad',
      /both regions work on the same tasks/,
    ],
    [
      'cold: pods that still end',
      cold,
      withSite(coldGood, `workers@${WEST}`, facts(0, { ready: 1 })),
      'standby-at-zero',
      `workers@${WEST}`,
      'bad',
      /1 ready/,
    ],
    [
      'cold: an autoscaler that may leave zero',
      cold,
      withSite(coldGood, `workers@${WEST}`, facts(0, { autoscaler: autoscaler(0, 5) })),
      'autoscaler-parked',
      `workers@${WEST}`,
      'bad',
      /from zero by itself/,
    ],
    // hot
    [
      'hot: forwarding on',
      hotCloud,
      withNamespace(hotGood, NS, namespace({ forwardingDisabled: false })),
      'forwarding-disabled',
      NS,
      'bad',
      /should be idle/,
    ],
    [
      'hot: a cluster of one’s own does not say',
      hot,
      withNamespace(hotGood, NS, namespace({ forwardingDisabled: null })),
      'forwarding-disabled',
      NS,
      'unknown',
      /dcRedirectionPolicy/,
    ],
    ['hot: nothing warm', hotCloud, withSite(hotGood, `codec@${WEST}`, facts(1)), 'standby-warm', `codec@${WEST}`, 'bad', /^1 of 2 ready/],
    [
      'hot: an autoscaler below the standby',
      hotCloud,
      withSite(hotGood, `workers@${WEST}`, facts(2, { autoscaler: autoscaler(1, 9) })),
      'autoscaler-minimum',
      `workers@${WEST}`,
      'bad',
      /down to 1 of 2/,
    ],
    ['hot: half of what it will carry', hotCloud, hotGood, 'headroom', `workers@${WEST}`, 'bad', /2 ready where us-east has 4/],
    // active/active
    [
      'both: forwarding off',
      both,
      withNamespace(bothGood, NS, namespace({ forwardingDisabled: true })),
      'forwarding-enabled',
      NS,
      'bad',
      /nothing to do/,
    ],
    [
      'both: one region short',
      both,
      withSite(bothGood, `workers@${WEST}`, facts(4, { ready: 3 })),
      'region-ready',
      `workers@${WEST}`,
      'bad',
      /^3 of 4/,
    ],
    [
      'both: no room for the lost share',
      both,
      withSite(bothGood, `workers@${WEST}`, facts(4, { autoscaler: autoscaler(2, 6) })),
      'headroom',
      `workers@${WEST}`,
      'bad',
      /back to 6 of the 8/,
    ],
    // dual
    [
      'dual: homes that are not crossed',
      { ...dual, namespaces: dual.namespaces.map((n) => ({ ...n, home: EAST })) },
      dualGood,
      'crossed',
      'core',
      'bad',
      /all homes are in us-east/,
    ],
    [
      'dual: no home',
      { ...dual, namespaces: dual.namespaces.map(({ home: _, ...n }, i) => (i === 0 ? n : { ...n, home: WEST })) },
      dualGood,
      'home-said',
      'core',
      'bad',
      /for a,/,
    ],
    [
      'dual: coupled',
      { ...dual, namespaces: dual.namespaces.map((n) => ({ ...n, services: ['web-a'] })) },
      dualGood,
      'coupled',
      'core',
      'bad',
      /1 shared between entries.*service web-a/,
    ],
    ['dual: what nobody names', { ...dual, services: ['web-a', 'web-b', 'stray'] }, dualGood, 'unowned', 'core', 'bad', /service stray/],
    [
      'dual: not at home',
      dual,
      withNamespace(dualGood, 'b1.abc12', namespace({ forwardingDisabled: true })),
      'at-home',
      'b1.abc12',
      'bad',
      /its home is aws-eu-west-1/,
    ],
    // all
    ['no replica', cold, withNamespace(coldGood, NS, namespace({ replicas: [] })), 'replica-ready', NS, 'bad', /none in aws-eu-west-1/],
    [
      'a replica that is not ready',
      cold,
      withNamespace(coldGood, NS, namespace({ replicas: [{ place: 'aws-eu-west-1', ready: false, state: 'REPLICA_STATE_ADDING' }] })),
      'replica-ready',
      NS,
      'bad',
      /REPLICA_STATE_ADDING/,
    ],
    [
      "Temporal's own failover off",
      cold,
      withNamespace(coldGood, NS, namespace({ managedFailoverDisabled: true })),
      'managed-failover',
      NS,
      'bad',
      /switched off/,
    ],
    [
      'nobody to ask for dispatch',
      { ...cold, namespaces: cold.namespaces.map(({ frontend: _, ...n }) => n) },
      coldGood,
      'dispatch-seen',
      NS,
      'bad',
      /does not tell/,
    ],
    [
      'no queue that could be looked at',
      { ...cold, namespaces: cold.namespaces.map((n) => ({ ...n, queues: [] })) },
      coldGood,
      'dispatch-seen',
      NS,
      'bad',
      /no task queue of tenants/,
    ],
    [
      'an image that cannot be pulled',
      cold,
      withSite(coldGood, `workers@${EAST}`, facts(4, { unpulled: ['app:9'] })),
      'image-pullable',
      `workers@${EAST}`,
      'bad',
      /could not pull app:9/,
    ],
    [
      'a fleet that does not work',
      cold,
      withSite(coldGood, `codec@${EAST}`, facts(2, { check: { ok: false, because: 'other bytes came back' } })),
      'fleet-check',
      `codec@${EAST}`,
      'bad',
      /other bytes/,
    ],
    [
      'a check that nobody asked',
      cold,
      withSite(coldGood, `codec@${EAST}`, facts(2, { check: null })),
      'fleet-check',
      `codec@${EAST}`,
      'unknown',
      /was not asked/,
    ],
    [
      'one zone',
      cold,
      withSite(coldGood, `workers@${EAST}`, facts(4, { zones: ['a'] })),
      'zones',
      `workers@${EAST}`,
      'bad',
      /all of it is in a/,
    ],
    [
      'zones that nobody knows',
      cold,
      withSite(coldGood, `workers@${EAST}`, facts(4, { zones: null })),
      'zones',
      `workers@${EAST}`,
      'unknown',
      /could not be told/,
    ],
    ['no limits', cold, withSite(coldGood, `workers@${EAST}`, facts(4, { limited: false })), 'limits', `workers@${EAST}`, 'bad', /may use/],
    [
      'a site that does not answer',
      cold,
      withSite(coldGood, `workers@${WEST}`, { unseen: 'its API did not answer' }),
      'standby-at-zero',
      `workers@${WEST}`,
      'unknown',
      /its API did not answer/,
    ],
    [
      'a site that nobody looked at',
      cold,
      { ...coldGood, sites: {} },
      'standby-at-zero',
      `workers@${WEST}`,
      'unknown',
      /nobody has looked/,
    ],
    [
      'a namespace that does not answer',
      cold,
      withNamespace(coldGood, NS, { unseen: 'rights are missing' }),
      'replica-ready',
      NS,
      'unknown',
      /rights are missing/,
    ],
  ])('%s', (_, platform, steady, check, of, is, because) => {
    const line = lineOf(platform, steady, check, of);
    expect(line).toMatchObject({ is, because: expect.stringMatching(because) });
    expect(line?.fix.length).toBeGreaterThan(10);
    const good = {
      'active-cold': [cold, coldGood],
      'active-hot': [hotCloud, hotGood],
      'active-active': [both, bothGood],
      'dual-active': [dual, dualGood],
    } as const;
    const [same, healthy] = good[platform.model];
    // What it is compared with has nothing against it, but for the one that is about a configuration which is as it is.
    if (check !== 'headroom' || platform.model !== 'active-hot') expect(lineOf(same, healthy, check, of)?.is ?? 'good').toBe('good');
  });
});

describe('the score', () => {
  const score = (steady: Steady): number => readinessOf(both, steady).score;

  test('a must weighs three times a should, and unknown counts as bad', () => {
    const should = score(withSite(bothGood, `workers@${WEST}`, facts(4, { limited: false })));
    const must = score(withSite(bothGood, `workers@${WEST}`, facts(4, { unpulled: ['app:9'] })));
    const unseen = score(withSite(bothGood, `workers@${WEST}`, facts(4, { zones: null })));
    const asked = readinessOf(both, bothGood).lines.reduce((sum, { weight }) => sum + (weight === 'must' ? 3 : 1), 0);
    expect(should).toBe(Math.floor((100 * (asked - 1)) / asked));
    expect(must).toBe(Math.floor((100 * (asked - 3)) / asked));
    expect(unseen).toBe(should);
  });

  test('what breaks the promise comes first, what is good last', () => {
    const { lines } = readinessOf(hotCloud, withSite(hotGood, `codec@${WEST}`, facts(1, { limited: false, zones: null })));
    const order = lines.map(({ is, weight }) => `${is} ${weight}`);
    expect([...new Set(order)]).toEqual(
      ['bad must', 'bad should', 'unknown should', 'good must', 'good should'].filter((each) => order.includes(each)),
    );
    expect(order).toEqual([...order].sort((a, b) => rank(a) - rank(b)));
  });

  test('as text: the score, and what to do', () => {
    const text = readinessLines(readinessOf(both, withSite(bothGood, `workers@${WEST}`, facts(4, { limited: false }))));
    expect(text[0]).toMatch(/^core: ready to 9\d of 100; 1 bad, 0 unknown, \d+ good$/);
    expect(text[1]).toBe(
      `bad      should  limits of workers@${WEST}: a container does not say what it may use, so one that grows takes its neighbours with it; to do: give every container limits`,
    );
  });
});

const rank = (text: string): number =>
  ['bad must', 'unknown must', 'bad should', 'unknown should', 'good must', 'good should'].indexOf(text);

test('a system that only a run needs and that cannot be opened breaks the promise; nobody looked is no line', () => {
  const steady = steadyOf(cold);
  expect(lineOf(cold, steady, 'system-opens', 'db-hook')).toBeUndefined();
  const doors = { 'db-hook': 'other users can read its secret', 'queue-hook': null, deploys: null, prometheus: null };
  const seen: Steady = { ...steady, doors };
  expect(lineOf(cold, seen, 'system-opens', 'db-hook')).toMatchObject({
    is: 'bad',
    weight: 'must',
    because: 'other users can read its secret',
  });
  expect(lineOf(cold, seen, 'system-opens', 'queue-hook')).toMatchObject({ is: 'good' });
  expect(readinessOf(cold, seen).lines.filter(({ check }) => check === 'system-opens')).toHaveLength(4);
});

describe('data tiers', () => {
  const primary: DatabaseFacts = {
    role: 'primary',
    timeline: 3,
    lagMs: null,
    lagBytes: null,
    syncStandbys: 1,
    paused: false,
    archive: { agoMs: 20_000, failing: false },
  };
  const standby: DatabaseFacts = { ...primary, role: 'standby', lagMs: 200, lagBytes: 4096, archive: null };
  const master: CacheFacts = { role: 'master', dialect: 'redis', linked: null, heardAgoMs: null, savedAgoMs: 60_000 };
  const replica: CacheFacts = { ...master, role: 'replica', linked: true, heardAgoMs: 1_000 };
  const tiers = {
    databases: { [`orders@${EAST}`]: primary, [`orders@${WEST}`]: standby },
    caches: { [`pages@${EAST}`]: master, [`pages@${WEST}`]: replica, [`sessions@${EAST}`]: master, [`sessions@${WEST}`]: replica },
  };
  const whole: Steady = { ...steadyOf(coldData), ...tiers };
  const withDatabase = (region: string, over: DatabaseFacts | Unseen): Steady => ({
    ...whole,
    databases: { ...tiers.databases, [`orders@${region}`]: over },
  });
  const withCache = (name: string, region: string, over: CacheFacts | Unseen): Steady => ({
    ...whole,
    caches: { ...tiers.caches, [`${name}@${region}`]: over },
  });
  const OF_TIERS = /^(writer-|standby-streams|patroni-|sync-|archive|cache-)/;
  const tierLines = (steady: Steady): readonly AuditLine[] =>
    readinessOf(coldData, steady).lines.filter(({ check }) => OF_TIERS.test(check));

  test('as they should be, all of it is good', () => {
    expect(tierLines(whole).filter(({ is }) => is !== 'good')).toEqual([]);
    expect(new Set(tierLines(whole).map(({ check }) => check))).toEqual(
      new Set([
        'writer-where-active',
        'standby-streams',
        'patroni-paused',
        'sync-standby',
        'archive',
        'cache-linked',
        'cache-saved',
        'cache-dialect',
      ]),
    );
  });

  test.each<[string, string, string, Steady, 'must' | 'should']>([
    ['a writer that follows', 'writer-where-active', `orders@${EAST}`, withDatabase(EAST, standby), 'must'],
    ['a second writer', 'writer-where-active', `orders@${WEST}`, withDatabase(WEST, primary), 'must'],
    ['too many seconds behind', 'standby-streams', `orders@${WEST}`, withDatabase(WEST, { ...standby, lagMs: 30_001 }), 'must'],
    ['too many bytes behind', 'standby-streams', `orders@${WEST}`, withDatabase(WEST, { ...standby, lagBytes: 67_108_865 }), 'must'],
    ['Patroni paused', 'patroni-paused', `orders@${WEST}`, withDatabase(WEST, { ...standby, paused: true }), 'must'],
    ['nobody takes over at home', 'sync-standby', `orders@${EAST}`, withDatabase(EAST, { ...primary, syncStandbys: 0 }), 'should'],
    ['no archive', 'archive', `orders@${EAST}`, withDatabase(EAST, { ...primary, archive: null }), 'should'],
    [
      'an old archive',
      'archive',
      `orders@${EAST}`,
      withDatabase(EAST, { ...primary, archive: { agoMs: 300_001, failing: false } }),
      'should',
    ],
    [
      'an archive that fails',
      'archive',
      `orders@${EAST}`,
      withDatabase(EAST, { ...primary, archive: { agoMs: 1, failing: true } }),
      'should',
    ],
    ['a cache that follows nobody', 'cache-linked', `pages@${WEST}`, withCache('pages', WEST, master), 'should'],
    ['a strict one that follows nobody', 'cache-linked', `sessions@${WEST}`, withCache('sessions', WEST, master), 'must'],
    ['a link that is down', 'cache-linked', `sessions@${WEST}`, withCache('sessions', WEST, { ...replica, linked: false }), 'must'],
    ['an active one that follows', 'cache-linked', `sessions@${EAST}`, withCache('sessions', EAST, replica), 'must'],
    [
      'a strict one that is never saved',
      'cache-saved',
      `sessions@${EAST}`,
      withCache('sessions', EAST, { ...master, savedAgoMs: null }),
      'should',
    ],
    ['two dialects', 'cache-dialect', 'sessions', withCache('sessions', WEST, { ...replica, dialect: 'dragonfly' }), 'must'],
  ])('%s is bad', (_, check, of, steady, weight) => {
    expect(lineOf(coldData, steady, check, of)).toMatchObject({
      is: 'bad',
      weight,
      because: expect.stringMatching(/./),
      fix: expect.stringMatching(/./),
    });
  });

  test('at its limit a lag is good; one that nobody knows is not', () => {
    const at = (over: Partial<DatabaseFacts>) =>
      lineOf(coldData, withDatabase(WEST, { ...standby, ...over }), 'standby-streams', `orders@${WEST}`)?.is;
    expect([at({ lagMs: 30_000, lagBytes: 67_108_864 }), at({ lagMs: null }), at({ lagMs: null, lagBytes: null })]).toEqual([
      'good',
      'good',
      'unknown',
    ]);
  });

  describe('backups', () => {
    const HOUR_MS = 3_600_000;
    const asked = (weight: 'must' | 'should' = 'must'): PlatformConfig => ({
      ...coldData,
      databases: (coldData.databases ?? []).map((database) => ({
        ...database,
        backups: [{ name: 'base', system: 'metrics', query: 'age', value: 'age' as const, maxAgeMs: 26 * HOUR_MS, weight }],
      })),
    });
    const aged = (youngestH: number, oldestH = youngestH, series = 1): Steady => ({
      ...whole,
      backups: { 'orders/base': { youngestMs: youngestH * HOUR_MS, oldestMs: oldestH * HOUR_MS, series } },
    });
    const line = (steady: Steady, platform = asked()) => lineOf(platform, steady, 'backup', 'orders/base');

    test('as old as it may be is good, older is bad, never made is bad', () => {
      expect(line(aged(26))).toMatchObject({ is: 'good', because: '26 h old', fix: '' });
      expect(line(aged(40))).toMatchObject({ is: 'bad', weight: 'must', because: '40 h old, at most 26 h old is wanted' });
      expect(line(aged(200))?.because).toBe('8.3 d old, at most 26 h old is wanted');
      expect(line(aged(Number.POSITIVE_INFINITY))).toMatchObject({ is: 'bad', because: 'never made, at most 26 h old is wanted' });
    });

    test('series that disagree are unknown; all too old are bad', () => {
      expect(line(aged(3, 40, 2))).toMatchObject({ is: 'unknown', because: expect.stringContaining('3 h old to 40 h old over 2 series') });
      expect(line(aged(27, 40, 2))).toMatchObject({ is: 'bad' });
      expect(line(aged(3, 4, 2))).toMatchObject({ is: 'good' });
    });

    test('what was not seen is unknown, and nothing is asked of who names none', () => {
      expect(line({ ...whole, backups: { 'orders/base': { unseen: 'the answer has no series' } } })).toMatchObject({
        is: 'unknown',
        because: 'the answer has no series',
        fix: expect.stringContaining('metrics'),
      });
      expect(line(whole)?.is).toBe('unknown');
      expect(line(whole, coldData)).toBeUndefined();
    });

    test('one that is only a wish is told as that', () => {
      expect(line(aged(40), asked('should'))).toMatchObject({ is: 'bad', weight: 'should' });
    });
  });

  test('what was not seen is unknown, and says why', () => {
    expect(lineOf(coldData, withDatabase(WEST, { unseen: 'no answer' }), 'standby-streams', `orders@${WEST}`)).toMatchObject({
      is: 'unknown',
      because: 'no answer',
    });
    expect(lineOf(coldData, steadyOf(coldData), 'writer-where-active', `orders@${EAST}`)).toMatchObject({ is: 'unknown' });
  });

  test('poolers, and who cuts the power, are opened beforehand', () => {
    const doors = { [`pooler-${WEST}`]: 'its password file cannot be read', [`pooler-${EAST}`]: null };
    expect(lineOf(coldData, { ...whole, doors }, 'system-opens', `pooler-${WEST}`)).toMatchObject({ is: 'bad', weight: 'must' });
    expect(lineOf(coldData, { ...whole, doors }, 'system-opens', `pooler-${EAST}`)?.is).toBe('good');
  });

  test('in Dual Active a database is written where its entry is active', () => {
    const away = { active: 'aws-eu-west-1', replicas: [{ place: 'aws-us-east-1', ready: true, state: 'REPLICA_STATE_ACTIVE' }] };
    const steady: Steady = { ...steadyOf(dualData), ...tiers };
    expect(lineOf(dualData, steady, 'writer-where-active', `orders@${EAST}`)?.is).toBe('good');
    const moved = { ...steady, namespaces: { ...steady.namespaces, 'a1.abc12': namespace(away) } };
    expect(lineOf(dualData, moved, 'writer-where-active', `orders@${EAST}`)?.is).toBe('bad');
  });

  test('in Dual Active a database that no entry names is never moved', () => {
    const platform = { ...dual, databases: coldData.databases ?? [] };
    expect(lineOf(platform, steadyOf(platform), 'unowned', 'core')?.because).toContain('database orders');
  });
});
