// Every model's plans as text, of both modes.
//   UPDATE=1 npx vitest run test/policies/models/plans.test.ts    writes test/fixtures/plans anew
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { estimateLines, estimateOf } from '../../../src/runbook/estimate.ts';
import type { Purpose } from '../../../src/runbook/model.ts';
import { planLines, planOf, planProblems } from '../../../src/runbook/plan.ts';
import type { PlatformConfig, RunMode } from '../../../src/runbook/platform.ts';
import { both, bothData, cold, coldData, coldManaged, coldOwn, dual, dualData, EAST, hot, hotData, WEST } from '../../runbook/platforms.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures/plans');
const update = process.env.UPDATE === '1';
const seen = new Set<string>();

const GRACEFUL: RunMode = 'graceful';
const UNGRACEFUL: RunMode = 'ungraceful';

test.each<[string, PlatformConfig, Purpose, RunMode]>([
  ['active-cold', cold, 'failover', UNGRACEFUL],
  ['active-cold', cold, 'failover', GRACEFUL],
  ['active-cold', cold, 'failback', GRACEFUL],
  ['active-cold', cold, 'prearm', UNGRACEFUL],
  ['active-cold-own', coldOwn, 'failover', GRACEFUL],
  ['active-hot', hot, 'failover', UNGRACEFUL],
  ['active-hot', hot, 'failover', GRACEFUL],
  ['active-hot', hot, 'prearm', UNGRACEFUL],
  ['active-active', both, 'failover', UNGRACEFUL],
  ['active-active', both, 'failover', GRACEFUL],
  ['active-active', both, 'failback', GRACEFUL],
  ['dual-active', dual, 'failover', UNGRACEFUL],
  ['dual-active', dual, 'failover', GRACEFUL],
  ['dual-active', dual, 'failback', GRACEFUL],
  ['dual-active', dual, 'prearm', UNGRACEFUL],
  ['active-cold-managed', coldManaged, 'failover', UNGRACEFUL],
  ['active-cold-managed', coldManaged, 'failover', GRACEFUL],
  ...(
    [
      ['active-cold-data', coldData],
      ['active-hot-data', hotData],
      ['active-active-data', bothData],
      ['dual-active-data', dualData],
    ] as const
  ).flatMap(([name, platform]): [string, PlatformConfig, Purpose, RunMode][] => [
    [name, platform, 'failover', UNGRACEFUL],
    [name, platform, 'failover', GRACEFUL],
    [name, platform, 'failback', GRACEFUL],
  ]),
])('%s, %#: as its file says', (name, platform, purpose, mode) => {
  const [from, to] = purpose === 'failback' ? [WEST, EAST] : [EAST, WEST];
  const plan = planOf(platform, { from, to, purpose });
  expect(planProblems(plan)).toEqual([]);
  const text = [...planLines(plan, mode), '', ...estimateLines(estimateOf(plan, mode)), ''].join('\n');
  const file = `${name}-${purpose}-${mode}.txt`;
  seen.add(file);
  if (update) writeFileSync(join(FIXTURES, file), text);
  expect(text).toBe(readFileSync(join(FIXTURES, file), 'utf8'));
});

afterAll(() => expect(readdirSync(FIXTURES).sort()).toEqual([...seen].sort()));
