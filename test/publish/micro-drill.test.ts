// Micro-drills: a name that nobody resolves is failed over for real, only when nothing else goes on; what is proved is kept in the store, and its age is told.
import { describe, expect, test } from 'vitest';
import type { Provider } from '../../providers/provider.ts';
import type { Reply } from '../../src/dns/codec.ts';
import type { QueryOptions } from '../../src/dns/exchange.ts';
import type { Incident, MicroDrill, Override, Proof } from '../../src/model.ts';
import { heardFrom } from '../health/votes.ts';
import { publishing } from './fixture.ts';

const NAME = 'canary.test';
const EVERY_MS = 60_000;
const POOLS = [
  { name: 'a', weight: 1, answers: ['198.51.100.1'] },
  { name: 'b', weight: 1, answers: ['198.51.100.2'] },
];
const REGIONS = ['a', 'b', 'c'];
const fine = (inner: Provider): Provider => inner;

type Given = Parameters<typeof publishing>[1] & { drill?: object };

const drilling = (change: (inner: Provider) => Provider = fine, { drill = {}, ...given }: Given = {}) => {
  const p = publishing(change, { regions: REGIONS, canaries: [{ microDrill: true, pools: POOLS, ...drill }], ...given });
  p.state.heard = REGIONS.map((region) => heardFrom(p.state.cluster, region));
  const proof = (): Proof | undefined => p.record('proof/memory') as Proof | undefined;
  const shares = (): object | undefined => p.zone.services.get(NAME)?.shares;
  const stales = (): readonly string[] => p.pages().flatMap(({ type }) => (type.startsWith('drill.') ? [type] : []));
  return { ...p, proof, shares, stales };
};

const override = (kind: Override['kind'], scope = {}): Override => ({
  id: 'x',
  kind,
  scope,
  reason: '',
  owner: 'alice',
  createdAtMs: 0,
  expiresAtMs: 1e15,
});

