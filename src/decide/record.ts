// The records of a decision: the routing record, its audit, the incidents and pages, all told from the same stories. Pure.

import { isFresh } from '../health/chamber.ts';
import type { Audit, PoolTally, Routing, ServiceRouting } from '../model.ts';
import { type OrderNews, orderPages, reminderPages, toldIn } from './announce.ts';
import { FAIL_OPEN } from './bench.ts';
import { counterfactual, grouped, sentenceOf, shift } from './explain.ts';
import { tell } from './incident.ts';
import { activeOverrides, stopOn } from './override.ts';
import { remindersOf, rulesOn } from './safety.ts';
import type { Decision, Snapshot } from './snapshot.ts';
import type { Happening, ServiceStory } from './story.ts';

export interface Composing {
  snapshot: Snapshot;
  before: Routing;
  stories: readonly ServiceStory[];
  tallies: readonly PoolTally[];
  /** News of orders that are due. */
  orders: readonly OrderNews[];
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
    ended: before.ended ?? {},
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
  const about = { cluster, v, nonce, nowMs };
  const reminders = reminderPages(
    about,
    stories,
    (service) => before.services[service]?.reminded ?? [],
    (story, reminder) => reminderOf(story, before.services[story.service.name], reminder, c),
  );
  const pages = [...told.pages, ...orderPages(about, c.orders), ...reminders];
  const overrides = toldIn(snapshot.overrides, c.orders, nonce);
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
      ...(Object.keys(told.ended).length === 0 ? {} : { ended: told.ended }),
      services,
    },
    ...(overrides === null ? {} : { overrides }),
    incidents: told.incidents,
    pages,
    audit: auditOf(c, because),
  };
};

/** The sentence of a rule that reminds of something. */
const reminderOf = (story: ServiceStory, known: ServiceRouting | undefined, reminder: string, c: Composing): string => {
  const { policy } = c.snapshot.cluster;
  const all = known === undefined ? [] : remindersOf(story.service, { ...known, mode: story.mode }, policy.safety, c.nowMs);
  return all.find(({ rule, stage }) => `${rule}:${stage}` === reminder)?.because ?? story.service.name;
};

const SAID: Readonly<Record<OrderNews['news'], string>> = {
  started: 'begins',
  expiring: 'ends soon',
  'break-glass': 'passes the safety rules',
  replaced: 'is set aside for a newer one',
  expired: 'expired',
};

const isReminded = (c: Composing, s: ServiceStory): boolean =>
  s.ledger.reminded?.some((each) => c.before.services[s.service.name]?.reminded?.includes(each) !== true) === true;

const becauseOf = (c: Composing): string => {
  const { policy } = c.snapshot.cluster;
  const facts = grouped(c.stories.flatMap((s) => s.happenings)).map((g) => sentenceOf(g, policy.rampStepMs, policy.ramp, c.nowMs));
  const begun = c.stories.filter((s) => s.started).map((s) => s.service.name);
  const orders = c.orders.map(({ order, news }) => `override ${order.id} ${SAID[news]}`);
  const reminded = c.stories.filter((s) => s.ledger.reminded !== undefined && isReminded(c, s)).map((s) => s.service.name);
  const all = [...facts, ...modes(c), ...realigned(c), ...orders];
  if (reminded.length > 0) all.push(`a drill is due for ${reminded.length <= 3 ? reminded.join(', ') : `${reminded.length} services`}`);
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
      if (was.upAtMs === null && memory.upAtMs !== null)
        return `${region} up again; ${memory.latched ? 'latched out until a human acts' : 'traffic returns after the recovery hold'}`;
      if (was.upAtMs !== null && memory.upAtMs === null && memory.state === 'out')
        return `${region} in doubt again${memory.latched ? '' : ' before its recovery hold ended'}`;
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
  ...s.ledger,
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

/** Holds as the audit has them: moves that are held, and orders that a rule or never-empty keeps from being obeyed. */
const holdsIn = (h: Happening): Audit['holds'] => {
  const { service, pool } = h;
  if (h.kind === 'held') {
    const { hold, refusal } = h;
    return [
      { service, pool, hold, because: refusal?.because ?? hold, ...(refusal === null ? {} : { refusal: { service, pool, ...refusal } }) },
    ];
  }
  const why = h.kind === 'refused' ? h.why : h.kind === 'pin-kept' ? h.refusal : null;
  if (why === null || why === 'never-empty' || why === 'frozen') return [];
  return [{ service, pool, hold: `rule:${why.rule}`, because: why.because, refusal: { service, pool, ...why } }];
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
    holds: happenings.flatMap(holdsIn),
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
    rules: [
      ...new Set(
        [c.snapshot.cluster.policy.safety, ...c.stories.map((s) => rulesOn(c.snapshot.cluster, s.service.name))].flatMap(Object.keys),
      ),
    ],
    prevHash: c.before.auditHash,
  };
};
