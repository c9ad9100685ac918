// A human's word for where a database is written: what speaks against it, what it becomes as the watch sees more, and that nothing which is seen is ever passed by.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LooksRecord, TierState, Tiers } from '../../../src/runbook/facts.ts';
import type { Run, Step } from '../../../src/runbook/model.ts';
import { planOf } from '../../../src/runbook/plan.ts';
import type { DatabaseConfig, PlatformConfig } from '../../../src/runbook/platform.ts';
import { newRun } from '../../../src/runbook/run.ts';
import {
  aboutSites,
  changed,
  proofLost,
  provedIn,
  settledIn,
  splitIn,
  stateIn,
  stateTag,
  unsettled,
} from '../../../src/runbook/tiers/record.ts';
import { againstSettling, meaningOf, SEEN_MAX_MS, type SettleWorld } from '../../../src/runbook/tiers/settle.ts';
import { type Looks, newsOf } from '../../../src/runbook/tiers/watch.ts';
import { bothData, coldData, databaseOf, dualData, EAST, hotData, WEST } from '../platforms.ts';

const NOW = 1_800_000_000_000;
const REGIONS = ['ap', 'eu', 'us'];
const site = (region: string) => ({ system: `p-${region}`, sql: `s-${region}`, poolers: [], address: `${region}:5432` });
const DATABASE = { name: 'orders', sites: Object.fromEntries(REGIONS.map((region) => [region, site(region)])) };
const IN_EU: TierState = { writer: 'eu', provedAtMs: NOW - 60_000, because: 'a row' };
const SPLIT: TierState = { ...IN_EU, split: { regions: ['eu', 'us'], atMs: NOW - 1, because: 'both' } };
const WORD = { by: 'ana', reason: 'eu burnt down', atMs: NOW };

const looksOf = (seen: Readonly<Record<string, readonly ['writes' | 'reads', number]>>): LooksRecord => ({
  atMs: NOW,
  nonce: 'n',
  databases: { orders: Object.fromEntries(Object.entries(seen).map(([region, [is, agoMs]]) => [region, { is, atMs: NOW - agoMs }])) },
});
const worldOf = (given: Partial<SettleWorld> = {}): SettleWorld => ({
  database: DATABASE,
  state: SPLIT,
  looks: null,
  run: null,
  ageMs: (atMs) => NOW - atMs,
  ...given,
});
const running = (id: string, kind: string, spec: object, state: string): Run =>
  ({ id: 'shop-1', state: 'running', plan: [{ id, kind, spec }], steps: { [id]: { state, tries: 1, because: '' } } }) as unknown as Run;

