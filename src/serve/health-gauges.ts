// What alerts are told of this replica and its cluster: the facts of GET /api/health/detail as gauges, and when its credentials end.
import { type HealthFacts, healthDetail } from '../api/health-detail.ts';
import type { StatusInShort } from '../api/status.ts';
import { voiceOfRegion } from '../api/vantage-card.ts';
import { endsIn, namedFiles } from '../doctor/instruments/files.ts';
import { weakestOf } from '../health/electorate.ts';
import { quorumOf } from '../health/timing.ts';
import type { HealthGauges, VantageState } from '../health-metrics.ts';
import { type Clock, isoTime } from '../ports.ts';
import type { Part } from './part.ts';

/** Certificates live for weeks; a scrape comes every few seconds. */
const FILES_EVERY_MS = 60_000;

const STATES = { ok: 'speaks', abstain: 'abstains', silent: 'silent' } as const;

const stateOf = (region: string, { votes }: StatusInShort): VantageState =>
  STATES[voiceOfRegion(votes.vantages.filter((each) => each.region === region))];

const pagesOf = ({ paging: { pages, oldestAtMs }, status }: HealthFacts): HealthGauges['pages'] =>
  pages === null || status === null
    ? null
    : { waiting: pages, oldestAgeMs: oldestAtMs === null ? 0 : Math.max(0, status.clusterTimeMs - oldestAtMs) };

export const gaugesOf = (facts: HealthFacts): Omit<HealthGauges, 'expiring'> => {
  const { status, cluster } = facts;
  const voters = cluster?.regions.filter(({ vote }) => vote) ?? [];
  const vantages = status === null || cluster === null ? [] : voters.map(({ name }) => ({ vantage: name, state: stateOf(name, status) }));
  const speakers = new Set(vantages.filter(({ state }) => state === 'speaks').map(({ vantage }) => vantage));
  return {
    checks: Object.entries(healthDetail(facts, isoTime).checks).flatMap(([check, those]) =>
      those.map(({ componentId = '', status }) => ({ check, component: componentId, status })),
    ),
    vantages,
    votesNeeded: cluster === null ? null : quorumOf(voters.length),
    votesSpare: status === null || cluster === null ? null : weakestOf(cluster, speakers).spare,
    configVersion: cluster?.version ?? null,
    storeAnswerAgeMs: facts.store.answeredAgoMs,
    clockSkewMs: facts.fleet?.skewMs ?? null,
    loopDelayMs: facts.loopDelayMs,
    pages: pagesOf(facts),
    databases: (facts.databases ?? []).map(({ platform, database, writer, split }) => ({
      platform,
      database,
      isSplit: split !== null,
      isProved: writer !== null && split === null,
    })),
  };
};

/** A token that has ended lies there and harms nobody; a certificate that has is still shown to others. */
const shownOf = (what: string, untilMs: number, wallMs: number): HealthGauges['expiring'] => {
  if (!what.startsWith('token ')) return [{ what, untilMs }];
  return untilMs <= wallMs ? [] : [{ what: what.replace(/^token .* of /, 'token of '), untilMs }];
};

/** The files are read at most once a minute; one that cannot be read is the doctor's to tell. */
const expiringOf = ({ config }: Part, clock: Clock): (() => HealthGauges['expiring']) => {
  let read: { atMs: number; expiring: HealthGauges['expiring'] } | null = null;
  return () => {
    const nowMs = clock.monoMs();
    if (read === null || nowMs - read.atMs >= FILES_EVERY_MS) {
      const found = endsIn(namedFiles(config)).flatMap(({ what, untilMs }) =>
        untilMs === null ? [] : shownOf(what, untilMs, clock.wallMs()),
      );
      // Of two of one name, the one that ends first is shown.
      read = { atMs: nowMs, expiring: found.sort((a, b) => b.untilMs - a.untilMs) };
    }
    return read.expiring;
  };
};

export const measureHealth = (part: Part, facts: () => HealthFacts): void => {
  const expiring = expiringOf(part, part.context.ports.clock);
  let made: { of: HealthFacts; gauges: HealthGauges } | null = null;
  part.metrics.health(() => {
    const of = facts();
    // A scrape asks for each family: the facts are judged once.
    if (made?.of !== of) made = { of, gauges: { ...gaugesOf(of), expiring: expiring() } };
    return made.gauges;
  });
};
