// The coordinator's watch of data tiers, over fake databases on virtual time: what it writes of lags and proofs, what it pages, and that silence, a lost office
// and a store that refuses change nothing that is known.
import { expect, test } from 'vitest';
import { KEYS, lagKey, looksKey } from '../../src/coordinate/keys.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import type { Page } from '../../src/model.ts';
import { sleep } from '../../src/ports.ts';
import { createBreaker } from '../../src/runbook/breaker.ts';
import type { LagRecord, LooksRecord, Tiers } from '../../src/runbook/facts.ts';
import type { System } from '../../src/runbook/kind.ts';
import type { DatabaseConfig, DatabaseSiteConfig, PlatformConfig } from '../../src/runbook/platform.ts';
import type { Lag } from '../../src/runbook/postgres/look.ts';
import { createTierBook, createTierDesk } from '../../src/runbook/tiers/desk.ts';
import { provedIn } from '../../src/runbook/tiers/record.ts';
import { SEEN_MAX_MS } from '../../src/runbook/tiers/settle.ts';
import { createSettler } from '../../src/runbook/tiers/settler.ts';
import type { SiteLook } from '../../src/runbook/tiers/watch.ts';
import { createTiers } from '../../src/serve/tiers.ts';
import { createMemoryStore } from '../memory-store.ts';
import { recordingLog } from '../recording-log.ts';
import { clusterWith, platformOf, START_MS } from '../runbook/rig.ts';
import { stepContext } from '../runbook/temporal/fixture.ts';
import { createVirtual } from '../virtual.ts';

const site = (region: string): DatabaseSiteConfig => ({
  system: `patroni-${region}`,
  sql: `sql-${region}`,
  poolers: [],
  address: `${region}:5432`,
});
const ORDERS: DatabaseConfig = {
  name: 'orders',
  sites: { eu: site('eu'), us: site('us') },
  services: ['web'],
  lag: { maxMs: 30_000, maxBytes: 64e6, maxAgeMs: 60_000, onUnknown: 'ask' },
  fence: { rung: 'lease', graceMs: 60_000 },
};
const PLATFORM: PlatformConfig = { ...platformOf({ regions: ['eu', 'us'] }), databases: [ORDERS] };

