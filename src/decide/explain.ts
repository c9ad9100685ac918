// Sentences. A decision carries the one sentence with the numbers that page, API, dashboard and scenario file print; nobody else words it.
import { causeOf } from '../health/verdict.ts';
import type { EndpointTally, Override, PoolTally, Verdict } from '../model.ts';
import { SERVICE } from './bench.ts';
import type { Happening, ServiceStory } from './story.ts';

const seconds = (ms: number): string => (ms < 0 ? '0' : ms < 9_950 ? (ms / 1000).toFixed(1) : String(Math.round(ms / 1000)));
const plural = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** The endpoint whose votes speak loudest against this pool. */
export const evidenceOf = (tally: PoolTally): EndpointTally | undefined =>
  tally.targets
    .filter((t) => t.verdict !== 'up')
    .flatMap((t) => Object.values(t.endpoints))
    .toSorted((a, b) => Number(b.verdict === 'down') - Number(a.verdict === 'down') || b.down - a.down || a.up - b.up)[0];

/** `eu-west down: 3 of 4 vantages (needs 3), first fault 6.1 s ago`. */
export const whyOut = (region: string, cause: Verdict, tally: PoolTally, nowMs: number): string => {
  const e = evidenceOf(tally);
  if (e === undefined) return `${region} ${cause}`;
  const since = e.firstFaultAtMs === null ? '' : `, first fault ${seconds(nowMs - e.firstFaultAtMs)} s ago`;
  const targets = tally.total > 1 ? `, ${tally.up} of ${tally.total} targets up (needs ${tally.minUp})` : '';
  return `${region} ${cause}: ${e.down} of ${e.electorate} vantages (needs ${e.needs})${since}${targets}`;
};

/**
 * `eu-west gray: 2 of 3 vantages (needs 2) see more errors than 1 % on web/eu-west/app /readyz`, of the first target that most regions call gray. null: none
 * does. `acceptable` in thousandths.
 */
export const whyGray = (region: string, tallies: readonly PoolTally[], acceptable: number): string | null => {
  const all = tallies.flatMap(({ targets }) => targets.flatMap(({ target, gray }) => (gray === undefined ? [] : [{ target, ...gray }])));
  const worst = all.toSorted((a, b) => b.regions.length - a.regions.length)[0];
  if (worst === undefined) return null;
  const alike = all.filter((g) => g.regions.length >= g.needs).length - 1;
  const where = `${worst.target} ${worst.endpoints.map((e) => `/${e}`).join(' and ')}${alike > 0 ? ` and ${plural(alike, 'target')} more` : ''}`;
  return `${region} gray: ${worst.regions.length} of ${worst.electorate} vantages (needs ${worst.needs}) see more errors than ${acceptable / 10} % on ${where}`;
};

/** What would have changed the outcome, in votes. */
export const counterfactual = (stories: readonly ServiceStory[]): string => {
  const drained = stories.flatMap((s) => s.happenings).find((h) => h.kind === 'drained');
  if (drained !== undefined) {
    const e = evidenceOf(drained.tally);
    if (e === undefined) return '';
    const fewer = e.down - e.needs + 1;
    return `with ${plural(fewer, 'DOWN vote')} fewer (${e.down} cast, needs ${e.needs} of ${e.electorate}) ${drained.region} would have kept its traffic`;
  }
  const held = stories.flatMap((s) => s.happenings).find((h) => h.kind === 'held');
  return held === undefined ? '' : `without the hold "${held.hold}" ${held.region} would have been drained now`;
};

const groupKey = (h: Happening): string => {
  switch (h.kind) {
    case 'drained':
      return `drained ${h.region} ${h.cause}`;
    case 'held':
    case 'freed':
      return `${h.kind} ${h.hold} ${h.hold === 'all-down' ? '' : h.region}`;
    case 'ordered':
      return `${h.kind} ${h.override.id} ${h.region}`;
    case 'refused':
      return `${h.kind} ${h.override.id} ${h.region} ${typeof h.why === 'string' ? h.why : h.why.because}`;
    case 'forced':
      return `${h.kind} ${h.override.id} ${h.region}`;
    case 'pinned':
      return `${h.kind} ${h.override.id}`;
    case 'unpinned':
    case 'pin-kept':
    case 'pin-aside':
      return `${h.kind} ${h.id}`;
    case 'warned':
      return `${h.kind} ${h.rule} ${h.because}`;
    case 'stage':
      return `stage ${h.region} ${h.stage} ${h.restarted}`;
    case 'failed-open':
      return h.kind;
    case 'released':
      return `${h.kind} ${h.region} ${h.tally.verdict === 'out' ? 'out' : ''}`;
    default:
      return `${h.kind} ${h.region}`;
  }
};

