// One change of a run as a transaction: what it writes of the platform, and what it tells.
import { expect, test } from 'vitest';
import { outboxKey, platformKey } from '../../src/coordinate/keys.ts';
import type { Page } from '../../src/model.ts';
import { draftOf } from '../../src/runbook/commit.ts';
import type { PlatformRecord, Run } from '../../src/runbook/model.ts';
import { newRun } from '../../src/runbook/run.ts';
import { clusterWith, EAST, platformOf, START_MS, STORY, WEST } from './rig.ts';

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
  expect(keys).toEqual(['r1', 'r2'].map((id) => ['runbook.failed', `tidegate/test/run-${id}`]));
  const done = change(runOf('r3', running), { state: 'done', endedAtMs: START_MS + 60_000 }, dropped.platform);
  expect(done.platform).toMatchObject({ active: WEST, run: 'r3' });
  expect(done.platform.failed).toBeUndefined();
  expect(done.pages.map(({ type, severity, dedupKey }) => [type, severity, dedupKey])).toEqual(
    ['r3', 'r1', 'r2'].map((id) => ['runbook.done', 'info', `tidegate/test/run-${id}`]),
  );
  expect(new Set(done.pages.map(({ id }) => id)).size).toBe(3);
});

test('what was dropped by a human, or taken back, has no pages left to end', () => {
  const stopped = change(runOf('r1'), { state: 'dropped', aborted: { by: 'ada', reason: 'x', atMs: START_MS } }, RECORD);
  expect(stopped.platform.failed).toBeUndefined();
  const failed = change(runOf('r2', { state: 'running' }), { state: 'failed' }, RECORD);
  expect(change(runOf('r2', { state: 'undoing' }), { state: 'undone' }, failed.platform).platform.failed).toEqual([]);
});
