// How long the audit is kept, since nothing may grow without end. Pure rules, and the coordinator's duty that follows them.
// Kept: the newest of each chain whatever their age, and everything younger than a span, up to a cap. The arithmetic, against etcd's default of 2 GiB:
//   a decision is 2 to 10 KB with its trail (3 regions, 2 services: 2.3 KB): 20,000 of them 40 to 200 MB;
//   an entry of the journal is 0.5 to 1 KB and never more than 18 KB: 20,000 of them 10 to 20 MB, at worst 360 MB;
//   a configuration's record is a line per changed value: the newest 500, removed by whoever applies the next (src/coordinate/members.ts).
// Removed oldest first in small transactions that move the anchor along, so that what is left proves itself at every moment.
import type { Term } from '../coordinate/coordinator.ts';
import { anchorKey, auditKey, journalKey, trailKey } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { KeyValue, Op, Store } from '../store/store.ts';
import { KEY_OF } from './chain.ts';
import type { Anchor, Chain } from './lines.ts';
import { hashOf, isAnchor, readBlocks } from './read.ts';

const DAY_MS = 86_400_000;

export interface Keeping {
  /** The newest are kept whatever their age. */
  newest: number;
  /** Younger ones are kept as well, up to the cap. */
  youngerMs: number;
  cap: number;
}

export const KEEPING: Readonly<Record<Chain, Keeping>> = {
  decisions: { newest: 10_000, youngerMs: 90 * DAY_MS, cap: 20_000 },
  journal: { newest: 5_000, youngerMs: 400 * DAY_MS, cap: 20_000 },
};

/** Records removed in one transaction: with their trails and the anchor they stay below the 128 operations that etcd takes. */
const AT_ONCE = 50;
const STORE_MS = 2_000;
/** Looks at the oldest records are so far apart, unless the last one left some to remove. */
const EVERY_MS = 60_000;
/** Versions without anchors kept so many decisions: a beginning that is missing before them is their doing. */
const KEPT_WITHOUT_ANCHOR = 10_000;

/** A record of a chain, as far as keeping it goes. */
export interface Kept {
  n: number;
  atMs: number;
  prevHash: string;
  hash: string;
}

/** Which of the oldest records go now. `oldest`: in order, from the place of the cut on; `newest`: the number of the newest. Pure. */
export const toRemove = (oldest: readonly Kept[], newest: number, nowMs: number, keeping: Keeping): readonly Kept[] => {
  const isKept = ({ n, atMs }: Kept): boolean =>
    newest - n < keeping.newest || (nowMs - atMs < keeping.youngerMs && newest - n < keeping.cap);
  const first = oldest.findIndex(isKept);
  return oldest.slice(0, Math.min(first < 0 ? oldest.length : first, AT_ONCE));
};

/** Each record names the one before it, the first one what `hash` is the hash of. */
const isLinked = (hash: string, records: readonly Kept[]): boolean =>
  records.every(({ prevHash }, at) => prevHash === (at === 0 ? hash : records[at - 1]?.hash));

/**
 * The anchor behind `removed`; null: nothing is to be anchored. What does not prove itself goes as well, since the store must not fill up; the anchor says
 * so. Without an anchor a missing beginning is anchored only where versions without anchors had removed it.
 */
export const nextAnchor = (
  before: Anchor | null,
  oldest: readonly Kept[],
  removed: readonly Kept[],
  newest: number,
  nowMs: number,
): Anchor | null => {
  const [first] = oldest;
  if (first === undefined) return null;
  const wasPruned = before === null && first.prevHash !== '' && first.n > 1 && newest - first.n >= KEPT_WITHOUT_ANCHOR - 2 * AT_ONCE;
  if (removed.length === 0 && !wasPruned) return null;
  const last = removed.at(-1) ?? { n: first.n - 1, hash: first.prevHash };
  const isUnproved = before?.unproved === true || !isLinked(before?.hash ?? '', removed.length === 0 ? [first] : removed);
  return {
    n: last.n,
    hash: last.hash,
    count: (before?.count ?? 0) + removed.length,
    cutAtMs: Math.round(nowMs),
    ...(isUnproved ? { unproved: true as const } : {}),
  };
};

