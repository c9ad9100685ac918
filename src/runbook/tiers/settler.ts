// What a human settles of a database, and takes back: one compare-and-write of `tiers` together with its entry in the journal, its pages and the answer to its
// key, on the very revisions of what the watch has seen. Whether it may be is settle.ts.
import { askedBefore, askedKeys, askedOps } from '../../api/asked.ts';
import { createLedger, type Step as Judged, type Records } from '../../api/ledger.ts';
import { appendOps, type Draft, headOf, JOURNAL_KEYS } from '../../audit/journal.ts';
import { type Used, usedKey, usedOps } from '../../auth/once.ts';
import { KEYS, looksKey, outboxKey, platformKey, runKey } from '../../coordinate/keys.ts';
import { page } from '../../decide/incident.ts';
import { Fault } from '../../errors.ts';
import type { ClusterConfig } from '../../model.ts';
import type { Ports } from '../../ports.ts';
import type { Op, Store } from '../../store/store.ts';
import type { LooksRecord, TierState, Tiers } from '../facts.ts';
import type { DatabaseConfig, PlatformConfig } from '../platform.ts';
import { openOf, platformNamed, RUN_PREFIX, runsIn } from '../reader.ts';
import type { Person } from '../writer.ts';
import {
  ageIn,
  changed,
  NO_TIERS,
  settledIn,
  stateIn,
  stateTag,
  type TierChange,
  tierName,
  unprovedIn,
  unsettled,
  withUnproved,
} from './record.ts';
import { againstSettling, meaningOf, type Seen, type SettleOrder, type SettleWorld, seenOf } from './settle.ts';
import { type Said, saidOfSettled, saidOfSplitAgain, saidOfWordOver } from './told.ts';

export type { Seen } from './settle.ts';

/** What was settled, or would be. */
export interface Settlement {
  platform: string;
  database: string;
  /** Where the writer is held to be after it; null: nowhere. */
  writer: string | null;
  /** Regions that whoever ordered it answers for. */
  fenced: readonly string[];
  by: string;
  reason: string;
  atMs: number;
  /** What it means, a sentence each. */
  meaning: readonly string[];
  /** What the watch sees of each region. */
  seen: readonly Seen[];
}

/** `tag`: of what stands: before a preview, after an act. `replayed`: answered before, and nothing was done now. */
export interface Settling {
  settlement: Settlement;
  tag: string;
  replayed: boolean;
}

export interface SettleAct {
  person: Person;
  reason: string;
  /** Text of the header; null: not sent, which only a preview may. */
  ifMatch: string | null;
  /** null: a preview, which writes nothing. */
  asked: { hash: string; fingerprint: string } | null;
}

/**
 * Throw ERR_NOT_FOUND (platform, database), ERR_CONFLICT (what is seen speaks against it, with all of it), ERR_STALE, ERR_FORBIDDEN (services that are not
 * theirs, a credential that was used), ERR_IDEMPOTENCY, ERR_STORE_UNREACHABLE, ERR_UNDECIDED.
 */
export interface Settler {
  settle(platform: string, database: string, order: SettleOrder, act: SettleAct): Promise<Settling>;
  unsettle(platform: string, database: string, act: SettleAct): Promise<Settling>;
}

export interface SettlerOptions {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  /** Of this replica: pages that it commits are its own. */
  region: string;
  replica: string;
  clusterNowMs: () => number;
  /** Of the record of that key, at most, as it was measured here; null, Infinity: it could not be. */
  ageMs: (key: string) => number | null;
}

/** What is judged, at one revision. */
interface Scene extends SettleWorld {
  cluster: ClusterConfig;
  platform: PlatformConfig;
  database: DatabaseConfig;
  tiers: Tiers;
  nowMs: number;
}

/** What an act makes of it. */
interface Made {
  change: TierChange;
  draft: Pick<Draft, 'kind' | 'because' | 'detail'>;
  fenced: readonly string[];
  meaning: readonly string[];
  /** `after`: as it will be written. */
  said(after: TierState | null): readonly Said[];
  /** A word stands from now on. */
  isWord: boolean;
}

const slug = (text: string): string => text.replaceAll(/[^A-Za-z0-9-]+/g, '-');

/** Throws ERR_NOT_FOUND. */
export const databaseNamed = ({ name: platform, databases = [] }: PlatformConfig, name: string): DatabaseConfig => {
  const found = databases.find((each) => each.name === name);
  if (found !== undefined) return found;
  const names = databases.map((each) => each.name).slice(0, 10);
  throw new Fault(
    'ERR_NOT_FOUND',
    `${platform} has no database "${name.slice(0, 64)}"; it has ${names.length === 0 ? 'none that is watched' : names.join(', ')}`,
  );
};

