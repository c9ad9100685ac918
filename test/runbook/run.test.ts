// The state machine by itself: plans, events and instants drawn at random, and what has to hold whatever comes; then the rules one by one.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Effect, Reading } from '../../src/runbook/kind.ts';
import type { Run, Step } from '../../src/runbook/model.ts';
import {
  actOf,
  actsOn,
  advance,
  CHOICES,
  due,
  isEnded,
  keyOf,
  leftWaiting,
  newRun,
  type RunEvent,
  standingOf,
  stepOf,
  undoRefusal,
} from '../../src/runbook/run.ts';
import { EAST, stepWith, WEST } from './rig.ts';

const runOf = (plan: readonly Step[], given: Partial<Parameters<typeof newRun>[0]> = {}): Run =>
  newRun(
    {
      id: 'r',
      platform: 'shop',
      model: 'active-cold',
      purpose: 'failover',
      mode: 'ungraceful',
      from: EAST,
      to: WEST,
      cause: { kind: 'order', by: 'ada', reason: 'x' },
      because: 'x',
      plan,
      askMs: 5_000,
      nonce: 'n',
      persons: 0,
      by: [],
      ...given,
    },
    0,
  );

const TOLD = { system: 's', external: 'e', when: 'fence', waits: false } as const;
const hook = (id: string, given: Parameters<typeof stepWith<'webhook.call'>>[3] = {}): Step => stepWith(id, 'webhook.call', TOLD, given);

// ---- at random ----

const aPlan: fc.Arbitrary<readonly Step[]> = fc
  .array(
    fc.record({
      needs: fc.array(fc.nat(3), { maxLength: 2 }),
      mode: fc.constantFrom('both', 'both', 'graceful', 'ungraceful'),
      onFail: fc.constantFrom('stop', 'continue', 'ask'),
      onUnknown: fc.constantFrom('stop', 'ask', 'proceed'),
      approvals: fc.constantFrom(0, 0, 1, 2),
      tries: fc.integer({ min: 1, max: 3 }),
      gate: fc.boolean(),
      undone: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((drawn) =>
    drawn.map(({ needs, mode, onFail, onUnknown, approvals, tries, gate, undone }, n): Step => {
      const given = {
        mode: mode as Step['mode'],
        onFail: onFail as Step['onFail'],
        onUnknown: onUnknown as Step['onUnknown'],
        approvals: approvals as Step['approvals'],
        // Only earlier ones, so that there is no cycle.
        needs: [...new Set(needs.filter((need) => need < n).map((need) => `s${need}`))],
        timeoutMs: 20_000,
        retry: { tries, everyMs: 1_000 },
      };
      return gate
        ? stepWith(`s${n}`, 'gate.promql', { system: 'p', query: 'q', maxAgeMs: 1 }, given)
        : hook(`s${n}`, { ...given, undo: undone ? { spec: TOLD } : { no: 'never' } });
    }),
  );

const aReading: fc.Arbitrary<Reading> = fc.record({
  is: fc.constantFrom('reached', 'pending', 'unknown', 'never'),
  because: fc.constantFrom('one thing', 'another'),
});
const anEffect: fc.Arbitrary<Effect> = fc.record({
  took: fc.constantFrom('accepted', 'undecided', 'refused', 'fatal'),
  because: fc.constantFrom('one thing', 'another'),
});
const aStep = fc.nat(3).map((n) => `s${n}`);
const aName = fc.constantFrom('ada', 'ADA', 'bob', 'eve');

/** What an executor does of one step that is due: it looks, and acts where it may. Others come without rhyme or reason. */
interface Work {
  kind: 'work';
  pick: number;
  reading: Reading;
  effect: Effect | null;
}
const aWork: fc.Arbitrary<Work> = fc.record({
  kind: fc.constant('work' as const),
  pick: fc.nat(6),
  reading: fc.oneof(
    { weight: 3, arbitrary: aReading },
    { weight: 4, arbitrary: fc.constantFrom<Reading>({ is: 'pending', because: 'x' }, { is: 'reached', because: 'x' }) },
  ),
  effect: fc.option(fc.oneof(anEffect, fc.constant<Effect>({ took: 'accepted', because: 'x' }))),
});

const anEvent: fc.Arbitrary<RunEvent | Work> = fc.oneof(
  { weight: 60, arbitrary: aWork },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('approved' as const), step: fc.constant(null), by: aName }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('read' as const), step: aStep, reading: aReading, canAct: fc.constant(true) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('intended' as const), step: aStep }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('told' as const), step: aStep, effect: anEffect }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('approved' as const), step: aStep, by: aName }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('answered' as const), step: aStep, choice: fc.constantFrom(...CHOICES), by: aName }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stalled' as const), step: aStep, because: fc.constant('no system') }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'time' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('force' as const), by: aName, reason: fc.constant('so') }) },
  fc.record({ kind: fc.constant('abort' as const), by: aName, reason: fc.constant('so') }),
  fc.record({ kind: fc.constant('undo' as const), by: aName, reason: fc.constant('so') }),
  fc.constant({ kind: 'moot' as const, because: 'over' }),
);

