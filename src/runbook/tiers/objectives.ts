// verify.objectives: what a recovery waits for holds in the region, as the replicas there have measured it lately. It measures nothing itself.
import type { StepKind } from '../kind.ts';
import { readOr } from '../outcome.ts';

const SHOWN_MAX = 3;

export const objectivesHold: StepKind<'verify.objectives'> = {
  kind: 'verify.objectives',
  signal: 'gate',
  read: ({ region, maxAgeMs }, { context, run: { platform }, signal }) =>
    readOr(`objectives in ${region}`, async () => {
      signal.throwIfAborted();
      const gaps = await context.tiers.objectives(platform, region, maxAgeMs);
      if (gaps.length === 0) return { is: 'reached', because: `objectives of recovery hold in ${region}` };
      const shown = gaps.slice(0, SHOWN_MAX).map((gap) => gap.slice(0, 200));
      const more = gaps.length > SHOWN_MAX ? `; and ${gaps.length - SHOWN_MAX} more` : '';
      return { is: 'pending', because: `${gaps.length} not yet in ${region}: ${shown.join('; ')}${more}`, facts: { gaps: gaps.length } };
    }),
};