/** Throws ERR_FORBIDDEN: its users may be sent elsewhere by it, whichever of the services of platform and database they use. */
const demandScope = ({ name, services }: Person, platform: PlatformConfig, database: DatabaseConfig): void => {
  if (services === null) return;
  const about = [...new Set([...platform.services, ...database.services])];
  if (about.length > 0 && about.every((service) => services.includes(service))) return;
  throw new Fault(
    'ERR_FORBIDDEN',
    `${name} may act on ${services.join(', ') || 'no service'}; ${platform.name}/${database.name} is written by ${about.join(', ') || 'more than services'}`,
  );
};

const demandUnused = (records: Records, { once }: Person, nonce: string): void => {
  const used = once === undefined ? undefined : records.value<Used>(usedKey(once.id));
  if (used !== undefined && used.nonce !== nonce)
    throw new Fault('ERR_FORBIDDEN', 'this credential was good for one act, and has been used');
};

const demandMatch = (ifMatch: string | null, tag: string, name: string): void => {
  if (ifMatch === null || ifMatch.split(',').some((each) => ['*', tag].includes(each.trim()))) return;
  throw new Fault(
    'ERR_STALE',
    `If-Match says ${ifMatch.slice(0, 80)}, and ${name} is at ${tag}: look again, something has become known of it meanwhile`,
  );
};