const aHistory = fc.array(
  fc.tuple(
    anEvent,
    fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 900 }) }, { weight: 1, arbitrary: fc.integer({ min: 900, max: 9_000 }) }),
  ),
  { maxLength: 80, size: 'max' },
);
const aStart = fc.record({
  plan: aPlan,
  mode: fc.constantFrom('graceful' as const, 'ungraceful' as const),
  persons: fc.constantFrom(0 as const, 0 as const, 1 as const, 2 as const),
  forceAfterMs: fc.option(fc.integer({ min: 1, max: 60_000 }), { nil: undefined }),
});

type Start = typeof aStart extends fc.Arbitrary<infer T> ? T : never;
type Seen = (before: Run, after: Run, event: RunEvent, nowMs: number) => void;

/** Gates only read: their kind decides that, as the executor does. */
const shaped = (run: Run, event: RunEvent): RunEvent =>
  event.kind === 'read' ? { ...event, canAct: stepOf(run, event.step)?.kind !== 'gate.promql' } : event;

type History = readonly (readonly [RunEvent | Work, number])[];

const play = ({ plan, mode, persons, forceAfterMs }: Start, history: History, seen: Seen): Run => {
  let run = runOf(plan, { mode, persons, askMs: 40_000, ...(forceAfterMs === undefined ? {} : { forceAfterMs }) });
  let nowMs = 0;
  const go = (event: RunEvent): void => {
    const given = shaped(run, event);
    // The executor never intends what only reads.
    if (given.kind === 'intended' && stepOf(run, given.step)?.kind === 'gate.promql') return;
    const after = advance(run, given, nowMs);
    seen(run, after, given, nowMs);
    run = after;
  };
  for (const [event, ms] of history) {
    nowMs += ms;
    if (event.kind !== 'work') {
      go(event);
      continue;
    }
    const { look } = due(run, nowMs);
    const step = look[event.pick % Math.max(1, look.length)];
    if (step === undefined) continue;
    go({ kind: 'read', step, reading: event.reading, canAct: true });
    if (!actsOn(run, step, event.reading, nowMs)) continue;
    go({ kind: 'intended', step });
    if (event.effect !== null) go({ kind: 'told', step, effect: event.effect });
  }
  return run;
};

const check = (what: (start: Start, history: History) => void): void => fc.assert(fc.property(aStart, aHistory, what), { numRuns: 2_000 });

const intendedNow = (before: Run, after: Run): readonly string[] =>
  after.plan
    .map(({ id }) => id)
    .filter((id) => {
      const [was, is] = [standingOf(before, id), standingOf(after, id)];
      return is.triedAtMs !== was.triedAtMs && is.triedAtMs !== undefined;
    });

