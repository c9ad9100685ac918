// The records of a decision: the routing record, its audit, the incidents and pages, all told from the same stories. Pure.

import { isFresh } from '../health/chamber.ts';
import type { Audit, Override, Overrides, PoolTally, Routing, ServiceRouting } from '../model.ts';
import { FAIL_OPEN } from './bench.ts';
import { counterfactual, grouped, sentenceOf, shift } from './explain.ts';
import { page, tell } from './incident.ts';
import { activeOverrides, stopOn } from './override.ts';
import type { Decision, Snapshot } from './snapshot.ts';
import type { Happening, ServiceStory } from './story.ts';

export interface Composing {
  snapshot: Snapshot;
  before: Routing;
  stories: readonly ServiceStory[];
  tallies: readonly PoolTally[];
  expired: readonly Override[];
  regionDrainsAtMs: Routing['regionDrainsAtMs'];
  v: number;
  nowMs: number;
}

/** The records of one decision, to be committed together. */
export const compose = (c: Composing): NonNullable<Decision['next']> => {
  const { snapshot, before, stories, v, nowMs } = c;
  const { cluster, nonce, epoch } = snapshot;
  const witnesses = [...new Set(snapshot.heard.filter((h) => isFresh(h, cluster)).map((h) => h.region))].sort();
  const told = tell({
    cluster,
    stories,
    tallies: c.tallies,
    incidents: snapshot.incidents,
    open: before.open,
    witnesses,
    v,
    epoch,
    nonce,
    nowMs,
  });
  const because = becauseOf(c);
  const services = Object.fromEntries(
    stories.map((s) => [s.service.name, serviceRouting(s, before.services[s.service.name], because, v, nonce, nowMs)]),
  );
  const pages = [
    ...told.pages,
    ...c.expired.map((o) =>
      page(
        { cluster, v, nonce, nowMs },
        'override.expired',
        'info',
        `override ${o.id} (${o.kind}) of ${o.owner} expired: ${o.reason}`,
        `override-${o.id}`,
        { override: o },
      ),
    ),
  ];
  const overrides = c.expired.length === 0 ? null : withoutExpired(snapshot.overrides, c.expired, nonce);
  return {
    routing: {
      v,
      epoch,
      nonce,
      atMs: nowMs,
      membersVersion: cluster.version,
      because,
      regionDrainsAtMs: c.regionDrainsAtMs,
      auditHash: '',
      open: told.open,
      services,
    },
    ...(overrides === null ? {} : { overrides }),
    incidents: told.incidents,
    pages,
    audit: auditOf(c, because),
  };
};

const withoutExpired = (overrides: Overrides | null, expired: readonly Override[], nonce: string): Overrides => ({
  version: (overrides?.version ?? 0) + 1,
  nonce,
  items: (overrides?.items ?? []).filter((o) => !expired.includes(o)),
});

const becauseOf = (c: Composing): string => {
  const { policy } = c.snapshot.cluster;
  const facts = grouped(c.stories.flatMap((s) => s.happenings)).map((g) => sentenceOf(g, policy.rampStepMs, policy.ramp, c.nowMs));
  const begun = c.stories.filter((s) => s.started).map((s) => s.service.name);
  const expired = c.expired.map((o) => `override ${o.id} expired`);
  const all = [...facts, ...modes(c), ...realigned(c), ...expired];
  if (begun.length > 0) all.push(`first verdicts of ${begun.length <= 3 ? begun.join(', ') : `${begun.length} services`}: routes decided`);
  if (all.length > 0) return all.join('; ');
  if (c.before.v === 0) return `cluster ${c.snapshot.cluster.name} configured; waiting for first verdicts`;
  if (c.before.membersVersion !== c.snapshot.cluster.version) return `configuration ${c.snapshot.cluster.version} took effect`;
  return quietBecause(c);
};

/** Services whose adopted route is not held any more: shares go back to what the configuration and their pools' memory ask for. */
const realigned = (c: Composing): readonly string[] => {
  if (c.before.membersVersion !== c.snapshot.cluster.version) return [];
  const names = c.stories
    .filter((s) => s.moved && !s.started && s.happenings.length === 0 && !endsFailOpen(c, s))
    .map((s) => s.service.name);
  return names.length === 0 ? [] : [`shares of ${names.length <= 3 ? names.join(', ') : `${names.length} services`} as configured again`];
};

const endsFailOpen = (c: Composing, s: ServiceStory): boolean =>
  Object.entries(c.before.services[s.service.name]?.pools ?? {}).some(
    ([pool, was]) => was.told.includes(FAIL_OPEN) && s.memories[pool]?.told.includes(FAIL_OPEN) !== true,
  );

