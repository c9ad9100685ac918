// Taking over, at the worst moment: the store elects a leader of its own just when the holder dies; several reach for the office at once; the holder only
// slept; the campaign's reply is lost. On virtual time, over links with the round trips of continents.
import { describe, expect, test } from 'vitest';
import type { Term } from '../../src/coordinate/coordinator.ts';
import { KEYS } from '../../src/coordinate/keys.ts';
import type { Leader, Routing } from '../../src/model.ts';
import { StoreDefiniteError } from '../../src/store/store.ts';
import { Offices, type OfficesOptions, QUIET } from './offices.ts';

/** How long the store has no leader when its own dies. */
const ELECTION_MS = 3000;
/** What is promised for a holder that dies together with the store's leader. */
const TAKEOVER_MAX_MS = 9000;

const running = async (options: OfficesOptions = {}): Promise<Offices> => {
  const offices = new Offices(options);
  await offices.start();
  await offices.virtual.advance(10_000);
  expect(offices.holder()).not.toBeNull();
  return offices;
};

const holderOf = (offices: Offices): string => offices.holder() ?? expect.fail('nobody coordinates');
const leaderOf = async (offices: Offices): Promise<Leader> =>
  (await offices.record<Leader>(KEYS.leader)) ?? expect.fail('no leader record');

const end = async (offices: Offices): Promise<void> => {
  expect(offices.violations).toEqual([]);
  for (const [nonce, times] of offices.sent) expect(`${nonce} sent ${times} times`).toBe(`${nonce} sent 1 times`);
  await offices.close();
};

/** Kills the holder `phaseMs` after its decision was renewed, the store's leader with it, and answers how long nobody coordinated. */
const cut = async (rttMs: number, phaseMs: number, seed: number): Promise<number> => {
  const offices = await running({ rttMs, seed });
  const { epoch } = await leaderOf(offices);
  const before = offices.commits.length;
  await offices.virtual.advanceUntil(() => offices.commits.length > before, 5000);
  await offices.virtual.advance(phaseMs);
  offices.kill(holderOf(offices));
  offices.electing = true;
  offices.virtual.ports.timers.after(ELECTION_MS, () => {
    offices.electing = false;
  });
  const tookMs = await offices.virtual.advanceUntil(() => offices.holder() !== null, 30_000);
  expect((await leaderOf(offices)).epoch).toBe(epoch + 1);
  await end(offices);
  return tookMs;
};

describe('a holder that dies together with the store’s leader', () => {
  for (const rttMs of [100, 250])
    test(`is superseded within 9 s at ${rttMs} ms round trip, at whatever moment between two renewals it dies`, {
      timeout: 60_000,
    }, async () => {
      const took: number[] = [];
      // Every 20 ms of what lies between two renewals, and densely right after one, when nobody has seen it yet.
      for (let phaseMs = 1; phaseMs < 1900; phaseMs += phaseMs < 400 ? 10 : 50) took.push(await cut(rttMs, phaseMs, phaseMs));
      expect(took.length).toBeGreaterThan(60);
      expect(Math.max(...took)).toBeLessThanOrEqual(TAKEOVER_MAX_MS);
      // Nobody is superseded before the store can have heard of it again.
      expect(Math.min(...took)).toBeGreaterThan(ELECTION_MS);
    });
});

describe('an election of the store', () => {
  test('alone changes no coordinator: whoever holds the office has renewed before anybody’s patience ends', {
    timeout: 60_000,
  }, async () => {
    for (const rttMs of [100, 250])
      for (let seed = 1; seed <= 25; seed++) {
        const offices = await running({ rttMs, seed });
        const { epoch } = await leaderOf(offices);
        await offices.virtual.advance(offices.random.unit() * 3000);
        offices.electing = true;
        await offices.virtual.advance(ELECTION_MS);
        offices.electing = false;
        await offices.virtual.advance(15_000);
        expect((await leaderOf(offices)).epoch).toBe(epoch);
        await end(offices);
      }
  });

  test('of any length is outlasted, when it hides the last renewal from those who wait', { timeout: 60_000 }, async () => {
    for (const rttMs of [100, 250])
      for (let seed = 1; seed <= 25; seed++) {
        const offices = await running({ rttMs, seed });
        const { epoch } = await leaderOf(offices);
        const before = offices.commits.length;
        await offices.virtual.advanceUntil(() => offices.commits.length > before, 5000);
        offices.electing = true;
        await offices.virtual.advance(3000 + offices.random.unit() * 20_000);
        offices.electing = false;
        await offices.virtual.advance(15_000);
        expect((await leaderOf(offices)).epoch).toBe(epoch);
        await end(offices);
      }
  });
});

