// One change of a run as a transaction: what it writes of the platform, and what it tells.
import { expect, test } from 'vitest';
import { outboxKey, platformKey, runKey } from '../../src/coordinate/keys.ts';
import type { Page } from '../../src/model.ts';
import { countOf, draftOf } from '../../src/runbook/commit.ts';
import type { PlatformRecord, Run } from '../../src/runbook/model.ts';
import { newRun } from '../../src/runbook/run.ts';
import { clusterWith, EAST, platformOf, START_MS, STORY, stepWith, WEST } from './rig.ts';

const TELLER = { cluster: clusterWith(platformOf()), region: WEST, replica: 'a', nowMs: START_MS + 60_000 };

const runOf = (id: string, given: Partial<Run> = {}): Run => ({
  ...newRun(
    {
      id,
      platform: 'shop',
      model: 'active-cold',
      purpose: 'failover',
      mode: 'ungraceful',
      from: EAST,
      to: WEST,
      cause: { kind: 'seen', because: 'x' },
      because: 'x',
      plan: STORY,
      askMs: 30_000,
      nonce: id,
      persons: 1,
      by: [],
    },
    START_MS,
  ),
  ...given,
});

const RECORD: PlatformRecord = { active: EAST, sinceAtMs: 0, run: null, because: 'x', history: [], nonce: 'n' };

const change = (before: Run, given: Partial<Run>, platform: PlatformRecord): { platform: PlatformRecord; pages: readonly Page[] } => {
  const { ops } = draftOf({ run: before, mod: 1, platform, platformMod: 1 }, { ...before, ...given }, TELLER);
  const puts = ops.flatMap((op) => ('put' in op ? [op] : []));
  return {
    platform: (puts.find(({ put }) => put === platformKey('shop'))?.value as PlatformRecord | undefined) ?? platform,
    pages: puts.filter(({ put }) => put.startsWith(outboxKey(''))).map(({ value }) => value as Page),
  };
};

test('pages of a run that failed, or that nobody agreed to in time, end when another run has moved the platform', () => {
  const running = { state: 'running' } as const;
  const failed = change(runOf('r1', running), { state: 'failed' }, RECORD);
  const dropped = change(runOf('r2'), { state: 'dropped' }, failed.platform);
  expect(dropped.platform).toMatchObject({ active: EAST, failed: ['r1', 'r2'] });
  const keys = [...failed.pages, ...dropped.pages].map(({ type, dedupKey }) => [type, dedupKey]);
  expect(keys).toEqual([
    ['runbook.failed', 'tidegate/test/run-r1'],
    ['runbook.lapsed', 'tidegate/test/run-r2'],
  ]);
  expect(dropped.pages[0]?.summary).toContain('did not begin, and nothing has moved');
  expect(dropped.pages[0]?.detail.commands).toEqual([`tidegate failover shop --to ${WEST} --ungraceful --reason WHY`]);
  const done = change(runOf('r3', running), { state: 'done', endedAtMs: START_MS + 60_000 }, dropped.platform);
  expect(done.platform).toMatchObject({ active: WEST, run: 'r3' });
  expect(done.platform.failed).toBeUndefined();
  expect(done.pages.map(({ type, severity, dedupKey }) => [type, severity, dedupKey])).toEqual(
    ['r3', 'r1', 'r2'].map((id) => ['runbook.done', 'info', `tidegate/test/run-${id}`]),
  );
  expect(new Set(done.pages.map(({ id }) => id)).size).toBe(3);
});

