// What decide() must never do, whatever clusters, votes and orders it meets: long random histories, each result fed back as the next record.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '../../src/decide/decide.ts';
import { freezeOn } from '../../src/decide/override.ts';
import type { PoolMemory } from '../../src/model.ts';

import { clusterOf, poolOf } from '../world.ts';
import { Council } from './council.ts';
import { busy, clusters, health, type Moment, PACING_MS, play, quiet, REGIONS, Stage, type Step, WAIT_MAX_MS } from './histories.ts';

/** For a longer hunt than every run of the suite affords. */
const MORE = Number(process.env.TIDEGATE_MORE_RUNS ?? 1);

const runs = (busyOrQuiet: fc.Arbitrary<readonly Moment[]>, check: () => (step: Step) => void, numRuns = 60 * MORE): void => {
  fc.assert(
    fc.property(clusters, busyOrQuiet, (cluster, moments) => {
      play(cluster, moments, check());
    }),
    { numRuns },
  );
};

const SLOW = { timeout: 120_000 * MORE };

describe('whatever happens', () => {
  test('never-empty: every route names the configured pools in whole thousandths that sum to 1000', SLOW, () => {
    runs(busy, () => ({ stage, after }) => {
      for (const s of stage.council.cluster.services) {
        const route = after.services[s.name]?.route ?? {};
        expect(Object.keys(route).sort()).toEqual(s.pools.map((p) => p.name).sort());
        expect(Object.values(route).reduce((a, b) => a + b, 0)).toBe(1000);
        for (const share of Object.values(route)) expect(Number.isInteger(share) && share >= 0).toBe(true);
      }
    });
  });

  test('never-empty: all traffic stays on pools held out by a quorum no longer than the pacing asks, if another is up', SLOW, () => {
    // One region after the other may have to leave first; then whoever receives is confirmed, or everybody looked at once more after all were down.
    const limitMs = REGIONS.length * PACING_MS + 2 * 2000 + 1000 + WAIT_MAX_MS;
    runs(busy, () => {
      const since = new Map<string, number>();
      return ({ stage, tallies, after }) => {
        const { council } = stage;
        for (const s of council.cluster.services) {
          const routed = after.services[s.name];
          const verdict = (pool: string) => tallies.find((t) => t.service === s.name && t.pool === pool)?.verdict;
          const carriers = s.pools.filter((p) => (routed?.route[p.name] ?? 0) > 0);
          const stuck =
            routed !== undefined &&
            routed.fence > 0 &&
            freezeOn(council.overrides?.items ?? [], s) === undefined &&
            carriers.every((p) => verdict(p.name) === 'out') &&
            s.pools.some((p) => verdict(p.name) === 'up');
          if (!stuck) since.delete(s.name);
          else if (!since.has(s.name)) since.set(s.name, council.nowMs);
          expect(council.nowMs - (since.get(s.name) ?? council.nowMs)).toBeLessThanOrEqual(limitMs);
        }
      };
    });
  });

  test('never-empty: with one pool in hold-down up and all traffic on the dead, it comes back at once', SLOW, () => {
    runs(quiet, () => ({ stage, tallies, after }) => {
      for (const s of stage.council.cluster.services) {
        const routed = after.services[s.name];
        if (routed === undefined || routed.fence === 0) continue;
        const verdict = (pool: string) => tallies.find((t) => t.service === s.name && t.pool === pool)?.verdict;
        const serving = s.pools.filter((p) => routed.pools[p.name]?.state !== 'out');
        const waiting = s.pools.filter((p) => routed.pools[p.name]?.state === 'out' && verdict(p.name) === 'up');
        if (serving.every((p) => verdict(p.name) === 'out')) expect(waiting).toEqual([]);
      }
    });
  });

  test('bounded-blast: automation newly drains at most one region per window, over all services in auto', SLOW, () => {
    runs(busy, () => {
      const drains: { atMs: number; region: string }[] = [];
      return ({ stage, before, after }) => {
        const { cluster, nowMs } = stage.council;
        const wasOut = new Set(
          cluster.services.flatMap((s) =>
            after.services[s.name]?.mode === 'auto'
              ? s.pools.filter((p) => before?.services[s.name]?.pools[p.name]?.state === 'out').map((p) => p.region)
              : [],
          ),
        );
        for (const s of cluster.services)
          for (const p of s.pools) {
            const was = before?.services[s.name];
            const is = after.services[s.name];
            if (is?.mode !== 'auto' || (was?.fence ?? 0) === 0) continue;
            const memory = is.pools[p.name];
            const leaves =
              memory?.state === 'out' && memory.by === 'health' && was?.pools[p.name] !== undefined && was.pools[p.name]?.state !== 'out';
            if (leaves && !wasOut.has(p.region)) drains.push({ atMs: nowMs, region: p.region });
          }
        const recent = new Set(drains.filter((d) => nowMs - d.atMs < PACING_MS).map((d) => d.region));
        expect(recent.size).toBeLessThanOrEqual(1);
      };
    });
  });

  test('floor: automation drains more than half of the pools of a service only to get traffic off the dead', SLOW, () => {
    runs(quiet, () => ({ stage, before, after, tallies }) => {
      for (const s of stage.council.cluster.services) {
        const was = before?.services[s.name];
        const is = after.services[s.name];
        if (was === undefined || is === undefined || was.fence === 0) continue;
        const outIn = (r: typeof was): number => s.pools.filter((p) => r.pools[p.name]?.state === 'out').length;
        const verdict = (pool: string) => tallies.find((t) => t.service === s.name && t.pool === pool)?.verdict;
        const served = s.pools.some((p) => (was.route[p.name] ?? 0) > 0 && verdict(p.name) !== 'out');
        if (served && outIn(is) > outIn(was)) expect(outIn(is)).toBeLessThanOrEqual(Math.ceil(s.pools.length / 2));
      }
    });
  });

  test('no-minority-action: who is drained for its health is held out by a quorum of the configured voters', SLOW, () => {
    runs(busy, () => ({ stage, before, after, tallies, heard, decision }) => {
      for (const s of stage.council.cluster.services)
        for (const p of s.pools) {
          const was = before?.services[s.name];
          const memory = after.services[s.name]?.pools[p.name];
          if ((was?.fence ?? 0) === 0 || was?.pools[p.name] === undefined || was.pools[p.name]?.state === 'out') continue;
          if (memory?.state !== 'out' || memory.by !== 'health') continue;
          const t = tallies.find((x) => x.service === s.name && x.pool === p.name);
          expect(t?.verdict).toBe('out');
          const against = new Set<string>();
          for (const target of t?.targets ?? [])
            for (const e of Object.values(target.endpoints))
              for (const [r, ballot] of Object.entries(e.ballots)) if (ballot === 'down') against.add(r);
          const voters = stage.council.cluster.regions.filter((r) => r.vote).length;
          expect(against.size).toBeGreaterThanOrEqual(Math.floor(voters / 2) + 1);
          // Each vote behind it is guarded by the commit, if it moves a route.
          if (after.services[s.name]?.fence === after.v)
            for (const h of heard) if (against.has(h.region)) expect(decision.uses).toContain(h.key);
        }
    });
  });

  test('no-minority-action: with less than a quorum speaking, no route moves unless a human moves it', SLOW, () => {
    runs(busy, () => ({ stage, before, after, heard }) => {
      const { cluster, overrides, nowMs } = stage.council;
      const voters = cluster.regions.filter((r) => r.vote).map((r) => r.name);
      const speaking = voters.filter((r) => heard.some((h) => h.region === r && h.vote.self.state === 'ok'));
      const ordered = (overrides?.items ?? []).some((o) => o.expiresAtMs > nowMs);
      if (speaking.length > voters.length / 2 || stage.touched || ordered) return;
      for (const s of cluster.services) {
        const was = before?.services[s.name];
        if (was !== undefined && was.fence > 0) expect(after.services[s.name]?.route).toEqual(was.route);
      }
    });
  });

  test('a freeze holds: the route of a frozen service changes only when a human or a configuration changes it', SLOW, () => {
    runs(busy, () => ({ stage, before, after }) => {
      const { cluster, overrides } = stage.council;
      for (const s of cluster.services) {
        const was = before?.services[s.name];
        if (was === undefined || was.fence === 0 || stage.touched || freezeOn(overrides?.items ?? [], s) === undefined) continue;
        // An order that was refused or set aside may become possible: that is the human's move.
        const orderedOf = (memory: PoolMemory | undefined): string => `${memory?.by === 'override'} ${memory?.told.includes('forced')}`;
        const humans = s.pools.some((p) => orderedOf(was.pools[p.name]) !== orderedOf(after.services[s.name]?.pools[p.name]));
        if (!humans) expect(after.services[s.name]?.route).toEqual(was.route);
      }
    });
  });

  test('explained: v counts by one, each change of route has exactly one audit entry and is the fence of its service', SLOW, () => {
    runs(busy, () => ({ stage, before, after, decided, decision }) => {
      if (!decided) {
        expect(after).toBe(before);
        expect(decision.uses).toEqual([]);
        return;
      }
      const { audit } = decision.next ?? expect.fail('decided without a result');
      expect(after.v).toBe((before?.v ?? 0) + 1);
      expect(audit).toMatchObject({ v: after.v, because: after.because, atMs: stage.council.nowMs });
      expect(after.because).not.toBe('');
      for (const s of stage.council.cluster.services) {
        const was = before?.services[s.name];
        const is = after.services[s.name] ?? expect.fail('a service without a record');
        const entries = audit.changes.filter((c) => c.service === s.name);
        const first = is.fence > 0 && (was?.fence ?? 0) === 0;
        const changed =
          first || (was !== undefined && was.fence > 0 && JSON.stringify(is.route) !== JSON.stringify({ ...is.route, ...was.route }));
        const shrunk = Object.keys(was?.route ?? {}).some((p) => !(p in is.route)) && (was?.fence ?? 0) > 0;
        expect(entries).toHaveLength(changed || shrunk ? 1 : 0);
        expect(is.fence).toBe(changed || shrunk ? after.v : (was?.fence ?? 0));
        if (entries[0] !== undefined) expect(entries[0]).toMatchObject({ before: was?.route ?? {}, after: is.route });
      }
      expect(audit.changes.every((c) => c.because !== '')).toBe(true);
    });
  });

  test('deterministic, and a record that went through JSON is the same record', SLOW, () => {
    fc.assert(
      fc.property(clusters, busy, (cluster, moments) => {
        const stage = new Stage(cluster);
        const { council } = stage;
        for (const moment of moments) {
          for (const event of moment.events) stage.apply(event);
          council.nowMs += moment.waitMs;
          const heard = stage.heard();
          const snapshot = council.snapshot(heard);
          const { routing, overrides, incidents } = JSON.parse(JSON.stringify(snapshot)) as typeof snapshot;
          const twice = decide(snapshot, council.nowMs);
          const thawed = decide({ ...snapshot, routing, overrides, incidents }, council.nowMs);
          expect(JSON.parse(JSON.stringify(thawed))).toEqual(JSON.parse(JSON.stringify(twice)));
          expect(council.decide(heard)).toEqual(twice);
        }
      }),
      { numRuns: 30 * MORE },
    );
  });

  test('idempotent: the same sight at the same instant asks for nothing more', SLOW, () => {
    runs(busy, () => ({ stage, heard, before, after }) => {
      const { council } = stage;
      // A configuration that takes the carrying pool away is refused by apply; here it is survived, in more than one step.
      if (before?.membersVersion !== after.membersVersion) return;
      const again = decide(council.snapshot(heard), council.nowMs);
      if (again.next === undefined) return;
      // An order that was refused may be obeyed once others have moved in its favour: one more decision, which moves no route but that of a pool whose
      // order waited for it, where it alone would have carried everything, or nobody would, a moment before (two seeds of November 2026).
      expect((council.overrides?.items ?? []).length).toBeGreaterThan(0);
      for (const [name, s] of Object.entries(again.next.routing.services)) {
        const was = after.services[name];
        const obeyedLate = Object.entries(s.pools).some(
          ([pool, { told }]) => !told.includes('refused') && was?.pools[pool]?.told.includes('refused') === true,
        );
        if (!obeyedLate) expect(s.fence).toBe(was?.fence);
      }
      const { routing, incidents } = again.next;
      const open = new Map([...council.incidents, ...incidents.map((i) => [i.id, i] as const)]);
      const third = { ...council.snapshot(heard), routing, incidents: [...open.values()].filter((i) => i.closedAtMs === null) };
      expect(decide(third, council.nowMs).next?.audit).toBeUndefined();
    });
  });

  test('pages have ids of their own, keys a store accepts, and a dedup key that outlives the decision', SLOW, () => {
    fc.assert(
      fc.property(clusters, busy, (cluster, moments) => {
        const { pages } = play(cluster, moments, () => undefined);
        expect(new Set(pages.map((p) => p.id)).size).toBe(pages.length);
        for (const p of pages) {
          expect(p.id).toMatch(/^[A-Za-z0-9_.-]{1,200}$/);
          expect(p.dedupKey).toMatch(/^tidegate\/test\/./);
          expect(p.summary).not.toBe('');
        }
      }),
      { numRuns: 30 * MORE },
    );
  });

  test('incidents: what is open is a record that is open, each once; what is closed stays closed', SLOW, () => {
    runs(busy, () => ({ stage, after }) => {
      const records = [...stage.council.incidents.values()];
      const open = Object.values(after.open);
      expect([...open].sort()).toEqual(
        records
          .filter((i) => i.closedAtMs === null)
          .map((i) => i.id)
          .sort(),
      );
      for (const [subject, id] of Object.entries(after.open)) {
        const incident = stage.council.incidents.get(id);
        expect(incident?.id).toBe(id);
        if (!subject.startsWith('hold/')) expect(incident?.region).toBe(subject);
      }
      for (const i of records) {
        expect(i.services.length).toBeGreaterThan(0);
        if (i.closedAtMs !== null) expect(i.closedAtMs).toBeGreaterThanOrEqual(i.t3AtMs);
        if (i.t0AtMs !== null) expect(i.t0AtMs).toBeLessThanOrEqual(i.t3AtMs);
        if (i.t2AtMs !== null) expect(i.t2AtMs).toBeLessThanOrEqual(i.t3AtMs);
      }
    });
  });

  test('a service in observe pages nobody', SLOW, () => {
    fc.assert(
      fc.property(clusters, quiet, (cluster, moments) => {
        const silent = { ...cluster, services: cluster.services.map((s) => ({ ...s, mode: 'observe' as const })) };
        expect(play(silent, moments, () => undefined).pages).toEqual([]);
      }),
      { numRuns: 30 * MORE },
    );
  });

  test('the stamps of region drains never run ahead of the time, and only auto stamps', SLOW, () => {
    runs(busy, () => ({ stage, before, after, decided }) => {
      if (!decided) return;
      expect(after.atMs).toBe(stage.council.nowMs);
      for (const [region, atMs] of Object.entries(after.regionDrainsAtMs)) {
        expect(atMs).toBeLessThanOrEqual(after.atMs);
        if (before?.regionDrainsAtMs[region] !== atMs)
          expect(
            stage.council.cluster.services.some(
              (s) =>
                after.services[s.name]?.mode === 'auto' &&
                s.pools.some((p) => p.region === region && after.services[s.name]?.pools[p.name]?.sinceAtMs === atMs),
            ),
          ).toBe(true);
      }
    });
  });
});

