// Guarded writes of the `override` document: read, judge, write on its revision. Acknowledged only after the commit, so an order that was answered
// with 200 is never lost. All orders are one document, so that no decision can miss one; two operators writing different ids do not disagree, so a
// lost race is judged again, a few times. Expired orders are left in place: the decision that ends one takes it out.

import { KEYS } from '../coordinate/keys.ts';
import { Fault } from '../errors.ts';
import type { Override, Overrides } from '../model.ts';
import { DeadlineError, type Ports, withDeadline } from '../ports.ts';
import { type Store, StoreDefiniteError } from '../store/store.ts';
import type { OverrideInput } from './override-input.ts';

export interface Committed {
  override: Override;
  /** Version of the document that holds (or, after a delete, no longer holds) it. */
  version: number;
}

/** `ifMatch`: the header's text; null when the caller did not send one. */
export interface OverrideWriter {
  listOverrides(): Promise<Overrides>;
  putOverride(input: OverrideInput, ifMatch: string | null): Promise<Committed>;
  deleteOverride(id: string, ifMatch: string | null): Promise<Committed>;
}

export interface OverrideWriterOptions {
  store: Store;
  ports: Ports;
  clusterNowMs: () => number;
}

export const OVERRIDES_MAX = 200;
const ATTEMPTS_MAX = 5;
const STORE_MS = 1_500;
/** All tries together: an answer leaves before a stopping process gives up on open requests. */
const COMMIT_MS = 3_000;

export const etagOf = (version: number): string => `"${version}"`;

/** RFC 9110 13.1.1: `*` needs the order to exist; otherwise one of the strong tags has to be the document's. */
const matches = (ifMatch: string | null, version: number, exists: boolean): boolean => {
  if (ifMatch === null) return true;
  if (ifMatch.trim() === '*') return exists;
  return ifMatch.split(',').some((tag) => tag.trim() === etagOf(version));
};

interface Document {
  current: Overrides;
  mod: number;
}

/** What to do with the document as it is now: the items it should hold, or nothing since it already is as asked. */
type Step = { write: readonly Override[] } | { done: Override };

const sameOrder = (a: Override | undefined, b: Override): boolean =>
  a !== undefined &&
  a.createdAtMs === b.createdAtMs &&
  a.expiresAtMs === b.expiresAtMs &&
  a.kind === b.kind &&
  a.reason === b.reason &&
  a.owner === b.owner &&
  JSON.stringify(a.scope) === JSON.stringify(b.scope);

export const createOverrideWriter = ({ store, ports, clusterNowMs }: OverrideWriterOptions): OverrideWriter => {
  const bounded = <T>(what: string, untilMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(ports.timers, Math.round(Math.max(1, Math.min(STORE_MS, untilMs - ports.clock.monoMs()))), what, work);

  const read = async (untilMs: number): Promise<Document> => {
    const { kvs } = await bounded('reading the overrides', untilMs, (signal) => store.get({ keys: [KEYS.override] }, signal));
    const [record] = kvs;
    // The record is written only here and by decisions, both of this type.
    const current = (record?.value as Overrides | undefined) ?? { version: 0, nonce: '', items: [] };
    return { current, mod: record?.mod ?? 0 };
  };

  const write = async (untilMs: number, document: Document, items: readonly Override[]): Promise<'committed' | 'lost' | 'doubt'> => {
    const next: Overrides = { version: document.current.version + 1, nonce: ports.random.hex(12), items };
    try {
      const { ok } = await bounded('writing the overrides', untilMs, (signal) =>
        store.txn({ if: [{ key: KEYS.override, mod: document.mod }], then: [{ put: KEYS.override, value: next }] }, signal),
      );
      return ok ? 'committed' : 'lost';
    } catch (error) {
      if (error instanceof StoreDefiniteError) throw unreachable(error);
      return 'doubt';
    }
  };

  /**
   * Judges and writes until committed. `judge` sees whether an earlier write of this very request is in doubt; it recognises that write by its effect
   * (the order with these instants is there, or the order is gone), which also holds when somebody else has written since.
   * Every try is guarded on the revision it read, so of several tries in doubt at most one can ever take effect.
   */
  const commit = async (judge: (document: Document, doubt: boolean) => Step, override: () => Override): Promise<Committed> => {
    const untilMs = ports.clock.monoMs() + COMMIT_MS;
    let doubt = false;
    for (let attempt = 0; attempt < ATTEMPTS_MAX && ports.clock.monoMs() < untilMs; attempt += 1) {
      const document = await read(untilMs).catch((error: unknown) => {
        throw doubt ? undecided() : unreachable(error);
      });
      const step = judge(document, doubt);
      if ('done' in step) return { override: step.done, version: document.current.version };
      const outcome = await write(untilMs, document, step.write).catch((error: unknown) => {
        throw doubt ? undecided() : error;
      });
      if (outcome === 'committed') return { override: override(), version: document.current.version + 1 };
      doubt ||= outcome === 'doubt';
    }
    if (doubt) throw undecided();
    throw new Fault(
      'ERR_STALE',
      `the overrides were changed by others in each of ${ATTEMPTS_MAX} tries; nothing was written: send it again`,
    );
  };

  const guard = (document: Document, ifMatch: string | null, exists: boolean): void => {
    if (!matches(ifMatch, document.current.version, exists))
      throw new Fault(
        'ERR_STALE',
        `If-Match says ${ifMatch?.slice(0, 80)}, the overrides are at ${etagOf(document.current.version)}: read them again`,
      );
  };

  return {
    async listOverrides() {
      const { current } = await read(ports.clock.monoMs() + STORE_MS).catch((error: unknown) => {
        throw unreachable(error);
      });
      return current;
    },

    putOverride({ ttlMs, ...input }, ifMatch) {
      const createdAtMs = Math.round(clusterNowMs());
      const order: Override = { ...input, createdAtMs, expiresAtMs: createdAtMs + ttlMs };
      return commit(
        (document, doubt) => {
          const { items } = document.current;
          const there = items.find((item) => item.id === order.id);
          if (doubt && sameOrder(there, order)) return { done: order };
          guard(document, ifMatch, there !== undefined);
          if (there === undefined && items.length >= OVERRIDES_MAX)
            throw new Fault('ERR_LIMIT', `there are ${items.length} overrides already (limit ${OVERRIDES_MAX}): delete one first`);
          return { write: [...items.filter((item) => item.id !== order.id), order] };
        },
        () => order,
      );
    },

    deleteOverride(id, ifMatch) {
      let gone: Override | undefined;
      return commit(
        (document, doubt) => {
          const there = document.current.items.find((item) => item.id === id);
          if (doubt && there === undefined && gone !== undefined) return { done: gone };
          guard(document, ifMatch, there !== undefined);
          if (there === undefined)
            throw new Fault('ERR_NOT_FOUND', `no override is called "${id.slice(0, 64)}"; GET /v1/overrides lists them`);
          gone = there;
          return { write: document.current.items.filter((item) => item.id !== id) };
        },
        () => gone!,
      );
    },
  };
};

const unreachable = (error: unknown): Fault =>
  new Fault(
    'ERR_STORE_UNREACHABLE',
    error instanceof DeadlineError
      ? `the store did not answer within ${error.afterMs} ms; nothing was written: try again, or use another replica`
      : 'the store refused or is out of reach; nothing was written: try again, or use another replica',
    { cause: error },
  );

const undecided = (): Fault =>
  new Fault(
    'ERR_UNDECIDED',
    'the store broke off while writing: the order may or may not stand. Read /v1/overrides, then send it again; that is safe',
  );
