// fence.patroni: the old writer writes no more, up to the rung that is asked for. Its site is told to follow the new one, so that it does when it wakes, and
// whoever can cut its power is told to; both at the same time, each within its own short time, and neither has to succeed. Then it is looked at which rungs are
// reached, and each is kept with what it stands on.
import { z } from 'zod';
import { Answered } from '../../exchange.ts';
import { webhookId } from '../../paging/signer.ts';
import { withDeadline } from '../../ports.ts';
import { eventOf, saidIn, saidText, type WebhookSystem } from '../hook.ts';
import type { Call, Effect, Facts, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr, saying } from '../outcome.ts';
import { FENCE_RUNGS } from '../platform.ts';
import { phrase } from '../words.ts';
import { climb, type Evidence, highest, isHighEnough, missing, type Rungs } from './ladder.ts';
import type { PatroniSystem } from './patroni.ts';
import { followPatch, isFollowing } from './patroni-wire.ts';
import { isAllInRecovery, isAllQuiet, isSilent, missingOf, type Site, siteOf, writerOf } from './site.ts';

type Spec = StepSpecs['fence.patroni'];

/** Of telling each: a silent member of Patroni costs time twice, as it is read and as it is changed. Of asking each. */
const TELL_MS = 8_000;
const LOOK_MS = 4_000;
/** Of one rung's sentence in the record. */
const FOOTING_CHARS_MAX = 200;
/** Of what is missing, in one sentence. */
const NOTES_MAX = 3;
const NOTE_CHARS_MAX = 70;

const footingShape = z.object({ atMs: z.number(), because: z.string() });
const factsShape = z.object({
  /** It was tried to tell the old site, and whoever cuts its power. */
  tried: z.boolean().optional(),
  /** When, as the webhook's body says at every try. */
  atMs: z.number().optional(),
  follows: z.boolean().optional(),
  stonithTold: z.boolean().optional(),
  statusPath: z.string().optional(),
  rungs: z.partialRecord(z.enum(FENCE_RUNGS), footingShape).optional(),
});
type Kept = z.infer<typeof factsShape>;
const keptOf = (facts: Facts): Kept => factsShape.safeParse(facts).data ?? {};

export const patroniFence: StepKind<'fence.patroni'> = {
  kind: 'fence.patroni',
  signal: 'target',
  read: (spec, call) => readOr(`fence of ${spec.database} in ${spec.region}`, () => readFence(spec, call)),
  apply: (spec, call) => applyOr(`fence of ${spec.database} in ${spec.region}`, () => applyFence(spec, call)),
};

// ---- reading ----

const readFence = async (spec: Spec, call: Call): Promise<Reading> => {
  const { context } = call;
  const kept = keptOf(call.facts);
  const of = `${spec.database} in ${spec.region}`;
  // Time alone may have reached the rung; the old site is told all the same, or it would wake as a writer.
  if (kept.tried !== true) return { is: 'pending', because: `${of}: it has not been told to follow yet` };
  const [site, seen, power] = await Promise.all([
    siteOf(spec, call, LOOK_MS),
    context.tiers.witness(spec.region),
    powerOf(spec, kept, call),
  ]);
  const evidence = evidenceOf(site, seen, power.drained);
  const rungs = climb(rungsOf(kept), evidence, spec.graceMs, context.nowMs());
  return judged(spec, rungs, evidence, [...power.notes, ...missingOf(site), ...site.silences], isSilent(site), {
    ...kept,
    rungs: short(rungs),
  });
};

const rungsOf = ({ rungs = {} }: Kept): Rungs =>
  Object.fromEntries(Object.entries(rungs).flatMap(([rung, footing]) => (footing === undefined ? [] : [[rung, footing]])));

const short = (rungs: Rungs): Rungs =>
  Object.fromEntries(
    Object.entries(rungs).map(([rung, { atMs, because }]) => [rung, { atMs, because: phrase(because, FOOTING_CHARS_MAX) }]),
  );

/** Pure. */
export const evidenceOf = (
  site: Site,
  { sinceMs, because }: { sinceMs: number | null; because: string },
  stonith: string | null,
): Evidence => ({
  witness: sinceMs === null ? null : { sinceMs, because },
  lease: leaseOf(site),
  acknowledged: acknowledgedOf(site),
  stonith,
  writes: writerOf(site),
});

/**
 * `cluster_unlocked` of a node that cannot see its store proves nothing, so the store's own list has to be without a leader as well. Paused, or in failsafe mode,
 * a primary goes on without the lock.
 */
const leaseOf = ({ cluster, nodes }: Site): string | null => {
  if (cluster === null || cluster.leader !== null || cluster.paused) return null;
  const heard = nodes.flatMap(({ at, node }) => (node === null ? [] : [{ at, node }]));
  if (heard.some(({ node }) => node.failsafe || node.paused)) return null;
  const free = heard.find(({ node }) => node.unlocked);
  return free === undefined ? null : `${free.at} says that nobody holds the leader's lock`;
};

/**
 * All have to have spoken: a silent member may be the writer. And the site has to have been told to follow: one that was not makes a primary of any of them
 * as soon as it has elected it, however they stand now.
 */
