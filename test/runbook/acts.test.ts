// What humans do to runs while executors carry them out: agreed to, answered, stopped, taken back, forced, at any instant; each with its journal entry.
import { beforeEach, expect, test } from 'vitest';
import type { JournalEntry } from '../../src/audit/journal.ts';
import { runKey } from '../../src/coordinate/keys.ts';
import { Fault } from '../../src/errors.ts';
import type { Run, Step } from '../../src/runbook/model.ts';
import type { PlatformConfig } from '../../src/runbook/platform.ts';
import { createRunReader, waitingOf } from '../../src/runbook/reader.ts';
import { isEnded, standingOf } from '../../src/runbook/run.ts';
import { type BeginOrder, createRunWriter, type Person, type RunWriter } from '../../src/runbook/writer.ts';
import { createRig, EAST, platformOf, type Rig, SOUTH, START_MS, STORY, stepWith, WEST } from './rig.ts';

const SEED = 11;
const person = (name: string, given: Partial<Person> = {}): Person => ({ name, how: 'token', services: null, ...given });
const ADA = person('ada');
const BOB = person('bob');

const writerOf = (rig: Rig, plan: readonly Step[] = STORY): RunWriter =>
  createRunWriter({
    store: rig.store,
    ports: rig.virtual.ports,
    region: WEST,
    replica: 'a',
    cluster: () => rig.cluster,
    clusterNowMs: () => START_MS + rig.virtual.now(),
    planOf: () => plan,
  });

const order = (given: Partial<BeginOrder> = {}): BeginOrder => ({
  platform: 'shop',
  purpose: 'failover',
  mode: 'ungraceful',
  to: WEST,
  reason: 'the region is on fire',
  id: 'shop-1',
  ...given,
});

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof Fault ? error.code : String(error)),
  );

const journal = (rig: Rig): readonly JournalEntry[] =>
  [...rig.store.snapshot().records].filter(([key]) => key.startsWith('journal/')).map(([, { kv }]) => kv.value as JournalEntry);

const typesOf = (rig: Rig): readonly string[] => rig.pages().map(({ type }) => type);

let rig: Rig;
let writer: RunWriter;
const setUp = (platform: Partial<PlatformConfig> = {}, plan?: readonly Step[]): void => {
  rig = createRig(SEED, [platformOf(platform)]);
  writer = writerOf(rig, plan);
};
beforeEach(() => setUp());

test('an order begins a run, once, with its entry and its page; another beside it is refused', async () => {
  const run = await writer.begin(order(), ADA);
  expect(run).toMatchObject({ state: 'running', from: EAST, to: WEST, cause: { kind: 'order', by: 'ada' } });
  expect((await writer.begin(order(), ADA)).nonce).toBe(run.nonce);
  expect(await codeOf(writer.begin(order({ reason: 'another reason' }), ADA))).toBe('ERR_CONFLICT');
  expect(await codeOf(writer.begin(order({ id: 'shop-2' }), BOB))).toBe('ERR_CONFLICT');
  expect(journal(rig).map(({ kind, by }) => `${kind} ${by}`)).toEqual(['run.begun ada']);
  expect(typesOf(rig)).toEqual(['runbook.started']);
});

test('what cannot be begun is refused with what stands', async () => {
  expect(await codeOf(writer.begin(order({ platform: 'none' }), ADA))).toBe('ERR_NOT_FOUND');
  expect(await codeOf(writer.begin(order({ to: 'mars' }), ADA))).toBe('ERR_NOT_FOUND');
  expect(await codeOf(writer.begin(order({ to: EAST }), ADA))).toBe('ERR_CONFLICT');
  expect(await codeOf(writer.begin(order({ from: SOUTH }), ADA))).toBe('ERR_CONFLICT');
  expect(await codeOf(writer.begin(order({ id: 'a/b' }), ADA))).toBe('ERR_BAD_REQUEST');
  expect(await codeOf(writer.begin(order(), person('eve', { services: ['web'] })))).toBe('ERR_FORBIDDEN');
  expect((await writer.begin(order({ dryRun: true }), ADA)).plan).toHaveLength(STORY.length);
  expect(rig.store.snapshot().records.size).toBe(0);
});