test('what is drawn comes to every state', () => {
  const runs = new Set<string>();
  const steps = new Set<string>();
  check((start, history) => {
    play(start, history, (_, after) => {
      runs.add(after.state);
      for (const { id } of after.plan) steps.add(standingOf(after, id).state);
    });
  });
  expect([...runs].toSorted()).toEqual(['aborted', 'done', 'dropped', 'failed', 'proposed', 'running', 'stopping', 'undoing', 'undone']);
  expect([...steps].toSorted()).toEqual(['acting', 'asking', 'done', 'failed', 'pending', 'skipped', 'undoing', 'undone']);
});

test('no step acts before what it needs has ended, persons have agreed, and its run runs', () =>
  check((start, history) => {
    play(start, history, (before, after) => {
      for (const id of intendedNow(before, after)) {
        const step = stepOf(after, id);
        const at = standingOf(after, id);
        expect(at.touched).toBe(true);
        if (step === undefined || at.state === 'undoing') continue;
        expect(after.state).toBe('running');
        expect(step.needs.every((need) => ['done', 'skipped'].includes(standingOf(after, need).state))).toBe(true);
        const persons = new Set((at.approvedBy ?? []).map((by) => by.toLowerCase()));
        expect(persons.size).toBeGreaterThanOrEqual(step.approvals);
        expect(step.mode === 'both' || step.mode === after.mode).toBe(true);
      }
    });
  }));

test('what is told or read of one step changes no other, unless it ended', () =>
  check((start, history) => {
    play(start, history, (before, after, event) => {
      if (event.kind !== 'intended' && event.kind !== 'told') return;
      for (const { id } of after.plan) {
        if (id === event.step) continue;
        expect(standingOf(after, id).tries).toBe(standingOf(before, id).tries);
        expect(standingOf(after, id).took).toEqual(standingOf(before, id).took);
      }
    });
  }));

test('a run that has ended changes no more, but that it is taken back', () =>
  check((start, history) => {
    play(start, history, (before, after, event) => {
      if (isEnded(before) && event.kind !== 'undo') expect(after).toBe(before);
      if (['undone', 'dropped', 'done'].includes(before.state)) expect(after).toBe(before);
    });
  }));

test('taken back in reverse: while something that came later is left, what it needs is not touched', () =>
  check((start, history) => {
    play(start, history, (before, after) => {
      if (after.state !== 'undoing') return;
      const left = (id: string): boolean => {
        const at = standingOf(after, id);
        return (
          at.touched === true &&
          'spec' in (stepOf(after, id)?.undo ?? {}) &&
          at.state !== 'undone' &&
          !(at.state === 'failed' && at.undoAtMs !== undefined)
        );
      };
      for (const id of intendedNow(before, after))
        for (const later of after.plan) if (later.needs.includes(id)) expect(left(later.id)).toBe(false);
    });
  }));

test('taking back touches only what the run may have done', () =>
  check((start, history) => {
    play(start, history, (before, after) => {
      for (const { id } of after.plan) if (standingOf(after, id).state === 'undoing') expect(standingOf(before, id).touched).toBe(true);
    });
  }));

test('tries of one round are no more than it may', () =>
  check((start, history) => {
    play(start, history, (_, after) => {
      for (const step of after.plan) expect(standingOf(after, step.id).tries).toBeLessThanOrEqual(step.retry.tries);
    });
  }));

test('the same events give the same run, and nothing that was given is changed', () =>
  check((start, history) => {
    const all: string[] = [];
    const one = play(start, history, (before) => all.push(JSON.stringify(before)));
    const two = play(start, history, (before, _after, _event) => expect(JSON.stringify(before)).toBe(all.shift()));
    expect(two).toEqual(one);
  }));

