// Who hears what the replica tells of itself: the metrics, the recorder, the desk, the stream of events, and the coordinator's duties.
import { lately } from '../api/documents.ts';
import type { EventHub } from '../api/events.ts';
import { microDrillGauges } from '../api/proofs.ts';
import type { SpentDuty } from '../api/spent.ts';
import type { createAuditDuty } from '../audit/retention.ts';
import type { createConvergeDuties } from '../converge/duties.ts';
import type { createConvergeWatcher } from '../converge/watcher.ts';
import { proofsIn } from '../coordinate/read.ts';
import type { Shadow } from '../drill/shadow.ts';
import { Fault } from '../errors.ts';
import type { Desk } from '../paging/desk.ts';
import type { Recorder } from '../record/recorder.ts';
import type { ReplicaEvents } from '../replica.ts';
import type { Reports } from './desk.ts';
import type { Part } from './part.ts';
import type { Runbooks } from './runbooks.ts';
import type { SelfWatch } from './selfcheck.ts';

export interface Hearers {
  desk: Desk;
  reports: Reports;
  recorder: Recorder | null;
  shadow: Shadow;
  events: EventHub;
  selfWatch: SelfWatch;
  watcher: ReturnType<typeof createConvergeWatcher>;
  duties: ReturnType<typeof createConvergeDuties>;
  auditDuty: ReturnType<typeof createAuditDuty>;
  spentDuty: SpentDuty;
  runbooks: Pick<Runbooks, 'turn' | 'rest'>;
}

/** What is counted and recorded, and decides nothing here. */
const counted = ({ metrics }: Part, { recorder }: Hearers): Partial<ReplicaEvents> => ({
  look(key, spec, outcome, lateByMs) {
    const [service = '', pool = ''] = key.split('/');
    metrics.probe({
      kind: spec.kind,
      service,
      pool,
      outcome: outcome.saw === 'fault' ? outcome.reason : outcome.saw,
      tookMs: outcome.saw === 'nothing' ? null : outcome.tookMs,
    });
    metrics.probeLateness(lateByMs);
  },
  vote: (vote) => metrics.abstaining(vote.self.state === 'abstain'),
  input: (input) => recorder?.input(input),
  decision: (next) => metrics.decision(next.audit.changes.length > 0 ? 'route' : next.audit.holds.length > 0 ? 'hold' : 'memory'),
  write: (provider, outcome, tookMs) => metrics.providerWrite(provider, outcome, tookMs),
  settled: (provider, ended, tookMs) => metrics.providerSettled(provider, ended, tookMs),
  canary: (provider, stage, tookMs) => metrics.canary(provider, stage, tookMs),
  canaryFailed: (provider, stage) => metrics.canaryFailed(provider, stage),
  proven: (provider, phase, tookMs) => metrics.proven(provider, phase, tookMs),
  observed: (provider, service, shares) => recorder?.note({ kind: 'observed', provider, service, shares }),
});

export const hearing = (part: Part, hearers: Hearers): Partial<ReplicaEvents> => {
  const { context, metrics, seen } = part;
  const { desk, reports, recorder, shadow, events, selfWatch, watcher, duties, auditDuty, spentDuty, runbooks } = hearers;
  return {
    ...counted(part, hearers),
    nameTaken: (because) => context.onFatal?.(new Fault('ERR_NAME_TAKEN', because)),
    configConflict: reports.configConflict,
    sight(sight, nowMs) {
      seen.answered();
      recorder?.sight(sight, nowMs, seen.isCoordinator());
      events.look(sight, seen.tallies, nowMs);
      metrics.votesRefused(sight.refused.length);
      const { cluster, routing } = sight;
      if (cluster === null) return;
      reports.sight(sight, cluster);
      selfWatch.follow(cluster);
      if (routing !== null) watcher.update({ cluster, routing });
    },
    role({ role }) {
      metrics.coordinator(role === 'coordinator');
      shadow.rest();
      if (role !== 'coordinator') {
        runbooks.rest();
        return;
      }
      metrics.takeover();
      desk.inOffice();
    },
    turn(sight, nowMs, term) {
      metrics.coordinatorTick(context.ports.clock.wallMs());
      shadow.turn(sight, nowMs);
      auditDuty.turn(sight, nowMs, term);
      spentDuty.turn(nowMs, term);
      runbooks.turn(sight, nowMs, term);
      return duties.turn(sight, nowMs, term);
    },
  };
};

/** Worked out at a scrape, not at every turn: with thousands of targets the full tally is not free. */
export const measureState = ({ metrics, seen, config, context }: Part): void => {
  // Several families of one scrape ask for them.
  const tallies = lately(context.ports.clock, seen.tallies);
  metrics.state({
    get tallies() {
      return tallies();
    },
    get routing() {
      return seen.sight()?.routing ?? null;
    },
    get overrides() {
      return seen.sight()?.overrides ?? null;
    },
    get microDrills() {
      const sight = seen.sight();
      return sight === null ? [] : microDrillGauges(config.canaries ?? [], proofsIn(sight), seen.paths()?.drills() ?? []);
    },
    get versions() {
      return seen.fleet()?.versions.length ?? 0;
    },
    get nowMs() {
      return seen.nowMs();
    },
  });
};
