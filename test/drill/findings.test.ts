// Which would-have drains are believed, and what stands against a service: by hand-made audits.
import { describe, expect, test } from 'vitest';
import { newMemory } from '../../src/decide/pool.ts';
import { blankRouting } from '../../src/decide/snapshot.ts';
import { type Belief, type Findings, findingsOf, type History } from '../../src/drill/findings.ts';
import type { Audit, Ballot, Observed, ObservedChange, PoolMemory, Route } from '../../src/model.ts';
import { clusterOf } from '../world.ts';

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const ALL_IN: Route = { a: 334, b: 333, c: 333 };
const WITHOUT_B: Route = { a: 500, b: 0, c: 500 };
const cluster = clusterOf(['a', 'b', 'c'], [{ mode: 'observe' }]);

const audit = (v: number, minutesAgo: number, before: Route, after: Route, ballots: Readonly<Record<string, Ballot>> = {}): Audit => ({
  v,
  epoch: 1,
  atMs: NOW - minutesAgo * MINUTE,
  by: 'a/a',
  because: `decision ${v}`,
  wouldChange: '',
  changes: [{ service: 'web', before, after, because: `web: change ${v}` }],
  holds: [],
  votes: { heard: [], ballots: Object.keys(ballots).length === 0 ? {} : { 'web/b/app#healthz': ballots } },
  prevHash: '',
});

const DOWN = { a: 'down', b: 'up', c: 'down' } as const;
const brief = (ballots: Readonly<Record<string, Ballot>> = DOWN): readonly Audit[] => [
  audit(1, 500, {}, ALL_IN),
  audit(2, 60, ALL_IN, WITHOUT_B, ballots),
  audit(3, 57, WITHOUT_B, { a: 490, b: 20, c: 490 }),
  audit(4, 55, { a: 490, b: 20, c: 490 }, ALL_IN),
];

const seen = (...changes: readonly (Omit<ObservedChange, 'atMs' | 'afterAtMs'> & { minutesAgo: number })[]): Observed => ({
  sinceAtMs: NOW - 500 * MINUTE,
  lookedAtMs: NOW - MINUTE,
  changes: changes.map(({ minutesAgo, ...change }) => ({
    atMs: NOW - minutesAgo * MINUTE,
    afterAtMs: NOW - minutesAgo * MINUTE - 30_000,
    ...change,
  })),
});

const memory = newMemory('in', 0);

const history = (
  given: Partial<History> = {},
  pools: Readonly<Record<string, PoolMemory>> = { a: memory, b: memory, c: memory },
): History => ({
  cluster,
  routing: {
    ...blankRouting(cluster, NOW),
    v: 4,
    epoch: 1,
    services: { web: { fence: 4, sinceAtMs: NOW - 500 * MINUTE, mode: 'observe', route: ALL_IN, because: '', pools } },
  },
  audits: brief(),
  auditsFrom: { atMs: NOW - 500 * MINUTE, because: 'the cluster was first configured then' },
  incidents: [],
  observed: { web: seen({ minutesAgo: 500, shares: ALL_IN }) },
  modeSinceAtMs: {},
  nowMs: NOW,
  ...given,
});

const judged = (given: Partial<History> = {}, sinceMs = 400 * MINUTE): Findings =>
  findingsOf(history(given), cluster.services[0]!, NOW - sinceMs);
const beliefs = (found: Findings): readonly Belief[] => found.moves.flatMap((move) => move.drains.map((drain) => drain.belief));