test('left alone, a run comes to its end: what nobody answers or says runs out', () =>
  check((start, history) => {
    let run = play(start, history, () => undefined);
    let nowMs = 400_000;
    for (let n = 0; n < 200 && !isEnded(run); n += 1) {
      run = advance(run, { kind: 'time' }, nowMs);
      for (const id of due(run, nowMs).look)
        run = advance(run, shaped(run, { kind: 'read', step: id, reading: { is: 'unknown', because: 'silence' }, canAct: true }), nowMs);
      nowMs += 10_000;
    }
    expect(isEnded(run)).toBe(true);
  }));

test('what waits names an instant at which time alone goes on', () =>
  check((start, history) => {
    let nowMs = 0;
    play(start, history, (_, after, __, at) => {
      nowMs = at;
      if (isEnded(after)) return;
      const { look, againAtMs } = due(after, nowMs);
      // Something to look at, or an instant to wait for: else it would stand for ever.
      expect(look.length > 0 || againAtMs !== null).toBe(true);
    });
  }));

// ---- one by one ----

const read = (step: string, is: Reading['is'], canAct = true): RunEvent => ({
  kind: 'read',
  step,
  reading: { is, because: `${is} it is` },
  canAct,
});
const told = (step: string, took: Effect['took']): RunEvent => ({ kind: 'told', step, effect: { took, because: took } });
const after = (run: Run, ...events: readonly (RunEvent | readonly [RunEvent, number])[]): Run =>
  events.reduce<Run>((now, each) => ('kind' in each ? advance(now, each, 0) : advance(now, each[0], each[1])), run);

test('what is so already is done without an act, and is not taken back', () => {
  const plan = [hook('a', { undo: { spec: TOLD } }), hook('b', { needs: ['a'], onFail: 'stop' })];
  const run = after(runOf(plan), read('a', 'reached'), read('b', 'never'));
  expect(standingOf(run, 'a')).toMatchObject({ state: 'done', tries: 0 });
  expect(run.state).toBe('failed');
  const back = advance(run, { kind: 'undo', by: 'bob', reason: 'x' }, 1);
  expect(back).toMatchObject({ state: 'undone', because: '0 steps taken back' });
});

test('an intent that meets an order to take all back does nothing: what may have happened is looked at first', () => {
  const intended = { kind: 'intended', step: 'a' } as const;
  const undo = { kind: 'undo', by: 'bob', reason: 'x' } as const;
  const back = after(runOf([hook('a', { undo: { spec: TOLD } })]), read('a', 'pending'), intended, undo);
  expect([back.state, standingOf(back, 'a').state]).toEqual(['undoing', 'acting']);
  expect(advance(back, intended, 5)).toBe(back);
  const looked = after(back, read('a', 'pending'), intended);
  expect(standingOf(looked, 'a')).toMatchObject({ state: 'undoing', tries: 1 });
});

test('unknown is never taken for reached: a gate goes by what it was told to do', () => {
  const gate = (onUnknown: Step['onUnknown']): Step =>
    stepWith('g', 'gate.promql', { system: 'p', query: 'q', maxAgeMs: 1 }, { onUnknown, retry: { tries: 2, everyMs: 1 } });
  const twice = (onUnknown: Step['onUnknown']): Run =>
    after(runOf([gate(onUnknown)]), read('g', 'unknown', false), read('g', 'unknown', false));
  expect(after(runOf([gate('stop')]), read('g', 'unknown', false)).state).toBe('running');
  expect(twice('stop').state).toBe('failed');
  expect(standingOf(twice('ask'), 'g').state).toBe('asking');
  expect(twice('proceed').state).toBe('done');
  expect(standingOf(twice('proceed'), 'g')).toMatchObject({ state: 'skipped' });
});

test('a step of unknown state does not act, unless it was told to go on all the same', () => {
  const unknown = { is: 'unknown', because: 'silence' } as const;
  const acting = (onUnknown: Step['onUnknown']): boolean => {
    const plan = [hook('a', { onUnknown, retry: { tries: 2, everyMs: 1 } })];
    const run = after(runOf(plan), read('a', 'unknown'), read('a', 'unknown'));
    return actsOn(run, 'a', unknown, 0);
  };
  expect(acting('stop')).toBe(false);
  expect(acting('ask')).toBe(false);
  expect(acting('proceed')).toBe(true);
});