test('what serves from several regions may leave any of them, and a failback brings it home', async () => {
  setUp({ model: 'active-active' });
  rig.add(EAST, 'e1');
  const run = await writer.begin(order({ to: EAST }), ADA);
  expect(run).toMatchObject({ from: WEST, to: EAST });
  expect(await codeOf(writer.begin(order({ id: 'x', from: EAST, to: EAST }), ADA))).toBe('ERR_CONFLICT');
  await rig.untilEnded(60_000);
  expect(rig.platform()?.active).toBe(EAST);
  await writer.begin(order({ id: 'shop-2', purpose: 'failback', from: EAST, to: WEST }), ADA);
  await rig.untilEnded(60_000, 'shop-2');
  expect(rig.platform()).toMatchObject({ active: EAST, run: 'shop-2' });
});

test('two who order at the same instant: one run', async () => {
  const results = await Promise.all([
    codeOf(writer.begin(order({ id: 'one' }), ADA)),
    codeOf(writerOf(rig).begin(order({ id: 'two' }), BOB)),
  ]);
  expect(results.toSorted()).toEqual(['ERR_CONFLICT', 'done']);
});

test('a beginning that two have to agree to: not the same one twice, and not too late', async () => {
  setUp({ approvals: { start: 2, steps: {}, expireMs: 60_000 } });
  const run = await writer.begin(order(), ADA);
  expect(run).toMatchObject({ state: 'proposed', approval: { persons: 2, by: ['ada'] } });
  expect(waitingOf(run)).toMatchObject([{ step: null, wants: 'approval', persons: 2 }]);
  expect(await codeOf(writer.approve('shop-1', null, person('ADA')))).toBe('ERR_APPROVAL');
  expect((await writer.approve('shop-1', null, BOB)).state).toBe('running');
  expect(typesOf(rig)).toEqual(['runbook.proposed', 'runbook.started']);

  setUp({ approvals: { start: 2, steps: {}, expireMs: 60_000 } });
  rig.add(WEST, 'w1');
  await writer.begin(order(), ADA);
  await rig.virtual.advance(59_000);
  expect(rig.run().state).toBe('proposed');
  await rig.virtual.advance(2_000);
  expect(rig.run()).toMatchObject({ state: 'dropped', because: '1 of 2 persons agreed in time' });
  expect(await codeOf(writer.approve('shop-1', null, BOB))).toBe('ERR_CONFLICT');
  expect(rig.ground.calls).toEqual([]);
  expect(typesOf(rig)).toEqual(['runbook.proposed', 'runbook.lapsed']);
});

const GUARDED: readonly Step[] = STORY.map((step) => (step.id === 'namespaces' ? { ...step, approvals: 2 as const } : step));

test('a step that two have to agree to waits for two different persons; agreed to before it asks it does not wait', async () => {
  setUp({}, GUARDED);
  rig.add(WEST, 'w1');
  await writer.begin(order(), ADA);
  await rig.virtual.advance(10_000);
  expect(standingOf(rig.run(), 'namespaces').state).toBe('asking');
  expect(waitingOf(rig.run())).toMatchObject([{ step: 'namespaces', wants: 'approval', persons: 2, by: [] }]);
  expect(rig.pages().find(({ type }) => type === 'runbook.asking')?.detail.commands).toEqual([
    'tidegate approve-run shop-1 --step namespaces',
  ]);
  await writer.approve('shop-1', 'namespaces', ADA);
  expect(await codeOf(writer.approve('shop-1', 'namespaces', person('Ada')))).toBe('ERR_APPROVAL');
  expect(await codeOf(writer.answer('shop-1', 'namespaces', 'skip', ADA))).toBe('ERR_CONFLICT');
  await rig.virtual.advance(5_000);
  expect(rig.ground.values.get('tenants')).toBe(EAST);
  await writer.approve('shop-1', 'namespaces', BOB);
  await rig.untilEnded(30_000);
  expect(rig.run().state).toBe('done');
  expect(standingOf(rig.run(), 'namespaces').approvedBy).toEqual(['ada', 'bob']);
  // Waiting for humans does not count as time of the step.
  expect(rig.platform()?.history[0]?.steps.namespaces).toBeLessThan(3_000);

  setUp({}, GUARDED);
  rig.add(WEST, 'w1');
  await writer.begin(order(), ADA);
  await writer.approve('shop-1', 'namespaces', ADA);
  await writer.approve('shop-1', 'namespaces', BOB);
  await rig.untilEnded(30_000);
  expect(typesOf(rig)).not.toContain('runbook.asking');
});

