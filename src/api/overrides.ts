// Orders of operators, kept in the `override` document: an order, its journal entry, the answer to its key and the use of a one-time credential are ONE
// transaction. All orders are one document, so that no decision can miss one; two operators writing different ids do not disagree, so a lost race is
// judged again. Expired orders are left in place: the decision that ends one takes it out.
import { isDeepStrictEqual } from 'node:util';
import { canonicalJson, sha256 } from '../audit/canonical.ts';
import { appendOps, type Draft, type How, headOf, JOURNAL_KEYS } from '../audit/journal.ts';
import { type Once, type Used, usedKey, usedOps } from '../auth/once.ts';
import { KEYS } from '../coordinate/keys.ts';
import { isInForce } from '../decide/override.ts';
import { Fault } from '../errors.ts';
import type { ClusterConfig, Override, Overrides } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Op, Store } from '../store/store.ts';
import type { Principal } from './access.ts';
import { askedBefore, askedKeys, askedOps } from './asked.ts';
import { createLedger, type Records, type Step } from './ledger.ts';
import type { OverrideInput } from './override-input.ts';
import { demandAllowed, type Foresee, type Ruling, ruleOn, ruleOnEnd } from './ruling.ts';
import { demandScope } from './scope.ts';

/** Who orders, with what right, and how it is judged. */
export interface Act {
  /** A human, or a replica by itself. */
  principal: Omit<Principal, 'how'> & { how: How };
  cluster: ClusterConfig;
  foresee: Foresee;
  /** Judges and writes nothing. */
  dryRun: boolean;
  /** Texts of the headers; null: not sent. */
  ifMatch: string | null;
  ifNoneMatch: string | null;
}

export interface Committed extends Ruling {
  override: Override;
  /** Of the document that holds (or, after an end, no longer holds) it. */
  version: number;
  /** There was none of this id. */
  created: boolean;
  /** Answered before: nothing was written now. */
  replayed: boolean;
}

/** What a request with an Idempotency-Key is known by. */
export interface AskedBy {
  hash: string;
  fingerprint: string;
}

export interface OverrideWriter {
  listOverrides(): Promise<Overrides>;
  /** Under an id of the caller's choice. */
  putOverride(input: OverrideInput, act: Act): Promise<Committed>;
  /** Once per key, whoever is asked: a retry is answered as the first was. */
  createOverride(input: OverrideInput, act: Act, asked: AskedBy | null): Promise<Committed>;
  /** The answer to a key, if there is one. */
  answered(asked: AskedBy): Promise<Committed | null>;
  deleteOverride(id: string, act: Act): Promise<Committed>;
  approveOverride(id: string, act: Act): Promise<Committed>;
}

export interface OverrideWriterOptions {
  store: Store;
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  clusterNowMs: () => number;
}

export const OVERRIDES_MAX = 200;
/** The document is read at every decision and written at once. */
export const DOCUMENT_BYTES_MAX = 512 * 1024;
/** Of a forecast that is kept for a retry. */
const FORECAST_BYTES_MAX = 64 * 1024;

export const etagOf = (version: number): string => `"${version}"`;

/** Of one order: of what was ordered and agreed to, so that other orders, and what is told of this one, leave it alone. */
export const tagOf = ({ told: _, ...order }: Override): string => `"${sha256(canonicalJson(order)).slice(0, 16)}"`;

/** RFC 9110 13.1.1: `*` needs the order to exist; otherwise one of the strong tags has to be the document's or the order's. */
const matches = (ifMatch: string, version: number, there: Override | undefined): boolean => {
  if (ifMatch.trim() === '*') return there !== undefined;
  const current = there === undefined ? [etagOf(version)] : [etagOf(version), tagOf(there)];
  return ifMatch.split(',').some((tag) => current.includes(tag.trim()));
};

const BLANK: Overrides = { version: 0, nonce: '', items: [] };
const documentOf = (records: Records): Overrides => records.value<Overrides>(KEYS.override) ?? BLANK;

/** The same order, whatever was told of it or agreed to since. */
const isSameOrder = (a: Override, b: Override): boolean => {
  const bare = (order: Override): unknown => {
    const { told: _told, approval: _approval, ...rest } = order;
    return JSON.parse(JSON.stringify(rest));
  };
  return isDeepStrictEqual(bare(a), bare(b));
};

const lastsMs = ({ expiresAtMs, startsAtMs, createdAtMs }: Override): number => expiresAtMs - (startsAtMs ?? createdAtMs);