/** Happenings that are one fact to a human: fifty services of one region are told once. */
export const grouped = (happenings: readonly Happening[]): readonly (readonly Happening[])[] => [
  ...Map.groupBy(happenings, groupKey).values(),
];

const who = (group: readonly Happening[]): string => {
  const services = [...new Set(group.map((h) => h.service))];
  return services.length <= 2 ? services.join(', ') : `${services.length} services`;
};

/** One sentence for a group of like happenings. */
export const sentenceOf = (group: readonly Happening[], stepMs: number, ramp: readonly number[], nowMs: number): string => {
  const h = group[0];
  if (h === undefined) return '';
  switch (h.kind) {
    case 'drained':
      return `${whyOut(h.region, h.cause, h.tally, nowMs)}; traffic leaves${h.latched ? `; latched out after ${h.drains} drains until a human acts` : ''}`;
    case 'held':
      return holdSentence(h, who(group), nowMs);
    case 'freed':
      return `${h.region}: hold ${h.hold} ended`;
    case 'returning':
      return `${h.region} up for ${seconds(h.holdMs)} s with no vantage against; returns with ${(ramp[0] ?? 1000) / 10} %`;
    case 'stage':
      return h.restarted
        ? `${h.region} in doubt again: back to ${(ramp[h.stage] ?? 1000) / 10} %`
        : `${h.region} still up after ${seconds(stepMs)} s: ${(ramp[h.stage] ?? 1000) / 10} %`;
    case 'returned':
      return h.early ? `${h.region} is up and takes traffic at once: nobody else can` : `${h.region} carries its full share again`;
    case 'scaled':
      return `${h.region}: ${h.tally.up} of ${h.tally.total} targets up${h.gray > 0 ? `, ${h.gray} gray` : ''}, share scaled to ${h.scale / 10} %`;
    case 'ordered':
      return `${h.region} ${h.override.kind === 'evacuate' ? 'evacuated' : 'drained'} by ${byWhom(h.override)}`;
    case 'forced':
      return `${h.region} counts as up by ${byWhom(h.override)}${h.tally.verdict === 'out' ? `; the votes say ${whyOut(h.region, causeOf(h.tally), h.tally, nowMs)}` : ''}`;
    case 'force-over':
      return `${h.region}: that it counts as up by a human ended; ${h.tally.verdict === 'out' ? `the votes say ${whyOut(h.region, causeOf(h.tally), h.tally, nowMs)}` : 'it stays in'}`;
    case 'pinned':
      return `shares of ${h.service} pinned by ${byWhom(h.override)}${h.instead.length > 0 ? `; it is newer than ${h.instead.join(', ')}` : ''}`;
    case 'unpinned':
      return `shares of ${h.service} are no longer pinned (${h.id})`;
    case 'pin-kept':
      return `the pin ${h.id} of ${h.service} ended, but its shares stay for now: ${h.refusal.because}`;
    case 'pin-aside':
      return `the pin ${h.id} of ${h.service} is set aside: no pool that it gives traffic to can carry any; the others share by their configured weights`;
    case 'warned':
      return `${h.rule}: ${h.because}`;
    case 'released':
      return `${h.region}: the drain by a human ended${h.tally.verdict === 'out' ? `; ${whyOut(h.region, causeOf(h.tally), h.tally, nowMs)}: no traffic returns before it is up` : ''}`;
    case 'set-aside':
      return `${h.region}: the drain by a human is set aside, because every other pool is down`;
    case 'refused':
      return refusedSentence(h, who(group));
    case 'failed-open':
      return `no pool of ${who(group)} has been up for ${seconds(h.afterMs)} s: the configured route is served`;
    case 'suspect':
      return `${h.region} suspect: /healthz fails at a quorum while /readyz answers; no traffic moves`;
    case 'gray':
      return `${whyGray(
        h.region,
        group.map((each) => each.tally),
        h.acceptable,
      )}; ${group.some((each) => each.kind === 'gray' && each.cut) ? 'its share is cut' : 'nothing moved'}`;
    case 'gray-over':
      return h.acceptable === null
        ? `${h.region} no longer gray: nobody looks for it any more`
        : `${h.region} no longer gray: too few vantages see more errors than ${h.acceptable / 10} %`;
    case 'unready-long':
      return `${h.region} unready for ${seconds(h.forMs)} s`;
    case 'out-in-drill':
      return `${whyOut(h.region, causeOf(h.tally), h.tally, nowMs)}, while ${h.override.owner} keeps its traffic away as a drill (${h.override.id})`;
  }
};