describe('a micro-drill', () => {
  test('lays its name first, and then fails it over from pool to pool, each time with a higher fence', async () => {
    const p = drilling();
    await p.virtual.advance(31_000);
    expect([p.shares(), p.proof()]).toEqual([{ a: 1000, b: 0 }, undefined]);
    const fences = [p.fenceOf(NAME) ?? 0];
    for (const to of [
      { a: 0, b: 1000 },
      { a: 1000, b: 0 },
      { a: 0, b: 1000 },
    ]) {
      const before = p.proof()?.last.v ?? 0;
      await p.virtual.advanceUntil(() => (p.proof()?.last.v ?? 0) > before && p.proof()?.last.ok !== null, 2 * EVERY_MS);
      expect(p.shares()).toEqual(to);
      fences.push(p.fenceOf(NAME) ?? 0);
    }
    expect(fences).toEqual([...new Set(fences)].toSorted((x, y) => x - y));
    expect(p.proof()).toMatchObject({
      service: NAME,
      everyMs: EVERY_MS,
      stale: false,
      last: { from: 'a', to: 'b', ok: true, v: p.fenceOf(NAME), phasesMs: { acknowledged: 0 }, by: 'a/a/boot' },
    });
    expect(p.proof()?.last.because).toContain('3 of 3 vantages');
    expect(p.proof()?.proven).toHaveLength(3);
    expect(p.proof()?.provenAtMs).toBe(p.proof()?.last.t3AtMs);
    expect(p.pages()).toEqual([]);
    await p.publisher.stop();
    expect(p.virtual.pendingTimers()).toBe(0);
  });

  test('is committed before it is written: without the commit nothing leaves', async () => {
    const p = drilling();
    await p.virtual.advance(31_000);
    const laid = p.fenceOf(NAME);
    p.state.commits = false;
    await p.virtual.advance(10 * EVERY_MS);
    expect([p.fenceOf(NAME), p.proof()]).toEqual([laid, undefined]);
    await p.publisher.stop();
  });

  test('that the store does not let it keep is tried every half minute at most, says why, and is paged', async () => {
    const p = drilling();
    p.state.denied = 'proof/';
    await p.virtual.advance(31_000 + 2 * EVERY_MS);
    const tries = (): number => p.logged.filter(({ event }) => event === 'canary.kept').length;
    const [laid, before] = [p.fenceOf(NAME), tries()];
    await p.virtual.advance(300_000);
    expect([p.fenceOf(NAME), p.proof()]).toEqual([laid, undefined]);
    expect(tries() - before).toBeGreaterThanOrEqual(9);
    expect(tries() - before).toBeLessThanOrEqual(11);
    expect(p.birds.states()[0]?.because).toMatch(
      /^not written: the store took the leader record and did not take proof\/memory: .*grants\.sh/,
    );
    expect(p.pages()).toEqual([]);
    await p.virtual.advance(600_000);
    expect(p.pages().map(({ type, severity }) => [type, severity])).toEqual([['provider.canary_failing', 'warning']]);
    expect(p.pages()[0]?.summary).toMatch(
      /^nothing is proven of memory: its canary canary\.test is not written \(the store took .*grants\.sh/,
    );
    await p.publisher.stop();
  });

  test('whose proof grows old since the store takes none any more is paged all the same, once', async () => {
    const p = drilling();
    await p.virtual.advance(31_000 + 3 * EVERY_MS);
    p.state.denied = 'proof/';
    await p.virtual.advance(20 * EVERY_MS);
    expect(p.pages().map(({ type }) => type)).toEqual(['drill.stale']);
    expect(p.pages()[0]?.summary).toContain('did not take proof/memory');
    p.state.denied = null;
    await p.virtual.advance(2 * EVERY_MS);
    expect(p.stales()).toEqual(['drill.stale', 'drill.fresh']);
    await p.publisher.stop();
  });

  test.each<[string, RegExp, (p: ReturnType<typeof drilling>) => void]>([
    [
      'an incident',
      /incident inc-1 is open/,
      (p) => {
        p.state.incidents = [{ id: 'inc-1', closedAtMs: null } as Incident];
      },
    ],
    [
      'a freeze of one service',
      /freeze x is in force/,
      (p) => {
        p.state.overrides = [override('freeze', { service: 'web' })];
      },
    ],
    [
      'a stop of one service',
      /stop x is in force/,
      (p) => {
        p.state.overrides = [override('stop', { service: 'web' })];
      },
    ],
    [
      'a stop of everything',
      /stop x is in force/,
      (p) => {
        p.state.overrides = [override('stop')];
      },
    ],
    [
      'nothing in auto',
      /no service of memory is in auto/,
      (p) => {
        p.state.cluster = { ...p.state.cluster, services: p.state.cluster.services.map((s) => ({ ...s, mode: 'advise' })) };
      },
    ],
    [
      'a freeze window',
      /freeze window always is open/,
      (p) => {
        p.state.cluster = {
          ...p.state.cluster,
          policy: {
            ...p.state.cluster.policy,
            safety: {
              'freeze-windows': { windows: [{ name: 'always', cron: '* * * * *', timezone: 'UTC', durationMs: 120_000, drains: false }] },
            },
          },
        };
      },
    ],
  ])('waits during %s, and nobody is paged for it', async (_what, because, change) => {
    const p = drilling();
    await p.virtual.advance(31_000 + 2 * EVERY_MS);
    const seen = p.fenceOf(NAME);
    const { cluster, overrides, incidents } = p.state;
    change(p);
    p.state.overridesMod++;
    await p.virtual.advance(20 * EVERY_MS);
    expect(p.fenceOf(NAME)).toBe(seen);
    expect(p.birds.states()[0]?.because).toMatch(because);
    Object.assign(p.state, { cluster, overrides, incidents, overridesMod: p.state.overridesMod + 1 });
    await p.virtual.advance(5000);
    expect(p.fenceOf(NAME)).toBeGreaterThan(seen ?? Number.NaN);
    expect(p.stales()).toEqual([]);
    await p.publisher.stop();
  });

  test('waits while a run goes on', async () => {
    let runs = false;
    const p = drilling(fine, { isRunning: async () => runs });
    await p.virtual.advance(31_000 + 2 * EVERY_MS);
    const seen = p.fenceOf(NAME);
    runs = true;
    await p.virtual.advance(10 * EVERY_MS);
    expect([p.fenceOf(NAME), p.birds.states()[0]?.because]).toEqual([seen, 'waits: a run goes on']);
    runs = false;
    await p.virtual.advance(5000);
    expect(p.fenceOf(NAME)).toBeGreaterThan(seen ?? Number.NaN);
    await p.publisher.stop();
  });

  test('looks again right before its commit, and goes no further when a run has begun since', async () => {
    let asked = Number.NaN;
    const p = drilling(fine, { isRunning: async () => ++asked === 2 });
    await p.virtual.advance(31_000 + 2 * EVERY_MS);
    const [seen, proof, { rev }] = [p.fenceOf(NAME), p.proof(), p.stored()];
    asked = 0;
    await p.virtual.advanceUntil(() => asked === 2, 2 * EVERY_MS);
    await p.virtual.advance(500);
    expect([p.fenceOf(NAME), p.proof(), p.stored().rev]).toEqual([seen, proof, rev]);
    asked = Number.NaN;
    await p.virtual.advance(5000);
    expect(p.fenceOf(NAME)).toBeGreaterThan(seen ?? Number.NaN);
    await p.publisher.stop();
  });

  test('looks again right before its write, and leaves the proof as it was when an incident has opened since', async () => {
    const p = drilling();
    await p.virtual.advance(31_000 + 2 * EVERY_MS);
    const [seen, proof] = [p.fenceOf(NAME), p.proof()];
    let commits = 0;
    p.state.committed = (ops) => {
      if (!ops.some((op) => 'put' in op && op.put === 'proof/memory')) return;
      commits++;
      p.state.incidents = [{ id: 'inc-1', closedAtMs: null } as Incident];
    };
    await p.virtual.advance(5 * EVERY_MS);
    // Its decision, and that nothing came of it.
    expect(commits).toBe(2);
    expect([p.fenceOf(NAME), p.proof()?.last, p.proof()?.stale]).toEqual([seen, proof?.last, false]);
    p.state.incidents = [];
    p.state.committed = () => undefined;
    await p.virtual.advance(5000);
    expect(p.fenceOf(NAME)).toBeGreaterThan(seen ?? Number.NaN);
    await p.publisher.stop();
  });

  test('proves nothing where a quorum would not have moved it', async () => {
    const p = drilling();
    await p.virtual.advance(31_000);
    const laid = p.fenceOf(NAME);
    const [heard] = p.state.heard;
    p.state.heard = heard === undefined ? [] : [heard];
    await p.virtual.advance(2 * EVERY_MS);
    expect([p.fenceOf(NAME), p.proof()]).toEqual([laid, undefined]);
    expect(p.birds.states()[0]?.because).toMatch(/^not written: no quorum of fresh votes/);
    await p.publisher.stop();
  });

  test('that two voters would decide proves nothing either', async () => {
    const p = drilling(fine, { regions: ['a', 'b'] });
    await p.virtual.advance(31_000 + 2 * EVERY_MS);
    expect(p.proof()).toBeUndefined();
    expect(p.birds.states()[0]?.because).toContain('2 voters');
    await p.publisher.stop();
  });

  test('whose proof grows old is paged once, also over a takeover, and its next proof ends that', async () => {
    const p = drilling();
    await p.virtual.advance(31_000 + 3 * EVERY_MS);
    expect(p.proof()?.provenAtMs).not.toBeNull();
    const { heard } = p.state;
    p.state.heard = [];
    await p.virtual.advance(2.5 * EVERY_MS);
    expect(p.stales()).toEqual([]);
    await p.virtual.advance(2 * EVERY_MS);
    expect(p.stales()).toEqual(['drill.stale']);
    expect(p.pages().find(({ type }) => type === 'drill.stale')?.summary).toMatch(
      /^a failover by memory was last proven \d+s ago, and should be every 60s: not written: no quorum/,
    );
    p.state.epoch++;
    await p.virtual.advance(10 * EVERY_MS);
    expect(p.stales()).toEqual(['drill.stale']);
    p.state.heard = heard;
    await p.virtual.advance(2 * EVERY_MS);
    expect(p.stales()).toEqual(['drill.stale', 'drill.fresh']);
    const [stale, fresh] = p.pages().filter(({ type }) => type.startsWith('drill.'));
    expect(fresh?.dedupKey).toBe(stale?.dedupKey);
    expect(p.proof()?.stale).toBe(false);
    await p.publisher.stop();
  });

  test('says whether it is held and whether its proof is stale, of which held time is no part, also where no page can be committed', async () => {
    const p = drilling();
    const drills = (): unknown => p.birds.drills();
    expect(drills()).toEqual([]);
    await p.virtual.advance(31_000 + 3 * EVERY_MS);
    expect(drills()).toEqual([{ provider: 'memory', isHeld: false, isStale: false }]);
    p.state.incidents = [{ id: 'inc-1', closedAtMs: null } as Incident];
    await p.virtual.advance(100 * EVERY_MS);
    expect(drills()).toEqual([{ provider: 'memory', isHeld: true, isStale: false }]);
    p.state.incidents = [];
    p.state.heard = [];
    await p.virtual.advance(0.9 * EVERY_MS);
    expect(drills()).toEqual([{ provider: 'memory', isHeld: false, isStale: false }]);
    p.state.commits = false;
    await p.virtual.advance(4 * EVERY_MS);
    expect([drills(), p.pages()]).toEqual([[{ provider: 'memory', isHeld: false, isStale: true }], []]);
    p.state.holdsOffice = false;
    expect(drills()).toEqual([]);
    await p.publisher.stop();
  });

  test('that never was proved at all is stale too, once it had its time', async () => {
    const p = drilling(fine, { regions: ['a', 'b'] });
    await p.virtual.advance(31_000 + EVERY_MS);
    expect(p.birds.drills()).toEqual([{ provider: 'memory', isHeld: false, isStale: false }]);
    await p.virtual.advance(3 * EVERY_MS);
    expect(p.birds.drills()).toEqual([{ provider: 'memory', isHeld: false, isStale: true }]);
    await p.publisher.stop();
  });

  test('of a coordinator that died in the middle goes on from what is served, above its fence, and remembers what was proved', async () => {
    const p = drilling();
    await p.virtual.advance(31_000 + 3 * EVERY_MS);
    const before = p.proof() ?? expect.fail('nothing was proved');
    const died: MicroDrill = { ...before.last, v: before.last.v + 40, ok: null, phasesMs: {}, by: 'b/a/dead' };
    p.put('proof/memory', { ...before, last: died });
    p.state.epoch++;
    await p.virtual.advance(31_000 + EVERY_MS);
    expect(p.proof()?.last).toMatchObject({ ok: true, by: 'a/a/boot' });
    expect(p.proof()?.last.v).toBeGreaterThan(died.v);
    expect(p.proof()?.proven.slice(0, before.proven.length)).toEqual(before.proven);
    expect(p.pages()).toEqual([]);
    await p.publisher.stop();
  });

  test('that is acknowledged and serves something else has failed, and is paged as canaries are', async () => {
    let isWrong = false;
    const p = drilling((inner) => ({
      ...inner,
      apply: (changes, signal) =>
        inner.apply(
          changes.map((change) =>
            isWrong && change.desired.service === NAME
              ? { ...change, desired: { ...change.desired, pools: change.desired.pools.map((pool) => ({ ...pool, share: 500 })) } }
              : change,
          ),
          signal,
        ),
    }));
    await p.virtual.advance(31_000 + 2 * EVERY_MS);
    isWrong = true;
    await p.virtual.advance(5 * EVERY_MS);
    expect(p.proof()?.last).toMatchObject({ ok: false, because: expect.stringContaining('acknowledged, and is not what is served') });
    expect(p.pages().map(({ type }) => type)).toEqual(['provider.canary_failing']);
    await p.publisher.stop();
  });

  test('is not taken for proved where a server answered the new route before it was written', async () => {
    // Whatever is written, it answers b.
    const dnsQuery = async ({ name }: QueryOptions): Promise<Reply> =>
      ({
        rcode: 'NOERROR',
        authoritative: true,
        answers: [{ name, ttlS: 10, type: 'A', data: '198.51.100.2' }],
        authorities: [],
      }) as unknown as Reply;
    const p = drilling(fine, { drill: { authoritative: ['198.51.100.53:53'] }, dnsQuery });
    await p.virtual.advance(10 * EVERY_MS);
    expect(p.proof()?.provenAtMs ?? null).toBeNull();
    expect(p.pages()[0]?.summary).toContain("was not answered by the provider's servers");
    await p.publisher.stop();
  });

  test('in a stop that came after its decision is not written, and leaves the proof as it was', async () => {
    const p = drilling();
    await p.virtual.advance(31_000 + 2 * EVERY_MS);
    const before = p.proof();
    const seen = p.fenceOf(NAME);
    // Read as it was, in the store as it is now.
    p.state.lastSeen = { overrides: [], mod: p.state.overridesMod };
    p.state.overrides = [override('stop')];
    p.state.overridesMod++;
    await p.virtual.advance(5 * EVERY_MS);
    expect(p.fenceOf(NAME)).toBe(seen);
    expect(p.proof()?.last).toEqual(before?.last);
    await p.publisher.stop();
  });
});