const notFound = (id: string): Fault =>
  new Fault('ERR_NOT_FOUND', `no override is called "${id.slice(0, 64)}"; GET /v1/overrides lists them`);

/** Throws ERR_NOT_FOUND. */
export const overrideNamed = (items: readonly Override[], id: string): Override => {
  const there = items.find((item) => item.id === id);
  if (there === undefined) throw notFound(id);
  return there;
};

/** Throws ERR_STALE, or ERR_PRECONDITION when an order would be touched that its caller need not have seen. */
const guard = ({ ifMatch, ifNoneMatch, dryRun }: Act, { version }: Overrides, there: Override | undefined): void => {
  if (ifNoneMatch !== null && ifNoneMatch.trim() !== '*')
    throw new Fault('ERR_BAD_REQUEST', 'of If-None-Match only * is understood: the order must not exist');
  if (ifNoneMatch !== null && there !== undefined)
    throw new Fault('ERR_STALE', `If-None-Match: * says that there is none, but ${there.id} exists: read it, or take another id`);
  if (ifMatch !== null && !matches(ifMatch, version, there))
    throw new Fault(
      'ERR_STALE',
      `If-Match says ${ifMatch.slice(0, 80)}, ${there === undefined ? 'there is no such order' : `the order is at ${tagOf(there)}`} and the overrides are at ${etagOf(version)}: read them again`,
    );
  if (ifMatch === null && there !== undefined && !dryRun)
    throw new Fault('ERR_PRECONDITION', `${there.id} exists: read it, then send its ETag as If-Match, or * to take whatever is there`);
};

const usedUp = (): Fault => new Fault('ERR_FORBIDDEN', 'this credential was good for one act, and has been used');

/** What goes into one transaction beside the order. */
interface Beside extends Pick<Draft, 'kind' | 'atMs' | 'nonce'> {
  act: Act;
  asked: AskedBy | null;
  because(override: Override): string;
}

const keysOf = ({ principal }: Act, asked: AskedBy | null): readonly string[] => [
  KEYS.override,
  ...JOURNAL_KEYS,
  ...(principal.once === undefined ? [] : [usedKey(principal.once.id)]),
  ...(asked === null ? [] : askedKeys(asked.hash)),
];

/** Why the token was signed is known to whoever signed it, offline: here it is written down. */
const useOf = ({ id, expiresAtMs, reason }: Once, { by, how, atMs, nonce, kind }: Draft, override: Override): Draft => ({
  kind: 'token.used',
  by,
  how,
  because: `the token ${id} for one act was used up by ${by} for ${kind} ${override.id}${reason === undefined ? '' : `; it was signed because: ${reason}`}`,
  detail: { id, expiresAtMs, ...(reason === undefined ? {} : { reason }) },
  atMs,
  nonce,
});

const besideOps = (records: Records, beside: Beside, answer: Committed): { on: string[]; ops: Op[] } => {
  const { kind, atMs, nonce, asked } = beside;
  const { name: by, how, once } = beside.act.principal;
  const { override, refusals } = answer;
  const detail = { override, ...(refusals.length === 0 ? {} : { refusals }) };
  const act: Draft = { kind, by, how, because: beside.because(override), detail, atMs, nonce };
  // A message is no token that somebody could have kept: its one act says everything.
  const isToken = once !== undefined && how !== 'callback';
  const { ops } = appendOps(headOf(records.kvs), act, ...(isToken ? [useOf(once, act, override)] : []));
  const used = once === undefined ? [] : usedOps(once, { by, atMs, nonce }).ops;
  const kept = asked === null ? [] : askedOps(records, asked.hash, { fingerprint: asked.fingerprint, atMs, answer: bounded(answer) });
  return {
    on: [KEYS.journal, ...(once === undefined ? [] : [usedKey(once.id)]), ...(asked === null ? [] : askedKeys(asked.hash))],
    ops: [...ops, ...used, ...kept],
  };
};

const bounded = (answer: Committed): Committed =>
  JSON.stringify(answer.forecast).length <= FORECAST_BYTES_MAX
    ? answer
    : { ...answer, forecast: null, notes: [...answer.notes, 'the forecast was too large to be kept for a retry'] };

