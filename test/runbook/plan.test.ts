// Plans with measured times, what makes a plan unsound, and where to go among several regions.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PlatformRecord, Step } from '../../src/runbook/model.ts';
import { chooseTarget, planLines, planOf, planProblems, type RegionState, RUNS_LEAST, spanOf, stepsOf } from '../../src/runbook/plan.ts';
import type { GateConfig, RunMode } from '../../src/runbook/platform.ts';
import { cold, EAST, hot, WEST } from './platforms.ts';

const MOVE = { from: EAST, to: WEST, purpose: 'failover' } as const;

const historyOf = (...runs: readonly { mode?: RunMode; steps: Readonly<Record<string, number>> }[]): PlatformRecord['history'] =>
  runs.map(({ mode = 'ungraceful', steps }, at) => ({ run: `r${at}`, purpose: 'drill', mode, tookMs: 60_000, steps, atMs: at }));

describe('estimates', () => {
  const id = `workers.ready@${WEST}`;
  const estimateIn = (history: PlatformRecord['history'], mode?: RunMode): Step['estimate'] | undefined =>
    planOf(cold, MOVE, history, mode).find((step) => step.id === id)?.estimate;
  const run = (ms: number, mode?: RunMode) => ({ ...(mode === undefined ? {} : { mode }), steps: { [id]: ms } });

  test('are seeds until three runs of the same mode', () => {
    expect(RUNS_LEAST).toBe(3);
    expect(estimateIn(historyOf(run(40_000), run(50_000)))?.source).toBe('seed');
    expect(estimateIn(historyOf(run(40_000), run(50_000), run(9_000, 'graceful')))?.source).toBe('seed');
    expect(estimateIn(historyOf(run(40_000), run(60_000), run(50_000)))).toEqual({ p50Ms: 50_000, p95Ms: 60_000, source: 'runs' });
  });

  test('are those of the mode in which the run begins', () => {
    const history = historyOf(...[1, 2, 3].map((n) => run(n * 1_000)), ...[1, 2, 3].map((n) => run(n * 10_000, 'graceful')));
    expect(estimateIn(history)?.p50Ms).toBe(2_000);
    expect(estimateIn(history, 'graceful')?.p50Ms).toBe(20_000);
  });

  test('a step that was left out of a run has no time from it', () => {
    expect(estimateIn(historyOf(run(1_000), run(2_000), { steps: {} }))?.source).toBe('seed');
  });

  test.each<[readonly number[], number, number]>([
    [[7], 7, 7],
    [[3, 1, 2], 2, 3],
    [[1, 2, 3, 4], 2, 4],
    [Array.from({ length: 20 }, (_, i) => i + 1), 10, 19],
  ])('of %j: p50 %i, p95 %i', (values, p50Ms, p95Ms) => {
    expect(spanOf(values)).toEqual({ p50Ms, p95Ms });
  });
});

describe('one mode of a plan', () => {
  test('has the steps of that mode and of both, and needs nothing that is left out', () => {
    const plan = planOf(cold, MOVE);
    for (const mode of ['graceful', 'ungraceful'] as const) {
      const steps = stepsOf(plan, mode);
      expect(steps.every((step) => step.mode === mode || step.mode === 'both')).toBe(true);
      expect(planProblems(steps)).toEqual([]);
    }
    expect(stepsOf(plan, 'graceful').length + stepsOf(plan, 'ungraceful').length).toBeGreaterThan(plan.length);
  });
});

describe('a plan that cannot be run says why', () => {
  const [first, second] = stepsOf(planOf(hot, MOVE), 'ungraceful') as [Step, Step];
  const problems = (...steps: readonly Partial<Step>[]): readonly string[] =>
    planProblems(steps.map((step, at) => ({ ...first, id: `s${at}`, needs: [], ...step }) as Step));

  test.each<[string, readonly Partial<Step>[], RegExp]>([
    ['a name twice', [{ id: 'a' }, { id: 'a' }], /^step a is there twice$/],
    ['a name of other letters', [{ id: 'a b' }], /its name has to be/],
    ['a need that is no step', [{ needs: ['x'] }], /^step s0 needs x, which is no step$/],
    ['itself', [{ needs: ['s0'] }], /^step s0 needs itself$/],
    ['a circle', [{ needs: ['s1'] }, { needs: ['s0'] }], /^step s0 needs s1, which comes after it: the plan has a cycle/],
  ])('%s', (_, steps, expected) => {
    expect(problems(...steps)).toEqual([expect.stringMatching(expected)]);
  });

  test('a sound one says nothing', () => expect(planProblems([first, { ...second, needs: [first.id] }])).toEqual([]));
});

