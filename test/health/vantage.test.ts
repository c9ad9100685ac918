// The vantage machine: bursts, hints, beats, warm-up, abstention, and a vote whose sequence rises only with its content.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ownerOf } from '../../src/health/owner.ts';
import type { Vote } from '../../src/model.ts';
import { fault, id, key, Machine, nothing, ok, rulesOf, warm, watching } from './machine.ts';

const one = rulesOf(watching(['t1']));

const voteOf = (fields: Partial<Vote> = {}): Vote => ({
  boot: 'other',
  seq: 1,
  configVersion: 1,
  self: { state: 'ok' },
  peers: ['a'],
  down: [],
  unready: [],
  unknown: [],
  ...fields,
});

describe('a new schedule', () => {
  const cutOff = { anchorsConfigured: 2, anchorsUnreachable: ['x', 'y'], loopDelayP99Ms: 0 };
  const begun: readonly [string, (m: Machine) => void][] = [
    ['stood still', (m) => m.feed({ kind: 'late' })],
    [
      'was cut off',
      (m) => {
        m.feed({ kind: 'self', facts: cutOff });
        m.feed({ kind: 'self', facts: { ...cutOff, anchorsUnreachable: [] } });
      },
    ],
  ];

  test.each(begun)(
    'whoever %s keeps silent for a whole interval of it: what was to be looked at next comes later (simulator, seed 8420)',
    (_, begin) => {
      const m = warm(one);
      begin(m);
      m.runTo(m.nowMs + 3000);
      m.feed({ kind: 'rules', rules: { ...one, configVersion: 2 } });
      m.runTo(m.nowMs + 4900);
      expect(m.vote.self.state).toBe('abstain');
      m.runTo(m.nowMs + 200);
      expect(m.vote.self.state).toBe('ok');
    },
  );

  test('silences nobody who speaks', () => {
    const m = warm(one);
    m.feed({ kind: 'rules', rules: { ...one, configVersion: 2 } });
    expect(m.vote.self.state).toBe('ok');
  });
});

describe('bursts of confirmation', () => {
  test('a fault at one endpoint probes both, at once and then every confirmEveryMs', () => {
    const m = warm(one);
    m.look(key('t1', 'readyz'), fault);
    m.answer = () => fault;
    m.runTo(m.nowMs + 3500);
    const expected = [20_000, 21_000, 22_000, 23_000];
    expect(m.probed(key('t1', 'healthz'))).toEqual(expected);
    expect(m.probed(key('t1', 'readyz'))).toEqual(expected);
  });

  test('a probe pending too long starts one too', () => {
    const m = warm(one);
    m.feed({ kind: 'pending', key: key('t1'), startedAtMs: m.nowMs - 1000 });
    expect(m.probed(key('t1', 'readyz'))).toEqual([20_000]);
  });

  test('a burst ends once each endpoint has been seen well since it began', () => {
    const m = warm(one);
    m.look(key('t1', 'readyz'), fault);
    m.answer = () => ok;
    m.runTo(m.nowMs + 60_000);
    // Those of the first round were never answered.
    expect(m.probed(key('t1', 'healthz'))).toEqual([20_000, 21_000]);
    expect(m.probed(key('t1', 'readyz'))).toEqual([20_000, 21_000]);
  });

  test('a success of one endpoint alone does not end it', () => {
    const m = warm(one);
    m.answer = (k) => (k.endsWith('healthz') ? ok : fault);
    m.look(key('t1', 'readyz'), fault);
    m.runTo(m.nowMs + 5500);
    expect(m.probed(key('t1', 'healthz'))).toHaveLength(6);
  });

  test('after burstMs of faults only the schedule goes on', () => {
    const m = warm(one);
    m.answer = () => fault;
    m.look(key('t1'), fault);
    m.runTo(m.nowMs + 120_000);
    expect(m.probed(key('t1'))).toHaveLength(30);
    expect(m.probed(key('t1')).at(-1)).toBe(20_000 + 29_000);
  });

  test('while hundreds are in doubt, those that are held down are left to the schedule: there is no room to look at all, and the rest came last', () => {
    const many = Array.from({ length: 300 }, (_, i) => `t${i}`);
    const m = warm(rulesOf(watching(many)));
    m.answer = () => fault;
    for (const target of many.slice(0, 200)) m.look(key(target), fault);
    m.runTo(23_000);
    expect(m.vote.down).toHaveLength(200);
    // Fewer than there is room for are looked at on: they may be well again at any moment.
    m.probes.length = 0;
    m.runTo(24_000);
    expect(m.probed(key('t0'))).toEqual([24_000]);
    for (const target of many.slice(200)) m.look(key(target), fault);
    m.probes.length = 0;
    m.runTo(26_500);
    expect(m.probed(key('t0'))).toEqual([]);
    expect(m.probed(key('t299'))).toEqual([25_000, 26_000]);
  });

  test('only the target in doubt is probed', () => {
    const m = warm(rulesOf(watching(['t1', 't2'])));
    m.look(key('t1'), fault);
    expect(m.probes.map((p) => p.key).sort()).toEqual([key('t1', 'healthz'), key('t1', 'readyz')]);
  });

  test('two looks at one endpoint are confirmEveryMs apart, even after a late wake-up', () => {
    const m = warm(one);
    m.look(key('t1'), fault);
    m.nowMs += 2600;
    for (let i = 0; i < 5; i++) m.feed({ kind: 'tick' });
    expect(m.probed(key('t1'))).toEqual([20_000, 22_600]);
  });

  test('the second suspicion of a running burst adds none', () => {
    const m = warm(one);
    m.look(key('t1'), fault);
    m.look(key('t1', 'readyz'), fault);
    expect(m.probed(key('t1'))).toHaveLength(1);
  });
});