test('one whose fate nobody knows is tried again under the same number, and the same key', () => {
  const run = after(runOf([hook('a')]), read('a', 'pending'), { kind: 'intended', step: 'a' });
  expect(standingOf(run, 'a')).toMatchObject({ state: 'acting', tries: 1 });
  const again = after(run, [read('a', 'pending'), 10], [{ kind: 'intended', step: 'a' }, 11]);
  expect(standingOf(again, 'a')).toMatchObject({ state: 'acting', tries: 1, triedAtMs: 11 });
  expect(keyOf(again, 'a')).toBe('r.a');
  expect(standingOf(after(again, told('a', 'accepted'), { kind: 'intended', step: 'a' }), 'a')).toMatchObject({
    tries: 1,
    took: 'accepted',
  });
});

test('the clock of a step begins with its first look, and stands while it asks', () => {
  const plan = [hook('a', { timeoutMs: 1_000, onFail: 'ask' })];
  const asking = after(runOf(plan, { askMs: 60_000 }), [read('a', 'pending'), 5_000], [{ kind: 'time' }, 6_001]);
  expect(standingOf(asking, 'a')).toMatchObject({ state: 'asking', because: 'not so within 1 s: pending it is' });
  const again = advance(asking, { kind: 'answered', step: 'a', choice: 'retry', by: 'bob' }, 30_000);
  expect(standingOf(again, 'a').state).toBe('pending');
  expect(standingOf(after(again, [read('a', 'pending'), 31_000], [{ kind: 'time' }, 31_900]), 'a').state).toBe('pending');
  expect(standingOf(after(again, [read('a', 'pending'), 31_000], [{ kind: 'time' }, 32_000]), 'a').state).toBe('asking');
});

test('forced: what is under way tries no more before what it needs now has ended; what was done stays done', () => {
  const plan = [
    hook('cut', { mode: 'ungraceful' }),
    hook('done', { needs: ['cut'] }),
    hook('open', { needs: ['cut'], retry: { tries: 3, everyMs: 1 } }),
    hook('polite', { mode: 'graceful' }),
    hook('later', { needs: ['cut', 'polite'] }),
    hook('next', { needs: ['cut'] }),
  ];
  const begun = after(
    runOf(plan, { mode: 'graceful' }),
    read('done', 'reached'),
    ...['open', 'polite'].flatMap((id) => [read(id, 'pending'), { kind: 'intended', step: id } as RunEvent]),
    told('open', 'refused'),
  );
  const forced = advance(begun, { kind: 'force', by: 'bob', reason: 'x' }, 10);
  expect(Object.fromEntries(plan.map(({ id }) => [id, standingOf(forced, id).state]))).toEqual({
    cut: 'pending',
    done: 'done',
    open: 'acting',
    polite: 'skipped',
    later: 'pending',
    next: 'pending',
  });
  expect(due(forced, 10).look).toEqual(['cut', 'open']);
  expect(actsOn(forced, 'open', { is: 'pending', because: 'x' }, 10)).toBe(false);
  expect(advance(forced, { kind: 'intended', step: 'open' }, 10)).toBe(forced);
  const free = after(forced, [read('cut', 'reached'), 11]);
  expect(actsOn(free, 'open', { is: 'pending', because: 'x' }, 11)).toBe(true);
});

test('one person counts once, however the name is spelt', () => {
  const agree = (by: string, step: string | null): RunEvent => ({ kind: 'approved', step, by });
  const asking = runOf([hook('a', { approvals: 2 })]);
  expect(standingOf(after(asking, agree('ada', 'a'), agree('ADA', 'a')), 'a')).toMatchObject({ state: 'asking', approvedBy: ['ada'] });
  expect(standingOf(after(asking, agree('ada', 'a'), agree('bob', 'a')), 'a')).toMatchObject({
    state: 'pending',
    approvedBy: ['ada', 'bob'],
  });
  const proposed = runOf([hook('a')], { persons: 2 });
  expect(after(proposed, agree('ada', null), agree('Ada', null)).state).toBe('proposed');
  expect(after(proposed, agree('ada', null), agree('bob', null)).state).toBe('running');
});

