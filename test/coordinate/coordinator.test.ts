// The coordinator's loop on virtual time: terms and takeovers, and what no lost reply, late commit or paused process may ever cause.
import { describe, expect, test } from 'vitest';
import { auditKey, KEYS, voteKey } from '../../src/coordinate/keys.ts';
import type { Audit, Leader, Overrides, Routing } from '../../src/model.ts';
import { StoreDefiniteError } from '../../src/store/store.ts';
import { clusterOf } from '../world.ts';
import { Offices, QUIET, START_MS } from './offices.ts';

const LEASE_MS = 6000;

/** Offices that have a coordinator and have decided. */
const running = async (options: ConstructorParameters<typeof Offices>[0] = {}, skewMs?: (region: string) => number): Promise<Offices> => {
  const offices = new Offices(options);
  await offices.start(skewMs);
  await offices.virtual.advance(10_000);
  expect(offices.holder()).not.toBeNull();
  expect((await offices.record<Routing>(KEYS.routing))?.services.web?.fence).toBeGreaterThan(0);
  return offices;
};

const holderOf = (offices: Offices): string => offices.holder() ?? expect.fail('nobody coordinates');

const end = async (offices: Offices): Promise<void> => {
  expect(offices.violations).toEqual([]);
  for (const [nonce, times] of offices.sent) expect(`${nonce} sent ${times} times`).toBe(`${nonce} sent 1 times`);
  await offices.close();
};

describe('a term', () => {
  test('one of several candidates takes office at once when there is no leader record, and only one', async () => {
    const offices = new Offices({ regions: ['a', 'b', 'c', 'd', 'e'] });
    await offices.start();
    await offices.virtual.advance(2000);
    const roles = offices.cluster.regions.map((r) => offices.of(r.name).coordinator.role());
    expect(roles.filter((r) => r.role === 'coordinator')).toHaveLength(1);
    expect(new Set(roles.map((r) => r.epoch))).toEqual(new Set([1]));
    await end(offices);
  });

  test('a region that may not coordinate never campaigns', async () => {
    const offices = new Offices({ regions: ['a'] });
    await offices.start();
    offices.kill('a');
    offices.boot('a', 0, QUIET, () => false);
    await offices.virtual.advance(60_000);
    expect(offices.commits).toEqual([]);
    await end(offices);
  });

  test('while nothing happens the record is renewed every 1.5 s and no decision is made', async () => {
    const offices = await running();
    const before = offices.commits.length;
    const v = (await offices.record<Routing>(KEYS.routing))?.v;
    await offices.virtual.advance(60_000);
    expect(offices.commits.length - before).toBeGreaterThanOrEqual(25);
    expect(offices.commits.length - before).toBeLessThanOrEqual(60);
    expect((await offices.record<Routing>(KEYS.routing))?.v).toBe(v);
    await end(offices);
  });

  test('a vote that turns is a committed decision within a second, and is announced once', async () => {
    const offices = await running();
    const holder = holderOf(offices);
    offices.dead.add('b');
    const before = offices.commits.length;
    await offices.virtual.advanceUntil(() => offices.commits.slice(before).some((c) => c.routing !== null), 3000);
    await offices.virtual.advance(100);
    const routing = await offices.record<Routing>(KEYS.routing);
    expect(routing?.services.web?.route.b).toBe(0);
    expect(offices.of(holder).announced.filter((v) => v === routing?.v)).toHaveLength(1);
    await end(offices);
  });

  test('a vote that changes its mind while the decision is under way stops it', async () => {
    const offices = await running();
    offices.dead.add('b');
    let flipped = false;
    offices.onArrival = async (_region, txn) => {
      const decides = txn.then.some((op) => 'put' in op && op.put === KEYS.routing);
      if (!decides || flipped) return;
      flipped = true;
      offices.dead.delete('b');
      for (const { name } of offices.cluster.regions) {
        const vote = await offices.record<object>(voteKey(name, 'a'));
        await offices.store.txn({ if: [], then: [{ put: voteKey(name, 'a'), value: { ...vote, down: [], unready: [], seq: 1 } }] });
      }
    };
    await offices.virtual.advance(10_000);
    expect(flipped).toBe(true);
    expect((await offices.record<Routing>(KEYS.routing))?.services.web?.route.b).toBe(333);
    await end(offices);
  });

  test('an order that arrives while a decision is under way stops it, and is obeyed by the next', async () => {
    const offices = await running();
    offices.dead.add('b');
    const order: Overrides = {
      version: 1,
      nonce: 'x',
      items: [
        { id: 'o', kind: 'freeze', scope: {}, reason: 'works', owner: 'alice', createdAtMs: START_MS, expiresAtMs: START_MS + 3_600_000 },
      ],
    };
    let ordered = false;
    offices.onArrival = async (_region, txn) => {
      if (ordered || !txn.then.some((op) => 'put' in op && op.put === KEYS.routing)) return;
      ordered = true;
      await offices.store.txn({ if: [], then: [{ put: KEYS.override, value: order }] });
    };
    await offices.virtual.advance(10_000);
    const web = (await offices.record<Routing>(KEYS.routing))?.services.web;
    expect(ordered).toBe(true);
    expect(web?.route.b).toBe(333);
    expect(web?.pools.b?.hold).toBe('freeze');
    await end(offices);
  });

  test('without fresh votes of a majority nothing is decided', async () => {
    const offices = await running();
    offices.dead.add('b');
    for (const region of ['a', 'c']) offices.silent.add(region);
    const before = (await offices.record<Routing>(KEYS.routing))?.services.web;
    await offices.virtual.advance(60_000);
    expect((await offices.record<Routing>(KEYS.routing))?.services.web?.route).toEqual(before?.route);
    await end(offices);
  });
});