describe('hints of peers', () => {
  const hint = (m: Machine, from: string, target = 't1'): void => m.feed({ kind: 'hints', from, keys: [key(target)] });

  test('a hint probes both endpoints and ends with their success', () => {
    const m = warm(one);
    m.answer = () => ok;
    hint(m, 'eu');
    m.runTo(m.nowMs + 5000);
    expect(m.probes.map((p) => p.key).sort()).toEqual([key('t1', 'healthz'), key('t1', 'readyz')]);
  });

  test('one region causes one burst per target in 30 s, another its own', () => {
    const m = warm(one);
    m.answer = () => ok;
    for (let s = 0; s < 29; s++) {
      hint(m, 'eu');
      m.runTo(m.nowMs + 1000);
    }
    expect(m.probed(key('t1'))).toHaveLength(1);
    hint(m, 'us');
    expect(m.probed(key('t1'))).toHaveLength(2);
    m.runTo(m.nowMs + 1000);
    hint(m, 'eu');
    expect(m.probed(key('t1'))).toHaveLength(3);
  });

  test('the bucket is per target: a hint about another goes through', () => {
    const m = warm(rulesOf(watching(['t1', 't2'])));
    m.answer = () => ok;
    hint(m, 'eu', 't1');
    hint(m, 'eu', 't2');
    expect(m.probed(key('t2'))).toHaveLength(1);
  });

  test('what this vantage doubts itself is no news: peers cannot keep a burst alive through a long outage', () => {
    const m = warm(one);
    m.answer = () => fault;
    m.look(key('t1'), fault);
    for (let s = 0; s < 300; s++) {
      for (const region of ['eu', 'us', 'ap']) hint(m, region);
      m.runTo(m.nowMs + 1000);
    }
    expect(m.probed(key('t1'))).toHaveLength(30);
  });

  test('a hint about what is not watched here is ignored', () => {
    const m = warm(one);
    m.feed({ kind: 'hints', from: 'eu', keys: ['web/b/gone#healthz', 'nonsense', ''] });
    expect(m.probes).toEqual([]);
  });

  test('a hint raises no suspicion by itself', () => {
    const m = warm(one);
    hint(m, 'eu');
    m.runTo(m.nowMs + 10_000);
    expect(m.vote).toMatchObject({ down: [], unready: [] });
    expect(m.beats.every(({ beat }) => Object.keys(beat.suspects).length === 0)).toBe(true);
  });
});