test('persons agree to what may lose data only when what it needs has ended, and not for ever', () => {
  const spec = { database: 'd', region: WEST, system: 'p', sql: 's', from: null };
  const given = { needs: ['fence'], mode: 'ungraceful', approvals: 1, onFail: 'ask', retry: { tries: 1, everyMs: 1 } } as const;
  const lossy: readonly Step[] = [
    stepWith('it', 'pg.promote', spec, given),
    stepWith('it', 'managed.failover', { system: 'm', vendor: 'aurora', to: 'x', lossy: true }, given),
    stepWith('it', 'cache.promote', { system: 'c', whole: true }, given),
  ];
  const agree = { kind: 'approved', step: 'it', by: 'ada' } as const;
  const retry = { kind: 'answered', step: 'it', choice: 'retry', by: 'bob' } as const;
  for (const step of lossy) {
    const early = runOf([hook('fence'), step], { askMs: 5_000 });
    expect(advance(early, agree, 0)).toBe(early);
    const agreed = after(early, read('fence', 'reached'), [agree, 1_000]);
    expect(standingOf(agreed, 'it')).toMatchObject({ state: 'pending', approvedBy: ['ada'] });
    const asking = after(agreed, [read('it', 'never'), 2_000]);
    expect(standingOf(after(asking, [retry, 6_000]), 'it')).toMatchObject({ state: 'pending', approvedBy: ['ada'] });
    const stale = standingOf(after(asking, [retry, 6_001]), 'it');
    expect([stale.state, stale.approvedBy]).toEqual(['asking', undefined]);
  }
  // Other steps as ever: whoever agrees beforehand has agreed.
  const other = runOf([hook('fence'), hook('it', { needs: ['fence'], approvals: 1 })], { askMs: 5_000 });
  expect(standingOf(advance(other, agree, 0), 'it').approvedBy).toEqual(['ada']);
});

test('what a step means that was passed over is said', () => {
  const plan = [hook('a', { onFail: 'continue', ifPassed: 'it may still write' })];
  expect(standingOf(after(runOf(plan), read('a', 'never')), 'a').because).toBe('went on without it: never it is; it may still write');
});

test('an undo that keeps some kinds takes back only the others', () => {
  const spec = { system: 'k', namespace: 'n', deployment: 'd', replicas: 4, atLeast: true };
  const plan = [stepWith('wake', 'k8s.scale', spec, { undo: { spec: { ...spec, replicas: 0 } } }), hook('told', { undo: { spec: TOLD } })];
  const run = after(
    runOf(plan, { purpose: 'prearm' }),
    ...['wake', 'told'].flatMap((id) => [
      read(id, 'pending'),
      { kind: 'intended', step: id } as RunEvent,
      told(id, 'accepted'),
      read(id, 'reached'),
    ]),
  );
  expect(run.state).toBe('done');
  const back = advance(run, { kind: 'undo', by: 'x', reason: 'calm', only: ['webhook.call'] }, 1);
  expect(due(back, 1).look).toEqual(['told']);
  expect(standingOf(back, 'wake')).toMatchObject({ state: 'done' });
});