const acknowledgedOf = (site: Site): string | null => {
  if (site.config === null || site.config.standbyOf === null) return null;
  if (isAllInRecovery(site)) return `every member says that it is in recovery: ${site.sql.map(({ at }) => at).join(', ')}`;
  return isAllQuiet(site)
    ? `every node of Patroni says that it is no primary: ${site.nodes.map(({ because }) => because).join(', ')}`
    : null;
};

const judged = (
  { database, region, rung }: Spec,
  rungs: Rungs,
  { writes }: Evidence,
  silences: readonly string[],
  isNobodyThere: boolean,
  facts: Kept,
): Reading => {
  const of = `${database} in ${region}`;
  if (writes !== null) return { is: 'pending', because: `${of}: ${writes}`, facts };
  const top = highest(rungs);
  const lacking = missing(rungs, rung).join(' or ');
  const said = [...new Set(silences)].slice(0, NOTES_MAX).map((text) => phrase(text, NOTE_CHARS_MAX));
  const silent = said.length === 0 ? '' : `; ${said.join('; ')}`;
  if (top === null) {
    const because = `${of}: no rung is reached, ${rung} is asked for${silent}`;
    return { is: isNobodyThere ? 'unknown' : 'pending', because, facts };
  }
  const names = FENCE_RUNGS.filter((each) => rungs[each] !== undefined).join(', ');
  if (isHighEnough(rungs, rung)) return { is: 'reached', because: `${of}: reached ${names}: ${rungs[top]!.because}`, facts };
  return { is: 'pending', because: `${of}: reached ${names}; ${lacking} would do${silent}`, facts };
};

/** What whoever cuts the power says. */
const powerOf = async (
  { stonith }: Spec,
  { stonithTold = false, statusPath }: Kept,
  { context, key, signal }: Call,
): Promise<{ drained: string | null; notes: readonly string[] }> => {
  if (stonith === null || !stonithTold) return { drained: null, notes: [] };
  try {
    const system = await context.system<WebhookSystem>(stonith, 'webhook');
    const ask = (within: AbortSignal) => system.ask(webhookId(key), statusPath ?? null, within);
    const said = saidIn(await withDeadline(context.ports.timers, LOOK_MS, stonith, ask, signal));
    const because = `${stonith} says ${said.state}${saidText(said)}`;
    return said.state === 'drained' ? { drained: because, notes: [] } : { drained: null, notes: [because] };
  } catch (error) {
    return { drained: null, notes: [`${stonith}: ${saying(error)}`] };
  }
};

// ---- telling ----

const applyFence = async (spec: Spec, call: Call): Promise<Effect> => {
  const kept = keptOf(call.facts);
  const { atMs = call.context.nowMs() } = kept;
  const [site, power] = await Promise.all([toldToFollow(spec, call), toldToCut(spec, { ...kept, atMs }, call)]);
  const facts = { ...kept, tried: true, atMs, follows: site.isTaken, ...power.kept };
  const because = `${spec.database} in ${spec.region}: ${[site.because, power.because].filter((text) => text !== '').join('; ')}`;
  // What did not arrive is told again as long as tries are left, and then it is not needed: what is reached tells.
  return { took: site.isTaken && power.isTaken ? 'accepted' : 'undecided', because, facts };
};

const toldToFollow = async ({ system, follow }: Spec, { context, signal }: Call): Promise<{ isTaken: boolean; because: string }> => {
  const patroni = await context.system<PatroniSystem>(system, 'patroni');
  try {
    const tell = async (within: AbortSignal) => patroni.patch(followPatch(follow, await patroni.config(within)), within);
    const after = await withDeadline(context.ports.timers, TELL_MS, system, tell, signal);
    const isTaken = isFollowing(after, follow);
    return {
      isTaken,
      because: isTaken ? `${system} was told to follow ${follow.host}:${follow.port}` : `${system} answered with another configuration`,
    };
  } catch (error) {
    return { isTaken: false, because: `${system} could not be told to follow: ${saying(error)}` };
  }
};

const toldToCut = async (
  { stonith, database, region }: Spec,
  { stonithTold = false, atMs = 0 }: Kept,
  call: Call,
): Promise<{ isTaken: boolean; because: string; kept: Kept }> => {
  const { context, signal } = call;
  if (stonith === null) return { isTaken: true, because: '', kept: {} };
  if (stonithTold) return { isTaken: true, because: `${stonith} was told already`, kept: {} };
  const system = await context.system<WebhookSystem>(stonith, 'webhook');
  try {
    const body = eventOf('fence', call, atMs, { external: stonith, database, region });
    const tell = (within: AbortSignal) => system.tell(webhookId(call.key), body, within);
    const answer = await withDeadline(context.ports.timers, TELL_MS, stonith, tell, signal);
    if (!/json/i.test(answer.contentType)) return { isTaken: true, because: `${stonith} was told`, kept: { stonithTold: true } };
    const said = saidIn(answer);
    const { statusPath } = said;
    const isOurs = statusPath !== undefined && system.has(statusPath);
    return {
      isTaken: said.state !== 'failed',
      because: `${stonith} was told, and says ${said.state}${saidText(said)}`,
      kept: said.state === 'failed' ? {} : { stonithTold: true, ...(isOurs ? { statusPath } : {}) },
    };
  } catch (error) {
    const because = error instanceof Answered ? error.message : saying(error);
    return { isTaken: false, because: `${stonith} could not be told: ${because}`, kept: {} };
  }
};