describe('beats', () => {
  test('one every beatMs, whatever happens', () => {
    const m = warm(one);
    m.runTo(m.nowMs + 25_000);
    const gaps = m.beats.slice(1).map(({ atMs }, i) => atMs - (m.beats[i]?.atMs ?? 0));
    expect(gaps).toEqual(Array(m.beats.length - 1).fill(2500));
    expect(m.beats.map(({ beat }) => beat.n)).toEqual(m.beats.map((_, i) => (m.beats[0]?.beat.n ?? 0) + i));
  });

  test('a new suspicion is told at once', () => {
    const m = warm(one);
    m.runTo(m.nowMs + 1000);
    m.look(key('t1'), fault);
    expect(m.beats.at(-1)).toMatchObject({ atMs: 21_000, beat: { suspects: { [key('t1')]: { faults: 1, firstFaultAgeMs: 0 } } } });
  });

  test('beats for suspicions alone are at least 200 ms apart, and the last one is told all the same', () => {
    const names = Array.from({ length: 20 }, (_, i) => `t${i}`);
    const m = warm(rulesOf(watching(names)));
    m.runTo(m.nowMs + 1000);
    for (const name of names) {
      m.look(key(name), fault);
      m.runTo(m.nowMs + 10);
    }
    m.runTo(m.nowMs + 300);
    expect(m.beats.length).toBeLessThanOrEqual(4);
    for (const [i, { atMs }] of m.beats.entries()) if (i > 0) expect(atMs - (m.beats[i - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(200);
    expect(Object.keys(m.beats.at(-1)?.beat.suspects ?? {})).toHaveLength(20);
  });

  test('a beat names the vote it keeps fresh, and ages instead of instants', () => {
    const m = warm(one);
    m.runTo(m.nowMs + 1000);
    m.look(key('t1'), fault);
    m.runTo(m.nowMs + 2500);
    const { beat } = m.beats.at(-1) ?? expect.fail('no beat');
    expect(beat).toMatchObject({ boot: 'boot-1', seq: m.vote.seq, configVersion: 1, loopDelayMs: 7, wallMs: 1_023_500 });
    expect(beat.suspects[key('t1')]).toEqual({ firstFaultAgeMs: 2500, lastOkAgeMs: 8500, faults: 1, reason: 'refused' });
  });

  test('a doubt about the next region is told however many endpoints of a dead one are held down', () => {
    const names = Array.from({ length: 300 }, (_, i) => `t${i}`);
    const m = warm(rulesOf(watching([...names, 'next'])));
    for (let round = 0; round < 5; round++) {
      for (const name of names) m.look(key(name), fault);
      m.runTo(m.nowMs + 1000);
    }
    m.runTo(m.nowMs + 2500);
    expect(m.vote.down).toHaveLength(300);
    const before = Object.keys(m.beats.at(-1)?.beat.suspects ?? {});
    expect(before).toHaveLength(256);
    m.look(key('next'), fault);
    m.runTo(m.nowMs + 2500);
    const suspects = Object.keys(m.beats.at(-1)?.beat.suspects ?? {});
    expect(suspects).toHaveLength(256);
    expect(suspects).toContain(key('next'));
    expect(suspects).toContain(key('t0'));
  });

  test('a region that stays dead does not make every beat as long as it was when it died; once well it is in none', () => {
    const names = Array.from({ length: 300 }, (_, i) => `t${i}`);
    const m = warm(rulesOf(watching(names)));
    const all = (outcome: typeof fault | typeof ok): number => {
      for (const name of names) m.look(key(name), outcome);
      m.runTo(m.nowMs + 5000);
      return Object.keys(m.beats.at(-1)?.beat.suspects ?? {}).length;
    };
    const told = Array.from({ length: 30 }, () => all(fault));
    expect(told[5]).toBe(256);
    expect(told.at(-1)).toBe(32);
    expect(m.vote.down).toHaveLength(300);
    expect(Object.keys(m.beats.at(-1)?.beat.suspects ?? {})).toContain(key('t0'));
    all(ok);
    expect(all(ok)).toBe(0);
    expect(m.vote.down).toEqual([]);
  });

  test('a beat stays small when a region of thousands dies: the oldest suspects first', () => {
    const names = Array.from({ length: 600 }, (_, i) => `t${i}`);
    const m = warm(rulesOf(watching(names)));
    for (const name of names) {
      m.look(key(name), fault);
      m.nowMs += 1;
    }
    m.runTo(m.nowMs + 2500);
    const suspects = Object.keys(m.beats.at(-1)?.beat.suspects ?? {});
    expect(suspects).toHaveLength(256);
    expect(suspects).toContain(key('t0'));
    expect(suspects).not.toContain(key('t599'));
  });
});

describe('warm-up', () => {
  test('everything is unknown at boot, and said so at once', () => {
    const m = new Machine(one);
    expect(m.votes).toEqual([{ atMs: 0, vote: voteOf({ boot: 'boot-1', unknown: [id('t1')] }) }]);
  });

  test('a target stays unknown until each of its endpoints has had k looks', () => {
    const m = new Machine(one);
    for (let i = 0; i < 3; i++) m.look(key('t1', 'healthz'), ok);
    for (let i = 0; i < 2; i++) m.look(key('t1', 'readyz'), ok);
    expect(m.vote.unknown).toEqual([id('t1')]);
    m.look(key('t1', 'readyz'), ok);
    expect(m.vote.unknown).toEqual([]);
  });

  test('looks that saw nothing do not end it', () => {
    const m = new Machine(one);
    m.answer = () => nothing;
    m.watch(60_000);
    expect(m.vote.unknown).toEqual([id('t1')]);
  });

  test('it is hurried: the first look at a fresh target starts a burst, so that k looks take seconds', () => {
    const m = new Machine(one);
    m.answer = () => ok;
    m.watch(6000);
    expect(m.votes.findLast(({ vote }) => vote.unknown.length === 0)?.atMs).toBeLessThan(5000);
  });

  test('no DOWN before k own probes, even if the target is dead at boot', () => {
    const m = new Machine(one);
    m.answer = () => fault;
    m.look(key('t1'), fault);
    expect(m.vote).toMatchObject({ down: [], unready: [], unknown: [id('t1')] });
    m.runTo(1500);
    expect(m.vote).toMatchObject({ down: [], unready: [] });
    m.runTo(4000);
    expect(m.vote).toMatchObject({ down: [id('t1')], unready: [id('t1')], unknown: [] });
  });

  test('a dead endpoint is told although the other is still unknown', () => {
    const m = new Machine(one);
    m.answer = (k) => (k.endsWith('readyz') ? fault : nothing);
    m.look(key('t1', 'readyz'), fault);
    m.runTo(4000);
    expect(m.vote).toMatchObject({ down: [], unready: [id('t1')], unknown: [id('t1')] });
  });
});

describe('abstention', () => {
  const ten = Array.from({ length: 10 }, (_, i) => `t${i}`);
  const facts = { anchorsConfigured: 3, anchorsUnreachable: [] as string[], loopDelayP99Ms: 5 };

  test('with sound facts it votes', () => {
    const m = warm(one);
    m.feed({ kind: 'self', facts });
    expect(m.vote.self).toEqual({ state: 'ok' });
  });

  test('the majority of its anchors unreachable', () => {
    const m = warm(one);
    m.feed({ kind: 'self', facts: { ...facts, anchorsUnreachable: ['x'] } });
    expect(m.vote.self.state).toBe('ok');
    m.feed({ kind: 'self', facts: { ...facts, anchorsUnreachable: ['x', 'y'] } });
    expect(m.vote.self).toEqual({ state: 'abstain', because: '2 of 3 anchors unreachable: the uplink here is suspect' });
    // What it came to believe while it was cut off is as old as the cut: it looks at everything once more before it votes.
    m.feed({ kind: 'self', facts });
    expect(m.vote.self).toEqual({ state: 'abstain', because: expect.stringContaining('gone a moment ago') });
    m.runTo(m.nowMs + 4900);
    expect(m.vote.self.state).toBe('abstain');
    m.runTo(m.nowMs + 200);
    expect(m.vote.self.state).toBe('ok');
  });

  test('an event loop that is late', () => {
    const m = warm(one);
    m.feed({ kind: 'self', facts: { ...facts, loopDelayP99Ms: 200 } });
    expect(m.vote.self.state).toBe('ok');
    m.feed({ kind: 'self', facts: { ...facts, loopDelayP99Ms: 201 } });
    expect(m.vote.self).toEqual({ state: 'abstain', because: 'event loop late by 201 ms (limit 200 ms)' });
  });

  test('a probe that started late: silent for an interval, in which everything is looked at once more', () => {
    const m = warm(one);
    m.look(key('t1'), nothing, true);
    expect(m.vote.self).toEqual({ state: 'abstain', because: 'probes started late: this process was paused or overloaded' });
    m.runTo(m.nowMs + 4900);
    expect(m.vote.self.state).toBe('abstain');
    m.runTo(m.nowMs + 2600);
    expect(m.vote.self.state).toBe('ok');
  });

  /** Four of ten targets elsewhere dead from here. */
  const lonely = (dead: number): Machine => {
    const m = warm(rulesOf([...watching(ten), ...watching(['h1', 'h2'], { home: true, pool: 'here' })]));
    m.answer = () => fault;
    for (const name of ten.slice(0, dead)) m.look(key(name), fault);
    m.runTo(m.nowMs + 5000);
    expect(m.vote.down).toHaveLength(dead);
    return m;
  };

  test.each([
    [4, 'ok'],
    [5, 'abstain'],
  ])('%i of 10 targets elsewhere down from here only: %s', (dead, state) => {
    const m = lonely(dead);
    m.feed({ kind: 'others', votes: [{ region: 'us', vote: voteOf() }] });
    expect(m.vote.self.state).toBe(state);
  });

  test('nobody else speaking is no disagreement', () => {
    const m = lonely(10);
    m.feed({ kind: 'others', votes: [] });
    expect(m.vote.self.state).toBe('ok');
  });

  test('one other that holds them down too ends the loneliness', () => {
    const m = lonely(5);
    m.feed({ kind: 'others', votes: [{ region: 'us', vote: voteOf() }] });
    m.feed({ kind: 'others', votes: [{ region: 'us', vote: voteOf({ unready: ten.slice(0, 5).map((t) => id(t)) }) }] });
    expect(m.vote.self.state).toBe('ok');
  });

  test('a single target never makes it lonely', () => {
    const m = warm(rulesOf(watching(['t1', 't2'])));
    m.answer = () => fault;
    m.look(key('t1'), fault);
    m.runTo(m.nowMs + 5000);
    m.feed({ kind: 'others', votes: [{ region: 'us', vote: voteOf() }] });
    expect(m.vote).toMatchObject({ down: [id('t1')], self: { state: 'ok' } });
  });

  test('targets at home are not counted: they may well be down from here only', () => {
    const m = warm(rulesOf([...watching(ten), ...watching(['h1', 'h2', 'h3', 'h4', 'h5'], { home: true, pool: 'here' })]));
    m.answer = () => fault;
    for (const name of ['h1', 'h2', 'h3', 'h4', 'h5']) m.look(key(name, 'healthz', 'here'), fault);
    m.runTo(m.nowMs + 5000);
    m.feed({ kind: 'others', votes: [{ region: 'us', vote: voteOf() }] });
    expect(m.vote.self.state).toBe('ok');
  });

  test('an abstaining vantage still tells what it sees', () => {
    const m = lonely(5);
    m.feed({ kind: 'others', votes: [{ region: 'us', vote: voteOf() }] });
    expect(m.vote.down).toHaveLength(5);
  });
});

describe('company', () => {
  const names = Array.from({ length: 24 }, (_, i) => `t${i}`);
  const all = rulesOf(watching(names));
  const AB = ['a', 'b'];
  const ids = names.map((t) => id(t)).sort();
  const mine = ids.filter((target) => ownerOf(target, AB) === 'a');
  const theirs = ids.filter((target) => ownerOf(target, AB) === 'b');
  const meet = (m: Machine, peers: readonly string[], elder: string | null = null, spellOut = false): void =>
    m.feed({ kind: 'company', company: { peers, elder, spellOut } });
  /** A machine that shares with b, knows its share and has nothing in its logs. */
  const sharing = (): Machine => {
    const m = warm(all);
    meet(m, ['a']);
    meet(m, AB);
    for (const list of [m.probes, m.votes, m.beats]) list.length = 0;
    return m;
  };

  test('what a sibling owns is forgotten at once, and looked at no more', () => {
    const m = warm(all);
    m.answer = () => fault;
    for (const name of names) m.look(key(name), fault);
    m.runTo(m.nowMs + 3000);
    expect(m.vote.down).toHaveLength(24);
    m.answer = () => undefined;
    m.probes.length = 0;
    meet(m, ['a']);
    meet(m, AB);
    expect(m.vote).toMatchObject({ peers: AB, down: mine, unknown: [], self: { state: 'ok' } });
    expect(Object.keys(m.beats.at(-1)?.beat.suspects ?? {}).sort()).toEqual(mine.flatMap((t) => [`${t}#healthz`, `${t}#readyz`]).sort());
    m.runTo(m.nowMs + 2000);
    expect(m.probes.every((p) => mine.some((t) => p.key.startsWith(`${t}#`)))).toBe(true);
    m.look(`${theirs[0]}#healthz`, fault);
    expect(m.vote.down).toEqual(mine);
  });

  test('a gained share is unknown until it has had its looks, and gets them within a second', () => {
    const m = sharing();
    m.answer = () => ok;
    meet(m, ['a']);
    expect(m.votes[0]?.vote).toMatchObject({ peers: ['a'], unknown: theirs });
    m.runTo(m.nowMs + 1000);
    expect(m.vote.unknown).toEqual([]);
    expect(m.probes.every((p) => theirs.some((t) => p.key.startsWith(`${t}#`)))).toBe(true);
    expect(m.probed(`${theirs[0]}#healthz`)).toEqual([20_000, 20_350, 20_700]);
  });

  test('a gained target is not held down before the streak is as long as the rule asks', () => {
    const m = sharing();
    m.answer = () => fault;
    meet(m, ['a']);
    m.runTo(m.nowMs + 1990);
    expect(m.vote).toMatchObject({ down: [], unknown: theirs });
    m.runTo(m.nowMs + 200);
    expect(m.vote).toMatchObject({ down: theirs, unready: theirs, unknown: [] });
  });

  test('a large share is not looked at in one instant', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `t${i}`);
    const m = warm(rulesOf(watching(many)));
    meet(m, ['a']);
    meet(m, AB);
    m.probes.length = 0;
    m.answer = () => ok;
    meet(m, ['a']);
    m.runTo(m.nowMs + 10_000);
    expect(m.vote.unknown).toEqual([]);
    const perTick = [...Map.groupBy(m.probes, (p) => Math.floor(p.atMs / 100)).values()].map((list) => list.length);
    expect(Math.max(...perTick)).toBeLessThanOrEqual(250);
  });

  test('what it does not watch or no longer owns is not probed for a hint', () => {
    const m = sharing();
    m.feed({ kind: 'hints', from: 'eu', keys: theirs.map((t) => `${t}#healthz`) });
    expect(m.probes).toEqual([]);
  });

  test('started beside siblings, it leaves them the floor until it has looked at its share, and hurries', () => {
    const m = new Machine(all);
    m.answer = () => ok;
    meet(m, AB);
    expect(m.vote.self).toEqual({ state: 'abstain', because: 'just started: its siblings speak until it has looked at its share' });
    m.runTo(1000);
    expect(m.vote).toMatchObject({ self: { state: 'ok' }, peers: AB, unknown: [] });
  });

  test('started beside siblings, it speaks after two intervals whatever it could not look at, and at once when they are gone', () => {
    const m = new Machine(all);
    meet(m, AB);
    m.runTo(9900);
    expect(m.vote.self.state).toBe('abstain');
    m.runTo(10_000);
    expect(m.vote).toMatchObject({ self: { state: 'ok' }, unknown: mine });
    const alone = new Machine(all);
    meet(alone, AB);
    meet(alone, ['a']);
    expect(alone.vote).toMatchObject({ self: { state: 'ok' }, peers: ['a'] });
  });

  test('who knows its share already never leaves the floor to a newcomer', () => {
    const m = warm(all);
    meet(m, ['a']);
    meet(m, AB);
    expect(m.votes.every(({ vote }) => vote.self.state === 'ok')).toBe(true);
  });

  test('a sibling of 0.1 speaks for the whole region, as long as it does', () => {
    const m = warm(all);
    meet(m, ['a'], 'b');
    expect(m.vote.self).toEqual({ state: 'abstain', because: 'b, a replica of 0.1, speaks for the whole region until it is replaced' });
    meet(m, ['a']);
    expect(m.vote).toMatchObject({ self: { state: 'ok' }, unknown: [] });
  });

  test('while somebody of 0.1 may count, what it does not own is spelt out as unknown', () => {
    const m = sharing();
    meet(m, AB, null, true);
    expect(m.vote.unknown).toEqual(theirs);
    meet(m, AB);
    expect(m.vote.unknown).toEqual([]);
  });

  test('a new configuration is shared as the last one was', () => {
    const m = sharing();
    m.feed({ kind: 'rules', rules: rulesOf(watching([...names, 'new']), { configVersion: 2, configHash: 'abc' }) });
    const isMine = ownerOf(id('new'), AB) === 'a';
    expect(m.vote).toMatchObject({ configVersion: 2, configHash: 'abc', peers: AB, unknown: isMine ? [id('new')] : [] });
    expect(m.beats.at(-1)?.beat.configHash).toBe('abc');
  });

  test('a conflict about the configuration keeps it from voting until it ends', () => {
    const m = warm(one);
    m.feed({ kind: 'conflict', because: 'two contents' });
    expect(m.vote.self).toEqual({ state: 'abstain', because: 'two contents' });
    m.feed({ kind: 'conflict', because: null });
    expect(m.vote.self).toEqual({ state: 'ok' });
  });

  test('whoever comes and goes, a vote mentions only what its own peers make it own', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.subarray(['b', 'c', 'd']), fc.integer({ min: 0, max: 4000 }), fc.constantFrom(ok, fault)), { maxLength: 30 }),
        (history) => {
          const m = new Machine(all);
          for (const [others, waitMs, outcome] of history) {
            m.answer = () => outcome;
            meet(m, ['a', ...others]);
            m.runTo(m.nowMs + waitMs);
          }
          for (const { vote } of m.votes) {
            const owned = names.map((t) => id(t)).filter((target) => ownerOf(target, vote.peers) === 'a');
            for (const target of [...vote.down, ...vote.unready, ...vote.unknown]) expect(owned).toContain(target);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('the vote', () => {
  test('its sequence rises with its content, and only with it', () => {
    const m = warm(one);
    const seq = m.vote.seq;
    m.answer = () => ok;
    m.watch(60_000);
    for (let i = 0; i < 10; i++) m.look(key('t1'), i % 3 === 0 ? fault : ok);
    expect(m.vote.seq).toBe(seq);
    m.feed({ kind: 'self', facts: { anchorsConfigured: 3, anchorsUnreachable: ['x', 'y'], loopDelayP99Ms: 0 } });
    expect(m.vote.seq).toBe(seq + 1);
    m.feed({ kind: 'self', facts: { anchorsConfigured: 3, anchorsUnreachable: ['x', 'y', 'z'], loopDelayP99Ms: 0 } });
    expect(m.vote.seq).toBe(seq + 1);
  });

  test('an endpoint that leaves its warm-up while the other has not changes nothing', () => {
    const m = new Machine(one);
    const seq = m.vote.seq;
    for (let i = 0; i < 3; i++) m.look(key('t1', 'healthz'), ok);
    expect(m.vote.seq).toBe(seq);
    for (let i = 0; i < 3; i++) m.look(key('t1', 'readyz'), ok);
    expect(m.vote.seq).toBe(seq + 1);
  });

  test('a new configuration is named, its old targets forgotten and its new ones unknown', () => {
    const m = warm(rulesOf(watching(['t1', 't2'])));
    const { seq } = m.vote;
    m.feed({ kind: 'rules', rules: rulesOf(watching(['t2', 't3']), { configVersion: 2 }) });
    expect(m.vote).toMatchObject({ configVersion: 2, seq: seq + 1, unknown: [id('t3')], down: [] });
    m.look(key('t1'), fault);
    expect(Object.keys(m.beats.at(-1)?.beat.suspects ?? {})).toEqual([]);
    expect(m.beats.at(-1)?.beat.configVersion).toBe(2);
  });

  test('k faults say down or unready by endpoint, one success takes it back, each at once', () => {
    const m = warm(one);
    m.answer = (k) => (k.endsWith('readyz') ? fault : ok);
    m.look(key('t1', 'readyz'), fault);
    m.runTo(m.nowMs + 2000);
    expect(m.votes.at(-1)).toMatchObject({ atMs: 22_000, vote: { unready: [id('t1')], down: [] } });
    m.look(key('t1', 'readyz'), ok);
    expect(m.votes.at(-1)).toMatchObject({ atMs: 22_000, vote: { unready: [], down: [] } });
  });

  const inputs = fc.array(
    fc.record({
      waitMs: fc.integer({ min: 0, max: 3000 }),
      target: fc.constantFrom('t1', 't2', 't3'),
      endpoint: fc.constantFrom('healthz' as const, 'readyz' as const),
      what: fc.constantFrom('ok', 'fault', 'fault', 'nothing', 'pending', 'late', 'hint', 'others', 'self', 'rules'),
      n: fc.integer({ min: 0, max: 3 }),
    }),
    { maxLength: 120 },
  );

  test('whatever comes in: sequences count by one with each change of content, lists are sorted, beats keep the newest vote fresh', () => {
    fc.assert(
      fc.property(inputs, (steps) => {
        const m = new Machine(rulesOf(watching(['t1', 't2', 't3'])));
        let version = 1;
        for (const s of steps) {
          m.runTo(m.nowMs + s.waitMs);
          const k = key(s.target, s.endpoint);
          if (s.what === 'ok') m.look(k, ok);
          if (s.what === 'fault') m.look(k, fault);
          if (s.what === 'nothing') m.look(k, nothing);
          if (s.what === 'late') m.look(k, nothing, true);
          if (s.what === 'pending') m.feed({ kind: 'pending', key: k, startedAtMs: m.nowMs - 1000 });
          if (s.what === 'hint') m.feed({ kind: 'hints', from: `r${s.n}`, keys: [k] });
          if (s.what === 'others') m.feed({ kind: 'others', votes: [{ region: 'us', vote: voteOf({ down: [id(s.target)] }) }] });
          if (s.what === 'self')
            m.feed({ kind: 'self', facts: { anchorsConfigured: 3, anchorsUnreachable: ['x', 'y', 'z'].slice(0, s.n), loopDelayP99Ms: 0 } });
          if (s.what === 'rules')
            m.feed({ kind: 'rules', rules: rulesOf(watching(['t1', 't2', 't3'].slice(s.n % 2)), { configVersion: ++version }) });
        }
        for (const [i, { vote }] of m.votes.entries()) {
          expect(vote.seq).toBe(i + 1);
          const before = m.votes[i - 1]?.vote;
          if (before !== undefined) expect({ ...vote, seq: 0 }).not.toEqual({ ...before, seq: 0 });
          for (const list of [vote.down, vote.unready, vote.unknown]) expect(list).toEqual([...new Set(list)].sort());
        }
        for (const { atMs, beat } of m.beats)
          expect(beat.seq).toBe(m.votes.findLast((v) => v.atMs <= atMs && v.vote.seq <= beat.seq)?.vote.seq);
        expect(m.beats.at(-1)?.beat.seq).toBe(m.vote.seq);
        for (const [i, b] of m.beats.entries()) {
          const before = m.beats[i - 1];
          if (before === undefined) continue;
          expect(b.atMs - before.atMs).toBeLessThanOrEqual(2500);
          if (b.beat.seq === before.beat.seq) expect(b.atMs - before.atMs).toBeGreaterThanOrEqual(200);
        }
      }),
      { numRuns: 300 },
    );
  });
});
