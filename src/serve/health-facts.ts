// What GET /api/health/detail is made of: this replica's dependencies as they are now.
import type { HealthFacts } from '../api/health-detail.ts';
import { beatKey, KEYS } from '../coordinate/keys.ts';
import type { Desk } from '../paging/desk.ts';
import type { Recorder } from '../record/recorder.ts';
import type { SystemStanding } from '../runbook/open.ts';
import type { Part } from './part.ts';

export const healthFacts = (
  { config: { region, replica, store: named }, context: { ports, version }, seen, store }: Part,
  {
    desk,
    recorder,
    loopDelayMs,
    runs,
    systems,
    databases,
  }: {
    desk: Desk;
    recorder: Recorder | null;
    loopDelayMs: () => number | null;
    runs: () => HealthFacts['runs'];
    systems: () => readonly SystemStanding[];
    databases: () => NonNullable<HealthFacts['databases']>;
  },
): HealthFacts => ({
  version,
  status: seen.short(),
  cluster: seen.cluster(),
  fleet: seen.fleet(),
  wallMs: ports.clock.wallMs(),
  store: {
    kind: named.kind,
    answeredAgoMs: seen.answeredAgoMs(),
    lastTookMs: store.lastTookMs(),
    beatAgeMs: seen.ageMs(beatKey(region, replica)),
    complaint: store.complaint(),
    rev: seen.sight()?.rev ?? null,
  },
  leaderAgeMs: seen.ageMs(KEYS.leader),
  loopDelayMs: loopDelayMs(),
  paging: desk.backlog(),
  recorder: recorder?.standing() ?? null,
  paths: seen.paths(),
  runs: runs() ?? null,
  systems: systems(),
  databases: databases(),
});