describe('how often they look', () => {
  test('heartbeats make nobody look: twice a second who holds the office, once a second and at each renewal who waits for it', async () => {
    const offices = await running({ rttMs: 100 });
    const holder = holderOf(offices);
    const names = ['a', 'b', 'c'];
    const before = names.map((name) => offices.of(name).looks);
    await offices.virtual.advance(60_000);
    const looks = names.map((name, i) => offices.of(name).looks - (before[i] ?? 0));
    // A tick of 500 ms and the look itself; a renewal every 1.5 to 2 s and a tick of a second between.
    for (const [i, name] of names.entries()) {
      const [least, most] = name === holder ? [85, 110] : [55, 85];
      expect(looks[i]).toBeGreaterThanOrEqual(least);
      expect(looks[i]).toBeLessThanOrEqual(most);
    }
    await end(offices);
  });

  test('a vote that changes is looked at at once, by all', async () => {
    const offices = await running({ rttMs: 100 });
    await offices.virtual.advance(3000);
    offices.dead.add('b');
    const isLooked = (): boolean => ['a', 'b', 'c'].every((name) => offices.of(name).lookedAtMs > changedAtMs);
    let changedAtMs = Number.POSITIVE_INFINITY;
    const watch = offices.store.watch('vote/', () => {
      changedAtMs = Math.min(changedAtMs, offices.virtual.now());
    });
    await offices.virtual.advanceUntil(() => changedAtMs < Number.POSITIVE_INFINITY, 2000);
    // News, what comes close behind it, a round trip; or two, when a look was under way.
    expect(await offices.virtual.advanceUntil(isLooked, 2000)).toBeLessThan(250);
    watch.close();
    await end(offices);
  });

  test('whoever waits campaigns at the moment at which the record has stood for a lease', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const offices = await running({ rttMs: 100, seed });
      const { leaseMs } = offices.cluster.policy;
      await offices.virtual.advance(offices.random.unit() * 3000);
      const dead = holderOf(offices);
      offices.kill(dead);
      await offices.virtual.advanceUntil(() => offices.holder() !== null, 30_000);
      // What it had sent when it died may have come after.
      const renewedAtMs = offices.commits.findLast(({ region }) => region === dead)?.atMs ?? expect.fail('never renewed');
      const stoodMs = offices.virtual.now() - renewedAtMs;
      expect(stoodMs).toBeGreaterThan(leaseMs);
      // The look that saw it, the one that finds it unchanged, the spread of those who reach for it, the campaign.
      expect(stoodMs).toBeLessThan(leaseMs + 150 + 105 + 300 + 105);
      await end(offices);
    }
  });

  test('a store that refuses at once is asked twice a second by each, however long the office has been vacant; so is one that takes no campaign', async () => {
    const offices = await running({ rttMs: 100 });
    offices.kill(holderOf(offices));
    offices.refusing = true;
    await offices.virtual.advance(20_000);
    const before = offices.asked;
    await offices.virtual.advance(60_000);
    expect(offices.asked - before).toBeGreaterThan(2 * 55);
    expect(offices.asked - before).toBeLessThan(2 * 125);
    offices.refusing = false;
    offices.onArrival = async () => {
      throw new StoreDefiniteError('the disk is full');
    };
    await offices.virtual.advance(5000);
    const campaigned = offices.transactions;
    await offices.virtual.advance(60_000);
    expect(offices.transactions - campaigned).toBeGreaterThan(2 * 30);
    expect(offices.transactions - campaigned).toBeLessThan(2 * 110);
    offices.onArrival = async () => undefined;
    await offices.virtual.advance(10_000);
    expect(offices.holder()).not.toBeNull();
    await end(offices);
  });
});

describe('several candidates at once', () => {
  test('however many reach for the office, one has it, in the next epoch', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const offices = await running({ seed, replicas: 3 });
      const { epoch } = await leaderOf(offices);
      // All campaigns arrive in the same instant.
      let together = 0;
      offices.onArrival = async (_region, txn) => {
        const campaigns = txn.then.some((op) => 'put' in op && op.put === KEYS.leader && (op.value as Leader).n === 0);
        if (!campaigns) return;
        together++;
        await new Promise<void>((resolve) => offices.virtual.ports.timers.after(1000, resolve));
      };
      offices.kill(holderOf(offices));
      await offices.virtual.advance(10_000);
      expect(together).toBeGreaterThan(1);
      expect((await leaderOf(offices)).epoch).toBe(epoch + 1);
      expect(offices.roles().filter((role) => role.role === 'coordinator')).toEqual([{ role: 'coordinator', epoch: epoch + 1 }]);
      await end(offices);
    }
  });

  test('replicas of one region are candidates of their own: another one of the same region takes over', async () => {
    const offices = await running({ regions: ['a'], replicas: 2 });
    const old = holderOf(offices);
    offices.kill(old);
    const tookMs = await offices.virtual.advanceUntil(() => offices.holder() !== null, 10_000);
    expect(tookMs).toBeLessThan(7500);
    expect((await leaderOf(offices)).replica).toBe(old === 'a' ? 'b' : 'a');
    await end(offices);
  });

  test('what one replica of a region gives up another region takes: the replica beside it shares its way out', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const offices = await running({ seed, regions: ['a', 'b'], replicas: 3 });
      const { region } = await leaderOf(offices);
      const old = holderOf(offices);
      void offices.of(old).coordinator.abdicate('no credentials');
      const tookMs = await offices.virtual.advanceUntil(() => ![null, old].includes(offices.holder()), 5000);
      expect((await leaderOf(offices)).region).not.toBe(region);
      expect(tookMs).toBeLessThan(1500);
      await end(offices);
    }
  });

  test('with no other region alive the replica beside it takes over after a while, and before the one that gave up', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const offices = await running({ seed, regions: ['a', 'b'], replicas: 2 });
      const { region, replica } = await leaderOf(offices);
      const other = region === 'a' ? 'b' : 'a';
      for (const name of [other, `${other}/b`]) offices.kill(name);
      const old = holderOf(offices);
      void offices.of(old).coordinator.abdicate('no credentials');
      const tookMs = await offices.virtual.advanceUntil(() => ![null, old].includes(offices.holder()), 8000);
      expect(tookMs).toBeGreaterThan(2000);
      expect(tookMs).toBeLessThan(4000);
      expect(await leaderOf(offices)).toMatchObject({ region, replica: replica === 'a' ? 'b' : 'a' });
      await end(offices);
    }
  });
});