const begun = (options: { reaches?: (system: string) => boolean } = {}) => {
  const virtual = createVirtual({ startWallMs: START_MS, seed: 3 });
  const { ports } = virtual;
  const store = createMemoryStore(ports);
  const log = recordingLog();
  const roles: Record<string, SiteLook | 'partly'> = { eu: 'writes', us: 'reads' };
  let lag: Lag | 'silent' = { ms: 200, bytes: 4_096 };
  let isTerm = true;
  let isDenied = false;
  let refusal: string | null = null;
  let meanwhile = async (): Promise<unknown> => undefined;
  const slow = { lookMs: 0, lagMs: 0 };
  const breaker = createBreaker('sql', ports.clock);
  const proofs: string[] = [];
  const systems = Object.fromEntries(
    ['eu', 'us', 'ap', 'sa'].map((region) => [`sql-${region}`, { kind: 'postgres', region } as unknown as System]),
  );
  const regionOf = (sql: System): string => (sql as unknown as { region: string }).region;
  const bare = stepContext(systems, ports);
  const desk = createTierDesk({ store, ports, clusterNowMs: bare.nowMs, ageMs: () => null, tallies: () => [] });
  const context = { ...bare, tiers: desk };
  const watch = createTiers({
    ports,
    log,
    store,
    context,
    by: 'eu/a',
    reaches: options.reaches ?? (() => true),
    canary: async () => ({
      kind: 'pg.canary',
      signal: 'target',
      read: async () => ({ is: 'pending', because: 'no row was written' }),
      async apply({ database, region }, { run, context: { tiers } }) {
        proofs.push(region);
        await meanwhile();
        const seen = await tiers.state(run.platform, database);
        if (refusal !== null) return { took: 'refused', because: refusal };
        await desk.proved(run.platform, database, region, `a row was written in ${region}`, seen);
        return { took: 'accepted', because: 'a row' };
      },
    }),
    siteSays: (sql, signal) =>
      breaker.run(async () => {
        const role = roles[regionOf(sql)] ?? 'silent';
        if (slow.lookMs > 0) await sleep(ports.timers, slow.lookMs, signal);
        if (role === 'silent') await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('silent'))));
        return role === 'silent' ? 'partly' : role;
      }, signal),
    async lagBetween(primary, standby, signal) {
      if (slow.lagMs > 0) await sleep(ports.timers, slow.lagMs, signal);
      expect([primary, standby].map((each) => each !== null && regionOf(each))).toEqual(
        roles.eu === 'writes' ? ['eu', 'us'] : ['us', 'eu'],
      );
      if (lag === 'silent') throw new Error('it does not answer');
      return lag;
    },
  });
  const read = async <T>(key: string): Promise<T | undefined> => (await store.get({ keys: [key] })).kvs[0]?.value as T | undefined;
  const term = {
    commit: async (conditions: Parameters<typeof store.txn>[0]['if'], ops: Parameters<typeof store.txn>[0]['then']) =>
      isTerm &&
      !(isDenied && ops.some((op) => 'put' in op && op.put === KEYS.tiers)) &&
      (await store.txn({ if: conditions, then: ops })).ok,
  };
  return {
    store,
    proofs,
    watch,
    book: createTierBook({ store, ports }),
    roles,
    slow,
    breaker,
    log,
    lagIs(now: Lag | 'silent') {
      lag = now;
    },
    /** Why no row can be written; null: one can. */
    refuse(because: string | null) {
      refusal = because;
    },
    /** What others do between the judgement and the row. */
    whileProving(work: () => Promise<unknown>) {
      meanwhile = work;
    },
    denyTiers() {
      isDenied = true;
    },
    splits: async () =>
      Object.entries((await read<Tiers>(KEYS.tiers))?.databases ?? {}).flatMap(([name, { split }]) => (split === undefined ? [] : [name])),
    unproved: async () => (await read<Tiers>(KEYS.tiers))?.unproved?.[`${PLATFORM.name}/orders`],
    seen: async () => (await read<LooksRecord>(looksKey(PLATFORM.name)))?.databases.orders,
    async settle(region: string, fenced: readonly string[]) {
      const settler = createSettler({
        store,
        ports,
        region: 'eu',
        replica: 'a',
        clusterNowMs: context.nowMs,
        ageMs: () => null,
      });
      const person = { name: 'ana', services: null, how: 'token' as const };
      const asked = { hash: 'h', fingerprint: 'f' };
      await store.txn({ if: [], then: [{ put: KEYS.members, value: clusterWith(PLATFORM) }] });
      // What was answered before is too old to speak against it.
      await virtual.advance(SEEN_MAX_MS + 5_000);
      await settler.settle('shop', 'orders', { region, fenced }, { person, reason: 'eu burnt down', ifMatch: '*', asked });
    },
    lose() {
      isTerm = false;
    },
    lags: () => read<LagRecord>(lagKey(PLATFORM.name)),
    tiers: async () => (await read<Tiers>(KEYS.tiers))?.databases[`${PLATFORM.name}/orders`],
    pages: async () => {
      const { kvs } = await store.get({ prefixes: ['outbox/'] });
      return kvs.map(({ value }) => value as Page).toSorted((a, b) => a.atMs - b.atMs);
    },
    /** So many looks of five seconds. */
    async looks(n: number, platform = PLATFORM, routing: object | null = null, given: { tiers?: Tiers | null } = {}) {
      for (let at = 0; at < n; at++) {
        const { tiers = (await read<Tiers>(KEYS.tiers)) ?? null } = given;
        const sight = { cluster: clusterWith(platform), routing, tiers } as unknown as Sight;
        watch.turn(sight, term);
        await virtual.advance(5_000);
      }
      await watch.idle();
    },
  };
};