export const createSettler = (options: SettlerOptions): Settler => {
  const { store, ports, region: own, replica, clusterNowMs, ageMs } = options;
  const ledger = createLedger({ store, ports });

  /** By the configuration that stands at this revision. Throws ERR_NOT_FOUND, ERR_STORE_UNREACHABLE. */
  const sceneOf = (records: Records, named: { platform: string; database: string }): Scene => {
    const cluster = records.value<ClusterConfig>(KEYS.members);
    if (cluster === undefined)
      throw new Fault('ERR_STORE_UNREACHABLE', 'no configuration of the cluster is in the store yet; nothing was written: try again');
    const platform = platformNamed(cluster, named.platform);
    const database = databaseNamed(platform, named.database);
    const tiers = records.value<Tiers>(KEYS.tiers) ?? NO_TIERS;
    const looks = records.value<LooksRecord>(looksKey(platform.name)) ?? null;
    const nowMs = Math.round(clusterNowMs());
    return {
      cluster,
      platform,
      database,
      tiers,
      state: stateIn(tiers, platform.name, database.name),
      looks,
      run: openOf(runsIn(records), platform.name),
      nowMs,
      ageMs: (atMs) => (looks === null ? Number.POSITIVE_INFINITY : ageIn(looks, atMs, ageMs(looksKey(platform.name)), nowMs)),
    };
  };

  const pagesOf = (about: ClusterConfig, v: number, nonce: string, nowMs: number, said: readonly Said[]): readonly Op[] =>
    said.map((each): Op => {
      const made = page({ cluster: about, v, nonce, nowMs }, each.type, each.severity, each.summary, slug(each.subject), each.detail);
      const value = { ...made, id: `${own}.${replica}-${nonce}-${made.id}` };
      return { put: outboxKey(value.id), value };
    });

  /** Everything of one act, for one transaction. */
  const written = (records: Records, scene: Scene, made: Made, settlement: Settlement, act: SettleAct, nonce: string): Judged<Settling> => {
    const { cluster, platform, database, tiers, nowMs, run } = scene;
    const { person, asked } = act;
    const name = tierName(platform.name, database.name);
    const changes = changed(tiers, name, made.change, nonce);
    const after = stateIn(changes, platform.name, database.name);
    const was = unprovedIn(tiers, platform.name, database.name);
    const because = after?.because ?? '';
    const note = made.isWord
      ? { ...(was ?? { region: after?.writer ?? null, because, sinceMs: nowMs, atMs: nowMs }), told: null, word: true as const }
      : null;
    const head = headOf(records.kvs);
    const entry = appendOps(head, { ...made.draft, by: person.name, how: person.how, atMs: nowMs, nonce });
    const result: Settling = { settlement, tag: stateTag(after), replayed: false };
    const used = person.once === undefined ? null : usedOps(person.once, { by: person.name, atMs: nowMs, nonce });
    return {
      on: [
        KEYS.tiers,
        // Nothing that the watch sees meanwhile, no run that is opened, no step that begins to move it and no other configuration goes unnoticed.
        looksKey(platform.name),
        platformKey(platform.name),
        KEYS.members,
        ...(run === null ? [] : [runKey(run.id)]),
        KEYS.journal,
        ...(asked === null ? [] : askedKeys(asked.hash)),
        ...(person.once === undefined ? [] : [usedKey(person.once.id)]),
      ],
      ops: [
        { put: KEYS.tiers, value: withUnproved(changes, name, note, nonce) },
        ...pagesOf(cluster, head.v, nonce, nowMs, made.said(after)),
        ...entry.ops,
        ...(asked === null ? [] : askedOps(records, asked.hash, { fingerprint: asked.fingerprint, atMs: nowMs, answer: result })),
        ...(used?.ops ?? []),
      ],
      result,
    };
  };

  /** `judge` throws where it may not be. */
  const carryOut = (named: { platform: string; database: string }, act: SettleAct, judge: (scene: Scene) => Made): Promise<Settling> => {
    const { person, asked } = act;
    const nonce = ports.random.hex(8);
    return ledger.commit<Settling>({
      what: 'the data tiers',
      keys: [
        KEYS.tiers,
        KEYS.members,
        looksKey(named.platform),
        platformKey(named.platform),
        ...JOURNAL_KEYS,
        ...(asked === null ? [] : askedKeys(asked.hash)),
        ...(person.once === undefined ? [] : [usedKey(person.once.id)]),
      ],
      prefixes: [RUN_PREFIX],
      judge(records) {
        const scene = sceneOf(records, named);
        const { platform, database } = scene;
        demandScope(person, platform, database);
        const before = asked === null ? undefined : askedBefore<Settling>(records, asked.hash, scene.nowMs);
        if (before !== undefined && before.fingerprint !== asked?.fingerprint)
          throw new Fault(
            'ERR_IDEMPOTENCY',
            'this Idempotency-Key was used for something else: take a fresh key for a new wish, and the same for a retry',
          );
        // Its own write, whose reply was lost, is found by the same.
        if (before !== undefined) return { done: { ...before.answer, replayed: true } };
        demandUnused(records, person, nonce);
        const tag = stateTag(scene.state);
        demandMatch(act.ifMatch, tag, tierName(platform.name, database.name));
        const made = judge(scene);
        const after = made.change(scene.state);
        const settlement: Settlement = {
          platform: platform.name,
          database: database.name,
          writer: after?.writer ?? null,
          fenced: made.fenced,
          by: person.name,
          reason: act.reason,
          atMs: scene.nowMs,
          meaning: made.meaning,
          seen: seenOf(scene),
        };
        if (asked === null) return { done: { settlement, tag, replayed: false } };
        return written(records, scene, made, settlement, act, nonce);
      },
    });
  };

  return {
    settle: (platform, database, order, act) =>
      carryOut({ platform, database }, act, (scene) => {
        const against = againstSettling(order, scene);
        if (against.length > 0) throw new Fault('ERR_CONFLICT', against.join('; '));
        const { region, fenced } = order;
        const { state, tiers, nowMs } = scene;
        const { name: by } = act.person;
        const others = fenced.length === 0 ? '' : `, for ${fenced.join(' and ')} taking no writes`;
        const isUnproved = unprovedIn(tiers, platform, database)?.told != null;
        return {
          change: settledIn(region, { by, reason: act.reason, atMs: nowMs }, fenced),
          draft: {
            kind: 'data.settled',
            because: `${platform}/${database} settled to be written in ${region} by ${by}${others}: ${act.reason}`,
            detail: { platform, database, region, fenced, before: state, seen: seenOf(scene) },
          },
          fenced,
          meaning: meaningOf(order, scene, scene.database.services),
          said: (after) =>
            after?.settled === undefined
              ? []
              : saidOfSettled(
                  platform,
                  database,
                  { ...after, settled: after.settled },
                  { split: state?.split !== undefined, unproved: isUnproved },
                ),
          isWord: true,
        };
      }),

    unsettle: (platform, database, act) =>
      carryOut({ platform, database }, act, ({ state }) => {
        const { settled } = state ?? {};
        if (state === null || settled === undefined)
          throw new Fault('ERR_CONFLICT', `nobody's word stands for ${platform}/${database}: there is nothing to take back`);
        const { writer, split } = settled.before ?? {};
        const { fenced = [] } = state;
        return {
          change: unsettled,
          draft: {
            kind: 'data.unsettled',
            because: `the word of ${settled.by} for ${platform}/${database} taken back by ${act.person.name}: ${act.reason}`,
            detail: { platform, database, settled: state, after: unsettled(state) },
          },
          fenced: [],
          meaning: [
            `the word of ${settled.by} for ${state.writer} stands no more: ${database} is proved writable nowhere, until one region is seen to take writes, all others to follow it, and a row is written and read back`,
            ...(writer == null || writer === state.writer
              ? []
              : [
                  `${writer}, which was the writer before it, is not held for it again: what ${state.writer} took since may be missing there`,
                ]),
            ...(split === undefined
              ? ['no route of its services moves to a region in which it is not proved; those that have moved stay where they are']
              : [`the alarm about ${split.regions.join(' and ')} rings again, and no route of its services moves`]),
            ...(fenced.length === 0
              ? []
              : [`${fenced.join(' and ')}, said to take no writes, ${fenced.length === 1 ? 'is' : 'are'} watched on until seen to follow`]),
          ],
          said: (after) => [saidOfWordOver(platform, database, after), ...saidOfSplitAgain(platform, database, after)],
          isWord: false,
        };
      }),
  };
};