test('what may have happened keeps from being taken back what it bars, and that is said', () => {
  const plan = (bars: readonly string[]): readonly Step[] => [
    hook('cut', { undo: { spec: TOLD } }),
    hook('other', { undo: { spec: TOLD } }),
    hook('lead', { needs: ['cut', 'other'], undo: { no: 'forward only', bars } }),
  ];
  const intended = (step: string): RunEvent => ({ kind: 'intended', step });
  const acted = (run: Run, step: string): Run =>
    after(run, read(step, 'pending'), intended(step), told(step, 'accepted'), read(step, 'reached'));
  const undo = { kind: 'undo', by: 'bob', reason: 'x' } as const;
  const stop = { kind: 'abort', by: 'bob', reason: 'x' } as const;
  const look = (run: Run): readonly string[] => due(run, 9).look;

  // Not begun: everything before it is taken back.
  const early = after(acted(acted(runOf(plan(['cut'])), 'cut'), 'other'), stop, undo);
  expect(look(early)).toEqual(['cut', 'other']);
  // Intended, and nobody knows whether it was taken.
  const late = after(acted(acted(runOf(plan(['cut'])), 'cut'), 'other'), read('lead', 'pending'), intended('lead'), undo);
  expect(look(late)).toEqual(['other']);
  const over = after(late, read('other', 'reached'), intended('other'), told('other', 'accepted'), read('other', 'reached'));
  expect(over).toMatchObject({
    state: 'undone',
    because: '1 step taken back; what nothing takes back: cut (lead may have happened), lead (forward only)',
  });
  expect(look(after(acted(acted(runOf(plan([])), 'cut'), 'other'), read('lead', 'pending'), intended('lead'), undo))).toEqual([
    'cut',
    'other',
  ]);
});

test('a step is taken back by its own kind, or by the one that it names', () => {
  const check = { system: 'door' };
  const run = runOf([hook('own', { undo: { spec: TOLD } }), hook('other', { undo: { kind: 'http.check', spec: check } }), hook('never')]);
  const acts = (state: Run['state']): readonly string[] => run.plan.map((step) => actOf({ ...run, state }, step).kind);
  expect(acts('running')).toEqual(['webhook.call', 'webhook.call', 'webhook.call']);
  expect(acts('undoing')).toEqual(['webhook.call', 'http.check', 'webhook.call']);
  expect(actOf({ ...run, state: 'undoing' }, run.plan[1]!).spec).toBe(check);
});

const POOLED = { system: 'pooler', database: 'app' } as const;
const pause = (id: string): Step =>
  stepWith(id, 'pgbouncer.pause', POOLED, { mode: 'graceful', onFail: 'continue', undo: { spec: { ...POOLED, release: true } } });
const resume = (id: string, needs: readonly string[]): Step => stepWith(id, 'pgbouncer.resume', POOLED, { mode: 'graceful', needs });
const wholly = (id: string): readonly RunEvent[] => [
  read(id, 'pending'),
  { kind: 'intended', step: id },
  told(id, 'accepted'),
  read(id, 'reached'),
];
const HANDED = [
  pause('pause'),
  hook('demote', { needs: ['pause'], undo: { spec: TOLD } }),
  hook('promote', { needs: ['demote'] }),
  resume('resume', ['promote']),
];

test('a run that fails or is stopped lets clients go that it made wait, and nothing else is taken back by that', () => {
  const begun = after(runOf(HANDED, { mode: 'graceful' }), ...wholly('pause'), ...wholly('demote'));
  const stopped = after(begun, { kind: 'abort', by: 'bob', reason: 'x' });
  for (const ending of [after(begun, read('promote', 'never')), stopped]) {
    expect(ending.state).toBe('undoing');
    expect(due(ending, 1).look).toEqual(['pause']);
    expect(actOf(ending, ending.plan[0]!).spec).toEqual({ ...POOLED, release: true });
  }
  const over = after(begun, read('promote', 'never'), ...wholly('pause'));
  expect(over).toMatchObject({ state: 'failed', because: 'promote failed: never it is; clients go on: app at pooler' });
  expect(standingOf(over, 'demote')).toMatchObject({ state: 'done', touched: true });
  expect(after(stopped, ...wholly('pause'))).toMatchObject({
    state: 'aborted',
    because: 'stopped by bob: x; clients go on: app at pooler',
  });
  expect(leftWaiting(over)).toEqual([]);
  // A human has all of it taken back, also before clients are let go.
  for (const run of [over, stopped]) {
    expect(undoRefusal(run)).toBe(null);
    expect(due(after(run, { kind: 'undo', by: 'bob', reason: 'x' }), 1).look).toEqual(['demote']);
  }
});