test('the one that takes writes is proved by a row, once, at the second look; its standby’s lag is kept', async () => {
  const { looks, proofs, tiers, lags, pages } = begun();
  await looks(1);
  expect([proofs, await tiers()]).toEqual([[], undefined]);
  await looks(3);
  expect(proofs).toEqual(['eu']);
  expect(await tiers()).toMatchObject({ writer: 'eu', because: 'a row was written in eu' });
  expect((await lags())?.databases).toEqual({ orders: { us: { ms: 200, bytes: 4_096, atMs: START_MS + 15_000 } } });
  expect(await pages()).toEqual([]);
});

test('a writer that falls silent leaves the proof and the last known lag as they were', async () => {
  const { looks, roles, tiers, lags, pages } = begun();
  await looks(3);
  const [proved, known] = [await tiers(), await lags()];
  roles.eu = 'silent';
  await looks(20);
  expect([await tiers(), await lags()]).toEqual([proved, known]);
  expect(await pages()).toEqual([]);
});

test('a writer that says that it follows is proved no more, and who was promoted by others is, once all others follow', async () => {
  const { looks, roles, tiers, proofs, lags } = begun();
  await looks(3);
  Object.assign(roles, { eu: 'reads' });
  await looks(2);
  expect(await tiers()).toMatchObject({ writer: null });
  Object.assign(roles, { us: 'writes' });
  await looks(3);
  expect(proofs).toEqual(['eu', 'us']);
  expect(await tiers()).toMatchObject({ writer: 'us' });
  expect(Object.keys((await lags())?.databases.orders ?? {})).toEqual(['eu']);
});

test('two that take writes page once, at the second look, with the record; silence of one ends nothing; a standby does', async () => {
  const { looks, roles, tiers, pages, proofs } = begun();
  await looks(3);
  roles.us = 'writes';
  await looks(1);
  expect(await pages()).toEqual([]);
  await looks(5);
  expect(await pages()).toMatchObject([
    { type: 'data.split', severity: 'critical', dedupKey: 'tidegate/test/data-split-shop-orders', detail: { regions: ['eu', 'us'] } },
  ]);
  expect(await tiers()).toMatchObject({ writer: 'eu', split: { regions: ['eu', 'us'] } });
  roles.us = 'silent';
  await looks(4);
  expect((await tiers())?.split).toBeDefined();
  roles.us = 'reads';
  await looks(3);
  expect((await tiers())?.split).toBeUndefined();
  expect((await pages()).map(({ type, dedupKey }) => [type, dedupKey])).toEqual([
    ['data.split', 'tidegate/test/data-split-shop-orders'],
    ['data.whole', 'tidegate/test/data-split-shop-orders'],
  ]);
  expect(proofs).toEqual(['eu']);
});

test('a lag over its limit for a minute is told once, and its end, whoever watches then', async () => {
  const { looks, lagIs, pages, lags, watch } = begun();
  await looks(2);
  lagIs({ ms: 45_000, bytes: 1_000 });
  await looks(20);
  expect(await pages()).toMatchObject([{ type: 'data.lag', severity: 'warning', dedupKey: 'tidegate/test/data-lag-shop-orders-us' }]);
  expect(await lags()).toMatchObject({ told: ['orders@us'] });
  lagIs('silent');
  await looks(5);
  // Another term knows it from the store.
  watch.rest();
  lagIs({ ms: 10, bytes: 0 });
  await looks(3);
  expect((await pages()).map(({ type }) => type)).toEqual(['data.lag', 'data.caught_up']);
  expect(await lags()).not.toHaveProperty('told');
});

test('who has lost the office writes nothing and tells nobody', async () => {
  const { looks, roles, lose, tiers, pages, lags } = begun();
  await looks(3);
  const [proved, known] = [await tiers(), await lags()];
  lose();
  roles.us = 'writes';
  await looks(5);
  expect([await tiers(), await lags(), await pages()]).toEqual([proved, known, []]);
});

test('what this replica cannot reach is left alone, and what is configured nowhere too', async () => {
  const { looks, tiers, lags } = begun({ reaches: () => false });
  await looks(4);
  expect([await tiers(), await lags()]).toEqual([undefined, undefined]);
  const half = begun({ reaches: (system) => system === 'sql-us' });
  await half.looks(4);
  expect(await half.tiers()).toBeUndefined();
  const none = begun();
  await none.looks(2, platformOf({ regions: ['eu', 'us'] }));
  expect(await none.lags()).toBeUndefined();
});

