// What the steps of Postgres refuse, and what they are not taken in by.
import { describe, expect, test } from 'vitest';
import type { Facts } from '../../../src/runbook/kind.ts';
import type { StepKindName } from '../../../src/runbook/model.ts';
import { postgresCanary } from '../../../src/runbook/postgres/canary.ts';
import { caughtUp } from '../../../src/runbook/postgres/caughtup.ts';
import type { PatroniSystem } from '../../../src/runbook/postgres/patroni.ts';
import { clusterIn, configIn, nodeIn } from '../../../src/runbook/postgres/patroni-wire.ts';
import type { PostgresSystem, SqlState } from '../../../src/runbook/postgres/sql.ts';
import type { SystemConfig } from '../../../src/runbook/systems.ts';
import { type Harness, type StepWorld, startHarness } from '../../contract/step.contract.ts';
import { freePort } from '../../system/server.ts';
import { startFront } from '../front.ts';
import { callOf, stepContext } from '../temporal/fixture.ts';
import { tiersOf } from '../tiers.ts';
import { startWebhookWorld } from '../webhook/world.ts';
import { startFakePostgres } from './fake-postgres.ts';
import {
  type FakeSite,
  following,
  STANDBY,
  startCanaryWorld,
  startCaughtUpWorld,
  startDemoteWorld,
  startFenceWorld,
  startPromoteWorld,
  startSite,
  startSwitchoverWorld,
} from './world.ts';

const NEVER = new AbortController().signal;

/** Facts as an executor keeps them. */
const acted = async <K extends StepKindName, W extends StepWorld<K>>(h: Harness<K, W>): Promise<Facts> => {
  const before = (await h.read()).facts ?? {};
  return { ...before, ...(await h.apply(before)).facts };
};

describe('pg.promote', () => {
  test('never while the old writer answers that it takes writes, and Patroni is not told', async () => {
    await using h = await startHarness('pg.promote', startPromoteWorld);
    Object.assign(h.world.old.postgres.state, { inRecovery: false, currentLsn: 1000 });
    expect(await h.read()).toMatchObject({ is: 'never', because: expect.stringContaining('both would write') });
    expect(await h.apply()).toMatchObject({ took: 'fatal', because: expect.stringContaining('both would write') });
    expect(h.world.effects()).toBe(0);
  });

  test('a member of the old site that is in recovery does not speak for the one that writes', async () => {
    const second = await startFakePostgres('pg-password-0a1b2c3d', { inRecovery: false });
    await using h = await startHarness('pg.promote', async () => {
      const world = await startPromoteWorld();
      const old: SystemConfig = { ...world.old.sql, addresses: [world.old.postgres.address, second.address] };
      world.systems = { ...world.systems, 'pg-us': old };
      return world;
    });
    expect(await h.apply()).toMatchObject({ took: 'fatal' });
    await second[Symbol.asyncDispose]();
  });

  test('a member of the old site that hangs does not hide the one that writes', async () => {
    const second = await startFakePostgres('pg-password-0a1b2c3d', { inRecovery: false });
    await using h = await startHarness('pg.promote', async () => {
      const world = await startPromoteWorld();
      const old: SystemConfig = { ...world.old.sql, addresses: [world.old.postgres.address, second.address] };
      world.systems = { ...world.systems, 'pg-us': old };
      return world;
    });
    h.world.old.postgres.meets('silence');
    expect(await h.apply()).toMatchObject({ took: 'fatal', because: expect.stringContaining('both would write') });
    expect(h.world.effects()).toBe(0);
    await second[Symbol.asyncDispose]();
  });

  test('an old writer that is gone does not stand in the way, and is told of', async () => {
    await using h = await startHarness('pg.promote', startPromoteWorld);
    await h.world.old[Symbol.asyncDispose]();
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('is silent') });
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('is silent') });
    h.world.old[Symbol.asyncDispose] = async () => undefined;
  });

  test('in peace nothing is promoted beside an old writer that is silent: nobody has fenced it; one that leads again is no such thing', async () => {
    await using h = await startHarness('pg.promote', startPromoteWorld);
    h.world.mode = 'graceful';
    await h.world.old[Symbol.asyncDispose]();
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('force the run') });
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('may write: force the run') });
    expect(h.world.effects()).toBe(0);
    // Taking a run back: the region that was left, against one that was never promoted.
    h.world.spec = { ...h.world.spec, region: 'us-east', from: { region: 'eu-west', sql: 'pg-us' } };
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    h.world.settle();
    // What is so by now is so, whoever is silent.
    h.world.spec = { ...h.world.spec, region: 'eu-west' };
    expect(await h.read()).toMatchObject({ is: 'reached' });
    h.world.old[Symbol.asyncDispose] = async () => undefined;
  });

  test('in peace one member of the old site that is silent is enough: the others do not say that it is in recovery', async () => {
    await using h = await startHarness('pg.promote', async () => {
      const world = await startPromoteWorld();
      world.systems = { ...world.systems, 'pg-us': { ...world.old.sql, addresses: ['127.0.0.1:1', world.old.postgres.address] } };
      return world;
    });
    h.world.mode = 'graceful';
    const because = expect.stringContaining('the others are silent and may write: force the run');
    expect(await h.read()).toMatchObject({ is: 'pending', because });
    expect(await h.apply()).toMatchObject({ took: 'refused', because });
    expect(h.world.effects()).toBe(0);
    // By force it is promoted, and what was not heard is told.
    h.world.mode = 'ungraceful';
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('the others are silent') });
  });

  test('never while two regions were seen to write, until a human has said which one stays', async () => {
    await using h = await startHarness('pg.promote', startPromoteWorld);
    h.world.tier.split = { regions: ['eu-west', 'us-east'], atMs: 1, because: 'both answered' };
    expect(await h.read()).toMatchObject({ is: 'never', because: expect.stringContaining('eu-west and us-east') });
    expect(await h.apply()).toMatchObject({ took: 'fatal' });
    expect(h.world.effects()).toBe(0);
  });

  test('what Patroni says is not enough: Postgres itself has to be in recovery no more', async () => {
    await using h = await startHarness('pg.promote', startPromoteWorld);
    await h.apply();
    expect(h.world.site.patroni.config).not.toHaveProperty('standby_cluster');
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('is in recovery') });
    h.world.site.settle();
    expect(await h.read()).toMatchObject({ is: 'reached' });
  });

  test('a primary that Patroni is configured to demote is not the writer', async () => {
    await using h = await startHarness('pg.promote', startPromoteWorld);
    Object.assign(h.world.site.postgres.state, { inRecovery: false, currentLsn: 1000 });
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('configured to follow') });
  });

  test('a paused Patroni would promote nobody', async () => {
    await using h = await startHarness('pg.promote', startPromoteWorld);
    h.world.site.patroni.paused = true;
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('paused') });
    expect(h.world.effects()).toBe(0);
  });
});