describe('no-flap', () => {
  const flapping: fc.Arbitrary<readonly Moment[]> = fc.array(
    fc.record({ waitMs: fc.constantFrom(500, 1000, 2000), events: fc.array(health, { minLength: 1, maxLength: 3 }) }),
    { minLength: 100, maxLength: 200 },
  );

  test('whatever the targets do, a route moves no more often than pacing, hold and ramp allow', SLOW, () => {
    fc.assert(
      fc.property(clusters, flapping, (cluster, moments) => {
        const single = {
          ...cluster,
          services: cluster.services.map((s) => ({
            ...s,
            pools: s.pools.map((p) => ({ ...p, minUp: 1, targets: p.targets.slice(0, 1) })),
          })),
        };
        const council = play(single, moments, () => undefined);
        const spanMs = moments.reduce((sum, m) => sum + m.waitMs, 0);
        for (const s of single.services) {
          const moves = council.audits.flatMap((a) => a.changes.filter((c) => c.service === s.name)).length;
          // First route; a drain and what it calls back, once per pacing; up or down one stage, per pool and step; failing open and back, once per pacing.
          const allowed = 1 + 2 * (spanMs / PACING_MS + 1) + s.pools.length * (spanMs / 5000 + 1) + 2 * (spanMs / PACING_MS + 1);
          expect(moves).toBeLessThanOrEqual(Math.ceil(allowed));
        }
      }),
      { numRuns: 75 * MORE },
    );
  });

  test.each(['weighted', 'priority'])(
    'one pool flapping each second for an hour moves a %s route a few dozen times, and is latched',
    (steering) => {
      const base = clusterOf(['a', 'b', 'c'], [{ steering: { kind: steering } }]);
      const council = new Council(base);
      council.see({});
      for (let s = 0; s < 3600; s++) council.see(s % 2 === 0 ? { dead: ['b'] } : {}, 1000);
      const moves = council.audits.flatMap((a) => a.changes).length;
      // With default holds it is out for good after the fourth drain: first route, four drains, three returns of three stages.
      expect(moves).toBeLessThanOrEqual(1 + 4 + 3 * 3);
    },
  );

  test('fail open flaps no faster than the pacing either', () => {
    const base = clusterOf(['a', 'b', 'c'], [{ allDown: 'configured', pools: ['a', 'b'].map((r, i) => poolOf(r, 1, i)) }]);
    const council = new Council(base);
    council.see({});
    council.watch({ dead: ['a'] }, 5000);
    const before = council.audits.flatMap((a) => a.changes).length;
    for (let s = 0; s < 600; s++) council.see(s % 2 === 0 ? { dead: ['a', 'b'] } : { dead: ['a'] }, 1000);
    expect(council.audits.flatMap((a) => a.changes).length - before).toBe(0);
  });
});
