// What the status document says of platforms, from the records of the store alone.
import { expect, test } from 'vitest';
import { statusNow } from '../../src/api/view.ts';
import { sightOf } from '../../src/coordinate/read.ts';
import { databaseOf, EAST, WEST } from '../runbook/platforms.ts';
import { cluster, NOW_MS } from './fixture.ts';
import { behind, CALM, on, provedIn, seenOf, shopWith } from './platforms.fixture.ts';

test('where data is written, what a move would lose, which provider, what is over', () => {
  const [shop] = seenOf([shopWith()], {
    ...CALM,
    budgets: { told: ['postgres orders from eu-west to us-east', 'llm in eu-west'], advice: ['llm in eu-west'] },
  });
  expect(shop).toMatchObject({
    name: 'shop',
    databases: [{ database: 'orders', writer: WEST, split: null, behind: [], unmeasured: [], standbys: [{ region: EAST, lagMs: 400 }] }],
    llm: {
      alarms: [],
      regions: [
        { region: WEST, provider: 'openrouter', position: 1, known: true },
        { region: EAST, known: true },
      ],
    },
    over: [
      { name: 'postgres orders from eu-west to us-east', advice: false },
      { name: 'llm in eu-west', advice: true },
    ],
  });
});

test('a standby that was told to be behind, and one that was never measured', () => {
  const two = shopWith({ databases: [databaseOf('orders'), databaseOf('users')] });
  const [shop] = seenOf([two], {
    tiers: { 'shop/orders': provedIn(WEST), 'shop/users': provedIn(EAST) },
    lag: { databases: { orders: { [EAST]: behind(42_000, 48e6) } }, told: [`orders@${EAST}`, `orders@${WEST}`, 'gone@eu-west'] },
  });
  expect(shop?.databases.map(({ database, behind: far, unmeasured }) => ({ database, far, unmeasured }))).toEqual([
    // What writes is behind nobody, whatever was told of it before.
    { database: 'orders', far: [EAST], unmeasured: [] },
    { database: 'users', far: [], unmeasured: [WEST] },
  ]);
});

test('without records nothing is proved, nothing is known, and nothing is over', () => {
  const [shop, bare] = seenOf([shopWith(), { ...shopWith({ name: 'bare' }), databases: [], llm: undefined as never }], {});
  expect(shop).toMatchObject({
    databases: [{ writer: null, provedAtMs: null, unmeasured: [EAST, WEST] }],
    llm: { regions: [{ provider: null, known: false, because: 'not known: not looked at yet' }, {}] },
    over: [],
  });
  expect(bare).toEqual({ name: 'bare', databases: [], llm: null, over: [] });
});

test('the document has it from one read of the store; a cluster without platforms says nothing of them', () => {
  const clock = { sample: () => undefined, ageMs: () => 500, leastAgeMs: () => 0, clear: () => undefined };
  const documentOf = (platforms: readonly ReturnType<typeof shopWith>[]) => {
    const kvs = [
      { key: 'members', value: { ...cluster, platforms }, mod: 1 },
      { key: 'llm/shop', value: on('azure', 'azure', { told: ['last'] }), mod: 2 },
      { key: 'llm/shop-two', value: on('openrouter', 'openrouter'), mod: 2 },
      { key: 'tiers', value: { version: 1, nonce: 'n', databases: { 'shop/orders': provedIn(WEST) } }, mod: 2 },
    ];
    return statusNow({
      sight: sightOf({ rev: 2, kvs }, clock, 0, new Map()),
      seenAgoMs: 0,
      region: WEST,
      replica: 'a',
      boot: 'b',
      role: { role: 'standby', epoch: 1 },
      vote: null,
      nowMs: NOW_MS,
      wallMs: NOW_MS,
    });
  };
  expect(documentOf([shopWith()])?.platforms).toMatchObject([
    {
      name: 'shop',
      databases: [{ writer: WEST }],
      llm: { alarms: [{ is: 'last', region: null }], regions: [{ provider: 'azure', position: 2 }, {}] },
    },
  ]);
  expect(documentOf([])).not.toHaveProperty('platforms');
});