test('nobody agrees to a step in time: it has failed, and so has the run', async () => {
  setUp({ approvals: { start: 0, steps: {}, expireMs: 60_000 } }, GUARDED);
  rig.add(WEST, 'w1');
  await writer.begin(order(), ADA);
  await rig.untilEnded(120_000);
  expect(rig.run()).toMatchObject({ state: 'failed', because: 'namespaces failed: 0 of 2 persons agreed in time' });
  expect(rig.ground.values.get('tenants')).toBe(EAST);
  expect(rig.platform()?.active).toBe(EAST);
});

const ASKING: readonly Step[] = STORY.map((step) => (step.id === 'namespaces' ? { ...step, onFail: 'ask' as const } : step));

test.each([
  ['retry', 'done'],
  ['skip', 'done'],
  ['stop', 'failed'],
] as const)('a step that failed asks; answered %s the run is %s', async (choice, ended) => {
  setUp({}, ASKING);
  rig.add(WEST, 'w1');
  let refuses = true;
  rig.ground.tells.set('namespaces', () => (refuses ? { took: 'fatal', because: 'no such namespace' } : null));
  await writer.begin(order(), ADA);
  await rig.virtual.advance(12_000);
  expect(waitingOf(rig.run())).toMatchObject([
    { step: 'namespaces', wants: 'answer', because: 'no such namespace', choices: ['retry', 'skip', 'stop'] },
  ]);
  expect(rig.pages().find(({ type }) => type === 'runbook.asking')?.detail.commands).toEqual(
    ['retry', 'skip', 'stop'].map((each) => `tidegate answer shop-1 namespaces ${each} --reason WHY`),
  );
  expect(await codeOf(writer.approve('shop-1', 'namespaces', BOB))).toBe('ERR_CONFLICT');
  refuses = false;
  await writer.answer('shop-1', 'namespaces', choice, BOB);
  expect(await codeOf(writer.answer('shop-1', 'namespaces', choice, BOB))).toBe('ERR_CONFLICT');
  await rig.untilEnded(60_000);
  expect(rig.run().state).toBe(ended);
  expect(rig.ground.values.get('tenants')).toBe(choice === 'retry' ? WEST : EAST);
  const keys = rig.ground.calls.map(({ key }) => key).filter((key) => key.includes('namespaces'));
  expect(keys).toEqual(choice === 'retry' ? ['shop-1.namespaces', 'shop-1.namespaces.2'] : ['shop-1.namespaces']);
  expect(journal(rig).map(({ kind }) => kind)).toEqual(['run.begun', 'run.answered']);
  if (choice === 'skip') expect(rig.pages().find(({ type }) => type === 'runbook.done')?.summary).toMatch(/without namespaces/);
});

test('why somebody agreed or answered is in the journal', async () => {
  setUp({ approvals: { start: 2, steps: {}, expireMs: 600_000 } }, ASKING);
  rig.add(WEST, 'w1');
  rig.ground.tells.set('namespaces', () => ({ took: 'fatal', because: 'no such namespace' }));
  await writer.begin(order(), ADA);
  await writer.approve('shop-1', null, BOB, 'seen it on the bridge');
  await rig.virtual.advance(12_000);
  await writer.answer('shop-1', 'namespaces', 'stop', BOB, 'the namespace was renamed');
  expect(
    journal(rig)
      .map(({ because }) => because)
      .slice(1),
  ).toEqual(['bob agreed to begin shop-1: seen it on the bridge', 'bob answered stop to namespaces of shop-1: the namespace was renamed']);
});