describe('pg.demote', () => {
  test('the role that the lock and the configuration give a primary is not believed', async () => {
    await using h = await startHarness('pg.demote', startDemoteWorld);
    await h.apply();
    const { rest } = h.world.site;
    const patroni = await h.systems.system<PatroniSystem>('patroni-us', rest.kind);
    expect((await patroni.cluster(NEVER)).leader?.role).toBe('standby_leader');
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('takes writes') });
  });

  test('who follows another address is told to follow the right one; the slot goes when there is none', async () => {
    await using h = await startHarness('pg.demote', async () => {
      const world = await startDemoteWorld();
      Object.assign(world.site.patroni.config, following().config);
      world.spec.follow = { host: 'db.eu-west.example', port: 5433, slot: null };
      world.site.settle();
      return world;
    });
    expect(await h.read()).toMatchObject({ is: 'pending' });
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    expect(h.world.site.patroni.config).toMatchObject({ standby_cluster: { host: 'db.eu-west.example', port: 5433 } });
    expect(h.world.site.patroni.config).not.toHaveProperty('standby_cluster.primary_slot_name');
    expect(await h.read()).toMatchObject({ is: 'reached' });
  });

  test('a paused Patroni would demote nobody', async () => {
    await using h = await startHarness('pg.demote', startDemoteWorld);
    h.world.site.patroni.paused = true;
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('paused') });
    expect(h.world.effects()).toBe(0);
  });

  test('credentials that Patroni refuses are nothing to try again', async () => {
    await using h = await startHarness('pg.demote', async () => {
      const world = await startDemoteWorld();
      world.files = { ...world.files, '/secrets/rest': 'another-password-of-rest' };
      return world;
    });
    expect(await h.apply()).toMatchObject({ took: 'fatal', because: expect.stringContaining('401') });
  });
});

