// The store as the checks see it: who is heard in it, whether this identity may write, whether the audit holds. Nothing is changed.

import { gateKey } from '../../../providers/gate/record.ts';
import { newestLines } from '../../audit/read.ts';
import { verifyChain } from '../../audit/verify.ts';
import { usedKey } from '../../auth/once.ts';
import { joinProblems } from '../../config/check.ts';
import type { ReplicaConfig } from '../../config/schema.ts';
import {
  anchorKey,
  appliedKey,
  askedKey,
  auditKey,
  beatKey,
  bootKey,
  budgetsKey,
  configAuditKey,
  incidentKey,
  journalKey,
  KEYS,
  lagKey,
  llmKey,
  measuredKey,
  observedKey,
  outboxKey,
  placeOf,
  platformKey,
  proofKey,
  readinessKey,
  runKey,
  seenKey,
  trailKey,
  voteKey,
} from '../../coordinate/keys.ts';
import { type RecordCache, SIGHT_QUERY, type Sight, sightOf } from '../../coordinate/read.ts';
import { createRevisionClock } from '../../coordinate/revision-clock.ts';
import { createTrust } from '../../coordinate/trust.ts';
import { errorText, Fault } from '../../errors.ts';
import { fleetOf, type Said } from '../../health/fleet.ts';
import type { AppliedRecord, Page } from '../../model.ts';
import { pathsOf } from '../../model.ts';
import { type Ports, sleep, withDeadline } from '../../ports.ts';
import type { Store } from '../../store/store.ts';
import { NotLooked } from '../check.ts';
import type { AuditLook, Grant, HeardReplica, World } from '../tools.ts';
import { STORE_MS } from './reach.ts';

/** Often enough that the age of a beat is known to a fraction of a second. */
const LISTEN_EVERY_MS = 250;
/** Of each chain, the newest: a doctor is asked often. */
const AUDITS_MAX = 500;
/** No record has this revision: a condition that never holds. */
const NEVER = Number.MAX_SAFE_INTEGER;
/** Rights are asked for key by key: a cluster of many regions has two hundred. */
const GRANTS_AT_ONCE = 16;

/** What follows from deciding: a key of each kind that coordinators write and nobody else, as deploy/etcd/grants.sh has them. */
const DECIDED: readonly string[] = [
  KEYS.leader,
  KEYS.routing,
  incidentKey('doctor'),
  outboxKey('doctor'),
  appliedKey('doctor', 'doctor'),
  observedKey('doctor', 'doctor'),
  proofKey('doctor'),
  runKey('doctor'),
  platformKey('doctor'),
  readinessKey('doctor'),
  budgetsKey('doctor'),
  llmKey('doctor'),
  KEYS.tiers,
  lagKey('doctor'),
  gateKey('doctor'),
  auditKey(0),
  trailKey(0),
  anchorKey('decisions'),
];

/** Keys of each kind that this replica writes; those of a coordinator only where it may be one. */
export const written = ({ region, replica, providers }: ReplicaConfig, coordinates: boolean): readonly string[] => [
  voteKey(region, replica),
  beatKey(region, replica),
  seenKey(region, replica),
  measuredKey(region, replica),
  bootKey(region, replica),
  outboxKey(`${region}.doctor`),
  KEYS.override,
  KEYS.reported,
  KEYS.journal,
  journalKey(0),
  KEYS.asked,
  askedKey('doctor'),
  usedKey('doctor'),
  ...(coordinates && Object.keys(providers).length > 0 ? DECIDED : []),
];

/** A key of each kind that this replica never writes: what any of the others says, what only people change, what only a coordinator decides. */
export const others = (regions: readonly { region: string; replica: string }[], coordinates: boolean): readonly string[] => [
  ...regions.flatMap(({ region, replica }) => [
    voteKey(region, replica),
    beatKey(region, replica),
    seenKey(region, replica),
    bootKey(region, replica),
    // A coordinator removes what regions measured, and pages for all of them.
    ...(coordinates ? [] : [measuredKey(region, replica), outboxKey(`${region}.doctor`)]),
  ]),
  KEYS.members,
  KEYS.adopted,
  configAuditKey(0),
  ...(coordinates ? [] : DECIDED),
];

/** What the store says to who has no right; any other error says nothing of rights. */
const isDenial = (error: unknown): boolean =>
  error instanceof Error && [error, error.cause].some((each) => each instanceof Fault && each.code === 'ERR_STORE_DENIED');

const grantOf = (store: Store, { timers }: Ports, key: string): Promise<Grant> =>
  withDeadline(timers, STORE_MS, 'the store', (signal) =>
    // Whether it may write is judged before the condition, which never holds.
    store.txn({ if: [{ key, mod: NEVER }], then: [{ put: key, value: null }] }, signal),
  ).then(
    ({ ok }) => ({ key, because: ok ? 'a condition that cannot hold held' : null, isDenied: false }),
    (error: unknown) => ({ key, because: errorText(error), isDenied: isDenial(error) }),
  );

/** In the order of `keys`, a few at once. */
export const grantsOf = async (store: Store, ports: Ports, keys: readonly string[]): Promise<readonly Grant[]> => {
  const grants: Grant[] = [];
  for (let from = 0; from < keys.length; from += GRANTS_AT_ONCE)
    grants.push(...(await Promise.all(keys.slice(from, from + GRANTS_AT_ONCE).map((key) => grantOf(store, ports, key)))));
  return grants;
};