/** `alice: kernel upgrade (OPS-12)`. */
const byWhom = ({ owner, by, reason, ticket }: Override): string =>
  `${owner}${by === undefined || by === owner ? '' : ` (${by})`}: ${reason}${ticket === undefined ? '' : ` (${ticket})`}`;

const NOUNS: Readonly<Record<Override['kind'], string>> = {
  drain: 'drain',
  'force-in': 'force-in',
  pin: 'pin',
  freeze: 'freeze',
  evacuate: 'evacuation',
  stop: 'stop',
};

const refusedSentence = ({ override, why, region }: Happening & { kind: 'refused' }, services: string): string => {
  const subject = region === SERVICE ? services : region;
  const because =
    why === 'frozen'
      ? `${services} is frozen: ${FROZEN}`
      : why === 'never-empty'
        ? override.kind === 'force-in'
          ? `all traffic of ${services} would be on pools that a quorum holds down while another is up`
          : `no other pool of ${services} can serve`
        : `${why.rule} refuses: ${why.because}; ${why.counterfactual}`;
  return `${subject}: the ${NOUNS[override.kind]} by ${override.owner} is not obeyed (${override.id}), because ${because}`;
};

const FROZEN =
  "its provider carries a fence that is newer than the store, or a human's; see what it serves, then run `tidegate adopt` or `tidegate ack`";

/** Why a pool that is held would leave or come back. */
const whyMoves = (h: Happening & { kind: 'held' }, nowMs: number): string =>
  h.tally.verdict === 'out' ? whyOut(h.region, causeOf(h.tally), h.tally, nowMs) : `${h.region} is up again`;

const holdSentence = (h: Happening & { kind: 'held' }, services: string, nowMs: number): string => {
  const why = whyOut(h.region, causeOf(h.tally), h.tally, nowMs);
  switch (h.hold) {
    case 'floor':
      return `hold-floor: ${why}, but half of the pools of ${services} are drained already`;
    case 'pacing':
      return `hold-pacing: ${why}, but another region was drained a moment ago; one new region at a time`;
    case 'receiver':
      return `hold-receiver: ${why}, but nobody is up to take its traffic`;
    case 'freeze':
      return `hold-freeze: ${h.region} of ${services} would move, but a human has frozen it`;
    case 'frozen':
      return `hold-frozen: ${whyMoves(h, nowMs)}, but nothing of ${services} moves: ${FROZEN}`;
    case 'latched':
      return `hold-latched: ${h.region} is up again, but was drained too often; a human must release it (place a drain on it and remove it)`;
    case 'all-down':
      return `hold-all-down: no pool of ${services} is up; our probes or a shared cause are suspect, the last route stays${h.failOpen ? ' for now' : ''}`;
    case 'settling':
      return `hold-settling: ${why}, but everybody was down a moment ago; one more look at everything decides`;
    case 'confirming':
      return `hold-confirming: ${why}, but everybody who could take its traffic is in doubt too; one confirmation span decides`;
    default:
      return `hold-${h.hold}: ${whyMoves(h, nowMs)}; ${h.refusal?.because ?? 'refused by a safety rule'}`;
  }
};

/** `web: eu-west 500 -> 0, us-east 500 -> 1000`; of a first route, which nothing was before, `web: eu-west 500, us-east 500`. */
export const shift = ({ service, before, after }: ServiceStory): string => {
  const pools = service.pools.map((p) => p.name);
  const moved = pools.filter((p) => (before[p] ?? 0) !== (after[p] ?? 0));
  const told =
    moved.length === 0 ? pools.map((p) => `${p} ${after[p] ?? 0}`) : moved.map((p) => `${p} ${before[p] ?? 0} -> ${after[p] ?? 0}`);
  return `${service.name}: ${told.join(', ')}`;
};