export const createOverrideWriter = ({ store, ports, clusterNowMs }: OverrideWriterOptions): OverrideWriter => {
  const ledger = createLedger({ store, ports });
  /** Hashes of the keys that are being answered by this replica. */
  const inFlight = new Set<string>();

  /** One change of the document. `change` judges what is there and says what shall be. */
  const commit = (
    beside: Beside,
    change: (document: Overrides, doubt: boolean) => { done: Committed } | { items: readonly Override[]; result: Committed },
  ): Promise<Committed> => {
    const { act, asked, nonce } = beside;
    return ledger.commit<Committed>({
      what: 'the overrides',
      keys: keysOf(act, asked),
      judge(records, doubt): Step<Committed> {
        const document = documentOf(records);
        const before = asked === null ? undefined : askedBefore<Committed>(records, asked.hash, clusterNowMs());
        if (before !== undefined && asked !== null) return { done: replayOf(before, asked) };
        const used = act.principal.once && records.value<Used>(usedKey(act.principal.once.id));
        if (used !== undefined && used.nonce !== nonce) throw usedUp();
        const next = change(document, doubt);
        // Used by this very act: it was committed, whatever others have done since.
        if ('done' in next || act.dryRun || used !== undefined) return { done: 'done' in next ? next.done : next.result };
        const value: Overrides = { version: document.version + 1, nonce, items: next.items };
        if (Buffer.byteLength(JSON.stringify(value)) > DOCUMENT_BYTES_MAX)
          throw new Fault('ERR_LIMIT', `all orders together may take ${DOCUMENT_BYTES_MAX / 1024} KiB: delete one first, or write less`);
        const { on, ops } = besideOps(records, beside, next.result);
        return { on: [KEYS.override, ...on], ops: [{ put: KEYS.override, value }, ...ops], result: next.result };
      },
    });
  };

  const besideOf = (kind: Draft['kind'], act: Act, because: Beside['because'], asked: AskedBy | null = null): Beside => ({
    kind,
    act,
    asked,
    because,
    atMs: Math.round(clusterNowMs()),
    nonce: ports.random.hex(12),
  });

  const put = (order: Override, act: Act, asked: AskedBy | null): Promise<Committed> => {
    const by = act.principal.name;
    let created = true;
    return commit(
      besideOf('override.put', act, ({ kind, id, reason }) => `${kind} ${id} ordered by ${by}: ${reason}`, asked),
      (document, doubt) => {
        const { items, version } = document;
        const there = items.find((item) => item.id === order.id);
        if (there !== undefined && doubt && isSameOrder(there, order)) return { done: { ...standing(there, document, act), created } };
        if (asked !== null && there !== undefined) return { done: alreadyOrdered(there, order, document, act) };
        demandScope(act.principal, act.cluster, order, there);
        guard(act, document, there);
        if (there === undefined && items.length >= OVERRIDES_MAX)
          throw new Fault('ERR_LIMIT', `there are ${items.length} overrides already (limit ${OVERRIDES_MAX}): delete one first`);
        created = there === undefined;
        const ruling = ruleOn(order, act.cluster, act.foresee, clusterNowMs());
        if (!act.dryRun) demandAllowed(order, ruling);
        const override: Override = ruling.needsApproval ? { ...order, approval: { by: null, atMs: null } } : order;
        demandNoGap(override, there, clusterNowMs(), act.dryRun);
        const result = { ...ruling, override, version: version + (act.dryRun ? 0 : 1), created, replayed: false };
        return { items: [...items.filter((item) => item.id !== order.id), override], result };
      },
    );
  };

  /** As it stands already: an earlier try of the same request wrote it. */
  const standing = (override: Override, { version }: Overrides, { cluster, foresee }: Act): Committed => ({
    ...ruleOn(override, cluster, foresee, clusterNowMs()),
    override,
    version,
    created: true,
    replayed: false,
  });

  /** The key's record is gone, or was never kept, but the order that the key makes is there. */
  const alreadyOrdered = (there: Override, order: Override, document: Overrides, act: Act): Committed => {
    const { createdAtMs, expiresAtMs } = there;
    if (lastsMs(there) !== lastsMs(order) || !isSameOrder(there, { ...order, createdAtMs, expiresAtMs })) throw otherBody();
    return { ...standing(there, document, act), replayed: true };
  };

  const orderOf = ({ ttlMs, ...input }: OverrideInput, { principal }: Act): Override => {
    const createdAtMs = Math.round(clusterNowMs());
    return { ...input, by: principal.name, createdAtMs, expiresAtMs: (input.startsAtMs ?? createdAtMs) + ttlMs };
  };

  return {
    listOverrides: async () => documentOf(await ledger.read('the overrides', [KEYS.override])),

    putOverride: (input, act) => put(orderOf(input, act), act, null),

    async createOverride(input, act, asked) {
      const order = orderOf(input, act);
      if (asked === null) return put(order, act, null);
      if (inFlight.has(asked.hash)) throw new Fault('ERR_IN_FLIGHT', 'a request with this Idempotency-Key is being answered: wait for it');
      inFlight.add(asked.hash);
      try {
        return await put(order, act, asked);
      } finally {
        inFlight.delete(asked.hash);
      }
    },

    async answered(asked) {
      const records = await ledger.read('what was answered', askedKeys(asked.hash));
      const before = askedBefore<Committed>(records, asked.hash, clusterNowMs());
      return before === undefined ? null : replayOf(before, asked);
    },

    deleteOverride(id, act) {
      let gone: Override | undefined;
      const by = act.principal.name;
      return commit(
        besideOf('override.deleted', act, ({ kind }) => `${kind} ${id} ended by ${by}`),
        (document, doubt) => {
          const there = document.items.find((item) => item.id === id);
          if (there === undefined && !(doubt && gone !== undefined)) throw notFound(id);
          const ruling = ruleOnEnd(id, act.foresee);
          const result = (override: Override, version: number): Committed => ({
            ...ruling,
            override,
            version,
            created: false,
            replayed: false,
          });
          if (there === undefined) return { done: result(gone!, document.version) };
          demandScope(act.principal, act.cluster, there);
          guard(act, document, there);
          gone = there;
          return { items: document.items.filter((item) => item.id !== id), result: result(there, document.version + (act.dryRun ? 0 : 1)) };
        },
      );
    },

    approveOverride(id, act) {
      const atMs = Math.round(clusterNowMs());
      const by = act.principal.name;
      return commit(
        besideOf('override.approved', act, ({ kind }) => `${kind} ${id} agreed to by ${by}`),
        (document, doubt) => {
          const there = overrideNamed(document.items, id);
          const approved: Override = { ...there, approval: { by, atMs } };
          if (doubt && isDeepStrictEqual(there.approval, approved.approval))
            return { done: { ...standing(there, document, act), created: false } };
          demandScope(act.principal, act.cluster, there);
          guard(act, document, there);
          demandSecond(there, by, atMs);
          const ruling = ruleOn(approved, act.cluster, act.foresee, clusterNowMs());
          demandAllowed(approved, ruling);
          const result = { ...ruling, override: approved, version: document.version + 1, created: false, replayed: false };
          return { items: document.items.map((item) => (item.id === id ? approved : item)), result };
        },
      );
    },
  };
};

