// A deployment verified by a running replica, for whoever asks its API: one round at a time, bounded in time, and not begun anew for each who asks. What a round
// did not get to is unknown, and said.
import { Fault } from '../errors.ts';
import type { ClusterConfig } from '../model.ts';
import type { MatrixCell, PlatformMatrix } from '../objectives/model.ts';
import type { Ports } from '../ports.ts';
import type { PlatformConfig } from '../runbook/platform.ts';
import type { SystemKind } from '../runbook/systems.ts';
import { isAllGood, type VerifyLine } from './line.ts';
import { type LookOptions, lookAtDeployment } from './look.ts';
import { verifyPlan } from './plan.ts';

export const OUTCOMES = ['good', 'not-good'] as const;

export interface VerifyReport {
  platform: string;
  /** `good`: something was looked at, and all of it is as it should be. */
  outcome: (typeof OUTCOMES)[number];
  /** Who looked, with its own systems. */
  by: { region: string; replica: string };
  /** Cluster time at the begin of the round. */
  atMs: number;
  lines: readonly VerifyLine[];
}

export interface VerifyDesk {
  /** The last round of the same is as good while it is young. Throws Fault ERR_TOO_MANY while another one is under way, or was a moment ago. */
  verify(cluster: ClusterConfig, platform: PlatformConfig, regions: readonly string[]): Promise<VerifyReport>;
}

export interface VerifyDeskOptions {
  ports: Pick<Ports, 'clock' | 'timers'>;
  region: string;
  replica: string;
  nowMs(): number;
  /** Of an entry of this replica's file. */
  kindOf(system: string): SystemKind | undefined;
  system: LookOptions['system'];
  probe(cluster: ClusterConfig): LookOptions['probe'];
  check(platform: PlatformConfig): LookOptions['check'];
  matrices(): Promise<readonly PlatformMatrix[]>;
  /** Where the platform is active. */
  activeOf(cluster: ClusterConfig, platform: PlatformConfig): Promise<string>;
}

/** The API ends a connection on which nothing was said for 15 s. */
export const ROUND_MS = 10_000;
/** So old a round is as good as a new one: whoever asks again and again makes nobody around answer more often. */
export const YOUNG_MS = 5_000;
/** Between the end of one round and the begin of the next. */
export const PAUSE_MS = 1_000;

interface Round {
  of: string;
  report: Promise<VerifyReport>;
  /** null: it is under way. */
  endedAtMs: number | null;
}

/** Of the frontends that the platform's namespaces are reached by; or why that is not known. */
export const reachedIn = (matrices: readonly PlatformMatrix[], { name }: PlatformConfig): readonly MatrixCell[] | string => {
  const found = matrices.find(({ platform }) => platform === name);
  if (found === undefined) return `nobody measures platform ${name}`;
  const frontends = found.objectives.filter(({ kind }) => kind === 'temporal').map((each) => each.name);
  return found.cells.filter(({ objective }) => frontends.includes(objective));
};

export const createVerifyDesk = (options: VerifyDeskOptions): VerifyDesk => {
  const { ports, region, replica, nowMs, kindOf, system, probe, check, matrices, activeOf } = options;
  const { clock, timers } = ports;
  let last: Round | null = null;

  const look = async (cluster: ClusterConfig, platform: PlatformConfig, regions: readonly string[]): Promise<VerifyReport> => {
    const atMs = Math.round(nowMs());
    const stop = new AbortController();
    // No deadline's word: that nobody waits any longer is not the failure of who was asked, and no breaker counts it.
    const timer = timers.after(ROUND_MS, () => stop.abort(new Error(`it was not looked at within ${ROUND_MS / 1000} s; ask again`)));
    try {
      const lines = await lookAtDeployment(
        {
          platform,
          plan: verifyPlan(platform, cluster, regions, kindOf),
          region,
          system,
          probe: probe(cluster),
          check: check(platform),
          measured: async () => reachedIn(await matrices(), platform),
          active: () => activeOf(cluster, platform).catch(() => null),
        },
        stop.signal,
      );
      const outcome = lines.length > 0 && isAllGood(lines) ? 'good' : 'not-good';
      return { platform: platform.name, outcome, by: { region, replica }, atMs, lines };
    } finally {
      timer.cancel();
      stop.abort(new Error('the round is over'));
    }
  };

  const begin = (of: string, work: () => Promise<VerifyReport>): Promise<VerifyReport> => {
    const report = work();
    const round: Round = { of, report, endedAtMs: null };
    last = round;
    const end = (): void => {
      round.endedAtMs = clock.monoMs();
    };
    report.then(end, end);
    return report;
  };

  return {
    verify(cluster, platform, regions) {
      const of = [cluster.version, platform.name, ...regions].join(' ');
      const agoMs = last === null ? Number.POSITIVE_INFINITY : last.endedAtMs === null ? null : clock.monoMs() - last.endedAtMs;
      if (last !== null && last.of === of && (agoMs === null || agoMs < YOUNG_MS)) return last.report;
      if (agoMs === null || agoMs < PAUSE_MS) {
        const because = 'this replica looks at another deployment, or did a moment ago; ask again in a second, or another replica';
        return Promise.reject(new Fault('ERR_TOO_MANY', because, { busyMs: PAUSE_MS }));
      }
      return begin(of, () => look(cluster, platform, regions));
    },
  };
};