/** Services whose effective mode changed, and who is behind it. */
const modes = (c: Composing): readonly string[] => {
  const changed = c.stories.filter(
    (s) => c.before.services[s.service.name] !== undefined && c.before.services[s.service.name]?.mode !== s.mode,
  );
  const first = changed[0];
  if (first === undefined) return [];
  const order = stopOn(activeOverrides(c.snapshot.overrides, c.nowMs), first.service);
  const who = changed.length <= 2 ? changed.map((s) => s.service.name).join(', ') : `${changed.length} services`;
  return [`${who} now in ${first.mode}${order === undefined ? '' : `: every write stopped by ${order.owner}: ${order.reason}`}`];
};

/** A change of memory that moved nothing and held nothing: an outage mark, the start of a recovery hold. */
const quietBecause = (c: Composing): string => {
  for (const s of c.stories)
    for (const [pool, memory] of Object.entries(s.memories)) {
      const was = c.before.services[s.service.name]?.pools[pool];
      if (was === undefined || was === memory) continue;
      const region = s.service.pools.find((p) => p.name === pool)?.region ?? pool;
      if (was.upAtMs === null && memory.upAtMs !== null) return `${region} up again; traffic returns after the recovery hold`;
      if (was.upAtMs !== null && memory.upAtMs === null && memory.state === 'out')
        return `${region} in doubt again before its recovery hold ended`;
      if (was.outAtMs !== null && memory.outAtMs === null) return `${region} no longer held out by a quorum`;
      const ended = was.told.find((tag) => !memory.told.includes(tag));
      if (ended !== undefined) return `${region} no longer ${ended}`;
    }
  const told = c.tallies.find((t) => t.verdict === 'out' && t.cause === 'down' && c.before.open[t.region] !== undefined);
  return told === undefined ? 'memory updated; nothing moves' : `${told.region} is down, not only unready; its traffic has left already`;
};

const serviceRouting = (
  s: ServiceStory,
  prior: ServiceRouting | undefined,
  because: string,
  v: number,
  nonce: string,
  nowMs: number,
): ServiceRouting => ({
  fence: s.moved ? v : (prior?.fence ?? 0),
  ...(s.moved ? { nonce } : prior?.nonce === undefined ? {} : { nonce: prior.nonce }),
  sinceAtMs: prior?.sinceAtMs ?? nowMs,
  mode: s.mode,
  route: s.after,
  because: s.moved ? because : (prior?.because ?? because),
  pools: s.memories,
});

/** Largest number of endpoints whose ballots an audit record repeats; the rest is in the votes. */
const BALLOTS_MAX = 32;

/** Who said what of the endpoints behind these, and what was counted from it. */
const ballotsOf = (happenings: readonly Happening[]): Readonly<Record<'ballots' | 'counts', Readonly<Record<string, unknown>>>> => {
  const ballots: Record<string, unknown> = {};
  const counts: Record<string, unknown> = {};
  let n = 0;
  for (const { tally } of happenings)
    for (const { endpoints } of tally.targets)
      for (const { key, ballots: cast, verdict, down, up, electorate, needs, firstFaultAtMs } of Object.values(endpoints)) {
        if (n++ === BALLOTS_MAX) return { ballots, counts };
        ballots[key] = cast;
        counts[key] = { verdict, down, up, electorate, needs, firstFaultAtMs };
      }
  return { ballots, counts };
};

const auditOf = (c: Composing, because: string): Audit => {
  const happenings = c.stories.flatMap((s) => s.happenings);
  return {
    v: c.v,
    epoch: c.snapshot.epoch,
    atMs: c.nowMs,
    by: c.snapshot.by,
    because,
    wouldChange: counterfactual(c.stories),
    changes: c.stories
      .filter((s) => s.moved)
      .map((s) => ({ service: s.service.name, before: s.before, after: s.after, because: shift(s) })),
    holds: happenings.flatMap((h) => (h.kind === 'held' ? [{ service: h.service, pool: h.pool, hold: h.hold, because: h.hold }] : [])),
    votes: {
      heard: c.snapshot.heard.map((h) => ({
        region: h.region,
        replica: h.replica,
        seq: h.vote.seq,
        self: h.vote.self,
        ageMs: Number.isFinite(h.ageMs) ? Math.round(h.ageMs) : null,
      })),
      ...ballotsOf(happenings),
    },
    rules: Object.keys(c.snapshot.cluster.policy.safety),
    prevHash: c.before.auditHash,
  };
};