test('a region of which only some members answer is no standby: its proof stands, no split ends by it, and its lag is measured', async () => {
  const { looks, roles, tiers, lags, proofs } = begun();
  await looks(3);
  roles.eu = 'partly';
  await looks(4);
  expect(await tiers()).toMatchObject({ writer: 'eu' });
  Object.assign(roles, { eu: 'writes', us: 'partly' });
  const known = (await lags())?.databases.orders?.us?.atMs ?? 0;
  await looks(3);
  expect((await lags())?.databases.orders?.us?.atMs).toBeGreaterThan(known);
  roles.us = 'writes';
  await looks(3);
  roles.us = 'partly';
  await looks(4);
  expect(await tiers()).toMatchObject({ split: { regions: ['eu', 'us'] } });
  expect(proofs).toEqual(['eu']);
});

test('a member that is silent is waited for as long as its client waits, and hides nothing of its region', async () => {
  const { looks, slow, tiers, lags } = begun();
  Object.assign(slow, { lookMs: 3_100, lagMs: 6_100 });
  await looks(8);
  expect(await tiers()).toMatchObject({ writer: 'eu' });
  expect((await lags())?.databases.orders?.us).toMatchObject({ ms: 200 });
});

test('that a look waits no longer is no failure of the system: runs may ask it all the same', async () => {
  const { looks, roles, breaker } = begun();
  Object.assign(roles, { eu: 'silent', us: 'silent' });
  await looks(10);
  expect(breaker.standing()).toMatchObject({ state: 'closed', failures: 0 });
});

test('a region whose own members elect another leader is proved again, also while all others are silent', async () => {
  const { looks, roles, tiers, proofs } = begun();
  await looks(3);
  Object.assign(roles, { eu: 'reads', us: 'silent' });
  await looks(3);
  expect(await tiers()).toMatchObject({ writer: null, lastWriter: 'eu' });
  roles.eu = 'writes';
  await looks(3);
  expect(proofs).toEqual(['eu', 'eu']);
  expect(await tiers()).toMatchObject({ writer: 'eu' });
  expect(await tiers()).not.toHaveProperty('lastWriter');
});

test('what is concluded is concluded from what stands by then: a writer that others have proved while a look went on is none to be proved over', async () => {
  const { looks, roles, proofs, tiers, book } = begun();
  roles.us = 'silent';
  await book('shop', 'orders', provedIn('us', 'a run has promoted it', START_MS));
  await looks(4, PLATFORM, null, { tiers: null });
  expect([proofs, await tiers()]).toEqual([[], expect.objectContaining({ writer: 'us' })]);
});

test('a row that was due before somebody else has proved another region proves nothing', async () => {
  const { looks, proofs, tiers, book, whileProving } = begun();
  whileProving(() => book('shop', 'orders', provedIn('us', 'a run has promoted it', START_MS)));
  await looks(2);
  expect([proofs, await tiers()]).toEqual([['eu'], expect.objectContaining({ writer: 'us' })]);
});

test('a row that does not come keeps no other database waiting: two writers of one are told, lags are kept, and why there is no row is said', async () => {
  const { looks, roles, lags, splits, unproved, proofs, whileProving } = begun();
  Object.assign(roles, { ap: 'writes', sa: 'writes' });
  whileProving(() => new Promise(() => undefined));
  const sites = { ap: site('ap'), sa: site('sa') };
  const databases = [ORDERS, { ...ORDERS, name: 'carts' }, { ...ORDERS, name: 'users', sites }];
  await looks(3, { ...PLATFORM, databases });
  expect(await splits()).toEqual(['shop/users']);
  expect(proofs).toEqual(['eu', 'eu']);
  expect((await lags())?.databases).toMatchObject({ orders: { us: { ms: 200, atMs: START_MS + 5_000 } } });
  expect(await unproved()).toMatchObject({ region: 'eu', because: expect.stringContaining('a row of orders in eu') });
});