describe('pg.caughtup', () => {
  const old: SqlState = {
    at: 'db-1:5432',
    inRecovery: true,
    systemId: '7',
    timeline: 3,
    currentLsn: null,
    receivedLsn: null,
    replayedLsn: 1000,
    replayedAtMs: null,
    upstream: null,
    nowMs: 1,
  };
  const wanted: SqlState = { ...old, at: 'db-2:5432', replayedLsn: 1000 };
  const standbyOf = { host: 'db.eu-west.example', port: 5432, slot: null };
  const judge = (one: Partial<SqlState>, other: Partial<SqlState>, follows: typeof standbyOf | null = standbyOf) =>
    caughtUp(
      { from: 'pg-us', to: 'pg-eu' },
      { standbyOf: follows, ttlMs: null },
      [{ at: old.at, because: '', state: { ...old, ...one } }],
      {
        ...wanted,
        ...other,
      },
    );

  test.each([
    ['all of it', judge({}, {}), 'reached'],
    ['more of it', judge({}, { replayedLsn: 2000 }), 'reached'],
    ['less than was streamed to it', judge({ receivedLsn: 1001 }, {}), 'pending'],
    ['a site that takes writes', judge({ inRecovery: false, currentLsn: 1000, replayedLsn: null }, {}), 'pending'],
    ['a site that may take writes again', judge({}, {}, null), 'pending'],
    ['an older timeline', judge({}, { timeline: 2, replayedLsn: 2000 }), 'pending'],
    ['a newer timeline', judge({}, { timeline: 4, replayedLsn: 2000 }), 'unknown'],
    ['another database', judge({}, { systemId: '8' }), 'never'],
    ['a site that says no place', judge({ replayedLsn: null }, {}), 'unknown'],
  ])('%s', (_what, reading, is) => expect(reading.is).toBe(is));

  test('the one that Patroni promotes has to have it, not only one that has more', () => {
    const node = (endLsn: number | null) => ({
      at: 'pg-2:8008',
      because: '',
      node: {
        state: 'running',
        role: 'standby_leader',
        inRecovery: true,
        timeline: 3,
        endLsn,
        unlocked: false,
        failsafe: false,
        paused: false,
      },
    });
    const of = (endLsn: number | null) =>
      caughtUp({ from: 'pg-us', to: 'pg-eu' }, { standbyOf, ttlMs: null }, [{ at: old.at, because: '', state: old }], wanted, node(endLsn));
    expect(of(999)).toMatchObject({ is: 'pending', because: expect.stringContaining('pg-2:8008, which Patroni promotes, lacks 1 bytes') });
    expect(of(1000).is).toBe('reached');
    expect(of(null)).toMatchObject({
      is: 'pending',
      because: expect.stringContaining('what pg-2:8008 has, which Patroni promotes, nobody knows'),
    });
  });

  test('whom Patroni promotes is asked of Patroni; while it does not say, who has most does not count', async () => {
    await using h = await startHarness('pg.caughtup', startCaughtUpWorld);
    await h.world.settle();
    h.world.spec = { ...h.world.spec, toSystem: 'patroni-eu' };
    const { front, patroni } = h.world.wanted;
    patroni.nodes[0]!.lsn = 900;
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('which Patroni promotes') });
    patroni.nodes[0]!.lsn = 1000;
    expect(await h.read()).toMatchObject({ is: 'reached' });
    front.meets('types');
    expect(await h.read()).toMatchObject({
      is: 'pending',
      because: expect.stringContaining('whom patroni-eu promotes nobody knows'),
    });
  });

  test('a standby leader that is silent is not passed over for a member that has all', async () => {
    await using h = await startHarness('pg.caughtup', async () => {
      const world = await startCaughtUpWorld();
      const { patroni, rest } = world.wanted;
      // The one that answers is another member: who leads is not among those that do.
      patroni.leader = 'pg-2';
      world.systems = { ...world.systems, 'patroni-eu': { ...rest, urls: [...rest.urls, `http://127.0.0.1:${await freePort()}`] } };
      return world;
    });
    await h.world.settle();
    h.world.spec = { ...h.world.spec, toSystem: 'patroni-eu' };
    expect(await h.read()).toMatchObject({
      is: 'pending',
      because: expect.stringMatching(/whom patroni-eu promotes nobody knows: none that answers leads: .*says replica.*ECONNREFUSED/),
    });
  });

  test('bytes that are missing are told', async () => {
    await using h = await startHarness('pg.caughtup', startCaughtUpWorld);
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('100 bytes are missing') });
  });

  test('a silent member of the old site may have more than those that answer', async () => {
    await using h = await startHarness('pg.caughtup', async () => {
      const world = await startCaughtUpWorld();
      const old = world.systems['pg-us'] as Extract<SystemConfig, { kind: 'postgres' }>;
      world.systems = { ...world.systems, 'pg-us': { ...old, addresses: [...old.addresses, '127.0.0.1:1'] } };
      return world;
    });
    await h.world.settle();
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('silent member') });
  });
});