/** null: it is no record of this chain, or lies under another's key. */
const keptOf = (chain: Chain, { key, value }: KeyValue): Kept | null => {
  if (typeof value !== 'object' || value === null) return null;
  const { [chain === 'decisions' ? 'v' : 'n']: n, atMs, prevHash } = value as Record<string, unknown>;
  if (typeof n !== 'number' || typeof atMs !== 'number' || typeof prevHash !== 'string' || key !== KEY_OF[chain](n)) return null;
  return { n, atMs, prevHash, hash: hashOf(chain, value) };
};

const removalOf: Readonly<Record<Chain, (n: number) => readonly Op[]>> = {
  decisions: (v) => [{ del: auditKey(v) }, { del: trailKey(v) }],
  journal: (n) => [{ del: journalKey(n) }],
};

export interface AuditDutyOptions {
  store: Store;
  ports: Pick<Ports, 'timers'>;
  log: Log;
  keeping?: Readonly<Record<Chain, Keeping>>;
}

export interface AuditDuty {
  /** Once per turn of a term. Returns at once; at most one removal is under way. */
  turn(sight: Sight, nowMs: number, term: Term): void;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export const createAuditDuty = ({ store, ports, log, keeping = KEEPING }: AuditDutyOptions): AuditDuty => {
  let work: Promise<void> | null = null;
  /** Cluster time before which a chain need not be looked at. */
  const notBeforeMs: Record<Chain, number> = { decisions: 0, journal: 0 };

  const oldestOf = async (chain: Chain, from: number, to: number, signal: AbortSignal): Promise<readonly Kept[]> => {
    for await (const kvs of readBlocks(store, chain, from, to, signal)) {
      const kept = kvs.map((kv) => keptOf(chain, kv));
      // A record that is none of ours is not removed, and nothing behind it: verifying has to find it.
      const strange = kept.indexOf(null);
      return kept.slice(0, strange < 0 ? kept.length : strange).filter((each) => each !== null);
    }
    return [];
  };

  const cut = async (chain: Chain, newest: number, nowMs: number, term: Term, signal: AbortSignal): Promise<void> => {
    const [record] = (await store.get({ keys: [anchorKey(chain)] }, signal)).kvs;
    const before = isAnchor(record?.value) ? record.value : null;
    const from = (before?.n ?? 0) + 1;
    notBeforeMs[chain] = nowMs + EVERY_MS;
    if (newest - from < keeping[chain].newest) return;
    const oldest = await oldestOf(chain, from, newest, signal);
    const removed = toRemove(oldest, newest, nowMs, keeping[chain]);
    const anchor = nextAnchor(before, oldest, removed, newest, nowMs);
    if (anchor === null) return;
    const ops: Op[] = [{ put: anchorKey(chain), value: anchor }, ...removed.flatMap(({ n }) => removalOf[chain](n))];
    if (!(await term.commit([{ key: anchorKey(chain), mod: record?.mod ?? 0 }], ops))) return;
    log.info('audit.cut', { chain, removed: removed.length, upTo: anchor.n });
    if (anchor.unproved === true && before?.unproved !== true)
      log.warn('audit.unproved', { chain, because: `what was removed up to ${anchor.n} did not prove itself: run tidegate audit verify` });
    if (removed.length === AT_ONCE) notBeforeMs[chain] = 0;
  };

  const run = async (due: readonly (readonly [Chain, number])[], nowMs: number, term: Term): Promise<void> => {
    for (const [chain, newest] of due)
      await withDeadline(ports.timers, STORE_MS, `removing old ${chain}`, (signal) => cut(chain, newest, nowMs, term, signal)).catch(
        (error: unknown) => log.warn('audit.uncut', { chain, because: errorText(error) }),
      );
  };

  return {
    turn({ routing, journal }, nowMs, term) {
      if (work !== null) return;
      const newest: Record<Chain, number> = { decisions: routing?.v ?? 0, journal: journal?.n ?? 0 };
      const due = (['decisions', 'journal'] as const)
        .filter((chain) => newest[chain] > keeping[chain].newest && nowMs >= notBeforeMs[chain])
        .map((chain) => [chain, newest[chain]] as const);
      if (due.length === 0) return;
      work = run(due, nowMs, term).finally(() => {
        work = null;
      });
    },
    idle: async () => {
      await work;
    },
  };
};
