// The self-check of this vantage: its anchors come with the cluster's configuration, and change with it.
import type { ClusterConfig } from '../model.ts';
import { type SelfCheck, type SelfCheckFacts, startSelfCheck } from '../probe/selfcheck.ts';
import type { Part } from './part.ts';

const ANCHOR_TIMEOUT_MS = 1500;

export interface SelfWatch {
  follow(cluster: ClusterConfig): void;
  /** How late the event loop ran, ms; null: not measured yet. */
  loopDelayMs(): number | null;
}

export const createSelfWatch = ({ config, context, looking, ends }: Part, onFacts: (facts: SelfCheckFacts) => void): SelfWatch => {
  let loopDelayMs: number | null = null;
  let isOver = false;
  let checking: { anchors: string; check: SelfCheck } | null = null;
  ends.working.push(() => {
    isOver = true;
    return checking?.check.stop();
  });
  return {
    follow(cluster) {
      const anchors = cluster.regions.find(({ name }) => name === config.region)?.anchors ?? [];
      if (isOver || checking?.anchors === anchors.join(' ')) return;
      void checking?.check.stop();
      checking = {
        anchors: anchors.join(' '),
        check: startSelfCheck({
          ports: context.ports,
          anchors,
          context: { ...looking, timeoutMs: ANCHOR_TIMEOUT_MS, connectTimeoutMs: ANCHOR_TIMEOUT_MS },
          onFacts(facts) {
            loopDelayMs = facts.loopDelayP99Ms;
            onFacts(facts);
          },
        }),
      };
    },
    loopDelayMs: () => loopDelayMs,
  };
};