test('what it means that a step is passed over is asked with the question, kept with the step, and told at the end', async () => {
  const ifPassed = 'tenants stay where they are';
  setUp(
    {},
    ASKING.map((step) => (step.id === 'namespaces' ? { ...step, ifPassed } : step)),
  );
  rig.add(WEST, 'w1');
  rig.ground.tells.set('namespaces', () => ({ took: 'fatal', because: 'x'.repeat(400) }));
  await writer.begin(order(), ADA);
  await rig.virtual.advance(12_000);
  expect(rig.pages().find(({ type }) => type === 'runbook.asking')?.summary).toContain(`; if it is skipped, ${ifPassed}`);
  await writer.answer('shop-1', 'namespaces', 'skip', BOB);
  await rig.untilEnded(60_000);
  const { state, because } = standingOf(rig.run(), 'namespaces');
  expect(state).toBe('skipped');
  expect(because).toMatch(/^passed over by bob: x+…; tenants stay where they are$/);
  expect(rig.pages().find(({ type }) => type === 'runbook.done')?.summary).toContain(`without namespaces (${ifPassed})`);
});

test('a question that nobody answers has failed', async () => {
  setUp({ approvals: { start: 0, steps: {}, expireMs: 30_000 } }, ASKING);
  rig.add(WEST, 'w1');
  rig.ground.says.set('namespaces', () => ({ is: 'never', because: 'the operation failed' }));
  await writer.begin(order(), ADA);
  await rig.untilEnded(120_000);
  expect(rig.run().because).toMatch(/nobody answered in time: the operation failed/);
});

/** A run of the story, with an act at an instant; what became of it. */
const actAt = async (
  atMs: number,
  act: (w: RunWriter) => Promise<unknown>,
  mode: Run['mode'] = 'ungraceful',
  limitMs = 300_000,
): Promise<void> => {
  setUp();
  rig.add(WEST, 'w1');
  await writer.begin(order({ mode }), ADA);
  await rig.virtual.advance(atMs);
  await act(writer).catch((error: unknown) => expect(error).toBeInstanceOf(Fault));
  await rig.virtual.advanceUntil(() => isEnded(rig.run()) && rig.run().executor === null, limitMs);
  await rig.virtual.advance(20_000);
  expect(rig.ground.violations, `at ${atMs}`).toEqual([]);
};

const STEP_MS = 21;
const INSTANTS = Array.from({ length: 420 }, (_, n) => 1 + n * STEP_MS);

test('stopped at any instant: nothing new begins, what is under way ends', async () => {
  const seen = new Set<string>();
  for (const atMs of INSTANTS) {
    let before = 0;
    await actAt(atMs, (w) => {
      before = rig.ground.calls.length;
      return w.abort('shop-1', { person: BOB, reason: 'a mistake' });
    });
    const run = rig.run();
    seen.add(run.state);
    expect(['aborted', 'done']).toContain(run.state);
    if (run.state === 'done') continue;
    for (const { id } of run.plan)
      expect(['pending', 'done', 'skipped', 'asking'], `${id} at ${atMs}`).toContain(standingOf(run, id).state);
    // Intended before it was stopped, sent just after: one per branch.
    expect(rig.ground.calls.length - before, `at ${atMs}`).toBeLessThanOrEqual(2);
    expect(rig.platform()?.active).toBe(EAST);
    expect(typesOf(rig).filter((type) => type === 'runbook.aborted')).toHaveLength(1);
  }
  expect([...seen].toSorted()).toEqual(['aborted', 'done']);
}, 120_000);

test('taken back at any instant: in reverse, only what was done; what nothing takes back is named', async () => {
  let undone = 0;
  for (const atMs of INSTANTS) {
    await actAt(atMs, (w) => w.undo('shop-1', { person: BOB, reason: 'a mistake' }));
    const run = rig.run();
    if (run.state === 'done') continue;
    undone += 1;
    expect(run.state, `at ${atMs}: ${run.because}`).toBe('undone');
    expect([rig.ground.values.get('old'), rig.ground.values.get('new'), rig.ground.values.get('route')], `at ${atMs}`).toEqual([
      '4',
      '0',
      'as configured',
    ]);
    // It was moved and stays so, and it is said.
    if (rig.ground.values.get('tenants') === WEST) expect(run.because).toMatch(/namespaces \(nothing takes it back\)/);
    const backs = rig.ground.calls.map(({ key }) => key).filter((key) => key.endsWith('.undo'));
    const [shift, scale, fence] = ['shift', 'scale', 'fence'].map((id) => backs.indexOf(`shop-1.${id}.undo`));
    for (const [early, late] of [
      [shift, scale],
      [shift, fence],
      [scale, fence],
    ] as const)
      if (early !== undefined && late !== undefined && early >= 0 && late >= 0) expect(early, `at ${atMs}`).toBeLessThan(late);
  }
  expect(undone).toBeGreaterThan(100);
}, 120_000);

