// verify.objectives: that nothing was measured since the move never counts as holding.
import { expect, test } from 'vitest';
import type { Recovery } from '../../../src/runbook/kind.ts';
import { objectivesHold } from '../../../src/runbook/tiers/objectives.ts';
import { createVirtual } from '../../virtual.ts';
import { EAST, WEST } from '../platforms.ts';
import { stepContext } from '../temporal/fixture.ts';
import { tiersOf } from '../tiers.ts';

/** Read so long after it fell due; null: by no run. */
const readAfter = async (sinceMs: number | null, recovery: Recovery) => {
  const { ports } = createVirtual({ startWallMs: 1_000_000, seed: 'objectives' });
  const asked: number[] = [];
  const tiers = tiersOf({
    objectives: async (_platform, _region, maxAgeMs) => {
      asked.push(maxAgeMs);
      return recovery;
    },
  });
  const { is, because } = await objectivesHold.read(
    { region: WEST, maxAgeMs: 60_000 },
    {
      key: 'r.s',
      run: { id: 'r', platform: 'shop', from: EAST, to: WEST, mode: 'graceful' },
      ...(sinceMs === null ? {} : { dueAtMs: ports.clock.wallMs() - sinceMs }),
      facts: {},
      signal: new AbortController().signal,
      context: { ...stepContext({}, ports), tiers },
    },
  );
  return { is, because, asked };
};

test.each([
  ['all seen', 20_000, { gaps: [], seen: 2, of: 2 }, 'reached', 'hold in eu-west: 2 of 2 seen since the move'],
  ['some not yet seen', 20_000, { gaps: [], seen: 1, of: 2 }, 'pending', '1 of 2 seen since the move so far'],
  ['some never seen', 60_000, { gaps: [], seen: 1, of: 2 }, 'reached', '1 of 2 seen since the move'],
  ['none yet seen', 20_000, { gaps: [], seen: 0, of: 2 }, 'pending', '0 of 2 seen since the move so far'],
  ['none ever seen', 60_000, { gaps: [], seen: 0, of: 2 }, 'unknown', '0 of 2 seen since the move'],
  ['nothing that could be', 0, { gaps: [], seen: 0, of: 0 }, 'unknown', 'nothing that a recovery in eu-west waits for is measured'],
  ['a gap', 90_000, { gaps: ['slow'], seen: 1, of: 2 }, 'pending', '1 not yet in eu-west: slow'],
] as const)('%s', async (_name, sinceMs, recovery, is, because) => {
  expect(await readAfter(sinceMs, recovery)).toMatchObject({ is, because: expect.stringContaining(because) });
});

test('looks from before the move are not asked for, nor any that are old', async () => {
  const all = { gaps: [], seen: 1, of: 1 };
  expect((await readAfter(20_000, all)).asked).toEqual([20_000]);
  expect((await readAfter(90_000, all)).asked).toEqual([60_000]);
  expect((await readAfter(null, all)).asked).toEqual([60_000]);
});
