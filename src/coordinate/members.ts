// The cluster's configuration in the store: written by compare-and-write, counted up by every change, refused when it would take the ground from under
// the route that carries traffic now. Each change leaves a record of who made it and an entry in the journal, in the same transaction. Racing writers: one
// wins each version.
// Whether a configuration is right in itself was judged by src/config before it comes here.
import { isDeepStrictEqual } from 'node:util';
import { canonicalJson, sha256 } from '../audit/canonical.ts';
import { appendOps, type Head, type How, headOf } from '../audit/journal.ts';
import { diffCluster } from '../config/diff.ts';
import { type Allowance, checkTransition, OWN_FILE, renderRefusal } from '../config/transition.ts';
import { errorText, Fault } from '../errors.ts';
import { configHash } from '../health/config-hash.ts';
import type { ClusterConfig, ConfigAudit, Routing } from '../model.ts';
import { type Ports, sleep } from '../ports.ts';
import { type Store, StoreAmbiguousError } from '../store/store.ts';
import { configAuditKey, KEYS } from './keys.ts';

/** What the store holds, read at one revision. */
export interface Members {
  /** null: no configuration was ever written. */
  cluster: ClusterConfig | null;
  mod: number;
  routing: Routing | null;
  routingMod: number;
  /** Where the journal ends. */
  journal: Head;
}

/** What the wanted configuration means for the one in the store. */
export interface Plan {
  /** `refused`: one sentence per reason in `because`. */
  kind: 'unchanged' | 'refused' | 'change';
  because: readonly string[];
  /** As it would be stored, with the version it would get. */
  next: ClusterConfig;
  diff: readonly string[];
}

/** Who changes the configuration, and why. */
export interface ApplyOrder {
  ports: Pick<Ports, 'clock' | 'random' | 'timers'>;
  by: string;
  reason: string;
  /** Absent: by a command, with the store's own credentials. */
  how?: How;
  allow?: Allowance;
  /** What the one who orders has looked at: another configuration than this is not written over. */
  seen?: Members;
}

export type AppliedMembers =
  | { outcome: 'unchanged' | 'applied'; version: number }
  | { outcome: 'refused'; because: readonly string[]; version: number }
  /** Only with `seen`: another version came in between, and nothing was written. */
  | { outcome: 'overtaken'; version: number };

/** Tries before giving up to concurrent writers, or to a store that does not answer. */
const ATTEMPTS_MAX = 6;
/** Before a store that gave no answer is asked what happened. */
const PAUSE_MS = 250;
/** Records of who changed the configuration: those of the newest versions. Older ones go with the change that makes them old. */
export const CONFIG_AUDITS_KEPT = 500;
/** Lines of a change that its journal entry repeats; the record beside it has all. */
const LINES_TOLD_MAX = 20;
const LINE_CHARS_MAX = 200;

/** Throws what the store throws. */
export const readMembers = async (store: Store): Promise<Members> => {
  const { kvs } = await store.get({ keys: [KEYS.members, KEYS.routing, KEYS.journal] });
  const members = kvs.find(({ key }) => key === KEYS.members);
  const routing = kvs.find(({ key }) => key === KEYS.routing);
  return {
    cluster: (members?.value as ClusterConfig | undefined) ?? null,
    mod: members?.mod ?? 0,
    routing: (routing?.value as Routing | undefined) ?? null,
    routingMod: routing?.mod ?? 0,
    journal: headOf(kvs),
  };
};

/** Who wrote this version; null for one from before there were such records. Throws what the store throws. */
export const readConfigAudit = async (store: Store, version: number): Promise<ConfigAudit | null> =>
  ((await store.get({ keys: [configAuditKey(version)] })).kvs[0]?.value as ConfigAudit | undefined) ?? null;

/** What it would mean to make `wanted` the configuration. Its own version number is ignored: the store counts. Pure. */
export const planMembers = ({ cluster, routing }: Members, wanted: ClusterConfig, allow: Allowance = OWN_FILE): Plan => {
  // Compared as the store would give it back: optional fields that are absent and undefined are the same.
  const next = JSON.parse(JSON.stringify({ ...wanted, version: (cluster?.version ?? 0) + 1 })) as ClusterConfig;
  if (cluster !== null && isDeepStrictEqual({ ...next, version: cluster.version }, cluster))
    return { kind: 'unchanged', because: [], next: cluster, diff: [] };
  const because = cluster === null ? [] : checkTransition(cluster, next, routing, allow).map(renderRefusal);
  return { kind: because.length > 0 ? 'refused' : 'change', because, next, diff: diffCluster(cluster, next) };
};

