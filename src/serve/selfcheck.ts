// The self-check of this vantage, as a running replica has it.
import { type AnchorWatch, type SelfCheckFacts, startSelfCheck, watchAnchors } from '../probe/selfcheck.ts';
import type { Part } from './part.ts';

const ANCHOR_TIMEOUT_MS = 1500;

export interface SelfWatch extends Pick<AnchorWatch, 'follow'> {
  /** How late the event loop ran, ms; null: not measured yet. */
  loopDelayMs(): number | null;
}

export const createSelfWatch = ({ config, context, looking, ends }: Part, onFacts: (facts: SelfCheckFacts) => void): SelfWatch => {
  let loopDelayMs: number | null = null;
  const watch = watchAnchors(config.region, (anchors) =>
    startSelfCheck({
      ports: context.ports,
      anchors,
      context: { ...looking, timeoutMs: ANCHOR_TIMEOUT_MS, connectTimeoutMs: ANCHOR_TIMEOUT_MS },
      onFacts(facts) {
        loopDelayMs = facts.loopDelayP99Ms;
        onFacts(facts);
      },
    }),
  );
  ends.working.push(() => watch.stop());
  return { follow: (cluster) => watch.follow(cluster), loopDelayMs: () => loopDelayMs };
};
