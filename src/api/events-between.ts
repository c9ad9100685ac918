// What happened between two looks at the cluster, as events; and what a record of the chains is as an event. Pure: the same two looks give the same events.
import type { FeedItem } from '../audit/feed.ts';
import type { Sight } from '../coordinate/read.ts';
import { isInForce } from '../decide/override.ts';
import { speakersOf } from '../health/chamber.ts';
import type { Incident, Override, PoolTally, Verdict } from '../model.ts';
import { poolKey } from '../model.ts';
import { isoTime } from '../ports.ts';
import type { Run } from '../runbook/model.ts';
import type { PlatformConfig } from '../runbook/platform.ts';
import { standingOf } from '../runbook/run.ts';
import type { ApiEvent, EventOf, EventType } from './event-types.ts';

/** An event with the services that it is about; null: all. */
export interface Happening {
  event: ApiEvent;
  services: readonly string[] | null;
}

/** What of a look is compared. */
export interface EventView {
  nowMs: number;
  leader: { region: string; replica: string; epoch: number } | null;
  /** Why each replica that abstains does; null: it speaks. By `region/replica`. */
  voices: ReadonlyMap<string, { region: string; replica: string; because: string | null }>;
  speak: number;
  voters: number;
  pools: ReadonlyMap<string, PoolTally>;
  targets: ReadonlyMap<string, { service: string; verdict: Verdict }>;
  incidents: ReadonlyMap<string, Incident>;
  overrides: ReadonlyMap<string, Override>;
}

/** An order is announced so long before it ends. */
const EXPIRING_MS = 5 * 60_000;
const LISTED_MAX = 50;
const TEXT_MAX = 2_000;

/** `tallies`: as they stand at `nowMs`, cluster time. null: no configuration is known. */
export const eventView = (sight: Sight, tallies: readonly PoolTally[], nowMs: number): EventView | null => {
  const { cluster, leader } = sight;
  if (cluster === null) return null;
  const voters = cluster.regions.filter((r) => r.vote);
  const speaking = speakersOf(sight.heard, cluster);
  return {
    nowMs,
    leader: leader === null || leader.released ? null : { region: leader.region, replica: leader.replica, epoch: leader.epoch },
    voices: new Map(
      sight.heard.map(({ region, replica, vote }) => [
        `${region}/${replica}`,
        { region, replica, because: vote.self.state === 'abstain' ? vote.self.because : null },
      ]),
    ),
    speak: voters.filter(({ name }) => speaking.has(name)).length,
    voters: voters.length,
    pools: new Map(tallies.map((tally) => [poolKey(tally.service, tally.pool), tally])),
    targets: new Map(
      tallies.flatMap(({ service, targets }) => targets.map(({ target, verdict }) => [target, { service, verdict }] as const)),
    ),
    incidents: new Map(sight.incidents.map((incident) => [incident.id, incident])),
    overrides: new Map((sight.overrides?.items ?? []).map((order) => [order.id, order])),
  };
};

/** Oldest cause first: who speaks, what they say, who decides, what came of it. */
export const eventsBetween = (before: EventView, after: EventView): readonly Happening[] => {
  const at = happeningsAt(after.nowMs);
  return [
    ...voices(before, after, at),
    ...verdicts(before, after, at),
    ...office(before, after, at),
    ...incidents(before, after, at),
    ...overrides(before, after, at),
  ];
};

type At = <T extends EventType>(type: T, data: EventOf<T>['data'], services?: readonly string[] | null) => Happening;

export const happeningsAt =
  (atMs: number): At =>
  (type, data, services = null) => ({ event: { type, timestamp: isoTime(Math.round(atMs)), data } as ApiEvent, services });

const voices = (before: EventView, after: EventView, at: At): readonly Happening[] => {
  const changed = [...after.voices].flatMap(([key, { region, replica, because }]) => {
    const was = before.voices.get(key)?.because ?? null;
    if (because !== null && was === null) return [at('vantage.abstained', { region, replica, because })];
    return because === null && was !== null ? [at('vantage.resumed', { region, replica })] : [];
  });
  const could = before.speak * 2 > before.voters;
  const can = after.speak * 2 > after.voters;
  const { speak, voters } = after;
  return could === can ? changed : [...changed, at(can ? 'quorum.restored' : 'quorum.lost', { speak, voters })];
};

const verdicts = (before: EventView, after: EventView, at: At): readonly Happening[] => {
  const targets = [...after.targets].flatMap(([target, { service, verdict }]) => {
    const was = before.targets.get(target)?.verdict;
    return was === undefined || was === verdict
      ? []
      : [at('target.verdict.changed', { target, service, before: was, after: verdict }, [service])];
  });
  const pools = [...after.pools].flatMap(([key, { service, pool, region, verdict, cause, up, total }]) => {
    const was = before.pools.get(key)?.verdict;
    return was === undefined || was === verdict
      ? []
      : [at('pool.verdict.changed', { service, pool, region, before: was, after: verdict, cause, up, total }, [service])];
  });
  return [...targets, ...pools];
};

const office = ({ leader: before }: EventView, { leader: after }: EventView, at: At): readonly Happening[] =>
  after === null || (before !== null && before.epoch === after.epoch) ? [] : [at('coordinator.changed', after)];

const STAGES = { t4: 't4AtMs', t5: 't5AtMs', t6: 't6AtMs' } as const;

const aboutIncident = ({ id, kind, region, services, because }: Incident): EventOf<'failover.started'>['data'] => ({
  incident: id,
  kind,
  region,
  services: [...services],
  because,
});