/** A write whose reply was lost: while `members` still has the revision `mod` it may come true. */
interface Doubt {
  version: number;
  mod: number;
  because: unknown;
}

/**
 * Makes `wanted` the cluster's configuration. Throws what the store throws while it is certain that nothing was written, Fault ERR_UNDECIDED when nobody
 * knows, Fault ERR_STALE when others kept coming first.
 */
export const applyMembers = async (store: Store, wanted: ClusterConfig, order: ApplyOrder): Promise<AppliedMembers> => {
  const { ports, allow, seen } = order;
  // One for all attempts: whichever of them comes true, even late, is found as our own.
  const nonce = ports.random.hex(8);
  let doubt: Doubt | null = null;
  for (let attempt = 0; ; attempt++) {
    let now: Members | null = null;
    try {
      now = attempt === 0 && seen !== undefined ? seen : await readMembers(store);
      if (doubt !== null && (await readConfigAudit(store, doubt.version))?.nonce === nonce)
        return { outcome: 'applied', version: doubt.version };
      if (doubt !== null && now.mod !== doubt.mod) doubt = null;
    } catch (error) {
      if (doubt === null) throw error;
    }
    if (attempt === ATTEMPTS_MAX) break;
    if (now !== null) {
      const plan = planMembers(now, wanted, allow);
      const version = now.cluster?.version ?? 0;
      if (plan.kind === 'unchanged') return { outcome: 'unchanged', version };
      if (seen !== undefined && seen.mod !== now.mod) return { outcome: 'overtaken', version };
      if (plan.kind === 'refused') return { outcome: 'refused', because: plan.because, version };
      try {
        if (await write(store, now, plan, order, nonce)) return { outcome: 'applied', version: plan.next.version };
      } catch (error) {
        if (error instanceof StoreAmbiguousError) doubt = { version: plan.next.version, mod: now.mod, because: error };
        else if (doubt === null) throw error;
      }
    }
    if (doubt !== null) await sleep(ports.timers, PAUSE_MS);
  }
  throw doubt === null ? stale() : undecided(doubt);
};

/** True iff it was written. */
const write = async (
  store: Store,
  now: Members,
  { next, diff }: Plan,
  { ports, by, reason, how = 'store' }: ApplyOrder,
  nonce: string,
): Promise<boolean> => {
  const audit: ConfigAudit = {
    version: next.version,
    hash: configHash(next),
    atMs: Math.round(ports.clock.wallMs()),
    by,
    reason,
    diff,
    nonce,
  };
  const { conditions, ops } = appendOps(now.journal, {
    kind: 'config.applied',
    by,
    how,
    because: `configuration ${next.version}: ${reason}`,
    detail: {
      version: next.version,
      hash: audit.hash,
      // So that the record beside it, which no chain links, cannot be changed unseen.
      record: sha256(canonicalJson(audit)),
      changes: diff.length,
      diff: diff.slice(0, LINES_TOLD_MAX).map((line) => line.slice(0, LINE_CHARS_MAX)),
    },
    atMs: audit.atMs,
    nonce,
  });
  const old = next.version - CONFIG_AUDITS_KEPT;
  const { ok } = await store.txn({
    if: [{ key: KEYS.members, mod: now.mod }, { key: KEYS.routing, mod: now.routingMod }, ...conditions],
    then: [
      { put: KEYS.members, value: next },
      { put: configAuditKey(next.version), value: audit },
      ...ops,
      ...(old > 0 ? [{ del: configAuditKey(old) }] : []),
    ],
  });
  return ok;
};

const stale = (): Fault =>
  new Fault(
    'ERR_STALE',
    `the cluster configuration, the route or the journal changed ${ATTEMPTS_MAX} times while it was being written; nothing was written. Look at what else applies one, and try again`,
  );

const undecided = ({ version, because }: Doubt): Fault =>
  new Fault(
    'ERR_UNDECIDED',
    `nobody knows whether version ${version} of the cluster configuration was written (${errorText(because)}); apply the same again once the store answers: it says "unchanged" when it was`,
    { cause: because },
  );