test('clients that could not be let go are told of, by what ends the run', () => {
  const failing = after(runOf(HANDED, { mode: 'graceful' }), ...wholly('pause'), read('demote', 'never'));
  const over = after(failing, read('pause', 'pending'), { kind: 'intended', step: 'pause' }, told('pause', 'fatal'));
  expect(over).toMatchObject({ state: 'failed', because: 'demote failed: never it is; clients wait yet: app at pooler' });
  expect(leftWaiting(over)).toEqual([POOLED]);
  const again = after(over, { kind: 'undo', by: 'bob', reason: 'x' }, ...wholly('pause'));
  expect([again.state, leftWaiting(again).length]).toEqual(['undone', 0]);
});

test('what was cut as well is not let go by itself, and what went on is not looked at again', () => {
  const cut = stepWith('cut', 'fence.pgbouncer', POOLED, { mode: 'ungraceful', undo: { spec: { ...POOLED, release: true } } });
  const begun = after(runOf([cut, ...HANDED], { mode: 'graceful' }), ...wholly('pause'));
  const forced = after(begun, { kind: 'force', by: 'bob', reason: 'x' }, ...wholly('cut'), { kind: 'abort', by: 'bob', reason: 'x' });
  expect(forced).toMatchObject({ state: 'aborted', because: 'stopped by bob: x; clients wait yet: app at pooler' });
  // Done is not all there is to say then.
  const done = after(begun, { kind: 'force', by: 'bob', reason: 'x' }, ...['cut', 'demote', 'promote'].flatMap(wholly));
  expect(done).toMatchObject({ state: 'done', because: `${WEST} is active; clients wait yet: app at pooler` });
  expect(leftWaiting(done)).toEqual([POOLED]);
  const last = [...HANDED, hook('last', { needs: ['resume'] })];
  const went = after(runOf(last, { mode: 'graceful' }), ...['pause', 'demote', 'promote', 'resume'].flatMap(wholly), read('last', 'never'));
  expect(went).toMatchObject({ state: 'failed', because: 'last failed: never it is' });
});

test('what asks since its time ran out is read on: when it becomes so nobody has to answer', () => {
  const plan = [hook('a', { timeoutMs: 1_000, onFail: 'ask' })];
  const asking = after(runOf(plan, { askMs: 60_000 }), [read('a', 'pending'), 0], [{ kind: 'time' }, 1_001]);
  expect(due(asking, 1_002).look).toEqual(['a']);
  for (const is of ['pending', 'unknown', 'never'] as const) expect(advance(asking, read('a', is), 1_002)).toBe(asking);
  expect(actsOn(asking, 'a', { is: 'pending', because: 'x' }, 1_002)).toBe(false);
  const done = advance(asking, read('a', 'reached'), 1_002);
  expect(standingOf(done, 'a')).toEqual({
    state: 'done',
    tries: 0,
    dueAtMs: 0,
    startedAtMs: 0,
    endedAtMs: 1_002,
    because: 'reached it is',
  });
  expect(done.state).toBe('done');
  const gate = stepWith(
    'g',
    'gate.promql',
    { system: 'p', query: 'q', maxAgeMs: 1 },
    { onUnknown: 'ask', retry: { tries: 1, everyMs: 1 } },
  );
  const untold = after(runOf([gate]), read('g', 'unknown', false));
  expect(standingOf(untold, 'g').state).toBe('asking');
  expect(advance(untold, read('g', 'reached', false), 1).state).toBe('done');
  // What asks for another reason waits for its answer.
  const refused = after(runOf(plan), read('a', 'never'));
  expect(due(refused, 1).look).toEqual([]);
  expect(advance(refused, read('a', 'reached'), 1)).toBe(refused);
});