/** One read, and when it was sent and came back. */
const listenOnce = async (store: Store, { clock, timers }: Ports) => {
  const instant = () => ({ monoMs: clock.monoMs(), wallMs: clock.wallMs() });
  const sent = instant();
  const read = await withDeadline(timers, STORE_MS, 'the store', (signal) =>
    store.get({ keys: SIGHT_QUERY.keys, prefixes: [...SIGHT_QUERY.prefixes, 'outbox/'] }, signal),
  );
  return { sent, arrived: instant(), read };
};

/** Reads until every replica that has ever spoken was heard anew, or what it said last has grown old. */
const listen = async (store: Store, ports: Ports): Promise<{ sight: Sight; said: readonly Said[]; wallMs: number; listenedMs: number }> => {
  const clock = createRevisionClock();
  const cache: RecordCache = new Map();
  const trust = createTrust();
  const startedAtMs = ports.clock.monoMs();
  const first = new Map<string, number>();
  /** Of each replica the beat whose age is known best, aged by its own read. */
  const best = new Map<string, Said & { atWallMs: number }>();
  for (;;) {
    const { sent, arrived, read } = await listenOnce(store, ports);
    clock.sample(sent, arrived, read.rev);
    const sight = sightOf(read, clock, arrived.monoMs, cache, trust);
    for (const { region, replica, beat, ageMs } of sight.heard) {
      const name = `${region}/${replica}`;
      if (!first.has(name)) first.set(name, sight.mod(beatKey(region, replica)));
      const known = best.get(name);
      if (known === undefined || ageMs <= known.ageMs) best.set(name, { region, replica, beat, ageMs, atWallMs: arrived.wallMs });
    }
    const listenedMs = ports.clock.monoMs() - startedAtMs;
    const isHeard = [...first].every(([name, mod]) => {
      const { region, replica } = placeOf(`beat/${name}`);
      return sight.mod(beatKey(region, replica)) !== mod;
    });
    const freshMs = sight.cluster?.policy.freshMs ?? 0;
    if (
      (isHeard && listenedMs >= 2 * LISTEN_EVERY_MS && sight.leader !== null && sight.ageMs(KEYS.leader) !== Number.POSITIVE_INFINITY) ||
      listenedMs > freshMs
    ) {
      // All at one instant, so that fleetOf compares like with like.
      const said = [...best.values()].map(({ atWallMs, beat, ...rest }) => ({
        ...rest,
        beat: beat == null ? null : { ...beat, wallMs: beat.wallMs + arrived.wallMs - atWallMs },
      }));
      return { sight, said, wallMs: arrived.wallMs, listenedMs };
    }
    await sleep(ports.timers, LISTEN_EVERY_MS);
  }
};

export const worldOf = async (store: Store, ports: Ports, config: ReplicaConfig, publicKey: string | null): Promise<World> => {
  const { sight, said, wallMs, listenedMs } = await listen(store, ports);
  const { cluster } = sight;
  if (cluster === null) throw new NotLooked('the store holds no configuration of a cluster: start a replica, or run tidegate apply');
  const { freshMs } = cluster.policy;
  const heard = sight.heard.map(
    ({ region, replica, vote, beat, ageMs }): HeardReplica => ({
      region,
      replica,
      isFresh: beat !== null && ageMs <= freshMs,
      configVersion: vote.configVersion,
      abstains: vote.self.state === 'abstain' ? vote.self.because : null,
    }),
  );
  const applied = cluster.services.flatMap((service) =>
    pathsOf(service).flatMap((provider): [string, AppliedRecord][] => {
      const record = sight.has(appliedKey(provider, service.name)).find(({ key }) => key === appliedKey(provider, service.name));
      return record === undefined ? [] : [[`${provider}/${service.name}`, record.value as AppliedRecord]];
    }),
  );
  return {
    from: 'store',
    cluster,
    routing: sight.routing,
    overrides: sight.overrides,
    leader: sight.leader,
    leaderAgeMs: sight.ageMs(KEYS.leader),
    heard,
    refused: sight.refused,
    fleet: fleetOf(said, wallMs, freshMs),
    applied: new Map(applied),
    pages: sight.has('outbox/').map(({ value }) => value as Page),
    listenedMs,
    unfit: config.store.kind === 'embedded' ? [] : joinProblems({ ...config, ...(publicKey === null ? {} : { publicKey }) }, cluster),
  };
};

/** The newest part of both chains, as `tidegate audit verify` judges all of them. */
export const auditOf = (store: Store, { timers }: Ports): Promise<AuditLook> =>
  withDeadline(timers, 2 * STORE_MS, 'the audit', async (signal) => {
    const { lines, end } = await newestLines(store, AUDITS_MAX, signal);
    const { chains, findings } = verifyChain(lines);
    if (chains.decisions.head === null && chains.journal.head === null) throw new NotLooked('nothing was decided yet');
    if (end === 'moved') throw new NotLooked('old records were removed while it read: ask again');
    return { decisions: chains.decisions.count, entries: chains.journal.count, broken: findings.map(({ because }) => because) };
  });