test('a split ends, and is told to have, when one of its regions is taken out of the configuration', async () => {
  const { looks, roles, tiers, pages } = begun();
  roles.us = 'writes';
  await looks(3);
  roles.us = 'silent';
  const { us: _, ...left } = ORDERS.sites;
  await looks(2, { ...PLATFORM, databases: [{ ...ORDERS, sites: { ...left, ap: site('us') } }] });
  expect((await tiers())?.split).toBeUndefined();
  expect((await pages()).map(({ type }) => type)).toEqual(['data.split', 'data.whole']);
});

test.each<[string, (each: ReturnType<typeof begun>) => Promise<void>]>([
  [
    'is the writer now',
    async ({ looks, roles, book }) => {
      Object.assign(roles, { eu: 'silent', us: 'writes' });
      await book('shop', 'orders', provedIn('us', 'a row was written in us', START_MS));
      await looks(3);
    },
  ],
  [
    'is no longer configured',
    ({ looks }) => looks(3, { ...PLATFORM, databases: [{ ...ORDERS, sites: { eu: site('eu'), ap: site('us') } }] }),
  ],
])('a lag that was told ends, once, where the standby %s', async (is, becomes) => {
  const all = begun();
  await all.looks(2);
  all.lagIs({ ms: 45_000, bytes: 1_000 });
  await all.looks(20);
  await becomes(all);
  const pages = await all.pages();
  expect(pages.map(({ type }) => type)).toEqual(['data.lag', 'data.caught_up']);
  expect(pages.map(({ dedupKey }) => dedupKey)).toEqual(Array(2).fill('tidegate/test/data-lag-shop-orders-us'));
  expect(pages[1]?.summary).toBe(`platform shop: orders in us ${is}, so nothing is behind`);
  expect(await all.lags()).not.toHaveProperty('told');
});

// ---- a proof that cannot be had ----

const held = { services: { web: { pools: { eu: { hold: 'rule:tier' } } } } };

test('a row that is refused is written down with the refusal, told after a minute, louder when users wait for it, and ended by a row', async () => {
  const { looks, refuse, unproved, pages, tiers } = begun();
  refuse('permission denied for table tidegate_canary');
  await looks(2);
  expect(await unproved()).toMatchObject({ region: 'eu', because: 'permission denied for table tidegate_canary', told: null });
  expect(await tiers()).toBeUndefined();
  await looks(11);
  expect(await pages()).toEqual([]);
  await looks(3);
  expect(await pages()).toMatchObject([
    {
      type: 'data.unproved',
      severity: 'warning',
      dedupKey: 'tidegate/test/data-unproved-shop-orders',
      detail: { commands: ['tidegate platforms shop', 'tidegate settle shop/orders --region eu --reason WHY'] },
    },
  ]);
  await looks(3, PLATFORM, held);
  await looks(3, PLATFORM, held);
  expect((await pages()).map(({ severity }) => severity)).toEqual(['warning', 'critical']);
  refuse(null);
  await looks(3);
  expect(await unproved()).toBeUndefined();
  expect((await pages()).at(-1)).toMatchObject({
    type: 'data.proved',
    severity: 'info',
    dedupKey: 'tidegate/test/data-unproved-shop-orders',
  });
});

test('whoever coordinates next goes on with it: nobody is told anew, and silence at its first look ends nothing', async () => {
  const { looks, refuse, pages, unproved, watch } = begun();
  refuse('permission denied');
  await looks(16);
  const before = await unproved();
  watch.rest();
  await looks(8);
  expect(await unproved()).toEqual(before);
  expect((await pages()).map(({ type }) => type)).toEqual(['data.unproved']);
});

test('who has no entry for any region says so, and which', async () => {
  const { looks, unproved, pages } = begun({ reaches: () => false });
  await looks(16);
  expect(await unproved()).toMatchObject({
    region: null,
    because: 'eu/a, which coordinates, cannot ask orders anywhere: its file names no system sql-eu, sql-us',
  });
  expect((await pages()).map(({ type }) => type)).toEqual(['data.unproved']);
});