describe('a takeover', () => {
  test('comes after the lease and within a second and a half of it, with the next epoch', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const offices = await running({ seed });
      const epoch = (await offices.record<Leader>(KEYS.leader))?.epoch ?? 0;
      offices.kill(holderOf(offices));
      const tookMs = await offices.virtual.advanceUntil(() => offices.holder() !== null, 20_000);
      // The last renewal may be up to a renewal's span old when its holder dies.
      expect(tookMs).toBeGreaterThanOrEqual(LEASE_MS - 2000);
      expect(tookMs).toBeLessThanOrEqual(LEASE_MS + 1500);
      expect((await offices.record<Leader>(KEYS.leader))?.epoch).toBe(epoch + 1);
      await end(offices);
    }
  });

  test('forgets nothing: the ramp of a returning pool goes on where it was', async () => {
    const offices = await running({
      cluster: clusterOf(['a', 'b', 'c'], [{}], { recoveryHoldMs: 5000, rampStepMs: 30_000, pacingMs: 5000 }),
    });
    offices.dead.add('b');
    await offices.virtual.advance(3000);
    offices.dead.delete('b');
    await offices.virtual.advance(10_000);
    const before = (await offices.record<Routing>(KEYS.routing))?.services.web?.pools.b;
    expect(before?.state).toBe('returning');
    offices.kill(holderOf(offices));
    await offices.virtual.advance(12_000);
    expect(offices.holder()).not.toBeNull();
    expect((await offices.record<Routing>(KEYS.routing))?.services.web?.pools.b).toEqual(before);
    await end(offices);
  });

  test('of a holder that is only cut off: it writes nothing more, and finds itself superseded when it heals', async () => {
    const offices = await running();
    const old = holderOf(offices);
    offices.of(old).cut = true;
    await offices.virtual.advance(30_000);
    const since = offices.commits.length;
    expect(offices.commits.at(-1)?.region).not.toBe(old);
    offices.of(old).cut = false;
    await offices.virtual.advance(10_000);
    expect(offices.of(old).coordinator.role().role).toBe('standby');
    expect(offices.of(old).coordinator.term()).toBeNull();
    expect(offices.commits.slice(since).filter((c) => c.region === old)).toEqual([]);
    await end(offices);
  });

  test('of a paused holder: what it had under way is refused, and after it wakes it writes nothing', async () => {
    const offices = await running();
    const old = holderOf(offices);
    // Paused with a decision on its mind.
    offices.dead.add('b');
    await offices.virtual.advance(700);
    offices.of(old).process.pause();
    await offices.virtual.advance(60_000);
    const since = offices.commits.length;
    const { epoch } = (await offices.record<Leader>(KEYS.leader)) ?? expect.fail('no leader');
    offices.of(old).process.resume();
    await offices.virtual.advance(20_000);
    expect(offices.commits.slice(since).filter((c) => c.region === old)).toEqual([]);
    expect((await offices.record<Leader>(KEYS.leader))?.epoch).toBe(epoch);
    expect(offices.of(old).coordinator.role().role).toBe('standby');
    await end(offices);
  });

  test('of the same region under a new boot: the old boot’s record is a stranger’s', async () => {
    const offices = await running();
    const region = holderOf(offices);
    offices.kill(region);
    offices.boot(region);
    await offices.virtual.advance(3000);
    expect(offices.of(region).coordinator.role().role).toBe('standby');
    await offices.virtual.advance(10_000);
    expect((await offices.record<Leader>(KEYS.leader))?.epoch).toBe(2);
    await end(offices);
  });

  test('a campaign whose reply is lost is found at the next look, not a lease later', async () => {
    const offices = new Offices({ regions: ['a'] });
    await offices.start(undefined, { ...QUIET, lostReply: 1 });
    // Every transaction of this link is committed and its reply lost; reads go well.
    await offices.virtual.advanceUntil(() => offices.commits.length > 0, 5000);
    offices.noise(QUIET);
    const tookMs = await offices.virtual.advanceUntil(() => offices.holder() === 'a', 10_000);
    expect(tookMs).toBeLessThan(3000);
    expect((await offices.record<Leader>(KEYS.leader))?.epoch).toBe(1);
    await end(offices);
  });
});