describe('against it speaks', () => {
  const us = { region: 'us', fenced: ['ap', 'eu'] };
  test.each<[string, Parameters<typeof againstSettling>[0], Partial<SettleWorld>, readonly RegExp[]]>([
    ['nothing, where all others are answered for', us, {}, []],
    ['nothing, where it is seen to write itself', us, { looks: looksOf({ us: ['writes', 900] }) }, []],
    ['nothing, where another one is seen to follow', { region: 'us', fenced: ['eu'] }, { looks: looksOf({ ap: ['reads', 900] }) }, []],
    ['that it follows', us, { looks: looksOf({ us: ['reads', 5_000] }) }, [/us said 5.0 s ago that it follows/]],
    [
      'nothing of what was said too long ago',
      us,
      { looks: looksOf({ us: ['reads', SEEN_MAX_MS + 1], eu: ['writes', SEEN_MAX_MS + 1] }) },
      [],
    ],
    [
      'that another writes, also one that is answered for',
      us,
      { looks: looksOf({ eu: ['writes', 12_000] }) },
      [/eu was seen to take writes of orders 12 s ago/],
    ],
    ['that nobody answers for the others', { region: 'us', fenced: [] }, {}, [/nobody sees whether ap, eu take writes/]],
    ['that it is proved there already', { region: 'eu', fenced: ['ap', 'us'] }, { state: IN_EU }, [/eu is proved to be the writer/]],
    ['that it is settled there already', us, { state: settledIn('us', WORD, ['eu'])(SPLIT) }, [/ana has settled orders in us already/]],
    [
      'a step that moves it now',
      us,
      { run: running('promote', 'pg.promote', { database: 'orders' }, 'acting') },
      [/promote of shop-1 is under way/],
    ],
    [
      'no step that asks, and none of another database',
      us,
      { run: running('promote', 'pg.promote', { database: 'orders' }, 'asking') },
      [],
    ],
    ['no step of another database', us, { run: running('promote', 'pg.promote', { database: 'users' }, 'acting') }, []],
    [
      'all of it at once',
      { region: 'us', fenced: [] },
      { looks: looksOf({ us: ['reads', 1_000], eu: ['writes', 1_000] }) },
      [/us said/, /eu was seen/, /nobody sees whether ap takes/],
    ],
  ])('%s', (_, order, given, said) => {
    const against = againstSettling(order, worldOf(given));
    expect(against, against.join('\n')).toHaveLength(said.length);
    for (const [at, text] of said.entries()) expect(against[at]).toMatch(text);
  });

  describe('of the plans of the models', () => {
    const moves = [
      { from: EAST, to: WEST, purpose: 'failover' },
      { from: WEST, to: EAST, purpose: 'failback' },
    ] as const;
    const users = databaseOf('users', {
      sites: Object.fromEntries([EAST, WEST].map((region) => [region, { ...site(region), system: `p2-${region}`, sql: `s2-${region}` }])),
    });
    const runOf = (plan: readonly Step[], id: string, state: 'acting' | 'undoing'): Run => ({
      ...newRun(
        {
          id: 'shop-1',
          platform: 'shop',
          model: 'active-cold',
          purpose: 'failover',
          mode: 'graceful',
          from: EAST,
          to: WEST,
          cause: { kind: 'order', by: 'ana', reason: 'a move' },
          plan,
          askMs: 1,
          nonce: 'n',
          persons: 0,
          by: [],
          because: 'a move',
        },
        NOW,
      ),
      state: state === 'acting' ? 'running' : 'undoing',
      steps: { [id]: { state, tries: 1, because: '' } },
    });
    /** Steps that a word for the database waits for. */
    const waitedFor = (platform: PlatformConfig, move: (typeof moves)[number], state: 'acting' | 'undoing', database: DatabaseConfig) => {
      const plan = planOf(platform, move);
      return plan.filter(({ id }) => {
        const world = worldOf({ database, state: null, run: runOf(plan, id, state) });
        return againstSettling({ region: EAST, fenced: [WEST] }, world).some((text) => text.startsWith(`${id} of shop-1 is under way`));
      });
    };

    test.each([
      ['active-cold', coldData],
      ['active-hot', hotData],
      ['active-active', bothData],
      ['dual-active', dualData],
    ])('%s: every step that moves or proves its writer, and what takes it back, and none of another database', (_, platform) => {
      for (const move of moves) {
        const [orders = users] = platform.databases ?? [];
        const plan = planOf(platform, move);
        const isMoving = (kind: string): boolean => kind.startsWith('pg.') || kind === 'fence.patroni';
        for (const state of ['acting', 'undoing'] as const) {
          // Also what is taken back by a promotion, whatever it is itself.
          const moving = plan.filter(({ kind, undo }) => isMoving(kind) || (state === 'undoing' && 'kind' in undo && isMoving(undo.kind)));
          const waited = waitedFor(platform, move, state, orders);
          expect(waited.map(({ id }) => id)).toEqual(moving.map(({ id }) => id));
          expect(waited.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['pg.demote', 'pg.caughtup', 'pg.promote', 'pg.canary']));
          expect(waitedFor(platform, move, state, users)).toEqual([]);
        }
      }
    });
  });

  test('whatever is seen of it: no word is taken for a region that was just seen to follow, beside one that was just seen to write, or past anybody', () => {
    const look = fc.option(fc.tuple(fc.constantFrom('writes' as const, 'reads' as const), fc.integer({ min: 0, max: 2 * SEEN_MAX_MS })), {
      nil: undefined,
    });
    const seen = fc.record({ ap: look, eu: look, us: look });
    const states = fc.constantFrom<TierState | null>(null, IN_EU, SPLIT, { ...IN_EU, writer: null });
    fc.assert(
      fc.property(seen, states, fc.constantFrom(...REGIONS), fc.subarray(REGIONS), (given, state, region, named) => {
        const fenced = named.filter((each) => each !== region);
        const known = Object.fromEntries(
          Object.entries(given).flatMap(([each, said]) => (said === undefined ? [] : [[each, said] as const])),
        );
        const against = againstSettling({ region, fenced }, worldOf({ state, looks: looksOf(known) }));
        if (against.length > 0) return;
        const isFresh = (each: string): boolean => (known[each]?.[1] ?? Number.POSITIVE_INFINITY) <= SEEN_MAX_MS;
        expect(isFresh(region) && known[region]?.[0] === 'reads').toBe(false);
        for (const other of REGIONS.filter((each) => each !== region)) {
          expect(isFresh(other) && known[other]?.[0] === 'writes').toBe(false);
          expect(fenced.includes(other) || (isFresh(other) && known[other]?.[0] === 'reads')).toBe(true);
        }
      }),
    );
  });
});