test('a store that takes no `tiers` keeps nobody from being told: this replica knows it, and its page goes all the same', async () => {
  const { looks, refuse, denyTiers, unproved, pages, watch } = begun();
  refuse('the store refused');
  denyTiers();
  await looks(2);
  expect(await unproved()).toBeUndefined();
  expect(watch.unproved().get('shop/orders')).toMatchObject({ region: 'eu', because: 'the store refused', told: null });
  await looks(15);
  expect((await pages()).map(({ type, severity }) => [type, severity])).toEqual([['data.unproved', 'warning']]);
  watch.rest();
  expect(watch.unproved().size).toBe(0);
});

test('what each region said is kept for whoever settles: at once when it changes, before it grows old, and as it was while it is silent', async () => {
  const { looks, roles, seen } = begun();
  await looks(1);
  expect(await seen()).toMatchObject({ eu: { is: 'writes', atMs: START_MS }, us: { is: 'reads', atMs: START_MS } });
  await looks(2);
  expect((await seen())?.eu?.atMs).toBe(START_MS);
  await looks(1);
  expect((await seen())?.eu?.atMs).toBe(START_MS + 15_000);
  Object.assign(roles, { eu: 'silent', us: 'writes' });
  await looks(1);
  expect(await seen()).toMatchObject({ eu: { is: 'writes', atMs: START_MS + 15_000 }, us: { is: 'writes' } });
  roles.us = 'partly';
  const before = await seen();
  await looks(4);
  expect(await seen()).toEqual(before);
});

test('a database that comes back on other servers is not proved by what was proved of the ones before', async () => {
  const { looks, roles, tiers, proofs } = begun();
  await looks(3);
  expect(await tiers()).toMatchObject({ writer: 'eu', sites: { eu: 'sql-eu', us: 'sql-us' } });
  const sites = { eu: { ...site('eu'), sql: 'sql-ap' }, us: site('us') };
  const moved = { ...PLATFORM, databases: [{ ...ORDERS, sites }] };
  await looks(2, { ...PLATFORM, databases: [] });
  // It does not answer yet, and nobody knows whether it takes writes.
  roles.ap = 'silent';
  await looks(1, moved);
  expect(await tiers()).toMatchObject({
    writer: null,
    because: 'eu is kept by sql-ap now, of which nothing was proved',
    sites: { eu: 'sql-ap' },
  });
  await looks(4, moved);
  expect([await tiers(), proofs]).toEqual([expect.objectContaining({ writer: null }), ['eu']]);
  roles.ap = 'writes';
  await looks(3, moved);
  expect([await tiers(), proofs]).toEqual([expect.objectContaining({ writer: 'eu' }), ['eu', 'eu']]);
});

test('an answer is stamped when it came, however long the lags take that are asked for then', async () => {
  const { looks, slow, seen } = begun();
  slow.lagMs = 4_000;
  Object.assign(slow, { lookMs: 500 });
  await looks(1);
  expect(await seen()).toMatchObject({ eu: { is: 'writes', atMs: START_MS + 500 } });
});

test('a word is told to be over once its writer is proved, lost, or a second one writes', async () => {
  for (const [us, type, ends] of [
    ['writes', 'data.unsettled', true],
    ['reads', 'data.unsettled', true],
    ['silent', 'data.unsettled', false],
  ] as const) {
    const { looks, roles, settle, pages, tiers } = begun();
    Object.assign(roles, { eu: 'silent', us: 'silent' });
    await looks(1);
    await settle('us', ['eu']);
    roles.us = us;
    await looks(4);
    expect((await pages()).map((page) => page.type).filter((each) => each === type)).toHaveLength(ends ? 1 : 0);
    expect((await tiers())?.settled === undefined).toBe(ends);
  }
  const { looks, roles, settle, pages, tiers } = begun();
  Object.assign(roles, { eu: 'silent', us: 'silent' });
  await looks(1);
  await settle('us', ['eu']);
  roles.eu = 'writes';
  await looks(4);
  expect(await tiers()).toMatchObject({ writer: null, split: { regions: ['eu', 'us'] } });
  expect((await pages()).map(({ type }) => type)).toEqual(expect.arrayContaining(['data.settled', 'data.split', 'data.unsettled']));
});
