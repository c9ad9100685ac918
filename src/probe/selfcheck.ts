// What a vantage knows of itself: whether its anchors answer (places that should, while its own uplink works) and how late its event loop runs.
// Facts only; whether they make it abstain is src/health's judgement. An anchor counts as reachable when it completes an exchange, whatever it says:
// a 500 has crossed the network as well as a 200 has. One failed look is enough to doubt ourselves, since a false doubt costs one vote for seconds.
import type { ClusterConfig, ProbeSpec } from '../model.ts';
import type { Ports } from '../ports.ts';
import { probe } from './index.ts';
import type { ProbeContext } from './kind.ts';
import { createRunner } from './runner.ts';

export interface SelfCheckFacts {
  anchorsConfigured: number;
  /** URLs, in configured order. An anchor not looked at yet is not among them. */
  anchorsUnreachable: readonly string[];
  /** Since the facts before. */
  loopDelayP99Ms: number;
  atMonoMs: number;
}

export interface SelfCheckOptions {
  ports: Pick<Ports, 'clock' | 'timers' | 'loopDelay'>;
  /** `http`, `https` or `tcp` URLs. */
  anchors: readonly string[];
  context: ProbeContext;
  /** Each anchor is looked at, and facts are told, this often: 2 s. A change of an anchor is told at once. */
  everyMs?: number;
  onFacts(facts: SelfCheckFacts): void;
  /** One look; the kinds of probe unless a simulation hands in its own. */
  look?(spec: ProbeSpec, context: ProbeContext, signal: AbortSignal): ReturnType<typeof probe>;
}

export interface SelfCheck {
  stop(): Promise<void>;
}

export interface AnchorWatch extends SelfCheck {
  /** Looks at what this configuration names from now on; nothing happens while that is the same. */
  follow(cluster: Pick<ClusterConfig, 'regions'>): void;
}

/** The self-check of a region whose anchors come with the cluster's configuration, and change with it. `start` begins one of these anchors. */
export const watchAnchors = (region: string, start: (anchors: readonly string[]) => SelfCheck): AnchorWatch => {
  let isOver = false;
  let checking: { anchors: string; check: SelfCheck } | null = null;
  return {
    follow({ regions }) {
      const anchors = regions.find(({ name }) => name === region)?.anchors ?? [];
      if (isOver || checking?.anchors === anchors.join(' ')) return;
      void checking?.check.stop();
      checking = { anchors: anchors.join(' '), check: start(anchors) };
    },
    async stop() {
      isOver = true;
      await checking?.check.stop();
    },
  };
};

/** Three-digit statuses are all answers. */
const ANY_STATUS = [[100, 999]] as const;

export const anchorSpec = (url: string): ProbeSpec =>
  url.startsWith('tcp:') ? { kind: 'tcp', url } : { kind: 'http', url, status: ANY_STATUS };

export const startSelfCheck = (options: SelfCheckOptions): SelfCheck => {
  const { ports, anchors, context, everyMs = 2000, look = probe } = options;
  const loopDelay = ports.loopDelay();
  const reachable = new Map<string, boolean>();
  const startedAtMs = ports.clock.monoMs();
  const runner = createRunner({
    ports,
    intervalMs: everyMs,
    timeoutMs: context.timeoutMs,
    suspectAfterMs: context.timeoutMs,
    lateMs: 250,
    originMonoMs: startedAtMs,
    probe: (url, _startedAtMs, signal) => look(anchorSpec(url), context, signal),
    // `nothing` is no exchange either: out of sockets, or no resolver that answers, is the very trouble of our own that anchors are to show.
    onObservation: ({ key, outcome }) => {
      const before = reachable.get(key) ?? true;
      reachable.set(key, outcome.saw === 'ok');
      if (before !== (outcome.saw === 'ok')) tell();
    },
    onPending: () => {},
    concurrencyMax: 4 * anchors.length,
  });
  runner.setEntries(anchors.map((key, i) => ({ key, phaseMs: Math.floor((i * everyMs) / anchors.length) })));
  // The first look is at once: a vantage should not vote for a whole interval before it knows whether it can see.
  for (const url of anchors) runner.probeNow(url);
  const tell = (): void => {
    timer.cancel();
    timer = ports.timers.after(everyMs, tell, { background: true });
    options.onFacts({
      anchorsConfigured: anchors.length,
      anchorsUnreachable: anchors.filter((url) => reachable.get(url) === false),
      loopDelayP99Ms: loopDelay.p99Ms(),
      atMonoMs: ports.clock.monoMs(),
    });
  };
  let timer = ports.timers.after(everyMs, tell, { background: true });
  return {
    stop() {
      timer.cancel();
      loopDelay.close();
      return runner.stop();
    },
  };
};