test('forced at any instant: what is done stays done, what was only graceful is left out', async () => {
  for (const atMs of INSTANTS.filter((_, n) => n % 4 === 0)) {
    await actAt(atMs, (w) => w.force('shop-1', { person: BOB, reason: 'no time' }), 'graceful');
    expect(rig.run().state, `at ${atMs}`).toBe('done');
    for (const [key, times] of rig.ground.changes) expect(times, `${key} at ${atMs}`).toBe(1);
  }
}, 120_000);

test('a gate holds a graceful run; forced, it goes on without it', async () => {
  rig.add(WEST, 'w1');
  rig.ground.says.set('gate.lag', () => ({ is: 'pending', because: 'lag is 90 s' }));
  await writer.begin(order({ mode: 'graceful' }), ADA);
  await rig.virtual.advance(20_000);
  expect(rig.ground.calls).toEqual([]);
  await writer.force('shop-1', { person: BOB, reason: 'no time' });
  await rig.untilEnded(30_000);
  expect(rig.run()).toMatchObject({ state: 'done', mode: 'ungraceful' });
  expect(standingOf(rig.run(), 'gate.lag').state).toBe('skipped');
  expect(await codeOf(writer.force('shop-1', { person: BOB, reason: 'again' }))).toBe('ERR_CONFLICT');
});

test('graceful, then forced by itself, only when the order says so', async () => {
  rig.add(WEST, 'w1');
  rig.ground.says.set('gate.lag', () => ({ is: 'pending', because: 'lag is 90 s' }));
  await writer.begin(order({ mode: 'graceful', forceAfterMs: 15_000 }), ADA);
  await rig.virtual.advance(14_000);
  expect(rig.run().mode).toBe('graceful');
  await rig.untilEnded(30_000);
  expect(rig.run()).toMatchObject({ state: 'done', mode: 'ungraceful' });
});

test('what has failed is taken back as long as nothing has followed it', async () => {
  rig.add(WEST, 'w1');
  rig.ground.says.set('wait', () => ({ is: 'never', because: 'image cannot be pulled' }));
  await writer.begin(order(), ADA);
  await rig.untilEnded(30_000);
  expect(rig.run().state).toBe('failed');
  rig.ground.says.delete('wait');
  await writer.begin(order({ id: 'shop-2' }), ADA);
  expect(await codeOf(writer.undo('shop-1', { person: BOB, reason: 'back' }))).toBe('ERR_CONFLICT');
  await rig.untilEnded(60_000, 'shop-2');
  expect(await codeOf(writer.undo('shop-1', { person: BOB, reason: 'back' }))).toBe('ERR_CONFLICT');
  expect(await codeOf(writer.undo('shop-2', { person: BOB, reason: 'back' }))).toBe('ERR_CONFLICT');

  setUp();
  rig.add(WEST, 'w1');
  rig.ground.says.set('wait', () => ({ is: 'never', because: 'image cannot be pulled' }));
  await writer.begin(order(), ADA);
  await rig.untilEnded(30_000);
  await writer.undo('shop-1', { person: BOB, reason: 'back' });
  await rig.untilEnded(60_000);
  expect(rig.run().state).toBe('undone');
  expect(rig.ground.values.get('old')).toBe('4');
  expect(typesOf(rig)).toEqual(['runbook.started', 'runbook.failed', 'runbook.undone']);
  expect(journal(rig).map(({ kind }) => kind)).toEqual(['run.begun', 'run.undone']);
});