const incidents = (before: EventView, after: EventView, at: At): readonly Happening[] =>
  [...after.incidents.values()].flatMap((incident) => {
    const was = before.incidents.get(incident.id);
    const opened = was === undefined && incident.closedAtMs === null;
    const closed = was !== undefined && was.closedAtMs === null && incident.closedAtMs !== null;
    return [
      ...(opened ? [at('failover.started', aboutIncident(incident), incident.services)] : []),
      ...(was === undefined && !opened ? [] : steps(was, incident, at)),
      ...(closed ? [at('failover.finished', aboutIncident(incident), incident.services)] : []),
    ];
  });

const steps = (was: Incident | undefined, { id, region, published, t3AtMs }: Incident, at: At): readonly Happening[] =>
  Object.entries(published).flatMap(([service, stamps]) => {
    const told = was?.published[service] ?? {};
    const about = { incident: id, region, service };
    const reached = (['t4', 't5', 't6'] as const).flatMap((stage) => {
      const atMs = stamps[STAGES[stage]];
      if (atMs === undefined || told[STAGES[stage]] !== undefined) return [];
      const data = { ...about, stage, atMs, tookMs: atMs - (stamps.t3AtMs ?? t3AtMs) };
      return [at(stage === 't6' ? 'failover.converged' : 'failover.step', data, [service])];
    });
    const { because } = stamps;
    return because === undefined || told.because !== undefined
      ? reached
      : [...reached, at('failover.failed', { ...about, because: because.slice(0, TEXT_MAX) }, [service])];
  });

const aboutOverride = ({ id, kind, scope, reason, owner, expiresAtMs }: Override): EventOf<'override.started'>['data'] => ({
  id,
  kind,
  scope,
  reason,
  owner,
  expiresAtMs,
});

const overrides = (before: EventView, after: EventView, at: At): readonly Happening[] => {
  const about = (type: 'override.started' | 'override.expiring' | 'override.expired', order: Override): Happening =>
    at(type, aboutOverride(order), order.scope.service === undefined ? null : [order.scope.service]);
  const isOn = (order: Override | undefined, nowMs: number): boolean => order !== undefined && isInForce(order, nowMs);
  const isEnding = (order: Override | undefined, nowMs: number): boolean =>
    order !== undefined &&
    isOn(order, nowMs) &&
    order.expiresAtMs - order.createdAtMs > EXPIRING_MS &&
    order.expiresAtMs - nowMs <= EXPIRING_MS;
  const now = [...after.overrides.values()].flatMap((order) => {
    const was = before.overrides.get(order.id);
    const [on, wasOn] = [isOn(order, after.nowMs), isOn(was, before.nowMs)];
    return [
      ...(on && !wasOn ? [about('override.started', order)] : []),
      ...(isEnding(order, after.nowMs) && !isEnding(was, before.nowMs) ? [about('override.expiring', order)] : []),
    ];
  });
  // Told by the clock, whether or not the decision that takes it out has come; one that was taken back before is in the journal.
  const expired = [...before.overrides.values()].filter((order) => {
    const there = after.overrides.get(order.id) ?? order;
    return isOn(order, before.nowMs) && there.expiresAtMs <= after.nowMs;
  });
  return [...now, ...expired.map((order) => about('override.expired', order))];
};

/**
 * What became of runs between two looks: each as a whole, then its steps in the order of the plan. Of one that is new only that it is there. `platforms`: as
 * configured, for the services that they move.
 */
export const runsBetween = (
  before: readonly Run[],
  after: readonly Run[],
  platforms: readonly PlatformConfig[],
  nowMs: number,
): readonly Happening[] => {
  const at = happeningsAt(nowMs);
  const were = new Map(before.map((run) => [run.id, run]));
  return after.flatMap((run) => {
    const was = were.get(run.id);
    const services = platforms.find(({ name }) => name === run.platform)?.services ?? [];
    const tell = (step: string | null, { state, because }: { state: string; because: string }): Happening =>
      at(
        'run.changed',
        { run: run.id, platform: run.platform, purpose: run.purpose, step, state, because: because.slice(0, TEXT_MAX) },
        services.length === 0 ? null : services,
      );
    const steps = was === undefined ? [] : run.plan.filter(({ id }) => standingOf(was, id).state !== standingOf(run, id).state);
    return [...(was?.state === run.state ? [] : [tell(null, run)]), ...steps.map(({ id }) => tell(id, standingOf(run, id)))];
  });
};

/** A record of the chains. */
export const recordHappening = (item: FeedItem): Happening => {
  const at = happeningsAt(item.record.atMs);
  if (item.chain === 'journal') {
    const { kind, n, v, by, how, because, detail } = item.record;
    const { service, services } = detail as { service?: unknown; services?: unknown };
    const named = Array.isArray(services) ? services : typeof service === 'string' ? [service] : null;
    return at(kind, { n, v, by, how, because, detail }, named === null ? null : named.map(String));
  }
  const { v, epoch, by, because, wouldChange, changes, holds } = item.record;
  const leftOut = Math.max(0, changes.length - LISTED_MAX) + Math.max(0, holds.length - LISTED_MAX);
  const services = [...new Set([...changes, ...holds].map((each) => each.service))];
  const data: EventOf<'decision.made'>['data'] = {
    v,
    epoch,
    by,
    because: because.slice(0, TEXT_MAX),
    wouldChange: wouldChange.slice(0, TEXT_MAX),
    changes: changes.slice(0, LISTED_MAX).map((change) => ({ ...change })),
    holds: holds.slice(0, LISTED_MAX).map((hold) => ({ ...hold })),
    leftOut,
  };
  return at('decision.made', data, services.length === 0 ? null : services);
};