describe('giving up', () => {
  test('hands over within seconds, and the one who gave up lets the others go first', async () => {
    const offices = await running();
    const old = holderOf(offices);
    void offices.of(old).coordinator.abdicate('no credentials');
    await offices.virtual.advance(1);
    expect(offices.of(old).coordinator.term()).toBeNull();
    expect(offices.holder()).toBeNull();
    const tookMs = await offices.virtual.advanceUntil(() => offices.holder() !== null && offices.holder() !== old, 5000);
    expect(tookMs).toBeLessThan(1500);
    await offices.virtual.advance(60_000);
    expect(offices.holder()).not.toBe(old);
    await end(offices);
  });

  test('with nobody else alive it comes back by itself: somebody has to decide', async () => {
    const offices = await running();
    const old = holderOf(offices);
    for (const { name } of offices.cluster.regions) if (name !== old) offices.kill(name);
    void offices.of(old).coordinator.abdicate('no credentials');
    await offices.virtual.advance(200);
    expect(offices.holder()).toBeNull();
    const tookMs = await offices.virtual.advanceUntil(() => offices.holder() === old, 10_000);
    expect(tookMs).toBeGreaterThanOrEqual(2000);
    await end(offices);
  });

  test('is no use where no other region may coordinate, nor again within 20 s', async () => {
    const alone = await running({ regions: ['a'] });
    await alone.of('a').coordinator.abdicate('x');
    expect(alone.of('a').coordinator.term()).not.toBeNull();
    await end(alone);
    const offices = await running();
    const old = holderOf(offices);
    for (const { name } of offices.cluster.regions) if (name !== old) offices.kill(name);
    void offices.of(old).coordinator.abdicate('x');
    await offices.virtual.advance(10_000);
    expect(offices.holder()).toBe(old);
    void offices.of(old).coordinator.abdicate('x');
    await offices.virtual.advance(1);
    expect(offices.of(old).coordinator.term()).not.toBeNull();
    await end(offices);
  });
});