test('a run that is stopped and could not let clients go is paged until they are, with what lets them go', () => {
  const pooled = { system: 'pooler', database: 'app' };
  const plan = [stepWith('pause', 'pgbouncer.pause', pooled, { undo: { spec: { ...pooled, release: true } } })];
  const held = { plan, steps: { pause: { state: 'failed', tries: 1, touched: true, undoAtMs: START_MS, because: 'x' } } } as const;
  const stopped = change(runOf('r1', { ...held, state: 'undoing' }), { state: 'aborted' }, RECORD);
  expect(stopped.pages.map(({ type, severity, detail }) => [type, severity, detail.commands])).toEqual([
    [
      'runbook.held',
      'critical',
      ['tidegate undo-run r1 --reason WHY', 'at the console of pooler pooler: ENABLE app; RECONNECT app; RESUME app'],
    ],
  ]);
  expect(stopped.platform.failed).toEqual(['r1']);
  const failed = change(runOf('r1', { ...held, state: 'undoing' }), { state: 'failed' }, RECORD);
  expect(failed.pages[0]?.detail.commands).toHaveLength(2);
  const free = { ...held, steps: { pause: { ...held.steps.pause, state: 'undone' } } } as const;
  expect(change(runOf('r1', { ...free, state: 'undoing' }), { state: 'aborted' }, RECORD).pages[0]?.type).toBe('runbook.aborted');
});

test('a run that is done and has left clients waiting is paged, until another run has moved the platform', () => {
  const pooled = { system: 'pooler', database: 'app' };
  const plan = [stepWith('pause', 'pgbouncer.pause', pooled, { undo: { spec: { ...pooled, release: true } } })];
  const steps = { pause: { state: 'done', tries: 1, touched: true, because: 'x' } } as const;
  const because = `${WEST} is active; clients wait yet: app at pooler`;
  const done = change(runOf('r1', { plan, steps, state: 'running' }), { state: 'done', because }, RECORD);
  const [page, ...more] = done.pages;
  expect([page?.type, page?.severity, page?.detail.commands, more]).toEqual([
    'runbook.held',
    'critical',
    ['at the console of pooler pooler: ENABLE app; RECONNECT app; RESUME app'],
    [],
  ]);
  expect(page?.summary).toContain('clients wait yet: app at pooler');
  expect(done.platform).toMatchObject({ active: WEST, run: 'r1', failed: ['r1'] });
  const back = change(runOf('r2', { state: 'running' }), { state: 'done' }, done.platform);
  expect(back.pages.map(({ type, dedupKey }) => [type, dedupKey])).toContainEqual(['runbook.done', 'tidegate/test/run-r1']);
  expect(back.platform.failed).toBeUndefined();
});

test('what was dropped by a human, or taken back, has no pages left to end', () => {
  const stopped = change(runOf('r1'), { state: 'dropped', aborted: { by: 'ada', reason: 'x', atMs: START_MS } }, RECORD);
  expect(stopped.platform.failed).toBeUndefined();
  const failed = change(runOf('r2', { state: 'running' }), { state: 'failed' }, RECORD);
  expect(change(runOf('r2', { state: 'undoing' }), { state: 'undone' }, failed.platform).platform.failed).toEqual([]);
});

test('what it writes of the platform is written over what was read of it, so that of two runs that move it one is refused', () => {
  const running = runOf('r1', { state: 'running' });
  const over = { run: running, mod: 7, platform: RECORD, platformMod: 9 };
  const done = draftOf(over, { ...running, state: 'done', endedAtMs: START_MS }, TELLER);
  expect(done.conditions).toEqual([
    { key: runKey('r1'), mod: 7 },
    { key: platformKey('shop'), mod: 9 },
  ]);
  // A step that goes on is nobody else's matter.
  expect(draftOf(over, { ...running, because: 'y' }, TELLER).conditions).toEqual([{ key: runKey('r1'), mod: 7 }]);
});

test('each step is counted when it is done, once, and a run when it ends', () => {
  const [step] = STORY;
  const running = runOf('r1', { state: 'running' });
  const at = { state: 'done', tries: 1, because: 'x', startedAtMs: 10, endedAtMs: 35 } as const;
  const after: Run = { ...running, steps: { [step?.id ?? '']: at } };
  expect(countOf(running, after)).toEqual({ steps: [{ kind: step?.kind, tookMs: 25 }], ended: null });
  expect(countOf(after, { ...after, because: 'y' })).toEqual({ steps: [], ended: null });
  expect(countOf(after, { ...after, state: 'done' })).toEqual({ steps: [], ended: 'done' });
  expect(countOf({ ...after, state: 'done' }, { ...after, state: 'done', because: 'y' }).ended).toBeNull();
});
