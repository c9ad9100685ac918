// verify.objectives: what a recovery waits for holds in the region, as the replicas there have measured it since the step fell due, which is after all that moved.
// It measures nothing itself.
import type { StepKind } from '../kind.ts';
import { readOr } from '../outcome.ts';

const SHOWN_MAX = 3;

export const objectivesHold: StepKind<'verify.objectives'> = {
  kind: 'verify.objectives',
  signal: 'gate',
  read: ({ region, maxAgeMs }, { context, run: { platform }, dueAtMs, signal }) =>
    readOr(`objectives in ${region}`, async () => {
      signal.throwIfAborted();
      // What was so before the move says nothing about what is so after it.
      const sinceMs = dueAtMs === undefined ? maxAgeMs : Math.max(0, context.nowMs() - dueAtMs);
      const { gaps, seen, of } = await context.tiers.objectives(platform, region, Math.min(maxAgeMs, sinceMs));
      if (gaps.length > 0) {
        const shown = gaps.slice(0, SHOWN_MAX).map((gap) => gap.slice(0, 200));
        const more = gaps.length > SHOWN_MAX ? `; and ${gaps.length - SHOWN_MAX} more` : '';
        return { is: 'pending', because: `${gaps.length} not yet in ${region}: ${shown.join('; ')}${more}`, facts: { gaps: gaps.length } };
      }
      if (of === 0) return { is: 'unknown', because: `nothing that a recovery in ${region} waits for is measured` };
      const counted = `${seen} of ${of} seen since the move`;
      if (seen < of && sinceMs < maxAgeMs) return { is: 'pending', because: `objectives of recovery in ${region}: ${counted} so far` };
      if (seen === 0) return { is: 'unknown', because: `nobody in ${region} has measured what a recovery waits for: ${counted}` };
      return { is: 'reached', because: `objectives of recovery hold in ${region}: ${counted}` };
    }),
};