describe('pg.switchover', () => {
  test('who led before is named, so that Patroni refuses to move it twice; a refusal is told in its words', async () => {
    await using h = await startHarness('pg.switchover', startSwitchoverWorld);
    const { facts } = await h.read();
    expect(facts).toEqual({ before: 'pg-1', timeline: 1 });
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('has to be read first') });
    h.world.site.patroni.refusal = { status: 412, text: 'switchover is not possible: no good candidates have been found' };
    expect(await h.apply(facts)).toMatchObject({ took: 'refused', because: expect.stringContaining('no good candidates') });
    h.world.site.patroni.refusal = null;
    expect(await h.apply(facts)).toMatchObject({ took: 'accepted' });
    expect(h.world.site.patroni.switchovers).toEqual([{ leader: 'pg-1', candidate: null }]);
    h.world.site.patroni.nodes[1]!.state = 'starting';
    expect((await h.read(facts)).is).toBe('pending');
  });
});

/** Once, while the next row is written. */
const whenWritten = ({ postgres: { rows } }: FakeSite, happens: () => void): void => {
  rows.set = (key, nonce) => {
    rows.set = Map.prototype.set;
    happens();
    return rows.set(key, nonce);
  };
};

describe('pg.canary', () => {
  test('another run that proved it, or nobody, is not this run', async () => {
    await using h = await startHarness('pg.canary', startCanaryWorld);
    h.world.tier.writer = 'eu-west';
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('no row was written by this run') });
    const { facts } = await h.apply();
    expect(await h.read(facts)).toMatchObject({ is: 'reached' });
    h.world.tier.writer = 'us-east';
    expect(await h.read(facts)).toMatchObject({ is: 'pending' });
  });

  test('what was proved meanwhile is not written over: the row is written anew', async () => {
    await using h = await startHarness('pg.canary', startCanaryWorld);
    whenWritten(h.world.site, () => {
      h.world.tier.provedAtMs = 2;
    });
    expect(await h.apply()).toMatchObject({ took: 'undecided' });
    expect(h.world.tier.writer).toBe('us-east');
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    expect(h.world.tier.writer).toBe('eu-west');
  });

  test('who is told to stop as its row comes back proves nothing by it', async () => {
    const over = new AbortController();
    const proofs: string[] = [];
    const sql = {
      kind: 'postgres',
      canary: async () => {
        over.abort(new Error('it is over'));
        return 'pg-1:5432';
      },
    } as unknown as PostgresSystem;
    const tiers = tiersOf({ proved: async (_platform, _database, region) => void proofs.push(region) });
    const call = callOf({ ...stepContext({ 'pg-eu': sql }), tiers }, {}, { signal: over.signal });
    const effect = await postgresCanary.apply?.({ database: 'orders', region: 'eu-west', sql: 'pg-eu' }, call);
    expect(effect).toMatchObject({ took: 'undecided' });
    expect(proofs).toEqual([]);
  });

  test('a standby takes no row, and a split is nothing to prove', async () => {
    await using h = await startHarness('pg.canary', startCanaryWorld);
    Object.assign(h.world.site.postgres.state, STANDBY);
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('in recovery') });
    h.world.tier.writer = 'eu-west';
    expect(await h.read({ provedAtMs: 1 })).toMatchObject({ is: 'pending', because: expect.stringContaining('in recovery') });
    h.world.tier.split = { regions: ['eu-west', 'us-east'], atMs: 1, because: 'both answered' };
    expect(await h.read()).toMatchObject({ is: 'never' });
  });
});