describe('a would-have drain', () => {
  test.each<[string, Partial<History>, Belief]>([
    ['brief, unseen by its own region and by its provider', {}, 'false'],
    ['the same, while nobody looked at the provider', { observed: {} }, 'unproved'],
    [
      'the same, while the provider did not answer',
      {
        observed: {
          web: seen(
            { minutesAgo: 500, shares: ALL_IN },
            { minutesAgo: 70, shares: null, because: 'no answer' },
            { minutesAgo: 50, shares: ALL_IN },
          ),
        },
      },
      'unproved',
    ],
    [
      'the provider took it out ten minutes before',
      {
        observed: {
          web: seen({ minutesAgo: 500, shares: ALL_IN }, { minutesAgo: 70, shares: WITHOUT_B }, { minutesAgo: 50, shares: ALL_IN }),
        },
      },
      'provider',
    ],
    [
      'the provider served less of it',
      { observed: { web: seen({ minutesAgo: 500, shares: ALL_IN }, { minutesAgo: 58, shares: { a: 400, b: 200, c: 400 } }) } },
      'provider',
    ],
    ['its own region voted it down', { audits: brief({ a: 'down', b: 'down', c: 'up' }) }, 'own region'],
    ['a human ordered it: no ballots were down', { audits: brief({ a: 'up', b: 'up', c: 'up' }) }, 'ordered'],
    ['it has not come back', { audits: brief().slice(0, 2) }, 'lasting'],
  ])('%s', (_, given, belief) => {
    expect(beliefs(judged(given))).toEqual([belief]);
  });

  test('false ones stand against it, believed ones do not', () => {
    expect(judged().against).toEqual(['1 false drain']);
    expect(judged({ observed: {} }).against).toEqual([
      '1 brief drain that nothing else speaks for, while the provider was not observed',
      'what its provider serves was never read, so nothing could be compared',
    ]);
    expect(judged({ audits: brief({ a: 'down', b: 'down', c: 'up' }) }).against).toEqual([]);
  });

  test('detection is that of its incident, and late ones stand against it', () => {
    const incident = {
      id: '2-b',
      kind: 'region-down' as const,
      region: 'b',
      services: ['web'],
      because: '',
      v: 2,
      epoch: 1,
      t0AtMs: NOW - 60 * MINUTE - 40_000,
      t0LastAtMs: null,
      t1AtMs: null,
      t2AtMs: null,
      t3AtMs: NOW - 60 * MINUTE,
      published: {},
      witnesses: [],
      closedAtMs: null,
      nonce: '',
    };
    const found = judged({ audits: brief({ a: 'down', b: 'down', c: 'down' }), incidents: [incident] });
    expect(found.moves[0]?.drains[0]?.detectionMs).toBe(40_000);
    expect(found.against).toEqual(['1 outage detected later than the goal']);
  });
});

describe('what stands against a service', () => {
  const quiet = brief({ a: 'down', b: 'down', c: 'up' });

  test('too short a time: because of retention, of the mode, of the cluster itself', () => {
    const kept = judged({ audits: quiet, auditsFrom: { atMs: NOW - 100 * MINUTE, because: 'the store keeps no older decisions' } });
    expect(kept.against).toEqual(['only 1.7 h of 6.7 h are covered: the store keeps no older decisions']);
    expect(judged({ audits: quiet, modeSinceAtMs: { web: NOW - 30 * MINUTE } }).against).toEqual([
      'only 30 min of 6.7 h are covered: it is in observe only since then',
    ]);
    // What it did before then was done in another mode.
    expect(judged({ audits: quiet, modeSinceAtMs: { web: NOW - 30 * MINUTE } }).moves).toEqual([]);
  });

  test('abstentions, pools that are not at rest, an old look at the provider', () => {
    const abstaining = quiet.map((a) => ({ ...a, votes: { ...a.votes, heard: [{ region: 'c', self: { state: 'abstain' } }] } }));
    expect(judged({ audits: abstaining }).against).toEqual(['c abstained in 3 of 3 decisions: find out what its vantage doubts']);
    const out = findingsOf(
      history({ audits: quiet }, { a: memory, b: { ...memory, state: 'returning' }, c: { ...memory, hold: 'floor' } }),
      cluster.services[0]!,
      NOW - MINUTE,
    );
    expect(out.against).toEqual([
      'b is returning right now: wait until it is at rest',
      'c is held (floor) right now: wait until it is at rest',
    ]);
    const old = { ...seen({ minutesAgo: 500, shares: ALL_IN }), lookedAtMs: NOW - 90 * MINUTE };
    expect(judged({ audits: quiet, observed: { web: old } }).against).toEqual(['what its provider serves was last read 1.5 h ago']);
  });

  test('with two voters nothing would move by itself', () => {
    const two = clusterOf(['a', 'b'], [{ mode: 'advise' }]);
    const found = findingsOf(history({ cluster: two, audits: [] }), two.services[0]!, NOW - MINUTE);
    expect(found.against).toContain('only 2 voters for some of its targets: with fewer than 3 nothing moves by itself');
  });
});