describe('stopping', () => {
  test('releases the record, so that nobody waits for it to go stale, and leaves no timer behind', async () => {
    const offices = await running();
    const old = holderOf(offices);
    const stopped = offices.of(old).coordinator.stop();
    let over = false;
    void stopped.then(() => (over = true));
    await offices.virtual.advanceUntil(() => over, 3000);
    expect((await offices.record<Leader>(KEYS.leader))?.released ?? true).toBe(true);
    const tookMs = await offices.virtual.advanceUntil(() => offices.holder() !== null && offices.holder() !== old, 5000);
    expect(tookMs).toBeLessThan(1500);
    const before = offices.commits.length;
    await offices.virtual.advance(10_000);
    expect(offices.commits.slice(before).filter((c) => c.region === old)).toEqual([]);
    await end(offices);
  });

  test('in mid-decision loses nothing: what was committed stays, what was not is decided by the next', async () => {
    const offices = await running();
    const old = holderOf(offices);
    offices.dead.add('b');
    await offices.virtual.advance(400);
    void offices.of(old).coordinator.stop();
    await offices.virtual.advance(10_000);
    expect((await offices.record<Routing>(KEYS.routing))?.services.web?.route.b).toBe(0);
    await end(offices);
  });
});

describe('a store that cannot take it', () => {
  test('is asked again at the pace of the loop, not in a spin', async () => {
    const offices = await running();
    offices.onArrival = async (_region, txn) => {
      if (txn.then.some((op) => 'put' in op && op.put === KEYS.routing)) throw new StoreDefiniteError('disk full');
    };
    offices.dead.add('b');
    const before = offices.transactions;
    await offices.virtual.advance(20_000);
    expect(offices.transactions - before).toBeLessThan(120);
    offices.onArrival = async () => undefined;
    await offices.virtual.advance(5000);
    expect((await offices.record<Routing>(KEYS.routing))?.services.web?.route.b).toBe(0);
    await end(offices);
  });
});

describe('cluster time', () => {
  test('a standby shows the vantages’ time, however wrong its own clock is', async () => {
    for (const skewMs of [3_600_000, -3_600_000]) {
      const offices = await running();
      const standby = offices.cluster.regions.map((r) => r.name).find((name) => name !== offices.holder()) ?? expect.fail('no standby');
      offices.kill(standby);
      offices.boot(standby, skewMs);
      await offices.virtual.advance(5000);
      expect(offices.of(standby).coordinator.role().role).toBe('standby');
      expect(Math.abs(offices.of(standby).coordinator.nowMs() - START_MS - offices.virtual.now())).toBeLessThan(3000);
      await end(offices);
    }
  });

  test('stamps never go backwards over takeovers between clocks hours apart', async () => {
    const skew: Record<string, number> = { a: 7_200_000, b: -7_200_000, c: 0 };
    const offices = await running({}, (region) => skew[region] ?? 0);
    for (let n = 0; n < 4; n++) {
      if (n % 2 === 0) offices.dead.add('b');
      else offices.dead.delete('b');
      await offices.virtual.advance(8000);
      const region = holderOf(offices);
      offices.kill(region);
      offices.boot(region, skew[region]);
      await offices.virtual.advance(10_000);
    }
    const stamps = offices.commits.flatMap((c) => (c.routing === null ? [] : [c.routing.atMs]));
    expect(stamps).toEqual(stamps.toSorted((a, b) => a - b));
    for (const at of stamps) expect(Math.abs(at - START_MS)).toBeLessThan(200_000);
    await end(offices);
  });
});