describe('fence.patroni', () => {
  const fence = (change: (world: Awaited<ReturnType<typeof startFenceWorld>>) => void = () => undefined) =>
    startHarness('fence.patroni', async () => {
      const world = await startFenceWorld();
      change(world);
      return world;
    });

  test('time alone may reach the rung, and the old site is told all the same', async () => {
    await using h = await fence(({ spec, witness }) => {
      spec.rung = 'grace';
      Object.assign(witness, { sinceMs: 90_000, because: '3 of 4 vantages hold us-east down' });
    });
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('has not been told') });
    const facts = await acted(h);
    expect(h.world.effects()).toBe(1);
    expect(await h.read(facts)).toMatchObject({ is: 'pending', because: expect.stringContaining('takes writes') });
    h.world.settle();
    expect(await h.read(facts)).toMatchObject({ is: 'reached' });
  });

  test('a site that is gone: what the vantages say is kept with its age, and is never its own word', async () => {
    await using h = await fence(({ witness }) => Object.assign(witness, { sinceMs: 90_000, because: '3 of 4 vantages hold us-east down' }));
    await h.world.site[Symbol.asyncDispose]();
    h.world.site[Symbol.asyncDispose] = async () => undefined;
    const effect = await h.apply();
    expect(effect.took).toBe('undecided');
    const reading = await h.read(effect.facts);
    expect(reading).toMatchObject({
      is: 'pending',
      because: expect.stringMatching(/reached witness, grace; acknowledged or stonith would do; .*ECONNREFUSED/),
      facts: { rungs: { witness: { because: '3 of 4 vantages hold us-east down' }, grace: {} } },
    });
  });

  test('a node that cannot see its store says that the lock is free, and is not believed', async () => {
    await using h = await fence(({ spec }) => {
      spec.rung = 'lease';
    });
    const { patroni, postgres } = h.world.site;
    const facts = await acted(h);
    // Its Postgres is silent, and does not run as far as it says.
    await postgres[Symbol.asyncDispose]();
    patroni.nodes[0]!.state = 'starting';
    patroni.blind.add('pg-1');
    expect((await h.read(facts)).is).not.toBe('reached');
    patroni.blind.clear();
    expect((await h.read(facts)).is).toBe('pending');
    patroni.leader = null;
    expect(await h.read(facts)).toMatchObject({ is: 'reached', because: expect.stringContaining("nobody holds the leader's lock") });
    patroni.failsafe = true;
    expect((await h.read(facts)).is).toBe('pending');
    patroni.failsafe = false;
    patroni.paused = true;
    expect((await h.read(facts)).is).toBe('pending');
  });

  test('a member that is silent may be the writer, whatever the others say', async () => {
    await using h = await fence((world) => {
      world.systems = {
        'patroni-us': { ...world.site.rest, urls: [...world.site.rest.urls, 'http://127.0.0.1:1'] },
        'pg-us': { ...world.site.sql, addresses: [...world.site.sql.addresses, '127.0.0.1:1'] },
      };
    });
    const facts = await acted(h);
    h.world.settle();
    expect(await h.read(facts)).toMatchObject({ is: 'pending', because: expect.stringContaining('127.0.0.1:1') });
  });

  test('one that leads and was not told to follow is about to be primary again', async () => {
    await using h = await fence();
    const facts = await acted(h);
    h.world.settle();
    h.world.site.patroni.config = { ttl: 30 };
    expect((await h.read(facts)).is).toBe('pending');
  });

  test('in the middle of an election all are in recovery, and one of them is a primary soon: only who was told to follow acknowledges', async () => {
    await using h = await fence();
    const facts = await acted(h);
    h.world.settle();
    Object.assign(h.world.site.patroni, { config: { ttl: 30 }, leader: null });
    expect((await h.read(facts)).is).toBe('pending');
    // Nor is it known where the configuration cannot be read.
    h.world.site.front.meets('html');
    expect((await h.read(facts)).is).not.toBe('reached');
  });

  test('Postgres that does not run, by the word of every node of Patroni', async () => {
    await using h = await fence();
    const facts = await acted(h);
    await h.world.site.postgres[Symbol.asyncDispose]();
    h.world.site.patroni.nodes[0]!.state = 'stopped';
    expect(await h.read(facts)).toMatchObject({ is: 'reached', because: expect.stringContaining('stopped') });
  });

  test('whoever can cut its power is told once, by a signed call, and what it says is the highest rung', async () => {
    const hook = await startWebhookWorld();
    await using h = await fence((world) => {
      world.spec.stonith = 'power';
      world.spec.rung = 'stonith';
      world.systems = { ...world.systems, power: hook.systems.queue! };
      world.files = { ...world.files, ...hook.files };
    });
    const first = await h.apply();
    expect(first).toMatchObject({ took: 'accepted', facts: { stonithTold: true, follows: true } });
    await h.apply(first.facts);
    expect(hook.known.size).toBe(1);
    const [told] = [...hook.known.values()];
    expect(JSON.parse(told!.body)).toMatchObject({
      type: 'runbook.fence',
      data: { database: 'orders', region: 'us-east', external: 'power' },
    });
    h.world.settle();
    expect(await h.read(first.facts)).toMatchObject({ is: 'pending', because: expect.stringContaining('power says working') });
    await hook.settle();
    const reached = await h.read(first.facts);
    expect(reached).toMatchObject({ is: 'reached', because: expect.stringContaining('power says drained') });
    // It stands when nobody answers any more, and falls when a member is seen to write.
    hook.says = { status: 404, text: '' };
    expect(await h.read({ ...first.facts, ...reached.facts })).toMatchObject({ is: 'reached' });
    Object.assign(h.world.site.postgres.state, { inRecovery: false, currentLsn: 2000 });
    expect(await h.read({ ...first.facts, ...reached.facts })).toMatchObject({ is: 'pending', facts: { rungs: {} } });
    await hook[Symbol.asyncDispose]();
  });
});