describe('a word', () => {
  const settled = settledIn('us', WORD, ['ap', 'eu'])(SPLIT);
  const of = (ap: Looks[string], eu: Looks[string], us: Looks[string]): Looks => ({ ap, eu, us }) as Looks;
  const after = (before: Looks, now: Looks, state: TierState | null) => {
    const { changes, prove } = newsOf('orders', before, now, state, NOW + 5_000);
    return { state: changes.reduce<TierState | null>((each, change) => change(each), state), prove };
  };
  const both = (looks: Looks, state: TierState | null) => after(looks, looks, state);

  test('ends a split, names who said it, and keeps the alarm', () => {
    expect(settled).toMatchObject({ writer: 'us', fenced: ['ap', 'eu'], settled: { by: 'ana', before: SPLIT } });
    expect(settled).not.toHaveProperty('split');
    expect(settled?.because).toBe('settled by ana, and no row was written there: eu burnt down');
    expect(unsettled(settled)).toMatchObject({ writer: null, split: SPLIT.split, fenced: ['ap', 'eu'] });
  });

  test('upon a word that ended a split keeps that alarm', () => {
    const again = settledIn('ap', { ...WORD, by: 'ben' }, ['eu', 'us'])(settled);
    expect(unsettled(again)).toMatchObject({ writer: null, split: SPLIT.split, fenced: ['eu', 'us'] });
  });

  test('that is taken back gives no proof back: who was proved before may lack all that was written since', () => {
    const lost = { ...IN_EU, writer: null, lastWriter: 'eu' };
    for (const before of [IN_EU, lost, null]) {
      const back = unsettled(settledIn('us', WORD, ['ap', 'eu'])(before));
      expect(back).toEqual({
        writer: null,
        provedAtMs: before?.provedAtMs ?? 0,
        because: 'the word of ana for us was taken back, and no row was written and read back since',
        fenced: ['ap', 'eu'],
      });
      // It comes back as it was, a day late, and nobody sees us: that is no reason for a row there.
      expect(both(of('reads', 'writes', 'silent'), back)).toMatchObject({ state: { writer: null }, prove: null });
      expect(both(of('reads', 'writes', 'reads'), back).prove).toBe('eu');
      expect(both(of('reads', 'reads', 'writes'), back).prove).toBe('us');
    }
  });

  test('stands while everybody is silent, and is proved as soon as its writer is seen', () => {
    expect(both(of('silent', 'silent', 'silent'), settled)).toEqual({ state: settled, prove: null });
    expect(both(of('silent', 'silent', 'writes'), settled).prove).toBe('us');
    const proved = provedIn('us', 'a row was written', NOW)(settled);
    expect(proved).toEqual({ writer: 'us', provedAtMs: NOW, because: 'a row was written', fenced: ['ap', 'eu'] });
  });

  test('is lost as any proof when its writer is seen to follow twice, and not at one look', () => {
    const once = after(of('silent', 'silent', 'silent'), of('silent', 'silent', 'reads'), settled);
    expect(once.state).toEqual(settled);
    const lost = both(of('silent', 'silent', 'reads'), settled).state;
    expect(lost).toMatchObject({ writer: null, lastWriter: 'us' });
    expect(lost).not.toHaveProperty('settled');
  });

  test('is a split again when a region that was answered for writes, also beside a silent writer; the word is void then', () => {
    for (const us of ['silent', 'writes'] as const) {
      const { state, prove } = both(of('silent', 'writes', us), settled);
      expect([state?.split?.regions, state?.writer, state?.settled, prove]).toEqual([['eu', 'us'], null, undefined, null]);
    }
    expect(after(of('silent', 'silent', 'silent'), of('silent', 'writes', 'silent'), settled).state).toEqual(settled);
  });

  test('is no split when its writer says itself that it follows whom somebody has promoted since: it is lost, and a row proves the other one', () => {
    for (const state of [settled, provedIn('us', 'a row was written', NOW)(settled)]) {
      const moved = both(of('reads', 'writes', 'reads'), state).state;
      expect(moved).toMatchObject({ writer: null, lastWriter: 'us' });
      expect(moved).not.toHaveProperty('split');
      expect(both(of('reads', 'writes', 'reads'), moved).prove).toBe('eu');
      // At one look it may be between the two.
      expect(after(of('silent', 'writes', 'silent'), of('silent', 'writes', 'reads'), state).state).toHaveProperty('split');
    }
  });

  test('keeps the answer for a third region through a split, and asks nobody anew for the two of it', () => {
    const split = both(of('silent', 'writes', 'silent'), settled).state;
    expect(split).toMatchObject({ split: { regions: ['eu', 'us'] }, fenced: ['ap'] });
    const whole = both(of('silent', 'reads', 'writes'), split).state;
    expect(whole).toMatchObject({ fenced: ['ap'] });
    const proved = provedIn('us', 'a row was written', NOW)(whole);
    expect(both(of('writes', 'reads', 'silent'), proved).state?.split?.regions).toEqual(['ap', 'us']);
  });

  test('leaves the alarm behind where a row has proved it since: the region that was answered for is a second writer still', () => {
    const proved = provedIn('us', 'a row was written', NOW)(settled);
    expect(both(of('silent', 'writes', 'silent'), proved).state).toMatchObject({ writer: 'us', split: { regions: ['eu', 'us'] } });
    // Who is seen to follow has to be answered for no more.
    const follows = both(of('silent', 'reads', 'writes'), proved).state;
    expect(follows?.fenced).toEqual(['ap']);
    expect(both(of('silent', 'writes', 'silent'), follows).state).not.toHaveProperty('split');
  });

  test('does not stand where a build that knows no words has written beside it', () => {
    const tiersOf = (state: TierState | null): Tiers => ({
      version: 1,
      nonce: 'n',
      databases: state === null ? {} : { 'shop/orders': state },
    });
    const readOf = (given: Partial<TierState>) => stateIn(tiersOf(settled === null ? null : { ...settled, ...given }), 'shop', 'orders');
    expect(readOf({})).toEqual(settled);
    // As its proofs, losses and splits leave it: all of it as before, but for what they say.
    const split = { regions: ['eu', 'us'], atMs: NOW - 1, because: 'both' };
    const left: readonly (readonly [Partial<TierState>, Partial<TierState>])[] = [
      [{ writer: 'us', provedAtMs: NOW + 1, because: 'a row' }, { writer: 'us' }],
      [{ writer: null, lastWriter: 'us' }, { writer: null }],
      [{ split }, { writer: null, lastWriter: 'us', split }],
    ];
    for (const [given, is] of left) {
      expect(readOf(given)).toMatchObject({ ...is, fenced: ['ap', 'eu'] });
      expect(readOf(given)).not.toHaveProperty('settled');
    }
    // What it is changed to is judged by the same, and nothing is written where only that was to be mended.
    const torn = tiersOf({ ...(settled ?? IN_EU), writer: null });
    expect(changed(torn, 'shop/orders', unsettled, 'm')).toBe(torn);
    expect(changed(torn, 'shop/orders', provedIn('us', 'a row', NOW), 'm').databases['shop/orders']).not.toHaveProperty('settled');
  });

  test('is about the systems that were there when it was given, through all that becomes of it', () => {
    const sites = { ap: 's-ap', eu: 's-eu', us: 's-us' };
    const about = aboutSites(sites)(settled);
    expect(about).toEqual({ ...settled, sites });
    expect(aboutSites(sites)(about)).toBe(about);
    for (const change of [provedIn('us', 'a row', NOW), proofLost('us', 'it follows'), splitIn(['eu', 'us'], 'both', NOW), unsettled])
      expect(change(about)).toMatchObject({ sites });
    expect(settledIn('ap', WORD, ['eu', 'us'])(about)).toMatchObject({ sites });
    // A region that comes and goes says nothing of the others; one that comes back with another system is another one.
    const { us: _, ...without } = sites;
    expect(aboutSites({ ...without, sa: 's-sa' })(about)).toEqual({ ...about, sites: { ...sites, sa: 's-sa' } });
    const other = aboutSites({ ...sites, us: 's-us-2' })(about);
    expect(other).toEqual({
      writer: null,
      provedAtMs: settled?.provedAtMs,
      because: 'us is kept by s-us-2 now, of which nothing was proved',
      fenced: ['ap', 'eu'],
      sites: { ...sites, us: 's-us-2' },
    });
    expect(aboutSites({ ...sites, eu: 's-eu-2' })(about)).toMatchObject({ writer: 'us', settled: WORD, fenced: ['ap', 'eu'] });
    const split = aboutSites(sites)(SPLIT);
    expect(aboutSites({ ...sites, us: 's-us-2' })(split)).not.toHaveProperty('split');
    expect(aboutSites({ ...sites, ap: 's-ap-2' })(split)).toMatchObject({ writer: 'eu', split: SPLIT.split });
    const lost = proofLost('us', 'it follows')(about);
    expect(aboutSites({ ...sites, us: 's-us-2' })(lost)).not.toHaveProperty('lastWriter');
  });

  test('that follows a row is no row, also where the clock of that one is ahead', () => {
    const word = settledIn('us', WORD, ['ap', 'eu'])({ ...IN_EU, provedAtMs: NOW + 3_000 });
    expect(stateIn({ version: 1, nonce: 'n', databases: { 'shop/orders': word ?? IN_EU } }, 'shop', 'orders')).toEqual(word);
  });

  test('changes the tag, as does all that becomes known', () => {
    const states = [null, IN_EU, SPLIT, settled, proofLost('us', 'it follows')(settled), splitIn(['ap', 'us'], 'both', NOW)(settled)];
    expect(new Set(states.map(stateTag)).size).toBe(states.length);
    expect(stateTag({ ...IN_EU })).toBe(stateTag(IN_EU));
  });

  test('says what it means', () => {
    expect(meaningOf({ region: 'us', fenced: ['ap', 'eu'] }, worldOf(), ['web'])).toEqual([
      expect.stringMatching(/users of web may be sent there, and to no other region/),
      expect.stringMatching(/the alarm about eu, us ends/),
      expect.stringMatching(/you answer for it that ap, eu take no writes/),
      expect.stringMatching(/rings again/),
    ]);
    expect(meaningOf({ region: 'us', fenced: ['eu'] }, worldOf({ state: IN_EU }), [])).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/eu, which was the writer until now, is none any more/),
        expect.stringMatching(/ap is seen to follow/),
      ]),
    );
  });
});