describe('as text', () => {
  test('a line has what it waits for, how long, who agrees, what then, what takes it back', () => {
    const lines = planLines(planOf({ ...cold, approvals: { ...cold.approvals, steps: { 'temporal.failover': 2 } } }, MOVE), 'ungraceful');
    const line = (id: string) => lines.find((each) => each.includes(` ${id}  `)) ?? '';
    expect(line(`tenants.failover-forced@${WEST}`)).toBe(
      `namespaces tenants.failover-forced@${WEST}  acme.abc12 to aws-eu-west-1; after call.db.promote; 3 s to 12 s; 2 approvals; at most 180 s, then a human is asked; no undo: what the other region had not received yet is decided by now; to move back is a run of its own, with its own gates`,
    );
    expect(line(`workers.fence@${EAST}`)).toMatch(
      /; at once; .*; then it goes on|, then it goes on; can be undone; passed over: nobody acknowledged/,
    );
  });

  test('says which times were measured here', () => {
    const id = `route.shift@${WEST}`;
    const lines = planLines(planOf(cold, MOVE, historyOf(...[1, 2, 3].map((n) => ({ steps: { [id]: n * 1_000 } })))), 'ungraceful');
    expect(lines.find((line) => line.includes(id))).toContain('2 s to 3 s measured');
  });
});

describe('where to', () => {
  const gate = (name: string, over: Partial<GateConfig> = {}): GateConfig => ({
    ...cold.gates[0]!,
    name,
    blocks: 'both',
    onUnknown: 'proceed',
    ...over,
  });
  const regions = ['a', 'b', 'c', 'd'];
  const platform = { ...cold, regions, gates: [gate('lag'), gate('room', { onUnknown: 'stop' }), gate('soft', { blocks: 'graceful' })] };
  const state = (verdict: RegionState['verdict'], gates: RegionState['gates'] = { lag: 'holds', room: 'holds', soft: 'holds' }) => ({
    verdict,
    gates,
  });

  test.each<[string, Record<string, RegionState>, RunMode, string | null, RegExp]>([
    ['the first that is up', { b: state('up'), c: state('up') }, 'ungraceful', 'b', /^b is up and no gate refuses it$/],
    ['the next when it is not', { b: state('suspect'), c: state('up') }, 'ungraceful', 'c', /; not b: it is suspect$/],
    ['not one that nobody has looked at', { c: state('up') }, 'ungraceful', 'c', /not b: nobody has looked/],
    [
      'not one whose gate refuses',
      { b: state('up', { lag: 'refuses', room: 'holds' }), c: state('up') },
      'ungraceful',
      'c',
      /gate lag refuses/,
    ],
    [
      'not one whose gate is unknown and stops',
      { b: state('up', { lag: 'holds' }), c: state('up') },
      'ungraceful',
      'c',
      /gate room is unknown/,
    ],
    ['one whose gate is unknown and lets it pass', { b: state('up', { room: 'holds' }) }, 'ungraceful', 'b', /^b is up/],
    [
      'by force, one that only a graceful run is kept from',
      { b: state('up', { lag: 'holds', room: 'holds', soft: 'refuses' }) },
      'ungraceful',
      'b',
      /^b/,
    ],
    [
      'in peace not',
      { b: state('up', { lag: 'holds', room: 'holds', soft: 'refuses' }) },
      'graceful',
      null,
      /b: gate soft refuses; c: nobody/,
    ],
    [
      'nowhere',
      { b: state('down'), c: state('unknown'), d: state('unready') },
      'ungraceful',
      null,
      /^no region can take over: b: it is down; c: it is unknown; d: it is unready$/,
    ],
  ])('%s', (_, states, mode, to, because) => {
    const chosen = chooseTarget(platform, 'a', states, mode);
    expect(chosen.to).toBe(to);
    expect(chosen.because).toMatch(because);
  });

  test('never one that a failed gate excludes, nor where it comes from, and none before it could have been taken', () => {
    const is = fc.constantFrom('holds', 'refuses', 'unknown') as fc.Arbitrary<'holds' | 'refuses' | 'unknown'>;
    const states = fc.record({
      verdict: fc.constantFrom('up', 'up', 'unready', 'down', 'suspect', 'unknown') as fc.Arbitrary<RegionState['verdict']>,
      gates: fc.record({ lag: is, room: is, soft: is }),
    });
    const gates = fc
      .record({ blocks: fc.constantFrom('graceful', 'both'), onUnknown: fc.constantFrom('stop', 'ask', 'proceed') })
      .map((over) => over as Pick<GateConfig, 'blocks' | 'onUnknown'>);
    fc.assert(
      fc.property(
        fc.tuple(states, states, states, states),
        fc.tuple(gates, gates, gates),
        fc.constantFrom<RunMode>('graceful', 'ungraceful'),
        fc.constantFrom(...regions),
        (all, [lag, room, soft], mode, from) => {
          const world: Record<string, RegionState> = Object.fromEntries(regions.map((region, at) => [region, all[at]!]));
          const given = { ...platform, gates: [gate('lag', lag), gate('room', room), gate('soft', soft)] };
          const may = (region: string): boolean =>
            region !== from &&
            world[region]?.verdict === 'up' &&
            given.gates
              .filter(({ blocks }) => blocks === 'both' || mode === 'graceful')
              .every(({ name, onUnknown }) => {
                const found = world[region]?.gates[name];
                return found === 'holds' || (found === 'unknown' && onUnknown !== 'stop');
              });
          expect(chooseTarget(given, from, world, mode).to).toBe(regions.find(may) ?? null);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