describe('chaos', () => {
  const NOISE = { lostRequest: 0.05, lostReply: 0.08, lateCommit: 0.06, definite: 0.05 };

  const chaos = async (seed: number): Promise<{ decisions: number; takeovers: number }> => {
    const replicas = 1 + (seed % 2);
    const offices = new Offices({ regions: ['a', 'b', 'c'], seed, replicas });
    const { random, virtual } = offices;
    const names = offices.cluster.regions.flatMap((r) => (replicas === 1 ? [r.name] : [r.name, `${r.name}/b`]));
    await offices.start(() => (random.unit() - 0.5) * 7_200_000, NOISE);
    for (let n = 0; n < 40; n++) {
      const name = names[Math.floor(random.unit() * names.length)] ?? 'a';
      const act = random.unit();
      if (act < 0.3) offices.dead.has('b') ? offices.dead.delete('b') : offices.dead.add('b');
      else if (act < 0.45) offices.of(name).cut = !offices.of(name).cut;
      else if (act < 0.6) {
        const { process } = offices.of(name);
        process.pause();
        virtual.ports.timers.after(random.unit() * 25_000, () => process.resume());
      } else if (act < 0.7) {
        offices.kill(name);
        offices.boot(name, (random.unit() - 0.5) * 7_200_000, NOISE);
      } else if (act < 0.75) offices.of(name).process.stepWall((random.unit() - 0.5) * 600_000);
      else if (act < 0.8) void offices.of(name).coordinator.abdicate('chaos');
      else if (act < 0.85) {
        offices.electing = true;
        virtual.ports.timers.after(500 + random.unit() * 5000, () => {
          offices.electing = false;
        });
      }
      await virtual.advance(random.unit() * 8000);
      // Nobody says to coordinate who may not act, or the other way round.
      for (const each of names) {
        const { coordinator } = offices.of(each);
        expect(coordinator.term() !== null).toBe(coordinator.role().role === 'coordinator');
      }
    }
    offices.electing = false;
    // Peace: whatever happened, somebody coordinates and the route fits the world.
    offices.noise(QUIET);
    for (const name of names) {
      offices.of(name).cut = false;
      offices.of(name).process.resume();
    }
    offices.dead.clear();
    offices.dead.add('c');
    await virtual.advance(120_000);
    const routing = (await offices.record<Routing>(KEYS.routing)) ?? expect.fail('no route');
    expect(routing.services.web?.route.c).toBe(0);
    expect(names.filter((name) => offices.of(name).coordinator.role().role === 'coordinator')).toHaveLength(1);
    // No decision is lost: every version has its audit, in an unbroken chain, and was committed once.
    const versions = offices.commits.flatMap((c) => (c.routing === null ? [] : [c.routing.v]));
    expect(versions).toEqual(Array.from({ length: routing.v }, (_, i) => i + 1));
    for (const v of versions) expect((await offices.record<Audit>(auditKey(v)))?.v).toBe(v);
    // Whoever announces has committed, and announces once.
    for (const name of names) {
      const { announced } = offices.of(name);
      expect(new Set(announced).size).toBe(announced.length);
      for (const v of announced) expect(offices.commits.some((c) => c.region === name && c.routing?.v === v)).toBe(true);
    }
    const { epoch } = (await offices.record<Leader>(KEYS.leader)) ?? expect.fail('no leader');
    await end(offices);
    return { decisions: versions.length, takeovers: epoch - 1 };
  };

  test('whatever is lost, late, paused, killed or skewed: one holder decides, nothing is lost, nothing is sent twice', {
    timeout: 120_000,
  }, async () => {
    let decisions = 0;
    let takeovers = 0;
    for (let seed = 1; seed <= 25; seed++) {
      const run = await chaos(seed);
      decisions += run.decisions;
      takeovers += run.takeovers;
    }
    // The chaos was one.
    expect(decisions).toBeGreaterThan(250);
    expect(takeovers).toBeGreaterThan(50);
  });
});
