// What the publisher records of a provider rests on what it saw: a human who adopted meanwhile is not undone by a look of before (simulator, seeds 1, 47).
import { expect, test } from 'vitest';
import type { Fence } from '../../providers/provider.ts';
import type { Term } from '../../src/coordinate/coordinator.ts';
import type { Condition } from '../../src/coordinate/office.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import type { AppliedRecord } from '../../src/model.ts';
import { createAppliedBook } from '../../src/publish/applied.ts';

const FENCE: Fence = { v: 9, epoch: 1, writer: 'a/a/1', nonce: 'n-1', hash: '0' };
const KEY = 'applied/memory/web';

/** A sight at which these records have these revisions. */
const sightWith = (mods: Readonly<Record<string, number>>, applied?: AppliedRecord): Sight =>
  ({
    mod: (key: string) => mods[key] ?? 0,
    has: (key: string) => (applied === undefined ? [] : [{ key, value: applied, mod: mods[key] ?? 0 }]),
  }) as unknown as Sight;

const recording = (): { term: Term; asked: Condition[][] } => {
  const asked: Condition[][] = [];
  const term = {
    nowMs: () => 5,
    commit: async (conditions: readonly Condition[]) => {
      asked.push([...conditions]);
      return true;
    },
  };
  return { term: term as unknown as Term, asked };
};

test('a freeze is written only over the record, the route and the adoption that were seen', async () => {
  const { term, asked } = recording();
  const book = createAppliedBook({ onApplied: () => undefined });
  const step = { kind: 'ahead', service: 'web', fence: FENCE, because: 'ahead' } as const;
  await book.freeze(sightWith({ [KEY]: 4, routing: 7, adopted: 2 }), 'memory', step, term);
  expect(asked).toEqual([
    [
      { key: KEY, mod: 4 },
      { key: 'adopted', mod: 2 },
      { key: 'routing', mod: 7 },
    ],
  ]);
});

test('an acknowledgement is written only over the record that was seen, and only when it is news', async () => {
  const { term, asked } = recording();
  const told: number[] = [];
  const book = createAppliedBook({ onApplied: (_service, fence) => told.push(fence) });
  await book.acknowledge(sightWith({ [KEY]: 4 }), 'memory', [{ service: 'web', fence: FENCE }], term);
  expect(asked).toEqual([[{ key: KEY, mod: 4 }]]);
  const known: AppliedRecord = { fence: 9, nonce: 'n-1', hash: '0', atMs: 1, outcome: 'applied', because: '' };
  await book.acknowledge(sightWith({ [KEY]: 5 }, known), 'memory', [{ service: 'web', fence: FENCE }], term);
  expect(asked).toHaveLength(1);
  expect(told).toEqual([9]);
});