test('what does not come back is named, and can be tried again', async () => {
  rig.add(WEST, 'w1');
  await writer.begin(order(), ADA);
  await rig.virtual.advance(6_000);
  rig.ground.tells.set('fence', (call) => (call.key.includes('.undo') ? { took: 'fatal', because: 'forbidden' } : null));
  await writer.undo('shop-1', { person: BOB, reason: 'back' });
  await rig.untilEnded(60_000);
  expect(rig.run()).toMatchObject({ state: 'failed' });
  expect(rig.run().because).toMatch(/could not be taken back: fence/);
  rig.ground.tells.delete('fence');
  await writer.undo('shop-1', { person: BOB, reason: 'back again' });
  await rig.untilEnded(60_000);
  expect(rig.run().state).toBe('undone');
  expect(rig.ground.values.get('old')).toBe('4');
});

test('a credential for one act acts once', async () => {
  setUp({ approvals: { start: 2, steps: {}, expireMs: 60_000 } });
  await writer.begin(order(), ADA);
  const once = person('bob', { once: { id: 'm1', expiresAtMs: START_MS + 600_000 } });
  await writer.approve('shop-1', null, once);
  expect(await codeOf(writer.abort('shop-1', { person: once, reason: 'again' }))).toBe('ERR_FORBIDDEN');
});

test('readers: open runs first, platforms with where they are active', async () => {
  const reader = createRunReader({ store: rig.store, ports: rig.virtual.ports });
  expect(await reader.platforms(rig.cluster)).toMatchObject([{ active: EAST, record: null, open: null }]);
  rig.add(WEST, 'w1');
  await writer.begin(order(), ADA);
  expect((await reader.platform(rig.cluster, 'shop')).open?.id).toBe('shop-1');
  await rig.untilEnded(60_000);
  rig.put(runKey('later'), { ...rig.run(), id: 'later', state: 'running', createdAtMs: 0 });
  expect((await reader.runs()).map(({ id }) => id)).toEqual(['later', 'shop-1']);
  expect((await reader.runs({ open: true })).map(({ id }) => id)).toEqual(['later']);
  expect((await reader.platform(rig.cluster, 'shop')).active).toBe(WEST);
  expect(await codeOf(reader.run('none'))).toBe('ERR_NOT_FOUND');
  // No store takes such keys, and that is no fault of the store's.
  for (const id of ['\u0001', 'a\u{10ffff}', 'x'.repeat(5000), '', 'a/b', ' a'])
    expect([await codeOf(reader.run(id)), await codeOf(writer.abort(id, { person: ADA, reason: 'no such run' }))]).toEqual([
      'ERR_NOT_FOUND',
      'ERR_NOT_FOUND',
    ]);
  expect(await codeOf(reader.platform(rig.cluster, 'none'))).toBe('ERR_NOT_FOUND');
});

test('a step with tries left tries again after its span, and no more often than it may', async () => {
  setUp({}, [
    stepWith(
      'hook',
      'webhook.call',
      { system: 'hook', external: 'db', when: 'fence', waits: false },
      { retry: { tries: 3, everyMs: 2_000 } },
    ),
  ]);
  rig.add(WEST, 'w1');
  rig.ground.tells.set('hook', () => ({ took: 'refused', because: 'busy' }));
  await writer.begin(order(), ADA);
  await rig.untilEnded(60_000);
  expect(rig.run().state).toBe('failed');
  const times = rig.ground.calls.map(({ atMs }) => atMs);
  expect(times).toHaveLength(3);
  expect(Math.min(...times.slice(1).map((atMs, n) => atMs - (times[n] ?? 0)))).toBeGreaterThanOrEqual(2_000);
});

test('to what may lose data nobody agrees before what it needs has told how much', async () => {
  const spec = { database: 'd', region: WEST, system: 'p', sql: 's', from: null };
  const fence = stepWith('fence', 'approval', { why: 'x' }, { approvals: 1 });
  setUp({}, [fence, stepWith('promote', 'pg.promote', spec, { needs: ['fence'], mode: 'ungraceful', approvals: 1 })]);
  await writer.begin(order(), ADA);
  const refused = await writer.approve('shop-1', 'promote', BOB).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'ERR_CONFLICT', message: expect.stringContaining('what it needs (fence) has to end first') });
  expect(await codeOf(writer.approve('shop-1', 'fence', BOB))).toBe('done');
});
