// What is to be written, in the order in which it matters, in pieces that the provider takes whole: drains first, then what else was decided, and what is
// only put right again last and by itself, since a stranger's edit that refuses a batch must not hold up a failover. Pure.
import type { Change } from '../../providers/provider.ts';
import type { Step } from './plan.ts';

type Write = Step & { kind: 'write' };

/** Users leave a pool by this write. */
export const drains = ({ desired, previous }: Change): boolean =>
  desired.pools.some(({ pool, share }) => share === 0 && (previous.shares?.[pool] ?? 0) > 0);

const urgencyOf = (step: Write): number => (step.why !== 'behind' ? 2 : drains(step.change) ? 0 : 1);

const chunksOf = (steps: readonly Write[], most: number): readonly (readonly Change[])[] =>
  Array.from({ length: Math.ceil(steps.length / most) }, (_, i) => steps.slice(i * most, (i + 1) * most).map(({ change }) => change));

/** Each batch has at most `batchMax` services, and each service that could be read is in one of them. */
export const batchesOf = (steps: readonly Step[], batchMax: number): readonly (readonly Change[])[] => {
  const writes = steps
    .filter((step) => step.kind === 'write')
    .filter(({ change }) => change.previous.unread === undefined)
    .sort((a, b) => urgencyOf(a) - urgencyOf(b));
  const decided = writes.filter(({ why }) => why === 'behind');
  const astray = writes.filter(({ why }) => why !== 'behind');
  const most = Math.max(1, batchMax);
  return [...chunksOf(decided, most), ...chunksOf(astray, most)];
};