describe('a holder that only slept', () => {
  test('for 25 s: what it sends on waking is refused, it can prove no right, and it writes nothing more', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const offices = await running({ seed });
      const name = holderOf(offices);
      const old = offices.of(name);
      const term: Term = old.coordinator.term() ?? expect.fail('no term');
      await offices.virtual.advance(offices.random.unit() * 1500);
      offices.dead.add('b');
      old.process.pause();
      await offices.virtual.advance(25_000);
      const superseded = await leaderOf(offices);
      expect(superseded.boot).not.toBe(old.boot);
      expect((await offices.record<Routing>(KEYS.routing))?.services.web?.route.b).toBe(0);
      const since = offices.commits.length;
      old.process.resume();
      // Before it has looked at anything.
      const proofs: boolean[] = [];
      void term.renew().then((renewed) => proofs.push(renewed));
      void term.commit([], [{ put: 'applied/memory/web', value: { fence: 1 } }]).then((done) => proofs.push(done));
      await offices.virtual.advance(5000);
      expect(proofs).toEqual([false, false]);
      expect(old.coordinator.term()).toBeNull();
      expect(await term.renew()).toBe(false);
      expect(offices.commits.slice(since).filter((c) => c.region === name)).toEqual([]);
      expect(await offices.record('applied/memory/web')).toBeNull();
      expect((await leaderOf(offices)).epoch).toBe(superseded.epoch);
      await end(offices);
    }
  });
});

describe('a campaign in doubt', () => {
  test('that was committed is found by its nonce, in the epoch it won, and nobody campaigns again', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const offices = await running({ seed });
      const { epoch } = await leaderOf(offices);
      offices.kill(holderOf(offices));
      // What it had sent when it died comes first.
      await offices.virtual.advance(200);
      offices.noise({ ...QUIET, lostReply: 1 });
      const before = offices.commits.length;
      await offices.virtual.advanceUntil(() => offices.commits.length > before, 10_000);
      offices.noise(QUIET);
      const winner = offices.commits.at(-1)?.region;
      const tookMs = await offices.virtual.advanceUntil(() => offices.holder() !== null, 5000);
      expect(offices.holder()).toBe(winner);
      expect(tookMs).toBeLessThan(2500);
      await offices.virtual.advance(10_000);
      expect((await leaderOf(offices)).epoch).toBe(epoch + 1);
      await end(offices);
    }
  });

  test('of several in doubt the one that happened is found, whichever it was, however late', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const offices = new Offices({ regions: ['a'], seed });
      await offices.start(undefined, { ...QUIET, lateCommit: 1 });
      await offices.virtual.advanceUntil(() => offices.commits.length > 0, 60_000);
      offices.noise(QUIET);
      expect(offices.transactions).toBeGreaterThan(1);
      const tookMs = await offices.virtual.advanceUntil(() => offices.holder() === 'a', 10_000);
      expect(tookMs).toBeLessThan(2500);
      expect((await leaderOf(offices)).epoch).toBe(1);
      await offices.virtual.advance(30_000);
      expect((await leaderOf(offices)).epoch).toBe(1);
      await end(offices);
    }
  });
});

describe('a decision', () => {
  test('goes before renewals that wait, and is not sent on an old look', async () => {
    const offices = await running({ rttMs: 100 });
    const holder = offices.of(holderOf(offices));
    const term = holder.coordinator.term() ?? expect.fail('no term');
    // The publisher proves its right all the time, and the store takes its time over it.
    offices.onArrival = async (_region, txn) => {
      if (txn.then.length > 1) return;
      await new Promise<void>((resolve) => offices.virtual.ports.timers.after(700, resolve));
    };
    let proving = true;
    for (let lane = 0; lane < 3; lane++)
      void (async () => {
        while (proving && (await term.renew()));
      })();
    await offices.virtual.advance(2000);
    offices.dead.add('b');
    const before = offices.commits.length;
    const tookMs = await offices.virtual.advanceUntil(() => offices.commits.slice(before).some((c) => c.routing !== null), 10_000);
    expect(tookMs).toBeLessThan(6000);
    proving = false;
    await offices.virtual.advance(3000);
    await end(offices);
  });
});