const replayOf = ({ fingerprint, answer }: { fingerprint: string; answer: Committed }, asked: AskedBy): Committed => {
  if (fingerprint !== asked.fingerprint) throw otherBody();
  return { ...answer, replayed: true };
};

const otherBody = (): Fault =>
  new Fault(
    'ERR_IDEMPOTENCY',
    'this Idempotency-Key was used for another order: take a fresh key for a new order, and the same for a retry',
  );

/** Throws ERR_APPROVAL where one that is obeyed would end for the sake of one that nobody has agreed to yet. */
const demandNoGap = (order: Override, there: Override | undefined, nowMs: number, dryRun: boolean): void => {
  if (dryRun || order.approval?.by !== null || there === undefined || !isInForce(there, nowMs)) return;
  throw new Fault(
    'ERR_APPROVAL',
    `a second person has to agree to this, and until then nothing would stand in the place of ${there.id}, which is in force: order it under another id`,
  );
};

/** Throws ERR_APPROVAL unless it waits for just this. */
const demandSecond = (there: Override, by: string, nowMs: number): void => {
  const { id, approval } = there;
  if (nowMs >= there.expiresAtMs) throw new Fault('ERR_APPROVAL', `${id} has expired; order it again`);
  if (approval === undefined) throw new Fault('ERR_APPROVAL', `${id} needs nobody else to agree: it is in force, or begins by itself`);
  if (approval.by !== null) throw new Fault('ERR_APPROVAL', `${approval.by} has agreed to ${id} already`);
  // Issuers differ in how they spell one person.
  if (there.by?.toLowerCase() === by.toLowerCase()) throw new Fault('ERR_APPROVAL', `${by} ordered ${id}: somebody else has to agree`);
};