describe('the REST API of Patroni', () => {
  test('what changes something goes to the member that holds the lock, reading to the first that answers', async () => {
    await using site = await startSite({}, { leader: 'pg-2' });
    site.patroni.nodes.push({ name: 'pg-2', inRecovery: false, state: 'running', lsn: 1000, timeline: 1 });
    await using second = await startFront((asked) => site.patroni.answer('pg-2', asked));
    await using h = await startHarness('pg.demote', async () => {
      const world = await startDemoteWorld();
      world.systems = { ...world.systems, 'patroni-us': { ...site.rest, urls: ['http://127.0.0.1:1', ...site.rest.urls, second.url] } };
      return world;
    });
    const patroni = await h.systems.system<PatroniSystem>('patroni-us', 'patroni');
    expect((await patroni.cluster(NEVER)).leader?.name).toBe('pg-2');
    expect(site.front.told.map(({ path }) => path)).toEqual(['/cluster']);
    await patroni.patch({ ttl: 20 }, NEVER);
    expect(second.told.filter(({ method }) => method === 'PATCH')).toHaveLength(1);
    expect(site.front.told.filter(({ method }) => method === 'PATCH')).toHaveLength(0);
    expect((await patroni.nodes(NEVER)).map(({ node }) => node?.role ?? null)).toEqual([null, 'primary', 'primary']);
  });

  test('shapes of 3.0 and of 4.1', () => {
    const member = { name: 'a', role: 'leader', state: 'running', api_url: 'http://x/patroni', host: 'x', port: 5432, timeline: 3 };
    const replica = { ...member, name: 'b', role: 'sync_standby', lag: 0 };
    const modern = {
      ...replica,
      role: 'quorum_standby',
      state: 'streaming',
      lsn: '0/4000110',
      receive_lsn: 'unknown',
      replay_lag: 'unknown',
      lag: 'unknown',
    };
    expect(clusterIn({ members: [member, replica], pause: true })).toMatchObject({ leader: { name: 'a', timeline: 3 }, paused: true });
    expect(clusterIn({ members: [replica, modern], scope: 'orders' })).toMatchObject({
      leader: null,
      paused: false,
      members: [{ lagBytes: 0 }, { lagBytes: null }],
    });
    expect(configIn({ ttl: 30, standby_cluster: { host: 'x', port: '5432' } })).toEqual({
      standbyOf: { host: 'x', port: 5432, slot: null },
      ttlMs: 30_000,
    });
    expect(configIn({ ttl: 30, standby_cluster: {} }).standbyOf).toBeNull();
    expect(configIn({ loop_wait: 10, standby_cluster: { restore_command: 'fetch' } }).standbyOf).not.toBeNull();
    expect(() => configIn({ ttl: 30, standby_cluster: { host: 7 } })).toThrow(/not as expected/);
    const node = { state: 'running', role: 'replica', patroni: { version: '3.0.2', scope: 'orders' } };
    expect(nodeIn({ ...node, role: 'master', xlog: { location: 7 } })).toMatchObject({ inRecovery: false, endLsn: 7 });
    expect(nodeIn({ ...node, xlog: { received_location: 9, replayed_location: 8, replayed_timestamp: null } })).toMatchObject({
      inRecovery: true,
      endLsn: 9,
    });
    expect(nodeIn({ ...node, role: 'master', state: 'stopping' })).toMatchObject({ inRecovery: null, endLsn: null });
  });
});
